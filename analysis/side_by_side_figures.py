"""The picture of runs beside observed data: days, sizes of events, waits and dyads, a row for each place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

from analysis.pictures import RECORD, RUNS, dated, saved, titled
from analysis.side_by_side import HIGH, INTERVAL, LOW, MOST_DYADS, Pair, Series, gaps, shortened

Float = NDArray[np.float64]

NAME = "compare"


def draw(pairs: Sequence[Pair], folder: Path, title: str) -> list[Path]:
    """Draw each place: killed a day, sizes of events, waits between days of fighting, and dyads; return the files."""
    return saved(_pictures(pairs, title), folder)


def _pictures(pairs: Sequence[Pair], title: str) -> Iterator[tuple[str, Figure]]:
    figure = Figure(figsize=(12.0, 2.9 * len(pairs) + 0.5), layout="constrained")
    grid = figure.subplots(len(pairs), 4, squeeze=False, width_ratios=[2.2, 1, 1, 1.2])
    for row, pair in zip(grid, pairs, strict=True):
        _draw_place(row, pair)
    yield NAME, titled(figure, title)


def _draw_place(row: Sequence[Axes], pair: Pair) -> None:
    days, sizes, waits, dyads = row
    (_draw_fighting if pair.by_rounds else _draw_days)(days, pair)
    what = "round" if pair.by_rounds else pair.basis
    _draw_exceeding(
        sizes,
        _sizes(pair, pair.observed),
        [_sizes(pair, one) for one in pair.simulated],
        "killed, or more",
        f"By {what}",
    )
    _draw_exceeding(
        waits, gaps(pair.observed), [gaps(one) for one in pair.simulated], "days, or more", "Waits between fighting"
    )
    _draw_dyads(dyads, pair)


def _sizes(pair: Pair, one: Series) -> Float:
    return one.rounds["killed"].to_numpy(dtype=float) if pair.by_rounds else one.sizes


def _draw_days(axes: Axes, pair: Pair) -> None:
    days = pair.observed.killed.index.to_numpy()
    drawn = np.stack([one.killed.to_numpy(dtype=float) for one in pair.simulated])
    low, middle, high = np.quantile(drawn, [LOW, 0.5, HIGH], axis=0)
    axes.fill_between(days, low, high, step="mid", color=RUNS, alpha=0.25, lw=0, label=f"{INTERVAL:.0%} of runs")
    axes.plot(days, middle, drawstyle="steps-mid", color=RUNS, lw=1, label="median run")
    axes.plot(days, pair.observed.killed, ".", ms=4, color=RECORD, label="observed")
    axes.set(title=f"{pair.place}: killed a day", ylim=(0, None))
    axes.legend()
    dated(axes, least=5)


def _draw_fighting(axes: Axes, pair: Pair) -> None:
    fighting = pair.observed.fighting
    days = fighting.index.to_numpy()
    share = np.mean([one.fighting.to_numpy(dtype=float) for one in pair.simulated], axis=0)
    axes.fill_between(
        days, 0, (fighting > 0).astype(float), step="mid", color=RECORD, alpha=0.35, lw=0, label="observed"
    )
    axes.plot(days, share, drawstyle="steps-mid", color=RUNS, lw=1, label="share of runs")
    axes.set(title=f"{pair.place}: days of fighting", ylim=(0, 1.3))
    axes.legend(loc="upper center", ncols=2)
    dated(axes, least=5)


def exceeding(values: Float, at: Float) -> Float:
    """Return the share of values that are at least as large, for each of some points."""
    ordered = np.sort(values)
    return 1.0 - np.searchsorted(ordered, at, side="left") / max(len(ordered), 1)


def _draw_exceeding(axes: Axes, known: Float, drawn: list[Float], label: str, title: str) -> None:
    """Draw complementary cumulative distributions on logarithmic axes, with the band of the runs."""
    known, drawn = known[known > 0], [one[one > 0] for one in drawn]
    everything = np.concatenate([known, *drawn])
    axes.set(title=title, xlabel=label, ylabel="share")
    if not len(everything):
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center")
        return
    at = np.unique(everything)
    if curves := [exceeding(one, at) for one in drawn if len(one)]:
        low, middle, high = np.quantile(curves, [LOW, 0.5, HIGH], axis=0)
        floor = 0.5 / max(len(one) for one in drawn)  # what is 0 has no place on a logarithmic axis
        axes.fill_between(at, np.maximum(low, floor), np.maximum(high, floor), color=RUNS, alpha=0.25, lw=0)
        axes.plot(at[middle > 0], middle[middle > 0], color=RUNS, lw=1)
    own = np.unique(known)
    axes.plot(own, exceeding(known, own), ".", ms=4, color=RECORD)
    axes.set(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _draw_dyads(axes: Axes, pair: Pair) -> None:
    table = pair.dyads.head(MOST_DYADS).iloc[::-1]
    at = np.arange(len(table))
    middle = table["simulated"].to_numpy(dtype=float)
    ends = np.abs(table[["simulated_low", "simulated_high"]].to_numpy(dtype=float).T - middle)
    axes.errorbar(middle, at, xerr=ends, fmt="|", color=RUNS)
    axes.plot(table["observed"], at, ".", color=RECORD)
    axes.set_yticks(at, [shortened(name, 28) for name in table["dyad"]], fontsize=6)
    axes.set(title="Share of the killed by dyad", xlim=(-0.02, 1.02), ylim=(-0.6, len(table) - 0.4))
