"""What everyone reacts to: the city and the theatre as they stood at the top of the hour.

Decide from what was seen, act on the world that is: then the order of equals cannot
matter. The arrays are copies and cannot be written to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim import kernels
from sim.neighbourhoods import City
from sim.theatre import Theatre

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Seen:
    """The frozen top of the hour. Indices: p place, f faction, c community, g group, k corridor."""

    # of the theatre
    toll: Floats  # [P, C] what is felt of it: beyond the usual
    beyond: Floats  # [P, C] the toll less the usual, below zero where things are calmer than that
    news: Floats  # [C]
    control: Floats  # [P, F]
    engaged: Floats  # [P, F] fighters in contact
    heard_of: Floats  # [P, F] the same as people remember it
    firing: Floats  # [P] effective fighters firing
    slain_rate: Floats  # [P, F] killed an hour for each fighter
    siege: Floats  # [P, F] share of the place that assailants hold against the faction's side
    through_t: Floats  # [P, F] t/day of supplies that come, go or pass through
    # of the city
    local_toll: Floats  # [G]
    volunteer_toll: Floats  # [G, P] of the own volunteers, where they fell
    volunteers: Ints  # [G] people away at a front
    settled: Floats  # [G] displaced people from elsewhere living among the group
    anger: Floats  # [G]
    armed_share: Floats  # [G]
    soldiers: Floats  # [P]

    def __post_init__(self) -> None:
        """Close every array to writing."""
        for table in vars(self).values():
            table.setflags(write=False)


def freeze(theatre: Theatre, city: City, displaced: Ints) -> Seen:
    """Copy what is to be reacted to; `displaced` [P] counts the people displaced into each place."""
    beyond, siege = theatre.toll - theatre.usual, np.empty(theatre.control.shape)
    kernels.theatre.besiege(theatre.assault, theatre.enemy, theatre.control, theatre.coalition, siege)
    return Seen(
        toll=np.maximum(0.0, beyond),
        beyond=beyond,
        news=theatre.news.copy(),
        control=theatre.control.copy(),
        engaged=theatre.engaged.copy(),
        heard_of=theatre.heard_of.copy(),
        firing=theatre.firing.copy(),
        slain_rate=theatre.slain_rate.copy(),
        siege=siege,
        through_t=theatre.through_t.copy(),
        local_toll=city.toll.copy(),
        volunteer_toll=city.volunteer_toll.copy(),
        volunteers=city.states[:, 6].copy(),
        settled=_settled(theatre, city, displaced),
        anger=city.anger.copy(),
        armed_share=city.armed_share.copy(),
        soldiers=city.soldiers.copy(),
    )


def _settled(theatre: Theatre, city: City, displaced: Ints) -> Floats:
    """Spread the displaced in a place over its people, those from outside where they settled."""
    settled = np.empty(city.groups)
    kernels.theatre.settle(displaced, theatre.inhabitants, city.place, city.people, city.arrived, settled)
    return settled
