"""Feeders, their reference solutions, and what is drawn from them: what tests of the power flow share."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.data.feeder import Feeder
from gridbazaar.data.feeders import list_feeders
from gridbazaar.market.grid.balanced import Flow, Grid
from tests.quick import only

Floats = NDArray[np.float64]
GOLDEN = Path(__file__).parents[2] / "golden" / "feeders"
STIFF_VILLAGE = Path(__file__).parent / "stiff_village"
"""A feeder whose branches are full before its voltages leave the band."""
every_feeder = pytest.mark.parametrize("name", list_feeders())
some_feeders = pytest.mark.parametrize("name", only(("village", "cigre_lv", "ieee33"), list_feeders()))


def golden(name: str) -> dict[str, Any]:
    return tomllib.loads((GOLDEN / f"{name}.toml").read_text(encoding="utf-8"))


def golden_cases(kind: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    every = [golden(path.stem) for path in sorted(GOLDEN.glob("*.toml"))]
    return [(feeder, case) for feeder in every for case in feeder.get(kind, [])]


def scale_kw(feeder: Feeder) -> float:
    """A power per bus that loads the branches at the root to about their rating."""
    return float(feeder.rating_kva[feeder.parent < 0].sum()) / feeder.n_buses


def random_loading(feeder: Feeder, n: int, seed: int) -> tuple[Floats, Floats]:
    """Net draws from strong export to heavy load, [n, n_buses]; each bus its own."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(-0.6, 0.9, (n, 1))
    p_kw = scale_kw(feeder) * level * rng.lognormal(-0.1, 0.4, (n, feeder.n_buses))
    return p_kw, np.abs(p_kw) * rng.uniform(-0.1, 0.4, (n, feeder.n_buses))


def wide_loading(feeder: Feeder, n: int, seed: int) -> tuple[Floats, Floats]:
    """Net draws [n, n_buses] up to the edge of collapse and far into over-voltage, each bus its own.

    One end of the range is where a flat load brings the lowest voltage to about 0.8 pu, the other twice that as PV.
    """
    rng, grid = np.random.default_rng(seed), Grid(feeder)
    level = np.linspace(0.1, 40, 400)[:, None]
    flat = grid.solve(level * feeder.p_kw, level * feeder.q_kvar)
    heavy = float(level[flat.converged & (flat.voltage_pu.min(axis=1) > 0.80)].max())
    level = heavy * np.where(rng.random((n, 1)) < 0.5, rng.uniform(0.05, 1.1, (n, 1)), rng.uniform(-2.0, 0.3, (n, 1)))
    noise = rng.lognormal(-0.08, 0.4, (n, feeder.n_buses))
    return level * noise * feeder.p_kw, np.abs(level) * noise * feeder.q_kvar * rng.uniform(-0.3, 1.2, (n, 1))


def random_wishes(feeder: Feeder, n: int, seed: int) -> tuple[Floats, Floats, Floats, Floats]:
    """fixed, injection, draw, q that pass limits in many rows by up to about twice, evenly or on a few buses."""
    rng, m, scale = np.random.default_rng(seed), feeder.n_buses, scale_kw(feeder)
    fixed = rng.uniform(0.05, 0.3, (n, m)) * scale
    kind, spread = rng.random((n, 1)), np.where(rng.random((n, 1)) < 0.4, 3.0 * (rng.random((n, m)) < 0.3), 1.0)
    injection, draw = (scale * rng.uniform(0, 2.4, (n, m)) * rng.random((n, 1)) * spread for _ in range(2))
    return fixed, injection * (kind < 0.6), draw * (kind > 0.4), 0.2 * fixed


def behind(feeder: Feeder) -> Floats:
    """[branch, bus]: 1 where the branch feeds the bus; walked bus by bus."""
    feeds = np.zeros((feeder.n_buses, feeder.n_buses))
    for bus in range(feeder.n_buses):
        branch = bus
        while branch >= 0:
            feeds[branch, bus] = 1
            branch = int(feeder.parent[branch])
    return feeds


def assert_same_flow(a: Flow, b: Flow, tolerance: float) -> None:
    for field in dataclasses.fields(Flow):
        np.testing.assert_allclose(
            np.asarray(getattr(a, field.name), float),
            np.asarray(getattr(b, field.name), float),
            rtol=tolerance,
            atol=tolerance,
            err_msg=field.name,
        )
