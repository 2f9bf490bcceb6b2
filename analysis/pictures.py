"""How pictures of analysis look, and how they are kept: as PNG and as SVG, the same picture the same file.

Colours are Okabe and Ito's, which people with any colour vision can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

RUNS, RECORD, SECOND, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
STYLE: Any = {
    "font.size": 8.0, "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6,
    "axes.titlesize": 9.0, "axes.titleweight": "bold", "axes.titlelocation": "left", "legend.frameon": False,
    "legend.fontsize": 7.0, "savefig.dpi": 160, "svg.hashsalt": "spillover", "svg.fonttype": "none",
}  # fmt: skip
KINDS = ("png", "svg")


def saved(pictures: Iterable[tuple[str, Figure]], folder: Path) -> list[Path]:
    """Draw pictures in our style, as their names are asked for, and write them into a folder; return the files."""
    made: list[Path] = []
    with mpl.rc_context(STYLE):
        for name, picture in pictures:
            for kind in KINDS:
                made.append(folder / f"{name}.{kind}")
                picture.savefig(made[-1], metadata={"Date": None} if kind == "svg" else None)
    return made


def noted(picture: Figure, note: str) -> Figure:
    """Write a note below a picture."""
    picture.supxlabel(note, fontsize=6.5, color="#444444", x=0.01, ha="left")
    return picture
