"""Trials as calls of a Python function, in this process: for benchmarks of the lab and for simulations."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from holdfast.core.ports import Job, JobDone, TrialRequest
from holdfast.core.records import Trial

Measure = Callable[[Mapping[str, bytes], TrialRequest], Mapping[str, Any]]
"""From the files of a tree and a request to the fields of its `Trial`, at least `outcome`."""


class InProcessExecutor:
    """Runs each job when it is waited for, one after the other. Isolates nothing, so `measure` must be trusted."""

    def __init__(self, read: Callable[[str], Mapping[str, bytes]], measure: Measure) -> None:
        self.slots = 1
        self.tier = "inprocess"
        self._read, self._measure = read, measure
        self._waiting: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Queue `job`."""
        self._waiting.append(job)

    def wait(self, seconds: float) -> Sequence[JobDone]:  # noqa: ARG002 - the port's signature
        """Run and return the jobs submitted since the last call."""
        done = []
        while self._waiting:
            job = self._waiting.popleft()
            done.append(JobDone(job.key, tuple(self._trial(request) for request in job.trials)))
        return done

    def cancel(self, keys: Iterable[str]) -> None:
        """Drop these jobs."""
        unwanted = set(keys)
        self._waiting = deque(job for job in self._waiting if job.key not in unwanted)

    def close(self) -> None:
        """Drop every job."""
        self._waiting.clear()

    def _trial(self, request: TrialRequest) -> Trial:
        fields: dict[str, Any] = {
            name: getattr(request, name)
            for name in ("id", "role", "tree", "seed", "split", "proposal", "pair", "side")
        }  # fmt: skip
        try:
            fields |= self._measure(self._read(request.tree), request)
        except Exception as error:  # noqa: BLE001 - a failing measurement is an outcome, not the executor's end
            fields |= {"outcome": "infra", "detail": f"{type(error).__name__}: {error}"}
        return Trial(tier=self.tier, **fields)
