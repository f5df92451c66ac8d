"""What the package holds, as tables for the terminal: lists of everything that is found by name, and one of each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from gridbazaar.data.registry import installed, name_of
from gridbazaar.experiments.cli.tabled import table
from gridbazaar.experiments.describe import about_kind, entries, scenario_toml, shipped_columns, toml_value, unit_of
from gridbazaar.market.clear.result import Result, as_text

if TYPE_CHECKING:
    from gridbazaar.experiments.measure.forecasts import ForecastCard
    from gridbazaar.experiments.measure.mechanisms import Measured
    from gridbazaar.experiments.measure.rewards import RewardSpread
    from gridbazaar.market.tariff import Tariff

_MANY_BRANCHES = 60
_RUN = "FOLDER of a run"
_OWN = "FILE.py[:NAME]"


_REWARDS = {
    "own": "reward.whose: minus what the agent itself costs, or its customer",
    "community": "reward.whose: minus the part of each in what all cost",
    "mix": "reward.whose: both, reward.mix of own",
    _OWN: "reward.function: of your own, a function of what happened",
}
_LOADERS = {_OWN: "data.loader: of your own, a function of a path; what is read without one: gridbazaar data list"}


def list_things(what: str) -> Table:
    """List all that is found by name of a sort, scenarios or kinds, with a line about each."""
    names, about = _found(what)
    brought = installed(f"gridbazaar.{what}")  # named, not imported
    rows = ((n, f"brought by a package, {brought[n].value}" if n in brought else about(n)) for n in names)
    return table("", ("name", "what it is"), rows)


def show_thing(what: str, name: str, console: Console) -> None:
    """Print one tariff, mechanism, feeder, scenario, kind or policy."""
    {
        "tariff": _show_tariff,
        "mechanism": _show_mechanism,
        "feeder": _show_feeder,
        "scenario": _show_scenario,
        "kind": _show_kind,
        "policy": _show_policy,
    }[what](name, console)


def _found(what: str) -> tuple[list[str], Callable[[str], str]]:
    if what == "scenarios":
        from gridbazaar.envs.scenarios import list_scenarios, load_scenario

        return list_scenarios(), lambda name: load_scenario(name).title
    if what == "mechanisms":
        from gridbazaar.market.mechanisms import list_mechanisms, load_mechanism

        return list_mechanisms(), lambda name: _first_line(load_mechanism(name).func)  # type: ignore[attr-defined]
    if what == "tenders":
        from gridbazaar.market.flexibility.tenders import list_tenders, load_tender

        return list_tenders(), lambda name: _first_line(load_tender(name).func)  # type: ignore[attr-defined]
    if what == "tariffs":
        from gridbazaar.market.tariffs import list_tariffs, load_tariff

        return list_tariffs(), lambda name: load_tariff(name).title
    if what == "designs":
        from gridbazaar.market.designs import list_designs, load_design

        return list_designs(), lambda name: load_design(name).title
    if what == "policies":
        from gridbazaar.agents.policies import list_policies

        return [_RUN if name == "trained" else name for name in list_policies()], _about_policy
    if what == "kinds":
        from gridbazaar.agents.kinds import list_kinds

        return list_kinds(), about_kind
    if what in ("rewards", "loaders"):
        about = _REWARDS if what == "rewards" else _LOADERS
        return [*about, *installed(f"gridbazaar.{what}")], about.__getitem__
    from gridbazaar.data.feeders import list_feeders, load_feeder

    return list(list_feeders()), lambda name: f"{load_feeder(name).n_buses} buses; {load_feeder(name).source}"


def _about_policy(name: str) -> str:
    from importlib import import_module

    name = "trained" if name == _RUN else name
    return _first_line(import_module(f"gridbazaar.agents.policies.{name}"))


def _first_line(documented: Any) -> str:
    return (inspect.getdoc(documented) or "").split("\n\n")[0].replace("\n", " ")


def _show_scenario(name: str, console: Console) -> None:
    from gridbazaar.envs.scenarios import load_scenario

    console.print(scenario_toml(load_scenario(name)), markup=False, highlight=False, soft_wrap=True, end="")


def _show_tariff(name: str, console: Console) -> None:
    from gridbazaar.experiments.cli.sheet import show_design
    from gridbazaar.market.design import Design
    from gridbazaar.market.found import find_tariff

    tariff = find_tariff(name)
    if isinstance(tariff, Design):
        show_design(tariff, console)
        return
    shown = [e for e in entries(type(tariff)) if e.name not in ("name", "title", "windows")]
    rows = [(e.name, f"{getattr(tariff, e.name):g}", unit_of(e.name), e.note) for e in shown]
    console.print(table(f"{name}: {tariff.title}", ("field", ">value", "unit", "meaning"), rows))
    if tariff.windows:
        windows = [
            (f"{w.from_h:g} to {w.to_h:g} h", f"{w.add_cur_per_kwh:+g}", _days(w.weekdays, w.weekends))
            for w in tariff.windows
        ]
        console.print(table("\nwindows", ("hours", ">currency/kWh", "days"), windows))

    prices = [(line, price, days) for line, price, days in all_in(tariff)]
    console.print(table("\nwhat a kWh costs and earns, all in", ("when", ">currency/kWh", "days"), prices))
    if tariff.spot_factor or tariff.export_spot_factor:
        console.print("spot: the wholesale price of the hour")


def all_in(tariff: Tariff) -> list[tuple[str, str, str]]:
    """Say what a kWh costs from the retailer in each window and beside them, from a neighbour, and what one earns."""
    always = tariff.network_cur_per_kwh + tariff.tax_cur_per_kwh
    local = tariff.local_network_cur_per_kwh + tariff.local_tax_cur_per_kwh

    def price(cur_per_kwh: float, factor: float) -> str:
        spot = {0.0: "", 1.0: " + spot"}.get(factor, f" {factor:+g} x spot")
        return f"{cur_per_kwh:.4g}{spot}"

    usual = price(tariff.energy_cur_per_kwh + always, tariff.spot_factor)
    rows = [("from the retailer" + (", outside the windows" if tariff.windows else ""), usual, "all")]
    rows += [
        (
            f"from the retailer, {w.from_h:g} to {w.to_h:g} h",
            price(tariff.energy_cur_per_kwh + w.add_cur_per_kwh + always, tariff.spot_factor),
            _days(w.weekdays, w.weekends),
        )
        for w in tariff.windows
    ]
    return [
        *rows,
        ("of it network and tax", f"{always:.4g}", "all"),
        ("from a neighbour, its price and", f"{local:.4g}", "all"),
        ("sold to the retailer", price(tariff.export_cur_per_kwh, tariff.export_spot_factor), "all"),
    ]


def _show_policy(name: str, console: Console) -> None:
    from gridbazaar.agents.policies import load_policy

    policy = type(load_policy(name))
    module = inspect.getmodule(policy)
    text = "\n\n".join(filter(None, (inspect.getdoc(module), inspect.getdoc(policy))))
    console.print(f"{text}\n", markup=False, highlight=False)
    options = [(p.name, p.default) for p in inspect.signature(policy).parameters.values()]
    console.print(table("options", ("name", "default"), options) if options else "no options")


def _days(weekdays: bool, weekends: bool) -> str:
    return {(True, True): "all", (True, False): "weekdays", (False, True): "weekends"}.get((weekdays, weekends), "none")


def _show_mechanism(name: str, console: Console) -> None:
    from gridbazaar.market.mechanisms import load_mechanism, mechanism_stage

    function = load_mechanism(name).func  # type: ignore[attr-defined]
    stage = {"ex_ante": "orders, before delivery", "ex_post": "metered energy, after delivery"}[mechanism_stage(name)]
    console.print(f"{name}: {inspect.getdoc(function)}\n\nclears {stage}\n", markup=False, highlight=False)
    parameters = inspect.signature(function).parameters.values()
    options = [(p.name, p.default) for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    console.print(table("options", ("name", "default"), options) if options else "no options")


def _show_feeder(name: str, console: Console) -> None:
    from gridbazaar.data.feeders import load_feeder

    feeder = load_feeder(name)
    facts = [
        ("source", feeder.source),
        ("buses", feeder.n_buses),
        ("voltage", f"{feeder.base_kv:g} kV, permitted {feeder.v_min_pu:g} to {feeder.v_max_pu:g} pu"),
        ("at the root", f"{feeder.root_voltage_pu:g} pu" + (", transformer" if feeder.has_transformer else "")),
        ("base load", f"{feeder.p_kw.sum():g} kW, {feeder.q_kvar.sum():g} kvar"),
    ]
    console.print(table(feeder.name, ("", ""), facts))
    names = ("root", *feeder.buses)
    rows = [
        (bus, names[feeder.parent[j] + 1], *(f"{x[j]:.4g}" for x in (feeder.r_ohm, feeder.x_ohm, feeder.rating_kva)))
        for j, bus in enumerate(feeder.buses[:_MANY_BRANCHES])
    ]
    left = feeder.n_buses - len(rows)
    title = "\nbranches" + (f", the first {len(rows)} of {feeder.n_buses}" if left else "")
    console.print(table(title, ("bus", "fed by", ">r ohm", ">x ohm", ">rating kVA"), rows))


def _show_kind(name: str, console: Console) -> None:
    from gridbazaar.agents.kinds import kinds, load_kind
    from gridbazaar.envs.columns import COMMON, OWN

    kind = load_kind(name)
    console.print(f"{_first_line(inspect.getmodule(kind.Config))}\n", markup=False, highlight=False)
    name_there = name_of(name)

    def columns_of(which: str) -> Sequence[Any]:
        return shipped_columns(name, which) if name in kinds() else getattr(kind, which)(kind.Config())

    head = ("name", "unit", ">low", ">high", "meaning")
    for title, columns in (
        ("actions, those beyond two where a scenario turns them on", columns_of("actions")),
        ("\nobservation, the same for all kinds", (*COMMON, *OWN)),
        ("\nobservation of this kind, where a scenario turns it on", columns_of("columns")),
    ):
        if not columns:
            continue
        console.print(table(title, head, ((c.name, c.unit, f"{c.low:g}", f"{c.high:g}", c.doc) for c in columns)))
    fields = ((e.name, e.type, toml_value(e.default), e.unit, e.bounds, e.note) for e in entries(kind.Config))
    console.print(
        table(f"\n\\[{name_there}] in a scenario", ("field", "type", "default", "unit", "bounds", "meaning"), fields)
    )


def cleared_tables(book: Any, result: Result) -> list[Table]:
    """Tables of a cleared order book: the outcome, then a row an order."""
    facts = [
        ("status", result.status),
        ("traded", f"{result.quantity:g} kWh"),
        ("price", f"{as_text(result.price)} per kWh"),
        ("competitive interval", f"{as_text(result.price_low)} to {as_text(result.price_high)} per kWh"),
        ("kept by the market operator", f"{result.surplus:g}"),
    ]
    if result.netted:
        facts.append(("settled by bidders with themselves", f"{result.netted:g} kWh"))
    if result.pool is not None:
        facts.append(("sold from the market's own stock", f"{result.pool:g} kWh"))
    sides = (
        ("buy", book.buys, result.buy_fills, result.buy_outside, result.buy_prices),
        ("sell", book.sells, result.sell_fills, result.sell_outside, result.sell_prices),
    )
    with_retailer = any(result.buy_outside + result.sell_outside)
    rows = [
        (
            side, "".join(order[2:]), *(f"{x:g}" for x in (*order[:2], fill)), *([f"{out:g}"] if with_retailer else []),
            as_text(price) if fill else "",
        )
        for side, orders, fills, outside, prices in sides
        for order, fill, out, price in zip(orders, fills, outside, prices, strict=True)
    ]  # fmt: skip
    extra = [">by the retailer"] if with_retailer else []
    head = ("side", "bidder", ">kWh", ">limit per kWh", ">filled kWh", *extra, ">price per kWh")
    return [table("", ("", ""), facts), table("", head, rows)]


def card_tables(found: Measured) -> list[Table]:
    """Tables of measured mechanisms: those that clear orders, then those that price metered energy."""
    from gridbazaar.experiments.measure.mechanisms import percent

    clearing = [
        (
            c.mechanism, c.distribution, f"{c.n_side}", percent(c.welfare_share), percent(c.surplus_share),
            percent(c.liars_share, 0), percent(c.lie_gain_share), percent(c.outside_share, 0),
        )
        for c in found.cards
    ]  # fmt: skip
    metered = [
        (
            c.mechanism, f"{c.n_side}", percent(c.traded_share), percent(c.sellers_share), percent(c.worse_share),
            percent(c.surplus_share),
        )
        for c in found.community
    ]  # fmt: skip
    head = ("rule", "orders", ">a side", ">gain %", ">kept %", ">liars %", ">lie gains %", ">price outside %")
    tables = [table(f"{found.n_books} books, {found.n_probes} probes, seed {found.seed}", head, clearing)]
    other = ("community rule", ">a side", ">traded %", ">gain to sellers %", ">worse off %", ">kept %")
    return (tables if clearing else []) + ([table("", other, metered)] if metered else [])


def forecast_table(cards: Sequence[ForecastCard], title: str) -> Table:
    """Say how far each way of forecasting errs."""
    from gridbazaar.experiments.measure.forecasts import card_row

    head = ("way", "horizon", ">load, single homes", ">PV", ">wind speed")
    return table(title, head, [card_row(card) for card in cards])


def reward_table(found: Mapping[str, Sequence[RewardSpread]]) -> Table:
    """Say how rewards spread under random actions, by scenario, and which scale brings them to the usual size."""
    rows = [
        (name, s.whose, f"{s.interval_cur:.4f}", f"{s.scale_cur:g}", _by_kind(s.return_cur))
        for name, spreads in found.items()
        for s in spreads
    ]
    head = ("scenario", "whose", ">interval (rms)", ">scale_cur", "spread of an episode's return")
    return table("rewards under random actions, in the scenario's currency", head, rows)


def _by_kind(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{kind} {figure:.3g}" for kind, figure in figures.items())


def data_formats() -> Table:
    """Say what can be loaded, and what the generator makes."""
    from gridbazaar.data.generator import GeneratorConfig

    made = GeneratorConfig()
    generated = (
        f"{made.n_days} days, {made.n_homes} homes, {made.n_roofs} roofs, {made.n_cars} cars and day-ahead prices by "
        "chance; used without --data"
    )
    rows = [
        ("generator", generated),
        ("CityLearn", "a folder with schema.json and a file a building: load, PV, prices, carbon"),
        ("CSV", "a column of times and a column a series; units in the names; data.columns names others"),
        ("Green Button", "usage of a North American meter, CSV or XML (ESPI)"),
        ("NEM12", "intervals of Australian meters"),
        ("ENTSO-E", "day-ahead prices of a European area, as exported"),
        ("SMARD", "wholesale prices of Germany, as exported"),
        ("aWATTar", "day-ahead prices of Austria and Germany, JSON as its interface gives it"),
        ("AEMO", "prices of an Australian region, a file a month"),
        ("several", "a folder, or --data again: meters and prices are cut to the days that all have"),
        ("ACN-Data", "charging sessions at work, with what drivers said; data.sessions = acn:PATH"),
        ("Trondheim", "charging sessions of a housing cooperative; data.sessions = trondheim:PATH"),
        ("ElaadNL", "tables from which sessions are made; data.sessions = elaad_workplace:PATH, _public, _home"),
    ]
    return table("", ("format", "what it is"), rows)


def bank_summary(bank: Any) -> Table:
    """Summarise loaded series."""
    hours = bank.load_kw.shape[1] * bank.step_h
    home_kwh = bank.load_kw.mean(axis=1) * 24
    pv_kwh = bank.pv_kw_per_kwp.sum(axis=1) * bank.step_h * 8760 / hours
    spot = bank.spot_cur_per_kwh
    rows = [
        ("homes", f"{bank.load_kw.shape[0]}"),
        ("roofs with PV", f"{bank.pv_kw_per_kwp.shape[0]}"),
        ("cars", f"{bank.sessions.present.shape[0]}"),
        ("days", f"{bank.n_days} from {bank.first_day}, {bank.step_h * 60:g} min each step"),
        ("mean load", f"{home_kwh.mean():.1f} kWh/day a home ({home_kwh.min():.1f} to {home_kwh.max():.1f})"),
        ("PV yield", f"{pv_kwh.mean():.0f} kWh/kWp a year ({pv_kwh.min():.0f} to {pv_kwh.max():.0f})"),
        ("wholesale price", f"{spot.mean():.3f} per kWh ({spot.min():.3f} to {spot.max():.3f})"),
    ]
    return table("", ("", ""), rows)
