"""Learned: a policy that was learned by gradient through the model, acting in NumPy alone.

The model knows neither failures nor the operator's calls; where devices fail a rule looks after them, and where VPPs
answer calls a rule answers, as they do for MPC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.dispatch.calls import with_calls
from gridbazaar.agents.dispatch.upkeep import with_upkeep
from gridbazaar.agents.learned import cars, homes
from gridbazaar.agents.learned.ahead import N_ERRORS, Ahead, Known, condense
from gridbazaar.agents.learned.columns import PUBLIC, columns, own_names
from gridbazaar.agents.learned.network import EAGER, KEEN, RESERVED, check, respond_at_home
from gridbazaar.agents.plan import View
from gridbazaar.agents.policy import Community, Forecasts, Foresight, Observation, widened
from gridbazaar.data.arrays import Array

HOMES = "prosumer"


@dataclass(frozen=True, slots=True)
class Errors:
    """What forecasts of the community's net were off by, [n_envs] each."""

    expected_kw: NDArray[np.float64]  # of the interval to come, a day ahead; NaN before the first
    by_weight_kw: NDArray[np.float64]  # [n_envs, N_ERRORS]


def no_errors(n_envs: int) -> Errors:
    """Give what is remembered as an episode begins."""
    return Errors(np.full(n_envs, np.nan), np.zeros((n_envs, N_ERRORS)))


def remember(errors: Errors, net_kw: Array, next_kw: Array) -> Errors:
    """Go on by an interval.

    Args:
        errors: before it.
        net_kw: [n_envs] expected now.
        next_kw: [n_envs] expected of the next one.
    """
    off = net_kw - errors.expected_kw
    off = np.where(np.isfinite(off), off, 0.0)
    weights = np.array([1.0, 1 / 4, 1 / 16])
    mean = errors.by_weight_kw + weights * (off[:, None] - errors.by_weight_kw)
    return Errors(np.asarray(next_kw), mean)


def flags_of(kind_slices: Mapping[str, slice], kinds: Sequence[str]) -> NDArray[np.float64]:
    """[n_agents, n_kinds] 1 for the agent's kind."""
    flags = np.zeros((max(s.stop for s in kind_slices.values()), len(kinds)))
    for kind, agents in kind_slices.items():
        flags[agents, list(kinds).index(kind)] = 1.0
    return flags


@dataclass(frozen=True, slots=True)
class _Memory:
    community: Community
    flags: NDArray[np.float64]
    is_car: NDArray[np.bool_]  # [n_agents, 1]
    errors: Errors | None = None
    was_off: NDArray[np.bool_] | None = None  # [n_envs] the grid above has been away; none: at no time


