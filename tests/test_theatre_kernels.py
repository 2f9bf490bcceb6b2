"""The theatre's kernels against plain Python, to the last bit: fronts, stocks, resolve, channels, books."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from plain_fronts import PlainFront, recover

from sim import kernels
from sim.chance import Chance, code
from sim.fronts import Battles, ControlParameters, EngagementParameters, advance
from sim.scenario import Scenario
from sim.theatre import Theatre

TABLES = (
    "fighters", "hurt", "killed", "control", "readiness", "engaged", "firing", "slain_rate",
)  # fmt: skip
ENGAGEMENT = EngagementParameters(
    initiations_per_hour=0.2, turnover_per_hour=0.3, readiness_gain_per_hour=0.08, readiness_loss_per_hour=0.2
)
CONTROL = ControlParameters()


def theatres() -> list[Theatre]:
    """Return theatres on which much happens at once: two of two fronts and one of seven."""
    rng, found = np.random.default_rng(7), []
    for name in ("three-rivers", "tripoli-2012", "qusayr-2013"):
        theatre = Theatre.of(Scenario.load(name).file)
        theatre.assault[theatre.fronts] = rng.choice([0.0, 0.0, 0.6, 2.0], theatre.assault[theatre.fronts].shape)
        theatre.effect[:] = rng.uniform(0.2, 1.0, theatre.effect.shape)
        theatre.volunteers[theatre.fronts] = rng.integers(0, 40, theatre.assault[theatre.fronts].shape)
        theatre.fighters[theatre.fronts] //= 8
        theatre.firepower *= 20.0
        theatre.cover[:] = rng.uniform(1.0, 3.0, theatre.cover.shape)
        theatre.calm[:] = rng.uniform(0.5, 1.0, theatre.calm.shape)
        found.append(theatre)
    return found


@pytest.mark.parametrize("fast", theatres(), ids=lambda theatre: f"{theatre.fronts.size} fronts")
def test_an_hour_at_all_fronts_departs_from_plain_hours_at_each(fast: Theatre) -> None:
    slow, chance = copy.deepcopy(fast), Chance(11)
    battles = Battles(fast, chance)
    plain = [PlainFront(slow, int(place), chance) for place in slow.fronts]
    killed, paused = 0, set[int]()
    for step in range(40):
        for theatre in (fast, slow):
            theatre.fighters[theatre.fronts[0]] += 700 * (step == 20)  # more than there is room for
        losses = battles.fight(fast, ENGAGEMENT, chance, step, 0.5)
        before = fast.control.copy()
        ground = advance(fast, CONTROL, 0.5)
        battles.settle(fast, losses, ENGAGEMENT, chance, step, 0.5)
        rows: list[tuple[int, ...]] = []
        for front in plain:
            fought, dead, hurt = front.fight(ENGAGEMENT, step, 0.5)
            front.advance(CONTROL, 0.5)
            front.settle(dead, hurt, ENGAGEMENT, step, 0.5)
            rows += fought
        recover(slow, ENGAGEMENT, chance, step, 0.5)
        assert losses.by.tolist() == [list(row) for row in rows]
        assert np.array_equal(ground, ground_of_sides(fast, fast.control - before))
        for table in TABLES:
            assert np.array_equal(getattr(fast, table), getattr(slow, table)), f"{table} in step {step}"
        for n, front in enumerate(plain):
            assert [battles.groups.of(n, f).tolist() for f in front.factions] == front.sizes, f"step {step}"
            assert (
                fast.pausing[front.place].tolist() == front.pausing
                and fast.pressed[front.place].tolist() == front.pressed
            )
        killed += int(losses.killed.sum())
        paused.add(int(fast.pausing.sum()))
    assert killed > 10 and len(paused) > 1, "nothing happened"


def ground_of_sides(theatre: Theatre, change: np.ndarray) -> np.ndarray:
    """Add up the change of ground (P, F) over each faction's side, one after the other."""
    ground = np.zeros_like(change)
    for f, g in np.ndindex(theatre.coalition.shape):
        ground[:, f] += change[:, g] if theatre.coalition[f, g] else 0.0
    return ground


