"""Weeks in which the clock is changed, from a hand-made file: every hour, price, day and charge by the local clock.

The oracle is the standard library's clock and the numbers of the tariff written here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policies.time_of_use import Policy as TimeOfUse
from gridbazaar.data.bank import HISTORY_DAYS
from gridbazaar.data.synthetic.home_sessions import make_sessions
from gridbazaar.envs.core import Core
from gridbazaar.envs.episode.world import make_world
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import NOT_ASKED, State, Transition
from gridbazaar.envs.views.others import community_of
from tests.biller import Row, bill_cur, cents
from tests.quick import only


class Week(NamedTuple):
    """A week that begins on a Monday."""

    zone: str
    monday: date
    hours: int


WEEKS = [
    Week("Europe/Berlin", date(2024, 3, 25), 167),
    Week("Europe/Berlin", date(2024, 10, 21), 169),
    Week("Australia/Sydney", date(2024, 9, 30), 167),
    Week("Australia/Sydney", date(2024, 4, 1), 169),
    Week("Europe/Berlin", date(2024, 6, 3), 168),
]
SPLIT, WEEKS_BEFORE, WEEKS_AFTER = "validation", 2, 2
"""Of the weeks that begin with that of the first day, the third one validates."""

BASE, EVENING, WEEKEND, NIGHT, STANDING = 0.30, 0.12, -0.05, -0.08, 0.30


def price_cur_per_kwh(shown: datetime) -> float:
    """Energy, network and tax; dear weekday evenings, cheap nights, all the weekend a little cheaper."""
    is_weekend = shown.weekday() >= 5
    evening = EVENING * (16 <= shown.hour < 21 and not is_weekend)
    return BASE + evening + NIGHT * (shown.hour < 6) + WEEKEND * is_weekend


def clock(week: Week, first: date, n_hours: int) -> list[datetime]:
    """What a clock on the wall shows at each hour after a local midnight."""
    zone = ZoneInfo(week.zone)
    begin = datetime(first.year, first.month, first.day, tzinfo=zone).astimezone(UTC)
    return [(begin + timedelta(hours=t)).astimezone(zone) for t in range(n_hours)]


def load_kw(hour: int) -> float:
    """Somebody who lives by the clock: three quarters of a kW by day, dinner at 19 h."""
    return 0.25 if hour < 7 else 2.0 if hour == 19 else 0.75


def written(
    week: Week, folder: Path, at_weekends: float = 1.0, load_kw: Callable[[int], float] = load_kw
) -> tuple[Path, list[datetime]]:
    """Write five weeks of a home whose load follows the clock; give the file and what the clock shows at its rows."""
    first = week.monday - timedelta(weeks=WEEKS_BEFORE)
    shown = clock(week, first, (WEEKS_BEFORE + WEEKS_AFTER) * 168 + week.hours)
    path = folder / "home.csv"

    def kw(time: datetime) -> float:
        return load_kw(time.hour) * (at_weekends if time.weekday() >= 5 else 1.0)

    lines = [f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ},{kw(time)},0.08" for time in shown]
    path.write_text("time,home_load_kw,spot_cur_per_kwh\n" + "\n".join(lines), encoding="utf-8")
    return path, shown


def scenario_of(week: Week, path: Path, *, step_min: int = 60, **overrides: Any) -> Scenario:
    windows = [
        {"from_h": 16.0, "to_h": 21.0, "add_cur_per_kwh": EVENING, "weekends": False},
        {"from_h": 0.0, "to_h": 6.0, "add_cur_per_kwh": NIGHT},
        {"from_h": 0.0, "to_h": 24.0, "add_cur_per_kwh": WEEKEND, "weekdays": False},
    ]
    fields: dict[str, Any] = {
        "step_min": step_min, "hours": float(week.hours), "start_h": 0.0, "forecast": "perfect", "tariff": "tou",
        "constraint": "none", "tariff_options": {"windows": windows, "fixed_cur_per_day": STANDING},
        "data": {"path": str(path), "timezone": week.zone},
        "prosumer": {"count": 1, "pv_share": 0.0, "battery_share": 0.0, "load_scale": 1.0},
        "battery": {"count": 0}, "ev": {"count": 0}, "vpp": {"count": 0},
    }  # fmt: skip
    return load_scenario("street", **fields | overrides)


def played(core: Core, policy: Any) -> list[tuple[State, Transition, Any]]:
    state, memory = core.reset(0, split=SPLIT), policy.start(community_of(core), np.random.default_rng(0))
    found = []
    for _ in range(core.n_steps):
        seen = observe(core, state, forecasts=policy.needs_forecasts)
        action, memory = policy.act(seen, memory)
        before = state
        state, happened = core.step(state, action)
        found.append((before, happened, seen))
    return found


@pytest.mark.parametrize("start_h", only([12.0], [0.0, 12.0]))
@pytest.mark.parametrize("week", WEEKS, ids=str)
def test_a_week_is_billed_by_the_local_clock(week: Week, start_h: float, tmp_path: Path) -> None:
    """Seven standing charges and each kWh at the price of the hour that the clock shows, to the cent."""
    path, shown = written(week, tmp_path)
    core = Core(scenario_of(week, path, start_h=start_h), 1)
    first = next(row for row, time in enumerate(shown) if time.date() == week.monday and time.hour == start_h)
    hours, kwh, paid, due = shown[first : first + week.hours], 0.0, 0.0, 7 * STANDING
    for (before, happened, seen), time in zip(played(core, load_policy("idle")), hours, strict=True):
        assert int(before.episode.start[0]) + int(before.t[0]) == first + int(before.t[0])
        assert seen.hour[0] == time.hour
        angle = 2 * np.pi * time.hour / 24
        np.testing.assert_allclose(seen.features[0, 0, :2], [np.sin(angle), np.cos(angle)], atol=1e-6)
        retail = float((happened.market.rates.energy + happened.market.rates.network + happened.market.rates.tax)[0])
        assert retail / 1e6 == pytest.approx(price_cur_per_kwh(time), abs=1e-9)
        kwh += load_kw(time.hour)
        due += load_kw(time.hour) * price_cur_per_kwh(time)
        paid += float(happened.money.bill.ucur[0, :, 0].sum()) / 1e6
    assert kwh == pytest.approx(7 * (7 * 0.25 + 16 * 0.75 + 2.0) + 0.25 * (week.hours - 168))
    assert paid == pytest.approx(due, abs=0.005)


HAND_TARIFF: dict[str, Any] = {
    "energy_cur_per_kwh": 0.16, "network_cur_per_kwh": 0.08, "tax_cur_per_kwh": 0.06, "fixed_cur_per_day": 0.30,
    "windows": [
        {"from_h": 0.0, "to_h": 6.0, "add_cur_per_kwh": -0.08},
        {"from_h": 16.0, "to_h": 21.0, "add_cur_per_kwh": 0.12, "weekends": False},
    ],
}  # fmt: skip
HAND_CUR = {168: 32.13, 167: 31.69, 169: 32.57}
"""What is due for the week of somebody who draws half a kW, 2 kW in the hour after 2 and 1.5 kW in that after 19.

