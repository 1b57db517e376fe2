"""The landscape around the trunk: the cost's and each check's response surface, fitted to all that was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.special import ndtr

from holdfast.agents.search.choice import Prospect
from holdfast.agents.search.history import WORST, History, Row
from holdfast.agents.search.ideas import Step
from holdfast.agents.search.outlook import SLACK_MOST, Outlook
from holdfast.agents.search.places import Place
from holdfast.agents.search.priors import Prior
from holdfast.agents.search.surface import Array, Shape, Surface

COST_NOISE = 0.04
"""Standard deviation of one trial's log cost on a shared machine."""
FAR_COST, FAR_HARM = 0.02, 0.05
"""How much less a row counts per squared octave from the trunk: the fit is only local."""
WORTHWHILE = 0.03
"""Gains below this, in natural log units, are hardly ever proven."""
GONE = Prior()


class Landscape:
    """Surfaces over the coordinates of the steps on offer and of the rows measured, relative to the trunk."""

    def __init__(self, history: History, offers: Iterable[tuple[Place, Step]]) -> None:
        self._history = history
        self._axes: dict[str, int] = {}
        self._priors: list[Prior] = []
        graded: list[bool] = []
        for place, step in offers:
            if step.key not in self._axes:
                self._axes[step.key] = len(self._axes)
                self._priors.append(place.prior)
                graded.append(place.graded)
        rows = history.measured()
        moves = [row.move for row in rows]
        for key in {key: None for move in moves for key in move}:
            if key not in self._axes:
                self._axes[key] = len(self._axes)
                self._priors.append(GONE)
                graded.append(False)
        self._graded = np.array(graded, dtype=np.float64)
        points = np.zeros((len(rows), len(self._axes)))
        for number, move in enumerate(moves):
            for key, distance in move.items():
                points[number, self._axes[key]] = distance
        self._cost = self._cost_surface(rows, points)
        self._harms = [self._harm_surface(rows, points, check) for check in range(len(history.limits))]

    @property
    def margins(self) -> tuple[float, ...]:
        """How far to stay inside each limit, in units of harm: one deviation between seeds."""
        return self._history.noise

    def axis(self, step: Step) -> int:
        """The coordinate that `step` moves along."""
        return self._axes[step.key]

    def draw(self, rng: np.random.Generator) -> Prospect:
        """A world that agrees with the trials."""
        return Prospect(self._cost.draw(rng), [surface.draw(rng) for surface in self._harms], self.margins)

    def outlooks(self, ideas: Sequence[Sequence[Step]]) -> list[Outlook]:
        """What is expected of each idea (a few steps together)."""
        x = np.zeros((len(ideas), len(self._axes)))
        for number, steps in enumerate(ideas):
            for step in steps:
                x[number, self.axis(step)] = step.octaves
        mean = self._cost.mean()
        gain = mean.offset - mean(x)
        sd = np.hypot(self._cost.deviation(x), COST_NOISE / 2)
        z = (gain - WORTHWHILE) / sd
        improvement = sd * (z * ndtr(z) + np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi))
        holds, slack = np.ones(len(x)), np.full(len(x), SLACK_MOST if self._harms else 0.0)
        for surface, noise in zip(self._harms, self.margins, strict=True):
            world = surface.mean()
            harm = world(x)
            holds *= ndtr((-0.5 * noise - harm) / np.hypot(surface.deviation(x), noise))
            slack = np.minimum(slack, world.offset - harm)
        columns = (gain, improvement, ndtr(z), holds, slack)
        return [Outlook(*map(float, row)) for row in zip(*columns, strict=True)]

    def _cost_surface(self, rows: Sequence[Row], points: Array) -> Surface:
        here = self._history.trunk_cost()
        known = np.array([row.costs > 0 for row in rows], dtype=bool)
        y = np.array([row.cost - here for row in rows if row.costs])
        counts = np.array([row.costs for row in rows if row.costs], dtype=np.float64)
        x = points[known]
        noise = COST_NOISE / np.sqrt(counts) + FAR_COST * (x**2 * self._graded).sum(axis=1)
        shape = self._shape([p.cost for p in self._priors], [p.cost_sd for p in self._priors], 0.0, 0.25, 0.05)
        return Surface(shape, x, np.clip(y, -3.0, 1.5), noise)

    def _harm_surface(self, rows: Sequence[Row], points: Array, check: int) -> Surface:
        known = np.array([row.harmed > 0 for row in rows], dtype=bool)
        y = np.array([row.harms[check] for row in rows if row.harmed])
        counts = np.array([row.harmed for row in rows if row.harmed], dtype=np.float64)
        x = points[known]
        noise = self._history.noise[check] / np.sqrt(counts) + FAR_HARM * (x**2 * self._graded).sum(axis=1)
        noise = noise + np.where(np.abs(y) >= WORST, 1.0, 0.0)
        shape = self._shape([p.harm for p in self._priors], [p.harm_sd for p in self._priors], 0.2, 0.35, 1.0)
        return Surface(shape, x, y, noise)

    def _shape(self, slope: list[float], sd: list[float], bend: float, curl: float, offset_sd: float) -> Shape:
        widths = np.array(sd)
        return Shape(np.array(slope), widths, bend * widths * self._graded, curl, self._graded, offset_sd)
