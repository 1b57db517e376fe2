"""What pairs say, as properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import ProblemError
from holdfast.core.measure import (
    Noise,
    breaches,
    check_means,
    evidence,
    express,
    interval,
    null_noise,
    pair_effect,
    parse_bound,
    residual_noise,
    resolve_limits,
)
from holdfast.core.problem import Check, Metric
from holdfast.core.records import Limit

scores = st.floats(1e-3, 1e3)
effects = st.lists(st.floats(-2, 2).map(lambda x: round(x, 6)), min_size=2, max_size=12)
metrics = st.builds(
    Metric, goal=st.sampled_from(["minimize", "maximize"]), scale=st.sampled_from(["ratio", "difference"])
)
noises = st.builds(Noise, st.floats(1e-6, 1.0), st.floats(1.0, 10.0))


@given(scores, scores, metrics)
def test_swapping_the_sides_flips_the_effect(a, b, metric):
    assert pair_effect(a, b, metric) == pytest.approx(-pair_effect(b, a, metric))


@given(scores, scores, st.floats(0.01, 100), st.sampled_from(["minimize", "maximize"]))
def test_scaling_both_sides_changes_nothing_on_the_ratio_scale(a, b, factor, goal):
    metric = Metric(goal=goal, scale="ratio")
    assert pair_effect(a * factor, b * factor, metric) == pytest.approx(pair_effect(a, b, metric), abs=1e-9)


def test_less_is_better_when_minimizing():
    assert express(pair_effect(5.0, 10.0, Metric()), "ratio") == pytest.approx(2.0)
    assert pair_effect(5.0, 10.0, Metric(goal="maximize", scale="difference")) == -5.0


@pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (1.0, -1.0), (None, 1.0), (1.0, None)])
def test_where_there_is_nothing_to_compare_there_is_no_effect(a, b):
    assert pair_effect(a, b, Metric()) is None


@given(effects, noises, st.randoms())
def test_the_order_of_a_fixed_set_of_pairs_does_not_matter(values, history, random):
    shuffled = values[:]
    random.shuffle(shuffled)
    assert evidence(shuffled, history) == pytest.approx(evidence(values, history), rel=1e-6)


@given(effects, noises, st.floats(1.0, 50.0))
def test_evidence_does_not_depend_on_the_unit(values, history, unit):
    scaled = Noise(history.squares * unit**2, history.freedom)
    assert evidence([v * unit for v in values], scaled) == pytest.approx(evidence(values, history), rel=1e-6)


@given(st.floats(0.05, 2.0), st.integers(3, 10), noises)
def test_more_equal_pairs_of_a_clear_gain_never_weaken_the_evidence(gain, pairs, history):
    assert evidence([gain] * (pairs + 1), history) >= evidence([gain] * pairs, history) * 0.999 or gain < 0.2


def test_losses_earn_no_evidence():
    assert evidence([-0.1, -0.2, -0.15], Noise(0.001, 3)) < 1
    assert evidence([], Noise(0.001, 3)) <= 1


def test_evidence_is_an_e_value_under_the_null():
    """Its mean without any effect is at most one, whichever noise history came before, within Monte Carlo error."""
    rng = np.random.default_rng(7)
    values = [evidence(rng.normal(size=5), null_noise(rng.normal(size=3))) for _ in range(3000)]
    assert np.mean([min(value, 1000.0) for value in values]) < 1.15
    assert np.mean(np.array(values) >= 20) <= 0.05


def test_evidence_under_optional_stopping():
    """Stopping at the best of ten looks crosses 1/alpha in at most alpha of the null paths."""
    rng = np.random.default_rng(8)
    crossed = 0
    for _ in range(400):
        path, history = rng.normal(size=10), null_noise(rng.normal(size=3))
        crossed += any(evidence(path[:n], history) >= 20 for n in range(1, 11))
    assert crossed <= 400 * 0.05 + 3 * math.sqrt(400 * 0.05 * 0.95)


@given(effects)
def test_the_interval_holds_the_mean_and_narrows_with_history(values):
    mean, low, high = interval(values, Noise())
    assert low <= mean <= high
    assert mean == pytest.approx(float(np.mean(values)))


def test_nothing_known_is_an_infinite_interval():
    assert interval([0.5], Noise()) == (0.5, -math.inf, math.inf)
    assert math.isfinite(express(math.inf, "ratio"))
    assert math.isfinite(express(-math.inf, "difference"))


def test_coverage_of_the_interval():
    rng = np.random.default_rng(9)
    covered = 0
    for _ in range(2000):
        _, low, high = interval(rng.normal(0.7, 0.1, size=5), Noise())
        covered += low <= 0.7 <= high
    assert abs(covered / 2000 - 0.95) < 3 * math.sqrt(0.05 * 0.95 / 2000)


@given(noises, st.floats(0.5, 20))
def test_the_cap_keeps_the_spread_and_limits_the_trust(noise, cap):
    capped = noise.capped(cap)
    assert capped.sigma == pytest.approx(noise.sigma)
    assert capped.freedom <= max(cap, 0) or noise.freedom <= cap


def test_identical_pairs_are_never_believed_noiseless():
    assert residual_noise([0.0, 0.0, 0.0]).at_least(0.01).sigma == pytest.approx(0.01)


@given(st.floats(-100, 100).map(lambda x: round(x, 3)))
def test_bounds_read_back(number):
    assert parse_bound(number) == (0.0, number)
    assert parse_bound(f"baseline * {number!r}") == (number, 0.0)
    assert parse_bound(f"baseline + {number!r}") == (1.0, number)
    assert parse_bound("baseline") == (1.0, 0.0)


@pytest.mark.parametrize(
    "text", ["", "baseline *", "baseline ** 2", "2 * baseline", "__import__('os')", "baseline * x"]
)
def test_unreadable_bounds_are_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_bound(text)


def test_limits_come_from_the_baseline_and_bind_on_the_right_side():
    checks = {"loss": Check(max="baseline * 1.01"), "accuracy": Check(min=0.9)}
    limits = resolve_limits(checks, {"loss": 2.0, "accuracy": 0.95})
    assert limits == (Limit("loss", "max", 2.02), Limit("accuracy", "min", 0.9))
    assert breaches({"loss": 2.01, "accuracy": 0.91}, limits) == ""
    assert "loss" in breaches({"loss": 2.03, "accuracy": 0.91}, limits)
    assert "not graded" in breaches({"loss": 2.0}, limits)
    with pytest.raises(ProblemError, match="grader returned loss"):
        resolve_limits({"lost": Check(max="baseline")}, {"loss": 2.0})


def test_a_check_needs_its_bound_inside_not_its_mean():
    limits = (Limit("loss", "max", 2.02),)
    known = {"loss": Noise(0.01**2 * 2, 2.0)}
    (tight,) = check_means([{"loss": 2.019}] * 3, limits, known)
    assert tight.mean < 2.02
    assert not tight.holds
    assert tight.side == "max"
    (clear,) = check_means([{"loss": 1.98}] * 3, limits, known)
    assert clear.holds
    (missing,) = check_means([{"loss": 1.0}, {}], limits, known)
    assert not missing.holds
    noisy = [{"loss": 2.0 + 0.04 * (-1) ** n} for n in range(4)]
    (wide,) = check_means(noisy, limits, known)
    (alone,) = check_means(noisy, limits, {})
    assert wide.bound == alone.bound, "a quiet baseline does not narrow a noisy candidate's bound"
