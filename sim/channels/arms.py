"""Arms: weapons leak along the corridors they travel.

What happens: part of what passes through a place stays there, and more residents have a weapon.

    d share[n, c] / dt = weight x weapons per tonne x Q / residents able to fight in the place

with Q the t/day that pass through the place, each faction's counted by the share of c in its constituency.

Source: assumed; A14 for the flow.
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


class ArmsParameters(Parameters):
    """The channel of arms."""

    on: bool = True
    weight: float = param(
        1.0,
        unit="1",
        low=0.0,
        high=10.0,
        grade="assumed",
        doc="multiplies the leak",
        source="reference level",
    )
    weapons_per_tonne: float = param(
        1.5,
        unit="1/t",
        low=0.0,
        high=100.0,
        grade="assumed",
        doc="weapons left behind for each tonne that passes",
        source="a tonne holds some 200 rifles; most is not rifles and most passes on",
    )


def leak(seen: Seen, city: City, theatre: Theatre, p: ArmsParameters, step_h: float) -> Floats:
    """Return by how much the share of those with a weapon rises in an hour, [G]."""
    more = np.empty(city.groups)
    kernels.channels.arms(
        seen.through_t, theatre.constituency, city.able_people, city.place, city.community,
        p.weight * p.weapons_per_tonne, step_h, more,
    )  # fmt: skip
    return more
