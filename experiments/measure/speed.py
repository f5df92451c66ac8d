"""Speed: what a step, a reset, an observation, a clearing and a training step cost on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from gridbazaar.data.feeders import load_feeder
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import feature_columns, observe
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.files import versions
from gridbazaar.experiments.fingerprint import processor
from gridbazaar.market.grid.balanced import Grid
from gridbazaar.market.grid.three_phase import ThreePhaseGrid
from gridbazaar.market.mechanisms.uniform_price import uniform_price
from gridbazaar.market.orders import Orders, Setting

SCENARIO = "village"
FLOW_FEEDERS = ("ieee33", "kerber_village")
FIFTY_AGENTS = {"prosumer.count": 26, "battery.count": 8, "ev.count": 12, "vpp.count": 4}
BOOK_SIDES = (16, 500)  # orders on each side of a book
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Speed:
    """One measurement: the median of several repetitions, and the slowest and quickest of them."""

    name: str
    unit: str
    value: float
    low: float
    high: float
    repetitions: int


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure."""

    n_envs: tuple[int, ...] = (1, 64, 1024)
    steps: tuple[int, ...] = (96, 48, 8)  # of each repetition, by number of environments
    repetitions: int = 7
    reset_envs: int = 1024
    flow_rows: int = 1024
    train_repetitions: int = 3
    books: tuple[int, ...] = (4096, 128)  # cleared at once, by size as in ``BOOK_SIDES``


QUICK = Effort(
    n_envs=(1, 16), steps=(16, 8), repetitions=3, reset_envs=16, flow_rows=64, train_repetitions=1, books=(256, 8)
)


def measure_speed(
    effort: Effort | None = None,
    *,
    seed: int = 0,
    training: bool = True,
    tell: Callable[[str], None] = lambda name: None,
) -> list[Speed]:
    """Measure everything.

    Args:
        effort: how long to measure; none: as long as it takes to be trusted.
        seed: of the actions and episodes.
        training: also train a little; left out where the extra ``train`` is not installed.
        tell: called with the name of each measurement before it begins.
    """
    effort = effort or Effort()
    scenario = load_scenario(SCENARIO, **FIFTY_AGENTS)
    found: list[Speed] = []
    for n_envs, n_steps in zip(effort.n_envs, effort.steps, strict=True):
        tell(f"core, {n_envs} environments")
        found += _core(scenario, n_envs, n_steps, effort.repetitions, seed)
    tell(f"reset of {effort.reset_envs} environments")
    found.append(_reset(scenario, effort, seed))
    tell(f"power flow of {effort.flow_rows} rows")
    found += _flows(effort, seed)
    for n_books, side in zip(effort.books, BOOK_SIDES, strict=True):
        tell(f"clearing, {side} x {side} orders")
        found.append(_clearing(n_books, side, effort.repetitions, seed))
    tell("PettingZoo view")
    found.append(_pettingzoo(scenario, effort, seed))
    if training and versions()["stable-baselines3"] != "not installed":
        tell("training by PPO and by gradient")
        found += _trainings(effort, seed)
    tell("import")
    found.append(_import(effort.repetitions))
    return found


def to_json(found: list[Speed], seed: int) -> dict[str, Any]:
    """Give the measurements with what they were made on."""
    return {
        "schema": 1,
        "scenario": SCENARIO,
        "settings": FIFTY_AGENTS,
        "seed": seed,
        "versions": versions(),
        "machine": machine(),
        "speeds": found,
    }


def machine() -> dict[str, Any]:
    """Give the processor, its cores, and the threads that numerical libraries may use."""
    threads = {name: os.environ.get(name, "not set") for name in _THREADS}
    return {"processor": processor(), "cores": os.cpu_count()} | threads


def _speed(name: str, unit: str, values: list[float]) -> Speed:
    return Speed(name=name, unit=unit, value=median(values), low=min(values), high=max(values), repetitions=len(values))


def _core(scenario: Scenario, n_envs: int, n_steps: int, repetitions: int, seed: int) -> list[Speed]:
    """Environment-steps and agent-steps per second, with the observation and without."""
    core = Core(scenario, n_envs)
    rng = np.random.default_rng(seed)
    actions = rng.uniform(-1, 1, (8, n_envs, core.n_agents, core.n_actions))
    out = np.zeros((n_envs, core.n_agents, len(feature_columns(core.scenario))), np.float32)
    first = core.reset(seed)

    def play(look: bool) -> float:
        state, start_s = first, time.perf_counter()
        for t in range(n_steps):
            if look:
                observe(core, state, out)
            state, _ = core.step(state, actions[t % len(actions)])
        return n_envs * n_steps / (time.perf_counter() - start_s)

    play(True)
    found = []
    pairs = [(play(True), play(False)) for _ in range(repetitions)]  # in turns, so that both meet the same load
    for name, rates in zip(("step + observe", "step"), map(list, zip(*pairs, strict=True)), strict=True):
        label = f"{name}, {n_envs} x {core.n_agents} agents"
        found.append(_speed(label, "env-steps/s", rates))
        found.append(_speed(label, "agent-steps/s", [core.n_agents * rate for rate in rates]))
    return found


def _reset(scenario: Scenario, effort: Effort, seed: int) -> Speed:
    core, took_s = Core(scenario, effort.reset_envs), []
    for i in range(effort.repetitions):
        start_s = time.perf_counter()
        core.reset(seed + i * effort.reset_envs)
        took_s.append(time.perf_counter() - start_s)
    return _speed(f"reset, {effort.reset_envs} x {core.n_agents} agents", "s", took_s)


