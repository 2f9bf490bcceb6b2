"""Fire across a line of contact: who may be hit, how badly, and who takes cover.

What happens: whoever is armed and mobilised fires; people of the other side in reach are hit.

    hazard of being hit = kappa F(x) exposure(state, hour of day) x buffer of an army between
    weight of an armed opponent at distance d = exp(-2 (d / reach)^2)
    P(death | hit) = lethality

Retaliation is emergent: the toll raises the threat that others feel. There is no
self-exciting generator anywhere; a branching ratio is measured on the output.
"""

from __future__ import annotations

from sim.parameters import Parameters, param


class FireParameters(Parameters):
    """How fire across a line of contact hurts those in its reach."""

    hit_per_hour: float = param(
        0.00012,
        unit="1/(h person)",
        low=0.0,
        high=1e-3,
        grade="fitted",
        doc="kappa: hazard of being hit for each armed opponent in full reach",
        source="fitted: the centre that `spillover calibrate` finds (docs/calibration.md); "
        "before: order of the wounded a day in the rounds of 2011-2013",
    )
    reach_m: float = param(
        300.0,
        unit="m",
        low=20.0,
        high=2000.0,
        grade="assumed",
        doc="distance at which the weight of an armed opponent has fallen to exp(-2)",
        source="rifle fire between the two hillsides",
    )
    posts_m: float = param(
        80.0,
        unit="m",
        low=5.0,
        high=1000.0,
        grade="assumed",
        doc="distance from the line of contact within which the mobilised stand",
        source="positions in and behind the buildings along one street",
    )
    lethality: float = param(
        0.15,
        unit="1",
        low=0.0,
        high=1.0,
        grade="measured",
        doc="deaths for each person hit",
        source="rounds of June 2011 to March 2013: 82.5 killed and 462 wounded where both are reported",
    )
    exposure_calm: float = param(
        0.138,
        unit="1",
        low=0.0,
        high=1.0,
        grade="fitted",
        doc="exposure by day of people going about",
        source="fitted: the centre that `spillover calibrate` finds (docs/calibration.md); "
        "before: most of a resident's day is indoors",
    )
    exposure_mobilised: float = param(
        1.0,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="exposure of the mobilised",
        source="reference level",
    )
    exposure_sheltering: float = param(
        0.02,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="exposure of people under cover",
        source="walls and inner rooms",
    )
    night_factor: float = param(
        0.4,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="exposure of people going about at night, of the day's",
        source="fewer people in the streets from 22 to 6 h",
    )
    shelter_per_hour: float = param(
        1.0,
        unit="1/h",
        low=0.0,
        high=20.0,
        grade="assumed",
        doc="rate of taking cover under heavy fire",
        source="streets empty within the hour",
    )
    come_out_per_hour: float = param(
        0.15,
        unit="1/h",
        low=0.001,
        high=20.0,
        grade="assumed",
        doc="rate of coming out when it is quiet",
        source="life returns within a day of a truce",
    )
    shelter_half: float = param(
        3e-4,
        unit="1/h",
        low=1e-8,
        high=1.0,
        grade="assumed",
        doc="hazard of being hit in the open at which half take cover",
        source="a few shots an hour in the street",
    )
    recover_days: float = param(
        20.0,
        unit="d",
        low=0.5,
        high=1000.0,
        grade="assumed",
        doc="mean time a wounded person is out of action",
        source="gunshot wounds",
    )
