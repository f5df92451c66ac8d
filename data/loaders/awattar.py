"""Read day-ahead prices as aWATTar's interface gives them: JSON with ``data`` of intervals.

``start_timestamp`` and ``end_timestamp`` are thousandths of seconds of UTC, ``marketprice`` is in the ``unit``
``Eur/MWh``. The market is that of the address: Austria's, or Germany's where it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.data.loaders.readings import Column, Readings
from gridbazaar.data.text import parse_json, read_any_text, said

_PER_KWH = {"eur/mwh": 1e-3, "eur/kwh": 1.0, "ct/kwh": 1e-2, "cent/kwh": 1e-2}
_LATEST_MS = 4_102_444_800_000  # the year 2100


def recognises(path: Path) -> bool:
    """Whether the file's name says JSON."""
    return path.suffix.lower() == ".json"


def read(path: Path) -> tuple[Readings, ...]:
    """Read the prices of a file."""
    text, _ = read_any_text(path)
    found = parse_json(text, str(path))
    intervals = found.get("data") if isinstance(found, Mapping) else None
    if not isinstance(intervals, list) or not intervals:
        raise ValueError(f"{path}: expected prices of aWATTar, an object with a list 'data'; got {said(found)}")
    rows = [_row(path, i, interval) for i, interval in enumerate(intervals)]
    start_s, lasts_s, price = (np.array(column) for column in zip(*rows, strict=True))
    german = ".de" in str(found.get("url", ""))
    return (
        Readings(
            paths=(path,), times=start_s.astype("datetime64[s]"), is_utc=True,
            columns=(Column("marketprice", "spot", "", price.astype(np.float64), False),),
            line=np.arange(len(rows)), file=np.zeros(len(rows), np.int64),
            zone="Europe/Berlin" if german else "Europe/Vienna", identity=f"awattar {'DE' if german else 'AT'}",
            lasts_s=lasts_s, says_begin=True, row="interval",
            notes=("its prices are in EUR; the scenario's currency should be too",),
        ),
    )  # fmt: skip


def _row(path: Path, i: int, interval: Any) -> tuple[int, int, float]:
    """Beginning and length in seconds, and price per kWh."""
    where = f"{path}: data[{i}]"
    if not isinstance(interval, Mapping):
        raise ValueError(f"{where}: expected an object, got {said(interval)}")
    start, end = (_time(interval, name, where) for name in ("start_timestamp", "end_timestamp"))
    price, unit = interval.get("marketprice"), str(interval.get("unit", "")).lower()
    if not isinstance(price, int | float) or isinstance(price, bool) or not isfinite(price):
        raise ValueError(f"{where}.marketprice: expected a number, got {said(price)}")
    if unit not in _PER_KWH:
        raise ValueError(f"{where}.unit: expected Eur/MWh, got {said(interval.get('unit'))}")
    if end <= start:
        raise ValueError(f"{where}.end_timestamp: expected a time after the beginning {start}, got {end}")
    return start // 1000, (end - start) // 1000, price * _PER_KWH[unit]


def _time(interval: Mapping[str, Any], name: str, where: str) -> int:
    value = interval.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LATEST_MS or value % 1000:
        raise ValueError(f"{where}.{name}: expected thousandths of whole seconds since 1970, got {said(value)}")
    return value
