"""Reality checks: what can be said of them without playing weeks."""

from __future__ import annotations

import numpy as np
import pytest

from gridbazaar.envs.episode.world import bank_of
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.studies.checks import _round, plugged, zero_intelligence

pytestmark = pytest.mark.slow


def test_traders_without_intelligence_never_lose_and_reach_most_of_the_gains() -> None:
    rng = np.random.default_rng(3)
    worth, cost = np.full(5, 0.8), np.full(5, 0.2)
    bought, sold = _round(worth, cost, rng)
    assert bought.sum() == sold.sum() > 0
    assert not np.concatenate(_round(cost, worth, rng)).any(), "who is worth less than it costs finds nobody"
    assert zero_intelligence(n_traders=4, n_rounds=1, n_markets=10) < zero_intelligence(n_traders=4, n_markets=10) <= 1


def test_cars_take_little_of_the_time_that_they_stand() -> None:
    kw, needed = plugged()
    scenario = load_scenario("village")
    found = bank_of(scenario.data, scenario.seed, scenario.step_min).sessions
    drawn = hours = full = 0.0
    for charger, slot in np.argwhere(found.present):
        stays_h = found.depart_h[charger, slot] - found.arrive_h[charger, slot]
        draws_kwh = found.need_kwh[charger, slot] / 0.92
        drawn, hours, full = drawn + draws_kwh, hours + stays_h, full + min(draws_kwh / 7.4, stays_h)
    assert kw == pytest.approx(drawn / hours)
    assert needed == pytest.approx(full / hours)
    assert needed >= kw / 7.4 - 0.05
