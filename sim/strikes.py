"""Strikes and border fire: blows from outside the fronts.

What happens: a strike destroys part of a stock in a place and kills some of those who
guard it; fire strays over a border near a front, mostly without harm.
"""

from __future__ import annotations

from sim.chance import Chance
from sim.parameters import Parameters, param
from sim.theatre import Theatre


class StrikeParameters(Parameters):
    """What a strike does, and how often fire strays over a border."""

    stock_destroyed: float = param(
        0.5,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="share of the target's stock in the place that a strike destroys",
        source="reports differ widely",
    )
    stray_per_day: float = param(
        0.25,
        unit="1/d",
        low=0.0,
        high=50.0,
        grade="assumed",
        doc="rate of stray fire into a place marked as exposed to it",
        source="several incidents on the Golan in May 2013",
    )
    stray_harm: float = param(
        0.02,
        unit="1",
        low=0.0,
        high=1.0,
        grade="press",
        doc="probability that stray fire hurts a person",
        source="A20: no damage, no injuries",
    )


def strike(theatre: Theatre, place: int, target: int, killed: int, p: StrikeParameters) -> tuple[int, float]:
    """Destroy part of a faction's stock in a place and kill some of its fighters; return what was lost.

    Never more than are there: returns (fighters killed, tonnes destroyed).
    """
    dead = min(killed, int(theatre.fighters[place, target]))
    tonnes = float(theatre.stock_t[place, target]) * p.stock_destroyed
    theatre.fighters[place, target] -= dead
    theatre.killed[place, target] += dead
    theatre.stock_t[place, target] -= tonnes
    theatre.destroyed_t += tonnes
    return dead, tonnes


def stray_fire(chance: Chance, place: int, p: StrikeParameters, step: int, step_h: float) -> tuple[int, int]:
    """Return incidents of stray fire into a place in this step, and the people they hurt."""
    number = chance.poisson("stray fire", step, p.stray_per_day * step_h / 24.0, place)
    return number, chance.binomial("stray fire hurts", step, number, p.stray_harm, place)
