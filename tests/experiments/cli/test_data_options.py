"""What can be said of files is said alike on the command line, in a scenario and in Python."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.loaders.load import load_bank
from gridbazaar.envs.episode.world import bank_of
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.cli.main import main
from tests.data import exports
from tests.experiments.cli.runner import invoke

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = ("--timezone", "--repair", "--stamps", "--columns", "--drop-bad", "--keep-bad")


def call(*arguments: object) -> Any:
    return invoke(main, [str(a) for a in arguments])


@pytest.mark.parametrize("command", ["demo", "train", "evaluate", "compare", "data check"])
def test_every_command_that_reads_files_has_all_options(command: str) -> None:
    text = call(*command.split(), "--help").stdout
    for option in OPTIONS:
        assert option in text, option


def test_what_a_check_advises_is_an_option_of_that_name(tmp_path: Path) -> None:
    """Follow the advice until the file loads."""
    path, given = tmp_path / "home.csv", list[str]()
    stamps = exports.times("Europe/Berlin", "2024-03-25", 14, 15)
    values = 13_000 + np.cumsum(exports.load_kw(stamps) / 4)
    rows = [f"{t:%Y-%m-%d %H:%M:%SZ},{x:.4f}" for t, x in zip(stamps, values, strict=True)]
    path.write_text("\n".join(["time,h1_load_kwh", *rows[:300], *rows[304:]]))
    for _ in range(4):
        found = call("data", "check", path, *given)
        if found.exit_code == 0:
            break
        said = re.findall(r"\b(timezone|repair|stamps)=([A-Za-z/]+)", found.stderr)
        assert said, found.stderr
        given += [f"--{name}={value}" for name, value in said if f"--{name}={value}" not in given]
    assert found.exit_code == 0, found.stderr
    assert set(given) >= {"--timezone=Europe/Berlin", "--repair=gaps", "--repair=register"}
    assert "13 from 2024-03-25" in found.stdout


def test_a_scenario_has_the_options_and_gives_the_same_bank(tmp_path: Path) -> None:
    meter = exports.nem12(tmp_path / "meter.csv", n_days=60)
    prices = exports.aemo(tmp_path / "prices", n_days=60)
    toml = tmp_path / "mine.toml"
    toml.write_text(
        f'''
        title = "Mine"
        [data]
        path = "{meter}"
        further = ["{prices}"]
        timezone = "Australia/Sydney"
        repair = ["gaps", "dst"]
        n_cars = 2
        [prosumer]
        count = 2
        '''
    )
    bank = bank_of(load_scenario(str(toml)).data, 0, 15)
    same = load_bank([meter, prices], step_min=15, timezone="Australia/Sydney", n_cars=2)
    np.testing.assert_array_equal(bank.load_kw, same.load_kw)
    np.testing.assert_array_equal(bank.spot_cur_per_kwh, same.spot_cur_per_kwh)
    data = load_scenario(
        "village", **{"data.path": str(meter), "data.repair": "gaps,spikes", "data.stamps": "end"}
    ).data
    assert (data.repair, data.stamps) == (("gaps", "spikes"), "end")
    for wrong in ({"data.repair": "magic"}, {"data.stamps": "middle"}, {"data.columns": "x"}, {"data.further": "x"}):
        with pytest.raises(ValueError, match=next(iter(wrong)).partition(".")[2]):
            load_scenario("village", **wrong)


@pytest.mark.slow
def test_a_year_of_every_export_plays_an_evaluation(tmp_path: Path) -> None:
    for name, (make, zone, _) in exports.METERS.items():
        path = make(tmp_path / name, first="2024-01-01", n_days=366)
        found = call("evaluate", "street", "--policies", "idle", "--seeds", 1, "--set", "hours=2", "--data", path,
                     "--timezone", zone)  # fmt: skip
        assert found.exit_code == 0, found.stderr
    for name, (make, _) in exports.PRICES.items():
        path = make(tmp_path / name)
        found = call("evaluate", "street", "--policies", "idle", "--seeds", 1, "--set", "hours=2", "--data", path)
        assert found.exit_code == 0, found.stderr
    found = call("evaluate", "street", "--policies", "idle", "--seeds", 1, "--set", "hours=2", "--data",
                 tmp_path / "nem12.csv", "--data", tmp_path / "aemo")  # fmt: skip
    assert found.exit_code == 0, found.stderr


def test_make_demo_hands_paths_and_options_on(tmp_path: Path) -> None:
    """One path, with blanks or not, or several."""
    (tmp_path / "my data").mkdir()

    ours = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "ARGS", "DATA")}

    def recipe(*variables: str) -> str:
        done = subprocess.run(
            ["make", "--no-print-directory", "-f", str(ROOT / "Makefile"), "demo", "VENV=v", "BIN=v", *variables],
            cwd=tmp_path, env=ours, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]

    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    (tmp_path / "v").mkdir()
    for name, text in {"python": "", "gridbazaar": 'printf "<%s>" "$@"; echo\n', ".stamp-train": ""}.items():
        (tmp_path / "v" / name).write_text("#!/bin/sh\n" + text)
        (tmp_path / "v" / name).chmod(0o755)
    assert recipe() == "<demo>"
    assert recipe("DATA=my data") == "<demo><--data><my data>"
    assert recipe("DATA=a.csv b.csv", "ARGS=--timezone Europe/Berlin") == (
        "<demo><--data><a.csv><--data><b.csv><--timezone><Europe/Berlin>"
    )
