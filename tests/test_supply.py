"""Supplies: nothing appears or vanishes, deliveries take their time, and a cut is felt when the stock is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import DROP, small

import sim.corridors
import sim.supply
from sim.corridors import Routing
from sim.model import SpilloverModel
from sim.scenario import Scenario
from sim.theatre import Theatre

Floats = npt.NDArray[np.float64]

REDS, GREENS, MILL, HARBOUR = 0, 1, 0, 1
SEED = 3

# The reds are supplied from Harbour over the one road to Mill, and nobody fights: use is steady.
BY_ROAD: dict[str, Any] = {
    "clock.days": 20.0,
    "events": DROP,
    "patrons.aunt": {"name": "Aunt", "backs": {"reds": 1.0}, "delivers_t_day": {"harbour": 10.0}},
    "corridors.road.delay_h": 5.0,
    "stock": {"idle_use": 1.0},
    "fronts.mill.skirmish": 0.0,
    "channels": {"fighters": {"on": False}},
}


@dataclass
class Ledger:
    """What has been sent on its way, taken down as the roads are routed."""

    sent_t: float = 0.0
    lost_t: float = 0.0


@contextmanager
def book() -> Iterator[Ledger]:
    """Take down what is sent for as long as the context lasts."""
    kept, route = Ledger(), sim.corridors.route

    def routed(*args: Any) -> Routing:
        day = route(*args)
        kept.sent_t += float(day.sent_t.sum())
        kept.lost_t += float(day.lost_t.sum())
        assert (day.sent_t <= args[2] + 1e-9).all(), "more is sent than the sources have"
        return day

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sim.supply, "route", routed)
        yield kept


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with book() as kept:
        yield kept


def model_of(changes: dict[str, Any]) -> SpilloverModel:
    return SpilloverModel(Scenario.from_toml(small(changes)), SEED)


def course(changes: dict[str, Any], hours: int) -> tuple[Floats, Floats]:
    """Return stock and effectiveness of the reds at Mill, hour by hour."""
    model = model_of(changes)
    model.run_for(hours)
    series = [(s.measure, s.place, s.faction) for s in model.record.series]
    stock, effect = (series.index((what, "mill", "reds")) for what in ("stock", "effectiveness"))
    return model.record.values[:hours, stock], model.record.values[:hours, effect]


def seal(day: int, sealed: bool = True) -> dict[str, Any]:
    """Return an event at midnight that seals or opens the road."""
    at = datetime(2013, 5, day)
    return {"kind": "seal", "at": at, "text": "The road is cut.", "corridors": ["road"], "sealed": sealed}


def strike(day: int, killed: int = 0) -> dict[str, Any]:
    """Return a strike on the stock of the reds at Mill, at midnight."""
    what = {"place": "mill", "target": "reds", "by": "somebody", "killed": killed}
    return {"kind": "strike", "at": datetime(2013, 5, day), "text": "A strike."} | what


# --- a cut acts with delay ----------------------------------------------------------------------------------


@pytest.mark.parametrize("days_in_stock", [2.0, 6.0])
def test_a_cut_road_is_felt_at_once_or_never(days_in_stock: float) -> None:
    """After the cut the front lives on its stock: it halves in half the days, and is gone when they are over."""
    base = BY_ROAD | {"factions.reds.stock_days": {"mill": days_in_stock}, "stock.target_days": days_in_stock}
    when = 5 * 24
    open_stock, open_effect = course(base, 20 * 24)
    cut_stock, cut_effect = course(base | {"events.cut": seal(23)}, 20 * 24)
    assert (cut_stock[:when] == open_stock[:when]).all(), "felt before it happens"
    left, full = cut_stock[when + 6], 200 * 0.005  # what was on the road arrives within its five hours
    assert cut_effect[when + 6] > 0.9 * cut_effect[when - 1], "felt at once"
    assert left > 0.6 * days_in_stock * full
    hours_left = 24 * left / full
    half = when + 6 + round(hours_left / 2)
    assert cut_stock[half] == pytest.approx(left / 2, rel=0.05)
    gone = when + 6 + round(hours_left) + 2
    assert cut_stock[gone] == 0.0
    assert cut_effect[gone] == 0.0
    days = cut_stock[half] / full
    assert cut_effect[half] == pytest.approx(days / (days + 1.0))
    assert open_effect[gone] > 0.6, "the front would have starved anyway"


def test_a_larger_stock_does_not_put_hunger_off() -> None:
    def hungry(days: float) -> int:
        base = BY_ROAD | {"factions.reds.stock_days": {"mill": days}, "stock.target_days": days}
        _, effect = course(base | {"events.cut": seal(18)}, 15 * 24)
        return int(np.argmax(effect < 0.25))

    assert [hungry(days) / 24 for days in (3.0, 6.0, 12.0)] == pytest.approx(
        [3.0 - 1 / 3, 6.0 - 1 / 3, 12.0 - 1 / 3], abs=0.1
    )


def test_a_reopened_road_brings_nothing() -> None:
    events = {"events.cut": seal(18), "events.opened": seal(24, sealed=False)}
    base = BY_ROAD | {"factions.reds.stock_days": {"mill": 2.0}} | events
    stock, _ = course(base, 12 * 24)
    assert stock[6 * 24] == 0.0
    assert stock[6 * 24 + 6] > 0.5


# --- deliveries take their time ----------------------------------------------------------------------------


@pytest.mark.parametrize(("delay", "step_h"), [(5.0, 1.0), (5.0, 0.5), (0.0, 1.0), (30.0, 1.0)])
def test_a_delivery_comes_before_or_after_its_time(delay: float, step_h: float) -> None:
    changes = BY_ROAD | {"corridors.road.delay_h": delay, "clock.step_hours": step_h}
    changes |= {"factions.reds.stock_days": {"mill": 0.0}}
    stock, _ = course(changes, round(48 / step_h))
    assert int(np.argmax(stock > 0)) == max(1, round(delay / step_h))


def test_two_roads_in_a_row_take_as_long_as_one() -> None:
    changes = BY_ROAD | {
        "places.ford": {
            "name": "Ford", "country": "Coast", "latitude": 34.45, "longitude": 36.0, "population": 10,
            "communities": {"red": 1.0},
        },
        "corridors.road.between": ["mill", "ford"],
        "corridors.lane": {"name": "Lane", "between": ["ford", "harbour"], "delay_h": 4.0},
        "factions.reds.stock_days": {"mill": 0.0},
    }  # fmt: skip
    stock, _ = course(changes, 24)
    assert int(np.argmax(stock > 0)) == 9


@pytest.mark.parametrize("risk", [0.0, 0.25, 0.9])
def test_more_or_less_is_lost_on_the_way_than_the_risk_says(risk: float, ledger: Ledger) -> None:
    model = model_of(
        BY_ROAD | {"corridors.road.risk": risk, "patrons.uncle": DROP, "factions.reds.stock_days": {"mill": 0.0}}
    )
    model.run_for(24)
    theatre = model.theatre
    assert ledger.sent_t > 1.0
    assert theatre.lost_t == pytest.approx(risk * ledger.sent_t)
    assert theatre.delivered_t + on_the_way(theatre) == pytest.approx((1 - risk) * ledger.sent_t)


# --- nothing appears or vanishes ---------------------------------------------------------------------------


def on_the_way(theatre: Theatre) -> float:
    return float(sum(d.tonnes for d in theatre.deliveries))


def check_every_hour(model: SpilloverModel, ledger: Ledger, hours: int) -> None:
    theatre = model.theatre
    start = float(theatre.stock_t.sum())
    for _ in range(hours):
        model.run_for(1)
        census = model.census()
        there = census["stock_t"] + census["on_the_way_t"] + census["used_t"] + census["destroyed_t"]
        came = start + ledger.sent_t - ledger.lost_t
        assert there == pytest.approx(came, rel=1e-9, abs=1e-9)
        assert theatre.lost_t == pytest.approx(ledger.lost_t)
        assert (theatre.stock_t >= 0).all()
        assert min(theatre.used_t, theatre.delivered_t, theatre.destroyed_t, theatre.lost_t) >= 0
        assert all(d.tonnes >= 0 and d.due >= model.now for d in theatre.deliveries)
        assert ((theatre.effect >= 0) & (theatre.effect <= 1)).all()
        assert (theatre.wanted_t >= 0).all()


def test_supplies_of_a_battle_for_qusayr_appear_or_vanish(ledger: Ledger) -> None:
    check_every_hour(SpilloverModel(Scenario.load("qusayr-2013"), 1), ledger, 17 * 24)
    assert ledger.sent_t > 100 and ledger.lost_t > 1


@settings(max_examples=15)
@given(
    capacity=st.floats(0.0, 30.0), delay=st.floats(0.0, 40.0), risk=st.floats(0.0, 0.99),
    delivered=st.floats(0.0, 20.0), struck=st.floats(0.0, 1.0), idle=st.floats(0.0, 1.0),
    refill=st.floats(0.2, 20.0), days=st.floats(0.0, 20.0),
    seed=st.integers(0, 999),
)  # fmt: skip
def test_supplies_appear_or_vanish(
    capacity: float, delay: float, risk: float, delivered: float, struck: float, idle: float, refill: float,
    days: float, seed: int,
) -> None:  # fmt: skip
    changes = {
        "corridors.road.capacity_t_day": capacity, "corridors.road.delay_h": delay, "corridors.road.risk": risk,
        "patrons.aunt": {"name": "Aunt", "backs": {"reds": 1.0}, "delivers_t_day": {"harbour": delivered}},
        "strikes": {"stock_destroyed": struck}, "stock": {"idle_use": idle, "refill_days": refill},
        "factions.reds.stock_days": {"mill": days},
        "events.strike": strike(19, killed=5),
    }  # fmt: skip
    with book() as ledger:
        check_every_hour(SpilloverModel(Scenario.from_toml(small(changes)), seed), ledger, 60)


def test_a_strike_destroys_another_share_than_said() -> None:
    base = {"strikes": {"stock_destroyed": 0.3}, "patrons": DROP, "stock": {"idle_use": 0.0}}
    base |= {"factions.reds.stock_days": {"mill": 8.0}, "fronts.mill.skirmish": 0.0}
    model = model_of(base | {"events": DROP, "events.strike": strike(18)})
    model.run_for(1)
    assert model.theatre.stock_t[MILL, REDS] == pytest.approx(0.7 * 8.0 * 200 * 0.005)
    assert model.theatre.destroyed_t == pytest.approx(0.3 * 8.0)


# --- what a place is worth is computed ----------------------------------------------------------------------

# Two towns to be fought over, on two ways from Harbour to Camp: what is worth more depends on the wider road.
TWO_WAYS: dict[str, Any] = {
    "events": DROP, "fronts": DROP,
    "places.mill.population": 0,
    "places.ford": {"name": "Ford", "country": "Inland", "latitude": 34.6, "longitude": 36.6, "control": {"reds": 1.0}},
    "places.camp": {"name": "Camp", "country": "Inland", "latitude": 34.7, "longitude": 36.9, "control": {"reds": 1.0}},
    "places.mill.control": {"reds": 1.0},
    "fronts.one": {"place": "mill"}, "fronts.two": {"place": "ford"}, "fronts.three": {"place": "camp"},
    "corridors.camp_mill": {"name": "Camp - Mill", "between": ["camp", "mill"], "capacity_t_day": 100.0},
    "corridors.camp_ford": {"name": "Camp - Ford", "between": ["camp", "ford"], "capacity_t_day": 100.0},
    "corridors.harbour_ford": {"name": "Harbour - Ford", "between": ["harbour", "ford"], "capacity_t_day": 2.0},
    "corridors.road.capacity_t_day": 6.0,
    "patrons.aunt": {"name": "Aunt", "backs": {"reds": 1.0}, "delivers_t_day": {"harbour": 50.0}},
    "factions.reds.fighters": 2000, "factions.reds.deployed": {"camp": 1.0}, "factions.reds.stock_days": {"camp": 0.0},
    "factions.greens.fighters": 30, "factions.greens.deployed": {"camp": 1.0},
}  # fmt: skip


def worth(changes: dict[str, Any]) -> dict[str, float]:
    """Return what each place is worth to the reds on the first morning, in t/day."""
    model = model_of(
        {key: value for key, value in (TWO_WAYS | changes).items() if key != "fronts"} | {"fronts.mill": DROP}
    )
    model.run_for(1)
    return {model.theatre.places[p]: value for _, p, f, value in model.record.worth if f == REDS}


def test_a_rank_is_written_in() -> None:
    """Of two towns on two ways, that on the wider road is worth more, and they change places with the roads."""
    one, other = worth({}), worth({"corridors.road.capacity_t_day": 2.0, "corridors.harbour_ford.capacity_t_day": 6.0})
    assert one["mill"] == pytest.approx(6.0)
    assert one["ford"] == pytest.approx(2.0)
    assert (other["mill"], other["ford"]) == pytest.approx((2.0, 6.0))


def test_a_wider_road_makes_the_town_on_it_no_dearer() -> None:
    values = [worth({"corridors.road.capacity_t_day": t})["mill"] for t in (0.0, 1.0, 3.0, 5.0)]
    assert values == pytest.approx([0.0, 1.0, 3.0, 5.0])


def test_people_of_its_own_are_worth_nothing_to_a_faction() -> None:
    people = {"places.mill.population": 400_000}
    assert worth(people)["mill"] - worth({})["mill"] == pytest.approx(0.000005 * 400_000 * 0.6)


def test_the_depots_end_is_worth_no_more_than_the_last_road_to_it() -> None:
    """All that reaches Camp passes one town or the other: Camp is worth both."""
    values = worth({})
    assert values["camp"] == pytest.approx(values["mill"] + values["ford"])
