"""A scenario: all that a run needs but the seed. It never changes; a variation is another one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import tomli_w

from sim.scenario.checking import validated
from sim.scenario.faults import Fault, Keys, ScenarioError, dotted, listed, nearest
from sim.scenario.loading import Said, extend, leaves, parsed, said_by
from sim.scenario.shape import paths, root, slot_at
from sim.schema import ScenarioFile

DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Scenario:
    """A valid scenario: what the files say, where they say it, and from which source."""

    file: ScenarioFile
    sources: dict[str, str] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict, compare=False)
    origin: Path | None = field(default=None, compare=False)

    @classmethod
    def load(cls, scenario: str | Path) -> Self:
        """Load a scenario by path or shipped name; raise ScenarioError with all that is wrong."""
        said = said_by(scenario)
        return cls._of(said, Path(said.top).resolve())

    @classmethod
    def from_toml(cls, text: str, name: str = "text") -> Self:
        """Take a scenario from a text that extends nothing; `name` stands for its file in faults."""
        said = Said(top=name)
        extend(said, parsed(text, name), name)
        return cls._of(said, None)

    @classmethod
    def _of(cls, said: Said, origin: Path | None) -> Self:
        sources = {dotted(keys): source for keys, source in said.sources.items()}
        where = {dotted(keys): file for keys, file in said.where.items()}
        return cls(validated(said), sources, where, origin)

    def __hash__(self) -> int:
        return hash(self.content_hash())

    @property
    def id(self) -> str:
        """Return the identifier that the scenario gives itself."""
        return self.file.scenario.id

    @property
    def title(self) -> str:
        """Return the scenario's title."""
        return self.file.scenario.title

    @property
    def model(self) -> str:
        """Return which model it is for: "theatre", or the name of a known one."""
        return str(getattr(self.file, "model", "theatre"))

    # --- time ------------------------------------------------------------------------------------------

    @property
    def step_hours(self) -> float:
        """Return the length of a step in hours."""
        return self.file.clock.step_hours

    @property
    def steps_a_day(self) -> int:
        """Return how many steps make a day."""
        return round(24 / self.step_hours)

    @property
    def steps(self) -> int:
        """Return how many steps the run has."""
        return round(self.file.clock.days * self.steps_a_day)

    @property
    def zone(self) -> ZoneInfo:
        """Return the time zone in which the scenario tells its times."""
        return ZoneInfo(self.file.clock.zone)

    @property
    def start(self) -> datetime:
        """Return when the run begins, with its zone."""
        return self.file.clock.start.replace(tzinfo=self.zone)

    def time_of(self, step: int) -> datetime:
        """Return the time at which a step begins."""
        elapsed = timedelta(microseconds=-(-step * DAY_US // self.steps_a_day))
        return (self.start.astimezone(UTC) + elapsed).astimezone(self.zone)

    def step_of(self, time: datetime) -> int:
        """Return the step in which a time falls, below 0 before the start; without a zone it is local."""
        aware = time if time.tzinfo else time.replace(tzinfo=self.zone)
        elapsed = aware.astimezone(UTC) - self.start.astimezone(UTC)
        return (elapsed // timedelta(microseconds=1)) * self.steps_a_day // DAY_US

    # --- variations ------------------------------------------------------------------------------------

    def with_values(self, values: Mapping[str, Any], origin: str | Mapping[str, str] = "with_values") -> Self:
        """Return a variation with other values at some dotted paths; tables merge, all else replaces.

        `origin` says in faults where the values come from: all of them, or each by its path.
        """
        said = self._said()
        faults: list[Fault] = []
        for path, value in values.items():
            keys = tuple(path.split("."))
            whence = origin if isinstance(origin, str) else origin[path]
            fault = _unsettable(keys, value, said, whence)
            if fault is None:
                extend(said, _nested(keys, _plain(value)), whence)
            else:
                faults.append(fault)
        try:
            varied = type(self)._of(said, self.origin)
        except ScenarioError as error:
            raise ScenarioError([*faults, *error.faults]) from None
        if faults:
            raise ScenarioError(faults)
        return varied

    def without(self, event: str) -> Self:
        """Return a variation in which an event does not happen."""
        if event not in self.file.events:
            names = list(self.file.events)
            allowed = f"the id of an event: {listed(names)}"
            raise ScenarioError([Fault(self.id, f"events.{event}", "no such event", allowed, nearest(event, names))])
        return self.with_values({f"events.{event}.on": False}, origin="without")

    def _said(self) -> Said:
        """Return the whole scenario as if one chain of files had said it."""
        said = Said(tree=self._tree(), top=str(self.origin or self.id))
        by_path = {dotted(keys): keys for keys, _ in leaves(said.tree)}
        by_path |= {dotted(keys[:n]): keys[:n] for keys in list(by_path.values()) for n in range(1, len(keys))}
        said.sources = {by_path[path]: source for path, source in self.sources.items() if path in by_path}
        for keys in by_path.values():
            for length in range(1, len(keys) + 1):
                if (path := dotted(keys[:length])) in self.where:
                    said.where[keys[:length]] = self.where[path]
        return said

    def _tree(self) -> dict[str, Any]:
        return self.file.model_dump(exclude_none=True)

    # --- remembering -----------------------------------------------------------------------------------

    def to_toml(self) -> str:
        """Return the resolved scenario, every default written out; loading it gives an equal one."""
        return tomli_w.dumps(_with_sources(self._tree(), (), self.sources))

    def content_hash(self) -> str:
        """Return the SHA-256 of the resolved scenario in a canonical form."""
        tree = self.file.model_dump(mode="json")
        canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def source_of(self, path: str) -> str | None:
        """Return where a value comes from: its own source, or that of the nearest element above it."""
        if path in self.sources:
            return self.sources[path]
        elements: list[Any] = [self.file]
        for key in path.split("."):
            here = elements[-1]
            elements.append(here.get(key) if isinstance(here, dict) else getattr(here, key, None))
        sources = [getattr(element, "source", None) for element in elements[:0:-1]]
        return next((source for source in sources if isinstance(source, str)), None)


def _unsettable(keys: Keys, value: Any, said: Said, origin: str) -> Fault | None:
    """Return the fault where no value can be set at a path of this scenario."""
    if slot_at(keys, said.tree) is not None and not _names_missing_element(keys, value, said):
        return None
    known = (dotted(path) for path in paths(root(said.tree), said.tree))
    meant = nearest(dotted(keys), known)
    return Fault(origin, dotted(keys), "an unknown path", "a path of this scenario", meant, "unknown path")


def _names_missing_element(keys: Keys, value: Any, said: Said) -> bool:
    """Tell whether a path leads through an element that is not there; a whole new one may be set."""
    here: Any = said.tree
    for depth, key in enumerate(keys):
        above, slot = slot_at(keys[:depth], said.tree), slot_at(keys[: depth + 1], said.tree)
        is_element = above is not None and not above.models and slot is not None and bool(slot.models)
        missing = not isinstance(here, Mapping) or key not in here
        if is_element and missing:
            return not (depth == len(keys) - 1 and isinstance(value, Mapping))
        here = None if missing else here[key]
    return False


def _nested(keys: Keys, value: Any) -> dict[str, Any]:
    """Return tables within tables that hold one value at a path."""
    for key in reversed(keys):
        value = {str(key): value}
    return dict(value)


def _plain(value: Any) -> Any:
    """Return a value without numpy's types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    return value.item() if hasattr(value, "item") else value


def _with_sources(value: Any, keys: Keys, sources: Mapping[str, str]) -> Any:
    """Return a value with the sources of it and of everything in it written beside them."""
    if isinstance(value, Mapping):
        value = {key: _with_sources(inner, (*keys, key), sources) for key, inner in value.items()}
    source = sources.get(dotted(keys)) if keys else None
    return value if source is None else {"value": value, "source": source}
