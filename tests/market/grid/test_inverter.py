"""Inverters: their curves by the standards' corners, their limits, and the state they settle in."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gridbazaar.data.feeder import Feeder
from gridbazaar.data.feeders import list_feeders, load_feeder
from gridbazaar.market.grid import inverter
from gridbazaar.market.grid.balanced import Grid
from gridbazaar.market.grid.inverter import (
    EN_50549,
    IEEE_1547_A,
    IEEE_1547_B,
    RESPONSES,
    VDE_AR_N_4105,
    Curve,
    InverterGrid,
    Inverters,
    Priority,
    Response,
    reactive_draw_kvar,
)
from gridbazaar.market.grid.three_phase import ThreePhaseFlow, ThreePhaseGrid

Floats = NDArray[np.float64]


def sunny(grid: Grid | ThreePhaseGrid, times: float) -> tuple[Floats, Floats, Floats]:
    """Loads p and q from a fifth of the base load up to all of it, and the sun from none to ``times`` that load."""
    feeder = grid.feeder
    p_kw, q_kvar = grid.base_load() if isinstance(grid, ThreePhaseGrid) else (feeder.p_kw[None], feeder.q_kvar[None])
    load = np.tile(np.repeat([0.2, 1.0], 11), 1)[(slice(None), *[None] * (p_kw.ndim - 1))]
    sun = np.tile(np.linspace(0, 1, 11), 2)[(slice(None), *[None] * (p_kw.ndim - 1))]
    return load * p_kw, load * q_kvar, times * sun * p_kw


@pytest.mark.parametrize(
    ("response", "corners"),
    [
        (IEEE_1547_A, {0.85: 0.25, 0.90: 0.25, 0.95: 0.125, 1.0: 0.0, 1.05: -0.125, 1.10: -0.25, 1.2: -0.25}),
        (IEEE_1547_B, {0.90: 0.44, 0.92: 0.44, 0.95: 0.22, 0.98: 0.0, 1.02: 0.0, 1.05: -0.22, 1.08: -0.44}),
        (IEEE_1547_B, {1.07: -0.36666666666666664, 1.10: -0.44}),
        (VDE_AR_N_4105, {0.93: 0.436, 0.95: 0.218, 0.97: 0.0, 1.03: 0.0, 1.05: -0.218, 1.07: -0.436, 1.2: -0.436}),
    ],
)
def test_volt_var_curves_pass_the_corners_of_the_standards(response: Response, corners: dict[float, float]) -> None:
    assert response in RESPONSES.values()
    for pu, share in corners.items():
        assert response.volt_var.at(np.array([pu]))[0] == pytest.approx(share, abs=1e-12)


def test_volt_watt_curves_pass_the_corners_of_the_standards() -> None:
    pu = np.array([0.9, 1.06, 1.08, 1.10, 1.11, 1.12, 1.2])
    np.testing.assert_allclose(IEEE_1547_B.volt_watt.at(pu), [1, 1, 0.6, 0.2, 0.2, 0.2, 0.2])
    np.testing.assert_allclose(IEEE_1547_A.volt_watt.at(pu), [1, 1, 0.6, 0.2, 0.2, 0.2, 0.2])
    np.testing.assert_allclose(EN_50549.volt_watt.at(pu), [1, 1, 1, 1, 0.5, 0, 0])
    assert IEEE_1547_B.volt_var.steepest == pytest.approx(7.333, abs=1e-3)
    assert IEEE_1547_B.volt_watt.steepest == pytest.approx(20)


@pytest.mark.parametrize("priority", ["var", "watt"])
@pytest.mark.parametrize("name", list_feeders())
def test_all_feeders_settle_with_sun_of_three_times_the_load(name: str, priority: Priority) -> None:
    """And where they settle, every inverter does what its curve says at the voltage that it sees."""
    grid = Grid(load_feeder(name))
    p_kw, q_kvar, available_kw = sunny(grid, 3)
    rating_kva = 1.1 * available_kw.max(axis=0)
    for response in RESPONSES.values():
        wires = InverterGrid(grid, Inverters(rating_kva, response, priority))
        answer = wires.solve(p_kw, q_kvar, available_kw)
        assert answer.flow.converged.all(), (response, wires.gain)
        flow = grid.solve(p_kw - answer.injection_kw, q_kvar + answer.q_kvar)
        np.testing.assert_allclose(answer.flow.voltage_pu, flow.voltage_pu, atol=1e-5)
        kw = np.minimum(available_kw, rating_kva * response.volt_watt.at(flow.voltage_pu))
        kvar = rating_kva * response.volt_var.at(flow.voltage_pu)
        if priority == "var":
            kw = np.minimum(kw, np.sqrt(rating_kva**2 - kvar**2))
        else:
            room = np.sqrt(rating_kva**2 - kw**2)
            kvar = np.clip(kvar, -room, room)
        np.testing.assert_allclose(answer.injection_kw, kw, rtol=0, atol=2e-4 * rating_kva.max())
        np.testing.assert_allclose(-answer.q_kvar, kvar, rtol=0, atol=2e-4 * rating_kva.max())
        apparent = np.hypot(answer.injection_kw, answer.q_kvar)
        assert (apparent <= rating_kva * (1 + 1e-4) + 1e-9).all()
        np.testing.assert_allclose(answer.injection_kw + answer.curtailed_kw, available_kw, atol=1e-9)


def test_single_phase_inverters_settle_on_their_own_phases() -> None:
    grid = ThreePhaseGrid(load_feeder("kerber_village"))
    p_kw, q_kvar, available_kw = sunny(grid, 3)
    rating_kva = 1.1 * available_kw.max(axis=0)
    idle = grid.solve(p_kw - available_kw, q_kvar)
    assert idle.voltage_pu.max() > 1.07
    for response in (IEEE_1547_A, IEEE_1547_B, VDE_AR_N_4105):
        answer = InverterGrid(grid, Inverters(rating_kva, response)).solve(p_kw, q_kvar, available_kw)
        assert isinstance(answer.flow, ThreePhaseFlow)
        assert answer.flow.converged.all()
        assert answer.flow.voltage_pu.max() < idle.voltage_pu.max() - 0.005
        assert answer.q_kvar.shape == p_kw.shape
        assert (answer.q_kvar[:, rating_kva == 0] == 0).all()
        flow = grid.solve(p_kw - answer.injection_kw, q_kvar + answer.q_kvar)
        expected_kvar = rating_kva * response.volt_var.at(flow.voltage_pu)
        np.testing.assert_allclose(-answer.q_kvar, expected_kvar, rtol=0, atol=2e-4 * rating_kva.max())


def test_the_loop_gain_is_that_of_the_reference() -> None:
    """A feeder of one line: sensitivity times slope times rating, in closed form."""
    one = np.array([1.0])
    feeder = Feeder("line", "closed form", 0.4, ("end",), np.array([-1]), 0.16 * one, 0.08 * one, 500 * one, 0 * one,
                    0 * one, 0.9, 1.1)  # fmt: skip
    wires = InverterGrid(Grid(feeder), Inverters(150 * one, IEEE_1547_B))
    expected = 150 * (0.16 / 160 * 20 + 0.08 / 160 * 22 / 3)
    assert wires.gain == pytest.approx(expected, rel=1e-4)
    assert wires.damping == pytest.approx(0.9 * 2 / (1 + expected), rel=1e-4)


def test_a_row_that_did_not_settle_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Grid(load_feeder("cigre_lv"))
    p_kw, q_kvar, available_kw = sunny(grid, 3)
    wires = InverterGrid(grid, Inverters(1.1 * available_kw.max(axis=0), IEEE_1547_B))
    assert wires.solve(p_kw, q_kvar, available_kw).flow.converged.all()
    monkeypatch.setattr(inverter, "MOST_ITERATIONS", 12)
    answer = wires.solve(p_kw, q_kvar, available_kw)
    assert not answer.flow.converged.all()
    assert answer.flow.residual_pu[~answer.flow.converged].min() > 1e-6
    for field in dataclasses.fields(answer.flow):
        assert np.isfinite(getattr(answer.flow, field.name)).all(), field.name


def test_a_row_that_swings_takes_smaller_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of one are far too long for this feeder, and a full inverter with watt priority has no bounded slope."""
    grid = Grid(load_feeder("cigre_lv"))
    p_kw, q_kvar, available_kw = sunny(grid, 3)
    wires = InverterGrid(grid, Inverters(1.1 * available_kw.max(axis=0), IEEE_1547_B))
    calm = wires.solve(p_kw, q_kvar, available_kw)
    wires.damping = 1.0
    assert 2 / (1 + wires.gain) < 1.0
    swinging = wires.solve(p_kw, q_kvar, available_kw)
    assert swinging.flow.converged.all()
    np.testing.assert_allclose(swinging.flow.voltage_pu, calm.flow.voltage_pu, atol=1e-6)
    village, rng = Grid(load_feeder("village")), np.random.default_rng(68)
    rating_kva = rng.uniform(0, 30, village.n_buses) * (rng.random(village.n_buses) < 0.7)
    full = InverterGrid(village, Inverters(rating_kva, IEEE_1547_B, "watt"))
    nothing = np.zeros((20, village.n_buses))
    available_kw = rng.uniform(0.9, 1.1, (20, village.n_buses)) * rating_kva
    assert full.solve(nothing, nothing, available_kw).flow.converged.all()
    monkeypatch.setattr(inverter, "_CALM", np.inf)
    assert not full.solve(nothing, nothing, available_kw).flow.converged.all(), (
        "some rows settle by smaller steps alone"
    )


