"""The scenario ``district`` in PettingZoo's classic form: ``district_v1.parallel_env()``."""

from __future__ import annotations

from typing import Any

from gridbazaar.envs.views import pettingzoo_env
from gridbazaar.envs.views.pettingzoo_env import MarketParallelEnv, Turns


def parallel_env(**options: Any) -> MarketParallelEnv:
    """Make ``district`` with agents that act at once; options as of ``MarketParallelEnv``."""
    return MarketParallelEnv("district", **options)


def raw_env(**options: Any) -> Turns:
    """Make ``district`` with agents that act in turn."""
    return pettingzoo_env.raw_env("district", **options)


def env(**options: Any) -> Turns:
    """Make ``district`` with agents that act in turn, with the order of calls enforced."""
    return pettingzoo_env.env("district", **options)
