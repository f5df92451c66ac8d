"""A tariff by name or file, of either sort: one of interval markets, or a design that is billed by the month."""

from __future__ import annotations

from pathlib import Path

from gridbazaar.data.inputs import check_input, read_toml
from gridbazaar.market.design import Design
from gridbazaar.market.designs import is_design, list_designs, load_design
from gridbazaar.market.tariff import Tariff
from gridbazaar.market.tariffs import SORT, list_tariffs, load_tariff


def find_tariff(name: str) -> Tariff | Design:
    """Read a tariff or a design.

    Args:
        name: of either, or the path of a TOML file of either, or of a tariff of OpenEI (JSON).
    """
    if name in list_designs() or name.endswith(".json"):
        return load_design(name)
    path = Path(name)
    if name.endswith(".toml") and check_input(path).is_file():
        return load_design(name) if is_design(read_toml(path)) else load_tariff(name)
    if name.endswith(".toml") or name in list_tariffs():
        return load_tariff(name)
    raise SORT.unknown(name, [*list_tariffs(), *list_designs()])
