"""Calls, prices and limits that files bring: OpenADR events and OCPP charging profiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import widened
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.rates import rates_at
from gridbazaar.envs.observe import observe
from gridbazaar.envs.state import State
from gridbazaar.envs.views.others import community_of
from tests.envs.interval.calling import core_of, episode, rest


def event(payload: str, *values: float, start: str, lasts: str = "PT1H") -> dict[str, Any]:
    return {
        "programID": "evening", "eventName": f"{payload} {start}",
        "intervalPeriod": {"start": f"2026-01-15T{start}:00Z", "duration": lasts},
        "intervals": [{"id": i, "payloads": [{"type": payload, "values": [v]}]} for i, v in enumerate(values)],
    }  # fmt: skip


def test_an_openadr_file_calls_the_vpps_at_its_hours_in_every_episode(tmp_path: Path) -> None:
    """Levels 3 and 1 for half an hour each at 17:00; 4 then 2 kW at 20:00."""
    path = tmp_path / "calls.json"
    calls = [event("SIMPLE", 3, 1, start="17:00", lasts="PT30M"), event("LOAD_DISPATCH", -4, -2, start="20:00")]
    path.write_text(json.dumps(calls))
    core = core_of(3, call={"file": str(path), "need_kw": 4.0, "least_kw": 0.0, "notice_min": 30})
    calls_of = core.reset(0).episode.calls
    assert calls_of is not None
    assert calls_of.gate[:, :2].tolist() == [[18, 30]] * 3, "half an hour before, in quarters"
    assert calls_of.begin[:, :2].tolist() == [[20, 32]] * 3
    assert calls_of.end[:, :2].tolist() == [[24, 40]] * 3
    assert calls_of.need_ukwh[:, :2].tolist() == [[MICRO, MICRO]] * 3, "4 kW for a quarter of an hour"
    assert calls_of.level_ppm[0, 20:40].tolist() == [MICRO] * 2 + [333_333] * 2 + [0] * 8 + [MICRO] * 4 + [500_000] * 4
    asked: dict[int, list[int]] = {}
    for t, (_, happened) in enumerate(episode(core, lambda _s: rest(core))):
        assert happened.money.answer is not None
        if happened.money.answer.called_ukwh.any():
            asked[t] = happened.money.answer.called_ukwh.sum(1).tolist()
    assert sorted(asked) == [20, 21, 22, 23, *range(32, 40)], "hours after noon, in quarters"
    for t, called in asked.items():
        kw = {20: 4, 21: 4, 22: 4 / 3, 23: 4 / 3}.get(t, 4 if t < 36 else 2)
        np.testing.assert_allclose(called, kw * MICRO / 4, atol=3)


def begins_of(tmp_path: Path, start: str, timezone: str) -> list[int]:
    """First step of an hour's call in episodes from noon."""
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
    row = event("SIMPLE", 3, start="17:00")
    row["intervalPeriod"] = {"start": start, "duration": "PT1H"}
    path.write_text(json.dumps([row]))
    calls = core_of(2, call={"file": str(path)}, data={"timezone": timezone}).reset(0).episode.calls
    assert calls is not None
    found: list[int] = calls.begin[:, 0].tolist()
    return found


def test_events_follow_the_communitys_local_clock(tmp_path: Path) -> None:
    """One instant in two zones is one call, at 18 h in Berlin in winter and summer; without a zone the clock is UTC."""
    for start in ("2026-01-15T17:00:00Z", "2026-01-15T18:00:00+01:00", "2026-07-15T18:00:00+02:00"):
        assert begins_of(tmp_path, start, "Europe/Berlin") == [24, 24]
    for start in ("2026-01-15T17:00:00Z", "2026-01-15T18:00:00+01:00"):
        assert begins_of(tmp_path, start, "none") == [20, 20]


