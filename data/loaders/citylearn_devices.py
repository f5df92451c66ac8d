"""What the homes of a CityLearn folder have by its schema.json: roofs and batteries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridbazaar.data.text import parse_json, read_any_text


@dataclass(frozen=True, slots=True)
class Devices:
    """Of one home."""

    pv_kwp: float
    battery_kwh: float
    battery_kw: float
    efficiency: float  # of charging, and of releasing; the schema has that of both, at rated power


def citylearn_devices(folder: Path) -> dict[str, Devices]:
    """Give the devices of each home by its name.

    Raises:
        ValueError: the schema names no sizes, or some that cannot be.
    """
    schema = folder / "schema.json"
    content = parse_json(read_any_text(schema)[0], str(schema))
    buildings = content.get("buildings") if isinstance(content, dict) else None
    if not isinstance(buildings, dict) or not buildings:
        raise ValueError(f"{schema}: expected a table 'buildings', got none")
    return {name: _devices(entry, f"{schema}: buildings.{name}") for name, entry in buildings.items()}


def _devices(entry: Any, where: str) -> Devices:
    return Devices(
        _size(entry, "pv", "nominal_power", where),
        _size(entry, "electrical_storage", "capacity", where),
        _size(entry, "electrical_storage", "nominal_power", where),
        math.sqrt(_size(entry, "electrical_storage", "efficiency", where, most=1.0, none=1.0)),
    )


def _size(entry: Any, device: str, name: str, where: str, most: float = 1e6, none: float = 0.0) -> float:
    """Give a size of a device; a home without the device has none of it."""
    held = entry.get(device) if isinstance(entry, Mapping) else None
    if not held:
        return none
    value = held.get("attributes", {}).get(name) if isinstance(held, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise ValueError(
            f"{where}.{device}.attributes.{name}: expected a number above 0, at most {most:g}; got {value!r}"
        )
    return float(value)
