"""Several seeds in one folder: each is the run that it would be alone, and what was interrupted goes on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies.trained import MODEL, read_weights
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.runs import RUNS, read_runs, run_of
from gridbazaar.experiments.training.seeds import begin_runs, more_runs, train_runs
from gridbazaar.experiments.training.train import TrainConfig, read_config, train
from tests.experiments.cli.runner import invoke

pytest.importorskip("stable_baselines3")

TINY = TrainConfig(
    scenario="street", overrides={"hours": 1.0}, steps=48, n_envs=1, epochs=1, width=4, validate_seeds=0, seed=3,
    checkpoint_rollouts=1, minibatches=1,
)  # fmt: skip


def same(one: Path, other: Path) -> bool:
    a, b = read_weights(one / MODEL), read_weights(other / MODEL)
    return all(np.array_equal(a[name], b[name]) for name in a) and set(a) == set(b)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "both"
    begin_runs(folder, TINY, 2)
    assert train_runs("ppo", TINY, folder) == [run_of(folder, 3), run_of(folder, 4)]
    return folder


def test_each_run_is_the_run_that_it_would_be_alone(runs: Path, tmp_path: Path) -> None:
    alone = train(replace(TINY, seed=4), tmp_path / "alone")
    assert same(run_of(runs, 4), alone)
    assert not same(run_of(runs, 3), alone)
    assert read_config(run_of(runs, 4)) == replace(TINY, seed=4)


def test_what_is_missing_is_trained_and_nothing_else(runs: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(runs, tmp_path / "copy"))
    shutil.rmtree(run_of(folder, 4))
    before = (run_of(folder, 3) / MODEL).stat().st_mtime_ns
    train_runs("ppo", TINY, folder)
    assert (run_of(folder, 3) / MODEL).stat().st_mtime_ns == before
    assert same(run_of(folder, 4), run_of(runs, 4))
    (run_of(folder, 4) / MODEL).unlink()  # as if it had been interrupted after its last checkpoint
    train_runs("ppo", TINY, folder)
    assert same(run_of(folder, 4), run_of(runs, 4))


def test_runs_can_be_added_but_not_taken_away(runs: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(runs, tmp_path / "copy"))
    more_runs(folder, TINY, 3)
    held = read_runs(folder)
    assert held is not None
    assert held["seeds"] == [3, 4, 5]
    with pytest.raises(ValueError, match="has 3 runs, not 2"):
        more_runs(folder, TINY, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "seeds: expected numbers, got None"), ('{"seeds": [1, 1], "train": {}}', "expected different seeds")],
)
def test_a_broken_folder_of_runs_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / RUNS).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_runs(tmp_path)


def call(*words: object, code: int = 0) -> Any:
    found = invoke(main, words)
    assert found.exit_code == code, (found.stdout, found.stderr, found.exception)
    return found


def test_the_command_trains_goes_on_and_evaluates(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    few = [f"--set-train={x}" for x in ("n_envs=1", "epochs=1", "width=4", "validate_seeds=0", "minibatches=1")]
    said = call("train", "street", "--out", out, "--seeds", 2, "--steps", 24, "--set", "hours=1", *few).stdout
    assert f"{out}: 2 runs, 48 agent-steps in all" in said
    assert "exists; give another folder" in call("train", "street", "--out", out, "--seeds", 2, code=2).stderr
    assert "--resume goes on as the run began" in call("train", "--out", out, "--resume", "--steps", 9, code=2).stderr
    assert "3 runs, 72 agent-steps" in call("train", "--out", out, "--resume", "--seeds", 3).stdout
    one = run_of(out, 0)
    assert "is the folder of one run" in call("train", "--out", one, "--resume", "--seeds", 3, code=2).stderr
    written = tmp_path / "found.json"
    told = call(
        "evaluate", "street", "--set", "hours=1", "--seeds", 2, "--policies", f"ppo={out},self_consumption",
        "--json", written,
    ).stdout  # fmt: skip
    assert "over training seeds and episodes" in told
    assert "less than ppo" in told
    assert "ppo/seed_2 played" in told
    assert '"n_runs": 3' in written.read_text()
