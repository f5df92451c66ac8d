"""The tables of a pandapower net: what is in service, and what of them a feeder cannot be made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_UNKNOWN = (
    "gen", "shunt", "ward", "xward", "trafo3w", "impedance", "dcline", "motor", "asymmetric_load", "asymmetric_sgen",
    "svc", "tcsc", "ssc", "vsc", "b2b_vsc", "bi_vsc", "line_dc", "load_dc", "source_dc",
)  # fmt: skip
"""Tables that change the flow and that a Feeder cannot hold."""
_ENDS = {
    "line": ("from_bus", "to_bus"), "trafo": ("hv_bus", "lv_bus"), "ext_grid": ("bus",), "load": ("bus",),
    "sgen": ("bus",), "storage": ("bus",),
}  # fmt: skip
"""Columns that name buses."""
_NUMBERS = {
    "bus": ("vn_kv",), "ext_grid": ("vm_pu",), "load": ("p_mw", "q_mvar"), "sgen": ("p_mw", "q_mvar"),
    "storage": ("p_mw", "q_mvar"),
    "line": ("length_km", "r_ohm_per_km", "x_ohm_per_km", "max_i_ka"),
    "trafo": ("sn_mva", "vn_hv_kv", "vn_lv_kv", "vk_percent", "vkr_percent", "pfe_kw", "i0_percent"),
}  # fmt: skip
"""Columns that must hold numbers."""
_FACTORS = {"load": ("scaling",), "sgen": ("scaling",), "storage": ("scaling",), "line": ("df", "parallel"),
            "trafo": ("parallel",)}  # fmt: skip
"""Columns that must hold numbers where a table has them."""


@dataclass(frozen=True, slots=True)
class Net:
    """The tables, with buses joined by closed switches and elements taken out by open ones."""

    tables: Any
    joined: Mapping[int, int]  # bus -> the bus that stands for all it is joined with
    opened: frozenset[tuple[str, int]]  # ("l", line) and ("t", transformer)
    dead: frozenset[int]  # buses out of service

    def rows(self, table: str) -> list[tuple[int, Any]]:
        """Give (index, row) of what is in service, as its buses are; none where the net lacks the table."""
        frame = table_of(self.tables, table)
        if frame is None:
            return []
        ends = [column for column in _ENDS.get(table, ()) if column in frame]
        return [
            (int(index), row)
            for index, row in frame.iterrows()
            if bool(row.get("in_service", True)) and not any(row[end] in self.dead for end in ends)
        ]

    def base_kv(self, bus: int) -> float:
        """Give the rated voltage of a bus."""
        of_bus = self.tables.bus["vn_kv"][self.tables.bus.index == bus]
        return float(of_bus.iloc[0]) if len(of_bus) else 1.0

    def bus_name(self, bus: int) -> str:
        """Give the net's name of a bus where no other bus has it, else its index."""
        if bus not in self.joined or "name" not in self.tables.bus:
            return str(bus)
        names = [str(name) for name in self.tables.bus["name"]]
        own = str(self.tables.bus["name"][self.tables.bus.index == bus].iloc[0])
        return own if own not in ("", "None", "nan") and names.count(own) == 1 else str(bus)


def table_of(net: Any, name: str) -> Any:
    """Give a table of a net, None where it has no such rows."""
    frame = getattr(net, name, None)
    return None if frame is None or not len(frame) else frame


def check_cells(net: Net, faults: list[str]) -> None:
    """Refuse tables that lack columns, and cells without a finite number where there must be one."""
    for table in _NUMBERS:
        rows = net.rows(table)
        needed = (*_ENDS.get(table, ()), *_NUMBERS[table])
        missing = [column for column in needed if rows and column not in rows[0][1]]
        if missing:
            faults.append(f"net.{table}: expected the columns {', '.join(needed)}; came none of {', '.join(missing)}")
            continue
        for index, row in rows:
            for column in (*needed, *(c for c in _FACTORS.get(table, ()) if c in row)):
                if not math.isfinite(cell_of(row[column])):
                    faults.append(f"net.{table} {index}: expected {column}, a number; came {row[column]}")


def check_tables(net: Net, faults: list[str]) -> None:
    for table in _UNKNOWN:
        rows = [index for index, _ in net.rows(table)]
        if rows:
            listed = ", ".join(map(str, rows))
            faults.append(f"net.{table} rows {listed}: expected none in service; a feeder cannot hold them")
    for table, columns in _ENDS.items():
        for index, row in net.rows(table):
            for column in columns:
                if int(row[column]) not in net.joined:
                    faults.append(f"net.{table} {index}: expected a bus of the net for {column}, came {row[column]:g}")
    for index in net.tables.bus.index[net.tables.bus.index.duplicated()]:
        faults.append(f"net.bus {index}: expected each bus once, came it twice; rename one")
    for index, row in net.rows("bus"):
        if not float(row["vn_kv"]) > 0:
            faults.append(f"net.bus {index}: expected vn_kv > 0, the base voltage; came {row['vn_kv']}")


def cell_of(value: Any) -> float:
    """A number, NaN for what is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def number_of(value: Any) -> float:
    """Give a number, 0 for what the table leaves empty."""
    number = cell_of(value)
    return 0.0 if math.isnan(number) else number
