"""The cells of a comparison, a row each: parties, network operator, wires, welfare, changes from day to day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import MICRO
from gridbazaar.experiments.comparison.carbon import marginal_carbon_kg
from gridbazaar.experiments.comparison.cell import BilledOutcome, Outcome
from gridbazaar.experiments.comparison.customer_rows import BILLED, CELL, FROZEN, PLAYED
from gridbazaar.experiments.comparison.daybook import party_place
from gridbazaar.experiments.comparison.meters import drawn_kwh, owned
from gridbazaar.experiments.comparison.network_lines import billed_revenue, losses_cost_cur, revenue_of
from gridbazaar.experiments.comparison.study import Study
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.experiments.evaluation.fairness import Revenue
from gridbazaar.experiments.evaluation.statistics import Interval, mean_interval
from gridbazaar.market.settlement.settle import SYSTEM_PARTIES

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

_MEANS = (
    "wear_cur", "discomfort_cur", "upkeep_cur", "lost_load_cur", "left_cur", "self_sufficiency", "self_consumption",
    "import_kwh", "export_kwh", "traded_share", "loss_kwh", "violation_pu_min", "curtailed_kwh", "carbon_kg",
)  # fmt: skip
_HIGHEST = ("peak_import_kw", "max_voltage_pu", "max_loading")
_LOWEST = ("min_voltage_pu",)
DURATION = tuple(range(101))
"""Percentages of the time that the duration curve is given at."""


def cell_table(found: Study) -> pd.DataFrame:
    """One row a cell, amounts a mean episode: what each party receives, the operator's accounts, wires and welfare.

    ``resource_cost_cur`` is what energy costs wholesale, with wear, discomfort, upkeep and what was not served, less
    what is left in storage: what bills move between parties is not in it. ``*_welfare_cur`` is by how much it is lower
    than in a counterfactual, ``above_first_best_cur`` by how much it is higher than the least that it could be,
    ``first_best_reached_frac`` which part of the way to that, from today without market and automation, is gone.
    ``carbon_kg`` is by the average intensity, ``marginal_carbon_kg`` by the marginal one, empty where none is given.
    ``*_more_cur_per_day`` is what customers pay more, with the interval over days.
    """
    import pandas as pd

    rows = [_played(found, one) for one in found.outcomes]
    rows += [
        dict(zip(CELL, (FROZEN, "as written", *one.cell), strict=True)) | _parties(one.accounts)
        | _recovery(found, revenue_of(one.accounts), one.accounts)
        for one in found.frozen
    ]  # fmt: skip
    rows += [_billed(found, one) for one in found.billed]
    return pd.DataFrame(rows)


def _played(found: Study, one: Outcome) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(CELL, (PLAYED, one.prices, *one.cell), strict=True))
    row |= _scale(one) | _recovery(found, revenue_of(one.accounts), one.accounts) | _parties(one.accounts)
    row["losses_cost_cur"] = losses_cost_cur(one.accounts) / len(found.asked.seeds)
    row |= _welfare(found, one)
    row |= {name: float(one.figures[name].mean()) for name in _MEANS}
    marginal = found.asked.marginal
    row["marginal_carbon_kg"] = float("nan") if marginal is None else float(marginal_carbon_kg(one, marginal).mean())
    row |= {name: float(one.figures[name].max()) for name in _HIGHEST}
    row |= {name: float(one.figures[name].min()) for name in _LOWEST}
    row["days"] = day_bills_cur(one).size
    for name, other in found.beside(one).items():
        row |= _against(found, name, one, other)
    return row


def _billed(found: Study, one: BilledOutcome) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(CELL, (BILLED, one.prices, *one.cell), strict=True))
    row |= _scale(one) | _recovery(found, billed_revenue(one.bills), one.dispatch.accounts)
    n, received = len(one.bills), dict.fromkeys(SYSTEM_PARTIES, 0.0)
    for bills in one.bills:
        for party in SYSTEM_PARTIES:
            received[party] += float(bills.bill.received_cur(party).sum()) / n
    row["customers_pay_cur"] = float(sum(bills.bill.total_cur.sum() for bills in one.bills)) / n
    return row | {f"{party}_cur": received[party] for party in SYSTEM_PARTIES}


def _scale(one: Outcome | BilledOutcome) -> dict[str, Any]:
    path = " ".join(f"{scale:.6f}" for scale in one.path)
    return {"scale": one.scale, "is_settled": one.is_settled, "scales_tried": path}


def _recovery(found: Study, revenue: Revenue, accounts: tuple[Accounts, ...]) -> dict[str, Any]:
    """The network operator's allowed revenue, what it recovers, and what a deficit adds to everyone's kWh."""
    n, received = len(found.asked.seeds), revenue.fixed_cur + revenue.scaled_cur
    drawn = drawn_kwh(accounts, owned(found.asked))
    deficit = found.allowed_cur - received
    return {
        "allowed_cur": found.allowed_cur / n, "network_revenue_cur": received / n, "deficit_cur": deficit / n,
        "deficit_cur_per_kwh": deficit / max(drawn, 1e-9), "drawn_kwh": drawn / n,
    }  # fmt: skip


def _parties(accounts: tuple[Accounts, ...]) -> dict[str, Any]:
    """What customers pay and each party of the system receives in a mean episode; together nothing is left over."""
    n_episodes = sum(len(book.seeds) for book in accounts)
    n = accounts[0].core.n_agents
    total = sum(book.bill_ucur.sum(axis=(0, 1, 2)) for book in accounts)
    paid = np.asarray(total) / MICRO / n_episodes
    off = int(np.abs(np.asarray(total).sum()))
    received = {f"{party}_cur": -float(paid[n + i]) for i, party in enumerate(SYSTEM_PARTIES)}
    return {"customers_pay_cur": float(paid[:n].sum())} | received | {"off_balance_ucur": off}


def resource_cost_cur(found: Study, one: Outcome) -> Floats:
    """[n_seeds] what society spends: energy at wholesale, and what no bill holds, less what is left in storage.

    What is left is worth what it is at wholesale prices, whatever the tariff. What lay in storage at the beginning is
    the same in all cells, and in none of them.
    """
    spent = []
    for day in one.books:
        wholesale = -day.day_ucur[:, :, party_place(one.n_agents, "wholesale")] / MICRO
        spent.append((wholesale + day.borne_cur).sum(axis=0))
    left_kwh = np.concatenate([day.left_kwh for day in one.books])
    cost: Floats = np.concatenate(spent) - left_kwh * found.best.worth_cur_per_kwh
    return cost


def _welfare(found: Study, one: Outcome) -> dict[str, Any]:
    """What society spends beside the first best, and which part of the way to it from today a cell goes.

    Raises:
        AssertionError: a cell costs less than the first best, which is an error of ours.
    """
    best, spent = found.best, resource_cost_cur(found, one)
    row: dict[str, Any] = {"resource_cost_cur": float(spent.mean()), "first_best_cur": float(best.cost_cur.mean())}
    above, reached = float("nan"), float("nan")
    if not best.why_not:
        lost = losses_worth_cur(one)
        if beaten := np.flatnonzero(spent - lost < best.cost_cur - best.rounding_cur).tolist():
            listed = ", ".join(f"seed {found.asked.seeds[i]}: {spent[i] - lost[i]:.4f}" for i in beaten[:5])
            raise AssertionError(f"{', '.join(map(str, one.cell))} costs less than the first best ({listed})")
        above = float((spent - best.cost_cur).mean())
        quo = found.outcome(found.asked.status_quo)
        assert quo is not None
        possible = float((resource_cost_cur(found, quo) - best.cost_cur).mean())
        reached = 1 - above / possible if possible > 0 else float("nan")
    row |= {"above_first_best_cur": above, "first_best_reached_frac": reached, "no_first_best": best.why_not}
    return row


def losses_worth_cur(one: Outcome) -> Floats:
    """[n_seeds] what the wires lose, at the wholesale price; less than nothing where that is."""
    found = []
    for book, day in zip(one.accounts, one.books, strict=True):
        step = np.asarray(book.first.episode.start)[None, :] + np.arange(book.core.n_steps)[:, None]
        spot = np.asarray(book.core.world.rates.spot)[step] / MICRO
        found.append((day.wires["loss_kwh"] * spot).sum(axis=0))
    return np.concatenate(found)


def day_bills_cur(one: Outcome) -> Floats:
    """[n_days of all episodes] what all customers pay a day."""
    found: Floats = np.concatenate(
        [day.day_ucur[:, :, : one.n_agents].sum(axis=2).T.ravel() / MICRO for day in one.books]
    )
    return found


def _against(found: Study, name: str, one: Outcome, other: Any) -> dict[str, Any]:
    """What changes against a counterfactual; empty where it was not played."""
    more, welfare = Interval(float("nan"), float("nan"), float("nan")), float("nan")
    if isinstance(other, Outcome):
        more = mean_interval(day_bills_cur(one) - day_bills_cur(other))
        welfare = float((resource_cost_cur(found, other) - resource_cost_cur(found, one)).mean())
    return {
        f"{name}_more_cur_per_day": more.mean, f"{name}_more_low": more.low, f"{name}_more_high": more.high,
        f"{name}_welfare_cur": welfare,
    }  # fmt: skip


def duration_table(found: Study) -> pd.DataFrame:
    """One row a played cell and percentage of the time: the power at the head that is passed so long, kW."""
    import pandas as pd

    rows = []
    for one in found.outcomes:
        root_kw = np.concatenate([day.wires["root_kw"].ravel() for day in one.books])
        levels = np.quantile(root_kw, [1 - share / 100 for share in DURATION])
        named = dict(zip(CELL, (PLAYED, one.prices, *one.cell), strict=True))
        rows += [named | {"time_percent": share, "root_kw": kw} for share, kw in zip(DURATION, levels, strict=True)]
    return pd.DataFrame(rows)


def day_table(found: Study) -> pd.DataFrame:
    """One row a played cell, episode and day of 24 hours: what all customers pay, losses, highest draw."""
    import pandas as pd

    rows = []
    for one in found.outcomes:
        named = dict(zip(CELL, (PLAYED, one.prices, *one.cell), strict=True))
        for book, day in zip(one.accounts, one.books, strict=True):
            paid = day.day_ucur[:, :, : one.n_agents].sum(axis=2) / MICRO
            for env, seed in enumerate(book.seeds.tolist()):
                rows += [
                    named | {"seed": seed, "day": d, "customers_pay_cur": float(paid[d, env])} for d in range(len(paid))
                ]
    return pd.DataFrame(rows)
