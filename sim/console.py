"""What every command says in the same way: exit codes, complaints, refusals, figures that fail, bars.

`sim.cli` and the commands of `analysis` share it. A command refuses input with `Refused`, which
carries every fault at once; `spillover` prints them and leaves with `BAD_INPUT`.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from time import monotonic
from typing import TYPE_CHECKING, Protocol

import typer

if TYPE_CHECKING:
    from types import FrameType

DONE, FAILED, BAD_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
LARGEST_SEED = 2**63 - 1
SECONDS_BETWEEN_LINES = 60.0


class Refused(ValueError):
    """Input that cannot be worked with: every fault in words, not only the first."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def complain(text: str) -> None:
    """Say something on stderr."""
    typer.echo(text, err=True)


def nearest(name: str, names: Iterable[str]) -> str:
    """Return `did you mean …?` with a leading space for the name most like the one given, or nothing."""
    close = get_close_matches(name, list(names), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


@contextmanager
def drawing() -> Iterator[None]:
    """Let figures that fail cost nobody a result, and say so; what the disk refuses is raised."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        complain(f"no figures: {type(error).__name__}: {error}")


@contextmanager
def stoppable() -> Iterator[list[int]]:
    """Let SIGTERM stop the work as Ctrl-C does; the list holds the signal once it came."""
    stopped: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread
        yield stopped
        return
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGTERM, before)


class Show(Protocol):
    """Say how many are done, and how many of these failed."""

    def __call__(self, done: int, failed: int = 0) -> None: ...


@contextmanager
def counting(total: int, what: str = "runs", quiet: bool = False) -> Iterator[Show | None]:
    """Show how many of `total` are done: a bar on a terminal, a line a minute elsewhere; nothing if there are none."""
    if not total or quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar(total, what) as show:
            yield show
    else:
        yield _lines(total, what)


@contextmanager
def _bar(total: int, what: str) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate, failures = TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[failures]}", style="red")
    columns = (BarColumn(30), MofNCompleteColumn(), TextColumn(what), rate, TimeRemainingColumn(), failures)
    began = monotonic()

    def show(done: int, failed: int = 0) -> None:
        rate = _rate(done, monotonic() - began)
        bar.update(task, completed=done, rate=rate, failures=_failures(failed))

    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, rate="", failures="")
        yield show


def _lines(total: int, what: str) -> Show:
    began = said = monotonic()

    def say(done: int, failed: int = 0) -> None:
        nonlocal said
        now = monotonic()
        if now - said >= SECONDS_BETWEEN_LINES and 0 < done < total:
            said = now
            left = (total - done) * (now - began) / done / 60.0
            parts = (f"{done:,} of {total:,} {what}", _rate(done, now - began), f"about {left:.0f} min left")
            complain(", ".join(part for part in (*parts, _failures(failed)) if part))

    return say


def _rate(done: int, seconds: float) -> str:
    if not done or seconds <= 0.0:
        return ""
    return f"{done / seconds:.3g} a second" if done > seconds else f"{60.0 * done / seconds:.3g} a minute"


def _failures(failed: int) -> str:
    return f"{failed:,} failed" if failed else ""
