"""The rising clock, tick by tick, against the sort that stands for it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.flexibility.offers import Call, Offers
from gridbazaar.market.flexibility.tenders import load_tender
from gridbazaar.market.flexibility.tenders.dutch_curtailment import dutch_curtailment
from tests.market.calls import KWH, random_call


def a_call(need_kwh: float, start: float = 0.10, step: float = 0.05, cap: float = 0.30) -> Call:
    prices = (np.array([round(price * KWH)]) for price in (cap, start, step))
    return Call(np.array([[round(need_kwh * KWH)]]), *prices)


def some_offers(*offers: tuple[float, float], loading: float = 1.0, connections: list[float] | None = None) -> Offers:
    """(kWh drawn less, price) each."""
    n = len(offers)
    return Offers(
        energy_ukwh=np.array([[-round(kwh * KWH) for kwh, _ in offers]]),
        price_ucur_per_kwh=np.array([[round(price * KWH) for _, price in offers]]),
        loading_ppm=np.full((1, 1, n), round(loading * KWH)),
        agent=np.arange(n),
        connection_ukwh=None if connections is None else np.array([[-round(kwh * KWH) for kwh in connections]]),
    )


def test_the_clock_stops_where_the_need_is_met_and_the_last_cohort_shares() -> None:
    """4 kWh at 0.10, 2 + 6 kWh at 0.15 (asked: 0.12 and 0.15), the last offer is never reached: 2 of 8 are needed."""
    award = dutch_curtailment(a_call(6), some_offers((4, 0.05), (2, 0.12), (6, 0.15), (9, 0.18)))
    assert (award.accepted_ukwh / KWH).tolist() == [[-4, -0.5, -1.5, 0]]
    assert award.n_ticks.tolist() == [1]
    assert award.price_ucur_per_kwh.tolist() == [[150_000] * 4]
    assert award.cost_ucur.tolist() == [6 * 150_000]
    assert award.short_ukwh.tolist() == [[0]]


def test_as_accepted_pays_the_price_of_the_tick() -> None:
    award = dutch_curtailment(a_call(6), some_offers((4, 0.05), (2, 0.12), (6, 0.15)), pricing="as_accepted")
    assert award.price_ucur_per_kwh.tolist() == [[100_000, 150_000, 150_000]]
    assert award.activation_ucur.tolist() == [[-400_000, -75_000, -225_000]]
    assert award.cost_ucur.tolist() == [700_000]


def test_a_weak_effect_on_the_constraint_takes_more_energy() -> None:
    award = dutch_curtailment(a_call(1), some_offers((4, 0.10), loading=0.25))
    assert award.accepted_ukwh.tolist() == [[-4 * KWH]]
    assert award.relief_ukwh.tolist() == [[KWH]]


def test_generation_is_curtailed_where_feeding_in_is_the_trouble() -> None:
    """A kWh drawn takes load off a constraint that exports fill, so offers to draw more help."""
    offers = some_offers((-3, 0.10), (3, 0.10), loading=-1.0)
    award = dutch_curtailment(a_call(2), offers)
    assert award.accepted_ukwh.tolist() == [[2 * KWH, 0]]


def test_at_the_cap_the_rest_is_taken_by_force_and_flagged() -> None:
    """1 kWh is offered, 7 are needed: connections of 5 (4 left), 10 and 5 give 3/10 of their size."""
    offers = some_offers((1, 0.30), (2, 0.31), (0, 0.0), connections=[5, 10, 5])
    award = dutch_curtailment(a_call(7), offers)
    assert (award.accepted_ukwh / KWH).tolist() == [[-1, 0, 0]]
    assert (award.forced_ukwh / KWH).tolist() == [[-1.5, -3, -1.5]]
    assert award.compensation_ucur.tolist() == [[-450_000, -900_000, -450_000]]
    assert award.cost_ucur.tolist() == [300_000 + 1_800_000]
    assert award.is_emergency.tolist() == [True]
    assert award.n_ticks.tolist() == [4]


def test_a_connection_gives_no_more_than_it_has_left() -> None:
    offers = some_offers((4, 0.10), (0, 0.0), (0, 0.0), connections=[5, 10, 5])
    award = dutch_curtailment(a_call(16), offers)
    assert (award.forced_ukwh / KWH).tolist() == pytest.approx(np.array([[-1, -22 / 3, -11 / 3]]), abs=2e-6)


def test_what_no_connection_can_give_is_declared() -> None:
    award = dutch_curtailment(a_call(7), some_offers((1, 0.10), connections=[5]))
    assert award.forced_ukwh.tolist() == [[-4 * KWH]]
    assert award.short_ukwh.tolist() == [[2 * KWH]]
    without = dutch_curtailment(a_call(7), some_offers((1, 0.10)))
    assert without.short_ukwh.tolist() == [[6 * KWH]]
    assert without.is_emergency.tolist() == [True]


def by_ticks(call: Call, offers: Offers, env: int) -> tuple[int, int, list[Fraction], list[int], Fraction]:
    """Let the clock run: tick it stopped at, its price, energy accepted, price agreed at, relief still missing."""
    assert call.start_ucur_per_kwh is not None
    assert call.step_ucur_per_kwh is not None
    assert call.smallest_ukwh is not None
    start, step, cap = (int(x[env]) for x in (call.start_ucur_per_kwh, call.step_ucur_per_kwh, call.cap_ucur_per_kwh))
    energy, asked = offers.energy_ukwh[env].tolist(), offers.price_ucur_per_kwh[env].tolist()
    effect = [
        Fraction(-int(np.sign(e)) * s, KWH) for e, s in zip(energy, offers.loading_ppm[env, 0].tolist(), strict=True)
    ]
    need, n = Fraction(int(call.need_ukwh[env, 0])), len(energy)
    smallest = max(int(call.smallest_ukwh[env]), 1)
    willing = [i for i in range(n) if effect[i] > 0 and abs(energy[i]) >= smallest]
    accepted, agreed = [Fraction(0)] * n, [-1] * n
    tick, price = 0, start
    while need > 0:
        joins = [i for i in willing if asked[i] <= price and agreed[i] < 0]
        brought = sum((abs(energy[i]) * effect[i] for i in joins), Fraction(0))
        share = min(Fraction(1), need / brought) if brought else Fraction(0)
        for i in joins:
            accepted[i], agreed[i] = abs(energy[i]) * share, price
        need -= brought * share
        if need == 0 or price == cap:
            break
        tick, price = tick + 1, min(start + (tick + 1) * step, cap)
    return tick, price, accepted, agreed, need


@pytest.mark.parametrize("pricing", ["uniform", "as_accepted"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_agrees_with_the_clock_tick_by_tick(pricing: str, seed: int) -> None:
    call, offers = random_call(150, seed=seed)
    award = dutch_curtailment(call, offers, pricing=pricing)
    assert call.start_ucur_per_kwh is not None
    assert call.step_ucur_per_kwh is not None
    assert (award.n_ticks <= -((call.start_ucur_per_kwh - call.cap_ucur_per_kwh) // call.step_ucur_per_kwh)).all()
    n_stopped = 0
    for env in range(150):
        tick, price, accepted, agreed, missing = by_ticks(call, offers, env)
        assert award.n_ticks[env] == tick
        assert abs(award.accepted_ukwh[env]).tolist() == pytest.approx([float(x) for x in accepted], abs=8)
        for i in np.flatnonzero(award.accepted_ukwh[env]):
            assert award.price_ucur_per_kwh[env, i] == (price if pricing == "uniform" else agreed[i])
        assert award.is_emergency[env] == (missing > 0)
        n_stopped += missing == 0
    assert 30 < n_stopped < 140


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start_ucur_per_kwh": None}, "expected one constraint, and the start and the step.*start None"),
        ({"step_ucur_per_kwh": None}, "step None"),
        ({"step_ucur_per_kwh": np.array([0])}, "a clock that rises.*got step_ucur_per_kwh <= 0 in environments 0"),
        ({"start_ucur_per_kwh": np.array([400_000])}, "got start_ucur_per_kwh > cap_ucur_per_kwh in environments 0"),
        ({"need_ukwh": np.array([[1, 2]])}, "expected one constraint.*got 2 constraints"),
    ],
)  # fmt: skip
def test_a_call_without_a_clock_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="dutch_curtailment: .*" + message):
        dutch_curtailment(replace(a_call(1), **change), some_offers((1, 0.1)))


def test_an_unknown_pricing_is_refused() -> None:
    with pytest.raises(ValueError, match="pricing: expected one of uniform, as_accepted, got 'vcg'"):
        load_tender("dutch_curtailment", pricing="vcg")
