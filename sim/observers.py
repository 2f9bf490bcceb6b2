"""Observers: what is said about the fighting, beside what happened.

What happens: each observer reports, some hours after the end of a day, the killed of
the parties it covers in the places it covers, bent by its own factor and by chance; it
may deny that outside fighters take part (A07) while the truth says otherwise.

    claim = round(truth x factor[party] x exp(spread z)),   z standard normal, keyed by observer, place, party, day
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.chance import Chance, code
from sim.kernels.chance import normal_quantile
from sim.theatre import Ints, Theatre

if TYPE_CHECKING:
    from sim.schema import Observer


def report_day(
    observers: dict[str, Observer],
    theatre: Theatre,
    killed: dict[str, Ints],
    chance: Chance,
    first_step: int,
    last_step: int,
    step_h: float,
) -> list[dict[str, Any]]:
    """Return the claims about one day; `killed` is that day's truth: by party, [P] each."""
    claims = []
    for name, observer in observers.items():
        delay = max(1, round(observer.delay_h / step_h))
        common = {
            "observer": name, "claimed_at": last_step + delay, "first_step": first_step, "last_step": last_step,
        }  # fmt: skip
        for p, place in enumerate(theatre.places):
            if observer.places and place not in observer.places:
                continue
            for party, factor in observer.covers.items():
                truth = int(killed[party][p])
                if truth > 0:
                    value = _bend(chance, name, place, party, truth, factor, observer.spread, last_step)
                    claims.append(
                        common | {"place": place, "topic": "killed", "party": party, "value": value, "truth": truth}
                    )
        if "outside_fighters" in observer.denies:
            truth = int(theatre.present[:, theatre.outside].sum())
            claims.append(common | {"place": "", "topic": "outside_fighters", "party": "", "value": 0, "truth": truth})
    return claims


def _bend(
    chance: Chance, observer: str, place: str, party: str, truth: int, factor: float, spread: float, step: int
) -> int:
    z = normal_quantile(chance.uniform("claim", step, code(f"{place}/{party}"), code(observer)))
    return int(np.rint(truth * factor * math.exp(spread * z)))
