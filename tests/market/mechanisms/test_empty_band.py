"""Where a surplus earns what a kWh costs, or more, neighbours do not trade: every order meets the retailer alone."""

from __future__ import annotations

import numpy as np
import pytest

from gridbazaar.market.mechanisms import list_mechanisms, load_mechanism
from gridbazaar.market.orders import Orders, Setting


@pytest.mark.parametrize("export", [200_000, 260_000])
@pytest.mark.parametrize("name", list_mechanisms())
def test_neighbours_do_not_trade_in_an_empty_band(name: str, export: int) -> None:
    rng, n_envs, n_orders = np.random.default_rng(2), 40, 12
    energy = rng.integers(-2_000_000, 2_000_000, (n_envs, n_orders))
    limit = rng.integers(-100_000, 600_000, energy.shape)
    orders = Orders(energy, limit, np.arange(n_orders), np.zeros(n_orders, np.int64), rng.random((n_envs, n_orders)))
    far = np.full(n_envs, 10**9)
    setting = Setting(
        np.full(n_envs, 200_000), np.full(n_envs, export), far, far, np.full(n_envs, 500_000), np.full(n_envs, 500_000)
    )
    found = load_mechanism(name)(orders, setting)
    assert not found.traded_ukwh.any()
    assert found.outside_ukwh.any()
    assert (found.outside_ukwh * np.sign(energy) >= 0).all()
