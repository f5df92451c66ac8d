"""Episodes: a batch of them as tensors, with all that no action moves made beforehand.

Future bids and stays serve only the playing: what a policy sees of an interval is condensed from what is known then.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gridbazaar.agents.kind import Now
from gridbazaar.agents.learned.ahead import Ahead, Known, condense
from gridbazaar.agents.learned.policy import Errors, no_errors, remember
from gridbazaar.data.trees import mapped
from gridbazaar.data.units import MICRO, from_micro
from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.rates import retail_at
from gridbazaar.envs.state import State
from gridbazaar.experiments.training.gradient import homes

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prices:
    """Currency per kWh, [n_envs, n_steps] each."""

    bought: torch.Tensor  # of the retailer, with all charges
    sold: torch.Tensor  # to the retailer
    local: torch.Tensor  # charges on a kWh bought from a neighbour


@dataclass(frozen=True, slots=True)
class Episodes:
    """What is drawn, and what follows from it alone."""

    state: State  # as the episodes begin, tensors
    prices: Prices
    import_cap_kw: torch.Tensor  # [n_envs]
    export_cap_kw: torch.Tensor
    end_value: torch.Tensor
    load_kw: tuple[torch.Tensor, ...]  # [n_envs, n_agents] of each interval, as the meters will show
    pv_kw: tuple[torch.Tensor, ...]
    firm_kw: tuple[torch.Tensor, ...]  # what homes are expected to draw, as the interval begins
    sun_kw: tuple[torch.Tensor, ...]  # that is expected of PV which may be withheld
    begin_cur: torch.Tensor  # [n_envs] worth of what is stored as they begin
    standing_cur: torch.Tensor  # [n_envs] charges that nothing moves
    ahead: tuple[Ahead, ...]  # of each interval, tensors of 64 bits; empty where ``known`` has to be condensed anew
    known: Known | None = None  # where what homes must draw now depends on what was done: all but that, in NumPy

    def ahead_of(self, i: int, firm_kw: torch.Tensor, errors: Errors) -> tuple[Ahead, Errors]:
        """Give what is known in an interval, and the forecast errors noticed until then.

        Args:
            i: number of the interval.
            firm_kw: [n_envs, n_agents] of homes, expected now.
            errors: noticed before.
        """
        if self.known is None:
            return self.ahead[i], errors
        n_envs = len(firm_kw)
        rows = slice(i * n_envs, (i + 1) * n_envs)
        known = mapped(self.known, lambda x: x[rows])
        net_kw = known.net_kw.copy()
        net_kw[:, 0] = firm_kw.detach().numpy().sum(1)
        errors = remember(errors, net_kw[:, 0], net_kw[:, min(1, net_kw.shape[1] - 1)])
        found = condense(replace(known, net_kw=net_kw, errors_kw=errors.by_weight_kw))
        return mapped(found, _tensor), errors


def draw(core: Core, seeds: NDArray[np.int64], split: str) -> Episodes:
    """Draw episodes and prepare them; the core is of NumPy, what comes out are tensors."""
    state = core.reset(seeds, split=split)
    world, episode, t = core.world, state.episode, np.arange(core.n_steps)
    steps = episode.start[:, None] + t
    load_kw, pv_kw, firm_kw, sun_kw, outlook_kw = _must_serve(core, state, steps)
    known = _known(core, state, steps, firm_kw, outlook_kw)
    is_moved = homes.have_more(core.scenario)
    rates = world.rates
    local = from_micro((rates.local_network + rates.local_tax)[steps])
    prices = Prices(*map(_tensor, (_bought(core, state, steps), from_micro(rates.export[steps]), local)))
    fixed_ucur = world.fixed_ucur[episode.start + core.n_steps] - world.fixed_ucur[episode.start]
    return Episodes(
        state=mapped(state, _tensor), prices=prices, import_cap_kw=_tensor(episode.import_cap_kw),
        export_cap_kw=_tensor(episode.export_cap_kw), end_value=_tensor(episode.end_value_cur_per_kwh),
        load_kw=_steps(load_kw), pv_kw=_steps(pv_kw), firm_kw=_steps(firm_kw), sun_kw=_steps(sun_kw),
        begin_cur=_tensor(core.stored_value_cur(state).sum(1)),
        standing_cur=_tensor(fixed_ucur * world.connections.sum() / MICRO),
        ahead=() if is_moved else _by_step(condense(known), core.n_steps), known=known if is_moved else None,
    )  # fmt: skip


def _tensor(x: Any) -> Any:
    return torch.from_numpy(np.ascontiguousarray(x)) if isinstance(x, np.ndarray) else x


def _steps(x: Floats) -> tuple[torch.Tensor, ...]:
    return tuple(_tensor(x.transpose(2, 0, 1)).unbind(0))


def _bought(core: Core, state: State, steps: NDArray[np.int64]) -> Floats:
    rates = core.world.rates
    price: Floats = from_micro((rates.energy + rates.network + rates.tax)[steps])
    return price


def _must_serve(core: Core, state: State, steps: NDArray[np.int64]) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Load and PV as they will be, net and PV expected an interval ahead, and the net expected a day ahead.

    [n_envs, n_agents, n_steps] each; rooms, tanks and appliances count in what is expected a day ahead alone. PV is
    expected where it may be withheld.
    """
    world, episode = core.world, state.episode
    load_kw, pv_kw, firm_kw, sun_kw, outlook_kw = np.zeros((5, core.n_envs, core.n_agents, core.n_steps))
    for kind, columns, params, device in zip(world.kinds, world.slices, episode.params, state.devices, strict=True):
        if kind.must_serve is None:
            continue
        alone, battery = homes.bare(params, device)
        for t in range(core.n_steps):
            now = Now(world.series, steps[:, t], np.full(core.n_envs, t))
            load_kw[:, columns, t], pv_kw[:, columns, t] = kind.must_serve.real_kw(alone, world.series, steps[:, t])
            load, pv = kind.must_serve.outlook_kw(params, world.series, steps[:, t])
            outlook_kw[:, columns, t] = load - pv
            view = kind.view(battery, alone, now)
            firm_kw[:, columns, t] = view.firm_kw
            if view.more is not None:
                sun_kw[:, columns, t] = view.more.pv_kw
    return load_kw, pv_kw, firm_kw, sun_kw, outlook_kw


