"""Residents: every person of the modelled neighbourhoods, and one person's hour.

What happens: each resident may take up arms, go home, take cover, flee, volunteer, be
hurt, be detained, recover, return. Every transition is in `TRANSITIONS` with its hazard;
one categorical draw a resident and step decides among them, with probability
1 - exp(-sum of hazards x dt) that anything happens at all.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.chance import Chance, code
from sim.kernels import residents as kernel
from sim.neighbourhoods import STATES, City

if TYPE_CHECKING:
    from sim.schema import ScenarioFile

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

CALM, MOBILISED, SHELTERING, WOUNDED, DETAINED, DISPLACED, AWAY, DEAD = range(len(STATES))

TRANSITIONS = (
    # from, to, name, hazard in 1/h
    ("calm", "mobilised", "mobilise", "lambda logistic(u/tau), able to fight"),
    ("sheltering", "mobilised", "mobilise", "lambda logistic(u/tau), able to fight"),
    ("mobilised", "calm", "stand down", "mu logistic(-u/tau)"),
    ("calm", "sheltering", "shelter", "shelter_per_hour d/(d + shelter_half), d danger in the open"),
    ("sheltering", "calm", "come out", "come_out_per_hour (1 - d/(d + shelter_half))"),
    ("calm, mobilised, sheltering", "dead", "be hit", "lethality x d x exposure(state)"),
    ("calm, mobilised, sheltering", "wounded", "be hit", "(1 - lethality) x d x exposure(state)"),
    ("away", "dead", "be hit", "killed an hour for each fighter at the front"),
    ("away", "wounded", "be hit", "the same times the wounded for each killed"),
    ("wounded", "calm", "recover", "1 / recover_days"),
    ("mobilised", "detained", "be detained", "detain_per_hour x soldiers in sight"),
    ("detained", "calm", "be released", "1 / detained_hours"),
    (
        "calm, sheltering",
        "displaced",
        "flee",
        "flee_per_hour d/(d + flee_half) (1 + danger lived through/half)",
    ),
    ("displaced", "calm", "return", "return_per_day (1 - d/(d + flee_half)) (1 - D/(D + D_half))"),
    (
        "calm, mobilised",
        "away",
        "volunteer",
        "volunteers_per_hour logistic(u/tau) (1 - siege), able to fight",
    ),
    ("away", "calm", "come home", "(1 - siege) / tour_days"),
)
"""Every transition between states, and its hazard: what the kernel `decide` computes."""

THREADS_FROM = 100_000
"""Residents from which more than one thread pays (a barrier on a busy machine costs milliseconds)."""


@dataclass(frozen=True)
class Hour:
    """What one hour did to the residents: people, counted by group unless noted."""

    killed: Ints
    wounded: Ints
    killed_up: Ints  # of the killed, those who were mobilised
    wounded_up: Ints
    killed_away: Ints  # killed at a front: not in `killed`
    wounded_away: Ints
    fled: Ints
    back: Ints  # came home from a front, whole or wounded


class Residents:
    """Every resident as a row of columns; a row is one person for the whole run.

    Rows stand neighbourhood by neighbourhood, community by community, in the order of
    their cells. A resident's `uid` is (neighbourhood, number within it): it alone, with
    the seed, decides their luck, so adding a neighbourhood changes nobody else's.
    """

    def __init__(self, file: ScenarioFile, city: City, chance: Chance) -> None:
        """Draw the traits of every resident; everyone is calm and at home."""
        rows = city.rows()
        self.city, self.chance = city, chance
        self.group = np.repeat(np.arange(city.groups, dtype=np.uint16), city.last - city.first)
        self.lane = [code(name) for name in city.neighbourhoods]
        self.state = np.zeros(rows, np.uint8)
        self.decided = np.zeros(rows, np.uint8)
        self.where = city.place[self.group].astype(np.int16)
        self.lived = np.zeros(rows, np.float32)
        m = file.mobilisation
        able = np.array([file.neighbourhoods[city.neighbourhoods[n]].able for n in city.neighbourhood])
        self.able = (self._trait("able to fight") < able[self.group]).astype(np.uint8)
        self.weapon_rank = self._trait("weapon").astype(np.float32)
        span = m.hardship_high - m.hardship_low
        self.hardship = (m.hardship_low + span * self._trait("hardship")).astype(np.float32)
        self.aversion = self._trait("risk aversion").astype(np.float32)
        self.ties = (1.0 + m.ties_spread * (2.0 * self._trait("ties") - 1.0)).astype(np.float32)
        self.site = np.repeat(
            np.arange(city.site_cell.size, dtype=np.uint32), np.diff(np.concatenate([[0], city.site_ends]))
        )
        self._count()
        self.displaced = np.zeros(len(file.places), np.int64)  # people, by the place they are in

    def _trait(self, name: str) -> Floats:
        city, parts = self.city, []
        for n, lane in enumerate(self.lane):
            groups = np.flatnonzero(city.neighbourhood == n)
            if groups.size:
                number = int(city.last[groups].max() - city.first[groups].min())
                parts.append(self.chance.uniforms(name, 0, np.arange(number), lane))
        return np.concatenate(parts) if parts else np.zeros(0)

    def _count(self) -> None:
        """Count people by state from scratch."""
        G = self.city.groups
        pairs = np.bincount(self.group.astype(np.int64) * 8 + self.state, minlength=G * 8)
        self.city.states[:] = pairs.reshape(G, 8) * self.city.weight[:, None]

    def send_volunteers(self, already_there: Ints) -> None:
        """Put the volunteers of before the start, [G] people, at their fronts: able people, armed ones first."""
        city = self.city
        for g in np.flatnonzero(already_there > 0):
            rows = city.first[g] + np.flatnonzero(self.able[city.first[g] : city.last[g]])
            chosen = rows[np.argsort(self.weapon_rank[rows], kind="stable")][: int(already_there[g] // city.weight[g])]
            self.state[chosen] = AWAY
            self.where[chosen] = city.volunteer_place[g]
        self._count()

    def follow(self, place: int, to: int, faction: int) -> None:
        """Let volunteers at a front go where their faction withdraws to."""
        city = self.city
        for g in np.flatnonzero((city.volunteer_place == place) & (city.volunteer_faction == faction)):
            rows = city.first[g] + np.flatnonzero(self.state[city.first[g] : city.last[g]] == AWAY)
            self.where[rows] = to
            city.volunteer_place[g] = to

    def displaced_into(self, places: int) -> Ints:
        """Count from scratch the people displaced from modelled neighbourhoods, by the place they went to, [P]."""
        rows = np.flatnonzero(self.state == DISPLACED)
        weight = self.city.weight[self.group[rows]]
        return np.bincount(self.where[rows], weight, minlength=places).astype(np.int64)

    def volunteers(self, places: int, factions: int) -> Ints:
        """Return the volunteers at each front, [P, F] people."""
        table = np.zeros((places, factions), np.int64)
        city = self.city
        goes = (city.volunteer_place >= 0) & (city.states[:, AWAY] > 0)
        np.add.at(table, (city.volunteer_place[goes], city.volunteer_faction[goes]), city.states[goes, AWAY])
        return table

    def hour(
        self,
        rates: Singles,
        sites: Singles,
        groups: Singles,
        destinations: Floats,
        step: int,
        pool: ThreadPoolExecutor | None,
    ) -> Hour:
        """Decide, then act: one categorical draw each.

        rates: (RATES,), sites: (SITE_COLUMNS, S), groups: (G, GROUP_COLUMNS) as in the kernel;
        destinations: (G, P) cumulative weights of where those who flee go.
        """
        self._decide(rates, sites, groups, step, pool)
        rows = np.flatnonzero(self.decided != self.state)
        return self._act(rows, destinations, step)

    def _decide(
        self, rates: Singles, sites: Singles, groups: Singles, step: int, pool: ThreadPoolExecutor | None
    ) -> None:
        city, jobs = self.city, []
        size = max(kernel.BLOCK, -(-self.state.size // 8)) if pool else self.state.size + 1
        for g in range(city.groups):
            first, last = int(city.first[g]), int(city.last[g])
            jobs += [(g, lo, min(last, lo + size)) for lo in range(first, last, size)]

        def work(job: tuple[int, int, int]) -> None:
            g, lo, hi = job
            kernel.decide(
                self.state, self.able, self.hardship, self.aversion, self.ties, self.lived, sites, city.site_ends,
                int(self.site[lo]), groups[g], rates, lo, hi, int(city.first_of_neighbourhood[g]),
                np.uint64(self.lane[city.neighbourhood[g]]), np.uint64(step), np.uint64(DECISION), *self.chance.key,
                self.decided,
            )  # fmt: skip

        if pool is None:
            for job in jobs:
                work(job)
        else:
            list(pool.map(work, jobs))

    def _act(self, rows: npt.NDArray[np.intp], destinations: Floats, step: int) -> Hour:
        city, before, after = self.city, self.state[rows], self.decided[rows]
        group = self.group[rows].astype(np.int64)
        weight = city.weight[group]
        self._move(
            rows[after != AWAY],
            group[after != AWAY],
            after[after != AWAY],
            before[after != AWAY],
            destinations,
            step,
        )
        self.where[rows[after == AWAY]] = city.volunteer_place[group[after == AWAY]]
        self.state[rows] = after
        np.subtract.at(city.states, (group, before), weight)
        np.add.at(city.states, (group, after), weight)

        def count(which: npt.NDArray[np.bool_]) -> Ints:
            return np.bincount(group[which], weight[which], minlength=city.groups).astype(np.int64)

        away, up, dead, hurt = before == AWAY, before == MOBILISED, after == DEAD, after == WOUNDED
        return Hour(
            killed=count(dead & ~away), wounded=count(hurt & ~away),
            killed_up=count(dead & up), wounded_up=count(hurt & up),
            killed_away=count(dead & away), wounded_away=count(hurt & away), fled=count(after == DISPLACED),
            back=count(away & ~dead),
        )  # fmt: skip

    def _move(
        self, rows: npt.NDArray[np.intp], group: Ints, after: npt.NDArray[np.uint8], before: npt.NDArray[np.uint8],
        destinations: Floats, step: int,
    ) -> None:  # fmt: skip
        """Send those who flee to a place of their choice, and bring others home."""
        city = self.city
        home = (before == DISPLACED) | ((before == AWAY) & (after != DEAD))
        back = before == DISPLACED
        np.subtract.at(self.displaced, self.where[rows[back]], city.weight[group[back]])
        self.where[rows[home]] = city.place[group[home]]
        flee = after == DISPLACED
        for g in np.unique(group[flee]):
            who = rows[flee & (group == g)]
            n = int(city.neighbourhood[g])
            luck = self.chance.uniforms("destination", step, who - city.first_of_neighbourhood[g], self.lane[n])
            to = np.minimum(np.searchsorted(destinations[g], luck, side="right"), destinations.shape[1] - 1)
            self.where[who] = to
            np.add.at(self.displaced, to, city.weight[g])


DECISION = code("resident's hour")


def rates_of_the_hour(file: ScenarioFile, hour_of_day: float, step_h: float) -> Singles:
    """Return the rates that hold for everyone at this hour of the day, (RATES,)."""
    m, fire, d = file.mobilisation, file.fire, file.displacement
    night = hour_of_day < NIGHT_ENDS or hour_of_day >= NIGHT_BEGINS
    rates = np.zeros(kernel.RATES, np.float32)
    rates[kernel.MOBILISE], rates[kernel.STAND_DOWN] = m.mobilise_per_hour, m.stand_down_per_hour
    rates[kernel.SOFTNESS], rates[kernel.LETHALITY] = m.noise, fire.lethality
    rates[kernel.SHELTER], rates[kernel.COME_OUT] = fire.shelter_per_hour, fire.come_out_per_hour
    rates[kernel.SHELTER_HALF], rates[kernel.STEP_H] = fire.shelter_half, step_h
    rates[kernel.RECOVER], rates[kernel.RELEASE] = 1.0 / (24.0 * fire.recover_days), 1.0 / m.detained_hours
    rates[kernel.FLEE], rates[kernel.FLEE_HALF] = d.flee_per_hour, d.flee_half
    rates[kernel.LIVED_HALF] = d.exposure_half
    rates[kernel.EXPOSED_CALM] = fire.exposure_calm * (fire.night_factor if night else 1.0)
    rates[kernel.EXPOSED_MOBILISED] = fire.exposure_mobilised
    rates[kernel.EXPOSED_SHELTERING] = fire.exposure_sheltering
    return rates


NIGHT_BEGINS, NIGHT_ENDS = 22.0, 6.0
"""Hours of the local day between which fewer people are in the streets."""
