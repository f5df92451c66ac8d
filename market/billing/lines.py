"""The lines of one month's bill: every charge, credits that roll over, levies, taxes, the least and the most due."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import to_micro
from gridbazaar.market.billing.capacity import PeakCarry, counted, month_power, no_peaks, running_peak_kw
from gridbazaar.market.billing.clock import LocalRows, is_due
from gridbazaar.market.billing.energy import (
    EnergyCarry,
    EnergyRows,
    Span,
    energy_rows,
    month_energy,
    no_energy,
)
from gridbazaar.market.billing.metered import Metered
from gridbazaar.market.billing.prices import add_up, needed_spot, sum_cur, sum_kwh, to_nano, undivided, vat_rate
from gridbazaar.market.charge import Charge, Peak
from gridbazaar.market.design import Design

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Column:
    """One thing that is due: a line of the bill and who receives it."""

    line: str
    to: str
    vat_rate: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Carry:
    """What a design remembers of customers at the end of a month."""

    energy: EnergyCarry
    peaks: tuple[PeakCarry, ...]  # of each charge on power
    credit_cur: Floats  # [n_customers] that rolls over
    most_cur: Floats  # [n_customers] what the maximum allows so far
    spent_cur: Floats  # [n_customers] what all else amounts to so far
    taken_cur: Floats  # [n_customers] what the maximum took off so far, <= 0
    year_cur: Floats  # [n_customers] of the year of the annual minimum so far
    year_frac: float  # of that year that is billed


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """All that the months of a bill are made of."""

    design: Design
    data: Metered
    rows: LocalRows
    energy: EnergyRows
    columns: tuple[Column, ...]

    @property
    def power(self) -> tuple[Charge, ...]:
        return tuple(charge for charge in self.design.charges if charge.sort == "power")


def prepare(design: Design, data: Metered, rows: LocalRows) -> Work:
    """Price all rows, and name the columns of the bill: charges in their order, then what follows from them."""
    columns = [Column(c.line, c.to, vat_rate(c, design)) for c in design.charges]
    columns += [credit_column(design)] * 2
    premium_to = "state" if design.premium is None else design.premium.to
    columns.append(Column("share", premium_to))
    columns.append(Column("market", "market_operator", _seller_rate(design)))
    for limit in (design.maximum, design.minimum):
        columns.append(Column("fixed", "retailer") if limit is None else Column(limit.line, limit.to))
    return Work(design, data, rows, energy_rows(design, data, rows), tuple(columns))


def no_carry(work: Work) -> Carry:
    """Give the carry of customers without a past."""
    n = work.data.n_customers
    zeros = np.zeros(n)
    peaks = tuple(no_peaks(n) for _ in work.power)
    return Carry(no_energy(work.energy), peaks, zeros, zeros, zeros, zeros, zeros, 0.0)


def month_lines(work: Work, carry: Carry, at: Span) -> tuple[Floats, Floats, Carry]:
    """Bill a month: amounts before tax and the tax on them, [n_customers, k, n_columns], and the carry at its end."""
    design = work.design
    energy = month_energy(work.energy, carry.energy, at)
    of_energy, of_power = iter(energy.cur), iter(zip(work.power, carry.peaks, strict=True))
    cur: list[Floats] = []
    peaks = []
    zero = np.zeros(energy.paid_kwh_cur.shape)
    for charge in design.charges:
        if charge.sort == "energy":
            cur.append(next(of_energy))
        elif charge.sort == "power":
            amount, ended = _power(work, *next(of_power), at)
            peaks.append(ended)
            cur.append(amount)
        else:
            cur.append(_time(work, charge, at) if charge.sort == "time" else zero)
    credit, credit_cur = _credit(work, energy.cur, carry.credit_cur, at)
    cur += [credit, energy.paid_kwh_cur, _premium(work, at), _local_payments(work, at)]
    for i, charge in enumerate(design.charges):
        if charge.sort == "levy":
            bases = [x for x, column in zip(cur, work.columns, strict=False) if column.line in charge.of_lines]
            cur[i] = charge.frac * np.sum(bases, axis=0) if bases else zero
    rates = [column.vat_rate for column in work.columns]
    vat = [rate * x for rate, x in zip(rates, cur, strict=False)]
    if work.data.local_paid_cur is not None:
        bought = np.maximum(to_micro(work.data.local_paid_cur[:, at.rows]), 0)
        vat[-1] = rates[len(cur) - 1] * add_up(bought, at.running) / 1e6
    total = np.sum(cur, axis=0) + np.sum(vat, axis=0)
    taken, most, spent = _maximum(work, carry, total, at)
    due, year_cur, year_frac = _minimum(work, carry, total + taken, at)
    cur += [taken, due]
    vat += [zero, zero]
    taken_cur = carry.taken_cur + taken[:, -1]
    ended_carry = Carry(energy.carry, tuple(peaks), credit_cur, most, spent, taken_cur, year_cur, year_frac)
    return np.stack(np.broadcast_arrays(*cur), axis=-1), np.stack(np.broadcast_arrays(*vat), axis=-1), ended_carry


def _power(work: Work, charge: Charge, carry: PeakCarry, at: Span) -> tuple[Floats, PeakCarry]:
    peak = charge.peak or Peak()
    counts = counted(peak, work.rows)
    net_kwh = work.data.import_kwh - work.data.export_kwh
    together = None if charge.shared_by == "none" else _buildings(work, charge)
    kw = running_peak_kw(net_kwh if together is None else together @ net_kwh, peak, work.rows, counts, at.m)
    is_due_now = bool(counts[at.rows].any())
    amount, ended = month_power(charge, kw if at.running else kw[:, -1:], carry, work.rows, at.m, is_due_now)
    return (amount if together is None else amount * _part(work, charge, together, at)), ended


def _buildings(work: Work, charge: Charge) -> Floats:
    """[n_customers, n_customers] 1 where two are of one building."""
    if not work.data.building:
        raise ValueError(
            f"design {work.design.name}: {charge.line} is shared in a building; give the building of each customer"
        )
    named = np.array(work.data.building)
    found: Floats = 1.0 * (named[:, None] == named)
    return found


def _part(work: Work, charge: Charge, together: Floats, at: Span) -> Floats:
    """[n_customers, k] what a customer pays of its building's charge; where nothing is drawn yet, equal parts."""
    equal: Floats = 1.0 / together.sum(axis=1, keepdims=True) * np.ones((1, at.n_times))
    if charge.shared_by == "equal":
        return equal
    own = sum_kwh(to_micro(work.data.import_kwh[:, at.rows]), at.running)
    whole = together @ own
    return np.divide(own, whole, out=equal, where=whole > 0)


