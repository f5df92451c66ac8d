"""Two thousand random books full of ties: the default market against a scalar walk and against linear programming."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.orders import Clearing, Orders, Setting
from tests.reference import Book, clear_by_hand, lp_welfare

N_BOOKS, N_ORDERS = 2000, 64


@cache
def cleared_books() -> tuple[Orders, Clearing]:
    """Books of up to 64 orders with few different limits and quantities, cleared in one batch."""
    rng = np.random.default_rng(11)
    energy = rng.integers(-6, 7, (N_BOOKS, N_ORDERS)) * rng.choice([1, 250_000, 333_333], (N_BOOKS, 1))
    energy[np.arange(N_ORDERS) >= rng.integers(1, N_ORDERS + 1, (N_BOOKS, 1))] = 0
    limit = rng.integers(0, rng.integers(2, 20, (N_BOOKS, 1)), (N_BOOKS, N_ORDERS)) * 10_000
    orders = Orders(energy, limit, rng.permutation(N_ORDERS), np.zeros(N_ORDERS, dtype=np.int64))
    return orders, clear_at_uniform_price(orders, Setting())


def book(env: int) -> Book:
    """One row, without the orders of no energy."""
    orders, _ = cleared_books()
    there = orders.energy_ukwh[env] != 0
    return Book(
        orders.energy_ukwh[env, there].tolist(),
        orders.limit_ucur_per_kwh[env, there].tolist(),
        orders.agent[there].tolist(),
    )


def test_every_book_clears_as_by_hand() -> None:
    orders, clearing = cleared_books()
    for env in range(N_BOOKS):
        hand = clear_by_hand(book(env))
        there = orders.energy_ukwh[env] != 0
        assert clearing.traded_ukwh[env, there].tolist() == hand.traded
        assert clearing.pay_ucur[env, there].tolist() == hand.pay
        assert (clearing.low_ucur_per_kwh[env], clearing.high_ucur_per_kwh[env]) == (hand.low, hand.high)
        assert (clearing.price_ucur_per_kwh[env, 0], clearing.status[env]) == (hand.price, hand.status)


def check_welfare(envs: range) -> None:
    orders, clearing = cleared_books()
    for env in envs:
        worth = int((clearing.traded_ukwh[env] * orders.limit_ucur_per_kwh[env]).sum())
        assert worth == pytest.approx(lp_welfare(book(env)), rel=1e-9, abs=1e-6)


def test_no_other_fills_are_worth_more() -> None:
    check_welfare(range(0, N_BOOKS, 14))


@pytest.mark.slow
def test_in_none_of_the_books_other_fills_are_worth_more() -> None:
    check_welfare(range(N_BOOKS))


def test_rows_in_another_order_give_the_same() -> None:
    orders, clearing = cleared_books()
    place = np.random.default_rng(1).permutation(N_ORDERS)
    moved = Orders(
        orders.energy_ukwh[:, place], orders.limit_ucur_per_kwh[:, place], orders.agent[place], orders.bus[place]
    )
    again = clear_at_uniform_price(moved, Setting())
    assert (again.traded_ukwh == clearing.traded_ukwh[:, place]).all()
    assert (again.pay_ucur == clearing.pay_ucur[:, place]).all()
    for name in ("low_ucur_per_kwh", "high_ucur_per_kwh", "status", "surplus_ucur"):
        assert (getattr(again, name) == getattr(clearing, name)).all()
