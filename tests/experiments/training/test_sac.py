"""SAC: what it learns from, what it acts like, what it refuses, and that it goes on where it was interrupted."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.network import network_of
from gridbazaar.agents.policies.trained import read_weights
from gridbazaar.data.inputs import read_arrays
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.training import sac
from gridbazaar.experiments.training.folder import checkpoint_steps, read_curve
from gridbazaar.experiments.training.sac import SacConfig, train_sac
from tests.experiments.training.interrupting import assert_same_runs, interrupted

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

ROLLOUT = 2 * 6 * 24  # environments, agents, intervals
TINY = SacConfig(
    scenario="street", overrides={"hours": 6.0}, steps=6 * ROLLOUT, n_envs=2, width=8, batch_size=16, train_every=2,
    gradient_steps=2, learning_starts=ROLLOUT, buffer_size=5 * ROLLOUT // 2, checkpoint_rollouts=2,
    validate_rollouts=3, validate_seeds=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_sac(TINY, tmp_path_factory.mktemp("runs") / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 2, 3, 5])
def test_an_interrupted_run_ends_as_one_that_ran_through(whole: Path, tmp_path: Path, after: int) -> None:
    """Before it learns, at a checkpoint, at a validation, between checkpoints; the buffer is full after 2.5."""
    run = interrupted(train_sac, TINY, tmp_path / "run", after * ROLLOUT)
    assert checkpoint_steps(run) == {0: 0, 2: 2, 3: 3, 5: 4}[after] * ROLLOUT
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002 - what another run in between leaves behind
    torch.manual_seed(99)
    train_sac(SacConfig(), run, resume=True)  # the run's own configuration counts
    assert_same_runs(run, whole)


@pytest.mark.slow
def test_learning_moves_the_weights(whole: Path, tmp_path: Path) -> None:
    """So that equality above says something."""
    shorter = train_sac(replace(TINY, steps=5 * ROLLOUT), tmp_path / "shorter")
    ours, theirs = (read_weights(run / "model.npz") for run in (whole, shorter))
    assert not any(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert [point["steps"] for point in read_curve(whole)] == [0, 3 * ROLLOUT, 6 * ROLLOUT]
    assert read_arrays(whole / "checkpoint.npz")[0]["counts"]["is_full"]


@pytest.mark.slow
def test_a_run_plays_as_a_policy(whole: Path) -> None:
    found = evaluate("street", [f"last={whole}", f"best={whole / 'best.npz'}"], seeds=1, hours=6.0)
    assert np.isfinite(found.result("last").score.mean)
    assert np.isfinite(found.result("best").score.mean)


def test_it_acts_in_numpy_as_in_torch() -> None:
    model = sac._model(replace(TINY, width=32), load_scenario("street", hours=6.0), None)
    rows = np.concatenate([model.env.reset(), np.random.default_rng(0).normal(size=(64, 49)).astype(np.float32)])
    for parameter in model.actor.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    expected, _ = model.predict(rows, deterministic=True)
    found = network_of(model.acting())(rows)
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(expected).max() > 0.5


def test_only_those_with_a_device_are_learned_from() -> None:
    model = sac._model(TINY, load_scenario("street", hours=6.0), None)
    buffer: Any = model.replay_buffer
    owners = np.arange(12) % 3 == 0
    buffer.owners = lambda: owners
    buffer.begin()
    for t in range(80):  # it has room for 60, so the first ones are overwritten
        seen = np.full((12, 49), float(t)) + np.arange(12)[:, None] / 100
        done = np.full(12, t % 24 == 23)
        buffer.add(seen, seen + 1, np.zeros((12, 2)), np.full(12, float(t)), done, [{}] * 12)
    assert buffer.buffer_size == 60
    drawn = buffer.sample(5000)
    at, row = np.divmod(np.asarray(drawn.observations[:, 0], np.float64) + 1e-4, 1)
    assert set(np.rint(row * 100).astype(int)) == {0, 3, 6, 9}
    assert set(at.astype(int)) == set(range(21, 80)), "the oldest one's next observation is overwritten"
    ends = np.asarray(drawn.dones[:, 0], bool)
    after = np.asarray(drawn.next_observations - drawn.observations)[:, 0]
    assert np.allclose(after[~ends & (at < 79)], 1, atol=1e-4)
    assert np.array_equal(np.asarray(drawn.rewards[:, 0]), at.astype(np.float32))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train_every": 5}, "train_every: expected a divisor of the episode's 24 intervals"),
        ({"buffer_size": 287}, "buffer_size: expected at least an episode of 2 communities, 288; got 287"),
        ({"buffer_size": 10**7}, "buffer_size: expected at most 900,000,000 bytes in all"),
    ],
)
def test_what_does_not_fit_the_episodes_is_refused(change: dict[str, int], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        train_sac(replace(TINY, **change), tmp_path / "run")  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tau": 0.0}, r"tau: expected a number in \(0, 1\]"),
        ({"algo": "ppo"}, "algo: expected one of sac"),
        ({"learns_entropy": False, "entropy_target": -1.0}, "entropy_target: it is of learns_entropy = true"),
    ],
)
def test_values_that_there_are_not_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SacConfig(**change)
