"""Verdicts: given what was measured and the rules, keep, discard, or measure on. Pure functions.

Control over the whole run is e-LOND (Xu and Ramdas 2024): candidate j is kept when its e-value reaches 1/level_j,
level_j = alpha * share_j * (kept before it + 1); the shares sum to at most one, so the false discovery rate stays
below alpha however the candidates depend on each other and whenever each comparison stops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from holdfast.core.measure import (
    Noise,
    breaches,
    check_means,
    evidence,
    express,
    interval,
    pair_effect,
    residual_noise,
    t_quantile,
)
from holdfast.core.problem import Metric
from holdfast.core.records import BaselineMeasured, CheckResult, Trial
from holdfast.core.settings import Rules

MIXTURE_COST = 3.0
"""What spreading the evidence over all effect sizes costs, in nats; measured for effects of 2 to 20 sigma."""

METHOD = "paired t-mixture e-process, e-LOND over the run"


class Judged(msgspec.Struct, frozen=True):
    """What the pairs so far amount to: numbers for the record, and `keep`, `discard` or `more` with the reason."""

    pairs: int
    effect: float
    low: float
    high: float
    evidence: float
    checks: tuple[CheckResult, ...]
    next: Literal["keep", "discard", "more"]
    reason: str
    residual: Noise = Noise()


def share(order: int, candidates: int) -> float:
    """The part of the run's error level that the `order`-th comparison (from 1) gets; the sum over all is below 1.

    Three quarters go to the first half of the declared number, a fifth to the second half, the rest trails off.
    """
    half = max(1, candidates // 2)
    if order <= half:
        return 0.75 / half
    if order <= 2 * half:
        return 0.20 / half
    return 0.05 * 6 / math.pi**2 / (order - 2 * half) ** 2


def level(order: int, kept: int, rules: Rules) -> float:
    """The level that the `order`-th comparison must beat, `kept` having been kept before it."""
    return rules.error_level * share(order, rules.expected_candidates) * (kept + 1)


def losing_over(incumbent_score: float, metric: Metric, rules: Rules) -> float | None:
    """The cost at which a racing candidate is stopped, for metrics that are a cost the harness meters."""
    if metric.name == "cpu_seconds" and metric.goal == "minimize":
        return incumbent_score * rules.race_slack
    return None


def race_failure(trial: Trial, incumbent_score: float, baseline: BaselineMeasured, metric: Metric, rules: Rules) -> str:
    """Why a candidate does not go on after its one racing trial; empty when it does.

    The trial only screens: it never enters the evidence.
    """
    if trial.outcome != "ok" or trial.score is None:
        return f"{trial.outcome}: {trial.detail}" if trial.detail else trial.outcome
    missed = breaches(trial.values, baseline.limits)
    if missed:
        return missed
    effect = pair_effect(trial.score, incumbent_score, metric)
    if effect is None:
        return f"a ratio needs positive scores, not {trial.score:g}"
    if effect < worthwhile(baseline, metric, rules):
        return f"no better in the race: {describe(effect, metric)}"
    return ""


def pairs_needed(effect: float, sigma: float, level: float, rules: Rules) -> float:
    """About how many pairs will prove an additive `effect` against noise `sigma`; infinite for no effect.

    After n pairs the log of the evidence is near n * (effect / sigma)^2 / 2, less what the mixture costs.
    """
    if effect <= 0:
        return math.inf
    return max(rules.min_pairs, 2 * (math.log(1 / level) + MIXTURE_COST) * (sigma / effect) ** 2)


def too_dear(effect: float, pairs: float, pair_seconds: float, seconds_left: float) -> str:
    """Why a small gain is not worth proving now; empty when it is.

    `pair_seconds` is wall time per pair with all slots at work. A gain is worth a share of the time left that is no
    greater than its logarithm: in that share, the rest of the search is expected to find as much.
    """
    share_of_time = pairs * pair_seconds / max(seconds_left, 1e-9)
    if effect >= share_of_time:
        return ""
    return f"proving {math.exp(effect):.3g}x would take about {pairs:.0f} pairs, {share_of_time:.0%} of the time left"


def judge(
    pairs: Sequence[tuple[Trial, Trial]],
    baseline: BaselineMeasured,
    history: Noise,
    metric: Metric,
    level: float,
    rules: Rules,
) -> Judged:
    """Weigh the (incumbent, candidate) pairs so far against `level`; any failing candidate trial decides at once."""
    failed = next((candidate for _, candidate in pairs if candidate.outcome != "ok"), None)
    if failed:
        reason = f"{failed.outcome} in pair {failed.pair + 1}" + (f": {failed.detail}" if failed.detail else "")
        return Judged(len(pairs), 0.0, 0.0, 0.0, 0.0, (), "discard", reason)
    effects = [_pair(incumbent, candidate, metric) for incumbent, candidate in pairs]
    known = history.capped(rules.history_freedom).at_least(noise_floor(baseline, metric))
    mean, low, high = interval(effects, known)
    e_value = evidence(effects, known)
    values = [candidate.values for _, candidate in pairs]
    checks = check_means(values, baseline.limits, value_noise(baseline), rules.check_coverage, rules.check_seeds)
    judged = Judged(len(pairs), mean, low, high, e_value, checks, "more", "", residual_noise(effects))
    outlook = pairs_needed(high, known.plus(judged.residual).sigma, level, rules)
    verdict, reason = _verdict(judged, level, outlook, worthwhile(baseline, metric, rules), rules)
    return msgspec.structs.replace(judged, next=verdict, reason=reason)


def value_noise(baseline: BaselineMeasured) -> dict[str, Noise]:
    """The spread over seeds of each graded value of the baseline."""
    freedom = max(0.0, baseline.noise_pairs - 1.0)
    return {name: Noise(sigma**2 * freedom, freedom) for name, sigma in baseline.spread.items()}


def worthwhile(baseline: BaselineMeasured, metric: Metric, rules: Rules) -> float:
    """The smallest additive effect that is worth a comparison."""
    return rules.worth if metric.scale == "ratio" else rules.worth * baseline.noise


def describe(effect: float, metric: Metric) -> str:
    """An additive effect in a person's words: `1.31x` or `+0.42`."""
    value = express(effect, metric.scale)
    return f"{value:.3g}x" if metric.scale == "ratio" else f"{value:+.3g}"


