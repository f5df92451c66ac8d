"""Curtailment by a rising price clock: the emergency brake of a network operator, and what happens at its end."""

from __future__ import annotations

from typing import Annotated

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import OneOf
from gridbazaar.data.units import MICRO
from gridbazaar.market.auction.rationing import water_fill
from gridbazaar.market.flexibility.merit_order import take_in_merit
from gridbazaar.market.flexibility.offers import Award, Call, Offers, check_call, eligible_ukwh, make_award, relief_ukwh

PRICINGS = ("uniform", "as_accepted")


def dutch_curtailment(call: Call, offers: Offers, *, pricing: Annotated[str, OneOf(*PRICINGS)] = "uniform") -> Award:
    """Raise a price until enough owners agree to relieve a constraint, and take the rest by force at its end.

    Args:
        call: one constraint, with the start, the step and the cap of the clock.
        offers: an owner agrees at the first tick that reaches its price; availability is not paid.
        pricing: ``uniform`` pays all the price at which the clock stops, ``as_accepted`` each the one it agreed at.

    The price is ``start + tick x step``, at the last tick the cap. The clock stops at the first tick that meets the
    need; who agrees at it shares pro rata what is still needed. Offers are sealed, so the whole clock is a sort and a
    running sum. It rises at most ``ceil((cap - start) / step)`` times. Where offers up to the cap do not suffice, the
    rest is taken from the connections, the same share of each but no more than it has left, compensated at the cap and
    flagged as an emergency.
    """
    start, step, cap = call.start_ucur_per_kwh, call.step_ucur_per_kwh, call.cap_ucur_per_kwh
    if start is None or step is None or call.need_ukwh.shape[1] != 1:
        raise ValueError(
            "dutch_curtailment: expected one constraint, and the start and the step of the clock; "
            f"got {call.need_ukwh.shape[1]} constraints, start {start}, step {step}"
        )
    check_call("dutch_curtailment", call, offers)
    xp = namespace(offers.energy_ukwh)
    need, last_tick = call.need_ukwh[:, 0], -((start - cap) // step)
    energy = eligible_ukwh(call, offers) * (offers.price_ucur_per_kwh <= cap[:, None])
    tick = xp.maximum(-((start[:, None] - offers.price_ucur_per_kwh) // step[:, None]), 0)
    taken = take_in_merit(xp.abs(energy), relief_ukwh(energy, offers), tick, need)
    accepted = xp.where(energy < 0, -taken.energy_ukwh, taken.energy_ukwh)

    n_ticks = xp.where(taken.is_enough, taken.last_key * (need > 0), last_tick)
    stop = n_ticks[:, None] + 0 * tick
    paid_at = stop if pricing == "uniform" else xp.where(accepted != 0, tick, stop)
    price = xp.minimum(start[:, None] + paid_at * step[:, None], cap[:, None])
    missing = xp.maximum(need - xp.sum(-accepted * offers.loading_ppm[:, 0], axis=1) // MICRO, 0)
    forced = _forced(offers, accepted, missing)
    return make_award(call, offers, accepted, forced, price, n_ticks, missing > 0)


def _forced(offers: Offers, accepted: Array, missing: Array) -> Array:
    """[n_envs, n_offers] what is taken from connections for the relief [n_envs] that is missing, signed."""
    xp = namespace(accepted)
    connection = offers.connection_ukwh
    if connection is None:
        return 0 * accepted
    by_agent = xp.argsort(offers.agent * offers.agent.shape[0] + xp.arange(offers.agent.shape[0], like=offers.agent))
    loading = offers.loading_ppm[:, 0]
    helps = -connection * loading > 0
    left = xp.maximum(xp.abs(connection) - xp.abs(accepted), 0) * helps
    relief, weight = (size * xp.abs(loading) // MICRO for size in (left, xp.abs(connection) * helps))
    filled = water_fill(relief[:, by_agent], weight[:, by_agent], missing)[:, xp.argsort(by_agent)]
    size = -((-filled * MICRO) // xp.maximum(xp.abs(loading), 1))
    return xp.where(connection < 0, -size, size)
