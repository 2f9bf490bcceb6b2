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
recovers in rest, so an assault is fiercest at first.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sim.chance import Chance, code
from sim.kernels import fronts as front_kernel
from sim.kernels import groups as kernel
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
        0.09,
        unit="1/h",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="rate at which an assault wears down the readiness of a force in contact",
        source="an assault is fiercest on its first day (UCDP GED, Qusayr 19-25 May 2013: 77, then about 19 a day)",
    )
    readiness_gain_per_hour: float = param(
        0.016,
        unit="1/h",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="rate at which rest restores it",
        source="rotation within days",
    )
    wounded_per_killed: float = param(
        3.0,
        unit="1",
        low=0.0,
        high=15.0,
        grade="literature",
        doc="fighters wounded for each killed",
        source="Coupland & Meddings 1999: at least 2; claims of 19 May 2013: 70 wounded to 23 killed",
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
        0.16,
        unit="1/h",
        low=0.0,
        high=5.0,
        grade="assumed",
        doc="speed of an unopposed advance at full readiness",
        source="more than half of Qusayr within the first day (A04)",
    )
    consolidation: float = param(
        2.0,
        unit="1",
        low=0.5,
        high=5.0,
        grade="assumed",
        doc="exponent by which a shrinking perimeter slows the advance",
        source="0.5 on the first day, 0.8 by the eleventh",
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


class Groups:
    """The groups of one faction at one front, as sizes; they always add up to its strength."""

    def __init__(self, strength: int, chance: Chance, lane: int) -> None:
        """Draw sizes from the settled distribution, a power law of exponent 2.5 (Bohorquez et al. 2009)."""
        self.lane = lane
        self.sizes = np.zeros(strength + 64, np.int64)
        self.count, self.strength = 0, strength
        left, index = strength, 0
        while left > 0:
            u = chance.uniform("group size at the start", 0, index, lane)
            size = min(left, int(u ** (-1.0 / 1.5)))
            self.sizes[self.count] = size
            self.count += 1
            left -= size
            index += 1

    def fit(self, strength: int, chance: Chance, step: int, decision: str = "group strength") -> None:
        """Follow the strength of the force."""
        if strength + 64 > self.sizes.size:
            self.sizes = np.concatenate([self.sizes, np.zeros(strength + 64, np.int64)])
        self.count = kernel.match_strength(
            self.sizes, self.count, strength, self.lane, step, code(decision), *chance.key
        )
        self.strength = strength

    def regroup(self, events: int, shatter: float, chance: Chance, step: int) -> None:
        """Let groups merge and break up."""
        self.count = kernel.regroup(
            self.sizes, self.count, events, shatter, self.lane, step, code("regroup"), *chance.key
        )

    def engage(self, initiations: float, kills_per_fighter: float, chance: Chance, step: int) -> int:
        """Return the opponents killed in this step."""
        return int(
            kernel.engage(
                self.sizes,
                self.count,
                initiations,
                kills_per_fighter,
                self.lane,
                step,
                code("engage"),
                *chance.key,
            )
        )


class Battle:
    """One front: who is in contact there, hour by hour."""

    def __init__(self, theatre: Theatre, place: int, chance: Chance) -> None:
        """Form the groups of everyone present."""
        self.place = place
        self.groups = [
            Groups(int(n), chance, code(f"{theatre.places[place]}/{name}"))
            for n, name in zip(theatre.present[place], theatre.factions, strict=True)
        ]

    def fight(self, theatre: Theatre, p: EngagementParameters, chance: Chance, step: int, step_h: float) -> Losses:
        """Fight one hour; return who lost how many to whom. Writes engaged, firing, slain_rate, readiness."""
        here, ready = self.place, theatre.readiness[self.place]
        self._form_up(theatre, "group strength on arrival", chance, step)
        kills, aims = self.expected(theatre, p)
        fighters, present = theatre.fighters[here], self._present(theatre)
        theatre.firing[here] = float(theatre.engaged[here] @ theatre.effect[here])
        someone = np.maximum(1, present)
        pace = self._intensity(theatre) * theatre.calm * ready * p.initiations_per_hour * step_h
        losses = Losses(present.size)
        for f in np.flatnonzero(kills > 0):
            group, aim = self.groups[f], aims[f] * fighters / someone  # volunteers are hurt as residents
            strength = float(pace[f]) * present[f]
            if strength > 0 and aim.any():
                per_fighter = kills[f] * step_h * float(aim.sum()) / strength
                killed = group.engage(float(pace[f]) * group.count, per_fighter, chance, step)
                if killed:
                    losses.share_out(int(f), killed, aim, theatre, here, p, chance, step, group.lane)
        theatre.slain_rate[here] = kills @ aims / someone
        self._wear(theatre, p, step_h)
        return losses

    def _form_up(self, theatre: Theatre, decision: str, chance: Chance, step: int) -> None:
        """Let the groups add up to who is there, after losses and after arrivals."""
        for group, strength in zip(self.groups, self._present(theatre).tolist(), strict=True):
            if strength != group.strength:
                group.fit(strength, chance, step, decision)

    def expected(self, theatre: Theatre, p: EngagementParameters) -> tuple[Floats, Floats]:
        """Return the losses each faction is expected to inflict in an hour [F], and on whom, shares [F, F].

        Writes the fighters in contact.
        """
        here, factions = self.place, len(theatre.factions)
        kills, aims = np.empty(factions), np.empty((factions, factions))
        front_kernel.expected(
            self._present(theatre), theatre.contact, self._intensity(theatre) * theatre.calm * theatre.readiness[here],
            theatre.effect[here], theatre.firepower, theatre.area_fire, p.area_fire_reference, theatre.enmity,
            theatre.side_share_in(here), float(theatre.cover[here]), theatre.engaged[here], kills, aims,
        )  # fmt: skip
        return kills, aims

    def _present(self, theatre: Theatre) -> Ints:
        return np.asarray(theatre.fighters[self.place] + theatre.volunteers[self.place])

    def _intensity(self, theatre: Theatre) -> float:
        return max(float(theatre.skirmish[self.place]), float((theatre.assault[self.place] * theatre.urge).max()))

    def _wear(self, theatre: Theatre, p: EngagementParameters, step_h: float) -> None:
        """Wear readiness down by the pressure of an assault on whoever is opposed, and let it recover."""
        ready = theatre.readiness[self.place]
        pressed = float((theatre.assault[self.place] * theatre.urge * theatre.calm).max())
        loss = p.readiness_loss_per_hour * pressed if theatre.engaged[self.place].any() else 0.0
        gain = p.readiness_gain_per_hour
        if loss + gain > 0:
            settled = gain / (loss + gain)
            ready[:] = settled + (ready - settled) * math.exp(-(loss + gain) * step_h)

    def settle(
        self,
        theatre: Theatre,
        losses: Losses,
        p: EngagementParameters,
        chance: Chance,
        step: int,
        step_h: float,
    ) -> None:
        """Take losses out of the forces, and let groups change."""
        here = self.place
        theatre.fighters[here] -= losses.killed + losses.wounded
        theatre.killed[here] += losses.killed
        theatre.hurt[here] += losses.wounded
        self._form_up(theatre, "group strength", chance, step)
        for f, group in enumerate(self.groups):
            mean = p.turnover_per_hour * float(theatre.engaged[here, f]) * step_h
            if mean <= 0:
                continue
            events = chance.poisson("number of regroupings", step, mean, group=group.lane)
            if events:
                group.regroup(events, p.shatter_share, chance, step)


class Losses:
    """Who lost how many at a front in one step, and to whom."""

    def __init__(self, factions: int) -> None:
        """Start at nothing."""
        self.killed = np.zeros(factions, np.int64)
        self.wounded = np.zeros(factions, np.int64)
        self.by: list[tuple[int, int, int, int]] = []  # attacker, target, killed, wounded

    def share_out(
        self, attacker: int, killed: int, aim: Floats, theatre: Theatre, place: int, p: EngagementParameters,
        chance: Chance, step: int, lane: int,
    ) -> None:  # fmt: skip
        """Spread `killed` over the targets in proportion to `aim`, never more than are left, and wound others."""
        left_aim, left = float(aim.sum()), killed
        for target in np.flatnonzero(aim > 0):
            g = int(target)
            who = code(theatre.factions[g])
            part = chance.binomial("whom it hits", step, left, min(1.0, float(aim[g]) / left_aim), who, lane)
            left, left_aim = left - part, left_aim - float(aim[g])
            free = int(theatre.fighters[place, g] - self.killed[g] - self.wounded[g])
            dead = min(part, free)
            hurt = min(chance.poisson("wounded at a front", step, p.wounded_per_killed * dead, who, lane), free - dead)
            if dead or hurt:
                self.killed[g] += dead
                self.wounded[g] += hurt
                self.by.append((attacker, g, dead, hurt))


def recover(theatre: Theatre, p: EngagementParameters, chance: Chance, step: int, step_h: float) -> None:
    """Bring wounded fighters back to their force, wherever they are."""
    back_p = -math.expm1(-step_h / (24.0 * p.recover_days))
    for place, f in np.argwhere(theatre.hurt > 0):
        lane = code(f"{theatre.places[place]}/{theatre.factions[f]}")
        back = chance.binomial("fighter recovers", step, int(theatre.hurt[place, f]), back_p, group=lane)
        theatre.hurt[place, f] -= back
        theatre.fighters[place, f] += back


def advance(theatre: Theatre, place: int, p: ControlParameters, step_h: float) -> None:
    """Move the ground of one place: assaulting factions, and the unopposed, gain from their enemies."""
    seen, present = theatre.control[place].copy(), theatre.present[place]
    opposed = (theatre.enemy @ seen > 0) & (present > 0)
    held_off = (theatre.enemy @ present > 0) & (theatre.assault[place] <= 0)
    if not (opposed & ~held_off).any():
        return
    power = theatre.power(place) * theatre.readiness[place]
    gained = np.zeros((present.size, present.size))  # by row, from column
    for f in np.flatnonzero(present > 0):
        foes = theatre.enemy[f]
        theirs = float(seen[foes].sum())
        if theirs > 0:
            speed = _speed(theatre, place, int(f), power, theirs, p)
            gained[f] = np.where(foes, seen, 0.0) * min(1.0, speed * step_h / theirs)
    asked = gained.sum(axis=0)
    gained *= np.divide(seen, asked, out=np.ones_like(seen), where=asked > seen)
    won = np.zeros_like(seen)
    np.add.at(won, theatre.holder, gained.sum(axis=1))
    theatre.control[place] = seen + won - gained.sum(axis=0)


def _speed(theatre: Theatre, place: int, f: int, power: Floats, theirs: float, p: ControlParameters) -> float:
    """Return the share of the place that faction f gains in an hour from enemies who hold `theirs` of it."""
    present, side, foes = theatre.present[place], theatre.coalition[f], theatre.enemy[f]
    if present[foes].sum() == 0:
        return p.advance_per_hour * theirs / int((side & (present > 0)).sum())
    side_power = float(power[side].sum())
    assault = float(theatre.assault[place, f] * theatre.urge[f] * theatre.calm[f])
    if assault <= 0 or side_power <= 0:
        return 0.0
    foe_power = float(power[foes].sum()) * (1.0 + (theatre.cover[place] - 1.0) * theirs)
    edge = max(0.0, (side_power / (side_power + foe_power) - p.balance) / (1.0 - p.balance))
    ready = float(theatre.readiness[place, f])
    part = float(power[f]) / side_power
    return float(p.advance_per_hour * assault * ready * edge * part * theirs**p.consolidation)
