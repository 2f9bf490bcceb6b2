"""A folder of runs that survives: each run is known by its content, written once, and found again.

    from analysis import open_store
    store = open_store("runs/sweep")
    store.runs()                                       # a DataFrame, one row a run: parameters and measures
    store.sql("SELECT point, avg(killed_total) FROM runs GROUP BY point ORDER BY point")

A run is its resolved scenario, its seed and the model that ran it (`run_id`, `model_version`). The folder holds

    store.json            the plan that was swept last
    plans/HASH/           a plan: plan.json, scenario.toml (its base), design.parquet (a row for each run to do)
    batch-HASH/           runs that are done: runs.parquet, failures.parquet, costs.parquet, whichever of daily.parquet,
                          hourly.parquet and incidents.parquet were asked for, and manifest.json with their hashes;
                          the folder's name is the hash of the manifest
    journal-WRITER.jsonl  runs done since the last batch, a line each, with a checksum
    damaged/              what was found not to be as it was written

A run goes to the journal the moment it is done, so a sweep that is killed loses none; every thousand runs, and at the
end, the journal becomes a batch, written beside its place, brought to disk and then moved there. (Only a machine that
loses its power may lose what was not brought to disk yet: the runs of the journal.) Batches never change.
One that is not as its manifest says is put aside, named, and its runs are done again. Since a batch is known by its
content, stores are merged by copying batches; two that disagree about a run are refused.

One sweep at a time writes in a folder, or any number of shards of one: the operating system holds the lock and lets
it go when its holder ends, however it ends.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from analysis.batches import (
    FORMAT,
    ROW,
    TABLES,
    Batch,
    Journal,
    StoreError,
    StoreFull,
    as_text,
    batch_written,
    batches_of,
    connected,
    every_row_of,
    names_in,
    or_full,
    put_aside,
    put_entries,
    put_table,
    quoted,
)  # fmt: skip
from analysis.identity import Identity
from analysis.locks import locked
from sim.keeping import placed, put, sha256, sync, unfinished

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

RUNS_A_BATCH = 1_000
MOST_BATCHES = 64
"""More are written together into one when a sweep ends."""
MOST_NAMED = 5


@dataclass(frozen=True)
class Done:
    """A run that got to its end: its measures, its tables as Parquet, and what it cost."""

    identity: Identity
    measures: tuple[str, ...]
    values: dict[str, float]
    tables: dict[str, bytes] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """A run that did not, with the command that shows why."""

    identity: Identity
    error: str
    traceback: str
    command: str
    tries: int = 1
    died: bool = False


@dataclass(frozen=True)
class Holds:
    """What a store holds of a run."""

    measures: frozenset[str]
    tables: frozenset[str]

    def covers(self, measures: Iterable[str], tables: Iterable[str]) -> bool:
        """Tell whether nothing is missing."""
        return self.measures.issuperset(measures) and self.tables.issuperset(tables)


@cache
def _holds(measures: str, tables: str) -> Holds:
    """Return what is held, one for all the runs that hold the same."""
    return Holds(names_in(measures), names_in(tables))


# --- writing -------------------------------------------------------------------------------------------


class Stock:
    """Which runs a store has, and which it knows to fail."""

    def __init__(self) -> None:
        self.done: dict[str, Holds] = {}
        self.failed: set[str] = set()

    def learn(self, batches: Sequence[Batch]) -> None:
        """Take in what batches have."""
        files, failures = ([f for batch in batches if (f := batch.file(table))] for table in ("runs", "failures"))
        with connected() as database:
            for run, measures, tables in _rows(database, files, "run, measures, tables"):
                holds = _holds(measures, tables)
                if run not in self.done or holds.covers(self.done[run].measures, self.done[run].tables):
                    self.done[run] = holds
            self.failed |= {run for (run,) in _rows(database, failures, "run")}
        self.failed -= self.done.keys()

    def note(self, entry: Mapping[str, Any]) -> bool:
        """Take in an entry of a journal; tell whether it was news."""
        run = entry["run"]
        if entry["kind"] == "failed":
            is_news = run not in self.failed
            self.failed |= {run} - self.done.keys()
            return is_news
        holds, known = _holds(entry["measures"], entry["tables"]), self.done.get(run)
        if known is not None and known.covers(holds.measures, holds.tables):
            return False
        self.done[run] = holds
        self.failed.discard(run)
        return True


def stock_of(folder: str | Path) -> Stock:
    """Return what a store has, without a lock and without mending anything; nothing where there is no store."""
    found = Stock()
    found.learn(batches_of(Path(folder))[0])
    for path in sorted(Path(folder).glob("journal-*.jsonl")):
        for entry in Journal(path).entries():
            found.note(entry)
    return found


class Writer(Stock):
    """Adds runs to a store; use it through `writing`."""

    def __init__(self, folder: Path, name: str, alone: bool, runs_a_batch: int = RUNS_A_BATCH) -> None:
        super().__init__()
        self.folder, self.alone, self.runs_a_batch = folder, alone, runs_a_batch
        self.journal = Journal(folder / f"journal-{name}.jsonl")
        batches, damaged = batches_of(folder)
        self.damaged = [said for _, said in damaged]
        for path, _ in damaged:
            put_aside(path)
        if alone:
            self._clean(batches)
        self.learn(batches)
        for path in sorted(folder.glob("journal-*.jsonl")) if alone else [self.journal.path]:
            self._resume(Journal(path))

    def _clean(self, batches: Sequence[Batch]) -> None:
        """Remove what was never finished, and what a later batch holds as well."""
        for path in (*self.folder.glob(".new-*"), *filter(unfinished, self.folder.iterdir())):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in {name for batch in batches for name in batch.manifest["replaces"]}:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _resume(self, journal: Journal) -> None:
        """Take over what a journal has and no batch; another writer's becomes a batch at once."""
        self.damaged += journal.mend()
        journal.lines = sum([self.note(entry) for entry in journal.entries()])
        if not journal.lines:
            journal.clear()
        elif journal.path == self.journal.path:
            self.journal.lines = journal.lines
        else:
            self._commit(journal)

    def add(self, outcome: Done | Failed) -> None:
        """Keep what a run came to."""
        identity = asdict(outcome.identity) | {"run": outcome.identity.run}
        with or_full(self.folder):
            if isinstance(outcome, Done):
                held = {"measures": ",".join(outcome.measures), "tables": ",".join(sorted(outcome.tables))}
                entry = {"kind": "done", **identity, **held, "values": outcome.values, "cost": outcome.cost}
                self.journal.note(entry, outcome.tables)
                self.done[identity["run"]] = _holds(**held)
                self.failed.discard(identity["run"])
            else:
                said = {key: value for key, value in asdict(outcome).items() if key != "identity"}
                self.journal.note({"kind": "failed", **identity, **said}, {})
                self.failed.add(identity["run"])
            if self.journal.lines >= self.runs_a_batch:
                self._commit(self.journal)

    def _commit(self, journal: Journal) -> None:
        with or_full(self.folder):
            batch_written(self.folder, lambda beside: put_entries(beside, journal))
            journal.clear()

    def close(self) -> None:
        """Make a batch of what is left, and few of many."""
        if self.journal.lines:
            self._commit(self.journal)
        if self.alone and sum(1 for _ in self.folder.glob("batch-*")) > MOST_BATCHES:
            self.compact()

    def compact(self) -> None:
        """Write all batches into one."""
        batches, _ = batches_of(self.folder)
        names = [batch.folder.name for batch in batches]
        with or_full(self.folder):
            together = batch_written(self.folder, lambda beside: _put_together(beside, batches), replaces=names)
        self._clean([together])

    def keep_plan(self, plan: Mapping[str, Any], scenario: str, design: Mapping[str, Sequence[Any]]) -> str:
        """Keep a plan and the runs that it asks for; return its name."""
        name = hashlib.sha256(as_text(plan).encode()).hexdigest()[:16]
        folder = self.folder / "plans" / name
        with or_full(self.folder), locked(self.folder / "lock-plans", wait=True):  # shards begin together
            if _plan_fault(folder) is not None:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "plan.json").unlink(missing_ok=True)
                put(folder / "scenario.toml", scenario)
                placed(folder / "design.parquet", lambda beside: put_table(beside, design))
                put(folder / "plan.json", as_text({**plan, "design_sha256": sha256(folder / "design.parquet")}))
            put(self.folder / "store.json", as_text({"format": FORMAT, "plan": name}))
        return name

    def merge(self, other: Path) -> int:
        """Take over the batches and plans of another store; return how many batches were new."""
        with locked(other / "lock"):
            batches, damaged = batches_of(other)
            if damaged or any(other.glob("journal-*.jsonl")):
                said = [text for _, text in damaged] or [f"{other}: has runs in a journal; resume its sweep first"]
                raise StoreError(*said)
            own, _ = batches_of(self.folder)
            new = [batch for batch in batches if not (self.folder / batch.folder.name).exists()]
            with connected() as database:
                _make_views(database, [*own, *new])  # which is where a disagreement shows
            with or_full(self.folder):
                for batch in new:
                    _copied(batch.folder, self.folder / batch.folder.name)
                for plan in (other / "plans").glob("*"):
                    if _plan_fault(self.folder / "plans" / plan.name) is not None:
                        _copied(plan, self.folder / "plans" / plan.name)
                if not (self.folder / "store.json").exists() and (other / "store.json").exists():
                    put(self.folder / "store.json", (other / "store.json").read_text(encoding="utf-8"))
        self.learn(new)
        return len(new)


