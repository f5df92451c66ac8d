"""By hand: customers whose devices no policy steers, beside others whose devices follow one."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.kind import encode
from gridbazaar.agents.policies.idle import charge_on_arrival_kw
from gridbazaar.agents.policy import Community, Foresight, Observation, Policy, widened
from gridbazaar.data.arrays import Array


def beside_by_hand(policy: Policy, community: Community) -> Policy:
    """Give the policy, beside the plain rule where customers have no automation."""
    return ByHand(policy) if community.by_hand else policy


class ByHand:
    """Lets devices of customers without automation follow the plain rule, whatever the policy says.

    Args:
        policy: of everybody else.

    Cars charge on arrival, at full power and any price. Batteries follow the meter of their own customer: they store
    what it would send and serve what it would draw. All else is left alone. So a battery with nobody behind its meter
    rests, and so does a VPP.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.needs_forecasts, self.needs_foresight = policy.needs_forecasts, policy.needs_foresight

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        lead = np.array(community.lead or range(len(community.agents)))
        is_by_hand = np.zeros(len(lead), np.bool_)
        is_by_hand[list(community.by_hand)] = True
        return community, lead[:, None] == lead[None, :], is_by_hand, self.policy.start(community, rng, episode)

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        community, same, is_by_hand, held = memory
        chosen, held = self.policy.act(observation, held)
        plain = widened(_plain(observation, community, same), community.n_actions)
        action = np.where(is_by_hand[:, None], plain, widened(np.asarray(chosen), community.n_actions))
        return action, (community, same, is_by_hand, held)


def _plain(observation: Observation, community: Community, same: Array) -> Array:
    """Give the plain rule's actions; ``same`` [n_agents, n_agents] says who is one customer."""
    view, whole = observation.view, same.astype(np.float64)
    wish_kw = charge_on_arrival_kw(view, community.step_h) * ~view.is_stationary
    wish_kw = np.where((wish_kw < view.min_kw) & (view.firm_kw <= 0), 0.0, wish_kw)  # too little for a charger
    left_kw = (view.firm_kw + wish_kw) @ whole
    low_kw, high_kw = (np.where(view.is_stationary, x, 0.0) for x in (view.low_kw, view.high_kw))
    release = np.minimum(np.maximum(left_kw, 0.0) / np.maximum(-low_kw @ whole, 1e-9), 1.0)
    take = np.minimum(np.maximum(-left_kw, 0.0) / np.maximum(high_kw @ whole, 1e-9), 1.0)
    wish_kw = np.where(view.is_stationary, np.where(left_kw > 0, release * low_kw, take * high_kw), wish_kw)
    return encode(wish_kw, np.ones_like(wish_kw), view)
