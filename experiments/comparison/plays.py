"""Plays one policy under one market rule and several tariffs at once, each on the same episodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.by_hand import beside_by_hand
from gridbazaar.agents.policy import Policy, widened
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.side_by_side import joined, rows_of, side_by_side
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.comparison.daybook import Daybook
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.experiments.evaluation.evaluate import BATCH
from gridbazaar.experiments.evaluation.metrics import Tally
from gridbazaar.market.found import find_tariff
from gridbazaar.market.played import bills_by_month


class Books(NamedTuple):
    """What is kept of a batch of episodes under one tariff."""

    tally: Tally
    accounts: Accounts
    day: Daybook


def play_together(
    scenarios: Sequence[Scenario],
    policy: Policy,
    seeds: Sequence[int],
    *,
    split: str,
    keeps: Sequence[bool] | None = None,
    tick: Callable[[], None] | None = None,
) -> list[list[Books]]:
    """Play episodes under each scenario, which differ in their tariff alone; a list of batches for each.

    Bills are what ``evaluation.play`` finds under each by itself, to the micro-unit; losses and voltages to the last
    digits of floats. Stepping all together costs little more than one of them.

    Args:
        scenarios: to be played.
        policy: of all agents.
        seeds: numbers of the episodes in their split.
        split: train, validation or test.
        keeps: of which the dispatch is kept, to be settled again.
        tick: called after every interval of a batch.
    """
    kept = [False] * len(scenarios) if keeps is None else keeps
    found: list[list[Books]] = [[] for _ in scenarios]
    if len(scenarios) > 1 and any(map(_bills_by_month, scenarios)):  # what a month has come to is of one tariff
        return [
            books
            for scenario, keep in zip(scenarios, kept, strict=True)
            for books in play_together([scenario], policy, seeds, split=split, keeps=[keep], tick=tick)
        ]
    for i in range(0, len(seeds), BATCH):
        numbers = np.asarray(seeds[i : i + BATCH], np.int64)
        for held, books in zip(found, _batch(scenarios, policy, numbers, split, kept, tick), strict=True):
            held.append(books)
    return found


def _bills_by_month(scenario: Scenario) -> bool:
    return bills_by_month(find_tariff(scenario.tariff, **scenario.tariff_options))


def _batch(
    scenarios: Sequence[Scenario], policy: Policy, numbers: NDArray[np.int64], split: str, keeps: Sequence[bool],
    tick: Callable[[], None] | None,
) -> list[Books]:  # fmt: skip
    n = len(numbers)
    cores = [Core(scenario, n) for scenario in scenarios]
    states = [core.reset(numbers, split=split) for core in cores]
    memories, books, players = [], [], []
    for core, begun, keep in zip(cores, states, keeps, strict=True):
        ahead = foresight(core, begun) if policy.needs_foresight else None
        rng = np.random.default_rng(np.random.SeedSequence([core.scenario.seed, *map(int, numbers)]))
        community = community_of(core, begun)
        players.append(beside_by_hand(policy, community))
        memories.append(players[-1].start(community, rng, ahead))
        books.append(Books(Tally(core, begun), Accounts(core, begun, numbers), Daybook(core, keeps=keep)))
    whole, state = (cores[0], states[0]) if len(cores) == 1 else (side_by_side(cores), joined(cores, states))
    rows = [slice(k * n, (k + 1) * n) for k in range(len(cores))]

    def part(tree: Any, k: int) -> Any:
        return tree if len(cores) == 1 else rows_of(tree, rows[k], whole.n_envs)

    for _ in range(whole.n_steps):
        seen = observe(whole, state, forecasts=any(player.needs_forecasts for player in players))
        actions = []
        for k in range(len(cores)):
            action, memories[k] = players[k].act(part(seen, k), memories[k])
            actions.append(widened(action, whole.n_actions))
        state, happened = whole.step(state, actions[0] if len(cores) == 1 else np.concatenate(actions))
        for k, held in enumerate(books):
            mine = part(happened, k)
            held.tally.add(mine)
            held.accounts.add(mine)
            held.day.add(mine)
        if tick is not None:
            tick()
    for k, held in enumerate(books):
        held.day.close(part(state, k))
    return books
