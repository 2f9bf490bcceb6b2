"""`--posterior` by the user's door: every command takes the shipped samples, and refuses some that change nothing."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import sim.cli
from analysis.attribution import attribute
from analysis.counterfactual import compare
from analysis.prediction import predict
from analysis.validation import validate
from sim import posterior
from sim.console import Refused
from sim.scenario import Scenario

SHIPPED = Path(str(files("scenarios"))) / "data" / "posterior.csv"
ONE_RUN = ("--days", 1, "--workers", 1, "--json", "--quiet")
TINY = {
    "run": ("tiny", "--days", 0.25, "--json", "--quiet"),
    "compare": ("tiny", "tiny", "--seeds", 2, "--shared", 0, "--measure", "killed", *ONE_RUN),
    "attribute": (
        "tiny", "--days", 2.5, "--draws", 1, "--seeds", 1, "--orders", 2, "--measure", "killed.hill", "--workers", 1,
        "--json", "--quiet",
    ),
}  # fmt: skip
TRIPOLI = {
    "validate": ("tripoli-2012", "--seeds", 1, *ONE_RUN),
    "predict": (
        "tripoli-2013", "--seeds", 2, "--since", "2013-05-18", "--until", "2013-05-19", "--workers", 1, "--json",
        "--quiet",
    ),
}  # fmt: skip

app = typer.Typer(cls=sim.cli.Commands, pretty_exceptions_enable=False)
for command in (sim.cli.run, attribute, compare, predict, validate):
    app.command(command.__name__)(command)


def called(command: str, *arguments: object) -> Any:
    return CliRunner().invoke(app, [command, *map(str, arguments)])


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, ...]]:
    """What each command is called with: the smallest scenario that it takes."""
    return TINY | {command: (_thin(named[0], tmp_path_factory), *named[1:]) for command, named in TRIPOLI.items()}


def _thin(base: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = f'extends = "{base}"\n[scenario]\nid = "thin"\ntitle = "Thin"\nsummary = "Few rows."\n'
    for quarter in Scenario.load(str(base)).file.neighbourhoods:
        text += f"[neighbourhoods.{quarter}]\npeople_per_agent = 50\n"
    path = tmp_path_factory.mktemp("thin") / f"{base}.toml"
    path.write_text(text, encoding="utf-8")
    return path


COMMANDS = (*TINY, *TRIPOLI)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_shipped_samples_are_refused(command: str, words: dict[str, tuple[object, ...]]) -> None:
    """They hold parameters of either battle, of which no scenario has all."""
    done = called(command, *words[command], "--posterior", SHIPPED)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_samples_that_change_nothing_are_taken(
    command: str, words: dict[str, tuple[object, ...]], tmp_path: Path
) -> None:
    unknown_there = "corridors.homs_tartus.risk" if command == "predict" else "fronts.qusayr.cover"
    file = tmp_path / "p.csv"
    file.write_text(f"{unknown_there}\n0.5\n", encoding="utf-8")
    refused = called(command, *words[command], "--posterior", file)
    assert refused.exit_code == 2
    name = "tiny" if command in TINY else "thin"
    assert f"{file}: none of its parameters is one of {name}: samples of it would change nothing" in refused.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_misspelt_parameter_is_taken_for_another_scenarios(
    command: str, words: dict[str, tuple[object, ...]], tmp_path: Path
) -> None:
    file = tmp_path / "p.csv"
    file.write_text("fire.lethality,fronts.qusair.cover\n0.1,2.0\n", encoding="utf-8")
    refused = called(command, *words[command], "--posterior", file)
    assert refused.exit_code == 2
    assert "no parameter 'fronts.qusair.cover'. Did you mean 'fronts.qusayr.cover'?" in refused.stderr


def test_a_scenario_of_another_model_has_samples() -> None:
    assert called("run", "classics/epstein-1", "--posterior", SHIPPED).exit_code == 2


def test_samples_of_one_of_two_scenarios_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text("fronts.qusayr.cover\n2.0\n", encoding="utf-8")
    battle, rounds = map(Scenario.load, ("qusayr-2013", "tripoli-2012"))
    assert posterior.load(file, (rounds, battle)) == posterior.load(file) == [{"fronts.qusayr.cover": 2}]
    with pytest.raises(Refused, match="one of tripoli-2012"):
        posterior.load(file, (rounds,))
