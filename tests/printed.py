"""A page as it is printed: what each sheet of the PDF holds, read by PDFium (``pypdfium2``, extra ``dev``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from importlib import import_module
from typing import Any

import numpy as np

_DOTS_PER_PT = 1.0
MARGIN = 0.03  # of height and width, that stays white
_INK = 235  # of 255, below which a dot of the rendered sheet is ink


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet. Lengths are shares of its height or width."""

    text: str
    top: float  # of the first ink
    bottom: float  # of the last
    gap: float  # the highest white band between two rows of ink
    left: float  # of the leftmost ink
    right: float  # of the rightmost
    outside: str  # letters that lie beyond the edges


def sheets(pdf: bytes) -> list[Sheet]:
    """Look at each sheet of a PDF."""
    document = import_module("pypdfium2").PdfDocument(pdf)
    try:
        return [_sheet(document[i]) for i in range(len(document))]
    finally:
        document.close()


def _sheet(page: Any) -> Sheet:
    ink = page.render(scale=_DOTS_PER_PT, grayscale=True).to_numpy()
    ink = ink.reshape(*ink.shape[:2], -1).min(axis=2) < _INK
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not rows.size:
        return Sheet("", 1.0, 0.0, 1.0, 1.0, 0.0, "")
    height, width = ink.shape
    text = page.get_textpage()
    return Sheet(
        text=text.get_text_bounded(), top=rows[0] / height, bottom=(rows[-1] + 1) / height,
        gap=(np.diff(rows).max(initial=1) - 1) / height, left=columns[0] / width, right=(columns[-1] + 1) / width,
        outside=_outside(text, *page.get_size()),
    )  # fmt: skip


def _outside(text: Any, width: float, height: float) -> str:
    """Letters whose box passes an edge of the sheet, in points."""
    found = []
    for i in range(text.count_chars()):
        left, bottom, right, top = text.get_charbox(i)
        if left < right and (left < 0 or bottom < 0 or right > width or top > height):
            found.append(text.get_text_range(i, 1))
    return "".join(found)


def half_empty(found: list[Sheet], least: float = 0.55) -> list[int]:
    """Sheets, counted from 1, whose ink ends above ``least`` of the height; the last one may end anywhere."""
    return [i + 1 for i, sheet in enumerate(found[:-1]) if sheet.bottom < least]


def assert_printed_well(found: list[Sheet], page: str) -> None:
    """No sheet is half-empty, nothing lies in the margins or beyond, and every chart stands on one sheet."""
    assert half_empty(found) == []
    for i, sheet in enumerate(found, 1):
        assert sheet.outside == "", f"sheet {i}: letters beyond the edge"
        assert sheet.left > MARGIN and sheet.right < 1 - MARGIN, f"sheet {i}: ink in the margin at the side"  # noqa: PT018
        assert sheet.top > MARGIN and sheet.bottom < 1 - MARGIN, f"sheet {i}: ink in the margin above or below"  # noqa: PT018
    texts = [_letters(sheet.text) for sheet in found]
    for key, words in charts(page).items():
        assert any(all(word in text for word in words) for text in texts), f"{key} is cut, or not there"


def charts(page: str) -> dict[str, list[str]]:
    """What is written in each picture of a page, as it is printed; of those that are letters and not dots."""
    figures = re.findall(r'<figure id="(\w+)"><div class="on-wide">(<svg.*?</svg>)', page, flags=re.DOTALL)
    words = {key: re.findall(r"<text[^>]*>(.*?)</text>", svg, flags=re.DOTALL) for key, svg in figures}
    return {key: [_letters(unescape(re.sub(r"<[^>]+>", "", word))) for word in held] for key, held in words.items()}


def _letters(text: str) -> str:
    """Without blanks, which PDFium puts where it likes."""
    return re.sub(r"\s", "", text)
