"""Events as UCDP GED has them: read and checked, made into days of places, written.

What is made of an event, in the order in which it is done:

- It belongs to the first asked-for place that it is in; of circles, to the one whose centre is nearest.
- One that is only known to a province or more vaguely (`where_prec` above 3) is left out.
- Its `best` deaths are its dead, civilians and unknown ones included. They are booked whole, person by
  person, to evenly spaced days of its window from `date_start` to `date_end`: no death is lost or split.
  `low` counts every so-manieth of them, `high - best` more are spread over the window in the same way.
- Events known only to a week or more vaguely (`date_prec` 3 or above) are flagged; on request they are
  left out instead, and the days of their windows without another death are then days without data.
- As an event it counts once, with all its dead, on the middle day of its window.
- The dead of `deaths_a` and `deaths_b` are booked to the sides by name, others to "Civilians" and "unknown".

A place where the file has no event at all is not covered: that is not zero.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.observed import DAILY, Cells, Line, rows_of
from sim.console import Refused, complain, nearest
from sim.keeping import placed
from sim.runs import Result

GED_COLUMNS = (
    "id", "relid", "year", "active_year", "code_status", "type_of_violence", "conflict_dset_id", "conflict_new_id",
    "conflict_name", "dyad_dset_id", "dyad_new_id", "dyad_name", "side_a_dset_id", "side_a_new_id", "side_a",
    "side_b_dset_id", "side_b_new_id", "side_b", "number_of_sources", "source_article", "source_office",
    "source_date", "source_headline", "source_original", "where_prec", "where_coordinates", "where_description",
    "adm_1", "adm_2", "latitude", "longitude", "geom_wkt", "priogrid_gid", "country", "country_id", "region",
    "event_clarity", "date_prec", "date_start", "date_end", "deaths_a", "deaths_b", "deaths_civilians",
    "deaths_unknown", "best", "high", "low", "gwnoa", "gwnob",
)  # fmt: skip
"""The columns of versions 19 to 25, in their order; versions 17 and 18 have fewer of them."""

ALIASES = {"best_est": "best", "low_est": "low", "high_est": "high", "deaths_total": "best"}
"""Up to version 5 the estimates were called so; the total, in extracts."""

DEATHS = ("deaths_a", "deaths_b", "deaths_civilians", "deaths_unknown")
CIVILIANS, UNKNOWN = "Civilians", "unknown"
WEEK, MONTH, LONGER = 3, 4, 5  # codes of `date_prec`; 1 is a day, 2 up to six days
DISTRICT = 3  # code of `where_prec`: within a known district; 4 is a province, 5 to 7 are vaguer
TRUSTED_BOUNDS_DAYS = 31
"""An estimated day is taken where what is known bounds it this closely, otherwise what bounds it is its window."""
MOST_ROWS = 5_000_000  # places times days
MOST_NAMED = 5  # lines, in a note

Imprecise = Literal["spread", "drop"]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """The events of a GED file, checked, and what there was to say about them."""

    path: Path
    table: pd.DataFrame
    notes: tuple[str, ...]
    named: bool
    """Whether they say at which place they are (`where_coordinates`)."""
    ranged: bool
    """Whether they have a low and a high estimate."""


# --- reading -------------------------------------------------------------------------------------------


def read(path: Path, skip_bad: bool = False) -> Events:
    """Return the events in a file; refuse it with every bad row, or leave those out."""
    with rows_of(path) as (header, rows):
        columns, rows = _with_header(header, rows)
        if faults := _missing(path, columns):
            raise Refused(*faults)
        cells = Cells(path, columns)
        events = _Checked(cells)
        for row in rows:
            if cells.turn(row):
                events.add()
    if not skip_bad:
        cells.refuse()
    if not events.rows:
        raise Refused(f"{path}: no events")
    table = pd.DataFrame(events.rows)
    for day in ("start", "end"):
        table[day] = pd.DatetimeIndex(table[day]).as_unit("us")
    skipped = sorted({line for line, _ in cells.faults})
    notes = [*events.notes(), *([f"{_lines(skipped)} left out: faulty"] if skipped else [])]
    return Events(
        path, table, tuple(notes), named="where_coordinates" in columns, ranged={"low", "high"} <= set(columns)
    )


def _with_header(header: list[str], rows: Iterator[Line]) -> tuple[list[str], Iterator[Line]]:
    """Return the names of the columns, also those of a release that was published without them."""
    if len(header) == len(GED_COLUMNS) and header[0].isdigit():
        return list(GED_COLUMNS), _chained((1, header), rows)
    small = [name.lower() for name in header]
    return [ALIASES.get(name, name) if ALIASES.get(name) not in small else name for name in small], rows


def _chained(first: Line, rows: Iterator[Line]) -> Iterator[Line]:
    yield first
    yield from rows


def _missing(path: Path, columns: Sequence[str]) -> list[str]:
    """Say which columns are missing that nothing else stands in for."""
    needed = ["id", "latitude", "longitude", "best"]
    needed += [] if "date_est" in columns else ["date_start", "date_end"]
    needed += [] if {"side_a", "side_b"} <= set(columns) else ["dyad_name"]
    twice = [name for name in dict.fromkeys(columns) if columns.count(name) > 1]
    faults = [f"{path}: no column '{name}'.{nearest(name, columns)}" for name in needed if name not in columns]
    if len(faults) > len(needed) // 2:
        faults.append(f"{path}: is this a CSV of UCDP GED?")
    return faults + [f"{path}: column '{name}' is there twice" for name in twice]


class _Checked:
    """Turns rows into events, and remembers what was put right."""

    def __init__(self, cells: Cells) -> None:
        self.cells, self.rows = cells, list[dict[str, Any]]()
        self.seen: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.same, self.widened, self.short = list[int](), list[int](), list[int]()

    def add(self) -> None:
        """Check the row that `cells` are at and keep it unless something is wrong with it."""
        cells = self.cells
        row: dict[str, Any] = {"line": cells.line, **self._when(), **self._where(), **self._who(), **self._deaths()}
        if not cells.text("id"):
            cells.wrong("id is blank")
        if not cells.spoilt and self._is_new():
            self.rows.append(row)

    def _is_new(self) -> bool:
        """Tell whether an id is here for the first time; another event of the same id is a fault."""
        said, number = tuple(self.cells.cells.values()), self.cells.text("id")
        line, before = self.seen.setdefault(number, (self.cells.line, said))
        if line == self.cells.line:
            return True
        if before == said:
            self.same.append(self.cells.line)
        else:
            self.cells.wrong(f"id {number} is on line {line} already, for another event")
        return False

    def _when(self) -> dict[str, Any]:
        if "date_est" in self.cells.columns:
            return self._estimated()
        start, end = self.cells.day("date_start"), self.cells.day("date_end")
        if start and end and end < start:
            self.cells.wrong(f"date_end {end} is before date_start {start}")
        spans = _precision((end - start).days + 1) if start and end else 1
        return {"start": start, "end": end, "date_prec": self._code("date_prec", LONGER, spans)}

    def _estimated(self) -> dict[str, Any]:
        """Take the estimated day, unless its bounds are so wide that they are all that is known."""
        day = self.cells.day("date_est")
        low = self.cells.day("date_lo") if self.cells.text("date_lo") else day
        high = self.cells.day("date_hi") if self.cells.text("date_hi") else day
        if day and low and high and (high - low).days >= TRUSTED_BOUNDS_DAYS:
            return {"start": low, "end": high, "date_prec": LONGER}
        return {"start": day, "end": day, "date_prec": 1}

    def _where(self) -> dict[str, Any]:
        number, text = self.cells.number, self.cells.text
        return {
            "latitude": number("latitude", needed=True, least=-90.0, most=90.0),
            "longitude": number("longitude", needed=True, least=-180.0, most=180.0),
            "where_prec": self._code("where_prec", 7, 1),
            "where": text("where_coordinates"),
        }

    def _code(self, column: str, most: int, otherwise: int) -> int:
        value = self.cells.number(column, least=1, most=most)
        return otherwise if math.isnan(value) else int(value)

    def _who(self) -> dict[str, str]:
        """Return dyad and sides: the sides' names are in the dyad's, where they have no columns of their own."""
        text = self.cells.text
        a, _, b = text("dyad_name").partition(" - ")
        side_a, side_b = text("side_a") or a, text("side_b") or b
        if not side_a or not side_b:
            self.cells.wrong(f"who fought is not told: dyad_name '{text('dyad_name')}'")
        return {"dyad": text("dyad_name") or f"{side_a} - {side_b}", "side_a": side_a, "side_b": side_b}

    def _deaths(self) -> dict[str, int]:
        """Return the dead, those that no part accounts for as unknown, and a range that holds the best estimate."""
        parts = {name: self._count(name) for name in DEATHS}
        best = self._count("best", needed=True)
        low = self._count("low") if self.cells.text("low") else best
        high = self._count("high") if self.cells.text("high") else best
        if not low <= best <= high:
            self.widened.append(self.cells.line)
        if sum(parts.values()) > best:
            told = " + ".join(str(parts[name]) for name in DEATHS)
            self.cells.wrong(f"best is {best}, but the deaths by side are {told}")
        if sum(parts.values()) < best:
            self.short.append(self.cells.line)
            parts["deaths_unknown"] = best - sum(parts.values()) + parts["deaths_unknown"]
        return {**parts, "best": best, "low": min(low, best), "high": max(high, best)}

    def _count(self, column: str, needed: bool = False) -> int:
        value = self.cells.number(column, needed=needed)
        if math.isnan(value):
            return 0
        if value != int(value):
            self.cells.wrong(f"{column} {value:g} is not a whole number")
        return int(value)

    def notes(self) -> list[str]:
        """Say what was put right, by line."""
        said = (
            (self.same, "left out: the same event again"),
            (self.widened, "best is not between low and high: the range is made to hold it"),
            (self.short, "best is more than the deaths by side: the rest is booked as unknown"),
        )
        return [f"{_lines(lines)} {what}" for lines, what in said if lines]


def _precision(days: int) -> int:
    """Return GED's code for how closely an event is dated, from the length of its window."""
    return 1 + sum(days > most for most in (1, 6, 7, 31))


