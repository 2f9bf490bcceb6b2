"""What must add up, every hour: people, fighters, ground; in every shipped scenario and in small random ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small import DROP, small

from sim.bookkeeping import BORDER_FIRE
from sim.model import SpilloverModel
from sim.neighbourhoods import STATES
from sim.residents import AWAY, DEAD, DISPLACED
from sim.scenario import Scenario, shipped

SIGNED = {"threat", "anger"}  # what is recorded and may be below zero
SHARES = {"armed_share", "control", "effectiveness", "readiness", "resolve"}


class Auditor:
    """Takes stock when a run begins, and checks the books after every hour."""

    def __init__(self, model: SpilloverModel) -> None:
        self.model = model
        self.start = model.census()
        self.people = model.city.states.sum(axis=1).copy()
        self.killed = model.theatre.killed.copy()

    def check(self) -> None:
        self.people_are_one_row_each()
        self.fighters_are_somewhere()
        self.volunteers_are_residents_away()
        self.ground_is_held_once()

    def people_are_one_row_each(self) -> None:
        city, residents = self.model.city, self.model.residents
        assert (city.states >= 0).all()
        assert (city.states.sum(axis=1) == self.people).all(), "a group has gained or lost people"
        assert (self.people == city.people).all()
        pairs = residents.group.astype(np.int64) * len(STATES) + residents.state
        rows = np.bincount(pairs, minlength=city.groups * len(STATES)).reshape(city.groups, len(STATES))
        assert (rows * city.weight[:, None] == city.states).all(), "the count by state is not that of the rows"
        at_home = (residents.state != DISPLACED) & (residents.state != AWAY) & (residents.state != DEAD)
        assert (residents.where[at_home] == city.place[residents.group[at_home]]).all(), "someone is not at home"
        assert (
            residents.where[residents.state == DISPLACED] != city.place[residents.group[residents.state == DISPLACED]]
        ).all()
        assert (residents.displaced == residents.displaced_into(residents.displaced.size)).all()

    def fighters_are_somewhere(self) -> None:
        theatre, census = self.model.theatre, self.model.census()
        assert census["fighters"] == self.start["fighters"] + census["fighters_from_outside"]
        assert (theatre.fighters >= 0).all() and (theatre.hurt >= 0).all()
        assert (theatre.killed >= self.killed).all(), "the dead rise"
        self.killed = theatre.killed.copy()
        assert all(march.fighters > 0 for march in theatre.marches)
        groups = self.model.battles.groups
        for n, f in np.ndindex(groups.count.shape):
            assert (groups.of(n, f) > 0).all()
            assert groups.of(n, f).sum() == groups.strength[n, f]

    def volunteers_are_residents_away(self) -> None:
        census = self.model.census()
        assert census["volunteers"] == census["away"]
        residents, theatre = self.model.residents, self.model.theatre
        away = residents.state == AWAY
        weight = self.model.city.weight[residents.group[away]]
        rows = np.bincount(residents.where[away], weight, minlength=len(theatre.places))
        assert (rows == theatre.volunteers.sum(axis=1)).all(), "a volunteer is at two fronts, or at none"

    def ground_is_held_once(self) -> None:
        control, neutral = self.model.theatre.control, self.model.theatre.neutral
        assert (control >= 0).all(), f"someone holds less than nothing: {control.min()}"
        assert control[~neutral].sum(axis=1) == pytest.approx(1.0, abs=1e-9)
        assert (control[neutral] == 0).all()


def check_record(model: SpilloverModel) -> None:
    """Check what a run has written down."""
    values = model.record.values[: model.record.steps_done]
    assert np.isfinite(values).all(), "something recorded is not a number"
    for column, series in zip(values.T, model.record.series, strict=True):
        if series.measure not in SIGNED:
            assert column.min() >= 0, f"{series} is below zero"
        if series.measure in SHARES or series.measure.startswith("alarm_"):
            assert column.max() <= 1 + 1e-9, f"{series} is above one"
    for rows in (model.record.flows, model.record.worth):
        assert np.isfinite(np.array(rows, dtype=float)).all()
    fire = np.array(model.record.fire, dtype=np.int64).reshape(-1, 12)
    assert (fire[:, 6:] >= 0).all(), "fire has raised the dead"
    columns = {
        what: [s.measure == what and not s.faction and s.neighbourhood == "" for s in model.record.series]
        for what in ("killed", "wounded")
    }
    for what, of in (("killed", (6, 7, 8)), ("wounded", (9, 10, 11))):
        residents = [s.measure == what and s.neighbourhood != "" for s in model.record.series]
        recorded = values[:, columns[what]].sum() + values[:, residents].sum()
        assert fire[:, of].sum() == recorded, f"the {what} of the fire are not those of the places"
    states = {name if name != "wounded" else "hurt" for name in STATES}
    people = values[:, [s.measure in states for s in model.record.series]].sum(axis=1)
    assert (people == model.city.people.sum()).all()


def audit(scenario: Scenario, seed: int = 1) -> SpilloverModel:
    """Run a scenario and check it every hour."""
    model = SpilloverModel(scenario, seed)
    auditor = Auditor(model)
    auditor.check()
    for _ in range(scenario.steps):
        model.run_for(1)
        auditor.check()
    check_record(model)
    return model


def shortened(name: str, days: float = 1.0) -> Scenario:
    """Return a shipped scenario cut to a day, around the beginning of its first offensive if it has one."""
    scenario = Scenario.load(name)
    begins = [e.at for e in scenario.file.events.values() if e.kind == "offensive" and e.on]
    start = max(scenario.file.clock.start, min(begins, default=scenario.file.clock.start) - timedelta(hours=6))
    return scenario.with_values({"clock.start": start, "clock.days": min(days, scenario.file.clock.days)})


THEATRES = [name for name in shipped() if Scenario.load(name).model == "theatre"]


@pytest.mark.parametrize("name", THEATRES)
def test_something_does_not_add_up_in_a_shipped_scenario(name: str) -> None:
    model = audit(shortened(name))
    assert model.record.steps_done > 0


@pytest.mark.verify
@pytest.mark.parametrize("name", THEATRES)
def test_something_does_not_add_up_in_the_whole_of_a_shipped_scenario(name: str) -> None:
    audit(Scenario.load(name), seed=2)


def test_more_leave_a_garrison_than_are_in_it() -> None:
    """Three fronts of equal value call on three garrisons of one: each rounds up from the first."""
    towns = {"control": {"reds": 0.5, "greens": 0.5}, "country": "Inland", "latitude": 34.6, "longitude": 36.7}
    changes: dict[str, Any] = {"effort": {"reserve_share": 1.0, "sent_per_day": 1.0}, "clock.days": 1.0}
    changes |= {"events": DROP, "supply": {"value_population_weight": 1e-4}, "channels": {"fighters": {"on": False}}}
    fronts, garrisons = ("mill", "alpha", "beta"), ("gamma", "delta", "epsilon")
    for name in (*fronts[1:], *garrisons):
        who = {"name": name.title(), "population": 5000, "communities": {"red": 0.6, "green": 0.4}}
        changes[f"places.{name}"] = towns | who
    changes |= {f"fronts.{name}": {"place": name, "skirmish": 0.0} for name in fronts}
    changes["factions.reds.fighters"] = 33
    changes["factions.reds.deployed"] = dict.fromkeys(fronts, 10.0) | dict.fromkeys(garrisons, 1.0)
    changes["factions.greens.deployed"] = dict.fromkeys(fronts, 1.0)
    model = audit(Scenario.from_toml(small(changes)))
    assert model.theatre.fighters[:, 0].sum() + sum(march.fighters for march in model.theatre.marches) == 33
    left = model.theatre.fighters[[model.theatre.places.index(name) for name in garrisons], 0]
    assert left.sum() < 3, "nobody was sent: this test has no power"


@pytest.mark.parametrize("known", [True, False])
def test_people_hurt_by_stray_fire_are_in_no_column(known: bool) -> None:
    """Also where the scenario does not say who lives there."""
    changes: dict[str, Any] = {
        "places.harbour.stray_fire": True,
        "strikes": {"stray_per_day": 50.0, "stray_harm": 1.0, "stray_reach_km": 200.0},
        "observers.desk": {"places": ["harbour"], "covers": {"civilians": 1.0}, "counts_wounded": True, "spread": 0.0,
                           "name": "News desk", "office": "news desk"},
    }  # fmt: skip
    model = audit(Scenario.from_toml(small(changes | ({} if known else {"places.harbour.communities": DROP}))))
    hurt = int(np.array(model.record.fire)[np.array(model.record.fire)[:, 5] == BORDER_FIRE, 11].sum())
    assert hurt > 10
    claimed = sum(claim["truth"] for claim in model.record.claims if claim["topic"] == "wounded")
    assert claimed >= hurt


def shares(a: float) -> dict[str, float]:
    return {"red": a, "green": 1.0 - a}


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Draw a small scenario with any numbers that are valid, extreme ones too."""
    number, unit = st.integers(0, 1500), st.floats(0.0, 1.0)
    step = draw(st.sampled_from([0.5, 1.0, 2.0, 6.0]))
    able = draw(st.floats(0.2, 1.0))
    changes: dict[str, Any] = {
        "clock.days": 3.0, "clock.step_hours": step,
        "places.mill.control": {"reds": (held := draw(unit)), "greens": 1.0 - held},
        "places.mill.population": draw(st.integers(0, 100_000)),
        "places.mill.communities": shares(draw(unit)),
        "places.fort": {
            "name": "Fort", "country": "Inland", "latitude": 34.6, "longitude": 36.7, "population": 100,
            "communities": {"red": 1.0}, "control": {"reds": 1.0},
        },
        "places.yard": {
            "name": "Yard", "country": "Inland", "latitude": 34.7, "longitude": 36.2, "population": 100,
            "communities": {"green": 1.0}, "control": {"greens": 1.0},
        },
        "corridors.lane": {"name": "Lane", "between": ["mill", "fort"], "risk": draw(st.floats(0.0, 0.99))},
        "fronts.fort": {"place": "fort", "skirmish": draw(unit)},
        "fronts.mill.skirmish": draw(unit), "fronts.mill.cover": draw(st.floats(0.1, 20.0)),
        "neighbourhoods.town": {
            "name": "Town", "place": "mill", "residents": draw(st.integers(1, 300)), "able": draw(unit),
            "people_per_agent": 1, "communities": shares(draw(unit)), "legitimacy": draw(unit),
            "rectangle": {"west": 0.0, "south": 0.0, "width": 100.0, "height": 100.0},
        },
        "neighbourhoods.east.residents": 150, "neighbourhoods.east.able": able,
        "neighbourhoods.east.people_per_agent": draw(st.sampled_from([1, 3])),
        "neighbourhoods.east.legitimacy": draw(unit),
        "neighbourhoods.east.volunteers": {
            "red": {"faction": "reds", "place": "mill", "already_there": draw(st.integers(0, int(able * 149)))},
        },
        "neighbourhoods.east.arrivals_per_day": {"red": draw(st.floats(0.0, 50.0))},
        "factions.reds.fighters": draw(number), "factions.greens.fighters": draw(number),
        "factions.reds.deployed": {"mill": 1.0, "fort": draw(unit), "yard": draw(unit)},
        "factions.greens.deployed": {"mill": draw(unit), "fort": draw(unit), "yard": 0.1, "harbour": draw(unit)},
        "factions.reds.firepower": draw(st.floats(0.0, 5.0)), "factions.greens.firepower": draw(st.floats(0.0, 5.0)),
        "factions.reds.contact": draw(unit), "factions.greens.contact": draw(unit),
        "factions.greens.fire": draw(st.sampled_from(["aimed", "area"])),
        "factions.reds.resolve": draw(unit),
        "factions.reds.stock_days": {"mill": draw(st.floats(0.0, 20.0))},
        "events.column": {
            "kind": "reinforcement", "at": datetime(2013, 5, 19, draw(st.integers(0, 23))), "text": "A column.",
            "faction": draw(st.sampled_from(["reds", "greens"])), "place": "mill", "fighters": draw(number),
        },
        "events.strike": {
            "kind": "strike", "at": datetime(2013, 5, 19, draw(st.integers(0, 23))), "text": "A strike.",
            "place": draw(st.sampled_from(["mill", "yard"])), "target": "greens", "by": "somebody",
            "killed": draw(number),
        },
        "events.assault.intensity": draw(st.floats(0.0, 3.0)),
        "effort": {"reserve_share": draw(unit), "sent_per_day": draw(unit)},
        "control": {"advance_per_hour": draw(st.floats(0.0, 5.0)), "consolidation": draw(st.floats(0.5, 5.0))},
        "engagement": {
            "wounded_per_killed": draw(st.floats(0.0, 15.0)), "recover_days": draw(st.floats(1.0, 5.0)),
            "civilian_hit_per_hour": draw(st.floats(0.0, 1e-3)), "turnover_per_hour": draw(unit),
        },
        "withdrawal": {
            "ratio_limit": draw(unit), "resolve_limit": draw(unit), "stock_limit_days": draw(st.floats(0.0, 9.0)),
        },
        "mobilisation": {"threshold": draw(st.floats(0.0, 1.0)), "detained_hours": draw(st.floats(1.0, 50.0))},
        "fire": {"hit_per_hour": draw(st.floats(0.0, 1e-3)), "recover_days": draw(st.floats(0.5, 5.0))},
        "displacement": {"flee_per_hour": draw(unit), "return_per_day": draw(st.floats(0.0, 5.0))},
        "channels": {
            "fighters": {"volunteers_per_hour": draw(st.floats(0.0, 0.1)), "tour_days": draw(st.floats(0.5, 5.0))},
        },
        "provocations": {"per_day": draw(st.floats(0.0, 2.0))},
        "security": {"detain_per_hour": draw(st.floats(0.0, 0.1)), "exposure": draw(unit)},
    }  # fmt: skip
    return Scenario.from_toml(small(changes))


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios(), st.integers(0, 2**64 - 1))
def test_something_does_not_add_up_in_a_small_scenario(scenario: Scenario, seed: int) -> None:
    audit(scenario, seed)


@pytest.mark.verify
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios(), st.integers(0, 2**64 - 1))
def test_something_does_not_add_up_in_many_small_scenarios(scenario: Scenario, seed: int) -> None:
    audit(scenario, seed)
