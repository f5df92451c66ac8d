"""Outages: the community is cut off from the grid above, or a branch fails and what lies behind it is dark.

Cut off, a community with a grid-forming unit is an island: no retailer, prices between zero and the value of lost load.
Its orders clear as ever; then a fixed order of measures makes supply meet demand in that very interval, since there is
no grid above to lean on. What flowed is settled among the members, so an island has no imbalance. Fault currents and
protection are not modelled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from gridbazaar.agents.bid import Bids
from gridbazaar.agents.kind import Meters
from gridbazaar.agents.plan import Plan, View, joined
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.trees import each
from gridbazaar.data.units import MICRO
from gridbazaar.envs.episode.world import World
from gridbazaar.envs.scenario_tables import OutageConfig
from gridbazaar.envs.state import Outages, State
from gridbazaar.market.orders import Clearing, Setting, mean_price_ucur_per_kwh
from gridbazaar.market.settlement.island import settle_among_members

_NOTICED_KW = 1e-6
_LOSS_ROUNDS = 2  # losses change little with the balance that covers them: a watt after one, a milliwatt after two


@dataclass(frozen=True, slots=True)
class Outage:
    """Who has what in an interval."""

    is_island: Array  # [n_envs] bool, cut off from the grid above and running
    live: Array  # [n_envs, n_meters] 1.0 where something supplies the meter, else 0.0
    live_agent: Array  # [n_envs, n_agents] share of the agent's meters that are live


def in_order(outages: Outages, world: World, params: tuple[Any, ...], devices: tuple[Any, ...]) -> Outages:
    """Give the outages with who can form an island now: where every grid-forming unit is out of order, nobody can."""
    forming = [
        (kind.grid_forming.works(device), kind.grid_forming.has(p))
        for kind, config, p, device in zip(world.kinds, world.configs, params, devices, strict=True)
        if kind.grid_forming is not None and kind.grid_forming.is_wanted(config)
    ]
    if all(works is None for works, _ in forming):
        return outages
    xp, can_island = namespace(outages.begin), outages.can_island & False
    for works, has in forming:
        is_up = has if works is None else has & works
        can_island = can_island | xp.any(is_up.reshape(is_up.shape[0], -1), axis=1)
    return replace(outages, can_island=can_island)


def outage_of(state: State, world: World) -> Outage | None:
    """Say who is dark now; none where the scenario has no outages."""
    if state.episode.outages is None:
        return None
    outages = in_order(state.episode.outages, world, state.episode.params, state.devices)
    return outage_now(outages, state.t, world.behind, world.meter_bus, world.agent_of_meter)


def live_plan(plans: tuple[Plan, ...], outage: Outage | None) -> Plan:
    """Put the kinds' plans side by side; who is dark places no order."""
    plan = joined(plans)
    if outage is None:
        return plan
    is_live = outage.live_agent > 0
    return replace(plan, firm_kw=plan.firm_kw * is_live, wish_kw=plan.wish_kw * is_live)


def runs_alone(outages: Outages, t: Array) -> Array:
    """[n_envs] bool, cut off from the grid above in interval ``t`` and running."""
    return (t >= outages.begin) & (t < outages.end) & outages.can_island


def outage_now(outages: Outages, t: Array, behind: Array, meter_bus: Array, agent_of_meter: Array) -> Outage:
    """Say who is dark in interval ``t`` [n_envs].

    Args:
        outages: what the episodes drew.
        t: steps since the episodes began.
        behind: [n_buses, n_buses] 1 where a bus (column) lies behind a branch (row).
        meter_bus: [n_meters].
        agent_of_meter: [n_meters, n_agents].
    """
    xp = namespace(behind)
    is_off = (t >= outages.begin) & (t < outages.end)
    is_cut = (t >= outages.line_begin) & (t < outages.line_end)
    dark = behind[outages.line][:, meter_bus] * is_cut[:, None]
    live = (1.0 - dark) * ~(is_off & ~outages.can_island)[:, None]
    live_agent = xp.matmul(live, agent_of_meter) / xp.sum(agent_of_meter, axis=0)
    return Outage(is_off & outages.can_island, live, live_agent)


@dataclass(frozen=True, slots=True)
class Balance:
    """What an island does about its wishes, [n_envs, n_agents] each, kW."""

    served_kw: Array  # must-serve draw
    shed_kw: Array  # must-serve draw that gets nothing
    shed_critical_kw: Array  # the part of it that is critical
    pv_kw: Array  # used
    device_kw: Array  # > 0 draws
    lacking_kw: Array  # [n_envs] of the losses, which nobody can serve


@dataclass(frozen=True, slots=True)
class Rationed:
    """What is left of an interval's wishes after an outage; kW."""

    meters: Meters  # [n_envs, n_meters] each
    balance: Balance  # of islands; means nothing elsewhere
    pv_kw: Array  # [n_envs, n_agents] that was there at live meters
    shed_kw: Array  # [n_envs, n_agents] must-serve draw without supply, dark or shed
    shed_critical_kw: Array  # [n_envs, n_agents] the critical part of it
    is_dark: Array  # [n_envs] bool, nothing supplies any meter, so the wires take nothing either


