"""What a design asks by the month, over the steps of a bank: tables for ``settlement/peaks.py``, made on the host."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gridbazaar.market.billing.capacity import counted
from gridbazaar.market.billing.clock import LocalRows, is_due, window_of
from gridbazaar.market.billing.prices import vat_rate
from gridbazaar.market.charge import Charge, Peak, step_limits
from gridbazaar.market.design import Design
from gridbazaar.market.energy_by_month import energy_entries, energy_months, is_energy_by_month
from gridbazaar.market.settlement.peaks import Entry, MonthCharges, PowerCharge, SumCharge

_MIN_H = 60.0
_NANO = 1e9


def is_by_month(charge: Charge) -> bool:
    """Whether what a row costs hangs on the month so far, in a way that is carried: power, free kWh of what is fed in.

    Free kWh of what is drawn change what a kWh costs now, which the band of local prices would have to know.
    """
    has_free = any(window.free_kwh_per_month for window in charge.windows)
    return charge.sort == "power" or (has_free and charge.flow == "export" and not charge.tiers_kwh)


def month_charges(design: Design, rows: LocalRows, spot: NDArray[np.float64]) -> MonthCharges | None:
    """Give what a design asks by the month, over rows that begin with a month or a part of one; none: nothing."""
    has_energy = is_energy_by_month(design)
    chosen = [charge for charge in design.charges if is_by_month(charge) and not (has_energy and _is_sum(charge))]
    if not chosen and not has_energy:
        return None
    entries = tuple(dict.fromkeys(Entry(charge.line, charge.to) for charge in chosen))
    if has_energy:
        entries = tuple(dict.fromkeys((*entries, *energy_entries(design))))
    place = {entry: i for i, entry in enumerate(entries)}
    begins = np.zeros(len(rows.month), np.bool_)
    begins[list(rows.edges[:-1])] = True
    power = tuple(
        _power(charge, place[Entry(charge.line, charge.to)], vat_rate(charge, design), rows, begins)
        for charge in chosen
        if charge.sort == "power"
    )
    sums = tuple(
        _sum(charge, place[Entry(charge.line, charge.to)], vat_rate(charge, design), rows, begins)
        for charge in chosen
        if charge.sort == "energy"
    )
    energy = energy_months(design, rows, spot, place) if has_energy else None
    return MonthCharges(power, sums, (*entries, Entry("tax", "state")), energy)


def _is_sum(charge: Charge) -> bool:
    return charge.sort == "energy"


def _power(charge: Charge, entry: int, rate: float, rows: LocalRows, begins: NDArray[np.bool_]) -> PowerCharge:
    peak = charge.peak or Peak()
    counts, months = counted(peak, rows), _month_of(rows)
    minute = (rows.day * 24.0 + rows.hour) * _MIN_H
    interval = np.floor(minute / peak.interval_min + 1e-9)
    is_longer = rows.step_h * _MIN_H >= peak.interval_min
    unit = rows.day if peak.per == "day" else interval
    has_counts = np.bincount(months, counts, len(rows.months)) > 0
    prices = charge.step_cur_per_month or charge.tier_cur_per_kw_month
    return PowerCharge(
        entry=entry, vat_rate=rate, n=peak.n,
        interval_h=max(rows.step_h, peak.interval_min / _MIN_H),
        average_months=peak.average_months, ratchet_frac=peak.ratchet_frac, lookback_months=peak.lookback_months,
        limits_kw=step_limits(charge) or charge.tiers_kw, prices=prices, has_steps=bool(charge.step_cur_per_month),
        counts=counts.astype(np.int64),
        begins_interval=None if is_longer else begins | _changes(interval),
        begins_unit=None if peak.n == 1 else begins | _changes(unit),
        begins_month=begins, month=months, price=_prices(charge, rows),
        floor_nkw=np.where(has_counts, np.rint(peak.floor_kw * _NANO), 0).astype(np.int64),
    )  # fmt: skip


def _sum(charge: Charge, entry: int, rate: float, rows: LocalRows, begins: NDArray[np.bool_]) -> SumCharge:
    own = [
        w.cur_per_kwh if w.cur_per_kwh is not None else charge.cur_per_kwh + (w.add_cur_per_kwh or 0.0)
        for w in charge.windows
    ]
    window = window_of(charge.windows, rows) % (len(charge.windows) + 1)  # -1, outside all, is the last
    return SumCharge(
        entry=entry, vat_rate=rate, is_export=charge.flow == "export", bears_local=1.0 * (charge.line != "retail"),
        window=window, counts=is_due(rows, charge.from_day, charge.to_day).astype(np.int64), begins_month=begins,
        free_kwh=(*(w.free_kwh_per_month for w in charge.windows), 0.0), prices=(*own, charge.cur_per_kwh),
    )  # fmt: skip


def _month_of(rows: LocalRows) -> NDArray[np.int64]:
    """[n_rows] number of the month."""
    return np.repeat(np.arange(len(rows.months)), np.diff(rows.edges))


def _changes(values: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.bool_]:
    """[n_rows] whether a row is of another unit than the one before."""
    return np.concatenate([[True], np.diff(values) != 0])


def _prices(charge: Charge, rows: LocalRows) -> NDArray[np.float64]:
    """[n_months] what a kW costs over each; 0 where steps or tiers say."""
    months = range(len(rows.months))
    if charge.cur_per_kw_month is not None:
        return np.full(len(rows.months), charge.cur_per_kw_month)
    if charge.cur_per_kw_day is not None:
        return np.array([charge.cur_per_kw_day * rows.days_in(m) for m in months])
    if charge.cur_per_kw_year is not None:
        return np.array([charge.cur_per_kw_year * rows.days_in(m) / rows.days_in_year(m) for m in months])
    return np.zeros(len(rows.months))