A night has 5 x 0.5 + 2 = 4.5 kWh at 0.30 - 0.08: 0.99. A weekday has besides 4 x 0.5 + 1.5 = 3.5 kWh at 0.30 + 0.12 and
13 x 0.5 = 6.5 kWh at 0.30: 0.99 + 1.47 + 1.95 = 4.41. Saturday and Sunday have 17 x 0.5 + 1.5 = 10 kWh at 0.30: 3.99.
5 x 4.41 + 2 x 3.99 + 7 x 0.30 = 32.13. In spring the clock leaves the 2 kWh after 2 h out, 2 x 0.22 = 0.44 less; in
autumn it shows that hour twice, 0.44 more; either week has seven days and pays seven standing charges.
"""


@pytest.mark.parametrize("start_h", only([0.0], [0.0, 12.0]))
@pytest.mark.parametrize("week", WEEKS, ids=str)
def test_hand_market_and_biller_agree_on_a_week(week: Week, start_h: float, tmp_path: Path) -> None:
    path, shown = written(week, tmp_path, load_kw=lambda hour: {2: 2.0, 19: 1.5}.get(hour, 0.5))
    core = Core(scenario_of(week, path, start_h=start_h, tariff_options=HAND_TARIFF), 1)
    found = played(core, load_policy("idle"))
    assert len(found) == week.hours
    first = next(row for row, time in enumerate(shown) if time.date() == week.monday and time.hour == start_h)
    metered = [int(happened.delivery.metered_ukwh[0, 0]) / 1e6 for _, happened, _ in found]
    rows = [
        Row(kwh, hour=float(time.hour), weekday=time.weekday())
        for kwh, time in zip(metered, shown[first : first + week.hours], strict=True)
    ]
    billed = sum(int(happened.money.bill.ucur[0, :, 0].sum()) for _, happened, _ in found) / 1e6
    assert round(billed, 2) == HAND_CUR[week.hours]
    assert cents(bill_cur(HAND_TARIFF, rows, hours=7 * 24)) == HAND_CUR[week.hours]


@pytest.mark.parametrize("week", WEEKS[:4], ids=str)
def test_the_standing_charge_of_a_day_is_spread_over_its_own_hours(week: Week, tmp_path: Path) -> None:
    path, shown = written(week, tmp_path)
    fixed = np.asarray(make_world(scenario_of(week, path)).fixed_ucur)
    due, days = np.diff(fixed), [time.date() for time in shown]
    assert len(due) == len(shown)
    of_day = {day: due[[other == day for other in days]] for day in set(days)}
    sunday = of_day[week.monday + timedelta(days=6)]
    assert len(sunday) == 24 + week.hours - 168
    for charges in of_day.values():
        assert charges.sum() == 300_000
        assert np.ptp(charges) <= 1


@pytest.mark.parametrize("week", WEEKS[:4], ids=str)
def test_expectations_of_loads_follow_the_clock_and_those_of_the_sun_do_not(week: Week, tmp_path: Path) -> None:
    """A home that lives by the clock is foreseen without error over the change; one that lives by the sun is not."""
    path, shown = written(week, tmp_path)
    past = HISTORY_DAYS * 24
    for way in ("past", "persistence"):
        bank = make_world(scenario_of(week, path, forecast=way)).bank
        np.testing.assert_allclose(bank.load_outlook_kw[0, past:], bank.load_kw[0, past:], atol=1e-9)
        assert bank.load_kw[0].tolist() == [load_kw(time.hour) for time in shown]
    steady = np.arange(len(shown)) % 24 == 12  # every 24 hours, whatever the clock shows
    sunny = path.read_text().splitlines()
    sunny = [f"{sunny[0]},home_pv_kw_per_kwp", *(f"{x},{float(s)}" for x, s in zip(sunny[1:], steady, strict=True))]
    path = tmp_path / "sunny.csv"
    path.write_text("\n".join(sunny))
    bank = make_world(scenario_of(week, path, forecast="persistence")).bank
    np.testing.assert_array_equal(bank.pv_outlook_kw_per_kwp[0, past:], steady[past:])
    assert (np.diff(bank.hour()[steady]) != 0).sum() == 1


@pytest.mark.parametrize("way", ["past", "persistence", "ar"])
def test_no_expectation_looks_ahead_over_a_change(way: str, tmp_path: Path) -> None:
    """In spring the same hour of yesterday is 23 hours ago, and not known a day ahead: change every value after it."""
    week = WEEKS[0]
    path, shown = written(week, tmp_path)
    before = make_world(scenario_of(week, path, forecast=way)).bank
    sunday = week.monday + timedelta(days=6)
    for row in [row for row, time in enumerate(shown) if time.date() == sunday - timedelta(days=1)][::5]:
        text = path.read_text().splitlines()
        changed = [f"{line.split(',')[0]},9.0,0.5" for line in text[row + 1 :]]
        other = tmp_path / "other"
        other.mkdir(exist_ok=True)
        (other / "home.csv").write_text("\n".join([*text[: row + 1], *changed]))
        after = make_world(scenario_of(week, other / "home.csv", forecast=way, seed=row)).bank
        assert (after.load_kw[0, row:] == 9.0).all()
        np.testing.assert_array_equal(after.load_outlook_kw[0, : row + 24], before.load_outlook_kw[0, : row + 24])
        np.testing.assert_array_equal(after.load_next_kw[0, : row + 1], before.load_next_kw[0, : row + 1])


@pytest.mark.parametrize("week", WEEKS[:2], ids=str)
def test_baselines_compare_the_same_hour_of_the_same_kind_of_day(week: Week, tmp_path: Path) -> None:
    """Calls at breakfast and dinner: who lives by the clock is expected to draw what it does at that hour.

    On weekends it draws half as much, also on the morning after a Friday. In the two weeks before there are ten working
    days, but no ten weekend days: on those nobody is asked.
    """
    path, shown = written(week, tmp_path, at_weekends=0.5)
    call = {"chance": 1.0, "per_day": 2, "start_h": (6.0, 19.0), "duration_h": 2.0, "response_share": 1.0}
    scenario = scenario_of(
        week, path, hours=24.0, start_h=12.0, call=call, forecast="past", vpp={"count": 1, "devices": 1}
    )
    core, asked, spared = Core(scenario, 48), list[datetime](), list[datetime]()
    episode = core.reset(0, split=SPLIT).episode
    assert episode.calls is not None
    baseline = np.asarray(episode.calls.baseline_ukwh)[:, :-1, core.scenario.kind_slices["prosumer"].start]
    for env, t in np.argwhere(np.asarray(episode.calls.level_ppm)[:, :-1] > 0).tolist():
        time = shown[int(episode.start[env]) + t]
        if baseline[env, t] == NOT_ASKED:
            spared.append(time)
            continue
        asked.append(time)
        assert baseline[env, t] == pytest.approx(load_kw(time.hour) * 1e6, abs=1)
    assert len(asked) > 40
    assert all(time.weekday() < 5 for time in asked)
    assert all(time.weekday() >= 5 for time in spared)
    assert {5, 6} <= {time.weekday() for time in spared if time.hour < 12}
    assert {0, 1} <= {time.weekday() for time in asked if time.hour < 12}


@pytest.mark.parametrize("week", WEEKS[:4], ids=str)
def test_what_an_episode_draws_for_an_hour_comes_when_the_clock_shows_it(week: Week, tmp_path: Path) -> None:
    """Calls at 18 h, appliances loaded at 14 h, most water at 7 h, around the change."""
    path, shown = written(week, tmp_path)
    scenario = scenario_of(
        week, path, hours=47.0, start_h=12.0, forecast="past", vpp={"count": 1, "devices": 1},
        call={"chance": 1.0, "start_h": 18.0},
        prosumer={"count": 1, "appliance": {"share": (1.0, 1.0), "ready_h": (14.0, 14.0), "window_h": (4.0, 5.0)},
                  "water": {"share": (1.0, 1.0)}},
    )  # fmt: skip
    core, n_envs = Core(scenario, 24), 24
    episode = core.reset(0, split=SPLIT).episode
    start = np.asarray(episode.start)
    assert episode.calls is not None
    loads = episode.params[0].devices.appliance
    usual = np.asarray(episode.params[0].devices.water.usual_share)
    of_109 = {0: 1, 3: 1, 5: 3, 7: 12, 12: 4, 18: 9, 23: 2}  # of a day's water, by hour
    changed = 0
    for env in range(n_envs):
        for t in range(core.n_steps):
            if (hour := shown[start[env] + t].hour) in of_109:
                assert usual[env, t] == pytest.approx(of_109[hour] / 109)
        begin = np.asarray(episode.calls.begin)[env, :2]
        assert [shown[start[env] + t].hour for t in begin.tolist()] == [18, 18]
        assert [shown[start[env] + t].hour for t in np.asarray(loads.ready)[env, 0].tolist()] == [14, 14]
        changed += int(begin[1] - begin[0]) != 24
    assert changed > 1


@pytest.mark.parametrize("week", WEEKS[:4], ids=str)
def test_cars_come_when_the_clock_shows_their_hour(week: Week, tmp_path: Path) -> None:
    """In episodes that begin after the change too, the sessions are those of the same charger made without a zone."""
    path, shown = written(week, tmp_path)
    core = Core(scenario_of(week, path, hours=24.0, start_h=12.0, ev={"count": 4}), 32)
    n_days = (shown[-1].date() - shown[0].date()).days + 1
    made = make_sessions(0, n_days, 8, 1.0)
    comes_h = made.arrive_h[made.present]
    days = [shown[0].date() + timedelta(days=int(hour // 24)) for hour in comes_h]
    by_clock = {(day, int(np.ceil(hour % 24 - 1e-6)) % 24) for day, hour in zip(days, comes_h, strict=True)}
    episode, after_change = core.reset(0, split=SPLIT).episode, 0
    visits = episode.params[[name for name, config in core.scenario.agents.items() if config.count].index("ev")].visits
    arrive, depart = np.asarray(visits.arrive), np.asarray(visits.depart)
    for env, car, k in np.argwhere((arrive > 0) & (depart > arrive)).tolist():
        time = shown[int(episode.start[env]) + int(arrive[env, car, k])]
        assert (time.date(), time.hour) in by_clock or time.hour == 0
        after_change += shown[int(episode.start[env])].date() == week.monday + timedelta(days=6)
    assert after_change > 3


def test_the_clock_rule_reads_the_clock_of_its_own_row(tmp_path: Path) -> None:
    """Episodes from Friday on in the week of the change: the rule fills at night by the clock, also on Sunday."""
    week = WEEKS[0]
    path, shown = written(week, tmp_path)
    scenario = scenario_of(week, path, hours=72.0, start_h=12.0, battery={"count": 1})
    core, seen = Core(scenario, 16), 0
    state, rule = core.reset(0, split=SPLIT), TimeOfUse(fill_h=(3.0, 4.0), empty_h=(20.0, 21.0))
    memory = rule.start(community_of(core), np.random.default_rng(0))
    battery = core.scenario.kind_slices["battery"]
    for t in range(core.n_steps):
        action, memory = rule.act(observe(core, state), memory)
        for env in range(core.n_envs):
            time = shown[int(state.episode.start[env]) + t]
            fills = bool((action[env, battery, 0] > 0).any())
            assert fills == (time.hour == 3 and bool((state.view.high_kw[env, battery] > 0).any()))
            seen += fills and time.date() == week.monday + timedelta(days=6)
        state, _ = core.step(state, action)
    assert seen > 0
