"""The generated weather has the season, the day and the spells that it says it has."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.generator import GeneratorConfig, make_bank
from gridbazaar.data.loaders.load import load_bank
from gridbazaar.data.synthetic.weather import DAY_C, MEAN_C, SEASON_C, SPELL_C, SPELL_KEPT, make_outdoor

YEARS = np.stack([make_outdoor(seed, np.datetime64("2023-01-01"), 365).reshape(365, 96) for seed in range(40)])


def test_the_year_has_its_mean_and_its_season() -> None:
    daily = YEARS.mean((0, 2))
    assert daily.mean() == pytest.approx(MEAN_C, abs=0.3)
    assert daily[10:30].mean() == pytest.approx(MEAN_C - SEASON_C, abs=0.8)
    assert daily[192:212].mean() == pytest.approx(MEAN_C + SEASON_C, abs=0.8)


def test_afternoons_are_warmer_than_nights_and_more_so_in_summer() -> None:
    swing = (YEARS[:, :, 60] - YEARS[:, :, 12]).mean(0)  # 15 h less 3 h
    assert swing.mean() == pytest.approx(2 * DAY_C, abs=0.4)
    assert swing[172:232].mean() > 2.3 * swing[:40].mean()


def test_spells_last_for_days() -> None:
    of_day = YEARS.mean(2)
    left = of_day - of_day.mean(0)
    assert left.std() == pytest.approx(SPELL_C, rel=0.12)
    kept = (left[:, 1:] * left[:, :-1]).mean() / (left**2).mean()
    assert SPELL_KEPT - 0.05 < kept < SPELL_KEPT + 0.1


def test_a_day_stays_the_same_when_more_are_asked_for() -> None:
    first = np.datetime64("2024-01-01")
    np.testing.assert_array_equal(make_outdoor(3, first, 5), make_outdoor(3, first, 9)[: 5 * 96])


def test_the_bank_has_the_temperature_at_its_step() -> None:
    quarter, hour = (make_bank(GeneratorConfig(n_days=10, step_min=m)).outdoor_c for m in (15, 60))
    assert quarter is not None
    assert hour is not None
    np.testing.assert_allclose(quarter.reshape(-1, 4).mean(1), hour)


def test_episodes_can_keep_to_some_months() -> None:
    bank = make_bank(GeneratorConfig(n_days=365))
    noon: dict[str, Any] = {"start_h": 12.0, "n_steps": 96}
    for months, inside in (((11, 2), {11, 12, 1, 2}), ((6, 8), {6, 7, 8})):
        days = bank.start_days("train", months=months, **noon)
        assert set(bank.month()[days * bank.steps_per_day].tolist()) == inside
        assert set(days) <= set(bank.start_days("train", **noon))
    with pytest.raises(ValueError, match="no day of the train weeks lies in the months 6 to 7"):
        make_bank(GeneratorConfig(n_days=60)).start_days("train", months=(6, 7), **noon)


@pytest.mark.skipif("GRIDBAZAAR_DATASETS" not in os.environ, reason="needs the data sets")
@pytest.mark.slow
def test_citylearn_s_weather_is_read() -> None:
    bank = load_bank(str(Path(os.environ["GRIDBAZAAR_DATASETS"]) / "citylearn2022"), step_min=60)
    assert bank.outdoor_c is not None
    assert bank.outdoor_c[:2].tolist() == [20.0, 20.1]
    assert bank.outdoor_c.shape == bank.spot_cur_per_kwh.shape
