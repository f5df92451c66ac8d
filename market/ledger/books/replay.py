"""The books: entries replayed, and refused where they break a rule.

Nobody but an issuer may hold less than nothing, or less than the stated credit. So a kWh is not sold twice, nor
certified twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gridbazaar.market.ledger.books import calls, certificates, meters, rules, sealed_bids
from gridbazaar.market.ledger.books.entries import BUILT_IN, Malformed, Refused, fault
from gridbazaar.market.ledger.books.holdings import Holdings
from gridbazaar.market.ledger.books.postings import postings
from gridbazaar.market.ledger.log.canonical import Entry

_RULES: Mapping[str, Callable[[Holdings, int, Entry], None]] = (
    rules.RULES | sealed_bids.RULES | meters.RULES | certificates.RULES | calls.RULES
)


class Books:
    """Balances by replay; ``begin`` marks a point that ``rollback`` goes back to."""

    def __init__(self) -> None:
        self._holdings = Holdings()
        self.balances = self._holdings.balances  # (account, asset) -> amount, without zeros

    def begin(self) -> None:
        """Mark the point that ``rollback`` goes back to."""
        self._holdings.forget()

    def rollback(self) -> None:
        """Undo all since ``begin``."""
        self._holdings.unwind(0)

    @property
    def changed(self) -> set[tuple[str, str]]:
        """Accounts and assets posted to since ``begin``."""
        return self._holdings.changed()

    def apply(self, interval: int, entry: Entry) -> None:
        """Take an entry, or raise ``Refused`` and leave everything as it was."""
        if (wrong := fault(entry)) is not None:
            raise Malformed(wrong)
        holdings = self._holdings
        if entry.get("interval", interval) != interval:
            raise Refused(f"interval is {entry['interval']}, expected {interval}, the one that is open")
        if entry.get("account") in BUILT_IN:
            raise Refused(f"account is {entry['account']!r}, which acts by what others do alone")
        txid, txids = entry["txid"], holdings.known.txids
        if txid in txids:
            raise Refused(f"txid is {txid!r}, that of an entry in interval {txids[txid]}; expected a new one")
        mark = holdings.mark()
        try:
            rule = _RULES.get(entry["kind"])
            if rule is not None:
                rule(holdings, interval, entry)
            holdings.post(interval, postings(entry))
        except Refused:
            holdings.unwind(mark)
            raise
        holdings.put(txids, txid, interval)

    def close(self, interval: int) -> None:
        """End an interval: its energy is gone and its sealed bids are settled, or ``Refused`` says what is not."""
        rules.check_end(self._holdings, interval)
        self._holdings.end_interval()
