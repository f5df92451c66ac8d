"""Cross-subsidy: whether groups of customers pay for the network between their incremental and stand-alone cost.

Faulhaber's test (1975) of a network whose cost is that of its peak: it costs the allowed revenue for the highest power
that all customers draw or feed in together, and in proportion for that of a group alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gridbazaar.data.units import MICRO
from gridbazaar.experiments.comparison.cell import EQUAL, WRITTEN, Outcome
from gridbazaar.experiments.comparison.customer_rows import CELL, PLAYED, label_columns
from gridbazaar.experiments.comparison.daybook import line_places
from gridbazaar.experiments.comparison.meters import owned
from gridbazaar.experiments.comparison.study import Study
from gridbazaar.experiments.evaluation.fairness import cross_subsidy

if TYPE_CHECKING:
    import pandas as pd


def subsidy_table(found: Study, rows: pd.DataFrame) -> pd.DataFrame:
    """One row a played cell, label and group: what it pays for the network, and both costs of serving it.

    Of cells with equal revenue where there are any, since what all pay has to be what all cost. Labels with two to 16
    groups are tested; charges of deviations are left out.
    """
    import pandas as pd

    prices = EQUAL if found.asked.equal_revenue else WRITTEN
    made: list[dict[str, Any]] = []
    played = [one for one in found.outcomes if one.prices == prices]
    of_share = {share: held for share, held in rows.groupby("automated_share")}
    for one in played:
        for label in label_columns(found.asked):
            made += _of_label(found, one, of_share[one.cell.automated_share], label)
    columns = [*CELL, "group", "value", "pays_cur", "incremental_cur", "stand_alone_cur", "is_between"]
    return pd.DataFrame(made, columns=columns)


def _of_label(found: Study, one: Outcome, rows: pd.DataFrame, label: str) -> list[dict[str, Any]]:
    group_of = {
        (seed, customer): value
        for seed, customer, value in zip(rows["seed"], rows["customer"], rows[label], strict=True)
    }
    names = sorted({value for value in group_of.values() if value != ""})
    if not 2 <= len(names) <= 16 or any(value == "" for value in group_of.values()):
        return []
    net, paid = _by_group(found, one, group_of, names)
    peak = float(np.abs(net.sum(axis=0)).max())
    total = float(sum(paid))

    def cost(group: frozenset[str]) -> float:
        inside = [i for i, name in enumerate(names) if name in group]
        return total * float(np.abs(net[inside].sum(axis=0)).max(initial=0.0)) / max(peak, 1e-12)

    bills = dict(zip(names, paid, strict=True))
    tested = cross_subsidy(names, cost, bills)
    named = dict(zip(CELL, (PLAYED, one.prices, *one.cell), strict=True))
    return [
        named | {
            "group": label, "value": name, "pays_cur": bills[name], "incremental_cur": tested.incremental_cur[name],
            "stand_alone_cur": tested.stand_alone_cur[name], "is_between": (name,) not in tested.outside,
        }
        for name in names
    ]  # fmt: skip


def _by_group(
    found: Study, one: Outcome, group_of: dict[tuple[int, str], str], names: list[str]
) -> tuple[Any, list[float]]:
    """[n_groups, n_steps of all episodes] net kWh, and what each group pays for the network, [n_groups]."""
    whose, customers = owned(found.asked), list(found.asked.customers.agents)
    series, paid = [], np.zeros(len(names))
    for book in one.accounts:
        n = book.core.n_agents
        lines = book.bill_ucur[:, :, line_places("network", "capacity"), :n].sum(axis=(0, 2)) @ whose.T / MICRO
        net = np.einsum("tea,ca->etc", book.net_ukwh, whose) / MICRO
        for env, seed in enumerate(book.seeds.tolist()):
            place = [names.index(group_of[seed, customer]) for customer in customers]
            summed = np.zeros((len(names), net.shape[1]))
            np.add.at(summed, place, net[env].T)
            np.add.at(paid, place, lines[env])
            series.append(summed)
    return np.concatenate(series, axis=1), paid.tolist()
