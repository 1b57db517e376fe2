"""Whether an edit leaves a working program: Beta posteriors by move, place and exact text, and their calibration."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from holdfast.agents.search.ideas import Step


class Odds:
    """Counts of steps that ran and steps that broke the program."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def learn(self, steps: Sequence[Step], ran: bool) -> None:
        """Take in how a candidate made of `steps` came out; the untested steps are blamed first."""
        if not ran:
            steps = [step for step in steps if not self.tested(step)] or steps
        for step in steps:
            for key in (step.move, step.direction, step.exact):
                self._counts[key][0 if ran else 1] += 1.0 / (1.0 if ran else len(steps))

    def tested(self, step: Step) -> bool:
        """Whether this place was changed in this direction before and the program ran."""
        return step.direction in self._counts and self._counts[step.direction][0] > 0

    def beta(self, step: Step, expected: float) -> tuple[float, float]:
        """The parameters of the posterior that `step` runs, given the probability `expected` beforehand."""
        none = (0.0, 0.0)
        good, bad = self._counts.get(step.move, none)
        weight = min(1.0, 6.0 / (good + bad)) if good + bad else 0.0
        mean = (4.0 * expected + weight * good) / (4.0 + weight * (good + bad))
        good, bad = self._counts.get(step.direction, none)
        exact_good, exact_bad = self._counts.get(step.exact, none)
        return 2.0 * mean + good + 3.0 * exact_good, 2.0 * (1.0 - mean) + bad + 3.0 * exact_bad


class Calibration:
    """How often changes were kept against how often that was forecast."""

    def __init__(self) -> None:
        self._forecast, self._kept = 0.0, 0.0

    def learn(self, forecast: float, kept: bool) -> None:
        """Take in the decision on a proposal."""
        self._forecast += forecast
        self._kept += kept

    def corrected(self, probability: float) -> float:
        """`probability`, its odds scaled by what earlier forecasts were worth; within [0.01, 0.95]."""
        factor = (self._kept + 2.0) / (self._forecast + 2.0)
        p = min(max(probability, 1e-6), 1.0 - 1e-6)
        odds = factor * p / (1.0 - p)
        return round(min(max(odds / (1.0 + odds), 0.01), 0.95), 4) if math.isfinite(odds) else 0.95
