"""What a run of IPPO or MAPPO is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from gridbazaar.data.bounds import CountFromOne, NotNegative, OneOf, Positive, PositiveShare, Share, Within
from gridbazaar.data.tables import check_table

_Few = Annotated[int, Within(1, 100_000)]
ALGOS = ("ippo", "mappo")


@dataclass(frozen=True, slots=True)
class MarlConfig:
    """What a run is; written beside its numbers."""

    scenario: str = "village"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    algo: Annotated[str, OneOf(*ALGOS)] = "ippo"
    steps: Annotated[int, Within(1, 10**12)] = 4_000_000  # agent-steps
    seed: Annotated[int, Within(0, 2**32 - 1)] = 0
    n_envs: _Few = 32
    learning_rate: Positive = 2e-3  # falls linearly to ``last_rate`` of itself
    last_rate: Share = 0.05
    gamma: PositiveShare = 0.995
    gae_lambda: Share = 0.95
    epochs: _Few = 4
    minibatches: _Few = 16
    clip: Positive = 0.2
    entropy: NotNegative = 0.0
    value_weight: Positive = 1.0
    value_loss: Annotated[str, OneOf("l1", "l2", "smooth_l1")] = "smooth_l1"
    most_norm: Positive = 5.0  # of the gradient
    shares_critic: bool = True  # whether the agents of a kind are judged by one critic
    width: _Few = 128
    checkpoint_rollouts: CountFromOne = 20
    validate_rollouts: CountFromOne = 20
    validate_seeds: Annotated[int, Within(0, 100_000)] = 8
    threads: Annotated[int, Within(1, 1024)] = 1

    def __post_init__(self) -> None:
        check_table(self, "")
