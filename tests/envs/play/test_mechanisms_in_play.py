"""Every mechanism drives a scenario: a day of it adds up, whatever the rule."""

from __future__ import annotations

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.mechanisms import list_mechanisms, mechanism_draws, mechanism_stage
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES
from tests.quick import only

every_mechanism = pytest.mark.parametrize("name", list_mechanisms())


def transitions(name: str, seeds: list[int], policy: str = "random") -> list[Transition]:
    """An evening of the street."""
    core = Core(load_scenario("street", mechanism=name, hours=8.0), len(seeds))
    return [*play(core, load_policy(policy), seeds, split="train", keep=True).transitions]


@every_mechanism
def test_money_and_energy_add_up_under_every_rule(name: str) -> None:
    for happened in transitions(name, [3, 4]):
        assert not happened.money.bill.ucur.sum(axis=2).any()
        cleared = happened.market.clearing
        pool = 0 if cleared.pool_ukwh is None else cleared.pool_ukwh
        assert not (cleared.traded_ukwh.sum(axis=1) - pool).any()
        operator = happened.money.bill.ucur[:, LINES.index("market"), happened.delivery.metered_ukwh.shape[1] :]
        assert (operator[:, SYSTEM_PARTIES.index("market_operator")] == -cleared.surplus_ucur).all()


@pytest.mark.parametrize("name", [n for n in list_mechanisms() if mechanism_stage(n) == "ex_post"])
def test_rules_that_price_metered_energy_leave_no_imbalance(name: str) -> None:
    for happened in transitions(name, [3, 4]):
        n_agents = happened.delivery.metered_ukwh.shape[1]
        filled = happened.market.clearing.filled_ukwh
        assert (filled[:, :n_agents] + filled[:, n_agents:] == happened.delivery.metered_ukwh).all()
        assert not happened.money.bill.line("imbalance").any()
        assert np.isfinite(happened.reward).all()


@pytest.mark.parametrize("name", [n for n in list_mechanisms() if mechanism_draws(n)])
def test_the_lottery_is_drawn_at_the_reset_and_each_row_is_the_episode_alone(name: str) -> None:
    both, alone = transitions(name, [5, 9]), transitions(name, [9])
    for two, one in zip(both, alone, strict=True):
        assert two.market.orders.lottery is not None
        assert one.market.orders.lottery is not None
        assert (two.market.orders.lottery[1] == one.market.orders.lottery[0]).all()
    lotteries = np.array([h.market.orders.lottery[0] for h in both if h.market.orders.lottery is not None])
    assert len(np.unique(lotteries[:, 0])) == len(lotteries)


@pytest.mark.parametrize("name", only((), list_mechanisms()))
def test_no_policy_beats_the_bound_under_any_rule(name: str) -> None:
    """The evaluation stops where it does; with a subsidy counted as cost."""
    found = evaluate("street", ["opportunity_cost", "optimum"], seeds=3, split="train", mechanism=name)
    for result in found.results:
        assert np.isfinite(result.scored_cur).all()
        assert (result.figures["traded_share"] <= 1 + 1e-9).all()


@pytest.mark.slow
def test_what_the_operator_pays_is_a_figure() -> None:
    found = evaluate("street", ["self_consumption"], seeds=2, split="train", mechanism="mcafee")
    kept = found.result("self_consumption").figures["operator_cur"]
    assert (kept < 0).any()
    assert (kept <= 1e-9 * MICRO).all()
