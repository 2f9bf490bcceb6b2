"""What a reader changes of a scenario: every declared parameter as a slider, every channel and event as a switch.

A `Setup` never changes: a value moved makes another one. Its scenario is checked like one on the command line, and so
is one that is uploaded: it is parsed as data, and may extend shipped scenarios and nothing else.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, reduce
from pathlib import Path
from typing import Any

from sim import sources
from sim.parameters import Declared, walk
from sim.scenario import Fault, Scenario, ScenarioError, shipped
from sim.scenario.shape import slot_at
from sim.scenario.story import CHANNELS

LARGEST_UPLOAD = 256_000
"""Bytes; the largest scenario we ship has some 50,000."""
LONGEST_NAME = 60
SPAN_TO_BEND = 10.0
"""A range this many times the value is bent, so that the value stands in the middle of its slider."""

UNIT = re.compile(r"_(t_day|km_per_h|km|m|h|t|days|hours)$")
"""The unit that a name may end in; the slider says it beside the number."""

GROUPS = {
    "channels.kin": "Channel: kin", "channels.alliance": "Channel: alliance", "channels.news": "Channel: news",
    "channels.proximity": "Channel: proximity", "channels.fighters": "Channel: fighters",
    "channels.arms": "Channel: arms", "channels.refugees": "Channel: refugees",
    "mobilisation": "Mobilisation", "provocations": "Provocations", "fire": "Fire across the street",
    "security": "Army between neighbourhoods", "displacement": "Displacement", "toll": "What is remembered",
    "engagement": "Fighting at fronts", "control": "Who holds ground", "withdrawal": "Giving up a place",
    "effort": "Reserves and marches", "supply": "Supply", "stock": "Stocks", "strikes": "Strikes",
    "diplomacy": "Diplomacy", "reports": "How incidents are counted", "epstein": "Epstein's rules",
    "factions": "Factions", "neighbourhoods": "Neighbourhoods", "fronts": "Fronts", "corridors": "Corridors",
    "security_forces": "Armies", "consignments": "Consignments", "air_forces": "Air forces", "events": "Events",
    "observers": "Observers", "places": "Places", "clock": "Clock",
}  # fmt: skip
"""Titles of the groups, in the order of the page: by mechanism first, then what the scenario names."""


@dataclass(frozen=True)
class Opening:
    """What a page shows when it opens: a scenario on a seed, or what is kept in a run folder."""

    scenario: Scenario
    seed: int = 0
    folder: Path | None = None


@dataclass(frozen=True)
class Knob:
    """A parameter that can be moved; `bend` is None where the slider is straight, `group` a key of GROUPS."""

    path: str
    group: str
    name: str
    about: str
    unit: str
    value: Any
    options: tuple[str, ...]
    low: float | None
    high: float | None
    bend: float | None
    whole: bool
    grade: str
    source: str

    @property
    def title(self) -> str:
        """Return its name with whose it is."""
        return self.name if ":" in self.name else f"{GROUPS.get(self.group, self.group)}, {self.name}"


@dataclass(frozen=True)
class Switch:
    """Something that can be left out: a channel, an event, an air force."""

    path: str
    kind: str
    name: str
    about: str
    value: bool


@dataclass(frozen=True)
class Setup:
    """A scenario, and the values in which a reader wants another one."""

    base: Scenario
    values: Mapping[str, Any] = field(default_factory=dict)

    def moved(self, path: str, value: Any) -> Setup:
        """Return the set-up with one value moved; back where it was, it is no change."""
        values = {key: kept for key, kept in self.values.items() if key != path}
        if value != value_at(self.base, path):
            values[path] = value
        return replace(self, values=values)

    def with_moves(self, values: Mapping[str, Any]) -> Setup:
        """Return the set-up with several values moved."""
        return reduce(lambda now, path: now.moved(path, values[path]), values, self)

    @cached_property
    def scenario(self) -> Scenario:
        """Return the scenario with the changes; raise ScenarioError with all that is wrong with them."""
        return self.base.with_values(self.values, origin="the sliders") if self.values else self.base

    @property
    def file_name(self) -> str:
        """Return what the set-up is called when it is saved."""
        return f"{self.base.id}{'-changed' if self.values else ''}.toml"


@cache
def _shipped() -> dict[str, Scenario]:
    return {name: Scenario.load(name) for name in shipped()}


def titles() -> dict[str, str]:
    """Return the titles of the shipped scenarios, by name."""
    return {name: scenario.title for name, scenario in _shipped().items()}


def name_of(scenario: Scenario) -> str | None:
    """Return the name of the shipped scenario that is the same, None where none is."""
    return next((name for name, one in _shipped().items() if one.file == scenario.file), None)


def value_at(scenario: Scenario, path: str) -> Any:
    """Return the value at a dotted path of a scenario."""
    here: Any = scenario.file
    for key in path.split("."):
        here = here[key] if isinstance(here, dict) else getattr(here, key)
    return here


def received(name: str, content: bytes) -> Scenario:
    """Take an uploaded scenario, which may extend a shipped one; raise ScenarioError with all that is wrong."""
    name = re.sub(r"[^\w.-]+", "_", Path(name).name)[-LONGEST_NAME:].lstrip(".") or "scenario.toml"
    if len(content) > LARGEST_UPLOAD:
        raise ScenarioError([Fault(name, "", f"a file of {len(content):,} bytes", f"at most {LARGEST_UPLOAD:,} bytes")])
    with tempfile.TemporaryDirectory(prefix="spillover-upload-") as folder:  # alone in it, it can extend nothing else
        path = Path(folder).resolve() / name
        path.write_bytes(content)
        try:
            found = Scenario.load(path)
        except ScenarioError as error:
            raise ScenarioError(_without_folder(fault, folder) for fault in error.faults) from None
    where = {key: name if file == str(path) else file for key, file in found.where.items()}
    return replace(found, where=where, origin=None)


def _without_folder(fault: Fault, folder: str) -> Fault:
    """Say nothing of the folder that a file is checked in."""
    real = re.escape(str(Path(folder).resolve()))
    named = re.compile(rf"(a path inside )?{real}(/|, or )?")
    parts = {key: named.sub("", text) for key, text in vars(fault).items() if isinstance(text, str)}
    return replace(fault, **parts)


# --- knobs -----------------------------------------------------------------------------------------------


def knobs(scenario: Scenario) -> list[Knob]:
    """Return every declared parameter of a scenario, in the order of the schema."""
    tree = scenario.file.model_dump(exclude_none=True)
    origin = {number.path: (number.grade, number.source) for number in sources.numbers(scenario)}
    return [
        _knob(scenario, declared, tree, *origin.get(declared.path, (declared.grade, declared.source)))
        for declared in walk(scenario.file)
        if declared.value is not None
    ]


def _knob(scenario: Scenario, declared: Declared, tree: dict[str, Any], grade: str, source: str) -> Knob:
    keys = tuple(declared.path.split("."))
    slot = slot_at(keys, tree)
    low, high = _range(declared)
    return Knob(
        path=declared.path, group=_group(keys), name=_name(scenario, keys), about=declared.doc, unit=declared.unit,
        value=declared.value, options=slot.options if slot is not None else (), low=low, high=high,
        bend=_bend(declared.value, low, high), whole=type(declared.value) is int, grade=grade, source=source,
    )  # fmt: skip


def _group(keys: tuple[str, ...]) -> str:
    return next((group for group in (".".join(keys[:2]), keys[0]) if group in GROUPS), keys[0])


def _name(scenario: Scenario, keys: tuple[str, ...]) -> str:
    """Return what a parameter is called: the element it is of, and its key in words."""
    table = getattr(scenario.file, keys[0], None)
    words = UNIT.sub("", keys[-1]).replace("_", " ")
    if not isinstance(table, dict):
        return words
    between = " ".join(key.replace("_", " ") for key in keys[2:-1])
    element = getattr(table[keys[1]], "name", keys[1].replace("_", " "))
    return f"{element}: {f'{between} ' if between else ''}{words}"


def _range(declared: Declared) -> tuple[float | None, float | None]:
    """Return the ends of a slider; an open end lies ten times as far as the value."""
    if isinstance(declared.value, bool | str):
        return None, None
    far = SPAN_TO_BEND * max(abs(declared.value), 1.0)
    return (-far if declared.low is None else declared.low), (far if declared.high is None else declared.high)


def _bend(value: Any, low: float | None, high: float | None) -> float | None:
    """Return b such that low + b ((1 + (high - low) / b)^p - 1) is the value at p = 1/2."""
    if low is None or high is None:
        return None
    at, span = float(value) - low, high - low
    if at <= 0.0 or at * SPAN_TO_BEND > span:
        return None
    return at**2 / (span - 2.0 * at)


# --- switches --------------------------------------------------------------------------------------------


def switches(scenario: Scenario) -> list[Switch]:
    """Return what can be left out of a scenario: channels first, then events by date, then air forces."""
    file: Any = scenario.file
    if scenario.model != "theatre":
        return []
    return [*_channels(file), *_events(file), *_air_forces(file)]


def _channels(file: Any) -> Iterator[Switch]:
    for name in type(file.channels).model_fields:
        yield Switch(f"channels.{name}.on", "channel", name, CHANNELS[name], getattr(file.channels, name).on)


def _events(file: Any) -> Iterator[Switch]:
    for name, event in sorted(file.events.items(), key=lambda item: item[1].at):
        yield Switch(f"events.{name}.on", "event", f"{event.at.day} {event.at:%b}", event.text, event.on)


def _air_forces(file: Any) -> Iterator[Switch]:
    for name, force in file.air_forces.items():
        yield Switch(f"air_forces.{name}.on", "air force", force.name, "strikes what it finds", force.on)


# --- differences -----------------------------------------------------------------------------------------


def differences(first: Scenario, second: Scenario) -> list[str]:
    """Say in which parameters and switches one scenario differs from another; whole elements by their number."""
    before, after = (dict(_leaves(one.file.model_dump())) for one in (first, second))
    changed = [path for path in after if path in before and before[path] != after[path] and _matters(path)]
    added, gone = (_elements(one, other) for one, other in ((after, before), (before, after)))
    known = {knob.path: knob for knob in knobs(second)} | {switch.path: switch for switch in switches(second)}
    said = [_said(path, before[path], after[path], known.get(path)) for path in changed]
    return said + [f"with {name}" for name in added] + [f"without {name}" for name in gone]


def _matters(path: str) -> bool:
    return path.split(".")[0] not in ("scenario", "benchmarks", "windows") and not path.endswith((".source", ".text"))


def _elements(these: Mapping[str, Any], those: Mapping[str, Any]) -> list[str]:
    """Return the elements of tables that one scenario has and the other lacks."""
    found = [tuple(path.split(".")[:2]) for path in these if path not in those and path.count(".") >= 2]
    missing = {keys for keys in found if not any(path.startswith(".".join(keys) + ".") for path in those)}
    return [" ".join(keys).replace("_", " ") for keys in dict.fromkeys(found) if keys in missing and _matters(keys[0])]


def _leaves(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{above}.{key}" if above else str(key))
    else:
        yield above, value


def _said(path: str, before: Any, after: Any, known: Knob | Switch | None) -> str:
    if isinstance(known, Switch) and known.kind == "event":
        return f"{'with' if after else 'without'} the event of {known.name}: {known.about}"
    if isinstance(known, Switch):
        return f"{known.kind} {known.name} {'on' if after else 'off'}"
    if known is None:
        return f"{path.replace('_', ' ').replace('.', ' ')} changed"
    unit = "" if known.unit in ("1", "switch", "rule") else f" {known.unit}"
    return f"{known.title} {_short(before)} → {_short(after)}{unit}"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
