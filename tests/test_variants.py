"""The shipped variants do to the base scenario what they say, seed by seed.

Each claim is tested on paired seeds: the same luck with and without the change. A one-sided sign
over all of n seeds has probability 2^-n by chance: 12 % with the three seeds used here. That the
differences are also large against their spread is checked under `verify`, where a difference of one
standard error over 20 seeds would be seen nine times in ten.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

import sim
import sim.scenario
from sim.scenario import Scenario, shipped

SEEDS = (1, 2, 3)
DAYS_TO_THE_ASSAULT = 14
HOUR_OF_SEAL = 72


@cache
def series(name: str, seed: int, days: float, measure: str, place: str, faction: str = "") -> NDArray[np.float64]:
    """Return an hourly measure of one run, added up over whoever else it is kept by."""
    record = run(name, seed, days).record
    chosen = [
        i
        for i, s in enumerate(record.series)
        if s.measure == measure and s.place == place and (not faction or s.faction == faction)
    ]
    assert chosen, f"{name} records no {measure} in {place}"
    return record.values[:, chosen].sum(axis=1)


@cache
def run(name: str, seed: int, days: float) -> sim.Result:
    return sim.run(name, seed=seed, days=days, threads=1)


def hurt_in_tripoli(name: str, seed: int, days: float) -> float:
    return sum(float(series(name, seed, days, m, "tripoli").sum()) for m in ("killed", "wounded"))


@pytest.mark.parametrize("seed", SEEDS)
def test_sealed_border_empties_the_stock_at_qusayr_slowly_and_not_at_once(seed: int) -> None:
    open_road = series("qusayr-2013", seed, 14, "stock", "qusayr", "rebels")
    sealed = series("corridor-cut", seed, 14, "stock", "qusayr", "rebels")
    assert np.array_equal(open_road[:HOUR_OF_SEAL], sealed[:HOUR_OF_SEAL])
    an_hour_later, ten_days_later = HOUR_OF_SEAL + 1, HOUR_OF_SEAL + 240
    assert sealed[an_hour_later] > 0.98 * open_road[an_hour_later]
    assert sealed[ten_days_later] < 0.9 * open_road[ten_days_later]
    assert sealed.min() > 0


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_strike_that_hits_destroys_missiles_and_one_that_misses_does_not(seed: int) -> None:
    hit, missed = (series(n, seed, 22, "missiles_destroyed", "baalbek")[-1] for n in STRIKES)
    assert hit > missed
    on_the_way = [series(n, seed, 22, "missiles_on_the_way", "baalbek")[-1] for n in STRIKES]
    arrived = [series(n, seed, 22, "missiles_arrived", "baalbek")[-1] for n in STRIKES]
    assert arrived[0] + on_the_way[0] < arrived[1] + on_the_way[1]


STRIKES = ("missile-strike", "missile-strike-misses")


def test_what_is_destroyed_never_arrives() -> None:
    for name in STRIKES:
        left, there, gone = (
            series(name, 1, 22, m, "baalbek") for m in ("missiles_on_the_way", "missiles_arrived", "missiles_destroyed")
        )
        assert (left + there + gone == 100).all()
        assert (np.diff(gone) >= 0).all()


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_conference_with_default_effect_changes_nothing(seed: int) -> None:
    base, talks = run("qusayr-2013", seed, 24), run("geneva-conference", seed, 24)
    assert np.array_equal(base.record.values, talks.record.values)


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_anticipation_takes_ground_sooner_or_costs_more(seed: int) -> None:
    before = series("geneva-conference", seed, 15, "control", "qusayr", "government")
    eager = series("geneva-anticipation", seed, 15, "control", "qusayr", "government")
    first_hours = DAYS_TO_THE_ASSAULT * 24 + 12
    assert eager[first_hours] > before[first_hours]


def test_cordon_lowers_casualties_in_tripoli_on_every_seed() -> None:
    assert all(hurt_in_tripoli("tripoli-cordon", s, 17) < hurt_in_tripoli("qusayr-2013", s, 17) for s in SEEDS)


def test_offensive_raises_casualties_in_tripoli_on_every_seed() -> None:
    assert all(hurt_in_tripoli("no-offensive", s, 17) < hurt_in_tripoli("qusayr-2013", s, 17) for s in SEEDS)


def test_without_hezbollah_the_advance_is_slower_on_every_seed() -> None:
    def held(name: str, seed: int) -> float:
        return float(series(name, seed, 17, "control", "qusayr", "government")[-1])

    assert all(held("no-hezbollah", s) < held("qusayr-2013", s) - 0.01 for s in SEEDS)


def test_escalation_is_answered_only_where_it_is_switched_on() -> None:
    def answers(name: str) -> int:
        return sum(what == "answer" for _, what, _ in run(name, 1, 12).record.happened)

    assert answers("golan-escalation") > 0
    assert answers("qusayr-2013") == 0


def test_foreign_surge_brings_its_fighters() -> None:
    surge, base = (series(n, 1, 17, "fighters", "qusayr", "hezbollah") for n in ("foreign-surge", "qusayr-2013"))
    two_days_on = (DAYS_TO_THE_ASSAULT + 2) * 24 + 1
    assert surge[two_days_on] - base[two_days_on] > 500


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_scenario_tells_its_story_and_runs(name: str) -> None:
    scenario = Scenario.load(name)
    assert len(sim.scenario.tell(scenario)) > 1000
    result = sim.run(name, seed=3, days=1, threads=1)
    assert result.complete and np.isfinite(result.record.values).all()


@pytest.mark.verify
@pytest.mark.parametrize(
    ("variant", "sign"), [("no-offensive", -1), ("tripoli-cordon", -1), ("no-hezbollah", 1)]
)  # fmt: skip
def test_differences_are_large_against_their_spread_over_twenty_seeds(variant: str, sign: int) -> None:
    days = 20
    if variant == "no-hezbollah":
        pairs = [
            [float(series(n, s, days, "control", "qusayr", "government")[-1]) for n in ("qusayr-2013", variant)]
            for s in range(1, 21)
        ]
        gaps = np.array([base - other for base, other in pairs])
    else:
        gaps = np.array(
            [hurt_in_tripoli(variant, s, days) - hurt_in_tripoli("qusayr-2013", s, days) for s in range(1, 21)]
        )
    error = gaps.std(ddof=1) / np.sqrt(len(gaps))
    assert sign * gaps.mean() > 3 * error
