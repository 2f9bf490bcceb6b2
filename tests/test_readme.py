"""What the README tells a newcomer to write and to type works."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sim import cli, odd
from sim.runs import FILES, SEAL, run
from sim.scenario import Scenario

if not odd.README.is_file():
    pytest.skip("not a whole checkout: no README.md", allow_module_level=True)

README = odd.README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
SCENARIOS = {text.split()[1]: text for kind, text in BLOCKS if kind == "toml"}
PYTHON = [text for kind, text in BLOCKS if kind == "python"]
LINES = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
COMMANDS = [shlex.split(line, comments=True)[1:] for line in LINES if line.startswith("spillover ")]
LONG = [words for words in COMMANDS if words[:2] == ["run", "qusayr-2013"]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the README's scenarios in it, as if their reader stood there."""
    for name, text in SCENARIOS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(heading: str) -> list[str]:
    """Return the first cells of the table whose header begins with `heading`."""
    body = README.split(f"\n| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    return [row.split("|")[1].strip() for row in body]


def test_there_is_something_to_test() -> None:
    assert len(SCENARIOS) == 2 and len(PYTHON) == 1 and len(COMMANDS) >= 8 and LONG


def test_says_what_question_it_answers_in_the_first_ten_lines() -> None:
    assert "how much of the violence that follows in another town comes from it" in "\n".join(README.splitlines()[:10])


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_runs(folder: Path, name: str) -> None:
    scenario = Scenario.load(name)
    assert f"{scenario.id}.toml" == name
    result = run(scenario.with_values({"clock.days": 2}), seed=1)
    assert result.complete and result.summary["killed"]["by_place"]["weir"] > 0


def test_variant_says_only_what_differs(folder: Path) -> None:
    whole, variant = Scenario.load("weir.toml"), Scenario.load("weir-watched.toml")
    assert variant.file.channels.kin.weight == whole.file.channels.kin.weight / 2, "it says half of the default"
    assert variant.file.places == whole.file.places and list(variant.file.security_forces) == ["guard"]


def test_python_example_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(PYTHON[0], "README.md", "exec"), {})
    assert "ford" in capsys.readouterr().out and (folder / "runs" / "tiny" / SEAL).is_file()


def test_commands_exist() -> None:
    known = typer.main.get_command(cli.app)
    context = typer.Context(known)
    assert {words[0] for words in COMMANDS} <= set(known.list_commands(context))  # type: ignore[attr-defined]


@pytest.mark.parametrize("words", [w for w in COMMANDS if w not in LONG], ids=" ".join)
def test_command_runs(folder: Path, words: list[str]) -> None:
    if words[0] == "claims":  # the same command, with one seed and the small scenario
        words = ["claims", "tiny", "--seeds", "1"]
    done = CliRunner().invoke(cli.app, [*words, "--no-figures"] if words[0] == "run" else words)
    assert done.exit_code == 0, done.output
    if "--json" in words:
        assert json.loads(done.stdout)["complete"]


def test_make_targets_exist() -> None:
    targets = [line.split()[1] for line in LINES if line.startswith("make ")]
    makefile = odd.ROOT / "Makefile"
    assert targets and all(f"\n{target}:" in makefile.read_text(encoding="utf-8") for target in targets)


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]*)", README) if link]
    assert "sim/ODD.md" in links and [link for link in links if not (odd.ROOT / link).exists()] == []


def test_anchors_lead_to_headings() -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]+)\)", README):
        page = (odd.ROOT / target if target else odd.README).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


def test_run_folder_table_has_every_file() -> None:
    told = {name.strip("` ") for cell in table("file") for name in cell.split(",")}
    assert told == {*FILES, SEAL, *(f"{figure}.png" for figure in cli.FIGURES)}


def test_exit_codes_are_the_programs() -> None:
    codes = [cli.DONE, cli.FAILED, cli.BAD_INPUT, cli.INTERRUPTED, cli.TERMINATED]
    assert [int(cell) for cell in table("exit code")] == codes


def test_figure_is_small() -> None:
    assert odd.FIGURE.stat().st_size < 300_000


def test_the_run_shown_is_the_one_that_the_command_makes() -> None:
    scenario, seed = odd.SHOWN_RUN
    assert ["run", scenario, "--seed", str(seed)] == LONG[0][:4]
    assert f"{scenario}), seed {seed}" in README


@pytest.mark.verify
def test_output_shown_is_the_output() -> None:
    scenario, seed = odd.SHOWN_RUN
    assert odd.abridged(run(scenario, seed=seed).summary_text()) in README, "run python -m sim.odd --run"
