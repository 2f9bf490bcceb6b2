"""Whether the parts of a scenario fit together: references, shares, times, outlines.

Every check works on the plain tables of a valid scenario and complains in the terms of its file.
"""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from sim.scenario.faults import Keys, listed, nearest, shown

SUM_TOLERANCE = 1e-3  # shares are written with a few digits
FARTHEST_KM = 20.0  # an outline farther from its place than this is a slip of the pen
KM_PER_DEGREE = 111.2
DAY = timedelta(days=1)
YEARS = (1000, 3000)  # keeps every hour of the longest run within Python's calendar

Tree = Mapping[str, Any]
Because = tuple[Keys, ...]

WORDS = {
    "communities": "community",
    "places": "place",
    "factions": "faction",
    "neighbourhoods": "neighbourhood",
    "lines_of_contact": "line of contact",
    "corridors": "corridor",
    "security_forces": "security force",
    "consignments": "consignment",
    "air_forces": "air force",
    "patrons": "patron",
    "windows": "window",
}

REFERENCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("communities.*.hostility.{}", ("communities",)),
    ("communities.*.solidarity.{}", ("communities",)),
    ("places.*.communities.{}", ("communities",)),
    ("places.*.control.{}", ("factions",)),
    ("fronts.*.place", ("places",)),
    ("neighbourhoods.*.place", ("places",)),
    ("neighbourhoods.*.communities.{}", ("communities",)),
    ("neighbourhoods.*.armed.{}", ("communities",)),
    ("neighbourhoods.*.ties.{}", ("communities",)),
    ("neighbourhoods.*.ties.*.{}", ("places",)),
    ("neighbourhoods.*.volunteers.{}", ("communities",)),
    ("neighbourhoods.*.volunteers.*.faction", ("factions",)),
    ("neighbourhoods.*.volunteers.*.place", ("places",)),
    ("neighbourhoods.*.arrivals_per_day.{}", ("communities",)),
    ("neighbourhoods.*.sides.{}", ("communities",)),
    ("lines_of_contact.*.between.[]", ("neighbourhoods",)),
    ("factions.*.constituency.{}", ("communities",)),
    ("factions.*.stance.{}", ("factions",)),
    ("factions.*.holds_for", ("factions",)),
    ("factions.*.deployed.{}", ("places",)),
    ("factions.*.stock_days.{}", ("places",)),
    ("patrons.*.backs.{}", ("factions",)),
    ("patrons.*.delivers_t_day.{}", ("places",)),
    ("corridors.*.between.[]", ("places",)),
    ("corridors.*.barred.[]", ("factions",)),
    ("security_forces.*.place", ("places",)),
    ("security_forces.*.line", ("lines_of_contact",)),
    ("security_forces.*.constituency.{}", ("communities",)),
    ("consignments.*.faction", ("factions",)),
    ("consignments.*.route.[]", ("places",)),
    ("air_forces.*.against.[]", ("factions",)),
    ("air_forces.*.reaches.[]", ("places",)),
    ("air_forces.*.audience.{}", ("communities",)),
    ("air_forces.*.answers_to", ("places",)),
    ("events.*.parties.[]", ("factions",)),
    ("events.*.consignment", ("consignments",)),
    ("events.*.place", ("places",)),
    ("events.*.attackers.[]", ("factions",)),
    ("events.*.faction", ("factions",)),
    ("events.*.target", ("factions",)),
    ("events.*.audience.{}", ("communities",)),
    ("events.*.neighbourhood", ("neighbourhoods",)),
    ("events.*.community", ("communities",)),
    ("events.*.force", ("security_forces",)),
    ("events.*.corridors.[]", ("corridors",)),
    ("observers.*.places.[]", ("places",)),
    ("observers.*.covers.{}", ("factions", "security_forces")),
    ("observers.*.bias.{}", ("factions", "security_forces")),
    ("observers.*.sides_with", ("factions",)),
    ("benchmarks.*.place", ("places",)),
    ("benchmarks.*.faction", ("factions",)),
    ("benchmarks.*.window", ("windows",)),
)
"""Where ids stand, and of what: `*` any key, `{}` the keys of a table, `[]` the elements of an array."""

