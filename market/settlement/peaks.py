"""Charges of a billing period as they arise: peaks and sums of the month so far, and what an interval adds to the bill.

A charge holds for *accounts*, one meter each; what it carries from interval to interval are whole micro-kWh and
billionths of a kW. What is due so far is worked out as ``market/billing`` does, in float64 whatever the core computes
in, and rounded once: an interval posts the difference of two rounded sums, so a month's postings are its bill.
Positive is paid. Months are those of the local clock, counted from the first of the bank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import MICRO
from gridbazaar.market.settlement.netting import EnergyCarry, EnergyMonths, advance_energy, due_of_energy, no_energy

_NANO = 1e9


class Entry(NamedTuple):
    """A line of the bill and who receives it."""

    line: str
    to: str


@dataclass(frozen=True, slots=True)
class PowerCharge:
    """A charge on power over the steps of a bank; ``price`` is of one kW, or where there are limits not used."""

    entry: int  # which of ``MonthCharges.entries``
    vat_rate: float
    n: int  # highest units whose mean is billed
    interval_h: float  # over which power is a mean
    average_months: int
    ratchet_frac: float
    lookback_months: int
    limits_kw: tuple[float, ...]  # of steps or tiers; none: a price per kW
    prices: tuple[float, ...]  # of steps a month, or of tiers per kW; one more than limits
    has_steps: bool
    counts: Array  # [n_steps] int64, 1 where a row may make the peak
    begins_interval: Array | None  # [n_steps] bool; none: a row is an interval
    begins_unit: Array | None  # [n_steps] bool, of which each has one peak (days); none: one peak is billed
    begins_month: Array  # [n_steps] bool
    month: Array  # [n_steps] int64
    price: Array  # [n_months] float64, currency per kW and month
    floor_nkw: Array  # [n_months] int64


@dataclass(frozen=True, slots=True)
class SumCharge:
    """A charge on a month's energy with free kWh in windows; those outside all windows are the last one."""

    entry: int
    vat_rate: float
    is_export: bool  # what is fed in; then a positive price is received
    bears_local: float  # share of the charge that energy of neighbours bears, without free kWh
    window: Array  # [n_steps] int64, 0 to n_windows
    counts: Array  # [n_steps] int64, 1 where it is due
    begins_month: Array  # [n_steps] bool
    free_kwh: tuple[float, ...]  # [n_windows + 1] of a month
    prices: tuple[float, ...]  # [n_windows + 1]


@dataclass(frozen=True, slots=True)
class MonthCharges:
    """All charges of a design that hang on the month so far."""

    power: tuple[PowerCharge, ...]
    sums: tuple[SumCharge, ...]
    entries: tuple[Entry, ...]  # the last is value added tax
    energy: EnergyMonths | None = None  # all charges on energy, where one hangs on the month; none: intervals ask them

    @property
    def pays(self) -> bool:
        """Whether an account may receive money, as for energy that is fed in."""
        return any(price > 0 if charge.is_export else price < 0 for charge in self.sums for price in charge.prices)


@dataclass(frozen=True, slots=True)
class PeakCarry:
    """What a charge on power carries, [n_envs, n_accounts] unless said."""

    top_ukwh: Array  # [n_envs, n_accounts, n] int64, highest of the units that are over, rising; of one the highest
    unit_ukwh: Array | None  # int64, highest of the unit that runs
    part_ukwh: Array | None  # int64, of the interval that runs
    nkw: Array  # int64, billed power of the month so far, before means and ratchets
    past_nkw: Array | None  # [n_envs, n_accounts, k] int64, the same of months before, the latest last
    base_cur: Array  # float64, due before this month, or before the months of this mean
    due_cur: Array  # float64, due so far


@dataclass(frozen=True, slots=True)
class SumCarry:
    """What a charge on a month's energy carries."""

    ukwh: Array  # [n_envs, n_accounts, n_windows + 1] int64, of the month so far
    other_cur: Array  # [n_envs, n_accounts] float64, for energy of neighbours
    base_cur: Array  # [n_envs, n_accounts] float64, due before this month
    due_cur: Array  # [n_envs, n_accounts] float64, due so far


