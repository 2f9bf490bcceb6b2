"""Samples, turns, ratios of pairs, and two yardsticks that let other machines and other days compare.

The yardsticks are measured between the turns of what they stand beside:

- `triad`: bytes a second that this machine's memory moves, on one thread and on two;
- `beat`: seconds for a fixed piece of work of Python and small numpy arrays.

A cost bound by memory is kept in the history as bytes that could have been moved meanwhile, a cost of
the interpreter as so many beats.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import perf_counter, process_time
from typing import Literal

import numpy as np

Turn = Callable[[], float]
"""Does a piece of work and returns what it cost."""


@dataclass(frozen=True)
class Sample:
    """What a figure came to in each round."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, *values: float) -> Sample:
        """Take single values."""
        return cls(tuple(map(float, values)))

    @property
    def median(self) -> float:
        """Return the middle value: one slow round does not move it."""
        return float(np.median(self.values))

    @property
    def low(self) -> float:
        """Return the lower quartile."""
        return float(np.quantile(self.values, 0.25))

    @property
    def high(self) -> float:
        """Return the upper quartile."""
        return float(np.quantile(self.values, 0.75))

    @property
    def spread(self) -> float:
        """Return the distance of the quartiles, as a share of the median."""
        return (self.high - self.low) / abs(self.median) if self.median else 0.0

    def times(self, factor: float) -> Sample:
        """Return the sample in another unit."""
        return Sample(tuple(v * factor for v in self.values))

    def over(self, other: Sample) -> Sample:
        """Return the ratio to another sample, round by round."""
        return Sample(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))

    def product(self, other: Sample) -> Sample:
        """Return the product with another sample, round by round."""
        return Sample(tuple(a * b for a, b in zip(self.values, other.values, strict=True)))


@dataclass(frozen=True)
class Goal:
    """How good a figure should be."""

    bound: float
    sense: Literal["at most", "at least"] = "at most"

    def met(self, value: float) -> bool:
        """Say whether a value is good enough."""
        return value <= self.bound if self.sense == "at most" else value >= self.bound


@dataclass(frozen=True)
class Figure:
    """One line of the benchmark.

    `kept` is what the history remembers of it, free of the machine's speed as far as a yardstick can
    make it so; None keeps the figure out of the history.
    """

    key: str
    what: str
    sample: Sample
    unit: str
    subject: str = ""
    goal: Goal | None = None
    note: str = ""
    kept: Sample | None = None
    kept_unit: str = ""
    interval: tuple[float, float] | None = None  # at 95 %, of an estimate

    @property
    def is_ratio(self) -> bool:
        """Whether it compares two things, rather than timing one."""
        return self.unit == "×"

    @property
    def more_is_better(self) -> bool:
        """Whether a greater value is good news."""
        return self.goal is not None and self.goal.sense == "at least"


@dataclass(frozen=True)
class Skipped:
    """Something that could not be measured here, and why."""

    what: str
    why: str
    subject: str = ""
    failed: bool = False  # it should have been possible


Found = Figure | Skipped


def in_turns(turns: Mapping[str, Turn], rounds: int) -> dict[str, Sample]:
    """Do every turn once a round, in alternating order, so that each round's values are a pair."""
    values: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(rounds):
        names = list(turns)
        for name in names if number % 2 == 0 else reversed(names):
            values[name].append(turns[name]())
    return {name: Sample(tuple(found)) for name, found in values.items()}


@dataclass
class Clock:
    """Wall and CPU seconds of the work inside `timed`."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def timed() -> Iterator[Clock]:
    """Time a block, without the garbage collector stepping in."""
    clock = Clock()
    gc.collect()
    gc.disable()
    cpu, wall = process_time(), perf_counter()
    try:
        yield clock
    finally:
        clock.wall, clock.cpu = perf_counter() - wall, process_time() - cpu
        gc.enable()


# --- yardsticks ----------------------------------------------------------------------------------------

BEAT_ROUNDS = 1500
CACHE_LEVELS = Path("/sys/devices/system/cpu/cpu0/cache")
TIMES_THE_CACHE, SMALLEST_MB, LARGEST_MB = 4, 64, 512


def beat() -> float:
    """Return the seconds that a fixed piece of interpreter's work takes now."""
    row, total = np.arange(32.0), 0.0
    begun = perf_counter()
    for i in range(BEAT_ROUNDS):
        total += float((row * i).sum()) + len(f"{i:04d}")
    return perf_counter() - begun if total else 0.0


