"""The section on what the scenario does not model. Every sentence is true of any scenario, or asks this one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from html import escape
from pathlib import Path
from typing import TypeVar

from gridbazaar.agents.devices.ageing import Ageing
from gridbazaar.agents.devices.failure import Failure
from gridbazaar.agents.storage import Converter
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.report.page import listed, section
from gridbazaar.market.mechanisms import mechanism_stage

T = TypeVar("T")

_CURTAILED = {
    "proportional": "injection and flexible draw behind it are curtailed in proportion",
    "equal_share": "injection and flexible draw behind it are curtailed until all are left the same power",
    "last_in": "injection and flexible draw behind it are curtailed, and who was connected last is cut first",
}
"""What each rule does with a limit that is passed."""


def not_modelled(scenario: Scenario, no_bound: str | None) -> str:
    """List what the scenario leaves out.

    Args:
        scenario: what was played.
        no_bound: why there is no bound of the optimum; none where there is one.
    """
    points = [
        *_series(scenario),
        _episodes(scenario),
        f"The feeder is balanced over its three phases, and its head keeps one voltage. {_inverters(scenario)}",
        _wires(scenario),
        _agents(scenario),
        f"{_absent(scenario)}No charges on the peak of a month.",
        _optimum(scenario) if no_bound is None else f"How good a policy could be is not known: {no_bound}.",
    ]
    return section("What is not modelled", "<ul>" + "".join(f"<li>{escape(p)}</li>" for p in points) + "</ul>")


def _series(scenario: Scenario) -> Iterator[str]:
    """Where load, weather, prices and cars come from."""
    data, has_cars = scenario.data, _has(scenario, "ev")
    source, is_other, path = data.sessions.partition(":")
    if data.path is None:
        homes = ["load", "sun"] * _has(scenario, "prosumer")
        made = [*homes, *["wind"] * _has(scenario, "wind"), *["cars"] * (has_cars and not is_other), "prices"]
        yield f"{listed(made).capitalize()} are generated; they resemble measured ones but are of no real place."
    else:
        files = listed([Path(place).name for place in (data.path, *data.further)])
        read = f"Series are read from {files} as far as they hold them; the rest is generated."
        yield f"{read} Episodes differ by day and by draw."
    if has_cars and is_other:
        come = "are made after the tables of" if source.startswith("elaad_") else "come and go as in"
        yield f"Cars {come} {Path(path).name}."


def _episodes(scenario: Scenario) -> str:
    months, errs = scenario.data.months, scenario.forecast != "perfect"
    drawn = "" if months is None else f", in months {months[0]:g} to {months[1]:g}"
    return (
        f"An episode is {scenario.hours:g} hours. What is left in storage is valued at the feed-in price where homes "
        "then expect a surplus, else at a cheap price of the last day; seasons enter only through the days drawn"
        f"{drawn}.{'' if errs else ' Forecasts never err.'}"
    )


def _inverters(scenario: Scenario) -> str:
    response = scenario.inverter.response
    if response == "none":
        return "Inverters do not answer the voltage, and there are no tap changers."
    return (
        f"Inverters of PV and of turbines answer the voltage ({response}), those of storage and cars leave it alone, "
        "and there are no tap changers."
    )


def _wires(scenario: Scenario) -> str:
    if scenario.constraint == "none":
        return "Wires are only watched: what passes a limit is reported, not curtailed."
    curtailed, served = _CURTAILED[scenario.curtailment], "What must be served is never cut for the wires."
    if scenario.constraint == "nodal":
        return (
            "Wires have prices by a linear model of the feeder; reactive power has none. Where a limit is passed all "
            f"the same, {curtailed}. {served}"
        )
    return f"Where wires pass a limit, {curtailed}. {served}"


def _agents(scenario: Scenario) -> str:
    levers = ["on their devices"]
    is_metered = mechanism_stage(scenario.mechanism) == "ex_post"
    if not is_metered:
        levers.append("on limit prices")
    if _is_called(scenario) and _has(scenario, "vpp") and scenario.agents["vpp"].answers_calls:
        levers.append("on what they offer for calls")
    metered = "; nobody bids, as the rule prices what was metered" if is_metered else ""
    return (
        f"Agents act {listed(levers)}{metered}. They cannot talk to each other or withhold must-serve load, and "
        "messages always arrive."
    )


def _absent(scenario: Scenario) -> str:
    """What could be turned on and is not, as a sentence; and what is simpler than in life where it is."""
    homes, outage = scenario.agents.get("prosumer"), scenario.outage
    found = {
        "heat pumps": homes is not None and homes.heating.share[1] > 0,
        "electric hot water": homes is not None and homes.water.share[1] > 0,
        "appliances that wait": homes is not None and homes.appliance.share[1] > 0,
        "failures of devices": any(failure.happens for failure in _tables(scenario, Failure)),
        "batteries that age": any(ageing.happens for ageing in _tables(scenario, Ageing)),
        "outages": outage.happens,
        "calls of the grid operator": _is_called(scenario),
    }
    missing = [name for name, is_there in found.items() if not is_there]
    without = f"Without {listed(missing)}. " if missing else ""
    once = "An episode has at most one outage of the grid above, and one failed branch. " if outage.happens else ""
    return without + once


def _optimum(scenario: Scenario) -> str:
    """What the program of the optimum leaves out of this scenario."""
    left_out = {
        "the wires": True,
        "the least power of chargers": _has(scenario, "ev") and scenario.agents["ev"].min_kw > 0,
        "that VPPs have many devices": _has(scenario, "vpp"),
        "an engine's least load and its starts": _has(scenario, "genset"),
        "losses that depend on power": any(converter.loses for converter in _tables(scenario, Converter)),
        "that devices fail": any(failure.happens for failure in _tables(scenario, Failure)),
        "that batteries fade": any(a.fades or a.calendar_per_year > 0 for a in _tables(scenario, Ageing)),
        "wear by depth": any(ageing.wear == "depth" for ageing in _tables(scenario, Ageing)),
    }
    ignored = listed(what for what, is_there in left_out.items() if is_there)
    return f"The optimum knows the future and ignores {ignored}. So part of the gap to it cannot be closed."


def _is_called(scenario: Scenario) -> bool:
    """Whether the grid operator calls; a limit of chargers alone is no call."""
    return bool(scenario.call.chance or scenario.call.file)


def _has(scenario: Scenario, kind: str) -> bool:
    return kind in scenario.agents and scenario.agents[kind].count > 0


def _tables(scenario: Scenario, table: type[T]) -> Iterator[T]:
    """Give the tables of one type inside those of the kinds that have agents."""
    for config in scenario.agents.values():
        if config.count:
            for field in fields(config):
                value = getattr(config, field.name)
                if isinstance(value, table):
                    yield value
