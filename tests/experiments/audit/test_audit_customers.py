"""Customers of an audited run: one account each, a reading of every meter, balances that are the bills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.community import Community, Customer
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.audit.audit import audit
from gridbazaar.experiments.audit.scribe import Scribe
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.ledger.log.keys import public_key_of
from gridbazaar.market.ledger.verify import examine
from gridbazaar.market.mechanisms import list_mechanisms
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES
from tests.experiments.audit.test_audit import cash, rows
from tests.quick import only

FAMILY = Customer("family", ("battery_0", "ev_0", "prosumer_1"))
PLAIN = Community((FAMILY,))
MIXED = Community((FAMILY, Customer("beside", ("prosumer_0",), member=False)))
KEEP_SUMS = ("bill_sharing",)


def core_of(community: Community, **more: Any) -> Core:
    more = {"hours": 1.0, "connection.import_over_load": [1.0, 2.0], **more}
    return Core(load_scenario("street", community=community, **more), 1)


RULES = [(m, who) for m in list_mechanisms() if m not in KEEP_SUMS for who in ("PLAIN", "MIXED")]


@pytest.mark.parametrize(("mechanism", "who"), only([("uniform_price", "MIXED"), ("mid_market_rate", "PLAIN")], RULES))
def test_a_ledger_of_customers_is_sound_and_its_balances_are_their_bills(
    mechanism: str, who: str, tmp_path: Path
) -> None:
    core, policy, path = core_of(globals()[who], mechanism=mechanism), load_policy("random"), tmp_path / "run.db"
    made = audit(core, policy, "random", [0], path)
    report = examine(made.path, public_key_of(made.did), made.origin, [made.checkpoint])
    assert [str(finding) for finding in report.findings] == []
    owed = sum(h.money.bill.ucur[0].sum(0) for h in play(core, policy, [0], keep=True).transitions)
    held, n = cash(path), core.n_agents
    for customer in core.scenario.customers:
        columns = [core.agents.index(agent) for agent in customer.agents]
        assert -held.get(customer.name, 0) == owed[columns].sum()
    assert [-held.get(party, 0) for party in SYSTEM_PARTIES] == owed[n:].tolist()
    entries = [entry for _, entry in rows(path)]
    accounts = {entry["account"] for entry in entries if entry["kind"] == "account"} - {"metering", *SYSTEM_PARTIES}
    assert accounts == {customer.name for customer in core.scenario.customers}
    meters = {entry["meter"]: entry["account"] for entry in entries if entry["kind"] == "reading"}
    assert set(meters) == set(core.agents)
    assert meters["ev_0"] == meters["prosumer_1"] == "family"
    traders = {entry[side] for entry in entries if entry["kind"] == "trade" for side in ("seller", "buyer")}
    assert traders <= accounts - {"beside"} | {"market_operator"}
    assert not any(entry["kind"] == "trade" and entry["seller"] == entry["buyer"] for entry in entries)
    for interval in range(core.n_steps):  # use of the network follows what the family's one meter drew
        here = [entry for i, entry in rows(path) if i == interval]
        ukwh = {entry["line"]: entry["ukwh"].get("family", 0) for entry in here if entry["kind"] == "bill"}
        bought = sum(entry["energy_ukwh"] for entry in here if entry["kind"] == "trade" and entry["buyer"] == "family")
        assert ukwh.get("network", 0) == bought + max(ukwh.get("retail", 0), 0)


@pytest.mark.slow
def test_an_island_of_customers_is_written_down(tmp_path: Path) -> None:
    outage = {"outage.chance": 1.0, "outage.mean_h": 6.0, "battery.grid_forming": True, "hours": 24.0}
    core = core_of(PLAIN, **outage)
    made = audit(core, load_policy("random"), "random", [1], tmp_path / "run.db")
    report = examine(made.path, public_key_of(made.did), made.origin, [made.checkpoint])
    assert [str(finding) for finding in report.findings] == []


@pytest.mark.parametrize(
    ("community", "more", "why"),
    [
        (PLAIN, {"mechanism": "bill_sharing"}, "bill_sharing keeps sums of single orders"),
        (Community((Customer("the Browns", FAMILY.agents),)), {}, "'the Browns' can have no account"),
        (Community((Customer("retailer", FAMILY.agents),)), {}, "'retailer' can have no account"),
        (PLAIN, {"call.chance": 1.0, "call.response_share": 0.5}, "call.response_share pays a home"),
    ],
)
def test_what_no_ledger_can_hold_is_refused_by_name(community: Community, more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Scribe(core_of(community, **more), b"secret")


def test_a_familys_charge_for_power_is_in_its_account(tmp_path: Path) -> None:
    """The first day of a month; its floor and its peak are due in it."""
    first = ("2024-02-01", "2024-02-01")
    core = Core(
        load_scenario("street", community=PLAIN, tariff="be_flanders", carry="drawn", dates=first, step_min=60), 1
    )
    policy, path = load_policy("random"), tmp_path / "run.db"
    made = audit(core, policy, "random", [4], path)
    report = examine(made.path, public_key_of(made.did), made.origin, [made.checkpoint])
    assert [str(finding) for finding in report.findings] == []
    bills = sum(h.money.bill.ucur[0] for h in play(core, policy, [4], keep=True).transitions)
    lead, *others = sorted(core.agents.index(agent) for agent in FAMILY.agents)
    assert bills[LINES.index("capacity"), lead] > 1_000_000
    assert not bills[:, others].any()
    assert -cash(path)["family"] == bills[:, lead].sum()
