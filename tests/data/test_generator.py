"""The generator against metered homes, roofs, cars and markets, on seeds that it was not tuned on."""

from dataclasses import fields, replace
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.data.bank import Bank
from gridbazaar.data.generator import GeneratorConfig, make_bank
from gridbazaar.data.synthetic.home_sessions import CHARGER_EFFICIENCY, CHARGER_KW

Floats = NDArray[np.float64]

SEEDS = (123457, 987654)
SMALL = GeneratorConfig(master=7, n_days=20, n_homes=4, n_roofs=3, n_cars=5)


@pytest.fixture(scope="module", params=SEEDS)
def year(request: pytest.FixtureRequest) -> Bank:
    return make_bank(GeneratorConfig(master=request.param, n_homes=74))


@pytest.fixture(scope="module", params=SEEDS)
def fontana(request: pytest.FixtureRequest) -> Bank:
    return make_bank(GeneratorConfig(master=request.param, n_homes=1, n_cars=1, region="california"))


def hourly(series: Floats) -> Floats:
    mean: Floats = series.reshape(*series.shape[:-1], -1, 4).mean(axis=-1)
    return mean


def autocorrelation(series: Floats, lag: int) -> Floats:
    return np.array([correlation(row[:-lag], row[lag:]) for row in np.atleast_2d(series)])


def correlation(a: Floats, b: Floats) -> float:
    return float(np.asarray(np.corrcoef(a, b))[0, 1])


def cross_correlation(series: Floats) -> Floats:
    pairs: Floats = np.asarray(np.corrcoef(series))[np.triu_indices(len(series), 1)]
    return pairs


def coincidence(load: Floats) -> float:
    return float(load.sum(axis=0).max() / load.max(axis=1).sum())


def load_statistics(bank: Bank) -> dict[str, float]:
    load = hourly(bank.load_kw)
    month = bank.month()[::4]
    residual = load.reshape(len(load), -1, 24).copy()
    for m in range(1, 13):
        residual[:, month[::24] == m] -= residual[:, month[::24] == m].mean(axis=1, keepdims=True)
    daily = load.reshape(len(load), -1, 24).sum(axis=2)
    mean = load.mean(axis=1)
    return {
        "cv": float((load.std(axis=1) / mean).mean()),
        "lag_1": float(autocorrelation(load, 1).mean()),
        "lag_24": float(autocorrelation(load, 24).mean()),
        "cross": float(cross_correlation(load).mean()),
        "cross_residual": float(cross_correlation(residual.reshape(len(load), -1)).mean()),
        "peak": float(np.median(load.max(axis=1) / mean)),
        "peak_15_min": float(np.median(bank.load_kw.max(axis=1) / mean)),
        "coincidence_12": float(np.mean([coincidence(load[i : i + 12]) for i in range(0, 72, 12)])),
        "coincidence_74": coincidence(load),
        "level": float(mean.std() / mean.mean()),
        "daily": float((daily.std(axis=1) / daily.mean(axis=1)).mean()),
        "kwh_per_day": float(daily.mean()),
    }


# Source: CityLearn 2022 (10 to 16 homes), HTW Berlin (74 homes). The last coincidence is measured as .28 on homes with
# sharper peaks (8.3) than those that give .47 for ten (6.3); one generator meets the first, and has .34 with 74.
LOAD_BANDS = {
    "cv": (0.75, 1.0),
    "lag_1": (0.55, 0.75),
    "lag_24": (0.35, 0.55),
    "cross": (0.15, 0.30),
    "cross_residual": (0.05, 0.15),
    "peak": (5.0, 10.0),
    "peak_15_min": (10.0, 15.0),
    "coincidence_12": (0.40, 0.55),
    "coincidence_74": (0.25, 0.37),
    "level": (0.2, 0.3),
    "daily": (0.3, 0.4),
    "kwh_per_day": (10.0, 12.0),
}


def test_homes_use_power_like_metered_ones(year: Bank) -> None:
    found = load_statistics(year)
    outside = {name: found[name] for name, (low, high) in LOAD_BANDS.items() if not low <= found[name] <= high}
    assert not outside
    assert year.load_kw.min() > 0


def test_roofs_in_europe_yield_what_they_do_near_frankfurt(year: Bank) -> None:
    pv = hourly(year.pv_kw_per_kwp)
    assert 800 < pv.sum(axis=1).mean() < 1080  # kWh/kWp
    assert year.pv_kw_per_kwp.min() >= 0
    assert 0.8 < year.pv_kw_per_kwp.max() <= 1.0
    month = year.month()[::4]
    assert pv[:, np.isin(month, (5, 6, 7))].mean() > 4 * pv[:, np.isin(month, (12, 1))].mean()
    assert year.pv_kw_per_kwp[:, (year.hour() < 4) | (year.hour() >= 23)].max() == 0


