"""What the price files of markets have in common: a price column per MWh, and which of several is read."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.loaders.readings import Column
from gridbazaar.data.loaders.tables import Table, is_missing, name_lines, to_numbers

Bools = NDArray[np.bool_]


def price_column(table: Table, name: str, rows: Bools) -> Column:
    """Read a price per MWh as one per kWh; a cell that says that there is none becomes NaN."""
    cells = table.columns[name]
    values = to_numbers(cells, table.separator)
    wrong = table.line[rows & ~np.isfinite(values) & ~is_missing(cells)]
    if len(wrong):
        raise ValueError(f"{table.path}: {name}: expected prices, got other text in {name_lines(wrong)}")
    return Column(name, "spot", "", values[rows] / 1000)


def currency_note(name: str) -> tuple[str, ...]:
    """Say in which currency a column is, where its name does."""
    found = re.search(r"([A-Z]{3}|€|£|\$)\s*/\s*MWh", name)
    word = {"€": "EUR", "£": "GBP", "$": "dollars"}.get(found[1], found[1]) if found else None
    return (f"its prices are in {word}; the scenario's currency should be too",) if word else ()


def only(table: Table, name: str, preferred: Sequence[str] = ()) -> tuple[Bools, tuple[str, ...]]:
    """Rows of one value of a column; several are refused, unless one is preferred, and then said.

    Args:
        table: with the column.
        name: of the column.
        preferred: values, the first that is there is taken.
    """
    cells = table.columns[name]
    came = list(dict.fromkeys(cells))
    chosen = next((value for value in preferred if value in came), came[0])
    if len(came) > 1 and not preferred:
        raise ValueError(f"{table.path}: {name}: expected one, got {', '.join(came[:5])}; export them one by one")
    rows = np.array([cell == chosen for cell in cells], np.bool_)
    others = [value for value in came if value != chosen]
    return rows, (f"{name} {chosen!r} is read, {', '.join(map(repr, others[:5]))} not",) if others else ()
