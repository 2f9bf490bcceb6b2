"""Mobilisation: who takes up arms, and what they make of what they see.

What happens: each resident weighs grievance, threat and solidarity against the risk.

Propensity (MODEL 4.4; Epstein 2002, Posen 1993, Granovetter 1978)::

    G  = H (1 - L)                                   hardship, legitimacy of the state
    T  = w_F F_out/(F_out + F_in + F_0) + w_D D/(D + D_half) + J
    S  = sum of weight x alarm over the channels; kin alarm counts with one's own ties
    u  = G + T + S + b m_in - R (P_state + P_opponent) - theta

F: armed people of the other and of the own side within reach, D: recent toll of
one's own community here, J: anger at a local provocation, m_in: share of one's
own community mobilised, among those who live near, R: risk aversion. Hazards: mobilise
lambda logistic(u/tau), stand down mu logistic(-u/tau).

Who is mobilised stands near the line of contact, within `posts_m` of it: there soldiers and
opponents are met (P) and fire goes out and comes in; threat is felt at home. So a few
soldiers on the line hold back the few, and are outweighed by the many: a tipping point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from sim import kernels
from sim.neighbourhoods import City, Ground
from sim.parameters import Parameters, param
from sim.seen import Seen

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from sim.residents import Residents
    from sim.schema import ScenarioFile

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class MobilisationParameters(Parameters):
    """Who takes up arms, and when they go home again."""

    threshold: float = param(
        0.913,
        unit="1",
        low=0.0,
        high=3.0,
        grade="fitted",
        doc="theta: propensity needed to act",
        source="fitted: the centre that `spillover calibrate` finds (docs/calibration.md); "
        "before: Epstein 2002 uses 0.1 with no threat term; here the quiet level of mobilisation sets it",
    )
    noise: float = param(
        0.0256,
        unit="1",
        low=0.005,
        high=1.0,
        grade="fitted",
        doc="tau: softness of the decision",
        source="fitted: the centre that `spillover calibrate` finds (docs/calibration.md); "
        "before: small against the spread of hardship",
    )
    mobilise_per_hour: float = param(
        0.20,
        unit="1/h",
        low=0.001,
        high=10.0,
        grade="assumed",
        doc="lambda: rate at full propensity",
        source="men gather within hours of a first shooting (press accounts of the rounds of 2012)",
    )
    stand_down_per_hour: float = param(
        0.2,
        unit="1/h",
        low=0.001,
        high=10.0,
        grade="assumed",
        doc="mu: rate of going home when calm",
        source="streets empty within a day of a truce (press accounts of the rounds of 2012); chosen by hand "
        "within that, where rounds come out as long and as deadly as on record (docs/calibration.md)",
    )
    threat_fire: float = param(
        0.73,
        unit="1",
        low=0.0,
        high=2.0,
        grade="fitted",
        doc="w_F: weight of armed out-group in reach",
        source="fitted: the centre that `spillover calibrate` finds (docs/calibration.md); "
        "before: security dilemma, Posen 1993; our operationalisation",
    )
    threat_fire_half: float = param(
        25.0,
        unit="people",
        low=1.0,
        high=1000.0,
        grade="assumed",
        doc="F_0: armed people in reach at which an unopposed side feels half the threat",
        source="a few dozen armed men dominate a street",
    )
    threat_toll: float = param(
        0.213,
        unit="1",
        low=0.0,
        high=2.0,
        grade="fitted",
        doc="w_D: weight of the own toll here",
        source="fitted: the centre that `spillover calibrate` finds (docs/calibration.md); "
        "before: security dilemma, Posen 1993; our operationalisation",
    )
    threat_toll_half: float = param(
        5.0,
        unit="people",
        low=0.1,
        high=500.0,
        grade="assumed",
        doc="D_half: toll at half effect",
        source="order of the killed in one round of 2011-2013",
    )
    imitation: float = param(
        0.4,
        unit="1",
        low=0.0,
        high=5.0,
        grade="assumed",
        doc="b: weight of the mobilised in sight",
        source="Granovetter 1978, threshold term",
    )
    sight_m: float = param(
        160.0,
        unit="m",
        low=20.0,
        high=1000.0,
        grade="assumed",
        doc="half width of what a resident sees",
        source="a few blocks of dense housing",
    )
    state_deterrence: float = param(
        1.0,
        unit="1",
        low=0.0,
        high=10.0,
        grade="assumed",
        doc="k in P_state = 1 - exp(-k C/A)",
        source="Epstein 2002 has 2.3 (one officer a rebel gives 0.9); an army that rarely arrests deters less",
    )
    ratio_rule: Literal["raw", "floor", "round"] = param(
        "raw",
        unit="rule",
        grade="literature",
        doc="how C/A is rounded; decides whether bursts exist",
        source="floor in NetLogo's Rebellion, round in Mesa's example, raw in Epstein 2002",
    )
    opponent_deterrence: float = param(
        1.03,
        unit="1",
        low=0.0,
        high=5.0,
        grade="fitted",
        doc="weight of P_opponent",
        source="fitted: the centre that `spillover calibrate` finds (docs/calibration.md); "
        "before: fire that comes in keeps people at home, as much as the state does",
    )
    opponent_half: float = param(
        25.0,
        unit="people",
        low=1.0,
        high=1000.0,
        grade="assumed",
        doc="armed opponents in reach at which P_opponent is one half",
        source="a few dozen armed men dominate a street, those who stay at home as well as those who feel threatened",
    )
    hardship_low: float = param(
        0.0,
        unit="1",
        low=0.0,
        high=1.0,
        grade="literature",
        doc="lowest hardship H",
        source="Epstein 2002: uniform on 0 to 1",
    )
    hardship_high: float = param(
        1.0,
        unit="1",
        low=0.0,
        high=1.0,
        grade="literature",
        doc="highest hardship H",
        source="Epstein 2002: uniform on 0 to 1",
    )
    ties_spread: float = param(
        0.5,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="spread of ties to places elsewhere: uniform on 1 - spread to 1 + spread",
        source="residents differ in whom they have elsewhere",
    )
    detained_hours: float = param(
        72.0,
        unit="h",
        low=1.0,
        high=8760.0,
        grade="assumed",
        doc="mean time in detention",
        source="most people arrested in the rounds were released within days",
    )


class ProvocationParameters(Parameters):
    """Local provocations: a shooting, an arrest, a rally turned sour."""

    per_day: float = param(
        0.01,
        unit="1/d",
        low=0.0,
        high=2.0,
        grade="assumed",
        doc="rate in each community of a neighbourhood that faces another",
        source="gaps between the rounds of 2011-2013 (mean 69 days, 47 from 2012)",
    )
    known_days: float = param(
        0.0,
        unit="d",
        low=0.0,
        high=10_000.0,
        grade="assumed",
        doc="first days, of which every provocation is known: none of chance happens in them",
        source="nothing is known of the days of an invented scenario",
    )
    strength: float = param(
        2.6,
        unit="1",
        low=0.0,
        high=10.0,
        grade="assumed",
        doc="mean anger added by one provocation",
        source="enough to bring the most aggrieved into the street; chosen by hand "
        "within that, where rounds come out as long and as deadly as on record (docs/calibration.md)",
    )
    half_life_h: float = param(
        36.0,
        unit="h",
        low=0.5,
        high=500.0,
        grade="assumed",
        doc="half-life of that anger",
        source="most die out within a day; chosen by hand "
        "within that, where rounds come out as long and as deadly as on record (docs/calibration.md)",
    )


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
    file: ScenarioFile, city: City, residents: Residents, seen: Seen, hostility: Floats, outlook: Outlook,
    pool: ThreadPoolExecutor | None = None,
) -> tuple[Singles, Singles, Singles]:  # fmt: skip
    """Return what residents decide by: tables of sites, posts and groups, as in `sim.kernels.tables`.

    Writes the field `armed` of each ground and `armed_up` and `threat` of each group. Grounds are looked at by as
    many threads as the pool has.
    """
    m, d, at = file.mobilisation, file.displacement, kernels.tables
    quiet = 1.0 - seen.local_toll / (seen.local_toll + m.threat_toll_half)
    front = outlook.front_danger / (outlook.front_danger + d.flee_half)
    groups = np.zeros((city.groups, at.GROUP_COLUMNS), np.float32)
    groups[:, at.WORTH] = 1.0 - city.legitimacy
    groups[:, at.TIED] = outlook.kin
    groups[:, at.ENLIST] = outlook.enlist
    groups[:, at.BACK] = d.return_per_day / 24.0 * quiet * (1.0 - front)
    groups[:, at.HOME] = outlook.home
    groups[:, at.SLAIN] = outlook.slain
    groups[:, at.MAIMED] = outlook.maimed
    sites = np.empty((at.SITE_COLUMNS, city.site_cell.size), np.float32)
    posts = np.empty((at.POST_COLUMNS, city.post_cell.size), np.float32)
    local = m.threat_toll * seen.local_toll / (seen.local_toll + m.threat_toll_half) + seen.anger
    base = local + outlook.solidarity + outlook.hardship - m.threshold
    hit, rule = file.fire.hit_per_hour * outlook.buffer, ("raw", "floor", "round").index(m.ratio_rule)
    weights, up = _weights(m), Up.nobody(city)

    def look(ground: Ground) -> None:
        look_around(city, ground, residents, seen, up)
        kernels.sites.perceive(
            ground.groups, city.community, city.first_site, city.last_site, city.first_post, city.last_post,
            city.site_cell, city.post_cell, ground.armed.reshape(-1, ground.cells), hostility, ground.posts.ravel(),
            float(seen.soldiers[ground.place]), up.in_sight, up.own, city.kin_in_sight, base, hit,
            outlook.front_danger, outlook.detain, weights, rule, sites, posts, groups, city.threat,
        )  # fmt: skip

    list(map(look, city.grounds) if pool is None else pool.map(look, city.grounds))
    city.threat += local
    return sites, posts, groups


def _weights(m: MobilisationParameters) -> Floats:
    """Return what holds for everyone's perception, (WEIGHTS,)."""
    at = kernels.sites
    weights = np.zeros(at.WEIGHTS)
    weights[at.THREAT_FIRE], weights[at.FIRE_HALF] = m.threat_fire, m.threat_fire_half
    weights[at.IMITATION], weights[at.STATE_DETERRENCE] = m.imitation, m.state_deterrence
    weights[at.OPPONENT], weights[at.OPPONENT_HALF] = m.opponent_deterrence, m.opponent_half
    return weights


