"""Plans of sweeps: what is refused, with the line where it stands, and what a grid is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridbazaar.experiments.training.sac import SacConfig
from gridbazaar.experiments.training.sweep.plan import Range, check_sweep, line_of, read_sweep

GOOD = """method = "random"  # what is tried
trials = 8

[train]
algo = "sac"
steps = 1000

[search]
learning_rate = {low = 1e-4, high = 1e-2, log = true}
width = [16, 32]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "sweep.toml"
    path.write_text(text)
    return path


def checked(path: Path) -> None:
    found = read_sweep(path)
    check_sweep(found, SacConfig, found.train, path)


def test_a_plan_is_read(tmp_path: Path) -> None:
    found = read_sweep(written(tmp_path, GOOD))
    assert found.search == {"learning_rate": Range(1e-4, 1e-2, log=True), "width": [16, 32]}
    assert (found.n_trials, found.shares, found.train) == (8, (1.0,), {"algo": "sac", "steps": 1000})
    check_sweep(found, SacConfig, found.train, tmp_path / "sweep.toml")


def test_a_grid_tries_every_combination_in_its_order(tmp_path: Path) -> None:
    text = 'method = "grid"\n[search]\nwidth = [16, 32]\ntau = [0.1, 0.2, 0.3]\n'
    found = read_sweep(written(tmp_path, text))
    assert found.n_trials == 6
    assert [(x["width"], x["tau"]) for x in found.grid()] == [(w, t) for w in (16, 32) for t in (0.1, 0.2, 0.3)]


def test_halving_gives_each_round_so_many_times_the_training(tmp_path: Path) -> None:
    text = GOOD.replace("random", "halving").replace("trials = 8", "trials = 9\nkeep = 3\nrounds = 3")
    assert read_sweep(written(tmp_path, text)).shares == pytest.approx((1 / 9, 1 / 3, 1))


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("trials = 8", "trails = 8"), 2, "trails: unknown field; allowed are method, search"),
        (('"random"', '"bayes"'), 1, "method: expected one of grid, random, halving; got 'bayes'"),
        (("trials = 8", "trials = 0"), 2, "trials: expected a whole number in [1, 10000]"),
        (("trials = 8", ""), 1, "method: random draws its trials; say how many"),
        (("trials = 8", "trials = 8\nkeep = 2"), 3, "keep: it is of another method than random"),
        (('"random"', '"grid"'), 2, "trials: it is of another method than grid"),
        (("low = 1e-4", "lo = 1e-4"), 9, "search.learning_rate.lo: unknown field; allowed are low, high, log"),
        (("low = 1e-4", "low = 1e-1"), 9, "search.learning_rate.low: expected low < high, got 0.1 and 0.01"),
        (("low = 1e-4", "low = 0"), 9, "search.learning_rate.low: expected a number > 0 for a logarithmic scale"),
        (("log = true", "log = 1"), 9, "search.learning_rate.log: expected true or false, got 1"),
        (("width = [16, 32]", "width = 16"), 10, "search.width: expected a list of values or {low"),
        (("width = [16, 32]", "width = []"), 10, "search.width: expected at least one value"),
        (("width = [16, 32]", "width = [16, 16]"), 10, "search.width: a value is there twice"),
        (("width = [16, 32]", "widht = [16, 32]"), 10, "search.widht: unknown field; --algo sac has "),
        (("width = [16, 32]", "width = [16, 0]"), 10, "search.width: expected a whole number in [1, 100000], got 0"),
        (("width = [16, 32]", "width = [16.5]"), 10, "search.width: expected a whole number"),
        (("width = [16, 32]", "seed = [1, 2]"), 10, "search.seed: it is the same for all trials"),
        (("width = [16, 32]", "steps = [10, 20]"), 10, "search.steps: it is given as 1000, too"),
        (("width = [16, 32]", "learns_entropy = {low = 0, high = 1}"), 10, "search.learns_entropy: expected a list"),
        (("steps = 1000", "stesp = 1000"), 6, "train.stesp: unknown field; --algo sac has"),
        (("steps = 1000", "validate_seeds = 0"), 6, "train.validate_seeds: expected at least 1"),
        (("[search]", "[found]"), 8, "found: unknown field"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(change: tuple[str, str], line: int, words: str, tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace(*change))
    with pytest.raises(ValueError, match=r"sweep\.toml, line \d+: ") as refused:
        checked(path)
    assert f"sweep.toml, line {line}: {words}" in str(refused.value)


def test_a_grid_takes_no_ranges(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace('"random"', '"grid"').replace("trials = 8", ""))
    with pytest.raises(ValueError, match=r"line 9: search\.learning_rate: a grid needs a list of values"):
        read_sweep(path)


def test_fields_that_do_not_go_together_are_refused_before_a_grid_begins(tmp_path: Path) -> None:
    text = 'method = "grid"\n[search]\nlearns_entropy = [true, false]\nentropy_target = [-1.0]\n'
    path = written(tmp_path, text)
    found = read_sweep(path)
    with pytest.raises(ValueError, match=r"line 2: search: .*entropy_target: it is of learns_entropy = true"):
        check_sweep(found, SacConfig, {}, path)


@pytest.mark.parametrize(
    ("text", "at", "line"),
    [
        ("a = 1\n[search]\nb = 2\n", ("search", "b"), 3),
        ("search.b = 2\n", ("search", "b"), 1),
        ("[search.b]\nlow = 1\n", ("search", "b", "low"), 2),
        ('[search]\n"b" = {low = 1}\n', ("search", "b", "low"), 2),
        ("# none\n", ("search", "b"), 1),
        ("[other]\nb = 1\n[search]\nb = 2\n", ("search", "b"), 4),
    ],
)
def test_lines_are_found_as_toml_writes_them(text: str, at: tuple[str, ...], line: int) -> None:
    assert line_of(text, at) == line


def test_a_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected TOML, .*line 2"):
        read_sweep(written(tmp_path, 'method = "grid"\n[search\n'))


def test_a_range_knows_its_ends() -> None:
    held: Any = Range(1, 2)
    assert (held.low, held.high, held.log) == (1, 2, False)
