"""`spillover predict`: what scores say of made-up truths, what is left out, and the user's door."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner

import sim
from analysis import observed, prediction, scores
from analysis.prediction import asked, before, covariate_of, predict
from analysis.prediction_scores import (
    BETTER,
    SINGLE,
    WORSE,
    Forecast,
    Known,
    Marked,
    crps_between,
    in_groups,
    known,
    log_between,
    log_of_event,
    marked,
    shared_with,
    spells,
    sums_by_round,
)  # fmt: skip
from sim.console import Refused
from sim.incidents import rounds
from sim.scenario import Scenario, ScenarioError

DAYS = 210
FIRST = np.datetime64("2001-01-01", "D")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(predict)


# --- a truth that is known -----------------------------------------------------------------------------


def paths(members: int, seed: int, onset: float = 0.02, goes_on: float = 0.8, deadly: float = 3.0) -> Forecast:
    """Draw rounds: one opens with a chance a day, goes on with another, and kills while it goes on."""
    rng = np.random.default_rng(seed)
    fighting = np.zeros((members, DAYS), dtype=bool)
    now = np.zeros(members, dtype=bool)
    for day in range(DAYS):
        now = rng.random(members) < np.where(now, goes_on, onset)
        fighting[:, day] = now
    return Forecast("the model", rng.poisson(deadly, fighting.shape) * fighting, fighting)


def record_of(one: Forecast, member: int = 0) -> Known:
    killed = one.killed[member].astype(float)
    dates = FIRST + np.arange(one.killed.shape[1])
    return Known(dates, killed, killed, killed, one.fighting[member].astype(float))


def constant(of: Forecast, members: int, factor: float = 1.0, name: str = "constant") -> Forecast:
    """Draw days on their own, with the mean of some paths."""
    rng = np.random.default_rng(99)
    killed = rng.poisson(of.killed.mean() * factor, (members, DAYS))
    return Forecast(name, killed, (killed > 0) | (rng.random(killed.shape) < of.fighting.mean()))


YEARS = 8


@pytest.fixture(scope="module")
def verdicts() -> list[Marked]:
    """The truth, days on their own, and days four times as deadly, against eight years of the truth."""
    truth = paths(100, seed=1)
    others = [constant(truth, 200), constant(truth, 200, factor=4.0, name="too much")]
    happened = paths(YEARS, seed=2)
    return [marked(record_of(happened, year), [truth, *others]) for year in range(YEARS)]


KEYS = (
    "killed_day_crps", "killed_day_log", "fighting_brier", "fighting_log", "killed_week_crps", "killed_week_log",
    "killed_month_crps", "killed_month_log", "killed_all_crps", "rounds_crps", "round_length_crps", "round_gap_crps",
    "round_killed_crps",
)  # fmt: skip
RIGHT_IN_THE_MEAN = {"fighting_brier", "fighting_log", "killed_month_crps", "killed_all_crps"}
"""Days on their own have the true mean of the killed and nearly that of the days of fighting."""


def test_a_score_is_missing(verdicts: list[Marked]) -> None:
    assert tuple(score.key for score in verdicts[0].scores) == KEYS


def differences(verdicts: list[Marked], key: str, baseline: str) -> list[Any]:
    return [one for year in verdicts for one in year.differences if (one.key, one.baseline) == (key, baseline)]


@pytest.mark.parametrize(
    ("key", "baseline"),
    [*((key, "constant") for key in KEYS if key not in RIGHT_IN_THE_MEAN), *((key, "too much") for key in KEYS)],
)
def test_the_true_process_loses_to_a_wrong_one(verdicts: list[Marked], key: str, baseline: str) -> None:
    """Over the years the mean difference is below 0."""
    assert np.mean([one.difference for one in differences(verdicts, key, baseline)]) < 0


def test_the_true_interval_does_not_hold_what_it_says(verdicts: list[Marked]) -> None:
    """Of eight years 6.4 are expected inside; fewer than four has a chance of 1 %. Weeks are mostly quiet: more."""
    held = [one for year in verdicts for one in year.held if one.forecaster == "the model"]
    assert sum(one.inside for one in held if one.key == "killed_all") >= 4
    assert 0.75 < np.mean([one.inside for one in held if one.key == "killed_week"]) < 0.98


def test_no_verdict_is_ever_reached(verdicts: list[Marked]) -> None:
    sure = [one.verdict for one in differences(verdicts, "killed_week_log", "too much")]
    assert sure.count(BETTER) > YEARS / 2
    other_way = marked(record_of(paths(1, seed=2)), [constant(paths(100, seed=1), 100, factor=4.0), paths(100, seed=1)])
    assert WORSE in {one.verdict for one in other_way.differences}
    alone = [one for year in verdicts for one in year.differences if one.verdict == SINGLE]
    assert {one.key for one in alone} >= {"killed_all_crps", "rounds_crps"} and all(np.isnan(one.low) for one in alone)


def same(one: Marked, other: Marked) -> bool:
    losses = all(
        np.array_equal(a.losses[name], b.losses[name], equal_nan=True)
        for a, b in zip(one.scores, other.scores, strict=True)
        for name in a.losses
    )
    return losses and repr((one.held, one.differences)) == repr((other.held, other.differences))


@pytest.mark.parametrize("days", [slice(0, 2), slice(100, 140), slice(206, 210)])
def test_a_day_that_is_left_out_changes_a_score(days: slice) -> None:
    """Neither what was observed on it nor what was forecast of it may matter, to the bit."""
    truth, happened = paths(20, seed=3), record_of(paths(1, seed=4))
    left_out = np.zeros(DAYS, dtype=bool)
    left_out[days] = True
    other = replace(happened, killed=happened.killed + 50.0 * left_out, high=happened.high + 50.0 * left_out)
    killed, fighting = truth.killed.copy(), truth.fighting.copy()
    killed[:, days], fighting[:, days] = 777, True
    one = marked(happened.without(left_out), [truth, constant(truth, 20)])
    two = marked(other.without(left_out), [Forecast(truth.name, killed, fighting), constant(truth, 20)])
    assert same(one, two)
    assert one.days == DAYS - left_out.sum()
    assert not same(one, marked(happened, [truth, constant(truth, 20)])), "the days would not have mattered"


def test_a_day_without_data_is_taken_for_a_quiet_one() -> None:
    """A record that tells only days of fighting must be scored on these alone."""
    truth, happened = paths(40, seed=3), record_of(paths(1, seed=5))
    silent = happened.without(happened.fighting == 0)
    found = marked(silent, [truth])
    by_day = next(score for score in found.scores if score.key == "killed_day_crps").losses["the model"]
    there = happened.fighting > 0
    assert np.array_equal(by_day, scores.crps(truth.killed[:, there], happened.killed[there]))
    assert found.days == there.sum() < DAYS


def test_a_deaf_record_makes_the_bloodless_days_of_a_forecast_false() -> None:
    """Without wounded in the record a day of fighting is one with a death, in forecasts too."""
    truth = paths(40, seed=3, deadly=0.3)
    record = replace(record_of(paths(1, seed=4)), with_wounded=False)
    assert np.array_equal(truth.as_known(record).fighting, truth.killed > 0)
    assert truth.fighting.sum() > (truth.killed > 0).sum()


def test_a_forecaster_without_rounds_is_scored_as_if_it_had_some() -> None:
    calm = Forecast("calm", np.zeros((40, DAYS), np.int64), np.zeros((40, DAYS), bool))
    found = marked(record_of(paths(1, seed=4)), [paths(40, seed=3), calm])
    of_length = next(score for score in found.scores if score.key == "round_length_crps")
    assert np.isnan(of_length.losses["calm"]).all() and np.isfinite(of_length.losses["the model"]).all()
    assert next(one for one in found.differences if one.key == "round_length_crps").verdict == SINGLE


# --- the parts -----------------------------------------------------------------------------------------


def test_a_range_that_is_a_number_is_scored_otherwise_than_the_number() -> None:
    ensemble = np.random.default_rng(0).poisson(3.0, (30, 12)).astype(float)
    happened = np.arange(12.0)
    assert crps_between(ensemble, happened, happened) == pytest.approx(scores.crps(ensemble, happened))
    assert log_between(ensemble, happened, happened) == pytest.approx(scores.log_score(ensemble, happened))


def test_what_is_said_within_a_range_matters() -> None:
    """The score is the integral of the squared distance of the two distributions, but for the range."""
    ensemble = np.random.default_rng(1).poisson(6.0, (20, 1)).astype(float)
    low, high = np.array([4.0]), np.array([7.0])
    at = np.arange(0, 40) + 0.5
    outside = (at < low) | (at > high)
    below = (ensemble <= at).mean(axis=0)
    plain = float((((below - (at > low)) ** 2)[outside]).sum())
    squeezed = np.where(ensemble <= low, ensemble, np.maximum(ensemble - 3.0, low))
    assert float(scores.crps(squeezed, low, fair=False)[0]) == pytest.approx(plain)
    members, spread = len(ensemble), np.abs(squeezed - squeezed.T).sum()
    fair = plain - spread / 2 * (1 / (members * (members - 1)) - 1 / members**2)
    assert float(crps_between(ensemble, low, high)[0]) == pytest.approx(fair)
    assert crps_between(np.array([[4.0], [7.0]]), low, high)[0] == 0.0


def test_chances_do_not_add_up_to_one() -> None:
    ensemble = np.random.default_rng(2).poisson(3.0, (25, 1)).astype(float)
    parts = [(0, 0), (1, 3), (4, 8), (9, 10**9)]
    chances = [np.exp(-log_between(ensemble, np.array([float(a)]), np.array([float(b)])))[0] for a, b in parts]
    assert sum(chances) == pytest.approx(1.0)
    hits = ensemble > 2
    assert sum(np.exp(-log_of_event(hits, np.array([yes])))[0] for yes in (0.0, 1.0)) == pytest.approx(1.0)


def test_more_paths_alone_lower_a_score() -> None:
    """An ensemble ten times as large gets what groups of the small size get: 1 % of a nat, four standard errors."""
    rng = np.random.default_rng(3)
    happened = rng.poisson(0.5, 20_000).astype(float)
    few, many = (rng.poisson(0.5, (n, 20_000)).astype(float) for n in (10, 100))
    small = in_groups(log_between, few, 10, happened, happened).mean()
    large = in_groups(log_between, many, 10, happened, happened).mean()
    assert small == pytest.approx(large, abs=0.01)
    assert log_between(many, happened, happened).mean() < large - 0.02


def test_rounds_are_not_those_of_the_model() -> None:
    """As `sim.incidents.rounds` has them, path by path: how many, how long, how far apart, how deadly."""
    drawn = paths(12, seed=6, onset=0.05, goes_on=0.6)
    found = spells(drawn.fighting, quiet_days=3)
    killed = sums_by_round(drawn.killed.astype(float), found)
    tables = []
    for path in range(12):
        days = pd.date_range("2001-01-01", periods=DAYS, unit="us")
        table = pd.DataFrame({"killed": drawn.killed[path], "wounded": drawn.fighting[path].astype(int)}, index=days)
        tables.append(rounds(table, 3))
    assert found.number.tolist() == [len(table) for table in tables]
    together = pd.concat(tables)
    assert found.length.tolist() == together["days"].tolist()
    assert found.gap.tolist() == together["gap"].dropna().tolist()
    assert killed.tolist() == together["killed"].tolist()
    nothing = spells(np.zeros((3, 5), dtype=bool))
    assert nothing.number.tolist() == [0, 0, 0] and not len(nothing.length)


ROUNDS = """start,end,killed_low,killed_high,wounded,type,source
2013-05-19,2013-05-23,7,11,,clash,made up
2013-05-26,2013-05-26,0,0,3,clash,made up
2013-05-28,2013-05-29,0,0,,no data,made up
2013-06-02,2013-06-03,3,4,,clash,made up
2013-06-04,2013-06-05,0,0,,quiet,made up
"""
DAYS_HEAD = "date,place,killed,killed_low,killed_high,wounded,source\n"


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_round_is_not_spread_over_its_days(tmp_path: Path) -> None:
    told = known(observed.read(written(tmp_path, "r.csv", ROUNDS), "tripoli"), "tripoli")
    nan = np.nan
    assert told.killed.tolist()[:9] == [2, 2, 2, 2, 1, 0, 0, 0, 0]
    assert told.low.tolist()[:5] == [2, 2, 1, 1, 1] and told.high.tolist()[:5] == [3, 2, 2, 2, 2]
    assert np.array_equal(told.fighting, [1, 1, 1, 1, 1, 0, 0, 1, 0, nan, nan, 0, 0, 0, 1, 1, 0, 0], equal_nan=True)
    assert np.array_equal(np.isnan(told.killed), np.isnan(told.fighting))
    assert np.nansum(told.killed) == 9 + 4  # the middle of 3 and 4 is rounded up


def test_a_round_that_counts_in_part_is_not_named(tmp_path: Path) -> None:
    record = observed.read(written(tmp_path, "r.csv", ROUNDS), "tripoli")
    found = shared_with(record, "tripoli", lambda days: days >= np.datetime64("2013-05-21"))
    assert found == ["2013-05-19 to 2013-05-23 (3 of 5 days count)"]


# --- before the origin ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_2013() -> prediction.Asked:
    return asked("tripoli-2013", "tripoli", "2013-05-21", "2013-12-31", prediction.A16)


def test_baselines_know_something_else_than_the_rounds_and_the_first_two_days(of_2013: prediction.Asked) -> None:
    past = before(None, of_2013)
    assert (str(past.record.dates[0]), str(past.record.dates[-1])) == ("2011-06-17", "2013-05-20")
    told = observed.read(prediction.rounds_before(), "tripoli").told
    assert past.record.killed[:-2].sum() == np.floor((told["killed_low"] + told["killed_high"]) / 2 + 0.5).sum() == 94
    assert past.record.killed[-2:].sum() == 3 and past.record.fighting[-2:].all()
    assert not past.record.fighting[-57:-2].any()
    assert any("A16" in note for note in past.notes)


def test_the_scenario_knows_of_lebanon_after_the_origin(of_2013: prediction.Asked) -> None:
    """Only Syria, the Golan and a conference: no trigger, deployment or statement of a party in Lebanon."""
    file = of_2013.scenario.file
    later = {key: event for key, event in file.events.items() if str(event.at) >= "2013-05-21"}
    assert {event.kind for event in later.values()} <= {"offensive", "border_fire", "conference", "reinforcement"}
    places = {event.place for event in later.values() if hasattr(event, "place")}
    assert places and all(file.places[place].country != "Lebanon" for place in places)
    assert all(event.kind != "provocation" for event in file.events.values()) and file.provocations.per_day > 0


def test_what_is_to_be_predicted_is_fitted_on(tmp_path: Path, of_2013: prediction.Asked) -> None:
    with pytest.raises(Refused, match="to be predicted"):
        before(written(tmp_path, "r.csv", ROUNDS), of_2013)
    holes = "2013-05-01,tripoli,1,,,,x\n2013-05-03,tripoli,0,,,,x\n"
    with pytest.raises(Refused, match="1 days without data, the first 2013-05-02"):
        before(written(tmp_path, "d.csv", DAYS_HEAD + holes), of_2013)


def test_a_day_without_a_covariate_counts_as_none(tmp_path: Path) -> None:
    rows = "2013-05-01,syria,90,,,,x\n2013-05-02,syria,80,,,,x\n2013-05-04,syria,70,,,,x\n"
    file = written(tmp_path, "c.csv", DAYS_HEAD + rows)
    days = np.arange("2013-05-01", "2013-05-03", dtype="M8[D]")
    assert covariate_of(file, days).tolist() == [90, 80]
    with pytest.raises(Refused, match="the first 2013-05-03"):
        covariate_of(file, np.arange("2013-05-01", "2013-05-05", dtype="M8[D]"))
    with pytest.raises(Refused, match="a file of days"):
        covariate_of(written(tmp_path, "r.csv", ROUNDS), days)


# --- the user's door -----------------------------------------------------------------------------------

UNTIL = "2013-06-08"
SEEDS = 3


@pytest.fixture(autouse=True, scope="module")
def few_paths() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prediction, "PATHS", 60)
        yield


@pytest.fixture(scope="module")
def thin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shortened scenario: few rows, and only some days before the origin."""
    quarters = Scenario.load("tripoli-2013").file.neighbourhoods
    text = 'extends = "tripoli-2013"\n[scenario]\nid = "thin"\ntitle = "Thin"\nsummary = "Few rows."\n'
    text += "[clock]\nstart = 2013-05-17T00:00:00\ndays = 30.0\n"
    text += "".join(f"[neighbourhoods.{key}]\npeople_per_agent = 50\n" for key in quarters)
    return written(tmp_path_factory.mktemp("thin"), "thin.toml", text)


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def told(*arguments: object) -> Any:
    result = call(*arguments, "--seeds", SEEDS, "--workers", 1, "--until", UNTIL, "--json", "--quiet")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(*arguments: object) -> str:
    result = call(*arguments)
    if result.exit_code == 2:
        return str(result.output)
    assert isinstance(result.exception, Refused | ScenarioError), result.output
    return "\n".join(map(str, result.exception.faults))


