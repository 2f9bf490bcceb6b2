"""Earlier benchmarks, one a line, and whether the present one is slower than they were.

    date,commit,machine,mode,python,numpy,numba,mesa,<figure>,<figure>,…

Each figure is kept free of the machine's speed as far as a yardstick can make it so (`Figure.kept`): a ratio,
bytes of triad, beats, starts of an empty Python. Columns of figures come and go with the benchmark; an
empty cell means that it was not measured.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.bench.machine import ROOT, SHOWN, Machine
from analysis.bench.measuring import Figure, Found
from sim.console import Refused
from sim.keeping import put

USUAL = ROOT / "benchmarks" / "history.csv"
FIXED = ("date", "commit", "machine", "mode", "python", *SHOWN)
LAST = 8
"""Entries that the present is held against."""
SLACK_SAME, SLACK_OTHER = 0.15, 0.40
"""Share by which a figure may be worse without a word: on the same kind of machine, and on another kind."""
FEW = 3
"""With fewer entries their scatter is not known, and twice as much passes without a word."""
NOISES = 3.0
"""How many times the scatter of the entries, and of the present rounds, it may be worse besides."""
MAD_TO_SIGMA = 1.4826

Row = dict[str, str]


@dataclass(frozen=True)
class Verdict:
    """How a figure stands to earlier ones."""

    key: str
    what: str
    unit: str
    now: float
    before: float  # median of the entries
    entries: int
    worse: float  # 0.2: a fifth slower; below 0: faster
    allowed: float

    @property
    def slower(self) -> bool:
        """Whether it is slower beyond noise."""
        return self.worse > self.allowed

    def told(self) -> str:
        """Say so."""
        change = f"{abs(self.worse):.0%} {'worse' if self.worse > 0 else 'better'}"
        return (
            f"{self.what.strip()}: {change} than the last {self.entries} "
            f"({self.now:.4g} against {self.before:.4g} {self.unit}; up to {self.allowed:.0%} is noise)"
        )


def read(path: Path) -> list[Row]:
    """Return the entries of a history; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, restval="")
        missing = [name for name in FIXED if name not in (reader.fieldnames or ())]
        if missing:
            raise Refused(f"{path}: not a history of benchmarks: there is no column {', '.join(missing)}")
        rows = list(reader)
    if any(None in row for row in rows):
        raise Refused(f"{path}: a line has more values than the first line has columns")
    return rows


def entry(machine: Machine, mode: str, found: Iterable[Found]) -> Row:
    """Return the line that remembers a benchmark."""
    kept = {one.key: f"{one.kept.median:.5g}" for one in _kept(found) if one.kept is not None}
    packages = {name: machine.versions.get(name, "") for name in ("python", *SHOWN)}
    return {
        "date": machine.when, "commit": machine.commit, "machine": machine.kind, "mode": mode, **packages, **kept,
    }  # fmt: skip


def append(path: Path, row: Row) -> None:
    """Add a line; where the figures are others than before, the whole table gets their columns."""
    rows = [*read(path), row]
    columns = list(dict.fromkeys([*FIXED, *(key for one in rows for key in one)]))
    path.parent.mkdir(parents=True, exist_ok=True)
    table = io.StringIO()
    writer = csv.DictWriter(table, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    put(path, table.getvalue())


def against(rows: Sequence[Row], machine: Machine, mode: str, found: Iterable[Found]) -> list[Verdict]:
    """Hold what was found against the last entries of the same mode: of this kind of machine, if there are any."""
    alike = [row for row in rows if row["mode"] == mode]
    here = [row for row in alike if row["machine"] == machine.kind]
    base, slack = (here, SLACK_SAME) if here else (alike, SLACK_OTHER)
    verdicts = [_verdict(one, base, slack) for one in _kept(found)]
    return [verdict for verdict in verdicts if verdict is not None]


def _kept(found: Iterable[Found]) -> list[Figure]:
    return [one for one in found if isinstance(one, Figure) and one.kept is not None]


def _verdict(one: Figure, rows: Sequence[Row], slack: float) -> Verdict | None:
    before = np.array([float(row[one.key]) for row in rows if row.get(one.key)][-LAST:])
    if before.size == 0 or one.kept is None:
        return None
    centre, now = float(np.median(before)), one.kept.median
    scatter = MAD_TO_SIGMA * float(np.median(np.abs(before - centre))) / centre
    ratio = centre / now if one.more_is_better else now / centre
    slack = slack if before.size >= FEW else 2 * slack
    allowed = slack + NOISES * max(scatter, _standard_error(one.kept.values))
    return Verdict(one.key, one.what, one.kept_unit, now, centre, before.size, ratio - 1.0, allowed)


def _standard_error(values: Sequence[float]) -> float:
    """Return the relative error of a median of so many rounds, as their median deviation gives it."""
    sample = np.array(values)
    centre = float(np.median(sample))
    deviation = MAD_TO_SIGMA * float(np.median(np.abs(sample - centre)))
    return deviation / centre / math.sqrt(sample.size) if centre else 0.0


def told(verdicts: Sequence[Verdict], path: Path) -> str:
    """Say what is slower than it was, or that nothing is."""
    if not verdicts:
        return f"{path}: no entry to hold this against"
    slower = [verdict.told() for verdict in verdicts if verdict.slower]
    entries = max(verdict.entries for verdict in verdicts)
    if not slower:
        return f"nothing is slower than in the last {entries}, of {len(verdicts)} figures"
    return "\n".join([f"{len(slower)} of {len(verdicts)} figures are slower beyond noise:", *slower])


def as_dicts(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Return the verdicts as JSON has them."""
    return [
        {"key": v.key, "now": v.now, "before": v.before, "entries": v.entries, "worse": v.worse,
         "allowed": v.allowed, "slower": v.slower}
        for v in verdicts
    ]  # fmt: skip
