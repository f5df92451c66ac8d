"""A ledger as a table, for spreadsheets and data frames: one row an entry, a trade's record in columns of its own.

A table is for reading. It has no checkpoints; what is to be checked is exported as lines of JSON (``log.jsonl``).
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TextIO

from gridbazaar.market.ledger.books.entries import fault
from gridbazaar.market.ledger.books.trades import record as trade_record
from gridbazaar.market.ledger.log.canonical import CanonicalError, parse
from gridbazaar.market.ledger.log.store import Contents, UnreadableError

COLUMNS: tuple[str, ...] = (
    "entry", "interval", "kind", "transaction_id", "seller", "buyer", "energy_amount_kwh", "price_per_kwh",
    "total_cur", "timestamp", "status", "body",
)  # fmt: skip


def table_rows(contents: Contents, withhold: Collection[str] = ()) -> Iterator[dict[str, str | int]]:
    """Give the rows, without the entries of the kinds in ``withhold``; numbers with a point are text, so exact."""
    for record in contents.records:
        body = record.body or b""
        try:
            entry = parse(body)
        except CanonicalError as error:
            raise UnreadableError(f"entry {record.seq}: {error}; see gridbazaar ledger verify") from None
        kind = str(entry.get("kind"))
        if kind in withhold:
            continue
        if kind == "trade" and (wrong := fault(entry)) is not None:
            raise UnreadableError(f"entry {record.seq}: {wrong}; see gridbazaar ledger verify")
        row: dict[str, str | int] = {"kind": kind, "transaction_id": str(entry.get("txid"))}
        if kind == "trade":
            row |= trade_record(entry)
        row |= {"entry": record.seq, "interval": record.interval, "body": body.decode()}
        yield row


def write_csv(contents: Contents, out: TextIO, withhold: Collection[str] = ()) -> int:
    """Write the table as CSV; gives the number of rows."""
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    n = 0
    for n, row in enumerate(table_rows(contents, withhold), 1):  # noqa: B007  counted
        writer.writerow(row)
    return n


def write_parquet(contents: Contents, path: Path, withhold: Collection[str] = ()) -> int:
    """Write the table as Parquet, which needs pyarrow; gives the number of rows."""
    import pandas as pd

    frame = pd.DataFrame(table_rows(contents, withhold), columns=list(COLUMNS))
    try:
        frame.to_parquet(path, index=False)
    except ImportError as error:
        raise ValueError("Parquet needs one more package: pip install pyarrow; or export --csv") from error
    return len(frame)
