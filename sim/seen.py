"""What everyone reacts to: the city and the theatre as they stood at the top of the hour.

Decide from what was seen, act on the world that is: then the order of equals cannot
matter. The arrays are copies and cannot be written to.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

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
        for f in fields(self):
            getattr(self, f.name).flags.writeable = False


def freeze(theatre: Theatre, city: City, displaced: Ints) -> Seen:
    """Copy what is to be reacted to; `displaced` [P] counts the people displaced into each place."""
    assailed = (theatre.assault > 0).astype(float) @ theatre.enemy > 0  # [P, F] by an enemy
    beyond = theatre.toll - theatre.usual
    return Seen(
        toll=np.maximum(0.0, beyond),
        beyond=beyond,
        news=theatre.news.copy(),
        control=theatre.control.copy(),
        engaged=theatre.engaged.copy(),
        firing=theatre.firing.copy(),
        slain_rate=theatre.slain_rate.copy(),
        siege=np.where(assailed, 1.0 - theatre.side_share, 0.0),
        through_t=_through(theatre),
        local_toll=city.toll.copy(),
        volunteer_toll=city.volunteer_toll.copy(),
        volunteers=city.states[:, 6].copy(),
        settled=_settled(theatre, city, displaced),
        anger=city.anger.copy(),
        armed_share=city.armed_share.copy(),
        soldiers=city.soldiers.copy(),
    )


def _through(theatre: Theatre) -> Floats:
    """Return t/day that touch each place: half of what its roads carry, in and out."""
    through = np.zeros_like(theatre.control)
    carried = np.abs(theatre.flow_t)
    np.add.at(through, theatre.network.end_a, carried)
    np.add.at(through, theatre.network.end_b, carried)
    return np.asarray(through / 2.0)


def _settled(theatre: Theatre, city: City, displaced: Ints) -> Floats:
    """Spread the displaced in a place over its people, those from outside where they settled."""
    town = theatre.population.sum(axis=1)
    share = np.divide(city.people, town[city.place], out=np.zeros(city.groups), where=town[city.place] > 0)
    return np.asarray(displaced[city.place] * np.minimum(1.0, share) + city.arrived)
