"""Run two scenarios on the same luck, and say what differs between them and how surely.

    spillover compare qusayr-2013 no-offensive --seeds 200 --workers 2 --out runs/compare
    spillover compare qusayr-2013 qusayr-2013 --set-b channels.kin.weight=0.54 --measure killed.tripoli

Draws belong to decisions and persons, so two worlds with the same seed differ only where their cause does, and the
difference of a pair is far less a matter of luck than either of the two. For each measure, place and community: the
means, the mean difference with its interval, and in what share of the pairs the first world has more.

Intervals are of the mean difference over seeds, at 95 %: bias-corrected and accelerated bootstrap over pairs (Efron
1987, JASA 82:171), which needs no symmetry and so suits counts; Student's t below 20 pairs, where a bootstrap is too
narrow. Each is for its row alone: of twenty rows without any difference one will seem to have one.

What pairing buys is measured on the same runs, as a ratio of variances of the mean difference (that many times fewer
pairs do for the same interval):

    against independent seeds      (var A + var B) / var(A - B), exact for these pairs
    against one shared stream      var(A - B') / var(A - B), B' drawing in turn from the stream that A draws from, as
                                   models do that have one generator: same luck until one of them draws once more
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import isfinite
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

from analysis import keeping
from analysis.workers import Collected, each, whole
from sim import posterior
from sim.console import DONE, FAILED, INTERRUPTED, TERMINATED, Refused, Show, complain, counting, nearest, stoppable
from sim.measures import Columns, rounds_of_fighting
from sim.posterior import Sample
from sim.runs import Result, run
from sim.scenario import Scenario, assignments

Float = NDArray[np.float64]
Ints = NDArray[np.int64]

FORMAT = "spillover-comparison-1"
JSON_FILE, TABLE_FILE, PAIRS_FILE = "comparison.json", "table.txt", "pairs.csv"

LEVEL = 0.95
RESAMPLES = 4_000
FEWEST_FOR_BOOTSTRAP = 20
LUCK = 20_130_519
"""Seed of the resampling, so that the same runs give the same intervals."""
SHARED = 40
"""Pairs on which a shared stream is tried: each costs one more run."""
NOTHING = 1e-12
"""What rounding leaves of a difference between counts."""
MEASURED_ON = 8
"""Pairs below which a ratio of variances says nothing."""


# --- what is observed of one run -------------------------------------------------------------------------------


class Key(NamedTuple):
    """A measure in one place and community; "" for all of them."""

    measure: str
    place: str = ""
    community: str = ""

    @property
    def name(self) -> str:
        return ".".join(part for part in self if part)


@dataclass(frozen=True)
class Measure:
    """What is compared: one number for each place and community, and how it came about day by day in each place."""

    unit: str
    doc: str
    of: Callable[[Result], dict[tuple[str, str], float]]
    daily: Callable[[Columns, str], Float] | None = None


def _counted(measure: str) -> Callable[[Result], dict[tuple[str, str], float]]:
    def of(result: Result) -> dict[tuple[str, str], float]:
        counts = result.columns.counts(measure, "place", "community")
        return {(place, community): float(number) for (place, community), number in counts.items()}

    return of


def _killed_so_far(measure: str) -> Callable[[Columns, str], Float]:
    def daily(columns: Columns, place: str) -> Float:
        return np.cumsum(_of_place(columns, measure, place, columns.daily(measure)))

    return daily


def _of_place(columns: Columns, measure: str, place: str, table: Float) -> Float:
    """Add up those columns of a measure's table (…, columns) that are of a place."""
    return np.asarray(table[:, [where == place for (where,) in columns.keys(measure, "place")]].sum(axis=1))


def _displaced(result: Result) -> dict[tuple[str, str], float]:
    last = result.columns.last("displaced", "place", "community")
    return {(place, community): number for (place, community), number in last.items()}


def _level(measure: str) -> Callable[[Columns, str], Float]:
    def daily(columns: Columns, place: str) -> Float:
        return _of_place(columns, measure, place, columns.levels(measure)[columns.day_ends])

    return daily


