"""The moves that search knows: to add a technique, write a `Move` and put it into `MOVES`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from holdfast.agents.search import numbers, priors
from holdfast.agents.search.places import Edit, Move, Place, Source, Span, Splice
from holdfast.agents.search.priors import Prior
from holdfast.agents.search.python import read_python
from holdfast.agents.search.text import read_text

FACTORS = (0.25, 0.5, 0.7, 1.4, 2.0, 3.0, 4.0, 8.0)
SIZES = tuple(math.log2(factor) for factor in FACTORS)
TENFOLD = math.log2(10.0)


class Scale:
    """Make a number larger or smaller, within its type and range."""

    name = "scale"

    def places(self, source: Source) -> Iterable[Place]:
        """Every number of the file."""
        for number in source.numbers:
            prior = priors.of_number(number.name.rpartition(">")[2].rpartition(": ")[2], number.role)
            splice = Splice(source.path, number.start, number.end, b"")
            yield Place(number.name, self, prior, (splice,), number.text, _sizes(number.text, number.role), graded=True)

    def edit(self, place: Place, octaves: float) -> Edit | None:
        """The number scaled by two to the power `octaves`; at minus infinity, zero."""
        zero = octaves == -math.inf
        new = numbers.zeroed(place.text) if zero else numbers.scaled(place.text, octaves)
        if new is None:
            return None
        splice = place.splices[0]
        return Edit(
            place.name,
            f"scale {place.text} -> {new}",
            numbers.octaves_between(place.text, new),
            (Splice(splice.path, splice.start, splice.end, new.encode()),),
        )


class Flip:
    """Turn True into False and back."""

    name = "flip"

    def places(self, source: Source) -> Iterable[Place]:
        """Every boolean literal of the file."""
        return (Place(flag.name, self, priors.FLAG, flag.splices, flag.text) for flag in source.flags)

    def edit(self, place: Place, octaves: float) -> Edit:
        """The other truth value."""
        other = "False" if place.text == "True" else "True"
        return Edit(place.name, f"flip {place.text} -> {other}", octaves, place.splices)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A move that does one fixed thing at each of its places, listed in the source under `found`."""

    name: str
    found: str
    prior: Prior
    looped: Prior | None = None

    def places(self, source: Source) -> Iterable[Place]:
        """The spans that the file's reader listed."""
        spans: list[Span] = getattr(source, self.found)
        for span in spans:
            yield Place(span.name, self, self.looped if span.looped and self.looped else self.prior, span.splices)

    def edit(self, place: Place, octaves: float) -> Edit:
        """The fixed change."""
        return Edit(place.name, self.name, octaves, place.splices)


MOVES: tuple[Move, ...] = (
    Scale(),
    Flip(),
    Rewrite("remove", "arguments", priors.ARGUMENT),
    Rewrite("delete", "statements", priors.STATEMENT, priors.LOOPED_STATEMENT),
    Rewrite("swap", "swaps", priors.SWAP),
    Rewrite("hoist", "hoists", priors.HOIST),
)


def read(path: str, text: str) -> Source:
    """What can be edited in a file, whatever its language."""
    return read_python(path, text) if path.endswith(".py") else read_text(path, text)


def places_in(sources: Iterable[Source]) -> tuple[Place, ...]:
    """All places of several files; defaults that every caller overrides are expected to do nothing."""
    sources = tuple(sources)
    given = {word for source in sources for word in source.given}
    found = (place for source in sources for move in MOVES for place in move.places(source))
    return tuple(_shadowed(place) if place.graded and _words(place) in given else place for place in found)


def _shadowed(place: Place) -> Place:
    prior = place.prior
    return replace(place, prior=Prior(0.0, prior.cost_sd / 10, 0.0, prior.harm_sd / 10, prior.valid))


def _words(place: Place) -> str:
    """`Class.field` or `function.parameter` of a default."""
    return place.name.partition(": ")[2].replace("(", "").replace(")", "").replace(" > ", ".")


def _sizes(text: str, role: str) -> tuple[float, ...]:
    """Which octaves to try first: coarse for what is mostly logic, tenfold for tiny floats, zero for fractions."""
    value = numbers.value_of(text) or 0.0
    if role in ("index", "small"):
        return (1.0,) if value <= 1 else (1.0, -1.0)
    if role == "whole" and value >= 4 and value.is_integer() and int(value).bit_count() == 1:
        return (-2.0, -1.0, 1.0, 2.0)  # a power of two mostly has to divide something
    if role in ("whole", "bound") and value < 8:
        return tuple(math.log2((value + by) / value) for by in (-2, -1, 1, 2) if value + by >= 1)
    if role == "tiny":
        return (*SIZES, TENFOLD, -TENFOLD)
    return (*SIZES, -math.inf) if role == "unit" else SIZES
