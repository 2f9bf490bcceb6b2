"""Approximate Bayesian computation against posteriors that are known in closed form, and its parts one by one."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from analysis.inference import (
    EDGE,
    MISS,
    Posterior,
    Proposal,
    Recovery,
    capped,
    distances,
    expit,
    importance,
    influence,
    least_stretch,
    logit,
    noise_level,
    posterior,
    quantiles,
    recovery,
)

Float = NDArray[np.float64]

ONE = np.zeros(1, dtype=np.int64)  # one group, or the first column
SEEN, LUCK = 0.35, 0.08
"""What is observed of a normal whose mean has a flat prior on (0, 1): the posterior is that normal, cut at 0 and 1."""
TRUTH = stats.truncnorm((0.0 - SEEN) / LUCK, (1.0 - SEEN) / LUCK, SEEN, LUCK)
LEVELS = np.array([0.1, 0.5, 0.9])
CLOSEST = 50  # that a wave goes out from


def seen_at(shares: Float, rng: np.random.Generator) -> Float:
    """Return a look at each mean through the noise, (n, 1)."""
    return np.asarray(shares[:, :1] + LUCK * rng.normal(size=(len(shares), 1)))


def off(found: Posterior, column: int = 0) -> tuple[float, float, float]:
    """Return how far mean and sd (in percent) and the worst decile of an estimate are from the truth, in its sds."""
    mean = float(found.weights @ found.shares[:, column])
    sd = float(np.sqrt(found.weights @ (found.shares[:, column] - mean) ** 2))
    deciles = quantiles(found.shares[:, column], found.weights, LEVELS) - TRUTH.ppf(LEVELS)
    return abs(mean - TRUTH.mean()) / TRUTH.std(), 100 * abs(sd / TRUTH.std() - 1), np.abs(deciles).max() / TRUTH.std()


# --- against a posterior that is known -----------------------------------------------------------------


def test_rejection_does_not_find_a_known_posterior() -> None:
    """With 60,000 draws and a narrow tolerance: an error of 0.1 sd in the mean or of 8 % in the sd would be seen."""
    rng = np.random.default_rng(1)
    shares = rng.random((60_000, 2))
    gaps = (seen_at(shares, rng) - SEEN) / 0.1
    found = posterior(shares, gaps, np.ones(len(shares)), ONE, keep=2_000)
    mean, sd, decile = off(found)
    assert mean < 0.1 and sd < 8 and decile < 0.15, (mean, sd, decile)
    assert found.contraction()[0] == pytest.approx(1 - TRUTH.std() * np.sqrt(12), abs=0.03)
    assert found.contraction()[1] == pytest.approx(0.0, abs=0.05)  # nothing is told of the second
    assert found.centre()[0] == pytest.approx(TRUTH.mean(), abs=0.1 * TRUTH.std() + 0.01)


def test_the_regression_does_not_mend_a_wide_tolerance() -> None:
    """Keeping a third of 6,000 draws, rejection alone is a third too wide, and corrected within 10 %."""
    rng = np.random.default_rng(2)
    shares = rng.random((6_000, 2))
    gaps = (seen_at(shares, rng) - SEEN) / 0.2
    wide, mended = (posterior(shares, gaps, np.ones(6_000), ONE, 2_000, correct) for correct in (None, ONE))
    assert off(wide)[1] > 25
    mean, sd, _ = off(mended)
    assert mean < 0.15 and sd < 10, (mean, sd)
    assert np.array_equal(wide.shares[:, 1], mended.shares[:, 1])  # what is not fitted stays as it was drawn


def test_correction_in_logit_space_leaves_the_range() -> None:
    rng = np.random.default_rng(3)
    shares = rng.random((2_000, 1))
    gaps = (seen_at(shares, rng) + 0.3) / 0.1  # the record is beyond the prior's end
    found = posterior(shares, np.asarray(gaps), np.ones(2_000), ONE, 500, ONE)
    assert found.shares.min() > 0 and found.shares.max() < 1
    assert found.centre()[0] < 0.1


@cache
def waves(draws: int, number: int) -> tuple[Float, Float, list[Proposal], list[int]]:
    """Draw waves about what came closest of the earlier ones, as a calibration does."""
    rng = np.random.default_rng(4)
    shares, proposals, sizes = rng.random((draws, 2)), [], [draws]
    figures = seen_at(shares, rng)
    for _ in range(number - 1):
        gaps = (figures - SEEN) / 0.1
        close = posterior(shares, gaps, importance(shares, proposals, sizes), ONE, CLOSEST)
        proposals.append(Proposal.around(shares[close.rows], close.weights, ONE))
        new = proposals[-1].draw(rng.random((draws, 2)), rng)
        shares, figures = np.vstack([shares, new]), np.vstack([figures, seen_at(new, rng)])
        sizes.append(draws)
    return shares, figures, proposals, sizes


def test_two_waves_do_not_find_a_known_posterior() -> None:
    shares, figures, proposals, sizes = waves(6_000, 2)
    weights = importance(shares, proposals, sizes)
    found = posterior(shares, (figures - SEEN) / 0.1, weights, ONE, 2_000, ONE)
    mean, sd, decile = off(found)
    assert mean < 0.1 and sd < 8 and decile < 0.15, (mean, sd, decile)


def test_a_wave_forgets_what_it_was_drawn_from() -> None:
    """Without weights, draws of a second wave are taken for the prior's, and the posterior is too narrow."""
    shares, figures, *_ = waves(6_000, 4)
    found = posterior(shares, (figures - SEEN) / 0.1, np.ones(len(shares)), ONE, 2_000, ONE)
    assert off(found)[1] > 12


