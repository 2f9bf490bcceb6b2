"""A session: the runs of one page, the clock they share, and the thread in which they live.

Commands return at once; the thread obeys between two steps. `show` is called from it with a `Moment`: at once after a
command, else so many times a second as long as something changes. While `show` is busy the clock goes on and no frames
pile up: a slow page gets fewer.

A session ends with `close`, or when nobody holds it any more (so `show` must not hold it).
"""

from __future__ import annotations

import logging
import math
import weakref
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread, current_thread
from time import monotonic

from sim.dashboard.cells import Cells
from sim.dashboard.tape import Tape
from sim.dashboard.tracks import Fork, Track
from sim.runs import CELLS, Result, RunFolderError, load, new_model
from sim.scenario import Scenario

LOG = logging.getLogger(__name__)

USUAL_SPEED = 24.0
"""Hours of a scenario in a second."""

BREATH_S = 0.03
"""Longest time for which steps are made without a look at the clock; a command is waited with for one step at most."""

AHEAD_S = 1.0
"""How far the runs go ahead of the clock, in seconds of play: what they may stutter without being noticed."""

CLOSES_WITHIN_S = 0.5

NOTHING_YET = "tiny"
"""The scenario of which there is an empty tape, where what should have been opened first is refused."""


@dataclass(frozen=True)
class Moment:
    """What there is to show: `at` is the step shown, row `at` of each tape's values; there is one where `done` > 0.

    `done` and `steps` are what both runs have. `running_to` is the step that the runs are on the way to, as fast as
    they can. `error` says what was refused or went wrong.
    """

    at: int
    done: int
    steps: int
    playing: bool
    speed: float  # hours a second
    running_to: int | None
    first: Tape
    second: Tape | None
    error: str


class Session:
    """What a page may ask for. Each command is obeyed in turn, soon after it has returned."""

    def __init__(self, show: Callable[[Moment], None], frames_per_second: float = 15.0) -> None:
        """Begin with nothing open; `show` is called when there is something to see."""
        self._player = _Player(show, frames_per_second)
        self._thread = Thread(target=self._player.work, name="spillover session", daemon=True)
        self._thread.start()
        self._end = weakref.finalize(self, self._player.leave)

    @property
    def moment(self) -> Moment | None:
        """Return what was shown last; None before anything was."""
        return self._player.moment

    def open(self, scenario: Scenario, seed: int) -> None:
        """Begin a run, in place of what there was."""
        self._tell(lambda player: player.open(scenario, seed))

    def replay(self, folder: Path) -> None:
        """Show what a run folder keeps, in place of what there was; nothing runs."""
        self._tell(lambda player: player.replay(folder))

    def play(self) -> None:
        """Let the clock go; at the end of the run it begins anew, on what is kept."""
        self._tell(_Player.play)

    def pause(self) -> None:
        """Stop the clock, and a run that is on its way to a step."""
        self._tell(_Player.pause)

    def toggle(self) -> None:
        """Play or pause, whichever is not done now."""
        self._tell(_Player.toggle)

    def step(self, n: int = 1) -> None:
        """Pause, and go some steps on, or back where n < 0."""
        self._tell(lambda player: player.step(n))

    def seek(self, step: int) -> None:
        """Show a step; one that has not been lived through is run to, as fast as it goes."""
        self._tell(lambda player: player.seek(step))

    def set_speed(self, hours_per_second: float) -> None:
        """Let the clock go faster or slower; ValueError where it would not go forward."""
        if not 0.0 < hours_per_second < math.inf:
            raise ValueError(f"a speed of {hours_per_second} hours a second: allowed more than 0, and finite")
        self._tell(lambda player: player.set_speed(hours_per_second))

    def compare(self, scenario: Scenario) -> None:
        """Run a second scenario beside the first, from its start on the same seed, to the step shown."""
        self._tell(lambda player: player.compare(scenario))

    def fork(self, scenario: Scenario) -> None:
        """Run another future beside the first: up to the step shown it is the same run, then in this scenario."""
        self._tell(lambda player: player.fork(scenario))

    def part(self) -> None:
        """Drop the second run."""
        self._tell(_Player.part)

    def close(self) -> None:
        """End the thread and let go of the runs; commands that come later do nothing."""
        self._end()
        if self._thread is not current_thread():
            self._thread.join(CLOSES_WITHIN_S)

    def _tell(self, command: Callable[[_Player], None]) -> None:
        if not self._player.closed:
            self._player.told.put(command)


