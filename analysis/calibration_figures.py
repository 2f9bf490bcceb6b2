"""Pictures of a calibration: what moves what, what is known of each parameter, which go together, and what comes out.

    screening    how strongly each parameter moves each figure, and what luck alone would show
    marginals    each parameter before (flat) and after the record was looked at
    pairs        the fitted parameters, two by two
    predictive   runs of the posterior, and at its centre, beside the record

Each is written as PNG and as SVG (`analysis.pictures`).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isfinite
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import rankdata

from analysis.calibration import SCENARIOS, story
from analysis.patterns import Found, Target
from analysis.pictures import (
    FARTHEST,
    GREY,
    KINDS,
    RECORD,
    RUNS,
    SECOND,
    lay_out_distances,
    noted,
    saved,
    titled,
)  # fmt: skip
from analysis.priors import PRIORS, Prior
from sim.posterior import declared

if TYPE_CHECKING:
    from analysis.calibration import Report, Waves
    from analysis.inference import Posterior

Float = NDArray[np.float64]
Units = dict[str, str]

NAMES = ("screening", "marginals", "pairs", "predictive")
FILES = tuple(f"{name}.{kind}" for name in NAMES for kind in KINDS)
NOTE = "Conditional on the model, its priors and a thin record; not a forecast."
COLOURS = "PuOr"  # orange down, purple up: told apart by people with any colour vision, and light in the middle
FADED = 0.25
"""How much of its colour a correlation keeps that luck would show as well."""
DARK = 0.55  # correlation from which letters are white
BINS = 14
COLUMNS = 4
NARROWEST = 5.8  # inches: room for the title of few pairs
APART = 0.17  # of a row: runs of the posterior above, at the centre below


def draw(report: Report, folder: Path) -> list[Path]:
    """Draw a calibration into a folder; return the files."""
    return saved(_pictures(report), folder)


def _pictures(report: Report) -> Iterator[tuple[str, Figure]]:
    units = {path: of.unit for path, of in declared(map(story, SCENARIOS)).items()}
    yield "screening", _screening(report)
    yield "marginals", _marginals(report, units)
    yield "pairs", _pairs(report, units)
    if any(found.runs for found in report.checked):
        yield "predictive", _predictive(report)


# --- what moves what -----------------------------------------------------------------------------------


def _screening(report: Report) -> Figure:
    """Draw the partial rank correlations of each module, those within luck faded."""
    sizes = [waves.influence.shape for waves in report.modules]
    rows, widest = sum(size[0] for size in sizes), max(size[1] for size in sizes)
    picture = Figure(figsize=(7.4, 0.2 * rows + 0.85 * len(sizes) + 0.7), layout="constrained")
    panels = picture.subplots(len(sizes), 1, squeeze=False, height_ratios=[size[0] + 2.0 for size in sizes])[:, 0]
    for axes, waves in zip(panels, report.modules, strict=True):
        _draw_influence(axes, waves, widest)
    colours = ScalarMappable(Normalize(-1, 1), COLOURS)
    bar = picture.colorbar(colours, ax=list(panels), shrink=0.4, aspect=25, pad=0.01)
    bar.set_label("partial rank correlation", fontsize=7)
    bar.ax.tick_params(labelsize=6.5)
    titled(picture, "Screening: what moves what, the other parameters held")
    return noted(picture, f"Framed: beyond the level of luck given with each module. * fitted. {NOTE}")


def _draw_influence(axes: Axes, waves: Waves, widest: int) -> None:
    found, level = waves.influence, waves.level
    shown = np.where(np.abs(found) > level, found, FADED * found)
    axes.pcolormesh(shown, cmap=COLOURS, vmin=-1, vmax=1, edgecolor="white", linewidth=1.5)
    for (row, column), value in np.ndenumerate(found):
        _write_influence(axes, row, column, float(value), level)
    axes.set_xlim(0, widest)  # cells of all modules are of one size
    axes.set_ylim(len(found), 0)
    names = [fill(figure.text, 14) for figure in waves.targets.figures]
    axes.set_xticks(np.arange(len(names)) + 0.5, names, fontsize=6)
    labels = axes.set_yticks(np.arange(len(found)) + 0.5, [_starred(waves, p) for p in waves.module.own], fontsize=6.5)
    for label, p in zip(labels, waves.module.own, strict=True):
        label.label1.set_fontweight("bold" if p in waves.fitted else "normal")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{waves.module.name}: {waves.sizes[0]} draws; beyond ±{level:.2f} is more than luck", fontsize=8)


def _write_influence(axes: Axes, row: int, column: int, value: float, level: float) -> None:
    strong = abs(value) > level
    colour = "white" if strong and abs(value) > DARK else "black" if strong else GREY
    axes.text(column + 0.5, row + 0.5, f"{value:+.2f}", fontsize=6, ha="center", va="center", color=colour)
    if strong:
        x, y = column + np.array([0.02, 0.98, 0.98, 0.02, 0.02]), row + np.array([0.06, 0.06, 0.94, 0.94, 0.06])
        axes.plot(x, y, color="black", linewidth=0.7)


def _starred(waves: Waves, p: int) -> str:
    return f"{'* ' if p in waves.fitted else ''}{PRIORS[p].path}"


# --- what is known of each parameter -------------------------------------------------------------------


def _marginals(report: Report, units: Units) -> Figure:
    """Draw each parameter's posterior over its prior, which is flat on the axis that is drawn."""
    of = [(waves, p) for waves in report.modules for p in waves.module.own]
    found = {waves.module.name: waves.posterior() for waves in report.modules}
    rows = -(-len(of) // COLUMNS)
    picture = Figure(figsize=(7.4, 1.42 * rows + 0.7), layout="constrained")
    panels = picture.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, (waves, p) in zip(panels, of, strict=False):
        _draw_marginal(axes, found[waves.module.name], p, p in waves.fitted)
        prior = PRIORS[p]
        axes.set_title(
            _broken(_starred(waves, p), 27, after="."),
            fontsize=6.5,
            fontweight="bold" if p in waves.fitted else "normal",
        )
        _in_units(axes, "x", prior)
        axes.set_xlabel(_scale(prior, units), fontsize=6, labelpad=0.5)
    for axes in panels[len(of) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside upper right", ncols=len(labels))
    titled(picture, "Parameters before and after the record")
    return noted(picture, f"* and coloured: fitted. Height: times as dense as the prior, on the axis drawn. {NOTE}")


def _draw_marginal(axes: Axes, found: Posterior, p: int, is_fitted: bool) -> None:
    colour = RUNS if is_fitted else GREY
    ends = np.linspace(0.0, 1.0, BINS + 1)
    times = np.histogram(found.shares[:, p], ends, weights=found.weights)[0] * BINS
    axes.stairs(times, ends, fill=True, color=colour, alpha=0.45, label="posterior")
    axes.plot([0, 1], [1, 1], color="black", linewidth=1.0, linestyle=(0, (4, 2)), label="prior")
    low, high = found.interval()[:, p]
    top = max(float(times.max()), 1.0)
    axes.plot([low, high], [1.09 * top] * 2, color=colour, linewidth=2.0, label="middle and its 80 %")
    axes.plot(found.centre()[p], 1.09 * top, color=colour, marker="o", markersize=3.5)
    axes.set_ylim(0, 1.18 * top)
    axes.tick_params(labelsize=5.5, length=2)


def _in_units(axes: Axes, which: str, prior: Prior) -> None:
    """Label shares of the way through a prior, on x or y, in the parameter's own units; so log priors have log axes."""
    shares = np.array([0.0, 0.5, 1.0])
    axes.set(**{f"{which}lim": (0.0, 1.0), f"{which}ticks": shares})
    axes.set(**{f"{which}ticklabels": [_number(value) for value in prior.at(shares).tolist()]})
    first, _, last = getattr(axes, f"get_{which}ticklabels")()  # kept inside the axis, clear of its neighbours
    first.set(**({"ha": "left"} if which == "x" else {"va": "bottom"}))
    last.set(**({"ha": "right"} if which == "x" else {"va": "top"}))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _scale(prior: Prior, units: Units) -> str:
    """Return a parameter's unit, and whether its axis is logarithmic."""
    return ", ".join([*([] if units[prior.path] == "1" else [units[prior.path]]), *(["log axis"] if prior.log else [])])


def _broken(text: str, width: int, after: str) -> str:
    """Return lines of a text that may also break after some marks in its names."""
    for mark in after:
        text = text.replace(mark, f"{mark} ")
    text = fill(text, width)
    for mark in after:
        text = text.replace(f"{mark} ", mark)
    return text


# --- which go together ---------------------------------------------------------------------------------


def _pairs(report: Report, units: Units) -> Figure:
    """Draw the samples of the fitted parameters two by two, and above how they go together."""
    ours = [p for waves in report.modules for p in waves.fitted]
    shares = report.samples[:, ours]
    together = np.atleast_2d(np.corrcoef(rankdata(shares, axis=0).T))
    side = max(0.7 * len(ours) + 1.2, NARROWEST)
    picture = Figure(figsize=(side, side), layout="constrained")
    picture.get_layout_engine().set(w_pad=0.02, h_pad=0.02, hspace=0.0, wspace=0.0)  # type: ignore[union-attr, call-arg]
    grid = picture.subplots(len(ours), len(ours), squeeze=False)
    for (row, column), axes in np.ndenumerate(grid):
        if row < column:
            _write_correlation(axes, float(together[row, column]))
            continue
        x, y = PRIORS[ours[column]], PRIORS[ours[row]]
        if row == column:
            ends = np.linspace(0.0, 1.0, BINS + 1)
            axes.stairs(np.histogram(shares[:, row], ends)[0], ends, fill=True, color=RUNS, alpha=0.45)
            axes.set_yticks([])
        else:
            axes.plot(shares[:, column], shares[:, row], ".", color=RUNS, markersize=2.0, alpha=0.5)
            _in_units(axes, "y", y)
        _in_units(axes, "x", x)
        _label_edges(axes, _named(x, units) if row == len(ours) - 1 else "", _named(y, units) if not column else "")
    titled(picture, f"Fitted parameters, {len(shares)} samples: pairs, and rank correlations")
    return noted(picture, f"Axes run from end to end of the priors. {NOTE}")


def _write_correlation(axes: Axes, value: float) -> None:
    axes.set_axis_off()
    axes.text(
        0.5, 0.5, f"{value:+.2f}", fontsize=5 + 5 * abs(value), ha="center", va="center", transform=axes.transAxes
    )


def _label_edges(axes: Axes, below: str, beside: str) -> None:
    axes.tick_params(labelsize=5, length=2, pad=1.5, labelbottom=bool(below), labelleft=bool(beside))
    axes.tick_params(axis="x", rotation=90)
    axes.set_xlabel(below, fontsize=5.5)
    axes.set_ylabel(beside, fontsize=5.5)


def _named(prior: Prior, units: Units) -> str:
    scale = _scale(prior, units)
    return _broken(f"{prior.path} ({scale})" if scale else prior.path, 18, after="._")


# --- what comes out ------------------------------------------------------------------------------------


def _predictive(report: Report) -> Figure:
    """Draw runs of the posterior, and at its centre, as distances from the target in greatest widths."""
    both = list(zip(report.checked, report.centred, strict=True))
    picture = Figure(figsize=(7.4, 0.36 * len(both) + 1.3), layout="constrained")
    axes = picture.subplots()
    labels = [f"{one.figure.text}\n{one.figure.target.told} {_unit(one.figure.unit)}" for one, _ in both]
    lay_out_distances(axes, labels, "the record")
    for row, (checked, centred) in enumerate(both):
        _draw_target(axes, row, checked)
        _draw_runs(axes, row - APART, checked, RUNS, "o")
        _draw_runs(axes, row + APART, centred, SECOND, "D")
    for colour, marker, label in ((RUNS, "o", "posterior"), (SECOND, "D", "at its centre")):
        axes.plot([], [], color=colour, marker=marker, markersize=4, label=f"{label} (runs, median, 80 %)")
    axes.plot([], [], color=RECORD, linewidth=6, alpha=0.45, label="the record")
    picture.legend(loc="outside upper right", ncols=3)
    titled(picture, "Runs beside the record")
    return noted(picture, f"Grey: one greatest width. Runs farther out are at the edge. {NOTE}")


def _unit(unit: str) -> str:
    return "" if unit == "1" else unit


def _ends(target: Target) -> tuple[float, float]:
    """Return the ends of what the record allows, infinite where it is open."""
    return getattr(target, "low", -inf), getattr(target, "high", getattr(target, "upper_claim", inf))


def _away(found: Found, values: Float | list[float]) -> Float:
    """Return how far values are from the middle of the target, or from its one end, in greatest widths."""
    finite = [end for end in _ends(found.figure.target) if isfinite(end)]
    widths = (np.asarray(values, np.float64) - np.mean(finite)) / found.figure.greatest_width
    return np.asarray(np.clip(widths, -FARTHEST, FARTHEST))


def _draw_target(axes: Axes, row: int, found: Found) -> None:
    ends = _ends(found.figure.target)
    look: Any = {"color": RECORD, "solid_capstyle": "butt", "zorder": 1}
    axes.plot(_away(found, list(ends)), [row, row], linewidth=14, alpha=0.3, **look)
    for end in _away(found, [end for end in ends if isfinite(end)]):
        axes.plot([end, end], [row - 2 * APART, row + 2 * APART], linewidth=1.6, **look)


def _draw_runs(axes: Axes, height: float, found: Found, colour: str, marker: Any) -> None:
    known = found.values[~np.isnan(found.values)]
    axes.plot(_away(found, known), np.full(len(known), height), "|", color=colour, markersize=5, markeredgewidth=0.5)
    if len(known) < len(found.values):
        told = f"{len(known)} of {len(found.values)} runs"
        axes.text(FARTHEST, height, told, fontsize=5.5, color=colour, ha="right", va="center")
    if isfinite(found.median):
        low, middle, high = _away(found, [found.low, found.median, found.high])
        axes.plot([low, high], [height, height], color=colour, linewidth=1.6, alpha=0.8)
        axes.plot(middle, height, color=colour, marker=marker, markersize=4, markeredgecolor="white")
