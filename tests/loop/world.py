"""A simulated world for the real loop: virtual clock, fake trees, trials as arithmetic, and crashes on demand."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.core.chain import Head, link
from holdfast.core.errors import ConflictError, WorkspaceError
from holdfast.core.ports import Brief, Draft, Job, JobDone, TrialRequest
from holdfast.core.problem import About, Check, GraderSpec, Metric, ProblemSpec, Work
from holdfast.core.records import AnyRecord, Entry, Forecast, RunStarted, SessionStarted, Trial
from holdfast.core.settings import Rules
from holdfast.loop import Lab, conduct


class Killed(BaseException):
    """kill -9: nothing may catch it."""


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Disk:
    """What survives a crash: the ledger's entries, the trees and the branch."""

    entries: list[Entry] = field(default_factory=list)
    head: Head = field(default_factory=Head)
    trees: dict[str, dict[str, str]] = field(default_factory=dict)
    commits: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    branch: str = ""


class SimLedger:
    """In memory; dies before or after the append whose turn has come."""

    def __init__(self, disk: Disk, clock: Clock, fuse: Fuse) -> None:
        self.disk, self.clock, self.fuse = disk, clock, fuse

    def append(self, run: str, records: Sequence[AnyRecord]) -> Head:
        self.fuse.burn()
        head, entries = self.disk.head, []
        for record in records:
            entry, _, head = link(head, run, self.clock(), record)
            entries.append(entry)
        self.disk.entries.extend(entries)
        self.disk.head = head
        self.fuse.burn()
        return head

    def entries(self, run: str | None = None, after: int = 0) -> Iterable[Entry]:
        return [entry for entry in self.disk.entries[after:] if run is None or entry.run == run]

    def head(self) -> Head:
        return self.disk.head


