"""What is kept of one run to hold it against the record: numbers and short arrays, not tables.

Everything here is counted by `sim.measures` and `sim.incidents`. An observation is a plain dict, small enough to travel
between processes and to be kept for hundreds of runs. Arrays are by local calendar day from `first` on; a last day
that was not run whole is left out.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from math import inf, nan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import hawkes
from sim.measures import casualties_by_day
from sim.runs import Result

Seen = dict[str, Any]
Float = NDArray[np.float64]

WHOLE_DAY_H = 23.0
"""The day on which clocks go forward is whole."""
ON_THE_REBELS_SIDE = ("rebels", "foreign_fighters")
FEWEST_INCIDENTS = 20
"""With fewer, no branching ratio: its standard error is about 1/sqrt(n), more than the reference's range is wide."""
BACKGROUNDS_DAYS = (inf, 180.0, 60.0)
"""Knots of the background: none faster than two months, or it would take the bursts for its own."""


class _Reading:
    """Reads the columns of a run by day, added up over whoever is asked for."""

    def __init__(self, result: Result) -> None:
        self.result, self.columns = result, result.columns
        hours = self.columns.hours_by_day
        self.days = len(hours) - int(len(hours) > 0 and hours[-1] < WHOLE_DAY_H)

    def counts(self, measure: str, **of: Collection[str]) -> list[float]:
        """Return a count by day."""
        found: list[float] = self.columns.daily(measure)[: self.days, self._of(measure, of)].sum(axis=1).tolist()
        return found

    def levels(self, measure: str, **of: Collection[str]) -> list[float]:
        """Return a level at the end of each day."""
        ends = self.columns.day_ends[: self.days]
        found: list[float] = self.columns.levels(measure)[ends][:, self._of(measure, of)].sum(axis=1).tolist()
        return found

    def _of(self, measure: str, of: dict[str, Collection[str]]) -> list[bool]:
        by: tuple[Any, ...] = tuple(of)  # keys of columns
        return [all(map(_in, key, of.values())) for key in self.columns.keys(measure, *by)]

    def neighbourhoods(self, place: str) -> list[str]:
        """Return the neighbourhoods of a place."""
        return [key for key, of in self.result.scenario.file.neighbourhoods.items() if of.place == place]

    @cached_property
    def lebanon(self) -> list[str]:
        """Return the places in Lebanon."""
        return [key for key, place in self.result.scenario.file.places.items() if place.country == "Lebanon"]


def _in(key: str, wanted: Collection[str]) -> bool:
    return key in wanted


def of_the_battle(result: Result) -> Seen:
    """Return what is kept of a run of the battle for Qusayr."""
    read = _Reading(result)
    at = {"place": ("qusayr",)}
    return {
        **_calendar(read),
        "killed": read.counts("killed", **at),
        "rebels": read.counts("faction_killed", faction=ON_THE_REBELS_SIDE, **at),
        "hezbollah": read.counts("faction_killed", faction=("hezbollah",), **at),
        "army": read.counts("faction_killed", faction=("government",), **at),
        "civilians": read.counts("killed", neighbourhood=read.neighbourhoods("qusayr")),
        "control": read.levels("control", faction=("government",), **at),
        "away": read.levels("displaced", neighbourhood=read.neighbourhoods("qusayr")),
        "in_lebanon": read.levels("displaced_here", place=read.lebanon),
        "sizes": _sizes(result, "qusayr"),
        "tripoli_killed": read.counts("killed", place=("tripoli",)),
        "tripoli_wounded": read.counts("wounded", place=("tripoli",)),
        "golan_fire": read.counts("stray_fire", place=("golan",)),
        "golan_hurt": [
            sum(hurt) for hurt in zip(*(read.counts(m, place=("golan",)) for m in ("killed", "wounded")), strict=True)
        ],
    }


def of_the_rounds(result: Result) -> Seen:
    """Return what is kept of a run of the years before, in Tripoli."""
    read = _Reading(result)
    return {
        **_calendar(read),
        "killed": read.counts("killed", place=("tripoli",)),
        "wounded": read.counts("wounded", place=("tripoli",)),
        "rounds": _rounds(result, read.days),
        "sizes": _sizes(result, "tripoli"),
        **branching(_incidents_by_day(result, "tripoli", read.days, deadly=True)),
        "branching_hurt": branching(_incidents_by_day(result, "tripoli", read.days, deadly=False))["branching"],
    }


