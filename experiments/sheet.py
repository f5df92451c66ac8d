"""What the sheet of a tariff design says: its source and rules, its charges in words, what a kWh costs in a week."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gridbazaar.data.clock import midnight
from gridbazaar.market.billing.sheet import LinePrices, follows_spot, kwh_prices, total_of
from gridbazaar.market.charge import Charge, Hours, Window
from gridbazaar.market.design import Design

SPOT_CUR_PER_KWH = 0.10
"""Wholesale price at which a sheet shows what follows it."""
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOURS = (3, 8, 12, 18, 22)
_USUAL_YEAR = 2025
_COLOURS = ("#5b7fa6", "#e69f00", "#93a4b5", "#009e73", "#cc79a7", "#56b4e9")  # of lines, told apart by everybody


class Week(NamedTuple):
    """A week of hours."""

    name: str
    first_day: np.datetime64
    prices: tuple[LinePrices, ...]


def facts(design: Design) -> list[tuple[str, str]]:
    net = design.netting
    words = [net.period] + [f"rollover in {net.rollover}"] * (net.rollover != "none")
    words += [f"true-up in month {net.true_up_month}"] * (net.true_up_month is not None)
    words += ["credits up to the energy of the month"] * (net.cap != "none") + [f"share {net.share:g}"] * (
        net.share < 1
    )
    facts = [
        ("region", f"{design.region}, {design.tz}" + (f", holidays of {design.holidays}" if design.holidays else "")),
        ("prices of", f"{design.year or 'an unknown year'}, {design.currency}, VAT {100 * design.vat.rate:g} %"),
        ("source", design.source),
        ("netting", ", ".join(words)),
    ]
    if design.sharing is not None:
        facts.append(("sharing", f"key {design.sharing.key}, by {design.sharing.unit_min} min"))
    if design.note:
        facts.append(("note", design.note))
    if design.check:
        facts.append(("check", "some of its numbers were not read again at their source"))
    return facts


def what_of(charge: Charge) -> str:
    if charge.sort == "energy":
        return charge.flow + ("" if charge.nets else ", does not net")
    if charge.sort == "levy":
        return f"{', '.join(charge.of_lines)}"
    if charge.sort == "time":
        return "time"
    peak = charge.peak
    if peak is None:
        return "the peak of a month"
    words = f"{peak.interval_min} min peak" if peak.n == 1 else f"mean of {peak.n} peaks of {peak.interval_min} min"
    words += f", mean of {peak.average_months} months" if peak.average_months > 1 else ""
    words += f", at least {peak.floor_kw:g} kW" if peak.floor_kw else ""
    return words + "".join(f"; {_hours(hours)}" for hours in peak.windows)


def price_of(charge: Charge) -> str:
    if charge.sort == "levy":
        return f"{100 * charge.frac:g} %"
    if charge.sort == "time":
        amounts = {"day": charge.cur_per_day, "month": charge.cur_per_month, "year": charge.cur_per_year}
        words = next(f"{amount:g} a {unit}" for unit, amount in amounts.items() if amount is not None)
        return words + "".join(f"; {label} {amount:g}" for label, amount in charge.by_label.items())
    if charge.sort == "power":
        return _per_kw(charge)
    base = "by a table of hours" if charge.table_cur_per_kwh else f"{charge.cur_per_kwh:g}"
    if charge.tiers_kwh:
        base = _steps(charge.tiers_kwh, charge.tier_cur_per_kwh, "kWh")
    words = base + (f" + {charge.spot_factor:g} x spot" if charge.spot_factor else "")
    words += "".join(f"; {_hours(window)}: {_window(window)}" for window in charge.windows)
    words += "" if charge.cap_cur_per_kwh is None else f"; at most {charge.cap_cur_per_kwh:g}"
    words += "; 0 where spot is below 0" if charge.zero_if_spot_negative else ""
    kept = ", ".join(f"{distance} {100 * share:g} %" for distance, share in charge.local.items())
    return words + (f"; of a local kWh: {kept}" if kept else "")


def _per_kw(charge: Charge) -> str:
    if charge.steps_kw:
        return _steps(charge.steps_kw, charge.step_cur_per_month, "kW") + " a month"
    if charge.tiers_kw:
        return _steps(charge.tiers_kw, charge.tier_cur_per_kw_month, "kW") + " a kW and month"
    amounts = {"month": charge.cur_per_kw_month, "year": charge.cur_per_kw_year, "day": charge.cur_per_kw_day}
    return next(f"{amount:g} a kW and {unit}" for unit, amount in amounts.items() if amount is not None)


def _steps(limits: tuple[float, ...], prices: tuple[float, ...], unit: str) -> str:
    below = [f"{price:g} to {limit:g} {unit}" for limit, price in zip(limits, prices, strict=False)]
    return ", ".join([*below, f"{prices[-1]:g} above"])


def _window(window: Window) -> str:
    free = f" above {window.free_kwh_per_month:g} kWh a month" if window.free_kwh_per_month else ""
    if window.tier_cur_per_kwh:
        return " / ".join(f"{price:g}" for price in window.tier_cur_per_kwh)
    if window.add_cur_per_kwh is not None:
        return f"{window.add_cur_per_kwh:+g}{free}"
    return f"{window.cur_per_kwh:g}{free}"


def _hours(hours: Hours | Window) -> str:
    words = "" if (hours.from_h, hours.to_h) == (0.0, 24.0) else f"{hours.from_h:g} to {hours.to_h:g} h"
    if hours.months:
        words += f" of months {', '.join(map(str, hours.months))}"
    words += {"all": "", "weekday": " on weekdays", "weekend": " on weekends"}[hours.days]
    return (words + (" by winter time" if hours.clock == "standard" else "")).strip() or "always"


def weeks(design: Design) -> Iterator[Week]:
    """A week of January and one of July, from a Monday without holidays on where that is so."""
    year = design.year or _USUAL_YEAR
    for month, name in ((1, "January"), (7, "July")):
        first = np.datetime64(f"{year}-{month:02d}-08", "D")
        first = first + (-(int(first.astype(np.int64)) + 3) % 7)
        starts = midnight(first, design.tz) + (np.arange(7 * 24) * 3600).astype("timedelta64[s]")
        prices = kwh_prices(design, starts, 60, np.full(7 * 24, SPOT_CUR_PER_KWH))
        yield Week(f"a week of {name} {year}", first, prices)


def at_hours(week: Week) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Names of columns, and what a kWh costs line by line at some hours of Monday and Sunday."""
    hours = [*_HOURS, *(6 * 24 + hour for hour in _HOURS)]
    heads = ("flow", "line", *(f"{DAYS[hour // 24]} {hour % 24} h" for hour in hours))
    rows = [(line.flow, line.line, *(f"{line.cur_per_kwh[hour]:.4g}" for hour in hours)) for line in week.prices]
    for flow in dict.fromkeys(line.flow for line in week.prices):
        if sum(line.flow == flow for line in week.prices) > 1:
            total = total_of(week.prices, flow, 7 * 24)
            rows.append((flow, "all", *(f"{total[hour]:.4g}" for hour in hours)))
    return heads, rows


