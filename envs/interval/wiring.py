"""The wires between the meters: what inverters answer, what the feeder carries, what is curtailed, what has a price."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gridbazaar.agents.bid import Bids
from gridbazaar.agents.kind import Meters
from gridbazaar.agents.plan import Plan
from gridbazaar.data.arrays import Array, host, namespace
from gridbazaar.data.trees import each
from gridbazaar.data.units import from_micro, to_micro
from gridbazaar.envs.episode.params import Said
from gridbazaar.envs.episode.world import World
from gridbazaar.envs.interval.island import Outage
from gridbazaar.envs.state import Episode
from gridbazaar.market.grid.balanced import Flow
from gridbazaar.market.grid.inverter import RESPONSES, InverterGrid, Inverters, Priority
from gridbazaar.market.grid.linear import LinearGrid
from gridbazaar.market.orders import Clearing, Wires


class Withheld(NamedTuple):
    """Ordered curtailment, [n_envs, n_agents] int64 each."""

    curtailed_ukwh: Array  # injection withheld > 0, draw withheld < 0
    lost_ukwh: Array  # >= 0, sun and wind among it


class Wiring:
    """The feeder of a world, as its scenario treats it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._tan_phi = (1 / world.scenario.power_factor**2 - 1) ** 0.5
        self._priced = LinearGrid(world.grid.feeder) if world.scenario.constraint == "nodal" else None
        self._inverters = _inverters(world)

    def priced(self, plan: Plan) -> Wires | None:
        """The feeder between the orders, where it is priced; loads draw the reactive power that is expected of them."""
        if self._priced is None:
            return None
        world, xp, n = self.world, namespace(plan.firm_kw), self.world.n_agents
        buses = xp.arange(world.grid.n_buses, like=world.order_bus)
        at_bus = xp.astype(world.order_bus[:n, None] == buses[None, :], plan.firm_kw.dtype)
        loads_kw = xp.where(world.firm_is_chosen, 0.0, xp.maximum(plan.firm_kw, 0.0))
        q_kvar = self._tan_phi * xp.matmul(loads_kw, at_bus)
        is_firm = xp.arange(2 * n, like=world.order_bus) < n
        return Wires(
            grid=self._priced,
            step_h=self.world.scenario.step_h,
            fixed_kw=xp.zeros_like(q_kvar),
            q_kvar=q_kvar,
            is_inelastic=is_firm,
        )

    def unsold(self, wanted: Meters, bids: Bids, clearing: Clearing | None) -> Meters:
        """Where the wires have a price, PV that found no buyer is not fed in."""
        if clearing is None or self._priced is None:
            return wanted
        xp, n = namespace(wanted.pv_kw), self.world.n_agents
        left_ukwh = (bids.orders.energy_ukwh - clearing.traded_ukwh - clearing.outside_ukwh)[:, :n]
        unsold_kw = from_micro(xp.maximum(-left_ukwh, 0)) / self.world.scenario.step_h
        pv_kw = xp.maximum(wanted.pv_kw - xp.matmul(unsold_kw, self.world.agent_of_meter.T), 0.0)
        return replace(wanted, pv_kw=pv_kw)

    def respond(self, live: Meters, episode: Episode) -> tuple[Meters, Array | None]:
        """Let the inverters of PV answer the voltage: less active power, and [n_envs, n_buses] kvar that they draw."""
        if self._inverters is None:
            return live, None
        world, xp, at_bus = self.world, namespace(live.pv_kw), self.world.bus_of_meter
        load_kw, pv_kw = xp.matmul(live.fixed_kw, at_bus), xp.matmul(live.pv_kw, at_bus)
        kwp = [
            0.0 * live.pv_kw[:, m] if kind.inverters is None else kind.inverters.kwp(p)
            for kind, p, m in zip(world.kinds, episode.params, world.meter_slices, strict=True)
        ]
        rating_kva = self.world.scenario.inverter.kva_per_kwp * xp.matmul(xp.concat(kwp, axis=1), at_bus)
        answer = self._inverters.solve(
            load_kw + xp.matmul(live.device_kw, at_bus), self._tan_phi * load_kw, pv_kw, rating_kva=rating_kva
        )
        keep = answer.injection_kw / xp.maximum(pv_kw, 1e-12) * (pv_kw > 0)
        return replace(live, pv_kw=live.pv_kw * keep[:, world.meter_bus]), answer.q_kvar

    def carry(self, wanted: Meters, q_kvar: Array | None = None) -> Flow:
        """Solve the wires; ``q_kvar`` [n_envs, n_buses] is drawn beside the loads' reactive power."""
        xp, at_bus = namespace(wanted.pv_kw), self.world.bus_of_meter
        injection_kw, draw_kw = wanted.pv_kw + xp.maximum(-wanted.device_kw, 0.0), xp.maximum(wanted.device_kw, 0.0)
        fixed_kw = xp.matmul(wanted.fixed_kw, at_bus)
        rule, by_bus = self.world.scenario.curtailment, self.world.scenario.curtailment == "proportional"
        if by_bus:
            injection_kw, draw_kw = xp.matmul(injection_kw, at_bus), xp.matmul(draw_kw, at_bus)
        return self.world.grid.carry(
            fixed_kw, injection_kw, draw_kw,
            self._tan_phi * fixed_kw if q_kvar is None else self._tan_phi * fixed_kw + q_kvar,
            constraint="none" if self.world.scenario.constraint == "none" else "curtail",
            rule=rule, connection_bus=None if by_bus else self.world.meter_bus,
        )  # fmt: skip

    def switched(self, flow: Flow, is_dark: Array) -> Flow:
        """Take the losses out of feeders that are dark [n_envs]: no transformer is magnetised without a supply."""
        return replace(flow, loss_kw=flow.loss_kw * ~is_dark, root_kw=flow.root_kw * ~is_dark)

    def allow(self, wanted: Meters, flow: Flow, outage: Outage | None) -> Meters:
        if self.world.scenario.constraint == "none":
            return wanted
        xp, bus = namespace(wanted.pv_kw), self.world.meter_bus
        keep_injection, keep_draw = flow.keep_injection, flow.keep_draw
        if self.world.scenario.curtailment == "proportional":
            keep_injection, keep_draw = keep_injection[:, bus], keep_draw[:, bus]
        device_kw = wanted.device_kw * xp.where(wanted.device_kw > 0, keep_draw, keep_injection)
        allowed = Meters(wanted.fixed_kw, wanted.pv_kw * keep_injection, device_kw)
        if outage is None:
            return allowed
        rows = outage.is_island[:, None]  # an island is balanced as it is; what it overloads is only reported
        return each(wanted, lambda there, here: xp.where(rows, there, here), allowed)

    def withheld(self, wanted: Meters, allowed: Meters, outage: Outage | None) -> Withheld:
        """Say what the operator withheld of each agent.

        Dark devices of an agent that placed orders count as curtailed; who is dark altogether placed none.
        """
        xp = namespace(wanted.pv_kw)
        if self.world.scenario.constraint == "none" and outage is None and self._inverters is None:
            nothing = xp.zeros((wanted.pv_kw.shape[0], self.world.n_agents), self.world.order_agent)
            return Withheld(nothing, nothing)
        step_h = self.world.scenario.step_h
        lost = self._of_agents(to_micro((wanted.pv_kw - allowed.pv_kw) * step_h))
        by_devices = self._of_agents(to_micro((allowed.device_kw - wanted.device_kw) * step_h))
        if outage is not None:
            counts = (outage.live_agent > 0) * ~outage.is_island[:, None]
            lost, by_devices = lost * counts, by_devices * counts
        return Withheld(lost + by_devices, lost)

    def _of_agents(self, at_meters: Array) -> Array:
        """Sum integers [n_envs, n_meters] over the meters of each agent."""
        xp = namespace(at_meters)
        blocks = [
            xp.sum(at_meters[:, m].reshape(at_meters.shape[0], s.stop - s.start, -1), axis=2)
            for s, m in zip(self.world.slices, self.world.meter_slices, strict=True)
        ]
        return xp.concat(blocks, axis=1)


def _inverters(world: World) -> InverterGrid | None:
    """The feeder with inverters as large as an episode may draw them; none where they do not answer."""
    config = world.scenario.inverter
    if config.response == "none":
        return None
    most_kwp = [
        (0.0 if kind.inverters is None else kind.inverters.most_kwp(of_kind)) * np.ones(m.stop - m.start)
        for kind, of_kind, m in zip(world.kinds, world.configs, world.meter_slices, strict=True)
    ]
    most_kwp = [_largest(most, said) for most, said in zip(most_kwp, world.lasting.said, strict=True)]
    bus, buses = np.asarray(host(world.meter_bus)), world.grid.n_buses
    rating = np.bincount(bus, np.concatenate(most_kwp) * config.kva_per_kwp, buses)
    priority: Priority = "watt" if config.priority == "watt" else "var"
    return InverterGrid(world.grid, Inverters(rating, RESPONSES[config.response], priority))


def _largest(most_kwp: Array, said: Said) -> Array:
    """[n_meters] what is drawn at most, or what agents have in all episodes where that is more."""
    return np.fmax(most_kwp, said.get("pv_kwp", said.get("turbine_kw", 0.0)))
