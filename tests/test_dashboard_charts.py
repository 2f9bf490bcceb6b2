"""Charts, feed and line of time: their numbers are the run's, their marks the claims', and they are quick and small."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime
from functools import cache
from pathlib import Path
from time import thread_time
from typing import Any

import numpy as np
import pytest

import sim
from sim.dashboard import chart_view, feed, timeline_view
from sim.dashboard.chart_spec import ChartSpec
from sim.dashboard.session import Moment
from sim.dashboard.tape import Tape
from sim.dashboard.widgets import Chart, Timeline, text_of
from sim.measures import Columns
from sim.record import Record, Series
from sim.runs import Result
from sim.scenario import Scenario, shipped

WHOM = ("place", "neighbourhood", "community", "faction")
TIMES = 5


@cache
def result(name: str = "qusayr-2013") -> Result:
    return sim.run(name, seed=1)


def tape(name: str = "qusayr-2013", label: str = "A") -> Tape:
    return Tape(result(name).scenario, 1, label, result(name).record)


@cache
def specs(name: str) -> dict[str, ChartSpec]:
    return {spec.id: spec for spec in chart_view.charts(Scenario.load(name))}


def chart(run: Tape, key: str) -> ChartSpec:
    return specs(run.scenario.id)[key]


def columns(spec: ChartSpec, first: Tape, second: Tape | None = None, until: int | None = None) -> Any:
    """Return the columns that are sent, by row: the step, then the curves."""
    sent = chart_view.data(spec, first, second, first.done if until is None else until)
    many = chart_view.ground(spec, first, second)["columns"]
    return np.frombuffer(sent, np.float64).reshape(many, -1).T


def invented(scenario: Scenario, seed: int) -> Tape:
    """Return a tape of numbers out of the air, for every column that a chart of the scenario asks for."""
    asked = {
        (c.measure, *(getattr(c, key) or "" for key in WHOM)) for s in chart_view.charts(scenario) for c in s.curves
    }
    series = tuple(Series(measure, "1", *whom) for measure, *whom in sorted(asked))
    values = np.random.default_rng(seed).random((scenario.steps, len(series)))
    return Tape(scenario, seed, "A", Record(series, values, (), steps_done=scenario.steps))


# --- which charts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_has_charts(name: str) -> None:
    scenario = Scenario.load(name)
    found = chart_view.charts(scenario)
    assert found and len({spec.id for spec in found}) == len(found)
    for spec in found:
        assert spec.title and spec.unit and spec.section and spec.curves
        assert len({curve.label for curve in spec.curves}) == len(spec.curves)
        assert all(re.fullmatch("#[0-9A-F]{6}", curve.colour) for curve in spec.curves)
        assert len({curve.colour for curve in spec.curves}) == len(spec.curves), "two curves look alike"
        assert spec.about in ("", *scenario.file.places)


@pytest.mark.parametrize("name", ["qusayr-2013", "tiny", "classics/epstein-2", "classics/attrition"])
def test_charts_ask_for_what_a_run_records(name: str) -> None:
    run = tape(name)
    for spec in chart_view.charts(run.scenario):
        drawn = columns(spec, run)[:, 1:]
        assert np.isfinite(drawn).any(), spec.id
    states = [spec for spec in chart_view.charts(run.scenario) if spec.section == "Lattice"]
    assert bool(states) == (run.scenario.model == "epstein")


def test_the_quiet_of_a_lattice_are_called_active() -> None:
    (quiet,) = [spec for spec in chart_view.charts(Scenario.load("classics/epstein-1")) if spec.id == "quiet"]
    assert [curve.label for curve in quiet.curves] == ["people"]


# --- their numbers ------------------------------------------------------------------------------------------------


def test_stack_of_alarm_is_what_the_model_adds_up() -> None:
    from sim.model import SpilloverModel

    model = SpilloverModel(Scenario.load("qusayr-2013"), seed=1, threads=1)
    model.run_for(30)
    run, outlook, city = Tape(model.story, 1, "A", model.record), model._outlook(), model.city
    for g in range(city.groups):
        quarter = city.neighbourhoods[city.neighbourhood[g]]
        spec = chart(run, f"alarm.{quarter}.{model.theatre.communities[city.community[g]]}")
        stacked = columns(spec, run)[-1, 1:].sum()
        assert stacked == pytest.approx(outlook.solidarity[g] + outlook.kin[g], rel=1e-12)
        assert spec.kind == "stacked" and "weight" in spec.title + spec.unit
    assert outlook.kin.max() > 0.01


def test_a_fork_has_its_parents_weights_until_it_leaves() -> None:
    first, begins = tape(), 400
    other = first.scenario.with_values({"channels.kin.weight": 0.1})
    second = Tape(other, 1, "B", first.record, begins=begins)
    spec = chart(first, "alarm.bab_al_tabbaneh.sunni")
    sent = columns(spec, first, second)
    a, b = sent[:, 1], sent[:, 1 + len(spec.curves)]
    assert spec.curves[0].channel == "kin" and a[begins:].max() > 0
    assert (a[:begins] == b[:begins]).all()
    assert b[begins:] == pytest.approx(a[begins:] * 0.1 / first.scenario.file.channels.kin.weight)


def test_totals_end_at_the_summary() -> None:
    run, summary = tape(), result().summary
    everywhere = columns(chart(run, "hurt"), run)[-1]
    assert everywhere.tolist() == [run.done - 1, summary["killed"]["total"], summary["wounded"]["total"]]
    for measure in ("killed", "wounded"):
        spec = chart(run, f"{measure}.places")
        ends = dict(zip([c.place for c in spec.curves], columns(spec, run)[-1, 1:], strict=True))
        assert ends == {p: n for p, n in summary[measure]["by_place"].items() if p in ends}
        assert sum(ends.values()) == summary[measure]["total"] > 0  # nobody is hurt where no curve is
        for place, communities in summary[measure]["by_place_community"].items():
            if place in ends:
                spec = chart(run, f"{measure}.{place}")
                found = dict(zip([c.community for c in spec.curves], columns(spec, run)[-1, 1:], strict=True))
                assert {c: n for c, n in found.items() if n > 0} == {c: n for c, n in communities.items() if n}


def test_days_are_those_of_the_summary() -> None:
    run = tape()
    for place in ("qusayr", "tripoli"):
        sent = columns(chart(run, f"hurt.{place}.daily"), run)
        told = [[day["killed"][place], day["wounded"][place]] for day in result().summary["daily"]]
        assert sent[:, 1:].tolist() == told
        assert [str(run.time(int(step)).date()) for step in sent[:, 0]] == [
            d["date"] for d in result().summary["daily"]
        ]
    last = chart_view.data(chart(run, "hurt.qusayr.daily"), run, None, 30)  # a day and a quarter
    assert np.frombuffer(last).reshape(3, -1)[0].tolist() == [0.0, 24.0]


@pytest.mark.parametrize("name", ["tripoli-2012", "qusayr-2013", "classics/epstein-1"])
def test_a_day_begins_at_local_midnight(name: str) -> None:
    scenario = Scenario.load(name)  # tripoli-2012 sees the clocks change four times
    lived = Columns(Record((), np.zeros((scenario.steps, 0)), (), steps_done=scenario.steps), scenario)
    assert chart_view.days(scenario).tolist() == [0, *(lived.day_ends[:-1] + 1).tolist()]


def test_levels_are_rows_of_the_record() -> None:
    run = tape()
    sent = columns(chart(run, "control.qusayr"), run, until=400)
    number = int(run.find("control", place="qusayr", faction="government")[0])
    assert sent[:, 0].tolist() == list(range(400))
    assert (sent[:, 1] == run.values[:400, number]).all()


def test_difference_is_the_first_run_less_the_second() -> None:
    first, second = tape(), invented(Scenario.load("qusayr-2013"), 2)
    for key in ("hurt.qusayr", "hurt.qusayr.daily", "fighters.qusayr"):
        spec = chart(first, key)
        both, less, many = columns(spec, first, second), chart_view.difference(spec), len(spec.curves)
        expected = both[:, 1 : 1 + many] - both[:, 1 + many :]
        assert np.array_equal(columns(less, first, second)[:, 1:], expected, equal_nan=True)
        assert less.kind == "lines" and not less.marks and chart_view.ground(less, first, second)["differs"]
    with pytest.raises(ValueError, match="stacked"):
        chart_view.difference(chart(first, "alarm.jabal_mohsen.alawite"))


def test_nothing_is_drawn_of_what_a_run_has_not_lived() -> None:
    first, second = tape(), tape(label="B")
    second.done = 100
    for key, rows in (("hurt.qusayr", 100), ("hurt.qusayr.daily", 5)):
        sent = columns(chart(first, key), first, second)
        assert np.isfinite(sent[:rows]).all() and np.isfinite(sent[:, :3]).all()
        assert np.isnan(sent[rows:, 3:]).all() and len(sent) > rows
    assert chart_view.data(chart(first, "hurt"), first, None, 0) == b""


# --- how much of them ---------------------------------------------------------------------------------------------


def test_a_long_run_is_thinned_and_loses_no_peak() -> None:
    scenario = Scenario.load("tripoli-2012")
    first, second = invented(scenario, 1), invented(scenario, 2)
    for spec in chart_view.charts(scenario):
        assert len(chart_view.data(spec, first, second, scenario.steps)) <= chart_view.MOST_BYTES, spec.id
        if spec.reading != "level":
            continue
        curves = np.column_stack([curve.hourly(first, first, scenario.steps) for curve in spec.curves])
        sent, many = columns(spec, first), len(spec.curves)
        stacked = spec.kind == "stacked"
        whole, thin = (x.sum(axis=1) if stacked else x for x in (curves, sent[:, 1 : 1 + many]))
        assert len(thin) < scenario.steps / 5
        assert (thin.max(axis=0) == whole.max(axis=0)).all() and (thin.min(axis=0) == whole.min(axis=0)).all(), spec.id
        assert sent[[0, -1], 0].tolist() == [0, scenario.steps - 1] and (np.diff(sent[:, 0]) > 0).all()


def test_as_a_long_run_grows_what_was_drawn_stays() -> None:
    run = invented(Scenario.load("tripoli-2012"), 1)
    spec = chart(run, "mobilised")
    early, late = columns(spec, run, until=5_000), columns(spec, run, until=9_000)
    whole = len(early) - 2  # the last bucket was not full yet
    assert (early[:whole] == late[:whole]).all()


def best_ms(act: Callable[[], object]) -> float:
    spent = []
    for _ in range(TIMES):
        began = thread_time()
        act()
        spent.append(1e3 * (thread_time() - began))
    return min(spent)


def test_charts_and_feed_are_quick() -> None:
    run = tape()
    for spec in specs(run.scenario.id).values():
        assert best_ms(lambda spec=spec: chart_view.data(spec, run, None, run.done)) <= 3.0, spec.id
    for place in (None, "tripoli"):
        assert len(feed.lines(run, run.done, place)) > 100
        assert best_ms(lambda place=place: feed.lines(run, run.done, place)) <= 10.0


# --- what was reported --------------------------------------------------------------------------------------------


def test_marks_are_those_of_the_claims() -> None:
    run = tape()
    charts = [spec for spec in specs("qusayr-2013").values() if spec.reading != "daily"]
    found = {(mark.claim, spec.curves[mark.curve].measure): (spec, mark) for spec in charts for mark in spec.marks}
    for given in run.scenario.file.benchmarks.values():
        spec, mark = found[given.claim, given.measure]
        assert (mark.low, mark.high, mark.point) == (given.low, given.high, given.point)
        assert given.by in mark.words and given.text in mark.words and mark.words.startswith(given.claim)
        assert (spec.curves[mark.curve].faction, mark.since) == (given.faction, given.measure != "control")
        window = run.scenario.file.windows[given.window or ""]
        assert run.time(mark.last).date() == window.last
        assert run.time(mark.last + 1).date() > window.last
        if mark.since:
            assert run.time(mark.first).date() == window.first and run.time(mark.first - 1).date() < window.first
    _, foreigners = found["A09", "fighters"]
    assert run.time(foreigners.first).date() == date(2013, 5, 19)
    assert found.keys() >= {("A05", "killed"), ("A16", "wounded"), ("A02", "faction_killed"), ("A06", "control")}


def test_both_bounds_of_a_contested_number_are_told() -> None:
    (mark,) = chart(tape(), "faction_killed.qusayr").marks
    assert (mark.claim, mark.low, mark.high) == ("A02", 13, 30)
    assert mark.words == (
        "A02, activists; upper claims from press: Hezbollah fighters killed by the second day: 13 to 30 people, "
        "19 to 20 May 2013"
    )


def test_a_count_of_two_days_marks_no_single_day() -> None:
    run = tape()
    assert [mark.claim for mark in chart(run, "hurt.qusayr.daily").marks] == ["A05"]
    assert [mark.claim for mark in chart(run, "hurt.tripoli").marks] == ["A16", "A16"]
    assert not chart(run, "hurt.tripoli.daily").marks


def test_other_stories_are_not_marked_with_the_claims() -> None:
    for name in ("tripoli-2012", "tiny", "three-rivers"):
        assert not any(spec.marks for spec in chart_view.charts(Scenario.load(name)))


# --- to take away -------------------------------------------------------------------------------------------------


def test_csv_comes_back_as_it_was() -> None:
    first, second = tape(), invented(Scenario.load("qusayr-2013"), 2)
    second.label = "B"
    for key in ("alarm.bab_al_tabbaneh.sunni", "hurt.qusayr", "displaced", "killed.qusayr.daily"):
        spec = chart(first, key)
        lines = chart_view.csv(spec, first, second).splitlines()
        said = [line for line in lines if line.startswith("#")]
        header, *rows = csv.reader(io.StringIO("\n".join(lines[len(said) :])))
        whole = np.array([[float(cell or "nan") for cell in (row[0], *row[2:])] for row in rows])
        sent = columns(spec, first, second)
        assert np.array_equal(whole, sent, equal_nan=True)
        assert [first.time(int(row[0])).date() for row in rows] == [
            datetime.fromisoformat(row[1]).date() for row in rows
        ]
        assert len(header) == 1 + len(whole.T) and sum(name.endswith("run B") for name in header) == len(spec.curves)
        for curve, name in zip(spec.curves, header[2:], strict=False):
            assert curve.measure in name and f"[{spec.unit}]" in name and (curve.community or "") in name
        heading = "\n".join(said)
        assert all(word in heading for word in ("not a forecast", "qusayr-2013", "seed 1", "seed 2", "run A", "run B"))


def test_csv_of_a_long_run_is_not_thinned() -> None:
    run = invented(Scenario.load("tripoli-2012"), 1)
    text = chart_view.csv(chart(run, "mobilised"), run)
    assert sum(not line.startswith(("#", "step")) for line in text.splitlines()) == run.steps


# --- the feed -----------------------------------------------------------------------------------------------------


def numbers(lines: list[feed.Line], what: str) -> int:
    return sum(int(n) for line in lines if line.kind == "fire" for n in re.findall(rf"(\d+) {what}\b", line.text))


def test_feed_tells_everyone_who_was_hurt_once() -> None:
    run, summary = tape(), result().summary
    everything = feed.lines(run, run.done, most=10**6)
    for what in ("killed", "wounded"):
        assert numbers(everything, what) == summary[what]["total"]
        for place, many in summary[what]["by_place"].items():
            assert numbers(feed.lines(run, run.done, place, 10**6), what) == many
    fire = Counter((line.step, line.text) for line in everything if line.kind == "fire")
    assert len(everything) > 1000 and max(fire.values()) == 1


def test_feed_is_newest_first_and_knows_no_future() -> None:
    run = tape()
    everything = feed.lines(run, run.done, most=10**6)
    steps = [line.step for line in everything]
    assert steps == sorted(steps, reverse=True)
    until = 400
    known = feed.lines(run, until, most=10**6)
    assert Counter(map(str, known)) == Counter(str(line) for line in everything if line.step < until)
    assert feed.lines(run, until, most=7) == known[:7]
    assert {line.kind for line in known} == {"fire", "event", "claim"}
    assert all(line.place == "tripoli" for line in feed.lines(run, until, "tripoli"))
    assert feed.lines(run, 0) == []


def test_feed_says_it_in_a_sentence() -> None:
    run = tape()
    texts = [line.text for line in feed.lines(run, run.done, "tripoli", 10**6) if line.kind == "fire"]
    between = "in clashes between armed residents of Bab al-Tabbaneh and of Jabal Mohsen"
    hurt = r"(\d+ killed and \d+ wounded|\d+ (killed|wounded))( \((\d+ of them )?civilians?\))?"
    assert any(re.fullmatch(rf"Tripoli, 2\d May \d\d:00: {hurt} {between}", text) for text in texts)
    (struck,) = [line for line in feed.lines(run, 3, "damascus") if line.kind == "event"]
    assert struck.text.startswith("5 May 02:00: Air strikes hit a consignment") and struck.step == 2
    harmless = [line.text for line in feed.lines(run, 371, "golan") if "nobody hurt" in line.text]
    assert harmless[0].startswith("Majdal Shams (Golan), 20 May 10:00: fire across the border")


def test_claims_stand_beside_the_truth_when_they_are_made() -> None:
    run = tape()
    claims = [line for line in feed.lines(run, run.done, most=10**6) if line.kind == "claim"]
    made = {(c["claimed_at"], c["observer"], c["place"], c["first_step"]) for c in run.record.claims}
    assert len(claims) == len([when for when, *_ in made if when < run.done])
    wanted = ("activists", "qusayr", "killed", "rebels")
    said = [c for c in run.record.claims if (c["observer"], c["place"], c["topic"], c["party"]) == wanted]
    rebels = next(c for c in said if c["claimed_at"] < run.done)
    line = next(
        line
        for line in claims
        if (line.step, line.place) == (rebels["claimed_at"], "qusayr") and line.claim.startswith("Opposition activists")
    )
    assert f"Rebel brigades {rebels['truth']}" in line.text and "in the run" in line.text
    assert f"Rebel brigades {rebels['value']}" in line.claim


# --- the line of time ---------------------------------------------------------------------------------------------


def test_line_of_time_marks_what_is_scheduled() -> None:
    first = tape()
    ground = timeline_view.ground(first)
    events = first.scenario.file.events.values()
    assert [mark["text"] for mark in ground["marks"]] == [e.text for e in sorted(events, key=lambda e: (e.at, e.text))]
    assert all(first.scenario.step_of(e.at) in {m["step"] for m in ground["marks"]} for e in events)
    assert ground["zone"] == "Asia/Beirut" and datetime.fromtimestamp(
        ground["start"] / 1e3, first.scenario.zone
    ) == first.time(0)
    assert timeline_view.ground(tape("classics/epstein-2"))["zone"] == ""


def test_line_of_time_tells_two_runs_apart() -> None:
    first = tape()
    second = Tape(first.scenario.without("offensive"), 1, "B", first.record, begins=300)
    ground = timeline_view.ground(first, second)
    (alone,) = [mark for mark in ground["marks"] if mark["only"]]
    assert (alone["only"], alone["step"], ground["begins"]) == ("A", 341, 300)
    assert timeline_view.ground(first)["begins"] == 0
    moment = Moment(5, 9, 840, True, 24.0, None, first, second, "")
    assert timeline_view.state(moment) == {"at": 5, "done": 9, "steps": 840, "playing": True, "running_to": None}


# --- what the browser is given ------------------------------------------------------------------------------------


@pytest.mark.parametrize("widget", [Chart, Timeline])
def test_a_module_names_nothing_twice(widget: Any) -> None:
    names = re.findall(r"^(?:const|let|var|class|function) (\w+)", str(widget._esm), re.MULTILINE)
    assert not [name for name, many in Counter(names).items() if many > 1] and "render" in names
    assert "http" not in re.sub(r"http://www.w3.org/2000/svg|/\*!.*?\*/", "", str(widget._esm))


def test_what_is_not_ours_comes_with_its_licence() -> None:
    assert "Permission is hereby granted, free of charge" in text_of("uPlot.LICENSE.txt")
    assert "uPlot (v1.6.32)" in text_of("uPlot.iife.min.js")


def test_ground_of_a_chart_is_plain_data() -> None:
    import json

    first, second = tape(), tape(label="B")
    spec = chart(first, "hurt.tripoli")
    ground = chart_view.ground(spec, first, second)
    assert json.loads(json.dumps(ground)) == ground
    assert ground["runs"] == ["A", "B"] and ground["columns"] == 1 + 2 * len(spec.curves)
    assert ground["marks"] == [asdict(mark) for mark in spec.marks]
    assert Path(chart_view.__file__).with_name("static").joinpath("chart.js").exists()
