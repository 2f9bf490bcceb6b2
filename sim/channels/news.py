"""News: statements, strikes and conferences, signed and by audience; never tolls.

What happens: something is said or done in public, alarms some and calms others, and is forgotten.

    alarm[n, c] = clip(sum over items of strength[c] 2^(-age / half_life), 0, 1)

Source: assumed; the items are scheduled events with their own sources.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.neighbourhoods import City
from sim.parameters import Parameters, param
from sim.seen import Seen
from sim.theatre import Theatre, half_life_factor

Floats = npt.NDArray[np.float64]


class NewsParameters(Parameters):
    """The channel of news."""

    on: bool = True
    weight: float = param(
        0.10,
        unit="1",
        low=0.0,
        high=2.0,
        grade="assumed",
        doc="what full alarm adds to solidarity",
        source="words weigh less than deaths",
    )
    half_life_h: float = param(
        36.0,
        unit="h",
        low=0.5,
        high=1000.0,
        grade="assumed",
        doc="half-life of an item",
        source="a news cycle of a day or two",
    )


def alarm(seen: Seen, city: City, theatre: Theatre, p: NewsParameters) -> Floats:
    """Return the alarm of each group, [G] in 0 to 1."""
    return np.minimum(1.0, np.maximum(0.0, seen.news[city.community]))


def fade(theatre: Theatre, p: NewsParameters, step_h: float) -> None:
    """Let an hour's worth of what was said be forgotten."""
    theatre.news *= half_life_factor(step_h, p.half_life_h)