def test_roofs_in_california_yield_like_metered_ones(fontana: Bank) -> None:
    pv = hourly(fontana.pv_kw_per_kwp)
    assert 0.155 < pv.mean() < 0.190
    month = fontana.month()[::4]
    by_month = np.array([pv[:, month == m].mean() for m in range(1, 13)])
    measured = [0.097, 0.119, 0.194, 0.221, 0.221, 0.249, 0.227, 0.193, 0.168, 0.147, 0.134, 0.100]
    assert np.abs(by_month - measured).max() < 0.07  # a month's weather
    assert np.abs(by_month - measured).mean() < 0.025
    by_hour = pv.reshape(len(pv), -1, 24).mean(axis=(0, 1))
    measured = [0.009, 0.076, 0.199, 0.332, 0.451, 0.523, 0.564, 0.554, 0.505, 0.410, 0.284, 0.166, 0.067, 0.003]
    assert np.abs(by_hour[6:20] - measured).max() < 0.08
    assert by_hour[:5].max() == by_hour[21:].max() == 0
    across = cross_correlation(pv)
    assert 0.90 < across.mean() < 0.97
    assert 0.72 < np.quantile(across, 0.05) < 0.93


def clearness(bank: Bank) -> Floats:
    daily = hourly(bank.pv_kw_per_kwp).reshape(len(bank.pv_kw_per_kwp), -1, 24).sum(axis=2).mean(axis=0)
    around = [np.quantile(daily[max(0, day - 15) : day + 16], 0.95) for day in range(len(daily))]
    relative: Floats = np.minimum(daily / around, 1.2)
    return relative


def test_clear_and_dull_days_follow_each_other_as_measured(fontana: Bank) -> None:
    clear = clearness(fontana)
    assert 0.72 < clear.mean() < 0.86
    assert 0.18 < clear.std() < 0.28
    assert 0.36 < autocorrelation(clear, 1)[0] < 0.66  # .51, and a year tells it to .05
    assert 0.03 < (clear < 0.3).mean() < 0.13


def test_european_days_are_duller(year: Bank) -> None:
    dull = clearness(year)
    assert 0.45 < dull.mean() < 0.62
    assert 0.24 < dull.std() < 0.34


def test_cars_come_and_charge_like_metered_ones(year: Bank) -> None:
    from scipy.stats import spearmanr

    cars = year.sessions
    need, stay = cars.need_kwh[cars.present], (cars.depart_h - cars.arrive_h)[cars.present]
    assert 0.62 < cars.present.mean() < 0.72
    assert 6.5 < cars.need_kwh.mean() < 8.0  # kWh a day and car
    assert 8.0 < np.median(need) < 11.0
    assert 9.5 < np.median(stay) < 12.5
    assert 0.26 < spearmanr(need, stay).statistic < 0.46
    arrive = np.bincount((cars.arrive_h[cars.present] % 24).astype(int), minlength=24) / cars.present.sum()
    assert arrive.argmax() == 16
    assert arrive[15:24].sum() == pytest.approx(0.793, abs=0.04)
    depart = np.bincount((cars.depart_h[cars.present] % 24).astype(int), minlength=24) / cars.present.sum()
    assert depart.argmax() == 7


@pytest.mark.parametrize("step_min", [5, 15, 60])
def test_every_car_can_be_served_with_a_step_to_spare(step_min: int) -> None:
    bank = make_bank(replace(SMALL, master=99, step_min=step_min, n_cars=300))
    cars, step_h = bank.sessions, bank.step_h
    steps = np.floor(cars.depart_h / step_h + 1e-9) - np.ceil(cars.arrive_h / step_h)
    most = CHARGER_KW * CHARGER_EFFICIENCY * step_h * (steps - 1)
    assert (cars.need_kwh <= most)[cars.present].all()
    assert (cars.need_kwh > 0)[cars.present].all()
    assert (cars.need_kwh == 0)[~cars.present].all()
    noon = np.floor((cars.arrive_h[cars.present] - 12) / 24)
    assert (np.ceil((cars.depart_h[cars.present] - 12) / 24 - 1e-9) - 1 == noon).all()


