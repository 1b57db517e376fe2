"""Records to test with: one trial, and a short story that has every kind. Run as a module to write the golden file."""

from __future__ import annotations

from pathlib import Path

from holdfast.core.problem import About, Check, ProblemSpec, Work
from holdfast.core.records import (
    Admitted,
    AgentSpent,
    AnyRecord,
    BaselineMeasured,
    CheckResult,
    Claim,
    ClaimBegun,
    Comparison,
    Decision,
    Forecast,
    Landed,
    Limit,
    ProblemChecked,
    Proposal,
    RunStarted,
    SessionEnded,
    SessionStarted,
    Trial,
)
from holdfast.ledger.export import export
from holdfast.ledger.memory import MemoryLedger

GOLDEN = Path(__file__).parent / "golden" / "v1.jsonl"
BASELINE, KEPT = "a" * 40, "c" * 40
START, LANDED = "b" * 40, "d" * 40
RUN = "r1"


def trial(name: str = "p1.race", **changes: object) -> Trial:
    values = {"id": name, "role": "race", "tree": "t", "seed": 1, "split": "hidden", "outcome": "ok", "score": 1.5}
    return Trial(**(values | changes))  # type: ignore[arg-type]


def problem() -> RunStarted:
    about = About(name="noise", goal="Raise the score: Größe zählt.", human_minutes=1.5)
    work = Work(editable=("program.py",), command=("python", "program.py"))
    checks = {"loss": Check(max="baseline * 1.01"), "accuracy": Check(min=0.9)}
    return RunStarted(
        problem="noise",
        problem_digest="e" * 64,
        spec=ProblemSpec(problem=about, work=work, checks=checks),
        tree=BASELINE,
        commit=START,
        branch="holdfast/r1",
        agent="search",
        seed=7,
        data={"train": "f" * 64},
        files={"train": ("a.txt", "b.txt")},
        environment={"python": "3.11.7"},
    )


def evidence() -> list[AnyRecord]:
    """From a proposal to its comparison."""
    sides = {"p1.0a": ("incumbent", BASELINE), "p1.0b": ("candidate", KEPT)}
    trials = [
        trial(
            name,
            role="confirm",
            tree=tree,
            values={"loss": 0.5},
            cpu_seconds=1.25,
            proposal="p1",
            pair=0,
            side=side,
            controls={"network": "enforced"},
            progress=({"step": 1.0},),
        )
        for name, (side, tree) in sides.items()
    ]
    forecast = Forecast(probability=0.25, effect=1.3)
    compared = Comparison(
        proposal="p1",
        tree=KEPT,
        incumbent=BASELINE,
        pairs=1,
        effect=1.31,
        low=1.2,
        high=1.43,
        evidence=55.0,
        level=0.05,
        method="paired",
        checks=(CheckResult(name="loss", side="max", mean=0.5, bound=0.501, limit=0.505, holds=True),),
        trials=tuple(sides),
    )
    proposal = Proposal(
        id="p1", agent="search", parent=BASELINE, tree=KEPT, hypothesis="fewer steps", forecast=forecast
    )
    admitted = Admitted(proposal="p1", tree=KEPT, incumbent=BASELINE, order=1, level=0.05)
    return [proposal, admitted, *trials, compared]


def decision() -> Decision:
    return Decision(
        proposal="p1",
        tree=KEPT,
        incumbent=BASELINE,
        verdict="keep",
        stage="confirm",
        reason="better",
        effect=1.31,
        trials=("p1.0a", "p1.0b"),
    )


def story() -> MemoryLedger:
    """A run from its problem to its claim, with every kind of record."""
    ticks = iter(range(1000))
    ledger = MemoryLedger(clock=lambda: 1_760_000_000.5 + next(ticks))
    baseline = BaselineMeasured(
        score=1.25,
        values={"loss": 0.5},
        spread={"loss": 0.01},
        noise=0.02,
        noise_pairs=3,
        limits=(Limit(name="loss", side="max", value=0.505),),
        deterministic=False,
        warnings=("noisy",),
    )
    checked = ProblemChecked(
        problem="noise", problem_digest="e" * 64, passed=("honest",), refused=("constant", "empty"), sound=True
    )
    ledger.append(RUN, [problem(), SessionStarted(budget_seconds=600.0, workers=2, tier="T2", holdfast="0.1.0")])
    ledger.append(RUN, [checked, trial("baseline.0a", role="baseline", tree=BASELINE), baseline])
    ledger.append(RUN, evidence())
    head = ledger.append(RUN, [decision()])
    landed = Landed(proposal="p1", tree=KEPT, commit=LANDED, branch="holdfast/r1", ledger_head=head.hash)
    begun = ClaimBegun(series="claim1", baseline=BASELINE, trunk=KEPT, pairs=4, split="sealed", sealed_uses=0)
    claim = Claim(
        baseline=BASELINE,
        trunk=KEPT,
        commit=LANDED,
        ratio=1.31,
        low=1.2,
        high=1.43,
        pairs=4,
        split="sealed",
        scale="ratio",
        holds=True,
        sealed_uses=0,
        self_reported=False,
        trials=("claim.0a",),
    )
    ledger.append(RUN, [landed, AgentSpent(agent="search", trunk=KEPT), begun, claim, SessionEnded(reason="finished")])
    return ledger


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_bytes(b"".join(export(row.body for row in story().rows())))
