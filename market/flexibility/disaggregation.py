"""Splitting an award over the devices of a portfolio: sum = min(award, all headroom), 0 <= each <= its headroom."""

from __future__ import annotations

from gridbazaar.data.arrays import Array, namespace

AWARD_SPLITS = ("proportional", "merit", "weights")


def proportional(award: Array, headroom: Array) -> Array:
    """Share by headroom.

    Args:
        award: [...] >= 0.
        headroom: [..., n_devices] >= 0.
    """
    xp = namespace(headroom)
    total = xp.sum(headroom, axis=-1)
    share = xp.minimum(award / xp.where(total > 0, total, 1.0), 1.0)
    return headroom * share[..., None]


def cheapest_first(award: Array, headroom: Array, cost: Array) -> Array:
    """Take the cheapest first; the one at the margin gives what is still missing.

    Args:
        award: [...] >= 0.
        headroom: [..., n_devices] >= 0.
        cost: [..., n_devices] of a kWh; who costs the same stands in the order of the columns.
    """
    xp = namespace(headroom)
    order = xp.stable_argsort(cost, axis=-1)
    ranked = xp.take_along_axis(headroom, order, -1)
    before = xp.cumsum(ranked, axis=-1) - ranked
    taken = xp.clip(award[..., None] - before, 0.0, ranked)
    return xp.take_along_axis(taken, xp.argsort(order, axis=-1), -1)


def weighted(award: Array, headroom: Array, weight: Array) -> Array:
    """Share by weights, projected on what is possible: each gives ``min(headroom, weight x level)``.

    Args:
        award: [...] >= 0.
        headroom: [..., n_devices] >= 0.
        weight: [..., n_devices] >= 0; those without any give when the others are used up.

    The same rule for whole micro-kWh is ``auction.rationing.water_fill``.
    """
    xp = namespace(headroom)
    room = headroom * (weight > 0)
    pull = weight * (room > 0)
    full_at = room / xp.where(pull > 0, pull, 1.0)  # level at which a device is full
    order = xp.stable_argsort(full_at, axis=-1)
    level, used, gone = (xp.take_along_axis(x, order, -1) for x in (full_at, room, pull))
    used, left = xp.cumsum(used, axis=-1), xp.sum(pull, axis=-1, keepdims=True) - xp.cumsum(gone, axis=-1)
    is_full = xp.astype(used + level * xp.maximum(left, 0.0) <= award[..., None], xp.int64)
    n_full = xp.sum(is_full, axis=-1, keepdims=True)
    last = xp.maximum(n_full - 1, 0)
    spent = xp.take_along_axis(used, last, -1) * (n_full > 0)
    pulling = xp.where(n_full > 0, xp.take_along_axis(left, last, -1), xp.sum(pull, axis=-1, keepdims=True))
    found = (award[..., None] - spent) / xp.where(pulling > 0, pulling, 1.0)
    reached = xp.take_along_axis(level, last, -1) * (n_full > 0)
    given = xp.minimum(room, pull * xp.maximum(found, reached))
    # What is missing yet: all weights at their limits, or the rounding of a sum of very different weights.
    return given + proportional(xp.maximum(award - xp.sum(given, axis=-1), 0.0), headroom - given)
