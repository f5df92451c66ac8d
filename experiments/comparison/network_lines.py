"""The network lines of a tariff: whether it has any, the same tariff with them scaled, and what they bring in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from gridbazaar.data.units import MICRO
from gridbazaar.experiments.comparison.daybook import line_places, party_place
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.experiments.evaluation.design_bills import DesignBills
from gridbazaar.experiments.evaluation.fairness import Revenue
from gridbazaar.market.charge import Charge
from gridbazaar.market.design import Design
from gridbazaar.market.exchange import charge_times
from gridbazaar.market.tariff import Tariff

OPERATOR = "network_operator"
SCALED = ("network", "capacity")
"""Lines of a bill that a factor scales; standing charges stay as they are."""
_RECEIVED = (*SCALED, "imbalance", "fixed")  # deviations pay for the network too


def has_network_lines(tariff: Tariff | Design) -> bool:
    """Whether there is anything to scale."""
    if isinstance(tariff, Tariff):
        return tariff.network_cur_per_kwh > 0
    return any(_is_scaled(charge) for charge in tariff.charges)


def scaled(tariff: Tariff | Design, factor: float) -> Tariff | Design:
    """Give the tariff with its network lines times a factor.

    Raises:
        ValueError: they are read from a table of prices, which other lines may share.
    """
    if factor == 1.0:
        return tariff
    if isinstance(tariff, Tariff):
        local = tariff.local_network_cur_per_kwh * factor
        return replace(tariff, network_cur_per_kwh=tariff.network_cur_per_kwh * factor, local_network_cur_per_kwh=local)
    charges = tuple(charge_times(charge, factor) if _is_scaled(charge) else charge for charge in tariff.charges)
    return replace(tariff, charges=charges)


def _is_scaled(charge: Charge) -> bool:
    return charge.line in SCALED and charge.to == OPERATOR and charge.sort in ("energy", "power")


def revenue_of(accounts: Iterable[Accounts]) -> Revenue:
    """What the network operator received of all episodes for the use of the network, before it bought losses."""
    fixed = scaled_cur = 0.0
    for book in accounts:
        place = party_place(book.core.n_agents, OPERATOR)
        received = -book.bill_ucur[:, :, line_places(*_RECEIVED), place].sum(axis=(0, 1)) / MICRO
        fixed += float(received[-1])
        scaled_cur += float(received[:-1].sum())
    return Revenue(fixed, scaled_cur)


def losses_cost_cur(accounts: Iterable[Accounts]) -> float:
    """What the network operator paid for losses and for what it withheld, less what it kept of scarcity."""
    total = 0
    for book in accounts:
        place = party_place(book.core.n_agents, OPERATOR)
        total += int(book.bill_ucur[:, :, line_places("losses", "congestion"), place].sum())
    return total / MICRO


def billed_revenue(bills: Iterable[DesignBills]) -> Revenue:
    """What the network operator receives under a design that is billed on a dispatch, before value added tax."""
    fixed = scaled_cur = 0.0
    for one in bills:
        for j, entry in enumerate(one.bill.entries):
            if entry.to == OPERATOR:
                amount = float(np.asarray(one.bill.cur)[..., j].sum())
                if entry.line in SCALED:
                    scaled_cur += amount
                else:
                    fixed += amount
    return Revenue(fixed, scaled_cur)
