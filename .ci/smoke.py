"""What a user does first with the installed package; run from a folder whose names collide with ours.

Usage: python smoke.py CHECKOUT
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path

start_s = time.perf_counter()
import gridbazaar as gb  # noqa: E402 - its import is timed

import_s = time.perf_counter() - start_s
SCENARIO = "street"


def run_cli(*arguments: str) -> str:
    """What the console script prints; an exit code other than 0 ends the smoke test."""
    script = Path(sys.executable).with_name("gridbazaar")
    answer = subprocess.run([script, *arguments], capture_output=True, text=True, timeout=60)
    if answer.returncode != 0:
        sys.exit(f"gridbazaar {' '.join(arguments)} ended with {answer.returncode}:\n{answer.stdout}{answer.stderr}")
    return answer.stdout


def play(scenario: str) -> int:
    """One episode of random actions; the number of intervals."""
    env = gb.parallel_env(scenario)
    for i, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(i)
    env.reset(seed=1)
    n_steps = 0
    while env.agents:
        actions = {agent: env.action_space(agent).sample() for agent in env.agents}
        _, rewards, _, _, _ = env.step(actions)
        assert rewards, "a step without rewards"
        assert all(math.isfinite(reward) for reward in rewards.values()), rewards
        n_steps += 1
        assert n_steps < 100_000, "the episode does not end"
    env.close()
    assert n_steps > 0, "the episode ended before it began"
    return n_steps


def check_origin(checkout: Path) -> int:
    """Every module of ours comes from the environment, none from the checkout; how many there are."""
    modules = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "gridbazaar"}
    for name, module in modules.items():
        file = Path(str(module.__file__)).resolve()
        assert file.is_relative_to(Path(sys.prefix).resolve()), f"{name} comes from {file}"
        assert not file.is_relative_to(checkout), f"{name} comes from the checkout: {file}"
    return len(modules)


def main() -> None:
    checkout = Path(sys.argv[1]).resolve()
    before = sorted(Path().rglob("*"))
    check_origin(checkout)
    assert import_s < 0.5, f"import gridbazaar takes {import_s:.2f} s"
    print(f"import gridbazaar: {import_s * 1000:.0f} ms, version {gb.__version__}")

    assert "Usage" in run_cli("--help")
    scenarios = run_cli("list", "scenarios")
    assert SCENARIO in scenarios, f"gridbazaar list scenarios does not name {SCENARIO}:\n{scenarios}"
    print(scenarios.rstrip())

    print(f"{SCENARIO}: an episode of {play(SCENARIO)} intervals")
    print(gb.clear("uniform_price", buys=[(1.0, 0.30)], sells=[(2.0, 0.10)]))

    print(f"{check_origin(checkout)} modules, all from the wheel")
    after = sorted(Path().rglob("*"))
    assert after == before, f"files appeared in the user's folder: {sorted(set(after) - set(before))}"


main()
