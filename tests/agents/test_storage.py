"""The storage kernel: worked cases with their numbers, and what holds for any storage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.agents.storage import Storage, limits_kw, move_kwh, two_stage_soc

HOME = Storage(0.0, 13.5, 5.0, 5.0, 0.9**0.5, 0.9**0.5)


def at(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_home_battery_charges_as_worked_by_hand() -> None:
    after, loss = move_kwh(at(0.0), at(5.0), HOME, 1.0)
    assert after[0] / 13.5 == pytest.approx(0.3513642, abs=1e-7)
    assert loss[0] == pytest.approx(5.0 - after[0], abs=1e-12)


def test_home_battery_takes_and_gives_what_its_efficiencies_say() -> None:
    _, high = limits_kw(at(0.0), HOME, 2.84605)
    assert high[0] * 2.84605 == pytest.approx(14.2302495, abs=1e-5)  # energy to fill, kWh
    low, _ = limits_kw(at(13.5), Storage(0.0, 13.5, 50.0, 50.0, 0.9**0.5, 0.9**0.5), 1.0)
    assert -low[0] == pytest.approx(12.8072245, abs=1e-7)


def test_charger_caps_the_current_of_a_car() -> None:
    """ACN-Sim: 50 kWh in the battery, 55 A asked of a 32 A charger at 240 V for five minutes."""
    charger = Storage(0.0, 100.0, 32 * 240 / 1000, 0.0, 1.0, 1.0)
    _, high = limits_kw(at(50.0), charger, 1 / 12)
    power = np.minimum(55 * 240 / 1000, high)
    assert power[0] == pytest.approx(7.68)
    assert move_kwh(at(50.0), power, charger, 1 / 12)[0][0] == pytest.approx(50.64)


def test_two_stage_charging_tapers_as_in_acn_sim() -> None:
    charger = Storage(0.0, 100.0, 32 * 240 / 1000, 0.0, 1.0, 1.0, taper_frac=0.8)
    _, high = limits_kw(at(85.0), charger, 1 / 12)
    assert high[0] == pytest.approx(5.668815225744, rel=1e-9)
    assert high[0] / 0.24 == pytest.approx(23.62006344, rel=1e-8)
    assert move_kwh(at(85.0), high, charger, 1 / 12)[0][0] == pytest.approx(85.472401268812, rel=1e-12)


def test_two_stage_charging_does_not_depend_on_the_step() -> None:
    once = two_stage_soc(at(0.7), at(0.2), at(0.2), 0.8)
    soc = at(0.7)
    for _ in range(10):
        soc = two_stage_soc(soc, at(0.02), at(0.02), 0.8)
    assert soc[0] == pytest.approx(once[0], abs=3e-3)  # the knee of the law itself moves with the pilot of a step


def test_car_loses_energy_both_ways() -> None:
    """Four quarter hours at 11 kW with efficiencies of 0.9: 9.9 kWh stored; 12.22 kWh drawn from the store for 11."""
    car = Storage(0.0, 60.0, 11.0, 11.0, 0.9, 0.9)
    stored = at(20.0)
    for _ in range(4):
        stored, _ = move_kwh(stored, at(11.0), car, 0.25)
    assert stored[0] == pytest.approx(29.9)
    for _ in range(4):
        stored, _ = move_kwh(stored, at(-11.0), car, 0.25)
    assert stored[0] == pytest.approx(29.9 - 11.0 / 0.9)


storages = st.builds(
    lambda floor, span, charge, discharge, eta_ch, eta_dis, loss: Storage(
        floor, floor + span, charge, discharge, eta_ch, eta_dis, loss
    ),
    st.floats(0, 5), st.floats(0.5, 100), st.floats(0, 50), st.floats(0, 50), st.floats(0.5, 1), st.floats(0.5, 1),
    st.sampled_from([0.0, 1e-4, 3e-4, 0.01]),
)  # fmt: skip
steps_h = st.sampled_from([1 / 12, 0.25, 0.5, 1.0])


@given(storages, steps_h, st.floats(0, 1), st.lists(st.floats(-1, 1), min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_energy_stays_within_bounds_and_balances(
    storage: Storage, step_h: float, start: float, actions: list[float]
) -> None:
    stored = at(storage.floor_kwh + start * (storage.ceiling_kwh - storage.floor_kwh))
    drawn = sent = lost = 0.0
    first = stored[0]
    for action in actions:
        low, high = limits_kw(stored, storage, step_h)
        power = np.where(action >= 0, action * high, -action * low)
        after, loss = move_kwh(stored, power, storage, step_h)
        assert after[0] - stored[0] == pytest.approx(power[0] * step_h - loss[0], abs=1e-9)
        assert loss[0] >= -1e-12
        assert after[0] <= storage.ceiling_kwh + 1e-9
        kept = (1 - storage.loss_per_h) ** step_h
        assert after[0] >= min(storage.floor_kwh, kept * stored[0]) - 1e-9
        drawn, sent, lost = drawn + max(power[0], 0) * step_h, sent - min(power[0], 0) * step_h, lost + loss[0]
        stored = after
    assert stored[0] - first == pytest.approx(drawn - sent - lost, abs=1e-8)
    if stored[0] >= first:
        assert sent <= drawn * storage.eta_ch * storage.eta_dis + 1e-9


@given(storages, st.floats(-1, 1), st.floats(0.2, 0.8), st.sampled_from([2, 4, 12]))
@settings(max_examples=200, deadline=None)
def test_one_hour_is_one_hour_in_any_number_of_steps(storage: Storage, share: float, start: float, n: int) -> None:
    stored = at(storage.floor_kwh + start * (storage.ceiling_kwh - storage.floor_kwh))
    low, high = limits_kw(stored, storage, 1.0)
    power = np.where(share >= 0, share * high, -share * low)
    once, _ = move_kwh(stored, power, storage, 1.0)
    many = stored
    for _ in range(n):
        many, _ = move_kwh(many, power, storage, 1.0 / n)
    assert many[0] == pytest.approx(once[0], abs=1e-9)


@given(storages, steps_h, st.floats(0, 1), st.floats(-1, 1), st.floats(-1, 1))
@settings(max_examples=100, deadline=None)
def test_wishing_more_draws_more(storage: Storage, step_h: float, start: float, a: float, b: float) -> None:
    stored = at(storage.floor_kwh + start * (storage.ceiling_kwh - storage.floor_kwh))
    low, high = limits_kw(stored, storage, step_h)
    powers = [float(x * high[0] if x >= 0 else -x * low[0]) for x in sorted((a, b))]
    assert powers[0] <= powers[1] + 1e-12


def test_resting_only_loses_what_it_leaks() -> None:
    leaky = Storage(1.0, 10.0, 5.0, 5.0, 0.9, 0.9, 0.01)
    after, loss = move_kwh(at(1.0), at(0.0), leaky, 2.0)
    assert after[0] == pytest.approx(0.99**2)
    assert limits_kw(after, leaky, 1.0)[0][0] == 0  # below its floor it cannot release
    assert loss[0] == pytest.approx(1 - 0.99**2)


def test_rows_do_not_depend_on_each_other() -> None:
    rng = np.random.default_rng(3)
    energy = rng.uniform(0, 13.5, (7, 5))
    whole = limits_kw(energy, HOME, 0.25)
    for e in range(7):
        for i in range(5):
            alone = limits_kw(energy[e : e + 1, i : i + 1], HOME, 0.25)
            assert (alone[0][0, 0], alone[1][0, 0]) == (whole[0][e, i], whole[1][e, i])
