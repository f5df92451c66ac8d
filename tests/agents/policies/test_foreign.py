"""Models of other libraries play what their own library says that they would, on the columns they were trained on."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.agents.learned.foreign import Columns, load_foreign, read_columns, write_columns
from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import feature_columns, observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.cli.main import main
from tests.experiments.cli.runner import invoke
from tests.stacks import needs

SCENARIO = load_scenario("street", hours=1.0)
FEATURES = tuple(column.name for column in feature_columns(SCENARIO))


def played(policy: Any, n: int = 3) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Rows that were seen and actions a row, of the first intervals of two environments."""
    core, rng = Core(SCENARIO, 2), np.random.default_rng(0)
    state, rows, actions = core.reset(0), [], []
    memory = policy.start(community_of(core, state), rng)
    for _ in range(n):
        seen = observe(core, state)
        action, memory = policy.act(seen, memory)
        rows.append(seen.features.reshape(-1, seen.features.shape[-1]).copy())
        actions.append(action.reshape(len(rows[-1]), -1))
        state, _ = core.step(state, action)
    return rows, actions


def made(name: str, n_features: int = len(FEATURES)) -> Any:
    """An untrained model of stable-baselines3 or sb3-contrib whose actions are not all alike."""
    import gymnasium

    library: Any = import_module("sb3_contrib" if name == "RecurrentPPO" else "stable_baselines3")
    policy = {"RecurrentPPO": "MlpLstmPolicy"}.get(name, "MlpPolicy")

    class Nothing(gymnasium.Env[Any, Any]):
        observation_space = gymnasium.spaces.Box(-5.0, 5.0, (n_features,), np.float32)
        action_space: Any = gymnasium.spaces.Discrete(3) if name == "DQN" else gymnasium.spaces.Box(-1.0, 1.0, (2,))

    model = getattr(library, name)(policy, Nothing(), device="cpu", seed=0)
    for parameter in model.policy.parameters():
        drawn = np.random.default_rng(len(parameter.shape)).normal(0, 0.02, tuple(parameter.shape))
        parameter.data += parameter.data.new_tensor(drawn)
    return model


@needs("train")
def test_a_model_plays_what_it_predicts(tmp_path: Path) -> None:
    model = made("PPO")
    model.save(tmp_path / "model.zip")
    with pytest.raises(ValueError, match="runs whatever code is in it; give --allow-code"):
        load_policy(tmp_path / "model.zip")
    rows, actions = played(load_policy(tmp_path, allow_code=True))  # its folder
    for seen, action in zip(rows, actions, strict=True):
        expected = np.clip(model.predict(seen, deterministic=True)[0], -1, 1)
        assert np.allclose(action, expected, atol=1e-6)
    assert np.ptp(np.stack(actions)) > 0


@pytest.mark.slow
@needs("contrib")
def test_a_recurrent_model_remembers(tmp_path: Path) -> None:
    model = made("RecurrentPPO")
    model.save(tmp_path / "model.zip")
    rows, actions = played(load_policy(tmp_path / "model.zip", allow_code=True))
    memory, begins, differs = None, np.ones(len(rows[0]), bool), False
    for seen, action in zip(rows, actions, strict=True):
        expected, memory = model.predict(seen, state=memory, episode_start=begins, deterministic=True)
        assert np.allclose(action, np.clip(expected, -1, 1), atol=1e-6)
        forgetful, _ = model.predict(seen, deterministic=True)
        differs |= not np.allclose(forgetful, expected, atol=1e-6)
        begins = np.zeros(len(seen), bool)
    assert differs


@pytest.mark.slow
@needs("train")
def test_a_model_that_chooses_needs_to_say_what_its_numbers_mean(tmp_path: Path) -> None:
    path, model = tmp_path / "model.zip", made("DQN")
    model.save(path)
    with pytest.raises(ValueError, match=r"say in model\.columns\.json what its numbers mean"):
        played(load_foreign(path, allow_code=True))
    choices = ((-1.0, 0.0), (0.0, 0.0), (1.0, 0.5))
    write_columns(path, Columns(FEATURES, choices))
    rows, actions = played(load_foreign(path, allow_code=True))
    for seen, action in zip(rows, actions, strict=True):
        assert np.array_equal(action, np.array(choices)[model.predict(seen, deterministic=True)[0]])


