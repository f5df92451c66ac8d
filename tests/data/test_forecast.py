from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.data.bank import HISTORY_DAYS, Bank
from gridbazaar.data.forecast import add_forecasts
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
