"""Whose account is whose: customers hold accounts, agents have meters, and a customer's orders are one bid.

The book of a ledger has a column an account and slot. Where every agent is its own customer it is the simulation's own;
with families it is cleared once more in that form, and has to come out the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.members import seen_by_rule
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.audit.opening import CERTIFIER, POOL_METER
from gridbazaar.market.ledger.books.entries import BUILT_IN, OPERATOR, is_name
from gridbazaar.market.ledger.books.trades import Pair
from gridbazaar.market.mechanisms import carry_width
from gridbazaar.market.orders import Clearing, Orders, Setting
from gridbazaar.market.settlement.island import settle_among_members
from gridbazaar.market.settlement.settle import SYSTEM_PARTIES

_RESERVED = {*SYSTEM_PARTIES, *BUILT_IN, CERTIFIER, POOL_METER}


class Book(NamedTuple):
    """What members ordered and what became of it; a batch, of which ``env`` is the row."""

    orders: Orders
    setting: Setting
    clearing: Clearing
    env: int


class Households:
    """The accounts of a core's customers.

    Args:
        core: of one environment or more, with NumPy.

    Raises:
        ValueError: names a customer that can have no account, or a rule that keeps sums of single orders.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        found, number = core.scenario.customers, {agent: i for i, agent in enumerate(core.agents)}
        self.accounts = [customer.name for customer in found]
        if wrong := [name for name in self.accounts if not is_name(name) or name in _RESERVED]:
            raise ValueError(
                f"community: customers {', '.join(map(repr, wrong))} can have no account in a ledger; expected names "
                f"of up to 64 letters, digits, '.', '_' and '-', and none of {', '.join(sorted(_RESERVED))}"
            )
        own = {agent: customer.name for customer in found for agent in customer.agents}
        self.of_agent = [own[agent] for agent in core.agents]
        self.agents_of = {customer.name: [number[agent] for agent in customer.agents] for customer in found}
        members = [customer for customer in found if customer.member]
        self.members = [customer.name for customer in members]
        n, own_slots = core.n_agents, [self.agents_of[name] for name in self.members]
        # The firm order of a customer is in the column of its first agent, a flexible one in that of each.
        self._columns = [[own[0], *(n + agent for agent in own)] for own in own_slots]
        self._n_slots = max(map(len, self._columns), default=2)
        customers = core.world.customers
        self._is_plain = customers is None or not (customers.has_families or customers.has_strangers)
        rule, n_columns = core.scenario.mechanism, self._n_slots * len(members)
        if not self._is_plain and carry_width(rule, 2 * n) != carry_width(rule, n_columns):
            raise ValueError(
                f"ledger: mechanism {rule} keeps sums of single orders, which customers of several agents do not have "
                "in a ledger; take another mechanism, or leave community out"
            )
        if customers is not None and customers.has_families and core.scenario.call.response_share:
            raise ValueError(
                "ledger: call.response_share pays a home for its own meter, but a customer of several agents has one "
                "account for all its meters; leave response_share out, or community"
            )

    def bids(self, orders: Any, env: int) -> list[list[list[int]]]:
        """Each member's orders, [energy, limit], the firm one first."""
        return [
            [[int(orders.energy_ukwh[env, c]), int(orders.limit_ucur_per_kwh[env, c])] for c in own]
            for own in self._columns
        ]

    def book(self, happened: Transition, env: int) -> Book:
        """Give the book of an interval as a ledger has it.

        Raises:
            ValueError: the rule gives something else when orders stand in other columns.
        """
        market = happened.market
        if self._is_plain:
            return Book(market.orders, market.setting, market.clearing, env)
        columns = [
            own[slot] if slot < len(own) else None for slot in range(self._n_slots) for own in self._columns
        ]  # fmt: skip
        chosen, is_there = np.array([c or 0 for c in columns]), np.array([c is not None for c in columns])
        n_members, lottery = len(self.members), market.orders.lottery
        accounts = [agents[0] for agents in (self.agents_of[name] for name in self.members)]
        orders = Orders(
            energy_ukwh=(market.orders.energy_ukwh[env, chosen] * is_there)[None],
            limit_ucur_per_kwh=(market.orders.limit_ucur_per_kwh[env, chosen] * is_there)[None],
            agent=np.tile(np.arange(n_members), self._n_slots),
            bus=np.tile(np.asarray(self._core.world.order_bus)[accounts], self._n_slots),
            lottery=None if lottery is None else np.asarray(lottery)[env, chosen][None],
        )
        setting, was = self._setting(happened, env), market.clearing
        if setting.is_island is not None and setting.is_island[0]:
            clearing = settle_among_members(orders, was.price_ucur_per_kwh[env : env + 1, 0])
            clearing = clearing if was.carry is None else replace(clearing, carry=was.carry[env : env + 1])
        else:
            clearing = self._core.mechanism(orders, setting)
        for name in ("traded_ukwh", "outside_ukwh", "pay_ucur"):
            if not np.array_equal(getattr(clearing, name)[0], getattr(was, name)[env, chosen] * is_there):
                raise ValueError(
                    f"ledger: mechanism {self._core.scenario.mechanism} gives other results when the orders of a "
                    "customer stand side by side; take another mechanism, or leave community out"
                )
        return Book(orders, setting, clearing, 0)

    def from_meters(
        self, seller: str, pair: Pair, held: Mapping[tuple[str, str], int], sold: Mapping[str, int]
    ) -> list[tuple[str, Pair]]:
        """Say from which meters of the seller a trade comes: what each fed in and has left, and the rest the first.

        Args:
            seller: its account.
            pair: the trade.
            held: what accounts have of the energy of meters.
            sold: what meters have sold so far.
        """
        if seller == OPERATOR:
            return [(POOL_METER, pair)]
        meters = [self._core.agents[i] for i in self.agents_of[seller]]
        left = [max(held.get((seller, meter), 0) - sold.get(meter, 0), 0) for meter in meters]
        left[0] += max(pair.energy_ukwh - sum(left), 0)
        given, parts = 0, list[tuple[str, Pair]]()
        for meter, room in zip(meters, left, strict=True):
            energy = min(room, pair.energy_ukwh - given)
            if energy > 0:
                pay, receive = (
                    money * (given + energy) // pair.energy_ukwh - money * given // pair.energy_ukwh
                    for money in (pair.pay_ucur, pair.receive_ucur)
                )
                parts.append((meter, pair._replace(energy_ukwh=energy, pay_ucur=pay, receive_ucur=receive)))
                given += energy
        return parts

    def _setting(self, happened: Transition, env: int) -> Setting:
        """What the rule knew, of one row."""
        customers, setting = self._core.world.customers, happened.market.setting
        if customers is not None and customers.has_strangers:
            _, setting = seen_by_rule(happened.market.orders, setting, customers)
        row = {f.name: getattr(setting, f.name) for f in fields(setting)}
        return Setting(**{name: value[env : env + 1] for name, value in row.items() if value is not None})
