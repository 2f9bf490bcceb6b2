"""The command line, by the user's door: what it prints, what it writes, and its exit codes."""

import json
import os
import signal
import subprocess
import sys
import types
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import typer
from small import written
from typer.testing import CliRunner

import sim.cli
from sim.scenario import Scenario

REPOSITORY = Path(__file__).resolve().parents[1]
HEAVY = ("rich", "mesa", "numba", "pandas", "numpy", "pydantic", "matplotlib", "duckdb", "scipy")


def spillover(*arguments: str | Path) -> Any:
    return CliRunner().invoke(sim.cli.app, [str(a) for a in arguments], prog_name="spillover")


@dataclass
class FakeResult:
    """What a run would leave, without running."""

    scenario: Scenario
    seed: int
    complete: bool = True
    trouble: BaseException | None = None
    summary: dict[str, Any] = field(default_factory=lambda: {"killed": {"Mill": 3}})

    @property
    def record(self) -> Any:
        return types.SimpleNamespace(steps_done=self.scenario.steps if self.complete else 1)

    def summary_text(self) -> str:
        return f"Ran {self.scenario.id} with seed {self.seed} for {self.scenario.steps} steps.\n"

    def save(self, folder: Path, force: bool = False) -> None:
        if self.trouble is not None:
            raise self.trouble
        (folder / "provenance.json").write_text(json.dumps({"complete": self.complete}))


@dataclass
class Runs:
    """Stands in for `sim.runs`: remembers what was asked, and does as it is told."""

    asked: list[tuple[Scenario, int]] = field(default_factory=list)
    trouble: BaseException | None = None
    trouble_saving: BaseException | None = None
    complete: bool = True
    signal: int | None = None

    def run(self, scenario: Scenario, *, seed: int = 0, progress: Any = None, **more: Any) -> FakeResult:
        self.asked.append((scenario, seed))
        if self.trouble is not None:
            raise self.trouble
        try:
            if self.signal is not None:
                os.kill(os.getpid(), self.signal)
        except KeyboardInterrupt:
            self.complete = False
        return FakeResult(scenario, seed, self.complete, self.trouble_saving)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    fake = Runs()
    module: Any = types.ModuleType("sim.runs")
    module.run = fake.run
    module.FILES = ("scenario.toml", "summary.json")
    figures: Any = types.ModuleType("sim.figures")
    figures.timeline = figures.theatre_map = lambda result, path: path.write_text("a picture")
    for name, stand_in in (("runs", module), ("figures", figures)):
        monkeypatch.setitem(sys.modules, f"sim.{name}", stand_in)
        monkeypatch.setattr(sim, name, stand_in, raising=False)
    return fake


