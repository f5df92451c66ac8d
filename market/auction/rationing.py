"""Who gets how much where there is too little for all. Whole micro-units, and what is shared is shared exactly.

Every rule takes wishes [n_envs, n_orders] >= 0 with columns in the order of agents, and a volume [n_envs] that does
not exceed their sum, and gives fills of the same shape that sum to the volume.
"""

from __future__ import annotations

from gridbazaar.data.arrays import Array, muldiv, namespace
from gridbazaar.data.units import FAR


def by_share(wish_ukwh: Array, volume_ukwh: Array) -> Array:
    """Give each the same share of its wish; remainders fall by running sums, so by the order of agents."""
    xp = namespace(wish_ukwh)
    running = xp.cumsum(wish_ukwh, axis=1)
    total = xp.maximum(running[:, -1:], 1)
    return increments(muldiv(running, volume_ukwh[:, None], total))


def at_margin(wish_ukwh: Array, ahead: Array, volume_ukwh: Array) -> Array:
    """Fill who is ahead of the margin (``ahead`` [n_envs, n_orders] > 0); who stands on it (0) shares what is left."""
    whole = wish_ukwh * (ahead > 0)
    return whole + by_share(wish_ukwh * (ahead == 0), volume_ukwh - namespace(whole).sum(whole, axis=1))


def by_lottery(wish_ukwh: Array, volume_ukwh: Array, lottery: Array) -> Array:
    """Serve one after the other, the lowest number of ``lottery`` [n_envs, n_orders] first."""
    return in_turn(wish_ukwh, volume_ukwh, namespace(wish_ukwh).stable_argsort(lottery, axis=1))


def in_turn(wish_ukwh: Array, volume_ukwh: Array, order: Array) -> Array:
    """Serve one after the other, in the order of columns [n_envs, n_orders]."""
    xp = namespace(wish_ukwh)
    end = xp.cumsum(xp.take_along_axis(wish_ukwh, order, axis=1), axis=1)
    fill = increments(xp.minimum(end, volume_ukwh[:, None]))
    return xp.take_along_axis(fill, xp.argsort(order, axis=1), axis=1)


def equally(wish_ukwh: Array, volume_ukwh: Array) -> Array:
    """Cut every wish by the same amount; those with less drop out. Remainders fall by the order of agents.

    With *m* wishes left, the cut of each is what they wish beyond the volume over *m*; *m* is the largest number for
    which nobody left wishes less than that.
    """
    xp = namespace(wish_ukwh)
    n_orders = wish_ukwh.shape[1]
    largest_first = xp.take_along_axis(wish_ukwh, xp.argsort(-wish_ukwh, axis=1), axis=1)
    rank = xp.arange(n_orders, like=wish_ukwh) + 1
    above = xp.cumsum(largest_first, axis=1) - rank * largest_first  # what is left if this wish is cut to nothing
    n_fit = xp.sum(xp.astype(above <= volume_ukwh[:, None], xp.int64), axis=1)[:, None]
    smallest = xp.take_along_axis(largest_first, n_fit - 1, axis=1)
    stays = xp.astype(wish_ukwh >= smallest, xp.int64)
    excess = xp.sum(wish_ukwh * stays, axis=1, keepdims=True) - volume_ukwh[:, None]
    each, rest = excess // n_fit, excess % n_fit
    return (wish_ukwh - each) * stays - increments(xp.cumsum(stays, axis=1) * rest // n_fit)


def water_fill(wish_ukwh: Array, weight: Array, volume_ukwh: Array) -> Array:
    """Give ``min(wish, weight x level)`` at the level that spends the volume, or all wishes where it is enough.

    Args:
        wish_ukwh: [n_envs, n_orders] int64 >= 0, columns in the order of agents.
        weight: [n_envs, n_orders] int64 >= 0; who has none gets nothing.
        volume_ukwh: [n_envs] int64 >= 0.

    Served by rising wish / weight, a wish is met whole while an equal level for all that come after would exceed it;
    those after the last one share what is left. Remainders fall by running sums. The same rule for power, in floats, is
    ``flexibility.disaggregation.weighted``.
    """
    xp = namespace(wish_ukwh)
    volume = volume_ukwh[:, None]
    full_at = xp.astype(wish_ukwh, xp.float64) / xp.maximum(weight, 1)
    order = xp.stable_argsort(xp.where(weight > 0, full_at, FAR), axis=1)
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


def drawn(name: str, lottery: Array | None) -> Array:
    """Give the lottery that the rule ``name`` draws from; ``ValueError`` where there is none."""
    if lottery is None:
        raise ValueError(
            f"{name}: expected orders with a lottery [n_envs, n_orders], which the rule draws from; got None"
        )
    return lottery


def increments(running: Array) -> Array:
    """Undo a running sum along the second axis."""
    parts = running + 0
    parts[:, 1:] -= running[:, :-1]
    return parts
