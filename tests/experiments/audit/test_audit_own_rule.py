"""A ledger states a rule that does not ship with the hash of its code, and it is cleared again by that code alone."""

from __future__ import annotations

from pathlib import Path

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.audit.audit import audit
from gridbazaar.market.ledger.books.reclear import reclear
from gridbazaar.market.ledger.log.keys import public_key_of
from gridbazaar.market.ledger.log.store import reading
from gridbazaar.market.ledger.verify import entries_of, examine, rules
from tests.envs.test_own import RULE, write

N_STEPS = 4


def test_an_own_rule_is_cleared_again_only_by_the_file_that_the_ledger_states(tmp_path: Path) -> None:
    file, other = write(tmp_path, "rule.py", RULE), write(tmp_path, "other.py", RULE.replace("rule(", "other("))
    core = Core(load_scenario("street", mechanism=file, hours=N_STEPS / 4), 1)
    found = audit(core, load_policy("self_consumption"), "rule", [0], tmp_path / "a.db")
    key = public_key_of(found.did), found.origin
    for given, left in (([], N_STEPS), ([other], N_STEPS), ([str(file)], 0)):
        report = examine(found.path, *key, by=rules(given))
        assert not report.findings
        assert sum(report.not_run.values()) == left
    with reading(found.path) as contents:
        entries = [e for interval, e in entries_of(contents) if interval == 0]
    clear = next(e for e in entries if e["kind"] == "clear")
    assert clear["mechanism"].startswith("rule#sha256=")
    clear["mechanism"] = str(file)
    (finding,) = reclear(0, entries)
    assert "unknown mechanism" in finding, "a ledger names no code to be run"