def _lines(lines: list[int]) -> str:
    more = f" and {len(lines) - MOST_NAMED:,} more" if len(lines) > MOST_NAMED else ""
    return f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines[:MOST_NAMED]))}{more}:"


# --- places --------------------------------------------------------------------------------------------


class Circle(NamedTuple):
    """Everywhere within some kilometres of a point."""

    place: str
    latitude: float
    longitude: float
    km: float

    def distance(self, events: pd.DataFrame) -> NDArray[np.float64]:
        """Return how far from the centre events are, infinite outside."""
        km = kilometres(events["latitude"].to_numpy(), events["longitude"].to_numpy(), self.latitude, self.longitude)
        return np.where(km <= self.km, km, np.inf)


class Box(NamedTuple):
    """Everywhere between two meridians and two parallels."""

    place: str
    west: float
    south: float
    east: float
    north: float

    def distance(self, events: pd.DataFrame) -> NDArray[np.float64]:
        """Return 0 for events inside, infinite outside; a box may reach across the date line."""
        latitude, longitude = events["latitude"].to_numpy(), events["longitude"].to_numpy()
        after, before = longitude >= self.west, longitude <= self.east
        inside = (after & before) if self.west <= self.east else (after | before)
        return np.where(inside & (latitude >= self.south) & (latitude <= self.north), 0.0, np.inf)


