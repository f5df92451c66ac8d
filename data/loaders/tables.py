"""Cells of CSV files as text, and text as times and numbers; what is neither becomes NaT or NaN."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: Path, columns: tuple[str, ...], separator: str = ",") -> pd.DataFrame:
    """Read a CSV file as text; an empty cell is an empty text.

    Raises:
        ValueError: there is no such file, or a column is missing.
    """
    import pandas as pd

    if not path.is_file():
        raise ValueError(f"{path}: expected a CSV file; nothing is there")
    table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if missing := [name for name in columns if name not in table.columns]:
        raise ValueError(f"{path}: expected columns {', '.join(columns)}; {', '.join(missing)} missing")
    return table


def to_times(text: pd.Series[str], form: str) -> NDArray[np.datetime64]:
    """[n] seconds, NaT where the text has another form."""
    import pandas as pd

    times: NDArray[np.datetime64] = pd.to_datetime(text, format=form, errors="coerce").to_numpy("datetime64[s]")
    return times


def to_numbers(text: pd.Series[str]) -> NDArray[np.float64]:
    """[n] NaN where the text is no number."""
    import pandas as pd

    numbers: NDArray[np.float64] = pd.to_numeric(text, errors="coerce").to_numpy(np.float64, copy=True)
    return numbers
