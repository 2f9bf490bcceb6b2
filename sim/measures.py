"""What is observed of a run: one named function a measure, with its unit.

`Columns` finds its way in the columns that a run recorded. Counts (killed, wounded) are recorded
per step and added up by local calendar day; levels (displaced, armed, control, alarm) are read
when a step ends. `MEASURES` is the table that a sweep or a summary takes its measures from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.incidents import local_days, rounds, times
from sim.record import Record

if TYPE_CHECKING:
    from sim.runs import Result
    from sim.scenario import Scenario

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Key = Literal["place", "neighbourhood", "community", "faction"]
Days = slice

EVERY_DAY = slice(None)


class Columns:
    """The recorded columns of a run: found by what they measure, added up by local calendar day."""

    def __init__(self, record: Record, scenario: Scenario) -> None:
        self.series = record.series
        self.steps = record.steps_done
        self.values = record.values[: record.steps_done]
        self.scenario = scenario
        self._daily: dict[str, Float] = {}

    @cached_property
    def _numbers(self) -> dict[str, Int]:
        found = defaultdict(list)
        for number, series in enumerate(self.series):
            found[series.measure].append(number)
        return {measure: np.array(numbers) for measure, numbers in found.items()}

    @cached_property
    def times(self) -> pd.DatetimeIndex:
        """When each step begins."""
        return times(self.scenario, np.arange(self.steps))

    @cached_property
    def _calendar(self) -> tuple[NDArray[np.datetime64], Int]:
        dates, first = np.unique(local_days(self.times), return_index=True)
        return dates, first.astype(np.int64)

    @property
    def dates(self) -> NDArray[np.datetime64]:
        """The local calendar days of the run."""
        return self._calendar[0]

    @property
    def day_ends(self) -> Int:
        """The last step of each day."""
        return np.append(self._calendar[1][1:], self.steps)[: len(self.dates)] - 1

    @property
    def hours_by_day(self) -> Float:
        """How many hours of each day the run covers."""
        return np.diff(np.append(self._calendar[1], self.steps)) * self.scenario.step_hours

    def between(self, first: Any, last: Any) -> Days:
        """Return the days of the run that lie in a calendar interval, both ends included."""
        start = np.searchsorted(self.dates, np.datetime64(first, "D"))
        return slice(int(start), int(np.searchsorted(self.dates, np.datetime64(last, "D"), side="right")))

    def measures(self) -> Iterable[str]:
        """Return the names of what was recorded."""
        return self._numbers

    def keys(self, measure: str, *by: Key) -> list[tuple[str, ...]]:
        """Return of whom each column of a measure is."""
        return [tuple(getattr(self.series[i], k) for k in by) for i in self._of(measure)]

    def levels(self, measure: str) -> Float:
        """Return a measure's columns, hour by hour."""
        return self.values[:, self._of(measure)]

    def daily(self, measure: str) -> Float:
        """Return a measure's columns added up by day."""
        if measure not in self._daily:
            self._daily[measure] = self._added_up(self.levels(measure))
        return self._daily[measure]

    def _added_up(self, hourly: Float) -> Float:
        return np.add.reduceat(hourly, self._calendar[1], axis=0) if self.steps else hourly

    def _of(self, measure: str) -> Int:
        return self._numbers.get(measure, np.empty(0, dtype=np.int64))

    def counts(self, measure: str, *by: Key, days: Days = EVERY_DAY) -> dict[tuple[str, ...], int]:
        """Return how many in all over some days, by the given keys."""
        return self._grouped(measure, by, self.daily(measure)[days].sum(axis=0).tolist())

    def last(self, measure: str, *by: Key, step: int = -1) -> dict[tuple[str, ...], float]:
        """Return a level at the end of a step, added up by the given keys."""
        levels = self.levels(measure)[step].tolist() if self.steps else [0.0] * len(self._of(measure))
        return self._grouped(measure, by, levels, float)

    def _grouped(
        self, measure: str, by: tuple[Key, ...], values: list[float], kind: Callable[[float], Any] = round
    ) -> dict[tuple[str, ...], Any]:
        sums: dict[tuple[str, ...], float] = defaultdict(float)
        for key, value in zip(self.keys(measure, *by), values, strict=True):
            sums[key] += value
        return {key: kind(value) for key, value in sums.items()}

    def daily_by(self, measure: str, by: Key) -> dict[str, Int]:
        """Return how many on each day, by one key."""
        daily = np.rint(self.daily(measure)).astype(np.int64)
        sums: dict[str, Int] = {}
        for (key,), column in zip(self.keys(measure, by), daily.T, strict=True):
            sums[key] = sums[key] + column if key in sums else column
        return sums


