"""IPPO and MAPPO by BenchMARL: runs like those of the other learners; they need the extra ``marl``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.network import networks_of
from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.training.folder import checkpoint_steps, read_curve
from gridbazaar.experiments.training.marl.config import ALGOS, MarlConfig
from gridbazaar.experiments.training.marl.run import train_marl
from tests.experiments.training.improving import MARGIN, curve_of
from tests.experiments.training.interrupting import assert_same_runs, interrupted
from tests.stacks import needs

ROLLOUT = 2 * 6 * 24  # environments, agents, intervals
TINY = MarlConfig(
    scenario="street", overrides={"hours": 6.0}, steps=4 * ROLLOUT, n_envs=2, epochs=2, minibatches=3, width=8,
    checkpoint_rollouts=2, validate_rollouts=3, validate_seeds=1,
)  # fmt: skip

LITTLE: dict[str, Any] = {
    "steps": 32 * 6 * 96, "n_envs": 32, "epochs": 6, "minibatches": 8, "learning_rate": 3e-3, "gamma": 0.9,
    "gae_lambda": 0.8, "width": 32, "validate_rollouts": 1,
}  # fmt: skip
"""Of training, a few CPU seconds; chosen on validation with other seeds."""


@pytest.fixture(scope="module", params=ALGOS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = replace(TINY, algo=request.param)
    return train_marl(config, tmp_path_factory.mktemp("runs") / request.param)


@needs("marl")
@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_interrupted_run_ends_as_one_that_ran_through(whole: Path, tmp_path: Path, after: int) -> None:
    import torch

    run = interrupted(train_marl, replace(TINY, algo=whole.name), tmp_path / "run", after * ROLLOUT)
    assert checkpoint_steps(run) == {0: 0, 1: 0, 3: 3}[after] * ROLLOUT
    torch.manual_seed(99)  # what another run in between leaves behind
    train_marl(MarlConfig(), run, resume=True)  # the run's own configuration counts
    assert_same_runs(run, whole)
    assert [point["steps"] for point in read_curve(whole)] == [0, 3 * ROLLOUT, 4 * ROLLOUT]


@needs("marl")
@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("algo", ALGOS)
def test_it_improves_on_its_own_start(algo: str, seed: int, tmp_path: Path) -> None:
    start, *curve = curve_of(algo, seed, tmp_path / "run", **LITTLE)
    assert max(curve) > start + MARGIN, (start, curve)


@needs("marl")
@pytest.mark.slow
def test_a_run_plays_as_a_policy(whole: Path) -> None:
    found = evaluate("street", [f"last={whole}", f"best={whole / 'best.npz'}"], seeds=1, hours=6.0)
    assert np.isfinite(found.result("last").score.mean)
    assert np.isfinite(found.result("best").score.mean)


@needs("marl")
@pytest.mark.parametrize("algo", ALGOS)
def test_it_acts_in_numpy_as_in_torch(algo: str) -> None:
    import torch
    from tensordict import TensorDict
    from torchrl.envs.utils import ExplorationType, set_exploration_type

    from gridbazaar.experiments.training.marl.learner import Learner

    learner = Learner(replace(TINY, algo=algo), load_scenario("street", hours=6.0), 0)
    generator = torch.Generator().manual_seed(1)
    for kind, networks in networks_of(learner.acting()).items():
        n = len(learner.experiment.group_map[kind])
        rows = torch.randn((5, n, networks.n_features), generator=generator)
        seen = TensorDict({kind: TensorDict({"observation": rows}, (5, n))}, (5,))
        with set_exploration_type(ExplorationType.DETERMINISTIC), torch.no_grad():
            expected = learner.experiment.group_policies[kind](seen)[kind, "action"].numpy()
        found = networks(rows.reshape(5 * n, -1).numpy()).reshape(expected.shape)
        assert np.abs(found - expected).max() < 1e-5, kind
        assert np.abs(expected).max() > 0.01
    learner.close()


@needs("marl")
@pytest.mark.slow
def test_a_run_is_refused_where_kinds_are_that_it_has_no_network_of(whole: Path) -> None:
    with pytest.raises(ValueError, match=r"other columns|not with"):
        evaluate(load_scenario("village", **{"wind.count": 1}), [str(whole)], seeds=1)
    load_policy(str(whole))


@needs("marl")
def test_the_batch_is_an_environment_of_torchrl() -> None:
    from torchrl.envs.utils import check_env_specs

    from gridbazaar.envs.views.torchrl_env import MarketTorchRLEnv
    from gridbazaar.envs.views.vec_env import vec_env

    env: Any = MarketTorchRLEnv("street", 3, hours=2.0, seed=5)
    check_env_specs(env)
    env.set_seed(5)
    played = env.rollout(10, break_when_any_done=False)
    ends = played["next", "done"][..., 0].numpy()
    assert np.flatnonzero(ends[0]).tolist() == [7]
    assert np.array_equal(played["next", "truncated"], played["next", "done"])
    rows = vec_env("street", 3, hours=2.0, seed=5)
    seen = np.asarray(rows.reset()).reshape(3, 6, -1)
    for t in range(8):  # as the VecEnv plays them
        action = np.zeros((3, 6, rows.core.n_actions), np.float32)
        for kind, agents in rows.core.scenario.kind_slices.items():
            assert np.array_equal(played[kind, "observation"][:, t].numpy(), seen[:, agents])
            given = played[kind, "action"][:, t].numpy()
            action[:, agents, : given.shape[2]] = given
        after, reward, _, _ = rows.step(action.reshape(18, -1))
        seen = np.asarray(after).reshape(3, 6, -1)
        for kind, agents in rows.core.scenario.kind_slices.items():
            found = played["next", kind, "reward"][:, t, :, 0].numpy()
            assert np.array_equal(found, reward.reshape(3, 6)[:, agents])


def test_values_that_there_are_not_are_named() -> None:
    with pytest.raises(ValueError, match="value_loss: expected one of l1, l2, smooth_l1"):
        MarlConfig(value_loss="huber")
    with pytest.raises(ValueError, match="algo: expected one of ippo, mappo"):
        MarlConfig(algo="qmix")
