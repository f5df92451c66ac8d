"""Bills of a year by SAM's utility rate module (NLR-PySAM, BSD-3-Clause): writes ``pysam.json`` beside this file.

Run by hand in an environment of its own, from the root of the repository; nothing of ours imports PySAM:

    python -m venv elsewhere && elsewhere/bin/pip install NLR-PySAM==8.0.0 numpy
    PYTHONPATH=. elsewhere/bin/python tests/golden/bills/oracle.py

SAM's calendar: 8760 hours from a Monday, 1 January; no holidays, no clock changes. Powers in kW, at least 0.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

NO_LIMIT = 1e38
MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
MONTHS = [m for m in range(12) for _ in range(24 * MONTH_DAYS[m])]
HERE = Path(__file__).parent


def home(scale: float = 1.0) -> tuple[list[float], list[float]]:
    """Load and sun of the year by a formula, kW."""
    load, sun = [], []
    for row in range(8760):
        day, hour = divmod(row, 24)
        base = 0.5 + 0.15 * math.cos(2 * math.pi * (day - 15) / 365) + 0.05 * ((7919 * row) % 13) / 13
        base += 0.4 * (17 <= hour < 22) + 0.2 * (day % 7 >= 5 and 9 <= hour < 15)
        load.append(round(base, 4))
        up = max(0.0, math.sin(math.pi * (hour - 5.5) / 12)) if 6 <= hour < 18 else 0.0
        clear = (0.65 - 0.35 * math.cos(2 * math.pi * (day + 10) / 365)) * (0.4 + 0.6 * ((31 * day) % 7) / 6)
        sun.append(scale * round(3.2 * up * clear, 4))
    return load, sun


def plan(of: Any) -> list[list[int]]:
    """A schedule of periods by month and hour."""
    return [[of(month, hour) for hour in range(24)] for month in range(12)]


def always(period: int) -> list[list[int]]:
    return plan(lambda month, hour: period)


def year_of(scale: float = 1.0, rows_per_hour: int = 1, spike_kw: float = 0.0, **rates: Any) -> list[float]:
    """Twelve monthly bills."""
    import PySAM.Utilityrate5 as utility

    load, sun = home(scale)
    load, sun = ([x for x in series for _ in range(rows_per_hour)] for series in (load, sun))
    if spike_kw:
        load[17 * rows_per_hour] = spike_kw
    model: Any = utility.new()
    model.Lifetime.analysis_period = 1
    model.Lifetime.inflation_rate = 0
    model.Lifetime.system_use_lifetime_output = 0
    model.SystemOutput.gen = sun
    model.SystemOutput.degradation = [0]
    model.Load.load = load
    usual = {
        "en_electricity_rates": 1, "rate_escalation": [0], "ur_metering_option": 2, "ur_monthly_fixed_charge": 0,
        "ur_monthly_min_charge": 0, "ur_annual_min_charge": 0, "ur_nm_yearend_sell_rate": 0, "ur_nm_credit_month": 11,
        "ur_nm_credit_rollover": 0, "ur_sell_eq_buy": 0, "ur_en_ts_sell_rate": 0, "ur_ts_sell_rate": [0],
        "ur_en_ts_buy_rate": 0, "ur_ts_buy_rate": [0], "ur_ec_sched_weekday": always(1),
        "ur_ec_sched_weekend": always(1), "ur_ec_tou_mat": [[1, 1, NO_LIMIT, 0, 0.30, 0.0]], "ur_dc_enable": 0,
    }  # fmt: skip
    for name, value in (usual | rates).items():
        setattr(model.ElectricityRates, name, value)
    model.execute(0)
    return [round(x, 8) for x in model.Outputs.utility_bill_w_sys_ym[1]]


def flat(buy: float, sell: float) -> dict[str, Any]:
    return {"ur_ec_tou_mat": [[1, 1, NO_LIMIT, 0, buy, sell]]}


def time_of_use(sell: float) -> dict[str, Any]:
    def weekday(month: int, hour: int) -> int:
        peak, summer = 16 <= hour < 21, 5 <= month <= 8
        return (1 if summer else 3) if peak else (2 if summer else 4)

    def weekend(month: int, hour: int) -> int:
        return 5 if weekday(month, hour) == 1 else weekday(month, hour)

    prices = {1: 0.54, 2: 0.22, 3: 0.50, 4: 0.21, 5: 0.40}
    return {
        "ur_ec_sched_weekday": plan(weekday), "ur_ec_sched_weekend": plan(weekend),
        "ur_ec_tou_mat": [[period, 1, NO_LIMIT, 0, price, sell] for period, price in prices.items()],
    }  # fmt: skip


def power(*tiers: tuple[float, float]) -> dict[str, Any]:
    """Monthly peaks of any hour, by tiers of kW."""
    return {
        "ur_dc_enable": 1, "ur_dc_sched_weekday": always(1), "ur_dc_sched_weekend": always(1),
        "ur_dc_tou_mat": [[1, 1, NO_LIMIT, 0.0]],
        "ur_dc_flat_mat": [[m, t, limit, price] for m in range(12) for t, (limit, price) in enumerate(tiers, 1)],
    }  # fmt: skip


def hourly() -> tuple[list[float], list[float]]:
    """Prices to buy and to sell of every hour."""
    buy, sell = [], []
    for row, month in enumerate(MONTHS):
        hour = row % 24
        buy.append(round(0.25 + 0.1 * (16 <= hour < 21) + 0.001 * (row % 5), 5))
        sell.append(round(0.02 + 0.001 * hour + 0.0005 * month - (0.05 if hour == 12 and month == 4 else 0), 5))
    return buy, sell


def cases() -> dict[str, list[float]]:
    """Every case by the name that the test has for it."""
    buy, sell = hourly()
    on_peak = plan(lambda month, hour: 2 if 16 <= hour < 21 else 1)
    every_buy: dict[str, Any] = {"ur_en_ts_buy_rate": 1, "ur_ts_buy_rate": buy}
    every_sell: dict[str, Any] = {"ur_en_ts_sell_rate": 1, "ur_ts_sell_rate": sell}
    bank: dict[str, Any] = {"ur_metering_option": 0, "ur_nm_yearend_sell_rate": 0.03}
    fixed: dict[str, Any] = {"ur_monthly_fixed_charge": 5}
    carried: dict[str, Any] = {"ur_metering_option": 3, "ur_nb_apply_credit_current_month": 1, **every_sell}
    ratchet: dict[str, Any] = {
        "ur_enable_billing_demand": 1, "ur_billing_demand_lookback_percentages": [[80.0, 1.0]] * 12,
        "ur_billing_demand_lookback_period": 11, "ur_billing_demand_minimum": 0.9,
        "ur_dc_billing_demand_periods": [[1, 1]], "ur_yearzero_usage_peaks": [0.0] * 12,
    }  # fmt: skip
    two_peaks = power((NO_LIMIT, 0.0)) | {"ur_dc_sched_weekday": on_peak}
    two_peaks["ur_dc_tou_mat"] = [[1, 1, NO_LIMIT, 2.0], [2, 1, NO_LIMIT, 8.0]]
    return {
        "flat": year_of(**flat(0.30, 0.08)),
        "time_of_use": year_of(**time_of_use(0.05)),
        "tiers": year_of(ur_ec_tou_mat=[[1, 1, 200, 0, 0.2, 0], [1, 2, 400, 0, 0.3, 0], [1, 3, NO_LIMIT, 0, 0.4, 0]]),
        "daily_tiers": year_of(ur_ec_tou_mat=[[1, 1, 10, 2, 0.2, 0], [1, 2, NO_LIMIT, 2, 0.4, 0]]),
        "tiers_in_periods": year_of(
            ur_ec_sched_weekday=on_peak,
            ur_ec_tou_mat=[[1, 1, 150, 0, 0.2, 0], [1, 2, NO_LIMIT, 0, 0.3, 0], [2, 1, 150, 0, 0.4, 0],
                           [2, 2, NO_LIMIT, 0, 0.5, 0]],
        ),
        "peak": year_of(**power((NO_LIMIT, 12.0))),
        "peak_by_time_of_use": year_of(**two_peaks),
        "peak_tiers": year_of(**power((0.8, 3.0), (NO_LIMIT, 10.0))),
        "peak_of_half_hours": year_of(rows_per_hour=2, spike_kw=4.0, **power((NO_LIMIT, 12.0))),
        "ratchet": year_of(**power((NO_LIMIT, 12.0)), **ratchet),
        "bank_december": year_of(2.5, **bank, ur_nm_credit_month=11),
        "bank_march": year_of(2.5, **bank, ur_nm_credit_month=2),
        "bank_september": year_of(2.5, **bank, ur_nm_credit_month=8),
        "bank_by_period": year_of(2.5, **time_of_use(0.05), ur_metering_option=0),
        "money": year_of(**time_of_use(0.05), ur_metering_option=1, ur_sell_eq_buy=1),
        "money_paid_out": year_of(2.5, **time_of_use(0.05), ur_metering_option=1, ur_sell_eq_buy=1),
        "hourly": year_of(**every_buy, **every_sell),
        "time_of_use_hourly_sell": year_of(**time_of_use(0.0), **every_sell),
        "carried_then_lost": year_of(2.5, **carried, ur_nb_credit_expire=1),
        "carried_then_paid": year_of(2.5, **carried, ur_nb_credit_expire=0),
        "fixed": year_of(ur_monthly_fixed_charge=12.5, **flat(0.30, 0.08)),
        "minimum_month": year_of(**fixed, ur_monthly_min_charge=60, **flat(0.30, 0.08)),
        "minimum_year": year_of(**fixed, ur_annual_min_charge=1000, **flat(0.30, 0.08)),
        "bank_with_minimum": year_of(2.5, **fixed, ur_metering_option=0, ur_monthly_min_charge=10),
        "buy_all_sell_all": year_of(ur_metering_option=4, **flat(0.30, 0.08)),
    }  # fmt: skip


def main() -> None:
    """Write the bills with the version that made them."""
    import PySAM

    found = {"made_by": f"NLR-PySAM {PySAM.__version__}, module Utilityrate5", "tolerance_cur": 0.01, "bills": cases()}
    (HERE / "pysam.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
