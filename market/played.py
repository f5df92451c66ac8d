"""A tariff as an interval market plays it: prices of every step and a standing charge that accrues.

Where a row's bill does not hang on other rows, prices are all. Charges on power, free kWh of fed-in energy, netting and
tiers hang on the month or the year so far, which is carried (``by_month.py``); they need episodes of whole months or
years. Prices of energy that nets, or has tiers, are then those of ``signal_of``: agents see them, and they bound local
prices; what is due is the carry's alone. What cannot be played is refused with the reason. Value added tax goes to the
line tax, for the state receives it; a neighbour's kWh bears the charges of one behind the same transformer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.calendar import Calendar
from gridbazaar.data.clock import midnight
from gridbazaar.data.units import to_micro
from gridbazaar.market.billing.clock import LocalRows, is_due, local_rows
from gridbazaar.market.billing.prices import NANO, row_prices, vat_rate
from gridbazaar.market.by_month import is_by_month, month_charges
from gridbazaar.market.charge import Charge
from gridbazaar.market.design import Design
from gridbazaar.market.energy_by_month import NEAR, has_tiers, is_energy_by_month
from gridbazaar.market.settlement.peaks import Entry, MonthCharges
from gridbazaar.market.settlement.standing import RETAILERS, Standing
from gridbazaar.market.signal import signal_of
from gridbazaar.market.tariff import Prices, Tariff, price

Floats = NDArray[np.float64]

_HOUR_MIN, _MONTHS = 60, 12
_HANGS = {"netting": "netting over a month or a year", "tiers": "tiers", "free": "free kWh"}
_IMBALANCE_CUR_PER_KWH = 0.05  # of who is balance-responsible; designs are of households and name none


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """What a tariff asks over the steps of a bank."""

    prices: Prices
    fixed_cur: Floats  # [n_steps + 1] standing charge of a connection up to the beginning of each step
    imbalance_cur_per_kwh: float
    by_month: MonthCharges | None = None  # what hangs on the month so far; none: nothing
    standing: Standing | None = None  # of the standing charge, what is not the retailer's; none: nothing


def play(tariff: Tariff | Design, spot_cur_per_kwh: Floats, calendar: Calendar) -> Played:
    """Price every step of a bank.

    Args:
        tariff: of either sort.
        spot_cur_per_kwh: [n_steps] wholesale price.
        calendar: of the bank.

    Raises:
        ValueError: a design cannot be played in intervals; says why.
    """
    if isinstance(tariff, Tariff):
        weekday = calendar.weekday_of(calendar.day)
        prices = price(tariff, spot_cur_per_kwh, calendar.hour, weekday, calendar.step_min / 60)
        return Played(prices, tariff.fixed_cur_per_day * calendar.days_passed(), tariff.imbalance_cur_per_kwh)
    check_playable(tariff, calendar.step_min)
    zone = calendar.timezone or "Etc/UTC"
    begin = midnight(calendar.first_day, zone)
    starts = begin + (np.arange(calendar.n_steps) * calendar.step_min * 60).astype("timedelta64[s]")
    rows = local_rows(tariff, starts, calendar.step_min, zone)
    asked = signal_of(tariff, at_least=True) if is_energy_by_month(tariff) else tariff
    prices, (fixed_cur, standing) = _prices(asked, rows, spot_cur_per_kwh), _fixed(tariff, rows)
    by_month = month_charges(tariff, rows, spot_cur_per_kwh)
    return Played(prices, fixed_cur, _IMBALANCE_CUR_PER_KWH, by_month, standing)


def n_peaks_of(tariff: Tariff | Design) -> int:
    """How many charges on power there are."""
    return 0 if isinstance(tariff, Tariff) else sum(charge.sort == "power" for charge in tariff.charges)


def bills_by_month(tariff: Tariff | Design) -> bool:
    """Whether a part of it hangs on a billing period."""
    return not isinstance(tariff, Tariff) and _bills_by_month(tariff)


def _bills_by_month(design: Design) -> bool:
    return is_energy_by_month(design) or any(map(is_by_month, design.charges))


def check_playable(design: Design, step_min: int) -> None:
    """Refuse a design whose bill of an interval hangs on others; says which rule and why."""
    reasons = list(dict.fromkeys(_reasons(design, step_min)))
    if reasons:
        raise ValueError(
            f"tariff {design.name}: cannot be played interval by interval: {'; '.join(reasons)}. "
            f"'gridbazaar bill' bills it on metered series"
        )


def check_period(design: Design, dates: Sequence[str], hours: float) -> None:
    """Refuse episodes that are no whole months under a design that bills by the month; says what to do.

    Args:
        design: what is played.
        dates: first and last day of the episode; none: it has no dates.
        hours: how long it lasts.
    """
    if not _bills_by_month(design):
        return
    got = f"days from {dates[0]} to {dates[1]}" if dates else f"{hours:g} h"
    if not dates or not _is_whole(*dates):
        what = "capacity charge" if design.has_power else _HANGS[_energy_sort(design)]
        begin = (
            "" if is_energy_by_month(design) else "begin with the month so far that the data say (carry = 'drawn'), "
        )
        raise ValueError(
            f"tariff {design.name}: {what} on less than a billing period: it is billed by the calendar month, got an "
            f"episode of {got}; play whole months, such as dates = ['2024-02-01', '2024-02-29'], {begin}or bill what "
            "another tariff brings ('gridbazaar compare --bill')"
        )
    net, last = design.netting, np.datetime64(dates[1], "M")
    n_months = int((last - np.datetime64(dates[0], "M")).astype(np.int64)) + 1
    ends = net.true_up_month or _MONTHS
    if (net.period == "year" or net.true_up_month is not None) and (
        n_months % _MONTHS or int(last.astype(np.int64)) % _MONTHS + 1 != ends
    ):
        raise ValueError(
            f"tariff {design.name}: netting over a year on less than a billing period: expected 12 months, or a "
            f"multiple, that end with month {ends}, got an episode of {got}; play such years, or set "
            "netting.true_up_month of a tariff of your own, or bill what another tariff brings ('gridbazaar compare "
            "--bill')"
        )


def _energy_sort(design: Design) -> str:
    net = design.netting
    if net.period in ("month", "year") or net.rollover != "none" or net.cap != "none":
        return "netting"
    return "tiers" if has_tiers(design) else "free"


def check_part(tariff: Tariff | Design, dates: Sequence[str]) -> None:
    """Refuse to draw the month so far where nothing is billed by it, or where episodes begin with one anyway."""
    if isinstance(tariff, Tariff) or not _bills_by_month(tariff):
        raise ValueError(
            f"carry drawn: expected a tariff that bills power or free kWh by the month, got {tariff.name}; leave it out"
        )
    if dates and _is_whole(*dates):
        raise ValueError(
            f"carry drawn: the days from {dates[0]} to {dates[1]} are whole months, which begin with nothing; leave it "
            "out"
        )
    if is_energy_by_month(tariff):
        raise ValueError(
            f"carry drawn: expected charges on power and free kWh alone, got {tariff.name}, which nets or has tiers by "
            "the month; play whole months"
        )


def _is_whole(first: str, last: str) -> bool:
    after = np.datetime64(last, "D") + 1
    return all(day == day.astype("datetime64[M]").astype("datetime64[D]") for day in (np.datetime64(first, "D"), after))


def _reasons(design: Design, step_min: int) -> Iterator[str]:
    if design.netting.period == "hour" and step_min != _HOUR_MIN:
        yield f"netting over an hour in steps of {step_min} min; play it in steps of an hour (step_min = 60)"
    for name in ("minimum", "maximum", "premium"):
        if getattr(design, name) is not None:
            yield f"a {name} of the whole bill or community"
    if design.vat.local_seller == "registered":
        yield "value added tax on what neighbours sell"
    for charge in design.charges:
        yield from _reasons_of(charge, is_energy_by_month(design))


def _reasons_of(charge: Charge, has_months: bool) -> Iterator[str]:
    if charge.shared_by != "none":
        yield "a charge on power that a building shares"
    if charge.sort == "levy":
        yield "a levy on other lines of the bill"
    if charge.lump_kwh or charge.lump_cur_per_year:
        yield "lump sums on less than a billing period"
    has_free = any(window.free_kwh_per_month for window in charge.windows)
    if (has_free and (has_months or not is_by_month(charge))) or charge.spot_average != "interval":
        yield "free kWh or mean prices of a month on less than a billing period"
    if charge.sort == "energy" and charge.flow not in ("import", "export"):
        yield "gross meters of load and sun"
    if charge.meter == "controllable":
        yield "a meter of its own for controllable devices"
    if charge.relief_reexport:
        yield "relief of stored energy that goes back"
    if charge.sort == "energy" and charge.flow == "import" and charge.line not in ("retail", "network", "tax"):
        yield f"energy on the line {charge.line}"


def _prices(design: Design, rows: LocalRows, spot: Floats) -> Prices:
    """Sum charges by line; tax holds the value added tax of all of them."""
    zero = np.zeros(len(rows.month))
    lines = {name: zero for name in ("retail", "network", "tax", "local_network", "local_tax", "export")}
    for charge in design.charges:
        if charge.sort != "energy" or is_by_month(charge):
            continue
        due = row_prices(charge, design, rows, spot)[0] / NANO * is_due(rows, charge.from_day, charge.to_day)
        vat = vat_rate(charge, design) * due
        if charge.flow == "export":
            lines["export"] = lines["export"] + due + vat
            continue
        kept = charge.local.get(NEAR, 0.0 if charge.line == "retail" else 1.0)
        lines[charge.line] = lines[charge.line] + due
        lines["tax"] = lines["tax"] + vat
        local = "local_network" if charge.line == "network" else "local_tax"
        lines[local] = lines[local] + kept * due
        lines["local_tax"] = lines["local_tax"] + kept * vat
    energy, network, tax, local_network, local_tax, export = (to_micro(x) for x in lines.values())
    upper = energy + network + tax - local_network - local_tax
    return Prices(energy, network, tax, local_network, local_tax, export, upper, to_micro(spot))


def _fixed(design: Design, rows: LocalRows) -> tuple[Floats, Standing | None]:
    """Charges on time with tax, [n_steps + 1] as they accrue, and what of them is not the retailer's."""
    found = np.zeros(len(rows.month))
    parts: dict[Entry, Floats] = {}
    months = np.repeat(np.arange(len(rows.months)), np.diff(rows.edges))
    days_in = np.array([rows.days_in(m) for m in range(len(rows.months))])[months]
    days_in_year = np.array([rows.days_in_year(m) for m in range(len(rows.months))])[months]
    for charge in design.charges:
        if charge.sort != "time":
            continue
        amounts = ((charge.cur_per_day, 1.0), (charge.cur_per_month, days_in), (charge.cur_per_year, days_in_year))
        amount, days = next((amount, days) for amount, days in amounts if amount is not None)
        share = rows.day_share * is_due(rows, charge.from_day, charge.to_day)
        due, rate = amount * share / days, vat_rate(charge, design)
        found = found + due * (1 + rate)
        for entry, part in ((Entry(charge.line, charge.to), due), (Entry("tax", "state"), due * rate)):
            if entry != RETAILERS and part.any():
                parts[entry] = parts.get(entry, 0.0) + part
    standing = Standing(tuple(parts), to_micro(_running(np.stack(list(parts.values()), axis=1)))) if parts else None
    return _running(found), standing


def _running(x: Floats) -> Floats:
    """Sums up to the beginning of each step, and of the end."""
    return np.concatenate([np.zeros_like(x[:1]), np.cumsum(x, axis=0)])
