"""``import gridbazaar`` is quick and pulls in nothing heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 0.5
HEAVY = ("torch", "stable_baselines3", "matplotlib", "pandas", "scipy", "typer", "rich")
PROBE = """
import json, sys, time
start_s = time.perf_counter()
import {module}
print(json.dumps([time.perf_counter() - start_s, sorted(sys.modules)]))
"""


def import_fresh(module: str) -> tuple[float, set[str]]:
    """Import a module in a new process; seconds, and the modules that are loaded then."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROBE.format(module=module)]
    answer = subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=60)
    import_s, modules = json.loads(answer.stdout)
    return import_s, set(modules)


def test_import_takes_less_than_half_a_second() -> None:
    quickest_s = min(import_fresh("gridbazaar")[0] for _ in range(5))
    assert quickest_s < LIMIT_S, f"import gridbazaar takes {quickest_s:.2f} s"


@pytest.mark.parametrize("module", ["gridbazaar", "gridbazaar.envs.core"])
def test_import_leaves_heavy_libraries_alone(module: str) -> None:
    if module == "gridbazaar.envs.core" and not (ROOT / "envs" / "core.py").is_file():
        pytest.skip("envs/core.py does not exist yet")
    _, modules = import_fresh(module)
    assert module in modules
    assert not modules & set(HEAVY), f"import {module} also loads {sorted(modules & set(HEAVY))}"
