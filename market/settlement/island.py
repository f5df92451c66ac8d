"""The settlement of an island: what flowed is exchanged among the members at one price."""

from __future__ import annotations

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import energy_cost_ucur
from gridbazaar.market.auction.rationing import by_share, increments
from gridbazaar.market.orders import Clearing, Orders, Status


def settle_among_members(metered: Orders, price_ucur_per_kwh: Array) -> Clearing:
    """Pay for what flowed on an island.

    Args:
        metered: what flowed, as orders; their limits do not count.
        price_ucur_per_kwh: [n_envs] int64, >= 0.

    Who draws pays the price, and sellers share that money by what they give: losses of the wires are theirs. So the
    energies of a row sum to minus the losses, and its payments to zero. Where nobody gives, nobody pays.
    """
    xp, price = namespace(price_ucur_per_kwh), price_ucur_per_kwh
    n_orders = metered.agent.shape[0]
    column = xp.argsort(metered.agent * n_orders + xp.arange(n_orders, like=metered.agent))
    energy = metered.energy_ukwh[:, column]
    drawn, given = xp.maximum(energy, 0), xp.maximum(-energy, 0)
    owed = increments(energy_cost_ucur(xp.cumsum(drawn, axis=1), price[:, None]))
    owed = owed * (xp.sum(given, axis=1) > 0)[:, None]
    pay = (owed - by_share(given, xp.sum(owed, axis=1)))[:, xp.argsort(column)]
    nothing, none = xp.zeros_like(energy), xp.zeros_like(price)
    return Clearing(
        traded_ukwh=metered.energy_ukwh,
        outside_ukwh=nothing,
        pay_ucur=pay,
        price_ucur_per_kwh=nothing + price[:, None],
        low_ucur_per_kwh=price,
        high_ucur_per_kwh=price,
        rent_ucur_per_kwh=none,
        over_cap_ukwh=none,
        surplus_ucur=none,
        status=none + int(Status.ISLAND),
        pool_ukwh=xp.sum(energy, axis=1),
    )
