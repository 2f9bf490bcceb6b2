"""No death counts twice, nobody is besieged by their own side, and what is done is booked to who did it."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import numpy as np
import pytest

import sim
from sim.channels import alliance, fighters, kin, proximity
from sim.model import SpilloverModel
from sim.scenario import Scenario
from sim.seen import Seen, freeze

FORD, HILL = 0, 1


def model(changes: dict[str, object] | None = None, name: str = "tiny") -> SpilloverModel:
    return SpilloverModel(Scenario.load(name).with_values(changes or {}), seed=1)


def seen_by(m: SpilloverModel, **said: np.ndarray) -> Seen:
    now = freeze(m.theatre, m.city, m.residents.displaced)
    return dataclasses.replace(now, **{k: v.copy() for k, v in said.items()})


def test_an_assault_besieges_those_it_is_against_and_not_those_who_make_it() -> None:
    m = model()
    m.theatre.assault[FORD, m.theatre.factions.index("crown")] = 1.0
    siege = dict(zip(m.theatre.factions, freeze(m.theatre, m.city, m.residents.displaced).siege[FORD], strict=True))
    assert siege["crown"] == siege["guests"] == 0.0
    assert siege["league"] == pytest.approx(0.2)


def test_deaths_of_the_own_volunteers_are_felt_once() -> None:
    m = model()
    amber, lower = m.theatre.communities.index("amber"), 0
    beyond = np.zeros((2, 2))
    beyond[FORD, amber] = 10.0
    own = np.zeros((m.city.groups, 2))
    p = m.file.channels
    of_others = seen_by(m, toll=beyond, beyond=beyond, volunteer_toll=own)
    own[lower, FORD] = 10.0
    of_volunteers = seen_by(m, toll=beyond, beyond=beyond, volunteer_toll=own)
    assert kin.alarm(of_others, m.city, m.theatre, p.kin)[lower] > 0
    assert kin.alarm(of_volunteers, m.city, m.theatre, p.kin)[lower] == 0
    assert (
        fighters.alarm(of_volunteers, m.city, m.theatre, p.fighters)[lower]
        > fighters.alarm(of_others, m.city, m.theatre, p.fighters)[lower]
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_toll_of_those_in_solidarity_counts_as_ones_own_by_that_share_and_as_others_by_the_rest(share: float) -> None:
    m = model({"communities.amber.solidarity": {"blue": share}, "neighbourhoods.lower.ties": {"amber": {"ford": 1.0}}})
    blue, lower, p = m.theatre.communities.index("blue"), 0, m.file.channels
    toll = np.zeros((2, 2))
    toll[FORD, blue] = 8.0
    now = seen_by(m, toll=toll, beyond=toll)
    as_own = kin.alarm(now, m.city, m.theatre, p.kin)[lower]
    near = np.exp(-m.theatre.distance_km[HILL, FORD] / p.proximity.reach_km)
    as_others = proximity.alarm(now, m.city, m.theatre, p.proximity)[lower]
    assert as_own == pytest.approx(8 * share / (8 * share + p.kin.toll_half))
    x = 8 * (1 - share) * near
    assert as_others == pytest.approx(x / (x + p.proximity.toll_half))


def test_those_who_are_hostile_fire_and_not_those_who_are_hated() -> None:
    hated = {
        "communities.amber.hostility": {"blue": 0.0},
        "mobilisation.threshold": 0.1,
        "fire.hit_per_hour": 2e-4,
        "channels.fighters.on": False,
    }
    m = model(hated)
    m.run_for(72)
    hurt = {
        s.community: m.record.values[:72, i].sum()
        for i, s in enumerate(m.record.series)
        if s.measure == "wounded" and s.neighbourhood
    }
    assert hurt["amber"] > 0
    assert hurt["blue"] == 0


def test_alarm_at_fighters_from_outside_comes_at_once_and_outlasts_a_pause() -> None:
    m = model({"channels.alliance.half_life_days": 2.0})
    guests, p, amber = m.theatre.factions.index("guests"), m.file.channels.alliance, 0
    assert m.theatre.outside[guests] and m.theatre.hostile_to[guests, m.city.community[amber]] > 0
    here = p.fighters_half / m.theatre.hostile_to[guests, m.city.community[amber]]  # at half alarm
    felt = []
    for hour in range(73):
        m.theatre.engaged[:] = 0.0
        m.theatre.engaged[FORD, guests] = here if hour == 0 else here / 16
        alliance.remember(m.theatre, p, 1.0)
        felt.append(float(alliance.alarm(seen_by(m), m.city, m.theatre, p)[amber]))
    assert felt[0] == pytest.approx(1 / 2)
    assert felt[48] == pytest.approx((1 / 2) / (1 / 2 + 1))  # two days, half of them
    for _ in range(200):
        alliance.remember(m.theatre, p, 1.0)
    still = float(alliance.alarm(seen_by(m), m.city, m.theatre, p)[amber])
    assert still == pytest.approx((1 / 16) / (1 / 16 + 1))  # never fewer than there are


def test_wounded_who_withdrew_recover_where_they_are() -> None:
    m = model()
    league = m.theatre.factions.index("league")
    m.theatre.hurt[HILL, league] = 500
    before = m.theatre.fighters[HILL, league]
    m.run_for(24)
    assert m.theatre.hurt[HILL, league] < 500
    assert m.theatre.fighters[HILL, league] > before


def test_end_of_one_assault_leaves_the_other_standing() -> None:
    second = {
        "kind": "offensive", "at": datetime(2001, 5, 2, 12), "until": datetime(2001, 5, 3), "text": "A raid.",
        "place": "ford", "attackers": ["crown"], "intensity": 2.0,
    }  # fmt: skip
    m = model({"events.raid": second})
    crown, seen = m.theatre.factions.index("crown"), []
    for _ in range(60):
        m.run_for(1)
        seen.append(m.theatre.assault[FORD, crown])
    assert seen[31] == 1.0 and seen[40] == 2.0 and seen[55] == 1.0


def test_strikes_and_explosions_are_incidents_and_answers_have_a_name() -> None:
    incidents = sim.run("golan-escalation", seed=1, days=10, threads=1).incidents
    explosions = incidents[incidents["sub_event_type"].str.contains("Shelling") & (incidents["place"] == "damascus")]
    assert len(explosions) >= 1
    strikes = incidents[incidents["sub_event_type"] == "Air/drone strike"]
    assert set(strikes["side_a"]) | set(strikes["side_b"]) >= {"Israeli air force"}
    assert not strikes["dyad_name"].str.contains("Stray").any()
