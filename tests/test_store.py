"""The store of runs: what is written is found again, what is damaged is named, two stores never disagree."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import analysis
from analysis import store as stores
from analysis.batches import StoreError, StoreFull, packed
from analysis.identity import NOT_COMPUTING, Identity, model_version, run_id, sources_hash
from analysis.locks import Busy
from analysis.store import Done, Failed, Writer, merge, open_store, writing
from sim import runs

PLAN = {
    "scenario": "stub", "title": "Stub", "design": {"kind": "list"}, "parameters": {"a": {"unit": "1"}},
    "replicates": 1, "measures": {"killed_total": "people", "control_end": "1"}, "tables": [], "model": "m",
}  # fmt: skip


def identity(number: int) -> Identity:
    return Identity(f"scenario{number}", number, "m")


def done(number: int, tables: tuple[str, ...] = (), **values: float) -> Done:
    frame = pd.DataFrame({"run": identity(number).run, "hour": range(3), "value": [number / 7, 0.1, float(number)]})
    found = {"killed_total": number / 3, "control_end.x": number * 1e-9} | values
    content = {table: packed(frame) for table in tables}
    return Done(identity(number), ("killed_total", "control_end"), found, content, {"wall_seconds": 0.5})


def failed(number: int) -> Failed:
    return Failed(identity(number), "ValueError: no", "Traceback", "spillover run x --seed 1")


def filled(folder: Path, numbers: range | list[int], runs_a_batch: int = 4, plan: range = range(10)) -> Path:
    """Write some runs into a store whose plan asks for ten."""
    with writing(folder, runs_a_batch=runs_a_batch) as writer:
        keep_plan(writer, plan)
        for number in numbers:
            writer.add(done(number))
    return folder


def keep_plan(writer: Writer, numbers: range = range(10)) -> None:
    who = [identity(number) for number in numbers]
    columns = {
        "point": list(numbers), "replicate": [0] * len(numbers), "seed": [one.seed for one in who],
        "run": [one.run for one in who], "a": [float(number) for number in numbers],
    }  # fmt: skip
    writer.keep_plan(PLAN, "[scenario]\n", columns)


def table(folder: Path) -> pd.DataFrame:
    with open_store(folder) as store:
        return store.runs()


def batches(folder: Path) -> list[Path]:
    return sorted(folder.glob("batch-*"))


# --- who a run is ----------------------------------------------------------------------------------------


def test_a_run_is_known_by_less_than_scenario_seed_and_model() -> None:
    first = run_id("a", 1, "m")
    assert first == run_id("a", 1, "m")
    assert len({first, run_id("b", 1, "m"), run_id("a", 2, "m"), run_id("a", 1, "n"), run_id("a1", 1, "m")}) == 5


def test_code_that_makes_numbers_changes_and_the_version_does_not(tmp_path: Path) -> None:
    copy = tmp_path / "sim"
    shutil.copytree(Path(runs.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = sources_hash(copy)
    for name in ("cli.py", "figures.py", "scenario/story.py"):
        (copy / name).write_text("# nothing\n")
    assert sources_hash(copy) == before
    (copy / "record.py").write_bytes((copy / "record.py").read_bytes().replace(b"\n", b"\r\n"))
    assert sources_hash(copy) == before
    for name in ("channels/kin.py", "kernels/flow.py", "measures.py", "geography/places.csv"):
        was = sources_hash(copy)
        (copy / name).write_text((copy / name).read_text() + "\n")
        assert sources_hash(copy) != was


def test_code_is_left_out_of_the_version_that_others_compute_with() -> None:
    """No module that makes numbers imports one that is left out, but for those that only hand numbers on to it."""
    folder = Path(runs.__file__).parent
    names = {f"sim.{name.removesuffix('.py').replace('/', '.')}" for name in NOT_COMPUTING}
    hand_on = {
        "runs.py": {"sim.summary", "sim.keeping"},
        "checkpoint.py": {"sim.keeping"},
        "scenario/__init__.py": {"sim.scenario.story"},
    }
    for path in folder.rglob("*.py"):
        own = path.relative_to(folder).as_posix()
        if any(own == out or own.startswith(f"{out}/") for out in NOT_COMPUTING):
            continue
        lines = [line for line in path.read_text().splitlines() if "import" in line]
        text = "\n".join(lines).replace("from sim import ", "import sim.").replace(", ", ", sim.")
        used = {name for name in names if f"{name} " in f"{text.replace(',', ' ')} ".replace("\n", " ")}
        assert used <= hand_on.get(own, set()), own


def test_the_version_leaves_out_a_package_that_makes_numbers() -> None:
    assert all(f"-{package}{runs.versions()[package]}" in model_version() for package in ("mesa", "numpy", "numba"))


# --- writing and reading ---------------------------------------------------------------------------------


def test_a_run_comes_back_with_other_numbers(tmp_path: Path) -> None:
    found = table(filled(tmp_path / "s", range(10)))
    assert list(found.columns) == ["point", "replicate", "seed", "run", "a", "killed_total", "control_end.x"]
    assert found["killed_total"].tolist() == [number / 3 for number in range(10)]
    assert found["control_end.x"].tolist() == [number * 1e-9 for number in range(10)]
    assert found["point"].tolist() == list(range(10))


def test_a_file_is_written_for_each_run(tmp_path: Path) -> None:
    folder = filled(tmp_path / "s", range(10), runs_a_batch=4)
    assert len(batches(folder)) == 3
    assert not list(folder.glob("journal*"))
    assert not list(folder.glob(".*"))


def test_the_order_in_which_runs_are_done_shows(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", range(10), runs_a_batch=3)
    other = filled(tmp_path / "other", [7, 2, 9, 0, 1, 8, 3, 6, 5, 4], runs_a_batch=4)
    pd.testing.assert_frame_equal(table(one), table(other), check_exact=True)


def test_a_run_that_is_held_is_not_known(tmp_path: Path) -> None:
    folder = filled(tmp_path / "s", range(5))
    with writing(folder) as writer:
        assert set(writer.done) == {identity(number).run for number in range(5)}
        held = writer.done[identity(3).run]
        assert held.covers(("killed_total",), ())
        assert not held.covers(("killed_total", "displaced"), ())
        assert not held.covers(("killed_total",), ("daily",))


def test_a_failure_hides_a_run_or_outlives_it(tmp_path: Path) -> None:
    folder = filled(tmp_path / "s", range(3))
    with writing(folder) as writer:
        writer.add(failed(5))
        writer.add(failed(6))
    with open_store(folder) as store:
        assert store.counts() == {"planned": 10, "done": 3, "failed": 2}
        assert store.failures()["command"].tolist() == ["spillover run x --seed 1"] * 2
        assert store.failures()["error"].tolist() == ["ValueError: no"] * 2
        assert store.failures()["point"].tolist() == [5, 6]
    with writing(folder) as writer:
        assert writer.failed == {identity(5).run, identity(6).run}
        writer.add(done(5))
    with open_store(folder) as store:
        assert store.counts() == {"planned": 10, "done": 4, "failed": 1}
    with writing(folder) as writer:
        assert writer.failed == {identity(6).run}


def test_tables_of_runs_are_mixed_up(tmp_path: Path) -> None:
    with writing(tmp_path / "s", runs_a_batch=2) as writer:
        keep_plan(writer)
        for number in range(5):
            writer.add(done(number, ("daily", "incidents") if number % 2 else ("daily",)))
    with open_store(tmp_path / "s") as store:
        assert store.table("daily").groupby("run").size().to_dict() == {identity(n).run: 3 for n in range(5)}
        assert set(store.table("incidents")["run"]) == {identity(1).run, identity(3).run}
        own = store.sql(f"SELECT value FROM daily WHERE run = '{identity(4).run}' ORDER BY hour")
        assert own["value"].tolist() == [4 / 7, 0.1, 4.0]


def test_a_run_that_was_done_again_for_more_counts_twice(tmp_path: Path) -> None:
    folder = filled(tmp_path / "s", range(3))
    with writing(folder) as writer:
        writer.add(done(1, ("daily",)))
        writer.add(done(1, ("daily", "hourly")))
    with open_store(folder) as store:
        assert len(store.runs()) == 3
        assert len(store.table("daily")) == len(store.table("hourly")) == 3


def test_a_query_cannot_be_asked(tmp_path: Path) -> None:
    with open_store(filled(tmp_path / "s", range(10))) as store:
        assert store.sql("SELECT sum(a) AS a FROM runs WHERE killed_total > 1")["a"].tolist() == [39.0]
        assert store.connection.execute("SELECT count(*) FROM design").fetchall() == [(10,)]
        assert store.sql("SELECT avg(wall_seconds) AS s FROM costs")["s"].tolist() == [0.5]


def test_many_batches_stay_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = table(filled(tmp_path / "s", range(10), runs_a_batch=1))
    assert len(batches(tmp_path / "s")) == 10
    monkeypatch.setattr(stores, "MOST_BATCHES", 5)
    with writing(tmp_path / "s") as writer:
        writer.add(failed(11))
        writer.add(done(1, ("daily",)))
    assert len(batches(tmp_path / "s")) == 1
    pd.testing.assert_frame_equal(table(tmp_path / "s"), before, check_exact=True)
    with writing(tmp_path / "s") as writer:
        assert len(writer.done) == 10
        assert writer.failed == {identity(11).run}


def test_the_package_imports_everything_or_lacks_the_store(tmp_path: Path) -> None:
    assert analysis.open_store is open_store
    said = subprocess.run(
        [sys.executable, "-c", "import sys, analysis; print('pandas' in sys.modules, 'duckdb' in sys.modules)"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert said.stdout.split() == ["False", "False"]


# --- being killed ----------------------------------------------------------------------------------------


def test_runs_since_the_last_batch_are_lost(tmp_path: Path) -> None:
    folder, killed = filled(tmp_path / "s", range(4)), tmp_path / "killed"
    with writing(folder) as writer:
        for number in (4, 5, 6):
            writer.add(done(number, ("daily",)))
        shutil.copytree(folder, killed)
    (killed / "lock").unlink()
    assert table(killed)["point"].tolist() == list(range(7))
    with writing(killed) as writer:
        assert len(writer.done) == 7
    assert not list(killed.glob("journal*"))
    with open_store(killed) as store:
        assert len(store.table("daily")) == 9


@pytest.mark.parametrize("cut", [1, 20, 10_000])
def test_a_line_that_was_cut_off_takes_others_with_it(tmp_path: Path, cut: int) -> None:
    folder, killed = filled(tmp_path / "s", range(4)), tmp_path / "killed"
    with writing(folder) as writer:
        for number in (4, 5, 6):
            writer.add(done(number))
        shutil.copytree(folder, killed)
    journal = killed / "journal-all.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]) + lines[2][: -min(cut, len(lines[2]))])
    with writing(killed) as writer:
        assert writer.damaged == []
        assert identity(6).run not in writer.done
        writer.add(done(7))
    assert table(killed)["point"].tolist() == [0, 1, 2, 3, 4, 5, 7]


def test_a_kill_between_batch_and_journal_doubles_runs(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with writing(folder) as writer:
        keep_plan(writer)
        for number in range(3):
            writer.add(done(number, ("daily",)))
        left = {path: path.read_bytes() for path in folder.rglob("*") if "journal" in str(path) and path.is_file()}
    for path, content in left.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    with writing(folder) as writer:
        writer.add(done(3))
    assert len(batches(folder)) == 2
    with open_store(folder) as store:
        assert store.runs()["point"].tolist() == [0, 1, 2, 3]
        assert len(store.table("daily")) == 9


def test_what_was_never_finished_stays(tmp_path: Path) -> None:
    folder = filled(tmp_path / "s", range(3))
    (folder / ".new-abc").mkdir()
    (folder / ".new-abc" / "runs.parquet").write_text("half")
    with writing(folder):
        pass
    assert not (folder / ".new-abc").exists()


# --- damage ----------------------------------------------------------------------------------------------


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A store of ten runs in three batches."""
    return filled(tmp_path / "s", range(10))


