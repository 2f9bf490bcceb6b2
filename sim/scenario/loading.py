"""From a name or a path to what a chain of files says: find, read, extend, unwrap.

A file may begin with `extends = "…"`: a shipped name, or a path relative to that file
inside its own folder. Tables of the later file are merged into the earlier one's,
everything else replaces. Any value may be written `{ value = …, source = "…" }`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from sim.scenario.faults import Fault, Keys, ScenarioError, dotted, listed, nearest, shown

LARGEST_FILE = 5_000_000  # bytes; the largest scenario we ship has some 50,000
DEEPEST = 40  # tables within tables; the schema needs 5
LONGEST_CHAIN = 50  # files that extend each other
IS_SCENARIO = re.compile(r"^\s*(\[\s*scenario\s*\]|extends\s*=)", re.MULTILINE)


@dataclass
class Said:
    """What a chain of files says: the values, and for each path the file and source that gave it."""

    tree: dict[str, Any] = field(default_factory=dict)
    where: dict[Keys, str] = field(default_factory=dict)
    sources: dict[Keys, str] = field(default_factory=dict)
    top: str = ""  # the file that was asked for

    def file_of(self, keys: Keys) -> str:
        """Return the file that says what stands at a path, or else at the nearest table above it."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.where:
                return self.where[keys[:length]]
        return self.top


def shipped() -> dict[str, Path]:
    """Return the scenarios that come with the project, by name."""
    folder = Path(str(files("scenarios")))
    found = sorted(folder.glob("*.toml")) + sorted(folder.glob("classics/*.toml"))
    return {p.relative_to(folder).with_suffix("").as_posix(): p for p in found if _looks_like_scenario(p)}


def _looks_like_scenario(path: Path) -> bool:
    return IS_SCENARIO.search(path.read_text(encoding="utf-8", errors="replace")) is not None


def said_by(scenario: str | Path) -> Said:
    """Return what a scenario file and those it extends say; raise ScenarioError where one cannot be read."""
    path = _find(scenario)
    said = Said(top=shown_path(path))
    for file, tree in reversed(_chain(path)):
        extend(said, tree, shown_path(file))
    return said


def extend(said: Said, tree: dict[str, Any], file: str) -> None:
    """Merge what one more file says into `said`, which takes it as its latest word."""
    sources: dict[Keys, str] = {}
    values = _unwrapped(tree, (), sources)
    _merge(said.tree, values, (), file, said)
    said.sources.update(sources)


def parsed(text: str, file: str) -> dict[str, Any]:
    """Return the tables of a TOML text; raise ScenarioError where it is none."""
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise _refusal(file, "arrays or tables nested too deeply", f"at most {DEEPEST} levels") from None
    except ValueError as error:
        raise ScenarioError([_bad_toml(file, str(error))]) from None
    if _deeper_than(tree, DEEPEST):
        raise _refusal(file, "arrays or tables nested too deeply", f"at most {DEEPEST} levels")
    return tree


