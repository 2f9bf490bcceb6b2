"""Spillover from incidents alone: made-up records of which the truth is known, and what it says of a run."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from analysis.spillover_index import Index, daily_incidents, index, index_of, knots_of
from sim.cli import Commands
from sim.runs import run
from sim.scenario import Scenario

app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
app.command("index")(index)


@app.callback()
def _together() -> None: ...


def called(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["index", *arguments], catch_exceptions=False)


def swell(days: int) -> Any:
    """Return a rate that rises and falls twice, by a factor of five."""
    day = np.arange(days)
    return 1.0 + 4.0 * np.exp(-(((day - 0.3 * days) / 45.0) ** 2)) + 3.0 * np.exp(-(((day - 0.75 * days) / 55.0) ** 2))


def record(days: int, n: Any, seed: int, background: Any = 1.0, memory: float = 1.0) -> Any:
    """Simulate counts (days, 2) in which an incident in place j is followed by n[i][j] in place i."""
    rng = np.random.default_rng(seed)
    counts, felt, decay = np.zeros((days, 2), np.int64), np.zeros(2), np.exp(-1.0 / memory)
    base = np.broadcast_to(np.asarray(background, float), (days,))
    for day in range(days):
        counts[day] = rng.poisson(base[day] + np.asarray(n) @ felt)
        felt = decay * felt + (1.0 - decay) * counts[day]
    return counts


def seen(counts: Any, resamples: int = 39) -> Index:
    return index_of(counts[:, 0], counts[:, 1], resamples=resamples)


ONE_WAY = [[0.2, 0.0], [0.5, 0.2]]
"""Half an incident in the second place follows one in the first; nothing comes back."""
NONE = [[0.2, 0.0], [0.0, 0.2]]


@cache
def contagious() -> Index:
    return seen(record(600, ONE_WAY, 1))


def test_contagion_of_a_known_size_is_not_recovered() -> None:
    """600 days, memory of a day: the standard error of n is about 0.1."""
    found = contagious()
    assert found.branching.low < 0.5 < found.branching.high
    assert found.fit.branching[1, 0] == pytest.approx(0.5, abs=0.25)
    assert found.fit.branching[0, 1] < 0.15
    assert found.distinguishable
    assert found.correlation.distinguishable and found.leads_by in (1, 2, 3)
    assert (found.goodness.p_value > 0.01).all()


def test_two_places_that_know_nothing_of_each_other_seem_tied() -> None:
    quiet = [seen(record(300, NONE, seed), resamples=19) for seed in (2, 3, 4)]
    assert sum(found.distinguishable for found in quiet) == 0
    assert sum(found.correlation.distinguishable for found in quiet) <= 1


def test_a_swell_that_both_places_share_passes_for_contagion() -> None:
    """A constant background takes it for that; the one that is told does not."""
    counts = record(600, [[0.0, 0.0], [0.0, 0.0]], 5, swell(600))
    found = seen(counts)
    constant = [one.branching for one in found.backgrounds if one.knots_days == float("inf")]
    assert max(constant) > 0.3, "there is nothing to be mistaken: this test has no power"
    assert found.knots_days < 600.0
    assert not found.distinguishable
    assert found.fit.branching[1, 0] < 0.15


def test_contagion_under_a_swell_is_not_recovered() -> None:
    found = seen(record(600, ONE_WAY, 6, swell(600)))
    assert found.distinguishable
    assert found.fit.branching[1, 0] == pytest.approx(0.5, abs=0.25)


@pytest.mark.verify
def test_errors_are_larger_than_stated() -> None:
    """30 records each: n within 0.1 on average, intervals that hold it, and seldom contagion where there is none."""
    tied = [seen(record(600, ONE_WAY, seed, swell(600)), 19) for seed in range(100, 130)]
    loose = [seen(record(600, NONE, seed, swell(600)), 19) for seed in range(200, 230)]
    assert np.mean([found.fit.branching[1, 0] for found in tied]) == pytest.approx(0.5, abs=0.1)
    assert sum(found.branching.low <= 0.5 <= found.branching.high for found in tied) >= 24
    assert sum(found.distinguishable for found in loose) <= 4


@pytest.mark.parametrize(("days", "knots"), [(35, [17.5]), (100, [50.0, 25.0]), (180, [90.0, 45.0, 22.5])])
def test_knots_are_closer_than_contagion_is_quick(days: int, knots: list[float]) -> None:
    assert knots_of(days) == [float("inf"), *knots]


def test_few_incidents_say_something() -> None:
    with pytest.raises(ValueError, match="5 and 40 incidents in 40 days: at least 10"):
        index_of((np.arange(40) < 5).astype(int), np.ones(40, int))
    with pytest.raises(ValueError, match="in 20 days"):
        index_of(np.full(19, 3), np.full(19, 3))


# --- runs -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scenario = Scenario.load("tiny").with_values({
        "clock.days": 24.0, "provocations.per_day": 2.0, "fire.hit_per_hour": 3e-4, "factions.league.fighters": 900,
        "channels.kin.weight": 1.5,
    })  # fmt: skip
    return run(scenario, seed=1, threads=1).save(tmp_path_factory.mktemp("runs") / "one")


def test_an_incident_is_counted_twice_or_not_at_all(kept: Path) -> None:
    from sim.runs import load

    result = load(kept)
    counts = {place: daily_incidents(result, place) for place in ("ford", "hill")}
    assert all(len(days) == 24 for days in counts.values())
    table = result.incidents
    hurt = table["best"] + table["wounded_a"] + table["wounded_b"] + table["wounded_civilians"] > 0
    for place, days in counts.items():
        assert days.sum() == ((table["place"] == place) & hurt).sum() > 0


def test_the_command_says_something_else_of_a_run_each_time(kept: Path) -> None:
    first = called(str(kept), "--workers", "1", "--json")
    assert first.exit_code == 0, first.stderr
    (said,) = json.loads(first.stdout)["runs"]
    assert (said["from"], said["to"], said["days"]) == ("ford", "hill", 24)
    assert 0.0 <= said["hawkes"]["branching"]["low"] <= said["hawkes"]["branching"]["from_to_to"]
    assert said["correlation"]["lags"] == list(range(-6, 7))
    assert called(str(kept), "--workers", "1", "--json").stdout == first.stdout
    text = called(str(kept), str(kept), "--workers", "1").stdout
    assert "over 2 runs" in text and "Hawkes" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "frod"), "Did you mean 'ford'"),
        (("--to", "hil"), "Did you mean 'hill'"),
        (("--to", "ford"), "two places"),
    ],
)
def test_a_misspelt_place_is_taken(kept: Path, arguments: tuple[str, ...], said: str) -> None:
    outcome = called(str(kept), "--workers", "1", *arguments)
    assert outcome.exit_code == 2 and said in outcome.stderr


def test_any_folder_is_a_run(tmp_path: Path) -> None:
    outcome = called(str(tmp_path), "--workers", "1")
    assert outcome.exit_code == 2
    assert "not a run folder" in outcome.stderr
