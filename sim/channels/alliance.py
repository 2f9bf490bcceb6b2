"""Alliance: outside parties join the fight on a hostile side.

What happens: news that fighters from abroad fight for the enemy's camp alarms a community. It comes at once and is
forgotten slowly, so that a pause in an assault does not undo it.

    alarm[n, c] = X / (X + half),   X = outside fighters heard of on sides hostile to c
    heard of    = max(those in contact, heard of a step ago x 2^(-dt / half-life))

Source: claims A09 and A10 of the register; size assumed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim import kernels
from sim.neighbourhoods import City
from sim.parameters import Parameters, param
from sim.seen import Seen
from sim.theatre import Theatre, half_life_factor

Floats = npt.NDArray[np.float64]


class AllianceParameters(Parameters):
    """The channel of alliances."""

    on: bool = True
    weight: float = param(
        0.40,
        unit="1",
        low=0.0,
        high=2.0,
        grade="assumed",
        doc="what full alarm adds to solidarity",
        source="A09, A10: the fight takes a regional and sectarian tone",
    )
    fighters_half: float = param(
        300.0,
        unit="people",
        low=1.0,
        high=100000.0,
        grade="assumed",
        doc="outside fighters heard of at half alarm",
        source="hundreds of foreign fighters (A09)",
    )
    half_life_days: float = param(
        3.0,
        unit="d",
        low=0.01,
        high=100.0,
        grade="assumed",
        doc="half-life of what was heard of outside fighters, once fewer of them are in contact",
        source="as long as a toll is remembered (toll.half_life_days)",
    )


def alarm(seen: Seen, city: City, theatre: Theatre, p: AllianceParameters) -> Floats:
    """Return the alarm of each group, [G] in 0 to 1."""
    x = np.empty(city.groups)
    kernels.channels.alliance(seen.heard_of, theatre.outside, theatre.hostile_to, city.community, p.fighters_half, x)
    return x


def remember(theatre: Theatre, p: AllianceParameters, step_h: float) -> None:
    """Let people hear of the fighters in contact, and forget a step's worth of those who are so no longer."""
    kept = theatre.heard_of * half_life_factor(step_h, 24.0 * p.half_life_days)
    theatre.heard_of = np.maximum(theatre.engaged, kept)
