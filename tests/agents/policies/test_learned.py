"""What came with the package trained: it plays by name, in NumPy as in torch, and only where it belongs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.learned.columns import PUBLIC, own_names
from gridbazaar.agents.learned.network import respond, shapes_of
from gridbazaar.agents.learned.policy import Policy
from gridbazaar.agents.network import Network
from gridbazaar.agents.policies import is_learned, learned, load_policy
from gridbazaar.agents.policies.trained import Policy as Trained
from gridbazaar.agents.policies.trained import load_run
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.cli.evaluate import usual
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.play import play


def rows(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape[-1]).normal(0, 0.3, shape).astype(np.float32)


@pytest.mark.parametrize("name", learned.list_learned())
def test_it_answers_in_numpy_as_in_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    policy = load_run(str(learned.folder_of(name)))
    if isinstance(policy, Policy):
        public, own, is_car = (
            rows(64, len(PUBLIC)),
            rows(64, 7, len(own_names(policy.kinds, policy.choices, policy.has_outages))),
            np.arange(7)[:, None] < 2,
        )
        tensors = {n: torch.from_numpy(x) for n, x in policy.weights.items()}
        there = respond(tensors, torch.from_numpy(public), torch.from_numpy(own), torch.from_numpy(is_car)).numpy()
        here = respond(policy.weights, public, own, is_car)
        np.testing.assert_allclose(np.tanh(here[..., 0]), np.tanh(there[..., 0]), atol=1e-5)
    else:
        assert isinstance(policy, Trained)
        assert isinstance(policy.network, Network)
        seen = rows(64, policy.network.n_features)
        x = torch.from_numpy(seen)
        for weight, bias in policy.network.hidden:
            x = torch.tanh(torch.nn.functional.linear(x, torch.from_numpy(weight.T.copy()), torch.from_numpy(bias)))
        weight, bias = policy.network.head
        there = torch.nn.functional.linear(x, torch.from_numpy(weight.T.copy()), torch.from_numpy(bias)).numpy()
        here = policy.network(seen)
    np.testing.assert_allclose(here, there, atol=1e-5 * max(1.0, np.abs(there).max()))
    assert np.std(here) > 0.05


def test_it_plays_what_was_trained_for_the_scenario_of_the_community() -> None:
    core = Core(load_scenario("street", hours=2.0), 2)
    state, actions = core.reset(3), []
    for policy in (
        load_policy("learned"), load_run(str(learned.folder_of("street"))), load_policy("learned", scenario="village")
    ):  # fmt: skip
        memory = policy.start(community_of(core, state), np.random.default_rng(0))
        actions.append(policy.act(observe(core, state, forecasts=True), memory)[0])
    np.testing.assert_array_equal(actions[0], actions[1])
    assert not np.array_equal(actions[0], actions[2])


def test_a_scenario_for_which_nothing_ships_is_refused_before_anything_is_played() -> None:
    def tick(policy: str, done: int, total: int) -> None:
        raise AssertionError(f"{policy} was played")

    mine = replace(load_scenario("village"), name="mine")
    with pytest.raises(ValueError, match=r"learned: expected a scenario of .*village.*got 'mine': train one"):
        evaluate(mine, ["learned"], seeds=1, tick=tick)


def test_episodes_that_it_may_have_learned_from_are_refused() -> None:
    with pytest.raises(ValueError, match=r"test episodes share steps with what it was trained on"):
        evaluate("street", ["learned"], seeds=200, start_h=6.0)


def test_it_counts_as_learned() -> None:
    assert [name for name in ("learned", "trained", "runs/a", "opportunity_cost", "mpc") if is_learned(name)] == [
        "learned", "trained", "runs/a"
    ]  # fmt: skip


def test_an_evaluation_shows_it_at_once_where_there_is_one() -> None:
    """Of the command without ``--policies``; settings of one's own are none that it was trained in."""
    for name in list_scenarios():
        assert ("learned" in usual(load_scenario(name))) == (name in learned.list_learned())
    assert "learned" not in usual(load_scenario("street", hours=2.0))
    assert usual(load_scenario("street"))[-1] == "optimum"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["street", "village"])
