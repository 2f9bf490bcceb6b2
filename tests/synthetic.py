"""A made-up theatre and a made-up record of a run there, for tests of what is made of a run.

`record_of` draws as many casualties as one asks for and books each of them in every column it belongs
to, so that what must add up adds up.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from sim.record import EVENT_TYPES, Record, Series, Side
from sim.runs import Result, versions
from sim.scenario import Scenario

CHANNELS = ("kin", "alliance", "news", "proximity", "fighters")
LEVELS = (
    "calm",
    "mobilised",
    "sheltering",
    "hurt",
    "detained",
    "displaced",
    "away",
    "dead",
    "armed",
    "threat",
)

THEATRE = """
format = 1
windows.first_days = { first = 2013-05-19, last = 2013-05-20 }
windows.long_ago = { first = 2012-01-01, last = 2012-01-31 }

[scenario]
id = "two-towns"
title = "Two towns"
summary = "A battle in one town and quarrels in another."

[clock]
start = 2013-05-17T00:00:00
zone = "Asia/Damascus"
days = 10.0
step_hours = 1.0

[communities]
sunni = { name = "Sunni", hostility = { alawite = 0.6 } }
alawite = { name = "Alawite", hostility = { sunni = 0.6 } }

[places.qusayr]
name = "Qusayr"
country = "Syria"
latitude = 34.509
longitude = 36.58
population = 30000
communities = { sunni = 0.9, alawite = 0.1 }
control = { rebels = 1.0 }

[places.homs]
name = "Homs"
country = "Syria"
latitude = 34.73
longitude = 36.72
population = 700000
communities = { sunni = 0.7, alawite = 0.3 }
control = { government = 0.7, rebels = 0.3 }

[places.tripoli]
name = "Tripoli"
country = "Lebanon"
latitude = 34.436
longitude = 35.84
population = 230000
communities = { sunni = 0.9, alawite = 0.1 }

[neighbourhoods.low]
name = "The Low Quarter"
place = "tripoli"
residents = 20000
communities = { sunni = 1.0 }
polygon = [[35.845, 34.444], [35.851, 34.444], [35.851, 34.450], [35.845, 34.450]]

[neighbourhoods.hill]
name = "The Hill"
place = "tripoli"
residents = 12000
people_per_agent = 2
communities = { alawite = 1.0 }
rectangle = { west = 800, south = 200, width = 400, height = 600 }

[lines_of_contact.street]
name = "The street between them"
between = ["low", "hill"]
path = [[35.851, 34.444], [35.851, 34.450]]

[factions.government]
name = "Government"
constituency = { alawite = 1.0 }
stance = { rebels = -1.0 }
fighters = 6000
deployed = { qusayr = 5.0, homs = 1.0 }

[factions.rebels]
name = "Rebels"
constituency = { sunni = 1.0 }
stance = { government = -1.0 }
fighters = 1900
deployed = { qusayr = 1.0 }

[security_forces.army]
name = "Army of the other country"
place = "tripoli"
line = "street"
constituency = { sunni = 0.6, alawite = 0.4 }

[corridors.north]
name = "Homs–Qusayr"
between = ["homs", "qusayr"]

[corridors.coast]
name = "Tripoli–Homs"
between = ["tripoli", "homs"]
barred = ["government"]

[events.assault]
kind = "offensive"
at = 2013-05-19T06:00:00
text = "The assault on Qusayr begins"
place = "qusayr"
attackers = ["government"]

[events.words]
kind = "statement"
at = 2013-05-25T18:00:00
text = "A speech on the war"
audience = { sunni = 0.4 }

[benchmarks.sunday]
claim = "A05"
text = "At least 52 killed on the first day"
measure = "killed"
place = "qusayr"
window = "first_days"
low = 52
by = "activists"

[benchmarks.town]
claim = "A04"
text = "Most of the town is held"
measure = "control"
place = "qusayr"
faction = "government"
window = "first_days"
low = 0.5
by = "state agency"

