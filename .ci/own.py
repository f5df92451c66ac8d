"""One of each of a user's own, in an empty folder: used from the command line and from Python, and wrong ones refused.

Usage: python own.py [COMMAND ...], in an empty folder; COMMAND is the command line, ``gridbazaar`` beside python else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gridbazaar as gb

COMMAND = sys.argv[1:] or [str(Path(sys.executable).with_name("gridbazaar"))]

FILES = {
    "mine.py": '''
import numpy as np

class Mine:
    """Charges whatever can be charged, at half power."""

    needs_forecasts = False
    needs_foresight = False

    def start(self, community, rng, episode=None):
        return community.n_actions

    def act(self, observation, memory):
        action = np.zeros((*observation.mask.shape, memory))
        action[..., 0] = 0.5 * observation.mask
        return action, memory
''',
    "rule.py": '''
from gridbazaar.market.mechanisms.posted_price import posted_price

STAGE = "ex_ante"
PROMISES = frozenset({"balanced", "no_deficit", "limits"})

def rule(orders, setting, *, cur_per_kwh: float = 0.2):
    """Whoever agrees with a price trades at it."""
    return posted_price(orders, setting, price_cur_per_kwh=cur_per_kwh)
''',
    "cheap.toml": """
title = "cheap"
energy_cur_per_kwh = 0.10
network_cur_per_kwh = 0.05
export_cur_per_kwh = 0.04
""",
    "fan.py": """
from dataclasses import dataclass

import numpy as np

from gridbazaar.agents.kind import Draw, Kind, Meters, Moved, Now, view_without_storage
from gridbazaar.agents.program import Program
from gridbazaar.data.arrays import Array
from gridbazaar.data.units import from_micro, to_micro_towards_zero

@dataclass(frozen=True, slots=True)
class Config:
    count: int = 1
    power_kw: float = 0.5

@dataclass(frozen=True, slots=True)
class Params:
    power_kw: Array

@dataclass(frozen=True, slots=True)
class Fans:
    ran_kwh: Array

def draw(config, draw: Draw):
    return Params(np.full((len(draw.keys), config.count), config.power_kw))

def start(params):
    return Fans(0.0 * params.power_kw)

def view(device, params, now: Now):
    none = 0.0 * params.power_kw
    return view_without_storage(firm_kw=none, low_kw=none, high_kw=params.power_kw, power_kw=params.power_kw, now=now)

def move(meters: Meters, plan, view, device, params, now: Now):
    drawn = to_micro_towards_zero(meters.device_kw * now.series.step_h)
    return Moved(Fans(device.ran_kwh + from_micro(drawn)), 0 * drawn, drawn, load_kwh=from_micro(drawn))

def program(params, device, n_steps, step_h):
    return Program(uncovered=("fans",))

KIND = Kind(Config, draw, start, view, move, program)
""",
    "wish.py": '''
def reward(happened):
    """Minus what is drawn."""
    return -happened.delivery.metered_ukwh / 1e6
''',
    "world.toml": """
