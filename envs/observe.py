"""Observations: one row of named, bounded features an agent, the same columns for every kind.

The day ahead ends with the episode where that is sooner.

``envs/columns.py`` says what they are called and in what units they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.kind import Column
from gridbazaar.agents.policy import Forecasts, Observation
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import from_micro
from gridbazaar.envs.columns import (
    BLOCKS_H,
    BOUND,
    COMMON,
    OWN,
    POWER_SCALE,
    PRICE_SCALE,
    all_columns,
    block_columns,
    places_of,
)
from gridbazaar.envs.core import Core
from gridbazaar.envs.energy_ahead import energy_ahead
from gridbazaar.envs.interval.rates import price_step, rates_at, retail_at
from gridbazaar.envs.interval.setting import upper_ucur_per_kwh
from gridbazaar.envs.interval.worth import until
from gridbazaar.envs.observe_blocks import block_values
from gridbazaar.envs.power_ahead import peaks_seen, power_ahead
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.state import State

_CHUNK_ROWS = 64


def feature_columns(scenario: Scenario) -> tuple[Column, ...]:
    """Give the columns that the agents of a scenario see, the same for all."""
    columns = all_columns(scenario.observe, scenario.named_kinds, scenario.n_peaks)
    if scenario.observe.is_usual:
        return columns
    return tuple(columns[i] for i in places_of(scenario.observe, columns))


def shared_columns(scenario: Scenario) -> tuple[str, ...]:
    """Names of the columns that hold the same for all agents of a community."""
    return tuple(column.name for column in (*COMMON, *block_columns(scenario.observe)[0]))


def observe(core: Core, state: State, out: Array | None = None, *, forecasts: bool = False) -> Observation:
    """Give what policies see of a state.

    Args:
        core: the core that the state belongs to.
        state: the state.
        out: [n_envs, n_agents, n_features] float32 to write into; none: a new array.
        forecasts: also look ahead; costs time, so only policies that ask get it.
    """
    view, usual = state.view, core.scenario.observe.is_usual and core.world.by_month is None
    xp = namespace(view.firm_kw)
    first_flag = len(COMMON) + len(OWN) + len(core.own_columns)
    shape = (core.n_envs, core.n_agents, first_flag + len(core.scenario.agents))
    features = xp.zeros(shape, view.firm_kw, dtype=xp.float32) if out is None or not usual else out
    n, own = len(COMMON), _own(core, state, xp)
    common = xp.clip(xp.stack(_common(core, state, xp), axis=1), -BOUND, BOUND)
    flags = _flags(core, xp, view.firm_kw)
    for first in range(0, core.n_envs, _CHUNK_ROWS):  # so that the rows being written stay in the cache
        rows = slice(first, first + _CHUNK_ROWS)
        part = features[rows]
        part[:, :, :n] = common[rows, None, :]
        for j, column in enumerate(own):
            part[:, :, n + j] = column[rows]
        part[:, :, first_flag:] = flags
    for columns, j, values in core.features(state):
        features[:, columns, n + len(OWN) + j] = values
    mask = view.is_active & ((view.high_kw > 0) | (view.low_kw < 0))
    ahead = look_ahead(core, state) if forecasts or core.scenario.observe.n_ahead else None
    if not usual:
        features = _chosen(core, state, features, ahead, out)
    return Observation(
        features=features,
        mask=mask,
        view=view,
        forecasts=ahead if forecasts else None,
        call=core.called(state),
        hour=core.world.hour[state.episode.start + xp.minimum(state.t, core.n_steps - 1)],
    )


def _chosen(core: Core, state: State, usual: Array, ahead: Forecasts | None, out: Array | None) -> Array:
    """[n_envs, n_agents, n_features] of the usual columns and the scenario's blocks, those that its agents see."""
    xp, whole, peaks = namespace(state.view.firm_kw), usual, peaks_seen(core, state)
    if core.scenario.observe.n_ahead or state.past is not None or peaks:
        shared, own = block_values(core.scenario, state, ahead, _cap_kw(core, state, xp), peaks)
        shared = xp.broadcast_to(shared[:, None, :], (*usual.shape[:2], shared.shape[-1]))
        whole = xp.concat((usual, xp.astype(shared, xp.float32), xp.astype(own, xp.float32)), axis=2)
    wanted = core.scenario.observe
    chosen = whole[:, :, places_of(wanted, all_columns(wanted, core.scenario.named_kinds, len(peaks)))]
    if out is None:
        return chosen
    out[...] = chosen
    return out


def _cap_kw(core: Core, state: State, xp: Any) -> Array:
    return xp.minimum(state.episode.import_cap_kw, 5.0 * core.n_agents)


