"""Security forces: a state army between the communities.

What happens: after violence passes a threshold the army comes with a lag, stands
between the sides, deters, detains and lowers the fire; it is shot at itself, and
leaves again when it has been quiet for long enough.

    soldiers -> ordered strength at the rate deploy_per_hour, from lag hours after the call
    fire across the line is multiplied by half/(half + soldiers)

In the record: 18 interventions from May 2008 to October 2013.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim import kernels
from sim.chance import Chance
from sim.neighbourhoods import City
from sim.parameters import Parameters, param

Floats = npt.NDArray[np.float64]


class SecurityParameters(Parameters):
    """How a security force responds, and what its presence does."""

    threshold_hits_per_day: float = param(
        8.0,
        unit="people/d",
        low=0.0,
        high=1000.0,
        grade="assumed",
        doc="killed and wounded a day in its place that call it out",
        source="it came in most rounds of 2011-2013",
    )
    quiet_hits_per_day: float = param(
        3.0,
        unit="people/d",
        low=0.0,
        high=1000.0,
        grade="assumed",
        doc="level below which a place counts as quiet",
        source="sporadic fire",
    )
    withdraw_after_h: float = param(
        72.0,
        unit="h",
        low=1.0,
        high=5000.0,
        grade="assumed",
        doc="quiet time before it goes back",
        source="days after a truce",
    )
    deploy_per_hour: float = param(
        0.15,
        unit="1/h",
        low=0.001,
        high=10.0,
        grade="assumed",
        doc="share of the gap between present and ordered strength that is closed in an hour",
        source="a battalion moves within a day",
    )
    buffer_half: float = param(
        500.0,
        unit="people",
        low=1.0,
        high=100000.0,
        grade="assumed",
        doc="soldiers on the line at which fire across it is halved",
        source="checkpoints along one street",
    )
    detain_per_hour: float = param(
        2e-5,
        unit="1/(h person)",
        low=0.0,
        high=0.1,
        grade="assumed",
        doc="hazard of detention of a mobilised resident for each soldier in sight",
        source="few arrests are reported in the rounds",
    )
    exposure: float = param(
        0.01,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="exposure of a soldier to the fire of either side",
        source="armoured and behind positions; few soldiers were killed in the rounds",
    )
    posted_width_m: float = param(
        60.0,
        unit="m",
        low=5.0,
        high=2000.0,
        grade="assumed",
        doc="distance from the line of contact within which soldiers stand",
        source="one street and its corners",
    )


@dataclass
class Force:
    """One security force: where it stands, and what it has been ordered to do."""

    id: str
    place: int
    lane: int
    standing: int
    reserve: int
    lag_h: float
    needs_approval: bool
    soldiers: float
    ordered: float
    due_h: float = math.inf  # hour from which the present call is carried out
    quiet_h: float = 0.0
    peak: float = 0.0  # greatest hits a day since the call
    killed: int = 0
    wounded: int = 0
    held: bool = False  # by a scheduled order, until the next

    def respond(self, hits_per_day: float, hour: float, p: SecurityParameters, step_h: float) -> None:
        """Hear of the violence, and order strength accordingly."""
        self.peak = max(self.peak, hits_per_day) if math.isfinite(self.due_h) else hits_per_day
        self.quiet_h = self.quiet_h + step_h if hits_per_day < p.quiet_hits_per_day else 0.0
        if hits_per_day >= p.threshold_hits_per_day and math.isinf(self.due_h):
            self.due_h = hour + self.lag_h
        if self.held:
            return
        tired = not self.needs_approval or hits_per_day < 0.5 * self.peak
        if hour >= self.due_h and tired:
            self.ordered = max(self.ordered, float(self.standing + self.reserve))
        if self.quiet_h >= p.withdraw_after_h:
            self.ordered, self.due_h = float(self.standing), math.inf

    def order(self, soldiers: int) -> None:
        """Take a scheduled order to be at a strength; it holds until the next, whatever happens."""
        self.ordered, self.due_h, self.quiet_h, self.held = float(soldiers), math.inf, 0.0, True

    def deploy(self, p: SecurityParameters, step_h: float) -> None:
        """Move towards the ordered strength."""
        self.soldiers += (self.ordered - self.soldiers) * -math.expm1(-p.deploy_per_hour * step_h)

    def come_under_fire(
        self, in_reach: float, hit_per_hour: float, lethality: float, p: SecurityParameters, chance: Chance, step: int,
        step_h: float,
    ) -> tuple[int, int]:  # fmt: skip
        """Return soldiers killed and wounded; `in_reach` is the mean armed people in reach of their posts."""
        mean = hit_per_hour * in_reach * p.exposure * self.soldiers * step_h
        hits = min(chance.poisson("soldier hit", step, mean, group=self.lane), int(self.soldiers)) if mean else 0
        if not hits:
            return 0, 0
        dead = chance.binomial("soldier killed", step, hits, lethality, group=self.lane)
        self.soldiers -= hits  # the wounded are relieved by others of the force, the dead are not
        self.ordered = max(0.0, self.ordered - dead)
        fallen_of_reserve = min(dead, self.reserve)
        self.reserve -= fallen_of_reserve
        self.standing = max(0, self.standing - (dead - fallen_of_reserve))
        self.killed += dead
        self.wounded += hits - dead
        return dead, hits - dead


def buffer(soldiers: Floats, p: SecurityParameters) -> Floats:
    """Return the factor that soldiers on the line leave of the fire across it."""
    return np.asarray(p.buffer_half / (p.buffer_half + soldiers))


def armed_in_reach_of_posts(city: City, place: int) -> float:
    """Return the armed people in reach of a soldier, mean over the posts in a place."""
    for ground in city.grounds:
        if ground.place == place and city.armed_up[ground.groups].any():
            return float(kernels.theatre.mean_at_posts(ground.armed, ground.posts))
    return 0.0
