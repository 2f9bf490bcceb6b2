"""Where people flee to, and that nobody is lost on the way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import DROP, small

from sim.chance import Chance
from sim.displacement import DisplacementParameters, destinations, settle_arrivals, ways
from sim.kernels import residents as kernel
from sim.model import SpilloverModel
from sim.neighbourhoods import City
from sim.residents import AWAY, CALM, DEAD, DISPLACED, WOUNDED, Residents
from sim.scenario import Scenario
from sim.theatre import Theatre

HOME = 1  # the harbour, where both quarters are


def place(latitude=34.6, red=0.5):
    """Describe a place; the mixture of its people is red and green."""
    return {
        "country": "Inland", "latitude": latitude, "longitude": 36.2, "population": 8000,
        "communities": {"red": red, "green": 1.0 - red},
    }  # fmt: skip


def road(to, delay_h=1.0, capacity_t_day=20.0, **more):
    """Describe a road from the harbour."""
    return {"between": ["harbour", to], "delay_h": delay_h, "capacity_t_day": capacity_t_day} | more


def scenario(changes):
    """Return the small scenario with changes; new places and roads are called by their ids."""
    named = {}
    for key, value in changes.items():
        if key.startswith(("places.", "corridors.")):
            named[key] = {"name": key} | value
        elif key == "corridors" and value is not DROP:
            named[key] = {name: {"name": name} | spec for name, spec in value.items()}
        else:
            named[key] = value
    return Scenario.from_toml(small(named))


def world(**changes):
    """Return the small scenario's theatre and city with other values at dotted paths (`__` for the dot)."""
    file = scenario({key.replace("__", "."): value for key, value in changes.items()}).file
    return Theatre.of(file), City.of(file), file.displacement


def shares(theatre, city, p=None):
    """Return where those who flee go, [G, P], from the cumulative weights."""
    cumulative = destinations(theatre, city, p or DisplacementParameters())
    assert np.all(cumulative[:, -1] == 1.0)
    assert np.all(np.diff(cumulative, axis=1) >= 0)
    return np.diff(cumulative, axis=1, prepend=0.0)


def refuges(first, second, **roads):
    """Build two refuges, one road to each, none to the mill."""
    return world(
        places__one=place(34.6, first), places__two=place(34.2, second),
        corridors={"to_one": road("one") | roads.get("one", {}), "to_two": road("two") | roads.get("two", {})},
    )  # fmt: skip


ONE, TWO = 2, 3


def test_all_who_flee_go_somewhere_and_nobody_stays_at_home():
    theatre, city, _ = refuges(0.2, 0.7)
    to = shares(theatre, city)
    assert np.all(to >= 0)
    assert not to[:, HOME].any()
    assert not to[:, theatre.places.index("mill")].any()  # no road


def test_the_nearer_of_two_places_draws_more():
    to = shares(*refuges(0.5, 0.5, two={"delay_h": 4.0}))
    assert np.all(to[:, ONE] > to[:, TWO])
    assert to[:, TWO] / to[:, ONE] == pytest.approx(np.exp(-3.0 / 3.0))


def test_the_place_with_more_kin_draws_more():
    theatre, city, p = refuges(0.8, 0.2)
    red, green = shares(theatre, city, p)
    assert red[ONE] / red[TWO] == pytest.approx(4.0)
    assert green[TWO] / green[ONE] == pytest.approx(4.0)
    indifferent = shares(theatre, city, DisplacementParameters(kin_exponent=0.0))
    assert np.allclose(indifferent[:, [ONE, TWO]], 0.5)


def test_the_wider_road_draws_more():
    to = shares(*refuges(0.5, 0.5, two={"capacity_t_day": 60.0}))
    assert to[:, TWO] / to[:, ONE] == pytest.approx((60.0 / 80.0) / (20.0 / 40.0))


@pytest.mark.parametrize("closed", [{"sealed": True}, {"capacity_t_day": 0.0}])
def test_nobody_takes_a_closed_road(closed):
    to = shares(*refuges(0.5, 0.5, two=closed))
    assert np.all(to[:, ONE] == 1.0)


def test_a_road_sealed_later_is_closed_from_then_on():
    theatre, city, p = refuges(0.5, 0.5)
    assert np.all(shares(theatre, city, p)[:, TWO] > 0)
    theatre.sealed[1] = True
    assert not shares(theatre, city, p)[:, TWO].any()


def test_without_any_road_people_go_to_the_nearest_place():
    theatre, city, p = world(places__one=place(34.45), places__two=place(34.9), corridors=DROP)
    nearest = np.argsort(theatre.distance_km[HOME])[1]
    assert np.all(shares(theatre, city, p)[:, nearest] == 1.0)


