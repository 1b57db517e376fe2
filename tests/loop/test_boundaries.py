"""The loop on a real git repository and a real SQLite ledger, killed at every boundary between the two."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from pathlib import Path

from holdfast.core.records import Landed, RunStarted, SessionStarted, Trial
from holdfast.core.settings import Rules
from holdfast.core.state import fold
from holdfast.execution.inprocess import InProcessExecutor
from holdfast.ledger.landings import verify_landings
from holdfast.ledger.store import SqlLedger
from holdfast.ledger.verify import verify_rows
from holdfast.loop import Lab, conduct
from holdfast.problems import places
from holdfast.problems.load import load
from tests.loop.world import Clock, Fuse, Killed, SimAgent

TOML = """
[problem]
name = "boundary"
goal = "Be cheaper."
[work]
editable = ["*.py"]
command = ["python", "a.py"]
"""


class Fused:
    """A port whose calls each burn the fuse before and after."""

    def __init__(self, inner, fuse: Fuse, *names: str) -> None:
        self._inner, self._fuse, self._names = inner, fuse, names

    def __getattr__(self, name):
        found = getattr(self._inner, name)
        if name not in self._names:
            return found

        def call(*arguments, **options):
            self._fuse.burn()
            result = found(*arguments, **options)
            self._fuse.burn()
            return result

        return call


class Instant(InProcessExecutor):
    """Waiting takes no time but the clock's."""

    def __init__(self, clock: Clock, read, measure) -> None:
        super().__init__(read, measure)
        self._clock = clock

    def wait(self, seconds: float):
        self._clock.now += min(seconds, 0.05)
        return super().wait(seconds)


class Place:
    """A problem, its home, and a lab over it that can be opened again and again."""

    def __init__(self, root: Path) -> None:
        self.home, self.clock = root / "home", Clock()
        problem = self.home / "problems" / "boundary"
        (problem / "work").mkdir(parents=True)
        for name, text in {"a.py": "8.0", "b.py": "1.0", "c.py": "1.0"}.items():
            (problem / "work" / name).write_text(text)
        (problem / "problem.toml").write_text(TOML)
        self.problem = load(problem)
        workspace = places.start(self.problem, self.home, "boundary-1")
        self.start = RunStarted(
            "boundary",
            self.problem.digest,
            self.problem.spec,
            workspace.tree,
            workspace.commit,
            workspace.branch,
            "simulated",
            5,
        )

    def measure(self, files, request):
        self.clock.now += 0.5
        cost = 1.0
        for data in files.values():
            cost *= max(float(data), 0.5)
        noise = random.Random(request.id).gauss(0, 0.01)
        return {"outcome": "ok", "score": cost * (1 + noise), "occupied_seconds": 0.5}

    def ledger(self) -> SqlLedger:
        return SqlLedger(self.home / "ledger.db", clock=self.clock)

    def session(self, fuse: Fuse) -> None:
        """One coordinator, until the end or its death."""
        ledger = self.ledger()
        past = fold(ledger.entries("boundary-1"))
        session = SessionStarted(past.budget_left if past.run else 16.0, 1, "inprocess", "test")
        ledger.append("boundary-1", [session] if past.run else [self.start, session])
        workspace = places.resume(
            self.problem, self.home, "boundary-1", self.start.commit, past.commit or self.start.commit
        )
        lab = Lab(
            Fused(ledger, fuse, "append"),
            Fused(workspace, fuse, "land", "write"),
            Instant(self.clock, workspace.read, self.measure),
            SimAgent(5),
            Rules(claim_pairs_max=3),
            self.clock,
        )
        try:
            conduct(lab, "boundary-1")
        finally:
            ledger.close()

    def check(self) -> None:
        ledger = self.ledger()
        verify_rows(ledger.rows(), ledger.witness.read())
        entries = list(ledger.entries("boundary-1"))
        state = fold(entries)
        workspace = places.resume(self.problem, self.home, "boundary-1", self.start.commit, state.commit)
        assert verify_landings(entries, workspace.look_up) == []
        assert workspace.trunk() == state.commit
        trials = Counter(entry.record.id for entry in entries if isinstance(entry.record, Trial))
        assert max(trials.values()) == 1
        assert state.sessions[-1].ended == "finished"
        landed = [entry.record.commit for entry in entries if isinstance(entry.record, Landed)]
        repository = self.home / "repos" / "boundary.git"
        line = subprocess.run(
            ["git", "-C", str(repository), "rev-list", "--reverse", workspace.branch],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        assert line == [self.start.commit, *landed]
        ledger.close()


def test_every_boundary_between_ledger_and_git(tmp_path: Path):
    dry = Place(tmp_path / "dry")
    fuse = Fuse()
    dry.session(fuse)
    dry.check()
    assert fuse.passed > 40
    ledger = dry.ledger()
    assert fold(ledger.entries("boundary-1")).kept, "a run that lands nothing would test nothing"
    ledger.close()
    for at in range(1, fuse.passed + 1):
        place = Place(tmp_path / str(at))
        try:
            place.session(Fuse(at))
        except Killed:
            place.session(Fuse())
        place.check()
