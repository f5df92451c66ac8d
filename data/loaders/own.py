"""A loader of a user's own: a function of a path that gives a table with the columns of plain CSV (``csv.py``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, cast

from gridbazaar.data.loaders import csv
from gridbazaar.data.loaders.readings import Options, Readings
from gridbazaar.data.loaders.tables import Rows
from gridbazaar.data.own import pinned
from gridbazaar.data.registry import Sort, code_of, find, installed, name_of

Loader: TypeAlias = Callable[[Path], "Mapping[str, Sequence[Any]] | None"]
"""Of a path; columns by name, ``time`` among them (a data frame is such a table), or none: a file for the layouts."""

SORT = Sort("loader", "gridbazaar.loaders", "mine.py, mine.py:function", "a function of a path that gives a table")


def load_loader(given: Any) -> Loader:
    """Give a loader.

    Args:
        given: the path of a file (``mine.py`` with a function ``read``, or ``mine.py:function``), the name under which
            an installed package brings one, or a function.
    """
    return _loader(pinned(given) if isinstance(given, str | Path) else given)


@lru_cache(maxsize=64)
def _loader(given: Any) -> Loader:
    found = find(SORT, given, (), str)
    if isinstance(found, ModuleType):
        if "read" not in vars(found):
            raise ValueError(
                f"loader {name_of(given)!r} ({found.__file__}): lacks a function read; or name one, mine.py:function"
            )
        found = vars(found)["read"]
    if not callable(found):
        raise SORT.unknown(given, tuple(installed(SORT.group)))
    return cast(Loader, found)


def read(loader: Loader, path: Path, options: Options) -> tuple[Readings, ...] | None:
    """Read what a loader gives of a path, as a table of plain CSV; none: it leaves the path to the layouts.

    Raises:
        ValueError: it failed, or gave no table; names the loader and the path.
    """
    where = f"{path}: loader {name_of(loader)!r}" + ("" if code_of(loader) is None else f" ({code_of(loader)})")
    try:
        table = loader(path)
        if table is None:
            return None
        columns = {str(name): [str(value).strip() for value in values] for name, values in table.items()}
    except Exception as error:
        raise ValueError(f"{where}: {type(error).__name__}: {error}") from error
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) != 1 or not all(lengths.values()):
        came = ", ".join(f"{name} {n}" for name, n in list(lengths.items())[:10]) or "no column"
        raise ValueError(f"{where}: expected columns with a row for each step, all of one length; got {came}")
    rows = [list(columns), *map(list, zip(*columns.values(), strict=True))]
    try:
        return csv.read(Rows(path, rows, range(len(rows)), "utf-8", "\t"), options)
    except ValueError as error:
        raise ValueError(f"{where} gave a table that is no plain CSV: {error}") from error
