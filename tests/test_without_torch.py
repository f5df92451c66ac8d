"""Without torch everything but training works, and tests are collected all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('torch', 'stable_baselines3', 'tensorboard'):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

sys.meta_path.insert(0, Blocker())
"""


def run_blocked(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in which nobody can import torch and what needs it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip


def command(*words: str) -> str:
    """Code that calls the command line and prints its exit code."""
    return (
        "from gridbazaar.experiments.cli.main import main\n"
        f"try:\n    main({list(words)!r})\nexcept SystemExit as end:\n    print('code', end.code or 0)\n"
    )


def test_a_policy_plays_and_training_says_what_to_install(tmp_path: Path) -> None:
    code = command("evaluate", "street", "--policies", "self_consumption", "--seeds", "1", "--set", "hours=1")
    code += command("train", "street", "--out", "run") + command("demo", "--out", "demo")
    found = run_blocked(code, tmp_path)
    assert [line for line in found.stdout.splitlines() if line.startswith("code")] == ["code 0", "code 2", "code 2"]
    hints = found.stderr.splitlines()
    assert len(hints) == 2
    assert all("torch is not installed; it needs: pip install 'torch" in hint for hint in hints)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_trained_policy_plays(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    from gridbazaar.experiments.training.train import TrainConfig, train

    settings = {"hours": 1.0}
    config = TrainConfig(scenario="street", overrides=settings, steps=1, n_envs=1, epochs=1, width=4, validate_seeds=0)
    run = train(config, tmp_path / "run")
    options = ("evaluate", "street", "--seeds", "1", "--set", "hours=1", "--policies")
    found = run_blocked(command(*options, f"mine={run}"), tmp_path)
    assert found.stdout.splitlines()[-1] == "code 0", found.stderr
    assert "mine played" in found.stdout


@pytest.mark.slow
def test_all_tests_are_collected(tmp_path: Path) -> None:
    code = "import pytest\nsys.exit(pytest.main(['--collect-only', '-q', '-m', '', '-p', 'no:cacheprovider', 'tests']))"
    found = run_blocked(code, ROOT)
    assert found.returncode == 0, found.stdout[-3000:]
    assert "error" not in found.stdout.splitlines()[-1]
