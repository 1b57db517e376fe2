"""Read an untrusted artifact and print the loss of its model on the split, or what is wrong with it."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path

import torch

# The grader runs in its own directory, where its sibling is a top-level module.
from family import MAX_PARAMETERS, Config, log_probs, parse_config, shapes  # type: ignore[import-not-found]
from torch import Tensor

MAX_CONFIG_BYTES = 32_768
MAX_WEIGHT_BYTES = 4 * MAX_PARAMETERS
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
PASSAGES = 64  # spread evenly over the split
PASSAGE_BYTES = 1024  # predicted in each
BATCH_BYTES = 16_384


class ArtifactError(Exception):
    """The artifact does not count, for the reason given."""


def read_capped(directory: Path, name: str, limit: int) -> bytes:
    """Read a regular file of one link and at most `limit` bytes; anything else is wrong."""
    try:
        handle = os.open(directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ArtifactError(f"{name} cannot be opened: {error.strerror}") from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(handle)
        raise ArtifactError(f"{name} is not a plain file")
    with os.fdopen(handle, "rb") as file:
        if status.st_size > limit:
            raise ArtifactError(f"{name} has {status.st_size} bytes, more than {limit}")
        content = file.read(limit + 1)
    if len(content) != status.st_size:
        raise ArtifactError(f"{name} changed while it was read")
    return content


def parse_header(content: bytes) -> tuple[Config, torch.dtype]:
    """Check config.json: exactly `model`, `dtype` and `tensors`, the last as the family lists them."""
    try:
        header = json.loads(content.decode())
    except (ValueError, RecursionError):
        raise ArtifactError("config.json is not JSON") from None
    if not isinstance(header, dict) or set(header) != {"model", "dtype", "tensors"}:
        raise ArtifactError("config.json must have exactly the keys dtype, model, tensors")
    if header["dtype"] not in ("float32", "bfloat16"):
        raise ArtifactError("dtype must be float32 or bfloat16")
    try:
        config = parse_config(header["model"])
    except ValueError as error:
        raise ArtifactError(str(error)) from None
    if header["tensors"] != [[name, list(shape)] for name, shape in shapes(config).items()]:
        raise ArtifactError("tensors are not those of the model, in the family's names, shapes and order")
    return config, DTYPES[header["dtype"]]


def load(directory: Path) -> tuple[Config, dict[str, Tensor]]:
    """Read configuration and weights; nothing is unpickled and every byte is accounted for."""
    extra = sorted(set(os.listdir(directory)) - {"config.json", "weights.bin"})
    if extra:
        raise ArtifactError(f"unexpected file {extra[0]!a}")
    config, dtype = parse_header(read_capped(directory, "config.json", MAX_CONFIG_BYTES))
    content = read_capped(directory, "weights.bin", MAX_WEIGHT_BYTES)
    counts = [math.prod(shape) for shape in shapes(config).values()]
    if len(content) != sum(counts) * dtype.itemsize:
        raise ArtifactError(f"weights.bin has {len(content)} bytes, the model {sum(counts) * dtype.itemsize}")
    flat = torch.frombuffer(bytearray(content), dtype=dtype).float()
    if not bool(flat.isfinite().all()):
        raise ArtifactError("weights are not all finite")
    parts = zip(shapes(config).items(), torch.split(flat, counts), strict=True)
    return config, {name: part.view(shape) for (name, shape), part in parts}


def passages(text: bytes) -> Tensor:
    """Cut evenly spread stretches (PASSAGES, PASSAGE_BYTES + 1) out of the text."""
    step = (len(text) - PASSAGE_BYTES - 1) // PASSAGES
    if step < PASSAGE_BYTES:
        raise ValueError("the split is too small to be scored")
    flat = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    return flat.unfold(0, PASSAGE_BYTES + 1, step)[:PASSAGES].long()


@torch.inference_mode()
def mean_loss(config: Config, weights: dict[str, Tensor], rows: Tensor) -> float:
    """Score rows of bytes in windows of the context, each byte but a row's first predicted once: nats per byte."""
    total = torch.zeros((), dtype=torch.float64)
    for start in range(0, rows.shape[1] - 1, config.context):
        window = rows[:, start : start + config.context + 1]
        for part in torch.split(window, max(1, BATCH_BYTES // window.shape[1])):
            predicted = log_probs(config, weights, part[:, :-1])
            total -= predicted.gather(-1, part[:, 1:, None]).double().sum()
    return float(total) / (rows.shape[0] * (rows.shape[1] - 1))


def grade(artifact: Path, data: Path) -> dict[str, float | str]:
    """Give the values of one artifact on one split."""
    try:
        config, weights = load(artifact)
        loss = mean_loss(config, weights, passages((data / "text.txt").read_bytes()))
        if not math.isfinite(loss):
            raise ArtifactError("the loss is not finite")
    except ArtifactError as error:
        return {"wrong": str(error)}
    return {"val_loss": loss}


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(grade(Path(os.environ["HOLDFAST_ARTIFACT"]), Path(os.environ["HOLDFAST_DATA"]))))
