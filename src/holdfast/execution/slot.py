"""One slot: runs trials one after the other on its own cores, from a fresh directory to a finished record."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from holdfast.core.ports import TrialRequest
from holdfast.core.records import Trial
from holdfast.execution.bench import Bench
from holdfast.execution.charge import Meter, process_clock, process_tree, wall_clock
from holdfast.execution.grading import plain, printed
from holdfast.execution.judge import judge
from holdfast.execution.sandbox.bubblewrap import MB
from holdfast.execution.sandbox.cell import CellError
from holdfast.execution.sandbox.collect import ForbiddenResult, collect
from holdfast.execution.sandbox.tiers import tasks
from holdfast.execution.session import erase
from holdfast.execution.stage import Stage, staged
from holdfast.execution.verdict import MAX_DETAIL, ending, progress, scored
from holdfast.execution.watch import Bounds, Course, Watch

WALL_FACTOR = 1.5
"""Wall time a trial may take for each second of CPU time: some waiting is honest, sleeping until the end is not."""

LOGGED_BYTES = 8192
"""Of each stream of a trial, kept on disk for as long as the run is: there may be 100,000 of them."""


class Slot:
    """Executes trials on `cores`. To be used from one thread, which must live as long as the slot."""

    def __init__(self, number: int, cores: frozenset[int], bench: Bench, read: Callable[[str], Mapping[str, bytes]]):
        self.number, self.cores = number, cores
        self._bench, self._read = bench, read
        self._root = bench.session.directory / f"slot-{number}"
        self._artifacts = self._root / "artifacts"
        self._artifacts.mkdir(parents=True)
        self._logs = bench.places.scratch / "logs"
        self._logs.mkdir(exist_ok=True)
        self._group = bench.group(number)
        self._controls = bench.isolation.controls(bench.spec.limits, self._group)
        self._judge = judge(bench, number, self._artifacts)

    def run(self, request: TrialRequest, cancelled: Callable[[], bool]) -> Trial:
        """Execute and grade one trial. Never raises: trouble of our own has outcome `infra`."""
        begun = time.monotonic()
        try:
            self._pin()
            found = self._execute(request, cancelled)
        except CellError as error:
            found = {"outcome": "infra", "detail": plain(str(error)[:MAX_DETAIL])}
        except Exception as error:  # noqa: BLE001 - a bug here must cost one trial, not the lab
            found = {"outcome": "infra", "detail": plain(f"{type(error).__name__}: {error}"[:MAX_DETAIL])}
        return Trial(
            id=request.id,
            role=request.role,
            tree=request.tree,
            seed=request.seed,
            split=request.split,
            proposal=request.proposal,
            pair=request.pair,
            side=request.side,
            slot=self.number,
            tier=self._bench.isolation.tier,
            controls=self._controls,
            occupied_seconds=time.monotonic() - begun,
            **found,
        )

    def close(self) -> None:
        """Stop the judge."""
        self._judge.close()

    def _pin(self) -> None:
        """Bind the calling thread, and all that it starts, to the slot's cores, which may go away meanwhile."""
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, self.cores)

    def _execute(self, request: TrialRequest, cancelled: Callable[[], bool]) -> dict[str, Any]:
        """The fields of the trial that its execution decides."""
        place, artifact = self._root / "trial", self._artifacts / "result"
        limits, group = self._bench.spec.limits, self._group
        try:
            with staged(self._bench, self.number, group, self._read(request.tree), place, request.seed) as stage:
                kills = group.memory_kills() if group else 0
                course = self._watch(stage, request, cancelled)
                self._log(request, course)
                found = self._costs(course)
                found["outcome"], found["detail"] = ending(course, limits, bool(group and group.memory_kills() > kills))
                if found["outcome"] == "ok":
                    collect(stage.results, artifact, limits.disk_mb * MB)
            if found["outcome"] == "ok":
                printed(str(artifact)).write_bytes(course.stdout)
                grade = self._judge.grade(str(artifact), request.split, request.seed)
                found |= scored(course, grade, self._bench.spec.metric)
        except ForbiddenResult as error:
            found |= {"outcome": "wrong", "detail": plain(str(error)[:MAX_DETAIL])}
        finally:
            erase(place)
            erase(artifact)
            printed(str(artifact)).unlink(missing_ok=True)
        return found

    def _watch(self, stage: Stage, request: TrialRequest, cancelled: Callable[[], bool]) -> Course:
        limits, group = self._bench.spec.limits, self._group
        alone = group is None and self._bench.isolation.single(limits)
        if group:
            meter = Meter(group.cpu_seconds)
        elif alone:
            meter = Meter(process_clock(stage.cell.pid))
        else:
            meter = Meter(process_tree(stage.cell.init), wall_clock(len(self.cores)))
        bounds = Bounds(
            cpu=limits.seconds,
            wall=limits.seconds * WALL_FACTOR + 1,
            disk=limits.disk_mb * MB,
            cores=len(self.cores),
            losing_over=request.losing_over,
            memory=None if group and group.memory else limits.memory_mb * MB,
            processes=None if group and group.tasks else tasks(limits),
        )
        return Watch(stage.cell, meter, bounds, stage.space, cancelled).run(exact_end=alone)

    def _costs(self, course: Course) -> dict[str, Any]:
        peak = self._group.peak_bytes() if self._group else 0
        return {
            "cpu_seconds": course.cpu_seconds,
            "wall_seconds": course.wall_seconds,
            "memory_mb": max(course.memory_bytes, peak) / MB,
            "progress": progress(course.stdout),
        }

    def _log(self, request: TrialRequest, course: Course) -> None:
        out, errors = course.stdout[-LOGGED_BYTES:], course.stderr[-LOGGED_BYTES:]
        text = b"--- stdout\n" + out + b"\n--- stderr\n" + errors + b"\n"
        with suppress(OSError):
            (self._logs / f"{Path(request.id).name}.txt").write_bytes(text)