def balance(
    load_kw: Array, critical_kw: Array, pv_kw: Array, wish_kw: Array, view: View, lends: Array, loss_kw: Array
) -> Balance:
    """Make supply meet demand, [n_envs, n_agents] kW each.

    Args:
        load_kw: must-serve draw as it turned out.
        critical_kw: the part of it that goes last.
        pv_kw: available.
        wish_kw: what the devices' orders filled, > 0 draws.
        view: what the devices can do.
        lends: [n_agents] bool, devices that help; others keep to their wish or do less.
        loss_kw: [n_envs] of the wires.

    What is short is found, in this order, by charging less, by releasing more, by shedding load that is not critical,
    by shedding critical load. What is too much is put away by releasing less, by charging more, by curtailing PV. Each
    measure is used up before the next, and shared in proportion to what each agent has of it.
    """
    xp = namespace(load_kw)
    charge, release = xp.maximum(wish_kw, 0.0), xp.maximum(-wish_kw, 0.0)
    short = xp.sum(load_kw + charge - pv_kw - release, axis=1) + loss_kw
    more_release = xp.maximum(-view.low_kw - release, 0.0) * lends
    more_charge = xp.maximum(view.high_kw - charge, 0.0) * lends

    less_charge, left = _use(charge, xp.maximum(short, 0.0))
    more_release, left = _use(more_release, left)
    shed, left = _use(load_kw - critical_kw, left)
    shed_critical, lacking = _use(critical_kw, left)

    less_release, left = _use(release, xp.maximum(-short, 0.0))
    more_charge, left = _use(more_charge, left)
    less_pv, _ = _use(pv_kw, left)
    device_kw = charge - less_charge + more_charge - (release - less_release + more_release)
    return Balance(
        served_kw=load_kw - shed - shed_critical,
        shed_kw=shed + shed_critical,
        shed_critical_kw=shed_critical,
        pv_kw=pv_kw - less_pv,
        device_kw=device_kw,
        lacking_kw=lacking,
    )


def _use(available: Array, wanted: Array) -> tuple[Array, Array]:
    """Take ``wanted`` [n_envs] from what is available in proportion; give what each gives and what is still missing."""
    xp = namespace(available)
    total = xp.sum(available, axis=1)
    taken = xp.minimum(total, wanted)
    return available * (taken / xp.maximum(total, 1e-12))[:, None], wanted - taken


def price_ucur(clearing: Clearing, rationed: Rationed, config: OutageConfig) -> Array:
    """[n_envs] price of an island: lost load's value where some is shed, 0 where PV is spilt, else the auction's."""
    found = rationed.balance
    xp = namespace(found.shed_kw)
    ordinary, critical = (round(v * MICRO) for v in (config.lost_load_cur_per_kwh, config.critical_cur_per_kwh))
    price = xp.minimum(xp.maximum(mean_price_ucur_per_kwh(clearing), 0), ordinary)
    for amount_kw, value in (
        (rationed.pv_kw - found.pv_kw, 0),
        (found.shed_kw, ordinary),
        (found.shed_critical_kw, critical),
    ):
        price = xp.where(xp.sum(amount_kw, axis=1) > _NOTICED_KW, value, price)
    return price


def ration(
    wanted: Meters, outage: Outage, view: View, world: World, share_devices: Callable[[Array], Array],
    losses: Callable[[Meters], Array],
) -> Rationed:  # fmt: skip
    """Switch off what is dark, and let islands balance, the losses of their wires included.

    An island that cannot serve even its losses goes dark.

    Args:
        wanted: what the meters would do, [n_envs, n_meters] each.
        outage: who has what.
        view: what the devices can do.
        world: who hangs where, and the scenario.
        share_devices: gives the power of each meter's device, [n_envs, n_meters], for that of the agents' devices.
        losses: gives the losses [n_envs] of the wires, kW, for what the meters do.
    """
    xp, of_agent = namespace(wanted.pv_kw), world.agent_of_meter
    live = each(wanted, lambda x: x * outage.live)
    load_kw, pv_kw, wish_kw = (xp.matmul(x, of_agent) for x in (live.fixed_kw, live.pv_kw, live.device_kw))
    critical_share = world.scenario.outage.critical_share * ~world.firm_is_chosen
    lends = world.lends & (outage.live_agent == 1)

    def balanced_for(loss_kw: Array) -> tuple[Balance, Meters]:
        found = balance(load_kw, load_kw * critical_share, pv_kw, wish_kw, view, lends, loss_kw)
        direct_kw = xp.matmul(found.device_kw, of_agent.T)
        devices_kw = xp.where(world.is_only_meter, direct_kw, share_devices(found.device_kw)) * outage.live
        return found, _spread(live, found, devices_kw, of_agent)

    found, balanced = balanced_for(0.0 * load_kw[:, 0])
    for _ in range(_LOSS_ROUNDS):
        found, balanced = balanced_for(losses(balanced))
    gives_up = outage.is_island & (found.lacking_kw > _NOTICED_KW)
    found = _nothing_where(gives_up, found, load_kw, load_kw * critical_share)
    balanced = each(balanced, lambda x: x * ~gives_up[:, None])
    island = outage.is_island[:, None]
    meters = each(balanced, lambda there, here: xp.where(island, there, here), live)
    dark_kw = xp.matmul(wanted.fixed_kw - live.fixed_kw, of_agent)
    shed_kw = dark_kw + found.shed_kw * island
    return Rationed(
        meters=meters,
        balance=found,
        pv_kw=pv_kw,
        shed_kw=shed_kw,
        shed_critical_kw=dark_kw * critical_share + found.shed_critical_kw * island,
        is_dark=gives_up | ~xp.any(outage.live > 0, axis=1),
    )


