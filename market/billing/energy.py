"""Charges on energy over a month: tiers, free kWh, netting by month and year, banks of kWh, at each of k times."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gridbazaar.market.billing.capacity import tiered
from gridbazaar.market.billing.clock import LocalRows
from gridbazaar.market.billing.flows import Counted, Meters, count, read_meters
from gridbazaar.market.billing.metered import Metered
from gridbazaar.market.billing.prices import NANO, add_up, needed_spot, sum_cur, sum_kwh
from gridbazaar.market.charge import Charge
from gridbazaar.market.design import Design

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class EnergyCarry:
    """What charges on energy remember between months; the year of netting ends with the true-up."""

    bank_kwh: Floats  # [n_customers, n_classes] by hours of one price
    drawn_kwh: Floats  # [n_customers] that nets, since the year of netting began
    fed_in_kwh: Floats  # [n_customers]
    year_worth_cur: Floats  # [n_customers, n_charges] before netting
    year_billed_cur: Floats  # [n_customers, n_charges]
    tier_kwh: Floats  # [n_customers, n_charges] since the calendar year began
    lump_worth_cur: Floats  # [n_customers, n_charges] since the calendar year began
    lump_off_cur: Floats  # [n_customers, n_charges] what is taken off, as it accrues
    lump_billed_cur: Floats  # [n_customers, n_charges]


@dataclass(frozen=True, slots=True, eq=False)
class EnergyRows:
    """All rows of all charges on energy, and what their netting needs."""

    design: Design
    data: Metered
    rows: LocalRows
    meters: Meters
    counted: tuple[Counted, ...]
    price_class: Ints  # [n_rows] hours of one price under a bank of kWh
    n_classes: int

    @property
    def charges(self) -> tuple[Charge, ...]:
        return tuple(one.charge for one in self.counted)


@dataclass(frozen=True, slots=True)
class Span:
    """A month that is billed at its end, or ``running`` up to each of its rows."""

    m: int
    rows: slice
    running: bool

    @property
    def n_times(self) -> int:
        """At how many times of the month the bill is drawn up."""
        return self.rows.stop - self.rows.start if self.running else 1


def span_of(rows: LocalRows, m: int, running: bool) -> Span:
    """Give month ``m`` of the rows."""
    return Span(m, slice(rows.edges[m], rows.edges[m + 1]), running)


@dataclass(frozen=True, slots=True, eq=False)
class EnergyMonth:
    """What a month's energy costs."""

    cur: tuple[Floats, ...]  # [n_customers, k] of each charge
    paid_kwh_cur: Floats  # [n_customers, k] for kWh left at the true-up, <= 0 where the customer receives
    carry: EnergyCarry


def energy_rows(design: Design, data: Metered, rows: LocalRows) -> EnergyRows:
    """Count and price all rows."""
    meters = read_meters(data, design, rows)
    counted = tuple(count(charge, data, meters, design, rows) for charge in design.charges if charge.sort == "energy")
    windows = [one.window for one in counted if _is_netted(one.charge)]
    price_class, n_classes = np.zeros(len(rows.month), np.int64), 1
    if design.netting.rollover == "kwh" and windows:
        found, price_class = np.unique(np.stack(windows), axis=1, return_inverse=True)
        price_class, n_classes = price_class.reshape(-1), found.shape[1]
    return EnergyRows(design, data, rows, meters, counted, price_class, n_classes)


def no_energy(all_rows: EnergyRows) -> EnergyCarry:
    """Give the carry of customers without a past."""
    n, by_charge = all_rows.data.n_customers, (all_rows.data.n_customers, len(all_rows.counted))
    zeros = np.zeros(by_charge)
    return EnergyCarry(
        np.zeros((n, all_rows.n_classes)), np.zeros(n), np.zeros(n), zeros, zeros, zeros, zeros, zeros, zeros
    )


def _is_netted(charge: Charge) -> bool:
    return charge.nets and charge.flow == "import" and charge.meter != "controllable"


