"""Supplies on roads whose answer is known, and conservation on roads drawn at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from sim.corridors import (
    Access,
    Network,
    SupplyParameters,
    demand_t_day,
    effectiveness,
    passable,
    route,
    stock_days,
    strategic_stake,
    strategic_value,
)

PARAMETERS = SupplyParameters()
ALONE = np.eye(2, dtype=bool)  # two factions without friends
ENEMIES = ~ALONE
often = settings(max_examples=40)


def roads(places, *rows):
    """Build a network from (a, b, capacity) rows, each with optional delay and risk."""
    full = [(*row, *(1.0, 0.0)[len(row) - 3 :]) for row in rows]
    a, b, capacity, delay, risk = (np.array(column) for column in zip(*full, strict=True))
    return Network(places, tuple(f"r{k}" for k in range(len(rows))), a, b, capacity * 1.0, delay, risk)


def table(places, factions, **entries):
    """Build a [P, F] table from entries such as p0f1=2.5."""
    t = np.zeros((places, factions))
    for where, amount in entries.items():
        p, f = where[1:].split("f")
        t[int(p), int(f)] = amount
    return t


def everywhere(network, factions=1):
    """Let every faction use everything."""
    return Access(np.ones((network.places, factions)), np.ones((len(network.corridor_ids), factions)))


def none_closed(network):
    return np.zeros(len(network.corridor_ids), bool)


@st.composite
def theatres(draw, places=6, factions=3):
    """Draw roads, holds, coalitions, depots and demands."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    corridors = draw(st.integers(1, 10))
    a = rng.integers(0, places, corridors)
    b = (a + rng.integers(1, places, corridors)) % places
    network = Network(
        places, tuple(f"r{k}" for k in range(corridors)), a, b,
        capacity_t_day=rng.integers(0, 500, corridors) / 100, delay_h=rng.integers(0, 5, corridors) * 1.0,
        risk=rng.choice([0, 0.1, 0.5], corridors),
    )  # fmt: skip
    control = rng.dirichlet(np.full(factions, 0.4), places)
    friends = np.eye(factions, dtype=bool)
    friends[0, 1], friends[1, 0] = draw(st.booleans()), draw(st.booleans())
    source = rng.integers(0, 500, (places, factions)) / 100 * (rng.random((places, factions)) < 0.5)
    demand = rng.integers(0, 500, (places, factions)) / 100 * (rng.random((places, factions)) < 0.5)
    neutral = rng.random(places) < 0.4
    closed = rng.random(corridors) < 0.15
    return (
        network,
        control,
        friends,
        neutral,
        closed,
        source,
        demand,
        tuple(rng.permutation(factions).tolist()),
    )


# --- who may pass


def test_a_road_is_as_open_as_the_worse_held_of_its_ends():
    network = roads(3, (0, 1, 10), (1, 2, 10))
    control = np.array([[1.0, 0.0], [0.6, 0.4], [0.05, 0.95]])
    access = passable(network, control, np.eye(2, dtype=bool), np.zeros(3, bool), none_closed(network), PARAMETERS)
    assert access.corridor.tolist() == [[0.6, 0.0], [0.0, 0.4]]
    assert access.place.tolist() == [[1.0, 0.0], [0.6, 0.4], [0.0, 0.95]]


def test_an_allys_hold_opens_a_road_but_only_one_way_round_if_so_declared():
    network = roads(2, (0, 1, 10))
    control = np.array([[1.0, 0.0], [0.0, 1.0]])
    counts = np.array([[True, True], [False, True]])  # the second faction's hold counts for the first
    access = passable(network, control, counts, np.zeros(2, bool), none_closed(network), PARAMETERS)
    assert access.corridor.tolist() == [[1.0, 0.0]]


def test_a_place_nobody_controls_is_open_to_all():
    network = roads(2, (0, 1, 10))
    access = passable(network, np.zeros((2, 2)), ALONE, np.ones(2, bool), none_closed(network), PARAMETERS)
    assert (access.corridor == 1).all()


