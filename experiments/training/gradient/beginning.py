"""With which weights a run by gradient begins: those it draws, or those of another run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from gridbazaar.agents.learned import cars, homes
from gridbazaar.agents.learned.columns import own_names
from gridbazaar.agents.learned.network import N_OUT, knows_keen, shapes_of
from gridbazaar.agents.learned.policy import Policy
from gridbazaar.agents.policies import load_policy

Weights = dict[str, Tensor]

_HEADS = ("rest", "cars")
_LEAN_TO_KEEN = 1.0
"""Of orders at any price when a network that knows no keen ones learns them: they begin as keen."""


def first_weights(n_own: int, seed: int, choices: Sequence[str] = (), *, keen: bool = False) -> Weights:
    """Draw the weights that a run begins with; those of the heads are a tenth, biases 0 but for choices of homes."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, size in shapes_of(n_own, choices, keen=keen).items():
        x = torch.zeros(size)
        if len(size) > 1:
            x = torch.randn(size, generator=generator) / math.sqrt(size[0])
        weights[name] = x * (0.1 if name in (*_HEADS, "homes", "starts", "starts_community") else 1.0)
    if "homes" in weights:
        weights["homes_bias"] = torch.tensor(homes.first_bias(choices))
    if "starts" in weights:
        weights["starts_bias"] += homes.FIRST_START
    return weights


def weights_to_begin(
    run: str, kinds: Sequence[str], seed: int, choices: Sequence[str] = (), *, keen: bool = False,
    to_need: bool = False, has_outages: bool = False,
) -> Weights:  # fmt: skip
    """Give the weights that a run begins with.

    Args:
        run: folder of a run by gradient, or one of its files; empty: weights are drawn.
        kinds: of the scenario.
        seed: of the draw.
        choices: of homes beside power and eagerness.
        keen: it knows keen orders; where the other run does not, its orders at any price begin as keen.
        to_need: cars ask for what they need.
        has_outages: it sees whether an outage is over.

    Raises:
        ValueError: the other run has other kinds, choices or columns, or was not learned by gradient.
    """
    if not run:
        drawn = first_weights(len(own_names(kinds, choices, has_outages)), seed, choices, keen=keen)
        if to_need:
            drawn["cars_bias"][0] = cars.FIRST_BIAS
        return drawn
    held = _of_run(Path(run), kinds, choices, to_need, has_outages)
    if knows_keen(held) and not keen:
        raise ValueError(f"begin_with: {run} knows keen orders; begin with keen = true, too, or with another run")
    if keen and not knows_keen(held):
        held = held | {f"{name}{part}": _widened(held, name, part) for name in _HEADS for part in ("", "_bias")}
    return held


def refuse_inside(run: str, folder: Path) -> None:
    """Refuse a run that lies in the folder of the run that is to begin with it.

    Raises:
        ValueError: it does, and would be replaced.
    """
    if run and folder.resolve() in (Path(run).resolve(), *Path(run).resolve().parents):
        raise ValueError(f"begin_with: {run} lies in {folder}, which would be replaced; give another folder with --out")


def _of_run(run: Path, kinds: Sequence[str], choices: Sequence[str], to_need: bool, has_outages: bool) -> Weights:
    policy = load_policy(str(run))
    if not isinstance(policy, Policy):
        raise ValueError(f"begin_with: expected the folder of a run by gradient; {run} learned in another way")
    for what, here, there in (("kinds", kinds, policy.kinds), ("choices of homes", choices, policy.choices)):
        if tuple(here) != tuple(there):
            raise ValueError(
                f"begin_with: {run} was trained with the {what} {', '.join(there) or 'none'}, the scenario has "
                f"{', '.join(here) or 'none'}; begin with a run of the same ones"
            )
    for what, is_here, is_there in (
        ("to_need", to_need, policy.to_need), ("outages", has_outages, policy.has_outages)
    ):  # fmt: skip
        if is_here != is_there:
            raise ValueError(
                f"begin_with: {run} was trained {'with' if is_there else 'without'} {what}, this run is not so; begin "
                "with a run of the same kind"
            )
    return {name: torch.tensor(x) for name, x in policy.weights.items()}


def _widened(weights: Mapping[str, Tensor], name: str, part: str) -> Tensor:
    x = weights[f"{name}{part}"]
    more = torch.zeros((*x.shape[:-1], 1)) if part == "" else torch.full((1,), _LEAN_TO_KEEN)
    assert x.shape[-1] == N_OUT
    return torch.cat([x, more.to(x.dtype)], dim=-1)
