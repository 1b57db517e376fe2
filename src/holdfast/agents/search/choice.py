"""Choosing in a drawn world: the best edit, or the best few together, by what they gain and what they spend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holdfast.agents.search.outlook import SLACK_MOST, SLACK_WORTH, STOPPED
from holdfast.agents.search.surface import Array, World

OVERDRAWN = 1.5
"""What one unit of harm beyond a limit takes from the utility, against gains in natural log units."""
BROKEN = 0.1
"""What a program that no longer runs costs."""
STEP_WORTH = 0.04
"""What each further edit of a compound has to add."""
WIDTHS = (16, 8, 5)
"""How many pairs, triples and so on are grown from the best smaller ones."""
SHORT = 16

Picks = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """The single edits on offer, as arrays over them: coordinate, distance along it, odds to run, whether untested."""

    axis: npt.NDArray[np.int64]
    distance: Array
    runs: Array
    novel: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Prospect:
    """A drawn world of the cost and of each check's harm, with the margin to keep from each limit."""

    cost: World
    harms: Sequence[World]
    margins: Sequence[float]

    def utilities(self, options: Options, base: Picks, chosen: npt.NDArray[np.int64]) -> tuple[Array, Array, Array]:
        """Utility, gain and slack of adding each of the `chosen` options to `base`."""
        x = np.zeros(len(self.cost.slope))
        x[options.axis[list(base)]] = options.distance[list(base)]
        axis, distance = options.axis[chosen], options.distance[chosen]
        gain = self.cost.offset - _along(self.cost, x, axis, distance)
        runs = options.runs[chosen] * float(np.prod(options.runs[list(base)]))
        over, slack = np.zeros(len(chosen)), np.full(len(chosen), SLACK_MOST if self.harms else 0.0)
        for world, margin in zip(self.harms, self.margins, strict=True):
            harm = _along(world, x, axis, distance)
            over += np.maximum(harm + margin, 0.0)
            slack = np.minimum(slack, np.clip(-(harm + margin), 0.0, None))
            slack = np.minimum(slack, np.clip(world.offset - harm, -SLACK_MOST, None))
        worth = gain + SLACK_WORTH * slack * (gain > -STOPPED)
        utility = np.where(worth > 0, runs * worth, worth) - OVERDRAWN * over - BROKEN * (1.0 - runs)
        return utility - STEP_WORTH * len(base), gain, slack


def ranked(options: Options, prospect: Prospect, stones: Iterable[Picks]) -> Iterator[Picks]:
    """Picks of options from the best down; compounds hold at most one untested edit and one edit per coordinate.

    Single edits all follow in the end, so that nothing on offer is withheld.
    """
    every = np.arange(len(options.axis))
    utility, gain, slack = prospect.utilities(options, (), every)
    found: dict[Picks, float] = {(int(i),): float(u) for i, u in zip(every, utility, strict=True)}
    short = np.unique(np.concatenate([np.argsort(-score, kind="stable")[:SHORT] for score in (utility, gain, slack)]))
    bases: list[Picks] = [(int(i),) for i in short[np.argsort(-utility[short], kind="stable")]]
    bases = [*(stone for stone in stones if stone), *bases]
    for width in WIDTHS:
        grown: dict[Picks, float] = {}
        for base in bases[:width]:
            room = _room(options, base, short)
            if len(room):
                values = prospect.utilities(options, base, room)[0]
                grown |= {tuple(sorted((*base, int(i)))): float(v) for i, v in zip(room, values, strict=True)}
        found |= grown
        bases = sorted(grown, key=lambda picks: (-grown[picks], picks))
    yield from sorted(found, key=lambda picks: (-found[picks], picks))


def _room(options: Options, base: Picks, short: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    picked = list(base)
    free = ~np.isin(options.axis[short], options.axis[picked])
    if options.novel[picked].any():
        free &= ~options.novel[short]
    room: npt.NDArray[np.int64] = short[free]
    return room


def _along(world: World, x: Array, axis: npt.NDArray[np.int64], distance: Array) -> Array:
    """The world's response at `x` moved by `distance` along each `axis`."""
    here = world.offset + x @ world.slope + x @ world.second @ x
    bend = np.diagonal(world.second)[axis]
    twist = (world.second @ x + x @ world.second)[axis]
    result: Array = here + distance * (world.slope[axis] + twist) + distance**2 * bend
    return result