[benchmarks.losses]
claim = "A02"
text = "Losses of the government's side"
measure = "faction_killed"
faction = "government"
low = 1
high = 2
by = "activists"
"""

ELSEWHERE = """
format = 1
[scenario]
id = "elsewhere"
title = "Elsewhere"
summary = "One place in the middle of an ocean, far from every outline."
[clock]
start = 2031-01-01T12:00:00
days = 3.0
step_hours = 0.5
[communities]
blue = { name = "Blue" }
[places.rock]
name = "The Rock"
country = "Nowhere"
latitude = -40.0
longitude = -120.0
"""

SIDES = (
    Side("government", "Government", "state", "alawite"),
    Side("rebels", "Rebels", "armed_group", "sunni"),
    Side("low", "Armed residents of the Low Quarter", "residents", "sunni"),
    Side("hill", "Armed residents of The Hill", "residents", "alawite"),
    Side("army", "Army of the other country", "state", "sunni"),
)


def theatre(**values: Any) -> Scenario:
    """Return the scenario of the two towns, with other values at dotted paths (`clock__days=2`)."""
    scenario = Scenario.from_toml(THEATRE)
    return scenario.with_values({key.replace("__", "."): v for key, v in values.items()}) if values else scenario


def empty_record(scenario: Scenario, *, more_series: int = 0) -> Record:
    """Return a record in which nothing happens; `more_series` makes it as wide as a large run's."""
    file, series = scenario.file, list[Series]()
    for name, quarter in file.neighbourhoods.items():
        for community in quarter.communities:
            at = (quarter.place, name, community)
            series += [Series(measure, "people", *at) for measure in ("killed", "wounded", *LEVELS)]
            series += [Series(f"alarm_{channel}", "1", *at) for channel in CHANNELS]
    for place in file.places:
        series += [Series(m, "people", place, "", c) for c in file.communities for m in ("killed", "wounded")]
        series += [Series("displaced_here", "people", place)]
        for faction in [*file.factions, *file.security_forces]:
            series += [Series(f"faction_{what}", "people", place, "", "", faction) for what in ("killed", "wounded")]
        for faction in file.factions:
            series += [
                Series("control", "1", place, "", "", faction),
                Series("stock", "t", place, "", "", faction),
            ]
    series += [Series("extra", "1", next(iter(file.places)), "", "", str(i)) for i in range(more_series)]
    return Record(tuple(series), np.zeros((scenario.steps, len(series))), SIDES)


def book(record: Record, scenario: Scenario, **row: Any) -> None:
    """Book one row of fire: in `fire`, and the people it hurt in the columns they belong to."""
    file, sides = scenario.file, [side.id for side in record.sides]
    places, quarters = list(file.places), list(file.neighbourhoods)
    quarter = row.get("neighbourhood")
    a, b = (sides.index(row[x]) if row.get(x) else -1 for x in ("side_a", "side_b"))
    counts = [row.get(f"{what}_{whom}", 0) for what in ("killed", "wounded") for whom in ("a", "b", "civilians")]
    kind = EVENT_TYPES.index(row.get("event_type", "armed_clash"))
    number = -1 if quarter is None else quarters.index(quarter)
    record.fire.append((row["step"], places.index(row["place"]), number, a, b, kind, *counts))
    columns = {s: i for i, s in enumerate(record.series)}
    for what, (of_a, of_b, civilians) in (("killed", counts[:3]), ("wounded", counts[3:])):
        for side, count in ((a, of_a), (b, of_b)):
            if count:
                who = record.sides[side]
                home = who.id if who.kind == "residents" else ""
                record.values[row["step"], columns[Series(what, "people", row["place"], home, who.community)]] += count
                if not home:
                    force = Series(f"faction_{what}", "people", row["place"], "", "", who.id)
                    record.values[row["step"], columns[force]] += count
        if civilians:
            home = quarter or ""
            community = next(iter(file.neighbourhoods[home].communities)) if home else "sunni"
            record.values[row["step"], columns[Series(what, "people", row["place"], home, community)]] += civilians