def dice(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


PLACES, FACTIONS, COMMUNITIES, GROUPS = 5, 3, 4, 6
PLACE, COMMUNITY = np.array([0, 0, 1, 2, 4, 4]), np.array([0, 3, 1, 2, 2, 0])
EACH = range(GROUPS)


def some(*shape: int, seed: int = 1) -> np.ndarray:
    """Return numbers of which about a third are zero."""
    r = dice(seed)
    return r.uniform(0.0, 50.0, shape) * (r.random(shape) < 0.67)


def people(*shape: int, seed: int = 1) -> np.ndarray:
    return some(*shape, seed=seed).astype(np.int64)


def test_stocks_fall_or_work_otherwise_than_plainly() -> None:
    fighters, volunteers = people(PLACES, FACTIONS), people(PLACES, FACTIONS, seed=2)
    contact, engaged = np.array([0.2, 0.0, 0.9]), some(PLACES, FACTIONS, seed=3)
    stock = some(PLACES, FACTIONS, seed=4) / 500
    before, spent, effect = stock.copy(), np.empty_like(stock), np.empty_like(stock)
    kernels.theatre.use_stock(fighters, volunteers, contact, engaged, 0.1, 0.005, 1 / 24, stock, spent)
    kernels.theatre.note_effect(fighters, volunteers, stock, 0.005, 0.9, 1.5, effect)
    for p, f in np.ndindex(stock.shape):
        present = int(fighters[p, f] + volunteers[p, f])
        busy = engaged[p, f] / (present * contact[f]) if present * contact[f] > 0 else 0.0
        use = min(present * max(0.1, busy) * 0.005 * (1 / 24), before[p, f])
        assert spent[p, f] == use
        assert stock[p, f] == before[p, f] - use
        days = stock[p, f] / (present * 0.005) if present else 0.0
        assert effect[p, f] == 0.9 * days / (days + 1.5)


def test_resolve_moves_otherwise_than_plainly() -> None:
    fighters, volunteers = people(PLACES, FACTIONS), people(PLACES, FACTIONS, seed=2)
    killed, ground = people(PLACES, FACTIONS, seed=3) // 10, some(PLACES, FACTIONS, seed=4) / 50 - 0.3
    hopes, start = np.array([0.0, 0.05, -0.9]), np.array([0.8, 0.5, 1.0])
    resolve = dice().random((PLACES, FACTIONS))
    before = resolve.copy()
    kernels.theatre.feel(fighters, volunteers, killed, ground, hopes, start, 2.0, 0.35, 1 / 720, resolve)
    for p, f in np.ndindex(resolve.shape):
        then = min(1.0, max(0.0, before[p, f] + hopes[f]))
        lost = -2.0 * killed[p, f] / max(1, fighters[p, f] + volunteers[p, f] + killed[p, f])
        lost += 0.35 * min(0.0, ground[p, f])
        assert resolve[p, f] == min(1.0, max(0.0, then + lost + (start[f] - then) * (1 / 720)))


def test_provocations_are_drawn_otherwise_than_one_by_one() -> None:
    chance, lane, number = Chance(5), np.array([3, 1, 2**32 - 1, 77]), np.empty(4, np.int64)
    total = kernels.theatre.happen(0.8, lane, 9, code("provocation"), *chance.key, number)
    assert number.tolist() == [chance.poisson("provocation", 9, 0.8, group=int(g)) for g in lane]
    assert total == number.sum() > 0


def test_soldiers_have_others_in_reach_than_those_of_a_plain_mean() -> None:
    armed, posts = some(COMMUNITIES, 4, 3).astype(np.float32), some(4, 3, seed=2)
    mean = sum(posts[y, x] * float(armed[c, y, x]) for y in range(4) for x in range(3) for c in range(COMMUNITIES))
    assert kernels.theatre.mean_at_posts(armed, posts) == pytest.approx(mean / posts.sum(), rel=1e-14)
    assert kernels.theatre.mean_at_posts(armed, 0 * posts) == 0.0


def test_a_siege_is_another_than_the_ground_that_assailants_hold() -> None:
    r = dice()
    assault, control = some(PLACES, FACTIONS), r.dirichlet(np.ones(FACTIONS), PLACES)
    enemy, side = r.random((FACTIONS, FACTIONS)) < 0.5, (r.random((FACTIONS, FACTIONS)) < 0.5) | np.eye(3, dtype=bool)
    siege = np.empty_like(control)
    kernels.theatre.besiege(assault, enemy, control, side, siege)
    for p, f in np.ndindex(siege.shape):
        assailed = any(assault[p, g] > 0 and enemy[g, f] for g in range(FACTIONS))
        held = 0.0
        for g in range(FACTIONS):
            held += control[p, g] if side[f, g] else 0.0
        assert siege[p, f] == (1.0 - min(1.0, held) if assailed else 0.0)
    assert 0 < (siege == 0).sum() < siege.size, "the test has no power"


def test_the_displaced_live_elsewhere_than_by_the_share_of_people() -> None:
    displaced, town, settled = people(PLACES), np.array([200.0, 0.0, 3.0, 90.0, 7.0]), np.empty(GROUPS)
    there, arrived = people(GROUPS, seed=2), people(GROUPS, seed=3)
    kernels.theatre.settle(displaced, town, PLACE, there, arrived, settled)
    for g in EACH:
        share = min(1.0, there[g] / town[PLACE[g]]) if town[PLACE[g]] > 0 else 0.0
        assert settled[g] == displaced[PLACE[g]] * share + arrived[g]


def test_volunteers_are_at_another_front_than_their_own() -> None:
    table, found = some(PLACES, FACTIONS), np.empty(3)
    kernels.theatre.pick(table, np.array([4, -1, 0]), np.array([1, 2, 0]), found)
    assert found.tolist() == [table[4, 1], 0.0, table[0, 0]]


# --- channels -------------------------------------------------------------------------------------------


def test_kin_feel_another_toll_than_the_sum_of_their_ties() -> None:
    toll, beyond, own = some(PLACES, COMMUNITIES), some(PLACES, COMMUNITIES, seed=2) - 5, some(GROUPS, PLACES, seed=3)
    kindred, ties, left, x = (
        some(COMMUNITIES, COMMUNITIES, seed=4) / 50, some(GROUPS, PLACES, seed=5) / 50,
        some(PLACES, COMMUNITIES, seed=6) / 50, np.empty(GROUPS),
    )  # fmt: skip
    kernels.channels.kin(toll, beyond, own, kindred, ties, left, PLACE, COMMUNITY, 25.0, x)
    for g in EACH:
        total, c = 0.0, COMMUNITY[g]
        for p in range(PLACES):
            if p != PLACE[g]:
                others = sum((toll[p, d] * kindred[c, d] for d in range(COMMUNITIES)), 0.0)
                total += ties[g, p] * left[p, c] * (others + max(0.0, beyond[p, c] - own[g, p]))
        assert x[g] == total / (total + 25.0)


def test_other_channels_carry_another_sum() -> None:
    others, near, felt = some(PLACES, COMMUNITIES), some(PLACES, PLACES, seed=2), np.empty((GROUPS, PLACES))
    kernels.channels.proximity(others, near, PLACE, COMMUNITY, felt)
    for g, p in np.ndindex(felt.shape):
        assert felt[g, p] == (near[PLACE[g], p] * others[p, COMMUNITY[g]] if p != PLACE[g] else 0.0)
    engaged, outside, hostile = some(PLACES, FACTIONS), np.array([True, False, True]), some(FACTIONS, COMMUNITIES)
    x = np.empty(GROUPS)
    kernels.channels.alliance(engaged, outside, hostile, COMMUNITY, 300.0, x)
    for g in EACH:
        abroad = sum((sum(engaged[:, f]) * hostile[f, COMMUNITY[g]] for f in (0, 2)), 0.0)
        assert x[g] == abroad / (abroad + 300.0)
    own, away, siege = some(GROUPS, PLACES), people(GROUPS), some(PLACES, FACTIONS, seed=2)
    at, of = np.array([-1, 0, 2, 4, 3, 1]), np.array([-1, 0, 1, 2, 0, 1])
    kernels.channels.fighters(own, away, siege, at, of, 0.08, 8.0, x)
    for g in EACH:
        trapped = 0.08 * siege[at[g], of[g]] * away[g] if at[g] >= 0 else 0.0
        hurt = sum(own[g]) + trapped
        assert x[g] == hurt / (hurt + 8.0)
    through, ours, able = some(PLACES, FACTIONS), some(FACTIONS, COMMUNITIES, seed=2), some(GROUPS, seed=3)
    able[2] = 0.4  # alone in its place
    kernels.channels.arms(through, ours, able, PLACE, COMMUNITY, 1.5, 0.5, x)
    for g in EACH:
        everyone = sum(able[h] for h in EACH if PLACE[h] == PLACE[g])
        passing = sum((through[PLACE[g], f] * ours[f, COMMUNITY[g]] for f in range(FACTIONS)), 0.0)
        assert x[g] == (1.5 * passing * 0.5 / 24.0 / everyone if everyone >= 0.5 else 0.0)


# --- books ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [[0.5, 0.3, 0.2], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [3.0, 3.0, 1.0]])
def test_the_dead_go_to_others_than_the_most_owed(weights: list[float]) -> None:
    share, given, to = np.array(weights), np.array([2, 0, 1]), np.array([10, 10, 10])
    expected, plain = given.copy(), to.copy()
    kernels.books.assign(17, share, given, to)
    for _ in range(17 if share.sum() > 0 else 0):
        c = int(np.argmax(share / share.sum() * (expected.sum() + 1) - expected))
        expected[c] += 1
        plain[c] += 1
    assert given.tolist() == expected.tolist()
    assert to.tolist() == plain.tolist()


def test_fighters_hurt_are_not_counted_with_their_faction_and_its_communities() -> None:
    killed, wounded = people(PLACES, FACTIONS, seed=3) // 8, people(PLACES, FACTIONS, seed=4) // 8
    share = np.array([[0.5, 0.3, 0.2, 0.0], [0.0, 0.0, 0.0, 0.0], [0.1, 0.1, 0.4, 0.4]])
    assigned = people(PLACES, FACTIONS, COMMUNITIES, seed=5) // 20
    of_faction, of_place = [people(PLACES, FACTIONS, seed=s) for s in (6, 7)], people(2, PLACES, COMMUNITIES, seed=8)
    by_faction, by_place, given = copy.deepcopy(of_faction), of_place.copy(), assigned.copy()
    kernels.books.count_fighters(killed, wounded, share, assigned, *of_faction, *of_place)
    for p, f in np.ndindex(killed.shape):
        kernels.books.assign(killed[p, f], share[f], given[p, f], by_place[0, p])
        kernels.books.assign(wounded[p, f], share[f], given[p, f].copy(), by_place[1, p])
    assert killed.any() and wounded.any()
    assert [t.tolist() for t in of_faction] == [(by_faction[0] + killed).tolist(), (by_faction[1] + wounded).tolist()]
    assert of_place.tolist() == by_place.tolist()
    assert assigned.tolist() == given.tolist()


def test_an_hour_is_remembered_otherwise_than_plainly() -> None:
    killed, wounded, own_k, own_w = (people(GROUPS, seed=s) for s in range(4))
    at_k, at_w = people(PLACES, COMMUNITIES, seed=5), people(PLACES, COMMUNITIES, seed=6)
    force_at, force_k, force_w = np.array([1, 1]), np.array([2, 0]), np.array([1, 5])
    away = np.array([-1, 0, 2, 4, 3, 1])
    old: dict[str, Any] = {
        "own": some(GROUPS), "volunteers": some(GROUPS, PLACES), "toll": some(PLACES, COMMUNITIES),
        "usual": some(PLACES, COMMUNITIES, seed=2), "hits": some(PLACES),
    }  # fmt: skip
    new = copy.deepcopy(old)
    kernels.books.remember(
        0.9, 0.99, 0.15, 0.5, killed, wounded, own_k, own_w, at_k, at_w, force_at, force_k, force_w,
        PLACE, COMMUNITY, away, *new.values(),
    )  # fmt: skip
    toll, hits = old["toll"] * 0.9 + at_k + 0.15 * at_w, old["hits"] * 0.5
    for g in EACH:
        felt = killed[g] + 0.15 * wounded[g]
        assert new["own"][g] == old["own"][g] * 0.9 + felt
        toll[PLACE[g], COMMUNITY[g]] += felt
        hits[PLACE[g]] += killed[g] + wounded[g]
        there = old["volunteers"][g] * 0.9
        if away[g] >= 0:
            there[away[g]] += own_k[g] + 0.15 * own_w[g]
        assert new["volunteers"][g].tolist() == there.tolist()
    hits[1] += 2 + 1
    hits[1] += 0 + 5
    assert new["toll"].tolist() == toll.tolist()
    assert new["hits"].tolist() == hits.tolist()
    assert new["usual"].tolist() == (old["usual"] + (toll - old["usual"]) * (1.0 - 0.99)).tolist()


def test_the_row_of_measures_is_not_the_columns_one_after_the_other() -> None:
    groups: list[np.ndarray] = [people(GROUPS, seed=s) for s in range(2)]
    states, rest, alarms = people(GROUPS, 8), [some(GROUPS, seed=s) for s in range(4)], some(5, GROUPS)
    row = np.full(400, np.nan)
    at = kernels.books.put_groups(row, *groups, states, *rest, alarms)
    expected = np.concatenate([*groups, states.T.ravel(), *rest, alarms.ravel()])
    assert row[:at].tolist() == expected.tolist()
    shown, fronts, held = np.array([0, 2, 4]), np.array([1, 2]), np.array([3])
    by: Callable[[int], np.ndarray] = lambda seed: people(PLACES, FACTIONS, seed=seed)  # noqa: E731
    dead, hurt = people(PLACES, COMMUNITIES), people(PLACES, COMMUNITIES, seed=2)
    state = [by(1), by(2), *(some(PLACES, FACTIONS, seed=s) for s in range(4))]
    slain, maimed, control = by(3), by(4), some(PLACES, FACTIONS, seed=9)
    firing, displaced, stray = some(PLACES), people(PLACES), people(PLACES, seed=2)
    end = kernels.books.put_places(
        row, at, shown, fronts, held, dead, hurt, *state, slain, maimed, control, firing, displaced, stray
    )
    expected = np.concatenate([
        dead[shown].ravel(), hurt[shown].ravel(), *(table[fronts].ravel() for table in state),
        slain[shown].ravel(), maimed[shown].ravel(), control[held].ravel(), firing[fronts], displaced[shown],
        stray[shown],
    ])  # fmt: skip
    assert row[at:end].tolist() == expected.tolist()
    assert np.isnan(row[end:]).all()
