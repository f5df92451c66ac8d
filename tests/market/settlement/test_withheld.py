"""What the operator withheld: each order is settled at its own price, and storage that keeps its energy is not paid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.orders import Clearing, Orders, Setting
from gridbazaar.market.settlement.position import Delivery
from gridbazaar.market.settlement.settle import SYSTEM_PARTIES, Bill, Rates, Terms, settle

KWH = 1_000_000
ENERGY, NETWORK, TAX, LOCAL_NETWORK, LOCAL_TAX, EXPORT, SPOT = 160_000, 80_000, 60_000, 20_000, 5_000, 70_000, 90_000
PER_KWH = ("market", "retail", "imbalance", "network", "tax", "losses")


def one(
    traded: tuple[int, int], outside: tuple[int, int], pay: tuple[int, int], *, cut: int, lost: int = 0,
    metered: int | None = None, shown: int = 999_999, rent: int = 0, **terms: Any,
) -> Bill:  # fmt: skip
    """Bill one home; pairs are its firm and flexible order. Without ``metered`` it delivers all but what was cut."""

    def row(*values: int) -> Any:
        return np.array([values], np.int64)

    none = np.zeros(1, np.int64)
    clearing = Clearing(
        row(*traded), row(*outside), row(*pay), row(shown, shown), none, none, none + rent, none, none, none
    )
    metered = sum(traded) + sum(outside) + cut if metered is None else metered
    rates = Rates(*(np.array([x]) for x in (ENERGY, NETWORK, TAX, LOCAL_NETWORK, LOCAL_TAX, EXPORT, SPOT, 50_000)))
    delivery = Delivery(row(metered), row(cut), row(lost), np.array([0]))
    who = Terms(np.array([False]), np.array([1]), row(0), row(0), **terms)
    orders = Orders(row(0, 0), row(0, 0), np.array([0, 0]), np.array([0, 0]))
    return settle(orders, clearing, Setting(), delivery, rates, who)


def owed(bill: Bill, *lines: str) -> int:
    assert not bill.ucur.sum(axis=2).any()
    return int(sum(bill.line(line)[0, 0] for line in lines or ("losses",)))


def test_withheld_draw_is_refunded_at_what_its_own_order_paid() -> None:
    """2 kWh bought, half of a neighbour for 0.24 and 0.025 of charges, half at 0.30: one kWh withheld gives 0.2825."""
    bill = one((0, KWH), (0, KWH), (0, 240_000), cut=-KWH)
    assert owed(bill) == -282_500
    assert owed(bill, *PER_KWH) == 282_500


def test_all_that_is_withheld_is_refunded_to_the_unit() -> None:
    assert owed(one((0, KWH), (0, KWH), (0, 240_001), cut=-2 * KWH), *PER_KWH) == 0
    assert owed(one((-KWH, 0), (-KWH, 0), (-190_001, 0), cut=2 * KWH, lost=2 * KWH), *PER_KWH) == 0


def test_the_firm_order_has_no_part_in_what_a_device_did_not_draw() -> None:
    """The firm order paid 0.20 and the flexible one 0.10; a kWh that the device did not draw gives 0.10 and charges."""
    assert owed(one((KWH, 2 * KWH), (0, 0), (200_000, 200_000), cut=-KWH)) == -125_000


def test_what_a_device_did_not_draw_beyond_its_order_is_the_firm_order() -> None:
    assert owed(one((2 * KWH, KWH), (0, 0), (400_000, 100_000), cut=-2 * KWH)) == -125_000 - 225_000


def test_withheld_sun_gives_back_what_its_order_got() -> None:
    """Sold 1 kWh at 0.19 and 3 to the retailer at 0.07; of 4 kWh two are withheld, at 0.10 each."""
    assert owed(one((-KWH, 0), (-3 * KWH, 0), (-190_000, 0), cut=2 * KWH, lost=2 * KWH)) == 200_000


def test_sun_and_storage_have_orders_of_their_own() -> None:
    """Sun sold at 0.19, storage at 0.29: 1 kWh of each withheld costs 0.48."""
    fills = (-2 * KWH, -2 * KWH)
    assert owed(one(fills, (0, 0), (-380_000, -580_000), cut=2 * KWH, lost=KWH)) == 190_000 + 290_000


def test_the_rent_is_part_of_the_price() -> None:
    assert owed(one((0, 0), (0, 2 * KWH), (0, 0), cut=-KWH, rent=200_000)) == -500_000


def test_what_no_order_was_for_is_settled_as_the_tariff_counted_it() -> None:
    """1 kWh sold at 0.19, 3 kWh of sun, two withheld: one was sold, the other would have earned the feed-in price."""
    bill = one((-KWH, 0), (0, 0), (-190_000, 0), cut=2 * KWH, lost=2 * KWH, metered=-KWH)
    assert owed(bill) == 190_000 + 70_000
    assert owed(bill, *PER_KWH) == -70_000  # 1 kWh fed in, at the tariff


def test_own_use_that_the_operator_withheld_is_drawn_at_the_tariff() -> None:
    """Sun for the own battery, none of it ordered: what the meter then draws costs 0.30, and no more."""
    bill = one((0, 0), (0, 0), (0, 0), cut=KWH, lost=KWH, metered=KWH)
    assert owed(bill, *PER_KWH) == 300_000


def test_a_firm_connection_pays_for_lost_sun_and_not_for_energy_that_stays_stored() -> None:
    fills, pay = (-2 * KWH, -2 * KWH), (-380_000, -580_000)
    sun = one(fills, (0, 0), pay, cut=KWH, lost=KWH, is_firm=True)
    storage = one(fills, (0, 0), pay, cut=KWH, is_firm=True)
    both = one(fills, (0, 0), pay, cut=2 * KWH, lost=KWH, is_firm=True)
    assert [owed(sun), owed(storage), owed(both)] == [0, 290_000, 290_000]
    assert owed(one((0, KWH), (0, 0), (0, 240_000), cut=-KWH, is_firm=True)) == -265_000  # draw, as elsewhere


def test_the_operator_makes_good_what_it_withheld_from_a_position() -> None:
    bill = one((-2 * KWH, 0), (0, 0), (-380_000, 0), cut=KWH, lost=KWH)
    assert bill.line("losses")[0, 1 + SYSTEM_PARTIES.index("wholesale")] == -SPOT


@pytest.mark.parametrize(
    ("traded", "outside", "pay", "price"),
    [
        (-KWH, 0, -190_000, 190_000), (-KWH, -3 * KWH, -190_000, 100_000), (KWH, KWH, 240_000, 282_500),
        (0, 0, 0, 150_000),
    ],
)  # fmt: skip
def test_a_rule_that_prices_metered_energy_pays_lost_sun_at_its_own_price(
    traded: int, outside: int, pay: int, price: int
) -> None:
    """What the member's kWh cost or earned on average, or the quote; the meter is what was cleared."""
    rule: dict[str, Any] = {"cut": 2 * KWH, "lost": 2 * KWH, "metered": traded + outside, "prices_metered": True}
    firm = one((traded, 0), (outside, 0), (pay, 0), shown=150_000, is_firm=True, **rule)
    flexible = one((traded, 0), (outside, 0), (pay, 0), shown=150_000, **rule)
    assert [owed(firm), owed(flexible)] == [-2 * price, 0]
    assert firm.line("losses")[0, 1 + SYSTEM_PARTIES.index("network_operator")] == 2 * price
    assert not firm.line("losses")[0, 1 + SYSTEM_PARTIES.index("wholesale")]
    assert owed(flexible, "retail", "network", "tax", "imbalance") == owed(
        firm, "retail", "network", "tax", "imbalance"
    )


