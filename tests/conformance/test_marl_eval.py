"""marl-eval reads our export and draws it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.marl_eval import to_marl_eval
from tests.stacks import needs

CURVE = [{"steps": 0, "seconds": 0.5, "score": 1.0}, {"steps": 64, "seconds": 2.5, "score": 40.0}]


@needs("marl", "marl_eval")
@pytest.mark.slow
def test_marl_eval_reads_it_and_draws_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    from marl_eval.plotting_tools import plotting
    from marl_eval.utils.data_processing_utils import create_matrices_for_rliable, data_process_pipeline
    from marl_eval.utils.diagnose_data_errors import DiagnoseData

    found = evaluate(
        "street", {"way/seed_0": "random", "way/seed_1": "mpc", "rule": "price_threshold"}, seeds=2, hours=2.0
    )
    found = replace(found, runs={"way": ("way/seed_0", "way/seed_1")})
    raw = json.loads(json.dumps(to_marl_eval(found, dict.fromkeys(found.runs["way"], CURVE))))
    assert all(DiagnoseData(raw).check_data()["gridbazaar"].values())
    held = data_process_pipeline(raw, [])
    assert held["extra"]["number_of_runs"] == 2
    assert held["extra"]["number_of_steps"] == 2
    ends, along = create_matrices_for_rliable(held, "gridbazaar", [])
    for way, of_way in ends["mean_score_frac"].items():
        expected = [found.result(run).score.mean / 100 for run in found.runs.get(way, (way, way))]
        assert of_way[:, 0] == pytest.approx(expected)
    assert along["mean_score_frac"]["way"][:, 0].tolist() == [[0.01, 0.4], [0.01, 0.4]]
    assert along["extra"]["evaluation_interval"] == 32  # the mean of 0 and 64
    plotting.performance_profiles(ends, "score_frac", [])
    plotting.sample_efficiency_curves(along, "score_frac", [])
    plotting.plot_single_task(held, "gridbazaar", "street", "score_frac", [])
    assert "issue" not in capsys.readouterr().out  # it tells what it cannot read, and goes on
