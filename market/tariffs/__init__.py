"""Tariffs: one TOML file each, found by listing this folder; its keys are the fields of ``tariff.Tariff``.

One of your own is such a file by its path, or a ``Tariff``; packages bring some as entry points ``gridbazaar.tariffs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from gridbazaar.data.inputs import read_toml
from gridbazaar.data.own import pinned, reference_of
from gridbazaar.data.registry import Sort, find, installed
from gridbazaar.data.tables import read_table
from gridbazaar.market.tariff import Tariff

_FOLDER = Path(__file__).parent
SORT = Sort("tariff", "gridbazaar.tariffs", "mine.toml", "a Tariff")


def list_tariffs() -> list[str]:
    """Give the names of all tariffs; those of installed packages last."""
    return [*_shipped(), *(name for name in installed(SORT.group) if name not in _shipped())]


def load_tariff(name: Any, **overrides: Any) -> Tariff:
    """Read a tariff, with fields overridden; an unknown name or field is an error.

    Args:
        name: a listed name, the path of a TOML file, a ``Tariff``, or its fields by name.
        overrides: fields of it.
    """
    if isinstance(name, Tariff):
        return replace(name, **overrides) if overrides else name
    if isinstance(name, Mapping):
        return read_table(Tariff, {"name": "tariff", **name, **overrides}, "tariff")
    reference = reference_of(name)
    if reference is not None and not reference.is_code:
        try:
            pinned(name)  # it is there, and as it was when it was pinned
        except ValueError as error:
            raise SORT.unknown(str(name), _shipped(), str(error)) from error
        values = read_toml(reference.path)
        try:
            return read_table(Tariff, values | overrides | {"name": reference.stem}, f"tariff {reference.stem}")
        except ValueError as error:
            raise ValueError(f"{reference.path}: {error}") from error
    found = find(SORT, name, _shipped(), lambda listed: _FOLDER / f"{listed}.toml")
    if isinstance(found, Path) and found.parent == _FOLDER:
        values = read_toml(found) | overrides
        return read_table(Tariff, values | {"name": found.stem}, f"tariff {found.stem}")
    if not isinstance(found, Tariff | Mapping | Path | str) or found == name:
        raise SORT.unknown(name, _shipped())
    return load_tariff(found, **overrides)


@lru_cache(maxsize=1)
def _shipped() -> list[str]:
    return sorted(p.stem for p in _FOLDER.glob("*.toml"))
