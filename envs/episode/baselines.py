"""Baselines: what enrolled homes would have drawn, from their own days before the episode.

A home states no schedule, so its last ten days of the same type stand for one, load less PV.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.kind import Draw
from gridbazaar.data.bank import Bank
from gridbazaar.data.units import MICRO
from gridbazaar.envs.episode.world import World
from gridbazaar.envs.state import NOT_ASKED
from gridbazaar.market.flexibility.baselines import RULES, history_baseline

_RULE = "10_of_10"


def baselines_ukwh(world: World, draw: Draw, params: list[Any], is_called: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[n_envs, n_steps + 1, n_agents] what enrolled homes would draw while they are asked, at least 0; else -1.

    Args:
        world: the world.
        draw: keys and days of the episodes.
        params: of all kinds.
        is_called: [n_envs, n_steps + 1] whether a call runs.

    A home without ten days of the type before the episode is not asked.
    """
    found = np.full((*is_called.shape, world.n_agents), NOT_ASKED, np.int64)
    homes = [i for i, kind in enumerate(world.kinds) if kind.is_home]
    if not homes or not is_called.any():
        return found
    p, columns, bank = params[homes[0]], world.slices[homes[0]], world.bank
    must_serve = world.kinds[homes[0]].must_serve
    assert must_serve is not None
    assert must_serve.past_net_kw is not None
    share = world.scenario.call.response_share
    enrolled = draw.unit("call.enrolled", columns.stop - columns.start) < share
    steps = np.minimum(draw.start[:, None] + np.arange(draw.n_steps), len(bank.hour()) - 1)
    day, hour = bank.calendar.day[steps], bank.hour()[steps]
    for after in range(int((day - draw.day[:, None]).max()) + 1):
        called = is_called[:, : draw.n_steps] & (day == draw.day[:, None] + after)
        past, has_past = _same_days(bank, draw, after)
        for env in np.flatnonzero(has_past & called.any(axis=1)).tolist():
            asked = np.flatnonzero(called[env])
            at = bank.calendar.step_of(past[env][:, None], hour[env, asked])
            net_kw = must_serve.past_net_kw(p, bank, env, at)
            usual_kw = history_baseline(net_kw, _RULE, np.arange(len(asked)))
            ukwh = np.rint(np.maximum(usual_kw.T, 0.0) * draw.step_h * MICRO).astype(np.int64)
            found[env, asked, columns] = np.where(enrolled[env], ukwh, NOT_ASKED)
    return found


def _same_days(bank: Bank, draw: Draw, after: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """[n_envs, n_days] the last days before each episode of the type of its day ``after``; whether there are enough.

    Days are those of the local calendar, the one on which the episode begins is day 0.
    """
    n = RULES[_RULE].n_days
    is_weekend = bank.calendar.weekday_of(np.arange(bank.n_days)) >= 5
    past, has_past = np.zeros((len(draw.day), n), np.int64), np.zeros(len(draw.day), bool)
    for env, day in enumerate(draw.day.tolist()):
        today = is_weekend[min(day + after, bank.n_days - 1)]
        days = np.flatnonzero(is_weekend[: max(day, 0)] == today)[-n:]
        has_past[env] = len(days) == n
        past[env, n - len(days) :] = days
    return past, has_past
