"""What a comparison is asked, read and checked before anything is played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridbazaar.data.registry import name_of
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.comparison.cell import NO_AUTOMATION, NO_MARKET, Cell
from gridbazaar.experiments.comparison.network_lines import has_network_lines, scaled
from gridbazaar.experiments.evaluation.customers import Customers, customers_of
from gridbazaar.experiments.evaluation.design_bills import check_designs, check_whole
from gridbazaar.experiments.evaluation.evaluate import labelled
from gridbazaar.experiments.evaluation.runs import with_runs
from gridbazaar.market.design import Design
from gridbazaar.market.designs import load_design
from gridbazaar.market.found import find_tariff
from gridbazaar.market.tariff import Tariff
from gridbazaar.market.tariffs import list_tariffs


@dataclass(frozen=True, slots=True)
class Asked:
    """Tariffs x rules x policies on the same episodes; the first of each is what others are held against."""

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
    is_part: bool
    equal_revenue: bool
    why_not_equal: str  # "" where it is on
    allowed_cur: float | None  # revenue of the network operator over all episodes; none: that of today
    why_no_market_off: str  # why nothing is played without a local market; "" where it is
    allow_code: bool
    currency: str

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
    def cells(self) -> list[Cell]:
        """All that is played."""
        return [Cell(t, m, p) for t in self.tariffs for m in self.played_mechanisms for p in self.played_policies]

    @property
    def status_quo(self) -> Cell:
        """Today's tariff without a local market and without automation."""
        mechanism = next(iter(self.mechanisms)) if self.why_no_market_off else NO_MARKET
        return Cell(self.today, mechanism, NO_AUTOMATION)

    def world(self, tariff: Any, mechanism: str) -> Scenario:
        """Give the scenario of a cell; ``tariff`` is a name of ``tariffs``, or a tariff with other prices."""
        changed: dict[str, Any] = dict(self.overrides)
        own = load_scenario(self.scenario, allow_code=self.allow_code, **changed)
        if isinstance(tariff, str):
            tariff = self.sources[tariff]
        else:  # it was read with the options of the scenario already
            changed = _without(changed, "tariff_options") | {"tariff_options": {}}
        if name_of(own.mechanism) != mechanism:
            changed = _without(changed, "mechanism_options")
            changed |= {"mechanism": self.played_mechanisms[mechanism], "mechanism_options": {}}
        return load_scenario(self.scenario, allow_code=self.allow_code, **(changed | {"tariff": tariff}))


def _without(overrides: Mapping[str, Any], table: str) -> dict[str, Any]:
    """Overrides without a table of options, given as one or by its fields."""
    return {name: value for name, value in overrides.items() if name.partition(".")[0] != table}


def ask(
    scenario: str,
    tariffs: Sequence[Any],
    policies: Mapping[str, Any] | Sequence[Any],
    mechanisms: Sequence[Any] = (),
    *,
    today: str | None = None,
    seeds: int | Sequence[int] = 20,
    split: str = "test",
    designs: Sequence[Any] = (),
    customers: str | Path | None = None,
    is_part: bool = False,
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
        seeds, split, allow_code: as for ``evaluate``.
        designs: under which the meters that came are billed too, and nobody answers.
        customers: the scenario's ``community``: families, members, who is automated, and labels for groups.
        is_part: bill a part of a year of netting.
        equal_revenue: scale network lines until the network operator recovers what it may; none: where all have such
            lines.
        allowed_cur: that revenue, over all episodes; none: what it receives today, without market and automation.

    Raises:
        ValueError: names what cannot be compared, and why.
    """
    if name := next((n for n in ("tariff", *["mechanism"] * bool(mechanisms)) if n in overrides), None):
        raise ValueError(f"{name}: it is what is compared; leave it out of the settings")
    if customers is not None:
        if "community" in overrides:
            raise ValueError("customers: they are the community that the settings name; give one of the two")
        overrides["community"] = str(customers)
    world = load_scenario(scenario, allow_code=allow_code, **overrides)
    check_whole([world])
    chosen = _tariffs(tariffs, world.tariff_options)
    given = list(mechanisms) or [world.mechanism]
    rules = {name_of(one): one for one in given}
    if len(rules) < len(given):
        raise ValueError(f"mechanisms: expected each once, got {', '.join(name_of(one) for one in given)}")
    if today is not None and today not in chosen:
        raise ValueError(f"today: expected one of the tariffs, {', '.join(chosen)}; got {today!r}")
    billed = tuple(load_design(design) for design in designs)
    money = next((one.currency for one in chosen.values() if isinstance(one, Design)), world.currency)
    if strange := [f"{design.currency} of {design.name}" for design in billed if design.currency != money]:
        raise ValueError(f"designs: what is played is paid in {money}, got {', '.join(strange)}; bill them apart")
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(int(seed) for seed in seeds)
    check_designs(billed, world, numbers, split, is_part=is_part)
    is_equal, why_not = _equal_revenue(equal_revenue, allowed_cur, [*chosen.values(), *billed])
    nodal = "the wires of this scenario have prices, which are those of a market" if world.constraint == "nodal" else ""
    asked = Asked(
        scenario=scenario, overrides=overrides, tariffs=chosen,
        sources=dict(zip(chosen, tariffs, strict=True)), mechanisms=rules, policies=labelled(policies),
        today=today or next(iter(chosen)), seeds=numbers, split=split, designs=billed,
        customers=customers_of(world.customers),
        is_part=is_part, equal_revenue=is_equal, why_not_equal=why_not, allowed_cur=allowed_cur,
        why_no_market_off=nodal, allow_code=allow_code, currency=world.currency,
    )  # fmt: skip
    for tariff in chosen:
        for mechanism in asked.played_mechanisms:
            asked.world(tariff, mechanism)
    return asked


def _tariffs(given: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Tariff | Design]:
    found = [find_tariff(tariff, **options) for tariff in given]
    if not found:
        raise ValueError(f"tariffs: expected some of {', '.join(list_tariffs())}, got none")
    chosen = {one.name: one for one in found}
    if len(chosen) < len(found):
        raise ValueError(f"tariffs: expected each once, got {', '.join(one.name for one in found)}")
    currencies = {one.currency: one.name for one in found if isinstance(one, Design)}
    if len(currencies) > 1:
        listed = ", ".join(f"{currency} of {name}" for currency, name in currencies.items())
        raise ValueError(f"tariffs: expected designs of one currency, got {listed}; compare them apart")
    return chosen


def _equal_revenue(
    wanted: bool | None, allowed_cur: float | None, tariffs: Sequence[Tariff | Design]
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
    return not why, why
