"""The contract of a policy, and what it sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.excess import Excess
from gridbazaar.agents.peaks import MonthPeak
from gridbazaar.agents.plan import Called, View
from gridbazaar.data.arrays import Array
from gridbazaar.data.chance import uniform


@dataclass(frozen=True, slots=True)
class Community:
    """What every policy knows of the community it acts in."""

    agents: tuple[str, ...]
    kind_slices: Mapping[str, slice]
    step_h: float
    n_steps: int
    n_actions: int  # components of the widest kind's action
    actions: Mapping[str, tuple[str, ...]]  # names of the components, a kind
    features: tuple[str, ...] = ()  # names of the columns that an observation has
    configs: Mapping[str, Any] = field(default_factory=dict)  # the kinds' tables of the scenario
    kinds: Mapping[str, Any] = field(default_factory=dict)  # the ``Kind`` of each name
    keys: NDArray[np.uint64] | None = None  # [n_envs] of the episodes that begin; none: of no episode in particular
    scenario: str = ""  # its name
    lead: tuple[int, ...] = ()  # of each agent the first one of its customer; empty: every agent is one
    by_hand: tuple[int, ...] = ()  # agents whose customers let no policy steer them
    pays_for_power: bool = False  # whether the tariff charges for peaks

    def chance(self, stream: str) -> NDArray[np.float64]:
        """Draw what a policy needs of chance in the episodes that begin, [n_envs, n_agents, n_steps] in [0, 1).

        Args:
            stream: name of the draw, with the policy's own in front; other names give independent numbers.

        Each number depends on the episode, the stream, the agent's name and the interval alone: not on who else plays,
        nor on which episodes are played beside it.

        Raises:
            ValueError: the community was described without episodes.
        """
        if self.keys is None:
            raise ValueError(f"chance({stream!r}): expected a community with episodes, as of community_of(core, state)")
        keys = self.keys
        return np.stack([uniform(keys, f"{stream}.{agent}", self.n_steps) for agent in self.agents], axis=1)


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What is known or expected for the day ahead, as of now; beyond the episode's end padded with the last value."""

    retail_cur_per_kwh: Array  # [n_envs, horizon] retail price with all charges
    export_cur_per_kwh: Array  # [n_envs, horizon] feed-in price
    local_charge_cur_per_kwh: Array  # [n_envs, horizon] what a buyer pays on a local kWh beside its price
    net_kw: Array  # [n_envs, n_agents, horizon] must-serve load minus PV
    import_cap_kw: Array  # [n_envs] what the connection carries at the tariff
    export_cap_kw: Array  # [n_envs]
    scarcity_cur_per_kwh: float  # beyond either cap
    end_value_cur_per_kwh: Array  # [n_envs] worth of a kWh that could be delivered after the end
    inside: Array  # [n_envs, horizon] bool, before the end of the episode
    step_h: float
    peaks: tuple[MonthPeak, ...] = ()  # charges on power over the steps ahead, a month each; none: there are none
    excess: tuple[Excess, ...] = ()  # energy by the month over the steps ahead; none: prices ask all


@dataclass(frozen=True, slots=True)
class Observation:
    """What policies see."""

    features: Array  # [n_envs, n_agents, n_features] float32 named and bounded by ``envs/observe.py``
    mask: Array  # [n_envs, n_agents] bool, the agent has something to decide now
    view: View  # [n_envs, n_agents] the same in physical units, for policies that think in kW
    forecasts: Forecasts | None = None  # only for policies that ask
    call: Called | None = None  # of the operator on the VPPs, where the scenario has calls
    hour: Array | None = None  # [n_envs] what the local clock shows when the interval begins


