"""Two training scripts in different spellings, with different laws of cost and loss."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .laboratory import BrokenError, Subject

GPT_TRAIN = '''"""Train a small GPT."""

import torch

from model import GPT, GPTConfig

max_iters = 400
batch_size = 32
learning_rate = 3e-4
eval_interval = 50
eval_iters = 10
weight_decay = 0.01

config = GPTConfig(vocab_size=256, block_size=64, n_layer=4, n_head=4, n_embd=64, dropout=0.2)


@torch.no_grad()
def estimate_loss(model, data):
    model.eval()
    losses = torch.zeros(eval_iters)
    for k in range(eval_iters):
        x, y = data.batch(batch_size)
        losses[k] = model(x, y)[1].item()
    model.train()
    return losses.mean()


def main():
    torch.manual_seed(1337)
    data = load()
    model = GPT(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    for step in range(max_iters):
        if step % eval_interval == 0 or step == max_iters - 1:
            print(step, estimate_loss(model, data), flush=True)
        x, y = data.batch(batch_size)
        logits, loss = model(x, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.export()


if __name__ == "__main__":
    main()
'''

GPT_MODEL = '''"""A small GPT."""

from dataclasses import dataclass

import torch.nn as nn


@dataclass
class GPTConfig:
    vocab_size: int = 256
    block_size: int = 64
    n_layer: int = 4
    n_head: int = 4
    n_embd: int = 64
    dropout: float = 0.1
    mlp_ratio: int = 4


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln1 = nn.LayerNorm(config.n_embd)
        self.attn = nn.MultiheadAttention(config.n_embd, config.n_head, dropout=config.dropout, batch_first=True)
        self.up = nn.Linear(config.n_embd, config.mlp_ratio * config.n_embd)
        self.down = nn.Linear(config.mlp_ratio * config.n_embd, config.n_embd)

    def forward(self, x):
        x = x + self.attn(self.ln1(x), self.ln1(x), self.ln1(x))[0]
        return x + self.down(nn.functional.gelu(self.up(x)))
'''


def gpt_response(v: Mapping[str, float]) -> tuple[float, float]:
    """Adam on a transformer: progress saturates in steps times rate; wide and deep models bear smaller rates."""
    steps, batch, rate = v["steps"], v["batch"], v["rate"]
    layers, heads, width, context, ratio = v["layers"], v["heads"], v["width"], v["context"], v["ratio"]
    if width % heads or v["vocab"] < 256 or min(steps, batch, layers, width, context) < 1:
        raise BrokenError
    flops = layers * width * (width * (4 + 2 * ratio) + 4 * context) + 256 * width
    per_token = 1.1e-6 + 2.6e-11 * flops
    one = 0.004 + 0.0008 * layers * heads + batch * context * per_token
    evals = math.ceil(steps / v["interval"]) * v["evals"] * 0.4
    cost = 0.4 + (steps + evals) * one
    best = 4e-3 * math.sqrt(64 / width) * (4 / layers) ** 0.3 * math.sqrt(min(batch, 64) / 32)
    effective = rate if rate <= best else best / (rate / best) ** 2
    signal = min(1.0, (batch * context / 1024) ** 0.35)
    progress = steps * signal * effective / 1e-3
    capacity = 0.10 * math.log2(64 / width) + 0.05 * math.log2(4 / layers) + 0.03 * math.log2(4 / ratio)
    loss = 1.5 + 2.6 * (1 + progress / 25) ** -0.55 + max(capacity, -0.25) + 0.35 * v["dropout"]
    loss += 0.06 * abs(math.log2(context / 64)) + 0.002 * v["decay"]
    return cost, loss + (3.0 if rate > 8 * best else 0.0)


GPT = Subject(
    {"train.py": GPT_TRAIN, "model.py": GPT_MODEL},
    {
        "steps": r"max_iters = (\S+)",
        "batch": r"batch_size = (\S+)",
        "rate": r"learning_rate = (\S+)",
        "interval": r"eval_interval = (\S+)",
        "evals": r"eval_iters = (\S+)",
        "decay": r"weight_decay = (\S+)",
        "vocab": r"\(vocab_size=(\w+)",
        "context": r"block_size=([\w.]+),",
        "layers": r"n_layer=([\w.]+),",
        "heads": r"n_head=([\w.]+),",
        "width": r"n_embd=([\w.]+),",
        "dropout": r"dropout=([\w.\-]+)\)\n\n\n@",
        "ratio": r"mlp_ratio: int = (\S+)",
    },
    gpt_response,
)

MLP_TRAIN = '''"""Fit a network to digits, the way the course shows it."""
import argparse

import numpy as np


class Net:
    def __init__(self, inputs, hidden_units=256, outputs=10):
        scale = 0.05
        self.w1 = np.random.randn(inputs, hidden_units) * scale
        self.w2 = np.random.randn(hidden_units, outputs) * scale

    def forward(self, x, p_drop=0.3):
        h = np.maximum(x @ self.w1, 0)
        mask = np.random.rand(*h.shape) > p_drop
        return (h * mask) @ self.w2


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--bs", type=int, default=16, help="examples per update")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--momentum", type=float, default=0.5)
    parser.add_argument("--log-every", type=int, default=20)
    return parser.parse_args()


def main():
    args = parse()
    np.random.seed(0)
    x, y = load_digits()
    net = Net(64)
    velocity = {"w1": 0.0, "w2": 0.0}
    for epoch in range(args.epochs):
        order = np.random.permutation(len(x))
        for i in range(0, len(x), args.bs):
            batch = order[i : i + args.bs]
            grads = gradients(net, x[batch], y[batch])
            for name in grads:
                velocity[name] = args.momentum * velocity[name] - args.lr * grads[name]
                setattr(net, name, getattr(net, name) + velocity[name])
        if epoch % 1 == 0:
            print("epoch", epoch, evaluate(net, x, y))
    save(net)


if __name__ == "__main__":
    main()
'''


def mlp_response(v: Mapping[str, float]) -> tuple[float, float]:
    """Momentum SGD: exponential approach to a floor that depends on width, dropout and gradient noise."""
    epochs, size, rate, momentum, hidden = v["epochs"], v["size"], v["rate"], v["momentum"], v["hidden"]
    if not 0 <= momentum < 1 or min(epochs, size, hidden) < 1 or not 0 <= v["drop"] < 1 or min(v["scale"], rate) <= 0:
        raise BrokenError
    updates = epochs * 1500 / size
    cost = 0.2 + updates * (6e-5 * size**0.3 + 1.2e-8 * size * hidden * 74) * 20 + epochs * 0.04
    speed = rate / (1 - momentum)
    limit = 0.5 * math.sqrt(min(size, 256) / 16) * (256 / hidden) ** 0.25
    if speed > 3 * limit:
        return cost, 2.3
    effective = min(speed, limit**2 / speed)
    floor = 0.12 + 6.0 / hidden + 0.25 * v["drop"] ** 2 + 0.02 * speed / limit * math.sqrt(16 / size)
    loss = floor + 1.6 * math.exp(-((updates * effective / 9.0) ** 0.5)) + 0.02 * abs(math.log(v["scale"] / 0.05))
    return cost, loss


MLP = Subject(
    {"fit.py": MLP_TRAIN},
    {
        "epochs": r'"--epochs", type=int, default=([\w.]+)',
        "size": r'"--bs", type=int, default=([\w.]+)',
        "rate": r'"--lr", type=float, default=([\w.\-]+)',
        "momentum": r'"--momentum", type=float, default=([\w.\-]+)',
        "hidden": r"hidden_units=([\w.]+)",
        "scale": r"scale = (\S+)",
        "drop": r"p_drop=([\w.\-]+)",
    },
    mlp_response,
)

SUBJECTS = {"gpt": GPT, "mlp": MLP}
