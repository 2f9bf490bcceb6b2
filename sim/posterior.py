"""Samples of parameters, as a calibration leaves them and as runs take them.

A file holds one set of values a sample, all of equal weight: CSV (a header of parameter paths, one row a sample) or
JSON Lines (`.jsonl`, one object a line). A column `sample` may number them. Run i takes sample i modulo their number,
so that what is not known of the parameters is part of what is not known of the outcome.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from sim.console import Refused, nearest
from sim.parameters import Declared, walk
from sim.scenario import Scenario

CALIBRATED = ("qusayr-2013", "tripoli-2012")
"""The scenarios that a calibration fits: a file may hold their parameters, and a run takes its own of them."""
NUMBER = "sample"
MOST_FAULTS = 20

Sample = dict[str, float]
Row = tuple[int, dict[str, Any]]
"""A line's number and what it says."""


def load(path: str | Path, scenarios: Sequence[Scenario] = ()) -> list[Sample]:
    """Read samples for runs of some scenarios.

    Refused is what is no number or out of range, a parameter that neither these scenarios nor the `CALIBRATED` ones
    declare, and a file that has no parameter of these scenarios.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Refused(f"{file}: cannot be read ({reason.lower()})") from None
    rows = _json_lines(file, text) if file.suffix.lower() in (".jsonl", ".ndjson") else _csv(file, text)
    if not rows:
        raise Refused(f"{file}: no samples")
    samples = _checked(file, rows, declared((*map(Scenario.load, CALIBRATED), *scenarios)))
    if scenarios and not any(fitting(samples[0], scenario) for scenario in scenarios):
        names = " and ".join(dict.fromkeys(scenario.id for scenario in scenarios))
        raise Refused(f"{file}: none of its parameters is one of {names}: samples of it would change nothing")
    return samples


def declared(scenarios: Iterable[Scenario]) -> dict[str, Declared]:
    """Return the parameters of scenarios that are numbers, by path."""
    found = {one.path: one for scenario in scenarios for one in walk(scenario.file)}
    return {path: one for path, one in found.items() if _is_number(one.value)}


def fitting(sample: Sample, scenario: Scenario) -> Sample:
    """Return the part of a sample that a scenario has parameters for."""
    known = declared((scenario,))
    return {path: value for path, value in sample.items() if path in known}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _csv(file: Path, text: str) -> list[Row]:
    try:
        lines = [row for row in csv.reader(io.StringIO(text), strict=True) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise Refused(f"{file}: not CSV ({error})") from None
    if not lines:
        raise Refused(f"{file}: empty")
    header, *body = [[cell.strip() for cell in row] for row in lines]
    twice = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    ragged = [number for number, row in enumerate(body, 2) if len(row) != len(header)]
    faults = [f"{file}: column '{name}' is there twice" for name in twice]
    faults += [f"{file}, line {number}: {len(body[number - 2])} cells, not {len(header)}" for number in ragged]
    if faults:
        raise Refused(*faults[:MOST_FAULTS])
    return [(number, dict(zip(header, row, strict=True))) for number, row in enumerate(body, 2)]


def _json_lines(file: Path, text: str) -> list[Row]:
    rows: list[Row] = []
    faults: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
        except ValueError as error:
            faults.append(f"{file}, line {number}: not JSON ({error})")
            continue
        if isinstance(said, dict):
            rows.append((number, said))
        else:
            faults.append(f"{file}, line {number}: not an object of parameters and values")
    if faults:
        raise Refused(*faults[:MOST_FAULTS])
    return rows


def _checked(file: Path, rows: list[Row], known: dict[str, Declared]) -> list[Sample]:
    names = [name for name in dict.fromkeys(name for _, row in rows for name in row) if name != NUMBER]
    faults = [f"{file}: no parameter '{name}'.{nearest(name, known)}" for name in names if name not in known]
    if not names:
        faults.append(f"{file}: no parameters")
    samples: list[Sample] = []
    for number, row in rows:
        faults += [f"{file}, line {number}: {name} is missing" for name in names if name not in row]
        read = {name: _read(row[name]) for name in names if name in row and name in known}
        faults += [
            f"{file}, line {number}: {fault}"
            for name, value in read.items()
            if (fault := _fault(row[name], value, known[name]))
        ]
        samples.append({name: value for name, value in read.items() if value is not None})
    if faults:
        left = len(faults) - MOST_FAULTS
        raise Refused(*faults[:MOST_FAULTS], *([f"{file}: and {left:,} more faults"] if left > 0 else []))
    return samples


def _read(said: Any) -> float | None:
    """Return a finite number, whole ones as such; None where it is none."""
    try:
        value = float(said) if not isinstance(said, bool) else None
    except (TypeError, ValueError):
        return None
    if value is None or not isfinite(value):
        return None
    return int(value) if value.is_integer() else value


def _fault(said: Any, value: float | None, parameter: Declared) -> str:
    """Say what is wrong with a value, if anything."""
    if value is None:
        return f"{parameter.path}: '{said}' is not a number"
    if isinstance(parameter.value, int) and not isinstance(value, int):
        return f"{parameter.path}: {said} must be a whole number"
    low = parameter.low is not None and value < parameter.low
    high = parameter.high is not None and value > parameter.high
    if low or high:
        bounds = (
            f"from {parameter.low:g} to {parameter.high:g}"
            if None not in (parameter.low, parameter.high)
            else (f"at least {parameter.low:g}" if parameter.low is not None else f"at most {parameter.high:g}")
        )
        return f"{parameter.path}: {said} must be {bounds} {parameter.unit}"
    return ""
