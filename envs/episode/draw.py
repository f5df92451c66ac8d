"""What a reset draws: which day, homes, cars, sizes and limits. Nothing after it is random."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.kind import Draw
from gridbazaar.data.arrays import Array, host
from gridbazaar.data.chance import between, episode_keys, integers, uniform
from gridbazaar.data.trees import mapped
from gridbazaar.envs.episode.calls import draw_calls
from gridbazaar.envs.episode.world import World, has_unit
from gridbazaar.envs.interval.demand_response import baselines_ukwh
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.state import Episode, Outages
from gridbazaar.market.mechanisms import mechanism_draws

_YEAR_H = 8766.0

BLOCKS_H = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Hours ahead over which prices and the community's net load are averaged."""
OUTLOOK = (
    "price_rank",  # share of the intervals to come that are cheaper
    "mean_price",  # retail, currency per kWh
    *(f"price_next_{h:g}h" for h in BLOCKS_H),  # retail, currency per kWh
    *(f"net_next_{h:g}h" for h in BLOCKS_H),  # expected must-serve load less PV of all homes, kW
    "highest_price",  # retail, currency per kWh
    "lowest_price",
    "deficit_ahead",  # expected draw of all homes together, kWh
    "surplus_ahead",  # expected surplus, kWh
    "deficit_price",  # mean retail price of the expected deficits; of all the time ahead where there are none
    "worth",  # what a kWh delivered from storage may save, currency per kWh
)
"""Columns of ``Episode.outlook``, over the time ahead that is known: a day, or until the end if that is sooner. They do
not depend on what agents do, so they are made once."""


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
    touched = max(2, math.ceil((scenario.start_h + scenario.hours) / 24 - 1e-9))
    days = bank.start_days(split, scenario.data.months, touched)
    day = days[integers(uniform(keys, "day", 1)[:, 0], len(days))]
    draw = Draw(keys, day, bank, scenario.step_h, scenario.n_steps, scenario.start_h)
    start = day * bank.steps_per_day + round(scenario.start_h / scenario.step_h)
    params = [kind.draw(config, draw) for kind, config in zip(world.kinds, world.configs, strict=True)]
    load_kw = _mean_load_kw(world, params, len(keys))
    params = _share_storage(world, draw, load_kw, params)
    connection = scenario.connection
    unit = draw.unit("connection", 2)
    retail = np.asarray(host(world.retail_cur_per_kwh))
    window = start[:, None] + np.arange(scenario.n_steps)
    prices = retail[window]
    calls = None
    if scenario.call.happens:
        calls = draw_calls(scenario, draw, np.rint(prices * 1e6).astype(np.int64))
        if calls.extra_ucur_per_kwh is not None:
            prices = prices + calls.extra_ucur_per_kwh[:, :-1] / 1e6
        if scenario.call.response_share:
            calls = replace(calls, baseline_ukwh=baselines_ukwh(world, draw, params, calls.level_ppm > 0))
    net_kw = _community_net_kw(world, start, params)
    export = host(world.rates.export)[window[:, -1]] / 1e6
    end_value = _end_value(prices[:, -scenario.horizon :], export, net_kw, scenario.step_h)
    size_kwh = sum(kind.storage_kwh(p) for kind, p in zip(world.kinds, params, strict=True))
    return Episode(
        seed=to_array(np.asarray(seeds, np.int64)),
        start=to_array(start),
        params=tuple(mapped(p, to_array) for p in params),
        import_cap_kw=to_array(load_kw * between(unit[:, 0], *connection.import_over_load)),
        export_cap_kw=to_array(load_kw * between(unit[:, 1], *connection.export_over_load)),
        end_value_cur_per_kwh=to_array(end_value),
        rent_ucur=to_array(_rents(world, params, len(keys))),
        price_sum_cur_per_kwh=to_array(_running_sum(prices)),
        outlook=to_array(_outlook(prices, net_kw, size_kwh, end_value, scenario)),
        cheaper=to_array(_cheaper(prices, scenario.horizon)),
        lottery=to_array(_lottery(draw, scenario)) if mechanism_draws(scenario.mechanism) else None,
        outages=mapped(_outages(world, draw, params), to_array) if scenario.outage.happens else None,
        calls=None if calls is None else mapped(calls, to_array),
    )


