"""What policies draw depends on the episode's own number and on the agent, and on nothing that is played beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import list_policies, load_policy
from gridbazaar.agents.policy import Policy
from gridbazaar.data.arrays import Array
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.batch import Batch
from gridbazaar.envs.views.gymnasium_env import single_agent_env, vector_env
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.play import play

SHORT: dict[str, Any] = {"hours": 6.0}
DRAW = [name for name in list_policies() if name in ("random", "zero_intelligence")]


class Old:
    """A user's own policy, written before there was ``chance``: it draws from the generator that it is given."""

    needs_forecasts = False
    needs_foresight = False

    def start(self, community: Any, rng: np.random.Generator, episode: Any = None) -> Any:
        return rng

    def act(self, observation: Any, memory: Any) -> tuple[Array, Any]:
        return memory.uniform(-1, 1, (*observation.mask.shape, 2)), memory


def cost_cur(policy: Policy, seeds: list[int], scenario: str = "street", **overrides: Any) -> np.ndarray:
    core = Core(load_scenario(scenario, **(SHORT | overrides)), len(seeds))
    return np.asarray(play(core, policy, seeds).tally.cost_cur)


def test_there_are_policies_that_draw() -> None:
    assert DRAW == ["random", "zero_intelligence"]


@pytest.mark.parametrize("name", [name for name in list_policies() if name != "trained"])
@pytest.mark.parametrize(
    "beside", [pytest.param([3, 4], marks=pytest.mark.slow), pytest.param([4, 3], marks=pytest.mark.slow), [9, 3, 9]]
)
def test_an_episode_costs_the_same_whatever_is_played_beside_it(name: str, beside: list[int]) -> None:
    alone = cost_cur(load_policy(name), [3])[0]
    np.testing.assert_array_equal(cost_cur(load_policy(name), beside)[beside.index(3)], alone)


@pytest.mark.parametrize("name", DRAW)
def test_an_evaluation_of_some_episodes_is_that_of_each(name: str) -> None:
    one, two = (evaluate("street", [name], seeds=s, **SHORT).result(name).scored_cur for s in ([3], [3, 4]))
    assert one[0] == two[0] != two[1]


@pytest.mark.parametrize("name", DRAW)
def test_draws_differ_by_episode_split_agent_and_interval(name: str) -> None:
    core = Core(load_scenario("street", **SHORT), 2)
    actions = {}
    for split in ("train", "test"):
        state, policy = core.reset([3, 4], split=split), load_policy(name)
        memory = policy.start(community_of(core, state), np.random.default_rng(0))
        for t in range(3):
            actions[split, t], memory = policy.act(observe(core, state), memory)
    power = np.stack([a[:, :, 0] for a in actions.values()])  # of split and interval, episode, agent
    assert power.shape == (6, 2, 6)
    assert len(np.unique(power)) == power.size
    assert power.min() < -0.8
    assert power.max() > 0.8


def test_draws_are_uniform_and_do_not_hang_together() -> None:
    core = Core(load_scenario("street"), 64)
    drawn = community_of(core, core.reset(0)).chance("test")
    assert drawn.shape == (64, 6, 96)
    np.testing.assert_allclose(np.bincount((drawn.ravel() * 10).astype(int)) / drawn.size, 0.1, atol=0.005)
    for a, b in ((drawn[:, 0], drawn[:, 1]), (drawn[0], drawn[1]), (drawn[..., :-1], drawn[..., 1:])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.05


def test_one_more_agent_shifts_nobodys_draws() -> None:
    few, more = (Core(load_scenario("street", **{"prosumer.count": n}), 1) for n in (3, 5))
    drawn: dict[str, list[np.ndarray]] = {}
    for core in (few, more):
        values = community_of(core, core.reset([3])).chance("test")
        for agent, own in zip(core.agents, values[0], strict=True):
            drawn.setdefault(agent, []).append(own)
    both = [pair for pair in drawn.values() if len(pair) == 2]
    assert len(both) == len(few.agents)
    for a, b in both:
        np.testing.assert_array_equal(a, b)


def test_chance_needs_an_episode() -> None:
    with pytest.raises(ValueError, match=r"chance\('test'\): expected a community with episodes"):
        community_of(Core(load_scenario("street"), 1)).chance("test")


def rewards(env: Any, seed: int, n: int) -> list[float]:
    env.reset(seed=seed)
    return [float(env.step(np.zeros(2, np.float32))[1]) for _ in range(n)]


@pytest.mark.parametrize("name", DRAW)
def test_others_play_the_same_day_in_every_view(name: str) -> None:
    """Agent battery_0 rests while the others draw: alone, beside other episodes, and as rows of a VecEnv."""
    alone = rewards(single_agent_env("street", others=name, **SHORT), 3, 24)
    assert len(set(alone)) > 10
    beside = vector_env("street", 3, others=name, autoreset_mode="Disabled", **SHORT)
    beside.reset(seed=[5, 3, 4])
    rows = [beside.step(np.zeros((3, 2), np.float32))[1] for _ in range(24)]
    assert [float(r[1]) for r in rows] == alone
    pytest.importorskip("stable_baselines3")
    from gridbazaar.envs.views.vec_env import vec_env

    learning = vec_env("street", 2, kind="battery", others=name, seed=3, **SHORT)
    learning.reset()
    found = [learning.step(np.zeros((2, 2), np.float32))[1][0] for _ in range(24)]
    np.testing.assert_array_equal(np.array(alone, np.float32), np.array(found, np.float32))


@pytest.mark.parametrize("name", DRAW)
def test_a_row_that_begins_while_others_are_in_play_draws_as_alone(name: str) -> None:
    core, alone = Core(load_scenario("street", **SHORT), 3), Core(load_scenario("street", **SHORT), 1)
    steered = np.array([agent == "battery_0" for agent in core.agents])
    together, single = (Batch(c, steered=steered, others=name) for c in (core, alone))
    single.reset(3)
    together.reset([5, 8, 4])
    for _ in range(7):
        together.step(np.zeros((3, 1, 2)))
    together.reset([3], rows=np.array([False, True, False]))
    for _ in range(10):
        rest = np.zeros((1, 1, 2))
        found, expected = together.step(np.repeat(rest, 3, axis=0)).reward[1], single.step(rest).reward[0]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", DRAW)
def test_who_else_is_played_by_rules_changes_no_draw(name: str) -> None:
    """The same policy in another seat, beside other policies, wants the same for its agents."""
    core = Core(load_scenario("street", **SHORT), 1)
    steered = np.array([agent == "battery_0" for agent in core.agents])
    wishes = []
    for others in (name, {"ev": name}, {"prosumer": "self_consumption", "ev": name}):
        batch = Batch(core, steered=steered, others=others, forecasts=True)
        batch.reset(3)
        assert batch._others is not None
        wishes.append(batch._others.act(batch.seen)[:, core.scenario.kind_slices["ev"]])
    assert np.ptp(wishes[0]) > 0
    for other in wishes[1:]:
        np.testing.assert_array_equal(other, wishes[0])


def test_a_policy_of_a_user_that_knows_no_chance_still_plays() -> None:
    assert np.isfinite(cost_cur(Old(), [3, 4])).all()
    core = Core(load_scenario("street", **SHORT), 1)
    batch = Batch(core, steered=np.arange(core.n_agents) < 1, others=Old())
    batch.reset(3)
    assert np.isfinite(batch.step(np.zeros((1, 1, 2))).reward).all()
