"""The ways in which violence in one place may be felt in another: one file each.

`CHANNELS` is the list that the hour walks: to add a channel, write its file, its line
here and its field in the scenario's `[channels]`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.channels import alliance, arms, fighters, kin, news, proximity, refugees

if TYPE_CHECKING:
    from sim.neighbourhoods import City
    from sim.schema import Channels
    from sim.seen import Seen
    from sim.theatre import Theatre

ALARMS: dict[str, Callable[..., npt.NDArray[np.float64]]] = {
    "kin": kin.alarm,
    "alliance": alliance.alarm,
    "news": news.alarm,
    "proximity": proximity.alarm,
    "fighters": fighters.alarm,
}
"""Channels that carry alarm, in the order of the recorded columns."""

CHANNELS = (*ALARMS, "arms", "refugees")


def is_on(p: Any) -> bool:
    """Say whether a channel acts: switched on, and with a weight."""
    return bool(p.on) and p.weight != 0


def alarms(seen: Seen, city: City, theatre: Theatre, channels: Channels) -> dict[str, npt.NDArray[np.float64]]:
    """Return the alarm [G] of every channel that is on; all read the same frozen hour."""
    return {
        name: alarm(seen, city, theatre, getattr(channels, name))
        for name, alarm in ALARMS.items()
        if is_on(getattr(channels, name))
    }


__all__ = ["ALARMS", "CHANNELS", "alarms", "arms", "fighters", "is_on", "news", "refugees"]
