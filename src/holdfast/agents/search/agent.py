"""The search agent: folds the ledger, draws a world that agrees with it, and proposes what would be best there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from itertools import islice

import numpy as np

from holdfast.agents.search import words
from holdfast.agents.search.choice import Options, Picks, ranked
from holdfast.agents.search.history import History, Stone
from holdfast.agents.search.ideas import Step, words_of
from holdfast.agents.search.landscape import Landscape
from holdfast.agents.search.moves import places_in, read
from holdfast.agents.search.outlook import Outlook
from holdfast.agents.search.places import Edit, Place, Source, applied, overlapping
from holdfast.core.ports import Brief, Draft
from holdfast.core.records import AnyRecord, Forecast

BATCH = 150
"""How many of the best in the drawn world are weighed against each other."""
EXTRA = 24
"""How many sizes that are on no list are on offer besides."""
WIDEN = 150
"""After how many proposals on one trunk sizes off the list reach an octave further."""
LAST_RESORT = 400
"""How many more sizes are drawn, ever wider, when all that is on offer was proposed before."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A single edit on offer: its place, the change of text, and its step in words."""

    place: Place
    edit: Edit
    step: Step


class SearchAgent:
    """Proposes edits of the `editable` files (paths, directories or patterns) of a brief.

    Deterministic: the same `seed`, records and brief give the same draft. Knows nothing but these.
    """

    name = "search"

    def __init__(self, seed: int, editable: tuple[str, ...]) -> None:
        self._seed = seed
        self._editable = editable
        self._history = History(self.name)
        self._read: dict[str, tuple[str, Source]] = {}
        self._listed: tuple[str, list[Offer]] = ("", [])

    def learn(self, record: AnyRecord) -> None:
        """Take in one record of the run; takes constant time and never raises."""
        self._history.learn(record)

    def propose(self, brief: Brief) -> Draft | None:
        """The best untried edit, or few edits together, in a world drawn from what is known; None if all is tried."""
        files = {path: text for path, text in brief.files.items() if self._may_edit(path)}
        rng = np.random.default_rng([self._seed, brief.number])
        listed = self._offers(brief.trunk, files)
        if not listed:
            return None
        offers = [*listed, *self._extra(listed, rng)]
        landscape = Landscape(self._history, [(offer.place, offer.step) for offer in offers])
        stones = {stone.proposal: reapplied(stone, offers) for stone in self._history.stones}
        options = self._options(offers, landscape, rng)
        ranking = ranked(options, landscape.draw(rng), stones.values())
        while batch := self._fresh(ranking, offers):
            for picks, outlook in self._judged(batch, offers, landscape):
                basis = next((name for name, base in stones.items() if base and set(base) < set(picks)), "")
                draft = self._draft(brief, files, [offers[i] for i in picks], outlook, basis)
                if draft:
                    return draft
        return self._last_resort(brief, files, listed, landscape, rng)

    def _fresh(self, ranking: Iterator[Picks], offers: Sequence[Offer]) -> list[Picks]:
        """The next picks of the ranking that lead to something untried."""
        tried, signature = self._history.tried, self._history.signature
        fresh = (picks for picks in ranking if signature(tuple(offers[i].step for i in picks)) not in tried)
        return list(islice(fresh, BATCH))

    def _judged(
        self, batch: Sequence[Picks], offers: Sequence[Offer], landscape: Landscape
    ) -> list[tuple[Picks, Outlook]]:
        """The picks with their outlook, those first that promise most for the time their trial takes."""
        outlooks = landscape.outlooks([[offers[i].step for i in picks] for picks in batch])
        judged = []
        for picks, outlook in zip(batch, outlooks, strict=True):
            runs = math.prod(self._runs(offers[i]) for i in picks)
            judged.append((picks, replace(outlook, runs=runs)))
        return sorted(judged, key=lambda pair: -pair[1].promise(len(pair[0])))

    def _runs(self, offer: Offer) -> float:
        good, bad = self._history.odds.beta(offer.step, offer.place.prior.valid)
        return good / (good + bad)

    def _may_edit(self, path: str) -> bool:
        return any(
            path == own or fnmatch(path, own) or path.startswith(own.rstrip("/") + "/") for own in self._editable
        )

    def _offers(self, trunk: str, files: Mapping[str, str]) -> list[Offer]:
        """The listed sizes of every place, but for what the trunk has already; kept until the trunk moves."""
        if self._listed[0] != trunk or not trunk:
            for path, text in files.items():
                if path not in self._read or self._read[path][0] != text:
                    self._read[path] = (text, read(path, text))
            places = places_in(self._read[path][1] for path in files)
            made = [offer for place in places for size in place.sizes if (offer := offered(place, size))]
            done = self._history.state
            self._listed = (trunk, [o for o in made if o.step.change or o.step.key not in done])
        return self._listed[1]

    def _extra(self, listed: Sequence[Offer], rng: np.random.Generator) -> list[Offer]:
        """A few sizes that no list has, mostly where much is at stake."""
        places = list({offer.place.name: offer.place for offer in listed if offer.place.graded}.values())
        if not places:
            return []
        stake = np.array([abs(p.prior.cost) + p.prior.cost_sd + p.prior.harm_sd for p in places])
        chosen = rng.choice(len(places), size=EXTRA, p=stake / stake.sum())
        sizes = rng.normal(0.0, self._width(), size=EXTRA)
        made = (offered(places[i], float(size)) for i, size in zip(chosen, sizes, strict=True))
        return [offer for offer in made if offer]

    def _width(self) -> float:
        """How far, in octaves, sizes off the list reach: the farther, the longer nothing was found."""
        return min(1.2 + self._history.tries / WIDEN, 20.0)

    def _options(self, offers: Sequence[Offer], landscape: Landscape, rng: np.random.Generator) -> Options:
        odds = self._history.odds
        beta = np.array([odds.beta(offer.step, offer.place.prior.valid) for offer in offers])
        return Options(
            axis=np.array([landscape.axis(offer.step) for offer in offers]),
            distance=np.array([offer.step.octaves for offer in offers]),
            runs=rng.beta(beta[:, 0], beta[:, 1]),
            novel=np.array([not odds.tested(offer.step) for offer in offers]),
        )

    def _draft(
        self, brief: Brief, files: Mapping[str, str], picked: Sequence[Offer], outlook: Outlook, basis: str = ""
    ) -> Draft | None:
        """The draft of these edits together; None if they clash, break the program's text or were tried before."""
        edits, steps = [offer.edit for offer in picked], tuple(offer.step for offer in picked)
        signature = self._history.signature(steps)
        if signature in self._history.tried or overlapping(edits):
            return None
        changed = applied(files, edits)
        self._history.tried.add(signature)
        if changed is None:
            return None
        technique, place = words_of(edits)
        return Draft(
            parent=brief.trunk,
            edits=changed,
            hypothesis=words.hypothesis(steps, outlook.gain, outlook.slack, basis),
            forecast=Forecast(
                self._history.calibration.corrected(outlook.probability), self._history.effect(outlook.gain)
            ),
            technique=technique,
            place=place,
            basis=basis,
        )

    def _last_resort(
        self,
        brief: Brief,
        files: Mapping[str, str],
        listed: Sequence[Offer],
        landscape: Landscape,
        rng: np.random.Generator,
    ) -> Draft | None:
        """Any size of any number, ever further out, once the lists are used up."""
        places = list({offer.place.name: offer.place for offer in listed if offer.place.graded}.values())
        for attempt in range(LAST_RESORT if places else 0):
            width = self._width() * (1.0 + attempt / 40)
            offer = offered(places[int(rng.integers(len(places)))], float(rng.normal(0.0, width)))
            if offer is None or self._history.signature((offer.step,)) in self._history.tried:
                continue
            outlook = replace(landscape.outlooks([[offer.step]])[0], runs=self._runs(offer))
            draft = self._draft(brief, files, [offer], outlook)
            if draft:
                return draft
        return None


def offered(place: Place, octaves: float) -> Offer | None:
    """The edit of this size at `place` with its step; None if there is none."""
    edit = place.edit(octaves)
    return Offer(place, edit, Step(edit.place, edit.technique)) if edit else None


def reapplied(stone: Stone, offers: Sequence[Offer]) -> Picks:
    """A stone's steps among the `offers`, each by the nearest size on offer; empty if one is gone."""
    picks = []
    for step in stone.steps:
        near = [
            (abs(offer.step.octaves - step.octaves), i) for i, offer in enumerate(offers) if offer.step.key == step.key
        ]
        if not near or min(near)[0] > 1.0:
            return ()
        picks.append(min(near)[1])
    return tuple(sorted(picks))
