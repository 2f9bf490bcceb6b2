"""What a chart shows: which recorded columns as which curves, how they are read, and what was reported beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sim.dashboard.tape import Tape

Floats = NDArray[np.float64]

Kind = Literal["stacked", "lines", "bars"]
Reading = Literal["level", "total", "daily"]
"""A level when a step ends; what there was of a count since the run began; or on each local calendar day."""


@dataclass(frozen=True)
class Curve:
    """One curve: the columns of a measure, added up; None is of whomever, "" of nobody in particular.

    `channel` names the channel by whose weight an alarm is multiplied.
    """

    label: str
    colour: str
    measure: str
    place: str | None = None
    neighbourhood: str | None = None
    community: str | None = None
    faction: str | None = None
    channel: str = ""

    def hourly(self, tape: Tape, first: Tape, steps: int) -> Floats:
        """Return its value in the first steps of a run; NaN where the run records nothing of the kind."""
        found = tape.find(
            self.measure, place=self.place, neighbourhood=self.neighbourhood,
            community=self.community, faction=self.faction,
        )  # fmt: skip
        if not found.size:
            return np.full(steps, np.nan)
        levels = np.asarray(tape.values[:steps, found].sum(axis=1), np.float64)
        if self.channel:
            levels *= self._weights(tape, first, steps)
        return levels

    def _weights(self, tape: Tape, first: Tape, steps: int) -> Floats:
        """Return the channel's weight in each step; what a fork shares with its parent had the parent's."""
        own, parents = (getattr(one.scenario.file.channels, self.channel).weight for one in (tape, first))
        weights: Floats = np.where(np.arange(steps) < tape.begins, parents, own)
        return weights


@dataclass(frozen=True)
class Mark:
    """A number that was reported, beside a curve: `low` at least, `high` at most, `point` the number itself.

    It is of the steps from `first` to `last`. `since` says that it counts from `first` on, not since the run began.
    """

    curve: int
    first: int
    last: int
    low: float | None
    high: float | None
    point: float | None
    since: bool
    claim: str
    words: str


@dataclass(frozen=True)
class ChartSpec:
    """A chart: its curves and marks, with the unit of its vertical axis.

    `about` is the id of the place it is of, "" for all. `top` is the upper end of the axis, where that is given.
    `differs` says that it shows the first run less the second.
    """

    id: str
    section: str
    title: str
    unit: str
    kind: Kind
    reading: Reading
    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...] = ()
    about: str = ""
    note: str = ""
    top: float | None = None
    differs: bool = False


def difference(spec: ChartSpec) -> ChartSpec:
    """Return the chart of the first run less the second; raise ValueError for one that is stacked."""
    if spec.kind == "stacked":
        raise ValueError(f"{spec.id}: no difference of a stacked chart")
    title = f"{spec.title}, difference"
    return replace(
        spec, id=f"{spec.id}.difference", title=title, kind="lines", marks=(), note="", top=None, differs=True
    )
