"""A scenario file is taken whole or refused with everything that is wrong with it."""

import copy
import os
import pickle
import tomllib
import typing
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from small import DROP, SMALL, small, written

from sim.scenario import Fault, Scenario, ScenarioError, assignments, shipped, tell, value_of, values_in
from sim.scenario.coherence import OFFICES, REFERENCES
from sim.scenario.shape import Slot, root, slot_of


def faults_of(path: Path | str) -> tuple[Fault, ...]:
    with pytest.raises(ScenarioError) as refused:
        Scenario.load(path)
    return refused.value.faults


def fault_of(path: Path | str) -> Fault:
    (fault,) = faults_of(path)
    return fault


def text_file(folder: Path, text: str, name: str = "s.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# --- taken ---------------------------------------------------------------------------------------------


def test_small_scenario_loads(tmp_path: Path) -> None:
    scenario = Scenario.load(written(tmp_path))
    assert (scenario.id, scenario.title, scenario.steps, scenario.step_hours) == (
        "small",
        "A small scenario",
        72,
        1.0,
    )
    assert scenario.origin == tmp_path / "small.toml"


@pytest.mark.parametrize("name", list(shipped()))
def test_shipped_scenarios_load_and_return_from_toml_equal(name: str) -> None:
    scenario = Scenario.load(name)
    assert Scenario.from_toml(scenario.to_toml()) == scenario


def test_round_trip_is_equal_with_sources_and_hash(tmp_path: Path) -> None:
    scenario = Scenario.load(written(tmp_path, {"scenario.summary": 'Quotes " and \\ and\nlines é'}))
    again = Scenario.load(text_file(tmp_path, scenario.to_toml(), "again.toml"))
    assert again == scenario
    assert again.sources == {"factions.reds.fighters": "A06"}
    assert again.content_hash() == scenario.content_hash()
    assert hash(again) == hash(scenario)


def test_scenario_survives_pickling() -> None:
    scenario = Scenario.from_toml(SMALL)
    assert pickle.loads(pickle.dumps(scenario)) == scenario


def test_faults_survive_pickling() -> None:
    error = ScenarioError([Fault("f", "k", "1", "2")])
    assert pickle.loads(pickle.dumps(error)).faults == error.faults


def test_value_with_source_is_taken_as_the_value(tmp_path: Path) -> None:
    with_source = written(tmp_path, {"clock.days": {"value": 2.0, "source": "assumed"}}, "with.toml")
    plain = written(tmp_path, {"clock.days": 2.0}, "plain.toml")
    assert Scenario.load(with_source).file == Scenario.load(plain).file
    assert Scenario.load(with_source).sources["clock.days"] == "assumed"
    assert Scenario.load(with_source).content_hash() == Scenario.load(plain).content_hash()


def test_arrays_may_have_a_source_too(tmp_path: Path) -> None:
    path = written(tmp_path, {"corridors.road.between": {"value": ["mill", "harbour"], "source": "a map"}})
    assert Scenario.load(path).sources["corridors.road.between"] == "a map"


def test_source_of_falls_back_to_the_element() -> None:
    scenario = Scenario.from_toml(small({"places.mill.source": "A11"}))
    assert scenario.source_of("factions.reds.fighters") == "A06"
    assert scenario.source_of("places.mill.population") == "A11"
    assert scenario.source_of("places.harbour.population") is None


def test_time_follows_the_zone_across_the_change_to_winter_time() -> None:
    scenario = Scenario.from_toml(small({"clock.start": datetime(2013, 10, 26), "clock.days": 3.0}))
    assert [scenario.time_of(step).hour for step in (0, 23, 24, 25, 48)] == [0, 23, 23, 0, 23]
    assert all(scenario.step_of(scenario.time_of(step)) == step for step in range(scenario.steps))


@pytest.mark.parametrize("hours", [24 / 7, 1 / 3, 0.05, 24.0])
def test_step_of_undoes_time_of_for_any_length_of_step(hours: float) -> None:
    scenario = Scenario.from_toml(small({"clock.step_hours": hours, "clock.days": 30.0}))
    assert all(scenario.step_of(scenario.time_of(step)) == step for step in range(0, scenario.steps, 7))
    assert scenario.time_of(scenario.steps_a_day * 30) - scenario.time_of(0) == scenario.time_of(
        scenario.steps
    ) - scenario.time_of(0)


def test_step_of_takes_local_and_aware_times() -> None:
    scenario = Scenario.from_toml(SMALL)
    assert scenario.step_of(datetime(2013, 5, 19, 6, 59)) == 30
    assert scenario.step_of(datetime(2013, 5, 19, 3, 0, tzinfo=UTC)) == 30
    assert scenario.step_of(datetime(2013, 5, 17, 23, 30)) == -1


# --- extends -------------------------------------------------------------------------------------------


def test_extends_merges_tables_and_replaces_the_rest(tmp_path: Path) -> None:
    written(tmp_path, name="base.toml")
    middle = 'extends = "base.toml"\nclock.days = 2.0\nfactions.greens.fighters = 500\n'
    text_file(tmp_path, middle, "middle.toml")
    top = 'extends = "middle.toml"\n[factions.greens]\nfighters = 600\n[observers.desk]\nplaces = []\n'
    scenario = Scenario.load(text_file(tmp_path, top, "top.toml"))
    assert scenario.file.clock.days == 2.0
    assert scenario.file.factions["greens"].fighters == 600
    assert scenario.file.factions["greens"].name == "Greens"
    assert scenario.file.observers["desk"].places == ()
    assert scenario.where["factions.greens.fighters"].endswith("top.toml")
    assert scenario.where["clock.days"].endswith("middle.toml")
    assert scenario.where["clock.zone"].endswith("base.toml")


def test_extends_takes_a_shipped_name(tmp_path: Path) -> None:
    path = text_file(tmp_path, 'extends = "tiny"\nclock.days = 1.0\n')
    assert Scenario.load(path).file.clock.days == 1.0


def test_a_later_value_loses_the_earlier_source(tmp_path: Path) -> None:
    written(tmp_path, name="base.toml")
    path = text_file(tmp_path, 'extends = "base.toml"\nfactions.reds.fighters = 150\n')
    assert "factions.reds.fighters" not in Scenario.load(path).sources


def test_fault_names_the_file_that_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, {"fire.lethality": 1.7}, "base.toml")
    path = text_file(tmp_path, 'extends = "base.toml"\nfire.reach_m = 1.0\nchannels.kin.weigth = 1.0\n', "top.toml")
    assert sorted(map(str, faults_of(path))) == [
        "base.toml: fire.lethality: found 1.7, allowed 0 to 1 (1)",
        "top.toml: channels.kin.weigth: unknown key; did you mean channels.kin.weight?",
        "top.toml: fire.reach_m: found 1.0, allowed 20 to 2000 (m)",
    ]


