"""Play episodes with a policy and tally them; optionally keep every transition of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.by_hand import beside_by_hand
from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import Foresight, Policy, widened
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.state import State, Transition
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.evaluation.metrics import Tally


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a batch of episodes."""

    tally: Tally
    transitions: tuple[Transition, ...]  # empty unless asked for
    states: tuple[State, ...]  # before each transition; empty unless asked for


def play(
    core: Core,
    policy: Policy,
    seeds: Sequence[int] | NDArray[np.int64],
    *,
    split: str = "test",
    keep: bool = False,
    state: State | None = None,
    ahead: Foresight | None = None,
    record: Callable[[Transition], None] | None = None,
    tick: Callable[[], None] | None = None,
) -> Played:
    """Play one episode a seed, all at once.

    Args:
        core: a core with as many environments as there are seeds.
        policy: the policy of all agents but those of customers without automation.
        seeds: numbers of the episodes in their split.
        split: train, validation or test.
        keep: also keep every transition.
        state: the beginning of these episodes, if it is at hand; else they are drawn.
        ahead: the foresight of these episodes, if it is at hand; else made where the policy needs it.
        record: called with every transition, as it happens.
        tick: called after every interval, for progress.
    """
    state = core.reset(np.asarray(seeds, np.int64), split=split) if state is None else state
    if policy.needs_foresight and ahead is None:
        ahead = foresight(core, state)
    rng = np.random.default_rng(np.random.SeedSequence([core.scenario.seed, *map(int, seeds)]))
    community = community_of(core, state)
    policy = beside_by_hand(policy, community)
    memory = policy.start(community, rng, ahead if policy.needs_foresight else None)
    tally, transitions, states = Tally(core, state), [], []
    for _ in range(core.n_steps):
        seen = observe(core, state, forecasts=policy.needs_forecasts)
        action, memory = policy.act(seen, memory)
        action = widened(action, core.n_actions)
        if keep:
            states.append(state)
        state, happened = core.step(state, action)
        tally.add(happened)
        if keep:
            transitions.append(happened)
        if record is not None:
            record(happened)
        if tick is not None:
            tick()
    return Played(tally, tuple(transitions), tuple(states))


def play_episode(
    scenario: Scenario,
    policies: Mapping[str, Any],
    episode: int,
    *,
    split: str = "test",
    allow_code: bool = False,
    tick: Callable[[], None] | None = None,
) -> dict[str, Played]:
    """Play one episode with each policy, every transition kept.

    Args:
        scenario: where.
        policies: by label, as ``load_policy`` takes them.
        episode: its number in the split.
        split: train, validation or test.
        allow_code: as for ``load_policy``.
        tick: called after every interval, for progress.
    """
    core = Core(scenario, 1)
    loaded = {label: load_policy(source, allow_code=allow_code) for label, source in policies.items()}
    return {label: play(core, policy, [episode], split=split, keep=True, tick=tick) for label, policy in loaded.items()}
