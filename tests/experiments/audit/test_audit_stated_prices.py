"""Audited intervals whose price a ledger states and cannot find again: islands, and prices per bus."""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.audit.audit import Audited, audit
from gridbazaar.experiments.cli.main import main
from gridbazaar.market.ledger.books.reclear import reclear
from gridbazaar.market.ledger.log.canonical import Entry, canonical, parse
from gridbazaar.market.ledger.log.keys import public_key_of
from gridbazaar.market.ledger.log.merkle import leaf_hash
from gridbazaar.market.ledger.verify import Report, examine
from gridbazaar.market.orders import Status
from tests.experiments.cli.runner import invoke
from tests.market.ledger.fakes import edit

OUTAGE: dict[str, Any] = {"hours": 2.0, "outage.mean_h": 3.0}
SUN: dict[str, Any] = {"hours": 2.0, "prosumer.pv_kwp": 160.0, "prosumer.pv_share": 0.5}
"""More sun than the village's wires can carry."""


def played(path: Path, scenario: str, seed: int, **overrides: Any) -> Audited:
    core = Core(load_scenario(scenario, **overrides), 1)
    return audit(core, load_policy("self_consumption"), "self_consumption", [seed], path)


@pytest.fixture(scope="module")
def blackout(tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """Six islands among eight intervals: sun is spilt, load is shed, and neither."""
    return played(tmp_path_factory.mktemp("blackout") / "out.db", "blackout", 29, **OUTAGE)


@pytest.fixture(scope="module")
def sunny(tmp_path_factory: pytest.TempPathFactory) -> Audited:
    options = SUN | {"constraint": "nodal", "mechanism": "nodal"}
    return played(tmp_path_factory.mktemp("sunny") / "out.db", "village", 2, **options)


def report(made: Audited) -> Report:
    return examine(made.path, public_key_of(made.did), made.origin)


def stored(made: Audited) -> list[tuple[int, int, Entry]]:
    with closing(sqlite3.connect(made.path)) as db:
        return [(s, i, parse(b)) for s, i, b in db.execute("SELECT seq, interval, body FROM entry ORDER BY seq")]


def interval_of(made: Audited, suits: Callable[[Entry], bool]) -> tuple[int, list[Entry]]:
    """The first interval whose clearing suits, with its entries."""
    number = next(i for _, i, entry in stored(made) if entry["kind"] == "clear" and suits(entry))
    return number, [entry for _, i, entry in stored(made) if i == number]


def one(entries: list[Entry], kind: str, **fields: Any) -> Entry:
    return next(e for e in entries if e["kind"] == kind and all(e[name] == x for name, x in fields.items()))


def is_island_at_a_price(clear: Entry) -> bool:
    return bool(clear["status"] == Status.ISLAND and clear["price_ucur_per_kwh"] == [2_500_000])


def test_a_ledger_with_islands_is_sound(blackout: Audited) -> None:
    assert report(blackout).findings == []
    clears = [entry for _, _, entry in stored(blackout) if entry["kind"] == "clear"]
    islands = [clear for clear in clears if clear["setting"]["is_island"]]
    assert {clear["price_ucur_per_kwh"][0] for clear in islands} == {0, 2_500_000, 5_000_000}
    assert {clear["status"] for clear in islands} == {Status.ISLAND}
    assert all((clear["orders"] is None) == (not clear["setting"]["is_island"]) for clear in clears)


def test_nobody_bids_for_what_an_island_settles(blackout: Audited) -> None:
    _, entries = interval_of(blackout, is_island_at_a_price)
    kinds = [entry["kind"] for entry in entries]
    assert not {"commit", "reveal"} & set(kinds)
    assert kinds.index("reading") < kinds.index("clear")


def test_another_price_of_an_island_is_named(blackout: Audited) -> None:
    number, entries = interval_of(blackout, is_island_at_a_price)
    assert reclear(number, entries) == []
    one(entries, "clear")["price_ucur_per_kwh"] = [2_500_100]
    found = reclear(number, entries)
    assert "low_ucur_per_kwh is 2500000, but the orders give 2500100" in found
    assert any("trades, takes from outside and pays" in what for what in found)


def test_a_payment_moved_between_members_of_an_island_is_named_with_both(blackout: Audited) -> None:
    number, entries = interval_of(blackout, is_island_at_a_price)
    clear = one(entries, "clear")
    giver, taker = [row for row in clear["fills"] if row[3] > 0][:2]
    giver[3], taker[3] = giver[3] + 7, taker[3] - 7
    named = [clear["agents"][row[0] % len(clear["agents"])] for row in (giver, taker)]
    found = [what for what in reclear(number, entries) if "pays" in what and "but the orders give" in what]
    assert len(found) == 2
    assert all(any(repr(name) in what for what in found) for name in named)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"price_ucur_per_kwh": [-1]}, "expected 0 or more"),
        ({"price_ucur_per_kwh": [2**53 - 1]}, "below 2**63"),
        ({"orders": None}, "what its members metered is not stated"),
        ({"status": 0}, "status is 0, but the orders give 9"),
        ({"over_cap_ukwh": 1}, "over_cap_ukwh is 1, but the orders give 0"),
    ],
)
def test_a_forged_island_is_named(blackout: Audited, changes: Entry, what: str) -> None:
    number, entries = interval_of(blackout, is_island_at_a_price)
    one(entries, "clear").update(changes)
    assert any(what in found for found in reclear(number, entries))


