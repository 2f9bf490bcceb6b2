"""Supply: stocks at the front, what is used of them, and the day's deliveries.

What happens: once a day each faction's roads are opened or closed by who holds their
ends, supplies are routed (`sim.corridors`) and set out; they arrive after their delay,
less what is lost on the way. Every hour fighters use up their stock, so that a cut
acts with delay:

    demand = use at the present intensity + (target stock - stock) / time to refill
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim import kernels
from sim.corridors import Network, SupplyParameters, demand_t_day, passable, route
from sim.parameters import Parameters, param
from sim.theatre import Delivery, Theatre

Floats = npt.NDArray[np.float64]


class StockParameters(Parameters):
    """What a front keeps in stock and uses."""

    target_days: float = param(
        10.0,
        unit="d",
        low=0.5,
        high=100.0,
        grade="assumed",
        doc="days of full action that a front wants in stock",
        source="a week or two of reserves",
    )
    refill_days: float = param(
        5.0,
        unit="d",
        low=0.2,
        high=100.0,
        grade="assumed",
        doc="time in which a gap is to be closed",
        source="convoys within days",
    )
    idle_use: float = param(
        0.1,
        unit="1",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="use in quiet, of the use in full action",
        source="food and fuel go on",
    )


def route_the_day(theatre: Theatre, supply: SupplyParameters, step: int, step_h: float) -> None:
    """Send a day's supplies on their way and note the flows."""
    closed = theatre.barred | theatre.sealed[:, None]
    access = passable(theatre.network, theatre.control, theatre.coalition, theatre.neutral, closed, supply)
    theatre.open_share = access.corridor
    if not theatre.network.corridor_ids:
        return
    day = route(theatre.network, access, theatre.source_t, theatre.wanted_t, theatre.road_order, supply)
    theatre.flow_t, theatre.through_t = day.flow_t, through_t_day(theatre.network, day.flow_t)
    theatre.lost_t += float(day.lost_t.sum())
    parcels = day.parcels
    arriving = parcels.units * supply.flow_unit_t * parcels.survival
    columns = parcels.faction, parcels.destination, arriving, parcels.delay_h
    theatre.deliveries.extend(
        Delivery(step + max(1, round(delay_h / step_h)), place, faction, tonnes)
        for faction, place, tonnes, delay_h in zip(*(column.tolist() for column in columns), strict=True)
    )
    theatre.deliveries.sort(key=lambda delivery: delivery.due)  # those due together stay in their order


def through_t_day(network: Network, flow_t: Floats) -> Floats:
    """Return t/day that touch each place, [P, F]: half of what its roads carry, in and out."""
    through = np.zeros((network.places, flow_t.shape[1]))
    carried = np.abs(flow_t)
    np.add.at(through, network.end_a, carried)
    np.add.at(through, network.end_b, carried)
    return np.asarray(through / 2.0)


def wanted_t_day(theatre: Theatre, supply: SupplyParameters, stock: StockParameters) -> Floats:
    """Return what each faction wants delivered at each place, [P, F] in t/day."""
    target = demand_t_day(theatre.present.astype(float), stock.target_days, supply)
    gap = np.maximum(0.0, target - theatre.stock_t) / stock.refill_days
    wanted = demand_t_day(theatre.present.astype(float), intensity_of_use(theatre, stock), supply) + gap
    return np.where(theatre.present > 0, wanted, 0.0)


def intensity_of_use(theatre: Theatre, stock: StockParameters) -> Floats:
    """Return the share of full use at which supplies are spent, [P, F]."""
    contact = theatre.present * theatre.contact
    busy = np.divide(theatre.engaged, contact, out=np.zeros_like(theatre.engaged), where=contact > 0)
    return np.maximum(stock.idle_use, busy)


def use_and_receive(
    theatre: Theatre, supply: SupplyParameters, stock: StockParameters, step: int, step_h: float
) -> None:
    """Take an hour's use from the stocks and add what arrives."""
    spent = np.empty_like(theatre.stock_t)
    kernels.theatre.use_stock(
        theatre.fighters, theatre.volunteers, theatre.contact, theatre.engaged, stock.idle_use,
        supply.use_t_per_fighter_day, step_h / 24, theatre.stock_t, spent,
    )  # fmt: skip
    theatre.used_t += float(spent.sum())
    while theatre.deliveries and theatre.deliveries[0].due <= step:
        delivery = theatre.deliveries.pop(0)
        theatre.stock_t[delivery.place, delivery.faction] += delivery.tonnes
        theatre.delivered_t += delivery.tonnes
    note_effect(theatre, supply)


def take_stock(theatre: Theatre, supply: SupplyParameters, stock: StockParameters) -> None:
    """Note what each front wants in a day, and how effective its forces are by what they have."""
    theatre.wanted_t = wanted_t_day(theatre, supply, stock)
    note_effect(theatre, supply)


def note_effect(theatre: Theatre, supply: SupplyParameters) -> None:
    """Note how effective each force is by its stock."""
    kernels.theatre.note_effect(
        theatre.fighters, theatre.volunteers, theatre.stock_t, supply.use_t_per_fighter_day,
        supply.a0, supply.s_half_days, theatre.effect,
    )  # fmt: skip
