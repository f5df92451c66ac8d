"""Bills of a dispatch under designs of months, against sums over the transitions of the same episode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.community import find_community
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.experiments.evaluation.compare import bills_frame, compare
from gridbazaar.experiments.evaluation.design_bills import bills_under
from gridbazaar.experiments.evaluation.play import Played, play
from gridbazaar.market.designs import load_design
from tests.experiments.cli.runner import invoke

pytestmark = pytest.mark.slow

MONTH: dict[str, Any] = {
    "dates": ("2024-02-01", "2024-02-29"), "step_min": 60, "data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4,
    "data.n_days": 80,
}  # fmt: skip
DESIGN = """
title = "energy, power and a day"
region = "X"
year = 2024
currency = "EUR"
tz = "UTC"
source = "made up"
charges = [
  { line = "retail", to = "retailer", flow = "import", cur_per_kwh = 0.30 },
  { line = "retail", to = "retailer", flow = "export", cur_per_kwh = 0.07 },
  { line = "network", to = "network_operator", flow = "import", cur_per_kwh = 0.10, local = { transformer = 0.5 } },
  { line = "tax", to = "state", flow = "import", spot_factor = 2.0, local = { transformer = 1.0 } },
  { line = "capacity", to = "network_operator", cur_per_kw_month = 4.0, peak = { n = 1, interval_min = 60 } },
  { line = "fixed", to = "network_operator", cur_per_day = 0.2 },
]
"""
FAMILY = {"family": ("prosumer_0", "ev_0", "battery_0")}


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("designs") / "power.toml"
    path.write_text(DESIGN, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def month() -> tuple[Accounts, Played]:
    core = Core(load_scenario("street", **MONTH), 2)
    seeds = np.array([0, 5])
    state = core.reset(seeds, split="test")
    book = Accounts(core, state, seeds)
    return book, play(core, load_policy("opportunity_cost"), seeds, state=state, record=book.add, keep=True)


def test_a_family_is_billed_as_one_meter(month: tuple[Accounts, Played], design: str) -> None:
    book, played = month
    agents = book.core.scenario.agent_names
    owned = FAMILY | {agent: (agent,) for agent in agents if agent not in FAMILY["family"]}
    drawn = bills_under(load_design(design), book, owned)
    assert [bills.seed for bills in drawn] == [0, 5]
    clipped = 0
    for env, bills in enumerate(drawn):
        for i, (customer, held) in enumerate(owned.items()):
            retail = network = tax = peak = paid = 0.0
            start = int(book.first.episode.start[env])
            for t, happened in enumerate(played.transitions):
                columns = [agents.index(agent) for agent in held]
                traded, pay = happened.market.clearing.traded_ukwh[env], happened.market.clearing.pay_ucur[env]
                n = len(agents)
                net = sum(int(happened.delivery.metered_ukwh[env, c]) for c in columns) / 1e6
                local = sum(int(traded[c] + traded[n + c]) for c in columns) / 1e6
                bought, sold = min(max(local, 0.0), max(net, 0.0)), min(max(-local, 0.0), max(-net, 0.0))
                clipped += abs(local) > bought + sold + 1e-9
                retail += 0.30 * (max(net, 0.0) - bought) - 0.07 * (max(-net, 0.0) - sold)
                network += 0.10 * (max(net, 0.0) - 0.5 * bought)
                tax += 2.0 * float(book.core.world.bank.spot_cur_per_kwh[start + t]) * max(net, 0.0)
                peak = max(peak, net)
                paid += sum(int(pay[c] + pay[n + c]) for c in columns) / 1e6
            billed = bills.bill
            assert bills.customers[i] == customer
            assert billed.line_cur("retail")[i].sum() == pytest.approx(retail, abs=1e-6)
            assert billed.line_cur("network")[i].sum() == pytest.approx(network, abs=1e-6)
            assert billed.line_cur("tax")[i].sum() == pytest.approx(tax, abs=1e-5)
            assert billed.line_cur("capacity")[i].sum() == pytest.approx(4.0 * peak, abs=1e-6)
            assert billed.line_cur("fixed")[i].sum() == pytest.approx(29 * 0.2)
            assert billed.line_cur("market")[i].sum() == pytest.approx(paid, abs=1e-6)
            assert bills.peak_kw[i] == pytest.approx(max(peak, 0.0))
    assert clipped, "no trade was larger than what the meter counted: the cut was not tried"


def test_devices_of_one_family_draw_no_more_than_apart(month: tuple[Accounts, Played], design: str) -> None:
    book, _ = month
    apart = bills_under(load_design(design), book)[0]
    together = bills_under(load_design(design), book, FAMILY)[0]
    members = [apart.customers.index(agent) for agent in FAMILY["family"]]
    assert together.peak_kw[0] < apart.peak_kw[members].sum() - 0.1


def test_a_comparison_bills_each_dispatch_and_its_table_adds_up(design: str, tmp_path: Path) -> None:
    customers = tmp_path / "customers.csv"
    customers.write_text("customer,agent\nfamily,prosumer_0\nfamily,ev_0\n", encoding="utf-8")
    found = compare("street", ["flat"], ["idle"], seeds=1, designs=[design], customers=customers, **MONTH)
    drawn = found.drawn()
    bills = bills_frame(drawn)
    assert set(bills.customer) == {"family", "prosumer_1", "prosumer_2", "battery_0", "vpp_0"}
    assert set(bills.month) == {"2024-02"}
    by_play = bills.groupby(["tariff", "policy"]).cur.sum()
    totals = {(one.tariff, one.policy): one.bills.bill.total_cur.sum() for one in drawn}
    assert list(totals) == [("flat", "idle")]
    for play_of, total in totals.items():
        assert by_play[play_of] == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("agent,customer\n", r"line 1: expected the columns customer,agent; got agent,customer"),
        ("customer,agent\na,prosumer_9\n", r"line 2: expected one of prosumer_0, .*; got 'prosumer_9'"),
        ("customer,agent\na,prosumer_0\nb,prosumer_0\n", r"line 3: prosumer_0 is a's already"),
        ("customer,agent\na\n", r"line 2: expected a customer and an agent, got 'a'"),
        ("customer,agent\nprosumer_1,prosumer_0\nx,prosumer_1\n", r"named like agents of others: prosumer_1"),
        ("", r"line 1: expected the columns"),
    ],
)
def test_a_wrong_table_of_customers_is_refused_with_its_line(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=why):
        find_community(path, ("prosumer_0", "prosumer_1"))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--bill", "be_flanders"), "be_flanders"),  # a day is no whole month
        (("--bill", "no_bkk", "--dates", "2024-02-01,2024-02-29"), "got NOK of no_bkk; what is played is paid in EUR"),
        (("--bill", "flanders"), "flanders"),
        (("--customers", "nowhere.csv"), "nowhere.csv: expected a CSV file"),
    ],
)
def test_what_cannot_be_billed_is_refused_before_anything_is_played(
    more: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    out = tmp_path / "report"
    done = invoke(main, ["compare", "street", "--tariffs", "flat", "--seeds", "1", "--out", str(out), *more])
    assert done.exit_code == 2, done.output
    assert why in done.output
    assert not out.exists()
