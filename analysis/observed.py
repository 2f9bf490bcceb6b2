"""What was observed: killed a day by place, or rounds of fighting, read from a CSV that anybody can write.

Two kinds of file, told apart by their header; `docs/observed-data.md` has every column:

    daily    date, place, killed, killed_low, killed_high, source, and as you have them
             wounded, dyad, side, events, sizes, imprecise
    rounds   start, end, killed_low, killed_high, source, and as you have them killed, wounded, place, type

**A day without a row is a day without data, not a day without deaths**; so is a day whose `killed` is
blank. A day on which nobody was killed has a row that says 0. A rounds file covers every day from its
first start to its last end; a row of type `quiet` makes it cover more, one of type `no data` less.

A row whose `dyad` and `side` are blank is the day's total at that place. Rows with one of them break it
down and are not added to it; where a day has no total, its parts are added up.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import math
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.console import Refused, nearest
from sim.incidents import rounds as rounds_in
from sim.keeping import placed

NOWHERE = "everywhere"
"""The place of a rounds file that names none."""

ALIASES = {"killed_lo": "killed_low", "killed_hi": "killed_high", "sources": "source"}
NOTES = ("note", "notes", "trigger", "trigger_or_note", "status")
"""Columns for people, which nothing is read from."""

NUMBERS = ("killed", "killed_low", "killed_high", "wounded", "imprecise")
DAILY_NEEDED = ("date", "place", "killed", "killed_low", "killed_high", "source")
DAILY = (
    "date", "place", "dyad", "side", "killed", "killed_low", "killed_high", "wounded", "events", "sizes",
    "imprecise", "source",
)  # fmt: skip
ROUNDS_NEEDED = ("start", "end", "killed_low", "killed_high", "source")
ROUNDS = ("place", "start", "end", "killed", "killed_low", "killed_high", "wounded", "type", "source")

CLASH, QUIET, NO_DATA = "clash", "quiet", "no data"
DAY_COLUMNS = ("killed", "killed_low", "killed_high", "wounded", "events", "imprecise", "fighting")
QUIET_DAYS = 3
"""Two days of fighting with more quiet days than this between them belong to two rounds."""

MOST_FAULTS = 50  # in one message
DAY = pd.Timedelta(days=1)


# --- what was observed ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Observed:
    """Killed a day by place as far as anybody knows, and the rounds of fighting."""

    source: str
    days: pd.DataFrame
    """One row a place and day that the data cover: `date`, `place` and `DAY_COLUMNS` (NaN: not told)."""
    parts: pd.DataFrame
    """The days broken down: `date`, `place`, `dyad`, `side`, `killed`, `events`."""
    sizes: pd.DataFrame
    """One row an event whose dead were counted: `date`, `place`, `dyad`, `size`."""
    told: pd.DataFrame
    """The rows of a rounds file as `ROUNDS` has them; none for a daily file."""
    notes: tuple[str, ...] = field(default=())

    @property
    def places(self) -> tuple[str, ...]:
        """The places in the order in which the file names them."""
        return tuple(dict.fromkeys(self.days["place"]))

    @property
    def by_rounds(self) -> bool:
        """Whether the file told rounds, of whose days only fighting or not is known."""
        return not self.told.empty

    @cached_property
    def calendar(self) -> pd.DatetimeIndex:
        """Every day from the first to the last that is covered anywhere."""
        first, last = self.days["date"].min(), self.days["date"].max()
        return pd.date_range(first, last, freq="D", unit="us", name="date")

    def table(self, what: str = "killed") -> pd.DataFrame:
        """Return one of `DAY_COLUMNS` by day and place; NaN where there is no data."""
        wide = self.days.pivot(index="date", columns="place", values=what).astype(float)
        return wide.reindex(index=self.calendar, columns=list(self.places))

    @property
    def covered(self) -> pd.DataFrame:
        """Whether there is data, by day and place."""
        return self.table("fighting").notna()

    def of(self, *places: str) -> Observed:
        """Return what was observed at some places; refuse one that is not there."""
        strangers = [f"{self.source}: no place '{p}'.{nearest(p, self.places)}" for p in places if p not in self.places]
        if strangers:
            raise Refused(*strangers)
        return self._only(lambda frame: frame["place"].isin(places))

    def between(self, since: date | str | None = None, until: date | str | None = None) -> Observed:
        """Return what was observed from one day to another, both included; a round counts by its start."""
        first, last = pd.Timestamp(since or date.min), pd.Timestamp(until or date.max)
        found = self._only(lambda frame: frame["date" if "date" in frame else "start"].between(first, last))
        if found.days.empty:
            raise Refused(f"{self.source}: no data between {first:%Y-%m-%d} and {last:%Y-%m-%d}")
        return found

    def _only(self, chosen: Callable[[pd.DataFrame], pd.Series]) -> Observed:
        frames = {name: getattr(self, name) for name in ("days", "parts", "sizes", "told")}
        return replace(self, **{name: f[chosen(f)].reset_index(drop=True) for name, f in frames.items()})

    def rounds(self, place: str, quiet_days: int = QUIET_DAYS) -> pd.DataFrame:
        """Return the rounds at a place, with the columns of `sim.incidents.rounds` and the range of the killed.

        Days without data count as quiet here. Rows of a rounds file are merged as days would be.
        """
        if self.by_rounds:
            told = self.told[(self.told["place"] == place) & (self.told["type"] == CLASH)]
            return _merged(told.sort_values("start", ignore_index=True), quiet_days)
        days = self.days[self.days["place"] == place].set_index("date")
        found = rounds_in(days[["killed", "wounded"]].fillna(0.0), quiet_days)
        if days["wounded"].isna().all():
            found["wounded"] = np.nan  # not told, which is not none
        for bound in ("killed_low", "killed_high"):
            sums = [days.loc[a:b, bound].sum() for a, b in zip(found["start"], found["end"], strict=True)]
            found[bound] = np.array(sums, dtype=float)
        return found

    def waits(self, place: str) -> NDArray[np.float64]:
        """Return the days from each day of fighting at a place to the next, where no day between lacks data."""
        return waits(self.table("fighting")[place])

    def sides(self) -> pd.Series:
        """Return the killed by side (who they were), most first; empty where the file does not tell."""
        return _shares(self.parts, "side", "dyad")

    def dyads(self) -> pd.Series:
        """Return the killed by dyad (who fought whom), most first; empty where the file does not tell."""
        return _shares(self.parts, "dyad", "side")


def waits(fighting: pd.Series) -> NDArray[np.float64]:
    """Return the days between successive days above 0 in a daily series, leaving out waits across a NaN."""
    value = fighting.to_numpy(dtype=float)
    when = np.flatnonzero(value > 0)
    unknown = np.concatenate([[0], np.cumsum(np.isnan(value))])
    whole = unknown[when[1:]] == unknown[when[:-1]]
    return np.asarray(np.diff(when)[whole], dtype=np.float64)


def _shares(parts: pd.DataFrame, by: str, other: str) -> pd.Series:
    """Add up the killed by dyad or side: over the rows that tell only that, or else over all that tell it."""
    told = parts[parts[by] != ""]
    alone = told[told[other] == ""]
    chosen = told if alone.empty else alone
    return chosen.groupby(by)["killed"].sum().sort_values(ascending=False, kind="stable")


def _merged(told: pd.DataFrame, quiet_days: int) -> pd.DataFrame:
    """Merge rounds that no more than some quiet days separate."""
    end = told["end"].cummax()
    number = (((told["start"] - end.shift()) / DAY - 1) > quiet_days).cumsum()
    groups = told.groupby(number)
    found = groups.agg(start=("start", "min"), end=("end", "max")).reset_index(drop=True)
    found["days"] = ((found["end"] - found["start"]) / DAY).astype(np.int64) + 1
    for column in ("killed", "killed_low", "killed_high"):
        found[column] = groups[column].sum().to_numpy()
    found["wounded"] = groups["wounded"].sum(min_count=1).to_numpy()
    found["gap"] = ((found["start"] - found["end"].shift()) / DAY).to_numpy()
    return found


# --- reading -------------------------------------------------------------------------------------------


def read(path: str | Path, place: str | None = None) -> Observed:
    """Return what a file of observed data says; refuse it with every fault that it has.

    `place` names the place of a rounds file that names none.
    """
    path = Path(path)
    with rows_of(path) as (header, rows):
        columns = [ALIASES.get(name.lower(), name.lower()) for name in header]
        if "start" in columns and "end" in columns:
            return _read_rounds(path, columns, rows, place or NOWHERE)
        if {"best", "date_start"} <= set(columns) or "date_est" in columns:
            raise Refused(f"{path}: events as UCDP GED has them; `spillover ged import` makes a daily file of it")
        return _read_daily(path, columns, rows)


Line = tuple[int, list[str]]


@contextmanager
def rows_of(path: Path) -> Iterator[tuple[list[str], Iterator[Line]]]:
    """Open a CSV, plain, gzipped or alone in a ZIP archive: its header, and its rows with their line numbers."""
    try:
        encoding = _encoding(path)
        with _opened(path) as raw, io.TextIOWrapper(raw, encoding, "replace", newline="") as text:
            first = text.readline()
            rows = csv.reader(_from_start(first, text), delimiter=_delimiter(first))
            header = [name.strip().strip("\ufeff") for name in next(rows, [])]
            if not any(header):
                raise Refused(f"{path}: empty")
            yield header, _numbered(path, rows)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Refused(f"{path}: cannot be read ({reason.lower()})") from None


def _from_start(first: str, text: Iterable[str]) -> Iterator[str]:
    yield first
    yield from text


def _numbered(path: Path, rows: Any) -> Iterator[Line]:
    """Yield each row that is not blank with the line on which it begins."""
    try:
        line = rows.line_num + 1
        for cells in rows:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = rows.line_num + 1
    except csv.Error as error:
        raise Refused(f"{path}, line {rows.line_num}: not CSV ({error})") from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic[:2] == b"\x1f\x8b":
            with gzip.open(file) as inside:
                yield inside  # type: ignore[misc]  # a GzipFile reads as an IO[bytes] does
        elif magic == b"PK\x03\x04":
            with zipfile.ZipFile(file) as archive:
                names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
                if len(names) != 1:
                    raise Refused(f"{path}: {len(names)} CSV files in the archive, not one")
                with archive.open(names[0]) as inside:
                    yield inside
        else:
            yield file


CHUNK = 1 << 20


def _encoding(path: Path) -> str:
    """Return UTF-8 where the whole file is that, otherwise what spreadsheets write on Windows."""
    with _opened(path) as raw:
        start = raw.read(2)
        if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            decoder.decode(start)
            while chunk := raw.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def _delimiter(header: str) -> str:
    """Return what parts the names of a header most often: a comma unless that is something else."""
    return max(",;\t", key=header.count)


class Cells:
    """Reads the cells of a table and remembers what is wrong, by line."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns, self.faults = path, columns, list[tuple[int, str]]()
        self.line, self.cells, self.spoilt = 0, dict[str, str](), False

    def turn(self, row: Line) -> bool:
        """Go to a row; return whether it has as many cells as the header."""
        self.line, self.spoilt = row[0], False
        cells = [cell.strip() for cell in row[1]]
        if len(cells) != len(self.columns):
            self.wrong(f"{len(cells)} cells, but the header has {len(self.columns)}")
            return False
        self.cells = dict(zip(self.columns, cells, strict=True))
        return True

    def wrong(self, what: str) -> None:
        """Remember a fault of the row."""
        self.spoilt = True
        self.faults.append((self.line, f"{self.path}, line {self.line}: {what}"))

    def text(self, column: str) -> str:
        return self.cells.get(column, "")

    def number(self, column: str, *, needed: bool = False, least: float = 0.0, most: float = math.inf) -> float:
        """Return a number; NaN where the cell is blank or wrong."""
        said = self.text(column)
        if not said:
            if needed:
                self.wrong(f"{column} is blank")
            return math.nan
        try:
            value = float(said)
        except ValueError:
            self.wrong(f"{column} '{said}' is not a number")
            return math.nan
        if not least <= value <= most or math.isinf(value):
            bounds = f"from {least:g} to {most:g}" if math.isfinite(most) else f"at least {least:g}"
            self.wrong(f"{column} {said} must be {bounds}")
            return math.nan
        return value

    def day(self, column: str) -> date | None:
        """Return the day of a date such as 2013-05-19 (what follows, a time of day, is left out)."""
        said = self.text(column)
        found = _ISO_DAY.match(said)
        try:
            if found:
                return date.fromisoformat(found[1])
        except ValueError:
            pass
        self.wrong(f"{column} '{said}' is not a date such as 2013-05-19" if said else f"{column} is blank")
        return None

    def refuse(self) -> None:
        """Refuse the file where anything was wrong."""
        if self.faults:
            told = [text for _, text in sorted(self.faults, key=lambda fault: fault[0])]
            left = len(told) - MOST_FAULTS
            more = [f"{self.path}: and {left:,} more faults"] if left > 0 else []
            raise Refused(*told[:MOST_FAULTS], *more)


