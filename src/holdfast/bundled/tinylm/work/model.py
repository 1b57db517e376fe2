"""A small GPT over bytes: embeddings, pre-norm transformer blocks, a linear head; and its export."""

import json
import math
import os
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch.nn import functional as F  # noqa: N812  # the name every tutorial uses


@dataclass
class GPTConfig:
    vocab_size: int = 256
    block_size: int = 32
    n_layer: int = 4
    n_head: int = 4
    n_embd: int = 64
    mlp_ratio: int = 4
    dropout: float = 0.1


class Head(nn.Module):
    """One head of causal self-attention."""

    def __init__(self, config):
        super().__init__()
        head_size = config.n_embd // config.n_head
        self.query = nn.Linear(config.n_embd, head_size)
        self.key = nn.Linear(config.n_embd, head_size)
        self.value = nn.Linear(config.n_embd, head_size)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("tril", torch.tril(torch.ones(config.block_size, config.block_size)))

    def forward(self, x):
        time = x.size(1)
        q, k, v = self.query(x), self.key(x), self.value(x)
        att = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
        att = att.masked_fill(self.tril[:time, :time] == 0, float("-inf"))
        att = F.softmax(att, dim=-1)
        att = self.dropout(att)
        return att @ v


class MultiHeadAttention(nn.Module):
    """Several heads side by side, then a projection."""

    def __init__(self, config):
        super().__init__()
        self.heads = nn.ModuleList([Head(config) for _ in range(config.n_head)])
        self.proj = nn.Linear(config.n_embd, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x):
        out = torch.cat([head(x) for head in self.heads], dim=-1)
        return self.dropout(self.proj(out))


class FeedForward(nn.Module):
    """A two-layer network applied at every position."""

    def __init__(self, config):
        super().__init__()
        self.up = nn.Linear(config.n_embd, config.mlp_ratio * config.n_embd)
        self.down = nn.Linear(config.mlp_ratio * config.n_embd, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x):
        x = F.gelu(self.up(x))
        return self.dropout(self.down(x))


class Block(nn.Module):
    """A transformer block: communication, then computation."""

    def __init__(self, config):
        super().__init__()
        self.ln1 = nn.LayerNorm(config.n_embd)
        self.attn = MultiHeadAttention(config)
        self.ln2 = nn.LayerNorm(config.n_embd)
        self.mlp = FeedForward(config)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    """The language model: token ids in, logits (and the loss, given targets) out."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tok_emb = nn.Embedding(config.vocab_size, config.n_embd)
        self.pos_emb = nn.Embedding(config.block_size, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def forward(self, idx, targets=None):
        positions = torch.arange(idx.size(1), device=idx.device)
        x = self.dropout(self.tok_emb(idx) + self.pos_emb(positions))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.ln_f(x))
        if targets is None:
            return logits, None
        loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))
        return logits, loss


def describe(config):
    """The same model in the words of the grader's model family (see README.md)."""
    return {
        "depth": config.n_layer,
        "width": config.n_embd,
        "heads": config.n_head,
        "context": config.block_size,
        "mlp_ratio": config.mlp_ratio,
        "norm": "layernorm",
        "position": "learned",
        "activation": "gelu",
        "conv": 0,
        "bias": True,
        "tied": False,
    }


def named_weights(model):
    """The model's tensors under the names and in the shapes and order of the grader's model family."""
    yield "embed", model.tok_emb.weight
    yield "position", model.pos_emb.weight
    for i, block in enumerate(model.blocks):
        heads = block.attn.heads
        linears = [h.query for h in heads] + [h.key for h in heads] + [h.value for h in heads]
        yield f"{i}.norm1.weight", block.ln1.weight
        yield f"{i}.norm1.bias", block.ln1.bias
        yield f"{i}.qkv.weight", torch.cat([linear.weight for linear in linears])
        yield f"{i}.qkv.bias", torch.cat([linear.bias for linear in linears])
        yield f"{i}.proj.weight", block.attn.proj.weight
        yield f"{i}.proj.bias", block.attn.proj.bias
        yield f"{i}.norm2.weight", block.ln2.weight
        yield f"{i}.norm2.bias", block.ln2.bias
        yield f"{i}.up.weight", block.mlp.up.weight
        yield f"{i}.up.bias", block.mlp.up.bias
        yield f"{i}.down.weight", block.mlp.down.weight
        yield f"{i}.down.bias", block.mlp.down.bias
    yield "norm.weight", model.ln_f.weight
    yield "norm.bias", model.ln_f.bias
    yield "head", model.head.weight


def export(model, directory):
    """Leave the artifact: `config.json` says what the model is, `weights.bin` holds its numbers one after another."""
    tensors = {name: tensor.detach().float().contiguous() for name, tensor in named_weights(model)}
    shapes = [[name, list(tensor.shape)] for name, tensor in tensors.items()]
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump({"model": describe(model.config), "dtype": "float32", "tensors": shapes}, file)
    with open(os.path.join(directory, "weights.bin"), "wb") as file:
        for tensor in tensors.values():
            file.write(tensor.numpy().tobytes())
