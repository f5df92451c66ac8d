"""The whole episode as it will be, read from the series for the optimum. Nothing here is known to other policies."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gridbazaar.agents.excess import Excess
from gridbazaar.agents.kind import Meters, Now
from gridbazaar.agents.policy import Foresight, NoBoundError
from gridbazaar.agents.program import Program, always_there
from gridbazaar.agents.storage import Storage, best_efficiencies, most_loss_kw
from gridbazaar.data.trees import each
from gridbazaar.envs.core import Core
from gridbazaar.envs.energy_ahead import energy_ahead
from gridbazaar.envs.power_ahead import power_ahead
from gridbazaar.envs.state import State
from gridbazaar.market.orders import Orders, Setting

_NOTICED_KW = 1e-6
_MOST_RATIO = 100.0  # beyond it as much as there is may be withheld
_BY_STEP = ("is_plugged", "charge_kw", "floor_kwh", "ceiling_kwh", "is_kept", "brings_kwh", "required_kwh", "unfilled")


def foresight(core: Core, state: State) -> Foresight:
    """Give what the rest of the episode holds, seen from its first interval; NumPy cores only.

    Load and sun are those that the meters will show: whatever was scheduled, nobody pays less than the tariff on what
    is metered. Scarcity counts for what is surely beyond the cap, both in the schedule and at the meters.

    Raises:
        NoBoundError: the scenario has what the optimum's program does not cover.
    """
    world, episode = core.world, state.episode
    steps = episode.start[:, None] + np.arange(core.n_steps)
    off = _is_off(core, state)
    programs = [
        kind.program(params, device, core.n_steps, core.scenario.step_h)
        for kind, params, device in zip(world.kinds, episode.params, state.devices, strict=True)
    ]
    rates = world.rates
    local = (rates.local_network + rates.local_tax)[steps] / 1e6
    upper_cur, export_cur = world.retail_cur_per_kwh[steps] - local, rates.export[steps] / 1e6
    _refuse_uncovered(core, programs, float((upper_cur + local).max()))
    seen = _must_serve(core, state, programs, steps)
    blocks = [
        _devices(core, program, columns.stop - columns.start)
        for columns, program in zip(world.slices, programs, strict=True)
    ]
    no_cap = off | _has_stock(core)
    withheld = _withheld(core, programs, seen)
    upper_cur = np.where(off, core.scenario.outage.lost_load_cur_per_kwh - local, upper_cur)
    fields = {name: np.concatenate([b[name] for b in blocks], axis=1) for name in blocks[0]}
    fields |= _sources(core, programs, seen.net_kw)
    if world.customers is not None:
        fields["lead"] = world.customers.lead[None] + np.zeros((core.n_envs, 1), np.int64)
    return Foresight(
        firm_kw=seen.net_kw,
        upper_cur_per_kwh=upper_cur,  # an island pays with lost load and gives its surplus away
        export_cur_per_kwh=np.where(off, 0.0, export_cur),
        local_charge_cur_per_kwh=local,
        import_cap_kw=np.where(no_cap, np.inf, episode.import_cap_kw[:, None] + seen.more_kw),
        export_cap_kw=np.where(no_cap, np.inf, episode.export_cap_kw[:, None] + seen.less_kw),
        scarcity_cur_per_kwh=core.scenario.connection.scarcity_cur_per_kwh,
        end_value_cur_per_kwh=episode.end_value_cur_per_kwh,
        withheld_ratio=np.where(off[:, None], 0.0, withheld.ratio),
        made_good_kw=np.where(off, 0.0, withheld.made_good_kw),
        lost_kw=withheld.lost_kw,
        peaks=power_ahead(core, state, core.n_steps),
        excess=_energy_ahead(core, state),
        is_delivered=not core.clears_ahead or core.scenario.mechanism == "none",
        **fields,
    )


def _energy_ahead(core: Core, state: State) -> tuple[Excess, ...]:
    found = energy_ahead(core, state, core.n_steps)
    if named := [one.no_bound for one in found if one.no_bound]:
        raise NoBoundError(f"the optimum's program does not cover {named[0]}")
    return found


class _MustServe(NamedTuple):
    """What homes and turbines will do whatever is decided."""

    net_kw: Any  # [n_envs, n_agents, n_steps] load less sun and wind, as metered
    meters: list[Meters]  # a step, [n_envs, n_meters] each
    more_kw: Any  # [n_envs, n_steps] >= 0, drawn beyond the schedule, for which no scarcity need be due
    less_kw: Any  # [n_envs, n_steps] >= 0, drawn less


def _must_serve(core: Core, state: State, programs: list[Program], steps: Any) -> _MustServe:
    """Read load, sun and wind of every step, and how far they may be from what is scheduled.

    Homes whose battery follows the meter, and turbines that hold back, may deviate by less: those count one by one.
    """
    world, episode = core.world, state.episode
    net_kw, off_kw = np.zeros((2, core.n_envs, core.n_agents, core.n_steps))
    may_less = np.zeros((core.n_envs, core.n_agents), bool)
    for columns, program in zip(world.slices, programs, strict=True):
        may_less[:, columns] = program.follows_meter | np.asarray(program.holds_back)
    meters = []
    for t in range(core.n_steps):
        now = Now(world.series, steps[:, t], state.t)
        blocks = []
        for kind, columns, params, device in zip(world.kinds, world.slices, episode.params, state.devices, strict=True):
            seen = kind.view(device, params, now)
            rest = kind.plan(np.zeros((*seen.firm_kw.shape, core.n_actions)), seen)
            real = kind.meters(0.0 * seen.firm_kw, rest, seen, device, params, now)
            if kind.must_serve is None:
                real = Meters(0.0 * real.fixed_kw, 0.0 * real.pv_kw, 0.0 * real.device_kw)
            else:
                net_kw[:, columns, t] = real.fixed_kw - real.pv_kw
                off_kw[:, columns, t] = net_kw[:, columns, t] - seen.firm_kw
            blocks.append(real)
        meters.append(each(blocks[0], lambda *parts: np.concatenate(parts, axis=1), *blocks[1:]))
    if not core.clears_ahead:  # the rule prices what is metered
        off_kw = 0.0 * off_kw
    together, alone = (off_kw * ~may_less[..., None]).sum(1), off_kw * may_less[..., None]
    more_kw = np.maximum(together, 0.0) + np.maximum(alone, 0.0).sum(1)
    less_kw = np.maximum(-together, 0.0) + np.maximum(-alone, 0.0).sum(1)
    return _MustServe(net_kw, meters, more_kw, less_kw)


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


def _refuse_uncovered(core: Core, programs: list[Program], most_cur_per_kwh: float) -> None:
    """Name what the optimum's program has no variables for."""
    reasons = [] if core.answers is None else ["calls of the grid operator (table call)"]
    reasons += [reason for program in programs for reason in program.uncovered]
    if core.scenario.outage.happens and core.scenario.outage.lost_load_cur_per_kwh < most_cur_per_kwh:
        reasons.append("lost load that is cheaper than the retailer (outage.lost_load_cur_per_kwh)")
    if core.world.by_month is not None and core.world.by_month.pays:
        reasons.append("energy that earns by the month")
    if reasons:
        raise NoBoundError(f"the optimum's program does not cover {', '.join(reasons)}")


