"""Stands where the page of a session stands: takes every moment in, and can wait for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition
from time import monotonic, sleep

from sim.dashboard.session import Moment, Session
from sim.scenario import Scenario

PATIENCE_S = 60.0
"""For what takes no time on a machine that is not overloaded."""

FLAT_OUT = 1e6
"""Hours a second that no run makes."""


class Watcher:
    """Calls back nothing; `moments` is what was shown, the newest last, with when it was."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.takes_s, self.moments, self.times = takes_s, list[Moment](), list[float]()
        self.news = Condition()

    def show(self, moment: Moment) -> None:
        sleep(self.takes_s)
        with self.news:
            self.moments.append(moment)
            self.times.append(monotonic())
            self.news.notify_all()

    def wait(self, what: Callable[[Moment], bool], seen: int = 0) -> Moment:
        """Return the first moment of which something is true, after as many as have been seen already."""
        with self.news:
            there = self.news.wait_for(lambda: any(map(what, self.moments[seen:])), PATIENCE_S)
            assert there, f"not in a minute; the last: {self.moments[-1] if self.moments else None}"
            return next(filter(what, self.moments[seen:]))

    def after(self, command: Callable[[], None], what: Callable[[Moment], bool] = lambda moment: True) -> Moment:
        """Give a command and return the first moment after it of which something is true."""
        seen = len(self.moments)
        command()
        return self.wait(what, seen)


@contextmanager
def opened(scenario: Scenario, seed: int = 1, takes_s: float = 0.0) -> Iterator[tuple[Session, Watcher]]:
    """Open a scenario in a session that goes as fast as it can."""
    watcher = Watcher(takes_s)
    session = Session(watcher.show)
    try:
        session.open(scenario, seed)
        session.set_speed(FLAT_OUT)
        watcher.wait(lambda moment: moment.done > 0 and moment.speed == FLAT_OUT)
        yield session, watcher
    finally:
        session.close()
