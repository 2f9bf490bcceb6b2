"""Which charts there are of a scenario, section by section: what it has of groups, places, factions and forces.

Alarm is stacked as the model adds it up: each channel's alarm times its weight. All but kin's make up solidarity;
kin's is what a resident of mean ties feels of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sim.channels import ALARMS
from sim.classics.epstein import STATES
from sim.dashboard import looks
from sim.dashboard.chart_marks import marked
from sim.dashboard.chart_spec import ChartSpec, Curve

if TYPE_CHECKING:
    from sim.scenario import Scenario
    from sim.schema import ScenarioFile

WHY, HURT, FRONTS, CONTROL = "Why", "Killed and wounded", "Fronts", "Control"
MOVED, ARMED, LATTICE = "Displaced", "Mobilised and soldiers", "Lattice"

COUNTED = {"killed": looks.KILLED, "wounded": looks.WOUNDED}
TOTAL, DAILY = "people since the start", "people a day"
PROPENSITY = "of propensity, no unit"
WEIGHTED = "weight × alarm, no unit"
SHARE = "0 to 1"
AT_FRONTS = (
    ("fighters", "fighters", "people", None),
    ("stock", "stock of supplies", "t", None),
    ("resolve", "resolve", SHARE, 1.0),
)
"""Measures of factions at a front: the words for them, the unit, the upper end of the axis."""


def charts(scenario: Scenario) -> list[ChartSpec]:
    """Return the charts of a scenario, section by section, with what was reported of their curves."""
    if scenario.model != "theatre":
        return list(_lattice(scenario.file))
    families = (_alarms, _tempers, _casualties, _fronts, _control, _displaced, _armed)
    return list(marked((spec for family in families for spec in family(scenario.file)), scenario))


# --- why ----------------------------------------------------------------------------------------------------


def _alarms(file: ScenarioFile) -> Iterator[ChartSpec]:
    if not _hears_of_elsewhere(file):
        return
    colours = looks.channels()
    for quarter, community in _groups(file):
        curves = tuple(
            Curve(c, colours[c], f"alarm_{c}", neighbourhood=quarter, community=community, channel=c) for c in ALARMS
        )
        yield ChartSpec(
            f"alarm.{quarter}.{community}", WHY, f"{_group(file, quarter, community)}: weighted alarm",
            WEIGHTED, "stacked", "level", curves, about=file.neighbourhoods[quarter].place,
            note="Weight × alarm: what each channel adds to the propensity to take up arms; of kin, with mean ties.",
        )  # fmt: skip


def _hears_of_elsewhere(file: ScenarioFile) -> bool:
    """Tell whether there is anything that a channel could carry: fronts, news, or other neighbourhoods far away."""
    return bool(file.fronts or file.events) or len({quarter.place for quarter in file.neighbourhoods.values()}) > 1


def _tempers(file: ScenarioFile) -> Iterator[ChartSpec]:
    for quarter, community in _groups(file):
        whom: Any = {"neighbourhood": quarter, "community": community}
        curves = (
            Curve("threat, anger included", looks.PALETTE[0], "threat", **whom),
            Curve("anger at provocations", looks.PALETTE[1], "anger", **whom),
        )
        yield ChartSpec(
            f"threat.{quarter}.{community}", WHY, f"{_group(file, quarter, community)}: threat and anger",
            PROPENSITY, "lines", "level", curves, about=file.neighbourhoods[quarter].place,
        )  # fmt: skip


# --- killed and wounded -------------------------------------------------------------------------------------


def _casualties(file: ScenarioFile) -> Iterator[ChartSpec]:
    yield from _toll("", "Everywhere")
    for measure in COUNTED:
        curves = tuple(
            Curve(file.places[place].name, colour, measure, place=place)
            for place, colour in looks.colours(_places(file)).items()
        )
        title = f"{measure.capitalize()} by place, total"
        yield ChartSpec(f"{measure}.places", HURT, title, TOTAL, "lines", "total", curves)
    for place in _places(file):
        yield from _toll(place, file.places[place].name)
        for measure in COUNTED:
            yield from _toll_of_communities(file, measure, place)
        if place in _contested(file):
            yield _toll_of_factions(file, place)


def _toll(place: str, name: str) -> Iterator[ChartSpec]:
    """Yield killed and wounded of a place, or of all of them."""
    curves = tuple(Curve(m, colour, m, place=place or None) for m, colour in COUNTED.items())
    yield from _since_and_daily(f"hurt.{place}".rstrip("."), f"{name}: killed and wounded", curves, place)


def _toll_of_communities(file: ScenarioFile, measure: str, place: str) -> Iterator[ChartSpec]:
    curves = [
        Curve(file.communities[c].name, colour, measure, place=place, community=c)
        for c, colour in looks.communities(file).items()
    ]
    if not file.places[place].communities:
        curves.append(Curve("community not given", looks.NOBODY, measure, place=place, community=""))
    title = f"{file.places[place].name}: {measure} by community"
    yield from _since_and_daily(f"{measure}.{place}", title, tuple(curves), place)


def _since_and_daily(key: str, title: str, curves: tuple[Curve, ...], place: str) -> Iterator[ChartSpec]:
    """Yield the chart of a count since the start, and that of each day."""
    yield ChartSpec(key, HURT, f"{title}, total", TOTAL, "lines", "total", curves, about=place)
    yield ChartSpec(f"{key}.daily", HURT, f"{title}, by day", DAILY, "bars", "daily", curves, about=place)


def _toll_of_factions(file: ScenarioFile, place: str) -> ChartSpec:
    title, curves = f"{file.places[place].name}: fighters killed, total", _of_factions(file, "faction_killed", place)
    return ChartSpec(f"faction_killed.{place}", HURT, title, TOTAL, "lines", "total", curves, about=place)


# --- fronts, control, displaced, armed ------------------------------------------------------------------------


def _fronts(file: ScenarioFile) -> Iterator[ChartSpec]:
    for place in _contested(file):
        for measure, words, unit, top in AT_FRONTS:
            title, curves = f"{file.places[place].name}: {words}", _of_factions(file, measure, place)
            yield ChartSpec(
                f"{measure}.{place}", FRONTS, title, unit, "lines", "level", curves, about=place, top=top
            )  # fmt: skip


def _control(file: ScenarioFile) -> Iterator[ChartSpec]:
    for place in _contested(file):
        title, curves = f"{file.places[place].name}: share held", _of_factions(file, "control", place)
        yield ChartSpec(f"control.{place}", CONTROL, title, SHARE, "lines", "level", curves, about=place, top=1.0)


def _displaced(file: ScenarioFile) -> Iterator[ChartSpec]:
    if not file.neighbourhoods:
        return
    homes = tuple(
        Curve(file.neighbourhoods[n].name, colour, "displaced", neighbourhood=n)
        for n, colour in looks.colours(file.neighbourhoods).items()
    )
    hosts = tuple(
        Curve(town.name, looks.colours(file.places)[place], "displaced_here", place=place)
        for place, town in file.places.items()
    )
    yield ChartSpec("displaced", MOVED, "Displaced, by where they lived", "people", "lines", "level", homes)
    yield ChartSpec("displaced_here", MOVED, "Displaced, by where they are now", "people", "lines", "level", hosts)


def _armed(file: ScenarioFile) -> Iterator[ChartSpec]:
    groups = looks.colours(f"{quarter}.{community}" for quarter, community in _groups(file))
    curves = tuple(
        Curve(_group(file, quarter, community), colour, "mobilised", neighbourhood=quarter, community=community)
        for (quarter, community), colour in zip(_groups(file), groups.values(), strict=True)
    )
    forces = tuple(
        Curve(force.name, looks.factions(file)[name], "soldiers", faction=name)
        for name, force in file.security_forces.items()
    )
    if curves:
        yield ChartSpec("mobilised", ARMED, "Residents mobilised", "people", "lines", "level", curves)
    if forces:
        yield ChartSpec("soldiers", ARMED, "Soldiers between the neighbourhoods", "people", "lines", "level", forces)


def _lattice(file: ScenarioFile) -> Iterator[ChartSpec]:
    """Yield the people of a known model by state, and those killed where it has two groups."""
    for group, name in [(group, spec.name) for group, spec in file.communities.items()] or [("", "The lattice")]:
        curves = tuple(
            Curve(state, colour, state, community=group) for state, colour in looks.colours(STATES[::-1]).items()
        )
        yield ChartSpec(f"states.{group}".rstrip("."), LATTICE, f"{name}: by state", "people", "lines", "level", curves)
    colours = looks.colours(file.communities) or {"": looks.PALETTE[0]}
    names = {group: spec.name for group, spec in file.communities.items()} or {"": "people"}
    for state in STATES:
        curves = tuple(Curve(names[group], colours[group], state, community=group) for group in names)
        yield ChartSpec(state, LATTICE, state.capitalize(), "people", "lines", "level", curves)


# --- what a scenario has --------------------------------------------------------------------------------------


def _groups(file: ScenarioFile) -> list[tuple[str, str]]:
    """Return each community of each neighbourhood; those that face another across a line of contact come first."""
    facing = {quarter for line in file.lines_of_contact.values() for quarter in line.between}
    quarters = sorted(file.neighbourhoods, key=lambda quarter: quarter not in facing)
    return [(n, c) for n in quarters for c, share in file.neighbourhoods[n].communities.items() if share > 0]


def _group(file: ScenarioFile, quarter: str, community: str) -> str:
    return f"{file.neighbourhoods[quarter].name}, {file.communities[community].name}"


def _contested(file: ScenarioFile) -> list[str]:
    return list(dict.fromkeys(front.place for front in file.fronts.values()))


def _places(file: ScenarioFile) -> list[str]:
    """Return where people may be hurt: places with neighbourhoods, fronts, and those that blows from outside reach."""
    struck = [event.place for event in file.events.values() if event.kind in ("strike", "border_fire")]
    reached = [place for force in file.air_forces.values() for place in force.reaches]
    quarters = [quarter.place for quarter in file.neighbourhoods.values()]
    strays = [name for name, place in file.places.items() if place.stray_fire]
    return list(dict.fromkeys([*quarters, *_contested(file), *struck, *reached, *strays]))


def _of_factions(file: ScenarioFile, measure: str, place: str) -> tuple[Curve, ...]:
    colours = looks.factions(file)
    return tuple(
        Curve(faction.name, colours[name], measure, place=place, faction=name)
        for name, faction in file.factions.items()
    )