class _Withheld(NamedTuple):
    """What the wires may withhold of sales, and how much sun and wind may stay unused."""

    ratio: Any  # [n_envs, n_agents, n_steps] of what a device releases, at most; the rest of its order is not carried
    made_good_kw: Any  # [n_envs, n_steps] of sun and wind
    lost_kw: Any  # [n_envs, n_steps]


def _withheld(core: Core, programs: list[Program], seen: _MustServe) -> _Withheld:
    """Say what the wires may do to those who send.

    The network operator makes good what it withholds, at the price that it was sold for, and what is stored stays
    stored. The more is sent and the less is drawn, the smaller the share that the wires let through: so the least when
    everything is sent at once and nothing drawn. Inverters that answer the voltage count as withholding all they might.
    """
    scenario = core.scenario
    sun_kw = np.stack([m.pv_kw.sum(1) for m in seen.meters], axis=1)
    ratio, made_good_kw, may_lose = np.zeros(seen.net_kw.shape), 0.0 * sun_kw, np.zeros(sun_kw.shape, bool)
    if scenario.constraint != "none":
        ratio = _most_cut(core, programs, seen.meters)
        may_lose = (ratio > 0).any(axis=1)
        made_good_kw = sun_kw * may_lose
        if scenario.constraint == "nodal" and may_lose.any():
            raise NoBoundError("the optimum's program does not cover sales at any price of a bus that wires withhold")
    if scenario.inverter.response != "none":
        made_good_kw, may_lose = sun_kw, may_lose | True
    if scenario.constraint == "nodal" or scenario.outage.happens:  # unsold, or behind a branch that failed
        may_lose = may_lose | True
    return _Withheld(ratio, made_good_kw, sun_kw * may_lose)


