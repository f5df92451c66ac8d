"""The linear feeder against the AC flow that it stands for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.data.feeder import Feeder
from gridbazaar.data.feeders import load_feeder
from gridbazaar.market.grid.balanced import Grid
from gridbazaar.market.grid.linear import LinearGrid
from tests.market.grid.loading import STIFF_VILLAGE

Floats = NDArray[np.float64]
CASES = [
    (STIFF_VILLAGE, 1.0, 1e-4, 3e-3),
    (STIFF_VILLAGE, -1.5, 1e-4, 5e-3),
    ("ieee33", 1.0, 2e-3, 2e-2),
    ("ieee33", -1.5, 5e-4, 1.5e-2),
]


def loading(name: str | Path, level: float) -> tuple[Floats, Floats]:
    """Draws [1, n_buses] around the feeder's base load."""
    feeder, rng = load_feeder(name), np.random.default_rng(0)
    return level * (feeder.p_kw * rng.uniform(0.5, 1.5, feeder.n_buses))[None], feeder.q_kvar[None]


@pytest.mark.parametrize(("name", "level", "loss_error", "error"), CASES)
def test_slopes_are_those_of_the_ac_flow(name: str | Path, level: float, loss_error: float, error: float) -> None:
    feeder = load_feeder(name)
    p_kw, q_kvar = loading(name, level)
    linear = LinearGrid(feeder).around(p_kw, q_kvar)
    n, step = feeder.n_buses, 0.01 * np.abs(p_kw).max()
    more, less = (Grid(feeder).solve(p_kw + s * np.eye(n), np.repeat(q_kvar, n, axis=0)) for s in (step, -step))
    assert np.abs(linear.loss_slope[0] - (more.loss_kw - less.loss_kw) / (2 * step)).max() < loss_error
    assert np.abs(linear.loss_slope).max() > 0.03
    flow = (more.branch_kw - less.branch_kw).T
    voltage = (more.voltage_pu**2 - less.voltage_pu**2).T
    exact = np.concatenate([flow, voltage])
    exact /= np.abs(exact).max(axis=1, keepdims=True)
    assert np.abs(linear.slope[0] - exact).max() < error


@pytest.mark.parametrize("name", [STIFF_VILLAGE, "ieee33"])
def test_at_its_point_the_model_is_the_ac_flow(name: str | Path) -> None:
    """Losses there are the AC flow's, and each limit is as near as the AC flow says."""
    feeder = load_feeder(name)
    p_kw, q_kvar = loading(name, 1.3)
    linear = LinearGrid(feeder, tightening_pu=0, tightening_frac=0).around(p_kw, q_kvar)
    flow, n = Grid(feeder).solve(p_kw, q_kvar), feeder.n_buses
    assert flow.voltage_pu.min() < 0.99
    assert linear.loss_kw + (linear.loss_slope * p_kw).sum() == pytest.approx(flow.loss_kw, rel=1e-12)
    now = linear.slope[0] @ p_kw[0]
    where = (now - linear.low[0]) / (linear.high[0] - linear.low[0])
    band = (flow.voltage_pu[0] ** 2 - feeder.v_min_pu**2) / (feeder.v_max_pu**2 - feeder.v_min_pu**2)
    assert where[n:] == pytest.approx(band, abs=1e-9)
    full = np.abs(2 * where[:n] - 1)  # 1 at the rating in either direction
    assert ((full < 1) == (flow.branch_loading[0] < 1)).all()


def test_a_line_at_its_rating_has_no_room() -> None:
    feeder = load_feeder(STIFF_VILLAGE)
    p_kw, q_kvar = loading(STIFF_VILLAGE, 1.0)
    loading_pu = Grid(feeder).solve(p_kw, q_kvar).branch_loading[0]
    worst = int(loading_pu.argmax())
    tight = replace(feeder, rating_kva=feeder.rating_kva * loading_pu[worst])
    linear = LinearGrid(tight, tightening_frac=0).around(p_kw, q_kvar)
    room_kw = (linear.high - (linear.slope @ p_kw[:, :, None])[:, :, 0])[0]
    assert room_kw[worst] == pytest.approx(0, abs=1e-6)
    assert LinearGrid(tight, tightening_frac=0.01).allows(p_kw, q_kvar).tolist() == [False]
    assert LinearGrid(tight, tightening_frac=-0.0).allows(0.99 * p_kw, q_kvar).tolist() == [True]


