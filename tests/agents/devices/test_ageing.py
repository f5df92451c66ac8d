"""Ageing: wear by depth against worked numbers, and capacity that only falls."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.agents.devices.ageing import Age, Ageing, calendar_kwh, life_used, wear_cur_per_kwh, wear_of
from gridbazaar.agents.devices.batteries import Fate, Packs, storage_of
from gridbazaar.agents.kind import Now, Series
from gridbazaar.agents.kinds import battery


def at(*values: float) -> np.ndarray:
    return np.array(values, np.float64)[None]


def run(stored: list[float], config: Ageing, new_kwh: float = 10.0) -> tuple[Age, list[float]]:
    """Let the stored energy go through a list; give the age after it and the wear of each step."""
    age, wear = Age(at(new_kwh), at(0.0)), []
    for before, after in pairwise(stored):
        age, cur = wear_of(at(before), at(after), at(after - before), age, at(new_kwh), config, 1.0)
        wear.append(0.0 if cur is None else float(cur[0, 0]))
    return age, wear


DEPTH = Ageing(wear="depth", replacement_cur_per_kwh=250.0)


def test_a_full_cycle_uses_the_worked_share_of_a_life() -> None:
    assert life_used(np.array([1.0, 0.5]))[0] == pytest.approx(5.24e-4)
    assert life_used(np.array([0.5]))[0] == pytest.approx(5.24e-4 * 0.5**2.03)
    _, wear = run([0.0, 10.0, 0.0], DEPTH)
    assert sum(wear) == pytest.approx(5.24e-4 * 10 * 250)  # two half cycles of full depth
    assert wear_cur_per_kwh(DEPTH, 0.04) == pytest.approx(0.131)
    assert wear_cur_per_kwh(Ageing(), 0.04) == 0.04


def test_half_a_cycle_costs_the_same_in_any_number_of_steps() -> None:
    _, once = run([2.0, 8.0], DEPTH)
    _, many = run([2.0, 3.0, 5.0, 5.0, 7.5, 8.0], DEPTH)
    assert sum(once) == pytest.approx(0.5 * 5.24e-4 * 0.6**2.03 * 10 * 250)
    assert sum(many) == pytest.approx(sum(once))
    assert many[2] == 0  # a rest costs nothing and ends no cycle


def test_what_leaks_in_a_rest_ends_no_half_cycle() -> None:
    age, wear = Age(at(10.0), at(0.0)), []
    for before, after, drawn in ((2.0, 5.0, 3.2), (5.0, 4.99, 0.0), (4.99, 8.0, 3.2)):
        age, cur = wear_of(at(before), at(after), at(drawn), age, at(10.0), DEPTH, 1.0)
        assert cur is not None
        wear.append(float(cur[0, 0]))
    assert wear[1] == 0
    assert sum(wear) == pytest.approx(0.5 * 5.24e-4 * 0.601**2.03 * 10 * 250)


def test_a_turning_point_begins_a_new_half_cycle() -> None:
    _, wear = run([2.0, 8.0, 5.0], DEPTH)
    assert wear[1] == pytest.approx(0.5 * 5.24e-4 * 0.3**2.03 * 10 * 250)


def test_two_shallow_cycles_wear_less_than_a_deep_one() -> None:
    _, deep = run([0.0, 10.0, 0.0], DEPTH)
    _, shallow = run([0.0, 5.0, 0.0, 5.0, 0.0], DEPTH)
    assert sum(shallow) == pytest.approx(sum(deep) * 2 * 0.5**2.03)


@pytest.mark.parametrize(("soc", "per_day"), [(0.2, 2.62e-5), (0.5, 4.48e-5), (0.9, 6.96e-5)])
def test_standing_full_ages_as_in_the_published_model(soc: float, per_day: float) -> None:
    """EV2Gym's figures at 298.15 K and two years of age, over its figure at half charge."""
    config = Ageing(calendar_per_year=0.015)
    age = Age(at(10.0), at(0.0))
    lost = calendar_kwh(at(10.0 * soc), age, at(10.0), config, 8766.0)
    assert lost[0, 0] == pytest.approx(0.15 * per_day / 4.48e-5, rel=2e-3)


def test_ten_degrees_more_age_a_battery_about_twice_as_fast() -> None:
    age = Age(at(10.0), at(0.0))
    cool, warm = (
        calendar_kwh(at(5.0), age, at(10.0), Ageing(calendar_per_year=0.015, temperature_c=c), 24.0)[0, 0]
        for c in (25.0, 35.0)
    )
    assert warm / cool == pytest.approx(np.exp(-6976 * (1 / 308.15 - 1 / 298.15)))
    assert 2.0 < warm / cool < 2.3


