"""Residents: every person of the modelled neighbourhoods, and one person's hour.

What happens: each resident may take up arms, go home, take cover, flee, volunteer, be
hurt, be detained, recover, return. Every transition is in `TRANSITIONS` with its hazard;
one categorical draw a resident and step decides among them, with probability
1 - exp(-sum of hazards x dt) that anything happens at all.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim import kernels
from sim.chance import Chance, code
from sim.neighbourhoods import STATES, City

if TYPE_CHECKING:
    from sim.schema import ScenarioFile

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.uint32]

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
"""Every transition between states, and its hazard: what the kernel `weigh` computes."""

HARMS = ("none", "wounded", "killed")
"""The worst that befell a resident: as the kernel `act` numbers it."""

THREADS_FROM = 300_000
"""Residents from which more than one thread pays: an hour of fewer is over before the threads are awake."""


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
    travelled: bool  # whether anywhere the number of those away at a front has changed


@dataclass(frozen=True)
class Fit:
    """Those able to fight, in the order of their rows: what an hour asks of them alone stands close together.

    What the others want does not matter: they are neither mobilised nor volunteer.
    """

    rows: Rows
    site: Rows
    weapon_rank: Singles
    hardship: Singles
    aversion: Singles
    ties: Singles

    @classmethod
    def of(cls, residents: Residents) -> Fit:
        """Take them out of the columns of everyone."""
        rows = np.flatnonzero(residents.able).astype(np.uint32)
        return cls(rows, *(getattr(residents, column.name)[rows] for column in fields(cls)[1:]))


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
        self.lanes = np.array([self.lane[n] for n in city.neighbourhood], np.uint64)
        self.state = np.zeros(rows, np.uint8)
        self.where = city.place[self.group].astype(np.int16)
        self.lived = np.zeros(rows, np.float32)
        self.harm = np.zeros(rows, np.uint8)  # the worst that befell each: an index into `HARMS`
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
        self.fit = Fit.of(self)
        self.changing, self.then = np.empty(rows, np.uint32), np.empty(rows, np.uint8)  # who changes state, to what
        self.jobs = _cut(city, rows + 1)
        self.parts: list[Ints] | None = None
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
        up = np.flatnonzero(self.state == MOBILISED)
        self.city.up_at[:] = np.bincount(
            self.site[up], self.city.weight[self.group[up]], minlength=self.city.up_at.size
        )

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
        self, rates: Singles, sites: Singles, posts: Singles, groups: Singles, destinations: Floats, step: int,
        pool: ThreadPoolExecutor | None,
    ) -> Hour:  # fmt: skip
        """Decide, then act: one categorical draw each.

        rates: (RATES,), sites: (SITE_COLUMNS, S), posts: (POST_COLUMNS, K), groups: (G, GROUP_COLUMNS) as in the
        kernel; destinations: (G, P) cumulative weights of where those who flee go.
        """
        live = partial(self._live, (rates, sites, posts, groups), destinations, step)
        done = [live(self.jobs)] if pool is None else list(pool.map(live, self._parts()))
        deeds, moves = np.sum([d for d, _ in done], axis=0), np.sum([m for _, m in done], axis=0)
        self.city.states += deeds[:, : len(STATES)]
        self.displaced += moves
        at = kernels.residents
        return Hour(
            killed=deeds[:, at.KILLED], wounded=deeds[:, at.WOUNDED_HERE],
            killed_up=deeds[:, at.KILLED_UP], wounded_up=deeds[:, at.WOUNDED_UP],
            killed_away=deeds[:, at.KILLED_AWAY], wounded_away=deeds[:, at.WOUNDED_AWAY],
            fled=deeds[:, at.FLED], back=deeds[:, at.CAME_BACK], travelled=bool(deeds[:, AWAY].any()),
        )  # fmt: skip

    def _live(self, tables: tuple[Singles, ...], destinations: Floats, step: int, jobs: Ints) -> tuple[Ints, Ints]:
        """Let some rows decide and act; return what that did to each group (G, DEEDS) and to the displaced (P,)."""
        if not jobs.size:
            return self._act(0, 0, destinations, step)
        city, fit, (rates, sites, posts, groups) = self.city, self.fit, tables
        count = kernels.residents.decide(
            jobs, city.first_of_neighbourhood, self.lanes, self.state, self.lived, fit.rows, fit.site,
            fit.hardship, fit.aversion, fit.ties, city.site_ends, city.post_of, sites, posts, groups, rates,
            np.uint64(step), np.uint64(DECISION), *self.chance.key, self.changing, self.then,
        )  # fmt: skip
        return self._act(int(jobs[0, 1]), count, destinations, step)

    def _act(self, first: int, count: int, destinations: Floats, step: int) -> tuple[Ints, Ints]:
        """Put those who change into their next state; they stand in `changing` and `then` from entry `first` on."""
        city = self.city
        deeds = np.zeros((city.groups, kernels.residents.DEEDS), np.int64)
        moves = np.zeros_like(self.displaced)
        kernels.residents.act(
            count, self.changing[first:], self.then[first:], self.state, self.harm, self.where, self.site, city.up_at,
            city.last, city.weight, city.place, city.volunteer_place, destinations, city.first_of_neighbourhood,
            self.lanes, step, DESTINATION, *self.chance.key, deeds, moves,
        )  # fmt: skip
        return deeds, moves

    def _parts(self) -> list[Ints]:
        """Return the jobs of an hour in parts for threads, of about the same number of rows each."""
        if self.parts is None:
            number = min(MOST_PARTS, max(2, self.state.size // ROWS_A_PART))
            size = max(kernels.luck.BLOCK, -(-self.state.size // number))
            jobs = _cut(self.city, size)
            self.parts = np.split(jobs, np.flatnonzero(np.diff(jobs[:, 1] // size)) + 1)
        return self.parts


def _cut(city: City, size: int) -> Ints:
    """Return group, first row and row after the last of runs of about `size` rows, (J, 3), each of whole sites."""
    jobs: list[tuple[int, int, int]] = []
    for g in range(city.groups):
        ends = city.site_ends[city.first_site[g] : city.last_site[g]]
        wanted = np.arange(city.first[g] + size, city.last[g], size)
        cuts = np.unique(ends[np.searchsorted(ends, wanted)]) if wanted.size else ends[:0]
        inside = cuts[cuts < city.last[g]].tolist()
        jobs += [(g, lo, hi) for lo, hi in pairwise([int(city.first[g]), *inside, int(city.last[g])])]
    return np.array(jobs, np.int64).reshape(-1, 3)


ROWS_A_PART, MOST_PARTS = 250_000, 16
"""How an hour is cut for threads: parts enough that none waits long for another, and no more, as each has its price."""
DECISION, DESTINATION = code("resident's hour"), code("destination")


def rates_of_the_hour(file: ScenarioFile, hour_of_day: float, step_h: float) -> Singles:
    """Return the rates that hold for everyone at this hour of the day, (RATES,)."""
    m, fire, d = file.mobilisation, file.fire, file.displacement
    night = hour_of_day < NIGHT_ENDS or hour_of_day >= NIGHT_BEGINS
    of = kernels.tables
    rates = np.zeros(of.RATES, np.float32)
    rates[of.MOBILISE], rates[of.STAND_DOWN] = m.mobilise_per_hour, m.stand_down_per_hour
    rates[of.SOFTNESS], rates[of.LETHALITY] = m.noise, fire.lethality
    rates[of.SHELTER], rates[of.COME_OUT] = fire.shelter_per_hour, fire.come_out_per_hour
    rates[of.SHELTER_HALF], rates[of.STEP_H] = fire.shelter_half, step_h
    rates[of.RECOVER], rates[of.RELEASE] = 1.0 / (24.0 * fire.recover_days), 1.0 / m.detained_hours
    rates[of.FLEE], rates[of.FLEE_HALF] = d.flee_per_hour, d.flee_half
    rates[of.LIVED_HALF] = d.exposure_half
    rates[of.EXPOSED_CALM] = fire.exposure_calm * (fire.night_factor if night else 1.0)
    rates[of.EXPOSED_MOBILISED] = fire.exposure_mobilised
    rates[of.EXPOSED_SHELTERING] = fire.exposure_sheltering
    return rates


NIGHT_BEGINS, NIGHT_ENDS = 22.0, 6.0
"""Hours of the local day between which fewer people are in the streets."""
