"""The outlook of an idea: what is expected of it on average, and what that is worth per second of trial."""

from __future__ import annotations

import math
from dataclasses import dataclass

SLACK_WORTH = 0.08
"""What one unit of slack is worth before anything spends it, against gains in natural log units."""
SLACK_MOST = 3.0
STEP_WORTH = 0.03
"""What each further edit of a compound has to add."""
STOPPED = 0.14
"""A trial that costs more than the trunk by this (natural log units) is stopped before it shows anything."""
OVERHEAD = 0.3
"""What a trial takes besides its run, in runs of the trunk."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Mean gain and expected improvement (natural log units), the probabilities that the gain is worthwhile, that all
    checks hold and that the program runs, and the slack bought in the tightest check (units of harm).
    """

    gain: float
    improvement: float
    wins: float
    holds: float
    slack: float
    runs: float = 1.0

    @property
    def probability(self) -> float:
        """The probability that the change is kept."""
        return self.wins * self.holds * self.runs

    def promise(self, edits: int) -> float:
        """The expected worth of a trial for its time, for an idea of so many `edits`."""
        slack = min(max(self.slack, 0.0), SLACK_MOST) if self.gain > -STOPPED else 0.0
        worth = self.improvement * self.holds + SLACK_WORTH * slack
        seconds = OVERHEAD + math.exp(min(-self.gain, STOPPED))
        return (self.runs * worth - STEP_WORTH * (edits - 1)) / seconds