def test_a_sealed_corridor_carries_nothing_for_those_it_is_sealed_to():
    network = roads(2, (0, 1, 10), (0, 1, 10))
    open_to_all = (np.zeros((2, 2)), ALONE, np.ones(2, bool))
    to_all = passable(network, *open_to_all, np.array([True, False]), PARAMETERS)
    to_one = passable(network, *open_to_all, np.array([[True, False], [False, False]]), PARAMETERS)
    assert to_all.corridor.tolist() == [[0, 0], [1, 1]]
    assert to_one.corridor.tolist() == [[0, 1], [1, 1]]


# --- routing


def test_a_delivery_takes_the_quick_road_then_the_slow_one():
    network = roads(2, (0, 1, 3, 2.0), (1, 0, 5, 9.0))
    routing = route(network, everywhere(network), table(2, 1, p0f0=10), table(2, 1, p1f0=7), [0], PARAMETERS)
    assert routing.flow_t.ravel() == pytest.approx([3, -4])
    assert routing.delivered_t[1, 0] == pytest.approx(7)
    assert sorted(zip(routing.parcels.delay_h, routing.parcels.units, strict=True)) == [
        (2.0, 300),
        (9.0, 400),
    ]


def test_a_risky_road_is_left_for_a_detour_by_the_weight_of_interdiction():
    network = roads(2, (0, 1, 5, 1.0, 0.5), (0, 1, 5, 10.0))  # -log(0.5) weighs 0.69 of it: 13 h past 24 h
    day = network, everywhere(network), table(2, 1, p0f0=1), table(2, 1, p1f0=1), [0]
    careful = route(*day, PARAMETERS)
    careless = route(*day, SupplyParameters(interdiction_weight_h=10.0))
    assert careful.flow_t.ravel() == pytest.approx([0, 1])
    assert careless.flow_t.ravel() == pytest.approx([1, 0])


def test_what_is_lost_on_the_way_is_what_the_risks_of_the_path_take():
    network = roads(3, (0, 1, 5, 2.0, 0.1), (1, 2, 5, 3.0, 0.5))
    routing = route(network, everywhere(network), table(3, 1, p0f0=4), table(3, 1, p2f0=4), [0], PARAMETERS)
    assert routing.sent_t[0, 0] == pytest.approx(4)
    assert routing.delivered_t[2, 0] == pytest.approx(4 * 0.9 * 0.5)
    assert routing.lost_t[2, 0] == pytest.approx(4 * 0.55)
    assert routing.parcels.delay_h.tolist() == [5.0]


def test_those_later_in_the_order_get_what_is_left_of_a_road_in_either_direction():
    network = roads(2, (0, 1, 5))
    source, demand = table(2, 2, p0f0=4, p1f1=4), table(2, 2, p1f0=4, p0f1=4)
    first = route(network, everywhere(network, 2), source, demand, [0, 1], PARAMETERS)
    second = route(network, everywhere(network, 2), source, demand, [1, 0], PARAMETERS)
    assert first.flow_t == pytest.approx(np.array([[4, -1]]))
    assert second.flow_t == pytest.approx(np.array([[1, -4]]))


def test_a_contested_end_narrows_the_road():
    network = roads(2, (0, 1, 5))
    narrow = Access(np.ones((2, 1)), np.full((1, 1), 0.3))
    routing = route(network, narrow, table(2, 1, p0f0=9), table(2, 1, p1f0=9), [0], PARAMETERS)
    assert routing.delivered_t.sum() == pytest.approx(1.5)


def test_a_hostile_place_neither_receives_nor_lets_pass_nor_uses_its_own_depot():
    network = roads(3, (0, 1, 9), (1, 2, 9))
    control = np.array([[1.0, 0.0], [0.05, 0.95], [1.0, 0.0]])
    access = passable(network, control, np.eye(2, dtype=bool), np.zeros(3, bool), none_closed(network), PARAMETERS)
    routing = route(network, access, table(3, 2, p0f0=9, p1f0=1), table(3, 2, p1f0=2, p2f0=2), [0, 1], PARAMETERS)
    assert not routing.delivered_t.any()


