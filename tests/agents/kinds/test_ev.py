"""The car: worked charging strategies, the guarantee, and the dead band."""

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.devices.cars.charging import needed_before_kwh
from gridbazaar.agents.devices.cars.visits import Visits
from gridbazaar.agents.kind import Now, Series, scaled_plan
from gridbazaar.agents.kinds import ev

PRICES = np.array([0.35, 0.40, 0.38, 0.30, 0.25, 0.22, 0.15, 0.12, 0.10, 0.10, 0.12, 0.18, 0.25])


def evening(config: ev.Config) -> tuple[ev.Params, Series]:
    """60 kWh, plugged in at 18:00 with 24 kWh, 48 kWh needed at 07:00; hourly steps."""

    def one(x: float, kind: type = float) -> np.ndarray:
        return np.full((1, 1, 1), x, kind)

    params = ev.Params(
        Visits(
            one(0, int), one(13, int), one(13, int), one(60.0), one(config.charge_kw), one(24.0), one(48.0), one(0.0),
            one(0, bool),
        ),
        config,
    )  # fmt: skip
    nothing = np.zeros((1, 13))
    return params, Series(nothing, nothing, nothing, nothing, nothing, nothing, step_h=1.0, n_steps=13)


def drive(config: ev.Config, wish: str) -> tuple[float, float, np.ndarray]:
    """Give the cost, the unserved energy and the metered power of each hour."""
    params, series = evening(config)
    device = ev.start(params)
    powers, unserved = [], 0.0
    for t in range(13):
        now = Now(series, np.array([t]), np.array([t]))
        view = ev.view(device, params, now)
        fill = np.minimum(view.high_kw, view.need_kwh / view.eta_ch) if wish == "on arrival" else 0 * view.high_kw
        rest = ev.plan(np.zeros((1, 1, 2)), view)
        moved = ev.move(ev.meters(fill, rest, view, device, params, now), rest, view, device, params, now)
        assert (moved.firm_ukwh + moved.flexible_ukwh)[0, 0] <= config.charge_kw * 1e6 + 1
        powers.append((moved.firm_ukwh + moved.flexible_ukwh)[0, 0] / 1e6)
        assert moved.unserved_kwh is not None
        unserved += float(moved.unserved_kwh[0, 0])
        device = moved.device
    return float(PRICES @ np.array(powers)), unserved, np.array(powers)


BASE: dict[str, Any] = {
    "charge_kw": 11.0,
    "discharge_kw": 11.0,
    "eta_ch": 0.9,
    "eta_dis": 0.9,
    "min_kw": 0.0,
    "v2g_floor_frac": 0.2,
}


def test_charging_on_arrival_costs_the_worked_amount() -> None:
    cost, unserved, _ = drive(ev.Config(**BASE), "on arrival")
    assert cost == pytest.approx(10.02333, abs=1e-4)
    assert unserved == 0


def test_the_guarantee_alone_charges_as_late_as_possible() -> None:
    cost, unserved, powers = drive(ev.Config(**BASE), "never")
    assert cost == pytest.approx(5.29, abs=1e-3)
    assert unserved == 0
    assert (powers[:10] == 0).all()


def test_without_the_guarantee_a_resting_car_leaves_short() -> None:
    _, unserved, powers = drive(ev.Config(**BASE, guarantee=False), "never")
    assert unserved == pytest.approx(24.0)
    assert (powers == 0).all()


def test_the_guarantee_never_charges_below_the_least_current() -> None:
    _, unserved, powers = drive(ev.Config(**{**BASE, "min_kw": 4.14}), "never")
    assert unserved == 0
    assert powers[powers > 0].min() >= 4.14 - 1e-6


def test_a_wish_below_the_least_current_is_nothing() -> None:
    params, series = evening(ev.Config(**{**BASE, "min_kw": 4.14}))
    now = Now(series, np.array([0]), np.array([0]))
    view = ev.view(ev.start(params), params, now)
    small, large = (scaled_plan(np.array([[[a, 0.0]]]), view).wish_kw[0, 0] for a in (0.3, 0.5))
    assert small == 0
    assert large == pytest.approx(5.5)


def test_giving_back_never_endangers_the_departure() -> None:
    params, series = evening(ev.Config(**BASE))
    device = ev.start(params)
    for t in range(13):
        now = Now(series, np.array([t]), np.array([t]))
        view = ev.view(device, params, now)
        fill = view.low_kw  # release all that is allowed, always
        rest = ev.plan(np.zeros((1, 1, 2)), view)
        moved = ev.move(ev.meters(fill, rest, view, device, params, now), rest, view, device, params, now)
        assert moved.device.energy_kwh[0, 0] >= 12.0 - 1e-6
        device = moved.device
    assert moved.unserved_kwh is not None
    assert moved.unserved_kwh[0, 0] == 0
    assert device.energy_kwh[0, 0] >= 48.0 - 1e-4


@pytest.mark.parametrize(
    ("hour", "low_kw", "must_kw"),
    [
        (0, -10.8, 0.0),  # 24 kWh, of which 12 stay: 12 x 0.9
        (9, -5.13, 0.0),  # three hours of 9.9 kWh store 5.7 more than the 24 that are missing: 5.7 x 0.9
        (10, 0.0, 4.2 / 0.9),  # two hours store 19.8: 4.2 must be stored now
        (12, 0.0, 11.0),  # more than the charger has
    ],
)
def test_a_car_gives_what_it_can_still_win_back_and_else_charges(hour: int, low_kw: float, must_kw: float) -> None:
    params, series = evening(ev.Config(**BASE))
    view = ev.view(ev.start(params), params, Now(series, np.array([hour]), np.array([hour])))
    assert view.low_kw[0, 0] == pytest.approx(low_kw, abs=1e-4)
    assert view.firm_kw[0, 0] == pytest.approx(must_kw, abs=1e-4)
    assert view.high_kw[0, 0] == pytest.approx(11.0 - must_kw, abs=1e-4)


@pytest.mark.parametrize(("left_h", "soc"), [(0.0, 0.95), (0.25, 0.9357989), (1.0, 0.8640859), (2.0, 0.6772589)])
def test_a_battery_that_tapers_must_be_fuller_before(left_h: float, soc: float) -> None:
    """60 kWh with 12 kW up to 80 % full: the room of 20 % then shrinks to 1/e of it in an hour.

    From 80 to 95 % take ln 4 = 1.3863 hours. An hour before the end 1 - 0.05 e is reached, and two hours before it
    0.6137 hours were at full power: 0.8 - 0.2 x 0.6137 = 0.67726.
    """
    (needed,) = needed_before_kwh(np.array([57.0]), np.array([60.0]), np.array([12.0]), np.array([left_h]), 0.8)
    assert needed / 60 == pytest.approx(soc, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"eta_ch": -0.9}, r"ev.eta_ch: expected a number in \(0, 1\], got -0.9"),
        ({"onboard_kw": (1.0, 11.0)}, r"ev.onboard_kw: expected at least min_kw, 1.38; got"),
        ({"early_share": 1.5}, r"ev.early_share: expected a number in \[0, 1\], got 1.5"),
        ({"late_sd_h": -1.0}, r"ev.late_sd_h: expected a number in \[0, 1000000000\], got -1.0"),
        ({"sharing": "first"}, "ev.sharing: expected one of proportional, laxity, got 'first'"),
        ({"site_kw": 0.0, "backup": False}, r"ev.site_kw: expected a number in \(0, 1000000000\], or none, got 0.0"),
    ],
)
def test_chargers_that_cannot_be_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ev.Config(**options)
