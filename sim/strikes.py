"""Strikes and border fire: blows from outside the fronts.

What happens: a consignment of guided missiles moves from a patron to its party, stop by stop on a
timetable. An outside air force may detect it while it is stored and, by its resolve, strike: part of it
is destroyed and never arrives, and some of those who guard it die. Fire strays over a border near
a front, mostly without harm (A20). Retaliation and escalation are options, off by default:
they never happen by accident.

    detected in a step with probability 1 - exp(-detection x dt),   struck with probability resolve
    each unit in store is destroyed with probability p
    stray fire: Poisson with mean  rate x X/(X + half) x dt,   X = sum over fronts of fire x exp(-distance/reach)
    escalation: once the incidents of a week pass the threshold, each further one is answered on the nearest front

Source: A18 to A20; all rates assumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sim.chance import Chance, code
from sim.parameters import Parameters, param
from sim.theatre import Theatre

if TYPE_CHECKING:
    from sim.schema import AirForce


class StrikeParameters(Parameters):
    """What a strike does, how often fire strays over a border, and what may follow."""

    stock_destroyed: float = param(
        0.02, unit="1", low=0.0, high=1.0, grade="assumed",
        doc="share of the target's supplies in the place that a strike destroys",
        source="one depot among many",
    )  # fmt: skip
    consignment_destroyed: float = param(
        0.8, unit="1", low=0.0, high=1.0, grade="assumed",
        doc="probability that a unit of a struck consignment is destroyed",
        source="reports differ widely; the store itself was hit",
    )  # fmt: skip
    guards_killed: float = param(
        10.0, unit="people", low=0.0, high=500.0, grade="assumed",
        doc="mean of those killed by a strike that an air force decides on by itself",
        source="tens of soldiers in the strike of 5 May 2013 (press)",
    )  # fmt: skip
    stray_per_day: float = param(
        1.0, unit="1/d", low=0.0, high=50.0, grade="assumed",
        doc="rate of stray fire into a place that is exposed to heavy fighting near by",
        source="several incidents on the Golan in May 2013",
    )  # fmt: skip
    stray_reach_km: float = param(
        20.0, unit="km", low=1.0, high=200.0, grade="assumed", doc="distance at which a front's fire counts 1/e",
        source="stray rounds and shells come from the next villages",
    )  # fmt: skip
    stray_half: float = param(
        20.0, unit="people", low=0.1, high=10000.0, grade="assumed",
        doc="fighters firing, weighted by distance, at which stray fire is half as frequent as it can be",
        source="a skirmish of a few dozen fighters",
    )  # fmt: skip
    stray_harm: float = param(
        0.02, unit="1", low=0.0, high=1.0, grade="press", doc="probability that stray fire wounds a person",
        source="A20: no damage, no injuries",
    )  # fmt: skip
    retaliation: bool = param(
        False, unit="switch", grade="assumed", doc="a strike is answered by fire over the border",
        source="none was reported in May 2013",
    )  # fmt: skip
    retaliation_harm: float = param(
        3.0, unit="people", low=0.0, high=500.0, grade="assumed", doc="mean wounded by a retaliation",
        source="only with the option on",
    )  # fmt: skip
    escalation: bool = param(
        False, unit="switch", grade="assumed", doc="stray fire beyond a threshold is answered",
        source="none was reported on 20 May 2013 (A20)",
    )  # fmt: skip
    escalation_threshold: float = param(
        5.0, unit="incidents", low=1.0, high=1000.0, grade="assumed",
        doc="incidents of stray fire in the last week beyond which it is answered", source="only with the option on",
    )  # fmt: skip
    escalation_killed: float = param(
        4.0, unit="people", low=0.0, high=500.0, grade="assumed", doc="mean fighters killed by an answer",
        source="only with the option on",
    )  # fmt: skip


@dataclass
class Consignment:
    """A stock of missiles on its way: where its units are, and which never arrive."""

    id: str
    faction: int
    route: tuple[int, ...]  # places, in order
    leaves: tuple[int, ...]  # step at which it leaves each stop but the last
    reaches: tuple[int, ...]  # step at which it reaches each stop
    units: int
    lane: int
    destroyed: int = 0

    def stop(self, step: int) -> int | None:
        """Return the place where it is stored, None before the first stop and on the road."""
        for i, place in enumerate(self.route):
            gone = self.leaves[i] if i < len(self.leaves) else math.inf
            if self.reaches[i] <= step < gone:
                return place
        return None

    def arrived(self, step: int) -> int:
        """Return the units that have reached the end."""
        return self.units if step >= self.reaches[-1] else 0

    def lose(self, chance: Chance, step: int, p: float) -> int:
        """Let each unit be destroyed with probability p; return how many were."""
        lost = chance.binomial("missiles destroyed", step, self.units, p, group=self.lane)
        self.units -= lost
        self.destroyed += lost
        return lost


@dataclass
class Skies:
    """Consignments and the air forces that look for them; the incidents on the borders."""

    consignments: list[Consignment]
    air_forces: dict[str, AirForce]
    stray: dict[int, list[int]] = field(default_factory=dict)  # steps of stray fire, by place

    def decide(self, theatre: Theatre, chance: Chance, step: int, step_h: float) -> list[tuple[str, Consignment, int]]:
        """Return the strikes that air forces decide on by themselves: (air force, consignment, place)."""
        strikes = []
        for name, force in self.air_forces.items():
            if not force.on:
                continue
            detected = -math.expm1(-force.detection_per_day * step_h / 24.0)
            for consignment in self.consignments:
                place = consignment.stop(step)
                sought = theatre.factions[consignment.faction] in force.against
                if place is None or consignment.units == 0 or not sought:
                    continue
                lane = code(f"{name}/{consignment.id}")
                if (
                    theatre.places[place] in force.reaches
                    and chance.uniform("consignment detected", step, 0, lane) < detected
                    and chance.uniform("strike decided", step, 0, lane) < force.resolve
                ):
                    strikes.append((name, consignment, place))
        return strikes


def hit(theatre: Theatre, place: int, target: int, killed: int, share: float) -> tuple[int, float]:
    """Destroy a share of a faction's supplies in a place and kill some of its fighters, never more than are there.

    Returns (fighters killed, tonnes destroyed).
    """
    dead = min(killed, int(theatre.fighters[place, target]))
    tonnes = float(theatre.stock_t[place, target]) * share
    theatre.fighters[place, target] -= dead
    theatre.killed[place, target] += dead
    theatre.stock_t[place, target] -= tonnes
    theatre.destroyed_t += tonnes
    return dead, tonnes


def stray_fire(
    theatre: Theatre, chance: Chance, place: int, p: StrikeParameters, step: int, step_h: float
) -> tuple[int, int]:
    """Return incidents of stray fire into a place in this step, and the people they wound."""
    near = float((theatre.firing * theatre.nearness(p.stray_reach_km)[place]).sum())
    mean = p.stray_per_day * near / (near + p.stray_half) * step_h / 24.0
    lane = code(theatre.places[place])
    number = chance.poisson("stray fire", step, mean, group=lane) if mean else 0
    if not number:
        return 0, 0
    return number, chance.binomial("stray fire hurts", step, number, p.stray_harm, group=lane)


def answers(skies: Skies, place: int, number: int, p: StrikeParameters, step: int, step_h: float) -> int:
    """Take down stray fire into a place; return how many of the incidents are answered (0 unless the option is on)."""
    week = round(24 * 7 / step_h)
    recent = [s for s in skies.stray.get(place, []) if s > step - week]
    skies.stray[place] = recent + [step] * number
    over = len(skies.stray[place]) - p.escalation_threshold
    return min(number, max(0, math.ceil(over))) if p.escalation else 0


def nearest_front(theatre: Theatre, place: int) -> int | None:
    """Return the front nearest to a place that has fighters, None where there is none."""
    manned = [int(f) for f in theatre.fronts if theatre.fighters[f].sum() > 0]
    return min(manned, key=lambda f: (theatre.distance_km[place, f], f)) if manned else None
