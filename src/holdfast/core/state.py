"""What a run knows, folded from its records: `apply` takes one entry in, in constant time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from holdfast.core.chain import entry_hash
from holdfast.core.measure import Noise, pair_effect, residual_noise
from holdfast.core.problem import Metric
from holdfast.core.records import (
    Admitted,
    AgentSpent,
    BaselineMeasured,
    Claim,
    ClaimBegun,
    Comparison,
    Decision,
    Entry,
    Landed,
    Proposal,
    RunStarted,
    SessionEnded,
    SessionStarted,
    Trial,
)

Pair = tuple[Trial, Trial]
"""(incumbent, candidate), run one after the other on one slot with one seed."""


@dataclass
class Attempt:
    """A proposal on its way: what has been measured of it so far, and the verdict once there is one.

    `salt` is the hash of the entry that opened the present stage: seeds are drawn from it, so that nobody can know
    them before. `infra` counts the jobs that failed through our own fault in this session.
    """

    proposal: Proposal
    salt: str
    infra: int = 0
    race: Trial | None = None
    admitted: Admitted | None = None
    pairs: dict[int, Pair] = field(default_factory=dict)
    comparison: Comparison | None = None
    decision: Decision | None = None


@dataclass
class Kept:
    """A change that was decided `keep`, with its place in the chain and, once landed, its commit."""

    decision: Decision
    at: float
    hash: str
    landed: Landed | None = None


@dataclass
class Claiming:
    """A claim that has begun: its record, the hash its seeds are drawn from, and the session that began it."""

    begun: ClaimBegun
    salt: str
    session: int
    pairs: dict[int, Pair] = field(default_factory=dict)


@dataclass
class Session:
    """One coordinator's stretch of a run; `ended` is empty while it lasts or when it was killed, else why it ended."""

    start: SessionStarted
    began: float
    last: float
    ended: str = ""
    detail: str = ""


@dataclass
class RunState:
    """The fold of one run's records. Only `apply` changes it.

    `voided` counts the jobs that failed through our own fault, so that a retried trial gets an id of its own;
    `infra_streak` how many trials in a row did so in this session, `infra` those of baseline and claim.
    `occupied` is the last slot time in seconds by tree. A record that names an unknown proposal changes nothing.
    """

    name: str = ""
    index: int = 0
    run: RunStarted | None = None
    sessions: list[Session] = field(default_factory=list)
    baseline_pairs: dict[int, Pair] = field(default_factory=dict)
    baseline: BaselineMeasured | None = None
    trunk: str = ""
    commit: str = ""
    trunks: dict[str, float] = field(default_factory=dict)
    attempts: dict[str, Attempt] = field(default_factory=dict)
    open: dict[str, Attempt] = field(default_factory=dict)
    tried: set[str] = field(default_factory=set)
    kept: list[Kept] = field(default_factory=list)
    admitted: int = 0
    noise: Noise = field(default_factory=Noise)
    occupied: dict[str, float] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    trials: int = 0
    infra: int = 0
    infra_streak: int = 0
    voided: dict[str, int] = field(default_factory=dict)
    half: Trial | None = None
    claiming: Claiming | None = None
    begun_claims: int = 0
    claims: list[Claim] = field(default_factory=list)
    claimed_in: int = 0
    spent_trunk: str = ""

    @property
    def landing(self) -> Kept | None:
        """A kept change whose branch may not have moved yet."""
        return self.kept[-1] if self.kept and self.kept[-1].landed is None else None

    @property
    def claim(self) -> Claim | None:
        """The latest claim, if it is about the present trunk."""
        return self.claims[-1] if self.claims and self.claims[-1].trunk == self.trunk else None

    @property
    def session(self) -> Session | None:
        """The latest session."""
        return self.sessions[-1] if self.sessions else None

    @property
    def incumbent_score(self) -> float:
        """What the trunk's head scored lately."""
        return self.trunks[self.trunk]

    @property
    def deadline(self) -> float:
        """Unix time at which this session's budget ends."""
        return self.sessions[-1].began + self.sessions[-1].start.budget_seconds if self.sessions else 0.0

    @property
    def budget_left(self) -> float:
        """Seconds of the latest session's budget that its records had not used up; what a plain resume may spend."""
        return max(0.0, self.deadline - self.sessions[-1].last) if self.sessions else 0.0

    def started(self) -> RunStarted:
        """The run's first record; a state without one is a bug."""
        if self.run is None:
            raise AssertionError("the run has no RunStarted record")
        return self.run


def fold(entries: Iterable[Entry]) -> RunState:
    """The state that `entries` of one run amount to."""
    state = RunState()
    for entry in entries:
        apply(state, entry)
    return state


def apply(state: RunState, entry: Entry) -> None:
    """Advance `state` by one entry, in constant time."""
    state.index = entry.index
    record = entry.record
    if state.sessions and not state.sessions[-1].ended and not isinstance(record, SessionStarted):
        state.sessions[-1].last = max(state.sessions[-1].last, entry.at)
    match record:
        case RunStarted():
            _start(state, entry.run, record)
        case SessionStarted():
            _begin_session(state, entry.at, record)
        case SessionEnded():
            state.sessions[-1].ended, state.sessions[-1].detail = record.reason, record.detail
        case Trial():
            _trial(state, record)
        case BaselineMeasured():
            state.baseline = record
            state.noise = Noise(record.noise**2 * record.noise_pairs, float(record.noise_pairs))
            state.trunks[state.trunk] = record.score
        case Proposal():
            attempt = Attempt(record, entry_hash(entry))
            state.attempts[record.id] = state.open[record.id] = attempt
            state.tried.add(record.tree)
        case AgentSpent():
            state.spent_trunk = record.trunk
        case Admitted():
            _admit(state, entry, record)
        case Comparison():
            _compare(state, record)
        case Decision():
            _decide(state, entry, record)
        case Landed():
            _land(state, record)
        case ClaimBegun():
            state.claiming = Claiming(record, entry_hash(entry), len(state.sessions))
            state.begun_claims += 1
        case Claim():
            _claim(state, record)
        case _:
            pass


