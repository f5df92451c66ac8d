"""The core: one market interval for a whole batch, as a pure function of arrays.

``Core.step`` is the only place that knows the order of an interval. It draws nothing, keeps nothing and changes
nothing in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.bid import bid, flexible_fill_ukwh, metered
from gridbazaar.agents.kind import Meters, Now, kinds, own_columns
from gridbazaar.agents.plan import Plan, View, join
from gridbazaar.agents.vpps.called import Called
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.trees import mapped
from gridbazaar.data.units import from_micro, to_micro
from gridbazaar.envs.episode.draw import OUTLOOK, draw_episode
from gridbazaar.envs.episode.world import make_world
from gridbazaar.envs.interval.calls import Answers, services_cur, without_called
from gridbazaar.envs.interval.fleet import Fleet, joined
from gridbazaar.envs.interval.island import (
    Outage,
    Rationed,
    among_members,
    in_order,
    lost_load,
    outage_now,
    ration,
    runs_alone,
)
from gridbazaar.envs.interval.rates import rates_at
from gridbazaar.envs.interval.reward import Outcome, potential_cur, reward
from gridbazaar.envs.interval.wiring import Wiring
from gridbazaar.envs.scenario import Scenario, load_scenario
from gridbazaar.envs.state import Episode, Standing, State, Transition
from gridbazaar.market.mechanisms import carry_width, load_mechanism, mechanism_stage
from gridbazaar.market.orders import Setting, mean_price_ucur_per_kwh
from gridbazaar.market.settlement.settle import Delivery, Rates, Terms, settle
from gridbazaar.market.tariffs import load_tariff


class Core:
    """A batch of communities of one scenario.

    Args:
        scenario: a scenario or its name.
        n_envs: rows of the batch.
        backend: numpy (the reference) or torch.
        device: torch device.
        dtype: float64 (default) or float32, of the physics.

    ``state = core.reset(seeds)``; ``state, transition = core.step(state, action)`` with actions
    ``[n_envs, n_agents, n_actions]`` in [-1, 1]: what lies outside is clipped and counted in ``state.n_clipped``. Kinds
    with fewer components than the widest one do not look at the spare ones.
    """

    def __init__(
        self,
        scenario: Scenario | str,
        n_envs: int = 1,
        *,
        backend: str = "numpy",
        device: str = "cpu",
        dtype: str = "float64",
    ) -> None:
        if n_envs < 1:
            raise ValueError(f"n_envs: expected at least 1, got {n_envs}")
        if backend not in ("numpy", "torch") or dtype not in ("float64", "float32"):
            raise ValueError(f"expected backend numpy or torch, dtype float64 or float32; got {backend!r}, {dtype!r}")
        self.scenario = load_scenario(scenario)
        self.n_envs = n_envs
        self._arguments = (backend, device, dtype)
        self._to_array = _converter(backend, device, dtype)
        self.world = make_world(self.scenario, self._to_array)
        self.mechanism = load_mechanism(self.scenario.mechanism, **self.scenario.mechanism_options)
        self.clears_ahead = mechanism_stage(self.scenario.mechanism) == "ex_ante"
        self._carry_width = carry_width(self.scenario.mechanism, 2 * self.world.n_agents)
        self.n_agents = self.world.n_agents
        self.action_columns = {name: kinds()[name].actions(config) for name, config in self.scenario.agents.items()}
        self.n_actions = max(len(columns) for columns in self.action_columns.values())
        self.own_columns = own_columns(self.scenario.agents)
        self.n_steps = self.scenario.n_steps
        fixed = load_tariff(self.scenario.tariff, **self.scenario.tariff_options).fixed_cur_per_day
        self._fixed_ucur = round(fixed * 1e6 * self.scenario.hours / 24)
        self.wiring = Wiring(self.world)
        self.fleet = Fleet(self.world, self.own_columns, self._narrow)
        self.answers = Answers(self.world, self._to_array) if self.scenario.call.happens else None
        self._scarcity_ucur = round(self.scenario.connection.scarcity_cur_per_kwh * 1e6)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.scenario, self.n_envs, *self._arguments)

    @property
    def agents(self) -> tuple[str, ...]:
        return self.scenario.agent_names

    def reset(self, seeds: int | Sequence[int] | NDArray[np.int64] = 0, *, split: str = "train") -> State:
        """Begin an episode in every row.

        Args:
            seeds: [n_envs] numbers of the episodes in their split, or one number: row *i* gets ``seeds + i``.
            split: train, validation or test.
        """
        numbers = np.asarray(seeds, np.int64)
        numbers = numbers + np.arange(self.n_envs) if numbers.ndim == 0 else numbers
        if numbers.shape != (self.n_envs,) or (numbers < 0).any():
            raise ValueError(f"seeds: expected {self.n_envs} numbers >= 0 or one, got {seeds!r}")
        episode = draw_episode(self.world, split, numbers, self._to_array)
        devices = tuple(k.start(p) for k, p in zip(self.world.kinds, episode.params, strict=True))
        t = self._to_array(np.zeros(self.n_envs, np.int64))
        standing = None if self.answers is None or episode.calls is None else self.answers.begin(episode.calls)
        rates = rates_at(self.world, episode, t)
        views = self.fleet.views(devices, episode.params, self._now(devices, episode, t, standing))
        view = join(views)
        return State(
            t=t,
            episode=episode,
            devices=devices,
            views=views,
            view=view,
            mean_price_cur_per_kwh=self._mean_price(view, episode, t),
            price_ucur_per_kwh=rates.energy + rates.network + rates.tax - rates.local_network - rates.local_tax,
            traded_frac=0.0 * episode.import_cap_kw,
            net_kw=0.0 * episode.import_cap_kw,
            n_clipped=0 * t,
            carry=self._to_array(np.zeros((self.n_envs, self._carry_width), np.int64)),
            standing=standing,
        )

    def step(self, state: State, action: Array) -> tuple[State, Transition]:
        """Play one interval: plan, bid, clear, carry, move, settle, reward."""
        world, episode, view = self.world, state.episode, state.view
        xp, step_h = namespace(view.firm_kw), self.scenario.step_h
        now = self._now(state.devices, episode, state.t, state.standing)
        rates = rates_at(world, episode, state.t)

        outage = self._outage(state)
        plans, n_clipped = self._plans(action, state.views)
        plan = self._joint(plans, outage)
        setting = self._setting(state, plan, rates, outage)
        beyond = 0 if setting.wires is None else _BEYOND_UCUR_PER_KWH
        bids = bid(plan, setting, world.order_agent, world.order_bus, step_h, self._lottery(state), beyond)
        clearing = self.mechanism(bids.orders, setting) if self.clears_ahead else None

        fill_kw = from_micro(flexible_fill_ukwh(bids, clearing)) / step_h
        wanted = self.wiring.unsold(self.fleet.meters(fill_kw, plans, state, now), bids, clearing)
        rationed = None if outage is None else self._ration(wanted, outage, plans, state, now)
        live, q_kvar = self.wiring.respond(wanted if rationed is None else rationed.meters, episode)
        live = self.fleet.narrow(live)
        flow = self.wiring.carry(live, q_kvar)
        allowed = self.wiring.allow(live, flow, outage)
        devices, flows = self.fleet.move(allowed, plans, state, now)

        meter = (flows.firm_ukwh, flows.flexible_ukwh, setting, world.order_agent, world.order_bus)
        curtailed_ukwh = self.wiring.curtailed_ukwh(wanted, allowed, outage)
        if clearing is None:  # the rule prices what was metered: no schedule, so nothing to make good
            bids = metered(*meter)
            clearing, curtailed_ukwh = self.mechanism(bids.orders, setting), 0 * curtailed_ukwh
        if rationed is not None:
            bids, clearing = among_members(bids, metered(*meter), clearing, setting, rationed, self.scenario.outage)
        delivery = Delivery(flows.firm_ukwh + flows.flexible_ukwh, curtailed_ukwh, to_micro(flow.loss_kw * step_h))
        answer, standing = None, state.standing
        if self.answers is not None:
            answer, standing = self.answers.answer(state, plans, fill_kw, allowed, clearing, delivery, devices, now)
            delivery = without_called(delivery, answer)
        services = None if answer is None else answer.services
        bill = settle(bids.orders, clearing, setting, delivery, rates, self._terms(episode, state.t), services)

        t = state.t + 1
        ends = t >= self.n_steps
        views = self.fleet.views(devices, episode.params, self._now(devices, episode, t, standing))
        after = join(views)
        mean_price = self._mean_price(after, episode, xp.minimum(t, self.n_steps - 1))
        left_cur = self._stored_value_cur(after, episode) * ends[:, None]
        shed_kwh, shed_cur = lost_load(rationed, self.scenario.outage, step_h, flows.wear_cur)
        outcome = Outcome(
            clearing, bill, rates, -bids.flexible_sign * bids.netted_ukwh, flows.wear_cur, flows.discomfort_cur,
            flows.upkeep_cur, flows.unserved_kwh, shed_cur, left_cur,
            self._potential_cur(view, state.mean_price_cur_per_kwh, episode, state.t),
            self._potential_cur(after, mean_price, episode, t) * ~ends[:, None],
            None if answer is None else services_cur(answer),
        )  # fmt: skip
        rewards, parts = reward(outcome, self.scenario.reward, world.firm_is_chosen)
        transition = Transition(
            state.t, view, plan, bids.orders, setting, clearing, flow, bids.netted_ukwh, flows.firm_ukwh,
            flows.flexible_ukwh, delivery.metered_ukwh, delivery.curtailed_ukwh, flows.load_kwh, flows.pv_kwh,
            flows.unserved_kwh, shed_kwh, shed_cur, flows.loss_kwh, flows.wear_cur, flows.discomfort_cur,
            flows.upkeep_cur, left_cur, bill, rewards, parts, rates, world.carbon_kg_per_kwh[now.step],
            flows.emitted_kg, ends, answer,
        )  # fmt: skip
        after_it = self._next(state, t, devices, views, after, mean_price, transition, n_clipped)
        return after_it if standing is None else replace(after_it, standing=standing), transition

    def _outage(self, state: State) -> Outage | None:
        """Say who is dark now; none where the scenario has no outages."""
        if state.episode.outages is None:
            return None
        world = self.world
        outages = in_order(state.episode.outages, world, state.episode.params, state.devices)
        return outage_now(outages, state.t, world.behind, world.meter_bus, world.agent_of_meter)

    def _now(self, devices: tuple[Any, ...], episode: Episode, t: Array, standing: Standing | None) -> Now:
        alone, site_kw, call = None, None, None
        if episode.outages is not None:
            alone = runs_alone(in_order(episode.outages, self.world, episode.params, devices), t)
        if self.answers is not None and self.answers.n_vpps and episode.calls is not None and standing is not None:
            call = self.answers.called(episode.calls, standing, t)
        if episode.calls is not None and episode.calls.limit_kw is not None:
            site_kw = episode.calls.limit_kw[namespace(t).arange(self.n_envs, t), t][:, None]
        return Now(self.world.series, episode.start + t, t, alone, site_kw, call)

    def called(self, state: State) -> Called | None:
        """Give what the operator's calls ask of the VPPs; none where there are no calls, or no VPP answers them."""
        return self._now(state.devices, state.episode, state.t, state.standing).call

    def _plans(self, action: Array, views: tuple[View, ...]) -> tuple[tuple[Plan, ...], Array]:
        xp = namespace(views[0].firm_kw)
        self._check(action, xp)
        inside = xp.clip(action, -1.0, 1.0)
        n_clipped = xp.sum(xp.astype(inside != action, xp.int64), axis=(1, 2))
        return self.fleet.plans(inside, views), n_clipped

    def _joint(self, plans: tuple[Plan, ...], outage: Outage | None) -> Plan:
        plan = joined(plans)
        if outage is not None:  # who is dark places no order
            is_live = outage.live_agent > 0
            plan = replace(plan, firm_kw=plan.firm_kw * is_live, wish_kw=plan.wish_kw * is_live)
        return plan

    def _check(self, action: Array, xp: Any) -> None:
        """Refuse actions of another shape; on NumPy also those that are no numbers (a device is not asked back)."""
        expected = (self.n_envs, self.n_agents, self.n_actions)
        if tuple(action.shape) != expected:
            raise ValueError(
                f"action: expected shape {expected} (envs, agents, power and eagerness"
                f"{' and what kinds have of their own' if self.n_actions > 2 else ''}), got {tuple(action.shape)}"
            )
        if xp.name == "numpy" and not np.isfinite(action).all():
            env, agent = np.argwhere(~np.isfinite(action).all(axis=2))[0]
            came, name = action[env, agent], self.agents[agent]
            raise ValueError(f"action: expected finite numbers, got {came} for {name} in environment {env}")

    def features(self, state: State) -> list[tuple[slice, int, Array]]:
        """Give what kinds observe of their own: whose, which of ``own_columns``, and values [n_envs, n_kind]."""
        return self.fleet.features(state, self._now(state.devices, state.episode, state.t, state.standing))

    def _lottery(self, state: State) -> Array | None:
        """[n_envs, n_agents] this interval's banked numbers."""
        bank = state.episode.lottery
        return None if bank is None else bank[namespace(bank).arange(self.n_envs, state.t), state.t]

    def _setting(self, state: State, plan: Plan, rates: Rates, outage: Outage | None) -> Setting:
        upper = rates.energy + rates.network + rates.tax - rates.local_network - rates.local_tax
        scarcity = 0 * upper + self._scarcity_ucur
        step_h = self.scenario.step_h
        caps = (to_micro(state.episode.import_cap_kw * step_h), to_micro(state.episode.export_cap_kw * step_h))
        carry = state.carry if self._carry_width else None
        setting = Setting(upper, rates.export, *caps, scarcity, scarcity, carry=carry, wires=self.wiring.priced(plan))
        if outage is None:
            return setting
        xp, island = namespace(upper), outage.is_island
        return replace(
            setting,
            import_ucur_per_kwh=xp.where(island, round(self.scenario.outage.lost_load_cur_per_kwh * 1e6), upper),
            export_ucur_per_kwh=xp.where(island, 0, rates.export),
            import_scarcity_ucur_per_kwh=xp.where(island, 0, scarcity),
            export_scarcity_ucur_per_kwh=xp.where(island, 0, scarcity),
            is_island=island,
        )

    def _ration(self, wanted: Meters, outage: Outage, plans: tuple[Plan, ...], state: State, now: Now) -> Rationed:
        def share_devices(kw: Array) -> Array:
            return self.fleet.meters(kw, plans, state, now).device_kw

        def losses(meters: Meters) -> Array:
            return self._to_array(self.wiring.carry(self.fleet.narrow(meters)).loss_kw)

        return ration(wanted, outage, state.view, self.world, share_devices, losses)

    def _narrow(self, value: Any) -> Any:
        return value if self._arguments[2] == "float64" else mapped(value, self._to_array)

    def _terms(self, episode: Episode, t: Array) -> Terms:
        due = self._fixed_ucur * (t + 1) // self.n_steps - self._fixed_ucur * t // self.n_steps
        connections = self.world.connections
        due_ucur = due[:, None] * connections[None, :]
        is_firm = self.scenario.connection.firm
        return Terms(self.world.is_brp, connections, episode.rent_ucur, due_ucur, is_firm, self.world.held)

    def _stored_value_cur(self, view: View, episode: Episode) -> Array:
        """Worth of what is left in stationary storage and as heat; what a car carries away unasked is not counted."""
        left_kwh = view.stored_kwh * view.eta_dis * view.is_stationary
        left_kwh = left_kwh if view.spare_kwh is None else left_kwh + view.spare_kwh
        return left_kwh * episode.end_value_cur_per_kwh[:, None]

    def stored_value_cur(self, state: State) -> Array:
        """Worth of what stationary storage holds, as if the episode ended now, [n_envs, n_agents]."""
        return self._stored_value_cur(state.view, state.episode)

    def _potential_cur(self, view: View, mean_price: Array, episode: Episode, t: Array) -> Array:
        worth = episode.outlook[namespace(view.firm_kw).arange(self.n_envs, t), t, OUTLOOK.index("worth")]
        return potential_cur(view, worth, mean_price)

    def until(self, view: View, t: Array) -> Array:
        """First step after departure, the day ahead or the end, [n_envs, n_agents] int64."""
        xp = namespace(view.firm_kw)
        steps = xp.maximum(xp.astype(xp.rint(view.left_h / self.scenario.step_h), xp.int64), 1)
        return xp.minimum(t[:, None] + xp.minimum(steps, self.scenario.horizon), self.n_steps)

    def _mean_price(self, view: View, episode: Episode, t: Array) -> Array:
        """Mean retail price until departure or the end, [n_envs, n_agents]; ``t`` is inside the episode."""
        xp, sums = namespace(view.firm_kw), episode.price_sum_cur_per_kwh
        until = self.until(view, t)
        span = xp.take_along_axis(sums, until, 1) - xp.take_along_axis(sums, t[:, None], 1)
        return span / (until - t[:, None])

    def _next(
        self, state: State, t: Array, devices: tuple[Any, ...], views: tuple[View, ...], view: View, mean_price: Array,
        happened: Transition,
        n_clipped: Array,
    ) -> State:  # fmt: skip
        xp, step_h = namespace(view.firm_kw), self.scenario.step_h
        filled = happened.clearing.traded_ukwh + happened.clearing.outside_ukwh
        bought = xp.maximum(xp.sum(xp.maximum(filled, 0), axis=1), 1)
        net_ukwh = xp.sum(happened.metered_ukwh, axis=1)
        return State(
            t=t,
            episode=state.episode,
            devices=devices,
            views=views,
            view=view,
            mean_price_cur_per_kwh=mean_price,
            price_ucur_per_kwh=mean_price_ucur_per_kwh(happened.clearing),
            traded_frac=from_micro(xp.sum(xp.maximum(happened.clearing.traded_ukwh, 0), axis=1)) / from_micro(bought),
            net_kw=from_micro(net_ukwh) / step_h,
            n_clipped=state.n_clipped + n_clipped,
            carry=state.carry if happened.clearing.carry is None else happened.clearing.carry,
        )


_BEYOND_UCUR_PER_KWH = 10_000_000  # dearer than any bus, so that who takes any price is served there


def _rebuild(scenario: Scenario, n_envs: int, backend: str, device: str, dtype: str) -> Core:
    return Core(scenario, n_envs, backend=backend, device=device, dtype=dtype)


def _converter(backend: str, device: str, dtype: str) -> Any:
    if backend == "numpy":
        float_type = np.dtype(dtype)

        def to_numpy(x: Any) -> Any:
            x = np.asarray(x)
            return x.astype(float_type) if x.dtype.kind == "f" and x.dtype != float_type else x

        return to_numpy
    import torch

    def to_torch(x: Any) -> Any:
        if isinstance(x, np.ndarray) and not x.flags.writeable:
            x = x.copy()  # a tensor cannot be kept from being written into
        tensor = torch.as_tensor(x, device=device)
        return tensor.to(getattr(torch, dtype)) if tensor.is_floating_point() else tensor

    return to_torch
