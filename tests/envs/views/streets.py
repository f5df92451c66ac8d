"""A street of PettingZoo, and how it is played: what tests of the view share."""

from __future__ import annotations

from typing import Any

import pytest

from gridbazaar.envs.views.pettingzoo_env import MarketParallelEnv, parallel_env
from tests.envs.playing import named

pytestmark = pytest.mark.filterwarnings("error")


def street(**options: Any) -> MarketParallelEnv:
    return parallel_env("street", **options)


def play(env: MarketParallelEnv, actions: Any) -> list[Any]:
    """Everything that the environment gives in one step an action, and its ``state()``."""
    return [(*env.step(named(env.agents, action)), env.state(), list(env.agents)) for action in actions]
