"""The model family that the grader owns: its configurations, the shapes of its tensors, and its forward pass."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the name every tutorial uses

VOCAB = 256
MAX_DEPTH = 12
MAX_WIDTH = 256
MAX_CONTEXT = 256
MAX_CONV = 8
MAX_MLP_RATIO = 8
MAX_PARAMETERS = 1_000_000
EPSILON = 1e-5
ROTARY_BASE = 10_000.0

NORMS = ("layernorm", "rmsnorm")
POSITIONS = ("learned", "sinusoidal", "rope", "none")
ACTIVATIONS = ("gelu", "relu", "relu2", "silu", "swiglu")


@dataclass(frozen=True)
class Config:
    """One member of the family; every field must be given."""

    depth: int  # transformer blocks
    width: int  # of the residual stream
    heads: int  # attention heads per block; 0 leaves attention out
    context: int  # bytes the model looks back on, itself included
    mlp_ratio: float  # hidden width of the MLP over `width`; 0 leaves the MLP out
    norm: str
    position: str
    activation: str
    conv: int  # taps of the causal depthwise convolution that opens a block; 0 leaves it out
    bias: bool  # in norms and linear layers (never in convolution and head)
    tied: bool  # the head is the transposed embedding

    @property
    def hidden(self) -> int:
        """The hidden width of the MLP."""
        return int(self.width * self.mlp_ratio)


def parse_config(raw: object) -> Config:
    """Check an untrusted JSON value and make a configuration of it; ValueError says what is wrong."""
    if not isinstance(raw, dict):
        raise ValueError("model must be an object")
    names = {field.name for field in fields(Config)}
    if set(raw) != names:
        raise ValueError(f"model must have exactly the keys {', '.join(sorted(names))}")
    for name, low, high in (
        ("depth", 1, MAX_DEPTH),
        ("width", 1, MAX_WIDTH),
        ("heads", 0, MAX_WIDTH),
        ("context", 1, MAX_CONTEXT),
        ("conv", 0, MAX_CONV),
    ):
        if type(raw[name]) is not int or not low <= raw[name] <= high:
            raise ValueError(f"{name} must be an integer from {low} to {high}")
    if type(raw["mlp_ratio"]) not in (int, float) or not 0 <= raw["mlp_ratio"] <= MAX_MLP_RATIO:
        raise ValueError(f"mlp_ratio must be a number from 0 to {MAX_MLP_RATIO}")
    for name, choices in (("norm", NORMS), ("position", POSITIONS), ("activation", ACTIVATIONS)):
        if raw[name] not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}")
    for name in ("bias", "tied"):
        if type(raw[name]) is not bool:
            raise ValueError(f"{name} must be true or false")
    config = Config(**raw)
    _check_divisions(config)
    return config


def _check_divisions(config: Config) -> None:
    if config.heads and config.width % config.heads:
        raise ValueError("width must be a multiple of heads")
    if config.position == "rope" and config.heads and config.width // config.heads % 2:
        raise ValueError("rope needs heads of an even width")
    if config.position == "sinusoidal" and config.width % 2:
        raise ValueError("sinusoidal positions need an even width")
    if parameters(config) > MAX_PARAMETERS:
        raise ValueError(f"the model has more than {MAX_PARAMETERS} parameters")


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Name the tensors of a configuration in the order of the weights file, with their shapes."""
    width, hidden = config.width, config.hidden
    found: dict[str, tuple[int, ...]] = {"embed": (VOCAB, width)}
    if config.position == "learned":
        found["position"] = (config.context, width)

    def linear(name: str, rows: int, columns: int) -> None:
        found[f"{name}.weight"] = (rows, columns)
        if config.bias:
            found[f"{name}.bias"] = (rows,)

    def norm(name: str) -> None:
        found[f"{name}.weight"] = (width,)
        if config.bias:
            found[f"{name}.bias"] = (width,)

    for block in range(config.depth):
        if config.conv:
            found[f"{block}.conv"] = (config.conv, width)
        if config.heads:
            norm(f"{block}.norm1")
            linear(f"{block}.qkv", 3 * width, width)
            linear(f"{block}.proj", width, width)
        if hidden:
            norm(f"{block}.norm2")
            linear(f"{block}.up", hidden * (2 if config.activation == "swiglu" else 1), width)
            linear(f"{block}.down", width, hidden)
    norm("norm")
    if not config.tied:
        found["head"] = (VOCAB, width)
    return found


