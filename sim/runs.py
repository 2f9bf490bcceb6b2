"""One run: a scenario and a seed make a `Result`, which remembers and can be kept in a folder.

The folder holds

    scenario.toml      the scenario as it was run, with everything it extends
    measures.parquet   every recorded column, hour by hour
    incidents.parquet  who fought whom where, when, and at what cost
    fire.parquet       the casualties of each hour that the incidents are made of
    corridors.parquet  supplies on the roads, by day and faction
    values.parquet     what places are worth, by day and faction
    claims.parquet     what observers said
    events.parquet     what the scenario did to the world
    sides.json         who the sides of the fire are
    summary.json       as `summary.schema.json` has it
    summary.txt        the same for people
    cells.npz          what the streets looked like by the hour, where that was asked for (`sim.dashboard.cells`)
    provenance.json    the seal: what made this, with the hash of every other file

All files are written beside their place, brought to disk and then moved there; the seal comes last (`sim.keeping`).
A folder without a seal, or with a file that is not as sealed, is refused by `load`.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import takewhile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim import incidents, measures, summary
from sim.keeping import sha256, together, write
from sim.measures import Columns
from sim.record import EVENT_TYPES, FIRE_COLUMNS, Record, Series, Side
from sim.scenario import Scenario, ScenarioError

if TYPE_CHECKING:
    import duckdb

    from sim.checkpoint import Checkpoint

SEAL = "provenance.json"
SEAL_FORMAT = 1
TABLES = ("measures", "incidents", "fire", "corridors", "values", "claims", "events")
PACKAGES = ("spillover", "mesa", "numpy", "numba", "scipy", "pandas", "duckdb", "pydantic")
NUMBERS_BY = ("spillover", "mesa", "numpy", "numba", "scipy")
"""Packages of which another version may change a number."""
TEXTS = ("scenario.toml", "sides.json", "summary.json", "summary.txt")
FILES = (*(f"{table}.parquet" for table in TABLES), *TEXTS)
CELLS = "cells.npz"
MORE_FILES = (CELLS,)
"""Files that a folder has where somebody asked for them."""
KEYS = ("measure", "unit", "place", "neighbourhood", "community", "faction")


class RunFolderError(ValueError):
    """A folder that cannot be taken for a run, or that must not be written over."""


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    step: int
    steps: int
    time: datetime
    killed_by_place: dict[str, int]
    wounded_by_place: dict[str, int]


def run(
    scenario: Scenario | str | Path,
    *,
    seed: int = 0,
    days: float | None = None,
    threads: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    beside: Result | None = None,
    checkpoint_at: datetime | None = None,
    look: Callable[[Any], object] | None = None,
) -> Result:
    """Run a scenario and return what it left; a KeyboardInterrupt ends it early.

    `checkpoint_at` is a time at whose step the state is kept as the result's `checkpoint`, for `resume` to go on from.
    `look` is called with the model before its first step and after each.
    `beside` is a run with the same seed with which this one shares a single stream of numbers, as models without keyed
    draws do: once the two have used up different amounts of it, all luck is other luck. It is there to measure what
    keyed draws buy.
    """
    scenario = scenario if isinstance(scenario, Scenario) else Scenario.load(scenario)
    if days is not None:
        scenario = scenario.with_values({"clock.days": days})
    step = None if checkpoint_at is None else _step_of_checkpoint(scenario, checkpoint_at)
    model = new_model(scenario, seed, threads)
    stream = None if beside is None else _SharedStream(model, beside.record)
    return _to_the_end(model, scenario, seed, progress, stream, step, look=look)


def resume(
    checkpoint: Checkpoint,
    scenario: Scenario | None = None,
    *,
    threads: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_at: datetime | None = None,
) -> Result:
    """Go on from a checkpoint, in its scenario or in another one that differs in nothing that has been."""
    from sim.checkpoint import restored

    going_on = scenario or checkpoint.scenario
    step = None if checkpoint_at is None else _step_of_checkpoint(going_on, checkpoint_at, checkpoint.step)
    model = restored(checkpoint, going_on, threads)
    changed = going_on.content_hash() != checkpoint.scenario.content_hash()
    forked = {
        "step": checkpoint.step, "scenario_sha256": checkpoint.scenario.content_hash(),
        "scenario": checkpoint.scenario.to_toml(),
    } if changed else None  # fmt: skip
    return _to_the_end(model, going_on, checkpoint.seed, progress, None, step, forked)


def _step_of_checkpoint(scenario: Scenario, at: datetime, begun: int = 0) -> int:
    """Return the step before which the state is kept."""
    from sim.checkpoint import CheckpointError

    step = scenario.step_of(at)
    if scenario.model != "theatre":
        raise CheckpointError(f"{scenario.id}: a run of the model '{scenario.model}' has no checkpoints")
    if not begun < step < scenario.steps:
        first, last = scenario.time_of(begun + 1), scenario.time_of(scenario.steps - 1)
        span = f"from {first:%Y-%m-%dT%H:%M} to {last:%Y-%m-%dT%H:%M}"
        raise CheckpointError(f"checkpoint at {at.isoformat()}: allowed {span}")
    return step


def save_checkpoint(checkpoint: Checkpoint, path: str | Path) -> Path:
    """Write a checkpoint to a file, with the versions that made it."""
    from sim.checkpoint import save

    save(checkpoint, Path(path), _numbers_by())
    return Path(path)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint; raise CheckpointError where it is none, or was made by other versions."""
    from sim.checkpoint import load as loaded

    return loaded(Path(path), _numbers_by())


