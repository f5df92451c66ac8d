"""What the operator withheld: at which price an agent's position is cut, or its lost sun and wind is paid for.

What sun and wind could not feed in belongs to the firm order, what devices could not do to the flexible one. It is
settled at the price that this order paid or got, neighbours and retailer together, pro rata to its fills. What goes
beyond the fills was no order's; it is settled by undoing what the tariff counted for it.
"""

from __future__ import annotations

from typing import NamedTuple

from gridbazaar.data.arrays import Array, namespace, ratio
from gridbazaar.data.units import energy_cost_ucur
from gridbazaar.market.orders import Clearing


class RetailPrices(NamedTuple):
    """What a kWh from and to the retailer costs and earns in all, the connection's rent included; [n_envs, 1] int64."""

    bought_ucur_per_kwh: Array
    sold_ucur_per_kwh: Array
    local_ucur_per_kwh: Array  # charges on a kWh bought from a neighbour

    def owed_ucur(self, energy_ukwh: Array) -> Array:
        """Price energy of one sign, [n_envs, n] int64."""
        bought = self.bought_ucur_per_kwh
        return energy_cost_ucur(energy_ukwh, namespace(bought).where(energy_ukwh > 0, bought, self.sold_ucur_per_kwh))


def owed_for_withheld(
    curtailed_ukwh: Array, lost_ukwh: Array, clearing: Clearing, net_ukwh: Array, tariff: RetailPrices, *, is_firm: bool
) -> Array:
    """Give what agents pay for what they were billed as if they had delivered, [n_envs, n_agents] int64.

    Args:
        curtailed_ukwh: [n_envs, n_agents] int64, injection withheld > 0, draw withheld < 0.
        lost_ukwh: [n_envs, n_agents] int64 >= 0, sun and wind among it.
        clearing: the schedule; columns are firm orders, then flexible ones.
        net_ukwh: [n_envs, n_agents] int64, with the retailer, as if nothing had been withheld.
        tariff: of the retailer.
        is_firm: lost sun and wind is paid for, so nothing is owed for it; stored energy stays stored and is not.
    """
    xp, n_agents = namespace(curtailed_ukwh), curtailed_ukwh.shape[1]
    fills, worth = clearing.filled_ukwh, worth_of_orders(clearing, tariff)
    cut = xp.concat([lost_ukwh, curtailed_ukwh - lost_ukwh], axis=1)
    own = _opposed(cut, fills)
    other = _opposed(cut - own, _swapped(fills + own))
    owed = ratio(own, worth, fills) + ratio(other, _swapped(worth), _swapped(fills))
    rest, counted = cut - own - other, not is_firm
    by_devices, by_source = rest[:, n_agents:], rest[:, :n_agents] * counted
    tariffed = tariff.owed_ucur(net_ukwh + by_devices + by_source) - tariff.owed_ucur(net_ukwh)
    return owed[:, :n_agents] * counted + owed[:, n_agents:] + tariffed


def paid_for_lost(lost_ukwh: Array, clearing: Clearing, tariff: RetailPrices) -> Array:
    """Give what lost sun and wind is worth under a rule that prices metered energy, [n_envs, n_agents] int64.

    The price is the rule's own for this member: what its kWh cost or earned on average, the quote where none flowed.
    """
    xp, n_agents = namespace(lost_ukwh), lost_ukwh.shape[1]
    worth, fills = worth_of_orders(clearing, tariff), clearing.filled_ukwh
    worth, fills = (x[:, :n_agents] + x[:, n_agents:] for x in (worth, fills))
    quoted = energy_cost_ucur(lost_ukwh, clearing.price_ucur_per_kwh[:, :n_agents])
    return xp.where(fills == 0, quoted, ratio(lost_ukwh, worth, fills))


def worth_of_orders(clearing: Clearing, tariff: RetailPrices) -> Array:
    """[n_envs, n_orders] int64, what each order pays in all for what it was filled; < 0 gets."""
    bought = namespace(clearing.traded_ukwh).maximum(clearing.traded_ukwh, 0)
    charges = energy_cost_ucur(bought, tariff.local_ucur_per_kwh)
    return clearing.pay_ucur + charges + tariff.owed_ucur(clearing.outside_ukwh)


def _opposed(cut: Array, fills: Array) -> Array:
    """The part of what was withheld that takes fills back: injection of what was sold, draw of what was bought."""
    xp = namespace(cut)
    return xp.where(cut > 0, xp.minimum(cut, xp.maximum(-fills, 0)), xp.maximum(cut, xp.minimum(-fills, 0)))


def _swapped(columns: Array) -> Array:
    """Put flexible columns first."""
    n_agents = columns.shape[1] // 2
    return namespace(columns).concat([columns[:, n_agents:], columns[:, :n_agents]], axis=1)