@dataclass(frozen=True)
class Measure:
    """Something observed of a run: a number, or one for each place, neighbourhood, faction or channel."""

    name: str
    unit: str
    scope: str  # "run" for one number; otherwise what the keys of the numbers are
    doc: str
    of: Callable[[Result], Any]


def killed_total(result: Result) -> int:
    """Everyone killed, combatants included."""
    return sum(result.columns.counts("killed", "place").values())


def wounded_total(result: Result) -> int:
    """Everyone wounded, combatants included."""
    return sum(result.columns.counts("wounded", "place").values())


def killed_by_place(result: Result) -> dict[str, int]:
    """Everyone killed in each place."""
    return _every(result.scenario.file.places, result.columns.counts("killed", "place"))


def wounded_by_place(result: Result) -> dict[str, int]:
    """Everyone wounded in each place."""
    return _every(result.scenario.file.places, result.columns.counts("wounded", "place"))


def killed_by_neighbourhood(result: Result) -> dict[str, int]:
    """Residents killed in each neighbourhood."""
    return _every(result.scenario.file.neighbourhoods, result.columns.counts("killed", "neighbourhood"))


def wounded_by_neighbourhood(result: Result) -> dict[str, int]:
    """Residents wounded in each neighbourhood."""
    return _every(result.scenario.file.neighbourhoods, result.columns.counts("wounded", "neighbourhood"))


def killed_by_faction(result: Result) -> dict[str, int]:
    """Fighters of each faction and soldiers of each security force killed, wherever it was."""
    return _every(forces(result), result.columns.counts("faction_killed", "faction"))


def displaced(result: Result) -> int:
    """Residents away from home for fear of the fighting when the run ends."""
    return sum(displaced_by_place(result).values())


def displaced_by_place(result: Result) -> dict[str, int]:
    """Residents of each place away from home for fear of the fighting when the run ends."""
    return _rounded(_every(result.scenario.file.places, result.columns.last("displaced", "place")))


def mobilised_peak(result: Result) -> dict[str, int]:
    """Most residents of each neighbourhood that were mobilised at one time."""
    keys, levels = result.columns.keys("mobilised", "neighbourhood"), result.columns.levels("mobilised")
    own = {name: [key == (name,) for key in keys] for name in result.scenario.file.neighbourhoods}
    return {name: round(float(levels[:, of].sum(axis=1).max(initial=0.0))) for name, of in own.items()}


def days_with_fighting(result: Result) -> dict[str, int]:
    """Local calendar days on which anybody was killed or wounded in each place."""
    hurt = casualties_by_day(result)
    return {place: int((days.sum(axis=1) > 0).sum()) for place, days in hurt.items()}


def rounds_of_fighting(result: Result) -> dict[str, int]:
    """Rounds in each place: days with casualties, merged over the quiet days that the scenario allows."""
    quiet = result.scenario.file.reports.round_quiet_days
    return {place: len(rounds(days, quiet)) for place, days in casualties_by_day(result).items()}


def control_end(result: Result) -> dict[str, float]:
    """Share of each place that each faction holds when the run ends."""
    held = result.columns.last("control", "place", "faction")
    return {f"{place}.{faction}": share for (place, faction), share in held.items()}


