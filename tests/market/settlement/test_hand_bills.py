"""Bills that fit on a hand: meter readings, a tariff, and what is due to the cent.

Three ways must agree: the sum by hand, the independent biller, and the prices and the settlement of the market.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from gridbazaar.data.units import MICRO
from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.orders import Clearing, Orders, Setting
from gridbazaar.market.settlement.position import Delivery
from gridbazaar.market.settlement.settle import Rates, Terms, settle
from gridbazaar.market.tariff import Tariff, Window, price
from tests.biller import Row, bill_cur, cents

FLAT: dict[str, Any] = {
    "energy_cur_per_kwh": 0.16, "network_cur_per_kwh": 0.08, "tax_cur_per_kwh": 0.06,
    "local_network_cur_per_kwh": 0.02, "export_cur_per_kwh": 0.08,
}  # fmt: skip
TOU = FLAT | {
    "windows": [
        {"from_h": 0.0, "to_h": 6.0, "add_cur_per_kwh": -0.08},
        {"from_h": 16.0, "to_h": 21.0, "add_cur_per_kwh": 0.12},
    ]
}
SPOT = FLAT | {"spot_factor": 1.2, "energy_cur_per_kwh": 0.02, "export_cur_per_kwh": 0.06}
SHARED = {"energy_cur_per_kwh": 0.30, "export_cur_per_kwh": 0.10}


class Bill(NamedTuple):
    """A bill and what it is due."""

    tariff: dict[str, Any]
    rows: list[Row]
    due_cur: float
    hours: float = 0.0


def kwh(*metered: float, **same: Any) -> list[Row]:
    return [Row(x, **same) for x in metered]


def at(*rows: tuple[float, float], **same: Any) -> list[Row]:
    """Rows of (hour, metered)."""
    return [Row(metered, hour=hour, **same) for hour, metered in rows]


def week(sunday: int) -> list[Row]:
    """Half a kW, 2 kW in the hour after 2 and 1.5 kW after 19; the clock shows 2 h ``sunday`` times on Sunday."""
    shown = [
        (day, hour) for day in range(7) for hour in range(24) for _ in range(sunday if (day, hour) == (6, 2) else 1)
    ]
    return [Row({2: 2.0, 19: 1.5}.get(hour, 0.5), hour=float(hour), weekday=day) for day, hour in shown]


EVENINGS = FLAT | {
    "fixed_cur_per_day": 0.30,
    "windows": [
        {"from_h": 0.0, "to_h": 6.0, "add_cur_per_kwh": -0.08},
        {"from_h": 16.0, "to_h": 21.0, "add_cur_per_kwh": 0.12, "weekends": False},
    ],
}

BILLS = {
    # 1.2 + 0.5 + 2.0 kWh at 0.30
    "flat": Bill(FLAT, kwh(1.2, 0.5, 2.0), 1.11),
    # a home without sun on one day: 9.0376 kWh at 0.30, and 0.30 for the day
    "a day with its standing charge": Bill(FLAT | {"fixed_cur_per_day": 0.30}, kwh(4.0, 5.0376), 3.01, 24.0),
    # seven days: 21 kWh at 0.30 and 7 x 0.30
    "a week with its standing charge": Bill(FLAT | {"fixed_cur_per_day": 0.30}, kwh(*[3.0] * 7), 8.40, 168.0),
    # a night is 5 x 0.5 + 2 = 4.5 kWh at 0.22, a weekday 3.5 kWh at 0.42 and 6.5 at 0.30: 4.41 = 0.99 + 1.47 + 1.95;
    # a day of the weekend 10 kWh at 0.30: 3.99 = 0.99 + 3.00; 5 x 4.41 + 2 x 3.99 = 30.03 and 7 x 0.30 = 2.10
    "a week of 168 hours by the clock": Bill(EVENINGS, week(1), 32.13, 168.0),
    # the clock leaves out 2 kWh at 0.22 = 0.44; seven days are seven standing charges
    "a week of 167 hours": Bill(EVENINGS, week(0), 31.69, 168.0),
    # and here it shows that hour twice
    "a week of 169 hours": Bill(EVENINGS, week(2), 32.57, 168.0),
    # half-open windows: 0.30, 0.42, 0.42, 0.30
    "time of use at its boundaries": Bill(TOU, at((15.75, 1.0), (16.0, 1.0), (20.75, 1.0), (21.0, 1.0)), 1.44),
    # 0.30 - 0.08 until six, then 0.30
    "time of use in the morning": Bill(TOU, at((0.0, 2.0), (5.75, 2.0), (6.0, 2.0)), 1.48),
    # Friday 0.42, Saturday 0.30
    "a window on weekdays": Bill(
        FLAT | {"windows": [{"from_h": 16.0, "to_h": 21.0, "add_cur_per_kwh": 0.12, "weekends": False}]},
        [Row(1.0, hour=18.0, weekday=4), Row(1.0, hour=18.0, weekday=5)],
        0.72,
    ),
    # 2 x (0.30 + 0.10) and the weekend's -0.05
    "windows that overlap": Bill(
        {
            "energy_cur_per_kwh": 0.30,
            "windows": [
                {"from_h": 17.0, "to_h": 20.0, "add_cur_per_kwh": 0.10},
                {"from_h": 0.0, "to_h": 24.0, "add_cur_per_kwh": -0.05, "weekdays": False},
            ],
        },
        at((18.0, 2.0), weekday=6),
        0.70,
    ),
    # 3 kWh at 1.2 x 0.10 + 0.02 + 0.14, 1 kWh sold at 0.06
    "spot": Bill(SPOT, kwh(3.0, -1.0, spot_cur_per_kwh=0.10), 0.78),
    # 1.2 x -0.30 + 0.02 + 0.14 = -0.20 for what is drawn; what is fed in still earns 0.06
    "spot below zero with a fixed feed-in": Bill(SPOT, kwh(5.0, -2.0, spot_cur_per_kwh=-0.30), -1.12),
    # the exporter pays 0.30 a kWh
    "surplus sold at a spot below zero": Bill(
        FLAT | {"export_cur_per_kwh": 0.0, "export_spot_factor": 1.0}, kwh(-2.0, spot_cur_per_kwh=-0.30), 0.60
    ),
    # net metering: 22 kWh in, 8 kWh out at 0.30, and 0.30 standing
    "feed-in at retail": Bill(
        FLAT | {"export_cur_per_kwh": 0.30, "fixed_cur_per_day": 0.30}, kwh(10.0, -8.0, 12.0), 4.50, 24.0
    ),
    "feed-in below retail": Bill(
        FLAT | {"export_cur_per_kwh": 0.28, "fixed_cur_per_day": 0.30}, kwh(10.0, -8.0, 12.0), 4.66, 24.0
    ),
    "feed-in above retail": Bill(
        FLAT | {"export_cur_per_kwh": 0.40, "fixed_cur_per_day": 0.30}, kwh(10.0, -8.0, 12.0), 3.70, 24.0
    ),
    # 10 x (0.0698 + 0.0072)
    "network and tax alone": Bill(
        {"network_cur_per_kwh": 0.0698, "tax_cur_per_kwh": 0.0072}, kwh(4.0, -3.0, 6.0), 0.77
    ),
    # 4 kWh from a neighbour at 0.19 and 0.02, 1 kWh from the retailer at 0.30
    "local fee discount": Bill(FLAT, [Row(5.0, 4.0, 0.76)], 1.14),
    # the seller: 4 kWh for 0.76, 1 kWh to the retailer at 0.08
    "a neighbour's sale": Bill(FLAT, [Row(-5.0, -4.0, -0.76)], -0.84),
    # sold 2 kWh for 0.38, fed in 0.5: 1.5 kWh bought at 0.30
    "a sale that was not delivered": Bill(FLAT, [Row(-0.5, -2.0, -0.38)], 0.07),
    # bought 2 kWh for 0.38 and 0.04, drew 0.5: 1.5 kWh sold at 0.08
    "a purchase that was not needed": Bill(FLAT, [Row(0.5, 2.0, 0.38)], 0.30),
    # 3 kWh ordered, 1 withheld and paid for apart: still 3 kWh at 0.30
    "a draw that was withheld": Bill(FLAT, [Row(2.0, withheld_kwh=-1.0)], 0.90),
    # 5 kWh bought at 0.20 from members, 2 kWh at 0.30
    "mid-market rate, a buyer": Bill(SHARED, [Row(7.0, 5.0, 1.00)], 1.60),
    # 5 kWh of 8 sold to members at 0.20, 3 at 0.10
    "mid-market rate, a seller": Bill(SHARED, [Row(-8.0, -5.0, -1.00)], -1.30),
    # a battery: scheduled 4, drew 5, sold back 2 of 3: 0.30 x 7, then 1 kWh at 0.35, then 2 kWh at 0.03
    "a balance-responsible party": Bill(FLAT, [Row(5.0, scheduled_kwh=4.0), Row(1.0, scheduled_kwh=3.0)], 2.39),
    # worked case 75: 2 kWh of neighbours at 0.20 with 0.02, and 1.1 kWh at 0.30: what was not scheduled is retail
    "case 75, a home": Bill(FLAT, [Row(3.1, 2.0, 0.40)], 0.77),
    # 0.5 kWh were scheduled; 0.6 kWh more are never better than the tariff: at 0.35
    "case 75, a balance-responsible party": Bill(FLAT, [Row(3.1, 2.0, 0.40, scheduled_kwh=0.5)], 0.80),
}


def market_cur(bill: Bill) -> float:
    """What the market bills for the rows, each one environment with one agent and a neighbour on the other side."""
    table, rows = dict(bill.tariff), bill.rows
    windows = tuple(Window(**window) for window in table.pop("windows", ()))
    tariff = Tariff("hand", "by hand", windows=windows, **table)
    spot, hour, weekday = (
        np.array([getattr(row, name) for row in rows]) for name in ("spot_cur_per_kwh", "hour", "weekday")
    )
    prices = price(tariff, spot, hour, weekday, step_h=0.25)
    names = ("energy", "network", "tax", "local_network", "local_tax", "export", "spot")
    imbalance = np.full_like(prices.energy, round(tariff.imbalance_cur_per_kwh * MICRO))
    rates = Rates(**{name: getattr(prices, name) for name in names}, imbalance=imbalance)

    def ukwh(*values: float) -> Any:
        return np.rint(np.array(values) * MICRO).astype(np.int64)

    none = 0 * prices.energy
    local, paid = ukwh(*(row.local_kwh for row in rows)), ukwh(*(row.paid_cur for row in rows))
    scheduled = ukwh(*(0.0 if row.scheduled_kwh is None else row.scheduled_kwh for row in rows))
    withheld = ukwh(*(row.withheld_kwh for row in rows))
    columns = np.stack([none] * 4, axis=1)
    clearing = Clearing(
        np.stack([local, -local, none, none], axis=1), np.stack([scheduled, none, none, none], axis=1),
        np.stack([paid, -paid, none, none], axis=1), columns, none, none, none, none, none, none,
    )  # fmt: skip
    metered, nothing = ukwh(*(row.metered_kwh for row in rows)), np.zeros((len(rows), 2), np.int64)
    delivery = Delivery(np.stack([metered, -local], axis=1), np.stack([withheld, none], axis=1), nothing, none)
    fixed = np.zeros((len(rows), 2), np.int64)
    fixed[0, 0] = round(tariff.fixed_cur_per_day * bill.hours / 24 * MICRO)
    is_brp = np.array([rows[0].scheduled_kwh is not None, False])
    terms = Terms(is_brp, np.array([1, 1]), 0 * fixed, fixed)
    orders = Orders(columns, columns, np.array([0, 1, 0, 1]), np.zeros(4, np.int64))
    found = settle(orders, clearing, Setting(prices.upper, prices.export), delivery, rates, terms)
    lines = sum(found.line(line)[:, 0].sum() for line in ("market", "retail", "network", "tax", "imbalance", "fixed"))
    return float(lines) / MICRO


@pytest.mark.parametrize("name", BILLS)
def test_hand_biller_and_market_agree_to_the_cent(name: str) -> None:
    bill = BILLS[name]
    assert cents(bill_cur(bill.tariff, bill.rows, bill.hours)) == bill.due_cur
    assert round(market_cur(bill), 2) == bill.due_cur


def test_the_mid_market_rate_pays_what_the_hand_bills_say() -> None:
    """7 kWh are drawn and 5 + 8 fed in, in two hours: members trade at 0.20, the retailer gives and takes the rest."""
    energy = np.array([[7_000_000, -5_000_000], [5_000_000, -8_000_000]])
    orders = Orders(energy, 0 * energy, np.array([0, 1]), np.array([0, 0]))
    setting = Setting(np.full(2, 300_000), np.full(2, 100_000))
    found = load_mechanism("mid_market_rate")(orders, setting)
    assert found.pay_ucur.tolist() == [[1_000_000, -1_000_000]] * 2
    assert found.outside_ukwh.tolist() == [[2_000_000, 0], [0, -3_000_000]]
