"""The demonstration in small: what it leaves behind, and that it holds together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.demo import BASELINES, TRAINED, UPDATES, Demo, learning, run_demo
from gridbazaar.experiments.evaluation.play import play_episode
from gridbazaar.experiments.training.folder import read_as, read_curve
from gridbazaar.experiments.training.gradient import run as gradient
from gridbazaar.experiments.training.gradient.config import GradientConfig
from gridbazaar.experiments.training.train import TrainConfig, read_config
from tests.experiments.cli.runner import invoke

pytestmark = pytest.mark.slow

pytest.importorskip("stable_baselines3")

TINY = {"n_envs": 2, "validate_seeds": 1}
TINY_PPO = TINY | {"epochs": 1, "width": 8}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    out = tmp_path_factory.mktemp("runs") / "demo"
    return run_demo(
        out, scenario="street", settings={"hours": 3.0}, steps=300, seeds=2, seed=3, training=TINY, command="a command"
    )


def test_a_demo_leaves_run_results_and_report(done: Demo) -> None:
    found = json.loads((done.folder / "results.json").read_text())
    assert {row["policy"] for row in found["policies"]} == {*BASELINES, TRAINED}
    assert (found["split"], found["seeds"]) == ("test", [0, 1])
    rows = (done.folder / "results.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * len(found["policies"])
    assert (done.folder / "run" / "model.npz").is_file()
    assert done.report == done.folder / "report.html"
    page = done.report.read_text()
    assert "a command" in page
    assert page.count("<svg") > 1


def test_a_demo_trains_as_it_was_told(done: Demo) -> None:
    config = read_as(done.folder / "run", GradientConfig)
    assert (config.seed, config.updates, config.overrides) == (3, 2, {"hours": 3.0})
    assert done.steps == read_curve(done.folder / "run")[-1]["steps"] == 2 * 2 * 6 * 12


def test_minutes_are_turned_into_updates_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient, "seconds_of_update", lambda config: 0.5)
    more = {"scenario": "street", "overrides": {}, "seed": 0}
    assert [learning(more, minutes, None)[0].updates for minutes in (None, 2.0, 0.001)] == [UPDATES, 240, 1]


@pytest.mark.slow
def test_what_the_model_does_not_cover_learns_by_ppo(tmp_path: Path) -> None:
    settings = {"hours": 2.0, "connection.firm": True}
    done = run_demo(tmp_path / "demo", scenario="street", settings=settings, steps=100, seeds=1, training=TINY_PPO)
    config = read_config(done.folder / "run")
    assert isinstance(config, TrainConfig)
    assert (config.steps, config.max_minutes, config.overrides) == (100, 5.0, settings)


def test_the_day_that_is_drawn_is_one_that_was_evaluated(done: Demo) -> None:
    held = done.evaluation
    days = play_episode(held.scenario, {"idle": "idle", "random": "random"}, held.seeds[0], split=held.split)
    for name, played in days.items():
        assert len(played.transitions) == done.evaluation.scenario.n_steps
        assert played.states[0].episode.seed.tolist() == [done.evaluation.seeds[0]]
        if name == "idle":
            assert played.tally.scored_cur[0] == pytest.approx(done.evaluation.result("idle").scored_cur[0])


def test_a_demo_that_exists_is_left_alone(done: Demo) -> None:
    found = invoke(main, ["demo", "--out", str(done.folder)])
    assert found.exit_code == 2
    assert "--force" in found.stderr
    assert done.report.is_file()


def test_a_demo_of_no_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="minutes > 0"):
        run_demo(tmp_path / "demo", minutes=0)
    assert not (tmp_path / "demo").exists()


@pytest.mark.slow
def test_the_command_prints_the_table_and_the_path(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    found = invoke(main, ["demo", "--out", str(out), "--minutes", "0.5", "--seeds", "4"])
    assert found.exit_code == 0, found.stderr
    assert "opportunity_cost" in found.stdout
    assert str(out / "report.html") in found.stdout
    scores = {row["policy"]: row["score"]["mean"] for row in json.loads((out / "results.json").read_text())["policies"]}
    assert scores["idle"] == 0.0
    assert scores[TRAINED] > 0.0
