"""Cars one after another at a charger: energy, guarantees and the week of a fleet."""

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from gridbazaar.agents.devices.cars import visits
from gridbazaar.agents.devices.cars.charging import needed_before_kwh
from gridbazaar.agents.kinds import ev
from gridbazaar.agents.storage import Storage, limits_kw, move_kwh
from gridbazaar.data.bank import Sessions
from gridbazaar.data.synthetic.away_sessions import PLACES, make_away_sessions
from gridbazaar.data.synthetic.home_sessions import make_sessions
from tests.agents.driving import Week, draw_of, params_of, play
from tests.quick import only

STEPS_MIN = st.sampled_from([5, 15, 30, 60])
CONFIGS: list[dict[str, Any]] = [
    {},
    {"taper_frac": 0.8, "target_frac": 0.95, "min_kw": 0.0},
    {"keep_arrival": True, "onboard_kw": (3.7, 7.4), "min_kw": 4.14 / 3},
    {"guarantee": False, "early_share": 0.3, "announced_sd_h": 1.0, "late_sd_h": 0.5},
]
SOME = settings(max_examples=5, deadline=None)


@lru_cache
def sessions_of(place: str, step_h: float) -> Sessions:
    if place == "home":
        return make_sessions(3, 16, 12, step_h)
    return make_away_sessions(PLACES[place], 3, np.datetime64("2024-01-01"), 16, 12, step_h)


def a_week(config: ev.Config, place: str, step_min: int, seed: int, days: int = 7) -> tuple[ev.Params, Week]:
    step_h = step_min / 60
    n_steps = round(days * 24 / step_h)
    params = ev.draw(config, draw_of(sessions_of(place, step_h), 2, step_h, n_steps, day=1, start_h=12.0, seed=seed))
    rng = np.random.default_rng(seed)
    return params, play(params, step_h, n_steps, lambda view, t: rng.uniform(-1.5, 1.5, view.firm_kw.shape))


@pytest.mark.parametrize("place", only(["workplace"], ["home", "workplace", "public"]))
@pytest.mark.parametrize("options", CONFIGS)
@given(step_min=STEPS_MIN, seed=st.integers(0, 99))
@SOME
def test_a_plugged_car_stays_within_its_battery_and_loses_no_energy(
    place: str, options: dict[str, Any], step_min: int, seed: int
) -> None:
    config = ev.Config(count=5, **options)
    params, week = a_week(config, place, step_min, seed, days=1)
    rises = week.energy_kwh[1:] - week.energy_kwh[:-1]
    assert (week.loss_kwh >= -1e-9).all()
    assert (week.drawn_kwh[~week.is_active] == 0).all()
    assert (week.energy_kwh >= -1e-9).all()
    assert (week.energy_kwh <= params.visits.capacity_kwh.max() + 1e-5).all()
    # What is stored is what was drawn less losses, but where a car leaves and the next one is looked at.
    stays = (week.visit[1:] == week.visit[:-1]).all(axis=(1, 2))
    np.testing.assert_allclose(rises[:-1][stays], (week.drawn_kwh - week.loss_kwh)[:-1][stays], atol=1e-9)
    most_kw = config.charge_kw if config.onboard_kw is None else config.onboard_kw[1]
    assert week.drawn_kwh.max() <= most_kw * step_min / 60 + 2e-6
    assert week.drawn_kwh.min() >= -config.discharge_kw * step_min / 60 - 2e-6


@given(step_min=STEPS_MIN, seed=st.integers(0, 99), options=st.sampled_from(CONFIGS[:3]))
@SOME
def test_with_the_guarantee_no_car_leaves_short_of_what_can_be_had(
    step_min: int, seed: int, options: dict[str, Any]
) -> None:
    for place in ("home", "workplace"):
        _, week = a_week(ev.Config(count=5, **options), place, step_min, seed, days=3)
        assert week.short_kwh.max() == 0