ALSO_COVERED = ("civilians", "residents")

OFFICES = ("events.*.by",)
"""Names in words, of someone who need not be in the scenario; a near miss of an id is still a fault."""

SHARES = (
    "places.*.communities", "places.*.control", "neighbourhoods.*.communities", "factions.*.constituency",
    "patrons.*.backs", "security_forces.*.constituency",
)  # fmt: skip
MAY_BE_EMPTY = ("places.*.communities", "places.*.control")

LIVES_THERE = ("armed", "ties", "volunteers", "sides")
"""Tables of a neighbourhood that say nothing about a community that does not live in it."""


@dataclass(frozen=True)
class Complaint:
    """Something that does not fit, where, and which other paths it also depends on."""

    keys: Keys
    found: str
    allowed: str
    nearest: str | None = None
    because: Because = ()

    @property
    def involves(self) -> tuple[Keys, ...]:
        return (self.keys, *self.because)


def complaints(tree: Tree, said: Tree) -> Iterator[Complaint]:
    """Yield everything in `tree` that does not fit; ids count as existing where `said` has them."""
    ids = {kind: list(table) for kind, table in said.items() if isinstance(table, Mapping)}
    yield from _references(tree, ids)
    yield from _offices(tree, ids)
    for check in CHECKS:
        yield from check(tree)


def selected(tree: Any, pattern: str) -> Iterator[tuple[Keys, Any]]:
    """Yield each path that matches a pattern of `REFERENCES`, with the value or the id there."""
    found: list[tuple[Keys, Any]] = [((), tree)]
    for part in pattern.split("."):
        found = [(path, value) for above, here in found for path, value in _step(above, here, part)]
    yield from found


def _step(above: Keys, here: Any, part: str) -> Iterator[tuple[Keys, Any]]:
    if part == "[]":
        yield from (((*above, i), value) for i, value in enumerate(here))
    elif not isinstance(here, Mapping):
        return
    elif part == "{}":
        yield from (((*above, key), key) for key in here)
    elif part == "*":
        yield from (((*above, key), value) for key, value in here.items())
    elif part in here:
        yield (*above, part), here[part]


# --- references ----------------------------------------------------------------------------------------


def _references(tree: Tree, ids: Mapping[str, list[str]]) -> Iterator[Complaint]:
    for pattern, kinds in REFERENCES:
        options = [name for kind in kinds for name in ids.get(kind, ())]
        if pattern.startswith(("observers.*.covers", "observers.*.bias")):
            options += ALSO_COVERED
        for keys, name in selected(tree, pattern):
            if name not in options:
                yield _no_such(keys, name, options, kinds)


def _no_such(keys: Keys, name: str, options: list[str], kinds: tuple[str, ...]) -> Complaint:
    words = " or ".join(WORDS[kind] for kind in kinds)
    allowed = f"the id of a {words}: {listed(options)}" if options else f"the id of a {words}, but there is none"
    return Complaint(keys, shown(name), allowed, nearest(name, options))


def _offices(tree: Tree, ids: Mapping[str, list[str]]) -> Iterator[Complaint]:
    options = [name for kind in ("factions", "patrons", "security_forces", "air_forces") for name in ids.get(kind, ())]
    for pattern in OFFICES:
        for keys, name in selected(tree, pattern):
            if name not in options and (meant := nearest(name, options, cutoff=0.85)):
                yield Complaint(keys, shown(name), "an id, or the name of an office outside the scenario", meant)


