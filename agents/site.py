"""A site: chargers behind one limit. Who gets how much of it when all together want more."""

from __future__ import annotations

from dataclasses import dataclass

from gridbazaar.data.arrays import Array, namespace

SHARINGS = ("proportional", "laxity")
_SOON_H = 0.25  # laxity is not told apart below it
_MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Site:
    """What the flexible power of a site has to fit into."""

    left_kw: Array  # [n_envs, 1] what must-serve charging leaves of the limit
    give_kw: float  # limit of what all release together
    laxity_h: Array  # [n_envs, n_kind] hours to spare at full power
    least_kw: Array  # [n_envs, n_kind] a charger gives that much or nothing
    sharing: str


def share_kw(wish_kw: Array, limit_kw: Array, least_kw: Array, laxity_h: Array, sharing: str) -> Array:
    """Give what each charger may draw of a limit that all share, [n_envs, n_kind].

    Args:
        wish_kw: [n_envs, n_kind] >= 0.
        limit_kw: [n_envs, 1] of all together, >= 0.
        least_kw: [n_envs, n_kind] least power of a charger; a share below it is nothing.
        laxity_h: [n_envs, n_kind] hours to spare; who has least of them is served first where not all can be.
        sharing: proportional (to what is wished beyond the least) or laxity (the same, weighted by its reciprocal).

    Nobody gets more than its wish, all together no more than the limit, and all wishes where they fit.
    """
    xp = namespace(wish_kw)
    total = xp.sum(wish_kw, axis=1, keepdims=True)
    least = xp.minimum(least_kw, wish_kw)
    order = xp.stable_argsort(xp.where(wish_kw > 0, laxity_h, 1e9), axis=1)
    place = xp.argsort(order, axis=1)
    running = xp.take_along_axis(xp.cumsum(xp.take_along_axis(least, order, axis=1), axis=1), place, axis=1)
    is_on = (wish_kw > 0) & (running <= limit_kw)
    base = xp.where(is_on, least, 0.0)
    more = xp.where(is_on, wish_kw - least, 0.0)
    weight = more if sharing == "proportional" else more / xp.maximum(laxity_h, _SOON_H)
    given = xp.zeros_like(more)
    # Rounds of water-filling: what one cannot take goes to the others.
    for _ in range(1 if sharing == "proportional" else _MOST_ROUNDS):
        rest = xp.maximum(limit_kw - xp.sum(base + given, axis=1, keepdims=True), 0.0)
        open_weight = xp.where(given < more, weight, 0.0)
        level = rest / xp.maximum(xp.sum(open_weight, axis=1, keepdims=True), 1e-12)
        given = xp.minimum(given + open_weight * level, more)
    return xp.where(total <= limit_kw, wish_kw, base + given)
