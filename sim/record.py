"""What a run remembers while it goes: plain columns, filled once an hour.

The model writes here and never reads; `sim.runs` turns it into tables and a folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Series:
    """One recorded column: what is measured, in which unit, of whom (ids, "" where not applicable)."""

    measure: str
    unit: str
    place: str = ""
    neighbourhood: str = ""
    community: str = ""
    faction: str = ""


@dataclass(frozen=True)
class Side:
    """A party to an incident: a faction, a security force, or a neighbourhood's armed residents."""

    id: str
    name: str
    kind: str  # "state", "armed_group", "residents", "outside" (a patron or air force)
    community: str  # the community most of it comes from


FIRE_COLUMNS = (
    "step", "place", "neighbourhood", "side_a", "side_b", "event_type",
    "killed_a", "killed_b", "killed_civilians", "wounded_a", "wounded_b", "wounded_civilians",
)  # fmt: skip
"""Integer columns of raw casualties: indices into places, neighbourhoods (-1: none), sides and event types."""

EVENT_TYPES = ("armed_clash", "shelling", "air_strike", "attack", "border_fire", "explosion")
"""Codes of the column `event_type`, in the order of their numbers."""


@dataclass
class Record:
    """Everything a run leaves behind, as columns.

    values: float64 (steps, series), one row an hour, filled up to `steps_done`.
    fire: rows of casualties between one pair of sides in one place (and neighbourhood) in one step.
    flows: daily rows of (step, corridor, faction, t/day, share of the corridor open to it).
    worth: daily rows of (step, place, faction, strategic value in t/day).
    claims: rows of dicts: observer, claimed_at (step), place, topic, party, first_step, last_step, value, truth.
    happened: scheduled events as they took effect: (step, event id, text).
    """

    series: tuple[Series, ...]
    values: npt.NDArray[np.float64]
    sides: tuple[Side, ...]
    steps_done: int = 0
    fire: list[tuple[int, ...]] = field(default_factory=list)
    flows: list[tuple[int, int, int, float, float]] = field(default_factory=list)
    worth: list[tuple[int, int, int, float]] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    happened: list[tuple[int, str, str]] = field(default_factory=list)
