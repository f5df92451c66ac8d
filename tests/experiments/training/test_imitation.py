"""A start by imitation: what is shown, that the learner comes closer to it, and that runs go on exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.experiments.training import imitation
from gridbazaar.experiments.training.checkpoint import about, read_checkpoint
from gridbazaar.experiments.training.folder import EPISODES_A_SEED, read_curve
from gridbazaar.experiments.training.imitation import Lesson, StartConfig, rounds_of, show
from gridbazaar.experiments.training.learners import learner
from tests.experiments.cli.runner import invoke
from tests.experiments.training.interrupting import assert_same_runs, interrupted

pytest.importorskip("stable_baselines3")

HOURLY = {"step_min": 60}
BRIEF = {**HOURLY, "hours": 6.0}
ROLLOUT = 2 * 6 * 6  # environments, agents, intervals
SHORT: dict[str, dict[str, Any]] = {
    "gradient": {"updates": 2, "n_envs": 2, "validate_updates": 1, "checkpoint_updates": 1},
    "ppo": {"steps": 2 * ROLLOUT, "n_envs": 2, "width": 16, "epochs": 1, "validate_rollouts": 1,
            "checkpoint_rollouts": 1},
    "sac": {"steps": 2 * ROLLOUT, "n_envs": 2, "width": 16, "learning_starts": ROLLOUT, "validate_rollouts": 1,
            "checkpoint_rollouts": 1},
}  # fmt: skip
"""Of training, hardly any."""


class Mirror:
    """A learner that sees the features as they are, does nothing, and remembers what it was fitted to."""

    needs_forecasts = False

    def __init__(self) -> None:
        self.lessons: list[Lesson] = []

    def start(self, community: Any) -> int:
        return 0

    def act(self, observation: Any, memory: int) -> tuple[dict[str, Any], Any, int]:
        features = np.array(observation.features)
        assert features[0, 0, 2] == pytest.approx(1 - memory / 6)  # the share that is left
        return {"features": features}, np.zeros((*features.shape[:2], 2)), memory + 1

    def fit(self, lesson: Lesson, passes: int) -> None:
        self.lessons.append(lesson)


def config_of(algo: str, **fields: Any) -> Any:
    return learner(algo)[0](**({"scenario": "street", "overrides": BRIEF, "validate_seeds": 1} | SHORT[algo] | fields))


def test_what_the_teacher_plays_is_what_is_shown() -> None:
    core, numbers = Core(load_scenario("street", **BRIEF), 2), np.array([3, 8])
    lesson = show(core, numbers, load_policy("opportunity_cost"), Mirror())
    alone = play(core, load_policy("opportunity_cost"), numbers, split="train", keep=True)
    assert len(alone.transitions) == len(lesson.action) == 6
    for t, (state, happened) in enumerate(zip(alone.states, alone.transitions, strict=True)):
        np.testing.assert_array_equal(lesson.action[t], happened.plan.executed)
        np.testing.assert_array_equal(lesson.seen["features"][t], observe(core, state).features)
        np.testing.assert_array_equal(lesson.draw_kw[t], state.view.high_kw)
        np.testing.assert_array_equal(lesson.give_kw[t], -state.view.low_kw)
        np.testing.assert_array_equal(lesson.reward[t], happened.reward)
    assert np.abs(lesson.action[..., 0]).max() > 0.3


def test_later_the_learner_plays_and_the_teacher_is_asked_there() -> None:
    core, teacher = Core(load_scenario("street", **BRIEF), 1), load_policy("opportunity_cost")
    lesson = show(core, np.array([3]), teacher, Mirror(), learner_plays=True)
    state = core.reset([3], split="train")
    for t in range(core.n_steps):  # who rests stays where it is
        now = observe(core, state, forecasts=True)
        np.testing.assert_array_equal(lesson.seen["features"][t], now.features)
        np.testing.assert_allclose(lesson.action[t], np.clip(teacher.act(now, _memory(core))[0], -1, 1))
        state, _ = core.step(state, np.zeros((1, core.n_agents, 2)))
    other = show(core, np.array([3]), teacher, Mirror())
    assert not np.array_equal(lesson.seen["features"], other.seen["features"])


def _memory(core: Core) -> Any:
    from gridbazaar.envs.views.others import community_of

    return load_policy("opportunity_cost").start(community_of(core), np.random.default_rng(0))


def test_it_plays_the_first_training_episodes_of_the_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[str, int]] = []
    right = Core.reset

    def watched(self: Core, seeds: Any = 0, *, split: str = "train") -> Any:
        begun.extend((split, int(number)) for number in np.atleast_1d(seeds))
        return right(self, seeds, split=split)

    monkeypatch.setattr(Core, "reset", watched)
    config, mirror = StartConfig(start="opportunity_cost", start_episodes=5, start_rounds=2), Mirror()
    imitation.imitate(config, load_scenario("street", **BRIEF), 7, mirror)
    assert begun == [("train", 7 * EPISODES_A_SEED + i) for i in range(5)]
    assert [lesson.action.shape[1] for lesson in mirror.lessons] == [3, 5]  # each fit goes over all that was shown


@pytest.mark.parametrize("at", ["after an update", pytest.param("while it is taught", marks=pytest.mark.slow)])
def test_a_run_that_began_so_goes_on_exactly(at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of("gradient", start="opportunity_cost", start_episodes=4, start_rounds=2, start_passes=2)
    train, run = learner("gradient")[1], tmp_path / "run"
    whole = train(config, tmp_path / "whole")
    assert read_curve(whole)[0]["steps"] == 0
    if at == "after an update":
        interrupted(train, config, run, ROLLOUT)
    else:
        with monkeypatch.context() as fails:
            fails.setattr(imitation, "joined", _interrupt)
            interrupted(train, config, run, 0)
    assert (read_checkpoint(run) is None) == (at == "while it is taught")
    train(config, run, resume=True)
    assert_same_runs(run, whole)
    held = json.loads((run / "config.json").read_text())["train"]
    assert (held["start"], held["start_episodes"]) == ("opportunity_cost", 4)
    assert about(run / "best.npz") == "the best on validation, begun by imitation of opportunity_cost"


def _interrupt(lessons: Any) -> Any:
    raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("algo", ["ppo", "sac"])
def test_runs_from_rewards_go_on_exactly(algo: str, tmp_path: Path) -> None:
    config, train = config_of(algo, start="opportunity_cost", start_episodes=4, start_passes=2), learner(algo)[1]
    whole = train(config, tmp_path / "whole")
    assert read_curve(whole)[0]["steps"] == 0
    for after in (0, ROLLOUT):
        run = interrupted(train, config, tmp_path / str(after), after)
        train(config, run, resume=True)
        assert_same_runs(run, whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("algo", "teacher"), [("gradient", "mpc"), ("ppo", "opportunity_cost"), ("sac", "opportunity_cost")]
)
def test_it_comes_closer_to_its_teacher(algo: str, teacher: str, seed: int, tmp_path: Path) -> None:
    """By half of what its cost was off without it, on validation episodes that it never saw."""
    scenario, episodes = load_scenario("street", **HOURLY), np.arange(16)
    core = Core(scenario, len(episodes))
    fields: dict[str, Any] = {"seed": seed, "overrides": HOURLY}
    if algo == "gradient":  # its first checkpoint without a start comes after an update
        fields |= {"learning_rate": 1e-9}
    more = {"start": teacher, "start_episodes": 24}

    def cost_cur(policy: Any) -> float:
        return float(play(core, policy, episodes, split="validation").tally.scored_cur.mean())

    def first(**settings: Any) -> float:
        """Cost of what a run begins with."""
        folder = tmp_path / f"run{len(settings)}"
        interrupted(learner(algo)[1], config_of(algo, **fields, **settings), folder, 0)
        return cost_cur(load_policy(str(folder / "checkpoint.npz")))

    aim, before, after = cost_cur(load_policy(teacher)), first(), first(**more)
    assert abs(after - aim) < 0.5 * abs(before - aim), (aim, before, after)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"start_episodes": 4}, "start_episodes: it is of start = a policy to imitate; leave it out, or name one"),
        ({"start_rounds": 2}, "start_rounds: it is of start = a policy to imitate"),
        ({"start_passes": 3}, "start_passes: it is of start = a policy to imitate"),
        ({"start": "nobody"}, r"start: expected none or a policy to imitate, .*mpc.*; got 'nobody'"),
        ({"start": "optimum", "start_rounds": 2}, "start_rounds: expected 1, for optimum plans a whole episode"),
        ({"start": "mpc", "start_episodes": 2}, "start_episodes: expected at least one a round, 3; got 2"),
    ],
)
@pytest.mark.parametrize("algo", list(SHORT))
def test_what_has_no_effect_is_refused(algo: str, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        config_of(algo, **fields)


def test_the_optimum_is_asked_on_its_own_path_alone() -> None:
    assert rounds_of(StartConfig(start="optimum"), load_policy("optimum")) == 1
    assert rounds_of(StartConfig(start="mpc"), load_policy("mpc")) == 3


def test_a_teacher_that_does_not_play_there_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "run"
    for words, said in (
        ("winter --algo gradient --updates 1 --set-train start=optimum", "start: optimum does not play in winter"),
        ("street --algo ippo --set-train start=mpc", "unknown field start"),
    ):
        found = invoke(main, ["train", *words.split(), "--out", str(out)])
        assert found.exit_code == 2
        assert said in " ".join((str(found.exception) + found.output).split())
        assert not out.exists()
