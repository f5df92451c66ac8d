"""What orders pay at the prices of their buses, in integers."""

from __future__ import annotations

from typing import NamedTuple

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import energy_cost_ucur
from gridbazaar.market.auction.rationing import by_share


class Paid(NamedTuple):
    """As in ``Clearing``, [n_envs, n_orders] int64 each."""

    traded_ukwh: Array
    outside_ukwh: Array
    pay_ucur: Array


def wedge_ucur_per_kwh(import_ucur_per_kwh: Array, export_ucur_per_kwh: Array) -> Array:
    """Give by how much a retailer buys dearer than it sells; every seller gets that much more than its bus says."""
    return namespace(import_ucur_per_kwh).maximum(export_ucur_per_kwh - import_ucur_per_kwh, 0)


def pay_at_buses(
    filled_ukwh: Array, price_ucur_per_kwh: Array, agent: Array, import_ucur_per_kwh: Array, export_ucur_per_kwh: Array
) -> Paid:
    """Say with whom each order exchanges what it got, and what it pays.

    Args:
        filled_ukwh: [n_envs, n_orders] int64, > 0 buys.
        price_ucur_per_kwh: [n_envs, n_orders] int64, of the order's bus, for buyers.
        agent: [n_orders] owner.
        import_ucur_per_kwh, export_ucur_per_kwh: [n_envs] int64, at which the retailer sells and buys.

    All that an order is filled costs the price of its bus. What the retailer bills for ``outside_ukwh`` comes off.
    """
    xp, filled = namespace(filled_ukwh), filled_ukwh
    wedge = wedge_ucur_per_kwh(import_ucur_per_kwh, export_ucur_per_kwh)[:, None]
    upper, lower = import_ucur_per_kwh[:, None], export_ucur_per_kwh[:, None]
    traded = _neighbours_first(filled, agent) * (upper > lower)
    outside = filled - traded
    tariff = xp.where(outside > 0, upper, lower)
    pay = energy_cost_ucur(filled, price_ucur_per_kwh + wedge * (filled < 0)) - energy_cost_ucur(outside, tariff)
    return Paid(traded, outside, pay)


def _neighbours_first(filled: Array, agent: Array) -> Array:
    """Give what neighbours trade: all of the shorter side, and a share of every filled order of the longer one.

    Remainders go by running sums in the order of agents; each row [n_orders] sums to zero.
    """
    xp, n_orders = namespace(filled), filled.shape[1]
    by_agent = xp.argsort(agent * n_orders + xp.arange(n_orders, like=agent))
    bought, sold = xp.sum(xp.maximum(filled, 0), axis=1), xp.sum(xp.maximum(-filled, 0), axis=1)
    side = xp.where(bought > sold, 1, -1)[:, None]
    longer = xp.maximum(filled * side, 0)
    shared = by_share(longer[:, by_agent], xp.minimum(bought, sold))
    return filled + side * (shared[:, xp.argsort(by_agent)] - longer)
