"""Homes of a folder under designs: each its own roof and battery, at rest and answering."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.homes import REST, answers, read_homes, scenario_of, write_answers
from gridbazaar.market.designs import load_design
from tests.experiments.cli.runner import invoke

N_DAYS = 36
DAYS = ("2016-08-01", "2016-08-02")
KWP, KWH = {"A": 4.0, "B": 2.0}, {"A": 6.4, "B": 3.2}
REAL = Path(os.environ.get("GRIDBAZAAR_DATASETS", "")) / "citylearn2022"


def a_folder(path: Path) -> Path:
    """Two homes of sunny days, as CityLearn writes them."""
    rows = np.arange(N_DAYS * 24)
    day = np.datetime64("2016-08-01") + (rows - 1) // 24
    month = day.astype("datetime64[M]").astype(int) % 12 + 1
    weekday = (day.astype(int) + 3) % 7 + 1
    rng, hour = np.random.default_rng(1), rows % 24
    sun = np.maximum(np.sin((hour - 6) * np.pi / 12), 0.0) * rng.uniform(0.5, 1.0, N_DAYS).repeat(24)
    for name in KWP:
        load = rng.gamma(2.0, 0.4, len(rows)) * np.where(hour >= 17, 2.0, 1.0)
        columns = {
            "month": month, "hour": (rows - 1) % 24 + 1, "day_type": weekday,
            "non_shiftable_load": np.round(load, 4), "solar_generation": np.round(1000 * sun * (hour < 19), 2),
        }  # fmt: skip
        write_columns(path / f"{name}.csv", columns)
    write_columns(path / "pricing.csv", {"electricity_pricing": 0.0 * rows + 0.3})
    write_columns(path / "carbon_intensity.csv", {"carbon_intensity": 0.0 * rows + 0.2})
    homes = {name: home(name) for name in KWP}
    (path / "schema.json").write_text(json.dumps({"buildings": homes}), encoding="utf-8")
    return path


def home(name: str) -> dict[str, Any]:
    storage = {"capacity": KWH[name], "nominal_power": KWH[name] / 2, "efficiency": 0.81}
    return {
        "energy_simulation": f"{name}.csv", "pv": {"attributes": {"nominal_power": KWP[name]}},
        "electrical_storage": {"attributes": storage},
    }  # fmt: skip


def write_columns(path: Path, columns: dict[str, Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


@pytest.mark.slow
def test_every_home_answers_with_its_own_roof_and_battery(tmp_path: Path) -> None:
    homes = read_homes(a_folder(tmp_path), DAYS)
    assert [(one.pv_kwp, one.battery_kwh, one.efficiency) for one in homes.devices] == [(4, 6.4, 0.9), (2, 3.2, 0.9)]
    bank = homes.loaded.bank
    rest_kw = (bank.load_kw - np.array([[4.0], [2.0]]) * bank.pv_kw_per_kwp)[:, : 2 * 24]
    designs = [load_design("us_ca_sce_tou", holidays=""), load_design("gb_economy7_seg")]
    idle = answers(homes, designs, "idle")
    assert np.abs(idle.net_kw - rest_kw).max() < 1e-6
    assert idle.worth_cur == pytest.approx(np.zeros((2, 2)), abs=1e-4)
    found = answers(homes, designs, "opportunity_cost")
    moved_kw = found.net_kw[1:] - rest_kw
    assert (np.abs(moved_kw).max(axis=(0, 2)) > [1.0, 0.5]).all()
    assert (np.abs(moved_kw).max(axis=2) <= np.array([3.2, 1.6]) + 1e-6).all()
    assert (moved_kw[0] != moved_kw[1]).any(), "designs of two prices are answered alike"
    assert (found.worth_cur > 0).all()
    paths = write_answers(found, tmp_path / "out")
    with open(paths[0], encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    total = sum(float(r["cur"]) for r in rows if r["home"] == "B" and r["design"] == designs[0].name)
    expected = sum(float(bills[0].total_cur[1]) for bills in (found.at_rest, found.answering))
    assert total == pytest.approx(expected, abs=1e-5)
    assert {r["battery"] for r in rows} == {REST, "opportunity_cost"}


def test_a_battery_of_another_size_is_asked_for(tmp_path: Path) -> None:
    homes = read_homes(a_folder(tmp_path), DAYS, kwh_per_kwp=1.6)
    assert [(one.battery_kwh, one.battery_kw) for one in homes.devices] == [(6.4, 3.2), (3.2, 1.6)]
    config = scenario_of(homes, load_design("us_ca_sce_tou", holidays="")).agents["prosumer"]
    assert [one.battery_kwh for one in config.known] == [6.4, 3.2]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--dates", "2016-07-31,2016-08-02"), "expected days from 2016-08-01 to 2016-09-05"),
        (("--policy", "optimum"), "expected one that knows no more than the homes do"),
        (("--designs", "nowhere"), "expected one of"),
    ],
)
def test_what_cannot_be_asked_is_one_line(more: tuple[str, ...], words: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    asked = more if "--designs" in more else ("--designs", "gb_agile", *more)
    result = invoke(main, ("homes", a_folder(folder), "--out", tmp_path / "out", *asked))
    assert result.exit_code == 2
    assert words in result.output + result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "schema.json").is_file(), reason="GRIDBAZAAR_DATASETS has no citylearn2022")
def test_real_homes_answer_a_month_of_designs_of_several_currencies(tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = ("us_ca_nem2", "be_flanders", "us_ca_nbt", "gb_agile")
    words = ("--designs", ",".join(names), "--dates", "2016-08-01,2016-08-31", "--part", "--workers", "2")
    result = invoke(main, ("homes", REAL, "--out", out, *words))
    assert result.exit_code == 0, result.output
    assert "10 homes under 4 designs" in result.output
    totals = json.loads((out / "results.json").read_text(encoding="utf-8"))["totals"]
    assert len(totals) == 40
    by = {name: [t for t in totals if t["design"] == name] for name in names}
    for name in names:
        assert sum(t["answering_cur"] for t in by[name]) < sum(t["at_rest_cur"] for t in by[name]), name
