"""What pairs of trials say: effects, intervals and evidence, as pure functions over numbers.

Inside the lab an effect is additive and larger is better: a log-ratio on the ratio scale, a difference otherwise.
`express` turns it into what people read (1.31 for a candidate that is 1.31 times better).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
from scipy.special import logsumexp, stdtrit

from holdfast.core.errors import ProblemError
from holdfast.core.problem import Check, Metric, Scale, parse_bound
from holdfast.core.records import CheckResult, Limit, Values

_DELTAS = np.geomspace(0.05, 500.0, 120)
_LOG_PRIOR = np.log(2 / (math.pi * (1 + _DELTAS**2)) * _DELTAS * np.log(_DELTAS[1] / _DELTAS[0]))
_STEPS = np.linspace(-8.0, 8.0, 65)


class Noise(msgspec.Struct, frozen=True):
    """Spread of a pair's effect: a sum of squared deviations with its degrees of freedom."""

    squares: float = 0.0
    freedom: float = 0.0

    @property
    def sigma(self) -> float:
        """Standard deviation of one pair's effect; 0 when nothing is known."""
        return math.sqrt(self.squares / self.freedom) if self.freedom > 0 else 0.0

    def plus(self, other: Noise) -> Noise:
        """Both together."""
        return Noise(self.squares + other.squares, self.freedom + other.freedom)

    def capped(self, freedom: float) -> Noise:
        """The same spread, trusted for at most `freedom` degrees of freedom.

        Without the cap, evidence leans on earlier candidates having the same noise as this one.
        """
        if self.freedom <= freedom:
            return self
        return Noise(self.squares * freedom / self.freedom, freedom)

    def at_least(self, sigma: float) -> Noise:
        """Never quieter than `sigma`: identical pairs do not prove that a metric is deterministic."""
        return Noise(max(self.squares, sigma * sigma * self.freedom), self.freedom)


def pair_effect(candidate: float | None, incumbent: float | None, metric: Metric) -> float | None:
    """How much better `candidate` scored than `incumbent`; swapping the two flips the sign.

    None when there is nothing to compare: a score is missing, or not positive on the ratio scale.
    """
    if candidate is None or incumbent is None:
        return None
    if metric.scale == "difference":
        gain = candidate - incumbent
    elif candidate > 0 and incumbent > 0:
        gain = math.log(candidate) - math.log(incumbent)
    else:
        return None
    return gain if metric.goal == "maximize" else -gain


def express(effect: float, scale: Scale) -> float:
    """An additive effect as people read it: a ratio, or the difference itself; infinities become 1e300 or so."""
    return math.exp(min(effect, 690.0)) if scale == "ratio" else max(-1e300, min(effect, 1e300))


def residual_noise(effects: Sequence[float]) -> Noise:
    """Spread of `effects` around their own mean."""
    if len(effects) < 2:
        return Noise()
    values = np.asarray(effects, dtype=float)
    return Noise(float(np.sum((values - values.mean()) ** 2)), len(values) - 1.0)


def null_noise(effects: Sequence[float]) -> Noise:
    """Spread of A/A effects around zero, which is what they would be without noise."""
    return Noise(float(np.sum(np.square(effects))), float(len(effects)))


def interval(effects: Sequence[float], history: Noise, coverage: float = 0.95) -> tuple[float, float, float]:
    """Mean effect with its two-sided Student interval: (mean, low, high), on the additive scale.

    `history` adds degrees of freedom to the spread. With no freedom at all the interval is infinite.
    """
    mean = float(np.mean(effects)) if len(effects) else 0.0
    noise = residual_noise(effects).plus(history)
    if noise.freedom <= 0 or not len(effects):
        return mean, -math.inf, math.inf
    half = t_quantile(0.5 + coverage / 2, noise.freedom) * noise.sigma / math.sqrt(len(effects))
    return mean, mean - half, mean + half


