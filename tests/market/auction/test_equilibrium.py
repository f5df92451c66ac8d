"""The default market against its oracles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.auction.price_rules import RULES
from gridbazaar.market.orders import Clearing, Orders, Setting, Status
from gridbazaar.market.rule import arrays_of
from tests.market.books import as_orders, as_setting, books, books_with_retailers, clear_one, retailers, unit_book
from tests.reference import Book, Outside, clear_by_hand, competitive_interval, lp_welfare

KWH = 1_000_000
many = settings(max_examples=100, deadline=None)
some = settings(max_examples=60, deadline=None)


def row(clearing: Clearing, env: int = 0) -> dict[str, Any]:
    """One row of a clearing as plain integers."""
    return {name: array[env].tolist() for name, array in arrays_of(clearing).items()}


def filled_of(clearing: Clearing) -> list[int]:
    """The first row's fills, by neighbours and retailer."""
    filled: list[int] = clearing.filled_ukwh[0].tolist()
    return filled


def welfare_of(book: Book, clearing: Clearing, outside: Outside | None) -> int:
    """What the fills are worth: value of the buys less cost of the sells, the retailer's steps counted."""
    filled = filled_of(clearing)
    worth = sum(f * p for f, p in zip(filled, book.limit, strict=True))
    if outside is None:
        return worth
    bought, sold = sum(max(f, 0) for f in filled), -sum(min(f, 0) for f in filled)
    over = int(clearing.over_cap_ukwh[0])
    scarcity = outside.import_scarcity if bought > sold else outside.export_scarcity
    local = 0 if outside.lower >= outside.upper else min(bought, sold)
    return worth - (bought - local) * outside.upper + (sold - local) * outside.lower - over * scarcity


# Against the scalar loop, in exact integers.


