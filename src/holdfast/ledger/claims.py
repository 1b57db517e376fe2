"""Whether every claim is what the trials before it amount to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from holdfast.core import verdicts
from holdfast.core.errors import HoldfastError
from holdfast.core.records import Claim, Entry
from holdfast.core.state import RunState, apply

TOLERANCE = 1e-9
"""How far a number may be from the one computed again, relative: other machines round the last digits differently."""

_Unfit = (ArithmeticError, AssertionError, AttributeError, HoldfastError, LookupError, TypeError, ValueError)
"""What the rules raise for records that no run would write."""


def verify_claims(entries: Iterable[Entry]) -> list[str]:
    """Make each claim again from the records before it; returns the faults found, none when all is well.

    `entries` are all records of a verified ledger in order, folded run by run. A record that cannot follow from
    those before it is a fault, and the rest of its run is not looked at.
    """
    states: dict[str, RunState] = {}
    broken: set[str] = set()
    faults: list[str] = []
    for entry in entries:
        if entry.run in broken:
            continue
        state = states.setdefault(entry.run, RunState())
        if isinstance(entry.record, Claim):
            found = [*_trial_faults(entry.record, state), *_number_faults(entry.record, state)]
            faults += (f"record {entry.index}, the claim of {entry.run}: {fault}" for fault in found)
        try:
            apply(state, entry)
        except _Unfit:
            faults.append(f"record {entry.index} cannot follow from the records of {entry.run} before it")
            broken.add(entry.run)
    return faults


def _trial_faults(claim: Claim, state: RunState) -> Iterator[str]:
    claiming = state.claiming
    if claiming is None:
        yield "no claim was begun before it"
        return
    known = {trial.id for pair in claiming.pairs.values() for trial in pair}
    missing = [name for name in claim.trials if name not in known]
    if missing:
        yield f"it rests on trial {missing[0]}, and no claim trial of that name stands before it"
    if len(claiming.pairs) != claiming.begun.pairs:
        yield f"{len(claiming.pairs)} pairs stand before it, and {claiming.begun.pairs} were to be run"
    for incumbent, candidate in claiming.pairs.values():
        for trial, tree in ((incumbent, claim.baseline), (candidate, claim.trunk)):
            if trial.tree != tree:
                yield f"its trial {trial.id} ran the tree {trial.tree}, not {tree}"
            if trial.split != claim.split:
                yield f"its trial {trial.id} was graded on {trial.split}, not {claim.split}"
        if incumbent.seed != candidate.seed:
            yield f"its trials {incumbent.id} and {candidate.id} ran with different seeds"


def _number_faults(claim: Claim, state: RunState) -> Iterator[str]:
    try:
        true = verdicts.claim(state)
    except _Unfit:
        yield "no claim follows from the records before it"
        return
    for field in Claim.__struct_fields__:
        told, computed = getattr(claim, field), getattr(true, field)
        if not _agree(told, computed):
            yield f"its {field} is {told!r}, and the records before it give {computed!r}"


def _agree(told: Any, true: Any) -> bool:
    if isinstance(true, msgspec.Struct):
        return all(_agree(getattr(told, field), getattr(true, field)) for field in true.__struct_fields__)
    if isinstance(true, tuple):
        return len(told) == len(true) and all(map(_agree, told, true))
    if isinstance(true, float):
        return math.isclose(told, true, rel_tol=TOLERANCE)
    return bool(told == true)