title = "two homes and fans"
feeder = "street"
hours = 6.0
tariff = "cheap.toml"
[prosumer]
count = 2
[fan]
count = 2
""",
    "names_code.toml": 'mechanism = "rule.py"\nhours = 6.0\n[prosumer]\ncount = 2\n',
    "bad_policy.py": "class Bad:\n    needs_forecasts = False\n    def act(self, seen, memory):\n        return 1, 2\n",
    "bad_rule.py": "PROMISES = frozenset()\ndef bad_rule(orders, setting):\n    return None\n",
    "bad_tariff.toml": 'title = "bad"\nenergy = 0.2\n',
    "bad_kind.py": "from gridbazaar.agents.kind import Kind\nKIND = Kind(int, None)\n",
    "bad_reward.py": "import numpy as np\ndef reward(happened):\n    return np.full((1, 1), np.nan)\n",
    "bad_world.toml": 'title = "bad"\nnobody = 3\n',
}
OWN = ["--set", "kinds.fan=fan.py", "--set", "mechanism=rule.py", "--set", "mechanism_options.cur_per_kwh=0.12"]
WRONG = {
    ("bad_policy.py", "lacks", "start("): ["street", "--policies", "bad_policy.py"],
    ("bad_rule", "bad_rule.py", "lacks STAGE"): ["street", "--set", "mechanism=bad_rule.py"],
    ("bad_tariff.toml", "unknown field", "energy"): ["street", "--set", "tariff=bad_tariff.toml"],
    ("kind 'bad_kind'", "bad_kind.py", "missing", "'program'"): ["street", "--set", "kinds.bad_kind=bad_kind.py"],
    ("bad_reward.py", "[n_envs, n_agents]", "[1, 1]"): ["street", "--set", "reward.function=bad_reward.py"],
    ("bad_world.toml", "nobody"): ["bad_world.toml"],
    ("names_code.toml", "mechanism", "rule.py", "--allow-code"): ["names_code.toml"],
}


def run(*arguments: str, code: int = 0) -> str:
    """What the command line says; another exit code than expected ends the check."""
    answer = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120)
    if answer.returncode != code:
        sys.exit(f"{' '.join(arguments)} ended with {answer.returncode}:\n{answer.stdout}{answer.stderr}")
    return answer.stdout + answer.stderr


def main() -> None:
    for name, text in FILES.items():
        Path(name).write_text(text.lstrip("\n"), encoding="utf-8")
    few = ["--seeds", "2"]
    said = run(
        "evaluate", "world.toml", *OWN, "--set", "reward.function=wish.py", "--policies", "me=mine.py:Mine", *few
    )
    assert "me " in said, said
    assert "fan" in said, said
    run("evaluate", "names_code.toml", "--allow-code", "--policies", "idle", *few)
    run("compare", "street", "--tariffs", "flat,cheap.toml", "--policies", "mine.py", *few, "--out", "compared")
    book = Path("book.csv")
    book.write_text("side,kwh,price\nbuy,1,0.3\nsell,1,0.1\n", encoding="utf-8")
    assert "0.2" in run("clear", "rule.py", "book.csv")

    seen = ["--set", "observe.public=false", "--set", "observe.ahead_h=2", "--set", "observe.last=1"]
    run("rollout", "world.toml", *OWN, *seen, "--policy", "mine.py", "--episodes", "2", "--out", "kept.npz")
    kept = gb.read_rollout("kept.npz")
    assert kept.rewards.shape == (2, 24, 4), kept.rewards.shape
    assert "own_ahead_1" in kept.origin.features, kept.origin.features
    assert kept.origin.code is not None, kept.origin
    assert "#sha256=" in kept.origin.code, kept.origin

    namespace: dict[str, object] = {}
    exec(FILES["mine.py"], namespace)
    policy = namespace["Mine"]
    found = gb.evaluate(
        "world.toml", {"object": policy(), "path": "mine.py"}, seeds=2, mechanism="rule.py",  # type: ignore[operator]
        kinds={"fan": "fan.py"}, reward=lambda happened: -happened.delivery.metered_ukwh / 1e6,
    )  # fmt: skip
    assert [r.policy for r in found.results] == ["idle", "object", "path"]
    assert (found.result("object").scored_cur == found.result("path").scored_cur).all()
    gb.check_policy("mine.py")
    gb.check_mechanism("rule.py")
    gb.check_kind("fan.py")
    env = gb.parallel_env("world.toml", kinds=["fan.py"], mechanism="rule.py")
    env.reset(seed=0)
    _, rewards, *_ = env.step({agent: env.action_space(agent).sample() for agent in env.agents})
    assert set(rewards) == {"prosumer_0", "prosumer_1", "fan_0", "fan_1"}

    for expected, arguments in WRONG.items():
        said = run("evaluate", *arguments, "--seeds", "1", code=2)
        missing = [word for word in expected if word not in said]
        assert not missing, f"{arguments}: expected {missing} in:\n{said}"
    print(f"one of each of a user's own is used, {len(WRONG)} wrong ones are refused")


if __name__ == "__main__":
    main()
