"""Bursts, memory and correlation in time against closed forms and series of known ties."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import timing


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_clock_is_not_the_least_bursty() -> None:
    assert timing.burstiness(np.full(20, 3.0)) == -1


@pytest.mark.parametrize("n", [3, 10, 100])
def test_one_single_burst_is_not_the_most_bursty_there_is(n: int) -> None:
    waits = np.zeros(n)
    waits[0] = 7.0
    assert timing.burstiness(waits) == pytest.approx(1)


@pytest.mark.parametrize("n", [5, 10, 40])
def test_few_random_waits_look_bursty_or_even(n: int) -> None:
    """Uncorrected the mean is clearly below zero; corrected it is within 0.06 (2,000 records, error 0.006 or less)."""
    waits = rng().exponential(3.0, (2000, n))
    ratios = waits.std(axis=1) / waits.mean(axis=1)
    plain = np.mean((ratios - 1) / (ratios + 1))
    corrected = np.mean([timing.burstiness(w) for w in waits])
    assert plain < corrected - 0.01
    assert abs(corrected) < 0.06


def test_bursty_waits_do_not_look_bursty() -> None:
    """Log-normal waits of sigma 1.5 have s/m = sqrt(exp(2.25) - 1) = 2.91, so B = 0.49."""
    assert timing.burstiness(rng().lognormal(0, 1.5, 200_000)) == pytest.approx(0.49, abs=0.04)


def test_memory_is_not_that_of_the_waits() -> None:
    generator = rng()
    x = np.zeros(20_000)
    for i in range(1, len(x)):
        x[i] = 0.4 * x[i - 1] + generator.normal()
    assert timing.memory(x) == pytest.approx(0.4, abs=0.03)
    assert timing.memory(generator.permutation(x)) == pytest.approx(0, abs=0.03)
    assert timing.memory([1, 2, 1, 2, 1, 2]) == pytest.approx(-1)


def test_fano_factor_is_not_that_of_the_counts() -> None:
    """Poisson 1; negative binomial of mean 2 and size 1 has 1 + 2/1 = 3; sums over a week of independent days too."""
    generator = rng()
    assert timing.fano(generator.poisson(2, 50_000)) == pytest.approx(1, abs=0.03)
    burst = generator.negative_binomial(1, 1 / 3, 70_000)
    assert timing.fano(burst) == pytest.approx(3, abs=0.15)
    assert timing.fano(burst, window=7) == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize(
    "value",
    [
        timing.burstiness([1.0]),
        timing.burstiness([0.0, 0.0]),
        timing.memory([1.0, 2.0]),
        timing.memory([1.0, 1.0, 1.0, 1.0]),
        timing.fano([0, 0, 0]),
        timing.fano([1, 2], window=2),
        timing.correlation([1.0, 2.0, np.nan], [1.0, 3.0, 4.0]),
        timing.autocorrelation([1.0, 2.0, 3.0]),
    ],
)
def test_something_is_said_of_too_little(value: float) -> None:
    assert np.isnan(value)


def test_days_without_data_count_as_days_without_deaths() -> None:
    x, y = rng().poisson(3, (2, 300)).astype(float)
    assert timing.correlation(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    for lag in (1, 5):
        assert timing.autocorrelation(x, lag) == pytest.approx(np.corrcoef(x[:-lag], x[lag:])[0, 1])
    x[100] = np.nan
    known = [day for day in range(299) if day not in (99, 100)]
    assert timing.autocorrelation(x) == pytest.approx(np.corrcoef(x[known], x[[day + 1 for day in known]])[0, 1])


def pair(days: int = 400, tie: float = 0.0, seed: int = 1, swell: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Two series that come in swells; the second follows the first after three days as strongly as `tie`."""
    generator = rng(seed)

    def level() -> np.ndarray:
        noise = generator.normal(0, 1.5, days + swell - 1)
        return np.exp(np.convolve(noise, np.ones(swell), "valid") / np.sqrt(swell) / 1.5)

    first = generator.poisson(level())
    return first, generator.poisson(level() + tie * np.roll(first, 3))


def test_who_leads_is_told_the_wrong_way_round() -> None:
    first, second = pair(tie=3.0)
    lags = np.arange(-7, 8)
    found = timing.cross_correlation(first, second, lags, rng(), shifts=199)
    assert lags[found.value.argmax()] == 3
    assert found.distinguishable
    assert found.value[lags == 3] > found.high[lags == 3]
    assert np.allclose(timing.lagged_correlation(second, first, -lags), found.value)


def test_swells_that_have_nothing_to_do_with_each_other_pass_for_a_tie() -> None:
    """60 pairs at the level 0.95: 3 expected, 10 would be a bad band. Bands for independent days fail here."""
    lags = np.arange(-3, 4)
    found = [timing.cross_correlation(*pair(300, seed=s, swell=20), lags, rng(s), shifts=99) for s in range(60)]
    assert sum(f.distinguishable for f in found) < 10
    independent = 2.7 / np.sqrt(300)  # seven lags together at 5 %
    assert np.mean([np.abs(f.value).max() > independent for f in found]) > 0.2


def test_a_surge_that_both_share_passes_for_a_tie_under_short_shifts() -> None:
    """Both follow one surge of about 60 days and nothing else; only shifts much shorter than it keep it in the band."""
    surge = 1 + 4 * np.exp(-(((np.arange(365) - 180) / 60) ** 2))
    passed = {10: 0, 182: 0}
    for seed in range(20):
        a, b = rng(seed).poisson(surge), rng(seed + 999).poisson(surge)
        for farthest in passed:
            passed[farthest] += timing.cross_correlation(a, b, [0, 1], rng(seed), 99, farthest=farthest).distinguishable
    assert passed[10] <= 5
    assert passed[182] >= 10


@pytest.mark.parametrize("farthest", [2, 300])
def test_shifts_that_do_not_fit_are_made_all_the_same(farthest: int) -> None:
    first, second = pair(200)
    with pytest.raises(ValueError, match="do not fit"):
        timing.cross_correlation(first, second, [0, 5], rng(), farthest=farthest)


def test_series_of_different_days_are_correlated() -> None:
    with pytest.raises(ValueError, match="same days"):
        timing.lagged_correlation([1, 2, 3], [1, 2], [0])
