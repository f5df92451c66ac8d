"""A comparison of tariffs, market rules and policies on the same episodes, with counterfactuals beside every cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gridbazaar.agents.policies import load_policy
from gridbazaar.experiments.comparison.asked import Asked
from gridbazaar.experiments.comparison.cell import (
    EQUAL,
    NO_AUTOMATION,
    NO_MARKET,
    WRITTEN,
    BilledOutcome,
    Cell,
    Outcome,
)
from gridbazaar.experiments.comparison.frozen import FrozenOutcome, frozen_outcomes
from gridbazaar.experiments.comparison.network_lines import billed_revenue, revenue_of, scaled
from gridbazaar.experiments.comparison.plays import Books, play_together
from gridbazaar.experiments.evaluation.design_bills import DesignBills, bills_under
from gridbazaar.experiments.evaluation.evaluate import BATCH, evaluation_of, loaded_for
from gridbazaar.experiments.evaluation.fairness import (
    MOST_ROUNDS,
    EqualRevenue,
    Revenue,
    equal_revenue,
    is_met,
    next_scale,
)
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.market.design import Design
from gridbazaar.market.tariff import Tariff

Tick = Callable[[str, int, int], None]
SETTLED = 1e-4
"""Share of the allowed revenue by which what comes in may miss it; prices are whole micro-units."""

AnyOutcome = Outcome | BilledOutcome


@dataclass(frozen=True, slots=True)
class Study:
    """What a comparison found."""

    asked: Asked
    evaluations: Mapping[tuple[str, str], Evaluation]  # by tariff and rule, as written
    outcomes: tuple[Outcome, ...]  # as written, then at equal revenue
    billed: tuple[BilledOutcome, ...]
    frozen: tuple[FrozenOutcome, ...]
    not_frozen: Mapping[str, str]  # rules that cannot price a frozen dispatch, and why
    allowed_cur: float  # revenue of the network operator, over all episodes

    def outcome(self, cell: Cell, prices: str = WRITTEN) -> Outcome | None:
        """What came of a cell; none where it was not played."""
        return next((one for one in self.outcomes if one.cell == cell and one.prices == prices), None)

    def beside(self, one: AnyOutcome) -> dict[str, AnyOutcome | None]:
        """Give the three counterfactuals of an outcome, by ``COUNTERFACTUALS``; none where it is not played."""
        t, m, p = one.cell
        cells = (Cell(self.asked.today, m, p), Cell(t, NO_MARKET, p), Cell(t, m, NO_AUTOMATION))
        return {name: self._same(one, cell) for name, cell in zip(COUNTERFACTUALS, cells, strict=True)}

    def _same(self, one: AnyOutcome, cell: Cell) -> AnyOutcome | None:
        if isinstance(one, BilledOutcome) and cell.tariff == one.cell.tariff:
            return next((b for b in self.billed if b.cell == cell and b.prices == one.prices), None)
        return self.outcome(cell, one.prices)


COUNTERFACTUALS = ("today", "no_market", "no_automation")
"""Today's tariff; the same without the local market; the same without automation."""


def study(asked: Asked, *, tick: Tick | None = None) -> Study:
    """Play what was asked: every cell on the same episodes, and again until the network operator's revenue is equal.

    Args:
        asked: from ``ask``.
        tick: called with (what, intervals done, intervals in all), for progress.
    """
    evaluations: dict[tuple[str, str], Evaluation] = {}
    outcomes: list[Outcome] = []
    for mechanism in asked.played_mechanisms:
        found, came = _as_written(asked, mechanism, tick)
        evaluations |= found
        outcomes += came
    outcomes.sort(key=lambda one: asked.cells.index(one.cell))
    billed = [
        _billed(asked, design, one) for design in asked.designs for one in outcomes if one.cell.tariff == asked.today
    ]
    quo = next(one for one in outcomes if one.cell == asked.status_quo)
    allowed_cur = sum(revenue_of(quo.accounts)) if asked.allowed_cur is None else asked.allowed_cur
    base = [one for one in outcomes if one.cell[:2] == asked.status_quo[:2]]
    frozen, not_frozen = frozen_outcomes(asked, base)
    if asked.equal_revenue:
        equal = _equal(asked, outcomes, allowed_cur, tick)
        outcomes += [equal[cell] for cell in asked.cells]
        billed += [_equal_billed(asked, one, allowed_cur) for one in list(billed)]
    return Study(asked, evaluations, tuple(outcomes), tuple(billed), frozen, not_frozen, allowed_cur)