def _lives_there(tree: Tree) -> Iterator[Complaint]:
    for keys, quarter in selected(tree, "neighbourhoods.*"):
        here = quarter["communities"]
        for table in LIVES_THERE:
            for community in quarter[table]:
                if community not in here:
                    allowed = f"a community that lives here: {listed(here)}"
                    at, because = (*keys, table, community), ((*keys, "communities"),)
                    yield Complaint(at, shown(community), allowed, nearest(community, here), because)
    for keys, event in selected(tree, "events.*"):
        quarter = tree["neighbourhoods"].get(event.get("neighbourhood"))
        if event["kind"] == "provocation" and quarter and event["community"] not in quarter["communities"]:
            here = quarter["communities"]
            community, allowed = event["community"], f"a community that lives there: {listed(here)}"
            reasons: Because = (
                ("neighbourhoods", event["neighbourhood"], "communities"),
                (*keys, "neighbourhood"),
            )
            yield Complaint((*keys, "community"), shown(community), allowed, nearest(community, here), reasons)


# --- who and where -------------------------------------------------------------------------------------


def _same_name(tree: Tree) -> Iterator[Complaint]:
    for kind, table in tree.items():
        first: dict[str, str] = {}
        for key, element in table.items() if isinstance(table, Mapping) else ():
            name = element.get("name") if isinstance(element, Mapping) else None
            if not isinstance(name, str):
                continue
            other = first.setdefault(" ".join(name.split()).casefold(), key)
            if other != key:
                because = ((kind, other, "name"),)
                allowed = f"a name that {kind}.{other} does not have"
                yield Complaint((kind, key, "name"), shown(name), allowed, None, because)


def _with_itself(tree: Tree) -> Iterator[Complaint]:
    for kind, what in (
        ("corridors", "two different places"),
        ("lines_of_contact", "two different neighbourhoods"),
    ):
        for keys, element in selected(tree, f"{kind}.*"):
            one, other = element["between"]
            if one == other:
                yield Complaint((*keys, "between"), f"{shown(one)} twice", what)
    for pattern in ("communities.*.hostility", "communities.*.solidarity", "factions.*.stance"):
        for keys, table in selected(tree, pattern):
            if keys[1] in table:
                word = WORDS[str(keys[0])]
                yield Complaint((*keys, keys[1]), f"a {word}'s {keys[2]} towards itself", f"other {keys[0]} only")
    for keys, ties in selected(tree, "neighbourhoods.*.ties.*"):
        own = tree["neighbourhoods"][keys[1]]["place"]
        if own in ties:
            because = ((*keys[:2], "place"),)
            yield Complaint((*keys, own), f"ties to {shown(own)}, its own place", "ties to other places", None, because)


def _two_fronts(tree: Tree) -> Iterator[Complaint]:
    first: dict[str, Keys] = {}
    for keys, place in selected(tree, "fronts.*.place"):
        other = first.setdefault(place, keys)
        if other != keys:
            yield Complaint(keys, f"a second front at {shown(place)}", "one front for each place", None, (other,))


def _consignments(tree: Tree) -> Iterator[Complaint]:
    """Yield the legs of a consignment's way that no road joins."""
    roads = {frozenset(ends) for _, ends in selected(tree, "corridors.*.between")}
    for keys, route in selected(tree, "consignments.*.route"):
        for here, there in pairwise(route):
            if frozenset((here, there)) not in roads:
                found = f"{shown(here)} to {shown(there)}, which no corridor joins"
                yield Complaint(keys, found, "places in order, neighbours joined by a corridor")


def _lines(tree: Tree) -> Iterator[Complaint]:
    for keys, line in selected(tree, "lines_of_contact.*"):
        one, other = (tree["neighbourhoods"].get(name) for name in line["between"])
        if one and other and one["place"] != other["place"]:
            found = f"neighbourhoods in {shown(one['place'])} and {shown(other['place'])}"
            because: Because = tuple(("neighbourhoods", name, "place") for name in line["between"])
            yield Complaint((*keys, "between"), found, "neighbourhoods of one place", None, because)
    for keys, force in selected(tree, "security_forces.*"):
        line = tree["lines_of_contact"].get(force["line"])
        for name in line["between"] if line else ():
            quarter = tree["neighbourhoods"].get(name)
            if quarter and quarter["place"] != force["place"]:
                found = f"{shown(force['line'])}, a line in {shown(quarter['place'])}"
                because = (
                    (*keys, "place"),
                    ("lines_of_contact", force["line"]),
                    ("neighbourhoods", name, "place"),
                )
                yield Complaint((*keys, "line"), found, f"a line in {shown(force['place'])}", None, because)
                break


