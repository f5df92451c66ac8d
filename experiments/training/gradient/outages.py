"""Outages: what the twin does while the grid above is away, by the core's own balance of an island.

Agents rest then, and the balance asks of devices what loads need. What the wires lose is solved by the core's wiring
and counts as given on the way back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from gridbazaar.agents.plan import View
from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.island import balance, runs_alone
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.training.gradient import devices
from gridbazaar.experiments.training.gradient.episodes import Episodes
from gridbazaar.experiments.training.gradient.homes import names_of
from gridbazaar.experiments.training.gradient.screen import Screen

_LOSS_ROUNDS = 2
_NOTICED_KW = 1e-6


_STORE = ("prosumer", "battery", "vpp")
"""Kinds that may keep a reserve."""


def uncovered_of_outages(scenario: Scenario) -> list[str]:
    """Name what the twin does not know of outages."""
    if not scenario.outage.happens:
        return []
    found = ["failures of lines (outage.lines_per_year)"] if scenario.outage.lines_per_year else []
    if scenario.agents["prosumer"].count and names_of(scenario.agents["prosumer"]):
        found.append("outages where homes choose more than power")
    if any(scenario.agents[kind].reserve_frac for kind in _STORE if kind in scenario.agents):
        found.append("reserves that batteries keep for an island (reserve_frac)")
    return found


class Islanded(NamedTuple):
    """What happens where the grid above is away; means nothing in other rows."""

    battery_kw: Tensor  # [n_envs, n_devices]
    car_kw: Tensor  # [n_envs, n_cars] all that cars draw
    cost_cur: Tensor  # [n_envs] of lost load, and charges on what members deliver to each other


class Outages:
    """The outages of a batch of episodes.

    Args:
        core: of NumPy.
        episodes: as drawn.
        screen: puts devices at meters.
    """

    def __init__(self, core: Core, episodes: Episodes, screen: Screen) -> None:
        drawn, world, config = episodes.state.episode.outages, core.world, core.scenario.outage
        assert drawn is not None
        self._drawn, self._screen, self._wiring = drawn, screen, core.wiring
        self._columns, self._step_h = core.scenario.kind_slices.get("ev", slice(0, 0)), core.scenario.step_h
        self._lends = torch.from_numpy(world.lends)
        self._critical = config.critical_share * (~torch.from_numpy(world.firm_is_chosen)).double()
        self._values = config.lost_load_cur_per_kwh, config.critical_cur_per_kwh

    def is_off(self, t: Tensor) -> Tensor:
        """[n_envs] bool, cut off in the intervals ``t``."""
        off: Tensor = (t >= self._drawn.begin) & (t < self._drawn.end)
        return off

    def is_over(self, t: Tensor) -> Tensor:
        """[n_envs] 1 where an island has come and gone; what the dark see not of an outage is not seen here either."""
        over: Tensor = (t >= self._drawn.end) & self._drawn.can_island & (self._drawn.begin < self._drawn.end)
        return over.double()

    def live_on(
        self, load_kw: Tensor, pv_kw: Tensor, view: View, batteries: devices.Batteries, limits: tuple[Tensor, Tensor],
        t: Tensor, local: Tensor,
    ) -> Islanded:  # fmt: skip
        """Let the interval pass as an island.

        Args:
            load_kw, pv_kw: [n_envs, n_agents] at the meters, what cars must charge among the load.
            view: of all agents.
            batteries: and their ``limits`` [n_envs, n_devices], what each can release and draw.
            t: [n_envs] of the interval.
            local: [n_envs, 1] charges on a kWh bought from a neighbour.
        """
        zero, critical_kw, cars = torch.zeros_like(load_kw), load_kw * self._critical, self._columns
        found = balance(load_kw, critical_kw, pv_kw, zero, view, self._lends, zero[:, 0])
        battery_kw = devices.share_kw(batteries, found.device_kw, view, *limits)
        for _ in range(_LOSS_ROUNDS):
            loss_kw = self._losses_kw(battery_kw, found.device_kw[:, cars], found)
            found = balance(load_kw, critical_kw, pv_kw, zero, view, self._lends, loss_kw)
            battery_kw = devices.share_kw(batteries, found.device_kw, view, *limits)
        is_dark = (found.lacking_kw > _NOTICED_KW) | ~runs_alone(self._drawn, t)
        shed_kw = torch.where(is_dark[:, None], load_kw, found.shed_kw)
        shed_critical_kw = torch.where(is_dark[:, None], critical_kw, found.shed_critical_kw)
        ordinary, most = self._values
        cost = (ordinary * shed_kw + (most - ordinary) * shed_critical_kw).sum(1) * self._step_h
        live = (~is_dark).double()[:, None]
        drawn_kw = (found.served_kw - found.pv_kw + found.device_kw).clamp(min=0) * live
        cost = cost + (local * drawn_kw).sum(1) * self._step_h
        return Islanded(battery_kw * live, (found.device_kw + found.served_kw)[:, cars] * live, cost)

    def _losses_kw(self, battery_kw: Tensor, car_kw: Tensor, found: Any) -> Tensor:
        flows = (x.detach().numpy() for x in (battery_kw, car_kw, found.served_kw, found.pv_kw))
        return torch.from_numpy(self._wiring.carry(self._screen.at_meters(*flows)).loss_kw)
