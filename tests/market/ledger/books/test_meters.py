"""Meter readings: signed by each meter's own key, once an interval, salted, and the same bytes in the same run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gridbazaar.market.ledger.books.meters import derive, signed
from gridbazaar.market.ledger.books.replay import Books
from gridbazaar.market.ledger.log.canonical import Entry, canonical
from gridbazaar.market.ledger.log.keys import Signer
from tests.market.ledger import market
from tests.market.ledger.market import KWH, books, play, reading, refuses

READ = reading(1, "ann", -KWH, KWH)


def test_an_injected_kwh_becomes_a_token_and_a_generated_one_a_claim() -> None:
    made = play(books(), 1, reading(1, "ann", -KWH, 3 * KWH))
    assert made.balances["ann", "kwh/ann/1"] == KWH
    assert made.balances["grid", "kwh/ann/1"] == -KWH
    assert made.balances["ann", "claim/ann/1"] == 3 * KWH


def test_a_drawn_kwh_is_no_token() -> None:
    assert ("ann", "kwh/ann/1") not in play(books(), 1, reading(1, "ann", KWH)).balances


@pytest.mark.parametrize(
    "tampered",
    [
        {"metered_ukwh": -2 * KWH},
        {"generated_ukwh": 9 * KWH},
        {"time_s": 10_000},
        {"salt": "11" * 16},
        {"sig": "00" * 64},
        {"sig": str(READ["sig"])[::-1]},
    ],
)
def test_a_tampered_reading_is_refused(tampered: Entry) -> None:
    refuses(books(), 1, READ | tampered, "sig is not the meter signature of 'ann' over this reading")


def test_a_reading_signed_by_another_meter_is_refused() -> None:
    refuses(books(), 1, reading(1, "ann", -KWH, by="bob"), "sig is not the meter signature of 'ann'")


def test_a_reading_for_another_account_is_refused() -> None:
    refuses(books(), 1, reading(1, "ann", -KWH, account="bob"), "meter is 'ann', expected one of 'bob'")


def test_a_reading_that_comes_back_under_a_new_name_is_refused() -> None:
    made = play(books(), 1, READ)
    refuses(made, 1, READ | {"txid": "again"}, "meter is 'ann', which was read in interval 1 already")
    refuses(made, 1, reading(1, "ann", 5, txid="other"), "which was read in interval 1 already")


def test_a_reading_of_an_old_interval_is_refused() -> None:
    made = books()
    made.close(1)
    play(made, 2, market.gate(2))
    refuses(made, 2, READ, "interval is 1, expected 2")
    refuses(made, 2, READ | {"interval": 2}, "time_s is 2700, expected after interval 2, which ends at 3600")


def test_a_reading_before_its_interval_has_ended_is_refused() -> None:
    refuses(books(), 1, reading(1, "ann", -KWH, time_s=2000), "time_s is 2000, expected after interval 1")


def test_a_meter_whose_certificate_ran_out_is_refused() -> None:
    late: Callable[[Entry], Entry] = lambda e: e | {"valid_until_s": 1000} if e["kind"] == "meter" else e  # noqa: E731
    made = Books()
    play(made, 0, *map(late, market.opening()))
    made.close(0)
    play(made, 1, market.gate(1))
    refuses(made, 1, READ, "time_s is 2700, expected at most 1000: 'ann' is out of date")


def test_a_meter_without_a_key_cannot_read() -> None:
    made = play(books(), 1, market.meter("bare", "ann", None))
    refuses(made, 1, reading(1, "ann", 5, meter="bare"), "sig is not the meter signature of 'bare'")


def test_a_certified_meter_bears_the_signature_of_its_certifier() -> None:
    certifier, meter = Signer(b"\x05" * 32), market.meter("new", "ann", Signer(b"\x06" * 32)) | {"certifier": "lab"}
    made = books()
    lab: Entry = {"kind": "account", "txid": "lab", "account": "lab", "role": "certifier", "did": certifier.did}
    good = signed(meter, certifier)
    refuses(made, 1, good, "sig is not that of 'lab'")
    play(made, 1, lab)
    refuses(made, 1, meter, "certifier is 'lab' and sig None, expected both or none")
    refuses(made, 1, good | {"account": "bob"}, "sig is not that of 'lab' over this meter's registration")
    refuses(made, 1, signed(meter, Signer(b"\x07" * 32)), "sig is not that of 'lab'")
    play(made, 1, good)
    refuses(made, 1, good | {"txid": "twice"}, "meter is 'new', which was registered before")


def test_a_did_that_names_no_key_is_refused() -> None:
    meter = market.meter("new", "ann", market.METERS["ann"])
    refuses(books(), 1, meter | {"did": meter["did"].replace("z6Mk", "z6LS")}, "did is 'did:key:z6LS")


def test_the_same_secret_gives_the_same_bytes() -> None:
    assert canonical(reading(3, "ann", -7)) == canonical(reading(3, "ann", -7))
    assert derive(b"s", "meter", "ann", 1) != derive(b"s", "meter", "ann", 2) != derive(b"t", "meter", "ann", 2)


def test_the_salt_hides_a_reading_that_could_be_guessed() -> None:
    assert READ["salt"] in canonical(READ).decode()
    assert canonical(READ) != canonical(reading(1, "ann", -KWH, KWH, salt="22" * 16))
