"""Makes the models of this example: `python3 make_models.py [FOLDER] [--vocabulary N] [--width N]`.

The defaults are those of the data in this folder. `--vocabulary 256000 --width 1024` makes the table of NLLB, 1 GB, in
a file of external data; build the example with SHARED_WEIGHTS_DATA=FOLDER then.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def save(folder, name, graph, large):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = str(folder / name)
    if large:
        onnx.save(model, path, save_as_external_data=True, location=name + ".data")
    else:
        onnx.save(model, path)


def embed_and_lm_head(table):
    """One table behind an If: looked up in one branch, transposed and multiplied in the other."""
    vocabulary, width = table.shape
    output = lambda: [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    embed = helper.make_graph([helper.make_node("Gather", ["table", "ids"], ["y"])], "embed", [], output())
    head = helper.make_graph(
        [helper.make_node("Transpose", ["table"], ["t"], perm=[1, 0]), helper.make_node("MatMul", ["hidden", "t"], ["y"])],
        "lm_head", [], output())
    return helper.make_graph(
        [helper.make_node("If", ["use_embed"], ["output"], then_branch=embed, else_branch=head)],
        "embed_and_lm_head",
        [helper.make_tensor_value_info("use_embed", TensorProto.BOOL, []),
         helper.make_tensor_value_info("ids", TensorProto.INT64, [1, 1]),
         helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [1, 1, width])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "size"])],
        [numpy_helper.from_array(table, "table")])


def encoder(table, weights):
    """Looks up tokens and sends them through feed-forward layers."""
    nodes = [helper.make_node("Gather", ["table", "ids"], ["x0"])]
    constants = [numpy_helper.from_array(table, "table")]
    for i, (up, down) in enumerate(weights):
        nodes += [helper.make_node("MatMul", [f"x{i}", f"layer{i}.up"], [f"u{i}"]),
                  helper.make_node("Relu", [f"u{i}"], [f"r{i}"]),
                  helper.make_node("MatMul", [f"r{i}", f"layer{i}.down"], [f"d{i}"]),
                  helper.make_node("Add", [f"x{i}", f"d{i}"], [f"x{i + 1}"])]
        constants += [numpy_helper.from_array(up, f"layer{i}.up"), numpy_helper.from_array(down, f"layer{i}.down")]
    return helper.make_graph(
        nodes, "encoder",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "tokens"])],
        [helper.make_tensor_value_info(f"x{len(weights)}", TensorProto.FLOAT, [1, "tokens", table.shape[1]])],
        constants)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", default=Path(__file__).parent / "data", type=Path)
    parser.add_argument("--vocabulary", type=int, default=1000)
    parser.add_argument("--width", type=int, default=64)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(20709)
    normal = lambda *shape: random.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(shape[-1]))
    table = normal(args.vocabulary, args.width)
    large = table.nbytes > 64 << 20
    save(args.folder, "embed_and_lm_head.onnx", embed_and_lm_head(table), large)
    base = [(normal(args.width, 2 * args.width), normal(2 * args.width, args.width)) for _ in range(2)]
    for name in ["a", "b"]:
        adapted = base[0][0] + normal(args.width, 4) @ normal(4, 2 * args.width)
        save(args.folder, f"encoder_{name}.onnx", encoder(table, [(adapted, base[0][1]), base[1]]), large)


if __name__ == "__main__":
    main()