@dataclass
class Triad:
    """Measures what the memory moves, on arrays too large for any cache."""

    megabytes: int  # of each of three arrays
    pools: dict[int, ThreadPoolExecutor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill the arrays, and compile."""
        n = self.megabytes * 1_000_000 // 8
        self.arrays = np.zeros(n), np.full(n, 1.0), np.full(n, 2.0)
        self.bytes_per_second(1)

    def bytes_per_second(self, threads: int) -> float:
        """Return what one pass moves in a second."""
        from sim.kernels.triad import BYTES, triad

        a, b, c = self.arrays
        edges = np.linspace(0, a.size, threads + 1).astype(int)
        parts = [slice(lo, hi) for lo, hi in pairwise(edges)]

        def move(part: slice) -> None:
            triad(a[part], b[part], c[part], 3.0)

        if threads not in self.pools:
            self.pools[threads] = ThreadPoolExecutor(threads)
        each = map if threads == 1 else self.pools[threads].map
        begun = perf_counter()
        for _ in each(move, parts):
            pass
        return BYTES * a.size / (perf_counter() - begun)

    def close(self) -> None:
        """Let threads and memory go."""
        for pool in self.pools.values():
            pool.shutdown()
        self.arrays = (np.zeros(0),) * 3


def megabytes_beyond_cache() -> int:
    """Return the size of an array that several times the last cache cannot hold, in MB."""
    sizes = [_kilobytes(path.read_text()) for path in CACHE_LEVELS.glob("index*/size")]
    wanted = TIMES_THE_CACHE * max(sizes, default=0) // 1000
    return min(LARGEST_MB, max(SMALLEST_MB, wanted))


def _kilobytes(text: str) -> int:
    number, unit = text.strip()[:-1], text.strip()[-1]
    return int(number) * {"K": 1, "M": 1000}[unit]


# --- the session ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sizes:
    """How much is measured: the full benchmark, the quick one, and a tiny one for tests."""

    name: str
    residents: tuple[int, ...]
    rounds: int  # of the residents' hour, of a run
    warm_hours: int  # lived through before anything is timed
    row_hours: int  # residents x hours of one turn, at least
    run_days: float | None  # None: as the scenario has it
    starts: int  # of the command
    cold: bool  # whether to compile anew
    sweep_runs: int
    sweep_days: float
    grids: tuple[tuple[int, int, int], ...]  # side of the torus, steps of a turn, rounds
    countries: int  # residents
    country_days: float
    country_limit_s: float
    pairs: int  # of each intervention
    triad_mb: int | None  # None: by the machine's cache


FULL = Sizes(
    name="full",
    residents=(10_000, 100_000, 1_000_000, 10_000_000), rounds=7, warm_hours=24, row_hours=2_000_000,
    run_days=None, starts=5, cold=True, sweep_runs=12, sweep_days=35.0, grids=((40, 30, 7), (200, 3, 5)),
    countries=25_000_000, country_days=30.0, country_limit_s=120.0, pairs=100, triad_mb=None,
)  # fmt: skip
QUICK = Sizes(
    name="quick",
    residents=(10_000, 100_000, 1_000_000), rounds=3, warm_hours=12, row_hours=500_000,
    run_days=None, starts=2, cold=False, sweep_runs=8, sweep_days=7.0, grids=((40, 20, 3), (200, 1, 2)),
    countries=250_000, country_days=30.0, country_limit_s=15.0, pairs=20, triad_mb=64,
)  # fmt: skip


@dataclass
class Session:
    """What the subjects of one benchmark share."""

    triad: Triad
    beats: Sample


def open_session(sizes: Sizes) -> Session:
    """Set up the yardsticks."""
    return Session(Triad(sizes.triad_mb or megabytes_beyond_cache()), Sample(tuple(beat() for _ in range(5))))
