"""Judges: a problem's own grader in a cell of its own, a number the program printed itself, or nothing to judge."""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.core.ports import Grade
from holdfast.execution.sandbox.cell import Cell, CellError, Unanswered

MAX_VALUES = 64
MAX_REASON = 500
GRACE_SECONDS = 5.0
SEARCHED_LINES, SEARCHED_WIDTH = 200, 1000
"""How much of what a program printed is searched: a pattern's time may grow with a power of a line's length."""
NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)\b)"


class CommandGrader:
    """Runs the problem's grader, a fork per artifact of one warm process that has its modules loaded.

    `start` opens that process (again whenever it has died); `inside` translates a path here to its name there.
    The command runs in the grader's directory with HOLDFAST_ARTIFACT, HOLDFAST_DATA (the split), HOLDFAST_SPLIT,
    HOLDFAST_SEED and HOLDFAST_STDOUT (a file with the end of what the trial printed). Its last line on stdout is one
    JSON object: values by name, or `{"wrong": "why"}`. Everything else is its own fault.
    """

    def __init__(
        self,
        start: Callable[[], Cell],
        inside: Callable[[Path], str],
        command: Sequence[str],
        grader: Path,
        data: Path,
        seconds: float,
    ) -> None:
        self._start, self._inside = start, inside
        self._command, self._grader, self._data, self._seconds = tuple(command), grader, data, seconds
        self._cell: Cell | None = None

    def grade(self, artifact: str, split: str, seed: int) -> Grade:
        """Grade the directory `artifact` on `split`; what went wrong with the grader itself is a `fault`.

        Raises `CellError` when it could not even be asked.
        """
        request = {
            "command": self._command,
            "cwd": self._inside(self._grader),
            "seconds": self._seconds,
            "env": {
                "HOLDFAST_ARTIFACT": self._inside(Path(artifact)),
                "HOLDFAST_STDOUT": self._inside(printed(artifact)),
                "HOLDFAST_DATA": self._inside(self._data / split),
                "HOLDFAST_SPLIT": split,
                "HOLDFAST_SEED": str(seed),
            },
        }
        try:
            self._cell = self._cell or self._start()
            answer = self._cell.ask(request, self._seconds + GRACE_SECONDS)
        except (Unanswered, ValueError) as error:
            self.close()
            return Grade(fault=str(error)[:MAX_REASON])
        except CellError:
            self.close()
            raise
        if answer["late"]:
            return Grade(fault=f"the grader took more than {self._seconds:g} s")
        if answer["code"] != 0:
            return Grade(fault=f"the grader ended with code {answer['code']}: {answer['stderr'][-MAX_REASON:].strip()}")
        return understand(answer["stdout"])

    def close(self) -> None:
        """Stop the warm process; the next `grade` starts a new one."""
        if self._cell:
            self._cell.close()
            self._cell = None


class SelfReport:
    """Takes the metric that the program printed: the last match of `pattern`, whose first group is the number.

    Each of the last `SEARCHED_LINES` lines is searched by itself, up to `SEARCHED_WIDTH` characters.
    """

    def __init__(self, name: str, pattern: str = "") -> None:
        self._name = name
        self._pattern = re.compile(pattern or rf"(?<![\w.-]){re.escape(name)}[ \t:=]+{NUMBER}", re.IGNORECASE)

    def grade(self, artifact: str, split: str, seed: int) -> Grade:  # noqa: ARG002 - the port's signature
        """Look through what the trial printed; no match, or no finite number, is `wrong`."""
        lines = printed(artifact).read_text("utf-8", "replace").splitlines()[-SEARCHED_LINES:]
        matches = (deque(self._pattern.finditer(line[:SEARCHED_WIDTH]), maxlen=1) for line in reversed(lines))
        last = next((match for found in matches for match in found), None)
        if last is None:
            return Grade(wrong=f"it printed no {self._name}")
        try:
            return values_grade({self._name: float(last[1])})
        except (IndexError, ValueError, TypeError):
            return Grade(wrong=f"what it printed as {self._name} is not a number: {last[0][:80]!r}")

    def close(self) -> None:
        """Nothing to stop."""


class NoGrader:
    """Accepts every artifact without a value: for metrics that the harness measures."""

    def grade(self, artifact: str, split: str, seed: int) -> Grade:  # noqa: ARG002 - the port's signature
        """No values, nothing wrong."""
        return Grade()

    def close(self) -> None:
        """Nothing to stop."""


class Both:
    """Two judges of one artifact: the first that finds fault has the word, else the values of both."""

    def __init__(self, *graders: CommandGrader | SelfReport) -> None:
        self._graders = graders

    def grade(self, artifact: str, split: str, seed: int) -> Grade:
        """Ask each in turn."""
        values: dict[str, float] = {}
        for grader in self._graders:
            grade = grader.grade(artifact, split, seed)
            if grade.wrong or grade.fault:
                return grade
            values |= grade.values
        return Grade(values)

    def close(self) -> None:
        """Close each."""
        for grader in self._graders:
            grader.close()


def printed(artifact: str) -> Path:
    """The file beside an artifact that holds the end of what its trial printed."""
    return Path(f"{artifact}.stdout")


def plain(text: str) -> str:
    """`text` as it can be written in UTF-8 anywhere: halves of surrogate pairs are replaced."""
    return text.encode("utf-8", "replace").decode()


def understand(stdout: str) -> Grade:
    """What a grader said: the JSON object on the last line that is not empty."""
    lines = stdout.strip().splitlines()
    try:
        said: Any = json.loads(lines[-1]) if lines else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        shown = lines[-1][:120] if lines else ""
        return Grade(fault=f"the grader's last line must be one JSON object of numbers, not {shown!r}")
    if isinstance(said.get("wrong"), str) and len(said) == 1:
        return Grade(wrong=said["wrong"][:MAX_REASON] or "no reason given")
    for name, value in said.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            return Grade(fault=f"the grader's value {name[:80]!r} is not a number: {str(value)[:80]!r}")
    if len(said) > MAX_VALUES:
        return Grade(fault=f"the grader gave {len(said)} values; {MAX_VALUES} is the most")
    return values_grade(said)


def values_grade(values: Mapping[str, float]) -> Grade:
    """A grade of these values, `wrong` when one of them is not finite."""
    for name, value in values.items():
        try:
            finite = math.isfinite(value)
        except OverflowError:
            finite = False
        if not finite:
            return Grade(wrong=f"{name} is not finite")
    return Grade({name: float(value) for name, value in values.items()})
