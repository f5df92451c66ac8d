"""Homes that answer tariffs by themselves, each alone behind its meter: what their meters count under each.

Rows of a batch are homes under tariffs, side by side, and one policy acts for all of them; tariffs that bill by the
month are followed in a batch of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import widened
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.side_by_side import joined, side_by_side
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.workers import Workers, each

Ints = NDArray[np.int64]


class Batch(NamedTuple):
    """What is stepped together."""

    scenarios: tuple[Scenario, ...]  # that differ in their tariff alone
    policy: str
    n_rows: int  # of each: episodes 0, 1, ...


def answered_ukwh(
    scenarios: Sequence[Scenario], policy: str, n_rows: int, workers: Workers | None = None,
    done: Callable[[int], None] = lambda n: None,
) -> Ints:  # fmt: skip
    """Play the episodes 0 to ``n_rows`` under each scenario, and give what every meter counted.

    Args:
        scenarios: that differ in their tariff alone.
        policy: name of a rule, of all agents; it acts on all rows at once.
        n_rows: of each scenario.
        workers: who does it; none: this process.
        done: called with how many scenarios are done.

    Returns:
        [n_scenarios, n_rows, n_agents, n_steps] micro-kWh, > 0 is drawn.

    Raises:
        ValueError: the policy needs to know what comes, which no rule does.
    """
    if load_policy(policy).needs_foresight:
        raise ValueError(f"policy: expected one that knows no more than the homes do, got {policy}")
    batches = _batches(scenarios, policy, n_rows)
    counts = [len(batch.scenarios) for _, batch in batches]
    finished: list[int] = []

    def tell(i: int) -> None:
        finished.append(counts[i])
        done(sum(finished))

    played = each(_played, [batch for _, batch in batches], workers, tell)
    found: dict[int, Ints] = {}
    for (places, _), metered in zip(batches, played, strict=True):
        found |= dict(zip(places, metered, strict=True))
    return np.stack([found[i] for i in range(len(scenarios))])


def _batches(scenarios: Sequence[Scenario], policy: str, n_rows: int) -> list[tuple[list[int], Batch]]:
    """Part the scenarios, with their places; those together first, which take longest."""
    alone = [i for i, scenario in enumerate(scenarios) if scenario.bills_by_month]
    together = [i for i in range(len(scenarios)) if i not in alone]
    places = [*([together] if together else []), *([i] for i in alone)]
    return [(of, Batch(tuple(scenarios[i] for i in of), policy, n_rows)) for of in places]


def _played(batch: Batch) -> Ints:
    """[n_scenarios, n_rows, n_agents, n_steps]."""
    cores = [Core(scenario, batch.n_rows) for scenario in batch.scenarios]
    states = [core.reset(np.arange(batch.n_rows)) for core in cores]
    core, state = (cores[0], states[0]) if len(cores) == 1 else (side_by_side(cores), joined(cores, states))
    policy = load_policy(batch.policy)
    memory: Any = policy.start(community_of(core, state), np.random.default_rng(core.scenario.seed))
    metered = np.zeros((core.n_steps, core.n_envs, core.n_agents), np.int64)
    for t in range(core.n_steps):
        action, memory = policy.act(observe(core, state, forecasts=policy.needs_forecasts), memory)
        state, happened = core.step(state, widened(action, core.n_actions))
        metered[t] = happened.delivery.metered_ukwh
    return metered.transpose(1, 2, 0).reshape(len(cores), batch.n_rows, core.n_agents, core.n_steps)
