"""Scores against closed forms, calibrated and wrong forecasts, and forecasters that are or are not better."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ive
from scipy.stats import poisson

from analysis import scores


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def crps_of_poisson(mean: float, y: np.ndarray) -> np.ndarray:
    """Return the closed form (Wei & Held 2014): (y - m)(2 F(y) - 1) + 2 m f(y) - m e^-2m (I0(2m) + I1(2m))."""
    tail = mean * (ive(0, 2 * mean) + ive(1, 2 * mean))
    return (y - mean) * (2 * poisson.cdf(y, mean) - 1) + 2 * mean * poisson.pmf(y, mean) - tail


@pytest.mark.parametrize("mean", [0.1, 1.0, 7.3])
def test_table_of_a_poisson_does_not_score_as_its_closed_form(mean: float) -> None:
    y = np.arange(12)
    table = np.tile(poisson.pmf(np.arange(80), mean), (12, 1))
    assert np.allclose(scores.crps_pmf(table, y), crps_of_poisson(mean, y), atol=1e-12)
    assert np.allclose(scores.log_score_pmf(table, y), -poisson.logpmf(y, mean), atol=1e-9)


@pytest.mark.parametrize("members", [2, 5, 50])
def test_fair_score_depends_on_the_number_of_members(members: int) -> None:
    """Means over 20,000 ensembles lie within 0.015 of the closed form; the plain score of two is 0.35 off."""
    ensemble, y = rng().poisson(3.0, (members, 20_000)), np.full(20_000, 4)
    expected = crps_of_poisson(3.0, np.array([4]))[0]
    assert scores.crps(ensemble, y).mean() == pytest.approx(expected, abs=0.04 if members == 2 else 0.015)
    spread = expected + (3.0 * 2 * (ive(0, 6.0) + ive(1, 6.0))) / 2 / members  # half the mean difference of two draws
    assert scores.crps(ensemble, y, fair=False).mean() == pytest.approx(spread, abs=0.04)


def test_score_is_not_that_of_all_pairs() -> None:
    x, y = rng().poisson(2.0, (30, 4)), np.array([0, 1, 2, 9])
    pairs = np.abs(x[:, None] - x[None]).sum(axis=(0, 1))
    plain = np.abs(x - y).mean(axis=0)
    assert np.allclose(scores.crps(x, y), plain - pairs / (2 * 30 * 29))
    assert np.allclose(scores.crps(x, y, fair=False), plain - pairs / (2 * 30 * 30))


def test_log_score_of_an_ensemble_is_not_that_of_its_law() -> None:
    y = rng().poisson(2.0, 1000)
    ensemble = rng(2).poisson(2.0, (1500, 1000))
    assert scores.log_score(ensemble, y).mean() == pytest.approx(-poisson.logpmf(y, 2.0).mean(), abs=0.01)


def test_what_no_member_has_costs_infinity_or_nothing() -> None:
    cost = scores.log_score(np.zeros((99, 1)), np.array([4]))
    assert cost == pytest.approx(np.log(100 * 5 * 6))


def test_smoothed_probabilities_do_not_add_up_to_one() -> None:
    counts = np.arange(200_000)
    ensemble = np.tile(rng().poisson(3, 20)[:, None], len(counts))
    assert np.exp(-scores.log_score(ensemble, counts)).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("wrong", [0.7, 1.4])
def test_a_wrong_forecast_scores_better_than_the_true_one(wrong: float) -> None:
    y = rng().poisson(3.0, 1500)
    true, false = rng(2).poisson(3.0, (200, 1500)), rng(3).poisson(3.0 * wrong, (200, 1500))
    for score in (scores.crps, scores.log_score):
        assert scores.compare(score(true, y), score(false, y), rng(), resamples=500).verdict == "first"


def test_brier_score_is_not_the_squared_error() -> None:
    assert scores.brier([0.2, 0.9], [False, True]) == pytest.approx([0.04, 0.01])


def test_interval_does_not_cover_what_it_says() -> None:
    """Uniform whole numbers up to 999, nearly continuous: 80 % and 800 wide; the error over 5,000 days is 0.006."""
    found = scores.coverage(rng().integers(0, 1000, (400, 5000)), rng(2).integers(0, 1000, 5000), 0.8)
    assert found.inside == pytest.approx(0.8, abs=0.02)
    assert found.width == pytest.approx(800, rel=0.02)
    assert found.error == pytest.approx(0.0057, abs=0.0005)


def test_interval_of_mostly_zeros_is_not_zero_to_zero() -> None:
    ensemble = np.zeros((100, 2))
    ensemble[:15, 1] = 3
    low, high = scores.central_interval(ensemble, 0.8)
    assert (low.tolist(), high.tolist()) == ([0, 0], [0, 3])


def walk(days: int, tie: float, seed: int) -> np.ndarray:
    noise, out = rng(seed).normal(size=days), np.zeros(days)
    for day in range(1, days):
        out[day] = tie * out[day - 1] + noise[day]
    return out


def test_error_of_a_difference_is_not_robust_to_autocorrelation() -> None:
    """The mean of an AR(1) of 0.7 has error 1/(1 - 0.7)/sqrt(days); independent days would give 0.42 of that."""
    errors = [
        scores.compare(walk(1000, 0.7, s), np.zeros(1000), rng(), 20, resamples=10).standard_error for s in range(30)
    ]
    assert np.mean(errors) == pytest.approx(1 / 0.3 / np.sqrt(1000), rel=0.15)
    naive = scores.compare(walk(1000, 0.7, 1), np.zeros(1000), rng(), 0, resamples=10).standard_error
    assert naive < 0.6 * np.mean(errors)


def test_forecasters_that_are_equal_are_told_apart() -> None:
    """100 pairs of tied scores at 5 %: five are expected, and 16 would show (errors for independent days give 40)."""
    found = [
        scores.compare(walk(400, 0.6, s), walk(400, 0.6, 1000 + s), rng(s), lags=12, resamples=300) for s in range(100)
    ]
    assert sum(f.p_value < 0.05 for f in found) < 16
    assert sum(f.verdict != "indistinguishable" for f in found) < 16


def test_the_better_one_is_not_named() -> None:
    found = scores.compare(walk(400, 0.3, 1), walk(400, 0.3, 2) + 1, rng())
    assert found.verdict == "first" and found.difference < 0 and found.p_value < 0.01
    assert scores.compare(walk(400, 0.3, 2) + 1, walk(400, 0.3, 1), rng()).verdict == "second"
    assert scores.compare([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], rng()).verdict == "indistinguishable"


def test_a_forecast_of_other_days_is_scored() -> None:
    with pytest.raises(ValueError, match="are needed"):
        scores.crps(np.zeros((5, 3)), np.zeros(4))
    with pytest.raises(ValueError, match="two members"):
        scores.crps(np.zeros((1, 3)), np.zeros(3))
    with pytest.raises(ValueError, match="the table ends at 1"):
        scores.crps_pmf([[0.5, 0.5]], [2])
    with pytest.raises(ValueError, match="same days"):
        scores.compare([1.0, 2.0], [1.0, 2.0], rng())
    with pytest.raises(ValueError, match="finite"):
        scores.compare([1.0, 2.0, np.inf], [1.0, 2.0, 3.0], rng())
