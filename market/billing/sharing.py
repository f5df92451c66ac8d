"""How a community parts what it generates among its members, before any price.

``dynamic`` parts it by what each draws; ``static`` by fixed keys, and what a member cannot use is fed in;
``static_repeated`` offers that again to those who still draw, by their keys, until nothing is left or nobody draws;
``hybrid`` parts it by what they still draw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.market.design import Sharing

Floats = NDArray[np.float64]

_KEY_SUM = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """What was shared, in units of ``unit_min``."""

    used_kwh: Floats  # [n_members, n_units] that members drew from the community
    given_kwh: Floats  # [n_members, n_units] that members gave to it
    fed_in_kwh: Floats  # [n_units] that nobody used


def share(sharing: Sharing, drawn_kwh: Floats, generated_kwh: Floats, keys: Floats | None = None) -> Shared:
    """Part generation among members, unit by unit.

    Args:
        sharing: by which key.
        drawn_kwh: [n_members, n_units] what members draw in each unit.
        generated_kwh: [n_members, n_units] what they generate for all, or [n_units] of a common plant.
        keys: [n_members] fixed shares, up to 1 together, for static keys.

    A common plant's ``given_kwh`` is [1, n_units].
    """
    plant = np.atleast_2d(generated_kwh)
    total = plant.sum(axis=0)
    if sharing.key in ("static", "static_repeated"):
        used = _static(drawn_kwh, total, _checked(keys, len(drawn_kwh)), sharing.key == "static_repeated")
    elif sharing.key == "hybrid":
        used = _static(drawn_kwh, total, _checked(keys, len(drawn_kwh)), repeated=False)
        used = used + _dynamic(drawn_kwh - used, total - used.sum(axis=0))
    elif sharing.key == "dynamic":
        used = _dynamic(drawn_kwh, total)
    else:
        raise ValueError("sharing.key: expected static, static_repeated, hybrid or dynamic; markets part by orders")
    frac = np.divide(used.sum(axis=0), total, out=np.zeros(total.shape), where=total > 0)
    return Shared(used, plant * frac, total - used.sum(axis=0))


def _checked(keys: Floats | None, n: int) -> Floats:
    if keys is None:
        raise ValueError("keys: a static key needs a share for each member, got none")
    keys = np.asarray(keys, np.float64)
    if keys.shape != (n,) or not np.isfinite(keys).all() or (keys < 0).any() or keys.sum() > 1 + _KEY_SUM:
        raise ValueError(f"keys: expected {n} shares of at least 0 that sum to at most 1, got {keys.tolist()}")
    return keys


def _dynamic(drawn_kwh: Floats, total_kwh: Floats) -> Floats:
    """[n_members, n_units] in proportion to what each draws."""
    demand = drawn_kwh.sum(axis=0)
    frac = np.divide(np.minimum(total_kwh, demand), demand, out=np.zeros(demand.shape), where=demand > 0)
    found: Floats = drawn_kwh * frac
    return found


def _static(drawn_kwh: Floats, total_kwh: Floats, keys: Floats, repeated: bool) -> Floats:
    """[n_members, n_units]; each further round fills at least one member or parts all that is left."""
    used = np.minimum(drawn_kwh, keys[:, None] * total_kwh)
    for _ in range(len(keys) if repeated else 0):
        left = total_kwh - used.sum(axis=0)
        still = keys[:, None] * (used < drawn_kwh)
        weights = still.sum(axis=0)
        offered = still * np.divide(left, weights, out=np.zeros(left.shape), where=weights > 0)
        used = np.minimum(drawn_kwh, used + offered)
    return used


def matched_kwh(injected_kwh: Floats, drawn_kwh: Floats) -> Floats:
    """[n_units] what a community injects and draws at the same time, from [n_members, n_units] of each."""
    found: Floats = np.minimum(injected_kwh.sum(axis=0), drawn_kwh.sum(axis=0))
    return found


def by_unit(kwh: Floats, step_min: int, unit_min: int) -> Floats:
    """Sum rows to units of ``unit_min``, [..., n_rows] -> [..., n_units].

    Raises:
        ValueError: rows are longer than a unit, or leave a part of one.
    """
    if unit_min % step_min or kwh.shape[-1] % (unit_min // step_min):
        raise ValueError(
            f"sharing is counted by {unit_min} min: expected rows that make up whole units, got "
            f"{kwh.shape[-1]} rows of {step_min} min"
        )
    found: Floats = kwh.reshape(*kwh.shape[:-1], -1, unit_min // step_min).sum(axis=-1)
    return found
