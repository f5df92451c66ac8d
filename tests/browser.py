"""A page as a browser shows it: Chromium of the system, led by playwright, without a network.

Tests that open pages carry ``in_browser``: where Chromium or playwright is missing they are skipped and say which, or
fail and say which with ``GRIDBAZAAR_BROWSER=required`` in the environment, as ``.ci/run`` sets it where there is one.
"""

from __future__ import annotations

import atexit
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LACKS = next((what for what, has in {
    "Chromium": CHROMIUM, "playwright (pip install -e '.[dev]')": find_spec("playwright"),
}.items() if not has), None)  # fmt: skip
WANTED = os.environ.get("GRIDBAZAAR_BROWSER", "")


def marking(lacks: str | None, wanted: str) -> pytest.MarkDecorator:
    """The mark of tests that open pages: what lacks skips them, unless it is required."""
    if wanted not in ("", "required"):
        raise ValueError(f"GRIDBAZAAR_BROWSER: expected required, or nothing, got {wanted!r}")
    return pytest.mark.skipif(lacks is not None and not wanted, reason=f"no {lacks} on this machine")


in_browser = marking(LACKS, WANTED)
in_print = marking(LACKS or (None if find_spec("pypdfium2") else "pypdfium2 (pip install -e '.[dev]')"), WANTED)
"""Of tests that look at the sheets of a PDF too."""

_MEASURE = """() => {
  const shown = [...document.querySelectorAll("body *")].filter(e => e.getClientRects().length);
  const beyond = shown.filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest("thead"));
  return {
    width: innerWidth,
    scrolls: document.documentElement.scrollWidth,
    beyond: beyond.map(e => e.tagName + " " + e.textContent.slice(0, 40)),
    scrolling: shown.filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX == "auto")
      .map(e => e.className),
    pictures: shown.filter(e => e.matches("svg, img")).map(e => e.getBoundingClientRect().width),
    least_text_px: Math.min(...shown.filter(e => e.matches("svg text"))
      .map(e => parseFloat(getComputedStyle(e).fontSize) * Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b))),
  };
}"""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a page says of itself at a width of the window."""

    width: int  # of the window inside, px
    scrolls: int  # width that the page takes
    beyond: list[str]  # elements that reach beyond the window
    scrolling: list[str]  # elements that must be scrolled sideways
    pictures: list[float]  # widths of those shown, px
    least_text_px: float  # the smallest letters of a picture
    addresses: list[str]  # whatever it asked for but itself
    errors: list[str]  # uncaught, or written to the console


@dataclass(frozen=True, slots=True)
class Opened:
    """A page that is open: playwright's, with what it asked for and complained of so far."""

    page: Any
    addresses: list[str]
    errors: list[str]


@contextmanager
def opened(page: str, folder: Path, width: int = 1280) -> Iterator[Opened]:
    """Open a page at a width of the window; ``folder`` takes a copy of it."""
    path = folder / f"page_{width}.html"
    path.write_text(page, encoding="utf-8")
    tab = _browser().new_page(viewport={"width": width, "height": 900})
    held = Opened(tab, [], [])
    tab.on("request", lambda asked: held.addresses.extend({asked.url} - {path.as_uri()}))
    tab.on("pageerror", lambda error: held.errors.append(str(error)))
    tab.on("console", lambda said: held.errors.extend([said.text] if said.type in ("error", "warning") else []))
    try:
        tab.goto(path.as_uri(), wait_until="load")
        yield held
    finally:
        tab.close()


def look(page: str, folder: Path, width: int) -> Looked:
    """Open a page at a width of the window and let it be measured."""
    with opened(page, folder, width) as held:
        measured = held.page.evaluate(_MEASURE)
        return Looked(**measured, addresses=held.addresses, errors=held.errors)


def answers(page: str, folder: Path, script: str, width: int = 1280) -> Any:
    """Run the body of a function on a page once it has loaded, and give what it returns, awaited."""
    with opened(page, folder, width) as held:
        found = held.page.evaluate(f"async () => {{ {script} }}")
        assert not held.errors, held.errors
        return found


def to_pdf(path: Path, out: Path) -> bytes:
    """Print a page as PDF."""
    tab = _browser().new_page()
    try:
        tab.goto(path.as_uri(), wait_until="load")
        return bytes(tab.pdf(path=str(out), prefer_css_page_size=True, print_background=True))
    finally:
        tab.close()


@cache
def _browser() -> Any:
    """Start Chromium once a process."""
    if LACKS is not None:
        pytest.fail(f"no {LACKS} on this machine, and GRIDBAZAAR_BROWSER=required asks for it")
    driver = import_module("playwright.sync_api").sync_playwright().start()
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
    atexit.register(lambda: (browser.close(), driver.stop()))
    return browser
