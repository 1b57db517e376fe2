"""Every fact the lab knows, as frozen records: tagged with kind and version, appended to the ledger, never changed."""

from __future__ import annotations

from typing import Literal

import msgspec

from holdfast.core.problem import ProblemSpec

Outcome = Literal["ok", "wrong", "crashed", "timeout", "tampered", "infra"]
Role = Literal["baseline", "race", "confirm", "claim", "control"]
Verdict = Literal["keep", "discard", "hold"]
Stage = Literal["race", "confirm", "merge", "budget", "stop"]
Side = Literal["", "incumbent", "candidate"]
Values = dict[str, float]


class Record(msgspec.Struct, frozen=True, tag_field="kind"):
    """Base of all records; `kind` on the wire is `name/version`."""


class RunStarted(Record, frozen=True, tag="run/1"):
    """A research effort begins: the problem by digest, what the trunk starts from, who proposes, and where it runs.

    `tree` and `commit` are the baseline; `data` maps each split to the digest of its file list;
    `root` is the problem's directory.
    """

    problem: str
    problem_digest: str
    spec: ProblemSpec
    tree: str
    commit: str
    branch: str
    agent: str
    seed: int
    root: str = ""
    data: dict[str, str] = {}
    files: dict[str, tuple[str, ...]] = {}
    environment: dict[str, str] = {}


class SessionStarted(Record, frozen=True, tag="session/1"):
    """A coordinator takes the run up, for `budget_seconds` of wall time on `workers` slots; also on every resume.

    `sealed_uses` counts the claims that other runs have begun on the same sealed data by now.
    """

    budget_seconds: float
    workers: int
    tier: str
    holdfast: str
    sealed_uses: int = 0


class SessionEnded(Record, frozen=True, tag="session-ended/1"):
    """The coordinator leaves: `finished`, `interrupted` (a person) or `failed`, with the reason."""

    reason: Literal["finished", "interrupted", "failed"]
    detail: str = ""


class Trial(Record, frozen=True, tag="trial/1"):
    """One execution of one candidate with one seed.

    `id` says where it belongs (`baseline.0a`, `p7.race`, `p7.3b`, `claim1-p7.2a`), `proposal` which proposal
    (or series of claim trials) it is for. `score` is the metric and is set
    only when the outcome is `ok`; `values` are what the grader returned; costs are in seconds and MB.
    `occupied_seconds` is the wall time the slot was busy with it, start-up and grading included.
    `controls` says of each protection whether it was `enforced`, `absent` or `degraded: why`.
    """

    id: str
    role: Role
    tree: str
    seed: int
    split: str
    outcome: Outcome
    score: float | None = None
    values: Values = {}
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    occupied_seconds: float = 0.0
    memory_mb: float = 0.0
    slot: int = 0
    proposal: str = ""
    pair: int = -1
    side: Side = ""
    detail: str = ""
    tier: str = ""
    controls: dict[str, str] = {}
    progress: tuple[Values, ...] = ()


class Limit(msgspec.Struct, frozen=True):
    """A check resolved to a number on this machine: the graded value `name` must stay on the right `side` of it."""

    name: str
    side: Literal["max", "min"]
    value: float


class BaselineMeasured(Record, frozen=True, tag="baseline/1"):
    """What the unchanged program does here: mean score, noise of a pair's effect, and the limits that follow.

    `noise` is the standard deviation of a pair's effect with `noise_pairs` A/A pairs behind it.
    """

    score: float
    values: Values
    spread: Values
    noise: float
    noise_pairs: int
    limits: tuple[Limit, ...]
    deterministic: bool
    warnings: tuple[str, ...] = ()


class Forecast(msgspec.Struct, frozen=True):
    """What the agent expects: the probability that the change is kept, and the effect if it is.

    The effect is on the metric's scale: a ratio (1.3 means 1.3 times better) or a difference.
    """

    probability: float
    effect: float


class Proposal(Record, frozen=True, tag="proposal/1"):
    """A candidate `tree` against a `parent` tree (a trunk tree, past or present), with its reason and forecast.

    `technique` and `place` name what was tried where; `basis` names an earlier proposal it builds on;
    `merged_from` the proposal that this one rebases onto a newer trunk.
    """

    id: str
    agent: str
    parent: str
    tree: str
    hypothesis: str
    forecast: Forecast
    technique: str = ""
    place: str = ""
    basis: str = ""
    merged_from: str = ""
    cost_cpu_seconds: float = 0.0


