"""From how a command went to what its trial counts for: outcome, reason, score and progress. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from holdfast.core.ports import Grade
from holdfast.core.problem import HARNESS_METRICS, Limits, Metric
from holdfast.core.records import Outcome, Values
from holdfast.execution.grading import plain
from holdfast.execution.watch import Course

KEPT_PROGRESS = 20
NUMBERS_PER_LINE = 32
MAX_DETAIL = 500


def ending(course: Course, limits: Limits, starved: bool) -> tuple[Outcome, str]:
    """Outcome and reason before anything is graded; `ok` is only "ended by itself with exit code 0".

    `starved` says that the kernel killed some of it for want of memory.
    """
    if course.tampered:
        return "tampered", "the command's clock was gone at its end: it had process 1 collect it early"
    if course.stopped:
        return "timeout" if course.late else "crashed", course.stopped
    if course.code == 0:
        return "ok", ""
    if starved:
        return "crashed", f"memory limit of {limits.memory_mb} MB"
    said = last_first(plain(course.stderr.decode("utf-8", "replace").strip()[-MAX_DETAIL:]))
    how = f"killed by signal {course.code - 128}" if course.code > 128 else f"exit code {course.code}"
    return "crashed", said or how


def last_first(said: str) -> str:
    """The last line at the front: a traceback ends with what went wrong, and readers see the beginning first."""
    before, _, last = said.rpartition("\n")
    return f"{last}\n{before}" if before else last


def scored(course: Course, grade: Grade, metric: Metric) -> dict[str, Any]:
    """The fields of a trial that ended well, from what the judge says; only an `ok` one has a score.

    A metric that the harness measures is never taken from the judge.
    """
    if grade.fault:
        return {"outcome": "wrong", "detail": plain(f"grader fault: {grade.fault}"[:MAX_DETAIL])}
    if grade.wrong:
        return {"outcome": "wrong", "detail": plain(grade.wrong[:MAX_DETAIL])}
    measured = dict(zip(HARNESS_METRICS, (course.cpu_seconds, course.wall_seconds), strict=True))
    values: Mapping[str, float] = {plain(name): value for name, value in grade.values.items()}
    score = measured.get(metric.name, values.get(metric.name))
    if score is None:
        return {"outcome": "wrong", "detail": f"grader fault: it gave no {metric.name}"}
    if metric.scale == "ratio" and score <= 0:
        return {"outcome": "wrong", "detail": f"a ratio needs positive scores, not {score:g}"}
    return {"outcome": "ok", "score": score, "values": dict(values)}


def progress(stdout: bytes) -> tuple[Values, ...]:
    """The last progress lines (`progress {json}`) of a program, with the finite numbers in them."""
    lines = [line for line in stdout.decode("utf-8", "replace").splitlines() if line.startswith("progress {")]
    found = []
    for line in lines[-KEPT_PROGRESS:]:
        with suppress(ValueError, RecursionError, OverflowError):
            said = json.loads(line.removeprefix("progress "))
            numbers = [(plain(name[:MAX_DETAIL]), float(value)) for name, value in said.items() if _is_number(value)]
            found.append(dict(numbers[:NUMBERS_PER_LINE]))
    return tuple(found)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
