"""The power flow against published figures and a second solver, and the promises of curtailment."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.feeder import Feeder
from gridbazaar.data.feeders import list_feeders, load_feeder
from gridbazaar.market.grid.balanced import Flow, Grid
from gridbazaar.market.grid.distflow import FLOOR_PU
from tests.market.grid.loading import (
    GOLDEN,
    STIFF_VILLAGE,
    assert_same_flow,
    every_feeder,
    golden,
    golden_cases,
    random_loading,
    random_wishes,
    scale_kw,
    some_feeders,
    wide_loading,
)
from tests.market.second_solver import balanced

# Physics


def test_every_feeder_has_a_reference_solution() -> None:
    assert {path.stem for path in GOLDEN.glob("*.toml")} == set(list_feeders())


@pytest.mark.parametrize(("golden", "case"), golden_cases("case"))
def test_published_figures_are_reproduced(golden: dict[str, Any], case: dict[str, Any]) -> None:
    feeder = load_feeder(golden["feeder"])
    assert feeder.p_kw.sum() == pytest.approx(golden["load_kw"])
    assert feeder.q_kvar.sum() == pytest.approx(golden["load_kvar"])
    scale = case["load_scale"]
    flow = Grid(feeder).solve(scale * feeder.p_kw[None], scale * feeder.q_kvar[None])
    assert flow.converged.all()
    assert flow.loss_kw[0] == pytest.approx(case["loss_kw"], abs=golden["tolerance_kw"])
    assert flow.voltage_pu.min() == pytest.approx(case["lowest_pu"], abs=golden["tolerance_pu"])
    assert feeder.buses[int(flow.voltage_pu[0].argmin())] == case["lowest_bus"]
    if "highest_pu" in case:
        assert flow.voltage_pu.max() == pytest.approx(case["highest_pu"], abs=golden["tolerance_pu"])
    if "loss_kvar" in case:
        into_root_kvar = flow.branch_kvar[0, feeder.parent < 0].sum()
        loss_kvar = into_root_kvar - scale * feeder.q_kvar.sum()
        assert loss_kvar == pytest.approx(case["loss_kvar"], abs=golden["tolerance_kw"])


@pytest.mark.parametrize("case", golden("ieee33")["reconfigured"])
def test_reconfigured_feeders_have_the_published_losses(case: dict[str, Any], tmp_path: Path) -> None:
    """Some lines opened, ties closed: written as a feeder of one's own, from the root outwards."""
    feeder, ties = load_feeder("ieee33"), golden("ieee33")["tie"]
    names = ("1", *feeder.buses)
    ends = [(names[feeder.parent[j] + 1], bus, feeder.r_ohm[j], feeder.x_ohm[j]) for j, bus in enumerate(feeder.buses)]
    ends += [(tie["from_bus"], tie["to_bus"], tie["r_ohm"], tie["x_ohm"]) for tie in ties]
    waiting = [end for number, end in enumerate(ends, 1) if number not in case["open"]]
    reached, rows = {"1"}, []
    while waiting:
        near, far, r, x = line = next(end for end in waiting if (end[0] in reached) != (end[1] in reached))
        waiting.remove(line)
        near, far = (near, far) if near in reached else (far, near)
        reached.add(far)
        bus = feeder.buses.index(far)
        rows.append(f"{near},{far},1000,{r},{x},300,{feeder.p_kw[bus]},{feeder.q_kvar[bus]}")
    header = "from_bus,to_bus,length_m,r_ohm_per_km,x_ohm_per_km,rating_a,p_kw,q_kvar"
    (tmp_path / "lines.csv").write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    settings = 'source = "test"\nbase_kv = 12.66\nroot_bus = "1"\nv_min_pu = 0.9\nv_max_pu = 1.1\n'
    (tmp_path / "feeder.toml").write_text(settings, encoding="utf-8")
    own = load_feeder(tmp_path)
    flow = Grid(own).solve(own.p_kw[None], own.q_kvar[None])
    assert flow.loss_kw[0] == pytest.approx(case["loss_kw"], abs=1e-3)
    assert flow.voltage_pu.min() == pytest.approx(case["lowest_pu"], abs=1e-5)
    assert own.buses[int(flow.voltage_pu[0].argmin())] == case["lowest_bus"]


