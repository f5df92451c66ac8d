"""Market mechanisms: one file each, holding one function of the same name; found by listing this folder.

A mechanism is ``name(orders, setting, *, options...) -> Clearing``; its keyword-only options are keys of a scenario's
``[market]`` table. The constant ``STAGE`` of its file says when it is called: ``"ex_ante"`` (orders, before
delivery) or ``"ex_post"`` (metered energy, after it).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeAlias

from gridbazaar.market.orders import Clearing, Orders, Setting

Mechanism: TypeAlias = Callable[[Orders, Setting], Clearing]


def list_mechanisms() -> list[str]:
    """Name every mechanism, in alphabetical order."""
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def load_mechanism(name: str, **options: Any) -> Mechanism:
    """Give the mechanism ``name`` with its options set, ready to be called with orders and a setting."""
    function = getattr(_module(name), name)
    parameters = inspect.signature(function).parameters.values()
    allowed = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    unknown = [option for option in options if option not in allowed]
    if unknown:
        raise ValueError(
            f"mechanism {name!r}: unknown option {', '.join(map(repr, unknown))}; "
            f"expected one of: {', '.join(allowed) or 'none, it has no options'}"
        )
    mechanism: Mechanism = partial(function, **options)
    return mechanism


def mechanism_stage(name: str) -> str:
    """Say when the mechanism ``name`` is called: ``"ex_ante"`` or ``"ex_post"``."""
    stage: str = _module(name).STAGE
    return stage


def _module(name: str) -> Any:
    if name not in list_mechanisms():
        raise ValueError(f"unknown mechanism {name!r}; expected one of: {', '.join(list_mechanisms())}")
    return import_module(f"{__name__}.{name}")
