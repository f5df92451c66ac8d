"""A page in the system's Chromium, without its window: what it measures of itself, and its picture."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage")
_MEASURE = """<script>
addEventListener("error", e => errors.push(String(e.message)));
const errors = [];
addEventListener("load", () => {
  const shown = [...document.querySelectorAll("body *")].filter(e => e.getClientRects().length);
  const beyond = shown.filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest("thead"));
  const held = {
    width: innerWidth,
    scrolls: document.documentElement.scrollWidth,
    beyond: beyond.map(e => e.tagName + " " + e.textContent.slice(0, 40)),
    scrolling: shown.filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX == "auto")
      .map(e => e.className),
    pictures: shown.filter(e => e.matches("svg, img")).map(e => e.getBoundingClientRect().width),
    least_text_px: Math.min(...shown.filter(e => e.matches("svg text"))
      .map(e => parseFloat(getComputedStyle(e).fontSize) * Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b))),
    addresses: performance.getEntriesByType("resource").map(e => e.name),
    errors: errors,
  };
  parent.document.body.setAttribute("data-held", JSON.stringify(held));
});
</script>"""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a page says of itself at a width of the window."""

    width: int  # of the window inside, px
    scrolls: int  # width that the page takes
    beyond: list[str]  # elements that reach beyond the window
    scrolling: list[str]  # elements that must be scrolled sideways
    pictures: list[float]  # widths of those shown, px
    least_text_px: float  # the smallest letters of a picture
    addresses: list[str]  # whatever it fetched
    errors: list[str]


def look(page: str, folder: Path, width: int) -> Looked:
    """Open a page in a frame of a width and let it measure itself; ``folder`` takes a copy of it."""
    return Looked(**_held(page, folder, width, _MEASURE))


def answers(page: str, folder: Path, script: str, width: int = 1280) -> Any:
    """Run the body of a function on a page once it has loaded, and give what it returns."""
    told = f'addEventListener("load", () => {{ const found = (() => {{ {script} }})(); {_TELL} }});'
    return _held(page, folder, width, f"<script>{told}</script>")


_TELL = 'parent.document.body.setAttribute("data-held", JSON.stringify(found));'


def _held(page: str, folder: Path, width: int, script: str) -> Any:
    """Open a page with a script in a frame, for no window is as narrow as a phone; give what it left."""
    assert CHROMIUM is not None
    path = folder / f"page_{width}.html"
    inside = escape(page.replace("</head>", f"{script}</head>", 1), quote=True)
    frame = f'<iframe style="border:0;width:{width}px;height:2000px" srcdoc="{inside}"></iframe>'
    path.write_text(f'<!doctype html><meta charset="utf-8"><body style="margin:0">{frame}</body>', encoding="utf-8")
    found = subprocess.run(
        [CHROMIUM, *_QUIET, "--window-size=1600,2000", "--virtual-time-budget=5000", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    held = re.search(r'data-held="([^"]*)"', found.stdout)
    assert held, f"the page did not load: {found.stderr[-2000:]}"
    return json.loads(unescape(held[1]))


def to_pdf(path: Path, out: Path) -> bytes:
    """Print a page as PDF."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *_QUIET, "--no-pdf-header-footer", f"--print-to-pdf={out}", path.as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    return out.read_bytes()
