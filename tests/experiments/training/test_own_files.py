"""A run keeps the files of one's own that its scenario names, and goes on with them, not with what became of them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from gridbazaar.agents.policies.trained import CONFIG
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.files import write_json
from gridbazaar.experiments.training.folder import read_scenario
from gridbazaar.experiments.training.own_files import keep_files
from gridbazaar.market.mechanisms import rule_of
from tests.envs.test_own import RULE, write


def test_a_run_goes_on_with_its_copy_where_that_is_allowed(tmp_path: Path) -> None:
    file, tariff = write(tmp_path, "rule.py", RULE), write(tmp_path, "own.toml", 'title = "own"\n')
    scenario = load_scenario("street", mechanism=file, tariff=tariff)
    run = tmp_path / "run"
    run.mkdir()
    keep_files(scenario, run)
    write_json(
        run / CONFIG, {"scenario": asdict(scenario), "versions": {"gridbazaar": "0"}, "train": {}, "features": []}
    )
    assert json.loads((run / CONFIG).read_text())["scenario"]["mechanism"] == scenario.mechanism
    write(tmp_path, "rule.py", "raise SystemExit('the file of now was run')")
    tariff.unlink()
    refused = (
        r"^\S+/config\.json: the scenario: mechanism names code, \S+/run/code/.*/rule\.py, .*--allow-code \S+ if .* it$"
    )
    with pytest.raises(ValueError, match=refused):
        read_scenario(run)
    again = read_scenario(run, allow_code=True)
    assert Path(again.mechanism.partition("#")[0]).is_relative_to(run)
    assert again.mechanism.partition("#")[2] == scenario.mechanism.partition("#")[2]
    assert rule_of(again.mechanism).name == "rule"
    (kept,) = run.glob("code/*/rule.py")
    kept.write_text(RULE + "# touched\n")
    with pytest.raises(ValueError, match=r"^\S+/config\.json: mechanism: \S+/rule\.py: has changed, expected SHA-256"):
        read_scenario(run, allow_code=True)