@given(step_min=STEPS_MIN, seed=st.integers(0, 99))
@SOME
def test_the_energy_of_a_fleet_balances_over_a_week(step_min: int, seed: int) -> None:
    config = ev.Config(count=6, guarantee=False, public_cur_per_kwh=0.55, trip_floor_frac=0.3)
    params, week = a_week(config, "home", step_min, seed)
    visits = params.visits
    assert visits.n >= 5
    charged, released = np.maximum(week.drawn_kwh, 0.0).sum(0), np.maximum(-week.drawn_kwh, 0.0).sum(0)
    gone = week.visit[-1]
    driven = np.where(np.arange(visits.n) <= gone[:, :, None], visits.trip_kwh * (np.arange(visits.n) > 0), 0.0).sum(2)
    public = week.upkeep_cur.sum(0) / 0.55
    stored = week.energy_kwh[-1] - week.energy_kwh[0]
    assert public.max() > 0
    np.testing.assert_allclose(charged * config.eta_ch - released / config.eta_dis - driven + public, stored, atol=1e-6)


@given(step_min=STEPS_MIN, seed=st.integers(0, 99))
@SOME
def test_a_car_away_only_changes_by_its_trip(step_min: int, seed: int) -> None:
    params, week = a_week(ev.Config(count=4), "home", step_min, seed)
    away = ~week.is_active
    changes = (week.energy_kwh[1:] - week.energy_kwh[:-1])[away]
    assert (changes == 0).all()
    env, car = 0, 0
    last = np.flatnonzero(np.diff(week.visit[:, env, car])) + 1
    for i, t in enumerate(last):
        left_with = week.energy_kwh[t - 1, env, car] + (week.drawn_kwh - week.loss_kwh)[t - 1, env, car]
        trip_kwh = params.visits.trip_kwh[env, car, i + 1]
        assert week.energy_kwh[t, env, car] == pytest.approx(max(left_with - trip_kwh, 0.1 * _capacity(params)[0, 0]))


def _capacity(params: ev.Params) -> np.ndarray:
    capacity: np.ndarray = params.capacity_kwh
    same_car = (params.visits.capacity_kwh == capacity[:, :, None]) | (params.visits.arrive >= params.visits.depart)
    assert same_car.all()  # all week
    return capacity


def test_the_state_of_charge_persists_from_session_to_session() -> None:
    config = ev.Config(guarantee=False, min_kw=0.0, eta_ch=1.0, charge_kw=8.0)
    first, second = {"depart": 4}, {"arrive": 6, "depart": 12, "is_same_car": True, "trip_kwh": 7.0, "arrival_kwh": 1.0}
    week = play(params_of(config, first, second), 1.0, 12, lambda view, t: float(t == 0))
    energy = week.energy_kwh[:, 0, 0].tolist()
    assert energy == [24.0, 32.0, 32.0, 32.0, *[25.0] * 9]
    assert week.short_kwh[:, 0, 0].nonzero()[0].tolist() == [3, 11]
    assert week.short_kwh[[3, 11], 0, 0].tolist() == [16.0, 23.0]
    assert week.upkeep_cur.sum() == 0


def test_what_a_trip_lacks_is_charged_in_public_and_paid() -> None:
    config = ev.Config(guarantee=False, trip_floor_frac=0.1, public_cur_per_kwh=0.55)
    params = params_of(
        config, {"depart": 4}, {"arrive": 6, "depart": 12, "is_same_car": True, "trip_kwh": 28.0}
    )  # fmt: skip
    week = play(params, 1.0, 12, lambda view, t: 0.0)
    assert week.energy_kwh[4:, 0, 0].tolist() == [6.0] * 9  # a tenth of 60 kWh; the trip took it to -4
    assert week.upkeep_cur[:, 0, 0].tolist() == [0.0] * 3 + [pytest.approx(10 * 0.55)] + [0.0] * 8


def test_another_car_brings_its_own_energy() -> None:
    params = params_of(ev.Config(guarantee=False), {"depart": 4}, {"arrive": 4, "depart": 8, "arrival_kwh": 11.0})
    week = play(params, 1.0, 8, lambda view, t: 0.0)
    assert week.energy_kwh[:, 0, 0].tolist() == [24.0] * 4 + [11.0] * 5
    assert week.is_active.all()


