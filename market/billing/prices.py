"""What a charge on energy asks in each row, and sums of energy times price that are divided once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.market.billing.clock import LocalRows, window_of
from gridbazaar.market.charge import Charge
from gridbazaar.market.design import Design

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NANO = 1_000_000_000
_HALVES = 1_000_000  # parts an undivided product, so that sums of the parts stay within 64 bits
_MOST = 2.0**62


def to_nano(price: Floats) -> Ints:
    """Round prices per kWh to the nearest billionth."""
    found: Ints = np.rint(price * NANO).astype(np.int64)
    return found


def row_prices(charge: Charge, design: Design, rows: LocalRows, spot: Floats | None) -> tuple[Ints, Ints]:
    """Give prices in billionths per kWh and windows, [n_rows] each; a mean spot price and tiers are no part of them."""
    window = window_of(charge.windows, rows)
    price = np.full(len(window), charge.cur_per_kwh)
    if charge.table_cur_per_kwh:
        price = _from_table(design.tables[charge.table_cur_per_kwh], rows)
    for i, each in enumerate(charge.windows):
        if each.cur_per_kwh is not None:
            price = np.where(window == i, each.cur_per_kwh, price)
        elif each.add_cur_per_kwh is not None:
            price = np.where(window == i, price + each.add_cur_per_kwh, price)
    if charge.spot_average == "interval" and (charge.spot_factor or charge.zero_if_spot_negative):
        known = needed_spot(charge, design, spot)
        price = price + charge.spot_factor * known
    if charge.cap_cur_per_kwh is not None:
        cap = charge.cap_cur_per_kwh / (1 + vat_rate(charge, design) if charge.cap_incl_vat else 1.0)
        price = np.minimum(price, cap)
    if charge.floor_cur_per_kwh is not None:
        price = np.maximum(price, charge.floor_cur_per_kwh)
    if charge.zero_if_spot_negative:
        price = np.where(needed_spot(charge, design, spot) < 0, 0.0, price)
    return to_nano(price), window


def needed_spot(charge: Charge, design: Design, spot: Floats | None) -> Floats:
    """The spot price of the rows; ``ValueError`` says which charge follows it where there is none."""
    if spot is None:
        raise ValueError(
            f"design {design.name}: {charge.line} on {charge.flow} follows the spot price; give spot_cur_per_kwh of "
            "the rows"
        )
    return spot


def vat_rate(charge: Charge, design: Design) -> float:
    """The rate of value added tax on a charge."""
    if not charge.vat:
        return 0.0
    return design.vat.rate if charge.vat_rate is None else charge.vat_rate


def _from_table(table: tuple[float, ...], rows: LocalRows) -> Floats:
    prices = np.array(table, np.float64)
    if len(table) == 8760:
        return prices[rows.year_hour]
    at = ((rows.month - 1) * 24 + rows.hour.astype(np.int64)) * 2 + rows.is_weekend
    return prices[at]


def undivided(energy_ukwh: Ints, price_ncur: Ints) -> Ints:
    """[n_customers, n_rows] micro-kWh times billionths per kWh, whole numbers of 1e-15 of the currency."""
    if energy_ukwh.size and float(np.abs(energy_ukwh).max()) * float(np.abs(price_ncur).max(initial=0)) > _MOST:
        raise ValueError("a row's energy times its price is too large to be billed; check the units of both")
    return energy_ukwh * price_ncur


def sum_cur(worth: Ints, running: bool) -> Floats:
    """Sum undivided products over rows, then divide: [n_customers, 1], or ``running`` [n_customers, n_rows]."""
    high, low = worth // _HALVES, worth % _HALVES
    return add_up(high, running) / 1e9 + add_up(low, running) / 1e15


def sum_kwh(energy_ukwh: Ints, running: bool) -> Floats:
    """The same of energies, in kWh."""
    return add_up(energy_ukwh, running) / 1e6


def add_up(values: NDArray[Any], running: bool) -> NDArray[Any]:
    """Sum over rows, [..., 1], or up to each of them."""
    found: NDArray[Any] = np.cumsum(values, axis=-1) if running else np.sum(values, axis=-1, keepdims=True)
    return found
