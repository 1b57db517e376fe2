from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from holdfast.core.problem import Metric
from holdfast.core.records import Claim
from holdfast.ui import charts
from tests.ui.book import Book, full, spec
from tests.ui.hostile import ALL


def hostile() -> Book:
    book = Book(spec(name="evil")).start().baseline()
    book.keep(ALL, 1.5)
    book.fail("tampered", ALL, ALL)
    return book.claim().end()


def boundless() -> Book:
    """A claim of which nothing is known."""
    book = Book().start().baseline()
    book.keep(factor=1.5)
    state = book.state
    book.add(
        Claim(state.started().tree, state.trunk, state.commit, 1.0, 0.0, 4.6e299, 1, "sealed", "ratio", False, 0, False)
    )
    return book


BOOKS: dict[str, Callable[[], Book]] = {
    "full": full,
    "started": lambda: Book().start(),
    "measured": lambda: Book().start().baseline(),
    "nothing kept": lambda: Book().start().baseline().search(12, gains=False),
    "hostile": hostile,
    "boundless": boundless,
    "difference": lambda: full(20, spec(metric=Metric("loss", "minimize", "difference"), check="")),
    "maximize": lambda: full(20, spec(metric=Metric("accuracy", "maximize", "ratio"), check="")),
}


def pictures(book: Book) -> dict[str, str]:
    return {
        "progress": charts.progress(book.state),
        "trials": charts.trials(book.state, book.entries),
        "effects": charts.effects(book.state),
        "pairs": charts.pairs(book.state, book.entries),
    }


@pytest.mark.parametrize("name", BOOKS)
def test_every_picture_is_well_formed_and_keeps_to_itself(name: str):
    seen: set[str] = set()
    for chart, text in pictures(BOOKS[name]()).items():
        root = ET.fromstring(text)
        assert root.tag.endswith("svg")
        identifiers = {element.get("id") for element in root.iter()} - {None}
        assert all(
            identifier in (f"chart-{chart}",) or identifier.startswith(f"{chart}-") for identifier in identifiers
        )
        assert not seen & identifiers
        seen |= identifiers
        assert not any(element.tag.endswith("script") for element in root.iter())
        for link in (value for element in root.iter() for key, value in element.items() if key.endswith("href")):
            assert link.startswith((f"#{chart}-", "data:image/png;base64,"))


def test_pictures_are_deterministic():
    assert pictures(full(20)) == pictures(full(20))


def test_the_claim_and_the_kept_changes_are_named():
    book = full()
    drawn = pictures(book)
    assert "claim, measured" in drawn["progress"]
    for kept in book.state.kept:
        assert f">{kept.decision.proposal}<" in drawn["progress"]
        assert f">{kept.decision.proposal} " in drawn["effects"]


def test_only_the_pairs_of_the_current_claim_are_drawn():
    book = full(20)
    first = charts.claim_pairs(book.state, book.entries)
    assert len(first) == 5
    book.session().claim(pairs=3).end()
    second = charts.claim_pairs(book.state, book.entries)
    assert len(second) == 3
    assert {trial.id for pair in second for trial in pair} == set(book.state.claims[-1].trials)
    assert second[0] != first[0]
    assert all(one.side == "incumbent" and other.side == "candidate" for one, other in second)


def test_thousands_of_trials_stay_small():
    text = charts.trials(
        *(lambda book: (book.state, book.entries))(Book().start().baseline().search(1600, gains=False))
    )
    assert len(text) < 400_000
