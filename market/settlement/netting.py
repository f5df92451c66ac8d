"""Energy that is billed by the month or the year, as it arises: netting, banks of kWh, credits in money, tiers.

Each account carries whole micro-kWh, and products of energy and price as two whole numbers, so that what is due so far
is worked out as ``market/billing/energy.py`` does. All charges on energy of a design are due here together, and an
interval posts what it adds (``peaks.py``): resets and true-ups fall where they happen. Positive is paid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import MICRO

_HALVES = 1_000_000  # as ``billing/prices.py`` parts products
_HIGH, _LOW = 1e9, 1e15


class Tiers(NamedTuple):
    """Prices by how much the month, or the calendar year, has come to; those outside all windows are the last."""

    limits_kwh: tuple[float, ...]  # cumulative; of a day where ``is_per_day``
    prices: tuple[tuple[float, ...], ...]  # [n_windows + 1, n_tiers]
    is_per_day: bool
    is_of_year: bool
    is_by_window: bool  # each window has limits of its own; else the shares of all tiers hold for every window


@dataclass(frozen=True, slots=True)
class EnergyCharge:
    """One charge on energy over the steps of a bank; prices are before tax."""

    entry: int  # which of ``MonthCharges.entries``
    vat_rate: float
    is_export: bool  # what is fed in; then a positive price is received
    nets: bool
    is_credited: bool  # credits pay for it, and it may bring some
    kept: float  # share that a neighbour's kWh bears
    price: Array  # [n_steps] int64 billionths per kWh, 0 where it is not due
    counts: Array  # [n_steps] int64, 1 where it is due
    window: Array  # [n_steps] int64, 0 to n_windows
    class_price: tuple[float, ...]  # of each class of a bank of kWh
    class_window: tuple[int, ...]  # of each class
    tiers: Tiers | None


@dataclass(frozen=True, slots=True)
class EnergyMonths:
    """All charges on energy of a design, and how they net."""

    charges: tuple[EnergyCharge, ...]
    period: str  # month or year in which import and export net; interval: in none
    share: float  # of what is fed in that nets
    rollover: str  # none, kwh or money
    is_capped: bool  # credits beyond the month's charges are lost
    pays_cur_per_kwh: float  # for kWh that are left at the true-up
    pays_frac: float  # of the money that is left then
    credit_entry: int
    credit_vat_rate: float
    n_classes: int
    price_class: Array  # [n_steps] int64, hours of one price of a bank of kWh
    begins_month: Array  # [n_steps] bool
    begins_year: Array  # [n_steps] bool, of netting
    begins_calendar_year: Array  # [n_steps] bool
    is_true_up: Array  # [n_steps] bool, in whose month the bank is emptied
    days: Array  # [n_steps] int64 of the month

    @property
    def in_money(self) -> bool:
        return self.rollover == "money" and self.period in ("month", "year")

    def nets_in_kwh(self, charge: EnergyCharge) -> bool:
        """Whether import and export are set off against each other before they are priced, and nothing is kept."""
        return charge.nets and self.rollover == "none" and self.period in ("month", "year")


@dataclass(frozen=True, slots=True)
class EnergyCarry:
    """What accounts carry, [n_envs, n_accounts] unless said; ``after`` is what the month would leave if it ended."""

    flows_ukwh: Array  # [.., 2] int64, drawn and fed in since the period of netting began
    surplus_ukwh: Array  # int64, fed in less drawn since the year of netting began
    worth: Array  # [.., n_charges, 2] int64 undivided, high and low, since the month or the year of netting began
    other: Array  # [.., n_charges, 2] int64 the same of neighbours' energy
    windows_ukwh: tuple[Array, ...]  # [.., n_windows + 1] int64 of each charge with tiers, of the month
    before_ukwh: Array  # [.., n_charges] int64, of the calendar year before this month
    classes_ukwh: Array  # [.., n_classes] int64, net of the month
    bank_ukwh: Array  # [.., n_classes] int64, at the month's beginning
    bank_after_ukwh: Array  # [.., n_classes] int64
    credit_cur: Array  # float64, at the month's beginning
    credit_after_cur: Array  # float64
    base_cur: Array  # [.., n_charges + 2] float64, due before the month or the year of netting
    due_cur: Array  # [.., n_charges + 2] float64, due so far; the last two are credits, and pay for kWh that are left


def no_energy(months: EnergyMonths, n_envs: int, n_accounts: int, like: Array) -> EnergyCarry:
    """Give the carry of accounts without a past."""
    xp, n = namespace(like), len(months.charges)

    def none(*more: int, dtype: str = "int64") -> Array:
        return xp.zeros((n_envs, n_accounts, *more), like, dtype=getattr(xp, dtype))

    windows = tuple(none(len(charge.tiers.prices)) for charge in months.charges if charge.tiers is not None)
    money = (none(n + 2, dtype="float64") for _ in range(2))
    return EnergyCarry(
        none(2), none(), none(n, 2), none(n, 2), windows, none(n), none(months.n_classes), none(months.n_classes),
        none(months.n_classes), none(dtype="float64"), none(dtype="float64"), *money,
    )  # fmt: skip


def advance_energy(
    months: EnergyMonths, carry: EnergyCarry, net_ukwh: Array, local_ukwh: Array, step: Array
) -> EnergyCarry:
    """Carry one interval on.

    Args:
        months: of the tariff.
        carry: before the interval.
        net_ukwh, local_ukwh: [n_envs, n_accounts] int64 with the retailer and with neighbours, > 0 is drawn.
        step: [n_envs] of the bank.
    """
    begun = begun_energy(months, carry, step)
    now = _counted(months, begun, net_ukwh, local_ukwh, step)
    return _priced(months, now, step)


def due_of_energy(months: EnergyMonths, carry: EnergyCarry) -> list[tuple[int, float, Array]]:
    """Give what is due so far since the episode began: entry, rate of value added tax, [n_envs, n_accounts] float64."""
    columns = [(charge.entry, charge.vat_rate) for charge in months.charges]
    columns += [(months.credit_entry, months.credit_vat_rate)] * 2
    return [(entry, rate, carry.due_cur[..., i]) for i, (entry, rate) in enumerate(columns)]


def begun_energy(months: EnergyMonths, carry: EnergyCarry, step: Array) -> EnergyCarry:
    """Give the carry as a step begins: of a new month, or year of netting, where it is the first."""
    xp = namespace(step)
    is_month, is_year, is_calendar = (
        x[step][:, None] for x in (months.begins_month, months.begins_year, months.begins_calendar_year)
    )
    by_year = [months.period == "year" and months.nets_in_kwh(charge) for charge in months.charges]
    resets = xp.stack([is_year if is_so else is_month for is_so in (*by_year, False, False)], axis=2)
    added = xp.where(is_month[..., None], sum_of_windows(months, carry), 0)
    return replace(
        carry,
        flows_ukwh=xp.where((is_year if months.period == "year" else is_month)[..., None], 0, carry.flows_ukwh),
        surplus_ukwh=xp.where(is_year, 0, carry.surplus_ukwh),
        worth=xp.where(resets[:, :, :-2, None], 0, carry.worth),
        other=xp.where(resets[:, :, :-2, None], 0, carry.other),
        windows_ukwh=tuple(xp.where(is_month[..., None], 0, x) for x in carry.windows_ukwh),
        before_ukwh=xp.where(is_calendar[..., None], 0, carry.before_ukwh + added),
        classes_ukwh=xp.where(is_month[..., None], 0, carry.classes_ukwh),
        bank_ukwh=xp.where(is_month[..., None], carry.bank_after_ukwh, carry.bank_ukwh),
        credit_cur=xp.where(is_month, carry.credit_after_cur, carry.credit_cur),
        base_cur=xp.where(resets, carry.due_cur, carry.base_cur),
    )


def sum_of_windows(months: EnergyMonths, carry: EnergyCarry) -> Array:
    """[n_envs, n_accounts, n_charges] int64, of the month in all windows of each charge with tiers."""
    xp, found, held = namespace(carry.before_ukwh), [], iter(carry.windows_ukwh)
    for i, charge in enumerate(months.charges):
        found.append(0 * carry.before_ukwh[..., i] if charge.tiers is None else xp.sum(next(held), axis=2))
    return xp.stack(found, axis=2)


def _counted(months: EnergyMonths, carry: EnergyCarry, net: Array, local: Array, step: Array) -> EnergyCarry:
    """Add the energy of the interval to what is carried."""
    xp = namespace(net)
    flows = xp.stack([xp.maximum(net, 0), xp.maximum(-net, 0)], axis=2)
    worth, other, windows, held = [], [], [], iter(carry.windows_ukwh)
    for charge in months.charges:
        own, price = flows[..., int(charge.is_export)], charge.price[step][:, None]
        worth.append(_parts((net if months.in_money and charge.nets and not charge.is_export else own) * price))
        theirs = xp.maximum(-local if charge.is_export else local, 0)
        other.append(_parts(xp.astype(xp.rint(xp.astype(theirs, xp.float64) * charge.kept), xp.int64) * price))
        if charge.tiers is not None:
            counted = (own * charge.counts[step][:, None])[..., None]
            windows.append(next(held) + counted * _place(charge.window[step], len(charge.tiers.prices)))
    return replace(
        carry,
        flows_ukwh=carry.flows_ukwh + flows,
        surplus_ukwh=carry.surplus_ukwh - net,
        worth=carry.worth + xp.stack(worth, axis=2),
        other=carry.other + xp.stack(other, axis=2),
        windows_ukwh=tuple(windows),
        classes_ukwh=carry.classes_ukwh + net[..., None] * _place(months.price_class[step], months.n_classes),
    )


def _place(index: Array, n: int) -> Array:
    """[n_envs, 1, n] int64, 1 at the index of each environment."""
    xp = namespace(index)
    return xp.astype(xp.arange(n, index)[None, :] == index[:, None], xp.int64)[:, None, :]


def _parts(product: Array) -> Array:
    """Part a product of micro-kWh and billionths per kWh, so that sums of the parts stay within 64 bits."""
    return namespace(product).stack([product // _HALVES, product % _HALVES], axis=2)


def _cur(parts: Array) -> Array:
    xp = namespace(parts)
    return xp.astype(parts[..., 0], xp.float64) / _HIGH + xp.astype(parts[..., 1], xp.float64) / _LOW


def _priced(months: EnergyMonths, carry: EnergyCarry, step: Array) -> EnergyCarry:
    """Give what is due so far, and what the month would leave if it ended now."""
    xp, is_true_up = namespace(step), months.is_true_up[step][:, None]
    left_kwh, bank_ukwh = _left_of_bank(carry)
    energy = _energy_cur(months, carry, left_kwh, step)
    credit_col, credit_cur = _credit(months, carry, energy, is_true_up)
    kwh = xp.sum(bank_ukwh, axis=2) if months.rollover == "kwh" else xp.maximum(carry.surplus_ukwh, 0)
    paid = xp.where(is_true_up, -xp.astype(kwh, xp.float64) / MICRO * months.pays_cur_per_kwh, 0.0)
    return replace(
        carry,
        bank_after_ukwh=xp.where(is_true_up[..., None], 0, bank_ukwh),
        credit_after_cur=credit_cur,
        due_cur=carry.base_cur + xp.stack([*energy, credit_col, paid], axis=2),
    )


def _energy_cur(months: EnergyMonths, carry: EnergyCarry, left_kwh: Array, step: Array) -> list[Array]:
    """Give what each charge asks for the month, or the year of netting, so far: [n_envs, n_accounts], > 0 is paid."""
    xp, worth_cur, other_cur = namespace(step), _cur(carry.worth), _cur(carry.other)
    flows_kwh, found = xp.astype(carry.flows_ukwh, xp.float64) / MICRO, []
    held = iter(carry.windows_ukwh)
    for i, charge in enumerate(months.charges):
        kwh = None if charge.tiers is None else xp.astype(next(held), xp.float64) / MICRO
        banks = months.rollover == "kwh" and charge.nets and not charge.is_export
        frac = _left_frac(charge, flows_kwh, months.share) if months.nets_in_kwh(charge) else None
        if banks and charge.tiers is None:
            own = sum(left_kwh[..., g] * price for g, price in enumerate(charge.class_price))
        elif charge.tiers is not None and kwh is not None:
            before = xp.astype(carry.before_ukwh[..., i], xp.float64) / MICRO
            counted = _by_window(charge, left_kwh) if banks else kwh if frac is None else kwh * frac[..., None]
            own = _tier_cost(charge.tiers, counted, before, months.days[step][:, None])
        else:
            own = worth_cur[..., i] if frac is None else worth_cur[..., i] * frac
        found.append((-1.0 if charge.is_export else 1.0) * (own + other_cur[..., i]))
    return found


def _by_window(charge: EnergyCharge, left_kwh: Array) -> Array:
    """[n_envs, n_accounts, n_windows + 1] what a bank leaves to pay for, [n_envs, n_accounts, n_classes]."""
    assert charge.tiers is not None
    none = 0.0 * left_kwh[..., 0]
    of = [
        sum((left_kwh[..., g] for g, other in enumerate(charge.class_window) if other == w), start=none)
        for w in range(len(charge.tiers.prices))
    ]
    return namespace(left_kwh).stack(of, axis=2)


def _left_of_bank(carry: EnergyCarry) -> tuple[Array, Array]:
    """[n_envs, n_accounts, n_classes] what is left to pay for in kWh, and what the month leaves banked in micro-kWh."""
    xp = namespace(carry.bank_ukwh)
    drawn = xp.maximum(carry.classes_ukwh, 0)
    used = xp.minimum(carry.bank_ukwh, drawn)
    bank = carry.bank_ukwh - used + xp.maximum(-carry.classes_ukwh, 0)
    return xp.astype(drawn - used, xp.float64) / MICRO, bank


def _left_frac(charge: EnergyCharge, flows_kwh: Array, share: float) -> Array:
    """Share of import, or of export, that netting leaves."""
    xp, drawn, fed_in = namespace(flows_kwh), flows_kwh[..., 0], flows_kwh[..., 1]
    own = fed_in if charge.is_export else drawn
    left = own - xp.minimum(drawn, share * fed_in)
    return xp.where(own > 0, left / xp.where(own > 0, own, 1.0), 0.0)


def _tier_cost(tiers: Tiers, kwh: Array, before: Array, days: Array) -> Array:
    """Price kWh by window, [n_envs, n_accounts, n_windows + 1]."""
    xp = namespace(kwh)
    scale = xp.astype(days, xp.float64) if tiers.is_per_day else 1.0 + 0.0 * days
    n = len(tiers.limits_kwh) + 1
    if tiers.is_by_window:
        parts = _shares(tiers, kwh, scale[..., None])
        return sum(parts[k][..., w] * prices[k] for w, prices in enumerate(tiers.prices) for k in range(n))
    start = before if tiers.is_of_year else 0.0 * before
    total = xp.sum(kwh, axis=2)
    until, since = _shares(tiers, start + total, scale), _shares(tiers, start, scale)
    found = 0.0 * total
    for k in range(n):
        frac = xp.where(total != 0, (until[k] - since[k]) / xp.where(total != 0, total, 1.0), 0.0)
        found = found + frac * sum(kwh[..., w] * prices[k] for w, prices in enumerate(tiers.prices))
    return found


def _shares(tiers: Tiers, kwh: Array, scale: Array) -> list[Array]:
    """What of an amount lies in each tier."""
    xp = namespace(kwh)
    edges = [0.0 * scale, *(limit * scale for limit in tiers.limits_kwh)]
    found = []
    for k, low in enumerate(edges):
        above = kwh if k == 0 else xp.maximum(kwh - low, 0.0)
        found.append(xp.minimum(above, edges[k + 1] - low) if k + 1 < len(edges) else above)
    return found


def _credit(months: EnergyMonths, carry: EnergyCarry, energy: list[Array], is_true_up: Array) -> tuple[Array, Array]:
    """Give what credits change of the month's bill, and what the month would leave of them."""
    xp, zero = namespace(carry.credit_cur), 0.0 * carry.credit_cur
    if months.rollover != "money" and not months.is_capped:
        return zero, carry.credit_cur
    due = sum((cur for charge, cur in zip(months.charges, energy, strict=True) if charge.is_credited), start=zero)
    left = xp.maximum(-due, 0.0)
    if months.is_capped:
        return left, carry.credit_cur
    used = xp.minimum(carry.credit_cur, xp.maximum(due, 0.0))
    bank = carry.credit_cur - used + left
    return left - used - xp.where(is_true_up, months.pays_frac * bank, 0.0), xp.where(is_true_up, 0.0, bank)
