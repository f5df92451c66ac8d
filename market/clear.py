"""The market for people who have an order book and no simulation."""

from __future__ import annotations

import csv
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gridbazaar.data.units import MICRO, from_micro, to_micro
from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.orders import Orders, Setting, Status

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 2**62  # of energy times price in micro-units, so that no product overflows


@dataclass(frozen=True, slots=True)
class Result:
    """What a book cleared at, in the caller's units and order."""

    quantity: float  # kWh traded
    price: float  # per kWh; a quote where nothing traded
    price_low: float  # the competitive interval
    price_high: float
    surplus: float  # money in minus money out, kept (or lost) by whoever runs the market
    status: str  # a ``Status`` in lower case
    buy_fills: tuple[float, ...]  # kWh, one per buy order
    sell_fills: tuple[float, ...]
    buy_prices: tuple[float, ...]  # per kWh; a quote where the order was not filled
    sell_prices: tuple[float, ...]

    def __repr__(self) -> str:
        fills = "  ".join(
            f"{side} {' '.join(f'{fill:g}' for fill in fills) or '-'}"
            for side, fills in (("buys", self.buy_fills), ("sells", self.sell_fills))
        )
        return (
            f"Result({self.status}: {self.quantity:g} kWh at {self.price:g}, interval "
            f"[{self.price_low:g}, {self.price_high:g}], surplus {self.surplus:g}; filled: {fills})"
        )

    def to_frame(self) -> pd.DataFrame:
        """Give one row an order: side, filled_kwh, price_cur_per_kwh; buys first."""
        import pandas as pd

        return pd.DataFrame(
            {
                "side": ["buy"] * len(self.buy_fills) + ["sell"] * len(self.sell_fills),
                "filled_kwh": [*self.buy_fills, *self.sell_fills],
                "price_cur_per_kwh": [*self.buy_prices, *self.sell_prices],
            }
        )


class Book(NamedTuple):
    """Two lists of orders, each ``(kwh, price)`` or ``(kwh, price, bidder)``."""

    buys: list[tuple[Any, ...]]
    sells: list[tuple[Any, ...]]


def clear(
    mechanism: str,
    buys: Sequence[Sequence[Any]] = (),
    sells: Sequence[Sequence[Any]] = (),
    *,
    seed: int = 0,
    **options: Any,
) -> Result:
    """Clear one order book: ``clear("uniform_price", buys=[(1.0, 0.30)], sells=[(2.0, 0.10)])``.

    Args:
        mechanism: a name of ``list_mechanisms()``.
        buys: (kwh, price) or (kwh, price, bidder); the price is the most the buyer pays per kWh.
        sells: the same; the price is the least the seller takes.
        seed: of the lottery, for mechanisms that draw.
        options: of the mechanism.

    Quantities and prices are kept to a millionth. Orders with the same bidder belong together; without a bidder every
    order stands for itself.
    """
    function = load_mechanism(mechanism, **options)
    sides = [("buys", buys), ("sells", sells)]
    faults = [
        f"{name}[{i}] = {entry!r}: {fault}"
        for name, entries in sides
        for i, entry in enumerate(entries)
        if (fault := _fault(entry))
    ]
    if faults:
        raise ValueError(
            "clear: expected (kwh, price) or (kwh, price, bidder) with finite numbers and kwh >= 0\n  "
            + "\n  ".join(faults)
        )
    clearing = function(_orders([*buys], [*sells], seed), Setting())

    n_buys, n = len(buys), len(buys) + len(sells)
    fills = np.abs(from_micro(clearing.traded_ukwh[0, :n])).tolist()
    prices = from_micro(clearing.price_ucur_per_kwh[0]).tolist()
    return Result(
        quantity=sum(clearing.traded_ukwh[0, :n_buys].tolist()) / MICRO,
        price=prices[0],
        price_low=int(clearing.low_ucur_per_kwh[0]) / MICRO,
        price_high=int(clearing.high_ucur_per_kwh[0]) / MICRO,
        surplus=int(clearing.surplus_ucur[0]) / MICRO,
        status=Status(int(clearing.status[0])).name.lower(),
        buy_fills=tuple(fills[:n_buys]),
        sell_fills=tuple(fills[n_buys:]),
        buy_prices=tuple(prices[:n_buys]),
        sell_prices=tuple(prices[n_buys:n]),
    )


