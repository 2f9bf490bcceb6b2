"""Residents: every person of the modelled neighbourhoods, and one person's hour.

What happens: each resident weighs grievance, threat and solidarity against the
risk, and may take up arms, go home, take cover, flee, volunteer or be hurt.

Propensity (MODEL 4.4; Epstein 2002, Posen 1993, Granovetter 1978)::

    G  = H (1 - L)                                   hardship, legitimacy of the state
    T  = w_F F_out/(F_out + F_in + F_0) + w_D D/(D + D_half) + J
    S  = sum of weight x alarm over the channels; kin alarm counts with one's own ties
    u  = G + T + S + b m_in - R (P_state + P_opponent) - theta

Who is mobilised stands near the line of contact, within `posts_m` of it: there soldiers and
opponents are met (P) and fire goes out and comes in; threat is felt at home.
F: armed people of the other and of the own side within reach, D: recent toll of
one's own community here, J: anger at a local provocation, m_in: share of one's
own community mobilised in sight, R: risk aversion. Hazards: mobilise
lambda logistic(u/tau), stand down mu logistic(-u/tau).

Being hit has the hazard kappa F(x) x exposure(state, hour of day), lowered by an
army between the sides (MODEL 4.5). One categorical draw a resident and step
decides among all transitions (the table `TRANSITIONS`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from sim.chance import Chance, code
from sim.kernels import residents as kernel
from sim.kernels import sites as site_kernel
from sim.neighbourhoods import STATES, City, Ground, in_reach, in_sight
from sim.parameters import Parameters, param
from sim.seen import Seen

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
    ("calm, sheltering", "displaced", "flee", "flee_per_hour d/(d + flee_half) (1 + danger lived through/half)"),
    ("displaced", "calm", "return", "return_per_day (1 - d/(d + flee_half)) (1 - D/(D + D_half))"),
    ("calm, mobilised", "away", "volunteer", "volunteers_per_hour logistic(u/tau) (1 - siege), able to fight"),
    ("away", "calm", "come home", "(1 - siege) / tour_days"),
)
"""Every transition between states, and its hazard: what the kernel `decide` computes."""

OUTSIDE = -1
"""Where someone is who is in none of the scenario's places."""

THREADS_FROM = 100_000
"""Residents from which more than one thread pays (a barrier on a busy machine costs milliseconds)."""


class MobilisationParameters(Parameters):
    """Who takes up arms, and when they go home again."""

    threshold: float = param(
        0.70, unit="1", low=0.0, high=3.0, grade="assumed", doc="theta: propensity needed to act",
        source="Epstein 2002 uses 0.1 with no threat term; here the quiet level of mobilisation sets it",
    )
    noise: float = param(
        0.03, unit="1", low=0.005, high=1.0, grade="assumed", doc="tau: softness of the decision",
        source="small against the spread of hardship",
    )
    mobilise_per_hour: float = param(
        0.20, unit="1/h", low=0.001, high=10.0, grade="assumed", doc="lambda: rate at full propensity",
        source="men gather within hours of a first shooting (press accounts of the rounds of 2012)",
    )
    stand_down_per_hour: float = param(
        0.10, unit="1/h", low=0.001, high=10.0, grade="assumed", doc="mu: rate of going home when calm",
        source="streets empty within a day of a truce (press accounts of the rounds of 2012)",
    )
    threat_fire: float = param(
        0.5, unit="1", low=0.0, high=2.0, grade="assumed", doc="w_F: weight of armed out-group in reach",
        source="security dilemma, Posen 1993; our operationalisation",
    )
    threat_fire_half: float = param(
        25.0, unit="people", low=1.0, high=1000.0, grade="assumed",
        doc="F_0: armed people in reach at which an unopposed side feels half the threat",
        source="a few dozen armed men dominate a street",
    )
    threat_toll: float = param(
        0.4, unit="1", low=0.0, high=2.0, grade="assumed", doc="w_D: weight of the own toll here",
        source="security dilemma, Posen 1993; our operationalisation",
    )
    threat_toll_half: float = param(
        5.0, unit="people", low=0.1, high=500.0, grade="assumed", doc="D_half: toll at half effect",
        source="order of the killed in one round of 2011-2013",
    )
    imitation: float = param(
        0.4, unit="1", low=0.0, high=5.0, grade="assumed", doc="b: weight of the mobilised in sight",
        source="Granovetter 1978, threshold term",
    )
    sight_m: float = param(
        160.0, unit="m", low=20.0, high=1000.0, grade="assumed", doc="half width of what a resident sees",
        source="a few blocks of dense housing",
    )
    state_deterrence: float = param(
        1.0, unit="1", low=0.0, high=10.0, grade="assumed", doc="k in P_state = 1 - exp(-k C/A)",
        source="Epstein 2002 has 2.3 (one officer a rebel gives 0.9); an army that rarely arrests deters less",
    )
    ratio_rule: Literal["raw", "floor", "round"] = param(
        "raw", unit="rule", grade="literature", doc="how C/A is rounded; decides whether bursts exist",
        source="floor in NetLogo's Rebellion, round in Mesa's example, raw in Epstein 2002",
    )
    opponent_deterrence: float = param(
        0.5, unit="1", low=0.0, high=5.0, grade="assumed", doc="weight of P_opponent",
        source="fire that comes in keeps people at home",
    )
    opponent_half: float = param(
        60.0, unit="people", low=1.0, high=1000.0, grade="assumed",
        doc="armed opponents in reach at which P_opponent is one half", source="order of one street's gunmen",
    )
    hardship_low: float = param(
        0.0, unit="1", low=0.0, high=1.0, grade="literature", doc="lowest hardship H",
        source="Epstein 2002: uniform on 0 to 1",
    )
    hardship_high: float = param(
        1.0, unit="1", low=0.0, high=1.0, grade="literature", doc="highest hardship H",
        source="Epstein 2002: uniform on 0 to 1",
    )
    ties_spread: float = param(
        0.5, unit="1", low=0.0, high=1.0, grade="assumed",
        doc="spread of ties to places elsewhere: uniform on 1 - spread to 1 + spread",
        source="residents differ in whom they have elsewhere",
    )
    detained_hours: float = param(
        72.0, unit="h", low=1.0, high=8760.0, grade="assumed", doc="mean time in detention",
        source="most people arrested in the rounds were released within days",
    )


