"""Rules of curtailment: who gets what of limits that not all wishes fit into."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.feeders import load_feeder
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.grid.balanced import Grid
from gridbazaar.market.grid.curtailment import RULES, equal_share, last_in

WANTED = np.array([[5.0], [3.0], [1.0]])
BEHIND_ONE = np.ones((1, 3))

every_rule = pytest.mark.parametrize("rule", RULES)


def test_three_connections_behind_six_kilowatts() -> None:
    six = np.array([[6.0]])
    assert equal_share(WANTED, BEHIND_ONE, six)[:, 0].tolist() == pytest.approx([2.5, 2.5, 1.0])
    assert last_in(WANTED, BEHIND_ONE, six)[:, 0].tolist() == pytest.approx([5.0, 1.0, 0.0])


@every_rule
def test_where_all_fits_nobody_is_cut(rule: str) -> None:
    assert RULES[rule](WANTED, BEHIND_ONE, np.array([[9.0]])).tolist() == WANTED.tolist()
    assert not RULES[rule](WANTED, BEHIND_ONE, np.array([[-1.0]])).any()


def test_a_tighter_limit_holds_only_those_behind_it() -> None:
    """The first two hang behind a branch of 2 kW, all three behind one of 6."""
    effect = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    wanted, headroom = np.array([[5.0], [3.0], [9.0]]), np.array([[2.0], [6.0]])
    assert equal_share(wanted, effect, headroom)[:, 0].tolist() == pytest.approx([1.0, 1.0, 4.0])
    assert last_in(wanted, effect, headroom)[:, 0].tolist() == pytest.approx([2.0, 0.0, 4.0])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_limits_hold_and_nothing_is_cut_for_nothing(data: st.DataObject) -> None:
    n, m = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))

    def table(rows: int, columns: int, low: float, high: float) -> Any:
        size = rows * columns
        return np.array(data.draw(st.lists(st.floats(low, high), min_size=size, max_size=size))).reshape(rows, columns)

    wanted, headroom = table(n, 2, 0, 9).round(3), table(m, 2, 0.01, 9).round(3)
    effect = table(m, n, 0, 2).round(1)
    for share in RULES.values():
        given_kw = share(wanted, effect, headroom)
        used = effect @ given_kw
        assert (given_kw >= 0).all()
        assert (given_kw <= wanted + 1e-12).all()
        assert (used <= headroom + 1e-6).all()
        tight = used >= headroom - 1e-6
        cut = given_kw < wanted - 1e-6
        assert (((effect > 0).T.astype(float) @ tight > 0) | ~cut).all(), "who is cut stands behind a limit used up"
        alone = share(wanted[:, :1], effect, headroom[:, :1])
        assert np.abs(alone - given_kw[:, :1]).max() < 1e-9


@every_rule
def test_torch_shares_alike(rule: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    wanted, effect, headroom = (
        rng.uniform(0, 9, (7, 30)),
        rng.uniform(0, 1, (5, 7)).round(1),
        rng.uniform(0, 9, (5, 30)),
    )
    theirs = RULES[rule](*(torch.as_tensor(x) for x in (wanted, effect, headroom)))
    assert np.abs(theirs.numpy() - RULES[rule](wanted, effect, headroom)).max() < 1e-9


@every_rule
@pytest.mark.parametrize("name", ["village", "street", "kerber_village", "ieee33"])
def test_the_wires_are_within_their_limits_afterwards(rule: str, name: str) -> None:
    feeder = load_feeder(name)
    grid, rng = Grid(feeder), np.random.default_rng(1)
    bus = np.sort(rng.integers(1, grid.n_buses, 40))
    scale = 4 * feeder.rating_kva[0] / 40 if feeder.rating_kva[0] < 1e5 else 400.0
    injection_kw = rng.uniform(0, scale, (20, 40))
    nothing = np.zeros((20, grid.n_buses))
    flow = grid.carry(
        nothing, injection_kw, 0 * injection_kw, nothing, constraint="curtail", rule=rule, connection_bus=bus
    )
    plain = grid.carry(nothing, injection_kw, 0 * injection_kw, nothing, rule=rule, connection_bus=bus)
    over = (plain.branch_loading.max(1) > 1) | (plain.voltage_pu.max(1) > feeder.v_max_pu)
    assert over.any()
    assert flow.branch_loading.max() < 1.03
    assert flow.voltage_pu.max() < feeder.v_max_pu + 0.005
    assert (flow.keep_injection[~over] == 1).all()
    near = np.maximum(flow.branch_loading.max(1), 1 + 20 * (flow.voltage_pu.max(1) - feeder.v_max_pu))[over]
    assert near.min() > 0.9, "no more is cut than needed"


def test_connections_and_proportional_do_not_go_together() -> None:
    grid = Grid(load_feeder("street"))
    nothing = np.zeros((1, grid.n_buses))
    with pytest.raises(ValueError, match="rule: expected proportional, equal_share, last_in; came 'fair'"):
        grid.carry(nothing, nothing, nothing, nothing, rule="fair")
    with pytest.raises(ValueError, match="cuts by bus"):
        grid.carry(nothing, nothing, nothing, nothing, connection_bus=np.array([0]))
    with pytest.raises(ValueError, match="expected one of proportional, equal_share, last_in, got 'first'"):
        load_scenario("village", curtailment="first")


@pytest.mark.parametrize("rule", ["proportional", *RULES])
def test_a_sunny_afternoon_adds_up_under_every_rule(rule: str) -> None:
    """The first three homes' 3 x 15 kWp fit on their lines as long as all others rest; 12 x 15 do not."""
    overrides = {"prosumer.pv_kwp": 15.0, "prosumer.pv_share": 1.0, "hours": 4.0, "curtailment": rule}
    core = Core(load_scenario("village", **overrides), 3)
    cut = np.zeros(core.n_agents)
    for happened in play(core, load_policy("idle"), range(3), split="train", keep=True).transitions:
        assert not happened.money.bill.ucur.sum(axis=2).any()
        assert happened.wires.branch_loading.max() < 1.02
        cut += np.maximum(happened.delivery.curtailed_ukwh, 0).sum(0) / 1e6
    homes = cut[:12]
    assert homes.sum() > 50
    if rule == "last_in":
        assert homes[:3].sum() == pytest.approx(0, abs=1e-3)
        assert homes[-3:].sum() > 50
    if rule == "proportional":
        assert (homes > 0).all()
