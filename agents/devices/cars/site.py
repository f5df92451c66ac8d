"""A site: chargers behind one limit. Who gets how much of it when all together want more."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gridbazaar.agents.plan import Plan, View
from gridbazaar.data.arrays import Array, namespace

SHARINGS = ("proportional", "laxity")
_SOON_H = 0.25  # laxity is not told apart below it
_MOST_ROUNDS = 3
_ENDLESS_KW = 1e9


@dataclass(frozen=True, slots=True)
class Site:
    """What the flexible power of a site has to fit into."""

    left_kw: Array  # [n_envs, 1] what must-serve charging leaves of the limit
    give_kw: float  # limit of what all release together
    laxity_h: Array  # [n_envs, n_kind] hours to spare at full power
    least_kw: Array  # [n_envs, n_kind] a charger gives that much or nothing
    sharing: str


def fit_needs(seen: View, site_kw: Array, give_kw: float | None, sharing: str) -> View:
    """Fit what must be charged into the limit of a site; ``more`` then says what is left of it for wishes.

    Args:
        seen: the chargers as if each were alone.
        site_kw: what all together may draw, a number or [n_envs, 1].
        give_kw: what all together may give; none: no limit, as with charging profiles.
        sharing: see ``share_kw``.
    """
    xp = namespace(seen.firm_kw)
    laxity_h = xp.maximum(seen.left_h - seen.need_kwh / (seen.eta_ch * seen.power_kw), 0.0)
    limit_kw = 0.0 * seen.firm_kw[:, :1] + site_kw
    firm_kw = share_kw(seen.firm_kw, limit_kw, seen.min_kw, laxity_h, sharing)
    left_kw = xp.maximum(limit_kw - xp.sum(firm_kw, axis=1, keepdims=True), 0.0)
    least_kw = xp.where(firm_kw > 0, 0.0, seen.min_kw)
    high_kw = xp.minimum(seen.high_kw + seen.firm_kw - firm_kw, left_kw)
    high_kw = xp.where((high_kw >= least_kw) & (seen.high_kw > 0), high_kw, 0.0)
    most_kw = _ENDLESS_KW if give_kw is None else give_kw
    return replace(seen, firm_kw=firm_kw, high_kw=high_kw, more=Site(left_kw, most_kw, laxity_h, least_kw, sharing))


def fit_wishes(wanted: Plan, view: View) -> Plan:
    """Fit wishes into what the needs of a site leave.

    Args:
        wanted: what the agents want, each for itself.
        view: from ``fit_needs``.
    """
    return replace(wanted, wish_kw=fit_kw(wanted.wish_kw, view))


def fit_kw(wish_kw: Array, view: View) -> Array:
    """Fit wishes [n_envs, n_kind] alone, as ``fit_wishes`` does."""
    xp, site = namespace(wish_kw), view.more
    draw_kw, give_kw = xp.maximum(wish_kw, 0.0), xp.maximum(-wish_kw, 0.0)
    draw_kw = share_kw(draw_kw, site.left_kw, site.least_kw, site.laxity_h, site.sharing)
    give_kw = share_kw(give_kw, 0.0 * site.left_kw + site.give_kw, view.min_kw, site.laxity_h, site.sharing)
    return draw_kw - give_kw


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
