"""What a comparison is asked, read and checked before anything is played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gridbazaar.data.community import Community, Customer
from gridbazaar.data.registry import name_of
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.comparison.automation import automated_at, community_at, read_shares
from gridbazaar.experiments.comparison.carbon import Marginal, read_marginal
from gridbazaar.experiments.comparison.cell import NO_AUTOMATION, NO_MARKET, Cell
from gridbazaar.experiments.comparison.network_lines import has_network_lines, scaled
from gridbazaar.experiments.evaluation.customers import Customers, customers_of
from gridbazaar.experiments.evaluation.evaluate import labelled
from gridbazaar.experiments.evaluation.given import read_given, with_tariff, without_table
from gridbazaar.experiments.evaluation.runs import with_runs
from gridbazaar.market.design import Design
from gridbazaar.market.tariff import Tariff


class Play(NamedTuple):
    """What is played of every tariff under a rule."""

    policy: str  # its label
    automated_share: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Tariffs x rules x policies x shares on the same episodes; the first of each is what others are held against."""

    scenario: str
    overrides: Mapping[str, Any]
    tariffs: Mapping[str, Tariff | Design]  # by name; played
    sources: Mapping[str, Any]  # of the tariffs, as a scenario takes them
    mechanisms: Mapping[str, Any]  # by name, as a scenario takes them; asked for
    policies: Mapping[str, Any]  # by label; idle is played beside them
    today: str  # the tariff that stands for today's
    seeds: tuple[int, ...]
    split: str
    designs: tuple[Design, ...]  # billed on the dispatch
    customers: Customers
    community: tuple[Customer, ...]  # the same as the scenario knows them
    drawn_from: int | None  # seed of what they have in all episodes; none: it is drawn with every episode
    master: int  # seed of the scenario
    automated: tuple[float, ...]  # shares of automated customers; none: as the community says
    is_part: bool
    first_best: bool  # whether it is solved for
    equal_revenue: bool
    why_not_equal: str  # "" where it is on
    allowed_cur: float | None  # revenue of the network operator over all episodes; none: that of today
    why_no_market_off: str  # why nothing is played without a local market; "" where it is
    allow_code: bool
    currency: str
    rates: Mapping[str, float]  # of one unit of each other currency that was met
    rate_of: Mapping[str, float]  # by tariff or design, of those that were in another currency
    marginal: Marginal | None  # what one kWh more makes the grid emit; none: it is not given

    @property
    def played_mechanisms(self) -> dict[str, Any]:
        """Rules that are played: those asked for, and none."""
        found = dict(self.mechanisms)
        return found if self.why_no_market_off or NO_MARKET in found else found | {NO_MARKET: NO_MARKET}

    @property
    def played_policies(self) -> dict[str, Any]:
        """Policies by label, runs of a folder one by one, idle first."""
        return with_runs({NO_AUTOMATION: NO_AUTOMATION} | dict(self.policies))[0]

    @property
    def runs(self) -> Mapping[str, tuple[str, ...]]:
        """Labels of the runs of each folder of runs."""
        return with_runs(self.policies)[1]

    @property
    def plays(self) -> list[Play]:
        """Policies and shares that are played, without automation first: at share 0 where shares are asked for."""
        if not self.automated:
            return [Play(policy, self.own_share) for policy in self.played_policies]
        shares = [share for share in self.automated if share > 0]
        steered = [policy for policy in self.played_policies if policy != NO_AUTOMATION]
        return [Play(NO_AUTOMATION, 0.0), *(Play(policy, share) for policy in steered for share in shares)]

    @property
    def own_share(self) -> float:
        """Share of the customers that the community says to be automated."""
        return sum(customer.automated for customer in self.community) / len(self.community)

    @property
    def cells(self) -> list[Cell]:
        """All that is played."""
        return [Cell(t, m, *play) for t in self.tariffs for m in self.played_mechanisms for play in self.plays]

    @property
    def status_quo(self) -> Cell:
        """Today's tariff without a local market and without automation."""
        mechanism = next(iter(self.mechanisms)) if self.why_no_market_off else NO_MARKET
        return Cell(self.today, mechanism, *self.plays[0])

    def without_automation(self, cell: Cell) -> Cell:
        """Give the cell that is played without automation beside this one."""
        return Cell(cell.tariff, cell.mechanism, *self.plays[0])

    def automated_customers(self, share: float) -> frozenset[str]:
        """Name those whose devices follow the policy in cells with this share."""
        if self.automated:
            return automated_at(share, self.community, self.master)
        return frozenset(customer.name for customer in self.community if customer.automated)

    def world(self, tariff: Any, mechanism: str, automated_share: float | None = None) -> Scenario:
        """Give the scenario of a cell.

        Args:
            tariff: a name of ``tariffs``, or a tariff with other prices.
            mechanism: a rule that is played.
            automated_share: who is automated, where shares are asked for; none: as the community says.
        """
        changed: dict[str, Any] = dict(self.overrides)
        if automated_share is not None and self.automated:
            there = community_at(automated_share, self.community, self.master, self.drawn_from)
            changed = without_table(changed, "community") | {"community": there}
        own = load_scenario(self.scenario, allow_code=self.allow_code, **changed)
        if name_of(own.mechanism) != mechanism:
            changed = without_table(changed, "mechanism_options")
            changed |= {"mechanism": self.played_mechanisms[mechanism], "mechanism_options": {}}
        is_read = not isinstance(tariff, str) or tariff in self.rate_of
        source = self.sources[tariff] if isinstance(tariff, str) else tariff
        changed = with_tariff(changed, source, is_read=is_read)
        return load_scenario(self.scenario, allow_code=self.allow_code, **changed)


