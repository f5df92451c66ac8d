"""Feeders: radial networks as data, one folder each (``feeder.toml``, ``lines.csv``, ``SOURCE.md``), found by listing.

``lines.csv`` has one row a cable or overhead line, written from the end nearer the root (``from_bus``) to the other
(``to_bus``); a load stands in the row that feeds its bus. ``feeder.toml`` holds the base voltage, the permitted band
and the transformer at the root, if there is one.
"""

from __future__ import annotations

from gridbazaar.data.feeders.feeder import Feeder
from gridbazaar.data.feeders.files import list_feeders, load_feeder
from gridbazaar.data.feeders.pandapower import load_feeder_from_pandapower

__all__ = ["Feeder", "list_feeders", "load_feeder", "load_feeder_from_pandapower"]
