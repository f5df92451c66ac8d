"""The generated wind has the figures that it states."""

from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.data.generator import GeneratorConfig, make_bank
from gridbazaar.data.synthetic.wind import HOUR, MEAN_M_PER_S, SEASON, SHAPE, make_wind, usual_swing

FIRST = np.datetime64("2024-01-01")
Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def wind() -> Floats:
    """Ten years, so that weather averages out."""
    return make_wind(3, FIRST, 3653)


def test_speeds_are_weibull_once_season_and_hour_are_taken_out(wind: Floats) -> None:
    from scipy.special import gamma

    calm = wind / usual_swing(FIRST, 3653)
    scale = MEAN_M_PER_S / gamma(1 + 1 / SHAPE)
    for level in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99):
        expected = scale * (-np.log(1 - level)) ** (1 / SHAPE)
        assert np.quantile(calm, level) == pytest.approx(expected, rel=0.05), level
    assert wind.min() >= 0
    assert wind.mean() == pytest.approx(MEAN_M_PER_S, rel=0.03)
    assert 15 < wind.max() < 30


def test_wind_remembers_hours_and_forgets_days(wind: Floats) -> None:
    away = wind - wind.mean()
    for steps, low, high in ((4, 0.92, 0.96), (96, 0.30, 0.45), (10 * 96, -0.05, 0.05)):
        assert low < float((away[:-steps] * away[steps:]).mean() / away.var()) < high, steps


def test_winters_and_afternoons_are_windier(wind: Floats) -> None:
    by_day = wind.reshape(-1, 96)
    days = FIRST + np.arange(3653)
    month = days.astype("datetime64[M]").astype(np.int64) % 12
    january, july = by_day[month == 0].mean(), by_day[month == 6].mean()
    assert january / july == pytest.approx((1 + SEASON) / (1 - SEASON), rel=0.1)
    of_hour = by_day.mean(axis=0)
    assert of_hour.max() / of_hour.min() == pytest.approx((1 + HOUR) / (1 - HOUR), rel=0.05)
    assert abs(of_hour.argmax() / 4 - 14) < 1.5


def test_the_same_seed_gives_the_same_wind() -> None:
    short = make_wind(7, FIRST, 20)
    np.testing.assert_array_equal(short, make_wind(7, FIRST, 20))
    assert not np.array_equal(short, make_wind(8, FIRST, 20))


def test_wind_changes_no_other_series(monkeypatch: pytest.MonkeyPatch) -> None:
    config = GeneratorConfig(n_days=20, n_homes=2, n_roofs=2, n_cars=2)
    bank = make_bank(config)
    monkeypatch.setattr("gridbazaar.data.generator.make_wind", lambda *_: np.full(20 * 96, 5.0))
    other = make_bank(config)
    for field in fields(bank):
        value = getattr(bank, field.name)
        if isinstance(value, np.ndarray) and "wind" not in field.name:
            np.testing.assert_array_equal(value, getattr(other, field.name), field.name)
    assert bank.wind_m_per_s is not None
    assert not np.array_equal(bank.wind_m_per_s, np.full(20 * 96, 5.0))