def test_who_leaves_early_lacks_what_was_planned_for_later() -> None:
    early = params_of(ev.Config(min_kw=0.0), {"depart": 7, "announced": 10})
    as_said = params_of(ev.Config(min_kw=0.0), {"depart": 10, "announced": 10})
    short, whole = (play(p, 1.0, 10, lambda view, t: 0.0) for p in (early, as_said))
    assert np.array_equal(short.drawn_kwh[:7], whole.drawn_kwh[:7])  # nobody knew
    assert np.array_equal(short.left_h[:7], whole.left_h[:7])
    assert short.short_kwh[6, 0, 0] == pytest.approx(48.0 - short.energy_kwh[7, 0, 0])
    assert whole.short_kwh.sum() == 0


def test_who_stays_longer_is_charged_by_the_announced_departure() -> None:
    week = play(params_of(ev.Config(min_kw=0.0), {"depart": 10, "announced": 5}), 1.0, 10, lambda view, t: 0.0)
    assert week.energy_kwh[5, 0, 0] == pytest.approx(48.0, abs=1e-3)
    assert week.left_h[:, 0, 0].tolist() == [5.0, 4.0, 3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_shortfall_has_a_price_that_rises_with_its_square() -> None:
    params = params_of(ev.Config(guarantee=False, short_cur_per_kwh2=0.05), {"depart": 4})
    week = play(params, 1.0, 5, lambda view, t: 0.0)
    assert week.short_kwh[:, 0, 0].tolist() == [0.0, 0.0, 0.0, 24.0, 0.0]
    assert week.discomfort_cur[3, 0, 0] == pytest.approx(0.05 * 24.0**2)


def test_no_car_gives_what_it_did_not_have_on_arrival() -> None:
    def give(view: Any, t: int) -> float:
        return 1.0 if t < 2 else -1.0

    usual = params_of(ev.Config(guarantee=False, min_kw=0.0), {"required_kwh": 0.0})
    kept = params_of(ev.Config(guarantee=False, min_kw=0.0, keep_arrival=True), {"required_kwh": 0.0})
    low, floor = (play(p, 1.0, 9, give).energy_kwh.min() for p in (usual, kept))
    assert low == pytest.approx(12.0, abs=1e-5)  # the floor of 20 % of 60 kWh
    assert floor == pytest.approx(24.0, abs=1e-5)


def test_the_smaller_of_charger_and_car_limits_the_power() -> None:
    params = params_of(ev.Config(charge_kw=11.0, min_kw=0.0), {"charge_kw": 3.7})
    week = play(params, 1.0, 10, lambda view, t: 1.0)
    assert week.drawn_kwh.max() == pytest.approx(3.7)


@pytest.mark.parametrize("step_h", [1 / 12, 0.25, 0.5, 1.0])
def test_full_power_from_the_last_moment_just_reaches_the_target_through_the_taper(step_h: float) -> None:
    charger = Storage(0.0, 60.0, 11.0, 0.0, 0.9, 0.9, taper_frac=0.8)
    energy_kwh = needed_before_kwh(np.array([57.0]), 60.0, 11.0 * 0.9, 3.0, 0.8)
    assert energy_kwh[0] < 57.0 - 0.8 * 3.0
    for _ in range(round(3.0 / step_h)):
        energy_kwh, _ = move_kwh(energy_kwh, limits_kw(energy_kwh, charger, step_h)[1], charger, step_h)
    assert energy_kwh[0] == pytest.approx(57.0, abs=1e-9)


def test_rows_do_not_depend_on_each_other() -> None:
    config, sessions = ev.Config(count=4, early_share=0.5, late_sd_h=0.5), sessions_of("workplace", 0.25)
    many = ev.draw(config, draw_of(sessions, 5, 0.25, 96, day=2, start_h=4.0)).visits
    few = ev.draw(config, draw_of(sessions, 3, 0.25, 96, day=2, start_h=4.0)).visits
    for name in type(many).__slots__:
        assert np.array_equal(getattr(many, name)[:3], getattr(few, name)), name


def test_an_episode_that_cuts_a_session_counts_its_share() -> None:
    def row(*values: float) -> np.ndarray:
        return np.array([values])

    present = np.array([[True, True]])
    sessions = Sessions(
        present, row(20.0, 40.0), row(30.0, 56.0), row(10.0, 16.0), row(30.0, 56.0), row(0, 0), ~present
    )  # fmt: skip
    visits = ev.draw(ev.Config(count=1), draw_of(sessions, 1, 1.0, 24, day=1, start_h=0.0)).visits
    assert visits.arrive[0, 0].tolist() == [0, 16]
    assert visits.depart[0, 0].tolist() == [6, 24]
    lacks = (visits.required_kwh - visits.arrival_kwh)[0, 0]
    assert lacks == pytest.approx([6.0, 8.0])


def test_the_car_of_a_visit_keeps_its_charger_and_its_battery() -> None:
    config = ev.Config(count=6, charge_kw=7.4, onboard_kw=(3.7, 11.0))
    for place, changes in (("home", False), ("workplace", True)):
        visits = ev.draw(config, draw_of(sessions_of(place, 0.25), 4, 0.25, 7 * 96, day=1)).visits
        used = visits.depart > visits.arrive
        assert visits.charge_kw[used].min() >= 3.7
        assert visits.charge_kw[used].max() == 7.4
        assert (visits.charge_kw[used] < 7.4).any()
        for values in (visits.capacity_kwh, visits.charge_kw):
            others = (values != values[:, :, :1])[used]
            assert others.any() == changes


def test_cars_come_late_and_leave_early_by_what_is_drawn() -> None:
    """Two cars, from 18 to 20 h and from 21 to 23 h. One standard deviation later is 2 h; who leaves early, by up to 4.

    A car stays for a step of half an hour at least, and comes no sooner than the one before has left.
    """
    numbers = {
        "ev.late": [norm.cdf(0.5), norm.cdf(5.0), norm.cdf(-0.25), norm.cdf(-5.0)],
        "ev.announced": [norm.cdf(1.0)] * 4, "ev.early": [0.4, 0.6, 0.4, 0.6], "ev.early_h": [0.2, 0.2, 0.9, 0.9],
    }  # fmt: skip
    draw: Any = SimpleNamespace(unit=lambda stream, n: np.array(numbers[stream]), step_h=0.5)
    config = SimpleNamespace(late_sd_h=2.0, announced_sd_h=1.5, early_share=0.5, early_h=4.0)
    come, leave = np.array([[[18.0, 21.0], [18.0, 21.0]]]), np.array([[[20.0, 23.0], [20.0, 23.0]]])
    comes, leaves, says = visits._spread(config, draw, 2, 2, come, leave, leave)
    np.testing.assert_allclose(comes, [[[19.0, 22.5], [17.5, 20.0]]], atol=1e-9)
    np.testing.assert_allclose(leaves, [[[19.5, 23.0], [18.0, 23.0]]], atol=1e-9)
    np.testing.assert_allclose(says, leave + 1.5, atol=1e-9)


def test_what_no_car_can_leave_is_written_down_step_by_step() -> None:
    """A car of 60 kWh comes with 24, leaves after three steps with 48, drives 20 away and is back from the fifth on.

    Half an hour at 11 kW x 0.9 is 0.0825 of it; above 80 %, 0.4125 of the room left, of which exp(-0.4125) stays.
    """
    config = ev.Config(charge_kw=11.0, eta_ch=0.9, taper_frac=0.8, v2g_floor_frac=0.2, trip_floor_frac=0.1)
    params = params_of(config, {"depart": 3}, {"arrive": 5, "depart": 8, "is_same_car": True, "trip_kwh": 20.0})
    stays = visits.stays_of(params.visits, config, 10, 0.5)
    first, away, again, gone = [1] * 3, [0] * 2, [1] * 3, [0] * 2
    assert stays.is_plugged[0, 0].tolist() == first + away + again + gone
    assert stays.brings_kwh[0, 0].tolist() == [24, 0, 0, -20, 0, 0, 0, 0, 0, 0]
    assert stays.is_kept[0, 0].tolist() == [False] + [True] * 9
    assert stays.required_kwh[0, 0].tolist() == [0, 0, 48, 0, 0, 0, 0, 48, 0, 0]
    assert stays.floor_kwh[0, 0].tolist() == [12.0] * 3 + [6.0] * 7
    assert stays.charge_kw[0, 0].tolist() == [11.0] * 10
    assert stays.ceiling_kwh[0, 0].tolist() == [60.0] * 10
    np.testing.assert_allclose(stays.unfilled[0, 0], np.exp(-0.4125), rtol=1e-12)
    assert not stays.may_lack
