"""UCDP GED in, GED out, and the project's own file of observed data, by the command line where that is as easy."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Mapping
from datetime import date, timedelta
from importlib.metadata import EntryPoint
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import Result as Outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import book, empty_record, record_of, result_of, theatre
from typer.testing import CliRunner

import sim.cli
from analysis import ged_files, observed, side_by_side, side_by_side_figures, tails
from analysis.ged_files import DEATHS, GED_COLUMNS, Circle, Wanted, days_of
from sim.console import Refused
from sim.measures import casualties_by_day
from sim.runs import Result

ROOT = Path(__file__).parents[1]
ROUNDS = ROOT / "scenarios" / "data" / "tripoli_rounds_2011_2013.csv"
SHARED = Path(os.environ.get("SPILLOVER_SHARED_DATA", ROOT.parent / "shared" / "data"))
EXTRACT = SHARED / "ucdp_ged_syria_lebanon_2011_2014.csv.gz"
RECORDED = SHARED / "qusayr_daily_ged_2013_apr_jun.csv"

V17 = tuple(c for c in GED_COLUMNS if c not in ("relid", "code_status", "conflict_dset_id", "dyad_dset_id"))
"""An earlier release has fewer columns."""
V5 = {"best": "best_est", "low": "low_est", "high": "high_est"}
"""What version 5 called its estimates."""


@pytest.fixture(autouse=True)
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plug the commands in as an installed copy does."""
    entry = EntryPoint("ged", "analysis.ged:app", sim.cli.PLUG_INS)
    monkeypatch.setattr(sim.cli, "entry_points", lambda group: [entry])


def ged(*arguments: object) -> Outcome:
    """Call `spillover ged …`."""
    return CliRunner().invoke(sim.cli.app, ["ged", *map(str, arguments)])


def event(number: int = 1, day: str = "2013-05-19", **values: Any) -> dict[str, Any]:
    """Return an event in Qusayr as GED has it: two of the government's dead, three of the rebels', a civilian."""
    usual = {
        "id": number, "year": 2013, "active_year": 1, "type_of_violence": 1, "where_prec": 1, "date_prec": 1,
        "dyad_name": "Government of Syria - Syrian insurgents", "side_a": "Government of Syria",
        "side_b": "Syrian insurgents", "where_coordinates": "Quṣayr town", "latitude": 34.509, "longitude": 36.58,
        "country": "Syria", "date_start": f"{day} 00:00:00.000", "date_end": f"{day} 00:00:00.000",
        "deaths_a": 2, "deaths_b": 3, "deaths_civilians": 1, "deaths_unknown": 0,
    }  # fmt: skip
    row = usual | values
    row.setdefault("best", sum(row[name] for name in DEATHS))
    return {"low": row["best"], "high": row["best"]} | row