def noise_floor(baseline: BaselineMeasured, metric: Metric) -> float:
    """The quietest a pair is ever believed to be: 0.2 % on the ratio scale and of the score on the other."""
    return 0.002 if metric.scale == "ratio" else 0.002 * abs(baseline.score)


def _pair(incumbent: Trial, candidate: Trial, metric: Metric) -> float:
    """A failing incumbent earns the candidate nothing: evidence comes from what it does better, not from luck."""
    return pair_effect(candidate.score, incumbent.score, metric) or 0.0


def _verdict(
    judged: Judged, level: float, outlook: float, worth: float, rules: Rules
) -> tuple[Literal["keep", "discard", "more"], str]:
    """Keep, give up or go on; `outlook` is how many pairs even the upper end of the effect's interval would take."""
    if judged.pairs < rules.min_pairs:
        return "more", ""
    failing = ", ".join(check.name for check in judged.checks if not check.holds)
    if judged.evidence * level >= 1 and not failing:
        return "keep", "better beyond the level, checks hold"
    if judged.high < worth:
        return "discard", "not better by enough to matter"
    hopeless = ", ".join(check.name for check in judged.checks if _hopeless(check, judged.pairs, rules))
    if hopeless:
        return "discard", f"check fails or is too close to its limit: {hopeless}"
    if judged.pairs >= rules.max_pairs:
        return "discard", f"check not settled: {failing}" if failing else "not settled within the pairs allowed"
    if outlook > rules.max_pairs:
        return "discard", f"not settled: it would take more than {rules.max_pairs} pairs"
    return "more", ""


def _hopeless(check: CheckResult, pairs: int, rules: Rules) -> bool:
    """Whether the mean is on the wrong side of its limit, or so near that all pairs allowed would not settle it."""
    if check.holds:
        return False
    room = check.limit - check.mean if check.side == "max" else check.mean - check.limit
    last, now = (t_quantile(rules.check_coverage, n - 1.0) for n in (rules.max_pairs, max(2, pairs)))
    narrowing = math.sqrt(min(pairs, rules.check_seeds) / rules.check_seeds) * last / now
    margin_at_last = abs(check.bound - check.mean) * narrowing
    return room < margin_at_last
