"""What the tariff asks in an interval of an episode; price events of the operator take the retail price's place."""

from __future__ import annotations

from dataclasses import replace

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.trees import each
from gridbazaar.data.units import from_micro
from gridbazaar.envs.episode.world import World
from gridbazaar.envs.state import Episode
from gridbazaar.market.settlement.settle import Rates


def price_step(episode: Episode, step: Array) -> Array:
    """Give where the prices of a step of the bank ([n_envs] or [n_envs, n]) stand: rows may have tariffs of their own.

    See ``side_by_side``.
    """
    if episode.prices_from is None:
        return step
    return step + episode.prices_from.reshape(-1, *[1] * (step.ndim - 1))


def rates_at(world: World, episode: Episode, t: Array) -> Rates:
    """Give the tariff in interval ``t`` [n_envs]."""
    step = price_step(episode, episode.start + t)
    rates = each(world.rates, lambda x: x[step])
    extra = None if episode.calls is None else episode.calls.extra_ucur_per_kwh
    if extra is None:
        return rates
    return replace(rates, energy=rates.energy + extra[namespace(t).arange(t.shape[0], t), t])


def retail_at(world: World, episode: Episode, t: Array) -> Array:
    """Give the retail price with all charges in intervals ``t`` [n_envs(, n)], currency per kWh, of the same shape."""
    xp, start = namespace(t), episode.start.reshape(-1, *[1] * (t.ndim - 1))
    retail = world.retail_cur_per_kwh[price_step(episode, start + t)]
    extra = None if episode.calls is None else episode.calls.extra_ucur_per_kwh
    if extra is None:
        return retail
    rows = xp.arange(t.shape[0], t).reshape(start.shape)
    return retail + xp.astype(from_micro(extra[rows, t]), retail.dtype)
