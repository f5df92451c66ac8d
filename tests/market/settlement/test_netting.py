"""Netting, banks, credits and tiers as they arise: what intervals post is the bill of the same meters, to the unit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.clock import midnight
from gridbazaar.market.billing.bill import bill
from gridbazaar.market.billing.metered import metered
from gridbazaar.market.charge import Charge, Window
from gridbazaar.market.design import Design, Netting, Vat
from gridbazaar.market.designs import load_design
from gridbazaar.market.played import play
from gridbazaar.market.settlement.peaks import Reading, advance, begin, due_ucur
from tests.quick import only

FIRST, YEAR = np.datetime64("2024-12-01", "D"), np.datetime64("2025-01-01", "D")
ZONE = "Europe/Brussels"
EVENING = (Window(17, 21, cur_per_kwh=0.41), Window(9, 15, days="weekday", cur_per_kwh=0.17))


def of_energy(netting: Netting, *charges: dict[str, Any]) -> Design:
    made = tuple(Charge(each.pop("line", "retail"), each.pop("to", "retailer"), **each) for each in charges)
    return Design("d", "d", "", 2024, "EUR", ZONE, "", made, vat=Vat(0.21), netting=netting)


def bought(**more: Any) -> dict[str, Any]:
    return more if "tiers_kwh" in more else {"cur_per_kwh": 0.2837, **more}


def sold(price: float, **more: Any) -> dict[str, Any]:
    return {"flow": "export", "cur_per_kwh": price, "vat": False, **more}


NETWORK = {"line": "network", "to": "network_operator", "cur_per_kwh": 0.0713, "local": {"transformer": 0.43}}
TIERS = {"tiers_kwh": (100.0, 250.0), "tier_cur_per_kwh": (0.2, 0.31, 0.44)}
FED_IN = {"flow": "export", "tiers_kwh": (50.0,), "tier_cur_per_kwh": (0.1, 0.04)}
TIERED = (Window(17, 21, tier_cur_per_kwh=(0.3, 0.5, 0.7)),)
DESIGNS = {
    **{name: replace(load_design(name), holidays="") for name in ("us_ca_nem2", "us_ca_nbt", "us_ca_ev2a")},
    "nl_saldering": load_design("nl_saldering"),
    "a share of the month": of_energy(Netting("month", 0.64), bought(), sold(0.06), sold(-0.02, nets=False)),
    "a month at many prices": of_energy(Netting("month"), bought(windows=EVENING), sold(0.09), {**NETWORK}),
    "a year with a share": of_energy(Netting("year", 0.8), bought(windows=EVENING), sold(0.05), {**NETWORK}),
    "a year to November": of_energy(Netting("year", true_up_month=11), bought(), sold(0.05)),
    "a bank": of_energy(
        Netting("month", rollover="kwh", true_up_month=12, true_up_cur_per_kwh=0.03),
        bought(windows=EVENING), {**NETWORK, "nets": False},
    ),
    "a bank and tiers": of_energy(Netting("month", rollover="kwh"), bought(**TIERS, windows=TIERED)),
    "money by the month": of_energy(
        Netting("month", rollover="money", true_up_month=12, true_up_frac=0.4, true_up_cur_per_kwh=0.02),
        bought(windows=EVENING), {**NETWORK},
    ),
    "credits up to a cap": of_energy(Netting(cap="energy_month", credit_pays=("retail",)), bought(), sold(0.3)),
    "tiers": of_energy(Netting(), bought(**TIERS), sold(0.07), {**NETWORK}),
    "tiers a day": of_energy(Netting(), bought(**{**TIERS, "tiers_kwh": (4.0, 9.0)}, tier_scope="month_per_day")),
    "tiers of the year": of_energy(Netting(), bought(**{**TIERS, "tiers_kwh": (300.0, 500.0)}, tier_scope="year")),
    "tiers at all hours": of_energy(Netting(), bought(**TIERS, windows=TIERED)),
    "tiers of each window": of_energy(Netting(), bought(**TIERS, windows=TIERED, tier_split="window")),
    "tiers that fall": of_energy(Netting(), bought(tiers_kwh=(120.0,), tier_cur_per_kwh=(0.4, 0.1))),
    "tiers that net": of_energy(Netting("month"), bought(**TIERS), sold(0.07)),
    "tiers of what is fed in": of_energy(Netting(), bought(), FED_IN),
}  # fmt: skip
QUICK = ("nl_saldering",)


@pytest.mark.parametrize("name", only(QUICK, DESIGNS))
def test_postings_of_months_and_years_are_their_bill(name: str) -> None:
    """December and January: a home that draws, one that feeds in first and draws then, and the other way round.

    Tiers of the calendar year over January and February, for with a year they begin anew.
    """
    first_day, n_days = (YEAR, 59) if name == "tiers of the year" else (FIRST, 62)
    design, calendar = DESIGNS[name], make_calendar(first_day, n_days, 60, ZONE)
    rng, n = np.random.default_rng(4), calendar.n_steps
    late = np.arange(n) >= 31 * 24
    mean = np.stack([0.5 + 0.0 * late, np.where(late, 0.4, -0.3), np.where(late, -0.5, 0.3)])
    net = np.round(rng.normal(0.0, 1.0, (3, n)) + mean, 6)
    local = np.round(net * rng.random((3, n)) * (rng.random((3, n)) < 0.5), 6)
    spot = np.round(rng.normal(0.08, 0.1, n), 5)
    data = metered(
        midnight(first_day, ZONE), 60, np.maximum(net, 0), np.maximum(-net, 0), spot_cur_per_kwh=spot, timezone=ZONE,
        local_kwh={"transformer": np.maximum(local, 0)}, local_sold_kwh=np.maximum(-local, 0),
    )  # fmt: skip
    charges = play(design, spot, calendar).by_month
    assert charges is not None
    carry, first, due = begin(charges, 1, 3, np.zeros(1)), np.array([0]), []
    metered_ukwh, local_ukwh = (np.rint(x * 1e6).astype(np.int64)[None] for x in (net, local))
    for t in range(n):
        here = metered_ukwh[..., t], local_ukwh[..., t], (metered_ukwh - local_ukwh)[..., t]
        carry = advance(charges, carry, Reading(*here), np.array([t]), first)
        if t + 1 in (31 * 24, n):
            due.append(due_ucur(charges, carry)[0])
    energy = replace(design, charges=tuple(c for c in design.charges if c.sort == "energy"))
    billed = bill(energy, data, is_part=True)
    assert np.abs(billed.total_cur).min() > 1
    for i, entry in enumerate(charges.entries[:-1]):
        column = billed.entries.index((entry.line, entry.to))
        assert (np.diff(np.array(due)[..., i], axis=0, prepend=0) == billed.ucur[:, :, column].T).all(), entry
    tax = np.rint(np.cumsum(billed.cur[..., -1], axis=1) * 1e6)
    assert (np.array(due)[..., -1] == tax.T).all()


@pytest.mark.slow
def test_a_torch_carry_is_that_of_numpy() -> None:
    torch = pytest.importorskip("torch")
    from gridbazaar.data.trees import mapped

    for name in ("a year with a share", "a bank and tiers", "money by the month", "tiers of each window"):
        charges = play(DESIGNS[name], np.zeros(62 * 24), make_calendar(FIRST, 62, 60, ZONE)).by_month
        assert charges is not None
        there = mapped(charges, torch.as_tensor)
        ours, theirs = begin(charges, 1, 3, np.zeros(1)), begin(there, 1, 3, torch.zeros(1))
        rng = np.random.default_rng(2)
        for t in range(700, 800):
            ukwh = rng.integers(-30_000_000, 40_000_000, (1, 3))
            here = (ukwh, ukwh // 3, ukwh - ukwh // 3)
            at = np.array([t]), np.array([700])
            ours = advance(charges, ours, Reading(*here), *at)
            theirs = advance(there, theirs, Reading(*map(torch.as_tensor, here)), *map(torch.as_tensor, at))
        assert (due_ucur(charges, ours) == due_ucur(there, theirs).numpy()).all(), name
        assert (due_ucur(charges, ours) != 0).any()
