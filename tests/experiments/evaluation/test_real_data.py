"""The real CityLearn homes through the whole path. Reads the folder that ``GRIDBAZAAR_DATASETS`` names."""

import os
from pathlib import Path

import numpy as np
import pytest

from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate


@pytest.mark.slow
def test_rules_and_optimum_play_on_real_homes() -> None:
    datasets = os.environ.get("GRIDBAZAAR_DATASETS")
    if not datasets:
        pytest.skip("GRIDBAZAAR_DATASETS is not set; it names the folder that holds citylearn2022")
    found = evaluate(
        load_scenario("village", **{"data.path": str(Path(datasets) / "citylearn2022")}),
        ["self_consumption", "optimum"],
        seeds=3,
    )
    scores = {r.policy: r.score.mean for r in found.results}
    assert scores["idle"] == 0
    assert 0 < scores["self_consumption"] < scores["optimum"] <= 100
    for result in found.results:
        # Californian homes draw about 28 kWh a day each; twelve of them and their cars import or make that much.
        assert np.all(result.figures["import_kwh"] > 30)
        assert np.all(result.figures["unserved_kwh"] == 0)
