"""A tariff by name, file or object: one of interval markets, or a design that is billed by the month."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridbazaar.data.inputs import read_toml
from gridbazaar.data.own import reference_of
from gridbazaar.market.design import Design
from gridbazaar.market.designs import is_design, list_designs, load_design
from gridbazaar.market.tariff import Tariff
from gridbazaar.market.tariffs import SORT, list_tariffs, load_tariff


def find_tariff(given: Any, **overrides: Any) -> Tariff | Design:
    """Read a tariff or a design, with fields overridden.

    Args:
        given: a listed name of either, the path of a TOML file of either or of a tariff of OpenEI (JSON), an object, or
            the fields of one by name.
        overrides: fields of it.
    """
    if isinstance(given, Design) or (isinstance(given, Mapping) and is_design(given)):
        return load_design(given, **overrides)
    if not isinstance(given, str | Path):
        return load_tariff(given, **overrides)
    name = str(given)
    if name in list_designs() or name.endswith(".json") or _holds_design(name):
        return load_design(name, **overrides)
    reference = reference_of(name)
    if reference is None and name not in list_tariffs():
        raise SORT.unknown(name, [*list_tariffs(), *list_designs()])
    if reference is not None and not reference.is_code and not Path(reference.path).is_file():
        raise SORT.unknown(name, [*list_tariffs(), *list_designs()], f"{reference.path}: no such file")
    return load_tariff(given, **overrides)


def _holds_design(name: str) -> bool:
    """Whether a name is that of a file with charges, or of one that cannot be read: who reads designs says why."""
    reference = reference_of(name)
    if reference is None or reference.is_code or not Path(reference.path).is_file():
        return False
    try:
        return is_design(read_toml(reference.path))
    except ValueError:
        return True
