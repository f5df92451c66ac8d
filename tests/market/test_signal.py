"""The signal of a design: what one more kWh of an hour adds to the bill of the design itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.clock import midnight
from gridbazaar.market.billing.bill import bill
from gridbazaar.market.billing.metered import metered
from gridbazaar.market.charge import Charge
from gridbazaar.market.design import Design, Netting, Vat
from gridbazaar.market.designs import list_designs, load_design
from gridbazaar.market.played import play
from gridbazaar.market.signal import signal_of
from tests.quick import only

FIRST = np.datetime64("2025-07-01", "D")
ZONE = "Europe/Vienna"
HOURS = (10 * 24 + 3, 11 * 24 + 13, 12 * 24 + 19)
MORE_KWH = 0.001


def a_share(share: float) -> Design:
    charges = (
        Charge("retail", "retailer", cur_per_kwh=0.25),
        Charge("tax", "state", cur_per_kwh=0.03, nets=False, vat=False),
        Charge("retail", "retailer", flow="export", cur_per_kwh=0.07, vat=False),
        Charge("tax", "state", frac=0.05, of_lines=("retail",)),
    )
    return Design(
        "d", "", "", 2025, "EUR", ZONE, "", charges, vat=Vat(0.2), netting=Netting("month", share)
    )  # fmt: skip


DESIGNS = {name: replace(load_design(name), holidays="") for name in list_designs()}
DESIGNS |= {f"a share of {share}": a_share(share) for share in (0.0, 0.6, 1.0)}


QUICK = ("us_ca_nem2", "nl_saldering", "es_self_consumption", "gb_agile", "a share of 0.6")


@pytest.mark.parametrize("name", only(QUICK, DESIGNS))
def test_a_kwh_more_costs_what_the_signal_says(name: str) -> None:
    """July of a home that draws more than it feeds in; charges on power left out, they cost by another measure."""
    design = replace(DESIGNS[name], charges=tuple(c for c in DESIGNS[name].charges if c.sort != "power"))
    calendar = make_calendar(FIRST, 31, 60, ZONE)
    n, hour = calendar.n_steps, calendar.hour
    spot = np.round(np.random.default_rng(3).normal(0.09, 0.03, n), 5)
    drawn = np.where((hour > 8) & (hour < 16), 0.0, 2.0)
    fed_in = np.where(drawn > 0, 0.0, 1.5)

    def due(at: int, kwh: float, side: int) -> float:
        flows = [drawn.copy(), fed_in.copy()]
        flows[side][at] += kwh
        data = metered(
            midnight(FIRST, ZONE), 60, flows[0][None], flows[1][None], spot_cur_per_kwh=spot, timezone=ZONE
        )  # fmt: skip
        return float(bill(design, data, is_part=True).total_cur[0])

    prices = play(signal_of(design), spot, calendar).prices
    for at in HOURS:
        side = int(drawn[at] == 0)
        more = (due(at, MORE_KWH, side) - due(at, 0.0, side)) / MORE_KWH
        said = -prices.export[at] / 1e6 if side else prices.retail[at] / 1e6
        free = 0.0123 if name == "au_two_way" and at == HOURS[1] else 0.0  # beyond its free kWh, carried apart
        assert more == pytest.approx(said + free, abs=3e-6), (at, side)


def test_tiers_say_no_price_but_a_least_one() -> None:
    tiers = Charge("retail", "retailer", tiers_kwh=(100.0,), tier_cur_per_kwh=(0.2, 0.4))
    design = replace(a_share(1.0), charges=(tiers,), netting=Netting())
    with pytest.raises(ValueError, match="retail has tiers, so no interval knows what a kWh costs"):
        signal_of(design)
    calendar = make_calendar(FIRST, 1, 60, ZONE)
    assert set(play(signal_of(design, at_least=True), np.zeros(24), calendar).prices.energy.tolist()) == {200_000}
