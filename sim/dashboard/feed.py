"""The feed: what happened in a run and what observers said of it, in words, newest first.

All fire of one kind between the same two sides in one place in one step is one line, as it is one incident's hour
in `sim.incidents`. What an observer says on one day of one place stands beside what was so in the run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

from sim.record import EVENT_TYPES, FIRE_COLUMNS

if TYPE_CHECKING:
    from sim.dashboard.tape import Tape
    from sim.record import Side

Kind = Literal["fire", "event", "claim"]
Said = list[dict[str, Any]]

STEP, PLACE = FIRE_COLUMNS.index("step"), FIRE_COLUMNS.index("place")
SIDES = slice(FIRE_COLUMNS.index("side_a"), FIRE_COLUMNS.index("side_b") + 1)
TYPE, TOLL = FIRE_COLUMNS.index("event_type"), FIRE_COLUMNS.index("killed_a")
MUTUAL = ("armed_clash", "shelling")
"""Kinds of fire that both sides take part in; of the others side a fires at side b."""
FIRE = {
    "armed_clash": "clashes between {a} and {b}",
    "shelling": "shelling between {a} and {b}",
    "air_strike": "an air strike by {a} on {b}",
    "attack": "an attack by {a} on {b}",
    "border_fire": "fire across the border ({a})",
    "explosion": "explosions ({a})",
}
ONE_SIDED = "gunfire, no other side known ({a})"
TOPICS = {"killed": "killed", "wounded": "wounded", "control": "share held", "outside_fighters": "fighters from abroad"}
CHUNK = 24
"""Steps that are looked through at first, from the newest back; twice as many each time."""


@dataclass(frozen=True)
class Line:
    """One line of the feed: the step, its time, the id of the place ("" for none), and the words.

    Of kind "claim" the text is what was so in the run, and `claim` what was said of it; else `claim` is "".
    """

    step: int
    time: datetime
    place: str
    text: str
    kind: Kind
    claim: str = ""


class Calendar:
    """Tells the steps of a run as local days and hours; with the year, where it sees more than one."""

    def __init__(self, tape: Tape) -> None:
        """Tell those of one run."""
        self.time = lru_cache(maxsize=None)(tape.time)
        several = tape.time(0).year != tape.time(tape.scenario.steps - 1).year
        self.form = "{0.day} {0:%B %Y}" if several else "{0.day} {0:%B}"

    def day(self, step: int) -> str:
        """Return the day of a step."""
        return self.form.format(self.time(step))

    def hour(self, step: int) -> str:
        """Return the day and the hour of a step."""
        return f"{self.day(step)} {self.time(step):%H:%M}"


def lines(tape: Tape, until: int, place: str | None = None, most: int = 200) -> list[Line]:
    """Return what was to be read before step `until`, newest first: of one place, or of all."""
    dates = Calendar(tape)
    sources = (_events(tape, dates, until), _claims(tape, dates, until, place), _fire(tape, dates, until, place))
    newest = merge(*sources, key=attrgetter("step"), reverse=True)
    return list(islice((line for line in newest if place in (None, line.place)), most))


# --- fire -----------------------------------------------------------------------------------------------------


def _fire(tape: Tape, dates: Calendar, until: int, place: str | None) -> Iterator[Line]:
    """Yield the hours of fire, newest first."""
    ids = list(tape.scenario.file.places)
    last, chunk = min(until, tape.done), CHUNK
    while last > 0:
        found: dict[tuple[int, ...], list[tuple[int, ...]]] = defaultdict(list)
        for row in tape.fire(max(0, last - chunk), last):
            if place in (None, ids[row[PLACE]]):
                found[_key(row)].append(row[TOLL:])
        for key in sorted(found, key=lambda key: (-key[0], key[1:])):
            toll = [sum(column) for column in zip(*found[key], strict=True)]
            yield _fire_line(tape, dates, key, ids[key[1]], toll)
        last, chunk = last - chunk, 2 * chunk


def _key(row: tuple[int, ...]) -> tuple[int, ...]:
    """Return step, place, sides and kind of a row of fire; where both sides fire, in one order."""
    a, b = row[SIDES]
    mutual = EVENT_TYPES[row[TYPE]] in MUTUAL
    return (row[STEP], row[PLACE], *(sorted((a, b)) if mutual else (a, b)), row[TYPE])


def _fire_line(tape: Tape, dates: Calendar, key: tuple[int, ...], place: str, toll: list[int]) -> Line:
    step, _, a, b, kind = key
    sides, name = tape.record.sides, tape.scenario.file.places[place].name
    what, hurt = _fire_of(EVENT_TYPES[kind], sides[a], sides[b]), _hurt(toll)
    said = f"{hurt} in {what}" if hurt else f"{what}, nobody hurt"
    return Line(step, dates.time(step), place, f"{name}, {dates.hour(step)}: {said}", "fire")


def _fire_of(kind: str, a: Side, b: Side) -> str:
    """Say what kind of fire it was, and whose."""
    words = ONE_SIDED if a is b and kind in MUTUAL else FIRE[kind]
    return words.format(a=_party(a), b=_second(a, b))


def _party(side: Side) -> str:
    """Return a side's name as it stands within a sentence."""
    return f"a{side.name[1:]}" if side.name.startswith("Armed ") else side.name


