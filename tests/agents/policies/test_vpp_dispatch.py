"""The rule that answers calls: it pays for the community and for the VPPs, and is its own rule without calls."""

from __future__ import annotations

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policies.vpp_dispatch import Policy
from gridbazaar.agents.policy import NoBoundError
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.evaluation.bound import optimum_cost_cur
from gridbazaar.experiments.evaluation.metrics import Tally
from gridbazaar.experiments.evaluation.play import play

SEEDS = np.arange(12)


def tally(core: Core, policy: str | Policy, kept: list[Transition] | None = None) -> Tally:
    chosen = load_policy(policy) if isinstance(policy, str) else policy
    record = None if kept is None else kept.append
    return play(core, chosen, SEEDS, split="validation", record=record).tally


@pytest.mark.slow
def test_it_beats_idle_and_the_rule_that_it_plays_otherwise_on_validation_episodes() -> None:
    core, happened = Core("vpp_call", len(SEEDS)), list[Transition]()
    idle, rule = tally(core, "idle"), tally(core, "opportunity_cost")
    ours = tally(core, "vpp_dispatch", happened)
    assert ours.scored_cur.mean() < 0.6 * rule.scored_cur.mean() < 0.6 * idle.scored_cur.mean()
    assert (ours.scored_cur < idle.scored_cur).all()
    vpps = core.scenario.kind_slices["vpp"]
    assert ours.cost_cur[:, vpps].sum() < rule.cost_cur[:, vpps].sum(), "answering pays the VPPs too"
    assert ours.cost_cur[:, : vpps.start].sum() < rule.cost_cur[:, : vpps.start].sum(), "and their members"
    called = sum(h.money.answer.called_ukwh.sum() for h in happened if h.money.answer is not None)
    came = sum(h.money.answer.delivered_ukwh.sum() for h in happened if h.money.answer is not None)
    assert came > 0.9999 * called > 0


def test_without_calls_it_is_the_rule() -> None:
    core = Core(load_scenario("village", hours=12.0), len(SEEDS))
    np.testing.assert_array_equal(tally(core, "vpp_dispatch").reward, tally(core, "opportunity_cost").reward)


@pytest.mark.slow
def test_what_is_asked_is_what_is_paid() -> None:
    core = Core("vpp_call", len(SEEDS))
    half, whole = list[Transition](), list[Transition]()
    tally(core, Policy(ask=0.5), half)
    tally(core, Policy(ask=1.0), whole)

    def paid(happened: list[Transition]) -> float:
        """Without what is paid for holding ready."""
        answers = [h.money.answer for h in happened if h.money.answer is not None]
        return -sum(float((a.services.earned_ucur + a.award_ukwh * 10_000 // 10**6).sum()) for a in answers) / 1e6

    assert paid(half) == pytest.approx(0.5 * paid(whole), rel=1e-4)


def test_options_out_of_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected ask in \[0, 1\], got 2"):
        Policy(ask=2.0)
    with pytest.raises(ValueError, match="expected a rule without foresight, got 'optimum'"):
        Policy(rule="optimum")


@pytest.mark.parametrize(
    "call",
    [
        {"chance": 1.0},
        {"chance": 1e-6},
        {"chance": 1.0, "price_cur_per_kwh": 0.0, "availability_cur_per_kwh": 0.0},
        {"chance": 1.0, "response_share": 1.0},
    ],
)
@pytest.mark.parametrize("answers", [True, False])
def test_there_is_no_bound_where_there_may_be_calls(call: dict[str, float], answers: bool) -> None:
    core = Core(load_scenario("village", call=call, vpp={"answers_calls": answers}), 1)
    with pytest.raises(NoBoundError, match=r"calls of the grid operator"):
        optimum_cost_cur(core, [0], "validation")
