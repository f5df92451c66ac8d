"""Feeders: radial networks as data, one folder each (``feeder.toml``, ``lines.csv``, ``SOURCE.md``), found by listing.

``lines.csv`` has one row a cable or overhead line, written from the end nearer the root (``from_bus``) to the other
(``to_bus``); a load stands in the row that feeds its bus. ``feeder.toml`` holds the base voltage, the permitted band
and the transformer at the root, if there is one.

One of your own is such a folder by its path, or a ``Feeder``; packages bring some as entry points
``gridbazaar.feeders``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.data.feeder import Feeder
from gridbazaar.data.inputs import check_input
from gridbazaar.data.loaders.feeder_folder import read_feeder
from gridbazaar.data.registry import Sort, find, installed

_FOLDER = Path(__file__).resolve().parent
SORT = Sort("feeder", "gridbazaar.feeders", "a folder with feeder.toml and lines.csv", "a Feeder")


def list_feeders() -> tuple[str, ...]:
    """Name the feeders that ship with the package, then those of installed packages."""
    shipped = _shipped()
    return (*shipped, *(name for name in installed(SORT.group) if name not in shipped))


def load_feeder(name_or_path: Any) -> Feeder:
    """Read a feeder by its name, or from a folder of your own; a ``Feeder`` is given back.

    Raises:
        ValueError: names every faulty key and row at once.
    """
    given = name_or_path
    if isinstance(given, Feeder):
        return given
    if isinstance(given, Mapping):  # one that ``dataclasses.asdict`` took apart
        fields: dict[str, Any] = {k: np.array(v) if isinstance(v, list) else v for k, v in given.items()}
        fields["buses"] = tuple(given["buses"])
        return Feeder(**fields)
    text = str(given)
    if text in _shipped():
        return read_feeder(_FOLDER / text)
    folder = check_input(text)
    missing = [name for name in ("feeder.toml", "lines.csv") if not (folder / name).is_file()]
    if isinstance(given, str | Path) and not missing:
        return read_feeder(folder.resolve())
    if text not in installed(SORT.group):
        raise SORT.unknown(text, _shipped(), f"{', '.join(missing)} not found in {folder.resolve()}")
    found = find(SORT, text, (), str)
    return load_feeder(found() if callable(found) else found)


def _shipped() -> tuple[str, ...]:
    return tuple(sorted(path.parent.name for path in _FOLDER.glob("*/feeder.toml")))
