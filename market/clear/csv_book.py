"""Order books from CSV files."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, NamedTuple

from gridbazaar.data.inputs import read_text
from gridbazaar.market.clear.order_list import number_fault, order_fault

COLUMNS = ("side", "kwh", "price", "bidder", "arrival")
REQUIRED = COLUMNS[:3]


class Book(NamedTuple):
    """Two lists of orders, each ``(kwh, price)`` or ``(kwh, price, bidder)``, and when they came if that is known."""

    buys: list[tuple[Any, ...]]
    sells: list[tuple[Any, ...]]
    arrival: tuple[list[float], list[float]] | None = None


def read_book(csv_path: str | Path) -> Book:
    """Read orders from a CSV file with the columns side (buy or sell), kwh, price and, if wanted, bidder and arrival.

    ``arrival`` is the time at which an order came, any number; it counts in mechanisms that take orders in turn.
    """
    reader = csv.DictReader(io.StringIO(read_text(csv_path), newline=""), skipinitialspace=True)
    try:
        columns = [name.strip().lower() for name in reader.fieldnames or []]
        missing = [name for name in REQUIRED if name not in columns]
        unknown = [name for name in columns if name not in COLUMNS]
        if missing or unknown:
            raise ValueError(
                f"expected the columns side,kwh,price[,bidder][,arrival], got {','.join(columns) or 'an empty file'} "
                f"({csv_path})"
            )
        reader.fieldnames = columns
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise ValueError(f"{csv_path}, line {reader.line_num}: expected a CSV file, {error}") from error

    book, faults = Book([], [], ([], []) if "arrival" in columns else None), []
    for line, row in rows:
        fault = _row_fault(row, book)
        if fault:
            faults.append(f"line {line}: {fault}")
            continue
        is_sell = _side(row) == "sell"
        (book.sells if is_sell else book.buys).append(_entry(row))
        if book.arrival is not None:
            book.arrival[is_sell].append(_number(row["arrival"]))
    if faults:
        raise ValueError(
            f"expected side buy or sell, kwh >= 0 and a finite price ({csv_path})\n  " + "\n  ".join(faults)
        )
    return book


def _row_fault(row: dict[str, Any], book: Book) -> str | None:
    if None in row:
        return "has more cells than the header"
    if _side(row) not in ("buy", "sell"):
        return f"side is {row['side']!r}, expected buy or sell"
    fault = order_fault(_entry(row))
    if fault is None and book.arrival is not None:
        fault = number_fault("arrival", _number(row["arrival"]))
    return fault


def _side(row: dict[str, Any]) -> str:
    return (row["side"] or "").strip().lower()


def _entry(row: dict[str, Any]) -> tuple[Any, ...]:
    """Turn one line into an order; what is no number stays text, to be reported."""
    bidder = (row.get("bidder") or "").strip()
    numbers = (_number(row["kwh"]), _number(row["price"]))
    return (*numbers, bidder) if bidder else numbers


def _number(text: Any) -> Any:
    try:
        return float(text)
    except (TypeError, ValueError):
        return text
