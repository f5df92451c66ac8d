"""Every design that ships: it says where it is from, bills a year, and posts it row by row."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.billing.bill import bill, postings
from gridbazaar.market.billing.metered import Metered, metered
from gridbazaar.market.design import Design
from gridbazaar.market.designs import list_designs, load_design
from tests.market.billing.household import money, rows

HAS_HOLIDAYS = importlib.util.find_spec("holidays") is not None


def loaded(name: str) -> Design:
    """A design, without its calendar of holidays where that is not installed."""
    found = load_design(name)
    return found if HAS_HOLIDAYS else replace(found, holidays="")


@lru_cache(maxsize=1)
def two_homes() -> Metered:
    """A year of hours in Los Angeles, one home with sun."""
    rng = np.random.default_rng(5)
    hour = np.arange(8760) % 24
    load = rng.gamma(2.0, 0.5, (2, 8760))
    sun = np.array([[0.0], [4.0]]) * np.maximum(np.sin((hour - 6) * np.pi / 12), 0.0)
    net = load - sun
    spot = np.round(rng.normal(0.08, 0.05, 8760), 5)
    return metered(
        "2025-01-01T08:00", 60, np.maximum(net, 0.0), np.maximum(-net, 0.0), spot_cur_per_kwh=spot,
        timezone="America/Los_Angeles", shared_kwh=0.1 * np.maximum(net, 0.0), controllable_kwh=0.2 * load,
    )  # fmt: skip


def test_the_seventeen_designs_are_there() -> None:
    """Rows 6 and 11 of the table have two files each."""
    assert len(list_designs()) >= 19


@pytest.mark.parametrize("name", list_designs())
def test_a_design_says_where_it_is_from(name: str) -> None:
    found = load_design(name)
    assert found.title
    assert found.region
    assert found.source
    assert found.year


@pytest.mark.parametrize("name", list_designs())
def test_a_design_bills_a_year_and_posts_it(name: str) -> None:
    under = loaded(name)
    billed = bill(under, two_homes())
    assert billed.cur.shape[:2] == (2, 12)
    assert np.isfinite(billed.cur).all()
    assert (billed.total_cur > 20).any()
    assert billed.total_cur[1] < billed.total_cur[0], "the home with sun pays less"


@pytest.mark.slow
def test_ten_homes_are_billed_for_a_year_under_all_designs_in_ten_seconds() -> None:
    """Measured on one core: 1.5 s with the clocks of all zones to be read, 0.7 s after that."""
    homes = two_homes()
    ten: dict[str, Any] = {
        name: np.tile(getattr(homes, name), (5, 1)) for name in ("import_kwh", "export_kwh", "shared_kwh")
    }
    data = replace(homes, controllable_kwh=None, **ten)
    started = time.perf_counter()
    for name in list_designs():
        assert bill(loaded(name), data).cur.shape[:2] == (10, 12)
    assert time.perf_counter() - started < 10.0


@pytest.mark.slow
@pytest.mark.parametrize("name", list_designs())
def test_a_year_is_posted_row_by_row(name: str) -> None:
    under = loaded(name)
    posted = postings(under, two_homes())
    assert (posted.sum(axis=1) == bill(under, two_homes()).ucur.sum(axis=1)).all()


def test_vienna_bills_its_worked_case() -> None:
    """10 kWh shared at .12 and 20 at .18 = .165 + .015, without the standing charge of a day."""
    noon = "2026-05-01T12:00"
    data = rows(
        "2026-05-01", "2026-05-01", {noon: 30.0}, spot_cur_per_kwh={noon: 0.165},
        local_kwh={"transformer": {noon: 10.0}}, local_paid_cur={noon: 1.20},
    )  # fmt: skip
    assert money(bill(load_design("at_rec_vienna"), data).total_cur[0] - 73.02 / 365 * 1.2) == "7.89"


def test_sydney_bills_its_worked_case() -> None:
    """3.8 kW x .3298 x 31 and 8.8 x .0232 + 60 x .0123 - 20 x .0385."""
    drawn = {"2025-01-15T14:30": 3.0, "2025-01-15T15:00": 1.4, "2025-01-15T20:30": 1.9, "2025-01-15T21:00": 2.5}
    fed_in = {f"2025-01-{d:02d}T{h}:00": kwh for d in range(1, 11) for h, kwh in ((12, 26.0), (17, 2.0))}
    data = rows("2025-01-01", "2025-01-31", drawn, fed_in, step_min=30, tz="Australia/Sydney")
    found = bill(load_design("au_two_way"), replace(data, spot_cur_per_kwh=np.zeros(data.n_rows)))
    assert money(found.line_cur("capacity")[0, 0]) == "38.85"
    assert money(found.line_cur("network")[0, 0]) == "0.17"


def test_germany_bills_its_worked_case() -> None:
    """33.367 ct x 3500 x 1.19."""
    data = rows("2025-01-01", "2025-12-31", {"2025-05-05T12:00": 3500.0}, tz="Europe/Berlin")
    found = bill(load_design("de_flat_eeg"), replace(data, spot_cur_per_kwh=np.ones(data.n_rows)))
    assert money(found.total_cur[0]) == "1389.74"


def test_flanders_bills_its_worked_case() -> None:
    peaks = (1.8, 2.1, 2.6, 3.0, 4.2, 2.4, 2.2, 2.0, 3.6, 4.0, 5.0, 4.4)
    drawn = {f"2025-{m:02d}-10T12:00": kw / 4 for m, kw in enumerate(peaks, 1)}
    data = rows("2025-01-01", "2025-12-31", drawn, step_min=15, tz="Europe/Brussels")
    found = bill(load_design("be_flanders"), replace(data, spot_cur_per_kwh=np.zeros(data.n_rows)))
    assert money(found.line_cur("capacity", with_vat=True).sum()) == "140.25"


def test_who_says_nothing_of_a_check_asks_for_none() -> None:
    assert not load_design("us_ca_sce_tou", check=False).check
    plain = {f.name: f.default for f in fields(Design)}
    assert plain["check"] is False


def test_a_factor_on_spot_prices_is_no_price_of_another_unit() -> None:
    design = load_design("gb_agile")
    (first, *others) = design.charges
    assert replace(design, charges=(replace(first, spot_factor=100.0), *others)).charges[0].spot_factor == 100.0
    with pytest.raises(ValueError, match=r"spot_factor: expected a number in \[-100, 100\]"):
        replace(design, charges=(replace(first, spot_factor=100.1), *others))
