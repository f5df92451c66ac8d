"""The scenario ``village`` in PettingZoo's classic form: ``village_v1.parallel_env()``."""

from __future__ import annotations

from typing import Any

from gridbazaar.envs.views import pettingzoo_env
from gridbazaar.envs.views.pettingzoo_env import MarketParallelEnv, Turns


def parallel_env(**options: Any) -> MarketParallelEnv:
    """Make ``village`` with agents that act at once; options as of ``MarketParallelEnv``."""
    return MarketParallelEnv("village", **options)


def raw_env(**options: Any) -> Turns:
    """Make ``village`` with agents that act in turn."""
    return pettingzoo_env.raw_env("village", **options)


def env(**options: Any) -> Turns:
    """Make ``village`` with agents that act in turn, with the order of calls enforced."""
    return pettingzoo_env.env("village", **options)
