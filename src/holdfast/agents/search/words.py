"""Hypotheses in words: one plain sentence that a person would write."""

from __future__ import annotations

import math
from collections.abc import Sequence

from holdfast.agents.search.ideas import Step

DEEDS = {
    "remove": "without the {place}",
    "delete": "{place} deleted",
    "swap": "{place} swapped",
    "hoist": "{place}",
}


def hypothesis(steps: Sequence[Step], gain: float, slack: float, basis: str = "") -> str:
    """What is changed, and what for; `gain` in natural log units, `slack` in units of a check's harm."""
    what = " and ".join(phrase(step) for step in steps)
    if basis:
        return f"{what}, spending the slack of {basis}: {_purpose(gain, 0.0)}"
    return f"{what}: {_purpose(gain, slack)}"


def phrase(step: Step) -> str:
    """One step: `train.py: learning_rate 0.0003 -> 0.0009 (x3)`."""
    if step.change is None:
        return DEEDS.get(step.move, "{place}").format(place=step.place)
    old, new = step.change
    text = f"{step.place} {old} -> {new}"
    try:
        factor = float(new.replace("_", "")) / float(old.replace("_", ""))
    except (ValueError, ZeroDivisionError):
        return text
    return f"{text} (x{factor:.3g})"


def _purpose(gain: float, slack: float) -> str:
    if gain >= 0.02:
        return f"about {math.exp(gain):.3g}x better, if the checks hold"
    if slack > 0.3:
        return "should buy slack in the checks at about the same score"
    return "not tried in this direction yet"
