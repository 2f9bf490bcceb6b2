"""Power-law tails against closed forms, drawn tails of known exponent, and fits of the observed record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import zeta
from scipy.stats import chisquare

from analysis import tails

DATA = Path(__file__).parents[2] / "shared" / "data"
EVENTS, FITS = DATA / "ucdp_ged_syria_lebanon_2011_2014.csv.gz", DATA / "event_size_tail_fits.csv"
QUSAYR_BOX = (34.40, 34.62, 36.50, 36.76)  # degrees: south, north, west, east; holds the 186 events of 2013


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("alpha", "x_min"), [(1.6, 1), (2.5, 1), (2.5, 4), (4.0, 2)])
def test_drawn_sizes_do_not_follow_the_power_law(alpha: float, x_min: int) -> None:
    """Chi-squared over the first sizes and the rest: 1 % errors in a share of 0.1 would show at 100,000 draws."""
    drawn = tails.sample(rng(), 100_000, alpha, x_min)
    sizes = np.arange(x_min, x_min + 12)
    expected = sizes**-alpha / zeta(alpha, x_min)
    seen = [(drawn == size).sum() for size in sizes]
    test = chisquare([*seen, len(drawn) - sum(seen)], [*expected * len(drawn), (1 - expected.sum()) * len(drawn)])
    assert test.pvalue > 1e-3


@pytest.mark.parametrize(("alpha", "x_min"), [(1.8, 1), (2.5, 1), (2.5, 6), (3.5, 3)])
def test_fitted_exponent_is_biased_or_its_error_is_wrong(alpha: float, x_min: int) -> None:
    """200 records of 400 events: a bias of a third of a standard error, or an error 20 % off, would show."""
    generator = rng()
    found = [tails.fit(tails.sample(generator, 400, alpha, x_min), x_min) for _ in range(200)]
    off = np.array([(f.alpha - alpha) / f.standard_error for f in found])
    assert abs(off.mean()) < 0.33
    assert off.std() == pytest.approx(1, abs=0.2)


def test_exponent_is_not_where_the_likelihood_is_greatest() -> None:
    x = tails.sample(rng(), 300, 2.3, 2)
    found = tails.fit(x, 2)
    alphas = np.linspace(found.alpha - 0.01, found.alpha + 0.01, 2001)
    likelihood = -len(x) * np.log(zeta(alphas, 2)) - alphas * np.log(x).sum()
    assert alphas[likelihood.argmax()] == pytest.approx(found.alpha, abs=2e-5)


def test_distance_differs_from_one_counted_size_by_size() -> None:
    x = tails.sample(rng(2), 60, 2.2, 1)
    found = tails.fit(x, 1)
    sizes = np.arange(1, x.max() + 2)
    record = np.array([(x <= size).mean() for size in sizes])
    law = 1 - zeta(found.alpha, sizes + 1) / zeta(found.alpha, 1)
    assert found.distance == pytest.approx(np.abs(record - law).max(), abs=1e-9)


def test_x_min_is_not_found_where_the_tail_begins() -> None:
    """Below 8 sizes are even, so that no power law fits from there; the search may be off by a few sizes."""
    generator = rng()
    found = []
    for _ in range(20):
        x = np.concatenate([generator.integers(1, 8, 1000), tails.sample(generator, 500, 2.5, 8)])
        found.append(tails.fit(x))
    assert 7 <= np.median([f.x_min for f in found]) <= 10
    assert np.mean([f.alpha for f in found]) == pytest.approx(2.5, abs=0.08)


def test_error_does_not_shrink_to_that_of_the_continuous_law() -> None:
    assert tails.standard_error(2.5, 100, 1000) == pytest.approx(1.5 / 10, rel=1e-3)
    assert tails.standard_error(2.5, 100, 1) == pytest.approx(1.13 * 1.5 / 10, rel=0.01)


def test_smallest_number_of_events_misses_the_precision_asked_for() -> None:
    n = tails.smallest_n(2.5, 0.1, x_min=2)
    assert tails.standard_error(2.5, n, 2) <= 0.1 < tails.standard_error(2.5, n - 1, 2)


def test_one_round_is_said_to_tell_an_exponent() -> None:
    """Some 20 events of a round leave alpha uncertain by 0.3 or more."""
    assert tails.standard_error(2.5, 20, 2) > 0.3


def test_interval_depends_on_anything_but_the_seed() -> None:
    x = tails.sample(rng(), 200, 2.5, 1)
    assert tails.interval(x, rng(5), resamples=30) == tails.interval(x, rng(5), resamples=30)


def test_interval_at_a_known_start_is_not_as_wide_as_theory_has_it() -> None:
    x = tails.sample(rng(), 1000, 2.5, 1)
    found, fit = tails.interval(x, rng(), resamples=300, x_min=1), tails.fit(x, 1)
    assert found.low < fit.alpha < found.high
    assert (found.high - found.low) == pytest.approx(2 * 1.96 * fit.standard_error, rel=0.25)


def test_power_law_is_rejected_where_it_holds_or_kept_where_it_does_not() -> None:
    power = tails.sample(rng(), 500, 2.5, 1)
    bounded = rng().integers(1, 40, 2000)
    assert tails.goodness_of_fit(power, rng(), resamples=60, x_min=1) > 0.1
    assert tails.goodness_of_fit(bounded, rng(), resamples=60, x_min=1) < 0.05


def test_lognormal_is_not_told_from_a_power_law() -> None:
    """Sizes of a lognormal that bends within the record; the power law is the lognormal's limit and cannot win."""
    bent = np.maximum(1, np.round(np.exp(rng().normal(1.5, 0.8, 3000))))
    found = tails.against_lognormal(bent, tails.fit(bent, 1))
    assert found.verdict == "lognormal"
    assert (found.mu, found.sigma) == (pytest.approx(1.5, abs=0.06), pytest.approx(0.8, abs=0.05))
    power = tails.sample(rng(), 2000, 2.5, 1)
    assert tails.against_lognormal(power, tails.fit(power, 1)).verdict == "undecided"


