"""The homes of the twin: rooms and tanks by the functions that the core calls, appliances, and PV that is withheld.

Only appliances are written anew in floats, since their start is a hard choice, which counts as soft on the way back:
one that starts does not start later, so that the gradient weighs this start against the one that would come.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gridbazaar.agents.devices.home import appliance, household
from gridbazaar.agents.devices.home.part import Part
from gridbazaar.agents.kind import Now
from gridbazaar.agents.kinds import prosumer
from gridbazaar.agents.plan import View
from gridbazaar.envs.scenario import Scenario

_KIND = "prosumer"
_POWER_AND_EAGERNESS = 2
_STARTS_ABOVE = 0.5


def bare(params: Any, device: Any) -> tuple[Any, Any]:
    """Give the same homes with nothing but load, PV and a battery."""
    return replace(params, devices=household.Drawn()), replace(device, inside=None)


def names_of(config: Any) -> tuple[str, ...]:
    """Name what homes choose beside power and eagerness."""
    return tuple(column.name for column in prosumer.actions(config)[_POWER_AND_EAGERNESS:])


def have_more(scenario: Scenario) -> bool:
    """Whether homes must draw now what depends on what was done before."""
    return _KIND in scenario.kind_slices and household.any_of(scenario.agents[_KIND])


@dataclass(frozen=True, slots=True)
class Standing:
    """What homes have beside batteries, as it stands."""

    inside: household.Inside  # rooms and tanks
    waits: Tensor | None = None  # [n_envs, n_homes] 1 where an appliance is loaded and has not started
    begun: tuple[Tensor, ...] = ()  # [n_envs, n_homes] 1 where one started, of the intervals before, the last one first


class Asked(NamedTuple):
    """What homes do in an interval beside their batteries, [n_envs, n_homes]."""

    look: household.Look
    wants: household.Wants
    warmth_kw: Tensor  # flexible, of room and tank
    start_kw: Tensor  # of appliances that are asked to start
    used: Tensor  # share of the PV that is not withheld


class Homes:
    """The homes of a batch of episodes.

    Args:
        params: of the prosumers, as drawn, tensors.
        device: the prosumers as the episodes begin, tensors.
    """

    def __init__(self, params: Any, device: Any) -> None:
        self.config, self._loads = params.config, params.devices.appliance
        self._drawn = replace(params.devices, appliance=None)
        self.names = names_of(params.config)
        self._none = torch.zeros_like(params.capacity_kwh)
        inside = device.inside or household.Inside(None, None, None)
        has = self._loads is not None
        self.first = Standing(replace(inside, started=None), self._none if has else None)

    def look(self, standing: Standing, now: Now) -> tuple[Standing, household.Look]:
        """See what homes must and may do; give them with the appliances that are loaded now, too."""
        look = household.look(standing.inside, self._drawn, self.config, now)
        if standing.waits is None:
            return standing, look
        loads, t, step_h = self._loads, now.t[:, None, None], now.series.step_h
        waits = torch.where((loads.ready == t).any(2), 1.0, standing.waits)
        late = self._is_late(now)
        running = self._none
        for begun, kwh in zip(standing.begun, loads.cycle_kwh[1:], strict=False):
            running = running + begun * kwh
        first_kwh = loads.cycle_kwh[0]
        part = Part((running + first_kwh * waits * late) / step_h, first_kwh / step_h * waits * ~late, self._none)
        return replace(standing, waits=waits), replace(look, appliance=part)

    def _is_late(self, now: Now) -> Tensor:
        late: Tensor = (self._loads.last == now.t[:, None, None]).any(2)
        return late

    def seen(self, standing: Standing, look: household.Look, now: Now) -> Tensor:
        """Give the columns that homes observe, [n_envs, n_homes, n]; an appliance as if it waited in its window.

        When it does not wait, its columns decide nothing; so they say on the way back what a later start would see.
        """
        found = household.features_of(standing.inside, self._drawn, self.config, replace(look, appliance=None), now)
        if look.appliance is not None:
            found += appliance.features(appliance.begin(self._loads), look.appliance, self._loads, now)
        return torch.stack(found, dim=2) if found else self._none[:, :, None][:, :, :0]

    def ask(self, look: household.Look, choice: Tensor) -> Asked:
        """Read what was chosen.

        Args:
            look: of the interval.
            choice: [n_envs, n_homes, n] in the order of ``names``, as an action.
        """
        asked = dict(zip(self.names, choice.unbind(2), strict=True))
        wants = household.wants(look, asked)
        if look.appliance is not None:
            soft = asked["appliance"]
            wants = replace(wants, starts=(soft > _STARTS_ABOVE).to(soft.dtype) + soft - soft.detach())
        used = 1.0 - asked["curtail"].clamp(min=0) if "curtail" in asked else self._none + 1.0
        return Asked(
            look, wants, wants.flexible_kw(self._none), household.start_kw(look, wants, self._none), used
        )  # fmt: skip

    def share_kw(self, total_kw: Tensor, battery_kw: Tensor, asked: Asked, view: View, homes: slice) -> Tensor:
        """[n_envs, n_homes] of what was filled or allowed, what goes to room and tank.

        Args:
            total_kw: of the home's flexible power.
            battery_kw: that the battery wished.
            asked: of the interval.
            view: of all agents; ``homes`` are the columns of these.
        """
        low_kw, high_kw = view.low_kw[:, homes], view.high_kw[:, homes]
        share: Tensor = household.share_kw(total_kw, battery_kw, asked.warmth_kw, low_kw, high_kw)
        return share

    def run(self, standing: Standing, asked: Asked, warmth_kw: Tensor, now: Now) -> tuple[Standing, Tensor]:
        """Let the interval pass; give the homes after it and the discomfort in currency, [n_envs, n_homes]."""
        inside, cost = household.run(
            standing.inside, self._drawn, self.config, asked.look, asked.wants, self._none + 1.0, warmth_kw, now
        )
        if standing.waits is None:
            return Standing(inside), cost
        starts = asked.wants.starts
        assert starts is not None
        begins = standing.waits * torch.where(self._is_late(now), torch.ones_like(starts), starts)
        kept = len(self._loads.cycle_kwh) - 1
        return Standing(inside, standing.waits - begins, (begins, *standing.begun)[:kept]), cost

    def spare_kwh(self, standing: Standing, now: Now) -> Tensor:
        """[n_envs, n_homes] drawn later that stored heat saves."""
        look = household.look(standing.inside, self._drawn, self.config, now)
        spare: Tensor = look.spare_kwh(self._none)
        return spare
