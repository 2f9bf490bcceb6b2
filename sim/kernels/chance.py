"""Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, SC'11), and quantiles of counts.

A draw is a pure function of (seed, decision, entity, step): no state is ever advanced.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sim.kernels.compiled import kernel, part, wide_part

U64 = np.uint64

MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
W0 = np.uint64(0x9E3779B9)
W1 = np.uint64(0xBB67AE85)
LARGEST = 1.0 - 2.0**-53


@part
def philox_round(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Return the four words after one round."""
    p0 = _M0 * c0
    p1 = _M1 * c2
    return (p1 >> _SHIFT) ^ c1 ^ k0, p1 & MASK, (p0 >> _SHIFT) ^ c3 ^ k1, p0 & MASK


@wide_part
def philox(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Return the four 32-bit words of Philox4x32-10 for a 128-bit counter and a 64-bit key.

    Every argument and word is a 32-bit number in a 64-bit lane: mixing widths, or a
    loop over the rounds, keeps the compiler from vectorising the caller (12 times slower).
    """
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + W0) & MASK, (k1 + W1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + W0) & MASK, (k1 + W1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + W0) & MASK, (k1 + W1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + W0) & MASK, (k1 + W1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + W0) & MASK, (k1 + W1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + W0) & MASK, (k1 + W1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + W0) & MASK, (k1 + W1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + W0) & MASK, (k1 + W1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + W0) & MASK, (k1 + W1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    return c0, c1, c2, c3


@kernel
def uniform(entity: int, group: int, step: int, decision: int, k0: np.uint64, k1: np.uint64) -> float:
    """Return one uniform in the open interval (0, 1) with 53 bits."""
    a, b, _, _ = philox(U64(entity), U64(group), U64(step), U64(decision), k0, k1)
    whole = (a << U64(21)) ^ (b >> U64(11))
    return min((np.float64(whole) + 0.5) * (1.0 / 9007199254740992.0), LARGEST)


@kernel
def fill_uniforms(
    out: npt.NDArray[np.float64],
    entities: npt.NDArray[np.int64],
    group: int,
    step: int,
    decision: int,
    k0: np.uint64,
    k1: np.uint64,
) -> None:
    """Fill `out` (n,) with the uniforms of `entities` (n,)."""
    for i in range(entities.size):
        out[i] = uniform(entities[i], group, step, decision, k0, k1)


@kernel
def poisson_quantile(u: float, mean: float) -> int:
    """Return the smallest k with P(Poisson(mean) <= k) >= u, exact by summation up to a mean of 500.

    Beyond that it is the rounded normal quantile with the Cornish-Fisher skewness term
    (relative error of the tail below 1e-3 there).
    """
    if mean <= 0.0:
        return 0
    if mean <= 500.0:
        term = math.exp(-mean)
        total = term
        k = 0
        while total < u and (k < mean or total + term > total):  # beyond that no term adds anything
            k += 1
            term *= mean / k
            total += term
        return k
    z = normal_quantile(u)
    return max(0, math.floor(mean + math.sqrt(mean) * z + (z * z - 1.0) / 6.0 + 0.5))


@kernel
def binomial_quantile(u: float, n: int, p: float) -> int:
    """Return the smallest k with P(Binomial(n, p) <= k) >= u; exact while n p <= 500."""
    if n <= 0 or p <= 0.0:
        return 0
    if p >= 1.0:
        return n
    if p > 0.5:
        return n - binomial_quantile(1.0 - u, n, 1.0 - p)
    if n * p <= 500.0:
        odds = p / (1.0 - p)
        term = math.exp(n * math.log1p(-p))
        total = term
        k = 0
        while total < u and k < n and (k < n * p or total + term > total):
            k += 1
            term *= odds * (n - k + 1) / k
            total += term
        return k
    spread = math.sqrt(n * p * (1.0 - p))
    z = normal_quantile(u)
    k = math.floor(n * p + spread * z + (1.0 - 2.0 * p) * (z * z - 1.0) / 6.0 + 0.5)
    return min(n, max(0, k))


@kernel
def normal_quantile(u: float) -> float:
    """Return the standard normal quantile (Acklam's rational approximation, relative error 1.2e-9)."""
    if u < 0.02425:
        q = math.sqrt(-2.0 * math.log(u))
        return (
            ((((-7.784894002430293e-03 * q - 3.223964580411365e-01) * q - 2.400758277161838) * q
              - 2.549732539343734) * q + 4.374664141464968) * q + 2.938163982698783
        ) / (
            (((7.784695709041462e-03 * q + 3.224671290700398e-01) * q + 2.445134137142996) * q
             + 3.754408661907416) * q + 1.0
        )  # fmt: skip
    if u > 1.0 - 0.02425:
        return -normal_quantile(1.0 - u)
    q = u - 0.5
    r = q * q
    return (
        (((((-3.969683028665376e01 * r + 2.209460984245205e02) * r - 2.759285104469687e02) * r
           + 1.383577518672690e02) * r - 3.066479806614716e01) * r + 2.506628277459239) * q
    ) / (
        ((((-5.447609879822406e01 * r + 1.615858368580409e02) * r - 1.556989798598866e02) * r
          + 6.680131188771972e01) * r - 1.328068155288572e01) * r + 1.0
    )  # fmt: skip
