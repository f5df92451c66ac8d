"""Certificates: minted once a reading, never twice for one kWh, and gone for good once they are retired."""

from __future__ import annotations

import pytest

from gridbazaar.market.ledger.books.certificates import minted
from gridbazaar.market.ledger.books.replay import Books
from gridbazaar.market.ledger.log.canonical import Entry
from tests.market.ledger import market
from tests.market.ledger.market import KWH, books, mint, play, reading, refuses, retire, transfer

MADE = 3 * KWH


def generated() -> Books:
    return play(books(), 1, reading(1, "ann", 0, MADE))


def right(**changes: object) -> Entry:
    return {
        "kind": "right", "txid": "right", "interval": 1, "account": "ann", "node": 5, "vintage": 2, "serial": 1,
        "energy_ukwh": KWH,
    } | changes  # fmt: skip


def test_a_reading_becomes_certificates_and_its_claim_is_spent() -> None:
    made = play(generated(), 1, mint(1, "ann", MADE))
    assert made.balances["ann", "rec/ann/1"] == MADE
    assert made.balances["registry", "rec/ann/1"] == -MADE
    assert ("ann", "claim/ann/1") not in made.balances


def test_certificates_are_minted_once() -> None:
    made = play(generated(), 1, mint(1, "ann", MADE))
    refuses(made, 1, mint(1, "ann", MADE, txid="again"), "which 'ann' has no claim to, or has spent it")


def test_no_kwh_has_a_certificate_and_a_carbon_credit() -> None:
    made = play(generated(), 1, mint(1, "ann", MADE))
    refuses(made, 1, mint(1, "ann", MADE, "co2"), "which 'ann' has no claim to, or has spent it")
    made = play(generated(), 1, mint(1, "ann", MADE, "co2"))
    refuses(made, 1, mint(1, "ann", MADE), "which 'ann' has no claim to, or has spent it")


def test_a_carbon_credit_counts_milligrams_by_the_stated_factor() -> None:
    """3 kWh at 400 g (400,000 mg) each are 1.2 kg."""
    made = play(generated(), 1, mint(1, "ann", MADE, "co2"))
    assert made.balances["ann", "co2/ann/1"] == 1_200_000
    assert minted("co2", 2, 400_000) == 0
    refuses(generated(), 1, mint(1, "ann", MADE, "co2", amount=1_200_001), "amount is 1200001, expected 1200000")


def test_a_certificate_needs_its_asset() -> None:
    made = play(Books(), 0, *(entry for entry in market.opening() if entry["txid"] != "asset/rec"))
    play(made, 1, market.gate(1), reading(1, "ann", 0, MADE))
    refuses(made, 1, mint(1, "ann", MADE), "certificate is 'rec', expected an asset that was declared")


def test_there_is_no_certificate_without_a_reading() -> None:
    refuses(
        books(), 1, mint(1, "ann", MADE), "reading is '1/reading/ann', expected the txid of a reading with generation"
    )
    made = play(books(), 1, reading(1, "ann", -KWH))
    refuses(made, 1, mint(1, "ann", MADE), "expected the txid of a reading with generation")


@pytest.mark.parametrize("changes", [{"energy_ukwh": MADE - 1}, {"meter": "bob"}, {"vintage": 0}])
def test_a_certificate_is_for_the_whole_reading_it_names(changes: Entry) -> None:
    refuses(generated(), 1, mint(1, "ann", MADE) | changes, "expected 3000000 of 'ann' in 1, the whole reading")


def test_nobody_mints_for_another_account() -> None:
    refuses(generated(), 1, mint(1, "ann", MADE, account="bob"), "which 'bob' has no claim to")


def test_a_claim_is_not_moved() -> None:
    refuses(generated(), 1, transfer(1, "ann", "bob", "claim/ann/1", 5), "a claim is minted, not moved")


def test_a_certificate_may_be_minted_later() -> None:
    made = generated()
    made.close(1)
    play(made, 2, mint(2, "ann", MADE, vintage=1, reading="1/reading/ann"))
    assert made.balances["ann", "rec/ann/1"] == MADE


def test_no_more_is_retired_than_is_held() -> None:
    made = play(generated(), 1, mint(1, "ann", MADE))
    refuses(
        made, 1, retire(1, "ann", "rec/ann/1", MADE + 1), "gives 3000001 of 'rec/ann/1', expected at most its 3000000"
    )


def test_the_same_certificate_is_not_retired_twice() -> None:
    made = play(generated(), 1, mint(1, "ann", MADE), retire(1, "ann", "rec/ann/1", MADE))
    refuses(made, 1, retire(1, "ann", "rec/ann/1", 1, n=1), "'ann' gives 1 of 'rec/ann/1', expected at most its 0")
    assert made.balances["retired", "rec/ann/1"] == MADE


def test_what_was_retired_does_not_move_again() -> None:
    made = play(generated(), 1, mint(1, "ann", MADE), retire(1, "ann", "rec/ann/1", MADE))
    refuses(made, 1, transfer(1, "retired", "ann", "rec/ann/1", 1), "sender is 'retired'")
    refuses(made, 1, retire(1, "retired", "rec/ann/1", 1, n=1), "account is 'retired', which acts by what")


def test_a_certificate_can_be_sold_and_retired_by_its_buyer() -> None:
    made = play(generated(), 1, mint(1, "ann", MADE), transfer(1, "ann", "bob", "rec/ann/1", KWH))
    play(made, 1, retire(1, "bob", "rec/ann/1", KWH))
    assert made.balances["ann", "rec/ann/1"] == 2 * KWH


@pytest.mark.parametrize("asset", ["cash", "kwh/ann/1", "claim/ann/1"])
def test_only_certificates_and_rights_are_retired(asset: str) -> None:
    refuses(generated(), 1, retire(1, "ann", asset, 1), "expected a certificate or a right")


def test_a_delivery_right_exists_once() -> None:
    made = play(books(), 1, right())
    assert made.balances["ann", "right/5/2/1"] == 1
    refuses(made, 1, right(txid="twin", account="bob"), "'right/5/2/1', which exists already; a right exists once")
    play(made, 1, right(txid="next", serial=2), transfer(1, "ann", "bob", "right/5/2/1", 1))
    refuses(made, 1, transfer(1, "ann", "cat", "right/5/2/1", 1, n=1), "'ann' gives 1 of 'right/5/2/1'")


def test_a_used_right_does_not_come_back() -> None:
    made = play(books(), 1, right(), retire(1, "ann", "right/5/2/1", 1))
    refuses(made, 1, right(txid="again"), "serial is 1; 'right/5/2/1' was used already")


def test_a_right_ends_with_its_interval() -> None:
    refuses(books(), 1, right(vintage=0), "vintage is 0, expected 1 or later; that interval is over")
    made = play(books(), 1, right())
    for interval in (1, 2):
        made.close(interval)
        play(made, interval + 1, market.gate(interval + 1))
    refuses(made, 3, transfer(3, "ann", "bob", "right/5/2/1", 1), "a right of an interval that is over")
