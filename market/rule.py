"""The contract of a market rule: what it says of itself, and what holds on books of all kinds; for its authors too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from gridbazaar.data.units import MICRO
from gridbazaar.market.orders import PROMISE, Clearing, Orders, Setting, Status

STAGES = ("ex_ante", "ex_post")
PER_ORDER = ("traded_ukwh", "outside_ukwh", "pay_ucur", "price_ucur_per_kwh")
"""Fields of a clearing that have a column an order."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A market rule and what its file says of it; ``market/mechanisms`` tells what each means."""

    name: str
    function: Callable[..., Clearing]
    stage: str
    promises: frozenset[str]
    draws: bool
    carry_width: Callable[[int], int]


def faults_of(rule: Rule) -> list[str]:
    """Say what a rule does not keep of the contract and of its promises; nothing where it keeps all.

    It is played on books with ties, empty and one-sided rows, with a retailer and, before delivery, without one.
    """
    found = _faults_of_what_it_says(rule)
    if found:
        return found
    for orders, setting in books_for(rule):
        beside = "beside a retailer" if setting.import_ucur_per_kwh is not None else "without a retailer"
        before = orders.energy_ukwh.copy(), orders.limit_ucur_per_kwh.copy()
        try:
            clearing = rule.function(orders, setting)
        except Exception as error:  # whatever somebody's rule raises is what is wrong with it
            return [f"fails on a book {beside}, {type(error).__name__}: {error}"]
        if not isinstance(clearing, Clearing):
            return [f"gives a {type(clearing).__name__}, expected a Clearing"]
        if any((a != b).any() for a, b in zip(before, (orders.energy_ukwh, orders.limit_ucur_per_kwh), strict=True)):
            return ["changes the orders in place, expected it to leave them alone"]
        found = list(_faults_of_form(rule, orders, clearing)) or [
            *_faults_of_fills(rule, orders, clearing),
            *_faults_of_money(rule, orders, clearing),
            *_faults_of_rows(rule, orders, setting, clearing),
        ]
        if found:
            return [f"{fault} ({beside})" for fault in found]
    return []


def _faults_of_what_it_says(rule: Rule) -> list[str]:
    found = []
    if rule.stage not in STAGES:
        found.append(f'lacks STAGE = "ex_ante" (called with orders) or "ex_post" (with metered energy): {rule.stage!r}')
    if unknown := sorted(map(str, set(rule.promises) - set(PROMISE))):
        found.append(f"PROMISES has {', '.join(unknown)}, expected some of {', '.join(PROMISE)}")
    if "balanced" in rule.promises and "no_deficit" not in rule.promises:
        found.append("PROMISES has balanced without no_deficit, which follows from it")
    return found


def books_for(rule: Rule, n_envs: int = 40, n_orders: int = 14) -> list[tuple[Orders, Setting]]:
    """Give random books, with a retailer and without one where the rule must do without."""
    orders, setting = random_books(n_envs, n_orders)
    return [(orders, setting)] if rule.stage == "ex_post" else [(orders, setting), (orders, Setting())]


def random_books(n_envs: int = 40, n_orders: int = 14, seed: int = 0) -> tuple[Orders, Setting]:
    """Give books with ties, an empty row and one-sided rows, in a band with caps."""
    rng = np.random.default_rng(seed)
    energy = rng.integers(-3, 4, (n_envs, n_orders)) * rng.integers(1, MICRO, (n_envs, 1))
    energy[0], energy[1], energy[2] = 0, abs(energy[1]), -abs(energy[2])
    orders = Orders(
        energy_ukwh=energy,
        limit_ucur_per_kwh=rng.integers(5, 36, (n_envs, n_orders)) * 10_000,
        agent=rng.permutation(n_orders),
        bus=np.zeros(n_orders, dtype=np.int64),
        lottery=rng.random((n_envs, n_orders)),
    )
    columns: list[Any] = [np.full(n_envs, x) for x in (300_000, 80_000, 5 * MICRO, 5 * MICRO, 400_000, 60_000)]
    return orders, Setting(*columns)


def arrays_of(value: Any) -> dict[str, Any]:
    """Give the arrays of orders, settings or clearings by name; those that are none are left out."""
    named = ((f.name, getattr(value, f.name)) for f in fields(value))
    return {name: array for name, array in named if array is not None and hasattr(array, "shape")}


