"""Frozen dispatch: the meters of one run settled again under other tariffs and market rules.

Nobody answers anything: every kWh, and so every loss, stays where it was. What neighbours trade is what a rule makes of
the metered energy of the members, each bidding the whole of it at any price within the retailer's band. So whatever
members save, others pay: the rows of all parties add up to nothing, and so do the changes of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.trees import each
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.rates import rates_at
from gridbazaar.envs.interval.setting import terms_of, upper_ucur_per_kwh
from gridbazaar.experiments.comparison.asked import Asked
from gridbazaar.experiments.comparison.cell import NO_MARKET, Cell, Outcome
from gridbazaar.experiments.comparison.daybook import Daybook, line_places, party_place
from gridbazaar.experiments.comparison.network_lines import OPERATOR, SCALED
from gridbazaar.experiments.evaluation.accounts import ENERGY, Accounts
from gridbazaar.market.auction.ex_post import metered
from gridbazaar.market.mechanisms import carry_width, load_mechanism, mechanism_draws
from gridbazaar.market.orders import Orders
from gridbazaar.market.played import bills_by_month
from gridbazaar.market.settlement.settle import SYSTEM_PARTIES, Rates, Terms, settle

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FrozenOutcome:
    """Bills of a frozen dispatch under a tariff and a rule."""

    cell: Cell
    dispatch: Cell  # whose meters these are
    accounts: tuple[Accounts, ...]  # of the dispatch, with the bills and the trades of this cell
    loss_ukwh: int  # of the feeder, all intervals
    losses_ucur: int  # what is paid for them, over all parties that pay

    @property
    def off_balance_ucur(self) -> int:
        """By how much the rows of all parties miss zero, in the worst month, episode and line."""
        return max(int(np.abs(book.bill_ucur.sum(axis=3)).max(initial=0)) for book in self.accounts)


@dataclass(frozen=True, slots=True)
class FrozenCheck:
    """What the market changes with the dispatch frozen: by rights it only moves money."""

    cell: Cell
    members_cur: float  # that members save
    others_cur: dict[str, float]  # what each other party loses, > 0
    loss_change_ukwh: int
    losses_change_ucur: int
    missing_ucur: int  # what is found with nobody
    factor: float  # on network prices, that would make the network operator whole
    outsiders_more_cur: float  # what non-members would then pay more
    members_keep_cur: float  # what members would then still save

    @property
    def holds(self) -> bool:
        """Whether losses stayed, and all that was saved is found."""
        return not (self.loss_change_ukwh or self.losses_change_ucur or self.missing_ucur)


def frozen_outcomes(asked: Asked, base: Sequence[Outcome]) -> tuple[tuple[FrozenOutcome, ...], dict[str, str]]:
    """Settle the dispatch of each policy under every tariff and rule, none among them.

    Returns:
        What came, and what is left out with the reason: rules that cannot price metered energy, tariffs that bill by
        the month.
    """
    found: list[FrozenOutcome] = []
    left_out = {name: "it bills power by the month" for name, one in asked.tariffs.items() if bills_by_month(one)}
    for mechanism, given in ({NO_MARKET: NO_MARKET} | dict(asked.mechanisms)).items():
        if why := _why_not(given, asked):
            left_out[mechanism] = why
            continue
        for tariff in (name for name in asked.tariffs if not bills_by_month(asked.tariffs[name])):
            for one in base:
                found.append(_settled(asked, one, tariff, mechanism, given))
    return tuple(found), left_out


def _why_not(mechanism: Any, asked: Asked) -> str:
    if asked.why_no_market_off:
        return asked.why_no_market_off
    if mechanism_draws(mechanism):
        return "it draws by lot"
    if carry_width(mechanism, 2):
        return "what it does hangs on the intervals before"
    return ""


def _settled(asked: Asked, one: Outcome, tariff: str, mechanism: str, given: Any) -> FrozenOutcome:
    scenario = asked.world(tariff, NO_MARKET)
    options = asked.world(asked.today, mechanism).mechanism_options if mechanism != NO_MARKET else {}
    rule = load_mechanism(given, **options)
    books, loss, paid = [], 0, 0
    for book, day in zip(one.accounts, one.books, strict=True):
        core = Core(scenario, book.core.n_envs)
        is_member = np.array([asked.customers.is_member(customer) for customer in _owners(asked, core)])
        bill, traded, pay, losses = _settle_batch(core, book, day, rule, is_member)
        books.append(_rebilled(book, core, bill, traded, pay))
        loss += losses
        paid += int(np.maximum(bill[:, line_places("losses")], 0).sum())
    return FrozenOutcome(one.cell._replace(tariff=tariff, mechanism=mechanism), one.cell, tuple(books), loss, paid)


def _owners(asked: Asked, core: Core) -> list[str]:
    """The customer of each agent."""
    owner = {agent: customer for customer, held in asked.customers.agents.items() for agent in held}
    return [owner[agent] for agent in core.scenario.agent_names]


def _settle_batch(
    core: Core, book: Accounts, day: Daybook, rule: Any, is_member: NDArray[np.bool_]
) -> tuple[Ints, Ints, Ints, int]:
    """Settle all intervals of a batch at once, a row an interval and environment; bills, trades, payments, losses."""
    n_steps, n_envs, n = core.n_steps, core.n_envs, core.n_agents
    settings, deliveries, rents, beyond = (list(part) for part in zip(*day.kept, strict=True))
    rates, terms = _conditions(core, book)
    setting = replace(
        _joined(settings, ("wires", "carry")), import_ucur_per_kwh=upper_ucur_per_kwh(rates),
        export_ucur_per_kwh=rates.export,
    )  # fmt: skip
    delivery = _joined(deliveries)
    world, counted = core.world, delivery.metered_ukwh
    if world.customers is not None:
        counted = world.customers.gather(counted)
    energy = np.concatenate([counted, np.zeros_like(counted)], axis=1)
    orders = Orders(energy, np.zeros_like(energy), world.order_agent, world.order_bus)
    mine = np.tile(is_member, 2)
    clearing = rule(metered("frozen dispatch", replace(orders, energy_ukwh=energy * mine), setting), setting)
    clearing = replace(
        clearing, outside_ukwh=energy - clearing.traded_ukwh, rent_ucur_per_kwh=np.concatenate(rents),
        over_cap_ukwh=np.concatenate(beyond),
    )  # fmt: skip
    bill = settle(orders, clearing, setting, delivery, rates, terms).ucur
    traded, pay = ((x[:, :n] + x[:, n:]).reshape(n_steps, n_envs, n) for x in (clearing.traded_ukwh, clearing.pay_ucur))
    return np.asarray(bill), traded, pay, int(np.asarray(delivery.loss_ukwh).sum())


def _conditions(core: Core, book: Accounts) -> tuple[Rates, Terms]:
    """Prices and standing charges of all intervals under the core's tariff, a row an interval and environment."""
    at = [np.full(core.n_envs, t, np.int64) for t in range(core.n_steps)]
    rates = [rates_at(core.world, book.first.episode, t) for t in at]
    terms = [terms_of(core.world, book.first.episode, t) for t in at]
    joined = replace(
        terms[0], rent_ucur=np.concatenate([t.rent_ucur for t in terms]),
        fixed_ucur=np.concatenate([t.fixed_ucur for t in terms]), prices_metered=True,
        standing=[
            first._replace(ucur=np.concatenate([t.standing[i].ucur for t in terms]))
            for i, first in enumerate(terms[0].standing)
        ],
    )  # fmt: skip
    return each(rates[0], lambda *parts: np.concatenate(parts), *rates[1:]), joined


