"""The writer of a ledger: one interval is one transaction, one batch of entries and one signed checkpoint.

All of an interval is written or nothing. Whoever sends the same interval again gets ``"exists"``; other content for it
is refused, and so is a writer that did not see what another one has written meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

from gridbazaar.market.ledger.log import store
from gridbazaar.market.ledger.log.canonical import LARGEST, CanonicalError, Entry, canonical
from gridbazaar.market.ledger.log.keys import Signer
from gridbazaar.market.ledger.log.merkle import Tree, leaf_hash
from gridbazaar.market.ledger.log.note import Checkpoint
from gridbazaar.market.ledger.log.proofs import prove_inclusion
from gridbazaar.market.ledger.verify import Replay, Rules, check, rules

_MOST_NAMED = 10


class LedgerError(ValueError):
    """A ledger that cannot be written as asked; nothing of the batch has been."""


class _Row(NamedTuple):
    txid: str
    body: bytes
    leaf: bytes


class Ledger:
    """An open ledger; use it as a context manager, or close it."""

    def __init__(self, db: sqlite3.Connection, signer: Signer, origin: str, books: Replay, tree: Tree) -> None:
        self._db, self._signer, self._origin = db, signer, origin
        self._books, self._tree = books, tree
        self._last = self._stored_last()

    @classmethod
    def open(
        cls,
        path: Path | str,
        signer: Signer,
        origin: str,
        *,
        by: Rules | None = None,
        timeout_s: float = 5.0,
    ) -> Ledger:
        """Open a file, or begin one; all its entries are replayed, and one that is not sound is refused.

        Args:
            path: the file; its folder must exist.
            signer: the operator's key.
            origin: the name of the log, which every checkpoint bears.
            by: the rules that entries are held to; those of this project unless given.
            timeout_s: how long to wait for another writer.
        """
        db = store.connect_to_write(Path(path), timeout_s)
        try:
            report = check(store.contents_of(db), signer.public_key, origin, by=by or rules())
            if report.findings:
                raise LedgerError(
                    f"{path} is not sound, so nothing can be added ({len(report.findings)} findings; the first: "
                    f"{report.findings[0]}); see gridbazaar ledger verify"
                )
            return cls(db, signer, origin, report.books, report.tree)
        except sqlite3.Error as error:
            db.close()
            raise store.UnreadableError(f"{path} cannot be read: {error}") from error
        except BaseException:
            db.close()
            raise

    def commit(self, interval: int, entries: Sequence[Entry]) -> Literal["created", "exists"]:
        """Add one interval, whole; intervals come in rising order, with gaps if need be.

        Raises ``LedgerError``, with nothing written, if an entry is refused (all refused ones are named), the interval
        lies before the last one or has other content, another writer was quicker, or the disk does not take it.
        """
        if type(interval) is not int or not 0 <= interval <= LARGEST:
            raise LedgerError(f"interval is {interval!r}, expected an integer from 0 to 2**53 - 1")
        if not entries:
            raise LedgerError(f"interval {interval} has no entries, expected at least one")
        rows = _rows(interval, entries)
        if self._last is not None and interval <= self._last.interval:
            return self._again(interval, rows)

        self._books.begin()
        try:
            self._replay(interval, entries)
            tree = self._tree.copy()
            for row in rows:
                tree.append(row.leaf)
            note = Checkpoint(self._origin, tree.size, tree.root(), interval).signed(self._signer)
            self._write(interval, rows, store.Stamp(tree.size, interval, note))
        except BaseException:
            self._books.rollback()
            raise
        self._tree, self._last = tree, store.Stamp(tree.size, interval, note)
        return "created"

    def balance(self, account: str, asset: str) -> int:
        """Give what an account holds; 0 if the two never met."""
        return self._books.balances.get((account, asset), 0)

    @property
    def checkpoint(self) -> str | None:
        """The last signed checkpoint; keep a copy where the operator cannot reach it."""
        return None if self._last is None else self._last.note

    def prove(self, txid: str) -> str:
        """Give a file which shows that a transaction is in the log, checkable without the database."""
        return prove_inclusion(store.contents_of(self._db), txid)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _replay(self, interval: int, entries: Sequence[Entry]) -> None:
        faults = []
        for i, entry in enumerate(entries):
            try:
                self._books.apply(interval, entry)
            except ValueError as error:
                faults.append(_named(i, entry, error))
        _refuse(interval, faults)
        try:
            self._books.close(interval)
        except ValueError as error:
            raise LedgerError(f"interval {interval}: refused at its end: {error}; nothing was written") from error

    def _again(self, interval: int, rows: Sequence[_Row]) -> Literal["exists"]:
        query = "SELECT body FROM entry WHERE interval = ? ORDER BY seq"
        stored = [body for (body,) in self._db.execute(query, (interval,))]
        if not stored:
            assert self._last is not None
            raise LedgerError(f"interval {interval} lies before the last one, {self._last.interval}; it is closed")
        if stored != [row.body for row in rows]:
            raise LedgerError(f"interval {interval} is closed with other content; send a correction in a new interval")
        return "exists"

    def _write(self, interval: int, rows: Sequence[_Row], stamp: store.Stamp) -> None:
        db, first = self._db, self._tree.size
        try:
            db.execute("BEGIN IMMEDIATE")
            self._refuse_if_stale()
            self._refuse_known(interval, rows)
            db.executemany(
                "INSERT INTO entry VALUES (?, ?, ?, ?, ?)",
                [(first + i, row.txid, interval, row.body, row.leaf) for i, row in enumerate(rows)],
            )
            self._write_balances()
            db.execute("INSERT INTO checkpoint VALUES (?, ?, ?)", stamp)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise LedgerError(f"interval {interval}: nothing was written: {error}") from error
        finally:
            # A full disk rolls back by itself; rolling back once more would raise and hide the cause.
            if db.in_transaction:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")

    def _write_balances(self) -> None:
        rows = [(*key, self._books.balances.get(key, 0)) for key in sorted(self._books.changed)]
        self._db.executemany(
            "INSERT INTO balance VALUES (?, ?, ?) ON CONFLICT(account, asset) DO UPDATE SET amount = excluded.amount",
            [row for row in rows if row[2]],
        )
        self._db.executemany(
            "DELETE FROM balance WHERE account = ? AND asset = ?", [row[:2] for row in rows if not row[2]]
        )

    def _refuse_if_stale(self) -> None:
        if self._stored_last() != self._last:
            raise LedgerError("another writer has added to the ledger; open it again")

    def _refuse_known(self, interval: int, rows: Sequence[_Row]) -> None:
        find = "SELECT seq, interval FROM entry WHERE txid = ?"
        known = [(i, row, self._db.execute(find, (row.txid,)).fetchone()) for i, row in enumerate(rows)]
        _refuse(
            interval,
            [
                f"entry {i}: txid {row.txid!r} is that of entry {found[0]} in interval {found[1]}"
                for i, row, found in known
                if found is not None
            ],
        )

    def _stored_last(self) -> store.Stamp | None:
        row = self._db.execute("SELECT size, interval, note FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
        return None if row is None else store.Stamp(*row)


def _rows(interval: int, entries: Sequence[Entry]) -> list[_Row]:
    """Write the entries as they will stand in the file."""
    rows: list[_Row] = []
    faults: list[str] = []
    seen: dict[str, int] = {}
    for i, entry in enumerate(entries):
        try:
            if type(entry) is not dict:
                raise CanonicalError(f"entry is {entry!r}, expected a dict")
            body = canonical(entry)
            txid = entry.get("txid")
            if type(txid) is not str or not 0 < len(txid) <= 200 or not txid.isprintable():
                raise CanonicalError(f"txid is {txid!r}, expected 1 to 200 printable characters")
            if txid in seen:
                raise CanonicalError(f"txid {txid!r} is that of entry {seen[txid]}")
        except CanonicalError as error:
            faults.append(_named(i, entry, error))
            continue
        seen[txid] = i
        rows.append(_Row(txid, body, leaf_hash(body)))
    _refuse(interval, faults)
    return rows


def _named(i: int, entry: object, error: ValueError) -> str:
    kind = entry.get("kind") if isinstance(entry, dict) else None
    return f"entry {i} ({kind}): {error}" if isinstance(kind, str) else f"entry {i}: {error}"


def _refuse(interval: int, faults: Sequence[str]) -> None:
    if faults:
        more = [f"and {len(faults) - _MOST_NAMED} more"] if len(faults) > _MOST_NAMED else []
        named = "\n  ".join([*faults[:_MOST_NAMED], *more])
        raise LedgerError(f"interval {interval}: nothing was written, entries are refused\n  {named}")