def test_extends_may_not_leave_the_folder(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    outside = written(tmp_path, name="outside.toml")
    for name in ("../outside.toml", str(outside), "deeper/../../outside.toml"):
        fault = fault_of(text_file(tmp_path / "inner", f'extends = "{name}"\n'))
        assert fault.key == "extends"
        assert "outside the folder" in fault.found


def test_extends_may_not_leave_the_folder_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    written(tmp_path, name="outside.toml")
    (tmp_path / "inner/link.toml").symlink_to(tmp_path / "outside.toml")
    fault = fault_of(text_file(tmp_path / "inner", 'extends = "link.toml"\n'))
    assert "outside the folder" in fault.found


def test_extends_in_a_loop_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text_file(tmp_path, 'extends = "b.toml"\n', "a.toml")
    text_file(tmp_path, 'extends = "a.toml"\n', "b.toml")
    fault = fault_of("a.toml")
    assert (fault.file, fault.key) == ("b.toml", "extends")
    assert "a.toml -> b.toml -> a.toml" in fault.allowed


def test_extends_itself_is_a_loop(tmp_path: Path) -> None:
    assert fault_of(text_file(tmp_path, 'extends = "s.toml"\n')).found == "a loop"


@pytest.mark.parametrize(
    ("extends", "meant"),
    [('"bse.toml"', "base.toml"), ('"base"', "base.toml"), ('"tinny"', "tiny"), ('"."', None), ("3", None)],
)
def test_extends_to_nothing_is_told(tmp_path: Path, extends: str, meant: str | None) -> None:
    written(tmp_path, name="base.toml")
    fault = fault_of(text_file(tmp_path, f"extends = {extends}\n"))
    assert (fault.key, fault.nearest) == ("extends", meant)


def test_too_long_a_chain_is_refused(tmp_path: Path) -> None:
    for number in range(60):
        text_file(tmp_path, f'extends = "f{number + 1}.toml"\n', f"f{number}.toml")
    assert fault_of(tmp_path / "f0.toml").key == "extends"


# --- files that are none -------------------------------------------------------------------------------


def test_missing_file_names_the_nearest_shipped_one() -> None:
    fault = fault_of("tinny")
    assert fault.nearest == "tiny"
    assert str(fault).startswith("tinny: found no such file or shipped name")


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 5000, "\udcff.toml", "~", "/dev/null", "/dev/zero"])
def test_impossible_names_are_faults(name: str) -> None:
    assert faults_of(name)


