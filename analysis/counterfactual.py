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

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

from analysis import keeping
from analysis.counterfactual_report import FORMAT, as_dict, every_pair, told
from analysis.numbers import or_none
from analysis.options import AsJson, Quiet, Workers, conclude
from analysis.outcomes import MEASURES, Key, Observed, asked_for, covers, observed, places_of
from analysis.paired import (
    FEWEST_FOR_BOOTSTRAP,
    MEASURED_ON,
    NO_FACTOR,
    Factor,
    factor_of,
    interval,
    ratios,
    variance,
)
from analysis.workers import Collected, each, whole
from sim import posterior
from sim.console import INTERRUPTED, TERMINATED, Refused, Show, complain, counting, stoppable
from sim.posterior import Sample
from sim.runs import Result, run
from sim.scenario import Scenario, assignments

Float = NDArray[np.float64]

JSON_FILE, TABLE_FILE, PAIRS_FILE = "comparison.json", "table.txt", "pairs.csv"

USUAL = ("killed", "wounded", "displaced", "mobilised_peak", "days_with_fighting")
SHARED = 40
"""Pairs on which a shared stream is tried: each costs one more run."""


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
    places = [place for place in places_of(a.scenario) if place in places_of(b.scenario)]
    found = {}
    for measure in measures:
        daily = MEASURES[measure].daily
        if daily is not None:
            for place in places:
                found[measure, place] = daily(a.columns, place) - daily(b.columns, place)
    return found


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
            "ci_low": or_none(self.low), "ci_high": or_none(self.high), "share_a_greater": self.share_a_greater,
            "indistinguishable": self.indistinguishable,
        }  # fmt: skip


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
        found = [key for key in first.a if key in first.b and any(covers(asked, key) for asked in self.asked)]
        order = {name: number for number, name in enumerate((*MEASURES, *places_of(self.a)))}
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
        of_a, of_b = variance(a), variance(b)
        return ratios(lambda weights: of_a(weights) + of_b(weights), variance(a - b), len(a))

    @cached_property
    def against_shared(self) -> Float:
        """Ratios of variances, (1 + resamples, rows): pairs on one shared stream over pairs."""
        if len(self.tried) < MEASURED_ON:
            return np.full((1, len(self.keys)), np.nan)
        a, b, shared = (self.values(world, self.tried) for world in ("a", "b", "shared"))
        return ratios(variance(a - shared), variance(a - b), len(a))

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


# --- keeping -----------------------------------------------------------------------------------------------------


def claim(folder: Path) -> None:
    """Make sure that a comparison can be kept in a folder; refuse one with anything else in it."""
    keeping.claim(folder, "a comparison", keeping.says(folder / JSON_FILE, FORMAT))


def keep(found: Comparison, folder: Path) -> None:
    """Write the comparison, every pair of it and its figures into a folder."""
    from analysis.counterfactual_figures import differences

    said = json.dumps(as_dict(found), ensure_ascii=False, indent=1)
    texts = {PAIRS_FILE: every_pair(found), TABLE_FILE: told(found), JSON_FILE: said}
    keeping.keep(folder, texts, partial(differences, found))


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
    workers: Workers = 2,
    shared: Annotated[
        int, typer.Option(min=0, help="Pairs that are tried on one shared stream too; 0 leaves that out.")
    ] = SHARED,
    as_json: AsJson = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the table, the pairs and figures.")
    ] = None,
    quiet: Quiet = False,
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
    text = json.dumps(as_dict(found), ensure_ascii=False) if as_json else told(found)
    code = conclude(text, found.failed, out, partial(keep, found), quiet)
    if cut:
        raise typer.Exit(TERMINATED if stopped else INTERRUPTED)
    raise typer.Exit(code)