def evidence(effects: Sequence[float], history: Noise) -> float:
    """E-value against "the candidate is no better", valid at whatever pair the looking stops.

    A Bayes factor on the scale-invariant t statistic: pairs ~ N(delta * sigma, sigma^2) with the right-Haar prior on
    sigma, sharpened by `history`, and a half-Cauchy mixture over delta > 0 against delta = 0 (Rouder et al. 2009; that
    such a factor is an e-process under optional stopping: Perez-Ortiz, Lardy, de Heide, Grunwald 2024).
    Capped at 1e300 so that it can be recorded.
    """
    values = np.asarray(effects, dtype=float)
    total = history.squares + float(np.sum(values**2))
    freedom = history.freedom + len(values)
    if total <= 0 or freedom <= 1:
        return 1.0
    tilt = _DELTAS * float(np.sum(values)) / math.sqrt(total)
    mode = (tilt + np.sqrt(tilt**2 + 4 * (freedom - 1))) / 2
    scale = np.maximum(mode[:, None] + _STEPS[None, :], 1e-12)
    log_density = (freedom - 1) * np.log(scale) - scale**2 / 2 + tilt[:, None] * scale
    log_likelihood = logsumexp(log_density, axis=1) + math.log(_STEPS[1] - _STEPS[0])
    log_null = (freedom / 2 - 1) * math.log(2) + math.lgamma(freedom / 2)
    log_factor = logsumexp(log_likelihood - len(values) * _DELTAS**2 / 2 + _LOG_PRIOR) - log_null
    return float(math.exp(min(log_factor, 690.0)))


def t_quantile(probability: float, freedom: float) -> float:
    """Quantile of Student's t."""
    return float(stdtrit(freedom, probability))


def resolve_limits(checks: Mapping[str, Check], baseline: Values) -> tuple[Limit, ...]:
    """Turn the problem's checks into numbers, given the baseline's mean graded values.

    Raises `ProblemError` when a checked value was never graded or an expression cannot be read.
    """
    limits = []
    for name, check in checks.items():
        sides: tuple[tuple[Literal["max", "min"], float | str | None], ...] = (("max", check.max), ("min", check.min))
        for side, bound in sides:
            if bound is not None:
                limits.append(Limit(name, side, _bound(name, bound, baseline)))
    return tuple(limits)


def breaches(values: Values, limits: Sequence[Limit]) -> str:
    """Which limits one trial's graded values miss, as one line; empty when all hold."""
    faults = []
    for limit in limits:
        value = values.get(limit.name)
        if value is None:
            faults.append(f"{limit.name} was not graded")
        elif (value > limit.value) if limit.side == "max" else (value < limit.value):
            faults.append(f"{limit.name} is {value:.5g}, {limit.side} {limit.value:.5g}")
    return "; ".join(faults)


def check_means(
    trials: Sequence[Values],
    limits: Sequence[Limit],
    known: Mapping[str, Noise],
    coverage: float = 0.95,
    most: int = 99,
) -> tuple[CheckResult, ...]:
    """Whether each limit holds for the mean over seeds: its one-sided bound with `coverage` must be inside.

    `known` is the baseline's spread per value. It only ever widens the bound: a program that learns faster is often
    noisier than the one it replaces. No more than `most` seeds narrow the bound.
    """
    results = []
    for limit in limits:
        values = [trial[limit.name] for trial in trials if limit.name in trial]
        if len(values) < len(trials) or not values:
            worst = 1e300 if limit.side == "max" else -1e300
            results.append(CheckResult(limit.name, limit.side, worst, worst, limit.value, False))
            continue
        before, own = known.get(limit.name, Noise()), residual_noise(values)
        noise = own if own.sigma > before.sigma and own.freedom > 0 else own.plus(before)
        mean = float(np.mean(values))
        quantile = t_quantile(coverage, noise.freedom) if noise.freedom > 0 else 0.0
        margin = quantile * noise.sigma / math.sqrt(min(len(values), most))
        bound = mean + margin if limit.side == "max" else mean - margin
        holds = bound <= limit.value if limit.side == "max" else bound >= limit.value
        results.append(CheckResult(limit.name, limit.side, mean, bound, limit.value, holds))
    return tuple(results)


def _bound(name: str, text: float | str, baseline: Values) -> float:
    try:
        factor, constant = parse_bound(text)
    except (ValueError, ZeroDivisionError) as error:
        raise ProblemError(f"the check on {name!r} has no readable limit: {text!r}") from error
    if name not in baseline:
        known = ", ".join(sorted(baseline)) or "nothing"
        raise ProblemError(f"the check on {name!r} has no value: the grader returned {known}")
    return factor * baseline[name] + constant