class Policy:
    """Plays a network.

    Args:
        weights: by the names of ``network.SHAPES``.
        kinds: that it was trained with, in the order of its flags.
        names: of the columns that it was trained on, the community's and an agent's; none: those of this version.
        choices: of homes beside power and eagerness, in the order of their action.
        to_need: cars ask for no more than they need, see ``cars.py``.
        has_outages: it learned where the grid above may be away: it sees whether that is over, and rests meanwhile.

    Raises:
        ValueError: the weights or columns are not those of this version.
    """

    needs_forecasts = True
    needs_foresight = False

    def __init__(
        self, weights: Mapping[str, NDArray[Any]], kinds: Sequence[str], names: Sequence[str] | None = None,
        choices: Sequence[str] = (), *, to_need: bool = False, has_outages: bool = False,
    ) -> None:  # fmt: skip
        own = own_names(kinds, choices, has_outages)
        here = (*PUBLIC, *own, *homes.start_names(choices))
        if names is not None and tuple(names) != here:
            differ = sorted(set(names) ^ set(here)) or ["the same in another order"]
            raise ValueError(f"the policy was trained on other columns ({', '.join(differ)[:200]}); train it anew")
        check(weights, len(own), choices)
        self.weights, self.kinds, self.choices = weights, tuple(kinds), tuple(choices)
        self.to_need, self.has_outages = to_need, has_outages

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        unknown = [kind for kind in community.kind_slices if kind not in self.kinds]
        if unknown:
            raise ValueError(
                f"the policy was trained with {', '.join(self.kinds)}, not with {', '.join(unknown)}; train it anew"
            )
        self._check_homes(community)
        is_car = np.zeros((len(community.agents), 1), bool)
        is_car[community.kind_slices.get("ev", slice(0, 0))] = True
        return _Memory(community, flags_of(community.kind_slices, self.kinds), is_car)

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        ahead, view = observation.forecasts, observation.view
        assert ahead is not None
        errors = memory.errors or no_errors(len(view.firm_kw))
        expected = ahead.net_kw.sum(1)
        errors = remember(errors, expected[:, 0], expected[:, min(1, expected.shape[1] - 1)])
        condensed = condense(_known(ahead, expected, view, errors))
        is_off, memory = self._noticed(observation, replace(memory, errors=errors))
        if is_off is not None:
            condensed = replace(condensed, outage_is_over=1.0 * (memory.was_off & ~is_off))
        action = self._action(condensed, observation, memory)
        if is_off is not None:
            action[..., 0] *= ~is_off[:, None]  # an island asks of devices what it needs
        action = with_upkeep(action, observation, memory.community)  # it learned where nothing fails
        action = with_calls(action, observation, memory.community)  # and where nobody calls
        return action, memory

    def _noticed(self, observation: Observation, memory: _Memory) -> tuple[NDArray[np.bool_] | None, _Memory]:
        """[n_envs] whether the grid above is away now, and what is remembered of it; none where it looks at neither."""
        if not self.has_outages:
            return None, memory
        is_off = observation.features[:, 0, memory.community.features.index("island")] > 0.5
        return is_off, replace(memory, was_off=is_off if memory.was_off is None else memory.was_off | is_off)

    def _action(self, ahead: Ahead, observation: Observation, memory: _Memory) -> Array:
        """[n_envs, n_agents, n] power, eagerness and what homes choose beside."""
        community, view, at_home, starts = memory.community, observation.view, None, None
        place = community.kind_slices.get(HOMES, slice(0, 0)) if self.choices else slice(0, 0)
        if self.choices:
            config = community.configs[HOMES]
            features = np.asarray(observation.features[:, place], np.float64)
            seen = {name: features[..., community.features.index(name)] for name in homes.seen_of(config)}
            at_home, starts = homes.columns(seen, ahead, view.firm_kw[:, place], config, community.step_h)
        public, own = columns(ahead, view, memory.flags, community.step_h, at_home, place)
        public, own = public.astype(np.float32), own.astype(np.float32)
        starts = None if starts is None else starts.astype(np.float32)
        answer, more, lean = self.respond(public, own, memory.is_car, place, starts)
        power = np.tanh(answer[..., 0].astype(np.float64))
        is_eager, most = answer[..., 1] > 0, np.where(answer[..., 2:].sum(-1) > 0, KEEN, EAGER)
        if self.to_need:
            is_car, asked_kw = memory.is_car[:, 0], cars.ask(power, view, community.step_h).kw
            power, is_eager = np.where(is_car, cars.served(asked_kw, is_car, ahead, view), power), is_eager | is_car
            most = np.where(is_car, EAGER, most)
        action = np.stack([power, np.where(is_eager, most, RESERVED)], axis=-1)
        if not self.choices:
            return action
        action = widened(action, community.n_actions).copy()
        chosen = homes.choose(self.choices, more, lean)
        for name, values in chosen.items():
            action[:, place, community.actions[HOMES].index(name)] = values
        return action

    def respond(
        self, public: Array, own: Array, is_car: NDArray[np.bool_], place: slice, starts: Array | None
    ) -> tuple[Array, Array | None, Array | None]:
        """Ask the network; arguments and what it gives as of ``respond_at_home``."""
        return respond_at_home(self.weights, public, own, is_car, place, starts)

    def _check_homes(self, community: Community) -> None:
        """Refuse homes that choose other things than those that it was trained with, or that do not observe them."""
        if not self.choices:
            return
        here = [name for name in community.actions.get(HOMES, ()) if name in homes.CHOICES]
        if here != list(self.choices):
            raise ValueError(
                f"the policy was trained with homes that choose {', '.join(self.choices)}, here they choose "
                f"{', '.join(here) or 'nothing of that'}; train it anew"
            )
        if missing := [x for x in homes.seen_of(community.configs[HOMES]) if x not in community.features]:
            raise ValueError(f"the policy looks at {', '.join(missing)}; name them in observe.columns, too")


def _known(ahead: Forecasts, net_kw: Array, view: View, errors: Errors) -> Known:
    return Known(
        retail=ahead.retail_cur_per_kwh, export=ahead.export_cur_per_kwh, local=ahead.local_charge_cur_per_kwh,
        net_kw=net_kw, inside=ahead.inside, cap_kw=ahead.import_cap_kw, end_value=ahead.end_value_cur_per_kwh,
        power_kw=(view.power_kw * view.is_stationary).sum(1), errors_kw=errors.by_weight_kw, step_h=ahead.step_h,
        n_agents=view.firm_kw.shape[1],
    )  # fmt: skip
