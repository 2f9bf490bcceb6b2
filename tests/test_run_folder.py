"""One run, its result and the folder it is kept in."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from synthetic import empty_record, record_of, result_of, theatre

import sim.runs
from sim.record import Record
from sim.runs import FILES, SEAL, TABLES, Progress, Result, RunFolderError, load, run
from sim.scenario import Scenario

FRAMES = ("measures", "incidents", "ged_events", "fire", "corridors", "values", "claims", "events")


@pytest.fixture(scope="module")
def result() -> Result:
    scenario = theatre()
    return result_of(scenario, record_of(scenario))


@pytest.fixture(scope="module")
def kept(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return result.save(tmp_path_factory.mktemp("kept") / "run")


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """A copy of a run folder that a test may break."""
    return Path(shutil.copytree(kept, tmp_path / "run"))


def test_what_is_loaded_is_what_was_kept(result: Result, kept: Path) -> None:
    again = load(kept)
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(result, name), getattr(again, name))
    assert again.summary == result.summary
    assert again.summary_text() == result.summary_text()
    assert again.scenario == result.scenario
    np.testing.assert_array_equal(again.record.values, result.record.values)
    for what in ("series", "sides", "steps_done", "fire", "flows", "worth", "claims", "happened"):
        assert getattr(again.record, what) == getattr(result.record, what)
    assert (again.seed, again.complete, again.started) == (result.seed, True, result.started)


def test_a_folder_holds_what_it_says(kept: Path) -> None:
    assert {path.name for path in kept.iterdir()} == {*FILES, SEAL}
    seal = json.loads((kept / SEAL).read_text())
    assert set(seal["files"]) == set(FILES)
    assert {"spillover", "python", "numpy", "numba", "mesa"} <= set(seal["versions"])
    assert seal["complete"] is True
    assert (seal["seed"], seal["command"]) == (7, "spillover run scenario.toml --seed 7")
    assert seal["scenario_sha256"] == load(kept).scenario.content_hash()


def test_parquet_files_say_the_same_as_the_tables(result: Result, kept: Path) -> None:
    with duckdb.connect() as database:

        def sums(name: str, column: str) -> tuple[Any, ...]:
            return database.execute(f"SELECT count(*), sum({column}) FROM '{kept / name}.parquet'").fetchall()[0]

        for name, column in (("measures", "value"), ("incidents", "best"), ("corridors", "flow_t_day")):
            table = getattr(result, name)
            assert sums(name, column) == (len(table), pytest.approx(table[column].sum()))
        zone = database.execute(f"SELECT value FROM parquet_kv_metadata('{kept / 'incidents'}.parquet')").fetchall()
        assert zone == [(b"Asia/Damascus",)]
        times = f"SELECT epoch(min(date_start)) FROM '{kept / 'incidents'}.parquet'"
        assert database.execute(times).fetchall()[0][0] == result.incidents["date_start"].min().timestamp()


def test_tables_say_when_in_the_scenarios_zone(result: Result) -> None:
    for name in ("measures", "corridors", "values", "claims", "events", "fire"):
        assert str(getattr(result, name)["time"].dtype) == "datetime64[us, Asia/Damascus]"
    assert result.measures["measure"].dtype == "category"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_lost_its_end_is_refused(folder: Path, name: str) -> None:
    os.truncate(folder / name, (folder / name).stat().st_size - 1)
    with pytest.raises(RunFolderError, match=f"{name}: not as it was written"):
        load(folder)


@pytest.mark.parametrize("name", ["measures.parquet", "scenario.toml", SEAL])
def test_a_file_that_is_gone_is_missed(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(RunFolderError, match=name):
        load(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}'])
def test_a_seal_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / SEAL).write_text(text)
    with pytest.raises(RunFolderError, match=SEAL):
        load(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no such folder"):
        load(tmp_path / "nowhere")


def crash_at(monkeypatch: pytest.MonkeyPatch, step: str, number: int) -> None:
    """Let `os.fsync` or `Path.replace` fail when it is called for that time."""
    owner: Any = os if step == "fsync" else Path
    done, inner = list[int](), getattr(owner, step)

    def crash(*arguments: Any) -> Any:
        if len(done) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done.append(number)
        return inner(*arguments)

    monkeypatch.setattr(owner, step, crash)


@pytest.mark.parametrize("file", [0, len(TABLES), len(FILES)])
@pytest.mark.parametrize("force", [False, True])
def test_a_full_disk_costs_the_run_that_was_there(
    result: Result, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: int, force: bool
) -> None:
    """Whichever file there is no room for, nothing has moved: the folder is as it was."""
    folder = tmp_path / "run"
    if force:
        shutil.copytree(kept, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()} if force else {}
    crash_at(monkeypatch, "fsync", file)
    with pytest.raises(OSError, match="No space left") as raised:
        result.save(folder, force=force)
    assert raised.value.filename == str(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("file", [0, len(TABLES), len(FILES)])
@pytest.mark.parametrize("force", [False, True])
def test_a_crash_between_files_leaves_a_seal(
    result: Result, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: int, force: bool
) -> None:
    folder = tmp_path / "run"
    if force:
        shutil.copytree(kept, folder)
    crash_at(monkeypatch, "replace", file)
    with pytest.raises(OSError, match="No space left"):
        result.save(folder, force=force)
    assert not (folder / SEAL).exists()
    with pytest.raises(RunFolderError, match="never written to the end"):
        load(folder)


def test_a_run_is_not_written_over_unless_asked_to(result: Result, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(RunFolderError, match="not empty"):
        result.save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert load(result.save(folder, force=True)).seed == result.seed


def test_a_file_in_the_way_is_named(result: Result, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(RunFolderError, match="there is a file of that name"):
        result.save(tmp_path / "run", force=True)


def test_a_quote_in_the_path_does_no_harm(result: Result, tmp_path: Path) -> None:
    assert load(result.save(tmp_path / "it's" / "a run")).seed == result.seed


def test_a_run_without_a_single_step_can_be_kept(tmp_path: Path) -> None:
    scenario = theatre()
    result = result_of(scenario, empty_record(scenario), interrupted=True)
    again = load(result.save(tmp_path / "run"))
    assert (again.complete, again.interrupted, again.hours) == (False, True, 0.0)
    assert again.measures.empty
    assert again.summary == result.summary


# --- running ---------------------------------------------------------------------------------------


class Played:
    """Stands in for the model: plays a record back step by step, and may be stopped in the middle of one."""

    def __init__(self, scenario: Scenario, stop_in: int | None = None) -> None:
        self.whole, self.stop_in = record_of(scenario), stop_in
        self.record = empty_record(scenario)
        self.record.series = self.whole.series

    def run_for(self, steps: int) -> None:
        assert steps == 1
        now, whole, record = self.record.steps_done, self.whole, self.record
        record.fire += [row for row in whole.fire if row[0] == now]
        record.flows += [row for row in whole.flows if row[0] == now]
        record.claims += [claim for claim in whole.claims if claim["last_step"] == now]
        if now == self.stop_in:
            raise KeyboardInterrupt
        record.values[now] = whole.values[now]
        record.steps_done += 1


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let `run` play a record; `stop_in` says in which step someone stops it."""
    options: dict[str, Any] = {}
    monkeypatch.setattr(sim.runs, "new_model", lambda scenario, seed, threads: Played(scenario, **options))
    return options


