"""What the forces at one front are expected to do to each other in an hour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]


@njit(cache=True, nogil=True)
def expected(
    present: npt.NDArray[np.int64],
    contact: Floats,
    pace: Floats,
    effect: Floats,
    firepower: Floats,
    area_fire: npt.NDArray[np.bool_],
    area_reference: float,
    enmity: Floats,
    held: Floats,
    cover: float,
    engaged: Floats,
    kills: Floats,
    aims: Floats,
) -> None:
    """Fill who is in contact, what each inflicts in an hour, and on whom.

    present, contact, pace, effect, firepower, area_fire: (F,); held: (F,) share of the place held by
    each faction's side; enmity: (F, F) how hard row f fights column g, 0 where it does
    not. Fills engaged (F,) people, kills (F,) people an hour, aims (F, F).
    """
    factions = present.size
    for f in range(factions):
        opposed = False
        for g in range(factions):
            opposed = opposed or (enmity[f, g] > 0.0 and present[g] > 0)
        engaged[f] = present[f] * contact[f] * pace[f] if opposed and present[f] > 0 else 0.0
    for f in range(factions):
        total = 0.0
        for g in range(factions):
            total += enmity[f, g] * engaged[g]
        kills[f] = 0.0
        aims[f, :] = 0.0
        if engaged[f] <= 0.0 or total <= 0.0:
            continue
        shelter, exposed = 0.0, 0.0
        for g in range(factions):
            if enmity[f, g] > 0.0:
                aims[f, g] = enmity[f, g] * engaged[g] / total
                shelter += aims[f, g] * (1.0 + (cover - 1.0) * held[g])
                exposed += engaged[g]
        if exposed <= 0.0:
            continue
        area = exposed / area_reference if area_fire[f] else 1.0
        kills[f] = engaged[f] * effect[f] * firepower[f] * area * (total / exposed) / (24.0 * shelter)
