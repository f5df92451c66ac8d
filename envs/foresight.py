"""The whole episode as it will be, read from the series for the optimum. Nothing here is known to other policies."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.policy import Foresight
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import State


def foresight(core: Core, state: State) -> Foresight:
    """Give what the rest of the episode holds, seen from its first interval; NumPy cores only.

    Homes bid their forecast as firm, so the forecast is what the market clears; where batteries follow the meter the
    real load is what they can serve, so that is taken for homes that have one.
    """
    world, episode = core.world, state.episode
    steps = episode.start[:, None] + np.arange(core.n_steps)
    firm = np.zeros((core.n_envs, core.n_agents, core.n_steps))
    for kind, columns, params, device in zip(world.kinds, world.slices, episode.params, state.devices, strict=True):
        if not hasattr(params, "home"):
            continue
        follows = params.config.follow_meter & (params.capacity_kwh > 0)
        for t in range(core.n_steps):
            now = steps[:, t]
            seen = kind.view(device, params, world.series, now, state.t)
            real = kind.meters(0.0 * seen.firm_kw, seen, device, params, world.series, now)
            firm[:, columns, t] = np.where(follows, real.fixed_kw - real.pv_kw, seen.firm_kw)
    rates = world.rates
    local = (rates.local_network + rates.local_tax)[steps] / 1e6
    blocks = [
        _devices(core, params, device) for params, device in zip(episode.params, state.devices, strict=True)
    ]
    fields = {name: np.concatenate([b[name] for b in blocks], axis=1) for name in blocks[0]}
    return Foresight(
        firm_kw=firm,
        upper_cur_per_kwh=world.retail_cur_per_kwh[steps] - local,
        export_cur_per_kwh=rates.export[steps] / 1e6,
        local_charge_cur_per_kwh=local,
        import_cap_kw=episode.import_cap_kw,
        export_cap_kw=episode.export_cap_kw,
        scarcity_cur_per_kwh=core.scenario.connection.scarcity_cur_per_kwh,
        end_value_cur_per_kwh=episode.end_value_cur_per_kwh,
        **fields,
    )


def _devices(core: Core, params: Any, device: Any) -> dict[str, Any]:
    """Parameters of a kind's storage, pooled over the devices of one agent."""
    config = params.config

    def pooled(x: Any) -> Any:
        return x.sum(2) if x.ndim == 3 else x

    capacity, zero = pooled(params.capacity_kwh), 0.0 * pooled(params.capacity_kwh)
    is_car = hasattr(params, "depart")
    rated_kw = capacity / getattr(config, "battery_h", getattr(config, "duration_h", 1.0))
    none = np.zeros(zero.shape, np.int64)
    return {
        "start_kwh": pooled(device.energy_kwh),
        "floor_kwh": config.v2g_floor_frac * capacity if is_car else zero,
        "ceiling_kwh": capacity,
        "charge_kw": zero + config.charge_kw if is_car else rated_kw,
        "discharge_kw": zero + config.discharge_kw if is_car else rated_kw,
        "eta_ch": zero + config.eta_ch,
        "eta_dis": zero + config.eta_dis,
        "loss_per_h": zero + getattr(config, "loss_per_h", 0.0),
        "wear_cur_per_kwh": zero + config.wear_cur_per_kwh,
        "arrive": params.arrive if is_car else none,
        "depart": params.depart if is_car else np.where(capacity > 0, core.n_steps, 0),
        "required_kwh": params.required_kwh if is_car else zero,
        "is_stationary": np.full(zero.shape, not is_car) & (capacity > 0),
    }
