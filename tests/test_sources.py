"""Where the numbers of scenarios come from."""

import json
from pathlib import Path
from typing import Any

import pytest
from small import written
from typer.testing import CliRunner

import sim.cli
from sim.scenario import Scenario, shipped
from sim.sources import KINDS, counted, kind_of, numbers


def spillover(*arguments: str | Path) -> Any:
    return CliRunner().invoke(sim.cli.app, [str(a) for a in arguments], prog_name="spillover")


def number(scenario: Scenario, path: str) -> Any:
    return next(found for found in numbers(scenario) if found.path == path)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("A05", "article"),
        ("A09: hundreds (100-900)", "article"),
        ("GeoNames", "measured"),
        ("UN-Habitat and UNICEF survey of 2018; press claims of more are an upper bound", "measured"),
        ("press, 22 May 2013", "press"),
        ("press: 1,700-2,000; A09 heavily involved", "press"),
        ("Ruhe 2021: no lasting effect; A24", "literature"),
        ("Suleimenova, Bell & Groen 2017", "literature"),
        ("A08, A14; tonnage assumed: several t/day", "assumed"),
        ("assumed share of 1,500-2,500 a day (UNHCR in the press)", "assumed"),
        ("A17; schematic", "assumed"),
        ("May 2013", "assumed"),  # names nothing to look up
        ("", "unsaid"),
        (None, "unsaid"),
    ],
)
def test_kinds_of_sources(source: str | None, kind: str) -> None:
    assert kind_of(source) == kind


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_number_of_a_shipped_scenario_has_a_source(name: str) -> None:
    assert [found.path for found in numbers(Scenario.load(name)) if found.grade == "unsaid"] == []


def test_base_scenario_does_not_credit_the_article_with_numbers_it_does_not_have() -> None:
    found = numbers(Scenario.load("qusayr-2013"))
    of_article = {n.path for n in found if n.grade == "article"}
    assert not {p for p in of_article if p.startswith(("corridors.", "patrons.", "security_forces."))}
    assert not {p for p in of_article if p.endswith((".latitude", ".longitude", ".resolve", ".firepower"))}


def test_a_number_has_its_own_source_or_that_of_the_nearest_table_above() -> None:
    base = Scenario.load("qusayr-2013")
    assert number(base, "places.qusayr.control.rebels").source == "A06"
    assert number(base, "places.homs.control.rebels").source == "press: held by the government in part"
    assert number(base, "corridors.m5_damascus_nabk.risk").source == "assumed"
    assert number(base, "factions.foreign_fighters.fighters").grade == "article"


def test_a_number_that_no_file_gives_has_the_source_of_its_declaration() -> None:
    found = number(Scenario.load("qusayr-2013"), "diplomacy.resolve_change")
    assert (found.value, found.grade) == (0.0, "literature")
    assert found.source.startswith("default: Ruhe 2021")


def test_a_mechanisms_number_set_without_a_source_is_unsaid() -> None:
    assert number(Scenario.load("qusayr-2013").with_values({"fire.lethality": 0.2}), "fire.lethality").grade == "unsaid"
    given = Scenario.load("golan-escalation")
    assert number(given, "strikes.escalation_threshold").source == "assumed"


def test_an_element_without_a_source_is_unsaid_unless_all_is_invented(tmp_path: Path) -> None:
    plain = Scenario.load(written(tmp_path))
    assert number(plain, "factions.greens.fighters").grade == "unsaid"
    assert number(plain, "factions.reds.fighters").grade == "article"
    invented = Scenario.load(written(tmp_path, {"scenario.source": "assumed: invented"}))
    assert counted(numbers(invented))["unsaid"] == 0
    assert number(invented, "factions.greens.fighters").source == "assumed: invented"


def test_every_number_is_listed_once_and_counted_once() -> None:
    found = numbers(Scenario.load("qusayr-2013"))
    assert len({n.path for n in found}) == len(found) == sum(counted(found).values())
    paths = {n.path for n in found}
    assert {"places.golan.latitude", "channels.kin.weight", "factions.rebels.deployed.homs", "clock.days"} <= paths
    assert not any(path.startswith("benchmarks.") for path in paths)


def test_command_prints_counts_and_shares() -> None:
    found = spillover("sources", "qusayr-2013")
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.splitlines()[-1].split()[-2:] == ["0", "0.0%"]


def test_command_lists_each_number() -> None:
    lines = spillover("sources", "tiny", "--list").stdout.splitlines()
    assert any(line.split()[:4] == ["patrons.harbour.delivers_t_day.hill", "3", "t/d", "assumed"] for line in lines)


def test_json_is_one_object() -> None:
    told = json.loads(spillover("sources", "three-rivers", "--json", "--list").stdout)
    assert set(told) == {"scenario", "numbers", "count", "share", "list"}
    assert list(told["count"]) == list(KINDS)
    assert sum(told["count"].values()) == told["numbers"] == len(told["list"])
    assert sum(told["share"].values()) == pytest.approx(1.0)
    assert "list" not in json.loads(spillover("sources", "three-rivers", "--json").stdout)


def test_faulty_scenario_is_refused(tmp_path: Path) -> None:
    assert spillover("sources", written(tmp_path, {"clock.zone": "Mars"})).exit_code == 2
