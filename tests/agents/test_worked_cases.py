"""Where each worked case of agents and assets is a test, and that it is there; and those that fit nowhere else."""

from pathlib import Path

import numpy as np
import pytest

from gridbazaar.envs.core import Core
from gridbazaar.envs.episode.outages import chance_of
from gridbazaar.envs.scenarios import load_scenario

ROOT = Path(__file__).parents[1]

PLACES = {
    "W1 a home battery from empty to full and back": ("agents/test_storage.py", "0.3513642"),
    "W3 a charger that is asked for more than it has": ("agents/test_storage.py", "50.64"),
    "W5 two-stage charging": ("agents/test_storage.py", "85.4724012"),
    "W6 arbitrage": ("agents/policies/test_optimum.py", "2.7473684"),
    "W8 break-even": ("agents/policies/test_optimum.py", "0.1608033"),
    "W10 greedy is optimal": ("agents/policies/test_optimum.py", "3.0321053"),
    "W11 a car overnight": ("agents/policies/test_charging_rules.py", "10.02333"),
    "W12 volt-var": ("market/grid/test_inverter.py", "0.366666"),
    "W15 a room": ("agents/devices/home/test_heat.py", "18.7882613"),
    "W17 baselines": ("market/flexibility/test_baselines.py", "1.19512"),
    "W18 two homes": ("market/auction/test_equilibrium.py", "W18"),
    "W21 outages": ("agents/test_worked_cases.py", "7.92672"),
    "W23 a car that conserves energy": ("agents/test_storage.py", "12.22"),
}
"""What the reference numbers, with the file that tests it and a figure that it must hold. None is left out."""


@pytest.mark.parametrize("case", PLACES)
def test_every_worked_case_is_a_test(case: str) -> None:
    file, figure = PLACES[case]
    assert figure in (ROOT / file).read_text(encoding="utf-8"), f"{case}: {figure} is not in {file}"


def test_a_usual_grid_is_away_for_eight_hours_a_year() -> None:
    saifi, caidi_min = 1.436, 331.2
    assert saifi * caidi_min / 60 == pytest.approx(7.92672)
    # The reference divides by 365 days; a chance is a little less than a rate.
    assert chance_of(saifi, 24.0) == pytest.approx(0.0039342, rel=0.003)


def test_outages_come_as_often_and_last_as_long_as_said() -> None:
    core = Core(load_scenario("street", **{"outage.per_year": 80.0, "outage.mean_h": 331.2 / 60}), 4000)
    outages = core.reset(0).episode.outages
    assert outages is not None
    has = outages.begin < core.n_steps
    expected = chance_of(80.0, 24.0)
    assert has.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / 4000))
    whole = has & (outages.begin < 24)  # long ones are cut by the end
    hours = (outages.end - outages.begin)[whole] * core.scenario.step_h
    left = (core.n_steps - outages.begin[whole]) * core.scenario.step_h
    mean_h = 5.52 * (1 - np.exp(-left / 5.52)).mean() + core.scenario.step_h / 2  # up to whole intervals
    assert hours.mean() == pytest.approx(mean_h, rel=0.1)
