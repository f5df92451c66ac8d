"""OCPP charging profiles and composite schedules, worked out by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.protocols.ocpp import composite_kw, parse_profiles

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def profile(
    *periods: tuple[int, float], id: int = 1, level: int = 0, purpose: str = "ChargingStationMaxProfile",
    kind: str = "Absolute", unit: str = "W", phases: int = 3, start: datetime | None = NOON, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    schedule: dict[str, Any] = {
        "id": id, "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": s, "limit": x, "numberPhases": phases} for s, x in periods],
    }  # fmt: skip
    if start is not None:
        schedule["startSchedule"] = start.isoformat()
    if "duration" in more:
        schedule["duration"] = more.pop("duration")
    return {
        "id": id, "stackLevel": level, "chargingProfilePurpose": purpose, "chargingProfileKind": kind,
        "chargingSchedule": [schedule], **more,
    }  # fmt: skip


def composite(*profiles: dict[str, Any], n: int = 4, step_h: float = 1.0, **more: Any) -> list[float]:
    found: list[float] = composite_kw(parse_profiles(json.dumps(list(profiles))), NOON, n, step_h, **more).tolist()
    return found


def test_the_lowest_purpose_counts_and_within_one_the_highest_level() -> None:
    """The station allows 22 kW, the grid 3.5 kW from 14:00; the default 7.4 for an hour, then 3.7."""
    constraint = "ChargingStationExternalConstraints"
    found = composite(
        profile((0, 22_000)),
        profile((0, 30_000), (7200, 3_500), id=2, purpose=constraint),
        profile((0, 3_700), id=3, purpose="TxDefaultProfile"),
        profile((0, 7_400), id=4, level=1, purpose="TxDefaultProfile", duration=3600),
    )
    assert found == [7.4, 3.7, 3.5, 3.5]
    assert composite(profile((0, 22_000)), profile((0, 5_000.5), id=2, purpose="TxDefaultProfile")) == [5.0005] * 4


def test_a_lower_level_counts_where_the_higher_one_is_silent() -> None:
    high = profile((0, 4_000), id=2, level=5, duration=3600, start=NOON + timedelta(hours=1))
    assert composite(profile((0, 9_000)), high) == [9.0, 4.0, 9.0, 9.0]


def test_amperes_count_by_phase() -> None:
    """16 A: 3.68 kW on one phase, 11.04 kW on three."""
    assert composite(profile((0, 16), unit="A", phases=1), n=1) == pytest.approx([3.68])
    assert composite(profile((0, 16), unit="A"), n=1) == pytest.approx([11.04])
    assert composite(profile((0, 16.1), unit="A"), n=1) == pytest.approx([11.109])


def test_a_daily_profile_starts_over_every_day() -> None:
    """From 14:00 yesterday: 3 kW for an hour, then 8 kW."""
    start = NOON - timedelta(hours=22)
    daily = profile((0, 3_000), (3600, 8_000), kind="Recurring", recurrencyKind="Daily", start=start)
    assert composite(daily) == [8.0, 8.0, 3.0, 8.0]
    weekly = profile((0, 3_000), kind="Recurring", recurrencyKind="Weekly", start=start, duration=3600)
    assert composite(weekly) == [np.inf] * 4


def test_a_relative_profile_begins_with_the_plug_and_that_of_the_transaction_replaces_the_default() -> None:
    relative = profile((0, 2_000), (3600, 6_000), id=2, purpose="TxProfile", kind="Relative", start=None)
    default = profile((0, 4_000), purpose="TxDefaultProfile")
    assert composite(default, relative) == [4.0] * 4
    assert composite(default, relative, plugged_at=NOON + timedelta(hours=1)) == [4.0, 2.0, 6.0, 6.0]


def test_validity_bounds_a_profile_and_a_change_inside_a_step_is_averaged() -> None:
    until = profile((0, 6_000), validTo=(NOON + timedelta(hours=2)).isoformat())
    assert composite(until) == [6.0, 6.0, np.inf, np.inf]
    assert composite(profile((0, 6_000), (1800, 2_000)), n=2) == [4.0, 2.0]


def test_every_faulty_profile_is_named_at_once() -> None:
    rows = [
        profile((0, 10.05), unit="A", id=1),
        profile((0, 5_000), id=2, purpose="Peak"),
        profile((0, 5_000), id=3, kind="Sometimes"),
        profile((60, 5_000), id=4),
        profile((0, 5_000), id=5, level=-1),
        profile((0, -1.0), id=6),
        profile((0, 5_000), id=7, kind="Recurring", recurrencyKind="Hourly"),
        profile((0, 5_000), id=8, phases=4),
        profile((0, 5_000), id=9, unit="kW", duration=0),
        profile((0, 5_000), id=10, level=9),
        profile((0, 6_000), id=11, level=9),
    ]
    with pytest.raises(ValueError, match=r"expected OCPP 2\.0\.1 charging profiles") as error:
        parse_profiles(json.dumps(rows))
    for fault in (
        "profile 1: limit is 10.05, expected a multiple of 0.1",
        "profile 2: chargingProfilePurpose is 'Peak'",
        "profile 3: chargingProfileKind is 'Sometimes', expected one of Absolute, Recurring, Relative",
        "profile 4: startPeriod runs [60.0], expected it to rise from 0",
        "profile 5: stackLevel is -1",
        "profile 6: limit is -1.0, expected 0 or more",
        "profile 7: recurrencyKind is 'Hourly', expected one of Daily, Weekly",
        "profile 8: numberPhases is 4, expected 1, 2 or 3",
        "profile 9: chargingRateUnit is 'kW', expected one of A, W",
        "profile 9: duration is 0, expected seconds above 0",
        "profiles 10 and 11 are both ChargingStationMaxProfile of stack level 9",
    ):
        assert fault in str(error.value)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"stackLevel": None}, "stackLevel is None"),
        ({"chargingProfileKind": ["Absolute"]}, "chargingProfileKind is ['Absolute']"),
        ({"chargingProfileKind": "Recurring", "recurrencyKind": {"a": 1}}, "recurrencyKind is {'a': 1}"),
        ({"chargingSchedule": None}, "expected one chargingSchedule"),
        ({"validFrom": 5}, "validFrom: expected an ISO 8601 date and time, got 5"),
        ({"limit": 1e308}, "limit is 1e+308, expected 0 or more, up to 1e+09"),
        ({"limit": 10**400}, "expected 0 or more, up to 1e+09"),
        ({"startPeriod": 10**30}, "expected whole seconds from 0 to 1e+09"),
        ({"duration": 10**400}, "expected seconds above 0"),
        ({"numberPhases": [3]}, "numberPhases is [3], expected 1, 2 or 3"),
    ],
)
def test_wrong_types_and_numbers_are_named(change: dict[str, Any], fault: str) -> None:
    row = profile((0, 5_000))
    schedule = row["chargingSchedule"][0]
    for name, value in change.items():
        if name in ("limit", "startPeriod", "numberPhases"):
            schedule["chargingSchedulePeriod"][0][name] = value
        elif name == "duration":
            schedule[name] = value
        else:
            row[name] = value
    with pytest.raises(ValueError, match=r"expected OCPP 2\.0\.1 charging profiles") as error:
        parse_profiles(json.dumps(row))
    assert fault in str(error.value)


def test_null_says_the_same_as_nothing() -> None:
    plain, bare = profile((0, 5_000)), profile((0, 5_000), recurrencyKind=None, validTo=None)
    bare["chargingSchedule"][0]["duration"] = None
    bare["chargingSchedule"][0]["chargingSchedulePeriod"][0]["numberPhases"] = None
    assert parse_profiles(json.dumps(bare)) == parse_profiles(json.dumps(plain))
