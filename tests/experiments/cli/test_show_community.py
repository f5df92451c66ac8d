"""The table of a community on the command line: what is drawn once, as a file that says the same."""

from __future__ import annotations

from pathlib import Path

from gridbazaar.data.community import Community
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.drawn_community import community_csv
from tests.experiments.cli.runner import invoke


def test_a_drawn_community_is_shown_as_the_table_that_says_the_same(tmp_path: Path) -> None:
    shown = invoke(main, ["show", "community", "street", "--set", "community.seed=3", "--set", "battery.count=0"])
    assert shown.exit_code == 0
    table = tmp_path / "mine.csv"
    table.write_text(shown.stdout, encoding="utf-8")
    core = Core(load_scenario("street", community=str(table), **{"battery.count": 0}))
    assert community_csv(core.world) == shown.stdout
    assert isinstance(core.scenario.community, Community)
    assert core.scenario.community.seed is None


def test_what_has_no_community_and_settings_of_other_things_are_refused() -> None:
    plain = invoke(main, ["show", "community", "street"])
    assert plain.exit_code != 0
    assert "community.seed=0" in str(plain.exception) + plain.stderr
    other = invoke(main, ["show", "tariff", "tou", "--set", "x=1"])
    assert other.exit_code != 0
    assert "--set goes with the community" in str(other.exception) + other.stderr
