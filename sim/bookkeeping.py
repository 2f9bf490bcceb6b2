"""Keeping the books: who was hurt where, what is remembered, and the hour's row of measures.

The bookkeeper is told what happened by each line of the hour, and writes it down once, at
the end: into `Record` for the reader, into the tolls for those who will hear of it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim import kernels
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
    from sim.strikes import Consignment, Skies

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

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


class Tally:
    """People counted, [G] residents by group, [P, F] fighters, [P, C] by community, and so on.

    Every table is a part of one flat array, so that an hour is added to a day, or forgotten, at once.
    """

    killed: Ints  # [G] at home
    wounded: Ints
    killed_up: Ints  # [G] of these, the mobilised
    wounded_up: Ints
    volunteers_killed: Ints  # [G] at a front
    volunteers_wounded: Ints
    faction_killed: Ints  # [P, F]
    faction_wounded: Ints
    place_killed: Ints  # [P, C] of fighters, volunteers and soldiers
    place_wounded: Ints
    force_killed: Ints  # by security force
    force_wounded: Ints
    stray: Ints  # [P] incidents
    stray_wounded: Ints  # [P]

    def __init__(self, theatre: Theatre, groups: int, forces: int) -> None:
        """Begin at nothing."""
        places = len(theatre.places)
        whom = {
            "killed": (groups,), "wounded": (groups,), "killed_up": (groups,), "wounded_up": (groups,),
            "volunteers_killed": (groups,), "volunteers_wounded": (groups,),
            "faction_killed": theatre.fighters.shape, "faction_wounded": theatre.fighters.shape,
            "place_killed": theatre.population.shape, "place_wounded": theatre.population.shape,
            "force_killed": (forces,), "force_wounded": (forces,), "stray": (places,), "stray_wounded": (places,),
        }  # fmt: skip
        ends = np.cumsum([math.prod(shape) for shape in whom.values()])
        self.all = np.zeros(int(ends[-1]), np.int64)
        for (name, shape), end in zip(whom.items(), ends.tolist(), strict=True):
            setattr(self, name, self.all[end - math.prod(shape) : end].reshape(shape))


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
        self.hour, self.day = (Tally(theatre, city.groups, len(forces)) for _ in range(2))
        self.assigned = np.zeros((P, F, C), np.int64)
        self.force_assigned = [np.zeros(C, np.int64) for _ in forces]
        self.force_place = np.array([force.place for force in forces], np.int64)
        self.alarms = np.zeros((len(ALARMS), city.groups))
        self.shown = np.array([p for p in range(P) if self._is_shown(p)], np.int64)
        self.held = np.flatnonzero(~theatre.neutral)
        self.of_no_community = np.array([p for p in range(P) if self._is_of_no_community(p)], np.int64)
        self.bound: dict[tuple[int, int], list[Consignment]] = defaultdict(list)  # by where to, and to whom
        for consignment in skies.consignments:
            self.bound[consignment.route[-1], consignment.faction].append(consignment)
        series = self._name_series()
        self.record = Record(series, np.zeros((scenario.steps, len(series))), self.sides)

    # --- told by the lines of the hour -------------------------------------------------------------------

    def note_fronts(self, step: int, losses: Losses) -> None:
        """Take down an hour's losses at the fronts."""
        for place, attacker, target, dead, hurt in losses.by.tolist():
            self.record.fire.append((step, place, NOWHERE, attacker, target, CLASH, 0, dead, 0, 0, hurt, 0))
        self._count_fighters(losses.killed, losses.wounded)

    def note_residents(self, step: int, hour: Hour, seen: Seen, hit: float, civilian_hit: float) -> None:
        """Take down who of the residents was hurt, and by whom."""
        now = self.hour
        now.killed[:], now.wounded[:] = hour.killed, hour.wounded
        now.killed_up[:], now.wounded_up[:] = hour.killed_up, hour.wounded_up
        now.volunteers_killed[:], now.volunteers_wounded[:] = hour.killed_away, hour.wounded_away
        for g in np.flatnonzero(hour.killed + hour.wounded):
            self._hurt_at_home(step, int(g), hour, seen, hit, civilian_hit)
        for g in np.flatnonzero(hour.killed_away + hour.wounded_away):
            self._hurt_away(step, int(g), int(hour.killed_away[g]), int(hour.wounded_away[g]))

    def note_force(self, step: int, force: Force, dead: int, hurt: int) -> None:
        """Take down soldiers hurt."""
        if dead or hurt:
            i = self.forces.index(force)
            self.hour.force_killed[i], self.hour.force_wounded[i] = dead, hurt
            shooter = self._most_armed(force.place)
            by = self.group_side[shooter] if shooter is not None else self.side_of[force.id]
            row = (step, force.place, NOWHERE, by, self.side_of[force.id], CLASH, 0, dead, 0, 0, hurt, 0)
            self.record.fire.append(row)
            weights = self._shares(self.file.security_forces[force.id].constituency)
            self._to_communities(force.place, weights, self.force_assigned[i], dead, hurt)

    def note_strike(self, step: int, by: str, place: int, target: int, dead: int) -> None:
        """Take down a strike from outside."""
        by_side = self.side_of[by]
        self.record.fire.append((step, place, NOWHERE, by_side, target, AIR_STRIKE, 0, dead, 0, 0, 0, 0))
        self.record.fire.append((step, place, NOWHERE, by_side, by_side, EXPLOSION, 0, 0, 0, 0, 0, 0))
        killed = np.zeros_like(self.theatre.killed)
        killed[place, target] = dead
        self._count_fighters(killed, np.zeros_like(killed))

    def note_border_fire(self, step: int, by: str, place: int, number: int, hurt: int) -> None:
        """Take down stray fire into a place."""
        self.hour.stray[place] += number
        self.hour.stray_wounded[place] += hurt
        row = (step, place, NOWHERE, self.side_of[by], self.side_of[by], BORDER_FIRE, 0, 0, 0, 0, 0, hurt)
        self.record.fire.append(row)
        nobody_yet = np.zeros(len(self.theatre.communities), np.int64)
        self._to_communities(place, self.theatre.population[place], nobody_yet, 0, hurt)

    def note_values(self, step: int) -> None:
        """Take down what places are worth."""
        value = self.theatre.value
        rows = zip(np.ndindex(value.shape), value.ravel().tolist(), strict=True)
        self.record.worth.extend((step, *of, worth) for of, worth in rows)

    def note_flows(self, step: int) -> None:
        """Take down the day's flows."""
        flow, share = self.theatre.flow_t, self.theatre.open_share
        rows = zip(np.ndindex(flow.shape), flow.ravel().tolist(), share.ravel().tolist(), strict=True)
        self.record.flows.extend((step, *of, carried, free) for of, carried, free in rows)

    def note_withdrawal(self, step: int, place: int, f: int, to: int, reason: str) -> None:
        """Take down that a faction gave a place up."""
        names, who = self.file.places, list(self.file.factions.values())[f].name
        here, there = names[self.theatre.places[place]].name, names[self.theatre.places[to]].name
        self.record.happened.append((step, "withdrawal", f"{who} leave {here} for {there}: {reason}"))

    def note_pauses(self, step: int, before: Bools) -> None:
        """Take down which assaults pause, or are pressed again; before [P, F]: which paused an hour ago."""
        theatre = self.theatre
        if np.array_equal(before, theatre.pausing):
            return
        for place in np.flatnonzero((before != theatre.pausing).any(axis=1) & (theatre.assault > 0).any(axis=1)):
            here = self.file.places[theatre.places[place]].name
            if theatre.pausing[place].any():
                self.record.happened.append((step, "pause", f"The assault on {here} pauses: its forces are worn"))
            else:
                self.record.happened.append((step, "push", f"The assault on {here} is pressed again"))

    # --- at the end of the hour ---------------------------------------------------------------------------

    def remember(self, toll: Toll) -> None:
        """Fade what is remembered, and add the hour: no death counts twice (own quarter, kin, volunteers)."""
        theatre, city, now = self.theatre, self.city, self.hour
        kernels.books.remember(
            toll.keep, toll.keep_usual, toll.wounded_weight, toll.keep_day,
            now.killed, now.wounded, now.volunteers_killed, now.volunteers_wounded,
            now.place_killed, now.place_wounded, self.force_place, now.force_killed, now.force_wounded,
            city.place, city.community, city.volunteer_place,
            city.toll, city.volunteer_toll, theatre.toll, theatre.usual, city.hits_per_day,
        )  # fmt: skip

    def recall(self, killed_per_day: Floats, wounded_per_killed: float, p: TollParameters) -> None:
        """Begin with the tolls that expected losses [P, F] a day have left: the war is older than the run."""
        felt = killed_per_day * (1.0 + p.wounded_weight * wounded_per_killed)
        self.theatre.toll = (felt @ self.theatre.constituency) * p.half_life_days / math.log(2.0)
        self.theatre.usual = self.theatre.toll.copy()

    def add_to_day(self) -> None:
        """Add the hour's killed and wounded to the day's."""
        self.day.all += self.hour.all

    def close_day(self, first: int, last: int) -> Day:
        """Return the day's truth, and start a new day."""
        truth = Day(first, last, self._hurt_by_party(self.day))
        self.day.all[:] = 0
        return truth

    def _hurt_by_party(self, day: Tally) -> dict[tuple[str, str], Ints]:
        """Return the day's killed and wounded by place [P] of factions, forces, residents and civilians among them."""
        P, home = len(self.theatre.places), self.city.place
        hurt: dict[tuple[str, str], Ints] = {}
        tables = (
            ("killed", day.faction_killed, day.force_killed, day.killed, day.killed_up),
            ("wounded", day.faction_wounded, day.force_wounded, day.wounded, day.wounded_up),
        )
        for topic, of_factions, of_forces, at_home, mobilised in tables:
            for f, name in enumerate(self.theatre.factions):
                hurt[topic, name] = of_factions[:, f].copy()
            for force, number in zip(self.forces, of_forces, strict=True):
                hurt[topic, force.id] = np.bincount([force.place], [number], minlength=P).astype(np.int64)
            hurt[topic, "residents"] = np.bincount(home, at_home, minlength=P).astype(np.int64)
            hurt[topic, "civilians"] = np.bincount(home, at_home - mobilised, minlength=P).astype(np.int64)
        for party in ("residents", "civilians"):
            hurt["wounded", party] += day.stray_wounded
        return hurt

    def write(self, step: int, alarms: dict[str, Floats], displaced: Ints) -> None:
        """Write the hour's row."""
        theatre, city, now, row = self.theatre, self.city, self.hour, self.record.values[step]
        for i, name in enumerate(ALARMS):
            self.alarms[i] = alarms.get(name, 0.0)
        at = kernels.books.put_groups(
            row, now.killed, now.wounded, city.states, city.armed_up, city.armed_share, city.threat, city.anger,
            self.alarms,
        )  # fmt: skip
        at = kernels.books.put_places(
            row, at, self.shown, theatre.fronts, self.held, now.place_killed, now.place_wounded,
            theatre.fighters, theatre.volunteers, theatre.stock_t, theatre.effect, theatre.readiness, theatre.resolve,
            now.faction_killed, now.faction_wounded, theatre.control, theatre.firing, displaced, now.stray,
        )  # fmt: skip
        row[at:] = [
            *(force.soldiers for force in self.forces), *now.force_killed.tolist(), *now.force_wounded.tolist(),
            *self._missiles(step), *now.stray_wounded[self.of_no_community].tolist(),
        ]  # fmt: skip
        self.record.steps_done = step + 1
        now.all[:] = 0

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
                Series(m, "missiles", place=theatre.places[p], faction=theatre.factions[f]) for p, f in self.bound
            ]
        series += [Series("wounded", "people", place=theatre.places[p]) for p in self.of_no_community]
        return tuple(series)

    # --- small helps --------------------------------------------------------------------------------------

    def _is_shown(self, p: int) -> bool:
        """Say whether anyone can be hurt or arrive in a place: then its columns are kept."""
        name = self.theatre.places[p]
        struck = {e.place for e in self.file.events.values() if e.kind in ("strike", "border_fire")}
        struck |= {place for c in self.file.consignments.values() for place in c.route}
        return (
            p in self.theatre.fronts or p in self.city.place or name in struck or self.file.places[name].stray_fire
            or bool(self.theatre.network.corridor_ids)
        )  # fmt: skip

    def _missiles(self, step: int) -> list[int]:
        """Return missiles on the way, then arrived, then destroyed, each by where they are to go and to whom."""
        if not self.bound:
            return []
        bound = self.bound.values()
        return [
            *(sum(c.units - c.arrived(step) for c in some) for some in bound),
            *(sum(c.arrived(step) for c in some) for some in bound),
            *(sum(c.destroyed for c in some) for some in bound),
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

    def _count_fighters(self, killed: Ints, wounded: Ints) -> None:
        """Count fighters hurt [P, F], with their faction and with the communities that it comes from."""
        now = self.hour
        kernels.books.count_fighters(
            killed, wounded, self.theatre.constituency, self.assigned,
            now.faction_killed, now.faction_wounded, now.place_killed, now.place_wounded,
        )  # fmt: skip

    def _to_communities(self, place: int, weights: Floats, given: Ints, dead: int, hurt: int) -> None:
        """Give the dead to communities, who have had `given` of them so far, and the wounded after them."""
        kernels.books.assign(dead, weights, given, self.hour.place_killed[place])
        kernels.books.assign(hurt, weights, given.copy(), self.hour.place_wounded[place])

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
        self.hour.faction_killed[place, f] += dead
        self.hour.faction_wounded[place, f] += hurt
        self.hour.place_killed[place, c] += dead
        self.hour.place_wounded[place, c] += hurt
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


def _most(shares: dict[str, float]) -> str:
    return max(shares, key=lambda c: (shares[c], c)) if shares else ""