def _numbers_by() -> dict[str, str]:
    return {package: version for package, version in versions().items() if package in NUMBERS_BY}


def _to_the_end(
    model: Any,
    scenario: Scenario,
    seed: int,
    progress: Callable[[Progress], None] | None,
    stream: _SharedStream | None = None,
    checkpoint_step: int | None = None,
    forked: dict[str, Any] | None = None,
    look: Callable[[Any], object] | None = None,
) -> Result:
    """Run a model to the end of its scenario and return what it left."""
    started, clock = datetime.now(UTC), perf_counter()
    kept: list[Checkpoint] = []
    interrupted = _run_through(model, scenario, progress, _between(model, stream, checkpoint_step, kept, look))
    if look is not None and not interrupted:
        look(model)
    return Result(
        scenario=scenario,
        seed=seed,
        record=_whole_steps(model.record) if interrupted else model.record,
        interrupted=interrupted,
        started=started,
        finished=datetime.now(UTC),
        wall_seconds=perf_counter() - clock,
        versions=versions(),
        harm=_harm(model),
        checkpoint=kept[0] if kept else None,
        forked=forked,
    )


def _between(
    model: Any, stream: _SharedStream | None, checkpoint_step: int | None, kept: list[Checkpoint],
    look: Callable[[Any], object] | None,
) -> Callable[[], None]:  # fmt: skip
    """Return what is to be done before each step."""

    def act() -> None:
        if stream is not None:
            stream.go_on()
        if checkpoint_step is not None and model.record.steps_done == checkpoint_step:
            from sim.checkpoint import capture

            kept.append(capture(model))
        if look is not None:
            look(model)

    return act


def _harm(model: Any) -> dict[str, NDArray[np.uint8]]:
    """Return the worst that befell each resident, by neighbourhood; the same entry is the same person in any run."""
    if not hasattr(model, "residents"):
        return {}
    city, harm = model.city, model.residents.harm
    return {
        name: np.concatenate([harm[city.first[g] : city.last[g]] for g in np.flatnonzero(city.neighbourhood == n)])
        for n, name in enumerate(city.neighbourhoods)
    }


def new_model(scenario: Scenario, seed: int, threads: int | None) -> Any:
    """Return what runs the scenario: it has a `record`, and `run_for` takes it some steps on."""
    if scenario.model == "epstein":
        from sim.classics.epstein import EpsteinRun

        file: Any = scenario.file
        return EpsteinRun(file.epstein, scenario.steps, seed)
    from sim.model import SpilloverModel  # Mesa takes seconds to import, and a finished run needs none of it

    return SpilloverModel(scenario, seed=seed, threads=threads)


def _run_through(
    model: Any, scenario: Scenario, progress: Callable[[Progress], None] | None, before_each: Callable[[], None]
) -> bool:
    """Run every step, telling how far; return whether someone stopped it."""
    watch = None if progress is None else _Watch(model.record, scenario)
    try:
        while model.record.steps_done < scenario.steps:
            before_each()
            model.run_for(1)
            if progress is not None and watch is not None:
                progress(watch.look())
    except KeyboardInterrupt:
        return True
    return False


