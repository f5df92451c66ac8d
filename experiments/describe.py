"""What the code says of itself: fields of a configuration, columns of a kind, a scenario written as TOML."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from importlib import import_module
from typing import Any

from gridbazaar.agents.kind import Column
from gridbazaar.agents.kinds import kinds
from gridbazaar.data.bounds import Form, Own
from gridbazaar.data.tables import forms
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.market.design import Design
from gridbazaar.market.tariff import Tariff

_UNITS = (
    ("cur_per_kwh_day", "currency/kWh/day"),
    ("cur_per_kwh", "currency/kWh"),
    ("cur_per_day", "currency/day"),
    ("kwh_per_day", "kWh/day"),
    ("cur_per_k2h", "currency/K2/h"),
    ("cur_per_kh", "currency/K/h"),
    ("kw_per_kwp", "kW/kWp"),
    ("kwh_per_k", "kWh/K"),
    ("k_per_kw", "K/kW"),
    ("w_per_k", "W/K"),
    ("litres", "l"),
    ("c", "C"),
    ("hours", "h"),
    ("cur", "currency"),
    ("per_h", "1/h"),
    ("kwh", "kWh"),
    ("kwp", "kWp"),
    ("kw", "kW"),
    ("frac", "share"),
    ("share", "share"),
    ("share_of_load", "share"),
    ("min", "min"),
    ("h", "h"),
    ("c", "C"),
)
_FIELD = re.compile(r"^ {4}(\w+): .*?# (.*)$")
_NOTES = {
    "title": "one line about it",
    "currency": "of all money",
    "step_min": "length of a market interval",
    "mechanism": "how the local market clears; `gridbazaar list mechanisms`",
    "tariff": "what the retailer asks and pays; `gridbazaar list tariffs`",
    "feeder": "the wires; `gridbazaar list feeders`, or a folder of your own",
    "count": "agents of the kind",
    "mechanism_options": "keyword options of the mechanism",
    "tariff_options": "fields of the tariff that are replaced",
    "n_days": "length of the generated series",
    "n_homes": "load series",
    "n_roofs": "PV series",
    "n_cars": "cars",
    "mean_load_kwh_per_day": "of a home",
    "import_over_load": "what the connection carries at the tariff, over the homes' mean load",
    "export_over_load": "the same for export",
    "eta_ch": "charging efficiency",
    "eta_dis": "discharging efficiency",
    "loss_per_h": "share of the stored energy lost in an hour",
    "start_frac": "state of charge at the beginning",
    "capacity_kwh": "usable capacity",
    "charge_kw": "largest charging power",
    "duration_h": "usable energy over rated power",
    "load_scale": "factor on a home's load",
    "pv_kwp": "size of a roof's PV",
}
"""What the dataclasses leave to their names; a comment there comes first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a configuration."""

    name: str
    type: str
    default: Any
    unit: str
    bounds: str  # what it may hold; empty where that is plain
    note: str


def unit_of(name: str) -> str:
    """Read the unit off the end of a name; nothing where there is none."""
    return next((unit for end, unit in _UNITS if name == end or name.endswith(f"_{end}")), "")


def entries(cls: Any) -> list[Entry]:
    """Give the fields of a configuration with what their comments say."""
    found = forms(cls)
    lines = (_FIELD.match(line) for line in inspect.getsource(cls).splitlines())
    comments = {m[1]: m[2] for m in lines if m}
    return [
        Entry(
            name=f.name, type=_type(found[f.name]), default=_default(f), unit=unit_of(f.name),
            bounds=found[f.name].brief,
            note=comments.get(f.name, _NOTES.get(f.name, "")),
        )
        for f in fields(cls)
    ]  # fmt: skip


def about_kind(name: str) -> str:
    """Give the sentence that says what a kind is."""
    return (import_module(f"gridbazaar.agents.kinds.{name}").__doc__ or "").split("\n\n")[0].replace("\n", " ")


def toml_value(value: Any) -> str:
    """Write a value as a scenario file has it; what is absent is ``"none"``."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(v) for v in value)}]"
    if is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{k} = {toml_value(v)}' for k, v in value.items())} }}" if value else "{}"
    if isinstance(value, str):
        import json

        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def scenario_toml(scenario: Scenario) -> str:
    """Write a scenario with all its fields; read back, it is the same scenario."""
    tables: dict[str, Any] = {}
    lines = []
    for f in fields(Scenario):
        value = getattr(scenario, f.name)
        if f.name == "agents":
            tables |= value
        elif hasattr(value, "__dataclass_fields__"):
            tables[f.name] = value
        elif f.name != "name" and not (scenario.dates and f.name in ("hours", "start_h")):  # they follow from dates
            lines.append(f"{f.name} = {toml_value(value)}")
    for name, table in tables.items():
        lines += _table_toml(name, table)
    return "\n".join(lines) + "\n"


