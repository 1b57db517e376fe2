"""The real loop in a simulated world: whatever is killed when, nothing recorded is lost, repeated or contradicted."""

from __future__ import annotations

import os
from collections import Counter

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.core.chain import entry_hash
from holdfast.core.errors import ExecutionError
from holdfast.core.records import (
    Claim,
    ClaimBegun,
    Comparison,
    Decision,
    Landed,
    Proposal,
    SessionEnded,
    Trial,
)
from holdfast.core.state import fold
from holdfast.loop import Lab, conduct
from tests.loop.world import Fuse, Killed, SimAgent, SimExecutor, SimLedger, SimWorkspace, World

SCHEDULES = int(os.environ.get("HOLDFAST_SIMULATIONS", "60"))


def run_with_crashes(world: World, crashes: list[int]):
    """Run to the end, dying at each given boundary in turn and resuming with what was left of the budget."""
    world.start()
    for at in crashes:
        world.fuse = Fuse(at)
        try:
            return world.run()
        except Killed:
            world.resume(fold(world.disk.entries).budget_left)
    world.fuse = Fuse()
    return world.run()


def check_invariants(world: World) -> None:
    entries = world.disk.entries
    previous = "0" * 64
    for entry in entries:
        assert entry.previous == previous
        previous = entry_hash(entry)
    trials = [entry.record for entry in entries if isinstance(entry.record, Trial)]
    settled = Counter(trial.id for trial in trials)
    by_id = {trial.id: trial for trial in trials}
    seeds = {(trial.seed, trial.pair, trial.role, trial.proposal) for trial in trials}
    assert len({seed for seed, *_ in seeds}) == len(seeds), "a seed served two purposes"
    proposals = {e.record.id: e.record for e in entries if isinstance(e.record, Proposal)}
    comparisons = {e.record.proposal: e.record for e in entries if isinstance(e.record, Comparison)}
    decisions = Counter(e.record.proposal for e in entries if isinstance(e.record, Decision))
    assert all(count == 1 for count in decisions.values())
    claiming = False
    for entry in entries:
        claiming = isinstance(entry.record, ClaimBegun) or (claiming and not isinstance(entry.record, Claim))
        assert not (claiming and isinstance(entry.record, Proposal)), "the search went on during the claim"
    for begun in (entry.record for entry in entries if isinstance(entry.record, ClaimBegun)):
        pairs = {trial.pair for trial in trials if trial.role == "claim" and trial.proposal == begun.series}
        assert pairs <= set(range(begun.pairs)), "a claim ran more pairs than were fixed before it"
    head, commit = fold(entries[:1]).trunk, "base"
    for entry in entries:
        record = entry.record
        if isinstance(record, Decision) and record.verdict == "keep":
            comparison = comparisons[record.proposal]
            assert comparison.incumbent == head == record.incumbent
            assert comparison.evidence * comparison.level >= 1
            assert comparison.pairs >= world.rules.min_pairs
            assert all(check.holds for check in comparison.checks)
            assert all(by_id[name].role == "confirm" for name in comparison.trials)
            assert {by_id[name].tree for name in comparison.trials} == {head, record.tree}
            assert proposals[record.proposal].tree == record.tree
            assert proposals[record.proposal].parent == head
        if isinstance(record, Landed):
            tree, parent, message = world.disk.commits[record.commit]
            assert tree == record.tree
            assert parent == commit
            assert record.ledger_head in message
            head, commit = tree, record.commit
    assert world.disk.branch == commit
    repeated = [name for name, count in settled.items() if count > 1]
    assert not repeated, f"a recorded result was computed again: {repeated}"


def test_a_run_improves_the_trunk_and_claims_it():
    world = World(seed=1)
    state = run_with_crashes(world, [])
    check_invariants(world)
    assert state.kept
    assert state.claim is not None
    assert state.claim.split == "sealed"
    truth = world.cost(state.started().tree) / world.cost(state.trunk)
    assert state.claim.low / 1.03 <= truth <= state.claim.high * 1.03
    assert state.sessions[-1].ended == "finished"
    assert world.clock.now <= state.sessions[-1].began + world.budget * 1.02


