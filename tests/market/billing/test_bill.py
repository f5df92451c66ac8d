"""What holds of every bill: postings sum to it, months chain, customers do not meet, faults are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.billing.bill import Entry, bill, cents, postings
from gridbazaar.market.billing.metered import Metered, metered
from gridbazaar.market.billing.sharing import by_unit, share
from gridbazaar.market.design import Design, Sharing
from tests.market.billing.household import CAPACITY, FIXED, NETWORK, RETAIL, SOLD, TAX, at, design, rows

VIENNA = "Europe/Vienna"
EVENING: dict[str, Any] = {"from_h": 17.0, "to_h": 21.0}
FLAT = RETAIL | {"cur_per_kwh": 0.3}
TOU = RETAIL | {"cur_per_kwh": 0.2, "windows": [EVENING | {"cur_per_kwh": 0.4}]}
PEAK = {"interval_min": 30, "n": 3, "windows": [EVENING | {"days": "weekday"}]}
DESIGNS: dict[str, Design] = {
    "flat": design(FLAT, SOLD | {"cur_per_kwh": 0.08}, FIXED | {"cur_per_year": 73.02}, vat={"rate": 0.2}),
    "spot": design(
        RETAIL | {"spot_factor": 1.1, "cur_per_kwh": 0.02, "cap_cur_per_kwh": 0.3},
        SOLD | {"spot_factor": 1.0, "zero_if_spot_negative": True},
    ),
    "monthly spot": design(RETAIL | {"spot_factor": 1.0, "spot_average": "month"}),
    "tiers": design(RETAIL | {"tiers_kwh": [50.0, 150.0], "tier_cur_per_kwh": [0.2, 0.3, 0.4]}),
    "tiers of a year": design(RETAIL | {"tiers_kwh": [99.0], "tier_cur_per_kwh": [0.2, 0.4], "tier_scope": "year"}),
    "hour": design(TOU, SOLD | {"cur_per_kwh": 0.05}, netting={"period": "hour", "cap": "energy_month"}),
    "month": design(TOU, SOLD | {"cur_per_kwh": 0.05}, netting={"period": "month", "share": 0.64}),
    "bank": design(
        TOU, netting={"period": "month", "rollover": "kwh", "true_up_month": 2, "true_up_cur_per_kwh": 0.03}
    ),
    "money": design(
        TOU, TAX | {"cur_per_kwh": 0.03, "nets": False},
        netting={"period": "year", "rollover": "money", "true_up_month": 2, "true_up_cur_per_kwh": 0.03},
    ),
    "saldering": design(FLAT, SOLD | {"cur_per_kwh": 0.06}, netting={"period": "year", "true_up_month": 2}),
    "capacity": design(FLAT, CAPACITY | {"cur_per_kw_month": 7.0, "peak": PEAK}),
    "steps": design(CAPACITY | {"steps_kw": [1.0, 2.0], "step_cur_per_month": [10.0, 25.0, 50.0], "peak": {"n": 2}}),
    "mean of months": design(
        CAPACITY | {"cur_per_kw_year": 40.0, "peak": {"interval_min": 15, "floor_kw": 1.0, "average_months": 12}},
        vat={"rate": 0.06},
    ),
    "ratchet": design(
        CAPACITY | {"cur_per_kw_day": 0.3, "peak": {"per": "interval", "ratchet_frac": 0.9, "lookback_months": 2}}
    ),
    "minimum": design(FLAT, SOLD | {"cur_per_kwh": 0.2}, minimum={"cur_per_month": 25.0, "cur_per_year": 500.0}),
    "maximum": design(FLAT, FIXED | {"cur_per_month": 9.0}, maximum={"frac": 0.9, "cur_per_kwh": 0.3}),
    "levy": design(
        FLAT, FIXED | {"cur_per_day": 0.4},
        {"line": "tax", "to": "state", "frac": 0.051, "of_lines": ["retail", "fixed"]}, vat={"rate": 0.21},
    ),
    "lump": design(NETWORK | {"cur_per_kwh": 0.0936, "lump_kwh": 3750.0, "lump_frac": 0.2, "lump_cur_per_year": 67.0}),
    "free": design(SOLD | {"windows": [EVENING | {"cur_per_kwh": -0.1, "free_kwh_per_month": 5.0}]}),
    "local": design(
        FLAT, SOLD | {"cur_per_kwh": 0.08}, NETWORK | {"cur_per_kwh": 0.07, "local": {"feeder": 0.4}},
        premium={"cer": {"base": 0.08, "slope_to": 0.18, "cap": 0.12}}, vat={"rate": 0.2, "local_seller": "registered"},
    ),
}  # fmt: skip


def homes(step_min: int = 15, first: str = "2025-01-01", last: str = "2025-03-01", n: int = 3) -> Metered:
    """January and February of three homes with sun, local trades, spot prices, on the clock of Vienna."""
    rng = np.random.default_rng(7)
    begin, end = (np.datetime64(day, "s") - np.timedelta64(1, "h") for day in (first, last))
    rows = int((end - begin).astype(int)) // 60 // step_min
    hour = np.arange(rows) * step_min / 60 % 24
    load = rng.gamma(1.5, 0.3, (n, rows)) * step_min / 60
    sun = np.maximum(np.sin((hour - 6) * np.pi / 12), 0.0) * rng.uniform(0, 2.5, (n, rows)) * step_min / 60
    net = np.round(load - sun, 6)
    drawn, fed_in = np.maximum(net, 0.0), np.maximum(-net, 0.0)
    bought, sold = 0.3 * drawn, 0.2 * fed_in
    return metered(
        begin, step_min, drawn, fed_in, spot_cur_per_kwh=rng.normal(0.08, 0.1, rows), local_kwh={"feeder": bought},
        local_sold_kwh=sold, local_paid_cur=np.round(0.15 * (bought - sold), 6), shared_kwh=bought, timezone=VIENNA,
    )  # fmt: skip


@pytest.mark.parametrize("name", DESIGNS)
def test_postings_of_rows_sum_to_the_bill_of_each_month(name: str) -> None:
    under, data = DESIGNS[name], homes()
    billed, posted = bill(under, data, is_part=True), postings(under, data, is_part=True)
    january = 31 * 96
    by_month = np.stack([posted[:, :january].sum(axis=1), posted[:, january:].sum(axis=1)], axis=1)
    assert (by_month == billed.ucur).all()
    assert np.abs(billed.ucur.sum(axis=(1, 2)) / 1e6 - billed.total_cur).max() < 1e-6 * len(billed.entries)
    assert np.abs(billed.total_cur).min() > 0.01


def test_netting_over_a_year_is_due_as_it_stands_after_every_row() -> None:
    """At one price it is what was drawn beyond what was fed in since January, in each row of each month."""
    under = design({"line": "retail", "to": "retailer", "cur_per_kwh": 0.30}, netting={"period": "year"})
    drawn, fed_in = np.random.default_rng(3).gamma(1.0, 0.5, (2, 365 * 24)).round(6)
    data = metered("2024-12-31T23:00", 60, drawn, fed_in, timezone=VIENNA)
    posted = postings(under, data)
    retail = bill(under, data).entries.index(Entry("retail", "retailer"))
    net = np.maximum(drawn - fed_in, 0), np.maximum(fed_in - drawn, 0)
    expected = 0.30 * np.maximum(np.cumsum(net[0]) - np.cumsum(net[1]), 0.0)
    assert np.abs(np.cumsum(posted[0, :, retail]) / 1e6 - expected).max() < 2e-6
    assert (np.diff(expected) < 0).any()


def test_tiers_price_what_a_bank_of_kwh_leaves_over_all_hours() -> None:
    """100 kWh at noon and 50 at night: 120 x .10 + 30 x .20, and 100 x .05 + 50 x .01."""
    tiers = {"line": "retail", "to": "retailer", "tiers_kwh": [120.0], "tier_cur_per_kwh": [0.10, 0.20]}
    hours = {"line": "network", "to": "network_operator", "cur_per_kwh": 0.01,
             "windows": [{"from_h": 8, "to_h": 20, "cur_per_kwh": 0.05}]}  # fmt: skip
    under = design(tiers, hours, netting={"period": "month", "rollover": "kwh"})
    drawn = {**at("2025-01-10", 12, kwh=100.0), **at("2025-01-11", 2, kwh=50.0)}
    billed = bill(under, rows("2025-01-01", "2025-01-31", drawn))
    assert billed.line_cur("retail")[0, 0] == pytest.approx(18.0)
    assert billed.line_cur("network")[0, 0] == pytest.approx(5.5)


@pytest.mark.parametrize("name", DESIGNS)
def test_what_is_posted_does_not_know_what_follows(name: str) -> None:
    """Rows of February change nothing that is posted in January, nor rows of the 20th what is posted before."""
    under, data = DESIGNS[name], homes()
    cut = 19 * 96
    later = np.where(np.arange(data.n_rows) < cut, data.import_kwh, 2.0 * data.import_kwh)
    posted, changed = (postings(under, each, is_part=True) for each in (data, replace(data, import_kwh=later)))
    assert (posted[:, :cut] == changed[:, :cut]).all()
    assert name in ("free",) or (posted[:, cut:] != changed[:, cut:]).any()


@pytest.mark.parametrize("name", DESIGNS)
def test_months_with_a_carry_are_the_bill_of_both(name: str) -> None:
    under = DESIGNS[name]
    whole = homes()
    january = 31 * 96
    parts = [_cut(whole, 0, january), _cut(whole, january, whole.n_rows)]
    first = bill(under, parts[0], is_part=True)
    second = bill(under, parts[1], carry=first.carry)
    both = bill(under, whole, is_part=True)
    assert np.abs(first.cur[:, 0] - both.cur[:, 0]).max() < 1e-9
    assert np.abs(second.cur[:, 0] - both.cur[:, 1]).max() < 1e-9


def _cut(data: Metered, low: int, high: int) -> Metered:
    fields: dict[str, Any] = {
        name: value[..., low:high]
        for name in ("import_kwh", "export_kwh", "local_sold_kwh", "local_paid_cur", "shared_kwh", "spot_cur_per_kwh")
        if isinstance(value := getattr(data, name), np.ndarray)
    }
    local = {name: value[..., low:high] for name, value in data.local_kwh.items()}
    return replace(data, starts=data.starts[low:high], local_kwh=local, **fields)


@pytest.mark.parametrize("name", DESIGNS)
def test_a_customer_is_billed_alike_alone_and_among_others(name: str) -> None:
    under, data = DESIGNS[name], homes()
    alone = replace(
        data, import_kwh=data.import_kwh[1:2], export_kwh=data.export_kwh[1:2],
        local_kwh={"feeder": data.local_kwh["feeder"][1:2]}, local_sold_kwh=_one(data.local_sold_kwh),
        local_paid_cur=_one(data.local_paid_cur), shared_kwh=_one(data.shared_kwh),
    )  # fmt: skip
    assert (bill(under, alone, is_part=True).ucur[0] == bill(under, data, is_part=True).ucur[1]).all()


def _one(values: Any) -> Any:
    return values[1:2]


def test_value_added_tax_is_a_line_to_the_state() -> None:
    found = bill(DESIGNS["flat"], replace(homes(), local_paid_cur=None))
    assert found.entries[-1] == Entry("vat", "state")
    assert np.allclose(found.cur[..., -1], 0.2 * found.cur[..., :-1].sum(axis=-1))
    assert np.allclose(found.vat_cur.sum(axis=-1), found.cur[..., -1])
    assert np.allclose(found.line_cur("fixed", with_vat=True), 1.2 * found.line_cur("fixed"))


def test_half_a_cent_goes_away_from_zero() -> None:
    assert cents(np.array([0.005, -0.005, 1.005, 2.675, 0.004999, -1.115])).tolist() == [1, -1, 101, 268, 0, -112]


def test_sums_of_a_year_are_not_rounded_row_by_row() -> None:
    """35 040 quarter hours of a third of a watt-hour at an odd price: each row would lose half a micro-unit."""
    data = metered("2025-12-31T23:00", 15, np.full(35_040, 0.000333))
    found = bill(design(RETAIL | {"cur_per_kwh": 0.333333}), data)
    assert found.total_cur[0] == pytest.approx(35_040 * 0.000333 * 0.333333, abs=1e-12)


WHOLE = "is billed by whole months"


@pytest.mark.parametrize(
    ("name", "first", "last", "words"),
    [
        ("capacity", "2025-01-01", "2025-01-31", WHOLE), ("capacity", "2025-01-02", "2025-02-01", WHOLE),
        ("bank", "2025-01-01", "2025-02-27", WHOLE), ("saldering", "2025-01-01", "2025-03-01", "over a year"),
        ("money", "2025-01-01", "2025-02-01", "over a year"), ("bank", "2025-01-01", "2025-03-01", "over a year"),
    ],
)  # fmt: skip
def test_a_period_that_is_not_whole_is_refused(name: str, first: str, last: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        bill(DESIGNS[name], homes(first=first, last=last))


def test_a_year_of_netting_has_to_end_when_the_design_says() -> None:
    year = metered("2024-12-31T23:00", 60, np.ones(8760), timezone=VIENNA)
    with pytest.raises(ValueError, match="ends with month 2, the data with month 12"):
        bill(DESIGNS["saldering"], year)


def test_flat_prices_are_billed_for_any_period() -> None:
    assert bill(DESIGNS["flat"], homes(last="2025-01-02")).total_cur.shape == (3,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"import_kwh": [0.1, np.nan, 0.1]}, "import_kwh: 1 values are no numbers, the first in row 1"),
        ({"import_kwh": [0.1, -0.2, 0.1]}, "import_kwh: expected values of at least 0, got -0.2 in row 1"),
        ({"import_kwh": [0.1, 1e7, 0.1]}, "at most 1e"),
        ({"export_kwh": [0.1, 0.2]}, "export_kwh: expected the shape"),
        ({"spot_cur_per_kwh": [0.1, 0.2]}, "spot_cur_per_kwh: expected the shape"),
        ({"labels": ((), ())}, "labels: expected one for each of 1 customers, got 2"),
        ({"local_kwh": {"near": [0.1, 0.1, 0.1]}}, "local_kwh: expected some of building"),
        ({"local_kwh": {"feeder": [0.1, 0.9, 0.1]}}, "at most what the meter counted"),
        ({"timezone": "Mars/Base"}, "timezone: expected a name"),
    ],
)
def test_a_series_with_faults_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        metered(**{"start": "2025-01-01", "step_min": 60, "import_kwh": [0.1, 0.2, 0.1], **change})


@pytest.mark.parametrize(
    ("starts", "words"),
    [
        (["2025-01-01T00", "2025-01-01T01", "2025-01-01T03", "2025-01-01T04"], "1 rows are missing, the first after "),
        (["2025-01-01T00", "2025-01-01T01", "2025-01-01T01", "2025-01-01T02"], "rows repeat or overlap"),
        (["2025-01-01T00", "NaT", "2025-01-01T02", "2025-01-01T03"], "1 rows have no time"),
        (["2025-01-01T00", "2025-01-01T07", "2025-01-01T14", "2025-01-01T21"], "minutes that divide an hour"),
    ],
)
def test_rows_have_to_follow_each_other(starts: list[str], words: str) -> None:
    times = np.array(starts, "datetime64[s]")
    with pytest.raises(ValueError, match=words):
        Metered(times, np.ones((1, 4)), np.zeros((1, 4)))


def test_what_a_design_needs_is_named() -> None:
    day = metered("2025-01-01", 60, np.ones(24))
    with pytest.raises(ValueError, match="follows the spot price; give spot_cur_per_kwh"):
        bill(DESIGNS["spot"], day)
    with pytest.raises(ValueError, match="expected load_kwh of a gross meter"):
        bill(design(RETAIL | {"flow": "load", "cur_per_kwh": 0.3}), day)
    profile = design(RETAIL | {"spot_factor": 1.0, "spot_average": "month_profile"})
    with pytest.raises(ValueError, match="give the profile of the rows"):
        bill(profile, replace(day, spot_cur_per_kwh=np.ones(24)))


def test_peaks_of_shorter_intervals_than_rows_are_said() -> None:
    found = bill(DESIGNS["mean of months"], homes(step_min=60))
    assert found.notes == ("its peaks are of 15 min; rows of 60 min are means, so the true peak is higher",)
    assert not bill(DESIGNS["mean of months"], homes()).notes


@pytest.mark.parametrize("keys", [None, [0.5, 0.6, 0.1], [0.5, 0.5], [0.5, -0.1, 0.2], [np.nan, 0.1, 0.1]])
def test_keys_of_a_community_are_shares(keys: Any) -> None:
    with pytest.raises(ValueError, match="keys: "):
        share(Sharing(key="static"), np.ones((3, 2)), np.ones(2), keys)


@pytest.mark.parametrize("key", ["static", "static_repeated", "hybrid", "dynamic"])
def test_shared_energy_is_neither_made_nor_lost(key: str) -> None:
    rng = np.random.default_rng(3)
    drawn, given = rng.gamma(1.0, 1.0, (5, 50)), rng.gamma(1.0, 1.0, (5, 50))
    keys = np.array([0.4, 0.3, 0.2, 0.1, 0.0])
    found = share(Sharing(key=key), drawn, given, keys)
    assert (found.used_kwh <= drawn + 1e-12).all()
    assert np.allclose(found.used_kwh.sum(axis=0), found.given_kwh.sum(axis=0))
    assert np.allclose(found.used_kwh.sum(axis=0) + found.fed_in_kwh, given.sum(axis=0))
    if key != "static":
        wanted = drawn if key in ("dynamic", "hybrid") else drawn * (keys > 0)[:, None]
        assert np.allclose(found.used_kwh.sum(axis=0), np.minimum(wanted.sum(axis=0), given.sum(axis=0)))


def test_units_of_sharing_have_to_be_whole() -> None:
    with pytest.raises(ValueError, match="make up whole units"):
        by_unit(np.ones((2, 7)), 15, 60)
    with pytest.raises(ValueError, match="make up whole units"):
        by_unit(np.ones((2, 8)), 60, 15)


@pytest.mark.parametrize(
    ("shared_by", "due"), [("equal", [[15.0, 15.0, 40.0]]), ("kwh", [[18.0, 12.0, 40.0]])], ids=["equal", "kwh"]
)
def test_a_building_has_one_peak(shared_by: str, due: list[list[float]]) -> None:
    """3 and 2 kW at different hours are a peak of 3 kW, 30; parted in halves, or by 3 and 2 kWh. The third is alone."""
    drawn = np.zeros((3, 31 * 24))
    drawn[0, 10], drawn[1, 20], drawn[2, 10] = 3.0, 2.0, 4.0
    data = metered("2024-12-31T23:00", 60, drawn, timezone=VIENNA, building=("a", "a", "b"))
    charge = CAPACITY | {"cur_per_kw_month": 10.0, "peak": {"interval_min": 60}, "shared_by": shared_by}
    found = bill(design(charge), data)
    assert found.line_cur("capacity").T.round(9).tolist() == due
    assert (postings(design(charge), data).sum(axis=1) == found.ucur.sum(axis=1)).all()


def test_who_shares_a_peak_lives_somewhere() -> None:
    charge = CAPACITY | {"cur_per_kw_month": 10.0, "shared_by": "equal"}
    data = metered("2024-12-31T23:00", 60, np.ones((2, 31 * 24)), timezone=VIENNA)
    with pytest.raises(ValueError, match="give the building of each customer"):
        bill(design(charge), data)
    with pytest.raises(ValueError, match="building: expected one for each of 2 customers, got 1"):
        replace(data, building=("a",))
