"""A track: one run on its way, with the tape that it fills and the states from which a fork of it can go on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sim.checkpoint import Checkpoint, CheckpointError, capture, refuse_the_past, restored
from sim.dashboard.cells import Cells
from sim.dashboard.tape import Tape
from sim.record import Record
from sim.runs import new_model
from sim.scenario import Scenario

MOST_MARKS = 32
"""States kept of a run: when there are more, every other one goes, and a fork has further to run again."""


class Marks:
    """States of a run at midnights, each a day's run from the next at first, further apart as the run gets longer."""

    def __init__(self, apart: int) -> None:
        self.apart = apart  # steps
        self.kept: list[Checkpoint] = []

    def note(self, model: Any) -> None:
        """Keep the state of a model between two hours, if it is time to."""
        if model.now % self.apart:
            return
        self.kept.append(_sharing(state(model), self.kept))
        if len(self.kept) > MOST_MARKS:
            self.apart *= 2
            self.kept = [mark for mark in self.kept if mark.step % self.apart == 0]

    def before(self, step: int) -> Checkpoint | None:
        """Return the last one that is not after the top of a step."""
        return next((mark for mark in reversed(self.kept) if mark.step <= step), None)


def state(model: Any) -> Checkpoint:
    """Return the state of a model without what it has recorded: the tape has that, and it is the most of it."""
    books, record = model.books, model.books.record
    books.record = Record(record.series, np.zeros((model.now, 1)), record.sides)
    try:
        return capture(model)
    finally:
        books.record = record


def _sharing(mark: Checkpoint, earlier: list[Checkpoint]) -> Checkpoint:
    """Return a state that holds no second copy of what has not changed, such as everyone's traits."""
    if not earlier:
        return mark
    before = earlier[-1].arrays
    shared = {key: before[key] for key, array in mark.arrays.items() if np.array_equal(before[key], array)}
    return replace(mark, arrays=mark.arrays | shared)


def resumed(mark: Checkpoint, scenario: Scenario, past: Tape) -> Any:
    """Return a model that goes on from a state, with the past that a tape keeps."""
    model = restored(mark, scenario)
    if model.record.series != past.series:
        raise CheckpointError(f"{scenario.id}: records other columns; a fork keeps what is recorded")
    past.give_past(model.record, mark.step)
    return model


class Track:
    """A run and its tape. Without a model it goes no further than it has come: a folder, or one that failed."""

    def __init__(self, tape: Tape, model: Any = None) -> None:
        self.tape, self.model = tape, model
        self.marks = Marks(tape.scenario.steps_a_day)

    def begin(self) -> None:
        """Set up the model of the tape's scenario as it is at its start."""
        tape = self.tape
        self.model = new_model(tape.scenario, tape.seed, None)
        tape.go_on(self.model.record, Cells(self.model) if self.is_theatre else None)

    @property
    def is_theatre(self) -> bool:
        """Say whether the run has a city, and states that can be gone on from."""
        return self.tape.scenario.model == "theatre"

    @property
    def last(self) -> int:
        """Return the last step that it can come to; -1: not even the first."""
        return self.tape.done - 1 if self.model is None or self.tape.error else self.tape.steps - 1

    def is_due(self, step: int) -> bool:
        """Say whether it has to go on, so that there is a step to show."""
        return self.tape.done <= min(step, self.last)

    def live(self) -> None:
        """Make a step; on the tape it is done when all is kept of it."""
        self.model.run_for(1)
        if self.is_theatre:
            self.marks.note(self.model)
        if self.tape.cells is not None:
            self.tape.cells.note(self.model)
        self.tape.done = self.model.record.steps_done

    def before(self, step: int) -> Any:
        """Return another model that is at the top of a step, or of the nearest one before from which it can go on."""
        scenario, seed = self.tape.scenario, self.tape.seed
        if self.model is not None and self.model.now == step:
            return resumed(state(self.model), scenario, self.tape)
        mark = self.marks.before(step)
        return new_model(scenario, seed, None) if mark is None else resumed(mark, scenario, self.tape)

    def let_go(self) -> None:
        """Free what the run holds; its tape stays for as long as somebody looks at it."""
        self.marks.kept.clear()
        if self.model is not None:  # Mesa's models are rings of references: emptied, their arrays go at once
            vars(self.model).clear()
            self.model = None


class Fork(Track):
    """Another future of a run: up to the step at which its tape begins it is the same run, lived through once more."""

    def __init__(self, parent: Track, begins: int, scenario: Scenario) -> None:
        """Begin before a step of a run; raise CheckpointError where the scenario would rewrite what was before."""
        self.past = parent.tape
        _refuse(self.past, begins, scenario)
        tape = Tape(scenario, self.past.seed, "B", self.past.record, self.past.cells, begins)
        tape.done = begins
        self.turned = False
        super().__init__(tape, parent.before(begins))

    def is_due(self, step: int) -> bool:
        return super().is_due(step) or not (self.turned or self.tape.error)

    def live(self) -> None:
        if self.turned:
            super().live()
        elif self.model.now < self.tape.begins:
            self.model.run_for(1)
        else:
            self._turn()

    def _turn(self) -> None:
        """Leave the parent's way: from here on all is as the scenario of the fork has it."""
        begins, again = self.tape.begins, self.model.record
        if again.values[:begins].tobytes() != self.past.values[:begins].tobytes():
            raise CheckpointError(
                f"{self.past.scenario.id}: run again it is not what was kept, so no fork goes on from it"
            )
        here = state(self.model)
        self.let_go()
        self.model = resumed(here, self.tape.scenario, self.past)
        cells = None if self.past.cells is None else Cells(self.model, self.past.cells)
        self.tape.go_on(self.model.record, cells)
        self.turned = True


def _refuse(past: Tape, begins: int, scenario: Scenario) -> None:
    """Refuse a fork that has nothing to go on from, nothing ahead of it, or that differs in what has been."""
    kept = past.scenario
    if kept.model != "theatre":
        raise CheckpointError(f"{kept.id}: a run of the model '{kept.model}' has no checkpoints to fork from")
    if begins >= past.steps:
        raise CheckpointError(f"{kept.id}: this is its last step; nothing is ahead that a fork could change")
    refuse_the_past(Checkpoint(kept, past.seed, begins, {}, {}), scenario)
