"""Network fees by level: who trades pays for each level between itself and the common market, once.

A path names the levels from the root to a bidder, as in ``"Grid/Neigh1/House1"``. All orders of a book meet in the
common market, the deepest level that all paths share. A buyer pays the fees of the levels below it, a seller those and
the common market's own, so that each level on the way of a kWh is counted once. Fees move limits, never the price of
the common market: a buyer's limit is lowered by its fees and a seller's raised, and each kWh filled, however often in
part, owes them once.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from gridbazaar.data.arrays import Array
from gridbazaar.data.units import MICRO
from gridbazaar.market.clear.order_list import OrderList, number_fault


class Fees(NamedTuple):
    """What each order owes."""

    levels: tuple[str, ...]
    rate_ucur_per_kwh: Array  # [n_levels] int64
    passes: Array  # [n_orders, n_levels] int64, 1 where the order pays the level

    @property
    def of_order(self) -> Array:
        """[n_orders] int64 micro-currency per kWh."""
        return self.passes @ self.rate_ucur_per_kwh

    def collected(self, filled_ukwh: Array) -> dict[str, float]:
        """Give the money of each level for fills [n_orders]."""
        energy = (np.abs(filled_ukwh) @ self.passes).tolist()
        return {
            level: kwh * rate / MICRO**2
            for level, kwh, rate in zip(self.levels, energy, self.rate_ucur_per_kwh.tolist(), strict=True)
        }


def no_fees(n_orders: int) -> Fees:
    """Let the network be free."""
    return Fees((), np.zeros(0, dtype=np.int64), np.zeros((n_orders, 0), dtype=np.int64))


def fee_faults(fees: Any, paths: Any, bidders: Sequence[tuple[str, Hashable | None]]) -> list[str]:
    """Say what is wrong with fees and paths.

    Args:
        fees: money per kWh by level.
        paths: levels from the root to each bidder.
        bidders: where each order stands, such as ``"buys[0]"``, and its bidder.
    """
    if not isinstance(fees, Mapping) or not isinstance(paths, Mapping) or not paths:
        return [
            'fees and paths: expected both, as {level: price per kWh} and {bidder: "Grid/Neighbourhood/House"}, '
            f"got fees={fees!r}, paths={paths!r}"
        ]
    faults = []
    for bidder, path in paths.items():
        levels = _levels(path) if isinstance(path, str) else []
        if not levels or not all(levels):
            faults.append(f"paths[{bidder!r}] is {path!r}, expected level names with / between")
        elif len(set(levels)) < len(levels):
            faults.append(f"paths[{bidder!r}] is {path!r}, which passes a level twice")
    if faults:
        return faults
    if not _common(paths.values()):
        faults.append(f"paths share no level, so there is no common market: {', '.join(map(repr, paths.values()))}")
    known = {level for path in paths.values() for level in _levels(path)}
    for level, fee in fees.items():
        fault = number_fault(f"fees[{level!r}]", fee)
        if fault is None and fee < 0:
            fault = f"fees[{level!r}] is {fee}, expected >= 0"
        if fault is None and level not in known:
            fault = f"fees[{level!r}]: no path has this level; they have {', '.join(sorted(known))}"
        if fault:
            faults.append(fault)
    faults += [
        f"{where}: bidder {bidder!r} has no path; paths has {', '.join(map(repr, paths))}"
        for where, bidder in bidders
        if bidder not in paths
    ]
    return faults


def read_fees(fees: Mapping[str, float], paths: Mapping[Any, str], orders: OrderList) -> Fees:
    """Work out which levels each order pays, from checked fees and paths."""
    common = _common(paths.values())
    levels = tuple(fees)
    passes = np.zeros((len(orders.bidders), len(levels)), dtype=np.int64)
    for i, (bidder, energy) in enumerate(zip(orders.bidders, orders.energy_ukwh.tolist(), strict=True)):
        way = _levels(paths[bidder])[len(common) :] + ([common[-1]] if energy < 0 else [])
        passes[i] = [level in way for level in levels]
    return Fees(levels, np.array([round(fee * MICRO) for fee in fees.values()], dtype=np.int64), passes)


def _levels(path: str) -> list[str]:
    return [level.strip() for level in path.split("/")]


def _common(paths: Any) -> list[str]:
    """Give the levels that all paths share, from the root."""
    ways = [_levels(path) for path in paths]
    return [level[0] for level in takewhile(lambda level: len(set(level)) == 1, zip(*ways, strict=False))]