_ISO_DAY = re.compile(r"^(\d{4}-\d{2}-\d{2})(?:[ T][0-9:.+Z-]*)?$")


def header_faults(path: Path, columns: Sequence[str], needed: Sequence[str], known: Sequence[str]) -> list[str]:
    """Say which columns are missing, there twice, or not known."""
    missing = [name for name in needed if name not in columns]
    faults = [f"{path}: no column '{name}'; has {', '.join(columns)}" for name in missing]
    faults += [f"{path}: column '{name}' is there twice" for name in dict.fromkeys(columns) if columns.count(name) > 1]
    strange = [name for name in columns if name not in known and name not in NOTES]
    return faults + [f"{path}: no such column as '{name}'.{nearest(name, known)}" for name in strange]


def _read_daily(path: Path, columns: list[str], rows: Iterator[Line]) -> Observed:
    if faults := header_faults(path, columns, DAILY_NEEDED, DAILY):
        raise Refused(*faults)
    cells = Cells(path, columns)
    kept = [_daily_row(cells) for row in rows if cells.turn(row)]
    _twice(cells, kept)
    _parts_above_whole(cells, kept)
    cells.refuse()
    if not kept:
        raise Refused(f"{path}: no rows")
    return _observed(str(path), kept)


def _daily_row(cells: Cells) -> dict[str, Any]:
    row: dict[str, Any] = {"line": cells.line, "date": cells.day("date")}
    row |= {name: cells.text(name) for name in ("place", "dyad", "side", "source")}
    row |= {name: cells.number(name) for name in (*NUMBERS, "events")}
    for name in ("place", "source"):
        if not row[name]:
            cells.wrong(f"{name} is blank")
    _order(cells, row)
    row["sizes"] = _sizes(cells)
    if row["sizes"] and not math.isnan(row["events"]) and len(row["sizes"]) > row["events"]:
        cells.wrong(f"{len(row['sizes'])} sizes of {row['events']:g} events")
    return row


