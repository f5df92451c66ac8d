"""A run that was interrupted ends with the same weights, to the last bit, as one that ran through."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policies.trained import BEST, read_weights
from gridbazaar.data.inputs import read_arrays
from gridbazaar.envs.scenarios import list_scenarios, load_scenario, scenario_of
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.files import to_json
from gridbazaar.experiments.training.checkpoint import read_checkpoint
from gridbazaar.experiments.training.folder import checkpoint_steps, read_curve, read_scenario
from gridbazaar.experiments.training.train import TrainConfig, extend, read_config, train
from tests.envs.everything import EVERYTHING
from tests.quick import only

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")

ROLLOUT = 2 * 6 * 24  # environments, agents, intervals
TINY = TrainConfig(
    scenario="street", overrides={"hours": 6.0}, steps=6 * ROLLOUT, n_envs=2, epochs=2, width=8,
    checkpoint_rollouts=2, validate_rollouts=3, validate_seeds=1,
)  # fmt: skip


class Interrupt:
    """A ``report`` that stops the run after some steps, as ctrl-C would."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, steps: int, of: int, latest: dict[str, float]) -> None:
        if steps >= self.after:
            raise KeyboardInterrupt


def weights(model: Path) -> dict[str, Any]:
    """All of a model's weights, and the state of the optimiser at its end."""
    found, last = read_weights(model), read_checkpoint(model.parent)
    assert last is not None
    return found if model.name == BEST else {**found, **last.moments, "rate": np.float64(last.rate)}


def assert_same(a: Path, b: Path) -> None:
    ours, theirs = weights(a), weights(b)
    assert len(ours) > 10
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not np.array_equal(ours[name], theirs[name])] == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(TINY, tmp_path_factory.mktemp("runs") / "whole")


def interrupted(folder: Path, after: int) -> Path:
    with pytest.raises(KeyboardInterrupt):
        train(TINY, folder, report=Interrupt(after * ROLLOUT))
    return folder


@pytest.mark.parametrize("after", only([3], [0, 2, 3, 5]))
def test_an_interrupted_run_ends_as_one_that_ran_through(whole: Path, tmp_path: Path, after: int) -> None:
    """After two rollouts at a checkpoint, after three at a validation, after five between checkpoints."""
    run = interrupted(tmp_path / "run", after)
    assert checkpoint_steps(run) == {0: 0, 2: 2, 3: 3, 5: 4}[after] * ROLLOUT
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002 - what another run in between leaves behind
    torch.manual_seed(99)
    train(TINY, run, resume=True)
    assert_same(run / "model.npz", whole / "model.npz")
    assert_same(run / "best.npz", whole / "best.npz")
    assert [(p["steps"], p["score"]) for p in read_curve(run)] == [(p["steps"], p["score"]) for p in read_curve(whole)]


@pytest.mark.slow
def test_a_run_interrupted_twice_ends_as_one_that_ran_through(whole: Path, tmp_path: Path) -> None:
    run = interrupted(tmp_path / "run", 2)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, run, resume=True, report=Interrupt(4 * ROLLOUT))
    train(TINY, run, resume=True)
    assert_same(run / "model.npz", whole / "model.npz")


def test_learning_moves_the_weights(whole: Path, tmp_path: Path) -> None:
    """So that equality above says something."""
    other = train(replace(TINY, steps=5 * ROLLOUT), tmp_path / "shorter")
    ours, theirs = weights(whole / "model.npz"), weights(other / "model.npz")
    assert not any(np.array_equal(ours[name], theirs[name]) for name in ours if "weight" in name)


def test_a_run_goes_on_in_the_scenario_that_it_began_in(tmp_path: Path) -> None:
    """Its name, or the file that it came from, may mean another world by then."""
    mine = tmp_path / "mine.toml"
    text = (Path(load_scenario.__code__.co_filename).parent / "street.toml").read_text()
    mine.write_text(text)
    config = replace(TINY, scenario=str(mine), steps=2 * ROLLOUT, checkpoint_rollouts=1, validate_seeds=0)
    whole = train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", report=Interrupt(ROLLOUT))
    mine.write_text(text.replace('tariff = "tou"', 'tariff = "flat"'))
    assert load_scenario(mine).tariff == "flat"
    train(config, tmp_path / "run", resume=True)
    assert_same(tmp_path / "run" / "model.npz", whole / "model.npz")
    mine.unlink()
    assert read_scenario(tmp_path / "run").tariff == "tou"


