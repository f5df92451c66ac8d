"""Plays several tariffs, policies and shares under one market rule at once, each on the same episodes."""

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


class Block(NamedTuple):
    """What is played of each episode."""

    scenario: Scenario
    policy: Policy  # of all agents
    keeps: bool = False  # the dispatch is kept, to be settled again


def play_together(
    blocks: Sequence[Block], seeds: Sequence[int], *, split: str, tick: Callable[[], None] | None = None
) -> list[list[Books]]:
    """Play episodes of each block, whose scenarios differ in their tariff and who is automated alone.

    Bills are what ``evaluation.play`` finds of each by itself, to the micro-unit; losses and voltages to the last
    digits of floats. Stepping all together costs little more than one of them. What a month has come to is of one
    tariff, so tariffs that bill by the month are played apart, each with all its policies.

    Args:
        blocks: to be played.
        seeds: numbers of the episodes in their split.
        split: train, validation or test.
        tick: called after every interval of a batch.

    Returns:
        For each block its batches of episodes.
    """
    found: list[list[Books]] = [[] for _ in blocks]
    for group in grouped([block.scenario for block in blocks]):
        for i in range(0, len(seeds), BATCH):
            numbers = np.asarray(seeds[i : i + BATCH], np.int64)
            played = _batch([blocks[k] for k in group], numbers, split, tick)
            for k, books in zip(group, played, strict=True):
                found[k].append(books)
    return found


def grouped(scenarios: Sequence[Scenario]) -> list[list[int]]:
    """Say which scenarios are stepped together, by their places."""
    together: list[int] = []
    apart: list[tuple[Any, list[int]]] = []
    for k, scenario in enumerate(scenarios):
        tariff = find_tariff(scenario.tariff, **scenario.tariff_options)
        if not bills_by_month(tariff):
            together.append(k)
            continue
        same = next((places for other, places in apart if other == tariff), None)
        if same is None:
            apart.append((tariff, [k]))
        else:
            same.append(k)
    return [*([together] if together else []), *(places for _, places in apart)]


def _batch(
    blocks: Sequence[Block], numbers: NDArray[np.int64], split: str, tick: Callable[[], None] | None
) -> list[Books]:
    n = len(numbers)
    cores = [Core(block.scenario, n) for block in blocks]
    states = [core.reset(numbers, split=split) for core in cores]
    players, memories = [], []
    for core, begun, block in zip(cores, states, blocks, strict=True):
        ahead = foresight(core, begun) if block.policy.needs_foresight else None
        rng = np.random.default_rng(np.random.SeedSequence([core.scenario.seed, *map(int, numbers)]))
        community = community_of(core, begun)
        players.append(beside_by_hand(block.policy, community))
        memories.append(players[-1].start(community, rng, ahead))
    whole, state = (cores[0], states[0]) if len(cores) == 1 else (side_by_side(cores), joined(cores, states))
    rows = [slice(k * n, (k + 1) * n) for k in range(len(cores))]
    tally, accounts = Tally(whole, state), Accounts(whole, state, np.tile(numbers, len(cores)))
    day = Daybook(whole, keeps=any(block.keeps for block in blocks))
    for _ in range(whole.n_steps):
        seen = observe(whole, state, forecasts=any(player.needs_forecasts for player in players))
        actions = []
        for k, player in enumerate(players):
            mine = seen if len(cores) == 1 else rows_of(seen, rows[k], whole.n_envs)
            action, memories[k] = player.act(mine, memories[k])
            actions.append(widened(action, whole.n_actions))
        state, happened = whole.step(state, np.concatenate(actions))
        for book in (tally, accounts, day):
            book.add(happened)
        if tick is not None:
            tick()
    day.close(state)
    return [
        Books(
            tally.part(core, begun, rows[k]), accounts.part(core, begun, numbers, rows[k]),
            day.part(core, rows[k], keeps=blocks[k].keeps),
        )
        for k, (core, begun) in enumerate(zip(cores, states, strict=True))
    ]  # fmt: skip
