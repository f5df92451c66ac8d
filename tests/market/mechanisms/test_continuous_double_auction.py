"""The continuous double auction: case T32, and an event loop with two lists of resting orders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gridbazaar.market.mechanisms import load_mechanism, mechanism_draws
from gridbazaar.market.orders import Clearing, Orders, Setting, Status
from tests.market.books import as_orders, as_setting, unit_book
from tests.reference import Book, Outside

KWH = 1_000_000


def play(orders: Orders, setting: Setting | None = None, arrival: list[int] | None = None) -> Clearing:
    """Clear; ``arrival`` names the columns in the order in which they come."""
    if arrival is not None:
        lottery = np.zeros(len(arrival))
        lottery[arrival] = np.arange(len(arrival)) / len(arrival)
        orders = replace(orders, lottery=np.repeat(lottery[None], len(orders.energy_ukwh), axis=0))
    return load_mechanism("continuous_double_auction")(orders, setting or Setting())


def test_worked_case_t32() -> None:
    """Asks 5 at .20, 5 at .18, bid 7 at .22, ask 4 at .15, bid 3 at .15: 5 at .18, 2 at .20, 3 at .15."""
    orders = as_orders(unit_book([(7, 0.22), (3, 0.15)], [(5, 0.20), (5, 0.18), (4, 0.15)]))
    clearing = play(orders, arrival=[2, 3, 0, 4, 1])
    assert (clearing.traded_ukwh[0] / KWH).tolist() == [7, 3, -2, -5, -3]
    assert (clearing.pay_ucur[0] / KWH).tolist() == [1.3, 0.45, -0.4, -0.9, -0.45]
    rests = orders.energy_ukwh - clearing.traded_ukwh
    assert (rests[0] / KWH).tolist() == [0, 0, -3, 0, -1]
    assert clearing.price_ucur_per_kwh[0].tolist() == [1_300_000 // 7, 150_000, 200_000, 180_000, 150_000]


def test_another_arrival_gives_other_trades() -> None:
    orders = as_orders(unit_book([(7, 0.22), (3, 0.15)], [(5, 0.20), (5, 0.18), (4, 0.15)]))
    clearing = play(orders, arrival=[0, 1, 2, 3, 4])  # bids first: asks trade at the bids' prices
    assert (clearing.traded_ukwh[0] / KWH).tolist() == [7, 3, -5, -2, -3]
    assert (clearing.pay_ucur[0] / KWH).tolist() == [1.54, 0.45, -1.1, -0.44, -0.45]


def play_by_hand(book: Book, arrival: list[int]) -> tuple[list[int], list[int]]:
    """Give fills, signed, and energy times price, signed, by an event loop over two sorted lists."""
    n = len(book.energy)
    left, filled, worth = [abs(e) for e in book.energy], [0] * n, [0] * n
    bids: list[int] = []
    asks: list[int] = []
    for i in arrival:
        buys = book.energy[i] > 0
        own, other = (bids, asks) if buys else (asks, bids)
        for j in [*other]:
            crosses = book.limit[i] >= book.limit[j] if buys else book.limit[i] <= book.limit[j]
            if not crosses or left[i] == 0:
                break
            if book.agent[i] == book.agent[j]:
                continue
            energy = min(left[i], left[j])
            for m, sign in ((i, 1 if buys else -1), (j, -1 if buys else 1)):
                left[m] -= energy
                filled[m] += sign * energy
                worth[m] += sign * energy * book.limit[j]
            if left[j] == 0:
                other.remove(j)
        if left[i] > 0:
            own.append(i)
            own.sort(key=lambda m: -book.limit[m] if buys else book.limit[m])  # stable: at one price the earliest first
    return filled, worth


@pytest.mark.parametrize("n_agents", [2, 4, 100])
def test_random_books_play_as_the_event_loop_does(n_agents: int) -> None:
    rng = np.random.default_rng(n_agents)
    for n in (1, 2, 5, 12):
        agent = (rng.permutation(n) % n_agents).tolist()
        rows = [
            Book((rng.integers(-4, 5, n) * scale).tolist(), (rng.integers(-2, 7, n) * 10_000).tolist(), agent)
            for scale in rng.choice([1, 333_337, 5 * KWH], 100).tolist()
        ]
        lottery = rng.integers(0, 4, (len(rows), n)) / 4  # ties: then by agent, then by column
        clearing = play(replace(as_orders(*rows), lottery=lottery))
        for row, book in enumerate(rows):
            arrival = sorted(range(n), key=lambda i: (lottery[row, i], book.agent[i], i))
            filled, worth = play_by_hand(book, arrival)
            assert clearing.traded_ukwh[row].tolist() == filled
            assert all(abs(p - w / KWH) < 1 for p, w in zip(clearing.pay_ucur[row].tolist(), worth, strict=True))
            assert clearing.pay_ucur[row].sum() == 0


def test_an_agent_passes_over_its_own_resting_orders() -> None:
    """Agent 0's ask at .10 is the best, but its own bid takes the next one."""
    book = Book([-KWH, -KWH, KWH], [100_000, 150_000, 300_000], [0, 1, 0])
    clearing = play(as_orders(book), arrival=[0, 1, 2])
    assert clearing.traded_ukwh[0].tolist() == [0, -KWH, KWH]
    assert clearing.pay_ucur[0].tolist() == [0, -150_000, 150_000]