class _Draws:
    """Counts how many numbers a run would take from a single stream, but for a constant.

    One for every resident who is alive, one more for each whose state changes, one for each engagement and for each
    person whom it hits.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.levels, self.hurt, self.dead = map(self._columns, (LEVELS, ("killed", "wounded"), ("dead",)))

    def _columns(self, measures: tuple[str, ...]) -> NDArray[np.int64]:
        return np.array([i for i, one in enumerate(self.record.series) if one.measure in measures], np.int64)

    def since(self, first: int) -> NDArray[np.int64]:
        """Return the numbers of each step from one on."""
        record = self.record
        now = record.values[first : record.steps_done]
        before = record.values[max(first - 1, 0) : record.steps_done - 1]
        before = before if first else np.vstack([now[:1], before])
        moved = np.abs(now[:, self.levels] - before[:, self.levels]).sum(axis=1)
        drawn = moved + now[:, self.hurt].sum(axis=1) - now[:, self.dead].sum(axis=1)
        engaged = np.zeros(len(now), np.int64)
        for step, *_ in takewhile(lambda row: row[0] >= first, reversed(record.fire)):
            engaged[step - first] += 1
        return np.rint(drawn).astype(np.int64) + engaged


LEVELS = ("calm", "mobilised", "sheltering", "hurt", "detained", "displaced", "away", "dead")
"""Columns of how many residents are in each state."""


class _SharedStream:
    """Lets a run draw from the stream that another one with the same seed draws from."""

    def __init__(self, model: Any, beside: Record) -> None:
        self.model, self.draws, self.ahead = model, _Draws(model.record), 0
        self.beside = _Draws(beside).since(0)

    def go_on(self) -> None:
        """Take in the last step: how far ahead of the other run is this one in the stream?"""
        last = self.model.record.steps_done - 1
        if 0 <= last < len(self.beside):
            self.ahead += int(self.draws.since(last)[0] - self.beside[last])
            self.model.chance.shift(self.ahead)


class _Watch:
    """Adds up casualties by place while a run goes on."""

    def __init__(self, record: Record, scenario: Scenario) -> None:
        self.record, self.scenario, self.seen = record, scenario, 0
        self.places = {place: number for number, place in enumerate(scenario.file.places)}
        self.columns = {what: self._columns(what) for what in ("killed", "wounded")}
        self.sums = {what: np.zeros(len(self.places)) for what in self.columns}

    def _columns(self, measure: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        series = [(i, self.places[s.place]) for i, s in enumerate(self.record.series) if s.measure == measure]
        columns, places = zip(*series, strict=True) if series else ((), ())
        return np.array(columns, dtype=np.int64), np.array(places, dtype=np.int64)

    def look(self) -> Progress:
        """Take in the steps since the last look."""
        done = self.record.steps_done
        for what, (columns, places) in self.columns.items():
            new = self.record.values[self.seen : done, columns].sum(axis=0)
            self.sums[what] += np.bincount(places, weights=new, minlength=len(self.places))
        self.seen = done
        killed, wounded = (
            {place: round(n) for place, n in zip(self.places, self.sums[what].tolist(), strict=True)}
            for what in ("killed", "wounded")
        )
        return Progress(done, self.scenario.steps, self.scenario.time_of(done), killed, wounded)


def _whole_steps(record: Record) -> Record:
    """Return a record without what a step that was not finished has left."""
    done = record.steps_done
    return Record(
        series=record.series,
        values=record.values,
        sides=record.sides,
        steps_done=done,
        fire=[row for row in record.fire if row[0] < done],
        flows=[row for row in record.flows if row[0] < done],
        worth=[row for row in record.worth if row[0] < done],
        claims=[claim for claim in record.claims if claim["last_step"] < done],
        happened=[row for row in record.happened if row[0] < done],
    )


@dataclass(eq=False)
class Result:
    """What a run left: rows and columns, and the tables made of them when someone asks.

    In every table `time` is when the step began, in the scenario's time zone, ids are categories,
    and "" stands for "not of one in particular".
    """

    scenario: Scenario
    seed: int
    record: Record
    interrupted: bool
    started: datetime
    finished: datetime
    wall_seconds: float  # of the steps; setting up is not counted
    versions: dict[str, str]
    harm: dict[str, NDArray[np.uint8]] = field(default_factory=dict)  # as `sim.residents.HARMS`; not kept in a folder
    checkpoint: Checkpoint | None = None  # where one was asked for
    forked: dict[str, Any] | None = None  # of what run, and where, this one is a branch
    sealed: dict[str, Any] | None = None  # the summary of a run that was loaded
    more: dict[str, bytes] = field(default_factory=dict)  # what `MORE_FILES` of its folder hold, by name

    @property
    def complete(self) -> bool:
        """Whether the run got to the end of its scenario."""
        return self.record.steps_done == self.scenario.steps

    @property
    def hours(self) -> float:
        """How many hours were simulated."""
        return self.record.steps_done * self.scenario.step_hours

    @cached_property
    def columns(self) -> Columns:
        """The recorded columns, found by what they measure."""
        return Columns(self.record, self.scenario)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What the run comes to, as `summary.schema.json` has it."""
        return self.sealed or summary.summarise(self)

    def summary_text(self) -> str:
        """Return what the run comes to as a page for a person."""
        return summary.told(self)

    def rounds(self, place: str) -> pd.DataFrame:
        """Return the rounds of fighting in a place."""
        quiet = self.scenario.file.reports.round_quiet_days
        return incidents.rounds(measures.casualties_by_day(self)[place], quiet)

    @cached_property
    def incidents(self) -> pd.DataFrame:
        """Who fought whom where: the columns are in `sim.incidents`."""
        return incidents.incidents(self.record, self.scenario)

    @cached_property
    def ged_events(self) -> pd.DataFrame:
        """The fire by place, dyad and day with a death, as UCDP codes it."""
        return incidents.ged_events(self.record, self.scenario)

    @cached_property
    def measures(self) -> pd.DataFrame:
        """Every recorded column, one after the other: step, time, what, of whom, value.

        Counts (killed, wounded, …) are of the step, levels as it ended.
        """
        steps, series = self.record.steps_done, self.record.series
        return pd.DataFrame(
            {
                **self._when(np.tile(np.arange(steps), len(series))),
                **{key: _category([getattr(s, key) for s in series]).repeat(steps) for key in KEYS},
                "value": self.record.values[:steps].T.ravel(),
            },
            copy=False,
        )

    @cached_property
    def corridors(self) -> pd.DataFrame:
        """Supplies on the roads: `flow_t_day` and `open_share`, how much of the road is open to whom.

        A flow is above 0 from the first end of the corridor to the second, below 0 the other way.
        """
        file = self.scenario.file
        step, corridor, faction, flow, share = _unzipped(self.record.flows, integers=3, floats=2)
        return pd.DataFrame(
            {
                **self._when(step),
                "corridor": _category(list(file.corridors), corridor),
                "faction": _category(list(file.factions), faction),
                "flow_t_day": flow,
                "open_share": share,
            }
        )

    @cached_property
    def values(self) -> pd.DataFrame:
        """What places are worth to factions: `value_t_day`."""
        file = self.scenario.file
        step, place, faction, value = _unzipped(self.record.worth, integers=3, floats=1)
        return pd.DataFrame(
            {
                **self._when(step),
                "place": _category(list(file.places), place),
                "faction": _category(list(file.factions), faction),
                "value_t_day": value,
            }
        )

    @cached_property
    def claims(self) -> pd.DataFrame:
        """What observers said in `step` of the steps from `first_step` to `last_step`, beside the truth.

        What is said of the last days may be said after the end of the run.
        """
        column = {key: [claim[key] for claim in self.record.claims] for key in CLAIM_KEYS}
        return pd.DataFrame(
            {
                **self._when(np.array(column["claimed_at"], dtype=np.int64)),
                **{key: _category(column[key]) for key in ("observer", "place", "topic", "party")},
                "first_step": np.array(column["first_step"], dtype=np.int32),
                "last_step": np.array(column["last_step"], dtype=np.int32),
                "value": np.array(column["value"], dtype=np.float64),
                "truth": np.array(column["truth"], dtype=np.float64),
            }
        )

    @cached_property
    def events(self) -> pd.DataFrame:
        """What the scenario did to the world, as it took effect."""
        steps, ids, texts = zip(*self.record.happened, strict=True) if self.record.happened else ((), (), ())
        when = self._when(np.array(steps, dtype=np.int64))
        return pd.DataFrame({**when, "event": _category(list(ids)), "text": _category(list(texts))})

    @cached_property
    def fire(self) -> pd.DataFrame:
        """The casualties of each step between one pair of sides in one place, as they were recorded."""
        file = self.scenario.file
        rows = np.array(self.record.fire, dtype=np.int64).reshape(-1, len(FIRE_COLUMNS))
        column = dict(zip(FIRE_COLUMNS, rows.T, strict=True))
        sides = [*(side.id for side in self.record.sides), ""]
        names = {
            "place": list(file.places),
            "neighbourhood": [*file.neighbourhoods, ""],
            "side_a": sides,
            "side_b": sides,
            "event_type": list(EVENT_TYPES),
        }
        named = {key: _category(ids, column[key]) for key, ids in names.items()}
        counts = {key: column[key] for key in FIRE_COLUMNS if key not in names and key != "step"}
        return pd.DataFrame({**self._when(column["step"]), **named, **counts})

    def _when(self, steps: NDArray[Any]) -> dict[str, Any]:
        steps = steps.astype(np.int32)
        each = incidents.times(self.scenario, np.arange(steps.max(initial=-1) + 1))
        return {"step": steps, "time": each.take(steps)}

    def save(self, folder: str | Path, force: bool = False) -> Path:
        """Write the run folder; refuse one that is there already unless `force` says otherwise."""
        import duckdb  # here, because most runs of an ensemble are never saved

        folder = Path(folder)
        _make_room(folder, force)
        with together(folder, seal=SEAL, without=MORE_FILES) as beside:
            with duckdb.connect() as database:
                for name in TABLES:
                    _write_table(database, beside / f"{name}.parquet", self, name)
            for name, text in self._texts().items():
                write(beside / name, text)
            for name, content in self.more.items():
                (beside / name).write_bytes(content)
            hashes = {name: sha256(beside / name) for name in (*FILES, *self.more)}
            write(beside / SEAL, _json(self._provenance(hashes)))
        return folder

    def _texts(self) -> dict[str, str]:
        return {
            "scenario.toml": self.scenario.to_toml(),
            "sides.json": _json([asdict(side) for side in self.record.sides]),
            "summary.json": _json(self.summary),
            "summary.txt": self.summary_text(),
        }

    def _provenance(self, hashes: dict[str, str]) -> dict[str, Any]:
        return {
            "format": SEAL_FORMAT,
            "scenario": self.scenario.id,
            "scenario_sha256": self.scenario.content_hash(),
            "seed": self.seed,
            "complete": self.complete,
            "interrupted": self.interrupted,
            "steps": self.record.steps_done,
            "command": None if self.forked else f"spillover run scenario.toml --seed {self.seed}",
            "forked": self.forked,  # begin with that scenario, take a checkpoint at the step, go on with this one
            "started": self.started.isoformat(),
            "finished": self.finished.isoformat(),
            "wall_seconds": self.wall_seconds,
            "versions": self.versions,
            "platform": platform.platform(),
            "machine": platform.machine(),
            "processors": os.cpu_count(),
            "files": hashes,
        }


