"""Carbon by the average and by the marginal intensity, apart: from a file that covers the days, or not given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.experiments.comparison.asked import ask
from gridbazaar.experiments.comparison.cells_table import cell_table
from gridbazaar.experiments.comparison.study import study
from gridbazaar.experiments.comparison.write import notes_of

SMALL: dict[str, Any] = {
    "hours": 8, "step_min": 30, "data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4, "data.n_days": 80, "seeds": 2,
    "equal_revenue": False, "first_best": False,
}  # fmt: skip


def hourly(path: Path, values: Any, first: str = "2024-01-01", name: str = "carbon_g_per_kwh") -> Path:
    times = np.datetime64(first, "h") + np.arange(len(values))
    rows = (f"{time}:00,{value:.10g}" for time, value in zip(times, values, strict=True))
    path.write_text(f"time,{name}\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_marginal_carbon_is_that_of_the_file_in_each_hour(tmp_path: Path) -> None:
    """By hand: power at the head times the hour's number, from the wires and the first day of the bank."""
    grams = np.random.default_rng(3).uniform(100, 900, 80 * 24)
    given = ask("street", ["flat"], ["idle"], ["none"], marginal_carbon=hourly(tmp_path / "m.csv", grams), **SMALL)
    found = study(given)
    (one,) = found.outcomes
    book, wires = one.accounts[0], one.books[0].wires["root_kw"]
    assert str(book.core.world.bank.first_day) == "2024-01-01"
    at = [int(start) + np.arange(16) for start in book.first.episode.start]
    wanted = [float(wires[:, env] @ grams[steps // 2]) * 0.5 / 1000 for env, steps in enumerate(at)]
    row = cell_table(found).iloc[0]
    assert row["marginal_carbon_kg"] == pytest.approx(np.mean(wanted))
    bank = book.core.world.bank.carbon_kg_per_kwh
    average = [float(wires[:, env] @ bank[steps]) * 0.5 for env, steps in enumerate(at)]
    assert row["carbon_kg"] == pytest.approx(np.mean(average))
    assert notes_of(found)["carbon"].endswith("it is beside that, from m.csv")


def test_without_a_file_there_is_no_marginal_carbon() -> None:
    found = study(ask("street", ["flat"], ["idle"], ["none"], **SMALL | {"hours": 2}))
    cells = cell_table(found)
    played = cells[cells["basis"] == "played"]
    assert played["marginal_carbon_kg"].isna().all()
    assert played["carbon_kg"].notna().all()
    assert "it is not given (--marginal-carbon FILE)" in notes_of(found)["carbon"]


@pytest.mark.parametrize(
    ("n_days", "first", "name", "why"),
    [
        (3, "2024-01-01", "carbon_g_per_kwh", r"has 2024-01-01 to 2024-01-03, and episode 0 begins on 2024-0"),
        (3, "2020-01-01", "carbon_g_per_kwh", r"m.csv: expected marginal intensities of all episodes, has 2020-01-01"),
        (80, "2024-01-01", "spot_cur_per_kwh", r"m.csv: expected marginal intensities alone, .* got spot"),
        (80, "2024-01-01", "carbon", r"m.csv: unknown columns or units: carbon"),
    ],
)
def test_a_file_of_something_else_is_refused(n_days: int, first: str, name: str, why: str, tmp_path: Path) -> None:
    path = hourly(tmp_path / "m.csv", np.full(24 * n_days, 0.4), first, name)
    with pytest.raises(ValueError, match=why):
        ask("street", ["flat"], ["idle"], ["none"], marginal_carbon=path, **SMALL)
