"""Scenarios under tariff designs: played where that can be, refused as they are made where it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.describe import scenario_toml
from gridbazaar.experiments.evaluation.compare import compare
from gridbazaar.market.designs import load_design

SCE = replace(load_design("us_ca_sce_tou"), holidays="")


def test_a_scenario_is_played_under_a_design() -> None:
    world = Core(load_scenario("street", tariff=SCE, currency="USD", hours=2), n_envs=1).world
    weekday, hour, month = world.bank.weekday(), world.bank.hour(), world.bank.month()
    peak, summer = (hour >= 16) & (hour < 21), (month >= 6) & (month <= 9)
    in_peak = np.where(summer, np.where(weekday < 5, 0.54, 0.40), 0.50)
    expected = np.where(peak, in_peak, np.where(summer, 0.22, 0.21))
    assert np.allclose(np.asarray(world.retail_cur_per_kwh), expected)
    assert np.asarray(world.fixed_ucur)[-1] == pytest.approx(480_000 * world.bank.n_days, abs=2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("be_flanders", "capacity charge on less than a billing period"),
        ("us_ca_nem2", "netting over a month or a year on less than a billing period"),
    ],
)
def test_a_design_of_months_is_refused_as_the_scenario_is_made(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        load_scenario("street", tariff=name)


def test_a_design_of_ones_own_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'title = "mine"\nregion = ""\nyear = 2025\ncurrency = "EUR"\ntz = "Europe/Vienna"\nsource = "me"\n'
        'charges = [{ line = "retail", to = "retailer", cur_per_kwh = 0.31 }]\n',
        encoding="utf-8",
    )
    scenario = load_scenario("street", tariff=str(path))
    assert np.allclose(np.asarray(Core(scenario, n_envs=1).world.retail_cur_per_kwh), 0.31)
    kept = tmp_path / "street.toml"
    kept.write_text(scenario_toml(scenario), encoding="utf-8")
    assert load_scenario(str(kept)).tariff == scenario.tariff
    changed = load_scenario("street", tariff=str(path), tariff_options={"year": 2026})
    assert changed.tariff_options == {"year": 2026}
    with pytest.raises(ValueError, match="unknown field"):
        load_scenario("street", tariff=str(path), tariff_options={"years": 2026})


def test_amounts_of_two_currencies_are_not_mixed() -> None:
    with pytest.raises(
        ValueError, match=r"its amounts are in USD, those of the scenario .* in EUR; set currency = 'USD'"
    ):
        load_scenario("street", tariff=SCE)


def test_designs_of_two_currencies_are_not_compared() -> None:
    with pytest.raises(ValueError, match="expected designs of one currency, got USD of us_ca_sce_tou, GBP of gb_agile"):
        compare("street", ["us_ca_sce_tou", "gb_agile"], ["idle"], seeds=2, hours=2)


def test_a_design_is_compared_with_a_tariff() -> None:
    found = compare("street", ["flat", "at_dynamic"], ["idle"], seeds=2, hours=2)
    assert found.cost_cur("flat", "idle").keys() == found.cost_cur("at_dynamic", "idle").keys()
