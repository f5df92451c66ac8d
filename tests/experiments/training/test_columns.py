"""A run remembers its columns by name, and is refused where they differ."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policies.trained import Policy, Trained
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import feature_columns
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.training.train import TrainConfig, train

pytest.importorskip("stable_baselines3")

OLD = Path(__file__).parents[2] / "golden" / "run_of_0.1"


def trained_on(scenario: str, **overrides: Any) -> Trained:
    core = Core(load_scenario(scenario, **overrides), 1)
    actions = {kind: tuple(c.name for c in columns) for kind, columns in core.action_columns.items()}
    return Trained(tuple(c.name for c in feature_columns(core.scenario)), actions, core.n_actions)


def named(trained: Trained) -> tuple[str, ...]:
    assert trained.features is not None
    return trained.features


def refusal(trained: Trained, scenario: str, **overrides: Any) -> str:
    community = community_of(Core(load_scenario(scenario, **overrides), 1))
    with pytest.raises(ValueError, match="the run was trained on other columns; train it anew") as refused:
        Policy(lambda rows: rows, trained).start(community, np.random.default_rng(0))
    return str(refused.value)


def test_a_run_plays_where_its_columns_are() -> None:
    more = community_of(Core(load_scenario("village", **{"ev.count": 2, "tariff": "flat"}), 1))
    trained_on("village").check(more)
    trained_on("street").check(more)


def test_a_vpp_is_not_read_as_a_turbine() -> None:
    """As many columns as before, but other ones."""
    street = load_scenario("street")
    trained = trained_on("street")
    swapped = tuple("is_wind" if name == "is_vpp" else name for name in named(trained))
    assert len(swapped) == len(feature_columns(street))
    text = refusal(Trained(swapped, trained.actions, 2), "street")
    assert "is_vpp" in text
    assert "is_wind" in text


def test_features_that_only_one_side_has_are_named() -> None:
    text = refusal(trained_on("village", **{"wind.count": 1}), "village", **{"genset.count": 1})
    assert "features: only trained on is_wind; only here engine_runs, engine_wait, is_genset" in text


def test_the_order_of_features_counts() -> None:
    trained = trained_on("street")
    first, second, *rest = named(trained)
    turned = (second, first, *rest)
    assert "features: the same in another order" in refusal(Trained(turned, trained.actions, 2), "street")


def test_components_of_an_action_are_compared_by_kind() -> None:
    text = refusal(trained_on("street"), "street", **{"vpp.answers_calls": True, "call.chance": 1.0})
    assert "actions of vpp: only here capacity, price" in text


def test_an_older_run_without_names_of_actions_is_held_to_their_number() -> None:
    trained = trained_on("street")
    old = Trained(trained.features, None, 2)
    old.check(community_of(Core("street", 1)))
    assert "actions: trained on 3, here are 2" in refusal(Trained(trained.features, None, 3), "street")


def test_an_evaluation_with_other_columns_is_refused() -> None:
    found = evaluate("street", [f"old={OLD}"], seeds=1, hours=6.0)
    assert np.isfinite(found.result("old").scored_cur).all()
    with pytest.raises(ValueError, match="is_genset"):
        evaluate("street", [f"old={OLD}"], seeds=1, hours=6.0, genset={"count": 1})


def test_a_run_writes_its_columns(tmp_path: Path) -> None:
    config = TrainConfig(
        scenario="street", overrides={"hours": 6.0}, steps=1, n_envs=1, epochs=1, width=8, validate_seeds=0
    )
    run = train(config, tmp_path / "run")
    held = json.loads((run / "config.json").read_text())
    own = trained_on("street")
    assert held["features"] == list(named(own))
    assert own.actions is not None
    assert held["actions"] == {kind: list(names) for kind, names in own.actions.items()}
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    held["actions"]["ev"] = ["power", "eagerness", "spare"]
    (copy / "config.json").write_text(json.dumps(held))
    community = community_of(Core("street", 1))
    load_policy(str(run)).start(community, np.random.default_rng(0))
    with pytest.raises(ValueError, match="actions of ev: only trained on spare"):
        load_policy(str(copy)).start(community, np.random.default_rng(0))
