"""What settlement asks of a nodal clearing: who gets the surplus, and what a deviation costs at a bus."""

from __future__ import annotations

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import energy_cost_ucur
from gridbazaar.market.orders import Setting
from gridbazaar.market.settlement.position import Position, Use


def rebate_per_connection(surplus_ucur: Array, loss_cost_ucur: Array, connections: Array) -> Array:
    """Share what the wires brought in, after the losses are bought: [n_envs, n_agents] int64 >= 0, whole micro-units.

    Args:
        surplus_ucur: [n_envs] of the clearing.
        loss_cost_ucur: [n_envs] what the network operator pays for the losses.
        connections: [n_agents] int64, the connections that each agent stands for.

    A lump sum per connection, whatever was traded, so that it moves no price, and not the operator's, so that nobody
    gains from wires that stay too thin. A deficit is the operator's, and so is what rounding leaves.
    """
    xp = namespace(surplus_ucur)
    given = xp.maximum(surplus_ucur - loss_cost_ucur, 0)[:, None]
    return given * connections[None, :] // xp.maximum(xp.sum(connections, axis=0), 1)


def deviation_ucur(
    position: Position, at_bus_ucur_per_kwh: Array, use: Use, setting: Setting, is_brp: Array
) -> Array:  # fmt: skip
    """Give what deviations cost beyond the tariff, [n_envs, n_agents] int64 >= 0.

    A deviation costs the price of the bus or the retailer's, whichever is worse for who deviates. With the tariff alone
    an agent behind a full line could sell at the high price of its bus what it does not have and buy it back at the
    lower tariff, or buy at a low one what it then gives back at the tariff.

    Args:
        position: schedule and net; what a home's deviation takes off its schedule counts at that side of the tariff.
        at_bus_ucur_per_kwh: [n_envs, n_agents] of the schedule.
        use: of the connection; where it is past its cap, no bus is better than the scarcity price.
        setting: the retailer's two prices, as prices of the local market.
        is_brp: [n_agents] bool, whose deviation is not netted with its schedule.
    """
    xp, upper, lower = namespace(at_bus_ucur_per_kwh), setting.import_ucur_per_kwh, setting.export_ucur_per_kwh
    assert upper is not None
    assert lower is not None
    upper, lower = upper[:, None], lower[:, None]
    wedge = xp.maximum(lower - upper, 0)  # sellers' prices are higher by it, and what is shown by half of it
    buys_at = at_bus_ucur_per_kwh - wedge // 2
    sells_at = buys_at + wedge
    scarce, rent = (use.over_cap_ukwh > 0)[:, None], use.rent_ucur_per_kwh[:, None]
    buys_at = xp.where(scarce & (rent > 0), xp.maximum(buys_at, upper + rent), buys_at)
    sells_at = xp.where(scarce & (rent < 0), xp.minimum(sells_at, lower + rent), sells_at)

    scheduled, deviation = position.scheduled_ukwh, position.net_ukwh - position.scheduled_ukwh
    back = xp.where((scheduled > 0) ^ (deviation > 0), xp.minimum(xp.abs(scheduled), xp.abs(deviation)), 0)
    back = xp.where(is_brp[None, :], 0, back)  # of the schedule, undone
    beyond = xp.abs(deviation) - back
    is_short = deviation > 0
    extra_back = xp.where(is_short, xp.maximum(sells_at - lower, 0), xp.maximum(upper - buys_at, 0))
    extra_beyond = xp.where(is_short, xp.maximum(buys_at - upper, 0), xp.maximum(lower - sells_at, 0))
    return energy_cost_ucur(back, extra_back) + energy_cost_ucur(beyond, extra_beyond)
