"""A search for policies that score above the bound: random play, and rules that some agents leave some of the time.

    python -m tests.bound_search                plays 20,000 candidates over all worlds; exits with 1 if one is above
    python -m tests.bound_search 2000 street    fewer, in the worlds whose name holds a word

Every candidate is a whole episode. The table shows of each world how near the best one came.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridbazaar.agents.dispatch.schedule import Schedule
from gridbazaar.agents.policies import load_policy, optimum
from gridbazaar.agents.policy import NoBoundError, Observation
from gridbazaar.data.trees import mapped
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.experiments.evaluation.bound import bound_of
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.mechanisms import list_mechanisms

BASES = ("idle", "self_consumption", "opportunity_cost", "price_threshold", "optimum")
BATCH = 100
HOURS = {"village": 8.0, "blackout": 12.0, "ageing": 8.0, "workplace": 8.0, "winter": 1.0, "district": 1.0}
"""Of the larger scenarios, what is played of a day."""

NEGATIVE: dict[str, Any] = {"tariff_options.energy_cur_per_kwh": -0.45, "tariff_options.export_cur_per_kwh": -0.3}
FULL: dict[str, Any] = {"connection.import_over_load": 0.7, "connection.export_over_load": 0.4}
THIN: dict[str, Any] = {"prosumer.pv_kwp": 60.0, "battery.capacity_kwh": 300.0, "constraint": "curtail"}
OPTIONS: dict[str, dict[str, Any]] = {
    "prices below zero": NEGATIVE,
    "below zero, lossy": NEGATIVE | {"battery.eta_ch": 0.7, "battery.eta_dis": 0.7, "battery.wear_cur_per_kwh": 0.0},
    "below zero, converters": NEGATIVE | {"battery.converter.k0": 0.02, "battery.converter.k2": 0.05,
                                          "battery.ageing.fades": True},
    "full connection": FULL,
    "full connection, amm": FULL | {"mechanism": "amm"},
    "full connection, nodal": FULL | {"mechanism": "nodal", "constraint": "nodal"},
    "full connection, mid-market rate": FULL | {"mechanism": "mid_market_rate"},
    "follows the meter": {"prosumer.follow_meter": True},
    "follows the meter, full": FULL | {"prosumer.follow_meter": True},
    "wind and engines": {"wind.count": 2, "genset.count": 1},
    "wind, below zero": NEGATIVE | {"wind.count": 2},
    "thin wires": THIN,
    "thin wires, below zero": THIN | NEGATIVE,
    "thin wires, nodal": THIN | {"mechanism": "nodal", "constraint": "nodal"},
    "voltage": {"prosumer.pv_kwp": 40.0, "inverter.response": "ieee_1547_b"} | NEGATIVE,
    "outages": {"outage.chance": 1.0, "outage.lines_per_year": 400.0, "battery.grid_forming": True},
    "outages, full": FULL | {"outage.chance": 1.0, "outage.mean_h": 6.0},
    "cars without a guarantee": {"ev.guarantee": False, "ev.count": 3},
    "perfect forecasts": {"forecast": "perfect"},
    "community rewards": {"reward.whose": "community", "reward.unserved_cur_per_kwh": 0.2},
}  # fmt: skip


def worlds() -> dict[str, tuple[str, dict[str, Any]]]:
    """What is searched, by name: every scenario with every rule that it may have, and options that move the bound."""
    named: dict[str, tuple[str, dict[str, Any]]] = {}
    for scenario in list_scenarios():
        usual = load_scenario(scenario)
        part = {"hours": HOURS.get(scenario, usual.hours)}
        rules = list_mechanisms() if not usual.call.happens else [usual.mechanism]
        for rule in rules:
            named[f"{scenario}, {rule}"] = (scenario, part | {"mechanism": rule})
        if not usual.outage.happens:
            named[f"{scenario}, nodal wires"] = (scenario, part | {"mechanism": "nodal", "constraint": "nodal"})
    named |= {f"street, {name}": ("street", given) for name, given in OPTIONS.items()}
    return named


class Deviating:
    """Rows play different rules; in each some agents do something else at random, some of the time.

    Args:
        schedule: of the optimum, as one of the rules.
        rng: draws who deviates when, and to what.
    """

    needs_forecasts = True
    needs_foresight = True

    def __init__(self, schedule: Schedule, rng: np.random.Generator) -> None:
        self._rng = rng
        self._rules = [optimum.Policy(schedule) if name == "optimum" else load_policy(name) for name in BASES]

    def start(self, community: Any, rng: np.random.Generator, episode: Any = None) -> Any:
        memories = [p.start(community, rng, episode if p.needs_foresight else None) for p in self._rules]
        return memories, None, community.n_actions

    def act(self, observation: Observation, memory: Any) -> tuple[Any, Any]:
        memories, plan, n_actions = memory
        rng = self._rng
        n_envs, n_agents = observation.view.firm_kw.shape
        if plan is None:
            plan = (np.arange(n_envs) % len(BASES), rng.choice([0.02, 0.2, 1.0], n_envs),
                    rng.random((n_envs, n_agents)) < rng.choice([0.1, 0.5, 1.0], (n_envs, 1)))  # fmt: skip
        which, rate, deviates = plan
        action = np.zeros((n_envs, n_agents, n_actions))
        kept = []
        for i, (rule, held) in enumerate(zip(self._rules, memories, strict=True)):
            chosen, held = rule.act(observation, held)
            kept.append(held)
            action[which == i, :, : chosen.shape[2]] = chosen[which == i]
        other: Any = rng.uniform(-1.0, 1.0, action.shape)
        other = np.where(rng.random((n_envs, 1, 1)) < 0.5, np.sign(other), other)
        now = deviates & (rng.random((n_envs, n_agents)) < rate[:, None])
        return np.where(now[..., None], other, action), (kept, plan, n_actions)


@dataclass(frozen=True, slots=True)
class Found:
    """The best of the candidates."""

    n: int
    bound_cur: float
    best_cur: float
    idle_cur: float
    margin_cur: float  # of the nearest candidate over the bound less what rounding may do; < 0 is above the bound


def search(scenario: str, overrides: dict[str, Any], n: int, seed: int = 0, **more: Any) -> Found:
    """Play ``n`` candidates on one episode.

    Raises:
        NoBoundError: there is none.
    """
    world = load_scenario(scenario, **(overrides | more))
    rng = np.random.default_rng(seed)
    found = [_batch(Core(world, min(BATCH, n - i)), seed, rng) for i in range(0, n, BATCH)]
    return Found(
        n=n,
        bound_cur=found[0].bound_cur,
        best_cur=min(f.best_cur for f in found),
        idle_cur=found[0].idle_cur,
        margin_cur=min(f.margin_cur for f in found),
    )


def _batch(core: Core, seed: int, rng: np.random.Generator) -> Found:
    one = Core(core.scenario, 1)
    bound = bound_of(one, one.reset([seed], split="test"))
    seeds = np.full(core.n_envs, seed)
    schedule, ahead = (
        mapped(x, lambda row: np.repeat(row, core.n_envs, axis=0)) for x in (bound.schedule, bound.ahead)
    )
    played = play(core, Deviating(schedule, rng), seeds, split="test", ahead=ahead)
    cost_cur = played.tally.scored_cur
    idle_cur = play(one, load_policy("idle"), [seed], split="test").tally.scored_cur
    least = float(bound.cost_cur[0] - bound.rounding_cur[0])
    return Found(
        n=core.n_envs,
        bound_cur=float(bound.cost_cur[0]),
        best_cur=float(cost_cur.min()),
        idle_cur=float(idle_cur[0]),
        margin_cur=float(min(cost_cur.min(), idle_cur[0])) - least,
    )


def main() -> None:
    words = sys.argv[1:]
    total = int(words.pop(0)) if words and words[0].isdigit() else 20_000
    chosen = {name: world for name, world in worlds().items() if all(w in name for w in words)}
    beaten, played = [], 0
    print(f"{'world':44} {'episodes':>8} {'bound':>9} {'best':>9} {'idle':>9} {'margin':>9}", flush=True)
    for i, (name, (scenario, overrides)) in enumerate(chosen.items()):
        try:
            found = search(scenario, overrides, max((total - played) // (len(chosen) - i), 1), seed=i)
        except (NoBoundError, ValueError) as why:
            print(f"{name:44} {why}", flush=True)
            continue
        played += found.n
        costs = (found.bound_cur, found.best_cur, found.idle_cur, found.margin_cur)
        print(f"{name:44} {found.n:8d} " + " ".join(f"{c:9.3f}" for c in costs), flush=True)
        beaten += [name] * (found.margin_cur < 0)
    print(f"{played} candidates; above the bound in: {', '.join(beaten) or 'none'}")
    raise SystemExit(bool(beaten))


if __name__ == "__main__":
    main()
