from __future__ import annotations

import msgspec
import pytest

from holdfast.core import verdicts
from holdfast.core.records import (
    AnyRecord,
    BaselineMeasured,
    Claim,
    ClaimBegun,
    Entry,
    Landed,
    SessionEnded,
    SessionStarted,
    Trial,
)
from holdfast.core.state import fold
from holdfast.ledger.claims import verify_claims
from holdfast.ledger.memory import MemoryLedger
from tests.ledger.samples import BASELINE, KEPT, LANDED, RUN, decision, evidence, problem, trial

PAIRS = 3


def measured() -> list[AnyRecord]:
    """A run up to the last trial of its claim."""
    sides = (("a", "incumbent", BASELINE, 2.0), ("b", "candidate", KEPT, 1.0))
    trials = [
        trial(
            f"claim1.{pair}{letter}",
            role="claim",
            tree=tree,
            seed=pair,
            split="sealed",
            score=score + pair / 50,
            values={"loss": 0.5, "accuracy": 0.95},
            proposal="claim1",
            pair=pair,
            side=side,
            tier="T2",
        )
        for pair in range(PAIRS)
        for letter, side, tree, score in sides
    ]
    return [
        problem(),
        SessionStarted(600.0, 2, "T2", "0.1.0", 1),
        BaselineMeasured(2.0, {"loss": 0.5}, {"loss": 0.0001}, 0.02, 3, (), False),
        *evidence(),
        decision(),
        Landed("p1", KEPT, LANDED, "holdfast/r1", "e" * 64),
        ClaimBegun("claim1", BASELINE, KEPT, PAIRS, "sealed", 1),
        *trials,
    ]


def entries(records: list[AnyRecord]) -> list[Entry]:
    ledger = MemoryLedger(clock=lambda: 1.5)
    ledger.append(RUN, records)
    return list(ledger.entries())


def claimed(records: list[AnyRecord], **changes: object) -> list[str]:
    """The faults of a ledger in which `records` and the claim that follows from them stand, but for `changes`."""
    claim = verdicts.claim(fold(entries(records)))
    return verify_claims(entries([*records, msgspec.structs.replace(claim, **changes)]))


def test_a_claim_made_by_the_rules_has_no_fault() -> None:
    assert claimed(measured()) == []
    ratio = verdicts.claim(fold(entries(measured()))).ratio
    assert claimed(measured(), ratio=ratio * (1 + 1e-12)) == []


def test_a_claim_out_of_nowhere_is_found() -> None:
    forged = Claim(BASELINE, KEPT, LANDED, 99.0, 98.0, 100.0, 500, "sealed", "ratio", True, 0, False)
    whole = [*measured(), verdicts.claim(fold(entries(measured())))]
    for before in (whole, measured()[:-2], [problem()], []):
        said = verify_claims(entries([*before, forged]))
        assert said
        assert all(f"record {len(before) + 1}, the claim of {RUN}: " in line for line in said)
    assert "no claim was begun before it" in " ".join(verify_claims(entries([*whole, forged])))


@pytest.mark.parametrize(
    "change",
    [
        {"ratio": 1.001},
        {"low": 0.1},
        {"high": 9.0},
        {"pairs": 500},
        {"failed": 1},
        {"holds": False},
        {"sealed_uses": 0},
        {"self_reported": True},
        {"split": "hidden"},
        {"baseline": KEPT},
        {"trunk": BASELINE},
        {"commit": "9" * 40},
        {"checks": ()},
        {"trials": ()},
        {"trials": ("claim1.0a",)},
        {"trials": ("p1.0a", "p1.0b")},
        {"tier": "T3"},
    ],
)
def test_any_number_that_the_trials_do_not_give_is_named(change: dict[str, object]) -> None:
    (field,) = change
    assert f"its {field} is " in " ".join(claimed(measured(), **change))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tree": "9" * 40}, "ran the tree 9999"),
        ({"split": "hidden"}, "was graded on hidden, not sealed"),
        ({"seed": 77}, "ran with different seeds"),
        ({"proposal": "claim9"}, "2 pairs stand before it, and 3 were to be run"),
        ({"role": "confirm"}, "2 pairs stand before it, and 3 were to be run"),
    ],
)
def test_a_trial_that_is_no_evidence_for_the_claim_is_named(change: dict[str, object], said: str) -> None:
    records = measured()
    assert isinstance(records[-1], Trial)
    records[-1] = msgspec.structs.replace(records[-1], **change)
    assert said in " ".join(claimed(records))


def test_trials_that_come_after_the_claim_do_not_count() -> None:
    records = measured()
    claim = verdicts.claim(fold(entries(records)))
    said = " ".join(verify_claims(entries([*records[:-1], claim, records[-1]])))
    assert "it rests on trial claim1.2a, and no claim trial of that name stands before it" in said


def test_records_that_no_run_would_write_are_a_fault_and_no_crash() -> None:
    said = verify_claims(entries([problem(), decision(), evidence()[-1], trial(role="race", proposal="p9")]))
    assert said == []
    (fault,) = verify_claims(entries([SessionEnded("finished"), SessionEnded("finished")]))
    assert fault == f"record 1 cannot follow from the records of {RUN} before it"
