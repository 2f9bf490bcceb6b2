"""Values for a variation, from the command line or a file of parameters."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sim.scenario.faults import Fault, ScenarioError, dotted, listed, shown
from sim.scenario.loading import leaves, parsed, shown_path, text_of


def value_of(text: str) -> Any:
    """Read a value as TOML writes it: a number, a date, true, an array; anything else is text."""
    try:
        read = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return read["value"] if read.keys() == {"value"} else text


def assignments(texts: Iterable[str], origin: str = "--set") -> dict[str, Any]:
    """Read `path.to.key=value` texts; raise ScenarioError with all that cannot be read."""
    pairs: list[tuple[str, str]] = []
    faults: list[Fault] = []
    for text in texts:
        path, equals, value = text.partition("=")
        if equals and path.strip():
            pairs.append((path.strip(), value.strip()))
        else:
            faults.append(Fault(origin, "", shown(text), "path.to.key=value"))
    return _each_once(pairs, origin, faults)


def values_in(file: str | Path) -> dict[str, Any]:
    """Read a file of parameters: TOML, or CSV with the columns parameter and value, or one row of values."""
    path = Path(file)
    text, name = text_of(path), shown_path(path)
    if path.suffix.lower() == ".csv":
        return _values_in_csv(text, name)
    return {dotted(keys): value for keys, value in leaves(parsed(text, name))}


def _values_in_csv(text: str, name: str) -> dict[str, Any]:
    try:
        read = csv.reader(io.StringIO(text), strict=True)
        rows = [row for row in read if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ScenarioError([Fault(name, "", f"text that is not CSV ({error})", "CSV")]) from None
    if not rows:
        raise ScenarioError([Fault(name, "", "an empty file", "parameters and their values")])
    header, *body = [[cell.strip() for cell in row] for row in rows]
    ragged = [number for number, row in enumerate(body, 2) if len(row) != len(header)]
    if ragged:
        text = f"rows of another length than the header's {len(header)}: {listed(map(str, ragged))}"
        raise ScenarioError([Fault(name, "", text, f"{len(header)} cells in each row", text=text)])
    if [cell.lower() for cell in header] == ["parameter", "value"]:
        return _each_once([(row[0], row[1]) for row in body], name, [])
    if len(body) != 1:
        allowed = "the columns parameter and value, or a header of paths and one row of values"
        raise ScenarioError([Fault(name, "", f"the columns {listed(header)} and {len(body)} rows", allowed)])
    return _each_once(zip(header, body[0], strict=True), name, [])


def _each_once(pairs: Iterable[tuple[str, str]], origin: str, faults: list[Fault]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for path, text in pairs:
        if path in values:
            faults.append(Fault(origin, path, "a second value", "one", text="given twice"))
        values[path] = value_of(text)
    if faults:
        raise ScenarioError(faults)
    return values