def test_nothing_is_kept_when_nothing_is_better():
    for seed in range(10):
        world = World(seed=seed, checks={})
        world.cost = lambda tree: 1.0  # type: ignore[method-assign]
        state = run_with_crashes(world, [])
        assert not state.kept
        assert state.claim is None
        assert len(state.attempts) > 30


def test_every_boundary_of_a_short_run_can_be_killed():
    dry = World(seed=3, budget=110.0)
    run_with_crashes(dry, [])
    boundaries = dry.fuse.passed
    assert boundaries > 50
    for at in range(1, boundaries + 1):
        world = World(seed=3, budget=110.0)
        state = run_with_crashes(world, [at])
        check_invariants(world)
        assert state.sessions[-1].ended == "finished", f"killed at {at}"


@settings(max_examples=SCHEDULES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    slots=st.integers(1, 5),
    flaky=st.sampled_from([0.0, 0.2]),
    infra=st.sampled_from([0.0, 0.03]),
    crashes=st.lists(st.integers(1, 400), max_size=4),
)
def test_random_schedules_keep_the_invariants(seed, slots, flaky, infra, crashes):
    world = World(seed=seed, slots=slots, flaky=flaky, infra=infra, budget=150.0)
    try:
        run_with_crashes(world, crashes)
    except Exception as error:
        if "baseline" not in str(error) and "no fault of its candidate" not in str(error):
            raise
    check_invariants(world)


def test_a_claim_is_not_repeated_by_a_plain_resume_but_a_new_budget_reopens_the_search():
    world = World(seed=1, budget=200.0)
    first = run_with_crashes(world, [])
    before = len(first.attempts)
    world.resume(200.0)
    second = world.run()
    check_invariants(world)
    assert len(second.attempts) > before
    claims = [entry.record for entry in world.disk.entries if isinstance(entry.record, Claim)]
    assert [claim.sealed_uses for claim in claims] == list(range(len(claims)))
    assert len({claim.trunk for claim in claims}) == len(claims), "one trunk is claimed once"


def test_a_person_can_stop_at_any_step():
    world = World(seed=1)
    world.start()
    polls = iter(range(10**9))
    lab = Lab(
        SimLedger(world.disk, world.clock, Fuse()),
        SimWorkspace(world.disk, Fuse()),
        SimExecutor(world),
        SimAgent(1),
        clock=world.clock,
        stop_asked=lambda: next(polls) > 40,
    )
    state = conduct(lab, "sim-1")
    assert state.sessions[-1].ended == "interrupted"
    assert isinstance(world.disk.entries[-1].record, SessionEnded)
    world.resume(state.budget_left)
    world.run()
    check_invariants(world)


def test_an_agent_that_has_nothing_to_say_ends_the_run_early():
    world = World(seed=1)
    world.start()
    original = SimAgent.propose
    try:
        SimAgent.propose = lambda self, brief: None  # type: ignore[method-assign]
        state = world.run()
    finally:
        SimAgent.propose = original  # type: ignore[method-assign]
    assert state.sessions[-1].ended == "finished"
    assert not state.attempts


@pytest.mark.parametrize("outcome", ["crashed", "wrong"])
def test_a_broken_baseline_is_a_clear_error(outcome):
    world = World(seed=1)
    world.start()
    original = world.trial
    world.trial = lambda request: msgspec.structs.replace(  # type: ignore[method-assign]
        original(request), outcome=outcome, score=None, detail="no such file"
    )
    with pytest.raises(Exception, match="unchanged program came out"):
        world.run()
    assert fold(world.disk.entries).sessions[-1].ended == "failed"


def with_trials(world: World, change):
    """The world with `change(request, trial)` applied to every trial."""
    original = world.trial
    world.trial = lambda request: change(request, original(request))  # type: ignore[method-assign]
    return world


