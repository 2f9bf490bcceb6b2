"""A security force comes late, stands between, and leaves when it has been quiet."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import small
from test_resident_kernel import perceived, surroundings

from sim.chance import Chance
from sim.kernels import tables
from sim.model import SpilloverModel
from sim.neighbourhoods import City
from sim.residents import MOBILISED
from sim.scenario import Scenario
from sim.security import Force, SecurityParameters, armed_in_reach_of_posts, buffer

P = SecurityParameters()
LOUD, MURMUR, QUIET = P.threshold_hits_per_day, 0.5 * (P.threshold_hits_per_day + P.quiet_hits_per_day), 0.0
STANDING, RESERVE = 100, 400


def force(**said):
    """Build a force at its standing strength."""
    given = {"lag_h": 24.0, "needs_approval": False, "soldiers": float(STANDING), "ordered": float(STANDING)}
    return Force(id="army", place=0, lane=5, standing=STANDING, reserve=RESERVE, **given | said)


def hear(army, violence, hour=0, step_h=1.0):
    """Let a force hear of one level of violence an hour; return what was ordered each hour."""
    orders = []
    for k, hits in enumerate(violence):
        army.respond(hits, hour + k * step_h, P, step_h)
        orders.append(army.ordered)
    return orders


def test_below_the_threshold_nobody_is_called():
    assert set(hear(force(), [np.nextafter(LOUD, 0.0)] * 500)) == {STANDING}


@pytest.mark.parametrize("lag_h", [0.0, 1.0, 24.0, 36.5])
def test_a_force_comes_with_its_lag_and_no_sooner(lag_h):
    orders = hear(force(lag_h=lag_h), [QUIET] * 10 + [LOUD] * 80)
    called = math.ceil(10 + lag_h)
    assert set(orders[:called]) == {STANDING}
    assert set(orders[called:]) == {STANDING + RESERVE}


def test_a_second_outburst_does_not_put_the_first_call_off():
    orders = hear(force(), [LOUD] + [MURMUR] * 10 + [LOUD] * 20)
    assert orders.index(STANDING + RESERVE) == 24


def test_a_force_that_needs_approval_waits_until_the_violence_is_half_its_peak():
    peak = 4 * LOUD
    falling = [peak] * 40 + [0.6 * peak] * 40 + [0.49 * peak] * 3
    orders = hear(force(needs_approval=True), falling)
    assert orders.index(STANDING + RESERVE) == 80
    assert hear(force(), falling).index(STANDING + RESERVE) == 24


def test_a_force_withdraws_when_it_has_been_quiet_for_long_enough_and_not_sooner():
    quiet = int(P.withdraw_after_h)
    orders = hear(force(), [LOUD] * 30 + [QUIET] * (quiet - 1) + [MURMUR] + [QUIET] * quiet + [QUIET])
    assert orders[30 + 2 * quiet - 2] == STANDING + RESERVE
    assert orders[30 + 2 * quiet - 1] == STANDING


def test_after_withdrawal_a_new_outburst_calls_it_again_with_its_lag():
    quiet = int(P.withdraw_after_h)
    army = force()
    hear(army, [LOUD] * 30 + [QUIET] * quiet)
    orders = hear(army, [LOUD] * 30, hour=1000)
    assert orders.index(STANDING + RESERVE) == 24


def test_quiet_time_is_counted_in_hours_whatever_the_step():
    for step_h in (0.25, 1.0, 6.0):
        army = force(ordered=900.0)
        orders = hear(army, [QUIET] * 600, step_h=step_h)
        assert orders.index(STANDING) == math.ceil(P.withdraw_after_h / step_h) - 1


def test_a_scheduled_order_holds_until_the_next_whatever_happens():
    """An order to 50 was taken for a call that is due, and became full strength within the hour."""
    army = force()
    army.order(50)
    assert hear(army, [MURMUR] * 200 + [LOUD] * 100 + [0.0] * 200) == [50.0] * 500
    army.order(70)
    assert hear(army, [LOUD] * 50) == [70.0] * 50


def test_strength_closes_the_gap_at_the_rate_asked_whatever_the_step():
    for steps in (1, 4, 40):
        army = force(ordered=1000.0)
        for _ in range(steps):
            army.deploy(P, 10.0 / steps)
        expected = 1000.0 + (STANDING - 1000.0) * math.exp(-P.deploy_per_hour * 10.0)
        assert army.soldiers == pytest.approx(expected)


def test_deployment_goes_both_ways_and_never_beyond_the_order():
    army = force(soldiers=1000.0)
    seen = []
    for _ in range(400):
        army.deploy(P, 1.0)
        seen.append(army.soldiers)
    assert seen == sorted(seen, reverse=True)
    assert army.soldiers == pytest.approx(STANDING)
    assert min(seen) >= STANDING


# --- being shot at


@given(
    st.integers(0, 2**32), st.floats(0, 2000), st.floats(0, 1), st.floats(0, 1), st.integers(0, 9000),
    st.floats(0, 3000),
)  # fmt: skip
@settings(max_examples=200)
def test_soldiers_hit_are_killed_or_wounded_and_are_missing_afterwards(seed, reach, hit, lethality, step, soldiers):
    army = force(soldiers=soldiers)
    dead, hurt = army.come_under_fire(reach, hit, lethality, P, Chance(seed), step, 1.0)
    assert dead >= 0
    assert hurt >= 0
    assert army.soldiers == soldiers - (dead + hurt) >= 0
    assert (army.killed, army.wounded) == (dead, hurt)


def test_soldiers_are_hit_as_often_as_the_hazard_says():
    """1,000 soldiers, 200 armed in reach, over 20,000 hours: an error of 3 % in the hits would be seen."""
    reach, hit, lethality, chance = 200.0, 5e-4, 0.15, Chance(3)
    dead = hurt = 0
    for step in range(20_000):
        d, w = force(soldiers=1000.0).come_under_fire(reach, hit, lethality, P, chance, step, 1.0)
        dead, hurt = dead + d, hurt + w
    expected = 20_000 * hit * reach * P.exposure * 1000.0
    assert abs(dead + hurt - expected) < 4.5 * math.sqrt(expected)
    assert abs(dead - lethality * expected) < 4.5 * math.sqrt(lethality * expected)


def test_out_of_reach_or_absent_soldiers_are_not_hit():
    for soldiers, reach in ((1000.0, 0.0), (0.0, 1000.0)):
        assert force(soldiers=soldiers).come_under_fire(reach, 1e-3, 0.5, P, Chance(1), 0, 1.0) == (0, 0)


def test_soldiers_and_their_dead_add_up_over_a_run():
    """Whoever has left the force, other than by order, is dead or wounded; the record says the same."""
    model = SpilloverModel(
        Scenario.from_toml(
            small(
                {
                    "neighbourhoods.east.residents": 2000, "neighbourhoods.west.residents": 2000,
                    "neighbourhoods.east.armed.red": 400.0, "neighbourhoods.west.armed.green": 400.0,
                    "mobilisation.threshold": 0.2, "security.exposure": 1.0, "security_forces.army.lag_h": 0.0,
                    "security_forces.army.reserve": 500,
                }
            )
        ),
        seed=2,
    )  # fmt: skip
    (army,) = model.forces
    strength = army.standing + army.reserve
    for _ in range(48):
        before, lost, dead = army.soldiers, army.killed + army.wounded, army.killed
        model.step()
        ordered = army.ordered + (army.killed - dead)  # as it was before the dead were taken off it
        moved = before + (ordered - before) * -math.expm1(-P.deploy_per_hour)
        assert army.soldiers == pytest.approx(moved - (army.killed + army.wounded - lost))
        assert army.standing + army.reserve + army.killed == strength
        assert model.city.soldiers.sum() == army.soldiers
    assert army.killed > 0
    assert army.wounded > 0


# --- what soldiers do where they stand


def test_the_buffer_halves_fire_at_its_half_and_never_raises_it():
    soldiers = np.array([0.0, P.buffer_half, 3 * P.buffer_half])
    assert buffer(soldiers, P).tolist() == [1.0, 0.5, 0.25]
    many = buffer(np.linspace(0, 1e5, 1000), P)
    assert np.all(np.diff(many) < 0)
    assert many.min() > 0


def test_people_are_detained_only_with_soldiers_in_sight_of_their_post():
    a = surroundings(np.random.default_rng(1))
    a.detain[:], a.soldiers_at[:] = 0.01, 0.0
    a.soldiers_at[a.post_cell[1]] = 0.5
    for a.soldiers in (0.0, 200.0):
        detained = perceived(a)[1][tables.DETAIN]
        assert np.allclose(detained, np.where(a.post_cell == a.post_cell[1], 0.01 * 0.5 * a.soldiers, 0.0))


def test_soldiers_stand_along_the_line_and_no_more_than_all_are_in_sight():
    city = City.of(Scenario.from_toml(small({"security.posted_width_m": 10.0, "mobilisation.sight_m": 20.0})).file)
    (ground,) = city.grounds
    assert 0.0 <= ground.posts.min() <= ground.posts.max() <= 1.0
    ny, nx = ground.raster.shape
    west_to_east = ground.posts.sum(axis=0)
    x = ground.raster.centres()[0][0]
    line = 9.2  # metres east of the harbour's centre: 0.0001 degrees
    assert abs(x[np.argmax(west_to_east)] - line) <= 20.0 + ground.raster.cell_m
    assert not west_to_east[np.abs(x - line) > 30.0 + 2 * ground.raster.cell_m].any()
    assert (ny, nx) == ground.posts.shape


def test_who_is_in_reach_of_soldiers_are_the_armed_near_their_posts():
    model = SpilloverModel(Scenario.from_toml(small({"neighbourhoods.east.armed.red": 40.0})), seed=1)
    assert armed_in_reach_of_posts(model.city, 1) == 0.0
    assert armed_in_reach_of_posts(model.city, 0) == 0.0  # no raster there
    r = model.residents
    r.state[(r.group == 0) & (r.able == 1)] = MOBILISED
    r._count()
    model.step()
    assert 0.0 < armed_in_reach_of_posts(model.city, 1) <= model.city.armed_up.sum()