# --- how many ------------------------------------------------------------------------------------------


def _shares(tree: Tree) -> Iterator[Complaint]:
    for pattern in SHARES:
        for keys, table in selected(tree, pattern):
            total = math.fsum(table.values())
            if abs(total - 1) > SUM_TOLERANCE and (table or pattern not in MAY_BE_EMPTY):
                found = f"shares that sum to {total:.6g}" if table else "no shares"
                yield Complaint(keys, found, "shares that sum to 1")


def _people(tree: Tree) -> Iterator[Complaint]:
    for keys, quarter in selected(tree, "neighbourhoods.*"):
        residents, each = quarter["residents"], quarter["people_per_agent"]
        if residents < each:
            found, allowed = f"{each} people", f"at most the residents, {residents}"
            yield Complaint((*keys, "people_per_agent"), found, allowed, None, ((*keys, "residents"),))
        because = tuple((*keys, key) for key in ("residents", "able", "communities"))
        for community, share in quarter["communities"].items():
            able = residents * share * quarter["able"]
            of = f"(residents {residents} × share {share:g} × able {quarter['able']:g})"
            armed = quarter["armed"].get(community, 0)
            if armed > able + 0.5:
                allowed = f"at most {able:g} people {of}"
                yield Complaint((*keys, "armed", community), f"{armed:g}", allowed, None, because)
            there = quarter["volunteers"].get(community, {}).get("already_there", 0)
            if there > able + 0.5:
                at = (*keys, "volunteers", community, "already_there")
                yield Complaint(at, f"{there}", f"at most {able:g} people {of}", None, because)


def _deployed(tree: Tree) -> Iterator[Complaint]:
    for keys, faction in selected(tree, "factions.*"):
        if faction["fighters"] > 0 and sum(faction["deployed"].values()) <= 0:
            found = f"nowhere for {faction['fighters']} fighters"
            allowed = "at least one place with a number above 0"
            yield Complaint((*keys, "deployed"), found, allowed, None, ((*keys, "fighters"),))


# --- outlines ------------------------------------------------------------------------------------------


def _outlines(tree: Tree) -> Iterator[Complaint]:
    for keys, quarter in selected(tree, "neighbourhoods.*"):
        place = tree["places"].get(quarter["place"])
        because: Because = (("places", quarter["place"]), (*keys, "place"))
        polygon, rectangle = quarter.get("polygon"), quarter.get("rectangle")
        if (polygon is None) == (rectangle is None):
            found = "neither polygon nor rectangle" if polygon is None else "both polygon and rectangle"
            yield Complaint(keys, found, "one of the two", None, ((*keys, "polygon"), (*keys, "rectangle")))
        if polygon is not None:
            yield from _polygon((*keys, "polygon"), polygon, place, because)
        if rectangle is not None:
            x, y = (rectangle[k] + rectangle[size] / 2 for k, size in (("west", "width"), ("south", "height")))
            far = math.hypot(abs(x) + rectangle["width"] / 2, abs(y) + rectangle["height"] / 2) / 1000
            if far > FARTHEST_KM:
                found = f"a corner {far:.0f} km from the place"
                yield Complaint((*keys, "rectangle"), found, f"at most {FARTHEST_KM:g} km")
    for keys, line in selected(tree, "lines_of_contact.*"):
        name = line["between"][0]
        where = tree["neighbourhoods"].get(name, {}).get("place")
        because = (("places", where or ""), ("neighbourhoods", name), (*keys, "between"))
        yield from _near((*keys, "path"), line["path"], tree["places"].get(where), because)


