"""Kinds of agents: one file each, found by listing this folder; the contract is ``agents/kind.py``.

A kind knows its own devices and what is known of the interval. It knows no other kind, no market rule and no policy.
One of your own is such a file by its path, or a ``Kind``; packages bring some as entry points ``gridbazaar.kinds``.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from dataclasses import is_dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from gridbazaar.agents.kind import AnyKind, Column, Columns, Kind
from gridbazaar.data.own import pinned
from gridbazaar.data.registry import Sort, code_of, find, installed

SORT = Sort("kind", "gridbazaar.kinds", "mine.py", "a Kind(Config, draw, start, view, move, program)")


def list_kinds() -> list[str]:
    """Give the names of all kinds, found by listing the folder; those of installed packages last."""
    shipped = _shipped()
    return [*shipped, *(name for name in installed(SORT.group) if name not in shipped)]


@lru_cache(maxsize=1)
def kinds() -> dict[str, AnyKind]:
    """Give all kinds that ship with the package, by name."""
    return {name: load_kind(name) for name in _shipped()}


def load_kind(given: Any) -> AnyKind:
    """Give a kind.

    Args:
        given: a listed name, the path of a file (``mine.py``, or ``mine.py:NAME`` where it is not called ``KIND``),
            or a ``Kind``.

    Raises:
        ValueError: there is none, or it lacks what the contract asks for.
    """
    return _kind(pinned(given) if isinstance(given, str | Path) else given)


@lru_cache(maxsize=64)
def _kind(given: Any) -> AnyKind:
    found = find(SORT, given, _shipped(), lambda name: import_module(f"{__name__}.{name}"))
    kind = vars(found).get("KIND") if isinstance(found, ModuleType) else found
    if not isinstance(kind, Kind):
        if isinstance(found, ModuleType):
            raise ValueError(f"{SORT.what}: expected KIND = Kind(...) at the end of {found.__file__}, got {kind!r}")
        raise SORT.unknown(given, _shipped())
    if not (is_dataclass(kind.Config) and "count" in kind.Config.__dataclass_fields__):
        raise ValueError(f"kind ({code_of(kind.Config)}): lacks a Config, a dataclass with a field count")
    return kind


def own_columns(found: Iterable[tuple[str, AnyKind, Any]]) -> Columns:
    """Give what the kinds of a scenario observe beside what all share; columns of one name are one.

    Args:
        found: name, kind and config of each.
    """
    columns: dict[str, Column] = {}
    for name, kind, config in found:
        for column in kind.columns(config):
            if columns.setdefault(column.name, column) != column:
                raise ValueError(f"{name}: its column {column.name!r} is another one elsewhere; expected a new name")
    return tuple(columns.values())


def _shipped() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(__path__))
