"""Kin: the toll of one's own community elsewhere, through ties.

What happens: people hear that their own are being killed where they have relatives.

    alarm[n, c] = X / (X + half),   X = sum over places p of ties[n, c, p] toll[p, c]

over places other than the neighbourhood's own; the toll of another community counts by the solidarity with
it, and the own volunteers' not at all: it is felt through the channel of fighters. A resident feels it in proportion
to their own ties. Source: ethnic ties rather than nearness carry contagion
(Buhaug & Gleditsch 2008); damped where kin hold the state (Cederman et al. 2013), an option.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sim import kernels
from sim.neighbourhoods import City
from sim.parameters import Parameters, param
from sim.seen import Seen
from sim.theatre import Theatre

Floats = npt.NDArray[np.float64]


class KinParameters(Parameters):
    """The channel of kinship."""

    on: bool = True
    weight: float = param(
        0.57,
        unit="1",
        low=0.0,
        high=2.0,
        grade="assumed",
        doc="what full alarm adds to solidarity",
        source="sign from Buhaug & Gleditsch 2008; size out of a former run of `spillover calibrate`, the present one "
        "left it unfitted (docs/calibration.md)",
    )
    toll_half: float = param(
        10.0,
        unit="people",
        low=0.1,
        high=10000.0,
        grade="assumed",
        doc="toll through ties at half alarm",
        source="assumed: twice the toll at half effect of one's own quarter (mobilisation.threat_toll_half), as it is "
        "farther away",
    )
    kin_in_power: float = param(
        0.0,
        unit="1",
        low=0.0,
        high=1.0,
        grade="literature",
        doc="damping for a community whose kin hold the place (0 none, 1 full)",
        source="Cederman et al. 2013: option, off by default",
    )


def alarm(seen: Seen, city: City, theatre: Theatre, p: KinParameters) -> Floats:
    """Return the alarm of each group, [G] in 0 to 1."""
    x = np.empty(city.groups)
    kernels.channels.kin(
        seen.toll, seen.beyond, seen.volunteer_toll, theatre.kindred, city.ties, _felt(seen, theatre, p),
        city.place, city.community, p.toll_half, x,
    )  # fmt: skip
    return x


def _felt(seen: Seen, theatre: Theatre, p: KinParameters) -> Floats:
    """Return what is felt of a toll where one's own hold the place, [P, C]."""
    if not p.kin_in_power:
        return _all_of_it(*seen.toll.shape)
    held = np.minimum(1.0, seen.control @ theatre.constituency)  # share held by one's own
    return np.asarray(1.0 - p.kin_in_power * held)


@lru_cache(maxsize=8)
def _all_of_it(places: int, communities: int) -> Floats:
    """Return the same where nothing is left out."""
    return np.ones((places, communities))