def _nothing_where(is_dark: Array, found: Balance, load_kw: Array, critical_kw: Array) -> Balance:
    """Let rows [n_envs] serve nothing and shed all."""
    xp, rows = namespace(load_kw), is_dark[:, None]
    return replace(
        found,
        served_kw=found.served_kw * ~rows,
        shed_kw=xp.where(rows, load_kw, found.shed_kw),
        shed_critical_kw=xp.where(rows, critical_kw, found.shed_critical_kw),
        pv_kw=found.pv_kw * ~rows,
        device_kw=found.device_kw * ~rows,
    )


def among_members(
    bids: Bids, flowed: Bids, clearing: Clearing, setting: Setting, rationed: Rationed, config: OutageConfig
) -> tuple[Bids, Clearing]:
    """Settle islands by what flowed; other rows stay as they were cleared.

    Args:
        bids: the orders of all rows.
        flowed: the meters of all rows, as orders.
        clearing: of the orders.
        setting: says who is an island.
        rationed: what islands did.
        config: values of lost load.
    """
    xp, is_island = namespace(flowed.netted_ukwh), setting.is_island
    assert is_island is not None
    price = price_ucur(clearing, rationed, config)
    rows = is_island[:, None]
    orders = replace(
        bids.orders,
        energy_ukwh=xp.where(rows, flowed.orders.energy_ukwh, bids.orders.energy_ukwh),
        limit_ucur_per_kwh=xp.where(rows, flowed.orders.limit_ucur_per_kwh, bids.orders.limit_ucur_per_kwh),
    )
    netted_ukwh = xp.where(rows, flowed.netted_ukwh, bids.netted_ukwh)
    settled = _in_rows(is_island, settle_among_members(flowed.orders, price), clearing)
    return Bids(orders, netted_ukwh, xp.where(rows, flowed.flexible_sign, bids.flexible_sign)), settled


def _in_rows(is_island: Array, settled: Clearing, clearing: Clearing) -> Clearing:
    """Put one clearing in the place of another in the rows ``is_island`` [n_envs]; ``carry`` is the other's."""
    xp = namespace(is_island)
    if clearing.pool_ukwh is None:
        clearing = replace(clearing, pool_ukwh=xp.zeros_like(clearing.status))
    names = [field.name for field in fields(Clearing) if getattr(settled, field.name) is not None]
    of = {name: (getattr(settled, name), getattr(clearing, name)) for name in names}
    return replace(
        clearing, **{n: xp.where(is_island[:, None] if x.ndim == 2 else is_island, x, y) for n, (x, y) in of.items()}
    )


def lost_load(rationed: Rationed | None, config: OutageConfig, step_h: float, like: Array) -> tuple[Array, Array]:
    """[n_envs, n_agents] must-serve energy that got nothing, kWh, and its value, currency."""
    if rationed is None:
        return 0.0 * like, 0.0 * like
    shed_kwh, critical_kwh = rationed.shed_kw * step_h, rationed.shed_critical_kw * step_h
    extra_cur = config.critical_cur_per_kwh - config.lost_load_cur_per_kwh
    return shed_kwh, config.lost_load_cur_per_kwh * shed_kwh + extra_cur * critical_kwh


def _spread(live: Meters, found: Balance, devices_kw: Array, agent_of_meter: Array) -> Meters:
    """Share an agent's balance over its meters, [n_envs, n_meters] kW each.

    Args:
        live: what the meters wanted, dark ones at zero.
        found: the balance of the agents.
        devices_kw: the devices as their kinds would share the balance, dark ones at zero.
        agent_of_meter: [n_meters, n_agents] 1 where the meter is the agent's.

    Must-serve draw and PV are scaled alike at all meters of an agent; the devices of one sum to its balance.
    """
    xp = namespace(live.fixed_kw)

    def scaled(wanted_kw: Array, given_kw: Array) -> Array:
        total = xp.matmul(wanted_kw, agent_of_meter)
        factor = given_kw / xp.where(xp.abs(total) > _NOTICED_KW, total, 1.0) * (xp.abs(total) > _NOTICED_KW)
        return wanted_kw * xp.matmul(factor, agent_of_meter.T)

    return Meters(
        scaled(live.fixed_kw, found.served_kw), scaled(live.pv_kw, found.pv_kw), scaled(devices_kw, found.device_kw)
    )
