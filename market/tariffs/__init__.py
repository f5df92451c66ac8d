"""Tariffs: one TOML file each, found by listing this folder; its keys are the fields of ``tariff.Tariff``."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from gridbazaar.market.tariff import Tariff, Window

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
    allowed = [f.name for f in fields(Tariff) if f.name != "name"]
    if unknown := sorted(set(values) - set(allowed)):
        raise ValueError(f"tariff {name}: unknown field {', '.join(unknown)}; allowed are {', '.join(allowed)}")
    values["windows"] = tuple(Window(**w) for w in values.get("windows", ()))
    return Tariff(name=name, **values)
