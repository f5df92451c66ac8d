"""The tender against a linear program."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from gridbazaar.market.flexibility.offers import Call, Offers
from gridbazaar.market.flexibility.tenders import load_tender
from gridbazaar.market.flexibility.tenders.flexibility_tender import flexibility_tender
from tests.market.calls import KWH, random_call


def offers_of(*offers: tuple[float, float, float]) -> Offers:
    """(kWh drawn less, price, effect on the constraint) each."""
    n = len(offers)
    return Offers(
        energy_ukwh=np.array([[-round(kwh * KWH) for kwh, _, _ in offers]]),
        price_ucur_per_kwh=np.array([[round(price * KWH) for _, price, _ in offers]]),
        loading_ppm=np.array([[[round(effect * KWH) for _, _, effect in offers]]]),
        agent=np.arange(n),
    )


def need_of(*kwh: float, cap: float = 1.0) -> Call:
    return Call(np.array([[round(need * KWH) for need in kwh]]), np.array([round(cap * KWH)]))


def test_the_cheapest_relief_goes_first_not_the_cheapest_energy() -> None:
    """0.10 for half an effect is 0.20 a kWh of relief, dearer than 0.15 for a whole one."""
    award = flexibility_tender(need_of(3), offers_of((4, 0.10, 0.5), (2, 0.15, 1.0)))
    assert award.accepted_ukwh.tolist() == [[-2 * KWH, -2 * KWH]]
    assert award.activation_ucur.tolist() == [[-200_000, -300_000]], "paid as bid"
    assert award.relief_ukwh.tolist() == [[3 * KWH]]


def test_offers_of_one_price_share_pro_rata() -> None:
    award = flexibility_tender(need_of(3), offers_of((4, 0.10, 0.5), (4, 0.20, 1.0)))
    assert award.accepted_ukwh.tolist() == [[-2 * KWH, -2 * KWH]]


def test_availability_counts_for_the_choice_and_is_paid() -> None:
    offers = replace(offers_of((4, 0.10, 1.0), (4, 0.12, 1.0)), availability_ucur_per_kwh=np.array([[50_000, 10_000]]))
    award = flexibility_tender(need_of(5), offers)
    assert award.accepted_ukwh.tolist() == [[-KWH, -4 * KWH]]
    assert award.availability_ucur.tolist() == [[-50_000, -40_000]]
    assert award.cost_ucur.tolist() == [100_000 + 480_000 + 90_000]


def test_above_the_cap_nobody_is_called_and_the_rest_is_short() -> None:
    award = flexibility_tender(need_of(5, cap=0.15), offers_of((4, 0.10, 1.0), (4, 0.16, 1.0)))
    assert award.accepted_ukwh.tolist() == [[-4 * KWH, 0]]
    assert award.short_ukwh.tolist() == [[KWH]]
    assert not award.is_emergency.any()


def random_network(seed: int, n_constraints: int = 3) -> tuple[Call, Offers]:
    """Offers that relieve one constraint and may load another."""
    rng = np.random.default_rng(seed)
    call, offers = random_call(60, seed=seed)
    scale = abs(offers.energy_ukwh).max(axis=1)[:, None] + 1
    need = rng.integers(0, 3, (60, n_constraints)) * scale // 2
    loading = rng.choice([1_000_000, 500_000, 333_333, 0, -250_000], (60, n_constraints, 7))
    return replace(call, need_ukwh=need), replace(offers, loading_ppm=loading)


def lp(call: Call, offers: Offers, env: int) -> tuple[float, float]:
    """The least sum of what is short, and the least cost of it, in kWh and currency."""
    assert call.smallest_ukwh is not None
    assert offers.availability_ucur_per_kwh is not None
    asked = (offers.price_ucur_per_kwh + offers.availability_ucur_per_kwh)[env]
    size = abs(offers.energy_ukwh[env]) / KWH
    may = (asked <= call.cap_ucur_per_kwh[env]) & (abs(offers.energy_ukwh[env]) >= call.smallest_ukwh[env])
    relief = -np.sign(offers.energy_ukwh[env]) * offers.loading_ppm[env] / KWH
    need = call.need_ukwh[env] / KWH
    n_constraints, n = relief.shape
    bounds = [(0.0, float(s)) for s in size * may] + [(0.0, None)] * n_constraints
    rows: Any = np.hstack([-relief, -np.eye(n_constraints)])
    short = linprog(np.append(np.zeros(n), np.ones(n_constraints)), A_ub=rows, b_ub=-need, bounds=bounds)
    assert short.status == 0
    least = float(short.fun or 0.0)
    both = np.vstack([rows, np.append(np.zeros(n), np.ones(n_constraints))])
    cost = linprog(
        np.append(asked / KWH, np.zeros(n_constraints)), A_ub=both, b_ub=np.append(-need, least + 1e-6), bounds=bounds
    )
    assert cost.status == 0
    return least, float(cost.fun or 0.0)


@pytest.mark.parametrize("solver", ["sort", "highs"])
@pytest.mark.parametrize("seed", [0, 1])
def test_one_constraint_costs_what_the_linear_program_says(solver: str, seed: int) -> None:
    call, offers = random_call(seed=seed)
    award = flexibility_tender(call, offers, solver=solver)
    for env in range(80):
        short, cost = lp(call, offers, env)
        assert award.short_ukwh[env].sum() / KWH == pytest.approx(short, abs=8e-6)
        assert award.cost_ucur[env] / KWH == pytest.approx(cost, abs=3e-5), "a micro-kWh an offer"


@pytest.mark.parametrize("seed", [0, 1])
def test_several_constraints_cost_what_the_linear_program_says(seed: int) -> None:
    call, offers = random_network(seed)
    award = flexibility_tender(call, offers, solver="highs")
    for env in range(60):
        short, cost = lp(call, offers, env)
        assert award.short_ukwh[env].sum() / KWH == pytest.approx(short, abs=8e-6)
        assert award.cost_ucur[env] / KWH == pytest.approx(cost, abs=3e-5)
    assert (abs(award.accepted_ukwh) <= abs(offers.energy_ukwh)).all()
    assert (award.accepted_ukwh * np.sign(offers.energy_ukwh) >= 0).all()
    assert (award.short_ukwh.max(axis=1) < 8).sum() > 5
    assert (award.short_ukwh.max(axis=1) > 8).sum() > 5


def test_an_offer_that_harms_one_constraint_is_called_for_another() -> None:
    offers = Offers(
        np.array([[-4, -4]]) * KWH, np.array([[100_000, 200_000]]),
        np.array([[[1_000_000, 0], [-500_000, 1_000_000]]]), np.arange(2),
    )  # fmt: skip
    award = flexibility_tender(need_of(2, 1), offers, solver="highs")
    assert award.accepted_ukwh.tolist() == [[-2 * KWH, -2 * KWH]]
    assert award.relief_ukwh.tolist() == [[2 * KWH, KWH]]


def test_a_free_offer_that_does_not_help_is_not_called() -> None:
    for solver in ("sort", "highs"):
        award = flexibility_tender(need_of(1), offers_of((4, 0.0, 0.0), (4, 0.0, -0.5), (2, 0.1, 1.0)), solver=solver)
        assert award.accepted_ukwh.tolist() == [[0, 0, -KWH]]


def test_a_whole_offer_is_not_rounded_above_itself() -> None:
    """As floats, 520213011 / 1e6 * 1e6 is more than it was."""
    offers = offers_of((520.213011, 0.1, 1.0), (500, 0.2, 1.0))
    award = flexibility_tender(need_of(600), offers, solver="highs")
    assert award.accepted_ukwh[0, 0] == -520_213_011


def test_several_constraints_need_the_exact_solver() -> None:
    call, offers = random_network(0)
    with pytest.raises(
        ValueError, match="flexibility_tender: expected one constraint, got 3; solver='highs' takes several"
    ):
        flexibility_tender(call, offers)
    with pytest.raises(ValueError, match="solver: expected one of sort, highs, got 'simplex'"):
        load_tender("flexibility_tender", solver="simplex")


def test_the_exact_solver_refuses_a_device_array() -> None:
    torch = pytest.importorskip("torch")
    call, offers = need_of(1), offers_of((1, 0.1, 1.0))
    call = Call(torch.as_tensor(call.need_ukwh), torch.as_tensor(call.cap_ucur_per_kwh))
    offers = Offers(*(torch.as_tensor(x) for x in (
        offers.energy_ukwh, offers.price_ucur_per_kwh, offers.loading_ppm, offers.agent)))  # fmt: skip
    with pytest.raises(TypeError, match="solver='highs' expects NumPy arrays"):
        flexibility_tender(call, offers, solver="highs")
