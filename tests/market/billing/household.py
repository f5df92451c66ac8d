"""Households for bills: rows from local midnight to local midnight, with kWh at times of the local clock."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from gridbazaar.market.billing.bill import Bill, bill, cents
from gridbazaar.market.billing.metered import Metered, metered
from gridbazaar.market.design import Design
from gridbazaar.market.designs import load_design

AT = "Europe/Vienna"
HEAD: dict[str, Any] = {
    "title": "by hand", "region": "AT", "year": 2025, "currency": "EUR", "tz": AT, "source": "by hand",
}  # fmt: skip
RETAIL: dict[str, Any] = {"line": "retail", "to": "retailer", "flow": "import"}
SOLD: dict[str, Any] = {"line": "retail", "to": "retailer", "flow": "export"}
NETWORK: dict[str, Any] = {"line": "network", "to": "network_operator", "flow": "import"}
TAX: dict[str, Any] = {"line": "tax", "to": "state", "flow": "import"}
FIXED: dict[str, Any] = {"line": "fixed", "to": "network_operator"}
JANUARY = ("2025-01-01", "2025-01-31")
CAPACITY: dict[str, Any] = {"line": "capacity", "to": "network_operator"}
Hours = Mapping[str, float]


def design(*charges: dict[str, Any], **fields: Any) -> Design:
    """A design of some charges."""
    return load_design({**HEAD, "charges": list(charges), **fields})


def at(day: str, *hours: float, kwh: float = 1.0) -> dict[str, float]:
    """The same kWh at hours of a day."""
    return {f"{day}T{int(hour):02d}:{round(hour % 1 * 60):02d}": kwh for hour in hours}


def rows(
    first: str, last: str, drawn: Hours, fed_in: Hours | None = None, step_min: int = 60, tz: str = AT, **others: Any
) -> Metered:
    """Rows of whole local days, both included; zero where nothing is given. Others may be by time too."""
    zone = ZoneInfo(tz)
    begin, end = (
        datetime.combine(date.fromisoformat(day) + timedelta(days=more), datetime.min.time(), zone).astimezone(UTC)
        for day, more in ((first, 0), (last, 1))
    )
    n = round((end - begin).total_seconds() / 60 / step_min)

    def series(by_time: Hours) -> np.ndarray[Any, Any]:
        found = np.zeros(n)
        for time, value in by_time.items():
            moment = datetime.fromisoformat(time).replace(tzinfo=zone).astimezone(UTC)
            found[round((moment - begin).total_seconds() / 60) // step_min] += value
        return found

    local = {name: series(value) for name, value in others.pop("local_kwh", {}).items()}
    given = {name: series(value) if isinstance(value, dict) else value for name, value in others.items()}
    if local:
        given["local_kwh"] = local
    if "spot_cur_per_kwh" in given:
        given["spot_cur_per_kwh"] = np.asarray(given["spot_cur_per_kwh"])
    start = np.datetime64(begin.replace(tzinfo=None), "s")
    return metered(start, step_min, series(drawn), series(fed_in or {}), **given)


def due(design: Design, data: Metered, **options: Any) -> str:
    """The bill of the first customer, as money is written."""
    return money(bill(design, data, **options).total_cur[0])


def months(found: Bill) -> list[str]:
    """Month by month."""
    return [f"{x / 100:.2f}" for x in found.month_cents[0]]


def money(cur: float) -> str:
    """Rounded to cents."""
    return f"{int(cents(np.asarray(cur))) / 100:.2f}"


def day_by_month(year: int, values: Sequence[float], hour: int = 12, day: int = 10) -> dict[str, float]:
    """One value a month, January first."""
    return {f"{year}-{m:02d}-{day:02d}T{hour:02d}:00": value for m, value in enumerate(values, 1)}


class Home(NamedTuple):
    """A year of 8760 hours from a Monday on."""

    load_kwh: np.ndarray[Any, Any]
    pv_kwh: np.ndarray[Any, Any]


@lru_cache(maxsize=4)
def formula_home(scale: float = 1.0) -> Home:
    """The home of the year by a formula (reference: two programs agree on it)."""
    load, pv = [], []
    for i in range(8760):
        day, hour = divmod(i, 24)
        evening, brunch = 17 <= hour < 22, day % 7 >= 5 and 9 <= hour < 15
        wave = 0.15 * math.cos(2 * math.pi * (day - 15) / 365) + 0.05 * ((7919 * i) % 13) / 13
        load.append(round(0.5 + 0.4 * evening + 0.2 * brunch + wave, 4))
        height = math.sin(math.pi * (hour - 5.5) / 12) if 6 <= hour < 18 else 0.0
        season = 0.65 - 0.35 * math.cos(2 * math.pi * (day + 10) / 365)
        pv.append(round(max(0.0, 3.2 * height * season * (0.4 + 0.6 * ((31 * day) % 7) / 6)), 4) * scale)
    return Home(np.array(load), np.array(pv))


def formula_rows(scale: float = 1.0, **others: Any) -> Metered:
    """That home from 1 January 2018, a Monday, on a clock that nobody changes."""
    home = formula_home(scale)
    net = home.load_kwh - home.pv_kwh
    return metered(
        "2018-01-01", 60, np.maximum(net, 0.0), np.maximum(-net, 0.0), timezone="Etc/UTC", load_kwh=home.load_kwh,
        pv_kwh=home.pv_kwh, **others,
    )  # fmt: skip
