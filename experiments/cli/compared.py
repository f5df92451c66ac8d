"""Tables of a comparison: what kinds pay under each tariff, and what customers are billed under each design."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from rich.table import Table

from gridbazaar.experiments.cli.tabled import table
from gridbazaar.experiments.evaluation.compare import Comparison, Drawn
from gridbazaar.experiments.evaluation.statistics import Interval


def comparison_table(found: Comparison, mechanism: str = "") -> Table:
    """Show what each kind pays under each tariff, and how much more than under the first."""
    first = found.evaluations[found.reference]
    rows = []
    for r in found.rows():
        row = [r.tariff, r.policy, r.kind, f"{r.cost_cur.mean:.2f}", _ends(r.cost_cur, "")]
        if r.tariff != found.reference:
            row += [_signed(r.more_cur.mean), _ends(r.more_cur, "+")]
        rows.append(row)
    episodes = f"{len(first.seeds)} {first.split} episodes"
    named = f"{first.scenario.name}, {mechanism}" if mechanism else first.scenario.name
    title = f"{named}: {first.scenario.currency} per episode, mean and 95 % interval of {episodes}"
    head = ("tariff", "policy", "kind", ">cost", ">interval", f">more than {found.reference}", ">interval")
    return table(title, head, rows)


def _signed(x: float) -> str:
    return f"{round(x, 2) + 0.0:+.2f}"


def _ends(found: Interval, sign: str) -> str:
    """Both ends of an interval; nothing where there is none."""
    if not math.isfinite(found.low):
        return ""
    return " to ".join(f"{round(x, 2) + 0.0:{sign}.2f}" for x in (found.low, found.high))


def bills_table(drawn: Sequence[Drawn]) -> Table:
    """Show what all customers are billed under each design for the dispatch that came under each tariff."""
    groups: dict[tuple[str, str, str], list[tuple[float, float, float]]] = {}
    for tariff, policy, bills in drawn:
        total_cur, power_cur = bills.bill.total_cur.sum(), bills.bill.line_cur("capacity", with_vat=True).sum()
        row = float(total_cur), float(power_cur), float(bills.peak_kw.mean())
        groups.setdefault((tariff, policy, bills.bill.design.name), []).append(row)
    rows = [[*names, *(f"{x:.2f}" for x in np.mean(values, axis=0))] for names, values in groups.items()]
    title = f"Bills of the meters that came, {drawn[0].bills.bill.design.currency} per episode and all customers"
    head = ("tariff played", "policy", "billed under", ">bills", ">of it for power", ">mean highest kW of a customer")
    return table(title, head, rows)
