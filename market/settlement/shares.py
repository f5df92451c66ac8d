"""Shares in what the community owns: its result of each interval passes to those who hold it, exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gridbazaar.data.arrays import Array, namespace, ratio

_WHOLE = 10**6
"""Shares are counted in millionths."""


@dataclass(frozen=True, slots=True)
class Holding:
    """Who is owned by whom."""

    is_owned: Array  # [n_agents] bool, whose result is passed on
    until_ppm: Array  # [n_agents] int64, millionths held by the agents up to and with this one; the last says all


def holding(agents: Sequence[str], owned: slice, shares: Mapping[str, float]) -> Holding:
    """Give who holds what, on the host.

    Args:
        agents: their names.
        owned: the columns of those that are owned.
        shares: what members hold, by name; they sum to one.
    """
    is_owned = np.zeros(len(agents), bool)
    is_owned[owned] = True
    until = np.cumsum([shares.get(agent, 0.0) for agent in agents])
    return Holding(is_owned, np.rint(until * _WHOLE).astype(np.int64))


def pass_on(owed_ucur: Array, held: Holding) -> Array:
    """Pass on what the owned owe: [n_envs, n_agents] int64 to be added to it, each row sums to zero.

    Args:
        owed_ucur: [n_envs, n_agents] int64, > 0 is paid.
        held: who holds what.

    A member pays the difference of two rounded sums, its own and that of those who stand before it, so that nothing is
    left over and nobody is off by a micro-unit or more.
    """
    xp = namespace(owed_ucur)
    owned = xp.where(held.is_owned[None, :], owed_ucur, 0)
    until = ratio(xp.sum(owned, axis=1)[:, None], held.until_ppm[None, :], xp.zeros_like(held.until_ppm) + _WHOLE)
    before = xp.concat([0 * until[:, :1], until[:, :-1]], axis=1)
    return until - before - owned
