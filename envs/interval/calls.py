"""Calls of the grid operator: when offers close, who is awarded, what is delivered, and what it is worth.

Known from ``ahead_h`` before its start, a call takes offers with the interval ``gate``: each VPP offers a share of what
its devices, as they stand after that interval, can sustain over the call. The tender pays as bid. From then on the
award is held ready: the market only gets what lies beside it. While the call runs, ``award x level`` is released beside
what the market sold, measured against it by sub-meter, and leaves the position, so that no kWh is paid twice; who holds
an award buys nothing then, and a purchase would count as nothing. What the wires withhold is first what was sold, then
what was called, which is neither paid nor penalised. With the last interval of the call the stake goes back, and from
the VPP what it was paid for holding ready what did not come. Charging back afterwards is ordinary energy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gridbazaar.agents.devices.reserve import envelope_kw
from gridbazaar.agents.kind import Meters, Now
from gridbazaar.agents.plan import ANNOUNCED, RUNNING, Called, Plan
from gridbazaar.data.arrays import Array, host, namespace
from gridbazaar.data.units import MICRO, energy_cost_ucur, from_micro, to_micro, to_micro_towards_zero
from gridbazaar.envs.episode.world import World
from gridbazaar.envs.interval.demand_response import respond
from gridbazaar.envs.state import Answer, Calls, Standing, State
from gridbazaar.market.flexibility.activation import (
    activate,
    delivered_ukwh,
    is_under_delivered,
    penalty_ucur_per_kwh,
    registered_share,
    share_revenue,
    stake_for,
    taken_back_ucur,
)
from gridbazaar.market.flexibility.offers import Call, Offers
from gridbazaar.market.flexibility.tenders.flexibility_tender import flexibility_tender
from gridbazaar.market.orders import Clearing
from gridbazaar.market.settlement.position import Delivery
from gridbazaar.market.settlement.settle import Services


class Answers:
    """How the VPPs of a world answer calls.

    Args:
        world: the world; a scenario without VPPs, or whose VPPs do not answer, has calls all the same.
        to_array: turns NumPy arrays into those of the core's library.
    """

    def __init__(self, world: World, to_array: Any = np.asarray) -> None:
        self.world, self.config, self._to_array = world, world.scenario.call, to_array
        answering = [
            i for i, (k, c) in enumerate(zip(world.kinds, world.configs, strict=True))
            if k.aggregator is not None and k.aggregator.answers(c)
        ]  # fmt: skip
        self._at = answering[0] if answering else None
        config = self.config
        self._price_ucur, self._ready_ucur, self._response_ucur = (
            round(x * MICRO)
            for x in (config.price_cur_per_kwh, config.availability_cur_per_kwh, config.response_cur_per_kwh)
        )
        self._missing_ucur = penalty_ucur_per_kwh(self._price_ucur, config.terms)
        least_kw = max(self.config.least_kw - self.config.outside_kw, 0.0)
        self._least_ukwh = round(least_kw * world.scenario.step_h * MICRO)
        if self._at is not None:
            aggregator = world.kinds[self._at].aggregator
            assert aggregator is not None
            self._aggregator = aggregator
            self.columns, meters = world.slices[self._at], world.meter_slices[self._at]
            n_meters = [m.stop - m.start for m in world.meter_slices]
            rented = np.flatnonzero(np.repeat([kind.connections == 0 for kind in world.kinds], n_meters))
            owner = np.asarray(host(world.owner))[np.searchsorted(rented, np.arange(meters.start, meters.stop))]
            self._owned = to_array(1.0 * (owner[:, None] == np.arange(world.n_agents)))

    @property
    def n_vpps(self) -> int:
        """VPPs that answer."""
        return 0 if self._at is None else self.columns.stop - self.columns.start

    def begin(self, calls: Calls) -> Standing:
        """Give the standing of every VPP before an episode."""
        xp = namespace(calls.gate)
        zero = xp.zeros((calls.gate.shape[0], self.n_vpps), calls.gate)
        return Standing(zero, zero, zero, zero, zero, zero, zero)

    def called(self, calls: Calls, standing: Standing, t: Array) -> Called:
        """Say what the call that runs or comes next asks, before interval ``t`` [n_envs]."""
        xp, step_h = namespace(t), self.world.scenario.step_h
        rows = xp.arange(t.shape[0], t)
        at = calls.at[rows, t]
        gate, begin, end, known = (x[rows, at] for x in (calls.gate, calls.begin, calls.end, calls.known))
        is_known = xp.astype((t >= known) & (begin < end), xp.int64)
        status = ANNOUNCED + xp.astype(t >= gate, xp.int64) + xp.astype(t > gate, xp.int64)
        status = is_known * xp.where(t >= begin, RUNNING, status)
        found = (
            self._hours(is_known * xp.maximum(begin - t, 0)),
            self._hours(is_known * (end - xp.maximum(begin, t))),
            from_micro(calls.level_ppm[rows, t]),
            from_micro(standing.award_ukwh) / step_h,
            registered_share(standing.n_under, self.config.terms),
        )
        return Called(status, *(self._to_array(x) for x in found))

    def answer(
        self, state: State, plans: tuple[Plan, ...], fill_kw: Array, allowed: Meters, clearing: Clearing,
        delivery: Delivery, devices: tuple[Any, ...], now: Now,
    ) -> tuple[Answer, Standing]:  # fmt: skip
        """Measure and pay what was delivered, and take offers where they close with this interval.

        Args:
            state: before the interval.
            plans: of all kinds.
            fill_kw: [n_envs, n_agents] what the market filled.
            allowed: what the wires let through at the meters.
            clearing: the market's schedule.
            delivery: what the meters say and the wires withheld.
            devices: after the interval, of all kinds.
            now: the interval.
        """
        calls, standing = state.episode.calls, state.standing
        metered_ukwh, curtailed_ukwh = delivery.metered_ukwh, delivery.curtailed_ukwh
        assert calls is not None
        assert standing is not None
        if now.call is None:  # nobody offers
            no = 0 * metered_ukwh
            found = Answer(
                called_ukwh=no,
                delivered_ukwh=no,
                withheld_ukwh=no,
                shortfall_ukwh=no,
                award_ukwh=no,
                price_ucur_per_kwh=no,
                pay_ucur=no,
                ready_ucur=no,
                taken_ucur=no,
                returned_ucur=no,
                new_award_ukwh=no,
                new_price_ucur_per_kwh=no,
                new_begin=no,
                new_end=no,
                services=Services(no, no, no, no),
            )
        else:
            found, standing = self._of_vpps(
                state, calls, standing, plans, fill_kw, allowed, clearing, metered_ukwh, curtailed_ukwh, devices, now
            )
        if calls.baseline_ukwh is None:
            return found, standing
        baseline = calls.baseline_ukwh[namespace(state.t).arange(metered_ukwh.shape[0], state.t), state.t]
        response = respond(baseline, metered_ukwh, self._response_ucur)
        services = replace(found.services, earned_ucur=found.services.earned_ucur - response.pay_ucur)
        return replace(found, services=services, response=response), standing

    def _of_vpps(
        self, state: State, calls: Calls, before: Standing, plans: tuple[Plan, ...], fill_kw: Array, allowed: Meters,
        clearing: Clearing, metered_ukwh: Array, curtailed_ukwh: Array, devices: tuple[Any, ...], now: Now,
    ) -> tuple[Answer, Standing]:  # fmt: skip
        """What VPPs delivered and were paid, and what they are awarded next; arguments as of ``answer``."""
        call = now.call
        assert call is not None
        xp, s, n_agents = namespace(metered_ukwh), self.columns, metered_ukwh.shape[1]
        rows, terms = xp.arange(metered_ukwh.shape[0], state.t), self.config.terms
        running = xp.astype(call.status == RUNNING, xp.int64)[:, None]
        level = calls.level_ppm[rows, state.t][:, None]
        asked = before.award_ukwh * level * running // MICRO
        filled = clearing.filled_ukwh[:, :n_agents][:, s] + clearing.filled_ukwh[:, n_agents:][:, s]
        withheld = xp.clip(curtailed_ukwh[:, s] - xp.maximum(-filled, 0), 0, asked)
        asked = asked - withheld
        schedule = filled + curtailed_ukwh[:, s] - withheld
        delivered = delivered_ukwh(schedule, metered_ukwh[:, s], asked)
        done = activate(asked, delivered, before.price_ucur_per_kwh, self._missing_ucur, before.stake_ucur, terms)
        ready = energy_cost_ucur(before.award_ukwh, self._ready_ucur)
        members = self._members_ucur(done.pay_ucur, state, fill_kw, allowed, now)

        called_sum, delivered_sum = before.called_ukwh + asked, before.delivered_ukwh + delivered
        ready_sum = before.ready_ucur + ready
        at = calls.at[rows, state.t]
        is_over = xp.astype(state.t + 1 == calls.end[rows, at], xp.int64)[:, None] * running
        under = xp.astype(is_under_delivered(called_sum, delivered_sum, terms), xp.int64)
        left = before.stake_ucur - done.slashed_ucur
        taken = taken_back_ucur(ready_sum, called_sum, delivered_sum) * is_over
        kept = 1 - is_over
        standing = Standing(
            award_ukwh=before.award_ukwh * kept,
            price_ucur_per_kwh=before.price_ucur_per_kwh * kept,
            stake_ucur=left * kept,
            ready_ucur=ready_sum * kept,
            called_ukwh=called_sum * kept,
            delivered_ukwh=delivered_sum * kept,
            n_under=before.n_under + under * is_over,
        )
        standing = self._tender(calls, standing, state, plans, devices, at, now)
        new_award = standing.award_ukwh - before.award_ukwh * kept
        is_new = xp.astype(new_award > 0, xp.int64)
        services = Services(
            earned_ucur=self._spread(taken - done.pay_ucur - ready, metered_ukwh),
            staked_ucur=self._spread(standing.stake_ucur - left, metered_ukwh),
            slashed_ucur=self._spread(done.slashed_ucur, metered_ukwh),
            shared_ucur=members,
        )
        return Answer(
            called_ukwh=self._spread(asked, metered_ukwh),
            delivered_ukwh=self._spread(delivered, metered_ukwh),
            withheld_ukwh=self._spread(withheld, metered_ukwh),
            shortfall_ukwh=self._spread(done.shortfall_ukwh, metered_ukwh),
            award_ukwh=self._spread(before.award_ukwh, metered_ukwh),
            price_ucur_per_kwh=self._spread(before.price_ucur_per_kwh, metered_ukwh),
            pay_ucur=self._spread(done.pay_ucur, metered_ukwh),
            ready_ucur=self._spread(ready, metered_ukwh),
            taken_ucur=self._spread(taken, metered_ukwh),
            returned_ucur=self._spread(left * is_over, metered_ukwh),
            new_award_ukwh=self._spread(new_award, metered_ukwh),
            new_price_ucur_per_kwh=self._spread(standing.price_ucur_per_kwh, metered_ukwh),
            new_begin=self._spread(is_new * (calls.begin[rows, at] - state.t)[:, None], metered_ukwh),
            new_end=self._spread(is_new * (calls.end[rows, at] - 1 - state.t)[:, None], metered_ukwh),
            services=services,
        ), standing

    def _members_ucur(self, pay: Array, state: State, fill_kw: Array, allowed: Meters, now: Now) -> Array:
        """[n_envs, n_agents] what members get (< 0) of a VPP's pay, by what each device delivered, and it gives."""
        assert self._at is not None
        xp, step_h, at = namespace(pay), self.world.scenario.step_h, self._at
        view, device, params = state.views[at], state.devices[at], state.episode.params[at]
        scheduled_kw = self._aggregator.scheduled_kw(fill_kw[:, self.columns], view, device, params, now)
        device_kw = allowed.device_kw[:, self.world.meter_slices[at]].reshape(scheduled_kw.shape)
        delivered = to_micro(xp.maximum(scheduled_kw - device_kw, 0.0) * step_h)
        n_devices = delivered.shape[2]
        shares = share_revenue(pay.reshape(-1), delivered.reshape(-1, n_devices), self.config.member_share)
        shares = shares.reshape(delivered.shape)
        # Owners are found by a product, in floats that hold such integers exactly.
        flat = xp.astype(shares.reshape(pay.shape[0], -1), xp.float64)
        received = xp.astype(xp.rint(xp.matmul(flat, xp.astype(self._owned, xp.float64))), xp.int64)
        return self._spread(xp.sum(shares, axis=2), received) - received

    def _tender(
        self, calls: Calls, standing: Standing, state: State, plans: tuple[Plan, ...], devices: tuple[Any, ...],
        at: Array, now: Now,
    ) -> Standing:  # fmt: skip
        """Close the offers of this interval; an offer is a share of the envelope, so none goes beyond."""
        assert self._at is not None
        xp, step_h = namespace(at), self.world.scenario.step_h
        rows, params, action = xp.arange(at.shape[0], at), state.episode.params[self._at], plans[self._at].executed
        vpps = self._aggregator
        begin, end = calls.begin[rows, at], calls.end[rows, at]
        closes = xp.astype((calls.gate[rows, at] == state.t) & (begin < end), xp.int64)
        hours, wait_h = self._hours(xp.maximum(end - begin, 1)), self._hours(xp.maximum(begin - state.t - 1, 0))
        after = devices[self._at]
        can_kw = envelope_kw(after.energy_kwh, vpps.working(after, params, now), wait_h, hours)
        can_kw = can_kw * registered_share(standing.n_under, self.config.terms)
        offered = (
            to_micro_towards_zero(xp.maximum(action[..., vpps.capacity_column], 0.0) * can_kw * step_h)
            * closes[:, None]
        )
        price = to_micro(0.5 * (1.0 + action[..., vpps.price_column]) * (self._price_ucur / MICRO))
        like = 0 * at
        need = calls.need_ukwh[rows, at] * closes
        award = flexibility_tender(
            Call(need[:, None], like + self._price_ucur, smallest_ukwh=like + self._least_ukwh),
            Offers(-offered, price, -(0 * offered)[:, None, :] + MICRO, xp.arange(offered.shape[1], at)),
        )
        taken = xp.abs(award.accepted_ukwh)
        stake = stake_for(taken, (end - begin)[:, None], self._missing_ucur)
        return replace(
            standing,
            award_ukwh=standing.award_ukwh + taken,
            price_ucur_per_kwh=standing.price_ucur_per_kwh + price * (taken > 0),
            stake_ucur=standing.stake_ucur + stake,
        )

    def _hours(self, steps: Array) -> Array:
        """Hours of whole steps, in floats of full width."""
        xp = namespace(steps)
        return self._to_array(xp.astype(steps, xp.float64) * self.world.scenario.step_h)

    def _spread(self, figures: Array, like: Array) -> Array:
        """[n_envs, n_agents] figures of the VPPs in their columns, 0 elsewhere."""
        whole = namespace(like).zeros_like(like)
        whole[:, self.columns] = figures
        return whole


def without_called(delivery: Delivery, answer: Answer) -> Delivery:
    """Take what was called out of position and curtailment, so that no kWh is paid twice."""
    curtailed_ukwh = delivery.curtailed_ukwh - answer.withheld_ukwh
    return replace(delivery, curtailed_ukwh=curtailed_ukwh, activated_ukwh=answer.delivered_ukwh)
