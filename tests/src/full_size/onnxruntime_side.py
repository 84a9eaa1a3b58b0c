"""What onnxruntime takes for a model, on one thread: `onnxruntime_side.py MODEL ROUNDS`. Prints names and numbers."""

import resource
import sys
import time

import numpy as np
import onnxruntime

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

before = peak()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
start = time.perf_counter()
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
print("create_ms", (time.perf_counter() - start) * 1e3)

types = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}
inputs = {
    i.name: np.array(((np.arange(np.prod(i.shape, dtype=np.int64)) * 37 + 11) % 101) / 101 - 0.5).reshape(i.shape).astype(types[i.type])
    for i in session.get_inputs()
}

def median(name, scale, rounds):
    for clock, suffix in [(time.perf_counter, ""), (time.process_time, "_processor")]:
        times = []
        for _ in range(rounds):
            start = clock()
            session.run(None, inputs)
            times.append((clock() - start) * scale)
        print(name + suffix, sorted(times)[len(times) // 2])

rounds = int(sys.argv[2])
if "use_embed" in inputs:
    inputs["use_embed"] = np.array(True)
    median("embedding_us", 1e6, rounds)
    inputs["use_embed"] = np.array(False)
median("ms", 1e3, rounds)
print("peak", peak())
print("grown", peak() - before)
print("version", ".".join(onnxruntime.__version__.split(".")[:2]))
