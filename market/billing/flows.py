"""What a charge on energy counts in each row: metered, less what a neighbour delivered, netted within row or hour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import to_micro
from gridbazaar.market.billing.clock import LocalRows, is_due
from gridbazaar.market.billing.metered import Metered
from gridbazaar.market.billing.prices import row_prices, undivided
from gridbazaar.market.charge import Charge
from gridbazaar.market.design import Design

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Meters:
    """Whole micro-kWh of all rows, [n_customers, n_rows] each."""

    gross_in: Ints  # what the register counted, less local trades
    gross_out: Ints
    net_in: Ints  # the same netted within the row, or kept apart under ``none``
    net_out: Ints
    hour: Ints  # [n_rows] number of the hour that a row lies in


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """What one charge on energy counts."""

    charge: Charge
    price: Ints  # [n_rows] billionths of the currency per kWh
    window: Ints  # [n_rows] -1 outside all
    kwh: Ints  # [n_customers, n_rows] micro-kWh that take part in netting
    worth: Ints  # [n_customers, n_rows] of these, undivided; under netting in money that of import less export
    other_kwh: Ints  # [n_customers, n_rows] micro-kWh that do not: local ones, those of another meter
    other_worth: Ints


def read_meters(data: Metered, design: Design, rows: LocalRows) -> Meters:
    """Give what the main meter counted, as integers."""
    bought = 0 if data.local_bought_kwh is None else to_micro(data.local_bought_kwh)
    sold = 0 if data.local_sold_kwh is None else to_micro(data.local_sold_kwh)
    gross_in, gross_out = to_micro(data.import_kwh) - bought, to_micro(data.export_kwh) - sold
    if design.netting.period == "none":
        net_in, net_out = gross_in, gross_out
    else:
        net = gross_in - gross_out
        net_in, net_out = np.maximum(net, 0), np.maximum(-net, 0)
    return Meters(gross_in, gross_out, net_in, net_out, _hours(rows))


def _hours(rows: LocalRows) -> Ints:
    """[n_rows] number the hours; one that the clock shows twice is two."""
    hour, within = np.divmod(rows.hour, 1.0)
    begins = (np.diff(hour) != 0) | (np.diff(within) <= 0)
    number: Ints = np.cumsum(np.concatenate([[0], begins]).astype(np.int64))
    return number


def count(charge: Charge, data: Metered, meters: Meters, design: Design, rows: LocalRows) -> Counted:
    """Give what a charge on energy counts, and what that is worth."""
    price, window = row_prices(charge, design, rows, data.spot_cur_per_kwh)
    due = is_due(rows, charge.from_day, charge.to_day)
    price = np.where(due, price, 0)
    kwh, other = _energies(charge, data, meters)
    worth = undivided(kwh, price)
    netting = design.netting
    if charge.nets and charge.flow == "import" and netting.in_money and charge.meter != "controllable":
        worth = undivided(meters.net_in - meters.net_out, price)
    elif charge.nets and charge.flow in ("import", "export") and netting.period == "hour":
        kwh, worth = _within_hours(charge, worth, meters, netting.share)
    return Counted(charge, price, window, kwh * due, worth, other * due, undivided(other, price))


def _energies(charge: Charge, data: Metered, meters: Meters) -> tuple[Ints, Ints]:
    """Micro-kWh that take part in netting, and those that do not."""
    none = np.zeros(meters.net_in.shape, np.int64)
    if charge.flow in ("load", "pv"):
        given = data.load_kwh if charge.flow == "load" else data.pv_kwh
        if given is None:
            raise ValueError(f"{charge.line} on {charge.flow}: expected {charge.flow}_kwh of a gross meter, got none")
        return to_micro(given), none
    if charge.flow == "export":
        sold = none if data.local_sold_kwh is None else to_micro(data.local_sold_kwh)
        kept = none if charge.line == "retail" else sold
        return (meters.net_out if charge.nets else meters.gross_out), kept
    other = none + sum(
        np.rint(to_micro(kwh) * _kept(charge, distance)).astype(np.int64)
        for distance, kwh in data.local_kwh.items()
        if charge.meter != "controllable"
    )
    if charge.meter != "main" and data.controllable_kwh is not None:
        other = other + to_micro(data.controllable_kwh)
    if charge.meter == "controllable":
        return none, other
    return (meters.net_in if charge.nets else meters.gross_in), other


def _kept(charge: Charge, distance: str) -> float:
    """Share of a charge that a local kWh bears: none of the retailer's, all of others that say nothing."""
    return charge.local.get(distance, 0.0 if charge.line == "retail" else 1.0)


def _within_hours(charge: Charge, worth: Ints, meters: Meters, share: float) -> tuple[Ints, Ints]:
    """Net rows within each hour, as they come: what counts so far in the hour, less what did before.

    What is left of the hour is worth its part of what the hour's rows are worth together.
    """
    drawn, fed_in = (_since_hour(x, meters.hour) for x in (meters.net_in, meters.net_out))
    own = drawn if charge.flow == "import" else fed_in
    left = own - np.minimum(drawn, share * fed_in)
    frac = np.divide(left, own, out=np.zeros(own.shape), where=own > 0)
    counts_now = np.rint(left).astype(np.int64)
    worth_now = np.rint(_since_hour(worth, meters.hour) * frac).astype(np.int64)
    return _steps(counts_now, meters.hour), _steps(worth_now, meters.hour)


def _since_hour(values: Ints, hour: Ints) -> Ints:
    """[n_customers, n_rows] sums from the beginning of each row's hour on."""
    total = np.cumsum(values, axis=1)
    first = np.searchsorted(hour, hour, "left")
    before: Ints = np.where(first > 0, total[:, first - 1], 0)
    return total - before


def _steps(since: Ints, hour: Ints) -> Ints:
    """Undo ``_since_hour``."""
    before = np.concatenate([np.zeros((len(since), 1), np.int64), since[:, :-1]], axis=1)
    is_first = np.concatenate([[True], np.diff(hour) != 0])
    found: Ints = since - np.where(is_first, 0, before)
    return found
