"""The list of bad input: each batch is refused whole, its entry is named, and the file is what it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gridbazaar.market.ledger.log.canonical import Entry
from gridbazaar.market.ledger.log.keys import Signer
from gridbazaar.market.ledger.writer import Ledger, LedgerError
from tests.market.ledger import market
from tests.market.ledger.market import (
    KWH,
    STAKE,
    bill,
    commit,
    expire,
    gate,
    mint,
    money,
    reading,
    retire,
    reveal,
    trade,
    transfer,
)

BID, OTHER, HUGE = (KWH, 300_000), (KWH, 300_001), (2**40, 2**22)
GATE, ANN = gate(2), reading(2, "ann", -2 * KWH, KWH)
SOLD = trade(2, "ann", "bob", KWH)
CASES: dict[str, tuple[list[Entry], int, str]] = {
    "23 tampered reading": ([GATE, ANN | {"metered_ukwh": -9}], 1, "sig is not"),
    "24 signed by another meter": ([GATE, reading(2, "ann", -9, by="bob")], 1, "sig is not"),
    "25 replayed under a new name": ([GATE, ANN, ANN | {"txid": "new"}], 2, "was read in interval 2 already"),
    "26 twice in one batch": ([GATE, ANN, ANN], 2, "txid"),
    "27 reading of an old interval": ([GATE, reading(1, "ann", -9)], 1, "interval is 1, expected 2"),
    "28 kWh sold twice": ([GATE, ANN, *(trade(2, "ann", "bob", KWH, n=n) for n in range(3))], 4, "kwh/ann/2"),
    "29 buyer without money": ([GATE, reading(2, "ann", -99 * KWH), trade(2, "ann", "bob", 46 * KWH)], 2, "'cash'"),
    "30 one bad leg in the middle": (
        [GATE, ANN, SOLD, trade(2, "cat", "bob", 5, n=1), bill(2, "tax", ann=0)], 3, "kwh/cat",
    ),
    "31 negative": ([GATE, ANN, SOLD | {"energy_ukwh": -5}], 2, "energy_ukwh is -5"),
    "32 zero": ([GATE, ANN, SOLD | {"energy_ukwh": 0}], 2, "energy_ukwh is 0"),
    "33 price is no number": ([GATE, ANN, SOLD | {"price_ucur_per_kwh": float("nan")}], 2, "nan"),
    "34 price without end": ([GATE, ANN, SOLD | {"price_ucur_per_kwh": float("inf")}], 2, "inf"),
    "35 a fraction": ([GATE, ANN, SOLD | {"energy_ukwh": 1.5}], 2, "1.5"),
    "36 a truth value": ([GATE, ANN, SOLD | {"energy_ukwh": True}], 2, "energy_ukwh is True"),
    "37 a text": ([GATE, ANN, SOLD | {"energy_ukwh": "10"}], 2, "energy_ukwh is '10'"),
    "38 2 to the 63": ([GATE, ANN, SOLD | {"energy_ukwh": 2**63}], 2, "energy_ukwh is"),
    "39 2 to the 53": ([GATE, ANN, SOLD | {"energy_ukwh": 2**53}], 2, "energy_ukwh is"),
    "40 self-trade": ([GATE, ANN, SOLD | {"buyer": "ann"}], 2, "buyer is 'ann'"),
    "41 unknown account": ([GATE, ANN, SOLD | {"buyer": "eve"}], 2, "account is 'eve'"),
    "42 duplicate txid": ([GATE, bill(2, "tax", ann=5, bob=-5) | {"txid": "1/gate"}], 1, "txid"),
    "43 missing field": ([GATE, {k: v for k, v in SOLD.items() if k != "buyer"}], 1, "buyer is missing"),
    "44 unknown kind": ([GATE, SOLD | {"kind": "gift"}], 1, "kind is 'gift'"),
    "45 product overflows": (
        [GATE, *(commit(2, h, HUGE) for h in ("ann", "bob")), *(reveal(2, h, HUGE) for h in ("ann", "bob"))],
        4, "the product passes",
    ),
    "46 price beyond the cap": ([GATE, ANN, trade(2, "ann", "bob", KWH, 400_001)], 2, "price_ucur_per_kwh is 400001"),
    "47 certificate minted twice": ([mint(2, "ann", KWH, vintage=1, reading="1/reading/ann")], 0, "or has spent it"),
    "48 certificate without a reading": ([mint(2, "bob", KWH)], 0, "reading is '2/reading/bob'"),
    "49 more retired than held": ([retire(2, "ann", "rec/ann/1", KWH)], 0, "expected at most its 600000"),
    "50 retired twice": (
        [retire(2, "ann", "rec/ann/1", 600_000), retire(2, "ann", "rec/ann/1", 1, n=1)], 1, "at most its 0",
    ),
    "51 retired units moved": ([transfer(2, "retired", "ann", "rec/ann/1", 5)], 0, "sender is 'retired'"),
    "52 kWh after its interval": ([transfer(2, "bob", "ann", "kwh/ann/1", 5)], 0, "ended with its interval"),
    "53 late reveal": ([GATE, commit(2, "ann", BID), reveal(2, "ann", BID, time_s=2651)], 2, "time_s is 2651"),
    "54 reveal of another bid": ([GATE, commit(2, "ann", BID), reveal(2, "ann", OTHER)], 2, "not those that 'ann'"),
    "55 copied commitment": (
        [GATE, commit(2, "ann", BID), commit(2, "bob", BID, hash=commit(2, "ann", BID)["hash"]), reveal(2, "bob", BID)],
        3, "not those that 'bob'",
    ),
    "56 reveal without commitment": ([GATE, reveal(2, "ann", BID)], 1, "has not committed"),
    "57 second commitment": ([GATE, commit(2, "ann", BID), commit(2, "ann", OTHER, n=1)], 2, "has committed to a bid"),
    "59 slash above the own stake": (
        [GATE, commit(2, "ann", BID), money("slash", 2, "ann", STAKE + 1, reason="no_reveal")], 2,
        "amount_ucur is 1000001",
    ),
    "70 clock goes back": ([GATE | {"commit_until_s": 1, "reveal_until_s": 2, "start_s": 3, "end_s": 4}], 0, "go back"),
}  # fmt: skip


def first() -> list[Entry]:
    """An interval in which Ann generated, sold, certified and retired."""
    return [
        gate(1), reading(1, "ann", -KWH, KWH), trade(1, "ann", "bob", KWH), expire(1, ("bob", "ann", KWH)),
        mint(1, "ann", KWH), retire(1, "ann", "rec/ann/1", 400_000, n=9),
    ]  # fmt: skip


def opened(folder: Path) -> Ledger:
    made = Ledger.open(folder / "ledger.db", Signer(b"\x01" * 32), "test")
    made.commit(0, market.opening())
    made.commit(1, first())
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("refusals")


@pytest.fixture(scope="module")
def ledger(folder: Path) -> Iterator[Ledger]:
    with opened(folder) as made:
        yield made


def everything(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return [db.execute(f"SELECT * FROM {table}").fetchall() for table in ("entry", "checkpoint", "balance")]


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_whole_and_named(case: str, ledger: Ledger, folder: Path) -> None:
    entries, at, match = CASES[case]
    before = everything(folder / "ledger.db")
    with pytest.raises(LedgerError) as refusal:
        ledger.commit(2, entries)
    assert f"entry {at} (" in str(refusal.value)
    assert match in str(refusal.value)
    assert everything(folder / "ledger.db") == before


def test_after_all_refusals_a_good_batch_goes_in(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        for entries, _, _ in CASES.values():
            with pytest.raises(LedgerError):
                ledger.commit(2, entries)
        assert ledger.commit(2, [GATE, ANN, expire(2, ("ann", "ann", 2 * KWH))]) == "created"


def test_58_an_auction_goes_on_without_who_does_not_reveal(tmp_path: Path) -> None:
    """A batch that forgets the slash is refused at its end; with it, the stake is the community's."""
    silent = [GATE, commit(2, "ann", BID)]
    with opened(tmp_path) as ledger:
        with pytest.raises(LedgerError, match="refused at its end: 'ann' was not slashed 1000000 for no_reveal"):
            ledger.commit(2, silent)
        assert ledger.commit(2, [*silent, money("slash", 2, "ann", STAKE, reason="no_reveal")]) == "created"
        assert ledger.balance("community_fund", "cash") == STAKE