def written(
    path: Path,
    *rows: Mapping[str, Any],
    columns: tuple[str, ...] = GED_COLUMNS,
    names: Mapping[str, str] | None = None,
    header: bool = True,
    encoding: str = "utf-8",
    delimiter: str = ",",
) -> Path:
    """Write events as a CSV with the columns of a release."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding=encoding, newline="") as file:
        table = csv.writer(file, delimiter=delimiter)
        if header:
            table.writerow([(names or {}).get(name, name) for name in columns])
        table.writerows([[row.get(name, "") for name in columns] for row in rows])
    return path


def imported(tmp_path: Path, file: Path, *options: object, name: str = "observed.csv") -> observed.Observed:
    """Import a GED file and read what came of it."""
    outcome = ged("import", file, "--out", tmp_path / name, *options)
    assert outcome.exit_code == 0, outcome.output
    return observed.read(tmp_path / name)


def listed(path: Path, *rows: str, header: str = "date,place,killed,killed_low,killed_high,source") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


# --- GED in --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("v25.csv", {}),
        ("v25.csv.gz", {}),
        ("v17.csv", {"columns": V17}),
        ("v5.csv", {"columns": V17, "names": V5}),
        ("shouted.csv", {"names": {name: name.upper() for name in GED_COLUMNS}}),
        ("no-header.csv", {"header": False}),
        ("with-bom.csv", {"encoding": "utf-8-sig"}),
        ("utf-16.csv", {"encoding": "utf-16"}),
        ("semicolons.csv", {"delimiter": ";"}),
    ],
)
def test_a_release_or_a_way_of_writing_it_is_read_otherwise(tmp_path: Path, name: str, how: dict[str, Any]) -> None:
    file = written(tmp_path / name, event(1), event(2, "2013-05-21", low=1, high=9), **how)
    found = imported(tmp_path, file, "--within", "qusayr:5")
    days = found.days.set_index("date")
    assert days["killed"].tolist() == [6, 0, 6]
    assert days["killed_low"].tolist() == [6, 0, 1]
    assert days["killed_high"].tolist() == [6, 0, 9]
    assert found.sides().to_dict() == {"Syrian insurgents": 6, "Government of Syria": 4, "Civilians": 2}


def test_a_name_in_the_encoding_of_windows_stops_the_import(tmp_path: Path) -> None:
    file = written(tmp_path / "latin.csv", event(where_coordinates="Tête town"), encoding="cp1252")
    assert imported(tmp_path, file, "--place", "tete").days["killed"].tolist() == [6]


def test_every_fault_is_named_with_its_line_and_nothing_is_written(tmp_path: Path) -> None:
    rows = [
        event(1, source_headline="two\nlines"),
        event(2, day="2013-05-32"),
        event(3, latitude="north", best=-1, low="", high=""),
        event(4, date_end="2013-05-01"),
        event(5, best=3),
        event(1, day="2013-05-23"),
        event(6, deaths_a=1.5, best=6),
        event(7, date_prec=9),
    ]
    outcome = ged("import", written(tmp_path / "bad.csv", *rows), "--out", tmp_path / "out", "--within", "qusayr:5")
    assert outcome.exit_code == 2
    for said in (
        "line 4: date_start '2013-05-32 00:00:00.000' is not a date",
        "line 5: latitude 'north' is not a number",
        "line 5: best -1 must be at least 0",
        "line 6: date_end 2013-05-01 is before date_start 2013-05-19",
        "line 7: best is 3, but the deaths by side are 2 + 3 + 1 + 0",
        "line 8: id 1 is on line 2 already, for another event",
        "line 9: deaths_a 1.5 is not a whole number",
        "line 10: date_prec 9 must be from 1 to 5",
    ):
        assert said in outcome.stderr
    assert not (tmp_path / "out").exists()


def test_faulty_rows_are_left_out_only_where_that_was_asked_for(tmp_path: Path) -> None:
    file = written(tmp_path / "bad.csv", event(1), event(2, latitude=""))
    assert ged("import", file, "--out", tmp_path / "a.csv", "--within", "qusayr:5").exit_code == 2
    outcome = ged("import", file, "--out", tmp_path / "a.csv", "--within", "qusayr:5", "--skip-bad", "--json")
    told = json.loads(outcome.stdout)
    assert told["deaths"] == 6
    assert told["notes"] == ["line 3: left out: faulty"]


def test_the_same_event_twice_is_counted_once(tmp_path: Path) -> None:
    file = written(tmp_path / "twice.csv", event(1), event(1))
    assert imported(tmp_path, file, "--within", "qusayr:5").days["killed"].tolist() == [6]


def test_what_is_put_right_is_said(tmp_path: Path) -> None:
    file = written(tmp_path / "odd.csv", event(1, low=8, high=9), event(2, best=9, low=9, high=9))
    told = json.loads(ged("import", file, "--out", tmp_path / "o.csv", "--within", "qusayr:5", "--json").stdout)
    assert told["notes"] == [
        "line 2: best is not between low and high: the range is made to hold it",
        "line 3: best is more than the deaths by side: the rest is booked as unknown",
    ]
    assert observed.read(tmp_path / "o.csv").sides()["unknown"] == 3


def test_a_file_that_is_no_ged_is_taken_for_one(tmp_path: Path) -> None:
    outcome = ged("import", listed(tmp_path / "x.csv", "2013-05-19,a,1,1,1,x"), "--out", tmp_path / "o.csv")
    assert outcome.exit_code == 2
    assert "no column 'latitude'" in outcome.stderr and "is this a CSV of UCDP GED?" in outcome.stderr
    for bad in (tmp_path / "nosuch.csv", tmp_path):
        assert ged("import", bad, "--out", tmp_path / "o.csv").exit_code == 2


def test_an_event_is_at_two_places_or_at_the_farther_one(tmp_path: Path) -> None:
    file = written(tmp_path / "e.csv", event(1), event(2, latitude=34.72, longitude=36.72, where_coordinates="Homs"))
    found = imported(tmp_path, file, "--within", "qusayr:40", "--within", "homs:40")
    assert found.table().sum().to_dict() == {"homs": 6, "qusayr": 6}


def test_circle_box_and_name_choose_different_events(tmp_path: Path) -> None:
    file = written(tmp_path / "e.csv", event(1), event(2, latitude=34.0, where_coordinates="Nabk town"))
    for options in (("--within", "q=34.5,36.58:5"), ("--bbox", "q=36.5,34.4,36.6,34.6"), ("--place", "q=qusayr")):
        found = imported(tmp_path, file, *options, name=f"{options[0]}.csv")
        assert found.table().sum().to_dict() == {"q": 6}
    assert imported(tmp_path, file, name="all.csv").places == ("Nabk town", "Quṣayr town")


def test_a_place_without_events_is_called_quiet(tmp_path: Path) -> None:
    file = written(tmp_path / "e.csv", event(1))
    outcome = ged("import", file, "--out", tmp_path / "o.csv", "--within", "qusayr:5", "--within", "tripoli:5")
    assert "tripoli: no event there, which is not zero" in outcome.stdout
    assert observed.read(tmp_path / "o.csv").places == ("qusayr",)


def test_options_that_make_no_sense_are_all_named(tmp_path: Path) -> None:
    file = written(tmp_path / "e.csv", event(1))
    outcome = ged(
        "import", file, "--out", tmp_path / "o.csv",
        "--within", "qusair:5", "--within", "qusayr:far", "--within", "x=95,0:5", "--bbox", "1,2,3",
    )  # fmt: skip
    assert outcome.exit_code == 2
    assert "no place 'qusair'. Did you mean 'qusayr'?" in outcome.stderr
    assert all(said in outcome.stderr for said in ("qusayr:far", "x=95,0:5", "--bbox '1,2,3'"))
    outcome = ged("import", file, "--out", tmp_path / "o.csv", "--dyad", "Government of Syria - Rebels", "--side", "IS")
    assert "Did you mean 'Government of Syria - Syrian insurgents'?" in outcome.stderr
    assert "--side 'IS': none there is called so" in outcome.stderr
    assert (
        "at such a place. Did you mean"
        in ged("import", file, "--out", tmp_path / "o.csv", "--place", "Qusayr tawn").stderr
    )


def test_dyads_sides_and_dates_choose(tmp_path: Path) -> None:
    other = {"dyad_name": "IS - PYD", "side_a": "IS", "side_b": "PYD"}
    file = written(tmp_path / "e.csv", event(1), event(2, "2013-05-20", **other), event(3, "2013-06-02"))
    place = ("--within", "qusayr:5")
    assert imported(tmp_path, file, *place, "--dyad", "is - pyd", name="1.csv").dyads().to_dict() == {"IS - PYD": 6}
    assert imported(tmp_path, file, *place, "--side", "PYD", name="2.csv").days["killed"].tolist() == [6]
    found = imported(tmp_path, file, *place, "--since", "2013-05-18", "--until", "2013-05-20", name="3.csv")
    assert found.days["killed"].tolist() == [0, 6, 6]


def test_days_beyond_the_months_of_the_file_are_called_quiet(tmp_path: Path) -> None:
    file = written(tmp_path / "e.csv", event(1))
    found = imported(tmp_path, file, "--within", "qusayr:5", "--since", "2013-01-01", "--until", "2014-12-31")
    assert (found.calendar[0], found.calendar[-1]) == (pd.Timestamp("2013-05-01"), pd.Timestamp("2013-05-31"))
    unknown = imported(tmp_path, file, "--within", "qusayr:5", "--quiet", "unknown", name="u.csv")
    assert len(unknown.days) == 1


def test_an_event_of_a_month_is_on_one_day_or_its_days_are_quiet_where_it_is_left_out(tmp_path: Path) -> None:
    month = {"date_start": "2013-06-01", "date_end": "2013-06-30", "date_prec": 4}
    file = written(tmp_path / "e.csv", event(1), event(2, **month), event(3, "2013-06-10"), event(4, "2013-07-02"))
    found = imported(tmp_path, file, "--within", "qusayr:5")
    killed = found.table()["qusayr"]
    assert killed.sum() == 24
    assert (killed["2013-06"] > 0).sum() == 7
    assert found.days["imprecise"].sum() == 6
    dropped = imported(tmp_path, file, "--within", "qusayr:5", "--imprecise", "drop", name="d.csv")
    killed = dropped.table()["qusayr"]
    assert killed.sum() == 18
    assert killed["2013-06"].notna().sum() == 1  # the day that is known for another event
    assert killed["2013-05-20":"2013-05-31"].eq(0).all()
    assert killed["2013-07-01"] == 0


def test_vaguely_placed_events_count_only_where_that_was_asked_for(tmp_path: Path) -> None:
    file = written(tmp_path / "e.csv", event(1), event(2, where_prec=4))
    assert imported(tmp_path, file, "--within", "qusayr:5").days["killed"].sum() == 6
    assert imported(tmp_path, file, "--within", "qusayr:5", "--where-prec", 4, name="4.csv").days["killed"].sum() == 12


def test_nothing_is_written_over_unless_forced(tmp_path: Path) -> None:
    file = written(tmp_path / "e.csv", event(1))
    arguments = ("import", file, "--out", tmp_path / "deep" / "folder", "--within", "qusayr:5")
    assert ged(*arguments).exit_code == 0
    assert (tmp_path / "deep" / "folder" / "observed.csv").exists()
    again = ged(*arguments)
    assert again.exit_code == 2 and "--force" in again.stderr
    assert ged(*arguments, "--force").exit_code == 0
    assert ged("import", file, "--out", file / "below.csv", "--within", "qusayr:5").exit_code == 2


counts = st.integers(0, 40)


@st.composite
def some_events(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows = []
    for number in range(draw(st.integers(1, 8))):
        start = date(2013, 5, 1) + timedelta(days=draw(st.integers(0, 60)))
        end = start + timedelta(days=draw(st.integers(0, 40)))
        dead = {name: draw(counts) for name in DEATHS}
        best = sum(dead.values())
        rows.append(
            {"line": number + 2, "start": start, "end": end, "date_prec": draw(st.integers(1, 5)), "where_prec": 1}
            | {"latitude": draw(st.sampled_from([34.5, 34.7])), "longitude": 36.6, "where": "here"}
            | {"dyad": draw(st.sampled_from(["A - B", "A - C"])), "side_a": "A", "side_b": "B"}
            | dead
            | {"best": best, "low": draw(st.integers(0, best)), "high": best + draw(counts)}
        )
    return rows


@settings(max_examples=60)
@given(rows=some_events(), imprecise=st.sampled_from(["spread", "drop"]))
def test_a_death_is_lost_or_counted_twice_on_its_way_into_days(rows: list[dict[str, Any]], imprecise: Any) -> None:
    table = pd.DataFrame(rows)
    for end in ("start", "end"):
        table[end] = pd.DatetimeIndex(table[end]).as_unit("us")
    events = ged_files.Events(Path("x"), table, (), named=True, ranged=True)
    areas = (Circle("south", 34.5, 36.6, 15), Circle("north", 34.7, 36.6, 15))
    days = days_of(events, Wanted(areas=areas, imprecise=imprecise)).rows
    kept = table if imprecise == "spread" else table[table["date_prec"] < 3]
    total = days[(days["dyad"] == "") & (days["side"] == "")]
    assert total["killed"].sum() == kept["best"].sum()
    assert total["killed_low"].sum() == kept["low"].sum()
    assert total["killed_high"].sum() == kept["high"].sum()
    known = total.dropna(subset=["killed"])
    assert (known["killed_low"] <= known["killed"]).all() and (known["killed"] <= known["killed_high"]).all()
    sizes = [int(size) for said in total["sizes"] for size in said.split(";") if size]
    assert sorted(sizes) == sorted(best for best in kept["best"] if best)
    for by in ("dyad", "side"):
        assert days.loc[days[by] != "", "killed"].sum() == kept["best"].sum()
    by_side = days[days["side"] != ""].groupby("side")["killed"].sum()
    told = dict(zip(DEATHS, ("A", "B", "Civilians", "unknown"), strict=True))
    assert all(by_side.get(side, 0) == kept[name].sum() for name, side in told.items())
    assert not days.duplicated(["date", "place", "dyad", "side"]).any()


# --- the file of observed data -------------------------------------------------------------------------


def test_a_day_without_data_is_a_day_without_deaths(tmp_path: Path) -> None:
    file = listed(tmp_path / "o.csv", "2013-05-19,q,3,2,5,press", "2013-05-20,q,,,,press", "2013-05-22,q,0,,,press",
                  "2013-05-22,h,1,,,press", "2013-05-23,q,1,,,press")  # fmt: skip
    found = observed.read(file)
    killed = found.table()
    assert killed["q"].fillna(-1).tolist() == [3, -1, -1, 0, 1]
    assert killed["h"].fillna(-1).tolist() == [-1, -1, -1, 1, -1]
    assert found.covered["q"].tolist() == [True, False, False, True, True]
    assert found.waits("q").tolist() == []  # what happened between is not known
    assert found.table("killed_high")["q"].iloc[0] == 5
    assert found.between("2013-05-22").days["killed"].sum() == 2


def test_parts_of_a_day_are_added_to_its_total(tmp_path: Path) -> None:
    header = "date,place,side,killed,killed_low,killed_high,source"
    whole = listed(tmp_path / "w.csv", "2013-05-19,q,,5,,,x", "2013-05-19,q,a,2,,,x", header=header)
    assert observed.read(whole).days["killed"].tolist() == [5]
    parts = listed(tmp_path / "p.csv", "2013-05-19,q,b,1,,,x", "2013-05-19,q,a,2,,,x", header=header)
    assert observed.read(parts).days["killed"].tolist() == [3]
    more = listed(tmp_path / "m.csv", "2013-05-19,q,,5,,,x", "2013-05-19,q,a,6,,,x", header=header)
    with pytest.raises(Refused, match=r"line 2: 5 killed, but its rows by side add up to 6"):
        observed.read(more)


def test_faults_of_a_daily_file_are_named_by_line(tmp_path: Path) -> None:
    rows = ["19 May,q,1,,,x", "2013-05-19,,1,,,x", "2013-05-20,q,4,5,6,x", "2013-05-21,q,many,,,", "2013-05-22,q"]
    with pytest.raises(Refused) as refused:
        observed.read(listed(tmp_path / "o.csv", *rows, "2013-05-23,q,1,,,x", "2013-05-23,q,2,,,x"))
    told = [fault.split(".csv, ")[1] for fault in refused.value.faults]
    assert told == [
        "line 2: date '19 May' is not a date such as 2013-05-19",
        "line 3: place is blank",
        "line 4: killed 4 is not between killed_low 5 and killed_high 6",
        "line 5: killed 'many' is not a number",
        "line 5: source is blank",
        "line 6: 2 cells, but the header has 6",
        "line 8: the same date, place, dyad and side as on line 7",
    ]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("date,place,killed,killed_low,source", "no column 'killed_high'"),
        (
            "date,place,killed,killed_low,killed_high,source,wuonded",
            "no such column as 'wuonded'. Did you mean 'wounded'?",
        ),
        ("date,place,killed,killed_low,killed_high,source,source", "column 'source' is there twice"),
        (",".join(GED_COLUMNS), "`spillover ged import` makes a daily file of it"),
    ],
)
def test_a_header_that_cannot_be_read_is_read(tmp_path: Path, header: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        observed.read(listed(tmp_path / "o.csv", header=header))
    assert said in str(refused.value)


def test_the_shipped_rounds_are_other_than_ten() -> None:
    found = observed.read(ROUNDS, "tripoli")
    rounds = found.rounds("tripoli")
    assert len(rounds) == 10
    assert (rounds["killed_low"].sum(), rounds["killed_high"].sum()) == (87, 96)
    assert rounds["gap"].mean() == pytest.approx(69, abs=1)
    assert rounds["days"].median() == 4.5
    fighting = found.table("fighting")["tripoli"]
    assert fighting["2012-05-12":"2012-05-18"].eq(1).all() and fighting["2012-05-19"] == 0
    assert found.table()["tripoli"]["2012-05-12":"2012-05-18"].isna().all()  # only the round's total is known
    assert found.table()["tripoli"]["2012-05-19"] == 0
    assert np.isnan(found.table()["tripoli"]["2012-07-18"])  # shots in celebration killed: a death, but no fighting
    assert fighting["2012-07-18"] == 0


def test_quiet_and_unknown_spans_of_a_rounds_file_are_ignored(tmp_path: Path) -> None:
    header = "start,end,killed_low,killed_high,type,place,source"
    rows = [
        "2013-01-01,2013-01-31,,,quiet,t,x",
        "2013-01-10,2013-01-11,1,3,clash,t,x",
        "2013-01-20,2013-01-22,,,no data,t,x",
    ]
    found = observed.read(listed(tmp_path / "r.csv", *rows, header=header))
    assert found.covered["t"].sum() == 28
    assert found.table("fighting")["t"].sum() == 2
    assert found.rounds("t")["killed"].tolist() == [2]
    late = "2013-02-03,2013-02-01,1,1,clash,t,x"
    with pytest.raises(Refused, match="before it starts"):
        observed.read(listed(tmp_path / "bad.csv", late, header=header))


# --- GED out -------------------------------------------------------------------------------------------


@pytest.fixture
def result() -> Result:
    scenario = theatre()
    return result_of(scenario, record_of(scenario))


@pytest.fixture
def folder(tmp_path: Path, result: Result) -> Path:
    return result.save(tmp_path / "run")


def test_exported_events_have_other_columns_or_types_than_ged(tmp_path: Path, folder: Path, result: Result) -> None:
    assert ged("export", folder, "--out", tmp_path / "out.csv").exit_code == 0
    table = pd.read_csv(tmp_path / "out.csv", parse_dates=["date_start", "date_end"])
    assert tuple(table.columns) == GED_COLUMNS
    whole = ("id", "year", "type_of_violence", "dyad_new_id", "where_prec", "date_prec", "priogrid_gid", *DEATHS,
             "best", "high", "low")  # fmt: skip
    assert all(table[name].dtype.kind == "i" for name in whole)
    assert table["id"].is_unique
    assert table["type_of_violence"].isin([1, 2, 3]).all()
    assert (table[list(DEATHS)].sum(axis=1) == table["best"]).all()
    assert table["date_start"].equals(table["date_end"])
    assert (table["year"] == table["date_start"].dt.year).all()
    assert table[["country", "dyad_name", "side_a", "side_b", "where_coordinates", "adm_1"]].notna().all().tolist() == [
        True
    ] * 5 + [False]
    assert ged("export", folder, "--out", tmp_path / "out.csv").exit_code == 2
    assert ged("export", tmp_path / "nosuch", "--out", tmp_path / "x.csv").exit_code == 2


def test_cells_are_not_those_of_prio_grid() -> None:
    """The south-western cell is 1, a row has 720, the north-eastern one is the last of 259,200."""
    latitude, longitude = pd.Series([-89.9, -89.9, -89.4, 89.9]), pd.Series([-179.9, 179.9, -179.9, 179.9])
    assert ged_files._grid_cell(latitude, longitude).tolist() == [1, 720, 721, 259_200]


def test_what_is_exported_and_imported_again_is_not_what_was_simulated(
    tmp_path: Path, folder: Path, result: Result
) -> None:
    ged("export", folder, "--out", tmp_path / "out.csv")
    days = result.columns.dates
    found = imported(tmp_path, tmp_path / "out.csv", "--since", str(days[0]), "--until", str(days[-1]))
    simulated = casualties_by_day(result)
    killed = found.table("killed")
    names = {place.name: key for key, place in result.scenario.file.places.items()}
    assert {names[name] for name in found.places} == {key for key, daily in simulated.items() if daily["killed"].sum()}
    for name in found.places:
        assert killed[name].tolist() == simulated[names[name]]["killed"].tolist()
    by_dyad = result.ged_events.groupby("dyad_name")["best"].sum()
    assert found.dyads().sort_index().to_dict() == by_dyad.to_dict()


def test_a_run_without_deaths_cannot_be_exported(tmp_path: Path) -> None:
    scenario = theatre()
    record = empty_record(scenario)
    record.steps_done = scenario.steps
    folder = result_of(scenario, record).save(tmp_path / "quiet")
    assert ged("export", folder, "--out", tmp_path / "out.csv").exit_code == 0
    assert tuple(pd.read_csv(tmp_path / "out.csv").columns) == GED_COLUMNS


# --- side by side --------------------------------------------------------------------------------------


@pytest.fixture
def own_record(tmp_path: Path, folder: Path, result: Result) -> Path:
    """The run's own events as if they had been observed."""
    ged("export", folder, "--out", tmp_path / "own-ged.csv")
    days = result.columns.dates
    imported(tmp_path, tmp_path / "own-ged.csv", "--since", str(days[0]), "--until", str(days[-1]), name="own.csv")
    return tmp_path / "own.csv"