def _mobilised_peak(result: Result) -> dict[tuple[str, str], float]:
    keys, levels = result.columns.keys("mobilised", "place", "community"), result.columns.levels("mobilised")
    peaks: dict[tuple[str, str], float] = {}
    for place, community in dict.fromkeys([*keys, *((place, "") for place, _ in keys)]):
        own = [where == place and community in ("", of) for where, of in keys]
        peaks[place, community] = float(levels[:, own].sum(axis=1).max(initial=0.0))
    return peaks


def _days_with_fighting(result: Result) -> dict[tuple[str, str], float]:
    hurt = _hurt_by_day(result.columns)
    days = {key: float((numbers > 0).sum()) for key, numbers in hurt.items()}
    for place in dict.fromkeys(place for place, _ in hurt):
        together = np.sum([numbers for (of, _), numbers in hurt.items() if of == place], axis=0)
        days[place, ""] = float((together > 0).sum())
    return days


def _hurt_by_day(columns: Columns) -> dict[tuple[str, str], Float]:
    hurt: dict[tuple[str, str], Float] = {}
    for measure in ("killed", "wounded"):
        for (place, community), numbers in zip(
            columns.keys(measure, "place", "community"), columns.daily(measure).T, strict=True
        ):
            hurt[place, community] = hurt.get((place, community), 0.0) + numbers
    return hurt


def _fighting_so_far(columns: Columns, place: str) -> Float:
    hurt = sum(_of_place(columns, measure, place, columns.daily(measure)) for measure in ("killed", "wounded"))
    return np.cumsum(np.asarray(hurt) > 0).astype(np.float64)


def _rounds(result: Result) -> dict[tuple[str, str], float]:
    return {(place, ""): float(number) for place, number in rounds_of_fighting(result).items()}


MEASURES: dict[str, Measure] = {
    "killed": Measure("people", "killed, combatants included", _counted("killed"), _killed_so_far("killed")),
    "wounded": Measure("people", "wounded, combatants included", _counted("wounded"), _killed_so_far("wounded")),
    "displaced": Measure("people", "residents away from home as the run ends", _displaced, _level("displaced")),
    "mobilised_peak": Measure(
        "people", "most residents mobilised at one time", _mobilised_peak, _level("mobilised")
    ),
    "days_with_fighting": Measure(
        "d", "days on which anybody is killed or wounded", _days_with_fighting, _fighting_so_far
    ),
    "rounds_of_fighting": Measure("1", "rounds, as the scenario tells them apart", _rounds),
}  # fmt: skip
USUAL = ("killed", "wounded", "displaced", "mobilised_peak", "days_with_fighting")
SUMS = ("killed", "wounded", "displaced")
"""Measures whose value in a place, and in all of them, is the sum over communities, and over places."""

Observed = dict[Key, float]


def observed(result: Result, measures: Iterable[str]) -> Observed:
    """Return measures by place and community, the sums over them with ""."""
    found: Observed = {}
    for measure in measures:
        values = MEASURES[measure].of(result)
        if measure in SUMS:
            for place in dict.fromkeys(place for place, _ in values):
                values[place, ""] = sum(number for (of, _), number in values.items() if of == place)
            values["", ""] = sum(number for (place, community), number in values.items() if place and not community)
        found |= {Key(measure, *of): number for of, number in values.items()}
    return found


def asked_for(names: Sequence[str], *scenarios: Scenario) -> list[Key]:
    """Read `measure`, `measure.place` or `measure.place.community`; refuse what there is none of."""
    places = [place for scenario in scenarios for place in _places_of(scenario)]
    communities = [name for scenario in scenarios for name in getattr(scenario.file, "communities", {})]
    asked, faults = [], []
    for name in names:
        measure, *of = name.split(".")
        if measure not in MEASURES:
            faults.append(f"--measure {name}: no measure '{measure}'.{nearest(measure, MEASURES)}{_listed(MEASURES)}")
        elif len(of) > 2:
            faults.append(f"--measure {name}: allowed are MEASURE, MEASURE.PLACE and MEASURE.PLACE.COMMUNITY")
        elif of and of[0] not in places:
            faults.append(f"--measure {name}: no place '{of[0]}'.{nearest(of[0], places)}")
        elif of[1:] and of[1] not in communities:
            faults.append(f"--measure {name}: no community '{of[1]}'.{nearest(of[1], communities)}")
        else:
            asked.append(Key(measure, *of))
    if faults:
        raise Refused(*faults)
    return asked


