"""Trials on this machine: slots pinned to cores of their own, one thread each."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from holdfast.core.errors import ExecutionError
from holdfast.core.ports import Job, JobDone
from holdfast.core.problem import ProblemSpec
from holdfast.execution.bench import Bench, Places
from holdfast.execution.slot import Slot

CLOSE_SECONDS = 30.0

__all__ = ["LocalExecutor", "Places"]


class LocalExecutor:
    """Runs jobs on `slots` slots of this machine, each trial in a sandbox of its own.

    `read` gives the files of a tree and must be safe to call from several threads. `isolation` is "auto" (the best
    tier that works here), or a tier by name; "T0", which is no isolation, only by name. `grouped` False does without
    control groups. Raises `ExecutionError` where the tier or a package that the problem names is missing.
    """

    def __init__(
        self,
        spec: ProblemSpec,
        places: Places,
        read: Callable[[str], Mapping[str, bytes]],
        slots: int,
        isolation: str = "auto",
        grouped: bool = True,
    ) -> None:
        self.slots = slots
        self._bench = Bench(spec, places, isolation, grouped)
        self.tier = self._bench.isolation.tier
        self._waiting: deque[Job] = deque()
        self._running: set[str] = set()
        self._cancelled: set[str] = set()
        self._change = threading.Condition()
        self._closed = False
        self._done: queue.SimpleQueue[JobDone] = queue.SimpleQueue()
        cores = assign(sorted(_allowed()), slots, spec.limits.threads)
        try:
            self._slots = [Slot(number, cores[number], self._bench, read) for number in range(slots)]
        except BaseException:
            self._bench.session.close()
            raise
        self._threads = [
            threading.Thread(target=self._work, args=(slot,), name=f"slot-{slot.number}", daemon=True)
            for slot in self._slots
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        """Queue `job`; raises `ExecutionError` after `close`."""
        with self._change:
            if self._closed:
                raise ExecutionError("the executor is closed")
            self._cancelled.discard(job.key)
            self._waiting.append(job)
            self._change.notify()

    def wait(self, seconds: float) -> Sequence[JobDone]:
        """Jobs finished since the last call, waiting up to `seconds` for the first."""
        found: list[JobDone] = []
        try:
            found.append(self._done.get(timeout=max(seconds, 0)))
            while True:
                found.append(self._done.get_nowait())
        except queue.Empty:
            return [done for done in found if done.key not in self._cancelled]

    def cancel(self, keys: Iterable[str]) -> None:
        """Drop these jobs where they wait and kill them where they run."""
        with self._change:
            self._cancelled.update(keys)
            self._waiting = deque(job for job in self._waiting if job.key not in self._cancelled)

    def close(self) -> None:
        """Kill everything, wait until it is dead and remove what was written; idempotent."""
        with self._change:
            self._closed = True
            self._waiting.clear()
            self._change.notify_all()
        for thread in self._threads:
            thread.join(CLOSE_SECONDS)
        self._bench.session.close()

    def _work(self, slot: Slot) -> None:
        try:
            while job := self._next():
                trials = []
                for request in job.trials:
                    if not self._unwanted(job.key):
                        trials.append(slot.run(request, lambda key=job.key: self._unwanted(key)))  # type: ignore[misc]
                if not self._unwanted(job.key):
                    self._done.put(JobDone(job.key, tuple(trials)))
        finally:
            slot.close()

    def _next(self) -> Job | None:
        with self._change:
            while not self._waiting and not self._closed:
                self._change.wait()
            return None if self._closed else self._waiting.popleft()

    def _unwanted(self, key: str) -> bool:
        return self._closed or key in self._cancelled


def assign(cores: Sequence[int], slots: int, threads: int) -> list[frozenset[int]]:
    """Which of the allowed `cores` each slot has: `threads` of its own, shared in turn once they run out."""
    width = min(threads, len(cores))
    return [frozenset(cores[(slot * width + n) % len(cores)] for n in range(width)) for slot in range(slots)]


def _allowed() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))
