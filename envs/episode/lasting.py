"""Lasting: what a community's agents have in all episodes, as numbers of the data and of the feeder.

What its table says counts; with a seed the rest is drawn once, as an episode would draw it. Without one it is drawn
with every episode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.kind import AnyKind, Draw
from gridbazaar.data.bank import HISTORY_DAYS, Bank
from gridbazaar.data.chance import community_keys
from gridbazaar.data.community import Community
from gridbazaar.data.own_rows import BUS, OwnRow, number_of, rows_of
from gridbazaar.envs.episode.params import Said, draw_params, draws_of
from gridbazaar.envs.scenario import Scenario

_LOAD, _ROOF = "load", "roof"


class Lasting(NamedTuple):
    """What agents have in all episodes."""

    said: tuple[Said, ...]  # of each kind
    bus: NDArray[np.int64]  # [n_agents] at which a customer is connected by its own row, else -1


def lasting_of(
    scenario: Scenario, bank: Bank, buses: Sequence[str], kinds: Sequence[AnyKind], configs: Sequence[Any]
) -> Lasting:
    """Read what the community says, and draw once what it leaves to a seed.

    Args:
        scenario: of the community.
        bank: its series.
        buses: names of the feeder's.
        kinds: that there are agents of.
        configs: of each kind.

    Raises:
        ValueError: says which row names a series or bus that there is none of.
    """
    agents, n = scenario.agent_names, [config.count for config in configs]
    first = np.cumsum([0, *n])
    said: list[dict[str, NDArray[np.float64]]] = [{} for _ in kinds]
    bus = np.full(len(agents), -1, np.int64)
    for customer in scenario.customers:
        for row in rows_of(customer.own, customer.name):
            agent = agents.index(row.agent)
            k = int(np.searchsorted(first, agent, "right")) - 1
            for column, value in _numbers(row, kinds[k], bank, buses).items():
                if column == BUS.name:
                    bus[[agents.index(other) for other in customer.agents]] = int(value)
                else:
                    said[k].setdefault(column, np.full(n[k], np.nan))[agent - first[k]] = value
    said = [_with_own_roofs(of_kind, bank) for of_kind in said]
    community = scenario.community
    if isinstance(community, Community) and community.seed is not None:
        said = _drawn_once(scenario, bank, kinds, configs, said, community.seed)
    return Lasting(tuple(said), bus)


def _numbers(row: OwnRow, kind: AnyKind, bank: Bank, buses: Sequence[str]) -> dict[str, float]:
    names: dict[str, tuple[Sequence[str], int]] = {
        "homes": (bank.homes, bank.load_kw.shape[0]),
        "roofs": (bank.roofs, bank.pv_kw_per_kwp.shape[0]),
        "cars": ((), bank.sessions.present.shape[0]),
        "buses": (buses, len(buses)),
    }
    columns = {column.name: column for column in (*kind.lasting, BUS)}
    where, found = row.where or f"community, {row.agent}", dict[str, float]()
    for name, value in row.said:
        of = columns[name].of
        found[name] = number_of(str(value), columns[name], *names[of], where=where) if of else float(value)
    return found


def _with_own_roofs(said: dict[str, NDArray[np.float64]], bank: Bank) -> dict[str, NDArray[np.float64]]:
    """Let a measured home keep its own roof, where the data have one and nothing else is said."""
    if _LOAD not in said or not bank.homes:
        return said
    own = np.array([bank.roofs.index(home) if home in bank.roofs else np.nan for home in bank.homes])
    load = said[_LOAD]
    roof = np.where(np.isnan(load), np.nan, own[np.where(np.isnan(load), 0, load).astype(np.int64)])
    given = said.get(_ROOF, np.full(load.shape, np.nan))
    return said | {_ROOF: np.where(np.isnan(given), roof, given)}


def _drawn_once(
    scenario: Scenario, bank: Bank, kinds: Sequence[AnyKind], configs: Sequence[Any],
    said: list[dict[str, NDArray[np.float64]]], seed: int,
) -> list[dict[str, NDArray[np.float64]]]:  # fmt: skip
    """Draw what nothing is said of, by the seed alone and whatever the day."""
    draw = _draw(scenario, bank, seed)
    first = _asked(scenario, kinds, configs, draws_of(draw, said, asks=True))
    homes = [{_LOAD: asked[_LOAD]} if _LOAD in asked else {} for asked in first]
    with_roofs = [_with_own_roofs(of_kind | own, bank) for of_kind, own in zip(said, homes, strict=True)]
    return _asked(scenario, kinds, configs, draws_of(draw, with_roofs, asks=True))


def unasked_columns(scenario: Scenario, bank: Bank, kind: AnyKind, config: Any) -> tuple[str, ...]:
    """Name the columns of a kind whose values its ``draw`` does not take, though agents can have them."""
    draws = draws_of(_draw(scenario, bank, 0), [{}], asks=True)
    (asked,) = _asked(scenario, [kind], [config], draws)
    can = [column.name for column in kind.lasting if not kind.lacks(config, {column.name: max(column.low, 1.0)})]
    return tuple(name for name in can if name not in asked)


def _draw(scenario: Scenario, bank: Bank, seed: int) -> Draw:
    return Draw(
        keys=community_keys(seed), day=np.array([HISTORY_DAYS]), bank=bank, step_h=scenario.step_h,
        n_steps=scenario.n_steps, start_h=scenario.start_h, number=np.zeros(1, np.int64),
    )  # fmt: skip


def _asked(
    scenario: Scenario, kinds: Sequence[AnyKind], configs: Sequence[Any], draws: Sequence[Draw]
) -> list[dict[str, NDArray[np.float64]]]:
    """Draw once; give what was drawn of the columns that the kinds name."""
    draw_params(scenario, kinds, configs, draws)
    names = [{column.name for column in kind.lasting} for kind in kinds]
    return [
        {name: values for name, values in (draw.drawn or {}).items() if name in known}
        for draw, known in zip(draws, names, strict=True)
    ]