def _listed(names: Iterable[str]) -> str:
    return f" There are {', '.join(names)}."


def _covers(asked: Key, key: Key) -> bool:
    """Say whether a row is one of those that were asked for."""
    return all(not wanted or wanted == given for wanted, given in zip(asked, key, strict=True))


# --- one pair --------------------------------------------------------------------------------------------------


class Hurt(NamedTuple):
    """Residents of a place who were wounded or killed in the first world alone, in the second alone, in both."""

    only_a: int
    only_b: int
    both: int


@dataclass(frozen=True)
class Pair:
    """What two worlds with the same luck came to."""

    seed: int
    a: Observed
    b: Observed
    shared: Observed  # the second world again, drawing from one stream with the first; empty where not tried
    difference: dict[tuple[str, str], Float]  # A - B by day, by measure and place
    hurt: dict[str, Hurt]  # by place
    killed: dict[str, Hurt]
    identical: bool  # to the bit, in everything that is recorded


@dataclass(frozen=True)
class Work:
    """Runs pairs; sent once to each worker."""

    a: Scenario
    b: Scenario
    measures: tuple[str, ...]
    samples: Sequence[Sample] = ()
    shared: int = 0  # pairs, from seed 0, on which a shared stream is tried

    def __call__(self, seed: int) -> Pair:
        a, b = (self._run(scenario, seed) for scenario in (self.a, self.b))
        shared = observed(self._run(self.b, seed, beside=a), self.measures) if seed < self.shared else {}
        return Pair(
            seed, observed(a, self.measures), observed(b, self.measures), shared,
            _by_day(a, b, self.measures), _hurt(a, b, 1), _hurt(a, b, 2), same(a, b),
        )  # fmt: skip

    def _run(self, scenario: Scenario, seed: int, beside: Result | None = None) -> Result:
        sample = self.samples[seed % len(self.samples)] if self.samples else {}
        chosen = scenario.with_values(posterior.fitting(sample, scenario)) if sample else scenario
        return whole(run(chosen, seed=seed, threads=1, beside=beside))


def same(a: Result, b: Result) -> bool:
    """Tell whether two runs recorded the same, to the bit, whatever the events that did nothing are called."""
    return (
        a.record.series == b.record.series
        and a.record.values.tobytes() == b.record.values.tobytes()
        and all(getattr(a.record, what) == getattr(b.record, what) for what in ("fire", "flows", "worth", "claims"))
    )


def _by_day(a: Result, b: Result, measures: Iterable[str]) -> dict[tuple[str, str], Float]:
    places = [place for place in _places_of(a.scenario) if place in _places_of(b.scenario)]
    found = {}
    for measure in measures:
        daily = MEASURES[measure].daily
        if daily is not None:
            for place in places:
                found[measure, place] = daily(a.columns, place) - daily(b.columns, place)
    return found


def _places_of(scenario: Scenario) -> list[str]:
    return list(getattr(scenario.file, "places", {}))


def _hurt(a: Result, b: Result, least: int) -> dict[str, Hurt]:
    """Follow every resident through both worlds; `least` is the harm from which one counts."""
    found: dict[str, list[int]] = {}
    for quarter, in_a in a.harm.items():
        in_b = b.harm.get(quarter)
        if in_b is None or len(in_a) != len(in_b):
            continue  # not the same people
        spec = a.scenario.file.neighbourhoods[quarter]
        first, second = in_a >= least, in_b >= least
        numbers = ((first & ~second).sum(), (second & ~first).sum(), (first & second).sum())
        so_far = found.setdefault(spec.place, [0, 0, 0])
        found[spec.place] = [n + int(m) * spec.people_per_agent for n, m in zip(so_far, numbers, strict=True)]
    return {place: Hurt(*numbers) for place, numbers in found.items()}