def month_energy(all_rows: EnergyRows, carry: EnergyCarry, at: Span) -> EnergyMonth:
    """Bill the energy of a month."""
    netting, meters = all_rows.design.netting, all_rows.meters
    month = all_rows.rows.months[at.m][1]
    if month == 1:
        zeros = np.zeros(carry.tier_kwh.shape)
        carry = replace(carry, tier_kwh=zeros, lump_worth_cur=zeros, lump_off_cur=zeros, lump_billed_cur=zeros)
    drawn = carry.drawn_kwh[:, None] + sum_kwh(meters.net_in[:, at.rows], at.running)
    fed_in = carry.fed_in_kwh[:, None] + sum_kwh(meters.net_out[:, at.rows], at.running)
    left, bank = _left_of_bank(all_rows, carry, at)
    amounts = []
    for i, one in enumerate(all_rows.counted):
        own = _netted(all_rows, one, i, carry, at, left, drawn, fed_in)
        other = _other(all_rows, one, at)
        amount, carry = _off(all_rows, one, i, own, own + other, carry, at)
        amounts.append(-amount if one.charge.received else amount)
    paid = np.zeros(drawn.shape)
    if month == (netting.true_up_month or 12):
        surplus = bank.sum(axis=2) if netting.rollover == "kwh" else np.maximum(fed_in - drawn, 0.0)
        if netting.rollover != "none" and netting.true_up_month is not None:
            paid = -surplus * netting.true_up_cur_per_kwh
            bank = 0.0 * bank
        drawn, fed_in = 0.0 * drawn, 0.0 * fed_in
        zeros = np.zeros(carry.year_worth_cur.shape)
        carry = replace(carry, year_worth_cur=zeros, year_billed_cur=zeros)
    carry = replace(carry, bank_kwh=bank[:, -1], drawn_kwh=drawn[:, -1], fed_in_kwh=fed_in[:, -1])
    return EnergyMonth(tuple(amounts), paid, carry)


def _left_of_bank(all_rows: EnergyRows, carry: EnergyCarry, at: Span) -> tuple[Floats, Floats]:
    """Give what is left to pay for and the bank, [n_customers, k, n_classes] in kWh."""
    n, k = all_rows.data.n_customers, at.n_times
    if all_rows.design.netting.rollover != "kwh":
        return np.zeros((n, k, all_rows.n_classes)), np.zeros((n, k, all_rows.n_classes))
    net = (all_rows.meters.net_in - all_rows.meters.net_out)[:, at.rows]
    which = all_rows.price_class[at.rows]
    by_class = np.stack([sum_kwh(net * (which == g), at.running) for g in range(all_rows.n_classes)], axis=-1)
    before = carry.bank_kwh[:, None, :]
    used = np.minimum(before, np.maximum(by_class, 0.0))
    return np.maximum(by_class, 0.0) - used, before - used + np.maximum(-by_class, 0.0)


def _netted(
    all_rows: EnergyRows, one: Counted, i: int, carry: EnergyCarry, at: Span, left: Floats, drawn: Floats,
    fed_in: Floats,
) -> Floats:  # fmt: skip
    """Price what takes part in netting, [n_customers, k]; updates of the carry are the caller's."""
    netting, charge = all_rows.design.netting, one.charge
    takes_part = charge.nets and charge.flow in ("import", "export")
    if netting.rollover == "kwh" and _is_netted(charge):
        return _of_bank(all_rows, one, i, carry, left, at)
    by_window = takes_part and netting.period == "month" and netting.rollover == "none"
    if by_window or (takes_part and netting.period == "year" and netting.rollover == "none"):
        start = 0.0 if by_window else carry.year_worth_cur[:, i, None]
        since_in = drawn - (carry.drawn_kwh[:, None] if by_window else 0.0)
        since_out = fed_in - (carry.fed_in_kwh[:, None] if by_window else 0.0)
        frac = _left_frac(charge, since_in, since_out, netting.share)
        if charge.tiers_kwh or _has_free(charge):
            return _tiers(all_rows, one, i, carry, _by_window(one, at) * frac[..., None], at)
        return (start + sum_cur(one.worth[:, at.rows], at.running)) * frac - (
            0.0 if by_window else carry.year_billed_cur[:, i, None]
        )
    if charge.tiers_kwh or _has_free(charge):
        return _tiers(all_rows, one, i, carry, _by_window(one, at), at)
    return sum_cur(one.worth[:, at.rows], at.running)