def test_directory_is_no_scenario(tmp_path: Path) -> None:
    assert "a directory" in str(fault_of(tmp_path))


def test_pipe_is_no_scenario_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    assert "no ordinary file" in str(fault_of(tmp_path / "pipe.toml"))


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to root")
def test_unreadable_file_is_told(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.chmod(0)
    assert "cannot be read" in str(fault_of(path))


def test_text_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(SMALL.encode() + b"# \xe9\n")
    assert "not UTF-8" in str(fault_of(path))


def test_byte_order_mark_and_dos_line_ends_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "dos.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert Scenario.load(path).id == "small"


def test_huge_file_is_refused(tmp_path: Path) -> None:
    assert "5 MB" in str(fault_of(text_file(tmp_path, "#" * 5_000_001)))


def test_bad_toml_is_told_with_line_and_column(tmp_path: Path) -> None:
    assert "line 2, column 5" in str(fault_of(text_file(tmp_path, "a = 1\nb = = 2\n")))


def test_table_given_twice_is_told(tmp_path: Path) -> None:
    fault = fault_of(text_file(tmp_path, SMALL + "\n[places.mill]\nname = 'Again'\n"))
    assert fault.key == "places.mill"
    assert "given twice (at line" in fault.message


def test_key_given_twice_is_told(tmp_path: Path) -> None:
    assert "given twice" in str(fault_of(text_file(tmp_path, "a = 1\na = 2\n")))


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 20_000, "a" + ".a" * 5_000 + " = 1", "a = " + "[" * 60 + "]" * 60, "a = " + "9" * 5_000],
)
def test_monstrous_toml_is_a_fault(tmp_path: Path, text: str) -> None:
    assert faults_of(text_file(tmp_path, text + "\n"))


def test_faults_are_one_line_without_control_characters(tmp_path: Path) -> None:
    path = written(tmp_path, {"clock.zone": "a\n\x1b[31mb", "scenario.no\nsuch": 1})
    for fault in faults_of(path):
        assert str(fault).isprintable()


def test_very_many_faults_are_cut_short(tmp_path: Path) -> None:
    faults = faults_of(written(tmp_path, {f"fire.key{n}": n for n in range(2000)}))
    assert len(faults) == 501
    assert "1500 more" in str(faults[-1])


# --- one kind of fault after the other -----------------------------------------------------------------

SAME = None  # the fault has the key that was changed

