"""Scenarios: one TOML file each, found by listing this folder; the contract is ``envs/scenario.py``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridbazaar.agents.kinds import kinds
from gridbazaar.data.inputs import check_input, read_toml
from gridbazaar.data.tables import read_table
from gridbazaar.envs.scenario import WHOSE, Scenario

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
    is_file = str(name).endswith(".toml")
    path = check_input(str(name)) if is_file else _FOLDER / f"{name}.toml"
    if not path.is_file() if is_file else name not in list_scenarios():
        raise ValueError(f"scenario: expected one of {', '.join(list_scenarios())} or a .toml file, got {str(name)!r}")
    table = read_toml(path)
    for key, value in overrides.items():
        _put(table, key, value)
    return _build(path.stem, table)


def scenario_of(values: Mapping[str, Any]) -> Scenario:
    """Give the scenario that ``dataclasses.asdict`` took apart, perhaps by way of JSON; fields left out are as usual.

    Raises:
        ValueError: names a field that there is none of, or a value that cannot be.
    """
    agents, name = values.get("agents"), values.get("name")
    if not isinstance(agents, Mapping) or not isinstance(name, str):
        raise ValueError("scenario: expected a name and a table of agents")
    return _build(name, {**{k: v for k, v in values.items() if k != "agents"}, **agents})


def parse_setting(text: str) -> tuple[str, Any]:
    """Read ``key=value`` of a command line; values as in TOML, bare words are text."""
    key, found, value = text.partition("=")
    if not found or not key.strip():
        raise ValueError(f"--set: expected key=value, got {text!r}")
    try:
        return key.strip(), tomllib.loads(f"x = {value}")["x"]
    except (ValueError, RecursionError):  # no TOML
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
    if "agents" in table:
        raise ValueError("agents: unknown field; expected a table for each kind, such as [ev]")
    found = kinds()
    agents = {}
    for kind in [k for k in table if k in found]:
        agents[kind] = read_table(found[kind].Config, table.pop(kind), kind)
    reward = table.get("reward")
    if isinstance(reward, Mapping) and isinstance(reward.get("scale_cur"), int | float):  # one number serves all three
        table["reward"] = {**reward, "scale_cur": dict.fromkeys(WHOSE, reward["scale_cur"])}
    values = {k: v for k, v in table.items() if k != "name"}
    return read_table(Scenario, values | {"name": name, "agents": agents}, "", further=tuple(found))