def record_of(scenario: Scenario, *, seed: int = 1, rows: int = 120, more_series: int = 0) -> Record:
    """Return a record of a battle in Qusayr and of quarrels in Tripoli."""
    draw = np.random.default_rng(seed)
    record = empty_record(scenario, more_series=more_series)
    steps = record.steps_done = scenario.steps
    a_day = scenario.steps_a_day
    for step in np.sort(np.minimum(draw.gamma(4.0, steps / 12, rows).astype(int), steps - 1)).tolist():
        killed = dict(
            zip(("killed_a", "killed_b", "killed_civilians"), draw.poisson((1, 2, 0.3)).tolist(), strict=True)
        )
        kind = str(draw.choice(["armed_clash", "shelling"]))
        pair = ("government", "rebels") if draw.random() < 0.5 else ("rebels", "government")
        sides = {"side_a": pair[0], "side_b": pair[1]}
        book(
            record,
            scenario,
            step=step,
            place="qusayr",
            **sides,
            event_type=kind,
            **killed,
            wounded_b=int(draw.poisson(3)),
        )
        if draw.random() < 0.4:
            home = str(draw.choice(["low", "hill"]))
            hurt = {
                "killed_civilians": int(draw.poisson(0.2)),
                "wounded_a": 1,
                "wounded_civilians": int(draw.poisson(2)),
            }
            book(
                record,
                scenario,
                step=step,
                place="tripoli",
                neighbourhood=home,
                side_a="low",
                side_b="hill",
                **hurt,
            )
    _levels(record, scenario, draw)
    places, factions = range(len(scenario.file.places)), range(len(scenario.file.factions))
    days = range(0, steps, a_day)
    record.flows = [(d, c, f, 4.5 * (c + 1) * (f + 1), 1.0 - 0.5 * c) for d in days for c in (0, 1) for f in factions]
    record.worth = [(d, p, f, float(10 - 3 * p + f)) for d in days for p in places for f in factions]
    claim = {
        "observer": "watch",
        "place": "qusayr",
        "topic": "killed",
        "party": "rebels",
        "value": 50.0,
        "truth": 61.0,
    }
    record.claims = [{**claim, "claimed_at": a_day, "first_step": 0, "last_step": a_day - 1}]
    record.happened = [(scenario.step_of(e.at), name, e.text) for name, e in scenario.file.events.items()]
    record.happened = [row for row in record.happened if 0 <= row[0] < steps]
    return record


def _levels(record: Record, scenario: Scenario, draw: np.random.Generator) -> None:
    t = np.linspace(0, 1, record.steps_done)
    for i, s in enumerate(record.series):
        if s.measure == "control" and s.place == "qusayr":
            taken = np.clip((t - 0.2) * 2, 0, 1)
            record.values[:, i] = taken if s.faction == "government" else 1 - taken
        elif s.measure == "control":
            record.values[:, i] = scenario.file.places[s.place].control.get(s.faction, 0.0)
        elif s.measure.startswith("alarm_"):
            record.values[:, i] = np.clip(np.exp(-(((t - 0.4) * 6) ** 2)) * draw.random(), 0, 1)
        elif s.measure == "displaced":
            record.values[:, i] = np.floor(900 * t)
        elif s.measure == "displaced_here" and s.place == "homs":
            record.values[:, i] = np.floor(1000 * t)
        elif s.measure in ("stock", "extra", "armed", "mobilised", "threat"):
            record.values[:, i] = draw.random(record.steps_done) * 10


def result_of(scenario: Scenario, record: Record, *, seed: int = 7, interrupted: bool = False) -> Result:
    """Return the result of a run that left this record."""
    started = datetime(2026, 1, 1, tzinfo=UTC)
    return Result(scenario, seed, record, interrupted, started, started, 1.5, versions())