@dataclass
class Fuse:
    """Counts the boundaries passed and kills at the chosen one."""

    at: int = -1
    passed: int = 0

    def burn(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            raise Killed


class SimWorkspace:
    """Trees as dictionaries; a file is the unit of merging."""

    def __init__(self, disk: Disk, fuse: Fuse) -> None:
        self.disk, self.fuse = disk, fuse

    def add(self, files: dict[str, str]) -> str:
        name = hashlib.sha1(json.dumps(files, sort_keys=True).encode()).hexdigest()
        self.disk.trees[name] = files
        return name

    def read(self, tree: str) -> Mapping[str, bytes]:
        return {path: text.encode() for path, text in self.disk.trees[tree].items()}

    def write(self, base: str, edits: Mapping[str, str | None]) -> str:
        files = {**self.disk.trees[base], **edits}
        return self.add({path: text for path, text in files.items() if text is not None})

    def merge(self, base: str, ours: str, theirs: str) -> str:
        trees = self.disk.trees
        merged = {}
        for path in trees[base]:
            old, mine, yours = (trees[tree][path] for tree in (base, ours, theirs))
            if mine != old and yours != old and mine != yours:
                raise ConflictError(f"both changed {path}")
            merged[path] = yours if mine == old else mine
        return self.add(merged)

    def land(self, tree: str, parent: str, message: str, at: float) -> str:
        commit = hashlib.sha1(f"{tree}{parent}{message}{at}".encode()).hexdigest()
        self.fuse.burn()
        if self.disk.branch not in (parent, commit):
            raise WorkspaceError(f"the branch is at {self.disk.branch}")
        self.disk.commits[commit] = (tree, parent, message)
        self.disk.branch = commit
        self.fuse.burn()
        return commit


class SimExecutor:
    """Slots under a virtual clock; outcomes are drawn from (world seed, trial id), so a re-run would give the same."""

    tier = "simulated"

    def __init__(self, world: World) -> None:
        self.world = world
        self.slots = world.slots
        self.running: dict[str, tuple[float, Job]] = {}

    def submit(self, job: Job) -> None:
        assert job.key not in self.running
        assert len(self.running) < self.slots
        seconds = sum(self.world.seconds(request) for request in job.trials)
        self.running[job.key] = (self.world.clock.now + seconds, job)

    def wait(self, seconds: float) -> Sequence[JobDone]:
        clock = self.world.clock
        ends = [end for end, _ in self.running.values()]
        clock.now = max(clock.now, min([clock.now + seconds, *ends]))
        done = [job for end, job in self.running.values() if end <= clock.now]
        for job in done:
            self.world.fuse.burn()
            del self.running[job.key]
        return [JobDone(job.key, tuple(self.world.trial(request) for request in job.trials)) for job in done]

    def cancel(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.running.pop(key, None)

    def close(self) -> None:
        self.running.clear()


class SimAgent:
    """Scales one number in one file; knows only what it learned and the proposal's number."""

    name = "simulated"

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.asked = 0

    def learn(self, record: AnyRecord) -> None:
        """Knows nothing, so there is nothing to learn."""

    def propose(self, brief: Brief) -> Draft | None:
        self.asked += 1
        rng = random.Random(f"{self.seed}/{brief.number}/{self.asked}")
        path = rng.choice(sorted(brief.files))
        value = float(brief.files[path])
        factor = rng.choice([0.5, 1.0, round(rng.uniform(0.7, 1.3), 3)])
        return Draft(brief.trunk, {path: repr(round(value * factor, 6))}, f"{path} x{factor}", Forecast(0.3, 1.1))


@dataclass
class World:
    """One simulated problem: cost is the product of the numbers in the files; `flaky` trials misbehave."""

    seed: int = 0
    slots: int = 2
    noise: float = 0.02
    flaky: float = 0.0
    infra: float = 0.0
    budget: float = 600.0
    clock: Clock = field(default_factory=Clock)
    disk: Disk = field(default_factory=Disk)
    fuse: Fuse = field(default_factory=Fuse)
    executed: list[str] = field(default_factory=list)
    checks: dict[str, Check] = field(default_factory=lambda: {"loss": Check(max="baseline * 1.05")})
    rules: Rules = field(default_factory=Rules)

    def start(self) -> None:
        workspace = SimWorkspace(self.disk, Fuse())
        tree = workspace.add({"a.py": "10.0", "b.py": "1.0", "c.py": "1.0"})
        self.disk.branch = "base"
        spec = ProblemSpec(
            problem=About("sim", "Be cheaper."),
            work=Work(editable=("*.py",), command=("true",)),
            grader=GraderSpec(command=("true",)),
            metric=Metric(),
            checks=self.checks,
        )
        data = {"hidden": "h", "sealed": "s"}
        run = RunStarted("sim", "d", spec, tree, "base", "holdfast/sim-1", "simulated", self.seed, data=data)
        SimLedger(self.disk, self.clock, Fuse()).append(
            "sim-1", [run, SessionStarted(self.budget, self.slots, "simulated", "test")]
        )

    def resume(self, budget: float) -> None:
        session = SessionStarted(budget, self.slots, "simulated", "test")
        SimLedger(self.disk, self.clock, Fuse()).append("sim-1", [session])

    def run(self):
        ledger = SimLedger(self.disk, self.clock, self.fuse)
        workspace = SimWorkspace(self.disk, self.fuse)
        lab = Lab(ledger, workspace, SimExecutor(self), SimAgent(self.seed), self.rules, self.clock)
        return conduct(lab, "sim-1")

    def cost(self, tree: str) -> float:
        product = 1.0
        for text in self.disk.trees[tree].values():
            product *= max(float(text), 0.5)
        return product

    def seconds(self, request: TrialRequest) -> float:
        """Wall time of a trial; a busy machine makes it up to 40 % longer."""
        jitter = random.Random(f"{self.seed}/{request.id}/wall").uniform(1.0, 1.4)
        return max(0.05, self.cost(request.tree) * jitter)

    def misbehaves(self, request: TrialRequest) -> float:
        """How likely a trial fails: candidates do, claims seldom, and baselines never."""
        if request.role == "claim":
            return self.flaky / 4
        return self.flaky if request.role in ("race", "confirm") and request.side != "incumbent" else 0.0

    def trial(self, request: TrialRequest) -> Trial:
        self.executed.append(request.id)
        rng = random.Random(f"{self.seed}/{request.id}/{len(self.executed) if self.infra else 0}")
        cost = self.cost(request.tree) * (1 + rng.gauss(0, self.noise))
        loss = 2.0 * (1 + rng.gauss(0, 0.001)) * (1.2 if float(self.disk.trees[request.tree]["c.py"]) < 0.6 else 1.0)
        outcome, draw = "ok", rng.random()
        if draw < self.infra:
            outcome = "infra"
        elif draw < self.infra + self.misbehaves(request):
            outcome = rng.choice(["wrong", "crashed", "timeout"])
        elif request.losing_over is not None and cost > request.losing_over:
            outcome, cost = "timeout", request.losing_over
        return Trial(
            id=request.id,
            role=request.role,
            tree=request.tree,
            seed=request.seed,
            split=request.split,
            outcome=outcome,
            score=max(cost, 1e-6) if outcome == "ok" else None,
            values={"loss": loss} if outcome == "ok" else {},
            cpu_seconds=max(cost, 0.0),
            occupied_seconds=self.seconds(request),
            proposal=request.proposal,
            pair=request.pair,
            side=request.side,
        )
