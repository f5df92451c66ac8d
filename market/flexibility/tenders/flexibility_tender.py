"""A tender for flexibility, pay as bid: the cheapest offers that relieve the constraints of a network."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import OneOf
from gridbazaar.data.units import MICRO
from gridbazaar.market.flexibility.merit_order import take_in_merit
from gridbazaar.market.flexibility.offers import Award, Call, Offers, check_call, eligible_ukwh, make_award, relief_ukwh

SOLVERS = ("sort", "highs")


def flexibility_tender(call: Call, offers: Offers, *, solver: Annotated[str, OneOf(*SOLVERS)] = "sort") -> Award:
    """Call the offers that meet the needs of the constraints at the least cost, and pay each what it asks.

    Args:
        call: needs, and the most that is paid for a kWh, availability included.
        offers: what is asked for a kWh called, and for holding it ready.
        solver: ``sort`` takes one constraint; offers go by price per kWh of relief, and those with the same one share
            pro rata. ``highs`` takes any number: the least sum of what is short, then the least cost, by linear
            programming; NumPy only, for evaluation. There the relief may miss a need by a micro-kWh an offer.

    Minimizes the sum of price x energy so that loading x energy meets every need. An offer in the wrong direction for
    one constraint may be called for another; none may end up worse than its need, be it 0. What no offer can relieve is
    declared as short, and nothing is taken by force.
    """
    check_call("flexibility_tender", call, offers)
    xp = namespace(offers.energy_ukwh)
    price, standby = offers.price_ucur_per_kwh, offers.availability_ucur_per_kwh
    asked = price if standby is None else price + standby
    energy = eligible_ukwh(call, offers) * (asked <= call.cap_ucur_per_kwh[:, None])
    size = _by_sort(call, offers, energy, asked) if solver == "sort" else _by_highs(call, offers, energy, asked)
    accepted = xp.where(energy < 0, -size, size)
    none = xp.zeros_like(call.cap_ucur_per_kwh)
    return make_award(call, offers, accepted, 0 * accepted, price, none, none > 0)


def _by_sort(call: Call, offers: Offers, energy: Array, asked: Array) -> Array:
    if call.need_ukwh.shape[1] != 1:
        raise ValueError(
            f"flexibility_tender: expected one constraint, got {call.need_ukwh.shape[1]}; solver='highs' takes several"
        )
    xp = namespace(energy)
    loading = xp.astype(xp.maximum(xp.abs(offers.loading_ppm[:, 0]), 1), xp.float64)
    size, relief = xp.abs(energy), relief_ukwh(energy, offers)
    return take_in_merit(size, relief, asked / loading, call.need_ukwh[:, 0]).energy_ukwh


def _by_highs(call: Call, offers: Offers, energy: Array, asked: Array) -> Array:
    """[n_envs, n_offers] by two linear programs over all environments at once; none of them shares a row."""
    if namespace(energy).name != "numpy":
        raise TypeError("flexibility_tender: solver='highs' expects NumPy arrays; copy them to the host first")
    from scipy.sparse import block_diag, eye_array, hstack, vstack

    (n_envs, n_offers), n_constraints = energy.shape, call.need_ukwh.shape[1]
    relief = -np.sign(energy)[:, None, :] * offers.loading_ppm / MICRO
    needs = hstack([-block_diag(list(relief)), -eye_array(n_envs * n_constraints)], format="csr")
    need_kwh = call.need_ukwh.reshape(-1) / MICRO
    bounds = [(0.0, e) for e in (np.abs(energy) / MICRO).reshape(-1)] + [(0.0, None)] * len(need_kwh)
    is_short = np.repeat([0.0, 1.0], [n_envs * n_offers, n_envs * n_constraints])

    short = _solve(is_short, needs, -need_kwh, bounds)[n_envs * n_offers :].reshape(n_envs, n_constraints)
    in_row = block_diag([np.ones((1, n_constraints))] * n_envs)
    no_offer = block_diag([np.zeros((1, n_offers))] * n_envs)
    least_short = vstack([needs, hstack([no_offer, in_row])], format="csr")
    cost = np.append(asked.reshape(-1) / MICRO, np.zeros(len(need_kwh)))
    found = _solve(cost, least_short, np.append(-need_kwh, short.sum(axis=1) + 1e-7), bounds)
    # Up to whole micro-kWh; a thousandth of one is noise, and would lift a whole offer above itself.
    size: Array = np.ceil(found[: n_envs * n_offers].reshape(n_envs, n_offers) * MICRO - 1e-3).astype(np.int64)
    return size


def _solve(cost: Any, matrix: Any, upper: Any, bounds: list[tuple[float, float | None]]) -> Any:
    from scipy.optimize import linprog

    found = linprog(
        cost, A_ub=matrix, b_ub=upper, bounds=bounds, method="highs", options={"primal_feasibility_tolerance": 1e-10}
    )
    if found.status != 0:
        raise RuntimeError(f"flexibility_tender: HiGHS found no solution: {found.message}")
    return found.x