# --- what many pairs say -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """Mean differences (rows,) with their intervals."""

    mean: Float
    low: Float
    high: Float
    kind: str  # "bootstrap" or "t"


def resampling(pairs: int, resamples: int = RESAMPLES) -> Float:
    """Return the weights of pairs in resamples, (resamples, pairs)."""
    rng = np.random.default_rng([LUCK, pairs])
    return rng.multinomial(pairs, np.full(pairs, 1.0 / pairs), size=resamples) / pairs


def interval(differences: Float, level: float = LEVEL) -> Interval:
    """Return mean differences over pairs (pairs, rows), with intervals of the mean."""
    pairs = len(differences)
    mean = differences.mean(axis=0)
    if pairs < FEWEST_FOR_BOOTSTRAP:
        return _student(differences, mean, level)
    low, high = _accelerated(differences, mean, level)
    return Interval(mean, low, high, "bootstrap")


def _student(differences: Float, mean: Float, level: float) -> Interval:
    from scipy.stats import t

    pairs = len(differences)
    if pairs < 2:
        nothing = np.full(mean.shape, np.nan)
        return Interval(mean, nothing, nothing, "t")
    reach = t.ppf(0.5 + level / 2.0, pairs - 1) * differences.std(axis=0, ddof=1) / np.sqrt(pairs)
    return Interval(mean, mean - reach, mean + reach, "t")


def _accelerated(differences: Float, mean: Float, level: float) -> tuple[Float, Float]:
    """Return both ends of bootstrap intervals with their bias corrected, and accelerated for skew."""
    from scipy.special import ndtr, ndtri

    means = np.sort(resampling(len(differences)) @ differences, axis=0)
    slack = 1e-9 * (1.0 + np.abs(mean))  # sums in another order differ in their last digits
    below = (means < mean - slack).mean(axis=0) + 0.5 * (np.abs(means - mean) <= slack).mean(axis=0)
    bias = ndtri(np.clip(below, 1.0 / len(means), 1.0 - 1.0 / len(means)))
    centred = differences - mean
    spread = (centred**2).sum(axis=0)
    skew = np.divide((centred**3).sum(axis=0), 6.0 * spread**1.5, out=np.zeros_like(mean), where=spread > 0)
    ends = []
    for share in ((1.0 - level) / 2.0, (1.0 + level) / 2.0):
        z = bias + ndtri(share)
        at = ndtr(bias + z / (1.0 - skew * z)) * (len(means) - 1)
        ends.append(
            np.array([np.interp(p, np.arange(len(means)), column) for p, column in zip(at, means.T, strict=True)])
        )
    low, high = (np.clip(end, differences.min(axis=0), differences.max(axis=0)) for end in ends)
    return low, high


@dataclass(frozen=True)
class Factor:
    """How many times smaller a variance is, with its interval; None where there is none to compare."""

    factor: float | None
    low: float | None
    high: float | None

    @property
    def helps(self) -> bool:
        """Say whether it is more than 1 beyond doubt."""
        return self.low is not None and self.low > 1.0

    def as_dict(self) -> dict[str, float | None]:
        """Return the factor for JSON."""
        return {"factor": self.factor, "low": self.low, "high": self.high}


NO_FACTOR = Factor(None, None, None)


Variance = Callable[[Float], Float]
"""What takes weights of the pairs (n, pairs) and returns variances (n, rows)."""


def ratios(larger: Variance, smaller: Variance, pairs: int) -> Float:
    """Return ratios of variances (1 + resamples, rows): as they are, and resampled; NaN where there is nothing."""
    weights = np.vstack([np.full((1, pairs), 1.0 / pairs), resampling(pairs)])
    above, below = larger(weights), smaller(weights)
    ratio = np.divide(above, below, out=np.full(above.shape, np.inf), where=below > 0)
    return np.where(above[:1] > 0, ratio, np.nan)


