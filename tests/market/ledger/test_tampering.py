"""What somebody might do to a ledger file, and that the check names it (numbers: the list of threats)."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.ledger.log.canonical import Entry, canonical, parse
from gridbazaar.market.ledger.log.keys import Signer
from gridbazaar.market.ledger.log.merkle import Tree, leaf_hash
from gridbazaar.market.ledger.log.note import Checkpoint
from gridbazaar.market.ledger.log.store import Contents, Record, Stamp, UnreadableError
from gridbazaar.market.ledger.verify import check
from gridbazaar.market.ledger.writer import Ledger
from tests.market.ledger.fakes import OPERATOR, ORIGIN, RULES, CashBooks, batch, edit, found, open_ledger, pay

INTERVALS, PER_INTERVAL = 6, 5
THIRD = slice(10, 15)
"""Entries of interval 2."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "village.db"
    with open_ledger(path) as ledger:
        for interval in range(INTERVALS):
            ledger.commit(interval, batch(interval, PER_INTERVAL))
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sound, tmp_path))


def notes(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [note for (note,) in db.execute("SELECT note FROM checkpoint ORDER BY size")]


def entry_at(path: Path, seq: int) -> Entry:
    with closing(sqlite3.connect(path)) as db:
        return parse(db.execute("SELECT body FROM entry WHERE seq = ?", (seq,)).fetchone()[0])


def put(path: Path, seq: int, entry: Entry | bytes, *, rehash: bool) -> None:
    """Put another body in place of one, with or without its hash."""
    body = entry if isinstance(entry, bytes) else canonical(entry)
    edit(path, ("UPDATE entry SET body = ? WHERE seq = ?", (body, seq)))
    if rehash:
        edit(path, ("UPDATE entry SET leaf = ? WHERE seq = ?", (leaf_hash(body), seq)))


def write_anew(
    path: Path, change: Callable[[int, list[Entry]], list[Entry]], signer: Signer, origin: str = ORIGIN
) -> None:
    """Write a file from its first entry, as its operator could."""
    path.unlink()
    with Ledger.open(path, signer, origin, by=RULES) as ledger:
        for interval in range(INTERVALS):
            ledger.commit(interval, change(interval, batch(interval, PER_INTERVAL)))


def only(found: list[str], start: str) -> bool:
    """Whether there is one finding about entries or intervals, and it begins so; balances may follow from it."""
    return len([line for line in found if not line.startswith("balance of ")]) == 1 and found[0].startswith(start)


def test_nothing_is_found_where_nothing_was_done(path: Path) -> None:
    assert found(path, tuple(notes(path))) == []


def test_1_a_changed_payment_is_named(path: Path) -> None:
    put(path, 12, entry_at(path, 12) | {"amount": 9}, rehash=False)
    lines = found(path)
    assert only(lines, "entry 12, transaction t-2-1, interval 2: the body was changed")
    assert "balance of 'ann' in 'cash' is 29724, the entries give 29726" in lines


def test_2_a_changed_payment_with_its_hash_shows_in_the_root_of_its_interval(path: Path) -> None:
    put(path, 12, entry_at(path, 12) | {"amount": 9}, rehash=True)
    lines = found(path)
    assert lines[0] == "interval 2: entries 10 to 14 do not have the signed root"
    assert lines[1] == "3 later checkpoints do not fit either, as their roots hold all entries before"


def test_2_a_changed_payment_that_nobody_could_make_is_named_by_the_books(path: Path) -> None:
    put(path, 12, entry_at(path, 12) | {"amount": 10**9}, rehash=True)
    lines = found(path)
    assert lines[0] == "entry 12, transaction t-2-1, interval 2: refused: payer 'ann' has less than 1000000000"
    assert lines[1] == "interval 2: entries 10 to 14 do not have the signed root"


def test_3_another_payee_shows_in_the_root(path: Path) -> None:
    put(path, 12, entry_at(path, 12) | {"payee": "eva"}, rehash=True)
    lines = found(path)
    assert lines[0] == "interval 2: entries 10 to 14 do not have the signed root"
    assert any(line.startswith("balance of 'eva' in 'cash'") for line in lines)


def test_4_a_deleted_entry_leaves_a_gap(path: Path) -> None:
    edit(path, "DELETE FROM entry WHERE seq = 12")
    assert found(path)[0] == "expected entry 12, found entry 13: what lay between is missing"
    edit(path, "DELETE FROM entry WHERE seq = 0")
    assert found(path)[0].startswith("expected entry 0, found entry 1")


def test_5_a_deleted_entry_and_new_numbers_show_in_the_root(path: Path) -> None:
    edit(
        path,
        "DELETE FROM entry WHERE seq = 12",
        *[f"UPDATE entry SET seq = {s - 1} WHERE seq = {s}" for s in range(13, 30)],
    )
    lines = found(path)
    assert "interval 2: entries 10 to 14 do not have the signed root" in lines
    assert "interval 5: entries 29 to 29 are missing" in lines
    assert "entry 14, transaction f-3, interval 2: the entry is filed under interval 3" in lines


def test_6_two_entries_in_another_order_show_in_the_root(path: Path) -> None:
    edit(path, *[f"UPDATE entry SET seq = {to} WHERE seq = {of}" for of, to in ((11, 99), (12, 11), (99, 12))])
    assert only(found(path)[:1], "interval 2: entries 10 to 14 do not have the signed root")


def test_7_the_last_entries_cut_off_are_missed(path: Path) -> None:
    edit(path, "DELETE FROM entry WHERE seq >= 25")
    assert found(path)[0] == "interval 5: entries 25 to 29 are missing"
    edit(path, "DELETE FROM checkpoint WHERE interval = 4")
    assert "interval 5: entries 20 to 29 are missing" not in found(path)
    assert found(path)[0].startswith("entry 20, transaction f-4, interval 5: the entry is filed under interval 4")


def rolled_back(path: Path) -> None:
    """The last two intervals gone with everything that told of them."""
    edit(
        path,
        "DELETE FROM entry WHERE interval >= 4",
        "DELETE FROM checkpoint WHERE interval >= 4",
        "DELETE FROM balance",
    )
    books = CashBooks()
    for interval in range(4):
        for entry in batch(interval, PER_INTERVAL):
            books.apply(interval, entry)
    for (account, asset), amount in books.balances.items():
        edit(path, ("INSERT INTO balance VALUES (?, ?, ?)", (account, asset, amount)))


def test_8_a_clean_rollback_passes_alone_and_is_found_with_a_checkpoint_kept_elsewhere(path: Path) -> None:
    kept = notes(path)
    rolled_back(path)
    assert found(path) == []
    assert found(path, tuple(kept[:4])) == []
    for line, interval in zip(found(path, tuple(kept)), (4, 5), strict=True):
        size = PER_INTERVAL * (interval + 1)
        assert line == f"interval {interval}: the trusted checkpoint has {size} entries, the file 20: it was cut"


def test_9_checkpoints_signed_with_another_key_are_refused_one_by_one(path: Path) -> None:
    write_anew(path, lambda interval, entries: entries, Signer(b"\x66" * 32))
    assert found(path) == [f"interval {i}: checkpoint is not signed with the given key" for i in range(INTERVALS)]


def test_10_a_log_rewritten_by_its_operator_passes_alone_and_is_found_with_a_checkpoint(path: Path) -> None:
    kept = notes(path)
    write_anew(
        path,
        lambda i, entries: [*entries[:2], entries[2] | {"amount": 9}, *entries[3:]] if i == 2 else entries,
        OPERATOR,
    )
    assert found(path) == []
    assert found(path, (kept[1],)) == []
    assert found(path, (kept[3],)) == ["interval 3: the first 20 entries are not those of the trusted checkpoint"]
    other = notes(path)[3]
    assert len(found(path, (kept[3], other))) == 1, "two checkpoints of one size: the operator showed two logs"


def test_11_an_edited_balance_is_named(path: Path) -> None:
    edit(path, "UPDATE balance SET amount = amount + 1000 WHERE account = 'bob'")
    assert found(path) == ["balance of 'bob' in 'cash' is 1060, the entries give 60"]
    edit(path, "DELETE FROM balance WHERE account = 'bob'", "INSERT INTO balance VALUES ('mallory', 'cash', 5)")
    assert found(path) == [
        "balance of 'bob' in 'cash' is 0, the entries give 60",
        "balance of 'mallory' in 'cash' is 5, the entries give 0",
    ]


def test_12_two_edited_balances_of_the_same_sum_are_named(path: Path) -> None:
    edit(path, "UPDATE balance SET amount = amount + 7 WHERE account = 'bob'",
         "UPDATE balance SET amount = amount - 7 WHERE account = 'cem'")  # fmt: skip
    assert [line.split(" is ")[0] for line in found(path)] == [
        "balance of 'bob' in 'cash'",
        "balance of 'cem' in 'cash'",
    ]


def append(path: Path, seq: int, entry: Entry, interval: int) -> None:
    body = canonical(entry)
    row = (seq, entry["txid"], interval, body, leaf_hash(body))
    edit(path, ("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", row))


def test_13_an_unsigned_tail_is_named(path: Path) -> None:
    append(path, 30, pay("tail", "bank", "mallory", 5), 6)
    append(path, 31, pay("tail2", "bank", "mallory", 5), 6)
    assert only(found(path), "entries 30 to 31 have no checkpoint")


def test_14_a_changed_transaction_column_is_named(path: Path) -> None:
    edit(path, "UPDATE entry SET txid = 'other' WHERE seq = 12")
    assert found(path) == ["entry 12, transaction other, interval 2: the body names transaction 't-2-1'"]


def test_14_a_changed_interval_column_is_named(path: Path) -> None:
    edit(path, "UPDATE entry SET interval = 4 WHERE seq = 12")
    assert found(path) == ["entry 12, transaction t-2-1, interval 2: the entry is filed under interval 4"]


def test_14_an_interval_renamed_everywhere_is_not_the_signed_one(path: Path) -> None:
    edit(
        path,
        "UPDATE entry SET interval = 9 WHERE interval = 5",
        "UPDATE checkpoint SET interval = 9 WHERE interval = 5",
    )
    assert found(path) == ["interval 9: the checkpoint filed for 30 entries is signed for 30 entries and interval 5"]


def test_14_a_checkpoint_filed_for_another_size_is_named(path: Path) -> None:
    edit(path, "UPDATE checkpoint SET size = 14 WHERE interval = 2")
    assert "interval 2: the checkpoint filed for 14 entries is signed for 15 entries and interval 2" in found(path)


def test_14_a_changed_leaf_column_is_told_from_a_changed_body(path: Path) -> None:
    edit(path, ("UPDATE entry SET leaf = ? WHERE seq = 12", (bytes(32),)))
    assert found(path) == [
        "entry 12, transaction t-2-1, interval 2: the stored hash was changed: body and stored hash do not fit"
    ]


def test_15_other_bytes_of_the_same_value_are_named(path: Path) -> None:
    body = canonical(entry_at(path, 12))
    for other in (body.replace(b":", b": ", 1), body[:-1] + b',"txid":"t-2-1"}', body.replace(b"ann", b"\\u0061nn")):
        put(path, 12, other, rehash=True)
        lines = found(path)
        assert lines[0].startswith("entry 12, transaction t-2-1, interval 2: body is not canonical")
        assert lines[1] == "interval 2: entries 10 to 14 do not have the signed root"


def test_16_a_flipped_bit_is_found_wherever_it_lies(sound: Path, path: Path) -> None:
    """In a page that holds nothing (or text that is not read) it changes nothing; the contents are compared."""
    whole = sound.read_bytes()
    rng, unseen = np.random.default_rng(16), 0
    for at, bit in zip(rng.integers(0, len(whole), 150).tolist(), rng.integers(0, 8, 150).tolist(), strict=True):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        try:
            lines = found(path)
        except UnreadableError:
            continue
        unseen += not lines
        assert lines or contents(path) == contents(sound), f"byte {at}, bit {bit}"
    assert unseen < 150


def contents(path: Path) -> list[Any]:
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as db:
        return [
            db.execute(f"SELECT * FROM {table} NOT INDEXED").fetchall() for table in ("entry", "checkpoint", "balance")
        ]


@pytest.mark.parametrize("share", [0.02, 0.25, 0.5, 0.75])
def test_17_a_file_cut_short_is_unreadable(sound: Path, path: Path, share: float) -> None:
    whole = sound.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UnreadableError, match="cannot be read"):
        found(path)