@settings(max_examples=300, deadline=None)
@given(books_with_retailers(unique_agents=False), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_every_number_equals_the_clearing_by_hand(case: tuple[Book, Outside | None], k: float) -> None:
    book, outside = case
    clearing, hand = clear_one(book, outside, k=k), clear_by_hand(book, k, outside)
    assert filled_of(clearing) == hand.filled
    assert row(clearing) == {
        "traded_ukwh": hand.traded,
        "outside_ukwh": [f - t for f, t in zip(hand.filled, hand.traded, strict=True)],
        "pay_ucur": hand.pay,
        "price_ucur_per_kwh": [hand.price] * len(book.energy),
        "low_ucur_per_kwh": hand.low,
        "high_ucur_per_kwh": hand.high,
        "rent_ucur_per_kwh": hand.rent,
        "over_cap_ukwh": hand.over_cap,
        "surplus_ucur": 0,
        "status": hand.status,
    }


# Against linear programming and the definition of a competitive price.


@some
@given(books_with_retailers())
def test_no_other_allocation_is_worth_more(case: tuple[Book, Outside | None]) -> None:
    book, outside = case
    assert welfare_of(book, clear_one(book, outside), outside) == pytest.approx(lp_welfare(book, outside), rel=1e-9)


@some
@given(st.data())
def test_an_empty_band_is_worth_the_most_too(data: st.DataObject) -> None:
    book = data.draw(books())
    outside = data.draw(retailers(book, empty_band=True))
    clearing = clear_one(book, outside)
    assert welfare_of(book, clearing, outside) == pytest.approx(lp_welfare(book, outside), rel=1e-9)


@many
@given(books_with_retailers(), st.floats(0, 1))
def test_the_price_is_competitive(case: tuple[Book, Outside | None], k: float) -> None:
    book, outside = case
    assume(any(book.energy))
    clearing = clear_one(book, outside, k=k)
    low, high = competitive_interval(book, outside)
    assert low <= clearing.price_ucur_per_kwh[0, 0] <= high
    assert clearing.low_ucur_per_kwh[0] <= clearing.price_ucur_per_kwh[0, 0] <= clearing.high_ucur_per_kwh[0]
    if np.isfinite(low) and np.isfinite(high):
        assert (clearing.low_ucur_per_kwh[0], clearing.high_ucur_per_kwh[0]) == (low, high)


# What everybody may rely on.


@many
@given(books_with_retailers())
def test_nobody_pays_more_than_the_limit(case: tuple[Book, Outside | None]) -> None:
    book, outside = case
    clearing = clear_one(book, outside)
    price = int(clearing.price_ucur_per_kwh[0, 0])
    for filled, traded, limit, pay in zip(
        filled_of(clearing), clearing.traded_ukwh[0].tolist(), book.limit, clearing.pay_ucur[0].tolist(), strict=True
    ):
        if filled:
            assert (limit - price) * filled >= 0
        assert abs(pay * KWH - traded * price) < KWH  # to the rounding of one micro-unit


@many
@given(books_with_retailers())
def test_fills_stay_within_the_orders(case: tuple[Book, Outside | None]) -> None:
    book, outside = case
    clearing = clear_one(book, outside)
    energy = np.array(book.energy)
    for part in (clearing.traded_ukwh[0], clearing.outside_ukwh[0], np.array(filled_of(clearing))):
        assert (part * np.sign(energy) >= 0).all()
        assert (abs(part) <= abs(energy)).all()


@many
@given(books_with_retailers())
def test_what_neighbours_trade_and_pay_sums_to_nothing(case: tuple[Book, Outside | None]) -> None:
    clearing = clear_one(*case)
    assert clearing.traded_ukwh.sum() == 0
    assert clearing.pay_ucur.sum() == clearing.surplus_ucur[0] == 0


@many
@given(books_with_retailers(), st.randoms(use_true_random=False))
def test_orders_may_stand_in_any_column(case: tuple[Book, Outside | None], random: Any) -> None:
    book, outside = case
    place = list(range(len(book.energy)))
    random.shuffle(place)
    moved = Book(*([column[i] for i in place] for column in (book.energy, book.limit, book.agent)))
    one, two = row(clear_one(book, outside)), row(clear_one(moved, outside))
    for name in ("traded_ukwh", "outside_ukwh", "pay_ucur"):
        one[name] = [one[name][i] for i in place]
    assert one == two


@some
@given(st.lists(books_with_retailers(), min_size=2, max_size=6), st.sampled_from(sorted(RULES)))
def test_a_row_of_a_batch_equals_the_row_alone(cases: list[tuple[Book, Outside | None]], rule: str) -> None:
    width = max(len(book.energy) for book, _ in cases)
    padded = []
    for book, outside in cases:
        fill = [0] * (width - len(book.energy))
        book = Book(book.energy + fill, book.limit + fill, list(range(width)))
        padded.append((book, outside or Outside(10**7, -(10**7))))
    orders, setting = as_orders(*(b for b, _ in padded)), as_setting(*(o for _, o in padded))
    batch = clear_at_uniform_price(orders, setting, price_rule=rule)
    for env, (book, outside) in enumerate(padded):
        assert row(batch, env) == row(clear_one(book, outside, price_rule=rule))


@many
@given(books_with_retailers(), st.integers(2, 1000))
def test_larger_quantities_scale_the_fills_and_leave_the_price(case: tuple[Book, Outside | None], by: int) -> None:
    book, outside = case
    larger = replace(book, energy=[e * by for e in book.energy])
    outside_larger = outside and replace(
        outside,
        import_cap=None if outside.import_cap is None else outside.import_cap * by,
        export_cap=None if outside.export_cap is None else outside.export_cap * by,
    )
    one, two = clear_one(book, outside), clear_one(larger, outside_larger)
    assert one.price_ucur_per_kwh.tolist() == two.price_ucur_per_kwh.tolist()
    assert one.status == two.status
    for small, large in zip(filled_of(one), filled_of(two), strict=True):
        assert abs(large - small * by) < by  # a share is rounded to a micro-unit in each


@many
@given(books_with_retailers(), st.integers(0, 8), st.integers(1, 10))
def test_a_keener_order_is_never_filled_less(case: tuple[Book, Outside | None], at: int, by: int) -> None:
    book, outside = case
    at %= len(book.energy)
    step = by if book.energy[at] > 0 else -by
    keener = replace(book, limit=[p + step * (i == at) for i, p in enumerate(book.limit)])
    before, after = filled_of(clear_one(book, outside))[at], filled_of(clear_one(keener, outside))[at]
    assert abs(after) >= abs(before)


@many
@given(books_with_retailers())
def test_the_price_stays_where_the_retailer_would_not_trade(case: tuple[Book, Outside | None]) -> None:
    book, outside = case
    assume(outside is not None)
    assert outside is not None
    clearing = clear_one(book, outside)
    price, rent = int(clearing.price_ucur_per_kwh[0, 0]), int(clearing.rent_ucur_per_kwh[0])
    beyond_import = outside.import_scarcity if outside.import_cap is not None else 0
    beyond_export = outside.export_scarcity if outside.export_cap is not None else 0
    assert outside.lower - beyond_export <= price <= outside.upper + beyond_import
    assert outside.lower <= price - rent <= outside.upper
    net = sum(filled_of(clearing))
    if rent > 0:
        assert net >= (outside.import_cap or 0)
    if rent < 0:
        assert -net >= (outside.export_cap or 0)


@some
@given(st.lists(books(), min_size=1, max_size=5), st.data())
def test_torch_gives_the_same_integers(rows: list[Book], data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    width = max(len(book.energy) for book in rows)
    ids = list(range(width))[::-1]
    rows = [Book((b.energy + [0] * width)[:width], (b.limit + [0] * width)[:width], ids) for b in rows]
    with_retailer = data.draw(st.booleans())
    orders = as_orders(*rows)
    setting = as_setting(*(data.draw(retailers(b, data.draw(st.booleans()))) if with_retailer else None for b in rows))

    def to_torch(value: Orders | Setting) -> Any:
        return type(value)(**{name: torch.as_tensor(x) for name, x in arrays_of(value).items()})

    ours, theirs = clear_at_uniform_price(orders, setting), clear_at_uniform_price(to_torch(orders), to_torch(setting))
    for name, one in arrays_of(ours).items():
        two = getattr(theirs, name)
        assert one.dtype == np.int64
        assert two.dtype == torch.int64
        assert one.tolist() == two.tolist(), name


# Single cases.


@pytest.mark.parametrize(
    ("buys", "sells", "welfare"),
    [
        ([(1, 3), (2, 4), (5, 1)], [(4, 2), (1, 1), (5, 6)], 6),  # T1
        ([(1, p) for p in (6.7, 6.6, 6.5, 6.4, 6.3, 6)], [(1, 1), (1, 2), (2, 3), (2, 4), (1, 6.1)], 21.5),  # T2
        ([(1, 4), (1, 3), (1, 2), (1, 1)], [(1, 1), (1, 2), (1, 3)], 4),  # T4
        ([(1, p) for p in (100, 90, 80, 70, 60)], [(1, p) for p in (80, 85, 95, 100, 110)], 25),  # T10
    ],
    ids=["T1", "T2", "T4", "T10"],
)
def test_worked_cases_gain_what_they_should(
    buys: list[tuple[float, float]], sells: list[tuple[float, float]], welfare: float
) -> None:
    book = unit_book(buys, sells)
    assert welfare_of(book, clear_one(book), None) == welfare * 1e12


def test_two_homes_save_the_band_on_what_they_share() -> None:
    """W18: A has 3 kWh to spare, B needs 2; import .30, export .08."""
    book = Book([2 * KWH, -3 * KWH], [300_000, 80_000], [1, 0])
    outside = Outside(upper=300_000, lower=80_000)
    clearing = clear_one(book, outside)
    assert clearing.traded_ukwh.tolist() == [[2 * KWH, -2 * KWH]]
    assert clearing.outside_ukwh.tolist() == [[0, -KWH]]
    assert clearing.price_ucur_per_kwh.tolist() == [[80_000] * 2]  # the retailer takes the third kWh and sets the price
    assert clearing.status.tolist() == [Status.MARGINAL_OUTSIDE]

    def cost(traded: int, outside_ukwh: list[int]) -> int:
        return sum(e * (300_000 if e > 0 else 80_000) for e in outside_ukwh) // KWH

    alone = cost(0, [2 * KWH, -3 * KWH])
    together = cost(2 * KWH, clearing.outside_ukwh[0].tolist()) + int(clearing.pay_ucur.sum())
    assert (alone, together, alone - together) == (360_000, -80_000, 440_000)


def test_all_demand_that_goes_to_the_retailer_is_quoted_at_its_price() -> None:
    outside = Outside(300_000, 80_000)
    clearing = clear_one(Book([KWH, 2 * KWH], [300_000, 500_000], [0, 1]), outside)
    assert clearing.outside_ukwh.tolist() == [[KWH, 2 * KWH]]
    assert clearing.price_ucur_per_kwh.tolist() == [[300_000] * 2]
    assert not clearing.traded_ukwh.any()


def test_a_full_connection_is_priced_by_whom_it_turns_away() -> None:
    outside = Outside(300_000, 80_000, import_cap=2 * KWH, import_scarcity=1_000_000)
    clearing = clear_one(Book([2 * KWH, 2 * KWH, -KWH], [900_000, 400_000, 100_000], [0, 1, 2]), outside)
    assert filled_of(clearing) == [2 * KWH, KWH, -KWH]
    assert row(clearing)["status"] == Status.MARGINAL_BUYER
    assert row(clearing)["price_ucur_per_kwh"] == [400_000] * 3
    assert row(clearing)["rent_ucur_per_kwh"] == 100_000
    assert row(clearing)["over_cap_ukwh"] == 0


def test_beyond_the_cap_the_scarcity_price_rules() -> None:
    outside = Outside(300_000, 80_000, import_cap=2 * KWH, import_scarcity=1_000_000)
    clearing = clear_one(Book([5 * KWH, -KWH], [5_000_000, 100_000], [0, 1]), outside)
    assert filled_of(clearing) == [5 * KWH, -KWH]
    assert row(clearing)["price_ucur_per_kwh"] == [1_300_000] * 2
    assert row(clearing)["rent_ucur_per_kwh"] == 1_000_000
    assert row(clearing)["over_cap_ukwh"] == 2 * KWH
    outside = Outside(300_000, 80_000, export_cap=0, export_scarcity=90_000)
    clearing = clear_one(Book([-5 * KWH, KWH], [-20_000, 200_000], [0, 1]), outside)
    assert filled_of(clearing) == [-5 * KWH, KWH]
    assert row(clearing)["price_ucur_per_kwh"] == [-10_000] * 2
    assert row(clearing)["rent_ucur_per_kwh"] == -90_000
    assert row(clearing)["over_cap_ukwh"] == 4 * KWH


def test_an_empty_band_sends_everybody_to_the_retailer() -> None:
    outside = Outside(upper=200_000, lower=250_000)
    book = Book([KWH, 2 * KWH, -3 * KWH, -4 * KWH], [200_000, 199_999, 250_000, 250_001], [3, 2, 1, 0])
    clearing = clear_one(book, outside)
    assert clearing.outside_ukwh.tolist() == [[KWH, 0, -3 * KWH, 0]]
    assert not clearing.traded_ukwh.any()
    assert not clearing.pay_ucur.any()
    assert row(clearing)["price_ucur_per_kwh"] == [225_000] * 4
    assert (row(clearing)["low_ucur_per_kwh"], row(clearing)["high_ucur_per_kwh"]) == (200_000, 250_000)


def test_a_retailer_may_stand_on_one_side_only() -> None:
    energy, limit = np.array([[2 * KWH, -KWH]]), np.array([[400_000, 100_000]])
    orders = Orders(energy, limit, np.arange(2), np.zeros(2, dtype=np.int64))
    clearing = clear_at_uniform_price(orders, Setting(import_ucur_per_kwh=np.array([300_000])))
    assert clearing.outside_ukwh.tolist() == [[KWH, 0]]
    assert clearing.price_ucur_per_kwh.tolist() == [[300_000] * 2]
    clearing = clear_at_uniform_price(
        replace(orders, energy_ukwh=-energy), Setting(export_ucur_per_kwh=np.array([300_000]))
    )
    assert filled_of(clearing) == [0, 0]
    clearing = clear_at_uniform_price(
        replace(orders, energy_ukwh=-abs(energy)), Setting(import_ucur_per_kwh=np.array([90_000]))
    )
    assert row(clearing)["price_ucur_per_kwh"] == [90_000] * 2
    assert row(clearing)["status"] == Status.SELLERS_ONLY


def test_an_empty_book_is_quoted_in_the_middle_of_the_band() -> None:
    book = Book([0, 0], [700_000, -3], [0, 1])
    capped = Outside(300_000, 80_000, import_cap=0, export_cap=0, import_scarcity=10**6)
    for outside in (Outside(300_000, 80_000), capped):
        assert row(clear_one(book, outside))["price_ucur_per_kwh"] == [190_000] * 2
        assert row(clear_one(book, outside))["status"] == Status.EMPTY
    assert row(clear_one(book))["price_ucur_per_kwh"] == [0, 0]


def test_large_books_do_not_overflow() -> None:
    rng = np.random.default_rng(0)
    energy = np.where(np.arange(500) % 3 == 0, -15 * KWH, 15 * KWH) - np.arange(500)
    limit = np.full(500, 10 * KWH)
    book = Book(energy.tolist(), limit.tolist(), rng.permutation(500).tolist())
    clearing, hand = clear_one(book), clear_by_hand(book)
    assert clearing.traded_ukwh[0].tolist() == hand.traded
    assert clearing.pay_ucur[0].tolist() == hand.pay
    outside = Outside(9 * KWH, KWH, import_cap=10**9, import_scarcity=KWH)
    clearing, hand = clear_one(book, outside), clear_by_hand(book, 0.5, outside)
    assert filled_of(clearing) == hand.filled
    assert clearing.traded_ukwh[0].tolist() == hand.traded
    assert clearing.pay_ucur[0].tolist() == hand.pay


@pytest.mark.parametrize("k", [-0.1, 1.1, float("nan")])
def test_k_outside_its_range_is_refused(k: float) -> None:
    with pytest.raises(ValueError, match="0 <= k <= 1"):
        clear_one(Book([1], [1], [0]), k=k)
