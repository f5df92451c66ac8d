"""Collective self-consumption: sharing keys divide what a community generates among those who draw.

So the law of several countries has it (France, Austria, Portugal; Germany's section 42b EnWG): in each interval at most
the smaller of the community's generation and consumption is shared. Limits play no part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np

from gridbazaar.data.arrays import Array, muldiv, namespace
from gridbazaar.data.bounds import NotNegative, OneOf, Share
from gridbazaar.data.units import MICRO
from gridbazaar.market.auction.book import Book, at_prices, close_book, open_book
from gridbazaar.market.auction.ex_post import metered
from gridbazaar.market.auction.price_rules import on_tick
from gridbazaar.market.auction.rationing import by_share, increments, water_fill
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_post"
PROMISES = frozenset({"balanced", "no_deficit", "monotone", "scales"})

METHODS = ("dynamic", "static", "hybrid")

_KEY_UNIT = 10**9  # keys are counted in billionths


def collective_self_consumption(
    orders: Orders,
    setting: Setting,
    *,
    method: Annotated[str, OneOf(*METHODS)] = "dynamic",
    keys: Sequence[NotNegative] | None = None,
    price: Share = 0.5,
) -> Clearing:
    """Share what the community generates by keys, at a price between the retailer's two.

    Args:
        orders, setting: metered energy and the retailer.
        method: ``dynamic`` shares in proportion to what each consumer draws in the interval; ``static`` gives a key's
            share of the generation, or what its owner draws if that is less, and exports what is left; ``hybrid``
            gives what is left to the other consumers, by their keys. Whose key is 0 gets nothing of it.
        keys: for ``static`` and ``hybrid``, one an agent, by rising number, or one a column of ``orders``, or one a
            column that draws in some environment; numbers >= 0 that sum to one. ``None``: equal ones for all agents.
        price: of a shared kWh: 0 is the retailer's export price, 1 its import price; kept to a millionth.

    A key of an agent with several orders counts for their sum, and serves the first column first. Sellers share pro
    rata to their surplus. What is not shared is bought from and sold to the retailer.
    """
    flowed = metered("collective_self_consumption", orders, setting)
    book = open_book(flowed, setting)
    bought = _METHODS[method](book, *_weights(book, keys))
    sold = by_share(book.sell_ukwh, namespace(bought).sum(bought, axis=1))
    shown = _price(setting, round(price * MICRO))
    return close_book(flowed, setting, book, at_prices(bought, sold, shown, shown))


def _dynamic(book: Book, weight: Array, owner: Array) -> Array:
    xp = namespace(weight)
    return by_share(book.buy_ukwh, xp.minimum(_supply(book), xp.sum(book.buy_ukwh, axis=1)))


def _static(book: Book, weight: Array, owner: Array) -> Array:
    xp = namespace(weight)
    running = xp.cumsum(weight, axis=0)[None, :] + 0 * book.buy_ukwh
    shares = increments(muldiv(running, _supply(book)[:, None], running[:, -1:]))
    return _to_orders(book, owner, xp.minimum(shares, _of_owner(book.buy_ukwh, owner)))


def _hybrid(book: Book, weight: Array, owner: Array) -> Array:
    wish = _of_owner(book.buy_ukwh, owner)
    return _to_orders(book, owner, water_fill(wish, weight[None, :] + 0 * wish, _supply(book)))


_METHODS: dict[str, Callable[[Book, Array, Array], Array]] = {
    "static": _static,
    "dynamic": _dynamic,
    "hybrid": _hybrid,
}
"""By name: what consumers get, [n_envs, n_orders], from the book, the keys and who owns them."""


def _supply(book: Book) -> Array:
    total: Array = namespace(book.sell_ukwh).sum(book.sell_ukwh, axis=1)
    return total


def _price(setting: Setting, share: int) -> Array:
    lower, upper = setting.export_ucur_per_kwh, setting.import_ucur_per_kwh
    assert lower is not None
    assert upper is not None
    price = lower + (upper - lower) * share // MICRO
    return price if setting.tick_ucur_per_kwh is None else on_tick(price, lower, upper, setting.tick_ucur_per_kwh)


def _weights(book: Book, keys: Sequence[float] | None) -> tuple[Array, Array]:
    """[n_orders] each: keys in billionths, and the first column of whom a key belongs to.

    Where keys are an agent's, they stand in its first column and the others of that agent have none.
    """
    xp = namespace(book.agent)
    n_orders = book.agent.shape[0]
    column = xp.arange(n_orders, like=book.agent)
    same = book.agent[:, None] == book.agent[None, :]
    first = xp.min(xp.where(same, column[None, :], n_orders), axis=1)
    is_first = xp.astype(first == column, xp.int64)
    number = xp.cumsum(is_first, axis=0) - 1
    n_agents = int(number[-1]) + 1
    if keys is None:
        return is_first, first
    draws = xp.any(book.buy_ukwh > 0, axis=0)[xp.argsort(book.column)]  # by column of the orders
    n_draw = int(xp.sum(xp.astype(draws, xp.int64), axis=0))
    _check(keys, n_agents, n_orders, n_draw)
    if len(keys) not in (n_agents, n_orders):
        given = iter(keys)
        keys = [next(given) if draw else 0.0 for draw in draws.tolist()]
    weight = xp.asarray(np.array([round(key * _KEY_UNIT) for key in keys], dtype=np.int64), like=book.agent)
    if len(keys) == n_orders:
        return weight[book.column], column
    return weight[number] * is_first, first


def _check(keys: Sequence[float], n_agents: int, n_orders: int, n_draw: int) -> None:
    where = "collective_self_consumption: keys"
    if len(keys) not in (n_agents, n_orders, n_draw):
        raise ValueError(
            f"{where}: expected one for each of the {n_agents} agents, the {n_orders} columns, or the {n_draw} of them "
            f"that draw; got {len(keys)}"
        )
    total = math.fsum(keys)
    if abs(total - 1.0) > 1e-9:
        raise ValueError(
            f"{where}: expected a sum of 1 within 1e-9, got {total!r} from keys[0] to keys[{len(keys) - 1}]; "
            "divide each by the sum"
        )


def _of_owner(energy: Array, owner: Array) -> Array:
    """[n_envs, n_orders] what all columns of an owner want, in its first one; 0 in the others."""
    return _sum_of_owner(energy, owner) * (owner == namespace(owner).arange(owner.shape[0], like=owner))[None, :]


def _sum_of_owner(energy: Array, owner: Array) -> Array:
    """[n_envs, n_orders] sum over the columns of the same owner."""
    xp = namespace(energy)
    n_orders = owner.shape[0]
    column = xp.arange(n_orders, like=owner)
    last = xp.max(xp.where(owner[:, None] == owner[None, :], column[None, :], -1), axis=1)
    running = xp.cumsum(energy, axis=1)
    return running[:, last] - running[:, owner] + energy[:, owner]


def _to_orders(book: Book, owner: Array, share: Array) -> Array:
    """Hand an owner's share, which stands in its first column, to its columns in their order."""
    xp = namespace(share)
    running = xp.cumsum(book.buy_ukwh, axis=1)
    before = running - book.buy_ukwh
    served = before - before[:, owner]
    return xp.clip(share[:, owner] - served, 0, book.buy_ukwh)
