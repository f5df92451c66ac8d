"""Tariffs: one TOML file each, found by listing this folder; its keys are the fields of ``tariff.Tariff``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from gridbazaar.data.tables import read_table
from gridbazaar.market.tariff import Tariff

_FOLDER = Path(__file__).parent


def list_tariffs() -> list[str]:
    """Give the names of all tariffs."""
    return sorted(p.stem for p in _FOLDER.glob("*.toml"))


def load_tariff(name: str, **overrides: Any) -> Tariff:
    """Read a tariff by name, with fields overridden; an unknown name or field is an error."""
    path = _FOLDER / f"{name}.toml"
    if name not in list_tariffs():
        raise ValueError(f"tariff: expected one of {', '.join(list_tariffs())}, got {name!r}")
    values = tomllib.loads(path.read_text(encoding="utf-8")) | overrides
    return read_table(Tariff, values | {"name": name}, f"tariff {name}")