class Named(NamedTuple):
    """Wherever GED itself names a place so."""

    place: str
    name: str

    def distance(self, events: pd.DataFrame) -> NDArray[np.float64]:
        """Return 0 for events whose `where_coordinates` holds the name, infinite elsewhere."""
        words = re.compile(rf"(?<!\w){re.escape(plain(self.name))}(?!\w)")
        known = {where: 0.0 if words.search(plain(where)) else np.inf for where in events["where"].unique()}
        return np.array([known[where] for where in events["where"]], dtype=np.float64)


Area = Circle | Box | Named
EARTH_KM = 6371.0


def kilometres(latitude: Any, longitude: Any, to_latitude: float, to_longitude: float) -> NDArray[np.float64]:
    """Return great-circle distances to a point."""
    a, b = np.radians(latitude), math.radians(to_latitude)
    half = np.sin((a - b) / 2) ** 2
    half = half + np.cos(a) * math.cos(b) * np.sin(np.radians(np.asarray(longitude) - to_longitude) / 2) ** 2
    return np.asarray(2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))


def plain(name: str) -> str:
    """Return a name in small letters without accents, so that Quṣayr and qusayr are one."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return " ".join("".join(letter for letter in letters if not unicodedata.combining(letter)).split())


# --- into days -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """Which events are wanted, and what to do with those that are not known to the day."""

    areas: tuple[Area, ...] = ()
    dyads: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    imprecise: Imprecise = "spread"
    where_prec: int = DISTRICT
    quiet_is_zero: bool = True
    source: str = ""


@dataclass
class Days:
    """The rows of a daily file, and an account of what became of the events."""

    rows: pd.DataFrame
    account: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def days_of(events: Events, wanted: Wanted) -> Days:
    """Aggregate events to killed a day by place, dyad and side."""
    table, left_out = _chosen(events, wanted)
    first, last, notes = _span(events.table, table, wanted)
    dropped = table[table["date_prec"] >= WEEK] if wanted.imprecise == "drop" else table[:0]
    used = table.drop(dropped.index)
    left_out["known only to a week, a month or longer"] = len(dropped)
    dead, more = (_between(_people(used, kind), first, last) for kind in PEOPLE)
    counted = _middle(used, first, last)
    rows = pd.concat(
        [_totals(dead, more, counted, by, events.ranged) for by in ([], ["dyad"])] + [_by_side(dead)], ignore_index=True
    )
    rows = _with_quiet(rows, _calendar(table, first, last, wanted), _blank(dropped))
    rows["source"] = wanted.source or f"UCDP GED ({events.path.name})"
    rows["wounded"] = np.nan  # GED counts no wounded
    account = {
        "events_read": len(events.table),
        "events_used": len(counted),
        "deaths": len(dead),
        "deaths_not_known_to_the_day": int(dead["flagged"].sum()),
        "left_out": {why: number for why, number in left_out.items() if number},
        "places": _account_by_place(rows),
    }
    return Days(rows[list(DAILY)], account, [*events.notes, *notes])


def _chosen(events: Events, wanted: Wanted) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the events that are wanted, with their place, and how many others there were, by reason."""
    table = events.table.assign(place=_places(events, wanted.areas))
    here = table[table["place"] != ""]
    strangers = [*_strangers("dyad", wanted.dyads, here[["dyad"]])]
    strangers += _strangers("side", wanted.sides, here[["side_a", "side_b"]])
    if strangers and not here.empty:
        raise Refused(*strangers)
    left_out: dict[str, int] = {}
    tests: tuple[tuple[str, Callable[[pd.DataFrame], Any]], ...] = (
        ("outside of the places", lambda t: t["place"] != ""),
        ("placed only by province or more vaguely", lambda t: t["where_prec"] <= wanted.where_prec),
        ("of another dyad", lambda t: _one_of(wanted.dyads, t[["dyad"]])),
        ("of another side", lambda t: _one_of(wanted.sides, t[["side_a", "side_b"]])),
        ("of another time", lambda t: (t["end"] >= _since(wanted)) & (t["start"] <= _until(wanted))),
    )
    for why, test in tests:
        kept = table[test(table)]
        left_out[why] = len(table) - len(kept)
        if kept.empty:
            told = ", ".join(f"{number:,} {why}" for why, number in left_out.items() if number)
            raise Refused(f"{events.path}: no event is left ({told})")
        table = kept
    return table.reset_index(drop=True), left_out