def factor_of(ratio: Float) -> Factor:
    """Return a ratio of variances (1 + resamples,) with its interval."""
    if np.isnan(ratio[0]):
        return NO_FACTOR
    cut = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(ratio[1:], [cut, 1.0 - cut], method="nearest")
    return Factor(*(_or_none(float(x)) for x in (ratio[0], low, high)))


def _variance(values: Float) -> Variance:
    """Return what works out the variance of values (pairs, rows) under weights (n, pairs), (n, rows)."""
    centred = values - values.mean(axis=0)  # no digits lost to a large mean
    centred = np.where(np.abs(centred) < NOTHING, 0.0, centred)

    def of(weights: Float) -> Float:
        variance = weights @ centred**2 - (weights @ centred) ** 2
        return np.asarray(np.where(variance < NOTHING, 0.0, variance))

    return of


@dataclass(frozen=True)
class Row:
    """One measure in one place and community."""

    key: Key
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    share_a_greater: float
    against_independent: Factor
    against_shared: Factor

    @property
    def indistinguishable(self) -> bool:
        """Say whether the difference may be none."""
        return not (self.low > 0.0 or self.high < 0.0)

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return {
            "measure": self.key.measure, "place": self.key.place, "community": self.key.community,
            "mean_a": self.mean_a, "mean_b": self.mean_b, "difference": self.difference,
            "ci_low": _or_none(self.low), "ci_high": _or_none(self.high), "share_a_greater": self.share_a_greater,
            "indistinguishable": self.indistinguishable,
        }  # fmt: skip


def _or_none(x: float) -> float | None:
    return x if isfinite(x) else None


@dataclass(frozen=True)
class Comparison:
    """Two scenarios, the pairs that were run, and what they say."""

    a: Scenario
    b: Scenario
    asked: Sequence[Key]
    pairs: Sequence[Pair]
    samples: int = 0
    failed: list[str] = field(default_factory=list)

    @cached_property
    def keys(self) -> list[Key]:
        """The rows: what was asked for, in the order of the measures."""
        first = self.pairs[0]
        found = [key for key in first.a if key in first.b and any(_covers(asked, key) for asked in self.asked)]
        order = {name: number for number, name in enumerate((*MEASURES, *_places_of(self.a)))}
        return sorted(
            found, key=lambda key: (order[key.measure], order.get(key.place, len(order)), bool(key.community))
        )

    def values(self, world: str, pairs: Sequence[Pair] | None = None) -> Float:
        """Return what one world came to, (pairs, rows)."""
        chosen = self.pairs if pairs is None else pairs
        table = [[getattr(pair, world)[key] for key in self.keys] for pair in chosen]
        return np.array(table, np.float64).reshape(len(chosen), len(self.keys))

    @cached_property
    def rows(self) -> list[Row]:
        """What differs by how much, row by row."""
        a, b = self.values("a"), self.values("b")
        found = interval(a - b)
        return [
            Row(
                key, float(a[:, i].mean()), float(b[:, i].mean()), float(found.mean[i]), float(found.low[i]),
                float(found.high[i]), float((a[:, i] > b[:, i]).mean()),
                factor_of(self.against_independent[:, i]), factor_of(self.against_shared[:, i]),
            )
            for i, key in enumerate(self.keys)
        ]  # fmt: skip

    @property
    def kind(self) -> str:
        """What kind the intervals are."""
        return "bootstrap" if len(self.pairs) >= FEWEST_FOR_BOOTSTRAP else "t"

    @cached_property
    def against_independent(self) -> Float:
        """Ratios of variances, (1 + resamples, rows): seeds of their own for each world over pairs."""
        if len(self.pairs) < MEASURED_ON:
            return np.full((1, len(self.keys)), np.nan)
        a, b = self.values("a"), self.values("b")
        of_a, of_b = _variance(a), _variance(b)
        return ratios(lambda weights: of_a(weights) + of_b(weights), _variance(a - b), len(a))

    @cached_property
    def against_shared(self) -> Float:
        """Ratios of variances, (1 + resamples, rows): pairs on one shared stream over pairs."""
        if len(self.tried) < MEASURED_ON:
            return np.full((1, len(self.keys)), np.nan)
        a, b, shared = (self.values(world, self.tried) for world in ("a", "b", "shared"))
        return ratios(_variance(a - shared), _variance(a - b), len(a))

    @property
    def tried(self) -> list[Pair]:
        """The pairs on which a shared stream was tried."""
        return [pair for pair in self.pairs if pair.shared]

    def pooled(self, ratio: Float) -> Factor:
        """Return the median of ratios over measures and places that differ at all."""
        of_places = [i for i, key in enumerate(self.keys) if key.place and not key.community]
        known = ratio[:, [i for i in of_places if not np.isnan(ratio[0, i])]]
        return factor_of(np.median(known, axis=1)) if known.shape[1] else NO_FACTOR

    def who(self) -> list[dict[str, Any]]:
        """Return how many residents were hurt in A alone, in B alone, in both: means over pairs, by place."""
        found = []
        for harm in ("hurt", "killed"):
            for place in getattr(self.pairs[0], harm):
                numbers = np.array([getattr(pair, harm)[place] for pair in self.pairs], np.float64)
                only_a, only_b, both = numbers.mean(axis=0).tolist()
                found.append({"place": place, "harm": harm, "only_a": only_a, "only_b": only_b, "both": both})
        return found

    @property
    def identical(self) -> bool:
        """Whether the two worlds are the same to the bit in every pair."""
        return all(pair.identical for pair in self.pairs)


