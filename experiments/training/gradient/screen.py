"""Screen: what the wires of the twin withhold, asked of the core's own wiring only where it may be anything.

A linear estimate of voltages and flows says in a few products that nothing comes near a limit; else the core's wiring
solves the batch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gridbazaar.agents.kind import Meters
from gridbazaar.envs.core import Core
from gridbazaar.experiments.training.gradient import devices
from gridbazaar.market.grid.balanced import Grid

Floats = NDArray[np.float64]

_NEAR_BAND, _NEAR_RATING = 0.85, 0.85
"""Share of the band and of a rating up to which an estimate without losses surely withholds nothing."""


class Screen:
    """Args: ``core``: of NumPy."""

    def __init__(self, core: Core) -> None:
        self.core, world = core, core.world
        feeder, grid = world.grid.feeder, world.grid
        self._is_linear = isinstance(grid, Grid)  # not by phases
        if isinstance(grid, Grid):
            self._of_p, self._of_q = (-x.T for x in grid.sensitivity())
        self._band = _NEAR_BAND * min(feeder.v_max_pu - 1.0, 1.0 - feeder.v_min_pu)
        self._most_kw = _NEAR_RATING * feeder.rating_kva
        self._at_bus, self._behind = world.bus_of_meter, world.behind.T
        self._tan_phi = (1 / core.scenario.power_factor**2 - 1) ** 0.5
        names = devices.present(core)
        self._meters = [m for name, m in zip(names, world.meter_slices, strict=True)]
        self._is_cars = [name == "ev" for name in names]
        self._rows = [i for i, m in zip(self._is_cars, self._meters, strict=True) for _ in range(m.stop - m.start)]

    def keeps(
        self, battery_kw: Floats, car_kw: Floats, load_kw: Floats, pv_kw: Floats
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """Give the shares that are let through of sun, of batteries and of cars; none: all of everything.

        Args:
            battery_kw: [n_envs, n_batteries]; car_kw: [n_envs, n_cars].
            load_kw, pv_kw: [n_envs, n_agents].
        """
        meters = self.at_meters(battery_kw, car_kw, load_kw, pv_kw)
        if self._is_far(meters):
            return None
        wiring = self.core.wiring
        flow = wiring.carry(meters)
        if flow.keep_injection.min() >= 1 and flow.keep_draw.min() >= 1:
            return None
        allowed = wiring.allow(meters, flow, None)
        sun, device = (
            np.where(wanted != 0, kept / np.where(wanted != 0, wanted, 1.0), 1.0)
            for kept, wanted in ((allowed.pv_kw, meters.pv_kw), (allowed.device_kw, meters.device_kw))
        )
        of_cars = np.array(self._rows)
        by_agent = np.ones(load_kw.shape)
        for agents, m in zip(self.core.world.slices, self._meters, strict=True):
            if m.stop - m.start == agents.stop - agents.start:
                by_agent[:, agents] = sun[:, m]
        return tuple(map(torch.from_numpy, (by_agent, device[:, ~of_cars], device[:, of_cars])))  # type: ignore[return-value]

    def at_meters(self, battery_kw: Floats, car_kw: Floats, load_kw: Floats, pv_kw: Floats) -> Meters:
        """Power at the meters of the core; agents with several of them have neither load nor sun."""
        fixed, sun, device = np.zeros((3, len(load_kw), len(self._rows)))
        of_cars = np.array(self._rows)
        device[:, of_cars], device[:, ~of_cars] = car_kw, battery_kw
        for agents, m in zip(self.core.world.slices, self._meters, strict=True):
            if m.stop - m.start == agents.stop - agents.start:
                fixed[:, m], sun[:, m] = load_kw[:, agents], pv_kw[:, agents]
        return Meters(fixed, sun, device)

    def _is_far(self, meters: Meters) -> bool:
        """Whether voltages and flows stay far from every limit."""
        if not self._is_linear:
            return False
        load_kw = meters.fixed_kw @ self._at_bus
        p_kw = load_kw + (meters.device_kw - meters.pv_kw) @ self._at_bus
        drop = p_kw @ self._of_p + load_kw * self._tan_phi @ self._of_q
        if np.abs(drop).max() > self._band:
            return False
        return bool((np.abs(p_kw @ self._behind) <= self._most_kw).all())
