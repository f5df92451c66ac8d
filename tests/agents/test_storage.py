"""The storage kernel: worked cases with their numbers, and what holds for any storage."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.agents.storage import (
    Converter,
    Storage,
    best_efficiencies,
    kept_back_kwh,
    limits_kw,
    move_kwh,
    two_stage_soc,
)

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
converters = st.builds(Converter, st.floats(0, 0.02), st.floats(0, 0.05), st.floats(0, 0.15))
with_converters = st.builds(lambda storage, converter: replace(storage, converter=converter), storages, converters)
with_options = st.builds(
    lambda storage, taper, release, converter: replace(
        storage, taper_frac=taper, release_taper_frac=release, converter=converter
    ),
    storages, st.sampled_from([1.0, 0.9, 0.5]), st.sampled_from([0.0, 0.05, 0.3]), st.none() | converters,
)  # fmt: skip
steps_h = st.sampled_from([1 / 12, 0.25, 0.5, 1.0])


@given(with_options, steps_h, st.floats(0, 1), st.lists(st.floats(-1, 1), min_size=1, max_size=40))
@settings(max_examples=300, deadline=None)
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


@given(storages | with_converters, st.floats(-1, 1), st.floats(0.2, 0.8), st.sampled_from([2, 4, 12]))
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


@given(with_options, steps_h, st.floats(0, 1), st.floats(-1, 1), st.floats(-1, 1))
@settings(max_examples=100, deadline=None)
def test_wishing_more_draws_more(storage: Storage, step_h: float, start: float, a: float, b: float) -> None:
    stored = at(storage.floor_kwh + start * (storage.ceiling_kwh - storage.floor_kwh))
    low, high = limits_kw(stored, storage, step_h)
    powers = [float(x * high[0] if x >= 0 else -x * low[0]) for x in sorted((a, b))]
    assert powers[0] <= powers[1] + 1e-12
    after = [move_kwh(stored, at(power), storage, step_h)[0][0] for power in powers]
    assert after[0] <= after[1] + 1e-9


@given(with_options, steps_h, st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_resting_moves_nothing_but_what_leaks(storage: Storage, step_h: float, start: float) -> None:
    stored = at(storage.floor_kwh + start * (storage.ceiling_kwh - storage.floor_kwh))
    after, loss = move_kwh(stored, at(0.0), storage, step_h)
    assert after[0] == pytest.approx(stored[0] * (1 - storage.loss_per_h) ** step_h, rel=1e-12)
    assert loss[0] == pytest.approx(stored[0] - after[0], abs=1e-12)


@given(with_options, steps_h, st.lists(st.floats(0, 1), min_size=2, max_size=6))
@settings(max_examples=50, deadline=None)
def test_no_row_depends_on_another_with_any_option(storage: Storage, step_h: float, starts: list[float]) -> None:
    stored = at(*(storage.floor_kwh + s * (storage.ceiling_kwh - storage.floor_kwh) for s in starts))
    low, high = limits_kw(stored, storage, step_h)
    after, loss = move_kwh(stored, low, storage, step_h)
    for i in range(len(starts)):
        alone = limits_kw(stored[i : i + 1], storage, step_h)
        assert (alone[0][0], alone[1][0]) == (low[i], high[i])
        assert [x[0] for x in move_kwh(stored[i : i + 1], alone[0], storage, step_h)] == [after[i], loss[i]]


INVERTER = Converter(0.0072, 0.0, 0.0345)


def test_a_converter_has_the_worked_efficiencies() -> None:
    """5 kW: 1 + 0.0072 + 0.0345 times the DC power is drawn at full power, 0.93 of a tenth arrives."""
    storage = Storage(0.0, 1000.0, 5.0, 5.0, 1.0, 1.0, converter=INVERTER)
    for dc_kw, efficiency in ((4.7, 0.96145), (2.5, 0.96932), (0.5, 0.92984)):
        meter_kw = dc_kw + 5 * 0.0072 + 0.0345 * dc_kw**2 / 5
        after, loss = move_kwh(at(0.0), at(meter_kw), storage, 1.0)
        assert after[0] == pytest.approx(dc_kw, rel=1e-12)
        assert after[0] / meter_kw == pytest.approx(efficiency, abs=1e-5)
        assert loss[0] == pytest.approx(meter_kw - dc_kw, rel=1e-12)
        sent_kw = dc_kw - 5 * 0.0072 - 0.0345 * dc_kw**2 / 5
        after, loss = move_kwh(at(10.0), at(-sent_kw), storage, 1.0)
        assert 10.0 - after[0] == pytest.approx(dc_kw, rel=1e-12)
        assert loss[0] == pytest.approx(dc_kw - sent_kw, rel=1e-9)


def test_a_converter_fills_and_empties_to_the_last_watt_hour() -> None:
    storage = Storage(1.0, 4.0, 5.0, 5.0, 0.98, 0.97, 1e-4, converter=INVERTER)
    _, high = limits_kw(at(2.0), storage, 1.0)
    assert high[0] < 5
    assert move_kwh(at(2.0), high, storage, 1.0)[0][0] == pytest.approx(4.0, abs=1e-12)
    low, _ = limits_kw(at(3.0), storage, 1.0)
    assert low[0] > -5
    assert move_kwh(at(3.0), low, storage, 1.0)[0][0] == pytest.approx(1.0, abs=1e-12)


def test_what_a_converter_would_eat_up_is_off() -> None:
    storage = Storage(0.0, 10.0, 5.0, 5.0, 1.0, 1.0, converter=INVERTER)
    assert limits_kw(at(0.035), storage, 1.0)[0][0] == 0  # 0.036 kW are lost without load
    assert limits_kw(at(0.04), storage, 1.0)[0][0] == pytest.approx(-0.004, abs=2e-5)
    assert limits_kw(at(9.97), storage, 1.0)[1][0] == 0
    after, loss = move_kwh(at(5.0), at(0.03), storage, 1.0)  # what the wires leave of a larger draw
    assert (after[0], loss[0]) == (5.0, 0.03)


@given(with_converters, st.floats(0.01, 1))
@settings(max_examples=100, deadline=None)
def test_no_power_beats_the_best_efficiencies(storage: Storage, share: float) -> None:
    best_ch, best_dis = best_efficiencies(storage)
    power_kw = share * max(storage.charge_kw, storage.discharge_kw)
    gained = move_kwh(at(1.0), at(power_kw), replace(storage, loss_per_h=0.0), 1.0)[0][0] - 1.0
    assert gained <= power_kw * best_ch + 1e-9
    spent = 1.0 - move_kwh(at(1.0), at(-power_kw), replace(storage, loss_per_h=0.0), 1.0)[0][0]
    assert spent * best_dis >= power_kw - 1e-9


def test_the_best_efficiency_is_reached() -> None:
    storage = Storage(0.0, 1e6, 5.0, 5.0, 0.98, 0.97, converter=INVERTER)
    best_dc_kw = 5 * (0.0072 / 0.0345) ** 0.5
    meter_kw = best_dc_kw + 5 * 0.0072 + 0.0345 * best_dc_kw**2 / 5
    after, _ = move_kwh(at(0.0), at(meter_kw), storage, 1.0)
    assert after[0] / meter_kw == pytest.approx(best_efficiencies(storage)[0], rel=1e-12)


def test_options_that_are_off_change_no_bit() -> None:
    """The plain kernel, written out once more."""
    rng = np.random.default_rng(0)
    capacity, energy = rng.uniform(1, 20, (50, 4)), rng.uniform(0, 1, (50, 4))
    energy = energy * capacity
    storage = Storage(0.1, capacity, capacity / 2, capacity / 3, 0.95, 0.93, 1e-4)
    rate = -math.log1p(-1e-4)
    kept = math.exp(-rate * 0.25)
    hours = (1 - kept) / rate
    low, high = limits_kw(energy, storage, 0.25)
    left = kept * energy
    plain_high = np.minimum(np.maximum(capacity - left, 0.0) / (0.95 * hours), capacity / 2)
    plain_low = -np.minimum(np.maximum(left - 0.1, 0.0) * 0.93 / hours, capacity / 3)
    assert (high == plain_high).all()
    assert (low == plain_low).all()
    power = rng.uniform(low, high)
    after, loss = move_kwh(energy, power, storage, 0.25)
    plain = left + (np.maximum(power, 0.0) * 0.95 + np.minimum(power, 0.0) / 0.93) * hours
    assert (after == plain).all()
    assert (loss == power * 0.25 - (plain - energy)).all()


def test_a_stationary_battery_tapers_at_both_ends() -> None:
    """Below the knee a release at full power falls off exponentially: what is left after an hour is exact."""
    storage = Storage(0.0, 10.0, 5.0, 5.0, 1.0, 1.0, taper_frac=0.9, release_taper_frac=0.2)
    assert limits_kw(at(5.0), storage, 0.25)[1][0] == pytest.approx(5.0)
    assert limits_kw(at(9.5), storage, 0.25)[1][0] < 2.0
    low, _ = limits_kw(at(1.0), storage, 0.25)  # power is 5 kW x energy / 2 kWh
    assert -low[0] * 0.25 == pytest.approx(1.0 - math.exp(-5 / 2 * 0.25), rel=1e-9)
    assert limits_kw(at(5.0), storage, 0.25)[0][0] == pytest.approx(-5.0)


@pytest.mark.parametrize("step_h", [1 / 12, 0.25, 0.5, 1.0])
def test_the_kernel_runs_on_torch_with_all_options(step_h: float) -> None:
    torch = pytest.importorskip("torch")
    energy = np.linspace(0, 13.5, 9)
    storage = replace(HOME, taper_frac=0.9, release_taper_frac=0.1, converter=INVERTER, loss_per_h=1e-4)
    low, high = limits_kw(energy, storage, step_h)
    low_t, high_t = limits_kw(torch.as_tensor(energy), storage, step_h)
    np.testing.assert_allclose(low_t.numpy(), low, atol=1e-12)
    np.testing.assert_allclose(high_t.numpy(), high, atol=1e-12)
    after, loss = move_kwh(energy, low, storage, step_h)
    after_t, loss_t = move_kwh(torch.as_tensor(energy), low_t, storage, step_h)
    np.testing.assert_allclose(after_t.numpy(), after, atol=1e-12)
    np.testing.assert_allclose(loss_t.numpy(), loss, atol=1e-12)


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


def test_what_is_kept_back_for_a_release_after_a_wait_is_worked_out_by_hand() -> None:
    """2 kW for an hour and a half are 3 kWh, 3.75 in a store of 80 %; who holds nothing keeps the floor.

    Losing half an hour, wait and release leave 0.5 ** 2.5 of it, and 2 kW weigh (1 - 0.5 ** 1.5) / ln 2 hours.
    """
    store = Storage(1.0, 10.0, 5.0, 5.0, 0.9, 0.8)
    kept = kept_back_kwh(at(2.0, 0.0), store, at(1.0, 1.0), at(1.5, 1.5))
    assert kept.tolist() == pytest.approx([1.0 + 3.75, 1.0], abs=1e-12)
    leaky = kept_back_kwh(at(2.0, 0.0), replace(store, loss_per_h=0.5), at(1.0, 1.0), at(1.5, 1.5))
    counted = (1 - 0.5**1.5) / math.log(2)
    assert leaky.tolist() == pytest.approx([(1.0 + 2.5 * counted) / 0.5**2.5, 1.0], abs=1e-12)


@pytest.mark.parametrize("part", ["k0", "k1", "k2"])
def test_each_part_of_a_converter_loses(part: str) -> None:
    assert Converter(**{part: 0.01}).loses
    assert not Converter().loses
