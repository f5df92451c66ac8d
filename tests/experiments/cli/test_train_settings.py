"""``--set-train`` reaches every field of a training, and names what is wrong before anything is made."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.cli.options import read_overrides
from gridbazaar.experiments.cli.train import extended, to_play
from gridbazaar.experiments.training.folder import algo_of
from gridbazaar.experiments.training.learners import default_of
from gridbazaar.experiments.training.sac import SacConfig
from gridbazaar.experiments.training.train import TrainConfig
from tests.experiments.cli.runner import invoke


def train(folder: Path, *settings: str) -> tuple[int, str]:
    options = [part for setting in settings for part in ("--set-train", setting)]
    arguments = ["train", "street", "--set", "hours=1.0", "--out", str(folder / "run"), *options]
    found = CliRunner().invoke(main, arguments)
    return found.exit_code, found.output


def test_fields_of_the_training_are_set(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    few = ("steps=48", "n_envs=2", "minibatches=1", "validate_seeds=0", "learning_rate=1e-3", "width=8", "seed=3")
    code, said = train(tmp_path, *few)
    assert code == 0, said
    held = json.loads((tmp_path / "run" / "config.json").read_text())["train"]
    assert (held["learning_rate"], held["width"], held["seed"], held["n_envs"]) == (1e-3, 8, 3, 2)
    assert f"next: gridbazaar evaluate street --policies {tmp_path / 'run'} --set hours=1.0\n" in said


def test_what_is_said_to_play_a_run_has_the_settings_that_it_was_trained_with(tmp_path: Path) -> None:
    settings = ["tariff=tou", 'data.path="my data"', 'data.further=["a.csv", "it\'s.csv"]', "ev.v2g=true", "hours=2"]
    given = read_overrides(settings, None, 7)
    words = shlex.split(to_play(TrainConfig(scenario="street", overrides=given), tmp_path))
    assert words[:5] == ["gridbazaar", "evaluate", "street", "--policies", str(tmp_path)]
    assert set(words[5::2]) == {"--set"}
    assert read_overrides(words[6::2], None, None) == given


def test_only_a_run_of_ppo_is_extended(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--steps: a run of ppo is extended by it, .* is of sac and has 48;"):
        extended(SacConfig(steps=48), tmp_path, 96)


def test_a_file_holds_fields_of_the_training(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    file = tmp_path / "few.toml"
    file.write_text("steps = 48\nn_envs = 2\nminibatches = 1\nvalidate_seeds = 0\nwidth = 8\n")
    arguments = ["train", "street", "--set", "hours=1.0", "--train-file", str(file), "--set-train", "width=4"]
    found = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "run")])
    assert found.exit_code == 0, found.output
    held = json.loads((tmp_path / "run" / "config.json").read_text())["train"]
    assert (held["steps"], held["n_envs"], held["width"]) == (48, 2, 4)
    file.write_text("widht = 8\n")
    found = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "other")])
    assert found.exit_code == 2
    assert "unknown field widht" in found.output
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("setting", "why"),
    [("width=wide", "width: expected"), ("widht=8", "unknown field widht"), ("scenario=x", "unknown field scenario")],
)
def test_a_wrong_field_is_named(setting: str, why: str, tmp_path: Path) -> None:
    code, said = train(tmp_path, setting)
    assert code == 2
    assert why in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "algo"),
    [
        ({}, "gradient"),
        ({"updates": 3}, "gradient"),
        ({"overrides": {"step_min": 60}}, "gradient"),
        ({"steps": 1000}, "ppo"),
        ({"max_minutes": 1.0}, "ppo"),
        ({"width": 64}, "ppo"),
        ({"scenario": "blackout"}, "ppo"),
        ({"overrides": {"mechanism": "posted_price"}}, "ppo"),
        ({"overrides": {"reward.whose": "community"}}, "ppo"),
        ({"overrides": {"observe.public": False}}, "ppo"),
    ],
)
def test_it_is_learned_through_the_model_where_that_means_what_is_asked(given: dict[str, Any], algo: str) -> None:
    assert default_of({"scenario": "street"} | given) == algo


def test_without_an_algorithm_the_run_says_by_which_it_learned(tmp_path: Path) -> None:
    little = ("--set", "hours=2", "--n-envs", "2", "--set-train", "validate_seeds=0")
    done = invoke(main, ["train", "street", "--out", str(tmp_path / "run"), "--updates", "1", *little])
    assert done.exit_code == 0, done.stderr
    assert "in 1 updates" in done.stdout
    assert algo_of(tmp_path / "run") == "gradient"
