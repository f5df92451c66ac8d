"""The contract of flexibility: a ``Call`` of the network operator and ``Offers`` go in, an ``Award`` comes out.

Integers only, as in orders: energy in micro-kWh, prices in micro-currency per kWh. Positive is drawn and paid, here
too: an offer of negative energy draws less (or injects more), and who is paid for it has a negative payment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import MICRO, energy_cost_ucur


@dataclass(frozen=True, slots=True)
class Call:
    """What an operator needs in one interval. A constraint is a line, a transformer or a bus with a limit."""

    need_ukwh: Array  # [n_envs, n_constraints] int64 >= 0, by how much each constraint must be relieved
    cap_ucur_per_kwh: Array  # [n_envs] int64 >= 0, the most that is paid for a kWh
    start_ucur_per_kwh: Array | None = None  # [n_envs] int64, where a price clock begins; <= the cap
    step_ucur_per_kwh: Array | None = None  # [n_envs] int64 > 0, by which it rises
    smallest_ukwh: Array | None = None  # [n_envs] int64, the product's minimum size; smaller offers are not taken


@dataclass(frozen=True, slots=True)
class Offers:
    """What owners of devices would change. The sign of the energy is the direction of an offer."""

    energy_ukwh: Array  # [n_envs, n_offers] int64; > 0 draws more, < 0 draws less, 0 is no offer
    price_ucur_per_kwh: Array  # [n_envs, n_offers] int64 >= 0, asked for a kWh that is called
    loading_ppm: Array  # [n_envs, n_constraints, n_offers] int64, what a kWh drawn there adds to the load, millionths
    agent: Array  # [n_offers] int64, owner; remainders of rounding go by this number
    availability_ucur_per_kwh: Array | None = None  # [n_envs, n_offers] int64 >= 0, asked for a kWh that is held ready
    connection_ukwh: Array | None = None  # [n_envs, n_offers] int64, the most that an operator may take; signed alike


@dataclass(frozen=True, slots=True)
class Award:
    """What is called and paid. Money > 0 is paid by the owner of the offer, so what it gets is < 0."""

    accepted_ukwh: Array  # [n_envs, n_offers] int64, signed like the offer
    forced_ukwh: Array  # [n_envs, n_offers] int64, taken beside it without an offer
    price_ucur_per_kwh: Array  # [n_envs, n_offers] int64, for accepted energy; a quote where there is none
    activation_ucur: Array  # [n_envs, n_offers] int64 <= 0, for accepted energy
    availability_ucur: Array  # [n_envs, n_offers] int64 <= 0, for accepted energy too
    compensation_ucur: Array  # [n_envs, n_offers] int64 <= 0, for forced energy, at the cap
    cost_ucur: Array  # [n_envs] int64, what the operator pays: minus the sum of the three
    relief_ukwh: Array  # [n_envs, n_constraints] int64, rounded down
    short_ukwh: Array  # [n_envs, n_constraints] int64 >= 0, need that is not met
    n_ticks: Array  # [n_envs] int64, how often a clock rose
    is_emergency: Array  # [n_envs] bool, offers did not suffice and energy had to be taken


Tender: TypeAlias = Callable[[Call, Offers], Award]


def check_call(where: str, call: Call, offers: Offers) -> None:
    """Raise ``ValueError`` with all faulty rows of a call or of its offers."""
    n_envs, n_offers = offers.energy_ukwh.shape
    expected = (n_envs, call.need_ukwh.shape[1], n_offers)
    if tuple(offers.loading_ppm.shape) != expected:
        raise ValueError(
            f"{where}: expected loading_ppm of shape {expected} (envs, constraints, offers), "
            f"got {tuple(offers.loading_ppm.shape)}"
        )
    faults = [
        _rows("need_ukwh < 0", call.need_ukwh < 0),
        _rows("cap_ucur_per_kwh < 0", call.cap_ucur_per_kwh < 0),
        _rows("price_ucur_per_kwh < 0", offers.price_ucur_per_kwh < 0),
    ]
    if offers.availability_ucur_per_kwh is not None:
        faults.append(_rows("availability_ucur_per_kwh < 0", offers.availability_ucur_per_kwh < 0))
    if call.start_ucur_per_kwh is not None:
        faults.append(_rows("start_ucur_per_kwh > cap_ucur_per_kwh", call.start_ucur_per_kwh > call.cap_ucur_per_kwh))
    if call.step_ucur_per_kwh is not None:
        faults.append(_rows("step_ucur_per_kwh <= 0", call.step_ucur_per_kwh <= 0))
    found = [fault for fault in faults if fault]
    if found:
        raise ValueError(
            f"{where}: expected needs and prices >= 0 and a clock that rises to its cap; got {'; '.join(found)}"
        )


def _rows(fault: str, mask: Array) -> str:
    """Say in which environments a fault is, or nothing."""
    by_env = mask.reshape(mask.shape[0], -1).any(1).tolist()
    rows = [str(env) for env, is_faulty in enumerate(by_env) if is_faulty]
    return f"{fault} in environments {', '.join(rows)}" if rows else ""


def eligible_ukwh(call: Call, offers: Offers) -> Array:
    """[n_envs, n_offers] the offers without those below the product's minimum size."""
    if call.smallest_ukwh is None:
        return offers.energy_ukwh
    return offers.energy_ukwh * (namespace(offers.energy_ukwh).abs(offers.energy_ukwh) >= call.smallest_ukwh[:, None])


def relief_ukwh(energy_ukwh: Array, offers: Offers) -> Array:
    """[n_envs, n_offers] by how much each of these energies relieves the first constraint, rounded down."""
    return -energy_ukwh * offers.loading_ppm[:, 0] // MICRO


def make_award(
    call: Call, offers: Offers, accepted: Array, forced: Array, price: Array, n_ticks: Array, is_emergency: Array
) -> Award:
    """Put an award together: payments for what was accepted and forced, and what it does for the constraints.

    Args:
        call, offers: as given.
        accepted, forced: [n_envs, n_offers] signed.
        price: [n_envs, n_offers] paid for accepted energy.
        n_ticks, is_emergency: [n_envs].
    """
    xp = namespace(accepted)
    size = xp.abs(accepted)
    activation = -energy_cost_ucur(size, price)
    standby = offers.availability_ucur_per_kwh
    availability = 0 * size if standby is None else -energy_cost_ucur(size, standby)
    compensation = -energy_cost_ucur(xp.abs(forced), call.cap_ucur_per_kwh[:, None])
    relief = xp.sum(-(accepted + forced)[:, None, :] * offers.loading_ppm, axis=2) // MICRO
    return Award(
        accepted_ukwh=accepted,
        forced_ukwh=forced,
        price_ucur_per_kwh=price,
        activation_ucur=activation,
        availability_ucur=availability,
        compensation_ucur=compensation,
        cost_ucur=-xp.sum(activation + availability + compensation, axis=1),
        relief_ukwh=relief,
        short_ukwh=xp.maximum(call.need_ukwh - relief, 0),
        n_ticks=n_ticks,
        is_emergency=is_emergency,
    )
