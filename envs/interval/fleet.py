"""The fleet: all kinds of a world side by side. What kinds do for their own agents, one call for everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gridbazaar.agents.kind import Column, Meters, Moved, Now
from gridbazaar.agents.plan import Plan, View
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.trees import each
from gridbazaar.envs.episode.world import World
from gridbazaar.envs.state import Flows, State

_T = TypeVar("_T")


class Fleet:
    """The kinds of a world.

    Args:
        world: the world.
        own_columns: what kinds observe of their own.
        narrow: brings arrays that come out of integers in full width back to the physics' own.
    """

    def __init__(self, world: World, own_columns: tuple[Column, ...], narrow: Callable[[Any], Any]) -> None:
        self._world, self._narrow = world, narrow
        self._readers = [
            (i, [own_columns.index(column) for column in features.columns], features.read)
            for i, (kind, config) in enumerate(zip(world.kinds, world.configs, strict=True))
            for features in kind.features(config)
        ]

    def views(self, devices: tuple[Any, ...], params: tuple[Any, ...], now: Now) -> tuple[View, ...]:
        """Look at all devices before the interval."""
        return tuple(k.view(d, p, now) for k, d, p in zip(self._world.kinds, devices, params, strict=True))

    def features(self, state: State, now: Now) -> list[tuple[slice, int, Array]]:
        """Give what kinds observe of their own: whose, which of ``own_columns``, and values [n_envs, n_kind]."""
        found = []
        for i, at, read in self._readers:
            values = read(state.views[i], state.devices[i], state.episode.params[i], now)
            found += [(self._world.slices[i], j, value) for j, value in zip(at, values, strict=True)]
        return found

    def plans(self, action: Array, views: tuple[View, ...]) -> tuple[Plan, ...]:
        """Read actions [n_envs, n_agents, n_actions] in [-1, 1]."""
        world = self._world
        return tuple(k.plan(action[:, s], v) for k, s, v in zip(world.kinds, world.slices, views, strict=True))

    def meters(self, fill_kw: Array, plans: tuple[Plan, ...], state: State, now: Now) -> Meters:
        """Give the power at all meters, [n_envs, n_meters] each, for the flexible power [n_envs, n_agents]."""
        world, xp = self._world, namespace(fill_kw)
        blocks = [
            k.meters(fill_kw[:, s], plan, v, d, p, now)
            for k, s, plan, v, d, p in zip(
                world.kinds, world.slices, plans, state.views, state.devices, state.episode.params, strict=True
            )
        ]
        meters: Meters = each(blocks[0], lambda *parts: xp.concat(parts, axis=1), *blocks[1:])
        return self.narrow(meters)

    def move(self, allowed: Meters, plans: tuple[Plan, ...], state: State, now: Now) -> tuple[tuple[Any, ...], Flows]:
        """Move the energy that the wires allow; give the devices after it and what happened."""
        world = self._world
        moved = [
            k.move(_columns(allowed, m), plan, v, d, p, now)
            for k, m, plan, v, d, p in zip(
                world.kinds, world.meter_slices, plans, state.views, state.devices, state.episode.params, strict=True
            )
        ]
        return tuple(self.narrow(m.device) for m in moved), self._flows(moved, state.view)

    def narrow(self, value: _T) -> _T:
        """Bring arrays of a dataclass back to the width of the physics."""
        narrow: _T = self._narrow(value)
        return narrow

    def _flows(self, moved: list[Moved], view: View) -> Flows:
        xp = namespace(view.firm_kw)
        firm_ukwh = xp.concat([m.firm_ukwh for m in moved], axis=1)
        flexible_ukwh = xp.concat([m.flexible_ukwh for m in moved], axis=1)
        none = xp.zeros_like(view.wear_cur_per_kwh)
        released_kwh = self._own(moved, "released_kwh", none)
        return Flows(
            firm_ukwh=firm_ukwh,
            flexible_ukwh=flexible_ukwh,
            load_kwh=self._own(moved, "load_kwh", none),
            pv_kwh=self._own(moved, "pv_kwh", none),
            loss_kwh=self._own(moved, "loss_kwh", none),
            released_kwh=released_kwh,
            unserved_kwh=self._own(moved, "unserved_kwh", none),
            wear_cur=self._own(moved, "wear_cur", released_kwh * view.wear_cur_per_kwh),
            discomfort_cur=self._own(moved, "discomfort_cur", none),
            upkeep_cur=self._own(moved, "upkeep_cur", none),
            emitted_kg=self._own(moved, "carbon_kg", none),
        )

    def _own(self, moved: list[Moved], name: str, default: Array) -> Array:
        """What kinds say of their own, and ``default`` where they say nothing."""
        own = [getattr(m, name) for m in moved]
        if all(x is None for x in own):
            return default
        blocks = zip(own, self._world.slices, strict=True)
        return namespace(default).concat([default[:, s] if x is None else x for x, s in blocks], axis=1)


def _columns(block: Any, columns: slice) -> Any:
    """Cut a kind's columns out of a dataclass of [n_envs, n] arrays."""
    return each(block, lambda x: x[:, columns])
