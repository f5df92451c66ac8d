"""The month so far: what charges by the month have come to when an episode begins within one.

It is what the same agents' own series say of the days before, under the plain rule: homes draw their load less their
sun, with the usual heat of rooms and tanks, cars charge when they come, and all else rests. Nobody traded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.arrays import host
from gridbazaar.data.trees import mapped
from gridbazaar.data.units import to_micro
from gridbazaar.envs.episode.world import World, series_of
from gridbazaar.market.settlement.month_before import month_before
from gridbazaar.market.settlement.peaks import MonthCarry


def month_so_far(world: World, start: NDArray[np.int64], params: list[Any]) -> MonthCarry:
    """Carry each row from the first of its month to the step with which its episode begins, on the host.

    Args:
        world: with charges by the month.
        start: [n_envs] first step of each episode, of the bank.
        params: what was drawn for each kind.
    """
    charges = mapped(world.by_month, host)
    begins = np.flatnonzero((charges.power or charges.sums)[0].begins_month)
    first = begins[np.searchsorted(begins, start, "right") - 1]
    steps = start[:, None] - int((start - first).max()) + np.arange(int((start - first).max()))
    is_past = steps >= first[:, None]
    net_ukwh = _net_ukwh(world, np.maximum(steps, first[:, None]), params)
    return month_before(charges, net_ukwh, np.maximum(steps, first[:, None]), is_past)


def _net_ukwh(world: World, steps: NDArray[np.int64], params: list[Any]) -> NDArray[np.int64]:
    """[n_envs, n_agents, n] what the meter of each agent's customer counted in steps [n_envs, n] of the bank."""
    step_h, bank, n = world.scenario.step_h, world.bank, steps.shape[1]
    series = series_of(bank, world.scenario)
    net_kw = np.zeros((len(steps), world.n_agents, n))
    for kind, p, columns in zip(world.kinds, params, world.slices, strict=True):
        if kind.past_kw is not None:
            net_kw[:, columns] = kind.past_kw(p, bank, steps)
        elif kind.must_serve is not None:
            for k in range(n):
                load_kw, sun_kw = kind.must_serve.real_kw(p, series, steps[:, k])
                net_kw[:, columns, k] = load_kw - sun_kw
    net_ukwh: NDArray[np.int64] = to_micro(net_kw * step_h)
    customers = world.customers
    if customers is None or not customers.has_families:
        return net_ukwh
    whole: NDArray[np.int64] = mapped(customers, host).all_of(net_ukwh)
    return whole