def test_a_failing_baseline_in_the_claim_leaves_a_claim_that_does_not_hold():
    def change(request, trial):
        if request.role == "claim" and request.side == "incumbent":
            return msgspec.structs.replace(trial, outcome="timeout", score=None, values={})
        return trial

    world = with_trials(World(seed=1), change)
    state = run_with_crashes(world, [])
    assert state.claim is not None
    assert not state.claim.holds
    assert state.claim.failed
    assert state.sessions[-1].ended == "finished"


def test_nothing_measured_without_isolation_is_kept_or_claimed():
    world = with_trials(World(seed=1), lambda _, trial: msgspec.structs.replace(trial, tier="T0"))
    state = run_with_crashes(world, [])
    assert not state.kept
    assert any(attempt.decision and attempt.decision.verdict == "hold" for attempt in state.attempts.values())
    mixed = with_trials(
        World(seed=1),
        lambda request, trial: msgspec.structs.replace(trial, tier="T0") if request.role == "claim" else trial,
    )
    state = run_with_crashes(mixed, [])
    assert state.claim is not None
    assert not state.claim.holds


def test_a_score_of_zero_on_the_ratio_scale_neither_wins_nor_breaks_the_run():
    def change(request, trial):
        if request.role in ("race", "confirm") and request.side != "incumbent" and trial.outcome == "ok":
            return msgspec.structs.replace(trial, score=0.0)
        return trial

    state = run_with_crashes(with_trials(World(seed=1), change), [])
    assert not state.kept
    assert state.sessions[-1].ended == "finished"


def test_a_machine_that_fails_every_trial_stops_the_run_with_a_reason():
    def change(request, trial):
        broken = request.role != "baseline"
        return msgspec.structs.replace(trial, outcome="infra", score=None, values={}) if broken else trial

    world = with_trials(World(seed=1), change)
    with pytest.raises(ExecutionError, match="no fault of its candidate"):
        run_with_crashes(world, [])
    state = fold(world.disk.entries)
    assert state.sessions[-1].ended == "failed"
    assert len(state.attempts) < 20


def test_an_executor_that_loses_a_job_does_not_hang_the_lab():
    class Forgetful(SimExecutor):
        def wait(self, seconds):
            done = super().wait(seconds)
            return [result for result in done if not result.key.startswith("claim")]

    world = World(seed=1)
    world.start()
    lab = Lab(
        SimLedger(world.disk, world.clock, Fuse()),
        SimWorkspace(world.disk, Fuse()),
        Forgetful(world),
        SimAgent(1),
        clock=world.clock,
    )
    with pytest.raises(ExecutionError):
        conduct(lab, "sim-1")


def test_records_that_name_what_nobody_knows_change_nothing():
    world = World(seed=1)
    world.start()
    ledger = SimLedger(world.disk, world.clock, Fuse())
    stranger = Trial("p999.race", "race", "t", 1, "hidden", "ok", 1.0, proposal="p999")
    verdict = Decision("p999", "t", "t", "keep", "confirm", "because")
    ledger.append("sim-1", [stranger, verdict, Landed("p999", "t", "c", "b", "h")])
    state = world.run()
    assert state.sessions[-1].ended == "finished"
    assert "p999" not in state.attempts


def test_seeds_of_deciding_trials_cannot_be_known_before():
    """Two runs that differ only in when they began share their baseline's seeds and no other."""

    def seeds(start: float) -> dict[str, set[int]]:
        world = World(seed=4, budget=150.0)
        world.clock.now = start
        run_with_crashes(world, [])
        found: dict[str, set[int]] = {}
        for entry in world.disk.entries:
            if isinstance(entry.record, Trial):
                found.setdefault(entry.record.role, set()).add(entry.record.seed)
        return found

    first, second = seeds(1_000_000.0), seeds(1_000_001.0)
    assert first["baseline"] == second["baseline"]
    for role in ("race", "confirm", "claim"):
        assert not first[role] & second[role]
