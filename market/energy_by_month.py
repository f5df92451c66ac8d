"""A design's charges on energy that hang on the month or the year: tables for ``settlement/netting.py``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gridbazaar.market.billing.clock import LocalRows, is_due, window_of
from gridbazaar.market.billing.lines import credit_column, credited
from gridbazaar.market.billing.prices import NANO, row_prices, vat_rate
from gridbazaar.market.charge import Charge
from gridbazaar.market.design import Design
from gridbazaar.market.settlement.netting import EnergyCharge, EnergyMonths, Tiers
from gridbazaar.market.settlement.peaks import Entry

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

NEAR = "transformer"
"""How far neighbours are in play."""
_DECEMBER = 12


def is_energy_by_month(design: Design) -> bool:
    """Whether what a kWh costs hangs on the month or the year: netting, credits that are kept or lost, tiers."""
    net = design.netting
    return net.period in ("month", "year") or net.rollover != "none" or net.cap != "none" or has_tiers(design)


def has_tiers(design: Design) -> bool:
    """Whether a charge on energy has tiers."""
    return any(charge.tiers_kwh for charge in design.charges)


def energy_entries(design: Design) -> tuple[Entry, ...]:
    """Lines of the bill that energy is on, and who receives them."""
    column = credit_column(design)
    charges = [Entry(charge.line, charge.to) for charge in _energy(design)]
    return tuple(dict.fromkeys([*charges, Entry(column.line, column.to)]))


def energy_months(design: Design, rows: LocalRows, spot: NDArray[np.float64], place: dict[Entry, int]) -> EnergyMonths:
    """Give the charges on energy of a design over rows that begin with a month or a part of one."""
    net, charges = design.netting, _energy(design)
    price_class, first = _classes(design, rows)
    pays = set(credited(design))
    made = tuple(
        _charge(charge, design, rows, spot, (place[Entry(charge.line, charge.to)], i in pays, first))
        for i, charge in enumerate(charges)
    )
    month_of = np.repeat(np.arange(len(rows.months)), np.diff(rows.edges))
    begins = np.zeros(len(rows.month), np.bool_)
    begins[list(rows.edges[:-1])] = True
    last = net.true_up_month or _DECEMBER
    is_true_up = (rows.month == last) & (net.rollover != "none" and net.true_up_month is not None)
    column = credit_column(design)
    return EnergyMonths(
        charges=made, period=net.period, share=net.share, rollover=net.rollover, is_capped=net.cap != "none",
        pays_cur_per_kwh=net.true_up_cur_per_kwh, pays_frac=net.true_up_frac,
        credit_entry=place[Entry(column.line, column.to)], credit_vat_rate=column.vat_rate,
        n_classes=len(first), price_class=price_class, begins_month=begins,
        begins_year=begins & (rows.month == last % _DECEMBER + 1), begins_calendar_year=begins & (rows.month == 1),
        is_true_up=is_true_up, days=np.array([rows.days_in(m) for m in range(len(rows.months))])[month_of],
    )  # fmt: skip


def _energy(design: Design) -> list[Charge]:
    return [charge for charge in design.charges if charge.sort == "energy"]


def _classes(design: Design, rows: LocalRows) -> tuple[Ints, Ints]:
    """[n_rows] hours of one price under a bank of kWh, and the first row of each."""
    windows = [window_of(c.windows, rows) for c in _energy(design) if c.nets and c.flow == "import"]
    if design.netting.rollover != "kwh" or not windows:
        return np.zeros(len(rows.month), np.int64), np.zeros(1, np.int64)
    _, first, which = np.unique(np.stack(windows), axis=1, return_index=True, return_inverse=True)
    return which.reshape(-1), first


def _charge(
    charge: Charge, design: Design, rows: LocalRows, spot: NDArray[np.float64], at: tuple[int, bool, Ints]
) -> EnergyCharge:
    entry, is_credited, first = at
    price, window = row_prices(charge, design, rows, spot)
    due = is_due(rows, charge.from_day, charge.to_day)
    return EnergyCharge(
        entry=entry, vat_rate=vat_rate(charge, design), is_export=charge.flow == "export", nets=charge.nets,
        is_credited=is_credited, kept=charge.local.get(NEAR, 0.0 if charge.line == "retail" else 1.0)
        if charge.flow == "import" else float(charge.line != "retail"),
        price=np.where(due, price, 0), counts=due.astype(np.int64), window=window % (len(charge.windows) + 1),
        class_price=tuple((price[first] / NANO).tolist()),
        class_window=tuple((window[first] % (len(charge.windows) + 1)).tolist()), tiers=_tiers(charge),
    )  # fmt: skip


def _tiers(charge: Charge) -> Tiers | None:
    if not charge.tiers_kwh:
        return None
    prices = (*(w.tier_cur_per_kwh or charge.tier_cur_per_kwh for w in charge.windows), charge.tier_cur_per_kwh)
    return Tiers(
        charge.tiers_kwh, prices, charge.tier_scope == "month_per_day", charge.tier_scope == "year",
        charge.tier_split == "window" and bool(charge.windows),
    )  # fmt: skip
