"""Parts of an evaluation: what one policy does in a batch of episodes, the bound of a few of them, and its replays.

Each part is a value that says all that it needs, so that a process of its own can do it; what comes of it is small. An
evaluation is cut into the same parts whoever does them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.dispatch.schedule import Schedule
from gridbazaar.agents.policies import load_policy, optimum
from gridbazaar.agents.policy import Foresight, NoBoundError, Policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.state import State, Transition
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.experiments.evaluation.bound import Bound, bound_with, schedule_of
from gridbazaar.experiments.evaluation.metrics import Tally
from gridbazaar.experiments.evaluation.play import play

Floats = NDArray[np.float64]

REPLAY, PERFECT = "replay", "replay, no errors"
"""How replays of the optimum are called."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Episodes that are played together."""

    scenario: Scenario
    seeds: tuple[int, ...]
    split: str

    @property
    def numbers(self) -> NDArray[np.int64]:
        return np.asarray(self.seeds, np.int64)

    def begin(self) -> tuple[Core, State]:
        core = Core(self.scenario, len(self.seeds))
        return core, core.reset(self.numbers, split=self.split)


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a policy in a batch of episodes."""

    scored_cur: Floats  # [n_envs]
    cost_cur: Floats  # [n_envs, n_agents]
    kind_cost_cur: dict[str, Floats]  # [n_envs] each
    figures: dict[str, Floats]  # [n_envs] each
    accounts: Accounts | None


def figures_of(tally: Tally, accounts: Accounts | None = None) -> Figures:
    """Give what is kept of a tally."""
    return Figures(tally.scored_cur, tally.cost_cur, tally.kind_cost_cur(), tally.figures(), accounts)


def play_batch(
    batch: Batch, core: Core, policy: Policy, *, keeps_accounts: bool = False, ahead: Foresight | None = None,
    record: Callable[[Transition], None] | None = None, tick: Callable[[], None] | None = None,
) -> Figures:  # fmt: skip
    """Let a policy play a batch.

    Args:
        batch: which episodes.
        core: of its scenario and size.
        policy: who plays.
        keeps_accounts: also keep what every agent was billed and metered.
        ahead: the foresight of the episodes, if it is at hand.
        record: called with every transition.
        tick: called after every interval.
    """
    state = core.reset(batch.numbers, split=batch.split)
    book = Accounts(core, state, batch.numbers) if keeps_accounts else None
    told = [tell for tell in (book.add if book else None, record) if tell]

    def tell_all(happened: Transition) -> None:
        for tell in told:
            tell(happened)

    played = play(
        core, policy, batch.seeds, split=batch.split, state=state, ahead=ahead, record=tell_all if told else None,
        tick=tick,
    )  # fmt: skip
    return figures_of(played.tally, book)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The bound of a batch, as of ``Bound``, and the optimum's schedule played through the market."""

    cost_cur: Floats
    rounding_cur: Floats
    optimum: Figures | None  # as a policy, where it was asked for
    replays: Mapping[str, Floats]  # [n_envs] cost, by ``REPLAY`` and ``PERFECT``; empty where not asked for


def replay(
    batch: Batch, core: Core, bound: Bound, played: Figures | None, tick: Callable[[str], None] = lambda name: None
) -> dict[str, Floats]:
    """Play the optimum's schedule with the forecasts of the scenario, and without errors of them.

    Args:
        batch: which episodes.
        core: of its scenario and size.
        bound: of the episodes.
        played: the same schedule, where it was played as a policy; it is the first replay.
        tick: called with the replay after every interval.

    Forecasts also say what stored energy is worth in the end; that stays as it is, so that both costs can be compared.
    """
    policy = optimum.Policy(bound.schedule)

    def play_in(there: Core, name: str, state: State) -> Floats:
        tally = play(there, policy, batch.seeds, state=state, ahead=bound.ahead, tick=lambda: tick(name)).tally
        return tally.scored_cur

    state = core.reset(batch.numbers, split=batch.split)
    first = play_in(core, REPLAY, state) if played is None else played.scored_cur
    if core.scenario.forecast == "perfect":
        return {REPLAY: first, PERFECT: first}
    knowing = Core(replace(core.scenario, forecast="perfect"), core.n_envs)
    begun = knowing.reset(batch.numbers, split=batch.split)
    end_value = state.episode.end_value_cur_per_kwh
    begun = replace(begun, episode=replace(begun.episode, end_value_cur_per_kwh=end_value))
    return {REPLAY: first, PERFECT: play_in(knowing, PERFECT, begun)}


@dataclass(frozen=True, slots=True)
class Play:
    """Part: a policy plays a batch."""

    batch: Batch
    source: Any  # as ``load_policy`` takes it
    keeps_accounts: bool
    allow_code: bool


@dataclass(frozen=True, slots=True)
class Solve:
    """Part: the optimum's schedule for some episodes of a batch."""

    batch: Batch
    rows: slice


@dataclass(frozen=True, slots=True)
class Finish:
    """Part: from the schedules of a batch its bound, and what is played of them."""

    batch: Batch
    schedule: Schedule
    plays: bool  # also as a policy
    replays: bool
    keeps_accounts: bool


def do(part: Play | Solve | Finish) -> Figures | Schedule | NoBoundError | Replayed:
    """Do a part in a process of its own; that there is no bound is a result."""
    core, state = part.batch.begin()
    if isinstance(part, Play):
        policy = load_policy(part.source, allow_code=part.allow_code)
        return play_batch(part.batch, core, policy, keeps_accounts=part.keeps_accounts)
    if isinstance(part, Solve):
        try:
            return schedule_of(core, state, part.rows)
        except NoBoundError as error:
            return error
    bound, played = bound_with(core, state, part.schedule), None
    if part.plays:
        policy = optimum.Policy(bound.schedule)
        played = play_batch(part.batch, core, policy, keeps_accounts=part.keeps_accounts, ahead=bound.ahead)
    replays = replay(part.batch, core, bound, played) if part.replays else {}
    return Replayed(bound.cost_cur, bound.rounding_cur, played, replays)


def joined(schedules: Sequence[Schedule]) -> Schedule:
    """Put schedules of episodes behind each other."""
    return Schedule(*(np.concatenate([getattr(s, name) for s in schedules]) for name in Schedule.__slots__))