def days_file(folder: Path, name: str, changes: dict[str, int] | None = None, left_out: tuple[str, ...] = ()) -> Path:
    """Write days of made-up truth: five of fighting in each fortnight."""
    days = np.arange("2013-05-17", "2013-06-10", dtype="M8[D]").astype(str)
    killed = {day: int(number % 14 < 5) * (number % 3) for number, day in enumerate(days)} | (changes or {})
    rows = [f"{day},tripoli,{n},,,{2 * n},made up" for day, n in killed.items() if day not in left_out]
    return written(folder, name, DAYS_HEAD + "\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def scored(thin: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("scored")
    file = days_file(folder, "days.csv")
    result = call(
        thin, "--observed", file, "--seeds", SEEDS, "--workers", 1, "--until", UNTIL, "--out", folder / "kept"
    )
    assert result.exit_code == 0, result.output
    return result, folder


def test_the_table_does_not_say_who_beats_whom(scored: tuple[Any, Path]) -> None:
    said = scored[0].stdout
    assert said.startswith("This is a hindcast for checking the model and not a forecast of anything to come.")
    for words in (
        "the model", "constant rate", "same as last round", "self-exciting", "killed a day, CRPS",
        "fighting on a day, Brier", "killed a week", "killed a month", "number of rounds", "length of a round",
        "Where the model beats which baseline, and where not", "Asked of it, to beat constant rate and same as last",
        "left out; it needs the deaths a day in Syria", "19 days count, 0 without data, 0 left out",
    ):  # fmt: skip
        assert words in said, words


def test_the_folder_is_not_complete(scored: tuple[Any, Path]) -> None:
    result, folder = scored
    pictures = {f"{name}.{kind}" for name in ("fighting", "cumulative") for kind in ("png", "svg")}
    assert {path.name for path in (folder / "kept").iterdir()} == {
        "prediction.json",
        "table.txt",
        "days.csv",
    } | pictures
    assert (folder / "kept" / "table.txt").read_text(encoding="utf-8") == result.stdout
    days = pd.read_csv(folder / "kept" / "days.csv")
    assert days["date"].tolist()[0] == "2013-05-21" and days["date"].tolist()[-1] == UNTIL and len(days) == 19


def test_a_number_of_the_forecast_is_not_that_of_the_runs(scored: tuple[Any, Path], thin: Path) -> None:
    """Killed on each day, counted here from the runs' own columns."""
    said = json.loads((scored[1] / "kept" / "prediction.json").read_text(encoding="utf-8"))
    results = [sim.run(thin, seed=seed, days=23, threads=1) for seed in range(SEEDS)]
    killed = np.array([result.columns.daily_by("killed", "place")["tripoli"] for result in results])[:, 4:]
    assert said["days"]["expected_killed"] == pytest.approx(killed.mean(axis=0).tolist())
    record = np.array(said["days"]["observed_killed"], dtype=float)
    crps = next(one for one in said["scores"] if one["key"] == "killed_day_crps")
    assert crps["mean"]["the model"] == pytest.approx(scores.crps(killed, record).mean())


def test_a_day_that_is_left_out_or_without_data_changes_what_is_said(
    thin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = prediction._runs(asked(str(thin), "tripoli", "2013-05-21", UNTIL), SEEDS, 1, (), None)
    monkeypatch.setattr(prediction, "_runs", lambda *_: seen)
    spans = ("--exclude", "2013-05-25", "--exclude", "2013-05-26..2013-05-27")

    def scores_of(changes: dict[str, int], left_out: tuple[str, ...] = ()) -> NDArray[Any]:
        file = days_file(tmp_path, "days.csv", changes, left_out)
        return told(thin, "--observed", file, *spans)

    plain = scores_of({})
    assert scores_of({"2013-05-19": 40, "2013-05-25": 99, "2013-05-27": 7}) == plain
    assert scores_of({}, left_out=("2013-05-25", "2013-05-26", "2013-05-27")) == plain
    assert scores_of({"2013-05-24": 99}) != plain
    assert scores_of({}, left_out=("2013-05-24",)) != scores_of({"2013-05-24": 0})


def test_the_days_of_a16_are_scored(thin: Path, tmp_path: Path) -> None:
    """Even where the origin is before them, and other days are left out besides."""
    file = days_file(tmp_path, "days.csv")
    found = told(thin, "--observed", file, "--since", "2013-05-18", "--exclude", "2013-05-30")
    unknown = [day for day, n in zip(found["days"]["date"], found["days"]["observed_killed"], strict=True) if n is None]
    assert unknown == ["2013-05-19", "2013-05-20", "2013-05-30"]


def test_the_forecast_alone_is_scored(thin: Path) -> None:
    result = call(thin, "--seeds", 2, "--workers", 1, "--until", "2013-05-24")
    assert result.exit_code == 0, result.output
    assert "not a forecast of anything to come" in result.stdout and "nothing is scored" in result.stdout
    assert "probability of fighting a day" in result.stdout and "Brier" not in result.stdout


def test_bad_input_is_taken(thin: Path, tmp_path: Path) -> None:
    assert "Did you mean 'tripoli'?" in refusal(thin, "--place", "tripolis")
    assert "'21 May' is not a date" in refusal(thin, "--since", "21 May")
    assert "thin ends on 2013-06-15" in refusal(thin)
    assert "must follow each other" in refusal(thin, "--since", "2013-06-10", "--until", UNTIL)
    assert "ends before it starts" in refusal(thin, "--until", UNTIL, "--exclude", "2013-05-20..2013-05-19")
    assert "is not a date" in refusal(thin, "--until", UNTIL, "--exclude", "A16")
    elsewhere = written(tmp_path, "e.csv", DAYS_HEAD + "2013-05-25,hama,1,,,,x\n")
    assert "no data of 'tripoli'; has hama" in refusal(thin, "--until", UNTIL, "--observed", elsewhere)
    earlier = written(tmp_path, "f.csv", DAYS_HEAD + "2013-05-20,tripoli,1,,,,x\n")
    assert "no data of 'tripoli' on the days" in refusal(thin, "--until", UNTIL, "--observed", earlier)
    precious = written(tmp_path, "precious.txt", "mine")
    assert "not empty, and not a prediction" in refusal(thin, "--until", UNTIL, "--out", tmp_path)
    assert precious.read_text(encoding="utf-8") == "mine"


def test_samples_of_parameters_are_not_used(thin: Path, tmp_path: Path) -> None:
    samples = written(tmp_path, "p.csv", "fire.hit_per_hour\n0\n")
    found = told(thin, "--posterior", samples)
    assert sum(found["days"]["expected_killed"]) == 0 and found["samples"] == 1
