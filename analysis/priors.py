"""What is not known of the parameters before the record is looked at: a range for each that may matter.

Ranges are narrower than those declared with the parameters (which say what is admissible) and as wide as what is
known leaves them. Everything else stays at its default. A prior is flat in its parameter, or in its logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """A parameter's range before calibration, both ends included."""

    path: str
    low: float
    high: float
    why: str
    log: bool = False

    def at(self, share: Float) -> Float:
        """Return the values at shares (n,) of the way through the range."""
        if self.log:
            return np.asarray(self.low * (self.high / self.low) ** share)
        return np.asarray(self.low + (self.high - self.low) * share)

    def share(self, value: Float) -> Float:
        """Return how far through the range values (n,) lie."""
        if self.log:
            return np.asarray(np.log(value / self.low) / np.log(self.high / self.low))
        return np.asarray((value - self.low) / (self.high - self.low))


BATTLE = (
    Prior("engagement.initiations_per_hour", 0.01, 0.04, "twice as many engagements or half as many", log=True),
    Prior("engagement.readiness_loss_per_hour", 0.04, 0.20, "an assault is spent in five hours to a day", log=True),
    Prior(
        "engagement.readiness_gain_per_hour",
        0.014,
        0.03,
        "and is ready again after a day and a half to three",
        log=True,
    ),
    Prior("engagement.break_off_readiness", 0.2, 0.45, "an attacker is spent with a fifth to nearly half left"),
    Prior("engagement.resume_readiness", 0.55, 0.85, "and goes on when hardly or well rested"),
    Prior("engagement.shatter_share", 0.015, 0.15, "three times as often or as seldom", log=True),
    Prior("control.advance_per_hour", 0.10, 0.80, "the town could be crossed in an hour or in half a day", log=True),
    Prior("factions.government.contact", 0.015, 0.06, "from a few crews to every twentieth soldier", log=True),
    Prior("factions.hezbollah.contact", 0.15, 0.50, "from a reserve held back to all on foot", log=True),
    Prior("factions.rebels.firepower", 0.04, 0.14, "twice or half of what light arms are taken to do", log=True),
    Prior(
        "factions.government.firepower", 0.20, 0.80, "how much of the army's heavy arms is brought to bear", log=True
    ),
)
"""How the town is fought over."""

STREETS = (
    Prior("mobilisation.threshold", 0.60, 0.95, "below it streets are never empty, above it nobody acts"),
    Prior("mobilisation.noise", 0.015, 0.05, "small against the spread of hardship", log=True),
    Prior("mobilisation.threat_fire", 0.3, 1.3, "from a third of the threshold to well beyond it", log=True),
    Prior("mobilisation.threat_toll", 0.15, 0.8, "from a fraction of the threshold to the whole of it", log=True),
    Prior("mobilisation.imitation", 0.15, 0.9, "above 1 a quarter of uniform hardship would tip as a whole", log=True),
    Prior("mobilisation.opponent_deterrence", 0.2, 1.2, "from a fifth of what the state's weighs to a little more"),
    Prior("mobilisation.stand_down_per_hour", 0.04, 0.3, "streets empty within hours or within a day", log=True),
    Prior("fire.hit_per_hour", 2e-5, 4e-4, "a factor of four either way of the wounded in the rounds", log=True),
    Prior("fire.exposure_calm", 0.07, 0.35, "most of a resident's day is indoors", log=True),
    Prior("provocations.strength", 0.8, 3.2, "most provocations die out, or most bring a quarter out", log=True),
    Prior("provocations.half_life_h", 8.0, 48.0, "anger lasts for hours to days", log=True),
    Prior("security.buffer_half", 150.0, 1500.0, "fewer soldiers than were ever there, or all of them", log=True),
)
"""How rounds of fighting in Tripoli begin, grow and end."""

CHANNELS = (
    Prior("channels.kin.weight", 0.2, 1.2, "from a faint echo to more than the threshold", log=True),
    Prior("channels.alliance.weight", 0.13, 1.2, "as for kin", log=True),
    Prior("channels.fighters.weight", 0.13, 1.2, "as for kin", log=True),
)
"""How much of what happens in Syria is felt in Tripoli."""

PRIORS = (*BATTLE, *STREETS, *CHANNELS)
"""The candidates: which of them are fitted is chosen by the screening, the rest is carried along as it is."""


def drawn(shares: Float, priors: tuple[Prior, ...] = PRIORS) -> list[dict[str, float]]:
    """Return parameter values at shares (n, parameters) of the way through their ranges."""
    columns = [prior.at(column) for prior, column in zip(priors, shares.T, strict=True)]
    return [
        {prior.path: float(value) for prior, value in zip(priors, row, strict=True)}
        for row in zip(*columns, strict=True)
    ]