@dataclass(frozen=True)
class Up:
    """Who is mobilised, in people."""

    armed: Ints  # [S] armed, of those who live at a site
    own: Ints  # [S] of the own community, who come from near the site
    in_sight: Ints  # [K] of whatever community, in sight of a post

    @classmethod
    def nobody(cls, city: City) -> Up:
        """Return the tables before anyone has looked."""
        return cls(np.zeros_like(city.up_at), np.zeros_like(city.up_at), np.zeros_like(city.post_cell))


def look_around(city: City, ground: Ground, residents: Residents, seen: Seen, up: Up) -> None:
    """Count the mobilised of one ground into `up`, into its field `armed` and into `armed_up` of its groups."""
    fit = residents.fit
    kernels.sites.muster(
        ground.groups, city.first, city.last, city.first_site, city.last_site, city.states, residents.state,
        fit.rows, fit.site, fit.weapon_rank, seen.armed_share, city.weight, up.armed, city.armed_up,
    )  # fmt: skip
    kernels.sites.look_around(
        ground.groups, city.community, city.first_site, city.last_site, city.first_post, city.last_post,
        city.site_cell, city.post_of, city.post_cell, city.up_at, up.armed, ground.sight, ground.reach,
        ground.armed, up.own, up.in_sight,
    )  # fmt: skip
