"""What things look like: one colour each for factions, communities, channels and levels.

Colours that tell things apart are Okabe and Ito's, which people with any colour vision can. Levels are
shaded from one end of a ramp to the other in equal steps of lightness, as the eye sees them (OKLab,
Ottosson 2020): the order is right in grey, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import cycle, islice
from math import cos, radians, sin
from typing import TYPE_CHECKING

from sim.channels import ALARMS

if TYPE_CHECKING:
    from sim.schema import ScenarioFile

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#666666")
ROUNDS = (1.0, 0.65, 0.4)
"""Share of its light that a colour has in each round of the palette, so that many curves do not look alike."""
FIRST_OF_COMMUNITIES = 4
"""Communities begin here in the palette, so that few of them look like a faction."""

KILLED, WOUNDED = "#222222", "#A9A9A9"
FIGHTING = "#B3123F"
DISPLACED = "#7B4FA3"
NOBODY = "#8A8A8A"

HUES = {"mobilised": 45.0, "threat": 310.0, "exposure": 265.0, "hurt": 15.0, "armed": 150.0, "displaced": 225.0}
"""Hue of the ramp of each layer of a city, in degrees of OKLab."""

STOPS = 9
ON_LIGHT, ON_DARK = (0.955, 0.36), (0.27, 0.90)
"""Lightness at the lower and the upper end of a ramp, by what it is drawn on."""
CHROMA = (0.02, 0.15)
"""Chroma at the least and the most of a ramp, where a screen can show it."""


def colours(ids: Iterable[str], begin: int = 0) -> dict[str, str]:
    """Give each id a colour of the palette, in turn, and then darker ones of them; `begin` is the first of them."""
    return dict(zip(ids, islice(cycle(_in_rounds()), begin, None), strict=False))


@cache
def _in_rounds() -> tuple[str, ...]:
    return tuple(_darker(colour, share) for share in ROUNDS for colour in PALETTE)


def _darker(colour: str, share: float) -> str:
    """Return a colour with a share of its light."""
    return "#" + "".join(f"{round(int(colour[i : i + 2], 16) * share):02X}" for i in (1, 3, 5))


def factions(file: ScenarioFile) -> dict[str, str]:
    """Return the colour of each faction and, after them, of each security force."""
    return colours((*file.factions, *file.security_forces))


def communities(file: ScenarioFile) -> dict[str, str]:
    """Return the colour of each community."""
    return colours(file.communities, FIRST_OF_COMMUNITIES)


def channels() -> dict[str, str]:
    """Return the colour of each channel that carries alarm."""
    return colours(ALARMS)


@cache
def ramp(layer: str, on_dark: bool = False) -> tuple[str, ...]:
    """Return the colours of a layer from least to most, in equal steps of lightness."""
    low, high = ON_DARK if on_dark else ON_LIGHT
    pale, rich = CHROMA
    along = [i / (STOPS - 1) for i in range(STOPS)]
    return tuple(_colour(low + (high - low) * at, pale + (rich - pale) * at, HUES[layer]) for at in along)


def _colour(lightness: float, chroma: float, hue: float) -> str:
    """Return a colour, less colourful where a screen cannot show it so."""
    while not all(0.0 <= part <= 1.0 for part in _linear(lightness, chroma, hue)):
        chroma -= 0.002
    return "#" + "".join(f"{round(255 * _gamma(part)):02X}" for part in _linear(lightness, max(chroma, 0.0), hue))


def _linear(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """Return the red, green and blue light of a colour of OKLab: Ottosson's matrices."""
    a, b = chroma * cos(radians(hue)), chroma * sin(radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(light: float) -> float:
    """Return how a screen is told an amount of light (sRGB)."""
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