@pytest.mark.parametrize("way", ["script", pytest.param("export", marks=pytest.mark.slow)])
@needs("train")
@pytest.mark.filterwarnings("ignore")  # torch says that it would rather have the other one
def test_a_model_of_torch_plays_the_columns_that_it_was_trained_on(way: str, tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)
    few = ("soc", "hour_sin", "retail_price", "is_ev")
    network = torch.nn.Sequential(torch.nn.Linear(len(few), 2), torch.nn.Tanh())
    example = torch.zeros(4, len(few))
    path = tmp_path / ("model.pt" if way == "script" else "model.pt2")
    if way == "script":
        trace: Any = torch.jit.trace
        trace(network, example).save(path)
    else:
        rows = torch.export.Dim("rows", min=2)
        torch.export.save(torch.export.export(network, (example,), dynamic_shapes=({0: rows},)), path)
    with pytest.raises(ValueError, match="was saved with torch by somebody else"):
        load_policy(str(path))
    write_columns(path, Columns(few))
    rows_seen, actions = played(load_policy(str(path), allow_code=True))
    places = [FEATURES.index(name) for name in few]
    for seen, action in zip(rows_seen, actions, strict=True):
        expected = network(torch.as_tensor(seen[:, places])).detach().numpy()
        assert np.allclose(action, expected, atol=1e-6)


@pytest.mark.slow
@needs("onnx")
def test_a_model_in_onnx_plays_without_code(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(0, 0.2, (len(FEATURES), 2)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["seen", "w"], ["sum"]), helper.make_node("Tanh", ["sum"], ["action"])],
        "policy",
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, ["n", len(FEATURES)])],
        [helper.make_tensor_value_info("action", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    rows, actions = played(load_policy(str(path)))
    for seen, action in zip(rows, actions, strict=True):
        assert np.allclose(action, np.tanh(seen @ weights), atol=1e-5)
    words = ("evaluate", "street", "--set", "hours=1", "--seeds", 1, "--policies", f"net={path}")
    found = invoke(main, words)
    assert found.exit_code == 0, found.stderr
    assert f"net played {path}, a model that others made" in found.stdout
    write_columns(path, Columns(("soc", "hour_sin")))
    with pytest.raises(ValueError, match=rf"has {len(FEATURES)} inputs, model\.columns\.json names 2"):
        load_policy(str(path))


def identity(n_features: int | None) -> Any:
    from gridbazaar.agents.learned.foreign import Policy

    return lambda columns=None: Policy(lambda rows, memory: (rows[:, :2], ()), Path("m.onnx"), columns, n_features)


def test_other_columns_are_refused() -> None:
    with pytest.raises(ValueError, match=r"has 3 inputs, here are \d+ columns; write down which .* m\.columns\.json"):
        played(identity(3)())
    with pytest.raises(ValueError, match="trained on columns that are not here: nobody"):
        played(identity(None)(Columns(("soc", "nobody"))))


@pytest.mark.parametrize(
    ("given", "message"),
    [(np.zeros((12, 3)), r"actions \[12, 1 to 2\] of the model, got \[12, 3\]"), (np.full((12, 2), np.nan), "finite")],
)
def test_a_model_that_gives_something_else_is_refused(given: NDArray[Any], message: str) -> None:
    from gridbazaar.agents.learned.foreign import Policy

    with pytest.raises(ValueError, match=message):
        played(Policy(lambda rows, memory: (given, ()), Path("m.onnx")))


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"features": "soc"}, "features: expected names, got soc"),
        ({"features": ["soc", "soc"]}, "features: expected different names"),
        ({"features": ["soc"], "choices": [["up"]]}, "could not convert"),
    ],
)
def test_broken_columns_are_refused(held: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "m.columns.json").write_text(json.dumps(held))
    with pytest.raises(ValueError, match=rf"m\.columns\.json: .*{message}"):
        read_columns(tmp_path / "m.onnx")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"model\.zip: expected a model of stable-baselines3 or sb3-contrib"):
        load_policy(str(path), allow_code=True)
