"""Own rows: what a community's table says that an agent has, in every episode, in place of what would be drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Said = str | float
"""A series by its name or number, or a quantity."""


@dataclass(frozen=True, slots=True)
class OwnColumn:
    """A column of the table, which agents of some kinds may have."""

    name: str
    doc: str
    low: float = 0.0
    high: float = 1e6
    of: str = ""  # homes, roofs, cars or buses: the name or number of one; empty: a quantity

    @property
    def allowed(self) -> str:
        """What a cell may hold."""
        return (
            f"the name or number of one of the {self.of}" if self.of else f"a number in [{self.low:g}, {self.high:g}]"
        )

    def read(self, cell: Any, where: str) -> Said:
        """Give what a cell says.

        Raises:
            ValueError: names the column, what is allowed and what came.
        """
        if self.of:
            if isinstance(cell, bool) or not isinstance(cell, str | int) or not str(cell).strip():
                raise ValueError(f"{where}: {self.name}: expected {self.allowed}, got {cell!r}")
            return str(cell).strip()
        try:
            number = math.nan if isinstance(cell, bool) else float(cell)
        except (TypeError, ValueError):
            number = math.nan
        if not self.low <= number <= self.high:
            raise ValueError(f"{where}: {self.name}: expected {self.allowed}, got {cell!r}")
        return number


BUS = OwnColumn("bus", "where on the feeder the customer is connected", of="buses")
"""Of the customer: all its agents hang there."""

AgentColumns = Mapping[str, Sequence[OwnColumn]]
"""What the table may say of each agent, by its name."""


@dataclass(frozen=True, slots=True)
class OwnRow:
    """What the table says of one agent."""

    agent: str
    said: tuple[tuple[str, Said], ...]  # by column
    where: str = field(default="", compare=False)  # it says so, for errors


def rows_of(given: Any, where: str) -> tuple[OwnRow, ...]:
    """Give the rows of a customer, as they are, as a table of tables by agent, or as ``asdict`` took them apart."""
    if isinstance(given, Mapping):
        given = [{"agent": agent, "said": said} for agent, said in given.items()]
    found = []
    for row in given:
        if isinstance(row, OwnRow):
            found.append(row)
            continue
        if not isinstance(row, Mapping) or not {"agent", "said"} <= set(row) <= set(OwnRow.__dataclass_fields__):
            raise ValueError(f"{where}: own: expected a table of columns for each agent, got {row!r}")
        said: Any = row["said"]
        try:
            pairs = tuple((str(name), value) for name, value in dict(said).items())
        except (TypeError, ValueError):
            raise ValueError(f"{where}: own: expected values by column, got {said!r}") from None
        found.append(OwnRow(str(row["agent"]), pairs, str(row.get("where") or "")))
    return tuple(found)


def check_rows(rows: Sequence[OwnRow], columns: AgentColumns, where: str) -> tuple[OwnRow, ...]:
    """Read what rows say; refuse columns that their agents have no use for, and what cannot be."""
    found = []
    for row in rows:
        at = row.where or f"{where}, {row.agent}"
        own = {column.name: column for column in columns.get(row.agent, ())}
        for name, _ in row.said:
            if name not in own:
                others = [agent for agent, of in columns.items() if name in {column.name for column in of}]
                goes_with = f"; it goes with {', '.join(others)}" if others else ""
                raise ValueError(
                    f"{at}: {name}: {row.agent} has no such column, got one{goes_with}. Those of {row.agent} are "
                    f"{', '.join(own) or 'none'}"
                )
        said = tuple((name, own[name].read(value, at)) for name, value in row.said)
        found.append(OwnRow(row.agent, said, row.where))
    return tuple(found)


def number_of(value: str, column: OwnColumn, names: Sequence[str], n: int, where: str) -> int:
    """Give the number of a series or bus.

    Args:
        value: its name, or where they have no names its number, from 0.
        column: that says so.
        names: of all; none: they have numbers only.
        n: how many there are.
        where: it is said, for errors.

    Raises:
        ValueError: there is none; says which there are.
    """
    if value in names:
        return names.index(value)
    if not names and value.isdecimal() and int(value) < n:
        return int(value)
    listed = ", ".join(names) if names else f"0 to {n - 1}"
    raise ValueError(f"{where}: {column.name}: expected one of the {n} {column.of}, {listed}; got {value!r}")
