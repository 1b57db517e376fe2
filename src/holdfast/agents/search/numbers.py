"""Number literals: scaled within their type and range, and measured against each other in octaves."""

from __future__ import annotations

import math
import re

LITERAL = re.compile(r"(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][+-]?\d+)?\Z")
ZERO_OCTAVES = 3.0
"""Zero lies infinitely many octaves away; in effect it is like an eighth: dropouts of 0.1 and 0.0125 do the same."""


def value_of(text: str) -> float | None:
    """The value of a decimal literal; None for other spellings (hexadecimal, complex, too large)."""
    if not LITERAL.match(text):
        return None
    value = float(text.replace("_", ""))
    return value if math.isfinite(value) else None


def is_whole(text: str) -> bool:
    """Whether the literal is an integer, so that only integers may replace it."""
    return not any(mark in text for mark in ".eE")


def scaled(text: str, octaves: float) -> str | None:
    """`text` times two to the power `octaves`, in the same spelling; None when nothing new is left in range.

    Integers stay integers, those above zero stay above zero, and an integer that would round to itself moves by
    one. Floats in (0.5, 1), such as momentum, move their distance to one; other floats below one stay below it.
    """
    value = value_of(text)
    if value is None or abs(octaves) > 60:
        return None
    if is_whole(text):
        return _scaled_whole(text, octaves)
    if value == 0.0:
        return None
    to_one = 0.5 < value < 1.0
    changed = 1.0 - (1.0 - value) * 2.0**-octaves if to_one else value * 2.0**octaves
    if value < 1.0 and not 0.0 < changed < 1.0:
        return None
    spelled = _spell_float(changed, like=text)
    return None if float(spelled) in (0.0, value) or (value < 1.0 <= float(spelled)) else spelled


def zeroed(text: str) -> str | None:
    """Zero in the type of `text`, for floats strictly between zero and one; None otherwise."""
    value = value_of(text)
    return "0.0" if value is not None and not is_whole(text) and 0.0 < value < 1.0 else None


def octaves_between(old: str, new: str) -> float:
    """How many octaves `new` lies above `old`: the inverse of `scaled`, up to rounding. Literals only."""
    before, after = value_of(old) or 0.0, value_of(new) or 0.0
    if before == after:
        return 0.0
    if before == 0.0 or after == 0.0:
        return -ZERO_OCTAVES if after == 0.0 else ZERO_OCTAVES
    if 0.5 < before < 1.0 and not is_whole(old) and after < 1.0:
        return math.log2((1.0 - before) / (1.0 - after))
    return math.log2(after / before)


def _scaled_whole(text: str, octaves: float) -> str | None:
    value = int(text.replace("_", ""))
    if value == 0 and octaves < 0:
        return None
    new = max(1, round((value or 1) * 2.0**octaves))
    if text.endswith("0") and new >= 1000:
        new = round(new, 3 - len(str(new)))  # a round number stays one
    if new == value:
        new = value + (1 if octaves > 0 else -1)
    if new < 1:
        return None
    return f"{new:_}" if "_" in text else str(new)


def _spell_float(value: float, like: str) -> str:
    if "e" in like.lower():
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    digits = 6 if 0.99 < value < 1.0 else 3
    return repr(float(f"{value:.{digits}g}"))
