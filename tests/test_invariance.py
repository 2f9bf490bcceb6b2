"""What must not make a difference: threads, pauses, channels switched off, events that do nothing, strangers.

Two runs are the same if everything they recorded is the same, bit for bit. Luck belongs to a decision and to
someone (a seed, a name, a step), so two runs differ only where the cause differs.
"""

from __future__ import annotations

import gc
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tomli_w

import sim.residents
from sim.channels import ALARMS, CHANNELS
from sim.events import KINDS
from sim.model import SpilloverModel
from sim.record import Record
from sim.scenario import Scenario, shipped

Floats = npt.NDArray[np.float64]

SEED = 7
ALL_OFF = {f"channels.{name}.on": False for name in CHANNELS}


@cache
def tiny() -> Scenario:
    """Two towns, with all seven channels at work."""
    return Scenario.load("tiny").with_values({
        "clock.days": 3.5, "channels.news.weight": 0.5, "events.speech": {
            "kind": "statement", "at": datetime(2001, 5, 1, 6), "text": "A speech.", "audience": {"amber": 0.6},
        },
        "neighbourhoods.ford_town": {
            "name": "Ford town", "place": "ford", "residents": 300, "communities": {"amber": 1.0}, "able": 0.0,
            "rectangle": {"west": -200.0, "south": -200.0, "width": 400.0, "height": 400.0},
        },
        "engagement.civilian_hit_per_hour": 2e-4, "provocations.per_day": 0.3, "channels.arms.weapons_per_tonne": 20.0,
        "channels.refugees.weight": 1.0, "channels.fighters.volunteers_per_hour": 0.005,
    })  # fmt: skip


@cache
def qusayr() -> Scenario:
    """The battle for Qusayr, from the noon before the assault to the second day after it."""
    values = {"clock.start": datetime(2013, 5, 18, 12), "clock.days": 3.0}
    return Scenario.load("qusayr-2013").with_values(values)


def run(scenario: Scenario, seed: int = SEED, threads: int = 1) -> Record:
    model = SpilloverModel(scenario, seed, threads)
    model.run_for(scenario.steps)
    return model.record


@cache
def once(scenario: Scenario) -> Record:
    """Return a run to compare others with."""
    return run(scenario)


def assert_same(one: Record, other: Record) -> None:
    """Assert that two runs left the same, but for what is said to have happened."""
    assert one.series == other.series
    assert one.steps_done == other.steps_done
    assert one.values.tobytes() == other.values.tobytes(), difference(one, other)
    for what in ("fire", "flows", "worth", "claims"):
        assert getattr(one, what) == getattr(other, what), what


def difference(one: Record, other: Record) -> str:
    """Say where two runs part."""
    step, column = np.argwhere(one.values != other.values)[0]
    return f"from step {step}, first in {one.series[column]}: {one.values[step, column]} {other.values[step, column]}"


def differ(one: Record, other: Record) -> bool:
    return one.values.tobytes() != other.values.tobytes()


# --- the same seed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", [tiny, qusayr])
def test_the_same_seed_gives_another_run(scenario: Callable[[], Scenario]) -> None:
    one, other = run(scenario()), run(scenario())
    assert_same(one, other)
    assert one.happened == other.happened


def test_another_seed_gives_the_same_run() -> None:
    assert differ(run(tiny(), 1), run(tiny(), 2))
    assert differ(run(tiny(), 2), run(tiny(), 2 + 2**32)), "only half of the seed is used"


def test_the_number_of_threads_changes_a_number() -> None:
    """More than 300,000 residents, below which one thread is used in any case."""
    crowd = tiny().with_values(
        {
            "clock.days": 0.5, "clock.start": datetime(2001, 5, 2),
            "neighbourhoods.lower.residents": 160_000, "neighbourhoods.upper.residents": 160_000,
            "neighbourhoods.lower.armed": {"amber": 4000.0},
        }
    )  # fmt: skip
    one = SpilloverModel(crowd, SEED, threads=1)
    two = SpilloverModel(crowd, SEED, threads=2)
    three = SpilloverModel(crowd, SEED, threads=3)
    assert one.residents.state.size > sim.residents.THREADS_FROM
    assert one.pool is None and two.pool is not None
    for model in (one, two, three):
        model.run_for(crowd.steps)
    assert_same(one.record, two.record)
    assert_same(one.record, three.record)
    assert (one.residents.state == two.residents.state).all()
    assert (one.residents.lived == two.residents.lived).all()
    assert (one.residents.state != 0).any()


