"""Tariffs of OpenEI's Utility Rate Database (URDB) as designs.

Prices are ``rate + adj``; schedules of 12 months x 24 hours become windows; ``dgrules`` say how export nets. What a
design cannot say is refused by name. URDB knows no holidays and no time zone: the note says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from gridbazaar.data.inputs import check_input
from gridbazaar.data.tables import read_table
from gridbazaar.data.text import parse_json, read_any_text, said
from gridbazaar.market.design import Design

_REFUSED = {
    "coincidentratestructure": "charges at the system's peak",
    "coincidentrateschedule": "charges at the system's peak",
    "fueladjustmentsmonthly": "fuel adjustments by the month",
    "demandreactivepowercharge": "charges on reactive power",
    "demandratchetpercentage": "ratchets by the month of the year",
}
_READ = {
    "label", "utility", "name", "sector", "startdate", "enddate", "uri", "source", "description", "energyratestructure",
    "energyweekdayschedule", "energyweekendschedule", "demandratestructure", "demandweekdayschedule",
    "demandweekendschedule", "flatdemandstructure", "flatdemandmonths", "lookbackpercent", "lookbackrange",
    "lookbackmonths", "demandwindow", "fixedchargefirstmeter", "fixedchargeunits", "mincharge", "minchargeunits",
    "dgrules", "demandunits", "flatdemandunit", "demandrateunit", "approved", "is_default", "country", "eiaid",
    "servicetype", "revisions", "supersedes", "basicinformationcomments", "energycomments", "demandcomments",
}  # fmt: skip
_DG_RULES: dict[str, dict[str, Any]] = {
    "Net Metering": {"period": "month", "rollover": "kwh"},
    "Net Billing Instantaneous": {"period": "interval"},
    "Net Billing Hourly": {"period": "hour", "rollover": "money"},
    "Buy All Sell All": {"period": "none"},
}
_FIXED = {"$/day": "cur_per_day", "$/month": "cur_per_month", "$/year": "cur_per_year"}
_MINIMUM = {"$/month": "cur_per_month", "$/year": "cur_per_year"}
_RETAIL = {"line": "retail", "to": "retailer"}
_POWER = {"line": "capacity", "to": "network_operator"}
_INTERVALS = (5, 10, 15, 30, 60)


class _Tier(NamedTuple):
    """One step of a period."""

    price: float
    sell: float | None
    most: float | None
    unit: str


class _Run(NamedTuple):
    """Hours of one period, on some months."""

    period: int
    from_h: int
    to_h: int
    days: str


def read_urdb(path: Path) -> Design:
    """Read the one tariff of a file.

    Raises:
        ValueError: the file is none of URDB's, holds several tariffs, or one that a design cannot say.
    """
    text, _ = read_any_text(check_input(path))
    found = parse_json(text, str(path))
    items = found.get("items") if isinstance(found, Mapping) and "items" in found else found
    rates = items if isinstance(items, list) else [items]
    if len(rates) != 1 or not isinstance(rates[0], Mapping):
        names = ", ".join(said(rate.get("name", "?")) for rate in rates[:5] if isinstance(rate, Mapping))
        raise ValueError(f"{path}: expected one tariff of URDB, got {len(rates)} ({names or 'none'}); keep one")
    try:
        return _design(rates[0], path.stem)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _design(rate: Mapping[str, Any], name: str) -> Design:
    for key, what in _REFUSED.items():
        if _counts(rate.get(key)):
            raise ValueError(f"{key}: {what} are not part of a design; take them out, or bill them apart")
    for key in ("demandunits", "flatdemandunit", "demandrateunit"):
        if rate.get(key) not in (None, "kW"):
            raise ValueError(f"{key}: expected kW, got {said(rate[key])}; power factors are not metered here")
    rule = rate.get("dgrules", "Net Metering")
    if rule not in _DG_RULES:
        raise ValueError(f"dgrules: expected one of {', '.join(_DG_RULES)}, got {said(rule)}")
    notes = ["URDB names no time zone and no holidays: set tz, and holidays where they are of the weekend"]
    charges = [*_energy(rate, rule, notes), *_demand(rate), *_flat_demand(rate), *_fixed(rate)]
    if unread := [key for key in rate if key not in _READ | _REFUSED.keys()]:
        notes.append(f"not read: {', '.join(sorted(unread)[:20])}")
    values: dict[str, Any] = {
        "name": name,
        "title": ": ".join(str(rate[key]) for key in ("utility", "name") if rate.get(key)) or name,
        "region": "US", "year": _year(rate), "currency": "USD", "tz": "Etc/UTC",
        "source": str(rate.get("uri") or rate.get("source") or f"OpenEI URDB, label {rate.get('label', '?')}"),
        "note": "; ".join(notes), "netting": _DG_RULES[rule], "charges": charges,
    }  # fmt: skip
    if minimum := _number(rate, "mincharge"):
        values["minimum"] = {_unit(rate, "minchargeunits", _MINIMUM): minimum}
    return read_table(Design, values, f"design {name}")


def _energy(rate: Mapping[str, Any], rule: str, notes: list[str]) -> list[dict[str, Any]]:
    periods = _structure(rate, "energyratestructure")
    schedule = _schedules(rate, "energy", len(periods))
    sold = any(tier.sell for tiers in periods for tier in tiers)
    flow = {"flow": "load" if rule == "Buy All Sell All" else "import"}
    charges = [{**_RETAIL, **flow, **_priced(periods, schedule)}]
    if sold and rule == "Net Metering":
        notes.append("its prices for export are not used: under net metering export is set against import")
    elif sold:
        selling = [[_Tier(tiers[0].sell or 0.0, None, None, "kWh")] for tiers in periods]
        charges.append({**_RETAIL, "flow": "pv" if flow["flow"] == "load" else "export", **_priced(selling, schedule)})
    return charges


def _priced(periods: list[list[_Tier]], schedule: dict[str, list[list[int]]]) -> dict[str, Any]:
    """Prices by window; the period of most hours is outside of them."""
    hours = Counter(
        p for days, table in schedule.items() for row in table for p in row * (5 if days == "weekday" else 2)
    )
    usual = hours.most_common(1)[0][0]
    limits = [[tier.most for tier in periods[p][:-1]] for p in hours]
    tiered = any(limits)
    if any(other != limits[0] for other in limits) or any(most is None for most in limits[0]):
        raise ValueError(
            "energyratestructure: expected the same limits (max) of tiers in all periods; split the tariff"
        )
    units = {tier.unit for p in hours for tier in periods[p]}
    if len(units) > 1 or units - {"kWh", "kWh daily"}:
        raise ValueError(f"energyratestructure: expected the unit kWh or kWh daily, got {', '.join(sorted(units))}")

    def price(period: int) -> dict[str, Any]:
        prices = [tier.price for tier in periods[period]]
        return {"tier_cur_per_kwh": prices} if tiered else {"cur_per_kwh": prices[0]}

    found = price(usual)
    if tiered:
        found |= {"tiers_kwh": limits[0], "tier_scope": "month_per_day" if "kWh daily" in units else "month"}
    windows = [
        {**_hours(run, months), **price(run.period)} for run, months in _runs(schedule) if run.period != usual
    ]  # fmt: skip
    return found | ({"windows": windows} if windows else {})


def _runs(schedule: dict[str, list[list[int]]]) -> list[tuple[_Run, tuple[int, ...]]]:
    """Neighbouring hours of one period, with the months that have them."""
    found: dict[_Run, list[int]] = {}
    for month in range(12):
        weekday, weekend = schedule["weekday"][month], schedule["weekend"][month]
        tables = {"all": weekday} if weekday == weekend else {"weekday": weekday, "weekend": weekend}
        for days, row in tables.items():
            edges = [0, *(h for h in range(1, 24) if row[h] != row[h - 1]), 24]
            for from_h, to_h in pairwise(edges):
                found.setdefault(_Run(row[from_h], from_h, to_h, days), []).append(month + 1)
    return [(run, tuple(months)) for run, months in found.items()]


def _hours(run: _Run, months: Sequence[int]) -> dict[str, Any]:
    found: dict[str, Any] = {} if len(months) == 12 else {"months": list(months)}
    if run.days != "all":
        found["days"] = run.days
    return found | {"from_h": run.from_h, "to_h": run.to_h}


def _demand(rate: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not rate.get("demandratestructure"):
        return []
    periods = _structure(rate, "demandratestructure")
    runs = _runs(_schedules(rate, "demand", len(periods)))
    charges = []
    for p, tiers in enumerate(periods):
        windows = [_hours(run, months) for run, months in runs if run.period == p]
        if windows and any(tier.price for tier in tiers):
            charges.append({**_POWER, **_per_kw(tiers), "peak": _peak(rate) | {"windows": windows}})
    return charges


def _flat_demand(rate: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not rate.get("flatdemandstructure"):
        return []
    periods = _structure(rate, "flatdemandstructure")
    of_month = rate.get("flatdemandmonths", [0] * 12)
    if not _is_row(of_month, 12, len(periods)):
        raise ValueError(f"flatdemandmonths: expected 12 periods from 0 to {len(periods) - 1}, got {said(of_month)}")
    charges = []
    for p, tiers in enumerate(periods):
        months = [m + 1 for m in range(12) if of_month[m] == p]
        if months and any(tier.price for tier in tiers):
            windows = {} if len(months) == 12 else {"windows": [{"months": months}]}
            charges.append({**_POWER, **_per_kw(tiers), "peak": _peak(rate) | windows})
    return charges


def _per_kw(tiers: list[_Tier]) -> dict[str, Any]:
    if len(tiers) == 1:
        return {"cur_per_kw_month": tiers[0].price}
    return {"tiers_kw": [tier.most for tier in tiers[:-1]], "tier_cur_per_kw_month": [tier.price for tier in tiers]}


def _peak(rate: Mapping[str, Any]) -> dict[str, Any]:
    window = _number(rate, "demandwindow") or 15.0
    if window not in _INTERVALS:
        raise ValueError(f"demandwindow: expected one of {', '.join(map(str, _INTERVALS))} min, got {window:g}")
    found: dict[str, Any] = {"interval_min": int(window)}
    frac, months = _number(rate, "lookbackpercent"), _number(rate, "lookbackrange")
    which = rate.get("lookbackmonths")
    if which and any(which) and not all(which):
        raise ValueError(
            "lookbackmonths: expected all months or none; a ratchet on some months is not part of a design"
        )
    if frac and months:
        found |= {"ratchet_frac": frac, "lookback_months": int(months)}
    return found


def _fixed(rate: Mapping[str, Any]) -> list[dict[str, Any]]:
    amount = _number(rate, "fixedchargefirstmeter")
    if not amount:
        return []
    return [{"line": "fixed", "to": "network_operator", _unit(rate, "fixedchargeunits", _FIXED): amount}]


def _unit(rate: Mapping[str, Any], key: str, known: Mapping[str, str]) -> str:
    unit = rate.get(key, "$/month")
    if unit not in known:
        raise ValueError(f"{key}: expected one of {', '.join(known)}, got {said(unit)}")
    return known[unit]


def _structure(rate: Mapping[str, Any], key: str) -> list[list[_Tier]]:
    """Periods of tiers; ``ValueError`` where it is none."""
    periods = rate.get(key)
    if not isinstance(periods, list) or not periods:
        raise ValueError(f"{key}: expected a list of periods, got {said(periods)}")
    found = []
    for p, tiers in enumerate(periods):
        if not isinstance(tiers, list) or not tiers or not all(isinstance(tier, Mapping) for tier in tiers):
            raise ValueError(f"{key}[{p}]: expected a list of tiers, got {said(tiers)}")
        found.append([_tier(tier, f"{key}[{p}][{t}]") for t, tier in enumerate(tiers)])
    return found


def _tier(tier: Mapping[str, Any], where: str) -> _Tier:
    rate, adj, sell, most = (_number(tier, name, where) for name in ("rate", "adj", "sell", "max"))
    if most is not None and most > 1e9:  # how URDB writes that there is no limit
        most = None
    return _Tier(round((rate or 0.0) + (adj or 0.0), 12), sell, most, str(tier.get("unit", "kWh")))


def _schedules(rate: Mapping[str, Any], what: str, n_periods: int) -> dict[str, list[list[int]]]:
    found = {}
    for days in ("weekday", "weekend"):
        key = f"{what}{days}schedule"
        table = rate.get(key)
        if not isinstance(table, list) or len(table) != 12 or not all(_is_row(row, 24, n_periods) for row in table):
            raise ValueError(f"{key}: expected 12 months of 24 periods from 0 to {n_periods - 1}")
        found[days] = table
    return found


def _is_row(row: Any, n: int, n_periods: int) -> bool:
    return (
        isinstance(row, list)
        and len(row) == n
        and all(isinstance(p, int) and not isinstance(p, bool) and 0 <= p < n_periods for p in row)
    )


def _number(values: Mapping[str, Any], key: str, where: str = "") -> float | None:
    value = values.get(key)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        raise ValueError(f"{where}{'.' if where else ''}{key}: expected a number, got {said(value)}")
    return float(value)


def _counts(value: Any) -> bool:
    """Whether a field says anything but nothing."""
    if isinstance(value, Mapping):
        return any(_counts(each) for each in value.values())
    if isinstance(value, list):
        return any(_counts(each) for each in value)
    return value not in (None, 0, 0.0, "", False)


def _year(rate: Mapping[str, Any]) -> int | None:
    seconds = _number(rate, "startdate")
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).year
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"startdate: expected seconds since 1970, got {seconds:g}") from None
