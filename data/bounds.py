"""Bounds: what a field of a table may hold, said once, where it is declared; ``tables.check_table`` holds it to that.

``eta_ch: PositiveShare = 0.95`` is a number in (0, 1], ``power_kw: NotNegatives = (0.8, 1.5)`` two numbers in order,
and ``wear: Annotated[str, OneOf("throughput", "depth")]`` one of two words. Where no alias fits, a field says its own:
``Annotated[float, Within(0.5, 1.0)]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

MOST = 1e9
"""No number is larger in amount, unless its bounds say so: micro-units of more would not fit into 64 bits."""
MOST_PRICE = 1e4
"""Nor is a price, in the currency per kWh: a price times the energy of a whole community has to fit."""


@dataclass(frozen=True, slots=True)
class Within:
    """Edges of a number, or of both numbers of a pair; an edge is allowed itself unless it is open."""

    low: float = -MOST
    high: float = MOST
    is_open_below: bool = False
    is_open_above: bool = False
    is_ordered: bool = True  # of a pair: the first is not above the second

    def holds(self, value: Any) -> bool:
        """Whether a number lies within; NaN never does."""
        is_above = self.low < value if self.is_open_below else self.low <= value
        return bool(is_above and (value < self.high if self.is_open_above else value <= self.high))

    @property
    def brief(self) -> str:
        """Without the edges that all numbers have; empty where there are no others."""
        if -self.low not in (MOST, MOST_PRICE) and self.high in (MOST, MOST_PRICE):
            return f"{'>' if self.is_open_below else '>='} {self.low:.10g}"
        return "" if self.high in (MOST, MOST_PRICE) else str(self)

    def __str__(self) -> str:
        left, right = "(" if self.is_open_below else "[", ")" if self.is_open_above else "]"
        return f"{left}{self.low:.10g}, {self.high:.10g}{right}"


@dataclass(frozen=True, slots=True, init=False)
class OneOf:
    """The values that there are."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        object.__setattr__(self, "values", values)

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


Range = tuple[float, float]


class Own:
    """Marks a field that takes names, paths and objects."""


Named = Annotated[Any, Own]
"""A listed name, a path, or an object in Python: what ``data/registry.py`` finds."""

Number = Annotated[float, Within()]
NotNegative = Annotated[float, Within(0.0)]
Positive = Annotated[float, Within(0.0, is_open_below=True)]
Share = Annotated[float, Within(0.0, 1.0)]
ShareBelowOne = Annotated[float, Within(0.0, 1.0, is_open_above=True)]
PositiveShare = Annotated[float, Within(0.0, 1.0, is_open_below=True)]
Price = Annotated[float, Within(-MOST_PRICE, MOST_PRICE)]  # may be negative, as wholesale prices are
Charge = Annotated[float, Within(0.0, MOST_PRICE)]  # a price that only one side ever pays
Count = Annotated[int, Within(0)]
CountFromOne = Annotated[int, Within(1)]
NotNegatives = Annotated[Range, Within(0.0)]
Positives = Annotated[Range, Within(0.0, is_open_below=True)]
Shares = Annotated[Range, Within(0.0, 1.0)]
PositiveShares = Annotated[Range, Within(0.0, 1.0, is_open_below=True)]


@dataclass(frozen=True, slots=True)
class Form:
    """What a type hint says of a field."""

    type: Any  # int, float, str, bool, a pair, a table, a mapping or a sequence of hints
    may_be_none: bool = False
    bounds: Within | OneOf | None = None
    is_pair: bool = field(init=False, repr=False)  # whether it holds two numbers
    is_list: bool = field(init=False, repr=False)  # whether it holds any number of values of one form

    def __post_init__(self) -> None:
        origin = get_origin(self.type)
        is_pair = origin is tuple and get_args(self.type)[-1] is not Ellipsis
        object.__setattr__(self, "is_pair", is_pair)
        object.__setattr__(self, "is_list", origin is Sequence or (origin is tuple and not is_pair))

    @property
    def brief(self) -> str:
        """Its bounds as a table of fields has them."""
        return self.bounds.brief if isinstance(self.bounds, Within) else str(self.bounds or "")

    def holds(self, value: Any) -> bool:
        """Whether a field that is no table may have this value."""
        if value is None:
            return self.may_be_none
        if not self.is_pair:
            return _is(value, self.type) and _allows(self.bounds, value)
        kind, bounds = get_args(self.type)[0], self.bounds
        if not isinstance(value, tuple) or len(value) != 2 or not all(_is(v, kind) for v in value):
            return False
        is_ordered = not isinstance(bounds, Within) or not bounds.is_ordered or value[0] <= value[1]
        return all(_allows(bounds, v) for v in value) and is_ordered

    def __str__(self) -> str:
        if isinstance(self.bounds, OneOf):
            words = f"one of {self.bounds}"
        elif self.is_pair:
            whole = "whole " if get_args(self.type)[0] is int else ""
            words = f"two {whole}numbers{_in(self.bounds)}"
            if isinstance(self.bounds, Within) and self.bounds.is_ordered:
                words += ", first <= second"
        else:
            words = f"{_WORDS.get(self.type, 'a value')}{_in(self.bounds)}"
        return f"{words}, or none" if self.may_be_none else words


_WORDS = {
    int: "a whole number", float: "a number", str: "text", bool: "true or false", Own: "a name, a path or an object",
}  # fmt: skip
_TYPES = {int: Integral, float: Real, str: str, bool: bool}


def form_of(hint: Any) -> Form:
    """Read a type hint, with its bounds wherever in it they stand."""
    if get_origin(hint) is Annotated:
        if Own in hint.__metadata__:
            return Form(Own)
        found = next((m for m in hint.__metadata__ if isinstance(m, Within | OneOf)), None)
        form = form_of(hint.__origin__)
        return form if found is None else replace(form, bounds=found)
    if get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint):
        (held,) = (a for a in get_args(hint) if a is not NoneType)
        return replace(form_of(held), may_be_none=True)
    return Form(hint)


def _is(value: Any, kind: Any) -> bool:
    """Whether a value is of a plain type; true and false are no numbers, and other types take what comes."""
    if kind is Own:
        return is_named(value)
    return kind not in _TYPES or (isinstance(value, _TYPES[kind]) and (kind is bool or not isinstance(value, bool)))


def is_named(value: Any) -> bool:
    """Whether something may be a name, a path or an object, perhaps written whole as a table; no number or list is."""
    return not isinstance(value, Integral | Real | list | tuple | set)


def _allows(bounds: Within | OneOf | None, value: Any) -> bool:
    if bounds is None:
        return True
    return value in bounds.values if isinstance(bounds, OneOf) else bounds.holds(value)


def _in(bounds: Within | OneOf | None) -> str:
    return "" if bounds is None else f" in {bounds}"
