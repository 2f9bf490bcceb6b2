"""Who takes up arms: the rule against what Epstein, Granovetter and a two-state process say in the limit."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from small import DROP, small
from test_resident_kernel import alike, compiled

from sim.chance import Chance
from sim.kernels import sites, tables
from sim.mobilisation import Outlook, Up, look_around, perceive
from sim.neighbourhoods import City
from sim.residents import CALM, MOBILISED, Residents, rates_of_the_hour
from sim.scenario import Scenario
from sim.security import buffer
from sim.seen import freeze
from sim.theatre import Theatre

NOTHING_ELSE = {
    "mobilisation.threat_fire": 0.0,
    "mobilisation.threat_toll": 0.0,
    "mobilisation.imitation": 0.0,
    "mobilisation.state_deterrence": 0.0,
    "mobilisation.opponent_deterrence": 0.0,
    "fire.hit_per_hour": 0.0,
    "security.detain_per_hour": 0.0,
    "neighbourhoods.east.able": 1.0,
    "neighbourhoods.west.able": 1.0,
    "neighbourhoods.east.legitimacy": 0.0,
    "neighbourhoods.west.legitimacy": 0.0,
}
"""Residents weigh their hardship against the threshold, and nothing else."""

ALONE = {"neighbourhoods.west": DROP, "lines_of_contact": DROP, "security_forces": DROP}
"""One quarter that faces nobody."""


class Town:
    """The quarters of the small scenario, and their hours without the rest of the model."""

    def __init__(self, changes, seed=1):
        self.file = Scenario.from_toml(small(changes)).file
        self.theatre, self.city = Theatre.of(self.file), City.of(self.file)
        self.residents = Residents(self.file, self.city, Chance(seed))
        self.rates = rates_of_the_hour(self.file, 12.0, self.file.clock.step_hours)
        self.place = int(self.city.place[0])
        self.step = 0

    def put(self, rows, state=MOBILISED):
        """Put residents into a state."""
        self.residents.state[rows] = state
        self.residents._count()

    def of(self, name):
        """Return the rows, and the sites, of a quarter with one community."""
        (g,) = np.flatnonzero(self.city.neighbourhood == self.city.neighbourhoods.index(name))
        c = self.city
        return slice(c.first[g], c.last[g]), slice(c.first_site[g], c.last_site[g])

    def look(self):
        """Return the tables of sites, posts and groups that residents decide by now."""
        seen = freeze(self.theatre, self.city, self.residents.displaced)
        zero = np.zeros(self.city.groups)
        security = self.file.security
        outlook = Outlook(
            solidarity=zero, kin=zero, hardship=zero, enlist=zero, home=zero, front_danger=zero, slain=zero,
            maimed=zero, buffer=buffer(seen.soldiers[self.city.place], security),
            detain=zero + security.detain_per_hour,
        )  # fmt: skip
        return perceive(self.file, self.city, self.residents, seen, self.theatre.hostility, outlook)

    def seen_from(self):
        """Return what is perceived from each site, its post included."""
        sites, posts, groups = self.look()
        deter, deter_up, danger_up, _ = posts[:, self.city.post_of]
        return SimpleNamespace(
            pull=sites[tables.PULL], danger=sites[tables.DANGER], deter=deter, deter_up=deter_up, danger_up=danger_up,
            groups=groups,
        )  # fmt: skip

    def hour(self):
        """Live through one step."""
        self.residents.hour(self.rates, *self.look(), np.ones((self.city.groups, 2)), self.step, None)
        self.step += 1

    @property
    def mobilised(self):
        """Return the share of the residents."""
        return float(np.mean(self.residents.state == MOBILISED))


def logistic(x):
    return 1.0 / (1.0 + math.exp(-x))


# --- hardship against a threshold: two states


@pytest.mark.parametrize("u", [-0.04, 0.0, 0.03])
def test_the_share_mobilised_is_that_of_two_states_in_balance(u):
    """At F = D = S = b = 0; an error of 0.009 in the share would be seen."""
    tau, up, down, people = 0.03, 0.2, 0.1, 80_000
    town = Town(
        NOTHING_ELSE
        | {
            "clock.step_hours": 0.25, "neighbourhoods.east.residents": people // 2,
            "neighbourhoods.west.residents": people // 2, "mobilisation.threshold": 0.5, "mobilisation.noise": tau,
            "mobilisation.hardship_low": 0.5 + u, "mobilisation.hardship_high": 0.5 + u,
            "mobilisation.mobilise_per_hour": up, "mobilisation.stand_down_per_hour": down,
        }
    )  # fmt: skip
    town.put(slice(0, None, 2))
    for _ in range(400):  # 100 h, ten times the time to balance
        town.hour()
    up, down = up * logistic(u / tau), down * logistic(-u / tau)
    of_a_quarter_hour = 0.0006
    assert abs(town.mobilised - up / (up + down)) < 4.5 * math.sqrt(0.25 / people) + of_a_quarter_hour


def test_nobody_mobilises_who_is_not_able_to_fight():
    town = Town(
        NOTHING_ELSE | {"mobilisation.threshold": 0.0, "neighbourhoods.east.able": 0.0, "neighbourhoods.east.armed": {}}
    )
    for _ in range(50):
        town.hour()
    rows, _ = town.of("east")
    assert np.all(town.residents.state[rows] == CALM)
    assert town.mobilised > 0.3


# --- Epstein (2002): G - R P > theta


def epstein(active, hardship, aversion, officers, *, legitimacy, theta, k, sight, rule):
    """Return who is active next, all deciding at once from the same lattice; also the closest call.

    active, hardship, aversion, officers: (ny, nx). Everyone counts themselves among the active, once.
    """
    rounding = {"raw": float, "floor": math.floor, "round": round}[rule]
    then, closest = np.zeros_like(active), math.inf
    for y, x in np.ndindex(active.shape):
        window = np.s_[max(0, y - sight) : y + sight + 1, max(0, x - sight) : x + sight + 1]
        others = int(active[window].sum()) - int(active[y, x])
        ratio = rounding(int(officers[window].sum()) / (1 + others))
        arrest = 1.0 - math.exp(-k * ratio)
        margin = hardship[y, x] * (1.0 - legitimacy) - aversion[y, x] * arrest - theta
        then[y, x], closest = margin > 0, min(closest, abs(margin))
    return then, closest


NY, NX, OFFICERS = 15, 20, 32


def lattice(rule, seed):
    """Build a quarter of one resident a cell in the limit of Epstein's rule, and where officers stand."""
    town = Town(
        NOTHING_ELSE | ALONE
        | {
            "places.harbour.cell_m": 10.0, "neighbourhoods.east.residents": NY * NX,
            "neighbourhoods.east.rectangle": {"west": 0.0, "south": 0.0, "width": NX * 10.0, "height": NY * 10.0},
            "neighbourhoods.east.legitimacy": 0.4, "mobilisation.threshold": 0.1, "mobilisation.sight_m": 30.0,
            "mobilisation.state_deterrence": 2.3, "mobilisation.ratio_rule": rule,
        },
        seed,
    )  # fmt: skip
    town.rates[[tables.MOBILISE, tables.STAND_DOWN]] = 100.0  # to infinity
    town.rates[tables.SOFTNESS] = 1e-8  # to zero
    rng = np.random.default_rng(seed)
    officers = np.zeros((NY, NX), np.int64)
    np.add.at(officers, (rng.integers(0, NY, OFFICERS), rng.integers(0, NX, OFFICERS)), 1)
    (ground,) = town.city.grounds
    near = [np.s_[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4] for y, x in np.ndindex(NY, NX)]
    ground.posts = np.array([officers[window].sum() for window in near]).reshape(NY, NX) / OFFICERS
    town.city.soldiers[town.place] = OFFICERS  # a power of two: shares of it are exact
    town.put(np.flatnonzero(rng.random(NY * NX) < 0.2))
    return town, officers