def _time(work: Work, charge: Charge, at: Span) -> Floats:
    """Charges on time accrue by the share of each row in its day."""
    share = work.rows.day_share * is_due(work.rows, charge.from_day, charge.to_day)
    per_month, per_year = charge.cur_per_month is not None, charge.cur_per_year is not None
    usual = next(x for x in (charge.cur_per_day, charge.cur_per_month, charge.cur_per_year) if x is not None)
    amounts = [
        next((x for label, x in charge.by_label.items() if label in work.data.labels_of(i)), usual)
        for i in range(work.data.n_customers)
    ]
    days = work.rows.days_in(at.m) if per_month else work.rows.days_in_year(at.m) if per_year else 1
    return np.array(amounts, np.float64)[:, None] * (add_up(share[at.rows], at.running) / days)


def credited(design: Design) -> list[int]:
    """Charges on energy whose credits pay for each other, by their place among those."""
    energy = [charge for charge in design.charges if charge.sort == "energy"]
    nets = [i for i, charge in enumerate(energy) if charge.nets and charge.flow in ("import", "export")]
    lines = design.netting.credit_pays or _export_lines(design) or tuple(energy[i].line for i in nets)
    return [i for i in nets if energy[i].line in lines]


def _export_lines(design: Design) -> tuple[str, ...]:
    return tuple(c.line for c in design.charges if c.sort == "energy" and c.nets and c.flow == "export")


