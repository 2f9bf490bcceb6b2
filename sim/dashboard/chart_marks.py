"""What was reported, as marks on a chart: a scenario's benchmarks, and the register's numbers that it encodes.

Of the register's claims those mark a chart that report a number or a state, not those whose figure merely tells
whether something happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from sim import claims
from sim.dashboard.chart_spec import ChartSpec, Curve, Mark

if TYPE_CHECKING:
    from sim.scenario import Scenario

Days = tuple[date, date]

COUNTS = ("killed", "wounded", "faction_killed", "faction_wounded")
REPORTED = ("number", "state")
"""Kinds of claims that report how many there were, or how things stood."""

LEVEL_READ = ("first", "last", "max", "min")
"""Ways of the register to read a level over some days: in their first step, their last one, or all of them."""


@dataclass(frozen=True)
class Reported:
    """A number that was reported of some days (None: of the whole run), and of whom."""

    claim: str
    text: str
    by: str
    measure: str
    unit: str
    whom: tuple[str | None, ...]  # place, neighbourhood, community, faction
    how: str
    days: Days | None
    low: float | None
    high: float | None
    point: float | None


def marked(specs: Iterable[ChartSpec], scenario: Scenario) -> Iterator[ChartSpec]:
    """Yield the charts with what was reported of their curves."""
    reported = [*_benchmarks(scenario), *_register(scenario)]
    for spec in specs:
        yield replace(spec, marks=tuple(_marks(spec, reported, scenario)))


def _marks(spec: ChartSpec, reported: Iterable[Reported], scenario: Scenario) -> Iterator[Mark]:
    for one in reported:
        for number, curve in enumerate(spec.curves):
            steps = _steps(one, scenario) if _is_of(one, curve) and _fits(one, spec) else None
            if steps is not None:
                since = spec.reading == "total"
                yield Mark(number, *steps, one.low, one.high, one.point, since, one.claim, _words(one))


def _is_of(one: Reported, curve: Curve) -> bool:
    whom = (curve.place, curve.neighbourhood, curve.community, curve.faction)
    return not curve.channel and one.measure == curve.measure and one.whom == whom


def _fits(one: Reported, spec: ChartSpec) -> bool:
    """Tell whether a chart reads a measure as the report does; what was counted over days is not a day's."""
    if one.how == "sum":
        a_day = one.days is not None and one.days[0] == one.days[1]
        return spec.reading == "total" or (spec.reading == "daily" and a_day)
    return spec.reading == "level"


def _steps(one: Reported, scenario: Scenario) -> tuple[int, int] | None:
    """Return the first and the last step that a report is of; None where the run does not have them all."""
    first, last = 0, scenario.steps - 1
    if one.days is not None:
        first = scenario.step_of(datetime.combine(one.days[0], time()))
        last = scenario.step_of(datetime.combine(one.days[1] + timedelta(days=1), time())) - 1
    if not 0 <= first <= last < scenario.steps:
        return None
    return {"first": (first, first), "last": (last, last)}.get(one.how, (first, last))


# --- what was reported ----------------------------------------------------------------------------------------


def _benchmarks(scenario: Scenario) -> Iterator[Reported]:
    for given in scenario.file.benchmarks.values():
        share = given.measure == "control"
        yield Reported(
            claim=given.claim, text=given.text, by=given.by, measure=given.measure, unit="1" if share else "people",
            whom=(given.place, None, None, given.faction), how="last" if share else "sum",
            days=_days(scenario, given.window), low=given.low, high=given.high, point=given.point,
        )  # fmt: skip


def _register(scenario: Scenario) -> Iterator[Reported]:
    if scenario.model != "theatre":
        return
    encoded = claims.encoded(scenario)
    for name, claim in claims.register().items():
        if name in encoded and claim.kind in REPORTED:
            asked = (figure for figure in claim.figures if isinstance(figure, claims.Recorded))
            yield from (_asked(name, claim, figure, scenario) for figure in asked if _is_drawable(figure, scenario))


def _is_drawable(figure: claims.Recorded, scenario: Scenario) -> bool:
    """Tell whether a figure of the register is one level or one count, compared with something."""
    known = figure.window is None or figure.window in scenario.file.windows
    one = isinstance(figure.series, str) and figure.minus is None
    is_read = figure.how in LEVEL_READ or (figure.how == "sum" and figure.series in COUNTS)
    return known and one and is_read and (figure.low, figure.high, figure.point) != (None, None, None)


def _asked(name: str, claim: claims.Claim, figure: claims.Recorded, scenario: Scenario) -> Reported:
    label = f"{figure.label[0].upper()}{figure.label[1:]}"
    return Reported(
        claim=name, text=f"{claim.text} {label}", by=claim.by, measure=str(figure.series), unit=figure.unit,
        whom=(figure.place, figure.neighbourhood, figure.community, figure.faction), how=figure.how,
        days=figure.days or _days(scenario, figure.window), low=figure.low, high=figure.high, point=figure.point,
    )  # fmt: skip


def _days(scenario: Scenario, window: str | None) -> Days | None:
    if window is None:
        return None
    given = scenario.file.windows[window]
    return given.first, given.last


# --- in words -------------------------------------------------------------------------------------------------


def _words(one: Reported) -> str:
    """Say what was reported, by whom, of when."""
    unit = "of 1" if one.unit == "1" else one.unit
    return f"{one.claim}, {one.by}: {one.text}: {_range(one)} {unit}{_when(one.days)}"


def _range(one: Reported) -> str:
    low, high, point = one.low, one.high, one.point
    between = f"{low:g} to {high:g}" if low is not None and high is not None and low != high else ""
    if point is not None:
        return f"{point:g} ({between})" if between else f"{point:g}"
    if between or low == high:
        return between or f"{low:g}"
    return f"at least {low:g}" if low is not None else f"at most {high:g}"


def _when(days: Days | None) -> str:
    if days is None:
        return ""
    first, last = days
    if first == last:
        return f", {last.day} {last:%B %Y}"
    same = (first.year, first.month) == (last.year, last.month)
    return f", {first.day}{'' if same else f' {first:%B %Y}'} to {last.day} {last:%B %Y}"
