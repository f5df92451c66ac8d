"""A start by imitation: before it learns, a learner is shown what another policy does, and is fitted to that.

The teacher plays the first training episodes of the run, never those of validation or test. Then the learner plays
further ones, and the teacher is asked what it would have done there: only so does one learn what to do after its own
mistakes (DAgger, Ross et al. 2011). A teacher that plans a whole episode beforehand, the optimum, can be asked on its
own path alone, and has the foresight of these episodes; what is learned of it sees what the learner always sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.by_hand import beside_by_hand
from gridbazaar.agents.policies import list_policies, load_policy
from gridbazaar.agents.policy import Community, NoBoundError, Observation, Policy, widened
from gridbazaar.data.arrays import Array
from gridbazaar.data.bounds import CountFromOne, Within
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.state import State
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.training.folder import EPISODES_A_SEED

NONE = "none"
"""In place of a teacher: the learner begins with what it draws."""
_ROUNDS = 3
_SIDE_BY_SIDE = 16
"""Episodes that are played at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartConfig:
    """How a run begins; part of every configuration of a learner that can."""

    start: str = NONE  # or the policy that is imitated before the first update
    start_episodes: Annotated[int, Within(1, 100_000)] = 64  # of training, in all rounds together
    start_rounds: CountFromOne | None = None  # the teacher plays the first, the learner the others; none: 3, or 1
    start_passes: Annotated[int, Within(1, 10_000)] = 15  # over what was shown so far, after each round


def check_start(config: StartConfig) -> None:
    """Refuse what does not fit together.

    Raises:
        ValueError: names the field.
    """
    if config.start == NONE:
        for name in ("start_episodes", "start_rounds", "start_passes"):
            if getattr(config, name) != StartConfig.__dataclass_fields__[name].default:
                raise ValueError(f"{name}: it is of start = a policy to imitate; leave it out, or name one")
        return
    known = [name for name in list_policies() if name != "trained"]
    if config.start not in known:
        raise ValueError(f"start: expected {NONE} or a policy to imitate, {', '.join(known)}; got {config.start!r}")
    rounds = rounds_of(config, load_policy(config.start))
    if config.start_rounds not in (None, rounds):
        raise ValueError(
            f"start_rounds: expected 1, for {config.start} plans a whole episode beforehand and cannot be asked what "
            f"it would do on the path of another; got {config.start_rounds}"
        )
    if config.start_episodes < rounds:
        raise ValueError(f"start_episodes: expected at least one a round, {rounds}; got {config.start_episodes}")


