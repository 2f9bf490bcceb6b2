"""Jobs for the tests of `analysis.workers`: small, and importable by the processes that do them."""

import os
import signal
import time
from pathlib import Path


class Unsendable(Exception):
    """An exception that does not survive being sent: it cannot be made again from its text."""

    def __init__(self, one: object, two: object) -> None:
        super().__init__(f"{one} and {two}")


def square(number: int) -> int:
    return number * number


def times(factor: int, number: int) -> int:
    return factor * number


def fails_at_three(number: int) -> int:
    if number == 3:
        raise Unsendable("this", "that")
    return number


def leaves_at_three(number: int) -> int:
    if number == 3:
        raise SystemExit(7)
    return number


def dies_at_three(folder: str, number: int) -> int:
    """Note every time that a job is begun; kill the own process at the third."""
    with (Path(folder) / str(number)).open("a") as notes:
        notes.write("begun\n")
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def dies_once(folder: str, number: int) -> int:
    first = not (Path(folder) / str(number)).exists()
    (Path(folder) / str(number)).touch()
    if number == 3 and first:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def slowly(seconds: float, number: int) -> int:
    time.sleep(seconds)
    return number


def begun_and_slow(folder: str, number: int) -> int:
    """Note the own process, take a while, note that it was finished."""
    writing = Path(folder) / f"writing-{number}"
    writing.write_text(str(os.getpid()))
    writing.rename(Path(folder) / f"begun-{number}")  # whoever sees it can read it
    time.sleep(0.4)
    (Path(folder) / f"done-{number}").touch()
    return number


def surroundings(number: int) -> tuple[int, str | None, bool]:
    deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return os.getpid(), os.environ.get("NUMBA_NUM_THREADS"), deaf