def test_an_interval_that_was_no_island_cannot_pass_for_one(blackout: Audited) -> None:
    number, entries = interval_of(blackout, lambda clear: not clear["setting"]["is_island"])
    clear = one(entries, "clear")
    clear["setting"]["is_island"], clear["status"] = True, int(Status.ISLAND)
    assert any("what its members metered is not stated" in found for found in reclear(number, entries))


def test_a_ledger_of_nodal_prices_is_sound_and_says_how_it_was_checked(sunny: Audited) -> None:
    found = report(sunny)
    assert (found.findings, found.n_bus_prices) == ([], 8)
    assert all(len(set(entry["price_ucur_per_kwh"])) > 5 for _, _, entry in stored(sunny) if entry["kind"] == "clear")
    said = invoke(main, ["ledger", "verify", str(sunny.path), "--key", sunny.did, "--origin", sunny.origin])
    assert said.exit_code == 0
    assert "8 intervals of nodal prices checked by their payments, not cleared again" in said.stdout


def test_the_summary_says_nothing_of_nodal_prices_where_there_are_none(blackout: Audited) -> None:
    assert report(blackout).n_bus_prices == 0


def wires_earn_much(clear: Entry) -> bool:
    return bool(clear["surplus_ucur"] > 100_000)


def rebated(made: Audited) -> tuple[int, list[Entry]]:
    """The first interval in which something is left to be given back, with its entries."""
    numbers = [
        i for _, i, e in stored(made) if e["kind"] == "bill" and e["line"] == "congestion" and "prosumer_3" in e["ucur"]
    ]
    return numbers[0], [e for _, i, e in stored(made) if i == numbers[0]]


def whole_bus_dearer(clear: Entry) -> None:
    """A price that holds for its whole bus, as a forger would write it."""
    n, prices = len(clear["agents"]), clear["price_ucur_per_kwh"]
    column = max(clear["fills"], key=lambda row: abs(row[1]))[0]
    for i in range(len(prices)):
        prices[i] += 1000 * (clear["bus"][i % n] == clear["bus"][column % n])


def one_order_dearer(clear: Entry) -> None:
    clear["price_ucur_per_kwh"][0] += 1


def payment_moved(clear: Entry) -> None:
    first, second = [row for row in clear["fills"] if row[1]][:2]
    first[3], second[3] = first[3] + 5, second[3] - 5


def more_than_ordered(clear: Entry) -> None:
    next(row for row in clear["fills"] if row[2])[2] *= 3


def not_served(clear: Entry) -> None:
    served = [row for row in clear["fills"] if row[0] < len(clear["agents"]) and row[1] > 0]
    served[0][1] -= 1


