"""What replayed entries leave behind: balances, and what is remembered in order to refuse.

Every change goes through ``put``, ``post`` or ``end_interval`` and can be undone, so that a refused entry or batch
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gridbazaar.market.ledger.books.entries import BUILT_IN, ISSUED_BY, Refused, asset_class
from gridbazaar.market.ledger.books.postings import Posting
from gridbazaar.market.ledger.log.canonical import LARGEST, Entry


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter that was registered."""

    account: str
    public_key: bytes | None  # none: it cannot read
    valid_until_s: int


@dataclass(frozen=True, slots=True)
class Awarded:
    """An award that runs, and what became of it so far."""

    terms: Entry  # the entry that says it
    staked_ucur: int  # left of the stake
    ready_ucur: int = 0  # paid for holding ready
    called_ukwh: int = 0
    delivered_ukwh: int = 0


@dataclass(slots=True)
class Known:
    """What the opening entries said; and, in ``txids`` and ``generated``, what later entries may refer to."""

    credit: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BUILT_IN, 0))  # by account
    keys: dict[str, bytes | None] = field(default_factory=dict)  # by account
    assets: dict[str, int] = field(default_factory=dict)  # class -> carbon factor
    meters: dict[str, Meter] = field(default_factory=dict)
    committees: dict[str, tuple[frozenset[str], int]] = field(default_factory=dict)  # -> members, k
    txids: dict[str, int] = field(default_factory=dict)  # -> interval
    generated: dict[str, tuple[str, int, int]] = field(default_factory=dict)  # reading -> meter, interval, ukwh
    awards: dict[str, Awarded] = field(default_factory=dict)  # that still run, by account
    clock_s: dict[str, int] = field(default_factory=dict)  # "end" of the last gate


@dataclass(slots=True)
class Open:
    """What the open interval has seen so far."""

    gate: dict[str, Entry] = field(default_factory=dict)  # "gate"
    commits: dict[str, Entry] = field(default_factory=dict)  # by account
    reveals: dict[str, Entry] = field(default_factory=dict)  # by account
    book: dict[str, int] = field(default_factory=dict)  # "energy" and "limit", to guard products
    clear: dict[str, Entry] = field(default_factory=dict)  # "clear"
    metered: dict[str, int] = field(default_factory=dict)  # by meter
    supplied: dict[str, int] = field(default_factory=dict)  # ukwh by account
    slashed: dict[tuple[str, str], int] = field(default_factory=dict)  # by account and reason
    answered: dict[str, int] = field(default_factory=dict)  # accounts of which a delivery was stated
    tokens: dict[str, int] = field(default_factory=dict)  # kwh assets of the interval


_ABSENT = object()


class Holdings:
    """Balances and what is known, with an undo log."""

    def __init__(self) -> None:
        self.balances: dict[tuple[str, str], int] = {}  # (account, asset) -> amount, without zeros
        self.known = Known()
        self.open = Open()
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    def held(self, account: str, asset: str) -> int:
        """Give what an account holds."""
        return self.balances.get((account, asset), 0)

    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        """Set a value so that it can be undone."""
        self._undo.append((table, key, table.get(key, _ABSENT)))
        table[key] = value

    def end_interval(self) -> None:
        """Forget what only the open interval needs."""
        for name in Open.__slots__:
            table = getattr(self.open, name)
            self._undo.extend((table, key, value) for key, value in table.items())
            table.clear()

    def mark(self) -> int:
        """Give the point that ``unwind`` goes back to."""
        return len(self._undo)

    def forget(self) -> None:
        """Make all changes so far final."""
        self._undo = []

    def unwind(self, mark: int) -> None:
        """Undo all changes since the mark."""
        while len(self._undo) > mark:
            table, key, old = self._undo.pop()
            if old is _ABSENT:
                table.pop(key, None)
            else:
                table[key] = old

    def changed(self) -> set[tuple[str, str]]:
        """Accounts and assets posted to since ``forget``."""
        return {key for table, key, _ in self._undo if table is self.balances}

    def post(self, interval: int, posted: tuple[Posting, ...]) -> None:
        """Add postings one by one; whoever gives must have it."""
        balances, undo, credit = self.balances, self._undo, self.known.credit
        for account, asset, delta in posted:
            if account not in credit:
                raise Refused(f"account is {account!r}, expected one that was opened")
            key = (account, asset)
            old = balances.get(key)
            if old is None:
                self._check_asset(interval, asset)
                undo.append((balances, key, _ABSENT))
                old = 0
            else:
                undo.append((balances, key, old))
            new = old + delta
            if not -LARGEST <= new <= LARGEST:
                raise Refused(f"{account!r} would hold {new} of {asset!r}, expected less than 2**53 in size")
            if new < 0 and delta < 0:
                self._check_giver(account, asset, old, -delta)
            if new:
                balances[key] = new
            else:
                balances.pop(key, None)

    def _check_asset(self, interval: int, asset: str) -> None:
        name, _, rest = asset.partition("/")
        if name not in self.known.assets:
            raise Refused(f"asset is {asset!r}, expected one of a class that an asset entry declared")
        if name == "kwh":
            if rest.rpartition("/")[2] != str(interval):
                raise Refused(f"asset is {asset!r}, which ended with its interval; now it is {interval}")
            self.put(self.open.tokens, asset, interval)

    def _check_giver(self, account: str, asset: str, held: int, amount: int) -> None:
        kind = asset_class(asset)
        if ISSUED_BY[kind] == account:
            if kind == "right" and held < 0:
                raise Refused(f"asset is {asset!r}, which exists already; a right exists once")
            return
        credit = self.known.credit[account] if asset == "cash" else 0
        if held - amount < -credit:
            beyond = f" and credit of {credit}" if credit else ""
            raise Refused(f"{account!r} gives {amount} of {asset!r}, expected at most its {held}{beyond}")