def histories(rule, seed, steps=12):
    """Return who is active hour by hour, in the model and by Epstein's rule."""
    town, officers = lattice(rule, seed)
    traits = [column.reshape(NY, NX).astype(float) for column in (town.residents.hardship, town.residents.aversion)]
    active = town.residents.state.reshape(NY, NX) == MOBILISED
    ours, theirs = [], []
    for _ in range(steps):
        active, closest = epstein(active, *traits, officers, legitimacy=0.4, theta=0.1, k=2.3, sight=3, rule=rule)
        assert closest > 1e-6, "a call too close for float32: take another seed"
        town.hour()
        ours.append(town.residents.state.reshape(NY, NX) == MOBILISED)
        theirs.append(active)
    return np.array(ours), np.array(theirs)


@pytest.mark.parametrize("rule", ["raw", "floor", "round"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_in_the_limit_the_rule_is_epsteins_with_synchronous_updating(rule, seed):
    ours, theirs = histories(rule, seed)
    assert np.array_equal(ours, theirs)
    assert 0.05 < ours.mean() < 0.95
    assert (ours[-1] != ours[0]).any()


@pytest.mark.parametrize(("rule", "ratio"), [(0, 2.5), (1, 2.0), (2, 2.0)])
def test_the_ratio_of_soldiers_to_the_active_is_rounded_as_asked(rule, ratio):
    assert sites.state_deterrence(5.0, 2.0, 0.7, rule) == 1.0 - math.exp(-0.7 * ratio)  # 2.5 rounds to even


# --- Granovetter (1978): each joins when enough others have


def riot(thresholds):
    """Return how many riot in the end, each joining when at least `threshold` are in the street."""
    n = thresholds.size
    p = alike(CALM, n)
    p.rates[:], p.of_group[:], p.sites[:], p.posts[:] = 0.0, 0.0, 0.0, 0.0
    p.rates[[tables.MOBILISE, tables.STAND_DOWN]] = 1e4
    p.rates[[tables.SOFTNESS, tables.SHELTER_HALF, tables.FLEE_HALF, tables.LIVED_HALF, tables.STEP_H]] = (
        1e-4, 1.0, 1.0, 1.0, 1.0,
    )  # fmt: skip
    p.of_group[tables.WORTH] = 1.0
    p.hardship = (1.0 - (thresholds - 0.5) / n).astype(np.float32)  # u = m/n + H - 1 > 0 where m > threshold - 1/2
    for step in range(2 * n):
        p.sites[tables.PULL] = np.count_nonzero(p.state == MOBILISED) / n - 1.0
        p.step = step
        then = compiled(p)[0]
        if np.array_equal(then, p.state):
            break
        p.state = then
    return int(np.count_nonzero(p.state == MOBILISED))


def test_a_hundred_people_with_thresholds_0_to_99_all_riot():
    assert riot(np.arange(100)) == 100


def test_with_the_threshold_of_one_altered_only_the_instigator_riots():
    thresholds = np.arange(100)
    thresholds[1] = 2
    assert riot(thresholds) == 1


def test_without_an_instigator_nobody_riots():
    assert riot(np.arange(1, 101)) == 0


@pytest.mark.parametrize(("theta", "b", "share"), [(0.9, 0.5, 0.2), (0.9, 0.75, 0.4), (1.1, 0.5, 0.0), (0.9, 1.2, 1.0)])
def test_a_cascade_ends_at_the_fixed_point_of_the_thresholds(theta, b, share):
    """H uniform on 0 to 1: x = F(x) = 1 - theta + b x; an error of 0.04 would be seen (0.005 at the ends)."""
    people = 60_000
    town = Town(
        NOTHING_ELSE | ALONE
        | {
            "neighbourhoods.east.residents": people, "mobilisation.threshold": theta, "mobilisation.imitation": b,
            "mobilisation.noise": 0.005, "mobilisation.mobilise_per_hour": 10.0, "mobilisation.sight_m": 300.0,
            "mobilisation.stand_down_per_hour": 10.0,
        }
    )  # fmt: skip
    for _ in range(60):
        town.hour()
    spread = math.sqrt(share * (1 - share) / people) / (1 - b) if 0 < share < 1 else 0.0
    assert abs(town.mobilised - share) < 4.5 * spread + 0.005


def test_only_the_own_community_is_imitated():
    town = Town(NOTHING_ELSE | {"mobilisation.imitation": 1.0})
    _, sites_of_east = town.of("east")
    west, sites_of_west = town.of("west")
    town.put(west)
    pull = town.seen_from().pull
    assert np.all(pull[sites_of_east] == np.float32(-0.7))
    assert np.allclose(pull[sites_of_west], 1.0 - 0.7)


# --- where threat is felt, and what holds back


ARMED = {"neighbourhoods.east.armed.red": 40.0, "neighbourhoods.west.armed.green": 40.0}


def propensity(seen):
    """Return u of an average resident of each site."""
    return seen.pull - 0.5 * seen.deter


def test_an_army_between_the_sides_lowers_propensity_and_fire():
    town = Town(ARMED)
    town.put(np.flatnonzero(town.residents.able))
    tables = []
    for soldiers in (0, 50, 800):
        town.city.soldiers[town.place] = soldiers
        tables.append(town.seen_from())
    none, few, many = tables
    near = none.danger > 0
    assert near.any()
    for fewer, more in ((none, few), (few, many)):
        assert np.all(propensity(more) < propensity(fewer))
        assert np.all(more.danger[near] < fewer.danger[near])
        assert np.all(more.danger_up < fewer.danger_up)
        assert np.array_equal(more.pull, fewer.pull)
    half = town.file.security.buffer_half
    assert np.allclose(many.danger, none.danger * half / (half + 800))


def test_a_few_soldiers_hold_back_a_few_but_not_a_crowd():
    town = Town(ARMED)
    town.city.soldiers[town.place] = 20
    held = []
    for share in (5, 1):
        town.put(slice(None), CALM)
        town.put(slice(0, None, share))
        held.append(town.seen_from().deter - opponents(town))
    assert np.all(held[1] < held[0])


def opponents(town):
    """Return the part of what deters that is the opponents' fire, at each site's post."""
    m, city = town.file.mobilisation, town.city
    (ground,) = city.grounds
    part = np.zeros(city.site_cell.size)
    for g in range(city.groups):
        where = slice(city.first_site[g], city.last_site[g])
        c = int(city.community[g])
        facing = 0.5 * ground.armed[1 - c].ravel()[city.post_cell[city.post_of[where]]].astype(float)
        part[where] = m.opponent_deterrence * facing / (facing + m.opponent_half)
    return part


def test_threat_is_felt_at_home_and_what_deters_is_met_at_the_post():
    """A short reach: those who live far from the line feel no threat, but would meet the same fire as the others."""
    town = Town(ARMED | {"fire.posts_m": 30.0, "fire.reach_m": 60.0, "mobilisation.imitation": 0.0})
    town.put(town.of("west")[0])
    seen = town.seen_from()
    _, east = town.of("east")
    city, width = town.city, town.city.grounds[0].raster.shape[1]
    home, post = city.site_cell[east], city.post_cell[city.post_of[east]]
    far = home % width <= np.quantile(home % width, 0.2)
    near = home == post
    assert np.all(home[far] != post[far])
    pull, deter, danger, danger_up = (column[east] for column in (seen.pull, seen.deter, seen.danger, seen.danger_up))
    assert np.all(pull[far] == np.float32(-0.7))
    assert np.all(danger[far] == 0)
    assert np.all(pull[near] > -0.7)
    assert np.all(danger_up[far] > 0)
    by_post = {int(cell): (d, u) for cell, d, u in zip(home[near], deter[near], danger_up[near], strict=True)}
    for cell, d, u in zip(post, deter, danger_up, strict=True):
        assert by_post[int(cell)] == (d, u)


def test_the_mobilised_are_counted_where_they_stand_and_imitated_where_they_live():
    town = Town(ARMED | {"fire.posts_m": 30.0, "mobilisation.sight_m": 30.0, "neighbourhoods.west.people_per_agent": 2})
    r, city = town.residents, town.city
    town.put(np.flatnonzero(np.random.default_rng(4).random(r.state.size) < 0.4))
    (ground,) = city.grounds
    counted = Up.nobody(city)
    look_around(city, ground, r, freeze(town.theatre, city, r.displaced), counted)
    width = ground.raster.shape[1]

    def near(cells, cell):
        (y, x), (to_y, to_x) = np.divmod(cells, width), divmod(int(cell), width)
        return np.maximum(abs(y - to_y), abs(x - to_x)) <= ground.sight

    up = np.flatnonzero(r.state == MOBILISED)
    site, group, weight = r.site[up], r.group[up], city.weight[r.group[up]]
    post = city.post_cell[city.post_of]
    for g in range(city.groups):
        for s in range(city.first_site[g], city.last_site[g]):
            assert counted.in_sight[city.post_of[s]] == weight[near(post[site], post[s])].sum()
            assert counted.own[s] == weight[near(city.site_cell[site], city.site_cell[s]) & (group == g)].sum()


def test_the_own_armed_reassure_and_the_other_side_alarms():
    town = Town(ARMED | {"mobilisation.imitation": 0.0})
    (_, east), rows = town.of("east"), {name: town.of(name)[0] for name in ("east", "west")}
    levels = []
    for mobilised in ((), ("west",), ("west", "east")):
        town.put(slice(None), CALM)
        for name in mobilised:
            town.put(rows[name])
        levels.append(float(town.seen_from().pull[east].mean()))
    quiet, alarmed, reassured = levels
    assert quiet < reassured < alarmed


def test_the_unarmed_do_not_threaten():
    town = Town({"neighbourhoods.west.armed": {}, "mobilisation.imitation": 0.0})
    before = town.seen_from()
    town.put(town.of("west")[0])
    after = town.seen_from()
    _, east = town.of("east")
    assert np.array_equal(after.pull[east], before.pull[east])
    assert not after.danger[east].any()


def test_legitimacy_and_toll_move_the_propensity_as_written():
    town = Town({"neighbourhoods.east.legitimacy": 0.25})
    town.city.toll[:] = [5.0, 0.0]  # the half effect, in the east
    seen = town.seen_from()
    (_, east), (_, west) = town.of("east"), town.of("west")
    m = town.file.mobilisation
    assert np.allclose(seen.pull[east] - seen.pull[west][0], 0.5 * m.threat_toll)
    assert seen.groups[0, tables.WORTH] == np.float32(0.75)