def test_var_priority_gives_up_power_and_watt_priority_reactive_power() -> None:
    grid = Grid(load_feeder("cigre_lv"))
    p_kw, q_kvar, available_kw = sunny(grid, 3)
    row = slice(10, 11)  # little load, all the sun
    rating_kva = available_kw.max(axis=0)  # no room for reactive power
    high = dataclasses.replace(VDE_AR_N_4105, volt_watt=Curve(((1.2, 1.0), (1.3, 0.0))))
    answers = [
        InverterGrid(grid, Inverters(rating_kva, high, priority)).solve(p_kw[row], q_kvar[row], available_kw[row])
        for priority in ("var", "watt")
    ]
    for answer in answers:
        assert answer.flow.converged.all()
    var, watt = answers
    assert var.curtailed_kw.sum() > 10
    assert var.q_kvar.sum() > 100  # draws, and so lowers the voltage
    assert watt.curtailed_kw.sum() == pytest.approx(0, abs=1e-6)
    assert np.abs(watt.q_kvar).sum() < 1e-2
    assert var.flow.voltage_pu.max() < watt.flow.voltage_pu.max() - 0.01


def test_a_head_voltage_moves_the_answer() -> None:
    grid = Grid(load_feeder("village"))
    p_kw, q_kvar, available_kw = (x[:3] for x in sunny(grid, 1))
    wires = InverterGrid(grid, Inverters(np.full(grid.n_buses, 8.0)))
    answer = wires.solve(p_kw, q_kvar, available_kw, head_voltage_pu=np.array([0.95, 1.0, 1.05]))
    assert answer.q_kvar[0].max() < 0  # raises a low voltage
    assert np.abs(answer.q_kvar[1]).max() < 0.2
    assert answer.q_kvar[2].min() > 0


