"""What a trial is charged: the CPU seconds of its whole process tree, from "go" to its death, seen from outside."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from holdfast.execution.sandbox.cell import descendants

Source = Callable[[], float]
"""CPU seconds used so far by some part of a trial; raises `OSError` once that part is gone."""

TICKS_PER_SECOND = 100
"""USER_HZ, in which /proc counts CPU time on every architecture that Linux has today."""


class Meter:
    """The largest of several sources, none of which charges too much, counted from `go`.

    `complete` says whether the last look at them reached them all.
    """

    def __init__(self, *sources: Source) -> None:
        self._sources = sources
        self._starts: tuple[float, ...] = ()
        self._largest = 0.0
        self.complete = False

    def go(self) -> None:
        """Start to count; what the sources have seen so far was before the trial's clock."""
        self._starts = tuple(source() for source in self._sources)

    def spent(self) -> float:
        """CPU seconds since `go`; never falls, and keeps its last value when a source is gone."""
        self.complete = True
        for source, start in zip(self._sources, self._starts, strict=True):
            try:
                self._largest = max(self._largest, source() - start)
            except OSError:
                self.complete = False
        return self._largest


def process_clock(pid: int) -> Source:
    """The CPU clock of one process, all of its threads included, in nanosecond steps; holds until it is reaped."""
    clock = (~pid << 3) | 2  # what clock_getcpuclockid(3) returns for another process

    return lambda: time.clock_gettime(clock)


def wall_clock(cores: int) -> Source:
    """The most that a tree pinned to `cores` cores can have used, whatever it hides."""
    return lambda: time.monotonic() * cores


def process_tree(root: int) -> Source:
    """What the descendants of `root` have used as far as looking at them can tell; never too much.

    The larger of two sums: the own time of all that was ever seen, and the time of those alive with that of the
    children they have waited for. What starts and ends between two looks and is not waited for is missed.
    """
    seen: dict[int, float] = {}

    def look() -> float:
        alive = 0.0
        for pid in descendants(root):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                seen[pid] = process_clock(pid)()
                alive += seen[pid] + sum(int(field) for field in fields[13:15]) / TICKS_PER_SECOND
        return max(sum(seen.values()), alive)

    return look
