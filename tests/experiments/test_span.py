"""A run knows what it was trained on, and no evaluation repeats a step of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.chance import SPLITS
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.span import Span, read_span, refuse_shared, span_of
from tests.quick import only

HOURS = [6.0, 24.0, 48.0]


def trained_hours(span: Span) -> np.ndarray:
    """Every quarter of an hour of a span, as times."""
    quarter = np.timedelta64(900, "s")
    return np.concatenate(
        [np.arange(np.datetime64(begin, "s"), np.datetime64(end, "s"), quarter) for begin, end in span.periods]
    )


def times_of(core: Core, split: str, seed: int) -> set[np.datetime64]:
    """When the steps of an episode begin, in a bank without a zone."""
    start = int(core.reset(seed, split=split).episode.start[0])
    bank = core.world.bank
    return set(bank.first_day.astype("datetime64[s]") + (start + np.arange(core.n_steps)) * np.timedelta64(900, "s"))


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize("start_h", only([12.0], [0.0, 12.0]))
def test_a_span_holds_every_training_episode_and_none_of_the_same_start(start_h: float, hours: float) -> None:
    scenario = load_scenario("street", start_h=start_h, hours=hours)
    span, core = span_of(scenario), Core(scenario, 1)
    trained = set(trained_hours(span))
    assert (span.start_h, span.hours) == (start_h, hours)
    for seed in range(30):
        assert times_of(core, "train", seed) <= trained
        for split in ("validation", "test"):
            assert not times_of(core, split, seed) & trained
            refuse_shared("run", span, scenario, split, [seed])


OTHERS = ((0.0, 24.0), (0.0, 6.0), (4.0, 48.0), (20.0, 24.0), (12.0, 96.0))


@pytest.mark.parametrize(("start_h", "hours"), only(OTHERS[1:3], OTHERS))
def test_episodes_are_refused_exactly_where_they_share_steps(start_h: float, hours: float) -> None:
    """Trained from noon to noon; evaluated at another hour or for longer, one seed after another."""
    span = span_of(load_scenario("street"))
    trained = set(trained_hours(span))
    scenario = load_scenario("street", start_h=start_h, hours=hours)
    core, n = Core(scenario, 1), {True: 0, False: 0}
    for split in SPLITS:
        for seed in range(40):
            shares = bool(times_of(core, split, seed) & trained)
            n[shares] += 1
            try:
                refuse_shared("run", span, scenario, split, [seed])
                refused = False
            except ValueError as error:
                refused, text = True, str(error)
                assert f"(seeds {seed})" in text
                assert "expected start_h=12 as in training, or seeds of other episodes" in text
            assert refused == shares
    assert n[True] > 20
    assert n[False] > 20


def test_other_series_share_nothing() -> None:
    span = span_of(load_scenario("street"))
    moved: dict[str, Any] = {"start_h": 0.0}
    with pytest.raises(ValueError, match="share steps"):
        refuse_shared("run", span, load_scenario("street", **moved), "test", range(40))
    refuse_shared("run", span, load_scenario("street", seed=1, **moved), "test", range(40))


def test_an_evaluation_refuses_what_its_run_was_trained_on(tmp_path: Path) -> None:
    """With the run of 0.1, which stored no span, and the same with one."""
    old = Path(__file__).parents[1] / "golden" / "run_of_0.1"
    run = tmp_path / "run"
    run.mkdir()
    for file in ("checkpoint.zip", "curve.json"):
        (run / file).write_bytes((old / file).read_bytes())
    config = json.loads((old / "config.json").read_text())
    assert read_span(old) is None
    span = span_of(load_scenario("street"))
    (run / "config.json").write_text(json.dumps(config | {"span": asdict(span)}))
    assert read_span(run) == span
    core, trained = Core(load_scenario("street", hours=6.0, start_h=8.0), 1), set(trained_hours(span))
    seed = next(s for s in range(99) if times_of(core, "test", s) & trained)
    with pytest.raises(ValueError, match=rf"{run}: 1 of 1 test episodes share steps .*\(seeds {seed}\)"):
        evaluate("street", [str(run)], seeds=[seed], hours=6.0, start_h=8.0)
    with pytest.raises(ValueError, match="share steps"):
        evaluate("street", [f"mine={run}"], seeds=[seed], hours=6.0, start_h=8.0)
