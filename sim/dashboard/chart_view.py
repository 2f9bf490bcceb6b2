"""Charts of a run, or of two: what they show, their numbers as they are sent, and as they are downloaded.

A step of a run is one row, in both runs the same number of steps from the start. A long run is thinned: of each
bucket of steps a chart gets the least and the greatest, so that no peak is lost. A day's counts are whole.
"""

from __future__ import annotations

import csv as tables
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from itertools import count
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.dashboard.chart_list import charts
from sim.dashboard.chart_spec import ChartSpec, Floats, difference

if TYPE_CHECKING:
    from sim.dashboard.tape import Tape
    from sim.scenario import Scenario

__all__ = ["charts", "csv", "data", "difference", "ground"]

Ints = NDArray[np.int64]
Runs = Sequence["Tape"]

MOST_BYTES = 200_000
MOST_ROWS = 1_800
"""Twice the pixels of a wide chart: a least and a greatest for each."""
NOT_A_FORECAST = "Simulated: one run of many of a simulation, not a forecast."
DAY = timedelta(days=1)


def ground(spec: ChartSpec, first: Tape, second: Tape | None = None) -> dict[str, Any]:
    """Return what the widget needs to know of a chart once: what is drawn, and over which hours."""
    scenario = first.scenario
    return {
        **{key: getattr(spec, key) for key in ("id", "title", "unit", "kind", "note", "top", "differs")},
        "daily": spec.reading == "daily",
        "curves": [{"label": curve.label, "colour": curve.colour} for curve in spec.curves],
        "marks": [asdict(mark) for mark in spec.marks],
        "runs": [run.label for run in _runs(first, second)],
        "columns": 1 + _columns(spec, _runs(first, second)),
        "steps": max(run.steps for run in _runs(first, second)),
        **clock(scenario),
    }


def clock(scenario: Scenario) -> dict[str, Any]:
    """Return how steps are told as dates: when the run begins (ms since 1970), ms a step, the first step of each day.

    A known model on a lattice has no calendar: its `zone` is "".
    """
    return {
        "start": scenario.start.timestamp() * 1000.0,
        "step_ms": scenario.step_hours * 3.6e6,
        "zone": scenario.file.clock.zone if scenario.model == "theatre" else "",
        "days": days(scenario).tolist(),
        "steps_a_day": scenario.steps_a_day,
    }


def data(spec: ChartSpec, first: Tape, second: Tape | None, until: int) -> bytes:
    """Return the columns of a chart below step `until`, float64, one after another, the step first.

    After it come the curves of the first run, then those of the second; in a difference one less the other. NaN is
    where a run has nothing: not lived through yet, or not recorded.
    """
    runs = _runs(first, second)
    steps, columns = _table(spec, runs, until)
    if spec.reading != "daily":
        together = len(spec.curves) if spec.kind == "stacked" else 1
        steps, columns = _thinned(steps, columns, _bucket(first, 1 + len(columns.T)), together)
    return np.vstack([steps, columns.T]).astype(np.float64).tobytes()


def _runs(first: Tape, second: Tape | None) -> Runs:
    return [first] if second is None else [first, second]


def _columns(spec: ChartSpec, runs: Runs) -> int:
    return len(spec.curves) * (1 if spec.differs else len(runs))


def _table(spec: ChartSpec, runs: Runs, until: int) -> tuple[Ints, Floats]:
    """Return the steps of the rows, and the rows: curves of the first run, then of the second."""
    rows = min(until, max(run.done for run in runs))
    starts = days(runs[0].scenario)
    steps = starts[starts < rows] if spec.reading == "daily" else np.arange(rows)
    curves = [_read(spec, run, runs[0], starts, rows, len(steps)) for run in runs]
    if spec.differs and len(curves) > 1:
        return steps, curves[0] - curves[1]
    return steps, np.hstack(curves)


def _read(spec: ChartSpec, run: Tape, first: Tape, starts: Ints, rows: int, length: int) -> Floats:
    """Return the curves of one run as the chart reads them, (length, curves), NaN from where it has not lived yet."""
    lived = min(rows, run.done)
    hourly = np.column_stack([curve.hourly(run, first, lived) for curve in spec.curves])
    if spec.reading == "total":
        hourly = hourly.cumsum(axis=0)
    elif spec.reading == "daily" and lived:
        hourly = np.add.reduceat(hourly, starts[starts < lived], axis=0)
    read = np.full((length, hourly.shape[1]), np.nan)
    read[: len(hourly)] = hourly
    return read