def _second(a: Side, b: Side) -> str:
    """Return the name of a second side, without the words that both have in common."""
    common, of, _ = _party(a).partition(" of ")
    return _party(b).removeprefix(f"{common} ") if of and _party(b).startswith(f"{common} of ") else _party(b)


def _hurt(toll: list[int]) -> str:
    """Say how many were killed and wounded, and how many of them were civilians; "" where nobody was."""
    killed, wounded, civilians = sum(toll[:3]), sum(toll[3:]), toll[2] + toll[5]
    said = " and ".join(f"{number} {what}" for number, what in ((killed, "killed"), (wounded, "wounded")) if number)
    if not civilians:
        return said
    some = "" if civilians == killed + wounded else f"{civilians} of them "
    return f"{said} ({some}{'civilian' if civilians == 1 else 'civilians'})"


# --- events -----------------------------------------------------------------------------------------------------


def _events(tape: Tape, dates: Calendar, until: int) -> Iterator[Line]:
    """Yield what the scenario did to the world, and what factions and air forces decided, newest first."""
    for step, name, text in reversed(tape.happened(until)):
        yield Line(step, dates.time(step), _where(tape, name), f"{dates.hour(step)}: {text}", "event")


def _where(tape: Tape, event: str) -> str:
    """Return the place of a scheduled event, "" where it has none."""
    file: Any = tape.scenario.file
    spec = file.events.get(event)
    if neighbourhood := getattr(spec, "neighbourhood", ""):
        return str(file.neighbourhoods[neighbourhood].place)
    if force := getattr(spec, "force", ""):
        return str(file.security_forces[force].place)
    return str(getattr(spec, "place", ""))


# --- claims -----------------------------------------------------------------------------------------------------


def _claims(tape: Tape, dates: Calendar, until: int, place: str | None) -> Iterator[Line]:
    """Yield what observers said, newest first: all that one said at a time of one place."""
    said: dict[tuple[int, str, str, int], Said] = defaultdict(list)
    for claim in tape.claims(until):
        if place in (None, claim["place"]):
            said[claim["claimed_at"], claim["observer"], claim["place"], claim["first_step"]].append(claim)
    for key in sorted(said, reverse=True):
        yield _claim_line(tape, dates, *key, said[key])


def _claim_line(
    tape: Tape, dates: Calendar, step: int, observer: str, place: str, first: int, said: Said
) -> Line:  # fmt: skip
    file = tape.scenario.file
    where = f"{file.places[place].name}, " if place else ""
    text = f"{where}{dates.day(first)}, in the run: {_numbers(tape, said, 'truth')}"
    claim = f"{file.observers[observer].name}, {dates.hour(step)}: {_numbers(tape, said, 'value')}"
    return Line(step, dates.time(step), place, text, "claim", claim)


def _numbers(tape: Tape, said: Said, key: str) -> str:
    """Return the numbers of claims in words, topic by topic: those that were said, or those that were so."""
    topics: dict[str, list[str]] = defaultdict(list)
    for claim in said:
        number = f"{claim[key]:.0%}" if claim["topic"] == "control" else f"{claim[key]:,.0f}"
        topics[claim["topic"]].append(f"{_name(tape, claim['party'])} {number}".lstrip())
    return "; ".join(f"{TOPICS[topic]}: {', '.join(numbers)}" for topic, numbers in topics.items())


def _name(tape: Tape, party: str) -> str:
    """Return the name of a faction or force; residents and civilians are called so."""
    file = tape.scenario.file
    known: dict[str, Any] = {**file.factions, **file.security_forces}
    return known[party].name if party in known else party
