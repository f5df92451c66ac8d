"""The core: what holds in every interval of every episode, whatever the actions."""

from dataclasses import fields
from operator import attrgetter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import feature_columns, observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import State, Transition
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES
from tests.reference import cost_ucur

STORES = ("prosumer", "battery", "ev", "vpp")


def street(**overrides: Any) -> Any:
    return load_scenario("street", **overrides)


def play(core: Core, seed: int, policy_seed: int, n_steps: int | None = None) -> list[tuple[State, Transition, State]]:
    rng = np.random.default_rng(policy_seed)
    state, happened = core.reset(seed), []
    for _ in range(n_steps or core.n_steps):
        before = state
        state, transition = core.step(before, rng.uniform(-1.2, 1.2, (core.n_envs, core.n_agents, 2)))
        happened.append((before, transition, state))
    return happened


def arrays(value: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """All arrays of nested dataclasses and tuples, by path."""
    if isinstance(value, np.ndarray):
        return {prefix: value}
    if isinstance(value, tuple):
        parts = [arrays(v, f"{prefix}[{i}]") for i, v in enumerate(value)]
    elif hasattr(value, "__dataclass_fields__"):
        parts = [arrays(getattr(value, f.name), f"{prefix}.{f.name}") for f in fields(value)]
    else:
        parts = []
    return {k: v for part in parts for k, v in part.items()}


worlds = st.fixed_dictionaries(
    {
        "step_min": st.sampled_from([5, 15, 30, 60]),
        "constraint": st.sampled_from(["none", "curtail"]),
        "ev": st.fixed_dictionaries(
            {"charge_kw": st.sampled_from([3.7, 7.4, 11.0]), "discharge_kw": st.sampled_from([0.0, 5.0, 7.4])}
        ),
        "prosumer": st.fixed_dictionaries({"follow_meter": st.booleans(), "eta_ch": st.sampled_from([0.8, 0.95, 1.0])}),
        "connection": st.fixed_dictionaries({"import_over_load": st.sampled_from([[1.0, 2.0], [1e6, 1e6]])}),
        "hours": st.just(6.0),
    }
)


@given(worlds, st.integers(0, 1000), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_energy_and_money_add_up_in_every_interval(world: dict[str, Any], seed: int, policy_seed: int) -> None:
    core = Core(street(**world), 3)
    for before, happened, after in play(core, seed, policy_seed):
        bill = happened.money.bill.ucur
        assert (bill.sum(axis=2) == 0).all()
        step_h = core.scenario.step_h
        metered_kwh = happened.delivery.metered_ukwh.sum(1) / MICRO
        root_kwh = happened.wires.root_kw * step_h
        # Metered energy is rounded to micro-kWh at each meter; the power flow's own tolerance is far below that.
        np.testing.assert_allclose(root_kwh, metered_kwh + happened.wires.loss_kw * step_h, atol=1e-4)
        assert happened.wires.converged.all()
        balance_of_devices(core, before, happened, after)
        balance_of_positions(happened)


def balance_of_devices(core: Core, before: State, happened: Transition, after: State) -> None:
    for kind, columns, params, old, new in zip(
        core.world.kinds, core.world.slices, before.episode.params, before.devices, after.devices, strict=True
    ):
        moved_kwh = (new.energy_kwh - old.energy_kwh).reshape(core.n_envs, columns.stop - columns.start, -1).sum(2)
        drawn_kwh = happened.devices.flexible_ukwh[:, columns] / MICRO
        if kind.firm_is_chosen:
            drawn_kwh = drawn_kwh + happened.devices.firm_ukwh[:, columns] / MICRO
        np.testing.assert_allclose(moved_kwh, drawn_kwh - happened.devices.loss_kwh[:, columns], atol=1e-9)
        storage = kind.program(params, old, core.n_steps, core.scenario.step_h).storage
        assert storage is not None
        assert (new.energy_kwh <= storage.ceiling_kwh + 1e-9).all()
        assert (new.energy_kwh >= np.minimum(storage.floor_kwh, old.energy_kwh * (1 - storage.loss_per_h)) - 1e-9).all()


def balance_of_positions(happened: Transition) -> None:
    """Local trades balance; what the community nets out goes to the retailer; nobody pays beyond a limit."""
    clearing, orders = happened.market.clearing, happened.market.orders
    assert (clearing.traded_ukwh.sum(1) == 0).all()
    assert (clearing.surplus_ucur == clearing.pay_ucur.sum(1)).all()
    filled = clearing.filled_ukwh
    assert (filled * np.sign(orders.energy_ukwh) >= 0).all()
    assert (np.abs(filled) <= np.abs(orders.energy_ukwh)).all()
    limit_pay = clearing.traded_ukwh * orders.limit_ucur_per_kwh / MICRO
    assert (clearing.pay_ucur <= limit_pay + 2).all()


def test_every_agent_pays_what_its_meter_says() -> None:
    """One interval of the street, billed again in plain Python."""
    core, seen = Core(street(constraint="none"), 1), np.zeros(2, np.int64)
    for _, happened, _ in play(core, 5, 5):
        rates = {f.name: int(getattr(happened.market.rates, f.name)[0]) for f in fields(happened.market.rates)}
        rent = int(happened.market.clearing.rent_ucur_per_kwh[0])
        assert rent == 0
        n = core.n_agents
        for i in range(n):
            traded = sum(int(happened.market.clearing.traded_ukwh[0, c]) for c in (i, n + i))
            outside = sum(int(happened.market.clearing.outside_ukwh[0, c]) for c in (i, n + i))
            net = int(happened.delivery.metered_ukwh[0, i]) - traded
            retail, residual = (outside, net - outside) if core.world.is_brp[i] else (net, 0)
            seen += int(residual != 0), int(retail * outside < 0)
            expected = {
                "retail": cost_ucur(retail * (rates["energy"] if retail > 0 else rates["export"])),
                "network": cost_ucur(max(traded, 0) * rates["local_network"])
                + cost_ucur(max(retail, 0) * rates["network"]),
                "tax": cost_ucur(max(traded, 0) * rates["local_tax"]) + cost_ucur(max(retail, 0) * rates["tax"]),
                "imbalance": cost_ucur(
                    residual
                    * (rates["energy"] + rates["imbalance"] if residual > 0 else rates["export"] - rates["imbalance"])
                )
                + cost_ucur(max(residual, 0) * rates["network"])
                + cost_ucur(max(residual, 0) * rates["tax"]),
                "market": sum(int(happened.market.clearing.pay_ucur[0, c]) for c in (i, n + i)),
            }
            for line, amount in expected.items():
                assert int(happened.money.bill.ucur[0, LINES.index(line), i]) == amount, (line, i)
    assert (seen > 0).all()  # balance-responsible parties deviate, and a home sells where it had scheduled to buy


def test_the_retailer_and_the_operator_buy_what_the_community_uses() -> None:
    core = Core(street(constraint="none"), 2)
    n = core.n_agents
    for _, happened, _ in play(core, 1, 1):
        spot = happened.market.rates.spot
        net = happened.delivery.metered_ukwh.sum(1)
        wholesale = happened.money.bill.ucur[:, :, n + SYSTEM_PARTIES.index("wholesale")]
        loss = np.rint(happened.wires.loss_kw * core.scenario.step_h * MICRO).astype(np.int64)
        for line, worth in (("retail", net * spot), ("losses", loss * spot)):
            assert (-wholesale[:, LINES.index(line)]).tolist() == [cost_ucur(int(x)) for x in worth]


def test_cars_with_a_guarantee_always_leave_with_what_they_need() -> None:
    core = Core("village", 16)
    state = core.reset(0)
    had_cars = 0
    for t in range(core.n_steps):
        action = np.full((16, core.n_agents, 2), -1.0)  # give back all there is, unwilling to buy
        action[:, :, 1] = 1.0 if t % 2 else -1.0
        state, happened = core.step(state, action)
        assert happened.devices.unserved_kwh.max() == 0.0
        had_cars += int((happened.devices.firm_ukwh[:, core.world.firm_is_chosen] > 0).sum())
    assert had_cars > 100


def test_a_row_of_a_batch_is_the_single_run() -> None:
    seeds, scenario = np.array([3, 11, 4]), street()
    batch = Core(scenario, 3)
    actions = np.random.default_rng(0).uniform(-1, 1, (batch.n_steps, 3, batch.n_agents, 2))
    together = batch.reset(seeds)
    alone = [Core(scenario, 1) for _ in seeds]
    states = [c.reset([int(s)]) for c, s in zip(alone, seeds, strict=True)]
    for t in range(batch.n_steps):
        together, happened = batch.step(together, actions[t])
        for e, core in enumerate(alone):
            states[e], single = core.step(states[e], actions[t, e : e + 1])
            for name in ("delivery.metered_ukwh", "devices.flexible_ukwh", "reward"):
                np.testing.assert_array_equal(attrgetter(name)(happened)[e], attrgetter(name)(single)[0], name)
            np.testing.assert_array_equal(happened.market.clearing.pay_ucur[e], single.market.clearing.pay_ucur[0])
            np.testing.assert_array_equal(
                happened.money.bill.ucur[e, :, : core.n_agents], single.money.bill.ucur[0, :, : core.n_agents]
            )
            np.testing.assert_array_equal(observe(batch, together).features[e], observe(core, states[e]).features[0])


def test_two_runs_are_the_same_to_the_last_bit() -> None:
    first, second = (play(Core(street(), 2), 7, 7) for _ in range(2))
    for (_, a, x), (_, b, y) in zip(first, second, strict=True):
        for left, right in ((arrays(a), arrays(b)), (arrays(x), arrays(y))):
            assert left.keys() == right.keys()
            for name in left:
                np.testing.assert_array_equal(left[name], right[name], name)


def test_episodes_differ_by_seed_and_split() -> None:
    core = Core("village", 1)
    seen = {}
    for split in ("train", "validation", "test"):
        for seed in range(5):
            episode = core.reset([seed], split=split).episode
            seen[split, seed] = (int(episode.start[0]), float(episode.import_cap_kw[0]))
    assert len(set(seen.values())) == len(seen)
    days = {s: {v[0] // 96 // 7 for k, v in seen.items() if k[0] == s} for s in ("train", "validation", "test")}
    assert not days["train"] & days["test"]


def test_one_more_agent_changes_nobody_elses_draw() -> None:
    few, more = (Core(street(**{"prosumer.count": n}), 2).reset(3).episode.params[0] for n in (3, 4))
    for name in ("home", "roof", "pv_kwp", "load_scale", "start_frac"):
        np.testing.assert_array_equal(getattr(few, name), getattr(more, name)[:, :3], name)


def test_a_step_changes_nothing_in_place() -> None:
    core = Core(street(), 2)
    state = core.reset(0)
    kept = {k: v.copy() for k, v in arrays(state).items()}
    action = np.full((2, core.n_agents, 2), 0.7)
    core.step(state, action)
    for name, value in arrays(state).items():
        np.testing.assert_array_equal(value, kept[name], name)
    assert (action == 0.7).all()


def test_features_are_finite_and_within_their_bounds() -> None:
    core = Core("village", 4)
    low, high = (
        np.array([getattr(c, end) for c in feature_columns(core.scenario)], np.float32) for end in ("low", "high")
    )
    for before, _, _ in play(core, 0, 0):
        features = observe(core, before).features
        assert np.isfinite(features).all()
        outside = [
            feature_columns(core.scenario)[j].name
            for j in np.flatnonzero(((features < low) | (features > high)).any((0, 1)))
        ]
        assert not outside


def test_rest_is_rest() -> None:
    core = Core(street(**{"ev.count": 0}), 2)
    state = core.reset(0)
    for _ in range(core.n_steps):
        state, happened = core.step(state, np.zeros((2, core.n_agents, 2)))
        assert (happened.devices.flexible_ukwh == 0).all()


def test_a_device_moves_only_what_its_order_filled() -> None:
    core = Core(street(constraint="none"), 4)
    n = core.n_agents
    unfilled = 0
    for _, happened, _ in play(core, 2, 2):
        filled = happened.market.clearing.filled_ukwh[:, n:]
        assert (
            np.abs(filled - happened.market.netted_ukwh - happened.devices.flexible_ukwh).max() <= 3
        )  # shares of a VPP
        unfilled += int((np.abs(filled) < np.abs(happened.market.orders.energy_ukwh[:, n:])).sum())
    assert unfilled > 50


def test_prices_stay_in_the_band_and_rise_when_the_connection_is_full() -> None:
    core = Core(load_scenario("village", **{"connection.import_over_load": [0.8, 1.0]}), 8)
    scarce = past = 0
    for _, happened, _ in play(core, 0, 4):
        setting: Any = happened.market.setting
        price = happened.market.clearing.price_ucur_per_kwh[:, 0]
        assert (price <= setting.import_ucur_per_kwh + setting.import_scarcity_ucur_per_kwh).all()
        assert (price >= setting.export_ucur_per_kwh - setting.export_scarcity_ucur_per_kwh).all()
        rent = happened.market.clearing.rent_ucur_per_kwh
        net = (happened.delivery.metered_ukwh - happened.delivery.curtailed_ukwh).sum(1)
        bought = happened.market.clearing.outside_ukwh.sum(1)
        full = bought >= setting.import_cap_ukwh
        assert (full | (rent <= 0)).all()
        scarce += int((rent > 0).sum())
        congestion = happened.money.bill.ucur[:, LINES.index("congestion")]
        operator = -congestion[:, core.n_agents + SYSTEM_PARTIES.index("network_operator")]
        over = np.maximum(net - setting.import_cap_ukwh, 0) * setting.import_scarcity_ucur_per_kwh // MICRO
        assert (np.abs(operator - over) <= core.n_agents + 1).all()  # the rest went back to the connections
        past += int((over > 0).sum())
    assert scarce > 20
    assert past > 20


@pytest.mark.parametrize("hours", [4.0, pytest.param(24.0, marks=pytest.mark.slow)])
def test_torch_plays_the_same_episode(hours: float) -> None:
    torch = pytest.importorskip("torch")
    numpy_core, torch_core = Core(street(hours=hours), 3), Core(street(hours=hours), 3, backend="torch")
    a, b = numpy_core.reset(5), torch_core.reset(5)
    rng = np.random.default_rng(1)
    for _ in range(numpy_core.n_steps):
        action = rng.uniform(-1, 1, (3, numpy_core.n_agents, 2))
        a, x = numpy_core.step(a, action)
        b, y = torch_core.step(b, torch.as_tensor(action))
        # The last bit of a power may move an order by one micro-kWh.
        np.testing.assert_allclose(x.reward, y.reward.numpy(), atol=5e-5)
        np.testing.assert_allclose(x.delivery.metered_ukwh, y.delivery.metered_ukwh.numpy(), atol=2)
        np.testing.assert_allclose(observe(numpy_core, a).features, observe(torch_core, b).features.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("winter", "numpy"),
        *(
            pytest.param(*pair, marks=pytest.mark.slow)
            for pair in (
                ("village", "numpy"), ("blackout", "numpy"), ("vpp_call", "numpy"), ("village", "torch"),
                ("blackout", "torch"), ("winter", "torch"), ("vpp_call", "torch"),
            )
        ),
    ],
)  # fmt: skip
def test_half_the_width_plays_nearly_the_same(name: str, backend: str) -> None:
    torch = pytest.importorskip("torch")
    wide, narrow = Core(name, 2), Core(name, 2, backend=backend, dtype="float32")
    a, b = wide.reset(5), narrow.reset(5)
    for _ in range(wide.n_steps):
        action = np.zeros((2, wide.n_agents, wide.n_actions), np.float32)
        a, x = wide.step(a, action.astype(float))
        b, y = narrow.step(b, torch.as_tensor(action) if backend == "torch" else action)
        assert str(b.view.stored_kwh.dtype).endswith("float32")
        np.testing.assert_allclose(x.delivery.metered_ukwh, np.asarray(y.delivery.metered_ukwh), atol=100)


def test_a_core_survives_pickling() -> None:
    import pickle

    core = Core(street(), 2)
    copy = pickle.loads(pickle.dumps(core))
    assert len(pickle.dumps(core)) < 20_000
    a, b = core.reset(1), copy.reset(1)
    np.testing.assert_array_equal(observe(core, a).features, observe(copy, b).features)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"tarif": "flat"}, ["tarif", "allowed", "tariff"]),
        ({"prosumer": {"conut": 3}}, ["prosumer.conut", "count"]),
        ({"prosumer.count": "many"}, ["prosumer.count", "whole number", "many"]),
        ({"step_min": 7}, ["step_min", "7", "15"]),
        ({"ev.eta_ch": 1.4}, ["ev.eta_ch", "1.4"]),
        ({"prosumer.pv_kwp": [5, 2]}, ["prosumer.pv_kwp", "5"]),
        ({"mechanism": "magic"}, ["magic", "uniform_price"]),
        ({"tariff": "free"}, ["free", "flat", "tou"]),
        ({"feeder": "moon"}, ["moon", "village"]),
        ({"constraint": "maybe"}, ["constraint", "maybe", "curtail"]),
        ({"connection": {"scarcity_cur_per_kwh": 0}}, ["scarcity_cur_per_kwh", "0"]),
    ],
)
def test_a_bad_field_is_named_with_what_is_allowed(overrides: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        Core(street(**overrides), 1)
    for word in words:
        assert word in str(error.value)


def test_actions_of_another_shape_or_without_numbers_are_refused() -> None:
    core = Core(street(), 2)
    state = core.reset(0)
    with pytest.raises(ValueError, match=r"\(2, 6, 2\).*\(2, 5, 2\)"):
        core.step(state, np.zeros((2, 5, 2)))
    broken = np.zeros((2, 6, 2))
    broken[1, 3, 0] = np.nan
    with pytest.raises(ValueError, match="battery_0 in environment 1"):
        core.step(state, broken)


def test_unknown_scenario_lists_those_there_are() -> None:
    with pytest.raises(ValueError, match="street"):
        load_scenario("hamlet")
