"""The few and deliberate, as Mesa agents: each a handle on a row of a table.

They hold no state of their own; `model.agents_by_type[Faction]` and the like are there for
Mesa's users, collectors and the dashboard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mesa

if TYPE_CHECKING:
    from sim.model import SpilloverModel
    from sim.security import Force


class Handle(mesa.Agent):
    """A named row of a table."""

    def __init__(self, model: SpilloverModel, name: str, row: int) -> None:
        """Point at a row."""
        super().__init__(model)
        self.id, self.row = name, row

    @property
    def table(self) -> Any:
        """Return the table of the theatre."""
        return self.model.theatre

    def __repr__(self) -> str:
        """Say who this is."""
        return f"{type(self).__name__}({self.id})"


class Faction(Handle):
    """An armed actor."""

    @property
    def fighters(self) -> int:
        """Return fighters and volunteers able to fight, everywhere."""
        return int(self.table.present[:, self.row].sum())

    @property
    def killed(self) -> int:
        """Return its fighters killed since the start."""
        return int(self.table.killed[:, self.row].sum())

    @property
    def resolve(self) -> float:
        """Return its resolve, mean over its fighters."""
        here = self.table.present[:, self.row]
        return float((self.table.resolve[:, self.row] * here).sum() / max(1, here.sum()))


class Front(Handle):
    """The battle for a place."""

    @property
    def control(self) -> dict[str, float]:
        """Return the share of the place held by each faction."""
        return dict(zip(self.table.factions, self.table.control[self.row].tolist(), strict=True))

    @property
    def engaged(self) -> dict[str, float]:
        """Return the fighters in contact of each faction."""
        return dict(zip(self.table.factions, self.table.engaged[self.row].tolist(), strict=True))


class Corridor(Handle):
    """A road between two places."""

    @property
    def flow_t_day(self) -> dict[str, float]:
        """Return each faction's flow in t/day, from the first end to the second (negative: back)."""
        return dict(zip(self.table.factions, self.table.flow_t[self.row].tolist(), strict=True))

    @property
    def sealed(self) -> bool:
        """Say whether nobody passes."""
        return bool(self.table.sealed[self.row])


class Neighbourhood(Handle):
    """A quarter whose residents are modelled one by one."""

    @property
    def people(self) -> dict[str, int]:
        """Return its people by state, over all communities."""
        city = self.model.city
        counts = city.states[city.neighbourhood == self.row].sum(axis=0)
        return dict(zip(self.model.states, counts.tolist(), strict=True))


class SecurityForce(Handle):
    """A state army between the communities."""

    @property
    def force(self) -> Force:
        """Return the force."""
        force: Force = self.model.forces[self.row]
        return force