@dataclass(frozen=True, slots=True)
class Foresight:
    """The whole episode as it will be, for the optimum alone; [n_envs, n_agents(, n_steps)] unless said."""

    firm_kw: Array  # [n_envs, n_agents, n_steps] load less sun and wind, as the meters will show
    upper_cur_per_kwh: Array  # [n_envs, n_steps] upper edge of the band of local prices
    export_cur_per_kwh: Array  # [n_envs, n_steps]
    local_charge_cur_per_kwh: Array  # [n_envs, n_steps]
    import_cap_kw: Array  # [n_envs, n_steps] beyond which scarcity is due; inf on an island
    export_cap_kw: Array  # [n_envs, n_steps]
    scarcity_cur_per_kwh: float
    end_value_cur_per_kwh: Array  # [n_envs]
    is_plugged: Array  # [n_envs, n_agents, n_steps] bool, there is a device to be used
    charge_kw: Array  # [n_envs, n_agents, n_steps]
    floor_kwh: Array  # [n_envs, n_agents, n_steps]
    ceiling_kwh: Array  # [n_envs, n_agents, n_steps]
    is_kept: Array  # [n_envs, n_agents, n_steps] bool, what was stored before the step still is
    brings_kwh: Array  # [n_envs, n_agents, n_steps] stored by another device; of a kept one < 0, used on its way
    required_kwh: Array  # [n_envs, n_agents, n_steps] of one that leaves at the end of the step; else 0
    unfilled: Array  # [n_envs, n_agents, n_steps] share of the room that full power leaves as it tapers; 0: no taper
    discharge_kw: Array
    eta_ch: Array
    eta_dis: Array
    loss_per_h: Array
    wear_cur_per_kwh: Array
    is_stationary: Array  # bool
    lack_cur_per_kwh: Array  # what a device that leaves costs for each kWh that it lacks; inf: it may lack none
    public_cur_per_kwh: Array  # price at which a device that is away may be charged
    site_kw: Array  # of those that share a limit of what they draw together, the limit; inf: none
    waste_kw: Array  # what storage may lose beyond its best efficiencies, seen from inside
    withheld_ratio: Array  # [n_envs, n_agents, n_steps] what wires may withhold of a sale, over what they let through
    made_good_kw: Array  # [n_envs, n_steps] sales of sun and wind that wires may withhold
    lost_kw: Array  # [n_envs, n_steps] sun and wind that may stay unused
    hold_kw: Array | None = None  # [n_envs, n_agents, n_steps] output that may be held back; none: no turbines
    engine_kw: Array | None = None  # rated output of a genset; none: no gensets
    engine_cur_per_kwh: Array | None = None  # its cheapest fuel of a kWh
    upkeep_cur: Array | None = None  # what no policy can save of failures and maintenance; none: nothing fails
    lead: Array | None = None  # [n_envs, n_agents] int64, first agent of the customer; none: every agent is one
    peaks: tuple[MonthPeak, ...] = ()  # charges on power over all steps, a month each; none: there are none
    excess: tuple[Excess, ...] = ()  # energy by the month over all steps; none: prices ask all
    is_delivered: bool = False  # nobody trades what meters do not deliver


class NoBoundError(ValueError):
    """The scenario has what the optimum's program does not cover, so there is no bound; the text says what."""


class Policy(Protocol):
    """Chooses actions for all agents. Memory is a value of the policy's own."""

    needs_forecasts: bool
    needs_foresight: bool

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        """Begin an episode; give the first memory.

        Args:
            community: where it plays. Its ``chance`` draws by episode and agent, so that an episode is the same
                whatever is played beside it.
            rng: seeded by all episodes of the batch together; its draws differ with what else is played.
            episode: for the optimum alone.
        """
        ...

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        """Give actions in [-1, 1] and the next memory.

        Returns:
            [n_envs, n_agents, n] power, eagerness and as many more components as the policy knows of; the rest is 0.
        """
        ...


def widened(action: Array, n_actions: int) -> Array:
    """Give actions with all their components; those that a policy does not know of are 0."""
    missing = n_actions - action.shape[-1]
    return np.pad(action, ((0, 0), (0, 0), (0, missing))) if missing else action
