"""Learning on real homes: both worlds are what the page says, no test week is trained on, and words follow numbers."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gridbazaar.envs.episode.draw import first_days
from gridbazaar.envs.episode.world import bank_of
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.result import Evaluation, Replays, Result
from gridbazaar.experiments.evaluation.statistics import Interval
from gridbazaar.experiments.studies import learning_real
from gridbazaar.experiments.studies.learning_real import (
    DATASETS,
    GENERATED,
    MPC,
    REAL,
    RULES,
    Found,
    Size,
    datasets_of,
    on_validation,
    weekly_interval,
    weeks_of,
)
from gridbazaar.experiments.studies.learning_words import told
from gridbazaar.experiments.studies.real_homes import HOMES, PRICES, Worlds, make_worlds
from tests.experiments import test_homes
from tests.experiments.cli.runner import invoke
from tests.experiments.studies.test_pages import blocks_of, page_of

N_DAYS = 50
FIRST_PRICE = datetime(2023, 7, 24)
RULE = "opportunity_cost"
Floats = Any


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two homes of 50 days, and prices that name their hour, as the folder of data sets has them."""
    folder = tmp_path_factory.mktemp("datasets")
    (folder / HOMES).mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_homes, "N_DAYS", N_DAYS)
        test_homes.a_folder(folder / HOMES)
    (folder / PRICES).parent.mkdir()
    hours = [FIRST_PRICE + timedelta(hours=i) for i in range((N_DAYS + 20) * 24)]
    with (folder / PRICES).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["utc", "eur_per_mwh"])
        writer.writerows([str(hour), price_of(hour)] for hour in hours)
    return folder


