"""What community rules share: they price metered energy, so everybody is served and only the price is in question."""

from __future__ import annotations

from dataclasses import replace

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.market.auction.book import Book, at_prices, close_book, open_book
from gridbazaar.market.auction.price_rules import on_tick
from gridbazaar.market.auction.rationing import by_share
from gridbazaar.market.orders import Clearing, Orders, Setting


def metered(name: str, orders: Orders, setting: Setting) -> Orders:
    """Give the orders the limits of energy that has already flowed: any price, so the retailer takes what is left.

    Raises ``ValueError`` without the retailer's two prices, which the rule ``name`` builds on.
    """
    upper, lower = setting.import_ucur_per_kwh, setting.export_ucur_per_kwh
    if upper is None or lower is None:
        raise ValueError(
            f"{name}: expected the retailer's import and export price, which the rule builds on; got "
            f"import {upper}, export {lower}"
        )
    above, below = setting.import_scarcity_ucur_per_kwh, setting.export_scarcity_ucur_per_kwh
    highest = upper if above is None else upper + above
    lowest = lower if below is None else lower - below
    limit = namespace(upper).where(orders.energy_ukwh > 0, highest[:, None], lowest[:, None])
    return replace(orders, limit_ucur_per_kwh=limit)


def half_way(setting: Setting) -> Array:
    """[n_envs] the middle of the retailer's band, on a tick."""
    low, high = setting.export_ucur_per_kwh, setting.import_ucur_per_kwh
    assert low is not None
    assert high is not None
    price = (low + high) // 2
    return price if setting.tick_ucur_per_kwh is None else on_tick(price, low, high, setting.tick_ucur_per_kwh)


def local_share(book: Book) -> tuple[Array, Array]:
    """[n_envs, n_orders] bought and sold among neighbours: all of the shorter side, the longer one pro rata."""
    xp = namespace(book.buy_ukwh)
    volume = xp.minimum(xp.sum(book.buy_ukwh, axis=1), xp.sum(book.sell_ukwh, axis=1))
    return by_share(book.buy_ukwh, volume), by_share(book.sell_ukwh, volume)


def clear_community(orders: Orders, setting: Setting, price: Array) -> Clearing:
    """Let neighbours trade what they can of metered energy at one price [n_envs], and the retailer take the rest."""
    book = open_book(orders, setting)
    bought, sold = local_share(book)
    return close_book(orders, setting, book, at_prices(bought, sold, price, price))