class AgentSpent(Record, frozen=True, tag="agent-spent/1"):
    """The agent has nothing more to propose against `trunk`."""

    agent: str
    trunk: str


class Admitted(Record, frozen=True, tag="admitted/1"):
    """A candidate passed its race against `incumbent` and is compared in pairs, as the run's `order`-th comparison.

    `level` is the share of the run's error level it has to beat, fixed before its first pair.
    """

    proposal: str
    tree: str
    incumbent: str
    order: int
    level: float


class CheckResult(msgspec.Struct, frozen=True):
    """How a check came out: the mean over seeds, its one-sided bound, the limit, and whether it holds."""

    name: str
    side: Literal["max", "min"]
    mean: float
    bound: float
    limit: float
    holds: bool


class Comparison(Record, frozen=True, tag="comparison/1"):
    """Candidate against incumbent over interleaved pairs.

    `effect`, `low` and `high` are on the metric's scale (a ratio such as 1.31, or a difference; larger is better),
    `low` and `high` bounding a 95 % interval. `evidence` is an e-value, `level` the error level it had to beat.
    """

    proposal: str
    tree: str
    incumbent: str
    pairs: int
    effect: float
    low: float
    high: float
    evidence: float
    level: float
    method: str
    checks: tuple[CheckResult, ...] = ()
    trials: tuple[str, ...] = ()


class Decision(Record, frozen=True, tag="decision/1"):
    """The verdict on a proposal, with the records it rests on. `stage` is where it was decided."""

    proposal: str
    tree: str
    incumbent: str
    verdict: Verdict
    stage: Stage
    reason: str
    effect: float | None = None
    trials: tuple[str, ...] = ()


class Landed(Record, frozen=True, tag="landed/1"):
    """A kept tree is the trunk's new head: `commit` on `branch`, whose message names `ledger_head`."""

    proposal: str
    tree: str
    commit: str
    branch: str
    ledger_head: str


class ClaimBegun(Record, frozen=True, tag="claim-begun/1"):
    """The search is over and the trunk is to be measured: how many pairs, fixed before the first of them runs.

    From here on the sealed split counts as used. `sealed_uses` counts the claims begun on it before.
    """

    series: str
    baseline: str
    trunk: str
    pairs: int
    split: str
    sealed_uses: int


class Claim(Record, frozen=True, tag="claim/1"):
    """Baseline against trunk on fresh seeds and the sealed split: the one number a run may quote.

    `pairs` are those in which both sides have a score, `failed` the others: with any of them the claim does not hold.
    Nor does it when a check fails on the sealed split, or a trial ran without isolation (`tier` T0). `self_reported`
    marks a metric that the program printed itself, `unchecked` a problem in which nothing looks at the result.
    """

    baseline: str
    trunk: str
    commit: str
    ratio: float
    low: float
    high: float
    pairs: int
    split: str
    scale: str
    holds: bool
    sealed_uses: int
    self_reported: bool
    unchecked: bool = False
    failed: int = 0
    tier: str = ""
    checks: tuple[CheckResult, ...] = ()
    trials: tuple[str, ...] = ()


class ProblemChecked(Record, frozen=True, tag="problem-checked/1"):
    """The control candidates of a problem were run: which passed, which should have, and whether it may be used."""

    problem: str
    problem_digest: str
    passed: tuple[str, ...]
    refused: tuple[str, ...]
    sound: bool
    detail: str = ""


AnyRecord = (
    RunStarted
    | SessionStarted
    | SessionEnded
    | Trial
    | BaselineMeasured
    | Proposal
    | AgentSpent
    | Admitted
    | Comparison
    | Decision
    | Landed
    | ClaimBegun
    | Claim
    | ProblemChecked
)


class Entry(msgspec.Struct, frozen=True):
    """A record in its place: index from 1, the run it belongs to, Unix time, and the hash of the entry before."""

    index: int
    run: str
    at: float
    previous: str
    record: AnyRecord
