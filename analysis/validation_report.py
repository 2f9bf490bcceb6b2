"""What a validation says: the table for a person, and everything for programs."""

from __future__ import annotations

from math import isfinite
from textwrap import fill
from typing import TYPE_CHECKING, Any

from analysis.numbers import or_none
from analysis.patterns import COUNTING, FAILS, HOLDS, UNTOLD, WIDE, Family, Found, Judged, Reported

if TYPE_CHECKING:
    from analysis.validation import Validation

FORMAT = "spillover-validation-1"
STATEMENT = (
    "This is not a forecast. It sets what runs of a simulation have beside what was recorded of May and June 2013 and "
    "of Tripoli from 2011 to 2013. The record is thin: one battle and ten rounds of fighting, press counts and claims "
    "that contradict each other, and event data that hold about half of what happened. Its numbers are bounds rather "
    "than measurements. Inputs and structural patterns say nothing about the model, fitted ones that it can be made to "
    "agree; only those held out say that it may be right, and for this one battle."
)
ROW = "{:6}{:58}{:11}{:14}{:>8}  {:>15}{:>8}{:>9}{:>7}  {}"
WIDEST = 140


def told(found: Validation) -> str:
    """Return the table for a person."""
    lines = [fill(STATEMENT, 118), "", _ran(found), ""]
    lines.append(
        ROW.format("", "figure", "label", "target", "median", "80 % of runs", "width", "at most", "score", "verdict")
    )
    for of in found.patterns:
        lines += ["", f"{of.pattern.id:6}{of.pattern.words}"]
        lines += [_row(one) for one in of.found]
        lines += [fill(of.note, WIDEST, initial_indent=" " * 8, subsequent_indent=" " * 8)] if of.note else []
    return "\n".join(line.rstrip() for line in [*lines, "", *_summary(found)])


def _ran(found: Validation) -> str:
    """Say what was run."""
    runs = ", ".join(f"{len(seen):,} {RUNS_CALLED[family]}" for family, seen in found.runs.items())
    names = ", ".join(scenario.id for scenario in found.scenarios.values())
    samples = (
        f", with {found.samples:,} samples of {found.posterior}" if found.samples else ", at the scenario's values"
    )
    return f"{names}{samples}: {runs}" + (f"; {len(found.failed)} failed" if found.failed else "")


RUNS_CALLED: dict[Family, str] = {
    "battle": "runs of the battle",
    "rounds": "runs of the rounds before",
    "worth": "draws of the roads",
    "pairs": "pairs without channels",
}


def _row(found: Found) -> str:
    figure = found.figure
    label = figure.label if figure.is_counted or figure.label not in COUNTING else f"({figure.label})"
    known = found.verdict != UNTOLD
    interval = f"{_short(found.low)} to {_short(found.high)}" if known else "–"
    numbers = (_short(found.median), interval, _short(found.width)) if known else ("–", "–", "–")
    score = f"{found.score:.2f}" if isfinite(found.score) else "–"
    return ROW.format(
        "", f"{figure.text} [{figure.unit}]"[:57], label, figure.target.told, *numbers,
        _short(figure.greatest_width), score, found.verdict,
    )  # fmt: skip


def _summary(found: Validation) -> list[str]:
    """Say how many of the patterns that count hold, and which do not."""
    counted = [of for of in found.patterns if of.is_counted]
    lines = [
        f"Of {len(counted)} patterns that count (fitted or held out), {len(found.counted(HOLDS))} hold.",
        *(f"  {verdict}: {', '.join(ids)}" for verdict in (FAILS, WIDE, UNTOLD) if (ids := found.counted(verdict))),
    ]
    if isfinite(found.together):
        lines.append(f"P1 to P4 at once, in one and the same run: {found.together:.0%} of the runs of the battle.")
    lines.append(
        "A label in brackets: put beside the record, not counted. Score: CRPS to the nearest of the target, in "
        "greatest widths; 0 is perfect."
    )
    return lines


def _short(number: float) -> str:
    if not isfinite(number):
        return "never" if number > 0 else "–"
    return f"{number:,.0f}" if abs(number) >= 100 or number == round(number) else f"{number:.2g}"


def as_dict(found: Validation) -> dict[str, Any]:
    """Return everything ready for JSON; what is not a number (never, not told) is null."""
    return {
        "format": FORMAT,
        "statement": STATEMENT,
        "scenarios": [{"id": of.id, "sha256": of.content_hash()} for of in found.scenarios.values()],
        "seeds": found.seeds,
        "posterior": found.posterior or None,
        "samples": found.samples,
        "runs": {family: len(seen) for family, seen in found.runs.items()},
        "failed": found.failed,
        "patterns": [_pattern(of) for of in found.patterns],
        "counted": {verdict: found.counted(verdict) for verdict in (HOLDS, FAILS, WIDE, UNTOLD)},
        "p1_to_p4_in_one_run": or_none(found.together),
    }


def _pattern(of: Judged) -> dict[str, Any]:
    pattern = of.pattern
    about = {"id": pattern.id, "words": pattern.words, "source": pattern.source, "counts": of.is_counted}
    return {**about, "verdict": of.verdict, "note": of.note, "figures": [_figure(one) for one in of.found]}


def _figure(found: Found) -> dict[str, Any]:
    figure = found.figure
    return {
        "name": figure.name,
        "text": figure.text,
        "unit": figure.unit,
        "label": figure.label,
        "counts": figure.is_counted,
        "target": _target(figure.target),
        "greatest_width": figure.greatest_width,
        "why": figure.why,
        "runs": found.runs,
        **{key: or_none(getattr(found, key)) for key in ("median", "low", "high", "width", "inside", "score")},
        "verdict": found.verdict,
        "values": [or_none(one) for one in found.values.tolist()],
    }


def _target(target: Any) -> dict[str, Any]:
    ends = {} if isinstance(target, Reported) else {key: or_none(end) for key, end in vars(target).items()}
    return {"told": target.told, "kind": type(target).__name__.lower(), **ends}