def _faults_of_form(rule: Rule, orders: Orders, clearing: Clearing) -> Iterator[str]:
    n_envs, n_orders = orders.energy_ukwh.shape
    width = rule.carry_width(n_orders)
    shapes = dict.fromkeys(PER_ORDER, (n_envs, n_orders)) | {"carry": (n_envs, width)}
    for name in (f.name for f in fields(clearing) if f.name not in ("pool_ukwh", "carry", "nodal")):
        if not isinstance(getattr(clearing, name), np.ndarray):
            yield f"{name} is a {type(getattr(clearing, name)).__name__}, expected an array"
    for name, array in arrays_of(clearing).items():
        expected = shapes.get(name, (n_envs,))
        if array.dtype != np.int64 or array.shape != expected:
            yield f"{name} is {array.dtype} {list(array.shape)}, expected int64 {list(expected)}"
    if isinstance(clearing.status, np.ndarray) and not set(clearing.status.ravel().tolist()) <= set(Status):
        yield "status holds other numbers than those of Status"
    if (clearing.carry is None) != (width == 0):
        yield f"carry is {'missing' if clearing.carry is None else 'given'}, carry_width says {width} numbers"


def _faults_of_fills(rule: Rule, orders: Orders, clearing: Clearing) -> Iterator[str]:
    sign, filled = np.sign(orders.energy_ukwh), clearing.filled_ukwh
    pool = 0 if clearing.pool_ukwh is None else clearing.pool_ukwh
    if (lost := clearing.traded_ukwh.sum(axis=1) - pool).any():
        row = np.flatnonzero(lost)[0]
        yield f"traded_ukwh does not sum to zero (or to pool_ukwh): that of row {row} is off by {lost[row]}"
    for name in ("traded_ukwh", "outside_ukwh"):
        if (getattr(clearing, name) * sign < 0).any():
            yield f"{name} has another sign than the order"
    if (abs(filled) > abs(orders.energy_ukwh)).any():
        yield "fills more than was ordered"
    if rule.stage == "ex_post" and (filled != orders.energy_ukwh).any():
        yield "leaves metered energy without a price, expected traded_ukwh + outside_ukwh to be all of it"


def _faults_of_money(rule: Rule, orders: Orders, clearing: Clearing) -> Iterator[str]:
    paid = clearing.pay_ucur.sum(axis=1)
    if (paid != clearing.surplus_ucur).any():
        yield "surplus_ucur is not the sum of pay_ucur"
    # A micro-unit of rounding an order.
    if (
        "limits" in rule.promises
        and (clearing.pay_ucur * MICRO > clearing.traded_ukwh * orders.limit_ucur_per_kwh + MICRO).any()
    ):
        yield "promises limits, but somebody pays more, or gets less, than the limit"
    if "no_deficit" in rule.promises and (paid < 0).any():
        yield "promises no_deficit, but sellers get more than buyers pay"
    if "balanced" in rule.promises and paid.any():
        yield "promises balanced, but buyers do not pay what sellers get"


def _faults_of_rows(rule: Rule, orders: Orders, setting: Setting, clearing: Clearing) -> Iterator[str]:
    """What depends on the batch, or on where an order stands in it."""
    again = rule.function(orders, setting)
    for env in (0, 3, orders.energy_ukwh.shape[0] - 1):
        here = slice(env, env + 1)
        alone = rule.function(rows_of(orders, here), rows_of(setting, here))
        for name, array in arrays_of(clearing).items():
            if (array != getattr(again, name)).any():
                yield f"{name} differs when the same book is cleared twice"
                return
            if (array[here] != getattr(alone, name)).any():
                yield f"{name} of a book depends on the other books of the batch"
                return
    place = np.random.default_rng(1).permutation(orders.agent.shape[0])
    moved = replace(
        orders,
        energy_ukwh=orders.energy_ukwh[:, place],
        limit_ucur_per_kwh=orders.limit_ucur_per_kwh[:, place],
        agent=orders.agent[place],
        bus=orders.bus[place],
        lottery=None if orders.lottery is None else orders.lottery[:, place],
    )
    there = rule.function(moved, setting)
    for name, array in arrays_of(clearing).items():
        if name == "carry":  # stands by agent
            continue
        if ((array[:, place] if name in PER_ORDER else array) != getattr(there, name)).any():
            yield f"{name} depends on the order in which orders stand; remainders go by Orders.agent"
            return


def rows_of(value: Any, rows: Any) -> Any:
    """Give some rows of a batch of orders or settings."""
    shared = ("agent", "bus")
    return type(value)(**{name: x if name in shared else x[rows] for name, x in arrays_of(value).items()})
