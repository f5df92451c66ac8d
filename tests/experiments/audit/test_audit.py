"""An audited run: the simulation's integers, unchanged, in a file that verifies; an ordinary run has none of it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.reward import PARTS
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.audit.audit import Audited, audit
from gridbazaar.experiments.audit.opening import STAKE_UCUR
from gridbazaar.experiments.audit.scribe import Scribe
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.ledger.log.canonical import Entry
from gridbazaar.market.ledger.log.keys import public_key_of
from gridbazaar.market.ledger.statement import statement
from gridbazaar.market.ledger.verify import examine
from gridbazaar.market.ledger.writer import Ledger
from gridbazaar.market.mechanisms import list_mechanisms
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES
from tests.experiments.cli.runner import invoke
from tests.quick import only

POLICY = "self_consumption"


def village(*, hours: float = 2.0, **overrides: Any) -> Core:
    return Core(load_scenario("village", hours=hours, **overrides), 1)


def audited(core: Core, path: Path, seeds: Sequence[int] = (0,)) -> Audited:
    return audit(core, load_policy(POLICY), POLICY, seeds, path)


def transitions(core: Core, seeds: Sequence[int] = (0,)) -> list[Transition]:
    """The same episodes without a ledger."""
    return [t for seed in seeds for t in play(core, load_policy(POLICY), [seed], keep=True).transitions]


def rows(path: Path) -> list[tuple[int, Entry]]:
    with closing(sqlite3.connect(path)) as db:
        return [(i, json.loads(body)) for i, body in db.execute("SELECT interval, body FROM entry ORDER BY seq")]


def findings(made: Audited) -> list[str]:
    report = examine(made.path, public_key_of(made.did), made.origin, [made.checkpoint])
    return [str(finding) for finding in report.findings]


def owed(core: Core, happened: Sequence[Transition]) -> dict[str, int]:
    """What the simulation bills every party in the whole run."""
    total: NDArray[np.int64] = np.sum([t.money.bill.ucur[0].sum(0) for t in happened], axis=0)
    return dict(zip((*core.agents, *SYSTEM_PARTIES), total.tolist(), strict=True))


def cash(path: Path) -> dict[str, int]:
    """What every account holds, with its stakes."""
    held: dict[str, int] = {}
    with closing(sqlite3.connect(path)) as db:
        for account, amount in db.execute("SELECT account, amount FROM balance WHERE asset = 'cash'"):
            name = account.removeprefix("escrow/")
            held[name] = held.get(name, 0) + amount
    return held


@pytest.fixture(scope="module")
def core() -> Core:
    return village()


@pytest.fixture(scope="module")
def happened(core: Core) -> list[Transition]:
    return transitions(core, (0, 1))


@pytest.fixture(scope="module")
def run(core: Core, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    return audited(core, tmp_path_factory.mktemp("audit") / "village.db", (0, 1))


def test_an_audited_run_is_sound_and_its_auctions_can_be_run_again(run: Audited) -> None:
    assert findings(run) == []


def test_balances_are_the_bills_to_the_unit(core: Core, run: Audited, happened: list[Transition]) -> None:
    bills = owed(core, happened)
    held = cash(run.path)
    assert {party: -held.get(party, 0) for party in bills} == bills
    assert sum(bills.values()) == 0
    assert any(bills[agent] for agent in core.agents)


def test_every_line_of_every_interval_is_on_the_ledger(core: Core, run: Audited, happened: list[Transition]) -> None:
    """Trades are the market's line, and each other line is its own entry."""
    entries = rows(run.path)
    for interval, t in enumerate(happened):
        here = [entry for i, entry in entries if i == interval]
        paid = {line: dict.fromkeys((*core.agents, *SYSTEM_PARTIES), 0) for line in LINES}
        for entry in here:
            if entry["kind"] == "trade":
                paid["market"][entry["buyer"]] += entry["pay_ucur"]
                paid["market"][entry["seller"]] -= entry["receive_ucur"]
                paid["market"]["market_operator"] += entry["receive_ucur"] - entry["pay_ucur"]
            if entry["kind"] == "bill":
                for party, amount in entry["ucur"].items():
                    paid[entry["line"]][party] += amount
        assert [list(line.values()) for line in paid.values()] == t.money.bill.ucur[0].tolist()


def test_at_one_price_trades_pay_the_whole_market_line(run: Audited) -> None:
    entries = rows(run.path)
    assert sum(entry["kind"] == "trade" for _, entry in entries) > 50
    assert not any(entry["kind"] == "bill" and entry["line"] == "market" for _, entry in entries)


def test_readings_and_orders_are_the_simulations_integers(core: Core, run: Audited, happened: list[Transition]) -> None:
    entries = rows(run.path)
    for interval, t in enumerate(happened):
        here = [entry for i, entry in entries if i == interval]
        readings = {e["meter"]: e["metered_ukwh"] for e in here if e["kind"] == "reading"}
        assert [readings[agent] for agent in core.agents] == t.delivery.metered_ukwh[0].tolist()
        orders = {e["account"]: e["orders"] for e in here if e["kind"] == "reveal"}
        columns = [orders[agent][slot] for slot in range(2) for agent in core.agents]
        assert [energy for energy, _ in columns] == t.market.orders.energy_ukwh[0].tolist()
        assert [limit for _, limit in columns] == t.market.orders.limit_ucur_per_kwh[0].tolist()


