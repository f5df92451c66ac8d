"""A community: the customers that last, each with its agents, read from a table of one row an agent.

Agents of one customer stand behind one meter as the market sees it. Who is not named is a customer of its own. What a
row says of its agent, such as the series of its load or the size of its roof, it has in every episode.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gridbazaar.data.inputs import read_text
from gridbazaar.data.own_rows import BUS, AgentColumns, OwnRow, check_rows, rows_of

_NEEDED = ("customer", "agent")
SWITCHES = ("member", "automated")
"""Columns that say yes or no of a customer."""
INCOME = "income_cur"
"""The label that is a number: what a customer earns a year."""
_WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Customer:
    """Who has one meter, one standing charge and one bill."""

    name: str
    agents: tuple[str, ...]
    member: bool = True  # of the local market; others trade with the retailer alone
    automated: bool = True  # its flexible devices follow the policy; else the plain rule
    labels: Mapping[str, str] | tuple[tuple[str, str], ...] = ()  # any words by any name, for groups in results
    own: Mapping[str, Mapping[str, Any]] | tuple[OwnRow, ...] = ()  # what its agents have in all episodes, by agent

    def label(self, name: str) -> str:
        """Give what a label says, empty where it says nothing."""
        return dict(self.labels).get(name, "")


@dataclass(frozen=True, slots=True)
class Community:
    """A table of customers."""

    customers: tuple[Customer, ...]
    seed: int | None = None  # from which what rows do not say is drawn once; none: it is with every episode


def find_community(given: Any, agents: Sequence[str], columns: AgentColumns | None = None) -> tuple[Customer, ...]:
    """Give the customers of a scenario, in the order of their first agents.

    Args:
        given: none (every agent is a customer of its own), the path of a CSV, a ``Community`` or one taken apart.
        agents: all there are; who is in no row is a customer of its own.
        columns: what rows may say of each agent; none: they were read before.

    Raises:
        ValueError: names the line or customer of what cannot be, and what is allowed.
    """
    if given is None:
        named: Sequence[Customer] = ()
    elif isinstance(given, str | Path):
        return _read(Path(given), agents, columns or {})
    else:
        named = _community(given).customers
        for customer in named:
            _check(customer, f"community, customer {customer.name!r}")
    rows = [(f"community, customer {c.name!r}", c.name, agent) for c in named for agent in c.agents]
    if len({c.name for c in named}) < len(named):
        raise ValueError(f"community: expected each customer once, got {', '.join(c.name for c in named)}")
    held = _owned(rows, agents, "community")
    by_name = {c.name: c for c in named}
    return tuple(
        replace(
            by_name[name], agents=of, labels=tuple(dict(by_name[name].labels).items()),
            own=_own_rows(by_name[name], columns),
        )
        if name in by_name
        else Customer(name, of)
        for name, of in held.items()
    )  # fmt: skip


def _own_rows(customer: Customer, columns: AgentColumns | None) -> tuple[OwnRow, ...]:
    where = f"community, customer {customer.name!r}"
    rows = rows_of(customer.own, where)
    return rows if columns is None else check_rows(rows, columns, where)


def _read(path: Path, agents: Sequence[str], columns: AgentColumns) -> tuple[Customer, ...]:
    if not path.is_file():
        raise ValueError(f"{path}: expected a CSV file with the columns {','.join(_NEEDED)}, there is none")
    rows = list(csv.reader(read_text(path).splitlines()))
    head = [cell.strip() for cell in rows[0]] if rows else []
    if tuple(head[:2]) != _NEEDED or not all(head) or len(set(head)) < len(head):
        raise ValueError(
            f"{path}, line 1: expected the columns {','.join(_NEEDED)}; got {','.join(head)}. Further ones may be "
            f"{', '.join(SWITCHES)}, what agents have of their own and labels, each once"
        )
    has = list(dict.fromkeys(column.name for of in columns.values() for column in of))
    known = (*SWITCHES, INCOME, *has)
    for name in head[2:]:
        near = difflib.get_close_matches(name, SWITCHES, 1, 0.75) or difflib.get_close_matches(name, has, 1, 0.85)
        if name not in known and near:
            raise ValueError(f"{path}, line 1: {name!r}: expected {near[0]}, or a label of another name")
    owned: list[tuple[str, str, str]] = []
    own: dict[str, list[OwnRow]] = {}
    said: dict[str, dict[str, tuple[str, int]]] = {}
    for line, row in enumerate(rows[1:], 2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != len(head) or not all(cells[:2]):
            needed = (
                "a customer and an agent" if len(head) == 2 else f"{len(head)} cells, a customer and an agent first"
            )
            raise ValueError(f"{path}, line {line}: expected {needed}, got {','.join(row)!r}")
        owned.append((f"{path}, line {line}", cells[0], cells[1]))
        of = said.setdefault(cells[0], {})
        pairs = tuple((name, cell) for name, cell in zip(head[2:], cells[2:], strict=True) if name in has and cell)
        if pairs and cells[1] in agents:
            own.setdefault(cells[0], []).extend(check_rows([OwnRow(cells[1], pairs, owned[-1][0])], columns, str(path)))
        for column, cell in zip(head[2:], cells[2:], strict=True):
            if column in has and column != BUS.name:  # of the agent
                continue
            if column in SWITCHES and cell and cell.lower() not in _WORDS:
                raise ValueError(f"{path}, line {line}: {column}: expected yes or no, or nothing; got {cell!r}")
            if not cell:
                continue
            if column == INCOME:
                _check_income(cell, f"{path}, line {line}")
            before, at = of.setdefault(column, (cell, line))
            if before.lower() != cell.lower():
                raise ValueError(
                    f"{path}, line {line}: {column} of {cells[0]} is {cell!r}, but {before!r} in line {at}; expected "
                    "one for all its agents"
                )
    labels = [name for name in head[2:] if name not in (*SWITCHES, *has)]
    return tuple(
        Customer(
            name, of,
            **{switch: _WORDS[said[name][switch][0].lower()] for switch in SWITCHES if switch in said.get(name, {})},
            labels=tuple((label, said[name][label][0]) for label in labels if label in said.get(name, {})),
            own=tuple(own.get(name, ())),
        )
        for name, of in _owned(owned, agents, str(path)).items()
    )  # fmt: skip


def _check_income(said: str, where: str) -> None:
    try:
        amount = float(said)
    except ValueError:
        amount = -1.0
    if not 0 < amount < float("inf"):
        raise ValueError(f"{where}: {INCOME}: expected an amount above 0 a year, got {said!r}")


def _owned(rows: Sequence[tuple[str, str, str]], agents: Sequence[str], source: str) -> dict[str, tuple[str, ...]]:
    """Give the agents of each customer, from rows of where they stand, customer and agent."""
    owner: dict[str, str] = {}
    for where, customer, agent in rows:
        if agent not in agents:
            raise ValueError(f"{where}: expected one of {', '.join(agents)}; got {agent!r}")
        if agent in owner:
            raise ValueError(f"{where}: {agent} is {owner[agent]}'s already; expected each agent once")
        owner[agent] = customer
    found: dict[str, tuple[str, ...]] = {}
    for agent in agents:
        customer = owner.get(agent, agent)
        found[customer] = (*found.get(customer, ()), agent)
    if clash := sorted(name for name in set(owner.values()) if name in agents and owner.get(name) != name):
        raise ValueError(
            f"{source}: customers are named like agents of others: {', '.join(clash)}; give them other names"
        )
    return found


def _community(given: Any) -> Community:
    """Take a community as it is, or put together one that ``dataclasses.asdict`` took apart."""
    if isinstance(given, Community):
        return given
    if not isinstance(given, Mapping) or "customers" not in given or set(given) - {"customers", "seed"}:
        raise ValueError(
            f"community: expected the path of a CSV with the columns {','.join(_NEEDED)}, a table with a seed, or a "
            f"Community; got {given!r}"
        )
    allowed = Customer.__dataclass_fields__
    customers = []
    for i, fields in enumerate(given["customers"]):
        if not isinstance(fields, Mapping) or set(fields) - set(allowed) or not {"name", "agents"} <= set(fields):
            raise ValueError(f"community.customers[{i}]: expected {', '.join(allowed)}, got {fields!r}")
        values = dict(fields)
        customers.append(Customer(**{**values, "agents": tuple(values["agents"])}))
    seed = given.get("seed")
    return Community(tuple(customers), None if seed == "none" else seed)


def _check(customer: Customer, where: str) -> None:
    if not isinstance(customer.name, str) or not customer.name.strip() or not customer.agents:
        raise ValueError(f"{where}: expected a name and at least one agent, got {customer}")
    for switch in SWITCHES:
        if not isinstance(getattr(customer, switch), bool):
            raise ValueError(f"{where}: {switch}: expected true or false, got {getattr(customer, switch)!r}")
    if has := [row.agent for row in rows_of(customer.own, where) if row.agent not in customer.agents]:
        raise ValueError(f"{where}: own: expected its agents, {', '.join(customer.agents)}; got {', '.join(has)}")
    for name, said in dict(customer.labels).items():
        if not isinstance(name, str) or not name or name in SWITCHES or not isinstance(said, str):
            raise ValueError(f"{where}: labels: expected text by names, none of {', '.join(SWITCHES)}; got {name!r}")
        if name == INCOME and said:
            _check_income(said, where)