def test_17_a_file_that_lacks_its_last_bytes_is_not_sound(sound: Path, path: Path) -> None:
    path.write_bytes(sound.read_bytes()[:-400])
    assert found(path)


HOSTILE = [
    b"[" * 60_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b'{"amount":' + b"9" * 5000 + b"}",
    b'{"kind":"pay","kind":"pay"}',
    b"\xff\xfe",
    b"",
    b"x" * 100_000,
    b'{"txid":{"a":[1]}}',
    b'{"amount":1,"kind":"pay","payee":[],"payer":{},"txid":5}',
    b'{"txid":"\\u0000"}',
]


@pytest.mark.parametrize("body", HOSTILE)
@pytest.mark.parametrize("rehash", [False, True])
def test_19_a_hostile_body_is_a_finding_of_its_entry(path: Path, body: bytes, rehash: bool) -> None:
    put(path, 12, body, rehash=rehash)
    assert any(line.startswith("entry 12, transaction t-2-1, interval 2: ") for line in found(path))


@pytest.mark.parametrize("column", ["txid", "interval", "body", "leaf"])
@pytest.mark.parametrize("value", [b"\xff\x00", "\x00", 5, -1.5, 2**62, "x" * 100_000])
def test_19_a_column_of_another_kind_is_a_finding(path: Path, column: str, value: Any) -> None:
    edit(path, (f"UPDATE entry SET {column} = ? WHERE seq = 12", (value,)))
    assert "entry 12" in found(path)[0]
    edit(path, ("UPDATE entry SET txid = CAST(x'ff' AS TEXT) WHERE seq = 13", ()))
    assert any(line.startswith("entry 13, transaction \ufffd") for line in found(path))