def alarm_peak(result: Result) -> dict[str, float]:
    """Highest alarm that each channel raised in any community of any neighbourhood."""
    columns = result.columns
    return {c: float(columns.levels(f"alarm_{c}").max(initial=0.0)) for c in channels(columns)}


def alarm_mean(result: Result) -> dict[str, float]:
    """Mean alarm of each channel over the hours, neighbourhoods and communities."""
    columns = result.columns
    alarm = {c: columns.levels(f"alarm_{c}") for c in channels(columns)}
    return {c: float(levels.mean()) if levels.size else 0.0 for c, levels in alarm.items()}


def flow_mean(result: Result) -> dict[str, float]:
    """Supplies that each faction moved over each corridor, either way, mean over the days of the run."""
    days = max(ceil(result.hours / 24), 1)  # they are routed once a day
    sums: dict[str, float] = defaultdict(float)
    corridors, factions = list(result.scenario.file.corridors), list(result.scenario.file.factions)
    for _, corridor, faction, tonnes, _ in result.record.flows:
        sums[f"{corridors[corridor]}.{factions[faction]}"] += abs(tonnes)  # below 0 where it goes back
    return {key: tonnes / days for key, tonnes in sums.items()}


def incidents_total(result: Result) -> int:
    """Incidents, in all places, harmless ones included."""
    return len(result.incidents)


def _table(*rows: tuple[Callable[[Any], Any], str, str]) -> dict[str, Measure]:
    measures = (Measure(of.__name__, unit, scope, of.__doc__ or "", of) for of, unit, scope in rows)
    return {measure.name: measure for measure in measures}


MEASURES: dict[str, Measure] = _table(
    (killed_total, "people", "run"),
    (wounded_total, "people", "run"),
    (killed_by_place, "people", "place"),
    (wounded_by_place, "people", "place"),
    (killed_by_neighbourhood, "people", "neighbourhood"),
    (wounded_by_neighbourhood, "people", "neighbourhood"),
    (killed_by_faction, "people", "faction"),
    (displaced, "people", "run"),
    (displaced_by_place, "people", "place"),
    (mobilised_peak, "people", "neighbourhood"),
    (days_with_fighting, "d", "place"),
    (rounds_of_fighting, "1", "place"),
    (control_end, "1", "place.faction"),
    (alarm_peak, "1", "channel"),
    (alarm_mean, "1", "channel"),
    (flow_mean, "t/d", "corridor.faction"),
    (incidents_total, "1", "run"),
)


def observe(result: Result, names: Iterable[str] | None = None) -> dict[str, float]:
    """Return measures by name, those with a scope as `name.key`: one flat row of a sweep."""
    return dict(_flat(result, MEASURES if names is None else names))


def _flat(result: Result, names: Iterable[str]) -> Iterator[tuple[str, float]]:
    for name in names:
        value = MEASURES[name].of(result)
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", number) for key, number in value.items())
        else:
            yield name, value


def casualties_by_day(result: Result) -> dict[str, pd.DataFrame]:
    """Return killed and wounded on each local calendar day of the run, by place: what `rounds` takes."""
    columns = result.columns
    days = pd.DatetimeIndex(columns.dates.astype("M8[us]"), name="date")
    killed, wounded = columns.daily_by("killed", "place"), columns.daily_by("wounded", "place")
    return {
        place: pd.DataFrame({"killed": killed.get(place, 0), "wounded": wounded.get(place, 0)}, index=days)
        for place in result.scenario.file.places
    }


def channels(columns: Columns) -> list[str]:
    """Return the channels that alarm was recorded of."""
    return [m.removeprefix("alarm_") for m in columns.measures() if m.startswith("alarm_")]


def forces(result: Result) -> list[str]:
    """Return the ids of the factions and security forces."""
    return [*result.scenario.file.factions, *result.scenario.file.security_forces]


def _every(names: Iterable[str], found: dict[tuple[str, ...], Any]) -> dict[str, Any]:
    return {name: found.get((name,), 0) for name in names}


def _rounded(values: dict[str, float]) -> dict[str, int]:
    return {key: round(value) for key, value in values.items()}