def _order(cells: Cells, row: dict[str, Any]) -> None:
    """Check that low ≤ killed ≤ high, as far as they are told; a bound that is not told is the count itself."""
    low, killed, high = row["killed_low"], row["killed"], row["killed_high"]
    told = [value for value in (low, killed, high) if not math.isnan(value)]
    if told != sorted(told):
        cells.wrong(f"killed {killed:g} is not between killed_low {low:g} and killed_high {high:g}")
    row["killed_low"] = killed if math.isnan(low) else low
    row["killed_high"] = killed if math.isnan(high) else high


def _sizes(cells: Cells) -> list[int]:
    said = cells.text("sizes")
    parts = [part.strip() for part in said.split(";")] if said else []
    if any(not part.isascii() or not part.isdigit() or int(part) < 1 for part in parts):
        cells.wrong(f"sizes '{said}' is not a list of deaths by event such as 2;1;7")
        return []
    return [int(part) for part in parts]


def _twice(cells: Cells, rows: list[dict[str, Any]]) -> None:
    seen: dict[tuple[Any, ...], int] = {}
    for row in rows:
        key = tuple(row[name] for name in ("date", "place", "dyad", "side"))
        if row["date"] is not None and (first := seen.setdefault(key, row["line"])) != row["line"]:
            cells.line = row["line"]
            cells.wrong(f"the same date, place, dyad and side as on line {first}")


