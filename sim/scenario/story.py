"""A scenario in plain words, for someone who knows the conflict and reads no code."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from sim.parameters import Declared, walk
from sim.scenario.coherence import WORDS
from sim.scenario.faults import plain
from sim.scenario.scenario import Scenario
from sim.schema import EventBase, Faction, Neighbourhood, Place
from sim.sources import kind_of

WIDTH = 88
DEGREES = (
    (0.0, "none"),
    (0.2, "slight"),
    (0.4, "moderate"),
    (0.6, "marked"),
    (0.8, "strong"),
    (1.0, "very strong"),
)

CHANNELS = {
    "kin": "the toll of one's own community elsewhere, through ties",
    "alliance": "outside parties joining the fight on a hostile side",
    "news": "statements, strikes and conferences",
    "proximity": "fighting within reach, of whatever community",
    "fighters": "volunteers who leave, are trapped or killed, and come home",
    "arms": "weapons that stay behind where supplies pass",
    "refugees": "arrivals that change who lives there and how hard life is",
}


REST_ON = {
    "article": "come from the article",
    "measured": "were measured",
    "press": "come from the press",
    "literature": "come from the literature",
    "fitted": "were fitted to the record",
    "assumed": "rest on assumptions in part or whole",
    "unsaid": "say no source",
}


def tell(scenario: Scenario) -> str:
    """Return the scenario in words, section by section, wrapped at 88 columns."""
    sections: tuple[tuple[str, Callable[[Scenario], Iterator[str]]], ...] = (
        ("Who", _communities), ("Where", _places), ("Armed actors", _factions), ("Roads", _roads),
        ("Supplies from outside", _patrons), ("Fronts", _fronts), ("Neighbourhoods", _neighbourhoods),
        ("Security forces", _security), ("What happens when", _timeline),
        ("Channels of spillover", _channels),
        ("Who reports", _observers), ("What others reported", _benchmarks), ("Where it comes from", _sources),
    )  # fmt: skip
    if scenario.model != "theatre":
        sections = ((f"The rules ({scenario.model.capitalize()})", _known_model), ("Where it comes from", _sources))
    told = [_opening(scenario)]
    for heading, section in sections:
        if paragraphs := list(section(scenario)):
            told.append("\n".join([heading.upper(), *map(_wrapped, paragraphs)]))
    return "\n\n".join(told) + "\n"


def _opening(scenario: Scenario) -> str:
    clock = scenario.file.clock
    end = scenario.time_of(scenario.steps)
    when = (
        f"From {_moment(clock.start)} to {_moment(end)} ({clock.zone}): {_count(clock.days, 'day')} "
        f"in {scenario.steps:,} steps of {_count(clock.step_hours, 'hour')}."
    )
    windows = [
        f"{_title(key)}: {_day(window.first)} to {_day(window.last)}" for key, window in scenario.file.windows.items()
    ]
    counted = [f"Outcomes are counted over these days: {'; '.join(windows)}."] if windows else []
    title = plain(scenario.title)
    paragraphs = (scenario.file.scenario.summary, when, *counted)
    return "\n".join([title, "=" * min(len(title), WIDTH), *(_wrapped(p, "") for p in paragraphs)])


def _known_model(scenario: Scenario) -> Iterator[str]:
    """Say the rules of a known model, then each of its parameters."""
    rules = getattr(type(getattr(scenario.file, scenario.model)), "RULES", ())
    yield from rules
    for declared in walk(getattr(scenario.file, scenario.model)):
        value = _in_words(declared.value, scenario)
        unit = "" if declared.unit in ("1", "rule", "model", "switch") else f" {declared.unit}"
        yield f"{_title(declared.path)}: {value}{unit} ({declared.doc})."


def _communities(scenario: Scenario) -> Iterator[str]:
    file = scenario.file
    for community in file.communities.values():
        said = [f"{community.name}."]
        if hostile := _towards(community.hostility, file.communities):
            said.append(f"Hostility towards {hostile}.")
        if solid := _towards(community.solidarity, file.communities):
            said.append(f"Feels the toll of {solid}.")
        yield " ".join(said) + _cited(community.source)


def _places(scenario: Scenario) -> Iterator[str]:
    file = scenario.file
    for place in file.places.values():
        people = f"{place.population:,} people" if place.population else "nobody counted"
        composed = f": {_shares(place.communities, file.communities)}" if place.communities else ""
        stray = " Fire from a front near the border may stray into it." if place.stray_fire else ""
        told = f"{place.name} ({place.country}), {people}{composed}. {_held(place, scenario)}{stray}"
        yield told + _cited(place.source)


def _held(place: Place, scenario: Scenario) -> str:
    holders = {key: share for key, share in place.control.items() if share > 0}
    if not holders:
        return "No armed actor holds it."
    return f"Held by {_shares(holders, scenario.file.factions)}."


def _factions(scenario: Scenario) -> Iterator[str]:
    for key, faction in scenario.file.factions.items():
        yield " ".join(_faction(faction, scenario)) + _cited(scenario.source_of(f"factions.{key}.fighters"))


def _faction(faction: Faction, scenario: Scenario) -> Iterator[str]:
    file = scenario.file
    outside = ", from another country than the fronts'" if faction.outside else ""
    people = _shares(faction.constituency, file.communities)
    yield f"{faction.name}: {faction.fighters:,} fighters{outside}, from {people}."
    total = sum(faction.deployed.values())
    if faction.fighters and total:
        each = {k: round(faction.fighters * n / total) for k, n in faction.deployed.items() if n}
        yield f"Deployed: {_and(f'{n:,} at {_name(k, file.places)}' for k, n in each.items())}."
    for words, members in (
        ("Allied with", [k for k, s in faction.stance.items() if s > 0]),
        ("Opposed to", [k for k, s in faction.stance.items() if s < 0]),
    ):
        if members:
            graded = [f"{_name(k, file.factions)} ({abs(faction.stance[k]):g})" for k in members]
            yield f"{words} {_and(graded)}."
    yield f"Will to hold and to attack: {_degree(faction.resolve)}. Its fire is {faction.fire}."
    if stocks := [f"{_count(n, 'day')} at {_name(k, file.places)}" for k, n in faction.stock_days.items()]:
        yield f"Supplies in stock: {_and(stocks)}."
    if faction.horizon:
        yield f"No settlement before {_day(faction.horizon)}."


def _roads(scenario: Scenario) -> Iterator[str]:
    file = scenario.file
    for road in file.corridors.values():
        one, other = _names(road.between, file.places)
        barred = _names(road.barred, file.factions)
        if road.sealed:
            passing = "Sealed: nobody passes."
        elif barred:
            passing = f"Closed to {_and(barred)}; others pass where they or allies hold the ends, or nobody does."
        else:
            passing = "Open to whoever, or whose allies, hold its ends, and to all where nobody does."
        lost = f", {road.risk:.0%} lost on the way" if road.risk else ""
        carries = f"{road.capacity_t_day:g} tonnes a day in {_count(road.delay_h, 'hour')}{lost}"
        yield f"{road.name}, {one} to {other}: {carries}. {passing}" + _cited(road.source)


def _patrons(scenario: Scenario) -> Iterator[str]:
    file = scenario.file
    for patron in file.patrons.values():
        sent = [f"{tonnes:g} tonnes a day by {_name(k, file.places)}" for k, tonnes in patron.delivers_t_day.items()]
        yield f"{patron.name} sends {_and(sent)} to {_shares(patron.backs, file.factions)}." + _cited(patron.source)


def _fronts(scenario: Scenario) -> Iterator[str]:
    for front in scenario.file.fronts.values():
        yield (
            f"{_name(front.place, scenario.file.places)}: skirmishes at {front.skirmish:.0%} of an assault's "
            f"intensity while nobody orders one; the ground favours whoever holds it by {front.cover:g}."
            + _cited(front.source)
        )


def _neighbourhoods(scenario: Scenario) -> Iterator[str]:
    file = scenario.file
    for quarter in file.neighbourhoods.values():
        yield " ".join(_neighbourhood(quarter, scenario)) + _cited(quarter.source)
    for line in file.lines_of_contact.values():
        one, other = _names(line.between, file.neighbourhoods)
        yield f"{line.name} runs between {one} and {other}." + _cited(line.source)


def _neighbourhood(quarter: Neighbourhood, scenario: Scenario) -> Iterator[str]:
    file = scenario.file
    each = "" if quarter.people_per_agent == 1 else f", {quarter.people_per_agent} to one simulated person"
    lives = _shares(quarter.communities, file.communities)
    place = _name(quarter.place, file.places)
    yield f"{quarter.name} in {place}: {quarter.residents:,} residents{each}; {lives}."
    yield f"Legitimacy of the state: {_degree(quarter.legitimacy)}. Able to fight: {quarter.able:.0%}."
    armed = [
        f"{n:g} {_name(k, file.communities)}" + (f" ({quarter.sides[k]})" if k in quarter.sides else "")
        for k, n in quarter.armed.items()
    ]
    if armed:
        yield f"With a weapon: {_and(armed)}."
    for community, ties in quarter.ties.items():
        felt = [f"{_name(place, file.places)} ({strength:g})" for place, strength in ties.items()]
        yield f"{_name(community, file.communities)} residents have ties to {_and(felt)}."
    for community, going in quarter.volunteers.items():
        there = f"; {going.already_there} are there already" if going.already_there else ""
        yield (
            f"{_name(community, file.communities)} volunteers go to {_name(going.place, file.places)} "
            f"to join {_name(going.faction, file.factions)}{there}."
        )
    if arrivals := [f"{n:g} {_name(k, file.communities)}" for k, n in quarter.arrivals_per_day.items() if n]:
        yield f"Settling here each day from elsewhere: {_and(arrivals)}."


def _security(scenario: Scenario) -> Iterator[str]:
    file = scenario.file
    for force in file.security_forces.values():
        line = file.lines_of_contact[force.line].name
        needs = " It goes in only when the parties are tired of fighting." if force.needs_approval else ""
        yield (
            f"{force.name} stands on {line} in {_name(force.place, file.places)} with {force.standing:,} "
            f"soldiers; {force.reserve:,} more come {_count(force.lag_h, 'hour')} after a call.{needs}"
            + _cited(force.source)
        )


def _timeline(scenario: Scenario) -> Iterator[str]:
    events = scenario.file.events.items()
    for key, event in sorted(events, key=lambda item: (item[1].at, item[0])):
        step = scenario.step_of(event.at)
        said = [f"{_moment(event.at)}: {event.text.rstrip('.')}.", f"[{key}: {_details(event, scenario)}]"]
        if until := getattr(event, "until", None):
            said.append(f"Until {_moment(until)}.")
        if not event.on:
            said.append("Switched off.")
        if not 0 <= step < scenario.steps:
            said.append("Outside the run: it has no effect.")
        yield " ".join(said) + _cited(event.source)


def _details(event: EventBase, scenario: Scenario) -> str:
    """Say what an event does to the model, beyond its text."""
    said = [_title(getattr(event, "kind", "event")).lower()]
    for field, value in event:
        if field in EventBase.model_fields or field in ("kind", "until") or value in ((), {}, None):
            continue
        said.append(f"{_title(field).lower()} {_in_words(value, scenario)}")
    return ", ".join(said)


def _in_words(value: Any, scenario: Scenario) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return _and(f"{_anyone(k, scenario)} {v:+g}" for k, v in value.items())
    if isinstance(value, tuple):
        return _and(_anyone(v, scenario) for v in value)
    return _anyone(value, scenario) if isinstance(value, str) else f"{value:,}"


def _channels(scenario: Scenario) -> Iterator[str]:
    for key, travels in CHANNELS.items():
        channel: Any = getattr(scenario.file.channels, key)
        state = f"weight {_degree(channel.weight)}" if channel.on and channel.weight else "off"
        yield f"{_title(key)}, {state}: {travels}."


def _observers(scenario: Scenario) -> Iterator[str]:
    file = scenario.file
    for observer in file.observers.values():
        where = _and(_names(observer.places, file.places)) if observer.places else "everywhere"
        hurt = "the killed and wounded" if observer.counts_wounded else "the killed"
        covers = [
            f"{n:.0%} of {hurt} of {_anyone(k, scenario)}"
            + (f" (times {observer.bias[k]:g})" if observer.bias.get(k, 1.0) != 1.0 else "")
            for k, n in observer.covers.items()
        ]
        denies = " Denies that fighters come from outside." if observer.denies else ""
        yield (
            f"{observer.name} ({observer.office}), from {where}: reports {_and(covers)}, "
            f"{_count(observer.delay_h, 'hour')} later.{denies}" + _cited(observer.source)
        )


def _benchmarks(scenario: Scenario) -> Iterator[str]:
    for benchmark in scenario.file.benchmarks.values():
        yield f"{benchmark.text.rstrip('.')} ({benchmark.by}; {benchmark.claim})."


def _sources(scenario: Scenario) -> Iterator[str]:
    """Say what the elements rest on, and which parameters the scenario sets away from their defaults."""
    cited = Counter(kind_of(source) for source in _elements_sources(scenario))
    total = sum(cited.values())
    if total:
        yield f"Of {total} elements, {_and(f'{cited[k]} {said}' for k, said in REST_ON.items() if cited[k])}."
    for path, source in scenario.sources.items():
        yield f"{path}: {source}."
    declared = list(walk(scenario.file))
    for grade, many in sorted(Counter(d.grade for d in declared if _is_mechanism(d)).items()):
        yield f"Parameters of the mechanisms, {grade}: {many}."
    if changed := [d for d in declared if _is_mechanism(d) and d.value != d.default]:
        each_change = (f"{d.path} {d.value} instead of {d.default} ({d.unit})" for d in changed)
        yield f"Set away from their defaults: {'; '.join(each_change)}."


def _elements_sources(scenario: Scenario) -> Iterator[str | None]:
    kinds = (*WORDS, "fronts", "events", "observers")
    for kind in kinds:
        yield from (getattr(element, "source", None) for element in getattr(scenario.file, kind).values())


def _is_mechanism(declared: Declared) -> bool:
    kinds = (*WORDS, "fronts", "events", "observers", "clock", "benchmarks")
    return not declared.path.startswith(tuple(f"{kind}." for kind in kinds))


# --- words ---------------------------------------------------------------------------------------------


def _wrapped(paragraph: str, bullet: str = "- ") -> str:
    text = plain(" ".join(paragraph.split()))
    return textwrap.fill(text, WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet))


def _name(key: str, table: Mapping[str, Any]) -> str:
    return table[key].name if key in table else key


def _names(keys: Iterable[str], table: Mapping[str, Any]) -> list[str]:
    return [_name(key, table) for key in keys]


def _anyone(key: str, scenario: Scenario) -> str:
    """Return the name of whatever has this id."""
    tables = (getattr(scenario.file, kind) for kind in WORDS if kind != "windows")
    return next((table[key].name for table in tables if key in table), key)


def _and(parts: Iterable[str]) -> str:
    *most, last = list(parts) or ["nobody"]
    return f"{', '.join(most)} and {last}" if most else last


def _shares(shares: Mapping[str, float], table: Mapping[str, Any]) -> str:
    held = {key: share for key, share in shares.items() if share}
    if len(held) == 1:
        return _name(next(iter(held)), table)
    return _and(f"{_name(key, table)} {share:.0%}" for key, share in held.items())


def _towards(levels: Mapping[str, float], table: Mapping[str, Any]) -> str:
    felt = [f"{_name(key, table)}: {_degree(level)}" for key, level in levels.items() if level]
    return _and(felt) if felt else ""


def _degree(level: float) -> str:
    word = next((word for most, word in DEGREES if abs(level) <= most), DEGREES[-1][1])
    return f"{word} ({level:g})"


def _count(number: float, unit: str) -> str:
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def _cited(source: str | None) -> str:
    return f" [{source}]" if source else ""


def _title(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _day(day: date) -> str:
    return f"{day.day} {day:%B} {day.year}"


def _moment(time: datetime) -> str:
    return f"{_day(time)}, {time:%H:%M}"
