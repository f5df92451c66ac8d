"""Value or transfer: a local market on and off, discounts on its fee, and the dispatch frozen or answering.

All of it is a comparison (``experiments/comparison``) on the same days. Frozen, the meters of a run without a market
are settled again with one; answering, devices trade what the rule of all agents makes of it. What members gain is held
beside what society spends less (``resource_cost_cur``): energy at wholesale, wear and comfort. The rest is moved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.community import Community, Customer
from gridbazaar.data.units import MICRO
from gridbazaar.experiments.comparison.asked import ask
from gridbazaar.experiments.comparison.cell import NO_MARKET, Cell, Outcome
from gridbazaar.experiments.comparison.cells_table import resource_cost_cur
from gridbazaar.experiments.comparison.daybook import party_place
from gridbazaar.experiments.comparison.frozen import FrozenCheck, frozen_checks
from gridbazaar.experiments.comparison.network_lines import OPERATOR
from gridbazaar.experiments.comparison.study import Study
from gridbazaar.experiments.comparison.study import study as compare
from gridbazaar.experiments.evaluation.statistics import Interval, mean_interval, share_interval
from gridbazaar.experiments.studies.result import Result, Table, is_told, number, with_ends
from gridbazaar.market.designs import load_design
from gridbazaar.market.tariff import Tariff
from gridbazaar.market.tariffs import load_tariff

Floats = NDArray[np.float64]

SCENARIO, MECHANISM, POLICY, RETAIL = "village", "uniform_price", "opportunity_cost", ("flat", "spot")
OUTSIDE = ("prosumer_8", "prosumer_9", "prosumer_10", "prosumer_11")
"""Homes that are no members of the local market, as in examples/members.csv."""
BY_DISTANCE = "at_rec_vienna"
"""The design whose network price on a neighbour's kWh hangs on how far it comes."""
NONE, WHOLE = "none", "whole"
DAYS_A_WEEK = 7


def discounts() -> dict[str, float]:
    """By name: the share of the network's price that a neighbour's kWh is spared, from the least on."""
    charge = next(c for c in load_design(BY_DISTANCE).charges if c.line == "network" and c.local)
    found = {f"same {name}, as in Vienna": 1.0 - charge.local[name] for name in ("feeder", "transformer")}
    found |= {NONE: 0.0, "half": 0.5, WHOLE: 1.0}
    return dict(sorted(found.items(), key=lambda one: one[1]))


def tariffs(retail: str) -> list[Tariff]:
    """A tariff for each discount, which differ in nothing else: taxes are due in full on a neighbour's kWh, too."""
    base = load_tariff(retail)
    return [
        replace(
            base, name=name, local_network_cur_per_kwh=base.network_cur_per_kwh * (1.0 - spared),
            local_tax_cur_per_kwh=base.tax_cur_per_kwh,
        )
        for name, spared in discounts().items()
    ]  # fmt: skip


def transfer(weeks: int, tick: Callable[[], None] | None = None) -> Result:
    """Play and settle all cells on seven days a week.

    Args:
        weeks: of the year; each of its days is an episode drawn by itself.
        tick: called after every interval, for progress.
    """
    found = {retail: _compared(retail, DAYS_A_WEEK * weeks, tick) for retail in RETAIL}
    rows = [row for retail, one in found.items() for row in _rows(retail, one)]
    return Result(
        {"frozen": _frozen_table(rows), "answering": _answering_table(rows), "published": _published_table(rows)},
        {"verdict": _bullets(_verdict(rows)), "frozen": _bullets(_frozen_words(rows)),
         "answering": _bullets(_answering_words(rows))},
    )  # fmt: skip


def _compared(retail: str, n_days: int, tick: Callable[[], None] | None) -> Study:
    outside = Community(tuple(Customer(home, (home,), member=False) for home in OUTSIDE))
    asked = ask(
        SCENARIO, tariffs(retail), [POLICY], [MECHANISM], seeds=n_days, equal_revenue=False, first_best=False,
        community=outside, step_min=60,
    )  # fmt: skip
    return compare(asked, tick=None if tick is None else lambda what, done, total: tick())


