"""Designs in markets of intervals: what can be played sums to the bill, what cannot is refused with the reason."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.clock import midnight
from gridbazaar.data.units import energy_cost_ucur, to_micro
from gridbazaar.market.as_design import as_design
from gridbazaar.market.billing.bill import bill
from gridbazaar.market.billing.metered import metered
from gridbazaar.market.design import Design, Netting
from gridbazaar.market.designs import list_designs, load_design
from gridbazaar.market.found import find_tariff
from gridbazaar.market.played import check_period, check_playable, play
from gridbazaar.market.tariff import Tariff, Window
from gridbazaar.market.tariffs import list_tariffs, load_tariff

HAS_HOLIDAYS = importlib.util.find_spec("holidays") is not None
REFUSED = {
    "at_rec_vienna": "relief of stored energy that goes back",
    "de_14a_module_1_3": "lump sums on less than a billing period",
    "de_14a_module_2": "a meter of its own for controllable devices",
    "es_self_consumption": "a levy on other lines of the bill",
    "it_cer": "a premium of the whole bill or community",
}
BY_MONTH = ("au_two_way", "be_flanders", "no_bkk", "nl_saldering", "us_ca_ev2a", "us_ca_nbt", "us_ca_nem2")
"""Played in whole months; ``settlement/test_peaks.py`` and ``test_netting.py`` hold what is due by the month."""
PLAYED = sorted(set(list_designs()) - set(REFUSED) - set(BY_MONTH))
EASTER = np.datetime64("2025-03-28", "D")


def loaded(name: str) -> Design:
    found = load_design(name)
    return found if HAS_HOLIDAYS else replace(found, holidays="")


@pytest.mark.parametrize("name", PLAYED)
@pytest.mark.parametrize("step_min", [15, 60])
def test_what_intervals_pay_is_the_bill(name: str, step_min: int) -> None:
    """Nine days over a change of the clock and of the month, one home with sun, some of its energy from neighbours."""
    design = loaded(name)
    calendar = make_calendar(EASTER, 9, step_min, "Europe/Vienna")
    rng = np.random.default_rng(6)
    n = calendar.n_steps
    net = np.round(rng.normal(0.2, 0.5, n), 6)
    drawn, fed_in = np.maximum(net, 0.0), np.maximum(-net, 0.0)
    bought, sold = np.round(0.4 * drawn, 6), np.round(0.3 * fed_in, 6)
    spot = np.round(rng.normal(0.08, 0.1, n), 5)
    prices = play(design, spot, calendar).prices
    retail = to_micro(np.maximum(drawn - bought, 0.0))
    paid = sum(energy_cost_ucur(retail, price) for price in (prices.energy, prices.network, prices.tax))
    paid = paid + energy_cost_ucur(to_micro(bought), prices.local_network + prices.local_tax)
    paid = paid - energy_cost_ucur(to_micro(fed_in - sold), prices.export)
    fixed = play(design, spot, calendar).fixed_cur
    data = metered(
        midnight(EASTER, "Europe/Vienna"), step_min, drawn, fed_in, spot_cur_per_kwh=spot, timezone="Europe/Vienna",
        local_kwh={"transformer": bought}, local_sold_kwh=sold,
    )  # fmt: skip
    assert paid.sum() / 1e6 + fixed[-1] == pytest.approx(bill(design, data).total_cur[0], abs=2e-6 * n)
    assert (np.diff(fixed) >= 0).all()
    assert (prices.upper == prices.retail - prices.local_network - prices.local_tax).all()


@pytest.mark.parametrize("name", PLAYED)
def test_value_added_tax_is_on_the_line_of_the_state(name: str) -> None:
    design = loaded(name)
    calendar = make_calendar(EASTER, 2, 60, None)
    prices = play(design, np.full(48, 0.1), calendar).prices
    without = play(replace(design, vat=replace(design.vat, rate=0.0)), np.full(48, 0.1), calendar).prices
    if name != "gb_agile":  # its cap is on the price with tax
        assert (prices.energy == without.energy).all()
    assert (prices.network == without.network).all()
    assert ((prices.tax > without.tax) == (design.vat.rate > 0)).all()


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_played_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be played interval by interval") as caught:
        check_playable(load_design(name), 60)
    assert REFUSED[name] in str(caught.value)


def test_an_hour_is_netted_in_steps_of_an_hour() -> None:
    hourly = replace(load_design("ch_quartierstrom"), netting=Netting("hour"))
    check_playable(hourly, 60)
    with pytest.raises(ValueError, match=r"netting over an hour in steps of 15 min; play it in steps of an hour"):
        check_playable(hourly, 15)


@pytest.mark.parametrize(
    ("name", "dates", "words"),
    [
        ("us_ca_nem2", ("2024-01-01", "2024-11-30"), "expected 12 months, or a multiple, that end with month 12"),
        ("nl_saldering", ("2024-02-01", "2025-01-31"), "expected 12 months, or a multiple, that end with month 12"),
        ("us_ca_nbt", ("2024-01-05", "2024-12-31"), "netting over a month or a year on less than a billing period"),
        ("nl_saldering", (), "netting over a month or a year on less than a billing period"),
    ],
)
def test_episodes_that_cut_a_period_are_refused(name: str, dates: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_period(load_design(name), dates, 24.0)


def test_years_and_months_that_are_whole_are_played() -> None:
    check_period(load_design("us_ca_nem2"), ("2024-01-01", "2024-12-31"), 8784.0)
    later = replace(load_design("nl_saldering"), netting=Netting("year", true_up_month=7))
    check_period(later, ("2016-08-01", "2018-07-31"), 17520.0)
    check_period(replace(later, netting=Netting("month")), ("2024-02-01", "2024-02-29"), 696.0)


def test_what_a_local_kwh_bears_is_on_its_lines() -> None:
    """Half of .09 for the network; of Austria's .079 and .0072 all, with 20 % tax of both on the line tax."""
    calendar = make_calendar(EASTER, 1, 60, None)
    walenstadt, austria = (
        play(load_design(n), np.zeros(24), calendar).prices for n in ("ch_quartierstrom", "at_dynamic")
    )
    assert (walenstadt.local_network[0], walenstadt.local_tax[0]) == (45_000, 0)
    assert (austria.local_network[0], austria.local_tax[0]) == (79_000, 7_200 + 17_240)


