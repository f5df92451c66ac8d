"""Shares of automated customers: drawn once and nested, played by customer, refused where the community speaks."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.data.community import Community, Customer
from gridbazaar.experiments.comparison.asked import ask
from gridbazaar.experiments.comparison.automation import automated_at
from gridbazaar.experiments.comparison.cell import Cell
from gridbazaar.experiments.comparison.study import Study, study
from gridbazaar.experiments.comparison.write import Tables, tables_of

SMALL: dict[str, Any] = {
    "hours": 12, "start_h": 18.0, "step_min": 60, "data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4,
    "data.n_days": 80, "seeds": 1, "equal_revenue": False,
}  # fmt: skip
NAMES = [f"home_{i}" for i in range(20)]


def people(names: list[str]) -> list[Customer]:
    return [Customer(name, (name,)) for name in names]


def test_who_is_automated_stays_so_at_every_higher_share() -> None:
    at = [automated_at(n / 20, people(NAMES), 7) for n in range(21)]
    assert [len(chosen) for chosen in at] == list(range(21))
    assert all(fewer < more for fewer, more in pairwise(at))
    assert automated_at(0.5, people(NAMES), 8) != at[10]


def test_one_customer_more_shifts_nobody() -> None:
    one_more = automated_at(1.0, people([*NAMES, "late"]), 7)
    assert one_more == {*NAMES, "late"}
    for n in range(21):
        assert automated_at(n / 20, people(NAMES), 7) >= automated_at(n / 21, people([*NAMES, "late"]), 7) - {"late"}
    assert automated_at(0.5, people(NAMES), 7) == automated_at(0.5, people(NAMES[::-1]), 7)


@pytest.fixture(scope="module")
def found() -> Study:
    return study(ask("street", ["tou"], ["time_of_use"], ["none"], automated=[0.5, 1.0], **SMALL))


@pytest.fixture(scope="module")
def tables(found: Study) -> Tables:
    return tables_of(found)


def meters(found: Study, policy: str, share: float) -> NDArray[np.int64]:
    """[n_steps, n_agents]."""
    one = found.outcome(Cell("tou", "none", policy, share))
    assert one is not None
    return one.accounts[0].net_ukwh[:, 0]


def test_each_customer_plays_its_part_and_nobody_elses(found: Study) -> None:
    """Without a market and wires nobody's meter hangs on others: it is that of nobody automated, or of all."""
    none, half, whole = meters(found, "idle", 0.0), *(meters(found, "time_of_use", s) for s in (0.5, 1.0))
    names = list(found.asked.customers.agents)
    chosen = np.array([name in found.asked.automated_customers(0.5) for name in names])
    assert 2 * chosen.sum() == len(names)
    assert np.array_equal(half, np.where(chosen, whole, none))
    assert (half != none).any()
    assert (half != whole).any()


def test_all_automated_is_what_is_played_without_shares(found: Study) -> None:
    plain = study(ask("street", ["tou"], ["time_of_use"], ["none"], **SMALL))
    assert np.array_equal(meters(plain, "time_of_use", 1.0), meters(found, "time_of_use", 1.0))
    assert {one.cell.policy for one in plain.outcomes} == {"idle", "time_of_use"}


def test_rows_carry_the_share_and_who_is_automated(found: Study, tables: Tables) -> None:
    rows = tables.rows
    assert set(rows["automated_share"]) == {0.0, 0.5, 1.0}
    assert set(rows[rows["automated_share"] == 0.0]["policy"]) == {"idle"}
    named = rows[(rows["automated_share"] == 0.5) & (rows["automated"] == "yes")]["customer"]
    assert set(named) == found.asked.automated_customers(0.5)
    for table in tables:
        assert table.empty or {0.0, 0.5, 1.0} == set(table["automated_share"])


def test_the_counterfactual_without_automation_is_share_none(tables: Tables) -> None:
    rows = tables.rows[tables.rows["basis"] == "played"].set_index("customer")
    bills: Any = rows[rows["automated_share"] == 0.0]["bill_cur"]
    for name, row in rows[rows["automated_share"] == 0.5].iterrows():
        assert row["no_automation_bill_cur"] == bills[name]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"automated": [0.5, 1.2]}, r"automated: expected shares of the customers from 0 to 1, got 1.2"),
        ({"automated": [-0.1]}, r"expected shares of the customers from 0 to 1, got -0.1"),
        ({"automated": [float("nan")]}, r"expected shares of the customers from 0 to 1, got nan"),
        ({"automated": [0.5, 0.51]}, r"expected shares of different numbers of 6 customers, got 0.5 \(3\), 0.51 \(3\)"),
        ({"automated": [0.0]}, r"expected a share above 0 beside it; at 0 nobody follows a policy"),
        ({"automated": [0.5], "policies": ["idle"]}, r"nobody follows a policy but idle"),
    ],
)
def test_shares_that_say_nothing_are_refused(more: dict[str, Any], why: str) -> None:
    given: dict[str, Any] = {"policies": ["time_of_use"]} | more
    with pytest.raises(ValueError, match=why):
        ask("street", ["tou"], given.pop("policies"), ["none"], **given, **SMALL)


def test_a_community_that_says_who_is_automated_is_not_contradicted(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("customer,agent,automated\na,prosumer_0,no\nb,prosumer_1,yes\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"the community says by itself who is automated, and that a is not"):
        ask("street", ["tou"], ["time_of_use"], ["none"], automated=[0.5], customers=path, **SMALL)


def test_shares_leave_what_families_have_as_it_is() -> None:
    """Families that are drawn once are those of the same seed, whoever is automated."""
    settings: dict[str, Any] = {"community.seed": 3, "community.labels": {"tenant": 0.5}}
    asked = ask("street", ["tou"], ["time_of_use"], ["none"], automated=[0.5], **settings, **SMALL)
    half = asked.world("tou", "none", 0.5)
    assert isinstance(half.community, Community)
    assert half.community.seed == 3
    assert [customer.agents for customer in half.customers] == [customer.agents for customer in asked.community]
    assert {customer.label("tenant") for customer in half.customers} == {"yes", "no", ""}
    assert sum(customer.automated for customer in half.customers) == round(0.5 * len(half.customers))
