"""The section that checks whether energy and money add up in every interval that was kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from gridbazaar.data.units import MICRO
from gridbazaar.experiments.evaluation.play import Played
from gridbazaar.experiments.report.page import listed, section
from gridbazaar.experiments.report.subject import Subject
from gridbazaar.experiments.report.table import html_number as num
from gridbazaar.experiments.report.table import html_table
from gridbazaar.market.settlement.settle import SYSTEM_PARTIES

_ROUNDING_KWH = 2e-6  # by how much a meter may differ from what happened behind it: rounding to micro-kWh
_FLOW_KW = 1e-3  # by how much meters, losses and head may differ: the flow's fixed number of iterations


@dataclass(frozen=True, slots=True)
class Check:
    """A balance that must hold in every interval of the days that were kept."""

    name: str
    largest: float
    unit: str
    holds: bool


def balances(days: Mapping[str, Played]) -> list[Check]:
    """Check energy and money in every interval that was kept."""
    kept = [(played, tr) for played in days.values() for tr in played.transitions]

    def largest(values: Iterable[Any]) -> float:
        return max((float(np.abs(v).max()) for v in values), default=0.0)

    bills = largest(tr.money.bill.ucur.sum(2) for _, tr in kept)
    trades = largest(tr.market.clearing.traded_ukwh.sum(1) for _, tr in kept)
    payments = largest(tr.market.clearing.pay_ucur.sum(1) - tr.market.clearing.surplus_ucur for _, tr in kept)
    devices = largest(error for played in days.values() for error in _unaccounted_kwh(played))
    head = largest(
        tr.delivery.metered_ukwh.sum(1) / MICRO / p.tally.core.scenario.step_h + tr.wires.loss_kw - tr.wires.root_kw
        for p, tr in kept
    )
    flows = sum(int((~np.asarray(tr.wires.converged)).sum()) for _, tr in kept)
    return [
        Check("each line of each bill sums to zero over all parties", bills, "micro-currency", bills == 0),
        Check("what neighbours buy is what neighbours sell", trades, "micro-kWh", trades == 0),
        Check("payments for local trades add up to the declared surplus", payments, "micro-currency", payments == 0),
        Check("what a home or a battery draws is used, stored or lost", devices, "kWh", devices <= _ROUNDING_KWH),
        Check("meters and losses make the power at the head", head, "kW", head <= _FLOW_KW),
        Check("power flows that did not converge", flows, "intervals", flows == 0),
    ]


def _unaccounted_kwh(played: Played) -> Iterator[Any]:
    """Metered less used, stored and lost, of all agents but cars, for each interval that another one follows."""
    stays = ~np.asarray(played.tally.core.world.firm_is_chosen)
    for happened, (before, after) in zip(played.transitions, pairwise(played.states), strict=False):
        used = happened.devices.load_kwh - happened.devices.pv_kwh + happened.devices.loss_kwh
        stored = after.view.stored_kwh - before.view.stored_kwh
        yield (happened.delivery.metered_ukwh / MICRO - used - stored)[:, stays]


def balances_section(about: Subject, days: Mapping[str, Played]) -> str:
    """Say whether all balances hold, and who paid and who received on the shown day."""
    checks = balances(days)
    n = sum(len(played.transitions) for played in days.values())
    bad = [c for c in checks if not c.holds]
    sentence = (
        f"<p>Checked in {n} intervals under {escape(listed(about.name(p) for p in days))}: "
        + ("<b>all balances hold</b>." if not bad else f"<b>{len(bad)} of {len(checks)} balances do not hold</b>.")
        + " Money and market energy are integers, so their sums are exact.</p>"
    )
    rows = [
        [escape(c.name), f"{c.largest:.3g} {c.unit}", "holds" if c.holds else '<b class="bad">does not hold</b>']
        for c in checks
    ]
    table = html_table(["balance", "largest deviation", "result"], rows, "", narrow=True)
    return section("Do energy and money add up?", sentence, table, _money(about, days[about.shown]))


def _money(about: Subject, played: Played) -> str:
    """Who paid and who received over the shown day; the column sums to zero."""
    paid = np.sum([tr.money.bill.ucur[0].sum(0) for tr in played.transitions], axis=0)
    n_agents, code = played.tally.core.n_agents, escape(about.currency)
    kinds = about.evaluation.scenario.kind_slices
    sums = {f"agents: {k}": int(paid[:n_agents][s].sum()) for k, s in kinds.items()}
    sums |= {p.replace("_", " "): int(paid[n_agents + i]) for i, p in enumerate(SYSTEM_PARTIES)}
    rows = [[escape(name), num(amount / MICRO, 2)] for name, amount in sums.items() if amount]
    rows.append(["<b>sum</b>", f"<b>{num(sum(sums.values()) / MICRO, 2)}</b>"])
    note = f"Bills of the day above, under {escape(about.name(about.shown))}; above zero is paid, below received."
    return html_table(["party", code], rows, note, narrow=True)
