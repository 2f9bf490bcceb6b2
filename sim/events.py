"""Scheduled events: what the scenario does to the world, one small class a kind.

Each is handed to Mesa's event list as a bound method at half a step before the hour
it belongs to. Mesa keeps only weak references to callbacks and drops a dead one
without a word, so the model keeps every event in `model.scheduled`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim.chance import code
from sim.diplomacy import Talks
from sim.strikes import hit

if TYPE_CHECKING:
    from sim.model import SpilloverModel


class Happening:
    """One scheduled event of a scenario, bound to a model."""

    def __init__(self, model: SpilloverModel, name: str, spec: Any, step: int) -> None:
        """Bind an event to the step before which it happens."""
        self.model, self.name, self.spec, self.step = model, name, spec, step

    def happen(self) -> None:
        """Do it, and note that it was done."""
        self.act()
        self.model.record.happened.append((self.step, self.name, self.spec.text))

    def act(self) -> None:
        """Change the world."""

    def end(self) -> None:
        """Undo it, for an event that lasts."""


class Offensive(Happening):
    """Factions assault a place until called off."""

    def act(self) -> None:
        self.model.offensives.append(self)
        self._order()

    def end(self) -> None:
        self.model.offensives.remove(self)
        self._order()

    def _order(self) -> None:
        """Set the intensity of each attacker's assault on the place to the greatest that is ordered."""
        theatre, place = self.model.theatre, self.spec.place
        for name in self.spec.attackers:
            ordered = [
                o.spec.intensity for o in self.model.offensives if o.spec.place == place and name in o.spec.attackers
            ]
            theatre.assault[theatre.places.index(place), theatre.factions.index(name)] = max(ordered, default=0.0)


class Reinforcement(Happening):
    """Fighters arrive from outside the modelled places."""

    def act(self) -> None:
        theatre, spec = self.model.theatre, self.spec
        place, faction = theatre.places.index(spec.place), theatre.factions.index(spec.faction)
        theatre.fighters[place, faction] += spec.fighters
        self.model.fighters_from_outside += spec.fighters


class Statement(Happening):
    """Something said in public alarms or calms an audience."""

    def act(self) -> None:
        self.model.say(self.spec.audience)


class Provocation(Happening):
    """A recorded local trigger angers a group."""

    def act(self) -> None:
        strength = self.spec.strength
        if strength is None:  # nobody measured it: as any provocation
            strength = self.model.strength_of_provocation(code(self.name))
        self.model.provoke(self.spec.neighbourhood, self.spec.community, strength)


class Deployment(Happening):
    """A security force is ordered to a strength."""

    def act(self) -> None:
        force = next(f for f in self.model.forces if f.id == self.spec.force)
        force.order(self.spec.soldiers)


class Seal(Happening):
    """Corridors are sealed or opened."""

    def act(self) -> None:
        theatre = self.model.theatre
        for name in self.spec.corridors:
            theatre.sealed[theatre.network.corridor_ids.index(name)] = self.spec.sealed


class Strike(Happening):
    """A strike from outside on a faction's stock in a place."""

    def act(self) -> None:
        model, spec, theatre, p = self.model, self.spec, self.model.theatre, self.model.file.strikes
        place, target = theatre.places.index(spec.place), theatre.factions.index(spec.target)
        dead, _ = hit(theatre, place, target, spec.killed if spec.hits else 0, p.stock_destroyed if spec.hits else 0.0)
        aimed_at = next((c for c in model.skies.consignments if c.id == spec.consignment), None)
        if aimed_at is not None and aimed_at.stop(self.step) == place:
            aimed_at.lose(model.chance, self.step, p.consignment_destroyed if spec.hits else 0.0)
        model.note_strike(spec.by, place, target, dead)
        model.say(spec.audience)


class BorderFire(Happening):
    """Fire strays over a border."""

    def act(self) -> None:
        self.model.take_border_fire(self.spec.by, self.model.theatre.places.index(self.spec.place), 1, 0)


class Conference(Happening):
    """A peace conference is announced, and some day closes."""

    def act(self) -> None:
        self.model.talks.append(self.convened())

    def convened(self) -> Talks:
        """Return the talks that have been announced."""
        model, spec = self.model, self.spec
        parties = np.array([name in spec.parties for name in model.theatre.factions], np.bool_)
        self.talks = Talks(code(self.name), parties, None if spec.opens is None else model.story.step_of(spec.opens))
        return self.talks

    def end(self) -> None:
        model = self.model
        self.talks.close(model.bound_by_horizon(), model.file.diplomacy, model.chance, model.now)
        said = "with an agreement" if self.talks.agreed else "without an agreement"
        model.record.happened.append((model.now, self.name, f"The conference closes {said}."))


class Nothing(Happening):
    """Nothing happens: for A/A tests."""


KINDS: dict[str, type[Happening]] = {
    "offensive": Offensive,
    "reinforcement": Reinforcement,
    "statement": Statement,
    "provocation": Provocation,
    "deployment": Deployment,
    "seal": Seal,
    "strike": Strike,
    "border_fire": BorderFire,
    "conference": Conference,
    "nothing": Nothing,
}
