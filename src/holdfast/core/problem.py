"""The nouns of a problem: what `problem.toml` says, as frozen values."""

from __future__ import annotations

import math
import re
from typing import Literal

import msgspec

Goal = Literal["minimize", "maximize"]
Scale = Literal["ratio", "difference"]
Openness = Literal["specified", "goal", "open"]

HARNESS_METRICS = ("cpu_seconds", "wall_seconds")
"""Metrics that the harness measures itself; every other name comes from the grader or from stdout."""


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[problem]`: what is to be improved and how long a skilled person would take (minutes)."""

    name: str
    goal: str
    openness: Openness = "specified"
    human_minutes: float | None = None


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[work]`: the tree agents may change, and the command a trial runs in it."""

    editable: tuple[str, ...]
    command: tuple[str, ...]
    tree: str = "work"
    packages: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[data]`: a command, run once in the grader's directory, that writes the splits."""

    prepare: tuple[str, ...] = ()


class GraderSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[grader]`: the judge's command; it reads the artifact and prints one JSON object of values."""

    command: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    seconds: float = 60.0


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[limits]`: what one trial may use. `seconds` is CPU and wall time alike; sizes are in MB (10^6)."""

    seconds: float = 120.0
    memory_mb: int = 4000
    disk_mb: int = 256
    threads: int = 1
    processes: int = 1
    network: bool = False


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[metric]`: the number to improve; `pattern` (a regular expression) is for metrics printed on stdout."""

    name: str = "cpu_seconds"
    goal: Goal = "minimize"
    scale: Scale = "ratio"
    pattern: str = ""


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of `[checks]`: a graded value that must hold.

    A limit is a number, or an expression over `baseline`: "baseline", "baseline * 1.01", "baseline + 0.1".
    """

    max: float | str | None = None
    min: float | str | None = None


class ProblemSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `problem.toml`."""

    problem: About
    work: Work
    data: Data = Data()
    grader: GraderSpec = GraderSpec()
    limits: Limits = Limits()
    metric: Metric = Metric()
    checks: dict[str, Check] = {}

    @property
    def unchecked(self) -> bool:
        """Whether nothing looks at what the program computes, so that a change which breaks it may count as a gain."""
        return not self.grader.command and not self.checks

    @property
    def self_reported(self) -> bool:
        """Whether the metric is printed by the candidate itself, which every claim must then say."""
        return bool(self.metric.pattern) or not (self.metric.name in HARNESS_METRICS or self.grader.command)


_BOUND = re.compile(r"baseline(?:\s*([*/+-])\s*([0-9.eE+-]+))?")


def parse_bound(text: float | str) -> tuple[float, float]:
    """A limit as (factor on the baseline, constant): `baseline * 1.01` is (1.01, 0); `0.9` is (0, 0.9).

    Raises `ValueError` or `ZeroDivisionError` for anything but a number, `baseline`, or `baseline` with `*`, `/`, `+`
    or `-` and a number.
    """
    match = _BOUND.fullmatch(str(text).strip())
    if match is None:
        bound = (0.0, float(text))
    elif match[1] is None:
        bound = (1.0, 0.0)
    elif match[1] in "*/":
        number = float(match[2])
        bound = (number if match[1] == "*" else 1.0 / number, 0.0)
    else:
        bound = (1.0, float(match[2]) if match[1] == "+" else -float(match[2]))
    if not all(map(math.isfinite, bound)):
        raise ValueError(f"a limit must be finite, not {text!r}")
    return bound
