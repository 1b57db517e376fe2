"""The family: causal for every choice, equal to the tutorial's model, strict about its configurations."""

from __future__ import annotations

from itertools import product
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")

BASE: dict[str, Any] = {
    "depth": 2,
    "width": 16,
    "heads": 2,
    "context": 12,
    "mlp_ratio": 1.5,
    "norm": "layernorm",
    "position": "learned",
    "activation": "gelu",
    "conv": 0,
    "bias": True,
    "tied": False,
}
NORMS = ("layernorm", "rmsnorm")
POSITIONS = ("learned", "sinusoidal", "rope", "none")
ACTIVATIONS = ("gelu", "relu", "relu2", "silu", "swiglu")
CHOICES = list(product(NORMS, POSITIONS, ACTIVATIONS, (0, 3), (False, True), (0, 2), (0, 1.5)))


def weights_of(family: ModuleType, config: Any, seed: int = 0) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) * 0.5 for name, shape in family.shapes(config).items()}


def test_a_future_byte_changes_no_earlier_prediction(family: ModuleType) -> None:
    tokens = torch.randint(0, 256, (1, 12), generator=torch.Generator().manual_seed(1))
    changed = tokens.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % 256
    for norm, position, activation, conv, flag, heads, ratio in CHOICES:
        options = {"norm": norm, "position": position, "activation": activation, "conv": conv, "bias": flag}
        config = family.parse_config({**BASE, **options, "tied": flag, "heads": heads, "mlp_ratio": ratio})
        weights = weights_of(family, config)
        before, after = (family.log_probs(config, weights, rows) for rows in (tokens, changed))
        assert torch.equal(before[:, :7], after[:, :7]), config
        assert not torch.equal(before[:, 7:], after[:, 7:]), config
        assert torch.allclose(before.exp().sum(-1), torch.ones(1, 12), atol=1e-4), config


@pytest.mark.parametrize("length", [1, 5, 32])
def test_it_equals_the_tutorial(family: ModuleType, tutorial: ModuleType, length: int) -> None:
    torch.manual_seed(3)
    model = tutorial.GPT(tutorial.GPTConfig()).eval()
    config = family.parse_config(tutorial.describe(model.config))
    tokens = torch.randint(0, 256, (4, length + 1))
    with torch.no_grad():
        _, loss = model(tokens[:, :-1], tokens[:, 1:].contiguous())
        own = family.log_probs(config, dict(tutorial.named_weights(model)), tokens[:, :-1])
    assert abs(-own.gather(-1, tokens[:, 1:, None]).mean().item() - loss.item()) < 1e-4


def test_the_tutorial_names_every_tensor_of_the_family(family: ModuleType, tutorial: ModuleType) -> None:
    model = tutorial.GPT(tutorial.GPTConfig())
    named = [(name, tuple(tensor.shape)) for name, tensor in tutorial.named_weights(model)]
    assert named == list(family.shapes(family.parse_config(tutorial.describe(model.config))).items())


def test_rope_sees_only_distances(family: ModuleType) -> None:
    config = family.parse_config({**BASE, "position": "rope"})
    weights = weights_of(family, config)
    tokens = torch.full((1, 12), 65)
    predicted = family.log_probs(config, weights, tokens)
    assert torch.allclose(predicted[0, 0], predicted[0, -1], atol=1e-3)


def test_tap_i_of_the_convolution_looks_i_bytes_back(family: ModuleType) -> None:
    x = torch.arange(5.0).view(1, 5, 1)
    assert family._convolve(x, torch.tensor([[0.0], [0.0], [1.0]])).flatten().tolist() == [0, 0, 0, 1, 2]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("depth", 0),
        ("depth", 13),
        ("depth", True),
        ("depth", 2.0),
        ("width", 512),
        ("width", "16"),
        ("heads", 3),
        ("heads", -1),
        ("context", 0),
        ("context", 257),
        ("mlp_ratio", -1),
        ("mlp_ratio", 9),
        ("mlp_ratio", float("nan")),
        ("mlp_ratio", float("inf")),
        ("mlp_ratio", True),
        ("norm", "batchnorm"),
        ("norm", ["layernorm"]),
        ("position", None),
        ("activation", {}),
        ("conv", 9),
        ("bias", 1),
        ("tied", "yes"),
        ("more", 1),
    ],
)
def test_a_bad_configuration_is_refused(family: ModuleType, key: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        family.parse_config({**BASE, key: value})


@pytest.mark.parametrize("raw", [None, [], "x", {}, {k: v for k, v in BASE.items() if k != "tied"}])
def test_an_incomplete_configuration_is_refused(family: ModuleType, raw: object) -> None:
    with pytest.raises(ValueError, match="model must"):
        family.parse_config(raw)


def test_the_cap_on_parameters_holds(family: ModuleType) -> None:
    with pytest.raises(ValueError, match="more than"):
        family.parse_config({**BASE, "depth": 4, "width": 256, "mlp_ratio": 4})
