"""Families drawn once: shares are met, homes have one car before any has two, and a seed is all that counts."""

from __future__ import annotations

from typing import Any

import pytest

from gridbazaar.data.families import Families, families
from gridbazaar.data.tables import read_table

HOMES = tuple(f"prosumer_{i}" for i in range(10))
CARS = tuple(f"ev_{i}" for i in range(13))
BATTERIES = tuple(f"battery_{i}" for i in range(4))


def drawn(seed: int = 1, **more: Any) -> Any:
    return families(read_table(Families, {"seed": seed, **more}, "community"), HOMES, CARS, BATTERIES)


def test_shares_are_met_to_the_nearest_home() -> None:
    labels = {"tenant": 0.4, "income": {"low": 0.3, "middle": 0.5}, "income_cur": [20e3, 30e3]}
    for seed in range(5):
        found = drawn(seed, members=0.8, automated=0.5, labels=labels).customers
        assert sum(customer.member for customer in found) == 8
        assert sum(customer.automated for customer in found) == 5
        assert sum(customer.label("tenant") == "yes" for customer in found) == 4
        assert [sum(c.label("income") == word for c in found) for word in ("low", "middle", "")] == [3, 5, 2]
        assert all(20e3 <= float(customer.label("income_cur")) <= 30e3 for customer in found)


def test_no_home_has_two_cars_before_every_home_has_one() -> None:
    for seed in range(5):
        found = drawn(seed, batteries=0.5).customers
        cars = [sum(agent.startswith("ev") for agent in customer.agents) for customer in found]
        assert sorted(cars) == [1] * 7 + [2] * 3
        assert sum(agent.startswith("battery") for c in found for agent in c.agents) == 2
    few = drawn(cars=0.25).customers
    assert sum(len(customer.agents) for customer in few) == len(HOMES) + 3 + len(BATTERIES)


def test_a_seed_is_all_that_counts() -> None:
    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)
    with_labels = drawn(3, labels={"tenant": 0.5})
    assert [customer.agents for customer in with_labels.customers] == [c.agents for c in drawn(3).customers]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"cars": 1.2}, r"community.cars: expected a number in \[0, 1\], got 1.2"),
        ({"table": "mine.csv", "cars": 0.5}, "community.table: it says who is a customer; leave out cars"),
        ({"table": "mine.csv", "labels": {"tenant": 0.5}}, "leave out labels"),
        ({"labels": {"income": {"low": 0.7, "high": 0.7}}}, "community.labels.income: expected a share for each word"),
        ({"labels": {"member": 0.5}}, "community.labels.member: it is no label; set community.members"),
        ({"labels": {"tenant": 2}}, "community.labels.tenant: expected a share of the homes"),
        ({"labels": {"tenant": [1, 2]}}, "limits are for income_cur"),
        ({"labels": {"income_cur": [30, 20]}}, "expected two amounts above 0 that rise"),
        ({"colour": 1}, "unknown field community.colour"),
    ],
)
def test_what_cannot_be_drawn_is_refused(more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        drawn(**more)
