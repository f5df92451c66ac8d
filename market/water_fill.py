"""Sharing by weights where nobody takes more than its wish: what one leaves goes to the others, by their weights."""

from __future__ import annotations

from gridbazaar.data.arrays import Array, muldiv, namespace
from gridbazaar.market.auction.rationing import increments

_ENDLESS = 2.0**62  # a level that no wish per weight reaches


def water_fill(wish_ukwh: Array, weight: Array, volume_ukwh: Array) -> Array:
    """Give ``min(wish, weight x level)`` at the level that spends the volume, or all wishes where it is enough.

    Args:
        wish_ukwh: [n_envs, n_orders] int64 >= 0, columns in the order of agents.
        weight: [n_envs, n_orders] int64 >= 0; who has none gets nothing.
        volume_ukwh: [n_envs] int64 >= 0.

    Served by rising wish / weight, a wish is met whole while an equal level for all that come after would exceed it;
    those after the last one share what is left. Remainders fall by running sums.
    """
    xp = namespace(wish_ukwh)
    volume = volume_ukwh[:, None]
    full_at = xp.astype(wish_ukwh, xp.float64) / xp.maximum(weight, 1)
    order = xp.stable_argsort(xp.where(weight > 0, full_at, _ENDLESS), axis=1)
    sorted_wish, sorted_weight = (xp.take_along_axis(x, order, axis=1) for x in (wish_ukwh, weight))
    left = volume - xp.cumsum(sorted_wish, axis=1) + sorted_wish
    weight_left = xp.sum(weight, axis=1, keepdims=True) - xp.cumsum(sorted_weight, axis=1) + sorted_weight
    level = muldiv(sorted_weight, xp.maximum(left, 0), xp.maximum(weight_left, 1))
    is_short = sorted_wish > level
    is_met = (
        xp.take_along_axis(xp.cumsum(xp.astype(is_short, xp.int64), axis=1), xp.argsort(order, axis=1), axis=1) == 0
    )

    rest = volume - xp.sum(wish_ukwh * is_met, axis=1, keepdims=True)
    running = xp.cumsum(weight * ~is_met, axis=1)
    shared = increments(muldiv(running, rest, xp.maximum(running[:, -1:], 1)))
    # Two wishes per weight that differ by less than a float can tell may stand in the wrong order: never beyond a wish.
    return xp.where(is_met, wish_ukwh, xp.minimum(shared, wish_ukwh))
