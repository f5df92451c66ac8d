"""The constant-product pool: case T31, and every price that could clear a batch tried in fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.mechanisms.amm import Pool
from gridbazaar.market.mechanisms.uniform_price import uniform_price
from gridbazaar.market.orders import Clearing, Orders, Setting, Status
from tests.market.books import as_orders, as_setting, unit_book
from tests.reference import Book, Outside

KWH = 1_000_000
T31: dict[str, Any] = {"pool_kwh": 100.0, "price_cur_per_kwh": 0.2}  # 100 kWh and 20 of money


def amm(orders: Orders, setting: Setting | None = None, **options: Any) -> Clearing:
    return load_mechanism("amm", **options)(orders, setting or Setting())


def test_worked_case_t31_buying() -> None:
    clearing = amm(as_orders(unit_book([(10, 9.0)], [])), **T31)
    paid = clearing.pay_ucur[0, 0] / KWH
    assert paid == pytest.approx(2.2222, abs=5e-5)
    assert clearing.price_ucur_per_kwh[0, 0] == 222_223  # 20 / 90, rounded up
    assert (20 + paid) / (100 - 10) == pytest.approx(0.24691, abs=5e-6)
    assert clearing.pool_ukwh is not None
    assert clearing.pool_ukwh[0] == 10 * KWH
    assert clearing.surplus_ucur[0] == clearing.pay_ucur[0, 0]


@pytest.mark.parametrize(("fee", "got"), [(0.0, 1.81818), (0.003, 1.81322)])
def test_worked_case_t31_selling(fee: float, got: float) -> None:
    clearing = amm(as_orders(unit_book([], [(10, 0.0)])), **T31, fee=fee)
    paid = -clearing.pay_ucur[0, 0] / KWH
    assert paid == pytest.approx(got, abs=1.1e-5)  # a micro-unit a kWh
    if not fee:
        assert (20 - paid) / (100 + 10) == pytest.approx(0.16529, abs=5e-6)


@pytest.mark.parametrize(("energy_kwh", "price", "cost"), [(100, 0.2, 2.2222), (100, 2000.0, 22222.22)])
def test_worked_case_t31_round_trip(energy_kwh: int, price: float, cost: float) -> None:
    """Buy 10, then sell 10 to the pool as it then is: nothing is gained, or lost but the rounding of two prices."""
    before = Pool(energy_kwh * KWH, np.array([round(price * KWH)]), KWH)
    paid = 10 * int(before.price_of(np.array([10 * KWH]))[0])
    assert paid / KWH == pytest.approx(cost, rel=2e-5)
    spot = (energy_kwh * price * KWH + paid) / (energy_kwh - 10)
    after = Pool((energy_kwh - 10) * KWH, np.array([round(spot)]), KWH)
    got = 10 * int(after.price_of(np.array([-10 * KWH]))[0])
    assert 0 <= paid - got <= 3 * 10


def test_only_the_net_of_the_batch_meets_the_pool() -> None:
    """Buyers of 12 and sellers of 2 pay and get what the net of 10 costs a kWh, whoever comes first."""
    clearing = amm(as_orders(unit_book([(7, 9.0), (5, 1.0)], [(2, 0.01)])), **T31)
    assert clearing.price_ucur_per_kwh[0].tolist() == [222_223] * 3
    assert (clearing.traded_ukwh[0] / KWH).tolist() == [7, 5, -2]
    assert clearing.surplus_ucur[0] == 10 * 222_223


def test_an_order_whose_limit_is_the_price_is_filled_in_part() -> None:
    """At .25 the pool sells 100 - 20 / .25 = 20."""
    clearing = amm(as_orders(unit_book([(30, 0.25), (10, 0.25), (4, 0.30)], [])), **T31)
    assert (clearing.traded_ukwh[0] / KWH).tolist() == [12, 4, 4]
    assert clearing.price_ucur_per_kwh[0, 0] == 250_000
    assert clearing.status[0] == Status.MARGINAL_BUYER
    selling = amm(as_orders(unit_book([], [(30, 0.16), (1, 0.10)])), **T31)  # at .16 it buys 25
    assert (selling.traded_ukwh[0] / KWH).tolist() == [-24, -1]
    assert selling.status[0] == Status.MARGINAL_SELLER


def prices_by_hand(book: Book, x: Fraction, start: int, keep: Fraction, cap: int = 10**30) -> tuple[Fraction, Fraction]:
    """Give the price nearest to the start at which everybody agrees, and what the pool sells, by trying all."""
    orders = list(zip(book.energy, book.limit, strict=True))

    def sells(p: Fraction) -> Fraction:
        if p <= 0:
            return Fraction(-cap)
        for_sale, bought = x - x * start / (p * keep), x / keep - x * start / p
        return min(for_sale, Fraction(cap)) if for_sale > 0 else max(min(bought, Fraction(0)), Fraction(-cap))

    tried = {Fraction(p) for _, p in orders} | {Fraction(start)}
    cuts = sorted({p for _, p in orders})
    between = [Fraction(a + b, 2) for a, b in pairwise([cuts[0] - 2, *cuts, cuts[-1] + 2])]
    for at in between:
        net = sum(e for e, p in orders if (e > 0 and p > at) or (e < 0 and p < at))
        if 0 < net < x:
            tried.add(x * start / ((x - net) * keep))
        if net < 0:
            tried.add(x * start * keep / (x - net * keep))

    def agrees(p: Fraction) -> bool:
        must = sum(e for e, limit in orders if (e > 0 and limit > p) or (e < 0 and limit <= p))
        may = sum(e for e, limit in orders if (e > 0 and limit >= p) or (e < 0 and limit < p))
        return must <= sells(p) <= may

    price = min((p for p in tried if agrees(p)), key=lambda p: abs(p - start))
    return price, sells(price)


@pytest.mark.parametrize("fee", [0.0, 0.003, 0.3])
@pytest.mark.parametrize(("pool_kwh", "start"), [(0.001, 0.04), (2.0, 0.035), (100.0, 0.01)])
def test_random_batches_meet_the_pool_where_all_agree(pool_kwh: float, start: float, fee: float) -> None:
    rng = np.random.default_rng(4)
    for n in (1, 2, 8):
        agent = rng.permutation(n).tolist()
        rows = [
            Book((rng.integers(-4, 5, n) * scale).tolist(), (rng.integers(-1, 8, n) * 10_000).tolist(), agent)
            for scale in rng.choice([1, 333_337, 5 * KWH], 50).tolist()
        ]
        clearing = amm(as_orders(*rows), pool_kwh=pool_kwh, price_cur_per_kwh=start, fee=fee)
        keep = 1 - Fraction(round(fee * KWH), KWH)
        assert clearing.pool_ukwh is not None
        for row, book in enumerate(rows):
            price, net = prices_by_hand(book, Fraction(round(pool_kwh * KWH)), round(start * KWH), keep)
            assert abs(clearing.price_ucur_per_kwh[row, 0] - price) < 1
            assert abs(clearing.pool_ukwh[row] - net) < 1
            for fill, energy, limit in zip(clearing.traded_ukwh[row].tolist(), book.energy, book.limit, strict=True):
                sign = 1 if energy > 0 else -1
                if sign * (limit - price) > 1:
                    assert fill == energy
                if sign * (limit - price) < 0:
                    assert fill == 0
            shown = clearing.price_ucur_per_kwh[row, 0]
            assert abs(clearing.surplus_ucur[row] - shown * clearing.pool_ukwh[row] / KWH) <= 1


@pytest.mark.parametrize("cap", [0, 700_000, 4 * KWH])
def test_the_pool_trades_no_more_than_the_connection_carries(cap: int) -> None:
    rng = np.random.default_rng(cap)
    energy, limit = rng.integers(-4, 5, (100, 5)) * 333_337, rng.integers(-1, 8, (100, 5)) * 10_000
    rows = [Book(e, p, [3, 1, 4, 0, 2]) for e, p in zip(energy.tolist(), limit.tolist(), strict=True)]
    setting = as_setting(*[Outside(10**9, -(10**9), import_cap=cap, export_cap=cap) for _ in rows])
    clearing = amm(as_orders(*rows), setting, pool_kwh=5.0, price_cur_per_kwh=0.035)
    assert clearing.pool_ukwh is not None
    assert not clearing.outside_ukwh.any()
    for row, book in enumerate(rows):
        price, net = prices_by_hand(book, Fraction(5 * KWH), 35_000, Fraction(1), cap)
        assert abs(clearing.price_ucur_per_kwh[row, 0] - price) < 1
        assert abs(clearing.pool_ukwh[row] - net) < 1


def test_what_the_pool_sells_takes_room_on_the_connection() -> None:
    """Of 8 kWh the pool sells 10 - 2 / .30 = 3.33; of a cap of 5 that leaves 1.67 for the retailer."""
    orders = as_orders(unit_book([(8, 9.0)], []))
    setting = as_setting(Outside(300_000, 100_000, import_cap=5 * KWH, import_scarcity=400_000))
    clearing = amm(orders, setting, pool_kwh=10.0)
    assert clearing.traded_ukwh[0, 0] == 3_333_333
    assert clearing.outside_ukwh[0, 0] == 4_666_667
    assert clearing.over_cap_ukwh[0] == 3 * KWH
    assert clearing.rent_ucur_per_kwh[0] == 400_000
    full = amm(orders, as_setting(Outside(300_000, 100_000, import_cap=2 * KWH)), pool_kwh=10.0)
    assert full.traded_ukwh[0, 0] == 2 * KWH
    assert full.over_cap_ukwh[0] == 6 * KWH
    sale, room = as_orders(unit_book([], [(8, -9.0)])), as_setting(Outside(300_000, 100_000, export_cap=5 * KWH))
    selling = amm(sale, room, pool_kwh=10.0)
    assert selling.traded_ukwh[0, 0] == -5 * KWH  # all of the room
    assert selling.over_cap_ukwh[0] == 3 * KWH


def test_tied_orders_share_pro_rata() -> None:
    clearing = amm(
        as_orders(Book([9 * KWH, 3 * KWH, KWH], [250_000] * 3, [2, 0, 1])), pool_kwh=26.0, price_cur_per_kwh=0.2
    )
    assert (clearing.traded_ukwh[0] / KWH).tolist() == [3.6, 1.2, 0.4]  # 26 - 5.2 / .25 = 5.2 in all


def test_a_pool_that_rests_leaves_the_price_at_the_start() -> None:
    clearing = amm(as_orders(unit_book([(1, 0.5)], [(1, 0.1)])), **T31)
    assert clearing.price_ucur_per_kwh[0].tolist() == [200_000] * 2
    assert clearing.surplus_ucur[0] == 0
    assert clearing.status[0] == Status.EXACT


def test_a_fee_keeps_the_pool_out_of_small_gaps() -> None:
    """With 10 % kept the pool sells above .2222 and buys below .18; a bid of .22 finds nobody."""
    assert not amm(as_orders(unit_book([(1, 0.22)], [])), **T31, fee=0.1).traded_ukwh.any()
    assert amm(as_orders(unit_book([(1, 0.23)], [])), **T31, fee=0.1).traded_ukwh.any()
    assert not amm(as_orders(unit_book([], [(1, 0.19)])), **T31, fee=0.1).traded_ukwh.any()
    meeting = amm(as_orders(unit_book([(1, 0.22)], [(1, 0.21)])), **T31, fee=0.1)
    assert meeting.price_ucur_per_kwh[0].tolist() == [210_000] * 2  # the nearest to the start that suits both


def test_the_price_stays_inside_the_retailers_band() -> None:
    """A large batch would pay far more than .30; it pays .30 for what the pool sells and buys the rest outside."""
    setting = as_setting(Outside(300_000, 100_000))
    clearing = amm(as_orders(unit_book([(500, 9.0)], [])), setting, pool_kwh=30.0)
    assert clearing.price_ucur_per_kwh[0, 0] == 300_000
    assert clearing.traded_ukwh[0, 0] == 10 * KWH  # 30 - 6 / .30
    assert clearing.outside_ukwh[0, 0] == 490 * KWH
    above = amm(as_orders(unit_book([(1, 9.0)], [(1, 0.0)])), setting, price_cur_per_kwh=5.0)
    assert above.price_ucur_per_kwh[0, 0] == 300_000


def test_a_retailer_that_only_sells_bounds_the_price_from_above() -> None:
    orders = as_orders(unit_book([(2, 0.9)], [(1, -0.1)]))
    clearing = amm(orders, Setting(import_ucur_per_kwh=np.array([300_000])), pool_kwh=1.0, price_cur_per_kwh=0.5)
    assert clearing.price_ucur_per_kwh[0].tolist() == [300_000] * 2
    assert clearing.traded_ukwh[0].tolist() == [KWH, -KWH]
    assert clearing.outside_ukwh[0].tolist() == [KWH, 0]


@pytest.mark.parametrize("lower", [300_000, 400_000])
def test_neighbours_do_not_trade_where_the_band_is_empty(lower: int) -> None:
    clearing = amm(as_orders(unit_book([(1, 0.9)], [(1, 0.0)])), as_setting(Outside(300_000, lower)))
    assert not clearing.traded_ukwh.any()
    assert clearing.outside_ukwh[0].tolist() == [KWH, -KWH]
    assert clearing.price_ucur_per_kwh[0, 0] == (300_000 + lower) // 2


def test_without_a_positive_start_price_there_is_only_the_batch() -> None:
    orders = as_orders(unit_book([(3, 0.1), (1, 0.01)], [(2, -0.2), (2, 0.05)]))
    setting = as_setting(Outside(200_000, -300_000))
    clearing = amm(orders, setting)
    best = uniform_price(orders, setting)
    assert (clearing.traded_ukwh == best.traded_ukwh).all()
    assert clearing.pool_ukwh is not None
    assert clearing.pool_ukwh[0] == clearing.surplus_ucur[0] == 0
    assert clearing.price_ucur_per_kwh[0, 0] == 50_000


def test_without_a_retailer_the_pool_starts_at_the_price_of_the_default() -> None:
    orders = as_orders(unit_book([(1, p) for p in (4, 3, 2, 1)], [(1, p) for p in (1, 2, 3)]))
    clearing, best = amm(orders), uniform_price(orders, Setting())
    assert clearing.price_ucur_per_kwh[0, 0] == best.price_ucur_per_kwh[0, 0]
    assert clearing.surplus_ucur[0] == 0


@pytest.mark.parametrize(
    ("buys", "sells", "status"),
    [
        ([(0, 1.0)], [(0, 0.5)], Status.EMPTY),
        ([(1, 0.1)], [], Status.BUYERS_ONLY),
        ([], [(1, 0.3)], Status.SELLERS_ONLY),
        ([(1, 0.1)], [(1, 0.3)], Status.NO_CROSS),
    ],
)
def test_a_batch_that_the_pool_does_not_suit_is_quoted_its_price(
    buys: list[tuple[float, float]], sells: list[tuple[float, float]], status: Status
) -> None:
    clearing = amm(as_orders(unit_book(buys, sells)), **T31)
    assert not clearing.traded_ukwh.any()
    assert (clearing.price_ucur_per_kwh == 200_000).all()
    assert clearing.status[0] == status


def test_extreme_books_stay_exact() -> None:
    """4 GWh against a pool of 1 Wh and of 1 GWh, at limits of a micro-unit and of a million."""
    energy = 4 * 10**12
    for pool_kwh in (0.001, 1e6):
        x = Fraction(round(pool_kwh * KWH))
        for book in (Book([energy, -1], [10**6, 1], [0, 1]), Book([1, -energy], [10**6, 1], [0, 1])):
            clearing = amm(as_orders(book), pool_kwh=pool_kwh, price_cur_per_kwh=0.2)
            price, net = prices_by_hand(book, x, 200_000, Fraction(1))
            assert clearing.pool_ukwh is not None
            assert abs(clearing.pool_ukwh[0] - net) < 1
            assert abs(clearing.price_ucur_per_kwh[0, 0] - price) < 1
    with np.errstate(invalid="raise"):
        cheap = amm(as_orders(Book([-5, 0], [1, 0], [0, 1])), pool_kwh=1e6, price_cur_per_kwh=1e3)
    assert cheap.traded_ukwh[0].tolist() == [-5, 0]
    assert cheap.price_ucur_per_kwh[0, 0] == 10**9 - 1  # the last micro-unit is rounded away
    dear = Book([3, -1], [10**12, 10**12], [0, 1])
    clearing = amm(as_orders(dear), pool_kwh=1.0, price_cur_per_kwh=1000.0)
    assert clearing.traded_ukwh[0].tolist() == [3, 0]


def test_bad_options_are_refused() -> None:
    orders = as_orders(unit_book([(1, 0.3)], [(1, 0.1)]))
    with pytest.raises(ValueError, match=r"amm.pool_kwh: expected a number in \(0, 1000000\], got 0"):
        amm(orders, pool_kwh=0)
    for price in (-0.1, float("nan")):
        with pytest.raises(ValueError, match=r"amm.price_cur_per_kwh: expected a number in \(0, 10000\], or none, got"):
            amm(orders, price_cur_per_kwh=price)
    with pytest.raises(ValueError, match=r"amm.fee: expected a number in \[0, 1\), got 1.0"):
        amm(orders, fee=1.0)