@pytest.mark.parametrize("value", [b"\xff\x00", "\x00", "log\n1\n", "x" * 100_000, 5, "\u2014 a b\n\n\u2014 a b\n"])
def test_19_a_hostile_checkpoint_is_a_finding_of_its_interval(path: Path, value: Any) -> None:
    edit(path, ("UPDATE checkpoint SET note = ? WHERE interval = 2", (value,)))
    assert found(path)[0].startswith("interval 2: expected a")


@pytest.mark.parametrize("statement", [
    "UPDATE entry SET seq = -9 WHERE seq = 12", "UPDATE entry SET seq = 9223372036854775807 WHERE seq = 29",
    "UPDATE checkpoint SET size = -9 WHERE size = 15", "UPDATE checkpoint SET size = 1 << 62 WHERE size = 15",
    "UPDATE checkpoint SET interval = -2 WHERE size = 15", "UPDATE checkpoint SET interval = 'x' WHERE size = 15",
    "UPDATE balance SET amount = 'x'", "UPDATE balance SET amount = 1.5",
    "UPDATE balance SET account = x'ff' WHERE account = 'bob'", "INSERT INTO balance VALUES (x'626f62', 'cash', 60)",
    "UPDATE balance SET asset = x'63617368' WHERE account = 'bob'",
    "DELETE FROM checkpoint", "DELETE FROM entry", "DELETE FROM balance",
])  # fmt: skip
def test_19_hostile_numbers_are_findings(path: Path, statement: str) -> None:
    edit(path, statement)
    assert found(path)


