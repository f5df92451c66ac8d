"""Settlement: lines sum to zero, agents in another order pay the same, curtailment is no imbalance."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.orders import Clearing, Orders, Setting
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES, Bill, Delivery, Rates, Terms, settle

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
    elsewhere = Delivery(delivery.metered_ukwh[:, order], delivery.curtailed_ukwh[:, order], delivery.loss_ukwh)
    their = Terms(terms.is_brp[order], terms.connections[order], terms.rent_ucur[:, order], terms.fixed_ucur[:, order])
    first, second = bill(orders, delivery, terms)[0], bill(moved, elsewhere, their)[0]
    np.testing.assert_array_equal(first.ucur[:, :, :N_AGENTS][:, :, order], second.ucur[:, :, :N_AGENTS])
    np.testing.assert_array_equal(first.ucur[:, :, N_AGENTS:], second.ucur[:, :, N_AGENTS:])


def test_what_the_operator_ordered_is_no_imbalance() -> None:
    """Metered one kWh less injected, because ordered: the seller gives the price back and pays no imbalance."""
    orders, delivery, terms = interval(1)
    clearing = load_mechanism("uniform_price")(orders, SETTING)
    n = N_AGENTS
    scheduled = sum(
        getattr(clearing, f)[:, s] for f in ("traded_ukwh", "outside_ukwh") for s in (slice(n), slice(n, None))
    )
    cut = np.zeros_like(delivery.metered_ukwh)
    cut[:, 3] = 1_000_000
    found = settle(orders, clearing, SETTING, Delivery(scheduled + cut, cut, of(0)), RATES, terms)
    assert (found.line("imbalance") == 0).all()
    np.testing.assert_array_equal(found.line("losses")[:, 3], clearing.price_ucur_per_kwh[:, 3])
    wholesale = n + SYSTEM_PARTIES.index("wholesale")
    np.testing.assert_array_equal(-found.line("losses")[:, wholesale], RATES.spot)


def test_a_firm_connection_is_paid_for_what_was_withheld() -> None:
    orders, delivery, terms = interval(1)
    flexible, clearing = bill(orders, delivery, terms)
    firm, _ = bill(orders, delivery, replace(terms, is_firm=True))
    cut, price = delivery.curtailed_ukwh, clearing.price_ucur_per_kwh[:, :N_AGENTS]
    more = flexible.line("losses")[:, :N_AGENTS] - firm.line("losses")[:, :N_AGENTS]
    np.testing.assert_array_equal(more, np.maximum(cut, 0) * price // 1_000_000)
    assert (more != 0).any()
    assert (firm.ucur.sum(axis=2) == 0).all()


def test_imbalance_is_never_better_than_the_tariff() -> None:
    orders, delivery, terms = interval(2)
    home, brp = replace(terms, is_brp=np.zeros(N_AGENTS, bool)), replace(terms, is_brp=np.ones(N_AGENTS, bool))
    cheap, dear = (bill(orders, delivery, t)[0].line("imbalance")[:, :N_AGENTS] for t in (home, brp))
    assert (dear >= cheap).all()
    assert (dear > cheap).any()


def test_lines_have_names() -> None:
    found, _ = bill(*interval(3))
    assert found.ucur.shape == (N_ENVS, len(LINES), N_AGENTS + len(SYSTEM_PARTIES))
    np.testing.assert_array_equal(found.line("fixed")[:, :N_AGENTS], 11)
