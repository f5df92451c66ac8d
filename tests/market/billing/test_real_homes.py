"""Bills of real homes: what a battery is worth under net metering and under net billing."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.data.loaders.citylearn import read_citylearn
from gridbazaar.market.billing.bill import bill
from gridbazaar.market.billing.metered import Metered, metered
from gridbazaar.market.charge import Charge
from gridbazaar.market.design import Design
from gridbazaar.market.designs import load_design

Floats = NDArray[np.float64]
FOLDER = Path(os.environ.get("GRIDBAZAAR_DATASETS", "")) / "citylearn2022"
SOUND = (1, 2, 3, 6, 8, 9, 10, 13, 16, 17)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (FOLDER / "schema.json").is_file(), reason="GRIDBAZAAR_DATASETS has no citylearn2022"),
]


def homes() -> tuple[Floats, Floats]:
    """Net power of the ten sound homes, [10, 8760] kW, and their roofs in kWp."""
    buildings = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))["buildings"]
    found = [home for home in read_citylearn(FOLDER).homes if int(home.name.split("_")[1]) in SOUND]
    kwp = np.array([buildings[home.name]["pv"]["attributes"]["nominal_power"] for home in found])
    roofs = [home.pv_kw_per_kwp for home in found if home.pv_kw_per_kwp is not None]
    return np.stack([home.load_kw for home in found]) - kwp[:, None] * np.stack(roofs), kwp


def with_battery(net_kw: Floats, capacity_kwh: Floats, efficiency: float = 0.9) -> Floats:
    """Store whatever is left and use it as soon as it is missed, at half the capacity an hour."""
    stored, after = np.zeros(len(net_kw)), net_kw.copy()
    for hour in range(net_kw.shape[1]):
        left = -net_kw[:, hour]
        taken = np.minimum(np.clip(left, 0.0, capacity_kwh / 2), (capacity_kwh - stored) / efficiency)
        given = np.minimum(np.clip(-left, 0.0, capacity_kwh / 2), stored * efficiency)
        stored += taken * efficiency - given / efficiency
        after[:, hour] += taken - given
    return after


def of(net_kw: Floats) -> Metered:
    """From 1 August 2016 on the clock of the homes, of which every day has 24 hours."""
    drawn, fed_in = np.maximum(net_kw, 0.0), np.maximum(-net_kw, 0.0)
    return metered("2016-08-01T07:00", 60, drawn, fed_in, timezone="Etc/GMT+7")


def test_a_battery_is_worth_twice_as_much_under_net_billing() -> None:
    """About 250 USD a year under net metering and 535 where export earns 7 ct, with 1.6 kWh a kWp."""
    plain = replace(load_design("us_ca_sce_tou"), holidays="")
    sold = Charge("retail", "retailer", flow="export", cur_per_kwh=0.07)
    designs: dict[str, Design] = {
        "billing": replace(plain, charges=(*plain.charges, sold)),
        "metering": replace(load_design("us_ca_nem2"), holidays=""),
    }
    net_kw, kwp = homes()
    stored = of(with_battery(net_kw, 1.6 * kwp))
    worth = {
        name: float((bill(each, of(net_kw)).total_cur - bill(each, stored).total_cur).mean())
        for name, each in designs.items()
    }
    assert worth["metering"] == pytest.approx(250.0, rel=0.10)
    assert worth["billing"] == pytest.approx(535.0, rel=0.10)
