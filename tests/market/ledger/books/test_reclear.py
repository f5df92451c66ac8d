"""Auctions run again from the ledger: what a forger changes in an otherwise consistent interval is named."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.ledger.books.entries import fault
from gridbazaar.market.ledger.books.reclear import clear_of, lottery_of, reclear, run_again, setting_of, totals
from gridbazaar.market.ledger.books.sealed_bids import book_hash, commitment
from gridbazaar.market.ledger.books.trades import pairwise
from gridbazaar.market.ledger.log.canonical import Entry, canonical
from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.orders import Orders, Setting
from tests.market.ledger import market
from tests.market.ledger.market import KWH, books, commit, expire, play, reading, reveal

HOMES = market.HOMES
BIDS = {
    "ann": [(-5 * KWH // 2, 100_000), (0, 0)],
    "bob": [(KWH, 250_000), (KWH, 180_000)],
    "cat": [(KWH // 2, 300_000), (0, 0)],
}
RETAILER = Setting(np.array([320_000]), np.array([80_000]))


def orders_of(bids: dict[str, list[tuple[int, int]]]) -> Orders:
    table = np.array([bids[home][slot] for slot in range(2) for home in HOMES])
    return Orders(table[None, :, 0], table[None, :, 1], np.tile(np.arange(3), 2), np.zeros(6, np.int64))


def interval(*, void: str = "", **options: Any) -> list[Entry]:
    """A whole interval as it should be."""
    counted = {home: [(0, 0), (0, 0)] if home == void else bid for home, bid in BIDS.items()}
    clearing = load_mechanism("uniform_price", **options)(orders_of(counted), RETAILER)
    commits = [commit(1, home, *BIDS[home]) for home in HOMES]
    reveals = [reveal(1, home, *BIDS[home]) for home in HOMES if home != void]
    clear: Entry = {
        "kind": "clear", "txid": "1/clear", "interval": 1, "time_s": 1750, "mechanism": "uniform_price",
        "book": book_hash([commitment(home, 1, BIDS[home], market.SALT) for home in HOMES if home != void]),
        "void": [[void, "no_reveal"]] if void else [],
        "options": {name: str(value) for name, value in options.items()}, "orders": None, "agents": list(HOMES),
        "bus": [0, 0, 0], "lottery": None,
    } | setting_of(RETAILER, 0) | clear_of(clearing, 0)  # fmt: skip
    owner = np.tile(np.arange(3), 2)
    pairs = pairwise(clearing.traded_ukwh[0], clearing.pay_ucur[0], owner, clearing.price_ucur_per_kwh[0])
    trades = [
        market.trade(
            1, HOMES[owner[p.seller]], HOMES[owner[p.buyer]], p.energy_ukwh, p.price_ucur_per_kwh, n,
            pay_ucur=p.pay_ucur, receive_ucur=p.receive_ucur,
        )
        for n, p in enumerate(pairs)
    ]  # fmt: skip
    sold = sum(p.energy_ukwh for p in pairs)
    ended = expire(1, *((t["buyer"], "ann", t["energy_ukwh"]) for t in trades))
    return [*commits, *reveals, clear, reading(1, "ann", -sold), *trades, ended]


def of(entries: list[Entry], kind: str) -> list[Entry]:
    return [entry for entry in entries if entry["kind"] == kind]


def test_an_honest_interval_is_reproduced_and_replays() -> None:
    entries = interval()
    assert len(of(entries, "trade")) >= 2
    assert reclear(1, entries) == []
    made = play(books(), 1, *entries)
    made.close(1)


@pytest.mark.parametrize("options", [{}, {"k": 0.0}, {"k": 0.25}, {"k": 1.0}])
def test_options_are_stated_and_used(options: dict[str, Any]) -> None:
    assert reclear(1, interval(**options)) == []


def test_another_option_gives_another_price() -> None:
    entries = interval(k=0.25)
    of(entries, "clear")[0]["options"] = {"k": "0.75"}
    found = reclear(1, entries)
    assert found
    assert all("but the orders give" in what for what in found)


def test_a_void_bid_takes_no_part() -> None:
    entries = interval(void="cat")
    assert reclear(1, entries) == []
    of(entries, "clear")[0]["void"] = []
    revealed = [*entries, reveal(1, "cat", *BIDS["cat"])]
    assert reclear(1, revealed) != []


def test_a_price_that_the_orders_do_not_give_is_named() -> None:
    entries = interval()
    clear = of(entries, "clear")[0]
    clear["price_ucur_per_kwh"] = [clear["price_ucur_per_kwh"][0] + 1]
    (what,) = reclear(1, entries)
    assert what.startswith(f"price_ucur_per_kwh is {clear['price_ucur_per_kwh']}, but the orders give")


def test_a_fill_that_the_orders_do_not_give_is_named_with_its_owner() -> None:
    entries = interval()
    clear = of(entries, "clear")[0]
    column, traded, outside, pay = clear["fills"][0]
    clear["fills"][0] = [column, traded, outside + 5, pay]
    (what,) = reclear(1, entries)
    assert what.startswith(f"order {column // 3} of {HOMES[column % 3]!r} trades, takes from outside and pays")


def test_a_payment_moved_from_one_buyer_to_another_is_named_even_where_the_clearing_was_changed_alike() -> None:
    """Clear entry and trades agree with each other, and the books take them; only the orders say otherwise."""
    entries = interval()
    clear, (first, _, second) = of(entries, "clear")[0], of(entries, "trade")
    assert (first["buyer"], second["buyer"]) == ("bob", "cat")
    for entry, change in ((first, 1), (second, -1)):
        entry["pay_ucur"] += change
        entry["receive_ucur"] += change
        row = next(r for r in clear["fills"] if HOMES[r[0] % 3] == entry["buyer"] and r[1] > 0)
        row[3] += change
    play(books(), 1, *entries)
    assert totals(1, entries) == []
    assert {"'bob'" in what or "'cat'" in what for what in reclear(1, entries)} == {True}


def test_a_trade_that_was_not_cleared_is_named() -> None:
    entries = interval()
    extra = [*entries, market.trade(1, "ann", "bob", 1000, n=99)]
    assert "'bob' trades 2001000, but was cleared for 2000000" in reclear(1, extra)
    missing = [entry for entry in entries if entry["txid"] != "1/trade/0"]
    assert any(" trades " in what for what in reclear(1, missing))


def test_trades_and_the_markets_line_of_the_bill_pay_together() -> None:
    entries = interval()
    moved = market.bill(1, "market", bob=5, market_operator=-5)
    assert any(what.startswith("'bob' pays ") for what in reclear(1, [*entries, moved]))


def test_an_input_that_the_file_does_not_state_is_said() -> None:
    entries = interval()
    of(entries, "clear")[0]["unstated"] = ["grid"]
    assert reclear(1, entries) == ["the auction cannot be run again: the file does not state grid"]


@pytest.mark.parametrize(
    "changes",
    [
        {"mechanism": "os"},
        {"options": {"k": "2"}},
        {"options": {"k": "["}},
        {"options": {"q": "1"}},
        {"setting": {"moon": 1}},
        {"setting": {"import_ucur_per_kwh": [1, 2, 3, 4]}},
        {"agents": ["ann"] * 3},
        {"lottery": [1]},
    ],
)
def test_a_forged_clearing_is_a_finding_and_no_traceback(changes: Entry) -> None:
    entries = interval()
    of(entries, "clear")[0].update(changes)
    reclear(1, entries)


def test_a_forged_book_does_not_fill_the_memory() -> None:
    entries = interval()
    of(entries, "clear")[0].update(agents=[f"a{i}" for i in range(5000)], bus=[0] * 5000)
    of(entries, "reveal")[0]["orders"] = [[0, 0]] * 8000
    assert any("the book has 40000000 orders" in what for what in reclear(1, entries))


def test_totals_still_hold_where_readings_and_reveals_are_withheld() -> None:
    entries = [entry for entry in interval() if entry["kind"] not in ("reading", "reveal")]
    assert totals(1, entries) == []
    wrong = copy.deepcopy(entries)
    of(wrong, "trade")[0]["energy_ukwh"] += 1
    assert any(" trades " in what for what in totals(1, wrong))


def test_totals_name_an_entry_that_makes_money() -> None:
    assert totals(1, [market.bill(1, "tax", ann=5, retailer=-4)]) == ["1/bill/tax creates -1 of 'cash'"]


def test_an_interval_without_an_auction_has_nothing_to_reproduce() -> None:
    assert reclear(1, [market.bill(1, "tax", ann=5, retailer=-5)]) == []
    assert totals(1, [{"kind": "clear"}, {"kind": 7}]) == []


@dataclass(frozen=True, slots=True)
class _Odd:
    """A setting of a mechanism to come."""

    tick: Any
    table: Any
    grid: Any


def test_settings_to_come_are_stated_or_named() -> None:
    odd = _Odd(np.array([3, 4]), np.array([[1, 2], [3, 4]]), np.array([0.5, 0.5]))
    assert setting_of(odd, 1) == {"setting": {"tick": 4, "table": [3, 4]}, "unstated": ["grid"]}
    apart = _Odd(np.array([True, False]), None, object())
    assert setting_of(apart, 1) == {"setting": {"tick": False, "table": None}, "unstated": ["grid"]}
    far = _Odd(np.array([2**60]), None, None)
    assert setting_of(far, 0) == {"setting": {"table": None, "grid": None}, "unstated": ["tick"]}


def test_a_lottery_comes_back_to_the_last_bit() -> None:
    draws = np.random.default_rng(1).random((1, 6))
    orders = Orders(*(np.zeros((1, 6), np.int64),) * 2, np.arange(6), np.arange(6), draws)
    written = lottery_of(orders, 0)
    assert written is not None
    assert (np.array(written) / 2**53 == draws[0]).all()


def test_the_entries_have_canonical_bytes() -> None:
    for entry in interval():
        assert fault(entry) is None
        assert canonical(entry)


def test_metered_energy_is_run_again_without_bids() -> None:
    entries = interval()
    clear = of(entries, "clear")[0]
    clear["orders"] = [list(BIDS[home][slot]) for slot in range(2) for home in HOMES]
    assert clear_of(run_again(clear, []), 0)["fills"] == clear["fills"]
