"""What a change that only moves code must leave alone: every bit of some trajectories, bounds and one ledger.

    python -m tests.trajectories           compares this checkout with tests/golden/trajectories/hashes.json
    python -m tests.trajectories --add     records what is new, such as a mechanism, and leaves the rest as it is
    python -m tests.trajectories --write   writes that file anew

Write it where dynamics, observations, rewards or bills change on purpose, and say so in the changelog. Hashes hold on
machines that round alike, which ``rounding`` tells.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.agents.dispatch.schedule import solve_optimum
from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import NoBoundError
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.experiments.audit.audit import audit
from gridbazaar.market.mechanisms import list_mechanisms
from tests.envs.everything import EVERYTHING, OUTAGES

HASHES = Path(__file__).parent / "golden" / "trajectories" / "hashes.json"
N_ENVS, N_STEPS = 2, 96

WEAR: dict[str, Any] = {
    "battery.ageing.health": (0.8, 1.0), "battery.reserve_frac": 0.2, "battery.converter.k0": 0.0072,
    "battery.ageing.wear": "depth", "prosumer.follow_meter": True, "wind.count": 2, "genset.count": 1,
    "outage.chance": 0.5, "battery.failure.mtbf_h": 300.0, "vpp.failure.mtbf_h": 300.0, "vpp.failure.repair_cur": 3.0,
}  # fmt: skip
"""Options that change the optimum's program."""


def cases() -> dict[str, tuple[str, dict[str, Any]]]:
    """What is played, by name: every scenario, every mechanism, and everything at once."""
    played: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in list_scenarios()}
    played |= {f"street, {m}": ("street", {"mechanism": m}) for m in list_mechanisms()}
    return played | {"everything, called": ("village", EVERYTHING), "everything, cut off": ("village", OUTAGES)}


def bounded() -> dict[str, tuple[str, dict[str, Any]]]:
    """What the optimum is solved for, by name."""
    return {name: (name, {}) for name in list_scenarios() if name != "district"} | {"village, worn": ("village", WEAR)}


def trajectory(name: str) -> dict[str, str]:
    """Play random actions; give hashes of the observations, rewards, bills and meters of all intervals."""
    scenario, overrides = cases()[name]
    core = Core(load_scenario(scenario, **overrides), N_ENVS)
    state, rng = core.reset(7), np.random.default_rng(11)
    seen = {part: hashlib.sha256() for part in ("observations", "rewards", "bills", "meters")}
    for t in range(N_STEPS):
        seen["observations"].update(_bytes(observe(core, state).features))
        state, happened = core.step(state, rng.uniform(-1.1, 1.1, (N_ENVS, core.n_agents, core.n_actions)))
        seen["rewards"].update(_bytes(happened.reward_parts))
        seen["bills"].update(_bytes(happened.money.bill.ucur))
        seen["meters"].update(_bytes(happened.delivery.metered_ukwh))
        if happened.truncated.all():
            state = core.reset(100 + t)
    return {part: found.hexdigest()[:16] for part, found in seen.items()}


def bound(name: str) -> str:
    """Give the cost of the optimum of one episode to the last bit, or why there is none."""
    scenario, overrides = bounded()[name]
    core = Core(load_scenario(scenario, **overrides), 1)
    try:
        return repr(float(solve_optimum(foresight(core, core.reset(3)), core.scenario.step_h).cost_cur[0]))
    except NoBoundError as why:
        return str(why)


def village_root() -> str:
    """Give the last checkpoint's entry count and Merkle root of an audited day of the village."""
    with tempfile.TemporaryDirectory() as folder:
        core = Core("village", 1)
        found = audit(core, load_policy("opportunity_cost"), "opportunity_cost", [0], Path(folder) / "day.db")
    _, size, root, *_ = found.checkpoint.splitlines()
    return f"{size} {root}"


def rounding() -> str:
    """Give a hash that machines share which round sums, products and functions alike."""
    rng, seen = np.random.default_rng(5), hashlib.sha256(np.__version__.encode())
    for n in (1, 7, 24, 96, 333):
        x = rng.random((3, n)) + 0.1
        for y in (np.exp(-x), np.log(x), np.sin(x), np.cos(x), x**2.5, np.sqrt(x), x @ x.T, x.sum(1), x.cumsum(1)):
            seen.update(_bytes(y))
    return seen.hexdigest()[:16]


def _bytes(values: Any) -> bytes:
    return np.asarray(values).tobytes()


def found_now() -> dict[str, Any]:
    """All that the file holds, as this checkout has it."""
    return {
        "rounding": rounding(),
        "trajectories": {name: trajectory(name) for name in cases()},
        "bounds": {name: bound(name) for name in bounded()},
        "village_root": village_root(),
    }


def recorded() -> dict[str, Any]:
    """What the file holds."""
    held: dict[str, Any] = json.loads(HASHES.read_text(encoding="utf-8"))
    return held


def add_new() -> list[str]:
    """Record what is not recorded yet; give its names."""
    held = recorded()
    fresh = [name for name in cases() if name not in held["trajectories"]]
    new_bounds = [name for name in bounded() if name not in held["bounds"]]
    held["trajectories"] |= {name: trajectory(name) for name in fresh}
    held["bounds"] |= {name: bound(name) for name in new_bounds}
    for part, order in (("trajectories", cases()), ("bounds", bounded())):
        held[part] = {name: held[part][name] for name in [*order, *held[part]] if name in held[part]}
    HASHES.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    return fresh + new_bounds


def main() -> None:
    if sys.argv[1:] == ["--add"]:
        print("recorded: " + (", ".join(add_new()) or "nothing, all is there"))
        if rounding() != recorded()["rounding"]:
            print("this machine rounds otherwise than the one that recorded the others: say so in the change")
        return
    found = found_now()
    if sys.argv[1:] == ["--write"]:
        HASHES.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return
    held = recorded()
    moved = [
        f"{part}: {name} is not recorded yet: --add records it"
        for part in ("trajectories", "bounds")
        for name in found[part]
        if name not in held[part]
    ]
    moved += [f"{part}: {name}" for part in ("trajectories", "bounds") for name in held[part]
             if found[part].get(name) != held[part][name]]  # fmt: skip
    moved += [part for part in ("rounding", "village_root") if found[part] != held[part]]
    print("\n".join(moved) if moved else "every bit as recorded")
    raise SystemExit(bool(moved))


if __name__ == "__main__":
    main()
