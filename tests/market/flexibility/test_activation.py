"""Delivery against the cleared schedule: pay, stakes and shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.market.flexibility.activation import (
    Activation,
    CallTerms,
    activate,
    delivered_ukwh,
    is_under_delivered,
    penalty_ucur_per_kwh,
    registered_share,
    share_revenue,
    stake_for,
    taken_back_ucur,
)

KWH = 1_000_000
amounts = st.integers(0, 200 * KWH)


def one(called: float, delivered: float, price: float, stake: float) -> Activation:
    """At most 0.40 is paid for a called kWh, so 0.60 is lost for a missing one."""
    called_ukwh, measured, at, held = (np.array([round(x * KWH)]) for x in (called, delivered, price, stake))
    return activate(called_ukwh, measured, at, 600_000, held, CallTerms())


def test_a_missing_kwh_costs_one_and_a_half_times_what_is_paid_at_most() -> None:
    assert penalty_ucur_per_kwh(400_000, CallTerms()) == 600_000
    assert penalty_ucur_per_kwh(0, CallTerms()) == 0


@pytest.mark.parametrize("asked", [0.0, 0.1, 0.4])
def test_what_is_missing_beyond_a_tenth_is_slashed_whatever_was_asked(asked: float) -> None:
    """10 kWh called, 6 came, which are paid as asked; 9 - 6 = 3 kWh short, 3 x 0.60 = 1.80 slashed."""
    found = one(10, 6, asked, 6.0)
    assert found.pay_ucur.tolist() == [round(6 * asked * KWH)]
    assert found.shortfall_ukwh.tolist() == [3 * KWH]
    assert found.slashed_ucur.tolist() == [1_800_000]


def test_availability_goes_back_by_the_share_that_did_not_come() -> None:
    """0.50 was paid for holding ready; 8 kWh were called in all, of which 8, 6, 7.6 and none came; or none were."""
    ready, called = np.full(5, 500_000), np.array([8, 8, 8, 8, 0]) * KWH
    came = np.array([8 * KWH, 6 * KWH, 7_600_000, 0, 0])
    assert taken_back_ucur(ready, called, came).tolist() == [0, 125_000, 25_000, 500_000, 0]


@given(st.integers(0, 10**9), amounts, amounts)
def test_no_more_availability_goes_back_than_was_paid_and_all_of_it_where_nothing_came(
    ready: int, called: int, came: int
) -> None:
    came = min(came, called)
    taken = taken_back_ucur(np.array([ready]), np.array([called]), np.array([came]))[0]
    assert taken == (ready * (called - came) // called if called else 0)
    assert taken_back_ucur(np.array([ready]), np.array([called]), np.array([0]))[0] == ready * (called > 0)


def test_within_the_tolerance_nothing_is_slashed_and_only_what_came_is_paid() -> None:
    found = one(10, 9, 0.40, 6.0)
    assert (found.pay_ucur.tolist(), found.slashed_ucur.tolist()) == ([3_600_000], [0])


def test_more_than_called_earns_nothing_and_the_wrong_way_is_not_paid() -> None:
    assert one(10, 14, 0.40, 6.0).pay_ucur.tolist() == [4_000_000]
    assert one(10, -5, 0.40, 60.0).pay_ucur.tolist() == [0]


def test_nobody_loses_more_than_the_stake() -> None:
    assert one(10, 0, 0.40, 1.0).slashed_ucur.tolist() == [1_000_000]


def test_delivery_is_what_is_injected_beyond_what_was_sold_and_purchases_count_as_nothing() -> None:
    """It sold 3 and injected 5; it sold 3 and injected 1; it bought 2 and injected 2; it bought 2 and drew nothing."""
    schedule, metered = np.array([-3, -3, 2, 2]) * KWH, np.array([-5, -1, -2, 0]) * KWH
    assert delivered_ukwh(schedule, metered, np.full(4, 10 * KWH)).tolist() == [2 * KWH, 0, 2 * KWH, 0]
    assert delivered_ukwh(schedule, metered, np.full(4, KWH)).tolist() == [KWH, 0, KWH, 0]


def test_every_third_under_delivery_halves_what_may_be_offered() -> None:
    assert registered_share(np.arange(7), CallTerms()).tolist() == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    terms = CallTerms()
    called = np.full(3, 4 * KWH)
    assert is_under_delivered(called, np.array([3 * KWH, 3 * KWH - 1, 0]), terms).tolist() == [False, True, True]


@given(amounts, st.integers(-200 * KWH, 400 * KWH), st.integers(0, 3 * KWH), st.integers(0, 10**9))
def test_a_penalty_needs_a_shortfall_beyond_the_tolerance_and_fits_the_stake(
    called: int, delivered: int, price: int, stake: int
) -> None:
    terms, missing = CallTerms(), penalty_ucur_per_kwh(price, CallTerms())
    found = activate(np.array([called]), np.array([delivered]), np.array([price]), missing, np.array([stake]), terms)
    assert 0 <= found.delivered_ukwh[0] <= called
    assert 0 <= found.slashed_ucur[0] <= stake
    if delivered * 10 >= called * 9 + 10:
        assert found.slashed_ucur[0] == 0
    whole = stake_for(np.array([called]), np.array([1]), missing)[0]
    nothing = activate(np.array([called]), np.array([0]), np.array([price]), missing, np.array([10**15]), terms)
    assert nothing.slashed_ucur[0] <= whole, "the stake covers a whole event without any delivery"


@given(st.integers(0, 10**9), st.lists(st.integers(-5 * KWH, 50 * KWH), min_size=1, max_size=9), st.floats(0, 1))
def test_members_get_their_part_of_the_payment_to_the_unit(pay: int, delivered: list[int], phi: float) -> None:
    shares = share_revenue(np.array([pay]), np.array([delivered]), phi)[0]
    assert (shares >= 0).all()
    assert all(share == 0 for share, d in zip(shares, delivered, strict=True) if d <= 0)
    assert shares.sum() == (pay * round(phi * KWH) // KWH if max(delivered) > 0 else 0)
    if max(delivered) > 0:
        exact = pay * phi * np.maximum(delivered, 0) / np.maximum(delivered, 0).sum()
        assert (abs(shares - exact) <= 2 + pay * 1e-6).all()


def test_terms_outside_their_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"call.tolerance: expected a number in \[0, 1\], got 2"):
        CallTerms(tolerance=2)
    with pytest.raises(ValueError, match=r"phi in \[0, 1\], got 1\.5"):
        share_revenue(np.array([1]), np.array([[1]]), 1.5)
