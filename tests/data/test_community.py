"""A table of customers: read in one place for play and for bills; a wrong one is refused by its line."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from gridbazaar.data.community import Community, Customer, find_community

AGENTS = ("prosumer_0", "prosumer_1", "battery_0", "ev_0")
WHOLE = """customer,agent,member,automated,income,tenant,vulnerable
family,ev_0,no,,low,yes,
family,prosumer_1,,false,low,,no

other,prosumer_0,yes,TRUE,,,
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_says_who_owns_what_and_how_each_customer_plays(tmp_path: Path) -> None:
    found = find_community(str(written(tmp_path, WHOLE)), AGENTS)
    assert [customer.name for customer in found] == ["other", "family", "battery_0"]
    other, family, battery = found
    assert family.agents == ("prosumer_1", "ev_0")
    assert (family.member, family.automated, other.member, other.automated) == (False, False, True, True)
    assert (family.label("income"), family.label("tenant"), family.label("vulnerable")) == ("low", "yes", "no")
    assert battery == Customer("battery_0", ("battery_0",))


def test_without_a_community_every_agent_is_a_customer() -> None:
    assert [customer.agents for customer in find_community(None, AGENTS)] == [(agent,) for agent in AGENTS]


def test_a_community_in_python_says_the_same_and_survives_being_taken_apart(tmp_path: Path) -> None:
    labels = {"income": "low", "tenant": "yes", "vulnerable": "no"}
    family = Customer("family", ("ev_0", "prosumer_1"), member=False, automated=False, labels=labels)
    community = Community((family, Customer("other", ("prosumer_0",))))
    read = find_community(written(tmp_path, WHOLE), AGENTS)
    assert find_community(community, AGENTS) == read
    assert find_community(asdict(community), AGENTS) == read


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("customer,agent\na,ev_0\nb,ev_0\n", r"line 3: ev_0 is a's already; expected each agent once"),
        ("customer,agent\na,ev_7\n", r"line 2: expected one of prosumer_0, .*; got 'ev_7'"),
        ("customer,agent,automatd\na,ev_0,no\n", r"line 1: 'automatd': expected automated, or a label of another name"),
        (
            "customer,agent,tenant,tenant\na,ev_0,x,y\n",
            r"line 1: expected .* Further ones may be member, auto",
        ),
        (
            "customer,agent,income_cur\na,ev_0,much\n",
            r"line 2: income_cur: expected an amount above 0",
        ),
        ("customer,agent,member\na,ev_0,perhaps\n", r"line 2: member: expected yes or no, or nothing; got 'perhaps'"),
        ("customer,agent,member\na,ev_0\n", r"line 2: expected 3 cells, a customer and an agent first"),
        (
            "customer,agent,member\na,ev_0,yes\na,battery_0,no\n",
            r"line 3: member of a is 'no', but 'yes' in line 2; expected one for all its agents",
        ),
        ("customer,agent\nev_0,battery_0\n", r"named like agents of others: ev_0"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=why):
        find_community(written(tmp_path, text), AGENTS)


@pytest.mark.parametrize(
    ("community", "why"),
    [
        ("nowhere.csv", "nowhere.csv: expected a CSV file"),
        (3, "expected the path of a CSV"),
        ({"families": []}, "expected the path of a CSV"),
        ({"customers": [{"name": "a"}]}, r"community.customers\[0\]: expected name, agents"),
        (Community((Customer("a", ()),)), "customer 'a': expected a name and at least one agent"),
        (Community((Customer("a", ("ev_0",)), Customer("a", ("battery_0",)))), "expected each customer once"),
        (Community((Customer("a", ("ev_0",)), Customer("b", ("ev_0",)))), "customer 'b': ev_0 is a's already"),
        (Community((Customer("a", ("ev_9",)),)), "customer 'a': expected one of prosumer_0"),
        (
            Community((Customer("a", ("ev_0",), labels={"member": "L"}),)),
            "labels: expected text by names",
        ),
        (Community((Customer("a", ("ev_0",), labels={"income_cur": "-1"}),)), "income_cur: expected an amount above 0"),
        (Community((Customer("a", ("ev_0",), member="no"),)), "member: expected true or false, got 'no'"),  # type: ignore[arg-type]  # what is tried
    ],
)
def test_a_wrong_community_is_refused(community: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        find_community(community, AGENTS)