@pytest.mark.parametrize("name", list_scenarios())
def test_a_stored_scenario_comes_back_whole(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario_of(json.loads(to_json(asdict(scenario)))) == scenario


def test_a_stored_scenario_with_every_option_comes_back_whole() -> None:
    more: dict[str, Any] = {
        "battery.shares": {"prosumer_0": 0.25, "prosumer_1": 0.75}, "vpp.devices": 2, "vpp.homes": "0 1; 2 3",
        "data.months": [11, 2],
        "mechanism_options": {"k": 0.25}, "storage.share_of_load": [0.1, 0.4], "wind.count": 1,
    }  # fmt: skip
    scenario = load_scenario("village", **EVERYTHING, **more)
    assert scenario_of(json.loads(to_json(asdict(scenario)))) == scenario


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda held: held["scenario"].update(moon=1), "unknown field moon"),
        (lambda held: held["scenario"]["agents"]["ev"].update(wings=2), r"unknown field ev\.wings"),
        (lambda held: held["scenario"].update(step_min=7), "step_min: expected one of 5, 15, 30, 60"),
        (lambda held: held["scenario"]["agents"].update(robot={"count": 1}), "unknown field robot"),
    ],
)
def test_a_scenario_that_cannot_be_read_any_more_is_refused_with_words(tmp_path: Path, change: Any, words: str) -> None:
    run = interrupted(tmp_path / "run", 0)
    held = json.loads((run / "config.json").read_text())
    change(held)
    (run / "config.json").write_text(json.dumps(held))
    with pytest.raises(ValueError, match=words) as refused:
        train(TINY, run, resume=True)
    assert "this version cannot play the scenario that the run was trained in" in str(refused.value)
    assert "go on with version" in str(refused.value)


@pytest.mark.slow
def test_a_finished_run_is_extended_on_a_new_schedule(whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    with pytest.raises(ValueError, match="expected more than the 1,728 that the run has, got 100"):
        extend(run, 100)
    config = extend(run, 8 * ROLLOUT)
    assert read_config(run) == config == replace(TINY, steps=8 * ROLLOUT, schedule_from=6 * ROLLOUT)
    assert not (run / "model.npz").is_file()
    load_policy(str(run))  # the checkpoint
    train(config, run, resume=True)
    assert checkpoint_steps(run) == 8 * ROLLOUT
    rate = float(weights(run / "model.npz")["rate"])
    assert rate == pytest.approx(TINY.last_rate * TINY.learning_rate)
    planned = train(replace(TINY, steps=8 * ROLLOUT), tmp_path / "planned")
    ours, theirs = weights(run / "model.npz"), weights(planned / "model.npz")
    assert not np.array_equal(ours["action_net.weight"], theirs["action_net.weight"])


@pytest.mark.slow
def test_an_extension_can_be_interrupted_too(whole: Path, tmp_path: Path) -> None:
    runs = [Path(shutil.copytree(whole, tmp_path / name)) for name in ("a", "b")]
    for run in runs:
        extend(run, 9 * ROLLOUT)
    train(TINY, runs[0], resume=True)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, runs[1], resume=True, report=Interrupt(8 * ROLLOUT))
    train(TINY, runs[1], resume=True)
    assert_same(runs[0] / "model.npz", runs[1] / "model.npz")


def test_a_run_that_is_not_finished_is_not_extended(tmp_path: Path) -> None:
    run = interrupted(tmp_path / "run", 2)
    with pytest.raises(ValueError, match=r"steps was 1728, not 5000, and the run is not finished"):
        extend(run, 5000)


def run_program(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    assert not ended.value.code
    return " ".join(capsys.readouterr().out.split())


def test_extending_says_that_it_is_another_schedule(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    said = run_program(capsys, "train", "--out", run, "--resume", "--steps", 7 * ROLLOUT)
    assert f"extended from {6 * ROLLOUT:,} to {7 * ROLLOUT:,} agent-steps; the learning rate begins" in said


def test_the_best_on_validation_is_kept_and_played_by_name(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = read_curve(whole)
    best = max(points, key=lambda point: point["score"])
    at_best = train(replace(TINY, steps=6 * ROLLOUT), tmp_path / "again")
    assert_same(at_best / "best.npz", whole / "best.npz")
    assert read_arrays(whole / "best.npz")[0]["steps"] == best["steps"]
    listed = f"end={whole},best={whole / 'best.npz'}"
    said = run_program(
        capsys, "evaluate", "street", "--set", "hours=6", "--seeds", 1, "--policies", listed, "--split", "validation"
    )
    joined = said.replace(" ", "")
    assert f"end played {whole}/model.npz, what the run ended with".replace(" ", "") in joined
    assert f"best played {whole}/best.npz, the best on validation".replace(" ", "") in joined
