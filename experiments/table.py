"""Tables of an evaluation: what their columns are, how numbers are written, and the tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridbazaar.agents.policy import list_policies
from gridbazaar.experiments.evaluate import Evaluation
from gridbazaar.experiments.statistics import Interval

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of ``Evaluation.rows()`` as tables show it."""

    title: str
    short: str  # for terminals
    unit: str
    key: str
    digits: int
    factor: float = 1.0

    def interval(self, row: dict[str, Any]) -> Interval:
        """Read the figure from a row, in the column's unit."""
        found = row[self.key]
        return Interval(*(self.factor * found[name] for name in ("mean", "low", "high")))


def columns(currency: str) -> tuple[Column, ...]:
    """Give the columns of the table of policies."""
    return (
        Column("score", "score", "", "score", 1),
        Column("cost", "cost", currency, "cost_cur", 2),
        Column("savings", "saved", currency, "savings_cur", 2),
        Column("self-sufficiency", "self-\nsuff.", "%", "self_sufficiency", 1, 100),
        Column("self-consumption", "self-\ncons.", "%", "self_consumption", 1, 100),
        Column("peak import", "peak", "kW", "peak_import_kw", 1),
        Column("traded locally", "local\ntrade", "%", "traded_share", 1, 100),
        Column("losses", "loss", "kWh", "loss_kwh", 1),
        Column("violations", "viol.", "pu min", "violation_pu_min", 3),
        Column("curtailed", "curt.", "kWh", "curtailed_kwh", 1),
        Column("carbon", "CO2", "kg", "carbon_kg", 1),
        Column("unserved", "un-\nserved", "kWh", "unserved_kwh", 1),
    )


def number(x: float, digits: int) -> str:
    """Write a number with so many digits after the point; what is no number is a dash, and zero has no sign."""
    if not math.isfinite(x):
        return "-"
    text = f"{x:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def span(found: Interval, digits: int) -> str:
    """Write an interval's ends: ``[low, high]``."""
    return f"[{number(found.low, digits)}, {number(found.high, digits)}]"


def is_learned(policy: str) -> bool:
    """Whether a policy is a training run rather than one of ours by name."""
    return policy not in list_policies() or policy == "trained"


def policy_names(policies: list[str] | tuple[str, ...]) -> dict[str, str]:
    """Give the name that tables and pictures show: a rule keeps its own, a run is called ``trained``.

    Several runs are told apart by their folders.
    """
    learned = [p for p in policies if is_learned(p)]
    if len(learned) == 1:
        return {p: "trained" if p in learned else p for p in policies}
    folders = {p: Path(p).name for p in learned}
    if len(set(folders.values())) < len(folders):
        folders = {p: p for p in learned}
    return {p: f"trained {folders[p]}" if p in folders else p for p in policies}


def terminal_table(evaluation: Evaluation) -> Table:
    """All policies, best first: scores with their 95 % intervals, means of the other figures. 100 columns wide."""
    n = len(evaluation.seeds)
    table = _table(f"{evaluation.scenario.name}: mean of {n} {evaluation.split} episode{'s' * (n > 1)}")
    score, *others = columns(evaluation.scenario.currency)
    table.add_column("score\n[95 % interval]", justify="right", overflow="fold")
    for column in others:
        table.add_column(f"{column.short}\n{column.unit}", justify="right", vertical="bottom", overflow="fold")
    for row, add in _rows(table, evaluation):
        found = score.interval(row)
        figures = [number(column.interval(row).mean, column.digits) for column in others]
        add(f"{number(found.mean, 1)} {span(found, 1)}", *figures)
    return table


def kind_table(evaluation: Evaluation) -> Table:
    """What each kind pays under each policy, and what it saves against idle, with the 95 % interval of the saving."""
    currency = evaluation.scenario.currency
    table = _table(f"{evaluation.scenario.name}: {currency} per episode by kind: cost, saved against idle [95 % interval]")
    for kind in evaluation.scenario.kind_slices:
        table.add_column(f"{kind}\ncost", justify="right", overflow="fold")
        table.add_column("\nsaved", justify="right", overflow="fold")
    for row, add in _rows(table, evaluation):
        cells = []
        for found in row["kinds"].values():
            saved = Interval(**found["savings_cur"])
            cells += [number(found["cost_cur"]["mean"], 2), f"{number(saved.mean, 2)} {span(saved, 1)}"]
        add(*cells)
    return table


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("policy", overflow="fold", vertical="bottom")
    return table


def _rows(table: Table, evaluation: Evaluation) -> Iterator[tuple[dict[str, Any], Callable[..., None]]]:
    """Give each row of the evaluation, and how to add its cells to the table; names are no markup."""
    from rich.text import Text

    names = policy_names([r.policy for r in evaluation.results])
    for row in best_first(evaluation):
        style = "bold" if is_learned(row["policy"]) else ""

        def add(*cells: str, name: str = names[row["policy"]], style: str = style) -> None:
            table.add_row(*map(Text, (name, *cells)), style=style)

        yield row, add


def best_first(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Give the rows of an evaluation, the highest score first; policies without a score last."""

    def rank(row: dict[str, Any]) -> float:
        score = row["score"]["mean"]
        return -score if math.isfinite(score) else math.inf

    return sorted(evaluation.rows(), key=rank)
