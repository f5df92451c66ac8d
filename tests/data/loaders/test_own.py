"""A loader of a user's own gives what a CSV file gives, and is held to the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridbazaar.data.loaders.load import load_bank
from gridbazaar.data.loaders.own import load_loader
from gridbazaar.envs.episode.world import bank_of
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.training.own_files import keep_files
from tests.experiments.cli.runner import invoke

N_DAYS = 60
WATTS = 300.0 + 100.0 * np.sin(np.arange(48 * N_DAYS) / 7)
CODE = '''
import numpy as np

def read(path):
    """Half-hours from New Year on, a number of watts each."""
    if path.suffix != ".watts":
        return None
    watts = np.loadtxt(path)
    times = np.datetime64("2024-01-01T00:00") + np.arange(len(watts)) * np.timedelta64(30, "m")
    return {"time": times, "h1_load_w": watts}

def broken(path):
    return {"time": [1, 2, 3], "h1_load_w": [1.0, 2.0]}

def odd(path):
    return {"time": ["2024-01-01T00:00"], "load": [1.0]}

def failing(path):
    raise KeyError("moon")

NUMBER = 3
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")
    np.savetxt(tmp_path / "meter.watts", WATTS)
    times = pd.date_range("2024-01-01", periods=len(WATTS), freq="30min").strftime("%Y-%m-%dT%H:%M")
    pd.DataFrame({"time": times, "h1_load_w": WATTS}).to_csv(tmp_path / "meter.csv", index=False)
    spot = pd.DataFrame({"time": times, "spot_cur_per_kwh": 0.1 + 0.05 * np.cos(np.arange(len(times)) / 5)})
    spot.to_csv(tmp_path / "prices.csv", index=False)
    return tmp_path


def frame(path: Path) -> Any:
    times = pd.date_range("2024-01-01", periods=len(WATTS), freq="30min")
    return pd.DataFrame({"time": times, "h1_load_w": WATTS}) if path.name == "meter.watts" else None


@pytest.mark.parametrize("sort", ["path", "named", "frame"])
def test_it_gives_the_bank_that_a_csv_file_gives(folder: Path, sort: str) -> None:
    loader: Any = {"path": folder / "mine.py", "named": f"{folder / 'mine.py'}:read", "frame": frame}[sort]
    expected = load_bank([folder / "meter.csv", folder / "prices.csv"], step_min=15)
    found = load_bank([folder / "meter.watts", folder / "prices.csv"], step_min=15, loader=loader)
    assert found.load_kw.shape == expected.load_kw.shape
    np.testing.assert_allclose(found.load_kw, expected.load_kw, rtol=1e-12)
    np.testing.assert_array_equal(found.spot_cur_per_kwh, expected.spot_cur_per_kwh)
    assert float(found.load_kw[0, 0]) == pytest.approx(0.3)


def test_a_gap_is_one_as_in_a_csv_file_and_a_folder_may_be_of_another_make(folder: Path) -> None:
    """A folder with schema.json is CityLearn's, but not where a loader reads it."""
    times = np.datetime64("2024-01-01T00:00") + np.arange(len(WATTS)) * np.timedelta64(30, "m")
    watts: list[Any] = WATTS.tolist()
    watts[10], watts[11] = float("nan"), None

    def gappy(path: Path) -> dict[str, Any]:
        return {"time": times, "h1_load_w": watts}

    (folder / "schema.json").write_text("{}")
    with pytest.raises(ValueError, match="repair=gaps"):
        load_bank(folder, step_min=30, loader=gappy)
    found = load_bank(folder, step_min=30, loader=gappy, repair=("gaps",))
    between = WATTS[9] + (WATTS[12] - WATTS[9]) * np.array([1, 2]) / 3
    np.testing.assert_allclose(found.load_kw[0, 10:12], between / 1000)


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        ("broken", "meter.watts", r"loader 'broken' \(.*mine\.py\): expected columns .* time 3, h1_load_w 2"),
        ("odd", "meter.watts", r"loader 'odd' .* gave a table that is no plain CSV: .*unknown columns or units: load"),
        ("failing", "meter.watts", r"loader 'failing' .*: KeyError: 'moon'"),
        ("read", "prices.csv", r"loader: expected it to read one of .*prices\.csv, it gave a table of none; omit it"),
        ("nothing", "meter.watts", r"lacks nothing"),
        ("NUMBER", "meter.watts", r"loader: expected .*a function of a path that gives a table"),
    ],
)
def test_a_wrong_one_is_refused_by_name(folder: Path, name: str, path: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        load_bank(folder / path, step_min=15, loader=f"{folder / 'mine.py'}:{name}")


def test_a_file_without_the_function_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match=r"loader 'other' .* lacks a function read"):
        load_loader(tmp_path / "other.py")


def test_a_scenario_names_it_and_a_file_may_not_unasked(folder: Path) -> None:
    named: dict[str, Any] = {"path": str(folder / "meter.watts"), "loader": str(folder / "mine.py")}
    scenario = load_scenario("street", data=named)
    assert bank_of(scenario.data, 0, 15).load_kw.shape[0] == 1
    assert "#sha256=" in str(scenario.data.loader)
    keep_files(scenario, folder / "run")
    assert [path.name for path in (folder / "run" / "code").rglob("*.py")] == ["mine.py"]
    with pytest.raises(ValueError, match=r"data\.loader: expected data\.path beside it"):
        load_scenario("street", data={"loader": str(folder / "mine.py")})
    text = '[data]\npath = "meter.watts"\nloader = "mine.py"\n[prosumer]\ncount = 2\n'
    (folder / "own.toml").write_text('title = "x"\nmechanism = "uniform_price"\n' + text)
    with pytest.raises(ValueError, match=r"data\.loader names code, mine\.py, which would run; give --allow-code"):
        load_scenario(folder / "own.toml")
    assert load_scenario(folder / "own.toml", allow_code=True).data.path == str(folder / "meter.watts")


def test_the_command_line_takes_it(folder: Path) -> None:
    said = invoke(main, ("data", "check", folder / "meter.watts", "--loader", folder / "mine.py"))
    assert said.exit_code == 0, said.stderr
    wrong = invoke(main, ("data", "check", folder / "meter.watts", "--loader", f"{folder / 'mine.py'}:failing"))
    assert wrong.exit_code == 1
    assert "KeyError" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    out = folder / "out.json"
    options = ("--policies", "idle", "--seeds", 1, "--set", "hours=2", "--json", out)
    data = ("--data", folder / "meter.watts", "--set", f"data.loader={folder / 'mine.py'}")
    done = invoke(main, ("evaluate", "street", *data, *options))
    assert done.exit_code == 0, done.stderr
    assert "mine.py" in json.dumps(json.loads(out.read_text()))
