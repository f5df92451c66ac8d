"""Kinds of agents: one file each, found by listing this folder; the contract is ``agents/kind.py``.

A kind knows its own devices and what is known of the interval. It knows no other kind, no market rule and no policy.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

from gridbazaar.agents.kind import AnyKind, Column, Columns, Kind


@lru_cache(maxsize=1)
def kinds() -> dict[str, AnyKind]:
    """Give all kinds by name."""
    return {name: _load(name) for name in sorted(m.name for m in pkgutil.iter_modules(__path__))}


def _load(name: str) -> AnyKind:
    module = import_module(f"{__name__}.{name}")
    kind = vars(module).get("KIND")
    if not isinstance(kind, Kind):
        raise TypeError(f"kind {name!r}: expected KIND = Kind(...) at the end of {module.__file__}, got {kind!r}")
    return kind


def own_columns(agents: Mapping[str, Any]) -> Columns:
    """Give what the kinds of a scenario observe beside what all share; columns of one name are one.

    Args:
        agents: the config of each kind.
    """
    found: dict[str, Column] = {}
    for name, config in agents.items():
        for column in kinds()[name].columns(config):
            if found.setdefault(column.name, column) != column:
                raise ValueError(f"{name}: its column {column.name!r} is another one elsewhere; expected a new name")
    return tuple(found.values())
