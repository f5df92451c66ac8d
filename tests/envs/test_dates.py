"""One long episode over given days of the local calendar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario, scenario_of
from gridbazaar.experiments.describe import scenario_toml
from gridbazaar.experiments.files import to_json
from gridbazaar.experiments.training.folder import begin
from gridbazaar.experiments.training.train import TrainConfig

SMALL: dict[str, Any] = {"data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4, "data.n_days": 120, "step_min": 60}


def street(*dates: str, **more: Any) -> Scenario:
    return load_scenario("street", dates=dates, **SMALL | more)


def test_it_lasts_from_the_first_midnight_to_the_last() -> None:
    scenario = street("2024-02-26", "2024-03-03")
    assert (scenario.start_h, scenario.hours, scenario.n_steps) == (0.0, 168.0, 168)
    core = Core(scenario, 3)
    state = core.reset(np.array([0, 1, 7]), split="test")
    calendar = core.world.bank.calendar
    first = core.world.bank.first_day + calendar.day[state.episode.start]
    assert first.astype("datetime64[D]").tolist() == [np.datetime64("2024-02-26").item()] * 3
    assert (calendar.hour[state.episode.start] == 0.0).all()
    last = core.world.bank.first_day + calendar.day[state.episode.start + scenario.n_steps - 1]
    assert (last == np.datetime64("2024-03-03")).all()


def test_days_are_as_long_as_the_clock_makes_them() -> None:
    found = {zone: street("2024-03-25", "2024-03-31", **{"data.timezone": zone}).hours for zone in ("Europe/Berlin",)}
    assert found == {"Europe/Berlin": 167.0}
    assert street("2024-03-10", "2024-03-10", **{"data.timezone": "America/New_York"}).hours == 23.0


def test_families_differ_by_seed_and_days_do_not() -> None:
    core = Core(street("2024-03-04", "2024-03-05"), 2)
    draws = core.reset(np.array([0, 1]), split="test").episode
    assert draws.start[0] == draws.start[1]
    assert not np.array_equal(draws.params[0].home[0], draws.params[0].home[1])


def test_it_is_read_again_as_it_was_written() -> None:
    scenario = street("2024-02-26", "2024-03-03")
    held = to_json(scenario)
    again = scenario_of(json.loads(held))
    assert (again.dates, again.hours, again.start_h) == (scenario.dates, 168.0, 0.0)


@pytest.mark.parametrize(
    ("dates", "more", "why"),
    [
        (("2024-02-30", "2024-03-01"), {}, "expected first and last day, such as"),
        (("2024-03-01",), {}, "expected first and last day, such as"),
        (("2024-03-02", "2024-03-01"), {}, "not to be after the last, got 2024-03-02 and 2024-03-01"),
        (("2024-03-01", "2024-03-02"), {"data.months": (1, 2)}, "leave data.months out"),
        (("2024-03-01", "2024-03-02"), {"outage.chance": 0.5}, "leave outage"),
    ],
)
def test_dates_that_say_nothing_are_refused(dates: tuple[str, ...], more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=f"^dates: .*{why}"):
        street(*dates, **more)


@pytest.mark.parametrize(
    ("dates", "why"),
    [
        (("2024-01-05", "2024-01-20"), "expected days from 2024-01-09 to 2024-04-29"),
        (("2024-04-20", "2024-05-03"), "data.n_days=124 makes the series long enough"),
    ],
)
def test_days_that_the_series_lack_are_refused(dates: tuple[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Core(street(*dates), 1).reset(np.array([0]), split="test")


@pytest.mark.parametrize("dates", [("2024-01-09", "2024-01-09"), ("2024-04-29", "2024-04-29")])
def test_the_first_and_the_last_day_that_the_series_have_are_played(dates: tuple[str, str]) -> None:
    core = Core(street(*dates), 1)
    start = core.reset(np.array([0]), split="test").episode.start
    assert str(core.world.bank.first_day + core.world.bank.calendar.day[start][0]) == dates[0]


def test_no_training_on_days_that_every_split_would_play(tmp_path: Path) -> None:
    scenario = street("2024-03-04", "2024-03-05")
    with pytest.raises(ValueError, match="dates: training draws its days from the weeks of its split"):
        begin(tmp_path / "run", TrainConfig(scenario="street"), scenario, force=False)
    assert not (tmp_path / "run").exists()


def test_hours_beside_dates_are_refused_and_a_written_scenario_is_read_again(tmp_path: Path) -> None:
    for name in ("hours", "start_h"):
        with pytest.raises(ValueError, match=f"dates: {name} follow from them"):
            street("2024-03-04", "2024-03-05", **{name: 12.0})
    path = tmp_path / "march.toml"
    path.write_text(scenario_toml(street("2024-03-04", "2024-03-05")), encoding="utf-8")
    again = load_scenario(str(path))
    assert (again.dates, again.hours, again.start_h) == (("2024-03-04", "2024-03-05"), 48.0, 0.0)
    with pytest.raises(ValueError, match="dates: hours follow from them"):
        load_scenario(str(path), hours=12.0)