def test_time_is_that_of_the_bank() -> None:
    """A design of California is played on the clock of the homes."""
    calendar = make_calendar(np.datetime64("2025-07-07", "D"), 1, 60, "Europe/Vienna")
    prices = play(loaded("us_ca_sce_tou"), np.zeros(24), calendar).prices
    assert (prices.retail / 1e4).round().tolist() == [22.0] * 16 + [54.0] * 5 + [22.0] * 3


@pytest.mark.parametrize("name", [*list_tariffs(), *list_designs()])
def test_both_sorts_are_found_by_name(name: str) -> None:
    found = find_tariff(name)
    assert isinstance(found, Tariff if name in list_tariffs() else Design)
    assert found.name == name
    assert find_tariff(found) == found


def test_fields_of_either_sort_are_read() -> None:
    assert isinstance(find_tariff({"title": "x", "energy_cur_per_kwh": 0.2}), Tariff)
    charge: dict[str, Any] = {"line": "retail", "to": "retailer", "cur_per_kwh": 0.2}
    head = {"title": "x", "region": "", "year": 2025, "currency": "EUR", "tz": "Europe/Vienna", "source": ""}
    assert isinstance(find_tariff(head | {"charges": [charge]}), Design)
    with pytest.raises(ValueError, match=r"expected one of flat, spot, tou, at_dynamic, .* got 'nowhere'"):
        find_tariff("nowhere")


@pytest.mark.parametrize("name", list_tariffs())
def test_a_tariff_is_billed_as_it_is_played(name: str) -> None:
    """Prices of both are the same in every hour of a week, with local charges and the standing charge."""
    tariff = load_tariff(name)
    calendar = make_calendar(EASTER, 7, 60, "Europe/Vienna")
    spot = np.round(np.random.default_rng(8).normal(0.08, 0.1, calendar.n_steps), 5)
    ours, theirs = play(as_design(tariff), spot, calendar), play(tariff, spot, calendar)
    for field in ("energy", "network", "tax", "local_network", "local_tax", "export", "upper", "spot"):
        assert np.abs(getattr(ours.prices, field) - getattr(theirs.prices, field)).max() <= 1, field
    assert np.abs(ours.fixed_cur - theirs.fixed_cur).max() < 1e-9


def test_windows_that_overlap_add_up() -> None:
    windows = (Window(22.0, 6.0, 0.05), Window(5.0, 9.0, 0.02, weekends=False), Window(8.0, 8.5, -0.02))
    tariff = Tariff(name="t", title="", energy_cur_per_kwh=0.2, windows=windows)
    calendar = make_calendar(np.datetime64("2025-07-05", "D"), 3, 30, None)
    ours, theirs = (play(each, np.zeros(144), calendar).prices.energy for each in (as_design(tariff), tariff))
    assert (ours == theirs).all()
    assert len(set(ours.tolist())) == 5


def test_local_charges_above_the_usual_ones_are_no_share() -> None:
    tariff = Tariff(name="t", title="", network_cur_per_kwh=0.02, tax_cur_per_kwh=0.05, local_network_cur_per_kwh=0.03)
    with pytest.raises(ValueError, match=r"network: a local kWh bears 0\.03, more than the 0\.02"):
        as_design(tariff)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text("x = " + "[" * 30_000, encoding="utf-8")
    with pytest.raises(ValueError, match=r"deep\.toml: expected TOML, it is nested too deeply"):
        find_tariff(str(path))
    with pytest.raises(ValueError, match=r"none\.toml: no such file"):
        find_tariff(str(tmp_path / "none.toml"))
