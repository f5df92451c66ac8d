"""Random markets on feeders: homes with a firm and a flexible order, on sunny days and in cold evenings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gridbazaar.data.feeder import Feeder
from gridbazaar.data.feeders import load_feeder
from gridbazaar.data.trees import pick_rows
from gridbazaar.market.grid.linear import LinearGrid
from gridbazaar.market.nodal.clearing import NodalClearing, clear_nodal
from gridbazaar.market.orders import Orders, Setting, Wires
from tests.market.grid.loading import STIFF_VILLAGE

KWH = 1_000_000


class Market(NamedTuple):
    """What ``clear_nodal`` takes."""

    orders: Orders
    setting: Setting
    wires: Wires

    def row(self, i: int) -> Market:
        """The row alone, as a batch of one."""
        here = slice(i, i + 1)
        return Market(
            pick_rows(self.orders, here, "agent", "bus"),
            pick_rows(self.setting, here),
            pick_rows(self.wires, here, "grid", "step_h", "is_inelastic"),
        )


def random_markets(
    name: str | Path = STIFF_VILLAGE,
    n: int = 40,
    seed: int = 0,
    *,
    ratings: float = 1.0,
    level: float = 1.0,
    n_homes: int = 40,
    losses: bool = True,
) -> Market:
    """Make ``n`` rows; ``ratings`` scales those of the feeder, ``level`` what homes want of the root's rating."""
    feeder = load_feeder(name)
    feeder = replace(feeder, rating_kva=feeder.rating_kva * ratings)
    rng, m = np.random.default_rng(seed), feeder.n_buses
    size_kw = level * float(load_feeder(name).rating_kva[feeder.parent < 0].sum()) / n_homes
    sunny = rng.random((n, 1)) < 0.5
    need_kw = size_kw * rng.lognormal(-1.2, 0.5, (n, n_homes))
    sun_kw = size_kw * np.where(sunny, rng.uniform(0.4, 2.0, (n, n_homes)), 0.0) * (rng.random((n, n_homes)) < 0.8)
    wish_kw = size_kw * rng.uniform(0.0, 1.5, (n, n_homes)) * np.where(rng.random((n, n_homes)) < 0.6, 1, -0.3)
    firm_kw = need_kw - sun_kw
    step_h = 0.25
    orders = Orders(
        energy_ukwh=np.rint(np.concatenate([firm_kw, wish_kw], axis=1) * step_h * KWH).astype(np.int64),
        limit_ucur_per_kwh=np.concatenate(
            [np.where(firm_kw > 0, 300_000, 0), rng.integers(20_000, 400_000, (n, n_homes))], axis=1
        ),
        agent=np.tile(np.arange(n_homes), 2),
        bus=np.tile(rng.integers(1, m, n_homes), 2),
    )
    wires = Wires(
        LinearGrid(feeder, losses=losses),
        step_h,
        fixed_kw=np.zeros((n, m)),
        q_kvar=np.zeros((n, m)) + 0.1 * size_kw * n_homes / m,
        is_inelastic=np.arange(2 * n_homes) < n_homes,
    )
    return Market(orders, Setting(np.full(n, 300_000), np.full(n, 80_000)), wires)


def clear(market: Market, **options: Any) -> NodalClearing:
    """Clear with the defaults but for the options."""
    return clear_nodal(market.orders, market.setting, market.wires, **options)


def small_feeder(rating_kva: list[float], parent: list[int] | None = None, ohm: float = 1e-9) -> Feeder:
    """Make a feeder of stout lines, one after another unless parents are given, where only ratings count."""
    n = len(rating_kva)
    return Feeder(
        name="small",
        source="made for a test",
        base_kv=0.4,
        buses=tuple(map(str, range(1, n + 1))),
        parent=np.arange(n) - 1 if parent is None else np.array(parent),
        r_ohm=np.full(n, ohm),
        x_ohm=np.full(n, ohm),
        rating_kva=np.array(rating_kva, dtype=np.float64),
        p_kw=np.zeros(n),
        q_kvar=np.zeros(n),
        v_min_pu=0.9,
        v_max_pu=1.1,
    )