@pytest.mark.parametrize("statement", [
    "DROP TABLE balance", "CREATE TABLE extra(a)", "CREATE VIEW v AS SELECT * FROM entry", "PRAGMA user_version = 2",
    "CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM balance; END", "PRAGMA application_id = 7",
    "DROP INDEX entry_interval", "ALTER TABLE entry RENAME TO item",
])  # fmt: skip
def test_19_tables_that_are_not_ours_are_refused(path: Path, statement: str) -> None:
    edit(path, statement)
    with pytest.raises(UnreadableError, match="no ledger"):
        found(path)


def test_19_a_view_without_end_is_not_looked_at(path: Path) -> None:
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) SELECT i AS seq, '' AS txid, 0 AS interval"
    )
    edit(path, "DROP TABLE entry", f"CREATE VIEW entry AS {endless}, x'' AS body, x'' AS leaf FROM n")
    with pytest.raises(UnreadableError, match="no ledger"):
        found(path)


def test_20_the_name_of_the_log_is_not_taken_from_the_file(path: Path) -> None:
    write_anew(path, lambda interval, entries: entries, OPERATOR, "elsewhere")
    line = f"checkpoint is of log 'elsewhere', expected '{ORIGIN}'"
    assert found(path) == [f"interval {i}: {line}" for i in range(INTERVALS)]