def test_a_pause_between_two_hours_changes_a_number() -> None:
    whole, paused = SpilloverModel(tiny(), SEED), SpilloverModel(tiny(), SEED)
    whole.run_for(60)
    for _ in range(60):
        paused.run_for(1)
    assert_same(whole.record, paused.record)
    assert whole.record.happened == paused.record.happened


def test_a_run_changes_its_scenario_or_the_next_run() -> None:
    scenario = tiny()
    before = scenario.content_hash()
    first = SpilloverModel(scenario, SEED)
    second = SpilloverModel(scenario, SEED)
    first.run_for(30)
    second.run_for(30)
    assert_same(first.record, second.record)
    assert scenario.content_hash() == before


def test_a_short_run_is_not_the_beginning_of_a_long_one() -> None:
    short, long = run(tiny().with_values({"clock.days": 2.0})), once(tiny())
    assert short.values.tobytes() == long.values[:48].tobytes()


# --- what does nothing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", [tiny, qusayr])
def test_an_event_that_does_nothing_changes_something(scenario: Callable[[], Scenario]) -> None:
    at = scenario().file.clock.start + timedelta(hours=5)
    null = {"events.nothing": {"kind": "nothing", "at": at, "text": "Nothing happens."}}
    one, other = once(scenario()), run(scenario().with_values(null))
    assert_same(one, other)
    assert [row for row in other.happened if row[1] != "nothing"] == one.happened
    assert (5, "nothing", "Nothing happens.") in other.happened


def test_an_event_that_is_off_changes_something() -> None:
    assert_same(run(tiny().without("speech")), run(tiny().with_values({"events.speech.audience.amber": 0.0})))


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_channel_that_is_off_differs_from_one_without_weight(channel: str) -> None:
    off = tiny().with_values({f"channels.{channel}.on": False})
    weightless = tiny().with_values({f"channels.{channel}.weight": 0.0})
    assert_same(run(off), run(weightless))
    assert differ(run(off), once(tiny())), "the channel does nothing at all: this test has no power"


@pytest.mark.parametrize("channel", ALARMS)
def test_a_channel_that_is_off_still_raises_alarm(channel: str) -> None:
    record = run(tiny().with_values({f"channels.{channel}.on": False}))
    alarm = [s.measure == f"alarm_{channel}" for s in record.series]
    assert any(alarm)
    assert not record.values[:, alarm].any()


# --- spillover comes by the channels, and by nothing else (P14) ---------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A run with the offensive and one without, and the series of the quarters away from the front."""

    name: str
    scenario: Callable[[], Scenario]
    offensive: str
    place: str  # of the quarters away from the front
    front: str


PAIRS = (
    Pair("tiny", tiny, "assault", "hill", "ford"),
    Pair("qusayr", qusayr, "offensive", "tripoli", "qusayr"),
)


def quarters(record: Record, place: str) -> Floats:
    """Return the series of the neighbourhoods of a place, and of who was hurt there."""
    of = [s.place == place and (s.neighbourhood != "" or s.measure in ("killed", "wounded")) for s in record.series]
    assert sum(of) > 20
    return record.values[:, of]


def begin(record: Record, scenario: Scenario, event: str) -> int:
    return next(step for step, name, _ in record.happened if name == event)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: p.name)
def test_with_all_channels_off_the_offensive_is_felt_elsewhere(pair: Pair) -> None:
    deaf = pair.scenario().with_values(ALL_OFF)
    battle, peace = run(deaf), run(deaf.without(pair.offensive))
    assert quarters(battle, pair.place).tobytes() == quarters(peace, pair.place).tobytes()
    assert differ(battle, peace), "nothing happened at the front either: this test has no power"


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: p.name)
def test_with_all_channels_on_the_offensive_is_not_felt_elsewhere(pair: Pair) -> None:
    battle, peace = once(pair.scenario()), run(pair.scenario().without(pair.offensive))
    assert quarters(battle, pair.place).tobytes() != quarters(peace, pair.place).tobytes()