def test_a_price_event_is_the_retail_price_of_its_hours(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps([event("PRICE", 0.75, start="18:00", lasts="PT2H")]))
    core, plain = core_of(2, call={"file": str(path)}), core_of(2)
    state, usual = core.reset(0), plain.reset(0)
    for t in range(40):
        rates = rates_at(core.world, state.episode, state.t)
        retail = rates.energy + rates.network + rates.tax
        was = rates_at(plain.world, usual.episode, usual.t)
        assert (retail == 750_000).all() if 24 <= t < 32 else (retail == was.energy + was.network + was.tax).all()
        seen = observe(core, state, forecasts=True).forecasts
        assert seen is not None
        np.testing.assert_allclose(seen.retail_cur_per_kwh[:, 0] * MICRO, retail, atol=1)
        ahead = seen.retail_cur_per_kwh[:, 24 - t : 32 - t] if t < 24 else 0.75
        np.testing.assert_allclose(ahead, 0.75, atol=1e-6)
        state, _ = core.step(state, rest(core, offers=0.0))
        usual, _ = plain.step(usual, rest(plain, offers=0.0))


def test_calls_keep_their_hours_wherever_an_episode_begins() -> None:
    core = core_of(4, start_h=6.0, call={"start_h": 18.0, "least_kw": 0.0, "response_share": 0.5})
    calls = core.reset(0).episode.calls
    assert calls is not None
    assert calls.begin[:, 0].tolist() == [48] * 4
    assert calls.baseline_ukwh is not None
    assert (calls.baseline_ukwh[:, 48] >= 0).any(axis=1).all()
    assert (calls.baseline_ukwh[:, :48] == -1).all()


def test_calls_that_an_episode_cannot_hold_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "calls.json"
    path.write_text(json.dumps([event("SIMPLE", 1, start="11:00", lasts="PT2H")]))
    with pytest.raises(ValueError, match=r"ends 25 h after the beginning of the episode"):
        core_of(call={"file": str(path)}).reset(0)
    path2 = tmp_path / "next.json"
    path2.write_text(json.dumps([event("SIMPLE", 1, start="17:00"), event("SIMPLE", 1, start="18:00")]))
    with pytest.raises(
        ValueError,
        match=r"event SIMPLE 18:00 runs from step 24 to 28, .* and one after step 24",
    ):
        core_of(call={"file": str(path2)}).reset(0)


def test_charging_profiles_limit_all_chargers_together(tmp_path: Path) -> None:
    """16 A of one phase from 18:00 to 22:00, 3.68 kW; four cars that charge on arrival want more."""
    path = tmp_path / "limits.json"
    path.write_text(json.dumps([{
        "id": 1, "stackLevel": 0, "chargingProfilePurpose": "ChargingStationMaxProfile",
        "chargingProfileKind": "Recurring", "recurrencyKind": "Daily",
        "chargingSchedule": [{
            "id": 1, "startSchedule": "2026-01-15T18:00:00Z", "duration": 14_400, "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0, "numberPhases": 1}],
        }],
    }]))  # fmt: skip
    drawn = {}
    for limits in ("none", str(path)):
        core = core_of(6, call={"limits": limits, "chance": 0.0}, ev={"backup": False})
        cars, policy = core.scenario.kind_slices["ev"], load_policy("idle")
        memory = policy.start(community_of(core), np.random.default_rng(0))

        def act(state: State, core: Core = core, policy: Any = policy, memory: Any = memory) -> np.ndarray:
            return np.asarray(widened(policy.act(observe(core, state), memory)[0], core.n_actions))

        played = episode(core, act)
        drawn[limits] = np.array([h.delivery.metered_ukwh[:, cars].sum(1) / MICRO * 4 for _, h in played])
    limited, free = drawn[str(path)], drawn["none"]
    assert free[24:40].max() > 7.0
    assert (limited[24:40] <= 3.68 + 1e-6).all()
    assert limited[24:40].max() == pytest.approx(3.68)
    assert limited[40:].max() > 3.68, "no limit after it"
    assert (limited[:24] == free[:24]).all()