def test_a_depot_serves_the_place_it_stands_in_without_a_road():
    network = roads(3, (1, 2, 9))
    routing = route(network, everywhere(network), table(3, 1, p0f0=np.inf), table(3, 1, p0f0=2), [0], PARAMETERS)
    assert routing.delivered_t.ravel() == pytest.approx([2, 0, 0])
    assert routing.parcels.delay_h.tolist() == [0.0]


def test_the_cut_names_the_bottleneck_and_nothing_where_demand_is_met():
    network = roads(4, (0, 1, 9), (1, 2, 2), (1, 2, 1), (2, 3, 9))
    depot, front = table(4, 1, p0f0=9), table(4, 1, p3f0=8)
    short = route(network, everywhere(network), depot, front, [0], PARAMETERS)
    met = route(network, everywhere(network), depot, table(4, 1, p3f0=2), [0], PARAMETERS)
    assert short.cuts == ((1, 2),)
    assert met.cuts == ((),)
    without = replace(network, capacity_t_day=np.array([9.0, 0.0, 0.0, 9.0]))
    assert not route(without, everywhere(network), depot, table(4, 1, p3f0=8), [0], PARAMETERS).delivered_t.any()


@often
@given(theatres())
def test_nothing_is_made_or_lost_but_what_is_booked_as_lost(theatre):
    network, control, friends, neutral, closed, source, demand, order = theatre
    access = passable(network, control, friends, neutral, closed, PARAMETERS)
    routing = route(network, access, source, demand, order, PARAMETERS)
    assert routing.sent_t.sum(axis=0) == pytest.approx((routing.delivered_t + routing.lost_t).sum(axis=0))
    assert (routing.sent_t <= source + 1e-9).all()
    assert (routing.delivered_t + routing.lost_t <= demand + 1e-9).all()
    assert (np.abs(routing.flow_t).sum(axis=1) <= network.capacity_t_day + 1e-9).all()
    assert (np.abs(routing.flow_t) <= network.capacity_t_day[:, None] * access.corridor + 1e-9).all()
    arrives = routing.delivered_t + routing.lost_t
    out = np.zeros_like(source)
    np.add.at(out, network.end_a, routing.flow_t)
    np.subtract.at(out, network.end_b, routing.flow_t)
    assert out == pytest.approx(routing.sent_t - arrives)


@often
@given(theatres())
def test_each_parcel_says_how_long_it_takes_and_how_much_of_it_arrives(theatre):
    network, control, friends, neutral, closed, source, demand, order = theatre
    access = passable(network, control, friends, neutral, closed, PARAMETERS)
    routing = route(network, access, source, demand, order, PARAMETERS)
    parcels = routing.parcels
    hours = (np.abs(routing.flow_t) * network.delay_h[:, None]).sum()
    assert (parcels.units * parcels.delay_h).sum() * PARAMETERS.flow_unit_t == pytest.approx(hours)
    assert ((parcels.survival > 0) & (parcels.survival <= 1)).all()
    delivered = (parcels.units * parcels.survival).sum() * PARAMETERS.flow_unit_t
    assert delivered == pytest.approx(routing.delivered_t.sum())


@often
@given(theatres(factions=2))
def test_no_plan_sends_more_for_the_first_in_order(theatre):
    network, control, friends, neutral, closed, source, demand, order = theatre
    access = passable(network, control, friends, neutral, closed, PARAMETERS)
    first = order[0]
    sent = route(network, access, source, demand, order, PARAMETERS).sent_t[:, first].sum()
    tail, head = network.arcs
    leaves = np.zeros((network.places + 2, len(tail)))
    np.add.at(leaves, (tail, np.arange(len(tail))), 1)
    np.subtract.at(leaves, (head, np.arange(len(tail))), 1)
    here = access.place[:, first] > 0
    usable = np.floor(access.corridor[:, first] * network.capacity_t_day * 100 + 1e-6) / 100
    capacity = np.concatenate([np.repeat(usable, 2), here * source[:, first], here * demand[:, first]])
    best = linprog(-leaves[-2], A_eq=leaves[:-2], b_eq=np.zeros(network.places), bounds=[(0, c) for c in capacity])
    assert sent == pytest.approx(-best.fun, abs=1e-6)


