"""The export for marl-eval: its levels, a run's curve and its episodes; its reader is tried in tests/conformance."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gridbazaar.agents.policies.learned import FOLDER
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.marl_eval import refuse_unequal, to_marl_eval
from gridbazaar.experiments.evaluation.result import Evaluation
from tests.experiments.cli.runner import invoke

CURVE = [{"steps": 0, "seconds": 0.5, "score": 1.0}, {"steps": 64, "seconds": 2.5, "score": 40.0}]


@pytest.fixture(scope="module")
def found() -> Evaluation:
    """A way to learn of two runs beside a rule, and one beside the same."""
    played = {"way/seed_0": "random", "way/seed_1": "self_consumption", "other/seed_0": "mpc", "other/seed_1": "mpc"}
    found = evaluate("street", played | {"rule": "opportunity_cost"}, seeds=2, hours=2.0)
    return replace(found, runs={way: tuple(run for run in played if run.startswith(way)) for way in ("way", "other")})


def curves_of(found: Evaluation) -> dict[str, list[dict[str, float]]]:
    return {run: CURVE for runs in found.runs.values() for run in runs}


def test_runs_of_a_folder_are_runs_of_one_way_to_learn_with_their_curves(found: Evaluation) -> None:
    ways = to_marl_eval(found, curves_of(found))["gridbazaar"]["street"]
    assert list(ways) == ["idle", "way", "other", "rule"]
    for run in ways["way"].values():
        assert run["step_1"] == {"step_count": 64, "score_frac": [0.4]}
    first = ways["way"]["seed_0"]["absolute_metrics"]["score_frac"]
    assert 100 * np.mean(first) == pytest.approx(found.result("way/seed_0").score.mean)
    assert len(first) == 2
    assert ways["way"]["seed_1"] != ways["way"]["seed_0"]


def test_all_have_as_many_runs_steps_and_figures_as_its_reader_demands(found: Evaluation) -> None:
    ways = to_marl_eval(found, curves_of(found))["gridbazaar"]["street"]
    assert {tuple(runs) for runs in ways.values()} == {("seed_0", "seed_1")}
    every = [run for runs in ways.values() for run in runs.values()]
    assert {tuple(run) for run in every} == {("step_0", "step_1", "absolute_metrics")}
    figures = [figures for run in every for figures in run.values()]
    assert {tuple(sorted(set(held) - {"step_count"})) for held in figures} == {("score_frac",)}
    assert [run["step_1"]["step_count"] for run in every] == [64] * len(every)
    assert all(np.isfinite(held["score_frac"]).all() for held in figures)


def test_who_did_not_learn_is_the_same_in_every_run_and_step(found: Evaluation) -> None:
    runs = to_marl_eval(found, curves_of(found))["gridbazaar"]["street"]["rule"]
    assert runs["seed_0"] == runs["seed_1"]
    score = pytest.approx(found.result("rule").score.mean / 100)
    assert [runs["seed_0"][step]["score_frac"] for step in ("step_0", "step_1")] == [[score], [score]]


def test_without_anyone_who_learned_there_is_one_run_of_one_step(found: Evaluation) -> None:
    ways = to_marl_eval(replace(found, runs={}), {})["gridbazaar"]["street"]
    assert list(ways) == ["idle", *[result.policy for result in found.results[1:]]]
    assert {tuple(run) for runs in ways.values() for run in runs.values()} == {("step_0", "absolute_metrics")}


@pytest.mark.parametrize(
    ("labels", "runs", "curves", "told"),
    [
        (["a,b"], {}, {}, "a,b"),
        (["MPC", "mpc", "idle"], {}, {}, "got MPC, mpc;"),
        (["a/0", "a/1", "b/0"], {"a": ("a/0", "a/1"), "b": ("b/0",)}, {}, "a: 2 runs.*; b: 1 runs"),
        (["a/0", "a/1"], {"a": ("a/0", "a/1")}, {"a/0": CURVE, "a/1": CURVE[:1]}, "up to 64 or 1 times up to 0"),
        (["a", "b"], {}, {"a": CURVE, "b": [CURVE[0], CURVE[1] | {"steps": 65}]}, "up to 64; b: .* up to 65"),
    ],
)  # fmt: skip
def test_what_it_cannot_put_beside_each_other_is_refused(
    labels: list[str], runs: dict[str, tuple[str, ...]], curves: dict[str, list[dict[str, float]]], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        refuse_unequal(labels, runs, curves)


def test_the_command_writes_it(tmp_path: Path) -> None:
    out = tmp_path / "marl.json"
    words = [
        "evaluate",
        "street",
        "--policies",
        f"random,run={FOLDER / 'street'}",
        "--seeds",
        "2",
        "--set",
        "hours=2.0",
        "--marl-eval",
        out,
    ]
    assert invoke(main, words).exit_code == 0
    assert list(json.loads(out.read_text())["gridbazaar"]["street"]) == ["idle", "random", "run"]
    assert invoke(main, words).exit_code != 0  # it exists
