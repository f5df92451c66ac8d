"""Calls of the grid operator in play: VPPs offer, hold ready, deliver, and are paid once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gridbazaar.agents.devices.batteries import storage_of
from gridbazaar.agents.devices.reserve import envelope_kw
from gridbazaar.agents.plan import HELD, OFFERING, RUNNING
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.now import now_of
from gridbazaar.envs.observe import feature_columns, observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import State
from gridbazaar.market.settlement.position import Delivery
from gridbazaar.market.settlement.settle import SYSTEM_PARTIES
from tests.envs.interval.calling import (
    CAPACITY,
    PRICE,
    ROUNDING,
    core_of,
    episode,
    line,
    of_vpps,
    random_play,
    rest,
    rest_of,
)
from tests.envs.playing import differences
from tests.reference import cost_ucur, costs_ucur

SPLITS = st.sampled_from(["proportional", "merit", "weights"])


@given(SPLITS, st.sampled_from([5, 15, 60]), st.sampled_from([1, 3]), st.integers(0, 10**6))
@example("weights", 5, 3, 516365)  # an award of some micro-kWh, less than rounding takes
@settings(max_examples=8, deadline=None)
def test_whatever_policies_do_an_award_is_delivered_and_paid_once(
    split: str, step_min: int, per_day: int, seed: int
) -> None:
    core = core_of(
        2, step_min=step_min, vpp={"split": split}, prosumer={"count": 4}, ev={"count": 1}, constraint="none",
        call={"per_day": per_day, "start_h": [13.0, 15.0], "duration_h": [0.5, 2.0], "notice_min": [5, 90],
              "least_kw": 0.0, "need_kw": [2.0, 40.0]}, hours=6.0,
    )  # fmt: skip
    n = core.n_agents
    for before, happened in random_play(core, seed):
        answer, bill = happened.money.answer, happened.money.bill.ucur
        assert answer is not None
        assert before.standing is not None
        assert (bill.sum(axis=2) == 0).all()
        assert (answer.called_ukwh - answer.delivered_ukwh <= ROUNDING).all(), "room was kept for the award"
        assert (answer.shortfall_ukwh <= ROUNDING).all()
        slashed = line(happened, "penalty")[:, n + SYSTEM_PARTIES.index("flexibility_buyer")]
        assert (np.abs(slashed) <= ROUNDING).all()
        filled = happened.market.clearing.filled_ukwh.reshape(2, 2, n).sum(1)
        residual = of_vpps(
            core, happened.delivery.metered_ukwh - filled - happened.delivery.curtailed_ukwh + answer.delivered_ukwh
        )
        assert (abs(residual) <= ROUNDING).all(), "what was delivered is no imbalance"
        pay = costs_ucur(of_vpps(core, answer.delivered_ukwh) * before.standing.price_ucur_per_kwh)
        ready = costs_ucur(of_vpps(core, answer.award_ukwh) * 10_000)
        taken = of_vpps(core, answer.taken_ucur)
        assert (of_vpps(core, line(happened, "flexibility")) == taken - pay - ready).all()
        assert (taken <= ROUNDING).all()
        root_ukwh = happened.delivery.metered_ukwh.sum(1) + np.rint(
            happened.wires.loss_kw * core.scenario.step_h * MICRO
        )
        wholesale = bill[:, :, n + SYSTEM_PARTIES.index("wholesale")].sum(1)
        np.testing.assert_allclose(wholesale, -root_ukwh * happened.market.rates.spot / MICRO, atol=4)
        shared = answer.services.shared_ucur
        assert (shared.sum(axis=1) == 0).all()
        assert (of_vpps(core, shared) <= pay * 0.8).all()
        assert (of_vpps(core, shared) >= pay * 0.8 - 1)[of_vpps(core, answer.delivered_ukwh) > ROUNDING].all()


@given(st.integers(0, 10**6))
@settings(max_examples=6, deadline=None)
def test_order_and_award_stay_inside_the_envelope(seed: int) -> None:
    core = core_of(2, hours=9.0, step_min=30)
    k = list(core.scenario.agents).index("vpp")
    for before, _ in random_play(core, seed):
        call = core.called(before)
        assert call is not None
        params, device = before.episode.params[k], before.devices[k]
        can = envelope_kw(device.energy_kwh, storage_of(params), call.starts_h, call.lasts_h)
        held = np.isin(call.status, [HELD, RUNNING])
        assert (call.award_kw <= can + 1e-6)[held].all()
        power = before.views[k].power_kw
        runs = (call.status == RUNNING)[:, None]
        assert (-before.views[k].low_kw + call.award_kw * runs <= power + 1e-9).all()


def test_every_stake_that_is_not_lost_comes_back() -> None:
    core = core_of(16)
    lines = sum(line(happened, "penalty") for _, happened in random_play(core, 3))
    assert (np.asarray(lines) == 0).all()
    deposits = [abs(line(happened, "penalty")).max() for _, happened in random_play(core, 3)]
    assert max(deposits) > 0


def opting_out(core: Core, share: float) -> Any:
    def act(state: State) -> np.ndarray:
        call = core.called(state)
        assert call is not None
        action = rest(core)
        action[call.status == RUNNING, :, CAPACITY] = -share
        return action

    return act


def test_who_opts_out_of_a_third_pays_for_what_is_missing_beyond_a_tenth() -> None:
    """0.67 delivered of 1: 0.90 - 0.67 is short; 0.60 a kWh paid at most, so 0.90 for each missing one."""
    core = core_of(3)
    buyer = core.n_agents + SYSTEM_PARTIES.index("flexibility_buyer")
    n_called = 0
    for _, happened in episode(core, opting_out(core, 0.33)):
        answer = happened.money.answer
        assert answer is not None
        called, came = (of_vpps(core, x) for x in (answer.called_ukwh, answer.delivered_ukwh))
        np.testing.assert_allclose(came, 0.67 * called, atol=ROUNDING)
        short = of_vpps(core, answer.shortfall_ukwh)
        np.testing.assert_allclose(short, 0.23 * called, atol=ROUNDING)
        slashed = costs_ucur(short * 900_000).sum(1)
        assert (-line(happened, "penalty")[:, buyer] == slashed).all()
        assert (abs(of_vpps(core, line(happened, "imbalance"))) <= 40).all(), "non-delivery is no imbalance"
        n_called += int((called > 0).sum())
    assert n_called > 10


def test_after_three_calls_not_kept_half_the_envelope_may_be_offered() -> None:
    core = core_of(
        call={"per_day": 4, "start_h": [13.0, 20.0], "duration_h": 0.5, "notice_min": 15, "need_kw": 100.0,
              "least_kw": 0.0},
    )  # fmt: skip
    shares, k = [], list(core.scenario.agents).index("vpp")
    for before, happened in episode(core, opting_out(core, 1.0), seed=2):
        call = core.called(before)
        assert call is not None
        assert happened.money.answer is not None
        assert (happened.money.answer.delivered_ukwh <= 1).all()
        if call.status[0] == OFFERING:
            shares.append(call.registered[0].tolist())
            storage = storage_of(before.episode.params[k])
            can_kw = envelope_kw(before.devices[k].energy_kwh, storage, call.starts_h, call.lasts_h)
            offered_kw = of_vpps(core, happened.money.answer.new_award_ukwh) / MICRO / core.scenario.step_h
            np.testing.assert_allclose(offered_kw, shares[-1] * can_kw, rtol=1e-3)
    assert shares == [[1.0, 1.0]] * 3 + [[0.5, 0.5]]


def test_an_offer_below_the_product_is_not_taken_unless_what_stands_outside_makes_up_for_it() -> None:
    for outside_kw, is_taken in ((0.0, False), (99.5, True)):
        core = core_of(call={"least_kw": 100.0, "outside_kw": outside_kw})
        resting = rest(core)
        answers = [h.money.answer for _, h in episode(core, lambda _s, action=resting: action)]
        awards = [answer.award_ukwh.sum() for answer in answers if answer is not None]
        assert (max(awards) > 0) == is_taken


def test_the_cheaper_offer_is_taken_first_and_paid_as_bid() -> None:
    core = core_of(call={"need_kw": 1.0, "least_kw": 0.0, "level": 1.0})
    action = rest(core)
    action[:, core.scenario.kind_slices["vpp"], PRICE] = [0.5, -0.5]  # 0.45 and 0.15
    awarded = [
        h
        for _, h in episode(core, lambda _s: action)
        if h.money.answer is not None and h.money.answer.called_ukwh.any()
    ]
    answer = awarded[0].money.answer
    assert answer is not None
    assert of_vpps(core, answer.award_ukwh).tolist() == [[0, 250_000]]
    assert of_vpps(core, line(awarded[0], "flexibility"))[0, 1] == -(answer.delivered_ukwh.sum() * 15 // 100 + 2500)


def test_what_the_wires_withhold_is_neither_paid_nor_penalised_nor_curtailment_of_the_market() -> None:
    core = core_of()
    before, happened = next(
        (b, h) for b, h in episode(core, lambda _s: rest(core)) if h.money.answer and h.money.answer.called_ukwh.any()
    )
    assert core.answers is not None
    answer = happened.money.answer
    assert answer is not None
    cut = answer.called_ukwh // 2
    now = now_of(core.world, core.answers, before.devices, before.episode, before.t, before.standing)
    state = before
    plans = core.fleet.plans(rest(core), state.views)
    fill = np.zeros((1, core.n_agents))
    allowed = core.fleet.meters(fill, plans, state, now)
    delivery = Delivery(happened.delivery.metered_ukwh + cut, cut, 0 * cut, 0 * cut[:, 0])
    found, _ = core.answers.answer(state, plans, fill, allowed, happened.market.clearing, delivery, state.devices, now)
    assert (found.withheld_ukwh == cut).all()
    assert (found.called_ukwh == answer.called_ukwh - cut).all()
    assert (found.called_ukwh - found.delivered_ukwh <= ROUNDING).all()
    assert (found.shortfall_ukwh == 0).all()


@pytest.mark.parametrize("split", ["proportional", "merit", "weights"])
def test_a_row_of_a_batch_is_the_same_episode_alone(split: str) -> None:
    many, one = (core_of(n, vpp={"split": split}, hours=10.0, call={"least_kw": 0.0}) for n in (3, 1))
    rng = np.random.default_rng(5)
    actions = rng.uniform(-1, 1, (many.n_steps, 3, many.n_agents, many.n_actions))
    actions[..., CAPACITY] = abs(actions[..., CAPACITY])
    together, alone = many.reset(4), one.reset(6)
    n_awards = 0
    for action in actions:
        together, _ = many.step(together, action)
        alone, happened = one.step(alone, action[2:])
        assert happened.money.answer is not None
        n_awards += int(happened.money.answer.award_ukwh.sum() > 0)
        assert together.standing is not None
        assert alone.standing is not None
        for name in ("award_ukwh", "stake_ucur", "delivered_ukwh", "n_under"):
            assert (getattr(together.standing, name)[2] == getattr(alone.standing, name)[0]).all()
    assert n_awards > 0
    assert differences(together.view.stored_kwh[2].tolist(), alone.view.stored_kwh[0].tolist()) == []


@pytest.mark.slow
def test_torch_plays_the_same_calls() -> None:
    torch = pytest.importorskip("torch")
    scenario = load_scenario("vpp_call", hours=10.0, call={"least_kw": 0.0})
    ours, theirs = Core(scenario, 2), Core(scenario, 2, backend="torch")
    rng = np.random.default_rng(8)
    a, b = ours.reset(0), theirs.reset(0)
    for _ in range(ours.n_steps):
        action = rng.uniform(-1, 1, (2, ours.n_agents, ours.n_actions))
        action[..., CAPACITY] = abs(action[..., CAPACITY])
        a, left = ours.step(a, action)
        b, right = theirs.step(b, torch.as_tensor(action))
        assert left.money.answer is not None
        assert right.money.answer is not None
        for name in ("award_ukwh", "called_ukwh", "delivered_ukwh"):
            gap = abs(getattr(left.money.answer, name) - getattr(right.money.answer, name).numpy())
            assert gap.max() <= 2, name
        assert int(right.money.bill.ucur.sum(2).abs().max()) == 0


def test_only_a_scenario_with_calls_has_columns_and_actions_for_them() -> None:
    village, called = Core("village", 1), core_of()
    names = [c.name for c in feature_columns(called.scenario)]
    assert {"call_status", "call_starts", "call_lasts", "call_level", "call_award"} <= set(names)
    assert not [c.name for c in feature_columns(village.scenario) if c.name.startswith("call")]
    assert (village.n_actions, called.n_actions) == (2, 4)
    assert village.answers is None
    assert village.reset(0).episode.calls is None
    statuses = set()
    for before, _ in episode(called, lambda _s: rest(called)):
        seen = observe(called, before)
        columns = called.scenario.kind_slices["vpp"]
        status = seen.features[0, columns, names.index("call_status")]
        assert seen.call is not None
        assert (status == seen.call.status[0] / 4).all()
        assert (np.delete(seen.features[0, :, names.index("call_status")], np.r_[columns]) == 0).all()
        statuses.add(int(seen.call.status[0]))
    assert statuses == {0, 1, 2, 3, 4}


def test_a_device_that_breaks_after_the_award_is_non_delivery_and_the_reserve_stays() -> None:
    core = core_of(
        6, vpp={"failure": {"mtbf_h": 6.0, "mttr_h": 500.0}, "reserve_frac": 0.2, "start_frac": 0.6, "ageing": {
            "health": 0.8}}, call={"least_kw": 0.0, "need_kw": 100.0, "start_h": 17.0},
    )  # fmt: skip
    k, n, n_short = list(core.scenario.agents).index("vpp"), core.n_agents, 0
    assert core.action_columns["vpp"][2].name == "capacity"
    for before, happened in episode(core, lambda _s: rest(core)):
        answer, params, device = happened.money.answer, before.episode.params[k], before.devices[k]
        assert answer is not None
        assert (happened.money.bill.ucur.sum(axis=2) == 0).all()
        assert (device.energy_kwh >= 0.2 * 0.8 * params.capacity_kwh * 0.99).all()
        filled = happened.market.clearing.filled_ukwh.reshape(-1, 2, n).sum(1)
        residual = of_vpps(
            core, happened.delivery.metered_ukwh - filled - happened.delivery.curtailed_ukwh + answer.delivered_ukwh
        )
        assert (abs(residual) <= ROUNDING).all()
        n_short += int((answer.shortfall_ukwh > 0).sum())
        assert ((answer.services.slashed_ucur > 0) <= (answer.shortfall_ukwh > 0)).all()
    assert n_short > 0
    with pytest.raises(ValueError, match=r"vpp\.answers_calls: expected no converter"):
        load_scenario("vpp_call", vpp={"release_taper_frac": 0.1})


def test_calls_go_with_prices_per_bus() -> None:
    core = core_of(2, constraint="nodal", mechanism="nodal", hours=10.0, call={"least_kw": 0.0})
    n_called = 0
    for _, happened in random_play(core, 1):
        assert happened.money.answer is not None
        assert (happened.money.bill.ucur.sum(axis=2) == 0).all()
        assert (happened.money.answer.called_ukwh - happened.money.answer.delivered_ukwh <= ROUNDING).all()
        n_called += int((happened.money.answer.called_ukwh > 0).sum())
    assert n_called > 0


def test_enrolled_homes_are_paid_for_what_they_draw_less_than_their_ten_days() -> None:
    """The baseline once more from the bank, by hand; who feeds in draws nothing, and nobody pays."""
    core = core_of(6, call={"response_share": 0.5, "response_cur_per_kwh": 0.25}, vpp={"answers_calls": False})
    homes, bank = core.scenario.kind_slices["prosumer"], core.world.bank
    kinds_of_day = bank.weekday()[:: bank.steps_per_day] >= 5
    n_paid, rows = 0, set()
    for before, happened in episode(core, lambda _s: rest_of(core)):
        assert happened.money.answer is not None
        response, params, t = happened.money.answer.response, before.episode.params[0], int(before.t[0])
        assert response is not None
        assert (happened.money.bill.ucur.sum(axis=2) == 0).all()
        assert (line(happened, "flexibility")[:, : core.n_agents] == -response.pay_ucur).all()
        assert (response.baseline_ukwh[:, homes.stop :] == -1).all()
        for env, home in np.argwhere(response.baseline_ukwh >= 0).tolist():
            day = int(before.episode.start[env]) // bank.steps_per_day
            days = [d for d in range(day) if kinds_of_day[d] == kinds_of_day[day]][-10:]
            steps = [d * bank.steps_per_day + 48 + t for d in days]
            load = bank.load_kw[params.home[env, home], steps] * params.load_scale[env, home]
            sun = bank.pv_kw_per_kwp[params.roof[env, home], steps] * params.pv_kwp[env, home]
            usual = max(float((load - sun).mean()), 0.0) * core.scenario.step_h * MICRO
            assert response.baseline_ukwh[env, home] == pytest.approx(usual, abs=1)
            less = max(
                int(response.baseline_ukwh[env, home]) - max(int(happened.delivery.metered_ukwh[env, home]), 0), 0
            )
            assert response.pay_ucur[env, home] == cost_ucur(int(less) * 250_000)
            n_paid += less > 0
            rows.add((env, home))
    assert n_paid > 20
    assert 0.2 < len(rows) / (6 * 12) < 0.8


def test_calls_need_a_schedule_and_a_grid() -> None:
    with pytest.raises(ValueError, match="call: expected a mechanism that clears before delivery and no outages"):
        load_scenario("vpp_call", mechanism="mid_market_rate")
    with pytest.raises(ValueError, match="with outages"):
        load_scenario("vpp_call", outage={"chance": 0.5})
    for table, fault in (
        ({"chance": 1.5}, r"call\.chance"), ({"per_day": 0}, r"call\.per_day"), ({"level": [0.5, 1.5]}, r"call\.level"),
        ({"need_kw": [5, 1]}, r"call\.need_kw"), ({"tolerance": 2.0}, "tolerance"),
        ({"member_share": -1.0}, "member_share"),
        ({"response_share": 1.5}, r"call\.response_share"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=fault):
            load_scenario("vpp_call", call=table)


def test_a_battery_has_one_controller() -> None:
    with pytest.raises(ValueError, match=r"expected one controller a battery, got that of home 1 in vpp_0 and vpp_1"):
        load_scenario("vpp_call", vpp={"devices": 2, "homes": "0 1; 1 2"})
    with pytest.raises(ValueError, match=r"2 lists of 2 numbers of homes"):
        load_scenario("vpp_call", vpp={"devices": 2, "homes": "0 1; 2"})
    with pytest.raises(ValueError, match=r"numbers of the 12 homes, from 0; got 12"):
        core_of(vpp={"devices": 2, "homes": "0 1; 2 12"})
    core = core_of(vpp={"devices": 2, "homes": "7 1; 2 0"})
    assert np.asarray(core.world.owner).tolist() == [7, 1, 2, 0]


def test_the_members_share_goes_to_the_owners_of_what_delivered() -> None:
    core = core_of(vpp={"devices": 2, "homes": "7 1; 2 0"})
    for _, happened in episode(core, lambda _s: rest(core)):
        assert happened.money.answer is not None
        got = np.flatnonzero(happened.money.answer.services.shared_ucur[0] < 0).tolist()
        assert set(got) <= {7, 1, 2, 0}
        if happened.money.answer.delivered_ukwh.any():
            assert got
