"""Pictures of a validation: every figure beside its target, the battle and the rounds day by day, and event sizes.

Each is written as PNG and as SVG (`analysis.pictures`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis import tails
from analysis.observations import Seen
from analysis.patterns import (
    ASSAULT,
    FAILS,
    FALL,
    HOLDS,
    REPORTED,
    SECOND_DAY,
    UNTOLD,
    WIDE,
    Found,
    Range,
    Reported,
)  # fmt: skip
from analysis.pictures import (
    AMBER,
    FARTHEST,
    GREY,
    KINDS,
    PALETTE,
    RECORD,
    RUNS,
    SECOND,
    dated,
    lay_out_distances,
    noted,
    saved,
    titled,
)  # fmt: skip

if TYPE_CHECKING:
    from analysis.validation import Validation

Float = NDArray[np.float64]

COLOURS = {HOLDS: SECOND, FAILS: RECORD, WIDE: AMBER, REPORTED: RUNS, UNTOLD: PALETTE[-1]}
NOTE = "Simulated runs beside press counts and claims; not a forecast."
NAMES = ("patterns", "battle", "rounds", "sizes")
FILES = tuple(f"{name}.{kind}" for name in NAMES for kind in KINDS)
BANDS = (0.8, 0.5)
SHOWN_ALL = 2  # runs drawn one by one


def draw(found: Validation, folder: Path) -> list[Path]:
    """Draw what the runs allow into a folder; return the files."""
    return saved(_pictures(found), folder)


def _pictures(found: Validation) -> Iterator[tuple[str, Figure]]:
    yield "patterns", _patterns(found)
    if found.runs.get("battle"):
        yield "battle", _battle(found.runs["battle"])
    if found.runs.get("rounds"):
        yield "rounds", _rounds(found.runs["rounds"])
    runs = {"Qusayr": found.runs.get("battle", []), "Tripoli": found.runs.get("rounds", [])}
    sizes = {place: np.array([size for seen in of for size in seen["sizes"]], np.int64) for place, of in runs.items()}
    if any(map(len, sizes.values())):
        yield "sizes", _sizes({place: of for place, of in sizes.items() if len(of)})


# --- every figure beside its target --------------------------------------------------------------------


def _patterns(found: Validation) -> Figure:
    """Draw each figure's runs as distances from its target, in greatest widths."""
    rows = [(of.pattern.id, one) for of in found.patterns for one in of.found]
    picture = Figure(figsize=(7.6, 0.24 * len(rows) + 1.5), layout="constrained")
    axes = picture.subplots()
    lay_out_distances(axes, [f"{name}  {one.figure.text}" for name, one in rows], "the target")
    for number, (_, one) in enumerate(rows):
        _draw_row(axes, number, one)
    axes.set_title("Runs beside the record: median and the middle 80 %")
    for verdict, colour in COLOURS.items():
        axes.plot([], [], color=colour, marker="o", markersize=4, label=verdict)
    picture.legend(loc="outside upper right", ncols=len(COLOURS))
    return noted(picture, f"Orange: the target (a bound points to where it is met). Grey: one greatest width. {NOTE}")


def _draw_row(axes: Axes, number: int, one: Found) -> None:
    if not isfinite(one.median):
        axes.text(0, number, "never, or not told", fontsize=6, va="center", ha="center", color=COLOURS[one.verdict])
        return
    target, unit = one.figure.target, one.figure.greatest_width or 1.0
    centre = (target.low + target.high) / 2 if isinstance(target, Range) else target.nearest(one.median)
    if not isinstance(target, Range | Reported):
        centre = next(end for end in vars(target).values() if isfinite(end))
    place = [(end - centre) / unit for end in (one.low, one.median, one.high)]
    low, median, high = np.clip(place, -FARTHEST, FARTHEST).tolist()
    if isinstance(target, Range):
        ends = [(target.low - centre) / unit, (target.high - centre) / unit]
        look: Any = {"color": RECORD, "alpha": 0.45, "solid_capstyle": "butt"}
        axes.plot(ends, [number] * 2, linewidth=6, marker="|", markersize=9, markeredgewidth=2.5, **look)
    elif not isinstance(target, Reported):
        axes.plot([0], [number], color=RECORD, marker=_towards(target), markersize=7, alpha=0.6)
    colour = COLOURS[one.verdict]
    axes.plot([low, high], [number] * 2, color=colour, linewidth=1.4)
    axes.plot([median], [number], color=colour, marker="o", markersize=3.5, alpha=1.0 if one.figure.is_counted else 0.4)


def _towards(target: Any) -> Any:
    """Return a marker that points to where the target is met."""
    return 5 if hasattr(target, "low") else 4  # matplotlib's carets, right and left


# --- day by day ----------------------------------------------------------------------------------------


