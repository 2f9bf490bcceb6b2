"""The theatre as the map needs it: the ground once, and what is on it hour by hour.

Both are plain data for the browser. The ground holds what a scenario says and never changes; a frame holds the
numbers of one hour, in the order of the ground's places, corridors and factions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from sim import geography
from sim.dashboard import looks
from sim.record import EVENT_TYPES, FIRE_COLUMNS
from sim.theatre import Theatre

if TYPE_CHECKING:
    from sim.dashboard.tape import Tape
    from sim.record import Series
    from sim.scenario import Scenario
    from sim.schema import Corridor, ScenarioFile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Data = dict[str, Any]

PASSING = {EVENT_TYPES.index(kind): kind for kind in ("air_strike", "explosion", "border_fire")}
"""Types of event that the map shows as marks, for a day."""
MARKS_FIRST = tuple(PASSING.values())
"""Where more than one befell a place in the same step, the first of these is the mark."""
STEP, PLACE, TYPE = (FIRE_COLUMNS.index(name) for name in ("step", "place", "event_type"))
DEAD = [i for i, name in enumerate(FIRE_COLUMNS) if name.startswith("killed")]
HURT = [i for i, name in enumerate(FIRE_COLUMNS) if name.startswith("wounded")]

OUTLINES = "Outlines: Natural Earth, de facto, taking no side."
INVENTED = "Invented places: no country's ground is drawn."
ROADS = "Schematic: corridors; who fled where, by shares."
NO_MAP = "A known model on a lattice: it has no places, and so no map."
FEWEST_MOVED = 1.0
"""People a day between two places below which no move is drawn."""
DECIMALS = 4  # of a degree, about 10 m


# --- the ground -----------------------------------------------------------------------------------------


def ground(scenario: Scenario) -> Data:
    """Return what the map of a scenario stands on: outlines, places, corridors, factions and their colours."""
    if scenario.model != "theatre":
        return {"title": scenario.title, "places": [], "notes": [NO_MAP]}
    file = scenario.file
    outlined, fronts = _outlined(file), Theatre.of(file).fronts.tolist()
    return {
        "title": scenario.title,
        "shape": _shape(file),
        "countries": _outlines(geography.countries(), _countries(file)) if outlined else [],
        "provinces": _outlines(geography.provinces(), set()) if outlined else [],
        "box": list(geography.BOX) if outlined else None,
        "places": [_place(file, name, p in fronts) for p, name in enumerate(file.places)],
        "corridors": _corridors(file),
        "widest": _widest(file),
        "residents": sum(quarter.residents for quarter in file.neighbourhoods.values()),
        "factions": [{"id": f, "name": x.name, "colour": looks.factions(file)[f]} for f, x in file.factions.items()],
        "sides": _sides(file),
        "forces": [
            {"name": force.name, "place": list(file.places).index(force.place)}
            for force in file.security_forces.values()
        ],
        "colours": {"fighting": looks.FIGHTING, "displaced": looks.DISPLACED, "nobody": looks.NOBODY},
        "notes": [ROADS, OUTLINES if outlined else INVENTED],
    }


def _shape(file: ScenarioFile) -> list[int]:
    """Return how many places, corridors and factions there are: a frame of another shape is of another ground."""
    return [len(file.places), len(file.corridors), len(file.factions)]


def _countries(file: ScenarioFile) -> set[str]:
    return {place.country for place in file.places.values()}


def _outlined(file: ScenarioFile) -> bool:
    """Say whether the scenario plays in countries of which there are outlines."""
    return not _countries(file).isdisjoint(country.name for country in geography.countries())


def _outlines(outlines: Iterable[geography.Outline], named: set[str]) -> list[Data]:
    """Return rings as flat lists of longitude and latitude, and the names of the outlines that are to be named."""
    return [
        {
            "name": outline.name if outline.name in named else "",
            "rings": [ring.round(DECIMALS).ravel().tolist() for ring in outline.rings],
        }
        for outline in outlines
    ]


def _place(file: ScenarioFile, name: str, is_front: bool) -> Data:
    place = file.places[name]
    return {
        "id": name,
        "name": place.name,
        "country": place.country,
        "at": [place.longitude, place.latitude],
        "population": place.population,
        "neutral": not any(place.control.values()),
        "front": is_front,
        "quarters": [quarter.name for quarter in file.neighbourhoods.values() if quarter.place == name],
    }


def _corridors(file: ScenarioFile) -> list[Data]:
    """Return every corridor; `aside` tells those between the same two places apart, in widths of a gap."""
    places, twins, drawn = list(file.places), Counter(map(_pair, file.corridors.values())), Counter[frozenset[str]]()
    found = []
    for name, road in file.corridors.items():
        aside = drawn[_pair(road)] - (twins[_pair(road)] - 1) / 2
        drawn[_pair(road)] += 1
        ends = [places.index(end) for end in road.between]
        found.append(
            {
                "id": name,
                "name": road.name,
                "ends": ends,
                "aside": aside if ends[0] < ends[1] else -aside,
                "capacity": road.capacity_t_day,
                "delay": road.delay_h,
                "risk": road.risk,
                "barred": [f for f, faction in enumerate(file.factions) if faction in road.barred],
            }
        )
    return found


def _pair(road: Corridor) -> frozenset[str]:
    return frozenset(road.between)


def _widest(file: ScenarioFile) -> float:
    """Return the flow in t/day drawn widest: what all fighters use, or what the largest road carries if less."""
    used = sum(army.fighters for army in file.factions.values()) * file.supply.use_t_per_fighter_day
    return min([used, max((road.capacity_t_day for road in file.corridors.values()), default=0.0)])


def _sides(file: ScenarioFile) -> list[list[int]]:
    """Return the factions that stand together, as lists of their numbers."""
    names = list(file.factions)
    sides: list[list[int]] = []
    for f, name in enumerate(names):
        friends = [side for side in sides if any(_allied(file, name, names[other]) for other in side)]
        sides = [side for side in sides if side not in friends]
        sides.append(sorted([f, *(other for side in friends for other in side)]))
    return sorted(sides)


def _allied(file: ScenarioFile, one: str, other: str) -> bool:
    return file.factions[one].stance.get(other, 0.0) > 0 or file.factions[other].stance.get(one, 0.0) > 0


# --- the hour -------------------------------------------------------------------------------------------


def frame(tape: Tape, step: int) -> Data:
    """Return what the map shows of a step that is done; before the first, how the scenario begins.

    By place, None where nothing is recorded: `control` shares by faction, `fighters` by faction (volunteers among
    them), `fire` effective fighters firing, `killed`, `wounded` so far and in the last day (`killed_day`, …), `here`
    displaced people there, `left` displaced residents of it. By corridor: `flow` of each faction in t/day, above 0 from
    its first end to its second, `open` the share open to each, `state` (open, cut, closed) and `lost`, the sides that
    passed on the first day and do not now. `moves` are people from place to place, `marks` what fell, in the last day.
    """
    if tape.scenario.model != "theatre":
        return {}
    now = min(step, tape.done - 1)
    if now < 0:
        return _beginning(tape)
    books = _books_of(tape)
    return {
        "at": now,
        "shape": _shape(tape.scenario.file),
        "time": in_words(tape.time(now)),
        "places": books.places(tape, now),
        "corridors": books.roads(tape, now),
        "marks": _marks(tape, now),
        "moves": books.moves(tape, now),
        "soldiers": books.soldiers.of(tape.values[now]),
    }


def in_words(time: datetime) -> str:
    """Return a date and hour as people write it."""
    return f"{time:%a} {time.day} {time:%B %Y, %H:%M}"


def _beginning(tape: Tape) -> Data:
    file = tape.scenario.file
    control = [[place.control.get(f, 0.0) for f in file.factions] for place in file.places.values()]
    held = {"control": [shares if any(shares) else None for shares in control]}
    return {"at": 0, "shape": _shape(file), "time": in_words(tape.time(0)), "places": held, "marks": [], "moves": []}


@dataclass(frozen=True)
class Columns:
    """Columns of a record to be added up by what they are of; None where there are none."""

    numbers: Ints
    of_what: Ints
    known: list[bool]

    @classmethod
    def among(cls, series: Iterable[Series], measures: set[str], keys: dict[Any, int], by: Any) -> Columns:
        """Find the columns of some measures whose `by` is a key, in the order of the keys."""
        found = [(number, keys[by(s)]) for number, s in enumerate(series) if s.measure in measures and by(s) in keys]
        numbers, of_what = np.array(found, np.int64).reshape(-1, 2).T
        return cls(numbers, of_what, np.isin(np.arange(len(keys)), of_what).tolist())

    def sums(self, row: Floats) -> Floats:
        """Add up a row of the record by key."""
        return np.bincount(self.of_what, row[self.numbers], minlength=len(self.known))

    def of(self, row: Floats) -> list[int | None]:
        """Return whole numbers by key."""
        return self.whole(self.sums(row))

    def whole(self, sums: Floats) -> list[int | None]:
        """Return sums by key as whole numbers."""
        return [round(n) if known else None for n, known in zip(sums.tolist(), self.known, strict=True)]


class Counts:
    """Counts that a record has by the step, added up over steps."""

    def __init__(self, columns: Columns, block: int) -> None:
        """Begin with nothing added up; sums are kept at the end of every `block` steps."""
        self.columns, self.block = columns, block
        self.kept: dict[int, Floats] = {0: np.zeros(len(columns.known))}

    def between(self, values: Floats, first: int, last: int) -> Floats:
        """Add up from a step to before another."""
        rows = values[max(first, 0) : last, self.columns.numbers]
        return np.bincount(self.columns.of_what, rows.sum(axis=0), minlength=len(self.columns.known))

    def until(self, values: Floats, last: int) -> Floats:
        """Add up from the first step to before another."""
        whole = last // self.block
        for done in range(max(b for b in self.kept if b <= whole), whole):
            self.kept[done + 1] = self.kept[done] + self.between(values, done * self.block, (done + 1) * self.block)
        return self.kept[whole] + self.between(values, whole * self.block, last)


class Books:
    """Where what a map shows stands in a record."""

    def __init__(self, tape: Tape) -> None:
        """Look it up."""
        file, series = tape.scenario.file, tape.series
        self.series, self.day = series, tape.scenario.steps_a_day
        places = {name: p for p, name in enumerate(file.places)}
        pairs = {(place, f): i for i, (place, f) in enumerate((p, f) for p in file.places for f in file.factions)}
        self.shape, self.sides = (len(file.places), len(file.factions)), _sides(file)
        barred = [[f in road.barred for f in file.factions] for road in file.corridors.values()]
        self.barred = np.array(barred, np.bool_).reshape(len(barred), len(file.factions))

        def by_place(measure: str) -> Columns:
            return Columns.among(series, {measure}, places, lambda s: s.place)

        def by_faction(*measures: str) -> Columns:
            return Columns.among(series, set(measures), pairs, lambda s: (s.place, s.faction))

        self.killed, self.wounded = (Counts(by_place(name), self.day) for name in ("killed", "wounded"))
        self.fire, self.here, self.left = (by_place(name) for name in ("front_fire", "displaced_here", "displaced"))
        self.control, self.fighters = by_faction("control"), by_faction("fighters", "volunteers")
        forces = {name: i for i, name in enumerate(file.security_forces)}
        self.soldiers = Columns.among(series, {"soldiers"}, forces, lambda s: s.faction)

    def places(self, tape: Tape, now: int) -> Data:
        """Return a step's numbers by place."""
        values, row = tape.values, tape.values[now]
        said: Data = {
            "control": self._shares(row),
            "fighters": self._armies(row),
            "fire": self.fire.of(row),
            "here": self.here.of(row),
            "left": self.left.of(row),
        }
        for name, counts in (("killed", self.killed), ("wounded", self.wounded)):
            said[name] = counts.columns.whole(counts.until(values, now + 1))
            said[f"{name}_day"] = counts.columns.whole(counts.between(values, now + 1 - self.day, now + 1))
        return said

    def moves(self, tape: Tape, now: int) -> list[tuple[int, int, int]]:
        """Share the people who left in the last day out among the places that took people in, in proportion."""
        values, before = tape.values, max(0, now - self.day)
        left = np.maximum(0.0, self.left.sums(values[now]) - self.left.sums(values[before]))
        came = np.maximum(0.0, self.here.sums(values[now]) - self.here.sums(values[before]))
        people = np.outer(left, came) / max(1.0, came.sum())
        return [(int(p), int(q), round(people[p, q])) for p, q in np.argwhere(people >= FEWEST_MOVED)]

    def roads(self, tape: Tape, now: int) -> Data:
        """Return a step's numbers by corridor."""
        flow, share = tape.flows(now)
        passes, at_first = self._passing(share), self._passing(tape.flows(0)[1])
        return {
            "flow": flow.round(2).tolist(),
            "open": share.round(3).tolist(),
            "state": [_state(barred, free) for barred, free in zip(self.barred, share > 0, strict=True)],
            "lost": [np.flatnonzero(lost).tolist() for lost in at_first & ~passes],
        }

    def _passing(self, share: Floats) -> NDArray[np.bool_]:
        """Say which corridors are open to anyone of each side, (corridors, sides)."""
        return np.array([(share[:, side] > 0).any(axis=1) for side in self.sides], np.bool_).T

    def _shares(self, row: Floats) -> list[list[float] | None]:
        shares = self.control.sums(row).reshape(self.shape).round(3).tolist()
        return [own if known else None for own, known in zip(shares, self._known(self.control), strict=True)]

    def _armies(self, row: Floats) -> list[list[int] | None]:
        there = self.fighters.sums(row).reshape(self.shape).astype(int).tolist()
        return [own if known else None for own, known in zip(there, self._known(self.fighters), strict=True)]

    def _known(self, columns: Columns) -> list[bool]:
        places, factions = self.shape
        return columns.known[::factions] if factions else [False] * places