def test_the_same_run_gives_the_same_file(run: Audited, tmp_path: Path) -> None:
    again = audited(village(), tmp_path / "again.db", (0, 1))
    assert again.checkpoint == run.checkpoint
    assert rows(again.path) == rows(run.path)


def test_a_row_of_a_batch_gives_the_entries_of_the_episode_alone(core: Core) -> None:
    """What a training run settles for a seed is what the audit of that seed writes."""
    batch = Core(core.scenario, 3)
    alone, among = (
        play(c, load_policy(POLICY), s, keep=True).transitions for c, s in ((core, [1]), (batch, [0, 1, 2]))
    )
    scribe = Scribe(core, b"secret")
    for interval, (single, several) in enumerate(zip(alone, among, strict=True)):
        assert scribe.entries(interval, single, 0) == scribe.entries(interval, several, 1)


def test_float_rewards_and_audited_bills_agree(core: Core, run: Audited, happened: list[Transition]) -> None:
    """The rewards' part for bills sums to minus what each agent owes by the ledger."""
    held = cash(run.path)
    paid_cur = core.scenario.reward.scale * np.sum(
        [t.reward_parts[0, :, PARTS.index("bill")] for t in happened], axis=0
    )
    for agent, amount in zip(core.agents, paid_cur, strict=True):
        assert amount == pytest.approx(held.get(agent, 0) / MICRO, abs=1e-6)


def test_statements_of_agents_are_their_bills(core: Core, run: Audited, happened: list[Transition]) -> None:
    entries, bills = rows(run.path), owed(core, happened)
    for agent in core.agents[::5]:
        assert statement(entries, agent).total_ucur == bills[agent]


def test_stakes_are_staked_once_and_given_back_at_the_end(core: Core, run: Audited) -> None:
    kinds = [entry["kind"] for _, entry in rows(run.path)]
    assert kinds.count("stake") == kinds.count("release") == core.n_agents
    assert STAKE_UCUR > 0


@pytest.mark.parametrize("mechanism", only(("uniform_price", "amm", "nodal", "bill_sharing"), list_mechanisms()))
def test_every_mechanism_can_be_audited(mechanism: str, tmp_path: Path) -> None:
    made = Core(load_scenario("street", hours=2.0, mechanism=mechanism), 1)
    ledger = audited(made, tmp_path / "ledger.db")
    assert findings(ledger) == []
    bills, held = owed(made, transitions(made)), cash(ledger.path)
    assert {party: -held.get(party, 0) for party in bills} == bills


def test_an_audit_plays_one_environment() -> None:
    with pytest.raises(ValueError, match="core: expected one environment for an audit, got 2"):
        audit(Core(load_scenario("street", hours=1.0), 2), load_policy("idle"), "idle", [0], "nowhere.db")


def killed(make: Core, path: Path, seeds: Sequence[int], at: int) -> None:
    """Audit in a process that is killed in the middle of an interval's transaction."""
    child = os.fork()
    if child == 0:
        try:
            write, count = Ledger._write_balances, iter(range(10**9))

            def doomed(ledger: Ledger) -> None:
                if next(count) == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                write(ledger)

            Ledger._write_balances = doomed  # type: ignore[method-assign, assignment]
            audited(make, path, seeds)
        finally:
            os._exit(3)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def last_checkpoint(path: Path) -> str:
    with closing(sqlite3.connect(path)) as db:
        return str(db.execute("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process that can be killed")
def test_a_kill_loses_at_most_the_open_interval_and_the_run_goes_on(core: Core, run: Audited, tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    killed(core, path, (0, 1), 7)
    assert findings(replace(run, path=path, checkpoint=last_checkpoint(path))) == []
    assert [entry for i, entry in rows(run.path) if i < 7] == [entry for _, entry in rows(path)]
    again = audited(core, path, (0, 1))
    assert again.checkpoint == run.checkpoint
    assert rows(path) == rows(run.path)


def test_evaluate_writes_a_ledger_that_verifies(tmp_path: Path) -> None:
    path = tmp_path / "out.db"
    options = ["evaluate", "street", "--policies", "mine=self_consumption,idle", "--seeds", "2", "--set", "hours=2.0"]
    found = invoke(main, [*options, "--ledger", str(path)])
    assert found.exit_code == 0, found.output
    said = dict(line.split(": ", 1) for line in found.stdout.splitlines() if ": " in line)
    assert said["origin"] == "gridbazaar/street/mine/test/0"
    verify = ["ledger", "verify", str(path), "--key", said["key"], "--origin", said["origin"]]
    checked = invoke(main, verify)
    assert checked.exit_code == 0, checked.output
    assert invoke(main, [*options, "--ledger", str(path)]).exit_code == 2
    before = path.read_bytes()
    assert invoke(main, [*options, "--ledger", str(path), "--force"]).exit_code == 0
    assert len(path.read_bytes()) == len(before)


@pytest.mark.slow
def test_a_week_of_the_village_is_audited_to_the_unit(tmp_path: Path) -> None:
    core, seeds = village(hours=24.0), tuple(range(7))
    made = audited(core, tmp_path / "week.db", seeds)
    assert findings(made) == []
    bills, held = owed(core, transitions(core, seeds)), cash(made.path)
    assert {party: -held.get(party, 0) for party in bills} == bills
