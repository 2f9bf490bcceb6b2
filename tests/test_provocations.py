"""Local provocations: when chance may have a say in them, and how strong one is of which nothing is on record."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import kstest

from sim.model import SpilloverModel
from sim.scenario import Scenario

Floats = npt.NDArray[np.float64]

KNOWN_DAYS = 2.0
OFTEN: dict[str, Any] = {"clock.days": 3.0, "provocations.per_day": 2.0}
BRAWLS = 300
"""Enough to tell a mean that is 35 % off, nine times in ten: a Kolmogorov-Smirnov test at 1 %."""
HALF_LIFE_H = 2.0
FADES = 0.5 ** (1.0 / HALF_LIFE_H)
"""What an hour leaves of anger; what happens in it comes before it fades."""


def angers(values: dict[str, Any], steps: int, seed: int = 1) -> Floats:
    """Return the anger of the groups, (steps, G)."""
    model = SpilloverModel(Scenario.load("tiny").with_values(values), seed, threads=1)
    anger = []
    for _ in range(steps):
        model.run_for(1)
        anger.append(model.city.anger.copy())
    return np.array(anger)


def test_something_happens_by_chance_on_days_that_are_known() -> None:
    anger = angers(OFTEN | {"provocations.known_days": KNOWN_DAYS}, 72)
    assert not anger[:48].any()
    assert anger[48:].any()


def test_luck_after_the_known_days_is_not_what_it_was_without_them() -> None:
    fades_at_once = OFTEN | {"provocations.half_life_h": 0.5}
    always = angers(fades_at_once, 72)
    later = angers(fades_at_once | {"provocations.known_days": KNOWN_DAYS}, 72)
    assert always[:48].any()
    np.testing.assert_allclose(later[60:], always[60:], rtol=0.0, atol=1e-6)


def brawls(**said: float) -> dict[str, Any]:
    """Return a scenario's values with a provocation in each of its first hours, and none by chance."""
    begin = Scenario.load("tiny").file.clock.start
    brawl = {"kind": "provocation", "text": "A brawl.", "neighbourhood": "lower", "community": "amber", **said}
    events = {
        f"events.brawl_{n}": brawl | {"at": datetime.fromisoformat(str(begin)) + timedelta(hours=n)}
        for n in range(BRAWLS)
    }
    return {"clock.days": BRAWLS / 24.0, "provocations.per_day": 0.0} | events


def strengths(values: dict[str, Any]) -> Floats:
    """Return what each hour added to the anger of the one group that is provoked."""
    anger = angers(values | {"provocations.half_life_h": HALF_LIFE_H}, BRAWLS).max(axis=1)
    return anger / FADES - np.concatenate([[0.0], anger[:-1]])


def test_strength_that_is_not_on_record_is_not_drawn_as_that_of_chance() -> None:
    drawn = strengths(brawls() | {"provocations.strength": 0.5})
    assert kstest(drawn, "expon", args=(0.0, 0.5)).pvalue > 0.01


def test_strength_that_is_on_record_is_not_taken_as_it_is() -> None:
    np.testing.assert_allclose(strengths(brawls(strength=0.3)), 0.3, rtol=1e-6)