@some_feeders
def test_a_thousand_loadings_agree_with_newton_raphson(name: str) -> None:
    """As shipped: within 1e-6 pu and 0.1 % of the losses, and no row that has a solution is given up."""
    feeder = load_feeder(name)
    p_kw, q_kvar = wide_loading(feeder, 1000, seed=1)
    head_pu = np.random.default_rng(1).uniform(0.96, 1.04, 1000)
    expected = balanced(feeder, p_kw, q_kvar, head_pu)
    flow = Grid(feeder).solve(p_kw, q_kvar, head_voltage_pu=head_pu)
    good = expected.has_solution
    assert np.abs(p_kw).sum(axis=1).min() > 0
    assert expected.voltage_pu[good].min() < 0.90
    assert expected.voltage_pu[good].max() > 1.08
    assert good.mean() > 0.95
    assert (flow.converged == good).all()
    np.testing.assert_allclose(flow.voltage_pu[good], expected.voltage_pu[good], rtol=0, atol=1e-6)
    np.testing.assert_allclose(flow.loss_kw[good], expected.loss_kw[good], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(flow.root_kw[good], expected.root_kw[good], rtol=1e-5, atol=1e-2)
    assert flow.residual_pu[good].max() < 1e-7
    assert (flow.residual_pu >= 0).all()
    iron = np.hypot(feeder.no_load_loss_kw, feeder.no_load_kvar) / feeder.rating_kva[0]  # not in our loading
    np.testing.assert_allclose(flow.branch_loading[good], expected.loading[good], rtol=1e-5, atol=1e-6 + 1.1 * iron)


def test_the_head_voltage_of_a_row_is_that_of_a_feeder_with_it() -> None:
    feeder = load_feeder(STIFF_VILLAGE)
    wishes = random_wishes(feeder, 30, seed=13)
    head_pu = np.random.default_rng(13).uniform(0.94, 1.06, 30)
    grid = Grid(feeder)
    for constraint in ("none", "curtail"):
        flow = grid.carry(*wishes, constraint=constraint, head_voltage_pu=head_pu)
        for row, pu in enumerate(head_pu):
            alone = Grid(dataclasses.replace(feeder, root_voltage_pu=pu))
            own = alone.carry(*(x[row : row + 1] for x in wishes), constraint=constraint)
            mine = Flow(*(getattr(flow, field.name)[row : row + 1] for field in dataclasses.fields(Flow)))
            assert_same_flow(mine, own, 1e-9)
    assert (
        (flow.branch_loading[:, 0] > 0.95) & (flow.keep_injection.min(axis=1) < 1)
    ).any()  # at the transformer's limit
    estimated = grid.linear_voltage_pu(wishes[0], wishes[3], head_voltage_pu=head_pu)
    nothing = np.zeros_like(wishes[0])
    unloaded = grid.linear_voltage_pu(nothing, nothing, head_voltage_pu=head_pu)
    np.testing.assert_allclose(unloaded, np.broadcast_to(head_pu[:, None], unloaded.shape), atol=1e-4)
    assert (estimated < unloaded).all()


def test_a_tighter_tolerance_comes_nearer() -> None:
    feeder = load_feeder("cigre_lv")
    p_kw, q_kvar = 1.2 * feeder.p_kw[None], 1.2 * feeder.q_kvar[None]
    exact = balanced(feeder, p_kw, q_kvar).voltage_pu
    assert exact.min() < 0.9
    error = [
        np.abs(Grid(feeder).solve(p_kw, q_kvar, tolerance_pu=tolerance).voltage_pu - exact).max()
        for tolerance in (1e-4, 1e-7, 1e-10)
    ]
    assert error[0] > error[1] > error[2]
    assert error[2] < 1e-10


@every_feeder
def test_the_fixed_number_of_iterations_is_accurate_enough_to_settle(name: str) -> None:
    feeder = load_feeder(name)
    p_kw, q_kvar = random_loading(feeder, 200, seed=2)
    nothing = np.zeros_like(p_kw)
    exact, flow = Grid(feeder).solve(p_kw, q_kvar), Grid(feeder).carry(p_kw, nothing, nothing, q_kvar)
    settled = flow.converged
    assert settled.mean() > 0.97
    assert np.abs(flow.voltage_pu - exact.voltage_pu)[settled].max() < 1e-4
    assert np.abs(flow.loss_kw - exact.loss_kw)[settled].max() < 2e-3 * exact.loss_kw.max()


@every_feeder
def test_linear_voltage_is_close_in_the_normal_regime_and_never_too_low(name: str) -> None:
    feeder = load_feeder(name)
    scale = np.random.default_rng(3).uniform(0.2, 1.0, (200, 1))
    p_kw, q_kvar = scale * feeder.p_kw, scale * feeder.q_kvar
    grid = Grid(feeder)
    error = grid.linear_voltage_pu(p_kw, q_kvar) - grid.solve(p_kw, q_kvar).voltage_pu
    assert 0 < error.max() < 5e-3
    assert error.min() > -1e-9


@every_feeder
def test_the_root_supplies_the_draws_and_the_losses(name: str) -> None:
    feeder = load_feeder(name)
    p_kw, q_kvar = random_loading(feeder, 100, seed=4)
    flow = Grid(feeder).solve(p_kw, q_kvar, tolerance_pu=1e-10)
    np.testing.assert_allclose(flow.root_kw, p_kw.sum(axis=1) + flow.loss_kw, rtol=0, atol=1e-9)
    half_of_iron_kw = 0.5 * feeder.no_load_loss_kw * feeder.root_voltage_pu**2  # stands before branch 0
    into_branches_kw = flow.branch_kw[:, feeder.parent < 0].sum(axis=1) + half_of_iron_kw
    np.testing.assert_allclose(flow.root_kw, into_branches_kw, rtol=1e-7, atol=1e-6)


def test_an_unloaded_feeder_loses_its_iron_only() -> None:
    feeder = load_feeder("village")
    nothing = np.zeros((1, feeder.n_buses))
    flow = Grid(feeder).solve(nothing, nothing)
    assert flow.loss_kw[0] == pytest.approx(feeder.no_load_loss_kw, rel=1e-5)
    behind_kw = 0.5 * feeder.no_load_loss_kw  # half of the iron stands behind branch 0
    drop_pu = behind_kw / 1000 / feeder.base_kv**2 * feeder.r_ohm[0]
    np.testing.assert_allclose(flow.voltage_pu, 1 - drop_pu, atol=1e-9)


def test_one_line_has_the_voltage_of_the_quadratic_equation() -> None:
    one = np.array([1.0])
    feeder = Feeder("line", "closed form", 0.4, ("end",), np.array([-1]), 0.16 * one, 0.08 * one, 50 * one,
                    0 * one, 0 * one, 0.9, 1.1)  # fmt: skip
    p, q, r, x = 40.0, 10.0, 0.16 / 160, 0.08 / 160  # kW, kvar, pu of 1 kVA
    half = 0.5 - (r * p + x * q)
    v = half + np.sqrt(half**2 - (r**2 + x**2) * (p**2 + q**2))
    flow = Grid(feeder).solve(np.array([[p]]), np.array([[q]]), tolerance_pu=1e-10)
    assert flow.voltage_pu[0, 0] == pytest.approx(np.sqrt(v), abs=1e-8)
    assert flow.loss_kw[0] == pytest.approx(r * (p**2 + q**2) / v, abs=1e-5)
    assert flow.branch_loading[0, 0] == pytest.approx(np.sqrt((p**2 + q**2) / v) / 50, abs=1e-7)


@every_feeder
@pytest.mark.parametrize("constraint", ["none", "curtail"])
def test_a_collapse_is_flagged_and_finite(name: str, constraint: Any) -> None:
    feeder = load_feeder(name)
    load = np.tile(scale_kw(feeder), (5, feeder.n_buses)) * np.array([[0.1], [8.0], [1e3], [-1e3], [1e6]])
    nothing, grid = np.zeros_like(load), Grid(feeder)
    expected = [True, False, False, False, False]
    with np.errstate(all="raise"):
        flow = grid.carry(load, nothing, nothing, nothing, constraint=constraint)
        solved = grid.solve(load, nothing)
    assert flow.converged.tolist() == expected
    assert solved.converged.tolist() == expected
    for part in (flow, solved):
        for field in dataclasses.fields(part):
            assert np.isfinite(getattr(part, field.name)).all(), field.name
    assert flow.voltage_pu.min() >= FLOOR_PU


# The batch


@every_feeder
@pytest.mark.parametrize("constraint", ["none", "curtail"])
def test_a_row_of_a_batch_equals_a_single_run(name: str, constraint: Any) -> None:
    feeder = load_feeder(name)
    wishes, grid = random_wishes(feeder, 150, seed=5), Grid(feeder)
    batch = grid.carry(*wishes, constraint=constraint)
    for row in (0, 63, 64, 127, 128, 149):
        single = grid.carry(*(x[row : row + 1] for x in wishes), constraint=constraint)
        mine = Flow(*(getattr(batch, field.name)[row : row + 1] for field in dataclasses.fields(Flow)))
        assert_same_flow(mine, single, 1e-11)
    exact = grid.solve(wishes[0], wishes[3])
    alone = grid.solve(wishes[0][149:], wishes[3][149:])
    np.testing.assert_allclose(exact.voltage_pu[149:], alone.voltage_pu, rtol=1e-12)


@some_feeders
@pytest.mark.parametrize("constraint", ["none", "curtail"])
def test_torch_gives_what_numpy_gives(name: str, constraint: Any) -> None:
    torch = pytest.importorskip("torch", reason="torch is the second array library")
    feeder = load_feeder(name)
    wishes, grid = random_wishes(feeder, 40, seed=6), Grid(feeder)
    with_torch = grid.carry(*(torch.from_numpy(x) for x in wishes), constraint=constraint)
    assert torch.is_tensor(with_torch.voltage_pu)
    assert_same_flow(grid.carry(*wishes, constraint=constraint), with_torch, 1e-9)
    p_kw, q_kvar = (torch.from_numpy(x) for x in (wishes[0], wishes[3]))
    solved, expected = grid.solve(p_kw, q_kvar), grid.solve(wishes[0], wishes[3])
    np.testing.assert_allclose(solved.voltage_pu.numpy(), expected.voltage_pu, rtol=1e-9)
    np.testing.assert_allclose(
        grid.linear_voltage_pu(p_kw, q_kvar).numpy(), grid.linear_voltage_pu(wishes[0], wishes[3]), rtol=1e-9
    )


def test_float32_stays_float32_and_close() -> None:
    feeder = load_feeder("village")
    wishes = random_wishes(feeder, 40, seed=7)
    single = Grid(feeder, dtype=np.float32).carry(*wishes, constraint="curtail")
    assert single.voltage_pu.dtype == np.float32
    assert single.converged.all()
    double = Grid(feeder).carry(*wishes, constraint="curtail")
    np.testing.assert_allclose(single.voltage_pu, double.voltage_pu, atol=2e-5)
    np.testing.assert_allclose(single.keep_draw, double.keep_draw, atol=2e-3)


@pytest.mark.parametrize("name", ["village", "ieee33"])
def test_the_order_of_buses_does_not_matter(name: str) -> None:
    feeder = load_feeder(name)
    order = list(np.random.default_rng(8).permutation(feeder.n_buses))
    placed: list[int] = []  # a random order in which parents still come first
    while order:
        bus = next(bus for bus in order if feeder.parent[bus] in (-1, *placed))
        placed.append(bus)
        order.remove(bus)
    assert placed != sorted(placed)
    new_index = {bus: i for i, bus in enumerate(placed)} | {-1: -1}
    moved = dataclasses.replace(
        feeder,
        buses=tuple(feeder.buses[bus] for bus in placed),
        parent=np.array([new_index[int(feeder.parent[bus])] for bus in placed]),
        **{key: getattr(feeder, key)[placed] for key in ("r_ohm", "x_ohm", "rating_kva", "p_kw", "q_kvar")},
    )
    wishes = random_wishes(feeder, 60, seed=9)
    expected = Grid(feeder).carry(*wishes, constraint="curtail")
    flow = Grid(moved).carry(*(x[:, placed] for x in wishes), constraint="curtail")
    for key in ("voltage_pu", "branch_loading", "keep_injection", "keep_draw"):
        np.testing.assert_allclose(getattr(flow, key), getattr(expected, key)[:, placed], rtol=1e-9, err_msg=key)
    np.testing.assert_allclose(flow.loss_kw, expected.loss_kw, rtol=1e-9)


def test_an_empty_batch_gives_an_empty_flow() -> None:
    nothing = np.zeros((0, 7))
    grid = Grid(load_feeder("street"))
    assert grid.carry(nothing, nothing, nothing, nothing, constraint="curtail").voltage_pu.shape == (0, 7)
    assert grid.solve(nothing, nothing).loss_kw.shape == (0,)


# Input


def test_wrong_shapes_and_names_are_refused() -> None:
    grid = Grid(load_feeder("street"))
    wrong, right = np.zeros((3, 5)), np.zeros((3, 7))
    with pytest.raises(ValueError, match=r"\[n, 7\].*'street'.*\(3, 5\)"):
        grid.solve(wrong, wrong)
    with pytest.raises(ValueError, match="expected 'none' or 'curtail', came 'cut'"):
        grid.carry(right, right, right, right, constraint="cut")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"head_voltage_pu: expected an array \[3\].*came \(2,\)"):
        grid.solve(right, right, head_voltage_pu=np.ones(2))
    with pytest.raises(ValueError, match=r"expected 0.7 to 1.3 pu, came others in rows 0, 1, 2"):
        grid.solve(right, right, head_voltage_pu=np.array([230.0, 0.4, np.nan]))