def test_trades_stay_inside_the_band_and_the_retailer_fills_what_rests() -> None:
    book = unit_book([(3, 0.9), (1, 0.25)], [(1, 0.0), (1, 0.15)])
    clearing = play(as_orders(book), as_setting(Outside(300_000, 100_000)), arrival=[0, 2, 3, 1])
    assert clearing.traded_ukwh[0].tolist() == [2 * KWH, 0, -KWH, -KWH]
    assert clearing.pay_ucur[0].tolist() == [600_000, 0, -300_000, -300_000]  # the bid counts .30
    assert clearing.outside_ukwh[0].tolist() == [KWH, 0, 0, 0]


def test_a_retailer_that_only_sells_bounds_the_bids_alone() -> None:
    orders, setting = as_orders(unit_book([(2, 0.9)], [(1, -0.1)])), Setting(import_ucur_per_kwh=np.array([300_000]))
    assert play(orders, setting, [0, 1]).pay_ucur[0].tolist() == [300_000, -300_000]
    assert play(orders, setting, [1, 0]).pay_ucur[0].tolist() == [-100_000, 100_000]
    assert play(orders, setting, [1, 0]).outside_ukwh[0].tolist() == [KWH, 0]


@pytest.mark.parametrize("lower", [300_000, 400_000])
def test_neighbours_do_not_trade_where_the_band_is_empty(lower: int) -> None:
    clearing = play(as_orders(unit_book([(1, 0.9)], [(1, 0.0)])), as_setting(Outside(300_000, lower)), [0, 1])
    assert not clearing.traded_ukwh.any()
    assert clearing.outside_ukwh[0].tolist() == [KWH, -KWH]


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
    buys: list[tuple[float, float]], sells: list[tuple[float, float]], status: Status
) -> None:
    clearing = play(as_orders(unit_book(buys, sells)))
    assert not clearing.traded_ukwh.any()
    assert not clearing.pay_ucur.any()
    assert clearing.status[0] == status


def test_huge_orders_are_counted_exactly() -> None:
    energy = 10**12 * 4  # 4 GWh
    book = Book([energy + 1, -energy, -1], [1_000_000, 999_999, 1_000_000], [0, 1, 2])
    clearing = play(as_orders(book), arrival=[1, 2, 0])
    assert clearing.traded_ukwh[0].tolist() == [energy + 1, -energy, -1]
    assert clearing.pay_ucur[0].tolist() == [3_999_996_000_001, -3_999_996_000_000, -1]


def test_ticks_round_bids_down_and_asks_up() -> None:
    orders = as_orders(unit_book([(1, 0.219), (1, 0.205)], [(1, 0.201), (1, 0.181)]))
    setting = Setting(tick_ucur_per_kwh=np.array([10_000]))
    clearing = play(orders, setting, arrival=[3, 0, 1, 2])
    assert clearing.traded_ukwh[0].tolist() == [KWH, 0, 0, -KWH]
    assert clearing.pay_ucur[0].tolist() == [190_000, 0, 0, -190_000]


def test_a_missing_lottery_is_refused() -> None:
    assert mechanism_draws("continuous_double_auction")
    orders = replace(as_orders(unit_book([(1, 0.3)], [(1, 0.1)])), lottery=None)
    with pytest.raises(ValueError, match=r"continuous_double_auction: expected orders with a lottery .* got None"):
        play(orders)
