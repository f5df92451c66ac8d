"""Who plays, resumes or lists somebody else's run runs nothing of it, and nothing outside its folder is touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policies.trained import MODEL
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.training.train import TrainConfig, train
from tests.experiments.cli.runner import invoke
from tests.hostile.case import OLD_RUN, TRAP
from tests.hostile.runs import trapped_zip

sb3 = pytest.importorskip("stable_baselines3")

TINY = TrainConfig(scenario="street", overrides={"hours": 2.0}, steps=1, n_envs=1, epochs=1, width=4, validate_seeds=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(TINY, tmp_path_factory.mktemp("runs") / "made")


@pytest.fixture
def run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(made, tmp_path / "run"))


def test_a_run_holds_nothing_that_is_unpickled(made: Path) -> None:
    files = [path for path in made.iterdir() if path.suffix in (".npz", ".zip", ".pth", ".pkl")]
    assert {path.name for path in files} == {"model.npz", "checkpoint.npz"}
    for path in files:
        with np.load(path, allow_pickle=False) as held:
            assert all(held[name].dtype != object for name in held.files)


def test_the_trap_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that its silence below says something: who allows code runs it."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "theirs.zip"
    path.write_bytes(trapped_zip(np.random.default_rng(0))["data"])
    with pytest.raises(ValueError, match="runs whatever code is in it; give --allow-code"):
        load_policy(str(path))
    assert not (tmp_path / TRAP).exists()
    with pytest.raises(ValueError, match="expected a model of stable-baselines3"):
        load_policy(str(path), allow_code=True)
    assert (tmp_path / TRAP).exists()


@pytest.mark.parametrize("where", ["data", "policy.pth", "both"])
def test_a_run_of_0_1_with_a_trap_is_read_without_stepping_into_it(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Path(shutil.copytree(OLD_RUN, tmp_path / "run"))
    (run / "checkpoint.zip").write_bytes(trapped_zip(np.random.default_rng(0))[where])
    options = ("evaluate", "street", "--set", "hours=6", "--seeds", 1, "--policies", run)
    assert invoke(main, options).exit_code == (0 if where == "data" else 2)
    assert invoke(main, ("train", "--out", run, "--resume")).exit_code == (0 if where == "data" else 2)
    assert not (tmp_path / TRAP).exists()


@pytest.mark.parametrize("name", [MODEL, "checkpoint.npz", "config.json", "log"])
def test_a_link_out_of_a_run_is_neither_read_nor_written(run: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    shutil.move(run / name, outside)
    before = outside.read_bytes() if outside.is_file() else sorted(outside.iterdir())
    (run / name).symlink_to(outside)
    if name != "log":
        (run / MODEL).unlink(missing_ok=name == "checkpoint.npz")
    if name == MODEL:
        (run / name).symlink_to(outside)
    found = invoke(main, ("train", "--out", run, "--resume", "--steps", 500))
    assert found.exit_code == 2, found.stderr
    assert (outside.read_bytes() if outside.is_file() else sorted(outside.iterdir())) == before


def test_a_log_that_is_a_link_is_not_written(run: Path, tmp_path: Path) -> None:
    (run / MODEL).unlink()
    held = json.loads((run / "config.json").read_text())
    held["train"]["steps"] = 500
    (run / "config.json").write_text(json.dumps(held))
    (tmp_path / "mine.csv").write_text("mine")
    (run / "log" / "from_48").mkdir()
    (run / "log" / "from_48" / "progress.csv").symlink_to(tmp_path / "mine.csv")
    assert "is a link" in invoke(main, ("train", "--out", run, "--resume")).stderr
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_models_of_others_play_when_code_is_allowed(tmp_path: Path) -> None:
    from gridbazaar.envs.views.vec_env import vec_env

    path = tmp_path / "theirs.zip"
    model = sb3.PPO("MlpPolicy", vec_env("street", n_envs=1), n_steps=8, policy_kwargs={"net_arch": [4]}, device="cpu")
    model.save(path)
    core = Core(load_scenario("street"), 1)
    state, policy = core.reset(0, split="test"), load_policy(str(path), allow_code=True)
    seen = observe(core, state)
    action, _ = policy.act(seen, policy.start(community_of(core), np.random.default_rng(0)))
    theirs = np.stack([model.predict(row, deterministic=True)[0] for row in np.asarray(seen.features[0])])
    assert np.asarray(action[0]) == pytest.approx(theirs, abs=1e-6)


def test_a_network_plays_as_torch_does(made: Path) -> None:
    """The arrays against the library that trained them."""
    import torch

    from gridbazaar.agents.policies.trained import load_run, read_weights

    weights: dict[str, Any] = {name: torch.as_tensor(x) for name, x in read_weights(made / MODEL).items()}
    rows = np.random.default_rng(0).normal(size=(7, 53)).astype(np.float32)
    policy: Any = load_run(str(made))
    rows = rows[:, : policy.network.n_features]
    x = torch.as_tensor(rows)
    for i in (0, 2):
        name = f"mlp_extractor.policy_net.{i}"
        x = torch.tanh(torch.nn.functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"]))
    expected = torch.nn.functional.linear(x, weights["action_net.weight"], weights["action_net.bias"]).numpy()
    assert policy.network(rows) == pytest.approx(expected, abs=1e-6)
