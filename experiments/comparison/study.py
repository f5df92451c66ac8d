"""A comparison of tariffs, market rules and policies on the same episodes, with counterfactuals beside every cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.comparison.asked import Asked
from gridbazaar.experiments.comparison.cell import EQUAL, NO_MARKET, WRITTEN, BilledOutcome, Cell, Outcome
from gridbazaar.experiments.comparison.first_best import Best, FirstBest, joined
from gridbazaar.experiments.comparison.frozen import FrozenOutcome, frozen_outcomes
from gridbazaar.experiments.comparison.network_lines import billed_revenue, revenue_of, scaled
from gridbazaar.experiments.comparison.parts import SETTLED, Came, Equal, Part, Written, do, is_settled, tariff_groups
from gridbazaar.experiments.evaluation.design_bills import DesignBills, bills_under
from gridbazaar.experiments.evaluation.evaluate import BATCH, evaluation_of, loaded_for
from gridbazaar.experiments.evaluation.fairness import EqualRevenue, Revenue, equal_revenue
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.experiments.workers import Workers, each
from gridbazaar.market.design import Design

Tick = Callable[[str, int, int], None]
_SOLVED_TOGETHER = 4  # episodes of a part; a program of a month takes long

AnyOutcome = Outcome | BilledOutcome


@dataclass(frozen=True, slots=True)
class Study:
    """What a comparison found."""

    asked: Asked
    evaluations: Mapping[tuple[str, str, float], Evaluation]  # by tariff, rule and share of automated, as written
    outcomes: tuple[Outcome, ...]  # as written, then at equal revenue
    billed: tuple[BilledOutcome, ...]
    frozen: tuple[FrozenOutcome, ...]
    not_frozen: Mapping[str, str]  # rules that cannot price a frozen dispatch, and why
    allowed_cur: float  # revenue of the network operator, over all episodes
    best: FirstBest

    def scenario(self, cell: Cell) -> Scenario:
        """The world of a cell."""
        return self.evaluations[cell.tariff, cell.mechanism, cell.automated_share].scenario

    def outcome(self, cell: Cell, prices: str = WRITTEN) -> Outcome | None:
        """What came of a cell; none where it was not played."""
        return next((one for one in self.outcomes if one.cell == cell and one.prices == prices), None)

    def beside(self, one: AnyOutcome) -> dict[str, AnyOutcome | None]:
        """Give the three counterfactuals of an outcome, by ``COUNTERFACTUALS``; none where it is not played."""
        cell = one.cell
        cells = (
            cell._replace(tariff=self.asked.today), cell._replace(mechanism=NO_MARKET),
            self.asked.without_automation(cell),
        )  # fmt: skip
        return {name: self._same(one, cell) for name, cell in zip(COUNTERFACTUALS, cells, strict=True)}

    def _same(self, one: AnyOutcome, cell: Cell) -> AnyOutcome | None:
        if isinstance(one, BilledOutcome) and cell.tariff == one.cell.tariff:
            return next((b for b in self.billed if b.cell == cell and b.prices == one.prices), None)
        return self.outcome(cell, one.prices)


COUNTERFACTUALS = ("today", "no_market", "no_automation")
"""Today's tariff; the same without the local market; the same without automation."""


