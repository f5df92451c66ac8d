"""OpenADR 3 events, written by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gridbazaar.data.protocols.openadr import parse_events

EVENING = "2026-01-15T17:00:00Z"


def event(
    payload: str, *values: float, name: str = "peak", start: str = EVENING, lasts: str = "PT1H"
) -> dict[str, Any]:
    return {
        "id": name, "objectType": "EVENT", "programID": "evening", "eventName": name,
        "intervalPeriod": {"start": start, "duration": lasts},
        "intervals": [{"id": i, "payloads": [{"type": payload, "values": [v]}]} for i, v in enumerate(values)],
    }  # fmt: skip


def parse(*events: Any, now: datetime | None = None, program: Any = None) -> Any:
    return parse_events(json.dumps({"program": program, "events": list(events)}), now=now)


def test_intervals_without_a_period_follow_one_another() -> None:
    """Two levels of 45 minutes each from 17:00, the second until 18:30."""
    (found,) = parse(event("SIMPLE", 1, 3, lasts="PT45M"), program={"id": "evening", "programName": "peaks"})
    assert [(s.start.isoformat(), s.end.isoformat(), s.value) for s in found.signals] == [
        ("2026-01-15T17:00:00+00:00", "2026-01-15T17:45:00+00:00", 1.0),
        ("2026-01-15T17:45:00+00:00", "2026-01-15T18:30:00+00:00", 3.0),
    ]
    assert (found.name, found.program, found.is_price) == ("peak", "evening", False)


def test_an_interval_may_have_its_own_period_and_zone() -> None:
    row = event("LOAD_DISPATCH", -25.5)
    row["intervals"][0]["intervalPeriod"] = {"start": "2026-01-15T19:00:00+01:00", "duration": "PT2H30M"}
    (found,) = parse(row)
    (signal,) = found.signals
    assert (signal.start.astimezone(UTC).hour, signal.payload, signal.value) == (18, "LOAD_DISPATCH", -25.5)
    assert (signal.end - signal.start).total_seconds() == 2.5 * 3600


def test_prices_may_run_beside_a_call_and_events_come_in_the_order_of_time() -> None:
    found = parse(event("PRICE", 0.55, name="dear"), event("SIMPLE", 2, start="2026-01-15T16:30:00Z"))
    assert [e.name for e in found] == ["peak", "dear"]
    assert found[1].is_price


def test_every_faulty_event_is_named_at_once() -> None:
    bad = [
        event("SIMPLE", 1, name="negative", lasts="-PT1H"),
        event("BID_PRICE", 1, name="unknown"),
        event("SIMPLE", 4, name="level"),
        event("LOAD_DISPATCH", 5, name="more"),
        event("SIMPLE", 1, name="local", start="2026-01-15T17:00:00"),
        event("SIMPLE", 1, name="past", start="2025-12-31T17:00:00Z"),
        event("SIMPLE", 1, name="first", start="2026-01-20T17:00:00Z", lasts="PT2H"),
        event("SIMPLE", 1, name="second", start="2026-01-20T18:00:00Z"),
        {"eventName": "other", "programID": "noon", "intervals": []},
        7,
    ]
    with pytest.raises(ValueError, match="expected OpenADR 3 events") as error:
        parse(*bad, now=datetime(2026, 1, 1, tzinfo=UTC), program={"id": "evening"})
    for fault in (
        "event negative: interval 0: duration: expected a duration above zero, got '-PT1H'",
        "event unknown: interval 0: payload type is 'BID_PRICE', expected one of SIMPLE, PRICE, LOAD_DISPATCH",
        "event level: interval 0: SIMPLE level is 4, expected 0 to 3",
        "event more: interval 0: LOAD_DISPATCH is 5 kW, expected 0 or less",
        "event local: intervalPeriod.start: expected a date and time with its zone",
        "event past: it begins at 2025-12-31T17:00:00+00:00, in the past of 2026-01-01T00:00:00+00:00",
        "events first and second overlap",
        "event other: programID is 'noon', expected that of the program, 'evening'; event other: it has no intervals",
        "event 9: expected an object, got 7",
    ):
        assert fault in str(error.value)


def test_an_event_before_its_own_creation_is_past() -> None:
    row = event("SIMPLE", 1) | {"createdDateTime": "2026-01-15T17:00:01Z"}
    with pytest.raises(ValueError, match="in the past of 2026-01-15T17:00:01"):
        parse(row)


@pytest.mark.parametrize("lasts", ["", "P", "PT", "P1Y", "1H", "PT1H30", "PT0S", "P1M"])
def test_durations_without_a_length_are_refused(lasts: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse(event("SIMPLE", 1, lasts=lasts))


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match=r"calls\.json: expected JSON"):
        parse_events("{", "calls.json")
    with pytest.raises(ValueError, match="there is no event"):
        parse_events("[]")


def test_null_says_the_same_as_nothing() -> None:
    plain = event("SIMPLE", 3)
    bare = plain | {"objectType": None, "createdDateTime": None, "id": None}
    bare["intervals"] = [plain["intervals"][0] | {"intervalPeriod": None}]
    bare["intervalPeriod"] = plain["intervalPeriod"] | {"randomizeStart": None}
    assert parse(bare) == parse(plain)
    unnamed = bare | {"eventName": None}
    assert parse(unnamed)[0].signals == parse(plain)[0].signals


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ({"payloads": None}, "interval 0: payloads is None, expected one payload"),
        ({"payloads": [{"type": "SIMPLE", "values": None}]}, "interval 0: values is None, expected one number"),
        ({"payloads": [{"type": "PRICE", "values": [1e308]}]}, "values is [1e+308], expected one number, up to 10000"),
        ({"payloads": [{"type": "LOAD_DISPATCH", "values": [-(10**400)]}]}, "expected one number, up to 1e+06"),
        ({"payloads": [{"type": ["SIMPLE"], "values": [1]}]}, "payload type is ['SIMPLE']"),
        ({"intervalPeriod": "PT1H"}, "interval 0: intervalPeriod is 'PT1H', expected an object"),
        ({"intervalPeriod": {"start": 7}}, "interval 0: start: expected an ISO 8601 date and time, got 7"),
        ({"intervalPeriod": {"start": "9999-12-31T23:59:59Z"}}, "start: expected a year from 1970 to 2100"),
        ({"intervalPeriod": {"duration": "P99999999999W"}}, "duration: expected a duration of up to 366 days"),
    ],
)
def test_wrong_types_and_numbers_are_named(cells: dict[str, Any], fault: str) -> None:
    row = event("SIMPLE", 3)
    row["intervals"] = [row["intervals"][0] | cells]
    with pytest.raises(ValueError, match="expected OpenADR 3 events") as error:
        parse(row)
    assert fault in str(error.value)


@pytest.mark.parametrize("text", ["[NaN]", "[1e9999, Infinity]", "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_what_is_no_number_of_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"calls\.json: expected JSON"):
        parse_events(text, "calls.json")