def statistics(told: dict[str, Any], place: str) -> dict[str, dict[str, Any]]:
    return {row["statistic"]: row for row in told["places"][place]["statistics"]}


def test_a_run_beside_itself_differs(tmp_path: Path, folder: Path, own_record: Path) -> None:
    outcome = ged("compare", folder, "--observed", own_record, "--json")
    assert outcome.exit_code == 0, outcome.output
    told = json.loads(outcome.stdout)
    for place in told["places"]:
        for name, row in statistics(told, place).items():
            assert row["observed"] == row["simulated"], (place, name)
        for row in told["places"][place]["dyads"]:
            assert row["observed"] == pytest.approx(row["simulated"])
        daily = told["places"][place]["daily"]
        assert daily["observed"] == daily["simulated"]
    assert [(row["first"], row["second"]) for row in told["between"]] == [*combinations(told["places"], 2)]
    for row in told["between"]:
        assert row["observed"] == row["simulated"]


def test_stylised_facts_are_those_of_other_days(tmp_path: Path) -> None:
    """Forty days beside a run in which nobody is hurt: bursts, memory, tail, wounded, and what two places share."""
    scenario = theatre(clock__days=40)
    record = empty_record(scenario)
    record.steps_done = scenario.steps
    folder = result_of(scenario, record).save(tmp_path / "run")
    first, unknown = scenario.file.clock.start.date(), 30
    here = dict(zip((0, 1, 2, 3, 4, 9, 10, 11, 12, 20, 25, 39), (1, 2, 1, 3, 1, 1, 9, 2, 1, 4, 1, 2), strict=True))
    there = {day: dead + day % 3 for day, dead in here.items()}
    rows = []
    for place, killed in (("qusayr", here), ("tripoli", there)):
        for day in range(40):
            told = "" if day == unknown else str(killed.get(day, 0))
            rows.append(f"{first + timedelta(days=day)},{place},{told},,,{2 if day == 9 else 0},x")
    file = listed(tmp_path / "o.csv", *rows, header="date,place,killed,killed_low,killed_high,wounded,source")
    outcome = ged("compare", folder, "--observed", file, "--json")
    assert outcome.exit_code == 0, outcome.output
    told = json.loads(outcome.stdout)
    found = {name: row["observed"] for name, row in statistics(told, "qusayr").items()}
    daily = np.array([[killed.get(day, 0.0) for day in range(40)] for killed in (here, there)])
    known = [day for day in range(39) if day not in (unknown - 1, unknown)]
    after = [day + 1 for day in known]
    days = np.delete(daily[0], unknown)
    assert found["variance over mean of killed a day"] == pytest.approx(days.var(ddof=1) / days.mean())
    assert found["correlation with the day before"] == pytest.approx(
        np.corrcoef(daily[0][known], daily[0][after])[0, 1]
    )
    waits = np.array([1, 1, 1, 1, 5, 1, 1, 1, 8, 5])  # none over the day without data
    ratio = waits.std() / waits.mean()
    assert found["burstiness of these waits"] == pytest.approx((11**0.5 * ratio - 3) / ((11**0.5 - 2) * ratio + 3))
    assert found["correlation of a wait with the next"] == pytest.approx(np.corrcoef(waits[:-1], waits[1:])[0, 1])
    assert found["wounded for each killed"] == pytest.approx(2 / sum(here.values()))
    sizes = list(here.values())
    assert found["exponent of the tail of events"] == tails.fit(sizes).alpha
    assert told["places"]["qusayr"]["tail"]["tail"]["n"] == len(sizes)
    both = np.delete(daily, unknown, axis=1)
    (row,) = told["between"]
    assert row["observed"] == pytest.approx(np.corrcoef(both)[0, 1])
    assert row["simulated"] is None and row["observed_is"] == "not known"  # where nobody is hurt nothing is shared
    text = " ".join(ged("compare", folder, "--observed", file).stdout.split())
    assert f"Sizes observed: {tails.told(sizes, np.random.default_rng(0))}." in text


