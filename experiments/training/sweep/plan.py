"""The plan of a sweep: what a ``sweep.toml`` asks for, checked field by field before anything is trained."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from gridbazaar.data.bounds import OneOf, Within
from gridbazaar.data.inputs import read_text, read_toml
from gridbazaar.data.tables import check_table, forms, read_table

METHODS = ("grid", "random", "halving")
_FIXED = ("scenario", "overrides", "algo", "seed", "schedule_from", "validate_seeds", "threads")
"""Fields of a training that are the same for all trials."""
_MOST = 10_000
_NOT_OF = {"grid": ("trials", "seed", "keep", "rounds"), "random": ("keep", "rounds"), "halving": ()}
"""Fields without effect, by method."""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``low`` to ``high``, both included."""

    low: float
    high: float
    log: bool = False  # drawn evenly on a logarithmic scale


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is tried, and how."""

    method: Annotated[str, OneOf(*METHODS)]
    search: Mapping[str, Any] = field(default_factory=dict)  # a list of values or a ``Range`` by field
    train: Mapping[str, Any] = field(default_factory=dict)  # fields that all trials have
    trials: Annotated[int, Within(1, _MOST)] | None = None  # of random and halving
    seed: Annotated[int, Within(0, 2**32 - 1)] = 0  # of what is drawn
    seeds: Annotated[int, Within(1, 1000)] = 1  # trainings a trial, whose mean score counts
    keep: Annotated[int, Within(2, 100)] = 3  # of halving: of so many trials one goes on
    rounds: Annotated[int, Within(2, 20)] = 3  # of halving

    def __post_init__(self) -> None:
        check_table(self, "")

    @property
    def n_trials(self) -> int:
        """How many configurations are tried."""
        if self.method == "grid":
            return math.prod(len(values) for values in self.search.values())
        assert self.trials is not None
        return self.trials

    @property
    def shares(self) -> tuple[float, ...]:
        """Which share of its training a trial has behind it as each round ends."""
        n = self.rounds if self.method == "halving" else 1
        return tuple(self.keep ** -(n - 1 - i) for i in range(n))

    def grid(self) -> list[dict[str, Any]]:
        """Give every combination of the values, the last field going first."""
        return [dict(zip(self.search, values, strict=True)) for values in product(*self.search.values())]


def read_sweep(path: Path) -> Sweep:
    """Read what is tried.

    Raises:
        ValueError: names file, line and field of what is not understood.
    """
    try:
        return _sweep(read_toml(path))
    except _Wrong as wrong:
        line = line_of(read_text(path), wrong.at)
        raise ValueError(f"{path}, line {line}: {wrong}") from None


def check_sweep(sweep: Sweep, table: type[Any], given: Mapping[str, Any], path: Path) -> None:
    """Refuse a sweep whose trials would not be ones of a way to learn.

    Args:
        sweep: as it was read.
        table: configuration of the way to learn.
        given: all fields that the command gives, those of ``[train]`` among them.
        path: of the file.

    Raises:
        ValueError: names file, line and field.
    """
    try:
        _check(sweep, table, given)
    except _Wrong as wrong:
        line = line_of(read_text(path), wrong.at)
        raise ValueError(f"{path}, line {line}: {wrong}") from None


class _Wrong(ValueError):
    """Something in the file, at a place that is named by keys."""

    def __init__(self, at: Sequence[str], words: str) -> None:
        super().__init__(f"{'.'.join(at)}: {words}" if at else words)
        self.at = tuple(at)


def _sweep(held: Mapping[str, Any]) -> Sweep:
    allowed = [f.name for f in fields(Sweep)]
    for name in held:
        if name not in allowed:
            raise _Wrong((name,), f"unknown field; allowed are {', '.join(allowed)}")
    if held.get("method") not in METHODS:
        raise _Wrong(("method",), f"expected one of {', '.join(METHODS)}; got {held.get('method')!r}")
    for name in ("search", "train"):
        if not isinstance(held.get(name, {}), dict):
            raise _Wrong((name,), f"expected a table, got {held[name]!r}")
    if not held.get("search"):
        raise _Wrong(("search",), "expected at least one field to search, such as learning_rate = [1e-3, 3e-3]")
    plain = {name: value for name, value in held.items() if name not in ("search", "train")}
    for name, value in plain.items():
        if not forms(Sweep)[name].holds(value):
            raise _Wrong((name,), f"expected {forms(Sweep)[name]}, got {value!r}")
    method = held["method"]
    for name in _NOT_OF[method]:
        if name in held:
            raise _Wrong((name,), f"it is of another method than {method}; leave it out")
    search = {name: _searched(name, value, method) for name, value in held["search"].items()}
    if method != "grid" and "trials" not in held:
        raise _Wrong(("method",), f"{method} draws its trials; say how many, trials = 20")
    values: dict[str, Any] = plain | {"search": search, "train": dict(held.get("train", {}))}
    made = Sweep(**values)
    if made.n_trials > _MOST:
        raise _Wrong(("search",), f"expected at most {_MOST:,} combinations, got {made.n_trials:,}")
    if method == "halving" and made.n_trials < made.keep ** (made.rounds - 1):
        least = made.keep ** (made.rounds - 1)
        raise _Wrong(("trials",), f"expected at least keep ** (rounds - 1) = {least}, got {made.n_trials}")
    return made


def _searched(name: str, value: Any, method: str) -> Any:
    """Values, or a range of numbers."""
    at = ("search", name)
    if isinstance(value, list):
        if not value:
            raise _Wrong(at, "expected at least one value, got none")
        if not all(type(x) in (int, float, str, bool) for x in value):
            raise _Wrong(at, f"expected numbers, words, true or false; got {value!r}")
        if len({(type(x), x) for x in value}) < len(value):
            raise _Wrong(at, f"a value is there twice in {value!r}")
        return value
    if not isinstance(value, dict):
        raise _Wrong(at, f"expected a list of values or {{low = ..., high = ..., log = true}}, got {value!r}")
    if method == "grid":
        raise _Wrong(at, "a grid needs a list of values, not a range; list them, or ask for method = 'random'")
    for key in value:
        if key not in ("low", "high", "log"):
            raise _Wrong((*at, key), "unknown field; allowed are low, high, log")
    for key in ("low", "high"):
        if type(value.get(key)) not in (int, float) or not math.isfinite(value[key]):
            raise _Wrong((*at, key) if key in value else at, f"{key}: expected a number, got {value.get(key)!r}")
    if type(value.get("log", False)) is not bool:
        raise _Wrong((*at, "log"), f"expected true or false, got {value['log']!r}")
    found = Range(**value)
    if not found.low < found.high:
        raise _Wrong((*at, "low"), f"expected low < high, got {found.low:g} and {found.high:g}")
    if found.log and found.low <= 0:
        raise _Wrong((*at, "low"), f"expected a number > 0 for a logarithmic scale, got {found.low:g}")
    return found


def _check(sweep: Sweep, table: type[Any], given: Mapping[str, Any]) -> None:
    names, held = [f.name for f in fields(table)], forms(table)
    searchable = [name for name in names if name not in _FIXED]
    for name in sweep.train:
        if name not in names or name in ("scenario", "overrides", "schedule_from"):
            raise _Wrong(("train", name), f"unknown field; --algo {table().algo} has {', '.join(searchable)}")
    if given.get("validate_seeds") == 0:
        raise _Wrong(("train", "validate_seeds"), "expected at least 1, as trials are ranked on validation")
    for name, values in sweep.search.items():
        at = ("search", name)
        if name in _FIXED and name in names:
            raise _Wrong(at, f"it is the same for all trials; search one of {', '.join(searchable)}")
        if name not in names:
            raise _Wrong(at, f"unknown field; --algo {table().algo} has {', '.join(searchable)}")
        if name in given:
            raise _Wrong(at, f"it is given as {given[name]!r}, too; leave one of the two out")
        if isinstance(values, Range) and held[name].type not in (int, float):
            raise _Wrong(at, f"expected a list of values, as it is no number but {held[name]}; got a range")
        for value in (values.low, values.high) if isinstance(values, Range) else values:
            try:
                read_table(table, {name: value}, "")
            except ValueError as error:
                if str(error).startswith(f"{name}: "):  # what others say of it is tried with all fields
                    raise _Wrong(at, str(error).removeprefix(f"{name}: ")) from None
    for trial in sweep.grid() if sweep.method == "grid" else ():
        try:
            read_table(table, {**given, **trial}, "")
        except ValueError as error:
            raise _Wrong(("search",), f"{trial}: {error}") from None


_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


def line_of(text: str, at: Sequence[str]) -> int:
    """Give the line of TOML in which a field stands, or the table that it would be in; 1 where there is neither."""
    best, found = 0, 1
    header: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _HEADER.match(line):
            header = _keys(match[1])
            place = header
        elif match := _KEY.match(line):
            place = (*header, *_keys(match[1]))
        else:
            continue
        shared = len(place) if tuple(at[: len(place)]) == place else 0
        if shared > best:
            best, found = shared, number
    return found


def _keys(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in text.split("."))