class FireParameters(Parameters):
    """How fire across a line of contact hurts those in its reach."""

    hit_per_hour: float = param(
        2.5e-5, unit="1/(h person)", low=0.0, high=1e-3, grade="assumed",
        doc="kappa: hazard of being hit for each armed opponent in full reach",
        source="order of the wounded a day in the rounds of 2011-2013",
    )
    reach_m: float = param(
        300.0, unit="m", low=20.0, high=2000.0, grade="assumed",
        doc="distance at which the weight of an armed opponent has fallen to exp(-2)",
        source="rifle fire between the two hillsides",
    )
    posts_m: float = param(
        80.0, unit="m", low=5.0, high=1000.0, grade="assumed",
        doc="distance from the line of contact within which the mobilised stand",
        source="positions in and behind the buildings along one street",
    )
    lethality: float = param(
        0.15, unit="1", low=0.0, high=1.0, grade="measured", doc="deaths for each person hit",
        source="rounds of June 2011 to March 2013: 82.5 killed and 462 wounded where both are reported",
    )
    exposure_calm: float = param(
        0.15, unit="1", low=0.0, high=1.0, grade="assumed", doc="exposure by day of people going about",
        source="most of a resident's day is indoors",
    )
    exposure_mobilised: float = param(
        1.0, unit="1", low=0.0, high=1.0, grade="assumed", doc="exposure of the mobilised",
        source="reference level",
    )
    exposure_sheltering: float = param(
        0.02, unit="1", low=0.0, high=1.0, grade="assumed", doc="exposure of people under cover",
        source="walls and inner rooms",
    )
    night_factor: float = param(
        0.4, unit="1", low=0.0, high=1.0, grade="assumed", doc="exposure of people going about at night, of the day's",
        source="fewer people in the streets from 22 to 6 h",
    )
    shelter_per_hour: float = param(
        1.0, unit="1/h", low=0.0, high=20.0, grade="assumed", doc="rate of taking cover under heavy fire",
        source="streets empty within the hour",
    )
    come_out_per_hour: float = param(
        0.15, unit="1/h", low=0.001, high=20.0, grade="assumed", doc="rate of coming out when it is quiet",
        source="life returns within a day of a truce",
    )
    shelter_half: float = param(
        3e-4, unit="1/h", low=1e-8, high=1.0, grade="assumed",
        doc="hazard of being hit in the open at which half take cover",
        source="a few shots an hour in the street",
    )
    recover_days: float = param(
        20.0, unit="d", low=0.5, high=1000.0, grade="assumed", doc="mean time a wounded person is out of action",
        source="gunshot wounds",
    )


