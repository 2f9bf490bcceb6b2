"""A small, valid scenario to change and to break: two towns, two quarters of one of them.

`small({"factions.reds.fighters": 10, "clock.zone": DROP})` is its TOML text with those changes.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

DROP: Any = object()

SMALL = """
format = 1

[scenario]
id = "small"
title = "A small scenario"
summary = "Two towns and a street."

[clock]
start = 2013-05-18T00:00:00
zone = "Asia/Beirut"
days = 3.0

[windows.first_day]
first = 2013-05-19
last = 2013-05-19

[communities.red]
name = "Red"
hostility = { green = 0.5 }

[communities.green]
name = "Green"
hostility = { red = 0.5 }

[places.mill]
name = "Mill"
country = "Inland"
latitude = 34.5
longitude = 36.5
population = 5000
communities = { red = 0.6, green = 0.4 }
control = { reds = 0.9, greens = 0.1 }

[places.harbour]
name = "Harbour"
country = "Coast"
latitude = 34.4
longitude = 35.8
population = 9000
communities = { red = 0.5, green = 0.5 }

[fronts.mill]
place = "mill"

[neighbourhoods.east]
name = "East"
place = "harbour"
residents = 100
communities = { red = 1.0 }
rectangle = { west = -150.0, south = -50.0, width = 140.0, height = 100.0 }
able = 0.4
armed = { red = 20.0 }
ties = { red = { mill = 0.5 } }
volunteers = { red = { faction = "reds", place = "mill" } }

[neighbourhoods.west]
name = "West"
place = "harbour"
residents = 100
communities = { green = 1.0 }
polygon = [[35.8002, 34.3996], [35.8015, 34.3996], [35.8015, 34.4004], [35.8002, 34.4004]]
able = 0.4
armed = { green = 20.0 }

[lines_of_contact.street]
name = "Street"
between = ["east", "west"]
path = [[35.8001, 34.3996], [35.8001, 34.4004]]

[factions.reds]
name = "Reds"
constituency = { red = 1.0 }
stance = { greens = -1.0 }
fighters = { value = 200, source = "A06" }
deployed = { mill = 1.0 }

[factions.greens]
name = "Greens"
constituency = { green = 1.0 }
stance = { reds = -1.0 }
fighters = 400
deployed = { mill = 1.0 }

[patrons.uncle]
name = "Uncle"
backs = { greens = 1.0 }
delivers_t_day = { mill = 2.0 }

[corridors.road]
name = "Road"
between = ["mill", "harbour"]

[security_forces.army]
name = "Army"
place = "harbour"
line = "street"
constituency = { red = 0.5, green = 0.5 }
standing = 10
reserve = 20

[events.assault]
kind = "offensive"
at = 2013-05-19T06:00:00
until = 2013-05-20T06:00:00
text = "The Greens assault Mill."
place = "mill"
attackers = ["greens"]

[events.speech]
kind = "statement"
at = 2013-05-18T12:00:00
text = "Somebody speaks."
audience = { red = 0.2 }

[observers.desk]
name = "News desk"
office = "news desk"
places = ["mill"]
covers = { reds = 1.0, civilians = 0.9 }

[benchmarks.first]
claim = "A05"
text = "at least 5 killed"
measure = "killed"
place = "mill"
window = "first_day"
low = 5.0
by = "somebody"

[mobilisation]
threshold = 0.7
stand_down_per_hour = 0.1

[fire]
hit_per_hour = 2.5e-5

[provocations]
strength = 0.5
half_life_h = 18.0

[engagement]
readiness_loss_per_hour = 0.09

[control]
advance_per_hour = 0.16
consolidation = 2.0
"""


def small(changes: Mapping[str, Any] | None = None) -> str:
    """Return the scenario's TOML with other values at some dotted paths; DROP takes a key away."""
    tree = tomllib.loads(SMALL)
    for path, value in (changes or {}).items():
        *above, last = path.split(".")
        table = tree
        for key in above:
            table = table.setdefault(key, {})
        if value is DROP:
            del table[last]
        else:
            table[last] = value
    return tomli_w.dumps(tree)


def written(folder: Path, changes: Mapping[str, Any] | None = None, name: str = "small.toml") -> Path:
    """Write the changed scenario into a folder and return its file."""
    path = folder / name
    path.write_text(small(changes), encoding="utf-8")
    return path
