"""Tariff designs: one TOML file each, found by listing this folder; its keys are the fields of ``design.Design``.

One of your own is such a file by its path, or a ``Design``; packages bring some as entry points ``gridbazaar.designs``.
Tables of hourly prices are CSV files beside the design.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from gridbazaar.data.inputs import read_toml
from gridbazaar.data.own import reference_of
from gridbazaar.data.registry import Sort, find, installed
from gridbazaar.data.tables import read_table
from gridbazaar.market.design import Design
from gridbazaar.market.price_table import read_price_table
from gridbazaar.market.urdb import read_urdb

_FOLDER = Path(__file__).parent
SORT = Sort("design", "gridbazaar.designs", "mine.toml", "a Design")


def list_designs() -> list[str]:
    """Give the names of all designs; those of installed packages last."""
    return [*_shipped(), *(name for name in installed(SORT.group) if name not in _shipped())]


def load_design(name: Any, **overrides: Any) -> Design:
    """Read a design, with fields overridden; an unknown name or field is an error that says where.

    Args:
        name: a listed name, the path of a TOML file, or of a tariff of OpenEI (JSON), a ``Design``, or its fields.
        overrides: fields of it.
    """
    if isinstance(name, Design):
        return replace(name, **overrides) if overrides else name
    if isinstance(name, Mapping):
        return read_table(Design, {"name": "design", **name, **overrides}, "design")
    if str(name).endswith(".json"):
        if not Path(name).is_file():
            raise SORT.unknown(str(name), _shipped(), "no such file")
        return replace(read_urdb(Path(name)), **overrides)
    reference = reference_of(name)
    if reference is not None and not reference.is_code:
        if not Path(reference.path).is_file():
            raise SORT.unknown(str(name), _shipped(), "no such file")
        reference.read()  # holds it to its hash
        return _read(Path(reference.path), overrides)
    found = find(SORT, name, _shipped(), lambda listed: _FOLDER / f"{listed}.toml")
    if isinstance(found, Path) and found.parent == _FOLDER:
        return _read(found, overrides)
    if not isinstance(found, Design | Mapping | Path | str) or found == name:
        raise SORT.unknown(name, _shipped())
    return load_design(found, **overrides)


def is_design(values: Mapping[str, Any]) -> bool:
    """Whether the content of a TOML file is a design, not a tariff of interval markets."""
    return "charges" in values


def _read(path: Path, overrides: Mapping[str, Any]) -> Design:
    values = read_toml(path)
    if not is_design(values) and not overrides:
        raise ValueError(
            f"{path}: expected a tariff design with charges, got {', '.join(list(values)[:5]) or 'nothing'}"
        )
    try:
        return read_table(
            Design, with_tables(values, path) | dict(overrides) | {"name": path.stem}, f"design {path.stem}"
        )
    except ValueError as error:
        raise ValueError(f"{_at(path, str(error))}: {error}") from error


def with_tables(values: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Read the tables of hourly prices that charges name, from the folder of the design."""
    charges = values.get("charges")
    names = [
        charge["table_cur_per_kwh"]
        for charge in (charges if isinstance(charges, list) else [])
        if isinstance(charge, Mapping) and isinstance(charge.get("table_cur_per_kwh"), str)
    ]
    given = values.get("tables", {})
    if not names or not isinstance(given, Mapping):
        return dict(values)
    read = {name: read_price_table(path.parent / name) for name in dict.fromkeys(names) if name and name not in given}
    return {**values, "tables": {**given, **read}}


def _at(path: Path, message: str) -> str:
    """Name the file, and the line of the field that a message is about where that can be found."""
    from gridbazaar.data.toml_lines import line_of

    line = line_of(path.read_text(encoding="utf-8-sig"), message)
    return f"{path}" if line is None else f"{path}, line {line}"


@lru_cache(maxsize=1)
def _shipped() -> list[str]:
    return sorted(p.stem for p in _FOLDER.glob("*.toml"))
