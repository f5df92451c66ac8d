"""Value or transfer: money that moves is found, what is left are resources, and the sentences follow the numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gridbazaar.data.units import MICRO
from gridbazaar.experiments.comparison.network_lines import OPERATOR
from gridbazaar.experiments.studies import transfer
from gridbazaar.experiments.studies.transfer import NONE, OUTSIDE, WHOLE, Row, discounts, tariffs
from gridbazaar.market.settlement.settle import SYSTEM_PARTIES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [row for retail in transfer.RETAIL for row in transfer._rows(retail, transfer._compared(retail, 6, None))]


def received_cur(row: Row, party: str) -> np.ndarray:
    """[n_days] that a party receives more with the market than without, from the days' books alone."""
    place = row.on.n_agents + SYSTEM_PARTIES.index(party)
    on, off = (
        np.concatenate([-book.day_ucur[:, :, place].sum(0) for book in one.books]) / MICRO for one in (row.on, row.off)
    )
    return on - off


def test_discounts_are_those_of_vienna_and_three_more() -> None:
    assert list(discounts().values()) == pytest.approx([0.0, 0.28, 0.5, 0.57, 1.0])
    local = [tariff.local_network_cur_per_kwh for tariff in tariffs("flat")]
    assert local == pytest.approx([0.08, 0.0576, 0.04, 0.0344, 0.0])
    assert {tariff.local_tax_cur_per_kwh for tariff in tariffs("flat")} == {0.06}


def test_what_customers_gain_is_what_society_saves_and_what_others_lose(rows: list[Row]) -> None:
    for row in rows:
        moved = -sum(received_cur(row, party) for party in SYSTEM_PARTIES if party != "wholesale")
        assert row.gains_cur - row.resources_cur == pytest.approx(moved, abs=1e-9)
        assert row.network_cur == pytest.approx(received_cur(row, OPERATOR), abs=1e-9)
        assert np.abs(row.gains_cur).max() > 0.1


def test_frozen_nothing_is_missing_and_a_discount_is_paid_by_the_network(rows: list[Row]) -> None:
    assert all(row.frozen.holds for row in rows)
    flat = {row.discount: row.frozen for row in rows if row.retail == "flat"}
    assert flat[NONE].others_cur.get(OPERATOR, 0.0) == pytest.approx(0.0, abs=1e-4), "but for rounded micro-units"
    spared = flat[WHOLE].members_cur - flat[NONE].members_cur
    assert flat[WHOLE].others_cur[OPERATOR] == pytest.approx(spared, abs=1e-4)
    assert flat["half"].others_cur[OPERATOR] == pytest.approx(spared / 2, abs=1e-4)


def test_homes_that_are_no_members_trade_with_nobody(rows: list[Row]) -> None:
    book = rows[0].on.accounts[0]
    place = [book.core.agents.index(home) for home in OUTSIDE]
    assert not book.local_ukwh[:, :, place].any()
    assert book.local_ukwh.any()


def test_the_verdict_follows_the_numbers(rows: list[Row]) -> None:
    ok = rows[0]
    broken = replace(ok, frozen=replace(ok.frozen, loss_change_ukwh=1))
    assert "transfer, all of it" in transfer._verdict([ok])[0]
    assert "something is missing" in transfer._verdict([broken])[0]
    n = len(ok.gains_cur)

    def with_numbers(gains: np.ndarray, resources: np.ndarray) -> str:
        row = replace(ok)
        row.__dict__.update(gains_cur=gains, resources_cur=resources)
        return transfer._verdict([row])[1]

    spread = np.linspace(-0.1, 0.1, n)
    assert "mostly value" in with_numbers(1 + spread, 0.9 + spread)
    assert "mostly transfer" in with_numbers(1 + spread, 0.2 + spread)
    assert "all transfer" in with_numbers(1 + spread, spread)
    assert "society spends more" in with_numbers(1 + spread, -0.5 + spread)
    assert "nothing that can be told from chance" in with_numbers(spread, spread)
