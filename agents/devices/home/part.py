"""What a home's further devices have in common."""

from __future__ import annotations

from dataclasses import dataclass

from gridbazaar.data.arrays import Array

CAN_SCALE_KW = 5.0
"""Kilowatts that count as one where homes observe what a device may draw."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one sort of device must and may do in the interval, [n_envs, n_kind] each."""

    must_kw: Array  # served at any price
    can_kw: Array  # >= 0, beyond it
    spare_kwh: Array  # drawn later that what is stored above the lower edge saves; may be negative
