"""Plain tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Table


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> Table:
    """Make a plain table; a column whose name begins with ``>`` is set to the right."""
    columns = tuple(columns)
    made = Table(
        title=title or None, title_justify="left", title_style="bold", show_header=any(columns), box=None,
        pad_edge=False, padding=(0, 2, 0, 0),
    )  # fmt: skip
    for name in columns:
        made.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    return made
