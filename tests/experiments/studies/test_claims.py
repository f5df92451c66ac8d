"""Tables of claims: signs and orders that follow from their conditions."""

from __future__ import annotations

import numpy as np
import pytest

from gridbazaar.experiments.studies import claims
from gridbazaar.experiments.studies.place import live, place

pytestmark = pytest.mark.slow


@pytest.mark.slow
def test_sun_and_market_lower_bills_and_fees_keep_them_up() -> None:
    def bills(**overrides: object) -> float:
        return live(place("claims", hours=24.0, **overrides), 4).bills_cur

    nobody = {"bids": [0.0], "asks": [1.0]}
    fees = {"tariff_options.local_network_cur_per_kwh": 0.08, "tariff_options.local_tax_cur_per_kwh": 0.06}
    alone = bills(mechanism_options=nobody)
    dear = live(place("claims", hours=24.0, **fees), 4).bills_cur
    assert bills() < dear < alone < bills(**{"prosumer.pv_share": 0.0})


def test_an_interval_is_settled_and_its_trades_are_counted() -> None:
    head, counts, *times = claims.settlement(n_homes=40, repeats=2)
    assert head == ["of an interval", "figure"]
    homes, orders, trades = map(int, counts[1].split(", "))
    assert (homes, orders) == (40, 80)
    assert trades > 0
    assert all(float(row[1].removesuffix(" ms")) > 0 for row in times)


@pytest.mark.slow
def test_without_any_storage_an_island_keeps_less() -> None:
    kept = [claims._kept({"storage.share_of_load": share}, 6, None) for share in ([0.4, 0.7], [0.01, 0.02])]
    shares = [int(row[0].removesuffix(" %")) for row in kept]
    assert shares[0] > shares[1]
    assert kept[0][2].startswith("6, ")


@pytest.mark.slow
def test_losses_count_what_lies_upstream() -> None:
    _, *rows = claims.losses(1)
    found = np.array([[float(cell.removesuffix(" %")) for cell in row[1:]] for row in rows])
    assert (np.diff(found, axis=1) > 0).all(), "the more is lost upstream, the more is lost"
    assert found[0, 2] - found[0, 0] == pytest.approx(100 * 0.05 / 0.95 * 1.0, abs=0.4)
