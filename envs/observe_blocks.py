"""Blocks of an observation that a scenario may add: forecasts as vectors, and the last intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gridbazaar.agents.policy import Forecasts
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.envs.columns import BOUND, PEAK_PRICE_SCALE, POWER_SCALE, PRICE_SCALE
from gridbazaar.envs.power_ahead import PeakSeen
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.state import State


def block_values(
    scenario: Scenario, state: State, ahead: Forecasts | None, cap_kw: Array, peaks: Sequence[PeakSeen] = ()
) -> tuple[Array, Array]:
    """Give the values of ``block_columns``: [n_envs, n_shared] and [n_envs, n_agents, n_own].

    Args:
        scenario: whose blocks.
        state: what is observed.
        ahead: the day ahead; none where the scenario has no forecasts.
        cap_kw: [n_envs] power of the community that counts as one.
        peaks: charges on power.
    """
    xp = namespace(cap_kw)
    shared: list[Array] = []
    own: list[Array] = []
    if scenario.observe.n_ahead:
        assert ahead is not None
        net_kw = _means(ahead.net_kw, scenario, xp)
        shared += [
            _means(ahead.retail_cur_per_kwh, scenario, xp) / PRICE_SCALE,
            xp.sum(net_kw, axis=1) / cap_kw[:, None],
        ]
        own.append(net_kw / POWER_SCALE)
    if state.past is not None:
        shared += [state.past.price_cur_per_kwh / PRICE_SCALE, state.past.net_kw / cap_kw[:, None]]
        own.append(state.past.own_kw / POWER_SCALE)
    for peak in peaks:
        own.append(xp.stack([peak.kw / POWER_SCALE, peak.cur_per_kw / PEAK_PRICE_SCALE], axis=2))
    none = xp.zeros((cap_kw.shape[0], 0), cap_kw)
    return (
        xp.clip(xp.concat((none, *shared), axis=1), -BOUND, BOUND),
        xp.clip(xp.concat(tuple(own), axis=2), -BOUND, BOUND),
    )


def _means(values: Array, scenario: Scenario, xp: Any) -> Array:
    """[..., n_ahead] means of [..., horizon]; beyond the horizon its last value."""
    wanted = scenario.observe
    per = round(wanted.ahead_step_h / scenario.step_h)
    last = values.shape[-1] - 1
    steps = [
        sum(values[..., min(i * per + j, last)] for j in range(per)) / per  # of one column
        for i in range(wanted.n_ahead)
    ]
    return xp.stack(steps, axis=-1)