def test_lognormal_probabilities_do_not_add_up() -> None:
    sizes = np.arange(3, 200_000).astype(float)
    assert np.exp(tails._log_lognormal(sizes, 1.0, 1.2, 3)).sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("sizes", [[0, 1, 2], [1.5, 2], [-1, 3], [[1, 2]]])
def test_sizes_that_are_none_are_taken(sizes: list[float]) -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        tails.fit(sizes)


@pytest.mark.parametrize("sizes", [[], [1, 2, 3], [2] * 50])
def test_tail_is_fitted_where_there_is_none(sizes: list[int]) -> None:
    with pytest.raises(tails.NoTail):
        tails.fit(np.array(sizes, dtype=int))


def observed(name: str) -> tuple[np.ndarray, pd.Series]:
    if not EVENTS.exists():
        pytest.skip("the observed events (shared/data) are not here")
    events = pd.read_csv(EVENTS)
    known = pd.read_csv(FITS).set_index("series").loc[name]
    events = events[events["year"] == 2013]
    if name.startswith("GED Qusayr"):
        south, north, west, east = QUSAYR_BOX
        events = events[events["latitude"].between(south, north) & events["longitude"].between(west, east)]
    else:
        events = events[(events["where_prec"] <= 3) & (events["country"] == "Syria")]
    return events["deaths_total"].to_numpy(), known


@pytest.mark.parametrize("name", ["GED Qusayr area 2013", "GED Syria 2013 where_prec<=3 (town/district)"])
def test_observed_tail_is_not_fitted_as_it_was_before(name: str) -> None:
    sizes, known = observed(name)
    found = tails.fit(sizes)
    assert (found.n, found.x_min, found.n_tail) == (known["n"], known["xmin"], known["n_tail"])
    assert found.alpha == pytest.approx(known["alpha"], abs=1e-3)
    assert found.distance == pytest.approx(known["KS"], abs=1e-3)
    assert tails.against_lognormal(sizes, found).verdict == "undecided"


@pytest.mark.verify
def test_interval_with_an_unknown_start_covers_too_little() -> None:
    """150 records of 300 events: nominal 95 %, and 80 % or less would show."""
    generator = rng()
    inside = 0
    for _ in range(150):
        x = np.concatenate([generator.integers(1, 5, 300), tails.sample(generator, 300, 2.5, 5)])
        found = tails.interval(x, generator, resamples=200)
        inside += found.low <= 2.5 <= found.high
    assert inside / 150 > 0.85


@pytest.mark.verify
def test_goodness_of_fit_rejects_true_power_laws_too_often() -> None:
    """p is uniform where the law holds: at most 10 % below 0.1, give or take 3 % (100 records)."""
    generator = rng()
    p = [tails.goodness_of_fit(tails.sample(generator, 300, 2.5, 1), generator, resamples=100) for _ in range(100)]
    assert np.mean(np.array(p) < 0.1) < 0.2
    assert 0.35 < np.mean(p) < 0.65
