"""The luck of residents: a draw each, keyed by (seed, decision, resident, step), a block of rows at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.kernels.chance import philox
from sim.kernels.compiled import wide_part

F = np.float32
U32 = np.uint32
U64 = np.uint64

Singles = npt.NDArray[np.float32]

BLOCK = 512
"""Rows worked on at a time; what is kept of them meanwhile stays in the first cache."""
LANE = BLOCK // 4
"""Resident k draws word (k mod BLOCK) // LANE of the Philox block (k // BLOCK) LANE + k mod LANE."""


@wide_part
def fill_luck(
    luck: Singles, block: np.uint64, lane: np.uint64, step: np.uint64, decision: np.uint64, k0: np.uint64, k1: np.uint64
) -> None:
    """Fill luck (BLOCK,) with the draws of residents block BLOCK to block BLOCK + BLOCK - 1, float32 in [0, 1].

    Small values keep their full relative precision (steps of 2^-32), which is what rare transitions need.
    """
    first, second, third, fourth = luck[:LANE], luck[LANE : 2 * LANE], luck[2 * LANE : 3 * LANE], luck[3 * LANE :]
    unit = F(2.3283064365386963e-10)
    for i in range(LANE):
        a, b, c, d = philox(block * U64(LANE) + U64(i), lane, step, decision, k0, k1)
        first[i] = F(U32(a)) * unit
        second[i] = F(U32(b)) * unit
        third[i] = F(U32(c)) * unit
        fourth[i] = F(U32(d)) * unit
