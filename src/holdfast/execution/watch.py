"""One command in its cell, from "go" to death: its output drained, its charge and its limits watched from outside."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from holdfast.execution.charge import Meter
from holdfast.execution.sandbox.cell import Cell, descendants

KEPT_BYTES = 65_536
CHUNK = 65_536
MAX_INODES = 20_000
SHORTEST_LOOK, LONGEST_LOOK = 0.005, 0.1
CAN_NO_LONGER_WIN = "stopped: can no longer win"


class Bounds(msgspec.Struct, frozen=True):
    """Where a command is stopped. CPU and wall time in seconds, sizes in bytes.

    Time that it was ready to run while a neighbour had the core is not its own, so `wall` does not count it.

    `losing_over` is the CPU charge from which a trial cannot win any more; `memory` and `processes` None leave that to
    the kernel.
    """

    cpu: float
    wall: float
    disk: int
    cores: int = 1
    losing_over: float | None = None
    memory: int | None = None
    processes: int | None = None


class Course(msgspec.Struct, frozen=True):
    """How a command went. `stopped` says which bound ended it, `late` whether that was one of time; else both empty.

    `stdout` and `stderr` are the ends of what it wrote. `tampered` says that its exact clock was gone when it had
    ended, though nobody but itself could have let process 1 collect it.
    """

    code: int
    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    stdout: bytes
    stderr: bytes
    stopped: str = ""
    late: bool = False
    tampered: bool = False


class Stop(msgspec.Struct, frozen=True):
    """Why a command was stopped; `late` for limits of time."""

    reason: str
    late: bool


class Watch:
    """Watches one prepared cell; `space` are directories in its writable places, `cancelled` is asked at each look."""

    def __init__(
        self, cell: Cell, meter: Meter, bounds: Bounds, space: Sequence[int], cancelled: Callable[[], bool]
    ) -> None:
        self._cell, self._meter, self._bounds = cell, meter, bounds
        self._space, self._cancelled = space, cancelled
        assert cell.process.stdout is not None
        assert cell.process.stderr is not None
        self._output = {cell.process.stdout.fileno(): bytearray(), cell.process.stderr.fileno(): bytearray()}
        self._written = 0
        self._memory = 0

    def run(self, exact_end: bool) -> Course:
        """Say "go" and stay until the last process is dead.

        With `exact_end` process 1 is kept from reaping, so that a meter can read the ended command's own clock.
        """
        poller = select.poll()
        for stream in self._output:
            poller.register(stream)
            os.set_blocking(stream, False)  # who escapes its death, at T0, must not keep us waiting for its last word
        poller.register(self._cell.ended(), select.POLLIN)
        if exact_end:
            self._cell.freeze_init()
        self._hungry(0)  # the shortest trials end before the first look
        self._meter.go()
        begun = time.monotonic()
        self._cell.go()
        stop, looked = None, begun
        while stop is None:
            ready = {number for number, _ in poller.poll(self._pause(begun) * 1000)}
            for stream in ready & self._output.keys():
                if not self._drain(stream):
                    poller.unregister(stream)
            ended = time.monotonic()
            if self._cell.ended() in ready:
                break
            if ended - looked >= SHORTEST_LOOK:  # a program that prints much is not looked at more often
                stop, looked = self._stop(begun), ended
        self._meter.spent()
        tampered = exact_end and stop is None and not self._meter.complete
        code = self._end(stop)
        return Course(
            code=code,
            cpu_seconds=self._meter.spent(),
            wall_seconds=ended - begun,
            memory_bytes=self._memory,
            stdout=self._kept(0),
            stderr=self._kept(1),
            stopped=stop.reason if stop else "",
            late=bool(stop and stop.late),
            tampered=tampered,
        )

    def _end(self, stop: Stop | None) -> int:
        if stop:
            self._cell.kill()
            code = 137
        else:
            code = self._cell.finish()
        for stream in self._output:
            with contextlib.suppress(OSError):
                while self._written < 2 * self._bounds.disk and self._drain(stream):
                    pass
        return code

    def _pause(self, begun: float) -> float:
        limit = min(self._bounds.cpu, self._bounds.losing_over or self._bounds.cpu)
        soonest = min(
            (limit - self._meter.spent()) / self._bounds.cores,
            self._bounds.wall - (time.monotonic() - begun),
        )
        return min(max(soonest, SHORTEST_LOOK), LONGEST_LOOK)

    def _stop(self, begun: float) -> Stop | None:
        bounds, spent = self._bounds, self._meter.spent()
        if self._cancelled():
            return Stop("cancelled", late=False)
        if spent > bounds.cpu:
            return Stop(f"CPU limit of {bounds.cpu:g} s", late=True)
        if bounds.losing_over is not None and spent > bounds.losing_over:
            return Stop(CAN_NO_LONGER_WIN, late=True)
        if time.monotonic() - begun - self._held_up() > bounds.wall:
            return Stop(f"wall time limit of {bounds.wall:g} s", late=True)
        if self._written > bounds.disk:
            return Stop(f"output limit of {bounds.disk / 1e6:g} MB", late=False)
        used, inodes = self._used()
        if used > bounds.disk or inodes > MAX_INODES:
            return Stop(f"disk limit of {bounds.disk / 1e6:g} MB or {MAX_INODES} files", late=False)
        if bounds.processes is not None and len(descendants(self._cell.init)) > bounds.processes:
            return Stop(f"limit of {bounds.processes} processes", late=False)
        if self._hungry(used):
            return Stop(f"memory limit of {(bounds.memory or 0) / 1e6:g} MB", late=False)
        return None

    def _hungry(self, used: int) -> bool:
        limit = self._bounds.memory
        if limit is None:  # the kernel counts as well, all but what the command held before it was in its group
            self._memory = max(self._memory, *self._each({self._cell.pid}, "statm", _resident), 0)
            return False
        pids = {self._cell.pid, *descendants(self._cell.init)}
        resident = used + sum(self._each(pids, "statm", _resident))
        if resident > limit:  # pages that processes share were counted for each of them; counting them once is dear
            resident = used + sum(self._each(pids, "smaps_rollup", _proportional))
        self._memory = max(self._memory, resident)
        return resident > limit

    def _each(self, pids: Iterable[int], file: str, measure: Callable[[str], int]) -> Iterator[int]:
        for pid in pids:
            with contextlib.suppress(OSError, ValueError, IndexError):
                yield measure(Path(f"/proc/{pid}/{file}").read_text())

    def _held_up(self) -> float:
        """Seconds that the command's first thread has waited for its core."""
        try:
            return int(Path(f"/proc/{self._cell.pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0

    def _used(self) -> tuple[int, int]:
        states = [os.statvfs(place) for place in self._space]
        return (
            sum((state.f_blocks - state.f_bfree) * state.f_frsize for state in states),
            sum(state.f_files - state.f_ffree for state in states),
        )

    def _drain(self, stream: int) -> bool:
        part = os.read(stream, CHUNK)
        self._written += len(part)
        kept = self._output[stream]
        kept += part
        if len(kept) > 2 * KEPT_BYTES:
            del kept[:-KEPT_BYTES]
        return bool(part)

    def _kept(self, index: int) -> bytes:
        return bytes(list(self._output.values())[index][-KEPT_BYTES:])


def _resident(statm: str) -> int:
    return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _proportional(smaps_rollup: str) -> int:
    return next(int(line.split()[1]) * 1024 for line in smaps_rollup.splitlines() if line.startswith("Pss:"))
