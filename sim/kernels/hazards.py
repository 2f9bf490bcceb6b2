"""What may happen to a resident in an hour: every hazard, and the one draw that decides among them.

Arithmetic is float32 and strict, and each resident is independent of every other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.kernels.compiled import wide_part
from sim.kernels.tables import (
    AWAY,
    BACK,
    CALM,
    COME_OUT,
    DEAD,
    DETAINED,
    DISPLACED,
    ENLIST,
    EXPOSED_CALM,
    EXPOSED_MOBILISED,
    EXPOSED_SHELTERING,
    FLEE,
    FLEE_HALF,
    HOME,
    LETHALITY,
    LIVED_HALF,
    MAIMED,
    MOBILISE,
    MOBILISED,
    RECOVER,
    RELEASE,
    SHELTER,
    SHELTER_HALF,
    SHELTERING,
    SLAIN,
    SOFTNESS,
    STAND_DOWN,
    STEP_H,
    TIED,
    WORTH,
    WOUNDED,
)

F = np.float32
I32 = np.int32
U8 = np.uint8

Singles = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

# Columns of what is gathered of those on the shortlist.
(
    OF_ABLE, OF_HARDSHIP, OF_AVERSION, OF_TIES, OF_LIVED, OF_LUCK, OF_PULL, OF_DETER, OF_DANGER, OF_DANGER_UP,
    OF_DETAIN,
) = range(11)  # fmt: skip
GATHERED = 11


@wide_part
def exp32(x: np.float32) -> np.float32:
    """Return exp(x) in float32 for x clipped to [-80, 80], relative error below 3e-7."""
    x = min(max(x, F(-80.0)), F(80.0))
    n = np.floor(x * F(1.4426950408889634) + F(0.5))
    r = (x - n * F(0.693359375)) - n * F(-2.12194440e-4)
    p = F(1.3981999e-3) * r + F(8.3334519e-3)
    p = p * r + F(4.1665796e-2)
    p = p * r + F(1.6666665e-1)
    p = p * r + F(0.5)
    p = (p * r) * r + r + F(1.0)
    power = I32((I32(n) + I32(127)) << I32(23)).view(np.float32)
    return F(p * power)


@wide_part
def chance_per_hazard(x: np.float32) -> np.float32:
    """Return (1 - exp(-x)) / x for x >= 0: what turns a summed hazard into a probability."""
    s = F(1.0) - x * (
        F(0.5)
        - x
        * (F(0.16666667) - x * (F(0.041666668) - x * (F(0.008333334) - x * (F(0.0013888889) - x * F(1.9841270e-4)))))
    )
    b = (F(1.0) - exp32(-x)) / max(x, F(0.5))
    return s if x < F(0.5) else b


@wide_part
def weigh(n: int, state: Bytes, those: Singles, of_group: Singles, rates: Singles, then: Bytes) -> None:
    """Decide the next state of the n shortlisted; those: (GATHERED, at least n), state and then: (at least n,)."""
    mobilise, stand_down, steepness = rates[MOBILISE], rates[STAND_DOWN], F(1.0) / rates[SOFTNESS]
    lethality, survival = rates[LETHALITY], F(1.0) - rates[LETHALITY]
    shelter, come_out, half = rates[SHELTER], rates[COME_OUT], rates[SHELTER_HALF]
    recover, release = rates[RECOVER], rates[RELEASE]
    flee, flee_half, lived_rate, dt = rates[FLEE], rates[FLEE_HALF], F(1.0) / rates[LIVED_HALF], rates[STEP_H]
    exposed_calm, exposed_up = rates[EXPOSED_CALM], rates[EXPOSED_MOBILISED]
    exposed_cover = rates[EXPOSED_SHELTERING]
    worth, tied, enlist = of_group[WORTH], of_group[TIED], of_group[ENLIST]
    back, home, slain, maimed = of_group[BACK], of_group[HOME], of_group[SLAIN], of_group[MAIMED]
    able, hardship, aversion, ties = those[OF_ABLE], those[OF_HARDSHIP], those[OF_AVERSION], those[OF_TIES]
    lived, luck, pull, deter = those[OF_LIVED], those[OF_LUCK], those[OF_PULL], those[OF_DETER]
    danger_here, danger_up, detain = those[OF_DANGER], those[OF_DANGER_UP], those[OF_DETAIN]
    zero, one = F(0.0), F(1.0)
    for i in range(n):
        now = state[i]
        calm, up, under_cover, away = now == CALM, now == MOBILISED, now == SHELTERING, now == AWAY
        # how much they want to act
        u = pull[i] + hardship[i] * worth + ties[i] * tied - aversion[i] * deter[i]
        eager = one / (one + exp32(-u * steepness))
        eager_fit = eager * able[i]
        # the hazards of what may happen next
        in_open = danger_here[i]
        exposed = in_open * exposed_calm if calm else zero
        exposed = danger_up[i] * exposed_up if up else exposed
        exposed = in_open * exposed_cover if under_cover else exposed
        heavy = in_open / (in_open + half)
        to_dead = exposed * lethality + (slain if away else zero)
        to_wounded = exposed * survival + (maimed if away else zero)
        to_away = enlist * eager_fit if calm | up else zero
        leaving = flee * (in_open / (in_open + flee_half)) * (one + lived[i] * lived_rate)
        to_displaced = leaving if calm | under_cover else zero
        to_detained = detain[i] if up else zero
        to_mobilised = mobilise * eager_fit if calm | under_cover else zero
        to_cover = shelter * heavy if calm else zero
        to_calm = stand_down * (one - eager) if up else zero
        to_calm = come_out * (one - heavy) if under_cover else to_calm
        to_calm = recover if now == WOUNDED else to_calm
        to_calm = release if now == DETAINED else to_calm
        to_calm = back if now == DISPLACED else to_calm
        to_calm = home if away else to_calm
        # one draw decides among them
        c1 = to_dead + to_wounded
        c2 = c1 + to_away
        c3 = c2 + to_displaced
        c4 = c3 + to_detained
        c5 = c4 + to_mobilised
        c6 = c5 + to_cover
        c7 = c6 + to_calm
        x = luck[i] / (dt * chance_per_hazard(c7 * dt))
        next_ = U8(CALM) if x < c7 else now
        next_ = U8(SHELTERING) if x < c6 else next_
        next_ = U8(MOBILISED) if x < c5 else next_
        next_ = U8(DETAINED) if x < c4 else next_
        next_ = U8(DISPLACED) if x < c3 else next_
        next_ = U8(AWAY) if x < c2 else next_
        next_ = U8(WOUNDED) if x < c1 else next_
        next_ = U8(DEAD) if x < to_dead else next_
        then[i] = next_
