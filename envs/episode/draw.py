"""What a reset draws: which day, homes, cars, sizes and limits. Nothing after it is random."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.kind import Draw
from gridbazaar.data.arrays import Array, host
from gridbazaar.data.bank import HISTORY_DAYS, Bank
from gridbazaar.data.chance import between, episode_keys, uniform
from gridbazaar.data.clock import days_of
from gridbazaar.data.trees import mapped
from gridbazaar.envs.episode.baselines import baselines_ukwh
from gridbazaar.envs.episode.calls import draw_calls
from gridbazaar.envs.episode.month_so_far import month_so_far
from gridbazaar.envs.episode.outages import draw_outages
from gridbazaar.envs.episode.outlook import cheaper_counts, community_net_kw, end_value_of, outlook_of, running_sum
from gridbazaar.envs.episode.params import draw_params, draws_of, storage_kwh
from gridbazaar.envs.episode.world import World, exactly
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.state import Episode
from gridbazaar.market.mechanisms import mechanism_draws
from gridbazaar.market.settlement.peaks import MonthCarry


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
    day = first_days(scenario, bank, split, seeds)
    draw = Draw(
        keys=keys, day=day, bank=bank, step_h=scenario.step_h, n_steps=scenario.n_steps, start_h=scenario.start_h,
        number=np.asarray(seeds, np.int64),
    )  # fmt: skip
    start = draw.start
    params, load_kw = draw_params(scenario, world.kinds, world.configs, draws_of(draw, world.lasting.said))
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
    net_kw = community_net_kw(world, start, params)
    export = host(world.rates.export)[window[:, -1]] / 1e6
    end_value = end_value_of(prices[:, -scenario.horizon :], export, net_kw, scenario.step_h)
    size_kwh = storage_kwh(world.kinds, params, len(keys))
    return Episode(
        seed=to_array(np.asarray(seeds, np.int64)),
        key=to_array(keys.view(np.int64)),
        start=to_array(start),
        params=tuple(mapped(p, to_array) for p in params),
        import_cap_kw=to_array(load_kw * between(unit[:, 0], *connection.import_over_load)),
        export_cap_kw=to_array(load_kw * between(unit[:, 1], *connection.export_over_load)),
        end_value_cur_per_kwh=to_array(end_value),
        rent_ucur=to_array(_rents(world, params, len(keys))),
        price_sum_cur_per_kwh=to_array(running_sum(prices)),
        outlook=to_array(outlook_of(prices, net_kw, size_kwh, end_value, scenario)),
        cheaper=to_array(cheaper_counts(prices, scenario.horizon)),
        lottery=to_array(_lottery(draw, scenario)) if mechanism_draws(scenario.mechanism) else None,
        outages=mapped(draw_outages(world, draw, params), to_array) if scenario.outage.happens else None,
        calls=None if calls is None else mapped(calls, to_array),
        months=_months(world, np.asarray(start, np.int64), params, to_array),
    )


def _months(world: World, start: NDArray[np.int64], params: list[Any], to_array: Any) -> MonthCarry | None:
    """Give what the month has come to before each episode; none where episodes are whole billing periods."""
    if world.scenario.carry == "whole":
        return None
    carry: MonthCarry = mapped(month_so_far(world, start, params), exactly(to_array))
    return carry


def first_days(scenario: Scenario, bank: Bank, split: str, seeds: NDArray[np.int64]) -> NDArray[np.int64]:
    """[n_envs] day of the bank on which the episode of each seed begins.

    Raises:
        ValueError: the bank has no such days.
    """
    if scenario.dates:
        return np.full(len(seeds), _day_of(scenario, bank), np.int64)
    days = bank.start_days(split, start_h=scenario.start_h, n_steps=scenario.n_steps, months=scenario.data.months)
    keys = episode_keys(scenario.seed, split, seeds)
    return draw_days(days, bank.calendar.weekday_of(days), uniform(keys, "day", 1)[:, 0])


def _day_of(scenario: Scenario, bank: Bank) -> int:
    """Day of the bank on which the episode of a scenario with dates begins."""
    first, n_days = days_of(scenario.dates)
    day = int((first - bank.first_day.astype("datetime64[D]")).astype(np.int64))
    if day < HISTORY_DAYS or day + n_days > bank.n_days:
        known = bank.first_day.astype("datetime64[D]") + np.array([HISTORY_DAYS, bank.n_days - 1])
        is_longer = day + n_days > bank.n_days and not scenario.data.path
        advice = f"; data.n_days={day + n_days} makes the series long enough" if is_longer else ""
        raise ValueError(
            f"dates: expected days from {known[0]} to {known[1]}, which data {bank.name!r} have after "
            f"{HISTORY_DAYS} days of history; got {scenario.dates[0]} to {scenario.dates[1]}{advice}"
        )
    return day


def draw_days(days: NDArray[np.int64], weekday: NDArray[np.int64], unit: NDArray[np.float64]) -> NDArray[np.int64]:
    """Draw a weekday, each with the same chance, and one of its days.

    Args:
        days: [n] days on which an episode may begin.
        weekday: [n] of them.
        unit: [n_envs] numbers in [0, 1).

    Returns:
        [n_envs]. A weekday of which there is no day has no chance.
    """
    order = np.argsort(weekday, kind="stable")
    _, first, count = np.unique(weekday[order], return_index=True, return_counts=True)
    scaled = unit * len(count)
    of = np.minimum(scaled.astype(np.int64), len(count) - 1)
    within = np.minimum(((scaled - of) * count[of]).astype(np.int64), count[of] - 1)
    drawn: NDArray[np.int64] = days[order][first[of] + within]
    return drawn


def _lottery(draw: Draw, scenario: Scenario) -> Array:
    """[n_envs, n_steps, n_agents] one stream an agent, so that one more shifts nobody's luck."""
    return np.stack([draw.unit(f"lottery.{name}", scenario.n_steps) for name in scenario.agent_names], axis=2)


def _rents(world: World, params: list[Any], n_envs: int) -> Array:
    """Contracts of the episode, micro-currency: who rents pays, the owner of each device receives the same."""
    rents = np.zeros((n_envs, world.n_agents), np.int64)
    owner, meter_agent = np.asarray(host(world.owner)), np.asarray(host(world.meter_agent))
    first = 0
    for kind, p, meters in zip(world.kinds, params, world.meter_slices, strict=True):
        if kind.rent_cur_per_day is None:
            continue
        amount = np.rint(kind.rent_cur_per_day(p) * 1e6 * world.scenario.hours / 24).astype(np.int64)
        for j in range(amount.shape[1]):
            rents[:, meter_agent[meters.start + j]] += amount[:, j]
            rents[:, owner[first + j]] -= amount[:, j]
        first += amount.shape[1]
    return rents
