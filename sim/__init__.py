"""Spillover: how much of the violence in one place was caused by a battle in another.

    import sim
    result = sim.run("qusayr-2013", seed=1)
    result.summary["killed"]["by_place"], result.incidents, result.measures

`load` reads a run folder; `Scenario` reads a scenario file; `SpilloverModel` is the Mesa
model. Names are imported when first used, so that `import sim` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.model import SpilloverModel
    from sim.runs import Result, load, run
    from sim.scenario import Scenario, ScenarioError

__all__ = ["Result", "Scenario", "ScenarioError", "SpilloverModel", "load", "run"]

_HOME = {
    "Result": "sim.runs",
    "load": "sim.runs",
    "run": "sim.runs",
    "Scenario": "sim.scenario",
    "ScenarioError": "sim.scenario",
    "SpilloverModel": "sim.model",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'sim' has no attribute {name!r}")
