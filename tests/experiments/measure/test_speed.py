"""The benchmark measures what it says and writes where it was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.measure.speed import (
    BOOK_SIDES,
    FIFTY_AGENTS,
    QUICK,
    SCENARIO,
    Effort,
    machine,
    measure_speed,
)
from tests.experiments.cli.runner import invoke


def test_fifty_agents_are_fifty() -> None:
    assert len(load_scenario(SCENARIO, **FIFTY_AGENTS).agent_names) == 50


@pytest.mark.slow
def test_every_speed_is_a_median_of_repetitions() -> None:
    told: list[str] = []
    found = measure_speed(QUICK, training=False, tell=told.append)
    names = [(s.name, s.unit) for s in found]
    assert len(names) == len(set(names))
    assert len(told) == 8
    for speed in found:
        assert 0 < speed.low <= speed.value <= speed.high, speed
        assert speed.repetitions == QUICK.repetitions, speed
    by_name = {(s.name, s.unit): s.value for s in found}
    for n_envs in QUICK.n_envs:
        name = f"step, {n_envs} x 50 agents"
        assert by_name[name, "agent-steps/s"] == pytest.approx(50 * by_name[name, "env-steps/s"])
    for name in ("power flow, 33 buses", "power flow, 116 buses", "three-phase power flow, 116 buses"):
        assert by_name[f"{name}, batch of {QUICK.flow_rows}, float64", "flows/s"] > 0
        assert by_name[f"{name}, batch of {QUICK.flow_rows}, float32", "flows/s"] > 0
    for n_books, side in zip(QUICK.books, BOOK_SIDES, strict=True):
        assert by_name[f"uniform_price, {side} x {side} orders, {n_books} at once", "books/s"] > 10
    assert by_name["import gridbazaar", "s"] < 5


def test_all_is_measured_by_default() -> None:
    assert Effort().n_envs == (1, 64, 1024)
    assert Effort().reset_envs == Effort().flow_rows == 1024
    assert Effort().books[0] == 4096
    assert Effort().repetitions >= 5


@pytest.mark.slow
def test_the_command_writes_speeds_versions_and_machine(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    out = tmp_path / "bench.json"
    found = invoke(main, ["bench", "--quick", "--json", str(out)])
    assert found.exit_code == 0, found.stderr
    assert "PettingZoo view, 50 agents" in found.stdout
    written = json.loads(out.read_text())
    assert written["machine"] == machine()
    assert written["versions"]["numpy"]
    assert any(s["name"].startswith("PPO training") and s["value"] > 0 for s in written["speeds"])
    assert invoke(main, ["bench", "--quick", "--json", str(out)]).exit_code == 2