def test_prices_are_those_of_a_market_with_much_sun(year: Bank) -> None:
    price = year.spot_cur_per_kwh[::4] * 1000  # EUR/MWh; NL 2024: 77.3, 49.5, .92, .66, 113, 458 h
    by_day = price.reshape(-1, 24)
    assert 66 < price.mean() < 89  # as the wind of the year was
    assert 42 < price.std() < 57
    assert 0.89 < autocorrelation(price, 1)[0] < 0.95
    assert 0.55 < autocorrelation(price, 24)[0] < 0.76
    assert 95 < (by_day.max(axis=1) - by_day.min(axis=1)).mean() < 130
    assert 220 < (price < 0).sum() < 720
    by_hour = by_day.mean(axis=0)
    assert by_hour.argmin() in (12, 13, 14)
    assert by_hour.argmax() in (18, 19, 20)
    measured = [76, 70, 67, 65, 64, 68, 81, 95, 96, 83, 68, 57, 49, 44, 45, 54, 69, 92, 109, 118, 115, 99, 90, 80]
    assert correlation(by_hour, np.array(measured)) > 0.97
    assert correlation(clearness(year), by_day[:, 10:16].mean(axis=1)) < -0.3


def test_dear_hours_are_dirty_and_sunny_ones_clean(year: Bank) -> None:
    carbon, price = year.carbon_kg_per_kwh[::4], year.spot_cur_per_kwh[::4]
    assert 0.29 < carbon.mean() < 0.37
    assert 0.08 < carbon.std() < 0.13
    assert carbon.min() > 0.05
    assert correlation(carbon, price) > 0.4
    by_hour = carbon.reshape(-1, 24).mean(axis=0)
    assert by_hour.argmin() in (11, 12, 13, 14)
    assert correlation(clearness(year), carbon.reshape(-1, 24)[:, 10:16].mean(axis=1)) < -0.15


def series_of(bank: Bank) -> dict[str, Any]:
    named = {field.name: getattr(bank, field.name) for field in fields(bank)}
    cars = named.pop("sessions")
    return {**named, **{field.name: getattr(cars, field.name) for field in fields(cars)}}


def test_the_same_seed_gives_the_same_bank_and_another_seed_another() -> None:
    first, again, other = (series_of(make_bank(replace(SMALL, master=master))) for master in (7, 7, 8))
    for name, series in first.items():
        assert np.array_equal(series, again[name]) or series is again[name] is None, name
        if isinstance(series, np.ndarray):
            assert not np.array_equal(series, other[name]), name


def test_more_homes_roofs_and_cars_leave_the_first_ones_as_they_were() -> None:
    small, large = make_bank(SMALL), make_bank(replace(SMALL, n_homes=9, n_roofs=7, n_cars=11))
    bigger = series_of(large)
    for name, series in series_of(small).items():
        if isinstance(series, np.ndarray):
            assert np.array_equal(series, bigger[name][: len(series)]), name


def test_longer_steps_average_and_shorter_ones_hold() -> None:
    quarter, hour, five = (make_bank(replace(SMALL, step_min=minutes)) for minutes in (15, 60, 5))
    np.testing.assert_allclose(hour.load_kw, hourly(quarter.load_kw))
    np.testing.assert_allclose(hour.pv_kw_per_kwp, hourly(quarter.pv_kw_per_kwp))
    assert np.array_equal(five.load_kw, np.repeat(quarter.load_kw, 3, axis=1))
    assert np.array_equal(hour.spot_cur_per_kwh, quarter.spot_cur_per_kwh[::4])


def test_a_year_of_64_homes_takes_little_time() -> None:
    make_bank(SMALL)  # imports scipy
    start = perf_counter()
    make_bank(GeneratorConfig(master=1))
    assert perf_counter() - start < 1.5 * 4  # machines that test are slow and shared; .5 s on one free core


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"master": -1}, "master: expected a whole number in .0, 1000000000., got -1"),
        ({"n_homes": 0}, "n_homes: expected a whole number in .1, 1000000000., got 0"),
        ({"n_days": 1.5}, "n_days: expected a whole number in .2, 1000000000., got 1.5"),
        ({"step_min": 7}, "step_min: expected one of 1, 3, 5, 15, 30, 60, got 7"),
        ({"region": "moon"}, "region: expected one of eu, california, got 'moon'"),
        ({"first_day": "soon"}, "first_day: expected a date such as 2024-01-01, got 'soon'"),
        ({"first_day": "NaT"}, "first_day: expected a date such as 2024-01-01, got 'NaT'"),
        ({"mean_load_kwh_per_day": 0.0}, "mean_load_kwh_per_day: expected a number in .0, 1000000000., got 0.0"),
        ({"spot_sd_cur_per_kwh": -0.1}, "spot_sd_cur_per_kwh: expected a number in .0, 10000., got -0.1"),
        ({"spot_mean_cur_per_kwh": np.nan}, "spot_mean_cur_per_kwh: expected a number in .-10000, 10000., got nan"),
    ],
)
def test_a_wrong_configuration_says_what_is_allowed(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GeneratorConfig(**wrong)
