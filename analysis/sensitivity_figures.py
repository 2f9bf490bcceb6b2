"""Figures of a sweep for a paper: what its outcomes depend on, each as PDF and PNG.

Axes have units. How they look is in `analysis.pictures`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.pictures import GREY, INK, PALETTE, RECORD, RUNS, saved, titled
from analysis.sensitivity import SHOWN_REPLICATES, Luck, Sensitivity, main_index
from analysis.store import Store

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("pdf", "png")
MOST_PARAMETERS = 12
MOST_LINES = 8
STRATA = 12
WIDE, PANEL = 7.0, 2.3  # inches


def draw(store: Store, found: Sensitivity, folder: Path) -> list[Path]:
    """Draw every figure that a design allows, for each measure; return the files."""
    return saved(_pictures(store, found), folder, KINDS)


def _pictures(store: Store, found: Sensitivity) -> Iterator[tuple[str, Figure]]:
    for measure in map(str, dict.fromkeys(found.indices["measure"])):
        rows = found.indices[found.indices["measure"] == measure]
        for name, figure in _figures(store, found, measure, rows):
            yield f"{name}-{measure}", titled(figure, f"{store.plan['title']}: {_label(store, measure)}")


def _figures(store: Store, found: Sensitivity, measure: str, rows: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    order = _order(rows, main_index(found.kind))
    if found.kind == "saltelli":
        yield "sobol", _bars(rows, order, ("first", "total"), "share of variance")
    elif found.kind == "morris":
        yield "morris", _plane(rows, order, store.unit(measure))
    elif found.kind == "one-at-a-time":
        yield "tornado", _tornado(rows, order, store.unit(measure))
    else:
        yield "strata", _bars(rows, order, ("between strata", "rank correlation"), "share of variance; correlation")
    growing = found.convergence[found.convergence["measure"] == measure]
    if growing["n"].nunique() > 1:
        yield "convergence", _convergence(growing, order, main_index(found.kind))
    if found.kind != "one-at-a-time":
        yield "scatter", _scatter(store, measure, order)
    own = [one for one in found.luck if one.measure == measure]
    if own and own[0].spread > 0.0:
        yield "replicates", _replicates(own[0], store.unit(measure))


def _label(store: Store, measure: str) -> str:
    return f"{measure} ({store.unit(measure)})"


def _order(rows: pd.DataFrame, index: str) -> list[str]:
    """Return the parameters, the one that matters most first."""
    sizes = rows[rows["index"] == index].groupby("parameter", sort=False)["estimate"].agg(lambda e: e.abs().max())
    return list(sizes.sort_values(ascending=False, kind="stable").index[:MOST_PARAMETERS])


def _figure(height: float, columns: int = 1, rows: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDE, height), layout="constrained")
    return figure, list(np.ravel(figure.subplots(rows, columns, squeeze=False)))


def _bars(rows: pd.DataFrame, order: list[str], indices: tuple[str, ...], label: str) -> Figure:
    figure, (axes,) = _figure(0.8 + 0.3 * len(order))
    for number, index in enumerate(indices):
        own = rows[rows["index"] == index].set_index("parameter")
        places = [(n + 0.36 * (number - 0.5), path) for n, path in enumerate(order) if path in own.index]
        at, chosen = [place for place, _ in places], own.loc[[path for _, path in places]]
        axes.barh(at, chosen["estimate"], height=0.34, color=PALETTE[number], label=index)
        axes.errorbar(chosen["estimate"], at, xerr=_bars_of(chosen), fmt="none", ecolor=INK, elinewidth=0.8)
    axes.set_yticks(range(len(order)), order)
    axes.invert_yaxis()
    axes.axvline(0.0, color=INK, linewidth=0.6)
    axes.set_xlabel(label)
    axes.legend(loc="lower right")
    return figure


def _bars_of(rows: pd.DataFrame) -> Any:
    """Return how far intervals reach below and above; an estimate outside its interval has none on that side."""
    reach = np.array([rows["estimate"] - rows["low"], rows["high"] - rows["estimate"]])
    return np.nan_to_num(np.clip(reach, 0.0, None))


def _plane(rows: pd.DataFrame, order: list[str], unit: str) -> Figure:
    """Draw elementary effects: how large, and how much they depend on everything else."""
    figure, (axes,) = _figure(4.0)
    sizes, spreads = (rows[rows["index"] == index].set_index("parameter") for index in ("mean size", "spread"))
    for number, path in enumerate(order):
        colour = PALETTE[number % len(PALETTE)]
        x, y = sizes.loc[path, "estimate"], spreads.loc[path, "estimate"]
        axes.errorbar([x], [y], xerr=_bars_of(sizes.loc[[path]]), fmt="o", color=colour, markersize=4, label=path)
    limit = max(float(sizes["estimate"].max()), float(spreads["estimate"].max()), 1e-12)
    axes.plot([0.0, limit], [0.0, limit], color=GREY, linewidth=0.6, linestyle="--")
    axes.set_xlabel(f"mean size of the effect over the range ({unit})")
    axes.set_ylabel(f"spread of the effect ({unit})")
    axes.legend()
    return figure


def _tornado(rows: pd.DataFrame, order: list[str], unit: str) -> Figure:
    figure, (axes,) = _figure(0.8 + 0.3 * len(order))
    for number, path in enumerate(order):
        own = rows[rows["parameter"] == path]
        colours = [RUNS if value < 0.0 else RECORD for value in own["estimate"]]
        axes.barh([number] * len(own), own["estimate"], height=0.6, color=colours, alpha=0.7)
        axes.errorbar(own["estimate"], [number] * len(own), xerr=_bars_of(own), fmt="none", ecolor=INK, elinewidth=0.8)
        for value, at in zip(own["value"], own["estimate"], strict=True):
            if at == 0.0:
                continue  # no bar to put a name to
            axes.annotate(_short(value), (at, number + 0.38), fontsize=6, ha="center", va="center", color="#444444")
    axes.set_yticks(range(len(order)), order)
    axes.invert_yaxis()
    axes.axvline(0.0, color=INK, linewidth=0.6)
    axes.set_xlabel(f"difference from the base ({unit})")
    return figure


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def _convergence(rows: pd.DataFrame, order: list[str], index: str) -> Figure:
    figure, (axes,) = _figure(3.0)
    for number, path in enumerate(order[:MOST_LINES]):
        own = rows[(rows["parameter"] == path) & (rows["index"] == index)].sort_values("n")
        axes.plot(own["n"], own["estimate"], color=PALETTE[number], marker="o", markersize=3, label=path)
        axes.fill_between(own["n"], own["low"], own["high"], color=PALETTE[number], alpha=0.12, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("blocks or trajectories")
    axes.set_ylabel(index)
    axes.legend()
    return figure


def _scatter(store: Store, measure: str, order: list[str]) -> Figure:
    """Draw every run against each parameter, with the mean of each stratum."""
    runs, about = store.runs(), store.plan["parameters"]
    columns = 3
    rows = -(-len(order) // columns)
    figure, grid = _figure(0.4 + PANEL * rows, columns, rows)
    for axes, path in zip(grid, order, strict=False):
        values, outcome = runs[path], runs[measure]
        if about[path]["kind"] == "choice":
            names = list(map(str, about[path]["values"]))
            at = values.astype(str).map({name: number for number, name in enumerate(names)})
            axes.set_xticks(range(len(names)), names)
            trend = outcome.groupby(at).mean()
        else:
            at = values
            stratum = values.rank(method="first").sub(1).mul(STRATA).floordiv(len(values))
            trend = outcome.groupby(stratum).mean().set_axis(values.groupby(stratum).mean().to_numpy())
            axes.xaxis.set_major_locator(MaxNLocator(5))
            if about[path]["log"]:
                axes.set_xscale("log")
        axes.plot(at, outcome, ".", color=RUNS, alpha=0.25, markersize=3, rasterized=True)
        axes.plot(trend.index, trend.to_numpy(), color=RECORD, marker="o", markersize=3, linewidth=1.2)
        unit = about[path]["unit"]
        axes.set_xlabel(f"{path} ({unit})" if unit else path, fontsize=6.5)
        axes.set_ylabel(store.unit(measure), fontsize=6.5)
    for axes in grid[len(order) :]:
        axes.set_axis_off()
    return figure


def _replicates(luck: Luck, unit: str) -> Figure:
    figure, (axes,) = _figure(2.6)
    axes.plot(SHOWN_REPLICATES, [luck.half_width(n) for n in SHOWN_REPLICATES], color=RUNS, marker="o", markersize=3)
    label = f"{luck.width:.3g} of the mean"
    axes.axhline(luck.width * abs(luck.mean), color=RECORD, linewidth=0.8, linestyle="--", label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("replicates")
    axes.set_ylabel(f"half the 95 % interval of a mean ({unit})", fontsize=7)
    axes.legend()
    return figure
