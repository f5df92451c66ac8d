from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.data.loaders.load import load_bank, read

Edit = Callable[[pd.DataFrame], pd.DataFrame]


def table(first: str = "2024-05-06", days: int = 3, step_min: int = 60) -> pd.DataFrame:
    """Give a well-formed table of two homes, one with PV."""
    n = days * 1440 // step_min
    time = pd.date_range(first, periods=n, freq=f"{step_min}min")
    hour = time.hour.to_numpy() + time.minute.to_numpy() / 60
    wave = 0.1 * np.sin(np.arange(n) * 2.1)
    return pd.DataFrame(
        {
            "time": time.strftime("%Y-%m-%dT%H:%M"),
            "home_1_load_kw": 0.5 + wave + 0.3 * (hour > 17),
            "home_1_pv_kw_per_kwp": np.maximum(0.0, np.sin((hour - 6) / 12 * np.pi)) * 0.8 * (hour > 6) * (hour < 18),
            "home_2_load_kw": 0.7 - wave,
            "spot_cur_per_kwh": 0.08 - 0.2 * (hour == 13),
            "carbon_kg_per_kwh": 0.3 + 0 * hour,
        }
    )


def write(tmp_path: Path, content: pd.DataFrame, name: str = "village.csv") -> Path:
    path = tmp_path / name
    content.to_csv(path, index=False)
    return path


def test_a_plain_file_is_read_as_it_stands(tmp_path: Path) -> None:
    content = table()
    loaded = read(write(tmp_path, content), step_min=60)
    bank = loaded.bank
    assert loaded.report.used == ("home_1", "home_2")
    assert str(bank.first_day) == "2024-05-06"
    np.testing.assert_allclose(bank.load_kw[1], content["home_2_load_kw"])
    np.testing.assert_allclose(bank.pv_kw_per_kwp[0], content["home_1_pv_kw_per_kwp"])
    np.testing.assert_allclose(bank.spot_cur_per_kwh, content["spot_cur_per_kwh"])
    assert bank.spot_cur_per_kwh.min() < 0
    assert bank.retail_cur_per_kwh is None


@given(st.sampled_from([15, 30, 60]), st.sampled_from([5, 15, 30, 60]))
@settings(max_examples=6, deadline=None)
def test_units_are_converted_and_energy_is_conserved(file_min: int, step_min: int) -> None:
    import tempfile

    content = table(step_min=file_min)
    other = content.assign(
        home_1_load_w=content["home_1_load_kw"] * 1000,
        home_2_load_kwh=content["home_2_load_kw"] * file_min / 60,
        home_1_pv_kwh_per_kwp=content["home_1_pv_kw_per_kwp"] * file_min / 60,
        spot_cur_per_mwh=content["spot_cur_per_kwh"] * 1000,
        carbon_g_per_kwh=content["carbon_kg_per_kwh"] * 1000,
        retail_cur_per_kwh=0.4,
    ).drop(columns=[name for name in content if name != "time"])
    with tempfile.TemporaryDirectory() as folder:
        plain = load_bank(write(Path(folder), content), step_min=step_min)
        converted = load_bank(write(Path(folder), other), step_min=step_min)
    np.testing.assert_allclose(plain.load_kw, converted.load_kw)
    np.testing.assert_allclose(plain.pv_kw_per_kwp, converted.pv_kw_per_kwp, atol=1e-12)
    np.testing.assert_allclose(plain.spot_cur_per_kwh, converted.spot_cur_per_kwh)
    np.testing.assert_allclose(plain.carbon_kg_per_kwh, converted.carbon_kg_per_kwh)
    energy = content["home_1_load_kw"].sum() * file_min / 60
    assert plain.load_kw[0].sum() * plain.step_h == pytest.approx(energy)
    assert converted.retail_cur_per_kwh is not None


def test_files_of_a_folder_each_have_their_own_step(tmp_path: Path) -> None:
    write(tmp_path, table(step_min=15).drop(columns=["spot_cur_per_kwh", "carbon_kg_per_kwh"]), "homes.csv")
    write(tmp_path, table()[["time", "spot_cur_per_kwh"]], "prices.csv")
    loaded = read(tmp_path, step_min=15)
    assert loaded.bank.load_kw.shape == (2, 3 * 96)
    assert loaded.bank.spot_cur_per_kwh[52:56].tolist() == pytest.approx([-0.12] * 4)
    assert any("carbon" in note for note in loaded.report.notes)
    write(tmp_path, table(days=2)[["time", "carbon_kg_per_kwh"]], "carbon.csv")
    loaded = read(tmp_path, step_min=15)
    assert loaded.bank.load_kw.shape == (2, 2 * 96)
    assert any("cut to the 2 days that all files have" in note for note in loaded.report.notes)
    write(tmp_path, table("2025-05-06")[["time", "carbon_kg_per_kwh"]], "carbon.csv")
    with pytest.raises(ValueError, match=r"days in common, got none: .*carbon.csv has 2025-05-06 to 2025-05-08"):
        read(tmp_path, step_min=15)


