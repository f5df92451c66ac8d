"""Loaders of measured charging sessions: what they read, what they refuse, and how it is played."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.loaders.acn import read_acn
from gridbazaar.data.loaders.charging import play
from gridbazaar.data.loaders.elaad import read_elaad
from gridbazaar.data.loaders.trondheim import read_trondheim
from gridbazaar.data.sessions import find_sessions
from gridbazaar.data.synthetic.away_sessions import make_away_sessions

ACN_HEAD = (
    "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id,session_id,estimated_departure,claimed"
)
ACN_ROWS = [
    "2019-05-06 08:00:00-07:00,2019-05-06 16:30:00-07:00,20.0,12.5,CA-1,a,2019-05-06 17:00:00-07:00,True",
    "2019-05-06 17:00:00-07:00,2019-05-06 18:00:00-07:00,0.0,5.0,CA-1,b,2019-05-06 19:00:00-07:00,False",
    "2019-05-07 09:00:00-07:00,2019-05-07 08:00:00-07:00,9.0,5.0,CA-1,c,2019-05-07 12:00:00-07:00,True",
    "2019-05-07 09:00:00-07:00,2019-05-07 12:00:00-07:00,9.0,0.0,CA-2,d,2019-05-07 12:00:00-07:00,True",
    "2019-05-07 09:00:00-07:00,2019-05-07 19:00:00-07:00,9.0,150.0,CA-3,e,2019-05-07 12:00:00-07:00,True",
    "2019-05-07 09:00:00-07:00,2019-05-07 09:05:00-07:00,9.0,30.0,CA-4,f,2019-05-07 12:00:00-07:00,True",
    "2019-05-06 12:00:00-07:00,2019-05-06 13:00:00-07:00,9.0,3.0,CA-1,g,2019-05-06 13:00:00-07:00,True",
    "2019-05-06 08:00:00-07:00,2019-05-06 16:30:00-07:00,20.0,12.5,CA-1,h,2019-05-06 17:00:00-07:00,True",
    "soon,2019-05-07 12:00:00-07:00,9.0,many,CA-5,i,2019-05-07 12:00:00-07:00,True",
]
TRONDHEIM = """session_ID;Garage_ID;User_ID;User_type;Start_plugin;End_plugout;El_kWh
1;AdO3;AdO3-4;Private;21.12.2018 10:20;21.12.2018 18:23;7,25
2;AdO3;AdO3-4;Private;21.12.2018 20:20;;3,5
3;AdO3;AdO3-4;Private;22.12.2018 20:20;22.12.2018 20:20;0,1
4;Bl2;Share-7;Shared;23.12.2018 23:00;24.12.2018 07:30;20,14
"""


@pytest.fixture
def acn(tmp_path: Path) -> Path:
    (tmp_path / "caltech").mkdir()
    text = "\n".join([ACN_HEAD, *ACN_ROWS])
    (tmp_path / "caltech" / "2019.csv.gz").write_bytes(gzip.compress(text.encode()))
    return tmp_path


def test_what_drivers_said_is_read_beside_what_they_did(acn: Path) -> None:
    found = read_acn(acn).sessions
    assert len(found) == 2
    assert found.arrive.tolist() == np.array(["2019-05-06T08:00:00", "2019-05-06T17:00:00"], "datetime64[s]").tolist()
    assert found.depart[0] == np.datetime64("2019-05-06T16:30:00")
    assert found.announced[0] == np.datetime64("2019-05-06T17:00:00")
    assert np.isnat(found.announced[1])  # nobody claimed this one
    assert found.requested_kwh[0] == 20.0
    assert np.isnan(found.requested_kwh[1])
    assert found.energy_kwh.tolist() == [12.5, 5.0]
    assert found.station.tolist() == ["CA-1", "CA-1"]


def test_every_impossible_row_is_named_with_its_reason(acn: Path) -> None:
    report = read_acn(acn).report
    assert (report.n_rows, report.n_used) == (9, 2)
    assert dict(report.refused) == {
        "caltech/2019.csv.gz line 4": "does not leave after it comes",
        "caltech/2019.csv.gz line 5": "charges nothing",
        "caltech/2019.csv.gz line 6": "charges more than any battery takes (120 kWh)",
        "caltech/2019.csv.gz line 7": "charges faster than any charger gives (60 kW)",
        "caltech/2019.csv.gz line 8": "comes before another one at its charger has left",
        "caltech/2019.csv.gz line 9": "repeats another row",
        "caltech/2019.csv.gz line 10": "has no time of arrival",
    }
    assert "uses 2 of 9 sessions" in str(report)
    assert str(report).count("refused") == 7


def test_decimal_commas_and_open_sessions_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "reports.csv"
    path.write_text(TRONDHEIM, encoding="utf-8")
    found, report = read_trondheim(path)
    assert found.energy_kwh.tolist() == [7.25, 20.14]
    assert found.user.tolist() == ["AdO3-4", "Share-7"]
    assert found.depart[1] == np.datetime64("2018-12-24T07:30:00")
    assert report.refused == (("line 3", "has no time of departure"), ("line 4", "does not leave after it comes"))


def test_a_file_of_another_kind_says_which_columns_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a;b\n1;2\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected columns User_ID.*missing"):
        read_trondheim(path)
    with pytest.raises(ValueError, match="nothing is there"):
        read_acn(tmp_path / "none.csv")


def test_a_file_without_any_possible_session_is_an_error_that_names_all(tmp_path: Path) -> None:
    path = tmp_path / "reports.csv"
    path.write_text("\n".join(TRONDHEIM.splitlines()[:1] + TRONDHEIM.splitlines()[2:4]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"no session is left\n(.|\n)*line 2(.|\n)*line 3"):
        read_trondheim(path)


def test_measured_sessions_keep_their_weekday_and_begin_again(acn: Path) -> None:
    found = read_acn(acn).sessions  # both on a Monday
    played = play(found, np.datetime64("2024-01-03"), 21)  # a Wednesday
    assert played.present.sum() == 2 * 3
    assert played.arrive_h[0, :6].tolist() == [128.0, 137.0, 296.0, 305.0, 464.0, 473.0]  # Mondays at 8 and 17
    assert played.depart_h[0, 0] == 128.0 + 8.5
    assert played.announced_h[0, 0] == 128.0 + 9.0
    assert played.announced_h[0, 1] == played.depart_h[0, 1]
    assert played.need_kwh[0, 0] == pytest.approx(12.5 * 0.9)
    assert not played.is_same_car.any()


def test_a_source_that_nobody_knows_is_refused() -> None:
    for source in ("moon", "acn", "acn:", "home:x", "elaad:here"):
        with pytest.raises(ValueError, match="expected home, workplace, public, or acn:PATH"):
            find_sessions(source, 0, make_calendar(np.datetime64("2024-01-01"), 20, 15), 2)


def elaad_tables(folder: Path) -> None:
    hours = range(24)
    arrivals = "\n".join(f'"{h:02d}:00",{h},{2 * h},{1 if h == 8 else 0}' for h in hours)
    files = {
        "distribution-of-arrival.csv": '"Arrival time","private","public","workplace"\n' + arrivals,
        "distribution-of-arrival-weekend.csv": '"Arrival time","private","public"\n'
        + "\n".join(f'"{h:02d}:00",1,1' for h in hours),
        "mean-session-length-per.csv": '"Arrival Time","home","public","work"\n"00:00",9,10\n'
        '"08:30",3,5,7\n"08:00",3,5,9',
        "mean-demand-per-arrival.csv": '"Arrival Time","home","public","work"\n"00:00",30,20\n"08:00",14,13,15.5',
        "distribution-of-connection-time.csv": '"Percentage of charging events","private","public","workplace"\n'
        "0,72,72,72\n50,11,4.4,4.9\n100,0,0,0",
        "distribution-of-energy-demand.csv": '"Percentage of charging events","private","public","workplace"\n'
        "0,99,99,95\n50,19,7,8.8\n100,0,0,0",
    }
    for name, text in files.items():
        (folder / name).write_text("\ufeff" + text, encoding="utf-8")


def test_tables_of_a_place_become_sessions(tmp_path: Path) -> None:
    elaad_tables(tmp_path)
    found = read_elaad(tmp_path, "workplace")
    assert found.place.weekday[8] == 1.0
    assert found.place.stay_h[8] == 8.0  # mean of two half-hours
    assert found.place.stay_h[0] == 8.0  # the nearest hour with a number
    assert found.energy_kwh.tolist() == [0.0, 8.8, 95.0]
    made = make_away_sessions(found.place, 0, np.datetime64("2024-01-01"), 28, 4, 0.25)
    assert set(np.floor(made.arrive_h[made.present] % 24)) == {8.0}
    home = find_sessions(f"elaad_home:{tmp_path}", 0, make_calendar(np.datetime64("2024-01-01"), 28, 15), 4)
    assert home.is_same_car[home.present].all()


def test_a_table_with_a_wrong_cell_names_its_line(tmp_path: Path) -> None:
    elaad_tables(tmp_path)
    path = tmp_path / "mean-demand-per-arrival.csv"
    path.write_text(path.read_text(encoding="utf-8-sig").replace("15.5", "much"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"work: expected numbers, got other text in line 3"):
        read_elaad(tmp_path, "workplace")


DATASETS = os.environ.get("GRIDBAZAAR_DATASETS")
needs_data = pytest.mark.skipif(DATASETS is None, reason="GRIDBAZAAR_DATASETS names no folder")


@needs_data
def test_acn_data_are_read_whole() -> None:
    found, report = read_acn(Path(str(DATASETS)) / "acn_data")
    assert report.n_rows == 27_407
    assert len(found) == report.n_used == 27_402
    assert [reason for _, reason in report.refused] == [
        *["charges faster than any charger gives (60 kW)"] * 2,
        "comes before another one at its charger has left",
        *["charges faster than any charger gives (60 kW)"] * 2,
    ]
    assert len(np.unique(found.station)) == 107
    assert np.isfinite(found.requested_kwh).mean() > 0.9
    played = play(found, np.datetime64("2024-01-01"), 365)
    assert played.present.sum() > 20_000


@needs_data
def test_trondheim_sessions_are_read_but_for_the_impossible() -> None:
    found, report = read_trondheim(Path(str(DATASETS)) / "ev_trondheim")
    assert report.n_rows == 6878
    assert report.n_used == len(found) == 6805
    reasons = [reason for _, reason in report.refused]
    assert reasons.count("has no time of departure") == 34
    assert reasons.count("does not leave after it comes") == 17
    assert reasons.count("comes before another one at its charger has left") == 22
    assert len(np.unique(found.user)) == 96  # one of 97 never unplugged


def acn_file(tmp_path: Path, *rows: tuple[str, str]) -> Path:
    """Claimed sessions of 3 kWh, each at a charger of its own."""
    lines = [f"{a},{d},3,3,S{i},{i},{d},True" for i, (a, d) in enumerate(rows)]
    (tmp_path / "acn.csv").write_text("\n".join([ACN_HEAD, *lines]))
    return tmp_path / "acn.csv"


@pytest.mark.parametrize(
    ("arrive", "depart"),
    [
        ("2019-05-01 15:00:00+00:00", "2019-05-02 00:00:00+00:00"),
        ("2019-05-01T08:00:00-07:00", "2019-05-01T17:00:00-07:00"),
        ("2019-05-01 08:00:00-07", "2019-05-02T00:00:00Z"),
        ("2019-05-01 08:00:00", "2019-05-01T17:00:00.000-0700"),
    ],
)
def test_sessions_are_read_on_the_clock_of_the_site_whatever_the_offset(
    tmp_path: Path, arrive: str, depart: str
) -> None:
    found = read_acn(acn_file(tmp_path, (arrive, depart))).sessions
    assert (str(found.arrive[0]), str(found.depart[0])) == ("2019-05-01T08:00:00", "2019-05-01T17:00:00")
    assert found.announced[0] == found.depart[0]


def test_a_stay_is_what_passed_over_a_change_of_the_clock(tmp_path: Path) -> None:
    spring = ("2019-03-10 01:50:00-08:00", "2019-03-10 03:20:00-07:00")
    autumn = ("2019-11-03 01:50:00-07:00", "2019-11-03 01:20:00-08:00")
    found = read_acn(acn_file(tmp_path, spring, autumn)).sessions
    assert (found.depart - found.arrive).astype(int).tolist() == [1800, 1800]
    assert [str(time)[11:16] for time in found.arrive] == ["01:50", "01:50"]


def test_who_comes_after_the_change_of_the_clock_is_not_too_early(tmp_path: Path) -> None:
    first = "2019-11-03 00:50:00-07:00,2019-11-03 01:20:00-08:00,3,3,S,a,2019-11-03 01:20:00-08:00,True"
    then = "2019-11-03 01:30:00-08:00,2019-11-03 03:20:00-08:00,3,3,S,b,2019-11-03 03:20:00-08:00,True"
    (tmp_path / "acn.csv").write_text("\n".join([ACN_HEAD, first, then]))
    assert read_acn(tmp_path / "acn.csv").report.refused == ()