@pytest.mark.parametrize("channel", CHANNELS)
def test_one_channel_alone_lets_nothing_through(channel: str) -> None:
    """All but one are off: what is left, at a high weight, is felt in Hill in one of six runs at least.

    A little may move nobody: refugees do in about half of the runs. A channel that carries nothing moves no one in any.
    """
    alone = tiny().with_values({**ALL_OFF, f"channels.{channel}.on": True, f"channels.{channel}.weight": 2.0})
    calm = alone.without("speech" if channel == "news" else "assault")
    assert any(
        quarters(run(alone, seed), "hill").tobytes() != quarters(run(calm, seed), "hill").tobytes()
        for seed in range(SEED, SEED + 6)
    )


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: p.name)
def test_the_offensive_changes_something_before_it_begins(pair: Pair) -> None:
    battle, peace = once(pair.scenario()), run(pair.scenario().without(pair.offensive))
    first = begin(battle, pair.scenario(), pair.offensive)
    assert first > 12
    assert battle.values[:first].tobytes() == peace.values[:first].tobytes()
    for what in ("fire", "flows", "worth"):
        before = [[row for row in getattr(record, what) if row[0] < first] for record in (battle, peace)]
        assert before[0] == before[1]
    assert battle.values[first].tobytes() != peace.values[first].tobytes(), "it begins later than said"


# --- luck belongs to a name ---------------------------------------------------------------------------------

FAR: dict[str, dict[str, Any]] = {
    "communities": {"grey": {"name": "Grey"}},
    "places": {
        "far": {
            "name": "Far", "country": "Westland", "latitude": 44.0, "longitude": 6.0, "population": 5000,
            "communities": {"grey": 1.0}, "stray_fire": True, "control": {"greys": 0.5, "ghosts": 0.5},
        },
    },
    "neighbourhoods": {
        "mews": {
            "name": "Mews", "place": "far", "residents": 200, "communities": {"grey": 1.0},
            "rectangle": {"west": 0.0, "south": 0.0, "width": 100.0, "height": 100.0},
        },
    },
    "factions": {
        "greys": {
            "name": "Greys", "constituency": {"grey": 1.0}, "fighters": 50, "deployed": {"far": 1.0},
            "stance": {"ghosts": -1.0},
        },
        "ghosts": {"name": "Ghosts", "constituency": {"grey": 1.0}, "fighters": 50, "deployed": {"far": 1.0}},
    },
    "events": {"rumour": {"kind": "statement", "at": datetime(2001, 5, 1, 3), "text": "!", "audience": {"grey": 1.0}}},
    "observers": {"parrot": {"name": "Parrot", "office": "a cage", "places": ["far"], "covers": {"greys": 1.0}}},
}  # fmt: skip
"""People, fighters and a war that have nothing to do with anyone: no road, no kin, no enemy."""


def with_strangers(scenario: Scenario, first: bool) -> Scenario:
    """Return a scenario with strangers in it, listed before everyone else or after."""
    tree = tomllib.loads(scenario.to_toml())
    for table, added in FAR.items():
        tree[table] = added | tree.get(table, {}) if first else tree.get(table, {}) | added
    return Scenario.from_toml(tomli_w.dumps(tree), "with strangers")


@pytest.mark.parametrize("first", [True, False], ids=["before all others", "after all others"])
def test_strangers_change_the_luck_of_others(first: bool) -> None:
    """Whatever is added, and wherever it stands in the file, everyone else's draws stay theirs."""
    stray = {"stray_per_day": 20.0, "stray_harm": 0.5, "stray_reach_km": 100.0}
    alone = tiny().with_values({"places.hill.stray_fire": True, "strikes": stray})
    before, after = run(alone), run(with_strangers(alone, first))
    column = {s: i for i, s in enumerate(after.series)}
    changed = [
        s for i, s in enumerate(before.series)
        if (after.values[:, column[s]] != before.values[:, i]).any()
    ]  # fmt: skip
    assert changed == []
    assert before.values[:, [s.measure == "stray_fire" for s in before.series]].sum() > 3, "this test has no power"
    known = [claim for claim in after.claims if claim["observer"] != "parrot"]
    assert known == before.claims


