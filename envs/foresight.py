"""The whole episode as it will be, read from the series for the optimum. Nothing here is known to other policies."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.kind import Now
from gridbazaar.agents.policy import Foresight, NoBoundError
from gridbazaar.agents.program import Program, always_there
from gridbazaar.agents.storage import Storage, best_efficiencies
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import State

_BY_STEP = ("is_plugged", "charge_kw", "floor_kwh", "ceiling_kwh", "is_kept", "brings_kwh", "required_kwh", "unfilled")


def foresight(core: Core, state: State) -> Foresight:
    """Give what the rest of the episode holds, seen from its first interval; NumPy cores only.

    Homes pay for what their meters show, so their real load less their real sun is what the optimum serves.

    Raises:
        NoBoundError: the scenario has what the optimum's program does not cover.
    """
    world, episode = core.world, state.episode
    steps = episode.start[:, None] + np.arange(core.n_steps)
    firm = np.zeros((core.n_envs, core.n_agents, core.n_steps))
    off = _is_off(core, state)
    programs = [
        kind.program(params, device, core.n_steps, core.scenario.step_h)
        for kind, params, device in zip(world.kinds, episode.params, state.devices, strict=True)
    ]
    _refuse_uncovered(core, programs)
    for kind, columns, params, device in zip(world.kinds, world.slices, episode.params, state.devices, strict=True):
        if kind.must_serve is None:
            continue
        for t in range(core.n_steps):
            now = Now(world.series, steps[:, t], state.t)
            seen = kind.view(device, params, now)
            rest = kind.plan(np.zeros((*seen.firm_kw.shape, core.n_actions)), seen)
            real = kind.meters(0.0 * seen.firm_kw, rest, seen, device, params, now)
            firm[:, columns, t] = real.fixed_kw - real.pv_kw
    rates = world.rates
    local = (rates.local_network + rates.local_tax)[steps] / 1e6
    blocks = [
        _devices(core, program, columns.stop - columns.start)
        for columns, program in zip(world.slices, programs, strict=True)
    ]
    upper_cur, export_cur = world.retail_cur_per_kwh[steps] - local, rates.export[steps] / 1e6
    if off.any():  # an island pays with lost load and gives its surplus away
        upper_cur = np.where(off, core.scenario.outage.lost_load_cur_per_kwh - local, upper_cur)
        export_cur = np.where(off, 0.0, export_cur)
    fields = {name: np.concatenate([b[name] for b in blocks], axis=1) for name in blocks[0]}
    fields |= _sources(core, programs, firm)
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


def _sources(core: Core, programs: list[Program], firm_kw: Any) -> dict[str, Any]:
    """What turbines may hold back of what they yield, and what engines may make at which least cost of fuel."""
    found: dict[str, Any] = {}
    for columns, program in zip(core.world.slices, programs, strict=True):
        if program.holds_back:
            found.setdefault("hold_kw", np.zeros(firm_kw.shape))
            found["hold_kw"][:, columns] = np.maximum(-firm_kw[:, columns], 0.0)
        if program.engine is not None:
            for name in ("engine_kw", "engine_cur_per_kwh"):
                found.setdefault(name, np.zeros(firm_kw.shape[:2]))
            found["engine_kw"][:, columns] = program.engine.power_kw
            found["engine_cur_per_kwh"][:, columns] = program.engine.cur_per_kwh
    return found


def _refuse_uncovered(core: Core, programs: list[Program]) -> None:
    """Name what the optimum's program has no variables for."""
    reasons = [] if core.answers is None else ["calls of the grid operator (table call)"]
    reasons += [reason for program in programs for reason in program.uncovered]
    if reasons:
        raise NoBoundError(f"the optimum's program does not cover {', '.join(reasons)}")


def _is_off(core: Core, state: State) -> Any:
    """[n_envs, n_steps] bool, without the grid above."""
    outages, t = state.episode.outages, np.arange(core.n_steps)
    if outages is None:
        return np.zeros((core.n_envs, core.n_steps), bool)
    return (t >= outages.begin[:, None]) & (t < outages.end[:, None])


def _devices(core: Core, program: Program, n_kind: int) -> dict[str, Any]:
    """Parameters of a kind's storage, pooled over the devices of one agent; a reserve is free if there can be islands.

    What is stored in devices that are always there is worth something in the end.
    """
    scenario, none = core.scenario, np.zeros((core.n_envs, n_kind))
    storage = program.storage or Storage(none, none, none, none, 1.0, 1.0)
    stored_kwh = none if program.stored_kwh is None else program.stored_kwh

    def pooled(x: Any) -> Any:
        whole = np.broadcast_to(x, stored_kwh.shape)
        return whole.sum(2) if whole.ndim == 3 else whole

    ceiling, stays = pooled(storage.ceiling_kwh), program.stays
    eta_ch, eta_dis = best_efficiencies(storage)
    if stays is None:
        start_kwh = pooled(stored_kwh)
        keeps = not (program.is_reserve and scenario.outage.happens)
        floor_kwh = np.minimum(pooled(np.minimum(storage.floor_kwh, stored_kwh)) * keeps, start_kwh)
        stays = always_there(core.n_steps, ceiling, pooled(storage.charge_kw), floor_kwh, start_kwh)
    is_stationary = (ceiling > 0) & (program.stays is None)
    may_lack = stays.may_lack or scenario.outage.happens
    return {
        **{name: getattr(stays, name) for name in _BY_STEP},
        "discharge_kw": pooled(storage.discharge_kw),
        "eta_ch": none + eta_ch,
        "eta_dis": none + eta_dis,
        "loss_per_h": none + storage.loss_per_h,
        "wear_cur_per_kwh": none + program.wear_cur_per_kwh,
        "is_stationary": is_stationary,
        "lack_cur_per_kwh": none + (scenario.reward.unserved_cur_per_kwh if may_lack else np.inf),
        "public_cur_per_kwh": none + stays.public_cur_per_kwh,
        "site_kw": none + (np.inf if stays.site_kw is None else stays.site_kw),
        "upkeep_cur": none + (0.0 if program.upkeep_cur is None else pooled(program.upkeep_cur)),
    }
