"""Check a ledger from its first entry to its last, and name what is wrong.

The public key and the name of the log come from the caller, never from the file: a file that says whom to believe
proves nothing. A log that its own operator signed can be rewritten or cut short by the operator; only a checkpoint
kept elsewhere (``trusted``) shows that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from gridbazaar.data.inputs import check_input
from gridbazaar.market.ledger.books.entries import Malformed
from gridbazaar.market.ledger.books.postings import is_escrow
from gridbazaar.market.ledger.log.canonical import CanonicalError, Entry, parse, parse_all
from gridbazaar.market.ledger.log.jsonl import is_export, reading_export
from gridbazaar.market.ledger.log.merkle import Tree, leaf_hash
from gridbazaar.market.ledger.log.note import Checkpoint, NoteError, NoteKey
from gridbazaar.market.ledger.log.store import Contents, Record, Stamp, reading

_LONGEST_TXID = 200
_LONGEST_LINE = 1000
_READ_AT_ONCE = 256


class Replay(Protocol):
    """Books as the log uses them; ``apply`` and ``close`` raise ValueError and then leave them as they were."""

    balances: dict[tuple[str, str], int]

    @property
    def changed(self) -> Collection[tuple[str, str]]:
        """Accounts and assets posted to since ``begin``."""
        ...

    def begin(self) -> None: ...
    def rollback(self) -> None: ...
    def apply(self, interval: int, entry: Entry) -> None: ...
    def close(self, interval: int) -> None: ...


Again = Callable[[int, Sequence[Entry]], list[str]]
"""Looks at all entries of an interval together; says what does not hold."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What entries mean to whoever checks them."""

    books: Callable[[], Replay]
    reclear: Again  # runs the auctions again; of entries that ``books`` did not find malformed
    totals: Again  # what still holds among the entries that are left when bodies are withheld; of all that can be read
    has_bus_prices: Callable[[Sequence[Entry]], bool]  # an interval that ``reclear`` checks without clearing it again
    rules_not_run: Callable[[Sequence[Entry]], list[str]] = lambda entries: []  # rules at which ``reclear`` cannot get


def rules(mechanisms: Sequence[Any] = ()) -> Rules:
    """Give the rules of this project's entries.

    Args:
        mechanisms: market rules that do not ship, as for ``load_mechanism``; auctions by other ones are not run again.
    """
    from gridbazaar.market.ledger.books.reclear import has_bus_prices, own_rules, reclear, rules_not_run, totals
    from gridbazaar.market.ledger.books.replay import Books

    own = own_rules(mechanisms)
    return Rules(Books, partial(reclear, own=own), totals, has_bus_prices, partial(rules_not_run, own=own))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    what: str
    entry: int | None = None
    txid: str | None = None
    interval: int | None = None

    def __str__(self) -> str:
        named = [("entry", self.entry), ("transaction", self.txid), ("interval", self.interval)]
        where = ", ".join(f"{name} {value}" for name, value in named if value is not None)
        line = f"{where}: {self.what}" if where else self.what
        return "".join(c if c.isprintable() else "\ufffd" for c in line[:_LONGEST_LINE])  # no codes for the terminal


@dataclass(slots=True)
class Report:
    """What a check found and how far it got; without findings ``books`` and ``tree`` are those of the file's end."""

    books: Replay
    tree: Tree = field(default_factory=Tree)
    findings: list[Finding] = field(default_factory=list)
    n_entries: int = 0
    n_withheld: int = 0
    n_bus_prices: int = 0  # intervals with prices per bus: checked by their payments, not cleared again
    not_run: Counter[str] = field(default_factory=Counter)  # intervals by rules that do not ship and were not given
    last: Stamp | None = None
    staked: tuple[str, ...] = ()  # accounts whose stakes are still locked at the end; () where bodies are withheld


def verify(path: Path | str, public_key: bytes, origin: str, trusted: Sequence[str] = ()) -> list[Finding]:
    """Give all that is wrong with a ledger file or a JSON-lines export of one; nothing if it is sound.

    Args:
        path: the file.
        public_key: 32 bytes, the operator's.
        origin: the name of the log.
        trusted: signed checkpoints kept elsewhere; ``NoteError`` if one of them is not of this log and key.

    Raises ``UnreadableError`` if the file is no ledger or is broken.
    """
    return examine(path, public_key, origin, trusted).findings


