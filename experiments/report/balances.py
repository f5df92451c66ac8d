"""The section that checks whether energy and money add up in every interval that was kept."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

from gridbazaar.data.units import MICRO
from gridbazaar.experiments.evaluation.balances import Balances, Check, checks_of
from gridbazaar.experiments.evaluation.play import Played
from gridbazaar.experiments.report.page import listed, section
from gridbazaar.experiments.report.subject import Subject
from gridbazaar.experiments.report.table import html_number as num
from gridbazaar.experiments.report.table import html_table
from gridbazaar.market.settlement.settle import SYSTEM_PARTIES


def balances(days: Mapping[str, Played]) -> list[Check]:
    """Check energy and money in every interval that was kept."""
    watched = []
    for played in days.values():
        watched.append(Balances(played.tally.core))
        for happened in played.transitions:
            watched[-1].add(happened)
    return checks_of(watched)


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
