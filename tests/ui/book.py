"""A builder of plausible runs: synthetic trials, and every other record as the core derives it from them."""

from __future__ import annotations

import math
import random

from holdfast.core import verdicts
from holdfast.core.chain import Head, link
from holdfast.core.ports import Job, TrialRequest
from holdfast.core.problem import About, Check, GraderSpec, Limits, Metric, ProblemSpec, Work
from holdfast.core.records import (
    AnyRecord,
    Decision,
    Entry,
    Forecast,
    Landed,
    Proposal,
    RunStarted,
    SessionEnded,
    SessionStarted,
    Trial,
)
from holdfast.core.settings import Rules
from holdfast.core.state import Attempt, RunState, apply

START = 1_780_000_000.0
CONTROLS = {
    "network": "enforced",
    "read-only code": "enforced",
    "memory": "degraded: watchdog only",
    "seccomp": "absent",
}
IDEAS = (
    "learning rate 3e-4 to 1e-3 in train.py: the loss still falls when the run ends",
    "drop the dropout: one epoch cannot overfit",
    "batch all items once instead of encoding each in __getitem__",
    "fuse the heads of attention into one matrix product",
    "evaluate every 200 steps instead of every 20",
    "tie the output layer to the embedding",
    "warm up for 50 steps",
    "context 128 to 64",
)


def spec(name: str = "tinylm", metric: Metric | None = None, check: str = "val_loss") -> ProblemSpec:
    return ProblemSpec(
        problem=About(name, "Train the language model to the target loss in less CPU time."),
        work=Work(("train.py", "model.py"), ("python", "train.py"), packages=("torch",)),
        grader=GraderSpec(("python", "grade.py")),
        limits=Limits(seconds=60.0),
        metric=metric or Metric(),
        checks={check: Check(max="baseline * 1.01")} if check else {},
    )


