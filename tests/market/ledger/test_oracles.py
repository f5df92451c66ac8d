"""Committees: at least three signed reports, their median counts, one liar does no harm; and what an outage does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.market.ledger.books.meters import derive, median, report
from gridbazaar.market.ledger.books.replay import Books
from gridbazaar.market.ledger.log.canonical import Entry
from gridbazaar.market.ledger.log.keys import Signer
from tests.market.ledger import market
from tests.market.ledger.market import KWH, bill, books, expire, play, refuses, supply, trade

MEMBERS = [Signer(derive(b"committee", i)) for i in range(5)]
COMMITTEE: Entry = {
    "kind": "committee", "txid": "committee", "committee": "spot", "members": [m.did for m in MEMBERS], "k": 3,
}  # fmt: skip


def oracle(*values: int, subject: str = "price/spot", account: str | None = None, **changes: object) -> Entry:
    reports = [report(m, "spot", 1, subject, value) for m, value in zip(MEMBERS, values, strict=False)]
    return {
        "kind": "oracle", "txid": "oracle", "interval": 1, "committee": "spot", "subject": subject, "account": account,
        "value": median(values), "reports": reports,
    } | changes  # fmt: skip


def formed() -> Books:
    return play(books(), 1, COMMITTEE)


def test_the_median_of_three_reports_counts() -> None:
    made = play(formed(), 1, oracle(100, 105, 102))
    assert not any(asset.startswith("kwh") for _, asset in made.balances)


@given(st.lists(st.integers(-500, 500), min_size=2, max_size=4), st.integers(-(2**50), 2**50), st.integers(0, 4))
def test_one_liar_moves_the_value_no_further_than_to_an_honest_report(honest: list[int], lie: int, at: int) -> None:
    told = [*honest[:at], lie, *honest[at:]]
    assert min(honest) <= median(told) <= max(honest)


def test_a_value_that_is_not_the_median_is_refused() -> None:
    refuses(formed(), 1, oracle(100, 105, 102, value=105), "value is 105, expected 102, the median of the reports")


def test_too_few_reports_are_refused() -> None:
    refuses(formed(), 1, oracle(100, 105), "reports are 2, expected at least 3, each of another member")


def test_a_member_reports_once() -> None:
    entry = oracle(100, 105, 102)
    entry["reports"][2] = entry["reports"][0]
    refuses(formed(), 1, entry | {"value": 100}, "reports are 3, expected at least 3, each of another member")


def test_a_report_of_a_stranger_is_refused() -> None:
    stranger = report(Signer(b"\x01" * 32), "spot", 1, "price/spot", 102)
    refuses(
        formed(), 1, oracle(100, 105, reports=[*oracle(100, 105)["reports"], stranger]), "not signed by this member"
    )


def test_a_changed_report_is_refused() -> None:
    entry = oracle(100, 105, 102)
    entry["reports"][1][1] = 101
    refuses(formed(), 1, entry | {"value": 101}, "not signed by this member")


def test_a_report_for_another_subject_does_not_count_again() -> None:
    refuses(
        formed(), 1, oracle(100, 105, 102, reports=oracle(100, 105, 102, subject="price/x")["reports"]), "not signed"
    )


def test_a_committee_has_three_members_who_must_agree() -> None:
    refuses(books(), 1, COMMITTEE | {"k": 2}, "k is 2 of 5 members, expected 3")
    refuses(books(), 1, COMMITTEE | {"k": 6}, "k is 6 of 5 members")
    twins = [MEMBERS[0].did] * 3
    refuses(books(), 1, COMMITTEE | {"members": twins}, "k is 3 of 1 members")


def test_a_committee_is_formed_once_and_first() -> None:
    refuses(books(), 1, oracle(100, 105, 102), "committee is 'spot', expected one that was formed")
    refuses(formed(), 1, COMMITTEE | {"txid": "twice"}, "committee is 'spot', which was formed before")


def test_a_committee_reads_for_a_silent_meter() -> None:
    made = play(formed(), 1, oracle(-KWH, -KWH, 10 * KWH, subject="reading/ann", account="ann"))
    assert made.balances["ann", "kwh/ann/1"] == KWH
    refuses(made, 1, market.reading(1, "ann", -KWH), "meter is 'ann', which was read in interval 1 already")


def test_a_committee_does_not_read_for_a_meter_that_has_spoken() -> None:
    made = play(formed(), 1, market.reading(1, "ann", -KWH))
    entry = oracle(-KWH, -KWH, -KWH, subject="reading/ann", account="ann")
    refuses(made, 1, entry, "subject is 'reading/ann'; the meter was read")
    refuses(formed(), 1, entry | {"account": "bob"}, "account is 'bob', expected that of the meter 'ann'")
    refuses(formed(), 1, oracle(1, 2, 3, account="ann"), "account is 'ann', expected null")


def test_an_outage_is_settled_as_imbalance_and_corrected_later() -> None:
    """Ann sold 1 kWh; her meter is silent for two intervals, so the grid delivers for her and bills her."""
    made = books()
    for interval in (1, 2):
        play(made, interval, *([market.gate(2)] if interval == 2 else []))
        play(made, interval, supply(interval, "ann", KWH), trade(interval, "ann", "bob", KWH))
        play(made, interval, bill(interval, "imbalance", ann=300_000, retailer=-300_000))
        play(made, interval, expire(interval, ("bob", "ann", KWH)))
        made.close(interval)
        made.begin()
    play(made, 3, market.gate(3))
    for interval in (1, 2):
        late: Entry = {
            "kind": "correct", "txid": f"late/{interval}", "interval": 3, "refers": f"{interval}/bill/imbalance",
            "reason": "meter was read later", "ucur": {"ann": -300_000, "retailer": 300_000},
        }  # fmt: skip
        play(made, 3, late)
    made.close(3)
    assert made.balances["ann", "cash"] == 2 * 200_000 - market.STAKE
    assert ("retailer", "cash") not in made.balances
