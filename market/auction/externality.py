"""What an order's energy would be worth to the others: the payments of Vickrey auctions."""

from __future__ import annotations

from gridbazaar.data.arrays import Array, namespace


def displaced(
    fill_ukwh: Array, rest_ukwh: Array, limit_ucur_per_kwh: Array, other_ukwh: Array, other_ucur_per_kwh: Array
) -> Array:
    """Value what each order takes by the best uses that the others would make of it.

    Args:
        fill_ukwh: [n_envs, n_orders] >= 0, what an order takes.
        rest_ukwh: [n_envs, n_orders] >= 0, what it does not get of its wish.
        limit_ucur_per_kwh: [n_envs, n_orders] its own value.
        other_ukwh: [n_envs, n_uses] >= 0, uses that were turned down, the rests among them.
        other_ucur_per_kwh: [n_envs, n_uses] their values, none above that of an order with a fill and a rest.

    Gives [n_envs, n_orders] int64, micro-kWh times micro-currency per kWh. An order's own rest is no other use; being
    the best of them, it is taken off the top. For sellers turn the sign of all prices. Sums of energy times price must
    stay below ``2**63``.
    """
    xp = namespace(fill_ukwh)
    wanted = xp.where(fill_ukwh > 0, fill_ukwh + rest_ukwh, 0)
    own = xp.where(fill_ukwh > 0, rest_ukwh, 0) * limit_ucur_per_kwh
    return _best(other_ukwh, other_ucur_per_kwh, wanted) - own


def _best(ukwh: Array, ucur_per_kwh: Array, wanted_ukwh: Array) -> Array:
    """[n_envs, n_orders] what the dearest ``wanted_ukwh`` units of a list [n_envs, n_uses] are worth together."""
    xp = namespace(ukwh)
    n_uses, n_orders = ukwh.shape[1], wanted_ukwh.shape[1]
    order = xp.argsort(-ucur_per_kwh, axis=1)
    ukwh, price = xp.take_along_axis(ukwh, order, axis=1), xp.take_along_axis(ucur_per_kwh, order, axis=1)
    end = xp.cumsum(ukwh, axis=1)
    worth = xp.cumsum(ukwh * price, axis=1)

    # How many uses end before each wanted amount: their number before its place in the joint order.
    joint = xp.stable_argsort(xp.concat([wanted_ukwh, end], axis=1), axis=1)
    n_before = xp.cumsum(xp.astype(joint >= n_orders, xp.int64), axis=1)
    n_whole = xp.take_along_axis(n_before, xp.argsort(joint, axis=1)[:, :n_orders], axis=1)
    last = xp.minimum(n_whole, n_uses - 1)
    start_ukwh, start_worth = end - ukwh, worth - ukwh * price
    part = wanted_ukwh - xp.take_along_axis(start_ukwh, last, axis=1)
    return xp.take_along_axis(start_worth, last, axis=1) + part * xp.take_along_axis(price, last, axis=1)
