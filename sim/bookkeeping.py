"""Keeping the books: who was hurt where, what is remembered, and the hour's row of measures.

The bookkeeper is told what happened by each line of the hour, and writes it down once, at
the end: into `Record` for the reader, into the tolls for those who will hear of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.channels import ALARMS
from sim.neighbourhoods import STATES, City
from sim.observers import Day
from sim.record import EVENT_TYPES, Record, Series, Side
from sim.theatre import Theatre, half_life_factor

if TYPE_CHECKING:
    from sim.fronts import Losses
    from sim.memory import TollParameters
    from sim.residents import Hour
    from sim.scenario import Scenario
    from sim.security import Force
    from sim.seen import Seen
    from sim.strikes import Skies

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CLASH, SHELLING, AIR_STRIKE = (EVENT_TYPES.index(name) for name in ("armed_clash", "shelling", "air_strike"))
BORDER_FIRE, EXPLOSION = EVENT_TYPES.index("border_fire"), EVENT_TYPES.index("explosion")
LEVELS = tuple("hurt" if s == "wounded" else s for s in STATES)
NOWHERE = -1


@dataclass(frozen=True)
class Toll:
    """How the memory of the killed and wounded fades in a step."""

    keep: float
    keep_usual: float
    wounded_weight: float
    keep_day: float

    @classmethod
    def of(cls, p: TollParameters, step_h: float) -> Toll:
        """Work out what is left after one step."""
        keep = half_life_factor(step_h, 24.0 * p.half_life_days)
        keep_usual = half_life_factor(step_h, 24.0 * p.usual_half_life_days)
        return cls(keep, keep_usual, p.wounded_weight, math.exp(-step_h / 24.0))


class Bookkeeper:
    """Fills the record of one run."""

    def __init__(self, scenario: Scenario, theatre: Theatre, city: City, forces: list[Force], skies: Skies) -> None:
        """Open the books for a whole run."""
        self.theatre, self.city, self.forces, self.skies = theatre, city, forces, skies
        self.file = scenario.file
        self.sides = self._name_sides()
        self.side_of = {side.id: i for i, side in enumerate(self.sides)}
        self.group_side = [self.side_of[self._group_id(g)] for g in range(city.groups)]
        P, F, C = len(theatre.places), len(theatre.factions), len(theatre.communities)
        self.day: dict[tuple[str, str], Ints] = {}
        self.assigned = np.zeros((P, F, C), np.int64)
        self.force_assigned = [np.zeros(C, np.int64) for _ in forces]
        self._clear()
        self.shown = np.array([p for p in range(P) if self._is_shown(p)], np.int64)
        self.held = np.flatnonzero(~theatre.neutral)
        self.of_no_community = np.array([p for p in range(P) if self._is_of_no_community(p)], np.int64)
        self.ends = list(dict.fromkeys((c.route[-1], c.faction) for c in skies.consignments))
        series = self._name_series()
        self.record = Record(series, np.zeros((scenario.steps, len(series))), self.sides)

    # --- told by the lines of the hour -------------------------------------------------------------------

    def note_front(self, step: int, place: int, losses: Losses) -> None:
        """Take down an hour's losses at a front."""
        self.faction_killed[place] += losses.killed
        self.faction_wounded[place] += losses.wounded
        for attacker, target, dead, hurt in losses.by:
            row = (step, place, NOWHERE, attacker, target, CLASH, 0, dead, 0, 0, hurt, 0)
            self.record.fire.append(row)
        for f in np.flatnonzero(losses.killed + losses.wounded):
            self._to_communities(place, int(f), int(losses.killed[f]), int(losses.wounded[f]))

    def note_residents(self, step: int, hour: Hour, seen: Seen, hit: float, civilian_hit: float) -> None:
        """Take down who of the residents was hurt, and by whom."""
        self.killed, self.wounded = hour.killed, hour.wounded
        self.killed_up, self.wounded_up = hour.killed_up, hour.wounded_up
        for g in np.flatnonzero(hour.killed + hour.wounded):
            self._hurt_at_home(step, int(g), hour, seen, hit, civilian_hit)
        for g in np.flatnonzero(hour.killed_away + hour.wounded_away):
            self._hurt_away(step, int(g), int(hour.killed_away[g]), int(hour.wounded_away[g]))
        self.volunteers_killed, self.volunteers_wounded = hour.killed_away, hour.wounded_away

    def note_force(self, step: int, force: Force, dead: int, hurt: int) -> None:
        """Take down soldiers hurt."""
        i = self.forces.index(force)
        self.force_killed[i], self.force_wounded[i] = dead, hurt
        if dead or hurt:
            shooter = self._most_armed(force.place)
            by = self.group_side[shooter] if shooter is not None else self.side_of[force.id]
            row = (step, force.place, NOWHERE, by, self.side_of[force.id], CLASH, 0, dead, 0, 0, hurt, 0)
            self.record.fire.append(row)
            weights = self._shares(self.file.security_forces[force.id].constituency)
            self.place_killed[force.place] += _assign(dead, weights, self.force_assigned[i])
            self.place_wounded[force.place] += _assign(hurt, weights, self.force_assigned[i].copy())

    def note_strike(self, step: int, by: str, place: int, target: int, dead: int) -> None:
        """Take down a strike from outside."""
        by_side = self.side_of[by]
        self.record.fire.append((step, place, NOWHERE, by_side, target, AIR_STRIKE, 0, dead, 0, 0, 0, 0))
        self.record.fire.append((step, place, NOWHERE, by_side, by_side, EXPLOSION, 0, 0, 0, 0, 0, 0))
        self.faction_killed[place, target] += dead
        self._to_communities(place, target, dead, 0)

    def note_border_fire(self, step: int, by: str, place: int, number: int, hurt: int) -> None:
        """Take down stray fire into a place."""
        self.stray[place] += number
        self.stray_wounded[place] += hurt
        row = (step, place, NOWHERE, self.side_of[by], self.side_of[by], BORDER_FIRE, 0, 0, 0, 0, 0, hurt)
        self.record.fire.append(row)
        self.place_wounded[place] += _assign(
            hurt, self.theatre.population[place], np.zeros(len(self.theatre.communities), np.int64)
        )

    def note_values(self, step: int) -> None:
        """Take down what places are worth."""
        for p, f in np.ndindex(self.theatre.value.shape):
            self.record.worth.append((step, p, f, float(self.theatre.value[p, f])))

    def note_flows(self, step: int) -> None:
        """Take down the day's flows."""
        flow, share = self.theatre.flow_t, self.theatre.open_share
        for k, f in np.ndindex(flow.shape):
            self.record.flows.append((step, k, f, float(flow[k, f]), float(share[k, f])))

    def note_withdrawal(self, step: int, place: int, f: int, to: int, reason: str) -> None:
        """Take down that a faction gave a place up."""
        names, who = self.file.places, list(self.file.factions.values())[f].name
        here, there = names[self.theatre.places[place]].name, names[self.theatre.places[to]].name
        self.record.happened.append((step, "withdrawal", f"{who} leave {here} for {there}: {reason}"))

    # --- at the end of the hour ---------------------------------------------------------------------------

    def remember(self, toll: Toll) -> None:
        """Fade what is remembered, and add the hour: no death counts twice (own quarter, kin, volunteers)."""
        theatre, city = self.theatre, self.city
        hits = self.killed + toll.wounded_weight * self.wounded
        city.toll[:] = city.toll * toll.keep + hits
        away = self.volunteers_killed + toll.wounded_weight * self.volunteers_wounded
        city.volunteer_toll *= toll.keep
        np.add.at(city.volunteer_toll, (np.arange(city.groups), city.volunteer_place), away)
        theatre.toll = theatre.toll * toll.keep + self.place_killed + toll.wounded_weight * self.place_wounded
        np.add.at(theatre.toll, (city.place, city.community), hits)
        theatre.usual += (theatre.toll - theatre.usual) * (1.0 - toll.keep_usual)
        city.hits_per_day[:] = city.hits_per_day * toll.keep_day
        np.add.at(city.hits_per_day, city.place, (self.killed + self.wounded).astype(float))
        for force, dead, hurt in zip(self.forces, self.force_killed, self.force_wounded, strict=True):
            city.hits_per_day[force.place] += dead + hurt

    def recall(self, killed_per_day: Floats, wounded_per_killed: float, p: TollParameters) -> None:
        """Begin with the tolls that expected losses [P, F] a day have left: the war is older than the run."""
        felt = killed_per_day * (1.0 + p.wounded_weight * wounded_per_killed)
        self.theatre.toll = (felt @ self.theatre.constituency) * p.half_life_days / math.log(2.0)
        self.theatre.usual = self.theatre.toll.copy()

    def add_to_day(self) -> None:
        """Add the hour's killed and wounded to the day's."""
        for key, number in self._hurt_by_party().items():
            self.day[key] = self.day.get(key, 0) + number

    def close_day(self, first: int, last: int) -> Day:
        """Return the day's truth, and start a new day."""
        day, self.day = self.day, {}
        return Day(first, last, day)

    def _hurt_by_party(self) -> dict[tuple[str, str], Ints]:
        """Return the hour's killed and wounded by place [P] of factions, forces, residents and civilians among them."""
        P, home = len(self.theatre.places), self.city.place
        hurt: dict[tuple[str, str], Ints] = {}
        tables = (
            ("killed", self.faction_killed, self.force_killed, self.killed, self.killed_up),
            ("wounded", self.faction_wounded, self.force_wounded, self.wounded, self.wounded_up),
        )
        for topic, of_factions, of_forces, at_home, mobilised in tables:
            for f, name in enumerate(self.theatre.factions):
                hurt[topic, name] = of_factions[:, f].copy()
            for force, number in zip(self.forces, of_forces, strict=True):
                hurt[topic, force.id] = np.bincount([force.place], [number], minlength=P).astype(np.int64)
            hurt[topic, "residents"] = np.bincount(home, at_home, minlength=P).astype(np.int64)
            hurt[topic, "civilians"] = np.bincount(home, at_home - mobilised, minlength=P).astype(np.int64)
        for party in ("residents", "civilians"):
            hurt["wounded", party] += self.stray_wounded
        return hurt

    def write(self, step: int, alarms: dict[str, Floats], displaced: Ints) -> None:
        """Write the hour's row."""
        theatre, city, shown = self.theatre, self.city, self.shown
        silent = np.zeros(city.groups)
        row = [
            self.killed, self.wounded, city.states.T.ravel(), city.armed_up, city.armed_share, city.threat, city.anger,
            *(alarms.get(name, silent) for name in ALARMS),
            self.place_killed[shown].ravel(), self.place_wounded[shown].ravel(),
            *(table[theatre.fronts].ravel() for table in (
                theatre.fighters, theatre.volunteers, theatre.stock_t, theatre.effect, theatre.readiness,
                theatre.resolve,
            )),
            self.faction_killed[shown].ravel(), self.faction_wounded[shown].ravel(),
            theatre.control[self.held].ravel(),
            theatre.firing[theatre.fronts], displaced[shown], self.stray[shown],
            [f.soldiers for f in self.forces], self.force_killed, self.force_wounded,
            *self._missiles(step),
            self.stray_wounded[self.of_no_community],
        ]  # fmt: skip
        self.record.values[step] = np.concatenate(row)
        self.record.steps_done = step + 1
        self._clear()

    def _name_series(self) -> tuple[Series, ...]:
        """Name the columns of the row, in its order."""
        theatre, city = self.theatre, self.city
        groups = [
            {
                "place": theatre.places[city.place[g]],
                "neighbourhood": city.neighbourhoods[city.neighbourhood[g]],
                "community": theatre.communities[city.community[g]],
            }
            for g in range(city.groups)
        ]
        shown = [theatre.places[p] for p in self.shown]
        front_names = [theatre.places[p] for p in theatre.fronts]
        by_group = [("killed", "people"), ("wounded", "people"), *((s, "people") for s in LEVELS)]
        by_group += [("armed", "people"), ("armed_share", "1"), ("threat", "1"), ("anger", "1")]
        by_group += [(f"alarm_{name}", "1") for name in ALARMS]
        series = [Series(m, unit, **who) for m, unit in by_group for who in groups]
        series += [
            Series(m, "people", place=p, community=c)
            for m in ("killed", "wounded")
            for p in shown
            for c in theatre.communities
        ]
        by_faction = [
            ("fighters", "people"), ("volunteers", "people"), ("stock", "t"), ("effectiveness", "1"),
            ("readiness", "1"), ("resolve", "1"),
        ]  # fmt: skip
        series += [
            Series(m, u, place=p, faction=f) for m, u in by_faction for p in front_names for f in theatre.factions
        ]
        for m in ("faction_killed", "faction_wounded"):
            series += [Series(m, "people", place=p, faction=f) for p in shown for f in theatre.factions]
        series += [
            Series("control", "1", place=theatre.places[p], faction=f) for p in self.held for f in theatre.factions
        ]
        series += [Series("front_fire", "people", place=p) for p in front_names]
        series += [Series("displaced_here", "people", place=p) for p in shown]
        series += [Series("stray_fire", "incidents", place=p) for p in shown]
        for m in ("soldiers", "faction_killed", "faction_wounded"):
            series += [Series(m, "people", place=theatre.places[f.place], faction=f.id) for f in self.forces]
        for m in ("missiles_on_the_way", "missiles_arrived", "missiles_destroyed"):
            series += [
                Series(m, "missiles", place=theatre.places[p], faction=theatre.factions[f]) for p, f in self.ends
            ]
        series += [Series("wounded", "people", place=theatre.places[p]) for p in self.of_no_community]
        return tuple(series)

    # --- small helps --------------------------------------------------------------------------------------

    def _clear(self) -> None:
        P, F, C = self.assigned.shape
        G = self.city.groups
        self.killed, self.wounded, self.killed_up, self.wounded_up = (np.zeros(G, np.int64) for _ in range(4))
        self.volunteers_killed, self.volunteers_wounded = np.zeros(G, np.int64), np.zeros(G, np.int64)
        self.faction_killed, self.faction_wounded = np.zeros((P, F), np.int64), np.zeros((P, F), np.int64)
        self.place_killed, self.place_wounded = np.zeros((P, C), np.int64), np.zeros((P, C), np.int64)
        self.force_killed, self.force_wounded = [0] * len(self.forces), [0] * len(self.forces)
        self.stray, self.stray_wounded = np.zeros(P, np.int64), np.zeros(P, np.int64)

    def _is_shown(self, p: int) -> bool:
        """Say whether anyone can be hurt or arrive in a place: then its columns are kept."""
        name = self.theatre.places[p]
        struck = {e.place for e in self.file.events.values() if e.kind in ("strike", "border_fire")}
        struck |= {place for c in self.file.consignments.values() for place in c.route}
        return (
            p in self.theatre.fronts or p in self.city.place or name in struck or self.file.places[name].stray_fire
            or bool(self.theatre.network.corridor_ids)
        )  # fmt: skip

    def _missiles(self, step: int) -> list[list[int]]:
        """Return missiles on the way, arrived and destroyed, by where they are to go and to whom."""
        bound = [[c for c in self.skies.consignments if (c.route[-1], c.faction) == end] for end in self.ends]
        return [
            [sum(c.units - c.arrived(step) for c in some) for some in bound],
            [sum(c.arrived(step) for c in some) for some in bound],
            [sum(c.destroyed for c in some) for some in bound],
        ]

    def _is_of_no_community(self, p: int) -> bool:
        """Say whether stray fire may hurt people here of whom the scenario does not say which community they are."""
        name = self.theatre.places[p]
        answered = name in {force.answers_to for force in self.file.air_forces.values()}
        return (self.file.places[name].stray_fire or answered) and not self.theatre.population[p].any()

    def _name_sides(self) -> tuple[Side, ...]:
        sides = []
        for name, faction in self.file.factions.items():
            sides.append(Side(name, faction.name, faction.kind, _most(faction.constituency)))
        for name, force in self.file.security_forces.items():
            sides.append(Side(name, force.name, "state", _most(force.constituency)))
        for g in range(self.city.groups):
            spec = self.file.neighbourhoods[self.city.neighbourhoods[self.city.neighbourhood[g]]]
            community = self.theatre.communities[self.city.community[g]]
            said = spec.sides.get(community, f"{self.file.communities[community].name} residents of {spec.name}")
            sides.append(Side(self._group_id(g), said, "residents", community))
        outsiders = [e.by for e in self.file.events.values() if e.kind in ("strike", "border_fire")]
        sides += [Side(name, force.name, "outside", "") for name, force in self.file.air_forces.items()]
        taken = {side.id for side in sides}
        sides += [Side(by, by, "outside", "") for by in dict.fromkeys(outsiders) if by not in taken]
        sides.append(Side("stray", "Stray fire", "outside", ""))
        return tuple(sides)

    def _group_id(self, g: int) -> str:
        return (
            f"{self.city.neighbourhoods[self.city.neighbourhood[g]]}.{self.theatre.communities[self.city.community[g]]}"
        )

    def _shares(self, shares: dict[str, float]) -> Floats:
        return np.array([shares.get(c, 0.0) for c in self.theatre.communities])

    def _to_communities(self, place: int, f: int, dead: int, hurt: int) -> None:
        weights = self.theatre.constituency[f]
        self.place_killed[place] += _assign(dead, weights, self.assigned[place, f])
        self.place_wounded[place] += _assign(hurt, weights, self.assigned[place, f].copy())

    def _hurt_at_home(self, step: int, g: int, hour: Hour, seen: Seen, hit: float, civilian_hit: float) -> None:
        """Write down residents hurt in their neighbourhood: by a front's fire or across a line of contact."""
        city, place = self.city, int(self.city.place[g])
        dead, hurt, dead_up, hurt_up = (int(x[g]) for x in (hour.killed, hour.wounded, hour.killed_up, hour.wounded_up))
        shooter = self._most_armed(place, against=g)
        across = hit * city.armed_up[shooter] if shooter is not None else 0.0
        pair = self._fighting(place, seen)
        if pair is not None and civilian_hit * seen.firing[place] >= across:
            row = (step, place, int(city.neighbourhood[g]), *pair, SHELLING, 0, 0, dead, 0, 0, hurt)
        else:
            by = self.group_side[shooter if shooter is not None else g]
            row = (
                step, place, int(city.neighbourhood[g]), by, self.group_side[g], CLASH,
                0, dead_up, dead - dead_up, 0, hurt_up, hurt - hurt_up,
            )  # fmt: skip
        self.record.fire.append(row)

    def _hurt_away(self, step: int, g: int, dead: int, hurt: int) -> None:
        """Write down volunteers hurt at a front: they count there, with the faction they joined."""
        place, f, c = (
            int(self.city.volunteer_place[g]),
            int(self.city.volunteer_faction[g]),
            int(self.city.community[g]),
        )
        self.faction_killed[place, f] += dead
        self.faction_wounded[place, f] += hurt
        self.place_killed[place, c] += dead
        self.place_wounded[place, c] += hurt
        foes = self.theatre.engaged[place] * self.theatre.enemy[f]
        by = int(np.argmax(foes)) if foes.any() else f
        self.record.fire.append((step, place, NOWHERE, by, f, CLASH, 0, dead, 0, 0, hurt, 0))

    def _most_armed(self, place: int, against: int | None = None) -> int | None:
        """Return the group in a place with most armed people mobilised, of those hostile to `against`."""
        city = self.city
        score = np.where(city.place == place, city.armed_up + 1e-3, 0.0)
        if against is not None:
            score = (
                score
                * self.theatre.hostility[city.community, city.community[against]]
                * (np.arange(city.groups) != against)
            )
        return int(np.argmax(score)) if score.size and score.max() > 0 else None

    def _fighting(self, place: int, seen: Seen) -> tuple[int, int] | None:
        """Return the two opposed factions with most fighters in contact in a place."""
        engaged = seen.engaged[place]
        both = np.where(self.theatre.enemy, engaged[:, None] * engaged[None, :], 0.0)
        if both.size == 0 or both.max() <= 0:
            return None
        a, b = np.unravel_index(int(np.argmax(both)), both.shape)
        return int(a), int(b)


def _assign(number: int, weights: Floats, given: Ints) -> Ints:
    """Give `number` people to communities in proportion to weights, one by one to whoever is most owed.

    `given` counts what each has been given so far and is brought up to date: no chance is used.
    """
    part = np.zeros(given.size, np.int64)
    if number == 0 or weights.sum() <= 0:
        return part
    share = weights / weights.sum()
    for _ in range(number):
        owed = share * (given.sum() + 1) - given
        c = int(np.argmax(owed))
        given[c] += 1
        part[c] += 1
    return part


def _most(shares: dict[str, float]) -> str:
    return max(shares, key=lambda c: (shares[c], c)) if shares else ""
