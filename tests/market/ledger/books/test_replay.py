"""Replay: who holds what, what is refused, and that a refusal leaves nothing behind."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.market.ledger.books.entries import Refused
from gridbazaar.market.ledger.books.postings import postings
from gridbazaar.market.ledger.books.replay import Books
from gridbazaar.market.ledger.log.canonical import Entry
from tests.market.ledger import market
from tests.market.ledger.market import KWH, bill, books, expire, money, play, reading, refuses, supply, trade, transfer


def sums(entry: Entry) -> dict[str, int]:
    """What an entry posts, by asset."""
    total: dict[str, int] = {}
    for _, asset, delta in postings(entry):
        total[asset] = total.get(asset, 0) + delta
    return total


def test_a_trade_moves_energy_and_money_at_once() -> None:
    made = play(books(), 1, reading(1, "ann", -2 * KWH), trade(1, "ann", "bob", KWH))
    assert made.balances["ann", "kwh/ann/1"] == KWH
    assert made.balances["bob", "kwh/ann/1"] == KWH
    assert made.balances["ann", "cash"] == 200_000 - market.STAKE
    assert made.balances["bob", "cash"] == -200_000 - market.STAKE


def test_what_the_buyer_pays_beyond_what_the_seller_gets_stays_with_the_operator() -> None:
    made = play(books(), 1, reading(1, "ann", -KWH), trade(1, "ann", "bob", KWH, receive_ucur=150_000))
    assert made.balances["market_operator", "cash"] == 50_000


amounts = st.integers(1, 2**53 - 1)
names = st.sampled_from(market.HOMES)


@st.composite
def any_entry(draw: st.DrawFn) -> Entry:
    """A well-formed entry of each kind that posts."""
    home, other, n, m = draw(names), draw(names), draw(amounts), draw(amounts)
    paid = draw(st.dictionaries(names, st.integers(-(2**52), 2**52), min_size=1))
    paid["retailer"] = -sum(paid.values())
    made: list[Entry] = [
        trade(1, home, other, n, pay_ucur=m, receive_ucur=-n),
        reading(1, home, -n, m),
        supply(1, home, n),
        expire(1, (home, other, n), (other, home, m)),
        market.mint(1, home, n, "co2", amount=m),
        market.retire(1, home, "rec/ann/1", n),
        transfer(1, home, other, "cash", n),
        *(money(kind, 1, home, n) for kind in ("stake", "release", "slash")),
        bill(1, "retail", **paid),
        {"kind": "fund", "txid": "f", "account": home, "amount_ucur": n},
        {"kind": "correct", "txid": "c", "interval": 1, "refers": "f", "reason": "r", "ucur": paid},
        {"kind": "right", "txid": "r", "interval": 1, "account": home, "node": 1, "vintage": 2, "serial": 3,
         "energy_ukwh": n},
        {"kind": "oracle", "txid": "o", "interval": 1, "committee": "c", "subject": "reading/ann", "account": home,
         "value": -n, "reports": []},
    ]  # fmt: skip
    return draw(st.sampled_from(made))


@given(any_entry())
def test_postings_of_an_entry_sum_to_zero_for_every_asset(entry: Entry) -> None:
    assert postings(entry)
    assert not any(sums(entry).values())


@given(any_entry())
def test_postings_are_a_function_of_the_entry_alone(entry: Entry) -> None:
    before = copy.deepcopy(entry)
    assert postings(entry) == postings(copy.deepcopy(entry))
    assert entry == before


def test_a_kwh_is_not_sold_twice() -> None:
    made = play(books(), 1, reading(1, "ann", -KWH), trade(1, "ann", "bob", KWH))
    refuses(made, 1, trade(1, "ann", "cat", 1000, n=1), "'ann' gives 1000 of 'kwh/ann/1', expected at most its 0")


def test_a_buyer_without_money_is_refused() -> None:
    made = play(books(), 1, reading(1, "ann", -100 * KWH), trade(1, "ann", "bob", 45 * KWH))
    refuses(
        made, 1, trade(1, "ann", "bob", KWH, n=1), "'bob' gives 200000 of 'cash', expected at most its -10000000 and"
    )


def test_one_bad_leg_in_the_middle_voids_all_of_the_batch() -> None:
    made = books()
    made.begin()
    before = dict(made.balances)
    play(made, 1, reading(1, "ann", -KWH), trade(1, "ann", "bob", 1000))
    refuses(made, 1, trade(1, "bob", "cat", 1000, n=1), "kwh/bob/1")
    made.rollback()
    assert made.balances == before
    play(made, 1, reading(1, "ann", -KWH), trade(1, "ann", "bob", 1000))


def test_rolling_back_undoes_the_end_of_an_interval_too() -> None:
    made = books()
    made.begin()
    before = market.snapshot(made)
    play(made, 1, reading(1, "ann", -KWH), trade(1, "ann", "bob", KWH), expire(1, ("bob", "ann", KWH)))
    made.close(1)
    assert not made._holdings.open.gate
    made.rollback()
    assert market.snapshot(made) == before


def test_changed_names_what_was_posted_to_since_begin() -> None:
    made = books()
    made.begin()
    play(made, 1, bill(1, "retail", ann=5, retailer=-5))
    assert made.changed == {("ann", "cash"), ("retailer", "cash")}
    made.begin()
    assert made.changed == set()


def test_a_self_trade_is_refused() -> None:
    refuses(play(books(), 1, reading(1, "ann", -KWH)), 1, trade(1, "ann", "ann", 1000), "buyer is 'ann', the seller")


def test_an_unknown_account_is_refused() -> None:
    refuses(play(books(), 1, reading(1, "ann", -KWH)), 1, trade(1, "ann", "eve", 1000), "account is 'eve'")


def test_a_transaction_comes_once() -> None:
    made = play(books(), 1, bill(1, "retail", ann=5, retailer=-5))
    refuses(made, 1, bill(1, "retail", ann=5, retailer=-5), "txid is '1/bill/retail', that of an entry in interval 1")


def test_an_entry_of_another_interval_is_refused() -> None:
    refuses(books(), 1, bill(2, "retail", ann=5, retailer=-5), "interval is 2, expected 1")


def test_a_line_that_does_not_sum_to_zero_is_refused() -> None:
    refuses(books(), 1, bill(1, "retail", ann=5, retailer=-4), "ucur sums to 1 over 2 parties")


def test_a_line_without_parties_is_refused() -> None:
    refuses(books(), 1, bill(1, "retail"), "ucur sums to 0 over 0 parties")


@pytest.mark.parametrize("price", [-1, 400_001])
def test_a_price_outside_floor_and_cap_is_refused(price: int) -> None:
    made = play(books(), 1, reading(1, "ann", -KWH))
    refuses(made, 1, trade(1, "ann", "bob", KWH, price), f"price_ucur_per_kwh is {price}, expected 0 to 400000")


def test_a_payment_that_is_not_energy_times_price_is_refused() -> None:
    made = play(books(), 1, reading(1, "ann", -KWH))
    refuses(made, 1, trade(1, "ann", "bob", KWH, pay_ucur=200_004), "pay_ucur is 200004, expected about 200000")


def test_a_trade_needs_a_gate() -> None:
    made = books()
    made.close(1)
    refuses(made, 2, trade(2, "ann", "bob", 1000), "interval is 2, which has no gate")


def test_energy_ends_with_its_interval() -> None:
    made = play(books(), 1, reading(1, "ann", -KWH))
    with pytest.raises(Refused, match="1000000 of 'kwh/ann/1' are left"):
        made.close(1)
    play(made, 1, expire(1, ("ann", "ann", KWH)))
    made.close(1)
    play(made, 2, market.gate(2))
    refuses(
        made, 2, transfer(2, "ann", "bob", "kwh/ann/1", 10), "'kwh/ann/1', which ended with its interval; now it is 2"
    )


def test_issuers_send_nothing_by_transfer() -> None:
    refuses(books(), 1, transfer(1, "bank", "ann", "cash", 10), "sender is 'bank'")


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        (trade(1, "grid", "bob", KWH), "seller is 'grid', which does not trade"),
        (trade(1, "ann", "retired", KWH), "buyer is 'retired', which does not trade"),
        (bill(1, "retail", bank=-5, ann=5), "ucur names bank, which pay nothing"),
        (market.retire(1, "registry", "rec/ann/1", 5), "account is 'registry', which acts by what others do alone"),
        (money("stake", 1, "bank", 5), "account is 'bank', which acts by what others do alone"),
    ],
)
def test_nobody_makes_money_energy_or_certificates_in_an_issuers_name(entry: Entry, match: str) -> None:
    refuses(books(), 1, entry, match)


def test_credit_is_not_cut_below_what_is_owed() -> None:
    entry: Entry = {"kind": "credit", "txid": "less", "account": "ann", "limit_ucur": 10}
    refuses(books(), 1, entry, "limit_ucur is 10, expected at least the 1000000 that 'ann' owes")


def test_funds_are_spent_before_credit() -> None:
    fund: Entry = {"kind": "fund", "txid": "f", "account": "ann", "amount_ucur": 3 * market.STAKE}
    made = play(books(), 1, fund)
    assert made.balances["ann", "cash"] == 2 * market.STAKE
    assert made.balances["bank", "cash"] == -3 * market.STAKE


@pytest.mark.parametrize(
    "changes",
    [
        {"start_s": 900, "commit_until_s": 800, "reveal_until_s": 850, "end_s": 1800},
        {"reveal_until_s": 0},
        {"end_s": 0},
    ],
)
def test_the_clock_does_not_go_back(changes: dict[str, int]) -> None:
    made = books()
    made.close(1)
    refuses(made, 2, market.gate(2) | changes, "the clock does not go back")


def test_a_floor_above_the_cap_is_refused() -> None:
    made = books()
    made.close(1)
    refuses(made, 2, market.gate(2) | {"floor_ucur_per_kwh": 400_001}, "floor_ucur_per_kwh is 400001, expected at most")


def test_nobody_trades_before_bids_are_open() -> None:
    made = play(books(), 1, reading(1, "ann", -KWH))
    refuses(made, 1, trade(1, "ann", "bob", 1000, time_s=1749), "time_s is 1749, expected at least 1750, when bids")


def test_the_grid_supplies_only_the_owner_of_a_meter() -> None:
    refuses(books(), 1, supply(1, "ann", 5) | {"account": "bob"}, "meter is 'ann', expected one of 'bob'")
    refuses(books(), 1, supply(1, "ann", 5) | {"meter": "dan"}, "meter is 'dan', expected one of 'ann'")


def test_nobody_transfers_to_themselves() -> None:
    refuses(books(), 1, transfer(1, "ann", "ann", "cash", 5), "receiver is 'ann', the sender itself")


def test_credit_is_for_accounts_that_were_opened() -> None:
    entry: Entry = {"kind": "credit", "txid": "c", "account": "eve", "limit_ucur": 10}
    refuses(books(), 1, entry, "account is 'eve', expected one that was opened")


def test_an_interval_has_one_gate() -> None:
    refuses(books(), 1, market.gate(1) | {"txid": "again"}, "has a gate already")


def test_a_correction_refers_and_edits_nothing() -> None:
    made = play(books(), 1, bill(1, "imbalance", ann=50_000, retailer=-50_000))
    entry: Entry = {
        "kind": "correct", "txid": "c", "interval": 1, "refers": "1/bill/imbalance", "reason": "late reading",
        "ucur": {"ann": -20_000, "retailer": 20_000},
    }  # fmt: skip
    refuses(made, 1, entry | {"refers": "nothing"}, "refers is 'nothing', expected the txid of an entry before")
    refuses(made, 1, entry | {"ucur": {"ann": -20_000}}, "ucur sums to -20000")
    play(made, 1, entry)
    assert made.balances["ann", "cash"] == -30_000 - market.STAKE


def test_assets_are_declared_once_and_before_use() -> None:
    made = Books()
    asset: Entry = {"kind": "asset", "txid": "a", "asset": "cash", "unit": "ucur", "factor_mg_per_kwh": 0}
    account: Entry = {"kind": "account", "txid": "b", "account": "ann", "role": "home", "did": None}
    fund: Entry = {"kind": "fund", "txid": "c", "account": "ann", "amount_ucur": 5}
    play(made, 0, account)
    refuses(made, 0, fund, "asset is 'cash', expected one of a class that an asset entry declared")
    play(made, 0, asset, fund)
    refuses(made, 0, asset | {"txid": "d"}, "units never change")
    refuses(made, 0, account | {"txid": "d"}, "account is 'ann', which was opened before")
    refuses(made, 0, account | {"txid": "d", "account": "bank"}, "account is 'bank', which acts by what")


def test_balances_stay_below_2_to_the_53() -> None:
    fund: Entry = {"kind": "fund", "txid": "f", "account": "ann", "amount_ucur": 2**53 - 1}
    made = play(books(), 1, fund)
    refuses(made, 1, fund | {"txid": "g"}, "would hold .* of 'cash', expected less than 2\\*\\*53")


def test_replay_is_fast() -> None:
    """More than 60,000 entries a CPU-second on an idle core; a shared one gets a factor of four."""
    made = play(books(), 1, supply(1, "ann", 10_000 * KWH))
    entries: list[dict[str, Any]] = [trade(1, "ann", "bob", 1000, n=n) for n in range(5000)]
    quickest_s = 1.0
    for _ in range(3):
        made.begin()
        start_s = time.process_time()
        play(made, 1, *entries)
        quickest_s = min(quickest_s, time.process_time() - start_s)
        made.rollback()
    assert len(entries) / quickest_s > 15_000
