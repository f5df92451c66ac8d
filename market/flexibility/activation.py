"""Delivery of a call against the cleared schedule: what it earns, what a shortfall costs, who of the members gets what.

Integers as everywhere in the market. The schedule is what the market cleared before delivery, so there is nothing to
inflate; delivered energy leaves the position, so that no kWh is paid twice. A stake lies in escrow from the award on:
a shortfall beyond the tolerance is slashed from it, the rest goes back at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gridbazaar.data.arrays import Array, muldiv, namespace
from gridbazaar.data.bounds import Share, Within
from gridbazaar.data.tables import check_table
from gridbazaar.data.units import MICRO, energy_cost_ucur
from gridbazaar.market.auction.rationing import increments

_STRIKES = 3

Penalty = Annotated[float, Within(0.0, 1000.0)]


@dataclass(frozen=True, slots=True)
class Activation:
    """What became of a call in one interval; money >= 0."""

    delivered_ukwh: Array  # [...] int64, from 0 to what was called
    shortfall_ukwh: Array  # [...] int64 >= 0, beyond the tolerance
    pay_ucur: Array  # [...] int64, for what was delivered
    slashed_ucur: Array  # [...] int64, taken from the stake


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What an award is worth and what it costs not to keep it; shares are kept to a millionth."""

    tolerance: Share = 0.1  # share of a call that may be missing
    penalty: Penalty = 1.5  # of the price, for each kWh of the shortfall
    under: Share = 0.75  # share of the called energy below which an event is under-delivered
    derate: Share = 0.5  # what is left of the registered capacity after every third of them

    def __post_init__(self) -> None:
        check_table(self, "call")


def delivered_ukwh(schedule_ukwh: Array, metered_ukwh: Array, called_ukwh: Array) -> Array:
    """Give schedule less sub-meter, from 0 to what was called; > 0 is drawn less (or injected more)."""
    return namespace(schedule_ukwh).clip(schedule_ukwh - metered_ukwh, 0, called_ukwh)


def activate(
    called_ukwh: Array, delivered: Array, price_ucur_per_kwh: Array, stake_ucur: Array, terms: CallTerms
) -> Activation:
    """Pay what was delivered and slash the stake for what is missing beyond the tolerance.

    Args:
        called_ukwh: [...] int64 >= 0, award x level.
        delivered: [...] int64, measured; more than was called earns nothing, less than nothing costs no more.
        price_ucur_per_kwh: [...] int64 >= 0, of the award.
        stake_ucur: [...] int64 >= 0, what is left of it; nobody loses more.
        terms: tolerance and penalty.
    """
    xp = namespace(called_ukwh)
    counted = xp.clip(delivered, 0, called_ukwh)
    due = called_ukwh - called_ukwh * round(terms.tolerance * MICRO) // MICRO
    shortfall = xp.maximum(due - counted, 0)
    penalty = energy_cost_ucur(shortfall, price_ucur_per_kwh) * round(terms.penalty * 1000) // 1000
    return Activation(
        counted, shortfall, energy_cost_ucur(counted, price_ucur_per_kwh), xp.minimum(penalty, stake_ucur)
    )


def stake_for(award_ukwh: Array, n_intervals: Array, price_ucur_per_kwh: Array, terms: CallTerms) -> Array:
    """Give the stake that covers a whole event without any delivery, [...] int64."""
    whole = energy_cost_ucur(award_ukwh * n_intervals, price_ucur_per_kwh)
    return whole * round(terms.penalty * 1000) // 1000


def is_under_delivered(called: Array, delivered: Array, terms: CallTerms) -> Array:
    """Say whether an event brought less than the share of its called energy that it must, [...] bool."""
    return delivered * MICRO < called * round(terms.under * MICRO)


def registered_share(n_under: Array, terms: CallTerms) -> Array:
    """Give the share of the envelope that may still be offered after so many under-deliveries, [...] float."""
    xp = namespace(n_under)
    return (terms.derate + xp.astype(0 * n_under, xp.float64)) ** (n_under // _STRIKES)


def share_revenue(pay_ucur: Array, delivered: Array, phi: float) -> Array:
    """Split ``phi`` of a payment over members by what each delivered; sums are exact.

    Args:
        pay_ucur: [n] int64 >= 0.
        delivered: [n, n_members] int64; who delivered less than nothing gets nothing.
        phi: share of the members, in [0, 1].

    Returns:
        [n, n_members] int64 >= 0, summing to the members' part, rounded down; nothing where nobody delivered.
    """
    if not 0 <= phi <= 1:
        raise ValueError(f"share_revenue: expected phi in [0, 1], got {phi}")
    xp = namespace(delivered)
    part = pay_ucur * round(phi * MICRO) // MICRO
    running = xp.cumsum(xp.maximum(delivered, 0), axis=1)
    total = xp.maximum(running[:, -1:], 1)
    return increments(muldiv(running, part[:, None] + 0 * running, total + 0 * running))
