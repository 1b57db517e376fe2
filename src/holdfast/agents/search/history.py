"""What search knows: a fold of the run's records into measured points, odds, and stepping stones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.agents.search.ideas import Origins, Point, State, Step, steps_of
from holdfast.agents.search.odds import Calibration, Odds
from holdfast.core.problem import Metric
from holdfast.core.records import (
    AnyRecord,
    BaselineMeasured,
    Decision,
    Landed,
    Limit,
    Proposal,
    RunStarted,
    Trial,
)

HARM = 0.05
"""One unit of harm is this fraction of a limit: zero is at the limit, negative values are slack."""
WORST = 4.0
SAME_COST = math.log(1.15)
ROWS = 160
"""How many trees the fit rests on at most; those farthest from the trunk are let go."""
STONES = 6


@dataclass(slots=True)
class Row:
    """What trials of one tree have shown: the mean log cost and the mean harm of each check, with counts.

    `move` is its point as seen from the trunk.
    """

    point: Point
    move: Point = field(default_factory=dict)
    cost: float = 0.0
    costs: int = 0
    harms: tuple[float, ...] = ()
    harmed: int = 0

    def add(self, cost: float | None, harms: tuple[float, ...] | None) -> None:
        """Take in one trial; None is what it did not show."""
        if cost is not None:
            self.costs += 1
            self.cost += (cost - self.cost) / self.costs
        if harms is not None:
            self.harmed += 1
            before = self.harms or (0.0,) * len(harms)
            self.harms = tuple(b + (h - b) / self.harmed for b, h in zip(before, harms, strict=True))


@dataclass(frozen=True, slots=True)
class Stone:
    """A proposal that bought slack for about the trunk's cost: no gain yet, but a promising parent."""

    proposal: str
    steps: tuple[Step, ...]
    slack: float


@dataclass(frozen=True, slots=True)
class Idea:
    """A proposal not yet decided."""

    tree: str
    steps: tuple[Step, ...]
    state: State
    probability: float
    own: bool


