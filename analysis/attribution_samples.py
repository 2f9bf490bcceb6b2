"""The parameters that an effect is split with: where their draws come from, and which weights these tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from analysis.priors import PRIORS, Prior, drawn
from sim import posterior
from sim.posterior import Sample
from sim.scenario import Scenario

OF_PRIORS, OWN_VALUES = "priors", "scenario"
LUCK = 7
"""Seed of the draws, so that a run that was stopped goes on with the same."""
TOLD, TOGETHER = 0.3, 0.5
"""Contraction from which the samples tell a weight, and correlation from which they tell two only together."""
SPREAD_OF_FLAT = 12.0**-0.5


def samples_of(scenario: Scenario, file: Path | None, number: int) -> tuple[list[Sample], str]:
    """Return one set of parameters a draw, and where they come from."""
    if file is not None:
        known = posterior.load(file, (scenario,))
        return [known[i * len(known) // number] for i in range(number)], file.name
    return ([{}], OWN_VALUES) if number == 1 else (draws_of_priors(scenario, number), OF_PRIORS)


def draws_of_priors(scenario: Scenario, number: int) -> list[Sample]:
    """Draw parameters from their priors, spread over the ranges; those that the scenario does not have are left out."""
    from scipy.stats.qmc import LatinHypercube

    shares = LatinHypercube(len(PRIORS), rng=np.random.default_rng(LUCK)).random(number)
    return [posterior.fitting(sample, scenario) for sample in drawn(shares)]


def inseparable(channels: Sequence[str], samples: Sequence[Sample], samples_are: str) -> list[tuple[str, ...]]:
    """Return channels in groups: those whose weight no record tells, and those whose weights it tells only together.

    A weight is told where its samples are clearly narrower than its prior. Draws of the priors, and a scenario's own
    values, hold nothing of any record.
    """
    held = samples_are not in (OF_PRIORS, OWN_VALUES)
    told = [name for name in channels if held and _contraction(f"channels.{name}.weight", samples) >= TOLD]
    untold = {name for name in channels if name not in told}
    groups = [{name} for name in told] + ([untold] if untold else [])
    for tied in combinations(told, 2):
        if _tied(*tied, samples):
            apart = [group for group in groups if group.isdisjoint(tied)]
            groups = [*apart, set().union(*(group for group in groups if group not in apart))]
    ordered = [tuple(name for name in channels if name in group) for group in groups]
    return sorted(ordered, key=lambda group: channels.index(group[0]))


def _contraction(path: str, samples: Sequence[Sample]) -> float:
    """Return how much narrower samples of a parameter are than its prior; nothing where it has none."""
    prior: Prior | None = next((one for one in PRIORS if one.path == path), None)
    values = np.array([sample[path] for sample in samples if path in sample])
    if prior is None or len(values) < 2:
        return 0.0
    return float(1.0 - prior.share(values).std(ddof=1) / SPREAD_OF_FLAT)


def _tied(a: str, b: str, samples: Sequence[Sample]) -> bool:
    columns = np.array([[sample[f"channels.{name}.weight"] for name in (a, b)] for sample in samples])
    if len(columns) < 3 or not columns.std(axis=0).all():
        return False
    return bool(abs(np.corrcoef(columns.T)[0, 1]) >= TOGETHER)
