from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.data.bank import HISTORY_DAYS, Bank
from gridbazaar.data.forecast.autoregression import LEAST_DAYS, WINDOW_DAYS, regressed
from gridbazaar.data.forecast.forecast import WAYS, add_forecasts, forecast_by
from gridbazaar.data.generator import GeneratorConfig, make_bank

Floats = NDArray[np.float64]

LOADS = ("load_next_kw", "load_outlook_kw")
PVS = ("pv_next_kw_per_kwp", "pv_outlook_kw_per_kwp")


@pytest.fixture(scope="module", params=[15, 60])
def bank(request: pytest.FixtureRequest) -> Bank:
    return make_bank(GeneratorConfig(master=11, step_min=request.param, n_days=40, n_homes=3, n_roofs=2, n_cars=1))


def changed_from(bank: Bank, step: int) -> Bank:
    """Give the forecasts of a world that is another one from this step on."""
    load, pv = bank.load_kw.copy(), bank.pv_kw_per_kwp.copy()
    load[:, step:] = 7.0 - 0.5 * load[:, step:]
    pv[:, step:] = 0.1 + 3.0 * pv[:, step:]
    return add_forecasts(replace(bank, load_kw=load, pv_kw_per_kwp=pv))


@pytest.mark.parametrize("name", [*LOADS, *PVS])
@pytest.mark.parametrize("share", [0.03, 0.31, 0.5, 0.77])
def test_a_forecast_knows_the_past_only(bank: Bank, name: str, share: float) -> None:
    per_day = bank.steps_per_day
    step = int(share * bank.load_kw.shape[1])
    known = step + 1 if "next" in name else step + per_day  # what is forecast for these steps is known at `step`
    before: Floats = getattr(bank, name)
    after: Floats = getattr(changed_from(bank, step), name)
    assert np.array_equal(before[:, :known], after[:, :known])
    assert not np.array_equal(before[:, known:], after[:, known:])


def test_the_next_forecast_errs_like_those_of_real_homes() -> None:
    for master in (901, 902):
        bank = make_bank(GeneratorConfig(master=master, step_min=60, n_homes=24, n_roofs=4, n_cars=1))
        past = HISTORY_DAYS * bank.steps_per_day
        for name, low, high in (("load_next_kw", 0.40, 0.75), ("load_outlook_kw", 0.55, 0.95)):
            forecast: Floats = getattr(bank, name)
            error = (forecast - bank.load_kw)[:, past:]
            of_mean = np.sqrt((error**2).mean(axis=1)) / bank.load_kw.mean(axis=1)
            assert low < of_mean.min()
            assert of_mean.max() < high
            assert abs(error.mean()) < 0.02 * bank.load_kw.mean()


def test_the_nearer_forecast_is_the_better_one(bank: Bank) -> None:
    past = 15 * bank.steps_per_day
    for near, far, what in ((*LOADS, "load_kw"), (*PVS, "pv_kw_per_kwp")):
        truth: Floats = getattr(bank, what)[:, past:]
        errors = [float(((getattr(bank, name)[:, past:] - truth) ** 2).mean()) for name in (near, far)]
        assert errors[0] < 0.95 * errors[1]


def test_forecasts_are_never_negative_and_dark_at_night(bank: Bank) -> None:
    for name in (*LOADS, *PVS):
        forecast: Floats = getattr(bank, name)
        assert np.isfinite(forecast).all()
        assert forecast.min() >= 0
    midnight = bank.hour() < 3
    assert bank.pv_next_kw_per_kwp[:, midnight].max() == 0
    assert bank.pv_outlook_kw_per_kwp[:, midnight].max() == 0


def test_the_same_day_every_day_is_foreseen() -> None:
    bank = make_bank(GeneratorConfig(step_min=60, n_days=30, n_homes=2, n_roofs=2, n_cars=1))
    load, pv = np.tile(bank.load_kw[:, :24], 30), np.tile(bank.pv_kw_per_kwp[:, :24], 30)
    steady = add_forecasts(replace(bank, load_kw=load, pv_kw_per_kwp=pv))
    for name, truth in (*((name, load) for name in LOADS), *((name, pv) for name in PVS)):
        np.testing.assert_allclose(getattr(steady, name)[:, 24 * 10 :], truth[:, 24 * 10 :], atol=1e-9)


# Other ways to make them.

FROM_PAST = [way for way in WAYS if way != "perfect"]
WINDS = ("wind_next_m_per_s", "wind_outlook_m_per_s")


