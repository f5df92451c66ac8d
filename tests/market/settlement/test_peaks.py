"""Charges by the month as they arise: what intervals post is the bill of the same meters, to the micro-unit."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.clock import midnight
from gridbazaar.market.billing.bill import bill
from gridbazaar.market.billing.metered import metered
from gridbazaar.market.charge import Charge, Hours, Peak
from gridbazaar.market.design import Design
from gridbazaar.market.designs import load_design
from gridbazaar.market.played import play
from gridbazaar.market.settlement.peaks import Reading, advance, begin, due_ucur
from tests.quick import only

FIRST = np.datetime64("2024-02-01", "D")
ZONE = "Europe/Brussels"


def of_power(*charges: dict[str, Any]) -> Design:
    return Design(
        name="d", title="d", region="", year=2024, currency="EUR", tz=ZONE, source="",
        charges=tuple(Charge("capacity", "network_operator", **each) for each in charges),
    )  # fmt: skip


HOURS = (Hours(17, 20, days="weekday"),)
DESIGNS = {
    "be_flanders": load_design("be_flanders"),
    "no_bkk": replace(load_design("no_bkk"), holidays=""),
    "au_two_way": load_design("au_two_way"),
    "two on one line": of_power(
        {"cur_per_kw_month": 3.21}, {"cur_per_kw_month": 7.77, "peak": Peak(interval_min=30, windows=HOURS)}
    ),
    "mean of three intervals": of_power({"cur_per_kw_day": 0.123, "peak": Peak(n=3, per="interval", interval_min=30)}),
    "mean of five days": of_power({"cur_per_kw_month": 1.7, "peak": Peak(n=5, interval_min=15, floor_kw=1.0)}),
    "a ratchet": of_power(
        {"cur_per_kw_month": 5.0, "peak": Peak(interval_min=60, ratchet_frac=0.9, lookback_months=2)}
    ),
    "a mean of two months": of_power({"cur_per_kw_year": 50.0, "peak": Peak(average_months=2, floor_kw=2.0)}),
    "tiers that fall": of_power({"tiers_kw": (2.0, 5.0), "tier_cur_per_kw_month": (4.0, 3.0, 1.0)}),
    "a season": of_power({"cur_per_kw_month": 9.0, "peak": Peak(windows=(Hours(months=(3,)),), floor_kw=3.0)}),
}


QUICK = [("be_flanders", 60), ("no_bkk", 60), ("au_two_way", 60), ("mean of three intervals", 15)]


@pytest.mark.parametrize(("name", "step_min"), only(lambda case: case in QUICK, product(DESIGNS, (15, 60))))
def test_postings_of_months_are_their_bill(name: str, step_min: int) -> None:
    """Four months over a change of the clock; the first peaks are the highest, so that ratchets hold."""
    design, calendar = DESIGNS[name], make_calendar(FIRST, 121, step_min, ZONE)
    rng, n = np.random.default_rng(4), calendar.n_steps
    size = step_min / 60 * np.where(np.arange(n) < n / 4, 3.0, 1.5)
    net = np.round(rng.normal(0.3, 1.0, (2, n)) * size, 6)
    local = np.round(net * rng.random((2, n)) * (rng.random((2, n)) < 0.5), 6)
    spot = np.round(rng.normal(0.08, 0.1, n), 5)
    data = metered(
        midnight(FIRST, ZONE), step_min, np.maximum(net, 0), np.maximum(-net, 0), spot_cur_per_kwh=spot, timezone=ZONE,
        local_kwh={"transformer": np.maximum(local, 0)}, local_sold_kwh=np.maximum(-local, 0),
    )  # fmt: skip
    charges = play(design, spot, calendar).by_month
    assert charges is not None
    carry = begin(charges, 1, 2, np.zeros(1))
    metered_ukwh, local_ukwh = (np.rint(x * 1e6).astype(np.int64)[None] for x in (net, local))
    first, months, due = np.array([0]), (charges.power or charges.sums)[0].begins_month, []
    for t in range(n):
        here = metered_ukwh[..., t], local_ukwh[..., t], (metered_ukwh - local_ukwh)[..., t]
        carry = advance(charges, carry, Reading(*here), np.array([t]), first)
        if t + 1 == n or months[t + 1]:
            due.append(due_ucur(charges, carry)[0])
    by_month = replace(design, charges=tuple(c for c in design.charges if is_carried(c)))
    billed = bill(by_month, data)
    for i, entry in enumerate(charges.entries[:-1]):
        column = billed.entries.index((entry.line, entry.to))
        assert (np.diff(np.array(due)[..., i], axis=0, prepend=0) == billed.ucur[:, :, column].T).all(), entry
    tax = np.rint(np.cumsum(billed.cur[..., -1], axis=1) * 1e6)
    assert (np.array(due)[..., -1] == tax.T).all()
    assert (np.abs(np.array(due)[-1, :, 0]) > 1_000_000).all()


def is_carried(charge: Charge) -> bool:
    return charge.sort == "power" or any(window.free_kwh_per_month for window in charge.windows)


def test_what_is_due_rises_with_the_peak_and_never_falls_within_a_month() -> None:
    charges = play(of_power({"cur_per_kw_month": 2.0}), np.zeros(696), make_calendar(FIRST, 29, 60, ZONE)).by_month
    assert charges is not None
    carry, due = begin(charges, 1, 1, np.zeros(1)), []
    for t, kwh in enumerate((0.5, 3.0, -4.0, 2.0, 3.5)):
        ukwh = np.array([[round(kwh * 1e6)]])
        carry = advance(charges, carry, Reading(ukwh, 0 * ukwh, ukwh), np.array([t]), np.array([0]))
        due.append(int(due_ucur(charges, carry)[0, 0, 0]))
    assert due == [1_000_000, 6_000_000, 6_000_000, 6_000_000, 7_000_000]


@pytest.mark.slow
def test_a_torch_carry_is_that_of_numpy() -> None:
    torch = pytest.importorskip("torch")
    from gridbazaar.data.trees import mapped

    for name in ("be_flanders", "no_bkk", "au_two_way", "a ratchet"):
        charges = play(DESIGNS[name], np.zeros(1439), make_calendar(FIRST, 60, 60, ZONE)).by_month
        assert charges is not None
        there = mapped(charges, torch.as_tensor)
        ours, theirs = begin(charges, 1, 3, np.zeros(1)), begin(there, 1, 3, torch.zeros(1))
        rng = np.random.default_rng(2)
        for t in range(650, 800):
            ukwh = rng.integers(-3_000_000, 4_000_000, (1, 3))
            here = (ukwh, ukwh // 3, ukwh - ukwh // 3)
            at = np.array([t]), np.array([650])
            ours = advance(charges, ours, Reading(*here), *at)
            theirs = advance(there, theirs, Reading(*map(torch.as_tensor, here)), *map(torch.as_tensor, at))
        assert (due_ucur(charges, ours) == due_ucur(there, theirs).numpy()).all()