def test_a_row_that_collapses_is_linearised_without_losses() -> None:
    feeder = load_feeder("ieee33")
    p_kw, q_kvar = loading("ieee33", 1.0)
    both = np.concatenate([p_kw, 20 * p_kw]), np.concatenate([q_kvar, q_kvar])
    assert Grid(feeder).solve(*both).converged.tolist() == [True, False]
    linear = LinearGrid(feeder).around(*both)
    assert all(np.isfinite(getattr(linear, name)).all() for name in linear.__slots__)
    assert not linear.loss_slope[1].any()
    assert linear.loss_slope[0].any()
    lossless = LinearGrid(feeder, losses=False).around(*both)
    assert linear.slope[1] == pytest.approx(lossless.slope[1])
    assert linear.high[1] == pytest.approx(lossless.high[1], rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tightening_pu": 0.06}, "tightening_pu: expected 0 or more and below half the band of 0.12 pu, came 0.06"),
        ({"tightening_frac": 1.0}, "expected 0 <= tightening_frac < 1, came 1.0"),
    ],
)
def test_a_tightening_that_leaves_nothing_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinearGrid(load_feeder(STIFF_VILLAGE), **options)


def test_the_tightening_is_kept_free_at_both_ends() -> None:
    feeder = load_feeder(STIFF_VILLAGE)
    p_kw, q_kvar = loading(STIFF_VILLAGE, 1.0)
    bare = LinearGrid(feeder, tightening_pu=0, tightening_frac=0).around(p_kw, q_kvar)
    tight = LinearGrid(feeder, tightening_pu=1e-3, tightening_frac=0.01).around(p_kw, q_kvar)
    n, width = feeder.n_buses, bare.high - bare.low
    less = ((tight.low - bare.low) / width)[0], ((bare.high - tight.high) / width)[0]
    band = feeder.v_max_pu**2 - feeder.v_min_pu**2
    assert less[0][n:] == pytest.approx((2e-3 * feeder.v_min_pu + 1e-6) / band, rel=1e-6)
    assert less[1][n:] == pytest.approx((2e-3 * feeder.v_max_pu - 1e-6) / band, rel=1e-6)
    assert less[0][:n] == pytest.approx(0.005, rel=0.05)
    assert less[1][:n] == pytest.approx(0.005, rel=0.05)


def test_without_losses_a_hand_works_it_out() -> None:
    """A transformer and a line at a root of 1.05 pu; 0.01 ohm are 0.01 / 160 pu of 1 kVA at 0.4 kV.

    Draws of 10 + 2j and 8 + 1j: flows 18 + 3j and 8 + 1j. Voltages fall by 2 (0.0000625 x 18 + 0.000125 x 3) = 0.003
    to 1.0995 and on by 2 (0.000625 x 8 + 0.0003125 x 1) = 0.010625 to 1.088875 (squared, pu).
    """
    feeder = Feeder(
        "hand", "by hand", 0.4, ("a", "b"), np.array([-1, 0]), np.array([0.01, 0.1]), np.array([0.02, 0.05]),
        np.array([50.0, 20.0]), np.zeros(2), np.zeros(2), 0.9, 1.1, root_voltage_pu=1.05, has_transformer=True,
    )  # fmt: skip
    grid = LinearGrid(feeder, losses=False, tightening_pu=0, tightening_frac=0)
    draws, reactive = np.array([[10.0, 8.0]]), np.array([[2.0, 1.0]])
    linear = grid.around(draws, reactive)
    assert linear.loss_kw.tolist() == [0.0]
    np.testing.assert_allclose(
        linear.slope[0], np.array([[1.0, 1.0], [0.0, 1.0], [-1.0, -1.0], [-1 / 11, -1.0]]), atol=1e-12
    )
    # The transformer's rating is apparent power at its primary, the line's a current: 20 kVA at 1 pu.
    transformer, line = (50**2 - 3**2) ** 0.5, (20**2 * 1.0995 - 1) ** 0.5
    # At no real draw only what is reactive is left: 1.1025 - 0.00075, 1.1025 - 0.001375; a kW is 0.000125, 0.001375.
    below = [(0.81 - 1.10175) / 0.000125, (0.81 - 1.101125) / 0.001375]
    above = [866.0, (1.21 - 1.101125) / 0.001375]
    np.testing.assert_allclose(linear.low[0], np.array([-transformer, -line, *below]), rtol=1e-9)
    np.testing.assert_allclose(linear.high[0], np.array([transformer, line, *above]), rtol=1e-9)
    for more, is_allowed in ((0.0, True), (31.9, True), (31.92, False)):  # 49.9099 kW through the transformer
        assert grid.allows(draws + np.array([[more, 0.0]]), reactive).tolist() == [is_allowed]
