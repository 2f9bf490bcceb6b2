"""Every declared parameter does something, and says what it is.

A parameter that changes nothing is a mechanism that is not there. Each one declared in the schema is found in a
rich small world, changed within its range through the user's door, and something that was recorded must change.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import sim
from sim.parameters import GRADES, Declared, bounds, declaration, walk
from sim.runs import Result
from sim.scenario import Scenario, ScenarioError, shipped
from sim.schema import ScenarioFile

SEED = 5

EXEMPT = {
    "Clock.days": "it is the length of the run: more or fewer rows, by definition",
    "Clock.step_hours": "it is the length of a row; what must not depend on it is the matter of test_time_step.py",
}

# --- a rich small world -------------------------------------------------------------------------------------


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2001, 5, day, hour)


def event(kind: str, day: int, hour: int = 0, **what: Any) -> dict[str, Any]:
    return {"kind": kind, "at": at(day, hour), "text": f"A {kind}."} | what


RICH: dict[str, Any] = {
    "clock.days": 2.0,
    # a town under fire, and a place in the rear with more fighters and a border to stray over
    "neighbourhoods.ford_town": {
        "name": "Ford town", "place": "ford", "residents": 120, "communities": {"amber": 0.8, "blue": 0.2}, "able": 0.2,
        "rectangle": {"west": -200.0, "south": -200.0, "width": 400.0, "height": 400.0},
    },
    "neighbourhoods.lower.residents": 200, "neighbourhoods.upper.residents": 200,
    "neighbourhoods.lower.volunteers.amber.already_there": 10, "neighbourhoods.lower.arrivals_per_day": {"amber": 30.0},
    "places.rear": {
        "name": "Rear", "country": "Northland", "latitude": 34.75, "longitude": 36.6, "population": 4000,
        "communities": {"amber": 0.5, "blue": 0.5}, "control": {"league": 0.5, "crown": 0.5}, "stray_fire": True,
    },
    "places.post": {
        "name": "Post", "country": "Northland", "latitude": 34.62, "longitude": 36.62, "population": 3000,
        "communities": {"amber": 0.2, "blue": 0.8}, "control": {"crown": 0.6, "league": 0.4},
    },
    "corridors.rear_road": {"name": "Rear road", "between": ["rear", "ford"], "capacity_t_day": 2.0, "delay_h": 2.0},
    "corridors.post_road": {"name": "Post road", "between": ["post", "rear"], "capacity_t_day": 3.0, "risk": 0.2},
    "corridors.post_ford": {"name": "Post - Ford", "between": ["post", "ford"], "capacity_t_day": 1.0, "delay_h": 5.0},
    "factions.league.deployed": {"ford": 1.0, "rear": 0.6, "post": 0.1}, "factions.league.fighters": 500,
    "factions.crown.deployed": {"ford": 1.0, "post": 0.5}, "factions.crown.fighters": 900,
    "fronts.post": {"place": "post", "skirmish": 0.1, "cover": 1.5},
    "patrons.harbour.delivers_t_day": {"hill": 3.0, "rear": 1.0},
    # quarters that are near to fighting each other
    "mobilisation": {"threshold": 0.5}, "fire": {"hit_per_hour": 8e-4}, "security": {"threshold_hits_per_day": 2.0},
    "security_forces.guard.lag_h": 6.0, "provocations.per_day": 1.0, "engagement.civilian_hit_per_hour": 2e-4,
    "channels.fighters.volunteers_per_hour": 0.01, "channels.fighters.tour_days": 2.0,
    "channels.refugees.weight": 1.0, "displacement.return_per_day": 1.0, "effort": {"sent_per_day": 0.5},
    # blows from outside, talks, and whoever speaks of it
    "strikes": {"stray_per_day": 20.0, "stray_harm": 0.5, "stock_destroyed": 0.3},
    "consignments.crates": {
        "name": "Crates", "faction": "crown", "route": ["rear", "post", "ford"], "units": 40, "arrives": at(1, 2),
        "stay_h": 20.0,
    },
    "air_forces.wing": {
        "name": "Wing", "against": ["crown"], "reaches": ["rear", "post", "ford"], "detection_per_day": 3.0,
        "answers_to": "hill", "audience": {"blue": 0.5},
    },
    "diplomacy": {"resolve_change": -0.2},
    "events.assault.at": at(1, 9), "engagement.break_off_readiness": 0.6, "engagement.resume_readiness": 0.8,
    "engagement.readiness_gain_per_hour": 0.05,
    "events.column": event("reinforcement", 1, 18, faction="league", place="ford", fighters=60),
    "events.speech": event("statement", 1, 6, audience={"amber": 0.6}),
    "events.brawl": event("provocation", 1, 8, neighbourhood="lower", community="amber", strength=0.5),
    "events.order": event("deployment", 1, 20, force="guard", soldiers=45),
    "events.blow": event("strike", 1, 14, place="ford", target="crown", by="somebody", killed=12),
    "events.talks": event("conference", 1, 3, parties=["league", "crown"], opens=at(1, 15), until=at(2, 6)),
    "observers.wire.sides_with": "league", "observers.wire.lean": 0.1, "observers.wire.counts_wounded": True,
}  # fmt: skip

VARIANTS: dict[str, dict[str, Any]] = {
    "rich": {},
    "options on": {
        "diplomacy": {"anticipation": True, "lull": 0.5, "agreement_chance": 0.9, "truce": 0.6},
        "strikes": {"retaliation": True, "escalation": True, "escalation_threshold": 3.0},
        "security_forces.guard.needs_approval": True, "channels.kin.kin_in_power": 0.5,
    },
    "hungry": {
        "factions.league.stock_days": {"ford": 0.5}, "factions.crown.stock_days": {"ford": 0.5},
        "corridors.valley_road.capacity_t_day": 1.0, "stock": {"target_days": 3.0}, "fronts.ford.skirmish": 0.4,
    },
    "broken": {
        "factions.league.fighters": 120, "factions.league.firepower": 1.0, "factions.league.resolve": 0.4,
        "factions.league.deployed": {"ford": 1.0, "rear": 0.1, "post": 0.1}, "factions.crown.firepower": 1.0,
        "places.rear.control": {"league": 0.8, "crown": 0.2}, "withdrawal": {"ratio_limit": 0.1},
    },
    "calm": {
        "events.assault.on": False, "events.order.on": False,
        "security": {"quiet_hits_per_day": 0.5, "withdraw_after_h": 9.0, "threshold_hits_per_day": 0.0},
        "mobilisation": {"threshold": 0.8}, "fire": {"hit_per_hour": 1e-4},
    },
}  # fmt: skip
"""The same world in other conditions, so that every mechanism is at work in one of them."""


LIKELY = {"DiplomacyParameters": "options on", "StrikeParameters": "options on", "WithdrawalParameters": "broken"}
"""In which of them to look first."""


@cache
def world(variant: str) -> Scenario:
    return Scenario.load("tiny").with_values(RICH | {"scenario.id": "rich"}).with_values(VARIANTS[variant])


@cache
def lived(variant: str) -> tuple[Any, ...]:
    return left(sim.run(world(variant), seed=SEED, threads=1))


def left(result: Result) -> tuple[Any, ...]:
    """Return all that a run leaves, in a form that can be compared."""
    record = result.record
    return (
        record.values.tobytes(),
        record.fire,
        record.flows,
        record.worth,
        record.claims,
        record.series,
        record.happened,
    )


def reported(variant: str, values: dict[str, Any]) -> tuple[Any, ...]:
    """Return what is counted of a run when it is over."""
    result = sim.run(world(variant).with_values(values), seed=SEED, threads=1)
    rounds = [result.rounds(place).to_csv() for place in result.scenario.file.places]
    return result.incidents.to_csv(), result.summary, rounds


# --- every parameter ----------------------------------------------------------------------------------------


def models(of: Any) -> Iterator[type[BaseModel]]:
    """Yield the tables of the schema that a type leads to."""
    if isinstance(of, type) and issubclass(of, BaseModel):
        yield of
        for field in of.model_fields.values():
            yield from models(field.annotation)
    for inner in get_args(of):
        yield from models(inner)


def declared() -> dict[str, FieldInfo]:
    """Return every parameter of the schema, as Table.key."""
    found = {}
    for model in dict.fromkeys(models(ScenarioFile)):
        for key, field in model.model_fields.items():
            if declaration(field) is not None:
                found[f"{model.__name__}.{key}"] = field
    return found


PARAMETERS = declared()


def table_of(file: ScenarioFile, path: str) -> str:
    """Return the name of the table that a path of a scenario ends in."""
    here: Any = file
    for key in path.split(".")[:-1]:
        here = here[key] if isinstance(here, dict) else getattr(here, key)
    return type(here).__name__


@cache
def instances(variant: str) -> dict[str, list[Declared]]:
    """Return where each parameter stands in a world."""
    file, found = world(variant).file, dict[str, list[Declared]]()
    for parameter in walk(file):
        key = parameter.path.rsplit(".", 1)[1]
        found.setdefault(f"{table_of(file, parameter.path)}.{key}", []).append(parameter)
    return found


def others(parameter: Declared, field: FieldInfo) -> list[Any]:
    """Return other values within the range: double, half, the bounds; the other words; the other position."""
    value = parameter.value
    if isinstance(value, bool):
        return [not value]
    if get_origin(field.annotation) is Literal:
        return [word for word in get_args(field.annotation) if word != value]
    low = parameter.low if parameter.low is not None else -1e6
    high = parameter.high if parameter.high is not None else 1e6
    tries = [2 * value, value / 2, (low + min(high, 2.0)) / 2, low, high]
    clipped = [min(high, max(low, x)) for x in tries]
    whole = [round(x) for x in clipped] if isinstance(value, int) else clipped
    return [x for x in dict.fromkeys(whole) if x != value]


def changes_something(name: str, variant: str) -> bool:
    for parameter in instances(variant).get(name, []):
        for value in others(parameter, PARAMETERS[name]):
            try:
                changed = world(variant).with_values({parameter.path: value})
            except ScenarioError:
                continue  # does not go with the rest
            if left(sim.run(changed, seed=SEED, threads=1)) != lived(variant):
                return True
    return False


@pytest.mark.parametrize(
    "name", [name for name in PARAMETERS if not name.startswith("Reports.") and name not in EXEMPT]
)
def test_a_parameter_changes_nothing(name: str) -> None:
    assert any(name in instances(variant) for variant in VARIANTS), "it is in none of the worlds: put it there"
    likely = LIKELY.get(name.split(".")[0], "rich")
    assert any(changes_something(name, variant) for variant in sorted(VARIANTS, key=lambda v: v != likely))


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name.startswith("Reports.")])
def test_a_parameter_of_the_reports_changes_no_report(name: str) -> None:
    key = f"reports.{name.removeprefix('Reports.')}"
    assert reported("calm", {}) != reported("calm", {key: 0})
    assert lived("calm") == left(sim.run(world("calm").with_values({key: 0}), seed=SEED, threads=1))


def test_a_parameter_is_exempt_without_a_reason() -> None:
    assert set(EXEMPT) <= set(PARAMETERS)
    assert len(EXEMPT) <= 2
    assert all(len(reason) > 20 for reason in EXEMPT.values())


# --- what it says of itself ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_lacks_its_unit_range_source_or_grade(name: str) -> None:
    field = PARAMETERS[name]
    said = declaration(field)
    assert said is not None
    assert said["unit"].strip() and said["source"].strip()
    assert said["grade"] in GRADES
    if field.annotation in (int, float) or field.default is None:  # None: another parameter's value, as its source says
        low, high = bounds(field)
        assert low is not None and high is not None, "the range is open"
        assert low < high
        assert field.default is None or low <= field.default <= high
    else:
        assert field.annotation is bool or field.default in get_args(field.annotation)


def test_a_number_of_a_mechanism_is_not_declared() -> None:
    """A numeric field of a mechanism is a parameter, or it is not there."""
    bare = [
        f"{model.__name__}.{key}"
        for model in dict.fromkeys(models(ScenarioFile))
        if model.__name__.endswith("Parameters")
        for key, field in model.model_fields.items()
        if declaration(field) is None and field.annotation is not bool
    ]
    assert bare == []


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_value_is_out_of_its_range(name: str) -> None:
    for parameter in walk(Scenario.load(name).file):
        if isinstance(parameter.value, float | int) and not isinstance(parameter.value, bool):
            assert parameter.low is not None and parameter.high is not None
            assert parameter.low <= parameter.value <= parameter.high, parameter.path


@pytest.mark.parametrize("side", ["low", "high"])
def test_a_value_out_of_range_is_taken(side: str) -> None:
    beyond, step = dict[str, Any](), {"low": -1, "high": 1}[side]
    for parameter in walk(world("rich").file):
        if not isinstance(parameter.value, bool | str):
            beyond[parameter.path] = type(parameter.value)(getattr(parameter, side) + step)
    with pytest.raises(ScenarioError) as error:
        world("rich").with_values(beyond)
    refused = {fault.key for fault in error.value.faults}
    assert refused >= set(beyond)
