"""Ended at thirty moments, by ctrl-C, SIGTERM or SIGKILL: nothing is half-written, all can be resumed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from gridbazaar.experiments.audit.audit import audit
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.training.checkpoint import read_checkpoint
from tests.experiments.cli.runner import invoke

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
N_MOMENTS = 30
STEPS = 6 * 8 * 12  # agents, intervals, rollouts
PLAYED = ("--policies", "self_consumption", "--seeds", "1", "--set", "hours=2")
COMMANDS = {
    "evaluate": ("evaluate", "street", *PLAYED, "--json", "out.json", "--csv", "out.csv", "--record", "record.json"),
    "compare": ("compare", "street", "--tariffs", "flat,tou", *PLAYED, "--out", "out"),
    "train": ("train", "street", "--out", "run", "--n-envs", "1", "--set", "hours=2", "--steps", str(STEPS)),
    "ledger": ("evaluate", "street", *PLAYED, "--ledger", "out.db"),
}
ENDS = {
    signal.SIGINT: (130, -signal.SIGINT), signal.SIGTERM: (143, -signal.SIGTERM), signal.SIGKILL: (-signal.SIGKILL,),
}  # fmt: skip
"""Exit codes; those below zero are of Python itself, where the signal comes before it has begun."""


class Whole(NamedTuple):
    """A command that ran through: where, and how long it took."""

    folder: Path
    seconds: float
    said: str


def started(name: str, folder: Path) -> subprocess.Popen[str]:
    folder.mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "gridbazaar.experiments.cli", *COMMANDS[name]], cwd=folder, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Whole]:
    pytest.importorskip("stable_baselines3")
    found = {}
    for name in COMMANDS:
        begun, folder = time.monotonic(), tmp_path_factory.mktemp("whole") / name
        process = started(name, folder)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        found[name] = Whole(folder, time.monotonic() - begun, out)
    return found


def figures(path: Path) -> Any:
    """What does not say when and where it was made."""
    held = json.loads(path.read_text(encoding="utf-8"))
    return {key: value for key, value in held.items() if key not in ("versions", "command")}


def assert_whole_or_absent(name: str, folder: Path, whole: Whole) -> None:
    """Each file is that of the command that ran through, or is not there."""
    for path in folder.rglob("*.json"):
        if path.name != "config.json":
            assert figures(path) == figures(whole.folder / path.relative_to(folder))
    for path in folder.rglob("*.csv"):
        if "log" not in path.parts:
            rows, expected = (list(csv.reader(p.open())) for p in (path, whole.folder / path.relative_to(folder)))
            assert rows == expected
    if (folder / "out.db").exists():
        words = whole.said.split()
        key, origin = (words[words.index(option) + 1] for option in ("--key", "--origin"))
        assert invoke(main, ("ledger", "verify", folder / "out.db", "--key", key, "--origin", origin)).exit_code == 0


def assert_resumed(folder: Path, whole: Whole) -> None:
    """A training that was ended goes on, and ends as one that ran through."""
    run = folder / "run"
    begun = (run / "config.json").is_file()
    command = ("train", "--out", run, "--resume") if begun else (*COMMANDS["train"][:3], run, *COMMANDS["train"][4:])
    found = invoke(main, command)
    assert found.exit_code == 0, found.stderr
    ours, theirs = read_checkpoint(run), read_checkpoint(whole.folder / "run")
    assert ours is not None
    assert theirs is not None
    assert ours.steps == STEPS
    assert all(np.array_equal(ours.weights[name], x) for name, x in theirs.weights.items())


def test_thirty_ends(whole: dict[str, Whole], tmp_path: Path) -> None:
    rng = np.random.default_rng(20_260)
    seen: dict[int, int] = {}
    for i in range(N_MOMENTS):
        name, number = list(COMMANDS)[i % len(COMMANDS)], list(ENDS)[(i // len(COMMANDS)) % len(ENDS)]
        folder, moment = tmp_path / f"{i}_{name}", rng.uniform(0.1, 1.0)
        process = started(name, folder)
        time.sleep(moment * whole[name].seconds)
        process.send_signal(number)
        _, err = process.communicate(timeout=300)
        told = f"{i}: {name}, {number.name} after {moment:.2f} of its time: {process.returncode}\n{err}"
        assert process.returncode in (0, *ENDS[number]), told
        seen[process.returncode] = seen.get(process.returncode, 0) + 1
        if process.returncode > 0:
            assert "Traceback" not in err, told
            assert ("interrupted" if number == signal.SIGINT else "terminated") in err, told
        assert_whole_or_absent(name, folder, whole[name])
        left = [path.name for path in folder.rglob(".*")]
        assert not left or number == signal.SIGKILL, told + str(left)
        if name == "train":
            assert_resumed(folder, whole[name])
    assert {130, 143, -signal.SIGKILL} <= set(seen), seen


def test_a_ledger_that_was_cut_off_says_so(whole: dict[str, Whole], tmp_path: Path) -> None:
    """As a writer that adds interval by interval leaves it, where it is killed."""
    from gridbazaar.agents.policies import load_policy
    from gridbazaar.envs.core import Core
    from gridbazaar.envs.scenarios import load_scenario

    core = Core(load_scenario("street", hours=2), 1)
    steps = iter(range(5))

    class Killed(BaseException):
        pass

    def tick() -> None:
        if next(steps, None) is None:
            raise Killed

    with pytest.raises(Killed):
        audit(core, load_policy("idle"), "idle", [0], tmp_path / "cut.db", tick=tick)
    audited = audit(core, load_policy("idle"), "idle", [0], tmp_path / "whole.db")
    options = ("--key", audited.did, "--origin", audited.origin)
    found = invoke(main, ("ledger", "verify", tmp_path / "cut.db", *options))
    assert found.exit_code == 1
    assert (
        "the log ends with interval 5, where the stakes of 6 accounts are still locked: it was cut off" in found.stdout
    )
    said = invoke(main, ("ledger", "verify", tmp_path / "cut.db", *options, "--open")).stdout
    assert "entries, the last of interval 5" in said
    assert "entries, the last of interval 7" in invoke(main, ("ledger", "verify", audited.path, *options)).stdout
