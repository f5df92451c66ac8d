"""Price rules of a call auction, as small functions of the limits around the cut.

LAO and LAB are the last accepted offer and bid, FRO and FRB the first rejected ones; what is left of an order that is
filled in part counts as rejected. The eight auction types after 0 (pay-as-bid is a mechanism of its own) are those of
MATPOWER's smart market (Zimmerman & Murillo-Sanchez, MATPOWER user's manual, appendix F). FRO and FRB are cut to the
other side's last accepted limit, so that nobody pays beyond a limit; where nothing is rejected they are that limit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import MICRO


class Edges(NamedTuple):
    """Limits around the cut, [n_envs] int64 each, where something was filled."""

    lao: Array
    fro: Array  # >= lao
    lab: Array  # >= lao
    frb: Array  # <= lab
    is_bid_marginal: Array  # bool, a buyer is filled in part; otherwise an offer sets a first or second price
    share: int  # k in millionths


Rule = Callable[[Edges], tuple[Array, Array]]  # what buyers pay and sellers get, [n_envs] each


def _between(low: Array, high: Array, share: int) -> Array:
    return low + (high - low) * share // MICRO


def _competitive(edges: Edges) -> tuple[Array, Array]:
    xp = namespace(edges.lao)
    price = _between(xp.maximum(edges.lao, edges.frb), xp.minimum(edges.lab, edges.fro), edges.share)
    return price, price


def _first_price(edges: Edges) -> tuple[Array, Array]:
    price = namespace(edges.lao).where(edges.is_bid_marginal, edges.lab, edges.lao)
    return price, price


def _second_price(edges: Edges) -> tuple[Array, Array]:
    xp = namespace(edges.lao)
    price = xp.where(edges.is_bid_marginal, xp.maximum(edges.frb, edges.lao), xp.minimum(edges.fro, edges.lab))
    return price, price


def _same(price: Callable[[Edges], Array]) -> Rule:
    return lambda edges: (price(edges), price(edges))


RULES: dict[str, Rule] = {
    "ce_k": _competitive,
    "lao_lab_k": _same(lambda e: _between(e.lao, e.lab, e.share)),
    "lao": _same(lambda e: e.lao),
    "fro": _same(lambda e: namespace(e.lao).minimum(e.fro, e.lab)),
    "lab": _same(lambda e: e.lab),
    "frb": _same(lambda e: namespace(e.lao).maximum(e.frb, e.lao)),
    "first_price": _first_price,
    "second_price": _second_price,
    "split_difference": _same(lambda e: _between(e.lao, e.lab, MICRO // 2)),
    "dual": lambda e: (e.lab, e.lao),
}
"""By name: the competitive interval with partial fills (the default), and the rules that others use. ``dual`` lets
buyers pay LAB and sellers get LAO; the market operator keeps the difference."""


def on_tick(price: Array, low: Array, high: Array, tick: Array) -> Array:
    """Move prices [n_envs] down to a multiple of ``tick``, up where that is below ``low``; none inside: left alone."""
    xp = namespace(price)
    down = price // tick * tick
    moved = xp.where(down < low, down + tick, down)
    return xp.where(moved > high, price, moved)
