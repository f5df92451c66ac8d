"""A trained network as arrays: layers with tanh between them, that map what an agent sees to what it does.

Weights are named as the library that learned them names them: ``action_net`` ends those of PPO, whose mean is clipped;
``mu`` those of SAC, whose mean passes a last tanh. Networks of several kinds have the kind before the name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Weights = Mapping[str, NDArray[np.generic]]
"""By name, as torch's ``state_dict`` of the policy has them."""

OF_KIND = "kinds/"
"""What names of a kind's own weights begin with: ``kinds/ev/mu.bias``."""
_CLIPPED, _SQUASHED = ("mlp_extractor.policy_net", "action_net"), ("latent_pi", "mu")
"""Hidden layers and the last one, of networks whose mean is clipped, and whose mean passes a tanh."""


@dataclass(frozen=True, slots=True)
class Network:
    """The mean of a policy's distribution."""

    hidden: tuple[tuple[Floats, Floats], ...]  # weights [n_in, n_out] and biases [n_out]
    head: tuple[Floats, Floats]
    is_squashed: bool = False  # whether the last layer ends with a tanh

    @property
    def n_features(self) -> int:
        """Columns that it sees."""
        return len((*self.hidden, self.head)[0][0])

    @property
    def n_actions(self) -> int:
        """Components that it gives."""
        return len(self.head[1])

    def __call__(self, rows: Floats) -> Floats:
        """Give the action of each row, [n_rows, n_actions] for [n_rows, n_features]; not clipped."""
        for weight, bias in self.hidden:
            rows = np.tanh(rows @ weight + bias)
        weight, bias = self.head
        mean = rows @ weight + bias
        return np.tanh(mean) if self.is_squashed else mean


def network_of(weights: Weights) -> Network:
    """Make the network of a policy's weights.

    Raises:
        ValueError: they are not those of such a network.
    """
    is_squashed = any(name.startswith(_SQUASHED) for name in weights)
    deep, last = _SQUASHED if is_squashed else _CLIPPED
    found = (re.fullmatch(re.escape(deep) + r"\.(\d+)\.weight", name) for name in weights)
    numbers = sorted(int(match[1]) for match in found if match)
    hidden = tuple(_layer(weights, f"{deep}.{number}") for number in numbers)
    head = _layer(weights, last)
    widths = [layer[0].shape for layer in (*hidden, head)]
    if any(before[1] != after[0] for before, after in pairwise(widths)):
        raise ValueError(f"expected layers that fit to each other, got {widths}")
    return Network(hidden, head, is_squashed)


def networks_of(weights: Weights) -> dict[str, Network]:
    """Make the network of each kind, by its name; empty where one network acts for all kinds.

    Raises:
        ValueError: as of ``network_of``.
    """
    by_kind: dict[str, dict[str, NDArray[np.generic]]] = {}
    for name, x in weights.items():
        kind, _, of = name.removeprefix(OF_KIND).partition("/")
        if name.startswith(OF_KIND):
            by_kind.setdefault(kind, {})[of] = x
    return {kind: network_of(held) for kind, held in by_kind.items()}


def _layer(weights: Weights, name: str) -> tuple[Floats, Floats]:
    found = [weights.get(f"{name}.{part}") for part in ("weight", "bias")]
    weight, bias = found
    if weight is None or bias is None:
        raise ValueError(f"expected the layer {name}, got {', '.join(weights)[:200] or 'nothing'}")
    if weight.dtype != np.float32 or bias.dtype != np.float32 or weight.ndim != 2 or weight.shape[:1] != bias.shape:
        raise ValueError(f"{name}: expected 32-bit weights [n_out, n_in] and biases [n_out], got {weight.shape}")
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ValueError(f"{name}: expected finite weights")
    return np.ascontiguousarray(weight.T, np.float32), np.asarray(bias, np.float32)
