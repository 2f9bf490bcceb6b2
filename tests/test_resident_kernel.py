"""The compiled loops over residents and cells, against plain versions of themselves, and against probability.

The plain versions are numpy on whole columns. They agree with the kernels bit for bit, because all
arithmetic is float32, strict, and in a written order.
"""

from __future__ import annotations

import math
import os
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from inspect import signature
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config, njit
from scipy import stats
from small import small
from test_chance import philox

from sim.chance import Chance
from sim.kernels import hazards, luck, raster, residents, shortlist, sites, tables
from sim.kernels.compiled import OPTIONS
from sim.neighbourhoods import STATES, City
from sim.residents import TRANSITIONS, Residents
from sim.scenario import Scenario

F = np.float32
CALM, MOBILISED, SHELTERING, WOUNDED, DETAINED, DISPLACED, AWAY, DEAD = range(8)
KEY = (np.uint64(2024), np.uint64(7))
often = settings(max_examples=60)


# --- plain versions


def exp32(x):
    """2^n times a polynomial of degree 6 on what is left, r in [-ln 2 / 2, ln 2 / 2]."""
    x = np.clip(x, F(-80), F(80))
    n = np.floor(x * F(1.4426950408889634) + F(0.5))
    r = (x - n * F(0.693359375)) - n * F(-2.12194440e-4)
    p = F(1.3981999e-3)
    for c in (F(8.3334519e-3), F(4.1665796e-2), F(1.6666665e-1), F(0.5)):
        p = p * r + c
    p = p * r * r + r + F(1)
    return p * np.ldexp(F(1), n.astype(np.int32))


def chance_per_hazard(x):
    """(1 - exp(-x)) / x: a series near 0, where the difference would lose its digits."""
    series = F(1.9841270e-4)
    for c in (F(0.0013888889), F(0.008333334), F(0.041666668), F(0.16666667), F(0.5), F(1)):
        series = c - x * series
    return np.where(x < F(0.5), series, (F(1) - exp32(-x)) / np.maximum(x, F(0.5)))


def fill_luck(numbers, lane, step, decision, key=KEY):
    """Uniforms in [0, 1]: of each 512 residents, four share a Philox block, those 128 apart."""
    block, place = np.divmod(numbers, 512)
    same = (np.full(numbers.size, word, np.uint64) for word in (lane, step, decision))
    words = philox(((block * 128 + place % 128).astype(np.uint64), *same), tuple(map(int, key)))
    word = np.choose(place // 128, [w.astype(np.int64) for w in words])
    return word.astype(np.uint32).astype(np.float32) * F(2.0**-32)


ORDER = (DEAD, WOUNDED, AWAY, DISPLACED, DETAINED, MOBILISED, SHELTERING, CALM)
"""In which order the hazards are laid end to end for the one draw to fall on."""


def may_happen(p):
    """Return what may happen to each resident, {to: hazard in 1/h}, and the danger they are in."""
    now, r, g = p.state, p.rates, p.of_group
    pull, in_open = p.sites[:, p.site_of_row]
    deter, deter_up, danger_up, detain = p.posts[:, p.post_of[p.site_of_row]]
    calm, up, under_cover, away = (now == s for s in (CALM, MOBILISED, SHELTERING, AWAY))

    u = pull + p.hardship * g[tables.WORTH] + p.ties * g[tables.TIED] - p.aversion * np.where(up, deter_up, deter)
    eager = F(1) / (F(1) + exp32(-u * (F(1) / r[tables.SOFTNESS])))
    eager_fit = eager * p.able.astype(np.float32)

    none = np.zeros(now.size, np.float32)
    danger = np.select(
        [calm, up, under_cover],
        [
            in_open * r[tables.EXPOSED_CALM],
            danger_up * r[tables.EXPOSED_MOBILISED],
            in_open * r[tables.EXPOSED_SHELTERING],
        ],
        none,
    )
    heavy = in_open / (in_open + r[tables.SHELTER_HALF])
    leaving = r[tables.FLEE] * (in_open / (in_open + r[tables.FLEE_HALF]))
    leaving = leaving * (F(1) + p.lived * (F(1) / r[tables.LIVED_HALF]))
    to = {
        DEAD: danger * r[tables.LETHALITY] + np.where(away, g[tables.SLAIN], none),
        WOUNDED: danger * (F(1) - r[tables.LETHALITY]) + np.where(away, g[tables.MAIMED], none),
        AWAY: np.where(calm | up, g[tables.ENLIST] * eager_fit, none),
        DISPLACED: np.where(calm | under_cover, leaving, none),
        DETAINED: np.where(up, detain, none),
        MOBILISED: np.where(calm | under_cover, r[tables.MOBILISE] * eager_fit, none),
        SHELTERING: np.where(calm, r[tables.SHELTER] * heavy, none),
        CALM: np.select(
            [up, under_cover, now == WOUNDED, now == DETAINED, now == DISPLACED, away],
            [
                r[tables.STAND_DOWN] * (F(1) - eager),
                r[tables.COME_OUT] * (F(1) - heavy),
                none + r[tables.RECOVER],
                none + r[tables.RELEASE],
                none + g[tables.BACK],
                none + g[tables.HOME],
            ],
            none,
        ),
    }
    return to, danger


def decide(p):
    """Return the state of each resident an hour later, and the danger lived through."""
    to, danger = may_happen(p)
    ends, total = [], F(0)
    for state in ORDER:
        total = total + to[state]
        ends.append(total)
    dt = p.rates[tables.STEP_H]
    drawn = fill_luck(np.arange(p.lo, p.hi) - p.first, p.lane, p.step, p.decision)
    falls = drawn / (dt * chance_per_hazard(total * dt))
    then = p.state.copy()
    for state, end in zip(reversed(ORDER), reversed(ends), strict=True):
        then = np.where(falls < end, np.uint8(state), then)
    return then, p.lived + danger * dt


def blur(field, taps):
    """Weight by distance along x, then along y: at each distance the two neighbours first, then their weight."""
    reach = taps.size - 1
    for axis in (1, 0):
        n = field.shape[axis]
        wide = np.pad(field, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)])
        out = field * taps[0]
        for d in range(1, reach + 1):
            left, right = (np.take(wide, np.arange(n) + reach + shift, axis) for shift in (-d, d))
            out += (left + right) * taps[d]
        field = out
    return field