def of_what_places_are_worth(result: Result) -> Seen:
    """Return what contested places are worth to the government and to the rebels, in t/day, as the run begins."""
    table = result.values
    first = table[(table["time"] == table["time"].min()) & table["place"].isin(result.summary["contested"])]
    by = first.set_index(["faction", "place"])["value_t_day"].to_dict()
    sides: dict[str, dict[str, float]] = {"government": {}, "rebels": {}}
    for (faction, place), worth in by.items():
        if faction in sides:
            sides[faction][place] = float(worth)
    return sides


def of_a_pair(battle: Result, peace: Result) -> Seen:
    """Return whether Tripoli is the same, to the bit, with and without the battle, and whether there was one."""
    fought = _killed_at(battle, "qusayr") != _killed_at(peace, "qusayr")
    same = _rows(battle, "tripoli").tobytes() == _rows(peace, "tripoli").tobytes()
    return {"same": same and _fire(battle, "tripoli").equals(_fire(peace, "tripoli")), "fought": fought}


def branching(counts: NDArray[np.int64]) -> dict[str, float]:
    """Return how many more follow one incident on later days: with the background that fits best, and a constant one.

    Of backgrounds that never change, or change over two or six months, that with the least AIC is taken.
    """
    if counts.sum() < FEWEST_INCIDENTS:
        return {"branching": nan, "branching_constant": nan, "memory": nan}
    fits = hawkes.by_background(counts, [days for days in BACKGROUNDS_DAYS if days == inf or days < len(counts)])
    best = min(fits.values(), key=lambda fit: fit.aic)
    return {
        "branching": float(best.branching[0, 0]),
        "branching_constant": float(fits[inf].branching[0, 0]),
        "memory": float(best.memory[0, 0]),
    }


# --- of one place --------------------------------------------------------------------------------------


def _calendar(read: _Reading) -> Seen:
    return {"first": str(read.columns.dates[0]) if read.days else "", "days": read.days}


def _sizes(result: Result, place: str) -> list[int]:
    """Return the deaths of each event as UCDP codes them: one pair of sides at one place on one day.

    Who takes part on the side of a warring party counts with it: at Qusayr UCDP has one dyad, the government (and
    Hezbollah's dead among its own) against the insurgents.
    """
    events = result.ged_events
    here = events[events["place"] == place]
    sides = here[["side_a_id", "side_b_id"]].replace(_first_of_each_coalition(result))
    deaths = here["best"].groupby([here["date"], sides["side_a_id"], sides["side_b_id"]], sort=True).sum()
    return [int(n) for n in deaths]


def _first_of_each_coalition(result: Result) -> dict[str, str]:
    """Return, by faction, the first in the scenario of itself and those that it fights beside."""
    factions = result.scenario.file.factions
    beside = {(name, other) for name, of in factions.items() for other, stance in of.stance.items() if stance > 0} | {
        (name, name) for name in factions
    }
    return {name: next(other for other in factions if {(name, other), (other, name)} & beside) for name in factions}


def _rounds(result: Result, days: int) -> list[dict[str, float]]:
    """Return each round: the day it starts on (from 0), its length, who was hurt, the gap before it (NaN if none)."""
    table = result.rounds("tripoli")
    first = result.columns.dates[0] if len(result.columns.dates) else np.datetime64("NaT")
    table["start"] = (table["start"].to_numpy().astype("M8[D]") - first).astype(np.int64)
    kept = table.loc[table["start"] < days, ["start", "days", "killed", "wounded", "gap"]]
    return [{key: float(value) for key, value in row.items()} for row in kept.to_dict("records")]


def _incidents_by_day(result: Result, place: str, days: int, deadly: bool) -> NDArray[np.int64]:
    """Return how many incidents in which anybody was killed, or was at least hurt, began on each day."""
    table = result.incidents
    harmed = ["best"] if deadly else ["best", "wounded_a", "wounded_b", "wounded_civilians"]
    kept = (table["place"] == place) & (table[harmed].sum(axis=1) > 0)
    began = table.loc[kept, "date_start"].dt.tz_localize(None).dt.normalize()
    calendar = casualties_by_day(result)[place].index[:days]
    number = pd.Series(range(len(calendar)), index=calendar).reindex(began).dropna().astype(np.int64)
    return np.bincount(number.to_numpy(), minlength=days).astype(np.int64)


def _killed_at(result: Result, place: str) -> int:
    return int(result.columns.counts("killed", "place").get((place,), 0))


def _rows(result: Result, place: str) -> Float:
    """Return the recorded rows of a place's residents, and of who was hurt there."""
    kept = [
        s.place == place and bool(s.neighbourhood or s.measure in ("killed", "wounded")) for s in result.columns.series
    ]
    return np.ascontiguousarray(result.columns.values[:, kept])


def _fire(result: Result, place: str) -> pd.DataFrame:
    table = result.incidents
    return table[table["place"] == place].reset_index(drop=True)
