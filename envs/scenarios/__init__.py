"""Scenarios: one TOML file each, found by listing this folder; the contract is ``envs/scenario.py``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from gridbazaar.agents.kinds import kinds
from gridbazaar.envs.scenario import Scenario

_FOLDER = Path(__file__).parent


def list_scenarios() -> list[str]:
    """Give the names of the scenarios that come with the package."""
    return sorted(p.stem for p in _FOLDER.glob("*.toml"))


def load_scenario(name: str | Scenario | Path, **overrides: Any) -> Scenario:
    """Read a scenario by name or from a TOML file, with fields overridden.

    Args:
        name: one of ``list_scenarios()``, a path to a ``.toml`` file, or a scenario (then overrides must be empty).
        overrides: fields by name; tables as dicts or with dots, ``**{"ev.count": 3}``.
    """
    if isinstance(name, Scenario):
        if overrides:
            raise ValueError("overrides go with a scenario's name, not with a scenario; use dataclasses.replace")
        return name
    path = Path(name) if str(name).endswith(".toml") else _FOLDER / f"{name}.toml"
    if not path.is_file():
        raise ValueError(f"scenario: expected one of {', '.join(list_scenarios())} or a .toml file, got {str(name)!r}")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    for key, value in overrides.items():
        _put(table, key, value)
    return _build(path.stem, table)


def scenario_of(values: Mapping[str, Any]) -> Scenario:
    """Give the scenario that ``dataclasses.asdict`` took apart, perhaps by way of JSON; fields left out are as usual.

    Raises:
        ValueError: names a field that there is none of, or a value that cannot be.
    """
    agents = values["agents"]
    return _build(str(values["name"]), {**{k: v for k, v in values.items() if k != "agents"}, **agents})


def parse_setting(text: str) -> tuple[str, Any]:
    """Read ``key=value`` of a command line; values as in TOML, bare words are text."""
    key, found, value = text.partition("=")
    if not found or not key.strip():
        raise ValueError(f"--set: expected key=value, got {text!r}")
    try:
        return key.strip(), tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    head, dot, rest = key.partition(".")
    if dot:
        inner = table.setdefault(head, {})
        if not isinstance(inner, dict):
            raise ValueError(f"{key}: {head} is not a table")
        _put(inner, rest, value)
    elif isinstance(value, Mapping):
        for inner_key, inner_value in value.items():
            _put(table, f"{key}.{inner_key}", inner_value)
    else:
        table[head] = value


def _build(name: str, table: dict[str, Any]) -> Scenario:
    table = dict(table)
    found = kinds()
    agents = {}
    for kind in [k for k in table if k in found]:
        agents[kind] = _read(found[kind].Config, table.pop(kind), kind)
    values = {k: v for k, v in table.items() if k != "name"}
    return _read(Scenario, values | {"name": name, "agents": agents}, "", extra=tuple(found))  # type: ignore[no-any-return]


def _read(cls: Any, table: Any, where: str, extra: tuple[str, ...] = ()) -> Any:
    """Build a frozen dataclass from a table, checking names and types."""
    if not isinstance(table, Mapping):
        raise ValueError(f"{where}: expected a table, got {table!r}")
    hints = get_type_hints(cls)
    allowed = [f.name for f in fields(cls)]
    prefix = f"{where}." if where else ""
    if unknown := [k for k in table if k not in allowed]:
        listed = ", ".join(sorted({*allowed, *extra} - {"agents", "name"}))
        raise ValueError(f"unknown field {', '.join(prefix + k for k in unknown)}; allowed are {listed}")
    return cls(**{key: _convert(hints[key], value, prefix + key) for key, value in table.items()})


def _convert(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, UnionType):
        if value is None or (value == "none" and type(None) in get_args(kind)):
            return None
        kind = next(k for k in get_args(kind) if k is not type(None))
    if get_origin(kind) is tuple:
        pair = value if isinstance(value, list | tuple) else (value, value)
        if len(pair) != 2 or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in pair):
            raise ValueError(f"{where}: expected a number or two, [low, high], got {value!r}")
        return (float(pair[0]), float(pair[1]))
    if hasattr(kind, "__dataclass_fields__") and not isinstance(value, kind):
        return _read(kind, value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in (int, float, str, bool) and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        word = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}[kind]
        raise ValueError(f"{where}: expected {word}, got {value!r}")
    return value
