"""Who a run is: its resolved scenario, its seed, and the model that ran it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NUMBERS_BY = ("mesa", "numpy", "numba", "scipy")
"""Packages whose version may change a number."""
TELLING = (
    "cli.py",
    "console.py",
    "keeping.py",
    "posterior.py",
    "figures.py",
    "odd.py",
    "claims.py",
    "summary.py",
    "sources.py",
    "dashboard",
)
"""Files of `sim` that only keep what was computed, or tell people of it."""
NOT_COMPUTING = (*TELLING, "scenario/story.py")
SOURCES = (".py", ".csv", ".geojson", ".json", ".toml")
LENGTH_OF_ID = 32  # hexadecimal digits: 128 bits, so that a million runs never share one by chance


@cache
def model_version() -> str:
    """Return what tells this model from another: versions, and a hash of the code that makes numbers.

    A change to a comment counts as a change. That costs time and never an answer.
    """
    from sim import runs  # pandas and all

    used = runs.versions()
    numbers = "".join(f"-{package}{used[package]}" for package in NUMBERS_BY if package in used)
    return f"spillover{used.get('spillover', '')}+{sources_hash(Path(runs.__file__).parent)[:12]}{numbers}"


def sources_hash(folder: Path) -> str:
    """Return a hash of the files in a folder that make numbers, whatever their line ends."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix in SOURCES and not any(name == out or name.startswith(f"{out}/") for out in NOT_COMPUTING):
            content = path.read_bytes().replace(b"\r\n", b"\n")
            digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def run_id(scenario_sha256: str, seed: int, model: str) -> str:
    """Return the name of a run: a hash of all that decides its numbers."""
    return hashlib.sha256(f"{scenario_sha256} {seed} {model}".encode()).hexdigest()[:LENGTH_OF_ID]


@dataclass(frozen=True)
class Identity:
    """Which run: of which scenario, with which luck, by which model."""

    scenario_sha256: str
    seed: int
    model: str

    @property
    def run(self) -> str:
        return run_id(self.scenario_sha256, self.seed, self.model)
