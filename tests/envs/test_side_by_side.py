"""Tariffs side by side in one batch: each row is what it is in a core of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.side_by_side import joined, rows_of, side_by_side

SMALL: dict[str, Any] = {"data.n_homes": 4, "data.n_roofs": 2, "data.n_cars": 2, "data.n_days": 60, "hours": 6.0}


def test_rows_of_tariffs_are_what_they_are_alone() -> None:
    cores = [Core(load_scenario("street", tariff=t, **SMALL), 2) for t in ("flat", "spot", "at_dynamic")]
    states = [core.reset(np.array([0, 7])) for core in cores]
    whole, state, rng = side_by_side(cores), joined(cores, states), np.random.default_rng(3)
    bought, together = 0, None
    for _ in range(whole.n_steps):
        action = rng.uniform(-1.1, 1.1, (2, whole.n_agents, whole.n_actions))
        seen = observe(whole, state, forecasts=True)
        state, together = whole.step(state, np.tile(action, (3, 1, 1)))
        for k, core in enumerate(cores):
            mine, rows = observe(core, states[k], forecasts=True), slice(2 * k, 2 * k + 2)
            theirs = rows_of(seen, rows, whole.n_envs)
            assert (theirs.features == mine.features).all()
            for name in ("retail_cur_per_kwh", "export_cur_per_kwh", "local_charge_cur_per_kwh"):
                assert (getattr(theirs.forecasts, name) == getattr(mine.forecasts, name)).all(), name
            states[k], alone = core.step(states[k], action)
            part = rows_of(together, rows, whole.n_envs)
            assert (part.money.bill.ucur == alone.money.bill.ucur).all()
            assert (part.delivery.metered_ukwh == alone.delivery.metered_ukwh).all()
            assert (part.reward == alone.reward).all()
            bought += int(alone.delivery.metered_ukwh.max())
    assert bought > 0
    assert together is not None
    bills = [rows_of(together, slice(2 * k, 2 * k + 2), whole.n_envs).money.bill.ucur for k in range(3)]
    assert (bills[0] != bills[1]).any()
    assert (bills[1] != bills[2]).any()


def test_cores_of_other_scenarios_are_refused() -> None:
    cores = [Core(load_scenario("street", mechanism=m, **SMALL), 1) for m in ("none", "uniform_price")]
    with pytest.raises(ValueError, match="differ in their tariff alone"):
        side_by_side(cores)
