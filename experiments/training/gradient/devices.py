"""The devices of the twin: all batteries side by side, and cars, moved by the storage kernel and the cars' own view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gridbazaar.agents.devices.batteries import storage_of
from gridbazaar.agents.devices.cars.visits import car_of, drive
from gridbazaar.agents.kind import Now
from gridbazaar.agents.kinds.ev import car_storage
from gridbazaar.agents.plan import View
from gridbazaar.agents.storage import Storage, limits_kw, move_kwh
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import State

_METER_KWH = 1e-4
_CARS = "ev"
_BATTERIES = ("prosumer", "battery", "vpp")
_MOVING = ("firm_kw", "low_kw", "high_kw", "stored_kwh", "room_kwh", "capacity_kwh", "power_kw", "need_kwh", "left_h")
"""Of a view, what may change from interval to interval; of batteries all but the capacity and the rating."""


@dataclass(frozen=True, slots=True)
class Batteries:
    """All batteries of a batch of episodes; several may stand behind one agent."""

    storage: Storage  # [n_envs, n_devices]
    wear: Tensor  # [n_devices] currency per kWh released
    agent_of: Tensor  # [n_devices, n_agents] 1 where the device is the agent's
    still: View  # [n_envs, n_agents] with what does not change; cars are to be filled in


def present(core: Core) -> tuple[str, ...]:
    """Name the kinds that have agents, in the order of the world."""
    return tuple(kind for kind, config in core.scenario.agents.items() if config.count)


def alike(scenario: Any) -> bool:
    """Whether all kinds of batteries lose and taper alike, so that they can be moved side by side."""
    found = {
        (c.loss_per_h, c.taper_frac, c.release_taper_frac, c.converter)
        for name, c in scenario.agents.items() if name in _BATTERIES and c.count
    }  # fmt: skip
    return len(found) <= 1


def batteries_of(core: Core, state: State) -> Batteries:
    """Put the batteries of all kinds side by side; ``state`` as the episodes begin, of tensors."""
    parts, wear, of = [], [], []
    for name, columns, params in zip(present(core), core.world.slices, state.episode.params, strict=True):
        if name == _CARS:
            continue
        storage = storage_of(params)
        flat = params.capacity_kwh.reshape(core.n_envs, -1)
        each = flat.shape[1] // (columns.stop - columns.start)
        parts.append((storage, flat))
        wear += [params.config.wear_cur_per_kwh] * flat.shape[1]
        of += [i for i in range(columns.start, columns.stop) for _ in range(each)]
    agent_of = torch.from_numpy(np.eye(core.n_agents)[np.array(of, np.int64)])
    if not parts:
        none = torch.zeros((core.n_envs, 0), dtype=torch.float64)
        return Batteries(Storage(none, none, none, none, none, none), none[0], agent_of, _still(state.view, core))

    def joined(field: str) -> Any:
        values = [torch.as_tensor(getattr(s, field)) for s, _ in parts]
        pairs = zip(values, parts, strict=True)
        return torch.cat([v.reshape(flat.shape) if v.ndim > 1 else v + 0.0 * flat for v, (_, flat) in pairs], dim=1)

    fields = ("floor_kwh", "ceiling_kwh", "charge_kw", "discharge_kw", "eta_ch", "eta_dis")
    return Batteries(
        replace(parts[0][0], **{f: joined(f) for f in fields}), torch.tensor(wear, dtype=torch.float64), agent_of,
        _still(state.view, core),
    )  # fmt: skip


def _still(view: View, core: Core) -> View:
    """The first view, with nothing where cars are and in what moves."""
    cars = core.scenario.kind_slices.get(_CARS, slice(0, 0))

    def without(name: str) -> Tensor:
        x = getattr(view, name).clone() if name in ("capacity_kwh", "power_kw") else torch.zeros_like(view.firm_kw)
        x[:, cars] = 0.0
        return x

    return replace(view, **{name: without(name) for name in _MOVING})


def first_energy(core: Core, state: State) -> Tensor:
    """[n_envs, n_devices] stored in batteries as the episodes begin."""
    named = zip(present(core), state.devices, strict=True)
    none = torch.zeros((core.n_envs, 0), dtype=torch.float64)
    return torch.cat([none, *(d.energy_kwh.reshape(core.n_envs, -1) for name, d in named if name != _CARS)], dim=1)


def look(
    batteries: Batteries, energy_kwh: Tensor, cars: View | None, columns: slice, firm_kw: Tensor, left_h: float,
    step_h: float,
) -> tuple[View, Tensor, Tensor]:  # fmt: skip
    """Give the view of all agents, and what each battery can release and draw, [n_envs, n_devices]."""
    low_kw, high_kw = limits_kw(energy_kwh, batteries.storage, step_h)
    low, high, stored = (torch.stack([low_kw, high_kw, energy_kwh]) @ batteries.agent_of).unbind(0)
    still = batteries.still
    view = replace(
        still, firm_kw=firm_kw, low_kw=low, high_kw=high, stored_kwh=stored, room_kwh=still.capacity_kwh - stored,
        left_h=still.left_h + left_h,
    )  # fmt: skip
    if cars is None:
        return view, low_kw, high_kw
    before, after = slice(0, columns.start), slice(columns.stop, None)
    moving = torch.stack([getattr(view, name) for name in _MOVING])
    of_cars = torch.stack([getattr(cars, name) for name in _MOVING])
    moving = torch.cat([moving[:, :, before], of_cars, moving[:, :, after]], dim=2)
    active = torch.cat([view.is_active[:, before], cars.is_active, view.is_active[:, after]], dim=1)
    return replace(view, is_active=active, **dict(zip(_MOVING, moving.unbind(0), strict=True))), low_kw, high_kw


def share_kw(batteries: Batteries, fill_kw: Tensor, view: View, low_kw: Tensor, high_kw: Tensor) -> Tensor:
    """[n_envs, n_devices] what an agent was filled in proportion to what its batteries can do."""
    draws = fill_kw.clamp(min=0) / view.high_kw.clamp(min=1e-12)
    gives = fill_kw.clamp(max=0) / view.low_kw.clamp(max=-1e-12)
    draw_share, give_share = (torch.stack([draws, gives]) @ batteries.agent_of.T).unbind(0)
    return draw_share * high_kw + give_share * low_kw


def move(batteries: Batteries, energy_kwh: Tensor, power_kw: Tensor, step_h: float) -> tuple[Tensor, Tensor]:
    """Move the batteries' energy; give what is stored afterwards and the wear, [n_envs]."""
    after, _ = move_kwh(energy_kwh, power_kw, batteries.storage, step_h)
    return after, (-power_kw).clamp(min=0) @ batteries.wear * step_h


