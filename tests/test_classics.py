"""Granovetter's cascade and pure attrition as settings of the ordinary model, against their closed forms."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import sim
from sim.scenario import Scenario

SEEDS = range(8)
HOURS_A_DAY = 24.0

# --- Granovetter: F(m) = 1 - (theta - b m)/(1 - L), uniform thresholds -----------------------------------


def settled(b: float, seed: int, **changes: float) -> float:
    """Return the share of the crowd who act when the run ends."""
    scenario = Scenario.load("classics/granovetter")
    values = {"mobilisation.imitation": b} | {f"mobilisation.{key}": value for key, value in changes.items()}
    result = sim.run(scenario.with_values(values), seed=seed)
    residents = scenario.file.neighbourhoods["square"].residents
    return float(result.columns.levels("mobilised")[-1].sum()) / residents


def fixed_point(b: float, hardship: np.ndarray[Any, Any], theta: float = 0.9) -> float:
    """Return where the cascade of these very people ends: each acts when H + b m > theta."""
    acting = -1.0
    share = 0.0
    while share > acting:
        acting = share
        share = float((hardship + b * acting > theta).mean())
    return share


@pytest.mark.parametrize("b", [0.3, 0.5, 0.8])
def test_a_cascade_ends_elsewhere_than_the_thresholds_say(b: float) -> None:
    """Closed form m* = (1 - L - theta)/(1 - L - b).

    40,000 thresholds drawn at random put the fixed point sqrt(m* (1 - m*)/40,000)/(1 - b) beside it:
    the mean of 8 runs is held to four standard errors, 0.018 at b = 0.8.
    """
    theory = (1.0 - 0.9) / (1.0 - b)
    spread = np.sqrt(theory * (1.0 - theory) / 40_000) / (1.0 - b)
    found = [settled(b, seed) for seed in SEEDS]
    assert np.mean(found) == pytest.approx(theory, abs=4.0 * spread / np.sqrt(len(found)))


def test_a_cascade_ends_elsewhere_than_these_peoples_thresholds_say() -> None:
    """The same people, threshold by threshold: what is left is the softness of the decision, tau = 0.005."""
    from sim.model import SpilloverModel

    scenario = Scenario.load("classics/granovetter")
    for seed in SEEDS:
        people = SpilloverModel(scenario, seed=seed).residents.hardship.astype(np.float64)
        assert settled(0.8, seed) == pytest.approx(fixed_point(0.8, people), abs=0.01)


def test_a_strong_example_does_not_take_everyone() -> None:
    assert settled(1.1, 0) > 0.999


def test_a_crowd_without_anyone_to_begin_acts() -> None:
    """Granovetter's point: hardly anyone differs, and everything does. At 0.8 nobody is first; all would stay at 1."""
    assert settled(1.1, 0, hardship_high=0.8) == 0.0


# --- attrition -------------------------------------------------------------------------------------------


@cache
def fought(name: str, seed: int) -> np.ndarray[Any, Any]:
    """Return the fighters left of ambers and blues at the start and at the end of each hour, (hours + 1, 2)."""
    scenario = Scenario.load(f"classics/{name}")
    result = sim.run(scenario, seed=seed)
    keys = result.columns.keys("fighters", "faction")
    order = [keys.index((side,)) for side in ("ambers", "blues")]
    start = [[scenario.file.factions[side].fighters for side in ("ambers", "blues")]]
    return np.concatenate([start, result.columns.levels("fighters")[:, order]])


def firepower(name: str) -> float:
    """Return what either side kills a day for each fighter; their stocks keep them fully supplied."""
    factions = Scenario.load(f"classics/{name}").file.factions
    (each,) = {faction.firepower for faction in factions.values()}
    return each


def lanchester(days: float) -> np.ndarray[Any, Any]:
    """Return the closed form of dA/dt = - a B, dB/dt = - a A."""
    start, each = fought("attrition", 0)[0], firepower("attrition")
    cosh, sinh = np.cosh(each * days), np.sinh(each * days)
    return np.array([start[0] * cosh - start[1] * sinh, start[1] * cosh - start[0] * sinh])


def deitchman(days: float) -> np.ndarray[Any, Any]:
    """Return the closed form of dA/dt = - b B, dB/dt = - a A B/R.

    c = b B - a A^2/(2 R) stays as it is, so dA/dt = - (c + q A^2), q = a/(2 R): with c > 0 an arctangent,
    with c < 0 its hyperbolic kin.
    """
    start, each = fought("attrition-ambush", 0)[0], firepower("attrition-ambush")
    q = each / (2.0 * Scenario.load("classics/attrition-ambush").file.engagement.area_fire_reference)
    c = each * start[1] - q * start[0] ** 2
    if c > 0.0:
        root = np.sqrt(c / q)
        ambers = root * np.tan(np.arctan(start[0] / root) - np.sqrt(c * q) * days)
    else:
        root = np.sqrt(-c / q)
        ambers = root / np.tanh(np.arctanh(root / start[0]) + np.sqrt(-c * q) * days)
    return np.array([ambers, (c + q * ambers**2) / each])


@pytest.mark.parametrize(("name", "law"), [("attrition", lanchester), ("attrition-ambush", deitchman)])
def test_forces_wear_down_by_another_law(name: str, law: Any) -> None:
    """The mean of 8 runs is held to four standard errors and 0.5 % of the force, for the steps of an hour."""
    runs = np.array([fought(name, seed) for seed in SEEDS])
    for hour in (24, 48, 96):
        left, theory = runs[:, hour], law(hour / HOURS_A_DAY)
        error = 4.0 * left.std(axis=0, ddof=1) / np.sqrt(len(left)) + 0.005 * runs[0, 0]
        assert (error < 0.05 * runs[0, 0]).all(), "too wide to see anything"
        assert (np.abs(left.mean(axis=0) - theory) < error).all(), f"hour {hour}: {left.mean(axis=0)}, law {theory}"


def test_one_law_would_do_for_the_other() -> None:
    """Aimed fire in place of area fire ends the ambushers within the run."""
    hidden = Scenario.load("classics/attrition-ambush")
    seen = sim.run(hidden.with_values({"factions.ambers.fire": "aimed"}), seed=0)
    assert seen.columns.last("fighters", "faction")[("blues",)] < 0.1 * fought("attrition-ambush", 0)[-1, 1]


@pytest.mark.parametrize("name", ["attrition", "attrition-ambush", "granovetter"])
def test_something_else_happens_in_a_setting_of_one_mechanism(name: str) -> None:
    result = sim.run(Scenario.load(f"classics/{name}"), seed=1)
    totals = {
        m: result.columns.levels(m).sum() for m in ("displaced", "detained", "sheltering", "stray_fire", "wounded")
    }
    assert set(totals.values()) == {0.0}
    assert (result.columns.levels("mobilised").sum() > 0) == (name == "granovetter")
    assert (result.columns.levels("faction_killed").sum() > 0) == (name != "granovetter")
    assert all(np.ptp(level) == 0 for level in result.columns.levels("control").T)
