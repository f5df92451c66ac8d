"""Outages in the twin: what an island costs is what it costs in the core, and so are its derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.training.gradient.outages import Islanded, Outages
from tests.experiments.training.gradient.test_twin import (
    HOURLY,
    NO_LINE_FAILS,
    PER_EPISODE_CUR,
    off_by,
    scenario_of,
    slopes,
)


@pytest.mark.parametrize("part", ["lost load", "charges", "batteries", "cars"])
def test_a_sign_that_is_flipped_in_an_outage_is_noticed(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Outages.live_on

    def wrong(self: Outages, *given: Any) -> Islanded:
        local = -given[-1] if part == "charges" else given[-1]
        found = right(self, *given[:-1], local)  # type: ignore[call-arg]  # as it was called
        wrongs = {"lost load": "cost_cur", "batteries": "battery_kw", "cars": "car_kw"}
        name = wrongs.get(part)
        return found if name is None else found._replace(**{name: -getattr(found, name)})

    monkeypatch.setattr(Outages, "live_on", wrong)
    off_cur, _ = off_by(Core(scenario_of("blackout that sheds for long"), 4))
    assert np.abs(off_cur).max() > PER_EPISODE_CUR


@pytest.mark.slow
def test_its_derivatives_are_those_of_the_core_where_the_grid_fails() -> None:
    """Filling storage is worth what an outage would cost, releasing it what is lost; all the rest as in the village."""
    settings = NO_LINE_FAILS | HOURLY | {"ev.min_kw": 0.0}
    twins, cores = slopes(Core(load_scenario("blackout", **settings), 64), 25, 0.01)
    assert np.corrcoef(twins, cores)[0, 1] > 0.98
    assert np.abs(twins).max() > 0.1
