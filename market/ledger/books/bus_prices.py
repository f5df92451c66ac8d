"""What can be checked of prices per bus without the wires that gave them.

A ledger does not hold the feeder, so such an interval is not cleared again. Given the fills and the price of each bus,
the payments follow to the unit, and no fill or payment may go against its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gridbazaar.market.ledger.books.entries import OPERATOR
from gridbazaar.market.ledger.books.sealed_bids import OVERFLOW
from gridbazaar.market.ledger.log.canonical import Entry
from gridbazaar.market.nodal.payments import pay_at_buses, wedge_ucur_per_kwh
from gridbazaar.market.orders import Orders


def is_by_bus(clear: Entry) -> bool:
    """Say whether a ``clear`` entry has prices per bus; its wires are all that the file does not state of it."""
    return bool(clear["mechanism"] == "nodal" and clear["unstated"] == ["wires"])


def known_of_wires(setting: Any, connections: Sequence[int]) -> Entry:
    """Write what a check needs of wires: buys that are served at any price, and each agent's shares of the rebate."""
    if setting.wires is None:
        return {}
    return {"is_inelastic": setting.wires.is_inelastic.tolist(), "connections": list(connections)}


def check_bus_prices(clear: Entry, book: Orders, bills: Sequence[Entry]) -> list[str]:
    """Say where fills, prices, payments and rebates of an interval with prices per bus do not fit.

    Args:
        clear: the entry.
        book: its orders, a batch of one.
        bills: the interval's ``bill`` entries of the line ``congestion``.

    Raises ``ValueError``, ``KeyError`` or ``IndexError`` where the entry does not say what it must.
    """
    return _payments(clear, book) + _money_of_the_wires(clear, bills)


def _payments(clear: Entry, book: Orders) -> list[str]:
    agents, setting = clear["agents"], clear["setting"]
    energy, limit, n_orders = book.energy_ukwh[0], book.limit_ucur_per_kwh[0], len(book.agent)
    rows = np.zeros((3, n_orders), np.int64)
    for column, *row in clear["fills"]:
        rows[:, column] = row
    shown = np.broadcast_to(np.array(clear["price_ucur_per_kwh"], np.int64), (n_orders,))
    retailer = [np.array([setting[f"{side}_ucur_per_kwh"]], np.int64) for side in ("import", "export")]
    largest = max(map(abs, [*shown.tolist(), *(int(rate[0]) for rate in retailer)]))
    if 2 * sum(map(abs, rows[:2].ravel().tolist())) * largest >= OVERFLOW:
        raise ValueError(f"fills at prices up to {largest} pass 2**63")

    wedge = int(wedge_ucur_per_kwh(*retailer)[0])
    filled, at_bus = rows[0] + rows[1], shown - wedge // 2
    paid = pay_at_buses(filled[None], at_bus[None], book.agent, *retailer)
    due = np.concatenate(paid)
    price = at_bus + wedge * (energy < 0)
    is_served = np.array(setting["is_inelastic"], bool) & (energy > 0)
    is_within = (np.minimum(energy, 0) <= filled) & (filled <= np.maximum(energy, 0))
    is_too_dear = np.where(energy > 0, (price > limit) & ~is_served, price < limit) & (filled != 0)

    def named(column: int) -> str:
        return f"order {column // len(agents)} of {agents[column % len(agents)]!r}"

    found = [f"{named(i)} is for {energy[i]}, but gets {filled[i]}" for i in np.flatnonzero(~is_within).tolist()]
    found += [
        f"{named(i)} is served at any price, but gets {filled[i]} of {energy[i]}"
        for i in np.flatnonzero(is_served & (filled != energy)).tolist()
    ]
    found += [
        f"{named(i)} has the limit {limit[i]}, but its bus the price {price[i]}"
        for i in np.flatnonzero(is_too_dear).tolist()
    ]
    found += [
        f"{named(i)} trades, takes from outside and pays {rows[:, i].tolist()}, but the price of its bus gives "
        f"{due[:, i].tolist()}"
        for i in np.flatnonzero((rows != due).any(axis=0)).tolist()
    ]
    for bus in np.unique(book.bus):
        prices = np.unique(shown[book.bus == bus])
        if len(prices) > 1:
            found.append(f"bus {bus} has the prices {prices.tolist()[:5]}, expected one")
    if clear["high_ucur_per_kwh"] - clear["low_ucur_per_kwh"] != wedge or clear["rent_ucur_per_kwh"]:
        found.append(f"low, high and rent are not those of prices per bus, {wedge} apart and without rent")
    return found


def _money_of_the_wires(clear: Entry, bills: Sequence[Entry]) -> list[str]:
    """The market operator hands on all that the wires brought in, and every connection gets the same of it."""
    given: dict[str, int] = {}
    for bill in bills:
        for party, amount in bill["ucur"].items():
            given[party] = given.get(party, 0) - amount
    handed_on, surplus = -given.pop(OPERATOR, 0), max(clear["surplus_ucur"], 0)
    found = []
    if handed_on != surplus:
        found.append(f"{OPERATOR!r} hands on {handed_on} of what the wires brought in, expected {surplus}")

    shares = dict(zip(clear["agents"], clear["setting"]["connections"], strict=True))
    all_shares = max(sum(shares.values()), 1)
    rebates = {agent: given.get(agent, 0) for agent in shares}
    found += [
        f"{agent!r} has no connection, but gets {rebates[agent]}"
        for agent, n in shares.items()
        if not n and rebates[agent]
    ]
    # A rebate is the agent's share of one sum, to the nearest unit: each says from where to where that sum may lie.
    least = {agent: -((1 - 2 * rebates[agent]) * all_shares // (2 * n)) for agent, n in shares.items() if n > 0}
    most = {agent: (2 * rebates[agent] + 1) * all_shares // (2 * n) for agent, n in shares.items() if n > 0}
    if least:
        high, low = max(least, key=least.__getitem__), min(most, key=most.__getitem__)
        if least[high] > most[low]:
            each = [f"{agent!r} {rebates[agent]} for {shares[agent]}" for agent in (high, low)]
            found.append(f"rebates are not the same for every connection: {' and '.join(each)}")
        elif least[high] > surplus or most[low] < 0:
            found.append(f"rebates sum to {sum(rebates.values())}, expected 0 to {surplus}")
    return found
