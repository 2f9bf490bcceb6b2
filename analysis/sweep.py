"""Do the runs that a plan asks for, in any number of sittings, on any number of machines.

    spillover sweep plan.toml --out runs/sweep --workers 4
    spillover results runs/sweep --csv table.csv

What is in the store already is not done again: a sweep that was stopped or killed goes on where it was, and a plan
that changed does what is new in it. Sweeps of one plan come to the same table, bit for bit, however they were done.
"""

from __future__ import annotations

import io
import json
import shlex
import socket
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from analysis import store as stores
from analysis.batches import packed
from analysis.design import Hashes, Layout, Plan, Point, read_plan
from analysis.identity import Identity, model_version
from analysis.options import AsJson
from analysis.store import Done, Failed, Holds, Stock, Store, open_store, stock_of, writing
from analysis.workers import Failure, each, whole
from sim.console import DONE, FAILED, INTERRUPTED, TERMINATED, Refused, complain, counting, stoppable
from sim.keeping import placed
from sim.machine import processors
from sim.measures import observe
from sim.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

    from sim.runs import Result

PROBES = 3
"""Runs that tell how long one takes, after one that warms up."""
CHECKED = 5
"""Points whose quick hash is held against that of their scenario before a sweep begins."""
COUNTS = frozenset(
    {"killed", "wounded", "faction_killed", "faction_wounded", "front_fire", "stray_fire", "missiles_fired"}
)
"""What is recorded of a step, and added up over a day; all else is a level, read as the day ends."""

Frames = dict[str, "pd.DataFrame"]
Model = Callable[[Scenario, int, tuple[str, ...], tuple[str, ...]], tuple[dict[str, float], Frames]]
"""What runs a scenario with a seed and returns the measures and tables that are asked for."""


# --- one run -------------------------------------------------------------------------------------------


def observed(
    scenario: Scenario, seed: int, measures: tuple[str, ...], tables: tuple[str, ...]
) -> tuple[dict[str, float], Frames]:
    """Run a scenario and return what is to be kept of it."""
    from sim.runs import run

    result = whole(run(scenario, seed=seed, threads=1))
    return observe(result, measures), {table: KEPT[table](result) for table in tables}


def daily(result: Result) -> pd.DataFrame:
    """Return what was recorded, by local calendar day: counts of the day, levels at its end."""
    import numpy as np
    import pandas as pd

    columns = result.columns
    days, series = len(columns.dates), columns.series
    ends = columns.values[columns.day_ends]
    counted = [number for number, one in enumerate(series) if one.measure in COUNTS]
    if days and counted:
        starts = np.append(0, columns.day_ends[:-1] + 1)
        ends[:, counted] = np.add.reduceat(columns.values[:, counted], starts, axis=0)
    keys = ("measure", "unit", "place", "neighbourhood", "community", "faction")
    who = {key: np.repeat([getattr(one, key) for one in series], days) for key in keys}
    return pd.DataFrame({"date": np.tile(columns.dates, len(series)), **who, "value": ends.T.ravel()})


KEPT: dict[str, Callable[[Result], pd.DataFrame]] = {
    "daily": daily,
    "hourly": lambda result: result.measures,
    "incidents": lambda result: result.incidents,
}


NOTHING = Holds(frozenset(), frozenset())


class Job(NamedTuple):
    """A run to do."""

    identity: Identity
    point: Point
    measures: tuple[str, ...]
    tables: tuple[str, ...]


@dataclass(frozen=True)
class OtherModel:
    """What a worker returns whose model is not the sweep's: its numbers would be others."""

    version: str


