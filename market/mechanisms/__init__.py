"""Market mechanisms: one file each, holding one function of the same name; found by listing this folder.

A mechanism is ``name(orders, setting, *, options...) -> Clearing``; its keyword-only options are keys of a scenario's
``[mechanism_options]`` table. Two constants of its file describe it. ``STAGE`` says when it is called: ``"ex_ante"``
(orders, before delivery) or ``"ex_post"`` (metered energy, after it); one on orders must also trade without a retailer,
``Setting()``. ``PROMISES`` says what everybody may rely on, in
the words of ``orders.PROMISE``; tests hold every mechanism to its word. Two more are optional: ``DRAWS = True`` where
it needs ``Orders.lottery``, and ``carry_width(n_orders)`` where it carries numbers from interval to interval.
"""

from __future__ import annotations

from typing import Any

from gridbazaar.data.registry import module_of, names_in, with_options
from gridbazaar.market.orders import Mechanism


def list_mechanisms() -> list[str]:
    """Name every mechanism, in alphabetical order."""
    return names_in(__path__)


def load_mechanism(name: str, **options: Any) -> Mechanism:
    """Give the mechanism ``name`` with its options set, ready to be called with orders and a setting."""
    return with_options("mechanism", _module(name), options)


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
    return module_of("mechanism", name, __name__, list_mechanisms())
