"""Observers: what is said about the fighting, beside what happened.

What happens: at the end of each day every observer reports, some hours later, the killed (and the
wounded, if it counts them) of the parties it covers in the places it covers. It sees a share of
them, bends the number by its bias towards that party and by chance; it may say who holds a
place, leaning to the side it is with; and it may deny that outside fighters take part (A07)
while the truth says otherwise.

    seen  ~ Binomial(truth, covers[party])
    claim = round(seen x bias[party] x exp(spread z)),   z standard normal
    claimed share held = clip(truth + lean, 0, 1) for the faction it sides with

Draws are keyed by observer, place, party, topic and day. Factors are assumed: they encode A03 to A07
and A22, not a measurement of any institution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import kernels
from sim.chance import Chance, code
from sim.theatre import Ints, Theatre

if TYPE_CHECKING:
    from sim.schema import Observer


@dataclass(frozen=True)
class Day:
    """The truth of one day: people by topic ("killed", "wounded") and party, by place, [P] each."""

    first_step: int
    last_step: int
    hurt: dict[tuple[str, str], Ints]


def report_day(
    observers: dict[str, Observer], theatre: Theatre, day: Day, chance: Chance, step_h: float
) -> list[dict[str, Any]]:
    """Return what every observer says about one day."""
    said = (_claims(name, observer, theatre, day, chance, step_h) for name, observer in observers.items())
    return list(chain.from_iterable(said))


def _claims(
    name: str, observer: Observer, theatre: Theatre, day: Day, chance: Chance, step_h: float
) -> list[dict[str, Any]]:
    delay = max(1, round(observer.delay_h / step_h))
    said: list[dict[str, Any]] = []

    def say(place: str, topic: str, party: str, value: float, truth: float) -> None:
        said.append(
            {
                "observer": name,
                "claimed_at": day.last_step + delay,
                "first_step": day.first_step,
                "last_step": day.last_step,
                "place": place,
                "topic": topic,
                "party": party,
                "value": value,
                "truth": truth,
            }
        )

    for p, place in enumerate(theatre.places):
        if observer.places and place not in observer.places:
            continue
        for topic in ("killed", "wounded") if observer.counts_wounded else ("killed",):
            for party, sees in observer.covers.items():
                truth = int(day.hurt[topic, party][p])
                if truth > 0:
                    lane = code(f"{name}/{place}/{topic}/{party}")
                    seen = chance.binomial("what an observer sees", day.last_step, truth, sees, group=lane)
                    say(place, topic, party, _bend(chance, seen, observer, party, day.last_step, lane), truth)
        if observer.sides_with is not None and p in theatre.fronts:
            held = float(theatre.control[p, theatre.factions.index(observer.sides_with)])
            say(place, "control", observer.sides_with, min(1.0, max(0.0, held + observer.lean)), held)
    if "outside_fighters" in observer.denies:
        say("", "outside_fighters", "", 0, int(theatre.present[:, theatre.outside].sum()))
    return said


def _bend(chance: Chance, seen: int, observer: Observer, party: str, step: int, lane: int) -> int:
    z = kernels.chance.normal_quantile(chance.uniform("how an observer counts", step, 0, lane))
    return int(np.rint(seen * observer.bias.get(party, 1.0) * math.exp(observer.spread * z)))
