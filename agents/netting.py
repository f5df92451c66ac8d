"""Netting: what the devices of one customer exchange behind its meter, at no price, before anything comes to market."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.market.settlement.customers import Customers


def netted_at_home(firm_ukwh: Array, flexible_ukwh: Array, customers: Customers | None) -> tuple[Array, Array]:
    """Match what a customer's agents draw with what they send.

    Args:
        firm_ukwh: [n_envs, n_agents] int64, what each customer must do, in the column of its first agent.
        flexible_ukwh: [n_envs, n_agents] int64, what each agent wishes to do.
        customers: who is one customer; none: every agent is one.

    Returns:
        [n_envs, n_agents] int64 what is left of the firm energy, and [n_envs, n_agents] int64 >= 0 what of each
        flexible wish is met at home.

    What must be served comes first, then wishes share pro rata, to the micro-kWh, whatever their eagerness. What is
    left of a customer has one sign, so that its orders never meet in the book.
    """
    xp = namespace(firm_ukwh)
    if customers is None or not customers.has_families:
        opposite = (firm_ukwh > 0) & (flexible_ukwh < 0) | (firm_ukwh < 0) & (flexible_ukwh > 0)
        netted_ukwh = xp.where(opposite, xp.minimum(xp.abs(firm_ukwh), xp.abs(flexible_ukwh)), 0)
        return xp.where(firm_ukwh > 0, firm_ukwh - netted_ukwh, firm_ukwh + netted_ukwh), netted_ukwh
    draws, sends = xp.maximum(flexible_ukwh, 0), xp.maximum(-flexible_ukwh, 0)
    firm, all_draws, all_sends = (customers.all_of(x) for x in (firm_ukwh, draws, sends))
    load, surplus = xp.maximum(firm, 0), xp.maximum(-firm, 0)
    drawn = xp.minimum(all_draws, surplus + xp.maximum(all_sends - load, 0))
    sent = xp.minimum(all_sends, load + xp.maximum(all_draws - surplus, 0))
    left = (firm + drawn - sent) * customers.is_lead
    return left, customers.share(drawn, draws) + customers.share(sent, sends)


def at_meters(kw: Array, lead: Sequence[int]) -> Array:
    """Give each agent what its customer's agents have together, on the host.

    Args:
        kw: [n_envs, n_agents, n_steps].
        lead: of each agent the first one of its customer; empty: every agent is one.
    """
    if not len(lead):
        return kw
    first = np.asarray(lead)
    summed: Array = (first[:, None] == first).astype(np.float64) @ kw
    return summed
