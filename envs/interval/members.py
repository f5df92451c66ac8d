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
    clearing = mechanism(*seen_by_rule(orders, setting, customers))
    theirs = orders.energy_ukwh * ~_is_member(customers)
    outside = _from_retailer(theirs, orders, setting, clearing.rent_ucur_per_kwh[:, None])
    return replace(clearing, outside_ukwh=clearing.outside_ukwh + outside)


def seen_by_rule(orders: Orders, setting: Setting, customers: Customers) -> tuple[Orders, Setting]:
    """Give the book in which orders of those who are no members are empty, and the room that they leave in the caps."""
    is_member = _is_member(customers)
    book = replace(orders, energy_ukwh=orders.energy_ukwh * is_member)
    if setting.import_cap_ukwh is None or setting.export_cap_ukwh is None:
        return book, setting
    xp = namespace(orders.energy_ukwh)
    net = xp.sum(_from_retailer(orders.energy_ukwh * ~is_member, orders, setting, 0), axis=1)
    import_cap = xp.maximum(setting.import_cap_ukwh - net, 0)
    export_cap = xp.maximum(setting.export_cap_ukwh + net, 0)
    return book, replace(setting, import_cap_ukwh=import_cap, export_cap_ukwh=export_cap)


def _is_member(customers: Customers) -> Array:
    """[n_orders] bool, of the owners."""
    return namespace(customers.is_member).concat([customers.is_member, customers.is_member], axis=0)


def _from_retailer(energy_ukwh: Array, orders: Orders, setting: Setting, rent: Array | int) -> Array:
    """Give what the retailer fills of orders outside the book, [n_envs, n_orders]; rent is [n_envs, 1]."""
    xp, limit = namespace(energy_ukwh), orders.limit_ucur_per_kwh
    assert setting.import_ucur_per_kwh is not None
    assert setting.export_ucur_per_kwh is not None
    above = rent + xp.zeros_like(setting.import_ucur_per_kwh)[:, None]
    buys = (energy_ukwh > 0) & (limit >= setting.import_ucur_per_kwh[:, None] + xp.maximum(above, 0))
    sells = (energy_ukwh < 0) & (limit <= setting.export_ucur_per_kwh[:, None] + xp.minimum(above, 0))
    return energy_ukwh * (buys | sells)
