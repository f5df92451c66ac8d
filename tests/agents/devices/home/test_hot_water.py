"""Hot water: what is drawn of the tanks of a day is what the scenario says."""

from __future__ import annotations

import numpy as np
import pytest

from gridbazaar.agents.devices.home.hot_water import Water, draw_tanks
from gridbazaar.agents.kind import Draw
from gridbazaar.envs.core import Core


@pytest.mark.parametrize("kwh_per_day", [2.0, 6.0])
def test_the_mean_draw_of_a_day_is_that_of_the_scenario(kwh_per_day: float) -> None:
    bank = Core("street").world.bank
    keys, day = np.arange(8, dtype=np.uint64), np.full(8, 30)
    draw = Draw(keys=keys, day=day, bank=bank, step_h=0.25, n_steps=96)
    tanks = draw_tanks(Water(share=(1.0, 1.0), kwh_per_day=(kwh_per_day, kwh_per_day)), 40, draw)
    assert tanks.draw_kwh.sum(axis=1).mean() == pytest.approx(kwh_per_day, rel=0.03)
    none = draw_tanks(Water(share=(0.0, 0.0), kwh_per_day=(kwh_per_day, kwh_per_day)), 40, draw)
    assert not none.draw_kwh.any()