def test_the_interval_is_not_that_of_the_runs(tmp_path: Path, own_record: Path) -> None:
    scenario = theatre()
    results = [result_of(scenario, record_of(scenario, seed=seed), seed=seed) for seed in range(1, 12)]
    folders = [one.save(tmp_path / f"run{one.seed}") for one in results]
    told = json.loads(ged("compare", *folders, "--observed", own_record, "--place", "qusayr", "--json").stdout)
    killed = [casualties_by_day(one)["qusayr"]["killed"].sum() for one in results]
    row = statistics(told, "qusayr")["killed in all"]
    assert list(told["places"]) == ["qusayr"]
    assert row["runs"] == 11
    assert [row["simulated_low"], row["simulated"], row["simulated_high"]] == sorted(killed)[1:10:4]  # 10, 50, 90 %


def test_days_without_data_count_in_the_simulation(tmp_path: Path, folder: Path, result: Result) -> None:
    simulated = casualties_by_day(result)["qusayr"]["killed"]
    deadly = simulated.idxmax()
    rows = [f"{day:%Y-%m-%d},qusayr,{'' if day == deadly else 0},,,x" for day in simulated.index]
    told = json.loads(ged("compare", folder, "--observed", listed(tmp_path / "o.csv", *rows), "--json").stdout)
    row = statistics(told, "qusayr")["killed in all"]
    assert (row["observed"], row["simulated"]) == (0, simulated.sum() - simulated.max())
    assert row["observed_is"] == "below"
    assert told["places"]["qusayr"]["days_without_data"] == 1


