"""The table of what ships: what its figures are counted from, and how they are told."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.experiments.shipped.page import (
    FIGURES,
    check_pages,
    exceptions_md,
    filled,
    gains_md,
    read_figures,
    table_md,
    write_pages,
)
from gridbazaar.experiments.shipped.played import Played
from gridbazaar.experiments.shipped.rows import Entry, entry_of, row_of

DAYS = np.random.default_rng(3).normal(10.0, 3.0, 15)
"""What idle costs on each day."""


def made_up(name: str = "village", shifts: tuple[float, ...] = (2.0, 2.4), **changed: Any) -> Played:
    """A scenario in which the rule saves 1 a day, MPC 2, and each run as much as is said, give or take 0.1 a day."""
    noise = np.random.default_rng(4).normal(0.0, 0.1, len(DAYS))
    runs = tuple(f"learned/seed_{i}" for i in range(len(shifts)))
    cost = {"idle": DAYS, "bad": DAYS + 1, "good": DAYS - 1, "mpc": DAYS - 2}
    cost |= {run: DAYS - shift + noise for run, shift in zip(runs, shifts, strict=True)}
    saved = {label: {"ev": float((DAYS - x).mean()), "vpp": 0.0} for label, x in cost.items()}
    found = Played(
        name, "0" * 64, "EUR", 20, {label: list(map(float, x)) for label, x in cost.items()}, saved, ("bad", "good"),
        runs, replay_cur=list(DAYS - 3), bound_cur=list(DAYS - 4),
    )  # fmt: skip
    return replace(found, **changed)


def entry(*given: Any, **changed: Any) -> Entry:
    return entry_of(made_up(*given, **changed))


def test_a_row_has_the_best_rule_and_what_learned_costs_less() -> None:
    row = row_of(made_up())
    mean = float(DAYS.mean())
    assert row.rule == "good"
    assert (row.rule_cur, row.mpc_cur) == pytest.approx((mean - 1, mean - 2))
    assert (row.idle_cur, row.replay_cur, row.bound_cur) == pytest.approx((mean, mean - 3, mean - 4))
    learned = row.learned
    assert learned is not None
    noise = float(np.random.default_rng(4).normal(0.0, 0.1, len(DAYS)).mean())
    assert learned.cost_cur == pytest.approx(mean - 2.2 + noise)
    assert (learned.lowest_cur, learned.highest_cur) == pytest.approx((mean - 2.4 + noise, mean - 2.0 + noise))
    assert learned.less_than_rule_cur.mean == pytest.approx(1.2 - noise)
    assert learned.less_than_mpc_cur is not None
    assert learned.less_than_mpc_cur.mean == pytest.approx(0.2 - noise)
    assert learned.saved_cur == pytest.approx({"ev": 2.2 - noise, "vpp": 0.0})
    assert learned.better_runs == 2


def test_the_interval_is_over_runs_and_episodes() -> None:
    played = made_up(shifts=(1.0, 2.0, 3.0))
    learned = row_of(played).learned
    assert learned is not None
    less = np.asarray(played.cost_cur["good"]) - np.array([played.cost_cur[run] for run in played.runs])
    rng, (n, m) = np.random.default_rng(0), less.shape
    drawn = [less[rng.integers(0, n, n)][:, rng.integers(0, m, m)].mean() for _ in range(4000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    found = learned.less_than_rule_cur
    assert (found.mean, found.low, found.high) == pytest.approx((less.mean(), low, high), abs=0.03)
    assert high - low > 1.0  # runs differ by 2, days among themselves by 0.1


def test_what_is_not_clear_of_zero_is_an_exception_with_its_reason() -> None:
    found = {
        "village": entry(),
        "winter": entry("winter", shifts=(0.9, 1.2), reason="Too few updates."),
        "blackout": entry("blackout", shifts=(), no_program="it does not cover engines", reason="No twin."),
        "district": entry("district", skipped={"mpc": "too slow"}),
    }
    assert [row.is_clear for _, row in found.values()] == [True, False, False, True]
    assert exceptions_md(found).splitlines() == [
        "- `winter`: not clearly below the best rule. Too few updates.",
        "- `blackout`: nothing ships. No twin.",
        "- `blackout`, no program: it does not cover engines; MPC leaves that to a rule.",
        "- `district`, `mpc` not played: too slow.",
    ]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_has_a_row_a_scenario_and_says_what_there_is_not() -> None:
    alone = entry("street", shifts=(), replay_cur=None, bound_cur=None, no_program="it does not cover heat")
    slow = made_up("district", replay_cur=None, bound_cur=None, skipped={"mpc": "slow", "optimum": "slow"})
    del slow.cost_cur["mpc"]  # type: ignore[attr-defined]
    head, _, *rows = table_md({"village": entry(), "street": alone, "district": entry_of(slow)}).splitlines()
    assert cells(head)[0] == "EUR a day"
    first, second, third = map(cells, rows)
    mean = DAYS.mean()
    assert first[:4] == ["`village`", f"{mean:.2f}", f"{mean - 1:.2f} `good`", f"{mean - 2:.2f}"]
    assert re.fullmatch(r"\*\*[\d.]+\*\* \([\d.]+ to [\d.]+\)", first[4])
    assert first[5:8] == ["2", f"{mean - 3:.2f}", f"{mean - 4:.2f}"]
    assert all(re.fullmatch(r"[\d.]+ \[\N{MINUS SIGN}?[\d.]+, [\d.]+\]", cell) for cell in first[8:])
    assert second[3:] == [f"{mean - 2:.2f} in part", "none", "", "no program", "no program", "", ""]
    assert (third[3], third[6], third[7], third[9]) == ("not played", "not played", "not played", "")


def test_who_gains_stands_beside() -> None:
    found = gains_md({"village": entry(shifts=(2.0, 2.0)), "blackout": entry("blackout", shifts=())})
    head, _, only = found.splitlines()
    assert cells(head) == ["gains against idle", "`ev`", "`vpp`", "runs clear of the rule"]
    assert cells(only)[::2] == ["`village`", "0.00"]
    assert cells(only)[3] == "2 of 2"


def test_figures_are_kept_those_of_other_scenarios_as_they_are(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    with pytest.raises(FileNotFoundError, match=r"learning\.md: expected the page"):
        check_pages(docs)
    marked = "<!-- learned table -->\nold\n<!-- end -->\n"
    for page in (docs / "learning.md", tmp_path / "README.md"):
        page.write_text(f"Before.\n{marked}After.\n")
    check_pages(docs)
    write_pages(docs, {"village": entry(), "street": entry("street")}, {"command": "x"})
    again = entry("village", shifts=(3.0, 3.0))
    write_pages(docs, {"village": again}, {"command": "y"})
    kept = read_figures(docs / FIGURES)
    assert kept == {"street": entry("street"), "village": again}
    told = (tmp_path / "README.md").read_text()
    assert told == f"Before.\n<!-- learned table -->\n{table_md(kept)}\n<!-- end -->\nAfter.\n"
    assert "old" not in (docs / "learning.md").read_text()
    assert json.loads((docs / FIGURES).read_text())["command"] == "y"


@pytest.mark.parametrize("text", ["no mark", "<!-- learned tabel -->\n<!-- end -->"])
def test_a_page_without_marks_or_with_others_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected marks"):
        filled(text, {"village": entry()})