def _since(wanted: Wanted) -> pd.Timestamp:
    return pd.Timestamp(wanted.since) if wanted.since else pd.Timestamp.min


def _until(wanted: Wanted) -> pd.Timestamp:
    return pd.Timestamp(wanted.until) if wanted.until else pd.Timestamp.max


def _one_of(names: tuple[str, ...], told: pd.DataFrame) -> Any:
    """Tell which events are of some dyads or sides: of all, where none is named."""
    if not names:
        return np.ones(len(told), dtype=bool)
    asked = {plain(name) for name in names}
    return np.any([told[column].map(plain).isin(asked) for column in told], axis=0)


def _strangers(what: str, names: tuple[str, ...], told: pd.DataFrame) -> list[str]:
    """Refuse the names of dyads or sides that no event has, with the nearest one or some that are there."""
    there = {plain(name): name for column in told for name in told[column].unique()}
    some = f" There is {'; '.join(sorted(there.values())[:MOST_NAMED])}"
    return [
        f"--{what} '{name}': none there is called so.{nearest(name, there.values()) or some}"
        for name in names
        if plain(name) not in there
    ]


def _places(events: Events, areas: tuple[Area, ...]) -> Any:
    """Return the place of each event, "" for none."""
    table = events.table
    if (not areas or any(isinstance(area, Named) for area in areas)) and not events.named:
        why = "has no column where_coordinates, so it names no places"
        raise Refused(f"{events.path}: {why}; choose some with --within PLACE:KM or --bbox WEST,SOUTH,EAST,NORTH")
    if not areas:
        return table["where"]
    distance = np.stack([area.distance(table) for area in areas])
    empty = [area for area, row in zip(areas, distance, strict=True) if isinstance(area, Named) and np.isinf(row).all()]
    if empty:
        names = list(table["where"].unique())
        raise Refused(
            *(f"--place '{area.name}': no event is at such a place.{nearest(area.name, names)}" for area in empty)
        )
    nearest_one = np.array([area.place for area in areas], dtype=object)[distance.argmin(axis=0)]
    return np.where(np.isfinite(distance.min(axis=0)), nearest_one, "")