@dataclass(frozen=True, slots=True)
class MonthCarry:
    """What is carried of all charges, in their order."""

    power: tuple[PeakCarry, ...]
    sums: tuple[SumCarry, ...]
    energy: EnergyCarry | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What an interval brings to the accounts, [n_envs, n_accounts] int64 micro-kWh, > 0 is drawn."""

    metered_ukwh: Array  # the whole meter
    local_ukwh: Array  # of it traded with neighbours
    net_ukwh: Array  # of it with the retailer
    retail_ukwh: Array | None = None  # what the tariff prices of energy that hangs on the month; none: ``net_ukwh``
    traded_ukwh: Array | None = None  # with neighbours, for the same; none: ``local_ukwh``


def begin(charges: MonthCharges, n_envs: int, n_accounts: int, like: Array) -> MonthCarry:
    """Give the carry of accounts without a past; arrays are of the library of ``like``."""
    xp = namespace(like)

    def none(*more: int, dtype: str = "int64") -> Array:
        return xp.zeros((n_envs, n_accounts, *more), like, dtype=getattr(xp, dtype))

    def of_power(charge: PowerCharge) -> PeakCarry:
        n_past = max(charge.average_months - 1, charge.lookback_months)
        return PeakCarry(
            none(charge.n), None if charge.begins_unit is None else none(),
            None if charge.begins_interval is None else none(), none(), none(n_past) if n_past else None,
            none(dtype="float64"), none(dtype="float64"),
        )  # fmt: skip

    def of_sum(charge: SumCharge) -> SumCarry:
        money = (none(dtype="float64") for _ in range(3))
        return SumCarry(none(len(charge.prices)), *money)

    energy = None if charges.energy is None else no_energy(charges.energy, n_envs, n_accounts, like)
    return MonthCarry(tuple(map(of_power, charges.power)), tuple(map(of_sum, charges.sums)), energy)


def advance(charges: MonthCharges, carry: MonthCarry, reading: Reading, step: Array, first: Array) -> MonthCarry:
    """Carry one interval on.

    Args:
        charges: of the tariff.
        carry: before the interval.
        reading: what was metered in it.
        step: [n_envs] of the bank.
        first: [n_envs] of the bank, with which the episode began.
    """
    energy = None
    if charges.energy is not None and carry.energy is not None:
        net = reading.net_ukwh if reading.retail_ukwh is None else reading.retail_ukwh
        local = reading.local_ukwh if reading.traded_ukwh is None else reading.traded_ukwh
        energy = advance_energy(charges.energy, carry.energy, net, local, step)
    return MonthCarry(
        tuple(_peak(c, k, reading, step, first) for c, k in zip(charges.power, carry.power, strict=True)),
        tuple(_sum(c, k, reading, step) for c, k in zip(charges.sums, carry.sums, strict=True)),
        energy,
    )


def due_ucur(charges: MonthCharges, carry: MonthCarry) -> Array:
    """[n_envs, n_accounts, n_entries] int64, what is due so far since the episode began; value added tax is the last"""
    due = [(c.entry, c.vat_rate, k.due_cur) for c, k in zip(charges.power, carry.power, strict=True)]
    due += [(c.entry, c.vat_rate, k.due_cur) for c, k in zip(charges.sums, carry.sums, strict=True)]
    if charges.energy is not None and carry.energy is not None:
        due += due_of_energy(charges.energy, carry.energy)
    xp, none = namespace(due[0][2]), 0.0 * due[0][2]
    by_entry = [sum((cur for i, _, cur in due if i == entry), start=none) for entry in range(len(charges.entries) - 1)]
    tax = sum((rate * cur for _, rate, cur in due), start=none)
    return xp.astype(xp.rint(xp.stack([*by_entry, tax], axis=2) * MICRO), xp.int64)


def _peak(charge: PowerCharge, carry: PeakCarry, reading: Reading, step: Array, first: Array) -> PeakCarry:
    xp = namespace(step)
    is_first, month = charge.begins_month[step][:, None], charge.month[step]
    energy = xp.maximum(reading.metered_ukwh, 0) * charge.counts[step][:, None]
    part = None
    if charge.begins_interval is not None:
        part = energy = xp.where(charge.begins_interval[step][:, None], 0, carry.part_ukwh) + energy
    top, unit, total = _highest(charge, carry, energy, step, is_first)
    nkw = xp.rint(xp.astype(total, xp.float64) * 1000.0 / (charge.n * charge.interval_h))
    nkw = xp.maximum(xp.astype(nkw, xp.int64), charge.floor_nkw[month][:, None])
    past = carry.past_nkw
    if past is not None:
        shifted = xp.concat([past[..., 1:], carry.nkw[..., None]], axis=2)
        past = xp.where(is_first[..., None], shifted, past)
    base_cur, cost_cur = _cost(charge, nkw, past, carry, month, charge.month[first], is_first)
    return PeakCarry(top, unit, part, nkw, past, base_cur, base_cur + cost_cur)


def _highest(
    charge: PowerCharge, carry: PeakCarry, energy: Array, step: Array, is_first: Array
) -> tuple[Array, Array | None, Array]:
    """Give what is kept of units that are over, of the one that runs, and the sum of the n highest."""
    xp = namespace(energy)
    if charge.begins_unit is None:
        highest = xp.maximum(xp.where(is_first, 0, carry.top_ukwh[..., 0]), energy)
        return highest[..., None], None, highest
    top, unit, is_over = carry.top_ukwh, carry.unit_ukwh, charge.begins_unit[step][:, None]
    assert unit is not None
    # Each place of the rising list takes the unit that is over, or the next place, or stays.
    capped = xp.minimum(unit[..., None], xp.concat([top[..., 1:], xp.maximum(top[..., -1:], unit[..., None])], axis=2))
    with_it = xp.maximum(top, capped)
    top = xp.where(is_first[..., None], 0, xp.where(is_over[..., None], with_it, top))
    unit = xp.maximum(xp.where(is_over | is_first, 0, unit), energy)
    return top, unit, xp.sum(top, axis=2) + xp.maximum(unit - top[..., 0], 0)


def _cost(
    charge: PowerCharge, nkw: Array, past: Array | None, carry: PeakCarry, month: Array, begun: Array, is_first: Array
) -> tuple[Array, Array]:
    """Give what was due before, and what the power of the month (of the months of a mean) costs beside it."""
    xp = namespace(nkw)
    if charge.average_months > 1:
        assert past is not None
        since = month - begun
        run = since - since % charge.average_months
        starts = is_first & (since == run)[:, None]
        known = xp.minimum(since, charge.average_months - 1) + 1
        mean_kw = xp.astype(xp.sum(past, axis=2) + nkw, xp.float64) / _NANO / known[:, None]
        total = xp.cumsum(charge.price, axis=0)
        price = total[month] - total[begun + run] + charge.price[begun + run]
        return xp.where(starts, carry.due_cur, carry.base_cur), mean_kw * price[:, None]
    kw = xp.astype(nkw, xp.float64) / _NANO
    if charge.ratchet_frac:
        assert past is not None
        kw = xp.maximum(kw, charge.ratchet_frac * xp.astype(xp.max(past, axis=2), xp.float64) / _NANO)
    base_cur = xp.where(is_first, carry.due_cur, carry.base_cur)
    if not charge.prices:
        return base_cur, kw * charge.price[month][:, None]
    cost_cur = 0.0 * kw + charge.prices[0] if charge.has_steps else kw * charge.prices[0]
    for limit, before, after in zip(charge.limits_kw, charge.prices, charge.prices[1:], strict=False):
        if charge.has_steps:
            cost_cur = xp.where(kw >= limit, after, cost_cur)
        else:
            cost_cur = cost_cur + (after - before) * xp.maximum(kw - limit, 0.0)
    return base_cur, cost_cur


def _sum(charge: SumCharge, carry: SumCarry, reading: Reading, step: Array) -> SumCarry:
    xp, sign = namespace(step), -1 if charge.is_export else 1
    is_first, window = charge.begins_month[step][:, None], charge.window[step]
    own, local = (
        xp.maximum(sign * x, 0) * charge.counts[step][:, None] for x in (reading.net_ukwh, reading.local_ukwh)
    )
    places = xp.arange(len(charge.prices), step)[None, :] == window[:, None]
    ukwh = xp.where(is_first[..., None], 0, carry.ukwh) + own[..., None] * places[:, None, :]
    kwh = xp.astype(ukwh, xp.float64) / MICRO
    own_cur = sum(
        price * xp.maximum(kwh[..., w] - free, 0.0)
        for w, (price, free) in enumerate(zip(charge.prices, charge.free_kwh, strict=True))
    )
    price: Array = sum(each * places[:, w] for w, each in enumerate(charge.prices))
    more = charge.bears_local * xp.astype(local, xp.float64) / MICRO * price[:, None]
    other_cur = xp.where(is_first, 0.0, carry.other_cur) + more
    base_cur = xp.where(is_first, carry.due_cur, carry.base_cur)
    return SumCarry(ukwh, other_cur, base_cur, base_cur + sign * (own_cur + other_cur))
