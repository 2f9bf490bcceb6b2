"""The command from the shell's prompt: how long until it answers, in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from time import perf_counter

from analysis.bench.measuring import Figure, Found, Goal, Sample, Session, Sizes, Skipped, Turn, in_turns

SUBJECT = "startup"
ONE_HOUR = repr(1 / 24)
SPILLOVER = (sys.executable, "-m", "sim.cli")
COMMANDS: dict[str, tuple[tuple[str, ...], str, float | None]] = {
    "python": ((sys.executable, "-c", "pass"), "an empty Python", None),
    "help": ((*SPILLOVER, "--help"), "spillover --help", 0.3),
    "check": ((*SPILLOVER, "check", "qusayr-2013"), "spillover check qusayr-2013", 1.0),
    "first_hour": (
        (*SPILLOVER, "run", "qusayr-2013", "--days", ONE_HOUR, "--quiet", "--json"),
        "spillover run qusayr-2013, its first hour and the summary of it", 2.0,
    ),
}  # fmt: skip
COMPILING_S = 12.0


def measure(sizes: Sizes, session: Session) -> Iterator[Found]:
    """Measure each command in turns, with warm caches; then one run that has to compile first."""
    cpu: dict[str, list[float]] = {name: [] for name in COMMANDS}
    turns: dict[str, Turn] = {name: _started(command, cpu[name]) for name, (command, _, _) in COMMANDS.items()}
    for start in turns.values():
        start()  # the disk's cache, numba's cache
    of = in_turns(turns, sizes.starts)
    for name, (_, words, bound) in COMMANDS.items():
        yield Figure(
            key=f"start_{name}", what=words, sample=of[name], unit="s", goal=Goal(bound) if bound else None,
            note=f"{Sample(tuple(cpu[name][1:])).median:.2f} s of CPU",
            kept=of[name].over(of["python"]) if bound else None, kept_unit="starts of an empty Python",
        )  # fmt: skip
    yield _cold() if sizes.cold else Skipped("the first run after installing", "only the full benchmark compiles anew")


def _started(command: tuple[str, ...], cpu: list[float], **environment: str) -> Turn:
    """Return what starts a command, waits for it, notes its CPU seconds and returns its wall seconds."""

    def start() -> float:
        before, begun = _of_children(), perf_counter()
        done = subprocess.run(command, capture_output=True, check=False, env=os.environ | environment)
        seconds = perf_counter() - begun
        cpu.append(_of_children() - before)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise RuntimeError(f"{' '.join(command[1:])} failed: {''.join(said)}")
        return seconds

    return start


def _of_children() -> float:
    used = os.times()
    return used.children_user + used.children_system


def _cold() -> Figure:
    """Time a run that finds nothing compiled."""
    cpu: list[float] = []
    with tempfile.TemporaryDirectory() as empty:
        seconds = _started(COMMANDS["first_hour"][0], cpu, NUMBA_CACHE_DIR=empty)()
    return Figure(
        key="cold", what="the same run right after installing: it compiles first", sample=Sample.of(seconds),
        unit="s", goal=Goal(COMPILING_S), note=f"{cpu[0]:.1f} s of CPU",
    )  # fmt: skip
