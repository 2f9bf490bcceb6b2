"""Chance belongs to a decision: every draw is a function of (seed, decision, entity, step).

    chance.uniforms("destination", step, uids)

Nothing is ever advanced, so adding a mechanism changes no other draw, the order of
equals cannot matter, and the same resident has the same luck with and without the
offensive (common random numbers, Klein et al. 2024). The generator is Philox4x32-10
with counter (entity, group, step, decision) and the seed as its key.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from zlib import crc32

import numpy as np
import numpy.typing as npt

from sim import kernels


@cache
def code(name: str) -> int:
    """Return the 32-bit number by which a decision or an element is known to the generator."""
    return crc32(name.encode())


def _key(seed: int) -> tuple[np.uint64, np.uint64]:
    return np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)


class Chance:
    """The draws of one run."""

    def __init__(self, seed: int) -> None:
        """Take a seed in 0 to 2^64 - 1."""
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed {seed} is outside 0 to 2^64 - 1")
        self.seed = seed
        self.key = _key(seed)

    def shift(self, numbers: int) -> None:
        """Draw as if one stream served everyone, and so many more numbers of it were used up than in the run beside.

        For measuring what keyed draws buy, and for nothing else: any shift but 0 is other luck for all.
        """
        said = f"{self.seed} {numbers}".encode()
        self.key = _key(int.from_bytes(blake2b(said, digest_size=8).digest()) if numbers else self.seed)

    def uniform(self, decision: str, step: int, entity: int = 0, group: int = 0) -> float:
        """Return one uniform in (0, 1)."""
        return float(kernels.chance.uniform(entity, group, step, code(decision), *self.key))

    def uniforms(
        self, decision: str, step: int, entities: npt.NDArray[np.int64], group: int = 0
    ) -> npt.NDArray[np.float64]:
        """Return uniforms in (0, 1), shape (n,), for entities given as shape (n,), each below 2^32."""
        out = np.empty(entities.size, np.float64)
        kernels.chance.fill_uniforms(out, entities, group, step, code(decision), *self.key)
        return out

    def poisson(self, decision: str, step: int, mean: float, entity: int = 0, group: int = 0) -> int:
        """Return a Poisson count by inversion, so that it is monotone in its mean for the same draw."""
        return int(kernels.chance.poisson_quantile(self.uniform(decision, step, entity, group), mean))

    def binomial(self, decision: str, step: int, n: int, p: float, entity: int = 0, group: int = 0) -> int:
        """Return a binomial count by inversion."""
        return int(kernels.chance.binomial_quantile(self.uniform(decision, step, entity, group), n, p))