def _span(
    everything: pd.DataFrame, table: pd.DataFrame, wanted: Wanted
) -> tuple[pd.Timestamp, pd.Timestamp, list[str]]:
    """Return the first and last day: as asked, within the whole months that the file has events of."""
    start, end = everything["start"].min().replace(day=1), everything["end"].max() + pd.offsets.MonthEnd(0)
    first = pd.Timestamp(wanted.since) if wanted.since else table["start"].min()
    last = pd.Timestamp(wanted.until) if wanted.until else table["end"].max()
    notes = []
    if first < start or last > end:
        notes.append(f"the file is of {start:%Y-%m-%d} to {end:%Y-%m-%d}: there is no data before or after")
    return max(first, start), min(last, end), notes


PEOPLE = ("best", "more")


def _between(rows: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    return rows[rows["date"].between(first, last)]


def _people(events: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return one row a person that the best estimate has, or that the high one has more.

    Of n people over d days the i-th is booked to day (i + 1/2) d / n. The sides of an event are dealt
    out evenly over its people, and so are those whom the low estimate has.
    """
    number = (events["best"] if kind == "best" else events["high"] - events["best"]).to_numpy()
    event = np.repeat(np.arange(len(events)), number)
    rank = np.arange(len(event)) - np.repeat(np.cumsum(number) - number, number)
    days = ((events["end"] - events["start"]) / pd.Timedelta(days=1)).to_numpy().astype(np.int64) + 1
    n, low = number[event], events["low"].to_numpy()[event]
    offset = (2 * rank + 1) * days[event] // (2 * n)
    people = pd.DataFrame(
        {
            "date": events["start"].to_numpy()[event] + offset.astype("m8[D]"),
            "place": events["place"].to_numpy()[event],
            "dyad": events["dyad"].to_numpy()[event],
            "flagged": events["date_prec"].to_numpy()[event] >= WEEK,
        }
    )
    if kind == "best":
        people["sure"] = (rank + 1) * low // n > rank * low // n
        people["side"] = _sides(events, event)
    return people


def _sides(events: pd.DataFrame, event: Int) -> NDArray[np.object_]:
    """Return the side of each person, in the order in which they are dealt out over the days of their event."""
    counts = events[list(DEATHS)].to_numpy()
    of = np.repeat(np.arange(len(events)), counts.sum(axis=1))
    side = np.repeat(np.tile(np.arange(len(DEATHS)), len(events)), counts.ravel())
    begin = np.repeat(np.cumsum(counts.ravel()) - counts.ravel(), counts.ravel())
    within = (np.arange(len(side)) - begin + 0.5) / counts[of, side]
    order = np.lexsort((side, within, of))
    names = np.column_stack(
        [events["side_a"], events["side_b"], np.full(len(events), CIVILIANS), np.full(len(events), UNKNOWN)]
    )
    assert (of == event).all()  # both are in the order of the events
    return np.asarray(names[of, side[order]], dtype=object)


def _middle(events: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Return the events that anybody was counted dead in, on the middle day of their windows."""
    days = ((events["end"] - events["start"]) / pd.Timedelta(days=1)).astype(np.int64)
    day = events["start"] + pd.to_timedelta(days // 2, unit="D")
    counted = events.assign(date=day.dt.as_unit("us"))
    return _between(counted[counted["best"] > 0], first, last)


def _totals(dead: pd.DataFrame, more: pd.DataFrame, counted: pd.DataFrame, by: list[str], ranged: bool) -> pd.DataFrame:
    """Return killed, their range and events by day and place, and by what else is asked."""
    keys = ["date", "place", *by]
    groups = dead.groupby(keys)
    rows = pd.DataFrame(
        {"killed": groups.size(), "killed_low": groups["sure"].sum(), "imprecise": groups["flagged"].sum()}
    )
    above = more.groupby(keys).size().rename("above")
    sizes = counted.groupby(keys)["best"]
    events = pd.DataFrame({"events": sizes.size(), "sizes": sizes.agg(_listed)})
    rows = rows.join(above, how="outer").join(events, how="outer")
    counts = ["killed", "killed_low", "above", "events", "imprecise"]
    rows[counts] = rows[counts].fillna(0).astype(np.int64)
    rows["sizes"] = rows["sizes"].fillna("").astype(object)
    rows["killed_high"] = (rows["killed"] + rows["above"]).astype(float)
    if not ranged:
        rows[["killed_low", "killed_high"]] = np.nan
    return rows.drop(columns="above").reset_index().assign(side="", **({} if by else {"dyad": ""}))


def _listed(sizes: pd.Series) -> str:
    return ";".join(map(str, sizes))


def _by_side(dead: pd.DataFrame) -> pd.DataFrame:
    """Return the killed by day, place and side: GED has no range of these."""
    return dead.groupby(["date", "place", "side"]).size().rename("killed").reset_index().assign(dyad="", sizes="")


def _calendar(table: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp, wanted: Wanted) -> pd.MultiIndex:
    """Return the days and places whose silence means that nobody was killed."""
    places = sorted(table["place"].unique())
    calendar = pd.date_range(first, last, freq="D", unit="us")
    if len(places) * len(calendar) > MOST_ROWS:
        raise Refused(
            f"{len(places):,} places over {len(calendar):,} days are too many: choose places, or --since and --until"
        )
    chosen = calendar if wanted.quiet_is_zero else calendar[:0]
    return pd.MultiIndex.from_product([chosen, places], names=["date", "place"])


def _blank(dropped: pd.DataFrame) -> set[tuple[Any, str]]:
    """Return the days and places on which an event that was left out may have been."""
    return {
        (day, place)
        for place, start, end in zip(dropped["place"], dropped["start"], dropped["end"], strict=True)
        for day in pd.date_range(start, end, freq="D")
    }


def _with_quiet(rows: pd.DataFrame, calendar: pd.MultiIndex, blank: set[tuple[Any, str]]) -> pd.DataFrame:
    """Add a row of zeros for each quiet day, and one with nothing in it where nobody knows."""
    there = pd.MultiIndex.from_frame(rows.loc[(rows["dyad"] == "") & (rows["side"] == ""), ["date", "place"]])
    quiet = calendar.difference(there).to_frame(index=False)
    zero = dict.fromkeys(("killed", "killed_low", "killed_high", "events", "imprecise"), 0.0)
    quiet = quiet.assign(dyad="", side="", sizes="", **zero)
    if blank:
        unknown = pd.MultiIndex.from_frame(quiet[["date", "place"]]).isin(list(blank))
        quiet.loc[unknown, list(zero)] = np.nan
    parts = [part for part in (rows, quiet) if not part.empty]
    both = pd.concat(parts, ignore_index=True) if parts else rows
    both["date"] = pd.DatetimeIndex(both["date"]).as_unit("us")
    return both.sort_values(["place", "date", "dyad", "side"], kind="stable", ignore_index=True)


def _account_by_place(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    account = {}
    for place, of in rows[(rows["dyad"] == "") & (rows["side"] == "")].groupby("place"):
        known = of[of["killed"].notna()]
        account[str(place)] = {
            "killed": int(known["killed"].sum()),
            "killed_low": int(known["killed_low"].fillna(known["killed"]).sum()),
            "killed_high": int(known["killed_high"].fillna(known["killed"]).sum()),
            "events": int(known["events"].sum()),
            "first": f"{of['date'].min():%Y-%m-%d}",
            "last": f"{of['date'].max():%Y-%m-%d}",
            "days": len(known),
            "days_with_deaths": int((known["killed"] > 0).sum()),
            "days_without_data": len(of) - len(known),
        }
    return account


# --- writing -------------------------------------------------------------------------------------------


ACTIVE = 25  # deaths of a dyad in a year, from which UCDP calls it active
CELL = 0.5  # degrees, of PRIO-GRID
NOT_COUNTED = -1  # what GED has where the sources were not counted


def official(result: Result) -> pd.DataFrame:
    """Return the simulated events with the columns of GED, in their order; what a model cannot know is blank.

    Ids are of this run alone. A conflict here is a dyad.
    """
    events = result.ged_events
    day = events["date"].dt.strftime("%Y-%m-%d")
    dyad, sides = _numbered(events["dyad_name"]), _numbered(events["side_a"], events["side_b"])
    deadly = events.groupby(["dyad_name", "year"])["best"].transform("sum") >= ACTIVE
    point = [f"POINT ({x:.6f} {y:.6f})" for x, y in zip(events["longitude"], events["latitude"], strict=True)]
    filled = {
        "id": np.arange(1, len(events) + 1),
        "relid": events["id"],
        "active_year": deadly.astype(np.int64),
        "code_status": "Clear",
        "conflict_new_id": events["dyad_name"].map(dyad),
        "conflict_name": events["dyad_name"],
        "dyad_new_id": events["dyad_name"].map(dyad),
        "side_a_new_id": events["side_a"].map(sides),
        "side_b_new_id": events["side_b"].map(sides),
        "number_of_sources": NOT_COUNTED,
        "geom_wkt": point,
        "priogrid_gid": _grid_cell(events["latitude"], events["longitude"]),
        "event_clarity": 1,
        "date_start": day,
        "date_end": day,
        "where_description": f"simulated: scenario {result.scenario.id}, seed {result.seed}",
    }
    table = events.assign(**filled)
    return table.reindex(columns=list(GED_COLUMNS))


def _numbered(*columns: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted({n for column in columns for n in column}), 1)}


def _grid_cell(latitude: pd.Series, longitude: pd.Series) -> Int:
    """Return the cells of PRIO-GRID: half degrees, counted from 1 in the south-west, row by row."""
    row, column = np.floor((latitude + 90) / CELL), np.floor((longitude + 180) / CELL)
    return (np.asarray(row) * (360 / CELL) + np.asarray(column) + 1).astype(np.int64)


def write(result: Result, path: Path) -> Path:
    """Write the simulated events as a CSV of GED."""
    placed(path, lambda beside: official(result).to_csv(beside, index=False, lineterminator="\n"))
    return path


def tell(notes: Iterable[str]) -> None:
    """Say on stderr what was put right."""
    for note in notes:
        complain(note)