class Book:
    """Writes a run record by record; `state` is always the fold of `entries`."""

    def __init__(self, problem: ProblemSpec | None = None, seed: int = 7, rules: Rules | None = None) -> None:
        self.spec = problem or spec()
        self.rules = rules or Rules()
        self.random = random.Random(seed)
        self.state = RunState()
        self.entries: list[Entry] = []
        self.head = Head()
        self.now = START
        self.truth = 17.2
        self.run = f"{self.spec.problem.name}-1"

    def add(self, *records: AnyRecord, after: float = 0.01) -> None:
        for record in records:
            self.now += after
            entry, _, self.head = link(self.head, self.run, self.now, record)
            self.entries.append(entry)
            apply(self.state, entry)

    def start(self, budget: float = 600.0, agent: str = "search", sealed_uses: int = 0, workers: int = 2) -> Book:
        self.add(
            RunStarted(
                problem=self.spec.problem.name,
                problem_digest="d" * 64,
                spec=self.spec,
                tree="t0" * 20,
                commit="c0" * 20,
                branch=f"holdfast/{self.run}",
                agent=agent,
                seed=1,
                data={"train": "1" * 64, "hidden": "2" * 64, "sealed": "3" * 64},
                environment={"python": "3.12.4", "torch": "2.13.0", "machine": "x86_64, 2 cores"},
            )
        )
        return self.session(budget, workers, sealed_uses)

    def session(self, budget: float = 600.0, workers: int = 2, sealed_uses: int = 0) -> Book:
        self.add(SessionStarted(budget, workers, "T2", "0.1.0", sealed_uses))
        return self

    def end(self, reason: str = "finished", detail: str = "") -> Book:
        self.add(SessionEnded(reason, detail))  # type: ignore[arg-type]
        return self

    def trial(self, key: str, role: str, tree: str, truth: float, **more: object) -> Trial:
        metric = self.spec.metric
        measured = truth * math.exp(self.random.gauss(0, 0.02)) if metric.scale == "ratio" else truth
        if metric.scale == "difference":
            measured += self.random.gauss(0, 0.004)
        fields = {
            "outcome": "ok",
            "score": round(measured, 5),
            "values": {"val_loss": round(self.random.gauss(1.890, 0.003), 5)},
            "cpu_seconds": max(0.1, measured),
            "wall_seconds": max(0.1, measured),
            "occupied_seconds": max(0.1, measured) + 0.5,
            "tier": "T2",
            "controls": CONTROLS,
            "split": "hidden",
        } | more
        return Trial(id=key, role=role, tree=tree, seed=3, **fields)  # type: ignore[arg-type]

    def pair(self, key: str, role: str, trees: tuple[str, str], scores: tuple[float, float], **more: object) -> None:
        number = int(key.rsplit(".", 1)[1])
        for side, letter, tree, score in zip(("incumbent", "candidate"), "ab", trees, scores, strict=True):
            self.add(self.trial(key + letter, role, tree, score, pair=number, side=side, **more), after=score / 2 + 0.5)

    def baseline(self) -> Book:
        tree = self.state.started().tree
        for number in range(self.rules.baseline_pairs):
            self.pair(f"baseline.{number}", "baseline", (tree, tree), (self.truth, self.truth))
        self.add(verdicts.measure_baseline(self.state))
        return self

    def propose(self, hypothesis: str = "") -> Attempt:
        number = len(self.state.attempts) + 1
        self.add(
            Proposal(
                id=f"p{number}",
                agent="search",
                parent=self.state.trunk,
                tree=f"{number:040x}",
                hypothesis=hypothesis or self.random.choice(IDEAS),
                forecast=Forecast(round(self.random.uniform(0.02, 0.4), 2), 1.1),
                technique=self.random.choice(("scale number", "drop statement", "flip boolean")),
                place=f"train.py:{self.random.randrange(1, 80)}",
            )
        )
        return self.state.attempts[f"p{number}"]

    def race(self, attempt: Attempt, factor: float = 1.0, **more: object) -> None:
        name = attempt.proposal.id
        self.add(
            self.trial(f"{name}.race", "race", attempt.proposal.tree, self.better(factor), proposal=name, **more),
            after=self.better(factor) / 2 + 0.4,
        )
        self.add(*verdicts.settle(self.state, attempt, self.rules, math.inf))

    def confirm(self, attempt: Attempt, factor: float) -> None:
        """Pairs until there is a verdict; a keep lands."""
        name, trees = attempt.proposal.id, (self.state.trunk, attempt.proposal.tree)
        for number in range(self.rules.max_pairs):
            self.pair(f"{name}.{number}", "confirm", trees, (self.truth, self.better(factor)), proposal=name)
            self.add(*verdicts.settle(self.state, attempt, self.rules, math.inf))
            if attempt.decision is not None:
                break
        if attempt.decision is not None and attempt.decision.verdict == "keep":
            self.truth = self.better(factor)
            self.land()

    def land(self) -> None:
        kept = self.state.kept[-1]
        tree = kept.decision.tree
        self.add(
            Landed(kept.decision.proposal, tree, "c" + tree[1:], self.state.started().branch, kept.hash), after=0.05
        )

    def better(self, factor: float) -> float:
        if self.spec.metric.scale == "difference":
            return self.truth + (factor - 1) * (1 if self.spec.metric.goal == "maximize" else -1)
        return self.truth / factor if self.spec.metric.goal == "minimize" else self.truth * factor

    def keep(self, hypothesis: str = "", factor: float = 1.3) -> Attempt:
        """One proposal that is better by `factor`."""
        attempt = self.propose(hypothesis)
        self.race(attempt, factor)
        if attempt.decision is None:
            self.confirm(attempt, factor)
        return attempt

    def fail(
        self, outcome: str = "crashed", detail: str = "RuntimeError: shapes do not match", text: str = ""
    ) -> Attempt:
        attempt = self.propose(text)
        self.race(attempt, outcome=outcome, score=None, values={}, detail=detail, cpu_seconds=60.0)
        return attempt

    def search(self, proposals: int, gains: bool = True) -> Book:
        """A mix as real runs have it: a quarter fails, most are no better, some hold."""
        for number in range(proposals):
            if number % 8 == 3 and gains:
                self.keep(factor=self.random.choice((1.04, 1.12, 1.3, 1.5)))
            elif number % 4 == 1:
                outcome, detail = self.random.choice(
                    (
                        ("crashed", "RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x64 and 128x64)"),
                        ("timeout", "used 60.0 of 60 seconds"),
                        ("wrong", "the artifact has no weights.bin"),
                        ("tampered", "wrote outside its directory"),
                    )
                )
                self.fail(outcome, detail)
            elif number % 8 == 6:
                attempt = self.propose()
                self.race(attempt, 1.2, values={"val_loss": 2.31})
            else:
                attempt = self.propose()
                self.race(attempt, self.random.uniform(0.85, 1.0))
                if attempt.decision is None:
                    self.confirm(attempt, 1.0)
        return self

    def claim(self, pairs: int = 5, **more: object) -> Book:
        base = self.state.started().tree
        start = self.state.baseline.score if self.state.baseline else 1.0
        begun = verdicts.begin_claim(self.state, pairs, "sealed")
        self.add(begun)
        for number in range(pairs):
            fields = {"split": "sealed", "proposal": begun.series} | more
            self.pair(f"{begun.series}.{number}", "claim", (base, self.state.trunk), (start, self.truth), **fields)
        self.add(verdicts.claim(self.state))
        return self

    def times_out(self) -> Book:
        """The budget ends: what is open is discarded."""
        self.add(*(verdicts.out_of_time(self.state, attempt) for attempt in list(self.state.open.values())))
        return self


def full(proposals: int = 60, problem: ProblemSpec | None = None) -> Book:
    """A finished run with a claim, when something was kept."""
    book = Book(problem).start().baseline().search(proposals)
    return (book.claim() if book.state.kept else book).end()


def job(key: str, role: str = "race", proposal: str = "", pair: int = -1) -> Job:
    return Job(key, (TrialRequest(key, role, "t", 1, "hidden", proposal, pair),))  # type: ignore[arg-type]


def discarded(book: Book, reason: str) -> Decision:
    attempt = book.propose()
    decision = Decision(attempt.proposal.id, attempt.proposal.tree, book.state.trunk, "discard", "merge", reason)
    book.add(decision)
    return decision
