"""What to do next: one step from the state, the jobs in flight and the clock. Pure, and constant in the history."""

from __future__ import annotations

import math
from collections.abc import Collection

import msgspec

from holdfast.core import verdicts
from holdfast.core.ports import Job, TrialRequest
from holdfast.core.records import AnyRecord, Decision, Role
from holdfast.core.seeds import seed_for
from holdfast.core.settings import Rules
from holdfast.core.state import Attempt, Kept, RunState, job_key


class Submit(msgspec.Struct, frozen=True):
    """Give this job to the executor."""

    job: Job


class Write(msgspec.Struct, frozen=True):
    """Append these records: they follow from the state alone."""

    records: tuple[AnyRecord, ...]


class Ask(msgspec.Struct, frozen=True):
    """Ask the agent for a draft against the trunk."""


class Merge(msgspec.Struct, frozen=True):
    """The trunk has moved under this proposal: merge it onto the new head, to be measured afresh."""

    proposal: str


class Land(msgspec.Struct):
    """Move the branch to this kept tree."""

    kept: Kept


class Cancel(msgspec.Struct, frozen=True):
    """Stop these jobs: time is up."""

    keys: tuple[str, ...]


class Wait(msgspec.Struct, frozen=True):
    """Nothing to do until a job ends or `until` (Unix time) comes."""

    until: float


class Stop(msgspec.Struct, frozen=True):
    """The session is over; `fault` says why it could not go on, and is empty when it finished."""

    fault: str = ""
    hint: str = ""


Step = Submit | Write | Ask | Merge | Land | Cancel | Wait | Stop


class Scene(msgspec.Struct):
    """What the scheduler looks at: the fold, the keys of jobs in flight, the slots, the time, and the rules."""

    state: RunState
    busy: Collection[str]
    slots: int
    now: float
    rules: Rules

    @property
    def free(self) -> bool:
        """Whether a slot is idle."""
        return len(self.busy) < self.slots


def next_step(scene: Scene) -> Step:
    """The one most urgent thing to do. Calling it again after doing it leads to the end of the run."""
    state = scene.state
    if state.landing is not None:
        return Land(state.landing)
    if state.baseline is None:
        return _baseline(scene)
    return _consequence(scene) or (_close(scene) if _closing(scene) else _advance(scene))


def claim_pair_count(state: RunState, rules: Rules) -> int:
    """Pairs of the final claim: what its share of the budget buys at the baseline's pace, within the rules' bounds."""
    if not state.sessions:
        return rules.claim_pairs_min
    start = state.sessions[-1].start
    pair_seconds = 2 * state.occupied.get(state.started().tree, 0.0)
    if pair_seconds <= 0:
        return rules.claim_pairs_max
    affordable = rules.claim_share * start.budget_seconds * start.workers / pair_seconds
    return max(rules.claim_pairs_min, min(rules.claim_pairs_max, int(affordable)))


def claim_reserve(state: RunState, rules: Rules) -> float:
    """Wall seconds set aside for the final claim; nothing while there is nothing to claim.

    Pairs already run are not taken off, or the search would start again while the claim is being made.
    """
    if not state.kept or state.claim is not None:
        return 0.0
    rounds = math.ceil(claim_pair_count(state, rules) / state.sessions[-1].start.workers)
    return 1.15 * rounds * (_occupied(state, state.started().tree) + _occupied(state, state.trunk)) + 1.0


def _occupied(state: RunState, tree: str) -> float:
    """Wall seconds a trial of `tree` keeps a slot busy; the trunk's, when it was never seen."""
    return state.occupied.get(tree, state.occupied.get(state.trunk, 0.0))


def _baseline(scene: Scene) -> Step:
    state, rules = scene.state, scene.rules
    fault = verdicts.baseline_fault(state, rules)
    if fault:
        return Cancel(tuple(scene.busy)) if scene.busy else Stop(*fault)
    missing = [n for n in range(rules.baseline_pairs) if n not in state.baseline_pairs]
    if not missing:
        return Write((verdicts.measure_baseline(state),))
    if scene.now >= state.deadline:
        if scene.busy:
            return Cancel(tuple(scene.busy))
        return Stop("the budget ended before the baseline was measured", "give a larger --budget with --resume")
    tree = state.started().tree
    for pair in missing:
        if scene.free and job_key("baseline", "", pair) not in scene.busy:
            return Submit(_pair_job(state, "baseline", "", pair, (tree, tree)))
    return Wait(state.deadline)


def _consequence(scene: Scene) -> Step | None:
    """Verdicts that the measurements so far already imply."""
    state = scene.state
    for attempt in state.open.values():
        if _in_flight(scene, attempt):
            continue
        records = verdicts.settle(state, attempt, scene.rules, _search_end(scene) - scene.now)
        if attempt.proposal.parent != state.trunk and not any(isinstance(r, Decision) for r in records):
            return Merge(attempt.proposal.id)
        if records:
            return Write(records)
    return None


def _in_flight(scene: Scene, attempt: Attempt) -> bool:
    """Whether the attempt still waits for its race, or for pairs that started before the verdict was due."""
    name = attempt.proposal.id
    if job_key("race", name, -1) in scene.busy:
        return True
    return any(key.startswith(f"{name}.") for key in scene.busy)


