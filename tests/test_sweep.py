"""Sweeps: the same table however they were done, nothing lost when killed, failures kept with their command."""

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import stub_runs
import tomli_w
import typer
from stub_runs import VERSION, A, B, C, stub
from typer.testing import CliRunner

import sim.cli
from analysis.design import Plan, read_plan
from analysis.store import merge, open_store, writing
from analysis.sweep import COUNTS, Tally, command, daily, forecast, results, sweep
from sim.cli import Commands, explained
from sim.console import Refused
from sim.measures import observe
from sim.runs import run
from sim.scenario import Scenario

HERE = Path(__file__).parent
MEASURES = ["killed_total", "wounded_total", "displaced"]


def written(folder: Path, **keys: Any) -> Path:
    """Write a plan of 12 points and 2 replicates, and whatever is to be otherwise."""
    plan: dict[str, Any] = {
        "scenario": "tiny",
        "replicates": 2,
        "design": {"kind": "latin-hypercube", "points": 12},
        "parameters": {A: {}, B: {}, C: {}},
        "keep": {"measures": MEASURES},
    }
    path = folder / "plan.toml"
    path.write_text(tomli_w.dumps(plan | keys), encoding="utf-8")
    return path


def planned(folder: Path, **keys: Any) -> Plan:
    return read_plan(written(folder, **keys))


def swept(plan: Plan, folder: Path, **options: Any) -> Tally:
    return sweep(plan, folder, **({"model": stub, "version": VERSION} | options))


def table(folder: Path) -> pd.DataFrame:
    with open_store(folder) as store:
        return store.runs()


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Hold two tables against each other, bit for bit."""
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert one.to_csv() == other.to_csv()


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The table of the plan, done one run after the other."""
    folder = tmp_path_factory.mktemp("serial")
    swept(planned(folder), folder / "serial")
    return table(folder / "serial")


# --- one table -------------------------------------------------------------------------------------------


def test_a_run_has_other_parameters_than_it_was_run_with(tmp_path: Path, serial: pd.DataFrame) -> None:
    assert list(serial.columns) == ["point", "replicate", "seed", "run", A, B, C, *MEASURES]
    assert len(serial) == 24
    for _, row in serial.iterrows():
        scenario = Scenario.load("tiny").with_values({A: row[A], B: row[B], C: row[C]})
        assert stub(scenario, row["seed"], tuple(MEASURES), ())[0] == {name: row[name] for name in MEASURES}


def test_two_workers_make_another_table_than_one(tmp_path: Path, serial: pd.DataFrame) -> None:
    tally = swept(planned(tmp_path), tmp_path / "parallel", workers=2)
    assert (tally.planned, tally.ran, tally.failed) == (24, 24, 0)
    same(table(tmp_path / "parallel"), serial)


def test_shards_make_another_table(tmp_path: Path, serial: pd.DataFrame) -> None:
    ran = [swept(planned(tmp_path), tmp_path / "sharded", shard=(i, 3)).ran for i in (1, 2, 3)]
    assert sum(ran) == 24
    assert min(ran) > 0
    same(table(tmp_path / "sharded"), serial)


def test_shards_in_folders_of_their_own_make_another_table(tmp_path: Path, serial: pd.DataFrame) -> None:
    for i in (1, 2):
        swept(planned(tmp_path), tmp_path / f"machine-{i}", shard=(i, 2))
    merge(tmp_path / "both", tmp_path / "machine-1", tmp_path / "machine-2")
    same(table(tmp_path / "both"), serial)
    assert swept(planned(tmp_path), tmp_path / "both").ran == 0


def test_the_table_of_the_model_itself_depends_on_the_workers(tmp_path: Path) -> None:
    keys = {"set": {"clock.days": 1}, "design": {"kind": "latin-hypercube", "points": 2}}
    plan = planned(tmp_path, **keys, keep={"tables": ["daily", "hourly", "incidents"]})
    sweep(plan, tmp_path / "one")
    sweep(plan, tmp_path / "two", workers=2)
    same(table(tmp_path / "one"), table(tmp_path / "two"))
    with open_store(tmp_path / "one") as one, open_store(tmp_path / "two") as two:
        for name in ("daily", "hourly", "incidents"):
            order = "SELECT * FROM " + name + " ORDER BY ALL"
            same(one.sql(order), two.sql(order))
        row = one.runs().iloc[0]
        result = run(plan.base.with_values({A: row[A], B: row[B], C: row[C]}), seed=int(row["seed"]))
        assert {name: row[name] for name in observe(result)} == observe(result)
        assert (one.plan["measures"]["killed_total"], one.unit("killed_by_place.ford")) == ("people", "people")


