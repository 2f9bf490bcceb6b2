"""Baselines: fitted parameters against known ones, and paths that keep to what each baseline says it does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nbinom

from analysis import baselines

RECORD = Path(__file__).parents[1] / "scenarios" / "data" / "tripoli_rounds_2011_2013.csv"


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def dates(days: int) -> np.ndarray:
    return np.datetime64("2012-01-01") + np.arange(days)


def with_rounds(days: int, *found: tuple[int, list[int]]) -> np.ndarray:
    counts = np.zeros(days, np.int64)
    for first, killed in found:
        counts[first : first + len(killed)] = killed
    return counts


TWO_ROUNDS = with_rounds(60, (5, [2, 0, 1]), (20, [4, 0, 0, 3, 1]))
"""Rounds of 3 and 5 days, 12 quiet days between them, 35 after."""


@pytest.mark.parametrize("name", list(baselines.BASELINES))
def test_a_baseline_is_not_like_the_others(name: str) -> None:
    """The common interface: shapes, whole numbers, deaths only on fighting days, the same seed the same paths."""
    covariate = rng().poisson(50, 60)
    fighting = TWO_ROUNDS > 0
    fighting[40] = True
    forecaster = baselines.BASELINES[name](TWO_ROUNDS, dates(60), covariate, fighting)
    paths = forecaster.sample(25, 40, rng(), covariate[:25])
    again = forecaster.sample(25, 40, rng(), covariate[:25])
    assert forecaster.name
    assert paths.killed.shape == paths.fighting.shape == (40, 25)
    assert paths.killed.dtype == np.int64 and paths.fighting.dtype == np.bool_
    assert paths.killed.min() >= 0
    assert paths.fighting[paths.killed > 0].all()
    assert np.array_equal(paths.killed, again.killed) and np.array_equal(paths.fighting, again.fighting)


def test_constant_rate_is_not_the_mean_of_the_record() -> None:
    forecaster = baselines.constant_rate(TWO_ROUNDS, dates(60))
    assert forecaster.killed_per_day == pytest.approx(11 / 60)
    paths = forecaster.sample(300, 300, rng())
    assert paths.killed.mean() == pytest.approx(11 / 60, abs=0.006)
    assert paths.fighting.mean() == pytest.approx(1 - np.exp(-11 / 60), abs=0.006)


def test_days_of_fighting_without_a_death_are_lost() -> None:
    """12 of the record's 55 days without a death saw fighting."""
    fighting = (TWO_ROUNDS > 0) | (np.arange(60) >= 48)
    paths = baselines.constant_rate(TWO_ROUNDS, dates(60), fighting=fighting).sample(300, 300, rng())
    assert paths.fighting[paths.killed == 0].mean() == pytest.approx(12 / 55, abs=0.01)


def test_last_round_is_not_replayed_day_for_day() -> None:
    paths = baselines.same_as_last_round(TWO_ROUNDS, dates(60)).sample(100, 50, rng())
    for killed, fighting in zip(*paths, strict=True):
        first = int(np.flatnonzero(killed)[0])
        assert killed[first : first + 5].tolist() == [4, 0, 0, 3, 1]
        assert fighting[first : first + 5].tolist() == [True, False, False, True, True]
        assert killed[first + 5 : first + 17].sum() == 0  # the one gap there was
        assert killed[first + 17] == 4


def test_first_gap_forgets_the_quiet_already_kept() -> None:
    """Gaps of 10 and 50 quiet days, and 20 kept at the origin: the next round begins after 30 more."""
    counts = with_rounds(100, (0, [1]), (11, [1]), (62, [2]))[:83]
    paths = baselines.same_as_last_round(counts, dates(83)).sample(60, 30, rng())
    assert (paths.killed[:, :30] == 0).all() and (paths.killed[:, 30] == 2).all()


def test_quiet_longer_than_any_gap_has_no_end() -> None:
    paths = baselines.same_as_last_round(TWO_ROUNDS, dates(60)).sample(30, 5, rng())
    assert (paths.killed[:, :12] == 0).all() and (paths.killed[:, 12] == 4).all()


def test_round_that_goes_on_begins_anew() -> None:
    """It has lasted two days at the origin: the third to fifth day of the last finished one follow, then a gap."""
    counts = with_rounds(60, (5, [2]), (20, [4, 0, 0, 3, 1]), (58, [9, 9]))
    paths = baselines.same_as_last_round(counts, dates(60)).sample(60, 40, rng())
    assert (paths.killed[:, :3] == [0, 3, 1]).all()
    gaps = {int(np.flatnonzero(k[3:])[0]) for k in paths.killed}
    assert gaps == {14, 33}


def test_one_round_is_enough_to_draw_gaps_from() -> None:
    with pytest.raises(ValueError, match="two rounds"):
        baselines.same_as_last_round(with_rounds(40, (5, [1, 2])), dates(40))


