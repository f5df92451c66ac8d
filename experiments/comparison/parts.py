"""Parts of a comparison: tariffs under one rule with all policies and shares, as written or at equal revenue.

Each part is a value that says all that it needs, so that a process of its own can do it. A comparison is cut into the
same parts whoever does them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gridbazaar.agents.policies import load_policy
from gridbazaar.experiments.comparison.asked import Asked
from gridbazaar.experiments.comparison.cell import EQUAL, WRITTEN, Cell, Outcome
from gridbazaar.experiments.comparison.first_best import Best, first_best
from gridbazaar.experiments.comparison.network_lines import revenue_of, scaled
from gridbazaar.experiments.comparison.plays import Block, Books, grouped, play_together
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
    """Part: tariffs of a rule as they are written, with all policies and shares side by side."""

    asked: Asked
    mechanism: str
    tariffs: tuple[str, ...]

    @property
    def name(self) -> str:
        """What is shown of it."""
        return _named(self.mechanism, self.tariffs)


@dataclass(frozen=True, slots=True)
class Equal:
    """Part: network prices are scaled until the operator recovers what it may, the dispatch answering each time.

    A cell has a factor of its own; all that still miss play their next one together.
    """

    asked: Asked
    mechanism: str
    received: Mapping[Cell, Revenue]  # as written
    allowed_cur: float

    @property
    def name(self) -> str:
        """What is shown of it."""
        return f"{_named(self.mechanism, tuple(dict.fromkeys(cell.tariff for cell in self.received)))}, equal revenue"


Part = Best | Written | Equal


def _named(mechanism: str, tariffs: Sequence[str]) -> str:
    return f"{mechanism}: {', '.join(tariffs)}"


def tariff_groups(asked: Asked, mechanism: str) -> list[tuple[str, ...]]:
    """The tariffs that are played together: those whose intervals stand alone, and each that bills by the month."""
    names = list(asked.tariffs)
    groups = grouped([asked.world(name, mechanism) for name in names])
    return [tuple(names[k] for k in group) for group in groups]


def do(part: Part, tick: Tick | None = None) -> Any:
    """Do a part; ``tick`` is called after every interval that is played."""
    if isinstance(part, Best):
        return first_best(part)
    return written(part, tick) if isinstance(part, Written) else equal(part, tick)


def written(part: Written, tick: Tick | None = None) -> list[Came]:
    """Play tariffs of a rule with all policies and shares."""
    asked = part.asked
    cells = [Cell(tariff, part.mechanism, *play) for tariff in part.tariffs for play in asked.plays]
    tariffs = {cell: asked.tariffs[cell.tariff] for cell in cells}
    played = _played(asked, {cell: cell.tariff for cell in cells}, tick, keeps=True)
    return [_came(cell, WRITTEN, tariffs[cell], played[cell]) for cell in cells]


def equal(part: Equal, tick: Tick | None = None) -> dict[Cell, Outcome]:
    """Play until revenue is equal; the cells whose prices had to change."""
    asked, found = part.asked, dict[Cell, Outcome]()
    at = {cell: (1.0, received) for cell, received in part.received.items()}
    for _ in range(MOST_ROUNDS):
        wanted = {
            cell: scale
            for cell, (before, received) in at.items()
            if (scale := next_scale(before, received, part.allowed_cur, SETTLED)) is not None
        }
        if not wanted:
            break
        tariffs = {cell: scaled(asked.tariffs[cell.tariff], scale) for cell, scale in wanted.items()}
        played = _played(asked, tariffs, tick)
        for cell, scale in wanted.items():
            path = (*(found[cell].path if cell in found else (1.0,)), scale)
            one = replace(_came(cell, EQUAL, tariffs[cell], played[cell]).outcome, scale=scale, path=path)
            found[cell], at[cell] = one, (scale, revenue_of(one.accounts))
    return found


def _played(
    asked: Asked, tariffs: Mapping[Cell, Any], tick: Tick | None, *, keeps: bool = False
) -> dict[Cell, list[Books]]:
    """Play cells of one rule, each with its tariff; ``keeps`` the dispatch of those that are settled again."""
    sources = asked.played_policies
    players = {label: load_policy(sources[label], allow_code=asked.allow_code) for label, _ in asked.plays}
    blocks = [
        Block(
            asked.world(tariff, cell.mechanism, cell.automated_share), players[cell.policy],
            keeps and cell[:2] == asked.status_quo[:2],
        )
        for cell, tariff in tariffs.items()
    ]  # fmt: skip
    played = play_together(blocks, asked.seeds, split=asked.split, tick=tick)
    return dict(zip(tariffs, played, strict=True))


def is_settled(one: Outcome, allowed_cur: float) -> bool:
    """Whether the network operator receives what it may."""
    return is_met(revenue_of(one.accounts), allowed_cur, SETTLED)


def _came(cell: Cell, prices: str, tariff: Tariff | Design, batches: Sequence[Books]) -> Came:
    parts = tuple(figures_of(held.tally, held.accounts) for held in batches)
    figures = {name: np.concatenate([part.figures[name] for part in parts]) for name in parts[0].figures}
    books = tuple(held.day for held in batches)
    return Came(Outcome(cell, prices, tariff, tuple(held.accounts for held in batches), books, figures), parts)
