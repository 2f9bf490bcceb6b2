"""A tape: what is kept of a run by the hour, to be looked at while the run goes on.

A step that has been lived through never changes any more. So whoever looks at steps below `done` needs no lock,
while the thread that runs the model writes the next one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.record import Record, Series

if TYPE_CHECKING:
    from sim.dashboard.cells import Cells
    from sim.scenario import Scenario

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Tape:
    """One run by the hour; step `s` is row `s` of `values`, valid where `s < done`."""

    def __init__(
        self, scenario: Scenario, seed: int, label: str = "A", record: Record | None = None,
        cells: Cells | None = None, begins: int = 0, replayed: bool = False,
    ) -> None:  # fmt: skip
        """Keep a record that grows, or a finished one of a run folder; without one there is nothing to see yet."""
        self.scenario, self.seed, self.label = scenario, seed, label
        self.record = record or Record((), np.zeros((scenario.steps, 0)), ())
        self.cells, self.begins, self.replayed = cells, begins, replayed
        self.done = self.record.steps_done
        self.error = ""
        self._found: dict[tuple[str | None, ...], Ints] = {}

    @property
    def steps(self) -> int:
        """Return the steps of the whole run; of one from a folder, those that it lived through."""
        return self.done if self.replayed else self.scenario.steps

    @property
    def values(self) -> Floats:
        """Return every recorded column, (steps, series); rows from `done` on say nothing yet."""
        return self.record.values

    @property
    def series(self) -> tuple[Series, ...]:
        """Return what each column is."""
        return self.record.series

    def find(
        self, measure: str, *, place: str | None = None, neighbourhood: str | None = None,
        community: str | None = None, faction: str | None = None,
    ) -> Ints:  # fmt: skip
        """Return the numbers of the columns of a measure; None is of whomever, "" of nobody in particular."""
        asked = (measure, place, neighbourhood, community, faction)
        if asked not in self._found:
            self._found[asked] = np.array(list(self._fitting(*asked)), np.int64)
        return self._found[asked]

    def _fitting(self, *asked: str | None) -> Iterator[int]:
        for number, one in enumerate(self.series):
            said = (one.measure, one.place, one.neighbourhood, one.community, one.faction)
            if all(wanted in (None, there) for wanted, there in zip(asked, said, strict=True)):
                yield number

    def time(self, step: int) -> datetime:
        """Return when a step begins, in the scenario's zone."""
        return self.scenario.time_of(step)

    def flows(self, step: int) -> tuple[Floats, Floats]:
        """Return what the roads carry on the day of a step: t/day, and the share that is open, (corridors, factions).

        A flow is above 0 from the first end of a corridor to the second.
        """
        file: Any = self.scenario.file
        shape = (len(getattr(file, "corridors", ())), len(getattr(file, "factions", ())))
        a_day = shape[0] * shape[1]
        first = step // self.scenario.steps_a_day * a_day
        rows = self.record.flows[first : first + a_day]
        if len(rows) < a_day:
            return np.zeros(shape), np.zeros(shape)
        *_, flow, share = np.array(rows, np.float64).reshape(-1, 5).T
        return flow.reshape(shape), share.reshape(shape)

    def fire(self, first: int, last: int) -> list[tuple[int, ...]]:
        """Return the rows of fire of the steps from `first` to before `last`: `sim.record.FIRE_COLUMNS`."""
        rows, step = self.record.fire, itemgetter(0)
        begin, end = (bisect_left(rows, bound, key=step) for bound in (first, min(last, self.done)))
        return rows[begin:end]

    def happened(self, last: int) -> list[tuple[int, str, str]]:
        """Return step, id and text of what the scenario did to the world before step `last`, oldest first."""
        rows = self.record.happened
        return rows[: bisect_left(rows, min(last, self.done), key=itemgetter(0))]

    def claims(self, last: int) -> list[dict[str, Any]]:
        """Return what observers have said before step `last`; the keys are in `sim.runs.CLAIM_KEYS`."""
        return [claim for claim in self.record.claims if claim["claimed_at"] < min(last, self.done)]

    # --- for the thread that runs the model --------------------------------------------------------------

    def go_on(self, record: Record, cells: Cells | None) -> None:
        """Be written to another record from now on, which has the same in every step that is done."""
        self.record, self.cells = record, cells

    def give_past(self, to: Record, step: int) -> None:
        """Copy what there is of the steps before `step` into a record of the same series."""
        ours = self.record
        to.values[:step] = ours.values[:step]
        to.steps_done = step
        to.fire[:], to.happened[:] = self.fire(0, step), self.happened(step)
        to.flows[:] = [row for row in ours.flows if row[0] < step]
        to.worth[:] = [row for row in ours.worth if row[0] < step]
        to.claims[:] = [dict(claim) for claim in ours.claims if claim["last_step"] < step]
