"""What a reset draws: which day, homes, cars, sizes and limits. Nothing after it is random."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.kind import Draw
from gridbazaar.data.arrays import Array
from gridbazaar.data.chance import between, episode_keys, integers, uniform
from gridbazaar.envs.state import Episode
from gridbazaar.envs.world import World

_NOON_H = 12


def draw_episode(world: World, split: str, seeds: NDArray[np.int64], to_array: Any) -> Episode:
    """Draw one episode for each seed.

    Args:
        world: the shared world.
        split: train, validation or test: from which weeks, and under which keys.
        seeds: [n_envs] int64, numbers of the episodes in their split.
        to_array: turns NumPy parameters into arrays of the core's library.

    Row *i* depends on ``seeds[i]`` alone.
    """
    scenario, bank = world.scenario, world.bank
    keys = episode_keys(scenario.seed, split, seeds)
    days = bank.start_days(split)
    day = days[integers(uniform(keys, "day", 1)[:, 0], len(days))]
    draw = Draw(keys, day, bank, scenario.step_h, scenario.n_steps)
    start = day * bank.steps_per_day + round(_NOON_H / scenario.step_h)
    params = [kind.draw(config, draw) for kind, config in zip(world.kinds, world.configs, strict=True)]
    params = _share_storage(world, draw, start, params)
    caps = _caps_kw(world, draw)
    retail = np.asarray(_host(world.retail_cur_per_kwh))
    window = start[:, None] + np.arange(scenario.n_steps)
    prices = retail[window]
    load_sum, pv_sum = _community_outlook(world, start, [_on_host(p) for p in params])
    return Episode(
        seed=to_array(np.asarray(seeds, np.int64)),
        start=to_array(start),
        params=tuple(_map(p, to_array) for p in params),
        import_cap_kw=to_array(caps[0]),
        export_cap_kw=to_array(caps[1]),
        end_value_cur_per_kwh=to_array(0.95 * np.quantile(prices, 0.25, axis=1)),
        rent_ucur=to_array(_rents(world, params)),
        price_sum_cur_per_kwh=to_array(_running_sum(prices)),
        price_rank=to_array(_rank(prices)),
        load_sum_kw=to_array(load_sum),
        pv_sum_kw=to_array(pv_sum),
    )


def _share_storage(world: World, draw: Draw, start: Array, params: list[Any]) -> list[Any]:
    """Resize stationary storage so that the community has the drawn share of its homes' mean daily load."""
    share = world.scenario.storage.share_of_load
    if share is None:
        return params
    home_kwh = world.bank.load_kw.mean(axis=1) * 24
    daily = sum(
        (home_kwh[p.home] * p.load_scale).sum(1)
        for p, c in zip(params, world.configs, strict=True)
        if hasattr(p, "home") and c.count
    )
    nominal = sum(kind.storage_kwh(p) for kind, p in zip(world.kinds, params, strict=True))
    wanted = between(draw.unit("storage.share", 1)[:, 0], *share) * daily
    factor = np.where(nominal > 0, wanted / np.maximum(nominal, 1e-9), 1.0)[:, None]
    return [kind.scale(p, factor) for kind, p in zip(world.kinds, params, strict=True)]


def _caps_kw(world: World, draw: Draw) -> tuple[Array, Array]:
    connection = world.scenario.connection
    n_homes = max(1, world.scenario.agents["prosumer"].count if "prosumer" in world.scenario.agents else 1)
    unit = draw.unit("connection", 2)
    return (
        n_homes * between(unit[:, 0], *connection.import_kw_per_home),
        n_homes * between(unit[:, 1], *connection.export_kw_per_home),
    )


def _rents(world: World, params: list[Any]) -> Array:
    """Contracts per interval, micro-currency: who rents pays, the owner of each device receives."""
    rents = np.zeros((len(params[0].config and params[0].capacity_kwh), world.n_agents), np.int64)
    owner, meter_agent = np.asarray(_host(world.owner)), np.asarray(_host(world.meter_agent))
    first = 0
    for kind, p, meters in zip(world.kinds, params, world.meter_slices, strict=True):
        daily = kind.rent_cur_per_day(p)
        if daily is None:
            continue
        amount = (daily * 1e6 * world.scenario.step_h / 24).astype(np.int64)
        for j in range(amount.shape[1]):
            rents[:, meter_agent[meters.start + j]] += amount[:, j]
            rents[:, owner[first + j]] -= amount[:, j]
        first += amount.shape[1]
    return rents


def _community_outlook(world: World, start: Array, params: list[Any]) -> tuple[Array, Array]:
    """Running sums [n_envs, n_steps + 1] of the load and PV that all homes together expect a day ahead."""
    scenario = world.scenario
    load = np.zeros((len(start), scenario.n_steps))
    pv = np.zeros_like(load)
    series = _on_host(world.series)
    for kind, p in zip(world.kinds, params, strict=True):
        for t in range(scenario.n_steps):
            if (outlook := kind.outlook_kw(p, series, start + t)) is not None:
                load[:, t] += outlook[0].sum(1)
                pv[:, t] += outlook[1].sum(1)
    return _running_sum(load), _running_sum(pv)


def _running_sum(x: Array) -> Array:
    return np.concatenate([np.zeros((len(x), 1)), np.cumsum(x, axis=1)], axis=1)


def _rank(prices: Array) -> Array:
    """[n_envs, n_steps + 1] share of the intervals after each that are cheaper; 0 at the end."""
    n_envs, n_steps = prices.shape
    rank = np.zeros((n_envs, n_steps + 1))
    for t in range(n_steps - 1):
        rank[:, t] = (prices[:, t + 1 :] < prices[:, t : t + 1]).mean(axis=1)
    return rank


def _host(x: Array) -> Array:
    return x if isinstance(x, np.ndarray) else x.cpu().numpy()


def _map(value: Any, function: Any) -> Any:
    """Apply a function to every array of a frozen dataclass."""
    from dataclasses import fields, replace

    changes = {
        f.name: function(getattr(value, f.name)) for f in fields(value) if hasattr(getattr(value, f.name), "dtype")
    }
    return replace(value, **changes)


def _on_host(value: Any) -> Any:
    return _map(value, _host)
