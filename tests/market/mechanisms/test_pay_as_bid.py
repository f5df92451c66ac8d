"""Pay-as-bid: worked pairs, and two price curves walked side by side in fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.mechanisms.uniform_price import uniform_price
from gridbazaar.market.orders import Clearing, Orders, Setting, Status
from tests.market.books import as_orders, as_setting, unit_book
from tests.reference import Book, Outside

KWH = 1_000_000
OPTIONS = [{}, {"k": 0.0}, {"k": 1.0}, {"k": 0.25, "pairing": "by_agent"}]


def pay_as_bid(orders: Orders, setting: Setting | None = None, **options: Any) -> Clearing:
    return load_mechanism("pay_as_bid", **options)(orders, setting or Setting())


def paid_cur(clearing: Clearing) -> list[float]:
    return [pay / KWH for pay in clearing.pay_ucur[0].tolist()]


T10 = unit_book([(1, p) for p in (100, 90, 80, 70, 60)], [(1, p) for p in (80, 85, 95, 100, 110)])


@pytest.mark.parametrize(
    ("k", "buyers", "sellers"),
    [(0.5, [90, 87.5], [90, 87.5]), (1.0, [100, 90], [100, 90]), (0.0, [80, 85], [80, 85])],
)
def test_the_book_of_case_t10_pays_by_pairs(k: float, buyers: list[float], sellers: list[float]) -> None:
    clearing = pay_as_bid(as_orders(T10), k=k)
    assert paid_cur(clearing) == [*buyers, 0, 0, 0, *(-p for p in sellers), 0, 0, 0]
    assert (clearing.price_ucur_per_kwh[0, :2] / KWH).tolist() == buyers
    assert clearing.status[0] == Status.EXACT


def test_an_order_pays_for_each_part_with_its_own_partner() -> None:
    """5 kWh at .20 and 4 at .15 meet 7 at .22 (T32's orders as a call): the buyer takes 4 at .15 first, then 3."""
    clearing = pay_as_bid(as_orders(unit_book([(7, 0.22)], [(5, 0.20), (4, 0.15)])), k=0.0)
    assert paid_cur(clearing) == [1.2, -0.6, -0.6]  # 4 at .15 and 3 at .20


def test_tied_orders_share_what_their_level_pays() -> None:
    """Two bids of 2 kWh at .30 meet asks of 1 kWh at .10 and 3 at .20: each pays half, whoever stands first."""
    book = Book([2 * KWH, 2 * KWH, -KWH, -3 * KWH], [300_000, 300_000, 100_000, 200_000], [7, 3, 5, 1])
    assert paid_cur(pay_as_bid(as_orders(book), k=0.0)) == [0.35, 0.35, -0.1, -0.6]


def test_pairing_by_agent_moves_money_and_no_energy() -> None:
    book = Book([KWH, KWH, -KWH, -KWH], [300_000, 200_000, 100_000, 200_000], [1, 0, 2, 3])
    assortative, by_agent = (pay_as_bid(as_orders(book), pairing=p) for p in ("assortative", "by_agent"))
    assert paid_cur(assortative) == [0.2, 0.2, -0.2, -0.2]
    assert paid_cur(by_agent) == [0.25, 0.15, -0.15, -0.25]
    assert (assortative.traded_ukwh == by_agent.traded_ukwh).all()


def paid_by_hand(book: Book, traded: list[int], k: Fraction, pairing: str) -> list[Fraction]:
    """Walk down the bids and up the asks; orders of one level put their money together and share it by energy."""

    def levels(sign: int) -> list[list[int]]:
        found: dict[Any, list[int]] = {}
        for i in sorted(range(len(traded)), key=lambda i: (book.agent[i], i)):
            if sign * traded[i] > 0:
                found.setdefault(-sign * book.limit[i] if pairing == "assortative" else (book.agent[i], i), []).append(
                    i
                )
        return [found[key] for key in sorted(found)]

    paid = [Fraction(0)] * len(traded)
    sides = [levels(1), levels(-1)]
    left = [[sum(abs(traded[i]) for i in level) for level in side] for side in sides]
    at = [0, 0]
    while at[0] < len(sides[0]) and at[1] < len(sides[1]):
        pair = [sides[s][at[s]] for s in (0, 1)]
        energy = min(left[s][at[s]] for s in (0, 1))
        bid, ask = (book.limit[level[0]] for level in pair)
        money = energy * (ask + (bid - ask) * k)
        for s, level in enumerate(pair):
            for i in level:
                paid[i] += (1 - 2 * s) * money * abs(traded[i]) / sum(abs(traded[j]) for j in level)
            left[s][at[s]] -= energy
            at[s] += left[s][at[s]] == 0
    return paid


@pytest.mark.parametrize("options", OPTIONS)
def test_random_books_pay_what_the_two_curves_say(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    for n in (1, 2, 9):
        agent = rng.permutation(n).tolist()
        rows = [
            Book((rng.integers(-3, 4, n) * scale).tolist(), (rng.integers(-3, 9, n) * 10_000).tolist(), agent)
            for scale in rng.choice([1, 333_337, 5 * KWH], 100).tolist()
        ]
        orders = as_orders(*rows)
        clearing, best = pay_as_bid(orders, **options), uniform_price(orders, Setting())
        assert (clearing.traded_ukwh == best.traded_ukwh).all()
        assert not clearing.pay_ucur.sum(axis=1).any()
        assert not clearing.surplus_ucur.any()
        k, pairing = Fraction(options.get("k", 0.5)), options.get("pairing", "assortative")
        for row, book in enumerate(rows):
            exact = paid_by_hand(book, clearing.traded_ukwh[row].tolist(), k, pairing)
            assert all(abs(p - e / KWH) < 1.01 for p, e in zip(clearing.pay_ucur[row].tolist(), exact, strict=True))


def test_huge_books_are_paid_to_the_micro_unit() -> None:
    """1.2 TWh at some thousandths: sums of energy times price are near 2**61."""
    energy = [600_000_000_000_001, 600_000_000_000_000, -1_200_000_000_000_001]
    book = Book(energy, [1900, 1900, 1001], [0, 1, 2])
    clearing = pay_as_bid(as_orders(book), k=1.0)
    exact = paid_by_hand(book, clearing.traded_ukwh[0].tolist(), Fraction(1), "assortative")
    assert all(abs(p - e / KWH) < 2 for p, e in zip(clearing.pay_ucur[0].tolist(), exact, strict=True))
    assert clearing.pay_ucur.sum() == 0


@pytest.mark.parametrize("outside", [Outside(300_000, 100_000), Outside(100_000, 300_000), Outside(300_000, 300_000)])
def test_nobody_pays_more_than_the_retailer_would_charge(outside: Outside) -> None:
    book = unit_book([(1, 0.9), (2, 0.2)], [(1, 0.0), (1, 0.15), (1, 0.6)])
    setting = as_setting(outside)
    clearing = pay_as_bid(as_orders(book), setting)
    best = uniform_price(as_orders(book), setting)
    assert (clearing.traded_ukwh == best.traded_ukwh).all()
    assert (clearing.outside_ukwh == best.outside_ukwh).all()
    if outside.upper > outside.lower:
        assert paid_cur(clearing) == [0.2, 0.175, -0.2, -0.175, 0]  # bids count .30 and .20, asks .10 and .15
    else:
        assert not clearing.pay_ucur.any()


def test_a_retailer_that_only_sells_bounds_the_bids_alone() -> None:
    orders = as_orders(unit_book([(1, 0.9)], [(1, -0.1)]))
    clearing = pay_as_bid(orders, Setting(import_ucur_per_kwh=np.array([300_000])))
    assert paid_cur(clearing) == [0.1, -0.1]


def test_a_full_connection_raises_what_bids_and_asks_count() -> None:
    """Import of 1 kWh at most, then .40 more: 3 kWh are wanted at .90, and an ask of .60 is worth taking."""
    book = unit_book([(3, 0.9)], [(1, 0.6), (0.5, 0.0)])
    setting = as_setting(Outside(300_000, 100_000, import_cap=KWH, import_scarcity=400_000))
    clearing = pay_as_bid(as_orders(book), setting, k=1.0)
    assert clearing.traded_ukwh[0].tolist() == [1_500_000, -KWH, -500_000]
    assert paid_cur(clearing) == [1.05, -0.7, -0.35]
    assert clearing.rent_ucur_per_kwh[0] == 400_000


@pytest.mark.parametrize(
    ("buys", "sells", "status"),
    [
        ([], [], Status.EMPTY),
        ([(0, 1)], [(0, 0.5)], Status.EMPTY),
        ([(1, 0.2)], [], Status.BUYERS_ONLY),
        ([], [(1, 0.2)], Status.SELLERS_ONLY),
        ([(1, 0.1)], [(1, 0.2)], Status.NO_CROSS),
    ],
)
def test_books_without_a_trade_quote_as_the_default_does(
    buys: list[tuple[float, float]], sells: list[tuple[float, float]], status: Status
) -> None:
    orders = as_orders(unit_book([*buys, (0, 0)], sells))
    clearing = pay_as_bid(orders)
    assert not clearing.pay_ucur.any()
    assert clearing.status[0] == status
    assert (clearing.price_ucur_per_kwh == uniform_price(orders, Setting()).price_ucur_per_kwh).all()


def test_pair_prices_stand_on_ticks() -> None:
    orders = as_orders(unit_book([(1, 0.30), (1, 0.25)], [(1, 0.11), (1, 0.12)]))
    setting = Setting(tick_ucur_per_kwh=np.array([10_000]))
    assert pay_as_bid(orders, setting).price_ucur_per_kwh[0].tolist() == [200_000, 180_000, 200_000, 180_000]


def test_an_order_without_a_partner_is_shown_the_mean_price() -> None:
    clearing = pay_as_bid(as_orders(unit_book([(1, 0.30), (1, 0.20), (1, 0.05)], [(1, 0.10), (1, 0.10)])), k=1.0)
    assert clearing.price_ucur_per_kwh[0].tolist() == [300_000, 200_000, 250_000, 250_000, 250_000]


def test_bad_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"pay_as_bid.k: expected a number in \[0, 1\], got 1.5"):
        pay_as_bid(as_orders(T10), k=1.5)
    with pytest.raises(ValueError, match=r"pairing: expected one of assortative, by_agent, got 'random'"):
        pay_as_bid(as_orders(T10), pairing="random")