# In play.

LARGE: dict[str, Any] = {
    "storage.share_of_load": (10.0, 12.0), "battery.duration_h": 1.0, "connection.import_over_load": (1e6, 1e6),
    "hours": 6.0,
}  # fmt: skip
"""More storage than the village's wires can serve at once."""
SUN: dict[str, Any] = {"prosumer.pv_kwp": 80.0, "prosumer.pv_share": 1.0, "hours": 6.0}


def transitions(mechanism: str, **overrides: Any) -> tuple[Core, list[Transition]]:
    core = Core(load_scenario("village", mechanism=mechanism, **overrides), 3)
    return core, list(play(core, load_policy("random"), range(3), split="train", keep=True).transitions)


@pytest.mark.parametrize(
    "mechanism", ["uniform_price", "pay_as_bid", "posted_price", "continuous_double_auction", "muda"]
)
def test_withheld_draw_is_refunded_what_it_cost_whatever_the_rule(mechanism: str) -> None:
    """Batteries that were let draw nothing of what they bought have paid nothing, in money of all lines per kWh."""
    core, played = transitions(mechanism, **LARGE)
    refunded, off = 0.0, 0.0
    for happened in played:
        n, delivery, clearing = core.n_agents, happened.delivery, happened.market.clearing
        rates, traded, outside = happened.market.rates, clearing.traded_ukwh[:, n:], clearing.outside_ukwh[:, n:]
        retail = (rates.energy + rates.network + rates.tax)[:, None]
        local = (rates.local_network + rates.local_tax)[:, None]
        cost = clearing.pay_ucur[:, n:] + (traded * local + outside * retail) / MICRO
        alone = (delivery.curtailed_ukwh < 0) & (clearing.rent_ucur_per_kwh == 0)[:, None]
        alone &= core.world.is_brp[None, :] & (-delivery.curtailed_ukwh <= traded + outside)
        due = cost * delivery.curtailed_ukwh / np.maximum(traded + outside, 1)
        had = happened.money.bill.line("losses")[:, :n]
        off = max(off, float(np.abs(had - due)[alone].max(initial=0.0)))
        refunded -= delivery.curtailed_ukwh[alone].sum() / MICRO
    assert refunded > 50
    assert off < 2


