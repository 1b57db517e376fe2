"""Where a run stands: what its trunk is worth, what became of each proposal, and why; read off the state."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from holdfast.core.measure import express
from holdfast.core.problem import Scale
from holdfast.core.records import Claim, Limit, Trial
from holdfast.core.state import Attempt, Kept, RunState

Status = Literal["new", "running", "finished", "interrupted", "failed", "killed"]
Fate = Literal["open", "kept", "discarded", "failed", "held"]


@dataclass(frozen=True)
class Estimate:
    """An effect with its 95 % interval on the metric's scale: a ratio, or a difference; larger is better."""

    effect: float
    low: float
    high: float


def status(state: RunState, alive: bool = False) -> Status:
    """How the run stands; `alive` says whether a coordinator holds it now, which the ledger cannot know."""
    if not state.sessions:
        return "new"
    ended = state.sessions[-1].ended
    if ended in ("finished", "interrupted", "failed"):
        return ended  # type: ignore[return-value]  # a session's `ended` is one of SessionEnded's reasons
    return "running" if alive else "killed"


def proven(claim: Claim) -> bool:
    """Whether a claim says that something was gained: checks hold and the interval excludes no change."""
    return claim.holds and claim.low > no_change(claim.scale)


def no_change(scale: str) -> float:
    """The effect that means nothing changed."""
    return 1.0 if scale == "ratio" else 0.0


def estimates(state: RunState) -> list[tuple[Kept, Estimate]]:
    """The trunk against the baseline after each landed change.

    Effects multiply (or add); their intervals combine in quadrature, as for independent measurements. Gains that
    were each measured against the trunk of their time need not add up, so this is an estimate and never a claim.
    """
    scale = state.started().spec.metric.scale
    total = below = above = 0.0
    steps = []
    for kept in state.kept:
        comparison = state.attempts[kept.decision.proposal].comparison
        if kept.landed is None or comparison is None:
            continue
        middle = additive(comparison.effect, scale)
        total += middle
        below = math.hypot(below, middle - additive(comparison.low, scale))
        above = math.hypot(above, additive(comparison.high, scale) - middle)
        ends = (express(total, scale), express(total - below, scale), express(total + above, scale))
        steps.append((kept, Estimate(*ends)))
    return steps


def estimate(state: RunState) -> Estimate:
    """The trunk against the baseline now; exactly no change while nothing has landed."""
    steps = estimates(state)
    same = no_change(state.started().spec.metric.scale)
    return steps[-1][1] if steps else Estimate(same, same, same)


def additive(value: float, scale: Scale) -> float:
    """The inverse of `core.measure.express`; ends that stand for infinity become infinite."""
    if scale == "difference":
        return value if abs(value) < 1e290 else math.copysign(math.inf, value)
    return -math.inf if value <= 0 else math.inf if value >= 1e290 else math.log(value)


def elapsed(state: RunState, at: float) -> float:
    """Seconds of the run's own time at Unix time `at`: the pauses between sessions are left out.

    A session counts for its budget at most once another has followed: it may have died at an unknown moment.
    """
    total = 0.0
    for session, following in zip(state.sessions, [*state.sessions[1:], None], strict=True):
        end = at if following is None and not session.ended else min(at, session.last)
        if following is not None:
            end = min(end, session.began + session.start.budget_seconds)
        total += max(0.0, end - session.began)
    return total


def tried(state: RunState) -> int:
    """How many proposals there have been."""
    return len(state.attempts)


def fate(attempt: Attempt, state: RunState) -> Fate:
    """What became of a proposal; `failed` is a discard because a trial of it did not come out `ok`."""
    if attempt.decision is None:
        return "open"
    if attempt.decision.verdict != "discard":
        return "kept" if attempt.decision.verdict == "keep" else "held"
    return "failed" if mishap(attempt, state) else "discarded"


def mishap(attempt: Attempt, state: RunState) -> Trial | None:
    """The trial that failed, if one did; a race that was stopped because it could no longer win did not fail."""
    limit = state.started().spec.limits.seconds
    race = attempt.race
    if race is not None and race.outcome != "ok":
        outpaced = race.outcome == "timeout" and max(race.cpu_seconds, race.wall_seconds) < 0.98 * limit
        return None if outpaced else race
    return next((trial for _, trial in attempt.pairs.values() if trial.outcome != "ok"), None)


def cause(attempt: Attempt, state: RunState) -> str:
    """Why a proposal was not kept, in words that group: `crashed`, `val_loss over its limit`, `out of time`."""
    decision = attempt.decision
    if decision is None:
        return ""
    failed = mishap(attempt, state)
    if failed is not None:
        return failed.outcome
    if decision.stage == "race" and attempt.race is not None:
        limits = state.baseline.limits if state.baseline else ()
        dear = "too small a gain to prove in the time left" if decision.reason.startswith("proving") else ""
        return _missed(attempt.race, limits) or dear or "no better in the race"
    if decision.stage == "confirm":
        return decision.reason
    return {"merge": "the trunk moved", "budget": "out of time", "stop": "infrastructure"}.get(decision.stage, "")


def causes(attempts: Iterable[Attempt], state: RunState) -> list[tuple[str, list[Attempt]]]:
    """Proposals that were not kept, grouped by cause, the most frequent first."""
    groups: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        if fate(attempt, state) in ("discarded", "failed"):
            groups.setdefault(cause(attempt, state), []).append(attempt)
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))


def stages(state: RunState) -> dict[str, int]:
    """How many proposals were decided at each stage."""
    return dict(Counter(a.decision.stage for a in state.attempts.values() if a.decision is not None))


def _missed(trial: Trial, limits: Sequence[Limit]) -> str:
    over = [
        f"{limit.name} {'over' if limit.side == 'max' else 'under'} its limit"
        for limit in limits
        if limit.name in trial.values and (trial.values[limit.name] - limit.value) * _SIGN[limit.side] > 0
    ]
    return ", ".join(over)


_SIGN = {"max": 1.0, "min": -1.0}