def damage_truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def damage_flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def damage_remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("name", ["runs.parquet", "costs.parquet", "manifest.json"])
@pytest.mark.parametrize("harm", [damage_truncate, damage_flip, damage_remove])
def test_damage_goes_unnoticed(whole: Path, name: str, harm: object) -> None:
    before = table(whole)
    hurt = batches(whole)[1]
    assert callable(harm)
    harm(hurt / name)
    with pytest.raises(StoreError, match="sweep again to mend it") as raised:
        open_store(whole)
    assert f"{hurt.name}/{name}" in str(raised.value)
    with writing(whole) as writer:
        assert f"{hurt.name}/{name}" in writer.damaged[0]
        missing = [number for number in range(10) if identity(number).run not in writer.done]
        assert 0 < len(missing) <= 4
        for number in missing:
            writer.add(done(number))
    assert (whole / "damaged" / hurt.name).is_dir()
    pd.testing.assert_frame_equal(table(whole), before, check_exact=True)


@pytest.mark.parametrize("name", ["plan.json", "design.parquet"])
def test_a_damaged_plan_is_read(whole: Path, name: str) -> None:
    plan = next((whole / "plans").iterdir())
    damage_truncate(plan / name)
    with pytest.raises(StoreError, match=name):
        open_store(whole)
    with writing(whole) as writer:
        keep_plan(writer)
    assert len(table(whole)) == 10


