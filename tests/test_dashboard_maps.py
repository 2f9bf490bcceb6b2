"""What the map and the streets are sent of an hour: true to the record, whole, and only what there is."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from sim import geography, measures
from sim.dashboard import city_view, looks, theatre_view
from sim.dashboard.cells import Cells
from sim.dashboard.tape import Tape
from sim.model import SpilloverModel
from sim.neighbourhoods import City
from sim.runs import run
from sim.scenario import Scenario

DAY = 24
LIVELY = {
    "clock.days": 4.0, "provocations.per_day": 2.0, "fire.hit_per_hour": 4e-4, "displacement.flee_per_hour": 0.3,
}  # fmt: skip
STRIKE, CUT = 2, 3 * DAY
"""Steps at which the air strike of `qusayr-2013` falls, and at which `corridor-cut` seals its roads."""


def played(scenario: Scenario, steps: int, seed: int = 1) -> Tape:
    model = SpilloverModel(scenario, seed=seed)
    tape = Tape(scenario, seed, record=model.record, cells=Cells(model))
    for _ in range(steps):
        model.run_for(1)
        assert tape.cells is not None
        tape.cells.note(model)
        tape.done = model.record.steps_done
    return tape


@cache
def lively() -> Tape:
    return played(Scenario.load("tiny").with_values(LIVELY), 4 * DAY)


@cache
def cut() -> Tape:
    """`qusayr-2013` but for three roads that are sealed at `CUT`."""
    return played(Scenario.load("corridor-cut"), CUT + 2)


def without_cells(tape: Tape) -> Tape:
    other = Tape(tape.scenario, tape.seed, record=tape.record)
    other.done = tape.done
    return other


def numbers(frame: dict[str, Any], name: str) -> list[Any]:
    """Return a number by place, nought where there is none."""
    return [number or 0 for number in frame["places"][name]]


def corridor(tape: Tape, name: str) -> int:
    return list(tape.scenario.file.corridors).index(name)


# --- the theatre's ground ---------------------------------------------------------------------------------


def test_ground_has_every_place_where_the_scenario_has_it() -> None:
    scenario = Scenario.load("qusayr-2013")
    places = theatre_view.ground(scenario)["places"]
    assert [place["id"] for place in places] == list(scenario.file.places)
    for place, spec in zip(places, scenario.file.places.values(), strict=True):
        assert place["at"] == [spec.longitude, spec.latitude] and place["population"] == spec.population
    assert {place["id"] for place in places if place["front"]} == {f.place for f in scenario.file.fronts.values()}
    assert [place["id"] for place in places if place["quarters"]] == ["qusayr", "tripoli"]


def test_every_place_that_is_fought_over_is_a_front() -> None:
    for tape in (lively(), cut()):
        ground, fire = theatre_view.ground(tape.scenario), theatre_view.frame(tape, tape.done - 1)["places"]["fire"]
        assert [place["front"] for place in ground["places"]] == [said is not None for said in fire]


def test_outlines_are_drawn_under_places_of_theirs_and_under_no_invented_ones() -> None:
    real = theatre_view.ground(Scenario.load("qusayr-2013"))
    assert len(real["countries"]) == len(geography.countries()) and real["provinces"]
    assert {country["name"] for country in real["countries"]} == {"", "Syria", "Lebanon"}
    assert theatre_view.OUTLINES in real["notes"]
    for name in ("tiny", "three-rivers"):  # the first lies where Syria is, and is none the less invented
        ground = theatre_view.ground(Scenario.load(name))
        assert ground["countries"] == [] and ground["box"] is None and theatre_view.INVENTED in ground["notes"]


def test_a_model_on_a_lattice_has_no_map_and_says_so() -> None:
    scenario = Scenario.load("classics/epstein-1")
    assert theatre_view.ground(scenario)["notes"] == [theatre_view.NO_MAP]
    assert theatre_view.frame(Tape(scenario, 1), 0) == {} and city_view.places(scenario) == []


def test_factions_that_stand_together_are_one_side() -> None:
    ground = theatre_view.ground(Scenario.load("qusayr-2013"))
    named = [[ground["factions"][f]["id"] for f in side] for side in ground["sides"]]
    assert named == [["government", "hezbollah"], ["rebels", "foreign_fighters"]]


def test_roads_between_the_same_towns_lie_beside_each_other() -> None:
    asides = [road["aside"] for road in theatre_view.ground(Scenario.load("tiny"))["corridors"]]
    assert sorted(asides) == [-1.0, 0.0, 1.0]


# --- the theatre's hour -----------------------------------------------------------------------------------


def test_a_frame_is_plain_data_of_the_grounds_shape() -> None:
    tape = cut()
    ground, frame = theatre_view.ground(tape.scenario), theatre_view.frame(tape, CUT)
    json.dumps([ground, frame], allow_nan=False)
    places, corridors, factions = frame["shape"] = ground["shape"]
    assert {len(said) for said in frame["places"].values()} == {places} == {len(ground["places"])}
    assert {len(said) for said in frame["corridors"].values()} == {corridors} == {len(ground["corridors"])}
    assert {len(flow) for flow in frame["corridors"]["flow"]} == {factions} == {len(ground["factions"])}


def test_control_adds_up_to_one_and_is_of_nobody_where_nobody_holds() -> None:
    tape = cut()
    for step in (0, CUT):
        control = theatre_view.frame(tape, step)["places"]["control"]
        held = [any(place.control.values()) for place in tape.scenario.file.places.values()]
        assert [shares is not None for shares in control] == held and not all(held)
        assert [sum(shares) for shares in control if shares] == pytest.approx([1.0] * sum(held), abs=2e-3)


def test_killed_and_wounded_are_those_of_the_record() -> None:
    tape = lively()
    result = run(tape.scenario, seed=1)
    last = theatre_view.frame(tape, tape.done - 1)
    assert numbers(last, "killed") == list(measures.killed_by_place(result).values())
    assert numbers(last, "wounded") == list(measures.wounded_by_place(result).values())
    assert sum(numbers(last, "killed")) > 3 and sum(numbers(last, "wounded")) > 10
    days = [theatre_view.frame(tape, end) for end in range(DAY - 1, tape.done, DAY)]
    for name in ("killed", "wounded"):
        assert np.sum([numbers(day, f"{name}_day") for day in days], axis=0).tolist() == numbers(last, name)


def test_going_back_shows_what_going_forward_showed() -> None:
    tape = lively()
    there = [theatre_view.frame(tape, step) for step in range(0, tape.done, 5)]
    again = without_cells(tape)  # nothing added up yet
    back = [theatre_view.frame(again, step) for step in reversed(range(0, tape.done, 5))]
    assert there == back[::-1]


def test_those_who_move_are_those_who_left() -> None:
    tape = lively()
    moved = 0
    for step in range(DAY, tape.done, 7):
        frame, before = theatre_view.frame(tape, step), theatre_view.frame(tape, step - DAY)
        left = [now - then for now, then in zip(numbers(frame, "left"), numbers(before, "left"), strict=True)]
        came = [now - then for now, then in zip(numbers(frame, "here"), numbers(before, "here"), strict=True)]
        for origin, destination, people in frame["moves"]:
            assert left[origin] > 0 and came[destination] > 0 and people >= theatre_view.FEWEST_MOVED
        total = sum(people for *_, people in frame["moves"])
        assert total <= sum(max(0, n) for n in left) + len(frame["moves"]) / 2
        moved += total
    assert moved > 10


def test_fighters_are_those_at_the_front_with_their_volunteers() -> None:
    tape, step = lively(), 40
    ford = list(tape.scenario.file.places).index("ford")
    for f, faction in enumerate(tape.scenario.file.factions):
        there = [tape.values[step, tape.find(m, place="ford", faction=faction)] for m in ("fighters", "volunteers")]
        assert theatre_view.frame(tape, step)["places"]["fighters"][ford][f] == np.sum(there)


def test_a_cut_corridor_is_said_cut_from_its_hour_on() -> None:
    tape = cut()
    sealed = [corridor(tape, name) for name in ("arsal_qusayr", "halba_qusayr", "arsal_nabk")]
    before, after = (theatre_view.frame(tape, step)["corridors"] for step in (CUT - 1, CUT))
    rebels = 1  # the second of the sides
    for k in sealed:
        assert before["state"][k] == "open" and not before["lost"][k]
        assert after["state"][k] == "cut" and rebels in after["lost"][k]
        assert not any(after["flow"][k]) and not any(after["open"][k])
    others = set(range(len(before["state"]))) - set(sealed)
    assert all(before["state"][k] == after["state"][k] for k in others)


def test_a_road_closed_to_all_from_the_first_is_not_called_cut() -> None:
    tape = cut()
    assert theatre_view.frame(tape, 0)["corridors"]["state"][corridor(tape, "tripoli_tartus")] == "closed"


def test_a_flow_moves_only_where_the_road_is_open() -> None:
    roads = theatre_view.frame(cut(), CUT)["corridors"]
    flow, free = np.array(roads["flow"]), np.array(roads["open"])
    assert (free[flow != 0] > 0).all() and (flow > 0).any() and (flow < 0).any()


def test_a_strike_is_a_mark_for_a_day() -> None:
    tape = cut()
    assert theatre_view.frame(tape, STRIKE - 1)["marks"] == []
    (mark,) = theatre_view.frame(tape, STRIKE + 3)["marks"]
    damascus = list(tape.scenario.file.places).index("damascus")
    assert mark == {"place": damascus, "kind": "air_strike", "ago": 3.0, "killed": 42, "wounded": 0}
    strikes = [theatre_view.frame(tape, STRIKE + later)["marks"] for later in (DAY - 1, DAY)]
    assert [any(m["ago"] == DAY - 1 for m in marks) for marks in strikes] == [True, False]


def test_before_the_first_hour_there_is_only_how_it_begins() -> None:
    frame = theatre_view.frame(Tape(Scenario.load("tiny"), 1), 0)
    assert frame["places"] == {"control": [[0.8, 0.2, 0.0], None]}
    assert frame["marks"] == frame["moves"] == [] and "corridors" not in frame


def test_of_a_place_without_data_nothing_is_said() -> None:
    scenario = Scenario.load("tiny")
    tree = scenario.file.model_dump(exclude_none=True)
    tree["corridors"], tree["patrons"] = {}, {}
    tree["places"]["far"] = {**tree["places"]["hill"], "name": "Far", "longitude": 37.0}
    alone = Scenario.from_toml(tomli_w.dumps(tree))
    frame = theatre_view.frame(played(alone, 3), 2)
    far = list(alone.file.places).index("far")
    assert {name: said[far] for name, said in frame["places"].items()} == dict.fromkeys(frame["places"])
    assert frame["corridors"]["flow"] == []


def test_a_tape_that_is_written_to_another_record_is_looked_up_anew() -> None:
    tape, other = without_cells(lively()), played(Scenario.load("three-rivers"), 1)
    theatre_view.frame(tape, 0)
    tape.scenario, tape.done = other.scenario, 1
    tape.go_on(other.record, other.cells)
    assert theatre_view.frame(tape, 0) == theatre_view.frame(other, 0)


# --- the city ---------------------------------------------------------------------------------------------


def values(frame: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.frombuffer(frame["values"], np.float32)


def test_places_with_a_line_of_contact_come_first() -> None:
    assert city_view.places(Scenario.load("qusayr-2013")) == [("tripoli", "Tripoli"), ("qusayr", "Qusayr")]
    assert [place for place, _ in city_view.places(Scenario.load("three-rivers"))] == ["quay", "weir"]


def test_cells_lie_where_the_model_has_them() -> None:
    tape = cut()
    file = tape.scenario.file
    for ground in City.of(file).grounds:
        said = city_view.ground(tape, list(file.places)[ground.place])
        assert tuple(said["shape"]) == ground.raster.shape and tuple(said["origin"]) == ground.raster.origin_xy
        assert np.array_equal(np.frombuffer(said["owner"], np.int16), ground.raster.owner.ravel())


def test_everyone_lives_in_a_cell_of_their_neighbourhood() -> None:
    for tape in (cut(), without_cells(cut())):
        ground = city_view.ground(tape, "tripoli")
        owner, people = np.frombuffer(ground["owner"], np.int16), np.frombuffer(ground["people"], np.float32)
        residents = [people[owner == i].sum() for i in range(len(ground["quarters"]))]
        assert residents == pytest.approx([quarter["residents"] for quarter in ground["quarters"]], rel=1e-5)
        assert not people[owner < 0].any()


def test_the_line_of_contact_runs_between_its_neighbourhoods_and_has_its_army() -> None:
    ground = city_view.ground(cut(), "tripoli")
    (line,) = ground["lines"]
    west, east = (np.mean(quarter["outline"], axis=0)[0] for quarter in ground["quarters"])
    assert line["name"] == "Syria Street" and all(west < x < east for x, _ in line["path"])
    assert line["forces"] == [{"number": 0, "name": "Lebanese army", "most": 1500}]
    assert city_view.ground(cut(), "qusayr")["lines"] == []


@pytest.mark.parametrize("layer", ["mobilised", "displaced"])
def test_cells_add_up_to_what_was_recorded_of_each_neighbourhood(layer: str) -> None:
    tape = lively()
    owner = np.frombuffer(city_view.ground(tape, "hill")["owner"], np.int16)
    most = 0.0
    for step in range(0, tape.done, 11):
        frame = city_view.frame(tape, "hill", layer, step)
        by_quarter = [float(np.nansum(values(frame)[owner == i])) for i in range(2)]
        assert by_quarter == frame["quarters"][layer]
        most = max(most, *by_quarter)
    assert most > 10


@pytest.mark.parametrize("layer", [layer.id for layer in city_view.LAYERS])
def test_a_layer_says_nothing_of_cells_where_nobody_lives(layer: str) -> None:
    tape = lively()
    people = np.frombuffer(city_view.ground(tape, "hill")["people"], np.float32)
    shown = values(city_view.frame(tape, "hill", layer, tape.done - 1))
    assert np.array_equal(np.isnan(shown), people == 0) and np.nanmax(shown) > 0 and np.nanmin(shown) >= 0
    assert {one.id for one in city_view.LAYERS} == set(Cells.LAYERS)


def test_threat_is_the_mean_over_the_people_of_a_cell() -> None:
    tape, step = played(Scenario.load("three-rivers"), 30), 29
    owner = np.frombuffer(city_view.ground(tape, "quay")["owner"], np.int16)
    shown = values(city_view.frame(tape, "quay", "threat", step))[owner == 0]  # two communities in the same cells
    means = tape.values[step, tape.find("threat", neighbourhood="north_quay")]
    assert len(means) == 2 and np.nanmean(shown) == pytest.approx(means @ [0.9, 0.1], rel=0.02)


def test_without_cells_whole_neighbourhoods_are_shaded_and_that_is_said() -> None:
    tape = without_cells(lively())
    owner = np.frombuffer(city_view.ground(tape, "hill")["owner"], np.int16)
    for step in (0, tape.done - 1):
        frame = city_view.frame(tape, "hill", "displaced", step)
        assert frame["whole"] and frame["note"] == city_view.NO_CELLS
        for i, quarter in enumerate(("lower", "upper")):
            gone = tape.values[step, tape.find("displaced", neighbourhood=quarter)].sum()
            assert values(frame)[owner == i] == pytest.approx(gone / 400)
    hurt = city_view.frame(tape, "hill", "hurt", tape.done - 1)
    so_far = np.add(hurt["quarters"]["killed"], hurt["quarters"]["wounded"])
    assert [values(hurt)[owner == i][0] for i in range(2)] == pytest.approx(so_far / 400)
    assert so_far.sum() > 0 and city_view.frame(lively(), "hill", "hurt", 0)["note"] == ""


def test_what_was_never_recorded_is_not_shaded() -> None:
    frame = city_view.frame(without_cells(lively()), "hill", "exposure", 3)
    assert np.isnan(values(frame)).all() and frame["note"] == city_view.NOT_RECORDED


def test_before_the_first_hour_no_cell_is_shaded() -> None:
    frame = city_view.frame(Tape(Scenario.load("tiny"), 1), "hill", "armed", 0)
    assert frame == {"at": 0, "time": "Tue 1 May 2001, 00:00", "place": "hill", "layer": "armed"}


# --- looks ------------------------------------------------------------------------------------------------


def test_factions_and_channels_have_colours_of_their_own() -> None:
    file = Scenario.load("qusayr-2013").file
    for colours in (looks.factions(file), looks.channels(), looks.communities(file)):
        assert len(set(colours.values())) == len(colours)
    assert not {*looks.factions(file).values()} >= {*looks.communities(file).values()}


def lightness(colour: str) -> float:
    """Return how light a colour looks: L* of CIELAB, 0 to 100."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return float(116 * light ** (1 / 3) - 16)


@pytest.mark.parametrize("layer", looks.HUES)
def test_a_ramp_goes_in_even_steps_from_the_paper_to_the_ink(layer: str) -> None:
    for on_dark, way in ((False, -1), (True, 1)):
        steps = [way * (b - a) for a, b in pairwise(map(lightness, looks.ramp(layer, on_dark)))]
        assert min(steps) > 0.6 * max(steps) > 3


# --- the browser's half -----------------------------------------------------------------------------------


def modules() -> Iterator[tuple[str, str]]:
    widgets = pytest.importorskip("sim.dashboard.widgets", reason="anywidget is not installed")
    for widget in (widgets.TheatreMap, widgets.CityView):
        yield widget.__name__, str(widget._esm)


def test_what_is_sent_to_the_browser_is_javascript(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node to read it with")
    for name, text in modules():
        file = tmp_path / f"{name}.mjs"
        file.write_text(text, encoding="utf-8")
        done = subprocess.run([node, "--check", file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_nothing_that_is_sent_to_the_browser_asks_for_anything_from_elsewhere() -> None:
    for _, text in modules():
        assert "://" not in text and "import " not in text and "innerHTML" not in text
