"""The command line: what users type, what they see, and the exit codes that scripts rely on."""

from __future__ import annotations

import csv
import gc
import io
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gridbazaar.experiments.training.gradient.run
import gridbazaar.experiments.training.train
from gridbazaar.agents.kinds import kinds
from gridbazaar.agents.policies import list_policies
from gridbazaar.data.feeders import list_feeders
from gridbazaar.envs.scenario_tables import WHOSE
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.files import to_json
from gridbazaar.market.designs import list_designs
from gridbazaar.market.mechanisms import list_mechanisms
from gridbazaar.market.tariffs import list_tariffs
from tests.experiments.cli.calling import SHORT, call, refused

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = (
    "demo", "train", "evaluate", "compare", "rollout", "replay", "study", "clear", "bench", "list", "show",
    "data list", "data check", "bill", "homes", "release policies", "release table",
)  # fmt: skip
NAMES = {
    "scenarios": list_scenarios(),
    "mechanisms": list_mechanisms(),
    "tariffs": list_tariffs(),
    "designs": list_designs(),
    "policies": [name for name in list_policies() if name != "trained"],
    "kinds": list(kinds()),
    "feeders": list_feeders(),
    "rewards": [*WHOSE],
    "loaders": ["FILE.py[:NAME]"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    text = call(*command.split(), "--help").stdout
    assert f"Example: gridbazaar {command}" in " ".join(text.split())
    assert "Usage:" in text


def test_help_names_every_command() -> None:
    text = call("--help").stdout
    for command in COMMANDS:
        assert f"\n  {command.split()[0]} " in text, command


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    probe = (
        "import sys\nfrom gridbazaar.experiments.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(sorted({'numpy', 'torch', 'scipy', 'pandas', 'stable_baselines3', 'matplotlib'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == "[]"


def test_the_program_ends_with_its_exit_code_and_one_line(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-m", "gridbazaar.experiments.cli"]
    found = subprocess.run(
        [*program, "evaluate", "nowhere"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.splitlines() == [
        f"error: scenario: expected one of {', '.join(list_scenarios())}, a path (mine.toml), or a Scenario; "
        "got 'nowhere'"
    ]
    debug = subprocess.run(
        [*program, "--debug", "evaluate", "nowhere"], cwd=tmp_path, env=environment, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert debug.returncode != 0
    assert "Traceback" in debug.stderr
    assert "load_scenario" in debug.stderr


def test_the_version_is_that_of_the_package() -> None:
    from gridbazaar import __version__

    assert call("--version").stdout == f"gridbazaar {__version__}\n"


@pytest.mark.parametrize("what", NAMES)
def test_lists_name_everything_that_is_found(what: str) -> None:
    rows = {line.split()[0]: line for line in call("list", what).stdout.splitlines()[1:]}
    for name in NAMES[what]:
        assert len(rows[name].split()) > 3, f"{name} is listed without a word about it"


@pytest.mark.parametrize(
    ("what", "name"),
    [(what, name) for what in ("scenarios", "mechanisms", "tariffs", "kinds", "feeders") for name in NAMES[what]],
)
def test_everything_can_be_shown(what: str, name: str) -> None:
    text = call("show", what.removesuffix("s"), name).stdout
    assert len(text.splitlines()) > 3


def test_what_is_shown_of_a_kind_are_its_columns_and_fields() -> None:
    text = call("show", "kind", "ev").stdout
    for word in (
        "eagerness",
        "storage_filled",
        "to_spare",
        "[ev] in a scenario",
        "v2g_floor_frac",
        "[50.0, 77.0]",
        "currency/kWh",
    ):
        assert word in text, word


def test_a_shown_scenario_can_be_used_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "street.toml"
    path.write_text(call("show", "scenario", "street").stdout)
    assert load_scenario(str(path)) == load_scenario("street")


@pytest.mark.parametrize("what", ["tariff", "mechanism", "feeder", "scenario", "kind"])
def test_what_does_not_exist_cannot_be_shown(what: str) -> None:
    message = refused("show", what, "nothing_of_the_kind")
    assert "nothing_of_the_kind" in message
    assert all(name in message for name in NAMES[f"{what}s"]), message


def test_an_evaluation_shows_a_table_and_writes_files(tmp_path: Path) -> None:
    out, rows = tmp_path / "out.json", tmp_path / "out.csv"
    text = call("evaluate", "street", "--policies", "random,optimum", *SHORT, "--json", out, "--csv", rows).stdout
    assert "optimum" in text
    found = json.loads(out.read_text())
    expected = evaluate("street", ["random", "optimum"], seeds=2, hours=2)
    assert found["policies"] == json.loads(to_json(expected.rows()))
    assert found["split"] == "test"
    assert [r["policy"] for r in csv.DictReader(rows.open())] == ["idle"] * 2 + ["random"] * 2 + ["optimum"] * 2


def test_settings_and_the_seed_reach_the_scenario(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    call("evaluate", "street", "--policies", "idle", *SHORT, "--set", "ev.count=2", "--seed", 3, "--json", out)
    scenario = json.loads(out.read_text())["scenario"]
    assert (scenario["agents"]["ev"]["count"], scenario["seed"], scenario["hours"]) == (2, 3, 2.0)


def test_a_record_is_checked(tmp_path: Path) -> None:
    golden = tmp_path / "golden.json"
    command = ("evaluate", "street", "--policies", "random", *SHORT)
    call(*command, "--record", golden)
    assert "all figures agree" in call(*command, "--check", golden).stdout
    recorded = json.loads(golden.read_text())
    recorded["policies"][1]["cost_cur"] += 0.5
    golden.write_text(json.dumps(recorded))
    found = call(*command, "--check", golden, code=1)
    assert "random cost_cur: expected" in found.stderr
    assert "1 figures differ" in found.stderr
    assert "other settings: recorded with split test (now exam)" in refused(
        *command, "--check", golden, "--split", "exam"
    )
    assert "seeds [0, 1] (now [0, 1, 2])" in refused(*command, "--seeds", 3, "--check", golden)
    told = refused(*command, "--set", "ev.count=2", "--set", "tariff=flat", "--check", golden)
    assert "other settings: recorded with tariff tou (now flat), ev.count 1 (now 2); play the same" in told
    assert "nothing.json" in refused(*command, "--check", tmp_path / "nothing.json")


def test_a_record_holds_what_its_figures_hang_on(tmp_path: Path) -> None:
    golden = tmp_path / "golden.json"
    command = ("evaluate", "street", *SHORT)
    call(*command, "--policies", "random", "--record", golden, "--tolerance", 0)
    recorded = json.loads(golden.read_text())
    assert recorded["settings"] == json.loads(to_json(asdict(load_scenario("street", hours=2))))
    assert recorded["seeds"] == [0, 1]
    assert recorded["versions"]["numpy"] == np.__version__
    assert recorded["tolerances"] == {f: {"abs": 0, "rel": 0} for f in ("score", "cost_cur", "import_kwh")}
    call(*command, "--policies", "random", "--check", golden)
    for row in recorded["policies"]:
        row["import_kwh"] += 1e-9
    golden.write_text(json.dumps(recorded | {"versions": recorded["versions"] | {"numpy": "1.0"}}))
    found = call(*command, "--policies", "random", "--check", golden, code=1)
    assert "2 figures differ" in found.stderr
    assert f"it was recorded with numpy 1.0 (here {np.__version__})" in found.stderr
    call(*command, "--policies", "random", "--check", golden, "--tolerance", 1e-6)
    found = call(*command, "--policies", "time_of_use", "--check", golden, "--tolerance", 1e-6, code=1)
    assert "played and not recorded, so not checked: time_of_use" in found.stderr
    assert "recorded and not played: random" in found.stderr
    assert "with --check or --record" in refused(*command, "--tolerance", 0)


def test_other_settings_are_said_before_anything_is_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golden = tmp_path / "golden.json"
    call("evaluate", "street", "--policies", "idle", *SHORT, "--record", golden)
    monkeypatch.setattr("gridbazaar.experiments.evaluation.evaluate.evaluate", lambda *_, **__: 1 / 0)
    told = refused("evaluate", "street", "--policies", "idle", *SHORT, "--seed", 7, "--check", golden)
    assert "other settings: recorded with seed 0 (now 7)" in told


def test_files_are_not_overwritten_unasked(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    out.write_text("mine")
    command = ("evaluate", "street", "--policies", "idle", *SHORT, "--json", out)
    assert "--force" in refused(*command)
    assert out.read_text() == "mine"
    call(*command, "--force")
    assert out.read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "ev.cout=2"), "unknown field ev.cout"),
        (("--set", "ev.count"), "expected key=value"),
        (("--set", "tariff=free"), "tariff: expected one of"),
        (("--policies", "greed"), "policy: expected one of"),
        (("--policies", " , "), "expected names with commas"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_a_mistake_is_one_line_with_what_was_expected(arguments: tuple[str, ...], words: str) -> None:
    assert words in refused("evaluate", "street", "--seeds", "1", *arguments)


def test_usage_errors_have_code_two() -> None:
    assert "--seeds" in call("evaluate", "street", "--seeds", "0", code=2).stderr
    assert "expected a scenario, or --suite" in call("evaluate", code=2).stderr
    assert "Missing argument" in call("rollout", code=2).stderr
    assert "--out" in call("train", "street", code=2).stderr


def test_tariffs_are_compared_on_the_same_episodes(tmp_path: Path) -> None:
    out = tmp_path / "report"
    options = ("--policies", "random", "--seeds", 2, "--set", "hours=6")  # from noon to the dear evening
    command = ("compare", "street", "--tariffs", "flat,tou", *options, "--out", out)
    text = call(*command).stdout
    assert "more than flat" in text
    found = json.loads((out / "compare.json").read_text())
    alone = {t: evaluate("street", ["random"], seeds=2, hours=6, tariff=t) for t in ("flat", "tou")}
    rows = {(r["tariff"], r["policy"], r["kind"]): r for r in found["rows"]}
    assert len(rows) == 2 * 2 * (len(load_scenario("street").agents) + 1)
    for tariff, evaluation in alone.items():
        result = evaluation.result("random")
        assert rows[tariff, "random", "all"]["cost_cur"]["mean"] == pytest.approx(result.figures["cost_cur"].mean())
        for kind in load_scenario("street").agents:
            cost = result.kind_cost_cur[kind]
            more = cost - alone["flat"].result("random").kind_cost_cur[kind]
            assert rows[tariff, "random", kind]["cost_cur"]["mean"] == pytest.approx(cost.mean())
            assert rows[tariff, "random", kind]["more_cur"]["mean"] == pytest.approx(more.mean())
    assert rows["flat", "random", "all"]["more_cur"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert rows["tou", "random", "all"]["more_cur"]["mean"] != 0.0
    assert found["scenarios"]["tou"]["tariff"] == "tou"
    table = list(csv.DictReader((out / "compare.csv").open()))
    assert len(table) == len(rows)
    assert "--force" in refused(*command)
    call(*command, "--force")


def test_a_comparison_of_nothing_is_refused_before_it_begins(tmp_path: Path) -> None:
    out = tmp_path / "report"
    assert "tariff: expected one of" in refused("compare", "street", "--tariffs", "flat,free", "--out", out)
    assert "what is compared" in refused("compare", "street", "--tariffs", "flat", "--set", "tariff=tou", "--out", out)
    assert not out.exists()


def measured(path: Path, night_kw: float) -> Path:
    """Sixty days of two homes, hour by hour; the second has PV."""
    hour = np.arange(60 * 24) % 24
    times = np.datetime64("2024-01-01T00", "h") + np.arange(60 * 24)
    load = np.where(hour < 6, night_kw, 0.5) + 0.1 * (np.arange(60 * 24) % 7)
    load = np.where(hour < 5, night_kw, load)
    pv = np.maximum(np.sin((hour - 6) / 12 * np.pi), 0) * (hour >= 6) * (hour < 18) * 0.4
    rows = [
        f"{t}:00,{x:.3f},{x:.3f},{s:.3f}" for t, x, s in zip(times.astype(str), load.tolist(), pv.tolist(), strict=True)
    ]
    path.write_text("\n".join(["time,a_load_kw,b_load_kw,b_pv_kw_per_kwp", *rows]) + "\n")
    return path


def test_data_are_checked_as_an_evaluation_loads_them(tmp_path: Path) -> None:
    path = measured(tmp_path / "homes.csv", 0.3)
    text = call("data", "check", path).stdout
    assert "uses 2 homes (a, b)" in text
    assert "60 from 2024-01-01" in text
    call("evaluate", "street", "--policies", "idle", *SHORT, "--data", path)


def test_data_of_which_nothing_can_be_used_fail_the_check(tmp_path: Path) -> None:
    found = call("data", "check", measured(tmp_path / "homes.csv", 0.0), code=1)
    assert "its load between 0 and 5 h" in found.stderr
    assert "Traceback" not in found.stderr
    (tmp_path / "empty.csv").write_text("time,a_load_kw\n")
    call("data", "check", tmp_path / "empty.csv", code=1)
    assert "nowhere" in refused("data", "check", tmp_path / "nowhere")


def test_the_formats_of_data_are_listed() -> None:
    text = call("data", "list").stdout
    for name in ("generator", "CityLearn", "CSV"):
        assert name in text


@pytest.mark.slow
def test_an_interrupted_training_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("stable_baselines3")
    run = tmp_path / "run"
    plain = gridbazaar.experiments.training.train.train

    def interrupted(*arguments: Any, report: Any, **options: Any) -> Path:
        def stop(steps: int, of: int, latest: dict[str, float]) -> None:
            report(steps, of, latest)
            if steps:
                raise KeyboardInterrupt

        return plain(*arguments, report=stop, **options)

    with monkeypatch.context() as patch:
        patch.setattr(gridbazaar.experiments.training.train, "train", interrupted)
        message = refused("train", "street", "--out", run, "--steps", 600, "--n-envs", 1, "--set", "hours=3", code=130)
    files = [f for f in gc.get_objects() if type(f) is io.TextIOWrapper and str(run) in str(f.name)]
    assert all(f.closed for f in files), files
    assert f"gridbazaar train --out {run} --resume" in message
    assert "0 of 600 agent-steps" in message
    assert "steps was 600, not 9" in refused("train", "--out", run, "--resume", "--steps", 9)
    assert "exists" in refused("train", "street", "--out", run)
    assert "give one of them" in refused("train", "--out", run, "--resume", "--force")
    assert "agent-steps" in call("train", "--out", run, "--resume").stdout
    assert " trained " in call("evaluate", "street", "--policies", run, *SHORT).stdout


def test_training_needs_a_scenario_or_a_run(tmp_path: Path) -> None:
    assert "expected a scenario" in refused("train", "--out", tmp_path / "run")
    assert "found no config.json" in refused("train", "--out", tmp_path / "run", "--resume")
    assert "expected one of ppo" in refused("train", "street", "--out", tmp_path / "run", "--algo", "dreamer")
    assert not (tmp_path / "run").exists()


def test_without_the_extra_training_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: Any, **options: Any) -> Path:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(gridbazaar.experiments.training.gradient.run, "train_gradient", missing)
    assert "pip install 'torch" in refused("train", "street", "--out", tmp_path / "run")


def test_a_mistake_leaves_earlier_results_alone(tmp_path: Path) -> None:
    """--force replaces what is there only once there is something to replace it with."""
    out = tmp_path / "out"
    call("compare", "street", "--tariffs", "flat", "--policies", "idle", *SHORT, "--out", out)
    refused("compare", "street", "--tariffs", "flat", "--policies", "greed", *SHORT, "--out", out, "--force")
    assert (out / "compare.json").is_file()
    refused("train", "street", "--set", "ev.cout=1", "--out", out, "--force")
    refused("demo", "--data", tmp_path / "nowhere", "--out", out, "--force")
    assert (out / "compare.json").is_file()
