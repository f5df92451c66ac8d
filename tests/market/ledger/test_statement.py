"""A statement says what an account paid for what, and its lines are its balance."""

from __future__ import annotations

import pytest

from gridbazaar.market.ledger.log.canonical import Entry
from gridbazaar.market.ledger.statement import Statement, statement
from tests.market.ledger import market
from tests.market.ledger.market import KWH, STAKE, bill, books, expire, mint, money, play, reading, retire, trade

DAY: list[Entry] = [
    reading(1, "ann", -2 * KWH, 3 * KWH),
    reading(1, "bob", 3 * KWH),
    trade(1, "ann", "bob", KWH, 200_000),
    bill(1, "retail", bob=600_000, ann=-80_000, retailer=-520_000) | {"ukwh": {"bob": 2 * KWH, "ann": -KWH}},
    bill(1, "fixed", ann=30_000, bob=30_000, retailer=-60_000),
    bill(1, "moonlight", ann=1, bob=-1),
    expire(1, ("ann", "ann", KWH), ("bob", "ann", KWH)),
    mint(1, "ann", 3 * KWH),
    retire(1, "ann", "rec/ann/1", KWH),
    money("release", 1, "ann", STAKE),
]


def day(account: str, *more: Entry) -> Statement:
    return statement(
        [(0, entry) for entry in market.opening()] + [(1, e) for e in (market.gate(1), *DAY, *more)], account
    )


def test_every_line_has_its_energy_its_mean_price_and_its_amount() -> None:
    lines = {line.title: (line.energy_ukwh, line.price_ucur_per_kwh, line.amount_ucur) for line in day("bob").lines}
    assert lines == {
        "Bought from neighbours": (KWH, 200_000, 200_000),
        "Bought from the retailer": (2 * KWH, 300_000, 600_000),
        "Standing charge": (None, None, 30_000),
        "moonlight": (None, None, -1),
    }


@pytest.mark.parametrize("account", [*market.HOMES, *market.SYSTEM])
def test_lines_and_moves_are_the_balance_that_the_books_give(account: str) -> None:
    made, shown = play(books(), 1, *DAY), day(account)
    assert shown.balance_ucur == made.balances.get((account, "cash"), 0)
    assert shown.total_ucur + sum(line.amount_ucur for line in shown.moves) == -shown.balance_ucur
    assert shown.escrow_ucur == made.balances.get((f"escrow/{account}", "cash"), 0)


def test_a_stake_is_no_cost_until_it_is_lost() -> None:
    assert day("cat").total_ucur == 0
    lost = day("cat", market.commit(1, "cat", (1, 1)), money("slash", 1, "cat", STAKE, reason="no_reveal"))
    assert [(line.title, line.amount_ucur) for line in lost.lines] == [("Stakes lost", STAKE)]
    assert lost.moves == []
    assert lost.escrow_ucur == 0
    assert lost.balance_ucur == -STAKE


def test_the_text_is_a_bill() -> None:
    text = day("ann").text()
    assert text.splitlines()[0] == "Statement of ann (home), intervals 0 to 1"
    assert "Meter: 0.000000 kWh drawn, 2.000000 kWh fed in" in text
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines() if line}
    assert rows["Sold to neighbours"][-3:] == ["-1.000000", "0.200000", "-0.200000"]
    assert rows["Sold to the retailer"][-3:] == ["-1.000000", "0.080000", "-0.080000"]
    assert rows["Total"][-1] == "-0.249999"
    assert rows["Balance"][-1] == "0.249999"
    assert "Certificates held: 2.000000 kWh" in text
    assert "Certificates retired: 1.000000 kWh" in text


def test_what_the_operator_keeps_of_trades_is_on_its_statement() -> None:
    shown = day("market_operator", trade(1, "ann", "cat", KWH, n=1, receive_ucur=150_000))
    assert [(line.title, line.amount_ucur) for line in shown.lines] == [("Other", -50_000)]


def test_entries_that_are_none_are_passed_over() -> None:
    assert statement([(0, entry) for entry in market.opening()] + [(1, {"kind": 3})], "ann").last == 0


def test_an_unknown_account_is_named() -> None:
    with pytest.raises(ValueError, match="account: expected one that the ledger opened, got 'eve'"):
        day("eve")


def test_a_meter_says_what_was_drawn_and_what_was_fed_in() -> None:
    more = reading(1, "bob", -KWH), reading(1, "bob", KWH // 2)
    found = day("bob", *more)
    assert (found.drawn_ukwh, found.injected_ukwh) == (3 * KWH + KWH // 2, KWH)