def test_a_life_of_full_cycles_takes_a_fifth_of_the_capacity() -> None:
    config = Ageing(fades=True, life_cycles=100.0)
    age, _ = run([0.0] + [10.0, 0.0] * 100, config)
    assert age.capacity_kwh[0, 0] == pytest.approx(8.0)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.sampled_from(["throughput", "depth"]), st.booleans())
@settings(max_examples=100, deadline=None)
def test_capacity_never_grows_and_wear_is_never_negative(path: list[float], wear: str, fades: bool) -> None:
    config = Ageing(wear=wear, fades=fades, life_cycles=50.0, calendar_per_year=2.0)
    age, before = Age(at(10.0), at(0.0)), at(10.0 * path[0])
    for share in path[1:]:
        after = share * age.capacity_kwh
        older, cur = wear_of(before, after, after - before, age, at(10.0), config, 1.0)
        assert older.capacity_kwh[0, 0] < age.capacity_kwh[0, 0]
        assert cur is None or cur[0, 0] >= 0
        assert abs(older.swing_frac[0, 0]) <= 1 + 1e-9
        age, before = older, np.minimum(after, older.capacity_kwh)


def one_battery(config: battery.Config, capacity_kwh: float, fate: Fate | None = None) -> tuple[Any, Any, Series]:
    params = Packs(at(capacity_kwh), at(1.0), config, fate or Fate())
    nothing = np.zeros((1, 24))
    return params, battery.KIND.start(params), Series(nothing, nothing, nothing, nothing, nothing, nothing, 1.0, 24)


def test_a_full_battery_that_fades_loses_what_it_cannot_hold() -> None:
    config = battery.Config(loss_per_h=0.0, ageing=Ageing(calendar_per_year=50.0))
    params, device, series = one_battery(config, 10.0)
    for t in range(24):
        now = Now(series, np.array([t]), np.array([t]))
        view = battery.KIND.view(device, params, now)
        rest = battery.KIND.plan(np.zeros((1, 1, 2)), view)
        moved = battery.KIND.move(
            battery.KIND.meters(0 * view.high_kw, rest, view, device, params, now), rest, view, device, params, now
        )
        assert moved.device.energy_kwh[0, 0] <= moved.device.age.capacity_kwh[0, 0]
        assert moved.loss_kwh is not None
        assert moved.loss_kwh[0, 0] == pytest.approx(device.energy_kwh[0, 0] - moved.device.energy_kwh[0, 0])
        device = moved.device
    assert device.energy_kwh[0, 0] == device.age.capacity_kwh[0, 0] < 9.0
    assert battery.KIND.view(device, params, now).capacity_kwh[0, 0] == device.age.capacity_kwh[0, 0]


def test_an_episode_begins_with_the_drawn_health() -> None:
    config = battery.Config(ageing=Ageing(health=(0.8, 0.9)))
    params, device, _ = one_battery(config, 10.0, Fate(health=at(0.85)))
    assert device.age.capacity_kwh[0, 0] == pytest.approx(8.5)
    assert storage_of(params).ceiling_kwh[0, 0] == pytest.approx(8.5)
    assert storage_of(params).charge_kw[0, 0] == pytest.approx(5.0)  # ratings do not fade


@pytest.mark.parametrize(
    ("options", "field", "came"),
    [
        ({"eta_ch": -0.9}, "battery.eta_ch", "-0.9"),
        ({"eta_dis": 0.0}, "battery.eta_dis", "0.0"),
        ({"reserve_frac": 1.2}, "battery.reserve_frac", "1.2"),
        ({"release_taper_frac": 1.0}, "battery.release_taper_frac", "1.0"),
        ({"ageing": Ageing(health=(0.9, 1.1))}, "battery.ageing.health", "1.1"),
        ({"ageing": Ageing(wear="rainflow")}, "battery.ageing.wear", "rainflow"),
        ({"ageing": Ageing(life_cycles=0.0)}, "battery.ageing.life_cycles", "0.0"),
        ({"ageing": Ageing(calendar_per_year=-0.1)}, "battery.ageing.calendar_per_year", "-0.1"),
    ],
)
def test_what_no_battery_has_is_refused_with_field_and_value(options: dict[str, Any], field: str, came: str) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        battery.Config(**options)
    assert field in str(error.value)
    assert came in str(error.value)


def test_losses_that_eat_everything_are_refused() -> None:
    fine = battery.Config().converter
    for bad in (replace(fine, k2=0.3), replace(fine, k1=1.0), replace(fine, k0=1.0), replace(fine, k0=-0.1)):
        with pytest.raises(ValueError, match=r"battery\.converter.*expected"):
            battery.Config(converter=bad)