@often
@given(theatres())
def test_the_way_round_a_road_is_written_changes_nothing_but_the_sign(theatre):
    network, control, friends, neutral, closed, source, demand, order = theatre
    distinct = 1.0 + 2.0 ** np.arange(len(network.corridor_ids))  # no two ways take equally long
    network = replace(network, delay_h=distinct, risk=np.zeros(len(distinct)))
    turned = replace(network, end_a=network.end_b, end_b=network.end_a)
    access = passable(network, control, friends, neutral, closed, PARAMETERS)
    there = route(network, access, source, demand, order, PARAMETERS)
    back = route(turned, access, source, demand, order, PARAMETERS)
    assert (there.flow_t == -back.flow_t).all()


# --- stock and effectiveness


def test_effectiveness_is_half_at_half_stock_and_nothing_without_any():
    days = np.array([0.0, 2.0, 6.0])
    assert effectiveness(days, 0.8, 2.0) == pytest.approx([0.0, 0.4, 0.6])


def test_a_stock_lasts_as_long_as_its_users_take():
    assert demand_t_day(np.array([200.0]), 0.5, PARAMETERS) == pytest.approx([0.5])
    assert stock_days(np.array([2.0, 2.0]), np.array([200.0, 0.0]), PARAMETERS) == pytest.approx([2.0, 0.0])


# --- strategic value

GOVERNMENT = 0


def values(network, control, source, demand, contested, population=None, **changes):
    """Value places for two enemies without friends."""
    return strategic_value(
        network, control, ALONE, changes.get("enemy", ENEMIES),
        changes.get("neutral", np.zeros(network.places, bool)), none_closed(network), source, demand, (0, 1),
        PARAMETERS, np.array(contested), np.zeros_like(source) if population is None else population,
    )  # fmt: skip


def test_the_only_way_through_is_worth_what_passes_to_its_owner_and_to_the_enemy():
    # Depot 0 -> bottleneck 1 -> front 2; place 3 lies on a side road, place 4 on none.
    network = roads(5, (0, 1, 9), (1, 2, 6), (0, 3, 9))
    held = np.repeat([[1.0, 0.0]], 5, axis=0)
    value = values(network, held, table(5, 2, p0f0=20), table(5, 2, p2f0=8), [1, 3, 4])
    assert value == pytest.approx(np.array([[0, 0], [6, 6], [0, 0], [0, 0], [0, 0]]))


def test_a_place_with_a_way_round_is_worth_only_what_the_way_round_cannot_carry():
    network = roads(4, (0, 1, 9), (1, 2, 9), (0, 3, 2), (3, 2, 2))
    held = np.repeat([[1.0, 0.0]], 4, axis=0)
    value = values(network, held, table(4, 2, p0f0=20), table(4, 2, p2f0=8), [1, 3])
    assert value[:, GOVERNMENT] == pytest.approx([0, 6, 0, 0])


def test_a_place_the_enemy_holds_is_worth_what_it_would_open():
    network = roads(3, (0, 1, 5), (1, 2, 5))
    control = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    value = values(network, control, table(3, 2, p0f0=5), table(3, 2, p2f0=5), [1])
    assert value[1] == pytest.approx([5, 5])


