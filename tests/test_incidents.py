"""From an hour's casualties to incidents, GED events and rounds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import book, empty_record, record_of, result_of, theatre

from sim.incidents import CODING, COLUMNS, SUMS, ged_events, incidents, rounds
from sim.record import FIRE_COLUMNS, Record
from sim.scenario import Scenario

HURT = {"killed_a": 1, "wounded_b": 2}


def fought(scenario: Scenario, *rows: dict[str, Any]) -> pd.DataFrame:
    """Return the incidents of a record with these rows between government and rebels in Qusayr."""
    record = empty_record(scenario)
    record.steps_done = scenario.steps
    for row in rows:
        book(record, scenario, **({"place": "qusayr", "side_a": "government", "side_b": "rebels"} | row))
    return incidents(record, scenario)


@pytest.mark.parametrize(("step_hours", "quiet"), [(1.0, 6), (0.5, 12), (0.1, 60)])
def test_fire_goes_on_until_six_hours_have_passed_without_a_casualty(step_hours: float, quiet: int) -> None:
    scenario = theatre(clock__step_hours=step_hours)
    assert len(fought(scenario, {"step": 3, **HURT}, {"step": 3 + quiet, **HURT})) == 1
    apart = fought(scenario, {"step": 3, **HURT}, {"step": 4 + quiet, **HURT})
    assert apart["hour"].tolist() == pytest.approx([3 * step_hours, (4 + quiet) * step_hours])


def test_without_quiet_hours_every_step_is_an_incident_of_its_own() -> None:
    scenario = theatre(reports__quiet_hours=0)
    same_step = {"step": 4, "event_type": "shelling", **HURT}
    assert fought(scenario, {"step": 3, **HURT}, {"step": 4, **HURT}, same_step)["best"].tolist() == [1, 2]


def test_harmless_fire_belongs_to_an_incident_but_does_not_prolong_it() -> None:
    rows = fought(theatre(), {"step": 0, **HURT}, {"step": 5}, {"step": 8, **HURT})
    assert rows["hour"].tolist() == [0, 8]
    assert rows["date_end"].iloc[0] == rows["date_start"].iloc[0] + pd.Timedelta(hours=5)


def test_harmless_fire_alone_is_an_incident_too() -> None:
    rows = fought(theatre(), {"step": 7, "event_type": "border_fire"})
    assert rows["best"].tolist() == [0]
    assert rows[["wounded_a", "wounded_b", "wounded_civilians"]].to_numpy().sum() == 0


def test_stray_fire_has_no_enemy() -> None:
    row = fought(theatre(), {"step": 7, "event_type": "border_fire", "side_b": "government"}).iloc[0]
    assert (row["side_a"], row["side_b"], row["side_b_id"]) == ("Government", "Civilians", "")


def test_who_fired_first_makes_no_other_dyad() -> None:
    turned = {"side_a": "rebels", "side_b": "government", "killed_a": 5, "wounded_a": 7}
    row = fought(theatre(), {"step": 0, "killed_a": 1}, {"step": 1, **turned}).iloc[0]
    assert (row["dyad_name"], row["deaths_a"], row["deaths_b"], row["wounded_b"]) == (
        "Government - Rebels",
        1,
        5,
        7,
    )


def test_places_and_neighbourhoods_keep_their_incidents_apart() -> None:
    quarrel = {"place": "tripoli", "side_a": "low", "side_b": "hill", "wounded_a": 1}
    rows = fought(
        theatre(),
        {"step": 0, **HURT},
        {"step": 0, "neighbourhood": "low", **quarrel},
        {"step": 0, "neighbourhood": "hill", **quarrel},
    )
    assert sorted(rows["where_coordinates"]) == ["Qusayr", "The Hill", "The Low Quarter"]


def test_an_incident_is_where_its_neighbourhood_is() -> None:
    quarrel = {"place": "tripoli", "side_a": "low", "side_b": "hill", "wounded_a": 1, "step": 0}
    row = fought(theatre(), {"neighbourhood": "hill", **quarrel}).iloc[0]
    north, east = (
        (row["latitude"] - 34.436) * 111_195,
        (row["longitude"] - 35.84) * 111_195 * np.cos(np.radians(34.436)),
    )
    assert (north, east) == pytest.approx((500, 1000), abs=1)


def test_an_incident_is_coded_as_what_killed_most() -> None:
    shelling = {"event_type": "shelling", "killed_b": 3, "step": 1}
    row = fought(theatre(), {"step": 0, "killed_a": 2}, shelling).iloc[0]
    assert row["sub_event_type"] == "Shelling/artillery/missile attack"
    assert row["best"] == 5


@pytest.mark.parametrize(
    ("kind", "a", "b", "ucdp"),
    [
        ("armed_clash", "state", "armed_group", 1),
        ("armed_clash", "residents", "residents", 2),
        ("armed_clash", "state", "residents", 1),
        ("air_strike", "outside", "armed_group", 1),
        ("shelling", "armed_group", "civilians", 3),
        ("attack", "armed_group", "residents", 3),
        ("border_fire", "outside", "civilians", 1),
    ],
)
def test_type_of_violence_is_ucdps(kind: str, a: str, b: str, ucdp: int) -> None:
    assert CODING[kind, a, b].type_of_violence == ucdp
    assert CODING[kind, b, a] == CODING[kind, a, b]


def test_every_kind_of_fire_between_every_kind_of_side_has_a_code() -> None:
    assert len(CODING) == 6 * 5 * 5


def test_nothing_is_lost_on_the_way_from_the_columns_to_incidents_and_back() -> None:
    scenario = theatre()
    result = result_of(scenario, record_of(scenario, rows=400))
    counted = (
        result.measures.query("neighbourhood != '' or community != ''").groupby("measure", observed=True)["value"].sum()
    )
    table = result.incidents
    assert table["best"].sum() == counted["killed"] > 100
    assert table[["wounded_a", "wounded_b", "wounded_civilians"]].to_numpy().sum() == counted["wounded"] > 100
    assert result.ged_events["best"].sum() == counted["killed"]


def test_an_incident_keeps_its_id_when_another_is_taken_away() -> None:
    scenario = theatre()
    record = record_of(scenario)
    ids = incidents(record, scenario)["id"]
    assert ids.is_unique
    assert ids.equals(incidents(record_of(scenario), scenario)["id"])
    record.fire = [row for row in record.fire if row[1] == 0]  # Qusayr alone
    assert set(incidents(record, scenario)["id"]) == {i for i in ids if i.startswith("qusayr")}


def test_ged_events_are_by_local_day_and_have_a_death() -> None:
    scenario = theatre()
    record = empty_record(scenario)
    record.steps_done = scenario.steps
    for step, dead in ((22, 1), (23, 2), (24, 4), (60, 0)):
        book(
            record,
            scenario,
            step=step,
            place="qusayr",
            side_a="rebels",
            side_b="government",
            killed_a=dead,
            wounded_a=1,
        )
    events = ged_events(record, scenario)
    assert len(incidents(record, scenario)) == 2
    assert events["date"].dt.day.tolist() == [17, 18]
    assert events["best"].tolist() == [3, 4]
    assert events["deaths_b"].tolist() == [3, 4]
    assert events["id"].tolist() == [
        "qusayr:government-rebels:2013-05-17",
        "qusayr:government-rebels:2013-05-18",
    ]


def test_days_are_local_where_a_clock_is_put_forward() -> None:
    spring = datetime(2013, 3, 30)  # after its last hour it is one o'clock
    scenario = theatre(clock__zone="Asia/Beirut", clock__start=spring)
    rows = fought(scenario, {"step": 23, **HURT}, {"step": 40, **HURT})
    assert rows["date_start"].map(str).tolist() == ["2013-03-30 23:00:00+02:00", "2013-03-31 17:00:00+03:00"]


def test_a_run_without_fire_has_tables_without_rows() -> None:
    scenario = theatre()
    record = empty_record(scenario)
    for table in (incidents(record, scenario), ged_events(record, scenario)):
        assert table.empty
        assert set(COLUMNS) <= set(table.columns)


# --- against a version that a newcomer can read ----------------------------------------------------


def told_one_by_one(fire: list[tuple[int, ...]], within: float) -> list[tuple[int, int]]:
    """Return first step and deaths of each incident, telling the rows one after the other."""
    names = dict(zip(FIRE_COLUMNS, range(len(FIRE_COLUMNS)), strict=True))
    found: list[tuple[int, int]] = []
    groups: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for row in fire:
        pair = sorted((row[names["side_a"]], row[names["side_b"]]))
        groups.setdefault((row[1], row[2], *pair), []).append(row)
    for rows in groups.values():
        clock, first, dead = None, 0, 0
        for row in sorted(rows):
            if clock is None or row[0] - clock - 1 >= within:
                if clock is not None:
                    found.append((first, dead))
                clock, first, dead = row[0], row[0], 0
            if any(row[names[c]] for c in SUMS):
                clock = row[0]
            dead += sum(row[names[c]] for c in SUMS[:3])
        found.append((first, dead))
    return sorted(found)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 60),
            st.integers(0, 1),
            st.sampled_from([(0, 1), (1, 0), (2, 3)]),
            st.integers(0, 1),
        ),
        max_size=40,
    ),
    st.sampled_from([0.0, 1.0, 3.0, 6.0]),
)
@settings(max_examples=150)
def test_incidents_agree_with_those_told_one_by_one(rows: list[Any], quiet: float) -> None:
    scenario = theatre(reports__quiet_hours=quiet)
    record = Record((), np.zeros((scenario.steps, 0)), empty_record(scenario).sides)
    record.fire = [(step, place, -1, a, b, 0, dead, 0, 0, 0, 0, 0) for step, place, (a, b), dead in rows]
    table = incidents(record, scenario)
    found = sorted(zip(table["hour"].astype(int).tolist(), table["best"].tolist(), strict=True))
    assert found == told_one_by_one(record.fire, quiet)


# --- rounds ----------------------------------------------------------------------------------------


def days_of(*spans: tuple[str, str]) -> pd.DataFrame:
    """Return a table with one wounded on each day of some spans."""
    days = pd.DatetimeIndex(np.concatenate([pd.date_range(first, last).to_numpy() for first, last in spans]))
    return pd.DataFrame({"killed": 0, "wounded": 1}, index=days)


def test_three_quiet_days_do_not_end_a_round_and_four_do() -> None:
    assert len(rounds(days_of(("2013-05-01", "2013-05-01"), ("2013-05-05", "2013-05-06")))) == 1
    apart = rounds(days_of(("2013-05-01", "2013-05-01"), ("2013-05-06", "2013-05-06")))
    assert apart["days"].tolist() == [1, 1]
    assert apart["gap"].tolist()[1] == 5


def test_rounds_of_2011_to_2013_come_out_as_the_record_counts_them() -> None:
    table = rounds(
        days_of(
            ("2011-06-17", "2011-06-17"), ("2012-02-10", "2012-02-11"), ("2012-05-12", "2012-05-18"),
            ("2012-05-30", "2012-05-30"), ("2012-06-02", "2012-06-03"), ("2012-06-08", "2012-06-08"),
            ("2012-07-27", "2012-07-27"), ("2012-08-20", "2012-08-26"), ("2012-10-19", "2012-10-23"),
            ("2012-12-04", "2012-12-09"), ("2013-03-21", "2013-03-24"),
        )
    )  # fmt: skip
    assert len(table) == 10
    assert round(table["gap"].mean()) == 69
    assert table["days"].median() == 4.5


def test_days_on_which_nobody_was_hurt_are_quiet_whether_listed_or_not() -> None:
    listed = days_of(("2013-05-01", "2013-05-20"))
    listed["wounded"] = [1, *[0] * 18, 1]
    assert len(rounds(listed)) == 2
    assert rounds(listed.iloc[:0]).empty
