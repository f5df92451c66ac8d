"""The file of a ledger: its tables, how it is opened, and its contents as a checker reads them.

Nothing in the file is believed for standing there: names and types of tables are compared with the ones below, and a
value of another type is read as an empty one, which no later check lets pass.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gridbazaar.market.ledger.log.canonical import MOST_BYTES

SCHEMA = (
    "CREATE TABLE entry(seq INTEGER PRIMARY KEY, txid TEXT NOT NULL UNIQUE, interval INTEGER NOT NULL, "
    "body BLOB NOT NULL, leaf BLOB NOT NULL)",
    "CREATE INDEX entry_interval ON entry(interval)",
    "CREATE TABLE checkpoint(size INTEGER PRIMARY KEY, interval INTEGER NOT NULL UNIQUE, note TEXT NOT NULL)",
    "CREATE TABLE balance(account TEXT, asset TEXT, amount INTEGER NOT NULL, PRIMARY KEY(account, asset)) "
    "WITHOUT ROWID",
)
APPLICATION_ID = int.from_bytes(b"GBzL", "big")
VERSION = 1
_MAGIC = b"SQLite format 3\x00"
_MOST_TEXT = 4096

_ENTRIES = f"""
SELECT seq,
    CASE WHEN typeof(txid) = 'text' AND length(CAST(txid AS BLOB)) <= {_MOST_TEXT} THEN CAST(txid AS BLOB) ELSE x'' END,
    CASE WHEN typeof(interval) = 'integer' THEN interval ELSE -1 END,
    CASE WHEN typeof(body) = 'blob' AND length(body) <= {MOST_BYTES} THEN body ELSE x'' END,
    CASE WHEN typeof(leaf) = 'blob' AND length(leaf) = 32 THEN leaf ELSE x'' END
FROM entry ORDER BY seq"""
_CHECKPOINTS = f"""
SELECT size,
    CASE WHEN typeof(interval) = 'integer' THEN interval ELSE -1 END,
    CASE WHEN typeof(note) = 'text' AND length(CAST(note AS BLOB)) <= {MOST_BYTES} THEN CAST(note AS BLOB) ELSE x'' END
FROM checkpoint ORDER BY size"""
_BALANCES = """
SELECT CASE WHEN typeof(account) = 'text' THEN CAST(account AS BLOB) ELSE CAST(quote(account) AS BLOB) END,
    CASE WHEN typeof(asset) = 'text' THEN CAST(asset AS BLOB) ELSE CAST(quote(asset) AS BLOB) END,
    amount, typeof(amount)
FROM balance"""


class UnreadableError(ValueError):
    """A file that is no ledger, or of which too little is left to say anything about its entries."""


class Record(NamedTuple):
    """One entry as it is stored."""

    seq: int
    txid: bytes | None  # None in an export, where it stands only in the body
    interval: int
    body: bytes | None  # None where an export withholds it
    leaf: bytes


class Stamp(NamedTuple):
    """One checkpoint as it is stored."""

    size: int
    interval: int
    note: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds, nothing checked yet."""

    records: Iterator[Record]
    stamps: list[Stamp]
    balances: Mapping[tuple[str, str], int] | None  # None in an export; it has none


@contextmanager
def reading(path: Path) -> Iterator[Contents]:
    """Give the contents of a ledger, as of one moment even while somebody writes."""
    try:
        with closing(_connect_to_read(path)) as db:
            db.execute("PRAGMA cell_size_check = ON")
            db.execute("BEGIN")
            if not is_ledger(db):
                raise UnreadableError(f"{path} is a database, but no ledger (version {VERSION})")
            yield contents_of(db)
    except (sqlite3.Error, OverflowError) as error:
        raise UnreadableError(f"{path} cannot be read: {error}") from error


def contents_of(db: sqlite3.Connection) -> Contents:
    """Give the contents of an open ledger."""
    stamps = [Stamp(size, interval, note.decode(errors="replace")) for size, interval, note in db.execute(_CHECKPOINTS)]
    balances = {
        (_text(account), _text(asset)): amount if kind == "integer" else -1
        for account, asset, amount, kind in db.execute(_BALANCES)
    }
    return Contents(map(Record._make, db.execute(_ENTRIES)), stamps, balances)


def is_ledger(db: sqlite3.Connection) -> bool:
    """Say whether the tables are those of this version, to the letter; views and triggers are never ours."""
    if _pragma(db, "application_id") != APPLICATION_ID or _pragma(db, "user_version") != VERSION:
        return False
    rows = db.execute("SELECT CAST(sql AS BLOB) FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
    return sorted(_text(sql) for (sql,) in rows) == sorted(SCHEMA)


def is_empty(db: sqlite3.Connection) -> bool:
    """Say whether nothing was ever written, as after a crash before the first table."""
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return not tables and _pragma(db, "application_id") == 0


def connect_to_write(path: Path, timeout_s: float) -> sqlite3.Connection:
    """Open a ledger, or make its tables in a new file; what is another database is left as it is."""
    try:
        _refuse_no_database(path, may_be_new=True)
        db = sqlite3.connect(path, timeout=timeout_s, isolation_level=None)
        try:
            if not is_empty(db) and not is_ledger(db):
                raise UnreadableError(f"{path} is a database, but no ledger (version {VERSION})")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            if is_empty(db):
                _create(db)
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as error:
        raise UnreadableError(f"{path} cannot be opened for writing: {error}") from error
    return db


def _create(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    if is_empty(db):  # nobody was quicker
        for statement in SCHEMA:
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """Where no writer left a journal, nothing beside the file is touched, so that read-only folders will do."""
    _refuse_no_database(path, may_be_new=False)
    journal = path.with_name(path.name + "-wal")
    is_quiet = not journal.exists() or journal.stat().st_size == 0
    options = "mode=ro&immutable=1" if is_quiet else "mode=ro"
    return sqlite3.connect(f"{path.resolve().as_uri()}?{options}", uri=True, isolation_level=None)


def _refuse_no_database(path: Path, *, may_be_new: bool) -> None:
    if path.is_dir():
        raise UnreadableError(f"{path} is a folder, expected a ledger file")
    if not path.exists():
        if not may_be_new:
            raise UnreadableError(f"{path} does not exist")
        if not path.parent.is_dir():
            raise UnreadableError(f"{path.parent} is no folder; make it first")
        return
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}") from error
    if start != _MAGIC and not (may_be_new and not start):
        raise UnreadableError(f"{path} is no SQLite database")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    (value,) = db.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else ""
