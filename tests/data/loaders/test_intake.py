"""Plain CSV as people bring it: offsets, encodings, separators, stamps at the end, and what no home can have drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridbazaar.data.loaders.files import read_files
from gridbazaar.data.loaders.load import load_bank, read
from gridbazaar.data.loaders.readings import read_options
from gridbazaar.data.loaders.stamps import read_stamps
from gridbazaar.data.loaders.tables import to_numbers

DAY = 96


def quarters(n_days: int = 3, first: str = "2024-01-08") -> pd.DatetimeIndex:
    return pd.date_range(first, periods=DAY * n_days, freq="15min")


def home_kw(times: pd.DatetimeIndex) -> np.ndarray:
    """More at 19 h than at any other hour."""
    return np.asarray(np.where(times.hour == 19, 1.5, 0.4) + 0.01 * times.day_of_week)


def write(path: Path, times: pd.Index, values: np.ndarray, name: str = "h1_load_kw") -> Path:
    rows = [f"{time},{value:.4f}" for time, value in zip(times, values, strict=True)]
    path.write_text("\n".join([f"time,{name}", *rows, ""]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("cell", "shown", "offset_s"),
    [
        ("2024-01-08T19:00", "2024-01-08T19:00:00", None),
        ("2024-01-08 19:00:00-06", "2024-01-08T19:00:00", -6 * 3600),
        ("2024-01-08 19:00:00+02", "2024-01-08T19:00:00", 2 * 3600),
        ("2024-01-08T19:00:00+0530", "2024-01-08T19:00:00", 19_800),
        ("2024-01-08T19:00:00.250-03:30", "2024-01-08T19:00:00", -12_600),
        ("2024-01-08T18:59:59.9Z", "2024-01-08T19:00:00", 0),
        ("2024-01-08T19:00:00+01:00[Europe/Berlin]", "2024-01-08T19:00:00", 3600),
        ("2024-01-08 19:00:00 UTC", "2024-01-08T19:00:00", 0),
        ("2024-01-08T19Z", "2024-01-08T19:00:00", 0),
        ("2024-01-08T19:00:00\u221206:00", "2024-01-08T19:00:00", -6 * 3600),
        ("20240108T190000Z", "2024-01-08T19:00:00", 0),
        ("2024/01/08 19:00", "2024-01-08T19:00:00", None),
        ("08.01.2024 19:00", "2024-01-08T19:00:00", None),
        ("2024-01-07T24:00", "2024-01-08T00:00:00", None),
        ("2024-01-08", "2024-01-08T00:00:00", None),
    ],
)
def test_stamps_are_read_with_their_offsets(cell: str, shown: str, offset_s: int | None) -> None:
    found = read_stamps([cell])
    assert str(found.shown[0]) == shown
    assert found.has_offset[0] == (offset_s is not None)
    assert found.offset_s[0] == (offset_s or 0)


@pytest.mark.parametrize(
    "cell",
    ["", "noon", "2024-02-30", "2024-13-01", "2024-01-08T25:00", "2024-01-08T24:01", "2024-01-08T19:60", "1704740400",
     "01/08/2024 19:00", "2024-01-08T19:00+99", "2024-01-08T19:00 PM", "9999-01-08T19:00", "2024-01-08T19:00-0x"],
)  # fmt: skip
def test_what_is_no_stamp_is_none(cell: str) -> None:
    assert np.isnat(read_stamps([cell]).shown[0])


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S-06", "%Y-%m-%dT%H:%M:%S.000-06:00", "%Y-%m-%d %H:%M:%S-0600"])
def test_an_offset_of_hours_alone_shifts_nothing(tmp_path: Path, form: str) -> None:
    times = quarters()
    path = write(tmp_path / "home.csv", times.strftime(form), home_kw(times))
    bank = load_bank(path, step_min=15, timezone="America/Chicago", n_cars=1)
    assert (str(bank.first_day), bank.n_days) == ("2024-01-08", 3)
    np.testing.assert_allclose(bank.load_kw[0], home_kw(times))
    assert set(bank.hour()[bank.load_kw[0] > 1]) == {19.0, 19.25, 19.5, 19.75}
    with pytest.raises(ValueError, match="name the local zone"):
        load_bank(path, step_min=15, n_cars=1)


@pytest.mark.parametrize(
    ("encoding", "note"),
    [("utf-8", None), ("utf-8-sig", None), ("utf-16", None), ("utf-16-le", None), ("utf-32", None),
     ("latin-1", "read as windows-1252"), ("cp1252", "read as windows-1252")],
)  # fmt: skip
def test_files_of_any_usual_encoding_are_read(tmp_path: Path, encoding: str, note: str | None) -> None:
    times, path = quarters(), tmp_path / "home.csv"
    rows = [f"{t:%Y-%m-%dT%H:%M},{x:.4f}" for t, x in zip(times, home_kw(times), strict=True)]
    path.write_bytes("\r\n".join(["time,M\u00fcller_load_kw", *rows]).encode(encoding))
    data = read_files([path], read_options())
    assert data.homes[0].name == "M\u00fcller"
    assert [note for note in data.notes if "read as" in note] == (
        [f"home.csv: {note}, for it is no UTF-8"] * bool(note)
    )


@pytest.mark.parametrize(("separator", "point"), [(";", ","), (";", "."), ("\t", ","), ("|", "."), (",", ".")])
def test_cells_may_be_parted_by_other_marks(tmp_path: Path, separator: str, point: str) -> None:
    times, path = quarters(), tmp_path / "home.csv"
    rows = [
        separator.join([f"{t:%d.%m.%Y %H:%M}", f"{x:.3f}".replace(".", point)])
        for t, x in zip(times, home_kw(times), strict=True)
    ]
    path.write_text("\n".join([separator.join(["time", "h1_load_kw"]), *rows]))
    np.testing.assert_allclose(read_files([path], read_options()).homes[0].load_kw, home_kw(times))


@pytest.mark.parametrize(
    ("cells", "separator", "values"),
    [
        (["0,5", "1,25", "3"], ",", [0.5, 1.25, 3]),
        (["1.070,50", "-5,50", "80"], ";", [1070.5, -5.5, 80]),
        (["1,070.50", "5.5", "1,000"], ",", [1070.5, 5.5, 1000]),
        (["1,234", "2,345"], ";", [1.234, 2.345]),
        (["1,234", "2,345"], ",", [np.nan, np.nan]),  # a thousand or one? nobody knows
        (["0.5", "0,5"], ",", [0.5, np.nan]),
        (["1e3", "+.5", "-2."], ",", [1000, 0.5, -2]),
        (["inf", "0x10", "1_000", "\u0661", "nan", "1e999999"], ",", [np.nan] * 6),
    ],
)
def test_cells_are_numbers_or_none(cells: list[str], separator: str, values: list[float]) -> None:
    np.testing.assert_array_equal(to_numbers(cells, separator), values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a header and rows below it; the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"time,h1_load_kw\n", r"expected rows below the header \(line 1\)"),
        (b"time,h1_load_kw\n2024-01-08T00:00,0.4,x\n", r"expected 2 cells a row, .* \(line 1\); line 2 has 3"),
        (b"time,h1_load_kw\n\n2024-01-08T00:00\n", "line 3 has 1"),
        (b"time,a_load_kw,a_load_kw\n2024-01-08T00:00,1,2\n", "line 1: columns named twice: 'a_load_kw'"),
        (b'time,h1_load_kw\n2024-01-08T00:00,"0.4\n', "line 2: .*close the quotes"),
        (b"PK\x03\x04rest", "this is a spreadsheet or a zip archive; save it as text"),
        (b"time,h1_load_kw\n2024-01-08T00:00,\x00\x01\n", "line 2: expected text, got the control character"),
        (b"\xff\xfet\x00i\x00m", "its mark says utf-16-le, but byte"),
        (b"\x1f\x8bnothing", "expected a whole gzip file"),
        (b"Zeit;Verbrauch\n1;2\n", r"got Zeit, Verbrauch \(read as utf-8, cells parted by ';'\); rename them, or give"),
    ],
)  # fmt: skip
def test_files_that_are_no_table_are_named_with_the_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "home.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as refused:
        load_bank(path, step_min=15)
    assert str(path) in str(refused.value)


def test_columns_of_other_names_get_the_ones_that_say_their_unit(tmp_path: Path) -> None:
    times, path = quarters(), tmp_path / "dso.csv"
    rows = [f"{t + pd.Timedelta(minutes=15):%d.%m.%Y %H:%M};{x / 4:.4f}".replace(".0;", ";").replace("0.", "0,")
            for t, x in zip(times, home_kw(times), strict=True)]  # fmt: skip
    rows = [row.split(";")[0].replace(",", ".") + ";" + row.split(";")[1] for row in rows]
    path.write_text("\n".join(["Zeitstempel;Verbrauch [kWh] = Z\u00e4hler", *rows]), encoding="latin-1")
    columns = ("Zeitstempel=time", "Verbrauch [kWh] = Z\u00e4hler=h1_load_kwh")
    bank = load_bank(path, step_min=15, columns=columns, stamps="end", n_cars=1)
    np.testing.assert_allclose(bank.load_kw[0], home_kw(times), atol=3e-4)
    with pytest.raises(ValueError, match=r"columns: no file has 'Last'; found Verbrauch"):
        load_bank(path, step_min=15, columns=(*columns, "Last=h2_load_kw"))
    with pytest.raises(ValueError, match="columns: expected NAME IN THE FILE=name_with_unit, got 'Last'"):
        load_bank(path, step_min=15, columns=("Last",))


@pytest.mark.parametrize("is_old", [True, False])
@pytest.mark.parametrize("first", ["2024-03-29", "2024-10-25"])
def test_stamps_may_mark_ends_over_clock_changes(tmp_path: Path, first: str, is_old: bool) -> None:
    """Some loggers name the end of the last step before a change by the old clock, some by the new one."""
    begin = pd.Timestamp(first, tz="Europe/Berlin")
    utc = pd.date_range(begin, begin + pd.DateOffset(days=4), freq="15min", inclusive="left").tz_convert("UTC")
    if is_old:
        shown = utc.tz_convert("Europe/Berlin").tz_localize(None) + pd.Timedelta(minutes=15)
    else:
        shown = (utc + pd.Timedelta(minutes=15)).tz_convert("Europe/Berlin").tz_localize(None)
    values = 0.4 + 0.1 * np.sin(np.arange(len(utc)))
    path = write(tmp_path / "home.csv", shown.strftime("%Y-%m-%d %H:%M"), values)
    data = read_files([path], read_options("Europe/Berlin", stamps="end"))
    assert (str(data.first_day), data.n_days) == (first, 4)
    np.testing.assert_allclose(data.homes[0].load_kw, values, atol=1e-4)


def test_stamps_that_look_like_ends_are_said_to(tmp_path: Path) -> None:
    times = quarters() + pd.Timedelta(minutes=15)
    path = write(tmp_path / "home.csv", times.strftime("%Y-%m-%dT%H:%M"), home_kw(times))
    report = read(path, step_min=15, n_cars=1).report
    assert any("stamps=end reads them as ends" in note for note in report.notes)
    again = read(path, step_min=15, stamps="end", n_cars=1)
    assert again.bank.n_days == 3
    assert not any("stamps=end" in note for note in again.report.notes)


def test_readings_that_meet_no_local_midnight_are_parted(tmp_path: Path) -> None:
    """Hourly UTC in Kolkata, five and a half hours ahead."""
    times = pd.date_range("2024-01-08", periods=72, freq="h", tz="UTC")
    values = 0.4 + 0.1 * np.sin(np.arange(72))
    path = write(tmp_path / "home.csv", times.strftime("%Y-%m-%dT%H:%MZ"), values)
    bank = load_bank(path, step_min=30, timezone="Asia/Kolkata", n_cars=1)
    assert (str(bank.first_day), bank.n_days) == ("2024-01-09", 2)
    np.testing.assert_allclose(bank.load_kw[0], np.repeat(values, 2)[37:133], atol=1e-4)


YEAR = quarters(14)
WAVE = home_kw(YEAR)
SPIKE = np.where(np.arange(len(YEAR)) == 700, 53_694.8, WAVE)
IMPLAUSIBLE = [
    ("h1_load_kwh", 13_423.7 + np.cumsum(WAVE / 4), r"never falls .*repair=register takes the differences"),
    ("h1_load_kw", 1000 * WAVE, r"in 1344 steps more than 100: watts or watt-hours\? name the column _load_w or"),
    ("h1_load_kwh", 250 * WAVE, r"more than 100: watts or watt-hours"),
    ("h1_load_kwh", 110 * WAVE / WAVE.mean(), r"watts or watt-hours"),
    ("h1_load_kw", 60 + WAVE, r"1,4\d\d kWh a day; expected at most 600"),
    ("h1_load_kw", SPIKE, r"reaches 5\.369e\+04 kW in 1 step; expected at most 30: repair=spikes"),
    ("h1_load_kw", np.minimum(SPIKE, 60.0), r"reaches 60 kW in 1 step; expected at most 30: repair=spikes"),
    ("h1_load_w", WAVE, r"kWh a day; expected at least 0.02: kilowatts read as watts"),
]


@pytest.mark.parametrize(("name", "values", "message"), IMPLAUSIBLE)
@pytest.mark.parametrize("n_days", [2, 14])
def test_what_no_home_draws_is_refused(
    tmp_path: Path, name: str, values: np.ndarray, message: str, n_days: int
) -> None:
    if n_days == 2 and values.max() > 50 * values.mean():
        values = np.roll(values, -600)
    rows = [f"{value:.6f}" for value in values[: DAY * n_days]]
    path = tmp_path / "home.csv"
    stamps = YEAR[: DAY * n_days].strftime("%Y-%m-%dT%H:%M")
    path.write_text("\n".join([f"time,{name}", *(",".join(pair) for pair in zip(stamps, rows, strict=True)), ""]))
    with pytest.raises(ValueError, match=message.replace("1344", str(DAY * n_days))):
        load_bank(path, step_min=15)


@pytest.mark.parametrize(
    ("name", "factor", "message"),
    [
        ("h1_pv_kw_per_kwp", 1000.0, "PV reaches 800 kW/kWp.*watts per kWp, or the whole roof's output"),
        ("h1_pv_kw_per_kwp", 8.0, "PV reaches 6.4 kW/kWp"),
        ("h1_pv_kw_per_kwp", 1e-3, "never gives more than 0.0008 kW/kWp"),
        ("h1_pv_kwh_per_kwp", 1.0, "PV reaches 3.2 kW/kWp"),
    ],
)
def test_what_no_roof_gives_is_refused(tmp_path: Path, name: str, factor: float, message: str) -> None:
    hour = YEAR.hour + YEAR.minute / 60
    pv = factor * 0.8 * np.maximum(0.0, np.sin((hour - 6) / 12 * np.pi)) * (hour > 6) * (hour < 18)
    rows = [f"{t:%Y-%m-%dT%H:%M},{a},{b}" for t, a, b in zip(YEAR, WAVE, pv, strict=True)]
    path = tmp_path / "home.csv"
    path.write_text("\n".join([f"time,h1_load_kw,{name}", *rows]))
    with pytest.raises(ValueError, match=message):
        load_bank(path, step_min=15)


def test_registers_and_spikes_are_repaired_when_asked_and_said(tmp_path: Path) -> None:
    stamps = YEAR.strftime("%Y-%m-%dT%H:%M")
    register = 13_423.7 + np.concatenate([[0.0], np.cumsum(WAVE / 4)[:-1]])
    path = write(tmp_path / "home.csv", stamps, register, "h1_load_kwh")
    loaded = read(path, step_min=15, repair=("register",), n_cars=1)
    np.testing.assert_allclose(loaded.bank.load_kw[0], WAVE[: 13 * DAY], atol=1e-3)
    assert any("takes the differences of a meter's register" in note for note in loaded.report.notes)
    gone = np.r_[0:500, 505:1344]
    holed = write(tmp_path / "holed.csv", stamps[gone], register[gone], "h1_load_kwh")
    filled = read_files([holed], read_options(repair=("register", "gaps"))).homes[0].load_kw
    assert filled.sum() == pytest.approx(WAVE[: 13 * DAY].sum(), rel=1e-4)  # what ran through is kept
    path = write(tmp_path / "spike.csv", stamps, SPIKE)
    loaded = read(path, step_min=15, repair=("spikes",), n_cars=1)
    assert loaded.bank.load_kw[0, 700] == pytest.approx((WAVE[699] + WAVE[701]) / 2)
    assert any("interpolated 1 spike(s) of up to 5.369e+04 kW" in note for note in loaded.report.notes)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("spot_cur_per_kwh", 1e308, "expected values up to 10000, line 2 is beyond; a price per MWh"),
        ("carbon_kg_per_kwh", 331.0, "beyond; grams"),
        ("wind_m_per_s", 1e5, "wind_m_per_s: expected values up to 100"),
        ("outdoor_c", 290.0, "Kelvin or Fahrenheit"),
    ],
)
def test_series_beyond_their_bounds_are_refused(tmp_path: Path, name: str, value: float, message: str) -> None:
    stamps = quarters(1).strftime("%Y-%m-%dT%H:%M")
    rows = [f"{t},0.4,{value if i == 0 else 0.3}" for i, t in enumerate(stamps)]
    (tmp_path / "home.csv").write_text("\n".join([f"time,h1_load_kw,{name}", *rows]))
    with pytest.raises(ValueError, match=message):
        load_bank(tmp_path / "home.csv", step_min=15)


def test_a_retail_price_is_said_to_be_unused_and_outdoor_temperature_is_used(tmp_path: Path) -> None:
    stamps = quarters(2).strftime("%Y-%m-%dT%H:%M")
    rows = [f"{t},0.4,0.3,{i % 20}" for i, t in enumerate(stamps)]
    (tmp_path / "home.csv").write_text("\n".join(["time,h1_load_kw,retail_cur_per_kwh,outdoor_c", *rows]))
    loaded = read(tmp_path / "home.csv", step_min=15, n_cars=1)
    assert any("retail_cur_per_kwh of the bank and is not used" in note for note in loaded.report.notes)
    assert loaded.bank.outdoor_c is not None
    assert loaded.bank.outdoor_c[:3].tolist() == [0, 1, 2]


def test_months_of_plain_csv_are_joined(tmp_path: Path) -> None:
    first, then = quarters(3), quarters(2, "2024-01-11")
    write(tmp_path / "b.csv", first.strftime("%Y-%m-%dT%H:%M"), home_kw(first))
    write(tmp_path / "a.csv", then.strftime("%Y-%m-%dT%H:%M"), home_kw(then))
    data = read_files([tmp_path], read_options())
    assert (str(data.first_day), data.n_days) == ("2024-01-08", 5)
    np.testing.assert_allclose(data.homes[0].load_kw, home_kw(quarters(5)))
    write(tmp_path / "a.csv", then.strftime("%Y-%m-%dT%H:%M").str.replace("01-11T00:00", "01-10T00:00"), home_kw(then))
    with pytest.raises(ValueError, match=r"b.csv line 194, a.csv line 2 repeat a time \(2024-01-10T00:00\)"):
        read_files([tmp_path], read_options())