ROUNDING = 1e-6  # people; the parts of a total may be fractions


def _parts_above_whole(cells: Cells, rows: list[dict[str, Any]]) -> None:
    """Find days whose dyads or sides add up to more than their total."""
    whole = {(r["date"], r["place"]): r for r in rows if not r["dyad"] and not r["side"]}
    for by, other in (("dyad", "side"), ("side", "dyad")):
        sums: dict[tuple[Any, ...], float] = defaultdict(float)
        for r in rows:
            if r[by] and not r[other] and not math.isnan(r["killed"]):
                sums[r["date"], r["place"]] += r["killed"]
        for key, total in sums.items():
            if key in whole and total > whole[key]["killed"] + ROUNDING:
                cells.line = whole[key]["line"]
                cells.wrong(f"{whole[key]['killed']:g} killed, but its rows by {by} add up to {total:g}")


def _observed(source: str, rows: list[dict[str, Any]]) -> Observed:
    """Make the tables of checked rows: totals where they are told, otherwise the sum of the parts."""
    frame = pd.DataFrame(rows)
    frame["date"] = pd.DatetimeIndex(frame["date"]).as_unit("us")
    dyad, side = frame["dyad"] != "", frame["side"] != ""
    kind = dyad + 2 * side  # 0 the total, 1 by dyad, 2 by side, 3 by both
    best = kind.groupby([frame["date"], frame["place"]], sort=False).transform("min")
    totals = frame[kind == best].groupby(["date", "place"], sort=False)
    days = totals[["killed", "killed_low", "killed_high"]].sum(min_count=1)
    days = days.join(totals[["wounded", "events", "imprecise"]].sum(min_count=1)).reset_index()
    days = days[days["killed"].notna()]  # a blank says that nobody knows
    days["fighting"] = (days["killed"] + days["wounded"].fillna(0.0) > 0).astype(float)
    return Observed(
        source=source,
        days=days[["date", "place", *DAY_COLUMNS]].sort_values(["date", "place"], kind="stable", ignore_index=True),
        parts=frame.loc[kind > 0, ["date", "place", "dyad", "side", "killed", "events"]].reset_index(drop=True),
        sizes=_long_sizes(frame.assign(kind=kind)),
        told=_no_rounds(),
    )


