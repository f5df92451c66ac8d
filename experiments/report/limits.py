"""The section on what the scenario does not model."""

from __future__ import annotations

from html import escape
from pathlib import Path

from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.report.page import listed, section
from gridbazaar.experiments.report.table import number


def not_modelled(scenario: Scenario) -> str:
    """List what the scenario leaves out."""
    grid = (
        "Wires are only watched: what passes a limit is reported, not curtailed."
        if scenario.constraint == "none"
        else "Where wires pass a limit, injection and flexible draw behind it are curtailed in proportion."
    )
    source = (
        "Load, sun, cars and prices are generated; they resemble measured ones but are no real village."
        if scenario.data.path is None
        else f"Load, sun and prices are read from {Path(scenario.data.path).name}; episodes differ by day and by draw."
    )
    points = [
        source,
        f"An episode is {number(scenario.hours, 0)} hours. What is left in storage is valued at a cheap price of the "
        "day; seasons enter only through the days drawn.",
        f"The feeder is balanced over its three phases, and inverters do not regulate voltage. {grid}",
        "Agents act on their devices and on limit prices. They neither collude nor withhold must-serve load, and "
        "messages always arrive.",
        f"{_absent(scenario)}No charges on the peak of a month.",
        "The optimum knows the future and ignores the wires and the least power of chargers. So part of the gap to it "
        "cannot be closed.",
    ]
    return section("What is not modelled", "<ul>" + "".join(f"<li>{escape(p)}</li>" for p in points) + "</ul>")


def _absent(scenario: Scenario) -> str:
    """What could be turned on and is not, as a sentence."""
    homes, configs = scenario.agents.get("prosumer"), scenario.agents.values()
    warm = homes is not None and max(homes.heating.share[1], homes.water.share[1]) > 0
    found = {
        "heating by electricity": warm,
        "appliances that wait": homes is not None and homes.appliance.share[1] > 0,
        "failures of devices": any(getattr(getattr(c, "failure", None), "happens", False) for c in configs),
        "outages": scenario.outage.happens,
    }
    missing = [name for name, is_there in found.items() if not is_there]
    return f"Without {listed(missing)}. " if missing else ""
