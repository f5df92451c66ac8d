"""Limits of orders: what an eagerness reaches, in a band of local prices and where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.bid import bid, eagerness_of
from gridbazaar.agents.plan import Plan
from gridbazaar.market.orders import Setting


def limit_of(wish_kw: float, eagerness: float, upper: int, lower: int) -> int:
    """The limit of a flexible order, with a scarcity of 0.50 beyond either edge."""
    fields = dict.fromkeys(Plan.__slots__, np.zeros((1, 1)))
    plan = Plan(**fields | {"wish_kw": np.array([[wish_kw]]), "eagerness": np.array([[eagerness]])})
    far = np.array([10**9])
    setting = Setting(
        np.array([upper]), np.array([lower]), far, far, np.array([500_000]), np.array([500_000]),
    )  # fmt: skip
    found = bid(plan, setting, np.array([0, 0]), np.array([0, 0]), 1.0)
    return int(found.orders.limit_ucur_per_kwh[0, 1])


@pytest.mark.parametrize(
    ("eagerness", "buys_at", "sells_at"),
    [(-1.0, -420_000, 800_000), (-0.5, 80_000, 300_000), (0.0, 190_000, 190_000), (0.5, 300_000, 80_000),
     (1.0, 800_000, -420_000)],
)  # fmt: skip
def test_a_limit_rises_through_the_band(eagerness: float, buys_at: int, sells_at: int) -> None:
    assert limit_of(1.0, eagerness, 300_000, 80_000) == buys_at
    assert limit_of(-1.0, eagerness, 300_000, 80_000) == sells_at


@pytest.mark.parametrize("lower", [300_000, 400_000])
@pytest.mark.parametrize("eagerness", [-1.0, -0.6, -0.5, -0.2, 0.0, 0.4, 0.49, 0.5, 0.8, 1.0])
def test_in_an_empty_band_an_order_reaches_the_tariff_from_half_eager_on(eagerness: float, lower: int) -> None:
    """A surplus earns what a kWh costs, or more: an order that is there for neighbours only finds none and rests."""
    assert (limit_of(1.0, eagerness, 300_000, lower) >= 300_000) == (eagerness >= 0.5)
    assert (limit_of(-1.0, eagerness, 300_000, lower) <= lower) == (eagerness >= 0.5)


@pytest.mark.parametrize(("upper", "lower"), [(300_000, 80_000), (300_000, 300_000), (300_000, 400_000)])
@pytest.mark.parametrize("buys", [True, False])
def test_the_eagerness_of_a_limit_reaches_what_the_limit_reaches(upper: int, lower: int, buys: bool) -> None:
    for limit in (-100_000, 50_000, 80_000, 200_000, 300_000, 350_000, 400_000, 450_000, 700_000):

        def array(x: float) -> Any:
            return np.array([x / 1e6])

        eager = float(eagerness_of(array(limit), array(lower), array(upper), array(500_000), np.array([buys]))[0])
        given = limit_of(1.0 if buys else -1.0, eager, upper, lower)
        if buys:
            assert (given >= upper) == (limit >= upper), (limit, eager, given)
        else:
            assert (given <= lower) == (limit <= lower), (limit, eager, given)