def examine(
    path: Path | str,
    public_key: bytes,
    origin: str,
    trusted: Sequence[str] = (),
    *,
    by: Rules | None = None,
) -> Report:
    """Check a file as ``verify`` does, by the project's rules or others, and give the whole report."""
    kept = [Checkpoint.open(note, public_key, origin) for note in trusted]
    with opened(Path(path)) as contents:
        return check(contents, public_key, origin, kept, by=by or rules())


def opened(path: Path) -> AbstractContextManager[Contents]:
    """Give the contents of a ledger file or of an export of one, nothing checked."""
    check_input(path)
    return reading_export(path) if is_export(path) else reading(path)


def entries_of(contents: Contents) -> Iterator[tuple[int, Entry]]:
    """Give the entries that can be read, each with its interval; withheld ones are left out."""
    for record in contents.records:
        if record.body is not None:
            with suppress(CanonicalError):
                yield record.interval, parse(record.body)


def check(
    contents: Contents,
    public_key: bytes,
    origin: str,
    trusted: Sequence[Checkpoint] = (),
    *,
    by: Rules,
) -> Report:
    """Check contents that are open already."""
    checker = _Checker(contents.stamps, NoteKey(origin, public_key), trusted, by)
    while records := list(islice(contents.records, _READ_AT_ONCE)):
        entries = iter(parse_all([record.body for record in records if record.body is not None]))
        for record in records:
            checker.take(record, None if record.body is None else next(entries))
    return checker.finish(contents.balances)


