"""Every example runs, with a tiny budget, and says what it says at the end."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.stacks import needs

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
NUMBER = r" +-?\d+\.\d+"


class Run(NamedTuple):
    file: str
    arguments: tuple[str, ...]
    stack: str
    says: str
    holds: Callable[[str], bool] = lambda said: True  # what else must be seen in what it says


def is_peak_lower(said: str) -> bool:
    """Whether each of three searches ends with a lower peak than the rule, and than steady charging."""
    found = re.findall(rf"^(rule|steady|peaks_\d) +peak({NUMBER}) kW", said, flags=re.MULTILINE)
    peaks = {name: float(peak) for name, peak in found}
    searched = [peaks.pop(f"peaks_{seed}") for seed in range(3)]
    return max(searched) < min(peaks["rule"], peaks["steady"])


RUNS = (
    Run("ippo", ("20000",), "train", f"ippo +score{NUMBER}"),
    Run("sb3_ppo", ("1",), "train", f"ppo +score{NUMBER}"),
    Run("sb3_sac", ("1200",), "train", f"sac +return of battery_0{NUMBER}"),
    Run("dqn", ("400",), "train", f"dqn +score{NUMBER}"),
    Run("constrained", ("1",), "train", r"limited  lacks \d+\.\d+ kWh .*, price \d+\.\d+ at the end"),
    Run("offline", ("4",), "train", f"imitated +score{NUMBER}"),
    Run("own_reward", (), "none", rf"peaks_0 +peak{NUMBER} kW.*score{NUMBER}", is_peak_lower),
    Run("own_market", ("2",), "none", f"own +prosumer{NUMBER}.* cooler{NUMBER}"),
    Run("own_community", ("2",), "none", f"self_consumption +score{NUMBER}"),
    Run("sb3_recurrent_ppo", ("1",), "contrib", f"recurrent +score{NUMBER}"),
    Run("rllib", ("2", "shared", "winter"), "rllib", "iteration 2: .*loss of all"),
    Run("rllib", ("2", "kinds", "street"), "rllib", "iteration 2: .*loss of battery .*, ev .*, prosumer .*, vpp"),
    *(
        Run("benchmarl_marl", ("1", algorithm, scenario), "marl", f"{algorithm} on {scenario}: 384 intervals")
        for scenario in ("street", "winter")
        for algorithm in ("ippo", "mappo", "masac")
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "run", [pytest.param(r, marks=needs(r.stack), id="-".join((r.file, *r.arguments))) for r in RUNS]
)
def test_an_example_runs(run: Run, tmp_path: Path) -> None:
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    found = subprocess.run(
        [sys.executable, EXAMPLES / f"{run.file}.py", *run.arguments], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | one | {"PYTHONPATH": str(ROOT)}, timeout=600, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-3000:]
    assert re.search(run.says, found.stdout), found.stdout[-1000:]
    assert run.holds(found.stdout), found.stdout[-1000:]
    assert list(tmp_path.iterdir()) == [], "an example leaves nothing where it is run"


def test_every_example_is_run_and_told_of() -> None:
    files = sorted(path.stem for path in EXAMPLES.glob("*.py"))
    assert files == sorted({run.file for run in RUNS})
    told = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in files if f"({name}.py)" not in told] == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_says_how_to_run_it(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert f"python examples/{path.name}" in said


def test_the_own_ippo_is_short() -> None:
    assert len((EXAMPLES / "ippo.py").read_text(encoding="utf-8").splitlines()) < 120
