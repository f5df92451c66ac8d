"""An independent biller: what a meter owes by the letter of its tariff, in exact fractions.

It reads the table of a tariff, meter readings and local trades, and nothing of the code that it judges. Whoever is not
balance-responsible pays its tariff on metered less local trade less what the operator withheld, netted before it is
priced; a local kWh bought bears its own charges. Who is balance-responsible pays the tariff on its schedule and for the
rest an imbalance price that is never better than any side of the tariff.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

LINES = ("market", "retail", "network", "tax", "imbalance", "fixed")


class Row(NamedTuple):
    """One interval of one meter; positive is drawn, bought, paid."""

    metered_kwh: float
    local_kwh: float = 0.0  # traded with neighbours
    paid_cur: float = 0.0  # for that
    withheld_kwh: float = 0.0  # injection that the operator withheld; < 0 draw
    scheduled_kwh: float | None = None  # with the retailer, of who is balance-responsible
    hour: float = 12.0  # of the local clock, at the beginning
    weekday: int = 0  # 0 is Monday
    spot_cur_per_kwh: float = 0.0


def bill_cur(tariff: Mapping[str, Any], rows: Iterable[Row], hours: float = 0.0) -> dict[str, Fraction]:
    """Give each line of the bill; ``hours`` is how long the standing charge runs."""
    owed = dict.fromkeys(LINES, Fraction(0))

    def of(name: str, default: float = 0.0) -> Fraction:
        return exact(tariff.get(f"{name}_cur_per_kwh", default))

    for row in rows:
        net = exact(row.metered_kwh) - exact(row.local_kwh) - exact(row.withheld_kwh)
        retail = net if row.scheduled_kwh is None else exact(row.scheduled_kwh)
        off, spot = net - retail, exact(row.spot_cur_per_kwh)
        bought = exact(tariff.get("spot_factor", 0.0)) * spot + of("energy")
        for window in tariff.get("windows", ()):
            is_day = window.get("weekdays", True) if row.weekday < 5 else window.get("weekends", True)
            if is_day and window["from_h"] <= row.hour < window["to_h"]:
                bought += exact(window["add_cur_per_kwh"])
        sold = exact(tariff.get("export_spot_factor", 0.0)) * spot + of("export")
        charges = of("network") + of("tax")
        worst = max(bought + charges, sold) if off > 0 else min(bought + charges, sold)
        owed["market"] += exact(row.paid_cur)
        owed["retail"] += retail * (bought if retail > 0 else sold)
        owed["imbalance"] += off * worst + abs(off) * of("imbalance", 0.05)
        for charge in ("network", "tax"):
            owed[charge] += max(retail, Fraction(0)) * of(charge) + exact(max(row.local_kwh, 0.0)) * of(
                f"local_{charge}"
            )
    owed["fixed"] = exact(tariff.get("fixed_cur_per_day", 0.0)) * exact(hours) / 24
    return owed


def power_cur(charge: Mapping[str, Any], kwh: Sequence[Fraction], step_min: int) -> Fraction:
    """Give what a charge on power asks for a month so far, from the net of one meter in rows since its first midnight.

    Power is the mean draw over ``interval_min``; of each day the highest counts, and the mean of the ``n`` highest of
    them is billed, days to come as 0, at ``cur_per_kw`` or by the step that it has reached. No clock is changed.
    """
    rows = max(charge.get("interval_min", 15) // step_min, 1)
    highest: dict[int, Fraction] = {}
    for first in range(0, len(kwh), rows):
        drawn = sum((max(x, Fraction(0)) for x in kwh[first : first + rows]), Fraction(0))
        day = first * step_min // 1440
        highest[day] = max(highest.get(day, Fraction(0)), drawn * 60 / (rows * step_min))
    n: int = charge.get("n", 1)
    billed = max(sum(sorted(highest.values())[-n:], Fraction(0)) / n, exact(charge.get("floor_kw", 0.0)))
    if "steps_kw" not in charge:
        per_kw: Fraction = charge["cur_per_kw"]
        return billed * per_kw
    reached = sum(limit <= billed for limit in charge["steps_kw"])
    return Fraction(charge["step_cur"][reached - 1])


def exact(x: float) -> Fraction:
    """Read a number as it is written: 0.1 is a tenth."""
    return Fraction(repr(float(x)))


def cents(amounts: Mapping[str, Fraction]) -> float:
    """The sum of all lines, rounded to the cent."""
    return round(float(sum(amounts.values())), 2)


def congestion_cur(
    net_kwh: list[float], connections: list[int], caps_kwh: tuple[float, float], scarcity: float, rent: float
) -> list[float]:
    """Give what each pays for a connection with caps on import and export, ``rent`` the clearing's, all per kWh.

    Past a cap everybody pays the scarcity price on what it has through the connection; all but what passed the cap is
    given back, the same for each connection.
    """
    total = sum(net_kwh)
    over = max(total - caps_kwh[0], 0.0) + max(-total - caps_kwh[1], 0.0)
    rent = scarcity * (1 if total > 0 else -1) if over > 0 else rent
    given = (rent * total - scarcity * over) / max(sum(connections), 1)
    return [rent * net - given * n for net, n in zip(net_kwh, connections, strict=True)]
