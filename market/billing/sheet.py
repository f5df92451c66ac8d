"""What a kWh costs under a design, line by line, hour by hour: for people to read, and for markets of intervals.

Prices are those of the next kWh, with value added tax: of the first tier, beyond free kWh, without what peaks, banks,
minimums and fixed charges add. ``spot_factor`` says how they follow the wholesale price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.market.billing.clock import LocalRows, is_due, local_rows
from gridbazaar.market.billing.prices import NANO, row_prices, vat_rate
from gridbazaar.market.charge import Charge
from gridbazaar.market.design import Design

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LinePrices:
    """What one kWh of a flow costs on a line of the bill; of export and pv, what it earns."""

    flow: str
    line: str
    cur_per_kwh: Floats  # [n_rows] with tax


def kwh_prices(design: Design, starts: NDArray[np.datetime64], step_min: int, spot: Floats) -> tuple[LinePrices, ...]:
    """Price a kWh of each flow and line in each row.

    Args:
        design: a tariff.
        starts: [n_rows] UTC.
        step_min: minutes a row.
        spot: [n_rows] wholesale price.
    """
    rows = local_rows(design, starts, step_min, None)
    found: dict[tuple[str, str], Floats] = {}
    for charge in design.charges:
        if charge.sort == "energy":
            key = (charge.flow, charge.line)
            price = _price(charge, design, rows, spot) * (1 + vat_rate(charge, design))
            found[key] = found.get(key, np.zeros(len(starts))) + price
    for charge in design.charges:
        if charge.sort == "levy":
            tax = (1 + vat_rate(charge, design)) / (1 + design.vat.rate)
            for flow in ("import", "load"):
                parts = [found[flow, line] for line in charge.of_lines if (flow, line) in found]
                if parts:
                    key = (flow, charge.line)
                    found[key] = found.get(key, np.zeros(len(starts))) + charge.frac * tax * np.sum(parts, axis=0)
    return tuple(LinePrices(flow, line, price) for (flow, line), price in found.items())


def _price(charge: Charge, design: Design, rows: LocalRows, spot: Floats) -> Floats:
    price, window = row_prices(charge, design, rows, spot)
    found = price / NANO
    if charge.spot_average != "interval":
        found = found + charge.spot_factor * spot.mean()
    if charge.tiers_kwh:
        first = [w.tier_cur_per_kwh[0] for w in charge.windows]
        found = np.array([*first, charge.tier_cur_per_kwh[0]])[window]  # -1, outside all windows, is the last
    return np.where(is_due(rows, charge.from_day, charge.to_day), found, 0.0)


def total_of(prices: tuple[LinePrices, ...], flow: str, n_rows: int) -> Floats:
    """[n_rows] all lines of a flow."""
    found: Floats = np.sum([line.cur_per_kwh for line in prices if line.flow == flow], axis=0) + np.zeros(n_rows)
    return found


def follows_spot(design: Design) -> bool:
    """Whether a price changes with the wholesale price."""
    return any(charge.spot_factor or charge.zero_if_spot_negative for charge in design.charges)
