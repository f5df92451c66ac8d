"""Scenarios: one TOML file each, found by listing this folder; the contract is ``envs/scenario.py``.

One of your own is such a file by its path; packages bring some as entry points ``gridbazaar.scenarios``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from gridbazaar.agents.kinds import list_kinds, load_kind
from gridbazaar.data.bounds import is_named
from gridbazaar.data.inputs import check_input, read_toml
from gridbazaar.data.own import OwnFileError, pinned, reference_of
from gridbazaar.data.registry import Sort, find, installed, name_of
from gridbazaar.data.tables import read_table
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenario_tables import WHOSE

_FOLDER = Path(__file__).parent
SORT = Sort("scenario", "gridbazaar.scenarios", "mine.toml", "a Scenario")


def list_scenarios() -> list[str]:
    """Give the names of the scenarios that come with the package; those of installed packages last."""
    return [*_shipped(), *(name for name in installed(SORT.group) if name not in _shipped())]


def load_scenario(name: str | Scenario | Path, *, allow_code: Any = False, **overrides: Any) -> Scenario:
    """Read a scenario by name or from a TOML file, with fields overridden.

    Args:
        name: one of ``list_scenarios()``, a path to a ``.toml`` file, or a scenario (then overrides must be empty).
        allow_code: whether to load Python files that the TOML file names, too.
        overrides: fields by name; tables as dicts or with dots, ``**{"ev.count": 3}``. A mechanism, tariff, feeder,
            kind or reward of your own is given as its path or as the object, ``mechanism="rule.py"``.
    """
    if isinstance(name, Scenario):
        if overrides:
            raise ValueError("overrides go with a scenario's name, not with a scenario; use dataclasses.replace")
        return name
    path = _FOLDER / f"{name}.toml"
    if str(name) not in _shipped():
        if str(name) in installed(SORT.group):
            brought: Any = find(SORT, str(name), (), str)
            made: Any = brought() if callable(brought) else brought
            return load_scenario(made, allow_code=True, **overrides)
        is_path = str(name).endswith(".toml")
        path = check_input(Path(name).expanduser()) if is_path else path
        if not is_path or not path.is_file():
            raise SORT.unknown(str(name), _shipped(), "no such file" if is_path else "")
    table = read_toml(path)
    _refuse_beside_dates(table, overrides)
    _place(table, path.parent, None if allow_code else str(path))
    _place_data(table, path.parent)
    for key, value in overrides.items():
        if key == "reward" and not isinstance(value, Mapping):
            key = "reward.whose" if isinstance(value, str) and value in WHOSE else "reward.function"
        _put(table, key, value)
    _place(table, Path(), None)
    try:
        return _build(path.stem, table)
    except ValueError as error:
        if path.parent == _FOLDER:
            raise
        raise ValueError(f"{path}: {error}") from error


def _refuse_beside_dates(table: Mapping[str, Any], overrides: Mapping[str, Any]) -> None:
    """Refuse hours that would have no effect: those given with dates, in the same place or over a file's dates."""
    for of, dates in ((table, table.get("dates")), (overrides, overrides.get("dates", table.get("dates")))):
        if dates and (told := [name for name in ("hours", "start_h") if name in of]):
            raise ValueError(f"dates: {' and '.join(told)} follow from them; leave {' and '.join(told)} out, or dates")


def scenario_of(values: Mapping[str, Any], *, allow_code: bool = False) -> Scenario:
    """Give the scenario that ``dataclasses.asdict`` took apart, perhaps by way of JSON; fields left out are as usual.

    Args:
        values: the fields.
        allow_code: also load Python files that they name.

    Raises:
        ValueError: names a field that there is none of, or a value that cannot be.
    """
    agents, name = values.get("agents"), values.get("name")
    if not isinstance(agents, Mapping) or not isinstance(name, str):
        raise ValueError("scenario: expected a name and a table of agents")
    table = {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items() if k != "agents"}
    _place(table, Path(), None if allow_code else "the scenario")
    return _build(name, {**table, **agents})


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


