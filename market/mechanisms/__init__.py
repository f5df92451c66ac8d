"""Market mechanisms: one file each, holding one function of the same name; found by listing this folder.

A mechanism is ``name(orders, setting, *, options...) -> Clearing``; its keyword-only options are keys of a scenario's
``[mechanism_options]`` table. Two constants of its file describe it. ``STAGE`` says when it is called: ``"ex_ante"``
(orders, before delivery) or ``"ex_post"`` (metered energy, after it). ``PROMISES`` says what everybody may rely on, in
the words of ``PROMISE``; tests hold every mechanism to its word. Two more are optional: ``DRAWS = True`` where it needs
``Orders.lottery``, and a function ``carry_width(n_orders)`` where it carries numbers from interval to interval.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeAlias

from gridbazaar.market.orders import Clearing, Orders, Setting

Mechanism: TypeAlias = Callable[[Orders, Setting], Clearing]

PROMISE = {
    "limits": "nobody pays more, or gets less, than the limit",
    "balanced": "buyers pay what sellers get",
    "no_deficit": "buyers pay at least what sellers get",
    "efficient": "no other trades would be worth more, by the limits given",
    "truthful": "an agent with one order gains nothing by another limit",
    "monotone": "a keener limit never lowers the fill",
    "scales": "a book twice as large trades twice as much at the same prices",
}
"""What a mechanism may promise."""


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


def mechanism_promises(name: str) -> frozenset[str]:
    """Give what the mechanism ``name`` promises, in the words of ``PROMISE``."""
    promises: frozenset[str] = _module(name).PROMISES
    return promises


def mechanism_draws(name: str) -> bool:
    """Say whether the mechanism ``name`` needs ``Orders.lottery``."""
    draws: bool = getattr(_module(name), "DRAWS", False)
    return draws


def carry_width(name: str, n_orders: int) -> int:
    """Give how many numbers an environment the mechanism ``name`` carries from interval to interval; mostly 0."""
    width: int = getattr(_module(name), "carry_width", lambda n: 0)(n_orders)
    return width


def _module(name: str) -> Any:
    known = list_mechanisms()
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"unknown mechanism {name!r}{hint} Expected one of: {', '.join(known)}")
    return import_module(f"{__name__}.{name}")
