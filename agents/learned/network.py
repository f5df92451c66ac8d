"""The network of a learned policy, over arrays by name; NumPy and torch alike.

One for all kinds: the community's columns pass two layers once an environment, each agent's own row one linear map;
their sum passes a residual layer and one of two heads, for what stays in the community and for cars. Homes that choose
more have a third; whether an appliance starts is a linear map of its own columns and the community's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gridbazaar.agents.learned.columns import PUBLIC
from gridbazaar.agents.learned.homes import START, start_names
from gridbazaar.data.arrays import Array, namespace

WIDE, WIDTH, N_OUT = 128, 64, 2  # with keen orders a third number

SHAPES = {
    "public_1": (len(PUBLIC), WIDE), "public_1_bias": (WIDE,), "public_2": (WIDE, WIDTH), "public_2_bias": (WIDTH,),
    "own": (-1, WIDTH), "deep": (WIDTH, WIDTH), "deep_bias": (WIDTH,),
    "rest": (WIDTH, N_OUT), "rest_bias": (N_OUT,), "cars": (WIDTH, N_OUT), "cars_bias": (N_OUT,),
}  # fmt: skip
"""Of the arrays that every network has, by name; -1 is the number of an agent's columns."""

EAGER, KEEN, RESERVED = 1.0, 0.99, -0.1
"""The eagernesses that it chooses between: filled at any price, by the retailer within its cap, or by neighbours alone.

Only some networks know the second: their orders fill a connection and do not pass its cap. Its rent is then what they
bid, just below scarcity.
"""


def shapes_of(n_own: int, choices: Sequence[str] = (), *, keen: bool = False) -> dict[str, tuple[int, ...]]:
    """Give the shapes of the arrays, by name.

    Args:
        n_own: columns of an agent.
        choices: of homes beside power and eagerness; each has a number, and the start of an appliance a map of its own.
        keen: it knows keen orders.
    """
    shapes = {name: tuple(n_own if n < 0 else n for n in shape) for name, shape in SHAPES.items()}
    if keen:
        for name in ("rest", "cars"):
            shapes |= {name: (WIDTH, N_OUT + 1), f"{name}_bias": (N_OUT + 1,)}
    if n := len([name for name in choices if name != START]):
        shapes |= {"homes": (WIDTH, n), "homes_bias": (n,)}
    if n := len(start_names(choices)):
        shapes |= {"starts": (n, 1), "starts_community": (WIDTH, 1), "starts_bias": (1,)}
    return shapes


def respond(weights: Mapping[str, Array], public: Array, own: Array, is_car: Array) -> Array:
    """Give two or three numbers an agent, [n_envs, n_agents, n]: power before its tanh, > 0 for eager, > 0 for keen.

    Args:
        weights: by the names of ``shapes_of``.
        public: [n_envs, len(PUBLIC)].
        own: [n_envs, n_agents, n].
        is_car: [n_agents, 1] bool.
    """
    return _answer(weights, _think(weights, public, own)[1], is_car)


def respond_at_home(
    weights: Mapping[str, Array], public: Array, own: Array, is_car: Array, place: slice, starts: Array | None
) -> tuple[Array, Array | None, Array | None]:
    """Give what ``respond`` does, and the further numbers of homes before their tanh, [n_envs, n_homes, n].

    Args:
        weights, public, own, is_car: as of ``respond``.
        place: columns of the homes among the agents.
        starts: [n_envs, n_homes, n] that starts are decided on; none: there are none.

    Returns:
        The numbers of all agents, those of homes, and [n_envs, n_homes] > 0 where an appliance starts.
    """
    community, hidden = _think(weights, public, own)
    more = hidden[:, place] @ weights["homes"] + weights["homes_bias"] if "homes" in weights else None
    lean = None
    if starts is not None:
        lean = (starts @ weights["starts"] + community @ weights["starts_community"] + weights["starts_bias"])[..., 0]
    return _answer(weights, hidden, is_car), more, lean


def _think(weights: Mapping[str, Array], public: Array, own: Array) -> tuple[Array, Array]:
    """[n_envs, 1, WIDTH] of the community, and [n_envs, n_agents, WIDTH] of each agent."""
    xp, w = namespace(public), weights
    each = public[:, None, :]  # a product an environment, so that an episode is the same whatever is played beside it
    wide = xp.tanh(each @ w["public_1"] + w["public_1_bias"])
    community = wide @ w["public_2"] + w["public_2_bias"]
    hidden = xp.tanh(community + own @ w["own"])
    return community, hidden + xp.tanh(hidden @ w["deep"] + w["deep_bias"])


def _answer(weights: Mapping[str, Array], hidden: Array, is_car: Array) -> Array:
    rest, cars = (hidden @ weights[name] + weights[f"{name}_bias"] for name in ("rest", "cars"))
    return namespace(hidden).where(is_car, cars, rest)


def knows_keen(weights: Mapping[str, Array]) -> bool:
    """Say whether a network chooses keen orders, too."""
    return "rest" in weights and tuple(weights["rest"].shape[-1:]) == (N_OUT + 1,)


def check(weights: Mapping[str, Array], n_own: int, choices: Sequence[str] = ()) -> None:
    """Refuse weights that are not of this network.

    Raises:
        ValueError: names the first that differs.
    """
    shapes = shapes_of(n_own, choices, keen=knows_keen(weights))
    if missing := sorted(set(shapes) ^ set(weights)):
        raise ValueError(f"expected the arrays {', '.join(shapes)}; missing or unknown: {', '.join(missing)[:200]}")
    for name, wanted in shapes.items():
        found = weights[name]
        if tuple(found.shape) != wanted or not bool(namespace(found).isfinite(found).all()):
            raise ValueError(f"{name}: expected finite numbers of shape {wanted}, got {tuple(found.shape)}")