def test_rows_do_not_touch_each_other_and_torch_agrees() -> None:
    torch = pytest.importorskip("torch", reason="torch is the second array library")
    grid = Grid(load_feeder("cigre_lv"))
    p_kw, q_kvar, available_kw = sunny(grid, 3)
    wires = InverterGrid(grid, Inverters(1.1 * available_kw.max(axis=0)))
    batch = wires.solve(p_kw, q_kvar, available_kw)
    for row in (0, 10, 21):
        single = wires.solve(*(x[row : row + 1] for x in (p_kw, q_kvar, available_kw)))
        np.testing.assert_allclose(batch.injection_kw[row], single.injection_kw[0], rtol=1e-11)
    tensors = wires.solve(*(torch.from_numpy(x) for x in (p_kw, q_kvar, available_kw)))
    assert torch.is_tensor(tensors.q_kvar)
    np.testing.assert_allclose(tensors.q_kvar.numpy(), batch.q_kvar, rtol=0, atol=1e-8)
    np.testing.assert_allclose(tensors.flow.voltage_pu.numpy(), batch.flow.voltage_pu, rtol=1e-9)
    single_precision = InverterGrid(Grid(grid.feeder, dtype=np.float32), wires.inverters)
    answer = single_precision.solve(p_kw, q_kvar, available_kw)
    assert answer.injection_kw.dtype == np.float32
    assert answer.flow.converged.all()
    np.testing.assert_allclose(answer.flow.voltage_pu, batch.flow.voltage_pu, atol=5e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), name=st.sampled_from(["street", "village", "cigre_lv"]), watt=st.booleans())