REFUSED: dict[str, tuple[Any, ...]] = {
    # what: the change, the key of the fault, part of its message, the nearest right one
    "misspelt key": ({"factions.reds.fightrs": 5}, SAME, "unknown key", "factions.reds.fighters"),
    "misspelt table": ({"faction.reds.fighters": 5}, "faction", "unknown key", "factions"),
    "key like no other": ({"fire.zzz": 1}, SAME, "allowed here: hit_per_hour"),
    "out of range": ({"fire.lethality": 1.7}, SAME, "found 1.7, allowed 0 to 1 (1)"),
    "out of range, with unit": ({"corridors.road.delay_h": -1.0}, SAME, "0 to 1000 (h)"),
    "latitude": ({"places.mill.latitude": 95.0}, SAME, "-90 to 90 (degrees north)"),
    "share": ({"communities.red.hostility.green": 2.0}, SAME, "allowed 0 to 1"),
    "text for a number": ({"clock.days": "three"}, SAME, 'found "three", allowed a number'),
    "digits in quotes": ({"clock.days": "3"}, SAME, 'found "3", allowed a number'),
    "fraction of a person": ({"factions.reds.fighters": 1.5}, SAME, "a whole number"),
    "number for text": ({"places.mill.name": 4}, SAME, "found 4, allowed text"),
    "number for a switch": ({"channels.kin.on": 1}, SAME, "allowed true or false"),
    "number for a time": ({"events.speech.at": 5}, SAME, "a local date and time"),
    "quoted time": ({"events.speech.at": "2013-05-18T12:00:00"}, SAME, "without quotes"),
    "day for a time": ({"clock.start": date(2013, 5, 18)}, SAME, "a local date and time"),
    "time for a day": ({"windows.first_day.last": datetime(2013, 5, 19)}, SAME, "a date"),
    "infinite": ({"clock.days": float("inf")}, SAME, "found inf"),
    "not a number": ({"fire.lethality": float("nan")}, SAME, "found nan"),
    "value for a table": ({"fire": 3}, SAME, "found 3, allowed a table"),
    "table for a value": ({"clock.days": {"a": 1}}, SAME, "{ value = …, source"),
    "half a source": ({"clock.days": {"value": 1.0}}, SAME, "{ value = …, source"),
    "array for a table": ({"places": [{"name": "x"}]}, SAME, "[name], not [[name]]"),
    "missing": ({"places.mill.latitude": DROP}, SAME, "missing, needs a number"),
    "missing table": ({"clock": DROP}, SAME, "missing"),
    "bad id": (
        {"windows.First-day": {"first": date(2013, 5, 1), "last": date(2013, 5, 2)}},
        SAME,
        "lower-case letters",
    ),
    "bad scenario id": ({"scenario.id": "My Scenario"}, SAME, "lower-case letters, digits and -"),
    "too few": ({"lines_of_contact.street.path": [[35.8, 34.4]]}, SAME, "at least 2"),
    "one word of several": ({"factions.reds.fire": "aimd"}, SAME, "one of aimed, area", "aimed"),
    "kind of event": ({"events.speech.kind": "statment"}, SAME, "one of offensive", "statement"),
    "no kind": ({"events.speech.kind": DROP}, SAME, "missing, needs one of offensive"),
    "key of another kind": ({"events.speech.attackers": ["reds"]}, SAME, "unknown key"),
    "value of an event": ({"events.assault.intensity": 9.0}, SAME, "0 to 3 (1)"),
    "format": ({"format": 2}, SAME, "found 2, allowed 1"),
    # references
    "place": ({"fronts.mill.place": "mil"}, SAME, "the id of a place: mill, harbour", "mill"),
    "community": (
        {"places.harbour.communities": {"rad": 1.0}},
        "places.harbour.communities.rad",
        "a community",
        "red",
    ),
    "controller": ({"places.mill.control": {"red_s": 1.0}}, "places.mill.control.red_s", "a faction", "reds"),
    "tie": (
        {"neighbourhoods.east.ties.red.mlil": 1.0},
        "neighbourhoods.east.ties.red.mlil",
        "a place",
        "mill",
    ),
    "volunteers' faction": (
        {"neighbourhoods.east.volunteers.red.faction": "greys"},
        "neighbourhoods.east.volunteers.red.faction",
        "a faction",
        "greens",
    ),
    "volunteers' place": (
        {"neighbourhoods.east.volunteers.red.place": "hrabour"},
        "neighbourhoods.east.volunteers.red.place",
        "a place",
        "harbour",
    ),
    "line's side": (
        {"lines_of_contact.street.between": ["eastt", "west"]},
        "lines_of_contact.street.between.0",
        "a neighbourhood",
        "east",
    ),
    "stance": ({"factions.reds.stance.green": 1.0}, "factions.reds.stance.green", "a faction", "greens"),
    "deployed": ({"factions.reds.deployed.nowhere": 1.0}, "factions.reds.deployed.nowhere", "a place"),
    "backed": ({"patrons.uncle.backs": {"green": 1.0}}, "patrons.uncle.backs.green", "a faction", "greens"),
    "corridor to nowhere": (
        {"corridors.road.between": ["mill", "harbor"]},
        "corridors.road.between.1",
        "a place",
        "harbour",
    ),
    "barred": ({"corridors.road.barred": ["greans"]}, "corridors.road.barred.0", "a faction", "greens"),
    "line": (
        {"security_forces.army.line": "stret"},
        "security_forces.army.line",
        "a line of contact",
        "street",
    ),
    "event's place": ({"events.assault.place": "mile"}, "events.assault.place", "a place", "mill"),
    "attacker": (
        {"events.assault.attackers": ["greenz"]},
        "events.assault.attackers.0",
        "a faction",
        "greens",
    ),
    "audience": ({"events.speech.audience": {"blue": 0.1}}, "events.speech.audience.blue", "a community"),
    "force": (
        {"events.go": {"kind": "deployment", "at": datetime(2013, 5, 18), "text": "x", "force": "armi"}},
        "events.go.force",
        "a security force",
        "army",
    ),
    "sealed corridor": (
        {"events.s": {"kind": "seal", "at": datetime(2013, 5, 18), "text": "x", "corridors": ["rod"]}},
        "events.s.corridors.0",
        "a corridor",
        "road",
    ),
    "covered": (
        {"observers.desk.covers.civilian": 1.0},
        "observers.desk.covers.civilian",
        "a faction",
        "civilians",
    ),
    "benchmark's window": (
        {"benchmarks.first.window": "first"},
        "benchmarks.first.window",
        "a window",
        "first_day",
    ),
    "almost an id": (
        {
            "events.s": {
                "kind": "border_fire",
                "at": datetime(2013, 5, 18),
                "text": "x",
                "place": "harbour",
                "by": "green",
            }
        },
        "events.s.by",
        "an id, or the name of an office",
        "greens",
    ),
    "benchmark without a faction": (
        {"benchmarks.first.measure": "faction_killed"},
        "benchmarks.first",
        "needs a faction",
    ),
    # what does not fit together
    "two of one name": ({"places.harbour.name": " mill"}, "places.harbour.name", "places.mill does not have"),
    "corridor to itself": (
        {"corridors.road.between": ["mill", "mill"]},
        "corridors.road.between",
        "two different places",
    ),
    "hostile to itself": (
        {"communities.red.hostility.red": 0.5},
        "communities.red.hostility.red",
        "towards itself",
    ),
    "stance to itself": ({"factions.reds.stance.reds": 1.0}, "factions.reds.stance.reds", "towards itself"),
    "ties at home": (
        {"neighbourhoods.east.ties.red.harbour": 1.0},
        "neighbourhoods.east.ties.red.harbour",
        "own place",
    ),
    "armed strangers": (
        {"neighbourhoods.east.armed.green": 1.0},
        "neighbourhoods.east.armed.green",
        "lives here: red",
    ),
    "second front": ({"fronts.again.place": "mill"}, "fronts.again.place", "one front for each place"),
    "shares of a place": (
        {"places.mill.communities": {"red": 0.6, "green": 0.3}},
        "places.mill.communities",
        "shares that sum to 0.9",
    ),
    "shares of control": ({"places.mill.control": {"reds": 0.7}}, SAME, "sum to 1"),
    "shares of residents": ({"neighbourhoods.west.communities": {"green": 0.9}}, SAME, "sum to 0.9"),
    "shares of nobody": ({"factions.reds.constituency": {}}, SAME, "no shares"),
    "shares of a patron": ({"patrons.uncle.backs": {"greens": 0.5}}, SAME, "sum to 0.5"),
    "no outline": (
        {"neighbourhoods.west.polygon": DROP},
        "neighbourhoods.west",
        "neither polygon nor rectangle",
    ),
    "two outlines": (
        {"neighbourhoods.east.polygon": [[35.8, 34.4], [35.801, 34.4], [35.801, 34.401]]},
        "neighbourhoods.east",
        "both polygon and rectangle",
    ),
    "two corners": ({"neighbourhoods.west.polygon": [[35.8, 34.4], [35.801, 34.4]]}, SAME, "at least 3"),
    "flat outline": (
        {"neighbourhoods.west.polygon": [[35.8, 34.4], [35.8, 34.401], [35.8, 34.402]]},
        SAME,
        "an outline with an area",
    ),
    "latitude first": (
        {"neighbourhoods.west.polygon": [[34.4, 35.8], [34.4, 35.801], [34.401, 35.801]]},
        SAME,
        "[longitude, latitude] within 20 km",
    ),
    "rectangle far away": (
        {"neighbourhoods.east.rectangle.west": 50_000.0},
        "neighbourhoods.east.rectangle",
        "at most 20 km",
    ),
    "line far away": ({"lines_of_contact.street.path": [[35.8, 34.4], [37.0, 34.4]]}, SAME, "within 20 km"),
    "fighters nowhere": ({"factions.reds.deployed": {}}, SAME, "nowhere for 200 fighters"),
    "more armed than able": ({"neighbourhoods.east.armed.red": 60.0}, SAME, "at most 40 people"),
    "more volunteers than able": (
        {"neighbourhoods.east.volunteers.red.already_there": 60},
        SAME,
        "at most 40 people",
    ),
    "less than one agent": (
        {"neighbourhoods.east.people_per_agent": 200},
        SAME,
        "at most the residents, 100",
    ),
    "window backwards": ({"windows.first_day.last": date(2013, 5, 1)}, SAME, "2013-05-19 (first) or later"),
    "event backwards": ({"events.assault.until": datetime(2013, 5, 1)}, SAME, "(at) or later"),
    "step that does not divide a day": ({"clock.step_hours": 5.0}, SAME, "divides 24 h"),
    "part of a step": ({"clock.days": 1.03}, SAME, "a whole number of steps"),
    "offset": ({"clock.start": datetime(2013, 5, 18, tzinfo=UTC)}, SAME, "without an offset"),
    "event's offset": ({"events.assault.at": datetime(2013, 5, 18, tzinfo=UTC)}, SAME, "without an offset"),
    "zone": ({"clock.zone": "Asia/Beiruth"}, SAME, "an IANA time zone", "Asia/Beirut"),
    "zone that is a folder": ({"clock.zone": "Asia"}, SAME, "an IANA time zone"),
    "zone outside": ({"clock.zone": "../../etc/passwd"}, SAME, "an IANA time zone"),
    "end of the calendar": ({"clock.start": datetime(9999, 12, 31)}, SAME, "1000 to 3000"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.chdir(tmp_path)
    changes, key, message, *meant = REFUSED[what]
    fault = fault_of(written(tmp_path, changes))
    assert (fault.file, fault.key) == ("small.toml", key or next(iter(changes)))
    assert message in fault.message
    assert str(fault).startswith(f"small.toml: {fault.key}: ")
    if meant:
        assert fault.nearest == meant[0]
        assert str(fault).endswith(f"; did you mean {meant[0]}?")


def test_line_between_two_places(tmp_path: Path) -> None:
    path = written(tmp_path, {"neighbourhoods.east.place": "mill", "neighbourhoods.east.ties": {}})
    keys = {fault.key for fault in faults_of(path)}
    assert "lines_of_contact.street.between" in keys
    assert "security_forces.army.line" in keys


def test_force_on_a_line_elsewhere(tmp_path: Path) -> None:
    fault = fault_of(written(tmp_path, {"security_forces.army.place": "mill"}))
    assert (fault.key, fault.allowed) == ("security_forces.army.line", 'a line in "mill"')


def test_provocation_of_a_community_that_does_not_live_there(tmp_path: Path) -> None:
    event = {
        "kind": "provocation",
        "at": datetime(2013, 5, 18),
        "text": "x",
        "neighbourhood": "east",
        "community": "green",
    }
    assert fault_of(written(tmp_path, {"events.shot": event})).key == "events.shot.community"


def test_a_near_sum_of_shares_is_accepted(tmp_path: Path) -> None:
    Scenario.load(written(tmp_path, {"places.mill.communities": {"red": 0.333, "green": 0.6666}}))


def test_event_outside_the_clock_is_accepted(tmp_path: Path) -> None:
    Scenario.load(written(tmp_path, {"events.speech.at": datetime(2020, 1, 1)}))


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    changes = {
        "factions.reds.fightrs": 5,
        "fire.lethality": 1.7,
        "places.mill.latitude": DROP,
        "events.speech.kind": "statment",
        "corridors.road.between": ["mill", "harbor"],
        "factions.greens.constituency": {"green": 0.5},
        "clock.zone": "Mars",
        "patrons.uncle.name": "",
        "windows.first_day.last": date(2013, 5, 1),
    }
    assert {fault.key for fault in faults_of(written(tmp_path, changes))} == {
        "factions.reds.fightrs",
        "fire.lethality",
        "places.mill.latitude",
        "events.speech.kind",
        "corridors.road.between.1",
        "factions.greens.constituency",
        "clock.zone",
        "patrons.uncle.name",
        "windows.first_day.last",
    }


def test_one_fault_causes_no_others(tmp_path: Path) -> None:
    """A place that is refused still counts as a place; a share that is refused spoils no sum."""
    assert len(faults_of(written(tmp_path, {"places.mill.latitude": "north"}))) == 1
    assert len(faults_of(written(tmp_path, {"places.mill.communities.red": "much"}))) == 1
    assert len(faults_of(written(tmp_path, {"neighbourhoods.east.residents": 0}))) == 1
    assert len(faults_of(written(tmp_path, {"scenario": DROP}))) == 1


# --- every key of the schema is checked ----------------------------------------------------------------

FREE_TEXT = {
    "scenario.id", "scenario.title", "scenario.summary", "clock.zone", "places.*.country",
    "neighbourhoods.*.sides.*", "events.*.text", "observers.*.office", "benchmarks.*.claim",
    "benchmarks.*.text", "benchmarks.*.by",
}  # fmt: skip


def words_of(slot: Slot, path: str) -> Iterator[str]:
    """Every place of the schema where a word may stand: a text, or a key of a table within an element."""
    for model in slot.models:
        for name, field in model.model_fields.items():
            yield from words_of(slot_of(field.annotation, (), field), f"{path}.{name}" if path else name)
    origin, arguments = typing.get_origin(slot.type), typing.get_args(slot.type)
    if origin is dict:
        if path.count(".") > 0:
            yield f"{path}.{{}}"
        yield from words_of(slot_of(arguments[1]), f"{path}.*")
    elif origin is tuple:
        yield from words_of(slot_of(arguments[0]), f"{path}.[]")
    elif slot.type is str and not path.endswith((".name", ".source")):
        yield path


def test_every_word_of_the_schema_is_an_id_that_is_checked_or_free_text() -> None:
    checked = {pattern for pattern, _ in REFERENCES} | set(OFFICES) | FREE_TEXT
    assert set(words_of(root({}), "")) == checked


# --- variations ----------------------------------------------------------------------------------------


def test_variation_leaves_the_scenario_as_it_was() -> None:
    scenario = Scenario.from_toml(SMALL)
    before = scenario.to_toml()
    varied = scenario.with_values({"factions.reds.fighters": 250, "channels.kin.on": False, "fire.lethality": 0.2})
    assert varied.file.factions["reds"].fighters == 250
    assert not varied.file.channels.kin.on
    assert varied != scenario
    assert varied.content_hash() != scenario.content_hash()
    assert scenario.to_toml() == before


def test_a_value_set_anew_has_lost_its_source() -> None:
    varied = Scenario.from_toml(SMALL).with_values({"factions.reds.fighters": 250})
    assert varied.sources == {}


def test_setting_what_is_there_changes_nothing() -> None:
    scenario = Scenario.from_toml(SMALL)
    assert scenario.with_values({"clock.days": 3.0}) == scenario


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("factions.reeds.fighters", "factions.reds.fighters"),
        ("factions.reds.fightrs", "factions.reds.fighters"),
        ("fire.letality", "fire.lethality"),
        ("neighbourhoods.esat.armed.red", "neighbourhoods.east.armed.red"),
        ("zzz", None),
        ("clock.days.x", "clock.days"),
    ],
)
def test_unknown_path_is_refused_with_the_nearest(path: str, meant: str | None) -> None:
    with pytest.raises(ScenarioError) as refused:
        Scenario.from_toml(SMALL).with_values({path: 1})
    assert refused.value.faults[0].key == path
    assert refused.value.faults[0].nearest == meant