@contextmanager
def writing(
    folder: str | Path, shard: tuple[int, int] | None = None, runs_a_batch: int = RUNS_A_BATCH
) -> Iterator[Writer]:
    """Open a store to write in it, alone or beside the other shards; make it where there is none."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder}: there is a file of that name")
    if folder.is_dir() and any(folder.iterdir()) and not _is_store(folder):
        raise StoreError(f"{folder}: holds something else than a store of runs; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    name = "all" if shard is None else f"{shard[0]}-of-{shard[1]}"
    with ExitStack() as locks:
        locks.enter_context(locked(folder / "lock", shared=shard is not None))
        if shard is not None:
            locks.enter_context(locked(folder / f"lock-{name}"))
        with or_full(folder):
            writer = Writer(folder, name, alone=shard is None, runs_a_batch=runs_a_batch)
        try:
            yield writer
        except StoreFull:
            raise  # what is in the journal stays there
        except BaseException:
            with suppress(StoreFull):
                writer.close()
            raise
        writer.close()


def _is_store(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("store.json", "lock", "plans"))


def _rows(database: Any, files: Sequence[Path], columns: str) -> Iterator[tuple[Any, ...]]:
    if files:
        found = database.execute(f"SELECT {columns} FROM {every_row_of(files)}")
        while rows := found.fetchmany(10_000):
            yield from rows


def _put_together(beside: Path, batches: Sequence[Batch]) -> None:
    """Write the tables of several batches as those of one: of a run that several hold, the fullest."""
    with connected() as database:
        _make_views(database, batches)
        for table in EMPTY:
            if any(batch.file(table) for batch in batches):
                view = {"runs": "all_runs", "failures": "all_failures"}.get(table, table)
                target = quoted(beside / f"{table}.parquet")
                database.execute(f"COPY (SELECT * FROM {view}) TO {target} (FORMAT parquet, COMPRESSION zstd)")


def _copied(folder: Path, target: Path) -> None:
    beside = target.with_name(f".new-{target.name}")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(folder, beside)
    for path in (*beside.iterdir(), beside):
        sync(path)
    shutil.rmtree(target, ignore_errors=True)
    beside.rename(target)
    sync(target.parent)


def _plan_fault(folder: Path) -> str | None:
    """Return what is wrong with a plan that is kept, if anything."""
    try:
        plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        if sha256(folder / "design.parquet") != plan["design_sha256"]:
            return f"{folder / 'design.parquet'}: not as it was written"
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    except (ValueError, KeyError, TypeError):
        return f"{folder / 'plan.json'}: not as it was written"
    return None


# --- reading -------------------------------------------------------------------------------------------

EMPTY = {
    "runs": "run VARCHAR, scenario_sha256 VARCHAR, seed BIGINT, model VARCHAR, measures VARCHAR, tables VARCHAR",
    "failures": "run VARCHAR, scenario_sha256 VARCHAR, seed BIGINT, model VARCHAR, error VARCHAR, traceback VARCHAR, "
    "command VARCHAR, tries BIGINT, died BOOLEAN",
    "costs": "run VARCHAR",
    **dict.fromkeys(TABLES, "run VARCHAR"),
}
FULLEST = "row_number() OVER (PARTITION BY run ORDER BY length(measures) + length(tables) DESC, filename) = 1"


def _make_views(database: Any, batches: Sequence[Batch]) -> None:
    """Lay views over batches: `all_runs`, `failures`, `costs` and the tables that were kept.

    Of a run that several batches hold, the fullest counts; they must not disagree.
    """
    files = {table: [file for batch in batches if (file := batch.file(table))] for table in EMPTY}
    for table, columns in EMPTY.items():
        found = f"SELECT * FROM {every_row_of(files[table], 'filename = true')}" if files[table] else None
        database.execute(f"CREATE TEMP TABLE no_{table} ({columns}, filename VARCHAR)")
        database.execute(f"CREATE TEMP VIEW every_{table} AS {found or f'SELECT * FROM no_{table}'}")
    counted = "SELECT count(*), count(DISTINCT run) FROM every_runs"
    rows, different = database.execute(counted).fetchall()[0]
    fullest = ""
    if rows > different:
        _raise_for_disagreement(database)
        fullest = f"QUALIFY {FULLEST}"
        winners = f"SELECT run, parse_path(filename)[-2] AS folder FROM every_runs {fullest}"
        database.execute(f"CREATE TEMP TABLE winners AS {winners}")
    database.execute(f"CREATE TEMP VIEW all_runs AS SELECT * EXCLUDE (filename) FROM every_runs {fullest}")
    of_winner = "WHERE (run, parse_path(filename)[-2]) IN (SELECT (run, folder) FROM winners)" if fullest else ""
    for table in ("costs", *TABLES):
        database.execute(f"CREATE TEMP VIEW {table} AS SELECT * EXCLUDE (filename) FROM every_{table} {of_winner}")
    database.execute(
        "CREATE TEMP VIEW all_failures AS SELECT DISTINCT ON (run) * EXCLUDE (filename) FROM every_failures "
        "WHERE run NOT IN (SELECT run FROM every_runs) ORDER BY run, tries DESC"
    )


def _quoted_name(column: str) -> str:
    """Return the name of a column as SQL has it."""
    return '"' + column.replace('"', '""') + '"'


def _raise_for_disagreement(database: Any) -> None:
    """Raise StoreError where two batches have different numbers for one run."""
    described = database.execute("DESCRIBE every_runs").fetchall()
    measured = [_quoted_name(name) for name, *_ in described if name not in (*ROW, "filename")]
    if not measured:
        return
    differ = " OR ".join(f"min({name}) IS DISTINCT FROM max({name})" for name in measured)
    found = database.execute(
        "SELECT run FROM every_runs WHERE run IN (SELECT run FROM every_runs GROUP BY run HAVING count(*) > 1) "
        f"GROUP BY run HAVING {differ} ORDER BY run LIMIT {MOST_NAMED}"
    ).fetchall()
    if found:
        named = ", ".join(run for (run,) in found)
        raise StoreError(
            f"runs of the same scenario, seed and model with different numbers: {named}. The machines do not compute "
            "alike; keep their stores apart and compare them with `spillover results --sql`"
        )


class Store:
    """A store to read: DataFrames, and a DuckDB connection with the views that the functions are named after.

    Views: `runs` (of the plan: point, replicate, seed, parameters, measures), `design`, `failures`, `all_runs` and
    `all_failures` (of every plan and model that was swept there), `costs`, `daily`, `hourly`, `incidents`.
    """

    def __init__(self, folder: str | Path, plan: str | None = None) -> None:
        import duckdb

        self.folder = Path(folder)
        if not self.folder.is_dir() or not _is_store(self.folder):
            raise StoreError(f"{folder}: no store of runs")
        self.plan_name = plan or _latest_plan(self.folder)
        self.plan = self._plan()
        self._scratch = tempfile.TemporaryDirectory(prefix="spillover-")
        fresh = list(self._from_journals())  # first: a sweep may turn them into a batch meanwhile
        batches, damaged = batches_of(self.folder)
        if damaged:
            self._scratch.cleanup()
            raise StoreError(*(f"{said}; sweep again to mend it" for _, said in damaged))
        self.connection: duckdb.DuckDBPyConnection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        _make_views(self.connection, [*batches, *fresh])
        self._make_views_of_plan()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        self.connection.close()
        self._scratch.cleanup()

    def _plan(self) -> dict[str, Any]:
        folder = self.folder / "plans" / self.plan_name
        fault = _plan_fault(folder)
        if fault is not None:
            raise StoreError(f"{fault}; sweep again to mend it")
        return json.loads((folder / "plan.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]

    def _from_journals(self) -> Iterator[Batch]:
        """Return what a sweep that still runs, or was killed, has noted since its last batch."""
        for path in sorted(self.folder.glob("journal-*.jsonl")):
            beside = Path(self._scratch.name) / path.stem
            beside.mkdir()
            put_entries(beside, Journal(path))
            yield Batch(beside, {"files": {file.name: {} for file in beside.iterdir()}})

    @property
    def parameters(self) -> list[str]:
        """The paths that the plan varies."""
        return list(self.plan["parameters"])

    @property
    def measures(self) -> list[str]:
        """The measures of the plan, those with a scope as `name.key`."""
        wanted = {name: number for number, name in enumerate(self.plan["measures"])}
        found = (name for name, *_ in self.connection.execute("DESCRIBE all_runs").fetchall() if name not in ROW)
        own = ((wanted[name.split(".")[0]], name) for name in found if name.split(".")[0] in wanted)
        return [name for _, name in sorted(own)]

    def unit(self, measure: str) -> str:
        """Return the unit of a measure, with or without its key."""
        return str(self.plan["measures"][measure.split(".")[0]])

    def _make_views_of_plan(self) -> None:
        design = quoted(self.folder / "plans" / self.plan_name / "design.parquet")
        varied = [f"d.{_quoted_name(path)}" for path in self.parameters]
        run = ["d.point", "d.replicate", "d.seed", "d.run", *varied]
        measured = [f"a.{_quoted_name(name)}" for name in self.measures]
        views = {
            "design": f"SELECT * FROM read_parquet({design})",
            "runs": f"SELECT {', '.join([*run, *measured])} FROM design d JOIN all_runs a USING (run) "
            "ORDER BY point, replicate",
            "failures": f"SELECT {', '.join(run)}, f.error, f.command, f.tries, f.died, f.traceback "
            "FROM design d JOIN all_failures f USING (run) ORDER BY point, replicate",
        }
        for name, query in views.items():
            self.connection.execute(f"CREATE TEMP VIEW {name} AS {query}")

    def sql(self, query: str) -> pd.DataFrame:
        """Return what a query finds."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of DuckDB's own doings with pandas
            return self.connection.execute(query).df()

    def runs(self) -> pd.DataFrame:
        """Return the runs of the plan that are done, a row each: point, replicate, seed, parameters, measures."""
        return self.sql("SELECT * FROM runs")

    def failures(self) -> pd.DataFrame:
        """Return the runs of the plan that failed: parameters, exception, and the command that shows it again."""
        return self.sql("SELECT * FROM failures")

    def table(self, name: Literal["daily", "hourly", "incidents", "costs"]) -> pd.DataFrame:
        """Return what was kept of each run of the plan, by `run`; `costs` for what it took."""
        return self.sql(f"SELECT * FROM {name} WHERE run IN (SELECT run FROM design)")

    def counts(self) -> dict[str, int]:
        """Return how many runs the plan asks for, how many of them are done, and how many failed."""
        queries = {
            "planned": "SELECT count(*) FROM design",
            "done": "SELECT count(*) FROM design SEMI JOIN all_runs USING (run)",
            "failed": "SELECT count(*) FROM design SEMI JOIN all_failures USING (run)",
        }
        return {name: int(self.connection.execute(query).fetchall()[0][0]) for name, query in queries.items()}

    def experiments_outcomes(self) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return the plan's runs as EMA Workbench has them: experiments, and an array for each outcome."""
        runs = self.runs()
        experiments = runs[self.parameters].assign(scenario=runs["point"], replicate=runs["replicate"])
        return experiments, {name: runs[name].to_numpy() for name in self.measures}


def open_store(folder: str | Path, plan: str | None = None) -> Store:
    """Open a store to read; `plan` names one of its plans, else it is the one that was swept last."""
    return Store(folder, plan)


def merge(folder: str | Path, *others: str | Path) -> int:
    """Add the runs of other stores to one; return how many batches were new."""
    missing = [f"{other}: no store of runs" for other in others if not _is_store(Path(other))]
    if missing:
        raise StoreError(*missing)
    with writing(folder) as writer:
        return sum(writer.merge(Path(other)) for other in others)


def _latest_plan(folder: Path) -> str:
    try:
        return str(json.loads((folder / "store.json").read_text(encoding="utf-8"))["plan"])
    except FileNotFoundError:
        raise StoreError(f"{folder / 'store.json'}: missing; sweep again to mend it") from None
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{folder / 'store.json'}: not as it was written; sweep again to mend it") from None
