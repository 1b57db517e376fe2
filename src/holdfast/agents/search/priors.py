"""What is expected of a number or a statement before anything is tried: by its shape, and by common words."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Prior:
    """Beliefs about an edit, per octave for numbers and per edit for the rest, as mean and standard deviation.

    `cost` is in natural log units of the metric (negative is better), `harm` in units of five per cent of a check's
    limit (negative buys slack), `valid` the probability that the program still runs.
    """

    cost: float = 0.0
    cost_sd: float = 0.1
    harm: float = 0.0
    harm_sd: float = 0.3
    valid: float = 0.8


BOUND = Prior(0.45, 0.35, -0.8, 0.7, 0.9)

ROLES = {
    "bound": BOUND,  # says how often a loop runs
    "whole": Prior(0.15, 0.3, -0.2, 0.5, 0.7),
    "tiny": Prior(0.0, 0.03, -0.2, 1.0, 0.9),  # a float below 0.02: rates, tolerances
    "unit": Prior(0.0, 0.05, 0.1, 0.5, 0.9),  # a float in (0, 1): probabilities, decays
    "float": Prior(0.0, 0.1, 0.0, 0.4, 0.9),
    "small": Prior(0.0, 0.08, 0.1, 0.2, 0.4),  # 0 and 1: mostly logic, not a choice
    "index": Prior(0.0, 0.03, 0.3, 0.2, 0.2),  # subscripts, axes, exponents: rarely a choice
}

WORDS: tuple[tuple[str, Prior], ...] = (
    (r"seed|port|version|vocab|sentinel|pad_|verbos", Prior(0.0, 0.02, 0.3, 0.1, 0.4)),
    (r"interval|every|freq|period", Prior(-0.12, 0.15, 0.0, 0.05, 0.95)),
    (r"eval|valid|test|log|print|sample|report", Prior(0.12, 0.12, 0.0, 0.05, 0.9)),
    (r"(^|_)lr|learning|rate$|step_?size|eta$|alpha$", Prior(0.0, 0.02, -0.6, 1.2, 0.95)),
    (r"drop", Prior(0.0, 0.05, 0.4, 0.4, 0.95)),
    (r"batch", Prior(0.6, 0.25, -0.5, 0.5, 0.9)),
    (r"step|iter|epoch|round|sweep|passes|repeat", BOUND),
    (r"layer|depth|n_block|num_block|stack", Prior(0.45, 0.3, -0.3, 0.5, 0.85)),
    (r"embd|embed|hidden|width|d_model|channel|units|(^|_)dim", Prior(0.5, 0.35, -0.4, 0.5, 0.7)),
    (r"block|context|seq|length|window", Prior(0.4, 0.35, -0.3, 0.5, 0.6)),
    (r"ratio|mult|expan", Prior(0.2, 0.2, -0.2, 0.3, 0.8)),
    (r"head", Prior(0.1, 0.2, 0.0, 0.2, 0.6)),
    (r"decay|moment|beta|warm|std|scale|init|gain", Prior(0.0, 0.02, 0.0, 0.5, 0.9)),
)

_COMPILED = tuple((re.compile(pattern), prior) for pattern, prior in WORDS)

FLAG = Prior(0.0, 0.08, 0.1, 0.2, 0.7)
ARGUMENT = Prior(0.0, 0.06, 0.1, 0.2, 0.5)
STATEMENT = Prior(-0.02, 0.08, 0.3, 0.3, 0.3)
LOOPED_STATEMENT = Prior(-0.04, 0.12, 0.3, 0.3, 0.3)
SWAP = Prior(0.0, 0.02, 0.05, 0.1, 0.5)
HOIST = Prior(-0.05, 0.1, 0.1, 0.2, 0.4)
LINE = Prior(-0.02, 0.12, 0.5, 0.3, 0.15)


def of_number(name: str, role: str) -> Prior:
    """The prior of a number called `name` (a place's last words) with a role of `ROLES`."""
    if role in ("index", "small"):
        return ROLES[role]
    word = name.lower()
    for pattern, prior in _COMPILED:
        if pattern.search(word):
            # A float with a whole number's word (a "batch" of 0.1) is something else of the same importance.
            return prior if role != "unit" or prior.cost < 0.3 else replace(ROLES["unit"], harm_sd=prior.harm_sd)
    return ROLES[role]


def role_of(value: float, whole: bool, index: bool = False, bound: bool = False) -> str:
    """The role of a number by its shape alone."""
    if index:
        return "index"
    if whole:
        return "small" if value <= 1 - bound else "bound" if bound else "whole"
    if value <= 0.0 or value >= 1.0:
        return "float"
    return "tiny" if value < 0.02 else "unit"
