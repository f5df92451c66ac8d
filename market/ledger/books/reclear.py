"""Run the auctions of a ledger again, and say where prices, fills or payments are not what the bids give.

What anybody can check without believing the operator: the revealed orders, the rule with its options and what the rule
knew of the outside give the result, and the trades and bills pay it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from gridbazaar.data.own import pinned
from gridbazaar.data.registry import OWN_RULE, stated
from gridbazaar.market.ledger.books.bus_prices import check_bus_prices, is_by_bus
from gridbazaar.market.ledger.books.calls import check_delivered
from gridbazaar.market.ledger.books.entries import OPERATOR, fault
from gridbazaar.market.ledger.books.postings import postings
from gridbazaar.market.ledger.books.sealed_bids import OVERFLOW
from gridbazaar.market.ledger.books.trades import account_payments
from gridbazaar.market.ledger.log.canonical import LARGEST, Entry
from gridbazaar.market.orders import Clearing, Orders, Setting
from gridbazaar.market.settlement.island import settle_among_members

if TYPE_CHECKING:
    from gridbazaar.market.orders import Mechanism

EMPTY: Mapping[str, Any] = MappingProxyType({})
_LOTTERY = 2**53  # a float64 in [0, 1) drawn by NumPy is a whole number of these
_MOST_ORDERS = 1_000_000  # a forged entry must not fill the memory
_BY_ENV = (
    "low_ucur_per_kwh", "high_ucur_per_kwh", "rent_ucur_per_kwh", "over_cap_ukwh", "surplus_ucur", "status",
)  # fmt: skip


OwnRules = Mapping[str, Any]
"""Market rules that do not ship, as whoever checks gives them, by their names in the ledger (``own_rules``)."""


def own_rules(given: Iterable[Any]) -> OwnRules:
    """Name rules as a ledger states them: with the hash of their code.

    Args:
        given: paths of files, functions, or names of installed ones, as for ``load_mechanism``.
    """
    from gridbazaar.market.mechanisms import SORT

    pins = [pinned(rule) for rule in given]
    return {stated(pin, SORT): pin for pin in pins}


def reclear(interval: int, entries: Sequence[Entry], own: OwnRules = EMPTY) -> list[str]:
    """Say what of an interval's auction cannot be reproduced; nothing if all of it can, or there was none.

    Args:
        interval: which one.
        entries: of it, without a ``fault``.
        own: rules that do not ship; an auction by another one of that kind is not run again.
    """
    found: list[str] = check_delivered(entries)
    for clear in _of(entries, "clear"):
        found += _trades_against(clear, entries)
        if clear["unstated"] and not is_by_bus(clear):
            found.append(f"the auction cannot be run again: the file does not state {', '.join(clear['unstated'])}")
            continue
        reveals = _of(entries, "reveal")
        if is_unknown(clear, own):
            continue
        try:
            if is_by_bus(clear):
                congestion = [e for e in _of(entries, "bill") if e["line"] == "congestion"]
                found += check_bus_prices(clear, _book_of(clear, reveals), congestion)
            else:
                found += _differences(clear, run_again(clear, reveals, own))
        except Exception as error:  # whatever a forged entry makes a mechanism do is a finding, with its reason
            found.append(f"the auction cannot be run again: {type(error).__name__}: {str(error)[:200]}")
    return found


def has_bus_prices(entries: Sequence[Entry]) -> bool:
    """Say whether an interval's prices per bus are checked by their payments instead of being cleared again."""
    return any(is_by_bus(clear) for clear in _of(entries, "clear"))


def rules_not_run(entries: Sequence[Entry], own: OwnRules = EMPTY) -> list[str]:
    """Name the rules of an interval that do not ship and are not at hand, so that its auction is not run again."""
    return [clear["mechanism"] for clear in _of(entries, "clear") if is_unknown(clear, own)]


def is_unknown(clear: Entry, own: OwnRules) -> bool:
    """Whether an auction was cleared by a rule that neither ships nor is at hand; the price of an island needs none."""
    return OWN_RULE in clear["mechanism"] and clear["mechanism"] not in own and not clear["setting"].get("is_island")


