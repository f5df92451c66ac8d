"""The network of a learned policy, over arrays by name; NumPy and torch alike.

One for all kinds: the community's columns pass two layers once an environment, each agent's own row one linear map;
their sum passes a residual layer and one of two heads, for what stays in the community and for cars.
"""

from __future__ import annotations

from collections.abc import Mapping

from gridbazaar.agents.learned.columns import PUBLIC
from gridbazaar.data.arrays import Array, namespace

WIDE, WIDTH, N_OUT = 128, 64, 2

SHAPES = {
    "public_1": (len(PUBLIC), WIDE), "public_1_bias": (WIDE,), "public_2": (WIDE, WIDTH), "public_2_bias": (WIDTH,),
    "own": (-1, WIDTH), "deep": (WIDTH, WIDTH), "deep_bias": (WIDTH,),
    "rest": (WIDTH, N_OUT), "rest_bias": (N_OUT,), "cars": (WIDTH, N_OUT), "cars_bias": (N_OUT,),
}  # fmt: skip
"""Of the arrays, by name; -1 is the number of an agent's columns."""

EAGER, RESERVED = 1.0, -0.1
"""The two eagernesses that it chooses between: filled at any price, or by neighbours alone."""


def respond(weights: Mapping[str, Array], public: Array, own: Array, is_car: Array) -> Array:
    """Give two numbers an agent, [n_envs, n_agents, 2]: power before its tanh, and > 0 for eager.

    Args:
        weights: by the names of ``SHAPES``.
        public: [n_envs, len(PUBLIC)].
        own: [n_envs, n_agents, n].
        is_car: [n_agents, 1] bool.
    """
    xp, w = namespace(public), weights
    each = public[:, None, :]  # a product an environment, so that an episode is the same whatever is played beside it
    wide = xp.tanh(each @ w["public_1"] + w["public_1_bias"])
    community = wide @ w["public_2"] + w["public_2_bias"]
    hidden = xp.tanh(community + own @ w["own"])
    hidden = hidden + xp.tanh(hidden @ w["deep"] + w["deep_bias"])
    rest, cars = (hidden @ w[name] + w[f"{name}_bias"] for name in ("rest", "cars"))
    return xp.where(is_car, cars, rest)


def check(weights: Mapping[str, Array], n_own: int) -> None:
    """Refuse weights that are not of this network.

    Raises:
        ValueError: names the first that differs.
    """
    if missing := sorted(set(SHAPES) ^ set(weights)):
        raise ValueError(f"expected the arrays {', '.join(SHAPES)}; missing or unknown: {', '.join(missing)[:200]}")
    for name, shape in SHAPES.items():
        wanted = tuple(n_own if n < 0 else n for n in shape)
        found = weights[name]
        if tuple(found.shape) != wanted or not bool(namespace(found).isfinite(found).all()):
            raise ValueError(f"{name}: expected finite numbers of shape {wanted}, got {tuple(found.shape)}")