def _long_sizes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row an event, from the rows by dyad where these tell sizes, so that it is known who fought."""
    sized = frame[frame["sizes"].map(len) > 0]
    order = sized["kind"].replace({1: -1})
    first = order == order.groupby([sized["date"], sized["place"]]).transform("min")
    long = sized.loc[first, ["date", "place", "dyad", "sizes"]].explode("sizes", ignore_index=True)
    return long.rename(columns={"sizes": "size"}).astype({"size": np.int64})


def _no_rounds() -> pd.DataFrame:
    return pd.DataFrame({name: [] for name in ROUNDS}).astype({"start": "M8[us]", "end": "M8[us]"})


def _read_rounds(path: Path, columns: list[str], rows: Iterator[Line], place: str) -> Observed:
    if faults := header_faults(path, columns, ROUNDS_NEEDED, ROUNDS):
        raise Refused(*faults)
    cells = Cells(path, columns)
    kept = [_round_row(cells, place) for row in rows if cells.turn(row)]
    cells.refuse()
    told = pd.DataFrame(kept, columns=list(ROUNDS))
    if told.empty or not (told["type"] != NO_DATA).any():
        raise Refused(f"{path}: no rounds")
    for end in ("start", "end"):
        told[end] = pd.DatetimeIndex(told[end]).as_unit("us")
    days = pd.concat([_days_of(of, str(name)) for name, of in told.groupby("place", sort=False)], ignore_index=True)
    nothing = pd.DataFrame({"date": pd.DatetimeIndex([]).as_unit("us"), "place": [], "dyad": []})
    return Observed(
        source=str(path),
        days=days,
        parts=nothing.assign(side=[], killed=[], events=[]),
        sizes=nothing.assign(size=[]),
        told=told,
    )


def _round_row(cells: Cells, place: str) -> dict[str, Any]:
    row: dict[str, Any] = {"place": cells.text("place") or place, "start": cells.day("start"), "end": cells.day("end")}
    row |= {name: cells.number(name) for name in ("killed", "killed_low", "killed_high", "wounded")}
    row |= {"type": cells.text("type").lower() or CLASH, "source": cells.text("source")}
    if row["start"] and row["end"] and row["end"] < row["start"]:
        cells.wrong(f"ends on {row['end']}, before it starts on {row['start']}")
    if not row["source"]:
        cells.wrong("source is blank")
    if row["type"] in (QUIET, NO_DATA):
        if any(row[name] > 0 for name in ("killed", "killed_low", "killed_high", "wounded")):
            cells.wrong(f"casualties in a row of type '{row['type']}'")
        return row
    if math.isnan(row["killed"]):
        row["killed"] = (row["killed_low"] + row["killed_high"]) / 2  # the middle, where only a range is told
    if math.isnan(row["killed"]) and not cells.spoilt:
        cells.wrong("neither killed nor both killed_low and killed_high are told")
    _order(cells, row)
    return row


def _days_of(told: pd.DataFrame, place: str) -> pd.DataFrame:
    """Return the days that the rounds of one place cover: on which there was fighting is all that is known."""
    known = told[told["type"] != NO_DATA]
    calendar = pd.date_range(known["start"].min(), known["end"].max(), freq="D", unit="us")
    clash, unknown = (_within(calendar, told[told["type"] == kind]) for kind in (CLASH, NO_DATA))
    deadly = _within(calendar, told[~told["type"].isin((QUIET, NO_DATA))])
    days = pd.DataFrame({"date": calendar, "place": place} | dict.fromkeys(DAY_COLUMNS, np.nan))
    days["fighting"] = clash.astype(float)
    days.loc[~deadly, ["killed", "killed_low", "killed_high"]] = 0.0
    return days[clash | ~unknown].reset_index(drop=True)


def _within(calendar: pd.DatetimeIndex, rows: pd.DataFrame) -> NDArray[np.bool_]:
    inside = np.zeros(len(calendar), dtype=bool)
    for start, end in zip(rows["start"], rows["end"], strict=True):
        inside |= (calendar >= start) & (calendar <= end)
    return inside


# --- writing -------------------------------------------------------------------------------------------


def write_daily(rows: pd.DataFrame, path: Path) -> Path:
    """Write rows as a daily file; what is NaN is left blank."""
    said: dict[str, Any] = {"float_format": "%.10g", "date_format": "%Y-%m-%d", "lineterminator": "\n"}
    placed(path, lambda beside: rows[list(DAILY)].to_csv(beside, index=False, **said))
    return path