class _Player:
    """Does what a session is told, in the one thread in which its runs live."""

    def __init__(self, show: Callable[[Moment], None], frames_per_second: float) -> None:
        self.show, self.frame_s = show, 1.0 / frames_per_second
        self.told: SimpleQueue[Callable[[_Player], None]] = SimpleQueue()
        self.moment: Moment | None = None
        self.closed, self.error = False, ""
        self.first: Track | None = None
        self.second: Track | None = None
        self.position, self.playing, self.speed = 0.0, False, USUAL_SPEED  # position: the step shown, and how far in it
        self.running_to: int | None = None
        self.looked_at = self.due_at = monotonic()

    # --- the thread --------------------------------------------------------------------------------------

    def work(self) -> None:
        """Obey, run, let the clock go and show, until told to leave."""
        while not self.closed:
            obeyed = self._obey()
            self._run()
            self._let_the_clock_go()
            self._show(at_once=obeyed)
        self._clear()

    def leave(self) -> None:
        """Ask the thread to end, from another one."""
        self.closed = True
        self.told.put(lambda player: None)  # it may be waiting for a command

    def _obey(self) -> bool:
        """Do what one was told meanwhile, or wait to be told while there is nothing else to do; say if anything was."""
        obeyed = False
        with suppress(Empty):
            command = self.told.get(timeout=self._patience())
            while True:
                obeyed = True
                self._do(command)
                command = self.told.get_nowait()
        return obeyed

    def _patience(self) -> float | None:
        """Return the seconds for which there is nothing to do; None: until told."""
        if self._behind() is not None:
            return 0.0
        if self.playing or (self.first is not None and self._now() != self.moment):
            return max(0.0, self.due_at - monotonic())
        return None

    def _do(self, command: Callable[[_Player], None]) -> None:
        try:
            command(self)
        except Exception as error:
            self.error = _in_words(error)

    def _run(self) -> None:
        """Make steps for as long as a breath lasts, or until there is a command to obey."""
        until = monotonic() + BREATH_S
        while (late := self._behind()) is not None and monotonic() < until and not self.closed:
            try:
                late.live()
            except Exception as error:
                LOG.exception("a run has failed")
                late.tape.error = _in_words(error)
            if not self.told.empty():
                return

    def _behind(self) -> Track | None:
        """Return the run that is to make the next step: of those that have not come to where they should, the last."""
        wanted = self._wanted()
        late = [track for track in self._tracks() if track.is_due(wanted)]
        return min(late, key=lambda track: track.tape.done, default=None)

    def _wanted(self) -> int:
        """Return the step that the runs should have lived through by now."""
        if self.running_to is not None:
            return self.running_to
        return int(self.position + self._steps_in(AHEAD_S)) if self.playing else int(self.position)

    def _let_the_clock_go(self) -> None:
        now = monotonic()
        elapsed, self.looked_at = now - self.looked_at, now
        if self.first is None:
            return
        newest, last = max(0, self._done() - 1), self._last()
        if self.running_to is not None:
            self.running_to = min(self.running_to, last)  # a run may have failed on the way
            self.position = min(self.running_to, newest)
            if newest >= self.running_to:
                self.running_to = None
        elif self.playing:
            self.position = min(self.position + self._steps_in(elapsed), newest)
            self.playing = self.position < last

    def _steps_in(self, seconds: float) -> float:
        assert self.first is not None, "a clock of nothing"
        return self.speed * seconds / self.first.tape.scenario.step_hours

    def _show(self, at_once: bool) -> None:
        """Show the moment if it is a new one and time for a frame, or if someone has just asked for something."""
        now = monotonic()
        if self.first is None or self.closed or not (at_once or now >= self.due_at):
            return
        late = at_once or now - self.due_at > self.frame_s
        self.due_at = (now if late else self.due_at) + self.frame_s
        moment, before = self._now(), self.moment
        if at_once or moment != before:
            self.moment = moment
            self._call_show(moment)

    def _call_show(self, moment: Moment) -> None:
        try:
            self.show(moment)
        except Exception as error:
            LOG.exception("what shows a run has failed")
            self.error, self.playing, self.running_to = _in_words(error), False, None
            self.moment = self._now()

    def _now(self) -> Moment:
        assert self.first is not None, "nothing to show"
        errors = [self.error, *(track.tape.error for track in self._tracks())]
        return Moment(
            at=int(self.position), done=self._done(), steps=min(track.tape.steps for track in self._tracks()),
            playing=self.playing, speed=self.speed, running_to=self.running_to, first=self.first.tape,
            second=None if self.second is None else self.second.tape, error=next(filter(None, errors), ""),
        )  # fmt: skip

    # --- what both runs have -----------------------------------------------------------------------------

    def _tracks(self) -> list[Track]:
        return [track for track in (self.first, self.second) if track is not None]

    def _done(self) -> int:
        return min(track.tape.done for track in self._tracks())

    def _last(self) -> int:
        """Return the last step that can be shown."""
        return max(0, min(track.last for track in self._tracks()))

    # --- commands ----------------------------------------------------------------------------------------

    def open(self, scenario: Scenario, seed: int) -> None:
        self._clear()
        self.first = Track(Tape(scenario, seed))  # there to be shown if its model cannot be made
        self.first.begin()

    def replay(self, folder: Path) -> None:
        if self.first is None:
            self.first = Track(Tape(Scenario.load(NOTHING_YET), 0))  # there to be shown if the folder is refused
        result = load(folder)
        self._clear()
        self.first = Track(Tape(result.scenario, result.seed, record=result.record, replayed=True))
        self.first.tape.cells = _streets(result)

    def play(self) -> None:
        self._opened()
        if self.running_to is None and self.position >= self._last():
            self.position = 0.0
        self.playing, self.looked_at = True, monotonic()

    def pause(self) -> None:
        self.playing = False
        if self.running_to is not None and self.running_to >= self._opened().tape.done:
            self.running_to = None  # a second run still comes up to the first: what was shown is to be shown again

    def toggle(self) -> None:
        (self.pause if self.playing else self.play)()

    def step(self, n: int) -> None:
        self.playing = False
        self.seek(n + (int(self.position) if self.running_to is None else self.running_to))

    def seek(self, step: int) -> None:
        self._opened()
        self.running_to = min(max(0, step), self._last())

    def set_speed(self, hours_per_second: float) -> None:
        self.speed = hours_per_second

    def compare(self, scenario: Scenario) -> None:
        first, self.error = self._opened(), ""
        _refuse_another_clock(first.tape.scenario, scenario)
        second = Track(Tape(scenario, first.tape.seed, "B"))
        second.begin()
        self.part()
        self.second = second
        self.running_to = int(self.position) if self.running_to is None else self.running_to

    def fork(self, scenario: Scenario) -> None:
        first, self.error = self._opened(), ""
        second = Fork(first, int(self.position) + 1, scenario)
        self.part()
        self.second = second

    def part(self) -> None:
        self.error = ""
        if self.second is not None:
            self.second.let_go()
            self.second = None

    def _opened(self) -> Track:
        if self.first is None:
            raise ValueError("nothing is open")
        return self.first

    def _clear(self) -> None:
        """Let go of both runs, and stand at the beginning."""
        self.part()
        if self.first is not None:
            self.first.let_go()
            self.first = None
        self.position, self.playing, self.running_to = 0.0, False, None


def _streets(result: Result) -> Cells | None:
    """Return the cells that a run folder keeps of every step, if it does."""
    if CELLS not in result.more:
        return None
    cells = Cells(new_model(result.scenario, result.seed, None))
    try:
        cells.unpack(result.more[CELLS])
    except (ValueError, zlib.error) as error:
        raise RunFolderError(f"{CELLS}: not of the city that this version makes: {error}") from error
    return cells if cells.steps >= result.record.steps_done else None


def _refuse_another_clock(one: Scenario, other: Scenario) -> None:
    """Refuse a second run of which a step would be another time."""
    if (one.model, one.start, one.step_hours) != (other.model, other.start, other.step_hours):
        begins = f"begins {other.start:%d %B %Y %H:%M} in steps of {other.step_hours:g} h"
        raise ValueError(f"{other.id}: {begins} in the model '{other.model}'; side by side are runs of one clock")


def _in_words(error: Exception) -> str:
    """Say what went wrong: what we refuse says so itself, all else is named."""
    return str(error) if isinstance(error, ValueError) and str(error) else f"{type(error).__name__}: {error}"
