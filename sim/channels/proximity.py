"""Proximity: fighting within reach, of whatever community.

What happens: shells and columns of smoke are near, whoever is hurt.

    alarm[n, c] = X / (X + half),   X = sum over places p of exp(-d[n, p] / reach) toll of the others at p

The toll of one's own counts under kin, never here, and that of others in solidarity by so much
less. Source: weak by the evidence (Buhaug & Gleditsch 2008), so the default weight is small.
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


class ProximityParameters(Parameters):
    """The channel of nearness."""

    on: bool = True
    weight: float = param(
        0.03,
        unit="1",
        low=0.0,
        high=2.0,
        grade="assumed",
        doc="what full alarm adds to solidarity",
        source="Buhaug & Gleditsch 2008: weak; size assumed",
    )
    reach_km: float = param(
        40.0,
        unit="km",
        low=1.0,
        high=1000.0,
        grade="assumed",
        doc="distance at which a toll's weight falls by e",
        source="within an hour's drive",
    )
    toll_half: float = param(
        25.0,
        unit="people",
        low=0.1,
        high=10000.0,
        grade="assumed",
        doc="toll in reach at half alarm",
        source="as for kin",
    )


def alarm(seen: Seen, city: City, theatre: Theatre, p: ProximityParameters) -> Floats:
    """Return the alarm of each group, [G] in 0 to 1."""
    others = seen.toll @ theatre.strange.T  # [P, C] toll of those who do not count as one's own
    felt = np.empty((city.groups, len(theatre.places)))
    kernels.channels.proximity(others, theatre.nearness(p.reach_km), city.place, city.community, felt)
    x = felt.sum(axis=1)
    return np.asarray(x / (x + p.toll_half))
