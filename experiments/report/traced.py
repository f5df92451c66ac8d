"""Numbers of a page that say which cell of which table they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

_FIRST_LINE = 2  # of a row in a CSV file, after the names of the columns


@dataclass(frozen=True, slots=True)
class Traced:
    """The tables of a comparison, by the names of their files."""

    tables: Mapping[str, pd.DataFrame]

    numbers: Mapping[str, Mapping[str, NDArray[np.float64]]] = field(init=False)  # by table and column

    def __post_init__(self) -> None:
        held = {name: frame.select_dtypes(["number", "bool"]) for name, frame in self.tables.items()}
        numbers = {
            name: {column: frame[column].to_numpy(np.float64) for column in frame.columns}
            for name, frame in held.items()
        }
        object.__setattr__(self, "numbers", numbers)

    def row(self, table: str, **wanted: Any) -> int | None:
        """The first row with these values; none where there is none."""
        frame = self.tables[table]
        fits = frame.index == frame.index
        for column, value in wanted.items():
            fits = fits & (frame[column] == value).to_numpy()
        found = frame.index[fits]
        return int(found[0]) if len(found) else None

    def value(self, table: str, row: int | None, column: str) -> float:
        """The number in a cell; NaN where there is none."""
        if row is None or column not in self.numbers[table]:
            return math.nan
        return float(self.numbers[table][column][row])

    def number(
        self, table: str, row: int | None, column: str, digits: int = 2, *, signed: bool = False, size: bool = False
    ) -> str:
        """A cell as HTML, with its file, line and column beside it.

        Args:
            table: name of the file.
            row: of the frame.
            column: of it.
            digits: after the point.
            signed: also with a plus.
            size: without its sign, where words say which it is.
        """
        x = self.value(table, row, column)
        if not math.isfinite(x):
            return "-"
        x = round(abs(x) if size else x, digits) + 0.0
        text = f"{x:{'+' if signed else ''},.{digits}f}".replace("-", "\N{MINUS SIGN}")
        assert row is not None
        where = f"{table}.csv, line {row + _FIRST_LINE}, {column}"
        return f'<span data-cell="{table}:{row}:{column}" title="{where}">{text}</span>'
