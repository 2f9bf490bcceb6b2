"""Epstein's models of civil violence (Epstein 2002, PNAS 99 suppl. 3:7243), I and II.

What happens: agents and officers stand on a torus, one to a cell. Once a step each of them, in random
order, acts by what it sees then, and moves to an empty cell in sight:

    G = H (1 - L)      P = 1 - exp(-k ratio(C/A))      active when G - R P > T

H hardship and R risk aversion, uniform on 0 to 1; L legitimacy; C officers and A actives in sight, oneself
among the active. An officer jails one active in sight, for 0 to `longest_sentence` steps. This is the rule
of activation of the residents (MODEL 4.4), by the same function.

Model II: two groups; to be active is to kill one of the other group in sight; agents clone into empty cells
and die of age. The officers keep the peace between the groups and jail the active of both.

The defaults are those of Mesa's example, against which model I is docked: `ratio_rule = "round"`, everyone
sees as far as officers do, acts first and moves after. Where the paper says otherwise it is an option.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from sim import kernels
from sim.chance import Chance, code
from sim.parameters import Parameters, param
from sim.record import Record, Series

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Columns = dict[str, Ints]

STATES = ("quiet", "active", "jailed")
GROUPS = ("blue", "green")
RATIO_RULES = ("raw", "floor", "round")
PAPER = "Epstein 2002"
DOCKED = "Mesa 3.5.1, epstein_civil_violence"


class EpsteinParameters(Parameters):
    """Model I or II, its lattice and its agents."""

    RULES: ClassVar[tuple[str, ...]] = (
        "Agents and officers stand on a torus, one to a cell; once a step each of them acts and moves to an empty "
        "cell in sight.",
        "An agent is active when its grievance, hardship times what is lacking of legitimacy, less its risk aversion "
        "times the chance of arrest, is above the threshold; the chance of arrest grows with the officers in sight for "
        "each active in sight.",
        "An officer jails one of the active in sight.",
        "In model II there are two groups; to be active is to kill one of the other group in sight, agents clone into "
        "empty cells and die of age.",
    )

    variant: Literal["I", "II"] = param(
        "I", unit="model", grade="literature", source=PAPER,
        doc="I: rebellion against the authority; II: violence between two groups",
    )  # fmt: skip
    updating: Literal["sequential", "synchronous"] = param(
        "sequential", unit="rule", grade="literature", source=f"{PAPER}: asynchronous, once a period, random order",
        doc="one after another, or all at once by the lattice as the step began: other semantics, model I alone",
    )  # fmt: skip
    acts: Literal["before_moving", "after_moving"] = param(
        "before_moving", unit="rule", grade="literature", source=f"{DOCKED}; {PAPER}: moves, then acts where it is",
        doc="whether one acts from where one stood or from where one comes to",
    )  # fmt: skip
    width: int = param(40, unit="cells", low=3, high=4000, grade="literature", source=PAPER, doc="of the torus")
    height: int = param(40, unit="cells", low=3, high=4000, grade="literature", source=PAPER, doc="of the torus")
    citizen_density: float = param(
        0.7, unit="1", low=0.0, high=1.0, grade="literature", source=PAPER,
        doc="probability that a cell has an agent in it at the start",
    )  # fmt: skip
    officer_density: float = param(
        0.074, unit="1", low=0.0, high=1.0, grade="literature", source=f"{PAPER}; {DOCKED}",
        doc="probability that a cell has an officer in it at the start",
    )  # fmt: skip
    vision: float = param(
        7.0, unit="cells", low=1.0, high=100.0, grade="literature", source=f"{PAPER}: 7 in model I, 1.7 in model II",
        doc="how far an agent sees and moves",
    )  # fmt: skip
    officer_vision: float = param(
        7.0, unit="cells", low=1.0, high=100.0, grade="literature", source=f"{PAPER}: 7 in model I, 1.7 in model II",
        doc="how far an officer sees and moves",
    )  # fmt: skip
    sight: Literal["moore", "von_neumann", "disc"] = param(
        "von_neumann", unit="rule", grade="literature",
        source=f"{DOCKED}: a diamond, or a square; vision 1.7 of {PAPER} reads as the radius of a disc",
        doc="shape of what is in sight: a square, a diamond, a disc",
    )  # fmt: skip
    legitimacy: float = param(
        0.8, unit="1", low=0.0, high=1.0, grade="literature", source=f"{DOCKED}; {PAPER}: 0.8 to 0.9",
        doc="L; in model II that of the other group",
    )  # fmt: skip
    threshold: float = param(0.1, unit="1", low=-1.0, high=1.0, grade="literature", source=PAPER, doc="T")
    state_deterrence: float = param(
        2.3, unit="1", low=0.0, high=100.0, grade="literature",
        source=f"{PAPER}: P = 0.9 at one officer for one active",
        doc="k in P = 1 - exp(-k ratio(C/A))",
    )  # fmt: skip
    ratio_rule: Literal["raw", "floor", "round"] = param(
        "round", unit="rule", grade="literature",
        source=f"round in {DOCKED}, floor in NetLogo's Rebellion, raw as {PAPER} writes it",
        doc="how C/A is rounded; decides whether outbursts exist",
    )  # fmt: skip
    longest_sentence: int = param(
        1000, unit="steps", low=0, high=1_000_000_000, grade="literature",
        source=f"{DOCKED}; {PAPER}: 30, or 15 in model II",
        doc="longest time in jail",
    )  # fmt: skip
    movement: bool = param(True, unit="switch", grade="literature", source=PAPER, doc="whether anyone moves")
    blue_share: float = param(
        0.5, unit="1", low=0.0, high=1.0, grade="literature", source=PAPER,
        doc="model II: share of the agents who are of the first group",
    )  # fmt: skip
    cloning: float = param(
        0.05, unit="1", low=0.0, high=1.0, grade="literature", source=PAPER,
        doc="model II: probability in a step of a clone in an empty cell in sight",
    )  # fmt: skip
    longest_life: float = param(
        200.0, unit="steps", low=1.0, high=1_000_000.0, grade="literature", source=PAPER,
        doc="model II: ages at death are uniform up to this",
    )  # fmt: skip

    outburst: int = param(
        50, unit="people", low=1, high=10_000_000, grade="literature",
        source=f"{PAPER} counts as outbursts what goes beyond 50 actives on its lattice",
        doc="actives that make an outburst; for counting alone",
    )  # fmt: skip

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.citizen_density + self.officer_density > 1.0:
            filled = self.citizen_density + self.officer_density
            raise ValueError(f"citizen_density and officer_density add up to {filled:g}, more than 1")
        if 2 * int(max(self.vision, self.officer_vision)) + 1 > min(self.width, self.height):
            raise ValueError("vision and officer_vision reach round the torus: nobody may see a cell twice")
        if self.updating == "synchronous" and self.variant == "II":
            raise ValueError("updating = 'synchronous' is offered for variant 'I' alone")
        if self.updating == "synchronous" and self.acts == "after_moving":
            raise ValueError("updating = 'synchronous' has everyone act by where they stood: acts = 'before_moving'")
        return self


def cells_in_sight(vision: float, sight: str) -> list[tuple[int, int]]:
    """Return the offsets (dx, dy) in sight, row by row, one's own cell left out."""
    reach = range(-int(vision), int(vision) + 1)
    square = [(dx, dy) for dy in reach for dx in reach if dx or dy]
    if sight == "von_neumann":
        return [(dx, dy) for dx, dy in square if abs(dx) + abs(dy) <= int(vision)]
    if sight == "disc":
        return [(dx, dy) for dx, dy in square if dx * dx + dy * dy <= vision * vision]
    return square


