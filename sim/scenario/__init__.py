"""Scenarios: strict TOML in, variations of itself, the story in words out."""

from sim.scenario.faults import Fault, ScenarioError
from sim.scenario.loading import shipped
from sim.scenario.scenario import Scenario
from sim.scenario.story import tell
from sim.scenario.values import assignments, value_of, values_in

__all__ = [
    "Fault",
    "Scenario",
    "ScenarioError",
    "assignments",
    "shipped",
    "tell",
    "value_of",
    "values_in",
]
