"""Market mechanisms: one file each, holding one function of the same name; found by listing this folder.

A mechanism is ``name(orders, setting, *, options...) -> Clearing``; its keyword-only options are keys of a scenario's
``[mechanism_options]`` table. Two constants of its file describe it. ``STAGE`` says when it is called: ``"ex_ante"``
(orders, before delivery) or ``"ex_post"`` (metered energy, after it); one on orders must also trade without a retailer,
``Setting()``. ``PROMISES`` says what everybody may rely on, in
the words of ``orders.PROMISE``; tests hold every mechanism to its word. Two more are optional: ``DRAWS = True`` where
it needs ``Orders.lottery``, and ``carry_width(n_orders)`` where it carries numbers from interval to interval.

One of your own is such a file by its path, ``rule.py`` or ``rule.py:name``, or such a function: the four stand beside
it in its module, or are attributes of it. An installed package brings some as entry points ``gridbazaar.mechanisms``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from gridbazaar.data.own import pinned
from gridbazaar.data.registry import Sort, code_of, find, installed, name_of, names_in, with_options
from gridbazaar.market.orders import Mechanism
from gridbazaar.market.promised import broken_promises
from gridbazaar.market.rule import Rule, faults_of

SORT = Sort(
    "mechanism", "gridbazaar.mechanisms", "rule.py, rule.py:name", "a function of orders and setting with a STAGE"
)
_KNOWN_TO_KEEP_IT: set[Any] = set()  # own rules that were checked in this process


def list_mechanisms() -> list[str]:
    """Name every mechanism, in alphabetical order; those of installed packages last."""
    shipped = shipped_mechanisms()
    return [*shipped, *(name for name in installed(SORT.group) if name not in shipped)]


@lru_cache(maxsize=1)
def shipped_mechanisms() -> list[str]:
    """Name the mechanisms of this folder."""
    return names_in(__path__)


def load_mechanism(name: Any, **options: Any) -> Mechanism:
    """Give a mechanism with its options set, ready to be called with orders and a setting.

    Args:
        name: a listed name, a path (``rule.py``, ``rule.py:name``), or a function. What does not ship is checked once.
        options: of the mechanism.

    Raises:
        ValueError: there is none of this name, it does not keep the contract, or has no such option.
    """
    rule = rule_of(name)
    if not _is_shipped(rule) and rule.function not in _KNOWN_TO_KEEP_IT:
        check_mechanism(name)
    return with_options("mechanism", rule.name, rule.function, options)


def check_mechanism(given: Any) -> None:
    """Hold a mechanism to the contract of this folder and to what it promises; for those who write one.

    Args:
        given: as for ``load_mechanism``.

    Raises:
        ValueError: says all that is wrong, with the name and the file.
    """
    rule = rule_of(given)
    if found := faults_of(rule) or broken_promises(rule):
        file = code_of(rule.function)
        raise ValueError(f"mechanism {rule.name!r}{'' if file is None else f' ({file})'}: " + "; ".join(found))
    _KNOWN_TO_KEEP_IT.add(rule.function)


def mechanism_stage(name: Any) -> str:
    """Say when the mechanism ``name`` is called: ``"ex_ante"`` or ``"ex_post"``."""
    return rule_of(name).stage


def mechanism_promises(name: Any) -> frozenset[str]:
    """Give what the mechanism ``name`` promises, in the words of ``PROMISE``."""
    return rule_of(name).promises


def mechanism_draws(name: Any) -> bool:
    """Say whether the mechanism ``name`` needs ``Orders.lottery``."""
    return rule_of(name).draws


def carry_width(name: Any, n_orders: int) -> int:
    """Give how many numbers an environment the mechanism ``name`` carries from interval to interval; mostly 0."""
    return rule_of(name).carry_width(n_orders)


def rule_of(given: Any) -> Rule:
    """Give a mechanism with what it says of itself; arguments and errors as of ``load_mechanism``."""
    return _rule(pinned(given) if isinstance(given, str | Path) and ".py" in str(given) else given)


@lru_cache(maxsize=64)
def _rule(given: Any) -> Rule:
    found = find(SORT, given, shipped_mechanisms(), lambda name: import_module(f"{__name__}.{name}"))
    if isinstance(found, ModuleType):
        name = name_of(given)
        function = vars(found).get(name)
        if function is None:
            raise ValueError(f"mechanism {name!r}: {found.__file__} lacks a function {name}; or name one, rule.py:name")
        says: Mapping[str, Any] = vars(found)
    else:
        if not callable(found):
            raise SORT.unknown(given, shipped_mechanisms())
        function, name = found, name_of(found)
        module = inspect.getmodule(function)
        says = (vars(module) if module is not None else {}) | (vars(function) if hasattr(function, "__dict__") else {})
    rule: Any = function
    _check_signature(name, rule)
    promises = says.get("PROMISES", frozenset())
    return Rule(
        name=name,
        function=rule,
        stage=says.get("STAGE", "it has none"),
        promises=frozenset(promises if isinstance(promises, set | frozenset | tuple | list) else {promises}),
        draws=bool(says.get("DRAWS", False)),
        carry_width=says.get("carry_width", _no_carry),
    )


def _check_signature(name: str, function: Callable[..., Any]) -> None:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    given = [p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds]
    if len(given) != 2:
        came = f"({', '.join(given)})"
        raise ValueError(
            f"mechanism {name!r} ({code_of(function)}): expected (orders, setting, *, options...), got {came}"
        )


def _no_carry(n_orders: int) -> int:
    return 0


def _is_shipped(rule: Rule) -> bool:
    return rule.function.__module__ == f"{__name__}.{rule.name}"
