"""Real homes under tariff designs: what each pays, with its battery at rest and with one that answers the tariff.

Every home is alone behind its meter, with the roof and the battery of its data. The dispatch answers ``signal_of`` a
design; the bills are those of the design itself. A year of netting ends with the last month of the data.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.devices.home.known import Known
from gridbazaar.agents.kinds.prosumer import Config
from gridbazaar.data.clock import midnight
from gridbazaar.data.loaders.citylearn_devices import Devices, citylearn_devices
from gridbazaar.data.loaders.load import read
from gridbazaar.data.loaders.report import Loaded
from gridbazaar.data.units import MICRO
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenario_tables import DataConfig
from gridbazaar.experiments.answering import answered_ukwh
from gridbazaar.experiments.files import replacing_folder, versions, write_json, write_text
from gridbazaar.experiments.workers import Workers
from gridbazaar.market.billing.bill import Bill, bill
from gridbazaar.market.billing.metered import Metered, metered
from gridbazaar.market.design import Design
from gridbazaar.market.signal import signal_of

Floats = NDArray[np.float64]
_HOUR_MIN = 60
REST = "rest"
"""What a battery does that nobody moves."""
COLUMNS = ("home", "design", "currency", "battery", "month", "line", "to", "cur")


@dataclass(frozen=True, slots=True, eq=False)
class Homes:
    """Homes of a folder and the days that are billed."""

    folder: Path
    loaded: Loaded
    devices: tuple[Devices, ...]  # of each home
    dates: tuple[str, str]  # first and last day

    @property
    def names(self) -> tuple[str, ...]:
        return self.loaded.report.used

    @property
    def days(self) -> slice:
        """Steps of the data that are billed."""
        first, last = (np.datetime64(day, "D") for day in self.dates)
        begin = int((first - self.loaded.bank.first_day.astype("datetime64[D]")).astype(np.int64)) * 24
        return slice(begin, begin + int((last - first).astype(np.int64) + 1) * 24)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What was found."""

    homes: Homes
    policy: str
    designs: tuple[Design, ...]
    net_kw: Floats  # [1 + n_designs, n_homes, n_rows] at rest, then under each design
    at_rest: tuple[Bill, ...]  # of all homes, one a design
    answering: tuple[Bill, ...]

    @property
    def worth_cur(self) -> Floats:
        """[n_designs, n_homes] what the battery saves."""
        pairs = zip(self.at_rest, self.answering, strict=True)
        return np.stack([rest.total_cur - answer.total_cur for rest, answer in pairs])


def read_homes(folder: Path, dates: tuple[str, str] | None = None, kwh_per_kwp: float | None = None) -> Homes:
    """Read a CityLearn folder.

    Args:
        folder: it holds schema.json.
        dates: first and last day that are billed; none: all.
        kwh_per_kwp: of every battery, for two hours at full power, in place of those of the schema.
    """
    if not (folder / "schema.json").is_file():
        raise ValueError(f"{folder}: expected a CityLearn folder, which says what roofs and batteries homes have")
    loaded = read(folder, step_min=_HOUR_MIN)
    of = citylearn_devices(folder)
    devices = tuple(of[name] for name in loaded.report.used)
    if kwh_per_kwp is not None:
        sizes = [kwh_per_kwp * one.pv_kwp for one in devices]
        devices = tuple(
            replace(one, battery_kwh=kwh, battery_kw=kwh / 2) for one, kwh in zip(devices, sizes, strict=True)
        )
    bank = loaded.bank
    if bank.pv_kw_per_kwp.shape[0] != len(devices):
        raise ValueError(f"{folder}: expected a roof for each home, got {bank.pv_kw_per_kwp.shape[0]}")
    whole = (
        str(bank.first_day.astype("datetime64[D]")),
        str((bank.first_day + bank.n_days - 1).astype("datetime64[D]")),
    )
    if dates is not None and not whole[0] <= dates[0] <= dates[1] <= whole[1]:
        raise ValueError(f"dates: expected days from {whole[0]} to {whole[1]}, got {dates[0]} to {dates[1]}")
    return Homes(folder, loaded, devices, whole if dates is None else dates)


