"""Alliance: outside parties join the fight on a hostile side.

What happens: news that fighters from abroad fight for the enemy's camp alarms a community.

    alarm[n, c] = X / (X + half),   X = outside fighters in contact on sides hostile to c

Source: claims A09 and A10 of the register; size assumed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim import kernels
from sim.neighbourhoods import City
from sim.parameters import Parameters, param
from sim.seen import Seen
from sim.theatre import Theatre

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
        doc="outside fighters in contact at half alarm",
        source="hundreds of foreign fighters (A09)",
    )


def alarm(seen: Seen, city: City, theatre: Theatre, p: AllianceParameters) -> Floats:
    """Return the alarm of each group, [G] in 0 to 1."""
    x = np.empty(city.groups)
    kernels.channels.alliance(seen.engaged, theatre.outside, theatre.hostile_to, city.community, p.fighters_half, x)
    return x
