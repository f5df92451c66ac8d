"""Delivery of a call against the cleared schedule: what it earns, what a shortfall costs, who of the members gets what.

Integers as everywhere in the market. Delivered is what was released beside what was sold: the schedule counts as far as
it sells, and what was bought while the call ran counts as nothing. Otherwise a purchase that nobody meant to draw would
be a delivery without any device that moves. Delivered energy leaves the position, so that no kWh is paid twice.

What is missing costs by the price of the product, not of the offer: who asks nothing for a kWh has promised it all the
same. A stake lies in escrow from the award on; a shortfall beyond the tolerance is slashed from it at the most that is
paid for a called kWh, times the penalty, and the rest goes back at the end. Then the part of what was paid for holding
ready goes back that belongs to what did not come, within the tolerance too. Flexibility tenders of network operators
are settled so: availability falls with what was delivered, and undelivered energy is charged above its price.
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
    penalty: Penalty = 1.5  # of the most that is paid for a called kWh, for each kWh of the shortfall
    under: Share = 0.75  # share of the called energy below which an event is under-delivered
    derate: Share = 0.5  # what is left of the registered capacity after every third of them

    def __post_init__(self) -> None:
        check_table(self, "call")


def delivered_ukwh(schedule_ukwh: Array, metered_ukwh: Array, called_ukwh: Array) -> Array:
    """Give what was injected beyond what was sold, from 0 to what was called.

    Args:
        schedule_ukwh: [...] int64, cleared before delivery, > 0 bought; a purchase counts as nothing.
        metered_ukwh: [...] int64, > 0 drawn.
        called_ukwh: [...] int64 >= 0.
    """
    xp = namespace(schedule_ukwh)
    return xp.clip(xp.minimum(schedule_ukwh, 0) - metered_ukwh, 0, called_ukwh)


def penalty_ucur_per_kwh(cap_ucur_per_kwh: int, terms: CallTerms) -> int:
    """Give what a missing kWh costs, from the most that is paid for a called one; >= 0."""
    return cap_ucur_per_kwh * round(terms.penalty * 1000) // 1000


def activate(
    called_ukwh: Array, delivered: Array, price_ucur_per_kwh: Array, missing_ucur_per_kwh: int, stake_ucur: Array,
    terms: CallTerms,
) -> Activation:  # fmt: skip
    """Pay what was delivered and slash the stake for what is missing beyond the tolerance.

    Args:
        called_ukwh: [...] int64 >= 0, award x level.
        delivered: [...] int64, measured; more than was called earns nothing, less than nothing costs no more.
        price_ucur_per_kwh: [...] int64 >= 0, of the award.
        missing_ucur_per_kwh: of ``penalty_ucur_per_kwh``, whatever the award's price.
        stake_ucur: [...] int64 >= 0, what is left of it; nobody loses more.
        terms: tolerance.
    """
    xp = namespace(called_ukwh)
    counted = xp.clip(delivered, 0, called_ukwh)
    due = called_ukwh - called_ukwh * round(terms.tolerance * MICRO) // MICRO
    shortfall = xp.maximum(due - counted, 0)
    penalty = energy_cost_ucur(shortfall, missing_ucur_per_kwh)
    return Activation(
        counted, shortfall, energy_cost_ucur(counted, price_ucur_per_kwh), xp.minimum(penalty, stake_ucur)
    )


def stake_for(award_ukwh: Array, n_intervals: Array, missing_ucur_per_kwh: int) -> Array:
    """Give the stake that covers a whole event without any delivery, [...] int64."""
    return energy_cost_ucur(award_ukwh * n_intervals, missing_ucur_per_kwh)


def taken_back_ucur(ready_ucur: Array, called_ukwh: Array, delivered_ukwh: Array) -> Array:
    """Give what goes back at the end of an event of what was paid for holding ready: the share that did not come.

    Args:
        ready_ucur: [...] int64 >= 0, paid over the whole event.
        called_ukwh, delivered_ukwh: [...] int64, of the whole event, ``0 <= delivered <= called``.

    Returns:
        [...] int64 from 0 to ``ready_ucur``; nothing where nothing was called.
    """
    return muldiv(ready_ucur, called_ukwh - delivered_ukwh, namespace(called_ukwh).maximum(called_ukwh, 1))


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