def test_days_that_are_not_whole_are_cut(tmp_path: Path) -> None:
    loaded = read(write(tmp_path, table(days=4).iloc[5:-3]), step_min=60)
    assert str(loaded.bank.first_day) == "2024-05-07"
    assert loaded.bank.n_days == 2
    assert any("cut off" in note for note in loaded.report.notes)


CHANGES = [
    ("Europe/Berlin", "2024-03-30", 71, 26),
    ("Europe/Berlin", "2024-10-26", 73, 26),
    ("America/Los_Angeles", "2024-03-09", 71, 26),
    ("America/Los_Angeles", "2024-11-02", 73, 25),
    ("Australia/Sydney", "2024-10-05", 71, 26),
    ("Australia/Sydney", "2024-04-06", 73, 26),
]
"""Zone, Saturday, hours of three days, first row of the hour that is left out (before it) or doubled."""


def local_file_of(zone: str, first: str, days: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the same hours with local naive times, where the clock changes, and with UTC times."""
    start = pd.Timestamp(first, tz=zone)
    utc = pd.date_range(start, start + pd.DateOffset(days=days), freq="h", inclusive="left").tz_convert("UTC")
    load = 0.5 + 0.01 * np.arange(len(utc))
    local = pd.DataFrame({"time": utc.tz_convert(zone).strftime("%Y-%m-%d %H:%M"), "home_load_kw": load})
    return local, local.assign(time=utc.strftime("%Y-%m-%dT%H:%M:%SZ"))


@pytest.mark.parametrize(("zone", "first", "rows", "change"), CHANGES)
def test_with_a_zone_days_have_23_and_25_hours(tmp_path: Path, zone: str, first: str, rows: int, change: int) -> None:
    local, utc = local_file_of(zone, first)
    assert len(local) == rows
    for content in (local, utc):
        loaded = read(write(tmp_path, content), step_min=60, timezone=zone)
        bank = loaded.bank
        np.testing.assert_array_equal(bank.load_kw[0], content["home_load_kw"])
        assert (str(bank.first_day), bank.n_days, bank.timezone) == (first, 3, zone)
        assert bank.hour().tolist() == [int(text[11:13]) for text in local["time"]]
        assert np.diff(bank.hour())[change - 1] == (2 if rows == 71 else 1)
        assert np.diff(bank.hour())[change] == (1 if rows == 71 else 0)
        assert not any("change" in note for note in loaded.report.notes)
        quarter = load_bank(write(tmp_path, content), step_min=15, timezone=zone)
        np.testing.assert_array_equal(quarter.load_kw[0], np.repeat(content["home_load_kw"], 4))
        np.testing.assert_allclose(quarter.hour(), np.repeat(bank.hour(), 4) + np.tile(np.arange(4) / 4, rows))


@pytest.mark.parametrize(("zone", "first", "rows", "change"), CHANGES)
def test_without_a_zone_clock_changes_are_refused_with_advice(
    tmp_path: Path, zone: str, first: str, rows: int, change: int
) -> None:
    local, _ = local_file_of(zone, first)
    path = write(tmp_path, local)
    fault = "missing rows" if rows == 71 else f"lines {change + 2}, {change + 3} repeat a time"
    for repair in ((), ("dst",)):  # nobody guesses which clock it was
        with pytest.raises(ValueError, match=rf"{fault}.* name its zone, such as timezone=Europe/Berlin"):
            read(path, step_min=60, repair=repair)


@pytest.mark.parametrize(("zone", "first", "rows", "change"), CHANGES)
def test_a_file_of_24_hours_every_day_is_refused_or_put_on_the_axis_of_its_zone(
    tmp_path: Path, zone: str, first: str, rows: int, change: int
) -> None:
    time = pd.date_range(first, periods=72, freq="h")
    content = pd.DataFrame({"time": time.strftime("%Y-%m-%dT%H:%M"), "home_load_kw": 0.5 + 0.01 * np.arange(72)})
    path, values = write(tmp_path, content), content["home_load_kw"].to_numpy()
    fault = rf"line {change + 2} show what the clock of {zone} leaves out" if rows == 71 else "missing rows 2024"
    with pytest.raises(ValueError, match=rf"{fault}.*repair=dst"):
        read(path, step_min=60, timezone=zone)
    loaded = read(path, step_min=60, timezone=zone, repair=("dst",))
    wanted = np.delete(values, change) if rows == 71 else np.insert(values, change, values[change])
    np.testing.assert_array_equal(loaded.bank.load_kw[0], wanted)
    assert any("when it is set" in note for note in loaded.report.notes)


def test_the_doubled_hour_may_stand_in_either_order_and_a_third_time_is_a_fault(tmp_path: Path) -> None:
    local, _ = local_file_of("Europe/Berlin", "2024-10-26")
    fine = pd.concat([local.iloc[[*range(26), 27, 26, *range(28, 73)]]])
    swapped = load_bank(write(tmp_path, fine), step_min=60, timezone="Europe/Berlin").load_kw[0]
    assert swapped[26:28].tolist() == local["home_load_kw"].to_numpy()[[27, 26]].tolist()  # first in the file, first
    thrice = pd.concat([local, local.iloc[[27]]])
    with pytest.raises(ValueError, match="lines 29, 75 repeat a time"):
        load_bank(write(tmp_path, thrice), step_min=60, timezone="Europe/Berlin")


def test_gaps_are_named_in_utc_where_a_zone_is_given(tmp_path: Path) -> None:
    local, _ = local_file_of("Europe/Berlin", "2024-03-30")
    path = write(tmp_path, local.drop(index=[26]))  # 3 h of Sunday, when 2 h is left out
    with pytest.raises(ValueError, match="missing rows 2024-03-31T01:00Z"):
        read(path, step_min=60, timezone="Europe/Berlin")
    filled = load_bank(path, step_min=60, timezone="Europe/Berlin", repair=("gaps",))
    np.testing.assert_allclose(filled.load_kw[0], local["home_load_kw"])


def test_zones_must_be_told_and_must_exist(tmp_path: Path) -> None:
    local, utc = local_file_of("Europe/Berlin", "2024-05-06")
    with pytest.raises(ValueError, match="carry an offset from UTC; name the local zone"):
        read(write(tmp_path, utc), step_min=60)
    for content in (utc, local):
        with pytest.raises(ValueError, match="expected a name such as 'Europe/Berlin', got 'Europe/Atlantis'"):
            read(write(tmp_path, content), step_min=60, timezone="Europe/Atlantis")
    mixed = pd.concat([utc.iloc[:5], local.iloc[7:]])
    with pytest.raises(ValueError, match="some rows have an offset"):
        read(write(tmp_path, mixed), step_min=60, timezone="Europe/Berlin")


def set_cells(name: str, rows: list[int], value: Any) -> Edit:
    def edit(content: pd.DataFrame) -> pd.DataFrame:
        changed = content.astype(object)
        changed.loc[rows, name] = value
        return changed

    return edit


def drop_rows(rows: list[int]) -> Edit:
    return lambda content: content.drop(index=rows)


FAULTS: list[tuple[Edit, str]] = [
    (set_cells("home_1_load_kw", [3, 7], -0.1), r"home_1_load_kw: .* at least 0, lines 5, 9 are negative"),
    (set_cells("home_1_pv_kw_per_kwp", [3], -0.1), r"home_1_pv_kw_per_kwp: .* line 5 is negative"),
    (set_cells("home_2_load_kw", list(range(12)), ""), r"home_2_load_kw: no number at 2024-05-06T00:00.*\(12 in all\)"),
    (set_cells("home_2_load_kw", [4], "0,5"), r"home_2_load_kw: expected numbers with a decimal point.* line 6"),
    (drop_rows([30, 31]), r"missing rows 2024-05-07T06:00, 2024-05-07T07:00"),
    (set_cells("time", [9], "2024-05-06T10:00"), r"lines 11, 12 repeat a time"),
    (set_cells("time", [9], "noon"), r"expected ISO 8601 .* line 11"),
    (set_cells("time", [9], "2024-05-06T09:07"), r"expected a row every 60 min, line 11 lie between"),
    (lambda content: content.rename(columns={"home_2_load_kw": "home_2_load_btu"}), "unknown columns or units: home_2"),
    (
        lambda content: content.rename(columns={"home_2_load_kw": "home_2_load"}),
        "unknown columns or units: home_2_load",
    ),
    (lambda content: content.drop(columns=["time"]), "expected a column 'time'"),
    (lambda content: content.drop(columns=["home_1_load_kw"]), "PV without load of home_1"),
    (lambda content: content.iloc[:20], "at least one whole day"),
    (
        lambda content: content.assign(home_1_load_w=content["home_1_load_kw"]),
        "home_1 has load twice",
    ),
]


@pytest.mark.parametrize(("edit", "message"), FAULTS)
def test_faults_are_refused_with_their_rows(tmp_path: Path, edit: Edit, message: str) -> None:
    path = write(tmp_path, edit(table()))
    with pytest.raises(ValueError, match=message) as refused:
        load_bank(path, step_min=60)
    assert "village" in str(refused.value)


def test_all_faults_of_a_file_come_at_once(tmp_path: Path) -> None:
    content = set_cells("home_1_load_kw", [3], -1)(set_cells("home_2_load_kw", [5], "")(drop_rows([40])(table())))
    with pytest.raises(ValueError, match="3 faults") as refused:
        load_bank(write(tmp_path, content), step_min=60)
    for fault in ("negative", "no number at 2024-05-06T05:00", "missing rows 2024-05-07T16:00"):
        assert fault in str(refused.value)


def test_a_file_of_one_column_with_an_empty_cell_is_refused(tmp_path: Path) -> None:
    content = set_cells("home_2_load_kw", [5], "")(table()[["time", "home_2_load_kw"]])
    with pytest.raises(ValueError, match="no number at 2024-05-06T05:00"):
        load_bank(write(tmp_path, content), step_min=60, repair=("dst",))


def test_repairs_do_what_their_names_say(tmp_path: Path) -> None:
    content = set_cells("home_1_load_kw", [3], -1)(drop_rows([40, 41])(table()))
    loaded = read(write(tmp_path, content), step_min=60, repair=("negative", "gaps"))
    load, whole = loaded.bank.load_kw, table()["home_2_load_kw"]
    assert load[0, 3] == 0
    np.testing.assert_allclose(load[1, 40:42], whole[39] + (whole[42] - whole[39]) * np.array([1, 2]) / 3)
    assert any("interpolated 2 steps" in note for note in loaded.report.notes)
    with pytest.raises(ValueError, match="at most three hours"):
        read(write(tmp_path, drop_rows([40, 41, 42, 43])(table())), step_min=60, repair=("gaps",))
    with pytest.raises(ValueError, match="repair: expected some of dst, gaps, negative, register, spikes"):
        read(write(tmp_path, table()), step_min=60, repair=("magic",))


def test_broken_homes_are_refused_and_a_file_of_them_too(tmp_path: Path) -> None:
    content = table()
    content["copy_pv_kw_per_kwp"] = content["home_1_pv_kw_per_kwp"]
    content["copy_load_kw"] = 3 * content["home_1_pv_kw_per_kwp"]
    content["lamp_load_kw"] = content["home_2_load_kw"]
    content["lamp_pv_kw_per_kwp"] = 0.2
    report = read(write(tmp_path, content), step_min=60).report
    reasons = dict(report.refused)
    assert report.used == ("home_1", "home_2")
    assert "follows its PV (correlation 1.00" in reasons["copy"]
    assert "0.2 kW/kWp at night" in reasons["lamp"]
    with pytest.raises(ValueError, match=r"no home is left of 1; drop_bad=false"):
        load_bank(write(tmp_path, content[["time", "copy_load_kw", "copy_pv_kw_per_kwp"]]), step_min=60)


@pytest.mark.parametrize("kwh_per_kwp", [250, 2400])
def test_a_year_of_pv_must_yield_what_roofs_yield(tmp_path: Path, kwh_per_kwp: int) -> None:
    content = table(days=365)
    content["home_1_pv_kw_per_kwp"] *= kwh_per_kwp / content["home_1_pv_kw_per_kwp"].sum()
    reasons = dict(read(write(tmp_path, content), step_min=60).report.refused)
    assert reasons["home_1"] == f"its PV yields {kwh_per_kwp} kWh/kWp a year; expected 300 to 2200"


def test_a_place_without_data_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing is there"):
        load_bank(tmp_path / "nowhere", step_min=15)
    with pytest.raises(ValueError, match=r"expected schema.json \(CityLearn\) or CSV files"):
        load_bank(tmp_path, step_min=15)
    with pytest.raises(ValueError, match="step_min: expected minutes that divide an hour"):
        load_bank(tmp_path, step_min=7)
