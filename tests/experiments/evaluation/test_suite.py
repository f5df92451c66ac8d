"""Suites: an exit code means one thing, and the record of the shipped one is of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from gridbazaar.envs.core import Core
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.evaluation import suite as suites
from gridbazaar.experiments.evaluation.suite import list_suites, read_record, read_suite
from gridbazaar.experiments.files import to_json
from gridbazaar.experiments.workers import Workers, each
from tests.experiments.cli.runner import invoke

DOCS = Path(__file__).parents[3] / "docs" / "ci.md"
TEXT = """
[tolerances]
score = { abs = 0.1 }
cost_cur = { abs = 0.01, rel = 0.001 }
[[run]]
scenario = "street"
policies = ["random"]
seeds = 2
settings = { hours = 2.0 }
"""
RUN = "street,hours=2.0"
Edit = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "mine.toml"
    path.write_text(TEXT)
    found = invoke(main, ["evaluate", "--suite", str(path), "--update-golden"])
    assert found.exit_code == 0, found.output
    assert "recorded:" in found.stdout
    return path


def check(recorded: Path, tmp_path: Path, edit: Edit | None = None) -> tuple[Any, dict[str, Any], Xml.Element]:
    """What the command says, its JSON and its JUnit, with a record in which something was changed."""
    golden = json.loads(read_suite(str(recorded)).golden.read_text())
    if edit is not None:
        edit(golden)
    changed, out, junit = tmp_path / "golden.json", tmp_path / "out.json", tmp_path / "junit.xml"
    changed.write_text(json.dumps(golden))
    outputs = ("--golden", str(changed), "--json", str(out), "--junit", str(junit), "--force")
    found = invoke(main, ["evaluate", "--suite", str(recorded), *outputs])
    return found, json.loads(out.read_text()), Xml.fromstring(junit.read_text())


def test_runs_that_workers_play_are_held_to_the_same(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = read_suite(str(recorded))
    golden = read_record(suite, suite.golden)
    alone = suites.run_suite(suite, golden)
    monkeypatch.setattr(suites, "each", lambda function, parts, workers, done: each(function, parts, None, done))
    ticks: list[tuple[str, str, int, int]] = []
    found = suites.run_suite(suite, golden, workers=Workers(2), tick=lambda *told: ticks.append(told))
    assert ticks == [(RUN, "played", 1, 1)]
    assert found.outcomes == alone.outcomes
    assert found.integers == alone.integers
    assert to_json(found.evaluations[RUN].to_json()) == to_json(alone.evaluations[RUN].to_json())


def row(golden: dict[str, Any]) -> dict[str, Any]:
    policies: dict[str, dict[str, Any]] = golden["runs"][RUN]["policies"]
    return policies["random"]


def test_what_is_as_recorded_is_sound(recorded: Path, tmp_path: Path) -> None:
    found, out, junit = check(recorded, tmp_path)
    assert found.exit_code == 0, found.output
    assert {o["verdict"] for o in out["outcomes"]} == {"sound"}
    held = {(o["policy"], o["what"]) for o in out["outcomes"]}
    assert held == {(p, w) for p in ("idle", "random") for w in ("score", "cost_cur", "balances", "integers")}
    assert (junit.get("tests"), junit.get("failures"), junit.get("errors")) == ("8", "0", "0")
    assert len(junit.findall("./testsuite/testcase")) == 8
    assert out["evaluations"][RUN]["seeds"] == [0, 1]


def test_a_figure_that_moved_ends_with_1(recorded: Path, tmp_path: Path) -> None:
    found, out, junit = check(
        recorded, tmp_path, lambda golden: row(golden).update(cost_cur=row(golden)["cost_cur"] + 1)
    )
    assert found.exit_code == 1
    assert f"moved: {RUN} random cost_cur: expected" in found.stderr
    assert [o["what"] for o in out["outcomes"] if o["verdict"] == "moved"] == ["cost_cur"]
    (case,) = (c for c in junit.iter("testcase") if c.find("failure") is not None)
    assert (case.get("classname"), case.get("name")) == (f"mine.{RUN}.random", "cost_cur")
    assert junit.get("failures") == "1"


def test_a_figure_within_its_tolerance_is_sound(recorded: Path, tmp_path: Path) -> None:
    found, _, _ = check(recorded, tmp_path, lambda golden: row(golden).update(cost_cur=row(golden)["cost_cur"] + 0.009))
    assert found.exit_code == 0


def test_other_integers_end_with_4_only_where_the_machine_is_the_same(recorded: Path, tmp_path: Path) -> None:
    found, _, _ = check(recorded, tmp_path, lambda golden: row(golden).update(integers_sha256="0" * 64))
    assert found.exit_code == 4
    assert f"changed: {RUN} random integers: expected {'0' * 16}" in found.stderr

    def elsewhere(golden: dict[str, Any]) -> None:
        row(golden).update(integers_sha256="0" * 64)
        golden["fingerprint"]["blas"] = "another 1.0"

    found, out, junit = check(recorded, tmp_path, elsewhere)
    assert found.exit_code == 0
    assert "integers were not compared: recorded with blas 'another 1.0'" in found.stdout
    assert sum(o["verdict"] == "skipped" for o in out["outcomes"]) == 2
    assert len(list(junit.iter("skipped"))) == 2


def test_what_broke_weighs_more_than_what_moved(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = suites._Watch.add

    def off(self: suites._Watch, policy: str, core: Core, happened: Transition) -> None:
        bill = happened.money.bill
        ucur = bill.ucur.copy()
        ucur[0, 0, 0] += policy == "random"
        right(self, policy, core, replace(happened, money=replace(happened.money, bill=replace(bill, ucur=ucur))))

    monkeypatch.setattr(suites._Watch, "add", off)
    found, _, junit = check(recorded, tmp_path, lambda golden: row(golden).update(score=-1e6))
    assert found.exit_code == 3
    assert (
        f"broken: {RUN} random balances: each line of each bill sums to zero over all parties: off by 1" in found.stderr
    )
    assert (junit.get("errors"), junit.get("failures")) == ("1", "2")  # the integers are others, too


def test_an_error_of_ours_is_told_and_nothing_is_recorded(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cheaper(*_: object, **__: object) -> None:
        raise AssertionError("random costs less than the optimum's lower bound")

    monkeypatch.setattr(suites, "evaluate", cheaper)
    golden = tmp_path / "golden.json"
    found = invoke(main, ["evaluate", "--suite", str(recorded), "--update-golden", "--golden", str(golden)])
    assert found.exit_code == 3
    assert "costs less than the optimum's lower bound" in found.stderr
    assert not golden.exists()


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda golden: golden["runs"][RUN].update(seeds=3), "recorded with seeds 3 (now 2)"),
        (lambda golden: golden["runs"][RUN].update(settings_sha256="f"), "recorded with settings_sha256 f"),
        (lambda golden: golden["runs"].update(more={}), "the suite has"),
        (lambda golden: golden["runs"][RUN]["policies"].pop("random"), "expected the policies idle, random"),
        (lambda golden: row(golden).pop("score"), "random lacks a figure"),
        (lambda golden: golden.pop("fingerprint"), "expected a record"),
    ],
)
def test_a_record_of_another_suite_is_refused(recorded: Path, tmp_path: Path, edit: Edit, words: str) -> None:
    suite = read_suite(str(recorded))
    golden = json.loads(suite.golden.read_text())
    edit(golden)
    path = tmp_path / "golden.json"
    path.write_text(json.dumps(golden))
    with pytest.raises(ValueError, match="--update-golden") as refused:
        read_record(suite, path)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TEXT.replace("score =", "scores ="), "tolerances: expected some of score"),
        (TEXT.replace("seeds = 2", "seeds = 0"), "seeds: expected a number of at least 1, got 0"),
        (TEXT.replace('["random"]', "[]"), "policies: expected names"),
        (TEXT.replace("settings =", "setting ="), "expected scenario, policies, seeds and perhaps settings"),
        (TEXT.replace("[tolerances]", "[tolerance]"), "unknown tolerance"),
        (TEXT + TEXT[TEXT.index("[[run]]") :], "expected each scenario once"),
    ],
)
def test_a_suite_that_is_none_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match="suite") as refused:
        read_suite(str(path))
    assert words in str(refused.value)


def test_options_that_do_not_go_together_are_refused(recorded: Path) -> None:
    for options, words in (
        (["--suite", str(recorded), "--seeds", "3"], "seeds: a suite says in its file what is played"),
        (["street", "--suite", "ci"], "scenario: a suite says in its file"),
        (["street", "--junit", "x.xml"], "are of --suite"),
        ([], "expected a scenario, or --suite"),
        (["--suite", "nothing"], f"expected one of {', '.join(list_suites())}"),
    ):
        found = invoke(main, ["evaluate", *options])
        assert found.exit_code == 2, found.output
        assert words in found.stderr


def test_the_suite_that_the_docs_show_is_one(tmp_path: Path) -> None:
    text = DOCS.read_text().split("```toml\n")[1].split("```")[0]
    path = tmp_path / "mine.toml"
    path.write_text(text)
    (run,) = read_suite(str(path)).runs
    assert (run.scenario, run.policies, run.seeds, run.settings) == (
        "street", ("opportunity_cost", "learned"), 2, {"hours": 6.0}
    )  # fmt: skip


@pytest.mark.parametrize("name", list_suites())
def test_the_record_of_a_shipped_suite_is_of_it(name: str) -> None:
    suite = read_suite(name)
    record = read_record(suite, suite.golden)
    assert {"mpc", "learned"} <= {policy for run in record["runs"].values() for policy in run["policies"]}


@pytest.mark.slow
def test_the_shipped_suite_is_sound() -> None:
    found = invoke(main, ["evaluate", "--suite", "ci"])
    assert found.exit_code == 0, found.output