class ProvocationParameters(Parameters):
    """Local provocations: a shooting, an arrest, a rally turned sour."""

    per_day: float = param(
        0.01, unit="1/d", low=0.0, high=2.0, grade="assumed",
        doc="rate in each community of a neighbourhood that faces another",
        source="gaps between the rounds of 2011-2013 (mean 69 days, 47 from 2012)",
    )
    strength: float = param(
        0.5, unit="1", low=0.0, high=3.0, grade="assumed", doc="mean anger added by one provocation",
        source="enough to bring the most aggrieved into the street",
    )
    half_life_h: float = param(
        18.0, unit="h", low=0.5, high=500.0, grade="assumed", doc="half-life of that anger",
        source="most die out within a day",
    )


class TollParameters(Parameters):
    """How the memory of the killed and wounded fades, and what people get used to.

    What is felt of a toll elsewhere is what exceeds the usual: max(0, toll - usual), the usual
    being the toll's own slow average. A war that goes on as before is no news.
    """

    half_life_days: float = param(
        3.0, unit="d", low=0.1, high=100.0, grade="assumed", doc="half-life of a toll in memory",
        source="days; Lewis et al. 2012 find self-excitation over days to weeks in Iraq",
    )
    usual_half_life_days: float = param(
        20.0, unit="d", low=0.5, high=1000.0, grade="assumed", doc="half-life of what people are used to",
        source="habituation over weeks; without it a chronic front would keep a distant quarter in arms",
    )
    wounded_weight: float = param(
        0.15, unit="1", low=0.0, high=1.0, grade="assumed", doc="what one wounded counts against one killed",
        source="the inverse of the usual ratio of wounded to killed",
    )


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
        """Put the volunteers of before the start, [G] people, at their fronts: those able, by the order of their rows."""
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
        self, rates: Singles, sites: Singles, groups: Singles, destinations: Floats, step: int, pool: ThreadPoolExecutor | None
    ) -> Hour:
        """Decide, then act: one categorical draw each.

        rates: (RATES,), sites: (SITE_COLUMNS, S), groups: (G, GROUP_COLUMNS) as in the kernel;
        destinations: (G, P) cumulative weights of where those who flee go.
        """
        self._decide(rates, sites, groups, step, pool)
        rows = np.flatnonzero(self.decided != self.state)
        return self._act(rows, destinations, step)

    def _decide(self, rates: Singles, sites: Singles, groups: Singles, step: int, pool: ThreadPoolExecutor | None) -> None:
        city, jobs = self.city, []
        size = max(kernel.BLOCK, -(-self.state.size // 8)) if pool else self.state.size + 1
        for g in range(city.groups):
            first, last = int(city.first[g]), int(city.last[g])
            for lo in range(first, last, size):
                jobs.append((g, lo, min(last, lo + size)))

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
        self._move(rows[after != AWAY], group[after != AWAY], after[after != AWAY], before[after != AWAY], destinations, step)
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


def look_around(city: City, residents: Residents, seen: Seen) -> tuple[Ints, Ints]:
    """Count the mobilised in sight and the armed in reach; return people by site, (S,) twice.

    Writes the fields `armed` of each ground and `armed_up` of each group. The first row
    counts everyone mobilised in sight of the site's post, where the mobilised stand; the
    second those of the own community who come from near the site.
    """
    rows = np.flatnonzero(residents.state == MOBILISED)
    site, group = residents.site[rows].astype(np.int64), residents.group[rows].astype(np.int64)
    weight = city.weight[group]
    armed = (residents.able[rows] == 1) & (residents.weapon_rank[rows] < seen.armed_share[group])
    S = city.site_cell.size
    up_at = np.bincount(site, weight, minlength=S).astype(np.int64)
    armed_at = np.bincount(site[armed], weight[armed], minlength=S)
    city.armed_up[:] = np.bincount(group[armed], weight[armed], minlength=city.groups)
    everyone, own = np.zeros(S, np.int64), np.zeros(S, np.int64)
    for ground in city.grounds:
        _look(city, ground, up_at, armed_at, everyone, own)
    return everyone, own


def _look(city: City, ground: Ground, up_at: Ints, armed_at: Floats, everyone: Ints, own: Ints) -> None:
    total = np.zeros(ground.cells, np.int64)
    for c in range(ground.armed.shape[0]):
        groups = [g for g in ground.groups if city.community[g] == c]
        if not groups:
            continue
        up, armed = np.zeros(ground.cells, np.int64), np.zeros(ground.cells, np.float32)
        for g in groups:
            sites = slice(city.first_site[g], city.last_site[g])
            up[city.site_cell[sites]] += up_at[sites]
            np.add.at(total, city.site_post[sites], up_at[sites])
            np.add.at(armed, city.site_post[sites], armed_at[sites].astype(np.float32))
        in_reach(ground, armed, ground.armed[c])
        if up.any():
            seen = in_sight(ground, up).ravel()
            for g in groups:
                sites = slice(city.first_site[g], city.last_site[g])
                own[sites] = seen[city.site_cell[sites]]
    if total.any():
        seen = in_sight(ground, total).ravel()
        for g in ground.groups:
            sites = slice(city.first_site[g], city.last_site[g])
            everyone[sites] = seen[city.site_post[sites]]


@dataclass(frozen=True)
class Outlook:
    """What the hour holds for each group from elsewhere, [G] each: terms of the propensity and hazards in 1/h."""

    solidarity: Floats  # sum of weight x alarm of the channels but kin
    kin: Floats  # weight x alarm of kin, felt in proportion to one's own ties
    hardship: Floats
    enlist: Floats
    home: Floats
    front_danger: Floats  # hazard of being hit by a front's fire, in the open
    buffer: Floats  # factor on the fire across a line of contact
    detain: Floats  # hazard of detention for each soldier in sight
    slain: Floats
    maimed: Floats


def perceive(
    file: ScenarioFile, city: City, residents: Residents, seen: Seen, hostility: Floats, outlook: Outlook
) -> tuple[Singles, Singles]:
    """Return the tables of sites (SITE_COLUMNS, S) and groups (G, GROUP_COLUMNS) that residents decide by."""
    everyone, own = look_around(city, residents, seen)
    m, fire, d = file.mobilisation, file.fire, file.displacement
    sites = np.zeros((kernel.SITE_COLUMNS, city.site_cell.size), np.float32)
    groups = np.zeros((city.groups, kernel.GROUP_COLUMNS), np.float32)
    local = m.threat_toll * seen.local_toll / (seen.local_toll + m.threat_toll_half) + seen.anger
    ratio = ("raw", "floor", "round").index(m.ratio_rule)
    for ground in city.grounds:
        for g in ground.groups:
            where = slice(int(city.first_site[g]), int(city.last_site[g]))
            cells, c = city.site_cell[where], int(city.community[g])
            ours = ground.armed[c].ravel()
            theirs = np.zeros(ground.cells, np.float32)
            for o in np.flatnonzero(hostility[c] > 0):
                if o != c:
                    theirs += np.float32(hostility[c, o]) * ground.armed[o].ravel()
            base = float(local[g] + outlook.solidarity[g] + outlook.hardship[g] - m.threshold)
            city.threat[g] = local[g] + site_kernel.perceive(
                cells, city.site_post[where], theirs, ours, ground.posts.ravel(), everyone[where], own[where], city.kin_in_sight[where],
                base, m.threat_fire, m.threat_fire_half, m.imitation, m.state_deterrence, ratio,
                m.opponent_deterrence, m.opponent_half, float(seen.soldiers[ground.place]),
                fire.hit_per_hour * float(outlook.buffer[g]), float(outlook.front_danger[g]), float(outlook.detain[g]),
                sites[:, where],
            )  # fmt: skip
    quiet = 1.0 - seen.local_toll / (seen.local_toll + m.threat_toll_half)
    front = outlook.front_danger / (outlook.front_danger + d.flee_half)
    groups[:, kernel.WORTH] = 1.0 - city.legitimacy
    groups[:, kernel.TIED] = outlook.kin
    groups[:, kernel.ENLIST] = outlook.enlist
    groups[:, kernel.BACK] = d.return_per_day / 24.0 * quiet * (1.0 - front)
    groups[:, kernel.HOME] = outlook.home
    groups[:, kernel.SLAIN] = outlook.slain
    groups[:, kernel.MAIMED] = outlook.maimed
    return sites, groups


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
