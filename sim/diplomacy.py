"""Diplomacy: an announced conference changes resolve and expectations.

What happens: while a conference is announced or sits, the resolve of those who expect
something from it moves a little. The default effect is near zero (Ruhe 2021; A24), and a
faction's horizon bars settlement before its date (A21): a party whose horizon lies after
the day expects nothing and is not moved.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.parameters import Parameters, param
from sim.theatre import Theatre


class DiplomacyParameters(Parameters):
    """What an announced conference does."""

    resolve_change: float = param(
        0.0,
        unit="1",
        low=-1.0,
        high=1.0,
        grade="literature",
        doc="change of resolve a month while a conference is announced",
        source="Ruhe 2021: no lasting effect unless the core issue is negotiated; A24",
    )


def expect(
    theatre: Theatre,
    parties: npt.NDArray[np.bool_],
    barred: npt.NDArray[np.bool_],
    p: DiplomacyParameters,
    step_h: float,
) -> None:
    """Move the resolve of the parties [F] to an announced conference, but not of those `barred` by their horizon."""
    moved = parties & ~barred
    change = p.resolve_change * step_h / (24.0 * 30.0)
    theatre.resolve[:, moved] = np.clip(theatre.resolve[:, moved] + change, 0.0, 1.0)