def _known(core: Core, state: State, steps: NDArray[np.int64], firm_kw: Floats, outlook_kw: Floats) -> Known:
    """What forecasts tell in every interval of every episode, one after another: [n_steps * n_envs, ...]."""
    world, episode, n_steps, horizon = core.world, state.episode, core.n_steps, core.scenario.horizon
    firm, outlook = firm_kw.sum(1), outlook_kw.sum(1)
    errors, found = no_errors(core.n_envs), []
    for t in range(n_steps):
        errors = remember(errors, firm[:, t], outlook[:, min(t + 1, n_steps - 1)])
        found.append(errors.by_weight_kw)
    at = np.arange(n_steps)[:, None] + np.arange(horizon)
    inside, at = at < n_steps, np.minimum(at, n_steps - 1)

    def ahead(x: Floats) -> Floats:
        return x[:, at].transpose(1, 0, 2).reshape(-1, horizon)

    def each(x: Floats) -> Floats:
        return np.tile(x, n_steps)

    net = ahead(outlook)
    net[:, 0] = firm.T.ravel()
    rates = world.rates
    return Known(
        retail=ahead(retail_at(world, episode, steps - episode.start[:, None])),
        export=ahead(from_micro(rates.export[steps])),
        local=ahead(from_micro((rates.local_network + rates.local_tax)[steps])),
        net_kw=net, inside=np.repeat(inside, core.n_envs, axis=0), cap_kw=each(episode.import_cap_kw),
        end_value=each(episode.end_value_cur_per_kwh),
        power_kw=each((state.view.power_kw * state.view.is_stationary).sum(1)),
        errors_kw=np.concatenate(found), step_h=core.scenario.step_h, n_agents=core.n_agents,
    )  # fmt: skip


def _by_step(ahead: Ahead, n_steps: int) -> tuple[Ahead, ...]:
    given = {f.name: getattr(ahead, f.name) for f in fields(ahead)}
    parts = {name: _tensor(x).chunk(n_steps) for name, x in given.items() if x is not None}
    return tuple(Ahead(**{name: part[t] for name, part in parts.items()}) for t in range(n_steps))
