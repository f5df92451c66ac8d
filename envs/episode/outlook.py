"""Outlook: what is known of prices and expected of the homes over the time ahead, made once an episode."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.arrays import Array, host
from gridbazaar.data.trees import mapped
from gridbazaar.envs.columns import BLOCKS_H
from gridbazaar.envs.episode.world import World
from gridbazaar.envs.scenario import Scenario

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


def community_net_kw(world: World, start: Array, params: list[Any]) -> Array:
    """[n_envs, n_steps] must-serve load less PV that all homes together expect a day ahead."""
    scenario = world.scenario
    net_kw = np.zeros((len(start), scenario.n_steps))
    series = mapped(world.series, host)
    for kind, p in zip(world.kinds, params, strict=True):
        if kind.must_serve is None:
            continue
        for t in range(scenario.n_steps):
            load_kw, pv_kw = kind.must_serve.outlook_kw(p, series, start + t)
            net_kw[:, t] += (load_kw - pv_kw).sum(1)
    return net_kw


def outlook_of(prices: Array, net_kw: Array, size_kwh: Array, end_value: Array, scenario: Scenario) -> Array:
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

    price_sum, net_sum = running_sum(prices), running_sum(net_kw)
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


def end_value_of(prices: Array, export: Array, net_kw: Array, step_h: float) -> Array:
    """[n_envs] currency per kWh: what it would cost to have it again after the end.

    The feed-in price where the homes expect a surplus in the last four hours, else a little less than a cheap retail
    price of the last day.
    """
    expects_surplus = net_kw[:, -round(4 / step_h) :].mean(axis=1) < 0
    return np.where(expects_surplus, export, 0.95 * np.quantile(prices, 0.25, axis=1))


def running_sum(x: Array) -> Array:
    return np.concatenate([np.zeros((len(x), 1)), np.cumsum(x, axis=1)], axis=1)


def _rank(prices: Array, horizon: int) -> Array:
    """[n_envs, n_steps] share of the intervals ahead of each that are cheaper."""
    n_steps = prices.shape[1]
    span = np.minimum(np.arange(n_steps)[::-1] + 1, horizon)  # itself included
    cheaper = cheaper_counts(prices, horizon)[:, np.arange(n_steps), span].astype(float)
    return cheaper / np.maximum(span - 1, 1)


def cheaper_counts(prices: Array, horizon: int) -> NDArray[np.int16]:
    """[n_envs, n_steps + 1, horizon + 1] how many of the n intervals from interval t on are cheaper than it."""
    n_envs, n_steps = prices.shape
    count = np.zeros((n_envs, n_steps + 1, horizon + 1), np.int16)
    for t in range(n_steps):
        n = min(horizon, n_steps - t)
        np.cumsum(prices[:, t : t + n] < prices[:, t : t + 1], axis=1, out=count[:, t, 1 : n + 1])
    return count
