"""Cars at chargers for tests: visits made of plain numbers, and a driver that plays them."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from gridbazaar.agents.devices.cars.visits import Visits
from gridbazaar.agents.kind import Draw, Now, Series
from gridbazaar.agents.kinds import ev
from gridbazaar.data.bank import Sessions
from gridbazaar.data.calendar import Calendar, make_calendar
from gridbazaar.data.chance import episode_keys


def series_of(step_h: float, n_steps: int) -> Series:
    nothing = np.zeros((1, n_steps))
    return Series(nothing, nothing, nothing, nothing, nothing, nothing, step_h=step_h, n_steps=n_steps)


def params_of(config: ev.Config, *visits: dict[str, Any]) -> ev.Params:
    """One charger in one environment; each visit names what differs from a 60 kWh car that stays for ten steps."""
    usual: dict[str, Any] = {
        "arrive": 0, "depart": 10, "capacity_kwh": 60.0, "charge_kw": config.charge_kw, "arrival_kwh": 24.0,
        "required_kwh": 48.0, "trip_kwh": 0.0, "is_same_car": False,
    }  # fmt: skip
    rows = [usual | visit for visit in visits]
    for row in rows:
        row.setdefault("announced", row["depart"])
    return ev.Params(Visits(*(np.array([[[row[name] for row in rows]]]) for name in Visits.__slots__)), config)


def calendar_of(n_days: int, step_h: float) -> Calendar:
    """Days of 24 hours from a Monday on."""
    return make_calendar(np.datetime64("2024-01-01"), n_days, round(step_h * 60))


def draw_of(
    sessions: Sessions, n_envs: int, step_h: float, n_steps: int, *, day: int = 0, start_h: float = 12.0, seed: int = 0
) -> Draw:
    keys = episode_keys(seed, "train", np.arange(n_envs))
    n_days = max(int(np.ceil(sessions.depart_h.max() / 24)), day + 1)
    bank = SimpleNamespace(sessions=sessions, calendar=calendar_of(n_days, step_h))
    return Draw(keys, np.full(n_envs, day), bank, step_h, n_steps, start_h)


@dataclass(frozen=True)
class Week:
    """What happened, [n_steps, n_envs, n_kind] each; ``energy_kwh`` has one row more."""

    energy_kwh: np.ndarray
    drawn_kwh: np.ndarray
    loss_kwh: np.ndarray
    short_kwh: np.ndarray
    upkeep_cur: np.ndarray
    discomfort_cur: np.ndarray
    is_active: np.ndarray
    visit: np.ndarray
    firm_kw: np.ndarray
    wish_kw: np.ndarray
    left_h: np.ndarray


def play(params: ev.Params, step_h: float, n_steps: int, act: Any, allow: float = 1.0) -> Week:
    """Drive the cars; ``act(view, t)`` gives the power part of the action, ``allow`` the share that wires let pass."""
    series, device = series_of(step_h, n_steps), ev.start(params)
    energies, rows = [device.energy_kwh], []
    for t in range(n_steps):
        steps = np.full(device.energy_kwh.shape[0], t)
        now = Now(series, steps, steps)
        view = ev.view(device, params, now)
        power = np.clip(np.broadcast_to(act(view, t), view.firm_kw.shape), -1, 1)
        plan = ev.plan(np.stack([power, np.ones_like(power)], axis=-1), view)
        meters = ev.meters(allow * plan.wish_kw, plan, view, device, params, now)
        moved = ev.move(meters, plan, view, device, params, now)
        none = np.zeros(view.firm_kw.shape)
        rows.append(
            (
                (moved.firm_ukwh + moved.flexible_ukwh) / 1e6, moved.loss_kwh, moved.unserved_kwh,
                none if moved.upkeep_cur is None else moved.upkeep_cur,
                none if moved.discomfort_cur is None else moved.discomfort_cur,
                view.is_active, none.astype(int) if device.visit is None else device.visit,
                plan.firm_kw, plan.wish_kw, view.left_h,
            )
        )  # fmt: skip
        device = moved.device
        energies.append(device.energy_kwh)
    return Week(np.stack(energies), *(np.stack(column) for column in zip(*rows, strict=True)))
