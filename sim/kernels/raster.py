"""Sums over what is in reach or in sight on a raster: separable taps and box sums."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Field = npt.NDArray[np.float32]
F = np.float32


@njit(cache=True, nogil=True)
def blur(field: Field, taps: Field, middle: Field, out: Field) -> None:
    """Weight `field` (ny, nx) by taps[|dy|] taps[|dx|] into `out`; cells beyond the edge count 0.

    taps: (reach + 1,) float32 weights by distance in cells. `middle` is scratch of the same shape.
    """
    ny, nx = field.shape
    reach = taps.size - 1
    for y in range(ny):
        row, mid = field[y], middle[y]
        for x in range(nx):
            mid[x] = row[x] * taps[0]
        for d in range(1, reach + 1):
            w = taps[d]
            for x in range(nx - d):
                mid[x] += row[x + d] * w
            for x in range(nx - d):
                mid[x + d] += row[x] * w
    for y in range(ny):
        to, source = out[y], middle[y]
        for x in range(nx):
            to[x] = source[x] * taps[0]
        for d in range(1, reach + 1):
            w = taps[d]
            if y + d < ny:
                below = middle[y + d]
                for x in range(nx):
                    to[x] += below[x] * w
            if y - d >= 0:
                above = middle[y - d]
                for x in range(nx):
                    to[x] += above[x] * w


@njit(cache=True, nogil=True)
def box_sum(field: npt.NDArray[np.int64], reach: int, table: npt.NDArray[np.int64], out: npt.NDArray[np.int64]) -> None:
    """Sum integers `field` (ny, nx) over the square of cells within `reach`; exact.

    `table` is scratch (ny + 1, nx + 1), the summed-area table.
    """
    ny, nx = field.shape
    for y in range(ny):
        run = 0
        for x in range(nx):
            run += field[y, x]
            table[y + 1, x + 1] = table[y, x + 1] + run
    for y in range(ny):
        y0, y1 = max(0, y - reach), min(ny, y + reach + 1)
        for x in range(nx):
            x0, x1 = max(0, x - reach), min(nx, x + reach + 1)
            out[y, x] = table[y1, x1] - table[y0, x1] - table[y1, x0] + table[y0, x0]