def text_of(path: Path) -> str:
    """Return the text of a file; raise ScenarioError where there is none to be had."""
    file = shown_path(path)
    try:
        if not path.exists():
            raise _refusal(file, "no such file", "a file or a shipped name")
        if not path.is_file():
            what = "a directory" if path.is_dir() else "something that is no ordinary file"
            raise _refusal(file, what, "a TOML file")
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if isinstance(error, ScenarioError):
            raise
        raise _refusal(file, f"a file that cannot be read ({reason})", "a readable file") from None
    if len(content) > LARGEST_FILE:
        raise _refusal(file, "a file of more than 5 MB", "at most 5 MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refusal(file, f"text that is not UTF-8 (byte {error.start})", "UTF-8 text") from None


def shown_path(path: Path) -> str:
    """Write a path as short as it can be understood from here; a shipped file by its place in the project."""
    home = Path(str(files("scenarios")))
    if path.is_relative_to(home):
        return f"scenarios/{path.relative_to(home).as_posix()}"
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def leaves(tree: Mapping[str, Any], above: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Yield every value below a table with its path; empty tables count as values."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value and not is_sourced(value):
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key), value


def is_sourced(value: Any) -> bool:
    """Tell whether a value is written with its source: `{ value = …, source = "…" }`."""
    return isinstance(value, Mapping) and value.keys() == {"value", "source"} and isinstance(value["source"], str)


def frozen(value: Any) -> Any:
    """Return a value with its arrays as tuples, as the schema has them."""
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


# --- finding -------------------------------------------------------------------------------------------


def _find(scenario: str | Path) -> Path:
    """Return the file of a shipped name or a path."""
    text = str(scenario)
    names = shipped()
    if text in names:
        return names[text]
    try:
        path = Path(text).resolve()
        missing = not path.exists()
    except (OSError, ValueError, RuntimeError):
        raise _refusal(text, "no such file", "a file or a shipped name") from None
    if missing:
        allowed = f"a file, or a shipped name: {listed(names)}"
        raise _refusal(text, "no such file or shipped name", allowed, nearest(text, names))
    return path


def _chain(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return a file and those it extends, nearest first, each with its tables."""
    chain: list[tuple[Path, dict[str, Any]]] = []
    following: Path | None = path
    while following is not None:
        before = [file for file, _ in chain]
        if following in before:
            loop = " -> ".join(shown_path(file) for file in [*before, following])
            raise _refusal(
                shown_path(before[-1]),
                "a loop",
                f"files that do not extend themselves: {loop}",
                key="extends",
            )
        if len(chain) >= LONGEST_CHAIN:
            raise _refusal(
                shown_path(path),
                f"more than {LONGEST_CHAIN} files that extend each other",
                "fewer",
                key="extends",
            )
        tree = parsed(text_of(following), shown_path(following))
        chain.append((following, tree))
        following = _extended(following, tree.pop("extends")) if "extends" in tree else None
    return chain


def _extended(file: Path, name: Any) -> Path:
    """Return the file that `extends = name` in `file` stands for."""
    names = shipped()
    allowed = f"a path inside {shown_path(file.parent)}, or a shipped name: {listed(names)}"
    if not isinstance(name, str):
        raise _refusal(shown_path(file), shown(name), f"text: {allowed}", key="extends")
    if name in names:
        return names[name].resolve()
    try:
        path = (file.parent / name).resolve()
    except (OSError, ValueError, RuntimeError):
        raise _refusal(shown_path(file), shown(name), allowed, key="extends") from None
    if not path.is_relative_to(file.parent.resolve()):
        found = f"{shown(name)}, which lies outside the folder of the file"
        raise _refusal(shown_path(file), found, allowed, key="extends")
    if not path.is_file():
        beside = [p.relative_to(file.parent).as_posix() for p in file.parent.glob("*.toml") if p != file]
        found = f"{shown(name)}, which is {'a directory' if path.is_dir() else 'neither'}"
        raise _refusal(shown_path(file), found, allowed, nearest(name, [*beside, *names]), key="extends")
    return path


def _refusal(file: str, found: str, allowed: str, meant: str | None = None, *, key: str = "") -> ScenarioError:
    return ScenarioError([Fault(file, key, found, allowed, meant)])


# --- reading -------------------------------------------------------------------------------------------


def _bad_toml(file: str, reason: str) -> Fault:
    """Return the fault for what `tomllib` says."""
    at = re.search(r"\(at (.*?)\)$", reason)
    place = f" (at {at[1]})" if at else ""
    twice = re.search(r"Cannot declare \((.*?),?\) twice", reason, re.DOTALL)
    if twice:
        keys = tuple(part.strip().strip("'\"") for part in twice[1].split(", "))
        text = f"this table is given twice{place}; put its keys under one heading"
        return Fault(file, dotted(keys), "a table given twice", "each table once", text=text)
    if "Cannot overwrite a value" in reason or "Cannot mutate immutable" in reason:
        return Fault(file, "", "a key given twice", "each key once", text=f"a key is given twice{place}")
    reason = re.sub(r"\s*\(at .*?\)$", "", reason)
    return Fault(file, "", "text that is not TOML", "TOML", text=f"not valid TOML: {reason}{place}")


def _deeper_than(tree: Any, levels: int) -> bool:
    """Tell whether tables and arrays are nested deeper than `levels`, without recursion."""
    level = [tree]
    for _ in range(levels):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _unwrapped(value: Any, keys: Keys, sources: dict[Keys, str]) -> Any:
    """Return a value without the sources written beside it, and remember those."""
    if is_sourced(value):
        sources[keys] = value["source"]
        return _unwrapped(value["value"], keys, sources)
    if isinstance(value, Mapping):
        return {key: _unwrapped(inner, (*keys, key), sources) for key, inner in value.items()}
    return frozen(value)


def _merge(into: dict[str, Any], values: Mapping[str, Any], above: Keys, file: str, said: Said) -> None:
    for key, value in values.items():
        keys = (*above, key)
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            said.where[keys] = file
            _merge(into[key], value, keys, file, said)
            continue
        if key in into:
            _forget(keys, said, below=isinstance(into[key], dict))
        said.where[keys] = file
        into[key] = {} if isinstance(value, dict) else value
        if isinstance(value, dict):
            _merge(into[key], value, keys, file, said)


def _forget(keys: Keys, said: Said, below: bool) -> None:
    """Forget what earlier files said at a path, and below it where a table stood there."""
    for told in (said.where, said.sources):
        told.pop(keys, None)
        for inner in [k for k in told if k[: len(keys)] == keys] if below else ():
            del told[inner]
