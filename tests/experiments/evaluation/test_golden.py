"""Recorded figures: the same seeds give the same answer tomorrow.

``tests/golden/evaluation/street.json`` was recorded by

    gridbazaar evaluate street --policies self_consumption,time_of_use,price_threshold,opportunity_cost --seeds 6 \
        --record tests/golden/evaluation/street.json

It is right as far as the properties and worked cases of the other tests hold; it is here to notice change. Record it
anew where dynamics change on purpose, and say so in the changelog.
"""

import json
from pathlib import Path

from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.golden import check

GOLDEN = Path(__file__).parents[2] / "golden" / "evaluation" / "street.json"


def test_the_street_gives_the_recorded_figures() -> None:
    recorded = json.loads(GOLDEN.read_text(encoding="utf-8"))
    names = [row["policy"] for row in recorded["policies"]]
    assert len(names) == 5
    assert check(evaluate("street", names, seeds=recorded["seeds"]), GOLDEN) == []
