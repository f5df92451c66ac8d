"""What settlement asks of a nodal clearing: who gets the surplus, and what a deviation costs at a bus."""

from __future__ import annotations

from typing import NamedTuple

from gridbazaar.data.arrays import Array, namespace


class DeviationPrices(NamedTuple):
    """Prices [n_envs, n_orders] int64 micro-currency per kWh of what was not delivered as cleared."""

    short: Array  # paid for what is drawn beyond the schedule or missing from a sale
    long: Array  # earned for what is left over


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


def deviation_prices(
    price_ucur_per_kwh: Array, import_ucur_per_kwh: Array, export_ucur_per_kwh: Array
) -> DeviationPrices:
    """Give the price of a deviation: that of the bus or the retailer's, whichever is worse for who deviates.

    With the tariff alone, an agent behind a full line could sell at the high price of its bus what it does not have,
    and buy it back at the lower tariff.

    Args:
        price_ucur_per_kwh: [n_envs, n_orders] of the buses.
        import_ucur_per_kwh, export_ucur_per_kwh: [n_envs] of the retailer.
    """
    xp = namespace(price_ucur_per_kwh)
    short = xp.maximum(price_ucur_per_kwh, import_ucur_per_kwh[:, None])
    return DeviationPrices(short, xp.minimum(price_ucur_per_kwh, export_ucur_per_kwh[:, None]))
