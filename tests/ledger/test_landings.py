from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from holdfast.core.records import Admitted, AnyRecord, Comparison, Decision, Landed, Proposal, RunStarted, Trial
from holdfast.ledger.landings import verify_landings
from holdfast.ledger.memory import MemoryLedger
from tests.ledger.samples import BASELINE, KEPT, LANDED, RUN, START, decision, evidence, problem, story

Commit = tuple[str, tuple[str, ...], str]


def ledger_of(records: Iterable[AnyRecord], landed: bool = True) -> MemoryLedger:
    ledger = MemoryLedger(clock=lambda: 1.5)
    head = ledger.append(RUN, list(records))
    if landed:
        ledger.append(RUN, [Landed("p1", KEPT, LANDED, "holdfast/r1", head.hash)])
    return ledger


def faults(ledger: MemoryLedger, **changes: object) -> list[str]:
    """Verify against a repository that fits the ledger but for `changes` (tree, parents, message) to the commit."""
    named = [entry.record.ledger_head for entry in ledger.entries() if isinstance(entry.record, Landed)]
    commit = {"tree": KEPT, "parents": (START,), "message": f"Fewer steps\n\nHoldfast-Ledger: {named[-1]}\n"} | changes
    found: dict[str, Commit] = {LANDED: (commit["tree"], commit["parents"], commit["message"])}  # type: ignore[dict-item]
    return verify_landings(ledger.entries(), found.get)


def whole() -> list[AnyRecord]:
    return [problem(), *evidence(), decision()]


def test_a_whole_chain_has_no_fault() -> None:
    assert faults(story()) == []
    assert faults(ledger_of(whole())) == []
    assert verify_landings(ledger_of(whole(), landed=False).entries(), {}.get) == []


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        (RunStarted, "its run has no problem"),
        (Proposal, "no proposal p1"),
        (Trial, "rests on trial p1.0a, which was not recorded before it"),
        (Comparison, "no comparison of p1"),
        (Decision, "no decision to keep p1"),
    ],
)
def test_a_missing_link_is_named(left_out: type, said: str) -> None:
    assert said in " ".join(faults(ledger_of(record for record in whole() if not isinstance(record, left_out))))


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (Proposal, {"tree": BASELINE}, "no proposal p1 of the tree"),
        (Trial, {"tree": "e" * 40}, "which ran the tree"),
        (Trial, {"role": "race"}, "which is a race trial"),
        (Trial, {"proposal": "p2"}, "trial of 'p2'"),
        (Trial, {"tree": BASELINE}, "trials of one side only"),
        (Comparison, {"incumbent": "e" * 40}, "the comparison was against"),
        (Comparison, {"tree": BASELINE}, "no comparison of p1 with the tree"),
        (Comparison, {"trials": ()}, "rests on no trial"),
        (Decision, {"verdict": "discard"}, "no decision to keep p1"),
        (Decision, {"tree": BASELINE}, "no decision to keep p1"),
        (Decision, {"incumbent": "e" * 40}, "the decision was against"),
        (RunStarted, {"branch": "holdfast/r2"}, "it is on the branch holdfast/r1"),
        (RunStarted, {"commit": "e" * 40}, "its parents are"),
    ],
)
def test_a_link_that_does_not_fit_is_named(kind: type, change: dict[str, object], said: str) -> None:
    records = [msgspec.structs.replace(item, **change) if isinstance(item, kind) else item for item in whole()]
    assert said in " ".join(faults(ledger_of(records)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tree": BASELINE}, "it holds the tree"),
        ({"parents": ()}, "its parents are none"),
        ({"parents": (START, "e" * 40)}, "its parents are"),
        ({"message": "Fewer steps\n"}, "names the ledger head nowhere"),
        ({"message": f"Holdfast-Ledger: {'e' * 64}\n"}, "names the ledger head eeee"),
    ],
)
def test_a_commit_that_does_not_fit_is_named(change: dict[str, object], said: str) -> None:
    assert said in " ".join(faults(ledger_of(whole()), **change))


def test_a_missing_commit_and_a_made_up_ledger_head_are_named() -> None:
    assert verify_landings(ledger_of(whole()).entries(), {}.get) == [
        f"record 8, commit {LANDED[:12]}: git has no such commit"
    ]
    for made_up in ("e" * 64, "0" * 64):
        forged = ledger_of(whole(), landed=False)
        forged.append(RUN, [Landed("p1", KEPT, LANDED, "holdfast/r1", made_up)])
        assert f"the ledger head {made_up} is not its decision's, which is " in " ".join(faults(forged))


def test_the_hash_of_another_record_is_no_ledger_head() -> None:
    for number in range(1, len(whole())):
        ledger = ledger_of(whole(), landed=False)
        other = [entry.previous for entry in ledger.entries()][number]
        ledger.append(RUN, [Landed("p1", KEPT, LANDED, "holdfast/r1", other)])
        assert f"the ledger head {other} is not its decision's" in " ".join(faults(ledger))


@pytest.mark.parametrize("moved", range(5))
def test_evidence_recorded_too_late_does_not_count(moved: int) -> None:
    records = [record for record in whole() if not isinstance(record, Admitted)]
    late = [*records[:moved], *records[moved + 1 :], records[moved]]
    assert faults(ledger_of(late)) != [] or isinstance(records[moved], RunStarted | Proposal)
    ledger = MemoryLedger(clock=lambda: 1.5)
    landed = Landed("p1", KEPT, LANDED, "holdfast/r1", "e" * 64)
    ledger.append(RUN, [*records[:moved], *records[moved + 1 :], landed, records[moved]])
    assert len(faults(ledger)) > 1


def test_a_second_landing_must_follow_the_first() -> None:
    ledger = story()
    second = [
        Proposal("p2", "search", KEPT, BASELINE, "back", evidence()[0].forecast),  # type: ignore[union-attr]
        Landed("p2", BASELINE, "9" * 40, "holdfast/r1", ledger.head().hash),
    ]
    ledger.append(RUN, second)
    commits: dict[str, Commit] = {
        LANDED: (
            KEPT,
            (START,),
            f"Holdfast-Ledger: {next(e.record.ledger_head for e in ledger.entries() if isinstance(e.record, Landed))}",
        ),  # type: ignore[union-attr]
        "9" * 40: (BASELINE, (START,), f"Holdfast-Ledger: {second[1].ledger_head}"),  # type: ignore[union-attr]
    }
    said = " ".join(verify_landings(ledger.entries(), commits.get))
    assert f"its parents are {START}, and the trunk was at {LANDED}" in said
    assert "no decision to keep p2" in said
