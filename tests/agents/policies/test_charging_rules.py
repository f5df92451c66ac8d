"""Rules for charging on the worked evening: 60 kWh, 24 kWh at 18:00, 48 kWh needed at 07:00, 11 kW."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.kind import Now
from gridbazaar.agents.kinds import ev
from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import Community, Forecasts, Observation
from tests.agents.driving import params_of, series_of

PRICES = np.array([0.35, 0.40, 0.38, 0.30, 0.25, 0.22, 0.15, 0.12, 0.10, 0.10, 0.12, 0.18, 0.25])
CONFIG = ev.Config(
    charge_kw=11.0, discharge_kw=11.0, eta_ch=0.9, eta_dis=0.9, min_kw=0.0, guarantee=False
)  # fmt: skip


def forecasts_at(t: int, prices: np.ndarray, cap_kw: float) -> Forecasts:
    n, left = len(prices), len(prices) - t
    ahead = np.concatenate([prices[t:], np.full(t, prices[-1])])[None]
    inside = (np.arange(n) < left)[None]
    none = np.zeros((1, 1, n))
    return Forecasts(
        ahead, 0 * ahead, 0 * ahead, none, np.array([cap_kw]), np.array([cap_kw]), 0.5, np.zeros(1), inside, 1.0
    )


def drive(policy: str, config: ev.Config = CONFIG, cap_kw: float = 1e6, **options: Any) -> tuple[float, float]:
    """Give the cost and what lacks at departure."""
    chosen, n = load_policy(policy, **options), len(PRICES)
    params, series = params_of(config, {"depart": n}), series_of(1.0, n)
    memory = chosen.start(Community(("ev_0",), {"ev": slice(0, 1)}, 1.0, n, 2, {}), np.random.default_rng(0))
    device, cost, short = ev.start(params), 0.0, 0.0
    for t in range(n):
        now = Now(series, np.array([t]), np.array([t]))
        view = ev.view(device, params, now)
        seen = Observation(np.zeros((1, 1, 1)), view.is_active, view, forecasts_at(t, PRICES, cap_kw))
        action, memory = chosen.act(seen, memory)
        plan = ev.plan(action, view)
        moved = ev.move(ev.meters(plan.wish_kw, plan, view, device, params, now), plan, view, device, params, now)
        cost += PRICES[t] * (moved.firm_ukwh + moved.flexible_ukwh)[0, 0] / 1e6
        assert moved.unserved_kwh is not None
        short += moved.unserved_kwh[0, 0]
        device = moved.device
    return float(cost), float(short)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("idle", 10.02333), ("least_laxity", 10.02333), ("charge_late", 5.29), ("charge_cheapest", 2.76)],
)
@pytest.mark.parametrize("guarantee", [False, True])
def test_each_rule_costs_the_worked_amount(policy: str, expected: float, guarantee: bool) -> None:
    cost, short = drive(policy, replace(CONFIG, guarantee=guarantee))
    assert cost == pytest.approx(expected, abs=1e-3)
    assert short == 0


def test_a_careful_car_counts_on_less_from_each_cheap_hour() -> None:
    careful, _ = drive("charge_cheapest", spread=3.0)
    assert 2.77 < careful < 10.0
    with pytest.raises(ValueError, match=r"spread: expected at least 1, got 0.5"):
        load_policy("charge_cheapest", spread=0.5)


def test_least_laxity_takes_no_more_than_the_connection_carries() -> None:
    cost, short = drive("least_laxity", cap_kw=2.0)
    assert short == pytest.approx(24.0 - 13 * 2.0 * 0.9, abs=1e-4)
    assert cost == pytest.approx(2.0 * PRICES.sum(), abs=1e-4)


def test_the_car_with_least_time_to_spare_is_served_first() -> None:
    policy = load_policy("least_laxity")
    params = params_of(CONFIG, {"depart": 13})
    visits = params.visits
    two = replace(
        params,
        visits=type(visits)(*(np.repeat(getattr(visits, f), 2, axis=1) for f in type(visits).__slots__)),
    )
    two.visits.announced[0, 1, 0] = 6
    view = ev.view(ev.start(two), two, Now(series_of(1.0, 13), np.array([0]), np.array([0])))
    seen = Observation(np.zeros((1, 2, 1)), view.is_active, view, forecasts_at(0, PRICES, 15.0))
    memory = policy.start(Community(("a", "b"), {"ev": slice(0, 2)}, 1.0, 13, 2, {}), np.random.default_rng(0))
    action, _ = policy.act(seen, memory)
    np.testing.assert_allclose(ev.plan(action, view).wish_kw[0], [4.0, 11.0])
