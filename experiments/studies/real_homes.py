"""Worlds of the study of learning on real homes: CityLearn's among other devices, and generated ones in their place.

Both have the same kinds, tariff and real spot prices; the homes differ. CityLearn's are as the data have them, each
with its own roof and battery. Generated ones have roofs and batteries of the same sizes, and draw as much on average as
those of CityLearn in the weeks of training: what anybody may know of homes before they are played.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bank import Bank
from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.clock import midnight
from gridbazaar.data.loaders.citylearn_devices import Devices
from gridbazaar.data.loaders.files import read_files
from gridbazaar.data.loaders.readings import read_options
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.files import write_text
from gridbazaar.experiments.homes import Homes, read_homes

Floats = NDArray[np.float64]

SCENARIO = Path(__file__).parent / "real_homes.toml"
HOMES, PRICES = "citylearn2022", "spot_prices/NL_day_ahead_2019_2024_clean_utc.csv"
"""What a folder of data sets has to hold: a CityLearn folder, and day-ahead prices with ``utc`` and ``eur_per_mwh``."""
MARKET = "Europe/Amsterdam"
WEEKS_LATER = 365
"""Prices are those of so many weeks after the homes were metered: the same weekdays and seasons, in 2023 and 2024."""
_HOUR_MIN = 60
_DAY_H = 24


@dataclass(frozen=True, slots=True)
class World:
    """A world as a run or an evaluation takes it: ``load_scenario(scenario, **overrides)``."""

    overrides: Mapping[str, Any]
    scenario: str = str(SCENARIO)

    def load(self, **more: Any) -> Scenario:
        """Read it, perhaps with more overrides."""
        return load_scenario(self.scenario, **{**self.overrides, **more})


@dataclass(frozen=True, slots=True)
class Worlds:
    """The homes of CityLearn, and generated ones in their place."""

    real: World
    generated: World
    homes: tuple[str, ...]  # that are played
    left_out: tuple[str, ...]  # whose data are no good
    train_kwh_per_day: float  # a home, mean of the training weeks
    spot_cur_per_kwh: float  # mean


def check_datasets(datasets: Path) -> None:
    """Refuse a folder that does not hold what the study needs.

    Raises:
        FileNotFoundError: names what is missing, and where it was looked for.
    """
    wanted = {f"{HOMES}/schema.json": "a CityLearn folder of 2022", PRICES: "Dutch day-ahead prices"}
    missing = [f"{name} ({what})" for name, what in wanted.items() if not (datasets / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{datasets}: expected {' and '.join(missing)}, found none; let GRIDBAZAAR_DATASETS name a folder with them"
        )


def make_worlds(datasets: Path, out: Path) -> Worlds:
    """Read the data sets, and write what the two worlds are played on into a folder.

    Args:
        datasets: see ``check_datasets``.
        out: holds then homes.csv and prices.csv, which the runs of this study name.
    """
    check_datasets(datasets)
    found = read_homes(datasets / HOMES)
    bank = found.loaded.bank
    spot = _spot(datasets / PRICES, bank)
    hours = bank.first_day.astype("datetime64[h]") + np.arange(bank.load_kw.shape[1])
    priced = {"time": [str(hour) for hour in hours], "spot_cur_per_kwh": spot}
    series = {f"{name}_load_kw": bank.load_kw[i] for i, name in enumerate(found.names)}
    series |= {f"{name}_pv_kw_per_kwp": bank.pv_kw_per_kwp[i] for i, name in enumerate(found.names)}
    _write(out / "homes.csv", priced | series)
    _write(out / "prices.csv", priced)
    devices, train_kwh = found.devices, _train_kwh_per_day(bank)
    battery = _battery(found)
    real = {
        "data.path": str(out / "homes.csv"), "prosumer.count": len(devices),
        "prosumer.known": [{"pv_kwp": one.pv_kwp, "battery_kwh": one.battery_kwh} for one in devices],
    }  # fmt: skip
    generated = {
        "data.path": str(out / "prices.csv"), "data.mean_load_kwh_per_day": round(train_kwh, 3),
        "prosumer.count": len(devices), "prosumer.pv_share": _share(devices, "pv_kwp"),
        "prosumer.pv_kwp": _range(devices, "pv_kwp"), "prosumer.battery_share": _share(devices, "battery_kwh"),
        "prosumer.battery_kwh": _range(devices, "battery_kwh"),
    }  # fmt: skip
    left_out = tuple(name for name, _ in found.loaded.report.refused)
    return Worlds(
        World(real | battery), World(generated | battery), found.names, left_out, train_kwh, float(spot.mean())
    )


def _spot(path: Path, bank: Bank) -> Floats:
    """[n_steps] price of the market's clock, which people's clock is taken to be, ``WEEKS_LATER`` weeks later."""
    columns = ("utc=time", "eur_per_mwh=spot_cur_per_mwh")
    held = read_files([path], read_options("Etc/UTC", ("gaps",), "begin", columns))
    if held.spot is None or held.spot[1] != _HOUR_MIN:
        raise ValueError(f"{path}: expected hourly prices in columns utc and eur_per_mwh, got none")
    first = bank.first_day.astype("datetime64[D]") + np.timedelta64(7 * WEEKS_LATER, "D")
    calendar = make_calendar(first, bank.n_days, _HOUR_MIN, MARKET)
    begin = int((midnight(first, MARKET) - midnight(held.first_day, None)) // np.timedelta64(1, "h"))
    if begin < 0 or begin + calendar.n_steps > len(held.spot[0]):
        last = held.first_day + np.timedelta64(held.n_days - 1, "D")
        raise ValueError(
            f"{path}: expected prices of {bank.n_days} days from {first} on, got those from {held.first_day} to {last}"
        )
    prices: Floats = calendar.by_clock(held.spot[0][begin : begin + calendar.n_steps]).ravel()
    return prices


def _train_kwh_per_day(bank: Bank) -> float:
    """Mean load of a home on the days of training."""
    days = bank.start_days("train", start_h=0.0, n_steps=_DAY_H)
    by_day = bank.load_kw.reshape(len(bank.load_kw), -1, _DAY_H).sum(axis=2)
    return float(by_day[:, days].mean())


def _battery(found: Homes) -> dict[str, Any]:
    """What all batteries of homes have in common: duration and efficiency."""
    held = [one for one in found.devices if one.battery_kwh]
    kinds = {(round(one.battery_kwh / one.battery_kw, 6), one.efficiency) for one in held}
    if len(kinds) != 1:
        raise ValueError(f"{found.folder}: expected batteries of one duration and efficiency, got {len(kinds)} kinds")
    duration_h, efficiency = kinds.pop()
    return {"prosumer.duration_h": duration_h, "prosumer.eta_ch": efficiency, "prosumer.eta_dis": efficiency}


def _share(devices: tuple[Devices, ...], name: str) -> float:
    """Of the homes, those that have a device."""
    return float(np.mean([getattr(one, name) > 0 for one in devices]))


def _range(devices: tuple[Devices, ...], name: str) -> list[float]:
    """Smallest and largest size of a device among the homes that have it."""
    sizes = [getattr(one, name) for one in devices if getattr(one, name) > 0]
    return [min(sizes), max(sizes)]


def _write(path: Path, columns: Mapping[str, Any]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(_cells(values) for values in columns.values()), strict=True))
    write_text(path, text.getvalue())


def _cells(values: Any) -> list[str]:
    return values if isinstance(values, list) else [repr(float(x)) for x in values]