@pytest.fixture(scope="module")
def worlds(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> Worlds:
    return make_worlds(datasets, tmp_path_factory.mktemp("worlds"))


def price_of(utc: datetime) -> float:
    """EUR a MWh of an hour, no two alike."""
    return 50.0 + (utc - FIRST_PRICE) / timedelta(hours=1) * 0.01


def test_real_homes_are_played_as_the_data_have_them(datasets: Path, worlds: Worlds) -> None:
    scenario = worlds.real.load()
    bank = bank_of(scenario.data, scenario.seed, scenario.step_min)
    home = scenario.agents["prosumer"]
    assert bank.homes == worlds.homes == ("A", "B")
    assert [(one.pv_kwp, one.battery_kwh) for one in home.known] == [(4.0, 6.4), (2.0, 3.2)]
    for i, name in enumerate("AB"):
        with (datasets / HOMES / f"{name}.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert bank.load_kw[i] == pytest.approx([float(row["non_shiftable_load"]) for row in rows], abs=1e-9)
        assert bank.pv_kw_per_kwp[i] == pytest.approx([float(row["solar_generation"]) / 1000 for row in rows], abs=1e-9)


def test_prices_are_those_that_the_clock_of_the_market_showed_365_weeks_later(worlds: Worlds) -> None:
    """Hour by hour by the zone itself; metering began on Monday, 1 August 2016, these prices on 31 July 2023."""
    local = datetime(2023, 7, 31, tzinfo=ZoneInfo("Europe/Amsterdam"))
    assert local.weekday() == datetime(2016, 8, 1).weekday()
    expected = []
    for i in range(N_DAYS * 24):
        shown = (local.replace(tzinfo=None) + timedelta(hours=i)).replace(tzinfo=local.tzinfo)
        expected.append(price_of(shown.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)) / 1000)
    for world in (worlds.real, worlds.generated):
        scenario = world.load()
        bank = bank_of(scenario.data, scenario.seed, scenario.step_min)
        assert bank.spot_cur_per_kwh == pytest.approx(expected, abs=1e-12)
    assert worlds.spot_cur_per_kwh == pytest.approx(np.mean(expected))


def test_generated_homes_are_others_of_the_same_size(worlds: Worlds) -> None:
    real, generated = worlds.real.load(), worlds.generated.load()
    banks = [bank_of(one.data, one.seed, one.step_min) for one in (real, generated)]
    assert banks[1].homes == ()
    alike = np.abs(np.asarray(np.corrcoef(np.concatenate([bank.load_kw for bank in banks])))[:2, 2:])
    assert alike.max() < 0.9
    of = [one.agents["prosumer"] for one in (real, generated)]
    assert (of[1].pv_kwp, of[1].pv_share) == ((2.0, 4.0), (1.0, 1.0))
    assert (of[1].battery_kwh, of[1].battery_share) == ((3.2, 6.4), (1.0, 1.0))
    assert [(one.count, one.duration_h, one.eta_ch, one.eta_dis) for one in of] == [(2, 2.0, 0.9, 0.9)] * 2
    kinds = [{k: v for k, v in one.agents.items() if k != "prosumer"} for one in (real, generated)]
    assert kinds[0] == kinds[1]
    said = ("name", "title", "data", "agents")
    assert not [name for name in Scenario.__dataclass_fields__
                if name not in said and getattr(real, name) != getattr(generated, name)]  # fmt: skip
    kwh = banks[0].load_kw.reshape(2, N_DAYS, 24).sum(axis=2)
    train = [day for day in range(8, N_DAYS) if day // 7 % 5 in (0, 1, 3)]
    assert worlds.train_kwh_per_day == pytest.approx(kwh[:, train].mean(), rel=1e-9)
    assert generated.data.mean_load_kwh_per_day == pytest.approx(worlds.train_kwh_per_day, abs=1e-3)


def test_no_hour_of_a_test_week_is_trained_on_or_chosen_by(worlds: Worlds) -> None:
    for world in (worlds.real, worlds.generated):
        scenario = world.load()
        bank = bank_of(scenario.data, scenario.seed, scenario.step_min)
        hours = {}
        for split in ("train", "validation", "test"):
            days = first_days(scenario, bank, split, np.arange(300))
            hours[split] = {int(day) * 24 + 12 + i for day in days for i in range(24)}
        assert len(hours["test"]) == 7 * 24
        assert not hours["test"] & (hours["train"] | hours["validation"])
    assert set(weeks_of(worlds.real.load(), 20)) == {4}


def test_days_of_a_week_stand_and_fall_together() -> None:
    saved, week = np.array([1.0, 1.0, 1.0, 4.0]), np.array([9, 9, 9, 4])
    found = weekly_interval(saved, week)
    assert (found.mean, found.low, found.high) == (1.75, 1.0, 4.0)
    assert np.isnan(weekly_interval(saved, np.zeros(4, np.int64)).low)
    many = np.repeat(np.random.default_rng(0).normal(size=50), 7)
    by_weeks = weekly_interval(many, np.repeat(np.arange(50), 7))
    assert by_weeks.high - by_weeks.low == pytest.approx(2 * 1.96 * many.std() / 50**0.5, rel=0.1)


def test_without_data_the_study_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=f"expected {DATASETS} to name a folder with real homes and prices, it is not"):
        datasets_of({})
    with pytest.raises(
        FileNotFoundError, match=r"expected citylearn2022/schema.json .* and spot_prices/NL.*found none"
    ):
        datasets_of({DATASETS: str(tmp_path)})
    monkeypatch.delenv(DATASETS, raising=False)
    result = invoke(main, ("study", "learning_real"))
    assert result.exit_code == 2
    assert f"expected {DATASETS} to name a folder" in " ".join(result.stderr.split())


def a_result(policy: str, cost: Floats) -> Result:
    """A policy with a cost of [n_days] of which homes bear a quarter."""
    cost = np.asarray(cost, float)
    nothing, kinds = Interval(0.0, 0.0, 0.0), {"prosumer": cost / 4, "battery": cost * 3 / 4}
    return Result(
        policy, tuple(range(len(cost))), {"cost_cur": cost}, {**kinds, "market_operator": 0 * cost}, {}, cost[:, None],
        cost, cost, nothing, nothing, nothing,
    )  # fmt: skip


def a_found(costs: Mapping[str, Floats], worlds: Worlds) -> Found:
    results = tuple(a_result(name, cost) for name, cost in costs.items())
    n = len(results[0].seeds)
    scenario = worlds.real.load(**{"ev.count": 0, "vpp.count": 0})
    scenario = replace(scenario, agents={k: v for k, v in scenario.agents.items() if k in ("prosumer", "battery")})
    replays = Replays(np.full(n, 5.0), np.full(n, 4.0), Interval(0, 0, 0), Interval(0, 0, 0))
    played = Evaluation(scenario, "test", tuple(range(n)), np.full(n, 3.0), results, replays)
    runs = {REAL: ("real/0", "real/1"), GENERATED: ("generated/0", "generated/1")}
    return Found(worlds, Size(), {"idle": 10.0, RULE: 8.0}, RULE, played, runs, np.arange(n) // 2)


def test_words_and_tables_follow_what_was_played(worlds: Worlds) -> None:
    day = np.array([0.0, 2.0, 4.0, 6.0])
    costs = {
        "idle": 10 + day, RULE: 8 + day, MPC: 6 + day, "real/0": 5 + day, "real/1": 6 + day,
        "generated/0": 8 + day[::-1], "generated/1": 8 + day,
    }  # fmt: skip
    found = a_found(costs, worlds)
    made = told(found)
    cells = {row[0]: row[1:] for row in made.tables["costs"][1:]}
    assert cells["idle"] == ["13.00", "", "0 %"]
    assert cells[f"best rule, `{RULE}`"] == ["11.00", "2.00", "25 %"]
    assert cells[f"learned on {REAL}, 2 runs"] == ["8.50 (8.00 to 9.00)", "4.50", "56 %"]
    assert cells["optimum, replayed with the forecasts that there are"] == ["5.00", "8.00", "100 %"]
    first = made.tables["less"][1]
    assert first[:5] == [REAL, f"`{RULE}`", "2.50 (2.00 to 3.00)", "2.50 (2.50 to 2.50)",
                         "3.00 (3.00 to 3.00); 2.00 (2.00 to 2.00)"]  # fmt: skip
    assert [row[-1] for row in made.tables["less"][1:]] == ["100 %", "50 %", "25 %", "12 %"]
    of_kinds = {row[0]: row[1:] for row in made.tables["kinds"][1:]}
    assert of_kinds["MPC"] == ["1.00 (1.00 to 1.00)", "3.00 (3.00 to 3.00)", "4.00 (4.00 to 4.00)"]
    better, against, worse, *_, both = made.words["verdict"].splitlines()
    assert "2.50 (2.00 to 3.00) EUR a day less than `opportunity_cost`" in better
    assert "clear of zero, in 2 of 2 runs alone, and also where whole weeks" in better
    assert against.endswith("0.50 (0.00 to 1.00) EUR a day less (which cannot be told from nothing) than MPC.")
    assert "**not clear of zero**, in 0 of 2 runs alone, and **but not**" in worse
    assert f"Who learned on {REAL} costs 2.50 (" in both
    assert both.endswith(
        f"(which cannot be told from nothing) than who learned on {GENERATED}: 19.2 % of what idle costs."
    )
    assert (
        "3.00 (3.00 to 3.00) EUR a day more than MPC"
        in told(a_found(costs | {"real/0": 9 + day, "real/1": 9 + day}, worlds)).words["verdict"]
    )


@pytest.mark.slow
def test_the_study_trains_chooses_and_plays(datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On tiny homes, few updates: every part of its page is filled, and what was interrupted goes on."""
    few = Size(n_seeds=2, updates=2, validate_updates=1, validate_days=2, rule_days=2, n_envs=2)
    found = learning_real.learn(datasets, tmp_path, 7, few)
    assert found.played.split == "test"
    assert [r.policy for r in found.played.results][1:3] == [found.rule, MPC]
    assert found.rules_cur[found.rule] == min(found.rules_cur[name] for name in RULES)
    for name, data, who in (("real", "homes.csv", REAL), ("generated", "prices.csv", GENERATED)):
        trained = [json.loads((tmp_path / f"{name}/seed_{i}/config.json").read_text(encoding="utf-8")) for i in (0, 1)]
        assert [Path(one["scenario"]["data"]["path"]).name for one in trained] == [data, data]
        best = [str(tmp_path / f"{name}/seed_{i}/best.npz") for i in (0, 1)]
        played = evaluate(found.worlds.real.load(), {"0": best[0], "1": best[1]}, seeds=7, bound=False)
        assert (np.stack([played.result(i).scored_cur for i in "01"]) == found.cost_cur(who)).all()
    weights = (tmp_path / "real/seed_1/best.npz").read_bytes()
    (tmp_path / "real/seed_1/model.npz").unlink()
    learning_real.train(found.worlds.real, tmp_path / "real", few, lambda: None)
    assert (tmp_path / "real/seed_1/best.npz").read_bytes() == weights
    monkeypatch.setattr(learning_real, "Size", lambda: few)
    monkeypatch.setenv(DATASETS, str(datasets))
    docs = tmp_path / "docs"
    (docs / "studies").mkdir(parents=True)
    (docs / "studies/learning_real.md").write_text(page_of("learning_real"), encoding="utf-8")
    result = invoke(main, ("study", "learning_real", "--weeks", "1", "--write", docs))
    assert result.exit_code == 0, result.stderr
    filled = blocks_of((docs / "studies/learning_real.md").read_text(encoding="utf-8"))
    assert filled == {key: body for key, body in filled.items() if body != blocks_of(page_of("learning_real"))[key]}
    made = told(found)
    assert filled["words", "verdict"].strip() == made.words["verdict"]


@pytest.mark.slow
@pytest.mark.skipif(DATASETS not in os.environ, reason=f"{DATASETS} names no folder")
def test_the_page_has_what_needs_no_learning(tmp_path: Path) -> None:
    """What is learned differs in the last digits from machine to machine; rules and idle do not."""
    scenario = make_worlds(datasets_of(os.environ), tmp_path).real.load()
    blocks = blocks_of(page_of("learning_real"))
    rules_cur = on_validation(scenario, Size().rule_days, lambda: None)
    for name, cost in rules_cur.items():
        assert f"| {name if name == 'idle' else f'`{name}`'} | {cost:.2f} |" in blocks["figures", "rules"]
    rule = min(RULES, key=lambda name: rules_cur[name])
    found = evaluate(scenario, [rule], seeds=7 * 16, bound=False)
    for name, label in (("idle", "idle"), (rule, f"best rule, `{rule}`")):
        assert f"| {label} | {found.result(name).scored_cur.mean():.2f} |" in blocks["figures", "costs"]
