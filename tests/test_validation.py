"""`spillover validate` by the user's door: the table, the folder, samples of parameters, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import sim
from analysis import observations, validation
from analysis.patterns import HOLDS, PATTERNS, UNTOLD
from analysis.validation import Job, Work, drawn_values, jobs_of, scenarios_of, validate
from sim import posterior
from sim.console import Refused
from sim.scenario import Scenario, ScenarioError

FEW_ROWS = {"qusayr-2013": 50, "tripoli-2012": 10}
"""People that a row stands for in the shortened scenarios."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(validate)


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def refusal(*arguments: object) -> str:
    """Return what a call is refused with: `spillover` prints the faults and leaves with 2."""
    result = call(*arguments)
    if result.exit_code == 2:
        return str(result.output)
    assert isinstance(result.exception, Refused | ScenarioError), result.output
    return "\n".join(map(str, result.exception.faults))


def thin(base: str, folder: Path, more: str = "") -> Path:
    """Write a variation of a scenario with fewer rows."""
    quarters = Scenario.load(base).file.neighbourhoods
    text = f'extends = "{base}"\n[scenario]\nid = "thin"\ntitle = "Thin"\nsummary = "Few rows."\n'
    text += "".join(f"[neighbourhoods.{key}]\npeople_per_agent = {FEW_ROWS[base]}\n" for key in quarters)
    (folder / f"thin-{base}.toml").write_text(text + more, encoding="utf-8")
    return folder / f"thin-{base}.toml"


@pytest.fixture(scope="module")
def battle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return thin("qusayr-2013", tmp_path_factory.mktemp("battle"))


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    strong = "[events.trigger_2011_06_17]\nstrength = 2.0\n"  # a round whatever the luck
    return thin("tripoli-2012", tmp_path_factory.mktemp("rounds"), strong)


@pytest.fixture(scope="module")
def few_draws() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "DRAWS", 5)
        patch.setattr(validation, "PAIRS", 1)
        yield


@pytest.fixture
def only_battle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "jobs_of", lambda _, seeds: [Job("battle", n) for n in range(seeds)])


