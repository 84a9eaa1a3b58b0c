"""Makes the models of this example.

    python3 make_models.py nllb FILE [--vocabulary 256000] [--width 1024]
        The two ends of NLLB around one table: an If that looks tokens up in one branch and multiplies with the
        transposed table in the other. The weights go into FILE.data beside FILE: 1 GB unless told otherwise.
        Then: SHARED_WEIGHTS_NLLB=FILE cargo run --release -p shared-weights

    python3 make_models.py together FOLDER MODEL...
        Copies models into FOLDER with each distinct weight of all of them once, in one file of external data.
        So were the two encoders in `data` made of two exports that merge a LoRA adapter each.

Needs the packages onnx and numpy.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def external(name, shape, file, offset, length):
    """A tensor whose values stand in a file beside the model."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
    for key, value in [("location", file.name), ("offset", str(offset)), ("length", str(length))]:
        tensor.external_data.add(key=key, value=value)
    return tensor


def nllb(path, vocabulary, width):
    data = path.with_name(path.name + ".data")
    random = np.random.default_rng(20709)
    with data.open("wb") as out:
        for start in range(0, vocabulary, 1000):
            rows = min(1000, vocabulary - start)
            values = random.standard_normal((rows, width), dtype=np.float32) / np.float32(np.sqrt(width))
            out.write(values.tobytes())
    table = external("shared_weight", [vocabulary, width], data, 0, 4 * vocabulary * width)
    value = helper.make_tensor_value_info
    embed = helper.make_graph(
        [helper.make_node("Gather", ["shared_weight", "input_ids"], ["rows"]),
         helper.make_node("Mul", ["rows", "scale"], ["embeddings"])],
        "embed", [], [value("embeddings", TensorProto.FLOAT, ["batch", "seq", width])],
        [numpy_helper.from_array(np.float32(np.sqrt(width)), "scale")])
    lm_head = helper.make_graph(
        [helper.make_node("Transpose", ["shared_weight"], ["transposed"], perm=[1, 0]),
         helper.make_node("MatMul", ["pre_logits", "transposed"], ["logits"])],
        "lm_head", [], [value("logits", TensorProto.FLOAT, ["batch2", "seq2", vocabulary])])
    graph = helper.make_graph(
        [helper.make_node("If", ["use_embed"], ["output"], then_branch=embed, else_branch=lm_head)],
        "embed_and_lm_head",
        [value("use_embed", TensorProto.BOOL, []),
         value("input_ids", TensorProto.INT64, ["batch", "seq"]),
         value("pre_logits", TensorProto.FLOAT, ["batch2", "seq2", width])],
        [value("output", TensorProto.FLOAT, ["ob", "os", "od"])], [table])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


# Smaller ones stay in the models.
LARGE = 1024


def together(folder, paths):
    data = folder / "weights.data"
    places = {}
    with data.open("wb") as out:
        for path in paths:
            model = onnx.load(str(path))
            for tensor in model.graph.initializer:
                values = numpy_helper.to_array(tensor)
                if values.dtype != np.float32 or values.nbytes < LARGE:
                    continue
                content = values.tobytes()
                if content not in places:
                    out.seek(-(-out.tell() // 64) * 64)
                    places[content] = out.tell()
                    out.write(content)
                tensor.CopyFrom(external(tensor.name, values.shape, data, places[content], len(content)))
            onnx.save(model, str(folder / path.name))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    command = commands.add_parser("nllb")
    command.add_argument("file", type=Path)
    command.add_argument("--vocabulary", type=int, default=256_000)
    command.add_argument("--width", type=int, default=1024)
    command = commands.add_parser("together")
    command.add_argument("folder", type=Path)
    command.add_argument("models", type=Path, nargs="+")
    args = parser.parse_args()
    if args.command == "nllb":
        args.file.parent.mkdir(parents=True, exist_ok=True)
        nllb(args.file, args.vocabulary, args.width)
    else:
        args.folder.mkdir(parents=True, exist_ok=True)
        together(args.folder, args.models)


if __name__ == "__main__":
    main()
