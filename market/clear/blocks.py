"""Block orders: over several intervals at once, or with a minimum acceptance, cleared exactly on the host.

A block is accepted as a whole or, where its ``min_acceptance`` allows, in part, with the same share in every interval;
or not at all. Its owner gains ``sum of kwh * (price - price of the interval)`` over the intervals. Welfare is the most
for which there is one price an interval such that orders of one interval get what their limits ask for, no accepted
block loses, and one accepted in part neither gains nor loses. Blocks that would gain may stay out (the European rule).
Prices lie between the lowest and the highest limit named anywhere in the book, the cap, the floor and the retailer's
prices, and are kept to a millionth: an accepted block may lose that much on a kWh.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gridbazaar.data.arrays import Array
from gridbazaar.data.units import MICRO, energy_cost_ucur, to_micro
from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.clear.block_welfare import Accepted, Blocks, Levels, accept
from gridbazaar.market.clear.fees import no_fees
from gridbazaar.market.clear.order_list import OrderList, Terms, check_size, limit_fault, number_fault, order_faults
from gridbazaar.market.clear.result import BlockResult, result_of
from gridbazaar.market.clear.self_trade import netted_ukwh
from gridbazaar.market.orders import Clearing, Orders, Status


@dataclass(frozen=True, slots=True)
class Block:
    """One order over several intervals; with one interval, an order with a minimum acceptance."""

    kwh: Sequence[float]  # of each interval, > 0 buys, < 0 sells
    price: float  # per kWh, the same in all intervals: the most a buyer pays, the least a seller takes, on average
    min_acceptance: float = 1.0  # in (0, 1], the least share that may be accepted; 1: all or nothing
    bidder: Hashable = None  # alike blocks stand in the order of these


def block_faults(blocks: Any, terms: Terms) -> list[str]:
    """Say what is wrong with each faulty block, with its place and field."""
    if not isinstance(blocks, Sequence) or isinstance(blocks, str):
        return [f"blocks: expected a list of Block, got {blocks!r}"]
    faults = [f"blocks[{i}]: {fault}" for i, block in enumerate(blocks) for fault in _faults_of(block, terms)]
    if faults:
        return faults
    upper, lower = terms.import_ucur_per_kwh, terms.export_ucur_per_kwh
    if upper is not None and lower is not None and upper <= lower:
        faults.append("blocks: expected export_price below import_price; otherwise neighbours do not trade")
    lengths = {len(block.kwh) for block in blocks}
    if len(lengths) > 1:
        listed = ", ".join(f"blocks[{i}] has {len(block.kwh)}" for i, block in enumerate(blocks))
        faults.append(f"blocks: kwh must have one number an interval, as many in every block; {listed}")
    return faults


def _faults_of(block: Any, terms: Terms) -> list[str]:
    if not isinstance(block, Block):
        return [f"is {block!r}, no Block"]
    if isinstance(block.kwh, str) or not hasattr(block.kwh, "__len__") or len(block.kwh) == 0:
        return [f"kwh is {block.kwh!r}, expected a number for each interval"]
    found = [number_fault(f"kwh[{t}]", kwh) for t, kwh in enumerate(block.kwh)]
    found.append(number_fault("price", block.price) or limit_fault(block.price, terms))
    share = number_fault("min_acceptance", block.min_acceptance)
    if share is None and not 0 < block.min_acceptance <= 1:
        share = f"min_acceptance is {block.min_acceptance}, expected more than 0 and at most 1"
    return [fault for fault in (*found, share) if fault]


def count_intervals(buys: Sequence[Any], sells: Sequence[Any], blocks: Sequence[Block]) -> int:
    """Give the number of intervals: that of the blocks, or without any that of the lists of orders."""
    if blocks:
        return len(blocks[0].kwh)
    return max([len(side) for side in (buys, sells) if _is_nested(side)] + [1])


def intervals_of(side: Sequence[Any], n_intervals: int) -> list[Sequence[Any]]:
    """Give the orders of each interval: a list of lists, or for one interval the list itself; nothing is no order."""
    if len(side) == 0:
        return [()] * n_intervals
    return list(side) if _is_nested(side) else [side]


def _is_nested(side: Sequence[Any]) -> bool:
    return all(isinstance(entry, list | tuple) and not (entry and np.isscalar(entry[0])) for entry in side)


def interval_faults(buys: Sequence[Any], sells: Sequence[Any], blocks: Sequence[Block], terms: Terms) -> list[str]:
    """Say what is wrong with the orders that stand beside blocks."""
    n_intervals = count_intervals(buys, sells, blocks)
    faults = []
    for name, side in (("buys", buys), ("sells", sells)):
        lists = intervals_of(side, n_intervals)
        if len(lists) != n_intervals:
            faults.append(f"{name}: expected a list of orders for each of the {n_intervals} intervals")
            continue
        for t, entries in enumerate(lists):
            faults += order_faults(f"{name}[{t}]" if _is_nested(side) else name, entries, terms)
    return faults


def clear_blocks(
    books: Sequence[OrderList], left_ukwh: Sequence[Array], blocks: Sequence[Block], terms: Terms, *, k: float = 0.5
) -> BlockResult:
    """Clear checked orders of several intervals together with checked blocks.

    Args:
        books: orders of each interval.
        left_ukwh: their energies after self-trade prevention.
        blocks: over the same intervals.
        terms: the retailer's prices, the cap and the floor.
        k: where in an interval of prices the price is put if no block minds.
    """
    asked, place = _blocks(blocks, len(books))
    levels = _levels(books, left_ukwh, terms)
    check_size(
        np.concatenate([book.energy_ukwh for book in books] + [asked.energy_ukwh.ravel()]),
        np.array([0, *levels.limit_ucur_per_kwh.tolist(), *asked.limit_ucur_per_kwh.tolist()]),
    )
    price_range = _price_range(levels, asked, terms)
    accepted = accept(levels, asked, price_range, k)

    results, legs = [], np.zeros_like(asked.energy_ukwh)
    welfare = 0
    for t, (book, left) in enumerate(zip(books, left_ukwh, strict=True)):
        clearing, limits = _interval(book, left, asked, accepted, t, terms)
        filled = clearing.traded_ukwh + clearing.outside_ukwh
        legs[:, t] = filled[0, len(left) : -1]
        welfare += int((filled[0] * limits).sum()) - _paid_to_retailer(clearing, terms)
        results.append(result_of(book, clearing, terms, no_fees(len(left)), netted_ukwh(book, left)))
    gain = asked.energy_ukwh @ -accepted.price_ucur_per_kwh + asked.energy_ukwh.sum(axis=1) * asked.limit_ucur_per_kwh
    is_paradox = (accepted.share == 0) & (gain > np.abs(asked.energy_ukwh).sum(axis=1))
    back = np.argsort(place)
    return BlockResult(
        intervals=tuple(results),
        shares=tuple(accepted.share[back].tolist()),
        block_pays=tuple(pay / MICRO**2 for pay in (legs @ accepted.price_ucur_per_kwh)[back].tolist()),
        welfare=welfare / MICRO**2,
        paradoxically_rejected=tuple(np.flatnonzero(is_paradox[back]).tolist()),
    )


def _blocks(blocks: Sequence[Block], n_intervals: int) -> tuple[Blocks, Array]:
    """Turn blocks into whole numbers, in an order that does not depend on how they were listed, and say that order."""
    place = sorted(
        range(len(blocks)),
        key=lambda i: (tuple(blocks[i].kwh), blocks[i].price, blocks[i].min_acceptance, str(blocks[i].bidder)),
    )
    placed = [blocks[i] for i in place]
    energy = to_micro(np.array([list(block.kwh) for block in placed], dtype=float).reshape(-1, n_intervals))
    limit = to_micro(np.array([block.price for block in placed], dtype=float))
    share = np.array([block.min_acceptance for block in placed], dtype=float)
    return Blocks(energy, limit, share), np.array(place, dtype=np.int64)


def _levels(books: Sequence[OrderList], left_ukwh: Sequence[Array], terms: Terms) -> Levels:
    """Add up orders of the same interval, side and limit; the retailer stands on both sides without end."""
    total: dict[tuple[int, int, int, bool], int] = {}
    for t, (book, left) in enumerate(zip(books, left_ukwh, strict=True)):
        for energy, limit in zip(left.tolist(), book.limit_ucur_per_kwh.tolist(), strict=True):
            key = (t, 1 if energy > 0 else -1, limit, False)
            total[key] = total.get(key, 0) + abs(energy)
        for sign, price in ((-1, terms.import_ucur_per_kwh), (1, terms.export_ucur_per_kwh)):
            if price is not None:
                total[t, sign, price, True] = 1
    rows = sorted((*key, energy) for key, energy in total.items() if energy)
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    return Levels(
        interval=table[:, 0],
        sign=table[:, 1],
        limit_ucur_per_kwh=table[:, 2],
        energy_ukwh=table[:, 4],
        is_endless=table[:, 3] == 1,
    )


def _price_range(levels: Levels, blocks: Blocks, terms: Terms) -> tuple[int, int]:
    named = [*levels.limit_ucur_per_kwh.tolist(), *blocks.limit_ucur_per_kwh.tolist()] or [0]
    low = [price for price in (terms.floor_ucur_per_kwh, terms.export_ucur_per_kwh) if price is not None]
    high = [price for price in (terms.cap_ucur_per_kwh, terms.import_ucur_per_kwh) if price is not None]
    lowest, highest = max(low, default=min(named)), min(high, default=max(named))
    if lowest > highest:
        raise ValueError(
            f"clear: no price lies above {lowest / MICRO:g} and below {highest / MICRO:g}; check price_cap, "
            "price_floor, import_price and export_price"
        )
    return lowest, highest


def _interval(
    book: OrderList, left_ukwh: Array, blocks: Blocks, accepted: Accepted, t: int, terms: Terms
) -> tuple[Clearing, Array]:
    """Fill the orders of one interval at its price; gives the clearing, blocks after orders, and all limits.

    Blocks come first: they are orders at any price. Orders that would lose stay out.
    """
    price = int(accepted.price_ucur_per_kwh[t])
    limit, legs = book.limit_ucur_per_kwh, accepted.energy_ukwh[:, t]
    outside = [p for p in (terms.import_ucur_per_kwh, terms.export_ucur_per_kwh) if p is not None]
    beyond = np.abs(np.array([*limit.tolist(), *outside, price], dtype=np.int64)).max() + 1
    n = len(limit) + len(legs) + 1
    orders = Orders(
        energy_ukwh=np.r_[left_ukwh, legs, 0][None],  # with an order of no energy, should there be no other
        limit_ucur_per_kwh=np.r_[limit, np.sign(legs) * beyond, 0][None],
        agent=np.r_[book.agent, len(limit) + np.arange(len(legs) + 1)],
        bus=np.zeros(n, dtype=np.int64),
    )
    setting = terms.setting()
    energy = left_ukwh * (left_ukwh * (limit - price) >= 0)
    clearing = clear_at_uniform_price(replace(orders, energy_ukwh=np.r_[energy, legs, 0][None]), setting)
    status: Array = clearing.status
    if not (clearing.traded_ukwh + clearing.outside_ukwh).any():
        status = clear_at_uniform_price(orders, setting).status
        if status[0] == Status.EMPTY and blocks.energy_ukwh[:, t].any():
            status = np.array([Status.NO_CROSS])
    shown = replace(
        clearing,
        pay_ucur=energy_cost_ucur(clearing.traded_ukwh, price),
        price_ucur_per_kwh=np.full((1, n), price),
        low_ucur_per_kwh=accepted.low_ucur_per_kwh[t : t + 1],
        high_ucur_per_kwh=accepted.high_ucur_per_kwh[t : t + 1],
        status=status,
    )
    return shown, np.r_[limit, blocks.limit_ucur_per_kwh, 0]


def _paid_to_retailer(clearing: Clearing, terms: Terms) -> int:
    """Money for what the retailer sold less what it bought, in millionths squared."""
    bought, sold = (int(np.maximum(sign * clearing.outside_ukwh, 0).sum()) for sign in (1, -1))
    return bought * (terms.import_ucur_per_kwh or 0) - sold * (terms.export_ucur_per_kwh or 0)
