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
from gridbazaar.agents.kind import Meters, Now
from gridbazaar.agents.kinds import own_columns
from gridbazaar.agents.plan import Called, Plan
from gridbazaar.data.arrays import Array, converter
from gridbazaar.data.trees import mapped
from gridbazaar.data.units import from_micro, to_micro
from gridbazaar.envs.episode.draw import draw_episode
from gridbazaar.envs.episode.world import make_world
from gridbazaar.envs.interval.action import inside
from gridbazaar.envs.interval.calls import Answers, without_called
from gridbazaar.envs.interval.carry import month_postings
from gridbazaar.envs.interval.fleet import Fleet
from gridbazaar.envs.interval.island import Outage, Rationed, among_members, live_plan, lost_load, outage_of, ration
from gridbazaar.envs.interval.members import clear
from gridbazaar.envs.interval.now import now_of
from gridbazaar.envs.interval.rates import rates_at
from gridbazaar.envs.interval.reward import baseline_cur, reward
from gridbazaar.envs.interval.setting import BEYOND_UCUR_PER_KWH, lottery_of, setting_of, terms_of
from gridbazaar.envs.interval.states import first_state, look_at, next_state
from gridbazaar.envs.interval.wiring import Wiring
from gridbazaar.envs.interval.worth import potential_cur, stored_value_cur
from gridbazaar.envs.own_reward import load_reward, own_reward
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Market, Money, State, Transition
from gridbazaar.market.mechanisms import load_mechanism, mechanism_stage
from gridbazaar.market.settlement.position import Delivery
from gridbazaar.market.settlement.settle import settle


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
        self._to_array = converter(backend, device, dtype)
        self.world = make_world(self.scenario, self._to_array)
        self.mechanism = load_mechanism(self.scenario.mechanism, **self.scenario.mechanism_options)
        self.clears_ahead = mechanism_stage(self.scenario.mechanism) == "ex_ante"
        self.n_agents = self.world.n_agents
        self.action_columns = {name: kind.actions(config) for name, kind, config in self.scenario.named_kinds}
        self.n_actions = max(len(columns) for columns in self.action_columns.values())
        self.own_columns = own_columns(self.scenario.named_kinds)
        self.n_steps = self.scenario.n_steps
        self.wiring = Wiring(self.world)
        self.fleet = Fleet(self.world, self.own_columns, self._narrow)
        function = self.scenario.reward.function
        self._own_reward = None if function is None else load_reward(function)
        self.answers = Answers(self.world, self._to_array) if self.scenario.call.happens else None

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
        return first_state(self.world, self.fleet, self.answers, episode, self._to_array)

    def step(self, state: State, action: Array) -> tuple[State, Transition]:
        """Play one interval: plan, bid, clear, carry, move, settle, reward."""
        world, episode, step_h = self.world, state.episode, self.scenario.step_h
        now = now_of(world, self.answers, state.devices, episode, state.t, state.standing)
        rates, outage = rates_at(world, episode, state.t), outage_of(state, world)

        action, n_clipped = inside(action, (self.n_envs, self.n_agents, self.n_actions), self.scenario)
        plans = self.fleet.plans(action, state.views)
        plan = live_plan(plans, outage)
        setting = setting_of(world, state, rates, self.wiring.priced(plan), outage)
        beyond = 0 if setting.wires is None else BEYOND_UCUR_PER_KWH
        who = world.order_agent, world.order_bus
        bids = bid(plan, setting, *who, step_h, lottery_of(state), beyond, world.customers)
        clearing = clear(self.mechanism, bids.orders, setting, world.customers) if self.clears_ahead else None

        fill_kw = from_micro(flexible_fill_ukwh(bids, clearing)) / step_h
        wanted = self.wiring.unsold(self.fleet.meters(fill_kw, plans, state, now), bids, clearing)
        rationed = None if outage is None else self._ration(wanted, outage, plans, state, now)
        live, q_kvar = self.wiring.respond(wanted if rationed is None else rationed.meters, episode)
        live = self.fleet.narrow(live)
        flow = self.wiring.carry(live, q_kvar)
        flow = flow if rationed is None else self.wiring.switched(flow, rationed.is_dark)
        allowed = self.wiring.allow(live, flow, outage)
        devices, flows = self.fleet.move(allowed, plans, state, now)

        withheld = self.wiring.withheld(wanted, allowed, outage)
        flowed = None
        if clearing is None or rationed is not None:
            flowed = metered(flows.firm_ukwh, flows.flexible_ukwh, setting, *who, world.customers)
        if clearing is None:  # the rule prices what was metered: no schedule, so nothing to make good
            assert flowed is not None
            bids, clearing = flowed, clear(self.mechanism, flowed.orders, setting, world.customers)
        if rationed is not None:
            assert flowed is not None
            bids, clearing = among_members(bids, flowed, clearing, setting, rationed, self.scenario.outage)
        delivery = Delivery(flows.firm_ukwh + flows.flexible_ukwh, *withheld, to_micro(flow.loss_kw * step_h))
        answer, standing = None, state.standing
        if self.answers is not None:
            answer, standing = self.answers.answer(state, plans, fill_kw, allowed, clearing, delivery, devices, now)
            delivery = without_called(delivery, answer)
        services = None if answer is None else answer.services
        terms = terms_of(world, episode, state.t)
        by_month, months = month_postings(world, state, clearing, delivery)
        bill = settle(bids.orders, clearing, setting, delivery, rates, terms, services, by_month)

        t = state.t + 1
        ends = t >= self.n_steps
        seen = look_at(world, self.fleet, self.answers, devices, episode, t, standing)
        left_cur = stored_value_cur(seen.view, episode) * ends[:, None]
        shed_kwh, shed_cur = lost_load(rationed, self.scenario.outage, step_h, flows.wear_cur)
        market = Market(
            orders=bids.orders,
            setting=setting,
            clearing=clearing,
            netted_ukwh=-bids.flexible_sign * bids.netted_ukwh,
            rates=rates,
        )
        money = Money(bill=bill, stored_value_cur=left_cur, shed_cur=shed_cur, answer=answer)
        before_cur = potential_cur(state.view, state.mean_price_cur_per_kwh, episode, state.t)
        rise_cur = potential_cur(seen.view, seen.mean_price_cur_per_kwh, episode, t) * ~ends[:, None] - before_cur
        known_cur = baseline_cur(world, episode, now, rates, terms)
        rewards, parts = reward(money, flows, known_cur, rise_cur, terms, self.scenario.reward)
        happened = Transition(
            t=state.t,
            truncated=ends,
            view=state.view,
            plan=plan,
            market=market,
            wires=flow,
            delivery=delivery,
            devices=flows,
            money=money,
            shed_kwh=shed_kwh,
            carbon_kg_per_kwh=world.carbon_kg_per_kwh[now.step],
            reward=rewards,
            reward_parts=parts,
        )
        if self._own_reward is not None:
            happened = replace(happened, reward=own_reward(self._own_reward, happened, self.agents))
        return next_state(state, seen, devices, standing, happened, n_clipped, step_h, months), happened

    def _ration(self, wanted: Meters, outage: Outage, plans: tuple[Plan, ...], state: State, now: Now) -> Rationed:
        def share_devices(kw: Array) -> Array:
            return self.fleet.meters(kw, plans, state, now).device_kw

        def losses(meters: Meters) -> Array:
            return self._to_array(self.wiring.carry(self.fleet.narrow(meters)).loss_kw)

        return ration(wanted, outage, state.view, self.world, share_devices, losses)

    def called(self, state: State) -> Called | None:
        """Give what the operator's calls ask of the VPPs; none where there are no calls, or no VPP answers them."""
        return now_of(self.world, self.answers, state.devices, state.episode, state.t, state.standing).call

    def features(self, state: State) -> list[tuple[slice, int, Array]]:
        """Give what kinds observe of their own: whose, which of ``own_columns``, and values [n_envs, n_kind]."""
        now = now_of(self.world, self.answers, state.devices, state.episode, state.t, state.standing)
        return self.fleet.features(state, now)

    def stored_value_cur(self, state: State) -> Array:
        """Worth of what stationary storage holds, as if the episode ended now, [n_envs, n_agents]."""
        return stored_value_cur(state.view, state.episode)

    def _narrow(self, value: Any) -> Any:
        return value if self._arguments[2] == "float64" else mapped(value, self._to_array)


def _rebuild(scenario: Scenario, n_envs: int, backend: str, device: str, dtype: str) -> Core:
    return Core(scenario, n_envs, backend=backend, device=device, dtype=dtype)
