"""Refugees: arrivals change the composition and the hardship of their hosts.

What happens: displaced people settle among residents; hosts' hardship rises, or falls.

    d hardship[n, c] = weight x arrivals living in n / residents of n

Source: the sign is disputed (Salehyan & Gleditsch 2006 against Shaver & Zhou 2021), so
the range spans zero and the default is slightly positive.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.neighbourhoods import City
from sim.parameters import Parameters, param
from sim.seen import Seen
from sim.theatre import Theatre

Floats = npt.NDArray[np.float64]


class RefugeesParameters(Parameters):
    """The channel of refugees."""

    on: bool = True
    weight: float = param(
        0.10,
        unit="1",
        low=-2.0,
        high=2.0,
        grade="literature",
        doc="hardship added for one arrival a resident",
        source="disputed: Salehyan & Gleditsch 2006 (raises), Shaver & Zhou 2021 (does not)",
    )


def hardship(seen: Seen, city: City, theatre: Theatre, p: RefugeesParameters) -> Floats:
    """Return what arrivals add to the hardship of each group, [G]."""
    return np.asarray(p.weight * seen.settled / np.maximum(1, city.people))