def test_dyads_under_one_name_are_counted_apart(tmp_path: Path) -> None:
    """The record codes as one dyad what the simulation tells apart."""
    scenario = theatre()
    record = empty_record(scenario)
    record.steps_done = scenario.steps
    for side, dead in (("government", 2), ("army", 1)):
        book(record, scenario, step=30, place="qusayr", side_a=side, side_b="rebels", killed_b=dead)
    folder = result_of(scenario, record).save(tmp_path / "run")
    header = "date,place,dyad,killed,killed_low,killed_high,source"
    file = listed(tmp_path / "o.csv", "2013-05-18,qusayr,State - Rebels,3,,,x", header=header)
    arguments = ("compare", folder, "--observed", file, "--json")
    apart = json.loads(ged(*arguments).stdout)
    assert statistics(apart, "qusayr")["events"]["simulated"] == 2
    first, second = ("Government - Rebels=State - Rebels", "Rebels - Army of the other country=State - Rebels")
    outcome = ged(*arguments, "--same-dyad", first, "--same-dyad", second)
    assert outcome.exit_code == 0, outcome.output
    found = statistics(json.loads(outcome.stdout), "qusayr")
    assert found["events"]["simulated"] == 1
    assert found["killed in an event, most"]["simulated"] == 3
    for wrong, said in (
        ("nobody=State - Rebels", "no simulated dyad 'nobody'"),
        ("x=y", "has no dyad 'y'"),
        ("x", "write it"),
    ):
        refused = ged(*arguments, "--same-dyad", wrong)
        assert refused.exit_code == 2 and said in refused.stderr