def beyond_its_limit(clear: Entry) -> None:
    """Who sells at no price below 0 is paid less."""
    clear["price_ucur_per_kwh"] = [price - 10**8 for price in clear["price_ucur_per_kwh"]]


def with_rent(clear: Entry) -> None:
    clear["rent_ucur_per_kwh"] = 1


@pytest.mark.parametrize(
    ("forge", "what"),
    [
        (whole_bus_dearer, "but the price of its bus gives"),
        (one_order_dearer, "expected one"),
        (payment_moved, "but the price of its bus gives"),
        (more_than_ordered, "but gets"),
        (not_served, "is served at any price, but gets"),
        (beyond_its_limit, "has the limit"),
        (with_rent, "without rent"),
    ],
)
def test_a_forged_clearing_with_nodal_prices_is_named(
    sunny: Audited, forge: Callable[[Entry], None], what: str
) -> None:
    number, entries = interval_of(sunny, wires_earn_much)
    assert reclear(number, entries) == []
    forge(one(entries, "clear"))
    found = reclear(number, entries)
    assert any(what in line for line in found), found


def test_a_rebate_that_is_not_the_same_for_every_connection_is_named(sunny: Audited) -> None:
    number, entries = rebated(sunny)
    paid = one(entries, "bill", line="congestion")["ucur"]
    assert paid["market_operator"] > 0
    before = copy.deepcopy(paid)
    paid["prosumer_3"], paid["prosumer_4"] = paid["prosumer_3"] - 9, paid["prosumer_4"] + 9
    (what,) = reclear(number, entries)
    assert what.startswith("rebates are not the same for every connection: 'prosumer_3'")
    paid |= before | {"market_operator": before["market_operator"] - 9}
    assert reclear(number, entries) == [
        f"'market_operator' hands on {before['market_operator'] - 9} of what the wires brought in, "
        f"expected {before['market_operator']}"
    ]


def test_rebates_are_of_what_the_wires_brought_in(sunny: Audited) -> None:
    number, entries = interval_of(sunny, wires_earn_much)
    clear, paid = one(entries, "clear"), one(entries, "bill", line="congestion")["ucur"]
    shares = dict(zip(clear["agents"], clear["setting"]["connections"], strict=True))
    each = clear["surplus_ucur"] // sum(shares.values()) + 2  # one more may be rounding
    paid |= {agent: -each * n for agent, n in shares.items()}
    total = each * sum(shares.values())
    assert reclear(number, entries) == [f"rebates sum to {total}, expected 0 to {clear['surplus_ucur']}"]
    (idle, *_) = [agent for agent, n in shares.items() if not n]
    paid[idle] = -1
    assert f"{idle!r} has no connection, but gets 1" in reclear(number, entries)


def test_wires_excuse_nobody_else_from_being_cleared_again(sunny: Audited) -> None:
    number, entries = interval_of(sunny, wires_earn_much)
    one(entries, "clear")["mechanism"] = "uniform_price"
    assert reclear(number, entries) == ["the auction cannot be run again: the file does not state wires"]


@pytest.mark.parametrize("run", ["blackout", "sunny"])
def test_a_price_changed_in_the_file_names_the_interval(
    run: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    made: Audited = request.getfixturevalue(run)
    path = tmp_path / "forged.db"
    path.write_bytes(made.path.read_bytes())
    seq, number, clear = next(
        (s, i, e) for s, i, e in stored(made) if e["kind"] == "clear" and (run == "sunny" or is_island_at_a_price(e))
    )
    clear["price_ucur_per_kwh"][0] += 1000
    body = canonical(clear)
    edit(path, ("UPDATE entry SET body = ?, leaf = ? WHERE seq = ?", (body, leaf_hash(body), seq)))
    found = examine(path, public_key_of(made.did), made.origin).findings
    assert any(f.interval == number and ("orders give" in f.what or "expected one" in f.what) for f in found)
    assert any("signed root" in f.what for f in found)
