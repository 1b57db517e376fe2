"""Verdicts, as properties and as the cases people get burnt by."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.decide import judge, level, losing_over, pairs_needed, race_failure, share, too_dear
from holdfast.core.measure import Noise, evidence
from holdfast.core.problem import Metric
from holdfast.core.records import BaselineMeasured, Limit, Trial
from holdfast.core.settings import Rules

RULES = Rules()
METRIC = Metric()
BASELINE = BaselineMeasured(
    score=10.0,
    values={"loss": 2.0},
    spread={"loss": 0.005},
    noise=0.03,
    noise_pairs=3,
    limits=(Limit("loss", "max", 2.02),),
    deterministic=False,
)
HISTORY = Noise(0.03**2 * 3, 3.0)


def trial(score, loss=2.0, outcome="ok", side="candidate", pair=0):
    return Trial(
        f"p1.{pair}{side[0]}", "confirm", side, 1, "hidden", outcome, score if outcome == "ok" else None, {"loss": loss}
    )


def pairs(ratio, count, loss=2.0):
    wiggle = [1.01, 0.985, 1.0, 1.02, 0.99]
    return [
        (trial(10.0, side="incumbent", pair=n), trial(10.0 / ratio * wiggle[n % 5], loss, pair=n)) for n in range(count)
    ]


@given(st.integers(1, 400))
def test_shares_never_sum_to_more_than_one(candidates):
    assert sum(share(order, candidates) for order in range(1, 3 * candidates + 50)) <= 1.0


@given(st.integers(1, 500), st.integers(0, 20))
def test_levels_grow_with_what_was_kept(order, kept):
    assert 0 < level(order, kept, RULES) < level(order, kept + 1, RULES)


def test_twice_as_fast_is_kept_in_three_pairs():
    judged = judge(pairs(2.0, 3), BASELINE, HISTORY, METRIC, level(1, 0, RULES), RULES)
    assert judged.next == "keep"
    assert judged.low < judged.effect < judged.high


def test_two_pairs_are_never_enough():
    assert judge(pairs(5.0, 2), BASELINE, HISTORY, METRIC, 1.0, RULES).next == "more"


def test_no_better_is_discarded_for_futility():
    judged = judge(pairs(0.8, 4), BASELINE, HISTORY, METRIC, level(1, 0, RULES), RULES)
    assert judged.next == "discard"
    assert "not better" in judged.reason


def test_a_fast_program_that_misses_its_check_is_not_kept():
    judged = judge(pairs(3.0, 4, loss=2.05), BASELINE, HISTORY, METRIC, level(1, 0, RULES), RULES)
    assert judged.next == "discard"
    assert "loss" in judged.reason


def test_a_check_at_the_edge_is_measured_on_and_then_given_up():
    edge = pairs(3.0, 3, loss=2.017)
    assert judge(edge, BASELINE, HISTORY, METRIC, level(1, 0, RULES), RULES).next == "more"
    long = pairs(3.0, RULES.max_pairs, loss=2.0199)
    assert judge(long, BASELINE, HISTORY, METRIC, level(1, 0, RULES), RULES).next == "discard"


def test_a_lower_limit_that_holds_without_any_spread_is_not_called_failing():
    baseline = msgspec.structs.replace(BASELINE, limits=(Limit("accuracy", "min", 0.9),), values={}, spread={})
    exact = [(first, msgspec.structs.replace(second, values={"accuracy": 1.0})) for first, second in pairs(1.05, 3)]
    judged = judge(exact, baseline, HISTORY, METRIC, 1e-9, RULES)
    assert judged.checks[0].holds
    assert "check" not in judged.reason


def test_a_noisier_candidate_rarely_passes_on_borrowed_quiet():
    """No effect, five times the noise of what came before: lent history must not turn luck into evidence."""
    rng = np.random.default_rng(11)
    alpha, kept = level(1, 0, RULES), 0
    for _ in range(300):
        history = Noise(0.03**2 * 40, 40.0).capped(RULES.history_freedom)
        effects = rng.normal(0, 0.15, size=RULES.max_pairs)
        kept += any(evidence(effects[:n], history) * alpha >= 1 for n in range(RULES.min_pairs, RULES.max_pairs + 1))
    assert kept <= 8


@pytest.mark.parametrize("outcome", ["wrong", "crashed", "timeout", "tampered"])
def test_a_candidate_that_fails_once_cannot_win_by_survivorship(outcome):
    some = [*pairs(5.0, 4), (trial(10.0, side="incumbent", pair=4), trial(2.0, outcome=outcome, pair=4))]
    judged = judge(some, BASELINE, HISTORY, METRIC, 1.0, RULES)
    assert judged.next == "discard"
    assert outcome in judged.reason


def test_a_failing_incumbent_earns_the_candidate_nothing():
    lucky = [(trial(10.0, outcome="crashed", side="incumbent", pair=n), trial(9.9, pair=n)) for n in range(5)]
    assert judge(lucky, BASELINE, HISTORY, METRIC, 1.0, RULES).next != "keep"


def test_the_race_only_screens():
    race = msgspec.structs.replace(trial(5.0), role="race")
    assert race_failure(race, 10.0, BASELINE, METRIC, RULES) == ""
    assert "no better" in race_failure(msgspec.structs.replace(race, score=10.0), 10.0, BASELINE, METRIC, RULES)
    assert "loss" in race_failure(msgspec.structs.replace(race, values={"loss": 3.0}), 10.0, BASELINE, METRIC, RULES)
    assert race_failure(trial(1.0, outcome="crashed"), 10.0, BASELINE, METRIC, RULES) == "crashed"


def test_only_metered_costs_are_stopped_while_racing():
    assert losing_over(10.0, METRIC, RULES) == pytest.approx(11.5)
    assert losing_over(10.0, Metric(name="accuracy", goal="maximize"), RULES) is None


@given(st.floats(0.02, 3.0), st.floats(0.001, 0.2))
def test_clearer_effects_need_fewer_pairs(effect, sigma):
    needed = pairs_needed(effect, sigma, 0.0004, RULES)
    assert needed >= RULES.min_pairs
    assert pairs_needed(effect * 1.5, sigma, 0.0004, RULES) <= needed
    assert pairs_needed(effect, sigma * 1.5, 0.0004, RULES) >= needed


def test_the_estimate_of_pairs_is_about_right():
    """Where it says n pairs, n to 2n pairs of exactly that effect pass the level."""
    for effect in (0.05, 0.1, 0.3):
        needed = round(pairs_needed(effect, 0.03, level(1, 0, RULES), RULES))
        wiggle = [0.03 * (-1) ** n for n in range(2 * needed)]
        history = Noise(0.03**2 * 10, 10.0)
        assert evidence([effect + w for w in wiggle], history) * level(1, 0, RULES) >= 1
        assert (
            evidence([effect + w for w in wiggle[: max(2, needed // 2)]], history) * level(1, 0, RULES) < 1
            or needed < 5
        )


def test_no_effect_is_never_proven():
    assert pairs_needed(0.0, 0.03, 0.001, RULES) == math.inf
    assert too_dear(0.0, math.inf, 1.0, 100.0)


def test_a_small_gain_that_would_eat_the_budget_is_left():
    assert "of the time left" in too_dear(math.log(1.05), 8, 20.0, 300.0)
    assert too_dear(math.log(2.0), 3, 20.0, 300.0) == ""
    assert too_dear(math.log(1.05), 8, 0.1, 300.0) == ""
