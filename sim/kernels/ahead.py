"""Compile ahead: before a run begins, what numba keeps no code of on disk, on several processors at once.

    kernels.ahead.compile_missing()

Right after installing, compiling is nearly all that a run does, and a run asks for one kernel after the other. Here
processes share them: each takes the next from a pipe, compiles it and leaves it in numba's cache. This process is one
of them, and finds there what the others have left when it goes on. Later runs find nothing missing.

`ahead.txt` lists the kernels and the types they are called with, as numba prints them, those with the most code first.
Only a run knows the types, so `scripts/list_kernels.py` runs and writes them down. A list that is out of date costs
time and nothing else: what it lacks is compiled when it is called. So is everything where another version of numba
keeps its code in a way that is not known here.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from numba.core.dispatcher import Dispatcher

from sim import kernels
from sim.machine import processors

LIST = Path(__file__).with_suffix(".txt")
MOST_PROCESSES = 4
"""The largest kernel alone takes a quarter of the time: more processes would wait for the one that has it."""


class Listed(NamedTuple):
    """A kernel, by its file and name, and the types of its arguments."""

    kernel: str
    types: str


@cache
def listed() -> tuple[Listed, ...]:
    """Return the kernels that are listed, in the order in which to compile them."""
    return tuple(Listed(*line.split(" ", 1)) for line in LIST.read_text(encoding="utf-8").splitlines())


@cache
def compile_missing() -> None:
    """Compile what is missing, once in a process; of processes that begin at once one does it and the others wait."""
    numbers = missing()
    if numbers:
        with _alone(_kernel(numbers[0]).stats.cache_path), _without_collecting():
            _compile(missing())


def missing() -> list[int]:
    """Return the numbers of the listed kernels of which no code is kept.

    None where numba is not to compile at all, and where it cannot be told what is kept.
    """
    each = ((n, one.types, _kernel(n)) for n, one in enumerate(listed()))
    with suppress(Exception):  # of another version of numba: what is asked for here, it promises to nobody
        return [n for n, types, kernel in each if isinstance(kernel, Dispatcher) and types not in kept(kernel)]
    return []


def _kernel(number: int) -> Any:
    """Return a kernel by its number, or None where the list is out of date."""
    file, name = listed()[number].kernel.split(".")
    return getattr(getattr(kernels, file, None), name, None)


def kept(kernel: Any) -> set[str]:
    """Return the types for which the code of a kernel is on disk, as the kernel is now, for a processor like this."""
    here = _machine(kernel.targetctx.codegen())
    index = kernel._cache._cache_file._load_index()  # empty where the source has changed since
    return {str(types) for types, machine, _ in index if machine == here}


@cache
def _machine(generator: Any) -> Any:
    """Return the machine that code is generated for, in numba's terms."""
    return generator.magic_tuple()


def every_kernel() -> Iterator[tuple[str, Any]]:
    """Yield the name of each kernel, listed or not, and the kernel."""
    for file in kernels.__all__:
        for name, kernel in vars(getattr(kernels, file)).items():
            if isinstance(kernel, Dispatcher) and kernel.__module__ == f"{kernels.__name__}.{file}":
                yield f"{file}.{name}", kernel


def _compile(numbers: list[int]) -> None:
    """Compile kernels, by their numbers.

    Those that are called in several ways come first and here, also because others call them: two processes that
    compile one kernel for different types at once could overwrite each other's entry in numba's cache.
    """
    ways = Counter(one.kernel for one in listed())
    first = [n for n in numbers if ways[listed()[n].kernel] > 1]
    others = [n for n in numbers if n not in first]
    jobs, to_jobs = os.pipe()
    with _closing(jobs), _helpers(jobs, min(processors(), len(others), MOST_PROCESSES) - 1):
        with _closing(to_jobs):
            for number in first:
                _compile_one(number)
            os.write(to_jobs, bytes(others))
        work(jobs)


def work(jobs: int) -> None:
    """Compile the kernels whose numbers come through a pipe, a byte each, until there are no more."""
    while number := os.read(jobs, 1):
        _compile_one(number[0])


def _compile_one(number: int) -> None:
    with suppress(Exception):  # the list is out of date, or the disk full: a call of the kernel will tell
        from numba.core.sigutils import normalize_signature

        types, _ = normalize_signature(listed()[number].types.replace("Literal[int]", "literal"))  # type: ignore[no-untyped-call]
        _kernel(number).compile(types)


@contextmanager
def _helpers(jobs: int, number: int) -> Iterator[None]:
    """Have other processes take from the pipe too, and wait for them; what one dies over is compiled when called."""
    command = (sys.executable or "", "-P", "-m", "sim.kernels.ahead")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    helpers: list[subprocess.Popen[bytes]] = []
    try:
        with suppress(OSError):  # no process is to be had: this one does it alone
            for _ in range(number):
                nowhere = subprocess.DEVNULL
                helpers.append(subprocess.Popen(command, stdin=jobs, stdout=nowhere, stderr=nowhere, env=environment))
        yield
        for helper in helpers:
            helper.wait()
    finally:
        for helper in helpers:
            helper.kill()
            helper.wait()


@contextmanager
def _closing(end: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(end)


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Let in one process at a time, by a lock on the cache's folder; where none is to be had, all of them."""
    with ExitStack() as until_done:
        if sys.platform != "win32":
            import fcntl

            with suppress(OSError):
                lock = os.open(folder, os.O_RDONLY)
                until_done.enter_context(_closing(lock))
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Do not look for garbage: while compiling that takes an eighth of the time, and little of it is any."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


if __name__ == "__main__":
    gc.disable()
    work(sys.stdin.fileno())