def _battle(runs: Sequence[Seen]) -> Figure:
    """Draw killed and control at Qusayr, and casualties in Tripoli, with the record's numbers on their days."""
    picture = Figure(figsize=(7.2, 6.4), layout="constrained")
    killed, control, tripoli = picture.subplots(3, 1, sharex=True)
    _fan(killed, runs, "killed", "killed a day at Qusayr")
    _mark(killed, ASSAULT, 52, "at least 52 (A05)", "^")
    _fan(control, runs, "control", "government share of the town")
    _mark(control, ASSAULT, 0.5, "half within a day", "o")
    _mark(control, date(2013, 5, 29), 13 / 16, "13 of 16 squares", "s")
    _mark(control, FALL, 1.0, "falls", "D")
    _fan(tripoli, runs, "tripoli_wounded", "wounded a day in Tripoli")
    two_days = [_day(ASSAULT), _day(SECOND_DAY)]
    tripoli.plot(two_days, [20, 20], color=RECORD, linewidth=2.5, label="about 40 in two days (A16)")
    for axes in (killed, control, tripoli):
        axes.axvline(_day(ASSAULT), color=GREY, linewidth=0.6, linestyle=(0, (2, 2)), zorder=0)
        axes.legend(loc="center right")
    dated(tripoli)
    return noted(titled(picture, "The battle: median, middle 50 % and 80 % of the runs"), NOTE)


def _rounds(runs: Sequence[Seen]) -> Figure:
    """Draw the killed in Tripoli added up, and how many rounds there were, beside the record."""
    picture = Figure(figsize=(7.2, 4.4), layout="constrained")
    added, rounds = picture.subplots(2, 1, height_ratios=[2, 1])
    whole = [{**seen, "added": np.cumsum(seen["killed"]).tolist()} for seen in runs]
    _fan(added, whole, "added", "killed in Tripoli, added up")
    _mark(added, date(2013, 3, 24), 91.5, "87 to 96 (press)", "s")
    added.legend(loc="upper left")
    dated(added)
    many = [len(seen["rounds"]) for seen in runs]
    rounds.hist(many, bins=np.arange(0, max([*many, 12]) + 2) - 0.5, color=RUNS, alpha=0.6)
    rounds.axvline(10, color=RECORD, label="10 in the record")
    rounds.set(xlabel="rounds of fighting in a run", ylabel="runs")
    rounds.legend()
    return noted(titled(picture, "Tripoli: median, middle 50 % and 80 % of the runs"), NOTE)


def _fan(axes: Axes, runs: Sequence[Seen], key: str, title: str) -> None:
    days = min(len(seen[key]) for seen in runs)
    if not days:
        return
    values = np.array([seen[key][:days] for seen in runs], dtype=np.float64)
    first = date.fromisoformat(runs[0]["first"])
    when = [_day(first + timedelta(days=day)) for day in range(days)]
    for share in BANDS if len(runs) > SHOWN_ALL else ():
        low, high = np.quantile(values, [(1 - share) / 2, (1 + share) / 2], axis=0)
        axes.fill_between(when, low, high, color=RUNS, alpha=0.2, linewidth=0)
    axes.plot(when, np.median(values, axis=0), color=RUNS, linewidth=1.2)
    axes.set_title(title)


def _mark(axes: Axes, day: date, height: float, label: str, marker: str) -> None:
    axes.plot([_day(day)], [height], color=RECORD, marker=marker, linestyle="none", markersize=5, label=label, zorder=5)


def _day(day: date) -> Any:
    return np.datetime64(day, "D")


# --- how large events are ------------------------------------------------------------------------------


def _sizes(sizes: dict[str, NDArray[np.int64]]) -> Figure:
    """Draw the share of events at least as large, with the fitted tail."""
    picture = Figure(figsize=(3.6 * len(sizes), 3.4), layout="constrained")
    for axes, (place, values) in zip(picture.subplots(1, len(sizes), squeeze=False)[0], sizes.items(), strict=True):
        size, at_least = _survival(values)
        axes.loglog(
            size, at_least, color=RUNS, marker=".", linestyle="none", label=f"{len(values):,} events of all runs"
        )
        _draw_tail(axes, values)
        axes.set(title=place, xlabel="killed in an event (one dyad, place and day)", ylabel="share at least as large")
        axes.legend(loc="lower left")
    return noted(picture, NOTE)


def _survival(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], Float]:
    size, counts = np.unique(values, return_counts=True)
    return size, counts[::-1].cumsum()[::-1] / counts.sum()


def _draw_tail(axes: Axes, values: NDArray[np.int64]) -> None:
    from scipy.special import zeta

    try:
        tail = tails.fit(values)
    except tails.NoTail:
        return
    x = np.unique(np.geomspace(float(tail.x_min), float(values.max()), 40).round())
    share = tail.n_tail / tail.n * zeta(tail.alpha, x) / zeta(tail.alpha, tail.x_min)
    axes.loglog(x, share, color=RECORD, linewidth=1.2, label=f"exponent {tail.alpha:.2f} from {tail.x_min}")