def _flows(effort: Effort, seed: int) -> list[Speed]:
    """AC power flows per second as shipped: loads from half to one and a half of the base load, some of them as PV."""
    rng, n, found = np.random.default_rng(seed), effort.flow_rows, []
    for name in FLOW_FEEDERS:
        feeder = load_feeder(name)
        noise = rng.uniform(0.5, 1.5, (n, feeder.n_buses)) * rng.choice((-1.0, 1.0, 1.0), (n, 1))
        phases: tuple[Any, ...] = ()
        balanced = (noise * feeder.p_kw, noise * feeder.q_kvar)
        if feeder.phases == 3:
            p_kw, q_kvar = ThreePhaseGrid(feeder).base_load()
            phases = (noise[:, :, None] * p_kw, noise[:, :, None] * q_kvar)
        for dtype in (np.float64, np.float32):
            of_type = np.dtype(dtype).name
            label = f"power flow, {feeder.n_buses + 1} buses, batch of {n}, {of_type}"
            found.append(_speed(label, "flows/s", _flow_rates(Grid(feeder, dtype=dtype), balanced, effort)))
            if phases:
                rates = _flow_rates(ThreePhaseGrid(feeder, dtype=dtype), phases, effort)
                found.append(_speed(f"three-phase {label}", "flows/s", rates))
    return found


def _flow_rates(grid: Grid | ThreePhaseGrid, loads: tuple[Any, ...], effort: Effort) -> list[float]:
    p_kw, q_kvar = (x.astype(grid.dtype) for x in loads)
    grid.solve(p_kw, q_kvar)
    rates = []
    for _ in range(effort.repetitions):
        start_s = time.perf_counter()
        grid.solve(p_kw, q_kvar)
        rates.append(len(p_kw) / (time.perf_counter() - start_s))
    return rates


def _clearing(n_books: int, side: int, repetitions: int, seed: int) -> Speed:
    """Order books per second through the default mechanism, without a retailer."""
    rng = np.random.default_rng(seed)
    orders = Orders(
        energy_ukwh=rng.integers(1, 5_000_000, (n_books, 2 * side)) * np.where(np.arange(2 * side) < side, 1, -1),
        limit_ucur_per_kwh=rng.integers(50_000, 350_000, (n_books, 2 * side)),
        agent=np.arange(2 * side),
        bus=np.zeros(2 * side, dtype=np.int64),
    )
    rates = []
    for _ in range(repetitions + 1):
        start_s = time.perf_counter()
        uniform_price(orders, Setting())
        rates.append(n_books / (time.perf_counter() - start_s))
    return _speed(f"uniform_price, {side} x {side} orders, {n_books} at once", "books/s", rates[1:])


def _pettingzoo(scenario: Scenario, effort: Effort, seed: int) -> Speed:
    from gridbazaar.envs.views.pettingzoo_env import parallel_env

    env = parallel_env(scenario)
    rng = np.random.default_rng(seed)
    actions = {agent: rng.uniform(-1, 1, 2).astype(np.float32) for agent in env.possible_agents}
    rates = []
    for i in range(effort.repetitions + 1):
        env.reset(seed=seed + i)
        start_s = time.perf_counter()
        for _ in range(effort.steps[0]):
            env.step(actions)
        rates.append(effort.steps[0] / (time.perf_counter() - start_s))
    return _speed(f"PettingZoo view, {len(env.possible_agents)} agents", "env-steps/s", rates[1:])


def _trainings(effort: Effort, seed: int) -> list[Speed]:
    """Agent-steps per second of CPU while PPO and the gradient play and learn, in turns, on a thread; no validation."""
    from gridbazaar.experiments.training.learners import learner

    n_envs, names = 16, ("ppo", "gradient")
    scenario = load_scenario(SCENARIO, **FIFTY_AGENTS)
    rollout = n_envs * len(scenario.agent_names) * scenario.n_steps
    common = {"scenario": SCENARIO, "overrides": FIFTY_AGENTS, "n_envs": n_envs, "seed": seed, "validate_seeds": 0}
    ends = {"ppo": {"steps": 2 * rollout, "checkpoint_rollouts": 10**6}, "gradient": {"updates": 3}}

    def rate(algo: str) -> float:
        seen: list[tuple[int, float]] = []

        def report(steps: int, of: int, latest: dict[str, float]) -> None:
            seen.append((steps, time.process_time()))

        table, train = learner(algo)
        with tempfile.TemporaryDirectory() as folder:
            train(table(**common, **ends[algo]), Path(folder) / "run", report=report)
        each = [(b - a) / (late_s - soon_s) for (a, soon_s), (b, late_s) in pairwise(seen) if b > a]
        return median(each)

    found = [[rate(name) for name in names] for _ in range(effort.train_repetitions)]
    rates = {name: [turn[i] for turn in found] for i, name in enumerate(names)}
    sizes = f"{n_envs} x {len(scenario.agent_names)} agents"
    ratios = [turn[1] / turn[0] for turn in found]
    return [
        _speed(f"PPO training, {sizes}", "agent-steps/CPU s", rates["ppo"]),
        _speed(f"gradient training, {sizes}", "agent-steps/CPU s", rates["gradient"]),
        _speed("gradient over PPO", "times", ratios),
    ]


def _import(repetitions: int) -> Speed:
    """Seconds of ``import gridbazaar`` in a new process."""
    probe = "import time; t = time.perf_counter(); import gridbazaar; print(time.perf_counter() - t)"
    took_s = []
    for _ in range(repetitions):
        answer = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
        took_s.append(float(answer.stdout))
    return _speed("import gridbazaar", "s", took_s)