def _left_frac(charge: Charge, drawn: Floats, fed_in: Floats, share: float) -> Floats:
    """Share of import, or of export, that netting leaves."""
    own = drawn if charge.flow == "import" else fed_in
    return np.divide(own - np.minimum(drawn, share * fed_in), own, out=np.zeros(own.shape), where=own > 0)


def _has_free(charge: Charge) -> bool:
    return any(window.free_kwh_per_month for window in charge.windows)


def _by_window(one: Counted, at: Span) -> Floats:
    """[n_customers, k, n_windows + 1] kWh, those outside all windows last."""
    which = one.window[at.rows]
    order = [*range(len(one.charge.windows)), -1]
    return np.stack([sum_kwh(one.kwh[:, at.rows] * (which == w), at.running) for w in order], axis=-1)


def _of_bank(all_rows: EnergyRows, one: Counted, i: int, carry: EnergyCarry, left: Floats, at: Span) -> Floats:
    """Price what a bank of kWh leaves; all hours of a class have one price."""
    _, first = np.unique(all_rows.price_class, return_index=True)
    if not one.charge.tiers_kwh:
        found: Floats = left @ (one.price[first] / NANO)
        return found
    n = len(one.charge.windows) + 1
    window = one.window[first] % n
    kwh = np.stack([left[..., window == w].sum(axis=-1) for w in range(n)], axis=-1)
    return _tiers(all_rows, one, i, carry, kwh, at)


def _tiers(all_rows: EnergyRows, one: Counted, i: int, carry: EnergyCarry, kwh: Floats, at: Span) -> Floats:
    """Price kWh by window, [n_customers, k, n_windows + 1], with free kWh or in tiers."""
    charge = one.charge
    if not charge.tiers_kwh:
        prices = [w.cur_per_kwh if w.cur_per_kwh is not None else charge.cur_per_kwh + (w.add_cur_per_kwh or 0.0)
                  for w in charge.windows]  # fmt: skip
        free = np.array([w.free_kwh_per_month for w in charge.windows] + [0.0])
        priced: Floats = np.maximum(kwh - free, 0.0) @ np.array([*prices, charge.cur_per_kwh])
        return priced
    return _tier_cost(charge, kwh, carry.tier_kwh[:, i, None], all_rows.rows.days_in(at.m))


def _tier_cost(charge: Charge, kwh: Floats, before: Floats, days: float) -> Floats:
    """Price by tiers: the month's share in each tier holds for all windows, or each window has limits of its own."""
    scale = days if charge.tier_scope == "month_per_day" else 1.0
    limits = tuple(limit * scale for limit in charge.tiers_kwh)
    start = before if charge.tier_scope == "year" else 0.0 * before
    prices = [w.tier_cur_per_kwh or charge.tier_cur_per_kwh for w in charge.windows] + [charge.tier_cur_per_kwh]
    if charge.tier_split == "window" and charge.windows:
        parted: Floats = np.sum([tiered(kwh[..., w], limits, prices[w]) for w in range(len(prices))], axis=0)
        return parted
    total = kwh.sum(axis=-1)
    found = np.zeros(total.shape)
    for tier in range(len(limits) + 1):
        one = tuple(float(j == tier) for j in range(len(limits) + 1))
        within = tiered(start + total, limits, one) - tiered(start, limits, one)
        frac = np.divide(within, total, out=np.zeros(total.shape), where=total != 0)
        found = found + frac * (kwh @ np.array([each[tier] for each in prices]))
    return found


