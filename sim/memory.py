"""Memory: how a toll is remembered, and what people get used to.

    toll(t + dt)  = toll(t) 2^(-dt / half-life) + killed + weight x wounded
    usual(t + dt) = usual(t) + (toll - usual)(1 - 2^(-dt / usual half-life))

What is felt of a toll elsewhere is max(0, toll - usual): a war that goes on as before is
no news, its sudden worsening is.
"""

from __future__ import annotations

from sim.parameters import Parameters, param


class TollParameters(Parameters):
    """How the memory of the killed and wounded fades, and what people get used to.

    What is felt of a toll elsewhere is what exceeds the usual: max(0, toll - usual), the usual
    being the toll's own slow average. A war that goes on as before is no news.
    """

    half_life_days: float = param(
        3.0,
        unit="d",
        low=0.1,
        high=100.0,
        grade="assumed",
        doc="half-life of a toll in memory",
        source="days; Lewis et al. 2012 find self-excitation over days to weeks in Iraq",
    )
    usual_half_life_days: float = param(
        20.0,
        unit="d",
        low=0.5,
        high=1000.0,
        grade="assumed",
        doc="half-life of what people are used to",
        source="habituation over weeks; without it a chronic front would keep a distant quarter in arms",
    )
    wounded_weight: float = param(
        0.15,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="what one wounded counts against one killed",
        source="the inverse of the usual ratio of wounded to killed",
    )