def chance_of(per_year: float, hours: float) -> float:
    """That something which happens so often in a year happens in so many hours, if it comes by pure chance."""
    return 1.0 - float(np.exp(-per_year * hours / _YEAR_H))


def _outages(world: World, draw: Draw, params: list[Any]) -> Outages:
    """Draw whether, when and how long the grid above is away, and the same for one branch of the feeder."""
    config, n_steps, hours = world.scenario.outage, draw.n_steps, draw.n_steps * draw.step_h
    unit = draw.unit("outage", 7)

    def window(has: Array, when: Array, how_long: Array) -> tuple[Array, Array]:
        begin = np.minimum((when * n_steps).astype(np.int64), n_steps - 1)
        length = np.maximum(np.ceil(-config.mean_h * np.log1p(-how_long) / draw.step_h), 1).astype(np.int64)
        return np.where(has, begin, n_steps), np.where(has, np.minimum(begin + length, n_steps), n_steps)

    begin, end = window(
        unit[:, 0] < (chance_of(config.per_year, hours) if config.chance is None else config.chance),
        unit[:, 1],
        unit[:, 2],
    )
    line_begin, line_end = window(unit[:, 3] < chance_of(config.lines_per_year, hours), unit[:, 4], unit[:, 5])
    feeder = world.grid.feeder
    first = 1 if feeder.has_transformer and feeder.n_buses > 1 else 0
    line = first + integers(unit[:, 6], feeder.n_buses - first)
    forming = [
        np.asarray(has_unit(p)).reshape(len(begin), -1).any(axis=1)
        for config, p in zip(world.configs, params, strict=True)
        if getattr(config, "grid_forming", False)
    ]
    can_island = np.any(forming, axis=0) if forming else np.zeros(len(begin), bool)
    return Outages(begin, end, line, line_begin, line_end, can_island)


def _lottery(draw: Draw, scenario: Scenario) -> Array:
    """[n_envs, n_steps, n_agents] one stream an agent, so that one more shifts nobody's luck."""
    return np.stack([draw.unit(f"lottery.{name}", scenario.n_steps) for name in scenario.agent_names], axis=2)


def _mean_load_kw(world: World, params: list[Any], n_envs: int) -> Array:
    """[n_envs] mean load of all homes together, over the whole bank; a kilowatt where there are none."""
    home_kw = world.bank.load_kw.mean(axis=1)
    loads = [kind.mean_load_kw(p, home_kw) for kind, p in zip(world.kinds, params, strict=True)]
    known = [load for load in loads if load is not None]
    return sum(known) if known else np.ones(n_envs)


def _share_storage(world: World, draw: Draw, load_kw: Array, params: list[Any]) -> list[Any]:
    """Resize stationary storage so that the community has the drawn share of its homes' mean daily load."""
    share = world.scenario.storage.share_of_load
    if share is None:
        return params
    nominal = sum(kind.storage_kwh(p) for kind, p in zip(world.kinds, params, strict=True))
    wanted = between(draw.unit("storage.share", 1)[:, 0], *share) * load_kw * 24
    factor = np.where(nominal > 0, wanted / np.maximum(nominal, 1e-9), 1.0)[:, None]
    return [kind.scale(p, factor) for kind, p in zip(world.kinds, params, strict=True)]


def _rents(world: World, params: list[Any], n_envs: int) -> Array:
    """Contracts per interval, micro-currency: who rents pays, the owner of each device receives."""
    rents = np.zeros((n_envs, world.n_agents), np.int64)
    owner, meter_agent = np.asarray(host(world.owner)), np.asarray(host(world.meter_agent))
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


def _community_net_kw(world: World, start: Array, params: list[Any]) -> Array:
    """[n_envs, n_steps] must-serve load less PV that all homes together expect a day ahead."""
    scenario = world.scenario
    net_kw = np.zeros((len(start), scenario.n_steps))
    series = _on_host(world.series)
    for kind, p in zip(world.kinds, params, strict=True):
        for t in range(scenario.n_steps):
            if (expected := kind.outlook_kw(p, series, start + t)) is not None:
                net_kw[:, t] += (expected[0] - expected[1]).sum(1)
    return net_kw