def test_variation_is_checked_like_a_file() -> None:
    with pytest.raises(ScenarioError) as refused:
        Scenario.from_toml(SMALL).with_values({"fire.lethality": 2.0, "nosuch": 1, "fronts.mill.place": "x"}, "sweep")
    assert [(fault.file, fault.key) for fault in refused.value.faults] == [
        ("sweep", "nosuch"),
        ("sweep", "fire.lethality"),
        ("sweep", "fronts.mill.place"),
    ]


def test_variation_takes_numpy_numbers_and_new_entries_of_a_table() -> None:
    import numpy as np

    values = {
        "factions.reds.fighters": np.int64(7),
        "fire.lethality": np.float64(0.5),
        "patrons.uncle.delivers_t_day.harbour": 1,
    }
    varied = Scenario.from_toml(SMALL).with_values(values)
    assert varied.file.factions["reds"].fighters == 7
    assert type(varied.file.fire.lethality) is float
    assert varied.file.patrons["uncle"].delivers_t_day == {"mill": 2.0, "harbour": 1.0}


def test_variation_takes_a_whole_new_element() -> None:
    event = {"kind": "nothing", "at": datetime(2013, 5, 19), "text": "Nothing happens."}
    assert "pause" in Scenario.from_toml(SMALL).with_values({"events.pause": event}).file.events