@pytest.fixture(scope="module")
def kept(battle: Path, few_draws: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """Run the battle up to 20 May for five seeds, and keep what comes of it."""
    folder = tmp_path_factory.mktemp("kept") / "validation"
    return call(battle, "--seeds", 5, "--workers", 1, "--days", 16, "--out", folder), folder


# --- the table -----------------------------------------------------------------------------------------


def test_the_table_is_no_table(kept: tuple[Any, Path]) -> None:
    result, _ = kept
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("This is not a forecast.")
    for pattern in ("P1", "P2", "P3", "P4", "P7", "P9", "P10a", "P10b", "P11", "P12", "P13", "P14"):
        assert any(line.startswith(pattern + " ") for line in result.stdout.splitlines()), pattern
    for word in ("target", "median", "80 % of runs", "width", "at most", "verdict", "fitted", "held out", "structural"):
        assert word in result.stdout


def test_what_was_not_run_has_a_verdict(kept: tuple[Any, Path]) -> None:
    """Up to 20 May: the first days are told, the fall and what came after are not."""
    verdicts = {figure["name"]: figure["verdict"] for of in said(kept[1])["patterns"] for figure in of["figures"]}
    told = {"first_day", "control_second_day", "tripoli_wounded", "golan_hurt", "same", "moved", "median_event"}
    untold = {"during_over_before", "first_week", "rebels_week", "rebels_battle", "falls", "refugees", "control_day_11"}
    assert all(verdicts[name] != UNTOLD for name in told)
    assert all(verdicts[name] == UNTOLD for name in untold)


def test_tripoli_hears_of_the_battle_without_channels(kept: tuple[Any, Path]) -> None:
    figures = {figure["name"]: figure for of in said(kept[1])["patterns"] for figure in of["figures"]}
    assert figures["same"]["values"] == [1.0]
    assert figures["moved"]["verdict"] == HOLDS


def said(folder: Path) -> Any:
    return json.loads((folder / "validation.json").read_text(encoding="utf-8"))


def test_the_folder_is_not_complete(kept: tuple[Any, Path]) -> None:
    result, folder = kept
    names = {path.name for path in folder.iterdir()}
    pictures = {f"{name}.{kind}" for name in ("patterns", "battle", "sizes") for kind in ("png", "svg")}
    assert names == {"validation.json", "table.txt"} | pictures
    assert (folder / "table.txt").read_text(encoding="utf-8") == result.stdout
    for name in pictures:
        start = (folder / name).read_bytes()[:200]
        assert start.startswith(b"\x89PNG") if name.endswith("png") else b"<svg" in start or b"<?xml" in start


def test_a_number_of_the_table_is_not_that_of_the_runs(kept: tuple[Any, Path], battle: Path) -> None:
    """The killed of the first day, counted here from the run's own columns."""
    figures = {figure["name"]: figure for of in said(kept[1])["patterns"] for figure in of["figures"]}
    result = sim.run(battle, seed=3, days=16, threads=1)
    window = result.columns.between("2013-05-19", "2013-05-19")
    killed = result.columns.counts("killed", "place", days=window)[("qusayr",)]
    assert figures["first_day"]["values"][3] == killed
    assert figures["first_day"]["median"] == np.median(figures["first_day"]["values"])
    assert figures["first_day"]["runs"] == 5


def test_the_width_is_not_the_width(kept: tuple[Any, Path]) -> None:
    for of in said(kept[1])["patterns"]:
        for figure in of["figures"]:
            if figure["verdict"] != UNTOLD:
                assert figure["width"] == pytest.approx(figure["high"] - figure["low"])
                assert figure["verdict"] != HOLDS or figure["width"] <= figure["greatest_width"] + 1e-9


def test_the_rounds_are_not_validated(rounds: Path, tmp_path: Path) -> None:
    """Two weeks with the round of June 2011: its killed and wounded, and no verdict on the years."""
    result = call(rounds, "--seeds", 5, "--workers", 1, "--days", 14, "--json", "--quiet", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [of["id"] for of in found["patterns"]] == ["P5", "P6", "P7", "P8"]
    assert {f["verdict"] for f in found["patterns"][0]["figures"]} == {UNTOLD}
    assert found["statement"].startswith("This is not a forecast.")
    assert found["runs"] == {"rounds": 5}
    assert found["p1_to_p4_in_one_run"] is None
    assert found == said(tmp_path)
    assert {path.name for path in tmp_path.glob("rounds.*")} == {"rounds.png", "rounds.svg"}


def test_the_rounds_of_an_observation_are_not_those_of_the_run(rounds: Path) -> None:
    result = sim.run(rounds, seed=1, days=20, threads=1)
    seen = observations.of_the_rounds(result)
    table = result.rounds("tripoli")
    assert len(seen["rounds"]) == len(table) > 0
    assert [of["killed"] for of in seen["rounds"]] == table["killed"].tolist()
    assert sum(of["wounded"] for of in seen["rounds"]) == sum(seen["wounded"])
    assert seen["rounds"][0]["start"] == (table["start"].iloc[0] - result.columns.dates[0]).days
    assert len(seen["killed"]) == seen["days"] == 20


def test_an_observation_is_large(battle: Path) -> None:
    """200 of them are kept at once: each stays below 30 kB of JSON."""
    seen = observations.of_the_battle(sim.run(battle, seed=0, days=20, threads=1))
    assert len(json.dumps(seen)) * 57 / 20 < 30_000


# --- which runs ----------------------------------------------------------------------------------------


def test_all_leaves_a_record_out() -> None:
    assert scenarios_of("all") == scenarios_of(None)
    assert {family: of.id for family, of in scenarios_of(None).items()} == {
        "battle": "qusayr-2013",
        "rounds": "tripoli-2012",
    }
    families = {job.family for job in jobs_of(scenarios_of("all"), 3)}
    assert families == {figure.family for pattern in PATTERNS for figure in pattern.figures}


def test_the_battle_ends_before_the_days_after_it() -> None:
    work = Work(scenarios_of("all"))
    last = work.scenario(Job("battle", 0))
    assert last.time_of(last.steps - 1).date().isoformat() == "2013-06-30"
    assert work.scenario(Job("rounds", 0)).file.clock.days == 660
    assert work.scenario(Job("worth", 0)).file.clock.days == 1


def test_draws_are_all_alike_or_out_of_range() -> None:
    """Every draw is a valid scenario; over 40, capacities are as often above as below what is given."""
    scenario = Scenario.load("qusayr-2013")
    given = {key: road.capacity_t_day for key, road in scenario.file.corridors.items()}
    above, sealed = [], []
    for number in range(40):
        values = drawn_values(scenario, np.random.default_rng(number))
        above += [values[f"corridors.{key}.capacity_t_day"] > capacity for key, capacity in given.items()]
        sealed += [key for key in given if values[f"corridors.{key}.sealed"]]
        assert all(0.5 * c <= values[f"corridors.{k}.capacity_t_day"] <= 2 * c for k, c in given.items())
    scenario.with_values(drawn_values(scenario, np.random.default_rng(0)))
    assert np.mean(above) == pytest.approx(0.5, abs=0.06)  # four standard errors of 40 × 32 draws
    assert sealed and all(given[key] <= validation.SIDE_ROAD_T_DAY for key in sealed)


# --- samples of parameters -----------------------------------------------------------------------------

LETHALITY = "fire.lethality"


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_run_does_not_take_its_own_sample(tmp_path: Path, rounds: Path) -> None:
    """Run i takes sample i modulo their number: with two samples runs 0 and 2 share one."""
    samples = posterior.load(written(tmp_path, "p.csv", f"sample,{LETHALITY}\n0,0.05\n1,0.4\n"))
    work = Work({"rounds": Scenario.load(rounds)}, samples)
    assert [work.scenario(Job("rounds", n)).file.fire.lethality for n in range(4)] == [0.05, 0.4, 0.05, 0.4]


def test_what_is_not_known_of_the_parameters_is_lost(tmp_path: Path, battle: Path, only_battle: None) -> None:
    """With an assault of no force in every other sample, the killed of the first day fall apart in two."""
    file = written(
        tmp_path, "p.jsonl", '{"events.offensive.intensity": 1.0}\n{"events.offensive.intensity": 0.01}\n'
    )  # fmt: skip
    result = call(battle, "--seeds", 5, "--workers", 1, "--days", 15, "--posterior", file, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    figure = next(f for of in found["patterns"] for f in of["figures"] if f["name"] == "first_day")
    assert min(figure["values"][0::2]) > max(figure["values"][1::2])
    assert found["samples"] == 2 and found["posterior"] == "p.jsonl"


def test_csv_and_json_lines_say_different_things(tmp_path: Path) -> None:
    table = written(tmp_path, "p.csv", f"{LETHALITY},mobilisation.threshold\n0.1,0.2\n\n0.2,0.3\n")
    rows = written(
        tmp_path, "p.jsonl",
        "".join(json.dumps({LETHALITY: a, "mobilisation.threshold": b, "sample": n}) + "\n" for n, a, b in
                ((0, 0.1, 0.2), (1, 0.2, 0.3))),
    )  # fmt: skip
    assert posterior.load(table) == posterior.load(rows) == [
        {LETHALITY: 0.1, "mobilisation.threshold": 0.2}, {LETHALITY: 0.2, "mobilisation.threshold": 0.3},
    ]  # fmt: skip


def test_a_parameter_of_the_other_record_stops_a_run() -> None:
    """A front that only the battle has is left out of the rounds before."""
    sample = {LETHALITY: 0.1, "fronts.qusayr.cover": 2.0}
    work = Work(scenarios_of("all"), [sample])
    assert work.scenario(Job("battle", 0)).file.fronts["qusayr"].cover == 2.0
    assert work.scenario(Job("rounds", 0)).file.fire.lethality == 0.1


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("p.csv", "fire.letality\n0.1\n", "Did you mean 'fire.lethality'?"),
        ("p.csv", f"{LETHALITY}\nmuch\n", "line 2: fire.lethality: 'much' is not a number"),
        ("p.csv", f"{LETHALITY}\nnan\n", "'nan' is not a number"),
        ("p.csv", f"{LETHALITY}\n0.1\n7\n", "line 3: fire.lethality: 7 must be from 0"),
        ("p.csv", f"{LETHALITY},{LETHALITY}\n0.1,0.2\n", "is there twice"),
        ("p.csv", f"{LETHALITY}\n0.1,0.2\n", "line 2: 2 cells, not 1"),
        ("p.csv", f"{LETHALITY}\n", "no samples"),
        ("p.csv", "", "empty"),
        ("p.csv", "sample\n0\n", "no parameters"),
        ("p.jsonl", '{"fire.lethality": 0.1}\n{"fire.reach_m": 100}\n', "line 2: fire.lethality is missing"),
        ("p.jsonl", "[0.1]\n", "line 1: not an object"),
        ("p.jsonl", "{0.1}\n", "line 1: not JSON"),
        ("p.jsonl", '{"fire.lethality": true}\n', "'True' is not a number"),
    ],
)
def test_a_faulty_file_of_samples_is_taken(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    file = written(tmp_path, name, text)
    assert complaint in refusal("qusayr-2013", "--posterior", file, "--seeds", 1)


def test_a_file_that_is_not_there_is_read(tmp_path: Path) -> None:
    assert "cannot be read" in refusal("qusayr-2013", "--posterior", tmp_path / "none.csv")


# --- what is refused -----------------------------------------------------------------------------------


def test_a_scenario_without_this_record_is_validated() -> None:
    assert "has no" in refusal("tiny", "--seeds", 1)


def test_a_misspelt_scenario_finds_no_nearest_name() -> None:
    assert "qusayr-2013" in refusal("qusair-2013", "--seeds", 1)


@pytest.mark.parametrize("arguments", [("--seeds", 0), ("--workers", 0), ("--days", 0.5), ("--frobnicate",)])
def test_a_bad_option_is_taken(arguments: tuple[object, ...]) -> None:
    assert call("qusayr-2013", *arguments).exit_code == 2


def _notes(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine", encoding="utf-8")


def _another_json(folder: Path) -> None:
    (folder / "validation.json").write_text('{"format": "another"}', encoding="utf-8")


@pytest.mark.parametrize("fill", [_notes, _another_json])
def test_a_folder_with_something_else_in_it_is_taken(tmp_path: Path, fill: Callable[[Path], None]) -> None:
    fill(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert "not empty" in refusal("qusayr-2013", "--seeds", 1, "--out", tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_own_folder_is_refused_or_one_with_a_strange_file_taken(kept: tuple[Any, Path], tmp_path: Path) -> None:
    validation.claim(kept[1])
    for path in kept[1].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    validation.claim(tmp_path)
    _notes(tmp_path)
    with pytest.raises(Refused, match="not empty"):
        validation.claim(tmp_path)


def test_a_file_is_taken_for_a_folder(tmp_path: Path) -> None:
    file = written(tmp_path, "out", "")
    assert "exists" in refusal("qusayr-2013", "--seeds", 1, "--out", file)


# --- runs that fail ------------------------------------------------------------------------------------


def test_a_run_that_fails_takes_the_others_with_it_or_is_not_told(
    battle: Path, only_battle: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = sim.run(battle, seed=0, days=15, threads=1)

    def one_fails(scenario: Scenario, seed: int) -> Any:
        if seed == 2:
            raise RuntimeError("out of luck")
        return one

    monkeypatch.setattr(validation, "_run", one_fails)
    result = call(battle, "--seeds", 6, "--workers", 1, "--days", 15, "--json", "--quiet")
    assert result.exit_code == 1
    assert "battle, seed 2: RuntimeError: out of luck" in result.stderr
    found = json.loads(result.stdout)
    assert found["runs"]["battle"] == 5
    figure = next(f for of in found["patterns"] for f in of["figures"] if f["name"] == "first_day")
    assert figure["verdict"] != UNTOLD and len(figure["values"]) == 5