# --- quick ---------------------------------------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    """What takes time is imports: 0.3 s for --help leaves no room for any of these."""
    code = (
        "import sys, sim.cli, typer.testing\n"
        "result = typer.testing.CliRunner().invoke(sim.cli.app, ['--help'])\n"
        "assert result.exit_code == 0 and 'tell' in result.output, result.output\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.strip() == "[]"


def test_version() -> None:
    assert spillover("--version").output.startswith("spillover")


def test_no_command_shows_the_help() -> None:
    assert "check" in spillover().output


@pytest.mark.parametrize("arguments", [["nosuch"], ["run"], ["run", "tiny", "--sede", "1"], ["check"]])
def test_wrong_usage_is_bad_input(arguments: list[str]) -> None:
    result = spillover(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_misspelt_command_is_helped() -> None:
    assert "'check'" in spillover("chek").output


# --- check, list, tell ---------------------------------------------------------------------------------


def test_check_counts_what_is_there(tmp_path: Path) -> None:
    path = written(tmp_path)
    result = spillover("check", path, "tiny")
    assert result.exit_code == 0
    assert f"{path}: ok (2 places, 2 neighbourhoods, 2 factions, 1 corridor, 2 events, 72 steps)" in result.stdout
    assert "tiny: ok (" in result.stdout


def test_check_tells_all_faults_of_all_files(tmp_path: Path) -> None:
    one = written(tmp_path, {"fire.lethality": 1.7, "clock.zone": "Mars"}, "one.toml")
    other = written(tmp_path, {"factions.reds.fightrs": 5}, "other.toml")
    result = spillover("check", one, other, "nosuch", "tiny")
    assert result.exit_code == 2
    for part in (
        "fire.lethality: found 1.7, allowed 0 to 1 (1)",
        "clock.zone",
        "fightrs",
        "nosuch",
        "tiny: ok",
    ):
        assert part in result.stdout
    assert f"{one}: 2 faults" in result.stdout


def test_check_as_json(tmp_path: Path) -> None:
    result = spillover("check", "--json", written(tmp_path, {"fire.lethality": 1.7}), "tiny")
    bad, good = json.loads(result.stdout)
    assert result.exit_code == 2
    assert bad["faults"][0]["key"] == "fire.lethality"
    assert good["ok"]


def test_list_has_title_days_and_summary() -> None:
    result = spillover("list")
    assert "tiny: Two towns, 5 days\n" in result.stdout
    assert "everything is" in result.stdout
    names = [one["name"] for one in json.loads(spillover("list", "--json").stdout)]
    assert "tiny" in names


def test_tell_tells(tmp_path: Path) -> None:
    assert "The Greens assault Mill." in spillover("tell", written(tmp_path)).stdout


def test_tell_of_nothing_is_bad_input() -> None:
    result = spillover("tell", "tinny")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean tiny?" in result.stderr


# --- run -----------------------------------------------------------------------------------------------


def test_run_without_a_folder_says_that_nothing_is_written(runs: Runs) -> None:
    result = spillover("run", "tiny", "--seed", "7")
    assert result.exit_code == 0
    assert result.stdout == "Ran tiny with seed 7 for 120 steps.\n"
    assert "nothing was written" in result.stderr


def test_run_as_json_prints_one_object_and_nothing_else(runs: Runs) -> None:
    assert json.loads(spillover("run", "tiny", "--json").stdout) == {"killed": {"Mill": 3}}


def test_quiet_run_says_only_what_came_of_it(runs: Runs) -> None:
    assert spillover("run", "tiny", "--quiet").stderr == ""


def test_values_come_from_params_then_set_then_days(runs: Runs, tmp_path: Path) -> None:
    params = tmp_path / "p.csv"
    params.write_text("parameter,value\nfire.lethality,0.5\nclock.days,2.0\nclock.zone,Asia/Beirut\n")
    chosen = (
        "--params",
        params,
        "--set",
        "fire.lethality=0.25",
        "--set",
        "channels.kin.on=false",
        "--days",
        "1",
    )
    assert spillover("run", "tiny", *chosen).exit_code == 0
    ((scenario, _),) = runs.asked
    assert scenario.file.fire.lethality == 0.25
    assert not scenario.file.channels.kin.on
    assert scenario.file.clock.zone == "Asia/Beirut"
    assert scenario.steps == 24


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seed", "-1"], "--seed"),
        (["--seed", str(2**63)], "--seed"),
        (["--seed", "x"], "--seed"),
        (["--days", "0"], "--days: clock.days: found 0.0, allowed 0.04 to 3660 (d)"),
        (["--days", "-3"], "--days"),
        (["--days", "1e9"], "--days"),
        (["--days", "nan"], "--days"),
        (["--days", "1.03"], "a whole number of steps"),
        (["--set", "fire.letality=1"], "--set: fire.letality: unknown path; did you mean fire.lethality?"),
        (["--set", "fire.lethality=7"], "--set: fire.lethality: found 7, allowed 0 to 1 (1)"),
        (["--set", "fire.lethality"], "path.to.key=value"),
        (["--set", "fire.lethality=0.1", "--set", "fire.lethality=0.2"], "given twice"),
        (["--params", "nosuch.csv"], "no such file"),
        (["--params", "."], "a directory"),
    ],
)
def test_bad_input_is_refused_before_running(runs: Runs, arguments: list[str], said: str) -> None:
    result = spillover("run", "tiny", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert runs.asked == []


def test_greatest_seed_is_taken(runs: Runs) -> None:
    assert spillover("run", "tiny", "--seed", 2**63 - 1).exit_code == 0


# --- the folder ----------------------------------------------------------------------------------------


def test_run_is_kept_with_its_figures(runs: Runs, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "er"
    result = spillover("run", "tiny", "--out", out)
    assert result.exit_code == 0
    assert {path.name for path in out.iterdir()} == {"provenance.json", "timeline.png", "map.png"}
    assert str(out) in result.stderr.replace("\n", "")


def test_figures_are_left_out_on_request(runs: Runs, tmp_path: Path) -> None:
    spillover("run", "tiny", "--out", tmp_path / "a", "--no-figures")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["provenance.json"]


def test_a_figure_that_fails_costs_no_run(runs: Runs, tmp_path: Path) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("no ink")

    sys.modules["sim.figures"].timeline = fail  # type: ignore[attr-defined]
    result = spillover("run", "tiny", "--out", tmp_path / "a")
    assert result.exit_code == 0
    assert "no ink" in result.stderr


def test_folder_with_something_in_it_is_refused_before_running(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    for force in ([], ["--force"]):
        result = spillover("run", "tiny", "--out", tmp_path, *force)
        assert result.exit_code == 2
        assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert "--force leaves it alone" in " ".join(result.stderr.replace("│", " ").split())
    assert runs.asked == []


def test_a_run_is_overwritten_only_by_force(runs: Runs, tmp_path: Path) -> None:
    assert spillover("run", "tiny", "--out", tmp_path / "a").exit_code == 0
    assert spillover("run", "tiny", "--out", tmp_path / "a").exit_code == 2
    assert spillover("run", "tiny", "--out", tmp_path / "a", "--force").exit_code == 0


def test_home_is_never_overwritten(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home/provenance.json").write_text("{}")
    (tmp_path / "provenance.json").write_text("{}")
    for folder in (tmp_path / "home", tmp_path):
        assert spillover("run", "tiny", "--out", folder, "--force").exit_code == 2


def test_folder_that_is_a_file_is_refused(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file/below"):
        assert spillover("run", "tiny", "--out", out).exit_code == 2
    assert runs.asked == []


@pytest.mark.parametrize("out", ["/proc/nosuch", "a\0b", "/dev/null/x"])
def test_folder_that_cannot_be_made_is_refused(runs: Runs, out: str) -> None:
    result = spillover("run", "tiny", "--out", out)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert runs.asked == []


def test_failed_run_leaves_no_folder(runs: Runs, tmp_path: Path) -> None:
    runs.trouble = RuntimeError("out of luck")
    result = spillover("run", "tiny", "--out", tmp_path / "a/b")
    assert result.exit_code == 1
    assert "RuntimeError: out of luck" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_told(runs: Runs, tmp_path: Path) -> None:
    runs.trouble_saving = OSError(28, "No space left on device", "measures.parquet")
    result = spillover("run", "tiny", "--out", tmp_path / "a")
    assert result.exit_code == 1
    assert "measures.parquet: No space left on device" in result.stderr


def test_closed_pipe_is_quiet() -> None:
    code = "import sim.cli; sim.cli.main()"
    command = f'"{sys.executable}" -c "{code}" tell tiny | true'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert "Traceback" not in done.stderr


# --- stopping ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_run_is_kept_and_marked(runs: Runs, tmp_path: Path, number: int, code: int) -> None:
    runs.signal = number
    handlers = signal.getsignal(signal.SIGTERM)
    (tmp_path / "a").mkdir()
    result = spillover("run", "tiny", "--out", tmp_path / "a")
    assert result.exit_code == code
    assert json.loads((tmp_path / "a/provenance.json").read_text()) == {"complete": False}
    assert "marked incomplete" in result.stderr.replace("\n", " ")
    assert signal.getsignal(signal.SIGTERM) == handlers


def test_stop_before_the_first_step_leaves_nothing(runs: Runs, tmp_path: Path) -> None:
    runs.trouble = KeyboardInterrupt()
    result = spillover("run", "tiny", "--out", tmp_path / "a")
    assert result.exit_code == 130
    assert list(tmp_path.iterdir()) == []


def test_stop_while_saving_is_130(runs: Runs, tmp_path: Path) -> None:
    runs.trouble_saving = KeyboardInterrupt()
    assert spillover("run", "tiny", "--out", tmp_path / "a").exit_code == 130


# --- commands that others add --------------------------------------------------------------------------


@pytest.fixture
def plug_ins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Three plug-ins: a function, a group, and one that cannot be imported."""
    (tmp_path / "plugged_in.py").write_text(
        "import typer\n"
        "def count(number: int = 3) -> None:\n"
        "    '''Count things.'''\n"
        "    typer.echo(f'counted {number}')\n"
        "group = typer.Typer(help='A group.')\n"
        "@group.command()\n"
        "def one() -> None:\n"
        "    typer.echo('one')\n"
        "@group.command()\n"
        "def two() -> None:\n"
        "    typer.echo('two')\n"
    )
    (tmp_path / "plugged_out.py").write_text("def broken():\n    '''Never get here.'''\nimport nosuchmodule\n")
    monkeypatch.syspath_prepend(tmp_path)
    names = {
        "count": "plugged_in:count",
        "group": "plugged_in:group",
        "broken": "plugged_out:broken",
        "gone": "nosuchmodule:x",
        "run": "plugged_out:broken",
    }
    entries = [EntryPoint(name, value, sim.cli.PLUG_INS) for name, value in names.items()]
    monkeypatch.setattr(sim.cli, "entry_points", lambda group: entries)
    yield tmp_path
    for module in ("plugged_in", "plugged_out"):
        sys.modules.pop(module, None)


@pytest.mark.usefixtures("plug_ins")
def test_help_lists_plug_ins_without_importing_them() -> None:
    output = spillover("--help").output
    for part in ("count", "Count things.", "broken", "Never get here.", "gone"):
        assert part in output
    assert "plugged_in" not in sys.modules


@pytest.mark.usefixtures("plug_ins")
def test_plug_ins_run_with_their_options_and_their_help() -> None:
    assert spillover("count", "--number", "5").output == "counted 5\n"
    assert "--number" in spillover("count", "--help").output
    assert spillover("group", "two").output == "two\n"
    assert spillover("count", "--nosuch").exit_code == 2
    assert "'count'" in spillover("coutn").output


@pytest.mark.usefixtures("plug_ins")
def test_broken_plug_in_says_so_and_breaks_nothing_else() -> None:
    for name in ("broken", "gone"):
        result = spillover(name, "--whatever", "x")
        assert result.exit_code == 1
        assert f"{name}: cannot be loaded" in result.stderr
    assert spillover("check", "tiny").exit_code == 0


@pytest.mark.usefixtures("plug_ins")
def test_plug_in_does_not_take_the_place_of_our_own(runs: Runs) -> None:
    assert spillover("run", "tiny").exit_code == 0


def test_exits_of_plug_ins_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("leaving")

    def leave() -> None:
        raise typer.Exit(5)

    module.leave = leave
    monkeypatch.setitem(sys.modules, "leaving", module)
    entries = [EntryPoint("leave", "leaving:leave", sim.cli.PLUG_INS)]
    monkeypatch.setattr(sim.cli, "entry_points", lambda group: entries)
    assert spillover("leave").exit_code == 5


def test_a_run_takes_the_sample_of_its_seed(tmp_path: Path) -> None:
    """Run i takes sample i modulo their number; what its scenario has no parameter for is left out."""
    file = tmp_path / "samples.csv"
    file.write_text("sample,channels.kin.weight,factions.hezbollah.contact\n0,0.25,0.2\n1,0.75,0.3\n", encoding="utf-8")
    for seed, weight in ((0, 0.25), (1, 0.75), (3, 0.75)):
        folder = tmp_path / str(seed)
        words = ["run", "tiny", "--days", "0.25", "--seed", str(seed), "--posterior", str(file), "--out", str(folder)]
        done = CliRunner().invoke(sim.cli.app, [*words, "--no-figures", "--quiet"])
        assert done.exit_code == 0, done.output
        assert f"weight = {weight}" in (folder / "scenario.toml").read_text(encoding="utf-8")
    file.write_text("channels.kni.weight\n0.5\n", encoding="utf-8")
    refused = CliRunner().invoke(sim.cli.app, ["run", "tiny", "--days", "0.25", "--posterior", str(file)])
    assert refused.exit_code == 2 and "Did you mean 'channels.kin.weight'?" in refused.output


def test_a_short_run_goes_through_all_that_was_imported_for_garbage(tmp_path: Path) -> None:
    """Neither once it is imported nor at the end; and nothing complains then of what it has not got back."""
    code = (
        "import atexit, gc, sys, sim.cli; sys.argv[:] = ['spillover', 'run', 'tiny', '-q', '--out', sys.argv[1]]; "
        "atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 50_000)); sim.cli.main()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True True"
    assert done.stderr == ""
