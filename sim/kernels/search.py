"""Where a number would stand in an ascending list."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.kernels.compiled import part


@part
def first_from(row: int, ascending: npt.NDArray[np.integer[Any]]) -> int:
    """Return the first entry of `ascending` (n,) that is at least `row`; n if there is none."""
    low, high = 0, ascending.size
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < row:
            low = middle + 1
        else:
            high = middle
    return low
