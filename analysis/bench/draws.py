"""What keyed draws buy: how much less a difference between two worlds varies than with plain same-seed pairing.

Five interventions on Qusayr and Tripoli, from small to large. For each seed the base is run once, and every
intervention twice beside it: with its draws keyed, B, and drawing in turn from one stream that it shares with the base,
B', as models do that have one generator (`sim.run(…, beside=…)`, which counts the numbers that either has used up).
With A for the base, as in `analysis.counterfactual`, which works the factors and their intervals out:

    against one shared stream      var(A - B') / var(A - B)
    against independent seeds      (var A + var B) / var(A - B)

So many times fewer pairs do for the same interval. Pooled is the median over the measures and places of `ASKED`. Where
an intervention tips a world from one mode of its outcomes into another, no pairing holds the two together, so the goal
is for small interventions, and where the killed have one mode without it and with it (`analysis.bench.modes`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from analysis.bench.measuring import Figure, Found, Goal, Sample, Session, Sizes, Skipped, timed
from analysis.bench.modes import DOUBTED_BELOW, chance_of_dip
from analysis.counterfactual import Comparison, Pair, Row, same
from analysis.outcomes import Key, observed
from analysis.paired import Factor
from analysis.workers import gathered, whole
from sim.console import complain, counting
from sim.machine import processors
from sim.runs import Result, run
from sim.scenario import Scenario

SUBJECT = "draws"
SCENARIO = "qusayr-2013"
FEWER_PAIRS = 3.0
MOST_WORKERS = 2
TOLD = Key("killed", "tripoli")
ASKED = (TOLD, Key("wounded", "tripoli"), Key("displaced"), Key("mobilised_peak"))
LESS, LATER_H = 0.1, 6.0
"""By how much kin weighs less, and the army comes later, in the small interventions."""


@dataclass(frozen=True)
class Intervention:
    """What is changed of the base, and whether that is little."""

    key: str
    what: str
    small: bool
    on: Callable[[Scenario], Scenario]


def _kin_weighs_less(base: Scenario) -> Scenario:
    return base.with_values({"channels.kin.weight": (1.0 - LESS) * base.file.channels.kin.weight})


def _army_comes_later(base: Scenario) -> Scenario:
    lag_h = base.file.security_forces["lebanese_army"].lag_h
    return base.with_values({"security_forces.lebanese_army.lag_h": lag_h + LATER_H})


INTERVENTIONS = (
    Intervention("kin", f"kin weighs {LESS:.0%} less", True, _kin_weighs_less),
    Intervention("army", f"the army comes {LATER_H:g} h later", True, _army_comes_later),
    Intervention(
        "fighters", "no channel of fighters", False, lambda base: base.with_values({"channels.fighters.on": False})
    ),
    Intervention(
        "hezbollah", "no Hezbollah", False, lambda base: base.with_values({"factions.hezbollah.fighters": 0})
    ),
    Intervention("offensive", "no offensive", False, lambda base: base.without("offensive")),
)  # fmt: skip
"""From small to large."""


# --- the runs ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """Runs the base with a seed, and the others beside it; sent once to each worker."""

    base: Scenario
    others: tuple[Scenario, ...]
    asked: tuple[Key, ...]

    def __call__(self, seed: int) -> list[Pair]:
        a = self._run(self.base, seed)
        return [self._pair(a, other, seed) for other in self.others]

    def _pair(self, a: Result, other: Scenario, seed: int) -> Pair:
        keyed, shared = self._run(other, seed), self._run(other, seed, beside=a)
        in_a, in_b, in_shared = (observed(world, [key.measure for key in self.asked]) for world in (a, keyed, shared))
        return Pair(seed, in_a, in_b, in_shared, difference={}, hurt={}, killed={}, identical=same(a, keyed))

    def _run(self, scenario: Scenario, seed: int, beside: Result | None = None) -> Result:
        return whole(run(scenario, seed=seed, threads=1, beside=beside))


def measure(sizes: Sizes, session: Session) -> Iterator[Found]:
    """Measure each intervention on the same runs of the base."""
    base = Scenario.load(SCENARIO)
    if sizes.run_days is not None:
        base = base.with_values({"clock.days": sizes.run_days})
    yield from measured(base, INTERVENTIONS, ASKED, TOLD, sizes.pairs, min(MOST_WORKERS, processors()))


def measured(
    base: Scenario, interventions: Sequence[Intervention], asked: tuple[Key, ...], told: Key, pairs: int, workers: int
) -> Iterator[Found]:
    """Measure some interventions on a scenario; `told` is the one measure that is told by itself."""
    others = tuple(one.on(base) for one in interventions)
    _say_the_cost(base, pairs, 1 + 2 * len(others), workers)
    with counting(pairs, "seeds") as show:
        rows = gathered(Work(base, others, asked), range(pairs), workers=workers, progress=show)
    for number, one in enumerate(interventions):
        found = Comparison(base, others[number], asked, [row[number] for row in rows])
        yield from _figures(one, found, told)


def _say_the_cost(base: Scenario, pairs: int, runs_a_pair: int, workers: int) -> None:
    whole(run(base, days=1, threads=1))  # loads every kernel
    with timed() as clock:
        whole(run(base, threads=1))
    runs = pairs * runs_a_pair
    minutes = runs * clock.cpu / 60.0
    complain(f"  {runs:,} runs of {clock.cpu:.2g} s: {minutes:.0f} min of CPU on {workers} of the processors")


# --- what they say -------------------------------------------------------------------------------------------------


def _figures(one: Intervention, found: Comparison, told: Key) -> Iterator[Found]:
    """Tell of one intervention: what it does, and what keyed draws buy against the two other ways to pair."""
    number = found.keys.index(told)
    row, outcomes = found.rows[number], [found.values(world)[:, number] for world in ("a", "b")]
    chances = [chance_of_dip(outcome) for outcome in outcomes]
    goal = Goal(FEWER_PAIRS, "at least") if one.small and min(chances) >= DOUBTED_BELOW else None
    alone = f"{told.measure} in {told.place.capitalize()}"
    alike = f"identical in {np.equal(*outcomes).sum()} of {len(found.pairs)} pairs"
    pooled = alike if found.identical else "median over measures and places"
    shared, independent = (f"{one.what}: {other} ÷ keyed" for other in ("one shared stream", "independent seeds"))
    yield _difference(one, row, alone, chances)
    yield _factor(f"{one.key}_shared", shared, found.pooled(found.against_shared), pooled, goal)
    yield _factor(f"{one.key}_shared_alone", f"{shared}, {alone}", row.against_shared, alike)
    yield _factor(f"{one.key}_independent", independent, found.pooled(found.against_independent), pooled)
    yield _factor(f"{one.key}_independent_alone", f"{independent}, {alone}", row.against_independent, alike)


def _difference(one: Intervention, row: Row, of_what: str, chances: list[float]) -> Figure:
    """Tell what an intervention does, and whether outcomes have one mode without it and with it."""
    modes = "one mode" if min(chances) >= DOUBTED_BELOW else "NOT ONE MODE"
    return Figure(
        key=f"draws_{one.key}", what=f"{one.what}: fewer {of_what}", sample=Sample.of(row.difference), unit="people",
        interval=(row.low, row.high),
        note=f"from {row.mean_a:.1f} to {row.mean_b:.1f}; {modes} (dip test: p {chances[0]:.2g} and {chances[1]:.2g})",
    )  # fmt: skip


def _factor(key: str, what: str, factor: Factor, note: str, goal: Goal | None = None) -> Found:
    if factor.factor is None:
        return Skipped(what, f"keyed draws leave no variance to divide by ({note})")
    low, high = (inf if end is None else end for end in (factor.low, factor.high))
    return Figure(
        key=f"draws_{key}", what=what, sample=Sample.of(factor.factor), unit="×", goal=goal, interval=(low, high),
        note=note if factor.helps else f"{note}; DOES NOT HELP",
    )  # fmt: skip
