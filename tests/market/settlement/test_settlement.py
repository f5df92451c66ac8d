"""Settlement: lines sum to zero, agents in another order pay the same, curtailment is no imbalance."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.orders import Clearing, Orders, Setting
from gridbazaar.market.settlement.position import Delivery
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES, Bill, Rates, Terms, settle

N_ENVS, N_AGENTS = 50, 7


def of(value: int) -> Any:
    return np.full(N_ENVS, value, np.int64)


RATES = Rates(of(160_000), of(80_000), of(60_000), of(20_000), of(5_000), of(70_000), of(90_000), of(50_000))
SETTING = Setting(of(275_000), of(70_000), of(6_000_000), of(5_000_000), of(500_000), of(500_000))


def interval(seed: int) -> tuple[Orders, Delivery, Terms]:
    rng = np.random.default_rng(seed)
    energy = rng.integers(-2_000_000, 2_000_000, (N_ENVS, 2 * N_AGENTS))
    energy[:, N_AGENTS:] = np.abs(energy[:, N_AGENTS:]) * np.sign(energy[:, :N_AGENTS])
    limit = rng.integers(-400_000, 700_000, energy.shape)
    orders = Orders(energy, limit, np.tile(np.arange(N_AGENTS), 2), np.zeros(2 * N_AGENTS, np.int64))
    delivery = Delivery(
        rng.integers(-3_000_000, 3_000_000, (N_ENVS, N_AGENTS)),
        rng.integers(-200_000, 200_000, (N_ENVS, N_AGENTS)) * rng.integers(0, 2, (N_ENVS, N_AGENTS)),
        np.zeros((N_ENVS, N_AGENTS), np.int64),
        rng.integers(0, 100_000, N_ENVS),
    )
    rent = rng.integers(0, 1000, (N_ENVS, N_AGENTS))
    rent[:, 0] -= rent.sum(1)
    terms = Terms(np.arange(N_AGENTS) % 3 == 2, np.array([1, 1, 0, 1, 1, 0, 1]), rent, rent * 0 + 11)
    return orders, delivery, terms


def bill(orders: Orders, delivery: Delivery, terms: Terms) -> tuple[Bill, Clearing]:
    clearing = load_mechanism("uniform_price")(orders, SETTING)
    return settle(orders, clearing, SETTING, delivery, RATES, terms), clearing


@pytest.mark.parametrize("seed", range(5))
def test_every_line_sums_to_zero(seed: int) -> None:
    found, clearing = bill(*interval(seed))
    assert (found.ucur.sum(axis=2) == 0).all()
    assert (clearing.rent_ucur_per_kwh != 0).any()
    assert (found.line("congestion") != 0).any()


@pytest.mark.parametrize("seed", range(5))
def test_agents_in_another_order_with_their_numbers_pay_the_same(seed: int) -> None:
    orders, delivery, terms = interval(seed)
    order = np.random.default_rng(seed).permutation(N_AGENTS)
    both = np.concatenate([order, order + N_AGENTS])
    moved = replace(
        orders, energy_ukwh=orders.energy_ukwh[:, both], limit_ucur_per_kwh=orders.limit_ucur_per_kwh[:, both],
        agent=orders.agent[both],
    )  # fmt: skip
    elsewhere = Delivery(
        delivery.metered_ukwh[:, order], delivery.curtailed_ukwh[:, order], delivery.lost_ukwh[:, order],
        delivery.loss_ukwh,
    )  # fmt: skip
    their = Terms(terms.is_brp[order], terms.connections[order], terms.rent_ucur[:, order], terms.fixed_ucur[:, order])
    first, second = bill(orders, delivery, terms)[0], bill(moved, elsewhere, their)[0]
    np.testing.assert_array_equal(first.ucur[:, :, :N_AGENTS][:, :, order], second.ucur[:, :, :N_AGENTS])
    np.testing.assert_array_equal(first.ucur[:, :, N_AGENTS:], second.ucur[:, :, N_AGENTS:])


def test_what_the_operator_ordered_is_no_imbalance() -> None:
    """Metered one kWh less injected, because ordered: nobody pays imbalance, and the operator makes the energy good."""
    orders, delivery, terms = interval(1)
    clearing = load_mechanism("uniform_price")(orders, SETTING)
    n = N_AGENTS
    scheduled = sum(
        getattr(clearing, f)[:, s] for f in ("traded_ukwh", "outside_ukwh") for s in (slice(n), slice(n, None))
    )
    cut = np.zeros_like(delivery.metered_ukwh)
    cut[:, 3] = 1_000_000
    found = settle(orders, clearing, SETTING, Delivery(scheduled + cut, cut, cut, of(0)), RATES, terms)
    assert (found.line("imbalance") == 0).all()
    wholesale = n + SYSTEM_PARTIES.index("wholesale")
    np.testing.assert_array_equal(-found.line("losses")[:, wholesale], RATES.spot)


PER_KWH = ("retail", "imbalance", "network", "tax")


def test_imbalance_is_never_better_than_the_tariff() -> None:
    orders, delivery, terms = interval(2)
    home, brp = replace(terms, is_brp=np.zeros(N_AGENTS, bool)), replace(terms, is_brp=np.ones(N_AGENTS, bool))
    of_home, of_brp = (bill(orders, delivery, t)[0] for t in (home, brp))
    assert not of_home.line("imbalance").any()
    cheap, dear = (sum(b.line(line)[:, :N_AGENTS] for line in PER_KWH) for b in (of_home, of_brp))
    assert (dear >= cheap - 4).all()
    assert (dear > cheap).any()


def alone(scheduled: int, metered: int, *, traded: int = 0, pay: int = 0, rent: int = 0, others: int = 0) -> Bill:
    """Bill a home that was cleared for some energy, beside another that draws from the retailer as scheduled."""
    columns, none = np.zeros((1, 4), np.int64), np.zeros(1, np.int64)
    local, outside, money = (
        np.array([[value, other, 0, 0]]) for value, other in ((traded, -traded), (scheduled, others), (pay, -pay))
    )
    clearing = Clearing(local, outside, money, columns, none, none, none + rent, none, none, none)
    setting = Setting(*(np.array([x]) for x in (275_000, 70_000, 6_000_000, 5_000_000, 500_000, 500_000)))  # type: ignore[arg-type]
    rates = Rates(*(np.array([int(getattr(RATES, name)[0])]) for name in Rates.__slots__))
    delivery = Delivery(
        np.array([[metered, others - traded]]), np.zeros((1, 2), np.int64), np.zeros((1, 2), np.int64), np.array([0])
    )
    terms = Terms(np.zeros(2, bool), np.array([1, 1]), np.zeros((1, 2), np.int64), np.zeros((1, 2), np.int64))
    orders = Orders(columns, columns, np.array([0, 1, 0, 1]), np.zeros(4, np.int64))
    return settle(orders, clearing, setting, delivery, rates, terms)


def paid(found: Bill, *lines: str) -> int:
    """What the first home pays on some lines."""
    return int(sum(found.line(line)[0, 0] for line in lines))


@pytest.mark.parametrize(
    ("scheduled", "metered", "owes"),
    [
        (2_000_000, 1_500_000, 450_000),  # 1.5 kWh at 0.16 + 0.08 + 0.06
        (2_000_000, 2_500_000, 750_000),
        (2_000_000, -1_000_000, -70_000),  # sold at 0.07, nothing bought
        (-2_000_000, 1_000_000, 300_000),
        (-2_000_000, -1_000_000, -70_000),
        (0, 0, 0),
    ],
)
def test_a_home_pays_its_tariff_on_the_net_of_schedule_and_deviation(scheduled: int, metered: int, owes: int) -> None:
    found = alone(scheduled, metered)
    assert paid(found, "retail", "network", "tax") == owes == paid(found, *LINES)
    assert not found.line("imbalance").any()


def test_a_local_trade_that_was_not_delivered_is_bought_at_the_own_tariff() -> None:
    """Sold 2 kWh for 0.40, fed in 0.5: the missing 1.5 cost 0.30 each, with all charges."""
    found = alone(0, -500_000, traded=-2_000_000, pay=-400_000)
    assert paid(found, "market") == -400_000
    assert [paid(found, line) for line in ("retail", "network", "tax")] == [240_000, 120_000, 90_000]


def test_a_local_trade_that_was_not_needed_is_sold_at_the_own_tariff_and_bears_its_charges() -> None:
    """Bought 2 kWh for 0.40, drew 0.5: the other 1.5 earn 0.07 each; 2 kWh bear 0.02 and 0.005."""
    found = alone(0, 500_000, traded=2_000_000, pay=400_000)
    assert [paid(found, line) for line in ("market", "retail", "network", "tax")] == [400_000, -105_000, 40_000, 10_000]


def test_what_a_deviation_adds_beyond_the_cap_pays_the_scarcity_price() -> None:
    """The cap is 6 kWh, scheduled are 5, drawn 7: each kWh pays 0.50, the kWh beyond stays with the operator."""
    found = alone(1_000_000, 3_000_000, others=4_000_000)
    congestion = found.line("congestion")[0]
    rebate = (3_500_000 - 500_000) // 2
    assert congestion[:2].tolist() == [1_500_000 - rebate, 2_000_000 - rebate]
    assert congestion[2 + SYSTEM_PARTIES.index("network_operator")] == -500_000
    assert not alone(1_000_000, 2_000_000, others=4_000_000).line("congestion").any()


def test_a_schedule_beyond_the_cap_that_was_not_used_costs_nothing_beyond_it() -> None:
    found = alone(3_000_000, 1_000_000, others=4_000_000, rent=500_000)
    operator = 2 + SYSTEM_PARTIES.index("network_operator")
    assert found.line("congestion")[0, operator] == 0  # all of the rent is rebated
    assert found.line("congestion")[0, :2].tolist() == [-750_000, 750_000]


def test_export_beyond_the_cap_pays_scarcity_too() -> None:
    """The cap is 5 kWh, 6 are sent: who sends pays 0.50 on each, 0.50 in all stay with the operator."""
    found = alone(-1_000_000, -2_000_000, others=-4_000_000)
    assert found.line("congestion")[0, :2].tolist() == [1_000_000 - 1_250_000, 2_000_000 - 1_250_000]
    assert found.line("congestion")[0, 2 + SYSTEM_PARTIES.index("network_operator")] == -500_000


def test_nobody_gains_by_selling_at_a_scarce_price_what_the_retailer_delivers() -> None:
    """1 kWh sold at the upper edge and a rent of 0.20, not delivered: bought back with charges and the same rent."""
    found = alone(0, 0, traded=-1_000_000, pay=-475_000, rent=200_000, others=5_000_000)
    assert found.line("congestion")[0, :2].tolist() == [200_000 - 600_000, 1_000_000 - 600_000]
    assert paid(found, "market", "retail", "network", "tax") + 200_000 == 25_000  # the charges of a local kWh


def test_a_rent_that_nobody_owes_is_paid_by_all_connections() -> None:
    """Import was scarce in the schedule, but the meters send: the 0.20 that a kWh sent earns is shared by both."""
    found = alone(3_000_000, -1_000_000, others=-1_000_000, rent=200_000)
    assert not found.line("congestion").any()
    found = alone(3_000_000, -1_000_000, rent=200_000)
    assert found.line("congestion")[0, :2].tolist() == [-100_000, 100_000]


def test_no_schedule_and_deviation_earn_where_export_pays_more_than_import_costs() -> None:
    """Import at 0.30, export at 0.45: a battery that schedules one and deviates by the other moves nothing and pays."""
    for scheduled in (1_000_000, -1_000_000):
        orders, _, terms = interval(1)
        zero = np.zeros((N_ENVS, 2 * N_AGENTS), np.int64)
        outside = zero + 0
        outside[:, N_AGENTS:] = scheduled
        clearing = replace(
            load_mechanism("uniform_price")(replace(orders, energy_ukwh=zero), SETTING), traded_ukwh=zero,
            outside_ukwh=outside, pay_ucur=zero, rent_ucur_per_kwh=of(0),
        )  # fmt: skip
        still = Delivery(zero[:, :N_AGENTS], zero[:, :N_AGENTS], zero[:, :N_AGENTS], of(0))
        battery = replace(terms, is_brp=np.ones(N_AGENTS, bool))
        found = settle(orders, clearing, SETTING, still, replace(RATES, export=of(450_000)), battery)
        # Undone at the side of the tariff that it came from, 0.05 worse.
        assert (sum(found.line(line)[:, :N_AGENTS] for line in PER_KWH) == 50_000).all()


def test_lines_have_names() -> None:
    found, _ = bill(*interval(3))
    assert found.ucur.shape == (N_ENVS, len(LINES), N_AGENTS + len(SYSTEM_PARTIES))
    np.testing.assert_array_equal(found.line("fixed")[:, :N_AGENTS], 11)
