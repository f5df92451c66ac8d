"""Prices per bus in a scenario: what the wires forbid is priced before it is curtailed, and every line sums to zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import NoBoundError
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES

SUN = {"prosumer.pv_kwp": 80.0, "prosumer.pv_share": 1.0, "hours": 6.0}
"""More sun than the village's wires can carry."""
PRICED: dict[str, Any] = {"constraint": "nodal", "mechanism": "nodal"}


def transitions(**overrides: Any) -> list[Transition]:
    """Four sunny afternoons."""
    core = Core(load_scenario("village", **SUN, **overrides), 4)
    return list(play(core, load_policy("random"), range(4), split="train", keep=True).transitions)


@pytest.fixture(scope="module")
def priced() -> list[Transition]:
    return transitions(**PRICED)


def test_the_wires_part_the_prices_of_buses(priced: list[Transition]) -> None:
    spread = np.array([np.ptp(h.market.clearing.price_ucur_per_kwh, axis=1) for h in priced]) / MICRO
    assert spread.max() > 0.02
    congestion = np.array(
        [h.market.clearing.nodal.congestion_cur_per_kwh for h in priced if h.market.clearing.nodal is not None]
    )
    voltage = np.array(
        [h.market.clearing.nodal.voltage_cur_per_kwh for h in priced if h.market.clearing.nodal is not None]
    )
    assert congestion.min() < -0.4  # sun behind a full transformer is not wanted at all
    assert voltage.min() < -0.02
    assert congestion.max() < 1e-9


def test_less_is_left_to_curtail_than_without_prices(priced: list[Transition]) -> None:
    plain = transitions(constraint="curtail")
    curtailed = [
        sum(np.maximum(h.delivery.curtailed_ukwh, 0).sum() for h in found) / MICRO for found in (priced, plain)
    ]
    assert plain[0].delivery.curtailed_ukwh.shape == priced[0].delivery.curtailed_ukwh.shape
    assert curtailed[1] > 100
    assert curtailed[0] < 0.7 * curtailed[1]
    for happened in priced:
        assert happened.wires.converged.all()
        assert happened.wires.branch_loading.max() < 1.02


def test_every_line_sums_to_zero_and_the_surplus_is_given_back(priced: list[Transition]) -> None:
    n, given = priced[0].delivery.metered_ukwh.shape[1], 0
    for happened in priced:
        bill = happened.money.bill.ucur
        assert not bill.sum(axis=2).any()
        congestion = bill[:, LINES.index("congestion")]
        operator = congestion[:, n + SYSTEM_PARTIES.index("market_operator")]
        assert (operator == np.maximum(happened.market.clearing.surplus_ucur, 0)).all()
        given -= congestion[:, :n].sum()
        rebate = -congestion[:, :n]
        connections = rebate > 0
        assert (np.ptp(np.where(connections, rebate, rebate.max(1, keepdims=True)), axis=1) == 0).all()
    assert given > 0


def test_a_deviation_is_never_better_than_at_the_bus() -> None:
    """All that an agent pays is at least what its draw is worth at its bus: overselling behind a wire earns nothing."""
    lines, deviated = ("market", "retail", "network", "tax", "imbalance"), 0
    for happened in transitions(**PRICED):
        n = happened.delivery.metered_ukwh.shape[1]
        drawn = happened.delivery.metered_ukwh - happened.delivery.curtailed_ukwh
        filled = happened.market.clearing.filled_ukwh[:, :n] + happened.market.clearing.filled_ukwh[:, n:]
        at_bus = happened.market.clearing.price_ucur_per_kwh[:, :n]
        owed = sum(happened.money.bill.line(line)[:, :n] for line in lines)
        assert (owed >= drawn * at_bus // MICRO - 8).all()
        lower = happened.market.setting.export_ucur_per_kwh
        assert lower is not None
        deviated += int(((drawn < filled) & (at_bus < lower[:, None])).sum())
    assert deviated > 100


@pytest.mark.slow
def test_no_policy_beats_the_bound_with_prices_per_bus() -> None:
    """Where wires may withhold sales there is none; on the street's they do not."""
    found = evaluate("street", ["random", "opportunity_cost", "optimum"], seeds=3, split="train", **PRICED)
    for result in found.results:
        assert (result.scored_cur >= found.bound_cur).all()
    with pytest.raises(NoBoundError, match="any price of a bus"):
        evaluate("village", ["optimum"], seeds=3, split="train", **PRICED)


def test_a_row_of_a_batch_is_the_row_alone() -> None:
    scenario = load_scenario("village", **SUN, **PRICED)
    action = np.random.default_rng(0).uniform(-1, 1, (8, 1, Core(scenario).n_agents, 2))
    both, alone = Core(scenario, 2), Core(scenario, 1)
    two, one = both.reset([4, 1], split="train"), alone.reset([1], split="train")
    for a in action:
        two, happened = both.step(two, np.repeat(a, 2, axis=0))
        one, single = alone.step(one, a)
        assert (happened.money.bill.ucur[1] == single.money.bill.ucur[0]).all()


def test_prices_per_bus_need_their_mechanism() -> None:
    with pytest.raises(ValueError, match="constraint nodal: expected mechanism nodal"):
        load_scenario("village", constraint="nodal")
    with pytest.raises(ValueError, match="no outages"):
        load_scenario("blackout", **PRICED)


def test_what_was_sold_and_then_withheld_is_not_given_back_twice() -> None:
    """Its buyer is paid back at the price of the bus, so that money is no rent any more that could be rebated.

    What the network operator pays for losses and for what it withholds comes out of the surplus as far as that goes.
    """
    core, refunded = Core("weak_feeder", 8), 0
    for happened in play(core, load_policy("idle"), range(8), split="validation", keep=True).transitions:
        cut, n = happened.delivery.curtailed_ukwh, core.n_agents
        at_bus = happened.market.clearing.price_ucur_per_kwh[:, :n]
        at_spot_ucur = (happened.delivery.loss_ukwh + cut.sum(1)) * happened.market.rates.spot / MICRO
        needed_ucur = at_spot_ucur - (cut * at_bus / MICRO).sum(1)
        surplus_ucur = np.maximum(happened.market.clearing.surplus_ucur, 0)
        bill = happened.money.bill.ucur[:, :, n + SYSTEM_PARTIES.index("network_operator")]
        paid_ucur = bill[:, LINES.index("losses")] + bill[:, LINES.index("congestion")]
        left_over = np.maximum(needed_ucur - surplus_ucur, 0)
        charges = (-np.minimum(cut, 0)).sum(1) * (happened.market.rates.local_network + happened.market.rates.local_tax)
        assert (paid_ucur <= left_over + charges / MICRO + 2 * n).all()
        refunded += int(((cut < 0) & (at_bus > MICRO)).any(1).sum())
    assert refunded > 0
