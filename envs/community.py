"""What customers of a community may hold, and what a scenario with customers leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gridbazaar.agents.kind import AnyKind
from gridbazaar.data.community import Customer


def check_community(
    customers: Sequence[Customer], kind_of: Mapping[str, AnyKind], owned: Sequence[str], *, is_nodal: bool,
    has_outages: bool,
) -> None:  # fmt: skip
    """Refuse customers that cannot be one meter, and what is not worked out for them.

    Args:
        customers: all of them.
        kind_of: the kind of each agent.
        owned: agents whose result passes to those who hold shares in them.
        is_nodal: whether buses have prices.
        has_outages: whether there can be any.

    Raises:
        ValueError: names the customer or the field, and what is allowed.
    """
    for customer in customers:
        if len(customer.agents) < 2:
            continue
        for agent in customer.agents:
            if kind_of[agent].connections == 0:
                raise ValueError(
                    f"community, customer {customer.name!r}: {agent} runs devices all over the feeder and has no meter "
                    "of its own; expected it as a customer by itself. What it rents stays sub-metered with it"
                )
            if agent in owned:
                raise ValueError(
                    f"community, customer {customer.name!r}: {agent} belongs to those who hold battery.shares; "
                    "expected it as a customer by itself, or no shares"
                )
    is_plain = all(len(customer.agents) == 1 and customer.member for customer in customers)
    if is_nodal and not is_plain:
        raise ValueError(
            "community: expected no customer of several agents and none that is no member with constraint nodal, where "
            "every meter's order has a price at its bus; take constraint none or curtail"
        )
    if has_outages and not all(customer.member for customer in customers):
        raise ValueError(
            "community: expected only members with outages, for an island has no retailer; leave outage out, or let "
            "member be yes for all"
        )
