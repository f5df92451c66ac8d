"""A small market for tests of the books: Ann has a roof, Bob and Cat buy, an operator and a retailer stand by."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gridbazaar.market.ledger.books.entries import ASSETS, Refused
from gridbazaar.market.ledger.books.meters import derive, signed
from gridbazaar.market.ledger.books.replay import Books
from gridbazaar.market.ledger.books.sealed_bids import commitment
from gridbazaar.market.ledger.log.canonical import Entry
from gridbazaar.market.ledger.log.keys import Signer
from tests.reference import cost_ucur

HOMES = ("ann", "bob", "cat")
SYSTEM = ("market_operator", "retailer", "network_operator", "community_fund")
METERS = {home: Signer(derive(b"test", "meter", home)) for home in HOMES}
SALT = "00" * 16
CREDIT, STAKE = 10_000_000, 1_000_000
KWH = 1_000_000


def opening() -> list[Entry]:
    """Everything that is opened in interval 0."""
    entries: list[Entry] = [
        {"kind": "asset", "txid": f"asset/{name}", "asset": name, "unit": "u", "factor_mg_per_kwh": 400_000}
        for name in ASSETS
    ]
    for name in (*HOMES, *SYSTEM):
        entries.append({"kind": "account", "txid": f"account/{name}", "account": name, "role": "home", "did": None})
        entries.append({"kind": "credit", "txid": f"credit/{name}", "account": name, "limit_ucur": CREDIT})
    entries += [meter(home, home, METERS[home]) for home in HOMES]
    return entries + [money("stake", 0, home, STAKE) for home in HOMES]


def books(interval: int = 1, **changed_gate: Any) -> Books:
    """Books with the opening behind them and the gate of an interval open."""
    made = Books()
    for entry in opening():
        made.apply(0, entry)
    made.close(0)
    made.begin()
    made.apply(interval, gate(interval) | changed_gate)
    return made


def play(made: Books, interval: int, *entries: Entry) -> Books:
    """Apply entries."""
    for entry in entries:
        made.apply(interval, entry)
    return made


def snapshot(made: Books) -> Any:
    """All that books hold and know."""
    holdings = made._holdings
    return copy.deepcopy((holdings.balances, holdings.known, holdings.open))


def refuses(made: Books, interval: int, entry: Entry, match: str) -> None:
    """The entry is refused, and nothing of the books is another one."""
    before = snapshot(made)
    with pytest.raises(Refused, match=match):
        made.apply(interval, entry)
    assert snapshot(made) == before


def meter(name: str, account: str, signer: Signer | None) -> Entry:
    return {
        "kind": "meter", "txid": f"meter/{name}", "meter": name, "account": account,
        "did": None if signer is None else signer.did, "node": 3, "certifier": None, "valid_until_s": 10**9,
        "sig": None,
    }  # fmt: skip


def gate(interval: int) -> Entry:
    """Bids until 800 s, opened until 850 s, delivery from 900 to 1800 s; one such hour after the other."""
    start = 900 * (interval + 1)
    return {
        "kind": "gate", "txid": f"{interval}/gate", "interval": interval, "commit_until_s": start - 100,
        "reveal_until_s": start - 50, "start_s": start, "end_s": start + 900, "floor_ucur_per_kwh": 0,
        "cap_ucur_per_kwh": 400_000, "penalty_ucur_per_kwh": 0,
    }  # fmt: skip


def reading(
    interval: int, home: str, metered: int, generated: int = 0, *, by: str | None = None, **changes: Any
) -> Entry:
    """A reading signed with the home's key, or with that of ``by``."""
    entry: Entry = {
        "kind": "reading", "txid": f"{interval}/reading/{home}", "interval": interval, "meter": home, "account": home,
        "metered_ukwh": metered, "generated_ukwh": generated, "time_s": 900 * (interval + 2), "salt": SALT,
    }  # fmt: skip
    return signed(entry | changes, METERS[by or home])


def trade(
    interval: int, seller: str, buyer: str, energy: int, price: int = 200_000, n: int = 0, **changes: Any
) -> Entry:
    pay = cost_ucur(energy * price)
    return {
        "kind": "trade", "txid": f"{interval}/trade/{n}", "interval": interval, "seller": seller, "buyer": buyer,
        "meter": seller, "energy_ukwh": energy, "price_ucur_per_kwh": price, "pay_ucur": pay, "receive_ucur": pay,
        "time_s": 900 * (interval + 2), "status": "settled",
    } | changes  # fmt: skip


def supply(interval: int, home: str, energy: int) -> Entry:
    return {
        "kind": "supply", "txid": f"{interval}/supply/{home}", "interval": interval, "meter": home, "account": home,
        "energy_ukwh": energy,
    }  # fmt: skip


def expire(interval: int, *tokens: tuple[str, str, int]) -> Entry:
    return {"kind": "expire", "txid": f"{interval}/expire", "interval": interval, "tokens": [list(t) for t in tokens]}


def money(kind: str, interval: int, home: str, amount: int, **changes: Any) -> Entry:
    """A stake, release or slash."""
    return {
        "kind": kind, "txid": f"{interval}/{kind}/{home}", "interval": interval, "account": home, "amount_ucur": amount,
    } | changes  # fmt: skip


def bill(interval: int, line: str, **ucur: int) -> Entry:
    return {
        "kind": "bill",
        "txid": f"{interval}/bill/{line}",
        "interval": interval,
        "line": line,
        "ucur": ucur,
        "ukwh": {},
    }


def commit(interval: int, home: str, *orders: tuple[int, int], n: int = 0, **changes: Any) -> Entry:
    return {
        "kind": "commit", "txid": f"{interval}/commit/{home}/{n}", "interval": interval, "account": home,
        "hash": commitment(home, interval, orders, SALT), "stake_ucur": STAKE, "time_s": 900 * (interval + 1) - 100,
    } | changes  # fmt: skip


def reveal(interval: int, home: str, *orders: tuple[int, int], n: int = 0, **changes: Any) -> Entry:
    return {
        "kind": "reveal", "txid": f"{interval}/reveal/{home}/{n}", "interval": interval, "account": home,
        "orders": [list(order) for order in orders], "salt": SALT, "time_s": 900 * (interval + 1) - 50,
    } | changes  # fmt: skip


def mint(interval: int, home: str, energy: int, certificate: str = "rec", **changes: Any) -> Entry:
    return {
        "kind": "mint", "txid": f"{interval}/mint/{certificate}/{home}", "interval": interval, "account": home,
        "meter": home, "vintage": interval, "reading": f"{interval}/reading/{home}", "certificate": certificate,
        "energy_ukwh": energy, "amount": energy if certificate == "rec" else energy * 400_000 // KWH,
    } | changes  # fmt: skip


def retire(interval: int, home: str, asset: str, amount: int, n: int = 0) -> Entry:
    return {
        "kind": "retire", "txid": f"{interval}/retire/{n}", "interval": interval, "account": home, "asset": asset,
        "amount": amount, "beneficiary": "Ann", "period": "2026",
    }  # fmt: skip


def transfer(interval: int, sender: str, receiver: str, asset: str, amount: int, n: int = 0) -> Entry:
    return {
        "kind": "transfer", "txid": f"{interval}/transfer/{n}", "interval": interval, "sender": sender,
        "receiver": receiver, "asset": asset, "amount": amount,
    }  # fmt: skip