@dataclass(frozen=True)
class Row:
    """One retail price and discount, by day: amounts > 0 are gained."""

    found: Study
    retail: str
    discount: str
    frozen: FrozenCheck
    on: Outcome  # played with the market
    off: Outcome  # and without it

    @property
    def n_days(self) -> int:
        return len(self.resources_cur)

    @cached_property
    def resources_cur(self) -> Floats:
        """[n_days] that society spends less."""
        return resource_cost_cur(self.found, self.off) - resource_cost_cur(self.found, self.on)

    @cached_property
    def gains_cur(self) -> Floats:
        """[n_days] that all customers gain: lower bills, less wear and discomfort, more left in storage."""
        borne = _borne_cur(self.found, self.off) - _borne_cur(self.found, self.on)
        return self._day_cur(slice(0, self.on.n_agents)) + borne

    @cached_property
    def outside_cur(self) -> Floats:
        """[n_days] by which bills of non-members fall."""
        names = self.on.accounts[0].core.agents
        return self._day_cur([names.index(home) for home in OUTSIDE])

    @cached_property
    def network_cur(self) -> Floats:
        """[n_days] by which the network operator receives more."""
        return self._day_cur([party_place(self.on.n_agents, OPERATOR)])

    def _day_cur(self, places: slice | Sequence[int]) -> Floats:
        """[n_days] that parties pay less with the market than without."""
        return _paid_cur(self.off, places) - _paid_cur(self.on, places)

    @property
    def has_gain(self) -> bool:
        """Whether customers gain anything that can be told from chance."""
        return mean_interval(self.gains_cur).low > 0

    @property
    def share(self) -> Interval:
        """How much of what customers gain are resources, percent; only where they gain."""
        return share_interval(0.0 * self.gains_cur, -self.resources_cur, -self.gains_cur)


def _paid_cur(one: Outcome, places: slice | Sequence[int]) -> Floats:
    found: Floats = np.concatenate([book.day_ucur[:, :, places].sum(axis=(0, 2)) for book in one.books]) / MICRO
    return found


def _borne_cur(found: Study, one: Outcome) -> Floats:
    """[n_days] that customers bear beside their bills, less what they have left in storage."""
    borne = np.concatenate([book.borne_cur.sum(axis=0) for book in one.books])
    left_kwh = np.concatenate([book.left_kwh for book in one.books])
    cost: Floats = borne - left_kwh * found.best.worth_cur_per_kwh
    return cost


def _rows(retail: str, found: Study) -> list[Row]:
    checks = {check.cell.tariff: check for check in frozen_checks(found.frozen, found.asked)
              if check.cell.policy == POLICY}  # fmt: skip
    rows = []
    for name in found.asked.tariffs:
        on, off = (found.outcome(Cell(name, mechanism, POLICY)) for mechanism in (MECHANISM, NO_MARKET))
        assert on is not None
        assert off is not None
        rows.append(Row(found, retail, name, checks[name], on, off))
    return rows


def _frozen_table(rows: Sequence[Row]) -> Table:
    head = [
        "retail price", "fee spared", "members save, EUR a day", "the retailer loses", "the network operator",
        "the state", "non-members", "found with nobody", "losses change, kWh", "once the network is made whole: "
        "non-members pay more", "members keep",
    ]  # fmt: skip
    table = [head]
    for row in rows:
        check, n = row.frozen, row.n_days
        paid = [check.others_cur.get(name, 0.0) / n for name in ("retailer", OPERATOR, "state", "non-members")]
        table.append([
            row.retail, row.discount, number(check.members_cur / n), *map(number, paid),
            number(check.missing_ucur / MICRO, 6), number(check.loss_change_ukwh / MICRO, 6),
            number(check.outsiders_more_cur / n), number(check.members_keep_cur / n),
        ])  # fmt: skip
    return table


def _answering_table(rows: Sequence[Row]) -> Table:
    head = [
        "retail price", "fee spared", "all customers gain, EUR a day", "of it resources", "share", "moved",
        "the network operator loses", "non-members gain", "losses change, kWh a day",
    ]  # fmt: skip
    table = [head]
    for row in rows:
        losses = np.concatenate([on.wires["loss_kwh"].sum(0) - off.wires["loss_kwh"].sum(0)
                                 for on, off in zip(row.on.books, row.off.books, strict=True)])  # fmt: skip
        table.append([
            row.retail, row.discount, with_ends(mean_interval(row.gains_cur)),
            with_ends(mean_interval(row.resources_cur)), with_ends(row.share, 0, " %") if row.has_gain else "no gain",
            with_ends(mean_interval(row.gains_cur - row.resources_cur)), with_ends(mean_interval(-row.network_cur)),
            with_ends(mean_interval(row.outside_cur)), with_ends(mean_interval(losses)),
        ])  # fmt: skip
    return table


