"""Posted prices: one price for all, or one per ask; both against plain loops in fractions."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.orders import Clearing, Orders, Setting, Status
from tests.market.books import as_orders, as_setting, unit_book
from tests.reference import Book, Outside

KWH = 1_000_000


def post(orders: Orders, setting: Setting | None = None, **options: Any) -> Clearing:
    return load_mechanism("posted_price", **options)(orders, setting or Setting())


def drawn_first(orders: Orders, columns: list[int]) -> Orders:
    """Give orders a lottery that names the columns in the order in which they come."""
    lottery = np.zeros(len(columns))
    lottery[columns] = np.arange(len(columns)) / len(columns)
    return replace(orders, lottery=np.repeat(lottery[None], len(orders.energy_ukwh), axis=0))


T4 = unit_book([(1, p) for p in (4, 3, 2, 1)], [(1, p) for p in (1, 2, 3)])


@pytest.mark.parametrize(
    ("price", "fills"),
    [
        (2.5, [1, 1, 0, 0, -1, -1, 0]),  # inside the competitive interval: efficient
        (2.0, [2 / 3, 2 / 3, 2 / 3, 0, -1, -1, 0]),
        (3.5, [1, 0, 0, 0, -1 / 3, -1 / 3, -1 / 3]),
        (9.0, [0] * 7),
    ],
)
def test_who_agrees_trades_and_the_longer_side_shares(price: float, fills: list[float]) -> None:
    clearing = post(as_orders(T4), price_cur_per_kwh=price)
    assert (clearing.traded_ukwh[0] / KWH).tolist() == pytest.approx(fills, abs=2e-6)
    assert (clearing.pay_ucur[0] / KWH).tolist() == pytest.approx([price * f for f in fills], abs=2e-5)
    assert clearing.pay_ucur.sum() == 0


def test_the_lottery_serves_one_after_the_other() -> None:
    clearing = post(drawn_first(as_orders(T4), [2, 1, 0, 3, 4, 5, 6]), price_cur_per_kwh=2.0, rationing="lottery")
    assert (clearing.traded_ukwh[0] / KWH).tolist() == [0, 1, 1, 0, -1, -1, 0]


def test_without_a_number_the_middle_of_the_band_is_posted() -> None:
    clearing = post(
        as_orders(unit_book([(1, 0.19), (2, 0.25)], [(1, 0.15), (1, 0.21)])), as_setting(Outside(300_000, 100_000))
    )
    assert clearing.traded_ukwh[0].tolist() == [0, KWH, -KWH, 0]
    assert clearing.pay_ucur[0].tolist() == [0, 200_000, -200_000, 0]


def test_without_a_retailer_the_drawn_agent_posts_its_limit_and_stays_out() -> None:
    """Agent 8 (its two orders) is drawn; its first order asks .20."""
    book = Book([-KWH, KWH, 2 * KWH, -3 * KWH, -KWH], [200_000, 900_000, 300_000, 100_000, 250_000], [8, 8, 1, 2, 3])
    clearing = post(drawn_first(as_orders(book), [0, 1, 2, 3, 4]))
    assert clearing.traded_ukwh[0].tolist() == [0, 0, 2 * KWH, -2 * KWH, 0]
    assert clearing.pay_ucur[0].tolist() == [0, 0, 400_000, -400_000, 0]


def test_orders_without_energy_are_not_drawn() -> None:
    book = unit_book([(0, 0.5), (1, 0.3), (1, 0.25)], [(1, 0.1)])
    clearing = post(drawn_first(as_orders(book), [0, 2, 1, 3]))
    assert clearing.pay_ucur[0].tolist() == [0, 250_000, 0, -250_000]


def posted_by_hand(book: Book, price: int, queue: list[int] | None) -> list[Fraction]:
    """Give fills at one price, signed; a queue makes the longer side come one after the other."""
    sides = []
    for sign in (1, -1):
        sides.append([i for i, e in enumerate(book.energy) if sign * e > 0 and sign * (book.limit[i] - price) >= 0])
    volume = min(sum(abs(book.energy[i]) for i in side) for side in sides)
    filled = [Fraction(0)] * len(book.energy)
    for side in sides:
        total, left = sum(abs(book.energy[i]) for i in side), volume
        for i in side if queue is None else sorted(side, key=queue.index):
            filled[i] = Fraction(volume * book.energy[i], total)
            if queue is not None:
                filled[i] = Fraction(min(left, abs(book.energy[i])) * (1 if book.energy[i] > 0 else -1))
                left -= int(abs(filled[i]))
    return filled


def asked_by_hand(book: Book, queue: list[int] | None) -> tuple[list[Fraction], list[Fraction]]:
    """Give fills and money (energy times price), both signed, where every ask is its own posted price."""
    n = len(book.energy)
    left = [Fraction(abs(e)) for e in book.energy]
    paid = [Fraction(0)] * n
    buyers = [i for i in range(n) if book.energy[i] > 0]
    groups = [buyers] if queue is None else [[i] for i in sorted(buyers, key=queue.index)]
    for group in groups:
        for price in sorted({book.limit[j] for j in range(n) if book.energy[j] < 0}):
            stock = [j for j in range(n) if book.energy[j] < 0 and book.limit[j] == price]
            who = [i for i in group if book.limit[i] >= price]
            have, want = sum(left[j] for j in stock), sum(left[i] for i in who)
            volume = min(have, want)
            for m in [*who, *stock]:
                part = left[m] * volume / (want if m in who else have) if volume else Fraction(0)
                left[m] -= part
                paid[m] += part * price * (1 if m in who else -1)
    filled = [(abs(e) - rest) * (1 if e > 0 else -1) for e, rest in zip(book.energy, left, strict=True)]
    return filled, paid


def random_rows(rng: np.random.Generator, n: int, agent: list[int]) -> list[Book]:
    return [
        Book((rng.integers(-4, 5, n) * scale).tolist(), (rng.integers(0, 8, n) * 10_000).tolist(), agent)
        for scale in rng.choice([1, 333_337, 5 * KWH], 80).tolist()
    ]


@pytest.mark.parametrize("rationing", ["pro_rata", "lottery"])
@pytest.mark.parametrize("n", [1, 3, 10])
def test_random_books_trade_at_the_posted_price_as_by_hand(n: int, rationing: str) -> None:
    rng = np.random.default_rng(n)
    rows = random_rows(rng, n, rng.permutation(n).tolist())
    orders = replace(as_orders(*rows), lottery=rng.random((len(rows), n)))
    assert orders.lottery is not None
    clearing = post(orders, price_cur_per_kwh=0.04, rationing=rationing)
    for row, book in enumerate(rows):
        queue = np.argsort(orders.lottery[row]).tolist()
        filled = posted_by_hand(book, 40_000, queue if rationing == "lottery" else None)
        assert all(abs(a - b) < 1 for a, b in zip(clearing.traded_ukwh[row].tolist(), filled, strict=True))
        assert clearing.pay_ucur[row].sum() == 0


@pytest.mark.parametrize("rationing", ["pro_rata", "lottery"])
@pytest.mark.parametrize("n", [1, 3, 10])
def test_random_books_trade_at_the_sellers_prices_as_by_hand(n: int, rationing: str) -> None:
    rng = np.random.default_rng(n)
    rows = random_rows(rng, n, rng.permutation(n).tolist())
    orders = replace(as_orders(*rows), lottery=rng.random((len(rows), n)))
    assert orders.lottery is not None
    clearing = post(orders, posted_by="sellers", rationing=rationing)
    for row, book in enumerate(rows):
        queue = np.argsort(orders.lottery[row]).tolist()
        filled, paid = asked_by_hand(book, queue if rationing == "lottery" else None)
        slack = 1 if rationing == "lottery" else n  # sharing rounds once an ask
        assert all(abs(a - b) < slack for a, b in zip(clearing.traded_ukwh[row].tolist(), filled, strict=True))
        assert all(abs(a - b / KWH) < slack + 1 for a, b in zip(clearing.pay_ucur[row].tolist(), paid, strict=True))
        assert clearing.pay_ucur[row].sum() == 0
        assert clearing.traded_ukwh[row].sum() == 0
        assert (clearing.pay_ucur[row] * KWH <= clearing.traded_ukwh[row] * orders.limit_ucur_per_kwh[row] + KWH).all()


def test_a_seller_gains_by_asking_more_where_sellers_post() -> None:
    """So that variant does not promise to be truthful: the ask of .10 sells at .25 to a buyer who would pay .30."""
    honest, keen = (
        post(as_orders(unit_book([(1, 0.30)], [(1, ask)])), posted_by="sellers").pay_ucur[0, 1] for ask in (0.10, 0.25)
    )
    assert (honest, keen) == (-100_000, -250_000)


@pytest.mark.parametrize("options", [{}, {"posted_by": "sellers"}, {"rationing": "lottery"}])
@pytest.mark.parametrize(
    ("buys", "sells", "status"),
    [
        ([(0, 1.0)], [(0, 0.5)], Status.EMPTY),
        ([(1, 0.2)], [], Status.BUYERS_ONLY),
        ([], [(1, 0.2)], Status.SELLERS_ONLY),
        ([(1, 0.1)], [(1, 0.2)], Status.NO_CROSS),
    ],
)
def test_books_without_a_trade_are_quoted(
    buys: list[tuple[float, float]], sells: list[tuple[float, float]], status: Status, options: dict[str, Any]
) -> None:
    clearing = post(as_orders(unit_book(buys, sells)), **options)
    assert not clearing.traded_ukwh.any()
    assert not clearing.pay_ucur.any()
    assert clearing.status[0] == status


@pytest.mark.parametrize("options", [{}, {"posted_by": "sellers"}, {"price_cur_per_kwh": 0.2}])
def test_neighbours_do_not_trade_where_the_band_is_empty(options: dict[str, Any]) -> None:
    book = as_orders(unit_book([(1, 0.9)], [(1, 0.0)]))
    for lower in (200_000, 400_000):
        clearing = post(book, as_setting(Outside(200_000, lower)), **options)
        assert not clearing.traded_ukwh.any()
        assert clearing.outside_ukwh[0].tolist() == [KWH, -KWH]


def test_a_retailer_that_only_sells_posts_no_middle_but_bounds_the_drawn_price() -> None:
    orders = as_orders(unit_book([(1, 0.9), (1, 0.4)], [(1, 0.1)]))
    clearing = post(drawn_first(orders, [0, 1, 2]), Setting(import_ucur_per_kwh=np.array([300_000])))
    assert clearing.pay_ucur[0].tolist() == [0, 300_000, -300_000]
    assert clearing.outside_ukwh[0].tolist() == [KWH, 0, 0]


def test_a_price_outside_the_band_is_agreed_to_by_nobody() -> None:
    clearing = post(
        as_orders(unit_book([(1, 0.9)], [(1, 0.0)])), as_setting(Outside(300_000, 100_000)), price_cur_per_kwh=0.4
    )
    assert not clearing.traded_ukwh.any()
    assert clearing.outside_ukwh[0].tolist() == [KWH, -KWH]


def test_huge_orders_are_counted_exactly() -> None:
    energy = 4 * 10**12
    book = Book([energy + 1, -energy, -3], [1_000_000, 999_999, 1_000_000], [0, 1, 2])
    assert post(as_orders(book), price_cur_per_kwh=1.0).traded_ukwh[0].tolist() == [energy + 1, 2 - energy, -3]
    clearing = post(as_orders(book), posted_by="sellers")
    assert clearing.traded_ukwh[0].tolist() == [energy + 1, -energy, -1]
    assert clearing.pay_ucur[0].tolist() == [3_999_996_000_001, -3_999_996_000_000, -1]


def test_bad_options_are_refused() -> None:
    orders = as_orders(T4)
    with pytest.raises(ValueError, match=r"price_cur_per_kwh: expected .* in \[-10000, 10000\], or none, got nan"):
        post(orders, price_cur_per_kwh=float("nan"))
    with pytest.raises(ValueError, match="posted_by: expected one of market, sellers, got 'buyers'"):
        post(orders, posted_by="buyers")
    with pytest.raises(ValueError, match="rationing: expected one of pro_rata, lottery, got 'queue'"):
        post(orders, rationing="queue")
    with pytest.raises(ValueError, match=r"expected no price_cur_per_kwh where sellers post their own, got 0.2"):
        post(orders, price_cur_per_kwh=0.2, posted_by="sellers")
    drawing: list[dict[str, Any]] = [{}, {"price_cur_per_kwh": 0.2, "rationing": "lottery"}]
    for options in drawing:
        with pytest.raises(ValueError, match="posted_price: expected orders with a lottery"):
            post(replace(orders, lottery=None), **options)


def test_no_lottery_is_needed_where_nothing_is_drawn() -> None:
    orders = replace(as_orders(T4), lottery=None)
    assert post(orders, price_cur_per_kwh=2.5).traded_ukwh.any()
    assert post(orders, posted_by="sellers").traded_ukwh.any()
