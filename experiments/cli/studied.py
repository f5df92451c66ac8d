"""Tables and sentences of a comparison for the terminal: cells, winners, the network operator, frozen dispatch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.table import Table

from gridbazaar.experiments.cli.tabled import table
from gridbazaar.experiments.comparison.cell import EQUAL, WRITTEN, Cell
from gridbazaar.experiments.comparison.customer_rows import CELL, FROZEN
from gridbazaar.experiments.comparison.groups import ALL
from gridbazaar.experiments.comparison.study import COUNTERFACTUALS, Study
from gridbazaar.experiments.comparison.write import Tables, notes_of
from gridbazaar.experiments.evaluation.customers import MEMBER

if TYPE_CHECKING:
    import pandas as pd

_AGAINST = {"today": "today", "no_market": "no market", "no_automation": "idle"}
_NAMES = Cell._fields


def study_tables(found: Study, tables: Tables) -> Iterator[Table]:
    """Cells before and after equal revenue, who wins and loses, the network operator, and what is frozen."""
    for prices in (WRITTEN, EQUAL):
        cells = tables.cells[(tables.cells["prices"] == prices) & (tables.cells["basis"] != FROZEN)]
        if not cells.empty:
            yield _named(_cells(found, cells, prices))
            yield from map(_named, _winners(found, tables.groups, prices))
    if not tables.frozen.empty:
        yield _named(_frozen(found, tables.frozen))


def _named(made: Table) -> Table:
    """Keep the names of a cell in one piece; numbers have room enough."""
    for column in made.columns[: len(_NAMES) - 1]:
        column.no_wrap = True
    return made


def _cells(found: Study, cells: pd.DataFrame, prices: str) -> Table:
    has_marginal = found.asked.marginal is not None
    more = [f">than {_AGAINST[name]}" for name in COUNTERFACTUALS]
    head = (
        *_head(found), "basis", ">customers pay", *more, ">network receives", ">deficit", ">per kWh", ">scale",
        ">above first best", ">peak kW", ">losses kWh", ">carbon kg", *[">marginal"] * has_marginal,
    )  # fmt: skip
    rows = [
        [
            *_cell_of(found, row), row["basis"], _number(row["customers_pay_cur"]),
            *(_number(row[f"{name}_more_cur_per_day"]) for name in COUNTERFACTUALS),
            _number(row["network_revenue_cur"]),
            _number(row["deficit_cur"]), _number(row["deficit_cur_per_kwh"], 4),
            f"{row['scale']:.4f}{'' if row['is_settled'] else ' !'}", _number(row["above_first_best_cur"]),
            _number(row["peak_import_kw"], 1), _number(row["loss_kwh"], 1), _number(row["carbon_kg"], 1),
            *[_number(row["marginal_carbon_kg"], 1)] * has_marginal,
        ]
        for row in cells.to_dict("records")
    ]  # fmt: skip
    title = f"\nPrices {prices}: {found.asked.currency} a mean episode; more than counterfactuals a day"
    return table(title, head, rows)


def _winners(found: Study, groups: pd.DataFrame, prices: str) -> Iterator[Table]:
    """Of all customers and of members, non-members, with and without sun: who pays less than today."""
    held = groups[(groups["prices"] == prices) & (groups["basis"] != FROZEN)]
    if not found.asked.customers.has_members:
        held = held[held["group"] != MEMBER]
    rows = [
        [
            *_cell_of(found, row), row["basis"],
            ALL if row["group"] == ALL else f"{row['group']} {row['value']}", row["customers"],
            _number(row["bill_cur"]), row["today_winners"], _number(row["today_mean_gain_cur"]), row["today_losers"],
            _number(row["today_mean_loss_cur"]), _number(row["today_q10_cur"]), _number(row["today_q50_cur"]),
            _number(row["today_q90_cur"]),
        ]
        for row in held.to_dict("records")
        if row["tariff"] != found.asked.today and math.isfinite(row["today_change_cur"])
    ]  # fmt: skip
    head = (
        *_head(found), "basis", "group", ">customers", ">bill", ">win", ">each", ">lose", ">each", ">10 %", ">median",
        ">90 %",
    )  # fmt: skip
    if rows:
        today, currency = found.asked.today, found.asked.currency
        yield table(f"\nWho wins and loses against {today}, prices {prices}: {currency} an episode", head, rows)


def _frozen(found: Study, frozen: pd.DataFrame) -> Table:
    paid = [name for name in frozen.columns if name.endswith("_loses_cur")]
    loses = [f">{name.removesuffix('_loses_cur').replace('_', ' ')} loses" for name in paid]
    head = (
        *_head(found), ">members save", *loses,
        ">found with nobody", ">losses change, kWh", ">network made whole: factor", ">others pay", ">members keep",
    )  # fmt: skip
    rows = [
        [
            *_cell_of(found, row), _number(row["members_save_cur"]), *(_number(row[name]) for name in paid),
            f"{row['missing_ucur'] / 1e6:.6f}", f"{row['loss_change_ukwh'] / 1e6:.6f}",
            f"{row['network_factor']:.4f}", _number(row["outsiders_more_cur"]), _number(row["members_keep_cur"]),
        ]
        for row in frozen.to_dict("records")
    ]  # fmt: skip
    n = len(found.asked.seeds)
    title = f"\nDispatch frozen, market on against off: {found.asked.currency}, {n} episode{'s' * (n > 1)}"
    return table(title, head, rows)


def _head(found: Study) -> tuple[str, ...]:
    """What names a cell; the share of automated customers where such are compared."""
    return (*_NAMES[:-1], ">automated") if found.asked.automated else _NAMES[:-1]


def _cell_of(found: Study, row: dict[Any, Any]) -> list[str]:
    names = [str(row[name]) for name in _NAMES[:-1]]
    return [*names, f"{row[_NAMES[-1]]:.0%}"] if found.asked.automated else names


def _number(x: Any, digits: int = 2) -> str:
    return "" if x is None or not math.isfinite(x) else f"{round(float(x), digits) + 0.0:.{digits}f}"


def study_words(found: Study, tables: Tables) -> Iterator[str]:
    """What a reader must know of the tables, and what did not settle."""
    yield ""
    for about, note in notes_of(found).items():
        yield f"{about.replace('_', ' ')}: {note}"
    for row in tables.cells[~tables.cells["is_settled"].fillna(True).astype(bool)].to_dict("records"):
        cell = ", ".join(str(row[name]) for name in CELL)
        yield f"no equal revenue: {cell}: factors tried {row['scales_tried']}"
    if not tables.frozen.empty:
        yield (
            "frozen dispatch: losses change by 0, and every amount that members save is found with another party"
            if (_is_zero(tables.frozen))
            else "frozen dispatch: BROKEN, see the table"
        )


def _is_zero(frozen: pd.DataFrame) -> bool:
    return not frozen[["loss_change_ukwh", "losses_change_ucur", "missing_ucur"]].to_numpy().any()
