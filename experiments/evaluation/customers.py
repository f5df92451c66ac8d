"""Customers: who owns which agents, and what is said of them, from one file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gridbazaar.data.inputs import read_text

MEMBER, INCOME = "member", "income_cur"
"""Columns with a meaning: whether a customer takes part in the local market (yes or no), and what it earns a year."""
_YES_OR_NO = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Customers:
    """Who is billed."""

    agents: Mapping[str, tuple[str, ...]]  # by customer
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by customer and column; "" where not said

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the labels."""
        return tuple(next(iter(self.labels.values()), {}))

    def label(self, customer: str, column: str) -> str:
        """What is said of a customer; "" where nothing is."""
        return self.labels.get(customer, {}).get(column, "")

    def is_member(self, customer: str) -> bool:
        """Whether a customer takes part in the local market; those of whom nothing is said do."""
        return self.label(customer, MEMBER) != "no"

    @property
    def has_members(self) -> bool:
        """Whether the file says who takes part."""
        return any(not self.is_member(customer) for customer in self.agents)

    def income_cur(self, customer: str) -> float | None:
        """What a customer earns a year; none where it is not said."""
        found = self.label(customer, INCOME)
        return float(found) if found else None


def each_its_own(agents: Sequence[str]) -> Customers:
    """Every agent as its own customer."""
    return Customers({agent: (agent,) for agent in agents})


def read_customers(path: Path, agents: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read who owns which agents, as ``read_community`` does, without the labels."""
    return dict(read_community(path, agents).agents)


def read_community(path: Path, agents: Sequence[str]) -> Customers:
    """Read customers from CSV with the columns ``customer`` and ``agent``, and labels in any further ones.

    An agent that is left out is its own customer, without labels. A customer with several agents has a row for each;
    what is said of it stands in any of them.

    Args:
        path: of the file.
        agents: that there are.

    Raises:
        ValueError: names the line of an agent that there is none of or that two own, and of labels that disagree.
    """
    rows = [[cell.strip() for cell in row] for row in csv.reader(read_text(path).splitlines())]
    columns = _columns(rows, path)
    owner: dict[str, str] = {}
    said: dict[str, dict[str, str]] = {}
    for line, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        where = f"{path}, line {line}"
        if len(row) != 2 + len(columns) or not row[0]:
            raise ValueError(f"{where}: expected {_expected(columns)}, got {','.join(row)!r}")
        customer, agent, *values = row
        if agent not in agents:
            raise ValueError(f"{where}: expected one of {', '.join(agents)}; got {agent!r}")
        if agent in owner:
            raise ValueError(f"{where}: {agent} is {owner[agent]}'s already; expected each agent once")
        owner[agent] = customer
        held = said.setdefault(customer, dict.fromkeys(columns, ""))
        for column, value in zip(columns, values, strict=True):
            _check_label(column, value, where)
            if value and held[column] and value != held[column]:
                raise ValueError(f"{where}: {column} of {customer} is {held[column]!r} already, got {value!r}")
            held[column] = value or held[column]
    found: dict[str, tuple[str, ...]] = {}
    for agent in agents:
        customer = owner.get(agent, agent)
        found[customer] = (*found.get(customer, ()), agent)
    if clash := [name for name, held in found.items() if name in agents and name not in held]:
        raise ValueError(
            f"{path}: customers are named like agents of others: {', '.join(clash)}; give them other names"
        )
    return Customers(found, {name: said.get(name, dict.fromkeys(columns, "")) for name in found} if columns else {})


def _columns(rows: Sequence[Sequence[str]], path: Path) -> tuple[str, ...]:
    """Names of the labels in the first line."""
    first = list(rows[0]) if rows else []
    if first[:2] != ["customer", "agent"]:
        raise ValueError(f"{path}, line 1: expected the columns customer,agent; got {','.join(first)}")
    if not all(first) or len(set(first)) < len(first):
        raise ValueError(f"{path}, line 1: expected each column to have a name of its own, got {','.join(first)}")
    return tuple(first[2:])


def _expected(columns: Sequence[str]) -> str:
    return "a customer and an agent" + (f", then {', '.join(columns)}" if columns else "")


def _check_label(column: str, value: str, where: str) -> None:
    if column == MEMBER and value and value not in _YES_OR_NO:
        raise ValueError(f"{where}: {MEMBER}: expected yes or no, got {value!r}")
    if column == INCOME and value:
        try:
            amount = float(value)
        except ValueError:
            amount = -1.0
        if not 0 < amount < float("inf"):
            raise ValueError(f"{where}: {INCOME}: expected an amount above 0 a year, got {value!r}")
