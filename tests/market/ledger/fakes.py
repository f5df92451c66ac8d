"""Small books for tests of the log: money moves between accounts, and nobody but the bank goes below zero."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from gridbazaar.market.ledger.log.canonical import Entry
from gridbazaar.market.ledger.log.keys import Signer
from gridbazaar.market.ledger.verify import Rules, examine
from gridbazaar.market.ledger.writer import Ledger

OPERATOR = Signer(b"\x07" * 32)
ORIGIN = "village.example/2024"


class CashBooks:
    """Replays ``pay`` entries: ``{"kind": "pay", "txid", "payer", "payee", "amount"}``."""

    def __init__(self) -> None:
        self.balances: dict[tuple[str, str], int] = {}
        self._before: dict[tuple[str, str], int] = {}

    @property
    def changed(self) -> Collection[tuple[str, str]]:
        return self._before.keys()

    def begin(self) -> None:
        self._before = {}

    def rollback(self) -> None:
        self.balances.update(self._before)
        self._before = {}

    def apply(self, interval: int, entry: Entry) -> None:
        if entry.get("kind") == "note":
            return
        if entry.get("kind") != "pay":
            raise ValueError(f"kind is {entry.get('kind')!r}, expected pay")
        amount = entry.get("amount")
        if type(amount) is not int or amount <= 0:
            raise ValueError(f"amount is {amount!r}, expected a positive integer")
        payer, payee = str(entry.get("payer")), str(entry.get("payee"))
        if payer != "bank" and self.balances.get((payer, "cash"), 0) < amount:
            raise ValueError(f"payer {payer!r} has less than {amount}")
        for account, delta in ((payer, -amount), (payee, amount)):
            before = self.balances.get((account, "cash"), 0)
            self._before.setdefault((account, "cash"), before)
            self.balances[account, "cash"] = before + delta

    def close(self, interval: int) -> None:
        pass


def _nothing(interval: int, entries: Sequence[Entry]) -> list[str]:
    return []


def no_bus_prices(entries: Sequence[Entry]) -> bool:
    return False


RULES = Rules(CashBooks, _nothing, _nothing, no_bus_prices)


def found(path: Path, trusted: Sequence[str] = ()) -> list[str]:
    """What a check of the operator's file finds."""
    return [str(finding) for finding in examine(path, OPERATOR.public_key, ORIGIN, trusted, by=RULES).findings]


def pay(txid: str, payer: str, payee: str, amount: int) -> Entry:
    """One payment."""
    return {"kind": "pay", "txid": txid, "payer": payer, "payee": payee, "amount": amount}


def batch(interval: int, n: int = 5) -> list[Entry]:
    """Payments of one interval: the bank funds ann, who pays bob and the others."""
    names = ["bob", "cem", "dia", "eva"]
    return [pay(f"f-{interval}", "bank", "ann", 1000 * n)] + [
        pay(f"t-{interval}-{i}", "ann", names[i % 4], 10 + i) for i in range(n - 1)
    ]


def open_ledger(path: Path, *, timeout_s: float = 5.0) -> Ledger:
    """The operator's ledger over small books."""
    return Ledger.open(path, OPERATOR, ORIGIN, by=RULES, timeout_s=timeout_s)


def edit(path: Path, *statements: str | tuple[str, Any]) -> None:
    """Change a file as somebody would who has SQLite and no key."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(*([statement] if isinstance(statement, str) else statement))
