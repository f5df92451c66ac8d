"""The export for marl-eval: its levels, a run's curve and its episodes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gridbazaar.agents.policies.learned import FOLDER
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.marl_eval import to_marl_eval
from tests.experiments.cli.runner import invoke


def test_runs_of_a_folder_are_runs_of_one_way_to_learn_with_their_curves() -> None:
    found = evaluate(
        "street", {"way/seed_0": "random", "way/seed_1": "self_consumption", "mpc": "mpc"}, seeds=2, hours=2.0
    )
    found = replace(found, runs={"way": ("way/seed_0", "way/seed_1")})
    curve = [{"steps": 0, "seconds": 0.5, "score": 1.0}, {"steps": 64, "seconds": 2.5, "score": 40.0}]
    held = to_marl_eval(found, {"way/seed_0": curve, "way/seed_1": curve})
    ways = held["gridbazaar"]["street"]
    assert {name: list(runs) for name, runs in ways.items()} == {
        "idle": ["seed_0"], "way": ["seed_0", "seed_1"], "mpc": ["seed_0"]
    }  # fmt: skip
    for run in ways["way"].values():
        assert run["step_1"] == {"step_count": 64, "elapsed_time": 2.5, "score": [40.0]}
        assert set(run) == {"step_0", "step_1", "absolute_metrics"}
    first = ways["way"]["seed_0"]["absolute_metrics"]
    assert first["cost_cur"] == found.result("way/seed_0").scored_cur.tolist()
    assert np.mean(first["score"]) == pytest.approx(found.result("way/seed_0").score.mean)
    assert ways["mpc"]["seed_0"]["step_0"]["score"] == [pytest.approx(found.result("mpc").score.mean)]


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