def _polygon(keys: Keys, polygon: Any, place: Tree | None, because: Because) -> Iterator[Complaint]:
    corners = set(polygon)
    if len(corners) < 3:
        yield Complaint(keys, f"{len(corners)} different points", "at least 3")
    elif _area(polygon) == 0:
        yield Complaint(keys, "points on one line", "an outline with an area")
    yield from _near(keys, polygon, place, because)


def _area(polygon: Any) -> float:
    x0, y0 = polygon[0]
    points = [(x - x0, y - y0) for x, y in polygon]
    return math.fsum(x * v - u * y for (x, y), (u, v) in zip(points, [*points[1:], points[0]], strict=True))


def _near(keys: Keys, points: Any, place: Tree | None, because: Because) -> Iterator[Complaint]:
    """Complain about the point farthest from the place where it is too far."""
    if place is None or not points:
        return
    east = math.cos(math.radians(place["latitude"]))
    far, point = max(
        (math.hypot((x - place["longitude"]) * east, y - place["latitude"]) * KM_PER_DEGREE, (x, y)) for x, y in points
    )
    if far > FARTHEST_KM:
        found = f"the point [{point[0]:g}, {point[1]:g}], {far:.0f} km from the place"
        yield Complaint(keys, found, f"[longitude, latitude] within {FARTHEST_KM:g} km", None, because)


# --- times ---------------------------------------------------------------------------------------------


def _clock(tree: Tree) -> Iterator[Complaint]:
    clock = tree["clock"]
    yield from _zone(clock["zone"])
    steps_a_day = 24 / clock["step_hours"]
    if abs(steps_a_day - round(steps_a_day)) > 1e-6 * steps_a_day:
        yield Complaint(("clock", "step_hours"), f"{clock['step_hours']:g} h", "a length that divides 24 h")
        return
    steps = clock["days"] * round(steps_a_day)
    if round(steps) < 1 or abs(steps - round(steps)) > 1e-6:
        found = f"{clock['days']:g} d, which is {steps:.6g} steps of {clock['step_hours']:g} h"
        yield Complaint(("clock", "days"), found, "a whole number of steps", None, (("clock", "step_hours"),))


def _zone(zone: str) -> Iterator[Complaint]:
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        names = zoneinfo.available_timezones()
        yield Complaint(("clock", "zone"), shown(zone), "an IANA time zone, such as Asia/Beirut", nearest(zone, names))


def _times(tree: Tree) -> Iterator[Complaint]:
    start = [(("clock", "start"), tree["clock"]["start"])]
    times = [
        *start,
        *selected(tree, "events.*.at"),
        *selected(tree, "events.*.until"),
        *selected(tree, "events.*.opens"),
        *selected(tree, "consignments.*.arrives"),
    ]
    days = [
        *selected(tree, "windows.*.first"),
        *selected(tree, "windows.*.last"),
        *selected(tree, "factions.*.horizon"),
    ]
    for keys, time in [*times, *days]:
        if isinstance(time, datetime) and time.tzinfo is not None:
            yield Complaint(keys, shown(time), "a local date and time without an offset (the zone is clock.zone)")
        if not YEARS[0] <= time.year <= YEARS[1]:
            yield Complaint(keys, f"the year {time.year}", f"{YEARS[0]} to {YEARS[1]}")
    for keys, event in selected(tree, "events.*"):
        at, until = event["at"], event.get("until")
        if until is not None and until.replace(tzinfo=None) < at.replace(tzinfo=None):
            yield _backwards((*keys, "until"), until, (*keys, "at"), at)
    for keys, window in selected(tree, "windows.*"):
        if window["last"] < window["first"]:
            yield _backwards((*keys, "last"), window["last"], (*keys, "first"), window["first"])


def _backwards(keys: Keys, last: date, other: Keys, first: date) -> Complaint:
    return Complaint(keys, shown(last), f"{shown(first)} ({other[-1]}) or later", None, (other,))


CHECKS: Iterable[Callable[[Tree], Iterator[Complaint]]] = (
    _clock, _times, _same_name, _with_itself, _two_fronts, _lives_there, _lines, _shares, _people, _deployed,
    _outlines, _consignments,
)  # fmt: skip
