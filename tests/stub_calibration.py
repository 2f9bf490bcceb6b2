"""A model that takes no time, for the tests of calibration: its figures follow from the parameters and a little luck.

Importable by the processes that do the work. The figure of each number is moved by the module's parameter of that
number and by no other, so it is known which are to be fitted, and to what.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, nan

import numpy as np

from analysis import inference
from analysis.calibration import MODULES, SCENARIOS, Job, Module, Work
from analysis.patterns import Figure
from sim import posterior
from sim.scenario import Scenario

TRUTH = (0.3, 0.6, 0.45, 0.7, 0.4, 0.55, 0.35, 0.65, 0.5, 0.4)
"""Where each parameter that moves a figure is, as a share of its prior's range."""
SLOPE = 4.0  # greatest widths from one end of a prior to the other
LUCK = 0.15  # greatest widths, sd
NEVER = 0.9
"""From here on the first parameter of a module keeps a run from ever having the module's last figure."""


class ItDoesNotAddUp(Exception):
    pass


@dataclass(frozen=True)
class Toy(Work):
    """What the record has at `TRUTH`, and what lies about it."""

    stop_at: tuple[str, int] | None = None  # as by Ctrl-C
    fail_at: tuple[str, int] | None = None

    def __call__(self, job: Job) -> dict[str, float]:
        """Return the figures of a draw."""
        if (job.module, job.number) == self.stop_at:
            raise KeyboardInterrupt
        if (job.module, job.number) == self.fail_at:
            raise ItDoesNotAddUp("it does not add up")
        module = next(module for module in MODULES if module.name == job.module)
        shares = shares_of(self, module, job.values)
        luck = np.random.default_rng(job.number).normal(0.0, LUCK, len(shares))
        names = [figure.name for figure in module.targets.figures]
        apart = SLOPE * (shares[: len(names)] - np.array(TRUTH[: len(names)])) + luck[: len(names)]
        figures = {f.name: middle(f) + f.greatest_width * x for f, x in zip(module.targets.figures, apart, strict=True)}
        return figures | ({names[-1]: nan} if shares[0] > NEVER else {})


def shares_of(work: Work, module: Module, values: dict[str, float]) -> np.ndarray:
    """Return the module's own parameters as shares of the way through their priors; the defaults where not told.

    The middle where the scenario has none, as in the search for the centre.
    """
    defaults = {path: one.value for path, one in posterior.declared(work.stories.values()).items()}
    told = [(prior, (defaults | values).get(prior.path)) for prior in module.priors]
    shares = np.array([0.5 if value is None else float(prior.share(np.float64(value))) for prior, value in told])
    return np.clip(shares, inference.EDGE, 1.0 - inference.EDGE)


def middle(figure: Figure) -> float:
    """Return the middle of what the record allows, or the bound where it has one end."""
    target = figure.target
    ends = [getattr(target, "low", -inf), getattr(target, "high", getattr(target, "upper_claim", inf))]
    return float(np.mean([end for end in ends if isfinite(end)]))


def toy(**keys: tuple[str, int]) -> Toy:
    """Return the model, with a small scenario in the place of the real ones."""
    return Toy({family: Scenario.load("tiny") for family in SCENARIOS}, **keys)
