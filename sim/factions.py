"""Factions: what a place is worth to them, and where they send their fighters.

What happens: once a day each faction values the places (`sim.corridors`), sends part
of its reserve towards contested ones in proportion to value times resolve, and
gives a place up when ratio, stock or resolve falls below its limit.

Resolve at a front falls with the share of the force lost and with ground lost, and recovers:

    d resolve = - a x killed/strength - b x ground lost,   + (resolve at start - resolve)/recovery
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim import kernels
from sim.corridors import SupplyParameters, stock_days, strategic_value
from sim.parameters import Parameters, param
from sim.theatre import March, Theatre, apportion, apportion_each

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class EffortParameters(Parameters):
    """How much of a reserve moves, and when it does not."""

    reserve_share: float = param(
        0.10,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="share of the fighters in places nobody contests that may be sent to fronts",
        source="most of a force is tied to its garrisons",
    )
    sent_per_day: float = param(
        0.10,
        unit="1/d",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="share of that reserve sent in a day",
        source="reinforcements came over days",
    )
    hopeless_ratio: float = param(
        0.05,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="own share of combat power at a front below which no more are sent",
        source="no reinforcing of lost causes",
    )
    march_km_per_h: float = param(
        8.0,
        unit="km/h",
        low=1.0,
        high=100.0,
        grade="assumed",
        doc="speed of a withdrawal over open country",
        source="on foot and by car",
    )


class WithdrawalParameters(Parameters):
    """When a faction gives a place up."""

    ratio_limit: float = param(
        0.10,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="own share of combat power in the place below which a faction leaves",
        source="forces leave when hopelessly outweighed",
    )
    stock_limit_days: float = param(
        1.0,
        unit="d",
        low=0.0,
        high=60.0,
        grade="assumed",
        doc="days of supplies below which it leaves",
        source="retreat of 3-5 June 2013 was reported for want of ammunition",
    )
    resolve_limit: float = param(
        0.25,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="resolve below which it leaves",
        source="a vote of commanders decided the retreat",
    )
    resolve_lost_by_losses: float = param(
        2.0,
        unit="1",
        low=0.0,
        high=20.0,
        grade="assumed",
        doc="resolve lost when the whole force is lost once over",
        source="forces break well before annihilation",
    )
    resolve_lost_by_ground: float = param(
        0.35,
        unit="1",
        low=0.0,
        high=2.0,
        grade="assumed",
        doc="resolve lost with the whole place",
        source="loss of ground shakes a defence",
    )
    resolve_recovery_days: float = param(
        30.0,
        unit="d",
        low=1.0,
        high=1000.0,
        grade="assumed",
        doc="time in which resolve recovers",
        source="weeks",
    )


def value_places(theatre: Theatre, supply: SupplyParameters) -> None:
    """Work out what each contested place is worth to each faction, in t/day."""
    if not theatre.network.corridor_ids or not theatre.factions:
        return
    theatre.value = strategic_value(
        theatre.network,
        theatre.control,
        theatre.coalition,
        theatre.enemy,
        theatre.neutral,
        theatre.barred | theatre.sealed[:, None],
        theatre.source_t,
        theatre.wanted_t,
        theatre.road_order,
        supply,
        np.arange(len(theatre.places)),
        theatre.population @ theatre.constituency.T,
    )


def commit(theatre: Theatre, p: EffortParameters, step: int, step_h: float) -> None:
    """Send part of each faction's reserve to the fronts, by value times resolve."""
    share_per_day = p.sent_per_day
    rear = np.ones(len(theatre.places), np.bool_)
    rear[theatre.fronts] = False
    wanted = _wanted(theatre, p)
    for f in range(len(theatre.factions)):
        reserve = np.where(rear, theatre.fighters[:, f] * p.reserve_share, 0.0)
        sending = int(reserve.sum() * share_per_day)
        want = wanted[theatre.fronts, f]
        if sending == 0 or want.sum() <= 0:
            continue
        shares = apportion_each(apportion(sending, want), reserve)
        for n, origin in np.argwhere(shares).tolist():
            _send(theatre, f, origin, int(theatre.fronts[n]), int(shares[n, origin]), p, step, step_h)