def totals(interval: int, entries: Sequence[Entry]) -> list[str]:
    """Say where sums of an interval do not fit; works on what is left where bodies are withheld.

    Every entry must sum to zero for each asset, and trades with the market's line of the bills must exchange and pay
    what the ``clear`` entry says of each account.
    """
    entries = [entry for entry in entries if fault(entry) is None]  # the others are a finding of the books
    found = []
    for entry in entries:
        sums: dict[str, int] = {}
        for _, asset, delta in postings(entry):
            sums[asset] = sums.get(asset, 0) + delta
        found += [f"{entry['txid']} creates {total} of {asset!r}" for asset, total in sums.items() if total]
    for clear in _of(entries, "clear"):
        found += _trades_against(clear, entries)
    return found


def run_again(clear: Entry, reveals: Iterable[Entry], own: OwnRules = EMPTY) -> Clearing:
    """Give the ``Clearing`` (a batch of one) of the revealed orders, or of what was metered.

    The price of an island is taken as it is stated: it says what was shed or spilt. All payments follow from it.
    """
    book = _book_of(clear, reveals)
    if clear["setting"].get("is_island") is True:
        return _island(clear, book)
    known: dict[str, Any] = {name: None if x is None else np.array([x]) for name, x in clear["setting"].items()}
    from gridbazaar.market.mechanisms import shipped_mechanisms

    rule = own.get(clear["mechanism"])
    if rule is None and clear["mechanism"] not in shipped_mechanisms():  # a ledger names no code to be run
        raise ValueError(f"unknown mechanism {clear['mechanism']!r}")
    return _rule(rule or clear["mechanism"], tuple(clear["options"].items()))(book, Setting(**known))


@lru_cache(maxsize=16)
def _rule(mechanism: Any, options: tuple[tuple[str, str], ...]) -> Mechanism:
    """Load a rule once and not for every interval; options as JSON."""
    from gridbazaar.market.mechanisms import load_mechanism

    return load_mechanism(mechanism, **{name: json.loads(text) for name, text in options})


def _book_of(clear: Entry, reveals: Iterable[Entry]) -> Orders:
    """Give the orders of an interval, [1, n_orders]."""
    agents, orders = clear["agents"], clear["orders"]
    if orders is None:
        void = {account for account, _ in clear["void"]}
        bids = {reveal["account"]: reveal["orders"] for reveal in reveals if reveal["account"] not in void}
        n_slots = max(map(len, bids.values()), default=1)
        if n_slots * len(agents) > _MOST_ORDERS:
            raise ValueError(f"the book has {n_slots * len(agents)} orders, expected at most {_MOST_ORDERS}")
        empty: list[list[int]] = []
        padded = [[*bids.get(agent, empty), *[[0, 0]] * n_slots][:n_slots] for agent in agents]
        orders = [bid[slot] for slot in range(n_slots) for bid in padded]
    table = np.array(orders, np.int64).reshape(-1, 2)
    n_slots = len(table) // len(agents)
    return Orders(
        energy_ukwh=table[None, :, 0],
        limit_ucur_per_kwh=table[None, :, 1],
        agent=np.tile(np.arange(len(agents)), n_slots),
        bus=np.tile(np.array(clear["bus"], np.int64), n_slots),
        lottery=None if clear["lottery"] is None else np.array([clear["lottery"]]) / _LOTTERY,
    )


def _island(clear: Entry, metered: Orders) -> Clearing:
    price, carry = clear["price_ucur_per_kwh"][0], clear["carry"]
    if clear["orders"] is None:
        raise ValueError("it was an island, but what its members metered is not stated")
    if price < 0 or sum(map(abs, metered.energy_ukwh[0].tolist())) * price >= OVERFLOW:
        raise ValueError(f"price_ucur_per_kwh is {price}, expected 0 or more, and below 2**63 with all energy")
    settled = settle_among_members(metered, np.array([price]))
    return settled if carry is None else replace(settled, carry=np.array([carry]))