# --- a cluster -------------------------------------------------------------------------------------------


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Start a Dask scheduler and two worker processes on the loopback; return its address, and the workers."""
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    file, env = folder / "scheduler.json", os.environ | {"PYTHONPATH": paths}

    def start(kind: str, *options: str) -> subprocess.Popen[bytes]:
        module = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(file), "--no-dashboard"]
        local = ["--local-directory", str(folder)] if kind == "worker" else []
        return subprocess.Popen([*module, *local, *options], env=env, cwd=folder, stderr=subprocess.DEVNULL)

    processes = [start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-show")]
    try:
        processes += [start("worker", "--host", "127.0.0.1", "--no-nanny", "--nthreads", "1") for _ in range(2)]
        while not (file.exists() and file.read_text().rstrip().endswith("}")):  # it is written in pieces
            assert processes[0].poll() is None
            time.sleep(0.02)
        yield json.loads(file.read_text())["address"], processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra `cluster`")
def test_a_cluster_makes_another_table_or_a_dead_worker_a_gap(tmp_path: Path, serial: pd.DataFrame) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    with cluster(tmp_path) as (address, workers):
        killer = threading.Thread(target=_kill_after, args=(notes, 4, workers[0]))
        killer.start()
        tally = swept(
            planned(tmp_path), tmp_path / "c", cluster=address, model=partial(stub_runs.noted, str(notes), 0.05)
        )
        killer.join()
        assert workers[0].poll() is not None
    assert (tally.ran, tally.failed) == (24, 0)
    same(table(tmp_path / "c"), serial)


def _kill_after(notes: Path, runs: int, worker: subprocess.Popen[bytes]) -> None:
    while _count(notes) < runs:
        time.sleep(0.005)
    worker.kill()


@pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra `cluster`")
def test_nobody_answers_and_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.workers.SECONDS_TO_REACH", 0.2)
    with pytest.raises(Refused, match="no scheduler answers there"):
        swept(planned(tmp_path), tmp_path / "c", cluster="tcp://127.0.0.1:9")


# --- going on --------------------------------------------------------------------------------------------


def test_what_is_done_is_done_again(tmp_path: Path, serial: pd.DataFrame) -> None:
    folder = tmp_path / "s"
    assert swept(planned(tmp_path), folder, limit=7).ran == 7
    assert len(table(folder)) == 7
    assert swept(planned(tmp_path), folder).ran == 17
    same(table(folder), serial)
    assert swept(planned(tmp_path), folder).ran == 0


def test_a_plan_that_changed_uses_nothing_again(tmp_path: Path) -> None:
    folder, grid = tmp_path / "s", {"design": "grid", "parameters": {A: [0.1, 0.2], B: [0.5, 0.6]}}
    assert swept(planned(tmp_path, **grid), folder).ran == 8
    more = grid | {"parameters": {A: [0.1, 0.2, 0.3], B: [0.5, 0.6]}, "replicates": 3}
    assert swept(planned(tmp_path, **more), folder).ran == 18 - 8
    assert len(table(folder)) == 18
    assert swept(planned(tmp_path, **grid), folder).ran == 0
    assert len(table(folder)) == 8
    assert swept(planned(tmp_path, **grid), folder, version="stub-2").ran == 8


def test_points_that_come_to_the_same_are_run_twice(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text(f"{A}\n0.5\n0.25\n0.5\n")
    plan = planned(tmp_path, design={"kind": "list", "file": "points.csv"}, parameters={})
    assert swept(plan, tmp_path / "s").ran == 4
    assert table(tmp_path / "s")["point"].tolist() == [0, 0, 1, 1, 2, 2]


def test_more_is_to_be_kept_and_is_not(tmp_path: Path, serial: pd.DataFrame) -> None:
    folder = tmp_path / "s"
    swept(planned(tmp_path, keep={"measures": MEASURES[:1]}), folder)
    assert swept(planned(tmp_path, keep={"measures": MEASURES[1:], "tables": ["daily"]}), folder).ran == 24
    with open_store(folder) as store:
        assert len(store.table("daily")) == 24 * 3
    assert swept(planned(tmp_path), folder).ran == 0
    same(table(folder), serial)


def _count(notes: Path) -> int:
    return (notes / "done").read_text().count("\n") if (notes / "done").exists() else 0


def _killed_and_resumed(folder: Path, plan: Path, kills: int, luck: random.Random) -> tuple[pd.DataFrame, list[str]]:
    """Sweep in a process of its own, kill it at random moments, let it end at last; return table and notes."""
    notes, out = folder / "notes", folder / "killed"
    notes.mkdir()
    command = [sys.executable, str(HERE / "stub_runs.py"), str(plan), str(out), str(notes)]
    env = os.environ | {"PYTHONPATH": str(HERE.parent)}
    for _ in range(kills):
        before = _count(notes)
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            until = before + luck.randrange(1, 20)  # a moment that does not depend on how fast the machine is
            while _count(notes) < until and process.poll() is None:
                time.sleep(0.001)
            time.sleep(luck.random() * 0.01)
            process.kill()
    subprocess.run(command, env=env, check=True, capture_output=True)
    return table(out), (notes / "done").read_text().splitlines()


def _hold_against_undisturbed(folder: Path, kills: int, seed: int) -> None:
    plan = written(folder, design={"kind": "latin-hypercube", "points": 25 * kills})
    killed, notes = _killed_and_resumed(folder, plan, kills, random.Random(seed))
    swept(read_plan(plan), folder / "undisturbed")
    same(killed, table(folder / "undisturbed"))
    assert len(set(notes)) == 50 * kills
    # A run is done twice only if the kill came between its end and its line in the journal: one at most each time.
    assert len(notes) - len(set(notes)) <= kills


def test_a_sweep_that_is_killed_loses_runs(tmp_path: Path) -> None:
    _hold_against_undisturbed(tmp_path, kills=3, seed=7)


@pytest.mark.verify
def test_a_sweep_that_is_killed_twenty_times_loses_runs(tmp_path: Path) -> None:
    _hold_against_undisturbed(tmp_path, kills=20, seed=8)


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_ctrl_c_leaves_a_store_that_cannot_go_on(tmp_path: Path, serial: pd.DataFrame) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    script = [str(HERE / "stub_runs.py"), str(written(tmp_path)), str(tmp_path / "s"), str(notes)]
    with subprocess.Popen(
        [sys.executable, *script, "2"], env=os.environ | {"PYTHONPATH": str(HERE.parent)}, stderr=subprocess.PIPE
    ) as process:
        while _count(notes) < 3 and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode != 0
    kept = len(table(tmp_path / "s"))
    assert kept == _count(notes)
    assert 3 <= kept < 24
    assert swept(planned(tmp_path), tmp_path / "s").ran == 24 - kept
    same(table(tmp_path / "s"), serial)


# --- failures --------------------------------------------------------------------------------------------


def test_a_run_that_fails_stops_the_sweep_or_is_forgotten(tmp_path: Path) -> None:
    folder, seeds = tmp_path / "s", {"first": stub_runs.FAILING_SEED - 1}
    tally = swept(planned(tmp_path, seeds=seeds), folder)
    assert (tally.ran, tally.failed) == (24, 12)
    with open_store(folder) as store:
        failures = store.failures()
        assert len(store.runs()) == len(failures) == 12
        assert set(failures["error"]) == {"ArithmeticError: it does not add up"}
        assert all("in stub" in said for said in failures["traceback"])
        words = shlex.split(failures["command"][0])
        assert words[:2] == ["spillover", "run"]
        assert words[3:5] == ["--seed", str(stub_runs.FAILING_SEED)]
        from sim.scenario import assignments

        again = Scenario.load(words[2]).with_values(assignments(words[6::2]))
        assert (
            again.content_hash()
            == store.sql(f"SELECT * FROM design WHERE run = '{failures['run'][0]}'")["scenario_sha256"][0]
        )
    assert swept(planned(tmp_path, seeds=seeds), folder).ran == 0
    assert swept(planned(tmp_path, seeds=seeds), folder, again=True).ran == 12


def test_fail_fast_goes_on(tmp_path: Path) -> None:
    tally = swept(planned(tmp_path, seeds={"first": stub_runs.FAILING_SEED - 1}), tmp_path / "s", fail_fast=True)
    assert (tally.ran, tally.failed) == (2, 1)


def test_a_run_that_kills_its_worker_costs_others(tmp_path: Path) -> None:
    deadly = {"seeds": {"policy": "independent", "first": stub_runs.DEADLY_SEED - 5}}
    tally = swept(planned(tmp_path, **deadly), tmp_path / "s", workers=2)
    assert (tally.ran, tally.failed) == (24, 1)
    with open_store(tmp_path / "s") as store:
        assert store.failures()[["seed", "tries", "died"]].to_numpy().tolist() == [[stub_runs.DEADLY_SEED, 2, True]]


def test_a_worker_with_another_model_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="another model"):
        sweep(planned(tmp_path), tmp_path / "s", version="yesterday's")
    assert len(table(tmp_path / "s")) == 0


# --- before and after ------------------------------------------------------------------------------------


def test_a_forecast_keeps_something_or_is_far_off(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    slow = partial(stub_runs.noted, str(notes), 0.05)
    told = forecast(planned(tmp_path), tmp_path / "s", workers=2, model=slow, version=VERSION)
    assert not (tmp_path / "s").exists()
    assert (told.points, told.planned, told.missing) == (12, 24, 24)
    assert told.seconds_a_run is not None and told.seconds is not None and told.bytes is not None
    assert 0.05 <= told.seconds_a_run < 1.0
    assert told.seconds == pytest.approx(12 * told.seconds_a_run)
    assert 24 * 24 < told.bytes < 24 * 2_000  # three measures of eight bytes, an identity, and what Parquet adds
    swept(planned(tmp_path), tmp_path / "s", limit=20)
    assert forecast(planned(tmp_path), tmp_path / "s", model=stub, version=VERSION).missing == 4
    assert (
        "probe failed"
        in forecast(
            planned(tmp_path, seeds={"first": stub_runs.FAILING_SEED}, replicates=1),
            tmp_path / "t",
            model=stub,
            version=VERSION,
        ).told()
    )


def test_days_add_up_to_something_else_than_hours() -> None:
    result = run(Scenario.load("tiny"), seed=3, threads=1)
    by_day, hourly = daily(result), result.measures
    keys = ["measure", "place", "neighbourhood", "community", "faction"]
    assert len(by_day) == 5 * len(result.record.series)
    sums = hourly[hourly["measure"].isin(COUNTS)].groupby(keys, observed=True)["value"].sum().to_dict()
    days = by_day[by_day["measure"].isin(COUNTS)].groupby(keys)["value"].sum().to_dict()
    assert days == pytest.approx(sums, rel=1e-12)
    assert sum(days.values()) > 0
    last = hourly[(hourly["step"] == 119) & (hourly["measure"] == "stock")]["value"].tolist()
    assert by_day[(by_day["measure"] == "stock") & (by_day["date"] == by_day["date"].max())]["value"].tolist() == last


def test_a_count_is_read_as_a_level() -> None:
    """What is recorded of a step alone falls back to 0; what is not in `COUNTS` must be a level."""
    result = run(Scenario.load("tripoli-2012"), seed=1, days=6)
    columns = result.columns
    found = [measure for measure in COUNTS if columns.levels(measure).any()]
    assert len(found) >= 4
    assert all((np.diff(columns.levels(measure), axis=0) < 0).any() for measure in found)
    people = {"displaced", "armed", "calm", "mobilised", "detained", "away", "dead", "sheltering", "fighters"}
    assert not people & COUNTS


def test_memory_grows_with_the_number_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.sweep.writing", partial(writing, runs_a_batch=100))

    def most(replicates: int) -> int:
        plan = planned(tmp_path, design={"kind": "latin-hypercube", "points": 2}, replicates=replicates)
        tracemalloc.start()
        swept(plan, tmp_path / f"s{replicates}")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    most(10)
    few, many = most(75), most(300)  # both fill batches, which are written from memory
    assert (many - few) / 450 < 2_000  # bytes a run: its identity and its place in the design


@pytest.mark.verify
def test_twenty_thousand_runs_need_a_gigabyte(tmp_path: Path) -> None:
    code = (
        "import resource, sys; import stub_runs; from analysis.design import read_plan; "
        "from analysis.sweep import sweep; "
        "sweep(read_plan(sys.argv[1]), sys.argv[2], model=stub_runs.stub, version='stub'); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    plan = written(tmp_path, design={"kind": "latin-hypercube", "points": 200}, replicates=100)
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    said = subprocess.run(
        [sys.executable, "-c", code, str(plan), str(tmp_path / "s")],
        env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(table(tmp_path / "s")) == 20_000
    assert int(said.stdout) < 1024  # MB


# --- commands --------------------------------------------------------------------------------------------

app = typer.Typer(cls=Commands)
app.command("sweep")(command)
app.command("results")(results)


def spillover(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


TINY = {"set": {"clock.days": 1}, "design": "grid", "parameters": {A: [0.1, 0.9]}}


def test_the_command_line_sweeps_otherwise(tmp_path: Path) -> None:
    plan, out = written(tmp_path, **TINY), tmp_path / "s"
    told = spillover("sweep", plan, "--out", out, "--dry-run", "--workers", "1")
    assert told.exit_code == 0, told.output
    assert "4 runs (2 points), 4 to do: about" in told.output
    assert not out.exists()
    said = spillover("sweep", plan, "--out", out, "--workers", "1", "--json")
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout) | {"seconds": 0} == {
        "planned": 4, "missing": 4, "ran": 4, "failed": 0, "seconds": 0, "damaged": [], "done": 4, "store": str(out),
    }  # fmt: skip
    about = json.loads(spillover("results", out, "--json").stdout)
    assert (about["done"], about["parameters"]) == (4, [A])
    assert "killed_total" in spillover("results", out).output
    asked = spillover("results", out, "--sql", "SELECT count(*) AS n FROM runs", "--json")
    assert json.loads(asked.stdout) == [{"n": 4}]
    assert spillover("results", out, "--csv", tmp_path / "t.csv").exit_code == 0
    again = pd.read_csv(tmp_path / "t.csv")
    same(again[A].to_frame(), table(out)[A].to_frame())
    assert spillover("results", out, "--sql", "SELEC 1").exit_code == 2
    assert spillover("results", tmp_path / "nowhere").exit_code == 2
    assert spillover("sweep", plan, "--out", out, "--shard", "3/2").exit_code == 2
    assert spillover("sweep", written(tmp_path, design="grdi"), "--out", out).exit_code == 2


def test_ema_workbench_cannot_read_the_export(tmp_path: Path) -> None:
    keys = {"design": "grid", "parameters": {A: [0.1, 0.9], "mobilisation.ratio_rule": ["raw", "floor"]}}
    swept(planned(tmp_path, **keys), tmp_path / "s")
    assert spillover("results", tmp_path / "s", "--ema", tmp_path / "e.tar.gz").exit_code == 0
    with tarfile.open(tmp_path / "e.tar.gz") as archive:
        read = {name: archive.extractfile(name) for name in archive.getnames()}
        meta = json.loads(read["metadata.json"].read())  # type: ignore[union-attr]
        experiments = pd.read_csv(read["experiments.csv"])  # type: ignore[arg-type]
        found = table(tmp_path / "s")
        assert meta["experiments"]["mobilisation.ratio_rule"] == "category"
        assert experiments[A].tolist() == found[A].tolist()
        for kind, name, file in meta["outcomes"]:
            assert kind == "ScalarOutcome"
            values = pd.read_csv(read[file], header=None)  # type: ignore[arg-type]
            assert values[0].tolist() == found[name].tolist()


def test_an_example_in_the_documentation_does_not_work(tmp_path: Path) -> None:
    text = (HERE.parent / "docs" / "sweeps.md").read_text(encoding="utf-8")
    (plan,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    file = tmp_path / "plan.toml"
    file.write_text(plan, encoding="utf-8")
    assert read_plan(file).runs == 2000
    small = plan.replace("clock.days = 14", "clock.days = 1").replace("points = 200", "points = 2")
    file.write_text(small.replace("replicates = 10", "replicates = 2").replace('["daily"]', '["daily", "incidents"]'))
    assert sweep(read_plan(file), tmp_path / "s").failed == 0
    (queries,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    with open_store(tmp_path / "s") as store:
        found = [store.sql(query) for query in queries.split(";") if query.strip()]
        assert [len(one) > 0 for one in found] == [True] * 5
        (python,) = re.findall(r"```python\nimport analysis\n.*?```", text, re.DOTALL)
        for call in re.findall(r"store\.(\w+)", python):
            assert hasattr(store, call)


def test_a_refusal_is_told_as_a_crash() -> None:
    assert explained(Refused("no")) == 2
    assert sim.cli.app is not None
