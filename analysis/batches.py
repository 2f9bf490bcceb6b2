"""How the runs of a store lie on disk: batches that never change, and journals.

What is kept, and when, is told in `analysis.store`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.keeping import append
from sim.console import Refused
from sim.keeping import full, put, sha256, sync

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

FORMAT = 1
TABLES = ("daily", "hourly", "incidents")
"""What may be kept of a run beside its measures."""
IDENTITY = ("run", "scenario_sha256", "seed", "model")
ROW = (*IDENTITY, "measures", "tables")


class StoreError(Refused):
    """A folder that cannot be used as a store of runs."""


class StoreFull(OSError):
    """No room is left for another run; those that are kept are whole."""


# --- files ---------------------------------------------------------------------------------------------


def packed(frame: pd.DataFrame) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    with tempfile.TemporaryDirectory() as folder, connected() as database:
        path = Path(folder) / "table.parquet"
        database.register("frame", frame)
        database.execute(f"COPY frame TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd)")
        return path.read_bytes()


@contextmanager
def connected() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database of our own, which tells times in UTC."""
    import duckdb

    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        yield database


def quoted(path: Path | str) -> str:
    """Return a path as SQL has it."""
    return "'" + str(path).replace("'", "''") + "'"


def every_row_of(paths: Iterable[Path], *options: str) -> str:
    """Return what SQL selects from: the rows of Parquet files, whichever columns each has."""
    return f"read_parquet([{', '.join(map(quoted, paths))}], {', '.join(('union_by_name = true', *options))})"


@contextmanager
def or_full(folder: Path) -> Iterator[None]:
    """Turn every way of saying that a disk is full into one."""
    import duckdb

    try:
        yield
    except (OSError, duckdb.Error) as error:
        if isinstance(error, StoreFull):
            raise
        if full(error):
            message = "no room left on the disk; every run that was done is kept. Make room and start again"
            raise StoreFull(errno.ENOSPC, message, str(folder)) from error
        raise


def as_text(value: Any) -> str:
    """Return what is written of a value, as JSON."""
    return json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n"


# --- batches -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """Runs written together: the folder, and what its manifest says."""

    folder: Path
    manifest: dict[str, Any]

    def file(self, table: str) -> Path | None:
        """Return the file of a table, if the batch has one."""
        name = f"{table}.parquet"
        return self.folder / name if name in self.manifest["files"] else None


def batches_of(folder: Path) -> tuple[list[Batch], list[tuple[Path, str]]]:
    """Return the batches that are as they were written, and those that are not, with what is wrong."""
    whole: list[Batch] = []
    damaged: list[tuple[Path, str]] = []
    for path in sorted(folder.glob("batch-*")):
        try:
            whole.append(_checked(path))
        except StoreError as error:
            damaged.append((path, str(error)))
    replaced = {name for batch in whole for name in batch.manifest["replaces"]}
    return [batch for batch in whole if batch.folder.name not in replaced], damaged


def _checked(path: Path) -> Batch:
    try:
        text = (path / "manifest.json").read_bytes()
    except OSError as error:
        raise StoreError(f"{path / 'manifest.json'}: {error.strerror or error}") from None
    if _batch_name(text) != path.name:
        raise StoreError(f"{path / 'manifest.json'}: not as it was written")
    manifest = json.loads(text)
    for name, expected in manifest["files"].items():
        file = path / name
        if not file.is_file():
            raise StoreError(f"{file}: missing")
        if file.stat().st_size != expected["bytes"]:
            raise StoreError(f"{file}: {file.stat().st_size:,} bytes, where {expected['bytes']:,} were written")
        if sha256(file) != expected["sha256"]:
            raise StoreError(f"{file}: not as it was written")
    return Batch(path, manifest)


def _batch_name(manifest: bytes) -> str:
    return f"batch-{hashlib.sha256(manifest).hexdigest()[:16]}"