def test_the_quickest_way_may_lead_through_other_places_and_is_as_wide_as_its_narrowest_road():
    theatre, *_ = world(
        places__one=place(34.6), places__two=place(34.2),
        corridors={
            "direct": road("two", 9.0, 100.0),
            "first_leg": road("one", 2.0, 30.0),
            "second_leg": road("two", 3.0, 12.0, between=["one", "two"]),
        },
    )  # fmt: skip
    hours, width = ways(theatre)
    assert hours[HOME, TWO] == hours[TWO, HOME] == 5.0
    assert width[HOME, TWO] == width[TWO, HOME] == 12.0
    assert width[HOME, ONE] == 30.0
    assert np.isinf(hours[HOME, 0])


@pytest.mark.parametrize("order", [("narrow", "wide"), ("wide", "narrow")])
def test_of_two_roads_as_quick_as_each_other_the_wider_counts(order):
    roads = {"narrow": road("one", 1.0, 5.0), "wide": road("one", 1.0, 50.0)}
    theatre, *_ = world(places__one=place(), corridors={name: roads[name] for name in order})
    assert ways(theatre)[1][HOME, ONE] == 50.0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_travel_times_and_widths_are_those_of_trying_every_way(seed):
    """On random roads: times by relaxing until nothing changes; widths along the way that has that time."""
    rng = np.random.default_rng(seed)
    names = ["mill", "harbour", "one", "two", "three"]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if rng.random() < 0.6]
    roads = {
        f"road{k}": road("x", float(rng.uniform(0.1, 9.0)), float(rng.uniform(1, 90)), between=[a, b])
        for k, (a, b) in enumerate(pairs)
    }
    spots = {"places__one": place(34.6), "places__two": place(34.2), "places__three": place(34.1)}
    theatre, *_ = world(**spots, corridors=roads or DROP)
    hours, width = ways(theatre)
    best = {(a, a): (0.0, np.inf) for a in range(5)}
    for _ in range(5):
        for (a, b), spec in zip(pairs, roads.values(), strict=True):
            for i, j in ((a, b), (b, a)):
                u, v = names.index(i), names.index(j)
                for origin in range(5):
                    if (origin, u) in best:
                        time, wide = best[origin, u]
                        new = (time + spec["delay_h"], min(wide, spec["capacity_t_day"]))
                        best[origin, v] = min(best.get((origin, v), (np.inf, 0.0)), new, key=lambda w: w[0])
    for a, b in np.ndindex(5, 5):
        if a == b:
            continue
        time, wide = best.get((a, b), (np.inf, 0.0))
        assert hours[a, b] == pytest.approx(time)
        assert width[a, b] == pytest.approx(wide)


def test_destinations_are_ordered_as_by_flees_inverse_distance():
    """With kin and roads alike the order is Flee's (weight 1/distance), though the weights fall faster."""
    rng = np.random.default_rng(2)
    delays = {f"r{k}": float(h) for k, h in enumerate(rng.uniform(0.5, 12.0, 12))}
    spots = {f"places__{name}": place(34.2 + 0.03 * k) for k, name in enumerate(delays)}
    theatre, city, p = world(**spots, corridors={f"to_{name}": road(name, h) for name, h in delays.items()})
    to = shares(theatre, city, p)[0, 2:]
    flee = 1.0 / np.array(list(delays.values()))
    assert np.array_equal(np.argsort(to), np.argsort(flee))
    order = np.argsort(flee)
    to, flee = to[order] / to[order[-1]], flee[order] / flee[order[-1]]
    assert to[0] < flee[0]
    for scale in np.linspace(0.5, 9.0, 60):
        shares(theatre, city, DisplacementParameters(distance_scale_h=scale))  # all of them sum to 1 exactly


def test_a_longer_scale_spreads_people_farther():
    theatre, city, _ = refuges(0.5, 0.5, two={"delay_h": 6.0})
    far = [shares(theatre, city, DisplacementParameters(distance_scale_h=h))[0, TWO] for h in (1.0, 3.0, 12.0)]
    assert far == sorted(far)
    assert far[0] < far[-1]


# --- people who move


UNDER_FIRE = {
    "displacement.flee_per_hour": 0.5,
    "displacement.flee_half": 1e-6,
    "displacement.return_per_day": 1.0,
    "fire.hit_per_hour": 1e-4,
    "mobilisation.threshold": 0.3,
    "clock.days": 5.0,
}


