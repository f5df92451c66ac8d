"""Customers: whose agents stand behind one meter, so that they are netted before they trade and before they pay.

What is a customer's stands in the column of its first agent, and the others' columns are zero: arrays keep a column an
agent, whoever it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gridbazaar.data.arrays import Array, namespace, ratio
from gridbazaar.market.orders import Clearing
from gridbazaar.market.settlement.position import Delivery


@dataclass(frozen=True, slots=True)
class Customers:
    """Who belongs to whom; made by ``customers_of``."""

    lead: Array  # [n_agents] int64, the first agent of the agent's customer
    is_lead: Array  # [n_agents] int64, 1 where the agent is that one
    order: Array  # [n_agents] int64, agents with those of one customer side by side
    place: Array  # [n_agents] int64, of the agent in that order
    begin: Array  # [n_agents] int64, of its customer in that order
    end: Array  # [n_agents] int64
    is_member: Array  # [n_agents] bool, trades in the local market
    has_families: bool  # whether any customer has several agents
    has_strangers: bool  # whether any is no member

    def all_of(self, x: Array) -> Array:
        """Give each agent what its customer's agents have together, [n_envs, n_agents, ...]; exact for integers."""
        running = self._running(x)
        return running[:, self.end] - running[:, self.begin]

    def gather(self, x: Array) -> Array:
        """Put what a customer's agents have together into the column of the first, [n_envs, n_agents] int64."""
        return self.all_of(x) * self.is_lead

    def until(self, x: Array) -> Array:
        """Give what the customer's agents up to and with this one have together, [n_envs, n_agents]."""
        running = self._running(x)
        return running[:, self.place + 1] - running[:, self.begin]

    def share(self, amount: Array, weights: Array) -> Array:
        """Share an amount of each customer over its agents by weights, exactly.

        Args:
            amount: [n_envs, n_agents] int64, the customer's at each of its agents.
            weights: [n_envs, n_agents] int64 >= 0; nobody gets more than its weight where ``amount`` is not more than
                their sum.
        """
        whole, until = self.all_of(weights), self.until(weights)
        return ratio(amount, until, whole) - ratio(amount, until - weights, whole)

    def _running(self, x: Array) -> Array:
        xp = namespace(x)
        sums = xp.cumsum(x[:, self.order], axis=1)
        return xp.concat([0 * sums[:, :1], sums], axis=1)


def customers_of(
    agents: Sequence[str], owned: Sequence[Sequence[str]], is_member: Sequence[bool],
    to_array: Callable[[Any], Any] = np.asarray,
) -> Customers:  # fmt: skip
    """Give who belongs to whom.

    Args:
        agents: all there are.
        owned: of each customer; together they are all.
        is_member: [n_customers].
        to_array: turns NumPy arrays into those of the core's library.
    """
    number = {agent: i for i, agent in enumerate(agents)}
    families = sorted(
        (sorted(number[agent] for agent in of), bool(member)) for of, member in zip(owned, is_member, strict=True)
    )
    lead, begin, end, place = (np.zeros(len(agents), np.int64) for _ in range(4))
    members, order = np.zeros(len(agents), np.bool_), list[int]()
    for family, member in families:
        lead[family], members[family] = family[0], member
        begin[family], end[family] = len(order), len(order) + len(family)
        place[family] = np.arange(len(order), len(order) + len(family))
        order += family
    is_lead = (lead == np.arange(len(agents))).astype(np.int64)
    return Customers(
        lead=to_array(lead), is_lead=to_array(is_lead), order=to_array(np.array(order, np.int64)),
        place=to_array(place), begin=to_array(begin), end=to_array(end), is_member=to_array(members),
        has_families=len(families) < len(agents), has_strangers=not members.all(),
    )  # fmt: skip


def of_customers(clearing: Clearing, delivery: Delivery, customers: Customers | None) -> tuple[Clearing, Delivery]:
    """Give what was cleared and delivered with a customer's agents as one; columns as they were, firm orders first."""
    if customers is None or not customers.has_families:
        return clearing, delivery
    xp, n = namespace(clearing.traded_ukwh), delivery.metered_ukwh.shape[1]

    def orders(x: Array) -> Array:
        return xp.concat([customers.gather(x[:, :n]), customers.gather(x[:, n:])], axis=1)

    activated = delivery.activated_ukwh
    return (
        replace(
            clearing, traded_ukwh=orders(clearing.traded_ukwh), outside_ukwh=orders(clearing.outside_ukwh),
            pay_ucur=orders(clearing.pay_ucur),
        ),
        replace(
            delivery, metered_ukwh=customers.gather(delivery.metered_ukwh),
            curtailed_ukwh=customers.gather(delivery.curtailed_ukwh), lost_ukwh=customers.gather(delivery.lost_ukwh),
            activated_ukwh=None if activated is None else customers.gather(activated),
        ),
    )  # fmt: skip
