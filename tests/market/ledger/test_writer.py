"""Writing a ledger: whole intervals or nothing, the same again is no harm, and nobody forks the log."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from gridbazaar.market.ledger.log.canonical import parse
from gridbazaar.market.ledger.log.keys import Signer
from gridbazaar.market.ledger.log.merkle import leaf_hash, root_of
from gridbazaar.market.ledger.log.note import Checkpoint
from gridbazaar.market.ledger.log.proofs import Included, check_proof
from gridbazaar.market.ledger.log.store import UnreadableError
from gridbazaar.market.ledger.writer import Ledger, LedgerError
from tests.market.ledger.fakes import OPERATOR, ORIGIN, RULES, batch, edit, found, open_ledger, pay


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "village.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with open_ledger(path) as ledger:
        yield ledger


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def test_an_interval_is_written_with_its_checkpoint_and_balances(ledger: Ledger, path: Path) -> None:
    entries = batch(0)
    assert ledger.commit(0, entries) == "created"
    stored = rows(path, "SELECT seq, txid, interval, body, leaf FROM entry ORDER BY seq")
    assert [row[:3] for row in stored] == [(i, e["txid"], 0) for i, e in enumerate(entries)]
    assert [row[3] for row in stored] == [rfc8785.dumps(e) for e in entries]
    assert [parse(row[3]) for row in stored] == entries
    assert [row[4] for row in stored] == [leaf_hash(row[3]) for row in stored]
    assert ledger.checkpoint is not None
    checkpoint = Checkpoint.open(ledger.checkpoint, OPERATOR.public_key, ORIGIN)
    assert checkpoint == Checkpoint(ORIGIN, 5, root_of([row[4] for row in stored]), 0)
    assert rows(path, "SELECT * FROM checkpoint") == [(5, 0, ledger.checkpoint)]
    balances = {(account, asset): amount for account, asset, amount in rows(path, "SELECT * FROM balance")}
    assert balances == {key: amount for key, amount in ledger._books.balances.items() if amount}
    assert ledger.balance("bob", "cash") == balances["bob", "cash"] == 10
    assert ledger.balance("nobody", "cash") == 0
    assert found(path) == []


def test_the_file_is_written_through_to_the_disk(ledger: Ledger, path: Path) -> None:
    assert rows(path, "PRAGMA journal_mode") == [("wal",)]
    assert ledger._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert rows(path, "PRAGMA user_version") == [(1,)]


def test_a_balance_that_becomes_zero_leaves_the_table(ledger: Ledger, path: Path) -> None:
    ledger.commit(0, [pay("a", "bank", "ann", 5)])
    ledger.commit(1, [pay("b", "ann", "bank", 5)])
    assert rows(path, "SELECT * FROM balance") == []
    assert found(path) == []


def test_the_same_interval_again_is_no_harm(ledger: Ledger, path: Path) -> None:
    for interval in range(3):
        assert ledger.commit(interval, batch(interval)) == "created"
    before = path.with_name(path.name + "-wal").read_bytes()
    for interval in range(3):
        assert ledger.commit(interval, batch(interval)) == "exists"
    assert path.with_name(path.name + "-wal").read_bytes() == before
    assert found(path) == []


def test_a_closed_interval_takes_no_other_content(ledger: Ledger) -> None:
    ledger.commit(0, batch(0))
    ledger.commit(2, batch(2))
    for other in (batch(0)[:-1], [*batch(0), pay("x", "ann", "bob", 1)], list(reversed(batch(0)))):
        with pytest.raises(LedgerError, match="interval 0 is closed with other content"):
            ledger.commit(0, other)
    with pytest.raises(LedgerError, match="interval 1 lies before the last one, 2"):
        ledger.commit(1, batch(1))


@pytest.mark.parametrize("interval", [-1, 2**53, 1.0, True, "3", None])
def test_an_interval_is_a_whole_number(ledger: Ledger, interval: Any) -> None:
    with pytest.raises(LedgerError, match="expected an integer from 0"):
        ledger.commit(interval, batch(0))


def test_an_interval_without_entries_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="expected at least one"):
        ledger.commit(0, [])


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (pay("x", "ann", "bob", -5), "amount is -5"),
        (pay("x", "ann", "bob", 0), "amount is 0"),
        (pay("x", "ann", "bob", True), "amount is True"),
        (pay("x", "ann", "bob", "10"), "amount is '10'"),  # type: ignore[arg-type]
        (pay("x", "ann", "bob", 1.5), r"amount is 1.5 \(float\)"),  # type: ignore[arg-type]
        (pay("x", "ann", "bob", float("nan")), "amount is nan"),  # type: ignore[arg-type]
        (pay("x", "ann", "bob", float("inf")), "amount is inf"),  # type: ignore[arg-type]
        (pay("x", "ann", "bob", 2**53), "amount is 9007199254740992, expected less than 2"),
        (pay("x", "ann", "bob", 2**63), "amount is 9223372036854775808"),
        (pay("x", "ann", "bob", 10**9), "payer 'ann' has less than 1000000000"),
        (pay("t-1-1", "ann", "bob", 1), "txid 't-1-1' is that of entry 2"),
        (pay("", "ann", "bob", 1), "txid is '', expected 1 to 200"),
        (pay("a\nb", "ann", "bob", 1), "printable"),
        (pay("x" * 201, "ann", "bob", 1), "expected 1 to 200"),
        ({"kind": "pay"}, "txid is None"),
        ({"kind": "steal", "txid": "x"}, "kind is 'steal'"),
        (["pay"], r"entry is \['pay'\], expected a dict"),
    ],
)
def test_one_bad_entry_voids_the_batch_and_is_named(ledger: Ledger, path: Path, entry: Any, why: str) -> None:
    ledger.commit(0, batch(0))
    before, balances = rows(path, "SELECT * FROM entry"), dict(ledger._books.balances)
    bad = [*batch(1)[:3], entry, *batch(1)[3:]]
    with pytest.raises(LedgerError, match=r"(?s)interval 1: nothing was written.*entry 3.*" + why):
        ledger.commit(1, bad)
    assert rows(path, "SELECT * FROM entry") == before
    assert {k: v for k, v in ledger._books.balances.items() if v} == {k: v for k, v in balances.items() if v}
    assert ledger.commit(1, batch(1)) == "created"
    assert found(path) == []


def test_all_bad_entries_are_named_at_once(ledger: Ledger) -> None:
    bad = [pay(f"x{i}", "ann", "bob", -i) for i in range(12)]
    with pytest.raises(LedgerError) as refused:
        ledger.commit(0, bad)
    lines = str(refused.value).splitlines()
    assert lines[1].strip() == "entry 0 (pay): amount is 0, expected a positive integer"
    assert len(lines) == 12
    assert lines[-1].strip() == "and 2 more"


def test_a_transaction_stands_in_the_log_once_for_ever(ledger: Ledger) -> None:
    ledger.commit(0, batch(0))
    with pytest.raises(LedgerError, match=r"entry 1: txid 't-0-1' is that of entry 2 in interval 0"):
        ledger.commit(1, [pay("new", "bank", "ann", 5), pay("t-0-1", "bank", "ann", 5)])
    assert ledger.commit(1, batch(1)) == "created"


def test_a_ledger_goes_on_where_it_ended(path: Path) -> None:
    for interval in range(4):
        with open_ledger(path) as ledger:
            assert ledger.commit(interval, batch(interval)) == "created"
            assert interval == 0 or ledger.commit(interval - 1, batch(interval - 1)) == "exists"
    with open_ledger(path.with_name("at_once.db")) as ledger:
        for interval in range(4):
            ledger.commit(interval, batch(interval))
    notes = [rows(p, "SELECT note FROM checkpoint") for p in (path, path.with_name("at_once.db"))]
    assert notes[0] == notes[1]


def test_a_stale_writer_is_refused_and_does_not_fork(ledger: Ledger, path: Path) -> None:
    ledger.commit(0, batch(0))
    with open_ledger(path) as other:
        assert other.commit(1, batch(1)) == "created"
        for interval in (1, 2):
            with pytest.raises(LedgerError, match="another writer has added"):
                ledger.commit(interval, [pay("mine", "bank", "ann", 5)])
        assert other.commit(2, batch(2)) == "created"
    assert ledger.balance("ann", "cash") == 5000 - 10 - 11 - 12 - 13
    with open_ledger(path) as again:
        assert again.commit(3, batch(3)) == "created"
    assert found(path) == []


def test_a_writer_that_holds_the_lock_is_waited_for_and_then_named(path: Path) -> None:
    with open_ledger(path, timeout_s=0.05) as ledger:
        ledger.commit(0, batch(0))
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="nothing was written: database is locked"):
            ledger.commit(1, batch(1))
        holder.execute("ROLLBACK")
        holder.close()
        assert ledger.commit(1, batch(1)) == "created"
    assert found(path) == []


def test_a_full_disk_is_said_and_survived(path: Path) -> None:
    with open_ledger(path) as ledger:
        ledger.commit(0, batch(0))
        (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
        ledger._db.execute(f"PRAGMA max_page_count = {pages + 3}")
        with pytest.raises(LedgerError, match="interval 1: nothing was written: database or disk is full"):
            ledger.commit(1, batch(1, 800))
        assert found(path) == []
        ledger._db.execute("PRAGMA max_page_count = 100000")
        assert ledger.commit(1, batch(1, 800)) == "created"
    assert found(path) == []


def test_a_file_that_is_not_sound_takes_nothing_more(path: Path) -> None:
    with open_ledger(path) as ledger:
        ledger.commit(0, batch(0))
    edit(path, "UPDATE balance SET amount = amount + 1 WHERE account = 'bob'")
    with pytest.raises(LedgerError, match=r"not sound, so nothing can be added \(1 findings; the first: balance of"):
        open_ledger(path)


@pytest.mark.parametrize(("signer", "origin"), [(Signer(b"\x09" * 32), ORIGIN), (OPERATOR, "elsewhere")])
def test_another_operator_cannot_go_on_with_it(path: Path, signer: Signer, origin: str) -> None:
    with open_ledger(path) as ledger:
        ledger.commit(0, batch(0))
    with pytest.raises(LedgerError, match="not sound"):
        Ledger.open(path, signer, origin, by=RULES)


def test_what_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    text, other = tmp_path / "letter.txt", tmp_path / "other.db"
    text.write_text("Dear operator")
    edit(other, "CREATE TABLE customer(name TEXT)")
    before = text.read_bytes(), other.read_bytes()
    for path, why in [
        (text, "is no SQLite database"),
        (other, "is a database, but no ledger"),
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "a.db", "is no folder; make it first"),
    ]:
        with pytest.raises(UnreadableError, match=why):
            open_ledger(path)
    assert (text.read_bytes(), other.read_bytes()) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where it likes")
def test_a_file_that_may_not_be_written_is_said(path: Path) -> None:
    with open_ledger(path) as ledger:
        ledger.commit(0, batch(0))
    path.chmod(0o400)
    with pytest.raises(UnreadableError, match="cannot be opened for writing"):
        open_ledger(path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody can write")
def test_a_folder_that_takes_no_file_is_said() -> None:
    with pytest.raises(UnreadableError, match="cannot be opened for writing: unable to open database file"):
        open_ledger(Path("/proc/village.db"))


def test_a_transaction_is_proved_without_the_file(ledger: Ledger) -> None:
    for interval in range(3):
        ledger.commit(interval, batch(interval))
    proof = ledger.prove("t-1-2")
    found = check_proof(proof, OPERATOR.public_key, ORIGIN)
    assert isinstance(found, Included)
    assert (found.entry, found.position) == (batch(1)[3], 8)
    assert (found.checkpoint.size, found.checkpoint.interval) == (15, 2)
