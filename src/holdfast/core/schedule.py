"""What to do next: one step from the state, the jobs in flight and the clock. Pure, and constant in the history."""

from __future__ import annotations

import math
from collections.abc import Collection

import msgspec

from holdfast.core import decide, verdicts
from holdfast.core.ports import Job, TrialRequest
from holdfast.core.records import AnyRecord, Decision, Role, Side
from holdfast.core.seeds import seed_for
from holdfast.core.settings import Rules
from holdfast.core.state import Attempt, Claiming, Kept, RunState, job_key


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


UNFIT = (
    "one trial after the other fails through no fault of its candidate",
    "`holdfast log` names the fault; mend it, then --resume",
)


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
    if state.infra_streak >= scene.rules.infra_streak:
        return Cancel(tuple(scene.busy)) if scene.busy else Stop(*UNFIT)
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
    exhausted = not state.open and not scene.busy and state.spent_trunk == state.trunk
    claimed = state.claim is not None and state.claimed_in == len(state.sessions)
    return exhausted or claimed or state.claiming is not None or scene.now >= _search_end(scene)


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
    if state.claiming is None:
        return Write((verdicts.begin_claim(state, claim_pair_count(state, scene.rules), claim_split(state)),))
    return _claim(scene, state.claiming)


def _claim(scene: Scene, claiming: Claiming) -> Step:
    """Run the claim's pairs, then write what they amount to."""
    state, begun = scene.state, claiming.begun
    missing = [n for n in range(begun.pairs) if n not in claiming.pairs]
    if not missing:
        return Write((verdicts.claim(state),))
    if state.infra > scene.rules.infra_retries:
        return Cancel(tuple(scene.busy)) if scene.busy else Stop(*UNFIT)
    for pair in missing:
        if scene.free and job_key("claim", begun.series, pair) not in scene.busy:
            return Submit(_pair_job(state, "claim", begun.series, pair, (begun.baseline, begun.trunk)))
    return Wait(math.inf)


def _pair_job(state: RunState, role: Role, proposal: str, pair: int, trees: tuple[str, str]) -> Job:
    """Two trials with one seed, in an order drawn for this pair, so that a position effect cannot favour a side."""
    split = state.claiming.begun.split if role == "claim" and state.claiming else search_split(state)
    salt = _salt(state, role, proposal)
    seed = seed_for(salt, role, proposal, pair)
    key = job_key(role, proposal, pair)
    again = _retry_mark(state, key)
    sides: list[tuple[Side, str, str]] = [("incumbent", "a", trees[0]), ("candidate", "b", trees[1])]
    if seed_for(salt, "order", role, proposal, pair) % 2:
        sides.reverse()
    trials = [
        TrialRequest(key + letter + again, role, tree, seed, split, proposal, pair, side)
        for side, letter, tree in sides
    ]
    return Job(key, tuple(trials))


def _salt(state: RunState, role: Role, proposal: str) -> str:
    """What the seeds of a job are drawn from: the run's seed, or what the ledger held when its stage began."""
    if role == "baseline":
        return str(state.started().seed)
    if role == "claim":
        return state.claiming.salt if state.claiming else ""
    return state.attempts[proposal].salt


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
        seed=seed_for(attempt.salt, "race", proposal.id),
        split=search_split(state),
        proposal=proposal.id,
        losing_over=decide.losing_over(state.incumbent_score, run.spec.metric, rules),
    )
    return Job(key, (request,))


def search_split(state: RunState) -> str:
    """The split that steers the search: `hidden`, or `none` where no grader reads one."""
    run = state.started()
    return "hidden" if "hidden" in run.data and run.spec.grader.command else "none"


def claim_split(state: RunState) -> str:
    """The split the claim is made on: `sealed` where the problem has one."""
    run = state.started()
    return "sealed" if "sealed" in run.data and run.spec.grader.command else search_split(state)