def compared(
    a: Scenario,
    b: Scenario,
    seeds: int,
    *,
    asked: Sequence[Key] | None = None,
    workers: int = 1,
    samples: Sequence[Sample] = (),
    shared: int = 0,
    progress: Show | None = None,
    stopped: list[bool] | None = None,
) -> Comparison:
    """Run both scenarios on the same seeds and return what they say.

    Pairs that fail are named and left out. Ctrl-C ends it early with what is there, and is noted in `stopped` where
    that is given; without, and without any pair, it is raised.
    """
    wanted = [Key(measure) for measure in USUAL] if asked is None else list(asked)
    measures = tuple(dict.fromkeys(key.measure for key in wanted))
    work = Work(a, b, measures, tuple(samples), min(shared, seeds))
    found = Collected[Pair]()
    try:
        found.take(each(work, range(seeds), workers=workers), progress)
    except KeyboardInterrupt:
        if stopped is None or len(found.values) < 2:
            raise
        stopped.append(True)
    failed = found.failed("seed {}".format)
    if not found.values:
        raise Refused(*(failed[:5] or ["no pairs"]))
    return Comparison(a, b, wanted, found.in_order, len(samples), failed)


def comparable(a: Scenario, b: Scenario) -> None:
    """Refuse two scenarios whose runs cannot be paired hour by hour."""
    clocks = [one.file.clock for one in (a, b)]
    faults = [
        f"{a.id} and {b.id}: clock.{name} differs ({mine} and {theirs}); pairs need the same hours"
        for name in ("start", "zone", "step_hours", "days")
        if (mine := getattr(clocks[0], name)) != (theirs := getattr(clocks[1], name))
    ]
    if a.model != b.model:
        faults.append(f"{a.id} and {b.id}: different models ({a.model} and {b.model})")
    elif a.model != "theatre":
        faults.append(f"{a.id}: a run of the model '{a.model}' has no places and communities to compare")
    if faults:
        raise Refused(*faults)


# --- telling -----------------------------------------------------------------------------------------------------

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
    ends = f"{_short(row.low)} to {_short(row.high)}" if isfinite(row.low) else "-"
    note = "indistinguishable from zero" if row.indistinguishable else ""
    return COLUMNS.format(
        row.key.measure, row.key.place or "all", row.key.community or "all", _short(row.mean_a), _short(row.mean_b),
        _short(row.difference), ends, f"{row.share_a_greater:.0%}", note,
    )  # fmt: skip


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


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