def ask(
    scenario: str,
    tariffs: Sequence[Any],
    policies: Mapping[str, Any] | Sequence[Any],
    mechanisms: Sequence[Any] = (),
    *,
    today: str | None = None,
    automated: Sequence[float] = (),
    seeds: int | Sequence[int] = 20,
    split: str = "test",
    designs: Sequence[Any] = (),
    customers: str | Path | None = None,
    rates: Mapping[str, float] | None = None,
    is_part: bool = False,
    first_best: bool = True,
    marginal_carbon: str | Path | None = None,
    equal_revenue: bool | None = None,
    allowed_cur: float | None = None,
    allow_code: bool = False,
    **overrides: Any,
) -> Asked:
    """Read and check what is to be compared.

    Args:
        scenario: its name, with ``overrides``.
        tariffs: names, paths or objects of tariffs and designs that are played.
        policies: as for ``evaluate``.
        mechanisms: names or paths of market rules; none: that of the scenario.
        today: name of the tariff that stands for today's; none: the first.
        automated: shares of the customers whose devices follow the policy, the others the plain rule; none: as the
            community says. Share 0 is played beside them, in place of idle devices.
        seeds, split, allow_code: as for ``evaluate``.
        designs: under which the meters that came are billed too, and nobody answers.
        customers: the scenario's ``community``: families, members, who is automated, and labels for groups.
        rates: of one unit of other currencies in that of the scenario, by currency; without, designs in them are
            refused.
        is_part: bill a part of a year of netting.
        first_best: solve for what the episodes cost society at least, which cells are measured against.
        marginal_carbon: CSV of time and carbon_kg_per_kwh or carbon_g_per_kwh, what one kWh more makes the grid emit.
        equal_revenue: scale network lines until the network operator recovers what it may; none: where all have such
            lines and one currency.
        allowed_cur: that revenue, over all episodes; none: what it receives today, without market and automation.

    Raises:
        ValueError: names what cannot be compared, and why.
    """
    if mechanisms and "mechanism" in overrides:
        raise ValueError("mechanism: it is what is compared; leave it out of the settings")
    given = read_given(
        scenario, tariffs, designs, customers=customers, rates=rates, seeds=seeds, split=split, is_part=is_part,
        allow_code=allow_code, **overrides,
    )  # fmt: skip
    world, chosen = given.scenario, given.tariffs
    if today is not None and today not in chosen:
        raise ValueError(f"today: expected one of the tariffs, {', '.join(chosen)}; got {today!r}")
    named, shares = labelled(policies), read_shares(automated, world.customers)
    if shares and not any(name != NO_AUTOMATION for name in named):
        raise ValueError("automated: nobody follows a policy but idle; name another one, or leave the shares out")
    is_equal, why_not = _equal_revenue(equal_revenue, allowed_cur, [*chosen.values(), *given.designs], given.rates)
    nodal = "the wires of this scenario have prices, which are those of a market" if world.constraint == "nodal" else ""
    asked = Asked(
        scenario=scenario, overrides=given.overrides, tariffs=chosen, sources=given.sources,
        mechanisms=_mechanisms(mechanisms, world), policies=named, today=today or next(iter(chosen)),
        seeds=given.seeds, split=split, designs=given.designs, customers=customers_of(world.customers),
        community=world.customers, drawn_from=world.community.seed if isinstance(world.community, Community) else None,
        master=world.seed, automated=shares, is_part=is_part, first_best=first_best,
        equal_revenue=is_equal, why_not_equal=why_not, allowed_cur=allowed_cur, why_no_market_off=nodal,
        allow_code=allow_code, currency=world.currency, rates=given.rates, rate_of=given.rate_of,
        marginal=None if marginal_carbon is None else read_marginal(Path(marginal_carbon), world, given.seeds, split),
    )  # fmt: skip
    for tariff in chosen:
        for mechanism in asked.played_mechanisms:
            asked.world(tariff, mechanism)
    return asked


def _mechanisms(mechanisms: Sequence[Any], world: Scenario) -> dict[str, Any]:
    given = list(mechanisms) or [world.mechanism]
    rules = {name_of(one): one for one in given}
    if len(rules) < len(given):
        raise ValueError(f"mechanisms: expected each once, got {', '.join(name_of(one) for one in given)}")
    return rules


def _equal_revenue(
    wanted: bool | None, allowed_cur: float | None, tariffs: Sequence[Tariff | Design], rates: Mapping[str, float]
) -> tuple[bool, str]:
    """Whether network lines are scaled, and why not."""
    if allowed_cur is not None and not 0 < allowed_cur < float("inf"):
        raise ValueError(f"allowed-revenue: expected an amount above 0, got {allowed_cur:g}")
    if wanted is False:
        if allowed_cur is not None:
            raise ValueError("allowed-revenue: it is what network lines are scaled to; leave out --no-equal-revenue")
        return False, "it was not asked for"
    why = ""
    if bare := [one.name for one in tariffs if not has_network_lines(one)]:
        why = f"{', '.join(bare)}: no network line that could be scaled"
    for one in tariffs:
        try:
            scaled(one, 2.0)
        except ValueError as error:
            why = why or f"{one.name}: {error}"
    if why and (wanted or allowed_cur is not None):
        raise ValueError(f"equal revenue: {why}; leave it out, or give tariffs that have network lines")
    if rates and wanted is None and allowed_cur is None:
        return False, "the tariffs are of several currencies"
    return not why, why
