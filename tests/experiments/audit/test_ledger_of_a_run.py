"""A run written to a ledger and checked by somebody who has the file, the key and nothing else."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from gridbazaar.experiments.cli.main import main
from gridbazaar.market.ledger.log.canonical import Entry, canonical, parse
from gridbazaar.market.ledger.log.merkle import leaf_hash
from tests.envs.test_own import RULE
from tests.experiments.cli.runner import invoke
from tests.market.ledger.fakes import edit

ROOT = Path(__file__).resolve().parents[3]


class Run(NamedTuple):
    """What a run leaves behind."""

    path: Path
    who: tuple[str, ...]  # --key, --origin


def call(*arguments: object, code: int = 0) -> Any:
    found = invoke(main, [str(a) for a in arguments])
    assert found.exit_code == code, f"{found.exit_code}\n{found.stdout}\n{found.stderr}\n{found.exception!r}"
    return found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("ledger") / "street.db"
    options = ("--policies", "self_consumption", "--seeds", 1, "--set", "hours=3", "--ledger", path)
    said = call("evaluate", "street", *options).stdout
    (command,) = (line for line in said.splitlines() if line.startswith("check it: "))
    words = shlex.split(command)
    return Run(path, tuple(words[words.index("--key") :]))


@pytest.fixture
def run(written: Run, tmp_path: Path) -> Run:
    return written._replace(path=Path(shutil.copy(written.path, tmp_path)))


def entries(path: Path, kind: str) -> list[tuple[int, Entry]]:
    with closing(sqlite3.connect(path)) as db:
        bodies = db.execute("SELECT seq, body FROM entry ORDER BY seq").fetchall()
    return [(seq, entry) for seq, body in bodies if (entry := parse(body))["kind"] == kind]


def replace(path: Path, seq: int, entry: Entry) -> None:
    """Put another entry in place of one, with its hash."""
    body = canonical(entry)
    edit(path, ("UPDATE entry SET body = ?, leaf = ? WHERE seq = ?", (body, leaf_hash(body), seq)))


def test_the_command_that_a_run_prints_finds_it_sound(run: Run, tmp_path: Path) -> None:
    assert call("ledger", "verify", run.path, *run.who).stdout.startswith("sound: ")
    kept = tmp_path / "kept.txt"
    kept.write_text(call("ledger", "checkpoints", run.path).stdout)
    assert "12 trusted checkpoints" in call("ledger", "verify", run.path, *run.who, "--trusted", kept).stdout


def test_of_a_rule_of_ones_own_the_file_is_named_and_another_one_is_told_apart(tmp_path: Path) -> None:
    rule, ledger = tmp_path / "rule.py", tmp_path / "own.db"
    rule.write_text(RULE)
    options = ("--policies", "self_consumption", "--seeds", 1, "--set", "hours=1", "--ledger", ledger)
    said = call("evaluate", "street", "--set", f"mechanism={rule}:rule", *options).stdout
    (command,) = (line.removeprefix("check it: ") for line in said.splitlines() if line.startswith("check it: "))
    assert command.endswith(f"--mechanism {rule}:rule")
    assert "cleared again" not in call(*shlex.split(command)[1:]).stdout
    rule.write_text(RULE + "# another\n")
    assert re.search(
        r"4 intervals by rule#sha256=(\w+), not cleared again: give its --mechanism FILE, which is not "
        r"rule#sha256=(?!\1)\w+,", call(*shlex.split(command)[1:]).stdout,
    )  # fmt: skip


def test_18_an_inflated_reading_is_named_by_its_signature(run: Run) -> None:
    seq, reading = entries(run.path, "reading")[5]
    replace(run.path, seq, reading | {"metered_ukwh": reading["metered_ukwh"] + 1})
    lines = call("ledger", "verify", run.path, *run.who, code=1).stdout.splitlines()
    assert lines[0].startswith(f"entry {seq}, transaction {reading['txid']}, interval {reading['interval']}: refused: ")
    assert "sig" in lines[0]


def test_60_a_price_that_the_auction_did_not_give_names_the_interval(run: Run) -> None:
    seq, clear = entries(run.path, "clear")[4]
    replace(run.path, seq, clear | {"price_ucur_per_kwh": [price + 1 for price in clear["price_ucur_per_kwh"]]})
    lines = call("ledger", "verify", run.path, *run.who, code=1).stdout.splitlines()
    interval = clear["interval"]
    assert any(line.startswith(f"interval {interval}: ") and "price" in line for line in lines), lines


def test_an_export_without_readings_is_sound_in_what_is_left(run: Run, tmp_path: Path) -> None:
    out, n = tmp_path / "public.jsonl", len(entries(run.path, "reading"))
    said = call("ledger", "export", run.path, "--jsonl", out, "--withhold", "reading").stdout
    assert said.endswith(f"{n:,} bodies withheld\n"), "all of them are salted"
    assert '"kind":"reading"' not in out.read_text()
    assert f"{n} bodies withheld" in call("ledger", "verify", out, *run.who).stdout
    said = call("ledger", "export", run.path, "--jsonl", out, "--withhold", "trade", "--force").stdout
    assert "of the withheld bodies have no salt" in said


def test_a_withheld_reading_is_proved_from_the_whole_file(run: Run, tmp_path: Path) -> None:
    seq, reading = entries(run.path, "reading")[7]
    proof = tmp_path / "proof.json"
    call("ledger", "prove", run.path, reading["txid"], "--out", proof)
    shown = call("ledger", "check-proof", proof, *run.who).stdout
    assert shown.startswith(f"entry {seq} of ")
    assert json.loads(shown.partition(": ")[2]) == reading


def test_trades_have_columns_of_their_own_in_a_table(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    call("ledger", "export", run.path, "--csv", out)
    rows = {int(row["entry"]): row for row in csv.DictReader(out.open())}
    trades = entries(run.path, "trade")
    assert trades
    for seq, trade in trades:
        assert rows[seq]["transaction_id"] == trade["txid"]
        assert (rows[seq]["seller"], rows[seq]["buyer"]) == (trade["seller"], trade["buyer"])
        assert round(float(rows[seq]["energy_amount_kwh"]) * 1e6) == trade["energy_ukwh"]


def test_a_household_reads_its_bill(run: Run) -> None:
    text = call("ledger", "statement", run.path, "prosumer_0").stdout
    assert text.startswith("Statement of prosumer_0")
    assert "\nTotal " in text
    error = call("ledger", "statement", run.path, "nobody", code=2).stderr
    assert "nobody" in error
    assert len(error.strip().splitlines()) == 1


JUNK: list[Any] = [None, True, -1, 2**53 - 1, "", "x", [], [[]], {"a": 1}, [["a", 1]]]


@pytest.mark.slow
def test_no_field_of_no_kind_makes_a_command_fall(run: Run, tmp_path: Path) -> None:
    """Whatever stands in an entry: a finding, or one line and exit code 2."""
    rng = np.random.default_rng(19)
    whole = run.path.read_bytes()
    for _ in range(12):
        run.path.write_bytes(whole)
        kind = str(rng.choice(["reading", "trade", "clear", "reveal", "commit", "bill", "mint", "gate", "meter"]))
        seq, entry = entries(run.path, kind)[0]
        changed = {name: value for name, value in entry.items() if name not in ("kind", "txid")}
        name, value = str(rng.choice(sorted(changed))), JUNK[int(rng.integers(len(JUNK)))]
        if entry[name] == value:
            continue
        replace(run.path, seq, entry | {name: value})
        assert call("ledger", "verify", run.path, *run.who, code=1).stdout.strip()
        for command in (
            ("statement", run.path, "prosumer_0"),
            ("export", run.path, "--csv", tmp_path / "t", "--force"),
        ):
            found = invoke(main, ["ledger", *map(str, command)])
            assert found.exit_code in (0, 2), (kind, name, value, found.exception)


def test_a_step_without_a_ledger_runs_no_ledger_code() -> None:
    """Not even imported: what is not loaded cannot run."""
    probe = (
        "import sys\nimport gridbazaar as gb\nenv = gb.parallel_env('street')\nenv.reset(seed=1)\n"
        "env.step({agent: env.action_space(agent).sample() for agent in env.agents})\n"
        "print([name for name in sys.modules if 'ledger' in name or name in ('sqlite3', 'nacl')])"
    )
    found = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == "[]"


WEEK = """
import sys
from pathlib import Path
from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.audit.audit import audit
core = Core(load_scenario("village", hours=168.0, start_h=0.0), n_envs=1)
policy = load_policy("self_consumption")
audited = audit(core, policy, "self_consumption", [0], sys.argv[1], tick=lambda: print(flush=True))
print(audited.did, audited.origin)
"""


def writing(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WEEK, str(path)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def n_intervals(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM checkpoint").fetchone()[0])


@pytest.mark.slow
def test_a_week_that_is_killed_loses_at_most_the_open_interval_and_goes_on(tmp_path: Path) -> None:
    path, ticks = tmp_path / "week.db", 0
    with writing(path) as writer:
        assert writer.stdout is not None
        while ticks < 300 and writer.stdout.readline():
            ticks += 1
        writer.kill()
        ticks += len(writer.stdout.readlines())
    assert n_intervals(path) - ticks in (0, 1)
    with writing(path) as writer:
        assert writer.stdout is not None
        did, origin = writer.stdout.read().split()
    assert writer.returncode == 0
    assert n_intervals(path) == 7 * 96
    said = call("ledger", "verify", path, "--key", did, "--origin", origin).stdout
    assert said.startswith("sound: ")
