"""Analyses of many runs: sweeps, sensitivity, and what else is built on them.

    import analysis
    with analysis.open_store("runs/sweep") as store:
        store.runs()

Names are imported when first used, so that `import analysis` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.design import read_plan
    from analysis.store import open_store
    from analysis.workers import each, gathered

__all__ = ["each", "gathered", "open_store", "read_plan"]

_HOME = {
    "each": "analysis.workers",
    "gathered": "analysis.workers",
    "open_store": "analysis.store",
    "read_plan": "analysis.design",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'analysis' has no attribute {name!r}")