def test_it_costs_less_than_the_engineered_rule(name: str) -> None:
    found = evaluate(name, ["opportunity_cost", "learned"], seeds=range(20, 84), replays=False)
    assert found.paired("learned", "opportunity_cost").low > 0


def test_what_can_fail_is_looked_after() -> None:
    """The network knows no failures; the rule's upkeep is added to what it chooses."""
    core = Core(load_scenario("ageing", step_min=60), 4)
    played = play(core, load_policy("learned"), [0, 1, 2, 3], split="validation", keep=True)
    asked = dict.fromkeys(("prosumer", "battery", "vpp"), False)
    for happened in played.transitions:
        for kind in asked:
            asked[kind] |= bool((happened.plan.executed[:, core.scenario.kind_slices[kind], 2] > 0.5).any())
    assert all(asked.values())


def test_vpps_that_are_called_answer_as_by_the_rule() -> None:
    """The network knows no calls; the rule's answers are added to what it chooses."""
    core, rule = Core(load_scenario("vpp_call", step_min=60), 4), load_policy("vpp_dispatch")
    policy, state = load_policy("learned", scenario="village"), core.reset(0, split="validation")
    community = community_of(core, state)
    memory, of_rule = (one.start(community, np.random.default_rng(0)) for one in (policy, rule))
    vpps, own = core.scenario.kind_slices["vpp"], slice(2, 4)
    assert community.actions["vpp"][own] == ("capacity", "price")
    offers, differs = 0, 0
    for _ in range(core.n_steps):
        seen = observe(core, state, forecasts=True)
        action, memory = policy.act(seen, memory)
        other, of_rule = rule.act(seen, of_rule)
        np.testing.assert_array_equal(action[:, vpps, own], other[:, vpps, own])
        offers += int((action[:, vpps, 2] > 0).sum())
        differs += int((action[:, : vpps.start, 0] != other[:, : vpps.start, 0]).sum())
        state, _ = core.step(state, action)
    assert offers == 4 * 2
    assert differs > 0


def test_it_rests_in_an_outage_and_sees_that_it_is_over() -> None:
    """Weights by which all charge at full power once the grid above is back, and rest before."""
    core = Core(load_scenario("blackout", **{"step_min": 60, "outage.lines_per_year": 0.0}), 8)
    kinds = tuple(core.scenario.agents)
    names = own_names(kinds, has_outages=True)
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes_of(len(names)).items()}
    weights["own"][names.index("outage_is_over"), 0] = 9.0
    weights["rest"][0, 0] = weights["cars"][0, 0] = 9.0
    policy: Any = Policy(weights, kinds, has_outages=True)
    state = core.reset(0, split="validation")
    drawn, memory = state.episode.outages, policy.start(community_of(core, state), np.random.default_rng(0))
    assert drawn is not None
    assert (drawn.end < core.n_steps).any()
    for t in range(core.n_steps):
        action, memory = policy.act(observe(core, state, forecasts=True), memory)
        np.testing.assert_allclose(action[..., 0], (t >= drawn.end)[:, None] * np.ones(core.n_agents), atol=1e-3)
        state, _ = core.step(state, action)


def test_it_lets_nobody_ask_for_power_in_an_outage_whatever_the_network_says() -> None:
    core = Core(load_scenario("blackout", step_min=60), 4)
    kinds = tuple(core.scenario.agents)
    n = len(own_names(kinds, has_outages=True))
    weights = {name: rows(*shape) for name, shape in shapes_of(n).items()}
    policy: Any = Policy(weights, kinds, has_outages=True)
    state, rested = core.reset(0, split="validation"), 0
    community = community_of(core, state)
    memory = policy.start(community, np.random.default_rng(0))
    for _ in range(core.n_steps):
        seen = observe(core, state, forecasts=True)
        action, memory = policy.act(seen, memory)
        is_off = seen.features[:, 0, community.features.index("island")] > 0.5
        assert (action[is_off, :, 0] == 0).all()
        assert (np.abs(action[~is_off, :, 0]) > 0).any()
        rested += int(is_off.sum())
        state, _ = core.step(state, action)
    assert rested > 4
