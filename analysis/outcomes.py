"""What a run came to, measure by measure, in each place and community.

observed(result, ["killed"])[Key("killed", "tripoli")]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.console import Refused, nearest
from sim.measures import Columns, rounds_of_fighting
from sim.runs import Result
from sim.scenario import Scenario

Float = NDArray[np.float64]


class Key(NamedTuple):
    """A measure in one place and community; "" for all of them."""

    measure: str
    place: str = ""
    community: str = ""

    @property
    def name(self) -> str:
        return ".".join(part for part in self if part)


@dataclass(frozen=True)
class Measure:
    """What is compared: one number for each place and community, and how it came about day by day in each place."""

    unit: str
    doc: str
    of: Callable[[Result], dict[tuple[str, str], float]]
    daily: Callable[[Columns, str], Float] | None = None


def _counted(measure: str) -> Callable[[Result], dict[tuple[str, str], float]]:
    def of(result: Result) -> dict[tuple[str, str], float]:
        counts = result.columns.counts(measure, "place", "community")
        return {(place, community): float(number) for (place, community), number in counts.items()}

    return of


def _killed_so_far(measure: str) -> Callable[[Columns, str], Float]:
    def daily(columns: Columns, place: str) -> Float:
        return np.cumsum(_of_place(columns, measure, place, columns.daily(measure)))

    return daily


def _of_place(columns: Columns, measure: str, place: str, table: Float) -> Float:
    """Add up those columns of a measure's table (…, columns) that are of a place."""
    return np.asarray(table[:, [where == place for (where,) in columns.keys(measure, "place")]].sum(axis=1))


def _displaced(result: Result) -> dict[tuple[str, str], float]:
    last = result.columns.last("displaced", "place", "community")
    return {(place, community): number for (place, community), number in last.items()}


def _level(measure: str) -> Callable[[Columns, str], Float]:
    def daily(columns: Columns, place: str) -> Float:
        return _of_place(columns, measure, place, columns.levels(measure)[columns.day_ends])

    return daily


def _mobilised_peak(result: Result) -> dict[tuple[str, str], float]:
    keys, levels = result.columns.keys("mobilised", "place", "community"), result.columns.levels("mobilised")
    peaks: dict[tuple[str, str], float] = {}
    for place, community in dict.fromkeys([*keys, *((place, "") for place, _ in keys)]):
        own = [where == place and community in ("", of) for where, of in keys]
        peaks[place, community] = float(levels[:, own].sum(axis=1).max(initial=0.0))
    return peaks


def _days_with_fighting(result: Result) -> dict[tuple[str, str], float]:
    hurt = _hurt_by_day(result.columns)
    days = {key: float((numbers > 0).sum()) for key, numbers in hurt.items()}
    for place in dict.fromkeys(place for place, _ in hurt):
        together = np.sum([numbers for (of, _), numbers in hurt.items() if of == place], axis=0)
        days[place, ""] = float((together > 0).sum())
    return days


def _hurt_by_day(columns: Columns) -> dict[tuple[str, str], Float]:
    hurt: dict[tuple[str, str], Float] = {}
    for measure in ("killed", "wounded"):
        for (place, community), numbers in zip(
            columns.keys(measure, "place", "community"), columns.daily(measure).T, strict=True
        ):
            hurt[place, community] = hurt.get((place, community), 0.0) + numbers
    return hurt


def _fighting_so_far(columns: Columns, place: str) -> Float:
    hurt = sum(_of_place(columns, measure, place, columns.daily(measure)) for measure in ("killed", "wounded"))
    return np.cumsum(np.asarray(hurt) > 0).astype(np.float64)


def _rounds(result: Result) -> dict[tuple[str, str], float]:
    return {(place, ""): float(number) for place, number in rounds_of_fighting(result).items()}


MEASURES: dict[str, Measure] = {
    "killed": Measure("people", "killed, combatants included", _counted("killed"), _killed_so_far("killed")),
    "wounded": Measure("people", "wounded, combatants included", _counted("wounded"), _killed_so_far("wounded")),
    "displaced": Measure("people", "residents away from home as the run ends", _displaced, _level("displaced")),
    "mobilised_peak": Measure(
        "people", "most residents mobilised at one time", _mobilised_peak, _level("mobilised")
    ),
    "days_with_fighting": Measure(
        "d", "days on which anybody is killed or wounded", _days_with_fighting, _fighting_so_far
    ),
    "rounds_of_fighting": Measure("1", "rounds, as the scenario tells them apart", _rounds),
}  # fmt: skip
SUMS = ("killed", "wounded", "displaced")
"""Measures whose value in a place, and in all of them, is the sum over communities, and over places."""

Observed = dict[Key, float]


def observed(result: Result, measures: Iterable[str]) -> Observed:
    """Return measures by place and community, the sums over them with ""."""
    found: Observed = {}
    for measure in measures:
        values = MEASURES[measure].of(result)
        if measure in SUMS:
            for place in dict.fromkeys(place for place, _ in values):
                values[place, ""] = sum(number for (of, _), number in values.items() if of == place)
            values["", ""] = sum(number for (place, community), number in values.items() if place and not community)
        found |= {Key(measure, *of): number for of, number in values.items()}
    return found


def asked_for(names: Sequence[str], *scenarios: Scenario) -> list[Key]:
    """Read `measure`, `measure.place` or `measure.place.community`; refuse what there is none of."""
    places = [place for scenario in scenarios for place in places_of(scenario)]
    communities = [name for scenario in scenarios for name in getattr(scenario.file, "communities", {})]
    asked, faults = [], []
    for name in names:
        measure, *of = name.split(".")
        if measure not in MEASURES:
            faults.append(f"--measure {name}: no measure '{measure}'.{nearest(measure, MEASURES)}{_listed(MEASURES)}")
        elif len(of) > 2:
            faults.append(f"--measure {name}: allowed are MEASURE, MEASURE.PLACE and MEASURE.PLACE.COMMUNITY")
        elif of and of[0] not in places:
            faults.append(f"--measure {name}: no place '{of[0]}'.{nearest(of[0], places)}")
        elif of[1:] and of[1] not in communities:
            faults.append(f"--measure {name}: no community '{of[1]}'.{nearest(of[1], communities)}")
        else:
            asked.append(Key(measure, *of))
    if faults:
        raise Refused(*faults)
    return asked


def _listed(names: Iterable[str]) -> str:
    return f" There are {', '.join(names)}."


def covers(asked: Key, key: Key) -> bool:
    """Say whether a row is one of those that were asked for."""
    return all(not wanted or wanted == given for wanted, given in zip(asked, key, strict=True))


def places_of(scenario: Scenario) -> list[str]:
    """Return the places of a scenario; a model that is nowhere has none."""
    return list(getattr(scenario.file, "places", {}))
