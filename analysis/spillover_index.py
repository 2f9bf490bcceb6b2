"""Measures of spillover that a reviewer expects, from incidents alone: only what came after what is asked.

    spillover run qusayr-2013 --out runs/one
    spillover index runs/one --from qusayr --to tripoli

For each run: the correlation of daily incidents in one place with those in another so many days later, beside what
shifting one series around in time gives (`analysis.timing`); and a Hawkes process of both places, in which incidents
in each excite later ones in each, over a background that may change (`analysis.hawkes`). The background is fitted
constant and with knots ever closer together, with and without more spread than Poisson's, and the fit with the least
AIC is the one that is told, beside the others: a rate that swells in both places looks like contagion to a constant
background. Contagion is called distinguishable only where the interval of n[to, from] under that fit leaves zero and
records simulated without it have as much of it in at most one of twenty.

These say what such an index would say of a run. In a run the cause is known; `spillover compare` finds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from analysis import hawkes, timing
from analysis.hawkes import Family, Fit, Goodness, Interval
from analysis.numbers import or_none
from analysis.options import AsJson
from analysis.timing import LaggedCorrelation
from analysis.workers import Collected, each
from sim.console import DONE, FAILED, Refused, complain, counting, nearest

if TYPE_CHECKING:
    from sim.runs import Result
    from sim.scenario import Scenario

Float = NDArray[np.float64]
Int = NDArray[np.int64]

FORMAT = "spillover-index-1"
FEWEST_DAYS, FEWEST_INCIDENTS = 20, 10
"""Below these nothing can be told: the standard error of a branching ratio is about 1/sqrt(incidents)."""
LONGEST_LAG = 14
SHIFTS = 999
LEVEL = 0.95
CLOSEST_KNOTS = 21
"""Days between knots of the background: with closer ones it may change as fast as contagion does."""
LONGEST_MEMORY = 7.0
"""Days: with a longer one contagion would follow a swell as well as the background does, and could take its place."""
FAMILIES: tuple[Family, ...] = ("poisson", "negative binomial")
RESAMPLES = 99
"""Records without contagion that the fitted one is held against."""
TARGET, SOURCE = 1, 0


@dataclass(frozen=True)
class Background:
    """How much seems contagious with one background."""

    knots_days: float
    family: Family
    aic: float
    branching: float  # n[to, from]


@dataclass(frozen=True)
class Index:
    """What incidents alone say of spillover from one place to another."""

    days: int
    incidents: tuple[int, int]  # from, to
    correlation: LaggedCorrelation
    fit: Fit
    knots_days: float
    branching: Interval  # n[to, from]
    p_value: float  # of that much contagion where there is none
    goodness: Goodness
    backgrounds: tuple[Background, ...]

    @property
    def leads_by(self) -> int:
        """The lag, 0 or more, at which the correlation is greatest."""
        ahead = self.correlation.lags >= 0
        return int(self.correlation.lags[ahead][np.argmax(self.correlation.value[ahead])])

    @property
    def correlation_there(self) -> float:
        """The correlation at that lag."""
        return float(self.correlation.value[self.correlation.lags == self.leads_by][0])

    @property
    def distinguishable(self) -> bool:
        """Say whether there is contagion beyond doubt."""
        return self.branching.low > 0.0 and self.p_value <= 1.0 - LEVEL

    def as_dict(self) -> dict[str, Any]:
        """Return the index for JSON."""
        c, fit = self.correlation, self.fit
        return {
            "days": self.days, "incidents_from": self.incidents[0], "incidents_to": self.incidents[1],
            "correlation": {
                "lag_days": self.leads_by, "value": self.correlation_there, "p_value": c.p_value,
                "distinguishable": c.distinguishable, "lags": c.lags.tolist(), "values": _plain(c.value),
                "low": _plain(c.low), "high": _plain(c.high),
            },
            "hawkes": {
                "branching": {
                    "from_to_to": fit.branching[TARGET, SOURCE], "low": self.branching.low, "high": self.branching.high,
                    "to_to_from": fit.branching[SOURCE, TARGET], "within_from": fit.branching[SOURCE, SOURCE],
                    "within_to": fit.branching[TARGET, TARGET],
                },
                "memory_days": _plain(fit.memory[:, 0]), "p_value": self.p_value,
                "distinguishable": self.distinguishable, "family": fit.setting.family,
                "knots_days": or_none(self.knots_days), "goodness_p_value": _plain(self.goodness.p_value),
                "residual_lag_one": _plain(self.goodness.lag_one),
                "backgrounds": [
                    {
                        "knots_days": or_none(one.knots_days), "family": one.family, "aic": one.aic,
                        "branching": one.branching,
                    }
                    for one in self.backgrounds
                ],
            },
        }  # fmt: skip


def _plain(values: Float) -> list[float | None]:
    return [or_none(value) for value in values.tolist()]


def index_of(source: Int, target: Int, *, lags: int | None = None, resamples: int = RESAMPLES, seed: int = 0) -> Index:
    """Return what daily incidents (days,) in two places say; raise ValueError where they are too few."""
    counts = np.column_stack([source, target]).astype(np.int64)
    days, totals = len(counts), counts.sum(axis=0).tolist()
    if days < FEWEST_DAYS or min(totals) < FEWEST_INCIDENTS:
        raise ValueError(
            f"{totals[0]} and {totals[1]} incidents in {days} days: at least {FEWEST_INCIDENTS} each are needed, "
            f"in {FEWEST_DAYS} days"
        )
    rng = np.random.default_rng(seed)
    longest = min(LONGEST_LAG, days // 4) if lags is None else lags
    farthest = min(days // 2, max(2 * longest, CLOSEST_KNOTS))
    across = np.arange(-longest, longest + 1)
    correlation = timing.cross_correlation(counts[:, 0], counts[:, 1], across, rng, SHIFTS, LEVEL, farthest)
    fits = {(knots, family): _fit(counts, knots, family) for family in FAMILIES for knots in knots_of(days)}
    (knots, _), best = min(fits.items(), key=lambda item: item[1].aic)
    return Index(
        days, (totals[0], totals[1]), correlation, best, knots,
        hawkes.interval(best, TARGET, SOURCE, LEVEL),
        hawkes.contagion_p_value(best, rng, TARGET, SOURCE, resamples), hawkes.goodness(best, rng),
        tuple(Background(k, f, fit.aic, float(fit.branching[TARGET, SOURCE])) for (k, f), fit in fits.items()),
    )  # fmt: skip


def _fit(counts: Int, knots: float, family: Family) -> Fit:
    shapes = hawkes.hats(len(counts), knots) if isfinite(knots) else hawkes.constant(len(counts))
    return hawkes.fit(counts, shapes, family, longest_memory=LONGEST_MEMORY)


def knots_of(days: int) -> list[float]:
    """Return the spacings of knots to try: none, half of the days, a quarter, … down to three weeks."""
    spacings, spacing = [inf], days / 2.0
    while spacing >= CLOSEST_KNOTS or len(spacings) == 1:
        spacings.append(spacing)
        spacing /= 2.0
    return spacings


# --- the incidents of a run --------------------------------------------------------------------------------------


def daily_incidents(result: Result, place: str) -> Int:
    """Return how many incidents in which somebody was hurt begin on each whole day of a run in a place."""
    import pandas as pd

    from sim.incidents import local_days

    columns, table = result.columns, result.incidents
    hurt = table["best"] + table["wounded_a"] + table["wounded_b"] + table["wounded_civilians"]
    began = local_days(pd.DatetimeIndex(table["date_start"][(table["place"] == place) & (hurt > 0)]))
    whole = int(np.count_nonzero(columns.hours_by_day > WHOLE_DAY_H))
    days = np.searchsorted(columns.dates, began)
    return np.bincount(days, minlength=len(columns.dates))[:whole].astype(np.int64)


WHOLE_DAY_H = 22.5
"""The day on which clocks go forward is whole."""


def places_of(scenario: Scenario, source: str | None, target: str | None) -> tuple[str, str]:
    """Return from where and to where, or refuse: the place of the first offensive, and the first quarters elsewhere."""
    file = scenario.file
    places = list(getattr(file, "places", {}))
    faults = [
        f"{option} {name}: no such place in {scenario.id}.{nearest(name, places)}"
        for option, name in (("--from", source), ("--to", target))
        if name is not None and name not in places
    ]
    if faults:
        raise Refused(*faults)
    assaulted = [event.place for event in getattr(file, "events", {}).values() if event.kind == "offensive"]
    source = source or (assaulted[0] if assaulted else None)
    lived_in = [quarter.place for quarter in getattr(file, "neighbourhoods", {}).values() if quarter.place != source]
    target = target or (lived_in[0] if lived_in else None)
    if source is None or target is None or source == target:
        raise Refused(f"{scenario.id}: from where to where? Name two places with --from and --to")
    return source, target


@dataclass(frozen=True)
class Read:
    """What a run folder says, or why it says nothing."""

    run: str
    scenario: str
    source: str
    target: str
    index: Index | None
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        said = {"run": self.run, "scenario": self.scenario, "from": self.source, "to": self.target}
        return {**said, **({"untold": self.why} if self.index is None else self.index.as_dict())}


@dataclass(frozen=True)
class Work:
    """Reads run folders; sent once to each worker."""

    source: str | None
    target: str | None
    lags: int | None
    seed: int

    def __call__(self, folder: str) -> Read:
        from sim.runs import load

        result = load(folder)
        source, target = places_of(result.scenario, self.source, self.target)
        counts = (daily_incidents(result, place) for place in (source, target))
        try:
            return Read(folder, result.scenario.id, source, target, index_of(*counts, lags=self.lags, seed=self.seed))
        except ValueError as error:
            return Read(folder, result.scenario.id, source, target, None, str(error))


# --- the command -------------------------------------------------------------------------------------------------


def index(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders that `run --out` has kept.")],
    source: Annotated[
        str | None, typer.Option("--from", metavar="PLACE", help="Where it comes from; the first offensive's place.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--to", metavar="PLACE", help="Where it goes to; the first quarters elsewhere.")
    ] = None,
    lags: Annotated[int | None, typer.Option(min=1, help="Longest lag in days; 14 or a quarter of the days.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Luck of the shifts and of simulated records.")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Processes that work at the same time.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Measure spillover from incidents alone: lagged correlation and a two-place Hawkes fit."""
    read = Collected[Read]()
    work, folders = Work(source, target, lags, seed), list(map(str, runs))
    with counting(len(folders), "runs", quiet=len(folders) == 1) as progress:
        # in a process of its own even where it is one: there the linear algebra of small fits keeps to one thread
        read.take(each(work, folders, workers=min(workers, max(len(folders), 2))), progress)
    if read.failures:
        raise Refused(*(failure.error.split(": ", 1)[-1] for failure in read.failures.values()))
    found = read.in_order
    if as_json:
        typer.echo(json.dumps({"format": FORMAT, "runs": [one.as_dict() for one in found]}, ensure_ascii=False))
    else:
        typer.echo(told(found))
    untold = [one for one in found if one.index is None]
    for one in untold:
        complain(f"{one.run}: {one.why}")
    raise typer.Exit(FAILED if len(untold) == len(found) else DONE)