def _published_table(rows: Sequence[Row]) -> Table:
    """What others found of such markets, beside ours."""
    half, none = _of(rows, RETAIL[0], "half"), _of(rows, RETAIL[0], NONE)
    gain, lower = (100 * float(x.mean()) for x in (half.gains_cur > 0, _peaks_kw(half.on) < _peaks_kw(half.off) - 1e-6))
    homes = none.on.accounts[0].core.scenario.agents["prosumer"].count
    return [
        ["check", "published", "ours"],
        ["8", "a local market lowers the mean price in 99 % of 400 grids, the peak in some 80 % (Doepfert and others)",
         f"half of the fee spared: bills fall on {gain:.0f} % of {half.n_days} days, the peak on {lower:.0f} %"],
        ["9", "under full levies a market with PV and heat pumps is not economic (Energies 13, 2020, 5348)",
         f"nothing spared: a gain of {number(365 * float(none.gains_cur.mean()) / homes)} EUR a home and year, "
         "out of which the market has to be run"],
    ]  # fmt: skip


def _peaks_kw(one: Outcome) -> Floats:
    """[n_days] the most that the transformer carries towards the village."""
    found: Floats = np.concatenate([book.wires["root_kw"].max(axis=0) for book in one.books])
    return found


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _verdict(rows: Sequence[Row]) -> list[str]:
    """The answer in a sentence for each retail price, at no and at the whole discount."""
    found = []
    if all(row.frozen.holds for row in rows):
        found.append("**With the dispatch frozen: transfer, all of it**, whatever the discount.")
    else:
        found.append("**With the dispatch frozen something is missing**: this must not be, please report it.")
    for row in (row for row in rows if row.discount in (NONE, WHOLE)):
        gain = mean_interval(row.gains_cur)
        where = f"price {row.retail}, {'no discount' if row.discount == NONE else 'the whole fee spared'}"
        if not row.has_gain:
            found.append(f"**With devices that answer ({where}): nothing that can be told from chance**, "
                         f"customers gain {with_ends(gain)} EUR a day.")  # fmt: skip
            continue
        found.append(
            f"**With devices that answer ({where}): {_named(row)}**. Of {with_ends(gain)} EUR a day that customers "
            f"gain, {with_ends(row.share, 0, ' %')} are resources that society saves."
        )
    return found


def _named(row: Row) -> str:
    """What the share of resources says, by its whole interval."""
    if not is_told(mean_interval(row.resources_cur)):
        return "no value that can be told from chance, all transfer"
    if row.share.high < 0:
        return "transfer, and society spends more for it"
    if row.share.high < 50:
        return "mostly transfer"
    return "mostly value" if row.share.low > 50 else "part value, part transfer"


def _of(rows: Sequence[Row], retail: str, discount: str) -> Row:
    return next(row for row in rows if (row.retail, row.discount) == (retail, discount))


def _frozen_words(rows: Sequence[Row]) -> list[str]:
    found = []
    for retail in RETAIL:
        none, whole = (_of(rows, retail, discount) for discount in (NONE, WHOLE))
        saved, more = none.frozen.members_cur / none.n_days, whole.frozen.members_cur / whole.n_days
        found.append(
            f"Price {retail}: without a discount members save {number(saved)} EUR a day, "
            f"{_parties(none.frozen)}. With the whole fee spared it is {number(more)}, {_parties(whole.frozen)}."
        )
    outside = max(abs(row.frozen.others_cur.get("non-members", 0.0)) for row in rows)
    whole = _of(rows, RETAIL[0], WHOLE)
    n, check = whole.n_days, whole.frozen
    found.append(
        f"Bills of non-members change by {number(outside, 6)} EUR (rounding) until the network operator is made whole. "
        f"At price {RETAIL[0]} and the whole fee spared its prices rise by {100 * (check.factor - 1):.1f} %, "
        f"non-members pay {number(check.outsiders_more_cur / n)} EUR a day more, and members keep "
        f"{number(check.members_keep_cur / n)} of {number(check.members_cur / n)}."
    )
    return found


def _parties(check: FrozenCheck) -> str:
    parts = sorted(check.others_cur.items(), key=lambda one: -one[1])
    said = [f"{100 * cur / check.members_cur:.0f} % the {name.replace('_', ' ')}'s" for name, cur in parts
            if abs(cur) > 0.005 * abs(check.members_cur)]  # fmt: skip
    return " and ".join(said) if said else "nobody's"


def _answering_words(rows: Sequence[Row]) -> list[str]:
    found = []
    for retail in RETAIL:
        none, whole = (_of(rows, retail, discount) for discount in (NONE, WHOLE))
        gain = mean_interval(whole.gains_cur - none.gains_cur)
        value = mean_interval(whole.resources_cur - none.resources_cur)
        less = mean_interval(none.network_cur - whole.network_cur)
        found.append(
            f"Price {retail}: to spare the whole fee gives customers {with_ends(gain)} EUR a day more than no discount,"
            f" takes {with_ends(less)} from the network operator, and changes what society saves by {with_ends(value)}"
            f"{'' if is_told(value) else ', which cannot be told from nothing'}."
        )
    return found