def _advance(scene: Scene) -> Step:
    """Use a free slot: pairs first, so that gains land early, then races, then a new proposal."""
    state = scene.state
    end = _search_end(scene)
    if not scene.free:
        return Wait(end)
    for attempt in state.open.values():
        pair = _next_pair(scene, attempt)
        if pair is not None and attempt.admitted is not None:
            trees = (attempt.admitted.incumbent, attempt.proposal.tree)
            return Submit(_pair_job(state, "confirm", attempt.proposal.id, pair, trees))
    for attempt in state.open.values():
        if attempt.race is None and not _in_flight(scene, attempt):
            return Submit(_race_job(state, attempt, scene.rules))
    if state.spent_trunk != state.trunk and end - scene.now > _occupied(state, state.trunk):
        return Ask()
    return Wait(end)


def _search_end(scene: Scene) -> float:
    """Unix time at which the search must make room for the claim."""
    return scene.state.deadline - claim_reserve(scene.state, scene.rules)


def _next_pair(scene: Scene, attempt: Attempt) -> int | None:
    """The next pair worth starting for an admitted candidate, if any."""
    if attempt.admitted is None or attempt.admitted.incumbent != scene.state.trunk:
        return None
    name = attempt.proposal.id
    running = sum(key.startswith(f"{name}.") for key in scene.busy)
    wanted = max(scene.rules.min_pairs, len(attempt.pairs) + 1)
    if running and len(attempt.pairs) + running >= wanted:
        return None
    for pair in range(scene.rules.max_pairs):
        if pair not in attempt.pairs and job_key("confirm", name, pair) not in scene.busy:
            return pair
    return None


def _closing(scene: Scene) -> bool:
    """Whether the rest of the time belongs to the claim, or the agent has nothing more to say."""
    state = scene.state
    idle = not state.open and not scene.busy
    exhausted = idle and state.spent_trunk == state.trunk
    claiming = any(key.startswith("claim") for key in scene.busy)
    late = scene.now >= _search_end(scene)
    return exhausted or claiming or late or state.claim is not None


def _close(scene: Scene) -> Step:
    """Leave nothing open, make the claim if there is something to claim, and stop."""
    state = scene.state
    search = tuple(key for key in scene.busy if not key.startswith("claim"))
    if search:
        return Cancel(search)
    if state.open:
        return Write(tuple(verdicts.out_of_time(state, attempt) for attempt in state.open.values()))
    if not state.kept or state.claim is not None:
        return Stop()
    wanted = claim_pair_count(state, scene.rules)
    series = claim_series(state)
    missing = [n for n in range(wanted) if n not in state.claim_pairs]
    if not missing:
        return Write((verdicts.claim(state),))
    if any(state.infra.get(job_key("claim", series, n), 0) > scene.rules.infra_retries for n in missing):
        return Stop(
            "the final claim could not be measured", "see `holdfast log` for the infrastructure fault; --resume"
        )
    for pair in missing:
        if scene.free and job_key("claim", series, pair) not in scene.busy:
            return Submit(_pair_job(state, "claim", series, pair, (state.started().tree, state.trunk)))
    return Wait(math.inf)


def claim_series(state: RunState) -> str:
    """The name of the next claim's trials: its number and the head it is about, so that no seed serves two claims."""
    return f"claim{len(state.claims) + 1}-{state.kept[-1].decision.proposal}"


def _pair_job(state: RunState, role: Role, proposal: str, pair: int, trees: tuple[str, str]) -> Job:
    """Two trials with one seed, in an order drawn for this pair, so that a position effect cannot favour a side."""
    run = state.started()
    split = claim_split(state) if role == "claim" else search_split(state)
    place = (role, proposal, pair)
    seed = seed_for(run.seed, *place)
    key = job_key(role, proposal, pair)
    again = _retry_mark(state, key)
    sides = [("incumbent", "a", trees[0]), ("candidate", "b", trees[1])]
    if seed_for(run.seed, "order", *place) % 2:
        sides.reverse()
    trials = [
        TrialRequest(key + letter + again, role, tree, seed, split, proposal, pair, side)
        for side, letter, tree in sides
    ]
    return Job(key, tuple(trials))


def _retry_mark(state: RunState, key: str) -> str:
    """A suffix that keeps the id of a retried trial apart from the void one's."""
    return f"~{state.voided[key]}" if key in state.voided else ""


def _race_job(state: RunState, attempt: Attempt, rules: Rules) -> Job:
    proposal = attempt.proposal
    run = state.started()
    key = job_key("race", proposal.id, -1)
    request = TrialRequest(
        id=key + _retry_mark(state, key),
        role="race",
        tree=proposal.tree,
        seed=seed_for(run.seed, "race", proposal.id),
        split=search_split(state),
        proposal=proposal.id,
        losing_over=verdicts.losing_over(state.incumbent_score, run.spec.metric, rules),
    )
    return Job(key, (request,))


def search_split(state: RunState) -> str:
    """The split that steers the search: `hidden`, or `none` for a problem without data."""
    return "hidden" if "hidden" in state.started().data else "none"


def claim_split(state: RunState) -> str:
    """The split the claim is made on: `sealed` where the problem has one."""
    return "sealed" if "sealed" in state.started().data else search_split(state)
