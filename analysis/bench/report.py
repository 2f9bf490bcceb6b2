"""The benchmark as a page, ratios first, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from analysis.bench.machine import SHOWN, Machine
from analysis.bench.measuring import Figure, Found, Sample, Skipped

FORMAT = 1
TITLES = {
    "residents": "Residents' hour",
    "theatre": "The battle of Qusayr",
    "startup": "The command",
    "sweep": "A sweep",
    "peers": "Epstein's rule",
    "countries": "Two countries, everyone modelled",
    "draws": "What keyed draws buy: what the interventions do",
    "dashboard": "The dashboard, in a headless browser",
}


def as_dict(machine: Machine, mode: str, found: Sequence[Found], seconds: float) -> dict[str, Any]:
    """Return everything that was found."""
    return {
        "format": FORMAT,
        "mode": mode,
        "machine": machine.as_dict(),
        "seconds": round(seconds, 1),
        "figures": [_figure(one) for one in found if isinstance(one, Figure)],
        "skipped": [
            {"subject": one.subject, "what": one.what, "why": one.why} for one in found if isinstance(one, Skipped)
        ],
    }


def _figure(one: Figure) -> dict[str, Any]:
    return {
        "subject": one.subject,
        "key": one.key,
        "what": one.what.strip(),
        "unit": one.unit,
        **_sampled(one.sample),
        "interval": None if one.interval is None else [end if isfinite(end) else None for end in one.interval],
        "goal": None if one.goal is None else {one.goal.sense.replace(" ", "_"): one.goal.bound},
        "met": None if one.goal is None else one.goal.met(one.sample.median),
        "note": one.note,
        "kept": None if one.kept is None else {**_sampled(one.kept), "unit": one.kept_unit},
    }


def _sampled(sample: Sample) -> dict[str, Any]:
    return {"median": sample.median, "low": sample.low, "high": sample.high, "rounds": list(sample.values)}


def told(machine: Machine, mode: str, found: Sequence[Found], seconds: float) -> str:
    """Return the page."""
    figures = [one for one in found if isinstance(one, Figure)]
    skipped = [one for one in found if isinstance(one, Skipped)]
    page = [*_heading(machine, mode, seconds), "", "RATIOS (from turns taken in the same minutes)"]
    page += _table([one for one in figures if one.is_ratio])
    page += ["", "TIMES AND SIZES (of this machine on this day: context, not results)"]
    for subject in dict.fromkeys(one.subject for one in figures):
        rows = [one for one in figures if one.subject == subject and not one.is_ratio]
        if rows:
            page += ["", TITLES.get(subject, subject), *_table(rows)]
    if skipped:
        page += ["", "NOT MEASURED", *(f"  {one.what}: {one.why}" for one in skipped)]
    return "\n".join(page)


def _heading(machine: Machine, mode: str, seconds: float) -> list[str]:
    known = {"python": machine.versions.get("python", "")} | machine.versions
    about = ", ".join(f"{name} {known[name]}" for name in ("python", *SHOWN) if known.get(name))
    memory = f", {machine.memory_gb} GB" if machine.memory_gb else ""
    warning = ["OTHERS USE THIS MACHINE: wall times are too long by up to the load; go by CPU times and ratios"]
    return [
        f"spillover bench, {mode}: {seconds:.0f} s",
        f"{machine.kind}{memory}, {machine.system}; {about}; commit {machine.commit}, {machine.when}",
        f"load when it began: {machine.load:g}; each value is a median, its quartiles in brackets, or an "
        "estimate, its 95 % interval in them",
        *(warning if machine.busy else []),
    ]


def _table(rows: Sequence[Figure]) -> list[str]:
    cells = [(one.what, f"{shown(one.sample.median)} {one.unit}", _brackets(one), _goal(one), one.note)
             for one in rows]  # fmt: skip
    widths = [max((len(row[i]) for row in cells), default=0) for i in range(4)]
    return [
        f"  {what:<{widths[0]}}  {value:>{widths[1]}}  {spread:<{widths[2]}}  {goal:<{widths[3]}}  {note}".rstrip()
        for what, value, spread, goal, note in cells
    ]


def _brackets(one: Figure) -> str:
    if one.interval is not None:
        return "[{} to {}]".format(*map(shown, one.interval))
    return f"[{shown(one.sample.low)}–{shown(one.sample.high)}]" if len(one.sample.values) > 1 else ""


def _goal(one: Figure) -> str:
    if one.goal is None:
        return ""
    sign = {"at most": "≤", "at least": "≥"}[one.goal.sense]
    return f"{sign} {shown(one.goal.bound)}: {'yes' if one.goal.met(one.sample.median) else 'NO'}"


def shown(value: float) -> str:
    """Return three digits of a number, or all of them before the point."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}"
