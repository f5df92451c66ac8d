"""Playing a scenario with calls: what tests of calls share."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import State, Transition
from gridbazaar.market.settlement.settle import LINES

CAPACITY, PRICE = 2, 3
ROUNDING = 40  # micro-kWh: a device an interval, and more of them


def core_of(n_envs: int = 1, **overrides: Any) -> Core:
    fixed = {"price_cur_per_kwh": 0.6, "member_share": 0.8} | overrides.pop("call", {})
    return Core(load_scenario("vpp_call", call=fixed, **overrides), n_envs)


def rest(core: Core, *, offers: float = 1.0, price: float = 0.0) -> np.ndarray:
    """Nobody does anything but offer."""
    action = np.zeros((core.n_envs, core.n_agents, core.n_actions))
    action[..., CAPACITY], action[..., PRICE] = offers, price
    return action


def episode(core: Core, act: Any, seed: int = 0) -> list[tuple[State, Transition]]:
    """All intervals, with the state before each; ``act(state)`` gives the actions."""
    state, happened = core.reset(seed), []
    for _ in range(core.n_steps):
        before = state
        state, transition = core.step(before, act(before))
        happened.append((before, transition))
    return happened


def random_play(core: Core, seed: int) -> list[tuple[State, Transition]]:
    rng = np.random.default_rng(seed)

    def act(state: State) -> np.ndarray:
        action = rng.uniform(-1, 1, (core.n_envs, core.n_agents, core.n_actions))
        action[..., CAPACITY] = abs(action[..., CAPACITY])
        return action

    return episode(core, act, seed)


def of_vpps(core: Core, x: Any) -> np.ndarray:
    return np.asarray(x)[:, core.scenario.kind_slices["vpp"]]


def line(happened: Transition, name: str) -> np.ndarray:
    return np.asarray(happened.money.bill.ucur[:, LINES.index(name)])


def rest_of(core: Core) -> np.ndarray:
    return np.zeros((core.n_envs, core.n_agents, core.n_actions))
