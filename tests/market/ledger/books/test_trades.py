"""Pairwise trades: their marginals are the account payments, exactly, whatever the mechanism."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gridbazaar.market.ledger.books.trades import POOL, Pair, account_payments, decimal, pairwise, record
from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.orders import Clearing, Orders, Setting
from tests.market.ledger import market

Integers = NDArray[np.int64]


def marginals(pairs: list[Pair], n_orders: int) -> tuple[Integers, Integers, int]:
    """Energy and payment of each order by its pairs, and what stays with the operator."""
    energy, pay, kept = np.zeros(n_orders + 1, np.int64), np.zeros(n_orders + 1, np.int64), 0
    for pair in pairs:
        energy[pair.buyer] += pair.energy_ukwh
        energy[pair.seller] -= pair.energy_ukwh
        pay[pair.buyer] += pair.pay_ucur
        pay[pair.seller] -= pair.receive_ucur
        kept += pair.pay_ucur - pair.receive_ucur
    return energy[:-1], pay[:-1], kept


def auctions(n: int) -> Iterator[tuple[Clearing, Orders]]:
    """Random books with and without a retailer, cleared at one price."""
    rng, clear = np.random.default_rng(6), load_mechanism("uniform_price")
    retailer = Setting(np.array([300_000]), np.array([80_000]))
    for i in range(n):
        agent = np.tile(np.arange(rng.integers(1, 30)), 2)
        energy = rng.integers(-5_000_000, 5_000_000, (1, len(agent))) * (rng.random((1, len(agent))) < 0.7)
        orders = Orders(energy, rng.integers(-50_000, 500_000, (1, len(agent))), agent, agent)
        yield clear(orders, retailer if i % 2 else Setting()), orders


def test_trades_of_3000_auctions_pay_what_accounts_pay() -> None:
    n_pairs = 0
    for clearing, orders in auctions(3000):
        traded, pay, price = clearing.traded_ukwh[0], clearing.pay_ucur[0], clearing.price_ucur_per_kwh[0]
        pairs = pairwise(traded, pay, orders.agent, price)
        energy, paid, kept = marginals(pairs, len(traded))
        assert (energy == traded).all()
        assert (paid == pay).all()
        assert kept == 0
        assert all(p.pay_ucur == p.receive_ucur for p in pairs)
        assert all(p.price_ucur_per_kwh == price[0] for p in pairs)
        assert len(pairs) <= max((traded > 0).sum() + (traded < 0).sum() - 1, 0)
        n_pairs += len(pairs)
    assert n_pairs > 20_000


def test_payments_of_any_other_rule_are_met_exactly_and_the_difference_is_the_operators() -> None:
    rng = np.random.default_rng(7)
    for clearing, orders in auctions(500):
        traded = clearing.traded_ukwh[0]
        pay = np.where(traded != 0, rng.integers(-(10**6), 10**6, len(traded)), 0)
        pairs = pairwise(traded, pay, orders.agent, clearing.price_ucur_per_kwh[0])
        energy, paid, kept = marginals(pairs, len(traded))
        assert (energy == traded).all()
        assert (paid == pay).all()
        assert kept == pay.sum()


def test_the_markets_own_stock_takes_the_other_side() -> None:
    traded, pay = np.array([3_000_000, -1_000_000]), np.array([600_000, -200_000])
    sold = pairwise(traded, pay, np.arange(2), np.full(2, 200_000))
    assert [(p.seller, p.buyer, p.energy_ukwh) for p in sold] == [(1, 0, 1_000_000), (POOL, 0, 2_000_000)]
    assert marginals(sold, 2)[2] == 400_000
    bought = pairwise(-traded, -pay, np.arange(2), np.full(2, 200_000))
    assert [(p.seller, p.buyer, p.energy_ukwh) for p in bought] == [(0, 1, 1_000_000), (0, POOL, 2_000_000)]


def test_a_worked_case() -> None:
    """Two buyers of 1.5 and 0.5 kWh, a seller of each of 1 kWh, at 0.333333: payments are rounded by running sums."""
    traded = np.array([1_500_000, 500_000, -1_000_000, -1_000_000])
    pay = np.array([500_000, 166_666, -333_333, -333_333])
    pairs = pairwise(traded, pay, np.arange(4), np.full(4, 333_333))
    assert [(p.seller, p.buyer, p.energy_ukwh, p.pay_ucur) for p in pairs] == [
        (2, 0, 1_000_000, 333_333),
        (3, 0, 500_000, 166_667),
        (3, 1, 500_000, 166_666),
    ]


def test_a_book_without_trades_has_no_pairs() -> None:
    assert pairwise(np.zeros(4, np.int64), np.zeros(4, np.int64), np.arange(4), np.zeros(4, np.int64)) == []


def test_the_price_of_a_trade_is_the_one_shown_where_that_explains_the_payment() -> None:
    traded, pay = np.array([7, -7]), np.array([1, -1])
    (shown,) = pairwise(traded, pay, np.arange(2), np.array([200_000, 100_000]))
    assert shown.price_ucur_per_kwh == 200_000
    (own,) = pairwise(traded * 1_000_000, pay * 7_000_000, np.arange(2), np.array([200_000, 100_000]))
    assert own.price_ucur_per_kwh == 1_000_000


def test_account_payments_sum_to_zero_with_the_operator() -> None:
    entries = [market.trade(1, "ann", "bob", 5, pay_ucur=9, receive_ucur=7), market.trade(1, "ann", "cat", 5)]
    assert account_payments(entries) == {"bob": 9, "ann": -8, "market_operator": -2, "cat": 1}


def test_a_record_is_written_as_the_field_does() -> None:
    assert record(market.trade(1, "ann", "bob", 1_250_000, 210_001)) == {
        "transaction_id": "1/trade/0",
        "seller": "ann",
        "buyer": "bob",
        "energy_amount_kwh": "1.250000",
        "price_per_kwh": "0.210001",
        "total_cur": "0.262501",
        "interval": "1",
        "timestamp": "2700",
        "status": "settled",
    }


def test_micro_units_are_written_exactly() -> None:
    assert [decimal(x) for x in (0, -15, 1_000_000, -2_500_000, 2**53 - 1)] == [
        "0.000000",
        "-0.000015",
        "1.000000",
        "-2.500000",
        "9007199254.740991",
    ]
