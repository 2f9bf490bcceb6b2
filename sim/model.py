"""SpilloverModel: who exists, and the hour as a short list."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time
from typing import Any

import mesa
import numpy as np
import numpy.typing as npt

from sim import agents, channels, diplomacy, displacement, events, factions, fronts, kernels, security, strikes, supply
from sim.bookkeeping import Bookkeeper, Toll
from sim.chance import Chance, code
from sim.machine import processors
from sim.mobilisation import Outlook, perceive
from sim.neighbourhoods import STATES, City
from sim.observers import report_day
from sim.record import Record
from sim.residents import AWAY, THREADS_FROM, Hour, Residents, rates_of_the_hour
from sim.scenario import Scenario
from sim.seen import Seen, freeze
from sim.theatre import Floats, Theatre, half_life_factor


class SpilloverModel(mesa.Model):
    """One run of a scenario; `run_for(n)` advances n steps."""

    states = STATES

    def __init__(self, scenario: Scenario, seed: int = 0, threads: int | None = None, resumes_at: int = 0) -> None:
        """Set the world up as the scenario has it at its start.

        Mesa's own generator gets the seed too, but no decision uses it: all chance is in
        `sim.chance`. `threads` changes speed alone, never a number. `resumes_at` is the step at
        which `sim.checkpoint` goes on with a run: what was to happen before has happened.
        """
        kernels.ahead.compile_missing()
        super().__init__(rng=seed % 2**63)
        self.story, self.file, self.seed = scenario, scenario.file, seed
        self.chance = Chance(seed)
        self.theatre, self.city = Theatre.of(self.file), City.of(self.file)
        self.residents = Residents(self.file, self.city, self.chance)
        self.now, self.resumes_at = 0, resumes_at
        self.step_h = scenario.step_hours
        self.steps_a_day = scenario.steps_a_day
        self.fighters_from_outside = 0
        self.talks: list[diplomacy.Talks] = []
        self.offensives: list[events.Happening] = []
        self.exposed = [p for p, town in enumerate(self.file.places.values()) if town.stray_fire]
        self.skies = strikes.Skies(self._load_consignments(), dict(self.file.air_forces))
        self.battles = fronts.Battles(self.theatre, self.chance)
        self.forces = self._muster()
        self.books = Bookkeeper(scenario, self.theatre, self.city, self.forces, self.skies)
        self.alarms: dict[str, Floats] = {}
        self.pool = self._pool(threads)
        self._send_volunteers()
        self._make_agents()
        self.facing = np.flatnonzero(self.city.facing)
        self.facing_lane = np.array([self._lane(int(g)) for g in self.facing], np.int64)
        self.provoked = np.zeros_like(self.facing)
        self.zeros, self.detain = (
            np.zeros(self.city.groups),
            np.full(self.city.groups, self.file.security.detain_per_hour),
        )
        self.toll = Toll.of(self.file.toll, self.step_h)
        self.horizons = self._horizons()
        self.scheduled = self._schedule()
        supply.take_stock(self.theatre, self.file.supply, self.file.stock)
        self._remember_the_war_so_far()

    # --- the hour: one line, one thing that happens; scheduled events come just before -------------------

    def step(self) -> None:
        """Live through one hour."""
        self.tempers_rise_and_cool()
        self.freeze_what_is_seen()
        self.factions_value_places()
        self.factions_commit_fighters()
        self.supplies_move()
        self.fronts_fight()
        self.blows_fall_from_outside()
        self.channels_carry()
        self.residents_decide()
        self.forces_respond()
        self.observers_report()
        self.hour_is_recorded()

    def tempers_rise_and_cool(self) -> None:
        """Let anger and what was heard fade, and local provocations happen in places that face another."""
        p = self.file.provocations
        self.city.anger *= half_life_factor(self.step_h, p.half_life_h)
        channels.news.fade(self.theatre, self.file.channels.news, self.step_h)
        channels.alliance.remember(self.theatre, self.file.channels.alliance, self.step_h)
        if self.now * self.step_h >= 24.0 * p.known_days:
            self._provoke_by_chance()

    def _provoke_by_chance(self) -> None:
        """Anger groups that face another, each with its own luck."""
        mean, happens = self.file.provocations.per_day * self.step_h / 24.0, code("provocation")
        if kernels.theatre.happen(mean, self.facing_lane, self.now, happens, *self.chance.key, self.provoked):
            for g in np.flatnonzero(self.provoked):
                self.city.anger[self.facing[g]] += self.strength_of_provocation(int(self.facing_lane[g]))

    def freeze_what_is_seen(self) -> None:
        """Freeze what everyone will react to."""
        self.seen: Seen = freeze(self.theatre, self.city, self.residents.displaced)

    def factions_value_places(self) -> None:
        """Let factions work out what places are worth (daily)."""
        if self._new_day():
            supply.take_stock(self.theatre, self.file.supply, self.file.stock)
            factions.value_places(self.theatre, self.file.supply)
            self.books.note_values(self.now)

    def factions_commit_fighters(self) -> None:
        """Let fighters arrive, and factions send others or give places up (daily)."""
        file, theatre = self.file, self.theatre
        factions.arrive(theatre, self.now)
        if self._new_day():
            gone = factions.withdraw(theatre, file.supply, file.withdrawal, file.effort, self.now, self.step_h)
            for place, f, to, reason in gone:
                self.residents.follow(place, to, f)
                self.books.note_withdrawal(self.now, place, f, to, reason)
            factions.commit(theatre, file.effort, self.now, self.step_h)
        diplomacy.expect(theatre, self.talks, self.bound_by_horizon(), file.diplomacy, self.now, self.step_h)

    def supplies_move(self) -> None:
        """Route supplies (daily), deliver what is due, and use the stocks up."""
        file = self.file
        if self._new_day():
            supply.route_the_day(self.theatre, file.supply, self.now, self.step_h)
            self.destinations = displacement.destinations(self.theatre, self.city, file.displacement)
            self.books.note_flows(self.now)
        supply.use_and_receive(self.theatre, file.supply, file.stock, self.now, self.step_h)

    def fronts_fight(self) -> None:
        """Fight one hour at every front."""
        theatre, file, p = self.theatre, self.file, self.file.engagement
        paused = theatre.pausing.copy()
        losses = self.battles.fight(theatre, p, self.chance, self.now, self.step_h)
        self.books.note_pauses(self.now, paused)
        ground = fronts.advance(theatre, file.control, self.step_h)
        self.battles.settle(theatre, losses, p, self.chance, self.now, self.step_h)
        self.books.note_fronts(self.now, losses)
        factions.feel(theatre, losses.killed, ground, file.withdrawal, self.step_h)

    def blows_fall_from_outside(self) -> None:
        """Let air forces strike what they detect, and fire stray over borders."""
        theatre, p = self.theatre, self.file.strikes
        for name, consignment, place in self.skies.decide(theatre, self.chance, self.now, self.step_h):
            killed = self.chance.poisson("guards killed", self.now, p.guards_killed, group=consignment.lane)
            target = self._guard(place, consignment.faction)
            dead, _ = strikes.hit(theatre, place, target, killed, p.stock_destroyed)
            lost = consignment.lose(self.chance, self.now, p.consignment_destroyed)
            self.strike_noted(name, consignment, place, target, dead, lost)
        for exposed in self.exposed:
            number, hurt = strikes.stray_fire(theatre, self.chance, exposed, p, self.now, self.step_h)
            if number:
                self.take_border_fire("stray", exposed, number, hurt)

    def channels_carry(self) -> None:
        """Let news of elsewhere reach each neighbourhood and community, all at once."""
        ways, city, seen = self.file.channels, self.city, self.seen
        self.alarms = channels.alarms(seen, city, self.theatre, ways)
        if channels.is_on(ways.arms):
            leak = channels.arms.leak(seen, city, self.theatre, ways.arms, self.step_h)
            city.armed_share = np.minimum(1.0, city.armed_share + leak)
        displacement.settle_arrivals(city, (self.now + 1) * self.step_h)

    def residents_decide(self) -> None:
        """Let every resident perceive, decide, be hurt, move."""
        file, city = self.file, self.city
        tables = perceive(file, city, self.residents, self.seen, self.theatre.hostility, self._outlook(), self.pool)
        rates = rates_of_the_hour(file, self._hour_of_day(), self.step_h)
        hour = self.residents.hour(rates, *tables, self.destinations, self.now, self.pool)
        self._bring_weapons_home(hour)
        if hour.travelled or self._new_day():  # the day on which factions withdraw, and their volunteers with them
            self.theatre.volunteers = self.residents.volunteers(*self.theatre.fighters.shape)
        self.books.note_residents(
            self.now, hour, self.seen, file.fire.hit_per_hour, file.engagement.civilian_hit_per_hour
        )

    def forces_respond(self) -> None:
        """Let security forces come, stand, be shot at and leave."""
        fire, p = self.file.fire, self.file.security
        for force in self.forces:
            force.respond(float(self.city.hits_per_day[force.place]), self.hour, p, self.step_h)
            force.deploy(p, self.step_h)
            reach = security.armed_in_reach_of_posts(self.city, force.place)
            dead, hurt = force.come_under_fire(
                reach, fire.hit_per_hour, fire.lethality, p, self.chance, self.now, self.step_h
            )
            self.books.note_force(self.now, force, dead, hurt)
        self.city.soldiers[:] = 0
        for force in self.forces:
            self.city.soldiers[force.place] += force.soldiers

    def observers_report(self) -> None:
        """Let observers say what they saw, at the end of each day."""
        self.books.add_to_day()
        if (self.now + 1) % self.steps_a_day == 0:
            day = self.books.close_day(self.now + 1 - self.steps_a_day, self.now)
            self.record.claims.extend(report_day(self.file.observers, self.theatre, day, self.chance, self.step_h))

    def hour_is_recorded(self) -> None:
        """Remember tolls, write the hour down, and move the clock."""
        self.books.remember(self.toll)
        self.books.write(self.now, self.alarms, self.residents.displaced)
        self.now += 1

    # --- what scheduled events may do ---------------------------------------------------------------------

    def say(self, audience: dict[str, float]) -> None:
        """Put something in the news."""
        for community, strength in audience.items():
            self.theatre.news[self.theatre.communities.index(community)] += strength

    def strength_of_provocation(self, lane: int) -> float:
        """Return how much anger a provocation adds: exponential about its mean, many small ones and a few large."""
        drawn = self.chance.uniform("provocation strength", self.now, 0, lane)
        return float(self.file.provocations.strength * -np.log(drawn))

    def provoke(self, neighbourhood: str, community: str, strength: float) -> None:
        """Anger one group."""
        n, c = self.city.neighbourhoods.index(neighbourhood), self.theatre.communities.index(community)
        self.city.anger[(self.city.neighbourhood == n) & (self.city.community == c)] += strength

    def note_strike(self, by: str, place: int, target: int, dead: int) -> None:
        """Write a strike down."""
        self.books.note_strike(self.now, by, place, target, dead)

    def strike_noted(
        self, by: str, consignment: strikes.Consignment, place: int, target: int, dead: int, lost: int
    ) -> None:
        """Write down a strike that an air force decided on, spread its news, and let it be answered if that is on."""
        force, p = self.file.air_forces[by], self.file.strikes
        where = self.file.places[self.theatre.places[place]].name
        self.books.note_strike(self.now, by, place, target, dead)
        text = f"{force.name}: strike on a consignment at {where}; {lost} missiles destroyed, {dead} killed."
        self.record.happened.append((self.now, "strike", text))
        self.say(force.audience)
        if p.retaliation and force.answers_to is not None:
            at = self.theatre.places.index(force.answers_to)
            hurt = self.chance.poisson("retaliation hurts", self.now, p.retaliation_harm, group=consignment.lane)
            self.books.note_border_fire(self.now, self.theatre.factions[consignment.faction], at, 1, hurt)

    def take_border_fire(self, by: str, place: int, number: int, hurt: int) -> None:
        """Write stray fire down, and let it be answered on the nearest front where escalation is on."""
        p = self.file.strikes
        self.books.note_border_fire(self.now, by, place, number, hurt)
        answered = strikes.answers(self.skies, place, number, p, self.now, self.step_h)
        front = strikes.nearest_front(self.theatre, place)
        if answered and front is not None:
            target = int(np.argmax(self.theatre.fighters[front]))
            mean, lane = answered * p.escalation_killed, code(self.theatre.places[place])
            killed = self.chance.poisson("answer kills", self.now, mean, group=lane)
            dead, _ = strikes.hit(self.theatre, front, target, killed, 0.0)
            here = self.theatre.places[place]
            by = next((name for name, force in self.file.air_forces.items() if force.answers_to == here), "stray")
            self.books.note_strike(self.now, by, front, target, dead)
            if by in self.file.air_forces:
                self.say(self.file.air_forces[by].audience)
            text = f"Stray fire into {self.file.places[self.theatre.places[place]].name} is answered; {dead} killed."
            self.record.happened.append((self.now, "answer", text))

    def bound_by_horizon(self) -> npt.NDArray[np.bool_]:
        """Say which factions will not settle before a date that lies ahead, [F]."""
        return self.horizons > self.now

    # --- for those who look -------------------------------------------------------------------------------

    @property
    def record(self) -> Record:
        """Return what the run has left behind so far."""
        return self.books.record

    @property
    def hour(self) -> float:
        """Return the hours since the start."""
        return self.now * self.step_h

    @property
    def date(self) -> datetime:
        """Return the time in the scenario, with its zone."""
        return self.story.time_of(self.now)

    # --- setting up ---------------------------------------------------------------------------------------

    def _muster(self) -> list[security.Force]:
        places = self.theatre.places
        forces = [
            security.Force(
                id=name, place=places.index(f.place), lane=code(name), standing=f.standing, reserve=f.reserve,
                lag_h=f.lag_h, needs_approval=f.needs_approval, soldiers=float(f.standing), ordered=float(f.standing),
            )
            for name, f in self.file.security_forces.items()
        ]  # fmt: skip
        for force in forces:
            self.city.soldiers[force.place] += force.soldiers
        return forces

    def _horizons(self) -> npt.NDArray[np.int64]:
        """Return the first step of the day before which each faction will not settle, [F]."""
        days = [faction.horizon for faction in self.file.factions.values()]
        return np.array(
            [0 if day is None else self._first_from(datetime.combine(day, time())) for day in days], np.int64
        )

    def _first_from(self, midnight: datetime) -> int:
        """Return the first step that begins at a local time, or after it."""
        step = self.story.step_of(midnight)
        return step + (self.story.time_of(step).replace(tzinfo=None) < midnight)

    def _load_consignments(self) -> list[strikes.Consignment]:
        """Put each consignment on its timetable: so long in store at each stop, so long on each road."""
        loaded = []
        for name, spec in self.file.consignments.items():
            step, reaches, leaves = self.story.step_of(spec.arrives), list[int](), list[int]()
            for here, there in zip(spec.route, (*spec.route[1:], ""), strict=True):
                reaches.append(step)
                if there:
                    leaves.append(step + round(spec.stay_h / self.step_h))
                    step = leaves[-1] + max(1, round(self._road_h(here, there) / self.step_h))
            route = tuple(self.theatre.places.index(p) for p in spec.route)
            faction = self.theatre.factions.index(spec.faction)
            loaded.append(
                strikes.Consignment(name, faction, route, tuple(leaves), tuple(reaches), spec.units, code(name))
            )
        return loaded

    def _road_h(self, here: str, there: str) -> float:
        """Return the hours on the quickest road between two places that are neighbours."""
        return min(road.delay_h for road in self.file.corridors.values() if {here, there} == set(road.between))

    def _send_volunteers(self) -> None:
        """Volunteers of before the start are at their fronts, unless the channel is off."""
        if not channels.is_on(self.file.channels.fighters):
            return
        city, ids = self.city, self.theatre.communities
        there = np.zeros(city.groups, np.int64)
        for g in range(city.groups):
            spec = self.file.neighbourhoods[city.neighbourhoods[city.neighbourhood[g]]]
            goes = spec.volunteers.get(ids[city.community[g]])
            there[g] = goes.already_there if goes else 0
        self.residents.send_volunteers(there)
        self.theatre.volunteers = self.residents.volunteers(*self.theatre.fighters.shape)
        self.battles.form_up(self.theatre, self.chance, 0)

    def _remember_the_war_so_far(self) -> None:
        killed = np.zeros_like(self.theatre.control)
        _, kills, aims = self.battles.expected(self.theatre, self.file.engagement)
        killed[self.battles.places] = (24.0 * kills[:, None] @ aims)[:, 0]
        self.books.recall(killed, self.file.engagement.wounded_per_killed, self.file.toll)

    def _make_agents(self) -> None:
        for row, name in enumerate(self.theatre.factions):
            agents.Faction(self, name, row)
        for place in self.theatre.fronts:
            agents.Front(self, self.theatre.places[place], int(place))
        for row, name in enumerate(self.theatre.network.corridor_ids):
            agents.Corridor(self, name, row)
        for row, name in enumerate(self.city.neighbourhoods):
            agents.Neighbourhood(self, name, row)
        for row, force in enumerate(self.forces):
            agents.SecurityForce(self, force.id, row)

    def _schedule(self) -> list[events.Happening]:
        """Hand the scenario's events to Mesa's event list: step i runs at Mesa time i + 1, its events at i + 1/2.

        Mesa's clock begins where the run does, or goes on.
        """
        scheduled, begins = [], self.resumes_at
        for name, spec in self.file.events.items():
            step = self.story.step_of(spec.at)
            if not spec.on or not 0 <= step < self.story.steps:
                continue
            happening = events.KINDS[spec.kind](self, name, spec, step)
            scheduled.append(happening)
            if step >= begins:
                self.schedule_event(happening.happen, at=step - begins + 0.5)
            until = getattr(spec, "until", None)
            if until is not None and max(step + 1, begins) <= (end := self.story.step_of(until)) < self.story.steps:
                self.schedule_event(happening.end, at=end - begins + 0.5)
        return scheduled

    def _pool(self, threads: int | None) -> ThreadPoolExecutor | None:
        wanted = threads if threads is not None else min(2, processors())
        if wanted < 2 or self.residents.state.size < THREADS_FROM:
            return None
        return ThreadPoolExecutor(wanted)

    # --- small helps --------------------------------------------------------------------------------------

    def _new_day(self) -> bool:
        return self.now % self.steps_a_day == 0

    def _hour_of_day(self) -> float:
        date = self.date
        return date.hour + date.minute / 60.0

    def _lane(self, g: int) -> int:
        community = self.theatre.communities[self.city.community[g]]
        return code(f"{self.city.neighbourhoods[self.city.neighbourhood[g]]}/{community}")

    def _guard(self, place: int, faction: int) -> int:
        """Return the faction whose fighters stand around a store: its own, or the strongest on its side there."""
        there = self.theatre.fighters[place] * self.theatre.coalition[faction]
        return faction if there[faction] > 0 or there.max() == 0 else int(np.argmax(there))

    def _outlook(self) -> Outlook:
        ways, city, seen = self.file.channels, self.city, self.seen
        zeros, solidarity = self.zeros, np.zeros(city.groups)
        for name, alarm in self.alarms.items():
            if name != "kin":
                solidarity += getattr(ways, name).weight * alarm
        kin = ways.kin.weight * self.alarms["kin"] if "kin" in self.alarms else zeros
        hosts = channels.is_on(ways.refugees)
        travels = channels.is_on(ways.fighters)
        slain = city.at_their_front(seen.slain_rate)
        return Outlook(
            solidarity=solidarity,
            kin=kin,
            hardship=channels.refugees.hardship(seen, city, self.theatre, ways.refugees) if hosts else zeros,
            enlist=channels.fighters.enlist_per_hour(seen, city, ways.fighters) if travels else zeros,
            home=channels.fighters.home_per_hour(seen, city, ways.fighters) if travels else zeros,
            front_danger=self.file.engagement.civilian_hit_per_hour * seen.firing[city.place],
            buffer=security.buffer(np.where(city.guarded, seen.soldiers[city.place], 0.0), self.file.security),
            detain=self.detain,
            slain=slain,
            maimed=self.file.engagement.wounded_per_killed * slain,
        )

    def _bring_weapons_home(self, hour: Hour) -> None:
        p, city = self.file.channels.fighters, self.city
        if hour.back.any() and channels.is_on(p):
            more = np.divide(
                p.weapons_home * hour.back,
                city.able_people,
                out=np.zeros(city.groups),
                where=city.able_people >= 0.5,
            )
            city.armed_share = np.minimum(1.0, city.armed_share + more)

    def census(self) -> dict[str, Any]:
        """Count everyone and everything, for tests of conservation."""
        theatre = self.theatre
        return {
            "residents": int(self.city.states.sum()),
            "fighters": int(theatre.fighters.sum() + theatre.hurt.sum() + theatre.killed.sum())
            + sum(m.fighters for m in theatre.marches),
            "fighters_from_outside": self.fighters_from_outside,
            "away": int(self.city.states[:, AWAY].sum()),
            "volunteers": int(theatre.volunteers.sum()),
            "stock_t": float(theatre.stock_t.sum()),
            "on_the_way_t": sum(d.tonnes for d in theatre.deliveries),
            "used_t": theatre.used_t,
            "delivered_t": theatre.delivered_t,
            "destroyed_t": theatre.destroyed_t,
        }