# --- keeping -----------------------------------------------------------------------------------------------------


def claim(folder: Path) -> None:
    """Make sure that a comparison can be kept in a folder; refuse one with anything else in it."""
    keeping.claim(folder, "a comparison", keeping.says(folder / JSON_FILE, FORMAT))


def keep(found: Comparison, folder: Path) -> None:
    """Write the comparison, every pair of it and its figures into a folder."""
    from analysis.counterfactual_figures import differences

    said = json.dumps(as_dict(found), ensure_ascii=False, indent=1)
    texts = {PAIRS_FILE: _every_pair(found), TABLE_FILE: told(found), JSON_FILE: said}
    keeping.keep(folder, texts, partial(differences, found))


def _every_pair(found: Comparison) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["seed", "world", *(key.name for key in found.keys)])
    for pair in found.pairs:
        for world in ("a", "b", *(["shared"] if pair.shared else [])):
            writer.writerow([pair.seed, world, *(f"{getattr(pair, world)[key]:g}" for key in found.keys)])
    return table.getvalue()


# --- the command -------------------------------------------------------------------------------------------------


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A TOML file, or a shipped name (see `list`).")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another, on the same hours.")],
    seeds: Annotated[int, typer.Option(min=2, max=1_000_000, help="How many pairs, with seeds 0, 1, 2, …")] = 100,
    measure: Annotated[
        list[str] | None,
        typer.Option(metavar="MEASURE[.PLACE[.COMMUNITY]]", help=f"One of {', '.join(MEASURES)}; may be repeated."),
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH.TO.KEY=VALUE", help="Change a value in both.")
    ] = None,
    sets_b: Annotated[
        list[str] | None, typer.Option("--set-b", metavar="PATH.TO.KEY=VALUE", help="Change a value in B alone.")
    ] = None,
    samples: Annotated[
        Path | None, typer.Option("--posterior", metavar="FILE", help="Samples of parameters; pair i takes the i-th.")
    ] = None,
    days: Annotated[float | None, typer.Option(help="Days to run, instead of the scenarios'.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Processes that run at the same time.")] = 2,
    shared: Annotated[
        int, typer.Option(min=0, help="Pairs that are tried on one shared stream too; 0 leaves that out.")
    ] = SHARED,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the table, the pairs and figures.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")] = False,
) -> None:
    """Run two scenarios on the same luck, and say what differs and how surely."""
    both = assignments(sets or []) | ({} if days is None else {"clock.days": days})
    first, second = (Scenario.load(name) for name in (a, b))
    first = first.with_values(both, "--set") if both else first
    values = both | assignments(sets_b or [])
    second = second.with_values(values, "--set, --set-b") if values else second
    comparable(first, second)
    asked = asked_for(measure or USUAL, first, second)
    drawn = posterior.load(samples, (first, second)) if samples is not None else []
    if out is not None:
        claim(out)
    cut: list[bool] = []
    with stoppable() as stopped, counting(seeds, "pairs", quiet) as progress:
        try:
            found = compared(
                first, second, seeds, asked=asked, workers=workers, samples=drawn, shared=shared, progress=progress,
                stopped=cut,
            )  # fmt: skip
        except KeyboardInterrupt:
            complain("interrupted before two pairs were done; there is nothing to tell")
            raise typer.Exit(TERMINATED if stopped else INTERRUPTED) from None
    if cut:
        complain(f"interrupted: {len(found.pairs):,} of {seeds:,} pairs")
    typer.echo(json.dumps(as_dict(found), ensure_ascii=False) if as_json else told(found))
    for failure in found.failed:
        complain(f"failed: {failure}")
    if out is not None:
        keep(found, out)
        if not quiet:
            complain(f"kept in {out}")
    if cut:
        raise typer.Exit(TERMINATED if stopped else INTERRUPTED)
    raise typer.Exit(FAILED if found.failed else DONE)
