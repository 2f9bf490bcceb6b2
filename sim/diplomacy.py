"""Diplomacy: an announced conference changes resolve and expectations.

What happens: a conference is announced, prepared, held, and ends with an agreement or without.

    announced          resolve of the parties moves by resolve_change a month
    until it opens     with anticipation on, parties press assaults by 1 + push: take ground before talks
    while it sits      parties fight with 1 - lull of their intensity
    when it closes     an agreement with probability agreement_chance; then 1 - truce of their intensity

A party whose horizon lies after the day expects nothing of the talks: its resolve and its fighting
are not moved, and it cannot agree (A21). It may still want ground before others talk. By
default resolve_change, lull and agreement_chance are 0 and anticipation is off: talks have no
effect (A24; Ruhe 2021: lasting only where the core issue is negotiated).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.chance import Chance
from sim.parameters import Parameters, param
from sim.theatre import Theatre

Bools = npt.NDArray[np.bool_]


class DiplomacyParameters(Parameters):
    """What an announced conference does."""

    resolve_change: float = param(
        0.0, unit="1", low=-1.0, high=1.0, grade="literature",
        doc="change of resolve a month while a conference is announced",
        source="Ruhe 2021: no lasting effect unless the core issue is negotiated; A24",
    )  # fmt: skip
    anticipation: bool = param(
        False, unit="switch", grade="assumed", doc="parties press their assaults before the conference opens",
        source="option: take ground before talks",
    )  # fmt: skip
    push: float = param(
        0.5, unit="1", low=0.0, high=5.0, grade="assumed", doc="what anticipation adds to the intensity of assaults",
        source="only with the option on",
    )  # fmt: skip
    lull: float = param(
        0.0, unit="1", low=0.0, high=1.0, grade="literature", doc="share by which parties fight less while it sits",
        source="Lundgren, Svensson & Karakus 2023: local ceasefires; A24 expects none here",
    )  # fmt: skip
    agreement_chance: float = param(
        0.0, unit="1", low=0.0, high=1.0, grade="assumed", doc="probability that it ends in an agreement",
        source="A24; the conference of January 2014 ended without one",
    )  # fmt: skip
    truce: float = param(
        0.5, unit="1", low=0.0, high=1.0, grade="assumed", doc="share by which parties fight less after an agreement",
        source="only after an agreement",
    )  # fmt: skip


@dataclass
class Talks:
    """One conference and how far it has come."""

    lane: int  # the number by which it is known to the generator
    parties: Bools  # [F]
    opens: int | None  # step
    agreed: bool = False
    closed: bool = False

    def sits(self, step: int) -> bool:
        """Say whether the conference is being held."""
        return not self.closed and self.opens is not None and step >= self.opens

    def close(self, bound: Bools, p: DiplomacyParameters, chance: Chance, step: int) -> None:
        """End it: in an agreement only if no party is bound by its horizon."""
        self.closed = True
        willing = not (self.parties & bound).any()
        self.agreed = willing and chance.uniform("agreement", step, group=self.lane) < p.agreement_chance


def expect(
    theatre: Theatre, talks: list[Talks], bound: Bools, p: DiplomacyParameters, step: int, step_h: float
) -> None:
    """Let what is announced, held and agreed move resolve and intensity; `bound` [F]: by a horizon.

    Writes `urge` and `calm`, the factors on the intensity of each faction's assaults and of its fighting, and
    `hopes`, what is added to its resolve in this step.
    """
    theatre.urge[:], theatre.calm[:], theatre.hopes[:] = 1.0, 1.0, 0.0
    for talk in talks:
        moved = talk.parties & ~bound
        if not talk.closed:
            theatre.hopes[moved] += p.resolve_change * step_h / (24.0 * 30.0)
        if p.anticipation and not talk.closed and not talk.sits(step):
            theatre.urge[talk.parties] = 1.0 + p.push
        if talk.sits(step):
            theatre.calm[moved] *= 1.0 - p.lull
        if talk.agreed:
            theatre.calm[moved] *= 1.0 - p.truce
