"""What a reader changes: every parameter can be moved and put back, and a file that is brought is only read."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest
from small import small

from sim.dashboard.setup import (
    GROUPS,
    LARGEST_UPLOAD,
    Knob,
    Setup,
    differences,
    knobs,
    name_of,
    received,
    switches,
    titles,
    value_at,
)
from sim.parameters import walk
from sim.scenario import Scenario, ScenarioError, shipped

pytestmark = pytest.mark.filterwarnings("error")
QUSAYR = Scenario.load("qusayr-2013")


def value_in_the_middle(knob: Knob) -> float:
    """Return what a slider says at half of its way, by the formula of `knobs.js`."""
    assert knob.low is not None and knob.high is not None and knob.bend is not None
    return knob.low + knob.bend * (math.sqrt(1.0 + (knob.high - knob.low) / knob.bend) - 1.0)


# --- knobs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["qusayr-2013", "tripoli-2012", "three-rivers", "classics/epstein-1"])
def test_a_declared_parameter_has_no_slider(name: str) -> None:
    scenario = Scenario.load(name)
    declared = {one.path: one for one in walk(scenario.file) if one.value is not None}
    found = {knob.path: knob for knob in knobs(scenario)}
    assert found.keys() == declared.keys()
    for path, knob in found.items():
        assert knob.value == declared[path].value and knob.unit == declared[path].unit
        assert knob.group in GROUPS and knob.name and knob.source and knob.grade
        if isinstance(knob.value, int | float) and not isinstance(knob.value, bool):
            assert knob.low is not None and knob.high is not None and knob.low <= knob.value <= knob.high


def test_a_slider_over_a_wide_range_cannot_be_set_near_its_value() -> None:
    """Straight, one pixel of 0 to 50 million people would be more than a town."""
    bent = [knob for knob in knobs(QUSAYR) if knob.bend is not None]
    assert len(bent) > 50
    for knob in bent:
        assert value_in_the_middle(knob) == pytest.approx(knob.value, rel=1e-6), knob.path
    share = next(knob for knob in knobs(QUSAYR) if knob.path == "channels.kin.weight")
    assert share.bend is None


def test_a_rule_is_a_slider() -> None:
    rule = next(knob for knob in knobs(QUSAYR) if knob.path == "mobilisation.ratio_rule")
    assert rule.options == ("raw", "floor", "round") and rule.low is None


def test_a_value_put_back_counts_as_a_change() -> None:
    changed = Setup(QUSAYR).moved("channels.kin.weight", 1.5).moved("channels.kin.on", False)
    assert changed.values == {"channels.kin.weight": 1.5, "channels.kin.on": False}
    assert not value_at(changed.scenario, "channels.kin.on")
    back = changed.moved("channels.kin.on", True).moved("channels.kin.weight", value_at(QUSAYR, "channels.kin.weight"))
    assert not back.values and back.scenario is QUSAYR


def test_an_incoherent_change_is_taken() -> None:
    with pytest.raises(ScenarioError, match=r"the sliders: fire\.lethality: found 7"):
        _ = Setup(QUSAYR).moved("fire.lethality", 7.0).scenario


def test_what_can_be_switched_off_cannot() -> None:
    found = switches(QUSAYR)
    assert [one.name for one in found if one.kind == "channel"] == list(type(QUSAYR.file.channels).model_fields)
    assert {one.path for one in found if one.kind == "event"} == {f"events.{name}.on" for name in QUSAYR.file.events}
    off = Setup(QUSAYR)
    for one in found:
        off = off.moved(one.path, not one.value)
    assert len(off.values) == len(found)
    assert not any(event.on for event in off.scenario.file.events.values())


@pytest.mark.parametrize("name", ["classics/epstein-1", "tiny", "three-rivers"])
def test_a_set_up_that_is_saved_is_another_when_it_is_loaded(name: str) -> None:
    scenario = Scenario.load(name)
    knob = next(k for k in knobs(scenario) if isinstance(k.value, float) and k.high is not None and k.value < k.high)
    changed = Setup(scenario).moved(knob.path, knob.high)
    again = received(changed.file_name, changed.scenario.to_toml().encode())
    assert again == changed.scenario and again != scenario


# --- differences -----------------------------------------------------------------------------------------


def test_runs_that_differ_are_called_the_same() -> None:
    changed = Setup(QUSAYR).moved("channels.kin.on", False).moved("factions.hezbollah.fighters", 2000)
    said = differences(QUSAYR, changed.scenario)
    before = QUSAYR.file.factions["hezbollah"].fighters
    assert sorted(said) == [f"Hezbollah: fighters {before} → 2000 people", "channel kin off"]
    assert differences(QUSAYR, QUSAYR) == []
    (quiet,) = differences(QUSAYR, QUSAYR.without("offensive"))
    assert quiet == f"without the event of 19 May: {QUSAYR.file.events['offensive'].text}"


@pytest.mark.parametrize("name", [name for name in shipped() if Scenario.load(name).file.scenario.id != QUSAYR.id])
def test_two_shipped_scenarios_are_called_the_same(name: str) -> None:
    assert differences(QUSAYR, Scenario.load(name))


def test_a_shipped_scenario_is_not_known_by_its_name() -> None:
    assert [name_of(Scenario.load(name)) for name in titles()] == list(titles())
    assert name_of(Scenario.from_toml(small())) is None


def test_a_shipped_scenario_is_known_in_our_own_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert name_of(Scenario.load("tiny")) == "tiny"
    assert name_of(Scenario.load("tiny").with_values({"channels.kin.on": False})) is None


# --- what is brought -------------------------------------------------------------------------------------


def faults(content: bytes, name: str = "mine.toml") -> str:
    with pytest.raises(ScenarioError) as refused:
        received(name, content)
    return str(refused.value)


def test_a_file_that_extends_a_shipped_scenario_is_refused() -> None:
    text = 'extends = "tiny"\n[fire]\nlethality = 0.5\n'
    assert value_at(received("mine.toml", text.encode()), "fire.lethality") == 0.5


@pytest.mark.parametrize("reached", ["../secret.toml", "{home}/secret.toml", "secret.toml", "/etc/passwd", "../../x"])
def test_a_file_reaches_another_one_on_this_machine(tmp_path: Path, reached: str) -> None:
    (tmp_path / "secret.toml").write_text(small(), encoding="utf-8")
    said = faults(f'extends = "{reached.format(home=tmp_path)}"\n'.encode())
    assert said.startswith("mine.toml: extends: ")
    assert "spillover-upload" not in said and "Two towns and a street" not in said


def test_a_fault_is_not_said_as_check_says_it(tmp_path: Path) -> None:
    text = small({"fire.lethality": 1.7, "factions.reds.fightrs": 3})
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as checked:
        Scenario.load(tmp_path / "mine.toml")
    assert faults(text.encode()) == str(checked.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize("name", ["../../mine.toml", "/etc/mine.toml", "..", "", "a b?.toml", "x" * 300 + ".toml"])
def test_a_file_is_written_where_its_name_says(tmp_path: Path, name: str) -> None:
    assert received(name, small().encode()).id == "small"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"not = [toml", b"[[[", b"", b"\x00" * 100])
def test_what_is_no_scenario_is_taken(content: bytes) -> None:
    assert faults(content).startswith("mine.toml: ")


def test_a_file_of_any_size_is_taken() -> None:
    comment = b"#" + b"x" * LARGEST_UPLOAD + b"\n"
    assert f"at most {LARGEST_UPLOAD:,} bytes" in faults(comment + small().encode())
    assert tomllib.loads(small())  # without the comment it is a good one