def _joined(blocks: Sequence[Any], left_out: tuple[str, ...] = ()) -> Any:
    """One block of all rows of many; fields named in ``left_out`` become none."""
    first = blocks[0]
    names = [name for name in type(first).__dataclass_fields__ if getattr(first, name) is not None]
    found = {name: np.concatenate([getattr(b, name) for b in blocks]) for name in names if name not in left_out}
    return replace(first, **found, **dict.fromkeys(left_out))


def _rebilled(book: Accounts, core: Core, bill: Ints, traded: Ints, pay: Ints) -> Accounts:
    """The accounts of the same meters with other bills and trades."""
    new = Accounts(core, book.first, book.seeds)
    new.net_ukwh, new.peak_ukwh = book.net_ukwh, book.peak_ukwh
    new.local_ukwh, new.pay_ucur = traded, pay
    new.energy_ukwh = book.energy_ukwh.copy()
    new.energy_ukwh[:, :, ENERGY.index("bought_local_kwh")] = 0
    new.energy_ukwh[:, :, ENERGY.index("sold_local_kwh")] = 0
    rows = bill.reshape(core.n_steps, core.n_envs, *bill.shape[1:])
    for t in range(core.n_steps):
        at = new.month_of(t)
        new.bill_ucur[at] += rows[t]
        new.energy_ukwh[(*at, ENERGY.index("bought_local_kwh"))] += np.maximum(traded[t], 0)
        new.energy_ukwh[(*at, ENERGY.index("sold_local_kwh"))] += np.maximum(-traded[t], 0)
    return new


