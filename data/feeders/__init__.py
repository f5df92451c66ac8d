"""Feeders: radial networks as data, one folder each (``feeder.toml``, ``lines.csv``, ``SOURCE.md``), found by listing.

``lines.csv`` has one row a cable or overhead line, written from the end nearer the root (``from_bus``) to the other
(``to_bus``); a load stands in the row that feeds its bus. ``feeder.toml`` holds the base voltage, the permitted band
and the transformer at the root, if there is one.
"""

from __future__ import annotations

from pathlib import Path

from gridbazaar.data.feeder import Feeder
from gridbazaar.data.inputs import check_input
from gridbazaar.data.loaders.feeder_folder import read_feeder

_FOLDER = Path(__file__).resolve().parent


def list_feeders() -> tuple[str, ...]:
    """Name the feeders that ship with the package."""
    return tuple(sorted(path.parent.name for path in _FOLDER.glob("*/feeder.toml")))


def load_feeder(name_or_path: str | Path) -> Feeder:
    """Read a feeder by its name, or from a folder of your own.

    Raises:
        ValueError: names every faulty key and row at once.
    """
    return read_feeder(_find(name_or_path))


def _find(name_or_path: str | Path) -> Path:
    if isinstance(name_or_path, str) and name_or_path in list_feeders():
        return _FOLDER / name_or_path
    folder = check_input(name_or_path)
    missing = [name for name in ("feeder.toml", "lines.csv") if not (folder / name).is_file()]
    if missing:
        known = ", ".join(list_feeders())
        raise ValueError(
            f"feeder '{name_or_path}': expected one of {known}, or a folder with feeder.toml and lines.csv; "
            f"{', '.join(missing)} not found in {folder.resolve()}; check the name, or add the file"
        )
    return folder.resolve()
