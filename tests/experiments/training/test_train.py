"""Training: what a run leaves behind, and that an interrupted one goes on where it stopped."""

from __future__ import annotations

import csv
import itertools
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.span import read_span, span_of
from gridbazaar.experiments.training.folder import checkpoint_steps, read_curve
from gridbazaar.experiments.training.train import TrainConfig, read_config, train

pytest.importorskip("stable_baselines3")

ROLLOUT = 2 * 6 * 24  # environments, agents, intervals
TINY = TrainConfig(
    scenario="street", overrides={"hours": 6.0}, steps=4 * ROLLOUT, n_envs=2, epochs=1, width=8,
    checkpoint_rollouts=1, validate_rollouts=2, validate_seeds=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(TINY, tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture
def resets(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[int, ...]]]:
    """The split and the episode numbers of every reset."""
    seen: list[tuple[str, tuple[int, ...]]] = []
    plain = Core.reset

    def reset(core: Core, seeds: Any = 0, *, split: str = "train") -> Any:
        state = plain(core, seeds, split=split)
        seen.append((split, tuple(np.asarray(state.episode.seed).tolist())))
        return state

    monkeypatch.setattr(Core, "reset", reset)
    return seen


class Interrupt:
    """A ``report`` that stops the run after some steps, as ctrl-C would."""

    def __init__(self, after: int) -> None:
        self.after, self.seen = after, list[int]()

    def __call__(self, steps: int, of: int, latest: dict[str, float]) -> None:
        self.seen.append(steps)
        if steps >= self.after:
            raise KeyboardInterrupt


def test_a_run_leaves_model_configuration_versions_and_curve(run: Path) -> None:
    held = json.loads((run / "config.json").read_text())
    assert held["train"]["seed"] == 0
    assert held["scenario"]["name"] == "street"
    assert held["scenario"]["hours"] == 6.0
    assert read_span(run) == span_of(load_scenario("street", hours=6.0))
    assert {"torch", "stable-baselines3", "gridbazaar"} <= set(held["versions"])
    assert read_config(run) == TINY
    assert (run / "model.npz").is_file()
    assert checkpoint_steps(run) == 4 * ROLLOUT
    curve = read_curve(run)
    assert [p["steps"] for p in curve] == [0, 2 * ROLLOUT, 4 * ROLLOUT]
    assert all(np.isfinite(p["score"]) for p in curve)
    assert (run / "log" / "progress.csv").is_file()
    assert list((run / "log").glob("events*"))
    assert not list(run.glob("*partial*"))


def test_a_run_plays_as_a_policy(run: Path) -> None:
    found = evaluate("street", [f"ours={run}"], seeds=1, hours=6.0)
    assert np.isfinite(found.result("ours").score.mean)


def test_the_same_seed_trains_the_same_policy(run: Path, tmp_path: Path) -> None:
    again = train(TINY, tmp_path / "again")
    other = train(replace(TINY, seed=1), tmp_path / "other")
    scores = [[p["score"] for p in read_curve(r)] for r in (run, again, other)]
    assert scores[0] == scores[1]
    assert scores[0] != scores[2]


def test_an_interrupted_run_goes_on_from_its_checkpoint(
    tmp_path: Path, resets: list[tuple[str, tuple[int, ...]]]
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(TINY, folder, report=Interrupt(2 * ROLLOUT))
    assert checkpoint_steps(folder) == 2 * ROLLOUT
    assert not (folder / "model.npz").is_file()
    played = {n for split, numbers in resets if split == "train" for n in numbers}
    resets.clear()

    watch = Interrupt(10**9)
    train(TrainConfig(), folder, resume=True, report=watch)  # the run's own configuration counts
    assert watch.seen[0] == 2 * ROLLOUT
    assert watch.seen[-1] == 4 * ROLLOUT
    assert [p["steps"] for p in read_curve(folder)] == [0, 2 * ROLLOUT, 4 * ROLLOUT]
    again = [n for split, numbers in resets if split == "train" for n in numbers]
    assert played == set(range(6)), "two rollouts of two episodes, and those that had begun"
    assert min(again) == 4, "the episodes that the checkpoint has learned from come back"
    assert (folder / "log" / "progress.csv").is_file()
    assert (folder / "log" / f"from_{2 * ROLLOUT}" / "progress.csv").is_file()
    load_policy(str(folder))


def test_a_run_interrupted_at_once_can_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(replace(TINY, checkpoint_rollouts=100), tmp_path / "run", report=Interrupt(0))
    assert checkpoint_steps(tmp_path / "run") == 0
    train(TINY, tmp_path / "run", resume=True)
    assert checkpoint_steps(tmp_path / "run") == 4 * ROLLOUT


def test_resuming_a_complete_run_changes_nothing(run: Path) -> None:
    before = read_curve(run)
    assert train(TINY, run, resume=True) == run
    assert read_curve(run) == before
    assert not list((run / "log").glob("from_*"))
    assert checkpoint_steps(run) == 4 * ROLLOUT


def test_a_folder_that_holds_something_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="--force"):
        train(TINY, run)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="remove it yourself"):
        train(TINY, tmp_path, force=True)
    assert (tmp_path / "notes.txt").is_file()