def _other(all_rows: EnergyRows, one: Counted, at: Span) -> Floats:
    """Price what takes no part in netting, and what follows a monthly mean of spot."""
    charge = one.charge
    found = sum_cur(one.other_worth[:, at.rows], at.running)
    if charge.spot_average == "interval" or not charge.spot_factor:
        return found
    spot = needed_spot(charge, all_rows.design, all_rows.data.spot_cur_per_kwh)[at.rows]
    weight = np.ones(len(spot))
    if charge.spot_average == "month_profile":
        if all_rows.data.profile is None:
            raise ValueError(
                f"design {all_rows.design.name}: {charge.line} follows the mean spot price of a profile; give the "
                "profile of the rows"
            )
        weight = all_rows.data.profile[at.rows]
    weights = add_up(weight, at.running)
    mean = np.divide(add_up(weight * spot, at.running), weights, out=np.zeros(weights.shape), where=weights > 0)
    of_mean: Floats = charge.spot_factor * mean * sum_kwh((one.kwh + one.other_kwh)[:, at.rows], at.running)
    return found + of_mean


def _off(
    all_rows: EnergyRows, one: Counted, i: int, own: Floats, amount: Floats, carry: EnergyCarry, at: Span
) -> tuple[Floats, EnergyCarry]:
    """Take off what stored energy that goes back, or a lump sum, relieves; keep the year's sums."""
    rows, charge = all_rows.rows, one.charge
    worth = sum_cur(one.worth[:, at.rows], at.running)[:, -1]
    year_worth, year_billed, tier = (x.copy() for x in (carry.year_worth_cur, carry.year_billed_cur, carry.tier_kwh))
    year_worth[:, i] += worth
    year_billed[:, i] += own[:, -1]
    tier[:, i] += sum_kwh(one.kwh[:, at.rows], at.running)[:, -1]
    carry = replace(carry, year_worth_cur=year_worth, year_billed_cur=year_billed, tier_kwh=tier)
    if charge.relief_reexport:
        amount = amount * (1.0 - _relieved_frac(all_rows, one, at))
    if not (charge.lump_kwh or charge.lump_cur_per_year):
        return amount, carry
    worth_so_far = carry.lump_worth_cur[:, i, None] + amount
    per_year = charge.lump_cur_per_year + charge.lump_kwh * charge.lump_frac * charge.cur_per_kwh
    accrued = add_up(rows.day_share[at.rows], at.running) * per_year / rows.days_in_year(at.m)
    off = carry.lump_off_cur[:, i, None] + accrued
    due = np.maximum(worth_so_far - off, 0.0)
    amount = due - carry.lump_billed_cur[:, i, None]
    lumps = [x.copy() for x in (carry.lump_worth_cur, carry.lump_off_cur, carry.lump_billed_cur)]
    for kept, now in zip(lumps, (worth_so_far, off, due), strict=True):
        kept[:, i] = now[:, -1]
    return amount, replace(carry, lump_worth_cur=lumps[0], lump_off_cur=lumps[1], lump_billed_cur=lumps[2])


def _relieved_frac(all_rows: EnergyRows, one: Counted, at: Span) -> Floats:
    """Share of a charge that is not due, for what storage drew went back; of several origins pro rata."""
    data = all_rows.data
    if data.reexport_kwh is None:
        return np.zeros((data.n_customers, at.n_times))
    back = add_up(data.reexport_kwh[:, at.rows], at.running)
    if one.charge.origin == "pro_rata":
        if data.stored_from_grid_kwh is None or data.stored_from_pv_kwh is None:
            raise ValueError(
                f"design {all_rows.design.name}: relief pro rata of origins needs stored_from_grid_kwh and "
                "stored_from_pv_kwh"
            )
        of_grid = add_up(data.stored_from_grid_kwh[:, at.rows], at.running)
        stored = of_grid + add_up(data.stored_from_pv_kwh[:, at.rows], at.running)
        back = back * np.divide(of_grid, stored, out=np.zeros(stored.shape), where=stored > 0)
    drawn = sum_kwh((one.kwh + one.other_kwh)[:, at.rows], at.running)
    frac: Floats = np.divide(np.minimum(back, drawn), drawn, out=np.zeros(drawn.shape), where=drawn > 0)
    return frac