@dataclass(frozen=True)
class Seen:
    """What everybody sees, as the kernels want it."""

    dx: Numbers
    dy: Numbers
    mask: Numbers
    citizen_cells: int
    officer_cells: int

    @classmethod
    def of(cls, p: EpsteinParameters) -> Self:
        """Return the offsets of agents and of officers, and the mask of agents."""
        ours, theirs = cells_in_sight(p.vision, p.sight), cells_in_sight(p.officer_vision, p.sight)
        side = 2 * int(p.vision) + 1
        lanes = kernels.epstein.LANES
        mask = np.zeros((side, -(-side // lanes) * lanes), np.int32)
        for x, y in [*ours, (0, 0)]:
            mask[y + int(p.vision), x + int(p.vision)] = 1
        dx, dy = np.array([*ours, *theirs], np.int32).T.copy()
        return cls(dx, dy, mask, len(ours), len(theirs))


class Epstein:
    """A lattice and its people, as columns; `run` takes it some steps on.

    A row is a person, officers included; its number keys every draw, so that the seed alone decides the run.
    """

    def __init__(self, parameters: EpsteinParameters, seed: int = 0) -> None:
        """Draw who stands where, and everyone's hardship and risk aversion."""
        p = self.parameters = parameters
        self.chance, self.steps_done = Chance(seed), 0
        self._lay_out()
        self._people()
        kernel = kernels.epstein
        officers = np.flatnonzero(self.what == kernel.OFFICER)
        for cell in officers.tolist():
            x, y = cell % p.width, cell // p.width
            kernel.note(self.ground, self.table, self.seen.mask, x, y, kernel.ONE_OFFICER)

    def _lay_out(self) -> None:
        p, kernel = self.parameters, kernels.epstein
        self.seen = Seen.of(p)
        luck = self.chance.uniforms("who stands here", 0, np.arange(p.width * p.height))
        filled = p.citizen_density + p.officer_density
        kinds = np.where(luck < filled, kernel.OFFICER, kernel.EMPTY)
        self.what = np.where(luck < p.citizen_density, kernel.QUIET, kinds).astype(np.uint8)
        self.sentence = np.zeros(self.what.size, np.int32)
        margin, lanes = 2 * int(p.vision), self.seen.mask.shape[1]
        stride = p.width + margin + lanes
        self.table = np.zeros((p.height + margin) * stride + lanes, np.int32)
        self.ground = kernel.Ground(
            p.width, p.height, int(p.vision), stride, self.seen.citizen_cells, self.seen.officer_cells,
            p.vision == p.officer_vision, p.threshold, p.state_deterrence, RATIO_RULES.index(p.ratio_rule),
            p.longest_sentence, p.movement, p.acts == "after_moving",
        )  # fmt: skip
        self.draws = kernel.Draws(
            code("order"), code("move"), code("arrest"), code("kill"), code("clone"), code("risk aversion"),
            code("lifespan"), *self.chance.key,
        )  # fmt: skip

    def _people(self) -> None:
        p, chance = self.parameters, self.chance
        cells = np.flatnonzero(self.what)
        self.rows = cells.size
        uids = np.arange(self.rows)
        self.uids = uids.astype(np.int32)
        self.where = (cells % p.width + ((cells // p.width) << 16)).astype(np.int32)
        grievance = chance.uniforms("hardship", 0, uids) * (1.0 - p.legitimacy)
        self.temper = np.stack([grievance, chance.uniforms("risk aversion", 0, uids)], axis=1)
        self.officer = self.what[cells] == kernels.epstein.OFFICER

    def run(self, steps: int) -> Columns:
        """Run some steps; return what there was at the end of each, one array a count."""
        kernel = kernels.epstein
        counts = np.empty((steps, kernel.REBELLION_COLUMNS), np.int64)
        update = kernel.rebellion if self.parameters.updating == "sequential" else kernel.rebellion_at_once
        update(
            steps, self.steps_done, self.ground, self.draws, self.what, self.sentence, self.table,
            self.seen.mask, self.seen.dx, self.seen.dy, self.uids, self.where, self.temper, counts,
        )  # fmt: skip
        self.steps_done += steps
        names = ("quiet", "active", "jailed", "arrested")
        return {name: np.ascontiguousarray(counts[:, i]) for i, name in enumerate(names)}


class Communal(Epstein):
    """Model II: two groups that kill each other, clone and die of age."""

    def _people(self) -> None:
        super()._people()
        p, chance, uids = self.parameters, self.chance, np.arange(self.rows)
        second = chance.uniforms("group", 0, uids) >= p.blue_share
        self.group = np.where(self.officer, 0, second).astype(np.uint8)
        self.lifespan = p.longest_life * chance.uniforms("lifespan", 0, uids)
        self.age = np.zeros(self.rows, np.int32)
        self.occupant = np.full(self.what.size, kernels.epstein.NOWHERE, np.int32)
        self.occupant[np.flatnonzero(self.what)] = self.uids

    def run(self, steps: int) -> Columns:
        """Run some steps; return what there was at the end of each, by group: `active_blue`, `killed_green`, …"""
        kernel = kernels.epstein
        counts = np.empty((steps, len(GROUPS), kernel.GROUP_COLUMNS), np.int64)
        for row in range(steps):
            self._make_room()
            living = np.flatnonzero(self.where[: self.rows] != kernel.NOWHERE).astype(np.int32)
            self.rows = kernel.clash(
                self.steps_done, self.rows, self.ground, self.draws, self.parameters.cloning,
                self.parameters.longest_life, self.what, self.sentence, self.table, self.seen.mask, self.seen.dx,
                self.seen.dy, self.occupant, living, self.where, self.group, self.temper, self.age, self.lifespan,
                counts[row],
            )  # fmt: skip
            self.steps_done += 1
        names = ("quiet", "active", "jailed", "killed", "born", "aged_out")
        return {
            f"{name}_{group}": np.ascontiguousarray(counts[:, g, i])
            for i, name in enumerate(names)
            for g, group in enumerate(GROUPS)
        }

    def _make_room(self) -> None:
        """Let the columns have room for a birth in every cell; a row is one person and is never used again."""
        if self.rows + self.what.size > self.where.size:
            more = self.rows + self.what.size
            for name in ("where", "group", "age", "lifespan", "temper"):
                column = getattr(self, name)
                setattr(self, name, np.concatenate([column, np.zeros((more, *column.shape[1:]), column.dtype)]))


class EpsteinRun:
    """A run that writes its counts into a record, as the model of the theatre does."""

    def __init__(self, parameters: EpsteinParameters, steps: int, seed: int) -> None:
        """Set the lattice up."""
        self.lattice = model(parameters, seed)
        groups = GROUPS if parameters.variant == "II" else ("",)
        measures = (*STATES, "killed", "born", "aged_out") if parameters.variant == "II" else (*STATES, "arrested")
        self.names = [f"{measure}_{group}" if group else measure for measure in measures for group in groups]
        series = tuple(Series(m, "people", place="lattice", community=g) for m in measures for g in groups)
        self.record = Record(series=series, values=np.zeros((steps, len(series))), sides=())

    def run_for(self, steps: int) -> None:
        """Run some steps."""
        counts, done = self.lattice.run(steps), self.record.steps_done
        self.record.values[done : done + steps] = np.stack([counts[name] for name in self.names], axis=1)
        self.record.steps_done = done + steps


@dataclass(frozen=True)
class Outbursts:
    """Spells of steps with at least so many actives: when each began, its actives added up, the quiet steps between."""

    began: Ints
    sizes: Ints
    waits: Ints  # quiet steps between one and the next

    @classmethod
    def of(cls, active: npt.ArrayLike, at_least: int) -> Self:
        """Find them in the number of actives at the end of each step."""
        counted = np.asarray(active, dtype=np.int64)
        up = np.concatenate([[False], counted >= at_least, [False]])
        edges = np.flatnonzero(up[1:] != up[:-1])
        began, ended = edges[::2], edges[1::2]
        added = np.concatenate([[0], np.cumsum(counted)])
        return cls(began, added[ended] - added[began], began[1:] - ended[:-1])


def model(parameters: EpsteinParameters, seed: int = 0) -> Epstein:
    """Return the variant that the parameters ask for."""
    return (Communal if parameters.variant == "II" else Epstein)(parameters, seed)