def wear_of_agents(batteries: Batteries, power_kw: Tensor, step_h: float) -> Tensor:
    """[n_envs, n_agents] wear of what batteries give."""
    worn: Tensor = ((-power_kw).clamp(min=0) * batteries.wear) @ batteries.agent_of * step_h
    return worn


def drive_on(
    drawn_kw: Tensor, view: View, device: Any, params: Any, now: Now, unserved_cur_per_kwh: float
) -> tuple[Any, Tensor]:
    """Move the cars' energy; give them afterwards and what it cost beside bills, [n_envs, n_cars]."""
    config, step_h, car = params.config, now.series.step_h, car_of(params.visits, device.visit)
    after, _ = move_kwh(device.energy_kwh, drawn_kw, car_storage(config, car.capacity_kwh, car.charge_kw), step_h)
    leaves = ((now.t + 1)[:, None] == car.depart) & view.is_active
    short = (car.required_kwh - after) * leaves
    short = short * (short > _METER_KWH)
    cost = unserved_cur_per_kwh * short + config.wear_cur_per_kwh * step_h * (-drawn_kw).clamp(min=0)
    if config.short_cur_per_kwh2:
        cost = cost + config.short_cur_per_kwh2 * short**2
    visit, arrival = device.visit, device.arrival_kwh
    if visit is not None:
        after, visit, goes, public = drive(params.visits, visit, after, leaves, config.trip_floor_frac)
        cost = cost + config.public_cur_per_kwh * public
        arrival = None if arrival is None else torch.where(goes, after, arrival)
    return replace(device, energy_kwh=after, visit=visit, arrival_kwh=arrival), cost
