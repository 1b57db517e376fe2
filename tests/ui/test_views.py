from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from holdfast.core import verdicts
from holdfast.core.ports import Job
from holdfast.core.problem import Metric
from holdfast.core.settings import Rules
from holdfast.core.state import RunState, apply
from holdfast.ui.frame import FIXED_LINES, Scenery, frame, phase, sparkline
from holdfast.ui.live import LiveView, PlainView, View
from holdfast.ui.news import News
from tests.ui.book import Book, full, job, spec
from tests.ui.hostile import ALL, SCRIPT, harmless

Busy = dict[str, Job]


def new() -> tuple[Book, Busy]:
    return Book(), {}


def measuring() -> tuple[Book, Busy]:
    return Book().start(), {"baseline.0": job("baseline.0", "baseline", pair=0)}


def failed() -> tuple[Book, Busy]:
    book = Book().start()
    tree = book.state.started().tree
    book.pair("baseline.0", "baseline", (tree, tree), (9, 9), outcome="crashed", score=None, detail=ALL)
    return book.end("failed", "the unchanged program came out crashed"), {}


def idle() -> tuple[Book, Busy]:
    return Book().start().baseline(), {}


def searching() -> tuple[Book, Busy]:
    book = Book().start(budget=3000.0, workers=4).baseline().search(20)
    book.keep(ALL, 1.5)
    book.fail("crashed", ALL, ALL)
    first, second = book.propose(ALL), book.propose("warm up")
    busy = {"a": job("a", "race", first.proposal.id), "b": job("b", "confirm", second.proposal.id, 3)}
    return book, busy | {f"x{n}": job(f"x{n}", "race", "p1") for n in range(9)}


def claiming() -> tuple[Book, Busy]:
    book = Book().start().baseline()
    book.keep(factor=1.5)
    book.add(verdicts.begin_claim(book.state, 5, "sealed"))
    return book, {"claim1.1": job("claim1.1", "claim", "claim1", pair=1)}


def finished() -> tuple[Book, Busy]:
    return full(20), {}


def interrupted() -> tuple[Book, Busy]:
    return Book().start().baseline().search(10).end("interrupted"), {}


def other_scale() -> tuple[Book, Busy]:
    book = Book(spec(metric=Metric("loss", "minimize", "difference"), check="")).start().baseline()
    book.keep(factor=1.5)
    return book, {}


PHASES = (new, measuring, failed, idle, searching, claiming, finished, interrupted, other_scale)


def drawn(book: Book, busy: Busy, width: int = 80, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    news = News()
    news.decided(book.state)
    with console.capture() as capture:
        console.print(frame(book.state, Scenery(busy, news, book.now, Rules(), width, height - 1)))
    return capture.get().splitlines()


@pytest.mark.parametrize("scene", PHASES)
@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (40, 15), (300, 60)])
def test_every_phase_fits_its_terminal(scene: Callable[[], tuple[Book, Busy]], width: int, height: int):
    lines = drawn(*scene(), width, height)
    assert len(lines) <= max(height - 1, FIXED_LINES + 2)
    assert all(len(line.rstrip()) <= width for line in lines)
    assert all(harmless(line) for line in lines)


def test_the_frame_says_what_a_watcher_wants_to_know():
    text = "\n".join(drawn(*searching(), 120, 40))
    for words in ("baseline", "± ", "trunk", "estimated", "kept", "discarded", "failed", "left of", "race", "pair 4"):
        assert words in text
    assert "for the claim" in text
    assert "[bold red]shout" in text, "markup of a candidate is text"
    assert "and 8 more" in text
    assert "crashed" in "\n".join(drawn(*failed()))


def test_phases_have_names():
    assert [phase(scene()[0].state) for scene in PHASES[1:8]] == [
        "baseline", "failed", "search", "search", "final claim", "finished", "interrupted"
    ]  # fmt: skip


def test_the_sparkline_rises_with_the_trunk():
    book = full()
    bars = sparkline(book.state, book.now, 40)
    assert len(bars) == 40
    assert list(bars) == sorted(bars)
    assert bars[-1] == "█"
    assert sparkline(idle()[0].state, book.now, 40) == ""


def test_news_finds_each_decision_once_and_in_time():
    book = full()
    state, news, found = RunState(), News(), []
    for entry in book.entries:
        apply(state, entry)
        found += [attempt.proposal.id for attempt in news.decided(state)]
    assert sorted(found) == sorted(state.attempts)
    assert sum(news.tally.values()) == 60
    assert news.tally["kept"] == len(state.kept)
    assert not news.waiting
    assert News().decided(state), "a resumed run is told from its beginning"


def replay(view: LiveView | PlainView | View, book: Book, clock: list[float]) -> None:
    state = RunState()
    with view:
        for entry in book.entries:
            clock[0] = entry.at
            apply(state, entry)
            claiming = getattr(entry.record, "role", "") == "claim"
            view(state, {"claim.0": job("claim.0", "claim", pair=0)} if claiming else {})


def plain(book: Book, encoding: str = "utf-8") -> list[str]:
    clock = [0.0]
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding=encoding, newline="\n")
    replay(PlainView(Console(file=file, width=80), lambda: clock[0]), book, clock)
    file.flush()
    return buffer.getvalue().decode(encoding).splitlines()


def test_plain_lines_tell_the_story_in_order():
    lines = plain(full())
    text = "\n".join(lines)
    parts = ["run tinylm-1 on tinylm", "measuring the baseline", "baseline 1", "p4 kept", "p4 landed as",
             "measuring the final claim", "claim: tinylm now runs in"]  # fmt: skip
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert text.count("  claim: ") == 1
    assert all(line[2] == ":" and line[8:10] == "  " for line in lines)


def test_plain_lines_gather_what_was_not_kept():
    book = Book().start().baseline()
    for _ in range(3):
        book.fail()
    lines = [line for line in plain(book.end("interrupted")) if "not kept" in line]
    assert 1 <= len(lines) <= 3
    assert "interrupted: Nothing has held so far" in plain(book)[-1]


def test_plain_lines_are_harmless_in_any_encoding():
    book = Book().start().baseline()
    book.keep(ALL, 1.5)
    book.fail("crashed", ALL, ALL)
    for encoding in ("utf-8", "ascii", "latin-1"):
        lines = plain(book, encoding)
        assert all(harmless(line) for line in lines)
        assert any(SCRIPT in line for line in lines)


def test_a_resumed_run_does_not_tell_its_past_again():
    book = full(20)
    book.session()
    clock = [0.0]
    console = Console(file=io.StringIO(), width=200)
    with PlainView(console, lambda: clock[0]) as view:
        view(book.state, {})
    assert "resumed: tinylm now" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "kept 1" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_live_view_draws_at_most_four_frames_a_second():
    book, clock = full(20), [0.0]
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    view = LiveView(console, Rules(), lambda: clock[0])
    state = RunState()
    drawn_at = set()
    with view:
        for entry in book.entries:
            apply(state, entry)
            for _ in range(20):
                clock[0] += 0.001
                view(state, {})
                drawn_at.add(view.drawn)
    assert len(drawn_at) <= 1 + clock[0] / 0.25
    assert "held" not in console.file.getvalue()  # type: ignore[attr-defined]
    assert "finished" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_view_follows_the_terminal():
    clock = [0.0]
    for terminal, shown in ((True, "\x1b["), (False, "run tinylm-1")):
        console = Console(
            file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), force_terminal=terminal, width=80, height=24
        )
        replay(View(console, clock=lambda: clock[0]), full(10), clock)
        console.file.flush()
        assert shown in console.file.buffer.getvalue().decode()  # type: ignore[attr-defined]
