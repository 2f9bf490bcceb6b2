"""An hour at one front in plain Python, as `sim.fronts` tells it; the kernels do all fronts at once."""

from __future__ import annotations

import math
from collections.abc import Iterable

from sim.chance import Chance, code
from sim.fronts import ControlParameters, EngagementParameters
from sim.theatre import Theatre

Sizes = list[int]


def added(terms: Iterable[float]) -> float:
    """Add one after the other, as the kernels do; `sum` would carry what rounding loses."""
    total = 0.0
    for term in terms:
        total += term
    return total


def group_of(sizes: Sizes, fighter: int) -> int:
    """Return the group that a fighter is in, counted through the sizes."""
    for g, size in enumerate(sizes):
        fighter -= size
        if fighter < 0:
            return g
    raise AssertionError("there are not so many")


def drop(sizes: Sizes, g: int) -> None:
    """Take a group away, the last one into its place."""
    sizes[g] = sizes[-1]
    sizes.pop()


class PlainFront:
    """One front of a theatre: the sizes of each faction's groups, and an hour of fighting."""

    def __init__(self, theatre: Theatre, place: int, chance: Chance) -> None:
        self.t, self.place, self.chance = theatre, place, chance
        self.factions = range(len(theatre.factions))
        self.lane = [code(f"{theatre.places[place]}/{name}") for name in theatre.factions]
        self.sizes = [self.first_groups(f) for f in self.factions]
        self.pausing = [False for _ in self.factions]
        self.pressed = [0.0 for _ in self.factions]

    def first_groups(self, f: int) -> Sizes:
        left, sizes = self.present(f), list[int]()
        while left > 0:
            u = self.chance.uniform("group size at the start", 0, len(sizes), self.lane[f])
            sizes.append(min(left, int(u ** (-1.0 / 1.5))))
            left -= sizes[-1]
        return sizes

    def present(self, f: int) -> int:
        return int(self.t.fighters[self.place, f] + self.t.volunteers[self.place, f])

    def form_up(self, decision: str, step: int) -> None:
        for f in self.factions:
            sizes, draw = self.sizes[f], 0
            while sum(sizes) > self.present(f):
                u = self.chance.uniform(decision, step, draw, self.lane[f])
                g = group_of(sizes, int(u * sum(sizes)))
                sizes[g] -= 1
                if sizes[g] == 0:
                    drop(sizes, g)
                draw += 1
            sizes.extend([1] * (self.present(f) - sum(sizes)))

    def join(self) -> None:
        """Let whoever has come bring fresh readiness."""
        for f in self.factions:
            were, there = sum(self.sizes[f]), self.present(f)
            if there > were:
                ready = float(self.t.readiness[self.place, f])
                self.t.readiness[self.place, f] = 1.0 - (1.0 - ready) * were / there

    def press(self, p: EngagementParameters) -> None:
        """Find out which assaults go on, and which pause."""
        t, here = self.t, self.place
        for f in self.factions:
            ordered = float(t.assault[here, f])
            with_it = [g for g in self.factions if t.coalition[f, g] and t.assault[here, g] > 0]
            forces = [self.present(g) * float(t.contact[g]) for g in with_it]
            ready = added(n * float(t.readiness[here, g]) for n, g in zip(forces, with_it, strict=True))
            together = added(forces)
            if ordered <= 0 or together <= 0 or ready >= p.resume_readiness * together:
                self.pausing[f] = False
            elif ready <= p.break_off_readiness * together:
                self.pausing[f] = True
            self.pressed[f] = 0.0 if self.pausing[f] else ordered

    def expect(self, p: EngagementParameters) -> tuple[list[float], list[float], list[list[float]]]:
        """Return pace, kills and aims; write who is in contact."""
        t, here, everyone = self.t, self.place, self.factions
        intensity = max(float(t.skirmish[here]), *(self.pressed[f] * float(t.urge[f]) for f in everyone))
        pace = [intensity * float(t.calm[f]) * float(t.readiness[here, f]) for f in everyone]
        kills, aims = [0.0 for _ in everyone], [[0.0 for _ in everyone] for _ in everyone]
        for f in everyone:
            opposed = any(t.enmity[f, g] > 0 and self.present(g) > 0 for g in everyone)
            t.engaged[here, f] = self.present(f) * t.contact[f] * pace[f] if opposed else 0.0
        contact = t.engaged[here].tolist()
        for f in everyone:
            foes = [g for g in everyone if t.enmity[f, g] > 0]
            total = added(float(t.enmity[f, g]) * contact[g] for g in foes)
            exposed = added(contact[g] for g in foes)
            if contact[f] > 0 and total > 0:
                shelter = 0.0
                for g in foes:
                    held = min(1.0, added(float(t.control[here, h]) for h in everyone if t.coalition[g, h]))
                    aims[f][g] = float(t.enmity[f, g]) * contact[g] / total
                    shelter += aims[f][g] * (1.0 + (float(t.cover[here]) - 1.0) * held)
                area = exposed / p.area_fire_reference if t.area_fire[f] else 1.0
                strong = contact[f] * float(t.effect[here, f]) * float(t.firepower[f])
                kills[f] = strong * area * (total / exposed) / (24.0 * shelter)
        return pace, kills, aims

    def fight(
        self, p: EngagementParameters, step: int, step_h: float
    ) -> tuple[list[tuple[int, ...]], list[int], list[int]]:
        """Return (place, attacker, target, killed, wounded) of the hour, and the killed and wounded of each faction."""
        t, here, chance, everyone = self.t, self.place, self.chance, self.factions
        self.join()
        self.press(p)
        self.form_up("group strength on arrival", step)
        pace, kills, aims = self.expect(p)
        rows, killed, wounded = list[tuple[int, ...]](), [0 for _ in everyone], [0 for _ in everyone]
        someone = [max(1, self.present(f)) for f in everyone]
        t.firing[here] = added(float(t.engaged[here, f]) * float(t.effect[here, f]) for f in everyone)
        for g in everyone:
            t.slain_rate[here, g] = added(kills[f] * aims[f][g] for f in everyone) / someone[g]
        for f in everyone:
            aim = [aims[f][g] * int(t.fighters[here, g]) / someone[g] for g in everyone]
            aimed, opened = added(aim), pace[f] * p.initiations_per_hour * step_h
            if kills[f] <= 0 or opened * self.present(f) <= 0 or aimed <= 0:
                continue
            left = self.engage(f, opened, kills[f] * step_h * aimed / (opened * self.present(f)), step)
            for g in everyone:
                if aim[g] > 0 and left > 0:
                    who = code(t.factions[g])
                    part = chance.binomial("whom it hits", step, left, min(1.0, aim[g] / aimed), who, self.lane[f])
                    left, aimed = left - part, aimed - aim[g]
                    free = int(t.fighters[here, g]) - killed[g] - wounded[g]
                    dead = min(part, free)
                    hits = chance.poisson("wounded at a front", step, p.wounded_per_killed * dead, who, self.lane[f])
                    hurt = min(hits, free - dead)
                    if dead or hurt:
                        killed[g], wounded[g] = killed[g] + dead, wounded[g] + hurt
                        rows.append((here, f, g, dead, hurt))
        self.wear(p, step_h)
        return rows, killed, wounded

    def engage(self, f: int, opened: float, per_fighter: float, step: int) -> int:
        """Let groups, drawn uniformly, open engagements; return how many they kill."""
        lane, sizes, killed = self.lane[f], self.sizes[f], 0
        for e in range(self.chance.poisson("engage", step, opened * len(sizes), 0, lane)):
            g = int(self.chance.uniform("engage", step, 2 * e + 1, lane) * len(sizes))
            killed += self.chance.poisson("engage", step, sizes[g] * per_fighter, 2 * e + 2, lane)
        return killed

    def wear(self, p: EngagementParameters, step_h: float) -> None:
        t, here = self.t, self.place
        pressed = max(self.pressed[f] * float(t.urge[f]) * float(t.calm[f]) for f in self.factions)
        loss = p.readiness_loss_per_hour * pressed if t.engaged[here].any() else 0.0
        rate = loss + p.readiness_gain_per_hour
        if rate > 0:
            settled = p.readiness_gain_per_hour / rate
            for f in self.factions:
                t.readiness[here, f] = settled + (t.readiness[here, f] - settled) * math.exp(-rate * step_h)

    def advance(self, p: ControlParameters, step_h: float) -> None:
        """Move the ground."""
        t, here, everyone = self.t, self.place, self.factions
        held = t.control[here].tolist()
        foes = [[g for g in everyone if t.enemy[f, g]] for f in everyone]
        theirs = [added(held[g] for g in foes[f]) for f in everyone]
        met = [any(self.present(g) for g in foes[f]) for f in everyone]
        may = [f for f in everyone if self.present(f) > 0 and theirs[f] > 0]
        if not any(self.pressed[f] > 0 or not met[f] for f in may):
            return
        gained = [[0.0 for _ in everyone] for _ in everyone]
        for f in may:
            speed = self.speed(f, foes[f], theirs[f], met[f], p)
            for g in foes[f]:
                gained[f][g] = held[g] * min(1.0, speed * step_h / theirs[f])
        for g in everyone:
            asked = added(gained[f][g] for f in everyone)
            for f in everyone:
                gained[f][g] *= held[g] / asked if asked > held[g] else 1.0
        won = [0.0 for _ in everyone]
        for f in everyone:
            won[t.holder[f]] += added(gained[f])
        for g in everyone:
            t.control[here, g] = held[g] + won[g] - added(gained[f][g] for f in everyone)

    def speed(self, f: int, foes: list[int], theirs: float, met: bool, p: ControlParameters) -> float:
        t, here, everyone = self.t, self.place, self.factions
        side = [g for g in everyone if t.coalition[f, g]]
        if not met:
            return p.advance_per_hour * theirs / sum(self.present(g) > 0 for g in side)
        power = [
            self.present(g) * float(t.contact[g]) * float(t.firepower[g])
            * float(t.effect[here, g]) * float(t.readiness[here, g])
            for g in everyone
        ]  # fmt: skip
        ours, assault = added(power[g] for g in side), self.pressed[f] * float(t.urge[f]) * float(t.calm[f])
        if assault <= 0 or ours <= 0:
            return 0.0
        against = added(power[g] for g in foes) * (1.0 + (float(t.cover[here]) - 1.0) * theirs)
        edge = max(0.0, (ours / (ours + against) - p.balance) / (1.0 - p.balance))
        ready = float(t.readiness[here, f])
        return p.advance_per_hour * assault * ready * edge * (power[f] / ours) * theirs**p.consolidation

    def settle(self, killed: list[int], wounded: list[int], p: EngagementParameters, step: int, step_h: float) -> None:
        """Take losses out of the forces, and let groups merge and break up."""
        t, here = self.t, self.place
        t.fighters[here] -= [k + w for k, w in zip(killed, wounded, strict=True)]
        t.killed[here] += killed
        t.hurt[here] += wounded
        self.form_up("group strength", step)
        for f in self.factions:
            mean = p.turnover_per_hour * float(t.engaged[here, f]) * step_h
            for e in range(self.chance.poisson("number of regroupings", step, mean, group=self.lane[f])):
                self.regroup(self.sizes[f], e, p.shatter_share, step, self.lane[f])

    def regroup(self, sizes: Sizes, e: int, shatter: float, step: int, lane: int) -> None:
        total = sum(sizes)
        if total < 2:
            return
        u = [self.chance.uniform("regroup", step, 3 * e + i, lane) for i in range(3)]
        first = group_of(sizes, int(u[0] * total))
        if u[1] < shatter:
            sizes.extend([1] * (sizes[first] - 1))
            sizes[first] = 1
        elif len(sizes) > 1 and (other := group_of(sizes, int(u[2] * total))) != first:
            sizes[first] += sizes[other]
            drop(sizes, other)


def recover(theatre: Theatre, p: EngagementParameters, chance: Chance, step: int, step_h: float) -> None:
    """Bring wounded fighters back, everywhere."""
    back_p = -math.expm1(-step_h / (24.0 * p.recover_days))
    for place, where in enumerate(theatre.places):
        for f, name in enumerate(theatre.factions):
            hurt = int(theatre.hurt[place, f])
            back = chance.binomial("fighter recovers", step, hurt, back_p, group=code(f"{where}/{name}"))
            theatre.hurt[place, f] -= back
            theatre.fighters[place, f] += back
