"""From an hour's casualties to incidents, to events as UCDP codes them, and to rounds.

An *incident* is all fire between one pair of sides in one place (or neighbourhood). It goes on
until `reports.quiet_hours` have passed without a casualty, counted from the end of the last step
with a casualty, or of the incident's first step where nobody has been hurt yet. Fire that hurts
nobody belongs to an incident as long as one is going on, and opens one otherwise; it never
prolongs one. Which side comes first follows from the order of the sides, never from who fired.

A *GED event* is all fire between one pair of sides in one place on one local calendar day, with at
least one death. It is counted from the fire itself and not from the incidents, which may span days.

A *round* is a run of days with casualties in which no two are more than `quiet_days` quiet days apart.

Columns that UCDP GED has carry its names and codes (`best`, `low` and `high` are equal: the model
knows the truth). Those of ours are `place`, `neighbourhood` ("" for none), `hour` (hours from the
start of the run), `event_type` and `sub_event_type` (ACLED's words), `wounded_a`, `wounded_b`,
`wounded_civilians`, `side_a_id`, `side_b_id`, `community_a` and `community_b`. `date_start` and
`date_end` are when the first and the last step with fire began, in the scenario's time zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.record import EVENT_TYPES, FIRE_COLUMNS, Record, Side

if TYPE_CHECKING:
    from sim.scenario import Scenario
    from sim.schema import Neighbourhood, Place

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

CIVILIANS = Side("", "Civilians", "civilians", "")
"""Who stands against a side that has no armed opponent (index -1)."""

KINDS = ("state", "armed_group", "residents", "outside", "civilians")
STATES = ("state", "outside")  # an air force from outside is a state's
DAY_US = 86_400_000_000

STATE_BASED, NON_STATE, ONE_SIDED = 1, 2, 3


class Coding(NamedTuple):
    """How the field's two event datasets would code a kind of fire."""

    event_type: str
    sub_event_type: str
    type_of_violence: int


ACLED = {
    "armed_clash": ("Battles", "Armed clash"),
    "shelling": ("Explosions/Remote violence", "Shelling/artillery/missile attack"),
    "air_strike": ("Explosions/Remote violence", "Air/drone strike"),
    "attack": ("Violence against civilians", "Attack"),
    "border_fire": ("Battles", "Armed clash"),  # it strays from a battle across the border
    "explosion": ("Explosions/Remote violence", "Shelling/artillery/missile attack"),
}


def _coding(event: str, kind_a: str, kind_b: str) -> Coding:
    against_civilians = "civilians" in (kind_a, kind_b) and event != "border_fire"  # nobody is aimed at
    words = ACLED["attack"] if against_civilians and event == "armed_clash" else ACLED[event]
    if against_civilians or event == "attack":
        return Coding(*words, ONE_SIDED)
    return Coding(*words, STATE_BASED if kind_a in STATES or kind_b in STATES else NON_STATE)


CODING = {(event, a, b): _coding(event, a, b) for event in EVENT_TYPES for a in KINDS for b in KINDS}
"""ACLED's words and UCDP's type of violence, by kind of fire and kinds of the two sides."""

SUMS = ("killed_a", "killed_b", "killed_civilians", "wounded_a", "wounded_b", "wounded_civilians")

COLUMNS = (
    "id", "type_of_violence", "dyad_name", "side_a", "side_b", "date_start", "date_end", "date_prec",
    "where_coordinates", "where_prec", "latitude", "longitude", "country",
    "deaths_a", "deaths_b", "deaths_civilians", "deaths_unknown", "best", "high", "low",
    "place", "neighbourhood", "hour", "event_type", "sub_event_type",
    "wounded_a", "wounded_b", "wounded_civilians", "side_a_id", "side_b_id", "community_a", "community_b",
)  # fmt: skip