def frozen_checks(outcomes: Sequence[FrozenOutcome], asked: Asked) -> list[FrozenCheck]:
    """Hold each rule to the same meters without a market: losses stay, and what members save is found with others."""
    off = {one.cell: one for one in outcomes if one.cell.mechanism == NO_MARKET}
    return [
        _check(one, off[beside], asked)
        for one in outcomes
        if one.cell.mechanism != NO_MARKET and (beside := one.cell._replace(mechanism=NO_MARKET)) in off
    ]


def _check(on: FrozenOutcome, off: FrozenOutcome, asked: Asked) -> FrozenCheck:
    change = sum(
        a.bill_ucur.sum(axis=(0, 1, 2)) - b.bill_ucur.sum(axis=(0, 1, 2))
        for a, b in zip(on.accounts, off.accounts, strict=True)
    )
    n = on.accounts[0].core.n_agents
    is_member = np.array([asked.customers.is_member(c) for c in _owners(asked, on.accounts[0].core)])
    changed = np.asarray(change)
    others = {"non-members": int(changed[:n][~is_member].sum())}
    others |= {party: int(changed[n + i]) for i, party in enumerate(SYSTEM_PARTIES)}
    saved = -int(changed[:n][is_member].sum())
    missing = max(abs(saved - sum(others.values())), on.off_balance_ucur, off.off_balance_ucur)
    factor, outsiders_cur, insiders_cur = _made_whole(on, off, is_member)
    return FrozenCheck(
        on.cell, saved / MICRO, {name: x / MICRO for name, x in others.items() if x}, on.loss_ukwh - off.loss_ukwh,
        on.losses_ucur - off.losses_ucur, missing, factor, outsiders_cur, saved / MICRO - insiders_cur,
    )  # fmt: skip


class _Whole(NamedTuple):
    factor: float
    outsiders_cur: float
    insiders_cur: float


def _made_whole(on: FrozenOutcome, off: FrozenOutcome, is_member: NDArray[np.bool_]) -> _Whole:
    """The factor on network prices that brings what came in without the market, and who pays how much more by it."""
    n = len(is_member)
    before, after = (
        np.asarray(sum(book.bill_ucur[:, :, line_places(*SCALED)].sum(axis=(0, 1, 2)) for book in one.accounts))
        for one in (off, on)
    )
    place = party_place(n, OPERATOR)
    factor = float(before[place]) / float(after[place]) if after[place] else 1.0
    more = (factor - 1.0) * after[:n] / MICRO
    return _Whole(factor, float(more[~is_member].sum()), float(more[is_member].sum()))
