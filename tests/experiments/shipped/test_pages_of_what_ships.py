"""What the README and the page on learning say of what ships: it is what was measured, of what there is today."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.experiments.fingerprint import settings_sha256
from gridbazaar.experiments.shipped.asked import read_asked
from gridbazaar.experiments.shipped.page import FIGURES, filled, read_figures
from gridbazaar.experiments.shipped.rows import row_of
from gridbazaar.experiments.training.release import read_recipes

ROOT = Path(__file__).parents[3]
KEPT = read_figures(ROOT / "docs" / FIGURES)


@pytest.mark.parametrize("page", ["README.md", "docs/learning.md"])
def test_the_pages_say_what_was_measured(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert filled(text, KEPT) == text, "run gridbazaar release table --write docs"


@pytest.mark.slow
def test_the_rows_come_out_again_from_what_was_played() -> None:
    for played, row in KEPT.values():
        assert row_of(played) == row


def test_the_figures_are_counted_from_what_was_played() -> None:
    held = json.loads((ROOT / "docs" / FIGURES).read_text(encoding="utf-8"))
    assert list(held["rows"]) == list(KEPT)
    for name, row in held["rows"].items():
        cost = held["played"][name]["cost_cur"]
        assert row["idle_cur"] == pytest.approx(np.mean(cost["idle"]))
        assert row["rule_cur"] == pytest.approx(min(np.mean(cost[rule]) for rule in held["played"][name]["rules"]))
        if (learned := row["learned"]) is not None:
            assert learned["cost_cur"] == pytest.approx(np.mean([cost[run] for run in held["played"][name]["runs"]]))
            assert learned["less_than_rule_cur"]["mean"] == pytest.approx(row["rule_cur"] - learned["cost_cur"])


def test_no_policy_of_the_table_beats_the_bound() -> None:
    for name, (played, _) in KEPT.items():
        if played.bound_cur is not None:
            for label, cost in played.cost_cur.items():
                assert np.min(np.subtract(cost, played.bound_cur)) > -0.03, f"{name}: {label}"


def test_the_table_is_of_all_scenarios_as_they_are_now() -> None:
    asked, recipes = read_asked(), read_recipes()
    assert set(asked) == set(KEPT) == set(list_scenarios())
    for name, (played, _) in KEPT.items():
        again = f"gridbazaar release table --only {name} --write docs"
        assert played.settings_sha256 == settings_sha256(load_scenario(name)), again
        assert (played.first, played.episodes) == (asked[name].first, asked[name].episodes), again
        assert (played.rules, played.reason) == (tuple(asked[name].rules), asked[name].reason), again
        assert len(played.runs) == (asked[name].runs if name in recipes else 0), again


def test_every_exception_has_a_reason() -> None:
    assert [name for name, (played, row) in KEPT.items() if not row.is_clear and not played.reason] == []