def rounds_of(config: StartConfig, teacher: Policy) -> int:
    """Give how often episodes are played and the learner is fitted."""
    return 1 if teacher.needs_foresight else config.start_rounds or _ROUNDS


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was seen, and what the teacher did there, [n_steps, n_envs, n_agents] unless said."""

    seen: Mapping[str, Array]  # [n_steps, n_envs, ...] what the learner's network is shown, by name
    action: Array  # [n_steps, n_envs, n_agents, n_actions] of the teacher, in [-1, 1]
    draw_kw: Array  # most that the devices may draw; 0 where nobody steers them
    give_kw: Array  # most that they may release, >= 0
    is_stationary: Array
    has_device: Array  # bool, that a policy steers; of cars a charger
    decides: Array  # bool, it has something to decide now
    reward: Array  # of what was played


class Learner(Protocol):
    """What can be taught."""

    needs_forecasts: bool

    def start(self, community: Community) -> Any:
        """Begin an episode; give the first memory."""
        ...

    def act(self, observation: Observation, memory: Any) -> tuple[Mapping[str, Array], Array, Any]:
        """Give what its network is shown, by name, what it does, [n_envs, n_agents, n], and the next memory."""
        ...

    def fit(self, lesson: Lesson, passes: int) -> None:
        """Go so often over all that was shown."""
        ...


def try_teacher(config: StartConfig, scenario: Scenario) -> None:
    """Let a teacher act once, so that one that cannot is refused before anything is written.

    Raises:
        ValueError: it cannot; the text says why.
    """
    if config.start == NONE:
        return
    core = Core(scenario, 1)
    state, teacher = core.reset([0], split="train"), load_policy(config.start)
    try:
        teacher, _, memory = _begin(core, state, teacher, np.zeros(1, np.int64))
        teacher.act(observe(core, state, forecasts=teacher.needs_forecasts), memory)
    except NoBoundError as why:
        raise ValueError(f"start: {config.start} does not play in {scenario.name}, {why}") from why


def imitate(config: StartConfig, scenario: Scenario, seed: int, learner: Learner) -> None:
    """Teach a learner.

    Args:
        config: by whom, and how long.
        scenario: where.
        seed: of the training, which says which training episodes are its own.
        learner: is fitted in place.
    """
    teacher = load_policy(config.start)
    rounds = rounds_of(config, teacher)
    numbers = seed * EPISODES_A_SEED + np.arange(config.start_episodes)
    shown: list[Lesson] = []
    for i, of_round in enumerate(np.array_split(numbers, rounds)):
        for some in np.array_split(of_round, -(-len(of_round) // _SIDE_BY_SIDE)):
            shown.append(show(Core(scenario, len(some)), some, teacher, learner, learner_plays=i > 0))
        learner.fit(joined(shown), config.start_passes)


def show(
    core: Core, numbers: NDArray[np.int64], teacher: Policy, learner: Learner, *, learner_plays: bool = False
) -> Lesson:
    """Play training episodes and keep what the learner sees and the teacher does.

    Args:
        core: with an environment for each of them.
        numbers: of the episodes.
        teacher: is asked in every interval.
        learner: looks in every interval.
        learner_plays: whether its actions are played, not the teacher's.
    """
    state = core.reset(numbers, split="train")
    teacher, community, memory = _begin(core, state, teacher, numbers)
    of_learner, kept = learner.start(community), []
    steered = np.ones(core.n_agents, bool)
    steered[list(community.by_hand)] = False
    needs_forecasts = teacher.needs_forecasts or learner.needs_forecasts
    for _ in range(core.n_steps):
        now = observe(core, state, forecasts=needs_forecasts)
        seen, own, of_learner = learner.act(now, of_learner)
        asked, memory = teacher.act(now, memory)
        asked = np.clip(widened(np.asarray(asked), core.n_actions), -1.0, 1.0)
        own = widened(np.asarray(own), core.n_actions)
        action = np.where(steered[:, None], own, asked) if learner_plays else asked
        state, happened = core.step(state, action)
        kept.append(_of_interval(seen, asked, now, steered, happened.reward))
    return _stacked(kept)


def _of_interval(
    seen: Mapping[str, Array], action: Array, now: Observation, steered: NDArray[np.bool_], reward: Array
) -> Lesson:
    view = now.view
    return Lesson(
        seen=seen, action=action, draw_kw=view.high_kw * steered, give_kw=-view.low_kw * steered,
        is_stationary=view.is_stationary, has_device=view.has_device & steered, decides=now.mask & steered,
        reward=reward,
    )  # fmt: skip


def joined(lessons: Iterable[Lesson]) -> Lesson:
    """Put episodes side by side."""
    return _combined(list(lessons), lambda parts: np.concatenate(parts, axis=1))


def _stacked(intervals: list[Lesson]) -> Lesson:
    return _combined(intervals, np.stack)


def _combined(lessons: list[Lesson], combine: Callable[[list[Array]], Array]) -> Lesson:
    seen = {name: combine([lesson.seen[name] for lesson in lessons]) for name in lessons[0].seen}
    others = [name for name in Lesson.__slots__ if name != "seen"]
    return Lesson(seen=seen, **{name: combine([getattr(lesson, name) for lesson in lessons]) for name in others})


def _begin(core: Core, state: State, teacher: Policy, numbers: NDArray[np.int64]) -> tuple[Policy, Community, Any]:
    """Give the teacher beside customers whose devices nobody steers, where it plays, and its memory."""
    community = community_of(core, state)
    rng = np.random.default_rng(np.random.SeedSequence([core.scenario.seed, *map(int, numbers)]))
    teacher = beside_by_hand(teacher, community)
    ahead = foresight(core, state) if teacher.needs_foresight else None
    return teacher, community, teacher.start(community, rng, ahead)