CLAIM_KEYS = (
    "claimed_at", "observer", "place", "topic", "party", "first_step", "last_step", "value", "truth",
)  # fmt: skip


@cache
def versions() -> dict[str, str]:
    """Return the versions that a run depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


# --- writing ---------------------------------------------------------------------------------------


def _make_room(folder: Path, force: bool) -> None:
    """Make the folder; refuse one with something in it that may not be written over."""
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder}: there is a file of that name")
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise RunFolderError(f"{folder}: not empty; choose another folder, or overwrite it with --force")
    folder.mkdir(parents=True, exist_ok=True)


def _write_table(database: duckdb.DuckDBPyConnection, path: Path, result: Result, name: str) -> None:
    zone, target = (text.replace("'", "''") for text in (result.scenario.file.clock.zone, str(path)))
    database.register("frame", getattr(result, name))
    database.execute(f"COPY frame TO '{target}' (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{zone: '{zone}'}})")
    database.unregister("frame")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _category(names: list[str], index: NDArray[Any] | None = None) -> pd.Categorical:
    """Return names, or those picked by an index (-1: the last one), as categories in the order of mention."""
    kinds = {name: code for code, name in enumerate(dict.fromkeys(names))}
    codes = np.array([kinds[name] for name in names], dtype=np.int32)
    return pd.Categorical.from_codes(codes if index is None else codes[index], categories=list(kinds))


def _unzipped(rows: list[Any], *, integers: int, floats: int) -> list[NDArray[Any]]:
    """Return rows of some integers and then some floats as columns."""
    table = np.array(rows, dtype=np.float64).reshape(-1, integers + floats).T
    return [*table[:integers].astype(np.int64), *table[integers:]]


# --- reading ---------------------------------------------------------------------------------------


def load(folder: str | Path) -> Result:
    """Return the result in a run folder; raise RunFolderError where it is not whole.

    The tables are made again, by the code that reads them, of the rows and columns that were recorded.
    """
    folder = Path(folder)
    seal = _unbroken(folder)
    try:
        scenario = Scenario.load(folder / "scenario.toml")
    except ScenarioError as error:
        made_by = seal["versions"].get("spillover", "another version")
        said = f"{folder}: its scenario is not one for this version (made by {made_by}): {error}"
        raise RunFolderError(said) from error
    return Result(
        scenario=scenario,
        seed=seal["seed"],
        record=_recorded(folder, scenario, seal["steps"]),
        interrupted=seal["interrupted"],
        started=datetime.fromisoformat(seal["started"]),
        finished=datetime.fromisoformat(seal["finished"]),
        wall_seconds=seal["wall_seconds"],
        versions=seal["versions"],
        sealed=json.loads((folder / "summary.json").read_text(encoding="utf-8")),
        more={name: (folder / name).read_bytes() for name in _more_files(seal)},
    )


def _unbroken(folder: Path) -> dict[str, Any]:
    """Return the seal of a run folder after holding every file against it."""
    if not folder.is_dir():
        raise RunFolderError(f"{folder}: no such folder")
    try:
        seal = json.loads((folder / SEAL).read_text(encoding="utf-8"))
    except FileNotFoundError:
        said = f"{folder}: no {SEAL}: not a run folder, or one that was never written to the end"
        raise RunFolderError(said) from None
    except ValueError:
        raise RunFolderError(f"{folder / SEAL}: not JSON") from None
    if not isinstance(seal, dict) or seal.get("format") != SEAL_FORMAT:
        raise RunFolderError(f"{folder / SEAL}: not a seal of format {SEAL_FORMAT}")
    for name in (*FILES, *_more_files(seal)):
        _hold_against(folder / name, seal.get("files", {}).get(name))
    return seal


def _more_files(seal: dict[str, Any]) -> list[str]:
    return [name for name in MORE_FILES if name in seal.get("files", {})]


def _hold_against(path: Path, sealed: str | None) -> None:
    if not path.is_file():
        raise RunFolderError(f"{path}: missing")
    if sha256(path) != sealed:
        raise RunFolderError(f"{path}: not as it was written: its SHA-256 is not the one in {SEAL}")


def _recorded(folder: Path, scenario: Scenario, steps: int) -> Record:
    """Return the record of a run from its tables."""
    import duckdb

    file = scenario.file
    sides = tuple(Side(**side) for side in json.loads((folder / "sides.json").read_text(encoding="utf-8")))
    named = {
        "place": _numbered(file.places),
        "neighbourhood": _numbered(file.neighbourhoods),
        "corridor": _numbered(file.corridors),
        "faction": _numbered(file.factions),
        "side_a": _numbered(side.id for side in sides),
        "side_b": _numbered(side.id for side in sides),
        "event_type": _numbered(EVENT_TYPES),
    }
    with duckdb.connect() as database:

        def rows(table: str, *columns: str, where: str = "true") -> list[tuple[Any, ...]]:
            source = str(folder / f"{table}.parquet").replace("'", "''")
            asked = f"SELECT {', '.join(columns)} FROM read_parquet('{source}') WHERE {where}"
            return list(database.execute(asked).fetchall())

        def indices(table: str, *columns: str) -> list[Any]:
            found = [named.get(column) for column in columns]
            return [
                tuple(v if names is None else names[v] for names, v in zip(found, row, strict=True))
                for row in rows(table, *columns)
            ]

        claims = rows("claims", "step", *CLAIM_KEYS[1:])
        series = tuple(Series(*row) for row in rows("measures", *KEYS, where="step = 0"))
        source = str(folder / "measures.parquet").replace("'", "''")
        value = database.execute(f"SELECT value FROM read_parquet('{source}')").fetchnumpy()["value"]
        return Record(
            series=series,
            values=np.ascontiguousarray(np.asarray(value, dtype=np.float64).reshape(len(series), steps).T),
            sides=sides,
            steps_done=steps,
            fire=indices("fire", *FIRE_COLUMNS),
            flows=indices("corridors", "step", "corridor", "faction", "flow_t_day", "open_share"),
            worth=indices("values", "step", "place", "faction", "value_t_day"),
            claims=[dict(zip(CLAIM_KEYS, row, strict=True)) for row in claims],
            happened=indices("events", "step", "event", "text"),
        )


def _numbered(ids: Iterable[str]) -> dict[str, int]:
    """Return the position of each id; "" is nobody's."""
    return {**{name: number for number, name in enumerate(ids)}, "": -1}