def test_a_quarters_residents_change_with_the_quarter_beside_it() -> None:
    """Traits are drawn by number within the quarter: taking Upper Hill away leaves those of Lower Hill."""
    tree = tomllib.loads(tiny().to_toml())
    for path in (("neighbourhoods", "upper"), ("lines_of_contact", "market_street"), ("security_forces", "guard")):
        del tree[path[0]][path[1]]
    fewer = SpilloverModel(Scenario.from_toml(tomli_w.dumps(tree)), SEED).residents
    more = SpilloverModel(tiny(), SEED).residents
    for trait in ("able", "weapon_rank", "hardship", "aversion", "ties"):
        assert (getattr(fewer, trait)[:400] == getattr(more, trait)[:400]).all(), trait


# --- every event happens ------------------------------------------------------------------------------------


class Clockwork(SpilloverModel):
    """A model in which time passes and nothing else happens but the events."""

    def step(self) -> None:
        self.now += 1


THEATRES = [name for name in shipped() if Scenario.load(name).model == "theatre"]
"""A known model has no events."""


@pytest.mark.parametrize("name", THEATRES)
def test_an_event_is_lost(name: str) -> None:
    """Mesa keeps weak references to callbacks and drops a dead one without a word."""
    scenario = Scenario.load(name)
    events = scenario.file.events
    due = {event: scenario.step_of(spec.at) for event, spec in events.items() if spec.on}
    due = {event: step for event, step in due.items() if 0 <= step < scenario.steps}
    model = Clockwork(scenario, SEED)
    assert [happening.name for happening in model.scheduled] == list(due)
    assert all(happening.model is model for happening in model.scheduled)
    gc.collect()
    model.run_for(scenario.steps)
    assert model.now == scenario.steps
    happened = [(event, step) for step, event, _ in model.record.happened]
    for event, step in due.items():
        assert (event, step) in happened, f"{event} was lost, or came at another hour"
    assert [step for _, step in happened] == sorted(step for _, step in happened)


def test_events_that_nobody_holds_would_be_lost_without_anyone_noticing() -> None:
    """The other way round: with `model.scheduled` gone the assault never comes. It is what keeps them."""
    model = SpilloverModel(tiny(), SEED)
    model.scheduled.clear()
    gc.collect()
    model.run_for(48)
    assert not [event for _, event, _ in model.record.happened if event in tiny().file.events]
    assert not model.theatre.assault.any()


AT = {"at": datetime(2001, 5, 1, 4), "text": "It happens."}
EVENTS: dict[str, dict[str, Any]] = {
    "offensive": {"place": "ford", "attackers": ["crown"], "until": datetime(2001, 5, 1, 8)},
    "reinforcement": {"faction": "league", "place": "ford", "fighters": 90},
    "statement": {"audience": {"amber": 0.9}},
    "provocation": {"neighbourhood": "lower", "community": "amber", "strength": 2.0},
    "deployment": {"force": "guard", "soldiers": 5},
    "seal": {"corridors": ["valley_road"]},
    "strike": {"place": "ford", "target": "crown", "by": "somebody", "killed": 9},
    "border_fire": {"place": "hill", "by": "somebody"},
    "conference": {"parties": ["league", "crown"], "until": datetime(2001, 5, 1, 20)},
    "nothing": {},
}
WITHOUT_EFFECT = {"nothing"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_of_some_kind_has_no_effect_or_an_early_one(kind: str) -> None:
    base = tiny().with_values({"diplomacy.resolve_change": -0.5, "clock.days": 2.0, "events.assault.on": False})
    event = {"kind": kind, **AT, **EVENTS[kind]}
    calm, stirred = once(base), run(base.with_values({"events.stir": event}))
    assert (4, "stir", "It happens.") in stirred.happened
    shared = [s for s in calm.series if s in set(stirred.series)]
    of = {s: i for i, s in enumerate(stirred.series)}
    one = calm.values[:, [calm.series.index(s) for s in shared]]
    other = stirred.values[:, [of[s] for s in shared]]
    assert (one[:4] == other[:4]).all(), "it is felt before it happens"
    assert (one[4:] != other[4:]).any() != (kind in WITHOUT_EFFECT)
