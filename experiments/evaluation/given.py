"""What a comparison of tariffs is given, read and checked in one place: tariffs, designs, currencies, customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.design_bills import check_designs, check_whole
from gridbazaar.market.design import Design
from gridbazaar.market.designs import load_design
from gridbazaar.market.exchange import in_currency
from gridbazaar.market.found import find_tariff
from gridbazaar.market.tariff import Tariff
from gridbazaar.market.tariffs import list_tariffs


class Given(NamedTuple):
    """Tariffs that are played and designs that are billed, all in the currency of the scenario."""

    scenario: Scenario  # with its own tariff and rule
    overrides: Mapping[str, Any]  # of it, customers among them
    tariffs: Mapping[str, Tariff | Design]  # by name; with the options of the scenario's tariff
    sources: Mapping[str, Any]  # of the tariffs, as a scenario takes them
    designs: tuple[Design, ...]
    seeds: tuple[int, ...]
    rates: Mapping[str, float]  # of one unit of each other currency that was met
    rate_of: Mapping[str, float]  # by tariff or design, of those that were in another currency


def read_given(
    scenario: str,
    tariffs: Sequence[Any],
    designs: Sequence[Any] = (),
    *,
    customers: str | Path | None = None,
    rates: Mapping[str, float] | None = None,
    seeds: int | Sequence[int] = 20,
    split: str = "test",
    is_part: bool = False,
    allow_code: bool = False,
    **overrides: Any,
) -> Given:
    """Read what is to be compared; arguments are those of ``compare``.

    Raises:
        ValueError: names what cannot be compared, and why.
    """
    if "tariff" in overrides:
        raise ValueError("tariff: it is what is compared; leave it out of the settings")
    if customers is not None:
        if "community" in overrides:
            raise ValueError("customers: they are the community that the settings name; give one of the two")
        overrides["community"] = str(customers)
    check_whole(overrides.get("carry", "whole"))
    world = load_scenario(scenario, allow_code=allow_code, **overrides)
    check_whole(world.carry)
    found = _once([find_tariff(tariff, **world.tariff_options) for tariff in tariffs])
    sources = dict(zip(found, tariffs, strict=True))
    billed = {design.name: design for design in map(load_design, designs)}
    given = _rates(rates or {}, world.currency)
    _refuse_mixed(found, billed, world.currency, given)
    met = {one.currency for one in (*found.values(), *billed.values()) if isinstance(one, Design)}
    if idle := [currency for currency in given if currency not in met]:
        raise ValueError(f"rate: no tariff or design is in {', '.join(idle)}; leave its rate out")
    rate_of = {
        name: given[one.currency]
        for name, one in (*found.items(), *billed.items())
        if isinstance(one, Design) and one.currency in given
    }
    tariffs_here = {name: _here(one, world.currency, given) for name, one in found.items()}
    designs_here = tuple(_here(one, world.currency, given) for one in billed.values())
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(int(seed) for seed in seeds)
    check_designs(designs_here, world, numbers, split, is_part=is_part)
    sources |= {name: tariffs_here[name] for name in rate_of if name in tariffs_here}
    return Given(world, overrides, tariffs_here, sources, designs_here, numbers, given, rate_of)


def with_tariff(overrides: Mapping[str, Any], tariff: Any, *, is_read: bool) -> dict[str, Any]:
    """Give overrides of a scenario with a tariff in it.

    Args:
        overrides: without one.
        tariff: as a scenario takes it.
        is_read: it was read with the options of the scenario already, which then are not taken again.
    """
    changed = dict(overrides)
    if is_read:
        changed = without_table(changed, "tariff_options") | {"tariff_options": {}}
    return changed | {"tariff": tariff}


def without_table(overrides: Mapping[str, Any], table: str) -> dict[str, Any]:
    """Overrides without a table of options, given as one or by its fields."""
    return {name: value for name, value in overrides.items() if name.partition(".")[0] != table}


def _once(found: Sequence[Tariff | Design]) -> dict[str, Tariff | Design]:
    if not found:
        raise ValueError(f"tariffs: expected some of {', '.join(list_tariffs())}, got none")
    chosen = {one.name: one for one in found}
    if len(chosen) < len(found):
        raise ValueError(f"tariffs: expected each once, got {', '.join(one.name for one in found)}")
    return chosen


def _rates(given: Mapping[str, float], money: str) -> dict[str, float]:
    """Refuse rates that are none."""
    for currency, rate in given.items():
        if len(currency) != 3 or not currency.isupper() or not currency.isalpha():
            raise ValueError(f"rate: expected three letters such as USD, got {currency!r}")
        if currency == money:
            raise ValueError(f"rate: amounts are in {money}, one of which is one; leave its rate out")
        if not 0 < rate < float("inf"):
            raise ValueError(f"rate: expected how many {money} one {currency} is, above 0; got {rate:g}")
    return dict(given)


def _refuse_mixed(
    tariffs: Mapping[str, Tariff | Design], designs: Mapping[str, Design], money: str, rates: Mapping[str, float]
) -> None:
    """Refuse designs whose currency is neither that of the scenario nor one with a rate."""
    for what, held in (("tariffs", tariffs), ("designs", designs)):
        strange = {
            one.currency: one.name
            for one in held.values()
            if isinstance(one, Design) and one.currency != money and one.currency not in rates
        }
        if not strange:
            continue
        listed = ", ".join(f"{currency} of {name}" for currency, name in strange.items())
        first = next(iter(strange))
        raise ValueError(
            f"{what}: expected designs of one currency, got {listed}; what is played is paid in {money}, that of the "
            f"scenario: give a rate, such as --rate {first}=0.9 ({money} for one {first}), or compare them apart, with "
            f"currency = {first!r} where the scenario's amounts and spot price are meant in it"
        )


def _here(one: Any, money: str, rates: Mapping[str, float]) -> Any:
    """Give a tariff or design in the currency of the scenario."""
    if isinstance(one, Design) and one.currency in rates:
        return in_currency(one, money, rates[one.currency])
    return one
