"""Runs a second, as a sweep makes them: on one worker and on two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from time import perf_counter

from analysis.bench.measuring import Figure, Found, Goal, Sample, Session, Sizes, Skipped
from analysis.workers import Failure, each
from sim.machine import processors
from sim.measures import observe
from sim.runs import run
from sim.scenario import Scenario

SUBJECT = "sweep"
SCENARIO = "qusayr-2013"
WORKERS = 2


def observed(scenario: Scenario, seed: int) -> dict[str, float]:
    """Run once and return every measure, as a sweep does."""
    return observe(run(scenario, seed=seed, threads=1))


def measure(sizes: Sizes, session: Session) -> Iterator[Found]:
    """Measure one worker, two workers, and one again, so that a drift of the machine falls on both."""
    scenario = Scenario.load(SCENARIO).with_values({"clock.days": sizes.sweep_days})
    half = max(2, sizes.sweep_runs // 2)
    before = _rate(scenario, 1, half)
    if processors() < WORKERS:
        yield Figure(key="sweep_1", what="one worker", sample=Sample.of(before), unit="runs/s")
        yield Skipped("two workers", "there is one processor")
        return
    two = _rate(scenario, WORKERS, sizes.sweep_runs)
    one = Sample.of(before, _rate(scenario, 1, half))
    what = f"{SCENARIO}, {sizes.sweep_days:g} days"
    seconds = Sample(tuple(1 / rate for rate in one.values))
    yield Figure(
        key="sweep_1", what=f"{what}: one worker", sample=one, unit="runs/s",
        kept=seconds.times(1 / session.beats.median), kept_unit="beats a run",
    )  # fmt: skip
    yield Figure(key="sweep_2", what=f"{what}: two workers", sample=Sample.of(two), unit="runs/s")
    yield Figure(
        key="sweep_gain", what="runs a second, two workers ÷ one", unit="×", sample=seconds.times(two),
        goal=Goal(1.0, "at least"),
    )  # fmt: skip


def _rate(scenario: Scenario, workers: int, runs: int) -> float:
    """Return runs a second once every worker has made one: what starting them costs does not grow with a sweep."""
    ended: list[float] = []
    with closing(each(partial(observed, scenario), range(runs + workers), workers=workers)) as outcomes:
        for _, outcome in outcomes:
            if isinstance(outcome, Failure):
                raise RuntimeError(f"a run failed: {outcome.error}")
            ended.append(perf_counter())
    return (len(ended) - workers) / (ended[-1] - ended[workers - 1])
