"""While an interval is played nothing is drawn: every call into the module of chance is watched."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import numpy as np
import pytest

from gridbazaar.data import chance
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import load_scenario
from tests.envs.everything import EVERYTHING, OUTAGES


class Watch:
    """Names what draws between ``with`` and its end."""

    def __init__(self) -> None:
        self.drawn: set[str] = set()

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and frame.f_code.co_filename == chance.__file__:
            self.drawn.add(frame.f_code.co_name)

    def __enter__(self) -> Watch:
        sys.setprofile(self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)


@pytest.mark.parametrize("options", [EVERYTHING, OUTAGES, {"mechanism": "sbba"}], ids=["called", "cut off", "lottery"])
def test_a_step_and_an_observation_draw_nothing(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    core = Core(load_scenario("village", **options), 2)
    state, actions = core.reset(0), np.random.default_rng(0).uniform(-1, 1, (24, 2, core.n_agents, core.n_actions))
    monkeypatch.setattr(np.random, "default_rng", None)
    with Watch() as watch:
        for action in actions:
            observe(core, state, forecasts=True)
            state, _ = core.step(state, action)
    assert watch.drawn == set()


def test_what_is_drawn_is_seen() -> None:
    core = Core(load_scenario("village", **OUTAGES), 1)
    with Watch() as watch:
        core.reset(0)
    assert {"uniform", "integers"} <= watch.drawn
