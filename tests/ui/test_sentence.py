from __future__ import annotations

import pytest

from holdfast.core.problem import GraderSpec, Metric
from holdfast.core.records import CheckResult, Claim
from holdfast.core.state import RunState
from holdfast.ui.sentence import sentence
from tests.ui.book import Book, spec


def claimed(book: Book, ratio: float = 6.423, low: float = 6.1, high: float = 6.8, **more: object) -> str:
    fields = {
        "split": "sealed",
        "scale": book.spec.metric.scale,
        "holds": True,
        "sealed_uses": 0,
        "self_reported": False,
        "pairs": 9,
    } | more
    state = book.state
    book.add(Claim(state.started().tree, state.trunk, state.commit, ratio, low, high, **fields))  # type: ignore[arg-type]
    return sentence(book.end().state)


def kept(metric: Metric | None = None, name: str = "tinylm", factor: float = 1.5) -> Book:
    book = Book(spec(name, metric)).start().baseline()
    book.keep(factor=factor)
    book.fail()
    assert len(book.state.kept) == 1
    return book


def test_a_proven_claim():
    assert claimed(kept()) == (
        "tinylm now runs in 6.42x less CPU time (95 % interval 6.10 to 6.80, 9 pairs on sealed data, fresh seeds); "
        "1 change kept of 2 tried."
    )


def test_what_a_reader_must_know_is_said():
    said = claimed(kept(), sealed_uses=2, self_reported=True)
    assert "9 pairs on sealed data that 2 earlier claims used, fresh seeds; self-reported by the program" in said
    assert "1 pair with fresh seeds" in claimed(kept(), split="none", pairs=1)
    assert "on hidden data, which also steered the search" in claimed(kept(), split="hidden")


def test_a_higher_score_and_a_difference_read_naturally():
    up = Metric("accuracy", "maximize", "ratio")
    assert claimed(kept(up), 1.2, 1.1, 1.3).startswith("tinylm now reaches 1.20x higher accuracy (95 % interval 1.10 ")
    points = Metric("loss", "minimize", "difference")
    said = claimed(kept(points), 0.042, 0.031, 0.053)
    assert said.startswith("tinylm now reaches 0.042 lower loss (95 % interval 0.031 to 0.053, 9 pairs")


def test_a_check_that_fails_on_sealed_data_leaves_no_gain():
    failed = (
        CheckResult("val_loss", "max", 1.934, 1.941, 1.912, False),
        CheckResult("size", "max", 1.0, 1.0, 2.0, True),
    )
    said = claimed(kept(), holds=False, checks=failed)
    assert said.startswith(
        "No gain is claimed for tinylm: in the final measurement on sealed data val_loss came to 1.934, bound 1.941, "
        "limit 1.912; the effect is 6.42x (95 % interval 6.10 to 6.80"
    )
    assert "now" not in said
    assert "size" not in said


def test_a_failed_trial_of_the_claim_is_not_an_effect_of_nothing():
    said = claimed(kept(), 1.0, 0.0, 4.6e299, holds=False, failed=1)
    assert "1 pair had a trial that failed; no effect could be measured; 1 change kept" in said


def test_an_interval_that_includes_no_change_proves_nothing():
    said = claimed(kept(), 1.02, 0.97, 1.07)
    assert said.startswith("No gain is proven for tinylm: the effect is 1.020x (95 % interval 0.970 to 1.070")
    assert "does not exclude no change" in said


def test_a_claim_about_an_older_trunk_is_not_quoted():
    book = kept()
    claimed(book)
    book.session().keep(factor=1.5)
    assert "has no claim yet" in sentence(book.state)


def test_an_interrupted_run_gives_an_estimate_and_says_so():
    said = sentence(kept().end("interrupted").state)
    assert said.startswith("tinylm has no claim yet (the run was interrupted): its trunk runs in an estimated 1.")
    assert "less CPU time (combined 95 % interval 1." in said


def test_a_self_reported_estimate_says_so():
    problem = spec("mine", Metric("speed", "maximize", "ratio", pattern="speed: (.*)"), check="")
    book = Book(problem).start().baseline()
    book.keep(factor=1.5)
    assert "by a self-reported metric" in sentence(book.state)
    assert GraderSpec().command == ()


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ("finished", "Nothing held: 3 changes tried on noise, none proven better."),
        ("interrupted", "Nothing has held so far: 3 changes tried on noise, none proven better."),
        ("", "Nothing has held so far: 3 changes tried on noise, none proven better."),
    ],
)
def test_nothing_kept(ended: str, said: str):
    book = Book(spec("noise")).start().baseline()
    for _ in range(3):
        book.fail()
    assert sentence((book.end(ended) if ended else book).state) == said


def test_nothing_tried_and_nothing_measured():
    assert sentence(RunState()) == "Nothing has been run yet."
    assert sentence(Book().start().state) == "tinylm has no baseline yet."
    assert sentence(Book().start().end("interrupted").state).endswith("the run was interrupted before it was measured.")
    assert sentence(Book().start().baseline().end().state) == "Nothing held: no change was tried on tinylm."


def test_a_baseline_that_fails_is_named():
    book = Book().start()
    tree = book.state.started().tree
    book.pair("baseline.0", "baseline", (tree, tree), (9, 9), outcome="crashed", score=None, detail="No module x")
    assert (
        sentence(book.end("failed").state)
        == "tinylm has no baseline: the unchanged program came out crashed: No module x."
    )
