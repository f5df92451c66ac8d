"""What a comparison keeps of the feeder: load and sun of each interval, and all buses when a branch is loaded most."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import Transition

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass
class FeederBook:
    """A batch of episodes, fed one transition at a time. Of intervals that are loaded alike the first is kept."""

    core: Core
    load_kw: Floats = field(init=False)  # [n_steps, n_envs] of all homes
    pv_kw: Floats = field(init=False)  # [n_steps, n_envs] used or fed in
    worst: Ints = field(init=False)  # [n_envs] the interval of the largest loading so far
    loading: Floats = field(init=False)  # [n_envs, n_buses] in it, of the branch that feeds each bus
    voltage_pu: Floats = field(init=False)  # [n_envs, n_buses] in it
    net_kw: Floats = field(init=False)  # [n_envs, n_agents] at the meters in it

    def __post_init__(self) -> None:
        n_steps, n_envs, n_buses = self.core.n_steps, self.core.n_envs, self.core.world.grid.n_buses
        self.load_kw, self.pv_kw = np.zeros((n_steps, n_envs)), np.zeros((n_steps, n_envs))
        self.worst = np.zeros(n_envs, np.int64)
        self.loading, self.voltage_pu = np.full((n_envs, n_buses), -1.0), np.ones((n_envs, n_buses))
        self.net_kw = np.zeros((n_envs, self.core.n_agents))

    def add(self, happened: Transition) -> None:
        """Count one interval; all rows of a batch are at the same one."""
        t, step_h = int(np.asarray(happened.t)[0]), self.core.scenario.step_h
        self.load_kw[t] = np.asarray(happened.devices.load_kwh).sum(axis=1) / step_h
        self.pv_kw[t] = np.asarray(happened.devices.pv_kwh).sum(axis=1) / step_h
        loading = np.asarray(happened.wires.branch_loading)
        more = loading.max(axis=1) > self.loading.max(axis=1)
        self.worst[more] = t
        self.loading[more] = loading[more]
        self.voltage_pu[more] = np.asarray(happened.wires.voltage_pu)[more]
        self.net_kw[more] = np.asarray(happened.delivery.metered_ukwh)[more] / MICRO / step_h

    def part(self, core: Core, rows: slice) -> FeederBook:
        """Give the book of some rows of the batch."""
        found = FeederBook(core)
        found.load_kw, found.pv_kw = self.load_kw[:, rows], self.pv_kw[:, rows]
        found.worst, found.net_kw = self.worst[rows], self.net_kw[rows]
        found.loading, found.voltage_pu = self.loading[rows], self.voltage_pu[rows]
        return found