def charge_rows(design: Design) -> list[tuple[str, str, str, str, str]]:
    """Line, who receives it, on what, at what price, and whether there is VAT on it; a row a charge."""
    return [
        (c.line, c.to.replace("_", " "), what_of(c), price_of(c), "" if c.vat else "no VAT") for c in design.charges
    ]


def plot_design(design: Design, path: Path) -> None:
    """Draw a week of January and one of July as a picture, a panel each, import by line and export."""
    import matplotlib
    from matplotlib.figure import Figure

    from gridbazaar.experiments.files import replacing

    figure = Figure(figsize=(10, 6), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True, sharey=True)
    with matplotlib.rc_context({"font.size": 9}):
        for panel, week in zip(panels, weeks(design), strict=True):
            hours = np.arange(7 * 24)
            bought = [line for line in week.prices if line.flow in ("import", "load")]
            panel.stackplot(
                hours, [p.cur_per_kwh for p in bought], labels=[p.line for p in bought], step="post", colors=_COLOURS
            )
            for line in week.prices:
                if line.flow in ("export", "pv"):
                    label = f"{line.line}, {line.flow}"
                    panel.step(hours, line.cur_per_kwh, where="post", color="black", linewidth=1, label=label)
            panel.set(title=week.name, ylabel=f"{design.currency}/kWh with VAT", xticks=range(0, 168, 24))
            panel.set_xticklabels(DAYS)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
        at_spot = f" (spot {SPOT_CUR_PER_KWH:g})" if follows_spot(design) else ""
        figure.suptitle(f"{design.title}{at_spot}")
    with replacing(path) as partial:
        figure.savefig(partial, format=path.suffix.lstrip(".") or "png", dpi=120)