def parameters(config: Config) -> int:
    """Count the numbers in all tensors of a configuration."""
    return sum(torch.Size(shape).numel() for shape in shapes(config).values())


def log_probs(config: Config, weights: dict[str, Tensor], tokens: Tensor) -> Tensor:
    """Predict the byte after each of (batch, time <= context) bytes: log-probabilities (batch, time, 256), nats."""
    time = tokens.shape[1]
    x = weights["embed"][tokens]
    if config.position == "learned":
        x = x + weights["position"][:time]
    elif config.position == "sinusoidal":
        x = x + _angles_table(time, config.width)
    for block in range(config.depth):
        if config.conv:
            x = x + _convolve(x, weights[f"{block}.conv"])
        if config.heads:
            x = x + _attend(config, weights, f"{block}", _norm(config, weights, f"{block}.norm1", x))
        if config.hidden:
            x = x + _mlp(config, weights, f"{block}", _norm(config, weights, f"{block}.norm2", x))
    x = _norm(config, weights, "norm", x)
    return F.log_softmax(x @ weights["embed" if config.tied else "head"].T, dim=-1)


def _norm(config: Config, weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    weight, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")
    if config.norm == "layernorm":
        return F.layer_norm(x, (config.width,), weight, bias, EPSILON)
    x = F.rms_norm(x, (config.width,), weight, EPSILON)
    return x if bias is None else x + bias


def _linear(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def _convolve(x: Tensor, taps: Tensor) -> Tensor:
    """Sum over earlier bytes: tap i of channel c weighs the byte i places back."""
    out = x * taps[0]
    for back in range(1, min(len(taps), x.shape[1])):
        out[:, back:] += x[:, :-back] * taps[back]
    return out


def _attend(config: Config, weights: dict[str, Tensor], block: str, x: Tensor) -> Tensor:
    batch, time, width = x.shape
    qkv = _linear(weights, f"{block}.qkv", x).view(batch, time, 3, config.heads, width // config.heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    if config.position == "rope":
        q, k = _rotate(q), _rotate(k)
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return _linear(weights, f"{block}.proj", out.transpose(1, 2).reshape(batch, time, width))


def _mlp(config: Config, weights: dict[str, Tensor], block: str, x: Tensor) -> Tensor:
    x = _linear(weights, f"{block}.up", x)
    if config.activation == "swiglu":
        gate, value = x.chunk(2, dim=-1)
        x = F.silu(gate) * value
    elif config.activation == "relu2":
        x = F.relu(x).square()
    else:
        x = F.relu(x) if config.activation == "relu" else F.silu(x) if config.activation == "silu" else F.gelu(x)
    return _linear(weights, f"{block}.down", x)


def _angles(time: int, width: int) -> Tensor:
    """Angles (time, width / 2) of sinusoidal and rotary positions."""
    rates = ROTARY_BASE ** (-torch.arange(0, width, 2, dtype=torch.float32) / width)
    return torch.arange(time, dtype=torch.float32)[:, None] * rates


def _angles_table(time: int, width: int) -> Tensor:
    """Sines in the first half of the channels, cosines in the second (Vaswani et al., 2017)."""
    angles = _angles(time, width)
    return torch.cat((angles.sin(), angles.cos()), dim=-1)


def _rotate(x: Tensor) -> Tensor:
    """Rotary positions on (..., time, head width), halves paired (Su et al., 2021)."""
    angles = _angles(x.shape[-2], x.shape[-1])
    first, second = x.chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)