def batch_written(folder: Path, write: Callable[[Path], None], replaces: Sequence[str] = ()) -> Batch:
    """Let `write` fill a new folder, seal it, bring it to disk and move it to its place."""
    beside = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    try:
        write(beside)
        files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in sorted(beside.iterdir())}
        manifest = {"format": FORMAT, "files": files, "replaces": sorted(replaces)}
        text = as_text(manifest).encode()
        (beside / "manifest.json").write_bytes(text)
        for path in (*beside.iterdir(), beside):
            sync(path)
        target = folder / _batch_name(text)
        if not target.exists():
            beside.chmod(0o755)  # a temporary folder is for its owner alone
            beside.rename(target)
            sync(folder)
        return Batch(target, manifest)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def put_table(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns as Parquet; None is nothing, also among numbers."""
    import pandas as pd

    with connected() as database:
        database.register("frame", pd.DataFrame(dict(columns)))
        database.execute(f"COPY frame TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd)")


# --- the journal ---------------------------------------------------------------------------------------


@dataclass
class Journal:
    """Runs done since the last batch: a line each, and a file for each of their tables."""

    path: Path
    lines: int = 0

    @property
    def tables(self) -> Path:
        """Where the tables of its runs are."""
        return self.path.with_suffix("")

    def entries(self) -> list[dict[str, Any]]:
        """Return what was noted; a last line that was cut off when its writer was killed is left out."""
        if not self.path.exists():
            return []
        found = map(_entry, self.path.read_bytes().split(b"\n"))
        return [entry for entry in found if entry is not None and self._has_tables_of(entry)]

    def _has_tables_of(self, entry: dict[str, Any]) -> bool:
        return all(self.table(entry["run"], table).exists() for table in names_in(entry.get("tables", "")))

    def note(self, entry: dict[str, Any], tables: Mapping[str, bytes]) -> None:
        """Note a run; leave no trace of it where that fails."""
        for table, content in tables.items():
            self.tables.mkdir(exist_ok=True)
            (self.tables / f"{entry['run']}.{table}.parquet").write_bytes(content)
        text = json.dumps(entry, separators=(",", ":")).encode()
        append(self.path, b"%08x %b\n" % (zlib.crc32(text), text))
        self.lines += 1

    def mend(self) -> list[str]:
        """Take out what is not as it was written, and return it; a last line cut off by a kill is no fault."""
        if not self.path.exists():
            return []
        *lines, last = self.path.read_bytes().split(b"\n")
        bad = [number for number, line in enumerate(lines, 1) if _entry(line) is None]
        if bad or last:
            kept = [line for line in lines if _entry(line) is not None]
            put(self.path, "".join(f"{line.decode()}\n" for line in kept))
        return [f"{self.path}: line {number} is not as it was written" for number in bad]

    def table(self, run: str, table: str) -> Path:
        """Return the file of a run's table."""
        return self.tables / f"{run}.{table}.parquet"

    def clear(self) -> None:
        """Forget everything: it is in a batch."""
        self.path.unlink(missing_ok=True)
        shutil.rmtree(self.tables, ignore_errors=True)
        self.lines = 0


def put_aside(path: Path) -> None:
    """Move what is not as it was written out of the way."""
    target = path.parent / "damaged" / path.name
    target.parent.mkdir(exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    with suppress(FileNotFoundError):  # another shard has just done so
        path.rename(target)


def _entry(line: bytes) -> dict[str, Any] | None:
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    return json.loads(text)  # type: ignore[no-any-return]


def put_entries(folder: Path, journal: Journal) -> None:
    """Write the entries of a journal as the tables of a batch, in the order of their names."""
    entries = {entry["run"]: entry for entry in journal.entries()}
    ordered = [entries[run] for run in sorted(entries)]
    done, failed = ([e for e in ordered if e["kind"] == kind] for kind in ("done", "failed"))
    if done:
        put_table(folder / "runs.parquet", _run_columns(done))
        costs = [{"run": entry["run"], **entry["cost"]} for entry in done]
        put_table(folder / "costs.parquet", _columns(costs))
    if failed:
        put_table(folder / "failures.parquet", _columns(_failure_rows(failed)))
    for table in TABLES:
        paths = [journal.table(entry["run"], table) for entry in done if table in entry["tables"].split(",")]
        if paths:
            with connected() as database:
                target = quoted(folder / f"{table}.parquet")
                database.execute(
                    f"COPY (SELECT * FROM {every_row_of(paths)}) TO {target} (FORMAT parquet, COMPRESSION zstd)"
                )


def _run_columns(entries: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    measured = {name: None for entry in entries for name in entry["values"]}
    return {
        **{name: [entry[name] for entry in entries] for name in ROW},
        **{name: [_number(entry["values"].get(name)) for entry in entries] for name in measured},
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _failure_rows(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in entry.items() if key != "kind"} for entry in entries]


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row.get(name) for row in rows] for name in {name: None for row in rows for name in row}}


def names_in(names: str) -> frozenset[str]:
    """Return the names that a text holds, with commas in between."""
    return frozenset(name for name in names.split(",") if name)
