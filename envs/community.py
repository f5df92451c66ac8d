"""What customers of a community may hold, and what a scenario with customers leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gridbazaar.agents.kind import AnyKind
from gridbazaar.data.community import Community, Customer, find_community
from gridbazaar.data.families import Families, families
from gridbazaar.data.own_rows import BUS, number_of, rows_of
from gridbazaar.data.tables import read_table


def community_of(given: Any, kind_of: Mapping[str, AnyKind], shared: Sequence[str]) -> Community:
    """Give the customers of a scenario, and the seed of what is drawn once, if anything is.

    Args:
        given: a CSV, a table with a seed, a ``Community`` or one taken apart.
        kind_of: the kind of each agent, in their order.
        shared: batteries that belong to several.
    """
    agents = list(kind_of)
    columns = {agent: (*kind.lasting, BUS) if kind.connections else () for agent, kind in kind_of.items()}
    if isinstance(given, Mapping) and "customers" not in given:
        given = read_table(Families, given, "community")
    if isinstance(given, Families):
        if given.table is not None:
            return Community(find_community(given.table, agents, columns), given.seed)
        cars, batteries = (
            [agent for agent in agents if agent.rpartition("_")[0] == kind and agent not in shared]
            for kind in ("ev", "battery")
        )
        given = families(given, [agent for agent in agents if kind_of[agent].is_home], cars, batteries)
    seed: Any = None
    if isinstance(given, Community | Mapping):
        seed = given.seed if isinstance(given, Community) else given.get("seed")
    if seed not in (None, "none"):
        Families(seed)  # refuses what is no seed
    return Community(find_community(given, agents, columns), None if seed == "none" else seed)


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


def check_own(
    customers: Sequence[Customer], kind_of: Mapping[str, AnyKind], config_of: Mapping[str, Any],
    counts: Mapping[str, int],
) -> None:  # fmt: skip
    """Refuse what agents cannot have in this scenario.

    Args:
        customers: all of them.
        kind_of: the kind of each agent.
        config_of: the table of its kind.
        counts: how many series there are of a sort, where that is known before the data are read.

    Raises:
        ValueError: says where, what is missing and what to do.
    """
    for customer in customers:
        rows = rows_of(customer.own, customer.name)
        buses = {dict(row.said)["bus"]: row.where for row in rows if "bus" in dict(row.said)}
        if len(buses) > 1:
            raise ValueError(
                f"community, customer {customer.name!r}: bus: expected one for all its agents, got "
                f"{', '.join(map(str, buses))}"
            )
        for row in rows:
            kind, said, where = kind_of[row.agent], dict(row.said), row.where or f"community, {row.agent}"
            if reason := kind.lacks(config_of[row.agent], said):
                raise ValueError(f"{where}: expected what {row.agent} can have, got {reason}")
            for column in kind.lasting:
                if column.name in said and column.of in counts:
                    number_of(str(said[column.name]), column, (), counts[column.of], where)
