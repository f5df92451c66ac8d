"""Homes of the data as they are: each with its own roof and battery, nothing of them drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bounds import NotNegative
from gridbazaar.data.tables import check_table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Known:
    """What a home of the data has."""

    pv_kwp: NotNegative  # 0: no PV
    battery_kwh: NotNegative  # usable; 0: none

    def __post_init__(self) -> None:
        check_table(self, "prosumer.known")


def known_homes(
    known: tuple[Known, ...], number: Ints, count: int, n_series: tuple[int, int]
) -> tuple[Ints, Floats, Floats]:
    """Give which homes play, and what they have: number, kWp and kWh, [n_envs, count] each.

    Args:
        known: every home of the data, in their order.
        number: [n_envs] of the episodes; episode k has ``count`` homes from k times ``count`` on, round and round.
        count: homes that play.
        n_series: loads and roofs of the data.

    Raises:
        ValueError: these are not the homes of the data, or there is no roof for each.
    """
    n_homes, n_roofs = n_series
    if len(known) != n_homes or n_roofs != n_homes:
        raise ValueError(
            f"prosumer.known: expected an entry for each of the {n_homes} homes of the data, and a roof for each home; "
            f"got {len(known)} entries and {n_roofs} roofs"
        )
    home = (number[:, None] * count + np.arange(count)) % n_homes
    kwp, kwh = (np.array([getattr(one, name) for one in known]) for name in ("pv_kwp", "battery_kwh"))
    return home, kwp[home], kwh[home]