def read_book(csv_path: str | Path) -> Book:
    """Read orders from a CSV file with the columns side (buy or sell), kwh, price and, if wanted, bidder."""
    with open(csv_path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        columns = [name.strip().lower() for name in reader.fieldnames or []]
        missing = [name for name in ("side", "kwh", "price") if name not in columns]
        unknown = [name for name in columns if name not in ("side", "kwh", "price", "bidder")]
        if missing or unknown:
            raise ValueError(
                f"expected the columns side,kwh,price[,bidder], got {','.join(columns) or 'an empty file'} ({csv_path})"
            )
        reader.fieldnames = columns
        rows = [(reader.line_num, row) for row in reader]

    book, faults = Book([], []), []
    for line, row in rows:
        side, entry = (row["side"] or "").strip().lower(), _entry(row)
        fault = "has more cells than the header" if None in row else _fault(entry)
        if side not in ("buy", "sell"):
            fault = f"side is {row['side']!r}, expected buy or sell"
        if fault:
            faults.append(f"line {line}: {fault}")
        else:
            (book.buys if side == "buy" else book.sells).append(entry)
    if faults:
        raise ValueError(
            f"expected side buy or sell, kwh >= 0 and a finite price ({csv_path})\n  " + "\n  ".join(faults)
        )
    return book


def _entry(row: dict[str, Any]) -> tuple[Any, ...]:
    """Turn one line of a CSV file into an order; what is no number stays text, to be reported."""
    bidder = (row.get("bidder") or "").strip()
    numbers = []
    for name in ("kwh", "price"):
        try:
            numbers.append(float(row[name]))
        except (TypeError, ValueError):
            numbers.append(row[name])
    return (*numbers, bidder) if bidder else tuple(numbers)


def _fault(entry: Any) -> str | None:
    """Say what is wrong with an order, or None."""
    if isinstance(entry, str | bytes) or not hasattr(entry, "__len__") or not hasattr(entry, "__getitem__"):
        return "is no tuple"
    if len(entry) not in (2, 3):
        return f"has {len(entry)} parts"
    if isinstance(entry, dict):
        return "is no tuple"
    for name, value in zip(("kwh", "price"), entry, strict=False):
        is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not is_number:
            return f"{name} is {value!r}, no number"
        if not math.isfinite(value):
            return f"{name} is {value}"
    if entry[0] < 0:
        return "kwh is negative; a sale belongs into sells with a positive quantity"
    if len(entry) == 3 and not isinstance(entry[2], Hashable):
        return f"bidder {entry[2]!r} is no name or number"
    return None


def _orders(buys: list[Sequence[Any]], sells: list[Sequence[Any]], seed: int) -> Orders:
    """Make a batch of one; a book without orders gets one of no energy."""
    entries = [*buys, *sells] or [(0.0, 0.0)]
    kwh = np.array([float(entry[0]) for entry in entries])
    price = np.array([float(entry[1]) for entry in entries])
    if max(kwh.sum() * MICRO, 1) * max(np.abs(price).max() * MICRO, 1) > LARGEST:
        raise ValueError(
            f"clear: {kwh.sum():g} kWh at up to {np.abs(price).max():g} per kWh is too much to count in millionths; "
            "use larger units, such as MWh and price per MWh"
        )
    sign = np.array([1] * len(buys) + [-1] * (len(entries) - len(buys)))
    return Orders(
        energy_ukwh=(to_micro(kwh) * sign)[None],
        limit_ucur_per_kwh=to_micro(price)[None],
        agent=_agents(entries),
        bus=np.zeros(len(entries), dtype=np.int64),
        lottery=np.random.default_rng(seed).random((1, len(entries))),
    )


def _agents(entries: list[Sequence[Any]]) -> Any:
    """[n_orders] number bidders by name, so that the order of the book moves no remainder; the nameless come last."""
    bidders = [entry[2] if len(entry) == 3 else None for entry in entries]
    names = sorted({bidder for bidder in bidders if bidder is not None}, key=lambda name: (str(type(name)), str(name)))
    number = {name: i for i, name in enumerate(names)}
    return np.array(
        [len(names) + i if bidder is None else number[bidder] for i, bidder in enumerate(bidders)], dtype=np.int64
    )
