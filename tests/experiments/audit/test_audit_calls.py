"""An audited run with calls of the operator: awards, deliveries and their money are on the ledger and verify."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from gridbazaar.agents.policies.vpp_dispatch import Policy
from gridbazaar.agents.policy import Community, Observation
from gridbazaar.data.arrays import Array
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.audit.audit import Audited, audit
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.ledger.books.calls import check_delivered
from gridbazaar.market.ledger.books.entries import Refused
from gridbazaar.market.ledger.books.replay import Books
from gridbazaar.market.ledger.log.canonical import Entry
from gridbazaar.market.ledger.log.keys import public_key_of
from gridbazaar.market.ledger.statement import statement
from gridbazaar.market.ledger.verify import examine
from gridbazaar.market.settlement.settle import SYSTEM_PARTIES

HOURS = 10.0
SCENARIO = load_scenario("vpp_call", hours=HOURS, call={"start_h": 18.0, "response_share": 0.5})


class Failing(Policy):
    """Withholds two thirds of what is called."""

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        action, memory = super().act(observation, memory)
        call = observation.call
        assert call is not None
        community: Community = memory.community
        running = (call.status == 4)[:, None]
        vpps = community.kind_slices["vpp"]
        action[:, vpps, 2] = np.where(running, -0.667, action[:, vpps, 2])
        return action, memory


@pytest.fixture(scope="module")
def core() -> Core:
    return Core(SCENARIO, 1)


@pytest.fixture(scope="module")
def happened(core: Core) -> list[Transition]:
    return list(play(core, Failing(), [0], keep=True).transitions)


@pytest.fixture(scope="module")
def run(core: Core, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    return audit(core, Failing(), "failing", [0], tmp_path_factory.mktemp("calls") / "calls.db")


@pytest.fixture(scope="module")
def entries(run: Audited) -> list[tuple[int, Entry]]:
    with closing(sqlite3.connect(run.path)) as db:
        return [(i, json.loads(body)) for i, body in db.execute("SELECT interval, body FROM entry ORDER BY seq")]


def test_a_run_with_calls_is_sound_and_balances_are_its_bills(
    core: Core, run: Audited, happened: list[Transition]
) -> None:
    report = examine(run.path, public_key_of(run.did), run.origin, [run.checkpoint])
    assert [str(finding) for finding in report.findings] == []
    with closing(sqlite3.connect(run.path)) as db:
        held = dict(db.execute("SELECT account, amount FROM balance WHERE asset = 'cash'"))
    owed = np.sum([t.money.bill.ucur[0].sum(0) for t in happened], axis=0).tolist()
    for party, amount in zip((*core.agents, *SYSTEM_PARTIES), owed, strict=True):
        assert -held.get(party, 0) == amount, party


def test_awards_and_deliveries_are_the_simulations_integers(
    core: Core, entries: list[tuple[int, Entry]], happened: list[Transition]
) -> None:
    awards = [entry for _, entry in entries if entry["kind"] == "award"]
    deliveries = [(i, entry) for i, entry in entries if entry["kind"] == "delivery"]
    assert 1 <= len(awards) <= 2
    assert sum(entry["slashed_ucur"] for _, entry in deliveries) > 0
    for i, entry in deliveries:
        answer, agent = happened[i].money.answer, core.agents.index(entry["account"])
        assert answer is not None
        assert entry["delivered_ukwh"] == answer.delivered_ukwh[0, agent]
        assert entry["called_ukwh"] == answer.called_ukwh[0, agent]
    assert len(deliveries) == sum((h.money.answer.award_ukwh > 0).sum() for h in happened if h.money.answer is not None)


def test_responses_are_the_simulations_integers_and_follow_from_the_meter(
    core: Core, entries: list[tuple[int, Entry]], happened: list[Transition]
) -> None:
    responses = [(i, entry) for i, entry in entries if entry["kind"] == "response"]
    assert sum(entry["pay_ucur"] for _, entry in responses) > 0
    for i, entry in responses:
        response, agent = happened[i].money.answer.response, core.agents.index(entry["account"])  # type: ignore[union-attr]
        assert response is not None
        assert entry["reduced_ukwh"] == response.reduced_ukwh[0, agent]
        assert entry["baseline_ukwh"] == response.baseline_ukwh[0, agent]
    interval, one = responses[0]
    here = [dict(entry) for i, entry in entries if i == interval]
    forged = [e | {"baseline_ukwh": 10**9} if e["txid"] == one["txid"] else e for e in here]
    assert any("but baseline less meter gives" in what for what in check_delivered(forged))
    assert check_delivered(here) == []
    with pytest.raises(Refused, match="pay_ucur is 1, expected 0: 2 at 3"):
        Books().apply(0, one | {"interval": 0, "reduced_ukwh": 2, "price_ucur_per_kwh": 3, "pay_ucur": 1})


def test_statements_show_services_and_non_delivery(entries: list[tuple[int, Entry]]) -> None:
    account = next(entry["account"] for _, entry in entries if entry["kind"] == "award")
    lines = {line.title: line.amount_ucur for line in statement(entries, account).lines}
    assert lines["Flexibility services"] < 0 < lines["Non-delivery"]
    assert lines["Contracts in the community"] > 0


def tampered(entries: list[tuple[int, Entry]], **changes: int) -> list[Entry]:
    """The entries of the first interval with a call, its first delivery changed."""
    interval, first = next((i, e) for i, e in entries if e["kind"] == "delivery" and e["called_ukwh"])
    here = [dict(entry) for i, entry in entries if i == interval]
    return [entry | changes if entry["txid"] == first["txid"] else entry for entry in here]


def test_energy_that_did_not_come_is_found_whoever_signs_it(entries: list[tuple[int, Entry]]) -> None:
    assert check_delivered(tampered(entries)) == []
    first = next(e for e in tampered(entries) if e["kind"] == "delivery")
    more = first["delivered_ukwh"] + 1000
    found = check_delivered(tampered(entries, delivered_ukwh=more))
    assert found == [
        f"'{first['account']}' delivered {more} of {first['called_ukwh']}, but schedule less meter gives "
        f"{first['delivered_ukwh']}"
    ]
    found = check_delivered(tampered(entries, ready_ucur=first["ready_ucur"] + 5))
    assert "for flexibility, but its delivery says" in found[0]
    without = [e for e in tampered(entries) if e["kind"] != "delivery"]
    assert any("its delivery says 0" in what for what in check_delivered(without))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"award_ukwh": 9}, "expected those of the award to 'vpp_0': 2000000 at 300000"),
        ({"price_ucur_per_kwh": 300_001}, "expected those of the award"),
        ({"called_ukwh": 2_000_001}, "delivered_ukwh, called_ukwh are 1000000, 2000001"),
        ({"delivered_ukwh": 1_500_001}, "delivered_ukwh, called_ukwh are 1500001, 1500000"),
        ({"pay_ucur": 300_001}, "pay_ucur is 300001, expected 300000: 1000000 at 300000"),
        ({"account": "vpp_1"}, "expected those of the award to 'vpp_1': none"),
    ],
)
def test_a_delivery_that_is_not_of_its_award_is_refused(changes: dict[str, Any], fault: str) -> None:
    books = Books()
    for account in ("vpp_0", "vpp_1"):
        books.apply(0, {"kind": "account", "txid": account, "account": account, "role": "vpp", "did": None})
    award: Entry = {
        "kind": "award", "txid": "a", "interval": 0, "account": "vpp_0", "award_ukwh": 2_000_000,
        "price_ucur_per_kwh": 300_000, "stake_ucur": 10,
    }  # fmt: skip
    delivery: Entry = {
        "kind": "delivery", "txid": "d", "interval": 1, "account": "vpp_0", "award_ukwh": 2_000_000,
        "called_ukwh": 1_500_000, "delivered_ukwh": 1_000_000, "price_ucur_per_kwh": 300_000, "pay_ucur": 300_000,
        "ready_ucur": 0, "slashed_ucur": 0,
    }  # fmt: skip
    books.apply(0, award)
    with pytest.raises(Refused, match="expected one that was opened"):
        books.apply(0, award | {"txid": "b", "account": "nobody"})
    with pytest.raises(Refused, match=fault):
        books.apply(1, delivery | changes)
    books.apply(1, delivery)


def test_evaluate_writes_a_ledger_of_calls_that_verifies(tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    options = ["evaluate", "vpp_call", "--policies", "vpp_dispatch", "--seeds", "1", "--set", f"hours={HOURS}"]
    found = CliRunner().invoke(main, [*options, "--ledger", str(path)])
    assert found.exit_code == 0, found.output
    said = dict(line.split(": ", 1) for line in found.stdout.splitlines() if ": " in line)
    verify = ["ledger", "verify", str(path), "--key", said["key"], "--origin", said["origin"]]
    checked = CliRunner().invoke(main, verify)
    assert checked.exit_code == 0, checked.output