def _common(core: Core, state: State, xp: Any) -> list[Array]:
    world, episode, view = core.world, state.episode, state.view
    t = xp.minimum(state.t, core.n_steps - 1)
    step = episode.start + t
    rates = rates_at(world, episode, t)
    retail = retail_at(world, episode, t)
    upper = from_micro(upper_ucur_per_kwh(rates))
    export = from_micro(rates.export)
    angle = world.hour[step] * (2 * np.pi / 24)
    cap_kw = _cap_kw(core, state, xp)

    ahead = episode.outlook[xp.arange(core.n_envs, t), t].T
    n = len(BLOCKS_H)
    firm_kw = xp.sum(xp.where(world.firm_is_chosen, 0.0, view.firm_kw), axis=1)
    stored = xp.sum(view.stored_kwh * view.is_stationary, axis=1)
    size = xp.sum(view.capacity_kwh * view.is_stationary, axis=1)
    return [
        xp.sin(angle),
        xp.cos(angle),
        1 - t / core.n_steps,
        retail / PRICE_SCALE,
        export / PRICE_SCALE,
        ahead[1] / PRICE_SCALE,
        *((ahead[2 + i] - retail) / PRICE_SCALE for i in range(n)),
        ahead[0],
        *((ahead[2 + 2 * n + i] - retail) / PRICE_SCALE for i in (0, 1, 4)),
        ahead[2 + 2 * n + 2] / xp.maximum(size, 1.0),
        ahead[2 + 2 * n + 3] / xp.maximum(size, 1.0),
        (from_micro(state.price_ucur_per_kwh) - upper) / PRICE_SCALE,
        (upper - export) / PRICE_SCALE,
        state.traded_frac,
        firm_kw / cap_kw,
        *(ahead[2 + n + i] / cap_kw for i in range(n)),
        state.net_kw / cap_kw,
        cap_kw / (2.0 * core.n_agents),
        stored / xp.maximum(size, 1e-9),
        size / (2.0 * core.n_agents),
        xp.sum(view.need_kwh, axis=1) / (2.0 * core.n_agents),
        _is_off(state, xp),
    ]


def _is_off(state: State, xp: Any) -> Array:
    """[n_envs] 1.0 without the grid above."""
    outages, zero = state.episode.outages, 0.0 * state.net_kw
    if outages is None:
        return zero
    return zero + ((state.t >= outages.begin) & (state.t < outages.end))


def _own(core: Core, state: State, xp: Any) -> list[Array]:
    view, episode = state.view, state.episode
    t = xp.minimum(state.t, core.n_steps - 1)
    size = xp.sum(view.capacity_kwh * view.is_stationary, axis=1)[:, None]
    fill_h = view.need_kwh / (view.eta_ch * xp.maximum(view.power_kw, 1e-9))
    retail = retail_at(core.world, episode, t)[:, None]
    window = (state.mean_price_cur_per_kwh - retail) / PRICE_SCALE * view.is_active
    end = until(view, t, core.scenario)
    rows = xp.arange(core.n_envs, t)[:, None]
    cheaper = xp.astype(episode.cheaper[rows, t[:, None], end - t[:, None]], xp.float64)
    step_h = core.scenario.step_h
    return [
        view.is_active,
        xp.minimum(view.stored_kwh / xp.maximum(view.capacity_kwh, 1e-9), 1.0),
        xp.minimum(view.capacity_kwh / 20.0, BOUND),
        view.capacity_kwh * view.is_stationary / xp.maximum(size, 1e-9),
        xp.minimum(view.high_kw / POWER_SCALE, BOUND),
        xp.minimum(-view.low_kw / POWER_SCALE, BOUND),
        xp.clip(view.firm_kw / POWER_SCALE, -BOUND, BOUND),
        xp.minimum(view.need_kwh / 20.0, BOUND),
        xp.minimum(view.left_h / 24.0, 1.0),
        xp.clip((view.left_h - fill_h) / 8.0, 0.0, BOUND) * (view.need_kwh > 0),
        xp.clip(window, -BOUND, BOUND),
        cheaper / (end - t[:, None]) * view.is_active,
        xp.clip((cheaper * step_h - fill_h) / 4.0, -BOUND, BOUND) * (view.need_kwh > 0),
    ]


def _flags(core: Core, xp: Any, like: Array) -> Array:
    names = sorted(core.scenario.agents)
    flags = np.zeros((core.n_agents, len(names)), np.float32)
    for name, columns in core.scenario.kind_slices.items():
        flags[columns, names.index(name)] = 1.0
    return xp.asarray(flags, like)


def look_ahead(core: Core, state: State) -> Forecasts:
    """Give prices and expected net loads of the day ahead; steps beyond the episode's end repeat the last one."""
    world, episode = core.world, state.episode
    xp = namespace(state.view.firm_kw)
    ahead = state.t[:, None] + xp.arange(core.scenario.horizon, state.t)[None, :]
    inside = ahead < core.n_steps
    steps = episode.start[:, None] + xp.minimum(ahead, core.n_steps - 1)
    nets = []
    for h in range(core.scenario.horizon):
        blocks = []
        for kind, columns, params in zip(world.kinds, world.slices, episode.params, strict=True):
            if kind.must_serve is None:
                blocks.append(0.0 * state.view.firm_kw[:, columns])
                continue
            load_kw, pv_kw = kind.must_serve.outlook_kw(params, world.series, steps[:, h])
            blocks.append(load_kw - pv_kw)
        nets.append(xp.concat(blocks, axis=1))
    nets[0] = xp.where(world.firm_is_chosen, 0.0, state.view.firm_kw)
    rates, priced = world.rates, price_step(episode, steps)
    return Forecasts(
        retail_cur_per_kwh=retail_at(world, episode, steps - episode.start[:, None]),
        export_cur_per_kwh=from_micro(rates.export[priced]),
        local_charge_cur_per_kwh=from_micro((rates.local_network + rates.local_tax)[priced]),
        net_kw=xp.stack(nets, axis=2),
        import_cap_kw=episode.import_cap_kw,
        export_cap_kw=episode.export_cap_kw,
        scarcity_cur_per_kwh=core.scenario.connection.scarcity_cur_per_kwh,
        end_value_cur_per_kwh=episode.end_value_cur_per_kwh,
        inside=inside,
        step_h=core.scenario.step_h,
        peaks=power_ahead(core, state, core.scenario.horizon),
        excess=energy_ahead(core, state, core.scenario.horizon),
    )
