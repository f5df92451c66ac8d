"""The CityLearn 2022 loader, on the real folder; it is not part of the project (see the loader for the format)."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.loaders.load import load_bank, read
from gridbazaar.data.loaders.report import Loaded

HOMES = ("1", "2", "3", "6", "8", "9", "10", "13", "16", "17")


@pytest.fixture(scope="module")
def folder() -> Path:
    datasets = os.environ.get("GRIDBAZAAR_DATASETS")
    if not datasets:
        pytest.skip("GRIDBAZAAR_DATASETS is not set; it names the folder that holds citylearn2022")
    return Path(datasets) / "citylearn2022"


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Loaded:
    return read(folder, step_min=60)


def test_good_homes_are_used_and_the_others_named_with_the_reason(loaded: Loaded) -> None:
    report = loaded.report
    assert report.used == tuple(f"Building_{number}" for number in HOMES)
    assert report.absent == tuple(f"Building_{number}" for number in (4, 5, 7, 11, 14))
    reasons = dict(report.refused)
    assert set(reasons) == {"Building_12", "Building_15"}
    assert "correlation 0.97" in reasons["Building_12"]
    assert "0.0 % of its mean" in reasons["Building_12"]
    assert "yields 29 kWh/kWp" in reasons["Building_15"]
    assert any("cars" in note for note in report.notes)
    assert any("retail tariff" in note for note in report.notes)


@pytest.mark.slow
def test_loading_warns_of_what_was_left_out(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_bank(folder, step_min=60)
    assert "absent: Building_4" in caplog.text
    assert "refused Building_12" in caplog.text


def test_homes_have_the_measured_statistics(loaded: Loaded) -> None:
    bank = loaded.bank
    assert bank.load_kw.shape == (10, 8760)
    assert bank.load_kw.mean() * 24 == pytest.approx(28.5, abs=0.05)
    assert (bank.load_kw.std(axis=1) / bank.load_kw.mean(axis=1)).mean() == pytest.approx(0.83, abs=0.02)
    assert bank.pv_kw_per_kwp.mean() == pytest.approx(0.1748, abs=0.0005)
    assert bank.carbon_kg_per_kwh.mean() == pytest.approx(0.157, abs=0.001)
    assert bank.sessions.present.shape == (64, 365)


def test_the_first_row_is_midnight_of_the_first_of_august(loaded: Loaded) -> None:
    bank = loaded.bank
    assert str(bank.first_day) == "2016-08-01"
    assert bank.weekday()[0] == 0
    assert bank.retail_cur_per_kwh is not None
    workday = bank.retail_cur_per_kwh[:24]  # summer: dear from 16 to 21 h
    assert np.flatnonzero(workday > 0.5).tolist() == [16, 17, 18, 19, 20]
    is_sunny = bank.pv_kw_per_kwp.mean(axis=0) > 0.001
    assert set(bank.hour()[is_sunny]) <= set(range(5, 21))
    noon = (
        bank.pv_kw_per_kwp.mean(axis=0).reshape(365, 24)
        @ np.arange(24)
        / bank.pv_kw_per_kwp.mean(axis=0).reshape(365, 24).sum(axis=1)
    )
    assert np.median(noon[:60]) == pytest.approx(12.6, abs=0.2)  # summer time
    assert np.median(noon[110:190]) == pytest.approx(11.6, abs=0.2)  # standard time


@pytest.mark.slow
def test_quarter_hours_hold_the_mean_power(folder: Path, loaded: Loaded) -> None:
    bank = load_bank(folder, step_min=15)
    assert np.array_equal(bank.load_kw, np.repeat(loaded.bank.load_kw, 4, axis=1))
    assert np.array_equal(bank.carbon_kg_per_kwh, np.repeat(loaded.bank.carbon_kg_per_kwh, 4))


@pytest.mark.slow
def test_bad_homes_are_used_when_asked_for(folder: Path) -> None:
    loaded = read(folder, step_min=60, drop_bad=False)
    assert len(loaded.report.used) == 12
    assert loaded.report.refused == ()
    assert any("Building_12 is used although" in note for note in loaded.report.notes)


def test_prices_fall_when_the_roofs_shine(loaded: Loaded) -> None:
    spot, sun = loaded.bank.spot_cur_per_kwh.reshape(365, 24), loaded.bank.pv_kw_per_kwp.mean(axis=0).reshape(365, 24)
    noon = slice(10, 15)
    assert np.corrcoef(spot[:, noon].mean(axis=1), sun[:, noon].mean(axis=1))[0, 1] < -0.3


def small_folder(tmp_path: Path, hour_of_first_row: int = 24) -> Path:
    """A made-up folder of two days and one home in the same format."""
    rows = ["month,hour,day_type,non_shiftable_load,solar_generation"]
    for row in range(48):
        hour = (row - 1) % 24 + 1 if row else hour_of_first_row
        month = 7 if row == 0 else 8
        day_type = 7 if row == 0 else (row - 1) // 24 + 1
        rows.append(f"{month},{hour},{day_type},{1 + row % 5 / 10},{500.0 if 8 < row % 24 < 18 and row % 3 else 0.0}")
    (tmp_path / "Home.csv").write_text("\n".join(rows))
    (tmp_path / "pricing.csv").write_text("electricity_pricing\n" + "0.2\n" * 48)
    (tmp_path / "carbon_intensity.csv").write_text("carbon_intensity\n" + "0.3\n" * 48)
    (tmp_path / "schema.json").write_text(json.dumps({"buildings": {"Home": {"energy_simulation": "Home.csv"}}}))
    return tmp_path


def test_a_made_up_folder_is_read(tmp_path: Path) -> None:
    bank = load_bank(small_folder(tmp_path), step_min=30)
    assert bank.load_kw.shape == (1, 96)
    assert bank.pv_kw_per_kwp.max() == 0.5
    assert bank.load_kw[0, :4].tolist() == [1.0, 1.0, 1.1, 1.1]


def test_another_reading_of_the_hour_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"written month 7, hour 24.*differ in line 2"):
        load_bank(small_folder(tmp_path, hour_of_first_row=1), step_min=60)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("schema.json", "{", "expected JSON"),
        ("schema.json", '{"buildings": {"A": {}}}', "name their energy_simulation file"),
        ("schema.json", '{"buildings": {"A": {"energy_simulation": "A.csv"}}}', "found none of 1"),
        (
            "pricing.csv",
            "electricity_pricing\n0.2\nx\n" + "0.2\n" * 46,
            "electricity_pricing: expected numbers, got other text in line 3",
        ),
        ("pricing.csv", "price\n0.2\n", "electricity_pricing missing, came price"),
        ("carbon_intensity.csv", "carbon_intensity\n0.3\n", "expected 48 rows as in the homes, got 1"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (small_folder(tmp_path) / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        load_bank(tmp_path, step_min=60)


def schema_of(tmp_path: Path, n_homes: int = 1, n_days: int = 4, **changes: Any) -> Path:
    """A made-up folder whose schema says more than where the files are."""
    rows = ["month,hour,day_type,non_shiftable_load,solar_generation,cooling_demand"]
    for row in range(24 * n_days):
        hour, day = (row - 1) % 24 + 1, (row - 1) // 24
        month, day_type = (7, 7) if row == 0 else (8, day % 7 + 1)
        rows.append(f"{month},{hour},{day_type},{1 + day + row % 5 / 10},0.0,{row % 3}")
    homes = {}
    for i in range(n_homes):
        (tmp_path / f"Home_{i}.csv").write_text("\n".join(rows))
        (tmp_path / f"weather_{i}.csv").write_text("outdoor_dry_bulb_temperature\n" + f"{10 * (i + 1)}\n" * 24 * n_days)
        homes[f"Home_{i}"] = {"energy_simulation": f"Home_{i}.csv", "weather": f"weather_{i}.csv"}
    (tmp_path / "pricing.csv").write_text("electricity_pricing\n" + "0.2\n" * 24 * n_days)
    (tmp_path / "carbon_intensity.csv").write_text("carbon_intensity\n" + "0.3\n" * 24 * n_days)
    changes.setdefault("buildings", homes)
    (tmp_path / "schema.json").write_text(json.dumps(changes))
    return tmp_path


def test_the_steps_that_the_schema_names_are_used(tmp_path: Path) -> None:
    folder = schema_of(tmp_path, simulation_start_time_step=20, simulation_end_time_step=80)
    loaded = read(folder, step_min=60, n_cars=1)
    assert (str(loaded.bank.first_day), loaded.bank.n_days) == ("2016-08-02", 2)
    whole = read(schema_of(tmp_path), step_min=60, n_cars=1)
    np.testing.assert_array_equal(loaded.bank.load_kw, whole.bank.load_kw[:, 24:72])
    assert any("whole days of steps 20 to 80: 2 of 4" in note for note in loaded.report.notes)


def test_homes_with_weather_of_their_own_share_the_mean(tmp_path: Path) -> None:
    loaded = read(schema_of(tmp_path, n_homes=2), step_min=60, n_cars=1)
    assert loaded.bank.outdoor_c is not None
    assert loaded.bank.outdoor_c.tolist() == [15.0] * 96
    assert any("weather differs between homes; their mean is used" in note for note in loaded.report.notes)


def test_what_is_not_used_is_said(tmp_path: Path) -> None:
    homes = {"A": {"energy_simulation": "Home_0.csv", "chargers": {"c": {}}, "electrical_storage": {"type": "x"}}}
    folder = schema_of(tmp_path, buildings=homes, electric_vehicles_def={"car": {}})
    notes = "\n".join(read(folder, step_min=60, n_cars=1).report.notes)
    for said in ("chargers (1 homes), electrical_storage (1 homes)", "electric_vehicles_def is not used",
                 "columns of the homes that are not used: cooling_demand", "retail price is kept"):  # fmt: skip
        assert said in notes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"simulation_start_time_step": 90}, "expected at least one whole day of rows"),
        ({"simulation_start_time_step": -1}, "simulation_start_time_step: expected a row"),
        ({"simulation_end_time_step": "all"}, "simulation_end_time_step: expected a row, from 0 to 95; got 'all'"),
        ({"seconds_per_time_step": 900}, "seconds_per_time_step: expected 3600"),
        ({"buildings": {"A": {"energy_simulation": "../Home_0.csv"}}}, "expected a file of this folder"),
        ({"buildings": {"A": {"energy_simulation": "Home_0.csv", "weather": "none.csv"}}}, "expected a file; nothing"),
    ],
)
def test_schemas_that_cannot_be_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_bank(schema_of(tmp_path, **changes), step_min=60)
