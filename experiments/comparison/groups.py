"""Who wins and who loses: the customers of a comparison by group, against each counterfactual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gridbazaar.experiments.comparison.asked import Asked
from gridbazaar.experiments.comparison.customer_rows import CELL, label_columns
from gridbazaar.experiments.comparison.study import COUNTERFACTUALS
from gridbazaar.experiments.evaluation.customers import INCOME
from gridbazaar.experiments.evaluation.fairness import burden_frac, change_of

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
ALL = "all"
_YEAR_MONTHS = 12.0


def by_customer(rows: pd.DataFrame) -> pd.DataFrame:
    """Sum the months of each customer and episode; labels stay."""
    amounts = [name for name in rows.columns if name.endswith(("_cur", "_kwh")) and name != INCOME]
    kept = [name for name in rows.columns if name not in (*amounts, "month", "peak_kw")]
    grouped = rows.groupby(kept, sort=False, dropna=False)
    summed = grouped[amounts].sum(min_count=1)
    return summed.assign(peak_kw=grouped["peak_kw"].max(), months=grouped["month"].nunique()).reset_index()


def group_table(rows: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    """One row a cell, label and value of it: bills, who wins and loses against each counterfactual, and by how much.

    Changes are > 0 where customers pay more. A customer counts once an episode. ``burden_frac`` is the bill, by months
    taken to a year, over income; it is empty where the file gives no ``income_cur``.
    """
    import pandas as pd

    each = by_customer(rows)
    found: list[dict[str, Any]] = []
    for cell, held in each.groupby(list(CELL), sort=False):
        groups = [(ALL, ALL, held)]
        groups += [
            (label, str(value), part)
            for label in label_columns(asked)
            for value, part in held.groupby(label, sort=True)
            if value != ""
        ]
        for label, value, part in groups:
            row: dict[str, Any] = dict(zip(CELL, cell, strict=True))
            row |= {"group": label, "value": value, "customers": len(part), "bill_cur": part["bill_cur"].mean()}
            row["burden_frac"] = _burden(part)
            for name in COUNTERFACTUALS:
                row |= _changes(part, name)
            found.append(row)
    return pd.DataFrame(found)


def _changes(part: pd.DataFrame, name: str) -> dict[str, Any]:
    """Against one counterfactual; empty where it was not played."""
    before = part[f"{name}_bill_cur"].to_numpy()
    keys = (
        "change_cur",
        "winners",
        "losers",
        "mean_gain_cur",
        "mean_loss_cur",
        *(f"q{q * 100:.0f}_cur" for q in QUANTILES),
    )
    if np.isnan(before).any():
        return {f"{name}_{key}": float("nan") for key in keys}
    change = change_of(part["bill_cur"].to_numpy(), before)
    values = (
        float(change.change_cur.mean()), change.winners, change.losers, change.mean_gain_cur, change.mean_loss_cur,
        *np.quantile(change.change_cur, QUANTILES),
    )  # fmt: skip
    return {f"{name}_{key}": value for key, value in zip(keys, values, strict=True)}


def _burden(part: pd.DataFrame) -> float:
    """Mean share of the yearly income that goes to the bill, of those whose income is given."""
    if INCOME not in part:
        return float("nan")
    given = part[part[INCOME] != ""]
    if given.empty:
        return float("nan")
    yearly = given["bill_cur"].to_numpy() * _YEAR_MONTHS / given["months"].to_numpy()
    return float(burden_frac(yearly, given[INCOME].to_numpy(np.float64)).mean())
