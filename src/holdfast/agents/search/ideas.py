"""Ideas as the ledger keeps them: steps in words, the state they lead to, and its coordinates in octaves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from holdfast.agents.search.numbers import octaves_between, value_of
from holdfast.agents.search.places import Edit

_CHANGE = re.compile(r"(\w+) (\S+) -> (\S+)$")

State = Mapping[str, str]
"""How a tree differs from the run's first: a place's present text, or a step's key and `done`."""

Point = Mapping[str, float]
"""A state in coordinates: octaves from the first text, or one for what is done."""


@dataclass(frozen=True)
class Step:
    """One edit in words: `technique` is a move's name, with `old -> new` if it changes a value."""

    place: str
    technique: str

    @cached_property
    def move(self) -> str:
        """The name of the move."""
        return self.technique.partition(" ")[0]

    @cached_property
    def change(self) -> tuple[str, str] | None:
        """Old and new text, for a step that changes a value."""
        match = _CHANGE.match(self.technique)
        return (match[2], match[3]) if match else None

    @cached_property
    def key(self) -> str:
        """The coordinate that it moves along."""
        return self.place if self.change else f"{self.move} {self.place}"

    @cached_property
    def octaves(self) -> float:
        """How far it moves along its coordinate; one for what is not a number."""
        change = self.change
        if change is None or value_of(change[0]) is None or value_of(change[1]) is None:
            return 1.0
        return octaves_between(*change)

    @cached_property
    def direction(self) -> str:
        """Its coordinate with the sign of its move."""
        return f"{self.key} {'+' if self.octaves > 0 else '-'}"

    @cached_property
    def exact(self) -> str:
        """Its coordinate with the very text it leads to."""
        return f"{self.key} = {self.change[1] if self.change else 'done'}"


def words_of(edits: Sequence[Edit]) -> tuple[str, str]:
    """The fields `technique` and `place` of a draft made of `edits`; `steps_of` reads them back."""
    return "; ".join(edit.technique for edit in edits), "; ".join(edit.place for edit in edits)


def steps_of(technique: str, place: str) -> tuple[Step, ...]:
    """The steps behind a proposal's fields; none when another kind of agent wrote them."""
    techniques, places = technique.split("; "), place.split("; ")
    if not technique or not place or len(techniques) != len(places):
        return ()
    return tuple(Step(p, t) for p, t in zip(places, techniques, strict=True))


class Origins:
    """The first text seen at each place, against which states and points are measured."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def note(self, steps: Sequence[Step]) -> None:
        """Remember the old text of places met for the first time."""
        for step in steps:
            if step.change:
                self._texts.setdefault(step.place, step.change[0])

    def after(self, state: State, steps: Sequence[Step]) -> dict[str, str]:
        """The state that `steps` lead to from `state`."""
        result = dict(state)
        for step in steps:
            text = step.change[1] if step.change else "done"
            first = self._texts.get(step.place, step.change[0]) if step.change else None
            if text == first:
                result.pop(step.key, None)
            else:
                result[step.key] = text
        return result

    def point(self, state: State) -> dict[str, float]:
        """The coordinates of `state`."""
        result = {}
        for key, text in state.items():
            first = self._texts.get(key)
            both = first is not None and value_of(first) is not None and value_of(text) is not None
            result[key] = octaves_between(first or "", text) if both else 1.0
        return result
