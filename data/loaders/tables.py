"""Tables as people bring them: rows and cells of text files, and cells as numbers.

What cannot be read is refused with the file, the line and what to do; nothing is guessed in silence.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.text import read_any_text, said, short

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MISSING = frozenset({"", "-", "--", "n/a", "#n/a", "na", "n/e", "nan", "null", "none"})
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII).fullmatch
_DECIMAL_COMMA = re.compile(
    r"[+-]?(?:\d{1,3}(?:[.\s\u00a0\u202f]\d{3})+|\d+)?,\d*(?:[eE][+-]?\d{1,4})?", re.ASCII
).fullmatch
_GROUPED_BY_COMMA = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?", re.ASCII).fullmatch
_GROUPED_BY_DOT = re.compile(r"[+-]?[1-9]\d{0,2}(?:[.\s\u00a0\u202f]\d{3})+", re.ASCII).fullmatch
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a file that are not blank."""

    path: Path
    cells: Sequence[Sequence[str]]  # stripped
    line: Sequence[int]  # of the file, where each row ends; the first is 1
    encoding: str
    separator: str = ","

    def from_header(self, at: int, may_be_short: bool = False) -> Table:
        """Read the rows below the header, which is row ``at``; ``ValueError`` names lines of another length.

        With ``may_be_short`` the last cells of a row may be left out.
        """
        names = list(self.cells[at])
        body, line = self.cells[at + 1 :], self.line[at + 1 :]
        while names and not names[-1] and all(len(row) < len(names) or not row[-1] for row in body):
            names.pop()
        n = len(names)
        if may_be_short:
            body = [[*row, *[""] * (n - len(row))] for row in body]
        wrong = [i for i, row in enumerate(body) if len(row) < n or any(row[n:])]
        if wrong:
            came = sorted({len(body[i]) for i in wrong})
            raise ValueError(
                f"{self.path}: expected {n} cells a row, as in the header (line {self.line[at]}); "
                f"{name_lines([line[i] for i in wrong])} {'has' if len(wrong) == 1 else 'have'} "
                f"{' or '.join(map(str, came))}; write each row with as many separators, and quote cells that hold one"
            )
        if not body:
            raise ValueError(f"{self.path}: expected rows below the header (line {self.line[at]}), found none")
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"{self.path}: line {self.line[at]}: columns named twice: {', '.join(map(said, doubled))}; rename them"
            )
        columns = dict(zip(names, map(list, zip(*(row[:n] for row in body), strict=True)), strict=True))
        return Table(self.path, columns, np.array(line, np.int64), self.encoding, self.separator)


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of text."""

    path: Path
    columns: Mapping[str, Sequence[str]]  # [n_rows] each
    line: Ints  # [n_rows] of the file
    encoding: str
    separator: str = ","

    def __len__(self) -> int:
        return len(self.line)

    def require(self, names: Sequence[str]) -> None:
        """Refuse a table that lacks columns."""
        if missing := [name for name in names if name not in self.columns]:
            came = ", ".join(map(short, list(self.columns)[:_SHOWN]))
            raise ValueError(
                f"{self.path}: expected columns {', '.join(names)}; {', '.join(missing)} missing, came {came}"
            )

    def numbers(self, name: str) -> Floats:
        """[n_rows] NaN where a cell is empty; ``ValueError`` names the lines of what is neither number nor empty."""
        values = to_numbers(self.columns[name], self.separator)
        wrong = self.line[~np.isfinite(values) & ~is_missing(self.columns[name])]
        if len(wrong):
            raise ValueError(f"{self.path}: {name}: expected numbers, got other text in {name_lines(wrong)}")
        return values


def read_rows(path: Path, separator: str | None = None) -> Rows:
    """Read a file of separated cells; the separator is that of its first row, unless given.

    Raises:
        ValueError: it is no text, has no row, or a quote is never closed.
    """
    text, encoding = read_any_text(path)
    mark = separator or _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True, skipinitialspace=True)
    cells, line = [], []
    try:
        for row in reader:
            stripped = [cell.strip() for cell in row]
            if any(stripped):
                cells.append(stripped)
                line.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num}: {error}; close the quotes of its cells") from None
    if not cells:
        raise ValueError(f"{path}: expected a header and rows below it; the file is empty")
    return Rows(path, cells, line, encoding, mark)


def read_table(
    path: Path, columns: tuple[str, ...] = (), separator: str | None = None, may_be_short: bool = False
) -> Table:
    """Read a CSV file whose first row names the columns; with ``may_be_short`` last cells may be left out.

    Raises:
        ValueError: there is no such file, it is no table, or a column is missing.
    """
    table = read_rows(path, separator).from_header(0, may_be_short)
    table.require(columns)
    return table


def _separator(text: str) -> str:
    """The separator of the first row that has one."""
    for row in text.splitlines():
        plain = re.sub(r'"[^"]*"', "", row)
        counts = {mark: plain.count(mark) for mark in ";\t,|"}
        if any(counts.values()):
            return max(counts, key=lambda mark: counts[mark])
    return ","


def is_missing(cells: Sequence[str]) -> NDArray[np.bool_]:
    """[n] whether a cell says that there is no value: empty, -, n/e, NA, NaN, null."""
    return np.array([cell.lower() in _MISSING for cell in cells], np.bool_)


def to_numbers(cells: Sequence[str], separator: str = ",") -> Floats:
    """[n] NaN where a cell is no number; decimal points, or decimal commas where the column writes no other.

    In a column with decimal commas dots part thousands, in one with points commas do. What may be either (1,234) is a
    number in a file whose cells are parted by something else than commas.
    """
    with_comma = [cell for cell in cells if "," in cell]
    if with_comma and not any(_NUMBER(cell) and "." in cell and not _GROUPED_BY_DOT(cell) for cell in cells):
        is_decimal = separator != "," or any(
            _DECIMAL_COMMA(cell) and not _GROUPED_BY_COMMA(cell) for cell in with_comma
        )
        if is_decimal:
            return np.array([_with_comma(cell) for cell in cells], np.float64)
    if any(_GROUPED_BY_COMMA(cell) and "." in cell for cell in with_comma):
        cells = [cell.replace(",", "") if _GROUPED_BY_COMMA(cell) else cell for cell in cells]
    return np.array([float(cell) if _NUMBER(cell) else np.nan for cell in cells], np.float64)


def _with_comma(cell: str) -> float:
    if _DECIMAL_COMMA(cell) or _GROUPED_BY_DOT(cell) or (_NUMBER(cell) and "." not in cell):
        plain = re.sub(r"[.\s\u00a0\u202f]", "", cell).replace(",", ".")
        return float(plain) if _NUMBER(plain) else np.nan
    return np.nan


def name_lines(lines: Sequence[int] | Ints) -> str:
    """Name the first ten lines of a file, and how many there are."""
    shown = ", ".join(str(int(line)) for line in lines[:_SHOWN])
    return f"line{'s' if len(lines) > 1 else ''} {shown}" + (
        f" ... ({len(lines)} in all)" if len(lines) > _SHOWN else ""
    )