_BOOKS: WeakKeyDictionary[Tape, Books] = WeakKeyDictionary()


def _books_of(tape: Tape) -> Books:
    """Look the columns of a tape up once, and again when it is written to another record."""
    books = _BOOKS.get(tape)
    if books is None or books.series is not tape.series:
        books = _BOOKS[tape] = Books(tape)
    return books


def _state(barred: NDArray[np.bool_], passes: NDArray[np.bool_]) -> str:
    """Say whether a corridor is open to anyone, closed to all from the first, or cut."""
    if passes.any():
        return "open"
    return "closed" if barred.all() else "cut"


def _marks(tape: Tape, now: int) -> list[Data]:
    """Return what fell in the last day, oldest first: one mark a place and step."""
    found: dict[tuple[int, int], Data] = {}
    for row in tape.fire(now + 1 - tape.scenario.steps_a_day, now + 1):
        kind = PASSING.get(row[TYPE])
        if kind is not None:
            ago = (now - row[STEP]) * tape.scenario.step_hours
            mark = found.setdefault(
                (row[STEP], row[PLACE]), {"place": row[PLACE], "kind": kind, "ago": ago, "killed": 0, "wounded": 0}
            )
            mark["kind"] = min(mark["kind"], kind, key=MARKS_FIRST.index)
            mark["killed"] += sum(row[i] for i in DEAD)
            mark["wounded"] += sum(row[i] for i in HURT)
    return list(found.values())
