"""What a prediction says: as tables for a person, and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.baselines import QUIET_DAYS
from analysis.prediction_scores import (
    BETTER,
    LEVEL,
    OPEN,
    WEEK_DAYS,
    WORSE,
    Difference,
    Forecast,
    Held,
    Marked,
    Score,
    spells,
)  # fmt: skip

if TYPE_CHECKING:
    from analysis.prediction import Prediction

FORMAT = "spillover-prediction-1"
ASKED_KEY = "killed_day_crps"
ASKED = ("constant rate", "same as last round")
"""What the model must beat on the killed a day."""

STATEMENT = (
    "This is a hindcast for checking the model and not a forecast of anything to come. Months that are past are "
    "predicted from one day on, given only what the scenario gives. One town and one stretch of months are a single "
    "sample of a conflict: differences below are about these days, and say little about others."
)
NAME, CELL = 34, 23
WIDTH = 118


def told(found: Prediction) -> str:
    """Return everything for a person."""
    parts = [fill(STATEMENT, WIDTH), _ran(found), _outlook(found)]
    if found.marks is None:
        parts.append(_weeks(found))
        parts.append("No observed data are named (--observed FILE): nothing is scored.")
    else:
        parts += [_scores(found, found.marks), _held(found, found.marks), _verdicts(found.marks)]
    return "\n\n".join(parts)


def _ran(found: Prediction) -> str:
    what = found.asked
    samples = f" with {found.samples:,} samples of {found.posterior}" if found.samples else " at its own values"
    failed = f"; {len(found.failed)} failed" if found.failed else ""
    runs = f"{len(found.model.killed):,} runs of {what.scenario.id}{samples}{failed}"
    lines = [f"{what.place}, {what.since} to {what.until}: {runs}", *(f"  {note}" for note in found.notes)]
    if found.record is not None:
        there = found.record.there
        left_out = int((~what.counts(what.dates)).sum())
        without = len(there) - int(there.sum()) - left_out
        lines.append(f"  {found.source}: {int(there.sum())} days count, {without} without data, {left_out} left out")
    return "\n".join(lines)


@dataclass(frozen=True)
class Outlook:
    """What paths have in all: median and interval."""

    killed: tuple[float, float, float]
    fighting_days: tuple[float, float, float]
    rounds: tuple[float, float, float]
    length: tuple[float, float, float]
    gap: tuple[float, float, float]


def outlook(one: Forecast, quiet_days: int = QUIET_DAYS) -> Outlook:
    """Return what the paths of a forecast have in all; lengths and gaps are of all rounds of all paths."""
    of = spells(one.fighting, quiet_days)
    columns = (one.killed.sum(axis=1), one.fighting.sum(axis=1), of.number, of.length, of.gap)
    return Outlook(*(_middle(column) for column in columns))


def _middle(values: NDArray[Any]) -> tuple[float, float, float]:
    if not len(values):
        return np.nan, np.nan, np.nan
    ends = [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2]
    low, median, high = np.quantile(values, ends, method="inverted_cdf")
    return float(median), float(low), float(high)


OUTLOOK = {
    "killed": "killed in all",
    "fighting_days": "days of fighting",
    "rounds": "rounds",
    "length": "length of a round, d",
    "gap": "gap between rounds, d",
}


def _outlook(found: Prediction) -> str:
    quiet = found.asked.scenario.file.reports.round_quiet_days
    views = {one.name: outlook(one, quiet) for one in found.forecasts}
    head = f"{f'median, {LEVEL:.0%} of the paths':{NAME}}" + "".join(f"{name:>{CELL}}" for name in views)
    return "\n".join([head, *(_outlook_row(key, text, views) for key, text in OUTLOOK.items())])


def _outlook_row(key: str, text: str, views: Mapping[str, Outlook]) -> str:
    cells = []
    for view in views.values():
        median, low, high = getattr(view, key)
        cells.append(f"{_short(median)} ({_short(low)} to {_short(high)})" if isfinite(median) else "none")
    return f"{text:{NAME}}" + "".join(f"{cell:>{CELL}}" for cell in cells)


def _weeks(found: Prediction) -> str:
    """Tell the forecast week by week."""
    row = "{:14}{:>30}{:>18}{:>22}"
    lines = [row.format("week from", "probability of fighting a day", "expected killed", f"{LEVEL:.0%} of the runs")]
    one = found.model
    for start in range(0, len(found.asked.dates), WEEK_DAYS):
        days = slice(start, start + WEEK_DAYS)
        killed = one.killed[:, days].sum(axis=1)
        _, low, high = _middle(killed)
        day = str(found.asked.dates[start])
        chance = f"{one.fighting[:, days].mean():.2f}"
        lines.append(row.format(day, chance, f"{killed.mean():.2f}", f"{_short(low)} to {_short(high)}"))
    return "\n".join(lines)


def _scores(found: Prediction, marks: Marked) -> str:
    names = [one.name for one in found.forecasts]
    head = f"{'mean loss (smaller is better)':{NAME}}{'entries':>8}" + "".join(f"{name:>{CELL}}" for name in names)
    lines = [head]
    for score in marks.scores:
        means = {name: float(np.mean(of)) for name, of in score.losses.items()}
        best = min((mean for mean in means.values() if isfinite(mean)), default=np.nan)
        cells = "".join(f"{_loss(means[name], best):>{CELL}}" for name in names)
        lines.append(f"{f'{score.text} [{score.unit}]':{NAME}}{score.entries:>8}{cells}")
    return "\n".join([*lines, "* the least of the row; – a forecaster without rounds"])


def _loss(mean: float, best: float) -> str:
    return f"{mean:.3f}{'*' if mean == best else ' '}" if isfinite(mean) else "–"


def _held(found: Prediction, marks: Marked) -> str:
    names = [one.name for one in found.forecasts]
    title = f"{LEVEL:.0%} interval: inside, width"
    lines = [f"{title:{NAME}}{'entries':>8}" + "".join(f"{name:>{CELL}}" for name in names)]
    for key in dict.fromkeys(one.key for one in marks.held):
        row = {one.forecaster: one for one in marks.held if one.key == key}
        first = row[names[0]]
        cells = "".join(f"{_interval(row[name]):>{CELL}}" for name in names)
        lines.append(f"{first.text:{NAME}}{first.entries:>8}{cells}")
    note = "With many quiet days the interval of a day holds nearly always; weeks, months and rounds can fail."
    return "\n".join([*lines, note])


def _interval(one: Held) -> str:
    if one.entries == 1:
        return f"{'inside' if one.inside else 'outside'} {_short(one.low)} to {_short(one.high)}"
    return f"{one.inside:.0%}, {one.width:.2f}"


def _verdicts(marks: Marked) -> str:
    """Say plainly where the model beats which baseline and where not."""
    lines = ["Where the model beats which baseline, and where not (mean loss of the model less the baseline's,"]
    lines.append("95 % interval by block bootstrap over these days; below 0 the model is better):")
    for score in marks.scores:
        lines.append(f"  {score.text} [{score.unit}]")
        lines += [_verdict(one) for one in marks.differences if one.key == score.key]
    return "\n".join([*lines, "", *_asked_for(marks)])


SAID = {BETTER: "the model beats it", WORSE: "it beats the model", OPEN: "cannot be told apart"}


def _verdict(one: Difference) -> str:
    between = f"{one.difference:+.3f} ({one.low:+.3f} to {one.high:+.3f})" if isfinite(one.low) else _alone(one)
    return f"    {one.baseline:28}{between:32}{SAID.get(one.verdict) or _nearer(one)}"


def _alone(one: Difference) -> str:
    return f"{one.difference:+.3f}" if isfinite(one.difference) else "–"


def _nearer(one: Difference) -> str:
    if not isfinite(one.difference):
        return "one of them has no rounds"
    who = "as near" if one.difference == 0 else "the model is nearer" if one.difference < 0 else "it is nearer"
    return f"{who}; too few to tell more"


def _asked_for(marks: Marked) -> list[str]:
    """Say whether the model does what is asked of it: beat the two plainest on killed a day, by CRPS."""
    rows = [one for one in marks.differences if one.key == ASKED_KEY]
    won = [one.baseline for one in rows if one.difference < 0]
    lost = [one.baseline for one in rows if one.difference >= 0]
    sure = [one.baseline for one in rows if one.verdict == BETTER]
    but = f"; not lower than {_listed(lost)}" if lost else ""
    lines = [f"Killed a day, mean CRPS: lower than {_listed(won)}{but}."]
    lines.append(f"Beyond what the luck of these days allows: lower than {_listed(sure)}.")
    missing = [name for name in ASKED if name not in won]
    lines.append(
        f"Asked of it, to beat {_listed(ASKED)}: " + (f"no, not {_listed(missing)}." if missing else "it does.")
    )
    return lines


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) if names else "none"


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 or number == round(number) else f"{number:.3g}"


# --- for programs --------------------------------------------------------------------------------------


def as_dict(found: Prediction) -> dict[str, Any]:
    """Return everything ready for JSON; what is not known is null."""
    what = found.asked
    quiet = what.scenario.file.reports.round_quiet_days
    return {
        "format": FORMAT,
        "statement": STATEMENT,
        "scenario": {"id": what.scenario.id, "sha256": what.scenario.content_hash()},
        "place": what.place,
        "since": str(what.since),
        "until": str(what.until),
        "excluded": [[str(first), str(last)] for first, last in what.excluded],
        "runs": len(found.model.killed),
        "posterior": found.posterior or None,
        "samples": found.samples,
        "observed": found.source or None,
        "notes": found.notes,
        "failed": found.failed,
        "interval": LEVEL,
        "outlook": {one.name: vars(outlook(one, quiet)) for one in found.forecasts},
        "days": {name: _plain(column) for name, column in daily(found).items()},
        "scores": None if found.marks is None else [_score(one) for one in found.marks.scores],
        "intervals": None if found.marks is None else [_finite(vars(one)) for one in found.marks.held],
        "differences": None if found.marks is None else [_finite(vars(one)) for one in found.marks.differences],
    }


def _score(one: Score) -> dict[str, Any]:
    means = {name: float(np.mean(of)) for name, of in one.losses.items()}
    return {"key": one.key, "text": one.text, "unit": one.unit, "entries": one.entries, "mean": _finite(means)}


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and not isfinite(value) else value for key, value in row.items()}


def daily(found: Prediction) -> dict[str, Any]:
    """Return the forecast day by day, and what is known of the day."""
    low, high = np.quantile(found.model.killed, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    columns: dict[str, Any] = {
        "date": found.asked.dates.astype(str),
        "probability_of_fighting": found.model.fighting.mean(axis=0),
        "expected_killed": found.model.killed.mean(axis=0),
        "killed_low": low,
        "killed_high": high,
    }
    if found.record is not None:
        columns |= {"observed_fighting": found.record.fighting, "observed_killed": found.record.killed}
    return columns


def _plain(column: NDArray[Any]) -> list[Any]:
    return [None if isinstance(value, float) and not isfinite(value) else value for value in column.tolist()]
