"""How pictures of analysis look, and how they are kept: the same picture the same file.

Colours are Okabe and Ito's, which people with any colour vision can tell apart; what was recorded is orange, and what
was run is blue.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#666666")
RUNS, RECORD, SECOND, AMBER = PALETTE[0], PALETTE[1], PALETTE[2], PALETTE[4]
INK, GREY, PALE = "#222222", "#777777", "#F0F0F0"
STYLE: Any = {
    "font.size": 8.0, "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6,
    "axes.titlesize": 9.0, "axes.titleweight": "bold", "axes.titlelocation": "left", "legend.frameon": False,
    "legend.fontsize": 7.0, "figure.titlesize": 9.0, "figure.titleweight": "bold", "savefig.dpi": 160,
    "svg.hashsalt": "spillover", "svg.fonttype": "none", "pdf.fonttype": 42,
}  # fmt: skip
FARTHEST = 2.5
"""Greatest widths from a target at which a figure is put at the edge."""
KINDS = ("png", "svg")
UNDATED: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""What is left out of a file, by its kind, so that it tells what is drawn and not when."""


def saved(pictures: Iterable[tuple[str, Figure]], folder: Path, kinds: Iterable[str] = KINDS) -> list[Path]:
    """Draw pictures in our style, as their names are asked for, and write them into a folder; return the files."""
    made: list[Path] = []
    with mpl.rc_context(STYLE):
        for name, picture in pictures:
            for kind in kinds:
                made.append(folder / f"{name}.{kind}")
                picture.savefig(made[-1], metadata=UNDATED[kind])
    return made


def titled(picture: Figure, title: str) -> Figure:
    """Write a title above a picture."""
    picture.suptitle(title, x=0.01, ha="left")
    return picture


def noted(picture: Figure, note: str) -> Figure:
    """Write a note below a picture."""
    picture.supxlabel(note, fontsize=6.5, color="#444444", x=0.01, ha="left")
    return picture


def lay_out_distances(axes: Axes, rows: Sequence[str], of: str) -> None:
    """Make room for rows of distances from `of`, in greatest widths; grey is what is within one."""
    axes.axvspan(-0.5, 0.5, color=PALE, zorder=0)
    axes.axvline(0, color=GREY, linewidth=0.6, zorder=0)
    axes.set_yticks(range(len(rows)), rows, fontsize=6.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(-FARTHEST, FARTHEST)
    axes.set_xlabel(f"away from {of}, in greatest widths", fontsize=7)


def dated(axes: Axes, least: int = 4, most: int = 10) -> None:
    """Let the horizontal axis tell days, so many at least and at most."""
    locator = AutoDateLocator(minticks=least, maxticks=most)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
