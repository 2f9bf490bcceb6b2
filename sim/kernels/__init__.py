"""The compiled loops, one file for each part of the hour, and the only place that imports numba.

    from sim import kernels
    kernels.chance.uniform(entity, group, step, decision, *key)

A file of kernels is loaded when its name is first used (as in SPEC 1), so that what only reads a
scenario does not wait for the compiler.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.kernels import (
        ahead,
        books,
        chance,
        channels,
        compiled,
        epstein,
        flow,
        fronts,
        groups,
        hazards,
        luck,
        raster,
        residents,
        search,
        shortlist,
        sites,
        tables,
        theatre,
        triad,
    )  # fmt: skip
else:  # out of mypy's sight, or it would take any name for a kernel

    def __getattr__(name: str) -> Any:
        """Import a file of kernels when its name is first used."""
        if name in __all__:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ahead", "books", "chance", "channels", "compiled", "epstein", "flow", "fronts", "groups", "hazards", "luck",
    "raster", "residents", "search", "shortlist", "sites", "tables", "theatre", "triad",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