@pytest.mark.parametrize("mechanism", ["mid_market_rate", "bill_sharing", "supply_demand_ratio"])
def test_rules_that_price_metered_energy_report_what_was_curtailed(mechanism: str) -> None:
    _, auction = transitions("uniform_price", **SUN)
    core, played = transitions(mechanism, **SUN)
    _, firm = transitions(mechanism, **SUN, **{"connection.firm": True})
    kwh = [sum(h.delivery.lost_ukwh.sum() for h in found) / MICRO for found in (auction, played, firm)]
    assert kwh[0] > 50
    assert kwh[1] == pytest.approx(kwh[0], rel=0.2)
    assert kwh[1] == kwh[2]
    paid = np.array([h.money.bill.line("losses")[:, : core.n_agents].sum() / MICRO for h in firm])
    assert paid.min() < -1.0
    assert not any(h.money.bill.line("losses")[:, : core.n_agents].any() for h in played)
    for flexible, other in zip(played, firm, strict=True):
        same = replace(other.money.bill, ucur=other.money.bill.ucur - flexible.money.bill.ucur)
        assert not same.line("market").any()
        assert not same.line("retail").any()
        assert not other.money.bill.ucur.sum(axis=2).any()


def test_selling_what_the_wires_withhold_again_and_again_earns_nothing_at_a_firm_connection() -> None:
    """Full batteries behind a full transformer offer all they have; what stays stored was paid for before."""
    full: dict[str, Any] = LARGE | {"battery.start_frac": (0.9, 0.9), "connection.firm": True}
    core = Core(load_scenario("village", **full), 3)
    state, withheld = core.reset(0), 0.0
    batteries = core.scenario.kind_slices["battery"]
    for _ in range(core.n_steps):
        action = np.zeros((3, core.n_agents, core.n_actions))
        action[:, batteries, 0], action[:, batteries, 1] = -1.0, 1.0
        state, happened = core.step(state, action)
        cut = happened.delivery.curtailed_ukwh[:, batteries]
        withheld += cut.clip(0).sum() / MICRO
        income = -sum(happened.money.bill.line(line)[:, batteries] for line in PER_KWH)
        sent = -happened.delivery.metered_ukwh[:, batteries]
        price = happened.market.clearing.price_ucur_per_kwh[:, batteries]
        rent = np.abs(happened.market.clearing.rent_ucur_per_kwh)[:, None]
        assert (income <= sent * (np.maximum(price, 0) + rent) / MICRO + 4).all()  # for what was sent, not for the rest
    assert withheld > 50
