"""Sealed bids: late, copied, missing, second and other ones; stakes; credit at the gate; products that overflow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.market.ledger.books.entries import Refused
from gridbazaar.market.ledger.books.sealed_bids import book_hash, commitment, non_delivery_ucur, worth_ucur
from gridbazaar.market.ledger.log.canonical import Entry
from tests.market.ledger import market
from tests.market.ledger.market import KWH, STAKE, books, commit, expire, money, play, refuses, reveal, supply, trade

BUY, SELL = (KWH, 300_000), (-KWH, 100_000)


def cleared(*homes: str, void: Any = (), **changes: Any) -> Entry:
    """A clearing in which nothing trades."""
    orders = {"ann": SELL, "bob": BUY, "cat": BUY}
    book = book_hash([commitment(home, 1, [orders[home]], market.SALT) for home in homes])
    numbers = dict.fromkeys(("low_ucur_per_kwh", "high_ucur_per_kwh", "rent_ucur_per_kwh", "over_cap_ukwh"), 0)
    numbers |= dict.fromkeys(("pool_ukwh", "surplus_ucur", "volume_ukwh", "status"), 0)
    return {
        "kind": "clear", "txid": "1/clear", "interval": 1, "time_s": 1750, "book": book,
        "void": [list(pair) for pair in void], "mechanism": "uniform_price", "options": {}, "setting": {},
        "unstated": [], "orders": None, "agents": list(market.HOMES), "bus": [0, 0, 0], "lottery": None, "fills": [],
        "price_ucur_per_kwh": [0], "carry": None,
    } | numbers | changes  # fmt: skip


def test_a_bid_is_committed_revealed_and_cleared() -> None:
    made = play(
        books(), 1, commit(1, "ann", SELL), commit(1, "bob", BUY), reveal(1, "ann", SELL), reveal(1, "bob", BUY)
    )
    play(made, 1, cleared("ann", "bob"))
    made.close(1)


def test_a_commitment_binds_account_interval_orders_and_salt() -> None:
    salt = market.SALT
    hashes = {
        commitment("ann", 1, [BUY], salt),
        commitment("bob", 1, [BUY], salt),
        commitment("ann", 2, [BUY], salt),
        commitment("ann", 1, [SELL], salt),
        commitment("ann", 1, [BUY, BUY], salt),
        commitment("ann", 1, [BUY], "01" * 16),
    }
    assert len(hashes) == 6


def test_a_late_reveal_is_refused() -> None:
    made = play(books(), 1, commit(1, "ann", SELL))
    refuses(made, 1, reveal(1, "ann", SELL, time_s=1751), "time_s is 1751, expected after 1700 and at most 1750")


def test_a_reveal_before_the_gate_has_closed_is_refused() -> None:
    made = play(books(), 1, commit(1, "ann", SELL))
    refuses(made, 1, reveal(1, "ann", SELL, time_s=1700), "time_s is 1700, expected after 1700")


def test_a_late_commitment_is_refused() -> None:
    refuses(
        books(), 1, commit(1, "ann", SELL, time_s=1701), "time_s is 1701, expected at most 1700; the gate is closed"
    )


@pytest.mark.parametrize("other", [(-KWH, 100_001), (-KWH - 1, 100_000), (KWH, 100_000)])
def test_a_reveal_of_another_bid_is_refused(other: tuple[int, int]) -> None:
    made = play(books(), 1, commit(1, "ann", SELL))
    refuses(made, 1, reveal(1, "ann", other), "not those that 'ann' has committed to")
    refuses(made, 1, reveal(1, "ann", SELL, salt="01" * 16), "not those that 'ann' has committed to")


def test_a_copied_commitment_is_of_no_use_to_another_agent() -> None:
    copied = commit(1, "cat", BUY) | {"hash": commit(1, "bob", BUY)["hash"]}
    made = play(books(), 1, commit(1, "bob", BUY), copied, reveal(1, "bob", BUY))
    refuses(made, 1, reveal(1, "cat", BUY), "not those that 'cat' has committed to")


def test_a_reveal_without_a_commitment_is_refused() -> None:
    refuses(books(), 1, reveal(1, "ann", SELL), "account is 'ann', which has not committed to a bid")


def test_a_commitment_of_an_unknown_account_is_refused() -> None:
    refuses(books(), 1, commit(1, "eve", SELL), "account is 'eve', expected one that was opened")


def test_a_second_commitment_is_refused() -> None:
    made = play(books(), 1, commit(1, "ann", SELL))
    refuses(made, 1, commit(1, "ann", BUY, n=1), "account is 'ann', which has committed to a bid already")


def test_a_second_reveal_is_refused() -> None:
    made = play(books(), 1, commit(1, "ann", SELL), reveal(1, "ann", SELL))
    refuses(made, 1, reveal(1, "ann", SELL, n=1), "its bid is revealed already")


def test_who_does_not_reveal_loses_the_stake_and_the_auction_goes_on() -> None:
    made = play(books(), 1, commit(1, "ann", SELL), commit(1, "bob", BUY), reveal(1, "ann", SELL))
    refuses(made, 1, cleared("ann", "bob"), "void is \\[\\], expected \\[\\['bob', 'no_reveal'\\]\\]")
    play(made, 1, cleared("ann", void=[("bob", "no_reveal")]))
    with pytest.raises(Refused, match="'bob' was not slashed 1000000 for no_reveal"):
        made.close(1)
    play(made, 1, money("slash", 1, "bob", STAKE, reason="no_reveal"))
    made.close(1)
    assert made.balances["community_fund", "cash"] == STAKE
    assert ("escrow/bob", "cash") not in made.balances
    assert made.balances["escrow/ann", "cash"] == STAKE


def test_a_slash_takes_the_own_stake_once_and_no_more() -> None:
    made = play(books(), 1, commit(1, "bob", BUY), cleared(void=[("bob", "no_reveal")]))
    slash = money("slash", 1, "bob", STAKE, reason="no_reveal")
    refuses(made, 1, slash | {"amount_ucur": STAKE + 1}, "amount_ucur is 1000001, expected 1000000 of 'bob'")
    refuses(made, 1, slash | {"account": "ann"}, "amount_ucur is 1000000, expected 0 of 'ann' for no_reveal")
    play(made, 1, slash)
    refuses(made, 1, slash | {"txid": "more"}, "was slashed for no_reveal already")


def test_nobody_reveals_after_losing_the_stake() -> None:
    made = play(books(), 1, commit(1, "bob", BUY), money("slash", 1, "bob", STAKE, reason="no_reveal"))
    refuses(made, 1, reveal(1, "bob", BUY), "account is 'bob', which has lost its stake for not revealing")


def test_a_stake_that_is_not_there_cannot_be_pledged() -> None:
    refuses(
        books(), 1, commit(1, "ann", SELL, stake_ucur=STAKE + 1), "stake_ucur is 1000001, expected at most the 1000000"
    )


def test_a_pledged_stake_is_not_released() -> None:
    made = play(books(), 1, commit(1, "ann", SELL))
    refuses(made, 1, money("release", 1, "ann", STAKE), "amount_ucur is 1000000, expected at most 0")
    play(made, 1, reveal(1, "ann", SELL), money("release", 1, "ann", STAKE))


def test_non_delivery_costs_its_rate_and_at_most_the_own_stake() -> None:
    """0.5 kWh at 100,000 a kWh: 50,000; 20 kWh would be 2,000,000, but Ann has staked 1,000,000."""
    for energy, due in ((KWH // 2, 50_000), (20 * KWH, STAKE)):
        made = play(books(penalty_ucur_per_kwh=100_000), 1, supply(1, "ann", energy), trade(1, "ann", "bob", energy))
        play(made, 1, expire(1, ("bob", "ann", energy)))
        with pytest.raises(Refused, match=f"'ann' was not slashed {due} for non_delivery"):
            made.close(1)
        slash = money("slash", 1, "ann", due, reason="non_delivery")
        refuses(made, 1, slash | {"amount_ucur": due + 1}, f"expected {due} of 'ann' for non_delivery")
        play(made, 1, slash)
        made.close(1)
        assert made.balances.get(("escrow/ann", "cash"), 0) == STAKE - due


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_slash_for_non_delivery_never_passes_the_stake(held: int, energy: int, rate: int) -> None:
    assert 0 <= non_delivery_ucur(held, energy, rate) <= held


def test_an_order_beyond_the_credit_is_void_and_the_others_go_on() -> None:
    """Bob owes his stake of 1 and may owe 10: 9 are left, and 31 kWh at 0.3 are 9.3."""
    beyond = (31 * KWH, 300_000)
    made = play(books(), 1, commit(1, "ann", SELL), commit(1, "bob", beyond), reveal(1, "ann", SELL))
    play(made, 1, reveal(1, "bob", beyond))
    refuses(made, 1, cleared("ann", "bob"), "expected \\[\\['bob', 'no_credit'\\]\\]")
    play(made, 1, cleared("ann", void=[("bob", "no_credit")]))
    made.close(1)


def test_an_order_within_the_credit_counts() -> None:
    within = (30 * KWH, 300_000)
    made = play(books(), 1, commit(1, "bob", within), reveal(1, "bob", within))
    play(made, 1, cleared(book=book_hash([commitment("bob", 1, [within], market.SALT)])))


def test_what_a_bid_may_cost_is_rounded_up_and_counts_sales_below_zero() -> None:
    assert worth_ucur([(1, 1), (KWH, 300_000), (-KWH, 100_000), (-KWH, -50_000)]) == 1 + 300_000 + 50_000


def test_a_book_whose_product_passes_64_bits_is_refused_before_multiplying() -> None:
    big = (2**40, 2**22)
    made = play(books(), 1, commit(1, "ann", big), commit(1, "bob", big), reveal(1, "ann", big))
    refuses(made, 1, reveal(1, "bob", big), "the product passes 2\\*\\*63")


def test_a_market_is_cleared_once_with_the_hash_of_its_book() -> None:
    made = play(books(), 1, commit(1, "ann", SELL), reveal(1, "ann", SELL))
    refuses(made, 1, cleared("bob"), "the hash of the revealed bids")
    refuses(made, 1, cleared("ann", time_s=1749), "time_s is 1749, expected at least 1750, the end of revealing")
    with pytest.raises(Refused, match="1 bids were revealed, but there is no clear entry"):
        made.close(1)
    play(made, 1, cleared("ann"))
    refuses(made, 1, cleared("ann") | {"txid": "again"}, "which is cleared already")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"fills": [[0, -5, 0, 0]]}, "pool_ukwh is 0, expected -5"),
        ({"fills": [[0, -5, 0, 0], [1, 5, 0, 0]]}, "volume_ukwh is 0, expected 5"),
        ({"fills": [[0, 0, 0, 7]]}, "surplus_ucur is 0, expected 7"),
        ({"fills": [[1, 0, 5, 0], [0, 0, 5, 0]]}, "fills name the columns \\[1, 0\\]"),
        ({"fills": [[3, 0, 5, 0]]}, "fills name the columns \\[3\\], expected rising ones below 3"),
        ({"agents": ["bob", "cat", "eve"]}, "expected each bidder once: \\['ann'\\]"),
        (
            {"fills": [[0, -5, 0, 0], [1, 5, 0, 0]], "volume_ukwh": 5, "price_ucur_per_kwh": [400_001]},
            "price_ucur_per_kwh is 400001, expected 0 to 400000",
        ),
    ],
)
def test_a_clearing_that_does_not_add_up_is_refused(changes: Entry, match: str) -> None:
    made = play(books(), 1, commit(1, "ann", SELL), reveal(1, "ann", SELL))
    refuses(made, 1, cleared("ann") | changes, match)


def test_a_rule_that_prices_metered_energy_takes_what_the_meters_say() -> None:
    made = play(books(), 1, *(market.reading(1, home, KWH) for home in market.HOMES))
    orders = [[KWH, 0]] * 3
    refuses(made, 1, cleared(orders=[[KWH, 0], [5, 0], [KWH, 0]]), "orders of 'bob' sum to 5, expected 1000000")
    refuses(made, 1, cleared(orders=[[KWH, 0]] * 4), "orders are 4 of 3 agents, expected as many of each")
    refuses(
        play(books(), 1, commit(1, "ann", SELL)), 1, cleared(void=[("ann", "no_reveal")], orders=orders), "no sealed"
    )
    play(made, 1, cleared(orders=orders))


def test_bids_need_a_gate() -> None:
    made = books()
    made.close(1)
    refuses(made, 2, commit(2, "ann", SELL), "interval is 2, which has no gate entry yet")