def test_force_replaces_a_run(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(TINY, tmp_path / "run", report=Interrupt(0))
    (tmp_path / "run" / "old.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        train(TINY, tmp_path / "run", force=True, report=Interrupt(0))
    assert not (tmp_path / "run" / "old.txt").exists()


def test_resume_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"found no config\.json"):
        train(TINY, tmp_path / "nothing", resume=True)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, tmp_path / "run", report=Interrupt(0))


def test_a_run_that_ended_before_its_first_checkpoint_begins_again(run: Path, tmp_path: Path) -> None:
    again = tmp_path / "run"
    again.mkdir()
    (again / "config.json").write_bytes((run / "config.json").read_bytes())
    assert checkpoint_steps(again) is None
    train(TINY, again, resume=True)
    assert [p["score"] for p in read_curve(again)] == [p["score"] for p in read_curve(run)]


def test_training_never_plays_test_episodes(tmp_path: Path, resets: list[tuple[str, tuple[int, ...]]]) -> None:
    train(replace(TINY, steps=2 * ROLLOUT), tmp_path / "run")
    assert {split for split, _ in resets} == {"train", "validation"}


def test_training_refuses_the_test_split() -> None:
    from gridbazaar.envs.views.vec_env import vec_env

    with pytest.raises(ValueError, match="training refuses the test split"):
        vec_env("street", n_envs=1, split="test")


def test_the_clock_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a second whenever it is read, so that a busy machine is no other one."""
    seconds = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr("gridbazaar.experiments.training.train.time", clock)
    told: list[float] = []
    config = replace(TINY, steps=10**9, max_minutes=0.5, validate_rollouts=10**6, checkpoint_rollouts=10**6)
    train(config, tmp_path / "run", report=lambda steps, of, latest: told.append(latest["progress"]))
    done = checkpoint_steps(tmp_path / "run")
    assert done is not None
    assert 0 < done < 10**6
    assert told == sorted(told)
    assert told[-1] == 1.0
    rows = list(csv.DictReader((tmp_path / "run" / "log" / "progress.csv").open()))
    rates = [float(row["train/learning_rate"]) for row in rows if row["train/learning_rate"]]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.5 * TINY.learning_rate


def test_a_bad_configuration_is_named() -> None:
    with pytest.raises(ValueError, match="algo: expected one of ppo, got 'sac'"):
        TrainConfig(algo="sac")
    with pytest.raises(ValueError, match="n_envs: expected a whole number"):
        TrainConfig(n_envs=0)
    for minutes in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="max_minutes: expected a number"):
            TrainConfig(max_minutes=minutes)


def test_a_learned_policy_leaves_out_rows_without_a_device() -> None:
    from gymnasium.spaces import Box

    from gridbazaar.envs.observe import feature_columns
    from gridbazaar.envs.scenarios import load_scenario
    from gridbazaar.experiments.training.ppo import OwnersRolloutBuffer

    names = [c.name for c in feature_columns(load_scenario("village"))]
    buffer = OwnersRolloutBuffer(4, Box(-5, 5, (len(names),)), Box(-1, 1, (2,)), "cpu", n_envs=3)
    buffer.capacity = names.index("capacity")
    buffer.observations[:, 1, names.index("capacity")] = 0.5
    buffer.full = True
    drawn = np.concatenate([np.asarray(batch.observations) for batch in buffer.get()])
    assert drawn.shape == (4, len(names))
    assert (drawn[:, names.index("capacity")] == 0.5).all()


def test_the_hours_before_a_car_comes_are_learned_from() -> None:
    from gymnasium.spaces import Box

    from gridbazaar.envs.observe import feature_columns
    from gridbazaar.envs.scenarios import load_scenario
    from gridbazaar.experiments.training.ppo import OwnersRolloutBuffer

    columns = feature_columns(load_scenario("village"))
    buffer = OwnersRolloutBuffer(4, Box(-5, 5, (len(columns),)), Box(-1, 1, (2,)), "cpu", n_envs=3)
    buffer.capacity = [c.name for c in columns].index("capacity")
    buffer.observations[:, :, 0] = 10.0 * np.arange(3) + np.arange(4)[:, None]
    buffer.observations[2, 1, [c.name for c in columns].index("capacity")] = 0.5
    buffer.full = True
    drawn = np.concatenate([np.asarray(batch.observations) for batch in buffer.get()])
    assert sorted(drawn[:, 0]) == [10, 11, 12, 13]


@pytest.mark.slow
def test_a_minute_of_training_beats_the_clock(tmp_path: Path) -> None:
    run = train(TrainConfig(scenario="street", steps=10**9, max_minutes=1.0), tmp_path / "run")
    found = evaluate("street", [f"ours={run}", "time_of_use"], seeds=10)
    assert found.result("ours").score.mean > max(found.result("time_of_use").score.mean, 50.0)