def test_rounds_are_compared_as_rounds(tmp_path: Path, folder: Path, result: Result) -> None:
    days = casualties_by_day(result)["tripoli"].index
    rows = [f"{days[0]:%Y-%m-%d},{days[1]:%Y-%m-%d},2,4,5,x", f"{days[-1]:%Y-%m-%d},{days[-1]:%Y-%m-%d},1,1,,x"]
    file = listed(tmp_path / "r.csv", *rows, header="start,end,killed_low,killed_high,wounded,source")
    told = json.loads(ged("compare", folder, "--observed", file, "--place", "tripoli", "--json").stdout)
    found = statistics(told, "tripoli")
    assert found["rounds"]["observed"] == 2
    assert found["rounds"]["simulated"] == len(result.rounds("tripoli"))
    assert [found["killed in all"][k] for k in ("observed_low", "observed", "observed_high")] == [3, 4, 5]
    assert found["share of days with fighting"]["observed"] == pytest.approx(3 / len(days))


def test_files_and_figures_are_written_once(tmp_path: Path, folder: Path, own_record: Path) -> None:
    arguments = ("compare", folder, "--observed", own_record, "--out", tmp_path / "out")
    outcome = ged(*arguments)
    assert outcome.exit_code == 0, outcome.output
    assert "killed in all" in outcome.stdout
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [f"compare.{kind}" for kind in ("csv", "json", "png", "svg")]
    assert (out / "compare.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (out / "compare.svg").read_text(encoding="utf-8")
    before = (out / "compare.svg").read_bytes()
    assert ged(*arguments).exit_code == 2
    assert ged(*arguments, "--force").exit_code == 0
    assert (out / "compare.svg").read_bytes() == before


def test_a_scenario_is_run_for_its_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(scenario: Any, seed: int, threads: int) -> Result:
        return result_of(scenario, record_of(scenario, seed=seed), seed=seed)

    monkeypatch.setattr(side_by_side, "run", made)
    (tmp_path / "two-towns.toml").write_text(theatre().to_toml(), encoding="utf-8")
    file = listed(tmp_path / "o.csv", "2013-05-19,Qusayr,3,2,5,x", "2013-05-20,Qusayr,0,,,x")
    arguments = ("compare", tmp_path / "two-towns.toml", "--observed", file, "--seeds", 3, "--workers", 1, "--json")
    outcome = ged(*arguments)
    assert outcome.exit_code == 0, outcome.output
    told = json.loads(outcome.stdout)
    assert told["seeds"] == [0, 1, 2]
    assert told["places"]["qusayr"]["days_compared"] == 2


def test_what_cannot_be_compared_is_refused(tmp_path: Path, folder: Path) -> None:
    file = listed(tmp_path / "o.csv", "2013-05-19,Qusayr,3,2,5,x")
    early = listed(tmp_path / "early.csv", "2001-05-19,Qusayr,3,2,5,x")
    strange = listed(tmp_path / "strange.csv", "2013-05-19,Elsewhere,3,2,5,x")
    for arguments, said in (
        ((folder, "--observed", early), "no data between"),
        ((folder, "--observed", strange), "none of its places is in scenario"),
        ((folder, "--observed", file, "--place", "qusair"), "Did you mean 'qusayr'?"),
        ((folder, "--observed", file, "--place", "homs"), "has no data of it"),
        ((folder, "tiny", "--observed", file), "tiny: not a run folder"),
        ((folder, "--observed", file, "--seeds", 3), "--seeds"),
        ((tmp_path, "--observed", file), "no provenance.json"),
    ):
        outcome = ged("compare", *arguments)
        assert outcome.exit_code == 2, outcome.output
        assert said in outcome.stderr


@pytest.mark.parametrize("values", [[1, 2, 2, 5], [3]])
def test_share_of_what_is_as_large_is_another(values: list[int]) -> None:
    at = np.array([1.0, 2.0, 3.0, 5.0, 6.0])
    expected = [sum(v >= x for v in values) / len(values) for x in at]
    assert side_by_side_figures.exceeding(np.array(values, dtype=float), at).tolist() == pytest.approx(expected)


# --- the extract ---------------------------------------------------------------------------------------


@pytest.fixture
def extract() -> Path:
    if not EXTRACT.exists():
        pytest.skip("the extract of UCDP GED (shared/data) is not here")
    return EXTRACT


def test_the_extract_gives_another_battle_of_qusayr(tmp_path: Path, extract: Path) -> None:
    """The daily cut was made independently, of a slightly other area."""
    found = imported(tmp_path, extract, "--within", "qusayr:12", "--since", "2013-04-01", "--until", "2013-06-30")
    killed = found.table()["qusayr"]
    known = pd.read_csv(RECORDED, parse_dates=["date"], index_col="date")["deaths_total"]
    assert len(killed) == len(known) == 91
    assert np.corrcoef(killed, known)[0, 1] > 0.95
    assert killed["2013-05-19":"2013-06-05"].mean() == pytest.approx(16.8, rel=0.15)
    assert killed[:"2013-05-18"].mean() == pytest.approx(3.9, rel=0.15)
    assert found.sizes["size"].median() == 2


def test_the_extract_has_rounds_of_tripoli(tmp_path: Path, extract: Path) -> None:
    outcome = ged("import", extract, "--out", tmp_path / "o.csv", "--within", "tripoli:10")
    assert outcome.exit_code == 2
    assert "no event is left" in outcome.stderr
    assert not (tmp_path / "o.csv").exists()
    assert "names no places" in ged("import", extract, "--out", tmp_path / "o.csv", "--place", "Qusayr").stderr