@pytest.mark.parametrize("way", FROM_PAST)
@pytest.mark.parametrize("share", [0.0, 0.002, 0.03, 0.31, 0.77])
def test_no_way_but_the_perfect_one_looks_ahead(bank: Bank, way: str, share: float) -> None:
    """Changing every value from a step on changes no forecast that was known before it."""
    step = int(share * bank.load_kw.shape[1])
    assert bank.wind_m_per_s is not None
    load, pv, wind = bank.load_kw.copy(), bank.pv_kw_per_kwp.copy(), bank.wind_m_per_s.copy()
    load[:, step:] = 7.0 - 0.5 * load[:, step:]
    pv[:, step:] = 0.1 + 3.0 * pv[:, step:]
    wind[step:] = 20.0 - wind[step:]
    other = add_forecasts(replace(bank, load_kw=load, pv_kw_per_kwp=pv, wind_m_per_s=wind))
    before, after = forecast_by(bank, way), forecast_by(other, way)
    for name in (*LOADS, *PVS, *WINDS):
        known = step + 1 if "next" in name else step + bank.steps_per_day
        left, right = (np.atleast_2d(getattr(b, name)) for b in (before, after))
        np.testing.assert_array_equal(left[:, :known], right[:, :known], name)
        assert not np.array_equal(left[:, known:], right[:, known:]), name


def test_the_usual_way_leaves_the_bank_as_it_is(bank: Bank) -> None:
    assert forecast_by(bank, "past") is bank


def test_the_perfect_way_errs_by_nothing(bank: Bank) -> None:
    found = forecast_by(bank, "perfect")
    for names, truth in ((LOADS, bank.load_kw), (PVS, bank.pv_kw_per_kwp), (WINDS, bank.wind_m_per_s)):
        for name in names:
            np.testing.assert_array_equal(getattr(found, name), truth)


@pytest.mark.parametrize("way", ["persistence", "ar"])
def test_no_end_of_a_forecast_is_padded_with_zeros(bank: Bank, way: str) -> None:
    """Homes draw and the wind blows in every step, so no forecast of them is zero, the first and last day included."""
    found, per_day = forecast_by(bank, way), bank.steps_per_day
    assert bank.wind_m_per_s is not None
    for name in (*LOADS, *WINDS):
        forecast = np.atleast_2d(getattr(found, name))
        assert forecast.shape[1] == bank.load_kw.shape[1]
        for day in (slice(None, per_day), slice(-per_day, None)):
            assert forecast[:, day].min() > 0, (name, day)
    for name in PVS:  # where the sun is up
        forecast = getattr(found, name)
        for day in (slice(None, per_day), slice(-per_day, None)):
            assert (forecast[:, day].max(axis=1) > 0).all(), (name, day)


def test_persistence_repeats_the_last_value_and_the_day_before(bank: Bank) -> None:
    found, per_day = forecast_by(bank, "persistence"), bank.steps_per_day
    np.testing.assert_array_equal(found.load_next_kw[:, 1:], bank.load_kw[:, :-1])
    np.testing.assert_array_equal(found.load_outlook_kw[:, per_day:], bank.load_kw[:, :-per_day])
    np.testing.assert_array_equal(found.pv_outlook_kw_per_kwp[:, per_day:], bank.pv_kw_per_kwp[:, :-per_day])


@pytest.mark.parametrize("way", WAYS)
def test_every_way_errs_like_a_forecast_of_a_home(way: str) -> None:
    """One hour ahead, root mean square over the home's mean load: 40 to 75 % for the mean home, none beyond 85 %."""
    bank = make_bank(GeneratorConfig(step_min=60, n_homes=24, n_roofs=2, n_cars=1))
    past = HISTORY_DAYS * bank.steps_per_day
    error = (forecast_by(bank, way).load_next_kw - bank.load_kw)[:, past:]
    of_mean = np.sqrt((error**2).mean(axis=1)) / bank.load_kw[:, past:].mean(axis=1)
    if way == "perfect":
        assert of_mean.max() == 0
    else:
        assert 0.40 < of_mean.mean() < 0.75
        assert of_mean.min() > 0.40
        assert of_mean.max() < 0.85


def test_a_fit_finds_the_rule_of_a_series_and_follows_its_change() -> None:
    """y(t) = 0.8 y(t-1) + 1 for sixty days, then 0.3 y(t-1) + 2: found again once the window has passed the change."""
    rng, per_day = np.random.default_rng(0), 24
    series = np.zeros((1, 120 * per_day))
    for t in range(1, series.shape[1]):
        phi, level = (0.8, 1.0) if t < 60 * per_day else (0.3, 2.0)
        series[0, t] = phi * series[0, t - 1] + level + rng.normal(0, 0.5)
    last = np.concatenate([series[:, :1], series[:, :-1]], axis=1)
    forecast, first = regressed(series, [last, np.ones_like(last)], per_day, 0)
    assert first == (1 + LEAST_DAYS) * per_day
    assert not forecast[:, :first].any()
    for day, phi, level in ((59, 0.8, 1.0), (61 + WINDOW_DAYS, 0.3, 2.0)):
        hours = slice(day * per_day, (day + 1) * per_day)
        np.testing.assert_allclose(forecast[0, hours], phi * last[0, hours] + level, atol=0.25)


def test_an_unknown_way_is_refused(bank: Bank) -> None:
    with pytest.raises(ValueError, match=r"past, persistence, ar, perfect, got 'crystal_ball'"):
        forecast_by(bank, "crystal_ball")