def credit_column(design: Design) -> Column:
    """What credits that are kept, used or lost stand on, with its tax."""
    energy = [charge for charge in design.charges if charge.sort == "energy"]
    found = [energy[i] for i in credited(design)]
    if not found:
        return Column("retail", "retailer")
    first = next((charge for charge in found if charge.flow == "export"), found[0])
    return Column(first.line, first.to, vat_rate(first, design))


def _credit(work: Work, energy: tuple[Floats, ...], before: Floats, at: Span) -> tuple[Floats, Floats]:
    """Keep what credits are left beyond the charges they may pay for: [n_customers, k] and the bank at the end."""
    netting = work.design.netting
    which = credited(work.design)
    if not which or (netting.rollover != "money" and netting.cap == "none"):
        return np.zeros((work.data.n_customers, at.n_times)), before
    due = np.sum([energy[i] for i in which], axis=0)
    left = np.maximum(-due, 0.0)
    if netting.cap != "none":
        return left, before
    used = np.minimum(before[:, None], np.maximum(due, 0.0))
    bank = before[:, None] - used + left
    if netting.true_up_month == work.rows.months[at.m][1]:
        return left - used - netting.true_up_frac * bank, np.zeros(len(before))
    return left - used, bank[:, -1]


def _premium(work: Work, at: Span) -> Floats:
    """What the community earns on the customer's shared energy, <= 0."""
    premium, shared = work.design.premium, work.data.shared_kwh
    if premium is None or shared is None:
        return np.zeros((work.data.n_customers, at.n_times))
    price = np.full(work.data.n_rows, premium.cur_per_kwh)
    if premium.cer is not None:
        spot = needed_spot(work.design.charges[0], work.design, work.data.spot_cur_per_kwh)
        cer = premium.cer
        price = price + np.minimum(cer.base + np.maximum(cer.slope_to - spot, 0.0), cer.cap) + cer.add
    return -sum_cur(undivided(to_micro(shared[:, at.rows]), to_nano(price[at.rows])), at.running)


def _seller_rate(design: Design) -> float:
    return design.vat.rate if design.vat.local_seller == "registered" else 0.0


def _local_payments(work: Work, at: Span) -> Floats:
    paid = work.data.local_paid_cur
    if paid is None:
        return np.zeros((work.data.n_customers, at.n_times))
    return add_up(to_micro(paid[:, at.rows]), at.running) / 1e6


def _maximum(work: Work, carry: Carry, total: Floats, at: Span) -> tuple[Floats, Floats, Floats]:
    """Take off what is above the most that may be due so far."""
    most = work.design.maximum
    if most is None:
        return np.zeros(total.shape), carry.most_cur, carry.spent_cur
    kwh = sum_kwh(to_micro(work.data.import_kwh[:, at.rows]), at.running)
    days = add_up(work.rows.day_share[at.rows], at.running) / work.rows.days_in_year(at.m)
    allowed = carry.most_cur[:, None] + most.frac * (kwh * most.cur_per_kwh + days * most.cur_per_year)
    spent = carry.spent_cur[:, None] + total
    taken = np.minimum(allowed - spent, 0.0)
    return taken - carry.taken_cur[:, None], allowed[:, -1], spent[:, -1]


def _minimum(work: Work, carry: Carry, total: Floats, at: Span) -> tuple[Floats, Floats, float]:
    """Add what is missing to the least that is due in a month, and at its end in a year."""
    least = work.design.minimum
    if least is None:
        return np.zeros(total.shape), carry.year_cur, carry.year_frac
    days = add_up(work.rows.day_share[at.rows], at.running)
    due = np.maximum(least.cur_per_month * days / work.rows.days_in(at.m) - total, 0.0)
    if not least.cur_per_month:
        due = np.zeros(total.shape)
    year = carry.year_cur[:, None] + total + due
    frac = carry.year_frac + days / work.rows.days_in_year(at.m)
    if work.rows.months[at.m][1] != (work.design.netting.true_up_month or 12):
        return due, year[:, -1], float(frac[-1])
    if least.cur_per_year:
        due = due + np.maximum(least.cur_per_year * frac - year, 0.0)
    return due, np.zeros(len(carry.year_cur)), 0.0
