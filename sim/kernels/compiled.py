"""How loops are compiled: what all kernels have in common, in one place.

A *kernel* is called from Python: its machine code is kept on disk, and it lets other threads run. A *part* is
compiled into the kernels that call it, without a way in from Python; called from there it is the plain function.
Neither can be called from C, which would have everything compiled once more.

Division by zero raises an error, as in Python, but in the *wide* ones, which work on several rows at once: a loop
that may stop in the middle could not, so they divide as numpy does, and see to it that nothing is zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from numba import njit
from numba.extending import register_jitable

OPTIONS: dict[str, Any] = {"nogil": True, "no_cfunc_wrapper": True}


def kernel[F: Callable[..., Any]](function: F) -> F:
    """Compile a loop over arrays, keeping its declared type."""
    return cast(F, njit(cache=True, **OPTIONS)(function))


def part[F: Callable[..., Any]](function: F) -> F:
    """Compile into the kernels that call it."""
    return register_jitable(**OPTIONS)(function)


def wide_kernel[F: Callable[..., Any]](function: F) -> F:
    """Compile a loop that works on several rows at once."""
    return cast(F, njit(cache=True, error_model="numpy", **OPTIONS)(function))


def wide_part[F: Callable[..., Any]](function: F) -> F:
    """Compile such a loop into the kernels that call it, in place: handing many arrays over has its price as well."""
    return register_jitable(error_model="numpy", forceinline=True, **OPTIONS)(function)