def test_without_switches_an_event_off() -> None:
    scenario = Scenario.from_toml(SMALL)
    assert not scenario.without("assault").file.events["assault"].on
    with pytest.raises(ScenarioError, match="did you mean assault"):
        scenario.without("asault")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1200", 1200), ("0.5", 0.5), ("true", True), ("Asia/Beirut", "Asia/Beirut"), ('"text"', "text"),
        ("2013-05-18T06:00:00", datetime(2013, 5, 18, 6)), ('["a", "b"]', ["a", "b"]), ("", ""),
        ("1\nother = 2", "1\nother = 2"), ("[" * 10_000, "[" * 10_000),
    ],
)  # fmt: skip
def test_value_of_reads_toml_and_else_text(text: str, value: Any) -> None:
    assert value_of(text) == value


def test_assignments_want_a_path_and_a_value_once() -> None:
    assert assignments(["a.b = 1", "c=x=y"]) == {"a.b": 1, "c": "x=y"}
    with pytest.raises(ScenarioError) as refused:
        assignments(["a.b", "=1", "c=1", "c=2"])
    assert len(refused.value.faults) == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.toml", "clock.days = 2.0\n[channels.kin]\non = false\n"),
        ("p.csv", "parameter,value\nclock.days,2.0\nchannels.kin.on,false\n"),
        ("p.csv", "clock.days,channels.kin.on\n2.0,false\n"),
    ],
)
def test_files_of_parameters(tmp_path: Path, name: str, text: str) -> None:
    assert values_in(text_file(tmp_path, text, name)) == {"clock.days": 2.0, "channels.kin.on": False}