@dataclass(frozen=True)
class Work:
    """Does jobs; sent once to each worker."""

    base: Scenario
    version: str
    model: Model = observed
    at_hand: dict[str, Scenario] = field(default_factory=dict)  # since the replicates of a point follow each other

    def __call__(self, job: Job) -> Done | OtherModel:
        began, clock = perf_counter(), process_time()
        if self.model is observed and model_version() != self.version:
            return OtherModel(model_version())
        scenario = self._scenario(job)
        values, frames = self.model(scenario, job.identity.seed, job.measures, job.tables)
        run = job.identity.run
        tables = {name: packed(_of_run(run, frame)) for name, frame in frames.items()}
        seconds = {"wall_seconds": perf_counter() - began, "processor_seconds": process_time() - clock}
        cost = {**seconds, "finished": datetime.now(UTC).isoformat(timespec="seconds"), "host": socket.gethostname()}
        return Done(job.identity, job.measures, values, tables, cost)

    def _scenario(self, job: Job) -> Scenario:
        """Return the scenario of a run, if it is the one that the run is known by."""
        sha256 = job.identity.scenario_sha256
        scenario = self.at_hand.get(sha256)
        if scenario is None:
            scenario = self.base.with_values(job.point)
            if scenario.content_hash() != sha256:
                raise RuntimeError("the scenario is not the one that was planned")
            self.at_hand.clear()
            self.at_hand[sha256] = scenario
        return scenario


def _of_run(run: str, frame: pd.DataFrame) -> pd.DataFrame:
    table = frame.copy(deep=False)
    table.insert(0, "run", run)
    return table


# --- all runs of a plan --------------------------------------------------------------------------------


