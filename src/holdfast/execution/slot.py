"""One slot: runs trials one after the other on its own cores, from a fresh directory to a finished record."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, cast

from holdfast.core.ports import Grade, TrialRequest
from holdfast.core.problem import HARNESS_METRICS
from holdfast.core.records import Outcome, Trial, Values
from holdfast.execution.bench import Bench
from holdfast.execution.charge import Meter, process_clock, process_tree, wall_clock
from holdfast.execution.grading import printed
from holdfast.execution.judge import judge
from holdfast.execution.sandbox import seccomp
from holdfast.execution.sandbox.bubblewrap import DATA, MB, OUT, SCRATCH, SHARED_MEMORY, WORK, Mounts
from holdfast.execution.sandbox.cell import Cell, CellError
from holdfast.execution.sandbox.collect import ForbiddenResult, collect
from holdfast.execution.session import erase
from holdfast.execution.watch import Bounds, Course, Watch

WALL_FACTOR = 1.5
"""Wall time a trial may take for each second of CPU time: some waiting is honest, sleeping until the end is not."""
TRAIN = "train"
KEPT_PROGRESS = 20
MAX_DETAIL = 500


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

    def pin(self) -> None:
        """Bind the calling thread, and all that it starts, to the slot's cores."""
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, self.cores)

    def run(self, request: TrialRequest, cancelled: Callable[[], bool]) -> Trial:
        """Execute and grade one trial. Never raises: trouble of our own has outcome `infra`."""
        begun = time.monotonic()
        try:
            found = self._execute(request, cancelled)
        except CellError as error:
            found = {"outcome": "infra", "detail": str(error)[:MAX_DETAIL]}
        except Exception as error:  # noqa: BLE001 - a bug here must cost one trial, not the lab
            found = {"outcome": "infra", "detail": f"{type(error).__name__}: {error}"[:MAX_DETAIL]}
        return Trial(
            id=request.id,
            role=request.role,
            tree=request.tree,
            seed=request.seed,
            split=request.split,
            proposal=request.proposal,
            pair=request.pair,
            side=cast(Literal["", "incumbent", "candidate"], request.side),
            slot=self.number,
            tier=self._bench.isolation.tier,
            controls=self._controls,
            occupied_seconds=time.monotonic() - begun,
            **found,
        )

    def close(self) -> None:
        """Stop the judge."""
        self._judge.close()

    def _execute(self, request: TrialRequest, cancelled: Callable[[], bool]) -> dict[str, Any]:
        place = self._root / "trial"
        artifact = self._artifacts / "result"
        for left in (place, artifact):
            erase(left)
        try:
            with self._opened(request, place) as (cell, out, space):
                kills = self._group.memory_kills() if self._group else 0
                course = self._watch(cell, request, space, cancelled)
                found = _costs(course, self._group.peak_bytes() if self._group else 0)
                self._log(request, course)
                starved = bool(self._group and self._group.memory_kills() > kills)
                outcome, detail = self._verdict(course, starved)
                if outcome == "ok":
                    outcome, detail = self._collect(out, artifact, course)
            found |= {"outcome": outcome, "detail": detail}
            if outcome == "ok":
                found |= self._score(course, self._judge.grade(str(artifact), request.split, request.seed))
            return found
        finally:
            for left in (place, artifact, printed(str(artifact))):
                erase(left) if left.is_dir() else left.unlink(missing_ok=True)

    @contextmanager
    def _opened(self, request: TrialRequest, place: Path) -> Iterator[tuple[Cell, int, list[int]]]:
        """A cell ready to go, with descriptors of its result directory and of all it can write to."""
        work, limits, bench = self._bench.spec.work, self._bench.spec.limits, self._bench
        code, out = place / "work", place / "out"
        out.mkdir(parents=True)
        _materialise(self._read(request.tree), code, work.writable)
        data = bench.places.data / TRAIN
        sizes = dict.fromkeys((SCRATCH, SHARED_MEMORY, OUT, *(f"{WORK}/{name}" for name in work.writable)),
                              limits.disk_mb * MB)  # fmt: skip
        readable = {WORK: code} | ({DATA: data} if data.is_dir() else {})
        names = {WORK: WORK, DATA: DATA, OUT: OUT} if bench.boxed else {WORK: str(code), DATA: str(data), OUT: str(out)}
        env = bench.environment(bench.trial_view) | {"HOLDFAST_OUT": names[OUT], "HOLDFAST_SEED": str(request.seed)}
        if DATA in readable:
            env["HOLDFAST_DATA"] = names[DATA]
        with ExitStack() as stack:
            cell = bench.cell(bench.trial_view, Mounts(readable, sizes), env)
            stack.callback(cell.close)
            if self._group:
                self._group.add(cell.pid)
                self._group.forget_peak()
            # Opened before the candidate runs; they keep the tmpfs alive after the death of its processes.
            here = [f"/proc/{cell.pid}/root{name}" for name in sizes] if bench.boxed else []
            space = [
                os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                for name in [*here, *([] if here else [str(out)])]
            ]
            for descriptor in space:
                stack.callback(os.close, descriptor)
            cell.prepare(bench.plan(self.number, names[WORK], self._group))
            yield cell, space[list(sizes).index(OUT) if here else 0], space if here else []

    def _watch(self, cell: Cell, request: TrialRequest, space: list[int], cancelled: Callable[[], bool]) -> Course:
        limits = self._bench.spec.limits
        alone = limits.processes == 1 and self._bench.boxed and seccomp.number() is not None
        if self._group:
            meter = Meter(self._group.cpu_seconds)
        elif alone:
            meter = Meter(process_clock(cell.pid))
        else:
            meter = Meter(process_tree(cell.init or cell.pid), wall_clock(len(self.cores)))
        bounds = Bounds(
            cpu=limits.seconds,
            wall=limits.seconds * WALL_FACTOR + 1,
            disk=limits.disk_mb * MB,
            cores=len(self.cores),
            losing_over=request.losing_over,
            memory=None if self._group and self._group.memory else limits.memory_mb * MB,
        )
        return Watch(cell, meter, bounds, space, cancelled).run(exact_end=alone and not self._group)

    def _verdict(self, course: Course, starved: bool) -> tuple[Outcome, str]:
        if course.late:
            return "timeout", course.stopped
        if course.stopped:
            return "crashed", course.stopped
        if course.code == 0:
            return "ok", ""
        if starved:
            return "crashed", f"memory limit of {self._bench.spec.limits.memory_mb} MB"
        said = course.stderr.decode("utf-8", "replace").strip()[-MAX_DETAIL:]
        how = f"killed by signal {course.code - 128}" if course.code > 128 else f"exit code {course.code}"
        return "crashed", said or how

    def _collect(self, out: int, artifact: Path, course: Course) -> tuple[Outcome, str]:
        try:
            collect(out, artifact, self._bench.spec.limits.disk_mb * MB)
        except ForbiddenResult as error:
            return "wrong", str(error)[:MAX_DETAIL]
        printed(str(artifact)).write_bytes(course.stdout)
        return "ok", ""

    def _score(self, course: Course, grade: Grade) -> dict[str, Any]:
        if grade.fault:
            return {"outcome": "wrong", "detail": f"grader fault: {grade.fault}"[:MAX_DETAIL]}
        if grade.wrong:
            return {"outcome": "wrong", "detail": grade.wrong[:MAX_DETAIL]}
        name = self._bench.spec.metric.name
        measured = dict(zip(HARNESS_METRICS, (course.cpu_seconds, course.wall_seconds), strict=True))
        score = grade.values.get(name, measured.get(name))
        if score is None:
            return {"outcome": "wrong", "detail": f"grader fault: it gave no {name}"}
        return {"score": score, "values": dict(grade.values)}

    def _log(self, request: TrialRequest, course: Course) -> None:
        text = b"--- stdout\n" + course.stdout + b"\n--- stderr\n" + course.stderr + b"\n"
        with suppress(OSError):
            (self._logs / f"{Path(request.id).name}.txt").write_bytes(text)


def progress(stdout: bytes) -> tuple[Values, ...]:
    """The last progress lines (`progress {json}`) of a program, with the finite numbers in them."""
    found = []
    for line in stdout.decode("utf-8", "replace").splitlines():
        if line.startswith("progress {"):
            with suppress(ValueError, RecursionError, OverflowError):
                said = json.loads(line.removeprefix("progress "))
                found.append({str(name): float(value) for name, value in said.items() if _is_number(value)})
    return tuple(found[-KEPT_PROGRESS:])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _costs(course: Course, peak_bytes: int) -> dict[str, Any]:
    return {
        "cpu_seconds": course.cpu_seconds,
        "wall_seconds": course.wall_seconds,
        "memory_mb": max(course.memory_bytes, peak_bytes) / MB,
        "progress": progress(course.stdout),
    }


def _materialise(files: Mapping[str, bytes], directory: Path, writable: tuple[str, ...]) -> None:
    directory.mkdir(mode=0o755)
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name in writable:
        (directory / name).mkdir(parents=True, exist_ok=True)
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