def times(scenario: Scenario, steps: Int) -> pd.DatetimeIndex:
    """Return when these steps begin, to the microsecond, in the scenario's time zone."""
    start = pd.Timestamp(scenario.time_of(0)).tz_convert("UTC").as_unit("us")
    elapsed = -(-np.asarray(steps, dtype=np.int64) * DAY_US // scenario.steps_a_day)
    utc = pd.DatetimeIndex((start.value // 1000 + elapsed).view("M8[us]"), tz="UTC")
    return utc.tz_convert(scenario.file.clock.zone)


def local_days(when: pd.DatetimeIndex) -> NDArray[np.datetime64]:
    """Return the local calendar day of each time."""
    return np.asarray(when.tz_localize(None).to_numpy().astype("M8[D]"))


def incidents(record: Record, scenario: Scenario) -> pd.DataFrame:
    """Return the incidents of a run, in the order in which they begin."""
    fire = _fire(record).sort_values([*GROUP, "step", "event_type"], kind="stable", ignore_index=True)
    fire["key"] = np.cumsum(_begins(fire, scenario.step_hours, scenario.file.reports.quiet_hours))
    table = _described(fire, record.sides, scenario)
    first = fire.groupby("key")["step"].first().to_numpy()
    where = (table["place"] + "." + table["neighbourhood"]).str.rstrip(".")
    table["id"] = where + ":" + _pair(table) + ":" + pd.Series(first).astype("str")
    return table.sort_values(["hour", "id"], kind="stable", ignore_index=True)[list(COLUMNS)]


def ged_events(record: Record, scenario: Scenario) -> pd.DataFrame:
    """Return the fire by place, dyad and local calendar day with at least one death, as UCDP codes it.

    The columns are those of `incidents`, `neighbourhood` always "", and `year` and `date`, the day.
    """
    fire = _fire(record)
    fire["neighbourhood"] = -1
    fire["date"] = local_days(times(scenario, fire["step"].to_numpy()))
    by = ["date", "place", "side_a", "side_b"]
    fire = fire.sort_values([*by, "step", "event_type"], kind="stable", ignore_index=True)
    fire["key"] = fire.groupby(by).ngroup()
    table = _described(fire, record.sides, scenario)
    table["date"] = fire.groupby("key")["date"].first().to_numpy().astype("M8[us]")
    table["date_prec"] = 1
    table["year"] = table["date"].dt.year.astype(np.int64)
    table["id"] = table["place"] + ":" + _pair(table) + ":" + table["date"].dt.strftime("%Y-%m-%d")
    return table.loc[table["best"] > 0, [*COLUMNS, "year", "date"]].reset_index(drop=True)


def rounds(daily: pd.DataFrame, quiet_days: int = 3) -> pd.DataFrame:
    """Return the rounds in a table of `killed` and `wounded` by day (days without a row are quiet).

    `days` counts both ends; `gap` is from the end of the round before to the start (NaN for the first).
    """
    hurt = daily[["killed", "wounded"]].sort_index()
    hurt = hurt[hurt.sum(axis=1) > 0]
    day = pd.DatetimeIndex(hurt.index).to_numpy().astype("M8[D]")
    apart = np.diff(day).astype(np.int64) - 1
    number = np.concatenate([[0], np.cumsum(apart > quiet_days)])[: len(day)]
    first = np.flatnonzero(np.diff(number, prepend=-1))
    last = np.append(first[1:], len(day))[: len(first)] - 1
    start, end = day[first].astype("M8[us]"), day[last].astype("M8[us]")
    sums = hurt.groupby(number).sum()
    return pd.DataFrame(
        {
            "start": start,
            "end": end,
            "days": (day[last] - day[first]).astype(np.int64) + 1,
            "killed": sums["killed"].to_numpy(),
            "wounded": sums["wounded"].to_numpy(),
            "gap": np.concatenate([[np.nan], (day[first[1:]] - day[last[:-1]]).astype(float)])[: len(first)],
        }
    )


GROUP = ["place", "neighbourhood", "side_a", "side_b"]


def _fire(record: Record) -> pd.DataFrame:
    """Return the raw rows with each pair of sides in one order, "no side" last."""
    rows = np.array(record.fire, dtype=np.int64).reshape(-1, len(FIRE_COLUMNS))
    fire = pd.DataFrame(rows, columns=list(FIRE_COLUMNS))
    a, b = fire["side_a"].to_numpy(), fire["side_b"].to_numpy()
    unhurt = (fire[["killed_a", "killed_b", "wounded_a", "wounded_b"]] == 0).all(axis=1).to_numpy()
    fire["side_b"] = b = np.where((a == b) & unhurt, -1, b)  # stray fire has no enemy
    swap = (b >= 0) & ((a < 0) | (b < a))
    for what in ("side", "killed", "wounded"):
        a, b = fire[f"{what}_a"].to_numpy(), fire[f"{what}_b"].to_numpy()
        fire[f"{what}_a"], fire[f"{what}_b"] = np.where(swap, b, a), np.where(swap, a, b)
    return fire


def _begins(fire: pd.DataFrame, step_hours: float, quiet_hours: float) -> Bool:
    """Return which of the sorted rows open an incident.

    A row is warm where someone in its group was hurt less than `quiet_hours` before: it continues
    what is going on. Of the few cold ones, those open an incident that do not follow harmless fire.
    """
    key = fire[GROUP].to_numpy()
    group = np.cumsum((np.diff(key, axis=0, prepend=key[:1]) != 0).any(axis=1))
    step, row = fire["step"].to_numpy(), np.arange(len(fire))
    hurt = (fire[list(SUMS)].to_numpy() > 0).any(axis=1)
    last = np.maximum.accumulate(np.where(hurt, row, -1))
    before = np.concatenate([[-1], last[:-1]])[: len(row)]  # the last row with a casualty before this one
    known = (before >= 0) & (group[before] == group)
    within = quiet_hours / step_hours - 1e-9  # in steps; 0.3 / 0.1 is a little below 3
    warm = known & (step - step[before] - 1 < within)
    begins = np.zeros(len(fire), dtype=bool)
    opened = -1  # the row that opened the incident that is going on
    for i in np.flatnonzero(~warm).tolist():
        harmless = opened >= 0 and group[opened] == group[i] and before[i] < opened
        if not (harmless and step[i] - step[opened] - 1 < within):
            opened, begins[i] = i, True
    return begins


def _described(fire: pd.DataFrame, sides: tuple[Side, ...], scenario: Scenario) -> pd.DataFrame:
    """Return one row a key of the sorted raw rows: sums, who, when, where, and how it is coded."""
    groups = fire.groupby("key", sort=True)
    sums, first, last = groups[list(SUMS)].sum(), groups.first(), groups["step"].last().to_numpy()
    start, end = times(scenario, first["step"].to_numpy()), times(scenario, last)
    a, b = first["side_a"].to_numpy(), first["side_b"].to_numpy()
    parties = (*sides, CIVILIANS)  # index -1 finds the last
    best = sums[["killed_a", "killed_b", "killed_civilians"]].sum(axis=1).to_numpy()
    table = pd.DataFrame(
        {
            **_coded(_main_type(fire), a, b, parties),
            **_where(first["place"].to_numpy(), first["neighbourhood"].to_numpy(), scenario),
            "date_start": start,
            "date_end": end,
            "date_prec": _precision((local_days(end) - local_days(start)).astype(np.int64) + 1),
            "hour": first["step"].to_numpy() * scenario.step_hours,
            **{f"side_{x}_id": _pick([s.id for s in parties], i) for x, i in (("a", a), ("b", b))},
            **{f"side_{x}": _pick([s.name for s in parties], i) for x, i in (("a", a), ("b", b))},
            **{f"community_{x}": _pick([s.community for s in parties], i) for x, i in (("a", a), ("b", b))},
            "deaths_a": sums["killed_a"].to_numpy(),
            "deaths_b": sums["killed_b"].to_numpy(),
            "deaths_civilians": sums["killed_civilians"].to_numpy(),
            "deaths_unknown": 0,
            "best": best,
            "high": best,
            "low": best,
            **{f"wounded_{x}": sums[f"wounded_{x}"].to_numpy() for x in ("a", "b", "civilians")},
        }
    )
    table["dyad_name"] = table["side_a"] + " - " + table["side_b"]
    return table


def _main_type(fire: pd.DataFrame) -> Int:
    """Return the kind of fire that killed most in each key, then that wounded most, then the first."""
    kinds = fire.groupby(["key", "event_type"], as_index=False)[list(SUMS)].sum()
    kinds["killed"] = kinds[list(SUMS[:3])].sum(axis=1)
    kinds["wounded"] = kinds[list(SUMS[3:])].sum(axis=1)
    by = ["key", "killed", "wounded", "event_type"]
    order = kinds.sort_values(by, ascending=[True, False, False, True])
    main: Int = order.groupby("key")["event_type"].first().to_numpy()
    return main


def _coded(event: Int, a: Int, b: Int, parties: tuple[Side, ...]) -> dict[str, NDArray[np.object_] | Int]:
    kind = np.array([KINDS.index(side.kind) for side in parties], dtype=np.int64)
    codes = np.ravel_multi_index((event, kind[a], kind[b]), (len(EVENT_TYPES), len(KINDS), len(KINDS)))
    types, subs, violence = zip(*CODING.values(), strict=True)
    return {
        "event_type": _pick(list(types), codes),
        "sub_event_type": _pick(list(subs), codes),
        "type_of_violence": np.array(violence, dtype=np.int64)[codes],
    }


@dataclass(frozen=True)
class _Spot:
    """Where an incident is put on the map."""

    name: str
    latitude: float
    longitude: float


def _where(place: Int, neighbourhood: Int, scenario: Scenario) -> dict[str, NDArray[np.object_] | Int]:
    towns, quarters = scenario.file.places, scenario.file.neighbourhoods
    spots = [_Spot(town.name, town.latitude, town.longitude) for town in towns.values()]
    spots += [_centre(quarter, towns[quarter.place]) for quarter in quarters.values()]
    spot = np.where(neighbourhood >= 0, len(towns) + neighbourhood, place)
    return {
        "place": _pick(list(towns), place),
        "neighbourhood": _pick([*quarters, ""], neighbourhood),
        "country": _pick([town.country for town in towns.values()], place),
        "where_coordinates": _pick([s.name for s in spots], spot),
        "where_prec": np.ones(len(place), dtype=np.int64),
        "latitude": np.array([s.latitude for s in spots])[spot],
        "longitude": np.array([s.longitude for s in spots])[spot],
    }


METRES_PER_DEGREE = 111_195.0  # of latitude, on a sphere of 6,371 km


def _centre(quarter: Neighbourhood, town: Place) -> _Spot:
    """Return the middle of a neighbourhood's outline."""
    if quarter.polygon:
        longitude, latitude = np.mean(quarter.polygon, axis=0)
        return _Spot(quarter.name, float(latitude), float(longitude))
    if quarter.rectangle is None:
        return _Spot(quarter.name, town.latitude, town.longitude)
    east = quarter.rectangle.west + quarter.rectangle.width / 2
    north = quarter.rectangle.south + quarter.rectangle.height / 2
    width = METRES_PER_DEGREE * cos(radians(town.latitude))
    return _Spot(quarter.name, town.latitude + north / METRES_PER_DEGREE, town.longitude + east / width)


def _precision(days: Int) -> Int:
    """Return UCDP's code for how many days an event spans: 1 exact, 2 to six days, 3 a week, 4 a month."""
    return np.searchsorted([1, 6, 7, 31], days).astype(np.int64) + 1


def _pick(names: list[str], index: Int) -> NDArray[np.object_]:
    return np.array(names, dtype=object)[index]


def _pair(table: pd.DataFrame) -> pd.Series:
    return table["side_a_id"] + "-" + table["side_b_id"].replace("", "civilians")