class Planned:
    """The runs of a plan, each with its identity."""

    def __init__(self, plan: Plan, version: str) -> None:
        self.plan, self.version = plan, version
        self.layout: Layout = plan.layout()
        self.size = len(next(iter(self.layout.columns.values())))

    def point(self, number: int) -> Point:
        """Return the values of a point."""
        return {path: values[number] for path, values in self.layout.columns.items()}

    @cached_property
    def hashes(self) -> list[str]:
        """The content hash of each point's scenario."""
        spread = range(0, self.size, max(self.size // CHECKED, 1))
        quick = Hashes.checked(self.plan.base, [self.point(number) for number in spread])
        return [quick.of(self.point(number)) for number in range(self.size)]

    def __iter__(self) -> Iterator[tuple[int, int, Identity]]:
        for point, scenario in enumerate(self.hashes):
            for replicate in range(self.plan.replicates):
                yield point, replicate, Identity(scenario, self.plan.seed(point, replicate), self.version)

    def design(self) -> dict[str, Sequence[Any]]:
        """Return the table of the design: a row a run."""
        table: dict[str, list[Any]] = {name: [] for name in ("point", "replicate", "seed", "run", "scenario_sha256")}
        for point, replicate, identity in self:
            row = (point, replicate, identity.seed, identity.run, identity.scenario_sha256)
            for column, value in zip(table.values(), row, strict=True):
                column.append(value)
        moves = {"moved": self.layout.moved, "by": self.layout.by}
        by_point = {name: column for name, column in moves.items() if column is not None} | self.layout.columns
        return {**table, **{name: [column[n] for n in table["point"]] for name, column in by_point.items()}}

    def missing(self, stock: Stock, shard: tuple[int, int] | None = None, again: bool = False) -> Iterator[Job]:
        """Yield the runs that are not in a store yet, or not with all that is to be kept of them."""
        begun: set[str] = set()
        for point, _, identity in self:
            run = identity.run
            if run in begun or not _in_shard(run, shard):
                continue
            held = stock.done.get(run, NOTHING)
            if held.covers(self.plan.measures, self.plan.tables) or (run in stock.failed and not again):
                continue
            begun.add(run)
            measures = (*self.plan.measures, *sorted(held.measures - set(self.plan.measures)))
            tables = (*self.plan.tables, *sorted(held.tables - set(self.plan.tables)))
            yield Job(identity, self.point(point), measures, tables)


def _in_shard(run: str, shard: tuple[int, int] | None) -> bool:
    return shard is None or int(run, 16) % shard[1] == shard[0] - 1


@dataclass
class Tally:
    """What a sweep came to."""

    planned: int
    missing: int = 0
    ran: int = 0
    failed: int = 0
    seconds: float = 0.0
    damaged: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the tally for JSON."""
        return dict(vars(self))


def sweep(
    plan: Plan,
    folder: str | Path,
    *,
    workers: int = 1,
    cluster: str | None = None,
    shard: tuple[int, int] | None = None,
    limit: int | None = None,
    fail_fast: bool = False,
    again: bool = False,
    model: Model = observed,
    version: str | None = None,
    quiet: bool = True,
) -> Tally:
    """Do the runs of a plan that a store does not have; return how many were done and how many failed.

    `again` tries those once more that failed before; `model` runs something else than `sim.runs.run`, and then
    `version` says which.
    """
    version = version or model_version()
    planned, began = Planned(plan, version), perf_counter()
    with writing(folder, shard) as writer:
        name = writer.keep_plan(plan.as_dict(version), plan.base.to_toml(), planned.design())
        base = Path(folder) / "plans" / name / "scenario.toml"
        missing = min(sum(1 for _ in planned.missing(writer, shard, again)), plan.runs if limit is None else limit)
        tally = Tally(plan.runs, missing=missing, damaged=writer.damaged)
        for said in writer.damaged:
            complain(f"{said}; its runs are done again")
        in_hand: dict[int, Job] = {}
        jobs = _noted(islice(planned.missing(writer, shard, again), limit), in_hand)
        outcomes = each(Work(plan.base, version, model), jobs, workers=workers, cluster=cluster)
        with counting(missing, quiet=quiet) as show, closing(outcomes):
            for number, outcome in outcomes:
                job = in_hand.pop(number)
                if isinstance(outcome, OtherModel):
                    raise Refused(
                        f"a worker has another model, {outcome.version}, than this sweep, {version}: its code "
                        "changed meanwhile, or differs between machines; what was done is kept"
                    )
                tally.ran += 1
                if isinstance(outcome, Failure):
                    tally.failed += 1
                    writer.add(_failed(job, outcome, base))
                else:
                    writer.add(outcome)
                if show is not None:
                    show(tally.ran, tally.failed)
                if fail_fast and tally.failed:
                    break
    tally.seconds = perf_counter() - began
    return tally


def _noted(jobs: Iterable[Job], in_hand: dict[int, Job]) -> Iterator[Job]:
    for number, job in enumerate(jobs):
        in_hand[number] = job
        yield job


def _failed(job: Job, failure: Failure, base: Path) -> Failed:
    sets = " ".join(f"--set {shlex.quote(f'{path}={_toml(value)}')}" for path, value in job.point.items())
    command = f"spillover run {shlex.quote(str(base))} --seed {job.identity.seed} {sets}".rstrip()
    return Failed(job.identity, failure.error, failure.traceback, command, failure.tries, failure.died)


def _toml(value: Any) -> str:
    """Write a value as `--set` reads it, exactly."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool | int | float) else str(value)


# --- what it will take ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forecast:
    """What a sweep would take: runs, time, room on the disk."""

    points: int
    planned: int
    missing: int
    seconds_a_run: float | None = None
    bytes_a_run: float | None = None
    workers: int = 1
    failed: tuple[str, ...] = ()

    @property
    def seconds(self) -> float | None:
        """How long it takes on this machine."""
        return None if self.seconds_a_run is None else self.missing * self.seconds_a_run / self.workers

    @property
    def bytes(self) -> float | None:
        """How much room it takes."""
        return None if self.bytes_a_run is None else self.missing * self.bytes_a_run

    def as_dict(self) -> dict[str, Any]:
        """Return the forecast for JSON."""
        return {**vars(self), "failed": list(self.failed), "seconds": self.seconds, "bytes": self.bytes}

    def told(self) -> str:
        """Return the forecast for a person."""
        runs = f"{self.planned:,} runs ({self.points:,} points), {self.missing:,} to do"
        if self.seconds is None or self.bytes is None:
            return "\n".join([runs, *(f"a probe failed: {error}" for error in self.failed)])
        time = f"about {_duration(self.seconds)} with {self.workers} workers ({self.seconds_a_run:.3g} s a run)"
        return "\n".join([f"{runs}: {time}, {_size(self.bytes)} on disk", *(f"failed: {e}" for e in self.failed)])


def forecast(
    plan: Plan,
    folder: str | Path,
    workers: int = 1,
    shard: tuple[int, int] | None = None,
    limit: int | None = None,
    again: bool = False,
    model: Model = observed,
    version: str | None = None,
) -> Forecast:
    """Do a few of the runs that are missing, keep nothing, and say what all of them would take."""
    version = version or model_version()
    planned = Planned(plan, version)
    with TemporaryDirectory() as scratch:
        jobs = list(islice(planned.missing(stock_of(folder), shard, again), limit))
        told = Forecast(planned.size, plan.runs, len(jobs), workers=min(workers, max(len(jobs), 1)))
        probes = [jobs[0], *jobs[:: max(len(jobs) // PROBES, 1)][:PROBES]] if jobs else []
        outcomes = [outcome for _, outcome in each(Work(plan.base, version, model), probes)]
        done = [outcome for outcome in outcomes[1:] if isinstance(outcome, Done)]
        failed = tuple(dict.fromkeys(outcome.error for outcome in outcomes if isinstance(outcome, Failure)))
        if not done:
            return replace(told, failed=failed)
        seconds = sum(one.cost["wall_seconds"] for one in done) / len(done)
        few, many = (_room(Path(scratch) / str(times), done, times) for times in (1, 10))
        return replace(told, seconds_a_run=seconds, bytes_a_run=(many - few) / (9 * len(done)), failed=failed)


def _room(folder: Path, done: Sequence[Done], times: int) -> int:
    """Return how many bytes a store of these runs takes, each that many times over."""
    with writing(folder) as writer:
        for one in done:
            for turn in range(times):
                writer.add(replace(one, identity=replace(one.identity, seed=one.identity.seed + turn * 1_000_003)))
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _size(number: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number / 1e3:.3g} kB"


# --- commands ------------------------------------------------------------------------------------------

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a sweep.")]


def command(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan file (see docs/sweeps.md).")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to keep the runs in.")],
    workers: Annotated[int | None, typer.Option(min=1, max=4096, help="Processes on this machine.")] = None,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Do the i-th of n parts alone.")] = None,
    cluster: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Use the workers of a Dask scheduler.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Do at most so many runs.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take; keep nothing.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first run that fails.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Try once more what failed before.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do more than a million runs.")] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Do the runs that a plan asks for and that a folder does not have yet."""
    found, part = read_plan(plan, yes), _shard(shard)
    hands = processors() if workers is None else workers
    if dry_run:
        told = forecast(found, out, hands, part, limit, again)
        typer.echo(json.dumps(told.as_dict()) if as_json else told.told())
        raise typer.Exit(FAILED if told.failed else DONE)
    with stoppable() as stopped:
        try:
            tally = sweep(
                found, out, workers=hands, cluster=cluster, shard=part, limit=limit, fail_fast=fail_fast, again=again,
                quiet=quiet or as_json,
            )  # fmt: skip
        except KeyboardInterrupt:
            complain(f"stopped; what was done is kept in {out}, and the same command goes on from there")
            raise typer.Exit(TERMINATED if stopped else INTERRUPTED) from None
    with open_store(out) as kept:
        counts = kept.counts()
    if as_json:
        typer.echo(json.dumps({**tally.as_dict(), **counts, "store": str(out)}))
    else:
        typer.echo(_told(tally, counts, out))
    raise typer.Exit(FAILED if counts["failed"] else DONE)


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, slash, second = text.partition("/")
    if slash and first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second):
        return int(first), int(second)
    raise Refused(f"--shard: found '{text}', allowed I/N with I from 1 to N, such as 2/8")


def _told(tally: Tally, counts: Mapping[str, int], out: Path) -> str:
    ran = f"{tally.ran:,} runs in {_duration(tally.seconds)}; {counts['done']:,} of {counts['planned']:,} are in {out}"
    failed = f", {counts['failed']:,} failed (see `spillover results {out} --failures`)" if counts["failed"] else ""
    return ran + failed


def results(
    folder: Folder,
    sql: Annotated[
        str | None, typer.Option(metavar="QUERY", help="What to ask; the views are in docs/sweeps.md.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as CSV.")] = None,
    ema: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a .tar.gz that EMA Workbench loads.")] = None,
    merge: Annotated[list[Path] | None, typer.Option(metavar="DIR", help="Add the runs of another folder.")] = None,
    failures: Annotated[bool, typer.Option("--failures", help="The runs that failed, and why.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read the runs of a sweep: a table, a query, or a file for another program."""
    if sql is not None and failures:
        raise Refused("--sql, --failures: one of them")
    if merge:
        complain(f"{stores.merge(folder, *merge):,} batches added")
    with open_store(folder) as kept:
        if ema is not None:
            write_ema(kept, ema)
        if sql is None and not failures and csv is None:
            if ema is None:
                typer.echo(json.dumps(_about(kept)) if as_json else _overview(kept))
            return
        table = _asked(kept, sql) if sql is not None else kept.failures() if failures else kept.runs()
    if csv is not None:
        placed(csv, lambda beside: table.to_csv(beside, index=False, lineterminator="\n"))
    elif failures and not as_json:
        table = table[["point", "seed", "error", "command"]]
    if as_json:
        typer.echo(table.to_json(orient="records", date_format="iso", double_precision=15))
    elif csv is None:
        typer.echo(table.to_string(index=False))


def _asked(kept: Store, query: str) -> pd.DataFrame:
    import duckdb

    try:
        return kept.sql(query)
    except duckdb.Error as error:
        raise Refused(f"--sql: {error}") from None


def _about(kept: Store) -> dict[str, Any]:
    plan = {key: kept.plan[key] for key in ("scenario", "title", "design", "replicates", "model")}
    return {**plan, **kept.counts(), "parameters": kept.parameters, "measures": kept.measures}


def _overview(kept: Store) -> str:
    """Say what a store holds: the plan, and each measure over its runs."""
    counts, plan = kept.counts(), kept.plan
    many = f"{counts['done']:,} of {counts['planned']:,} runs done, {counts['failed']:,} failed"
    lines = [f"{plan['title']} ({plan['scenario']}), {plan['design']['kind']}: {many}", ""]
    lines += [f"  {path}: {_span(one)}" for path, one in plan["parameters"].items()]
    runs = kept.runs()
    lines += ["", f"{'':44}{'mean':>12}{'lowest':>12}{'highest':>12}  unit"]
    for name in kept.measures:
        column = runs[name].dropna()
        if len(column):
            numbers = "".join(f"{value:>12.5g}" for value in (column.mean(), column.min(), column.max()))
            lines.append(f"  {name:42}{numbers}  {kept.unit(name)}")
    return "\n".join(lines)


def _span(one: Mapping[str, Any]) -> str:
    if one["kind"] == "choice":
        return ", ".join(map(str, one["values"]))
    return f"{one['low']:g} to {one['high']:g} {one['unit']}".rstrip()


def write_ema(kept: Store, file: Path) -> None:
    """Write the runs of a plan as `ema_workbench.load_results` reads them; runs without every outcome are left out."""
    experiments, outcomes = kept.experiments_outcomes()
    whole_runs = ~experiments.isna().any(axis=1)
    for values in outcomes.values():
        whole_runs &= values == values
    experiments = experiments[whole_runs]
    kinds = {name: _ema_kind(experiments[name]) for name in experiments.columns}
    members: dict[str, str] = {"experiments.csv": experiments.to_csv(index=False, lineterminator="\n")}
    listed = []
    for name, values in outcomes.items():
        members[f"{name}.cls"] = "".join(f"{value!r}\n" for value in values[whole_runs].tolist())
        listed.append(["ScalarOutcome", name, f"{name}.cls"])
    members["metadata.json"] = json.dumps({"version": 0.1, "outcomes": listed, "experiments": kinds})
    placed(file, lambda beside: _write_archive(beside, members))


def _write_archive(path: Path, members: Mapping[str, str]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content := text.encode())
            archive.addfile(entry, io.BytesIO(content))


def _ema_kind(column: Iterable[Any]) -> str:
    name = str(getattr(column, "dtype", "object"))
    return name if name in ("float64", "int64", "bool") else "category"
