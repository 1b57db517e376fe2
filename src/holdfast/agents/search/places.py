"""The nouns of an edit: places in the text of a tree, what a move may do there, and what is expected of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from holdfast.agents.search.priors import Prior


@dataclass(frozen=True, slots=True)
class Splice:
    """Replace the bytes `start` to `end` of the file `path` (UTF-8) by `text`."""

    path: str
    start: int
    end: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing done at one place: `technique` says what in words that `place` and the ledger can give back."""

    place: str
    technique: str
    octaves: float
    splices: tuple[Splice, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere a move applies. `name` is unique in its tree and survives changes around it.

    `sizes` are the octaves worth trying first; a `graded` place (a number) takes any other as well,
    any other place only the size 1.
    """

    name: str
    move: Move
    prior: Prior
    splices: tuple[Splice, ...]
    text: str = ""
    sizes: tuple[float, ...] = (1.0,)
    graded: bool = False

    def edit(self, octaves: float) -> Edit | None:
        """The edit of size `octaves` here; None when the place has no such edit."""
        return self.move.edit(self, octaves)


class Move(Protocol):
    """A way to change code. Technique knowledge is added as further moves: they stand in `moves.MOVES`."""

    @property
    def name(self) -> str:
        """One word without spaces, by which the ledger knows it."""

    def places(self, source: Source) -> Iterable[Place]:
        """Where in `source` it applies."""

    def edit(self, place: Place, octaves: float) -> Edit | None:
        """What it does there; `octaves` is the size for graded places."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number literal: where it stands, its role and its name."""

    name: str
    start: int
    end: int
    text: str
    role: str


@dataclass(frozen=True, slots=True)
class Span:
    """A named stretch of text and what takes its place: a flag, an argument or a statement."""

    name: str
    splices: tuple[Splice, ...]
    text: str = ""
    looped: bool = False


@dataclass(slots=True)
class Source:
    """What can be edited in one file, found once per text; `given` are the arguments passed by name (`Call.name`)."""

    path: str
    data: bytes
    numbers: list[Number] = field(default_factory=list)
    flags: list[Span] = field(default_factory=list)
    arguments: list[Span] = field(default_factory=list)
    statements: list[Span] = field(default_factory=list)
    swaps: list[Span] = field(default_factory=list)
    hoists: list[Span] = field(default_factory=list)
    given: set[str] = field(default_factory=set)


def overlapping(edits: Sequence[Edit]) -> bool:
    """Whether two of the edits touch the same text."""
    spans = sorted((s.path, s.start, s.end) for edit in edits for s in edit.splices)
    return any(a[0] == b[0] and b[1] < max(a[2], a[1] + 1) for a, b in pairwise(spans))


def applied(files: Mapping[str, str], edits: Sequence[Edit]) -> dict[str, str] | None:
    """The files that `edits` change, with their new text; None when nothing changes or a Python file breaks."""
    splices = sorted((s for edit in edits for s in edit.splices), key=lambda s: (s.path, s.start))
    changed: dict[str, str] = {}
    for path in dict.fromkeys(s.path for s in splices):
        data, parts, at = files[path].encode(), [], 0
        for splice in (s for s in splices if s.path == path):
            parts += [data[at : splice.start], splice.text]
            at = splice.end
        text = b"".join([*parts, data[at:]]).decode()
        if text != files[path]:
            changed[path] = text
    return changed if changed and all(parses(p, t) for p, t in changed.items()) else None


def parses(path: str, text: str) -> bool:
    """Whether `text` compiles, if `path` says that it is Python."""
    if not path.endswith(".py"):
        return True
    try:
        compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