@pytest.mark.parametrize("text", ["", "a,b\n1\n", "a,b\n1,2\n3,4\n", "parameter,value\na,1\na,2\n", 'a\n"'])
def test_bad_files_of_parameters_are_faults(tmp_path: Path, text: str) -> None:
    with pytest.raises(ScenarioError):
        values_in(text_file(tmp_path, text, "p.csv"))


# --- told in words -------------------------------------------------------------------------------------


def test_tell_names_everyone_and_keeps_to_88_columns() -> None:
    scenario = Scenario.from_toml(SMALL)
    told = tell(scenario)
    assert max(map(len, told.splitlines())) <= 88
    flat = " ".join(told.split())
    for kind in ("communities", "places", "factions", "patrons", "corridors", "neighbourhoods", "observers"):
        for element in getattr(scenario.file, kind).values():
            assert element.name in flat
    assert "19 May 2013, 06:00: The Greens assault Mill." in flat
    assert "200 fighters" in flat
    assert "[A06]" in flat


@pytest.mark.parametrize("name", list(shipped()))
def test_tell_tells_the_shipped_scenarios(name: str) -> None:
    scenario = Scenario.load(name)
    told = tell(scenario)
    assert ("WHAT HAPPENS WHEN" in told) == bool(scenario.file.events)
    assert ("THE RULES" in told) == (scenario.model != "theatre")
    assert "WHERE IT COMES FROM" in told


