"""A rollout: what agents saw, did and got in every interval of some episodes, and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.by_hand import beside_by_hand
from gridbazaar.agents.policies import SORT, is_own, load_policy
from gridbazaar.agents.policy import Policy, widened
from gridbazaar.data.registry import name_of, stated
from gridbazaar.envs.contract import check_own_kinds, check_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.interval.reward import PARTS
from gridbazaar.envs.observe import feature_columns
from gridbazaar.envs.safety import COSTS, safety_costs
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.batch import Batch, agent_widths, check_split, results
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.files import to_json, versions

SCHEMA = 1
_BATCH_BYTES, _MOST_AT_ONCE = 1 << 26, 64
_TRIED = 3  # intervals that a policy of a user's own plays before anything is recorded


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a rollout comes from, and what its columns are called."""

    scenario: Mapping[str, Any]  # its fields; ``envs.scenarios.scenario_of`` makes it again
    policy: str
    code: str | None  # name and hash of a policy of a user's own; none: it ships, or is a training run
    split: str
    agents: tuple[str, ...]
    kinds: tuple[str, ...]  # of each agent
    features: tuple[str, ...]  # of an observation
    actions: Mapping[str, tuple[str, ...]]  # components by kind; those that a kind does not have are 0
    costs: tuple[str, ...]
    parts: tuple[str, ...]  # of the reward
    versions: Mapping[str, str]
    command: str | None = None
    schema: int = SCHEMA

    def to_json(self) -> str:
        """Give the text that ``origin_of`` reads."""
        return to_json(asdict(self))


@dataclass(frozen=True, slots=True)
class Rollout:
    """Episodes of one length. What was seen has one more step than what was done: that after the last interval.

    Actions are rounded to float32 and played so; another play of them, through any view, gives the same arrays.
    """

    origin: Origin
    episodes: NDArray[np.int64]  # [n_episodes] their numbers in the split
    observations: NDArray[np.float32]  # [n_episodes, n_steps + 1, n_agents, n_features]
    active: NDArray[np.bool_]  # [n_episodes, n_steps + 1, n_agents] whether the agent has something to decide
    actions: NDArray[np.float32]  # [n_episodes, n_steps, n_agents, n_actions] in [-1, 1]
    rewards: NDArray[np.float64]  # [n_episodes, n_steps, n_agents], as all below unless said
    costs: NDArray[np.float64]  # [..., n_costs] >= 0, see ``envs.safety.COSTS``
    terminations: NDArray[np.bool_]  # false: episodes end by truncation
    truncations: NDArray[np.bool_]
    executed: NDArray[np.float64]  # [..., n_actions] of the action, what could be done
    clipped: NDArray[np.int64]  # components that the policy gave beyond [-1, 1]
    reward_parts: NDArray[np.float64]  # [..., n_parts]
    bill_cur: NDArray[np.float64]
    net_kwh: NDArray[np.float64]
    traded_kwh: NDArray[np.float64]
    price_cur_per_kwh: NDArray[np.float64]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all arrays by their names."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "origin"}


ARRAYS = tuple(f.name for f in fields(Rollout) if f.name != "origin")


