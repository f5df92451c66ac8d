"""Mechanism cards: what is measured is what a slow look at single books finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gridbazaar.experiments.measure.mechanisms import SIDES, Card, measure, percent, random_books
from gridbazaar.market.mechanisms import list_mechanisms, load_mechanism, mechanism_promises, mechanism_stage
from gridbazaar.market.orders import Setting
from tests.reference import Book, lp_welfare

KWH = 1_000_000


def card(name: str, n_side: int = 4, **options: int | str) -> Card:
    """One card on few books."""
    given = {"n_books": 60, "n_probes": 40} | options
    return measure([name], sides=[n_side], **given)[0][0]  # type: ignore[arg-type]


def test_the_default_loses_nothing_and_keeps_nothing() -> None:
    found = card("uniform_price")
    assert found.welfare_share == pytest.approx(1.0, abs=1e-9)
    assert found.surplus_share == 0
    assert found.outside_share == 0
    assert 0.2 < found.liars_share < 0.7


def test_the_first_best_is_that_of_the_linear_program() -> None:
    orders = random_books(4, 20, distribution="sizes", seed=3)
    best = load_mechanism("uniform_price")(orders, Setting())
    for env in range(20):
        book = Book(orders.energy_ukwh[env].tolist(), orders.limit_ucur_per_kwh[env].tolist(), list(range(8)))
        worth = int((best.traded_ukwh[env] * orders.limit_ucur_per_kwh[env]).sum())
        assert worth == pytest.approx(lp_welfare(book, None), rel=1e-9)


@pytest.mark.parametrize(("n_side", "published"), [(4, 0.925), (16, 0.993)])
def test_mcafee_loses_what_the_literature_says(n_side: int, published: float) -> None:
    assert card("mcafee", n_side, n_books=1000, n_probes=1).welfare_share == pytest.approx(published, abs=0.006)


@pytest.mark.parametrize("name", [n for n in list_mechanisms() if "truthful" in mechanism_promises(n)])
@pytest.mark.parametrize("distribution", ["unit", "sizes"])
def test_nobody_gains_by_lying_where_it_is_promised(name: str, distribution: str) -> None:
    assert card(name, distribution=distribution).liars_share == 0


def test_a_lie_is_found_where_it_pays() -> None:
    """Two traders at one price in the middle: either may take nearly all by asking for it."""
    orders = random_books(1, 1)
    orders = replace(orders, limit_ucur_per_kwh=np.array([[900_000, 100_000]]))
    paid = load_mechanism("uniform_price")(orders, Setting()).pay_ucur
    lied = replace(orders, limit_ucur_per_kwh=np.array([[125_000, 100_000]]))
    assert paid[0, 0] == 500_000
    assert load_mechanism("uniform_price")(lied, Setting()).pay_ucur[0, 0] == 112_500
    assert 0.4 < card("uniform_price", 1, n_probes=200).liars_share < 0.5  # half of the pairs trade


def test_every_mechanism_has_a_card_of_its_stage() -> None:
    cards, community = measure(sides=[2], n_books=5, n_probes=3)
    assert [c.mechanism for c in cards] == [n for n in list_mechanisms() if mechanism_stage(n) == "ex_ante"]
    assert [c.mechanism for c in community] == [n for n in list_mechanisms() if mechanism_stage(n) == "ex_post"]
    for c in cards:
        assert c.welfare_share <= 1 + 1e-6, c.mechanism
        if "balanced" in mechanism_promises(c.mechanism):
            assert c.surplus_share == pytest.approx(0, abs=1e-6), c.mechanism


def test_the_same_seed_measures_the_same() -> None:
    assert card("mcafee", seed=4) == card("mcafee", seed=4) != card("mcafee", seed=5)
    assert SIDES == (4, 8, 16, 64)


def test_bad_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="got 'macafee'; did you mean mcafee"):
        measure(["macafee"])
    with pytest.raises(ValueError, match="sides: expected numbers of at least 1, got 0"):
        measure(["mcafee"], sides=[0])
    with pytest.raises(ValueError, match="distribution: expected one of unit, sizes, got 'normal'"):
        measure(["mcafee"], distribution="normal")
    with pytest.raises(ValueError, match="at least one book and one probe, got 0 and 300"):
        measure(["mcafee"], n_books=0)


def test_shares_are_written_in_per_cent_without_a_signed_zero() -> None:
    assert [percent(x) for x in (0.1234, -0.00001, -0.25, float("nan"))] == ["12.3", "0.0", "-25.0", "-"]