def driven(days: int = 3000, elasticity: float = 0.8, size: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Counts whose mean is 0.05 (1 + x)^elasticity, x the mean covariate of the seven days before."""
    generator = rng()
    covariate = generator.poisson(40 * np.exp(np.sin(np.arange(days) / 40)))
    before = np.array([covariate[max(0, d - 7) : d].mean() if d else 0 for d in range(days)])
    mean = 0.05 * (1 + before) ** elasticity
    return generator.poisson(generator.gamma(size, mean / size)), covariate


def test_known_elasticity_is_not_recovered() -> None:
    """Over 3,000 days the elasticity is known to about 0.04 and the size to 0.03."""
    counts, covariate = driven()
    found = baselines.driven_by_covariate(counts, dates(3000), covariate)
    assert found.elasticity == pytest.approx(0.8, abs=0.15)
    assert found.level == pytest.approx(np.log(0.05), abs=0.5)
    assert found.size == pytest.approx(0.6, abs=0.1)


def test_likelihood_of_the_regression_is_not_the_greatest_or_not_right() -> None:
    counts, covariate = driven(400)
    found = baselines.driven_by_covariate(counts, dates(400), covariate)

    def likelihood(level: float, elasticity: float, size: float) -> float:
        before = np.array([covariate[d - 7 : d].mean() for d in range(7, 400)])
        mean = np.exp(level) * (1 + before) ** elasticity
        return float(nbinom(size, size / (size + mean)).logpmf(counts[7:]).sum())

    best = (found.level, found.elasticity, found.size)
    assert found.log_likelihood == pytest.approx(likelihood(*best), abs=1e-6)
    for i in range(3):
        for step in (-0.05, 0.05):
            moved = list(best)
            moved[i] += step
            assert likelihood(*moved) < found.log_likelihood


def test_forecast_does_not_follow_the_covariate_of_the_week_before() -> None:
    """The first day sees the record's last week alone, the eighth the first seven forecast days."""
    counts, covariate = driven()
    found = baselines.driven_by_covariate(counts, dates(3000), covariate)
    after = np.zeros(20)
    after[3:10] = 400.0
    mean = found.sample(20, 20_000, rng(), after).killed.mean(axis=0)
    expected = [np.exp(found.level) * (1 + x) ** found.elasticity for x in (covariate[-7:].mean(), 400.0, 0.0)]
    assert mean[[0, 10, 17]] == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("covariate", [None, [1.0] * 59, [np.nan] * 60, [-1.0] * 60])
def test_covariate_that_is_none_is_taken(covariate: list[float] | None) -> None:
    with pytest.raises(ValueError, match="covariate"):
        baselines.driven_by_covariate(TWO_ROUNDS, dates(60), covariate)


def excited(days: int = 600) -> np.ndarray:
    """Counts of mean 0.5, half of which follow one another with a memory of two days."""
    generator, felt = rng(), 0.0
    counts = np.zeros(days, np.int64)
    for day in range(days):
        counts[day] = generator.poisson(0.25 + 0.5 * felt)
        felt = felt * np.exp(-0.5) + (1 - np.exp(-0.5)) * counts[day]
    return counts


def test_hawkes_forecast_does_not_remember_the_last_days_or_settles_elsewhere() -> None:
    """More follows a burst than quiet; from day 100 on both are back at the record's mean (known to 0.01)."""
    quiet = np.concatenate([excited(), np.zeros(10, np.int64)])
    burst = np.concatenate([excited(), [0] * 7, [6, 8, 7]])
    forecasts = [
        baselines.self_exciting(c, dates(len(c))).sample(200, 1000, rng()).killed.mean(axis=0) for c in (quiet, burst)
    ]
    assert forecasts[1][0] > 3 * forecasts[0][0]
    for record, forecast in zip((quiet, burst), forecasts, strict=True):
        assert forecast[100:].mean() == pytest.approx(record.mean(), rel=0.1)


def test_hawkes_forecast_of_rounds_that_are_no_such_process_runs_away() -> None:
    """Rounds all alike every 40 days: the likelihood alone puts the long-run mean at 9 a day instead of 0.3."""
    alike = with_rounds(400, *((d, [1, 3, 2, 4, 1, 1]) for d in range(10, 380, 40)))
    found = baselines.self_exciting(alike, dates(400)).found
    assert found.background / (1 - found.branching) == pytest.approx(alike.mean())


def test_records_that_are_none_are_fitted() -> None:
    with pytest.raises(ValueError, match="day by day"):
        baselines.constant_rate([1, 2], ["2012-01-01", "2012-01-03"])
    with pytest.raises(ValueError, match="same days"):
        baselines.constant_rate([1, 2], ["2012-01-01"])
    with pytest.raises(ValueError, match="whole numbers"):
        baselines.constant_rate([1, -2], dates(2))


def test_totals_of_rounds_are_not_spread_over_their_days() -> None:
    counts, days, fighting = baselines.days_of_rounds(
        ["2012-01-03", "2012-01-09"], ["2012-01-05", "2012-01-09"], [8, 0], "2012-01-01", "2012-01-10"
    )
    assert counts.tolist() == [0, 0, 3, 3, 2, 0, 0, 0, 0, 0]
    assert np.flatnonzero(fighting).tolist() == [2, 3, 4, 8]
    assert days[0] == np.datetime64("2012-01-01") and len(days) == 10
    with pytest.raises(ValueError, match="does not lie within"):
        baselines.days_of_rounds(["2012-01-03"], ["2012-01-12"], [8], "2012-01-01", "2012-01-10")


def test_tripoli_makes_other_rounds_than_the_record() -> None:
    """Ten rounds up to March 2013, 69 days from end to start on average (68 quiet ones in between)."""
    table = pd.read_csv(RECORD)
    table = table[table["type"] == "clash"]
    counts, days, fighting = baselines.days_of_rounds(
        table["start"], table["end"], table["killed_low"], "2011-06-01", "2013-05-18"
    )
    record = baselines.Record.of(counts, days, fighting)
    found = baselines.Rounds.of(record)
    assert len(found.first) == 10
    assert found.gaps.mean() == pytest.approx(68, abs=1)
    last = baselines.same_as_last_round(counts, days, fighting=fighting)
    assert len(last.killed) == 4 and last.killed.sum() == 12 and last.into is None
