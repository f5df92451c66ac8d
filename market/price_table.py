"""Tables of prices by hour: CSV with ``month,hour,day_type,cur_per_kwh`` (576 rows) or ``hour_of_year,cur_per_kwh``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.loaders.tables import Table, name_lines, read_table

_DAY_TYPES = {"weekday": 0, "wd": 0, "0": 0, "weekend": 1, "we": 1, "1": 1}
_YEAR_ROWS = 8760


def read_price_table(path: Path) -> tuple[float, ...]:
    """Read a table of prices; in the order of month, hour and day type, or of the hours of a year of 365 days.

    Raises:
        ValueError: rows are missing, doubled or no numbers; names the file and the lines.
    """
    if not path.is_file():
        raise ValueError(f"table_cur_per_kwh: expected the file {path.name} beside the design, nothing is there")
    table = read_table(path, ("cur_per_kwh",))
    if "hour_of_year" in table.columns:
        at = _whole(table, "hour_of_year", 0, _YEAR_ROWS - 1)
        n = _YEAR_ROWS
    else:
        table.require(("month", "hour", "day_type"))
        words = [cell.lower() for cell in table.columns["day_type"]]
        wrong = table.line[np.array([word not in _DAY_TYPES for word in words], np.bool_)]
        if len(wrong):
            raise ValueError(f"{path}: day_type: expected weekday or weekend, got another in {name_lines(wrong)}")
        kind = np.array([_DAY_TYPES[word] for word in words], np.int64)
        at = ((_whole(table, "month", 1, 12) - 1) * 24 + _whole(table, "hour", 0, 23)) * 2 + kind
        n = 12 * 24 * 2
    prices = table.numbers("cur_per_kwh")
    unknown = table.line[~np.isfinite(prices)]
    if len(unknown):
        raise ValueError(f"{path}: cur_per_kwh: expected a price in every row, got none in {name_lines(unknown)}")
    times = np.bincount(at, minlength=n)
    if (times != 1).any():
        doubled = table.line[times[at] > 1]
        what = f"{int((times == 0).sum())} are missing" + (
            f", {name_lines(doubled)} are doubled" if len(doubled) else ""
        )
        raise ValueError(f"{path}: expected {n} prices, one for each hour; {what}")
    found = np.empty(n)
    found[at] = prices
    return tuple(float(price) for price in found)


def _whole(table: Table, name: str, low: int, high: int) -> NDArray[np.int64]:
    values = table.numbers(name)
    with np.errstate(invalid="ignore"):
        wrong = table.line[~((values >= low) & (values <= high) & (values == np.floor(values)))]
    if len(wrong):
        raise ValueError(f"{table.path}: {name}: expected {low} to {high}, got another in {name_lines(wrong)}")
    return np.asarray(values, np.int64)
