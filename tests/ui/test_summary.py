from __future__ import annotations

import json

import pytest

from holdfast.core.codec import encode
from holdfast.core.problem import Metric
from holdfast.ui.standing import additive, causes, elapsed, estimate, estimates, fate, status
from holdfast.ui.story import line
from holdfast.ui.summary import summary, summary_text
from tests.ui.book import Book, discarded, full, spec
from tests.ui.hostile import ALL, harmless


@pytest.fixture(scope="module")
def book() -> Book:
    return full()


def test_the_summary_is_json_with_every_promised_key(book: Book):
    found = json.loads(encode(summary(book.state, book.head, True)))
    assert found["problem"] == "tinylm"
    assert found["status"] == "finished"
    assert found["kept"] == len(book.state.kept) == len(found["changes"]) > 0
    assert found["proposals"] == 60
    assert found["trials"] == sum(found["outcomes"].values())
    assert sum(found["decisions"].values()) == 60
    assert found["baseline"]["score"] > 0
    assert found["claim"]["split"] == "sealed"
    assert found["claim"]["low"] <= found["claim"]["ratio"] <= found["claim"]["high"]
    assert found["trunk"]["estimate"]["low"] < found["trunk"]["estimate"]["ratio"] < found["trunk"]["estimate"]["high"]
    assert found["trunk"]["commit"] == found["changes"][-1]["commit"]
    assert found["ledger"] == {"records": len(book.entries), "head": book.head.hash, "verified": True}
    assert found["metric"]["name"] == "cpu_seconds"


def test_a_summary_before_anything_is_measured_has_nulls():
    book = Book().start()
    found = json.loads(encode(summary(book.state, book.head, False, alive=True)))
    assert (found["status"], found["baseline"], found["claim"], found["kept"]) == ("running", None, None, 0)
    assert found["trunk"]["estimate"] == {"ratio": 1.0, "low": 1.0, "high": 1.0}


def test_the_text_fits_a_terminal_and_says_what_matters(book: Book):
    text = summary_text(book.state, book.head, True)
    assert all(len(row) <= 120 for row in text.splitlines()[1:])
    for words in ("baseline", "claim", "kept", "last failures", "verified", book.head.hash[:16], "p4 "):
        assert words in text
    assert "BROKEN" in summary_text(book.state, book.head, False)
    assert "verified" not in summary_text(book.state, book.head)


def test_a_running_lab_says_what_it_is_doing():
    book = Book().start().baseline()
    book.propose("try this now")
    assert "race" in summary_text(book.state, book.head, alive=True)
    assert "try this now" in summary_text(book.state, book.head, alive=True)
    assert "try this now" not in summary_text(book.state, book.head, alive=False)


def test_how_a_run_ended():
    book = Book()
    assert status(book.state) == "new"
    book.start()
    assert (status(book.state, alive=True), status(book.state)) == ("running", "killed")
    assert status(book.end("interrupted").state, alive=True) == "interrupted"


def test_the_estimate_multiplies_effects_and_widens_its_interval():
    book = Book().start().baseline()
    for _ in range(3):
        book.keep(factor=1.5)
    steps = [value for _, value in estimates(book.state)]
    effects = [book.state.attempts[k.decision.proposal].comparison.effect for k in book.state.kept]
    assert steps[-1].effect == pytest.approx(effects[0] * effects[1] * effects[2])
    widths = [additive(step.high, "ratio") - additive(step.low, "ratio") for step in steps]
    assert widths == sorted(widths)
    assert estimate(book.state) == steps[-1]


def test_the_estimate_of_differences_adds():
    book = Book(spec(metric=Metric("loss", "minimize", "difference"), check="")).start().baseline()
    book.keep(factor=1.5)
    book.keep(factor=1.3)
    effects = [book.state.attempts[k.decision.proposal].comparison.effect for k in book.state.kept]
    assert len(effects) == 2
    assert estimate(book.state).effect == pytest.approx(sum(effects))


def test_a_change_that_has_not_landed_is_no_part_of_the_trunk():
    book = Book().start().baseline()
    book.keep(factor=1.5)
    book.state.kept[-1].landed = None
    assert estimate(book.state).effect == 1.0


def test_time_leaves_out_the_pauses_between_sessions():
    book = Book().start().baseline()
    used = elapsed(book.state, book.now)
    book.end("interrupted")
    book.now += 86_400
    book.session().fail()
    assert used <= elapsed(book.state, book.now) <= used + 600 + 60


def test_causes_group_what_was_not_kept():
    book = Book().start().baseline()
    book.fail("crashed", "line 1")
    book.fail("crashed", "line 2")
    book.race(book.propose(), 0.8)
    book.race(book.propose(), 1.3, values={"val_loss": 9.0})
    slow = book.propose()
    book.race(slow, outcome="timeout", score=None, values={}, cpu_seconds=21.0, wall_seconds=21.0, detail="can not win")
    discarded(book, "rebased onto the new trunk as p9")
    book.propose()
    book.times_out()
    found = {cause: len(members) for cause, members in causes(book.state.attempts.values(), book.state)}
    assert found == {
        "crashed": 2,
        "no better in the race": 2,
        "val_loss over its limit": 1,
        "the trunk moved": 1,
        "out of time": 1,
    }
    assert fate(slow, book.state) == "discarded"


def test_every_record_is_told_in_one_line(book: Book):
    lines = [line(entry) for entry in book.entries]
    assert all("\n" not in row and harmless(row) and len(row) < 240 for row in lines)
    kinds = {row.split()[4] for row in lines}
    assert kinds == {
        "run", "session", "trial", "baseline", "propose", "admit", "compare", "keep", "discard", "landed", "claim"
    }  # fmt: skip


def test_hostile_texts_are_inert_in_text_and_log():
    book = Book().start().baseline()
    book.fail("crashed", ALL, ALL)
    book.keep(ALL, 1.5)
    book.propose(ALL)
    for text in (summary_text(book.state, book.head, True, alive=True), *(line(entry) for entry in book.entries)):
        assert harmless(text)
