"""What ships, as the file to start from one of your own."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def toml_of(what: str, name: str) -> str:
    """Give a scenario, tariff or feeder as TOML."""
    from gridbazaar.experiments.describe import design_toml, scenario_toml, tariff_toml

    if what == "scenario":
        from gridbazaar.envs.scenarios import load_scenario

        return scenario_toml(load_scenario(name))
    if what == "tariff":
        from gridbazaar.market.design import Design
        from gridbazaar.market.found import find_tariff

        tariff = find_tariff(name)
        return design_toml(tariff) if isinstance(tariff, Design) else tariff_toml(tariff)
    if what == "feeder":
        from gridbazaar.data import feeders

        folder = Path(feeders.__path__[0]) / name if name in feeders.list_feeders() else Path(name)
        return (
            f"# feeder.toml, in a folder of your own beside lines.csv; that of this one is {folder / 'lines.csv'}\n"
            + (folder / "feeder.toml").read_text(encoding="utf-8")
        )
    raise ValueError(f"--toml: expected scenario, tariff or feeder, got {what}; --source shows code")


def table_of(scenario: str, settings: Sequence[str] | None) -> str:
    """Give the table of a scenario's community, with what is drawn once."""
    from gridbazaar.envs.core import Core
    from gridbazaar.envs.scenarios import load_scenario, parse_setting
    from gridbazaar.experiments.drawn_community import community_csv

    chosen = load_scenario(scenario, **dict(parse_setting(text) for text in settings or []))
    if chosen.community is None:
        raise ValueError(
            f"{scenario}: expected a scenario with a community, got one in which every agent is a customer that each "
            "episode draws; --set community.seed=0 draws families once"
        )
    return community_csv(Core(chosen, 1).world)


def source_of(what: str, name: str) -> str:
    """Give the file that holds a policy, mechanism or kind."""
    found: Any
    if what == "policy":
        from gridbazaar.agents.policies import load_policy

        found = type(load_policy(name))
    elif what == "mechanism":
        from gridbazaar.market.mechanisms import rule_of

        found = rule_of(name).function
    elif what == "kind":
        from gridbazaar.agents.kinds import load_kind

        found = load_kind(name).Config
    else:
        raise ValueError(f"--source: expected policy, mechanism or kind, got {what}; --toml shows data")
    file = inspect.getsourcefile(found)
    assert file is not None
    return Path(file).read_text(encoding="utf-8")
