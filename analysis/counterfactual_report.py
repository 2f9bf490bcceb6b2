"""What a comparison of two worlds says, for a person and for programs."""

from __future__ import annotations

import csv
import io
from math import isfinite
from textwrap import fill
from typing import TYPE_CHECKING, Any

from analysis.numbers import short
from analysis.paired import LEVEL, MEASURED_ON

if TYPE_CHECKING:
    from analysis.counterfactual import Comparison, Row

FORMAT = "spillover-comparison-1"
COLUMNS = "  {:20}{:14}{:12}{:>11}{:>11}{:>11}  {:>21}{:>8}  {}"
WIDTH = 118


def as_dict(found: Comparison) -> dict[str, Any]:
    """Return the comparison for JSON."""
    return {
        "format": FORMAT, "a": found.a.id, "b": found.b.id, "identical": found.identical,
        "measures": [row.as_dict() for row in found.rows if not _is_empty(row)],
        "seeds": len(found.pairs), "interval": f"{LEVEL:.0%} {found.kind}, paired", "samples": found.samples,
        "variance_factor": {
            "independent_seeds": found.pooled(found.against_independent).as_dict(),
            "shared_stream": {**found.pooled(found.against_shared).as_dict(), "seeds": len(found.tried)},
            "by_measure": [
                {
                    "measure": row.key.measure, "place": row.key.place, "community": row.key.community,
                    "independent_seeds": row.against_independent.as_dict(),
                    "shared_stream": row.against_shared.as_dict(),
                }
                for row in found.rows if not _is_empty(row)
            ],
        },
        "who": found.who(), "failed": found.failed,
    }  # fmt: skip


def _is_empty(row: Row) -> bool:
    """Say whether nothing of it ever happened in either world."""
    return row.mean_a == row.mean_b == row.difference == row.low == row.high == 0.0


def told(found: Comparison) -> str:
    """Return the comparison for a person."""
    shown = [row for row in found.rows if not _is_empty(row)]
    moved = [row for row in shown if not row.difference == row.low == row.high == 0.0]
    lines = [
        f"{found.a.title} ({found.a.id}, A) beside {found.b.title} ({found.b.id}, B): "
        f"{len(found.pairs):,} pairs of runs with the same luck"
        + (f", over {found.samples:,} samples of the parameters" if found.samples else ""), "",
    ]  # fmt: skip
    if found.identical:
        lines += ["The two worlds are the same to the bit in every pair.", ""]
    lines.append(COLUMNS.format("measure", "place", "community", "A", "B", "A - B", f"{LEVEL:.0%}", "A > B", ""))
    before = ""
    for row in moved:
        lines += [""] if before and row.key.measure != before else []
        before = row.key.measure
        lines.append(_line(row))
    if len(shown) > len(moved):
        lines += ["", f"  {len(shown) - len(moved)} more rows are the same in A and B in every pair."]
    notes = [_intervals(found), *_what_pairing_buys(found), *_who_differs(found)]
    notes.append("Runs of a simulation, not a forecast: what the model says, given its parameters.")
    return "\n".join(line.rstrip() for line in [*lines, "", *(fill(note, WIDTH) for note in notes)])


def _line(row: Row) -> str:
    ends = f"{short(row.low)} to {short(row.high)}" if isfinite(row.low) else "-"
    note = "indistinguishable from zero" if row.indistinguishable else ""
    return COLUMNS.format(
        row.key.measure, row.key.place or "all", row.key.community or "all", short(row.mean_a), short(row.mean_b),
        short(row.difference), ends, f"{row.share_a_greater:.0%}", note,
    )  # fmt: skip


def _intervals(found: Comparison) -> str:
    how = "bootstrap over pairs (BCa)" if found.kind == "bootstrap" else "Student's t over pairs"
    rows = sum(1 for row in found.rows if not _is_empty(row))
    return (
        f"Intervals: {LEVEL:.0%}, of the mean difference, {how}, each for its row alone: of {rows} rows about "
        f"{rows * (1.0 - LEVEL):.0f} would seem to differ if none did."
    )


def _what_pairing_buys(found: Comparison) -> list[str]:
    """Say how many times fewer runs keyed draws need."""
    named = (
        (found.against_independent, "independent seeds", len(found.pairs)),
        (found.against_shared, "same-seed pairs on one shared stream", len(found.tried)),
    )
    said = []
    for ratio, what, pairs in named:
        factor = found.pooled(ratio)
        if factor.factor is None:
            why = "no difference varies" if pairs >= MEASURED_ON else f"fewer than {MEASURED_ON} pairs"
            said.append(f"Variance against {what}: not measured ({why}).")
            continue
        low, high = (1.0 if end is None else end for end in (factor.low, factor.high))
        verdict = (
            "" if low > 1.0 else " It does not help here." if high < 1.0 else " Too few pairs to tell if it helps."
        )
        said.append(
            f"Variance against {what}: {_times(factor.factor)} times smaller ({_times(factor.low)} to "
            f"{_times(factor.high)}; median over measures and places, {pairs} pairs).{verdict}"
        )
    return said


def _times(factor: float | None) -> str:
    return "infinitely many" if factor is None else f"{factor:.2g}"


def _who_differs(found: Comparison) -> list[str]:
    return [
        f"Of the residents of {one['place']}, {one['harm'] if one['harm'] == 'killed' else 'killed or wounded'}: "
        f"{one['only_a']:.3g} in A alone, {one['only_b']:.3g} in B alone, {one['both']:.3g} in both (means over pairs; "
        "each resident is followed in both worlds)."
        for one in found.who()
    ]


def every_pair(found: Comparison) -> str:
    """Return what each pair came to, as CSV: a row a world."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["seed", "world", *(key.name for key in found.keys)])
    for pair in found.pairs:
        for world in ("a", "b", *(["shared"] if pair.shared else [])):
            writer.writerow([pair.seed, world, *(f"{getattr(pair, world)[key]:g}" for key in found.keys)])
    return table.getvalue()