def test_what_the_sun_offers_is_injected_or_curtailed_within_the_rating(seed: int, name: str, watt: bool) -> None:
    rng, grid = np.random.default_rng(seed), Grid(load_feeder(name))
    shape = (4, grid.n_buses)
    rating_kva = rng.uniform(0, 30, grid.n_buses) * (rng.random(grid.n_buses) < 0.7)
    available_kw = rng.uniform(0, 1.3, shape) * rating_kva
    wires = InverterGrid(grid, Inverters(rating_kva, IEEE_1547_B, "watt" if watt else "var"))
    answer = wires.solve(rng.uniform(-1, 3, shape), rng.uniform(-1, 1, shape), available_kw)
    settled = answer.flow.converged
    assert settled.all() or watt  # with watt priority about one row in 5,000 does not settle
    assert answer.injection_kw.min() >= 0
    assert answer.curtailed_kw.min() >= -1e-9
    assert (np.hypot(answer.injection_kw, answer.q_kvar) <= rating_kva * (1 + 1e-4))[settled].all()


def test_heat_pumps_and_cars_draw_reactive_power_at_their_power_factor() -> None:
    kw = np.array([[10.0, 0.0, -5.0]])
    np.testing.assert_allclose(reactive_draw_kvar(kw, 0.95), [[3.2868, 0.0, 1.6434]], atol=1e-4)
    assert (reactive_draw_kvar(kw, 1.0) == 0).all()
    kvar = reactive_draw_kvar(kw, np.array([[0.9, 0.9, 1.0]]))
    assert kw[0, 0] / np.hypot(kw[0, 0], kvar[0, 0]) == pytest.approx(0.9)
    with pytest.raises(ValueError, match="above 0 and up to 1"):
        reactive_draw_kvar(kw, 1.1)


def test_faulty_inverters_are_refused() -> None:
    grid = Grid(load_feeder("street"))
    with pytest.raises(ValueError, match=r"expected an array \[7\] for 'street', came \[3\]"):
        InverterGrid(grid, Inverters(np.ones(3)))
    with pytest.raises(ValueError, match=r"finite numbers >= 0, came others at \[\[1\], \[2\]\]"):
        Inverters(np.array([1.0, -1.0, np.nan]))
    with pytest.raises(ValueError, match="expected 'var' or 'watt', came 'both'"):
        Inverters(np.ones(7), priority="both")  # type: ignore[arg-type]
    for points in (((1.0, 0.0), (0.9, 1.0)), ((1.0, 0.0), (1.0, 1.0)), ()):
        with pytest.raises(ValueError, match="curve: expected"):
            Curve(points)


def test_rows_may_have_inverters_of_their_own() -> None:
    grid, rng = Grid(load_feeder("village")), np.random.default_rng(4)
    most = rng.uniform(5, 40, grid.n_buses)
    rating_kva = most * rng.uniform(0, 1, (6, grid.n_buses))
    nothing, available_kw = np.zeros_like(rating_kva), 0.9 * rating_kva
    together = InverterGrid(grid, Inverters(most)).solve(nothing, nothing, available_kw, rating_kva=rating_kva)
    assert together.flow.converged.all()
    assert (np.abs(together.q_kvar) > 0.1).any()
    for row, rating in enumerate(rating_kva):
        one = slice(row, row + 1)
        alone = InverterGrid(grid, Inverters(rating)).solve(nothing[one], nothing[one], available_kw[one])
        assert together.q_kvar[row] == pytest.approx(alone.q_kvar[0], abs=1e-3)
        assert together.injection_kw[row] == pytest.approx(alone.injection_kw[0], abs=1e-3)
    with pytest.raises(ValueError, match="rating_kva: expected numbers from 0 to the grid's own ratings"):
        InverterGrid(grid, Inverters(most)).solve(nothing, nothing, available_kw, rating_kva=1.1 * most + nothing)