def test_a_damaged_line_of_the_journal_is_taken(tmp_path: Path) -> None:
    folder, hurt = tmp_path / "s", tmp_path / "hurt"
    with writing(folder) as writer:
        keep_plan(writer)
        for number in range(3):
            writer.add(done(number))
        shutil.copytree(folder, hurt)
    journal = hurt / "journal-all.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"seed":1', b'"seed":7'))
    with writing(hurt) as writer:
        assert writer.damaged == [f"{journal}: line 2 is not as it was written"]
        assert set(writer.done) == {identity(0).run, identity(2).run}


def test_another_folder_is_taken_for_a_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match="something else"), writing(tmp_path):
        pass
    with pytest.raises(StoreError, match="no store of runs"):
        open_store(tmp_path)
    with pytest.raises(StoreError, match="file of that name"), writing(tmp_path / "thesis.txt"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


# --- a full disk -----------------------------------------------------------------------------------------


def test_a_full_disk_harms_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = filled(tmp_path / "s", range(4))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(path: Path, columns: object) -> None:
        path.write_bytes(b"half")
        raise full

    with writing(folder) as writer:
        writer.add(done(4))
        monkeypatch.setattr("analysis.batches.put_table", refuse)
        with pytest.raises(StoreFull, match="Make room") as raised:
            writer.close()
        monkeypatch.undo()
    assert raised.value.filename == str(folder)
    assert table(folder)["point"].tolist() == [0, 1, 2, 3, 4]
    with writing(folder) as writer:
        writer.add(done(5))
    assert table(folder)["point"].tolist() == [0, 1, 2, 3, 4, 5]


FILL = """
import resource, sys
sys.path.insert(0, sys.argv[1])
import test_store
from analysis.store import writing
with writing(sys.argv[2], runs_a_batch=int(sys.argv[3])) as writer:
    test_store.keep_plan(writer)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), resource.RLIM_INFINITY))
    for number in range(10):
        writer.add(test_store.done(number))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
@pytest.mark.parametrize(("runs_a_batch", "limit"), [(1000, 1500), (4, 1200)])
def test_a_disk_that_fills_up_for_real_harms_the_store(tmp_path: Path, runs_a_batch: int, limit: int) -> None:
    """No file may grow beyond a limit, which the system refuses as it refuses one on a full disk."""
    folder = tmp_path / "s"
    arguments = [str(Path(__file__).parent), str(folder), str(runs_a_batch), str(limit)]
    said = subprocess.run([sys.executable, "-c", FILL, *arguments], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "StoreFull" in said.stderr.splitlines()[-1]
    kept = table(folder)["point"].tolist()
    assert 0 < len(kept) < 10
    assert kept == list(range(len(kept)))
    assert len(table(filled(folder, list(range(len(kept), 10))))) == 10


# --- the lock --------------------------------------------------------------------------------------------

HOLD = """
import sys, time
from analysis.store import writing
with writing(sys.argv[1], (1, 2) if len(sys.argv) > 2 else None):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def held(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process that writes in the store, alone or as a shard."""
    more = ["shard"] if getattr(request, "param", None) == "shard" else []
    command = [sys.executable, "-c", HOLD, str(tmp_path / "s"), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_two_write_at_once(tmp_path: Path, held: subprocess.Popen[str]) -> None:
    with pytest.raises(Busy, match=f"process {held.pid} on .* is writing there"), writing(tmp_path / "s"):
        pass
    with pytest.raises(Busy, match="is writing there"), writing(tmp_path / "s", (2, 2)):
        pass


def test_a_lock_outlives_its_holder(tmp_path: Path, held: subprocess.Popen[str]) -> None:
    held.kill()
    held.wait()
    with writing(tmp_path / "s"):
        pass


@pytest.mark.parametrize("held", ["shard"], indirect=True)
def test_shards_keep_each_other_out(tmp_path: Path, held: subprocess.Popen[str]) -> None:
    with writing(tmp_path / "s", (2, 2)):
        pass
    with pytest.raises(Busy, match="is writing there"), writing(tmp_path / "s", (1, 2)):
        pass
    with pytest.raises(Busy, match="is writing there"), writing(tmp_path / "s"):
        pass


# --- merging ---------------------------------------------------------------------------------------------


def test_stores_that_are_merged_lack_runs(tmp_path: Path) -> None:
    all_ = table(filled(tmp_path / "all", range(10)))
    one, other = filled(tmp_path / "one", range(6)), filled(tmp_path / "other", range(4, 10), runs_a_batch=3)
    assert merge(tmp_path / "merged", one, other) == 4
    assert merge(tmp_path / "merged", other) == 0
    pd.testing.assert_frame_equal(table(tmp_path / "merged"), all_, check_exact=True)


def test_stores_that_disagree_are_merged(tmp_path: Path) -> None:
    one, other = filled(tmp_path / "one", range(6)), tmp_path / "other"
    with writing(other) as writer:
        keep_plan(writer)
        writer.add(done(3, killed_total=1.0 + 1e-15))
        writer.add(done(8))
    before = sorted(path.name for path in one.rglob("*"))
    with pytest.raises(StoreError, match=identity(3).run):
        merge(one, other)
    assert sorted(path.name for path in one.rglob("*")) == before
    assert len(table(one)) == 6


def test_nothing_is_merged_as_something(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store of runs"):
        merge(filled(tmp_path / "one", range(2)), tmp_path / "nowhere")


def test_an_identity_forgets_what_it_is_made_of() -> None:
    assert identity(1).run != replace(identity(1), model="n").run
    assert json.loads(json.dumps(identity(1).run)) == run_id("scenario1", 1, "m")
