"""Pictures of two worlds with the same luck: how far apart day by day, and by which channels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.outcomes import MEASURES
from analysis.paired import LEVEL, interval
from analysis.pictures import AMBER, GREY, INK, RECORD, RUNS, dated, noted, saved, titled

if TYPE_CHECKING:
    from analysis.attribution import Attribution, Split
    from analysis.counterfactual import Comparison

Float = NDArray[np.float64]

MOST_PLACES = 6
COLUMNS = 2
WIDE, PANEL = 7.0, 1.9  # inches
MIDDLE = (0.1, 0.9)
"""Quantiles over pairs between which the lighter band lies."""
WORDS = {
    "killed": "killed so far", "wounded": "wounded so far", "displaced": "away from home",
    "mobilised_peak": "mobilised", "days_with_fighting": "days with fighting so far",
}  # fmt: skip


def differences(found: Comparison, folder: Path) -> list[Path]:
    """Draw the paired difference over time of each measure that has one; return the files."""
    measures = dict.fromkeys(of for of, _ in found.pairs[0].difference)
    return saved(((f"difference-{one}", _figure(found, one, _places(found, one))) for one in measures), folder)


def _places(found: Comparison, measure: str) -> list[str]:
    """Return the places to draw: those that were asked for, else those that differ most."""
    asked = [key.place for key in found.asked if key.measure == measure and key.place]
    if asked:
        return list(dict.fromkeys(asked))[:MOST_PLACES]
    widest = {
        place: float(np.abs(_table(found, measure, place)).max(initial=0.0))
        for of, place in found.pairs[0].difference
        if of == measure
    }
    order = sorted(widest, key=lambda place: -widest[place])
    return [place for place in order if widest[place] > 0.0][:MOST_PLACES] or order[:1]


def _table(found: Comparison, measure: str, place: str) -> Float:
    """Return the difference by pair and day, (pairs, days)."""
    return np.array([pair.difference[measure, place] for pair in found.pairs])


def _figure(found: Comparison, measure: str, places: list[str]) -> Figure:
    rows = -(-len(places) // COLUMNS)
    figure = Figure(figsize=(WIDE, 0.9 + PANEL * rows), layout="constrained")
    grid = list(np.ravel(figure.subplots(rows, min(COLUMNS, len(places)), sharex=True, squeeze=False)))
    for axes, place in zip(grid, places, strict=False):
        _panel(axes, found, measure, place)
    for axes in grid[len(places) :]:
        axes.set_axis_off()
    grid[0].legend(loc="upper left")
    unit = MEASURES[measure].unit
    title = f"{found.a.title} (A) less {found.b.title} (B): {WORDS.get(measure, measure)}"
    titled(figure, f"{title} ({'days' if unit == 'd' else unit})")
    note = (
        f"{len(found.pairs)} pairs of runs with the same luck. Dark band: {LEVEL:.0%} of the mean difference, day by "
        "day; light band: middle 80 % of pairs. Simulated, not a forecast."
    )
    return noted(figure, note)


def _panel(axes: Axes, found: Comparison, measure: str, place: str) -> None:
    table = _table(found, measure, place)
    start = np.datetime64(found.a.start.date(), "D")
    days = start + np.arange(table.shape[1])
    of_mean = interval(table)
    low, high = np.quantile(table, MIDDLE, axis=0)
    axes.fill_between(days, low, high, color=AMBER, alpha=0.25, linewidth=0, label="middle 80 % of pairs")
    axes.fill_between(days, of_mean.low, of_mean.high, color=RUNS, alpha=0.35, linewidth=0, label="of the mean")
    axes.plot(days, of_mean.mean, color=RUNS, linewidth=1.4, label="mean difference")
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    axes.set_title(found.a.file.places[place].name)
    dated(axes, least=3, most=6)


# --- by which channels -------------------------------------------------------------------------------------------


def waterfalls(found: Attribution, folder: Path) -> list[Path]:
    """Draw how each measure comes from what it is without the event to what it is with it; return the files."""
    return saved(((f"waterfall-{split.key.name}", _waterfall(found, split)) for split in found.splits), folder)


def _waterfall(found: Attribution, split: Split) -> Figure:
    steps = sorted(split.shares, key=lambda one: -abs(one.share.mean))
    parts = [(", ".join(one.channels), one.share) for one in steps]
    if split.direct.mean:
        parts.insert(0, ("no channel", split.direct))
    names = ["without", *(name for name, _ in parts), "with"]
    figure = Figure(figsize=(WIDE, 3.4), layout="constrained")
    axes: Axes = figure.subplots()
    axes.bar([0, len(names) - 1], [split.lacking, split.having], color=GREY, width=0.7)
    level = split.lacking
    for at, (_, part) in enumerate(parts, 1):
        axes.bar([at], [part.mean], bottom=level, color=RUNS if part.mean >= 0 else RECORD, width=0.7)
        top = level + max(part.mean, 0.0)
        if np.isfinite(part.low):
            top = max(top, level + part.high)
            reach = [[part.mean - part.low], [part.high - part.mean]]
            axes.errorbar([at], [level + part.mean], yerr=reach, fmt="none", ecolor=INK, elinewidth=0.8, capsize=2)
        axes.plot([at - 0.35, at + 1.35], [level + part.mean] * 2, color=GREY, linewidth=0.5)
        axes.annotate(
            f"{part.mean:+.3g}", (at, top), (0, 1), textcoords="offset points", ha="center", va="bottom", fontsize=6.5
        )
        level += part.mean
    axes.set_xticks(range(len(names)), names)
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    measure = MEASURES[split.key.measure]
    axes.set_ylabel("days" if measure.unit == "d" else measure.unit)
    where = ", ".join(part for part in split.key[1:] if part) or "everywhere"
    asked = found.question
    axes.margins(y=0.1)
    title = f"{asked.scenario.title}, without and with {asked.event}\n{measure.doc}, {where}"
    titled(figure, title)
    note = (
        f"Shapley shares; bars of error: {LEVEL:.0%}, luck and parameters (draws: {len(asked.samples)}, seeds "
        f"of each: {asked.seeds}). Conditional on the model and its parameters; not a forecast."
    )
    return noted(figure, note)
