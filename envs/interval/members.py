"""Members: who is none of the local market has no order in its book and deals with the retailer alone."""

from __future__ import annotations

from dataclasses import replace

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.market.orders import Clearing, Mechanism, Orders, Setting
from gridbazaar.market.settlement.customers import Customers


def clear(mechanism: Mechanism, orders: Orders, setting: Setting, customers: Customers | None) -> Clearing:
    """Clear what the members of the local market ordered; the retailer fills the orders of others.

    Args:
        mechanism: the rule.
        orders: of everybody.
        setting: what the rule may know.
        customers: who is a member; none: everybody.

    Who is no member is filled by the retailer, whole, where its limit reaches the tariff and the rent of a full
    connection with it. It uses the connection as everybody does: members find the room that it leaves them.
    """
    if customers is None or not customers.has_strangers:
        return mechanism(orders, setting)
    xp = namespace(orders.energy_ukwh)
    is_stranger = xp.concat([~customers.is_member, ~customers.is_member], axis=0)
    theirs = orders.energy_ukwh * is_stranger
    wanted = _from_retailer(theirs, orders, setting, 0 * orders.limit_ucur_per_kwh)
    clearing = mechanism(book_of(orders, customers), room_left(setting, wanted))
    outside = _from_retailer(theirs, orders, setting, clearing.rent_ucur_per_kwh[:, None])
    return replace(clearing, outside_ukwh=clearing.outside_ukwh + outside)


def book_of(orders: Orders, customers: Customers) -> Orders:
    """Give the book that the rule sees, in which orders of those who are no members are empty."""
    is_member = namespace(orders.energy_ukwh).concat([customers.is_member, customers.is_member], axis=0)
    return replace(orders, energy_ukwh=orders.energy_ukwh * is_member)


def room_left(setting: Setting, outside_ukwh: Array) -> Setting:
    """Take what passes the connection beside the book, [n_envs, n_orders], out of its caps."""
    if setting.import_cap_ukwh is None or setting.export_cap_ukwh is None:
        return setting
    xp = namespace(outside_ukwh)
    net = xp.sum(outside_ukwh, axis=1)
    return replace(
        setting,
        import_cap_ukwh=xp.maximum(setting.import_cap_ukwh - net, 0),
        export_cap_ukwh=xp.maximum(setting.export_cap_ukwh + net, 0),
    )


def _from_retailer(energy_ukwh: Array, orders: Orders, setting: Setting, rent: Array) -> Array:
    """Give what the retailer fills of orders outside the book, [n_envs, n_orders]."""
    xp, limit = namespace(energy_ukwh), orders.limit_ucur_per_kwh
    assert setting.import_ucur_per_kwh is not None
    assert setting.export_ucur_per_kwh is not None
    buys = (energy_ukwh > 0) & (limit >= setting.import_ucur_per_kwh[:, None] + xp.maximum(rent, 0))
    sells = (energy_ukwh < 0) & (limit <= setting.export_ucur_per_kwh[:, None] + xp.minimum(rent, 0))
    return energy_ukwh * (buys | sells)