def _as_written(
    asked: Asked, mechanism: str, tick: Tick | None
) -> tuple[dict[tuple[str, str], Evaluation], list[Outcome]]:
    """Play all tariffs side by side under one rule, a policy at a time."""
    worlds = {tariff: asked.world(tariff, mechanism) for tariff in asked.tariffs}
    sources = asked.played_policies
    loaded = {
        tariff: loaded_for(world, sources, asked.seeds, asked.split, allow_code=asked.allow_code)
        for tariff, world in worlds.items()
    }[asked.today]
    keeps = [(tariff, mechanism) == asked.status_quo[:2] for tariff in worlds]
    books = {
        policy: play_together(
            list(worlds.values()), player, asked.seeds, split=asked.split, keeps=keeps,
            tick=_counted(asked, tick, f"{mechanism}: {policy}"),
        )
        for policy, player in loaded.items()
    }  # fmt: skip
    evaluations, outcomes = {}, []
    for k, tariff in enumerate(worlds):
        mine = {policy: played[k] for policy, played in books.items()}
        tallies = {policy: [held.tally for held in batches] for policy, batches in mine.items()}
        accounts = {policy: [held.accounts for held in batches] for policy, batches in mine.items()}
        found = evaluation_of(worlds[tariff], asked.split, asked.seeds, tallies, accounts, sources, asked.runs)
        evaluations[tariff, mechanism] = found
        outcomes += [
            _outcome(Cell(tariff, mechanism, policy), WRITTEN, asked.tariffs[tariff], batches)
            for policy, batches in mine.items()
        ]
    return evaluations, outcomes


def _outcome(cell: Cell, prices: str, tariff: Tariff | Design, batches: Sequence[Books]) -> Outcome:
    parts = [held.tally.figures() for held in batches]
    figures = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Outcome(
        cell, prices, tariff, tuple(held.accounts for held in batches), tuple(held.day for held in batches), figures
    )


def _counted(asked: Asked, tick: Tick | None, what: str) -> Callable[[], None] | None:
    """Give what counts the intervals of a play."""
    if tick is None:
        return None
    report, done = tick, [0]
    total = asked.world(asked.today, next(iter(asked.mechanisms))).n_steps * -(-len(asked.seeds) // BATCH)

    def count() -> None:
        done[0] += 1
        report(what, done[0], total)

    return count


def _equal(asked: Asked, written: Sequence[Outcome], allowed_cur: float, tick: Tick | None) -> dict[Cell, Outcome]:
    """Scale network prices until the operator recovers what it may, the dispatch answering each time.

    A cell has a factor of its own; all tariffs of a rule and a policy that still miss play their next one together.
    """
    found = {one.cell: replace(one, prices=EQUAL) for one in written}
    for mechanism in asked.played_mechanisms:
        for policy, source in asked.played_policies.items():
            player = load_policy(source, allow_code=asked.allow_code)
            for n in range(MOST_ROUNDS):
                wanted = {
                    cell: scale
                    for cell in (Cell(tariff, mechanism, policy) for tariff in asked.tariffs)
                    if (scale := _next(found[cell], allowed_cur)) is not None
                }
                if not wanted:
                    break
                tariffs = {cell: scaled(asked.tariffs[cell.tariff], scale) for cell, scale in wanted.items()}
                batches = play_together(
                    [asked.world(tariff, mechanism) for tariff in tariffs.values()], player, asked.seeds,
                    split=asked.split, tick=_counted(asked, tick, f"{mechanism}: {policy}, equal revenue {n + 1}"),
                )  # fmt: skip
                for (cell, scale), mine in zip(wanted.items(), batches, strict=True):
                    path = (*found[cell].path, scale)
                    found[cell] = replace(_outcome(cell, EQUAL, tariffs[cell], mine), scale=scale, path=path)
    return {
        cell: replace(one, is_settled=is_met(revenue_of(one.accounts), allowed_cur, SETTLED))
        for cell, one in found.items()
    }


def _next(one: Outcome, allowed_cur: float) -> float | None:
    return next_scale(one.scale, revenue_of(one.accounts), allowed_cur, SETTLED)


def _billed(asked: Asked, design: Design, one: Outcome) -> BilledOutcome:
    cell = Cell(design.name, *one.cell[1:])
    return BilledOutcome(cell, WRITTEN, one.cell.tariff, design, _bills(asked, design, one), dispatch=one)


def _bills(asked: Asked, design: Any, one: Outcome) -> tuple[DesignBills, ...]:
    owned = asked.customers.agents
    return tuple(b for book in one.accounts for b in bills_under(design, book, owned, is_part=asked.is_part))


def _equal_billed(asked: Asked, one: BilledOutcome, allowed_cur: float) -> BilledOutcome:
    """Scale the network lines of a design that is billed on a dispatch; nobody answers, so one round is enough."""
    tried: dict[float, tuple[DesignBills, ...]] = {1.0: one.bills}

    def collect(scale: float) -> Revenue:
        tried.setdefault(scale, ())
        if not tried[scale]:
            tried[scale] = _bills(asked, scaled(one.design, scale), one.dispatch)
        return billed_revenue(tried[scale])

    found: EqualRevenue = equal_revenue(collect, allowed_cur, settled=SETTLED)
    return replace(
        one, prices=EQUAL, bills=tried[found.scale], scale=found.scale, path=found.path, is_settled=found.is_settled
    )
