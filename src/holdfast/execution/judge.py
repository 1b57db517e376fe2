"""Which judge a problem has, and the cell that a slot's judge works in."""

from __future__ import annotations

from pathlib import Path

from holdfast.core.ports import Grader
from holdfast.execution.bench import Bench
from holdfast.execution.grading import Both, CommandGrader, NoGrader, SelfReport
from holdfast.execution.sandbox import seccomp
from holdfast.execution.sandbox.bubblewrap import ARTIFACTS, GRADER, MB, SCRATCH, SHARED_MEMORY, SPLITS, Mounts
from holdfast.execution.sandbox.cell import Cell, Plan
from holdfast.execution.sandbox.tiers import FIRST_GRADER_UID


def judge(bench: Bench, slot: int, artifacts: Path) -> Grader:
    """The judge of slot `slot`, which finds what it is to grade below `artifacts`.

    The problem's grader where there is one, the number the program printed where the metric is that, or neither.
    """
    spec = bench.spec
    printed = SelfReport(spec.metric.name, spec.metric.pattern)
    if not spec.grader.command:
        return printed if spec.self_reported else NoGrader()
    court = Court(bench, slot, artifacts)
    grader = CommandGrader(
        court.start, court.inside, spec.grader.command, bench.places.grader, bench.places.data, spec.grader.seconds
    )
    return Both(grader, printed) if spec.metric.pattern else grader


class Court:
    """The judge's cell: sees the grader, every split and the artifacts of its slot, all read-only."""

    def __init__(self, bench: Bench, slot: int, artifacts: Path) -> None:
        self._bench, self._slot = bench, slot
        self._names = {bench.places.grader: GRADER, bench.places.data: SPLITS, artifacts: ARTIFACTS}

    def inside(self, path: Path) -> str:
        """The name that `path` has in the cell; raises `ValueError` for a path that is not shown there."""
        if not self._bench.boxed:
            return str(path)
        for root, name in self._names.items():
            if path.is_relative_to(root):
                return str(Path(name) / path.relative_to(root))
        raise ValueError(f"the judge is not shown {path}")

    def start(self) -> Cell:
        """A warm runner that answers requests; raises `CellError`."""
        bench = self._bench
        readable = {name: root for root, name in self._names.items() if root.is_dir()}
        sizes = dict.fromkeys((SCRATCH, SHARED_MEMORY), bench.spec.limits.disk_mb * MB)
        cell = bench.cell(bench.grader_view, Mounts(readable, sizes), bench.environment(bench.grader_view))
        try:
            cell.prepare(self._plan())
        except BaseException:
            cell.close()
            raise
        return cell

    def _plan(self) -> Plan:
        bench, spec = self._bench, self._bench.spec
        return Plan(
            command=spec.grader.command,
            cwd=self.inside(bench.places.grader),
            uid=bench.isolation.uid(FIRST_GRADER_UID, self._slot),
            rlimits=bench.rlimits(None),
            preload=spec.grader.preload,
            threads=spec.limits.threads,
            filter=seccomp.program(single=False) if bench.boxed else b"",
            seccomp=seccomp.number() or 0,
            serve=True,
        )