@pytest.mark.parametrize("number", [2, 4])
def test_weights_of_waves_change_the_prior(number: int) -> None:
    """Weighted moments of 6,000 draws a wave are those of the prior: an error of 0.02 (mean 0.5, sd 0.29) is seen."""
    shares, _, proposals, sizes = waves(6_000, number)
    assert abs(shares[:, 0].mean() - 0.5) > 0.05  # as they were drawn
    weights = importance(shares, proposals, sizes)
    share = weights / weights.sum()
    assert weights.mean() == pytest.approx(1.0, abs=0.02)
    assert share @ shares[:, 0] == pytest.approx(0.5, abs=0.02)
    assert np.sqrt(share @ (shares[:, 0] - 0.5) ** 2) == pytest.approx(12**-0.5, abs=0.02)
    assert share @ shares[:, 1] == pytest.approx(0.5, abs=0.02)
    assert weights.max() <= number  # the prior is one of the waves: no draw can count for more


def test_weights_of_several_parameters_change_the_prior() -> None:
    """Three fitted of four, two waves that go out from a corner."""
    rng, fitted = np.random.default_rng(5), np.array([0, 1, 3])
    prior = rng.random((20_000, 4))
    corner = prior[(prior[:, fitted] < 0.4).all(axis=1)][:CLOSEST]
    proposal = Proposal.around(corner, np.ones(len(corner)), fitted)
    shares = np.vstack([prior, proposal.draw(rng.random((20_000, 4)), rng)])
    weights = importance(shares, [proposal], [20_000, 20_000])
    share = weights / weights.sum()
    assert np.abs(share @ shares - 0.5).max() < 0.02
    assert np.abs((share * shares.T) @ shares - (np.full((4, 4), 0.25) + np.eye(4) / 12)).max() < 0.02


def test_the_density_of_a_proposal_is_not_one() -> None:
    """Integrate it over the square; its atoms at the ends are what is missing."""
    rng = np.random.default_rng(6)
    proposal = Proposal.around(0.3 + 0.2 * rng.random((5, 2)), np.arange(1.0, 6.0), np.array([0, 1]))
    at = (np.arange(200) + 0.5) / 200
    grid = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    assert np.exp(proposal.log_density(grid)).mean() == pytest.approx(1.0, abs=0.005)
    drawn = proposal.draw(np.zeros((20_000, 2)), rng)
    middle = (grid[:, 0] < 0.4) & (grid[:, 1] > 0.35)
    expected = np.exp(proposal.log_density(grid))[middle].sum() / len(grid)
    assert ((drawn[:, 0] < 0.4) & (drawn[:, 1] > 0.35)).mean() == pytest.approx(expected, abs=0.015)


