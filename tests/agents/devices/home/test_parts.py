"""What rooms, tanks and appliances must and may draw, and what their heat saves, worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gridbazaar.agents.devices.home import appliance, heat_pump, hot_water, household
from gridbazaar.agents.devices.home.appliance import Appliance
from gridbazaar.agents.devices.home.heat_pump import Heating, Pumps
from gridbazaar.agents.devices.home.hot_water import Tanks, Water
from gridbazaar.agents.kind import Draw, Now, Series
from gridbazaar.data.chance import episode_keys
from tests.agents.driving import calendar_of

BANK = SimpleNamespace(calendar=calendar_of(20, 1.0), outdoor_c=np.zeros(480), name="made for a test")
DRAW = Draw(episode_keys(0, "train", np.array([3, 4])), np.array([9, 10]), BANK, 1.0, 24, 12.0)
WATER = Water()  # 200 litres, 0.2326 kWh a kelvin; 45 to 65 C in a room of 20 C; 2 W a kelvin are lost
FLOOR_KWH, CEILING_KWH = 0.2326 * 25, 0.2326 * 45
GROUND = Heating(source="ground")  # 20 to 22 C, 5 K a kW, 6.9 kWh a kelvin, 0.3 kW from people
RATIO = 0.85 * (10.29 - 0.21 * 25 + 0.0012 * 25**2)  # 30 C for the floor out of 5 C, at 0 C outside


def now() -> Now:
    zero = np.zeros((1, 24))
    series = Series(zero, zero, zero, zero, zero, zero, step_h=1.0, n_steps=24, outdoor_c=np.zeros(24))
    return Now(series, np.array([7]), np.array([7]))


def tanks() -> Tanks:
    """Two homes with tanks and one without, at an hour with an eighth of 4 kWh a day."""
    draws = np.zeros((1, 24, 3))
    draws[0, 7] = [0.3, 0.7, 0.0]
    return Tanks(
        heater_kw=np.array([[2.5, 2.5, 0.0]]), full_frac=np.zeros((1, 3)), daily_kwh=np.array([[4.0, 4.0, 0.0]]),
        draw_kwh=draws, usual_share=np.full((1, 25), 0.125), start=np.array([0]),
    )  # fmt: skip


@pytest.mark.parametrize("share", [0.0, 0.25, 0.8, 1.0])
def test_as_many_homes_own_a_device_as_the_share_says(share: float) -> None:
    some, n = (share, share), 2000
    pumps = heat_pump.draw_pumps(Heating(share=some), n, DRAW)
    drawn = hot_water.draw_tanks(Water(share=some), n, DRAW)
    loads = appliance.draw_loads(Appliance(share=some), n, DRAW)
    for owns in (pumps.pump_kw > 0, drawn.heater_kw > 0, drawn.daily_kwh > 0, (loads.last < 24).any(axis=2)):
        assert owns.mean(axis=1) == pytest.approx(share, abs=0.04)
    assert ((drawn.heater_kw > 0) == (drawn.draw_kwh.max(axis=1) > 0)).all()


def test_a_tank_holds_its_edge_against_its_losses_and_the_usual_draw() -> None:
    """At the lower edge 25 K x 2 W are lost, 0.05 kW, and half a kWh is usually drawn; a rod has 2.5 kW."""
    part = hot_water.look(np.array([[FLOOR_KWH, FLOOR_KWH + 2.0, 0.0]]), tanks(), WATER, now())
    assert part.must_kw[0, 0] == pytest.approx(0.55, abs=1e-9)
    assert part.can_kw[0, 0] == pytest.approx(2.5 - 0.55, abs=1e-9)
    assert part.spare_kwh[0] == pytest.approx([0.0, 2.0, 0.0], abs=1e-9)
    assert part.must_kw[0, 1:].tolist() == [0.0, 0.0]
    assert part.can_kw[0, 1:].tolist() == [2.5, 0.0]
    almost = hot_water.look(np.array([[CEILING_KWH, 0.0, 0.0]]), tanks(), WATER, now())
    assert almost.can_kw[0, 0] == pytest.approx(45 * 0.002, abs=1e-9)  # what is lost at 65 C
    assert almost.must_kw[0, 1] == 2.5


def test_cold_water_is_missed_by_the_kelvin() -> None:
    """From 40 C, 4.652 kWh above the room, 0.7 kWh are drawn and about 0.04 lost: 3.2 K too cold."""
    stored = np.array([[0.2326 * 20] * 3])
    after, missed = hot_water.run(stored, np.zeros((1, 3)), tanks(), WATER, now())
    keeps, rate = 1 - WATER.storage.loss_per_h, -math.log1p(-WATER.storage.loss_per_h)
    expected = stored[0] * keeps - np.array([0.3, 0.7, 0.0]) * (1 - keeps) / rate
    np.testing.assert_allclose(after[0], expected, rtol=1e-9)
    np.testing.assert_allclose(missed[0], 0.05 * (20 - expected / 0.2326) * [1, 1, 0], rtol=1e-9)
    assert missed[0, 1] == pytest.approx(0.05 * 3.2, abs=0.005)


def test_a_heat_pump_holds_its_room_and_what_is_warmer_saves_electricity() -> None:
    """At 20 C and 0 C outside a room loses 4 kW, of which people give 0.3.

    Of 6.9 kWh above the edge 18.5 / (18.5 + 0.5) are left for later, for the edge asks for 20 - 5 x 0.3 = 18.5 K.
    """
    pumps = Pumps(np.array([[2.0, 2.0, 0.0]]), np.zeros((1, 3)))
    part = heat_pump.look(np.array([[20.0, 21.0, 21.0]]), pumps, GROUND, now())
    assert part.must_kw[0, 0] == pytest.approx(3.7 / RATIO, abs=1e-9)
    assert part.must_kw[0, 0] + part.can_kw[0, 0] == 2.0
    assert part.must_kw[0, 1:].tolist() == [0.0, 0.0]
    assert part.spare_kwh[0] == pytest.approx([0.0, 6.9 * 18.5 / 19 / RATIO, 0.0], abs=1e-9)


def test_a_room_off_its_band_is_missed_by_the_square_and_only_where_somebody_heats() -> None:
    """From 19, 25 and 21 C: cold costs whoever owns a pump, warmth whoever runs it, and nobody pays for the sun."""
    pumps = Pumps(np.array([[2.0, 2.0, 2.0, 2.0, 0.0]]), np.zeros((1, 5)))
    kw, keeps = np.array([[0.0, 1.0, 0.0, 0.5, 0.0]]), math.exp(-1 / 34.5)
    after, missed = heat_pump.run(np.array([[19.0, 25.0, 25.0, 21.0, 19.0]]), kw, pumps, GROUND, now())
    expected = keeps * np.array([19, 25, 25, 21, 19]) + (1 - keeps) * 5 * (kw[0] * RATIO + 0.3)
    np.testing.assert_allclose(after[0], expected, rtol=1e-12)
    due = 0.5 * np.array([20 - expected[0], expected[1] - 22, 0, 0, 0]) ** 2
    assert (due[:2] > 1).all()
    np.testing.assert_allclose(missed[0], due, rtol=1e-9)
    half = replace(now().series, step_h=0.5)
    _, of_half = heat_pump.run(np.array([[19.0] * 5]), kw, pumps, GROUND, replace(now(), series=half))
    assert of_half[0, 0] == pytest.approx(0.25 * (20 - 5 * 0.3 - 17.5 * math.exp(-0.5 / 34.5)) ** 2)


@pytest.mark.parametrize("has", [(h, w, a) for h in (False, True) for w in (False, True) for a in (False, True)])
def test_a_home_draws_and_observes_the_devices_that_it_may_have_and_no_others(has: tuple[bool, bool, bool]) -> None:
    shares = [(0.0, 0.5 * may) for may in has]
    config = SimpleNamespace(
        count=2, heating=Heating(share=shares[0]), water=Water(share=shares[1]), appliance=Appliance(share=shares[2])
    )
    drawn = household.draw_devices(config, DRAW)
    assert (drawn.heating is not None, drawn.water is not None, drawn.appliance is not None) == has
    inside = household.begin(drawn, config)
    assert (inside.indoor_c is not None, inside.tank_kwh is not None, inside.started is not None) == has
    columns = household.columns_of(config)
    for may, module in zip(has, (heat_pump, hot_water, appliance), strict=True):
        assert {*module.COLUMNS} <= {*columns} if may else not {*module.COLUMNS} & {*columns}
