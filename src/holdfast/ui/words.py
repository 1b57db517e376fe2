"""How numbers and other people's texts are written for a reader: short, aligned, and unable to do anything."""

from __future__ import annotations

import math
import re
import unicodedata

from holdfast.core.problem import Metric, Scale

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # operating system commands: titles, links, clipboard
    r"|[\x1b]\[[0-?]*[ -/]*[@-~]"  # colours and cursor moves
    r"|\x1b[ -/]*[0-~]?"  # all other sequences
)
NOTHING_KNOWN = "nothing known"
_UNBOUNDED = 1e290
"""Records hold finite numbers only; an interval end beyond this stands for infinity."""


def clean(text: str, limit: int = 0) -> str:
    """`text` as one harmless line: no terminal escapes, control or direction characters; cut at `limit` if given."""
    line = " ".join(clean_block(text).split())
    return line[: limit - 1].rstrip() + "…" if 0 < limit < len(line) else line


def clean_block(text: str) -> str:
    """`text` with its lines and tabs, without terminal escapes, control, direction and unpaired characters."""
    text = _ESCAPES.sub("", text)
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))


def number(value: float) -> str:
    """Three or so significant digits, without exponents where people would not write them."""
    size = abs(value)
    if size >= _UNBOUNDED:
        return "unbounded"
    if size == 0:
        return "0"
    if 1e-3 <= size < 1e5:
        return f"{value:#.4g}".rstrip(".") if size < 1e4 else f"{value:.0f}"
    return f"{value:.3g}"


def ratio(value: float) -> str:
    """A ratio with as many decimals as it can carry: 1.031, 6.42, 34.1, 120."""
    return "unbounded" if value >= _UNBOUNDED else f"{value:.{_decimals(value)}f}"


def effect(value: float, scale: Scale) -> str:
    """An effect as people read it: `1.31x` on the ratio scale, `+0.042` otherwise."""
    if scale == "ratio":
        return f"{ratio(value)}x"
    return f"{value:+.3g}" if abs(value) < _UNBOUNDED else "unbounded"


def between(low: float, high: float, scale: Scale) -> str:
    """An interval, `1.28 to 1.35`, or `1.28 upwards` when it has no upper end."""
    if scale == "difference":
        known, ends = low > -_UNBOUNDED, (_difference(low), _difference(high))
    else:
        decimals = max(_decimals(low), _decimals(high)) if high < _UNBOUNDED else _decimals(low)
        known, ends = low > 0, (f"{low:.{decimals}f}", f"{high:.{decimals}f}")
    if high >= _UNBOUNDED:
        return f"{ends[0]} upwards" if known else NOTHING_KNOWN
    return f"{ends[0]} to {ends[1]}"


def gain(value: float, metric: Metric) -> str:
    """What an improvement means for the metric: `6.42x less CPU time`, `1.2x higher score`, `0.031 lower loss`."""
    way = "higher" if metric.goal == "maximize" else "lower"
    if metric.scale == "difference":
        return f"{_difference(value)} {way} {clean(metric.name, 40)}"
    time = _TIMES.get(metric.name) if metric.goal == "minimize" else None
    return f"{ratio(value)}x less {time}" if time else f"{ratio(value)}x {way} {clean(metric.name, 40)}"


def achieves(metric: Metric) -> str:
    """The verb that goes before `gain`: a program `runs in` less time and `reaches` everything else."""
    return "runs in" if metric.name in _TIMES and metric.goal == "minimize" else "reaches"


def score(value: float, metric: Metric) -> str:
    """A score with its unit: `17.24 CPU seconds`, or `0.9132 accuracy`."""
    return f"{number(value)} {unit(metric)}"


def unit(metric: Metric) -> str:
    """What a score is counted in: `CPU seconds`, or the metric's own name."""
    return _UNITS.get(metric.name) or clean(metric.name, 40)


def percent(value: float) -> str:
    """A share as a percentage with two digits: `2.3 %`, `34 %`."""
    return f"{100 * value:.2g} %" if abs(value) < 1 else f"{100 * value:.0f} %"


def noise(value: float, metric: Metric) -> str:
    """The noise of one pair: relative on the ratio scale, in the metric's unit otherwise."""
    return percent(math.expm1(min(value, 50.0))) if metric.scale == "ratio" else number(value)


def duration(seconds: float) -> str:
    """`48 s`, `9:41` (minutes) or `2:05:10` (hours)."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(amount: int, noun: str) -> str:
    """`1 pair`, `2 pairs`, `12,000 trials`."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"


def _decimals(value: float) -> int:
    if abs(value - 1) < 0.1 or 0 < value < 0.1:
        return 3
    return 2 if value < 10 else 1 if value < 100 else 0


def _difference(value: float) -> str:
    return f"{value:.3g}"


_TIMES = {"cpu_seconds": "CPU time", "wall_seconds": "wall time"}
_UNITS = {"cpu_seconds": "CPU seconds", "wall_seconds": "wall seconds"}
