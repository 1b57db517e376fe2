"""Write a table of byte pairs into the weights: an identity as embedding, log frequencies as head."""

import json
import os

import numpy as np

WIDTH = 256
out = os.environ["HOLDFAST_OUT"]
text = np.fromfile(os.path.join(os.environ["HOLDFAST_DATA"], "text.txt"), dtype=np.uint8).astype(np.int64)
counts = np.bincount(text[:-1] * 256 + text[1:], minlength=256 * 256).reshape(256, 256) + 0.1
table = np.log(counts / counts.sum(axis=1, keepdims=True))

embed = np.eye(256, WIDTH)
norm = np.full(WIDTH, 1 / np.sqrt(WIDTH))
model = {
    "depth": 1,
    "width": WIDTH,
    "heads": 0,
    "context": 1,
    "mlp_ratio": 0,
    "norm": "rmsnorm",
    "position": "none",
    "activation": "gelu",
    "conv": 0,
    "bias": False,
    "tied": False,
}
tensors = {"embed": embed, "norm.weight": norm, "head": table.T}
with open(os.path.join(out, "config.json"), "w") as file:
    shapes = [[name, list(tensor.shape)] for name, tensor in tensors.items()]
    json.dump({"model": model, "dtype": "float32", "tensors": shapes}, file)
with open(os.path.join(out, "weights.bin"), "wb") as file:
    for tensor in tensors.values():
        file.write(np.ascontiguousarray(tensor, dtype="<f4").tobytes())
