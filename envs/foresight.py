"""The whole episode as it will be, read from the series for the optimum. Nothing here is known to other policies."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.devices.failure import Luck, least_upkeep_cur
from gridbazaar.agents.kind import Kind, Now, Stays, kinds
from gridbazaar.agents.kinds.genset import full_load_cur_per_kwh
from gridbazaar.agents.policy import Foresight, NoBoundError
from gridbazaar.agents.storage import best_efficiencies
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import Episode, State

_BY_STEP = ("is_plugged", "charge_kw", "floor_kwh", "ceiling_kwh", "is_kept", "brings_kwh", "required_kwh", "unfilled")


def foresight(core: Core, state: State) -> Foresight:
    """Give what the rest of the episode holds, seen from its first interval; NumPy cores only.

    Homes bid their forecast as firm, so the forecast is what the market clears; where batteries follow the meter the
    real load is what they can serve, so that is taken for homes that have one. A rule that prices metered energy sees
    the real load of all, and so does an island.

    Raises:
        NoBoundError: the scenario has what the optimum's program does not cover.
    """
    world, episode = core.world, state.episode
    _refuse_uncovered(core, episode)
    steps = episode.start[:, None] + np.arange(core.n_steps)
    firm = np.zeros((core.n_envs, core.n_agents, core.n_steps))
    off = _is_off(core, state)
    for kind, columns, params, device in zip(world.kinds, world.slices, episode.params, state.devices, strict=True):
        if kind.outlook_kw(params, world.series, steps[:, 0]) is None:
            continue
        follows = getattr(params.config, "follow_meter", False) and params.capacity_kwh > 0
        for t in range(core.n_steps):
            now = Now(world.series, steps[:, t], state.t)
            seen = kind.view(device, params, now)
            rest = kind.plan(np.zeros((*seen.firm_kw.shape, core.n_actions)), seen)
            real = kind.meters(0.0 * seen.firm_kw, rest, seen, device, params, now)
            is_real = follows | off[:, t, None] | (not core.clears_ahead)
            firm[:, columns, t] = np.where(is_real, real.fixed_kw - real.pv_kw, seen.firm_kw)
    rates = world.rates
    local = (rates.local_network + rates.local_tax)[steps] / 1e6
    blocks = [
        _devices(core, kind, params, device)
        for kind, params, device in zip(world.kinds, episode.params, state.devices, strict=True)
    ]
    upper_cur, export_cur = world.retail_cur_per_kwh[steps] - local, rates.export[steps] / 1e6
    if off.any():  # an island pays with lost load and gives its surplus away
        upper_cur = np.where(off, core.scenario.outage.lost_load_cur_per_kwh - local, upper_cur)
        export_cur = np.where(off, 0.0, export_cur)
    fields = {name: np.concatenate([b[name] for b in blocks], axis=1) for name in blocks[0]}
    fields |= _sources(core, episode, firm)
    return Foresight(
        firm_kw=firm,
        upper_cur_per_kwh=upper_cur,
        export_cur_per_kwh=export_cur,
        local_charge_cur_per_kwh=local,
        import_cap_kw=episode.import_cap_kw,
        export_cap_kw=episode.export_cap_kw,
        scarcity_cur_per_kwh=core.scenario.connection.scarcity_cur_per_kwh,
        end_value_cur_per_kwh=episode.end_value_cur_per_kwh,
        **fields,
    )


def _sources(core: Core, episode: Episode, firm_kw: Any) -> dict[str, Any]:
    """What turbines may hold back of what they yield, and what gensets may make at which least cost of fuel."""
    found: dict[str, Any] = {}
    for kind, columns, params in zip(core.world.kinds, core.world.slices, episode.params, strict=True):
        if kind is kinds()["wind"]:
            found["hold_kw"] = np.zeros(firm_kw.shape)
            found["hold_kw"][:, columns] = np.maximum(-firm_kw[:, columns], 0.0)
        if kind is kinds()["genset"]:
            found |= {name: np.zeros(firm_kw.shape[:2]) for name in ("engine_kw", "engine_cur_per_kwh")}
            found["engine_kw"][:, columns] = params.power_kw
            found["engine_cur_per_kwh"][:, columns] = full_load_cur_per_kwh(params.config)
    return found


def _refuse_uncovered(core: Core, episode: Episode) -> None:
    """Name what the optimum's program has no variables for."""
    reasons = [] if core.answers is None else ["calls of the grid operator (table call)"]
    for kind, params in zip(core.world.kinds, episode.params, strict=True):
        reasons += kind.uncovered(params)
    if reasons:
        raise NoBoundError(f"the optimum's program does not cover {', '.join(reasons)}")