def _bucket(run: Tape, columns: int) -> int:
    """Return how many steps are drawn as one, for the whole run: a part of a day, or whole days."""
    rows = min(MOST_ROWS, MOST_BYTES // (8 * columns))
    least, day = ceil(2 * run.steps / rows), run.scenario.steps_a_day
    if run.steps <= rows:
        return 1
    return next((n for n in range(least, day) if day % n == 0), day * ceil(least / day))


def _thinned(steps: Ints, columns: Floats, bucket: int, together: int) -> tuple[Ints, Floats]:
    """Return of each bucket its first and last step, and of the columns the least and the greatest in between.

    Of so many columns that are stacked together it is the rows of which the sum is least and greatest.
    """
    if bucket == 1 or not len(steps):
        return steps, columns
    first = np.arange(0, len(steps), bucket)
    last = np.append(first[1:], len(steps)) - 1
    whole = np.pad(columns, ((0, len(first) * bucket - len(steps)), (0, 0)), mode="edge")
    stacks = whole.reshape(len(first), bucket, -1, together)
    sums = stacks.sum(axis=3)
    least, greatest = np.nan_to_num(sums, nan=np.inf).argmin(axis=1), np.nan_to_num(sums, nan=-np.inf).argmax(axis=1)
    rows = np.sort(np.stack([least, greatest], axis=1), axis=1)  # in the order in which they came
    found = np.take_along_axis(stacks, rows[..., None], axis=1)
    return np.column_stack([steps[first], steps[last]]).ravel(), found.reshape(2 * len(first), -1)


# --- days -----------------------------------------------------------------------------------------------------


def days(scenario: Scenario) -> Ints:
    """Return the first step of each local calendar day of a scenario."""
    return _days(scenario.start, scenario.steps, scenario.steps_a_day)


@lru_cache(maxsize=16)
def _days(start: datetime, steps: int, steps_a_day: int) -> Ints:
    found = [0]
    for number in count(1):
        midnight = datetime.combine(start.date() + number * DAY, time(), start.tzinfo)
        step = -((start.astimezone(UTC) - midnight.astimezone(UTC)) * steps_a_day // DAY)  # rounded up
        if step >= steps:
            break
        found.append(step)
    first = np.array(found, np.int64)
    first.flags.writeable = False  # it is shared
    return first


# --- to take away ---------------------------------------------------------------------------------------------


def csv(spec: ChartSpec, first: Tape, second: Tape | None = None) -> str:
    """Return every row of a chart as a table, with lines above it that say what it is, and of which runs."""
    runs, text = _runs(first, second), io.StringIO()
    steps, columns = _table(spec, runs, max(run.done for run in runs))
    text.writelines(f"# {line}\n" for line in _heading(spec, runs))
    table = tables.writer(text, lineterminator="\n")
    table.writerow(["step", "date" if spec.reading == "daily" else "time", *_names(spec, runs)])
    for step, row in zip(steps.tolist(), columns.tolist(), strict=True):
        when = first.time(step)
        said = when.date() if spec.reading == "daily" else when
        table.writerow([step, said.isoformat(), *("" if value != value else f"{value:.17g}" for value in row)])
    return text.getvalue()


def _heading(spec: ChartSpec, runs: Runs) -> Iterator[str]:
    yield f"{spec.title} ({spec.unit})"
    for run in runs:
        lived = f"{run.done} of {run.steps} steps of {run.scenario.step_hours:g} h"
        yield f"run {run.label}: {run.scenario.title} ({run.scenario.id}), seed {run.seed}, {lived}"
    if spec.differs:
        yield f"run {runs[0].label} minus run {runs[-1].label}"
    yield NOT_A_FORECAST


def _names(spec: ChartSpec, runs: Runs) -> Iterator[str]:
    """Yield what each column is: measure, of whom, unit, run."""
    labels = [run.label for run in runs]
    for label in [" minus ".join(labels)] if spec.differs else labels:
        for curve in spec.curves:
            whom = (curve.place, curve.neighbourhood, curve.community, curve.faction)
            said = "/".join(part for part in whom if part) or "all"
            measure = f"{curve.measure} x weight" if curve.channel else curve.measure
            yield f"{measure} of {said} [{spec.unit}], run {label}"
