"""The power flow of three phases against a second solver and the balanced one."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.data.feeder import Feeder
from gridbazaar.data.feeders import list_feeders, load_feeder
from gridbazaar.market.grid.balanced import Grid
from gridbazaar.market.grid.distflow import FLOOR_PU
from gridbazaar.market.grid.three_phase import Connections, ThreePhaseFlow, ThreePhaseGrid, make_grid
from tests.market.grid.loading import golden_cases
from tests.market.second_solver import asymmetric

Floats = NDArray[np.float64]
WITH_ZERO_SEQUENCE = [name for name in list_feeders() if load_feeder(name).r0_ohm is not None]


def homes_on_phases(feeder: Feeder, n: int, seed: int) -> tuple[Floats, Floats]:
    """Draws and injections [n, n_buses, 3] of homes each on its own phase, some on three, heavy and light."""
    rng = np.random.default_rng(seed)
    phase = feeder.phase if feeder.phases == 3 else rng.integers(0, 4, feeder.n_buses)
    connections = Connections(np.arange(feeder.n_buses), phase)
    scale = rng.uniform(-1.6, 1.6, (n, 1)) * rng.lognormal(-0.1, 0.5, (n, feeder.n_buses))
    p_kw, q_kvar = scale * feeder.p_kw, np.abs(scale) * feeder.q_kvar
    return connections.place(p_kw, feeder.n_buses), connections.place(q_kvar, feeder.n_buses)


def assert_agrees(feeder: Feeder, flow: ThreePhaseFlow, expected: Any, tolerance_pu: float = 1e-6) -> None:
    assert expected.has_solution.all()
    assert flow.converged.all()
    np.testing.assert_allclose(flow.voltage_pu, expected.voltage_pu, rtol=0, atol=tolerance_pu)
    np.testing.assert_allclose(flow.unbalance, expected.unbalance, rtol=0, atol=1e-6)
    np.testing.assert_allclose(flow.loss_kw, expected.loss_kw, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(flow.root_kw, expected.root_kw, rtol=1e-5, atol=1e-3)
    lines = slice(1, None) if feeder.has_transformer else slice(None)
    np.testing.assert_allclose(flow.branch_loading.max(axis=2)[:, lines], expected.loading[:, lines], rtol=0, atol=1e-5)


def test_two_hundred_loadings_with_single_phase_homes_agree_with_the_asymmetric_solver() -> None:
    feeder = load_feeder("kerber_village")
    p_kw, q_kvar = homes_on_phases(feeder, 200, seed=1)
    head_pu = np.random.default_rng(1).uniform(0.97, 1.03, 200)
    expected = asymmetric(feeder, p_kw, q_kvar, head_pu)
    assert expected.voltage_pu.min() < 0.90
    assert expected.voltage_pu.max() > 1.06
    assert expected.unbalance.max() > 0.02
    assert np.abs(p_kw).sum(axis=(1, 2)).min() > 0
    flow = make_grid(feeder).solve(p_kw, q_kvar, head_voltage_pu=head_pu)
    assert isinstance(flow, ThreePhaseFlow)
    assert_agrees(feeder, flow, expected)
    assert flow.residual_pu.max() < 1e-7


@pytest.mark.parametrize("name", WITH_ZERO_SEQUENCE)
def test_every_feeder_with_zero_sequence_agrees_with_the_asymmetric_solver(name: str) -> None:
    feeder = load_feeder(name)
    p_kw, q_kvar = homes_on_phases(feeder, 20, seed=2)
    expected = asymmetric(feeder, p_kw, q_kvar)
    assert expected.unbalance.max() > 1e-3
    flow = ThreePhaseGrid(feeder).solve(p_kw, q_kvar, tolerance_pu=1e-10)
    assert_agrees(feeder, flow, expected, 1e-9)  # the transformer's core shows below 1e-6


def test_a_feeder_without_transformer_agrees_too() -> None:
    feeder = Feeder("fork", "raised head, no transformer", 0.4, ("b", "a", "a2"), np.array([-1, -1, 1]),
                    np.array([0.1, 0.1, 0.1]), np.full(3, 0.05), np.full(3, 100.0), np.full(3, 6.0), np.full(3, 2.0),
                    0.93, 1.05, root_voltage_pu=1.02, phases=3, r0_ohm=np.full(3, 0.3), x0_ohm=np.full(3, 0.2),
                    phase=np.array([1, 2, 3]))  # fmt: skip
    p_kw, q_kvar = homes_on_phases(feeder, 20, seed=3)
    assert_agrees(feeder, ThreePhaseGrid(feeder).solve(p_kw, q_kvar), asymmetric(feeder, p_kw, q_kvar))


@pytest.mark.parametrize(("golden", "case"), golden_cases("phase_case"))
def test_reference_solutions_of_phases_are_reproduced(golden: dict[str, Any], case: dict[str, Any]) -> None:
    grid = ThreePhaseGrid(load_feeder(golden["feeder"]))
    p_kw, q_kvar = grid.base_load()
    assert p_kw.sum() == pytest.approx(golden["load_kw"])
    flow = grid.solve(case["load_scale"] * p_kw, case["load_scale"] * q_kvar)
    assert flow.loss_kw[0] == pytest.approx(case["loss_kw"], abs=golden["tolerance_kw"])
    np.testing.assert_allclose(flow.voltage_pu[0].min(axis=0), case["lowest_pu"], rtol=0, atol=golden["tolerance_pu"])
    assert flow.unbalance.max() == pytest.approx(case["unbalance"], abs=golden["tolerance_pu"])


def test_equal_phases_are_the_balanced_flow() -> None:
    feeder = load_feeder("village")
    rng = np.random.default_rng(4)
    p_kw, q_kvar = (x * rng.uniform(-2, 2, (30, feeder.n_buses)) for x in (feeder.p_kw, feeder.q_kvar))
    balanced = Grid(feeder).solve(p_kw, q_kvar, tolerance_pu=1e-10)
    thirds = (np.repeat(x[:, :, None] / 3, 3, axis=2) for x in (p_kw, q_kvar))
    flow = ThreePhaseGrid(feeder).solve(*thirds, tolerance_pu=1e-10)
    for phase in range(3):
        np.testing.assert_allclose(flow.voltage_pu[:, :, phase], balanced.voltage_pu, atol=1e-9)
        np.testing.assert_allclose(flow.branch_loading[:, :, phase], balanced.branch_loading, atol=1e-8)
    np.testing.assert_allclose(flow.branch_kw.sum(axis=2), balanced.branch_kw, atol=1e-6)
    np.testing.assert_allclose(flow.branch_kvar.sum(axis=2), balanced.branch_kvar, atol=1e-6)
    np.testing.assert_allclose(flow.loss_kw, balanced.loss_kw, atol=1e-7)
    assert flow.unbalance.max() < 1e-12


def test_a_single_phase_kilowatt_drops_six_times_the_voltage_of_a_balanced_one() -> None:
    """With a neutral like the phases: the whole current, through the phase and back."""
    one = np.array([1.0])
    line = Feeder("line", "closed form", 0.4, ("end",), np.array([-1]), 0.1 * one, 0 * one, 50 * one, 0 * one, 0 * one,
                  0.9, 1.1, r0_ohm=0.4 * one, x0_ohm=0 * one)  # fmt: skip
    watt, nothing = np.array([[0.01]]), np.zeros((1, 1))
    single = np.array([[[0.01, 0.0, 0.0]]])
    balanced = 1 - Grid(line).solve(watt, nothing, tolerance_pu=1e-13).voltage_pu[0, 0]
    flow = ThreePhaseGrid(line).solve(single, 0 * single, tolerance_pu=1e-13)
    assert 1 - flow.voltage_pu[0, 0, 0] == pytest.approx(6 * balanced, rel=1e-3)
    assert (flow.voltage_pu[0, 0, 1:] > 1).all()  # the neutral is lifted towards the loaded phase


def test_what_a_phase_draws_flows_through_its_branch_in_either_direction() -> None:
    feeder = load_feeder("street")
    p_kw = np.zeros((2, feeder.n_buses, 3))
    p_kw[0, -1, 1], p_kw[1, -1, 1] = 9.0, -9.0
    flow = ThreePhaseGrid(feeder).solve(p_kw, 0 * p_kw)
    assert flow.branch_kw[0, -1, 1] > 9
    assert -9 < flow.branch_kw[1, -1, 1] < -8
    rated_kva = feeder.rating_kva[-1] / 3
    assert flow.branch_loading[0, -1, 1] == pytest.approx(9 / flow.voltage_pu[0, -1, 1] / rated_kva, rel=1e-5)
    assert flow.branch_loading[1, -1, 1] == pytest.approx(9 / flow.voltage_pu[1, -1, 1] / rated_kva, rel=1e-5)
    assert flow.branch_loading[:, -1, [0, 2]].max() < 1e-12


def test_a_collapse_of_one_phase_is_flagged_and_finite() -> None:
    feeder = load_feeder("kerber_village")
    p_kw = np.zeros((5, feeder.n_buses, 3))
    p_kw[:, -1, 0] = [4.0, 300.0, 1e4, -1e5, 1e8]
    with np.errstate(all="raise"):
        flow = ThreePhaseGrid(feeder).solve(p_kw, 0 * p_kw)
    assert flow.converged.tolist() == [True, False, False, False, False]
    for field in dataclasses.fields(flow):
        assert np.isfinite(getattr(flow, field.name)).all(), field.name
    assert flow.voltage_pu.min() >= FLOOR_PU


def test_an_iteration_from_no_voltage_at_all_is_finite() -> None:
    grid = ThreePhaseGrid(load_feeder("street"))
    p_kw = np.full((21, 1), 5.0)
    model, nothing = grid.model(p_kw), np.zeros((21, 1))
    with np.errstate(all="raise"):
        (voltage,), change = grid.step(model, p_kw, nothing, grid.at_rest(model, None, p_kw), (np.zeros((7, 6, 1)),))
    assert np.isfinite(voltage).all()
    assert change[0] == pytest.approx(1, abs=0.01)


def test_a_row_of_a_batch_equals_a_single_run_of_phases() -> None:
    feeder = load_feeder("kerber_village")
    grid, (p_kw, q_kvar) = ThreePhaseGrid(feeder), homes_on_phases(feeder, 300, seed=5)
    batch = grid.solve(p_kw, q_kvar)
    for row in (0, 255, 256, 299):
        single = grid.solve(p_kw[row : row + 1], q_kvar[row : row + 1])
        np.testing.assert_allclose(batch.voltage_pu[row], single.voltage_pu[0], rtol=1e-12)
        assert batch.loss_kw[row] == pytest.approx(single.loss_kw[0], rel=1e-10)
    assert grid.solve(p_kw[:0], q_kvar[:0]).voltage_pu.shape == (0, feeder.n_buses, 3)


def test_torch_and_float32_give_the_same_phases() -> None:
    torch = pytest.importorskip("torch", reason="torch is the second array library")
    feeder = load_feeder("kerber_village")
    p_kw, q_kvar = homes_on_phases(feeder, 10, seed=6)
    head_pu = np.linspace(0.98, 1.02, 10)
    expected = ThreePhaseGrid(feeder).solve(p_kw, q_kvar, head_voltage_pu=head_pu)
    tensors = (torch.from_numpy(x) for x in (p_kw, q_kvar))
    flow = ThreePhaseGrid(feeder).solve(*tensors, head_voltage_pu=torch.from_numpy(head_pu))
    for field in dataclasses.fields(flow):
        assert torch.is_tensor(getattr(flow, field.name))
        np.testing.assert_allclose(
            getattr(flow, field.name).numpy(), getattr(expected, field.name), rtol=1e-7, atol=1e-9, err_msg=field.name
        )
    single = ThreePhaseGrid(feeder, dtype=np.float32).solve(p_kw, q_kvar, head_voltage_pu=head_pu)
    assert single.voltage_pu.dtype == np.float32
    assert single.converged.all()
    np.testing.assert_allclose(single.voltage_pu, expected.voltage_pu, atol=1e-5)


def test_connections_on_one_bus_add_up_on_their_phases() -> None:
    connections = Connections(np.array([0, 0, 1, 0]), np.array([1, 2, 0, 1]))
    placed = connections.place(np.array([[1.0, 2.0, 6.0, 10.0]]), 2)
    assert placed.tolist() == [[[11.0, 2.0, 0.0], [2.0, 2.0, 2.0]]]


def test_a_feeder_says_which_flow_it_wants_and_what_it_lacks() -> None:
    assert isinstance(make_grid(load_feeder("village")), Grid)
    assert isinstance(make_grid(load_feeder("kerber_village")), ThreePhaseGrid)
    with pytest.raises(ValueError, match="feeder 'ieee33': expected zero-sequence impedances"):
        ThreePhaseGrid(load_feeder("ieee33"))
    grid = ThreePhaseGrid(load_feeder("street"))
    with pytest.raises(ValueError, match=r"expected an array \[n, 7, 3\].*came \(2, 7\)"):
        grid.solve(np.zeros((2, 7)), np.zeros((2, 7)))