@dataclass(slots=True)
class History:
    """The fold; `learn` takes constant time and what is kept is bounded, but for the set of states tried.

    `tries` counts the proposals since the trunk last moved.
    """

    agent: str
    metric: Metric = field(default_factory=Metric)
    limits: tuple[Limit, ...] = ()
    noise: tuple[float, ...] = ()
    unit: float = 1.0
    trunk: str = ""
    state: State = field(default_factory=dict)
    tries: int = 0
    rows: dict[str, Row] = field(default_factory=dict)
    ideas: dict[str, Idea] = field(default_factory=dict)
    stones: list[Stone] = field(default_factory=list)
    tried: set[int] = field(default_factory=set)
    origins: Origins = field(default_factory=Origins)
    odds: Odds = field(default_factory=Odds)
    calibration: Calibration = field(default_factory=Calibration)
    _states: dict[str, State] = field(default_factory=dict)

    def learn(self, record: AnyRecord) -> None:
        """Take in one record of the run."""
        match record:
            case RunStarted():
                self.metric, self.trunk = record.spec.metric, record.tree
                self._settle(record.tree, {})
            case BaselineMeasured():
                self._baseline(record)
            case Proposal():
                self._proposal(record)
            case Trial() if record.role in ("baseline", "race", "confirm") and record.outcome != "infra":
                self._trial(record)
            case Decision():
                self._decision(record)
            case Landed():
                state = self._states.get(record.tree, {f"tree {record.tree}": "done"})
                self.trunk = record.tree
                self.ideas.pop(record.proposal, None)
                self._settle(record.tree, state)
            case _:
                pass

    def signature(self, steps: tuple[Step, ...]) -> int:
        """A number for the content that `steps` lead to from the trunk."""
        return _signature(self.origins.after(self.state, steps))

    def harms(self, values: Mapping[str, float]) -> tuple[float, ...] | None:
        """The harm of graded `values`, one per limit; None when one is missing."""
        if any(limit.name not in values for limit in self.limits):
            return None
        return tuple(_harm(limit, values[limit.name]) for limit in self.limits)

    def cost(self, score: float) -> float:
        """A score as a cost, smaller is better: its natural log for ratios, else in multiples of the baseline."""
        sign = 1.0 if self.metric.goal == "minimize" else -1.0
        return sign * (math.log(score) if self.metric.scale == "ratio" and score > 0 else score / self.unit)

    def effect(self, gain: float) -> float:
        """A gain in cost on the metric's scale: a ratio or a difference, larger is better."""
        return round(math.exp(min(gain, 50.0)) if self.metric.scale == "ratio" else gain * self.unit, 6)

    def measured(self) -> list[Row]:
        """All rows with something to show, in the order they were met."""
        return [row for row in self.rows.values() if row.costs or row.harmed]

    def trunk_cost(self) -> float:
        """The trunk's cost as measured so far; zero before any trial."""
        row = self.rows.get(self.trunk)
        return row.cost if row else 0.0

    # Records

    def _baseline(self, record: BaselineMeasured) -> None:
        self.limits = record.limits
        self.unit = abs(record.score) or 1.0
        spread = [record.spread.get(limit.name, 0.0) / (HARM * (abs(limit.value) or 1.0)) for limit in record.limits]
        self.noise = tuple(max(0.02, s) for s in spread)
        row = self.rows.setdefault(self.trunk, self._row(self.state))
        row.costs = row.harmed = 0
        row.harms = ()
        for _ in range(4):  # the baseline's mean stands for several trials
            row.add(self.cost(record.score), self.harms(record.values))

    def _proposal(self, record: Proposal) -> None:
        steps = steps_of(record.technique, record.place)
        origin = self.ideas.get(record.merged_from)
        steps = steps or (origin.steps if origin else ())
        parent = self._states.get(record.parent, {f"tree {record.parent}": "done"})
        self.origins.note(steps)
        state = self.origins.after(parent, steps) if steps else {**parent, f"tree {record.tree}": "done"}
        self.tried.add(_signature(state))
        self.tries += 1
        self._states[record.tree] = state
        own = record.agent == self.agent and not record.merged_from
        self.ideas[record.id] = Idea(record.tree, steps, state, record.forecast.probability, own)

    def _trial(self, trial: Trial) -> None:
        idea = self.ideas.get(trial.proposal)
        if trial.tree == self.trunk:
            self._measure(self.rows[trial.tree], trial)
        elif idea is not None and idea.tree == trial.tree:
            row = self.rows.get(trial.tree) or self._row(idea.state)
            ran = self._measure(row, trial)
            if row.costs or row.harmed:
                self.rows[trial.tree] = row
                self._forget()
            if trial.role == "race":
                self.odds.learn(idea.steps, ran)
                self._stone(trial, idea, row)

    def _measure(self, row: Row, trial: Trial) -> bool:
        """Add what a trial shows to its row; whether the program ran."""
        if trial.outcome in ("crashed", "tampered"):
            return False
        harms = self.harms(trial.values)
        cost = self._cost_of(trial)
        if trial.outcome == "wrong" and harms is None:
            row.add(cost, (WORST,) * len(self.limits) if self.limits else None)
            return False
        if trial.outcome == "wrong" and not self.limits:
            return False
        row.add(cost, harms)
        return True

    def _cost_of(self, trial: Trial) -> float | None:
        used = {"cpu_seconds": trial.cpu_seconds, "wall_seconds": trial.wall_seconds}.get(self.metric.name)
        if trial.outcome == "timeout":  # stopped because it could no longer win: at least this much
            lost = self.trunk_cost() + (1.5 * SAME_COST if self.metric.scale == "ratio" else 0.0)
            return max(lost, self.cost(used)) if used else lost
        score = trial.score if trial.score is not None else trial.values.get(self.metric.name, used)
        return self.cost(score) if score is not None and math.isfinite(score) else None

    def _stone(self, trial: Trial, idea: Idea, row: Row) -> None:
        trunk = self.rows.get(self.trunk)
        if trial.outcome != "ok" or trunk is None or not self.limits or not trunk.harms or not row.harms:
            return
        slack = min(t - h for t, h in zip(trunk.harms, row.harms, strict=True))
        dear = row.cost - trunk.cost > SAME_COST
        if idea.steps and not dear and slack > 2.0 * max(self.noise, default=0.0):
            self.stones.append(Stone(trial.proposal, idea.steps, slack))
            self.stones.sort(key=lambda stone: -stone.slack)
            del self.stones[STONES:]

    def _decision(self, record: Decision) -> None:
        idea = self.ideas.get(record.proposal)
        if idea is None or record.verdict == "hold":
            return
        if idea.own and record.stage in ("race", "confirm"):
            self.calibration.learn(idea.probability, record.verdict == "keep")
        if record.verdict == "discard":
            self.ideas.pop(record.proposal)
            if record.tree != self.trunk:
                self._states.pop(record.tree, None)

    def _settle(self, tree: str, state: State) -> None:
        """`tree` is the trunk: measure everything from it, and drop stones that it contains."""
        self.state = self._states[tree] = state
        self.tries = 0
        self.tried.add(_signature(state))
        self.rows.setdefault(tree, self._row(state))
        for row in self.rows.values():
            row.move = self._from_trunk(row.point)
        self.stones = [stone for stone in self.stones if self.origins.after(state, stone.steps) != state]

    def _row(self, state: State) -> Row:
        point = self.origins.point(state)
        return Row(point, self._from_trunk(point))

    def _from_trunk(self, point: Point) -> Point:
        here = self.origins.point(self.state)
        moved = {key: point.get(key, 0.0) - here.get(key, 0.0) for key in (*point, *here)}
        return {key: distance for key, distance in moved.items() if distance}

    def _forget(self) -> None:
        """Keep the rows nearest to the trunk: the fit is local."""
        while len(self.rows) > ROWS:
            last = next(reversed(self.rows))
            others = (tree for tree in self.rows if tree not in (self.trunk, last))
            del self.rows[max(others, key=lambda tree: sum(map(abs, self.rows[tree].move.values())))]


def _signature(state: State) -> int:
    return hash(frozenset(state.items()))


def _harm(limit: Limit, value: float) -> float:
    sign = 1.0 if limit.side == "max" else -1.0
    if not math.isfinite(value):
        return WORST
    if limit.value > 0 and value > 0:
        harm = sign * math.log(value / limit.value) / HARM
    else:
        harm = sign * (value - limit.value) / (HARM * (abs(limit.value) or 1.0))
    return min(max(harm, -4 * WORST), WORST)
