"""Tables: frozen dataclasses of settings, read from TOML or made in Python, held to the bounds that they declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar, get_args, get_origin, get_type_hints, runtime_checkable

from gridbazaar.data.bounds import Form, form_of

T = TypeVar("T")


@runtime_checkable
class HasRules(Protocol):
    """A table inside another one, with rules that no single field shows."""

    def check(self, where: str) -> None:
        """Refuse what breaks them; ``where`` names the table."""
        ...


def forms(of: Any) -> dict[str, Form]:
    """Give what each field of a table, or each parameter of a function, may hold."""
    return _forms(of)


@lru_cache(maxsize=256)
def _forms(of: Any) -> dict[str, Form]:
    return {name: form_of(hint) for name, hint in get_type_hints(of, include_extras=True).items()}


def check_table(table: Any, where: str) -> None:
    """Refuse a table with a field that is out of its bounds; what has a ``__post_init__`` calls it there first.

    Args:
        table: a dataclass whose fields declare their bounds.
        where: what users call it, such as ``battery``; empty for the top of a file.

    Raises:
        ValueError: says the field with its table, what is expected and what came.
    """
    found = forms(type(table))
    for f in fields(table):
        check_value(getattr(table, f.name), found[f.name], inside(where, f.name))


def check_value(value: Any, form: Form, where: str) -> None:
    """Refuse a value that a field of this form may not have; ``where`` names the field."""
    kind = form.type
    if value is None and form.may_be_none:
        return
    if is_dataclass(kind):
        _expect(isinstance(value, kind), "a table", value, where)  # type: ignore[arg-type]  # it is a class
        check_table(value, where)
        if isinstance(value, HasRules) and callable(value.check):  # a field may have this name
            value.check(where)
    elif get_origin(kind) is Mapping:
        _expect(isinstance(value, Mapping), "a table", value, where)
        table: Any = value
        held = form_of(get_args(kind)[1])
        for key, each in table.items():
            check_value(each, held, inside(where, key))
    elif form.is_list:
        _expect(isinstance(value, Sequence) and not isinstance(value, str), "a list", value, where)
        entries: Any = value
        held = form_of(get_args(kind)[0])
        for i, each in enumerate(entries):
            check_value(each, held, f"{where}[{i}]")
    else:
        if not form.holds(value):  # only then are the words needed
            _expect(False, str(form), value, where)


def read_table(cls: type[T], table: Any, where: str, further: Sequence[str] = ()) -> T:
    """Build a dataclass from a table of TOML; what it holds is checked by ``check_table``, names are here.

    Args:
        cls: the dataclass.
        table: its fields by name; ``"none"`` stands for none, a number for a pair of it.
        where: what users call the table.
        further: names that are allowed beside its fields, for the message.
    """
    _expect(isinstance(table, Mapping), "a table", table, where)
    found = forms(cls)
    allowed = [f.name for f in fields(cls)]  # type: ignore[arg-type]  # a dataclass, which has no type of its own
    if unknown := [key for key in table if key not in allowed]:
        listed = ", ".join(sorted({*allowed, *further} - {"agents", "name"}))
        raise ValueError(f"unknown field {', '.join(inside(where, k) for k in unknown)}; allowed are {listed}")
    needed = [f.name for f in fields(cls) if f.default is f.default_factory is MISSING]  # type: ignore[arg-type]
    if missing := [key for key in needed if key not in table]:
        raise ValueError(f"{inside(where, missing[0])}: expected {found[missing[0]]}, got nothing")
    return cls(**{key: _read(value, found[key], inside(where, key)) for key, value in table.items()})


def inside(where: str, name: str) -> str:
    """Name a field with its table."""
    return f"{where}.{name}" if where else name


def _read(value: Any, form: Form, where: str) -> Any:
    """Turn a value of TOML into one of Python; one that does not fit is left for the check."""
    kind = form.type
    if form.may_be_none and (value is None or value == "none"):
        return None
    if is_dataclass(kind):
        return value if isinstance(value, kind) else read_table(kind, value, where)  # type: ignore[arg-type]
    if form.is_pair:
        return _pair(value if isinstance(value, list | tuple) else (value, value), get_args(kind)[0])
    if form.is_list and isinstance(value, str):  # a bare word of a command line; names with commas need a list
        value = [part.strip() for part in value.split(",") if part.strip()]
    if form.is_list and isinstance(value, list | tuple):
        item = form_of(get_args(kind)[0])
        return tuple(_read(each, item, f"{where}[{i}]") for i, each in enumerate(value))
    return _number(value) if kind is float else value


def _pair(values: Any, kind: type) -> tuple[Any, ...]:
    return tuple(_number(v) if kind is float else v for v in values)


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _expect(is_so: bool, expected: str, came: Any, where: str) -> None:
    if not is_so:
        raise ValueError(f"{where}: expected {expected}, got {came!r}")