def _outlook(prices: Array, net_kw: Array, size_kwh: Array, end_value: Array, scenario: Scenario) -> Array:
    """[n_envs, n_steps + 1, n_outlook]; averages end with the episode, the row after the end repeats the last.

    Storage is worth the price of the deficits to come as far as there are any for it, and what is left is worth after
    the end for the rest.
    """
    n_steps, step_h, horizon = scenario.n_steps, scenario.step_h, scenario.horizon
    t = np.arange(n_steps)

    def mean(sums: Array, hours: float) -> Array:
        end = np.minimum(t + max(1, round(hours / step_h)), n_steps)
        return (sums[:, end] - sums[:, t]) / (end - t)

    def ahead(function: Any, x: Array) -> Array:
        """[n_envs, n_steps] sum or extreme over all steps ahead of each."""
        if horizon == n_steps:
            return function.accumulate(x[:, ::-1], axis=1)[:, ::-1]
        return np.stack([function.reduce(x[:, i : i + horizon], axis=1) for i in range(n_steps)], axis=1)

    price_sum, net_sum = _running_sum(prices), _running_sum(net_kw)
    columns = [_rank(prices, horizon), mean(price_sum, 24.0)]
    columns += [mean(price_sum, h) for h in BLOCKS_H] + [mean(net_sum, h) for h in BLOCKS_H]
    deficit_kwh, surplus_kwh = np.maximum(net_kw, 0.0) * step_h, np.maximum(-net_kw, 0.0) * step_h
    deficit, cost = ahead(np.add, deficit_kwh), ahead(np.add, deficit_kwh * prices)
    columns += [ahead(np.maximum, prices), ahead(np.minimum, prices), deficit, ahead(np.add, surplus_kwh)]
    columns.append(np.where(deficit > 1e-6, cost / np.maximum(deficit, 1e-6), columns[1]))
    share = np.minimum(deficit / np.maximum(size_kwh[:, None], 1e-6), 1.0)
    columns.append(share * columns[-1] + (1 - share) * end_value[:, None])
    rows = np.stack(columns, axis=2)
    return np.concatenate([rows, rows[:, -1:]], axis=1)


def _end_value(prices: Array, export: Array, net_kw: Array, step_h: float) -> Array:
    """[n_envs] currency per kWh: what it would cost to have it again after the end.

    The feed-in price where the homes expect a surplus in the last four hours, else a little less than a cheap retail
    price of the last day.
    """
    expects_surplus = net_kw[:, -round(4 / step_h) :].mean(axis=1) < 0
    return np.where(expects_surplus, export, 0.95 * np.quantile(prices, 0.25, axis=1))


def _running_sum(x: Array) -> Array:
    return np.concatenate([np.zeros((len(x), 1)), np.cumsum(x, axis=1)], axis=1)


def _rank(prices: Array, horizon: int) -> Array:
    """[n_envs, n_steps] share of the intervals ahead of each that are cheaper."""
    n_steps = prices.shape[1]
    span = np.minimum(np.arange(n_steps)[::-1] + 1, horizon)  # itself included
    cheaper = _cheaper(prices, horizon)[:, np.arange(n_steps), span].astype(float)
    return cheaper / np.maximum(span - 1, 1)


def _cheaper(prices: Array, horizon: int) -> NDArray[np.int16]:
    """[n_envs, n_steps + 1, horizon + 1] how many of the n intervals from interval t on are cheaper than it."""
    n_envs, n_steps = prices.shape
    count = np.zeros((n_envs, n_steps + 1, horizon + 1), np.int16)
    for t in range(n_steps):
        n = min(horizon, n_steps - t)
        np.cumsum(prices[:, t : t + n] < prices[:, t : t + 1], axis=1, out=count[:, t, 1 : n + 1])
    return count


def _on_host(value: Any) -> Any:
    return mapped(value, host)