def test_a_crossroads_of_both_sides_counts_own_gain_and_the_enemys_loss():
    # Government 0 - 2 - 1, rebels 3 - 2 - 4: both only over 2.
    network = roads(5, (0, 2, 5), (2, 1, 5), (3, 2, 3), (2, 4, 3))
    control = np.array([[1.0, 0], [1, 0], [0.5, 0.5], [0, 1], [0, 1]])
    source, demand = table(5, 2, p0f0=9, p3f1=9), table(5, 2, p1f0=9, p4f1=9)
    assert values(network, control, source, demand, [2])[2] == pytest.approx([8, 8])
    at_peace = values(network, control, source, demand, [2], enemy=np.zeros((2, 2), bool))
    assert at_peace[2] == pytest.approx([5, 3])
    one_sided = np.array([[False, True], [False, False]])  # only the government holds the other an enemy
    assert values(network, control, source, demand, [2], enemy=one_sided)[2] == pytest.approx([8, 3])


def test_a_road_the_enemy_fills_is_worth_something_since_it_would_be_free():
    # Both pass over 1, which nobody controls; the government comes first and fills the road.
    network = roads(3, (0, 1, 4), (1, 2, 4))
    source, demand = table(3, 2, p0f0=4, p0f1=4), table(3, 2, p2f0=4, p2f1=4)
    value = values(network, np.zeros((3, 2)), source, demand, [1], neutral=np.ones(3, bool))
    assert value[1] == pytest.approx([8, 8])


def test_people_count_by_their_own_weight():
    network = roads(3, (0, 1, 5))
    people = table(3, 2, p2f0=10_000)
    value = values(network, np.zeros((3, 2)), table(3, 2), table(3, 2), [2], people)
    assert value[2] == pytest.approx([10_000 * PARAMETERS.value_population_weight, 0])


@often
@given(theatres())
def test_stakes_are_those_of_routing_every_case_by_itself(theatre):
    network, control, friends, neutral, closed, source, demand, order = theatre
    places, factions = source.shape
    day = neutral, closed, source, demand, order, PARAMETERS
    stake = strategic_stake(network, control, friends, *day, np.arange(places))
    access = passable(network, control, friends, neutral, closed, PARAMETERS)
    for place in range(places):
        for faction in range(factions):
            reached = []
            for who in (friends[:, faction], ~friends[faction]):
                shares = access.place.copy()
                shares[place] = who
                ends = np.minimum(shares[network.end_a], shares[network.end_b])
                case = Access(shares, ends * ~closed[:, None])
                reached.append(route(network, case, source, demand, order, PARAMETERS).sent_t[:, faction].sum())
            assert stake[place, faction] == pytest.approx(reached[0] - reached[1])


# --- refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end_b": np.array([7])}, "'r0': end_b is 7, must be a place's index"),
        ({"end_b": np.array([0])}, "another place than end_a"),
        ({"risk": np.array([1.0])}, "risk is 1.0"),
        ({"capacity_t_day": np.array([np.inf])}, "finite"),
        ({"delay_h": np.array([np.nan])}, "delay_h is nan"),
        ({"delay_h": np.ones(2)}, "one entry for each of 1 corridors"),
    ],
)
def test_a_network_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(roads(2, (0, 1, 5)), **change)


def test_an_order_that_forgets_a_faction_is_refused():
    network = roads(2, (0, 1, 5))
    with pytest.raises(ValueError, match="each of the 2 factions once"):
        route(network, everywhere(network, 2), np.zeros((2, 2)), np.zeros((2, 2)), [0, 0], PARAMETERS)


def test_negative_supplies_are_refused():
    network = roads(2, (0, 1, 5))
    with pytest.raises(ValueError, match="at least 0"):
        route(network, everywhere(network), table(2, 1, p0f0=-1), np.zeros((2, 1)), [0], PARAMETERS)


def test_tables_of_another_theatre_are_refused():
    network = roads(2, (0, 1, 5))
    with pytest.raises(ValueError, match="3 places, the network 2"):
        route(network, everywhere(network), np.zeros((3, 1)), np.zeros((3, 1)), [0], PARAMETERS)