def told(found: Sequence[Read]) -> str:
    """Return the indices for a person."""
    lines = [part for one in found if one.index is not None for part in _lines(one, one.index)]
    several = [one.index for one in found if one.index is not None]
    if len(several) > 1:
        lines += ["", f"over {len(several)} runs (median, middle 80 %): {_over(several)}"]
    note = (
        "n is how many incidents one incident is followed by on later days, on average. From incidents alone, a cause "
        "that both places share cannot be told from contagion, beyond what the background follows; `spillover compare` "
        "can tell."
    )
    return "\n".join([*lines, "", fill(note, 112)])


def _lines(read: Read, found: Index) -> list[str]:
    c, n = found.correlation, found.fit.branching
    knots = _knots(found.knots_days)
    others = ", ".join(f"{one.branching:.2f} ({_knots(one.knots_days)}, {one.family})" for one in found.backgrounds)
    good = ", ".join(f"{p:.2f}" for p in found.goodness.p_value)
    return [
        f"{read.run} ({read.scenario}): {read.source} to {read.target}, {found.days} days, "
        f"{found.incidents[0]:,} and {found.incidents[1]:,} incidents",
        f"  correlation  {found.correlation_there:.2f} with {read.target} {found.leads_by} days later; chance passes "
        f"{c.greatest_by_chance:.2f} at some lag in one of twenty (p = {c.p_value:.3f})"
        + ("" if c.distinguishable else "; indistinguishable from none"),
        f"  Hawkes       n = {n[TARGET, SOURCE]:.2f} ({found.branching.low:.2f} to {found.branching.high:.2f}), "
        f"p = {found.p_value:.2f}"
        + ("" if found.distinguishable else ": indistinguishable from none")
        + f"; within {read.source} {n[SOURCE, SOURCE]:.2f}, within {read.target} {n[TARGET, TARGET]:.2f}, "
        f"back {n[SOURCE, TARGET]:.2f}",
        f"               background {knots}, {found.fit.setting.family}; residuals normal with p = {good}",
        f"               n with each background: {others}",
    ]  # fmt: skip


def _knots(days: float) -> str:
    return f"knots {days:.0f} d apart" if isfinite(days) else "constant"


def _over(several: Sequence[Index]) -> str:
    def spread(of: Callable[[Index], float]) -> str:
        low, middle, high = np.quantile([of(one) for one in several], [0.1, 0.5, 0.9])
        return f"{middle:.2f} ({low:.2f} to {high:.2f})"

    share = np.mean([one.distinguishable for one in several])
    return (
        f"n {spread(lambda one: float(one.fit.branching[TARGET, SOURCE]))}, distinguishable in {share:.0%}; "
        f"correlation {spread(lambda one: one.correlation_there)}"
    )