def _most_cut(core: Core, programs: list[Program], meters: list[Meters]) -> Any:
    """[n_envs, n_agents, n_steps] what wires withhold over what they let through, if everything is sent at once.

    Of an agent with several meters that of the worst one; inf where nearly all of it may be withheld.
    """
    release_kw = np.concatenate(
        [
            _release_kw(program, m.stop - m.start, (core.n_envs, core.n_steps))
            for program, m in zip(programs, core.world.meter_slices, strict=True)
        ],
        axis=1,
    )
    agent_of_meter, found = core.world.agent_of_meter, np.zeros((core.n_envs, core.n_agents, core.n_steps))
    for t, real in enumerate(meters):
        wanted = Meters(real.fixed_kw, real.pv_kw, -release_kw[:, :, t])
        allowed = core.wiring.allow(wanted, core.wiring.carry(wanted), None)
        sent_kw, carried_kw = (m.pv_kw - m.device_kw for m in (wanted, allowed))
        cut_kw = np.where(sent_kw - carried_kw > _NOTICED_KW, sent_kw - carried_kw, 0.0)
        ratio = np.where(cut_kw > _MOST_RATIO * carried_kw, np.inf, cut_kw / np.maximum(carried_kw, _NOTICED_KW))
        found[:, :, t] = np.where(agent_of_meter > 0, ratio[:, :, None], 0.0).max(axis=1)
    if core.scenario.curtailment == "last_in":  # who is cut when less is sent may be another one
        found = np.where((found > 0).any(axis=1, keepdims=True), np.inf, found)
    return found


def _release_kw(program: Program, n_meters: int, shape: tuple[int, int]) -> Any:
    """[n_envs, n_meters, n_steps] what the devices behind the meters of a kind may send at most."""
    n_envs, n_steps = shape
    sent = np.zeros((n_envs, n_meters, n_steps))
    if program.engine is not None:
        sent += program.engine.power_kw[..., None]
    if program.storage is not None:
        whole = np.broadcast_to(program.storage.discharge_kw, np.shape(program.storage.ceiling_kwh)).reshape(
            n_envs, n_meters, 1
        )
        sent += whole if program.stays is None else whole * program.stays.is_plugged
    return sent


def _has_stock(core: Core) -> bool:
    """Whether the market sells from a stock of its own, for which no scarcity is due."""
    if not core.clears_ahead:
        return False
    zero, none = np.zeros((1, 2 * core.n_agents), np.int64), np.zeros(1, np.int64)
    orders = Orders(zero, zero, core.world.order_agent, core.world.order_bus, lottery=0.0 * zero)
    setting = Setting(import_ucur_per_kwh=none, export_ucur_per_kwh=none)
    return core.mechanism(orders, setting).pool_ukwh is not None


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
        "waste_kw": none + pooled(most_loss_kw(storage) / storage.eta_dis + program.fades_kw),
        "wear_cur_per_kwh": none + program.wear_cur_per_kwh,
        "is_stationary": is_stationary,
        "lack_cur_per_kwh": none + (scenario.reward.unserved_cur_per_kwh if may_lack else np.inf),
        "public_cur_per_kwh": none + stays.public_cur_per_kwh,
        "site_kw": none + (np.inf if stays.site_kw is None else stays.site_kw),
        "upkeep_cur": none + (0.0 if program.upkeep_cur is None else pooled(program.upkeep_cur)),
    }
