"""What a run comes to: the summary for programs, the page for people, the measures for sweeps."""

from __future__ import annotations

import json
from datetime import date
from importlib.resources import files
from typing import Any

import jsonschema
import numpy as np
import pytest
from synthetic import ELSEWHERE, book, empty_record, record_of, result_of, theatre

from sim.measures import MEASURES, observe
from sim.runs import Result
from sim.scenario import Scenario, ScenarioError

SCHEMA = json.loads(files("sim").joinpath("summary.schema.json").read_text(encoding="utf-8"))


def a_result(**values: Any) -> Result:
    scenario = theatre(**values)
    return result_of(scenario, record_of(scenario))


def validate(result: Result) -> None:
    text = json.dumps(result.summary, allow_nan=False)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(text))


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("step_hours", [0.5, 1.0, 6.0])
def test_summary_follows_its_schema(step_hours: float) -> None:
    validate(a_result(clock__step_hours=step_hours))


def test_a_place_where_nothing_happens_has_a_summary_too() -> None:
    scenario = Scenario.from_toml(ELSEWHERE)
    record = empty_record(scenario)
    record.sides = ()
    validate(result_of(scenario, record, interrupted=True))
    record.steps_done = scenario.steps
    result = result_of(scenario, record)
    validate(result)
    assert result.summary["daily"][0]["date"] == "2031-01-01"
    assert len(result.summary["daily"]) == 4  # it begins at noon


def test_parts_add_up_to_the_whole() -> None:
    result = a_result()
    killed, daily = result.summary["killed"], result.summary["daily"]
    assert killed["total"] == sum(killed["by_place"].values()) == result.incidents["best"].sum()
    for place, count in killed["by_place"].items():
        assert count == sum(killed["by_place_community"][place].values()) == sum(day["killed"][place] for day in daily)
    assert killed["by_place"]["tripoli"] == sum(killed["by_neighbourhood"].values())
    assert list(killed["by_place"]) == ["qusayr", "homs", "tripoli"]


def test_a_window_counts_both_of_its_days_and_no_other() -> None:
    result = a_result()
    window = result.summary["by_window"]["first_days"]
    table = result.ged_events
    inside = table["date"].dt.date.between(date(2013, 5, 19), date(2013, 5, 20))
    assert window["killed"]["total"] == table.loc[inside, "best"].sum() > 0
    assert window["covered_days"] == 2
    assert window["faction_killed"]["army"] == 0


def test_a_window_outside_of_the_run_counts_nothing() -> None:
    window = a_result().summary["by_window"]["long_ago"]
    assert window["killed"]["total"] == window["wounded"]["total"] == window["covered_days"] == 0
    assert window["killed"]["by_place"] == {"qusayr": 0, "homs": 0, "tripoli": 0}


def test_fighters_are_counted_once_and_also_as_their_factions() -> None:
    scenario = theatre()
    record = empty_record(scenario)
    record.steps_done = scenario.steps
    book(record, scenario, step=5, place="qusayr", side_a="government", side_b="rebels", killed_a=3, killed_b=4)
    summary = result_of(scenario, record).summary
    assert summary["killed"]["total"] == 7
    assert summary["faction_killed"] == {"government": 3, "rebels": 4, "army": 0}
    assert summary["killed"]["by_place_community"]["qusayr"] == {"sunni": 4, "alawite": 3}


def test_what_was_reported_stands_beside_what_was_run() -> None:
    scenario = theatre()
    record = empty_record(scenario)
    record.steps_done = scenario.steps
    day = {"place": "qusayr", "side_a": "government", "side_b": "rebels"}
    book(record, scenario, step=48, killed_a=2, killed_b=50, **day)
    book(record, scenario, step=24 * 4, killed_b=500, **day)  # after the window
    control = [
        i for i, s in enumerate(record.series) if (s.measure, s.place, s.faction) == ("control", "qusayr", "government")
    ]
    record.values[24 * 4 - 1, control] = 0.6  # the last hour of the window
    found = result_of(scenario, record).summary["benchmarks"]
    assert (found["sunday"]["value"], found["sunday"]["agrees"]) == (52, True)
    assert (found["town"]["value"], found["town"]["agrees"]) == (0.6, True)
    assert (found["losses"]["value"], found["losses"]["agrees"]) == (2, True)


