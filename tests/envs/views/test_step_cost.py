"""A step of the PettingZoo view costs no more than it did before there was anything of a user's own in it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from gridbazaar.envs.views.pettingzoo_env import parallel_env

BEFORE = 1363 + 892
"""Calls of Python and of C in a step of the street or the village at commit ff5c133, in Python 3.11."""


def calls_of_a_step(scenario: str, **options: Any) -> float:
    env, n = parallel_env(scenario, **options), 4
    env.reset(seed=1)
    actions = {a: np.full(int(env.action_masks[a].sum()), 0.3, np.float32) for a in env.agents}
    env.step(actions)
    counted = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for _ in range(n):
            env.step(actions)
    finally:
        sys.setprofile(before)
    return counted / n


@pytest.mark.parametrize("scenario", ["street", "village"])
def test_a_step_calls_no_more_than_before(scenario: str) -> None:
    assert calls_of_a_step(scenario) <= BEFORE


def test_what_is_off_is_not_called() -> None:
    plain, of_python = calls_of_a_step("street"), 2  # a call or two of the interpreter itself come and go
    off = calls_of_a_step("street", costs=False, team_reward=False, pad_actions=False, forecasts=False)
    assert off == pytest.approx(plain, abs=of_python)
    assert calls_of_a_step("street", costs=True) > plain + of_python
    assert calls_of_a_step("street", observe={"last": 2}) > plain + of_python
    assert calls_of_a_step("street", infos=False) < plain
