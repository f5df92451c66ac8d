"""Evaluation: statistics by closed form, figures against plain Python, and what the scores promise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gridbazaar.experiments.evaluation.bound as bound_module
from gridbazaar.agents.dispatch.schedule import Schedule, solve_optimum
from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import NoBoundError
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.golden import check, golden_of
from gridbazaar.experiments.evaluation.metrics import COMMUNITY_FIGURES
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.experiments.evaluation.statistics import mean_interval, share_interval
from gridbazaar.experiments.files import to_json, write_json
from gridbazaar.experiments.report.report import render
from gridbazaar.experiments.report.table import kind_table, terminal_table

POLICIES = ("random", "self_consumption", "optimum")


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return evaluate("street", POLICIES, seeds=3, hours=8.0)


def test_the_interval_of_a_constant_is_the_constant() -> None:
    found = mean_interval(np.full(7, 2.5))
    assert (found.mean, found.low, found.high) == (2.5, 2.5, 2.5)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    x = np.random.default_rng(1).normal(3.0, 2.0, 400)
    found = mean_interval(x)
    half = 1.96 * x.std() / 20
    assert found.mean == pytest.approx(x.mean())
    assert found.low == pytest.approx(x.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(x.mean() + half, abs=0.1 * half)


def test_a_score_is_the_ratio_of_means() -> None:
    idle, policy, optimum = np.array([10.0, 2.0]), np.array([5.0, 2.0]), np.array([0.0, 0.0])
    found = share_interval(idle, policy, optimum)
    assert found.mean == pytest.approx(100 * 5 / 12)  # not 25, the mean of 50 and 0
    assert found.low == pytest.approx(0.0)
    assert found.high == pytest.approx(50.0)


def test_there_is_no_score_where_nothing_can_be_gained() -> None:
    found = share_interval(np.ones(3), np.ones(3), np.ones(3))
    assert np.isnan([found.mean, found.low, found.high]).all()


def test_without_a_bound_the_share_saved_stands_for_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise NoBoundError("heat pumps are not in the program")

    monkeypatch.setattr(bound_module, "foresight", refuse)
    found = evaluate("street", ["self_consumption"], seeds=2, hours=8.0)
    idle, policy = found.results
    saved = 100 * (idle.scored_cur - policy.scored_cur).mean() / np.abs(idle.scored_cur).mean()
    assert np.isnan(found.bound_cur).all()
    assert policy.score.mean == pytest.approx(saved)
    assert found.to_json()["bound_cur"] is None
    assert json.loads(to_json(found.to_json()))["no_bound"] == "heat pumps are not in the program"
    table = terminal_table(found)
    assert "heat pumps are not in the program" in str(table.caption)
    assert str(table.columns[1].header).startswith("saved, %")
    assert "scores are the share of idle's cost" in render(found, {}, title="", command="")


def test_idle_scores_zero_and_nobody_beats_the_bound(found: Evaluation) -> None:
    assert found.result("idle").score.mean == 0.0
    assert (found.result("idle").savings_cur == 0).all()
    for result in found.results:
        assert (result.scored_cur >= found.bound_cur - 0.02).all()  # what rounding may do to 6 agents in 32 steps
    assert 0 < found.result("optimum").score.mean <= 100
    assert found.result("random").score.mean < found.result("self_consumption").score.mean


def test_the_replay_comes_near_the_bound_where_nobody_errs() -> None:
    found = evaluate("street", ["optimum"], seeds=3, hours=8.0, forecast="perfect")
    assert 80 < found.result("optimum").score.mean <= 100 + 0.01  # bills round


def test_a_policy_that_beats_the_bound_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_dear(*args: Any) -> Schedule:
        schedule = solve_optimum(*args)
        return replace(schedule, cost_cur=schedule.cost_cur + 100.0)

    monkeypatch.setattr(bound_module, "solve_optimum", too_dear)
    with pytest.raises(AssertionError, match=r"idle costs less than the optimum's lower bound \(seed 0: .* seed 1: "):
        evaluate("street", ["idle"], seeds=2, hours=2.0)


def test_the_same_seeds_give_the_same_json(found: Evaluation) -> None:
    again = evaluate("street", POLICIES, seeds=3, hours=8.0)
    assert to_json(again.to_json()) == to_json(found.to_json())
    assert again.to_frame().equals(found.to_frame())


def test_an_episode_gives_the_same_alone_and_in_a_batch(found: Evaluation) -> None:
    alone = evaluate("street", ["self_consumption"], seeds=[2], hours=8.0)
    for name in COMMUNITY_FIGURES:
        ours, theirs = alone.result("self_consumption").figures[name], found.result("self_consumption").figures[name]
        assert ours[0] == pytest.approx(theirs[2], rel=1e-9, abs=1e-9), name


def test_json_is_strict_and_complete(found: Evaluation) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    read = json.loads(to_json(found.to_json() | {"none": float("nan")}), parse_constant=refuse)
    assert read["none"] is None
    assert read["seeds"] == [0, 1, 2]
    assert read["scenario"]["hours"] == 8.0
    assert {"numpy", "gridbazaar", "python"} <= set(read["versions"])
    assert [row["policy"] for row in read["policies"]] == ["idle", *POLICIES]
    for row in read["policies"]:
        for name in COMMUNITY_FIGURES:
            mean = np.mean(read["per_seed"][row["policy"]][name])
            assert row[name]["mean"] == pytest.approx(mean), (row["policy"], name)


def test_a_run_can_have_a_label_and_no_label_stands_for_two() -> None:
    found = evaluate("street", ["clock=time_of_use"], seeds=1, hours=2.0)
    assert [r.policy for r in found.results] == ["idle", "clock"]
    with pytest.raises(ValueError, match="two are named 'clock'"):
        evaluate("street", ["clock=time_of_use", "clock=random"], seeds=1)


def test_every_interval_ticks_once() -> None:
    ticks: list[tuple[str, int, int]] = []
    evaluate("street", ["idle"], seeds=40, hours=1.0, tick=lambda *told: ticks.append(told))
    assert [t for t in ticks if t[0] == "bound"] == [("bound", 1, 2), ("bound", 2, 2)]
    assert [t for t in ticks if t[0] == "idle"] == [("idle", i, 8) for i in range(1, 9)]


def test_a_record_of_its_own_passes(found: Evaluation, tmp_path: Path) -> None:
    write_json(tmp_path / "golden.json", golden_of(found))
    assert check(found, tmp_path / "golden.json") == []


def test_a_changed_figure_is_named(found: Evaluation, tmp_path: Path) -> None:
    golden = golden_of(found)
    golden["policies"][2]["cost_cur"] += 1.0
    golden["policies"].append({"policy": "nobody", "score": 1.0})
    write_json(tmp_path / "golden.json", golden)
    differences = check(found, tmp_path / "golden.json")
    assert [(d.policy, d.figure) for d in differences] == [("self_consumption", "cost_cur"), ("nobody", "score")]
    assert differences[0].expected - differences[0].came == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"seeds": [5, 6, 7]}, "seeds"),
        ({"split": "train"}, "split train"),
        ({"scenario": "village"}, "scenario village"),
        ({"policies": []}, "no figure"),
        ({"policies": [{"policy": "idle"}]}, "no figure"),
    ],
)
def test_a_record_that_cannot_be_compared_is_refused(
    found: Evaluation, tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    write_json(tmp_path / "golden.json", golden_of(found) | change)
    with pytest.raises(ValueError, match=word):
        check(found, tmp_path / "golden.json")


def test_a_record_without_its_parts_is_refused(found: Evaluation, tmp_path: Path) -> None:
    write_json(tmp_path / "golden.json", {"policies": [{"policy": "idle", "score": 0.0}]})
    with pytest.raises(ValueError, match="no scenario, split, seeds, tolerances"):
        check(found, tmp_path / "golden.json")


def test_kinds_and_agents_add_up_to_the_community(found: Evaluation) -> None:
    idle = found.result("idle")
    for result in found.results:
        assert result.savings_cur == pytest.approx(idle.scored_cur - result.scored_cur)
        for kind, cost in result.kind_cost_cur.items():
            assert result.kind_savings_cur[kind] == pytest.approx(idle.kind_cost_cur[kind] - cost)
        assert sum(result.kind_cost_cur.values()) == pytest.approx(result.figures["cost_cur"])
        agents = result.agent_cost_cur.sum(1)
        assert agents + result.figures["operator_cur"] == pytest.approx(result.figures["cost_cur"])


def test_paired_differences_are_those_of_the_seeds(found: Evaluation) -> None:
    interval = found.paired("self_consumption", "random")
    costs = found.result("random").scored_cur - found.result("self_consumption").scored_cur
    assert interval.mean == pytest.approx(costs.mean())
    assert costs.min() - 1e-9 <= interval.low < interval.mean < interval.high <= costs.max() + 1e-9


def test_bound_and_replays_stand_beside_the_policies(found: Evaluation) -> None:
    """The replay is the optimum played as any policy; shares of the way by hand."""
    replays = found.replays
    assert replays is not None
    assert (replays.cost_cur == found.result("optimum").scored_cur).all()
    idle, policy = (found.result(n).scored_cur.mean() for n in ("idle", "self_consumption"))
    row = next(r for r in found.rows() if r["policy"] == "self_consumption")
    goals = {"score": found.bound_cur, "of_replay": replays.cost_cur, "of_perfect": replays.perfect_cur}
    for name, goal in goals.items():
        assert row[name]["mean"] == pytest.approx(100 * (idle - policy) / (idle - goal.mean())), name
    assert replays.score.mean == found.result("optimum").score.mean
    assert found.bound_cur.mean() - 0.02 < replays.perfect_cur.mean() < replays.cost_cur.mean()  # rounding
    assert json.loads(to_json(found.to_json()))["replays"]["perfect_score"]["mean"] == replays.perfect_score.mean


def test_the_replay_is_played_without_being_asked_for(found: Evaluation) -> None:
    alone = evaluate("street", ["self_consumption"], seeds=3, hours=8.0)
    assert [r.policy for r in alone.results] == ["idle", "self_consumption"]
    assert alone.replays is not None
    assert found.replays is not None
    assert (alone.replays.cost_cur == found.replays.cost_cur).all()
    assert "with perfect forecasts" in str(terminal_table(alone).caption)
    assert evaluate("street", [], seeds=1, hours=1.0, replays=False).replays is None


def test_perfect_forecasts_are_those_of_the_scenario_with_the_same_end_value(found: Evaluation) -> None:
    """Where stored energy is worth the same in the end, the replay without errors is that of ``forecast = perfect``."""
    core, knowing = (Core(load_scenario("street", hours=8.0, forecast=way), 3) for way in ("past", "perfect"))
    worth = [c.reset([0, 1, 2], split="test").episode.end_value_cur_per_kwh for c in (core, knowing)]
    same = worth[0] == worth[1]
    played = play(knowing, load_policy("optimum"), [0, 1, 2]).tally.scored_cur
    assert same.any()
    assert found.replays is not None
    assert found.replays.perfect_cur[same] == pytest.approx(played[same])


def test_where_forecasts_are_perfect_both_replays_are_one() -> None:
    replays = evaluate("street", [], seeds=2, hours=4.0, forecast="perfect").replays
    assert replays is not None
    assert (replays.cost_cur == replays.perfect_cur).all()


@pytest.mark.parametrize(
    ("scenario", "overrides", "lost"),
    [
        pytest.param("blackout", {}, True, marks=pytest.mark.slow),
        ("street", {"mechanism": "vcg", "prosumer.battery_share": 1.0}, False),
        ("street", {"ev.guarantee": False}, True),
    ],
)
def test_cost_savings_and_parts_agree_in_every_table(scenario: str, overrides: dict[str, Any], lost: bool) -> None:
    found = evaluate(scenario, ["random"], seeds=[1, 2], replays=False, **overrides)
    idle, other = found.rows()
    for row in (idle, other):
        saved = idle["cost_cur"]["mean"] - row["cost_cur"]["mean"]
        assert row["savings_cur"]["mean"] == pytest.approx(saved)
        for key, whole in (("cost_cur", row["cost_cur"]["mean"]), ("savings_cur", saved)):
            assert sum(part[key]["mean"] for part in row["kinds"].values()) == pytest.approx(whole)
    assert (idle["lost_load_cur"]["mean"] + other["lost_load_cur"]["mean"] > 0) == lost
    text = str([c.header for c in terminal_table(found, 200).columns])
    assert ("lost" in text) == lost
    assert ("market_operator" in found.parts) == (overrides.get("mechanism") == "vcg")


def test_one_episode_has_no_interval() -> None:
    found = evaluate("street", ["random"], seeds=1, hours=4.0)
    for table in (terminal_table(found), kind_table(found)):
        assert not any("[" in str(cell) for column in table.columns for cell in (column.header, *column.cells))
    row = json.loads(to_json(found.to_json()))["policies"][1]
    assert row["cost_cur"]["low"] is None
    assert row["score"]["high"] is None
    page = render(found, {}, title="", command="")
    assert "nan" not in page.lower().replace("finance", "")
    assert "no intervals" in page


def test_perfect_forecasts_do_not_change_what_stored_energy_is_worth() -> None:
    """On this day of the village forecasts say what a kWh is worth in the end; with another worth the bound is off."""
    worth = [
        float(Core(load_scenario("village", forecast=way)).reset([2], split="test").episode.end_value_cur_per_kwh[0])
        for way in ("past", "perfect")
    ]
    assert worth[0] != worth[1]
    replays = evaluate("village", [], seeds=[2]).replays
    assert replays is not None
    assert replays.perfect_score.mean < 100
