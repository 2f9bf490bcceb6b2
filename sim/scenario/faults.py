"""What is wrong with a scenario, said so that a person can put it right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

Keys = tuple[str | int, ...]
"""A path through a scenario: keys of tables and, inside arrays, positions."""

BARE = re.compile(r"[A-Za-z0-9_-]+")
LONGEST_SHOWN = 60
LONGEST_COMPARED = 100  # difflib takes a time that grows with the square of a word's length


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where, what was found, what is allowed, what was probably meant."""

    file: str
    key: str
    found: str
    allowed: str
    nearest: str | None = None
    text: str = ""

    @property
    def message(self) -> str:
        """Say what is wrong, without the place."""
        said = self.text or f"found {self.found}, allowed {self.allowed}"
        return said + (f"; did you mean {self.nearest}?" if self.nearest else "")

    def __str__(self) -> str:
        return plain(": ".join(part for part in (self.file, self.key, self.message) if part))

    def as_dict(self) -> dict[str, str | None]:
        """Return the fault as plain values, for JSON."""
        return {
            "file": self.file,
            "key": self.key,
            "found": self.found,
            "allowed": self.allowed,
            "nearest": self.nearest,
            "message": self.message,
        }


class ScenarioError(ValueError):
    """A scenario that cannot be taken, with everything that is wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[type[ScenarioError], tuple[tuple[Fault, ...]]]:
        return type(self), (self.faults,)


def nearest(word: str, options: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the option most like `word`, or None where nothing is like it."""
    if len(word) > LONGEST_COMPARED:
        return None
    by_lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[close[0]] if close else None


def dotted(keys: Iterable[str | int]) -> str:
    """Write a path the way TOML does."""
    return ".".join(_key(key) for key in keys)


def _key(key: str | int) -> str:
    text = str(key)
    return text if BARE.fullmatch(text) else f'"{_short(text)}"'


def shown(value: Any) -> str:
    """Write a value as TOML would, short and on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if abs(value) > 10**30:
            return "a number of many digits"
        case int() | float():
            return f"{value}"
        case datetime() | date() | time():
            return value.isoformat()
        case str():
            return f'"{_short(value)}"'
        case dict():
            keys = ", ".join(_key(key) for key in list(value)[:3])
            return f"a table ({keys}{', …' if len(value) > 3 else ''})" if value else "an empty table"
        case list() | tuple():
            return f"an array of {len(value)}" if value else "an empty array"
        case None:
            return "nothing"
        case _:
            return _short(f"{value!r}")


def listed(options: Iterable[str], most: int = 12) -> str:
    """List names, the first of them where there are many."""
    names = list(options)
    if not names:
        return "none"
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")


def plain(text: str) -> str:
    """Return text on one line, with nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _short(text: str) -> str:
    text = plain(text[: LONGEST_SHOWN + 1])
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
