"""A tariff by name, file or object: one of interval markets, or a design that is billed by the month."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    if reference_of(name) is None and name not in list_tariffs():
        raise SORT.unknown(name, [*list_tariffs(), *list_designs()])
    return load_tariff(given, **overrides)


def _holds_design(name: str) -> bool:
    """Whether a name is that of a file with charges; what is wrong in a file is said by who reads it."""
    reference = reference_of(name)
    if reference is None or reference.is_code or not Path(reference.path).is_file():
        return False
    try:
        return is_design(tomllib.loads(reference.read().decode()))
    except ValueError:
        return False
