"""The promises of curtailment in the power flow: limits hold, and no more is taken than they ask for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.data.feeder import Feeder
from gridbazaar.data.feeders import list_feeders, load_feeder
from gridbazaar.market.grid.balanced import Grid
from tests.market.grid.loading import behind, every_feeder, random_wishes, scale_kw, some_feeders
from tests.market.second_solver import balanced


@some_feeders
def test_what_can_be_curtailed_leaves_no_limit_violated(name: str) -> None:
    feeder, feeds = load_feeder(name), behind(load_feeder(name))
    grid, wishes = Grid(feeder), random_wishes(feeder, 2000, seed=10)
    fixed, injection, draw, q_kvar = wishes
    free, flow = grid.carry(*wishes), grid.carry(*wishes, constraint="curtail")
    injected, drawn = flow.keep_injection * injection, flow.keep_draw * draw
    exact = grid.solve(fixed + drawn - injected, q_kvar)  # not the solver's own last iteration
    assert (free.branch_loading > 1.1).any(axis=1).mean() > 0.1
    assert (free.voltage_pu > feeder.v_max_pu + 0.01).any()
    assert (free.voltage_pu < feeder.v_min_pu - 0.01).any()
    assert flow.converged.all()
    np.testing.assert_allclose(flow.voltage_pu, exact.voltage_pu, rtol=0, atol=2e-5)
    np.testing.assert_allclose(flow.root_kw, exact.root_kw, rtol=1e-4, atol=1e-4 * scale_kw(feeder))
    imports = exact.branch_kw > 0
    could_curtail = np.where(imports, drawn @ feeds.T, injected @ feeds.T) > 1e-3
    assert exact.branch_loading[could_curtail].max() <= 1 + 1e-3
    above = np.where(injected.sum(axis=1) > 1e-3, exact.voltage_pu.max(axis=1) - feeder.v_max_pu, -1)
    below = np.where(drawn.sum(axis=1) > 1e-3, feeder.v_min_pu - exact.voltage_pu.min(axis=1), -1)
    beyond, both = np.maximum(above, below), (above > 0) & (below > 0)
    assert beyond[~both].max() <= 1e-3
    assert beyond.max() <= 3e-3, "one line above and another below: what one side gives up moves the other"
    assert both.mean() < 0.01


@every_feeder
def test_nothing_is_curtailed_where_nothing_is_violated(name: str) -> None:
    feeder = load_feeder(name)
    grid, wishes = Grid(feeder), random_wishes(feeder, 300, seed=11)
    free, flow = grid.carry(*wishes), grid.carry(*wishes, constraint="curtail")
    in_band = (free.voltage_pu > feeder.v_min_pu + 1e-4) & (free.voltage_pu < feeder.v_max_pu - 1e-4)
    fine = (in_band & (free.branch_loading < 1 - 1e-4)).all(axis=1)
    assert 20 < fine.sum() < 280
    assert (flow.keep_injection[fine] == 1).all()
    assert (flow.keep_draw[fine] == 1).all()
    cut = (flow.keep_injection < 1) | (flow.keep_draw < 1)
    assert cut[~fine].any()


@every_feeder
def test_curtailment_takes_no_more_than_the_limit_asks_for(name: str) -> None:
    """Everything equal at all buses: after curtailment some limit is (nearly) reached."""
    feeder = load_feeder(name)
    level = np.linspace(0.2, 2.0, 40)[:, None]
    equal = np.ones((40, feeder.n_buses)) * scale_kw(feeder) * level
    nothing, grid = np.zeros_like(equal), Grid(feeder)
    for wishes in ((nothing, equal, nothing, nothing), (nothing, nothing, equal, nothing)):
        flow = grid.carry(*wishes, constraint="curtail")
        cut = ((flow.keep_injection < 1) | (flow.keep_draw < 1)).any(axis=1)
        room = np.minimum(
            1 - flow.branch_loading.max(axis=1),
            np.minimum(feeder.v_max_pu - flow.voltage_pu.max(axis=1), flow.voltage_pu.min(axis=1) - feeder.v_min_pu),
        )
        assert cut.sum() > 5
        assert room[cut].max() < 0.05  # at twice the rating; exact would be 0


@every_feeder
def test_who_wishes_more_keeps_no_larger_share(name: str) -> None:
    feeder = load_feeder(name)
    pattern = np.random.default_rng(12).uniform(0.5, 1.5, feeder.n_buses)
    ramp = np.linspace(0.1, 2.0, 60)[:, None] * pattern * scale_kw(feeder)
    nothing, grid = np.zeros_like(ramp), Grid(feeder)
    exporting = grid.carry(nothing, ramp, nothing, nothing, constraint="curtail").keep_injection
    importing = grid.carry(nothing, nothing, ramp, nothing, constraint="curtail").keep_draw
    for keep in (exporting, importing):
        assert keep[0].min() == 1
        assert keep[-1].min() < 0.95
        assert np.diff(keep, axis=0).max() < 3e-3


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), name=st.sampled_from(list_feeders()), size=st.floats(0, 5))
def test_shares_lie_between_nothing_and_all(seed: int, name: str, size: float) -> None:
    feeder = load_feeder(name)
    fixed, injection, draw, q_kvar = random_wishes(feeder, 8, seed)
    flow = Grid(feeder).carry(fixed, size * injection, size * draw, q_kvar, constraint="curtail")
    for keep, wish in ((flow.keep_injection, size * injection), (flow.keep_draw, size * draw)):
        assert keep.min() >= 0
        assert keep.max() <= 1
        assert (keep[wish == 0] == 1).all()
    assert np.isfinite(flow.voltage_pu).all()


def test_an_overload_by_what_must_be_served_stays_visible() -> None:
    feeder = load_feeder("street")
    fixed = np.full((1, feeder.n_buses), 1.3 * scale_kw(feeder))
    draw, nothing = np.full_like(fixed, 2.0), np.zeros_like(fixed)
    flow = Grid(feeder).carry(fixed, nothing, draw, nothing, constraint="curtail")
    assert flow.keep_draw.max() == 0
    assert flow.branch_loading[0, 0] > 1.2
    assert flow.root_kw[0] > fixed.sum()


def test_an_overloaded_line_touches_only_the_buses_behind_it() -> None:
    feeder = load_feeder("district")
    draw = np.full((1, feeder.n_buses), 5.0)
    behind_a = np.array([bus.startswith("A") for bus in feeder.buses])
    draw[:, behind_a] = 30.0
    nothing = np.zeros_like(draw)
    flow = Grid(feeder).carry(nothing, nothing, draw, nothing, constraint="curtail")
    assert flow.branch_loading.max() == pytest.approx(1, abs=5e-3)
    assert flow.keep_draw[0, behind_a].max() < 0.95
    assert (flow.keep_draw[0, ~behind_a] == 1).all()
    assert np.ptp(flow.keep_draw[0, behind_a]) < 1e-12


def test_lines_that_share_no_branch_do_not_share_a_voltage_limit() -> None:
    feeder = Feeder("fork", "two lines at the root, raised head", 0.4, ("b", "a", "a2"), np.array([-1, -1, 1]),
                    np.array([0.1, 0.1, 0.1]), np.full(3, 0.05), np.full(3, 500.0), np.zeros(3), np.zeros(3),
                    0.93, 1.05, root_voltage_pu=1.02)  # fmt: skip
    injection, nothing = np.array([[20.0, 20.0, 40.0]]), np.zeros((1, 3))
    free = Grid(feeder).carry(nothing, injection, nothing, nothing)
    flow = Grid(feeder).carry(nothing, injection, nothing, nothing, constraint="curtail")
    assert free.voltage_pu[0, 2] > 1.06
    assert free.voltage_pu[0, 0] < 1.05
    assert flow.voltage_pu.max() == pytest.approx(1.05, abs=1e-4)
    assert flow.keep_injection[0, 0] == 1
    assert flow.keep_injection[0, 1] == flow.keep_injection[0, 2] < 0.9
    expected = balanced(feeder, -flow.keep_injection * injection, nothing)
    np.testing.assert_allclose(flow.voltage_pu, expected.voltage_pu, atol=1e-5)
    np.testing.assert_allclose(flow.loss_kw, expected.loss_kw, atol=1e-2)