def answers(
    homes: Homes, designs: Sequence[Design], policy: str, workers: Workers | None = None,
    done: Callable[[int], None] = lambda n: None, *, is_part: bool = False,
) -> Answers:  # fmt: skip
    """Let every home answer every design, and bill it.

    Args:
        homes: that live under the designs.
        designs: of any currency; nothing is converted.
        policy: the rule of the batteries.
        workers: who plays; none: this process.
        done: called with how many designs are played.
        is_part: bill a part of a year of netting.
    """
    bank, rows = homes.loaded.bank, homes.days
    kwp = np.array([one.pv_kwp for one in homes.devices])
    rest_kw = (bank.load_kw - kwp[:, None] * bank.pv_kw_per_kwp)[:, rows]
    billed = tuple(_from_here(design, homes) for design in designs)
    at_rest = tuple(bill(design, _metered(rest_kw, homes), is_part=is_part) for design in billed)
    scenarios = [scenario_of(homes, design) for design in designs]
    met = answered_ukwh(scenarios, policy, len(homes.names), workers, done)[:, :, 0] / MICRO
    answering = tuple(
        bill(design, _metered(kw, homes), is_part=is_part) for design, kw in zip(billed, met, strict=True)
    )
    return Answers(homes, policy, billed, np.concatenate([rest_kw[None], met]), at_rest, answering)


def scenario_of(homes: Homes, design: Design) -> Scenario:
    """Give the world of a home alone under the signal of a design; episode k is home k."""
    sizes, devices = homes.devices, next((one for one in homes.devices if one.battery_kwh), homes.devices[0])
    hours = {round(one.battery_kwh / one.battery_kw, 6) for one in sizes if one.battery_kwh}
    if len(hours) > 1 or len({one.efficiency for one in sizes if one.battery_kwh}) > 1:
        raise ValueError(f"{homes.folder}: expected batteries of one efficiency and duration, got several")
    home = Config(
        count=1, known=tuple(Known(one.pv_kwp, one.battery_kwh) for one in sizes),
        duration_h=next(iter(hours), 1.0), eta_ch=devices.efficiency, eta_dis=devices.efficiency, loss_per_h=0.0,
        start_frac=(0.0, 0.0), wear_cur_per_kwh=0.0,
    )  # fmt: skip
    return Scenario(
        name="homes", currency=design.currency, step_min=_HOUR_MIN, dates=homes.dates, mechanism="none",
        tariff=signal_of(design), feeder="street", data=DataConfig(path=str(homes.folder), all_days=True),
        agents={"prosumer": home},
    )  # fmt: skip


def _from_here(design: Design, homes: Homes) -> Design:
    """Let its year of netting end with the data, as that of a connection made when they begin."""
    netting, last = design.netting, int(homes.dates[1][5:7])
    if netting.period != "year" and netting.true_up_month is None:
        return design
    return replace(design, netting=replace(netting, true_up_month=last))


def _metered(net_kw: Floats, homes: Homes) -> Metered:
    bank = homes.loaded.bank
    begin = midnight(np.datetime64(homes.dates[0], "D"), bank.timezone)
    drawn, fed_in = (np.round(np.maximum(x, 0.0), 6) for x in (net_kw, -net_kw))
    spot = bank.spot_cur_per_kwh[homes.days]
    return metered(begin, _HOUR_MIN, drawn, fed_in, timezone=bank.timezone or "UTC", spot_cur_per_kwh=spot)


def records(found: Answers) -> list[dict[str, Any]]:
    """One record a home, design, battery, month and line; money has six decimals that add up to the bill."""
    made = []
    for how, bills in ((REST, found.at_rest), (found.policy, found.answering)):
        for billed in bills:
            for i, home in enumerate(found.homes.names):
                for m, (year, month) in enumerate(billed.months):
                    for j, entry in enumerate(billed.entries):
                        values = (
                            home, billed.design.name, billed.design.currency, how, f"{year:04d}-{month:02d}",
                            entry.line, entry.to, int(billed.ucur[i, m, j]) / MICRO,
                        )  # fmt: skip
                        made.append(dict(zip(COLUMNS, values, strict=True)))
    return made


def write_answers(found: Answers, folder: Path, *, force: bool = False) -> list[str]:
    """Write every line of every bill as CSV, and totals as JSON; give the paths."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records(found):
        *words, cur = record.values()
        writer.writerow([*words, f"{cur:.6f}"])
    totals = [
        {
            "home": home, "design": design.name, "currency": design.currency,
            "at_rest_cur": round(float(found.at_rest[d].total_cur[i]), 6),
            "answering_cur": round(float(found.answering[d].total_cur[i]), 6),
            "peak_kw": round(float(found.net_kw[0, i].max()), 6),
            "answering_peak_kw": round(float(found.net_kw[1 + d, i].max()), 6),
        }
        for d, design in enumerate(found.designs)
        for i, home in enumerate(found.homes.names)
    ]  # fmt: skip
    devices = {name: one for name, one in zip(found.homes.names, found.homes.devices, strict=True)}
    said = {
        "versions": versions(), "policy": found.policy, "dates": found.homes.dates, "devices": devices,
        "notes": str(found.homes.loaded.report).splitlines(), "totals": totals,
    }  # fmt: skip
    with replacing_folder(folder, force=force) as new:
        write_text(new / "bills.csv", text.getvalue())
        write_json(new / "results.json", said)
    return [str(folder / name) for name in ("bills.csv", "results.json")]