def tariff_toml(tariff: Tariff) -> str:
    """Write a tariff with all its fields; read back, it is the same tariff but for the name, which is the file's."""
    lines = [f"{f.name} = {toml_value(getattr(tariff, f.name))}" for f in fields(tariff) if f.name != "name"]
    return "\n".join(lines) + "\n"


def design_toml(design: Design) -> str:
    """Write a tariff design without what is left at its default, a line a charge; read back, it is the same design."""
    given = {f.name: getattr(design, f.name) for f in fields(design) if getattr(design, f.name) != _default(f)}
    charges, tables = given.pop("charges"), given.pop("tables", {})
    del given["name"]
    lines = [f"{name} = {_brief_toml(value)}" for name, value in given.items()]
    lines += ["charges = [", *(f"    {_brief_toml(charge)}," for charge in charges), "]"]
    if tables:
        lines += ["", "[tables]", *(f"{toml_value(name)} = {toml_value(prices)}" for name, prices in tables.items())]
    return "\n".join(lines) + "\n"


def _brief_toml(value: Any) -> str:
    """Write a value, of tables only what is not at its default."""
    if is_dataclass(value):
        found = {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != _default(f)}
        return f"{{ {', '.join(f'{name} = {_brief_toml(each)}' for name, each in found.items())} }}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_brief_toml, value))}]"
    return toml_value(value)


def _table_toml(name: str, table: Any) -> list[str]:
    """A table, and the tables inside it after its own fields."""
    values = {f.name: getattr(table, f.name) for f in fields(table)}
    inner = {key: value for key, value in values.items() if is_dataclass(value)}
    lines = ["", f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in values.items() if key not in inner)]
    return lines + [line for key, value in inner.items() for line in _table_toml(f"{name}.{key}", value)]


def shipped_columns(kind: str, which: str) -> tuple[Column, ...]:
    """Give the columns that a kind has in the scenarios that come with the package; those of all of them first.

    Args:
        kind: its name.
        which: actions, or columns (what it observes beside what all kinds share).
    """
    found: dict[Column, None] = {}
    configs = [scenario.agents[kind] for scenario in map(load_scenario, list_scenarios()) if kind in scenario.agents]
    for config in [kinds()[kind].Config(), *configs]:
        found |= dict.fromkeys(getattr(kinds()[kind], which)(config))
    return tuple(found)


def is_table(hint: Any) -> bool:
    return hasattr(hint, "__dataclass_fields__")


def _type(form: Form) -> str:
    plain = {int: "whole number", float: "number", str: "text", bool: "true or false", Own: "name or path"}
    words = plain.get(form.type, "table")
    words = "list of tables" if form.is_list else words
    return f"{'range' if form.is_pair else words}{' or none' if form.may_be_none else ''}"


def _default(f: Any) -> Any:
    if f.default is not MISSING:
        return f.default
    return f.default_factory() if f.default_factory is not MISSING else MISSING
