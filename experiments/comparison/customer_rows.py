"""The rows of a comparison: one a customer, calendar month, episode and cell, with the same bill in counterfactuals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import MICRO
from gridbazaar.experiments.comparison.asked import Asked
from gridbazaar.experiments.comparison.cell import NO_MARKET, WRITTEN, BilledOutcome, Cell
from gridbazaar.experiments.comparison.meters import at_meters, owned
from gridbazaar.experiments.comparison.study import COUNTERFACTUALS, Study
from gridbazaar.experiments.evaluation.accounts import ENERGY, Accounts
from gridbazaar.experiments.evaluation.customers import INCOME, MEMBER
from gridbazaar.market.billing.bill import VAT_LINE
from gridbazaar.market.settlement.settle import LINES

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.int64]
Row = dict[str, Any]

PLAYED, BILLED, FROZEN = "played", "billed", "frozen"
"""How a row came about: in play; billed on the dispatch of a play; settled again with the dispatch frozen."""
CELL = ("basis", "prices", *Cell._fields)
"""Columns that name a cell."""
WHO = ("seed", "month", "customer")
SUN = "sun"
"""Column that says whether a home has PV in the episode: yes or no; who has no home is of ``NO_HOME``."""
AUTOMATED = "automated"
"""Column that says whether the customer's devices follow the policy of the cell, where shares of such are compared."""
NO_HOME = "no home"
"""Of customers with a car, a battery or other devices alone."""
_YES_NO = {True: "yes", False: "no"}
BILL_LINES = (*LINES, VAT_LINE)


def customer_rows(found: Study) -> pd.DataFrame:
    """One row a cell, episode, month and customer: labels, kWh, kW, every line of the bill, and counterfactuals."""
    import pandas as pd

    whose, homes = owned(found.asked), _homes(found.asked)
    sun = _sun(found, whose)
    rows: list[Row] = []
    for one in found.outcomes:
        rows += _of_accounts(found.asked, _named(PLAYED, one.prices, one.cell), one.accounts, whose)
    for settled in found.frozen:
        rows += _of_accounts(found.asked, _named(FROZEN, WRITTEN, settled.cell), settled.accounts, whose)
    for billed in found.billed:
        rows += _of_bills(found.asked, billed, whose)
    if found.asked.automated:
        at = {play.automated_share: found.asked.automated_customers(play.automated_share) for play in found.asked.plays}
        for row in rows:
            row[AUTOMATED] = _YES_NO[row["customer"] in at[row["automated_share"]]]
    for row in rows:
        row[SUN] = NO_HOME if row["customer"] not in homes else _YES_NO[(row["seed"], row["customer"]) in sun]
    frame = pd.DataFrame(rows)
    return _with_counterfactuals(frame, found.asked)


def label_columns(asked: Asked) -> tuple[str, ...]:
    """Columns by which customers can be grouped."""
    said = (name for name in asked.customers.columns if name not in (MEMBER, INCOME))
    return (MEMBER, SUN, *[AUTOMATED] * bool(asked.automated), *said)


def _named(basis: str, prices: str, cell: Cell) -> Row:
    return dict(zip(CELL, (basis, prices, *cell), strict=True))


def _labels(asked: Asked, customer: str) -> Row:
    said = {name: asked.customers.label(customer, name) for name in asked.customers.columns}
    return said | {MEMBER: "yes" if asked.customers.is_member(customer) else "no"}


def _of_accounts(asked: Asked, named: Row, accounts: Sequence[Accounts], whose: Ints) -> Iterator[Row]:
    labels = [_labels(asked, customer) for customer in asked.customers.agents]
    for book in accounts:
        n = book.core.n_agents
        bills = np.einsum("mela,ca->mecl", book.bill_ucur[..., :n], whose)
        meters = at_meters(book, whose)
        peak_kw = meters.peak_ukwh / MICRO / book.core.scenario.step_h
        for month, env in np.argwhere(book.has).tolist():
            for i, customer in enumerate(asked.customers.agents):
                row = {**named, "seed": int(book.seeds[env]), "month": book.months[month], "customer": customer}
                row |= labels[i]
                row |= {name: meters.energy_ukwh[month, env, j, i] / MICRO for j, name in enumerate(ENERGY)}
                row["peak_kw"] = peak_kw[month, env, i]
                lines = bills[month, env, i]
                row |= {f"{line}_cur": lines[j] / MICRO for j, line in enumerate(LINES)}
                yield row | {f"{VAT_LINE}_cur": 0.0, "bill_cur": int(lines.sum()) / MICRO}


def _of_bills(asked: Asked, one: BilledOutcome, whose: Ints) -> Iterator[Row]:
    """Bills of a design of months; what the meters showed is that of the dispatch."""
    named = _named(BILLED, one.prices, one.cell)
    shown = {
        (row["seed"], row["month"], row["customer"]): row
        for row in _of_accounts(asked, named, one.dispatch.accounts, whose)
    }
    for bills in one.bills:
        amounts = bills.bill.ucur
        for i, customer in enumerate(bills.customers):
            for m, (year, month) in enumerate(bills.bill.months):
                key = (bills.seed, f"{year:04d}-{month:02d}", customer)
                row = dict(shown[key]) | {f"{line}_cur": 0.0 for line in BILL_LINES}
                for j, entry in enumerate(bills.bill.entries):
                    row[f"{entry.line}_cur"] += int(amounts[i, m, j]) / MICRO
                yield row | {"bill_cur": int(amounts[i, m].sum()) / MICRO}


def _homes(asked: Asked) -> set[str]:
    """Customers with a home."""
    world = asked.world(asked.today, next(iter(asked.mechanisms)))
    names = {f"{name}_{i}" for name, kind, config in world.named_kinds if kind.is_home for i in range(config.count)}
    return {customer for customer, held in asked.customers.agents.items() if names.intersection(held)}


def _sun(found: Study, whose: Ints) -> set[tuple[int, str]]:
    """Episodes and customers with PV."""
    quo = next(one for one in found.outcomes if one.cell == found.asked.status_quo)
    names = list(found.asked.customers.agents)
    has = set()
    for book, day in zip(quo.accounts, quo.books, strict=True):
        made = day.pv_kwh @ whose.T
        has |= {(int(book.seeds[env]), names[i]) for env, i in np.argwhere(made > 0).tolist()}
    return has


def _with_counterfactuals(frame: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    """Put beside each bill the same customer's bill of the month in the three counterfactuals; empty where not played.

    A design that is billed on a dispatch has today's tariff as it was played beside it.
    """
    bills = {
        key: bill for key, bill in zip(zip(*(frame[name] for name in (*CELL, *WHO)), strict=True), frame["bill_cur"],
                                       strict=True)
    }  # fmt: skip
    columns: dict[str, list[float]] = {name: [] for name in COUNTERFACTUALS}
    for basis, prices, *named in zip(*(frame[n] for n in (*CELL, *WHO)), strict=True):
        cell, who = Cell(*named[: len(Cell._fields)]), named[len(Cell._fields) :]
        as_played = PLAYED if basis == BILLED else basis
        for name, key in zip(
            COUNTERFACTUALS,
            (
                (as_played, prices, *cell._replace(tariff=asked.today), *who),
                (basis, prices, *cell._replace(mechanism=NO_MARKET), *who),
                (basis, prices, *asked.without_automation(cell), *who),
            ),
            strict=True,
        ):
            columns[name].append(bills.get(key, float("nan")))
    return frame.assign(**{f"{name}_bill_cur": values for name, values in columns.items()})
