"""The reference: a convolutional bfloat16 network, Muon, decaying rates, part of the data, no optimiser package."""

import json
import os

import torch
from torch.nn import functional as F  # noqa: N812  # the name every tutorial uses

STEPS = 40
BATCH = 12
CONTEXT = 64
WIDTH = 96
HIDDEN = 2 * WIDTH
TAPS = 4
READ_BYTES = 1_000_000
RATES = {"conv": 0.06, "up": 0.15, "down": 0.15, "embed": 0.05, "head": 0.03}
MOMENTUM = 0.8
BETAS = (0.9, 0.95)
NEWTON_SCHULZ = ((4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037))


def initial_weights():
    """Master weights in float32; what ends a residual branch starts at zero."""
    return {
        "embed": torch.randn(256, WIDTH),
        "conv": torch.randn(TAPS, WIDTH) * 0.25,
        "up": torch.randn(HIDDEN, WIDTH) * WIDTH**-0.5,
        "down": torch.zeros(WIDTH, HIDDEN),
        "head": torch.zeros(256, WIDTH),
    }


def forward(w, x):
    """Logits of one block: convolution, then a squared-ReLU network."""
    h = F.embedding(x, w["embed"])
    padded = F.pad(h, (0, 0, TAPS - 1, 0))
    for back in range(TAPS):
        start = TAPS - 1 - back
        h = h + padded[:, start : start + x.shape[1]] * w["conv"][back]
    u = F.relu(F.linear(F.rms_norm(h, (WIDTH,), eps=1e-5), w["up"])).square()
    h = h + F.linear(u, w["down"])
    return F.linear(F.rms_norm(h, (WIDTH,), eps=1e-5), w["head"])


def orthogonal(matrix):
    """Nearly the nearest semi-orthogonal matrix, by Newton-Schulz steps (Jordan et al., 2024)."""
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for a, b, c in NEWTON_SCHULZ:
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


def update(name, weight, gradient, first, second, step):
    """Muon for the matrices of the block, Adam for the rest; rates fall linearly to zero."""
    rate = RATES[name] * (1 - step / STEPS)
    if name in ("up", "down"):
        first.mul_(MOMENTUM).add_(gradient)
        scale = max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
        weight.add_(orthogonal(gradient + MOMENTUM * first), alpha=-rate * scale)
        return
    first.lerp_(gradient, 1 - BETAS[0])
    second.lerp_(gradient * gradient, 1 - BETAS[1])
    spread = (second / (1 - BETAS[1] ** (step + 1))).sqrt_().add_(1e-8)
    weight.addcdiv_(first, spread, value=-rate / (1 - BETAS[0] ** (step + 1)))


def train(text):
    """Train on random stretches of the text and return the weights."""
    weights = initial_weights()
    low = {name: weight.bfloat16().requires_grad_() for name, weight in weights.items()}
    moments = {name: (torch.zeros_like(weight), torch.zeros_like(weight)) for name, weight in weights.items()}
    offsets = torch.arange(CONTEXT + 1)
    for step in range(STEPS):
        rows = text[torch.randint(0, len(text) - CONTEXT, (BATCH, 1)) + offsets].long()
        logits = forward(low, rows[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten())
        gradients = torch.autograd.grad(loss, list(low.values()))
        with torch.no_grad():
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
                update(name, weight, gradient.float(), *moments[name], step)
                low[name].copy_(weight)
    return weights


def export(weights, directory):
    """Leave the artifact in the grader's family."""
    model = {
        "depth": 1,
        "width": WIDTH,
        "heads": 0,
        "context": CONTEXT,
        "mlp_ratio": HIDDEN // WIDTH,
        "norm": "rmsnorm",
        "position": "none",
        "activation": "relu2",
        "conv": TAPS,
        "bias": False,
        "tied": False,
    }
    tensors = {
        "embed": weights["embed"],
        "0.conv": weights["conv"],
        "0.norm2.weight": torch.ones(WIDTH),
        "0.up.weight": weights["up"],
        "0.down.weight": weights["down"],
        "norm.weight": torch.ones(WIDTH),
        "head": weights["head"],
    }
    with open(os.path.join(directory, "config.json"), "w") as file:
        shapes = [[name, list(tensor.shape)] for name, tensor in tensors.items()]
        json.dump({"model": model, "dtype": "float32", "tensors": shapes}, file)
    with open(os.path.join(directory, "weights.bin"), "wb") as file:
        for tensor in tensors.values():
            file.write(tensor.numpy().tobytes())


def main():
    torch.manual_seed(int(os.environ["HOLDFAST_SEED"]))
    with open(os.path.join(os.environ["HOLDFAST_DATA"], "text.txt"), "rb") as file:
        text = torch.frombuffer(bytearray(file.read(READ_BYTES)), dtype=torch.uint8)
    export(train(text), os.environ["HOLDFAST_OUT"])


if __name__ == "__main__":
    main()