def _wanted(theatre: Theatre, p: EffortParameters) -> Floats:
    """Return value times resolve of each place, [P, F], 0 where it is hopeless or does not concern the faction."""
    present = theatre.present
    concerns = (present @ theatre.enemy.T > 0) & (present @ theatre.coalition.T > 0)
    hopeless = theatre.power_shares() < p.hopeless_ratio
    return np.where(concerns & ~hopeless, np.maximum(0.0, theatre.value) * theatre.resolve, 0.0)


def _send(
    theatre: Theatre, f: int, origin: int, place: int, asked: int, p: EffortParameters, step: int, step_h: float
) -> None:
    part = min(asked, int(theatre.fighters[origin, f]))  # shares for several fronts may round up alike
    if part:
        hours = float(theatre.distance_km[origin, place]) / p.march_km_per_h
        theatre.fighters[origin, f] -= part
        theatre.marches.append(March(step + max(1, round(hours / step_h)), place, f, part))


def arrive(theatre: Theatre, step: int) -> None:
    """Let fighters who are due arrive."""
    due = [m for m in theatre.marches if m.due <= step]
    if due:
        theatre.marches = [m for m in theatre.marches if m.due > step]
        for m in due:
            theatre.fighters[m.place, m.faction] += m.fighters


def feel(theatre: Theatre, killed: Ints, ground: Floats, p: WithdrawalParameters, step_h: float) -> None:
    """Let talks, losses [P, F] and ground gained or lost [P, F] in an hour move resolve."""
    kernels.theatre.feel(
        theatre.fighters, theatre.volunteers, killed, ground, theatre.hopes, theatre.resolve_at_start,
        p.resolve_lost_by_losses, p.resolve_lost_by_ground, step_h / (24.0 * p.resolve_recovery_days), theatre.resolve,
    )  # fmt: skip


def withdraw(
    theatre: Theatre,
    supply: SupplyParameters,
    w: WithdrawalParameters,
    p: EffortParameters,
    step: int,
    step_h: float,
) -> list[tuple[int, int, int, str]]:
    """Let factions give places up; return (place, faction, destination, reason) of each withdrawal."""
    gone: list[tuple[int, int, int, str]] = []
    if not (theatre.assault > 0).any():  # only those under assault leave
        return gone
    reasons = _reasons(theatre, supply, w)
    decided = [(int(place), int(f), REASONS[reasons[place, f]]) for place, f in np.argwhere(reasons >= 0)]
    for place, f, reason in decided:
        to = refuge(theatre, place, f)
        if to is None:
            continue
        number = int(theatre.fighters[place, f])
        hours = float(theatre.distance_km[place, to]) / p.march_km_per_h
        theatre.fighters[place, f] = 0
        theatre.hurt[to, f] += theatre.hurt[place, f]
        theatre.hurt[place, f] = 0
        theatre.marches.append(March(step + max(1, round(hours / step_h)), to, f, number))
        gone.append((place, f, to, reason))
    return gone


REASONS = ("outweighed", "out of supplies", "resolve broken")


def _reasons(theatre: Theatre, supply: SupplyParameters, w: WithdrawalParameters) -> Ints:
    """Say why each faction under assault leaves each front, [P, F] in `REASONS`; -1 where it stays."""
    present = theatre.present
    days = stock_days(theatre.stock_t, present.astype(float), supply)
    assailants = (theatre.assault > 0) & (present > 0)
    assailed = (assailants.astype(np.int64) @ theatre.enemy.T > 0) & (theatre.fighters > 0)
    fought_over = np.zeros((len(theatre.places), 1), np.bool_)
    fought_over[theatre.fronts] = True
    reasons = np.full(present.shape, -1)
    limits = theatre.power_shares() < w.ratio_limit, days < w.stock_limit_days, theatre.resolve < w.resolve_limit
    for reason in reversed(range(len(REASONS))):  # the first that holds is the one given
        reasons[limits[reason] & assailed & fought_over] = reason
    return reasons


def refuge(theatre: Theatre, place: int, f: int) -> int | None:
    """Return the nearest place that the faction's side holds in the main, or None."""
    held = theatre.side_share[:, f] > 0.5
    held[place] = False
    if not held.any():
        held = theatre.neutral.copy()
        held[place] = False
    if not held.any():
        return None
    return int(np.argmin(np.where(held, theatre.distance_km[place], np.inf)))
