"""Parts of a comparison: one policy under one rule with all tariffs, as written or at equal revenue.

Each part is a value that says all that it needs, so that a process of its own can do it. A comparison is cut into the
same parts whoever does them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gridbazaar.agents.policies import load_policy
from gridbazaar.experiments.comparison.asked import Asked, Play
from gridbazaar.experiments.comparison.cell import EQUAL, WRITTEN, Cell, Outcome
from gridbazaar.experiments.comparison.first_best import Best, first_best
from gridbazaar.experiments.comparison.network_lines import revenue_of, scaled
from gridbazaar.experiments.comparison.plays import Books, play_together
from gridbazaar.experiments.evaluation.fairness import MOST_ROUNDS, Revenue, is_met, next_scale
from gridbazaar.experiments.evaluation.parts import Figures, figures_of
from gridbazaar.market.design import Design
from gridbazaar.market.tariff import Tariff

SETTLED = 1e-4
"""Share of the allowed revenue by which what comes in may miss it; prices are whole micro-units."""

Tick = Callable[[], None]


class Came(NamedTuple):
    """What came under a tariff."""

    outcome: Outcome
    figures: tuple[Figures, ...]  # of each batch of episodes, with its accounts


@dataclass(frozen=True, slots=True)
class Written:
    """Part: all tariffs as they are written, side by side."""

    asked: Asked
    mechanism: str
    play: Play

    @property
    def name(self) -> str:
        """What is shown of it."""
        return _named(self.asked, self.mechanism, self.play)

    def cell(self, tariff: str) -> Cell:
        return Cell(tariff, self.mechanism, *self.play)


@dataclass(frozen=True, slots=True)
class Equal:
    """Part: network prices are scaled until the operator recovers what it may, the dispatch answering each time.

    A cell has a factor of its own; all tariffs that still miss play their next one together.
    """

    asked: Asked
    mechanism: str
    play: Play
    received: Mapping[str, Revenue]  # by tariff, as written
    allowed_cur: float

    @property
    def name(self) -> str:
        """What is shown of it."""
        return f"{_named(self.asked, self.mechanism, self.play)}, equal revenue"


def _named(asked: Asked, mechanism: str, play: Play) -> str:
    share = f", {play.automated_share:.0%} automated" if asked.automated else ""
    return f"{mechanism}: {play.policy}{share}"


Part = Best | Written | Equal


def do(part: Part, tick: Tick | None = None) -> Any:
    """Do a part; ``tick`` is called after every interval that is played."""
    if isinstance(part, Best):
        return first_best(part)
    return written(part, tick) if isinstance(part, Written) else equal(part, tick)


def written(part: Written, tick: Tick | None = None) -> list[Came]:
    """Play all tariffs of a rule side by side; in their order."""
    asked = part.asked
    worlds = [asked.world(tariff, part.mechanism, part.play.automated_share) for tariff in asked.tariffs]
    keeps = [(tariff, part.mechanism) == asked.status_quo[:2] for tariff in asked.tariffs]
    player = load_policy(asked.played_policies[part.play.policy], allow_code=asked.allow_code)
    played = play_together(worlds, player, asked.seeds, split=asked.split, keeps=keeps, tick=tick)
    return [
        _came(part.cell(name), WRITTEN, tariff, batches)
        for (name, tariff), batches in zip(asked.tariffs.items(), played, strict=True)
    ]


def equal(part: Equal, tick: Tick | None = None) -> dict[Cell, Outcome]:
    """Play until revenue is equal; the cells whose prices had to change."""
    asked, found = part.asked, dict[Cell, Outcome]()
    player = load_policy(asked.played_policies[part.play.policy], allow_code=asked.allow_code)
    at = {tariff: (1.0, received) for tariff, received in part.received.items()}
    for _ in range(MOST_ROUNDS):
        wanted = {
            tariff: scale
            for tariff, (before, received) in at.items()
            if (scale := next_scale(before, received, part.allowed_cur, SETTLED)) is not None
        }
        if not wanted:
            break
        tariffs = {name: scaled(asked.tariffs[name], scale) for name, scale in wanted.items()}
        worlds = [asked.world(tariff, part.mechanism, part.play.automated_share) for tariff in tariffs.values()]
        played = play_together(worlds, player, asked.seeds, split=asked.split, tick=tick)
        for (name, scale), batches in zip(wanted.items(), played, strict=True):
            cell = Cell(name, part.mechanism, *part.play)
            path = (*(found[cell].path if cell in found else (1.0,)), scale)
            one = replace(_came(cell, EQUAL, tariffs[name], batches).outcome, scale=scale, path=path)
            found[cell], at[name] = one, (scale, revenue_of(one.accounts))
    return found


def is_settled(one: Outcome, allowed_cur: float) -> bool:
    """Whether the network operator receives what it may."""
    return is_met(revenue_of(one.accounts), allowed_cur, SETTLED)


def _came(cell: Cell, prices: str, tariff: Tariff | Design, batches: Sequence[Books]) -> Came:
    parts = tuple(figures_of(held.tally, held.accounts) for held in batches)
    figures = {name: np.concatenate([part.figures[name] for part in parts]) for name in parts[0].figures}
    books = tuple(held.day for held in batches)
    return Came(Outcome(cell, prices, tariff, tuple(held.accounts for held in batches), books, figures), parts)
