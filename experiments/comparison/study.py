"""A comparison of tariffs, market rules and policies on the same episodes, with counterfactuals beside every cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
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
from gridbazaar.experiments.comparison.daybook import Daybook
from gridbazaar.experiments.comparison.frozen import FrozenOutcome, frozen_outcomes
from gridbazaar.experiments.comparison.network_lines import billed_revenue, revenue_of, scaled
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.experiments.evaluation.design_bills import DesignBills, bills_under
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.fairness import EqualRevenue, Revenue, equal_revenue
from gridbazaar.experiments.evaluation.metrics import Tally
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.market.design import Design

Tick = Callable[[str, int, int], None]
SETTLED = 1e-4
"""Share of the allowed revenue by which what comes in may miss it; prices are whole micro-units."""
_BATCH = 32

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
    for tariff, held in asked.tariffs.items():
        for mechanism in asked.played_mechanisms:
            books: dict[str, list[Daybook]] = {}
            keeps = tariff == asked.today and mechanism == asked.status_quo.mechanism
            found = evaluate(
                asked.world(tariff, mechanism), asked.policies, seeds=asked.seeds, split=asked.split, bound=False,
                accounts=True, allow_code=asked.allow_code, tick=_told(tick, f"{tariff}, {mechanism}"),
                record=_keeper(books, keeps=keeps),
            )  # fmt: skip
            evaluations[tariff, mechanism] = found
            outcomes += [
                Outcome(
                    Cell(tariff, mechanism, result.policy), WRITTEN, held, result.accounts,
                    tuple(books[result.policy]), result.figures,
                )
                for result in found.results
            ]  # fmt: skip
    billed = [_billed(asked, design, one) for design in asked.designs for one in outcomes if _is_today(asked, one)]
    quo = next(one for one in outcomes if one.cell == asked.status_quo)
    allowed = revenue_of(quo.accounts) if asked.allowed_cur is None else Revenue(asked.allowed_cur, 0.0)
    allowed_cur = allowed.fixed_cur + allowed.scaled_cur
    base = [one for one in outcomes if one.cell[:2] == asked.status_quo[:2]]
    frozen, not_frozen = frozen_outcomes(asked, base)
    if asked.equal_revenue:
        outcomes += [_equal(asked, one, allowed_cur, tick) for one in list(outcomes)]
        billed += [_equal_billed(asked, one, allowed_cur) for one in list(billed)]
    return Study(asked, evaluations, tuple(outcomes), tuple(billed), frozen, not_frozen, allowed_cur)


def _is_today(asked: Asked, one: Outcome) -> bool:
    """Whether its dispatch is billed under designs of months."""
    return one.cell.tariff == asked.today


def _told(tick: Tick | None, what: str) -> Tick | None:
    if tick is None:
        return None
    report = tick
    return lambda name, done, total: report(f"{what}: {name}", done, total)


def _keeper(books: dict[str, list[Daybook]], *, keeps: bool) -> Callable[[str, Core, Any], None]:
    """Give what keeps a daybook for every policy and batch."""

    def keep(policy: str, core: Core, happened: Any) -> None:
        held = books.setdefault(policy, [])
        if not held or held[-1].core is not core:
            held.append(Daybook(core, keeps=keeps))
        held[-1].add(happened)

    return keep


def played(asked: Asked, cell: Cell, tariff: Any, tick: Callable[[], None] | None = None) -> Outcome:
    """Play a cell with a tariff of other prices."""
    scenario = asked.world(tariff, cell.mechanism)
    policy = load_policy(asked.played_policies[cell.policy], allow_code=asked.allow_code)
    accounts, books, tallies = [], [], list[Tally]()
    for i in range(0, len(asked.seeds), _BATCH):
        numbers = np.asarray(asked.seeds[i : i + _BATCH], np.int64)
        core = Core(scenario, len(numbers))
        state = core.reset(numbers, split=asked.split)
        account, book = Accounts(core, state, numbers), Daybook(core)

        def seen(happened: Any, account: Accounts = account, book: Daybook = book) -> None:
            account.add(happened)
            book.add(happened)

        tallies.append(play(core, policy, numbers, split=asked.split, state=state, record=seen, tick=tick).tally)
        accounts.append(account)
        books.append(book)
    parts = [tally.figures() for tally in tallies]
    figures = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Outcome(cell, EQUAL, tariff, tuple(accounts), tuple(books), figures)


def _equal(asked: Asked, written: Outcome, allowed_cur: float, tick: Tick | None) -> Outcome:
    """Scale network prices until the operator recovers what it may, the dispatch answering each time."""
    tried: dict[float, Outcome] = {1.0: replace(written, prices=EQUAL)}
    total, what = sum(book.core.n_steps for book in written.books), ", ".join(written.cell)

    def collect(scale: float) -> Revenue:
        if scale not in tried:
            done, rounds = [0], len(tried)

            def count() -> None:
                done[0] += 1
                if tick is not None:
                    tick(f"{what}: round {rounds} of equal revenue", done[0], total)

            tried[scale] = played(asked, written.cell, scaled(written.tariff, scale), count)
        return revenue_of(tried[scale].accounts)

    found = equal_revenue(collect, allowed_cur, settled=SETTLED)
    return replace(tried[found.scale], scale=found.scale, path=found.path, is_settled=found.is_settled)


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
