"""Fronts: the battle for a place.

What happens: groups of the forces in contact open fire on whoever opposes them;
people are killed and wounded, ground changes hands, civilians are in the way.

Of N fighters, E = N x contact x intensity x readiness are in contact in an hour. The
expected losses they inflict are (Lanchester's square law; Deitchman 1962 for area fire)

    aimed:  E a firepower enmity / (24 cover)          area:  the same x opponents in contact / reference

with enmity the size of the stance towards those opposed, a the effectiveness by supply and cover the
ground's favour to who holds it. Each group opens engagements at a small rate and its casualties scale
with its size (Bohorquez et al. 2009), so the size of events has a heavy tail while the expected losses
are the law's.

An assaulting side advances by

    d share / dt = v intensity readiness (rho - balance)/(1 - balance) (share of the defenders)^consolidation

rho: its part of the combat power in place. Readiness wears down in an assault and
recovers in rest, so an assault is fiercest at first; those who are worn pause before they
press on, so that a battle goes in pushes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim import kernels
from sim.chance import Chance, code
from sim.parameters import Parameters, param
from sim.theatre import Theatre

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class EngagementParameters(Parameters):
    """How fighters engage, and how groups merge and break up."""

    initiations_per_hour: float = param(
        0.02,
        unit="1/h",
        low=1e-4,
        high=1.0,
        grade="assumed",
        doc="engagements that one group opens in an hour at full intensity",
        source="sets the number of engagements, not the expected losses",
    )
    turnover_per_hour: float = param(
        0.02,
        unit="1/h",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="regroupings (mergers or break-ups) an hour for each fighter in contact",
        source="Bohorquez et al. 2009; the rate only sets how fast sizes settle",
    )
    shatter_share: float = param(
        0.05,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="share of regroupings in which a group breaks up wholly",
        source="Bohorquez et al. 2009: small",
    )
    readiness_loss_per_hour: float = param(
        0.0853,
        unit="1/h",
        low=0.0,
        high=1.0,
        grade="fitted",
        doc="rate at which an assault wears down the readiness of a force in contact",
        source="fitted: the centre that `spillover calibrate` finds (docs/calibration.md); "
        "before: an assault is fiercest on its first day (UCDP GED, Qusayr 19-25 May 2013: 77, then about "
        "19 a day)",
    )
    readiness_gain_per_hour: float = param(
        0.0225,
        unit="1/h",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="rate at which rest restores it",
        source="assumed: rotation within days; chosen by hand within that, by the day on which Qusayr falls "
        "(docs/calibration.md)",
    )
    break_off_readiness: float = param(
        0.3,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="readiness at which those who assault a place together pause; 0: they never do",
        source="assumed: an attacker culminates when about a third of what he began with is left; the operational "
        "pause of doctrine (Clausewitz 1832, book VII; Cowan 1987; McGraw 1991)",
    )
    resume_readiness: float = param(
        0.7,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="readiness at which they assault it again",
        source="assumed: rested for the most part, so that a pause takes two days with recovery as above; at Qusayr "
        "deaths a day peak on 19, 25 and 29 May and 5 June, with 1 to 10 on days between (UCDP GED)",
    )
    wounded_per_killed: float = param(
        2.0,
        unit="1",
        low=0.0,
        high=15.0,
        grade="press",
        doc="fighters wounded for each killed",
        source="press counts of the battle for Qusayr: rebels about 1,000 wounded to 431-500 killed, Hezbollah 200 to "
        "114 (70 to 23 on the first day alone); Coupland & Meddings 1999: at least 2",
    )
    recover_days: float = param(
        25.0,
        unit="d",
        low=1.0,
        high=1000.0,
        grade="assumed",
        doc="mean time until a wounded fighter returns",
        source="gunshot and blast wounds",
    )
    civilian_hit_per_hour: float = param(
        4.0e-6,
        unit="1/(h fighter)",
        low=0.0,
        high=1e-3,
        grade="assumed",
        doc="hazard of being hit, for a person in the open, for each fighter firing in the place",
        source="order of 50 to 100 civilians killed in Qusayr",
    )
    area_fire_reference: float = param(
        1000.0,
        unit="people",
        low=10.0,
        high=100000.0,
        grade="assumed",
        doc="opponents in contact at which area fire is as deadly as aimed fire",
        source="Deitchman 1962: area fire grows with the number exposed",
    )


class ControlParameters(Parameters):
    """How ground changes hands."""

    advance_per_hour: float = param(
        0.5,
        unit="1/h",
        low=0.0,
        high=5.0,
        grade="fitted",
        doc="speed of an unopposed advance at full readiness",
        source="fitted: the centre that `spillover calibrate` finds (docs/calibration.md); "
        "before: more than half of Qusayr within the first day (A04)",
    )
    consolidation: float = param(
        2.5,
        unit="1",
        low=0.5,
        high=5.0,
        grade="assumed",
        doc="exponent by which a shrinking perimeter slows the advance",
        source="half of Qusayr within hours, the rest street by street (A04); the first two days cannot tell it "
        "from the speed of the advance, and nothing else is fitted",
    )
    balance: float = param(
        0.25,
        unit="1",
        low=0.0,
        high=0.9,
        grade="assumed",
        doc="share of the combat power in place at which an attacker stands still",
        source="attackers need an advantage over prepared defenders",
    )


SIZES_EXPONENT = 2.5
"""Of the power law that sizes of groups settle to (Bohorquez et al. 2009): what the regrouping leads to."""


class Groups:
    """The groups of every force at every front, as sizes in one flat table; they always add up to its strength.

    Those of faction f at front n are sizes[first[n, f] : first[n, f] + count[n, f]].
    """

    def __init__(self, strength: Ints, lane: Ints, chance: Chance) -> None:
        """Draw sizes for forces [N, F] from the settled distribution; `lane` [N, F] names them to the generator."""
        self.lane, self.strength, self.count = lane, strength.copy(), np.zeros_like(strength)
        self._lay_out(strength)
        for n, f in np.ndindex(strength.shape):
            self.count[n, f] = kernels.groups.draw_sizes(
                self.sizes[self.first[n, f] :], int(strength[n, f]), SIZES_EXPONENT,
                int(lane[n, f]), 0, code("group size at the start"), *chance.key,
            )  # fmt: skip

    def of(self, n: int, f: int) -> Ints:
        """Return the sizes of the groups of one force."""
        return self.sizes[self.first[n, f] :][: self.count[n, f]]

    def make_room(self, strength: Ints) -> None:
        """Let forces of this strength [N, F] have room to break up into single fighters."""
        sizes = [self.of(n, f) for n, f in np.ndindex(strength.shape)]
        self._lay_out(np.maximum(strength, self.strength))
        for start, those in zip(self.first.ravel(), sizes, strict=True):
            self.sizes[start : start + those.size] = those

    def _lay_out(self, strength: Ints) -> None:
        """Give each force room for as many groups as it has fighters, and for some who may arrive."""
        self.room = strength + strength // 4 + 64
        ends = np.cumsum(self.room).reshape(strength.shape)
        self.first, self.sizes = ends - self.room, np.zeros(self.room.sum(), np.int64)


class Expected(NamedTuple):
    """What an hour of fighting is expected to bring at each front n, by faction."""

    pace: Floats  # [N, F] intensity x readiness
    kills: Floats  # [N, F] people each inflicts in an hour
    aims: Floats  # [N, F, F] on whom: shares of row f's fire


@dataclass(frozen=True)
class Losses:
    """Who lost how many in one step, and to whom."""

    killed: Ints  # [P, F]
    wounded: Ints  # [P, F]
    by: Ints  # rows of place, attacker, target, killed, wounded


class Battles:
    """The battles at all fronts: who is in contact there, hour by hour."""

    def __init__(self, theatre: Theatre, chance: Chance) -> None:
        """Form the groups of everyone present."""
        self.places = theatre.fronts
        self.known_as = np.array([code(name) for name in theatre.factions], np.int64)
        self.lane = np.array(
            [[code(f"{place}/{name}") for name in theatre.factions] for place in theatre.places], np.int64
        ).reshape(theatre.fighters.shape)
        self.groups = Groups(theatre.present[self.places], self.lane[self.places], chance)

    def fight(self, theatre: Theatre, p: EngagementParameters, chance: Chance, step: int, step_h: float) -> Losses:
        """Fight one hour; return who lost how many to whom. Writes engaged, firing, slain_rate, readiness."""
        groups = self.groups
        fronts, factions = groups.count.shape
        killed, wounded = np.zeros(theatre.killed.shape, np.int64), np.zeros(theatre.killed.shape, np.int64)
        rows = np.empty((fronts * factions * factions, 5), np.int64)
        told = (
            *self._forces(theatre, p, theatre.assault),
            theatre.pausing, theatre.pressed, p.break_off_readiness, p.resume_readiness,
            p.initiations_per_hour, p.wounded_per_killed, p.readiness_loss_per_hour, p.readiness_gain_per_hour, step_h,
            groups.sizes, groups.first, groups.room, groups.count, groups.strength, groups.lane, self.known_as,
            step, ARRIVES, ENGAGES, HITS, WOUNDS, *chance.key,
            theatre.firing, theatre.slain_rate, killed, wounded, rows,
        )  # fmt: skip
        found = kernels.fronts.fight(*told)
        if found < 0:
            groups.make_room(theatre.present[self.places])
            return self.fight(theatre, p, chance, step, step_h)
        return Losses(killed, wounded, rows[:found])

    def expected(self, theatre: Theatre, p: EngagementParameters) -> Expected:
        """Return what an hour is expected to bring. Writes the fighters in contact."""
        shape = self.groups.count.shape
        hour = Expected(np.empty(shape), np.empty(shape), np.empty((*shape, shape[1])))
        told = (*self._forces(theatre, p, theatre.pressed), *hour)
        kernels.fronts.expect(*told)
        return hour

    def settle(
        self, theatre: Theatre, losses: Losses, p: EngagementParameters, chance: Chance, step: int, step_h: float
    ) -> None:
        """Take losses out of the forces, let groups change, and bring wounded fighters back, wherever they are."""
        back_p, groups = -math.expm1(-step_h / (24.0 * p.recover_days)), self.groups
        kernels.fronts.settle(
            self.places, theatre.fighters, theatre.volunteers, theatre.killed, theatre.hurt,
            losses.killed, losses.wounded, theatre.engaged, p.turnover_per_hour, p.shatter_share, back_p, step_h,
            groups.sizes, groups.first, groups.room, groups.count, groups.strength, groups.lane, self.lane,
            step, SHRINKS, NUMBER, REGROUPS, RETURNS, *chance.key,
        )  # fmt: skip

    def form_up(self, theatre: Theatre, chance: Chance, step: int) -> None:
        """Let the groups add up to who is there."""
        groups = self.groups
        groups.make_room(theatre.present[self.places])
        kernels.fronts.form_up(
            self.places, theatre.fighters, theatre.volunteers,
            groups.sizes, groups.first, groups.room, groups.count, groups.strength, groups.lane,
            step, SHRINKS, *chance.key,
        )  # fmt: skip

    def _forces(self, theatre: Theatre, p: EngagementParameters, assault: Floats) -> tuple[Any, ...]:
        """Return what the expected losses depend on, in the order of the kernels, and where contact is written."""
        return (
            self.places, theatre.fighters, theatre.volunteers, theatre.contact, theatre.firepower, theatre.area_fire,
            p.area_fire_reference, theatre.enmity, theatre.coalition, theatre.skirmish, assault,
            theatre.urge, theatre.calm, theatre.readiness, theatre.effect, theatre.control, theatre.cover,
            theatre.engaged,
        )  # fmt: skip


ARRIVES, SHRINKS = code("group strength on arrival"), code("group strength")
ENGAGES, HITS, WOUNDS = code("engage"), code("whom it hits"), code("wounded at a front")
NUMBER, REGROUPS, RETURNS = code("number of regroupings"), code("regroup"), code("fighter recovers")


def advance(theatre: Theatre, p: ControlParameters, step_h: float) -> Floats:
    """Move the ground of every front; return what each faction's side has won or lost by it, [P, F]."""
    ground = np.zeros(theatre.control.shape)
    kernels.fronts.advance(
        theatre.fronts, theatre.fighters, theatre.volunteers, theatre.contact, theatre.firepower, theatre.effect,
        theatre.readiness, theatre.pressed, theatre.urge, theatre.calm, theatre.coalition, theatre.enemy,
        theatre.holder, theatre.cover, p.advance_per_hour, p.consolidation, p.balance, step_h, theatre.control,
        ground,
    )  # fmt: skip
    return ground
