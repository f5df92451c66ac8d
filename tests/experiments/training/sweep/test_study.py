"""Sweeps: the same outcome by any number of workers and after any interruption; they need the extra ``sweep``."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gridbazaar.data.inputs import read_toml
from gridbazaar.data.tables import read_table
from gridbazaar.experiments.runs import run_of
from gridbazaar.experiments.training.folder import checkpoint_steps, read_curve
from gridbazaar.experiments.training.sweep.outcome import BEST, TRIALS, Outcome, best_of, ranked
from gridbazaar.experiments.training.sweep.plan import Range, Sweep
from gridbazaar.experiments.training.sweep.study import begin_sweep, run_sweep, trial_folder
from gridbazaar.experiments.training.train import TrainConfig, train
from gridbazaar.experiments.workers import Workers
from tests.experiments.training.interrupting import assert_same_runs
from tests.stacks import needs

ROLLOUT = 2 * 6 * 8  # environments, agents, intervals
FIXED = {
    "scenario": "street", "overrides": {"hours": 2.0}, "algo": "ppo", "steps": 4 * ROLLOUT, "n_envs": 2, "epochs": 1,
    "minibatches": 2, "validate_seeds": 1, "validate_rollouts": 1, "checkpoint_rollouts": 2,
}  # fmt: skip
GRID = Sweep("grid", {"learning_rate": [1e-3, 1e-1], "width": [4, 8]})
RANDOM = Sweep("random", {"learning_rate": Range(1e-3, 1e-1, log=True), "width": Range(4, 9)}, trials=3, seeds=2)
HALVING = Sweep("halving", {"learning_rate": Range(1e-3, 1e-1, log=True)}, trials=4, keep=2, rounds=2)


def swept(folder: Path, sweep: Sweep, **more: Any) -> Path:
    begin_sweep(folder, sweep, FIXED)
    run_sweep(folder, **more)
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / TRIALS).read_text().splitlines()))


@needs("sweep")
@pytest.mark.slow
@pytest.mark.parametrize("sweep", [GRID, RANDOM, HALVING], ids=["grid", "random", "halving"])
def test_the_outcome_does_not_depend_on_the_number_of_workers(sweep: Sweep, tmp_path: Path) -> None:
    alone, two = swept(tmp_path / "alone", sweep), swept(tmp_path / "two", sweep, workers=Workers(2))
    for name in (TRIALS, BEST):
        assert (alone / name).read_bytes() == (two / name).read_bytes()
    assert len({row["learning_rate"] for row in rows(alone)}) > 1
    assert all(row["score_percent"] and not row["failed"] for row in rows(alone))


@needs("sweep")
@pytest.mark.slow
def test_the_best_file_trains_the_best_run_again(tmp_path: Path) -> None:
    folder = swept(tmp_path / "sweep", HALVING)
    config = read_table(TrainConfig, {**FIXED, **read_toml(folder / BEST)}, "")
    best = max((row for row in rows(folder) if row["rounds"] == "2"), key=lambda row: float(row["score_percent"]))
    assert config.learning_rate == float(best["learning_rate"])
    again = train(config, tmp_path / "again")
    run = run_of(trial_folder(folder, int(best["trial"])), 0)
    assert_same_runs(run, again)  # though it was halted after its first round
    assert float(best["score_percent"]) == max(point["score"] for point in read_curve(run)[1:])
    stopped = [row for row in rows(folder) if row["rounds"] == "1"]
    assert len(stopped) == 2
    for row in stopped:
        place = run_of(trial_folder(folder, int(row["trial"])), 0)
        assert checkpoint_steps(place) == 2 * ROLLOUT
        assert not (place / "model.npz").exists()


@needs("sweep")
@pytest.mark.slow
@pytest.mark.parametrize("sweep", [RANDOM, HALVING], ids=["random", "halving"])
def test_ctrl_c_ends_it_and_it_goes_on(sweep: Sweep, tmp_path: Path) -> None:
    """The command itself, interrupted while trials are trained by two workers."""
    whole, folder = swept(tmp_path / "whole", sweep), tmp_path / "run"
    begin_sweep(folder, sweep, FIXED)
    command = [sys.executable, "-m", "gridbazaar.experiments.cli", "train", "--out", str(folder), "--resume"]
    begun = subprocess.Popen([*command, "--workers", "2"], stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not list(folder.glob("trial_*/seed_*/config.json")) and begun.poll() is None:
        time.sleep(0.05)
    os.kill(begun.pid, signal.SIGINT)
    _, said = begun.communicate(timeout=120)
    assert begun.returncode == 130, said
    assert "what is trained stays; go on with: gridbazaar train --out" in said
    assert not (folder / TRIALS).exists()
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    assert "has all trials" in " ".join(ended.stdout.split())
    for name in (TRIALS, BEST):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    run_sweep(folder)  # nothing is left
    assert (folder / TRIALS).read_bytes() == (whole / TRIALS).read_bytes()


@needs("sweep")
@pytest.mark.slow
def test_optuna_reads_the_trials(tmp_path: Path) -> None:
    import optuna

    folder = swept(tmp_path / "sweep", HALVING)
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{folder}/study.db")
    states = [trial.state.name for trial in study.trials]
    assert sorted(states) == ["COMPLETE", "COMPLETE", "PRUNED", "PRUNED"]
    for trial, row in zip(study.trials, rows(folder), strict=True):
        assert trial.params["learning_rate"] == float(row["learning_rate"])
        assert trial.value == float(row["score_percent"])


@needs("sweep")
@pytest.mark.slow
def test_a_trial_that_cannot_be_trained_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    begin_sweep(tmp_path / "sweep", replace(GRID, search={"buffer_size": [10, 10_000]}), {
        **{k: v for k, v in FIXED.items() if k not in ("epochs", "minibatches")}, "algo": "sac", "width": 4,
        "learning_starts": 0, "batch_size": 8,
    })  # fmt: skip
    run_sweep(tmp_path / "sweep")
    failed, good = rows(tmp_path / "sweep")
    assert failed["failed"].startswith("buffer_size: expected at least an episode")
    assert failed["score_percent"] == ""
    assert good["failed"] == ""
    assert read_toml(tmp_path / "sweep" / BEST)["buffer_size"] == 10_000


@needs("sweep")
@pytest.mark.slow
def test_rounds_without_validation_are_told(tmp_path: Path) -> None:
    begin_sweep(tmp_path / "sweep", HALVING, FIXED | {"validate_rollouts": 3})
    with pytest.raises(ValueError, match="no trial could be trained; the first one: no validation before 50%"):
        run_sweep(tmp_path / "sweep")


def test_the_best_went_furthest() -> None:
    outcomes = [
        Outcome(0, {}, 1, 90.0), Outcome(1, {}, 2, 40.0), Outcome(2, {}, 2, 50.0), Outcome(3, {}, 2, None, "broke"),
        Outcome(4, {}, 2, 50.0),
    ]  # fmt: skip
    best = best_of(outcomes)
    assert best is not None
    assert best.number == 2
    assert [x.number for x in ranked(outcomes)] == [2, 4, 1, 0, 3]
    assert best_of(outcomes[3:4]) is None


def test_a_trial_has_the_mean_of_its_seeds() -> None:
    found = Outcome(0, {}).after(1, [10.0, 20.0])
    assert (found.score, found.rounds, found.why) == (15.0, 1, "")
    assert found.after(2, [5.0, "broke"]).score is None
