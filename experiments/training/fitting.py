"""Fitting: parameters that step by Adam over shuffled rows of what was shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gridbazaar.data.arrays import Array

Rows = Mapping[str, Tensor]
"""By name, [n, ...] each."""

_MOST_NORM = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How a fit goes."""

    batch: int  # rows of a step
    rate: float  # falls to nothing along a cosine
    decay: float = 0.0  # of the parameters, times the rate in a step


def fit(
    parameters: Iterable[Tensor], rows: Rows, miss: Callable[[Rows], Tensor], passes: int, order: torch.Generator,
    pace: Pace,
) -> None:  # fmt: skip
    """Make what is missed small.

    Args:
        parameters: stepped in place.
        rows: that it goes over.
        miss: of some of them, a number with gradients.
        passes: how often over all rows.
        order: from which it draws in which order.
        pace: of it.
    """
    held = list(parameters)
    adam = torch.optim.AdamW(held, lr=pace.rate, weight_decay=pace.decay, foreach=False)
    n = len(next(iter(rows.values())))
    parts = math.ceil(n / pace.batch)
    for i in range(passes * parts):
        if i % parts == 0:
            batches = torch.randperm(n, generator=order).chunk(parts)
        fall = 0.5 * (1 + math.cos(math.pi * i / (passes * parts)))
        for group in adam.param_groups:
            group["lr"] = pace.rate * fall
        adam.zero_grad()
        miss({name: x[batches[i % parts]] for name, x in rows.items()}).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(held, _MOST_NORM)
        adam.step()


def rows_of(held: Mapping[str, Array], where: NDArray[np.bool_] | None = None) -> dict[str, Tensor]:
    """Put intervals of all episodes one after the other, 32 bits.

    Args:
        held: [n_steps, n_envs, ...] by name.
        where: [n_steps, n_envs, n_agents] which agents' rows to take; none: intervals of communities.
    """
    taken = {name: x.reshape(-1, *x.shape[2:]) if where is None else x[where] for name, x in held.items()}
    return {name: torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)) for name, x in taken.items()}
