"""The page that shows a recorded episode: one file, nothing fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

MOST_BYTES = 2_000_000
"""Of a page; a longer episode is refused rather than shown slowly."""

_SCRIPTS = ("ledger.js", "audited.js", "replay.js")


def render(recorded: Mapping[str, Any], command: str) -> str:
    """Make the page.

    Args:
        recorded: what ``record`` made; with ``ledger``, what ``audited`` made, the page checks it.
        command: how it was made, shown at its end.

    Raises:
        ValueError: it would be larger than ``MOST_BYTES``.
    """
    here = files("gridbazaar.experiments.replay")
    data = json.dumps(recorded, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    held = data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    parts = {
        "title": escape(f"{recorded['scenario']}: an episode again"),
        "command": escape(command),
        "style": here.joinpath("replay.css").read_text(encoding="utf-8"),
        "script": "".join(here.joinpath(name).read_text(encoding="utf-8") for name in _SCRIPTS),
        "data": held,
    }
    page = here.joinpath("replay.html").read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace(f"<!--{name}-->", text, 1)
    if (size := len(page.encode("utf-8"))) > MOST_BYTES:
        raise ValueError(
            f"replay: the page would have {size:,} bytes, expected at most {MOST_BYTES:,}; show fewer policies, fewer "
            "hours (--set hours=12) or longer intervals (--set step_min=60)"
        )
    return page
