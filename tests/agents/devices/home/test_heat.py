"""Heat: the room against its closed form, heat pumps against the published curves, the tank against its energy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.agents.devices.home.heat import cop, heat_for_kw, kept, reach_kw, room_c, sink_c, tank
from gridbazaar.agents.storage import move_kwh

STEPS_H = st.sampled_from([5 / 60, 0.25, 0.5, 1.0])
TEMPERATURES_C = st.floats(-25, 40)


def test_a_room_cools_and_holds_as_in_w15() -> None:
    keeps = kept(2.0, 2.0, 0.25)
    assert float(room_c(np.array(20.0), np.array(0.0), np.array(0.0), 2.0, keeps)) == pytest.approx(
        18.7882613, abs=1e-7
    )
    assert float(heat_for_kw(np.array(20.0), np.array(20.0), np.array(0.0), 2.0, keeps)) == pytest.approx(10.0)
    assert float(room_c(np.array(20.0), np.array(0.0), np.array(10.0), 2.0, keeps)) == pytest.approx(20.0, abs=1e-12)


@given(TEMPERATURES_C, TEMPERATURES_C, st.floats(0, 20), STEPS_H)
def test_a_room_stays_between_where_it_was_and_where_it_is_going(
    indoor: float, outdoor: float, heat_kw: float, step_h: float
) -> None:
    goal = outdoor + 5.0 * heat_kw
    after = float(room_c(np.array(indoor), np.array(outdoor), np.array(heat_kw), 5.0, kept(5.0, 6.9, step_h)))
    assert min(indoor, goal) - 1e-9 <= after <= max(indoor, goal) + 1e-9


@given(TEMPERATURES_C, TEMPERATURES_C, st.floats(0, 20), STEPS_H)
def test_an_hour_in_one_step_is_an_hour_in_several(
    indoor: float, outdoor: float, heat_kw: float, step_h: float
) -> None:
    whole = room_c(np.array(indoor), np.array(outdoor), np.array(heat_kw), 5.0, kept(5.0, 6.9, 1.0))
    after = np.array(indoor)
    for _ in range(round(1 / step_h)):
        after = room_c(after, np.array(outdoor), np.array(heat_kw), 5.0, kept(5.0, 6.9, step_h))
    assert float(after) == pytest.approx(float(whole), abs=1e-9)


@given(TEMPERATURES_C, st.floats(5, 30), TEMPERATURES_C, STEPS_H)
def test_the_heat_for_a_temperature_reaches_it(indoor: float, wanted: float, outdoor: float, step_h: float) -> None:
    keeps = kept(5.0, 6.9, step_h)
    heat = heat_for_kw(np.array(indoor), np.array(wanted), np.array(outdoor), 5.0, keeps)
    assert float(room_c(np.array(indoor), np.array(outdoor), heat, 5.0, keeps)) == pytest.approx(wanted, abs=1e-8)


def test_the_steady_state_is_the_difference_over_the_resistance() -> None:
    heat = heat_for_kw(np.array(21.0), np.array(21.0), np.array(-4.0), 5.0, kept(5.0, 6.9, 0.25))
    assert float(heat) == pytest.approx(25.0 / 5.0)


@pytest.mark.parametrize(
    ("source", "lift", "expected"),
    [
        ("air", 35.0, 0.85 * (6.08 - 0.09 * 35 + 0.0005 * 35**2)),
        ("ground", 30.0, 0.85 * (10.29 - 0.21 * 30 + 0.0012 * 30**2)),
        ("water", 25.0, 0.85 * (9.97 - 0.20 * 25 + 0.0012 * 25**2)),
        ("air", 5.0, 0.85 * (6.08 - 0.09 * 15 + 0.0005 * 15**2)),  # never less than 15 K
    ],
)
def test_pumps_follow_the_published_curves(source: str, lift: float, expected: float) -> None:
    assert float(cop(np.array(40.0), np.array(40.0 - lift), source)) == pytest.approx(expected)


@given(st.floats(-40, 45), st.sampled_from(["air", "ground", "water"]), st.sampled_from(["floor", "radiator"]))
def test_no_pump_gives_less_heat_than_it_takes(outdoor: float, source: str, sink: str) -> None:
    at = np.array(outdoor)
    assert float(cop(sink_c(at, sink), at, source)) >= 1.0


@given(st.floats(0, 1.2), st.floats(0, 4), STEPS_H)
def test_a_tank_keeps_its_energy(level: float, heater_kw: float, step_h: float) -> None:
    store = tank(0.2326, 2.0, 45.0, 65.0, 20.0)
    before = np.array(level * store.ceiling_kwh)
    after, loss = move_kwh(before, np.array(heater_kw), store, step_h)
    assert float(after - before) == pytest.approx(float(heater_kw * step_h - loss), abs=1e-12)
    standing_kw = 2.0 / 1000 * (float(before) / 0.2326)
    assert float(loss) == pytest.approx(standing_kw * step_h, rel=0.02, abs=0.02 * heater_kw * step_h + 1e-9)


@given(st.floats(0, 1.2), STEPS_H)
def test_a_tank_reaches_its_edges_with_the_heat_that_it_asks_for(level: float, step_h: float) -> None:
    store = tank(0.2326, 2.0, 45.0, 65.0, 20.0)
    before = np.array(level * store.ceiling_kwh)
    to_floor, to_top = reach_kw(before, store, step_h)
    assert float(move_kwh(before, to_floor, store, step_h)[0]) == pytest.approx(store.floor_kwh, abs=1e-9)
    if float(to_top) > 0:
        assert float(move_kwh(before, to_top, store, step_h)[0]) == pytest.approx(store.ceiling_kwh, abs=1e-9)


def test_a_full_tank_is_a_small_battery() -> None:
    store = tank(0.2326, 2.0, 45.0, 65.0, 20.0)
    assert store.ceiling_kwh - store.floor_kwh == pytest.approx(4.652)
