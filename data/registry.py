"""Rules that are found by listing a folder: one file each, holding one function of the same name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from gridbazaar.data.tables import check_value, forms


def names_in(path: Iterable[str]) -> list[str]:
    """Name the files of a package's ``__path__``, in alphabetical order."""
    return sorted(module.name for module in iter_modules(path) if not module.name.startswith("_"))


def module_of(what: str, name: str, package: str, known: list[str]) -> ModuleType:
    """Import the file ``name``; ``ValueError`` with the nearest names for one that is not ``known``."""
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "."
        raise ValueError(f"unknown {what} {name!r}{hint} Expected one of: {', '.join(known)}")
    return import_module(f"{package}.{name}")


def with_options(what: str, module: ModuleType, options: dict[str, Any]) -> Callable[..., Any]:
    """Give the function of a file with its keyword options set.

    Raises:
        ValueError: it has no option of a name, or an option is out of the bounds that its annotation declares.
    """
    name = module.__name__.rpartition(".")[2]
    function = getattr(module, name)
    parameters = inspect.signature(function).parameters.values()
    allowed = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    unknown = [option for option in options if option not in allowed]
    if unknown:
        raise ValueError(
            f"{what} {name!r}: unknown option {', '.join(map(repr, unknown))}; "
            f"expected one of: {', '.join(allowed) or 'none, it has no options'}"
        )
    found = forms(function)
    for option, value in options.items():
        check_value(value, found[option], f"{what} {name}.{option}")
    return partial(function, **options)
