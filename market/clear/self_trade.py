"""Self-trade prevention: what a bidder would sell to itself never reaches the market."""

from __future__ import annotations

import numpy as np

from gridbazaar.data.arrays import Array
from gridbazaar.market.clear.order_list import OrderList

SELF_TRADE = ("net", "allow")


def net_own(orders: OrderList) -> Array:
    """Net each bidder's buys with its own sells where they cross, best bid against lowest ask.

    Returns [n_orders] int64, signed: what is left of each order. The caller's limits count, before any network fee: a
    trade with oneself uses no network.
    """
    left: Array = orders.energy_ukwh.copy()
    by_agent: dict[int, list[int]] = {}
    for i, agent in enumerate(orders.agent.tolist()):
        by_agent.setdefault(agent, []).append(i)
    for own in by_agent.values():
        # The orders of a bidder stand sells first, each side by rising limit.
        buys, sells = [i for i in reversed(own) if left[i] > 0], [i for i in own if left[i] < 0]
        while buys and sells and orders.limit_ucur_per_kwh[buys[0]] >= orders.limit_ucur_per_kwh[sells[0]]:
            step = min(left[buys[0]], -left[sells[0]])
            left[buys[0]] -= step
            left[sells[0]] += step
            buys, sells = buys[int(left[buys[0]] == 0) :], sells[int(left[sells[0]] == 0) :]
    return left


def netted_ukwh(orders: OrderList, left_ukwh: Array) -> int:
    """Give how much energy bidders settle with themselves."""
    return int(np.maximum(orders.energy_ukwh - left_ukwh, 0).sum())