def _is_off(core: Core, state: State) -> Any:
    """[n_envs, n_steps] bool, without the grid above."""
    outages, t = state.episode.outages, np.arange(core.n_steps)
    if outages is None:
        return np.zeros((core.n_envs, core.n_steps), bool)
    return (t >= outages.begin[:, None]) & (t < outages.end[:, None])


def _devices(core: Core, kind: Kind, params: Any, device: Any) -> dict[str, Any]:
    """Parameters of a kind's storage, pooled over the devices of one agent.

    Where a battery can do better than this at no time, the optimum is a bound on what it can do: it loses as little
    as its converter ever does, keeps its capacity, is always at work, uses its reserve if there can be an island, and
    wears off nothing where wear goes by depth, since the smallest cycles hardly wear. Upkeep is the least there can be.
    """
    storage, stays, scenario = (
        kind.storage(params),
        kind.stays(params, core.n_steps, core.scenario.step_h),
        core.scenario,
    )

    def pooled(x: Any) -> Any:
        whole = np.broadcast_to(x, device.energy_kwh.shape)
        return whole.sum(2) if whole.ndim == 3 else whole

    ceiling = pooled(storage.ceiling_kwh)
    reserve_frac: float = getattr(params.config, "reserve_frac", 0.0)
    keeps = not (reserve_frac and scenario.outage.happens)
    eta_ch, eta_dis = best_efficiencies(storage)
    ageing = getattr(params.config, "ageing", None)
    wears = ageing is None or ageing.wear == "throughput"
    luck: Luck | None = getattr(getattr(params, "fate", None), "luck", None)
    each = np.zeros(ceiling.shape)
    if stays is None:
        start_kwh = pooled(device.energy_kwh)
        floor_kwh = pooled(np.minimum(storage.floor_kwh, device.energy_kwh)) * keeps
        stays = _always(core.n_steps, ceiling, pooled(storage.charge_kw), np.minimum(floor_kwh, start_kwh), start_kwh)
        is_stationary = ceiling > 0
    else:
        is_stationary = np.zeros(ceiling.shape, bool)
    may_lack = stays.may_lack or scenario.outage.happens
    return {
        **{name: getattr(stays, name) for name in _BY_STEP},
        "discharge_kw": pooled(storage.discharge_kw),
        "eta_ch": each + eta_ch,
        "eta_dis": each + eta_dis,
        "loss_per_h": each + storage.loss_per_h,
        "wear_cur_per_kwh": each + getattr(params.config, "wear_cur_per_kwh", 0.0) * wears,
        "is_stationary": is_stationary,
        "lack_cur_per_kwh": each + (scenario.reward.unserved_cur_per_kwh if may_lack else np.inf),
        "public_cur_per_kwh": each + stays.public_cur_per_kwh,
        "site_kw": each + (np.inf if stays.site_kw is None else stays.site_kw),
        "upkeep_cur": each + (0.0 if luck is None else pooled(_upkeep_cur(core, params, luck))),
    }


def _always(n_steps: int, ceiling_kwh: Any, charge_kw: Any, floor_kwh: Any, start_kwh: Any) -> Stays:
    """Spread what is always there over the steps; arguments are [n_envs, n_kind]."""
    ceiling_kwh, charge_kw, floor_kwh, start_kwh = (
        np.repeat(x[..., None], n_steps, axis=2) for x in (ceiling_kwh, charge_kw, floor_kwh, start_kwh)
    )
    is_first = np.broadcast_to(np.arange(n_steps) == 0, ceiling_kwh.shape)
    return Stays(
        is_plugged=ceiling_kwh > 0, charge_kw=charge_kw, floor_kwh=floor_kwh, ceiling_kwh=ceiling_kwh,
        is_kept=~is_first, brings_kwh=np.where(is_first, start_kwh, 0.0),
        required_kwh=0.0 * ceiling_kwh, unfilled=0.0 * ceiling_kwh,
        public_cur_per_kwh=0.0, may_lack=False, site_kw=None,
    )  # fmt: skip


def _upkeep_cur(core: Core, params: Any, luck: Luck) -> Any:
    return least_upkeep_cur(luck, params.capacity_kwh > 0, params.config.failure, core.scenario.step_h)