def test_an_entry_said_twice_is_found_even_if_its_operator_signed_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table forbids it, an export does not; here the second stands under another name in the table."""
    monkeypatch.setattr(Ledger, "_refuse_known", lambda *_: None)
    with open_ledger(path) as ledger:
        edit(path, "UPDATE entry SET txid = 'hidden' WHERE seq = 12")
        ledger.commit(6, [pay("t-2-1", "bank", "bob", 3)])
    assert "entry 30, transaction t-2-1, interval 6: the transaction stands in the log twice" in found(path)


def test_70_an_interval_that_goes_back_is_found_even_if_its_operator_signed_it() -> None:
    bodies, tree, stamps, records = [canonical(pay(f"t{i}", "bank", "ann", 5)) for i in range(3)], Tree(), [], []
    for seq, (body, interval) in enumerate(zip(bodies, (3, 2, 2), strict=True)):
        tree.append(leaf_hash(body))
        stamps.append(Stamp(seq + 1, interval, Checkpoint(ORIGIN, seq + 1, tree.root(), interval).signed(OPERATOR)))
        records.append(Record(seq, f"t{seq}".encode(), interval, body, leaf_hash(body)))
    report = check(Contents(iter(records), stamps, None), OPERATOR.public_key, ORIGIN, by=RULES)
    assert [str(f) for f in report.findings] == [
        "interval 2: the interval follows interval 3",
        "interval 2: the interval follows interval 2",
    ]


def test_what_is_no_ledger_is_unreadable(tmp_path: Path) -> None:
    letter, empty, other = tmp_path / "letter", tmp_path / "empty", tmp_path / "other.db"
    letter.write_bytes(b"Dear operator")
    empty.write_bytes(b"")
    edit(other, "CREATE TABLE customer(name TEXT)")
    for file, why in [(letter, "no SQLite"), (empty, "no SQLite"), (other, "no ledger"), (tmp_path, "is a folder"),
                      (tmp_path / "none", "does not exist")]:  # fmt: skip
        with pytest.raises(UnreadableError, match=why):
            found(file)


def test_a_check_leaves_no_trace(path: Path) -> None:
    path.parent.chmod(0o500)
    try:
        assert found(path) == []
        assert [file.name for file in path.parent.iterdir()] == [path.name]
    finally:
        path.parent.chmod(0o700)


def test_a_ledger_is_checked_while_somebody_writes(path: Path) -> None:
    with open_ledger(path) as ledger:
        ledger.commit(6, batch(6))
        assert path.with_name(path.name + "-wal").stat().st_size > 0
        assert found(path, (ledger.checkpoint or "",)) == []
