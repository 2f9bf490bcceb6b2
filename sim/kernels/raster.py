"""Sums over what is in reach or in sight on a raster: separable taps and box sums."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.kernels.compiled import kernel, part

Field = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]


@part
def blur(field: Field, taps: Field, out: Field) -> None:
    """Weight `field` (ny, nx) by taps[|dy|] taps[|dx|] into `out`; cells beyond the edge count 0.

    taps: (reach + 1,) float32 weights by distance in cells. Columns and rows out of everyone's reach are left out:
    nothing would be added there.
    """
    ny, nx = field.shape
    reach = taps.size - 1
    some = np.zeros(nx, np.uint8)
    for y in range(ny):
        row = field[y]
        for x in range(nx):
            some[x] |= row[x] != 0.0
    out[:, :] = 0
    begin = last = nx
    for x in range(nx + 1):
        if x < nx and some[x]:
            begin, last = min(begin, x), x
        elif begin < nx and (x == nx or x > last + 2 * reach):
            blur_strip(field, taps, max(0, begin - reach), min(nx, last + reach + 1), out)
            begin = nx


@part
def blur_strip(field: Field, taps: Field, left: int, right: int, out: Field) -> None:
    """Do so with columns left to right - 1, beyond which nobody reaches.

    At each distance the two neighbours are added before they are weighted, along x and then along y.
    """
    ny, nx = field.shape[0], right - left
    reach = taps.size - 1
    wide = np.zeros(nx + 2 * reach, np.float32)
    middle = np.zeros((ny + 2 * reach, nx), np.float32)
    some = np.zeros(ny + 2 * reach, np.uint8)
    for y in range(ny):
        row = field[y, left:right]
        for x in range(nx):
            if row[x] != 0.0:
                some[y + reach] = 1
                break
        if some[y + reach] == 0:
            continue
        to, centre = middle[y + reach], wide[reach : reach + nx]
        for x in range(nx):
            centre[x] = row[x]
            to[x] = row[x] * taps[0]
        for d in range(1, reach + 1):
            w, before, after = taps[d], wide[reach - d : reach - d + nx], wide[reach + d : reach + d + nx]
            for x in range(nx):
                to[x] += (before[x] + after[x]) * w
    for y in range(ny):
        to, centre = out[y, left:right], middle[y + reach]
        for x in range(nx):
            to[x] = centre[x] * taps[0]
        for d in range(1, reach + 1):
            if some[y + reach - d] or some[y + reach + d]:
                w, above, below = taps[d], middle[y + reach - d], middle[y + reach + d]
                for x in range(nx):
                    to[x] += (above[x] + below[x]) * w


@kernel
def box_sum(field: Counts, reach: int, out: Counts) -> None:
    """Sum integers `field` (ny, nx) over the square of cells within `reach` into `out`; exact."""
    ny, nx = field.shape
    strip, run = np.zeros(nx, np.int64), np.zeros(nx + 2 * reach + 1, np.int64)
    upto, since = run[2 * reach + 1 :], run[:nx]
    for y in range(min(reach, ny)):
        row = field[y]
        for x in range(nx):
            strip[x] += row[x]
    for y in range(ny):
        if y + reach < ny:
            row = field[y + reach]
            for x in range(nx):
                strip[x] += row[x]
        if y - reach > 0:
            row = field[y - reach - 1]
            for x in range(nx):
                strip[x] -= row[x]
        total = 0
        for x in range(nx):
            total += strip[x]
            run[reach + 1 + x] = total
        for x in range(nx + reach + 1, run.size):
            run[x] = total
        to = out[y]
        for x in range(nx):
            to[x] = upto[x] - since[x]


@kernel
def nearest(among: Counts, cells: Counts, width: int, out: Counts) -> None:
    """Write the cell of `among` nearest to each of `cells` into `out`; ties go to the lower cell.

    among: (m,), m > 0, and cells, out: (n,) numbers of cells of a raster `width` cells wide, row by row.
    """
    to_y, to_x = np.empty(among.size, np.int64), np.empty(among.size, np.int64)
    for k in range(among.size):
        to_y[k], to_x[k] = among[k] // width, among[k] % width
    for i in range(cells.size):
        y, x = cells[i] // width, cells[i] % width
        least = np.int64(2**62)
        for k in range(among.size):
            gap = (to_y[k] - y) ** 2 + (to_x[k] - x) ** 2
            if gap < least:
                least, out[i] = gap, among[k]