def test_a_proposal_moves_what_is_not_fitted() -> None:
    rng = np.random.default_rng(7)
    rest = rng.random((50, 3))
    drawn = Proposal.around(rng.random((10, 3)), np.ones(10), np.array([1])).draw(rest, rng)
    assert np.array_equal(drawn[:, [0, 2]], rest[:, [0, 2]])
    assert not np.any(drawn[:, 1] == rest[:, 1])
    assert drawn.min() >= EDGE and drawn.max() <= 1 - EDGE


# --- distances -----------------------------------------------------------------------------------------


def test_a_gap_is_not_capped() -> None:
    gaps = np.array([[0.5, np.nan, -9.0, np.inf, -np.inf, 9.0]])
    assert capped(gaps).tolist() == [[0.5, MISS, -MISS, MISS, -MISS, MISS]]


def test_a_pattern_with_more_figures_counts_for_more() -> None:
    gaps = np.array([[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0], [2.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    found = distances(gaps, np.array([0, 0, 0, 1]))
    assert found[0] == found[1] == pytest.approx(np.sqrt(0.5))
    assert found[2] == pytest.approx(np.sqrt((4 / 3 + 1) / 2))
    assert found[3] == 0


def test_a_run_without_a_figure_is_nearer_than_one_that_is_off() -> None:
    assert distances(np.array([[np.nan], [2.9]]), ONE)[0] == MISS


def test_draws_that_are_not_the_closest_are_kept() -> None:
    gaps = np.array([[2.0], [0.1], [-0.2], [1.0], [0.3]])
    found = posterior(np.linspace(0.1, 0.5, 5)[:, None], gaps, np.ones(5), ONE, keep=3)
    assert found.rows.tolist() == [1, 2, 4]
    assert found.tolerance == pytest.approx(0.3)
    assert found.weights.sum() == pytest.approx(1)
    assert found.weights[0] > found.weights[1] > found.weights[2] > 0


def test_runs_that_all_hit_are_weighed_by_anything_but_their_draw() -> None:
    found = posterior(np.full((4, 1), 0.5), np.zeros((4, 1)), np.array([1.0, 2.0, 3.0, 4.0]), ONE, keep=9, correct=ONE)
    assert found.tolerance == 0
    assert found.weights.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert found.shares.ravel().tolist() == pytest.approx([0.5] * 4)
    assert found.effective == pytest.approx(1 / 0.3)


def test_the_draws_given_are_changed() -> None:
    rng = np.random.default_rng(8)
    shares, gaps = rng.random((100, 1)), rng.normal(size=(100, 1))
    before = shares.copy(), gaps.copy()
    posterior(shares, gaps, np.ones(100), ONE, 50, ONE)
    assert np.array_equal(shares, before[0]) and np.array_equal(gaps, before[1])


# --- samples and quantiles -----------------------------------------------------------------------------


def test_resampling_is_not_systematic() -> None:
    """Each draw comes as often as its weight says, to one."""
    weights = np.array([0.05, 0.5, 0.004, 0.446])
    found = Posterior(np.arange(4), weights, np.arange(4.0)[:, None] / 4, 1.0)
    for seed in range(20):
        drawn = found.resampled(97, np.random.default_rng(seed))
        counts = np.array([(drawn == value).sum() for value in found.shares[:, 0]])
        assert counts.sum() == 97
        assert np.abs(counts - 97 * weights).max() < 1


def test_rounding_of_weights_asks_for_a_draw_that_is_not_there() -> None:
    weights = np.full(10, 0.1)
    weights[-1] -= 1e-9
    drawn = Posterior(np.arange(10), weights, np.arange(10.0)[:, None], 1.0).resampled(10**6, np.random.default_rng(0))
    assert drawn[-1, 0] == 9


def test_weighted_quantiles_are_not_those_of_repeated_values() -> None:
    rng = np.random.default_rng(9)
    values, times = rng.normal(size=300), rng.integers(1, 9, 300)
    repeated = np.repeat(values, times)
    found = quantiles(values, times / times.sum(), LEVELS)
    assert np.abs(found - np.quantile(repeated, LEVELS)).max() < 0.03
    assert quantiles(values, np.ones(300), LEVELS) == pytest.approx(np.quantile(values, LEVELS, method="hazen"))
    assert quantiles(values, 7.0 * np.ones(300), LEVELS) == pytest.approx(quantiles(values, np.ones(300), LEVELS))


def test_an_interval_has_its_ends_the_wrong_way_round() -> None:
    shares = np.random.default_rng(10).random((5_000, 2))
    found = Posterior(np.arange(5_000), np.full(5_000, 1 / 5_000), shares, 1.0)
    low, high = found.interval()
    assert low == pytest.approx([0.1, 0.1], abs=0.015)
    assert high == pytest.approx([0.9, 0.9], abs=0.015)
    assert found.contraction() == pytest.approx([0.0, 0.0], abs=0.02)
    assert found.centre() == pytest.approx([0.5, 0.5], abs=0.03)
    assert found.effective == pytest.approx(5_000)


def test_logit_is_not_undone() -> None:
    shares = np.linspace(EDGE, 1 - EDGE, 11)
    assert expit(logit(shares)) == pytest.approx(shares)
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()


# --- what moves what -----------------------------------------------------------------------------------


def test_a_parameter_takes_the_credit_of_another() -> None:
    """The second is confounded with the first and does nothing; the third pulls the other way."""
    rng = np.random.default_rng(11)
    first, third = rng.random((2, 3_000))
    shares = np.column_stack([first, 0.6 * first + 0.4 * rng.random(3_000), third])
    figure = 3.0 * first - 2.0 * third + 0.3 * rng.normal(size=3_000)
    assert stats.spearmanr(shares[:, 1], figure).statistic > 0.6
    found = influence(shares, figure[:, None])[:, 0]
    assert found[0] > 0.8 and found[2] < -0.8
    assert abs(found[1]) < noise_level(3_000, 3, 3)


def test_partial_correlations_are_not_those_of_theory() -> None:
    """On a linear model of independent normals they are b / sqrt(b² + noise²) in values, and 3 % lower in ranks."""
    rng = np.random.default_rng(12)
    x = rng.normal(size=(20_000, 3))
    slopes = np.array([1.0, -0.5, 0.0])
    found = influence(x, (x @ slopes + rng.normal(size=20_000))[:, None])[:, 0]
    assert found == pytest.approx(slopes / np.sqrt(slopes**2 + 1), abs=0.05)


def test_what_no_run_has_is_moved_by_something() -> None:
    shares = np.random.default_rng(13).random((40, 3))
    assert not influence(shares, np.full((40, 2), np.nan)).any()


def test_runs_that_never_get_there_are_not_the_lowest() -> None:
    shares = np.random.default_rng(14).random((400, 2))
    figure = np.where(shares[:, 0] < 0.5, np.nan, 5.0)
    assert influence(shares, figure[:, None])[0, 0] > 0.8


def test_luck_passes_its_level_more_often_or_less_often_than_told() -> None:
    """Of 1,000 screenings of 5 parameters by 4 figures of luck, 5 % pass: 3 % or 7 % would be seen."""
    rng = np.random.default_rng(15)
    draws, parameters, figures, screenings = 60, 5, 4, 1_000
    level = noise_level(draws, parameters, parameters * figures)
    shares = rng.random((draws, parameters))
    strongest = np.abs(influence(shares, rng.random((draws, figures * screenings)))).max(axis=0)
    passed = (strongest.reshape(screenings, figures).max(axis=1) > level).mean()
    assert passed == pytest.approx(0.05, abs=0.02), passed


# --- whether known parameters are found again ----------------------------------------------------------


@cache
def recovered(correct: bool = True) -> Recovery:
    """Take a simulator whose figures tell one parameter well, another badly, and a third not at all."""
    rng = np.random.default_rng(16)
    shares = rng.random((2_000, 3))
    figures = np.column_stack([shares[:, 0], shares[:, 1]]) + rng.normal(size=(2_000, 2)) * [0.1, 0.4]
    columns = np.array([0, 1]) if correct else np.array([], dtype=np.int64)
    return recovery(
        shares, figures, np.array([0.1, 0.1]), np.ones(2_000), np.array([0, 1]), 200, np.arange(300), columns
    )


def test_known_parameters_are_not_covered_as_often_as_told() -> None:
    """Over 300 records: 73 % or 87 % in the place of 80 % would be seen (three standard errors)."""
    found = recovered()
    assert found.records == 300
    assert found.covered == pytest.approx([0.8] * 3, abs=0.07), found.covered


def test_nothing_tells_what_the_record_tells_from_what_it_does_not() -> None:
    found = recovered()
    assert found.correlation[0] > 0.9 and 0.4 < found.correlation[1] < 0.8 and abs(found.correlation[2]) < 0.2
    assert found.error[0] < 0.45 < found.error[1] < 0.9 < found.error[2] < 1.1


def test_a_parameter_of_which_the_data_say_nothing_is_told() -> None:
    rng = np.random.default_rng(17)
    shares = rng.random((4_000, 3))
    figures = np.column_stack([shares[:, 0], shares[:, 1]]) + rng.normal(size=(4_000, 2)) * [0.1, 0.4]
    gaps = (figures - 0.5) / 0.1
    found = posterior(shares, gaps, np.ones(4_000), np.array([0, 1]), 400, np.array([0, 1])).contraction()
    assert found[0] > 0.5 > found[1] > 0.05
    assert abs(found[2]) < 0.1


@cache
def too_narrow() -> Recovery:
    """Take a simulator of which few draws are kept, by many figures: the regression then knows too much."""
    rng = np.random.default_rng(18)
    shares = rng.random((400, 3))
    figures = np.column_stack([shares, rng.normal(size=(400, 6))]) + rng.normal(size=(400, 9)) * 0.3
    told = np.full(9, 0.1), np.ones(400), np.zeros(9, dtype=np.int64)
    return recovery(shares, figures, *told, 25, np.arange(150), np.arange(3))


def test_intervals_that_are_too_narrow_are_not_stretched() -> None:
    """Stretched by what the other records ask for they hold the truth as often as they say, to 3 standard errors."""
    found = too_narrow()
    assert found.covered.mean() < 0.72 and np.all(found.stretch > 1.1)
    assert found.mended == pytest.approx([0.8] * 3, abs=0.1)
    assert np.all(recovered().stretch < 1.25)  # where they are as wide as they say


def test_a_stretch_moves_the_middle_or_leaves_the_interval() -> None:
    shares = np.random.default_rng(19).random((500, 2)) * 0.3 + 0.2
    found = Posterior(np.arange(500), np.full(500, 1 / 500), shares, 1.0)
    wide = found.stretched(np.array([1.0, 2.0]))
    assert wide.centre() == pytest.approx(found.centre())
    assert wide.shares[:, 0] == pytest.approx(shares[:, 0])
    (low, high), (lower, higher) = (np.log(of / (1 - of))[:, 1] for of in (found.interval(), wide.interval()))
    assert higher - lower == pytest.approx(2 * (high - low))


def test_the_least_stretch_does_not_reach_the_truth() -> None:
    middle, low, high = np.full(3, 0.5), np.full(3, 0.4), np.full(3, 0.7)
    truth = np.array([0.4, 0.7, 0.5])
    assert least_stretch(truth, middle, low, high) == pytest.approx([1.0, 1.0, 0.0])
    assert np.all(least_stretch(np.array([0.3, 0.8, 0.6]), middle, low, high) > [1.0, 1.0, 0.0])