def test_tell_says_what_is_switched_off_or_too_late() -> None:
    changes = {"events.speech.at": datetime(2020, 1, 1), "channels.kin.on": False}
    told = " ".join(tell(Scenario.from_toml(small(changes)).without("assault")).split())
    assert "Switched off." in told
    assert "Outside the run" in told
    assert "Kin, off" in told


# --- whatever a file says ------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.dates(), st.datetimes(),
    st.just(10**400), st.sampled_from(["mill", "harbour", "red", "reds", "east", "offensive", "source"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "source", "kind", "mill", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def every_path(tree: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in tree.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from every_path(value, (*above, key))


PATHS = list(every_path(tomllib.loads(SMALL)))


def without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_none(inner) for key, inner in value.items() if inner is not None}
    return [without_none(inner) for inner in value if inner is not None] if isinstance(value, list) else value


def taken_or_refused(text: str) -> Scenario | None:
    """Return the scenario, or None where it is refused with readable faults; anything else is a failure."""
    faults: tuple[Fault, ...] = ()
    try:
        return Scenario.from_toml(text)
    except ScenarioError as error:
        faults = error.faults
    assert faults
    assert all(str(fault).isprintable() for fault in faults)
    return None


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from(PATHS), st.sampled_from(["set", "drop", "rename"]), VALUES),
        min_size=1,
        max_size=4,
    )
)
def test_any_change_is_loaded_or_refused(changes: list[tuple[tuple[str, ...], str, Any]]) -> None:
    tree = copy.deepcopy(tomllib.loads(SMALL))
    for path, how, value in changes:
        table: Any = tree
        for key in path[:-1]:
            table = table.get(key) if isinstance(table, dict) else None
        if not isinstance(table, dict) or path[-1] not in table:
            continue
        old = table.pop(path[-1])
        if how == "set":
            table[path[-1]] = value
        elif how == "rename":
            table[path[-1] + "x"] = old
    try:
        text = tomli_w.dumps(without_none(tree))
    except (ValueError, UnicodeEncodeError):
        return
    scenario = taken_or_refused(text)
    if scenario is not None:
        assert Scenario.from_toml(scenario.to_toml()) == scenario
        assert tell(scenario)


@settings(max_examples=200)
@given(
    st.text(max_size=200)
    | st.builds(lambda cut, junk: SMALL[:cut] + junk + SMALL[cut:], st.integers(0, len(SMALL)), st.text(max_size=8))
)
def test_any_text_is_loaded_or_refused(text: str) -> None:
    taken_or_refused(text)


@settings(max_examples=200)
@given(st.text(max_size=30), st.text(max_size=30))
def test_any_assignment_is_taken_or_refused(path: str, value: str) -> None:
    scenario = Scenario.from_toml(SMALL)
    with suppress(ScenarioError):
        scenario.with_values(assignments([f"{path}={value}"]))


def test_schema_has_no_table_that_could_be_taken_for_a_value_with_its_source() -> None:
    def models(slot: Slot) -> Iterator[type[BaseModel]]:
        for model in slot.models:
            yield model
            for field in model.model_fields.values():
                yield from models(slot_of(field.annotation))
        if typing.get_origin(slot.type) is dict:
            yield from models(slot_of(typing.get_args(slot.type)[1]))

    assert all("value" not in model.model_fields for model in models(root({})))
