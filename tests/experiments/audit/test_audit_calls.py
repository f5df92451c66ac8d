"""An audited run with calls of the operator: awards, deliveries and their money are on the ledger and verify."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
from tests.experiments.cli.runner import invoke

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
        f"'{first['account']}' delivered {more} of {first['called_ukwh']}, but meter beyond sales gives "
        f"{first['delivered_ukwh']}"
    ]
    found = check_delivered(tampered(entries, ready_ucur=first["ready_ucur"] + 5))
    assert "for flexibility, but its delivery says" in found[0]
    without = [e for e in tampered(entries) if e["kind"] != "delivery"]
    assert any("its delivery says 0" in what for what in check_delivered(without))


AWARD: Entry = {
    "kind": "award", "txid": "a", "interval": 0, "account": "vpp_0", "begins": 2, "ends": 3, "award_ukwh": 2_000_000,
    "price_ucur_per_kwh": 300_000, "ready_ucur_per_kwh": 10_000, "missing_ucur_per_kwh": 900_000,
    "tolerance_ppm": 100_000, "stake_ucur": 3_600_000,
}  # fmt: skip
"""2 kWh an interval, asked 0.30 for a called kWh, 0.90 for a missing one; a call of two intervals stakes 3.60."""

_NO = {"pay_ucur": 0, "ready_ucur": 20_000, "slashed_ucur": 0, "taken_ucur": 0, "returned_ucur": 0}
DELIVERIES: list[Entry] = [
    {
        "kind": "delivery", "txid": f"d{interval}", "interval": interval, "account": "vpp_0", "award_ukwh": 2_000_000,
        "price_ucur_per_kwh": 300_000, "called_ukwh": called, "delivered_ukwh": delivered,
    } | _NO | money
    for interval, called, delivered, money in (
        (1, 0, 0, {}),
        (2, 1_500_000, 1_000_000, {"pay_ucur": 300_000, "slashed_ucur": 315_000}),
        (3, 1_500_000, 1_500_000, {"pay_ucur": 450_000, "taken_ucur": 10_000, "returned_ucur": 3_285_000}),
    )
]  # fmt: skip
"""1.35 of 1.5 kWh are due and 1 came, so 0.35 x 0.90 is lost; of 3 kWh 2.5 came, so a sixth of 3 x 0.02 goes back."""


def books_until(interval: int) -> Books:
    """Books with the award, and all its deliveries before an interval."""
    books = Books()
    for account in ("vpp_0", "vpp_1"):
        books.apply(0, {"kind": "account", "txid": account, "account": account, "role": "vpp", "did": None})
    books.apply(0, AWARD)
    books.close(0)
    for before in range(1, interval):
        books.apply(before, DELIVERIES[before - 1])
        books.close(before)
    return books


@pytest.mark.parametrize(
    ("interval", "changes", "fault"),
    [
        (1, {"called_ukwh": 1}, "delivered_ukwh, called_ukwh are 0, 1, expected them to rise to 0"),  # not yet
        (1, {"ready_ucur": 20_001}, "ready_ucur is 20001, expected 20000 by the award"),
        (1, {"taken_ucur": 1}, "taken_ucur is 1, expected 0 by the award"),
        (1, {"returned_ucur": 3_600_000}, "returned_ucur is 3600000, expected 0 by the award"),  # before it is over
        (2, {"award_ukwh": 9}, "award_ukwh is 9, expected 2000000 by the award"),
        (2, {"price_ucur_per_kwh": 300_001}, "price_ucur_per_kwh is 300001, expected 300000 by the award"),
        (2, {"called_ukwh": 2_000_001}, "delivered_ukwh, called_ukwh are 1000000, 2000001, expected them to rise to"),
        (2, {"delivered_ukwh": 1_500_001}, "delivered_ukwh, called_ukwh are 1500001, 1500000"),
        (2, {"pay_ucur": 300_001}, "pay_ucur is 300001, expected 300000 by the award"),
        (2, {"slashed_ucur": 0}, "slashed_ucur is 0, expected 315000 by the award"),  # let off
        (2, {"account": "vpp_1"}, "account is 'vpp_1', expected one with an award that runs"),
        (3, {"taken_ucur": 0}, "taken_ucur is 0, expected 10000 by the award"),  # availability kept for nothing
        (3, {"returned_ucur": 3_600_000}, "returned_ucur is 3600000, expected 3285000 by the award"),
    ],
)
def test_a_delivery_that_is_not_of_its_award_is_refused(interval: int, changes: dict[str, Any], fault: str) -> None:
    books, delivery = books_until(interval), DELIVERIES[interval - 1]
    with pytest.raises(Refused, match=fault):
        books.apply(interval, delivery | changes)
    books.apply(interval, delivery)
    with pytest.raises(Refused, match="a delivery was stated already"):
        books.apply(interval, delivery | {"txid": "twice"})
    books.close(interval)


def test_nothing_comes_of_a_stake_but_what_is_left_of_it() -> None:
    """Nothing came of 4 kWh in two intervals: 1.80 x 0.90 each; the stake of 3.60 covers both, and 0.36 is left."""
    books = books_until(2)
    nothing = {"called_ukwh": 2_000_000, "delivered_ukwh": 0, "pay_ucur": 0, "slashed_ucur": 1_620_000}
    books.apply(2, DELIVERIES[1] | nothing)
    books.close(2)
    books.apply(3, DELIVERIES[2] | nothing | {"taken_ucur": 60_000, "returned_ucur": 360_000})
    books.close(3)
    with pytest.raises(Refused, match="expected one with an award that runs"):
        books.apply(4, DELIVERIES[2] | {"interval": 4, "txid": "late"})
    books.apply(4, AWARD | {"txid": "next", "interval": 4, "begins": 6, "ends": 7})


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"account": "nobody"}, "expected one that was opened"),
        ({"stake_ucur": 0}, "stake_ucur is 0, expected 3600000 by the award"),
        ({"begins": 0}, "begins, ends are 0, 3, expected them to rise from 1"),
        ({"begins": 4}, "begins, ends are 4, 3"),
    ],
)
def test_an_award_without_its_stake_or_its_time_is_refused(changes: dict[str, Any], fault: str) -> None:
    books = Books()
    books.apply(0, {"kind": "account", "txid": "v", "account": "vpp_0", "role": "vpp", "did": None})
    with pytest.raises(Refused, match=fault):
        books.apply(0, AWARD | changes)
    books.apply(0, AWARD)


def test_an_award_that_runs_is_neither_replaced_nor_passed_over() -> None:
    books = books_until(2)
    with pytest.raises(Refused, match="account is 'vpp_0', whose award runs until interval 3"):
        books.apply(2, AWARD | {"txid": "b", "interval": 2, "begins": 3})
    with pytest.raises(Refused, match="the award of 'vpp_0' ran, and no delivery of it was stated"):
        books.close(2)


def phantom(bought: int, metered: int, delivered: int, paid: int = 300_000) -> list[Entry]:
    """An interval in which a VPP was filled with some energy from the retailer, and a delivery was written."""
    return [
        {"kind": "clear", "agents": ["vpp_0"], "fills": [[1, 0, bought, 0]]},
        {"kind": "reading", "account": "vpp_0", "metered_ukwh": metered},
        DELIVERIES[1] | {"called_ukwh": 1_000_000, "delivered_ukwh": delivered, "slashed_ucur": 0},
        {"kind": "bill", "line": "flexibility", "ucur": {"vpp_0": -paid - 20_000, "flexibility_buyer": paid + 20_000}},
    ]


def test_energy_that_was_bought_to_be_called_off_is_found_whoever_signs_it() -> None:
    """The threat: 1 kWh bought, nothing drawn, and 1 kWh written as delivered though no device moved."""
    assert check_delivered(phantom(1_000_000, 0, 1_000_000)) == [
        "'vpp_0' delivered 1000000 of 1000000, but meter beyond sales gives 0"
    ]
    assert check_delivered(phantom(0, -1_000_000, 1_000_000)) == []
    assert check_delivered(phantom(-500_000, -1_500_000, 1_000_000)) == []
    assert check_delivered(phantom(-500_000, -1_000_000, 1_000_000)) != []


def test_a_stake_that_does_not_move_as_entries_say_is_found(entries: list[tuple[int, Entry]]) -> None:
    """In the interval of an award, of a shortfall, and of the end of a call."""
    of_interval: dict[int, list[Entry]] = {}
    for i, entry in entries:
        of_interval.setdefault(i, []).append(entry)
    for name, kind in (("stake_ucur", "award"), ("slashed_ucur", "delivery"), ("returned_ucur", "delivery")):
        here = next(es for es in of_interval.values() if any(e["kind"] == kind and e[name] for e in es))
        assert check_delivered(here) == []
        moved = [
            e | {"ucur": dict.fromkeys(e["ucur"], 0)} if e["kind"] == "bill" and e["line"] == "penalty" else e
            for e in here
        ]
        found = check_delivered(moved)
        assert any("on the line penalty, but awards and deliveries say" in what for what in found), name
    assert sum(entry["taken_ucur"] for _, entry in entries if entry["kind"] == "delivery") > 0


def test_evaluate_writes_a_ledger_of_calls_that_verifies(tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    options = ["evaluate", "vpp_call", "--policies", "vpp_dispatch", "--seeds", "1", "--set", f"hours={HOURS}"]
    found = invoke(main, [*options, "--ledger", str(path)])
    assert found.exit_code == 0, found.output
    said = dict(line.split(": ", 1) for line in found.stdout.splitlines() if ": " in line)
    verify = ["ledger", "verify", str(path), "--key", said["key"], "--origin", said["origin"]]
    checked = invoke(main, verify)
    assert checked.exit_code == 0, checked.output