def _start(state: RunState, name: str, record: RunStarted) -> None:
    state.name = name
    state.run = record
    state.trunk, state.commit = record.tree, record.commit
    state.trunks[record.tree] = 0.0
    state.tried.add(record.tree)


def _begin_session(state: RunState, at: float, record: SessionStarted) -> None:
    state.sessions.append(Session(record, at, at))
    state.infra = state.infra_streak = 0
    for attempt in state.open.values():
        attempt.infra = 0
    state.spent_trunk = ""


def _trial(state: RunState, trial: Trial) -> None:
    state.trials += 1
    state.outcomes[trial.outcome] = state.outcomes.get(trial.outcome, 0) + 1
    state.infra_streak = state.infra_streak + 1 if trial.outcome == "infra" else 0
    if trial.occupied_seconds and trial.outcome != "infra":
        state.occupied[trial.tree] = trial.occupied_seconds
    if trial.role == "race":
        if trial.outcome == "infra":
            _count_infra(state, trial)
        elif trial.proposal in state.attempts:
            state.attempts[trial.proposal].race = trial
    elif trial.side == "incumbent":
        state.half = trial
    elif trial.side == "candidate" and state.half is not None:
        _complete_pair(state, state.half, trial)
        state.half = None


def _complete_pair(state: RunState, incumbent: Trial, candidate: Trial) -> None:
    """A pair's trials are appended together, the incumbent's first; infrastructure trouble in either voids both."""
    if "infra" in (incumbent.outcome, candidate.outcome):
        _count_infra(state, candidate)
        return
    _pairs_of(state, candidate)[candidate.pair] = (incumbent, candidate)
    if candidate.role == "confirm" and incumbent.score is not None and incumbent.tree == state.trunk:
        state.trunks[state.trunk] += 0.3 * (incumbent.score - state.trunks[state.trunk])


def _pairs_of(state: RunState, trial: Trial) -> dict[int, Pair]:
    """Where a finished pair belongs; nowhere, when what it was for is unknown or over."""
    if trial.role == "baseline":
        return state.baseline_pairs
    if trial.role == "claim":
        current = state.claiming is not None and state.claiming.begun.series == trial.proposal
        return state.claiming.pairs if current and state.claiming else {}
    return state.attempts[trial.proposal].pairs if trial.proposal in state.attempts else {}


def _count_infra(state: RunState, trial: Trial) -> None:
    key = job_key(trial.role, trial.proposal, trial.pair)
    state.voided[key] = state.voided.get(key, 0) + 1
    if trial.proposal in state.attempts:
        state.attempts[trial.proposal].infra += 1
    else:
        state.infra += 1


def job_key(role: str, proposal: str, pair: int) -> str:
    """The name of a job: `baseline.0`, `p7.race`, `p7.3`, `claim1-p7.2`."""
    return f"{proposal}.race" if role == "race" else f"{proposal or role}.{pair}"


def _admit(state: RunState, entry: Entry, record: Admitted) -> None:
    attempt = state.attempts.get(record.proposal)
    if attempt is not None:
        attempt.admitted, attempt.salt = record, entry_hash(entry)
        state.admitted = max(state.admitted, record.order)


def _compare(state: RunState, record: Comparison) -> None:
    attempt = state.attempts.get(record.proposal)
    if attempt is not None:
        attempt.comparison = record
        state.noise = state.noise.plus(residual_noise(effects_of(attempt.pairs, state.started().spec.metric)))


def effects_of(pairs: dict[int, Pair], metric: Metric) -> list[float]:
    """Effects of the pairs in which both sides have a score, in the pairs' order."""
    found = (pair_effect(pairs[n][1].score, pairs[n][0].score, metric) for n in sorted(pairs))
    return [effect for effect in found if effect is not None]


def _decide(state: RunState, entry: Entry, record: Decision) -> None:
    attempt = state.attempts.get(record.proposal)
    if attempt is None:
        return
    attempt.decision = record
    state.open.pop(record.proposal, None)
    if record.verdict == "keep":
        state.kept.append(Kept(record, entry.at, entry_hash(entry)))


def _land(state: RunState, record: Landed) -> None:
    attempt = state.attempts.get(record.proposal)
    if attempt is None or state.landing is None:
        return
    state.landing.landed = record
    state.trunk, state.commit = record.tree, record.commit
    state.claiming = None
    scores = [candidate.score for _, candidate in attempt.pairs.values() if candidate.score is not None]
    state.trunks[record.tree] = sum(scores) / len(scores)


def _claim(state: RunState, record: Claim) -> None:
    """A claim that an earlier session began does not end this one: there may be time left to search on."""
    state.claims.append(record)
    if state.claiming is not None:
        state.claimed_in = state.claiming.session
        state.claiming = None
