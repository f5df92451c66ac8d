"""A reward of a user's own: a function of what happened, in place of the scenario's, and what is refused of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from gridbazaar.data.arrays import Array, host, namespace
from gridbazaar.data.own import pinned
from gridbazaar.data.registry import Sort, code_of, find, installed, name_of
from gridbazaar.envs.state import Happened

Reward: TypeAlias = Callable[[Happened], Array]
"""Of what happened; [n_envs, n_agents] floats."""

SORT = Sort("reward", "gridbazaar.rewards", "mine.py, mine.py:function", "a function of what happened")


def load_reward(given: Any) -> Reward:
    """Give a reward.

    Args:
        given: the path of a file (``mine.py`` with a function ``reward``, or ``mine.py:function``), the name under
            which an installed package brings one, or a function of ``Happened``.
    """
    return _reward(pinned(given) if isinstance(given, str | Path) else given)


@lru_cache(maxsize=64)
def _reward(given: Any) -> Reward:
    found = find(SORT, given, (), str)
    if isinstance(found, ModuleType):
        if "reward" not in vars(found):
            raise ValueError(
                f"reward {name_of(given)!r} ({found.__file__}): lacks a function reward; or name one, mine.py:function"
            )
        found = vars(found)["reward"]
    if not callable(found):
        raise SORT.unknown(given, tuple(installed(SORT.group)))
    reward: Reward = found
    return reward


def own_reward(reward: Reward, happened: Happened, agents: Sequence[str]) -> Array:
    """Give the rewards of an interval, [n_envs, n_agents].

    Raises:
        ValueError: they are of another shape or not finite; names the agents and the environments.
    """
    shape = tuple(happened.shed_kwh.shape)
    found = reward(Happened(**{f.name: getattr(happened, f.name) for f in fields(Happened)}))
    where = f"reward {name_of(reward)!r}" + ("" if code_of(reward) is None else f" ({code_of(reward)})")
    if not hasattr(found, "shape") or tuple(found.shape) != shape:
        came = f"shape {list(found.shape)}" if hasattr(found, "shape") else type(found).__name__
        raise ValueError(f"{where}: expected an array [n_envs, n_agents] = {list(shape)}, got {came}")
    found = found + 0.0 * happened.money.stored_value_cur  # of the core's library and type
    if not bool(namespace(found).isfinite(found).all()):
        env, agent = np.argwhere(~np.isfinite(host(found)))[0].tolist()
        raise ValueError(
            f"{where}: expected finite numbers, got {float(found[env, agent])} for agent {agents[agent]} in "
            f"environment {env} at interval {int(happened.t[env])}"
        )
    return found
