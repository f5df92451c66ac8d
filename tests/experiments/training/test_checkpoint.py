"""A run that is killed at any of its writes can be read, and ends as one that ran through."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policies.trained import CHECKPOINT, model_of, read_weights
from gridbazaar.experiments import files
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.training.checkpoint import about, read_checkpoint
from gridbazaar.experiments.training.folder import read_curve
from gridbazaar.experiments.training.train import TrainConfig, train
from tests.experiments.cli.runner import invoke

pytest.importorskip("stable_baselines3")

ROLLOUT = 6 * 8  # agents, intervals
SMALL = TrainConfig(
    scenario="street", overrides={"hours": 2.0}, steps=3 * ROLLOUT, n_envs=1, epochs=1, width=4,
    checkpoint_rollouts=1, validate_rollouts=2, validate_seeds=1,
)  # fmt: skip


class Killed(BaseException):
    """Nothing catches it, and nothing is tidied."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(SMALL, tmp_path_factory.mktemp("runs") / "whole")


def writes_of(monkeypatch: pytest.MonkeyPatch, run: Path, at: int | None) -> int:
    """Train, and be killed when the disk is waited for the n-th time: before a file has its name, or after."""
    seen, plain = itertools.count(1), files._kept
    done = 0

    def kept(path: Path) -> None:
        nonlocal done
        plain(path)
        done = next(seen)
        if done == at:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(files, "_kept", kept)
        if at is None:
            train(SMALL, run)
        else:
            patch.setattr(Path, "unlink", lambda *_, **__: None)  # what is half-written stays
            with pytest.raises(Killed):
                train(SMALL, run)
    return done


def assert_goes_on(whole: Path, run: Path) -> None:
    """What is there can be read and played; resumed, it is the run that ran through."""
    begun = (run / "config.json").is_file()
    if model_of(str(run)) is not None:
        load_policy(str(run))
    last = read_checkpoint(run)
    if last is not None:
        assert last.curve == [] or last.curve[-1]["steps"] <= last.steps
        assert last.episodes * ROLLOUT == last.steps
    train(SMALL, run, resume=begun)
    ours, theirs = read_checkpoint(run), read_checkpoint(whole)
    assert ours is not None
    assert theirs is not None
    for mine, other in ((ours.weights, theirs.weights), (ours.moments, theirs.moments), (ours.best, theirs.best)):
        assert mine.keys() == other.keys()
        assert all(np.array_equal(mine[name], other[name]) for name in mine)
    assert [(p["steps"], p["score"]) for p in read_curve(run)] == [(p["steps"], p["score"]) for p in read_curve(whole)]
    assert not list(run.glob(".*"))


@pytest.mark.parametrize("at", [2, 3, 8])
def test_a_run_killed_at_a_write_goes_on(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    writes_of(monkeypatch, tmp_path / "run", at)
    assert_goes_on(whole, tmp_path / "run")


@pytest.mark.slow
def test_a_run_killed_at_any_write_goes_on(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n = writes_of(monkeypatch, tmp_path / "counted", None)
    assert n >= 12
    for at in range(1, n + 1):
        writes_of(monkeypatch, tmp_path / f"run_{at}", at)
        assert_goes_on(whole, tmp_path / f"run_{at}")


def test_an_interrupted_run_that_is_evaluated_says_so(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    writes_of(monkeypatch, run, 9)
    last = read_checkpoint(run)
    assert last is not None
    assert 0 < last.steps < SMALL.steps
    said = f"the run was interrupted, or still runs, at {last.steps} of {SMALL.steps} agent-steps"
    assert about(run / CHECKPOINT).endswith(said)
    options = ("--set", "hours=2", "--seeds", 1, "--policies", f"{run}")
    assert said in " ".join(invoke(main, ("evaluate", "street", *options)).stdout.split())
    assert "interrupted" not in invoke(main, ("evaluate", "street", *options[:-1], f"{whole}")).stdout


def test_the_model_and_the_best_are_those_of_the_checkpoint(whole: Path) -> None:
    last: Any = read_checkpoint(whole)
    for name, held in (("model.npz", last.weights), ("best.npz", last.best)):
        found = read_weights(whole / name)
        assert found.keys() == held.keys()
        assert all(np.array_equal(found[n], held[n]) for n in held)
