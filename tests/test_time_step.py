"""Half the step, the same outcome: every rate is per hour or per day, whatever the length of a step.

Draws are keyed by step, so runs with another step are another sample: means over seeds are compared. Two means
may differ by three standard errors of their difference and 10 % of their size. `power` says how large three
standard errors may be: a test sees an error of 10 % and that much every other time, of 10 % and twice that much
nearly always.
"""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sim.model import SpilloverModel
from sim.scenario import Scenario

Floats = npt.NDArray[np.float64]

LIVELY: dict[str, Any] = {
    "clock.days": 2.0, "events.assault.at": datetime(2001, 5, 1, 6),
    "neighbourhoods.lower.residents": 300, "neighbourhoods.upper.residents": 300,
    "neighbourhoods.ford_town": {
        "name": "Ford town", "place": "ford", "residents": 300, "communities": {"amber": 1.0}, "able": 0.2,
        "rectangle": {"west": -200.0, "south": -200.0, "width": 400.0, "height": 400.0},
    },
    "mobilisation.threshold": 0.5, "fire.hit_per_hour": 8e-4, "engagement.civilian_hit_per_hour": 2e-4,
    "security.threshold_hits_per_day": 2.0, "security_forces.guard.lag_h": 6.0, "provocations.per_day": 0.0,
    "engagement.initiations_per_hour": 0.2, "channels.fighters.volunteers_per_hour": 0.01,
    "events.brawl": {
        "kind": "provocation", "at": datetime(2001, 5, 1, 8), "text": "A brawl.", "neighbourhood": "lower",
        "community": "amber", "strength": 0.5,
    },
}  # fmt: skip
"""Two quarters that fight each other beside a battle: every mechanism of the hour is at work."""


def outcome(scenario: Scenario, seed: int) -> dict[str, float]:
    """Return killed and wounded by place, mobilised by neighbourhood (mean), and control at the end."""
    model = SpilloverModel(scenario, seed, threads=1)
    model.run_for(scenario.steps)
    found: dict[str, float] = defaultdict(float)
    for column, s in zip(model.record.values.T, model.record.series, strict=True):
        if s.measure in ("killed", "wounded"):
            found[f"{s.measure} in {s.place}"] += float(column.sum())
        elif s.measure in ("mobilised", "sheltering"):
            found[f"{s.measure} in {s.neighbourhood}"] += float(column.mean())
        elif s.measure in ("displaced", "away"):
            found[f"{s.measure} of {s.neighbourhood}"] += float(column[-1])
        elif s.measure == "control":
            found[f"{s.faction} in {s.place}"] += float(column[-1])
    return found


def sample(scenario: Scenario, step_h: float, seeds: int) -> dict[str, Floats]:
    varied = scenario.with_values({"clock.step_hours": step_h})
    rows = [outcome(varied, seed) for seed in range(seeds)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def assert_same_means(scenario: Scenario, seeds: int, power: dict[str, float]) -> None:
    """Assert that means agree; `power` says how large a share three standard errors may be at most, by outcome."""
    whole, half = (sample(scenario, step_h, seeds) for step_h in (1.0, 0.5))
    wrong = {}
    for name, one in whole.items():
        other = half[name]
        noise = 3 * math.hypot(one.std(ddof=1), other.std(ddof=1)) / math.sqrt(seeds)
        mean = (one.mean() + other.mean()) / 2
        if abs(one.mean() - other.mean()) > noise + 0.1 * mean:
            wrong[name] = (one.mean(), other.mean(), noise)
        if name in power:
            assert mean > 0, f"nothing happens: {name}"
            assert noise < power[name] * mean, f"no power: {name}, three errors are {noise / mean:.0%}"
    assert wrong == {}


def lively() -> Scenario:
    return Scenario.load("tiny").with_values(LIVELY)


def test_halving_the_step_changes_the_outcome() -> None:
    power = {"killed in ford": 0.3, "mobilised in lower": 0.25, "crown in ford": 0.01, "sheltering in upper": 0.2}
    assert_same_means(lively(), 34, power)


@pytest.mark.verify
def test_halving_the_step_changes_the_outcome_a_little() -> None:
    power = {
        "killed in ford": 0.07, "wounded in ford": 0.06, "killed in hill": 0.4, "wounded in hill": 0.2,
        "mobilised in lower": 0.06, "mobilised in upper": 0.15, "sheltering in lower": 0.12,
        "displaced of ford_town": 0.05, "away of lower": 0.06, "crown in ford": 0.003,
    }  # fmt: skip
    assert_same_means(lively(), 600, power)


@pytest.mark.verify
def test_halving_the_step_changes_the_battle_for_qusayr() -> None:
    """From the day before the assault to the fourth day of it, 40 seeds."""
    scenario = Scenario.load("qusayr-2013").with_values({"clock.start": datetime(2013, 5, 18), "clock.days": 5.0})
    power = {"killed in qusayr": 0.15, "wounded in qusayr": 0.15, "government in qusayr": 0.02}
    assert_same_means(scenario, 40, power)