def clear_of(clearing: Any, env: int) -> Entry:
    """Write what a mechanism decided for one environment as the fields of a ``clear`` entry.

    Fields of a ``Clearing`` that it has no use for are left out, and so are orders that nothing became of.
    """
    rows = [getattr(clearing, name)[env].tolist() for name in ("traded_ukwh", "outside_ukwh", "pay_ucur")]
    fills = [[column, *row] for column, row in enumerate(zip(*rows, strict=True)) if any(row)]
    prices = clearing.price_ucur_per_kwh[env].tolist()
    optional = {name: getattr(clearing, name) for name in ("pool_ukwh", "carry")}
    return {
        "fills": fills,
        "volume_ukwh": sum(max(row[1], 0) for row in fills),
        "price_ucur_per_kwh": prices[:1] if len(set(prices)) == 1 else prices,
        "pool_ukwh": 0 if optional["pool_ukwh"] is None else int(optional["pool_ukwh"][env]),
        "carry": None if optional["carry"] is None else optional["carry"][env].tolist(),
    } | {name: int(getattr(clearing, name)[env]) for name in _BY_ENV}


def setting_of(setting: Any, env: int) -> Entry:
    """Write what a mechanism knew of one environment; what is no integer is named as unstated."""
    stated: dict[str, Any] = {}
    unstated = []
    for name in (field.name for field in fields(setting)):
        value = getattr(setting, name)
        if value is None:
            stated[name] = None
        elif _is_stated(value) and np.abs(value[env] * 1).max(initial=0) <= LARGEST:
            stated[name] = value[env].tolist()
        else:
            unstated.append(name)
    return {"setting": stated, "unstated": unstated}


def _is_stated(value: Any) -> bool:
    """Say whether a value of a setting is [n_envs] or [n_envs, n] of integers or truth values."""
    return getattr(getattr(value, "dtype", None), "kind", "") in ("i", "b") and value.ndim in (1, 2)


def lottery_of(orders: Any, env: int) -> list[int] | None:
    """Write an environment's lottery numbers as whole numbers, without loss."""
    return None if orders.lottery is None else [int(draw * _LOTTERY) for draw in orders.lottery[env].tolist()]


def _differences(clear: Entry, clearing: Any) -> list[str]:
    again = clear_of(clearing, 0)
    found = [
        f"{name} is {str(clear[name])[:60]}, but the orders give {str(value)[:60]}"
        for name, value in again.items()
        if name != "fills" and clear[name] != value
    ]
    had, gives = ({row[0]: row[1:] for row in rows} for rows in (clear["fills"], again["fills"]))
    wrong = [column for column in sorted(had.keys() | gives.keys()) if had.get(column) != gives.get(column)]
    n_agents = len(clear["agents"])
    return found + [
        f"order {column // n_agents} of {clear['agents'][column % n_agents]!r} trades, takes from outside and pays "
        f"{had.get(column, [0, 0, 0])}, but the orders give {gives.get(column, [0, 0, 0])}"
        for column in wrong
    ]


def _trades_against(clear: Entry, entries: Sequence[Entry]) -> list[str]:
    """Compare what accounts trade and pay with what they were cleared for."""
    agents = clear["agents"]
    traded, owed = (_sums((agents[row[0] % len(agents)], row[k]) for row in clear["fills"]) for k in (1, 3))
    trades, bills = _of(entries, "trade"), [e for e in _of(entries, "bill") if e["line"] == "market"]
    moved = _sums(leg for e in trades for leg in ((e["buyer"], e["energy_ukwh"]), (e["seller"], -e["energy_ukwh"])))
    paid = _sums([*account_payments(trades).items(), *(leg for e in bills for leg in e["ucur"].items())])
    for sums in (moved, paid):
        sums.pop(OPERATOR, None)
    found = []
    for what, had, due in (("trades", moved, traded), ("pays", paid, owed)):
        for account in sorted(had.keys() | due.keys()):
            if had.get(account, 0) != due.get(account, 0):
                found.append(f"{account!r} {what} {had.get(account, 0)}, but was cleared for {due.get(account, 0)}")
    return found


def _of(entries: Sequence[Entry], kind: str) -> list[Entry]:
    return [entry for entry in entries if entry["kind"] == kind]


def _sums(amounts: Iterable[tuple[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for name, amount in amounts:
        total[name] = total.get(name, 0) + amount
    return total
