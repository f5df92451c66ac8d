"""Continuous double auction: orders arrive one after the other and trade at once with the best that waits.

The market of the exchanges. Its fills depend on who comes when, so the order of arrival is drawn beforehand and lies in
the orders; the same numbers give the same trades. Usually less efficient than the call auction: an early order may take
what a later one would have valued more. Not truthful: a patient order earns more than a keen one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.market.auction.book import Book, at_own_prices, close_book, open_book
from gridbazaar.market.auction.rationing import drawn, increments
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "balanced", "no_deficit", "monotone", "scales"})
DRAWS = True


def continuous_double_auction(orders: Orders, setting: Setting) -> Clearing:
    """Let orders arrive in drawn order and trade at once with the best resting one, at the resting order's price.

    The lowest number of ``Orders.lottery`` comes first; orders with the same number, such as those of one agent, come
    in the order of agents, then of columns. An arriving order takes the resting orders that its limit allows, best
    price first and at one price the earliest; what is left of it rests. Orders of one agent never trade with each
    other: the arriving one passes over its owner's resting orders. A tick rounds bids down and asks up.

    After the last arrival, what is left of orders that reach the tariff goes to the retailer.
    """
    xp = namespace(orders.energy_ukwh)
    book = open_book(orders, setting)
    arrival = xp.stable_argsort(drawn("continuous_double_auction", book.lottery), axis=1)
    if setting.tick_ucur_per_kwh is not None:
        book = _on_ticks(book, setting.tick_ucur_per_kwh[:, None])
    filled, worth = _play(_queue(book, arrival))
    back = xp.argsort(arrival, axis=1)
    filled, worth = xp.take_along_axis(filled, back, axis=1), xp.take_along_axis(worth, back, axis=1)
    is_buy = book.buy_ukwh > 0
    return close_book(orders, setting, book, at_own_prices(filled * is_buy, filled * ~is_buy, worth))


class _Queue(NamedTuple):
    """The orders as they arrive, and their ranking by price and time, which no arrival changes."""

    energy_ukwh: Array  # [n_envs, n_orders] by arrival
    sign: Array  # [n_envs, n_orders] by arrival, 1 buys, -1 sells
    limit: Array  # [n_envs, n_orders] by arrival, micro-currency per kWh
    agent: Array  # [n_envs, n_orders] by arrival
    ranking: Array  # [n_envs, n_orders] the arrivals, best price first, at one price the earliest


def _on_ticks(book: Book, tick: Array) -> Book:
    xp, limit = namespace(tick), book.limit_ucur_per_kwh
    return replace(book, limit_ucur_per_kwh=xp.where(book.buy_ukwh > 0, limit // tick, -(-limit // tick)) * tick)


def _queue(book: Book, arrival: Array) -> _Queue:
    xp = namespace(arrival)
    energy = xp.take_along_axis(book.buy_ukwh - book.sell_ukwh, arrival, axis=1)
    limit = xp.take_along_axis(book.limit_ucur_per_kwh, arrival, axis=1)
    sign = xp.where(energy > 0, 1, -1) + 0 * energy
    return _Queue(xp.abs(energy), sign, limit, book.agent[arrival], xp.stable_argsort(-sign * limit, axis=1))


def _play(queue: _Queue) -> tuple[Array, Array]:
    """Give what each arrival trades in all, and its energy times price, [n_envs, n_orders] each, by arrival.

    Both sides stand in one ranking: an arriving order only sees the other one, and there the best comes first.
    """
    xp = namespace(queue.ranking)
    sign, limit, agent = (xp.take_along_axis(x, queue.ranking, axis=1) for x in queue[1:4])
    resting, passive, passive_worth = (xp.zeros_like(limit) for _ in range(3))
    taken, taken_worth = [], []
    for i in range(limit.shape[1]):
        now = slice(i, i + 1)
        own_sign, energy = queue.sign[:, now], queue.energy_ukwh[:, now]
        suits = (own_sign * (queue.limit[:, now] - limit) >= 0) & (sign != own_sign) & (agent != queue.agent[:, now])
        fill = increments(xp.minimum(xp.cumsum(resting * suits, axis=1), energy))
        worth = fill * limit
        passive, passive_worth = passive + fill, passive_worth + worth
        taken.append(xp.sum(fill, axis=1))
        taken_worth.append(xp.sum(worth, axis=1))
        resting = resting - fill + (queue.ranking == i) * (energy - taken[-1][:, None])
    back = xp.argsort(queue.ranking, axis=1)
    return (
        xp.stack(taken, axis=1) + xp.take_along_axis(passive, back, axis=1),
        xp.stack(taken_worth, axis=1) + xp.take_along_axis(passive_worth, back, axis=1),
    )