def test_a_run_that_stops_before_a_benchmarks_window_does_not_disagree() -> None:
    found = a_result(clock__days=1.0).summary["benchmarks"]["sunday"]
    assert found["value"] is None
    assert found["agrees"] is None


def test_a_run_that_stops_within_a_window_does_not_judge_it() -> None:
    assert a_result(clock__days=3.0).summary["benchmarks"]["sunday"]["agrees"] is None
    assert a_result(clock__days=3.5).summary["benchmarks"]["sunday"]["agrees"] is None


@pytest.mark.parametrize(
    ("measure", "extra"),
    [
        ("control", {}),
        ("faction_killed", {}),
        ("killed", {"faction": "rebels"}),
        ("killed", {"low": 5, "high": 4}),
    ],
)
def test_a_benchmark_that_says_nothing_definite_is_refused(measure: str, extra: dict[str, Any]) -> None:
    given = {"claim": "X", "text": "x", "measure": measure, "low": 1, "by": "me", **extra}
    with pytest.raises(ScenarioError):
        theatre(**{f"benchmarks.wrong.{key}": value for key, value in given.items()})


def test_strategic_values_are_ranked_as_the_run_begins() -> None:
    result = a_result()
    result.record.worth.append((200, 2, 0, 1e6))
    assert result.summary["strategic_value"]["government"] == [
        ["qusayr", 10.0],
        ["homs", 7.0],
        ["tripoli", 4.0],
    ]
    assert result.summary["contested"] == ["qusayr", "homs"]


def test_text_is_narrow_and_says_what_it_is_not() -> None:
    lines = (
        a_result(places__qusayr__name="A town with a name much longer than towns have, " * 2)
        .summary_text()
        .splitlines()
    )
    assert max(map(len, lines)) <= 100
    assert "not a forecast" in lines[-1]
    assert any("At least 52 killed" in line and "≥ 52" in line for line in lines)


def test_text_says_that_a_run_was_stopped() -> None:
    scenario = theatre()
    record = record_of(scenario)
    record.steps_done = 30
    assert "STOPPED after 30 of 240 steps" in result_of(scenario, record, interrupted=True).summary_text()


def test_every_measure_says_what_it_is() -> None:
    result = a_result()
    for name, measure in MEASURES.items():
        assert measure.name == name
        assert measure.doc.endswith(".")
        assert "\n" not in measure.doc
        assert measure.unit in {"people", "d", "1", "t/d"}
        assert isinstance(measure.of(result), dict) == (measure.scope != "run")


def test_a_sweep_reads_measures_as_one_flat_row() -> None:
    result = a_result()
    row = observe(result, ["killed_total", "killed_by_place", "control_end"])
    assert row["killed_total"] == result.summary["killed"]["total"]
    assert row["killed_by_place.qusayr"] == result.summary["killed"]["by_place"]["qusayr"]
    assert row["control_end.qusayr.government"] == 1.0
    assert all(np.isfinite(value) for value in observe(result).values())


def test_mean_flow_is_over_the_days_of_the_run() -> None:
    assert observe(a_result(), ["flow_mean"])["flow_mean.north.government"] == 4.5


def test_supplies_that_go_the_other_way_move_too() -> None:
    result = a_result()
    result.record.flows = [(s, c, f, -tonnes, share) for s, c, f, tonnes, share in result.record.flows]
    assert observe(result, ["flow_mean"])["flow_mean.north.government"] == 4.5


def test_a_summary_needs_tables() -> None:
    """A sweep pays for it a thousand times."""
    scenario = theatre(clock__days=35.0)
    result = result_of(scenario, record_of(scenario, more_series=200))
    assert result.summary["complete"]
    assert not {"measures", "incidents", "corridors", "claims"} & set(vars(result))