def _place(table: dict[str, Any], folder: Path, stranger: str | None) -> None:
    """Pin the files of a user's own that a table names, in place.

    Args:
        table: of a scenario.
        folder: from which relative paths count.
        stranger: who names them, where that is a file that may not name code; none: the user did.
    """
    if isinstance(table.get("kinds"), list | tuple):
        table["kinds"] = {name_of(k) if is_named(k) else str(k): k for k in table["kinds"]}
    own = table.get("kinds") or {}
    if not isinstance(own, dict):
        raise ValueError(f"kinds: expected a table of paths by name, or a list of paths, got {own!r}")
    if wrong := [value for value in own.values() if not is_named(value)]:
        raise ValueError(f"kinds: expected paths (mine.py) or kinds, got {wrong[0]!r}")
    named = [(table, key, key) for key in ("mechanism", "tariff", "feeder")]
    named += [(table["reward"], "function", "reward.function")] if isinstance(table.get("reward"), dict) else []
    named += [(table["data"], "loader", "data.loader")] if isinstance(table.get("data"), dict) else []
    named += [(own, key, f"kinds.{key}") for key in own]
    for inner, key, where in named:
        value = inner.get(key)
        reference = reference_of(value)
        if reference is not None and reference.is_code and stranger is not None:
            beside = f", or name it yourself: --set {where}={reference.path}" if stranger.endswith(".toml") else ""
            raise OwnFileError(
                f"{stranger}: {where} names code, {reference.path}, which would run; give --allow-code "
                f"(allow_code=True) if you trust it{beside}"
            )
        try:
            inner[key] = pinned(value, folder)
        except OwnFileError as error:
            raise OwnFileError(f"{where}: {error}") from error
        if key == "feeder" and isinstance(value, str) and (folder / value / "feeder.toml").is_file():
            inner[key] = str((folder / value).resolve())
        if inner[key] is None:
            del inner[key]


def _place_data(table: dict[str, Any], folder: Path) -> None:
    """Let paths of data in a TOML file count from its folder, in place; what is not there, from the current one."""

    def placed(path: Any) -> Any:
        return str((folder / path).resolve()) if isinstance(path, str) and (folder / path).exists() else path

    for where, name in (("data", "path"), ("data", "further"), ("call", "file"), ("call", "limits")):
        inner = table.get(where)
        if isinstance(inner, dict) and name in inner:
            given = inner[name]
            inner[name] = [placed(path) for path in given] if isinstance(given, list) else placed(given)
    if isinstance(table.get("community"), dict) and "table" in table["community"]:
        table["community"]["table"] = placed(table["community"]["table"])
    elif "community" in table:
        table["community"] = placed(table["community"])


def _build(name: str, table: dict[str, Any]) -> Scenario:
    table = dict(table)
    if "agents" in table:
        raise ValueError("agents: unknown field; expected a table for each kind, such as [ev]")
    own = table.get("kinds") or {}
    reserved = {f.name for f in fields(Scenario)} & set(own)
    if reserved:
        raise ValueError(f"kinds: {', '.join(sorted(reserved))} is a field of a scenario; give the kind another name")
    known = [*list_kinds(), *own]
    table |= {kind: {} for kind in own if kind not in table}  # as many as the kind says of itself
    agents = {}
    for kind in [k for k in table if k in known]:
        agents[kind] = read_table(load_kind(own.get(kind, kind)).Config, table.pop(kind), kind)
    reward = table.get("reward")
    if isinstance(reward, Mapping) and isinstance(reward.get("scale_cur"), int | float):  # one number serves all three
        table["reward"] = {**reward, "scale_cur": dict.fromkeys(WHOSE, reward["scale_cur"])}
    values = {k: v for k, v in table.items() if k != "name"}
    return read_table(Scenario, values | {"name": name, "agents": agents}, "", further=tuple(known))


@lru_cache(maxsize=1)
def _shipped() -> list[str]:
    return sorted(p.stem for p in _FOLDER.glob("*.toml"))