def test_progress_tells_the_toll_so_far(played: dict[str, Any]) -> None:
    told: list[Progress] = []
    scenario = theatre()
    result = run(scenario, seed=3, progress=told.append)
    assert [p.step for p in told] == list(range(1, scenario.steps + 1))
    assert told[-1].killed_by_place == result.summary["killed"]["by_place"]
    assert told[-1].wounded_by_place == result.summary["wounded"]["by_place"]
    assert told[23].time.isoformat() == "2013-05-18T00:00:00+03:00"
    assert result.complete
    assert not result.interrupted


def test_a_run_can_be_shorter_than_its_scenario(played: dict[str, Any]) -> None:
    result = run(theatre(), days=2.5)
    assert result.complete
    assert result.hours == 60
    assert result.scenario.file.clock.days == 2.5


@pytest.mark.parametrize("stop_in", [0, 1, 24, 100])
def test_an_interrupted_run_keeps_its_whole_steps_and_nothing_else(
    played: dict[str, Any], stop_in: int, tmp_path: Path
) -> None:
    played["stop_in"] = stop_in
    result = run(theatre())
    whole = record_of(theatre())
    assert (result.complete, result.interrupted, result.hours) == (False, True, stop_in)
    assert result.record.fire == [row for row in whole.fire if row[0] < stop_in]
    assert result.summary["killed"]["total"] == sum(sum(row[6:9]) for row in result.record.fire)
    assert load(result.save(tmp_path / "run")).summary == result.summary


def test_the_same_seed_leaves_the_same_tables() -> None:
    first, second = (run("tiny", seed=5, days=2.0) for _ in range(2))
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))


def test_what_the_model_books_adds_up() -> None:
    result = run("tiny", seed=3)
    record: Record = result.record
    counted = {m: sum(result.columns.counts(m, "place").values()) for m in ("killed", "wounded", "faction_killed")}
    fire = np.array(record.fire)
    assert counted["killed"] == fire[:, 6:9].sum() > 0
    assert counted["wounded"] == fire[:, 9:12].sum() > 0
    assert counted["faction_killed"] <= counted["killed"]


def test_a_kept_scenario_and_seed_give_the_run_again(tmp_path: Path) -> None:
    first = run("tiny", seed=11, days=1.5)
    again = run(first.save(tmp_path / "run") / "scenario.toml", seed=11)
    assert again.scenario.content_hash() == first.scenario.content_hash()
    np.testing.assert_array_equal(again.record.values, first.record.values)
