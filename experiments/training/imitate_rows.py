"""Imitation by what stable-baselines3 learns with: an observation a row, and the mean of what the policy does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gridbazaar.agents.network import network_of
from gridbazaar.agents.policies.trained import Policy as Trained
from gridbazaar.agents.policy import Community, Observation
from gridbazaar.data.arrays import Array
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.training.fitting import Pace, Rows, fit, rows_of
from gridbazaar.experiments.training.imitation import Lesson, StartConfig, imitate

_PACE = Pace(batch=256, rate=2e-3)
_OF_VALUE = 0.5


def teach_ppo(model: Any, config: StartConfig, scenario: Scenario, seed: int) -> None:
    """Fit the mean of PPO's policy, and its critic to the returns of what was played meanwhile."""
    policy = model.policy
    inside = policy.mlp_extractor

    def weights() -> dict[str, NDArray[Any]]:
        return {name: x.detach().numpy() for name, x in policy.state_dict().items()}

    fitted = [x for part in (inside, policy.action_net, policy.value_net) for x in part.parameters()]
    learner = RowLearner(
        weights, lambda seen: policy.action_net(inside.forward_actor(seen)), fitted, seed,
        lambda seen: policy.value_net(inside.forward_critic(seen))[:, 0], model.gamma,
    )  # fmt: skip
    imitate(config, scenario, seed, learner)


def teach_sac(model: Any, config: StartConfig, scenario: Scenario, seed: int) -> None:
    """Fit the mean of SAC's actor."""
    actor = model.actor
    fitted = [x for part in (actor.latent_pi, actor.mu) for x in part.parameters()]
    learner = RowLearner(model.acting, lambda seen: torch.tanh(actor.mu(actor.latent_pi(seen))), fitted, seed)
    imitate(config, scenario, seed, learner)


class RowLearner:
    """A policy of stable-baselines3 that is fitted in place.

    Args:
        weights: gives those of the policy by name, as ``network_of`` takes them.
        mean: of observations [n, n_features], with gradients.
        parameters: that ``mean`` and ``value`` depend on.
        value: of observations, [n]; none: it has no critic that can be fitted to returns.
        gamma: by which returns count what comes later.
        seed: of the order in which it goes over what it is shown.
    """

    needs_forecasts = False

    def __init__(
        self,
        weights: Callable[[], Mapping[str, NDArray[Any]]],
        mean: Callable[[Tensor], Tensor],
        parameters: list[Tensor],
        seed: int,
        value: Callable[[Tensor], Tensor] | None = None,
        gamma: float = 1.0,
    ) -> None:
        self.weights, self.mean, self.parameters = weights, mean, parameters
        self.value, self.gamma = value, gamma
        self.order = torch.Generator().manual_seed(seed)

    def start(self, community: Community) -> Any:
        return None

    def act(self, observation: Observation, memory: Any) -> tuple[Mapping[str, Array], Array, Any]:
        action, memory = Trained(network_of(self.weights())).act(observation, memory)
        return {"features": np.array(observation.features, np.float32)}, action, memory

    def fit(self, lesson: Lesson, passes: int) -> None:
        """Go over the rows of agents with a device."""
        fit(self.parameters, _rows(lesson, self.gamma), self._miss, passes, self.order, _PACE)

    def _miss(self, rows: Rows) -> Tensor:
        """By how much its mean does other things than the teacher, and its critic expects other returns than came."""
        off = (self.mean(rows["features"]) - rows["action"]) ** 2
        miss = (off * rows["weight"]).mean()
        if self.value is not None:
            miss = miss + _OF_VALUE * ((self.value(rows["features"]) - rows["returns"]) ** 2).mean()
        return miss


def _rows(lesson: Lesson, gamma: float) -> Rows:
    """Rows of agents with a device; power counts as far as there is some, eagerness as far as it is used."""
    power, decides = lesson.action[..., 0], lesson.decides
    span_kw = np.where(power < 0, lesson.give_kw, lesson.draw_kw)
    widest_kw = np.maximum(lesson.draw_kw, lesson.give_kw)
    scale_kw = float(widest_kw[decides].mean()) if decides.any() else 1.0
    weight = np.broadcast_to(1.0 * decides[..., None], lesson.action.shape).copy()
    weight[..., 0] *= widest_kw / scale_kw
    weight[..., 1] *= np.abs(power) * span_kw / scale_kw
    returns, later = np.empty(lesson.reward.shape), np.zeros(lesson.reward.shape[1:])
    for t in reversed(range(len(returns))):
        later = lesson.reward[t] + gamma * later
        returns[t] = later
    held = {"features": lesson.seen["features"], "action": lesson.action, "weight": weight, "returns": returns}
    return rows_of(held, lesson.has_device)