def origin_of(text: str) -> Origin:
    """Read what ``Origin.to_json`` wrote.

    Raises:
        ValueError: it is none, or of a later version.
    """
    try:
        held = json.loads(text)
        if held["schema"] != SCHEMA:
            raise ValueError(f"schema {held['schema']}, this version reads {SCHEMA}")
        names = {n: tuple(held[n]) for n in ("agents", "kinds", "features", "costs", "parts")}
        actions = {kind: tuple(components) for kind, components in held["actions"].items()}
        return Origin(**(held | names | {"actions": actions}))
    except (TypeError, KeyError, AttributeError, RecursionError, ValueError) as error:
        raise ValueError(f"expected the origin of a rollout, {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Plan:
    """A rollout before it is played: all that can be wrong with it has been found."""

    scenario: Scenario
    policy: Policy
    numbers: tuple[int, ...]
    origin: Origin
    n_at_once: int

    @property
    def n_bytes(self) -> int:
        """What its arrays will take."""
        o, n_steps = self.origin, self.n_steps
        width = max(map(len, o.actions.values()))
        seen = (n_steps + 1) * (4 * len(o.features) + 1)
        done = n_steps * (12 * width + 8 * (len(o.costs) + len(o.parts)) + 50)
        return len(self.numbers) * len(o.agents) * (seen + done)

    @property
    def n_steps(self) -> int:
        return self.scenario.n_steps


def plan_rollout(
    scenario: Scenario | str,
    policy: Any,
    episodes: int | Sequence[int],
    *,
    split: str = "train",
    allow_code: bool = False,
    command: str | None = None,
    **overrides: Any,
) -> Plan:
    """Find all that is wrong before anything is played; arguments as of ``rollout``."""
    chosen = load_scenario(scenario, allow_code=allow_code, **overrides)
    numbers = tuple(range(episodes)) if isinstance(episodes, int) else tuple(int(n) for n in episodes)
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise ValueError(f"episodes: expected at least one, or different numbers >= 0, got {episodes!r}")
    check_split(split)
    check_own_kinds(chosen)
    loaded = load_policy(policy, allow_code=allow_code)
    if is_own(policy):
        check_policy(policy, chosen, steps=_TRIED)
    core = Core(chosen, 1)
    features = tuple(c.name for c in feature_columns(chosen))
    origin = Origin(
        scenario=json.loads(to_json(asdict(chosen))),
        policy=name_of(policy) if is_own(policy) else str(policy),
        code=stated(policy, SORT) if is_own(policy) else None,
        split=split,
        agents=core.agents,
        kinds=tuple(map(chosen.agent_kind, core.agents)),
        features=features,
        actions={kind: tuple(c.name for c in columns) for kind, columns in core.action_columns.items()},
        costs=COSTS,
        parts=PARTS,
        versions=versions(),
        command=command,
    )
    one = (core.n_steps + 1) * core.n_agents * len(features) * 4
    return Plan(chosen, loaded, numbers, origin, max(1, min(_MOST_AT_ONCE, _BATCH_BYTES // one)))


def rollout(
    scenario: Scenario | str,
    policy: Any,
    episodes: int | Sequence[int] = 10,
    *,
    split: str = "train",
    allow_code: bool = False,
    **overrides: Any,
) -> Rollout:
    """Let a policy play episodes and keep every transition.

    Args:
        scenario: a scenario or its name, with ``overrides``.
        policy: of all agents: a name, the folder of a training run, a path or an object, see ``load_policy``.
        episodes: how many (0, 1, ...), or their numbers in the split.
        split: train, validation or test; what is learned from test episodes says nothing on them.
        allow_code: as of ``evaluate``.
    """
    plan = plan_rollout(scenario, policy, episodes, split=split, allow_code=allow_code, **overrides)
    return joined(list(played(plan)))


def joined(parts: Sequence[Rollout]) -> Rollout:
    """Put episodes of one origin together."""
    arrays: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in parts]) for name in ARRAYS}
    return replace(parts[0], **arrays)


def played(plan: Plan, tick: Callable[[], None] | None = None) -> Iterator[Rollout]:
    """Play a plan, a few episodes at once.

    Args:
        plan: what to play.
        tick: called after every interval of every such batch, for progress.
    """
    for first in range(0, len(plan.numbers), plan.n_at_once):
        yield _played(plan, plan.numbers[first : first + plan.n_at_once], tick)


def _played(plan: Plan, numbers: tuple[int, ...], tick: Callable[[], None] | None) -> Rollout:
    core, policy = Core(plan.scenario, len(numbers)), plan.policy
    batch = Batch(core, split=plan.origin.split, forecasts=policy.needs_forecasts)
    batch.reset(numbers)
    rng = np.random.default_rng(np.random.SeedSequence([core.scenario.seed, *numbers]))
    ahead = foresight(core, batch.state) if policy.needs_foresight else None
    community = community_of(core, batch.state)
    policy = beside_by_hand(policy, community)
    memory = policy.start(community, rng, ahead)
    n_agents, n_actions = core.n_agents, core.n_actions
    seen = {
        "observations": np.zeros((len(numbers), core.n_steps + 1, n_agents, len(plan.origin.features)), np.float32),
        "active": np.zeros((len(numbers), core.n_steps + 1, n_agents), bool),
    }
    done: dict[str, list[Any]] = {name: [] for name in ARRAYS if name not in (*seen, "episodes")}
    spare = np.arange(n_actions) >= agent_widths(core)[:, None]
    for t in range(core.n_steps):
        seen["observations"][:, t], seen["active"][:, t] = batch.features(), batch.seen.mask
        chosen, memory = policy.act(batch.seen, memory)
        given = np.where(spare, 0.0, widened(chosen, n_actions))
        action = np.clip(given, -1.0, 1.0).astype(np.float32)
        happened = batch.step(action.astype(np.float64))
        found = results(happened, batch.seen, given, batch.columns)
        ends = np.repeat(happened.truncated[:, None], n_agents, axis=1)
        found |= {
            "actions": action, "rewards": happened.reward, "costs": safety_costs(core, happened),
            "terminations": np.zeros_like(ends), "truncations": ends,
        }  # fmt: skip
        for name, values in done.items():
            values.append(found[name])
        if tick is not None:
            tick()
    seen["observations"][:, -1], seen["active"][:, -1] = batch.features(), batch.seen.mask
    return Rollout(
        origin=plan.origin, episodes=np.array(numbers, np.int64), **seen,
        **{name: np.stack(values, axis=1) for name, values in done.items()},
    )  # fmt: skip