class _Checker:
    """One pass over the entries; a checkpoint is checked when its last entry has been read."""

    def __init__(self, stamps: Sequence[Stamp], key: NoteKey, trusted: Sequence[Checkpoint], by: Rules) -> None:
        self.report = Report(by.books())
        self._key, self._by = key, by
        self._stamps = list(reversed(stamps))
        self._trusted = sorted(trusted, key=lambda checkpoint: checkpoint.size, reverse=True)
        self._txids: set[str] = set()
        self._entries: list[Entry] = []
        self._first = self._next = 0  # of the interval, of the file
        self._alternative: Tree | None = None  # of stored leaves, from the first body that does not hash to its own
        self._misled: list[Record] = []
        self._is_lost = False  # entries or a root are wrong, so all later roots are
        self._n_lost = 0
        self._last_interval = -1
        self._is_replayed = True
        self.report.books.begin()

    def take(self, record: Record, entry: Entry | CanonicalError | None) -> None:
        """Check one entry; None: it is withheld."""
        if record.seq != self._next:
            self._find(f"expected entry {self._next}, found entry {record.seq}: what lay between is missing")
            self._is_lost = True
        while self._stamps and self._stamps[-1].size <= record.seq:
            self._close(self._stamps.pop())
        self._next = record.seq + 1
        self.report.n_entries += 1
        self._hash(record)
        interval = self._stamps[-1].interval if self._stamps else record.interval
        if record.interval != interval:
            self._find(f"the entry is filed under interval {record.interval}", record.seq, _txid(record), interval)
        if entry is None:
            self.report.n_withheld += 1
            self._is_replayed = False
        elif isinstance(entry, CanonicalError):
            self._find(str(entry), record.seq, _txid(record), interval)
        else:
            self._replay(record, entry, interval)
        self._compare_trusted()

    def _hash(self, record: Record) -> None:
        tree, leaf = self.report.tree, record.leaf
        if record.body is not None:
            leaf = leaf_hash(record.body)
            if leaf != record.leaf:
                self._misled.append(record)
                self._alternative = self._alternative or tree.copy()
        tree.append(leaf)
        if self._alternative is not None:
            self._alternative.append(record.leaf)

    def _replay(self, record: Record, entry: Entry, interval: int) -> None:
        """Take one entry into the books."""
        txid = _txid(record)
        named = str(entry.get("txid"))[:_LONGEST_TXID]
        txid = named if txid is None else txid
        if named != txid:
            self._find(f"the body names transaction {named!r}", record.seq, txid, interval)
        if named in self._txids:
            self._find("the transaction stands in the log twice", record.seq, named, interval)
        self._txids.add(named)
        if self._is_replayed:
            try:
                self.report.books.apply(interval, entry)
            except ValueError as error:
                self._find(f"refused: {error}", record.seq, txid, interval)
                if isinstance(error, Malformed):
                    return
        self._entries.append(entry)

    def _close(self, stamp: Stamp) -> None:
        """Check the checkpoint that ends an interval, and what only a whole interval shows."""
        first, interval = self._first, stamp.interval
        entries, self._entries = self._entries, []
        self._first, self.report.last = stamp.size, stamp
        if self._is_replayed:
            try:
                self.report.books.close(interval)
            except ValueError as error:
                self._find(f"refused at the end: {error}", interval=interval)
        self.report.books.begin()
        if interval <= self._last_interval:
            self._find(f"the interval follows interval {self._last_interval}", interval=interval)
        self._last_interval = interval
        for what in (self._by.reclear if self._is_replayed else self._by.totals)(interval, entries):
            self._find(what, interval=interval)
        if self._is_replayed:
            self.report.not_run.update(self._by.rules_not_run(entries))
        self.report.n_bus_prices += self._is_replayed and self._by.has_bus_prices(entries)
        try:
            checkpoint = Checkpoint.open(stamp.note, self._key.public_key, self._key.name)
        except NoteError as error:
            self._find(str(error), interval=interval)
            checkpoint = None
        if checkpoint is not None and (checkpoint.size, checkpoint.interval) != (stamp.size, interval):
            signed = f"{checkpoint.size} entries and interval {checkpoint.interval}"
            self._find(f"the checkpoint filed for {stamp.size} entries is signed for {signed}", interval=interval)
            checkpoint = None
        self._compare_root(checkpoint, first, stamp)

    def _compare_root(self, checkpoint: Checkpoint | None, first: int, stamp: Stamp) -> None:
        """Compare with the signed root; where a body and its stored hash differ, the root says which was signed."""
        trees = [tree for tree in (self.report.tree, self._alternative) if tree is not None]
        matching = [tree for tree in trees if checkpoint is not None and tree.root() == checkpoint.root]
        changed = "body" if not matching or matching[0] is not self.report.tree else "stored hash"
        for record in self._misled:
            what = f"the {changed} was changed: body and stored hash do not fit"
            self._find(what, record.seq, _txid(record), stamp.interval)
        if matching:
            self.report.tree = matching[0]
        elif checkpoint is not None and self._is_lost:
            self._n_lost += 1
        elif checkpoint is not None:
            self._find(f"entries {first} to {stamp.size - 1} do not have the signed root", interval=stamp.interval)
            self._is_lost = True
        self._alternative, self._misled = None, []

    def _compare_trusted(self) -> None:
        while self._trusted and self._trusted[-1].size <= self._next:
            kept = self._trusted.pop()
            trees = [tree for tree in (self.report.tree, self._alternative) if tree is not None]
            if (kept.size, kept.root) not in [(tree.size, tree.root()) for tree in trees]:
                what = f"the first {kept.size} entries are not those of the trusted checkpoint"
                self._find(what, interval=kept.interval)

    def finish(self, balances: Mapping[tuple[str, str], int] | None) -> Report:
        """Check what the end of the file shows."""
        end = self._next
        while self._stamps and self._stamps[-1].size <= end:
            self._close(self._stamps.pop())
        if end > self._first:
            self._find(f"entries {self._first} to {end - 1} have no checkpoint")
        for stamp in reversed(self._stamps):
            missing = f"entries {max(self._first, end)} to {stamp.size - 1} are missing"
            self._find(missing, interval=stamp.interval)
        if self._n_lost:
            self._find(f"{self._n_lost} later checkpoints do not fit either, as their roots hold all entries before")
        for kept in reversed(self._trusted):
            what = f"the trusted checkpoint has {kept.size} entries, the file {end}: it was cut"
            self._find(what, interval=kept.interval)
        if balances is not None and self._is_replayed:
            self._compare_balances(balances)
        if self._is_replayed:
            held = self.report.books.balances.items()
            self.report.staked = tuple(sorted(a for (a, asset), x in held if x and asset == "cash" and is_escrow(a)))
        return self.report

    def _compare_balances(self, stored: Mapping[tuple[str, str], int]) -> None:
        replayed = self.report.books.balances
        for account, asset in sorted(stored.keys() | replayed.keys()):
            says, gives = stored.get((account, asset), 0), replayed.get((account, asset), 0)
            if says != gives:
                self._find(f"balance of {account!r} in {asset!r} is {says}, the entries give {gives}")

    def _find(self, what: str, entry: int | None = None, txid: str | None = None, interval: int | None = None) -> None:
        self.report.findings.append(Finding(what, entry, txid, interval))


def _txid(record: Record) -> str | None:
    """The name under which the entry is filed, fit to be printed."""
    return None if record.txid is None else record.txid.decode(errors="replace")