@pytest.fixture(scope="module")
def run():
    """Run the small scenario under fire; return the model and what was counted each hour."""
    crowded = {
        "places.one": place(34.6), "corridors.to_one": road("one"), "neighbourhoods.east.residents": 1000,
        "neighbourhoods.west.residents": 1000, "neighbourhoods.west.people_per_agent": 2,
    }  # fmt: skip
    model = SpilloverModel(scenario(UNDER_FIRE | crowded), seed=3)
    hours = []
    for _ in range(120):
        model.step()
        r = model.residents
        hours.append((r.displaced.copy(), r.displaced_into(len(model.theatre.places)), model.city.states.copy()))
    return model, hours


def test_the_displaced_counted_as_they_move_are_those_counted_from_scratch(run):
    _, hours = run
    assert max(displaced.sum() for displaced, *_ in hours) > 100
    for displaced, from_scratch, states in hours:
        assert np.array_equal(displaced, from_scratch)
        assert displaced.sum() == states[:, DISPLACED].sum()


def test_some_return_and_nobody_is_lost(run):
    model, hours = run
    totals = [states.sum(axis=1) for *_, states in hours]
    assert all(np.array_equal(total, model.city.people) for total in totals)
    there = np.array([displaced.sum() for displaced, *_ in hours])
    assert np.any(np.diff(there) < 0)


def test_states_counted_as_they_change_are_those_counted_from_scratch(run):
    model, hours = run
    model.residents._count()
    assert np.array_equal(model.city.states, hours[-1][2])


def test_nobody_is_displaced_at_home_and_nobody_calm_is_elsewhere(run):
    model, hours = run
    assert not any(displaced[HOME] for displaced, *_ in hours)
    r = model.residents
    home = model.city.place[r.group]
    assert np.all(r.where[r.state == DISPLACED] != home[r.state == DISPLACED])
    assert np.all(r.where[r.state == CALM] == home[r.state == CALM])
    assert np.all(r.where[r.state == AWAY] == model.city.volunteer_place[r.group][r.state == AWAY])


def act(residents, rows, after, destinations, step):
    """Let `rows` change to the states `after`; return what that did to each group."""
    residents.changing[: rows.size], residents.then[: rows.size] = rows, after
    return residents._act(0, rows.size, destinations, step)[0]


def test_the_share_of_those_who_fled_to_each_place_is_the_weight_it_has():
    """Over 20,000 who flee in one hour: an error of 0.016 in a share would be seen."""
    story = scenario(
        {
            "places.one": place(34.6, 0.9), "corridors.to_one": road("one", 3.0),
            "neighbourhoods.east.residents": 20_000,
        }
    )  # fmt: skip
    model = SpilloverModel(story, seed=1)
    r, city = model.residents, model.city
    rows = np.arange(city.first[0], city.last[0])
    rows = rows[r.state[rows] == CALM]
    to = destinations(model.theatre, city, story.file.displacement)
    act(r, rows, DISPLACED, to, 5)
    seen = np.bincount(r.where[rows], minlength=3) / rows.size
    assert np.abs(seen - np.diff(to[0], prepend=0.0)).max() < 4.5 * np.sqrt(0.25 / rows.size)


def test_who_comes_back_from_a_front_is_at_home_and_the_fallen_stay_there():
    file = scenario({}).file
    city = City.of(file)
    r = Residents(file, city, Chance(1))
    front = int(city.volunteer_place[0])
    r.send_volunteers(np.array([6, 0]))
    rows = np.flatnonzero(r.state == AWAY)
    assert rows.size == 6
    assert np.all(r.where[rows] == front)
    after = np.array([CALM, CALM, WOUNDED, WOUNDED, DEAD, DEAD], np.uint8)
    deeds = act(r, rows, after, np.ones((2, 2)), 0)
    assert r.where[rows].tolist() == [HOME] * 4 + [front] * 2
    back, killed, wounded = deeds[:, [kernel.CAME_BACK, kernel.KILLED_AWAY, kernel.WOUNDED_AWAY]].T.tolist()
    assert (back, killed, wounded) == ([4, 0], [2, 0], [2, 0])
    assert not r.displaced.any()


def test_arrivals_from_outside_are_counted_from_the_start():
    _, city, _ = world(neighbourhoods__east__arrivals_per_day={"red": 30.0})
    for hours, people in ((0.0, 0), (0.5, 0), (24.0, 30), (25.0, 31), (24.0, 30)):
        settle_arrivals(city, hours)
        assert city.arrived.tolist() == [people, 0]


def test_in_the_tiny_scenario_the_displaced_are_counted_rightly_too():
    model = SpilloverModel(Scenario.load("tiny"), seed=1)
    for _ in range(model.story.steps):
        model.step()
        assert np.array_equal(model.residents.displaced, model.residents.displaced_into(len(model.theatre.places)))
    assert np.array_equal(model.city.states.sum(axis=1), model.city.people)
