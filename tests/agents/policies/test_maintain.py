"""The rule with upkeep: its estimate against numbers, and what it saves where devices fail."""

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.devices.failure import Failure
from gridbazaar.agents.dispatch.upkeep import gain_of_upkeep_cur
from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policies.maintain import Policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.play import play
from tests.quick import only

CONFIG = Failure(mtbf_h=400.0, mttr_h=12.0, beta=4.0, maintain_h=1.0, maintain_cur=1.0, repair_cur=5.0)


def at(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_the_gain_of_upkeep_is_that_of_its_two_risks() -> None:
    gain = gain_of_upkeep_cur(at(0.3), at(0.1), at(24.0), CONFIG)
    waiting = (1 - np.exp(-np.exp(4 * 0.7) / 400 * 24)) * (5 + 0.1 * 12)
    acting = 1 + 0.1 + (1 - np.exp(-23 / 400)) * (5 + 0.1 * 12)
    assert gain[0] == pytest.approx(waiting - acting)


def test_upkeep_pays_for_worn_devices_that_still_have_time() -> None:
    gain = gain_of_upkeep_cur(at(1.0, 0.8, 0.3, 0.3), at(0.0, 0.0, 0.0, 0.0), at(24.0, 24.0, 24.0, 0.5), CONFIG)
    assert (gain > 0).tolist() == [False, False, True, False]


def test_the_rule_keeps_to_itself_where_nothing_fails() -> None:
    core = Core("street", 2)
    state = core.reset(0)
    seen = observe(core, state, forecasts=True)
    for name in ("opportunity_cost", "time_of_use"):
        plain, looked_after = load_policy(name), Policy(name)
        assert looked_after.needs_forecasts == plain.needs_forecasts
        first, _ = plain.act(seen, plain.start(community_of(core), np.random.default_rng(0)))
        second, _ = looked_after.act(seen, looked_after.start(community_of(core), np.random.default_rng(0)))
        np.testing.assert_array_equal(first, second)


def test_only_worn_devices_that_work_are_maintained() -> None:
    core = Core("ageing", 4)
    state, policy = core.reset(0, split="validation"), Policy()
    memory: Any = policy.start(community_of(core), np.random.default_rng(0))
    works, health = (community_of(core).features.index(name) for name in ("works", "health"))
    asked = 0
    for _ in range(24):
        seen = observe(core, state, forecasts=True)
        action, memory = policy.act(seen, memory)
        asks = action[..., 2] > 0.5
        assert (seen.features[..., works][asks] > 0).all()
        assert (seen.features[..., health][asks] < 0.75).all()
        asked += int(asks.sum())
        state, _ = core.step(state, action)
    assert asked > 20


@pytest.mark.parametrize("rule", only(["opportunity_cost"], ["opportunity_cost", "price_threshold"]))
@pytest.mark.slow
def test_upkeep_beats_the_same_rule_without_it_and_idle(rule: str) -> None:
    """Evaluated cost of eight validation episodes; every one of them, and by ten a day in the mean."""
    core, seeds = Core("ageing", 8), list(range(100, 108))
    cost = {
        name: play(core, policy, seeds, split="validation").tally.scored_cur
        for name, policy in (("idle", load_policy("idle")), ("plain", load_policy(rule)), ("kept", Policy(rule)))
    }
    for other in ("idle", "plain"):
        saved = cost[other] - cost["kept"]
        assert saved.mean() > 10
        assert (saved > 0).sum() >= 7


@pytest.mark.slow
def test_an_evaluation_scores_upkeep_between_idle_and_the_optimum() -> None:
    evaluation = evaluate("ageing", ["opportunity_cost", "maintain"], seeds=2, split="validation")
    score = {r.policy: r.score.mean for r in evaluation.results}
    assert score["idle"] == 0
    assert score["opportunity_cost"] < score["maintain"] < 100


def test_a_rule_that_knows_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match="optimum"):
        Policy("optimum")
