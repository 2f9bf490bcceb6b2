"""The recorded rounds of Tripoli: the project's table, the scenario made of it, and the record it restates."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from analysis import observed
from sim.incidents import rounds
from sim.scenario import Scenario

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "scenarios" / "data" / "tripoli_rounds_2011_2013.csv"
LATER = ROOT / "scenarios" / "data" / "tripoli_rounds_2013.csv"
FIRST_CLASHES = date(2013, 5, 19)
"""A16: the first of the two days of clashes in Tripoli."""
RECORD = ROOT.parent / "shared" / "data" / "tripoli_rounds_2011_2013-03.csv"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_recorded_trigger_is_an_event_on_its_day() -> None:
    file = Scenario.load("tripoli-2012").file
    triggers = sorted(e.at.date() for e in file.events.values() if e.kind == "provocation")
    assert triggers == [date.fromisoformat(row["start"]) for row in rows(TABLE)]
    assert file.provocations.per_day == 0


@pytest.mark.parametrize("name", ["qusayr-2013", "tripoli-2013"])
def test_days_that_are_known_to_be_quiet_end_where_the_article_has_clashes(name: str) -> None:
    file = Scenario.load(name).file
    until = file.clock.start + timedelta(days=file.provocations.known_days)
    assert until.date() == FIRST_CLASHES
    assert max(date.fromisoformat(row["end"]) for row in rows(TABLE)) < file.clock.start.date()


@pytest.mark.parametrize("table", [TABLE, LATER])
def test_every_row_says_where_it_comes_from(table: Path) -> None:
    assert all(row["source"] for row in rows(table))
    assert all(int(row["killed_low"]) <= int(row["killed_high"]) for row in rows(table))


def test_what_came_after_covers_the_days_that_are_predicted_and_no_other() -> None:
    """The two days that the model was fitted on (A16) are in neither table."""
    record = observed.read(LATER, place="tripoli")
    days = record.covered["tripoli"]
    assert (days.index[0].date(), days.index[-1].date(), len(days)) == (date(2013, 5, 21), date(2013, 12, 31), 225)
    assert days.all()
    known = [row for row in rows(LATER) if row["type"] == "clash"]
    assert list(map(date.fromisoformat, (row["start"] for row in known))) == [
        start.date() for start in record.rounds("tripoli")["start"]
    ], "rounds that no more than three quiet days separate are one"


def test_table_makes_ten_rounds_by_the_definition_in_use() -> None:
    """Clashes only: shots in celebration are no round."""
    days = {}
    for row in (row for row in rows(TABLE) if row["type"] == "clash"):
        for day in pd.date_range(row["start"], row["end"]):
            days[day] = {"killed": 1, "wounded": 1}
    found = rounds(pd.DataFrame.from_dict(days, orient="index"), quiet_days=3)
    assert len(found) == 10
    assert found["gap"].mean() == pytest.approx(69, abs=1)
    assert found["days"].median() == 4.5


def test_table_says_what_the_record_says() -> None:
    if not RECORD.exists():
        pytest.skip("the observed record (shared/data) is not here")
    said, known = rows(TABLE), rows(RECORD)
    for ours, theirs in (("start", "start"), ("end", "end"), ("wounded", "wounded"), ("type", "type")):
        assert [r[ours] for r in said] == [r[theirs] for r in known]
    assert [(r["killed_low"], r["killed_high"]) for r in said] == [(r["killed_lo"], r["killed_hi"]) for r in known]