def box_sum(field, reach):
    """Sum over the square around each cell."""
    ny, nx = field.shape
    return np.array(
        [
            [field[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].sum() for x in range(nx)]
            for y in range(ny)
        ]
    )


def look_around(a):
    """Count who is up and who is armed, cell by cell: in reach by community, near home, and in sight of the posts."""
    C, (ny, nx) = a.armed.shape[0], a.armed.shape[1:]
    y, x = np.divmod(np.arange(ny * nx), nx)

    def around(cell):
        return (abs(y - cell // nx) <= a.sight) & (abs(x - cell % nx) <= a.sight)

    armed, own = np.zeros_like(a.armed), np.zeros_like(a.up_at)
    total, everyone = np.zeros(ny * nx, np.int64), np.zeros(a.post_cell.size, np.int64)
    for c in range(C):
        sites_of_c = [s for g in a.groups if a.community[g] == c for s in range(a.first_site[g], a.last_site[g])]
        up, posted = np.zeros(ny * nx, np.int64), np.zeros(ny * nx, F)
        for s in sites_of_c:
            up[a.site_cell[s]] += a.up_at[s]
            total[a.post_cell[a.post_of[s]]] += a.up_at[s]
            posted[a.post_cell[a.post_of[s]]] += F(a.armed_at[s])
        armed[c] = blur(posted.reshape(ny, nx), a.taps)
        for s in sites_of_c:
            own[s] = up[around(a.site_cell[s])].sum()
    for g in a.groups:
        for k in range(a.first_post[g], a.last_post[g]):
            everyone[k] = total[around(a.post_cell[k])].sum()
    return armed, own, everyone


def perceive(a):
    """Return the tables of sites and posts, row by row as the propensity is written in `sim.mobilisation`."""
    S, K, G = a.site_cell.size, a.post_cell.size, a.community.size
    by_site, by_post, threats = np.zeros((2, S), F), np.zeros((4, K), F), np.zeros(G)
    groups = np.zeros((G, tables.GROUP_COLUMNS), F)
    rounded = {"raw": lambda r: r, "floor": math.floor, "round": round}[a.rule]
    armed = a.armed.reshape(a.armed.shape[0], -1)
    for g in a.groups:
        c = a.community[g]
        theirs_at = np.zeros(armed.shape[1], F)
        for o in range(armed.shape[0]):
            if o != c and a.hostility[o, c] > 0:
                theirs_at += F(a.hostility[o, c]) * armed[o]
        felt = []
        for s in range(a.first_site[g], a.last_site[g]):
            home = a.site_cell[s]
            theirs = float(theirs_at[home])
            felt.append(a.threat_fire * theirs / (float(theirs_at[home] + armed[c, home]) + a.fire_half))
            share = min(1.0, int(a.own[s]) / max(1.0, float(a.kin[s])))
            by_site[:, s] = a.base[g] + felt[-1] + a.imitation * share, a.hit[g] * theirs + a.front_danger[g]
        total = 0.0
        for one in felt:
            total += one
        threats[g] = total / max(1, len(felt))
        for k in range(a.first_post[g], a.last_post[g]):
            facing = float(theirs_at[a.post_cell[k]])
            soldiers, active = a.soldiers * float(a.soldiers_at[a.post_cell[k]]), int(a.everyone[k])
            arrest, arrest_up = (
                1.0 - math.exp(-a.k_state * rounded(soldiers / n)) for n in (active + 1, max(1, active))
            )
            fire = a.opponent * facing / (facing + a.opponent_half)
            by_post[:, k] = (
                arrest + fire, arrest_up + fire, a.hit[g] * facing + a.front_danger[g], a.detain[g] * soldiers,
            )  # fmt: skip
        here, there = slice(a.first_site[g], a.last_site[g]), slice(a.first_post[g], a.last_post[g])
        groups[g, tables.MOST_DANGER] = by_site[1, here].max(initial=0.0)
        groups[g, [tables.MOST_DANGER_UP, tables.MOST_DETAIN]] = by_post[2:, there].max(axis=1, initial=0.0)
    return by_site, by_post, groups, threats


# --- random residents


def people(rng, n, calm_hours=False):
    """Draw residents in every state on a few sites, under hazards from none to overwhelming.

    The mobilised are among those able to fight, as everywhere.
    """
    scale = 1.0 if calm_hours else 10.0 ** rng.uniform(-4, 1.5)
    ends = np.unique(np.append(rng.integers(1, n + 1, rng.integers(0, 40)), n))
    rates = np.abs(rng.normal(size=tables.RATES)).astype(np.float32) * F(scale)
    rates[tables.SOFTNESS] = rng.choice([0.005, 0.03, 1.0])
    rates[tables.LETHALITY] = rng.uniform()
    rates[[tables.SHELTER_HALF, tables.FLEE_HALF, tables.LIVED_HALF]] = 10.0 ** rng.uniform(-6, 0, 3)
    rates[tables.STEP_H] = rng.choice([0.25, 1.0, 6.0])
    exposed = [tables.EXPOSED_CALM, tables.EXPOSED_MOBILISED, tables.EXPOSED_SHELTERING]
    rates[exposed] = rng.uniform(size=3)
    table = np.abs(rng.normal(size=(tables.SITE_COLUMNS, ends.size)) * scale)
    table[tables.PULL] = rng.normal(size=ends.size)
    table *= rng.uniform(size=table.shape) < rng.choice([0.0, 0.8, 0.8, 0.8])  # some sites are quiet, or all
    posts = np.abs(rng.normal(size=(tables.POST_COLUMNS, rng.integers(1, ends.size + 1))) * scale)
    state = rng.integers(0, 8, n).astype(np.uint8)
    return SimpleNamespace(
        state=state,
        able=(rng.integers(0, 2, n) | (state == MOBILISED)).astype(np.uint8),
        hardship=rng.uniform(size=n).astype(np.float32),
        aversion=rng.uniform(size=n).astype(np.float32),
        ties=rng.uniform(size=n).astype(np.float32),
        lived=(rng.uniform(size=n) * 0.2).astype(np.float32),
        sites=table.astype(np.float32),
        posts=posts.astype(np.float32),
        post_of=rng.integers(0, posts.shape[1], ends.size),
        site_ends=ends.astype(np.int64),
        site_of_row=np.searchsorted(ends, np.arange(n), side="right"),
        of_group=(np.abs(rng.normal(size=tables.GROUP_COLUMNS)) * scale).astype(np.float32),
        rates=rates,
        lo=0, hi=n, first=0, lane=int(rng.integers(0, 2**32)), step=int(rng.integers(0, 2**32)),
        decision=int(rng.integers(0, 2**32)),
    )  # fmt: skip


def bound(groups, sites, posts):
    """Put the greatest danger and risk of detention among the sites and posts where `perceive` would."""
    groups[..., tables.MOST_DANGER] = sites[tables.DANGER].max()
    groups[..., tables.MOST_DANGER_UP] = posts[tables.DANGER_UP].max()
    groups[..., tables.MOST_DETAIN] = posts[tables.DETAIN].max()
    return groups


def compiled(p, cuts=(), together=False):
    """Run the kernel over the rows in pieces, in one call or several; return what the plain version returns."""
    bound(p.of_group, p.sites, p.posts)
    decided, lived, able = p.state.copy(), p.lived.copy(), np.flatnonzero(p.able)
    rows, then = np.full(p.hi, 2**32 - 1, np.uint32), np.full(p.hi, 99, np.uint8)
    pieces = [(0, lo, hi) for lo, hi in pairwise((p.lo, *sorted(cuts), p.hi)) if lo < hi]
    for jobs in [pieces] if together else [[piece] for piece in pieces]:
        count = residents.decide(
            np.array(jobs), np.array([p.first]), np.array([p.lane], np.uint64), p.state, lived, able.astype(np.uint32),
            p.site_of_row[able].astype(np.uint32), p.hardship[able], p.aversion[able], p.ties[able], p.site_ends,
            p.post_of, p.sites, p.posts, p.of_group[None], p.rates, np.uint64(p.step), np.uint64(p.decision), *KEY,
            rows, then,
        )  # fmt: skip
        listed = slice(jobs[0][1], jobs[0][1] + count)
        assert np.all(then[listed] != p.state[rows[listed]]), "those who change state, and no others"
        decided[rows[listed]] = then[listed]
    return decided, lived


def same_bits(one, other):
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


@cache
def alone(part):
    """Compile a part of a kernel with a way in from Python."""
    return njit(error_model="numpy", **OPTIONS)(part)


seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


# --- the kernels are their plain versions, bit for bit


@given(seeds, st.sampled_from([1, 2, 511, 512, 513, 2000]))
@often
def test_residents_decide_as_in_the_plain_version(rng, n):
    p = people(rng, n)
    then, lived = decide(p)
    decided, lived_on = compiled(p)
    assert same_bits(decided, then)
    assert same_bits(lived_on, lived)


@given(seeds, st.lists(st.integers(0, 3000), max_size=12))
@often
def test_it_does_not_matter_how_the_rows_are_split(rng, cuts):
    p = people(rng, 3000)
    whole = compiled(p)
    for together in (False, True):
        parts = compiled(p, cuts, together)
        assert same_bits(parts[0], whole[0])
        assert same_bits(parts[1], whole[1])


def test_exponentials_are_those_of_the_plain_version_and_accurate():
    x = np.concatenate([np.linspace(-90, 90, 60_001), np.linspace(-1, 1, 20_001), [0.0, -80.0, 80.0]]).astype(F)
    ours = np.array([alone(hazards.exp32)(v) for v in x], np.float32)
    assert same_bits(ours, exp32(x))
    exact = np.exp(np.clip(x, -80, 80).astype(np.float64))
    assert np.abs(ours / exact - 1).max() < 3e-7


def test_chances_are_those_of_the_plain_version_and_accurate():
    x = np.concatenate([np.linspace(0, 2, 30_001), np.geomspace(1e-30, 1e4, 20_001), [0.0]]).astype(F)
    ours = np.array([alone(hazards.chance_per_hazard)(v) for v in x], np.float32)
    assert same_bits(ours, chance_per_hazard(x).astype(F))
    wide = np.maximum(x.astype(np.float64), 1e-300)
    assert np.abs(ours / (-np.expm1(-wide) / wide) - 1).max() < 7e-7


@given(st.integers(0, 2**23 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
@often
def test_luck_is_a_philox_word_of_its_own_for_each_row(block, lane, step):
    drawn = np.empty(512, np.float32)
    alone(luck.fill_luck)(drawn, *map(np.uint64, (block, lane, step, 77)), *KEY)
    assert same_bits(drawn, fill_luck(np.arange(512 * block, 512 * (block + 1)), lane, step, 77))
    assert 0.0 <= drawn.min() <= drawn.max() <= 1.0


def test_the_bound_that_the_shortlist_rests_on_is_one():
    """At least the logistic as the loop rounds it, and not so loose that everyone would be on the list."""
    x = np.concatenate([np.linspace(-200, 200, 80_001), np.linspace(-2, 2, 20_001), [-np.inf, np.inf]]).astype(F)
    bound = np.array([alone(shortlist.logistic_bound)(v) for v in x], np.float32)
    eager = F(1) / (F(1) + exp32(-x))
    assert np.all(bound * shortlist.SLACK >= eager)
    tight = np.minimum(1.0, np.exp(np.clip(x.astype(float), -79, 0)))
    assert np.all(bound[x > -79] <= 1.07 * tight[x > -79])


@given(seeds, st.sampled_from(["raw", "floor", "round"]))
@often
def test_sites_and_posts_are_perceived_as_in_the_plain_version(rng, rule):
    a = surroundings(rng, rule)
    for ours, plain in zip(perceived(a), perceive(a), strict=True):
        assert same_bits(ours, plain)


@given(seeds)
@often
def test_residents_look_around_as_in_the_plain_version(rng):
    a = surroundings(rng)
    for ours, plain in zip(looked(a), look_around(a), strict=True):
        assert same_bits(ours, plain)


@given(seeds)
@often
def test_the_armed_are_mustered_as_in_the_plain_version(rng):
    a = surroundings(rng)
    ends = np.cumsum(rng.integers(1, 5, a.site_cell.size))
    site, group = np.repeat(np.arange(ends.size), np.diff(ends, prepend=0)), np.zeros(ends[-1], np.int64)
    for g in range(a.community.size):
        group[(site >= a.first_site[g]) & (site < a.last_site[g])] = g
    state, able = rng.integers(0, 3, site.size).astype(np.uint8), np.flatnonzero(rng.integers(0, 2, site.size))
    rank, share = np.ones(site.size, F), rng.uniform(size=a.community.size)
    rank[able] = rng.uniform(size=able.size)
    weight = rng.integers(1, 4, a.community.size)
    armed_at, armed_up = np.full(ends.size, -1), np.full(a.community.size, -1)
    first, last = (np.concatenate([[0], ends])[of_groups] for of_groups in (a.first_site, a.last_site))
    states = np.array([np.bincount(state[lo:hi], minlength=8) for lo, hi in zip(first, last, strict=True)])
    sites.muster(
        a.groups, first, last, a.first_site, a.last_site, states, state, able.astype(np.uint32),
        site[able].astype(np.uint32), rank[able], share, weight, armed_at, armed_up,
    )  # fmt: skip
    armed = weight[group] * ((state == MOBILISED) & (rank < share[group]))
    assert np.array_equal(armed_at, np.bincount(site, armed, ends.size))
    assert np.array_equal(armed_up, np.bincount(group, armed, a.community.size))


def surroundings(rng, rule="raw", n=30, shape=(7, 6)):
    """Draw what the residents of a few sites may see: four groups of three communities, two of them in one."""
    cells, C = shape[0] * shape[1], 3

    def some(scale, size=None):
        return float(rng.choice([0.0, 1.0])) * rng.uniform(size=size) * scale

    cuts = np.sort(rng.integers(0, n + 1, 3))
    first, last = np.array([0, *cuts]), np.array([*cuts, n])
    of_group = np.searchsorted(last, np.arange(n), side="right")
    posts = [rng.integers(0, cells, rng.integers(1, 5)) for _ in range(4)]
    last_post = np.cumsum([len(p) for p in posts])
    first_post = last_post - [len(p) for p in posts]
    up_at = rng.integers(0, 9, n) * rng.integers(0, 2, n) * int(rng.integers(0, 4) > 0)
    return SimpleNamespace(
        groups=np.arange(4), community=rng.integers(0, C, 4), first_site=first, last_site=last,
        first_post=first_post, last_post=last_post, site_cell=rng.integers(0, cells, n),
        post_of=np.array([rng.integers(first_post[g], last_post[g]) for g in of_group], np.int64),
        post_cell=np.concatenate(posts), up_at=up_at, armed_at=up_at * rng.integers(0, 2, n),
        sight=int(rng.integers(0, 4)),
        taps=rng.uniform(size=rng.integers(1, 5)).astype(F),
        armed=(rng.exponential(30, (C, *shape)) * rng.integers(0, 2, (C, *shape))).astype(F),
        hostility=rng.uniform(size=(C, C)) * rng.integers(0, 2, (C, C)), soldiers_at=rng.uniform(size=cells),
        soldiers=float(some(900)), everyone=rng.integers(0, 60, last_post[-1]), own=rng.integers(0, 40, n),
        kin=rng.integers(0, 80, n).astype(np.float64), base=some(1.0, 4), hit=some(1e-3, 4), front_danger=some(1e-3, 4),
        detain=some(1e-4, 4), threat_fire=float(some(1.0)), fire_half=float(1.0 + some(50)), imitation=float(some(2.0)),
        k_state=float(some(3.0)), opponent=float(some(2.0)), opponent_half=float(1.0 + some(60)), rule=rule,
    )  # fmt: skip


def looked(a):
    """Let the kernel look around."""
    armed, own, everyone = np.full_like(a.armed, np.nan), np.full_like(a.up_at, -1), np.full(a.post_cell.size, -1)
    sites.look_around(
        a.groups, a.community, a.first_site, a.last_site, a.first_post, a.last_post, a.site_cell, a.post_of,
        a.post_cell, a.up_at, a.armed_at, a.sight, a.taps, armed, own, everyone,
    )  # fmt: skip
    return armed, own, everyone


def perceived(a):
    """Let the kernel perceive the same."""
    by_site, by_post = np.full((2, a.site_cell.size), np.nan, F), np.full((4, a.post_cell.size), np.nan, F)
    groups, threat = np.zeros((a.community.size, tables.GROUP_COLUMNS), F), np.full(a.community.size, np.nan)
    weights = np.array([a.threat_fire, a.fire_half, a.imitation, a.k_state, a.opponent, a.opponent_half])
    sites.perceive(
        a.groups, a.community, a.first_site, a.last_site, a.first_post, a.last_post, a.site_cell, a.post_cell,
        a.armed.reshape(a.armed.shape[0], -1), a.hostility, a.soldiers_at, a.soldiers, a.everyone, a.own, a.kin, a.base,
        a.hit, a.front_danger, a.detain, weights, ("raw", "floor", "round").index(a.rule), by_site, by_post, groups,
        threat,
    )  # fmt: skip
    return by_site, by_post, groups, threat


@given(seeds, st.integers(1, 12), st.integers(1, 40), st.integers(0, 15), st.integers(1, 40))
@often
def test_what_is_in_reach_is_weighted_as_in_the_plain_version(rng, ny, nx, reach, apart):
    field = (rng.exponential(10, (ny, nx)) * (rng.integers(0, apart + 1, (ny, nx)) == 0)).astype(F)
    taps = rng.uniform(size=reach + 1).astype(F)
    out = np.full((ny, nx), np.nan, F)
    alone(raster.blur)(field, taps, out)
    assert same_bits(out, blur(field, taps))


def test_weights_by_distance_are_those_of_a_full_convolution():
    rng = np.random.default_rng(1)
    field, taps = rng.exponential(10, (9, 7)).astype(F), np.exp(-2.0 * (np.arange(5) / 4) ** 2).astype(F)
    out = np.empty_like(field)
    alone(raster.blur)(field, taps, out)
    for y, x in np.ndindex(9, 7):
        near = [(v, u) for v, u in np.ndindex(9, 7) if abs(v - y) < 5 and abs(u - x) < 5]
        exact = sum(float(field[v, u]) * float(taps[abs(v - y)]) * float(taps[abs(u - x)]) for v, u in near)
        assert out[y, x] == pytest.approx(exact, rel=1e-6)


@given(seeds, st.integers(1, 12), st.integers(1, 12), st.integers(0, 15))
@often
def test_what_is_in_sight_is_counted_exactly(rng, ny, nx, reach):
    field = rng.integers(0, 1000, (ny, nx))
    out = np.full((ny, nx), -1)
    raster.box_sum(field, reach, out)
    assert np.array_equal(out, box_sum(field, reach))


@given(seeds, st.integers(1, 20), st.integers(1, 9))
@often
def test_posts_are_the_nearest_and_the_first_of_equals(rng, n, width):
    among, cells = rng.choice(90, n, replace=False), rng.integers(0, 90, 15)
    among.sort()
    out = np.full(15, -1)
    raster.nearest(among, cells, width, out)
    (y, x), (to_y, to_x) = np.divmod(cells, width), np.divmod(among, width)
    gap = (y[:, None] - to_y) ** 2 + (x[:, None] - to_x) ** 2
    assert np.array_equal(out, among[np.argmin(gap, axis=1)])


# --- threads, and no compiler


def two_quarters():
    """Build 40,000 residents of two quarters, and an hour in which everything happens to them."""
    file = Scenario.from_toml(
        small({"neighbourhoods.east.residents": 21_000, "neighbourhoods.west.residents": 19_000})
    ).file
    city = City.of(file)
    residents = Residents(file, city, Chance(5))
    rng = np.random.default_rng(3)
    residents.state[:] = rng.integers(0, 8, residents.state.size)
    p = people(rng, 8, calm_hours=True)
    residents._count()
    table = np.abs(rng.normal(size=(tables.SITE_COLUMNS, city.site_cell.size))).astype(F)
    posts = np.abs(rng.normal(size=(tables.POST_COLUMNS, city.post_cell.size))).astype(F)
    groups = np.abs(rng.normal(size=(city.groups, tables.GROUP_COLUMNS))).astype(F)
    return residents, p.rates, table, posts, bound(groups, table, posts), np.tile([0.5, 1.0], (city.groups, 1))


def test_one_thread_and_two_give_the_same_hour():
    hours = []
    with ThreadPoolExecutor(2) as pool:
        for threads in (None, pool):
            residents, *tables = two_quarters()
            counts = [residents.hour(*tables, step, threads) for step in range(3)]
            hours.append((residents, counts))
    (one, counts), (two, counts_of_two) = hours
    for column in ("state", "lived", "where", "displaced"):
        assert same_bits(getattr(one, column), getattr(two, column))
    assert np.array_equal(one.city.states, two.city.states)
    for hour, other in zip(counts, counts_of_two, strict=True):
        assert all(np.array_equal(getattr(hour, name), getattr(other, name)) for name in vars(hour))


def everything(rng):
    """Run every kernel of this file once and return the bits."""
    p, seen = people(rng, 600), []
    for rule in ("raw", "floor", "round") * 4:
        a = surroundings(rng, rule)
        seen += [*looked(a), *perceived(a)]
    field, reached = rng.exponential(10, (6, 5)).astype(F), np.empty((6, 5), F)
    alone(raster.blur)(field, rng.uniform(size=3).astype(F), reached)
    counts, in_sight = rng.integers(0, 9, (6, 5)), np.empty((6, 5), np.int64)
    raster.box_sum(counts, 2, in_sight)
    chance = Chance(8)
    drawn = [*chance.uniforms("x", 1, np.arange(9)), chance.poisson("y", 2, 30.0), chance.binomial("z", 3, 900, 0.7)]
    arrays = (*compiled(p), *seen, reached, in_sight, np.array(drawn))
    return "".join(array.tobytes().hex() for array in arrays)


def test_without_the_compiler_the_bits_are_the_same():
    told = "import numpy as np, test_resident_kernel as t; print(t.everything(np.random.default_rng(6)))"
    paths = os.pathsep.join(sys.path)
    plain = subprocess.run(
        [sys.executable, "-c", told], env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": paths},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert plain.stdout.strip() == everything(np.random.default_rng(6))


# --- the kernel does what probability says


def alike(state, n, **said):
    """Build n residents alike in one state, under the hazards of an ordinary bad hour."""
    rates = np.zeros(tables.RATES, F)
    rates[:] = 0.3, 0.2, 0.05, 0.25, 0.4, 0.3, 0.1, 0.15, 0.12, 0.2, 0.1, 0.05, 1.0, 0.5, 1.0, 0.2
    group = np.array([0.6, 0.3, 0.2, 0.07, 0.09, 0.04, 0.11, 0.0, 0.0, 0.0], F)
    site, post = np.array([[0.1], [0.15]], F), np.array([[0.9], [0.85], [0.25], [0.13]], F)
    p = people(np.random.default_rng(1), n)
    p.state[:], p.able[:], p.hardship[:], p.aversion[:], p.ties[:], p.lived[:] = state, 1, 0.7, 0.4, 0.5, 0.01
    p.sites, p.site_ends, p.site_of_row = site, np.array([n]), np.zeros(n, np.int64)
    p.posts, p.post_of = post, np.zeros(1, np.int64)
    p.of_group, p.rates, p.step = group, rates, 17
    vars(p).update(said)
    return p


CROWD = 1_000_000


@pytest.mark.parametrize("state", range(8), ids=STATES)
@pytest.mark.parametrize("dt", [0.05, 1.0, 8.0])
def test_transitions_happen_as_often_as_their_hazards_say(state, dt):
    """p = 1 - exp(-sum h dt), h_k / sum h each: an error of 0.0023 in any of them would be seen."""
    p = alike(state, CROWD)
    p.rates[tables.STEP_H] = dt
    to = {k: float(h[0]) for k, h in may_happen(alike(state, 1))[0].items()}
    total = sum(to.values())
    then = np.bincount(compiled(p)[0], minlength=8)
    any_of_them = -math.expm1(-total * dt)
    for k in set(range(8)) - {state}:
        expected = any_of_them * to[k] / total if total else 0.0
        assert abs(then[k] / CROWD - expected) <= 4.5 * math.sqrt(expected * (1 - expected) / CROWD)
    assert then[state] == CROWD - sum(then[k] for k in range(8) if k != state)


def test_rare_deaths_are_not_rounded_away():
    """A hazard of 2e-6 an hour: 80 deaths expected in 4e7 resident-hours; half or twice as many would be seen."""
    p = alike(CALM, CROWD)
    p.rates[[tables.MOBILISE, tables.SHELTER, tables.FLEE]] = 0.0
    p.of_group[tables.ENLIST] = 0.0
    p.sites[tables.DANGER] = 2e-6 / 0.5 / 0.25
    dead = 0
    for step in range(40):
        p.step = step
        dead += int(np.count_nonzero(compiled(p)[0] == DEAD))
    assert stats.poisson.ppf(1e-6, 80) <= dead <= stats.poisson.ppf(1 - 1e-6, 80)


def test_half_a_step_twice_is_a_whole_step():
    """For the same hazards: an error of 0.0023 in the share of those still calm would be seen."""
    once, twice = alike(CALM, CROWD), alike(CALM, CROWD)
    for p, dt in ((once, 1.0), (twice, 0.5)):
        p.rates[[tables.STEP_H, tables.LIVED_HALF]] = dt, 1e9
    still = compiled(once)[0] == CALM
    first = compiled(twice)[0] == CALM
    twice.step += 1
    second = compiled(twice)[0] == CALM
    assert abs(np.mean(still) - np.mean(first & second)) < 4.5 * math.sqrt(0.5 / CROWD)


def declared():
    """Return the transitions that `TRANSITIONS` declares, as pairs of states."""
    return {
        (STATES.index(one.strip()), STATES.index(to)) for several, to, *_ in TRANSITIONS for one in several.split(",")
    }


def test_each_declared_transition_happens_and_no_other_ever_does():
    seen = set()
    for seed in range(40):
        p = people(np.random.default_rng(seed), 20_000)
        decided, _ = compiled(p)
        moved = decided != p.state
        seen |= set(zip(p.state[moved].tolist(), decided[moved].tolist(), strict=True))
    assert seen == declared()


def test_the_plain_hazards_are_those_declared():
    p = people(np.random.default_rng(6), 20_000, calm_hours=True)
    assert p.sites[tables.DANGER].any()
    to, _ = may_happen(p)
    possible = {(s, k) for k, h in to.items() for s in range(8) if np.any(h[p.state == s] > 0)}
    assert possible == declared()


def test_the_dead_stay_dead():
    for seed in range(20):
        p = people(np.random.default_rng(seed), 5000)
        p.state[:] = DEAD
        decided, lived = compiled(p)
        assert np.all(decided == DEAD)
        assert same_bits(lived, p.lived)


def test_who_is_not_able_to_fight_neither_mobilises_nor_volunteers():
    for seed in range(20):
        p = people(np.random.default_rng(seed), 5000)
        p.able[:] = 0
        p.state[p.state == MOBILISED] = CALM
        decided, _ = compiled(p)
        moved = decided != p.state
        assert not np.any(np.isin(decided[moved], [MOBILISED, AWAY]))


def test_states_are_only_read():
    p = people(np.random.default_rng(2), 5000)
    before = p.state.copy()
    compiled(p)
    assert same_bits(p.state, before)


# --- speed


PACKED = {
    (luck, "fill_luck"): {"pmuludq": 20},  # 10 rounds of two products
    (shortlist, "bound_of_state"): {"pcmpeqb": 5},  # the states but calm, mobilised and dead
    (shortlist, "live_through"): {"mulps": 8},
    (shortlist, "shortlist_able"): {"mulps": 5},
    (shortlist, "shortlist_others"): {"mulps": 1},
    (hazards, "weigh"): {"mulps": 20, "divps": 4},  # eager, heavy, leaving, x, and chance_per_hazard
}
"""Instructions of each hot loop that must stand in packed form, several residents at once."""
WORDS = ("block", "lane", "step", "decision")


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads x86 instructions")
@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="the compiler is switched off")
@pytest.mark.parametrize(("file", "loop"), PACKED, ids=[loop for _, loop in PACKED])
def test_a_hot_loop_is_no_longer_vectorised(file, loop):
    part = getattr(file, loop)
    fresh = njit(error_model="numpy", **OPTIONS)(part)
    bytes_, singles = np.zeros(1024, np.uint8), np.ones(1024, np.float32)
    by_name = dict.fromkeys(("state", "state_all", "now", "maybe", "then"), bytes_) | {
        "those": np.ones((11, 32), F), "start": 0, "first": 0, "fit": 0, "skip": 0,
        "end": 16, "last": 16, "count": 16, "m": 16, "n": 16,
    }  # fmt: skip
    wanted = list(signature(part).parameters)
    fresh(*(by_name.get(w, np.uint64(1) if len(w) < 3 or w in WORDS else singles) for w in wanted))
    (code,) = fresh.inspect_asm().values()
    for name, at_least in PACKED[file, loop].items():
        assert len(re.findall(rf"\bv?{name}\b", code)) >= at_least, name
