"""The triad of the STREAM benchmark: what this machine's memory can do, to hold other loops against.

McCalpin 1995: a[i] = b[i] + scale c[i], two numbers read and one written. It lives here because a
benchmark may not compile loops of its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.kernels.compiled import kernel

Floats = npt.NDArray[np.float64]

BYTES = 24
"""Bytes that count for each element: STREAM leaves out the reading of a line that is about to be written."""


@kernel
def triad(a: Floats, b: Floats, c: Floats, scale: float) -> None:
    """Fill a (n,) with b + scale c."""
    for i in range(a.size):
        a[i] = b[i] + scale * c[i]