def study(asked: Asked, *, workers: Workers | None = None, tick: Tick | None = None) -> Study:
    """Play what was asked: every cell on the same episodes, and again until the network operator's revenue is equal.

    Args:
        asked: from ``ask``.
        workers: who plays; none: this process. What is found is the same whoever does.
        tick: called with (what, intervals done, intervals in all), for progress.
    """
    _refuse_policies(asked)
    parts = [
        Written(asked, mechanism, tariffs)
        for mechanism in asked.played_mechanisms
        for tariffs in tariff_groups(asked, mechanism)
    ]
    batches = [asked.seeds[i : i + _SOLVED_TOGETHER] for i in range(0, len(asked.seeds), _SOLVED_TOGETHER)]
    solves = [Best(asked, numbers, asked.first_best) for numbers in batches]
    done = _done([*solves, *parts], workers, tick)
    best, came = joined(done[: len(solves)]), done[len(solves) :]
    outcomes = [one.outcome for found in came for one in found]
    outcomes.sort(key=lambda one: asked.cells.index(one.cell))
    billed = [
        _billed(asked, design, one) for design in asked.designs for one in outcomes if one.cell.tariff == asked.today
    ]
    quo = next(one for one in outcomes if one.cell == asked.status_quo)
    allowed_cur = sum(revenue_of(quo.accounts)) if asked.allowed_cur is None else asked.allowed_cur
    base = [one for one in outcomes if one.cell[:2] == asked.status_quo[:2]]
    frozen, not_frozen = frozen_outcomes(asked, base)
    evaluations = _evaluations(asked, came)
    if asked.equal_revenue:
        outcomes += _equal(asked, outcomes, allowed_cur, workers, tick)
        billed += [_equal_billed(asked, one, allowed_cur) for one in list(billed)]
    return Study(asked, evaluations, tuple(outcomes), tuple(billed), frozen, not_frozen, allowed_cur, best)


def _refuse_policies(asked: Asked) -> None:
    """Refuse policies that cannot play, before anything is."""
    for mechanism in asked.played_mechanisms:
        for tariff in asked.tariffs:
            world = asked.world(tariff, mechanism)
            loaded_for(world, asked.played_policies, asked.seeds, asked.split, allow_code=asked.allow_code)


def _done(parts: Sequence[Part], workers: Workers | None, tick: Tick | None) -> list[Any]:
    """Do all parts, here or by workers; progress is told by the interval here, else by the part."""
    if workers is None:
        return [do(part, _counted(part, tick)) for part in parts]

    def done(i: int) -> None:
        if tick is not None:
            tick(parts[i].name, 1, 1)

    return each(do, parts, workers, done)


def _counted(part: Part, tick: Tick | None) -> Callable[[], None] | None:
    """Give what counts the intervals of a part; rounds of equal revenue are more of them."""
    if tick is None:
        return None
    asked, report, done = part.asked, tick, [0]
    total = asked.world(asked.today, next(iter(asked.mechanisms))).n_steps * -(-len(asked.seeds) // BATCH)

    def count() -> None:
        done[0] += 1
        report(part.name, done[0], total * -(-done[0] // total))

    return count


def _evaluations(asked: Asked, came: Sequence[Sequence[Came]]) -> dict[tuple[str, str, float], Evaluation]:
    """Put the policies of each tariff, rule and share together, with what is played without automation as idle."""
    figures = {one.outcome.cell: one.figures for found in came for one in found}
    found = {}
    for mechanism in asked.played_mechanisms:
        for share in dict.fromkeys(play.automated_share for play in asked.plays):
            for tariff in asked.tariffs:
                cells = [Cell(tariff, mechanism, *play) for play in asked.plays if play.automated_share == share]
                floor = asked.without_automation(cells[0])
                played = {floor.policy: figures[floor]} | {cell.policy: figures[cell] for cell in cells}
                found[tariff, mechanism, share] = evaluation_of(
                    asked.world(tariff, mechanism, share), asked.split, asked.seeds, played,
                    {name: asked.played_policies[name] for name in played},
                    {label: runs for label, runs in asked.runs.items() if set(runs) <= set(played)},
                )  # fmt: skip
    return found


def _equal(
    asked: Asked, outcomes: Sequence[Outcome], allowed_cur: float, workers: Workers | None, tick: Tick | None
) -> list[Outcome]:
    """All cells at equal revenue, in their order."""
    at = {one.cell: one for one in outcomes}
    parts = [
        Equal(
            asked, mechanism,
            {
                cell: revenue_of(at[cell].accounts)
                for cell in (Cell(tariff, mechanism, *play) for tariff in tariffs for play in asked.plays)
            },
            allowed_cur,
        )
        for mechanism in asked.played_mechanisms
        for tariffs in tariff_groups(asked, mechanism)
    ]  # fmt: skip
    found = {cell: replace(one, prices=EQUAL) for cell, one in at.items()}
    for changed in _done(parts, workers, tick):
        found |= changed
    return [replace(found[cell], is_settled=is_settled(found[cell], allowed_cur)) for cell in asked.cells]


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
