"""Pictures of a prediction: the probability of fighting on each day, and the killed added up.

Each is written as PNG and as SVG (`analysis.pictures`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.pictures import AMBER, GREY, KINDS, PALETTE, RECORD, RUNS, SECOND, dated, noted, saved
from analysis.prediction_scores import LEVEL, Forecast, Known, spells

if TYPE_CHECKING:
    from analysis.prediction import Prediction

BASELINE_COLOURS = (AMBER, SECOND, PALETTE[3], PALETTE[6])
BASELINE_LINES = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
NOTE = "A hindcast for checking the model, not a forecast of anything to come."
NAMES = ("fighting", "cumulative")
FILES = tuple(f"{name}.{kind}" for name in NAMES for kind in KINDS)
SIZE = (7.2, 3.4)  # inches
DAY = np.timedelta64(1, "D")


def draw(found: Prediction, folder: Path) -> list[Path]:
    """Draw both pictures into a folder; return the files."""
    return saved(((name, noted(picture, NOTE)) for name, picture in _pictures(found)), folder)


def _pictures(found: Prediction) -> Iterator[tuple[str, Figure]]:
    yield "fighting", _fighting(found)
    yield "cumulative", _cumulative(found)


def _axes(found: Prediction, title: str, label: str) -> tuple[Figure, Axes]:
    picture = Figure(figsize=SIZE, layout="constrained")
    axes = picture.subplots()
    where = found.asked.scenario.file.places[found.asked.place].name
    axes.set(title=f"{where}: {title}", ylabel=label, xlim=(found.asked.since, found.asked.until + DAY))
    dated(axes)
    return picture, axes


def _fighting(found: Prediction) -> Figure:
    """Draw the share of runs with fighting on each day, with the observed rounds shaded."""
    picture, axes = _axes(found, "probability of fighting on a day", "share of the paths")
    if found.record is not None:
        _shade(axes, found.record, found.asked.scenario.file.reports.round_quiet_days)
    for one, look in _baselines(found):
        axes.plot(found.asked.dates, one.fighting.mean(axis=0), linewidth=0.9, label=one.name, **look)
    axes.plot(found.asked.dates, found.model.fighting.mean(axis=0), color=RUNS, linewidth=1.3, label=found.model.name)
    axes.set_ylim(0, 1)
    picture.legend(loc="outside upper right", ncols=4)
    return picture


def _shade(axes: Axes, record: Known, quiet_days: int) -> None:
    """Shade observed rounds, and hatch the days of which nothing is known."""
    rounds = spells((record.fighting > 0)[None], quiet_days)
    for number, (first, length) in enumerate(zip(rounds.first, rounds.length, strict=True)):
        start = record.dates[first]
        label = None if number else "rounds observed"
        axes.axvspan(start, start + int(length) * DAY, color=RECORD, alpha=0.25, linewidth=0, label=label)
    unknown = spells(~record.there[None], quiet_days=0)
    for number, (first, length) in enumerate(zip(unknown.first, unknown.length, strict=True)):
        start = record.dates[first]
        axes.axvspan(
            start, start + int(length) * DAY, facecolor="none", edgecolor=GREY, hatch="////", alpha=0.4, linewidth=0,
            label=None if number else "no data, or left out",
        )  # fmt: skip


def _cumulative(found: Prediction) -> Figure:
    """Draw the killed added up over the days that count: the record, the model with its band, and baselines."""
    picture, axes = _axes(found, "killed, added up", "people")
    record = found.record
    seen = found.forecasts if record is None else [one.as_known(record) for one in found.forecasts]
    added = seen[0].killed.cumsum(axis=1)
    low, high = np.quantile(added, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    axes.fill_between(
        found.asked.dates, low, high, color=RUNS, alpha=0.2, linewidth=0,
        label=f"{found.model.name}, {LEVEL:.0%} of the runs",
    )  # fmt: skip
    axes.plot(
        found.asked.dates, np.median(added, axis=0), color=RUNS, linewidth=1.3,
        label=f"{found.model.name}, median",
    )  # fmt: skip
    for one, (_, look) in zip(seen[1:], _baselines(found), strict=True):
        axes.plot(
            found.asked.dates, one.killed.cumsum(axis=1).mean(axis=0), linewidth=0.9, label=f"{one.name}, mean", **look
        )
    if record is not None:
        _draw_record(axes, record)
    axes.set_ylim(0, None)
    picture.legend(loc="outside upper right", ncols=4)
    return picture


def _draw_record(axes: Axes, record: Known) -> None:
    killed, low, high = (np.nan_to_num(of).cumsum() for of in (record.killed, record.low, record.high))
    axes.fill_between(record.dates, low, high, color=RECORD, alpha=0.25, linewidth=0, step="post")
    look: Any = {"color": RECORD, "linewidth": 1.3, "drawstyle": "steps-post"}
    axes.plot(record.dates, killed, label="observed, and its range", **look)


def _baselines(found: Prediction) -> Iterator[tuple[Forecast, dict[str, Any]]]:
    for one, colour, line in zip(found.forecasts[1:], BASELINE_COLOURS, BASELINE_LINES, strict=False):
        yield one, {"color": colour, "linestyle": line}
